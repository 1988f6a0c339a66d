//! An approved invocation -> a confined child; a failure that names the layer.
//!
//! Comes in: [`Approved`](crate::policy::Approved), [`Pinned`](crate::egress::Pinned),
//! [`Workspace`](crate::workspace::Workspace) and limits. May not parse or decide. A **spawner**,
//! forked before the server has a second thread, starts, confines, reaps and kills the children;
//! the server only requests "this tool, with these words and limits". All `unsafe` is in `sys`.
//!
//! Held by `tests/escape/`.

mod applied;
mod bounds;
mod child;
mod children;
mod cleaning;
mod client;
mod datagram;
mod descriptors;
mod doctor;
mod environment;
mod error;
mod failure;
mod filter;
mod handle;
mod holding;
mod landlock;
mod layer;
mod link;
mod message;
mod notify;
mod privilege;
mod profile;
mod programs;
mod rlimit;
mod run;
mod settings;
mod spawner;
mod sys;
mod trace;
mod urgency;
mod users;
mod warm;

pub use client::Sandbox;
pub use doctor::{AloneReport, Battery, Found, Host, ProbeReport, check_layers};
pub use error::SandboxError;
pub use failure::{StartFailure, StartPart, StartStep};
pub use handle::{Child, FilterStreams, Streams};
pub use layer::{Layer, LayerState, LayerStatus, Level, Levels, StatusSource};
pub(crate) use message::reads_again;
pub use message::{ExitStatus, Limits, Program, Slots, ToolAbsence, Yield};
pub use privilege::{Identity, harden_server};
pub use profile::{ProfileError, ProfileName, Profiles};
pub use programs::ProgramPaths;
pub use run::Run;
pub use settings::{SandboxSettings, SandboxTable};
pub use spawner::{SpawnerLink, fork_spawner};
pub use sys::{give_back_freed_memory, give_back_memory};
pub use trace::{Beyond, BeyondFile, CallArguments, TraceError, TraceReport, Tracing, Unused};
pub use users::claim_users;
pub use warm::{NotTaken, Warm, WarmError};
