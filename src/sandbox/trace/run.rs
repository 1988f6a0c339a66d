//! Runs a program unconfined and records which of its calls are beyond a profile.
//!
//! For whoever writes a profile, on a machine of their own. The program gets one filter, made from
//! the profile's rules, that notifies us of every call which they do not let through; each is
//! counted and continues. So the program takes the way that it takes without a sandbox, and all
//! that it would miss is seen in one run.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    sys::{
        signal::{SigSet, Signal, kill},
        socket::{AddressFamily, MsgFlags, SockFlag, SockType, socketpair},
        wait::waitpid,
    },
    unistd::{Pid, pipe2},
};
use serde::Serialize;
use syscalls::Sysno;

use super::{
    beyond::{Beyond, BeyondFile, TracedCalls, Unused},
    error::{TraceError, system},
    files::OpenedFiles,
    target::{HANDOVER_FLAGS, TracedStart, c_string, failure, handed_over, program},
    watch::{Ended, Observation},
};
use crate::sandbox::{
    filter::{Action, CallRule, Condition, SyscallFilter},
    message::ExitStatus,
    profile::{Profile, ProfileName, Profiles},
    sys::{self, Forked},
};

/// A program to run, and how closely to look.
#[derive(Debug)]
pub struct Tracing {
    /// The profile to compare with.
    pub profile: ProfileName,
    /// A path, or a name to be looked for in PATH; then its arguments.
    pub command: Vec<OsString>,
    /// Look at allowed calls too, so that it is known which entries of the profile are not needed.
    pub all: bool,
    /// How many argument lists are kept per call, and how many files.
    pub most: usize,
}

/// The calls and files of a program that are beyond its profile.
#[derive(Debug, Serialize)]
pub struct TraceReport {
    /// The profile that it was compared with.
    pub profile: ProfileName,
    /// How the program ended.
    pub status: ExitStatus,
    /// Whether something that it had started was still running then: what that calls later is
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
    /// What of the profile was not used, when every call was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unused: Option<Unused>,
}

/// A program that has its filter, and is or will be itself.
struct Started {
    child: Pid,
    listener: OwnedFd,
    /// The child writes here why it is not the program.
    failures: OwnedFd,
}

impl Tracing {
    /// Runs the program. The process must have one thread: it forks.
    ///
    /// # Errors
    /// When the program cannot be started as it must be, or no longer be watched.
    pub fn run(self) -> Result<TraceReport, TraceError> {
        let profiles = Profiles::load()?;
        let profile = profiles.get(self.profile);
        let (name, _) = self
            .command
            .split_first()
            .ok_or_else(|| TraceError::NoProgram(PathBuf::new()))?;
        let path = program(Path::new(name)).ok_or_else(|| TraceError::NoProgram(name.into()))?;
        let started = self.start(profile, &path)?;
        let mut observed = Observation {
            child: started.child,
            executed: false,
            calls: TracedCalls::new(&profile.rules, started.child, self.most),
            files: OpenedFiles::new(profile, &path, self.most),
        };
        let ended = observed
            .watch(started.listener)
            .map_err(system("seccomp_unotify"))?;
        match failure(started.failures, &path) {
            Some(failure) => Err(failure),
            None => Ok(self.report(profile, &observed, ended)),
        }
    }

    /// Starts the program with the filter that notifies us.
    fn start(&self, profile: &Profile, path: &Path) -> Result<Started, TraceError> {
        let (ours, theirs) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )
        .map_err(system("socketpair"))?;
        let (failures, report) = pipe2(OFlag::O_CLOEXEC).map_err(system("pipe2"))?;
        let start = TracedStart {
            filter: SyscallFilter::notifying_beyond(&self.rules(profile, theirs.as_fd())?)
                .map_err(TraceError::Filter)?,
            handover: theirs,
            path: c_string(path.as_os_str()).ok_or_else(|| TraceError::NoProgram(path.into()))?,
            arguments: self
                .command
                .iter()
                .filter_map(|word| c_string(word))
                .collect(),
            report: report.into(),
        };
        leave_terminal_signals_to_the_program().map_err(system("sigprocmask"))?;
        let child = match sys::fork().map_err(system("fork"))? {
            Forked::Child => start.become_program(),
            Forked::Parent(child) => child,
        };
        drop(start); // so that the end of the child ends its socket and its pipe
        if let Some(listener) = handed_over(ours.as_fd()).map_err(system("recvmsg"))? {
            return Ok(Started {
                child,
                listener,
                failures,
            });
        }
        let _ = kill(child, Signal::SIGKILL);
        let _ = waitpid(child, None);
        let silent = || system("recvmsg")(io::Error::from(io::ErrorKind::TimedOut));
        Err(failure(failures, path).unwrap_or_else(silent))
    }

    fn report(&self, profile: &Profile, observed: &Observation<'_>, ended: Ended) -> TraceReport {
        let unused = self.all.then(|| Unused {
            files: observed.files.unused(profile),
            ..observed.calls.unused()
        });
        TraceReport {
            profile: self.profile,
            status: ended.status,
            still_running: ended.still_running,
            beyond: observed.calls.beyond(),
            files: observed.files.beyond(),
            more_files: observed.files.more,
            own_files: observed.files.own,
            unread_files: observed.files.unread,
            unused,
        }
    }

    /// The calls that need no notification: those that the profile allows, but for opening files,
    /// and the message with the filter.
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

/// Blocks ^C here: it is for the program, and what that did until then is worth the wait.
fn leave_terminal_signals_to_the_program() -> Result<(), Errno> {
    let mut terminal = SigSet::empty();
    terminal.add(Signal::SIGINT);
    terminal.add(Signal::SIGQUIT);
    terminal.thread_block()
}
