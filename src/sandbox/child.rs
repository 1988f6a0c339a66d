//! The fixed sequence from fork to exec: a step for each layer, in the one order that works.
//!
//! Comes in: a [`Plan`] that was made before the fork, since the child may share the spawner's
//! memory and may not keep an allocation. Goes out: a report, of what was applied or of what
//! failed, and then the program. May not run it while a layer that is required is missing.
//!
//! The order is that of [`Layer::ALL`]: setresuid clears the parent-death signal and makes the
//! process unreadable to itself, so that the first comes after it; the bounding set needs a
//! capability that the change of user takes away; the filter that notifies needs no_new_privs and
//! sends a descriptor; Landlock comes when nothing has to be opened any more, the filter of system
//! calls last of all.
//!
//! Held by the tests of [`applied`](super::applied), and by `tests/escape`.

use std::{
    convert::Infallible,
    fs,
    io::Write,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, FdFlag, fcntl},
    sys::{
        prctl,
        signal::Signal,
        socket::MsgFlags,
        stat::{Mode, umask},
    },
    unistd::{
        Pid, chdir, close, dup2_stderr, dup2_stdin, dup2_stdout, getpid, getppid, getsid,
        setgroups, setresgid, setresuid, setsid,
    },
};

use super::{
    applied::Applied,
    datagram::send,
    failure::{StartFailure, StartPart, StartStep},
    filter::SyscallFilter,
    landlock::{self, Helper, Rulesets},
    layer::{Layer, LayerState, Level, Levels},
    message::Limits,
    privilege::{self, ChildUser, Identity},
    profile::Profile,
    rlimit::{self, Writes},
    sys::{self, Words},
};

/// All that a child needs, prepared before the fork.
pub(super) struct Plan {
    pub(super) restrictions: Restrictions,
    pub(super) argv: Words,
    pub(super) environment: Words,
}

/// All that restricts a child, whatever it then does.
pub(super) struct Restrictions {
    pub(super) levels: Levels,
    pub(super) tool: OwnedFd,
    pub(super) streams: [OwnedFd; 3],
    pub(super) rulesets: Rulesets,
    pub(super) calls: SyscallFilter,
    /// The filter that notifies the server of connections, where the profile has a network.
    pub(super) notifying: Option<SyscallFilter>,
    /// Where the listener of its notifications goes.
    pub(super) supervisor: Option<OwnedFd>,
    /// The program that the tool may run besides itself.
    pub(super) helper: Option<OwnedFd>,
    /// Where a tool that is started before its request receives it.
    pub(super) warm: Option<OwnedFd>,
    pub(super) limits: Limits,
    /// Whether the program reserves addresses that it does not use.
    pub(super) reserves: bool,
    /// The user to become, when the spawner is root.
    pub(super) identity: Option<Identity>,
    pub(super) spawner: Pid,
    /// The layer whose step a test leaves out.
    #[cfg(test)]
    pub(super) left_out: Option<Layer>,
}

/// The programs and directories of a child.
pub(super) struct ChildFiles<'a> {
    pub(super) tool: OwnedFd,
    /// The request's, for a profile that has one.
    pub(super) directory: Option<BorrowedFd<'a>>,
    /// The program that the tool may run besides itself, and where both may write.
    pub(super) helper: Option<(OwnedFd, BorrowedFd<'a>)>,
}

impl Restrictions {
    /// Prepares what restricts a child of `profile` with these streams. It waits for no request
    /// until [`Self::warm`] says where; for a profile with a network, [`Self::supervisor`] has to
    /// be set.
    ///
    /// # Errors
    /// The step that cannot be prepared.
    pub(super) fn new(
        levels: &Levels,
        profile: &Profile,
        files: ChildFiles<'_>,
        streams: [OwnedFd; 3],
        limits: Limits,
        identity: Option<Identity>,
    ) -> Result<Self, StartFailure> {
        let ChildFiles {
            tool,
            directory,
            helper,
        } = files;
        let may_run = helper.as_ref().map(|(program, scratch)| Helper {
            program: program.as_fd(),
            scratch: *scratch,
        });
        let rulesets = Rulesets::new(
            levels,
            tool.as_fd(),
            directory.filter(|_| profile.workspace),
            &profile.readable,
            may_run,
        )?;
        Ok(Self {
            levels: levels.clone(),
            tool,
            streams,
            rulesets,
            calls: profile.filter.clone(),
            notifying: profile.notifying.clone(),
            supervisor: None,
            helper: helper.map(|(program, _)| program),
            warm: None,
            limits,
            reserves: profile.reserves,
            identity,
            spawner: getpid(),
            #[cfg(test)]
            left_out: None,
        })
    }
}

