//! The server's end of a child's connections: a proxy that reaches one address for one name.
//!
//! The child asks as it would ask any proxy: `CONNECT host:port` over HTTP, or SOCKS 5 (RFC 1928),
//! which is all that argocd's gRPC knows. The server never resolves what it is asked for: the name
//! has to be the pinned one, and the address is known. A TLS greeting without a question goes
//! straight there. A child that listens also talks to itself: what is no question to a proxy goes
//! to its own listener.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
    time::timeout,
};

use super::{
    dial::dial,
    listener::{Listener, Listening},
    monitor::Monitor,
};
use crate::excerpt::Excerpt;

/// What a tool has to have for its proxy, so that it names the host that it wants. Never dialled
/// (TEST-NET-1).
pub const PROXY: &str = "http://192.0.2.1:1";

/// Connections of one child at once. helm at its busiest has 9.
const MOST_CONNECTIONS: usize = 32;
/// Bytes of all of a child's connections, both ways: more than any answer that a call may keep.
const MOST_BYTES: u64 = 1 << 30;
/// Listeners of one child: istioctl makes two for each istiod that it asks.
const MOST_LISTENERS: usize = 32;
/// The longest request for a connection, and the most that is read to see which listener is wanted.
const LONGEST_REQUEST: usize = 32 * 1024;
/// A request for a connection comes at once, from the same machine.
const ASK_WITHIN: Duration = Duration::from_secs(5);
const BUFFER: usize = 32 * 1024;

/// All connections of one child.
#[derive(Debug)]
pub struct Tunnel {
    /// `host:port` as the child names its server.
    authority: String,
    /// All vetted, in the order in which they are tried.
    addresses: Vec<SocketAddr>,
    places: Arc<Semaphore>,
    bytes_left: AtomicU64,
    refused: AtomicU32,
    /// What takes its requests in the server's place.
    monitor: Option<Arc<Monitor>>,
    /// What it listens on, when its profile lets it.
    listening: Option<Listening>,
    listeners: Mutex<Vec<Arc<Listener>>>,
}

