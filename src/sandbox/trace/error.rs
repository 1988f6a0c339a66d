//! Why a program could not be traced.

use std::{io, path::PathBuf};

use nix::errno::Errno;

use crate::sandbox::profile::ProfileError;

/// Why a program could not be traced.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// There is no such program.
    #[error("there is no program `{}`{}", .0.display(), if .0.components().count() == 1 { " in PATH" } else { "" })]
    NoProgram(PathBuf),
    /// The kernel does not execute it.
    #[error("`{}` cannot be executed: {errno}", path.display())]
    NotExecutable {
        /// The file.
        path: PathBuf,
        /// The error of execve(2).
        errno: Errno,
    },
    /// The filter that notifies cannot be installed.
    #[error("the filter that asks about calls cannot be installed\n  found: seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER): {errno:?}\n  fix:   {}", advice(*errno))]
    NoFilter {
        /// The error of seccomp(2).
        errno: Errno,
    },
    /// Another system call failed.
    #[error("{call}: {source}")]
    System {
        /// Its name.
        call: &'static str,
        /// Its error.
        source: io::Error,
    },
    /// The profile does not load.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The rules do not become a filter that notifies.
    #[error("the filter that asks cannot be compiled: {0}")]
    Filter(String),
}

fn advice(errno: Errno) -> &'static str {
    match errno {
        Errno::EBUSY => {
            "somebody answers this process's own system calls already (a container runtime such as sysbox or Incus, or another trace); \
             trace outside of it"
        }
        Errno::EINVAL | Errno::ENOSYS => {
            "needs Linux 5.19 with CONFIG_SECCOMP_FILTER; gVisor has no user notification; trace on another host"
        }
        Errno::EPERM | Errno::EACCES => {
            "this process's own seccomp filter forbids it; trace outside of the container, or with seccomp=unconfined"
        }
        _ => "trace on another host",
    }
}

/// Makes the error of a system call of it, for `map_err`.
pub(super) fn system<E: Into<io::Error>>(call: &'static str) -> impl FnOnce(E) -> TraceError {
    move |error| TraceError::System {
        call,
        source: error.into(),
    }
}
