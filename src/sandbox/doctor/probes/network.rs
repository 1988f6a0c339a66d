//! Attempts at the network: sockets of every family, connections, listeners.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use nix::errno::Errno;
use syscalls::Sysno;

use crate::sandbox::{
    doctor::probe::{EPERM, Found, Probe, Scene, address, call, probe},
    profile::{Profile, ProfileName},
};

pub(super) fn network(name: ProfileName, profile: &Profile) -> Vec<Probe> {
    const GROUP: &str = "network";
    // A profile without a network has no socket at all.
    let has_none = profile.notifying.is_none();
    let family = if has_none {
        EPERM
    } else {
        Found::Refused(Errno::EAFNOSUPPORT)
    };
    let tcp = if has_none { EPERM } else { Found::Allowed };
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
    let sockets: [(&str, [i32; 3], bool); 16] = [
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
    let mut probes: Vec<Probe> = sockets
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
    // The battery answers no questions: a connection that the kernel would make is the failure
    // here.
    let unanswered = if has_none {
        EPERM
    } else {
        Found::Refused(Errno::ENOSYS)
    };
    probes.push(
        probe(
            GROUP,
            "connect to a service on loopback",
            unanswered,
            |scene| {
                let socket = socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
                let to = inet(scene.tcp_port);
                call(Sysno::connect, &[socket, address(&to), 16]).map(drop)
            },
        )
        .controlled(),
    );
    let of = |name: &str, attempt: fn(&Scene) -> Result<(), Errno>| {
        probe(GROUP, name, EPERM, attempt).controlled()
    };
    // Nor does it answer listeners.
    let listens = if profile.listener.is_some() {
        Found::Refused(Errno::ENOSYS)
    } else {
        EPERM
    };
    let listening = |name: &str, attempt: fn(&Scene) -> Result<(), Errno>| {
        probe(GROUP, name, listens, attempt).controlled()
    };
    probes.push(listening("listen on a port", |_| {
        let socket = socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
        call(Sysno::bind, &[socket, address(&inet(0)), 16])?;
        call(Sysno::listen, &[socket, 1]).map(drop)
    }));
    probes.push(listening("listen without a name", |_| {
        let socket = socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
        call(Sysno::listen, &[socket, 1]).map(drop)
    }));
    probes.push(of("take a port", |_| {
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
    }));
    let abstract_refused = if name == ProfileName::ListenerUnix {
        Found::Refused(Errno::ENOSYS)
    } else {
        EPERM
    };
    let of_abstract = |name: &str, attempt: fn(&Scene) -> Result<(), Errno>| {
        probe(GROUP, name, abstract_refused, attempt).controlled()
    };
    probes.push(of_abstract("connect to an abstract socket", |scene| {
        let socket = socket(libc::AF_UNIX, libc::SOCK_STREAM, 0).map_err(|_| Errno::EPERM)?;
        let to = unix_abstract(&scene.abstract_name);
        call(
            Sysno::connect,
            &[socket, to.as_ptr().addr() as i64, to.len() as i64],
        )
        .map(drop)
    }));
    probes.push(of("send data with a connection (fast open)", |scene| {
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
    }));
    probes.push(of("join a multicast group", |_| {
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
    }));
    probes.push(of("ask who is at the other end", |_| {
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
    }));
    probes.push(of("a pair of sockets", |_| {
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
    }));
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
