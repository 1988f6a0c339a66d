//! How a sub-command ends: its exit status, and the one place that prints why it could not answer.
//!
//! Comes in: an error. Goes out: text for a person on standard error, with each place underlined; or
//! one JSON object on standard output, where the answer would have been. Held by `tests/cli/`.

use std::{
    error::Error,
    fmt,
    io::{self, ErrorKind, Write},
    process::ExitCode,
};

use serde::Serialize;

use crate::{
    config::{ConfigError, ConfigErrors},
    mistake::{Finding, FindingReport},
    policy::PolicyErrors,
};

/// The exit status, or why there is no answer.
pub type CommandEnd = Result<ExitCode, Box<dyn Error>>;

/// The status of a command that answered, and found what it looks for: a difference, a failed test.
pub const FOUND: u8 = 1;
/// The status of a command that could not answer.
pub const UNUSABLE: u8 = 2;

/// The form of answers and errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerForm {
    /// One JSON object on standard output.
    Json,
    /// For a person.
    Text,
}

impl AnswerForm {
    /// Returns the form that a flag `--json` chooses.
    pub fn of(json: bool) -> Self {
        match json {
            true => Self::Json,
            false => Self::Text,
        }
    }
}

/// An error with a stable code, and what to do about it.
#[derive(Debug)]
pub struct CodedError {
    /// The code: `sandbox_unavailable`.
    pub code: &'static str,
    /// The message: what cannot be done, and why.
    pub message: String,
    /// The ways out, line by line: `fix: …`.
    pub advice: Vec<String>,
}

impl fmt::Display for CodedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.advice
            .iter()
            .try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl Error for CodedError {}

/// All that keeps a server from starting.
#[derive(Debug)]
pub struct StartErrors(pub Vec<Box<dyn Error>>);

impl fmt::Display for StartErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&texts.join("\n"))
    }
}

impl Error for StartErrors {}

/// An error as JSON.
#[derive(Serialize)]
struct ErrorReport<'e> {
    error: ErrorObject<'e>,
}

#[derive(Serialize)]
struct ErrorObject<'e> {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    findings: Vec<FindingReport<'e>>,
}

/// Returns the status of what has ended; why there is no answer is printed, and has this status.
pub fn ended(ended: CommandEnd, format: AnswerForm, unusable: u8) -> ExitCode {
    let error = match ended {
        Ok(status) => return status,
        Err(error) => error,
    };
    // `… | head` is not an error.
    let broken = error.downcast_ref::<io::Error>();
    if broken.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    let _ = match format {
        AnswerForm::Text => writeln!(io::stderr(), "{}", for_a_person(&*error)),
        AnswerForm::Json => print_json(&as_json(&*error)),
    };
    ExitCode::from(unusable)
}

/// Prints an answer, or an error, as one line of JSON.
pub fn print_json(answer: &impl Serialize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, answer)?;
    writeln!(out)
}

/// Each mistake of a policy with its place underlined.
pub fn underlined(errors: &PolicyErrors) -> String {
    let errors = errors.0.iter();
    let shown = errors.map(|error| error.underlined(Finding::PolicyInvalid));
    shown.collect::<Vec<_>>().join("\n")
}

/// The error as a person reads it: with each place underlined.
pub fn for_a_person(error: &(dyn Error + 'static)) -> String {
    if let Some(StartErrors(errors)) = error.downcast_ref() {
        let shown = errors.iter().map(|error| for_a_person(&**error));
        return shown.collect::<Vec<_>>().join("\n");
    }
    if let Some(ConfigErrors(errors)) = error.downcast_ref() {
        let shown = errors.iter().map(|error| for_a_person(error));
        return shown.collect::<Vec<_>>().join("\n");
    }
    if let Some(ConfigError::Mistake(mistake)) = error.downcast_ref() {
        let shown = mistake.underlined(Finding::SettingsInvalid);
        return format!("error: the settings do not load\n{shown}");
    }
    if let Some(errors) = error.downcast_ref() {
        return format!("error: the policy does not load\n{}", underlined(errors));
    }
    match error.downcast_ref::<CodedError>() {
        Some(coded) => format!("error[{}]: {coded}", coded.code),
        None => format!("error: {error}"),
    }
}

fn as_json<'e>(error: &'e (dyn Error + 'static)) -> ErrorReport<'e> {
    ErrorReport {
        error: ErrorObject {
            code: code(error),
            message: error.to_string(),
            findings: findings(error),
        },
    }
}

/// The stable code of an error.
pub fn code(error: &(dyn Error + 'static)) -> &'static str {
    if let Some(coded) = error.downcast_ref::<CodedError>() {
        return coded.code;
    }
    if error.is::<PolicyErrors>() {
        return Finding::PolicyInvalid.as_str();
    }
    match error.downcast_ref::<ConfigError>() {
        Some(ConfigError::Read { .. }) => "unreadable",
        Some(_) => Finding::SettingsInvalid.as_str(),
        None if error.is::<ConfigErrors>() => Finding::SettingsInvalid.as_str(),
        None => "unusable",
    }
}

/// The places of an error.
pub fn findings<'e>(error: &'e (dyn Error + 'static)) -> Vec<FindingReport<'e>> {
    if let Some(PolicyErrors(errors)) = error.downcast_ref() {
        let places = errors.iter();
        return places
            .map(|error| error.report(Finding::PolicyInvalid))
            .collect();
    }
    if let Some(ConfigErrors(errors)) = error.downcast_ref() {
        return errors.iter().flat_map(|error| findings(error)).collect();
    }
    match error.downcast_ref() {
        Some(ConfigError::Mistake(mistake)) => vec![mistake.report(Finding::SettingsInvalid)],
        _ => Vec::new(),
    }
}