/// The byte before what was applied: the program comes next.
pub(super) const CONFINED: u8 = b'c';
/// The byte before a failure.
const FAILED: u8 = b'f';

/// What a child has reported by the time its report is closed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reported {
    /// It runs its program under these layers.
    Running(Applied),
    /// It does not run its program.
    Failed(StartFailure),
    /// There was no child, or it was killed at once.
    Nothing,
}

impl Reported {
    /// Reads a whole report.
    pub(super) fn read(report: &[u8]) -> Self {
        match (Self::split(report), report) {
            (Some((applied, [])), _) => Self::Running(applied),
            (Some((_, [FAILED, failure @ ..])), _) | (None, [FAILED, failure @ ..]) => {
                Self::Failed(failure_in(failure))
            }
            _ => Self::Nothing,
        }
    }

    /// What was applied, and what stands behind it.
    pub(super) fn split(report: &[u8]) -> Option<(Applied, &[u8])> {
        let (applied, rest) = report.strip_prefix(&[CONFINED])?.split_first_chunk()?;
        Some((Applied::from_bytes(*applied), rest))
    }
}

/// The failure behind its byte. Bytes that are none are a failure as well.
fn failure_in(bytes: &[u8]) -> StartFailure {
    let failure = bytes.try_into().ok().and_then(StartFailure::from_bytes);
    failure.unwrap_or(StartFailure::new(
        StartPart::Exec,
        StartStep::ReportLayer,
        Errno::EBADMSG,
    ))
}

/// Writes what a child applied, or why it did not.
pub(super) fn report(
    mut to: &fs::File,
    applied: &Result<Applied, StartFailure>,
) -> std::io::Result<()> {
    match applied {
        Ok(applied) => {
            let mut record = [CONFINED; 1 + Applied::BYTES];
            let (_, states) = record.split_at_mut(1);
            states.copy_from_slice(&applied.bytes());
            to.write_all(&record)
        }
        Err(failure) => {
            let mut record = [FAILED; 1 + StartFailure::BYTES];
            let (_, bytes) = record.split_at_mut(1);
            bytes.copy_from_slice(&failure.bytes());
            to.write_all(&record)
        }
    }
}

/// The descriptor by which the tool runs its helper (`policy/sandbox/diff.toml`). The spawner
/// reserves it, so that nothing is in its way.
pub(super) const HELPER: i32 = 200;
/// The descriptor by which a tool that was started before its request receives it.
pub(super) const WARM: i32 = 201;

/// Confines this process and becomes the tool. `to` takes its report, and is closed by exec.
///
/// Its memory may be the spawner's ([`sys::fork_sharing_memory`]): nothing is taken from the plan,
/// and nothing is held that would have to be given back.
pub(super) fn become_tool(plan: &Plan, to: &fs::File) -> ! {
    let restrictions = &plan.restrictions;
    let Err(failure): Result<Infallible, _> = confine(restrictions).and_then(|applied| {
        let failed = || StartFailure::at(StartPart::Exec, StartStep::Execute);
        report(to, &Ok(applied)).map_err(failed())?;
        let tool = restrictions.tool.as_fd();
        Err(failed()(sys::become_program(
            tool,
            &plan.argv,
            &plan.environment,
        )))
    });
    let _ = report(to, &Err(failure)); // when even this fails, the server sees a child that exited 125
    sys::exit_now(125)
}

