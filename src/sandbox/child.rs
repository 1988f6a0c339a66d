//! The fixed sequence from fork to exec: one line per call, in the one order that works.
//!
//! Why this order (sandbox notes, 2.4): setresuid clears the parent-death signal and makes the
//! process unreadable to itself, so the first comes after it; the bounding set needs a capability
//! that the uid drop takes; the filter that asks needs no_new_privs and has to send a descriptor;
//! Landlock comes when nothing has to be opened any more, the filter of calls last of all.

use std::{
    convert::Infallible,
    fs,
    io::{self, Write},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    path::Path,
};

use ::landlock::{RulesetCreated, RulesetStatus};
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, fcntl},
    sys::{
        prctl,
        signal::Signal,
        socket::MsgFlags,
        stat::{Mode, umask},
    },
    unistd::{Pid, dup2_stderr, dup2_stdin, dup2_stdout, getpid, getppid, setsid},
};

use super::{
    filter::Filter,
    landlock::{self, Helper},
    layer::{Layer, Level, Levels, Step},
    message::Limits,
    privilege,
    privilege::Identity,
    profile::Profile,
    rlimit,
    spawner::send,
    sys::{self, Words},
};

/// All that a child needs, prepared before the fork.
pub(super) struct Plan {
    pub(super) confinement: Confinement,
    pub(super) argv: Words,
    pub(super) environment: Words,
}

/// What confines a child, whatever it then does.
pub(super) struct Confinement {
    pub(super) levels: Levels,
    pub(super) tool: OwnedFd,
    pub(super) stdin: OwnedFd,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
    pub(super) ruleset: Option<RulesetCreated>,
    pub(super) calls: Filter,
    /// The filter that asks about connections, and where the descriptor goes on which they are
    /// answered; `None`: it has none.
    pub(super) questions: Option<(Filter, OwnedFd)>,
    /// The program that the tool may run besides itself.
    pub(super) helper: Option<OwnedFd>,
    /// Where it waits for its request, when it is started before it.
    pub(super) warm: Option<OwnedFd>,
    pub(super) limits: Limits,
    /// The user to become, when the spawner is root.
    pub(super) identity: Option<Identity>,
    pub(super) spawner: Pid,
}

/// The programs and directories of a child.
pub(super) struct Place<'a> {
    pub(super) tool: OwnedFd,
    /// The request's, for a profile that has one.
    pub(super) directory: Option<BorrowedFd<'a>>,
    /// The program that the tool may run besides itself, and where both may write.
    pub(super) helper: Option<(OwnedFd, BorrowedFd<'a>)>,
}

impl Confinement {
    /// What confines a child of `profile` with these streams. It asks about no connection, until
    /// [`Self::questions`] says where, and waits for nothing, until [`Self::warm`] does.
    ///
    /// # Errors
    /// The step that cannot be prepared.
    pub(super) fn new(
        levels: &Levels,
        profile: &Profile,
        place: Place<'_>,
        [stdin, stdout, stderr]: [OwnedFd; 3],
        limits: Limits,
        identity: Option<Identity>,
    ) -> Result<Self, Failure> {
        let Place {
            tool,
            directory,
            helper,
        } = place;
        let may_run = helper.as_ref().map(|(program, scratch)| Helper {
            program: program.as_fd(),
            scratch: *scratch,
        });
        let ruleset = landlock::ruleset(
            levels,
            tool.as_fd(),
            directory.filter(|_| profile.workspace),
            &profile.readable,
            may_run,
        )
        .map_err(|_| (Step::CreateRuleset, Errno::last()))?;
        Ok(Self {
            levels: levels.clone(),
            tool,
            stdin,
            stdout,
            stderr,
            ruleset,
            calls: profile.filter.clone(),
            questions: None,
            helper: helper.map(|(program, _)| program),
            warm: None,
            limits,
            identity,
            spawner: getpid(),
        })
    }
}

/// The byte that stands for "applied, but this kernel has no W^X".
pub(super) const WITHOUT_WRITE_EXECUTE: u8 = b'w';
/// The byte that stands for "all is applied, and the program comes next".
pub(super) const CONFINED: u8 = b'c';
/// The byte before a failed step and its errno.
pub(super) const FAILED: u8 = b'f';

