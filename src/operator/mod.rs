//! The operator's own door: a Unix socket on this host, and one line of JSON each way.
//!
//! Comes in: what an operator wants (`wire.rs`). Goes out: everybody's calls, the end of one, the
//! lock of a principal. Only root and the server's own user may use it, which the mode of the
//! socket says and the kernel confirms of each peer; what they change is recorded. May not run a
//! command, nor let anybody in.
//!
//! Held by `tests/operation/operator.rs`.

#![forbid(unsafe_code)]

mod bind;
mod client;
mod serve;
mod settings;
mod wire;

pub use bind::{OperatorSocket, SocketError};
pub use client::{AskError, ask};
pub use serve::OperatorDoor;
pub use settings::OperatorTable;
pub use wire::{ListedCall, ListedLock, OperatorAnswer, OperatorRequest};

/// Where the shipped unit has it, and where the command line looks for it.
pub const DEFAULT_SOCKET: &str = "/run/kube-airlock/operator.sock";
