//! One attempt that a hostile program in a child would make, and what it must find.
//!
//! Each probe runs in a child of its own, confined as a tool is ([`battery`](super::battery)). One
//! that `succeeds` unconfined has a control: it is run there too, since a probe that fails anyway
//! proves nothing.

use std::{
    ffi::CString,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use nix::errno::Errno;
use serde::{Serialize, Serializer};
use syscalls::Sysno;

use crate::sandbox::sys;

/// What became of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It did what it wanted.
    Allowed,
    /// The call failed.
    Refused(Errno),
    /// The process was killed for it (SIGSYS).
    Killed,
    /// The process ended otherwise, with this status.
    Ended(i32),
    /// It was still at it after five seconds.
    Hung,
}

impl Found {
    /// `allowed`, `killed`, or the error's name.
    pub fn text(self) -> String {
        match self {
            Self::Allowed => "allowed".into(),
            Self::Refused(errno) => format!("{errno:?}"),
            Self::Killed => "killed".into(),
            Self::Ended(status) => format!("ended with {status}"),
            Self::Hung => "hung".into(),
        }
    }
}

impl Serialize for Found {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

/// What a probe finds around it.
#[derive(Debug)]
pub(super) struct Scene {
    /// The child's own directory.
    pub(super) own: PathBuf,
    /// Its scratch directory, where its profile lets it write.
    pub(super) scratch: PathBuf,
    /// Another request's, with a kubeconfig in it.
    pub(super) other: PathBuf,
    /// A folder that everybody may write to, with a file `file` that everybody may write to.
    pub(super) open: PathBuf,
    /// The program that runs, which a child may read and execute.
    pub(super) tool: PathBuf,
    /// A TCP server on loopback that is not the pinned one.
    pub(super) tcp_port: u16,
    /// The name of a listening abstract Unix socket.
    pub(super) abstract_name: String,
    /// Our own process, in the place of the server.
    pub(super) server: i32,
    /// A process of the same user, in the place of another request's child.
    pub(super) sibling: i32,
    /// A descriptor that exec would hand on, were it not marked.
    pub(super) leaked: i32,
}

impl Scene {
    /// Removes what an attempt has made, so that the next one can make it.
    pub(super) fn reset(&self) {
        for name in ["new", "pipe", "symlink"] {
            let _ = fs::remove_file(self.open.join(name));
        }
        let _ = fs::remove_dir(self.open.join("folder"));
        for name in ["new", "link", "renamed"] {
            let _ = fs::remove_file(self.own.join(name));
        }
        for name in ["new", "program"] {
            let _ = fs::remove_file(self.scratch.join(name));
        }
        let _ = fs::remove_dir(self.scratch.join("folder"));
    }
}

/// A single attempt.
pub(super) struct Probe {
    pub(super) group: &'static str,
    pub(super) name: String,
    pub(super) expected: Vec<Found>,
    /// Whether it must succeed unconfined.
    pub(super) succeeds: bool,
    pub(super) attempt: Attempt,
}

/// Makes the attempt; an error is what the kernel answered.
pub(super) type Attempt = Box<dyn Fn(&Scene) -> Result<(), Errno>>;

pub(super) const EPERM: Found = Found::Refused(Errno::EPERM);
pub(super) const EACCES: Found = Found::Refused(Errno::EACCES);
pub(super) const ENOENT: Found = Found::Refused(Errno::ENOENT);

pub(super) fn probe(
    group: &'static str,
    name: &str,
    expected: Found,
    attempt: impl Fn(&Scene) -> Result<(), Errno> + 'static,
) -> Probe {
    Probe {
        group,
        name: name.to_owned(),
        expected: vec![expected],
        succeeds: false,
        attempt: Box::new(attempt),
    }
}

impl Probe {
    pub(super) fn controlled(mut self) -> Self {
        self.succeeds = true;
        self
    }
}

// The kernel's own numbers, where libc has other types for them.
pub(super) const READ: i64 = libc::O_RDONLY as i64 | libc::O_CLOEXEC as i64;
pub(super) const WRITE: i64 = libc::O_WRONLY as i64 | libc::O_CLOEXEC as i64;
pub(super) const DIRECTORY: i64 = READ | libc::O_DIRECTORY as i64;
pub(super) const HERE: i64 = libc::AT_FDCWD as i64;

pub(super) fn call(syscall: Sysno, arguments: &[i64]) -> Result<i64, Errno> {
    let mut six = [0; 6];
    six.iter_mut()
        .zip(arguments)
        .for_each(|(place, argument)| *place = *argument);
    sys::attempt(libc::c_long::from(syscall.id()), six)
}

/// The address of something that outlives the call.
pub(super) fn address<T>(of: &T) -> i64 {
    std::ptr::from_ref(of).addr() as i64
}

pub(super) fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}

/// A call about a path: `before` stand before it, `after` behind.
pub(super) fn on(path: &Path, syscall: Sysno, before: &[i64], after: &[i64]) -> Result<(), Errno> {
    let path = c_path(path);
    let arguments = [before, &[path.as_ptr().addr() as i64], after].concat();
    call(syscall, &arguments).map(drop)
}

pub(super) fn open(path: &Path, flags: i64) -> Result<i64, Errno> {
    let path = c_path(path);
    call(
        Sysno::openat,
        &[HERE, path.as_ptr().addr() as i64, flags, 0o600],
    )
}

pub(super) fn opens(path: &Path, flags: i64) -> Result<(), Errno> {
    open(path, flags).map(drop)
}
