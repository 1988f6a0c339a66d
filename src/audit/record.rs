//! What records say. None of it is a secret: an argv is rendered from what was parsed, without what
//! may be a credential, a reason quotes excerpts, a target has no userinfo. What is refused is
//! bounded: a caller may send much of it.

use std::{
    io,
    time::{Duration, SystemTime},
};

use serde::Serialize;

use super::chain::Hash;
use crate::{
    api::Effects, code::Code, data::DataPiece, excerpt::Excerpt, identity::Caller, policy::Effect,
    secret::SecretString, tool::Tool,
};

/// The server starts, and who it is.
#[derive(Debug, Serialize)]
pub struct StartRecord {
    /// Of the server.
    pub version: &'static str,
    /// Of its process.
    pub pid: u32,
    /// What lines are sealed with.
    pub seal: &'static str,
    /// The rules in force.
    pub policy: Vec<PolicyDigest>,
    /// Bytes of a record that a crash had cut, which were taken away.
    #[serde(skip_serializing_if = "is_zero")]
    pub repaired_bytes: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A policy file, as it was read.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyDigest {
    /// Its name.
    pub file: String,
    /// Of its text.
    pub sha256: String,
}

impl PolicyDigest {
    /// Of a file called `file`.
    pub fn of(file: &str, text: &str) -> Self {
        Self {
            file: file.to_owned(),
            sha256: Hash::of(text.as_bytes()).to_string(),
        }
    }
}

/// Policy files changed.
#[derive(Debug, Serialize)]
pub struct PolicyRecord {
    /// Whether they load; if not, the rules from before stay in force.
    pub taken: bool,
    /// The files; none when they cannot be read.
    pub policy: Vec<PolicyDigest>,
}

/// The server ends, and everything that it has recorded is there.
#[derive(Debug, Serialize)]
pub struct StopRecord {}

/// A file begins, in the middle of a chain.
#[derive(Debug, Serialize)]
pub(super) struct FileRecord {
    /// Why.
    pub(super) reason: Begin,
}

/// Why a file begins, or goes on at another length than it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Begin {
    /// Somebody took away what the server wrote to.
    Replaced,
    /// The last one was full.
    Rotated,
    /// Somebody made it shorter.
    Truncated,
}

/// Records could not be written for a time.
#[derive(Clone, Debug, Serialize)]
pub(super) struct GapRecord {
    /// Since when.
    pub(super) since: String,
    /// The kind of the last error.
    pub(super) error: String,
    /// Calls that were refused because their decision could not be written.
    pub(super) refused: u64,
    /// The first and the last record that were there after all, too late for their calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) late: Option<(u64, u64)>,
}

/// A decision, before anything starts.
#[derive(Debug, Serialize)]
pub struct DecisionRecord<'a> {
    /// The request.
    pub request_id: &'a str,
    /// Who asks.
    #[serde(flatten)]
    pub who: Who<'a>,
    /// The tool.
    pub tool: Tool,
    /// The canonical argv, when the command could be read; never the caller's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argv: Option<Vec<String>>,
    /// What of an argv is not shown, since it is long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argv_rest: Option<ArgvRest>,
    /// The canonical argv of each filter behind the tool, when the call may run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Vec<String>>,
    /// What the request brings for its command to read.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub data: &'a [DataRecord],
    /// The target's URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The target's name, where the caller gave one that this server has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<&'a str>,
    /// What became of the request.
    pub effect: Effect,
    /// The code of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// The rule that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Where it stands, for a rule that allows; a denying one says so itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_at: Option<String>,
    /// The reason of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether header and body carried different kubeconfigs; the header's was used.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub kubeconfig_conflict: bool,
    /// Whether nothing that it writes is to be kept.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub preview: bool,
}

impl<'a> DecisionRecord<'a> {
    /// Makes a record that says no more than who got what answer.
    pub fn new(request_id: &'a str, who: Who<'a>, tool: Tool, effect: Effect) -> Self {
        Self {
            request_id,
            who,
            tool,
            argv: None,
            argv_rest: None,
            filters: Vec::new(),
            data: &[],
            target: None,
            cluster: None,
            effect,
            code: None,
            rule: None,
            rule_at: None,
            reason: None,
            kubeconfig_conflict: false,
            preview: false,
        }
    }
}

/// A text that a request brings for its command to read.
#[derive(Debug, Serialize)]
pub struct DataRecord {
    /// Its name in `files`; none for the standard input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// How long it is.
    pub bytes: usize,
    /// Of it.
    pub sha256: String,
}

impl DataRecord {
    /// Of one piece of the data.
    pub fn of(piece: &DataPiece, text: &SecretString) -> Self {
        let text = text.expose();
        Self {
            file: match piece {
                DataPiece::Input => None,
                DataPiece::File(name) => Some(name.to_string()),
            },
            bytes: text.len(),
            sha256: Hash::of(text.as_bytes()).to_string(),
        }
    }
}

