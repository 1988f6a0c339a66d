//! Empties the directory that a child wrote to, whatever it made there.
//!
//! Runs in a process of its own with the child's user, who owns everything in it: the spawner is
//! not kept waiting by a million files, and the server may not look into what a child keeps to
//! itself. Bounded by the processor time of that process.

use std::{
    ffi::{CStr, CString},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{OFlag, openat, renameat},
    sys::stat::{FchmodatFlags, Mode, fchmodat},
    unistd::{UnlinkatFlags, unlinkat},
};

/// Removes everything in `scratch`. What is nested is first moved up into it, so that no depth is
/// too deep.
pub(super) fn empty(scratch: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut moved = 0_u64;
    loop {
        let names = names_in(scratch)?;
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            if unlinkat(scratch, name.as_c_str(), UnlinkatFlags::NoRemoveDir).is_ok() {
                continue;
            }
            let folder = enter(scratch, &name)?;
            loop {
                let inside = names_in(folder.as_fd())?;
                if inside.is_empty() {
                    break;
                }
                for inner in inside {
                    if unlinkat(&folder, inner.as_c_str(), UnlinkatFlags::NoRemoveDir).is_ok() {
                        continue;
                    }
                    enter(folder.as_fd(), &inner)?; // a folder that is moved has to be writable
                    move_up(&folder, &inner, scratch, &mut moved)?;
                }
            }
            unlinkat(scratch, name.as_c_str(), UnlinkatFlags::RemoveDir)?;
        }
    }
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

/// Opens a folder, whatever its mode was.
fn enter(of: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    // Removing it as a file has failed, so it is no link.
    fchmodat(of, name, Mode::S_IRWXU, FchmodatFlags::FollowSymlink)?;
    openat(
        of,
        name,
        OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
}

/// At most this many are looked at before they are removed.
const AT_ONCE: usize = 4096;

fn names_in(folder: BorrowedFd<'_>) -> Result<Vec<CString>, Errno> {
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
        .take(AT_ONCE)
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
