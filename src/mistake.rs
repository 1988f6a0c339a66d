//! A mistake in a file that an operator wrote: what is wrong, where, and what to do. Policies and
//! settings show theirs alike.
//!
//! Comes in: a file, a place in it, a message. Goes out: one line for a log, or the place underlined
//! for a person. May not read files or know what they mean.
//!
//! Held by `tests/cli`, whose snapshots have some thirty mistakes.

#![forbid(unsafe_code)]

use std::{fmt, ops::Range, sync::Arc};

use miette::{LabeledSpan, SourceCode};
use serde::Serialize;
use toml::Spanned;

use crate::nearest::nearest;

/// A file as it was read: its name in messages, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextFile {
    /// The name that messages have for it.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// One thing that is wrong in a file, or that its author should look at again.
///
/// As text it is one line (and one of help) for a log; as a [`miette::Diagnostic`] it underlines
/// the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}:{column}: {message}{}", file.name, help.as_ref().map(|help| format!("\n  help: {help}")).unwrap_or_default())]
pub struct Mistake {
    /// The file.
    pub file: Arc<TextFile>,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// Where it begins and how long it is, in bytes.
    pub span: (usize, usize),
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Mistake {
    /// Makes a mistake at `span` of the file, in bytes.
    pub fn new(
        file: &Arc<TextFile>,
        span: Range<usize>,
        message: impl Into<String>,
        help: Option<String>,
    ) -> Self {
        let (line, column) = position(&file.text, span.start);
        let span = (span.start, span.end.saturating_sub(span.start));
        Self {
            file: Arc::clone(file),
            line,
            column,
            span,
            message: message.into(),
            help,
        }
    }

    /// Makes the mistake that a TOML reader found: an unknown key gets the known one that is
    /// nearest.
    pub fn of_toml(file: &Arc<TextFile>, error: &toml::de::Error) -> Self {
        let help = meant(error.message()).map(|known| format!("did you mean `{known}`?"));
        Self::new(
            file,
            error.span().unwrap_or_default(),
            error.message(),
            help,
        )
    }

    /// The mistake for a program: its place, and no text of the file.
    pub fn report(&self, finding: Finding) -> FindingReport<'_> {
        FindingReport {
            code: finding.as_str(),
            severity: match finding {
                Finding::PolicyLint => "warning",
                Finding::PolicyInvalid | Finding::SettingsInvalid => "error",
            },
            file: &self.file.name,
            line: self.line,
            column: self.column,
            message: &self.message,
            help: self.help.as_deref(),
        }
    }

    /// Underlines the place, for a person at a terminal.
    pub fn underlined(&self, finding: Finding) -> String {
        let error = self.clone();
        format!("{:?}", miette::Report::new(Underlined { error, finding }))
    }
}

/// The line and the column of a byte, both from 1.
pub fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        before.matches('\n').count() + 1,
        before.get(line_start..).unwrap_or_default().chars().count() + 1,
    )
}

/// The known name that is nearest to the one in serde's "unknown field `x`, expected one of `y`".
fn meant(message: &str) -> Option<&str> {
    let (kind, rest) = message.split_once('`')?;
    if !kind.starts_with("unknown ") {
        return None;
    }
    let (word, rest) = rest.split_once('`')?;
    nearest(word, rest.split('`').skip(1).step_by(2))
}

/// A mistake as JSON.
#[derive(Debug, Serialize)]
pub struct FindingReport<'m> {
    /// The stable code of its kind.
    pub code: &'static str,
    /// `error`, or `warning` for what loads all the same.
    pub severity: &'static str,
    /// The file.
    pub file: &'m str,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: &'m str,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<&'m str>,
}

/// What a mistake is one of, and whether the file loads all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The policy does not load.
    PolicyInvalid,
    /// The policy loads; its author should look at the place.
    PolicyLint,
    /// The settings do not load.
    SettingsInvalid,
}

impl Finding {
    /// The stable code.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PolicyInvalid => "policy_invalid",
            Self::PolicyLint => "policy_lint",
            Self::SettingsInvalid => "settings_invalid",
        }
    }
}

/// A setting that cannot be what it is: the room that owns it knows the key and the problem, the
/// room that reads the file adds the rest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}{}", help.as_ref().map(|help| format!("; {help}")).unwrap_or_default())]
pub struct SettingError {
    /// The key, with its tables.
    pub key: &'static str,
    /// Where the value stands, if a file has it.
    pub span: Option<Range<usize>>,
    /// What is wrong with it.
    pub problem: String,
    /// What to do.
    pub help: Option<String>,
}

impl SettingError {
    /// Makes an error that has no help.
    pub fn new(
        key: &'static str,
        span: impl Into<Option<Range<usize>>>,
        problem: impl Into<String>,
    ) -> Self {
        Self {
            key,
            span: span.into(),
            problem: problem.into(),
            help: None,
        }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    /// Makes the mistake that it is in `file`, if it has a place there.
    pub fn in_file(&self, file: &Arc<TextFile>) -> Option<Mistake> {
        let message = format!("{}: {}", self.key, self.problem);
        Some(Mistake::new(
            file,
            self.span.clone()?,
            message,
            self.help.clone(),
        ))
    }
}

/// Splits a value that a file may have into the value, or its default, and its place.
pub fn or_default<T>(given: Option<Spanned<T>>, default: T) -> (T, Option<Range<usize>>) {
    match given {
        Some(given) => {
            let span = given.span();
            (given.into_inner(), Some(span))
        }
        None => (default, None),
    }
}

#[derive(Debug)]
struct Underlined {
    error: Mistake,
    finding: Finding,
}

impl fmt::Display for Underlined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error.message)
    }
}

impl std::error::Error for Underlined {}

impl miette::Diagnostic for Underlined {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.finding.as_str()))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.finding {
            Finding::PolicyInvalid | Finding::SettingsInvalid => miette::Severity::Error,
            Finding::PolicyLint => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.error
            .help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (at, length) = self.error.span;
        Some(Box::new(std::iter::once(LabeledSpan::new(
            Some("here".into()),
            at,
            length,
        ))))
    }
}

impl SourceCode for Underlined {
    fn read_span<'a>(
        &'a self,
        span: &miette::SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn miette::SpanContents<'a> + 'a>, miette::MietteError> {
        let contents = self.error.file.text.read_span(span, before, after)?;
        Ok(Box::new(miette::MietteSpanContents::new_named(
            self.error.file.name.clone(),
            contents.data(),
            *contents.span(),
            contents.line(),
            contents.column(),
            contents.line_count(),
        )))
    }
}
