//! What each tool version can do: command paths, aliases and flags, from the tools' own trees.
//!
//! Comes in: the generated JSON of `policy/catalogue/`, and the hand-written classes beside it.
//! Goes out: a [`Catalogue`]. Pure; knows no request and no policy. What a catalogue does not hold
//! does not exist for the parser; what has no class can never be allowed.

#![forbid(unsafe_code)]

mod custom;
mod hazard;
mod load;
mod mask;
mod name;
pub mod resource;
mod tree;

pub use custom::{CustomResource, CustomResources, DiscoveryError, LONGEST_DISCOVERY, WordMeaning};
pub use hazard::{FlagClass, FlagHazard, FlagValues, Hazards, ReadsData, VerbClass, VerbHazard};
pub use load::{CatalogueError, unclassed};
pub use mask::{Mask, OperandMask};
pub use name::CommandPath;
pub use tree::{Catalogue, CommandNode, Flag, FlagKind};
pub(crate) use tree::{flag_lettered, flag_named, flags_in_scope};
