//! The server's end of a child's connections: a proxy that reaches one address for one name.
//!
//! The child asks as it would ask any HTTPS proxy (`CONNECT host:port`). The server never resolves
//! what it is asked for: the name has to be the pinned one, and the address is known.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
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

use crate::excerpt::Excerpt;

/// Connections of one child at once. helm at its busiest has 9 (sandbox notes, 9.2).
const MOST_CONNECTIONS: usize = 32;
/// Bytes of all of a child's connections, both ways: more than any answer that a call may keep.
const MOST_BYTES: u64 = 1 << 30;
/// The longest request for a connection.
const LONGEST_REQUEST: usize = 8 * 1024;
/// A request for a connection comes at once, from the same machine.
const ASK_WITHIN: Duration = Duration::from_secs(5);
/// As long as client-go waits for a connection (30 s) is as long as most calls have.
const DIAL_WITHIN: Duration = Duration::from_secs(10);
const BUFFER: usize = 32 * 1024;

/// All connections of one child.
#[derive(Debug)]
pub struct Tunnel {
    /// `host:port` as the child names its server.
    authority: String,
    address: SocketAddr,
    places: Semaphore,
    bytes_left: AtomicU64,
    refused: AtomicU32,
}

impl Tunnel {
    pub(super) fn new(authority: String, address: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            authority,
            address,
            places: Semaphore::new(MOST_CONNECTIONS),
            bytes_left: AtomicU64::new(MOST_BYTES),
            refused: AtomicU32::new(0),
        })
    }

    /// How often the child asked for another server.
    pub fn refused(&self) -> u32 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Connects to the pinned address.
    ///
    /// # Errors
    /// The network's, or that it took too long.
    pub async fn dial(&self) -> io::Result<TcpStream> {
        #[expect(clippy::disallowed_methods, reason = "this is the room that dials")]
        let dialled = timeout(DIAL_WITHIN, TcpStream::connect(self.address)).await??;
        dialled.set_nodelay(true)?;
        Ok(dialled)
    }

    /// Serves one connection of the child to its end.
    pub async fn serve(&self, mut child: impl AsyncRead + AsyncWrite + Unpin) {
        // Closed without a word when there are too many; a tool that needs so many is not the tool.
        let Ok(_place) = self.places.try_acquire() else { return };
        let Ok(Ok(Some(asked))) = timeout(ASK_WITHIN, authority_asked_for(&mut child)).await else { return };
        if !asked.eq_ignore_ascii_case(&self.authority) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            tracing::info!(asked = %Excerpt::new(&asked), pinned = self.authority, "a connection to another server is refused");
            let told = format!("403 {} is not the server of this request, and no other is reached", Excerpt::new(&asked));
            let _ = answer(&mut child, &told).await; // the child may be gone
            return;
        }
        match self.dial().await {
            Ok(server) => {
                if answer(&mut child, "200 OK").await.is_ok() {
                    let _ = self.carry(child, server).await; // its end is the connection's end
                }
            }
            Err(error) => {
                let _ = answer(&mut child, &format!("502 {} cannot be reached: {}", self.authority, error.kind())).await;
            }
        }
    }

    /// Carries bytes both ways until both are done, one fails, or the child has had its share.
    async fn carry(&self, child: impl AsyncRead + AsyncWrite + Unpin, mut server: TcpStream) -> io::Result<()> {
        let (mut from_child, mut to_child) = tokio::io::split(child);
        let (mut from_server, mut to_server) = server.split();
        let there = self.carry_one_way(&mut from_child, &mut to_server);
        let back = self.carry_one_way(&mut from_server, &mut to_child);
        tokio::try_join!(there, back).map(drop)
    }

    async fn carry_one_way(&self, from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER];
        loop {
            let length = from.read(&mut buffer).await?;
            if length == 0 {
                return to.shutdown().await;
            }
            let spent = |left: u64| left.checked_sub(length as u64);
            if self.bytes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spent).is_err() {
                return Err(io::ErrorKind::QuotaExceeded.into());
            }
            to.write_all(buffer.get(..length).unwrap_or_default()).await?;
        }
    }
}

async fn answer(child: &mut (impl AsyncWrite + Unpin), status: &str) -> io::Result<()> {
    child.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes()).await
}

