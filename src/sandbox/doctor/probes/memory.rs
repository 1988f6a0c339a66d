//! Attempts at memory that is not a child's, or that is more than it may have; and at its limits.

use nix::errno::Errno;
use syscalls::Sysno;

use crate::sandbox::doctor::probe::{EPERM, Found, Probe, READ, Scene, address, call, open, probe};

pub(super) fn memory() -> Vec<Probe> {
    const GROUP: &str = "memory";
    const ANONYMOUS: i64 = libc::MAP_PRIVATE as i64 | libc::MAP_ANONYMOUS as i64;
    const ALL: i64 = libc::PROT_READ as i64 | libc::PROT_WRITE as i64 | libc::PROT_EXEC as i64;
    let of =
        |name: &str, attempt: fn(&Scene) -> Result<(), Errno>| probe(GROUP, name, EPERM, attempt);
    let sure = |name: &str, attempt: fn(&Scene) -> Result<(), Errno>| {
        probe(GROUP, name, EPERM, attempt).controlled()
    };
    vec![
        sure("map memory to write and execute", |_| {
            call(Sysno::mmap, &[0, 4096, ALL, ANONYMOUS, -1, 0]).map(drop)
        }),
        sure("map the own program to execute", |scene| {
            let file = open(&scene.tool, READ)?;
            call(
                Sysno::mmap,
                &[
                    0,
                    4096,
                    i64::from(libc::PROT_READ | libc::PROT_EXEC),
                    i64::from(libc::MAP_PRIVATE),
                    file,
                    0,
                ],
            )
            .map(drop)
        }),
        sure("make memory executable", |_| {
            let page = call(
                Sysno::mmap,
                &[
                    0,
                    4096,
                    i64::from(libc::PROT_READ | libc::PROT_WRITE),
                    ANONYMOUS,
                    -1,
                    0,
                ],
            )?;
            call(
                Sysno::mprotect,
                &[page, 4096, i64::from(libc::PROT_READ | libc::PROT_EXEC)],
            )
            .map(drop)
        }),
        sure("a file in memory", |_| {
            call(Sysno::memfd_create, &[c"x".as_ptr().addr() as i64, 0]).map(drop)
        }),
        of("a secret file in memory", |_| {
            call(Sysno::memfd_secret, &[0]).map(drop)
        }),
        sure("System V shared memory", |_| {
            call(Sysno::shmget, &[0, 4096, 0o1600]).map(drop)
        }),
        of("attach shared memory", |_| {
            call(Sysno::shmat, &[0, 0, 0]).map(drop)
        }),
        sure("a System V message queue", |_| {
            call(Sysno::msgget, &[0, 0o1600]).map(drop)
        }),
        sure("System V semaphores", |_| {
            call(Sysno::semget, &[0, 1, 0o1600]).map(drop)
        }),
        of("a POSIX message queue", |_| {
            call(
                Sysno::mq_open,
                &[
                    c"airlock-probe".as_ptr().addr() as i64,
                    i64::from(libc::O_RDONLY),
                    0,
                    0,
                ],
            )
            .map(drop)
        }),
        of("lock memory", |_| call(Sysno::mlockall, &[1]).map(drop)),
        of("protection keys", |_| {
            call(Sysno::pkey_mprotect, &[0, 0, 0, -1]).map(drop)
        }),
        of("move pages of another process", |scene| {
            call(
                Sysno::move_pages,
                &[i64::from(scene.sibling), 0, 0, 0, 0, 0],
            )
            .map(drop)
        }),
        of("asynchronous input and output", |_| {
            call(Sysno::io_setup, &[1, 0]).map(drop)
        }),
    ]
}

/// Maps memory that counts as data, and makes it memory that does not.
fn hold_read_only(bytes: i64) -> Result<(), Errno> {
    let flags = i64::from(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE);
    let written = i64::from(libc::PROT_READ | libc::PROT_WRITE);
    let at = call(Sysno::mmap, &[0, bytes, written, flags, -1, 0])?;
    call(Sysno::mprotect, &[at, bytes, i64::from(libc::PROT_READ)]).map(drop)
}

pub(super) fn limits() -> Vec<Probe> {
    const GROUP: &str = "limits";
    fn limit(resource: i64) -> Result<[u64; 2], Errno> {
        let found = [0_u64; 2];
        call(Sysno::prlimit64, &[0, resource, 0, address(&found)])?;
        Ok(std::hint::black_box(found))
    }
    vec![
        probe(
            GROUP,
            "map more memory than the limit",
            Found::Refused(Errno::ENOMEM),
            |_| {
                let prot = i64::from(libc::PROT_READ | libc::PROT_WRITE);
                call(
                    Sysno::mmap,
                    &[
                        0,
                        8 << 30,
                        prot,
                        i64::from(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE),
                        -1,
                        0,
                    ],
                )
                .map(drop)
            },
        )
        .controlled(),
        probe(
            GROUP,
            "open more descriptors than the limit",
            Found::Refused(Errno::EMFILE),
            |_| {
                (0..300).try_for_each(|_| {
                    call(Sysno::eventfd2, &[0, i64::from(libc::O_CLOEXEC)]).map(drop)
                })
            },
        )
        .controlled(),
        probe(
            GROUP,
            "reserve more than any tool does",
            Found::Refused(Errno::ENOMEM),
            |_| {
                let flags =
                    i64::from(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE);
                call(
                    Sysno::mmap,
                    &[0, 400 << 30, i64::from(libc::PROT_READ), flags, -1, 0],
                )
                .map(drop)
            },
        )
        .controlled(),
        probe(GROUP, "share memory that no limit counts", EPERM, |_| {
            let prot = i64::from(libc::PROT_READ | libc::PROT_WRITE);
            call(
                Sysno::mmap,
                &[
                    0,
                    8 << 30,
                    prot,
                    i64::from(libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE),
                    -1,
                    0,
                ],
            )
            .map(drop)
        })
        .controlled(),
        // What was written to and may not be any more is not counted as data.
        Probe {
            expected: vec![EPERM, Found::Refused(Errno::ENOMEM)],
            ..probe(
                GROUP,
                "hold more memory than the limit, made read-only",
                EPERM,
                |_| (0..64).try_for_each(|_| hold_read_only(64 << 20)),
            )
            .controlled()
        },
        probe(
            GROUP,
            "have no more signals wait than 256",
            Found::Allowed,
            |_| match limit(11)? {
                [0..=256, 0..=256] => Ok(()),
                _ => Err(Errno::E2BIG),
            },
        ),
        probe(GROUP, "raise the limit on memory", EPERM, |_| {
            let unlimited = [u64::MAX; 2];
            call(Sysno::prlimit64, &[0, 2, address(&unlimited), 0]).map(drop)
        }),
        probe(
            GROUP,
            "read the limit on core dumps",
            Found::Allowed,
            |_| limit(4).map(drop),
        ),
        probe(
            GROUP,
            "take a larger share of the processors",
            EPERM,
            |_| call(Sysno::setpriority, &[0, 0, -20]).map(drop),
        ),
        probe(GROUP, "raise it by the older call", EPERM, |_| {
            let unlimited = [u64::MAX; 2];
            call(Sysno::setrlimit, &[2, address(&unlimited)]).map(drop)
        }),
    ]
}
