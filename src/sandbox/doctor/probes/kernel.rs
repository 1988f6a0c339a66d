//! Attempts at parts of the kernel, and at what a process can see of its own layers.

use nix::errno::Errno;
use syscalls::Sysno;

use crate::sandbox::{
    child::WARM,
    doctor::probe::{EACCES, EPERM, Found, Probe, Scene, address, call, probe},
    sys,
};

/// Parts of the kernel that no tool needs, and that exploits begin with.
pub(super) fn kernel() -> Vec<Probe> {
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
pub(super) fn layers() -> Vec<Probe> {
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