impl Tunnel {
    pub(super) fn new(
        authority: String,
        addresses: Vec<SocketAddr>,
        listening: Option<Listening>,
        monitor: Option<Arc<Monitor>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            authority,
            addresses,
            monitor,
            places: Arc::new(Semaphore::new(MOST_CONNECTIONS)),
            bytes_left: AtomicU64::new(MOST_BYTES),
            refused: AtomicU32::new(0),
            listening,
            listeners: Mutex::new(Vec::new()),
        })
    }

    /// Makes a listener for the child, which only [`Self::serve`] connects to.
    ///
    /// # Errors
    /// When its profile has none, it has had its share, or there is no descriptor left.
    pub fn listen(&self) -> io::Result<OwnedFd> {
        let listening = self
            .listening
            .as_ref()
            .ok_or(io::ErrorKind::PermissionDenied)?;
        let mut listeners = self.listeners();
        if listeners.len() >= MOST_LISTENERS {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        let (listener, of_child) = Listener::open(listening, listeners.len())?;
        listeners.push(Arc::new(listener));
        Ok(of_child)
    }

    fn listeners(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Listener>>> {
        // Nothing panics while it holds the lock; if it did, the list is still whole.
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The listener with this port, else the newest.
    fn listener(&self, port: Option<u16>) -> Option<Arc<Listener>> {
        let listeners = self.listeners();
        let with_port = listeners
            .iter()
            .find(|listener| port.is_some() && listener.port() == port);
        with_port.or_else(|| listeners.last()).cloned()
    }

    /// How often the child asked for another server.
    pub fn refused(&self) -> u32 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Connects a child that asks no proxy to the pinned server: its end, a TCP socket as Go expects
    /// one, and what carries its bytes. It is connected to us and not to the server, so that it has
    /// the bounds of every other connection.
    ///
    /// # Errors
    /// When it has as many as it may, or the server does not answer.
    pub async fn connect(
        self: &Arc<Self>,
    ) -> io::Result<(OwnedFd, impl Future<Output = ()> + Send + 'static)> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| io::Error::from(io::ErrorKind::QuotaExceeded))?;
        let server = match &self.monitor {
            Some(monitor) => DirectEnd::Judged(Arc::clone(monitor)),
            None => DirectEnd::Server(dial(&self.addresses).await?),
        };
        let (ours, of_child) = tcp_pair()?;
        let ours = TcpStream::from_std(ours)?;
        let tunnel = Arc::clone(self);
        let carrying = async move {
            let _place = place;
            match server {
                DirectEnd::Judged(monitor) => monitor.serve(ours).await,
                // Its end is the connection's end.
                DirectEnd::Server(server) => drop(tunnel.carry(ours, server).await),
            }
        };
        Ok((of_child.into(), carrying))
    }

    /// Serves one connection of the child to its end.
    pub async fn serve(&self, mut child: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        // Closed without a word when there are too many; a tool that needs so many is not the tool.
        let Ok(_place) = self.places.try_acquire() else {
            return;
        };
        let Ok(Ok(Some(asked))) = timeout(ASK_WITHIN, preamble(&mut child)).await else {
            return;
        };
        // Its end is the connection's end, whatever it was.
        let _ = match asked {
            Preamble::Proxy(dialect, authority) => self.proxy(child, dialect, &authority).await,
            Preamble::Direct(begun) if self.is_for_monitor(&begun) => {
                self.judge(child, begun).await;
                Ok(())
            }
            // A port of its own may be forwarded to a server that speaks TLS; the API server is
            // asked for by name then.
            Preamble::Tls(begun) => match self
                .listener(None)
                .filter(|listener| listener.port().is_some())
            {
                Some(listener) => self.carry_to_itself(child, &listener, &begun).await,
                // What nobody can read goes nowhere where requests are judged.
                None if self.monitor.is_some() => Ok(()),
                None => self.carry_to_pin(child, &begun).await,
            },
            Preamble::Direct(begun) => match self.listener(port_of_host(&begun)) {
                Some(listener) => self.carry_to_itself(child, &listener, &begun).await,
                None => Ok(()),
            },
        };
    }

    /// Whether this is a request to the server, as a proxy gets it: `GET http://host:port/…`.
    fn is_for_monitor(&self, begun: &[u8]) -> bool {
        let asked = || {
            let line = begun.split(|&byte| byte == b'\r').next()?;
            let target = std::str::from_utf8(line).ok()?.split(' ').nth(1)?;
            target.strip_prefix("http://")?.split(['/', '?']).next()
        };
        self.monitor.is_some() && asked().is_some_and(|asked| self.is_pinned(asked))
    }

    /// Whether this names the pinned server. The port 80 that a URL may leave out is none of an API
    /// server's with TLS.
    fn is_pinned(&self, authority: &str) -> bool {
        authority.eq_ignore_ascii_case(&self.authority)
    }

    /// Lets the monitor take a connection of which `begun` was read already.
    async fn judge(
        &self,
        child: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        begun: Vec<u8>,
    ) {
        let Some(monitor) = &self.monitor else { return };
        let (from_child, to_child) = tokio::io::split(child);
        let all = io::Cursor::new(begun).chain(from_child);
        monitor.serve(tokio::io::join(all, to_child)).await;
    }

    /// Answers as a proxy does.
    async fn proxy(
        &self,
        mut child: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        dialect: Dialect,
        authority: &str,
    ) -> io::Result<()> {
        if !self.is_pinned(authority) {
            return child
                .write_all(&dialect.refused(&self.refuse(authority)))
                .await;
        }
        if let Some(monitor) = &self.monitor {
            child.write_all(dialect.granted()).await?;
            monitor.serve(child).await;
            return Ok(());
        }
        match dial(&self.addresses).await {
            Ok(server) => {
                child.write_all(dialect.granted()).await?;
                self.carry(child, server).await
            }
            Err(error) => {
                let told = format!("{} cannot be reached: {}", self.authority, error.kind());
                child.write_all(&dialect.unreachable(&told)).await
            }
        }
    }

    async fn carry_to_pin(
        &self,
        child: impl AsyncRead + AsyncWrite + Unpin,
        begun: &[u8],
    ) -> io::Result<()> {
        let mut server = dial(&self.addresses).await?;
        server.write_all(begun).await?;
        self.carry(child, server).await
    }

    async fn carry_to_itself(
        &self,
        child: impl AsyncRead + AsyncWrite + Unpin,
        to: &Listener,
        begun: &[u8],
    ) -> io::Result<()> {
        match to {
            Listener::Inet(listener) => {
                let mut own = listener.connect().await?;
                own.write_all(begun).await?;
                self.carry(child, own).await
            }
            Listener::Unix(file) => {
                let mut own = file.connect().await?;
                own.write_all(begun).await?;
                self.carry(child, own).await
            }
        }
    }

    /// Counts a question about another server, logs the first, since how many there are is the
    /// child's to choose, and says why it is refused.
    fn refuse(&self, authority: &str) -> String {
        let asked = Excerpt::new(authority);
        if self.refused.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::info!(%asked, pinned = self.authority, "a connection to another server is refused");
        }
        format!("{asked} is not the server of this request, and no other is reached")
    }

    /// Carries bytes both ways until both are done, one fails, or the child has had its share.
    async fn carry(
        &self,
        child: impl AsyncRead + AsyncWrite + Unpin,
        server: impl AsyncRead + AsyncWrite + Unpin,
    ) -> io::Result<()> {
        let (mut from_child, mut to_child) = tokio::io::split(child);
        let (mut from_server, mut to_server) = tokio::io::split(server);
        let there = self.carry_one_way(&mut from_child, &mut to_server);
        let back = self.carry_one_way(&mut from_server, &mut to_child);
        tokio::try_join!(there, back).map(drop)
    }

    async fn carry_one_way(
        &self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER];
        loop {
            let length = from.read(&mut buffer).await?;
            if length == 0 {
                return to.shutdown().await;
            }
            let spent = |left: u64| left.checked_sub(length as u64);
            if self
                .bytes_left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, spent)
                .is_err()
            {
                return Err(io::ErrorKind::QuotaExceeded.into());
            }
            to.write_all(buffer.get(..length).unwrap_or_default())
                .await?;
        }
    }
}

