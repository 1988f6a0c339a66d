//! The spawner's children, between fork and reaping.

use std::{
    collections::HashMap,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::Duration,
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

use super::{
    bounds::{ChildBounds, Lookout},
    cleaning::GivenWorkspace,
    message::{Exceeded, ExitStatus},
    privilege::Identity,
    urgency::{self, Work, Yielding},
};

/// A child between fork and reaping.
pub(super) struct ChildProcess {
    pub(super) pid: Pid,
    /// Readable once it has ended.
    pub(super) ended: OwnedFd,
    /// A tool's workspace, to be given back to the server.
    pub(super) workspace: Option<GivenWorkspace>,
    /// Its own user, when it has one.
    pub(super) user: Option<Identity>,
    pub(super) bounds: ChildBounds,
    /// Whether nothing of a request runs in it: it waits for one, or is about to end.
    pub(super) is_idle: bool,
    /// Its processors, beside those of others.
    pub(super) work: Work,
    /// How it ended, once what it wrote is being removed by the process that has taken its place.
    pub(super) status: Option<ExitStatus>,
}

impl ChildProcess {
    /// Whether something of a request runs in it.
    pub(super) fn runs(&self) -> bool {
        !self.is_idle && self.status.is_none()
    }

    /// Sends a signal to it and its group. It may have ended, which is reported by itself.
    pub(super) fn send(&mut self, signal: Signal) {
        self.signal(signal);
        // What stands still gets no signal but SIGKILL.
        self.stand_still(false);
    }

    fn signal(&self, signal: Signal) {
        let _ = killpg(self.pid, signal);
        let _ = kill(self.pid, signal);
    }

    /// Has it stand still, or go on.
    pub(super) fn stand_still(&mut self, still: bool) {
        if self.work.stands_still != still {
            self.work.stands_still = still;
            self.signal(if still {
                Signal::SIGSTOP
            } else {
                Signal::SIGCONT
            });
        }
    }

    /// Makes it the least urgent of all, with all that it starts.
    ///
    /// # Errors
    /// When this process could not become itself again.
    pub(super) fn yield_to_others(&mut self) -> io::Result<()> {
        if self.work.yielding == Yielding::Done || self.status.is_some() {
            return Ok(());
        }
        self.work.yielding = match urgency::yield_to_others(self.pid, self.user)? {
            true => Yielding::Done,
            false => Yielding::Begun,
        };
        Ok(())
    }
}

/// Ends children that take more than they may, and names them.
pub(super) fn end_those_beyond_bounds(
    children: &mut HashMap<u64, ChildProcess>,
) -> Vec<(u64, Exceeded)> {
    let running = children.iter_mut().filter(|(_, child)| !child.is_idle);
    running
        .filter_map(|(number, child)| {
            let bound = child.bounds.exceeded(child.pid)?;
            child.send(Signal::SIGKILL);
            child.is_idle = true;
            Some((*number, bound))
        })
        .collect()
}

/// What has happened.
pub(super) struct Ready {
    /// Whether the server has said something, or is gone.
    pub(super) socket: bool,
    /// The children that have ended.
    pub(super) ended: Vec<u64>,
}

/// Waits for the server, for a child's end, or until it is time to look at the children.
pub(super) fn wait(
    server: BorrowedFd<'_>,
    children: &HashMap<u64, ChildProcess>,
    lookout: &Lookout,
) -> io::Result<Ready> {
    let mut watched = vec![PollFd::new(server, PollFlags::POLLIN)];
    watched.extend(
        children
            .values()
            .map(|child| PollFd::new(child.ended.as_fd(), PollFlags::POLLIN)),
    );
    let patience = match children.values().all(|child| child.is_idle) {
        true => PollTimeout::NONE,
        // In whole milliseconds; one less would be waited for in a circle.
        false => PollTimeout::try_from(lookout.patience() + Duration::from_millis(1))
            .unwrap_or(PollTimeout::ZERO),
    };
    match poll(&mut watched, patience) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    let mut watched = watched.iter().map(|watched| watched.any().unwrap_or(false));
    let mut ready = Ready {
        socket: watched.next().unwrap_or(false),
        ended: Vec::new(),
    };
    let ended = children.keys().zip(watched);
    ready
        .ended
        .extend(ended.filter_map(|(child, is_ready)| is_ready.then_some(*child)));
    Ok(ready)
}
