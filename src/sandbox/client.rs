//! The server's side of a start: an approved run goes to the spawner, a running [`Child`] returns.
//!
//! May not decide what runs: a [`Run`] is the proof that it may, and is taken. From the moment that
//! the spawner may have a child, `clean_up` waits for its end, whatever becomes of the start.
//!
//! Held by `tests/escape/` and `tests/service/`.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, PoisonError},
};

use nix::{
    fcntl::OFlag,
    sys::socket::{AddressFamily, SockFlag, SockType, socketpair},
    unistd::pipe2,
};
use tokio::{
    net::unix::pipe,
    sync::{oneshot, watch},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument as _;

use super::{
    datagram::receive,
    environment::{environment, environment_of_filter, of_request},
    error::SandboxError,
    handle::{Child, FilterStreams, Streams, Unconnected},
    layer::{Layer, LayerStatus},
    link::{Registered, Slot, SpawnerSocket},
    message::{ExitStatus, Limits, Program, Role, Slots, Start, ToSpawner, ToolAbsence},
    profile::{ListenerKind, ProfileName},
    run::{Run, ToolStart},
    spawner::SpawnerLink,
};
use crate::{
    command::Filter,
    egress::{Listening, Pinned},
    workspace::{Reserve, Workspace},
};

/// Starts confined children. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sandbox(Arc<SpawnerSocket>);

/// A program that the spawner is to start.
struct ProgramStart {
    program: Program,
    argv: Vec<String>,
    environment: Vec<String>,
    limits: Limits,
    profile: ProfileName,
    /// The child's ends: nothing of ours keeps them once the spawner has them.
    descriptors: Vec<(Role, OwnedFd)>,
}

/// The things of a child that go when it has ended.
#[derive(Default)]
struct Belongings {
    workspace: Option<Workspace>,
    /// The bound on what it writes.
    reserve: Option<Reserve>,
    /// Its connections, which are closed.
    connections: Option<DropGuard>,
}

impl Sandbox {
    /// Takes the link to a spawner. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the socket cannot be watched.
    pub fn new(link: SpawnerLink, slots: Slots) -> io::Result<Self> {
        SpawnerSocket::connect(link, slots).map(Self)
    }

    /// Whether the spawner lives.
    pub fn is_alive(&self) -> bool {
        !self.0.gone.is_cancelled()
    }

    /// Returns what kept the last child from being confined, if anything did.
    pub fn last_failure(&self) -> Option<String> {
        self.0
            .last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until the spawner has ended. It never should before the server does.
    pub async fn gone(&self) {
        self.0.gone.cancelled().await;
    }

    /// The state of each layer: as the last child reported that it applied to, and before that as
    /// settings and kernel let one expect.
    pub fn layers(&self) -> Vec<LayerStatus> {
        self.0.layers()
    }

    /// Opens a program, so that later children run exactly that file; the copy is for its digest.
    ///
    /// # Errors
    /// [`ToolAbsence`] when there is none to trust, [`SandboxError`] when there is no spawner.
    pub async fn open(&self, program: Program) -> Result<Result<File, ToolAbsence>, SandboxError> {
        let (sender, receiver) = oneshot::channel();
        self.0.outstanding().opening.push_back((program, sender));
        self.0.send(&ToSpawner::Open { program }, &[]).await?;
        receiver.await.map_err(|_| SandboxError::SpawnerGone)
    }

    /// Starts a confined child.
    ///
    /// # Errors
    /// The layer that could not be applied; nothing runs then.
    pub async fn start(
        &self,
        run: Run,
        pinned: &Pinned,
        workspace: Workspace,
        limits: Limits,
    ) -> Result<Child, SandboxError> {
        let invocation = run.invocation();
        let start = ToolStart {
            tool: invocation.tool(),
            argv: invocation.argv_in(&workspace.files()),
            variables: of_request(
                &workspace.authority(),
                run.variables(),
                workspace.has_authority(),
            ),
            profile: run.profile(),
            request: None,
        };
        let started = self.start_tool(start, workspace, limits).await?;
        Ok(started.connect(pinned))
    }

    /// Starts a tool whose connections nobody answers yet.
    pub(super) async fn start_tool(
        &self,
        start: ToolStart,
        mut workspace: Workspace,
        limits: Limits,
    ) -> Result<Unconnected, SandboxError> {
        let (tool, name, is_warm) = (start.tool, start.profile, start.request.is_some());
        let profile = self.0.profiles.get(name);
        let reserve = if profile.helper {
            workspace.make_scratch()?;
            Some(workspace.reserve()?)
        } else {
            None
        };
        let listening = profile.listener.map(|kind| match kind {
            ListenerKind::Inet => Listening::Inet,
            ListenerKind::Unix => Listening::Unix(workspace.sockets()),
        });
        let (streams, mut descriptors) = output_pipes()?;
        descriptors.extend(descriptors_of(&workspace)?);
        descriptors.extend(start.request.map(|request| (Role::Request, request)));
        let notifications = if profile.notifying.is_some() {
            let (ours, theirs) = notification_sockets()?;
            descriptors.push((Role::Notifications, theirs));
            Some(ours)
        } else {
            None
        };
        let mut environment = environment(tool, profile, &workspace, limits);
        environment.extend(start.variables);
        let order = ProgramStart {
            program: Program::Tool(tool),
            argv: start.argv,
            environment,
            limits,
            profile: name,
            descriptors,
        };
        let connections = CancellationToken::new();
        let belongings = Belongings {
            workspace: Some(workspace),
            reserve,
            connections: Some(connections.clone().drop_guard()),
        };
        let mut child = self.launch(order, belongings).await?;
        child.streams = Some(streams);
        child.was_warm = is_warm;
        let notifications = notifications.filter(|_| self.0.levels.has(Layer::Egress));
        Ok(Unconnected {
            child,
            tool,
            profile: name,
            listening,
            listener: notifications.map(listener_from).transpose()?,
            connections,
        })
    }

    /// Starts a confined filter between two pipes, and returns what it writes to standard error. It
    /// has no directory and no network, whatever its words are.
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
        let program = filter.program();
        let order = ProgramStart {
            program: Program::Filter(program),
            argv: filter.argv(),
            environment: environment_of_filter(program, limits),
            limits,
            profile: ProfileName::of_filter(program),
            descriptors: vec![
                (Role::Stdin, streams.stdin),
                (Role::Stdout, streams.stdout),
                (Role::Stderr, stderr_writer),
            ],
        };
        let child = self.launch(order, Belongings::default()).await?;
        Ok((child, stderr))
    }

    /// Sends an order to the spawner, and waits until its child runs the program.
    async fn launch(
        &self,
        order: ProgramStart,
        mut belongings: Belongings,
    ) -> Result<Child, SandboxError> {
        let mut descriptors = order.descriptors;
        let (report, reporter) = pipe_from_child()?;
        descriptors.push((Role::Report, reporter));
        let Registered {
            child: number,
            slot,
            not_started,
            ended,
        } = self.0.register(order.program)?;
        let start = ToSpawner::Start(Start {
            child: number,
            program: order.program,
            argv: order.argv,
            environment: order.environment,
            limits: order.limits,
            profile: order.profile,
            slot: slot.number,
            descriptors: descriptors.iter().map(|(role, _)| *role).collect(),
        });
        let (status, watched) = watch::channel(None);
        let mut child = Child::new(number, Arc::clone(&self.0), watched);
        if let Some(reserve) = belongings.reserve.take() {
            let bound = Arc::clone(&self.0).bound(number, reserve, child.ended.clone());
            tokio::spawn(bound.in_current_span());
        }
        // From here on the child may exist; whatever becomes of this future, it is cleaned up
        // after.
        let link = Arc::clone(&self.0);
        tokio::spawn(clean_up(link, slot, number, belongings, ended, status).in_current_span());
        let sent: Vec<_> = descriptors.iter().map(|(_, end)| end.as_fd()).collect();
        if let Err(error) = self.0.send(&start, &sent).await {
            self.0.outstanding().forget(number);
            return Err(error);
        }
        // The child alone holds them now: whoever reads from it or writes to it sees it end.
        drop(descriptors);
        child.layers = self.0.has_started(report, not_started).await?;
        Ok(child)
    }
}

/// The pipes of a tool's output, with the child's ends.
fn output_pipes() -> io::Result<(Streams, Vec<(Role, OwnedFd)>)> {
    let (stdout, stdout_writer) = pipe_from_child()?;
    let (stderr, stderr_writer) = pipe_from_child()?;
    let of_child = vec![(Role::Stdout, stdout_writer), (Role::Stderr, stderr_writer)];
    Ok((Streams { stdout, stderr }, of_child))
}

/// The parts of a workspace that become its child's.
fn descriptors_of(workspace: &Workspace) -> io::Result<Vec<(Role, OwnedFd)>> {
    let opened = workspace.descriptors()?;
    let mut of_child = vec![
        (Role::Directory, opened.directory.into()),
        (Role::Kubeconfig, opened.kubeconfig.into()),
        (Role::Home, opened.home.into()),
    ];
    of_child.extend(
        opened
            .scratch
            .map(|scratch| (Role::Scratch, scratch.into())),
    );
    let of_request = [(Role::Files, opened.files), (Role::Stdin, opened.input)];
    let of_request = of_request.into_iter();
    of_child.extend(of_request.filter_map(|(role, file)| Some((role, file?.into()))));
    Ok(of_child)
}

/// The sockets over which a child sends the listener of its notifications: ours, and its own.
fn notification_sockets() -> io::Result<(OwnedFd, OwnedFd)> {
    let pair = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    );
    Ok(pair?)
}

/// Receives the listener that a child has sent before it became its program.
fn listener_from(socket: OwnedFd) -> io::Result<OwnedFd> {
    let listener =
        receive(socket.as_fd(), 1)?.and_then(|(_, received)| received.into_iter().next());
    listener.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
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
    link: Arc<SpawnerSocket>,
    slot: Slot,
    child: u64,
    belongings: Belongings,
    ended: oneshot::Receiver<ExitStatus>,
    reported: watch::Sender<Option<ExitStatus>>,
) {
    let status = ended.await.unwrap_or(ExitStatus::Signal(libc::SIGKILL));
    drop(belongings.connections);
    link.outstanding().forget_start(child);
    // Nobody's answer waits for this but the next user of the slot. In memory it is done at once.
    let span = tracing::Span::current();
    match belongings.workspace {
        Some(workspace) if !workspace.is_removed_at_once() => {
            let _ = tokio::task::spawn_blocking(move || span.in_scope(|| drop(workspace))).await;
        }
        workspace => drop(workspace),
    }
    drop(slot);
    let _ = reported.send(Some(status));
}
