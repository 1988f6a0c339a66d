//! What an object asks of a cluster that an operator may not want it to have, by sets with a name:
//! [`ObjectCondition::breach`].
//!
//! Comes in: an object of a manifest. Goes out: the first field that breaks a condition. Pure; knows no
//! policy. A field that has another type than the API gives it breaks each condition that looks at it: the
//! API server would refuse it, and nobody guesses here what it might mean.
//!
//! Pods are found wherever a kind of the API server's own embeds one, and in custom objects wherever
//! something looks like one.
//!
//! Held by the tests in this room, among them cases after each of the upstream standard's, and by
//! `tests/differential/pod_security.rs`, where the upstream standard is the judge.

#![forbid(unsafe_code)]

mod baseline;
mod condition;
mod field;
mod image;
mod pod;
mod restricted;
#[cfg(test)]
mod tests;

pub use condition::{ForbiddenPart, ObjectCondition, PodSecurity};
pub use field::Breach;
