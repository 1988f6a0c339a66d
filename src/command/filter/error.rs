//! Why words are not a filter, and what to do instead.

use crate::excerpt::Excerpt;

/// Why words are not a [`Filter`](super::Filter). Every variant names the filter and the offending
/// word.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the names say it")]
pub enum FilterError {
    /// Another program.
    #[error("{program} is no filter: behind a `|` stand filters alone")]
    NotAFilter { program: Excerpt, help: String },
    /// No such flag here.
    #[error("`{filter}` has no flag {flag} here")]
    UnknownFlag {
        filter: &'static str,
        flag: Excerpt,
        nearest: Option<&'static str>,
        known: String,
    },
    /// A flag that reads or writes a file, runs a program, or never ends.
    #[error("`{filter}` may not have {flag}: {why}")]
    RefusedFlag {
        filter: &'static str,
        flag: Excerpt,
        why: &'static str,
    },
    /// A scalar flag given twice.
    #[error("`{filter}` has {flag} twice, and only one would count")]
    RepeatedFlag {
        filter: &'static str,
        flag: &'static str,
    },
    /// A flag at the end that needs a value.
    #[error("`{filter}` lacks the value of {flag}")]
    MissingValue { filter: &'static str, flag: Excerpt },
    /// A value of the wrong form.
    #[error("{flag} of `{filter}` takes {expected}, not {value}")]
    Value {
        filter: &'static str,
        flag: &'static str,
        expected: &'static str,
        value: Excerpt,
    },
    /// An operand too many: mostly a file.
    #[error("{word} cannot be an operand of `{filter}`: {why}")]
    Operand {
        filter: &'static str,
        word: Excerpt,
        why: &'static str,
    },
    /// An operand, or a flag that every use has, too few.
    #[error("`{filter}` lacks {what}")]
    Missing {
        filter: &'static str,
        what: &'static str,
    },
    /// A pattern of `grep -P` that `-E` cannot say.
    #[error("`grep -P` may not have {construct} here: patterns are those of `grep -E`")]
    PerlPattern { construct: Excerpt },
    /// A program of the filter's own language that does more than compute.
    #[error("the program of `{filter}` may not have {construct}: {why}")]
    Script {
        filter: &'static str,
        construct: Excerpt,
        /// What it does, or that it is not understood.
        why: &'static str,
    },
}

impl FilterError {
    /// What to do instead, in one sentence.
    pub fn help(&self) -> String {
        match self {
            Self::NotAFilter { help, .. } => help.clone(),
            Self::UnknownFlag { nearest: Some(nearest), known, .. } => format!("did you mean `{nearest}`? Known are {known}"),
            Self::UnknownFlag { known, .. } => format!("known are {known}"),
            Self::RefusedFlag { .. } => "leave it out: a filter reads what stands before it, and prints".into(),
            Self::RepeatedFlag { flag, .. } => format!("give {flag} once"),
            Self::MissingValue { .. } => "give the value, or leave the flag out".into(),
            Self::Value { expected, .. } => format!("give {expected}"),
            Self::Operand { .. } => "leave it out, or put text with blanks in single quotes".into(),
            Self::Missing { what, .. } => format!("give {what}"),
            Self::PerlPattern { .. } => {
                "write it for `grep -E`: (a|b), +, ?, [0-9], \\d, \\w, \\s and \\b are known; `sed -E 's/.*name=([a-z]+).*/\\1/'` takes a part out of a line".into()
            }
            Self::Script { .. } => {
                "write it without: a filter reads what stands before it, and prints; it has no files, programs or environment".into()
            }
        }
    }
}
