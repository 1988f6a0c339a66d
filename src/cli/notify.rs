//! Tells the service manager how far the server is (sd_notify(3)): [`notify`].

use std::{
    env, io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
};

/// What a service manager waits for.
#[derive(Clone, Copy, Debug)]
pub enum Progress {
    /// The port is open, and the policy in force.
    Ready,
    /// It was asked to stop.
    Stopping,
}

/// Tells it, where somebody wants to know: `NOTIFY_SOCKET` names the socket, with an `@` before an
/// abstract name.
pub fn notify(progress: Progress) {
    let Some(name) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
        return;
    };
    let message = match progress {
        Progress::Ready => "READY=1",
        Progress::Stopping => "STOPPING=1",
    };
    let send = || -> io::Result<()> {
        let address = match name.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(&name)?,
        };
        UnixDatagram::unbound()?.send_to_addr(message.as_bytes(), &address)?;
        Ok(())
    };
    if let Err(error) = send() {
        tracing::warn!(%error, message, "the service manager could not be told");
    }
}
