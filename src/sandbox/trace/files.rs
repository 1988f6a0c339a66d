//! The files that a traced program opens, and which of them its profile lets a child open.
//!
//! May read the memory of the program, while the thread that opens waits for our answer.

use std::{
    collections::BTreeMap,
    env, fs,
    io::IoSliceMut,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    sys::uio::{RemoteIoVec, process_vm_readv},
    unistd::Pid,
};
use syscalls::Sysno;

use super::beyond::BeyondFile;
use crate::sandbox::{profile::Profile, sys::Notification};

/// A file that is about to be opened, or why its name cannot be read.
pub(super) type Opening = Result<OpenedFile, Errno>;

pub(super) struct OpenedFile {
    path: PathBuf,
    write: bool,
    /// The file that the path leads to, when there is one.
    found: Option<PathBuf>,
}

impl OpenedFile {
    /// Looks into the memory of the thread that waits.
    pub(super) fn by(notification: Notification) -> Option<Opening> {
        let [first, second, third, ..] = notification.arguments;
        let (folder, path, flags) = match notification.number {
            number if number == Sysno::openat.id() => (first, second, third),
            #[cfg(target_arch = "x86_64")]
            number if number == Sysno::open.id() => (HERE, first, second),
            _ => return None,
        };
        let flags = OFlag::from_bits_truncate(i32::try_from(flags & 0x7fff_ffff).unwrap_or(0));
        // Landlock has nothing against a path alone.
        if flags.contains(OFlag::O_PATH) {
            return None;
        }
        let write =
            flags.intersects(OFlag::O_WRONLY | OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_TRUNC);
        let absolute = |path: PathBuf| {
            // A descriptor's low 32 bits count; AT_FDCWD is negative.
            let folder = match folder & 0xffff_ffff {
                HERE => "cwd".to_owned(),
                folder => format!("fd/{folder}"),
            };
            let folder = if path.is_absolute() {
                Ok(PathBuf::new())
            } else {
                fs::read_link(format!("/proc/{}/{folder}", notification.thread))
            };
            let path = folder.unwrap_or_default().join(path);
            OpenedFile {
                found: fs::canonicalize(&path).ok(),
                path,
                write,
            }
        };
        Some(text_at(notification.thread, path).map(absolute))
    }
}

/// AT_FDCWD, as a register of 32 bits has it.
const HERE: u64 = 0xffff_ff9c;

/// Reads a path out of another process, page by page: the next one may not be there.
fn text_at(thread: Pid, address: u64) -> Result<PathBuf, Errno> {
    const PAGE: usize = 4096;
    let mut address = usize::try_from(address).map_err(|_| Errno::EFAULT)?;
    let mut text = Vec::new();
    while text.len() <= PAGE {
        let mut bytes = vec![0; PAGE - address % PAGE];
        let remote = RemoteIoVec {
            base: address,
            len: bytes.len(),
        };
        let length = process_vm_readv(thread, &mut [IoSliceMut::new(&mut bytes)], &[remote])?;
        bytes.truncate(length);
        if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
            bytes.truncate(end);
            text.extend(bytes);
            return Ok(PathBuf::from(std::ffi::OsStr::from_bytes(&text)));
        }
        address = address.saturating_add(bytes.len());
        text.extend(bytes);
    }
    Err(Errno::ENAMETOOLONG)
}

/// The files that a program opened, and what it may in the sandbox.
pub(super) struct OpenedFiles {
    most: usize,
    readable: Vec<PathBuf>,
    read: Vec<PathBuf>,
    /// Paths that are the request's own in the sandbox.
    home: Option<PathBuf>,
    kubeconfigs: Vec<PathBuf>,
    seen: BTreeMap<(PathBuf, bool), (u64, bool)>,
    pub(super) more: u64,
    pub(super) own: u64,
    pub(super) unread: u64,
}

impl OpenedFiles {
    pub(super) fn new(profile: &Profile, program: &Path, most: usize) -> Self {
        let mut readable: Vec<PathBuf> = profile
            .readable
            .iter()
            .filter_map(|path| fs::canonicalize(path).ok())
            .collect();
        readable.extend(fs::canonicalize(program));
        Self {
            most,
            readable,
            read: Vec::new(),
            home: env::var_os("HOME")
                .map(PathBuf::from)
                .filter(|home| home.parent().is_some()),
            kubeconfigs: env::var_os("KUBECONFIG")
                .map(|paths| env::split_paths(&paths).collect())
                .unwrap_or_default(),
            seen: BTreeMap::new(),
            more: 0,
            own: 0,
            unread: 0,
        }
    }

    pub(super) fn count(&mut self, opening: Opening) {
        let Ok(OpenedFile { path, write, found }) = opening else {
            self.unread += 1;
            return;
        };
        // A link is allowed where what it leads to is.
        if let Some(found) = &found
            && !write
            && self.readable.contains(found)
        {
            if !self.read.contains(found) {
                self.read.push(found.clone());
            }
            return;
        }
        if !write
            && (self
                .home
                .as_ref()
                .is_some_and(|home| path.starts_with(home))
                || self.kubeconfigs.contains(&path))
        {
            self.own += 1;
            return;
        }
        let key = (path, write);
        if self.seen.len() < self.most || self.seen.contains_key(&key) {
            self.seen.entry(key).or_insert((0, found.is_some())).0 += 1;
        } else {
            self.more += 1;
        }
    }

    /// The files that no child of the profile can open.
    pub(super) fn beyond(&self) -> Vec<BeyondFile> {
        let beyond =
            |((path, write), (count, exists)): (&(PathBuf, bool), &(u64, bool))| BeyondFile {
                path: path.clone(),
                write: *write,
                count: *count,
                exists: *exists,
            };
        self.seen.iter().map(beyond).collect()
    }

    /// Readable files that exist, and were not read.
    pub(super) fn unused(&self, profile: &Profile) -> Vec<PathBuf> {
        let ignored =
            |path: &&PathBuf| fs::canonicalize(path).is_ok_and(|found| !self.read.contains(&found));
        profile.readable.iter().filter(ignored).cloned().collect()
    }
}
