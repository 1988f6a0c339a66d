//! [`Sentence`]: why a request is explained, and what its answer is for.

use serde::Deserialize;

/// Why a request is explained: the sentence, as this command fills it in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// The sentence: `list pods in namespace web`.
    pub text: String,
    /// Why the verb asks it, where that is not plain.
    pub why: Option<String>,
    /// The names of which the body of a create has to have one, with a `#` at the end for a number; none
    /// where the command tells none.
    pub names: Vec<String>,
    /// Whether the body has to say `dryRun: [All]`: a delete's or an eviction's does, whatever its
    /// query says.
    pub rehearses_in_body: bool,
    /// The Secrets whose values the tool gets; marks stand in the place of all others.
    pub shows: ShownSecrets,
    /// Which revisions in the answer say what the release consists of.
    pub tells: Option<ToldRevision>,
}

/// The Secrets whose values a tool gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShownSecrets {
    /// None.
    #[default]
    Nothing,
    /// The values that are certificates, and hold nothing else.
    Certificates,
    /// helm's own: the revisions of releases.
    Releases,
}

/// Which of the revisions in an answer says what the release of a call consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToldRevision {
    /// The one that the command names; where it names none, the one before the newest.
    Asked,
    /// The newest in a list of all.
    Newest,
}

/// Whether `name` is `told`, whose last character may be a `#` for a number.
pub(super) fn is_named(told: &str, name: &str) -> bool {
    match told.strip_suffix('#') {
        None => told == name,
        Some(head) => name.strip_prefix(head).is_some_and(|number| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        }),
    }
}
