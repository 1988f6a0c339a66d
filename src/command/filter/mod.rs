//! The words behind a `|` -> a [`Filter`] -> the argv that its program gets.
//!
//! As with the tools, what runs is rendered from the types alone. A filter has no power: it reads
//! what stands before it and prints, whatever its words say, and the sandbox sees to that
//! (`policy/sandbox/filter.toml`). What this room refuses is refused so that the caller learns why
//! it cannot work.
//!
//! Held by the tests here, `tests/filters/` and the fuzz target `split`.

mod awk;
mod catalogue;
mod error;
mod parse;
mod perl;
mod program;
mod query;
mod sed;
mod value;

pub use catalogue::filter_names;
pub use error::FilterError;
pub use parse::Filter;
pub(super) use parse::passes_everything;
pub use program::FilterProgram;
