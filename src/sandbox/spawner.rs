//! The process that starts, confines, reaps and kills the children.
//!
//! Forked before the server has a second thread. It holds the programs' descriptors and, when it
//! was started as root, root; the server, which talks to the network, holds neither. It reads only
//! [`message`](super::message), may open no path that the server names, and ends, with every child,
//! when the server does.
//!
//! Held by `tests/escape/`.

use std::{
    cell::Cell,
    collections::{HashMap, VecDeque},
    ffi::CString,
    fs, io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    thread::sleep,
    time::Duration,
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, fcntl},
    sys::{
        prctl,
        signal::{Signal, kill, killpg},
        socket::{AddressFamily, MsgFlags, SockFlag, SockType, socketpair},
        wait::{WaitStatus, waitpid},
    },
    unistd::{Pid, getpid},
};

use super::{
    bounds::{ChildBounds, Lookout},
    child::{ChildFiles, HELPER, Plan, Restrictions, WARM, become_tool},
    children::{self, ChildProcess},
    cleaning::{GivenWorkspace, clean, end_orphans, wipe},
    datagram::{receive, send},
    descriptors::{Given, OfChild},
    failure::{StartFailure, StartPart, StartStep},
    holding::Holding,
    layer::{Layer, Levels},
    message::{
        ExitStatus, FromSpawner, LARGEST, Program, Slots, Start, Stop, ToSpawner, ToolAbsence,
        Yield,
    },
    privilege::{self, ChildUser, Identity},
    profile::{ProfileName, Profiles},
    programs::{ProgramPaths, open_trusted},
    sys::{self, Stack, Words},
    urgency::Work,
};

/// The server's end of the socket to its spawner.
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

/// Takes a number for as long as the spawner lives, so that nothing that it opens has it: a child
/// closes it and puts there what the number is for.
fn reserve(null: &fs::File, number: i32) -> io::Result<()> {
    match fcntl(null, FcntlArg::F_DUPFD_CLOEXEC(number))? {
        placed if placed == number => Ok(()),
        _ => Err(Errno::EBUSY.into()),
    }
}

/// The process itself.
struct Spawner {
    socket: OwnedFd,
    /// Of the next child, until it runs its program.
    stack: Stack,
    lookout: Lookout,
    holding: Holding,
    programs: ProgramPaths,
    open: HashMap<Program, OwnedFd>,
    profiles: Profiles,
    levels: Levels,
    children: HashMap<u64, ChildProcess>,
    first_user: Option<Identity>,
    /// The directories of the tools that ended last, as many as there may be tools.
    returned: VecDeque<OwnedFd>,
    /// How many children there may be at once, each with a user of its own.
    slots: Slots,
    server: Pid,
    /// Who the server is, once it is not root any more: then it is nobody else ever again.
    server_user: Cell<Option<Identity>>,
}

