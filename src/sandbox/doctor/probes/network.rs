//! Attempts at the network: sockets of every family, connections, listeners.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use nix::errno::Errno;
use syscalls::Sysno;

use crate::sandbox::{
    doctor::probe::{EPERM, Found, Probe, Scene, address, call, probe},
    profile::{Profile, ProfileName},
};

const GROUP: &str = "network";

pub(super) fn network(name: ProfileName, profile: &Profile) -> Vec<Probe> {
    let mut probes = sockets(name, profile);
    probes.extend(connections(name, profile));
    probes.extend(of_a_socket());
    probes.extend(of_any_descriptor(profile));
    probes
}

/// A profile without a network has no socket at all.
fn has_none(profile: &Profile) -> bool {
    profile.notifying.is_none()
}

fn socket(family: i32, kind: i32, protocol: i32) -> Result<i64, Errno> {
    call(
        Sysno::socket,
        &[
            i64::from(family),
            i64::from(kind | libc::SOCK_CLOEXEC),
            i64::from(protocol),
        ],
    )
}

/// A socket of each family: its name, its arguments, and whether it can be made unconfined
/// everywhere.
const SOCKETS: [(&str, [i32; 3], bool); 16] = [
    ("UDP", [libc::AF_INET, libc::SOCK_DGRAM, 0], true),
    (
        "UDP over IPv6",
        [libc::AF_INET6, libc::SOCK_DGRAM, 0],
        false,
    ),
    (
        "ping",
        [libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP],
        false,
    ),
    (
        "raw",
        [libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_TCP],
        false,
    ),
    ("packet", [libc::AF_PACKET, libc::SOCK_RAW, 0], false),
    ("Unix stream", [libc::AF_UNIX, libc::SOCK_STREAM, 0], true),
    ("Unix datagram", [libc::AF_UNIX, libc::SOCK_DGRAM, 0], true),
    (
        "netlink route",
        [libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE],
        true,
    ),
    (
        "netlink audit",
        [libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_AUDIT],
        false,
    ),
    ("vsock", [libc::AF_VSOCK, libc::SOCK_STREAM, 0], false),
    (
        "kernel crypto",
        [libc::AF_ALG, libc::SOCK_SEQPACKET, 0],
        false,
    ),
    (
        "multipath TCP",
        [libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP],
        false,
    ),
    (
        "SCTP",
        [libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_SCTP],
        false,
    ),
    ("Bluetooth", [libc::AF_BLUETOOTH, libc::SOCK_RAW, 0], false),
    ("CAN", [libc::AF_CAN, libc::SOCK_RAW, 1], false),
    ("XDP", [libc::AF_XDP, libc::SOCK_RAW, 0], false),
];

fn sockets(name: ProfileName, profile: &Profile) -> Vec<Probe> {
    let (family, tcp) = if has_none(profile) {
        (EPERM, EPERM)
    } else {
        (Found::Refused(Errno::EAFNOSUPPORT), Found::Allowed)
    };
    let mut probes: Vec<Probe> = SOCKETS
        .into_iter()
        .map(|(what, [domain, kind, protocol], succeeds)| Probe {
            succeeds,
            ..probe(GROUP, &format!("a socket for {what}"), family, move |_| {
                socket(domain, kind, protocol).map(drop)
            })
        })
        .collect();
    let also = match name {
        ProfileName::ListenerNetlink => Some("a socket for netlink route"),
        ProfileName::ListenerUnix => Some("a socket for Unix stream"),
        ProfileName::Offline
        | ProfileName::Plain
        | ProfileName::ListenerInet
        | ProfileName::Diff
        | ProfileName::Filter
        | ProfileName::FilterGo => None,
    };
    for probe in probes
        .iter_mut()
        .filter(|probe| also == Some(probe.name.as_str()))
    {
        probe.expected = vec![Found::Allowed];
    }
    probes.push(probe(GROUP, "a socket for TCP", tcp, |_| {
        socket(libc::AF_INET, libc::SOCK_STREAM, 0).map(drop)
    }));
    probes.push(probe(GROUP, "a socket for TCP over IPv6", tcp, |_| {
        socket(libc::AF_INET6, libc::SOCK_STREAM, 0).map(drop)
    }));
    probes
}

/// The end of a call that the server is notified of: the battery answers nothing, and what the
/// kernel would do is the failure here.
const UNANSWERED: Found = Found::Refused(Errno::ENOSYS);