/// What a child that asks no proxy is connected to.
enum DirectEnd {
    Server(TcpStream),
    Judged(Arc<Monitor>),
}

/// Two ends of a connection over loopback. Whoever else connects meanwhile is sent away.
fn tcp_pair() -> io::Result<(std::net::TcpStream, std::net::TcpStream)> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    // Of a listener of this process: it is connected at once, or not at all.
    #[expect(clippy::disallowed_methods, reason = "this is the room that dials")]
    let theirs = std::net::TcpStream::connect(listener.local_addr()?)?;
    listener.set_nonblocking(true)?;
    let their_name = theirs.local_addr()?;
    let ours = loop {
        let (accepted, from) = listener.accept()?;
        if from == their_name {
            break accepted;
        }
    };
    for end in [&ours, &theirs] {
        end.set_nodelay(true)?;
        // As Go has made the one that is replaced, which it had made non-blocking.
        end.set_nonblocking(true)?;
    }
    Ok((ours, theirs))
}

/// What a child wants. What was read of a connection that is handed on comes along.
enum Preamble {
    /// A connection to `host:port`, in the language of its tool.
    Proxy(Dialect, String),
    /// It has begun TLS.
    Tls(Vec<u8>),
    /// What is no question: it takes this for a connection to itself.
    Direct(Vec<u8>),
}

#[derive(Clone, Copy)]
enum Dialect {
    Http,
    Socks,
}

impl Dialect {
    fn granted(self) -> &'static [u8] {
        match self {
            Self::Http => b"HTTP/1.1 200 OK\r\n\r\n",
            Self::Socks => &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0],
        }
    }

    fn refused(self, told: &str) -> Vec<u8> {
        match self {
            Self::Http => format!("HTTP/1.1 403 {told}\r\n\r\n").into_bytes(),
            Self::Socks => vec![5, 2, 0, 1, 0, 0, 0, 0, 0, 0], // not allowed by ruleset
        }
    }

    fn unreachable(self, told: &str) -> Vec<u8> {
        match self {
            Self::Http => format!("HTTP/1.1 502 {told}\r\n\r\n").into_bytes(),
            Self::Socks => vec![5, 4, 0, 1, 0, 0, 0, 0, 0, 0], // host unreachable
        }
    }
}

