//! The fixed sequence from fork to exec: one line per call, in the one order that works.
//!
//! Why this order (sandbox notes, 2.4): setresuid clears the parent-death signal and makes the
//! process unreadable to itself, so the first comes after it; the bounding set needs a capability
//! that the uid drop takes; the filter that asks needs no_new_privs and has to send a descriptor;
//! Landlock comes when nothing has to be opened any more, the filter of calls last of all.

use std::{
    convert::Infallible,
    fs,
    io::Write,
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
    datagram::send,
    failure::{StartFailure, StartPart, StartStep},
    filter::Filter,
    landlock::{self, Helper},
    layer::{Layer, Level, Levels},
    message::Limits,
    privilege,
    privilege::Identity,
    profile::Profile,
    rlimit,
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
    ) -> Result<Self, StartFailure> {
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
        .map_err(|_| {
            StartFailure::new(Layer::LandlockFs, StartStep::CreateRuleset, Errno::last())
        })?;
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
    Failed(StartFailure),
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
            [FAILED, failure @ ..] => Self::Failed(failure_of(failure)),
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

/// The failure in a report; of bytes that are none, that there was no report.
pub(super) fn failure_of(bytes: &[u8]) -> StartFailure {
    let failure = bytes.try_into().ok().and_then(StartFailure::from_bytes);
    failure.unwrap_or(StartFailure::new(
        StartPart::Exec,
        StartStep::ReportLayer,
        Errno::EBADMSG,
    ))
}

/// Confines this process and becomes the tool. `report` says how far it came, and is closed by
/// exec.
///
/// Its memory may be the spawner's ([`sys::fork_sharing_memory`]): nothing is taken from the plan,
/// and nothing is held that would have to be given back.
pub(super) fn become_tool(plan: &Plan, mut report: &fs::File) -> ! {
    let Err(failure): Result<Infallible, StartFailure> = confine(&plan.confinement, report)
        .and_then(|()| {
            report
                .write_all(&[CONFINED])
                .map_err(StartFailure::at(StartPart::Exec, StartStep::Execute))?;
            let error =
                sys::become_program(plan.confinement.tool.as_fd(), &plan.argv, &plan.environment);
            Err(StartFailure::at(StartPart::Exec, StartStep::Execute)(error))
        });
    // When even this fails, the server sees a child that exited 125.
    let _ = report
        .write_all(&[FAILED])
        .and_then(|()| report.write_all(&failure.bytes()));
    sys::exit_now(125)
}

/// Applies every layer in order.
pub(super) fn confine(plan: &Confinement, mut report: &fs::File) -> Result<(), StartFailure> {
    let levels = &plan.levels;

    let own = getpid();
    if levels.has(Layer::Session) {
        setsid().map_err(StartFailure::at(Layer::Session, StartStep::SetSession))?;
        sys::default_signals()
            .map_err(StartFailure::at(Layer::Session, StartStep::DefaultSignals))?;
        nix::unistd::chdir(Path::new("/"))
            .map_err(StartFailure::at(Layer::Session, StartStep::EnterRoot))?;
        umask(Mode::from_bits_truncate(0o077));
    }
    if levels.has(Layer::Rlimits) {
        rlimit::apply(plan.limits, plan.identity.is_some(), plan.helper.is_some())
            .map_err(StartFailure::at(Layer::Rlimits, StartStep::SetLimits))?;
    }
    if let Some(identity) = plan.identity.filter(|_| levels.has(Layer::User)) {
        privilege::drop_bounding_set().map_err(StartFailure::at(
            Layer::Capabilities,
            StartStep::DropBounding,
        ))?;
        nix::unistd::setgroups(&[]).map_err(StartFailure::at(Layer::User, StartStep::SetGroups))?;
        nix::unistd::setresgid(identity.gid(), identity.gid(), identity.gid())
            .map_err(StartFailure::at(Layer::User, StartStep::SetGid))?;
        nix::unistd::setresuid(identity.uid(), identity.uid(), identity.uid())
            .map_err(StartFailure::at(Layer::User, StartStep::SetUid))?;
        identity
            .read_back()
            .map_err(StartFailure::at(Layer::User, StartStep::ReadBackUser))?;
    }
    if levels.has(Layer::Capabilities) {
        privilege::drop_capabilities().map_err(StartFailure::at(
            Layer::Capabilities,
            StartStep::DropCapabilities,
        ))?;
        if !sys::capabilities_are_empty().map_err(StartFailure::at(
            Layer::Capabilities,
            StartStep::ReadBackCapabilities,
        ))? {
            return Err(StartFailure::new(
                Layer::Capabilities,
                StartStep::ReadBackCapabilities,
                Errno::EPERM,
            ));
        }
    }
    if levels.has(Layer::ParentDeath) {
        prctl::set_pdeathsig(Signal::SIGKILL).map_err(StartFailure::at(
            Layer::ParentDeath,
            StartStep::SetParentDeath,
        ))?;
        if getppid() != plan.spawner {
            return Err(StartFailure::new(
                Layer::ParentDeath,
                StartStep::ParentIsGone,
                Errno::ESRCH,
            )); // it died before the line above
        }
    }
    if levels.has(Layer::NoNewPrivileges) {
        prctl::set_no_new_privs().map_err(StartFailure::at(
            Layer::NoNewPrivileges,
            StartStep::SetNoNewPrivileges,
        ))?;
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
                    .map_err(StartFailure::at(
                        Layer::WriteXorExecute,
                        StartStep::DenyWriteExecute,
                    ))?
            }
            Err(error) => {
                return Err(StartFailure::at(
                    Layer::WriteXorExecute,
                    StartStep::DenyWriteExecute,
                )(error));
            }
        }
    }
    if let Some((asking, supervisor)) = plan
        .questions
        .as_ref()
        .filter(|_| levels.has(Layer::Egress))
    {
        let listener = sys::install_asking_filter(&asking.program(own, -1)).map_err(
            StartFailure::at(Layer::Egress, StartStep::InstallNotifyingFilter),
        )?;
        send(
            supervisor.as_fd(),
            b"?",
            &[listener.as_fd()],
            MsgFlags::empty(),
        )
        .map_err(StartFailure::at(Layer::Egress, StartStep::SendListener))?;
    }
    dup2_stdin(plan.stdin.as_fd())
        .map_err(StartFailure::at(Layer::Descriptors, StartStep::SetStreams))?;
    dup2_stdout(plan.stdout.as_fd())
        .map_err(StartFailure::at(Layer::Descriptors, StartStep::SetStreams))?;
    dup2_stderr(plan.stderr.as_fd())
        .map_err(StartFailure::at(Layer::Descriptors, StartStep::SetStreams))?;
    if levels.has(Layer::Descriptors) {
        sys::close_on_exec_from_three()
            .map_err(StartFailure::at(Layer::Descriptors, StartStep::CloseRange))?;
    }
    // Without a file name, no folder on the way to the helper has to be open to the tool's user.
    for (descriptor, number) in [(&plan.helper, HELPER), (&plan.warm, WARM)] {
        let Some(descriptor) = descriptor else {
            continue;
        };
        let handed = fcntl(descriptor, FcntlArg::F_DUPFD(number)).map_err(StartFailure::at(
            Layer::Descriptors,
            StartStep::PlaceDescriptor,
        ))?;
        if handed != number {
            return Err(StartFailure::new(
                Layer::Descriptors,
                StartStep::PlaceDescriptor,
                Errno::EBUSY,
            ));
        }
    }
    if let Some(ruleset) = &plan.ruleset {
        let own = ruleset
            .try_clone()
            .map_err(StartFailure::at(Layer::LandlockFs, StartStep::RestrictSelf))?;
        let status = own.restrict_self().map_err(|_| {
            StartFailure::new(Layer::LandlockFs, StartStep::RestrictSelf, Errno::last())
        })?;
        if status.ruleset == RulesetStatus::NotEnforced
            && levels.of(Layer::LandlockFs) == Level::Require
        {
            return Err(StartFailure::new(
                Layer::LandlockFs,
                StartStep::RestrictSelf,
                Errno::ENOSYS,
            ));
        }
    }
    if levels.has(Layer::Rlimits) {
        rlimit::yield_to_others()
            .map_err(StartFailure::at(Layer::Rlimits, StartStep::SetLimits))?;
    }
    // Last: it takes away all of the above.
    if levels.has(Layer::Seccomp) {
        sys::install_filter(&plan.calls.program(own, plan.tool.as_raw_fd()))
            .map_err(StartFailure::at(Layer::Seccomp, StartStep::InstallFilter))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_became_of_a_child() {
        let failed = |prefix: &[u8], failure: StartFailure| {
            [prefix, &[FAILED], failure.bytes().as_slice()].concat()
        };
        let user = StartFailure::new(Layer::User, StartStep::SetUid, Errno::EPERM);
        let exec = StartFailure::new(StartPart::Exec, StartStep::Execute, Errno::EPERM);
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
            (failed(b"", user), Reported::Failed(user)),
            (failed(b"wc", exec), Reported::Failed(exec)),
        ] {
            assert_eq!(Reported::of(&record), expected, "{record:?}");
        }
    }
}
