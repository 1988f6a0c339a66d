//! The server's side: [`Sandbox::start`] asks the spawner, [`Child`] is what it answers.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, PoisonError, atomic::Ordering},
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
    handle::{Begun, Child, FilterStreams, Streams},
    layer::{Layer, LayerStatus},
    link::{Inner, Slot},
    message::{ExitStatus, Limits, Program, Request, Slots, Start, ToolAbsence},
    profile::{ListenerKind, ProfileName},
    run::{Begin, Run},
    spawner::SpawnerLink,
};
use crate::{
    command::Filter,
    egress::{Listening, Pinned},
    workspace::Workspace,
};

/// The way to the spawner. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sandbox(Arc<Inner>);

impl Sandbox {
    /// Takes the link to a spawner. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the socket cannot be watched.
    pub fn new(link: SpawnerLink, slots: Slots) -> io::Result<Self> {
        Inner::connect(link, slots).map(Self)
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

    /// The state of each layer: as the last child reported that it applied to, and before that as
    /// settings and kernel let one expect.
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
        run: Run,
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
                run.variables(),
                workspace.has_authority(),
            ),
            profile: run.profile(),
            waits_on: None,
        };
        Ok(self.begin(begin, workspace, limits).await?.connect(pinned))
    }

    /// Has the spawner start a tool, which may not reach anybody yet.
    pub(super) async fn begin(
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
        let questions = match profile.notifying {
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
