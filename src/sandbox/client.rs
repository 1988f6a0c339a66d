//! The server's side: [`Sandbox::start`] asks the spawner, [`Child`] is what it answers.

use std::{
    borrow::Cow,
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

use nix::{
    errno::Errno,
    fcntl::OFlag,
    sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, socketpair},
    unistd::pipe2,
};
use tokio::{
    io::{AsyncReadExt as _, unix::AsyncFd},
    net::{UnixStream, unix::pipe},
    sync::{Notify, oneshot, watch},
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument as _;
use zeroize::Zeroizing;

use super::{
    child::Reported,
    environment::{environment, environment_of_filter, of_request, waiting},
    failure::StartFailure,
    landlock,
    layer::{self, Layer, LayerStatus, Levels},
    message::{
        ExitStatus, LARGEST, LARGEST_REPLY, Limits, NO_HELPER, Program, Reply, Request, Slots,
        Start, Stop, ToolAbsence,
    },
    notify::supervise,
    profile::{ListenerKind, ProfileName, Profiles},
    spawner::{SpawnerLink, receive, send},
    sys,
    warm::{Warm, WarmError},
};
use crate::{
    command::{Filter, Invocation},
    egress::{Listening, Pinned, Tunnel},
    policy::Approved,
    secret::SecretString,
    tool::Tool,
    workspace::{Room, Workspace},
};

/// What may be started: what a policy approved, or the server's own question for a tool's version.
#[must_use]
#[derive(Debug)]
pub enum Run {
    /// A caller's command, and what its tool reads from its environment.
    Approved(Box<Approved>, Vec<(&'static str, SecretString)>),
    /// `TOOL version`, for the inventory.
    VersionProbe(Tool),
}

impl Run {
    pub(super) fn invocation(&self) -> Cow<'_, Invocation> {
        match self {
            Self::Approved(approved, _) => Cow::Borrowed(approved.invocation()),
            Self::VersionProbe(tool) => Cow::Owned(Invocation::version_probe(*tool)),
        }
    }

    /// The profile that its child has.
    pub fn profile(&self) -> ProfileName {
        ProfileName::of(&self.invocation())
    }

    pub(super) fn credentials(&self) -> &[(&'static str, SecretString)] {
        match self {
            Self::Approved(_, credentials) => credentials,
            Self::VersionProbe(_) => &[],
        }
    }
}

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

/// How long a child that has closed where its request comes from may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(1);

/// How often it is looked whether a child that writes has room: memory takes some 50 MiB in that
/// time.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A child that runs its tool. Dropping it kills it; its workspace goes once it is dead.
#[derive(Debug)]
pub struct Child {
    number: u64,
    inner: Arc<Inner>,
    ended: watch::Receiver<Option<ExitStatus>>,
    layers: Vec<LayerStatus>,
    streams: Option<Streams>,
    tunnel: Option<Arc<Tunnel>>,
    was_warm: bool,
}

/// What is asked of the spawner.
struct Begin {
    tool: Tool,
    argv: Vec<String>,
    /// Besides those that every child of the tool has.
    variables: Vec<String>,
    profile: ProfileName,
    /// Where it gets its request, when it is started before it.
    waits_on: Option<OwnedFd>,
}

/// A child that runs, and whose connections nobody answers yet.
#[derive(Debug)]
pub(super) struct Begun {
    child: Child,
    tool: Tool,
    profile: ProfileName,
    listening: Option<Listening>,
    /// Where it asks about its connections.
    questions: Option<OwnedFd>,
    /// Cancelled when it has ended.
    supervisor: CancellationToken,
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
        // argocd asks its proxy about every server (golang.org/x/net/proxy); what listens names its
        // server too.
        let direct = pinned.is_direct() && tool != Tool::Argocd && listening.is_none();
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

    /// Ends it, and says why: it has closed the descriptor that it should wait on.
    pub(super) async fn ended_without_waiting(mut self) -> WarmError {
        match timeout(ENDS_WITHIN, self.child.wait()).await {
            // Go's own runtime exits with 2 when it finds no memory or no thread; 125 is of a start
            // that went wrong.
            Ok(ExitStatus::Code(2 | 125) | ExitStatus::Signal(_)) => WarmError::Ended(self.tool),
            Ok(ExitStatus::Code(_)) | Err(_) => WarmError::NeverWaits(self.tool),
        }
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

/// The way to the spawner. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sandbox(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    socket: AsyncFd<OwnedFd>,
    has_own_users: bool,
    profiles: Profiles,
    levels: Levels,
    /// What this kernel's Landlock enforces, read once.
    landlock: Vec<LayerStatus>,
    /// Whether it has no W^X, which the last child found.
    without_write_execute: AtomicBool,
    next: AtomicU64,
    gone: AtomicBool,
    /// What kept the last child from being confined, until another one is.
    unsound: Mutex<Option<String>>,
    told_gone: Notify,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    opening: VecDeque<(Program, oneshot::Sender<Result<File, ToolAbsence>>)>,
    /// Who waits for children that may not come to be.
    starting: HashMap<u64, oneshot::Sender<SandboxError>>,
    running: HashMap<u64, oneshot::Sender<ExitStatus>>,
    /// Users that are free, by their distance from the first: for tools, and behind those for
    /// filters.
    slots: Vec<u16>,
    filter_slots: Vec<u16>,
    /// How many of them are for tools.
    tool_slots: u16,
}

impl Sandbox {
    /// Takes the link to a spawner. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the socket cannot be watched.
    pub fn new(link: SpawnerLink, slots: Slots) -> io::Result<Self> {
        nix::fcntl::fcntl(
            &link.socket,
            nix::fcntl::FcntlArg::F_SETFL(OFlag::O_NONBLOCK),
        )?;
        let inner = Arc::new(Inner {
            socket: sys::watch(link.socket)?,
            has_own_users: link.has_own_users,
            profiles: link.profiles,
            levels: link.levels,
            landlock: landlock::statuses(),
            without_write_execute: AtomicBool::new(false),
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
        Ok(Self(inner))
    }

    /// Whether the spawner lives.
    pub fn is_alive(&self) -> bool {
        !self.0.gone.load(Ordering::Relaxed)
    }

    /// The layer that could not be applied to the last child, if that was so.
    pub fn unsound(&self) -> Option<String> {
        self.0
            .unsound
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until the spawner has ended. It never should before the server does.
    pub async fn gone(&self) {
        let told = self.0.told_gone.notified();
        if self.is_alive() {
            told.await;
        }
    }

    /// The layers that this host's kernel and user give every child, before one has run.
    pub fn layers(&self) -> Vec<LayerStatus> {
        self.0.layers()
    }

    /// Opens a program, so that later children run exactly that file; the copy is for its digest.
    ///
    /// # Errors
    /// Why it is not there, or [`SandboxError`] when the spawner cannot be asked.
    pub async fn open(&self, program: Program) -> Result<Result<File, ToolAbsence>, SandboxError> {
        let (sender, receiver) = oneshot::channel();
        self.0.waiting().opening.push_back((program, sender));
        self.0.ask(&Request::Open { program }, &[]).await?;
        receiver.await.map_err(|_| SandboxError::SpawnerGone)
    }

    /// Starts a confined child.
    ///
    /// # Errors
    /// The layer that could not be applied; nothing runs then.
    pub async fn start(
        &self,
        run: &Run,
        pinned: &Pinned,
        workspace: Workspace,
        limits: Limits,
    ) -> Result<Child, SandboxError> {
        let invocation = run.invocation();
        let begin = Begin {
            tool: invocation.tool(),
            argv: invocation.argv(),
            variables: of_request(
                &workspace.authority(),
                run.credentials(),
                workspace.has_authority(),
            ),
            profile: run.profile(),
            waits_on: None,
        };
        Ok(self.begin(begin, workspace, limits).await?.connect(pinned))
    }

    /// Starts a confined tool without a request: it does what every command begins with, and waits.
    ///
    /// # Errors
    /// The layer that could not be applied; [`WarmError::NeverWaits`] when it is no tool that
    /// waits.
    pub async fn start_warm(
        &self,
        tool: Tool,
        profile: ProfileName,
        workspace: Workspace,
        limits: Limits,
    ) -> Result<Warm, WarmError> {
        let (ours, theirs) = UnixStream::pair()?;
        let theirs = OwnedFd::from(theirs.into_std()?);
        nix::fcntl::fcntl(&theirs, nix::fcntl::FcntlArg::F_SETFL(OFlag::empty()))
            .map_err(io::Error::from)?; // it blocks
        let begin = Begin {
            tool,
            argv: vec![tool.as_str().to_owned()],
            variables: vec![waiting()],
            profile,
            waits_on: Some(theirs),
        };
        let (blank, authority) = (workspace.blank()?, workspace.authority());
        let begun = self.begin(begin, workspace, limits).await?;
        Warm::new(begun, ours, blank, authority, limits).await
    }

    /// Has the spawner start a tool, which may not reach anybody yet.
    async fn begin(
        &self,
        begin: Begin,
        mut workspace: Workspace,
        limits: Limits,
    ) -> Result<Begun, SandboxError> {
        let Begin {
            tool,
            argv,
            variables,
            profile: name,
            waits_on,
        } = begin;
        let request_is_to_come = waits_on.is_some();
        let (stdout, stdout_writer) = pipe_from_child()?;
        let (stderr, stderr_writer) = pipe_from_child()?;
        let (report, reporter) = pipe_from_child()?;
        let profile = self.0.profiles.get(name);
        let room = if profile.helper {
            workspace.make_scratch()?;
            Some(workspace.room()?)
        } else {
            None
        };
        let places = workspace.descriptors()?;
        let questions = match profile.asking {
            Some(_) => Some(
                socketpair(
                    AddressFamily::Unix,
                    SockType::SeqPacket,
                    None,
                    SockFlag::SOCK_CLOEXEC,
                )
                .map_err(io::Error::from)?,
            ),
            None => None,
        };
        let listening = profile.listener.map(|kind| match kind {
            ListenerKind::Inet => Listening::Inet,
            ListenerKind::Unix => Listening::Unix(workspace.sockets()),
        });
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        let (started_sender, started) = oneshot::channel();
        let (ended_sender, ended) = oneshot::channel();
        let slot = {
            let mut waiting = self.0.waiting();
            let slot = waiting.slots.pop().ok_or(SandboxError::NoSlot)?;
            waiting.starting.insert(number, started_sender);
            waiting.running.insert(number, ended_sender);
            Slot {
                inner: Arc::clone(&self.0),
                number: slot,
            }
        };
        let mut environment = environment(tool, profile, &workspace, limits);
        environment.extend(variables);
        let request = Request::Start(Start {
            child: number,
            program: Program::Tool(tool),
            argv,
            environment,
            limits,
            profile: name,
            slot: slot.number,
            warm: request_is_to_come,
        });
        let (told, watched) = watch::channel(None);
        let mut descriptors = vec![
            reporter.as_fd(),
            stdout_writer.as_fd(),
            stderr_writer.as_fd(),
        ];
        descriptors.extend(places.iter().map(AsFd::as_fd));
        descriptors.extend(waits_on.as_ref().map(AsFd::as_fd));
        descriptors.extend(questions.as_ref().map(|(_, for_child)| for_child.as_fd()));
        // From here on the child may exist; whatever becomes of this future, it is cleaned up
        // after.
        let supervisor = CancellationToken::new();
        let cleaning = clean_up(
            slot,
            number,
            Some(workspace),
            ended,
            told,
            supervisor.clone().drop_guard(),
        );
        tokio::spawn(cleaning.in_current_span());
        let asked = self.0.ask(&request, &descriptors).await;
        if let Err(error) = asked {
            self.0.waiting().forget(number);
            return Err(error);
        }
        drop((reporter, stdout_writer, stderr_writer, waits_on));
        let questions = questions.map(|(ours, _)| ours);
        let streams = Streams { stdout, stderr };
        let mut child = Child {
            number,
            inner: Arc::clone(&self.0),
            ended: watched,
            layers: Vec::new(),
            streams: Some(streams),
            tunnel: None,
            was_warm: request_is_to_come,
        };
        if let Some(room) = room {
            tokio::spawn(
                Arc::clone(&self.0)
                    .bound(number, room, child.ended.clone())
                    .in_current_span(),
            );
        }
        child.layers = self.0.has_started(report, started).await?;
        let questions = match questions.filter(|_| self.0.levels.has(Layer::Egress)) {
            Some(questions) => {
                // The child sent it before it became the tool, which is what has just been told.
                let listener = receive(questions.as_fd(), 1)?
                    .and_then(|(_, descriptors)| descriptors.into_iter().next());
                Some(listener.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?)
            }
            None => None,
        };
        Ok(Begun {
            child,
            tool,
            profile: name,
            listening,
            questions,
            supervisor,
        })
    }

    /// Starts a confined filter between two pipes; what it says of errors can be read from the
    /// other result. It has no directory and no network, whatever its words are.
    ///
    /// # Errors
    /// The layer that could not be applied; nothing runs then.
    pub async fn start_filter(
        &self,
        filter: &Filter,
        streams: FilterStreams,
        limits: Limits,
    ) -> Result<(Child, pipe::Receiver), SandboxError> {
        let (stderr, stderr_writer) = pipe_from_child()?;
        let (report, reporter) = pipe_from_child()?;
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        let (started_sender, started) = oneshot::channel();
        let (ended_sender, ended) = oneshot::channel();
        let slot = {
            let mut waiting = self.0.waiting();
            let slot = waiting.filter_slots.pop().ok_or(SandboxError::NoSlot)?;
            waiting.starting.insert(number, started_sender);
            waiting.running.insert(number, ended_sender);
            Slot {
                inner: Arc::clone(&self.0),
                number: slot,
            }
        };
        let program = filter.program();
        let request = Request::Start(Start {
            child: number,
            program: Program::Filter(program),
            argv: filter.argv(),
            environment: environment_of_filter(program, limits),
            limits,
            profile: ProfileName::of_filter(program),
            slot: slot.number,
            warm: false,
        });
        let (told, watched) = watch::channel(None);
        let cleaning = clean_up(
            slot,
            number,
            None,
            ended,
            told,
            CancellationToken::new().drop_guard(),
        );
        tokio::spawn(cleaning.in_current_span());
        let asked = self
            .0
            .ask(
                &request,
                &[
                    reporter.as_fd(),
                    streams.stdin.as_fd(),
                    streams.stdout.as_fd(),
                    stderr_writer.as_fd(),
                ],
            )
            .await;
        if let Err(error) = asked {
            self.0.waiting().forget(number);
            return Err(error);
        }
        // The child alone holds them now: whoever reads from it or writes to it sees it end.
        drop((streams, reporter, stderr_writer));
        let mut child = Child {
            number,
            inner: Arc::clone(&self.0),
            ended: watched,
            layers: Vec::new(),
            streams: None,
            tunnel: None,
            was_warm: false,
        };
        child.layers = self.0.has_started(report, started).await?;
        Ok((child, stderr))
    }
}

/// A pipe that a child writes to. Our end is for the runtime and does not block; its end must, as
/// programs expect.
fn pipe_from_child() -> io::Result<(pipe::Receiver, OwnedFd)> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
    nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETFL(OFlag::empty()))?;
    Ok((pipe::Receiver::from_owned_fd(reader)?, writer))
}

/// Waits for a child's end, whoever else still does, and removes what it had.
async fn clean_up(
    slot: Slot,
    number: u64,
    workspace: Option<Workspace>,
    ended: oneshot::Receiver<ExitStatus>,
    told: watch::Sender<Option<ExitStatus>>,
    supervisor: DropGuard,
) {
    let status = ended.await.unwrap_or(ExitStatus::Signal(libc::SIGKILL));
    drop(supervisor); // closes the child's connections
    slot.inner.waiting().starting.remove(&number);
    // Nobody's answer waits for this but the next user of the slot. In memory it is done at once.
    let span = tracing::Span::current();
    match workspace {
        Some(workspace) if !workspace.is_removed_at_once() => {
            let _ = tokio::task::spawn_blocking(move || span.in_scope(|| drop(workspace))).await;
        }
        workspace => drop(workspace),
    }
    drop(slot);
    let _ = told.send(Some(status));
}

/// The user of a child, free again when this is dropped, whatever went wrong before.
struct Slot {
    inner: Arc<Inner>,
    number: u16,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.inner.waiting().free(self.number);
    }
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

impl Inner {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        // Nothing panics while it holds the lock; if it did, the maps are still whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn layers(&self) -> Vec<LayerStatus> {
        layer::states(
            &self.levels,
            self.has_own_users,
            &self.landlock,
            self.without_write_execute.load(Ordering::Relaxed),
        )
    }

    /// Waits until a child runs its program, as it tells itself, and tells its layers.
    async fn has_started(
        &self,
        mut report: pipe::Receiver,
        not_started: oneshot::Receiver<SandboxError>,
    ) -> Result<Vec<LayerStatus>, SandboxError> {
        let mut record = Vec::new();
        report.read_to_end(&mut record).await?; // exec or exit has closed the other end, or the spawner without a child
        let started = match Reported::of(&record) {
            Reported::Running {
                without_write_execute,
            } => Ok(without_write_execute),
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
        self.without_write_execute
            .store(started?, Ordering::Relaxed);
        Ok(self.layers())
    }

    async fn ask(
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
    fn signal(self: &Arc<Self>, child: u64, signal: Stop) {
        let inner = Arc::clone(self);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { inner.ask(&Request::Signal { child, signal }, &[]).await });
        }
        // Without a runtime the process is ending, and the spawner ends every child with it.
    }

    /// Ends a child that writes more than it may; RLIMIT_FSIZE is about one file.
    async fn bound(
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
            Reply::NotStarted {
                child,
                layer,
                call,
                errno,
            } => {
                if let Some(sender) = waiting.starting.remove(&child) {
                    let _ = sender.send(match layer.as_str() {
                        NO_HELPER => SandboxError::NoHelper,
                        _ => SandboxError::Layer {
                            layer,
                            call,
                            source: io::Error::from_raw_os_error(errno),
                        },
                    });
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

    fn forget(&mut self, child: u64) {
        self.starting.remove(&child);
        self.running.remove(&child);
    }
}
