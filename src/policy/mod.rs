//! What callers may do: a TOML file -> [`Policy`]; an [`Invocation`](crate::command::Invocation) ->
//! [`Decision`].
//!
//! Pure; may not start or read anything. Default deny; **deny > confirm > allow**, whatever the order. A
//! rule sees the parsed command, never its text. Only [`Policy::decide`] makes an [`Approved`].

#![forbid(unsafe_code)]

mod decide;
mod file;
mod never;
mod rule;

pub use decide::{Approved, Considered, Decision, Denied, Mismatch};
pub use file::{PolicyError, PolicyFile, schema};
pub use rule::{Effect, RuleId, Target};

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
}
