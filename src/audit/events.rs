//! What is recorded beside calls: who may call, what they may call, and what an operator does.
//! Each has happened when it is recorded, so that it is written later when it cannot be now.

use serde::Serialize;

use super::record::Who;
use crate::code::Code;

/// The callers of the settings changed. Principals, not tokens.
#[derive(Debug, Serialize)]
pub struct CallersRecord<'a> {
    /// They may call from now on.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub added: &'a [String],
    /// Their tokens, groups or ends are others.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub changed: &'a [String],
    /// They may not call any more.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub removed: &'a [String],
}

/// The kubeconfig of a named cluster changed.
#[derive(Debug, Serialize)]
pub struct ClusterRecord<'a> {
    /// Whether it loads; if not, the one from before stays in force.
    pub taken: bool,
    /// The name.
    pub cluster: &'a str,
    /// The server that it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<&'a str>,
}

/// A tool or a filter's program came, or went, or is another one.
#[derive(Debug, Serialize)]
pub struct ToolRecord<'a> {
    /// Its name.
    pub program: &'a str,
    /// As `/tools/status` has it.
    pub state: &'static str,
    /// What the binary says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<&'a str>,
    /// Of the file that children execute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<&'a str>,
}

/// Requests that nobody is let in with: one of them, and how many there were since the last record.
#[derive(Debug, Serialize)]
pub struct LoginRecord<'a> {
    /// How many were refused since the last such record, with this one.
    pub refused: u64,
    /// Why this one was.
    pub code: Code,
    /// The reason.
    pub reason: String,
    /// Who it is from, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<&'a str>,
    /// The address that it came from: of the last proxy, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// The door.
    pub door: &'static str,
}

/// A caller reads a part of an output that was kept.
#[derive(Debug, Serialize)]
pub struct OutputRecord<'a> {
    /// The call that printed it.
    pub request_id: &'a str,
    /// Who reads.
    #[serde(flatten)]
    pub who: Who<'a>,
    /// The first and the last line that were looked at.
    pub lines: (u64, u64),
    /// Whether only lines are told that match a pattern.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub searched: bool,
    /// The bytes that are told.
    pub bytes: usize,
}

/// An operator used the server's own socket.
#[derive(Debug, Serialize)]
pub struct OperatorRecord<'a> {
    /// What was done: `end`, `lock` or `unlock`.
    pub action: &'static str,
    /// The user and the process at the other end of the socket, as the kernel says.
    pub uid: u32,
    /// The process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// The call that was ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<&'a str>,
    /// The principal that was locked or unlocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<&'a str>,
    /// Why, in the operator's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
    /// How many calls that ended.
    pub ended: usize,
}