/// The first byte of a TLS handshake record (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 0x16;
const SOCKS: u8 = 5;

/// Reads what a child wants; `None` for what can be no beginning of anything.
async fn preamble(
    child: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> io::Result<Option<Preamble>> {
    match child.read_u8().await? {
        SOCKS => Ok(socks(child)
            .await?
            .map(|authority| Preamble::Proxy(Dialect::Socks, authority))),
        HANDSHAKE => Ok(Some(Preamble::Tls(vec![HANDSHAKE]))),
        first => http(child, first).await,
    }
}

/// Reads a request up to the end of its headers, and says whether it is `CONNECT host:port
/// HTTP/1.1`.
async fn http(child: &mut (impl AsyncRead + Unpin), first: u8) -> io::Result<Option<Preamble>> {
    const END: &[u8] = b"\r\n\r\n";
    let mut request = vec![first];
    let mut seen = 0;
    let is_end = |window: &[u8]| window == END;
    while !request
        .get(seen..)
        .unwrap_or_default()
        .windows(END.len())
        .any(is_end)
    {
        seen = (request.len() + 1).saturating_sub(END.len());
        let room = LONGEST_REQUEST - request.len();
        let mut limited = (&mut *child).take(room as u64);
        if room == 0 || limited.read_buf(&mut request).await? == 0 {
            return Ok(None);
        }
    }
    if !request.starts_with(b"CONNECT ") {
        return Ok(Some(Preamble::Direct(request)));
    }
    // A client says nothing behind its request before it is answered.
    if !request.ends_with(END) {
        return Ok(None);
    }
    let line = request
        .split(|&byte| byte == b'\r')
        .next()
        .unwrap_or_default();
    let Ok(line) = std::str::from_utf8(line) else {
        return Ok(None);
    };
    let authority = line
        .strip_prefix("CONNECT ")
        .and_then(|rest| rest.strip_suffix(" HTTP/1.1"));
    Ok(authority.map(|authority| Preamble::Proxy(Dialect::Http, authority.to_owned())))
}

/// The port in the `Host` of a request (RFC 9110, section 7.2): which of a child's listeners it
/// means.
fn port_of_host(request: &[u8]) -> Option<u16> {
    let mut lines = request
        .split(|&byte| byte == b'\n')
        .filter_map(|line| std::str::from_utf8(line).ok());
    let host = lines.find_map(|line| {
        line.split_once(':')
            .filter(|(name, _)| name.eq_ignore_ascii_case("host"))
    });
    host?.1.trim().rsplit_once(':')?.1.parse().ok()
}

/// Greets and reads a request to connect, the version read already (RFC 1928, sections 3 and 4).
async fn socks(child: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<Option<String>> {
    const NO_AUTHENTICATION: u8 = 0;
    const CONNECT: u8 = 1;
    let mut methods = vec![0; child.read_u8().await?.into()];
    child.read_exact(&mut methods).await?;
    if !methods.contains(&NO_AUTHENTICATION) {
        return Ok(None);
    }
    child.write_all(&[SOCKS, NO_AUTHENTICATION]).await?;
    let mut request = [0; 3];
    child.read_exact(&mut request).await?;
    if request != [SOCKS, CONNECT, 0] {
        return Ok(None);
    }
    let host = match child.read_u8().await? {
        1 => IpAddr::from(child.read_u32().await?.to_be_bytes()).to_string(),
        3 => {
            let mut name = vec![0; child.read_u8().await?.into()];
            child.read_exact(&mut name).await?;
            let Ok(name) = String::from_utf8(name) else {
                return Ok(None);
            };
            name
        }
        4 => format!("[{}]", IpAddr::from(child.read_u128().await?.to_be_bytes())),
        _ => return Ok(None),
    };
    Ok(Some(format!("{host}:{}", child.read_u16().await?)))
}

#[cfg(test)]
mod tests;
