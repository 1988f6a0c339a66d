//! Removes what servers of the same user that have ended left: nobody holds their lock any more.
//!
//! It may run as root in a folder where others may write, so that whoever left something there may
//! also change it meanwhile. May not act on a path: an entry is opened once, without following a
//! link, looked at through its descriptor, and everything below is reached from that descriptor.
//!
//! Held by the tests below and by `tests/service/strangers.rs`.

use std::{
    ffi::CStr,
    fs::{File, Metadata, TryLockError},
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::Path,
    time::{Duration, SystemTime},
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, openat},
    sys::stat::Mode,
    unistd::{Uid, UnlinkatFlags, geteuid, unlinkat},
};

use super::emptying::{Folder, empty, names_in};

/// How the names of the servers' folders begin.
pub(super) const PREFIX: &str = "kube-airlock.";
/// The file in such a folder that its server holds locked for as long as it lives.
pub(super) const LOCK: &CStr = c"lock";

/// Removes the folders in `base` whose server has ended. `owner` is the user that a server which
/// was started as root becomes.
pub(super) fn sweep(base: &Path, owner: Option<u32>) {
    let ours = [geteuid().as_raw(), owner.unwrap_or(u32::MAX)];
    let Ok(base) = File::open(base).map(OwnedFd::from) else {
        return;
    };
    for name in names_in(base.as_fd(), usize::MAX).unwrap_or_default() {
        if !name.to_bytes().starts_with(PREFIX.as_bytes()) {
            continue;
        }
        let Ok(folder) = Folder::find(base.as_fd(), &name) else {
            continue; // no folder, or gone by now
        };
        if !is_left(&folder, ours) {
            continue;
        }
        let removed = folder.take_over().and_then(|folder| {
            empty(folder.as_fd())?;
            // By name, and only what is an empty folder: nothing but that can come to harm.
            unlinkat(&base, name.as_c_str(), UnlinkatFlags::RemoveDir)
        });
        if let Err(error) = removed {
            tracing::warn!(folder = %name.to_string_lossy(), %error, "what a server left cannot be removed");
        }
    }
}

/// Whether a folder is one of our servers', and that server has ended.
fn is_left(folder: &Folder, ours: [u32; 2]) -> bool {
    let Ok(metadata) = folder.metadata() else {
        return false;
    };
    if !ours.contains(&metadata.uid()) {
        return false;
    }
    match open_lock(folder) {
        Ok(lock) => !matches!(lock.try_lock(), Err(TryLockError::WouldBlock)),
        // The lock is the first that a server makes, and of what it removes at its end the rest
        // could stay.
        Err(Errno::ENOENT) => metadata.modified().is_ok_and(is_long_ago),
        Err(_) => false,
    }
}

/// Opens the lock, which is a plain file with one name. What else stands in its place is none of
/// ours; to open a FIFO, one would wait for its writer.
fn open_lock(folder: &Folder) -> Result<File, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let lock = File::from(openat(folder, LOCK, flags, Mode::empty())?);
    let is_plain = |metadata: Metadata| metadata.is_file() && metadata.nlink() == 1;
    match lock.metadata().is_ok_and(is_plain) {
        true => Ok(lock),
        false => Err(Errno::EPERM),
    }
}

/// Longer ago than a server takes to make its directory and the lock in it.
fn is_long_ago(time: SystemTime) -> bool {
    time.elapsed()
        .is_ok_and(|elapsed| elapsed > Duration::from_secs(60))
}

