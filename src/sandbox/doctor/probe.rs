//! What a hostile program in a child would try, and what it must find.
//!
//! Each probe runs in a child of its own, confined as a tool is ([`battery`](super::battery)). One
//! that `succeeds` unconfined has a control: it is run there too, since a probe that fails anyway
//! proves nothing.

use std::{
    ffi::{CString, OsStr},
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use nix::errno::Errno;
use serde::{Serialize, Serializer};
use syscalls::Sysno;

use crate::sandbox::{
    child::WARM,
    profile::{Expected, Profile, ProfileName},
    sys,
};

/// What became of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It did what it wanted.
    Allowed,
    /// The call failed.
    Refused(Errno),
    /// The process was killed for it (SIGSYS).
    Killed,
    /// The process ended otherwise, with this status.
    Ended(i32),
    /// It was still at it after five seconds.
    Hung,
}

impl Found {
    /// `allowed`, `killed`, or the error's name.
    pub fn text(self) -> String {
        match self {
            Self::Allowed => "allowed".into(),
            Self::Refused(errno) => format!("{errno:?}"),
            Self::Killed => "killed".into(),
            Self::Ended(status) => format!("ended with {status}"),
            Self::Hung => "hung".into(),
        }
    }
}

impl Serialize for Found {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

/// What a probe finds around it.
#[derive(Debug)]
pub(super) struct Scene {
    /// The child's own directory.
    pub(super) own: PathBuf,
    /// Its scratch directory, where its profile lets it write.
    pub(super) scratch: PathBuf,
    /// Another request's, with a kubeconfig in it.
    pub(super) other: PathBuf,
    /// A folder that everybody may write to, with a file `file` that everybody may write to.
    pub(super) open: PathBuf,
    /// The program that runs, which a child may read and execute.
    pub(super) tool: PathBuf,
    /// A TCP server on loopback that is not the pinned one.
    pub(super) tcp_port: u16,
    /// The name of a listening abstract Unix socket.
    pub(super) abstract_name: String,
    /// Our own process, in the place of the server.
    pub(super) server: i32,
    /// A process of the same user, in the place of another request's child.
    pub(super) sibling: i32,
    /// A descriptor that exec would hand on, were it not marked.
    pub(super) leaked: i32,
}

impl Scene {
    /// Removes what an attempt has made, so that the next one can make it.
    pub(super) fn reset(&self) {
        for name in ["new", "pipe", "symlink"] {
            let _ = fs::remove_file(self.open.join(name));
        }
        let _ = fs::remove_dir(self.open.join("folder"));
        for name in ["new", "link", "renamed"] {
            let _ = fs::remove_file(self.own.join(name));
        }
        for name in ["new", "program"] {
            let _ = fs::remove_file(self.scratch.join(name));
        }
        let _ = fs::remove_dir(self.scratch.join("folder"));
    }
}

/// A single attempt.
pub(super) struct Probe {
    pub(super) group: &'static str,
    pub(super) name: String,
    pub(super) expected: Vec<Found>,
    /// Whether it must succeed unconfined.
    pub(super) succeeds: bool,
    pub(super) attempt: Attempt,
}

/// Makes the attempt; an error is what the kernel answered.
pub(super) type Attempt = Box<dyn Fn(&Scene) -> Result<(), Errno>>;

const EPERM: Found = Found::Refused(Errno::EPERM);
const EACCES: Found = Found::Refused(Errno::EACCES);
const ENOENT: Found = Found::Refused(Errno::ENOENT);

fn probe(
    group: &'static str,
    name: &str,
    expected: Found,
    attempt: impl Fn(&Scene) -> Result<(), Errno> + 'static,
) -> Probe {
    Probe {
        group,
        name: name.to_owned(),
        expected: vec![expected],
        succeeds: false,
        attempt: Box::new(attempt),
    }
}

impl Probe {
    fn controlled(mut self) -> Self {
        self.succeeds = true;
        self
    }
}

/// Every probe of a profile.
pub(super) fn all(name: ProfileName, profile: &Profile) -> Vec<Probe> {
    let mut probes = files(&profile.readable);
    probes.extend(own_files());
    probes.extend(changes());
    probes.extend(processes());
    probes.extend(network(name, profile));
    probes.extend(memory());
    probes.extend(limits());
    probes.extend(kernel());
    probes.extend(layers());
    probes.extend(data(profile));
    if !profile.allowed.contains(&Sysno::openat) {
        // What opens nothing is stopped before it is asked what.
        for probe in probes
            .iter_mut()
            .filter(|probe| matches!(probe.group, "files" | "own files"))
        {
            probe.expected = vec![EPERM];
        }
    }
    if !profile.allowed.contains(&Sysno::eventfd2) {
        // Nor has it another call that makes descriptors.
        for probe in probes
            .iter_mut()
            .filter(|probe| probe.name == "open more descriptors than the limit")
        {
            probe.expected = vec![EPERM];
        }
    }
    if profile.helper {
        probes.extend(helper());
        // What the filter leaves to Landlock, or to the kernel: another program, a folder
        // elsewhere, a process to wait for.
        for probe in &mut probes {
            match probe.name.as_str() {
                "run a shell" | "mkdir where everybody may" => probe.expected = vec![EACCES],
                "run the own program by path" => probe.expected = vec![EACCES, Found::Ended(2)], // it may run again, confined; not when it is linked dynamically
                "wait for a child" => probe.expected = vec![Found::Refused(Errno::ECHILD)],
                _ => {}
            }
        }
    }
    probes
}

/// Of a child that may write to a directory and run a helper.
fn helper() -> Vec<Probe> {
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

// The kernel's own numbers, where libc has other types for them.
const READ: i64 = libc::O_RDONLY as i64 | libc::O_CLOEXEC as i64;
const WRITE: i64 = libc::O_WRONLY as i64 | libc::O_CLOEXEC as i64;
const DIRECTORY: i64 = READ | libc::O_DIRECTORY as i64;
const HERE: i64 = libc::AT_FDCWD as i64;

fn call(syscall: Sysno, arguments: &[i64]) -> Result<i64, Errno> {
    let mut six = [0; 6];
    six.iter_mut()
        .zip(arguments)
        .for_each(|(place, argument)| *place = *argument);
    sys::attempt(libc::c_long::from(syscall.id()), six)
}

/// The address of something that outlives the call.
fn address<T>(of: &T) -> i64 {
    std::ptr::from_ref(of).addr() as i64
}

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}

/// A call about a path: `before` stand before it, `after` behind.
fn on(path: &Path, syscall: Sysno, before: &[i64], after: &[i64]) -> Result<(), Errno> {
    let path = c_path(path);
    let arguments = [before, &[path.as_ptr().addr() as i64], after].concat();
    call(syscall, &arguments).map(drop)
}

fn open(path: &Path, flags: i64) -> Result<i64, Errno> {
    let path = c_path(path);
    call(
        Sysno::openat,
        &[HERE, path.as_ptr().addr() as i64, flags, 0o600],
    )
}

fn opens(path: &Path, flags: i64) -> Result<(), Errno> {
    open(path, flags).map(drop)
}

/// Files that are none of a child's business.
fn files(readable: &[PathBuf]) -> Vec<Probe> {
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
fn own_files() -> Vec<Probe> {
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
fn changes() -> Vec<Probe> {
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

/// Other processes, other programs, other users.
fn processes() -> Vec<Probe> {
    const GROUP: &str = "processes";
    let of =
        |name: &str, attempt: fn(&Scene) -> Result<(), Errno>| probe(GROUP, name, EPERM, attempt);
    let sure = |name: &str, attempt: fn(&Scene) -> Result<(), Errno>| {
        probe(GROUP, name, EPERM, attempt).controlled()
    };
    let killed = |name: &str, attempt: fn(&Scene) -> Result<(), Errno>| {
        probe(GROUP, name, Found::Killed, attempt)
    };
    fn forked(syscall: Sysno, arguments: &[i64]) -> Result<(), Errno> {
        match call(syscall, arguments)? {
            0 => sys::exit_now(0), // the second process
            _ => Ok(()),
        }
    }
    vec![
        sure("clone a process", |_| {
            forked(Sysno::clone, &[i64::from(libc::SIGCHLD)])
        }),
        of("clone into a user namespace", |_| {
            forked(
                Sysno::clone,
                &[i64::from(libc::SIGCHLD | libc::CLONE_NEWUSER)],
            )
        }),
        of("clone a process that shares descriptors", |_| {
            forked(
                Sysno::clone,
                &[i64::from(libc::SIGCHLD | libc::CLONE_FILES)],
            )
        }),
        sure("run a shell", |_| {
            let nothing = [0_usize; 1];
            on(
                Path::new("/bin/sh"),
                Sysno::execve,
                &[],
                &[address(&nothing), address(&nothing)],
            )
        }),
        of("run the own program by path", |scene| {
            let nothing = [0_usize; 1];
            on(
                &scene.tool,
                Sysno::execve,
                &[],
                &[address(&nothing), address(&nothing)],
            )
        }),
        of("run a shell by descriptor", |_| {
            let nothing = [0_usize; 1];
            on(
                Path::new("/bin/sh"),
                Sysno::execveat,
                &[HERE],
                &[address(&nothing), address(&nothing), 0],
            )
        }),
        sure("ask whether the server lives", |scene| {
            call(Sysno::kill, &[i64::from(scene.server), 0]).map(drop)
        }),
        sure("ask whether another child lives", |scene| {
            call(Sysno::kill, &[i64::from(scene.sibling), 0]).map(drop)
        }),
        sure("signal all processes", |_| {
            call(Sysno::kill, &[-1, 0]).map(drop)
        }),
        sure("signal the own group", |_| {
            call(Sysno::kill, &[0, 0]).map(drop)
        }),
        sure("signal another child's thread", |scene| {
            let sibling = i64::from(scene.sibling);
            call(Sysno::tgkill, &[sibling, sibling, 0]).map(drop)
        }),
        sure("have a descriptor signal another process", |scene| {
            call(
                Sysno::fcntl,
                &[1, i64::from(libc::F_SETOWN), i64::from(scene.sibling)],
            )
            .map(drop)
        }),
        sure("hold another child by descriptor", |scene| {
            call(Sysno::pidfd_open, &[i64::from(scene.sibling), 0]).map(drop)
        }),
        of("signal by descriptor", |_| {
            call(Sysno::pidfd_send_signal, &[0, 0, 0, 0]).map(drop)
        }),
        of("take a descriptor of another child", |_| {
            call(Sysno::pidfd_getfd, &[0, 0, 0]).map(drop)
        }),
        killed("trace the server", |scene| {
            call(
                Sysno::ptrace,
                &[i64::from(libc::PTRACE_ATTACH), i64::from(scene.server)],
            )
            .map(drop)
        }),
        killed("be traced", |_| {
            call(Sysno::ptrace, &[0, 0, 0, 0]).map(drop)
        }),
        killed("read another child's memory", |scene| {
            call(
                Sysno::process_vm_readv,
                &[i64::from(scene.sibling), 0, 0, 0, 0, 0],
            )
            .map(drop)
        }),
        sure("read another child's limits", |scene| {
            let limit = [0_u64; 2];
            call(
                Sysno::prlimit64,
                &[i64::from(scene.sibling), 7, 0, address(&limit)],
            )
            .map(drop)
        }),
        sure("lower another child's limits", |scene| {
            let limit = [u64::MAX; 2];
            call(
                Sysno::prlimit64,
                &[i64::from(scene.sibling), 7, 0, address(&limit)],
            )
            .map(drop)
        }),
        sure("pin another child to a processor", |scene| {
            let set = [u64::MAX; 16];
            call(
                Sysno::sched_setaffinity,
                &[i64::from(scene.sibling), 128, address(&set)],
            )
            .map(drop)
        }),
        sure("lower another child's priority", |scene| {
            call(Sysno::setpriority, &[0, i64::from(scene.sibling), 19]).map(drop)
        }),
        of("take a real-time priority", |_| {
            call(
                Sysno::sched_setscheduler,
                &[0, i64::from(libc::SCHED_FIFO), 0],
            )
            .map(drop)
        }),
        sure("leave the session", |_| call(Sysno::setsid, &[]).map(drop)),
        sure("change the group of processes", |_| {
            call(Sysno::setpgid, &[0, 0]).map(drop)
        }),
        of("become root", |_| call(Sysno::setuid, &[0]).map(drop)),
        of("become root's group", |_| {
            call(Sysno::setgid, &[0]).map(drop)
        }),
        of("take every user back", |_| {
            call(Sysno::setresuid, &[0, 0, 0]).map(drop)
        }),
        of("take groups", |_| call(Sysno::setgroups, &[0, 0]).map(drop)),
        of("take capabilities", |_| {
            call(Sysno::capset, &[0, 0]).map(drop)
        }),
        sure("become dumpable", |_| {
            call(
                Sysno::prctl,
                &[i64::from(libc::PR_SET_DUMPABLE), 1, 0, 0, 0],
            )
            .map(drop)
        }),
        sure("outlive the spawner", |_| {
            call(
                Sysno::prctl,
                &[i64::from(libc::PR_SET_PDEATHSIG), 0, 0, 0, 0],
            )
            .map(drop)
        }),
        sure("change the personality", |_| {
            call(Sysno::personality, &[0xffff_ffff]).map(drop)
        }),
        of("wait for a child", |_| {
            call(Sysno::wait4, &[-1, 0, 1, 0]).map(drop)
        }),
        of("compare with another child", |scene| {
            call(
                Sysno::kcmp,
                &[i64::from(scene.server), i64::from(scene.sibling), 0, 0, 0],
            )
            .map(drop)
        }),
    ]
}

fn network(name: ProfileName, profile: &Profile) -> Vec<Probe> {
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

fn memory() -> Vec<Probe> {
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

fn limits() -> Vec<Probe> {
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

/// Parts of the kernel that no tool needs, and that exploits begin with.
fn kernel() -> Vec<Probe> {
    const GROUP: &str = "kernel";
    let refused = [
        (Sysno::seccomp, [1, 0, 0]),
        (Sysno::landlock_create_ruleset, [0, 0, 1]),
        (Sysno::landlock_restrict_self, [0, 0, 0]),
        (Sysno::syslog, [3, 0, 0]),
        (Sysno::acct, [0, 0, 0]),
        (Sysno::quotactl, [0, 0, 0]),
        (Sysno::settimeofday, [0, 0, 0]),
        (Sysno::clock_settime, [0, 0, 0]),
        (Sysno::adjtimex, [0, 0, 0]),
        (Sysno::sethostname, [0, 0, 0]),
        (Sysno::setdomainname, [0, 0, 0]),
        (Sysno::vhangup, [0, 0, 0]),
        (Sysno::statx, [0, 0, 0]),
        (Sysno::statfs, [0, 0, 0]),
        (Sysno::signalfd4, [-1, 0, 8]),
        (Sysno::timerfd_create, [1, 0, 0]),
        (Sysno::timer_create, [1, 0, 0]),
        (Sysno::membarrier, [0, 0, 0]),
        (Sysno::rseq, [0, 0, 0]),
        (Sysno::set_mempolicy, [0, 0, 0]),
        (Sysno::mbind, [0, 0, 0]),
        (Sysno::migrate_pages, [0, 0, 0]),
        (Sysno::vmsplice, [0, 0, 0]),
        (Sysno::tee, [0, 0, 0]),
        (Sysno::fallocate, [1, 0, 0]),
        (Sysno::sync, [0, 0, 0]),
        (Sysno::flock, [0, 8, 0]),
        (Sysno::ioprio_set, [1, 0, 0]),
        (Sysno::name_to_handle_at, [0, 0, 0]),
        (Sysno::mount_setattr, [0, 0, 0]),
        (Sysno::fsmount, [0, 0, 0]),
        (Sysno::fspick, [0, 0, 0]),
    ];
    let mut probes: Vec<Probe> = refused
        .into_iter()
        .map(|(syscall, arguments)| {
            probe(GROUP, &format!("{syscall}"), EPERM, move |_| {
                call(syscall, &arguments).map(drop)
            })
        })
        .collect();
    // Typing into a terminal; the filter looks at the low half alone as the kernel does.
    probes.push(probe(
        GROUP,
        "type into a terminal (TIOCSTI)",
        Found::Refused(Errno::ENOTTY),
        |_| call(Sysno::ioctl, &[0, 0x5412, 0]).map(drop),
    ));
    #[cfg(target_arch = "x86_64")]
    probes.push(probe(
        GROUP,
        "a call by its x32 number",
        Found::Killed,
        |_| sys::attempt(0x4000_0000 | libc::c_long::from(Sysno::getpid.id()), [0; 6]).map(drop),
    ));
    probes.push(probe(
        GROUP,
        "a call by a number that none has",
        EPERM,
        |_| sys::attempt(4000, [0; 6]).map(drop),
    ));
    probes
}

/// Layers that show in what a process can ask about itself.
fn layers() -> Vec<Probe> {
    const GROUP: &str = "layers";
    // Without controls: a pod may have set the like on us already.
    let of = |name: &str, expected: Found, attempt: fn(&Scene) -> Result<(), Errno>| {
        probe(GROUP, name, expected, attempt)
    };
    fn unless(holds: bool) -> Result<(), Errno> {
        if holds { Err(Errno::EACCES) } else { Ok(()) }
    }
    vec![
        of("be in the spawner's session", EPERM, |_| {
            unless(call(Sysno::getsid, &[0])? == call(Sysno::getpid, &[])?)
        }),
        of("gain privileges by a program", EPERM, |_| {
            unless(
                call(
                    Sysno::prctl,
                    &[i64::from(libc::PR_GET_NO_NEW_PRIVS), 0, 0, 0, 0],
                )? == 1,
            )
        }),
        of("live on without the spawner", EPERM, |_| {
            let signal = [0_i32; 1];
            call(
                Sysno::prctl,
                &[i64::from(libc::PR_GET_PDEATHSIG), address(&signal), 0, 0, 0],
            )?;
            let [signal] = std::hint::black_box(signal);
            unless(signal == libc::SIGKILL)
        }),
        of(
            "ask for another request",
            Found::Refused(Errno::EBADF),
            |_| call(Sysno::fcntl, &[i64::from(WARM), i64::from(libc::F_GETFD)]).map(drop),
        ),
        of("hand a descriptor of ours to the tool", EACCES, |scene| {
            let flags = call(
                Sysno::fcntl,
                &[i64::from(scene.leaked), i64::from(libc::F_GETFD)],
            )?;
            unless(flags & i64::from(libc::FD_CLOEXEC) != 0)
        }),
    ]
}

/// Every entry of the profile itself: allowed calls reach the kernel, others do not.
fn data(profile: &Profile) -> Vec<Probe> {
    const GROUP: &str = "profile";
    let mut probes = Vec::new();
    for example in &profile.examples {
        let syscall = example.syscall;
        let mut arguments = example.arguments.clone();
        arguments.resize(6, 0);
        let name = format!(
            "{syscall}({})",
            example
                .arguments
                .iter()
                .map(|argument| format!("{argument:#x}"))
                .collect::<Vec<_>>()
                .join(", ")
        );
        let expected = match example.expected {
            Expected::Kernel | Expected::Pretended => Found::Allowed,
            Expected::Refused(errno) => Found::Refused(errno),
        };
        let asks_kernel = example.expected == Expected::Kernel;
        probes.push(probe(GROUP, &name, expected, move |_| {
            match call(syscall, &arguments) {
                Err(errno) if asks_kernel && errno != Errno::EPERM => Ok(()), // the kernel's own answer
                other => other.map(drop),
            }
        }));
    }
    for &syscall in &profile.killed {
        probes.push(probe(
            GROUP,
            &format!("{syscall}"),
            Found::Killed,
            move |_| call(syscall, &[-1, 0, 0, -1]).map(drop),
        ));
    }
    // With arguments that mean nothing, so that whatever the kernel itself answers is a proof that
    // it was asked.
    for &syscall in &profile.allowed {
        let ends = matches!(
            syscall,
            Sysno::exit | Sysno::exit_group | Sysno::rt_sigreturn | Sysno::restart_syscall
        );
        let asks = matches!(syscall, Sysno::connect | Sysno::listen);
        if !ends && !asks {
            probes.push(probe(
                GROUP,
                &format!("{syscall}"),
                Found::Allowed,
                move |_| match call(syscall, &[-1, -1, -1, -1, -1, -1]) {
                    Err(Errno::EPERM) => Err(Errno::EPERM),
                    _ => Ok(()),
                },
            ));
        }
    }
    probes
}
