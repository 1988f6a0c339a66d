//! One attempt in a child that is forked for it, confined or not.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsFd, OwnedFd},
};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{Signal, kill},
        wait::{WaitStatus, waitpid},
    },
    unistd::pipe2,
};

use super::probe::Found;
use crate::sandbox::{
    applied::Applied,
    child::{Reported, Restrictions, confine, report},
    datagram::receive,
    error::SandboxError,
    layer::Layer,
    sys,
};

/// The longest that a probe may take, in milliseconds.
const PATIENCE: u16 = 5000;

/// How a child of [`in_child`] ended.
pub(super) struct Attempted {
    pub(super) found: Found,
    /// What it applied before its attempt, when it was confined.
    pub(super) applied: Option<Applied>,
}

/// Forks, confines, makes an attempt. The listener of the child's connections is received and
/// dropped: nobody answers.
pub(super) fn in_child(
    confined: Option<(Restrictions, OwnedFd)>,
    attempt: impl FnOnce() -> Result<(), Errno>,
) -> Result<Attempted, SandboxError> {
    let (reported, writer) = pipe2(OFlag::O_CLOEXEC).map_err(io::Error::from)?;
    let pid = match sys::fork()? {
        sys::Forked::Parent(pid) => pid,
        sys::Forked::Child => try_and_end(
            confined.map(|(restrictions, _)| restrictions),
            attempt,
            &writer.into(),
        ),
    };
    drop(writer);
    let is_confined = confined.is_some();
    if let Some((restrictions, notified)) = confined {
        let notifies = restrictions.notifying.is_some() && restrictions.levels.has(Layer::Egress);
        drop(restrictions);
        if notifies {
            let _ = receive(notified.as_fd(), 1); // and closed, so that a connection fails instead of waiting
        }
    }
    let ended = sys::pidfd_open(pid)?;
    let mut watched = [PollFd::new(ended.as_fd(), PollFlags::POLLIN)];
    let in_time = poll(&mut watched, PollTimeout::from(PATIENCE)).map_err(io::Error::from)? > 0;
    if !in_time {
        let _ = kill(pid, Signal::SIGKILL);
    }
    let status = waitpid(pid, None).map_err(io::Error::from)?;
    let mut record = Vec::new();
    File::from(reported).read_to_end(&mut record)?;
    if let Reported::Failed(failure) = Reported::read(&record) {
        return Err(failure.into());
    }
    let (applied, record) = match Reported::split(&record).filter(|_| is_confined) {
        Some((applied, rest)) => (Some(applied), rest),
        None => (None, record.as_slice()),
    };
    let found = match (record, status) {
        _ if !in_time => Found::Hung,
        ([ALLOWED], _) => Found::Allowed,
        ([REFUSED, bytes @ ..], _) => Found::Refused(Errno::from_raw(
            bytes.try_into().map_or(libc::EIO, i32::from_ne_bytes),
        )),
        (_, WaitStatus::Signaled(_, Signal::SIGSYS, _)) => Found::Killed,
        (_, WaitStatus::Signaled(_, signal, _)) => Found::Ended(128 + signal as i32),
        (_, WaitStatus::Exited(_, code)) => Found::Ended(code),
        _ => Found::Ended(-1),
    };
    Ok(Attempted { found, applied })
}

/// In the child.
fn try_and_end(
    restrictions: Option<Restrictions>,
    attempt: impl FnOnce() -> Result<(), Errno>,
    mut to: &File,
) -> ! {
    if let Some(restrictions) = &restrictions {
        let applied = confine(restrictions);
        let reported = report(to, &applied);
        if applied.is_err() || reported.is_err() {
            sys::exit_now(125);
        }
    }
    let record = match attempt() {
        Ok(()) => vec![ALLOWED],
        Err(errno) => [&[REFUSED], (errno as i32).to_ne_bytes().as_slice()].concat(),
    };
    let _ = to.write_all(&record); // the parent sees how we ended
    sys::exit_now(0)
}

const ALLOWED: u8 = b'a';
const REFUSED: u8 = b'r';