/// What a child has said by the time its report is closed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reported {
    /// It runs its program.
    Running { without_write_execute: bool },
    /// It does not.
    Failed(Step, Errno),
    /// There was no child, or it was killed at once.
    Nothing,
}

impl Reported {
    /// Reads a whole report.
    pub(super) fn of(record: &[u8]) -> Self {
        let (without_write_execute, record) = match record {
            [WITHOUT_WRITE_EXECUTE, rest @ ..] => (true, rest),
            record => (false, record),
        };
        match record.strip_prefix(&[CONFINED]).unwrap_or(record) {
            [FAILED, step, errno @ ..] => {
                let errno = Errno::from_raw(errno.try_into().map_or(libc::EIO, i32::from_ne_bytes));
                Self::Failed(Step::from_byte(*step).unwrap_or(Step::SetSession), errno)
            }
            _ if record.first() == Some(&CONFINED) => Self::Running {
                without_write_execute,
            },
            _ => Self::Nothing,
        }
    }
}

/// The descriptor by which the tool runs its helper (`policy/sandbox/diff.toml`). Above all others,
/// so that nothing is in its way.
pub(super) const HELPER: i32 = 200;
/// The descriptor by which a tool that was started before its request gets it.
pub(super) const WARM: i32 = 201;

/// A step that failed, and how.
pub(super) type Failure = (Step, Errno);

/// Confines this process and becomes the tool. `report` says how far it came, and is closed by
/// exec.
///
/// Its memory may be the spawner's ([`sys::fork_sharing_memory`]): nothing is taken from the plan,
/// and nothing is held that would have to be given back.
pub(super) fn become_tool(plan: &Plan, mut report: &fs::File) -> ! {
    let Err((step, errno)): Result<Infallible, Failure> = confine(&plan.confinement, report)
        .and_then(|()| {
            report
                .write_all(&[CONFINED])
                .map_err(|error| (Step::Execute, errno_of(&error)))?;
            Err((
                Step::Execute,
                errno_of(&sys::become_program(
                    plan.confinement.tool.as_fd(),
                    &plan.argv,
                    &plan.environment,
                )),
            ))
        });
    let [a, b, c, d] = (errno as i32).to_ne_bytes();
    let _ = report.write_all(&[FAILED, step as u8, a, b, c, d]); // when even this fails, the server sees a child that exited 125
    sys::exit_now(125)
}

