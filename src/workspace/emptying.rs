//! Empties a folder, whatever somebody made in it.
//!
//! By descriptors alone: a folder is opened once, never through a link, and what is in it is reached
//! from there, so that nobody who changes names meanwhile leads us anywhere else. Holds two of them
//! whatever the depth is.
//!
//! For a scratch directory it runs in a process of its own with the child's user, who owns
//! everything in it. The sweep of a start may run as root that may change owners (CAP_CHOWN) and
//! cannot look into what belongs to others: it makes each folder its own on the way.

use std::{
    ffi::{CStr, CString},
    fs::{self, File, Metadata, Permissions},
    io,
    os::{
        fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
        unix::fs::{MetadataExt as _, PermissionsExt as _},
    },
};

use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{AtFlags, OFlag, openat, renameat},
    sys::stat::Mode,
    unistd::{UnlinkatFlags, fchownat, geteuid, unlinkat},
};

/// At most this many are looked at before they are removed.
const AT_ONCE: usize = 4096;

/// Removes everything in `scratch`. What is nested is first moved up into it, so that no depth is
/// too deep.
pub(crate) fn empty(scratch: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut moved = 0_u64;
    loop {
        let names = names_in(scratch, AT_ONCE)?;
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            if unlinkat(scratch, name.as_c_str(), UnlinkatFlags::NoRemoveDir).is_ok() {
                continue;
            }
            let folder = Folder::find(scratch, &name)?.take_over()?;
            loop {
                let inside = names_in(folder.as_fd(), AT_ONCE)?;
                if inside.is_empty() {
                    break;
                }
                for inner in inside {
                    if unlinkat(&folder, inner.as_c_str(), UnlinkatFlags::NoRemoveDir).is_ok() {
                        continue;
                    }
                    // A folder that is moved has to be writable.
                    Folder::find(folder.as_fd(), &inner)?.take_over()?;
                    move_up(&folder, &inner, scratch, &mut moved)?;
                }
            }
            unlinkat(scratch, name.as_c_str(), UnlinkatFlags::RemoveDir)?;
        }
    }
}

/// Removes the folder of this name with all that is in it, whoever it belongs to, where we may.
pub(crate) fn remove(of: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    let folder = Folder::find(of, name)?.take_over()?;
    empty(folder.as_fd())?;
    unlinkat(of, name, UnlinkatFlags::RemoveDir)
}

/// Moves a folder into `scratch` under the next name that is free: the child may have made folders
/// of such names.
fn move_up(
    from: &OwnedFd,
    name: &CStr,
    scratch: BorrowedFd<'_>,
    moved: &mut u64,
) -> Result<(), Errno> {
    loop {
        *moved += 1;
        let aside = CString::new(format!("{moved}.moved")).map_err(|_| Errno::EINVAL)?;
        let _ = unlinkat(scratch, aside.as_c_str(), UnlinkatFlags::NoRemoveDir);
        match renameat(from, name, scratch, aside.as_c_str()) {
            Err(Errno::EEXIST | Errno::ENOTEMPTY) => {}
            done => return done,
        }
    }
}

/// A folder that was found by its name, and may not be open to us yet.
pub(super) struct Folder(OwnedFd);

impl Folder {
    /// Finds a folder of this name; a link to one is none.
    pub(super) fn find(of: BorrowedFd<'_>, name: &CStr) -> Result<Self, Errno> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        openat(of, name, flags, Mode::empty()).map(Self)
    }

    pub(super) fn metadata(&self) -> io::Result<Metadata> {
        File::from(self.0.try_clone()?).metadata()
    }

    /// Makes it our own where it is not and we may, closes it to everybody else, and opens it.
    pub(super) fn take_over(self) -> Result<OwnedFd, Errno> {
        let us = geteuid();
        let failed = |error: io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
        let metadata = self.metadata().map_err(failed)?;
        if us.is_root() && metadata.uid() != us.as_raw() {
            fchownat(&self, c"", Some(us), None, AtFlags::AT_EMPTY_PATH)?;
        }
        // Of a descriptor that names a folder without opening it, the mode is changed by this way
        // alone (open(2), O_PATH). It leads to that folder, whatever its name is by now.
        let itself = format!("/proc/self/fd/{}", self.0.as_raw_fd());
        fs::set_permissions(itself, Permissions::from_mode(0o700)).map_err(failed)?;
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        openat(&self, c".", flags, Mode::empty())
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The names in a folder, at most this many of them.
pub(crate) fn names_in(folder: BorrowedFd<'_>, most: usize) -> Result<Vec<CString>, Errno> {
    let mut opened = Dir::openat(
        folder,
        ".",
        OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?;
    let names = opened
        .iter()
        .filter_map(|entry| entry.ok().map(|entry| entry.file_name().to_owned()));
    Ok(names
        .filter(|name| ![c".", c".."].contains(&name.as_c_str()))
        .take(most)
        .collect())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

    use super::*;

    #[test]
    fn names_and_numbers_that_a_child_chooses_keep_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for number in 1..20 {
            fs::create_dir_all(
                folder
                    .path()
                    .join(format!("{number}.moved/in/{number}.moved/in")),
            )
            .unwrap();
        }
        fs::create_dir_all(folder.path().join("many/folders/in")).unwrap();
        for number in 0..2 * AT_ONCE + 1 {
            fs::write(folder.path().join(format!("many/{number}")), "").unwrap();
        }
        let opened: OwnedFd = fs::File::open(folder.path()).unwrap().into();
        assert_eq!(empty(opened.as_fd()), Ok(()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn whatever_is_there_goes_and_nothing_else() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "x").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut deep = PathBuf::from(folder.path());
        for _ in 0..400 {
            deep.push("d");
            fs::create_dir(&deep).unwrap();
            fs::write(deep.join("1.moved"), "x").unwrap();
        }
        fs::create_dir_all(folder.path().join("closed/in")).unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("closed/in/link")).unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).unwrap();
        for number in 0..5000 {
            fs::write(folder.path().join(format!("file-{number}")), "").unwrap();
        }
        fs::write(folder.path().join("1.moved"), "x").unwrap();
        fs::set_permissions(
            folder.path().join("closed/in"),
            fs::Permissions::from_mode(0o0),
        )
        .unwrap();
        fs::set_permissions(
            folder.path().join("closed"),
            fs::Permissions::from_mode(0o0),
        )
        .unwrap();
        let opened: OwnedFd = fs::File::open(folder.path()).unwrap().into();
        empty(opened.as_fd()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(outside.path().join("kept").exists());
    }
}