/// How long one start waits for processes and threads that others hold: longer than it takes to end
/// who took them.
const TRIES: u32 = 30;
const BETWEEN_TRIES: Duration = Duration::from_millis(5);

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
        reserve(&null, HELPER)?;
        reserve(&null, WARM)?;
        Ok(Self {
            socket,
            stack: Stack::new()?,
            lookout: Lookout::new(ChildUser::among(first_user)),
            holding: Holding::new(),
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
            let ready = children::wait(self.socket.as_fd(), &self.children, &self.lookout)?;
            for child in ready.ended {
                self.reap(child)?;
            }
            if self.lookout.is_due() {
                self.holding.look(&mut self.children)?;
                self.end_those_beyond_bounds()?;
            }
            self.lookout.hasten(Holding::is_needed(&self.children));
            if ready.socket && !self.answer()? {
                return self.end();
            }
        }
    }

    /// Reads one request; `false` when the server is gone.
    fn answer(&mut self) -> io::Result<bool> {
        let Some((bytes, descriptors)) = receive(self.socket.as_fd(), LARGEST)? else {
            return Ok(false);
        };
        // What is no message of ours comes from a server that is not ours any more: end.
        let Ok(request) = serde_json::from_slice::<ToSpawner>(&bytes) else {
            return Ok(false);
        };
        match request {
            ToSpawner::Open { program } => self.open_program(program)?,
            ToSpawner::Start(start) => {
                let child = start.child;
                if let Err(failure) = self.start(start, descriptors) {
                    self.send_reply(&FromSpawner::NotStarted { child, failure }, None)?;
                }
            }
            ToSpawner::Begun { child } => {
                if let Some(running) = self.children.get_mut(&child) {
                    running.is_idle = running.status.is_some();
                }
                self.holding.begun(child, &mut self.children);
            }
            ToSpawner::Yield { child, how } => {
                if let Some(running) = self.children.get_mut(&child) {
                    running.work.is_held |= how == Yield::Held;
                    running.yield_to_others()?;
                }
                self.holding.hold(&mut self.children);
            }
            ToSpawner::Signal { child, signal } => {
                // What removes a child's files bounds itself.
                if let Some(running) = self
                    .children
                    .get_mut(&child)
                    .filter(|running| running.status.is_none())
                {
                    let signal = match signal {
                        Stop::Term => Signal::SIGTERM,
                        Stop::Kill => Signal::SIGKILL,
                    };
                    running.send(signal);
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
                self.send_reply(&FromSpawner::Opened { program }, Some(copy.as_fd()))
            }
            Err(absence) => self.send_reply(&FromSpawner::NotOpened { program, absence }, None),
        }
    }

    /// Starts a child.
    fn start(&mut self, start: Start, descriptors: Vec<OwnedFd>) -> Result<(), StartFailure> {
        let given = Given::sort(&start, self.profiles.get(start.profile), descriptors)?;
        self.check(&start)?;
        let Given {
            report,
            of_child,
            workspace,
        } = given;
        let (child, limits) = (start.child, start.limits);
        let (is_idle, starts) = (
            of_child.request.is_some(),
            self.profiles.get(start.profile).helper,
        );
        let user = self
            .first_user
            .map(|first| Identity::new(first.uid().as_raw() + u32::from(start.slot)));
        let plan = self.plan(start, of_child, workspace.as_ref(), user)?;
        if let (Some(user), Some(workspace)) = (user, &workspace) {
            let server = self.server_identity().ok_or(Errno::ESRCH);
            server
                .and_then(|server| workspace.of(server))
                .map_err(StartFailure::at(Layer::User, StartStep::CheckOwner))?;
            workspace
                .give(user)
                .map_err(StartFailure::at(Layer::User, StartStep::ChangeOwner))?;
        }
        match self.fork(plan, report) {
            Ok((pid, ended)) => {
                let process = ChildProcess {
                    pid,
                    ended,
                    workspace,
                    user,
                    bounds: ChildBounds::new(limits, starts),
                    is_idle,
                    work: Work::new(),
                    status: None,
                };
                self.children.insert(child, process);
                self.holding.begun(child, &mut self.children);
                Ok(())
            }
            Err(failure) => {
                self.give_back(workspace);
                Err(failure)
            }
        }
    }

    /// Refuses what no server may choose.
    fn check(&self, start: &Start) -> Result<(), StartFailure> {
        if let Program::Filter(program) = start.program {
            // busybox is a shell under other names, and a tool's profile lets it do more.
            let is_called = start
                .argv
                .first()
                .is_some_and(|name| program.is_called(name));
            if !is_called || start.profile != ProfileName::of_filter(program) {
                let step = StartStep::CheckArguments;
                return Err(StartFailure::new(StartPart::Exec, step, Errno::EPERM));
            }
        }
        // The users past these are other programs', and one is the server's own.
        if !self.slots.has(start.slot, start.program) {
            let step = StartStep::CheckSlot;
            return Err(StartFailure::new(Layer::User, step, Errno::EINVAL));
        }
        Ok(())
    }

    /// Prepares all that a child needs, before the fork.
    fn plan(
        &self,
        start: Start,
        of_child: OfChild,
        workspace: Option<&GivenWorkspace>,
        user: Option<Identity>,
    ) -> Result<Plan, StartFailure> {
        let profile = self.profiles.get(start.profile);
        let scratch = workspace.and_then(|workspace| workspace.scratch.as_ref());
        let helper = match scratch {
            Some(scratch) if profile.helper => {
                Some((self.helper_of(start.program)?, scratch.as_fd()))
            }
            _ => None,
        };
        let files = ChildFiles {
            tool: self.tool(start.program)?,
            directory: workspace.map(|workspace| workspace.directory.as_fd()),
            helper,
        };
        let restrictions = Restrictions::new(
            &self.levels,
            profile,
            files,
            of_child.streams,
            start.limits,
            user,
        )?;
        Ok(Plan {
            argv: words(start.argv)?,
            environment: words(start.environment)?,
            restrictions: Restrictions {
                supervisor: of_child.notifications,
                warm: of_child.request,
                ..restrictions
            },
        })
    }

    /// Forks a child that follows its plan; the descriptor is readable once it has ended.
    fn fork(&mut self, plan: Plan, report: fs::File) -> Result<(Pid, OwnedFd), StartFailure> {
        let forked = self.fork_when_there_is_room(&plan, &report);
        drop((plan, report)); // from here on only the child has it
        // A child's change of user decides anew who may dump the memory that it had.
        let _ = prctl::set_dumpable(false);
        let pid = forked.map_err(StartFailure::at(Layer::Session, StartStep::Fork))?;
        match sys::pidfd_open(pid) {
            Ok(ended) => Ok((pid, ended)),
            Err(error) => {
                let _ = kill(pid, Signal::SIGKILL);
                let _ = waitpid(pid, None);
                Err(StartFailure::at(Layer::Session, StartStep::OpenPidfd)(
                    error,
                ))
            }
        }
    }

    /// Where another child holds all processes and threads that there are, it is ended first.
    fn fork_when_there_is_room(&mut self, plan: &Plan, report: &fs::File) -> io::Result<Pid> {
        let mut tries = 0;
        loop {
            let forked = sys::fork_sharing_memory(&mut self.stack, || become_tool(plan, report));
            match forked {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && tries < TRIES => {
                    tries += 1;
                    self.end_those_beyond_bounds()?;
                    sleep(BETWEEN_TRIES);
                }
                forked => return forked,
            }
        }
    }

    /// Ends children that take more than they may.
    fn end_those_beyond_bounds(&mut self) -> io::Result<()> {
        let ended = children::end_those_beyond_bounds(&mut self.children);
        ended.into_iter().try_for_each(|(child, bound)| {
            self.send_reply(&FromSpawner::Exceeded { child, bound }, None)
        })
    }

    /// A copy of the descriptor of a program that has been opened.
    fn tool(&self, program: Program) -> Result<OwnedFd, StartFailure> {
        let opened = self.open.get(&program).ok_or(Errno::ENOENT);
        opened
            .map_err(StartFailure::at(StartPart::Exec, StartStep::OpenTool))?
            .try_clone()
            .map_err(StartFailure::at(
                Layer::Descriptors,
                StartStep::DuplicateTool,
            ))
    }

    /// Opens the program that a tool may run, which lies beside it.
    fn helper_of(&self, program: Program) -> Result<OwnedFd, StartFailure> {
        let folder = self
            .programs
            .iter()
            .find(|(known, _)| *known == program)
            .and_then(|(_, path)| path.parent());
        folder
            .and_then(|folder| open_trusted(&folder.join("helpers/diff")).ok())
            .map(OwnedFd::from)
            .ok_or(Errno::ENOENT)
            .map_err(StartFailure::at(StartPart::Helper, StartStep::OpenHelper))
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
                            ChildProcess {
                                pid,
                                ended: cleaned,
                                is_idle: true,
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
        self.send_reply(&FromSpawner::Exited { child, status }, None)
    }

    fn end_orphans(&self, user: Option<Identity>) {
        let running: Vec<Pid> = self.children.values().map(|child| child.pid).collect();
        end_orphans(&running, user);
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

    fn send_reply(
        &self,
        reply: &FromSpawner,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> io::Result<()> {
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
        for running in self.children.values_mut() {
            running.send(Signal::SIGKILL);
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

/// The words of an argument list or an environment, as `execveat` takes them.
fn words(words: Vec<String>) -> Result<Words, StartFailure> {
    let words: Result<Vec<_>, _> = words.into_iter().map(CString::new).collect();
    words.map(Words::new).map_err(|_| {
        let step = StartStep::CheckArguments;
        StartFailure::new(StartPart::Exec, step, Errno::EINVAL)
    })
}
