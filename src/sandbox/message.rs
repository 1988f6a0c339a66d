//! The messages between server and spawner, one JSON object per datagram.
//!
//! The spawner trusts the server with nothing but this: it names a tool, never a path; it has no
//! message that reads or writes a file of its choice.
//!
//! Held by the fuzz target `message`.

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

/// A message of the server to the spawner.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum ToSpawner {
    /// Opens a program, so that later children run exactly that file.
    Open { program: Program },
    /// Starts a child.
    Start(Start),
    /// A child that waited has its request from now on.
    Begun { child: u64 },
    /// Has a child leave the processors to others, until it ends.
    Yield { child: u64, how: Yield },
    /// Sends a signal to a child and its group.
    Signal { child: u64, signal: Stop },
}

/// How a child leaves the processors to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Yield {
    /// It is the least urgent of all.
    LeastUrgent,
    /// And it stands still while another one works that does neither.
    Held,
}

/// The start of a child. Its descriptors come along, one for each of `descriptors` and in that
/// order.
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
    pub(super) descriptors: Vec<Role>,
}

/// The use of a descriptor that comes along with a [`Start`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    /// The child reports here that it runs its program, or what kept it from that.
    Report,
    /// A program reads its input here. A tool without it gets a `/dev/null` of its own.
    Stdin,
    Stdout,
    Stderr,
    /// The directory of a tool's workspace.
    Directory,
    Kubeconfig,
    Home,
    /// The directory that a profile with a helper writes to.
    Scratch,
    /// The folder of the request's files.
    Files,
    /// A tool that is started before its request reads the request here.
    Request,
    /// A child of a profile with a network sends the listener of its notifications here.
    Notifications,
}

impl Role {
    pub(super) const ALL: [Self; 11] = [
        Self::Report,
        Self::Stdin,
        Self::Stdout,
        Self::Stderr,
        Self::Directory,
        Self::Kubeconfig,
        Self::Home,
        Self::Scratch,
        Self::Files,
        Self::Request,
        Self::Notifications,
    ];
}

/// Whether bytes are a message, and if so, whether what is written of it reads as the same one.
pub(crate) fn reads_again(bytes: &[u8]) -> Option<bool> {
    fn again<T: Serialize + serde::de::DeserializeOwned + PartialEq>(bytes: &[u8]) -> Option<bool> {
        let read: T = serde_json::from_slice(bytes).ok()?;
        let written = serde_json::to_vec(&read).ok()?;
        Some(serde_json::from_slice::<T>(&written).is_ok_and(|same| same == read))
    }
    again::<ToSpawner>(bytes).or_else(|| again::<FromSpawner>(bytes))
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

/// What a child has taken more of than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Exceeded {
    /// Memory, as it really holds it.
    Memory,
    /// Threads, or processes.
    Threads,
}

impl Exceeded {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Threads => "threads",
        }
    }
}

/// A message of the spawner to the server.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum FromSpawner {
    /// The program is open; its descriptor comes along.
    Opened { program: Program },
    /// The program is not there, or not to be trusted.
    NotOpened {
        program: Program,
        absence: ToolAbsence,
    },
    /// There is no child.
    NotStarted { child: u64, failure: StartFailure },
    /// The child has taken more than it may, and is ended.
    Exceeded { child: u64, bound: Exceeded },
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
