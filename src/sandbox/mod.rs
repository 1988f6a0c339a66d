//! An approved invocation -> a confined child; a failure that names the layer.
//!
//! Comes in: [`Approved`](crate::policy::Approved), [`Pinned`](crate::egress::Pinned),
//! [`Workspace`](crate::workspace::Workspace) and limits. May not parse or decide. A **spawner**,
//! forked before the server has a second thread, starts, confines, reaps and kills the children;
//! the server only asks it for "this tool, with these words and limits". All `unsafe` is in `sys`.
//!
//! Held by `tests/escape/`.

mod battery;
mod beyond;
mod child;
mod client;
mod environment;
mod failure;
mod filter;
mod landlock;
mod layer;
mod message;
mod notify;
mod privilege;
mod probe;
mod profile;
mod rlimit;
mod scratch;
mod spawner;
mod sys;
mod trace;
mod verbs;
mod warm;

pub use battery::{AloneReport, Battery, Host, ProbeReport, check_layers};
pub use beyond::{Arguments, Beyond, BeyondFile, Unused};
pub use client::{Child, FilterStreams, Run, Sandbox, SandboxError, Streams};
pub use failure::{StartFailure, StartPart, StartStep};
pub use layer::{Layer, LayerState, LayerStatus, Level, Levels};
pub use message::{ExitStatus, Limits, Program, Slots};
pub use privilege::{Identity, claim_users};
pub use probe::Found;
pub use profile::{ProfileError, ProfileName, Profiles};
pub use spawner::{ProgramPaths, SpawnerLink, fork_spawner};
pub use sys::{give_back_memory, harden_server};
pub use trace::{Trace, TraceError, Tracing};

pub use message::ToolAbsence;
pub(crate) use message::reads_again;
pub use warm::{Warm, WarmError};
