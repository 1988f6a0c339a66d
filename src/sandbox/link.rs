//! The server's end of the way to the spawner: requests out, replies and reports in.

use std::{
    collections::{HashMap, VecDeque},
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use nix::{errno::Errno, fcntl::OFlag, sys::socket::MsgFlags};
use tokio::{
    io::{AsyncReadExt as _, unix::AsyncFd},
    net::unix::pipe,
    sync::{Notify, oneshot, watch},
    time::timeout,
};
use zeroize::Zeroizing;

use super::{
    applied::{Applied, KnownLayers},
    child::Reported,
    datagram::{receive, send},
    error::SandboxError,
    failure::{StartFailure, StartStep},
    layer::{LayerStatus, Levels},
    message::{
        ExitStatus, LARGEST, LARGEST_REPLY, Program, Reply, Request, Slots, Stop, ToolAbsence,
    },
    profile::Profiles,
    spawner::SpawnerLink,
    sys,
};
use crate::workspace::Room;

#[derive(Debug)]
pub(super) struct Inner {
    socket: AsyncFd<OwnedFd>,
    pub(super) profiles: Profiles,
    pub(super) levels: Levels,
    layers: KnownLayers,
    pub(super) next: AtomicU64,
    pub(super) gone: AtomicBool,
    /// What kept the last child from being confined, until another one is.
    pub(super) unsound: Mutex<Option<String>>,
    pub(super) told_gone: Notify,
    waiting: Mutex<Waiting>,
}

/// How often it is looked whether a child that writes has room: memory takes some 50 MiB in that
/// time.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Inner {
    /// Takes the link to a spawner. Needs a tokio runtime.
    pub(super) fn connect(link: SpawnerLink, slots: Slots) -> io::Result<Arc<Self>> {
        nix::fcntl::fcntl(
            &link.socket,
            nix::fcntl::FcntlArg::F_SETFL(OFlag::O_NONBLOCK),
        )?;
        let inner = Arc::new(Self {
            socket: sys::watch(link.socket)?,
            profiles: link.profiles,
            layers: KnownLayers::new(&link.levels, link.user),
            levels: link.levels,
            next: AtomicU64::new(1),
            gone: AtomicBool::new(false),
            unsound: Mutex::new(None),
            told_gone: Notify::new(),
            waiting: Mutex::new(Waiting {
                slots: (0..slots.tools).rev().collect(),
                filter_slots: (slots.tools..slots.all()).rev().collect(),
                tool_slots: slots.tools,
                ..Waiting::default()
            }),
        });
        tokio::spawn(Arc::clone(&inner).listen());
        Ok(inner)
    }

    pub(super) fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        // Nothing panics while it holds the lock; if it did, the maps are still whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn layers(&self) -> Vec<LayerStatus> {
        self.layers.statuses()
    }

    /// The layers of a child that has reported that it runs its program. Without one that is
    /// required it must not.
    fn sound(&self, applied: &Applied) -> Result<Vec<LayerStatus>, SandboxError> {
        match applied.lacks(&self.levels) {
            None => {
                self.layers.learn(applied);
                Ok(applied.statuses())
            }
            Some(layer) => {
                let step = StartStep::ReportLayer;
                Err(StartFailure::new(layer, step, Errno::EOPNOTSUPP).into())
            }
        }
    }

    /// Waits until a child reports that it runs its program, and returns the layers of its report.
    /// Where one that is required is missing, the caller drops the child, which ends it.
    pub(super) async fn has_started(
        &self,
        mut report: pipe::Receiver,
        not_started: oneshot::Receiver<SandboxError>,
    ) -> Result<Vec<LayerStatus>, SandboxError> {
        let mut record = Vec::new();
        report.read_to_end(&mut record).await?; // exec or exit has closed the other end, or the spawner without a child
        let started = match Reported::read(&record) {
            Reported::Running(applied) => self.sound(&applied),
            Reported::Failed(failure) => Err(failure.into()),
            Reported::Nothing => match not_started.await {
                Ok(error) => Err(error),
                Err(_) if self.gone.load(Ordering::Relaxed) => Err(SandboxError::SpawnerGone),
                Err(_) => Err(SandboxError::Killed),
            },
        };
        // Neither says anything of the next child.
        let unsound = started
            .as_ref()
            .err()
            .filter(|error| !matches!(error, SandboxError::NoHelper | SandboxError::Killed));
        *self.unsound.lock().unwrap_or_else(PoisonError::into_inner) =
            unsound.map(ToString::to_string);
        started
    }

    pub(super) async fn ask(
        &self,
        request: &Request,
        descriptors: &[std::os::fd::BorrowedFd<'_>],
    ) -> Result<(), SandboxError> {
        let bytes = Zeroizing::new(serde_json::to_vec(request).map_err(io::Error::from)?);
        if bytes.len() > LARGEST {
            return Err(io::Error::from(io::ErrorKind::InvalidInput).into());
        }
        loop {
            if self.gone.load(Ordering::Relaxed) {
                return Err(SandboxError::SpawnerGone);
            }
            let mut ready = self.socket.writable().await?;
            match ready.try_io(|socket| {
                send(socket.as_fd(), &bytes, descriptors, MsgFlags::MSG_DONTWAIT)
                    .map_err(io::Error::from)
            }) {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) if error.raw_os_error() == Some(libc::EPIPE) => {
                    return Err(SandboxError::SpawnerGone);
                }
                Ok(Err(error)) => return Err(error.into()),
                Err(_would_block) => {}
            }
        }
    }

    /// Sends a signal now if the socket takes it, else as soon as it does: callers may be `drop`.
    pub(super) fn signal(self: &Arc<Self>, child: u64, signal: Stop) {
        let inner = Arc::clone(self);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { inner.ask(&Request::Signal { child, signal }, &[]).await });
        }
        // Without a runtime the process is ending, and the spawner ends every child with it.
    }

    /// Ends a child that writes more than it may; RLIMIT_FSIZE is about one file.
    pub(super) async fn bound(
        self: Arc<Self>,
        child: u64,
        room: Room,
        mut ended: watch::Receiver<Option<ExitStatus>>,
    ) {
        while timeout(LOOK_EVERY, ended.wait_for(Option::is_some))
            .await
            .is_err()
        {
            if room.is_spent() {
                tracing::warn!(
                    child,
                    "a child that fills the file system of the workspaces is ended"
                );
                self.signal(child, Stop::Kill);
                return;
            }
        }
    }

    /// Reads the spawner's replies until it is gone.
    async fn listen(self: Arc<Self>) {
        while let Ok(mut ready) = self.socket.readable().await {
            match ready.try_io(|socket| receive(socket.as_fd(), LARGEST_REPLY)) {
                Err(_would_block) => {}
                Ok(Ok(Some((bytes, descriptors)))) => match serde_json::from_slice(&bytes) {
                    Ok(reply) => self.take(reply, descriptors),
                    Err(_) => break,
                },
                Ok(Ok(None)) => break,
                Ok(Err(error)) if error.raw_os_error() == Some(Errno::EAGAIN as i32) => {}
                Ok(Err(_)) => break,
            }
        }
        self.gone.store(true, Ordering::Relaxed);
        self.told_gone.notify_waiters();
        let mut waiting = self.waiting();
        waiting.opening.clear(); // dropping a sender tells its receiver
        waiting.starting.clear();
        waiting.running.clear();
    }

    fn take(&self, reply: Reply, descriptors: Vec<OwnedFd>) {
        let mut waiting = self.waiting();
        match reply {
            Reply::Opened { program } => {
                if let (Some(sender), Some(descriptor)) =
                    (waiting.opener(program), descriptors.into_iter().next())
                {
                    let _ = sender.send(Ok(File::from(descriptor)));
                }
            }
            Reply::NotOpened { program, absence } => {
                if let Some(sender) = waiting.opener(program) {
                    let _ = sender.send(Err(absence));
                }
            }
            Reply::NotStarted { child, failure } => {
                if let Some(sender) = waiting.starting.remove(&child) {
                    let _ = sender.send(failure.into());
                }
                waiting.running.remove(&child); // it is reaped, if it ever was
            }
            Reply::Exited { child, status } => {
                waiting.starting.remove(&child);
                if let Some(sender) = waiting.running.remove(&child) {
                    let _ = sender.send(status);
                }
            }
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) opening: VecDeque<(Program, oneshot::Sender<Result<File, ToolAbsence>>)>,
    /// Who waits for children that may not come to be.
    pub(super) starting: HashMap<u64, oneshot::Sender<SandboxError>>,
    pub(super) running: HashMap<u64, oneshot::Sender<ExitStatus>>,
    /// Users that are free, by their distance from the first: for tools, and behind those for
    /// filters.
    pub(super) slots: Vec<u16>,
    pub(super) filter_slots: Vec<u16>,
    /// How many of them are for tools.
    tool_slots: u16,
}

impl Waiting {
    fn opener(&mut self, program: Program) -> Option<oneshot::Sender<Result<File, ToolAbsence>>> {
        let at = self
            .opening
            .iter()
            .position(|(waiting, _)| *waiting == program)?;
        self.opening.remove(at).map(|(_, sender)| sender)
    }

    fn free(&mut self, slot: u16) {
        if slot < self.tool_slots {
            &mut self.slots
        } else {
            &mut self.filter_slots
        }
        .push(slot);
    }

    pub(super) fn forget(&mut self, child: u64) {
        self.starting.remove(&child);
        self.running.remove(&child);
    }
}

/// The user of a child, free again when this is dropped, whatever went wrong before.
pub(super) struct Slot {
    pub(super) inner: Arc<Inner>,
    pub(super) number: u16,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.inner.waiting().free(self.number);
    }
}
