//! Resource limits of a child. Hard and soft alike, so that it cannot raise them.

use nix::{
    errno::Errno,
    sys::resource::{Resource, getrlimit, setrlimit},
};

use super::{message::Limits, privilege::ChildUser, sys};

/// The most threads of one child, with all that it starts. Go starts about 10.
pub(super) const MOST_THREADS: u64 = 48;
/// The most of a user that children share with the server, and perhaps with more of this host. The
/// kernel counts them together, so that this keeps no child from the threads of another:
/// [`bounds`](super::bounds) does.
const MOST_SHARED_THREADS: u64 = 4096;
/// The same for a child that starts processes, so that the others have the rest.
const MOST_SHARED_PROCESSES: u64 = MOST_SHARED_THREADS / 2;
/// The addresses that a Go program reserves before it does anything, and room (`docs/sandbox.md`,
/// numbers).
const RESERVED: u64 = 2 << 30;
/// The addresses of a program that reserves none, besides its data: itself, its stack, and what it
/// has made read-only.
const BESIDES_DATA: u64 = 64 << 20;
/// The signals that wait for a child, which the kernel holds in memory of its own.
const MOST_SIGNALS: u64 = 256;

pub(super) const LEAST_URGENT: i32 = 19;
/// How much less urgent than the server a child is (nice(2)): a tenth of its share where both want
/// a processor.
const LESS_URGENT: i32 = 10;

/// The largest file of a child that may write, and the largest that its helper reads. Manifests are
/// far smaller.
const LARGEST_FILE: u64 = 16 << 20;

/// Leaves the processors to the server where both want them. Its session stays as urgent as others:
/// where sessions share the processors and not processes (sched(7), autogroup), a tool would wait
/// for whatever else the host computes, and the server does not (`docs/sandbox.md`). The spawner stands still until the
/// child runs its program, so that this comes last.
pub(super) fn yield_to_others() -> Result<(), Errno> {
    let expected = (sys::niceness() + LESS_URGENT).min(LEAST_URGENT);
    let _ = sys::set_niceness(None, expected); // it is read back
    if sys::niceness() == expected {
        Ok(())
    } else {
        Err(Errno::EPERM)
    }
}

/// What a child may write, besides to its streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writes {
    Nothing,
    /// Files in a directory of its own; then it also has a helper to start.
    Files,
}

/// Sets every limit and reads it back. `reserves`: whether the program reserves addresses that it
/// does not use.
pub(super) fn apply(
    limits: Limits,
    user: ChildUser,
    writes: Writes,
    reserves: bool,
) -> Result<(), Errno> {
    let besides_data = if reserves { RESERVED } else { BESIDES_DATA };
    let threads = match (user, writes) {
        (ChildUser::Own, _) => MOST_THREADS,
        (ChildUser::Shared, Writes::Files) => MOST_SHARED_PROCESSES,
        (ChildUser::Shared, Writes::Nothing) => MOST_SHARED_THREADS,
    };
    let largest_file = match writes {
        Writes::Nothing => 0, // pipes are not counted
        Writes::Files => LARGEST_FILE,
    };
    let wanted = [
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_FSIZE, largest_file),
        (Resource::RLIMIT_MEMLOCK, 0),
        (Resource::RLIMIT_MSGQUEUE, 0),
        (Resource::RLIMIT_NOFILE, 256),
        (Resource::RLIMIT_STACK, 8 << 20),
        (Resource::RLIMIT_DATA, limits.memory_bytes),
        // Page tables of what is only reserved are counted nowhere else; nor is what was written to
        // and may not be any more.
        (
            Resource::RLIMIT_AS,
            limits.memory_bytes.saturating_add(besides_data),
        ),
        (Resource::RLIMIT_NPROC, threads),
        (Resource::RLIMIT_SIGPENDING, MOST_SIGNALS),
        (Resource::RLIMIT_CPU, limits.cpu_seconds),
        // What it is given of the processors it cannot raise.
        (Resource::RLIMIT_NICE, 0),
        (Resource::RLIMIT_RTPRIO, 0),
    ];
    for (resource, limit) in wanted {
        let (_, hard) = getrlimit(resource)?;
        let limit = limit.min(hard);
        setrlimit(resource, limit, limit)?;
        if getrlimit(resource)? != (limit, limit) {
            return Err(Errno::EINVAL);
        }
    }
    Ok(())
}
