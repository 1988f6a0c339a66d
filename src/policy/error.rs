//! Why a policy file does not load: what is wrong, where, and what to do.

use std::{fmt, sync::Arc};

use miette::{LabeledSpan, SourceCode};

/// A policy file as it was read: its name in messages, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFile {
    /// The file's name, without its folder.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// One thing that is wrong in a policy file, or that its author should look at again.
///
/// As text it is one line (and one of help) for a log; as a [`miette::Diagnostic`] it underlines
/// the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}:{column}: {message}{}", file.name, help.as_ref().map(|help| format!("\n  help: {help}")).unwrap_or_default())]
pub struct PolicyError {
    /// The file.
    pub file: Arc<PolicyFile>,
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

impl PolicyError {
    pub(super) fn new(
        file: &Arc<PolicyFile>,
        span: std::ops::Range<usize>,
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

    /// The place underlined, for a person at a terminal.
    pub fn underlined(&self, severity: Severity) -> String {
        format!(
            "{:?}",
            miette::Report::new(Underlined {
                error: self.clone(),
                severity
            })
        )
    }
}

/// The line and the column of a byte, both from 1.
pub(super) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        before.matches('\n').count() + 1,
        before.get(line_start..).unwrap_or_default().chars().count() + 1,
    )
}

/// Everything that is wrong in the files of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyErrors(pub Vec<PolicyError>);

impl fmt::Display for PolicyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, error) in self.0.iter().enumerate() {
            let line_break = if place == 0 { "" } else { "\n" };
            write!(f, "{line_break}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PolicyErrors {}

/// Whether the file loads all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It does not.
    Error,
    /// It does.
    Warning,
}

#[derive(Debug)]
struct Underlined {
    error: PolicyError,
    severity: Severity,
}

impl fmt::Display for Underlined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error.message)
    }
}

impl std::error::Error for Underlined {}

impl miette::Diagnostic for Underlined {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        match self.severity {
            Severity::Error => Some(Box::new("policy_invalid")),
            Severity::Warning => Some(Box::new("policy_lint")),
        }
    }

    fn severity(&self) -> Option<miette::Severity> {
        match self.severity {
            Severity::Error => Some(miette::Severity::Error),
            Severity::Warning => Some(miette::Severity::Warning),
        }
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
