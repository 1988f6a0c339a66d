//! The process that starts, confines, reaps and kills the children.
//!
//! Forked before the server has a second thread. It holds the programs' descriptors and, when it
//! was started as root, root; the server, which talks to the network, holds neither. It reads only
//! [`message`](super::message) and ends, with every child, when the server does.

use std::{
    cell::Cell,
    collections::{HashMap, VecDeque},
    ffi::CString,
    fs, io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        prctl,
        signal::{Signal, kill, killpg},
        socket::{AddressFamily, MsgFlags, SockFlag, SockType, socketpair},
        wait::{WaitStatus, waitpid},
    },
    unistd::{Pid, getpid, getsid},
};

use super::{
    child::{ChildFiles, Plan, Restrictions, become_tool},
    cleaning::{GivenWorkspace, clean, end_everything_of, wipe},
    datagram::{receive, send},
    failure::{StartFailure, StartPart, StartStep},
    layer::{Layer, Levels},
    message::{ExitStatus, LARGEST, Program, Reply, Request, Slots, Start, Stop, ToolAbsence},
    privilege::{self, ChildUser, Identity},
    profile::{ProfileName, Profiles},
    programs::{ProgramPaths, open_trusted},
    rlimit,
    sys::{self, Stack, Words},
};

/// The server's end of the conversation with its spawner.
pub struct SpawnerLink {
    pub(super) socket: OwnedFd,
    pub(super) user: ChildUser,
    pub(super) profiles: Profiles,
    pub(super) levels: Levels,
}

/// Forks the spawner. Call it while the process has one thread.
///
/// With `children` given (the spawner is root) each child gets its own user, counted from there;
/// `slots` are the most children at once.
///
/// # Errors
/// When the kernel refuses a socket or a process.
pub fn fork_spawner(
    programs: ProgramPaths,
    profiles: Profiles,
    levels: Levels,
    children: Option<Identity>,
    slots: Slots,
) -> io::Result<SpawnerLink> {
    let (ours, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )?;
    let server = getpid();
    match sys::fork()? {
        sys::Forked::Parent(_) => Ok(SpawnerLink {
            socket: ours,
            user: ChildUser::among(children),
            profiles,
            levels,
        }),
        sys::Forked::Child => {
            drop(ours);
            let code =
                match Spawner::new(theirs, programs, profiles, levels, children, slots, server)
                    .and_then(Spawner::serve)
                {
                    Ok(()) => 0,
                    Err(_) => 1, // the server sees the closed socket
                };
            sys::exit_now(code)
        }
    }
}

/// More than the levels of processes that one call can have (RLIMIT_NPROC).
const MOST_ROUNDS: usize = 256;

struct Spawner {
    socket: OwnedFd,
    /// Of the next child, until it runs its program.
    stack: Stack,
    programs: ProgramPaths,
    open: HashMap<Program, OwnedFd>,
    profiles: Profiles,
    levels: Levels,
    children: HashMap<u64, Running>,
    first_user: Option<Identity>,
    /// The directories of the tools that ended last, as many as there may be tools.
    returned: VecDeque<OwnedFd>,
    /// How many children there may be at once, each with a user of its own.
    slots: Slots,
    server: Pid,
    /// Who the server is, once it is not root any more: then it is nobody else ever again.
    server_user: Cell<Option<Identity>>,
}

/// A child between fork and reaping.
struct Running {
    pid: Pid,
    /// Readable once it has ended.
    ended: OwnedFd,
    /// A tool's workspace, to be given back to the server.
    workspace: Option<GivenWorkspace>,
    /// Its own user, when it has one.
    user: Option<Identity>,
    /// How it ended, once what it wrote is being removed by the process that has taken its place.
    status: Option<ExitStatus>,
}

impl Spawner {
    fn new(
        socket: OwnedFd,
        programs: ProgramPaths,
        profiles: Profiles,
        levels: Levels,
        first_user: Option<Identity>,
        slots: Slots,
        server: Pid,
    ) -> io::Result<Self> {
        sys::ignore_terminal_signals()?;
        prctl::set_name(c"airlock-spawner")?;
        // Children inherit it, through exec too: RLIMIT_CORE does not stop a core pipe handler
        // (core(5)).
        fs::write("/proc/self/coredump_filter", "0")?;
        prctl::set_dumpable(false)?;
        // Each child has none either, and finds that there is nothing left to drop. Where it may
        // not be done the child says so.
        if first_user.is_some() {
            let _ = privilege::drop_bounding_set();
        }
        // What a child leaves behind becomes ours, so that it can be found and ended.
        prctl::set_child_subreaper(true)?;
        let null = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/null")?;
        // Standard input and output may be an MCP conversation, which is the server's alone.
        nix::unistd::dup2_stdin(&null)?;
        nix::unistd::dup2_stdout(&null)?;
        Ok(Self {
            socket,
            stack: Stack::new()?,
            programs,
            open: HashMap::new(),
            profiles,
            levels,
            children: HashMap::new(),
            first_user,
            returned: VecDeque::new(),
            slots,
            server,
            server_user: Cell::new(None),
        })
    }

