//! Attempts at other processes, other programs and other users.

use std::path::Path;

use nix::errno::Errno;
use syscalls::Sysno;

use crate::sandbox::{
    doctor::probe::{EPERM, Found, HERE, Probe, Scene, address, call, on, probe},
    sys,
};

/// Other processes, other programs, other users.
pub(super) fn processes() -> Vec<Probe> {
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
