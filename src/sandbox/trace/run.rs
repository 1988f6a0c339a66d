//! Runs a program unconfined and records what it asks of the kernel beyond a profile.
//!
//! For whoever writes a profile, on a machine of their own: it confines nothing, and no server uses
//! it. The program gets one filter, made from the profile's rules, that asks about every call which
//! they do not let through; every question is counted and answered with "go on". So the program
//! takes the way that it takes without a sandbox, and all that it would miss is seen in one run.

use std::{
    collections::BTreeMap,
    env,
    ffi::{CString, OsString},
    fs::{self, File},
    io::{self, IoSliceMut, Read, Write},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::PermissionsExt},
    },
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        prctl,
        signal::{SigSet, Signal, kill},
        socket::{AddressFamily, MsgFlags, SockFlag, SockType, socketpair},
        uio::{RemoteIoVec, process_vm_readv},
        wait::{WaitStatus, waitpid},
    },
    unistd::{Pid, execv, pipe2},
};
use serde::Serialize;
use syscalls::Sysno;

use super::beyond::{Beyond, BeyondFile, Calls, Unused};
use crate::sandbox::{
    datagram::{receive, send},
    filter::{Action, CallRule, Condition, SyscallFilter},
    message::ExitStatus,
    profile::{Profile, ProfileError, ProfileName, Profiles},
    sys::{self, Forked, Notification},
};

/// What to run, and how closely to look.
#[derive(Debug)]
pub struct Tracing {
    /// The profile to compare with.
    pub profile: ProfileName,
    /// A path, or a name to be looked for in PATH; then its arguments.
    pub command: Vec<OsString>,
    /// Ask about allowed calls too, so that it is known which entries of the profile are not
    /// needed.
    pub all: bool,
    /// How many argument lists are kept per call, and how many files.
    pub most: usize,
}

/// What a program asked for.
#[derive(Debug, Serialize)]
pub struct Trace {
    /// The profile that it was compared with.
    pub profile: ProfileName,
    /// How the program ended.
    pub status: ExitStatus,
    /// Whether something that it had started was still running then: what that asks later is
    /// refused, and not seen.
    pub still_running: bool,
    /// Calls beyond the profile.
    pub beyond: Vec<Beyond>,
    /// Files that no child of the profile can open.
    pub files: Vec<BeyondFile>,
    /// How many times other files were opened than the listed ones.
    pub more_files: u64,
    /// How many times files were read below $HOME, or in $KUBECONFIG: what they name is the
    /// request's own in the sandbox.
    pub own_files: u64,
    /// How many names of files could not be read from the program's memory.
    pub unread_files: u64,
    /// What of the profile was not used, when every call was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unused: Option<Unused>,
}

/// Why a program could not be traced.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// No such program.
    #[error("there is no program `{}`{}", .0.display(), if .0.components().count() == 1 { " in PATH" } else { "" })]
    NoProgram(PathBuf),
    /// The kernel does not execute it.
    #[error("`{}` cannot be executed: {errno}", path.display())]
    NotExecutable {
        /// The file.
        path: PathBuf,
        /// What execve(2) said.
        errno: Errno,
    },
    /// The filter that asks cannot be had.
    #[error("the filter that asks about calls cannot be installed\n  found: seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER): {errno:?}\n  fix:   {}", advice(*errno))]
    NoFilter {
        /// What seccomp(2) said.
        errno: Errno,
    },
    /// Another system call failed.
    #[error("{call}: {source}")]
    System {
        /// Its name.
        call: &'static str,
        /// Its error.
        source: io::Error,
    },
    /// The profile does not load, or not as a filter that asks.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The same.
    #[error("the filter that asks cannot be compiled: {0}")]
    Filter(String),
}

fn advice(errno: Errno) -> &'static str {
    match errno {
        Errno::EBUSY => {
            "somebody answers this process's own system calls already (a container runtime such as sysbox or Incus, or another trace); \
             trace outside of it"
        }
        Errno::EINVAL | Errno::ENOSYS => {
            "needs Linux 5.19 with CONFIG_SECCOMP_FILTER; gVisor has no user notification; trace on another host"
        }
        Errno::EPERM | Errno::EACCES => {
            "this process's own seccomp filter forbids it; trace outside of the container, or with seccomp=unconfined"
        }
        _ => "trace on another host",
    }
}

