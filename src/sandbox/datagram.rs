//! One datagram with its descriptors, sent or received on the socket between server and spawner.

use std::{
    io::{self, IoSlice, IoSliceMut},
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
};

use nix::{
    errno::Errno,
    sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg},
};

use super::{message::Role, sys};

/// Sends one datagram, with descriptors.
pub(super) fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
    flags: MsgFlags,
) -> Result<(), Errno> {
    let raw: Vec<_> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let control = if raw.is_empty() {
        vec![]
    } else {
        vec![ControlMessage::ScmRights(&raw)]
    };
    loop {
        match sendmsg::<()>(
            socket.as_raw_fd(),
            &[IoSlice::new(bytes)],
            &control,
            flags | MsgFlags::MSG_NOSIGNAL,
            None,
        ) {
            Err(Errno::EINTR) => {}
            other => return other.map(|_| ()),
        }
    }
}

/// The most descriptors of one datagram: one for each [`Role`].
const MOST_DESCRIPTORS: usize = Role::ALL.len();

/// Receives one datagram of at most so many bytes, and its descriptors; `None` at the end.
pub(super) fn receive(
    socket: BorrowedFd<'_>,
    largest: usize,
) -> io::Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
    let mut bytes = vec![0; largest];
    let mut control = nix::cmsg_space!([std::os::fd::RawFd; MOST_DESCRIPTORS]);
    let (length, descriptors) = loop {
        let mut slices = [IoSliceMut::new(&mut bytes)];
        match recvmsg::<()>(
            socket.as_raw_fd(),
            &mut slices,
            Some(&mut control),
            MsgFlags::MSG_CMSG_CLOEXEC,
        ) {
            Err(Errno::EINTR) => {}
            Err(Errno::ECONNRESET) => return Ok(None),
            Err(errno) => return Err(errno.into()),
            Ok(message) => {
                let mut descriptors = Vec::new();
                // The kernel closes those that there is no room for: too few then, for which a
                // start is refused.
                for control in message.cmsgs().into_iter().flatten() {
                    if let ControlMessageOwned::ScmRights(raw) = control {
                        descriptors.extend(raw.into_iter().map(sys::own));
                    }
                }
                break (message.bytes, descriptors);
            }
        }
    };
    if length == 0 {
        return Ok(None);
    }
    bytes.truncate(length);
    Ok(Some((bytes, descriptors)))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

    use super::*;

    #[test]
    fn a_descriptor_of_each_role_arrives() {
        let (ours, theirs) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )
        .unwrap();
        let sent = [ours.as_fd(); MOST_DESCRIPTORS];
        send(ours.as_fd(), b"x", &sent, MsgFlags::empty()).unwrap();
        let (bytes, received) = receive(theirs.as_fd(), 1).unwrap().unwrap();
        assert_eq!((bytes, received.len()), (b"x".to_vec(), sent.len()));
    }
}
