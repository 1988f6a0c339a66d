//! What callers may do: a TOML file -> [`Policy`]; an [`Invocation`](crate::command::Invocation) ->
//! [`Decision`].
//!
//! Pure; may not start or read anything. Default deny; **deny > confirm > allow**, whatever the
//! order. A rule sees the parsed command, never its text. Only [`Policy::decide`] makes an
//! [`Approved`].

#![forbid(unsafe_code)]

mod decide;
mod error;
mod file;
mod lint;
mod load;
mod pattern;
mod rule;
mod target;

#[cfg(test)]
mod tests;

pub use decide::{Approved, Considered, Decision, Denied, Mismatch};
pub use error::{PolicyError, PolicyErrors, PolicyFile, Severity};
pub use file::schema;
pub use rule::{Bounds, Effect, RuleId};
pub use target::Target;

use std::collections::{BTreeMap, HashMap};

use crate::catalogue::CommandPath;
use crate::tool::Tool;
use rule::Rule;

/// The rules in force. Several files intersect: each of them must allow.
#[derive(Debug)]
pub struct Policy {
    files: Vec<Rules>,
}

/// The rules of one file.
#[derive(Debug)]
struct Rules {
    name: String,
    rules: Vec<Rule>,
    /// The places of the rules about each verb, in the file's order.
    by_verb: BTreeMap<Tool, HashMap<CommandPath, Vec<usize>>>,
    /// What an operator should look at again.
    lints: Vec<PolicyError>,
    /// How many examples and tests held when the file was loaded.
    examples: usize,
}
