//! [`Adjustment`]: what runs and was not sent, or was sent and does not run.
//!
//! Comes in: from the parser, the filters and the policy, each where it departs from the caller's
//! words. Goes out: to the reply, which says all of them. An answer to another command than the one
//! that was sent is a wrong one unless it says so.

use std::fmt;

/// One difference between the words that a caller sent and the command that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adjustment {
    /// A rule adds a flag that the command lacks.
    Added {
        /// As it is rendered: `--tail=500`.
        word: String,
    },
    /// A rule accepts less of a value, and the most that it accepts is used.
    Clamped {
        /// The flag: `--timeout`.
        flag: String,
        /// The value that was sent.
        given: String,
        /// The value that runs.
        used: String,
    },
    /// Something that has no effect here is left out.
    Dropped {
        /// As it was sent: `2>&1`.
        word: String,
        /// What is so without it.
        why: &'static str,
    },
    /// A word is read as another one, or as several.
    Replaced {
        /// As it was sent: `all`.
        word: String,
        /// What runs.
        used: String,
        /// What is so with it.
        why: &'static str,
    },
}

/// As a line of a reply.
impl fmt::Display for Adjustment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { word } => write!(f, "added {word}"),
            Self::Clamped { flag, given, used } => {
                write!(f, "{flag} is {used}, not {given}: that is the most here")
            }
            Self::Dropped { word, why } => write!(f, "left out `{word}`: {why}"),
            Self::Replaced { word, used, why } => write!(f, "read `{word}` as `{used}`: {why}"),
        }
    }
}
