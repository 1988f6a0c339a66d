//! What the server and the spawner say to each other, one JSON object per datagram.
//!
//! The spawner trusts the server with nothing but this: it names a tool, never a path; it has no
//! message that reads or writes a file of its choice.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{failure::StartFailure, profile::ProfileName};
use crate::{command::FilterProgram, tool::Tool};

/// The largest message. argv and environment of an 8 KiB command, escaped as JSON, are under 64
/// KiB.
pub(super) const LARGEST: usize = 128 * 1024;

/// The largest answer: a layer, a call, or why a program is not trusted.
pub(super) const LARGEST_REPLY: usize = 4 * 1024;

/// What a child may become. The server names it; where it lies is the spawner's to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Program {
    /// A tool.
    Tool(Tool),
    /// What stands behind a `|`.
    Filter(FilterProgram),
}

/// Limits of one child; bytes and seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// RLIMIT_DATA: what bounds a Go program's memory (RLIMIT_AS would count 740 MiB of
    /// reservations).
    pub memory_bytes: u64,
    /// RLIMIT_CPU.
    pub cpu_seconds: u64,
}

impl Limits {
    /// Those of a call with this deadline: the processor time of a tool that does nothing but
    /// compute, and some.
    pub fn of_call(memory_bytes: u64, deadline: Duration) -> Self {
        Self {
            memory_bytes,
            cpu_seconds: deadline.as_secs() + 5,
        }
    }
}

/// How many children there may be at once. Each has a user of its own, where the spawner is root;
/// filters never take a tool's.
#[derive(Clone, Copy, Debug)]
pub struct Slots {
    /// Tools.
    pub tools: u16,
    /// Filters.
    pub filters: u16,
}

impl Slots {
    /// Whether this one is for such a program.
    pub(super) fn has(self, slot: u16, program: Program) -> bool {
        match program {
            Program::Tool(_) => slot < self.tools,
            Program::Filter(_) => (self.tools..self.all()).contains(&slot),
        }
    }

    /// Both.
    pub fn all(self) -> u16 {
        self.tools.saturating_add(self.filters)
    }
}

/// The server asks.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Request {
    /// Opens a program, so that later children run exactly that file.
    Open { program: Program },
    /// Starts a child. The first descriptor is where it says itself that it runs its program, or
    /// what kept it from that; then of a filter: its three streams. Of a tool: standard output,
    /// standard error, the workspace's directory, kubeconfig and home; for a profile with a helper
    /// its scratch directory; when it waits, where it gets its request; for a profile with a
    /// network where its questions go.
    Start(Start),
    /// Sends a signal to a child and its group.
    Signal { child: u64, signal: Stop },
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    pub(super) child: u64,
    pub(super) program: Program,
    pub(super) argv: Vec<String>,
    pub(super) environment: Vec<String>,
    pub(super) limits: Limits,
    pub(super) profile: ProfileName,
    /// Which uid it gets, counted from the spawner's first, when the spawner is root.
    pub(super) slot: u16,
    /// Whether it is started before its request, and waits for it on a descriptor.
    pub(super) warm: bool,
}

/// Whether bytes are a message, and if so, whether what is written of it reads as the same one.
pub(crate) fn reads_again(bytes: &[u8]) -> Option<bool> {
    fn again<T: Serialize + serde::de::DeserializeOwned + PartialEq>(bytes: &[u8]) -> Option<bool> {
        let read: T = serde_json::from_slice(bytes).ok()?;
        let written = serde_json::to_vec(&read).ok()?;
        Some(serde_json::from_slice::<T>(&written).is_ok_and(|same| same == read))
    }
    again::<Request>(bytes).or_else(|| again::<Reply>(bytes))
}

/// How to end a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stop {
    /// SIGTERM.
    Term,
    /// SIGKILL.
    Kill,
}

/// The spawner answers.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Reply {
    /// The program is open; its descriptor comes along.
    Opened { program: Program },
    /// The program is not there, or not to be trusted.
    NotOpened {
        program: Program,
        absence: ToolAbsence,
    },
    /// There is no child.
    NotStarted { child: u64, failure: StartFailure },
    /// The child is gone, and so is all that it started.
    Exited { child: u64, status: ExitStatus },
}

/// Why a program cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolAbsence {
    /// `tools/build` is at work on it.
    Building,
    /// No such file.
    Missing,
    /// A file that others than its owner may change, or that is no plain file.
    Untrusted(String),
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitStatus {
    /// It exited.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
}

impl ExitStatus {
    /// The status as a shell shows it: 128 + n for a signal.
    pub fn code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}