/// Reads `CONNECT host:port HTTP/1.1` with its headers; `None` for all that is not that.
async fn authority_asked_for(child: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<String>> {
    let mut request = Vec::new();
    // A client says nothing behind its request before it is answered, so nothing else is read with it.
    while !request.ends_with(b"\r\n\r\n") {
        let room = LONGEST_REQUEST - request.len();
        let mut limited = (&mut *child).take(room as u64);
        if room == 0 || limited.read_buf(&mut request).await? == 0 {
            return Ok(None);
        }
    }
    let line = request.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let Ok(line) = std::str::from_utf8(line) else { return Ok(None) };
    let authority = line.strip_prefix("CONNECT ").and_then(|rest| rest.strip_suffix(" HTTP/1.1"));
    Ok(authority.map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn tunnel() -> (Arc<Tunnel>, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        (Tunnel::new("k8s.example.com:6443".into(), listener.local_addr().unwrap()), listener)
    }

    /// What a child hears that says `words` and then closes its half.
    async fn heard(tunnel: &Arc<Tunnel>, words: &[u8]) -> String {
        let (mut ours, theirs) = tokio::io::duplex(1 << 16);
        let tunnel = Arc::clone(tunnel);
        let serving = tokio::spawn(async move { tunnel.serve(theirs).await });
        let _ = ours.write_all(words).await;
        let _ = ours.shutdown().await;
        let mut heard = String::new();
        let _ = ours.read_to_string(&mut heard).await;
        serving.await.unwrap();
        heard
    }

    #[tokio::test]
    async fn the_pinned_server_is_reached_by_its_name_in_any_case() {
        let (tunnel, listener) = tunnel().await;
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heard = String::new();
            stream.read_to_string(&mut heard).await.unwrap();
            stream.write_all(format!("heard {heard}").as_bytes()).await.unwrap();
        });
        let (mut ours, theirs) = tokio::io::duplex(1 << 16);
        let serving = tokio::spawn(async move { tunnel.serve(theirs).await });
        ours.write_all(b"CONNECT K8s.example.com:6443 HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answered = [0; 19];
        ours.read_exact(&mut answered).await.unwrap();
        assert_eq!(&answered, b"HTTP/1.1 200 OK\r\n\r\n");
        ours.write_all(b"hello").await.unwrap();
        ours.shutdown().await.unwrap();
        let mut heard = String::new();
        ours.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "heard hello");
        serving.await.unwrap();
        server.await.unwrap();
    }

    #[tokio::test]
    async fn every_other_server_is_refused_and_nothing_is_dialled() {
        let (tunnel, listener) = tunnel().await;
        let others = [
            "k8s.example.com:443",
            "k8s.example.com",
            "evil.example:6443",
            "169.254.169.254:80",
            "127.0.0.1:6443",
            "k8s.example.com.:6443",
        ];
        for other in others {
            let heard = heard(&tunnel, format!("CONNECT {other} HTTP/1.1\r\n\r\n").as_bytes()).await;
            assert!(heard.starts_with("HTTP/1.1 403 "), "{other}: {heard}");
        }
        assert_eq!(tunnel.refused(), others.len() as u32);
        assert!(timeout(Duration::from_millis(50), listener.accept()).await.is_err());
    }

    #[tokio::test]
    async fn what_is_no_request_for_a_connection_is_closed() {
        let (tunnel, listener) = tunnel().await;
        let long = format!("CONNECT k8s.example.com:6443 HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(LONGEST_REQUEST));
        for words in
            ["", "GET / HTTP/1.1\r\n\r\n", "CONNECT k8s.example.com:6443\r\n\r\n", "CONNECT", "\u{16}\u{3}\u{1}", "\u{5}\u{1}\0", &long]
        {
            assert_eq!(heard(&tunnel, words.as_bytes()).await, "", "{}", Excerpt::new(words));
        }
        assert!(timeout(Duration::from_millis(50), listener.accept()).await.is_err());
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_told_as_such() {
        let (tunnel, listener) = tunnel().await;
        drop(listener);
        let heard = heard(&tunnel, b"CONNECT k8s.example.com:6443 HTTP/1.1\r\n\r\n").await;
        assert_eq!(heard, "HTTP/1.1 502 k8s.example.com:6443 cannot be reached: connection refused\r\n\r\n");
    }

    #[tokio::test]
    async fn a_childs_share_of_bytes_ends() {
        let (tunnel, listener) = tunnel().await;
        tunnel.bytes_left.store(100_000, Ordering::Relaxed);
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut sent = 0_u32;
            while stream.write_all(&[b'x'; 1000]).await.is_ok() {
                sent += 1000;
            }
            sent
        });
        let heard = heard(&tunnel, b"CONNECT k8s.example.com:6443 HTTP/1.1\r\n\r\n").await;
        assert!(heard.len() <= 100_000 + 19, "{}", heard.len());
        server.await.unwrap();
    }
}
