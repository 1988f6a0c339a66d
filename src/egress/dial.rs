//! Dials a list of vetted addresses: [`dial`].

use std::{io, net::SocketAddr, time::Duration};

use nix::sys::socket::{
    setsockopt,
    sockopt::{KeepAlive, TcpKeepIdle},
};
use tokio::{net::TcpStream, time::timeout};

/// As long as client-go waits for a connection (30 s) is as long as most calls have.
const DIAL_WITHIN: Duration = Duration::from_secs(10);
/// As Go asks for by default, and client-go (30 s).
const KEEP_ALIVE_SECONDS: u32 = 30;

/// Connects to the first of the addresses that answers.
///
/// # Errors
/// The network's, or that it took too long.
pub(super) async fn dial(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let each = DIAL_WITHIN / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut failed = io::ErrorKind::AddrNotAvailable.into();
    for address in addresses {
        #[expect(clippy::disallowed_methods, reason = "this is the room that dials")]
        let dialling = TcpStream::connect(address);
        match timeout(each, dialling).await {
            Ok(Ok(dialled)) => {
                dialled.set_nodelay(true)?;
                // The child's own end cannot: a watch behind a NAT would hang to its deadline.
                setsockopt(&dialled, KeepAlive, &true)?;
                setsockopt(&dialled, TcpKeepIdle, &KEEP_ALIVE_SECONDS)?;
                return Ok(dialled);
            }
            Ok(Err(error)) => failed = error,
            Err(elapsed) => failed = elapsed.into(),
        }
    }
    Err(failed)
}
