//! What a child had and left: whose its workspace is, emptied directories, ended processes.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::{
    errno::Errno,
    sys::{
        resource::{Resource, setrlimit},
        signal::{Signal, kill},
        stat::{Mode, SFlag, fchmod, fstat},
        wait::waitpid,
    },
    unistd::{Pid, UnlinkatFlags, fchown, geteuid, unlinkat},
};

use super::{privilege::Identity, scratch, sys};

/// What of a workspace belongs to the child while it lives. Descriptors and not paths: whoever may
/// change owners (CAP_CHOWN) need not be able to look into directories.
pub(super) struct GivenWorkspace {
    pub(super) directory: OwnedFd,
    pub(super) kubeconfig: OwnedFd,
    pub(super) home: OwnedFd,
    pub(super) scratch: Option<OwnedFd>,
}

impl GivenWorkspace {
    /// Fails for what is not the server's own: we may change the owner of anything that it can
    /// open, and give it back to it.
    pub(super) fn of(&self, server: Identity) -> Result<(), Errno> {
        let folders = [
            Some(&self.directory),
            Some(&self.home),
            self.scratch.as_ref(),
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

/// Removes what is in a workspace. For a server that was killed and cannot.
pub(super) fn wipe(directory: BorrowedFd<'_>) {
    let us = geteuid();
    let _ = fchown(directory, Some(us), None); // without a uid of its own it is ours already
    let _ = fchmod(directory, Mode::S_IRWXU);
    for file in ["kubeconfig", "ca.pem"] {
        let _ = unlinkat(directory, file, UnlinkatFlags::NoRemoveDir);
    }
    for folder in ["home", "scratch"] {
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
            let done =
                bounded.is_ok() && assumed.is_ok() && scratch::empty(scratch.as_fd()).is_ok();
            sys::exit_now(i32::from(!done)) // what is left, the server tells when it removes the directory
        }
        Err(_) => None,
    }
}

/// Processor time to empty a scratch directory, in seconds: a million files take less than two.
const LONGEST_CLEANING: u64 = 5;

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
    use std::{fs, path::Path};

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