/// How long the child may take to install its filter, in milliseconds: it has nothing else to do.
const HANDOVER: u16 = 5000;
/// How long nothing may be asked, once the program has ended, before what it left running is left
/// alone.
const QUIET: u16 = 500;
/// What only the message with the descriptor of the filter is sent with, so that the filter knows
/// it.
const HANDOVER_FLAGS: MsgFlags = MsgFlags::MSG_DONTWAIT;

impl Tracing {
    /// Runs it. The process must have one thread: it forks.
    ///
    /// # Errors
    /// When the program cannot be started as it must be, or no longer be watched.
    pub fn run(self) -> Result<Trace, TraceError> {
        let system =
            |call: &'static str| move |source: io::Error| TraceError::System { call, source };
        let by = |call: &'static str| {
            move |errno: Errno| TraceError::System {
                call,
                source: errno.into(),
            }
        };
        let profiles = Profiles::load()?;
        let profile = profiles.get(self.profile);
        let (name, _) = self
            .command
            .split_first()
            .ok_or_else(|| TraceError::NoProgram(PathBuf::new()))?;
        let path = program(Path::new(name)).ok_or_else(|| TraceError::NoProgram(name.into()))?;
        let (ours, theirs) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )
        .map_err(by("socketpair"))?;
        let (failures, report) = pipe2(OFlag::O_CLOEXEC).map_err(by("pipe2"))?;
        let start = Start {
            filter: SyscallFilter::notifying_beyond(&self.rules(profile, theirs.as_fd())?)
                .map_err(TraceError::Filter)?,
            handover: theirs,
            path: c_string(path.as_os_str()).ok_or_else(|| TraceError::NoProgram(path.clone()))?,
            arguments: self
                .command
                .iter()
                .filter_map(|word| c_string(word))
                .collect(),
            report: report.into(),
        };
        // ^C is for the program: what it did until then is worth the wait.
        let mut terminal = SigSet::empty();
        terminal.add(Signal::SIGINT);
        terminal.add(Signal::SIGQUIT);
        terminal.thread_block().map_err(by("sigprocmask"))?;
        let child = match sys::fork().map_err(system("fork"))? {
            Forked::Child => start.become_program(),
            Forked::Parent(child) => child,
        };
        drop(start); // so that the end of the child ends its socket and its pipe
        let failed = |failures: OwnedFd| failure(failures, &path);
        let Some(listener) = handed_over(ours.as_fd()).map_err(system("recvmsg"))? else {
            let _ = kill(child, Signal::SIGKILL);
            let _ = waitpid(child, None);
            let silent = || TraceError::System {
                call: "recvmsg",
                source: io::ErrorKind::TimedOut.into(),
            };
            return Err(failed(failures).unwrap_or_else(silent));
        };
        let mut seen = Seen {
            child,
            executed: false,
            calls: Calls::new(&profile.rules, child, self.most),
            files: Files::new(profile, &path, self.most),
        };
        let (status, still_running) = seen.watch(listener).map_err(system("seccomp_unotify"))?;
        if let Some(failure) = failed(failures) {
            return Err(failure);
        }
        let unused = self.all.then(|| Unused {
            files: seen.files.unused(profile),
            ..seen.calls.unused()
        });
        let Files {
            seen: files,
            more,
            own,
            unread,
            ..
        } = seen.files;
        let files = files
            .into_iter()
            .map(|((path, write), (count, exists))| BeyondFile {
                path,
                write,
                count,
                exists,
            })
            .collect();
        Ok(Trace {
            profile: self.profile,
            status,
            still_running,
            beyond: seen.calls.beyond(),
            files,
            more_files: more,
            own_files: own,
            unread_files: unread,
            unused,
        })
    }

    /// What is not asked about: what the profile allows, but for opening files, and the message
    /// with the filter.
    fn rules(
        &self,
        profile: &Profile,
        handover: BorrowedFd<'_>,
    ) -> Result<BTreeMap<Sysno, CallRule>, TraceError> {
        let mut rules = if self.all {
            BTreeMap::new()
        } else {
            profile.rules.clone()
        };
        rules.remove(&Sysno::openat);
        let flags = HANDOVER_FLAGS | MsgFlags::MSG_NOSIGNAL;
        let message = format!(
            "arg0 == {} and arg2 == {}",
            handover.as_raw_fd(),
            flags.bits()
        );
        let message = Condition::parse_all(&message).map_err(TraceError::Filter)?;
        rules
            .entry(Sysno::sendmsg)
            .or_insert_with(|| CallRule::always(Action::Notify))
            .allowed
            .push(message);
        Ok(rules)
    }
}

