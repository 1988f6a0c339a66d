//! Connections to API servers that calls share: [`Upstream`], and those that are kept, [`Upstreams`].
//!
//! Comes in: a request that was judged. Goes out: the server's answer. An upstream is one
//! principal's, with one credential, to one list of vetted addresses: a connection with a client
//! certificate is that identity, and no other call may ever use it. Nothing here follows a redirect
//! or resolves a name.

use std::{
    collections::HashMap,
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Incoming};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connected, Connection},
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tower::Service;

use super::dial::dial;
use crate::{
    kubeconfig::{Transport, TransportError},
    secret::fingerprint,
};

/// As long as a connection that nobody uses is kept; API servers close theirs later.
const IDLE: Duration = Duration::from_secs(60);
/// Upstreams that are kept: each has a connection or two, and their buffers.
const MOST_UPSTREAMS: usize = 256;
/// A TLS handshake is two round trips.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// An HTTP/2 connection whose server does not answer to a ping is gone.
const PING_EVERY: Duration = Duration::from_secs(30);
const PONG_WITHIN: Duration = Duration::from_secs(15);
/// What one answer may be ahead of its reader, in bytes, and what all of a connection's may: a
/// reader that has stopped holds up no other.
const AHEAD_OF_READER: u32 = 1 << 20;
const AHEAD_OF_READERS: u32 = 256 << 20;

/// Why the API server did not answer.
pub type UpstreamError = hyper_util::client::legacy::Error;

/// One principal's way to one API server with one credential.
pub struct Upstream {
    transport: Transport,
    /// `host:port`, as the kubeconfig names the server.
    authority: String,
    /// HTTP/2 where the server speaks it.
    shared: Client<Connector, Full<Bytes>>,
    /// HTTP/1.1, whose connections become something else.
    upgrading: Client<Connector, Full<Bytes>>,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Upstream");
        shown
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

impl Upstream {
    /// A way to `authority` (`host:port`) at these vetted addresses; nothing is dialled yet.
    fn new(authority: String, addresses: &[SocketAddr], transport: Transport) -> Self {
        let connector = |protocols: &[&[u8]]| {
            let mut tls = transport.tls().clone();
            tls.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            Connector(Arc::new(ConnectorParts {
                tls: TlsConnector::from(Arc::new(tls)),
                server_name: transport.server_name(),
                addresses: addresses.to_vec(),
            }))
        };
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(8)
            .http2_initial_stream_window_size(AHEAD_OF_READER)
            .http2_initial_connection_window_size(AHEAD_OF_READERS)
            .http2_keep_alive_interval(PING_EVERY)
            .http2_keep_alive_timeout(PONG_WITHIN);
        Self {
            shared: builder.build(connector(&[b"h2", b"http/1.1"])),
            upgrading: builder.build(connector(&[b"http/1.1"])),
            authority,
            transport,
        }
    }

    /// The server, `host:port`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// What identifies the caller on a request.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Sends a request whose target is complete (`https://authority/path`).
    ///
    /// # Errors
    /// When the server cannot be reached, is not the one of its certificate, or breaks off.
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, UpstreamError> {
        self.shared.request(request).await
    }

    /// Sends a request whose connection becomes something else, over one of its own.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn send_upgrade(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, UpstreamError> {
        self.upgrading.request(request).await
    }
}

/// Whose an upstream is, and where it leads, hashed.
type UpstreamKey = [u8; 32];

/// Those that are kept, each for its principal and credential alone.
#[derive(Debug, Default)]
pub struct Upstreams(Mutex<HashMap<UpstreamKey, (Arc<Upstream>, Instant)>>);

impl Upstreams {
    /// None are kept yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the way of `principal` to `authority` with the credential that `known_by` holds (a
    /// rendered kubeconfig), at these addresses; it is made where there is none.
    ///
    /// # Errors
    /// When `transport` fails.
    pub(super) fn of(
        &self,
        principal: &str,
        known_by: &[u8],
        authority: String,
        addresses: &[SocketAddr],
        transport: impl FnOnce() -> Result<Transport, TransportError>,
    ) -> Result<Arc<Upstream>, TransportError> {
        let places = format!("{addresses:?}");
        let key = fingerprint(&[
            principal.as_bytes(),
            known_by,
            authority.as_bytes(),
            places.as_bytes(),
        ]);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, (upstream, used)| used.elapsed() < IDLE || Arc::strong_count(upstream) > 1);
        if let Some((upstream, used)) = kept.get_mut(&key) {
            *used = Instant::now();
            return Ok(Arc::clone(upstream));
        }
        let made = Arc::new(Upstream::new(authority, addresses, transport()?));
        if kept.len() >= MOST_UPSTREAMS {
            let oldest = kept
                .iter()
                .min_by_key(|(_, (_, used))| *used)
                .map(|(key, _)| *key);
            oldest.and_then(|key| kept.remove(&key));
        }
        kept.insert(key, (Arc::clone(&made), Instant::now()));
        Ok(made)
    }

    /// Forgets all; calls that are under way keep theirs.
    pub fn close(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

/// Reads a whole answer of at most `limit` bytes.
///
/// # Errors
/// When it is longer, or breaks off.
pub(super) async fn whole(
    body: impl Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    limit: usize,
) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
    let limited = http_body_util::Limited::new(body, limit);
    Ok(limited.collect().await?.to_bytes())
}

#[derive(Clone)]
struct Connector(Arc<ConnectorParts>);

struct ConnectorParts {
    tls: TlsConnector,
    server_name: ServerName<'static>,
    addresses: Vec<SocketAddr>,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<UpstreamStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, io::Error>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    /// Dials the vetted addresses, whatever the URL says.
    fn call(&mut self, _server: Uri) -> Self::Future {
        let parts = Arc::clone(&self.0);
        Box::pin(async move {
            let dialled = dial(&parts.addresses).await?;
            let greeting = parts.tls.connect(parts.server_name.clone(), dialled);
            let greeted = timeout(HANDSHAKE_WITHIN, greeting).await??;
            Ok(TokioIo::new(UpstreamStream(greeted)))
        })
    }
}

/// One connection to an API server.
struct UpstreamStream(TlsStream<TcpStream>);

impl Connection for UpstreamStream {
    fn connected(&self) -> Connected {
        let (_, tls) = self.0.get_ref();
        match tls.alpn_protocol() {
            Some(b"h2") => Connected::new().negotiated_h2(),
            _ => Connected::new(),
        }
    }
}

impl AsyncRead for UpstreamStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, into)
    }
}

impl AsyncWrite for UpstreamStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
