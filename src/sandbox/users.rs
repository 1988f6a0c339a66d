//! The users that children become: which server of this host gives which to its own.
//!
//! A server that ends everything of a user must not end another server's, so each claims a block of
//! them, by a lock on a file in a folder of root's. Nobody else can take one, or say that it is
//! taken. Where there is no such folder (a read-only root), a name of this network namespace is
//! taken instead, which is what everybody in it may do.
//!
//! May not give out a user that still runs something: what a killed server left is ended first.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::{
        fd::OwnedFd,
        linux::net::SocketAddrExt as _,
        unix::{
            fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
            net::{SocketAddr, UnixDatagram},
        },
    },
    path::Path,
};

use nix::{fcntl::OFlag, unistd::geteuid};

use super::{cleaning::end_everything_of, privilege::Identity};

/// Users are claimed in blocks of this many.
const BLOCK: u32 = 64;
/// Above these are `nobody` and what user namespaces do not map.
const LAST_USER: u32 = 65_472;
/// Where the locks are. Only root may write in its parent.
const FOLDER: &str = "/run/kube-airlock";

/// Claims `count` users from `first` on that no other server of this host gives to its children,
/// and ends what still runs as one of them. The claim lasts as long as this process and those that
/// it forks.
///
/// # Errors
/// When every block up to 65472 is taken.
pub fn claim_users(first: u32, count: u16) -> io::Result<Identity> {
    let claimed = claim_in(Path::new(FOLDER), first, count)?;
    let start = claimed.uid().as_raw();
    end_what_runs_as(start..start.saturating_add(count.into()));
    Ok(claimed)
}

fn claim_in(folder: &Path, first: u32, count: u16) -> io::Result<Identity> {
    let folder = own_folder(folder).then_some(folder);
    let blocks = u32::from(count).div_ceil(BLOCK);
    let mut start = first;
    // An operator's own first number is tried, wherever it is.
    while start == first || start + blocks * BLOCK <= LAST_USER {
        let claims: io::Result<Vec<OwnedFd>> = (0..blocks)
            .map(|block| claim(folder, start + block * BLOCK))
            .collect();
        match claims {
            Ok(claims) => {
                // Held until the process ends; nothing is ever read from them.
                std::mem::forget(claims);
                return Ok(Identity::new(start));
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => start += BLOCK,
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        "every user for children is claimed by another server on this host",
    ))
}

/// Makes the folder where it is not there; whether it is one that nobody but root may look into.
fn own_folder(folder: &Path) -> bool {
    let _ = DirBuilder::new().mode(0o700).create(folder);
    let writable = nix::unistd::access(folder, nix::unistd::AccessFlags::W_OK).is_ok();
    let is_own = fs::symlink_metadata(folder).is_ok_and(|metadata| {
        metadata.is_dir() && metadata.uid() == geteuid().as_raw() && metadata.mode() & 0o022 == 0
    });
    writable && is_own
}

fn claim(folder: Option<&Path>, user: u32) -> io::Result<OwnedFd> {
    match folder {
        Some(folder) => lock(folder, user),
        None => name(user),
    }
}

/// The file stays when the lock is gone: to remove it would let two servers lock two of them.
fn lock(folder: &Path, user: u32) -> io::Result<OwnedFd> {
    let file: File = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(folder.join(format!("users.{user}")))?;
    match file.try_lock() {
        Ok(()) => Ok(file.into()),
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::AddrInUse.into()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// An abstract socket's name is taken once per network namespace, and free again when its process
/// is gone.
fn name(user: u32) -> io::Result<OwnedFd> {
    let name = SocketAddr::from_abstract_name(format!("kube-airlock.users.{user}"))?;
    UnixDatagram::bind_addr(&name).map(OwnedFd::from)
}

/// Ends processes that a server which was killed left, before their user is another child's.
fn end_what_runs_as(users: std::ops::Range<u32>) {
    // Where others' processes cannot be seen (proc(5), hidepid), each may have one.
    let sees_all = fs::read_to_string("/proc/1/status").is_ok();
    let running = users_of_processes();
    for user in users {
        if !sees_all || running.contains(&user) {
            end_everything_of(Identity::new(user));
        }
    }
}

fn users_of_processes() -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|process| fs::read_to_string(process.path().join("status")).ok())
        .filter_map(|status| {
            let users = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
            users.split_whitespace().next()?.parse().ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
        process::Command,
    };

    use super::*;

    #[test]
    fn two_servers_never_share_a_user() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("kube-airlock");
        let first = claim_in(&folder, 70_000, 9).unwrap();
        let second = claim_in(&folder, 70_000, 9);
        assert_eq!(first, Identity::new(70_000));
        assert!(second.is_err() || second.is_ok_and(|second| second != first));
        // The same where there is no folder of root's. Numbers that no server on the machine of the
        // tests uses.
        let none = Path::new("/proc/none");
        assert_eq!(claim_in(none, 70_064, 9).unwrap(), Identity::new(70_064));
        assert!(claim_in(none, 70_064, 9).is_err());
    }

    #[test]
    fn a_stranger_takes_no_name_of_users() {
        let _taken = name(70_128).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("kube-airlock");
        assert_eq!(claim_in(&folder, 70_128, 1).unwrap(), Identity::new(70_128));
        let mode = fs::metadata(&folder).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o700);
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(!own_folder(&folder), "others may make files there");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test starts processes")]
    fn what_a_killed_server_left_is_ended_before_its_user_is_given_out() {
        if !geteuid().is_root() {
            return; // there are no users to give out
        }
        const USER: u32 = 70_200;
        let mut left = Command::new("sleep").arg("600").uid(USER).spawn().unwrap();
        let others = Command::new("sleep").arg("600").uid(USER + 1).spawn();
        let mut others = others.unwrap();
        end_what_runs_as(USER..USER + 1);
        assert!(!left.wait().unwrap().success());
        assert!(others.try_wait().unwrap().is_none());
        others.kill().unwrap();
        others.wait().unwrap();
    }
}
