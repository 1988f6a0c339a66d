//! How urgent children are beside each other: what has computed for long leaves the processors to
//! what has not.
//!
//! Each child is a tenth as urgent as the server when it starts. One of a caller that has another
//! running, and one that has had its share, become the least urgent of all: a caller that fills its
//! places with work that never ends does not slow down who asks short questions. Where nobody else
//! wants the processors nothing changes.
//!
//! That is the kernel's to do, and it does it over seconds, one session beside the other; a host that
//! bounds a group of processes stops all of them at once. So what has had its share also stands still
//! while something else works ([`Holding`](super::holding::Holding)).
//!
//! A plain user may lower what is its own. The spawner that is root becomes the child's user for that
//! call, since it need not have CAP_SYS_NICE. Held by `tests/escape/bounds.rs`.

use std::{
    fs, io,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    unistd::{Pid, Uid, getsid, seteuid},
};

use super::{privilege::Identity, rlimit::LEAST_URGENT, sys};

/// The processor time of a child that has had its share: five times what a short question takes.
pub(super) const SHARE: Duration = Duration::from_millis(200);

/// How often children are looked at while one of them may have to stand still.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(25);

/// What sysconf(_SC_CLK_TCK) is on every Linux.
const TICKS_PER_SECOND: u64 = 100;

/// How urgent its session is then beside others, where sessions share the processors and not
/// processes (sched(7), autogroup): a tenth.
const OF_SESSION: &str = "10";

/// A child's processors, beside those of others.
#[derive(Debug)]
pub(super) struct Work {
    /// How far it is the least urgent of all.
    pub(super) yielding: Yielding,
    /// Whether it stands still while others work.
    pub(super) is_held: bool,
    /// Whether it does now.
    pub(super) stands_still: bool,
    /// When it was last seen at work.
    pub(super) worked: Option<Instant>,
    /// The processor time that it had at the last look.
    pub(super) computed: Duration,
}

/// How far a child is the least urgent of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Yielding {
    /// It is not.
    No,
    /// It is to be, and the kernel has not taken all of it yet.
    Begun,
    /// It is.
    Done,
}

impl Work {
    /// Of one that begins.
    pub(super) fn new() -> Self {
        Self {
            yielding: Yielding::No,
            is_held: false,
            stands_still: false,
            worked: None,
            computed: Duration::ZERO,
        }
    }
}

/// The processor time that a child has had; nothing once it has ended.
pub(super) fn computed(child: Pid) -> Option<Duration> {
    read(&fs::read_to_string(format!("/proc/{child}/stat")).ok()?)
}

/// Reads the processor time of all threads of a process (proc_pid_stat(5)).
fn read(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(") ")?; // what stands before may hold anything
    let mut times = fields.split(' ').skip(11).take(2);
    let mut ticks = || times.next()?.parse::<u64>().ok();
    let ticks = ticks()?.checked_add(ticks()?)?;
    Some(Duration::from_millis(
        ticks.saturating_mul(1000 / TICKS_PER_SECOND),
    ))
}

/// Makes all threads of a child and of what it starts the least urgent there are; whether nothing is
/// left to do.
///
/// # Errors
/// When this process could not become itself again: it has to end.
pub(super) fn yield_to_others(child: Pid, user: Option<Identity>) -> io::Result<bool> {
    // It may have ended, and may have no group of its own where that layer is off.
    as_user(user, || {
        let _ = sys::set_niceness(Some(child), LEAST_URGENT);
    })?;
    // Where that layer is off, its session is the server's own, and all other children's.
    if getsid(Some(child)) != Ok(child) {
        return Ok(true);
    }
    let session = || fs::write(format!("/proc/{child}/autogroup"), OF_SESSION);
    // The kernel takes ten of these a second from all that have not CAP_SYS_ADMIN, and none at all
    // in a control group. A root that may not write what is another user's becomes that user.
    let done = match (session(), user) {
        (Err(error), Some(_)) if error.kind() == io::ErrorKind::PermissionDenied => {
            as_user(user, session)?
        }
        (done, _) => done,
    };
    let is_later = |error: io::Error| error.raw_os_error() == Some(Errno::EAGAIN as i32);
    Ok(!done.is_err_and(is_later))
}

/// Does something as a child's user, where it has one of its own. The real and the saved user stay
/// root, so that nobody else may signal or trace this process meanwhile.
fn as_user<T>(user: Option<Identity>, act: impl FnOnce() -> T) -> io::Result<T> {
    let Some(user) = user else {
        return Ok(act());
    };
    seteuid(user.uid())?;
    let done = act();
    seteuid(Uid::from_raw(0))?;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_process_is_read_as_the_kernel_tells_it() {
        let stat = "7 (a) b) c) R 1 7 7 0 -1 4194304 90 0 0 0 12 9 50 60 39 19 3 0 1 2 3";
        assert_eq!(read(stat), Some(Duration::from_millis(210)));
        assert_eq!(read("7 (kubectl) R 1"), None);
        assert_eq!(read(""), None);
    }
}
