//! Why no child runs.

use std::io;

use super::failure::{StartFailure, StartPart};

/// Why no child runs.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A call before the program failed, most often one that applies a layer.
    #[error(
        "the layer `{}` of the sandbox could not be applied: {}: {}",
        .0.part, .0.step.call(), .0.source()
    )]
    NotStarted(StartFailure),
    /// A pipe or message could not be made.
    #[error("the sandbox could not be asked: {0}")]
    Unreachable(#[from] io::Error),
    /// The program that the command runs beside its tool is missing.
    #[error("the helper `diff` is not there")]
    NoHelper,
    /// Somebody else killed the child.
    #[error("the child was killed before it ran its program")]
    Killed,
    /// All users of the pool are taken.
    #[error("no user is free for another child")]
    NoSlot,
    /// What runs already holds all processes and threads that this host grants.
    #[error("this host grants no process for another child now: what runs holds them all")]
    NoTasks,
    /// The spawner has ended, which it should not do before the server.
    #[error("the spawner has ended")]
    SpawnerGone,
}

impl From<StartFailure> for SandboxError {
    fn from(failure: StartFailure) -> Self {
        match failure.part {
            StartPart::Helper => Self::NoHelper,
            StartPart::Layer(_) | StartPart::Exec => Self::NotStarted(failure),
        }
    }
}
