//! Attempts at files: those of others, the child's own, and calls that change names, modes and
//! owners.

use std::path::{Path, PathBuf};

use nix::errno::Errno;
use syscalls::Sysno;

use crate::sandbox::doctor::probe::{
    DIRECTORY, EACCES, ENOENT, EPERM, Found, HERE, Probe, READ, Scene, WRITE, address, c_path,
    call, on, open, opens, probe,
};

/// Files that are none of a child's business.
pub(super) fn files(readable: &[PathBuf]) -> Vec<Probe> {
    const GROUP: &str = "files";
    // Every Linux has the first ones, and everybody may read them.
    const EVERYWHERE: [&str; 7] = [
        "/proc/self/environ",
        "/proc/self/maps",
        "/proc/self/status",
        "/proc/version",
        "/proc/net/tcp",
        "/dev/null",
        "/dev/zero",
    ];
    const SOMEWHERE: [&str; 17] = [
        "/etc/passwd",
        "/etc/shadow",
        "/etc/hosts",
        "/etc/resolv.conf",
        "/etc/machine-id",
        "/root/.kube/config",
        "/root/.ssh/id_rsa",
        "/proc/self/mem",
        "/proc/kcore",
        "/proc/kallsyms",
        "/proc/sysrq-trigger",
        "/dev/mem",
        "/dev/kmsg",
        "/dev/tty",
        "/dev/ptmx",
        "/sys/kernel/notes",
        "/var/run/secrets/kubernetes.io/serviceaccount/token",
    ];
    let mut probes: Vec<Probe> = EVERYWHERE
        .map(|path| {
            let expected = if readable.iter().any(|known| known == Path::new(path)) {
                Found::Allowed
            } else {
                EACCES
            };
            probe(GROUP, &format!("read {path}"), expected, move |_| {
                opens(Path::new(path), READ)
            })
            .controlled()
        })
        .into();
    probes.extend(SOMEWHERE.map(|path| {
        let mut probe = probe(GROUP, &format!("read {path}"), EACCES, move |_| {
            opens(Path::new(path), READ)
        });
        if readable.iter().any(|known| known == Path::new(path)) {
            probe.expected = vec![Found::Allowed];
        }
        probe.expected.push(ENOENT); // not on this host, or not below a folder that this user may enter
        probe
    }));
    for path in ["/", "/proc", "/tmp", "/etc", "/dev"] {
        probes.push(
            probe(GROUP, &format!("list {path}"), EACCES, move |_| {
                opens(Path::new(path), DIRECTORY)
            })
            .controlled(),
        );
    }
    let of = |name: &str, attempt: fn(&Scene) -> Result<(), Errno>| {
        probe(GROUP, name, EACCES, attempt).controlled()
    };
    probes.extend([
        of("read another request's kubeconfig", |scene| {
            opens(&scene.other.join("kubeconfig"), READ)
        }),
        of("list another request's directory", |scene| {
            opens(&scene.other, DIRECTORY)
        }),
        of("read a file that everybody may read", |scene| {
            opens(&scene.open.join("file"), READ)
        }),
        of("write to a file that everybody may write to", |scene| {
            opens(&scene.open.join("file"), WRITE)
        }),
        of("append to it", |scene| {
            opens(&scene.open.join("file"), WRITE | i64::from(libc::O_APPEND))
        }),
        of("create a file where everybody may", |scene| {
            opens(&scene.open.join("new"), WRITE | i64::from(libc::O_CREAT))
        }),
        of("create a nameless file there", |scene| {
            opens(&scene.open, WRITE | i64::from(libc::O_TMPFILE))
        }),
        of("read the server's environment", |scene| {
            opens(&proc(scene.server, "environ"), READ)
        }),
        of("read another child's environment", |scene| {
            opens(&proc(scene.sibling, "environ"), READ)
        }),
        of("read another child's memory map", |scene| {
            opens(&proc(scene.sibling, "maps"), READ)
        }),
        of("list another child's descriptors", |scene| {
            opens(&proc(scene.sibling, "fd"), DIRECTORY)
        }),
    ]);
    probes.push(probe(
        GROUP,
        "write to another child's memory",
        EACCES,
        |scene| opens(&proc(scene.sibling, "mem"), WRITE),
    ));
    probes
}

