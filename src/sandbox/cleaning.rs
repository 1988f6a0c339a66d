//! The things that a child had and left: its workspace, what it wrote there, its processes.
//!
//! May change the owner of what the server owns, and of nothing else ([`GivenWorkspace::of`]). What
//! is emptied or ended belongs to the child's user, and is emptied or ended as that user.
//!
//! Held by the test below, `tests/escape/writer.rs` and `tests/service/`.

use std::{
    fs,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use nix::{
    errno::Errno,
    fcntl::AtFlags,
    sys::{
        resource::{Resource, setrlimit},
        signal::{Signal, kill},
        stat::{Mode, SFlag, fchmod, fstat, fstatat},
        wait::waitpid,
    },
    unistd::{Pid, UnlinkatFlags, fchown, fchownat, geteuid, getpid, getsid, unlinkat},
};

use super::{privilege::Identity, sys};
use crate::{
    data::MOST_FILES,
    workspace::{DIRECTORIES, FILES, GIVEN, empty, names_in, remove},
};

/// What of a workspace belongs to the child while it lives. Descriptors and not paths: whoever may
/// change owners (CAP_CHOWN) need not be able to look into directories.
pub(super) struct GivenWorkspace {
    pub(super) directory: OwnedFd,
    pub(super) kubeconfig: OwnedFd,
    pub(super) home: OwnedFd,
    pub(super) scratch: Option<OwnedFd>,
    /// The folder of the request's files; what is in it belongs to who it belongs to.
    pub(super) files: Option<OwnedFd>,
}

impl GivenWorkspace {
    /// Fails for what is not the server's own: we may change the owner of anything that it can
    /// open, and give it back to it.
    pub(super) fn of(&self, server: Identity) -> Result<(), Errno> {
        let folders = [
            Some(&self.directory),
            Some(&self.home),
            self.scratch.as_ref(),
            self.files.as_ref(),
        ];
        let folders = folders
            .into_iter()
            .flatten()
            .map(|folder| (folder, SFlag::S_IFDIR));
        folders
            .chain([(&self.kubeconfig, SFlag::S_IFREG)])
            .try_for_each(|(entry, kind)| {
                let status = fstat(entry)?;
                let is_its_own = status.st_uid == server.uid().as_raw()
                    && status.st_mode & SFlag::S_IFMT.bits() == kind.bits();
                if is_its_own {
                    Ok(())
                } else {
                    Err(Errno::EPERM)
                }
            })
    }

    /// Makes all of it another user's.
    pub(super) fn give(&self, to: Identity) -> Result<(), Errno> {
        if let Some(files) = &self.files {
            give_files(files.as_fd(), to)?;
        }
        let entries = [
            Some(&self.directory),
            Some(&self.kubeconfig),
            Some(&self.home),
            self.scratch.as_ref(),
        ];
        entries
            .into_iter()
            .flatten()
            .try_for_each(|entry| fchown(entry, Some(to.uid()), Some(to.gid())))
    }
}

/// Makes the files of a request another user's, and their folder at last. It is ours meanwhile: who
/// may change owners (CAP_CHOWN) need not be able to look into it otherwise, and nobody else changes
/// what is in it.
fn give_files(folder: BorrowedFd<'_>, to: Identity) -> Result<(), Errno> {
    let owner = fstat(folder)?.st_uid;
    fchown(folder, Some(geteuid()), None)?;
    let names = names_in(folder, MOST_FILES + 1)?;
    if names.len() > MOST_FILES {
        return Err(Errno::E2BIG);
    }
    for name in names {
        let status = fstatat(folder, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW)?;
        let is_plain = status.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFREG.bits();
        if !is_plain || status.st_uid != owner {
            return Err(Errno::EPERM);
        }
        let (uid, gid) = (Some(to.uid()), Some(to.gid()));
        fchownat(
            folder,
            name.as_c_str(),
            uid,
            gid,
            AtFlags::AT_SYMLINK_NOFOLLOW,
        )?;
    }
    fchown(folder, Some(to.uid()), Some(to.gid()))
}

/// Removes what is in a workspace. For a server that was killed and cannot.
pub(super) fn wipe(directory: BorrowedFd<'_>) {
    let us = geteuid();
    let _ = fchown(directory, Some(us), None); // without a uid of its own it is ours already
    let _ = fchmod(directory, Mode::S_IRWXU);
    for file in FILES {
        let _ = unlinkat(directory, file, UnlinkatFlags::NoRemoveDir);
    }
    let _ = remove(directory, GIVEN);
    for folder in DIRECTORIES {
        let _ = unlinkat(directory, folder, UnlinkatFlags::RemoveDir);
    }
}

/// Starts a process that empties a scratch directory as its owner; the descriptor is readable once
/// it has ended.
pub(super) fn clean(scratch: Option<&OwnedFd>, owner: Option<Identity>) -> Option<(Pid, OwnedFd)> {
    let scratch = scratch?;
    match sys::fork() {
        Ok(sys::Forked::Parent(pid)) => match sys::pidfd_open(pid) {
            Ok(ended) => Some((pid, ended)),
            Err(_) => {
                let _ = kill(pid, Signal::SIGKILL);
                let _ = waitpid(pid, None);
                None
            }
        },
        Ok(sys::Forked::Child) => {
            let bounded = setrlimit(Resource::RLIMIT_CPU, LONGEST_CLEANING, LONGEST_CLEANING);
            let assumed = owner.map_or(Ok(()), Identity::assume);
            let done = bounded.is_ok() && assumed.is_ok() && empty(scratch.as_fd()).is_ok();
            sys::exit_now(i32::from(!done)) // the server reports what is left, when it removes the directory
        }
        Err(_) => None,
    }
}

/// Processor time to empty a scratch directory, in seconds: a million files take less than two.
const LONGEST_CLEANING: u64 = 5;

/// More than the levels of processes that one call can have (RLIMIT_NPROC).
const MOST_ROUNDS: usize = 256;

/// Ends processes that a child of this user started and left: they are ours now
/// (PR_SET_CHILD_SUBREAPER). `running` are the children that have not ended.
///
/// Ending one gives us its own children, so this goes on until nobody is left. What forks faster
/// than it can be ended one by one is ended by its user, all at once.
pub(super) fn end_orphans(running: &[Pid], user: Option<Identity>) {
    for round in 0..MOST_ROUNDS {
        let orphans = orphans(running);
        if orphans.is_empty() {
            return;
        }
        if round > 0
            && let Some(user) = user
        {
            end_everything_of(user);
        }
        for pid in orphans {
            let _ = kill(pid, Signal::SIGKILL);
            let _ = waitpid(pid, None);
        }
    }
}

/// Our children that are no calls, nor of one that still runs: what that leaves meanwhile goes with
/// it, and how fast it does so must not keep us from others. Nobody leaves the session of a call:
/// no profile has `setsid`.
fn orphans(running: &[Pid]) -> Vec<Pid> {
    let ours =
        fs::read_to_string(format!("/proc/self/task/{}/children", getpid())).unwrap_or_default();
    let pids = ours
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .map(Pid::from_raw);
    pids.filter(|pid| {
        let session = getsid(Some(*pid)).ok();
        !running
            .iter()
            .any(|call| call == pid || session == Some(*call))
    })
    .collect()
}

/// Ends every process of a user: one `kill(-1)` as that user leaves no gap for a fork to slip
/// through.
pub(super) fn end_everything_of(user: Identity) {
    match sys::fork() {
        Ok(sys::Forked::Parent(helper)) => {
            let _ = waitpid(helper, None);
        }
        Ok(sys::Forked::Child) => {
            if user.assume().is_ok() {
                let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
            }
            sys::exit_now(0);
        }
        Err(_) => {} // the next round ends them one by one
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn only_what_is_the_servers_is_given_away() {
        let us = Identity::new(geteuid().as_raw());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kubeconfig");
        fs::write(&file, "").unwrap();
        let open = |path: &Path| OwnedFd::from(fs::File::open(path).unwrap());
        let with = |kubeconfig: &Path, home: &Path, scratch: Option<&Path>| GivenWorkspace {
            directory: open(folder.path()),
            kubeconfig: open(kubeconfig),
            home: open(home),
            scratch: scratch.map(open),
            files: None,
        };
        assert_eq!(
            with(&file, folder.path(), Some(folder.path())).of(us),
            Ok(())
        );
        assert_eq!(
            with(&file, folder.path(), None).of(Identity::new(us.uid().as_raw() + 1)),
            Err(Errno::EPERM),
            "another's"
        );
        assert_eq!(
            with(folder.path(), folder.path(), None).of(us),
            Err(Errno::EPERM),
            "a folder for a file"
        );
        assert_eq!(
            with(&file, folder.path(), Some(&file)).of(us),
            Err(Errno::EPERM),
            "a file for a folder"
        );
        assert_eq!(
            with(Path::new("/dev/null"), folder.path(), None).of(us),
            Err(Errno::EPERM),
            "a device"
        );
    }
}
