//! What a child believes to listen on: sockets of the server's that nobody but the server connects
//! to.
//!
//! istioctl forwards a port of a pod to one of its own and then asks itself; argocd's gRPC-web does
//! the same over a socket file. Neither needs a port that others reach.

use std::{
    fs::DirBuilder,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{fs::DirBuilderExt, net::UnixListener},
    },
    path::{Path, PathBuf},
    pin::pin,
    time::Duration,
};

use nix::sys::socket::{setsockopt, sockopt::AttachReusePortCbpf};
use tokio::{
    net::{TcpSocket, TcpStream, UnixStream},
    sync::Mutex,
    time::timeout,
};

/// What kind of listeners a child makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listening {
    /// Ports on loopback.
    Inet,
    /// Socket files, in folders whose names begin so, where only the server may make any.
    Unix(PathBuf),
}

/// One listener of a child.
#[derive(Debug)]
pub(super) enum Listener {
    Inet(InetListener),
    Unix(UnixFile),
}

/// A port on loopback that hands the child exactly the connections that the server makes.
///
/// Two sockets share the port, and a filter says which of them a new connection goes to: to the
/// child's, when it comes from the address and port that the server's own socket holds at this
/// moment; else to the decoy, which nobody ever accepts from. That needs no privilege, where a
/// filter on the child's own socket would (socket(7), SO_ATTACH_REUSEPORT_CBPF).
#[derive(Debug)]
pub(super) struct InetListener {
    address: SocketAddr,
    /// The first socket of the port's group; also the turn to connect, since the filter knows one
    /// connection.
    decoy: Mutex<TcpListener>,
    /// The child's. Held so that the group keeps its order when the child closes its own
    /// descriptor.
    _of_child: TcpListener,
}

/// A socket file in a folder of its own, gone with the listener.
///
/// /proc/net/unix tells everybody its name, and the umask of whoever started the server says who
/// may connect: so the folder is closed to all others.
#[derive(Debug)]
pub(super) struct UnixFile(PathBuf);

impl Drop for UnixFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0); // in a directory that is removed with the server
    }
}

/// Connections that wait until the child accepts them.
const BACKLOG: u32 = 32;
/// From one socket of this machine to another; longer only when the child accepts none of its
/// connections.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

impl Listener {
    /// Makes one, with the descriptor for the child.
    pub(super) fn open(listening: &Listening, number: usize) -> io::Result<(Self, OwnedFd)> {
        match listening {
            Listening::Inet => {
                InetListener::open().map(|(listener, of_child)| (Self::Inet(listener), of_child))
            }
            Listening::Unix(prefix) => {
                UnixFile::open(prefix, number).map(|(file, of_child)| (Self::Unix(file), of_child))
            }
        }
    }

    /// The port, when it has one.
    pub(super) fn port(&self) -> Option<u16> {
        match self {
            Self::Inet(listener) => Some(listener.address.port()),
            Self::Unix(_) => None,
        }
    }
}

impl InetListener {
    fn open() -> io::Result<(Self, OwnedFd)> {
        let decoy = shared(0)?.listen(1)?.into_std()?;
        // Before there is a second socket: nothing that comes from elsewhere ever reaches it.
        deliver(&decoy, None)?;
        let address = decoy.local_addr()?;
        let of_child = shared(address.port())?.listen(BACKLOG)?.into_std()?;
        let copy = of_child.try_clone()?;
        Ok((
            Self {
                address,
                decoy: Mutex::new(decoy),
                _of_child: of_child,
            },
            copy.into(),
        ))
    }

    /// Connects to the child.
    pub(super) async fn connect(&self) -> io::Result<TcpStream> {
        let decoy = self.decoy.lock().await;
        let socket = TcpSocket::new_v4()?;
        // Held by this socket alone from here on, so nobody else's connection can come from there.
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        deliver(&*decoy, Some(socket.local_addr()?.port()))?;
        #[expect(clippy::disallowed_methods, reason = "this is the room that dials")]
        let mut connecting = pin!(socket.connect(self.address));
        let connected = timeout(CONNECT_WITHIN, &mut connecting).await;
        // While the socket is there: whoever sees its port in /proc/net/tcp waits for it to be
        // free.
        deliver(&*decoy, None)?;
        connected?
    }
}

impl UnixFile {
    fn open(prefix: &Path, number: usize) -> io::Result<(Self, OwnedFd)> {
        let folder = prefix.with_extension(number.to_string());
        DirBuilder::new().mode(0o700).create(&folder)?;
        let file = Self(folder);
        let listener = UnixListener::bind(file.path())?;
        listener.set_nonblocking(true)?;
        Ok((file, listener.into()))
    }