/// Applies every layer in order.
pub(super) fn confine(plan: &Confinement, mut report: &fs::File) -> Result<(), Failure> {
    let at = |step: Step| move |errno: Errno| (step, errno);
    let by = |step: Step| move |error: io::Error| (step, errno_of(&error));
    let levels = &plan.levels;

    let own = getpid();
    if levels.has(Layer::Session) {
        setsid().map_err(at(Step::SetSession))?;
        sys::default_signals().map_err(by(Step::DefaultSignals))?;
        nix::unistd::chdir(Path::new("/")).map_err(at(Step::EnterRoot))?;
        umask(Mode::from_bits_truncate(0o077));
    }
    if levels.has(Layer::Rlimits) {
        rlimit::apply(plan.limits, plan.identity.is_some(), plan.helper.is_some())
            .map_err(at(Step::SetLimits))?;
    }
    if let Some(identity) = plan.identity.filter(|_| levels.has(Layer::User)) {
        privilege::drop_bounding_set().map_err(by(Step::DropBounding))?;
        nix::unistd::setgroups(&[]).map_err(at(Step::SetGroups))?;
        nix::unistd::setresgid(identity.gid(), identity.gid(), identity.gid())
            .map_err(at(Step::SetGid))?;
        nix::unistd::setresuid(identity.uid(), identity.uid(), identity.uid())
            .map_err(at(Step::SetUid))?;
        identity.read_back().map_err(at(Step::ReadBackUser))?;
    }
    if levels.has(Layer::Capabilities) {
        privilege::drop_capabilities().map_err(by(Step::DropCapabilities))?;
        if !sys::capabilities_are_empty().map_err(by(Step::ReadBackCapabilities))? {
            return Err((Step::ReadBackCapabilities, Errno::EPERM));
        }
    }
    if levels.has(Layer::ParentDeath) {
        prctl::set_pdeathsig(Signal::SIGKILL).map_err(at(Step::SetParentDeath))?;
        if getppid() != plan.spawner {
            return Err((Step::ParentIsGone, Errno::ESRCH)); // it died before the line above
        }
    }
    if levels.has(Layer::NoNewPrivileges) {
        prctl::set_no_new_privs().map_err(at(Step::SetNoNewPrivileges))?;
    }
    if levels.has(Layer::WriteXorExecute) {
        match sys::deny_write_execute() {
            Ok(()) => {}
            // Linux before 6.3 does not know it.
            Err(error)
                if error.raw_os_error() == Some(libc::EINVAL)
                    && levels.of(Layer::WriteXorExecute) == Level::Prefer =>
            {
                report
                    .write_all(&[WITHOUT_WRITE_EXECUTE])
                    .map_err(by(Step::DenyWriteExecute))?
            }
            Err(error) => return Err(by(Step::DenyWriteExecute)(error)),
        }
    }
    if let Some((asking, supervisor)) = plan
        .questions
        .as_ref()
        .filter(|_| levels.has(Layer::Egress))
    {
        let listener = sys::install_asking_filter(&asking.program(own, -1))
            .map_err(by(Step::AskForConnections))?;
        send(
            supervisor.as_fd(),
            b"?",
            &[listener.as_fd()],
            MsgFlags::empty(),
        )
        .map_err(at(Step::HandOverQuestions))?;
    }
    dup2_stdin(plan.stdin.as_fd()).map_err(at(Step::Streams))?;
    dup2_stdout(plan.stdout.as_fd()).map_err(at(Step::Streams))?;
    dup2_stderr(plan.stderr.as_fd()).map_err(at(Step::Streams))?;
    if levels.has(Layer::Descriptors) {
        sys::close_on_exec_from_three().map_err(by(Step::CloseRange))?;
    }
    // Without a file name, no folder on the way to the helper has to be open to the tool's user.
    for (descriptor, number, step) in [
        (&plan.helper, HELPER, Step::HandHelper),
        (&plan.warm, WARM, Step::HandWarm),
    ] {
        let Some(descriptor) = descriptor else {
            continue;
        };
        let handed = fcntl(descriptor, FcntlArg::F_DUPFD(number)).map_err(at(step))?;
        if handed != number {
            return Err((step, Errno::EBUSY));
        }
    }
    if let Some(ruleset) = &plan.ruleset {
        let own = ruleset.try_clone().map_err(by(Step::RestrictSelf))?;
        let status = own
            .restrict_self()
            .map_err(|_| (Step::RestrictSelf, Errno::last()))?;
        if status.ruleset == RulesetStatus::NotEnforced
            && levels.of(Layer::LandlockFs) == Level::Require
        {
            return Err((Step::RestrictSelf, Errno::ENOSYS));
        }
    }
    if levels.has(Layer::Rlimits) {
        rlimit::yield_to_others().map_err(at(Step::SetLimits))?;
    }
    // Last: it takes away all of the above.
    if levels.has(Layer::Seccomp) {
        sys::install_filter(&plan.calls.program(own, plan.tool.as_raw_fd()))
            .map_err(by(Step::FilterCalls))?;
    }
    Ok(())
}

/// The errno of a failed call.
pub(super) fn errno_of(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_became_of_a_child() {
        let failed = |prefix: &[u8], step: Step| {
            [prefix, &[FAILED, step as u8], &libc::EPERM.to_ne_bytes()].concat()
        };
        for (record, expected) in [
            (
                b"c".to_vec(),
                Reported::Running {
                    without_write_execute: false,
                },
            ),
            (
                b"wc".to_vec(),
                Reported::Running {
                    without_write_execute: true,
                },
            ),
            (b"".to_vec(), Reported::Nothing),
            (b"w".to_vec(), Reported::Nothing), // killed before the rest
            (
                failed(b"", Step::SetUid),
                Reported::Failed(Step::SetUid, Errno::EPERM),
            ),
            (
                failed(b"wc", Step::Execute),
                Reported::Failed(Step::Execute, Errno::EPERM),
            ),
        ] {
            assert_eq!(Reported::of(&record), expected, "{record:?}");
        }
    }
}