/// Applies every layer in order, and returns what was applied. Fails when a layer that is required
/// is not among it.
pub(super) fn confine(plan: &Restrictions) -> Result<Applied, StartFailure> {
    let mut applied = Applied::nothing();
    for layer in Layer::ALL {
        if layer == Layer::Seccomp {
            make_ready(plan)?; // the filter takes away the calls that it needs
        }
        #[cfg(test)]
        if plan.left_out == Some(layer) {
            continue;
        }
        let state = match plan.levels.of(layer) {
            Level::Require | Level::Prefer => step(layer, plan)?,
            Level::Off => LayerState::Off,
        };
        applied.record(layer, state);
    }
    match applied.lacks(&plan.levels) {
        None => Ok(applied),
        Some(layer) => Err(StartFailure::new(
            layer,
            StartStep::ReportLayer,
            Errno::EOPNOTSUPP,
        )),
    }
}

/// Applies one layer and reads it back.
fn step(layer: Layer, plan: &Restrictions) -> Result<LayerState, StartFailure> {
    match layer {
        Layer::Session => session(),
        Layer::Rlimits => limits(plan),
        Layer::User => user(plan.identity),
        Layer::Capabilities => capabilities(),
        Layer::ParentDeath => parent_death(plan.spawner),
        Layer::NoNewPrivileges => no_new_privileges(),
        Layer::WriteXorExecute => write_xor_execute(plan.levels.of(layer)),
        Layer::Egress => egress(plan),
        Layer::Descriptors => descriptors(plan),
        Layer::LandlockFs => landlock::restrict(layer, plan.rulesets.files.as_ref()),
        Layer::LandlockNet => landlock::restrict(layer, plan.rulesets.network.as_ref()),
        Layer::LandlockScope => landlock::restrict(layer, plan.rulesets.scope.as_ref()),
        Layer::Seccomp => system_calls(plan),
    }
}

/// Fails unless what was read back is what was applied.
fn enforced_if(layer: Layer, step: StartStep, holds: bool) -> Result<LayerState, StartFailure> {
    if holds {
        Ok(LayerState::Enforced)
    } else {
        Err(StartFailure::new(layer, step, Errno::EPERM))
    }
}

fn session() -> Result<LayerState, StartFailure> {
    const LAYER: Layer = Layer::Session;
    setsid().map_err(StartFailure::at(LAYER, StartStep::SetSession))?;
    sys::default_signals().map_err(StartFailure::at(LAYER, StartStep::DefaultSignals))?;
    chdir(Path::new("/")).map_err(StartFailure::at(LAYER, StartStep::EnterRoot))?;
    umask(Mode::from_bits_truncate(0o077));
    let is_default =
        sys::signals_are_default().map_err(StartFailure::at(LAYER, StartStep::ReadBackSignals))?;
    enforced_if(LAYER, StartStep::ReadBackSignals, is_default)?;
    let own = getsid(None).map_err(StartFailure::at(LAYER, StartStep::ReadBackSession))?;
    enforced_if(LAYER, StartStep::ReadBackSession, own == getpid())
}

fn limits(plan: &Restrictions) -> Result<LayerState, StartFailure> {
    let writes = match plan.helper {
        Some(_) => Writes::Files,
        None => Writes::Nothing,
    };
    let user = ChildUser::among(plan.identity);
    rlimit::apply(plan.limits, user, writes, plan.reserves)
        .map_err(StartFailure::at(Layer::Rlimits, StartStep::SetLimits))?;
    Ok(LayerState::Enforced)
}

/// Where the spawner is not root, there is no user to become.
fn user(identity: Option<Identity>) -> Result<LayerState, StartFailure> {
    const LAYER: Layer = Layer::User;
    let Some(identity) = identity else {
        return Ok(LayerState::NotApplicable);
    };
    let (uid, gid) = (identity.uid(), identity.gid());
    privilege::drop_bounding_set().map_err(StartFailure::at(
        Layer::Capabilities,
        StartStep::DropBounding,
    ))?;
    setgroups(&[]).map_err(StartFailure::at(LAYER, StartStep::SetGroups))?;
    setresgid(gid, gid, gid).map_err(StartFailure::at(LAYER, StartStep::SetGid))?;
    setresuid(uid, uid, uid).map_err(StartFailure::at(LAYER, StartStep::SetUid))?;
    let read_back = identity.read_back();
    read_back.map_err(StartFailure::at(LAYER, StartStep::ReadBackUser))?;
    Ok(LayerState::Enforced)
}