fn proc(pid: i32, entry: &str) -> PathBuf {
    Path::new("/proc").join(pid.to_string()).join(entry)
}

/// What a child may do with what it is given.
pub(super) fn own_files() -> Vec<Probe> {
    const GROUP: &str = "own files";
    let allowed = |name: &str, attempt: fn(&Scene) -> Result<(), Errno>| {
        probe(GROUP, name, Found::Allowed, attempt)
    };
    let refused =
        |name: &str, attempt: fn(&Scene) -> Result<(), Errno>| probe(GROUP, name, EACCES, attempt);
    vec![
        allowed("read the own kubeconfig", |scene| {
            opens(&scene.own.join("kubeconfig"), READ)
        }),
        allowed("list the own directory", |scene| {
            opens(&scene.own, DIRECTORY)
        }),
        allowed("list the own home", |scene| {
            opens(&scene.own.join("home"), DIRECTORY)
        }),
        allowed("read the own program", |scene| opens(&scene.tool, READ)),
        allowed("read the own program by another name", |_| {
            opens(Path::new("/proc/self/exe"), READ)
        }),
        refused("write to the own kubeconfig", |scene| {
            opens(&scene.own.join("kubeconfig"), WRITE)
        })
        .controlled(),
        refused("truncate it while opening", |scene| {
            opens(
                &scene.own.join("kubeconfig"),
                READ | i64::from(libc::O_TRUNC),
            )
        })
        .controlled(),
        refused("create a file beside it", |scene| {
            opens(&scene.own.join("new"), WRITE | i64::from(libc::O_CREAT))
        })
        .controlled(),
        refused("create a nameless file beside it", |scene| {
            opens(&scene.own, WRITE | i64::from(libc::O_TMPFILE))
        })
        .controlled(),
        refused("write to the own program", |scene| {
            opens(&scene.tool, WRITE)
        }),
    ]
}

/// Calls that change names, modes and owners.
pub(super) fn changes() -> Vec<Probe> {
    const GROUP: &str = "changes";
    let of =
        |name: &str, attempt: fn(&Scene) -> Result<(), Errno>| probe(GROUP, name, EPERM, attempt);
    let sure = |name: &str, attempt: fn(&Scene) -> Result<(), Errno>| {
        probe(GROUP, name, EPERM, attempt).controlled()
    };
    vec![
        sure("mkdir where everybody may", |scene| {
            on(
                &scene.open.join("folder"),
                Sysno::mkdirat,
                &[HERE],
                &[0o700],
            )
        }),
        sure("mknod of a pipe", |scene| {
            on(
                &scene.open.join("pipe"),
                Sysno::mknodat,
                &[HERE],
                &[i64::from(libc::S_IFIFO) | 0o600, 0],
            )
        }),
        sure("symlink to a secret", |scene| {
            on(
                &scene.open.join("symlink"),
                Sysno::symlinkat,
                &[c"/etc/shadow".as_ptr().addr() as i64, HERE],
                &[],
            )
        }),
        sure("hard link to the own kubeconfig", |scene| {
            let (from, to) = (
                c_path(&scene.own.join("kubeconfig")),
                c_path(&scene.own.join("link")),
            );
            call(
                Sysno::linkat,
                &[
                    HERE,
                    from.as_ptr().addr() as i64,
                    HERE,
                    to.as_ptr().addr() as i64,
                    0,
                ],
            )
            .map(drop)
        }),
        of("rename the own kubeconfig", |scene| {
            let (from, to) = (
                c_path(&scene.own.join("kubeconfig")),
                c_path(&scene.own.join("renamed")),
            );
            call(
                Sysno::renameat2,
                &[
                    HERE,
                    from.as_ptr().addr() as i64,
                    HERE,
                    to.as_ptr().addr() as i64,
                    0,
                ],
            )
            .map(drop)
        }),
        of("remove the own kubeconfig", |scene| {
            on(
                &scene.own.join("kubeconfig"),
                Sysno::unlinkat,
                &[HERE],
                &[0],
            )
        }),
        of("remove the own home", |scene| {
            on(
                &scene.own.join("home"),
                Sysno::unlinkat,
                &[HERE],
                &[i64::from(libc::AT_REMOVEDIR)],
            )
        }),
        sure("truncate by path", |scene| {
            on(&scene.open.join("file"), Sysno::truncate, &[], &[0])
        }),
        sure("open up the own directory", |scene| {
            on(&scene.own, Sysno::fchmodat, &[HERE], &[0o777])
        }),
        of("make a program setuid", |scene| {
            on(
                &scene.own.join("kubeconfig"),
                Sysno::fchmodat,
                &[HERE],
                &[0o4755],
            )
        }),
        of("give a file away", |scene| {
            on(
                &scene.own.join("kubeconfig"),
                Sysno::fchownat,
                &[HERE],
                &[0, 0, 0],
            )
        }),
        sure("set times", |scene| {
            on(&scene.open.join("file"), Sysno::utimensat, &[HERE], &[0, 0])
        }),
        of("set an attribute", |scene| {
            on(
                &scene.open.join("file"),
                Sysno::setxattr,
                &[],
                &[
                    c"user.x".as_ptr().addr() as i64,
                    c"x".as_ptr().addr() as i64,
                    1,
                    0,
                ],
            )
        }),
        sure("openat2, whose flags are in memory", |scene| {
            let how = [0_u64; 3]; // struct open_how: flags, mode, resolve
            on(
                &scene.own.join("kubeconfig"),
                Sysno::openat2,
                &[HERE],
                &[address(&how), 24],
            )
        }),
        sure("chdir", |_| on(Path::new("/"), Sysno::chdir, &[], &[])),
        of("chroot", |_| on(Path::new("/"), Sysno::chroot, &[], &[])),
        of("open by handle", |_| {
            call(Sysno::open_by_handle_at, &[HERE, 0, READ]).map(drop)
        }),
        sure("watch a folder", |_| {
            call(Sysno::inotify_init1, &[0]).map(drop)
        }),
        of("watch a file system", |_| {
            call(Sysno::fanotify_init, &[0, 0]).map(drop)
        }),
    ]
}

