//! Answers every notification of a traced program with "continue", and counts it.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::wait::{WaitStatus, waitpid},
    unistd::Pid,
};
use syscalls::Sysno;

use super::{
    beyond::TracedCalls,
    files::{OpenedFile, OpenedFiles},
};
use crate::sandbox::{
    message::ExitStatus,
    sys::{self, Notification},
};

/// The end of a traced program.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) still_running: bool,
}

/// The calls and files of a program so far.
pub(super) struct Observation<'a> {
    pub(super) child: Pid,
    /// Whether the child is the program yet.
    pub(super) executed: bool,
    pub(super) calls: TracedCalls<'a>,
    pub(super) files: OpenedFiles,
}

impl Observation<'_> {
    /// Answers until the program and what it started have ended, or make no such call any more.
    pub(super) fn watch(&mut self, listener: OwnedFd) -> io::Result<Ended> {
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
            let (announced, exited) = (found(0), !found(1).is_empty());
            if announced.contains(PollFlags::POLLIN) {
                self.let_one_continue(listener.as_fd())?;
                continue;
            }
            // No process has the filter any more.
            let alone = announced.intersects(PollFlags::POLLHUP | PollFlags::POLLERR);
            match ended {
                None if exited || alone => ended = Some(ended_with(self.child)?),
                None => {}
                Some(status) => {
                    return Ok(Ended {
                        status,
                        still_running: !alone,
                    });
                }
            }
        }
    }

    fn let_one_continue(&mut self, listener: BorrowedFd<'_>) -> io::Result<()> {
        // The thread may be killed before its notification is received, and before the answer.
        let gone =
            |error: &io::Error| matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINTR));
        let notification = match sys::receive_notification(listener) {
            Err(error) if gone(&error) => return Ok(()),
            taken => taken?,
        };
        let opened = OpenedFile::by(notification);
        match sys::continue_call(listener, notification) {
            Err(error) if gone(&error) => return Ok(()),
            answered => answered?,
        }
        if self.executed {
            self.calls
                .count(notification.number, notification.arguments);
            opened
                .into_iter()
                .for_each(|opened| self.files.count(opened));
        } else if is(notification, Sysno::execve) {
            self.executed = true; // ours, which becomes the program
        }
        Ok(())
    }
}

/// How long no notification may come, once the program has ended, before what it left running is
/// left alone.
const QUIET: u16 = 500;

fn is(notification: Notification, syscall: Sysno) -> bool {
    notification.number == syscall.id()
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
