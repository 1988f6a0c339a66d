//! The accept loop of a listener, with the bounds of a connection's head: [`server`].

use std::{
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use axum_server::{Handle, Server};
use hyper_util::rt::TokioTimer;

use super::connections::Prepare;

/// The largest header block, in bytes: a kubeconfig stands in one header. The defaults of HTTP/2
/// implementations (16 KiB) would refuse it.
const LARGEST_HEADERS: usize = 512 * 1024;
/// A client that does not send its headers within this is not one.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);

/// Makes the server of a listener, which `handle` ends.
///
/// # Errors
/// When the socket fails.
pub(super) fn server(
    listener: TcpListener,
    handle: Handle<SocketAddr>,
) -> io::Result<Server<SocketAddr, Prepare>> {
    let server = axum_server::from_tcp(listener)?
        .acceptor(Prepare)
        .handle(handle);
    // A connection that never says a word is no client either.
    let mut server = server.first_request_timeout(HEADERS_WITHIN);
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(LARGEST_HEADERS);
    server
        .http_builder()
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(LARGEST_HEADERS).unwrap_or(u32::MAX))
        .max_concurrent_streams(64)
        .keep_alive_interval(Duration::from_secs(20));
    Ok(server)
}