/// The file that a shell would execute.
fn program(name: &Path) -> Option<PathBuf> {
    let executable = |path: &PathBuf| {
        fs::metadata(path)
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    if name.as_os_str().as_bytes().contains(&b'/') {
        return fs::exists(name).unwrap_or(false).then(|| name.to_owned());
    }
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(executable)
}

fn c_string(text: &std::ffi::OsStr) -> Option<CString> {
    CString::new(text.as_bytes()).ok()
}

/// All that the child needs, prepared before the fork.
struct Start {
    filter: SyscallFilter,
    handover: OwnedFd,
    path: CString,
    arguments: Vec<CString>,
    report: File,
}

/// A step that failed in the child.
#[derive(Clone, Copy)]
enum Step {
    Prepare = b'p' as isize,
    Filter = b'f' as isize,
    Execute = b'x' as isize,
}

impl Start {
    fn become_program(mut self) -> ! {
        let (step, errno) = self.start();
        let mut record = vec![step as u8];
        record.extend((errno as i32).to_ne_bytes());
        let _ = self.report.write_all(&record); // the parent sees a child that exited 125
        sys::exit_now(125)
    }

    /// Returns only when it fails.
    fn start(&self) -> (Step, Errno) {
        let prepared = sys::default_signals()
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))
            // Without who answers, all that is asked would fail.
            .and_then(|()| prctl::set_pdeathsig(Signal::SIGKILL))
            .and_then(|()| prctl::set_no_new_privs())
            // The same message as below: what it allocates has been allocated then, which would be
            // asked about.
            .and_then(|()| {
                send(
                    self.handover.as_fd(),
                    b"-",
                    &[self.handover.as_fd()],
                    HANDOVER_FLAGS,
                )
            });
        if let Err(errno) = prepared {
            return (Step::Prepare, errno);
        }
        let code = self.filter.program(nix::unistd::getpid(), NO_TOOL);
        let listener = match sys::install_notifying_filter(&code) {
            Ok(listener) => listener,
            Err(error) => {
                return (
                    Step::Filter,
                    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)),
                );
            }
        };
        if let Err(errno) = send(
            self.handover.as_fd(),
            b"?",
            &[listener.as_fd()],
            HANDOVER_FLAGS,
        ) {
            return (Step::Prepare, errno);
        }
        let Err(errno) = execv(&self.path, &self.arguments);
        (Step::Execute, errno)
    }
}

/// The descriptor of the tool, where there is none: no process has so many.
const NO_TOOL: i32 = i32::MAX;

/// The listener of the child's filter; `None` when it ended, or hangs, before it had one.
fn handed_over(socket: BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
    loop {
        let mut watched = [PollFd::new(socket, PollFlags::POLLIN)];
        match poll(&mut watched, PollTimeout::from(HANDOVER)) {
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
            Ok(0) => return Ok(None),
            Ok(_) => {}
        }
        match receive(socket, 1)? {
            Some((bytes, descriptors)) if bytes == b"?" => {
                return Ok(descriptors.into_iter().next());
            }
            Some(_) => {}
            None => return Ok(None),
        }
    }
}

