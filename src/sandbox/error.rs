//! Why a child could not be started.

use std::io;

use super::failure::StartFailure;

/// Why no child runs.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A layer could not be applied.
    #[error("the layer `{layer}` of the sandbox could not be applied: {call}: {source}")]
    Layer {
        /// The layer.
        layer: String,
        /// The call.
        call: String,
        /// Its error.
        source: io::Error,
    },
    /// A pipe or message could not be made.
    #[error("the sandbox could not be asked: {0}")]
    Asking(#[from] io::Error),
    /// The program that the command runs beside its tool is not there.
    #[error("the helper `diff` is not there")]
    NoHelper,
    /// It was killed from outside.
    #[error("the child was killed before it ran its program")]
    Killed,
    /// All users of the pool are taken.
    #[error("no user is free for another child")]
    NoSlot,
    /// The spawner is gone.
    #[error("the spawner has ended")]
    SpawnerGone,
}

impl From<StartFailure> for SandboxError {
    fn from(failure: StartFailure) -> Self {
        Self::Layer {
            layer: failure.part.to_string(),
            call: failure.step.call().into(),
            source: failure.source(),
        }
    }
}