/// Of a child that may write to a directory and run a helper.
pub(super) fn helper() -> Vec<Probe> {
    const GROUP: &str = "helper";
    let allowed = |name: &str, attempt: fn(&Scene) -> Result<(), Errno>| {
        probe(GROUP, name, Found::Allowed, attempt)
    };
    let refused =
        |name: &str, attempt: fn(&Scene) -> Result<(), Errno>| probe(GROUP, name, EACCES, attempt);
    const NEW: i64 = WRITE | libc::O_CREAT as i64;
    vec![
        allowed("write to the own scratch directory", |scene| {
            opens(&scene.scratch.join("new"), NEW)
        }),
        allowed("make a folder there", |scene| {
            on(
                &scene.scratch.join("folder"),
                Sysno::mkdirat,
                &[HERE],
                &[0o700],
            )
        }),
        refused("run what was written there", |scene| {
            let path = c_path(&scene.scratch.join("program"));
            let file = call(
                Sysno::openat,
                &[HERE, path.as_ptr().addr() as i64, NEW, 0o700],
            )?;
            let text = c"#!/bin/true\n";
            call(Sysno::write, &[file, text.as_ptr().addr() as i64, 12])?;
            call(Sysno::close, &[file])?;
            let nothing = [0_usize; 1];
            call(
                Sysno::execve,
                &[
                    path.as_ptr().addr() as i64,
                    address(&nothing),
                    address(&nothing),
                ],
            )
            .map(drop)
        })
        .controlled(),
        probe(GROUP, "remove what was written there", EPERM, |scene| {
            opens(&scene.scratch.join("new"), NEW)?;
            on(&scene.scratch.join("new"), Sysno::unlinkat, &[HERE], &[0])
        }),
        probe(
            GROUP,
            "write a file that is larger than any manifest",
            Found::Refused(Errno::EFBIG),
            |scene| {
                call(
                    Sysno::rt_sigaction,
                    &[i64::from(libc::SIGXFSZ), address(&[1_u64, 0, 0, 0]), 0, 8],
                )?; // SIG_IGN
                let file = open(&scene.scratch.join("new"), NEW)?;
                call(Sysno::lseek, &[file, 16 << 20, 0])?;
                call(Sysno::write, &[file, c"x".as_ptr().addr() as i64, 1]).map(drop)
            },
        ),
    ]
}