/// What the child says about why it is not the program; nothing when it is.
fn failure(failures: OwnedFd, path: &Path) -> Option<TraceError> {
    let mut record = Vec::new();
    File::from(failures).read_to_end(&mut record).ok()?;
    let (step, errno) = record.split_first()?;
    let errno = Errno::from_raw(i32::from_ne_bytes(errno.try_into().ok()?));
    Some(match *step {
        step if step == Step::Execute as u8 => TraceError::NotExecutable {
            path: path.to_owned(),
            errno,
        },
        step if step == Step::Filter as u8 => TraceError::NoFilter { errno },
        _ => TraceError::System {
            call: "the start of the child",
            source: errno.into(),
        },
    })
}

/// What was seen so far.
struct Seen<'a> {
    child: Pid,
    /// Whether the child is the program yet.
    executed: bool,
    calls: Calls<'a>,
    files: Files,
}

impl Seen<'_> {
    /// Answers until the program and what it started have ended, or say nothing any more.
    fn watch(&mut self, listener: OwnedFd) -> io::Result<(ExitStatus, bool)> {
        let pidfd = sys::pidfd_open(self.child)?;
        let mut ended = None;
        loop {
            let mut watched = vec![PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
            if ended.is_none() {
                watched.push(PollFd::new(pidfd.as_fd(), PollFlags::POLLIN));
            }
            let patience = if ended.is_none() {
                PollTimeout::NONE
            } else {
                PollTimeout::from(QUIET)
            };
            match poll(&mut watched, patience) {
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(errno.into()),
                Ok(_) => {}
            }
            let found = |at: usize| {
                watched
                    .get(at)
                    .and_then(PollFd::revents)
                    .unwrap_or(PollFlags::empty())
            };
            let (asked, exited) = (found(0), !found(1).is_empty());
            if asked.contains(PollFlags::POLLIN) {
                self.let_one_go_on(listener.as_fd())?;
                continue;
            }
            // Nobody is left to ask.
            let alone = asked.intersects(PollFlags::POLLHUP | PollFlags::POLLERR);
            match ended {
                None if exited || alone => ended = Some(ended_with(self.child)?),
                None => {}
                Some(status) => return Ok((status, !alone)),
            }
        }
    }

    fn let_one_go_on(&mut self, listener: BorrowedFd<'_>) -> io::Result<()> {
        // The thread that asked may be killed before it is heard, and before it is answered.
        let gone =
            |error: &io::Error| matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINTR));
        let question = match sys::receive_notification(listener) {
            Err(error) if gone(&error) => return Ok(()),
            taken => taken?,
        };
        let opened = Opened::by(question);
        match sys::continue_call(listener, question) {
            Err(error) if gone(&error) => return Ok(()),
            answered => answered?,
        }
        if self.executed {
            self.calls.count(question.number, question.arguments);
            opened
                .into_iter()
                .for_each(|opened| self.files.count(opened));
        } else if is(question, Sysno::execve) {
            self.executed = true; // ours, which becomes the program
        }
        Ok(())
    }
}

fn is(question: Notification, syscall: Sysno) -> bool {
    question.number == syscall.id()
}

fn ended_with(child: Pid) -> io::Result<ExitStatus> {
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, code)) => return Ok(ExitStatus::Code(code)),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(ExitStatus::Signal(signal as i32)),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// A file that is about to be opened, or why its name cannot be read.
type Opening = Result<Opened, Errno>;

struct Opened {
    path: PathBuf,
    write: bool,
    /// Where it leads to, when it is there.
    found: Option<PathBuf>,
}

