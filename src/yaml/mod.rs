//! Untrusted bytes -> the nodes of YAML or JSON documents, each with its line.
//!
//! Comes in: any bytes, and how large their documents may be ([`YamlBounds`]). Goes out: [`Node`]s,
//! whose scalars are still text. Pure; knows nothing of what the documents are about. What two
//! readers could take differently is refused before any meaning is looked for: anchors, aliases,
//! tags, directives, merge keys, keys that occur twice, are no scalars or no text to every reader, and
//! the characters that one version of YAML takes for a line break and another for text.
//!
//! Held by the tests in this room and by the fuzz target `yaml`.

#![forbid(unsafe_code)]

mod compact;
mod error;
mod node;
mod number;
mod read;
mod scalar;
mod typed;

pub use error::{Construct, YamlError};
pub use node::{Content, Node, key_name};
pub use number::{of_float, write_json};
pub use read::{YamlBounds, read};
pub use scalar::has_a_type;
pub use typed::{NoValue, typed};
