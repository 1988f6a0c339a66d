//! What each tool version can do: command paths, aliases and flags, from the tools' own trees.
//!
//! Comes in: the generated JSON of `policy/catalogue/`. Goes out: a [`Catalogue`]. Pure; knows no
//! request and no policy. What a catalogue does not hold does not exist for the parser.

#![forbid(unsafe_code)]

mod load;
pub mod resource;
mod tree;

pub use load::CatalogueError;
pub(crate) use tree::flags_in_scope;
pub use tree::{Catalogue, CommandNode, CommandPath, Flag, FlagKind, Tool};