impl Opened {
    /// Looks into the memory of the thread that waits.
    fn by(question: Notification) -> Option<Opening> {
        let [first, second, third, ..] = question.arguments;
        let (folder, path, flags) = match question.number {
            number if number == Sysno::openat.id() => (first, second, third),
            #[cfg(target_arch = "x86_64")]
            number if number == Sysno::open.id() => (HERE, first, second),
            _ => return None,
        };
        let flags = OFlag::from_bits_truncate(i32::try_from(flags & 0x7fff_ffff).unwrap_or(0));
        // Landlock has nothing against a path alone.
        if flags.contains(OFlag::O_PATH) {
            return None;
        }
        let write =
            flags.intersects(OFlag::O_WRONLY | OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_TRUNC);
        let absolute = |path: PathBuf| {
            // A descriptor's low 32 bits count; AT_FDCWD is negative.
            let folder = match folder & 0xffff_ffff {
                HERE => "cwd".to_owned(),
                folder => format!("fd/{folder}"),
            };
            let folder = if path.is_absolute() {
                Ok(PathBuf::new())
            } else {
                fs::read_link(format!("/proc/{}/{folder}", question.thread))
            };
            let path = folder.unwrap_or_default().join(path);
            Opened {
                found: fs::canonicalize(&path).ok(),
                path,
                write,
            }
        };
        Some(text_at(question.thread, path).map(absolute))
    }
}

/// AT_FDCWD, as a register of 32 bits has it.
const HERE: u64 = 0xffff_ff9c;

/// Reads a path out of another process, page by page: the next one may not be there.
fn text_at(thread: Pid, address: u64) -> Result<PathBuf, Errno> {
    const PAGE: usize = 4096;
    let mut address = usize::try_from(address).map_err(|_| Errno::EFAULT)?;
    let mut text = Vec::new();
    while text.len() <= PAGE {
        let mut bytes = vec![0; PAGE - address % PAGE];
        let remote = RemoteIoVec {
            base: address,
            len: bytes.len(),
        };
        let length = process_vm_readv(thread, &mut [IoSliceMut::new(&mut bytes)], &[remote])?;
        bytes.truncate(length);
        if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
            bytes.truncate(end);
            text.extend(bytes);
            return Ok(PathBuf::from(std::ffi::OsStr::from_bytes(&text)));
        }
        address = address.saturating_add(bytes.len());
        text.extend(bytes);
    }
    Err(Errno::ENAMETOOLONG)
}

/// The files that a program opened, and what it may in the sandbox.
struct Files {
    most: usize,
    readable: Vec<PathBuf>,
    read: Vec<PathBuf>,
    /// What is the request's own in the sandbox.
    home: Option<PathBuf>,
    kubeconfigs: Vec<PathBuf>,
    seen: BTreeMap<(PathBuf, bool), (u64, bool)>,
    more: u64,
    own: u64,
    unread: u64,
}

impl Files {
    fn new(profile: &Profile, program: &Path, most: usize) -> Self {
        let mut readable: Vec<PathBuf> = profile
            .readable
            .iter()
            .filter_map(|path| fs::canonicalize(path).ok())
            .collect();
        readable.extend(fs::canonicalize(program));
        Self {
            most,
            readable,
            read: Vec::new(),
            home: env::var_os("HOME")
                .map(PathBuf::from)
                .filter(|home| home.parent().is_some()),
            kubeconfigs: env::var_os("KUBECONFIG")
                .map(|paths| env::split_paths(&paths).collect())
                .unwrap_or_default(),
            seen: BTreeMap::new(),
            more: 0,
            own: 0,
            unread: 0,
        }
    }

    fn count(&mut self, opening: Opening) {
        let Ok(Opened { path, write, found }) = opening else {
            self.unread += 1;
            return;
        };
        // A link is allowed where what it leads to is.
        if let Some(found) = &found
            && !write
            && self.readable.contains(found)
        {
            if !self.read.contains(found) {
                self.read.push(found.clone());
            }
            return;
        }
        if !write
            && (self
                .home
                .as_ref()
                .is_some_and(|home| path.starts_with(home))
                || self.kubeconfigs.contains(&path))
        {
            self.own += 1;
            return;
        }
        let key = (path, write);
        if self.seen.len() < self.most || self.seen.contains_key(&key) {
            self.seen.entry(key).or_insert((0, found.is_some())).0 += 1;
        } else {
            self.more += 1;
        }
    }

    /// Readable files that are there, and were not read.
    fn unused(&self, profile: &Profile) -> Vec<PathBuf> {
        let ignored =
            |path: &&PathBuf| fs::canonicalize(path).is_ok_and(|found| !self.read.contains(&found));
        profile.readable.iter().filter(ignored).cloned().collect()
    }
}
