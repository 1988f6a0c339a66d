//! Resource limits of a child. Hard and soft alike, so that it cannot raise them.

use nix::{
    errno::Errno,
    sys::resource::{Resource, getrlimit, setrlimit},
};

use super::message::Limits;

/// The most threads of one child where the kernel counts them per user. Go starts about 10.
const MOST_THREADS: u64 = 128;

/// Sets every limit and reads it back. `own_user` says that no other child shares the uid, so that
/// the count of its processes means something.
pub(super) fn apply(limits: Limits, own_user: bool) -> Result<(), Errno> {
    let mut wanted = vec![
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_FSIZE, 0), // no tool needs to write a file; pipes are not counted
        (Resource::RLIMIT_MEMLOCK, 0),
        (Resource::RLIMIT_MSGQUEUE, 0),
        (Resource::RLIMIT_NOFILE, 256),
        (Resource::RLIMIT_STACK, 8 << 20),
        (Resource::RLIMIT_DATA, limits.memory_bytes),
        (Resource::RLIMIT_CPU, limits.cpu_seconds),
    ];
    if own_user {
        wanted.push((Resource::RLIMIT_NPROC, MOST_THREADS));
    }
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
