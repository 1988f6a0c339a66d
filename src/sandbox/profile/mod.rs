//! The system calls and files of each kind of command: `policy/sandbox/`, read and checked.
//!
//! `docs/sandbox.md` explains the files. They are compiled in: what confines a child is part of the
//! program that was reviewed, not of its configuration.

mod file;
mod load;
mod name;
mod verbs;

pub(super) use file::{CallOutcome, ListenerKind};
pub(super) use load::Profile;
pub use load::{ProfileError, Profiles};
pub use name::ProfileName;
