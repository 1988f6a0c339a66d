//! How a command is named: [`CommandPath`], which the classes of verbs and the tree of commands share.

use std::fmt;

use serde::Serialize;

/// The words that choose a command, canonical (no alias), the tool's name not included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct CommandPath(Vec<String>);

impl CommandPath {
    /// The path of these words.
    pub fn new(words: Vec<String>) -> Self {
        Self(words)
    }

    /// The words.
    pub fn words(&self) -> &[String] {
        &self.0
    }
}

/// As operators write it: `rollout restart`; the root is the empty text.
impl fmt::Display for CommandPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}