/// Fails where a server that starts as root must not make its folder: others could put something
/// else in the place of what it made there.
pub(super) fn trusted_base(base: &Path, owner: Option<u32>) -> io::Result<()> {
    if !geteuid().is_root() {
        return Ok(()); // nothing is given away there, and a pod's volume is everybody's
    }
    let metadata = std::fs::metadata(base)?;
    let is_shared = metadata.mode() & 0o022 != 0 && metadata.mode() & 0o1000 == 0;
    let is_strangers = !Uid::from_raw(metadata.uid()).is_root() && Some(metadata.uid()) != owner;
    if is_shared || is_strangers {
        return Err(io::Error::other(format!(
            "{} is {}, so that others could put something else in the place of what root makes there: `chown root {0}; chmod +t {0}`",
            base.display(),
            if is_strangers {
                "another user's"
            } else {
                "one where others may rename what is not theirs"
            },
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
        sync::mpsc,
        thread,
    };

    use nix::{
        sys::resource::{Resource, getrlimit, setrlimit},
        unistd::mkfifo,
    };

    use super::{super::Workspaces, *};

    #[test]
    fn a_start_sweeps_what_a_crash_left_and_nothing_else() {
        let base = tempfile::tempdir().unwrap();
        let alive = Workspaces::create(Some(base.path()), None).unwrap();
        let crashed = base.path().join(format!("{PREFIX}crashed"));
        fs::create_dir_all(crashed.join("r-1/home")).unwrap();
        // As deep as a child can, on a host with few descriptors.
        fs::create_dir_all(crashed.join("r-1").join("d/".repeat(1900))).unwrap();
        fs::set_permissions(crashed.join("r-1"), fs::Permissions::from_mode(0o000)).unwrap();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, soft.min(1024), hard).unwrap();
        fs::write(crashed.join("lock"), "").unwrap();
        fs::create_dir(base.path().join("somebody-elses")).unwrap();
        let [unfinished, beginning] =
            ["unfinished", "beginning"].map(|name| base.path().join(format!("{PREFIX}{name}")));
        fs::create_dir_all(unfinished.join("r-1")).unwrap();
        File::open(&unfinished)
            .unwrap()
            .set_modified(SystemTime::now() - Duration::from_secs(90))
            .unwrap();
        fs::create_dir(&beginning).unwrap();
        let _next = Workspaces::create(Some(base.path()), None).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
        assert!(!crashed.exists() && !unfinished.exists());
        assert!(beginning.exists(), "its server is about to take the lock");
        assert!(alive.path().exists());
        assert!(base.path().join("somebody-elses").exists());
    }

    #[test]
    fn a_lock_that_is_a_fifo_a_link_or_of_two_names_holds_nobody_up_and_sweeps_nothing() {
        let base = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let folder = base.path().join(format!("{PREFIX}{name}"));
            fs::create_dir(&folder).unwrap();
            folder
        };
        mkfifo(&folder("fifo").join("lock"), Mode::S_IRWXU).unwrap();
        fs::write(base.path().join("other"), "").unwrap();
        symlink(base.path().join("other"), folder("link").join("lock")).unwrap();
        fs::hard_link(base.path().join("other"), folder("names").join("lock")).unwrap();
        fs::create_dir(folder("folder").join("lock")).unwrap();
        let (done, is_done) = mpsc::channel();
        let path = base.path().to_owned();
        thread::spawn(move || {
            sweep(&path, None);
            done.send(()).unwrap();
        });
        is_done
            .recv_timeout(Duration::from_secs(10))
            .expect("the sweep waits for somebody");
        for name in ["fifo", "link", "names", "folder"] {
            assert!(
                base.path()
                    .join(format!("{PREFIX}{name}/lock"))
                    .symlink_metadata()
                    .is_ok(),
                "{name}"
            );
        }
    }

    #[test]
    fn a_link_in_the_place_of_a_folder_leads_a_sweep_nowhere() {
        let base = tempfile::tempdir().unwrap();
        let victim = tempfile::tempdir().unwrap();
        fs::set_permissions(victim.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(victim.path().join("lock"), "").unwrap();
        fs::write(victim.path().join("kept"), "").unwrap();
        let link = base.path().join(format!("{PREFIX}link"));
        symlink(victim.path(), &link).unwrap();
        // Whoever wins the race between the look and the removal puts the link there later.
        let left = base.path().join(format!("{PREFIX}left"));
        fs::create_dir(&left).unwrap();
        let opened = File::open(base.path()).map(OwnedFd::from).unwrap();
        let folder = Folder::find(opened.as_fd(), c"kube-airlock.left").unwrap();
        fs::rename(&left, base.path().join("moved")).unwrap();
        symlink(victim.path(), &left).unwrap();
        empty(folder.take_over().unwrap().as_fd()).unwrap();
        sweep(base.path(), None);
        assert!(victim.path().join("kept").exists());
        assert!(link.symlink_metadata().is_ok() && left.symlink_metadata().is_ok());
        let mode = fs::metadata(victim.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755, "of the folder that a link led to");
    }
}
