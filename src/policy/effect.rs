//! What a rule does, and what it is called: [`Effect`], [`RuleId`].

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a rule says.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// The command runs.
    Allow,
    /// The command runs once a person has said so.
    Confirm,
    /// The command does not run, whatever other rules say.
    Deny,
}

impl Effect {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Confirm => "confirm",
            Self::Deny => "deny",
        }
    }

    /// The word for a decision.
    pub fn adjective(self) -> &'static str {
        match self {
            Self::Allow => "allowed",
            Self::Confirm => "to be confirmed",
            Self::Deny => "denied",
        }
    }
}

/// A rule's name and where it stands: `read-only.toml:41 no-deletes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleId {
    /// The `id` in the file.
    pub id: String,
    /// The file's name.
    pub file: String,
    /// The line of the rule.
    pub line: usize,
}

impl RuleId {
    /// Where the rule stands, for a reader of `file`.
    pub(super) fn place_from(&self, file: &str) -> String {
        match self.file == file {
            true => format!("on line {}", self.line),
            false => format!("on line {} of {}", self.line, self.file),
        }
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{})", self.id, self.file, self.line)
    }
}
