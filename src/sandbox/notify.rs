//! Answers the connections and listeners of one child: its `connect` and `listen` never run in the
//! kernel.
//!
//! The socket of the child is replaced by one of the server's, whose other end is the [`Tunnel`] of
//! the request, or by a listener that only this tunnel connects to. Neither the child's memory nor
//! the address that it wanted is read, so there is nothing that it could change in between.

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

use super::sys::{self, Question};
use crate::egress::Tunnel;

/// What a child may ask in all. Go asks three times for a connection (its check whether it has
/// connected to itself takes a socket that is not TCP for one that has); 27 were the most that a
/// tool needed.
const MOST_QUESTIONS: usize = 1024;

/// Answers until the child has ended: with the pinned server itself where the child dials it
/// (`direct`), else with a proxy. Dropping the future closes all of its connections.
pub(super) async fn supervise(
    listener: OwnedFd,
    tunnel: &Arc<Tunnel>,
    direct: bool,
) -> io::Result<()> {
    let listener = sys::watch(listener)?;
    let mut connections = JoinSet::new();
    let mut asked = 0_usize;
    let listener = Arc::new(listener);
    while let Some(question) = next(&listener).await? {
        asked += 1;
        // A child that floods us gets no more of the runtime than anybody else.
        tokio::task::consume_budget().await;
        while connections.try_join_next().is_some() {}
        if asked > MOST_QUESTIONS {
            break;
        }
        let answered = match Sysno::new(usize::try_from(question.number).unwrap_or(usize::MAX)) {
            Some(Sysno::connect) => connected(tunnel, direct, &mut connections).await,
            Some(Sysno::listen) => tunnel.listen().map_err(|error| errno(&error)),
            _ => Err(Errno::EPERM), // no filter asks about another
        };
        let listener = Arc::clone(&listener);
        // The kernel waits with both calls until the child's thread is on a processor, which the
        // child can delay.
        let _ = tokio::task::spawn_blocking(move || {
            let answered = answered.and_then(|socket| {
                sys::replace_descriptor(listener.as_fd(), question, socket.as_fd())
                    .map_err(|_| Errno::EBADF) // it closed it meanwhile
            });
            sys::answer(listener.as_fd(), question, answered) // the child, or the thread that asked, may have ended
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
    direct: bool,
    connections: &mut JoinSet<()>,
) -> Result<OwnedFd, Errno> {
    let socket = async {
        if direct {
            return tunnel.dial().await?.into_std().map(OwnedFd::from);
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

/// As the kernel would tell it.
fn errno(error: &io::Error) -> Errno {
    match error.kind() {
        io::ErrorKind::TimedOut => Errno::ETIMEDOUT,
        io::ErrorKind::QuotaExceeded => Errno::EMFILE,
        _ => error
            .raw_os_error()
            .map_or(Errno::ECONNREFUSED, Errno::from_raw),
    }
}

/// The next question; `None` once nobody is left to ask.
async fn next(listener: &AsyncFd<OwnedFd>) -> io::Result<Option<Question>> {
    loop {
        let mut ready = listener.readable().await?;
        let taken = ready.try_io(|listener| {
            let mut watched = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
            poll(&mut watched, PollTimeout::ZERO)?;
            let [watched] = watched;
            let announced = watched.revents().unwrap_or(PollFlags::empty());
            if announced.contains(PollFlags::POLLIN) {
                return sys::take_question(listener.as_fd()).map(Some);
            }
            // Receiving would block, whatever the descriptor's flags say.
            if announced.intersects(PollFlags::POLLHUP | PollFlags::POLLERR) {
                Ok(None)
            } else {
                Err(io::ErrorKind::WouldBlock.into())
            }
        });
        match taken {
            Ok(Ok(question)) => return Ok(question),
            // The thread that asked was killed before it was heard.
            Ok(Err(error)) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINTR)) => {}
            Ok(Err(error)) => return Err(error),
            Err(_would_block) => {}
        }
    }
}
