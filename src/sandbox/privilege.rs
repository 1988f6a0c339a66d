//! Users, groups and capabilities: what the server and its children give up.

use std::io;

use nix::{
    errno::Errno,
    sys::prctl,
    unistd::{Gid, Uid, getgroups, getresgid, getresuid, setgroups, setresgid, setresuid},
};

use super::sys;

/// Makes this process unreadable for others of its user: no core dump, no ptrace, no `/proc`
/// memory.
///
/// # Errors
/// When the kernel refuses.
pub fn harden_server() -> io::Result<()> {
    prctl::set_dumpable(false)?;
    prctl::set_no_new_privs()?;
    sys::return_large_buffers();
    Ok(())
}

/// A user and its group of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity(u32);

impl Identity {
    /// The identity of this number.
    pub fn new(id: u32) -> Self {
        Self(id)
    }

    /// The user.
    pub fn uid(self) -> Uid {
        Uid::from_raw(self.0)
    }

    /// The group.
    pub fn gid(self) -> Gid {
        Gid::from_raw(self.0)
    }

    /// Becomes this identity for good and reads it back.
    ///
    /// # Errors
    /// When the process is not allowed to, or when root could be had back.
    pub fn assume(self) -> io::Result<()> {
        setgroups(&[])?;
        setresgid(self.gid(), self.gid(), self.gid())?;
        setresuid(self.uid(), self.uid(), self.uid())?;
        self.read_back()?;
        Ok(())
    }

    /// Whether this process is this identity and nothing else.
    pub(super) fn read_back(self) -> Result<(), Errno> {
        let users = getresuid()?;
        let groups = getresgid()?;
        let same =
            users.real == self.uid() && users.effective == self.uid() && users.saved == self.uid();
        let same_group = groups.real == self.gid()
            && groups.effective == self.gid()
            && groups.saved == self.gid();
        let root = Uid::from_raw(0);
        if !same || !same_group || !getgroups()?.is_empty() || setresuid(root, root, root).is_ok() {
            return Err(Errno::EPERM);
        }
        Ok(())
    }
}

/// Whose user a child has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChildUser {
    /// Its own, which no other child has at the same time.
    Own,
    /// The server's, which all children share.
    Shared,
}

impl ChildUser {
    /// The user of children that become one of `identities`, or stay who the spawner is.
    pub(super) fn among(identities: Option<Identity>) -> Self {
        match identities {
            Some(_) => Self::Own,
            None => Self::Shared,
        }
    }
}

/// Drops every capability from the bounding set, and reads each back. Needs CAP_SETPCAP.
pub(super) fn drop_bounding_set() -> io::Result<()> {
    for capability in 0..64 {
        // Each that is dropped makes a new set of credentials; to look makes none.
        match sys::is_bounding(capability) {
            Ok(false) => {}
            Ok(true) => {
                sys::drop_bounding(capability)?;
                if sys::is_bounding(capability)? {
                    return Err(Errno::EPERM.into());
                }
            }
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break, // past the kernel's last
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Empties every capability set.
pub(super) fn drop_capabilities() -> io::Result<()> {
    sys::clear_ambient()?;
    sys::clear_capabilities()
}

/// Fails unless every capability set is empty. The ambient set is part of the permitted one
/// (capabilities(7)), so that it is as well.
pub(super) fn read_back_capabilities() -> io::Result<()> {
    if sys::capabilities_are_empty()? {
        Ok(())
    } else {
        Err(Errno::EPERM.into())
    }
}
