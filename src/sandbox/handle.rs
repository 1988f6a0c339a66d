//! The handle of a child that runs: its streams, its end, and where its connections lead.
//!
//! A [`Child`] that is dropped is killed. One that is [`Unconnected`] reaches nobody: only
//! [`Pinned`] connects it.

use std::{os::fd::OwnedFd, sync::Arc, time::Duration};

use tokio::{net::unix::pipe, sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{
    error::SandboxError,
    layer::LayerStatus,
    link::SpawnerSocket,
    message::{ExitStatus, Stop, ToSpawner, Yield},
    notify::{Way, supervise},
    profile::ProfileName,
};
use crate::{
    egress::{Listening, Pinned, Tunnel},
    tool::{Need, Tool},
};

/// A child that runs its tool. Dropping it kills it; its workspace goes once it is dead.
#[derive(Debug)]
pub struct Child {
    number: u64,
    link: Arc<SpawnerSocket>,
    pub(super) ended: watch::Receiver<Option<ExitStatus>>,
    pub(super) layers: Vec<LayerStatus>,
    pub(super) streams: Option<Streams>,
    tunnel: Option<Arc<Tunnel>>,
    pub(super) was_warm: bool,
}

impl Child {
    /// A child of whose layers and streams nothing is known yet.
    pub(super) fn new(
        number: u64,
        link: Arc<SpawnerSocket>,
        ended: watch::Receiver<Option<ExitStatus>>,
    ) -> Self {
        Self {
            number,
            link,
            ended,
            layers: Vec::new(),
            streams: None,
            tunnel: None,
            was_warm: false,
        }
    }

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
        self.link.signal(self.number, Stop::Term);
    }

    /// Ends it (SIGKILL), with all that it started.
    pub fn kill(&self) {
        self.link.signal(self.number, Stop::Kill);
    }

    /// Has it leave the processors to others from now on.
    ///
    /// # Errors
    /// When there is no spawner any more.
    pub async fn yield_to_others(&self, how: Yield) -> Result<(), SandboxError> {
        let child = self.number;
        self.link.send(&ToSpawner::Yield { child, how }, &[]).await
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
pub(super) struct Unconnected {
    pub(super) child: Child,
    pub(super) tool: Tool,
    pub(super) profile: ProfileName,
    pub(super) listening: Option<Listening>,
    /// The kernel notifies of the child's connections here.
    pub(super) listener: Option<OwnedFd>,
    /// Cancelled when the child has ended.
    pub(super) connections: CancellationToken,
}

impl Unconnected {
    /// Answers the child's connections from now on: they lead where it is pinned to.
    pub(super) fn connect(self, pinned: &Pinned) -> Child {
        let Self {
            mut child,
            tool,
            listening,
            listener,
            connections,
            ..
        } = self;
        let Some(listener) = listener else {
            return child;
        };
        // What listens names its server too.
        let by_proxy = (tool.spec().proxy)(Need::Server).is_for_loopback_too();
        let direct = pinned.is_direct() && !by_proxy && listening.is_none();
        let Some(tunnel) = pinned.tunnel(listening) else {
            return child;
        };
        child.tunnel = Some(Arc::clone(&tunnel));
        let way = if direct { Way::Direct } else { Way::Proxy };
        let supervising = async move {
            tokio::select! {
                ended = supervise(listener, &tunnel, way) => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "the connections of a child are not answered any more");
                    }
                }
                () = connections.cancelled() => {}
            }
        };
        tokio::spawn(supervising.in_current_span());
        child
    }

    /// Says that it has its request from now on.
    pub(super) async fn begin(&self) -> Result<(), SandboxError> {
        let child = self.child.number;
        let begun = ToSpawner::Begun { child };
        self.child.link.send(&begun, &[]).await
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

    /// Waits for the child's end, for at most this time.
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