fn capabilities() -> Result<LayerState, StartFailure> {
    const LAYER: Layer = Layer::Capabilities;
    privilege::drop_capabilities().map_err(StartFailure::at(LAYER, StartStep::DropCapabilities))?;
    let read_back = privilege::read_back_capabilities();
    read_back.map_err(StartFailure::at(LAYER, StartStep::ReadBackCapabilities))?;
    Ok(LayerState::Enforced)
}

fn parent_death(spawner: Pid) -> Result<LayerState, StartFailure> {
    const LAYER: Layer = Layer::ParentDeath;
    prctl::set_pdeathsig(Signal::SIGKILL)
        .map_err(StartFailure::at(LAYER, StartStep::SetParentDeath))?;
    let signal =
        prctl::get_pdeathsig().map_err(StartFailure::at(LAYER, StartStep::ReadBackParentDeath))?;
    if getppid() != spawner {
        let step = StartStep::ParentIsGone; // it died before the signal was set
        return Err(StartFailure::new(LAYER, step, Errno::ESRCH));
    }
    let is_set = signal == Some(Signal::SIGKILL);
    enforced_if(LAYER, StartStep::ReadBackParentDeath, is_set)
}

fn no_new_privileges() -> Result<LayerState, StartFailure> {
    const LAYER: Layer = Layer::NoNewPrivileges;
    prctl::set_no_new_privs().map_err(StartFailure::at(LAYER, StartStep::SetNoNewPrivileges))?;
    let is_set = prctl::get_no_new_privs()
        .map_err(StartFailure::at(LAYER, StartStep::ReadBackNoNewPrivileges))?;
    enforced_if(LAYER, StartStep::ReadBackNoNewPrivileges, is_set)
}

fn write_xor_execute(level: Level) -> Result<LayerState, StartFailure> {
    const LAYER: Layer = Layer::WriteXorExecute;
    match sys::deny_write_execute() {
        Ok(()) => {}
        // Linux before 6.3 does not know it.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) && level == Level::Prefer => {
            return Ok(LayerState::Missing);
        }
        Err(error) => return Err(StartFailure::at(LAYER, StartStep::DenyWriteExecute)(error)),
    }
    let is_denied = sys::write_execute_is_denied()
        .map_err(StartFailure::at(LAYER, StartStep::ReadBackWriteExecute))?;
    enforced_if(LAYER, StartStep::ReadBackWriteExecute, is_denied)
}

/// The listener is the proof: seccomp(2) returns one with the filter that it is of, or neither.
fn egress(plan: &Restrictions) -> Result<LayerState, StartFailure> {
    const LAYER: Layer = Layer::Egress;
    let Some(filter) = &plan.notifying else {
        return Ok(LayerState::NotApplicable);
    };
    let to_server = StartStep::SendListener;
    let supervisor = plan.supervisor.as_ref().ok_or(Errno::EBADF);
    let supervisor = supervisor.map_err(StartFailure::at(LAYER, to_server))?;
    let listener = sys::install_notifying_filter(&filter.program(getpid(), -1))
        .map_err(StartFailure::at(LAYER, StartStep::InstallNotifyingFilter))?;
    let descriptors = [listener.as_fd()];
    send(supervisor.as_fd(), b"?", &descriptors, MsgFlags::empty())
        .map_err(StartFailure::at(LAYER, to_server))?;
    Ok(LayerState::Enforced)
}

/// Marks what is open close-on-exec. Read back are the descriptors that this child knows: the kernel
/// marks a range as one, and to look at each number there may be would cost more than all layers.
fn descriptors(plan: &Restrictions) -> Result<LayerState, StartFailure> {
    const LAYER: Layer = Layer::Descriptors;
    sys::close_on_exec_from_three().map_err(StartFailure::at(LAYER, StartStep::CloseRange))?;
    let of_some = [&plan.supervisor, &plan.helper, &plan.warm];
    let known = plan.streams.iter().chain([&plan.tool]);
    for descriptor in known.chain(of_some.into_iter().flatten()) {
        let flags = fcntl(descriptor, FcntlArg::F_GETFD)
            .map_err(StartFailure::at(LAYER, StartStep::ReadBackDescriptors))?;
        let is_marked = FdFlag::from_bits_truncate(flags).contains(FdFlag::FD_CLOEXEC);
        enforced_if(LAYER, StartStep::ReadBackDescriptors, is_marked)?;
    }
    Ok(LayerState::Enforced)
}