    /// Serves until the server is gone; then ends every child.
    fn serve(mut self) -> io::Result<()> {
        loop {
            let ready = self.wait_for_something()?;
            for child in ready.ended {
                self.reap(child)?;
            }
            if ready.socket && !self.answer()? {
                return self.end();
            }
        }
    }

    fn wait_for_something(&self) -> io::Result<Ready> {
        let mut watched = vec![PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        watched.extend(
            self.children
                .values()
                .map(|running| PollFd::new(running.ended.as_fd(), PollFlags::POLLIN)),
        );
        match poll(&mut watched, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut ready = Ready::default();
        let mut watched = watched.iter().map(|watched| watched.any().unwrap_or(false));
        ready.socket = watched.next().unwrap_or(false);
        ready.ended = self
            .children
            .keys()
            .zip(watched)
            .filter_map(|(child, is_ready)| is_ready.then_some(*child))
            .collect();
        Ok(ready)
    }

    /// Reads one request; `false` when the server is gone.
    fn answer(&mut self) -> io::Result<bool> {
        let Some((bytes, descriptors)) = receive(self.socket.as_fd(), LARGEST)? else {
            return Ok(false);
        };
        // What is no message of ours comes from a server that is not ours any more: end.
        let Ok(request) = serde_json::from_slice::<Request>(&bytes) else {
            return Ok(false);
        };
        match request {
            Request::Open { program } => self.open_program(program)?,
            Request::Start(start) => {
                let child = start.child;
                if let Err(failure) = self.start(start, descriptors) {
                    self.say(&Reply::NotStarted { child, failure }, None)?;
                }
            }
            Request::Signal { child, signal } => {
                // What removes a child's files bounds itself.
                if let Some(running) = self
                    .children
                    .get(&child)
                    .filter(|running| running.status.is_none())
                {
                    let signal = match signal {
                        Stop::Term => Signal::SIGTERM,
                        Stop::Kill => Signal::SIGKILL,
                    };
                    let _ = killpg(running.pid, signal); // it may have ended, which is told by itself
                    let _ = kill(running.pid, signal);
                }
            }
        }
        Ok(true)
    }

    fn open_program(&mut self, program: Program) -> io::Result<()> {
        let path = self
            .programs
            .iter()
            .find(|(known, _)| *known == program)
            .map(|(_, path)| path.clone());
        match path
            .ok_or(ToolAbsence::Missing)
            .and_then(|path| open_trusted(&path))
        {
            Ok(file) => {
                let copy = file.try_clone()?;
                self.open.insert(program, file.into());
                self.say(&Reply::Opened { program }, Some(copy.as_fd()))
            }
            Err(absence) => self.say(&Reply::NotOpened { program, absence }, None),
        }
    }

    fn start(&mut self, start: Start, descriptors: Vec<OwnedFd>) -> Result<(), StartFailure> {
        let profile = self.profiles.get(start.profile);
        let mut descriptors = descriptors.into_iter();
        let report = descriptors
            .next()
            .ok_or(Errno::EBADF)
            .map_err(StartFailure::at(
                Layer::Descriptors,
                StartStep::ReceiveDescriptors,
            ))?;
        let supervisor = match profile.notifying {
            Some(_) => descriptors.next_back(),
            None => None,
        };
        let warm = if start.warm {
            descriptors.next_back()
        } else {
            None
        };
        let (streams, workspace) = match start.program {
            Program::Tool(_) => {
                let scratch = if profile.helper {
                    descriptors.next_back()
                } else {
                    None
                };
                let Ok([stdout, stderr, directory, kubeconfig, home]) =
                    <[OwnedFd; 5]>::try_from(descriptors.collect::<Vec<_>>())
                else {
                    return Err(StartFailure::new(
                        Layer::Descriptors,
                        StartStep::ReceiveDescriptors,
                        Errno::EBADF,
                    ));
                };
                // Of its own: what one child does to a shared one the next would find.
                let stdin = fs::File::open("/dev/null")
                    .map_err(StartFailure::at(Layer::Descriptors, StartStep::OpenNull))?;
                (
                    [stdin.into(), stdout, stderr],
                    Some(GivenWorkspace {
                        directory,
                        kubeconfig,
                        home,
                        scratch,
                    }),
                )
            }
            Program::Filter(program) => {
                // busybox is a shell under other names, and a tool's profile lets it do more.
                let is_called = start
                    .argv
                    .first()
                    .is_some_and(|name| program.is_called(name));
                if !is_called || start.profile != ProfileName::of_filter(program) {
                    return Err(StartFailure::new(
                        StartPart::Exec,
                        StartStep::CheckArguments,
                        Errno::EPERM,
                    ));
                }
                let Ok(streams) = <[OwnedFd; 3]>::try_from(descriptors.collect::<Vec<_>>()) else {
                    return Err(StartFailure::new(
                        Layer::Descriptors,
                        StartStep::ReceiveDescriptors,
                        Errno::EBADF,
                    ));
                };
                (streams, None)
            }
        };
        // The users past these are other programs', and one is the server's own.
        if !self.slots.has(start.slot, start.program) {
            return Err(StartFailure::new(
                Layer::User,
                StartStep::CheckSlot,
                Errno::EINVAL,
            ));
        }
        let tool = self
            .open
            .get(&start.program)
            .ok_or(Errno::ENOENT)
            .map_err(StartFailure::at(StartPart::Exec, StartStep::OpenTool))?;
        let tool = tool.try_clone().map_err(StartFailure::at(
            Layer::Descriptors,
            StartStep::DuplicateTool,
        ))?;
        let c_strings = |words: Vec<String>| {
            let words = words
                .into_iter()
                .map(CString::new)
                .collect::<Result<Vec<_>, _>>();
            words.map(Words::new).map_err(|_| {
                StartFailure::new(StartPart::Exec, StartStep::CheckArguments, Errno::EINVAL)
            })
        };
        let helper = match profile.helper {
            true => Some(
                self.helper_of(start.program)
                    .ok_or(Errno::ENOENT)
                    .map_err(StartFailure::at(StartPart::Helper, StartStep::OpenHelper))?,
            ),
            false => None,
        };
        let identity = self
            .first_user
            .map(|first| Identity::new(first.uid().as_raw() + u32::from(start.slot)));
        let helper = helper.zip(
            workspace
                .as_ref()
                .and_then(|workspace| workspace.scratch.as_ref())
                .map(AsFd::as_fd),
        );
        let files = ChildFiles {
            tool,
            directory: workspace
                .as_ref()
                .map(|workspace| workspace.directory.as_fd()),
            helper,
        };
        let restrictions = Restrictions::new(
            &self.levels,
            profile,
            files,
            streams,
            start.limits,
            identity,
        )?;
        let plan = Plan {
            argv: c_strings(start.argv)?,
            environment: c_strings(start.environment)?,
            restrictions: Restrictions {
                supervisor,
                warm,
                ..restrictions
            },
        };
        if let (Some(identity), Some(workspace)) = (identity, &workspace) {
            let server = self.server_identity().ok_or(Errno::ESRCH);
            server
                .and_then(|server| workspace.of(server))
                .map_err(StartFailure::at(Layer::User, StartStep::CheckOwner))?;
            workspace
                .give(identity)
                .map_err(StartFailure::at(Layer::User, StartStep::ChangeOwner))?;
        }
        let report = report.into();
        let forked = sys::fork_sharing_memory(&mut self.stack, || become_tool(&plan, &report));
        drop((plan, report)); // from here on only the child has it
        let _ = prctl::set_dumpable(false); // a child's change of user says anew who may dump the memory that it had
        let pid = match forked {
            Ok(pid) => pid,
            Err(error) => {
                self.give_back(workspace);
                return Err(StartFailure::at(Layer::Session, StartStep::Fork)(error));
            }
        };
        // Never of a child that shares its session with us: that would be the server's, and of
        // whoever started it.
        if self.levels.has(Layer::Rlimits) && self.levels.has(Layer::Session) {
            rlimit::make_session_yield(pid);
        }
        let ended = match sys::pidfd_open(pid) {
            Ok(ended) => ended,
            Err(error) => {
                let _ = kill(pid, Signal::SIGKILL);
                let _ = waitpid(pid, None);
                self.give_back(workspace);
                return Err(StartFailure::at(Layer::Session, StartStep::OpenPidfd)(
                    error,
                ));
            }
        };
        let running = Running {
            pid,
            ended,
            workspace,
            user: identity,
            status: None,
        };
        self.children.insert(start.child, running);
        Ok(())
    }

    /// The program that a tool may run, which lies beside it.
    fn helper_of(&self, program: Program) -> Option<OwnedFd> {
        let path = self
            .programs
            .iter()
            .find(|(known, _)| *known == program)
            .and_then(|(_, path)| path.parent())?;
        open_trusted(&path.join("helpers/diff"))
            .ok()
            .map(OwnedFd::from)
    }

    /// Collects a child that has ended, and ends what it left.
    fn reap(&mut self, child: u64) -> io::Result<()> {
        let Some(running) = self.children.remove(&child) else {
            return Ok(());
        };
        if running.status.is_none() {
            let _ = killpg(running.pid, Signal::SIGKILL); // its group outlives it until it is reaped
        }
        let ended = match waitpid(running.pid, None) {
            Ok(WaitStatus::Exited(_, code)) => ExitStatus::Code(code),
            Ok(WaitStatus::Signaled(_, signal, _)) => ExitStatus::Signal(signal as i32),
            _ => ExitStatus::Signal(libc::SIGKILL),
        };
        let status = match running.status {
            Some(status) => status,
            None => {
                self.end_orphans(running.user);
                match clean(
                    running
                        .workspace
                        .as_ref()
                        .and_then(|workspace| workspace.scratch.as_ref()),
                    running.user,
                ) {
                    // Its user is another child's only when this one is done.
                    Some((pid, cleaned)) => {
                        self.children.insert(
                            child,
                            Running {
                                pid,
                                ended: cleaned,
                                status: Some(ended),
                                ..running
                            },
                        );
                        return Ok(());
                    }
                    None => ended,
                }
            }
        };
        self.give_back(running.workspace);
        self.say(&Reply::Exited { child, status }, None)
    }

    /// Ends processes that a child started and left: they are ours now (PR_SET_CHILD_SUBREAPER).
    ///
    /// Ending one gives us its own children, so this goes on until nobody is left. What forks
    /// faster than it can be ended one by one is ended by its user, all at once.
    fn end_orphans(&self, user: Option<Identity>) {
        for round in 0..MOST_ROUNDS {
            let orphans = self.orphans();
            if orphans.is_empty() {
                return;
            }
            if round > 0
                && let Some(user) = user
            {
                end_everything_of(user);
            }
            for pid in orphans {
                let _ = kill(pid, Signal::SIGKILL);
                let _ = waitpid(pid, None);
            }
        }
    }

    /// Our children that are no calls, nor of one that still runs: what that leaves meanwhile goes
    /// with it, and how fast it does so must not keep us from others. Nobody leaves the session of
    /// a call: no profile has `setsid`.
    fn orphans(&self) -> Vec<Pid> {
        let ours = fs::read_to_string(format!("/proc/self/task/{}/children", getpid()))
            .unwrap_or_default();
        let pids = ours
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .map(Pid::from_raw);
        pids.filter(|pid| {
            let session = getsid(Some(*pid)).ok();
            !self
                .children
                .values()
                .any(|running| running.pid == *pid || session == Some(running.pid))
        })
        .collect()
    }

    /// Who the server is now: it drops root after it has forked us.
    fn server_identity(&self) -> Option<Identity> {
        if let Some(known) = self.server_user.get() {
            return Some(known);
        }
        let status = fs::read_to_string(format!("/proc/{}/status", self.server)).ok()?;
        let users = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
        let user: u32 = users.split_whitespace().nth(1)?.parse().ok()?;
        let identity = Identity::new(user);
        if user != 0 {
            self.server_user.set(Some(identity));
        }
        Some(identity)
    }

    /// The workspace belongs to the server again, which removes it.
    ///
    /// Its directory is remembered for a while: with a server that dies the connections of its
    /// children go, and a child may end of that before we see why.
    fn give_back(&mut self, workspace: Option<GivenWorkspace>) {
        let Some(workspace) = workspace else { return };
        if self.first_user.is_some()
            && let Some(server) = self.server_identity()
        {
            let _ = workspace.give(server); // the server is gone: see above
        }
        self.returned.push_back(workspace.directory);
        if self.returned.len() > self.slots.tools.into() {
            self.returned.pop_front();
        }
    }

    fn say(&self, reply: &Reply, descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let bytes = serde_json::to_vec(reply)?;
        match send(
            self.socket.as_fd(),
            &bytes,
            &descriptor.into_iter().collect::<Vec<_>>(),
            MsgFlags::empty(),
        ) {
            Err(Errno::EPIPE | Errno::ECONNRESET) => Ok(()), // the server is gone; the next read says so
            other => Ok(other?),
        }
    }

    /// The server is gone: ends every child and removes the credentials that the server cannot any
    /// more.
    fn end(mut self) -> io::Result<()> {
        for running in self.children.values() {
            let _ = killpg(running.pid, Signal::SIGKILL);
            let _ = kill(running.pid, Signal::SIGKILL);
        }
        for (_, running) in std::mem::take(&mut self.children) {
            let _ = waitpid(running.pid, None);
            self.end_orphans(running.user);
            let Some(workspace) = &running.workspace else {
                continue;
            };
            if let Some((pid, _)) = clean(workspace.scratch.as_ref(), running.user) {
                let _ = waitpid(pid, None);
            }
            wipe(workspace.directory.as_fd());
        }
        self.end_orphans(None);
        self.returned
            .iter()
            .for_each(|directory| wipe(directory.as_fd()));
        Ok(())
    }
}

#[derive(Default)]
struct Ready {
    socket: bool,
    ended: Vec<u64>,
}