/// What of an argv is not shown.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct ArgvRest {
    /// How long it is, with a blank between two words.
    pub bytes: usize,
    /// Of it.
    pub sha256: String,
}

/// An argv of a refusal is shown up to this; real commands have some hundred bytes.
const SHOWN_OF_REFUSED: usize = 2048;

/// Splits the argv of a refusal into what is shown and what is not.
pub fn shown_of_refused(argv: Vec<String>) -> (Vec<String>, Option<ArgvRest>) {
    let mut left = SHOWN_OF_REFUSED;
    let (mut shown, mut rest) = (Vec::new(), Vec::new());
    for mut word in argv {
        if !rest.is_empty() {
            rest.push(word);
            continue;
        }
        let mut cut = left.min(word.len());
        while !word.is_char_boundary(cut) {
            cut -= 1;
        }
        left -= cut;
        let hidden = word.split_off(cut);
        if hidden.is_empty() || cut > 0 {
            shown.push(word);
        }
        if !hidden.is_empty() {
            rest.push(hidden);
        }
    }
    let rest = (!rest.is_empty()).then(|| rest.join(" "));
    let rest = rest.map(|rest| ArgvRest {
        bytes: rest.len(),
        sha256: Hash::of(rest.as_bytes()).to_string(),
    });
    (shown, rest)
}

/// The caller, as records name it.
#[derive(Debug, Serialize)]
pub struct Who<'a> {
    /// The principal.
    pub principal: &'a str,
    /// Its groups.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub groups: &'a [String],
    /// The door.
    pub door: &'static str,
    /// What the client's program calls itself; nobody vouches for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<&'a str>,
}

impl<'a> Who<'a> {
    /// Names `caller`, who uses `client`.
    pub fn of(caller: &'a Caller, client: Option<&'a Excerpt>) -> Self {
        Self {
            principal: caller.principal(),
            groups: caller.groups(),
            door: caller.door().as_str(),
            client: client.map(Excerpt::text),
        }
    }
}

/// The end of a call that was allowed, whether its child ran or not.
#[derive(Debug, Default, Serialize)]
pub struct EndRecord<'a> {
    /// The request.
    pub request_id: &'a str,
    /// The tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<Tool>,
    /// The exit status, with filters that of the last one; 128 + n for a signal. None when no child
    /// ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The tool and the filters behind it, when there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageRecord>,
    /// The code, when the call was ended before the command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// What the child wrote to both streams, in bytes.
    pub output_bytes: u64,
    /// Whether the caller got less than that.
    pub truncated: bool,
    /// From the request to the end, in milliseconds.
    pub duration_ms: u64,
    /// Of it: until there was a place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_ms: Option<u64>,
    /// Of it: until the confined tool ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spawn_ms: Option<u64>,
    /// Of it: until the tool had ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub child_ms: Option<u64>,
    /// Whether the tool had been started, confined, before the request.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub warm: bool,
    /// What the call did to its cluster, where its API requests were judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effects: Option<Effects>,
    /// How often the child asked for another server than its own.
    pub refused_connections: u32,
    /// The layers that the child reported as enforced.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<&'static str>,
    /// The layers that its kernel has in part.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers_partial: Vec<&'static str>,
    /// The layers that it ran without.
    pub layers_missing: Vec<&'static str>,
}

/// How one stage of a pipeline ended. What it said of errors is the caller's alone.
#[derive(Debug, Serialize)]
pub struct StageRecord {
    /// Its name.
    pub program: &'static str,
    /// Its exit status; 128 + n for a signal.
    pub exit_code: i32,
}

#[derive(Serialize)]
struct Members<T> {
    time: String,
    event: &'static str,
    #[serde(flatten)]
    record: T,
}

/// The members of a line, without the braces around them.
pub(super) fn fragment(event: &'static str, record: impl Serialize) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(&Members {
        time: now(),
        event,
        record,
    })?;
    text.pop();
    text.remove(0);
    Ok(text)
}

pub(super) fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

/// Whole milliseconds.
pub fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argv_of_a_refusal_is_shown_up_to_a_bound_and_the_rest_has_a_hash() {
        let words =
            |words: &[&str]| -> Vec<String> { words.iter().map(|&word| word.into()).collect() };
        let short = words(&["kubectl", "get", "", "pods"]);
        assert_eq!(shown_of_refused(short.clone()), (short, None));
        // A character of two bytes stands on the bound.
        let long = format!("{}ä{}", "a".repeat(2043), "b".repeat(10));
        let (shown, rest) = shown_of_refused(words(&["cmd", &long, "c", "d"]));
        assert_eq!(shown, ["cmd".to_owned(), format!("{}ä", "a".repeat(2043))]);
        let expected = format!("{} c d", "b".repeat(10));
        let rest = rest.unwrap();
        assert_eq!(rest.bytes, expected.len());
        assert_eq!(rest.sha256, Hash::of(expected.as_bytes()).to_string());
    }
}
