//! A child that runs: its streams, its end, and the way of its connections.

use std::{os::fd::OwnedFd, sync::Arc, time::Duration};

use tokio::{net::unix::pipe, sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{
    layer::LayerStatus,
    link::Inner,
    message::{ExitStatus, Stop},
    notify::supervise,
    profile::ProfileName,
};
use crate::{
    egress::{Listening, Pinned, Tunnel},
    tool::{Need, Tool},
};

/// A child that runs its tool. Dropping it kills it; its workspace goes once it is dead.
#[derive(Debug)]
pub struct Child {
    pub(super) number: u64,
    pub(super) inner: Arc<Inner>,
    pub(super) ended: watch::Receiver<Option<ExitStatus>>,
    pub(super) layers: Vec<LayerStatus>,
    pub(super) streams: Option<Streams>,
    pub(super) tunnel: Option<Arc<Tunnel>>,
    pub(super) was_warm: bool,
}

impl Child {
    /// The layers that it runs under.
    pub fn layers(&self) -> &[LayerStatus] {
        &self.layers
    }

    /// Whether it was started before its request.
    pub fn was_warm(&self) -> bool {
        self.was_warm
    }

    /// How often it asked for another server than its own.
    pub fn refused_connections(&self) -> u32 {
        self.tunnel.as_ref().map_or(0, |tunnel| tunnel.refused())
    }

    /// Its streams, once.
    pub fn take_streams(&mut self) -> Option<Streams> {
        self.streams.take()
    }

    /// Whether it is dead and reaped.
    pub fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }

    /// Asks it to end (SIGTERM), with all that it started.
    pub fn terminate(&self) {
        self.inner.signal(self.number, Stop::Term);
    }

    /// Ends it (SIGKILL), with all that it started.
    pub fn kill(&self) {
        self.inner.signal(self.number, Stop::Kill);
    }

    /// Waits until it is dead, reaped, and its workspace removed.
    pub async fn wait(&mut self) -> ExitStatus {
        match self.ended.wait_for(Option::is_some).await {
            Ok(status) => status.unwrap_or(ExitStatus::Signal(libc::SIGKILL)),
            Err(_) => ExitStatus::Signal(libc::SIGKILL), // the runtime is going down
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.ended.borrow().is_none() {
            self.kill();
        }
    }
}

/// A child that runs, and whose connections nobody answers yet.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) child: Child,
    pub(super) tool: Tool,
    pub(super) profile: ProfileName,
    pub(super) listening: Option<Listening>,
    /// Where it asks about its connections.
    pub(super) questions: Option<OwnedFd>,
    /// Cancelled when it has ended.
    pub(super) supervisor: CancellationToken,
}

impl Begun {
    /// Answers its connections from now on: they lead where it is pinned to.
    pub(super) fn connect(self, pinned: &Pinned) -> Child {
        let Self {
            mut child,
            tool,
            listening,
            questions,
            supervisor,
            ..
        } = self;
        let Some(questions) = questions else {
            return child;
        };
        // What listens names its server too.
        let by_proxy = (tool.spec().proxy)(Need::Server).is_for_loopback_too();
        let direct = pinned.is_direct() && !by_proxy && listening.is_none();
        let Some(tunnel) = pinned.tunnel(listening) else {
            return child;
        };
        child.tunnel = Some(Arc::clone(&tunnel));
        let supervising = async move {
            tokio::select! {
                ended = supervise(questions, &tunnel, direct) => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "the connections of a child are not answered any more");
                    }
                }
                () = supervisor.cancelled() => {}
            }
        };
        tokio::spawn(supervising.in_current_span());
        child
    }

    pub(super) fn tool(&self) -> Tool {
        self.tool
    }

    pub(super) fn profile(&self) -> ProfileName {
        self.profile
    }

    pub(super) fn has_ended(&self) -> bool {
        self.child.has_ended()
    }

    /// Ends it, and waits until nothing of it is left.
    pub(super) async fn end(mut self) {
        self.child.kill();
        self.child.wait().await;
    }

    /// How it ended, when it does so in this time.
    pub(super) async fn ends_within(mut self, longest: Duration) -> Option<ExitStatus> {
        timeout(longest, self.child.wait()).await.ok()
    }
}

/// What a filter reads and where it writes to.
#[derive(Debug)]
pub struct FilterStreams {
    /// The end of a pipe to read from.
    pub stdin: OwnedFd,
    /// The end of a pipe to write to.
    pub stdout: OwnedFd,
}

/// A child's standard output and standard error.
#[derive(Debug)]
pub struct Streams {
    /// Standard output.
    pub stdout: pipe::Receiver,
    /// Standard error.
    pub stderr: pipe::Receiver,
}