/// Opens what the program is to have, and yields to the server: no layers, but among what the last
/// one takes away. The spawner stands still until the program runs, so that the child is no less
/// urgent before.
fn make_ready(plan: &Restrictions) -> Result<(), StartFailure> {
    const LAYER: Layer = Layer::Descriptors;
    let [stdin, stdout, stderr] = &plan.streams;
    dup2_stdin(stdin).map_err(StartFailure::at(LAYER, StartStep::SetStreams))?;
    dup2_stdout(stdout).map_err(StartFailure::at(LAYER, StartStep::SetStreams))?;
    dup2_stderr(stderr).map_err(StartFailure::at(LAYER, StartStep::SetStreams))?;
    // Without a file name, no folder on the way to the helper has to be open to the tool's user.
    for (descriptor, number) in [(&plan.helper, HELPER), (&plan.warm, WARM)] {
        let Some(descriptor) = descriptor else {
            continue;
        };
        // The spawner keeps the number free of anything else; the doctor's children have it free.
        let _ = close(number);
        let placed = fcntl(descriptor, FcntlArg::F_DUPFD(number))
            .map_err(StartFailure::at(LAYER, StartStep::PlaceDescriptor))?;
        if placed != number {
            let step = StartStep::PlaceDescriptor;
            return Err(StartFailure::new(LAYER, step, Errno::EBUSY));
        }
    }
    if plan.levels.has(Layer::Rlimits) {
        rlimit::yield_to_others()
            .map_err(StartFailure::at(Layer::Rlimits, StartStep::SetNiceness))?;
    }
    Ok(())
}

/// Installs the filter of system calls. Its mode cannot be read back: no profile has prctl(2), and a
/// filter of connections, or of a container, has set the same mode before. But that makes the proof:
/// the kernel answers the question until the filter is there, and the filter refuses it after that.
fn system_calls(plan: &Restrictions) -> Result<LayerState, StartFailure> {
    const LAYER: Layer = Layer::Seccomp;
    sys::seccomp_mode().map_err(StartFailure::at(LAYER, StartStep::ReadBackFilter))?;
    sys::install_filter(&plan.calls.program(getpid(), plan.tool.as_raw_fd()))
        .map_err(StartFailure::at(LAYER, StartStep::InstallFilter))?;
    let refused = sys::seccomp_mode().err();
    let is_refused = refused.and_then(|error| error.raw_os_error()) == Some(libc::EPERM);
    enforced_if(LAYER, StartStep::ReadBackFilter, is_refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_became_of_a_child() {
        let mut applied = Applied::nothing();
        applied.record(Layer::Session, LayerState::Enforced);
        applied.record(Layer::Egress, LayerState::Off);
        let running = [&[CONFINED], applied.bytes().as_slice()].concat();
        let failed = |prefix: &[u8], failure: StartFailure| {
            [prefix, &[FAILED], failure.bytes().as_slice()].concat()
        };
        let user = StartFailure::new(Layer::User, StartStep::SetUid, Errno::EPERM);
        let exec = StartFailure::new(StartPart::Exec, StartStep::Execute, Errno::EPERM);
        let no_report = StartFailure::new(StartPart::Exec, StartStep::ReportLayer, Errno::EBADMSG);
        for (report, expected) in [
            (running.clone(), Reported::Running(applied)),
            (b"".to_vec(), Reported::Nothing),
            (b"c".to_vec(), Reported::Nothing), // no report of a layer is no child
            (running[..9].to_vec(), Reported::Nothing),
            (failed(b"", user), Reported::Failed(user)),
            (failed(&running, exec), Reported::Failed(exec)),
            (b"f".to_vec(), Reported::Failed(no_report)),
        ] {
            assert_eq!(Reported::read(&report), expected, "{report:?}");
        }
    }
}
