//! The traced program, from its file to its first call: no layer of the sandbox confines it.
//!
//! Only the filter is put on it that notifies us. Held by `tests/escape/trace.rs`.

use std::{
    env,
    ffi::CString,
    fs::{self, File},
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::PermissionsExt},
    },
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{prctl, signal::Signal, socket::MsgFlags},
    unistd::execv,
};

use super::error::TraceError;
use crate::sandbox::{
    datagram::{receive, send},
    filter::SyscallFilter,
    sys,
};

/// The file that a shell would execute.
pub(super) fn program(name: &Path) -> Option<PathBuf> {
    let executable = |path: &PathBuf| {
        fs::metadata(path)
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    if name.as_os_str().as_bytes().contains(&b'/') {
        return fs::exists(name).unwrap_or(false).then(|| name.to_owned());
    }
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(executable)
}

pub(super) fn c_string(text: &std::ffi::OsStr) -> Option<CString> {
    CString::new(text.as_bytes()).ok()
}

/// All that the child needs, prepared before the fork.
pub(super) struct TracedStart {
    pub(super) filter: SyscallFilter,
    pub(super) handover: OwnedFd,
    pub(super) path: CString,
    pub(super) arguments: Vec<CString>,
    pub(super) report: File,
}

/// A step that failed in the child.
#[derive(Clone, Copy)]
enum TracedStep {
    Prepare = b'p' as isize,
    Filter = b'f' as isize,
    Execute = b'x' as isize,
}

impl TracedStart {
    pub(super) fn become_program(mut self) -> ! {
        let (step, errno) = self.start();
        let mut record = vec![step as u8];
        record.extend((errno as i32).to_ne_bytes());
        let _ = self.report.write_all(&record); // the parent sees a child that exited 125
        sys::exit_now(125)
    }

    /// Returns only when it fails.
    fn start(&self) -> (TracedStep, Errno) {
        let prepared = sys::default_signals()
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))
            // Without a process that answers, every call that is notified of would fail.
            .and_then(|()| prctl::set_pdeathsig(Signal::SIGKILL))
            .and_then(|()| prctl::set_no_new_privs())
            // The same message as below: what it allocates has been allocated then, and would be
            // notified of.
            .and_then(|()| {
                send(
                    self.handover.as_fd(),
                    b"-",
                    &[self.handover.as_fd()],
                    HANDOVER_FLAGS,
                )
            });
        if let Err(errno) = prepared {
            return (TracedStep::Prepare, errno);
        }
        let code = self.filter.program(nix::unistd::getpid(), NO_TOOL);
        let listener = match sys::install_notifying_filter(&code) {
            Ok(listener) => listener,
            Err(error) => {
                return (
                    TracedStep::Filter,
                    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)),
                );
            }
        };
        if let Err(errno) = send(
            self.handover.as_fd(),
            b"?",
            &[listener.as_fd()],
            HANDOVER_FLAGS,
        ) {
            return (TracedStep::Prepare, errno);
        }
        let Err(errno) = execv(&self.path, &self.arguments);
        (TracedStep::Execute, errno)
    }
}

/// The descriptor of the tool, where there is none: no process has so many.
const NO_TOOL: i32 = i32::MAX;

/// How long the child may take to install its filter, in milliseconds: it has nothing else to do.
const HANDOVER: u16 = 5000;

/// What only the message with the descriptor of the filter is sent with, so that the filter knows
/// it.
pub(super) const HANDOVER_FLAGS: MsgFlags = MsgFlags::MSG_DONTWAIT;

/// The listener of the child's filter; `None` when it ended, or hangs, before it had one.
pub(super) fn handed_over(socket: BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
    loop {
        let mut watched = [PollFd::new(socket, PollFlags::POLLIN)];
        match poll(&mut watched, PollTimeout::from(HANDOVER)) {
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
            Ok(0) => return Ok(None),
            Ok(_) => {}
        }
        match receive(socket, 1)? {
            Some((bytes, descriptors)) if bytes == b"?" => {
                return Ok(descriptors.into_iter().next());
            }
            Some(_) => {}
            None => return Ok(None),
        }
    }
}

/// Reads why the child is not the program; `None` when it is.
pub(super) fn failure(failures: OwnedFd, path: &Path) -> Option<TraceError> {
    let mut record = Vec::new();
    File::from(failures).read_to_end(&mut record).ok()?;
    let (step, errno) = record.split_first()?;
    let errno = Errno::from_raw(i32::from_ne_bytes(errno.try_into().ok()?));
    Some(match *step {
        step if step == TracedStep::Execute as u8 => TraceError::NotExecutable {
            path: path.to_owned(),
            errno,
        },
        step if step == TracedStep::Filter as u8 => TraceError::NoFilter { errno },
        _ => TraceError::System {
            call: "the start of the child",
            source: errno.into(),
        },
    })
}