    fn path(&self) -> PathBuf {
        self.0.join("socket")
    }

    /// Connects to the child.
    pub(super) async fn connect(&self) -> io::Result<UnixStream> {
        #[expect(clippy::disallowed_methods, reason = "this is the room that dials")]
        let connecting = UnixStream::connect(self.path());
        timeout(CONNECT_WITHIN, connecting).await?
    }
}

/// A socket that shares its port with others of this user's.
fn shared(port: u16) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    Ok(socket)
}

// The operations of classic BPF that are used (linux/bpf_common.h), and where a packet's IP header
// begins for it.
const LOAD_BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
const LOAD_HALF: u16 = (libc::BPF_LD | libc::BPF_H | libc::BPF_ABS) as u16;
const LOAD_WORD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
const IP_HEADER: u32 = libc::SKF_NET_OFF.cast_unsigned();

const TO_DECOY: u32 = 0;
const TO_CHILD: u32 = 1;

/// From now on the port's connections go to the child when they come from this port on 127.0.0.1,
/// else, and with `None` always, to the decoy.
fn deliver(decoy: &impl AsFd, from: Option<u16>) -> io::Result<()> {
    let step = |code, k| libc::sock_filter {
        code,
        jt: 0,
        jf: 0,
        k,
    };
    let unless = |k, to_decoy| libc::sock_filter {
        code: JUMP_IF_EQUAL,
        jt: 0,
        jf: to_decoy,
        k,
    };
    let everything = [step(RETURN, TO_DECOY)];
    let all_but_one = [
        step(LOAD_BYTE, IP_HEADER),
        unless(0x45, 5), // version 4 and a header of 5 words: without options, so that the port is where we look
        step(LOAD_WORD, IP_HEADER + 12),
        unless(Ipv4Addr::LOCALHOST.to_bits(), 3),
        step(LOAD_HALF, IP_HEADER + 20),
        unless(from.unwrap_or_default().into(), 1),
        step(RETURN, TO_CHILD),
        step(RETURN, TO_DECOY),
    ];
    let code: &[libc::sock_filter] = if from.is_some() {
        &all_but_one
    } else {
        &everything
    };
    let length = u16::try_from(code.len()).map_err(io::Error::other)?;
    // The kernel copies the program during the call.
    let program = libc::sock_fprog {
        len: length,
        filter: code.as_ptr().cast_mut(),
    };
    setsockopt(decoy, AttachReusePortCbpf, &program).map_err(io::Error::from)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "strangers connect too")]
mod tests {
    use std::{net::TcpStream as Foreign, os::unix::fs::PermissionsExt};

    use super::*;

    #[tokio::test]
    async fn a_port_hands_on_the_servers_connections_and_no_others() {
        let (listener, of_child) = InetListener::open().unwrap();
        let child = TcpListener::from(of_child);
        let accepted = || child.accept().map(|(_, from)| from).ok();
        let before = Foreign::connect(listener.address).unwrap();
        let ours = listener.connect().await.unwrap();
        let again = listener.connect().await.unwrap();
        let other = std::net::TcpListener::bind(("127.0.0.2", ours.local_addr().unwrap().port()));
        assert_eq!(accepted(), Some(ours.local_addr().unwrap()));
        assert_eq!(accepted(), Some(again.local_addr().unwrap()));
        assert_eq!(accepted(), None);
        drop((before, other));
    }

    #[tokio::test]
    async fn a_connection_from_the_same_port_of_another_address_is_anothers() {
        let (listener, of_child) = InetListener::open().unwrap();
        let child = TcpListener::from(of_child);
        // As `connect` does, but another address of the same port is first.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let port = socket.local_addr().unwrap().port();
        deliver(&*listener.decoy.lock().await, Some(port)).unwrap();
        let foreign = TcpSocket::new_v4().unwrap();
        foreign
            .bind(SocketAddr::from(([127, 0, 0, 2], port)))
            .unwrap();
        let foreign = foreign.connect(listener.address).await.unwrap();
        assert!(child.accept().is_err());
        let ours = socket.connect(listener.address).await.unwrap();
        assert_eq!(child.accept().unwrap().1, ours.local_addr().unwrap());
        drop(foreign);
    }

    #[tokio::test]
    async fn a_socket_file_is_gone_with_its_listener() {
        let directory = tempfile::tempdir().unwrap();
        let (file, of_child) = UnixFile::open(&directory.path().join("r-x"), 0).unwrap();
        let child = UnixListener::from(of_child);
        let _ours = file.connect().await.unwrap();
        assert!(child.accept().is_ok());
        let folder = file.path().parent().unwrap().metadata().unwrap();
        assert_eq!(folder.permissions().mode() & 0o777, 0o700);
        drop(file);
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
    }
}