fn connections(name: ProfileName, profile: &Profile) -> Vec<Probe> {
    let sure = |name: &str, expected: Found, attempt: fn(&Scene) -> Result<(), Errno>| {
        probe(GROUP, name, expected, attempt).controlled()
    };
    let connects = if has_none(profile) { EPERM } else { UNANSWERED };
    let listens = profile.listener.map_or(EPERM, |_| UNANSWERED);
    let connects_by_name = match name {
        ProfileName::ListenerUnix => UNANSWERED,
        _ => EPERM,
    };
    vec![
        sure("connect to a service on loopback", connects, |scene| {
            let socket = socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
            let to = inet(scene.tcp_port);
            call(Sysno::connect, &[socket, address(&to), 16]).map(drop)
        }),
        sure("listen on a port", listens, |_| {
            let socket = socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
            call(Sysno::bind, &[socket, address(&inet(0)), 16])?;
            call(Sysno::listen, &[socket, 1]).map(drop)
        }),
        sure("listen without a name", listens, |_| {
            let socket = socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
            call(Sysno::listen, &[socket, 1]).map(drop)
        }),
        sure("take a port", EPERM, |_| {
            let socket = socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
            call(Sysno::bind, &[socket, address(&inet(0)), 16])?;
            let (name, length) = ([0_u8; 16], [16_u32]);
            call(
                Sysno::getsockname,
                &[socket, address(&name), address(&length)],
            )?;
            // Where `bind` is reported as done, it is not.
            if matches!(std::hint::black_box(name), [_, _, 0, 0, ..]) {
                Err(Errno::EPERM)
            } else {
                Ok(())
            }
        }),
        sure("connect to an abstract socket", connects_by_name, |scene| {
            let socket = socket(libc::AF_UNIX, libc::SOCK_STREAM, 0).map_err(|_| Errno::EPERM)?;
            let to = unix_abstract(&scene.abstract_name);
            call(
                Sysno::connect,
                &[socket, to.as_ptr().addr() as i64, to.len() as i64],
            )
            .map(drop)
        }),
    ]
}

/// Attempts that need a socket and nobody at its other end.
fn of_a_socket() -> Vec<Probe> {
    let of = |name: &str, attempt: fn(&Scene) -> Result<(), Errno>| {
        probe(GROUP, name, EPERM, attempt).controlled()
    };
    vec![
        of("send data with a connection (fast open)", |scene| {
            let socket = socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
            let to = inet(scene.tcp_port);
            let text = c"x".as_ptr().addr() as i64;
            call(
                Sysno::sendto,
                &[
                    socket,
                    text,
                    1,
                    i64::from(libc::MSG_FASTOPEN),
                    address(&to),
                    16,
                ],
            )
            .map(drop)
        }),
        of("join a multicast group", |_| {
            let socket = socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
            // struct group_req: an interface, padding, a sockaddr_storage
            let mut request = [0_u8; 136];
            if let Some(place) = request.get_mut(8..24) {
                place.copy_from_slice(&inet(0));
            }
            if let Some(place) = request.get_mut(12..16) {
                place.copy_from_slice(&[239, 1, 2, 3]);
            }
            match call(
                Sysno::setsockopt,
                &[
                    socket,
                    i64::from(libc::IPPROTO_IP),
                    42,
                    address(&request),
                    136,
                ],
            ) {
                Err(Errno::ENODEV) => Ok(()), // asked, and this host has no way out
                other => other.map(drop),
            }
        }),
        of("ask who is at the other end", |_| {
            let socket = socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
            let (credentials, length) = ([0_u8; 12], [12_u32]);
            call(
                Sysno::getsockopt,
                &[
                    socket,
                    1,
                    i64::from(libc::SO_PEERCRED),
                    address(&credentials),
                    address(&length),
                ],
            )
            .map(drop)
        }),
        of("a pair of sockets", |_| {
            let pair = [0_i32; 2];
            call(
                Sysno::socketpair,
                &[
                    i64::from(libc::AF_UNIX),
                    i64::from(libc::SOCK_STREAM),
                    0,
                    address(&pair),
                ],
            )
            .map(drop)
        }),
    ]
}

/// Calls that a profile without entries for them refuses whatever the descriptor.
fn of_any_descriptor(profile: &Profile) -> Vec<Probe> {
    let mut probes = Vec::new();
    for syscall in [
        Sysno::accept,
        Sysno::accept4,
        Sysno::sendmsg,
        Sysno::sendmmsg,
        Sysno::recvfrom,
        Sysno::recvmsg,
        Sysno::recvmmsg,
        Sysno::bind,
    ] {
        if profile.allowed.contains(&syscall)
            || profile
                .examples
                .iter()
                .any(|example| example.syscall == syscall)
        {
            continue; // shown by the profile's own entries
        }
        probes.push(probe(
            GROUP,
            &format!("{syscall} on any descriptor"),
            EPERM,
            move |_| call(syscall, &[0]).map(drop),
        ));
    }
    probes
}

/// `struct sockaddr_in` for 127.0.0.1.
fn inet(port: u16) -> [u8; 16] {
    let [high, low] = port.to_be_bytes();
    let [family, ..] = libc::AF_INET.to_le_bytes();
    [family, 0, high, low, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// `struct sockaddr_un` with a name that begins with a zero.
fn unix_abstract(name: &str) -> Vec<u8> {
    let [family, ..] = libc::AF_UNIX.to_le_bytes();
    [&[family, 0, 0], OsStr::new(name).as_bytes()].concat()
}
