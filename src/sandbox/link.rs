//! The server's end of the socket to the spawner: requests out, replies and reports in.
//!
//! May not decide what is started. A child that may exist is in [`Outstanding`] until the spawner
//! has reported its end, and its user is taken until then.
//!
//! Held by `tests/escape/` and `tests/service/`.

use std::{
    collections::{HashMap, VecDeque},
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use nix::{errno::Errno, fcntl::OFlag, sys::socket::MsgFlags};
use tokio::{
    io::{AsyncReadExt as _, unix::AsyncFd},
    net::unix::pipe,
    sync::{oneshot, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::{
    applied::{Applied, KnownLayers},
    child::Reported,
    datagram::{receive, send},
    error::SandboxError,
    failure::{StartFailure, StartStep},
    layer::{LayerStatus, Levels},
    message::{
        ExitStatus, FromSpawner, LARGEST, LARGEST_REPLY, Program, Slots, Stop, ToSpawner,
        ToolAbsence,
    },
    profile::Profiles,
    spawner::SpawnerLink,
    sys,
};
use crate::workspace::Reserve;

/// The socket to the spawner, and what is known of the spawner's children.
#[derive(Debug)]
pub(super) struct SpawnerSocket {
    socket: AsyncFd<OwnedFd>,
    pub(super) profiles: Profiles,
    pub(super) levels: Levels,
    layers: KnownLayers,
    next: AtomicU64,
    /// Cancelled when the spawner has ended.
    pub(super) gone: CancellationToken,
    /// What kept the last child from being confined, until another one is.
    pub(super) last_failure: Mutex<Option<String>>,
    /// Since when there are no processes for another child.
    starved: Mutex<Option<Instant>>,
    outstanding: Mutex<Outstanding>,
}

/// How long others of ours may hold all processes and threads until this server is not ready:
/// longer than one of them is let go on.
const LONGEST_STARVED: Duration = Duration::from_secs(10);

/// How often it is looked whether a child that writes leaves the reserve: memory takes some 50 MiB
/// in that time.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl SpawnerSocket {
    /// Reads the spawner's replies from now on. Needs a tokio runtime.
    pub(super) fn connect(spawner: SpawnerLink, slots: Slots) -> io::Result<Arc<Self>> {
        nix::fcntl::fcntl(
            &spawner.socket,
            nix::fcntl::FcntlArg::F_SETFL(OFlag::O_NONBLOCK),
        )?;
        let link = Arc::new(Self {
            socket: sys::watch(spawner.socket)?,
            profiles: spawner.profiles,
            layers: KnownLayers::new(&spawner.levels, spawner.user),
            levels: spawner.levels,
            next: AtomicU64::new(1),
            gone: CancellationToken::new(),
            last_failure: Mutex::new(None),
            starved: Mutex::new(None),
            outstanding: Mutex::new(Outstanding {
                slots: (0..slots.tools).rev().collect(),
                filter_slots: (slots.tools..slots.all()).rev().collect(),
                tool_slots: slots.tools,
                ..Outstanding::default()
            }),
        });
        tokio::spawn(Arc::clone(&link).listen());
        Ok(link)
    }

    pub(super) fn outstanding(&self) -> std::sync::MutexGuard<'_, Outstanding> {
        // Nothing panics while it holds the lock; if it did, the maps are still whole.
        self.outstanding
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a number and a user for a child.
    ///
    /// # Errors
    /// [`SandboxError::NoSlot`] when no user is free.
    pub(super) fn register(self: &Arc<Self>, program: Program) -> Result<Registered, SandboxError> {
        let child = self.next.fetch_add(1, Ordering::Relaxed);
        let (failure_sender, not_started) = oneshot::channel();
        let (end_sender, ended) = oneshot::channel();
        let mut outstanding = self.outstanding();
        let slots = match program {
            Program::Tool(_) => &mut outstanding.slots,
            Program::Filter(_) => &mut outstanding.filter_slots,
        };
        let slot = Slot {
            number: slots.pop().ok_or(SandboxError::NoSlot)?,
            link: Arc::clone(self),
        };
        outstanding.starting.insert(child, failure_sender);
        outstanding.running.insert(child, end_sender);
        drop(outstanding);
        Ok(Registered {
            child,
            slot,
            not_started,
            ended,
        })
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
                Err(_) if self.gone.is_cancelled() => Err(SandboxError::SpawnerGone),
                Err(_) => Err(SandboxError::Killed),
            },
        };
        self.remember(started.as_ref().err());
        started
    }

    /// Keeps what says something of the next child: neither that this one was killed does, nor that
    /// its helper is not there, nor, for a while, that others hold what it would have taken.
    fn remember(&self, failure: Option<&SandboxError>) {
        let mut starved = self.starved.lock().unwrap_or_else(PoisonError::into_inner);
        let is_passing = match failure {
            None => {
                *starved = None;
                false
            }
            Some(SandboxError::NoTasks) => {
                let since = *starved.get_or_insert_with(Instant::now);
                since.elapsed() < LONGEST_STARVED
            }
            Some(SandboxError::NoHelper | SandboxError::Killed) => true,
            Some(_) => false,
        };
        let failure = failure.filter(|_| !is_passing);
        *self
            .last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = failure.map(ToString::to_string);
    }

    pub(super) async fn send(
        &self,
        message: &ToSpawner,
        descriptors: &[std::os::fd::BorrowedFd<'_>],
    ) -> Result<(), SandboxError> {
        let bytes = Zeroizing::new(serde_json::to_vec(message).map_err(io::Error::from)?);
        if bytes.len() > LARGEST {
            return Err(io::Error::from(io::ErrorKind::InvalidInput).into());
        }
        loop {
            if self.gone.is_cancelled() {
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
        let link = Arc::clone(self);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let signal = ToSpawner::Signal { child, signal };
            runtime.spawn(async move { link.send(&signal, &[]).await });
        }
        // Without a runtime the process is ending, and the spawner ends every child with it.
    }

    /// Ends a child that writes more than it may; RLIMIT_FSIZE is about one file.
    pub(super) async fn bound(
        self: Arc<Self>,
        child: u64,
        reserve: Reserve,
        mut ended: watch::Receiver<Option<ExitStatus>>,
    ) {
        while timeout(LOOK_EVERY, ended.wait_for(Option::is_some))
            .await
            .is_err()
        {
            if reserve.is_used() {
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
                    Ok(reply) => self.receive_reply(reply, descriptors),
                    Err(_) => break,
                },
                Ok(Ok(None)) => break,
                Ok(Err(error)) if error.raw_os_error() == Some(Errno::EAGAIN as i32) => {}
                Ok(Err(_)) => break,
            }
        }
        self.gone.cancel();
        let mut outstanding = self.outstanding();
        outstanding.opening.clear(); // a receiver sees that its sender is dropped
        outstanding.starting.clear();
        outstanding.running.clear();
    }

    fn receive_reply(&self, reply: FromSpawner, descriptors: Vec<OwnedFd>) {
        let mut outstanding = self.outstanding();
        match reply {
            FromSpawner::Opened { program } => {
                if let (Some(sender), Some(descriptor)) =
                    (outstanding.opener(program), descriptors.into_iter().next())
                {
                    let _ = sender.send(Ok(File::from(descriptor)));
                }
            }
            FromSpawner::NotOpened { program, absence } => {
                if let Some(sender) = outstanding.opener(program) {
                    let _ = sender.send(Err(absence));
                }
            }
            FromSpawner::NotStarted { child, failure } => {
                outstanding.running.remove(&child); // it is reaped, if it ever was
                let others_have_them =
                    failure.is_for_want_of_processes() && !outstanding.running.is_empty();
                let error = match others_have_them {
                    true => SandboxError::NoTasks,
                    false => failure.into(),
                };
                if let Some(sender) = outstanding.starting.remove(&child) {
                    let _ = sender.send(error);
                }
            }
            FromSpawner::Exceeded { child, bound } => {
                let what = bound.as_str();
                tracing::warn!(child, "a child that takes more {what} than it may is ended");
            }
            FromSpawner::Exited { child, status } => {
                outstanding.starting.remove(&child);
                if let Some(sender) = outstanding.running.remove(&child) {
                    let _ = sender.send(status);
                }
            }
        }
    }
}

/// The replies that are still to come, and the users that are free.
#[derive(Debug, Default)]
pub(super) struct Outstanding {
    pub(super) opening: VecDeque<(Program, oneshot::Sender<Result<File, ToolAbsence>>)>,
    /// Children that do not run yet: a failure of theirs is sent here.
    starting: HashMap<u64, oneshot::Sender<SandboxError>>,
    /// Children that have not ended.
    running: HashMap<u64, oneshot::Sender<ExitStatus>>,
    /// Users that are free, by their distance from the first: for tools, and behind those for
    /// filters.
    slots: Vec<u16>,
    filter_slots: Vec<u16>,
    /// How many of them are for tools.
    tool_slots: u16,
}

impl Outstanding {
    fn opener(&mut self, program: Program) -> Option<oneshot::Sender<Result<File, ToolAbsence>>> {
        let at = self
            .opening
            .iter()
            .position(|(opening, _)| *opening == program)?;
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

    /// Waits for no reply about a child any more.
    pub(super) fn forget(&mut self, child: u64) {
        self.starting.remove(&child);
        self.running.remove(&child);
    }

    /// Waits for no failure of a start any more.
    pub(super) fn forget_start(&mut self, child: u64) {
        self.starting.remove(&child);
    }
}

/// A child that is to be started: its number, its user, and the ends of its two replies.
pub(super) struct Registered {
    pub(super) child: u64,
    pub(super) slot: Slot,
    pub(super) not_started: oneshot::Receiver<SandboxError>,
    pub(super) ended: oneshot::Receiver<ExitStatus>,
}

/// The user of a child, free again when this is dropped, whatever went wrong before.
pub(super) struct Slot {
    link: Arc<SpawnerSocket>,
    pub(super) number: u16,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.link.outstanding().free(self.number);
    }
}
