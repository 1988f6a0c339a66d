//! Answers the seccomp notifications of one child: its `connect` and `listen` never run in the
//! kernel.
//!
//! The socket of the child is replaced by one of the server's, whose other end is the [`Tunnel`] of
//! the request, or by a listener that only this tunnel connects to. May not read the child's memory
//! nor the address that it wanted, so there is nothing that it could change in between.
//!
//! Held by `tests/escape/listener.rs` and `tests/service/`.

use std::{
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::Arc,
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use syscalls::Sysno;
use tokio::{io::unix::AsyncFd, task::JoinSet};
use tracing::Instrument as _;

use super::sys::{self, Notification};
use crate::egress::Tunnel;

/// The most notifications of one child. Go causes three for a connection (its check whether it has
/// connected to itself takes a socket that is not TCP for one that has); 27 were the most that a
/// tool needed.
const MOST_NOTIFICATIONS: usize = 1024;

/// The other end of a child's connections.
#[derive(Clone, Copy)]
pub(super) enum Way {
    /// The pinned server itself, which the child dials.
    Direct,
    /// A proxy of ours that leads to it.
    Proxy,
}

/// Answers until the child has ended. Dropping the future closes all of its connections.
pub(super) async fn supervise(listener: OwnedFd, tunnel: &Arc<Tunnel>, way: Way) -> io::Result<()> {
    let listener = sys::watch(listener)?;
    let mut connections = JoinSet::new();
    let mut received = 0_usize;
    let listener = Arc::new(listener);
    while let Some(notification) = next(&listener).await? {
        received += 1;
        // A child that floods us gets no more of the runtime than anybody else.
        tokio::task::consume_budget().await;
        while connections.try_join_next().is_some() {}
        if received > MOST_NOTIFICATIONS {
            break;
        }
        let answer = match Sysno::new(usize::try_from(notification.number).unwrap_or(usize::MAX)) {
            Some(Sysno::connect) => connected(tunnel, way, &mut connections).await,
            Some(Sysno::listen) => tunnel.listen().map_err(|error| errno(&error)),
            _ => Err(Errno::EPERM), // no filter notifies of another
        };
        let listener = Arc::clone(&listener);
        // The kernel waits with both calls until the child's thread is on a processor, which the
        // child can delay.
        let _ = tokio::task::spawn_blocking(move || {
            let answer = answer.and_then(|socket| {
                sys::replace_descriptor(listener.as_fd(), notification, socket.as_fd())
                    .map_err(|_| Errno::EBADF) // it closed it meanwhile
            });
            sys::answer(listener.as_fd(), notification, answer) // the child, or the thread, may have ended
        })
        .await;
    }
    // Without a listener the kernel refuses every further connection by itself (ENOSYS).
    drop(listener);
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// A connected socket for the child.
async fn connected(
    tunnel: &Arc<Tunnel>,
    way: Way,
    connections: &mut JoinSet<()>,
) -> Result<OwnedFd, Errno> {
    let socket = async {
        if let Way::Direct = way {
            let (of_child, carrying) = tunnel.connect().await?;
            connections.spawn(carrying.in_current_span());
            return Ok(of_child);
        }
        let (ours, theirs) = UnixStream::pair()?;
        // As Go has made the one that is replaced, which it had made non-blocking.
        theirs.set_nonblocking(true)?;
        ours.set_nonblocking(true)?;
        let ours = tokio::net::UnixStream::from_std(ours)?;
        let tunnel = Arc::clone(tunnel);
        connections.spawn(async move { tunnel.serve(ours).await }.in_current_span());
        Ok(theirs.into())
    };
    socket.await.map_err(|error| errno(&error))
}

/// The error that the kernel would return.
fn errno(error: &io::Error) -> Errno {
    match error.kind() {
        io::ErrorKind::TimedOut => Errno::ETIMEDOUT,
        io::ErrorKind::QuotaExceeded => Errno::EMFILE,
        _ => error
            .raw_os_error()
            .map_or(Errno::ECONNREFUSED, Errno::from_raw),
    }
}

/// Receives the next notification; `None` once no process has the filter.
async fn next(listener: &AsyncFd<OwnedFd>) -> io::Result<Option<Notification>> {
    loop {
        let mut ready = listener.readable().await?;
        let taken = ready.try_io(|listener| {
            let mut watched = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
            poll(&mut watched, PollTimeout::ZERO)?;
            let [watched] = watched;
            let announced = watched.revents().unwrap_or(PollFlags::empty());
            if announced.contains(PollFlags::POLLIN) {
                return sys::receive_notification(listener.as_fd()).map(Some);
            }
            // Receiving would block, whatever the descriptor's flags say.
            if announced.intersects(PollFlags::POLLHUP | PollFlags::POLLERR) {
                Ok(None)
            } else {
                Err(io::ErrorKind::WouldBlock.into())
            }
        });
        match taken {
            Ok(Ok(notification)) => return Ok(notification),
            // The thread was killed before its notification was received.
            Ok(Err(error)) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINTR)) => {}
            Ok(Err(error)) => return Err(error),
            Err(_would_block) => {}
        }
    }
}
