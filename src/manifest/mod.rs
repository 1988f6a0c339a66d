//! Untrusted text -> the objects that a policy judges, and the bytes that a tool gets in its place.
//!
//! Comes in: a caller's YAML or JSON, the namespace of the call, and what the cluster says of kinds
//! that the table does not hold. Goes out: a [`Manifest`]. Pure; knows neither policy nor request.
//! A tool never gets the caller's bytes: what was understood is written anew, each value in the one
//! spelling that every reader takes alike, each object in a line of JSON and with its namespace.
//! What cannot be understood in one way is refused, with the line and the field.
//!
//! Types are those of kubectl's own reader (sigs.k8s.io/yaml v1.6.0 on go.yaml.in/yaml/v2), so that
//! `0644`, `yes` and `1_000` stay what they were.
//!
//! Held by the tests in this room, the fuzz target `manifest`, and `tests/differential/manifest.rs`,
//! where kubectl's reader is the judge.

#![forbid(unsafe_code)]

mod bounds;
mod document;
mod error;
mod identity;
mod json;
mod list;
mod objects;
mod tree;
#[cfg(test)]
mod tests;

pub use bounds::{LARGEST, MOST_OBJECTS};
pub use error::{FieldPlace, ManifestError};
pub use identity::{KnownKind, ManifestContext, ManifestObject, Naming};
pub use objects::Manifest;
