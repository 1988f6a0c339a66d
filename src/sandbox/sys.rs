//! The system calls that have no safe wrapper. The only file with `unsafe`, beside its part `heap`,
//! which is about the allocator: one thin function per call, one operation per block.

#![expect(
    unsafe_code,
    reason = "the crate denies it, and this is the one file that may; each block says why it is sound"
)]

mod heap;

use std::{
    ffi::CString,
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    ptr::{self, NonNull},
};

use nix::{
    sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction},
    unistd::{ForkResult, Pid},
};

pub(super) use heap::return_large_buffers;
pub use heap::{give_back_freed_memory, give_back_memory};

/// What [`fork`] returned.
pub(super) enum Forked {
    /// In the parent: the child's id.
    Parent(Pid),
    /// In the child.
    Child,
}

/// Forks.
///
/// Only for a process with one thread: then no lock can be held by a thread that is not there in
/// the child, and the child may allocate.
pub(super) fn fork() -> io::Result<Forked> {
    // SAFETY: fork(2) has no memory conditions. Its process condition (no other thread may hold a
    // lock) holds because all callers (the commands of the line before a runtime, and the spawner)
    // have one thread. Unit tests have more; their child takes no lock but malloc's, which fork
    // resets in it (glibc, musl).
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(Forked::Parent(child)),
        ForkResult::Child => Ok(Forked::Child),
    }
}

/// Memory for the calls of a child that shares its parent's, with a page below that may not be
/// touched.
pub(super) struct Stack(NonNull<libc::c_void>);

impl Stack {
    /// What confining a child needs is a few KiB; a debug build's frames are larger.
    const BYTES: usize = 256 * 1024;
    const GUARD: usize = 64 * 1024; // a page on every architecture

    /// Never given back: the spawner has one, as long as it lives.
    pub(super) fn new() -> io::Result<Self> {
        let (access, flags) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK,
        );
        // SAFETY: without an address the kernel chooses one where nothing is.
        let low = unsafe {
            libc::mmap(
                ptr::null_mut(),
                Self::BYTES + Self::GUARD,
                access,
                flags,
                -1,
                0,
            )
        };
        let low = if low == libc::MAP_FAILED {
            None
        } else {
            NonNull::new(low)
        }
        .ok_or_else(io::Error::last_os_error)?;
        // SAFETY: these are the lowest bytes of the mapping above, which nobody has used yet.
        checked(unsafe { libc::mprotect(low.as_ptr(), Self::GUARD, libc::PROT_NONE) }.into())?;
        Ok(Self(low))
    }
}

/// Starts a child that shares this process's memory and runs `child` on a stack of its own, until
/// it becomes another program or ends. This process stands still meanwhile. Nothing has to be
/// copied, neither a page nor a table of pages, in either of them (clone(2): CLONE_VM with
/// CLONE_VFORK, as posix_spawn(3) has it).
///
/// Only for a process with one thread. What `child` has allocated and not freed when the program
/// starts is lost.
pub(super) fn fork_sharing_memory<F: FnOnce()>(stack: &mut Stack, child: F) -> io::Result<Pid> {
    extern "C" fn run<F: FnOnce()>(child: *mut libc::c_void) -> libc::c_int {
        // SAFETY: `child` is the `Option` below, of this type: the parent, which owns it, stands
        // still, and nobody else runs.
        if let Some(child) = unsafe { &mut *child.cast::<Option<F>>() }.take() {
            child();
        }
        125
    }
    let mut child = Some(child);
    // SAFETY: one past the end of the stack's mapping, where it begins to grow down.
    let top = unsafe { stack.0.byte_add(Stack::GUARD + Stack::BYTES) };
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the stack is this function's alone (`&mut`) and, by CLONE_VFORK, not in use any more
    // when clone returns; `run` gets what it expects, and it outlives the child's use of it for the
    // same reason. A panic cannot leave `run`: it aborts the child. Signal handlers, which could
    // run in the child, are none of ours.
    let pid = unsafe { libc::clone(run::<F>, top.as_ptr(), flags, (&raw mut child).cast()) };
    counted(pid).map(Pid::from_raw)
}

/// Takes over a descriptor that the kernel has just installed into this process.
pub(super) fn own(descriptor: RawFd) -> OwnedFd {
    // SAFETY: the caller got the number from recvmsg(2), pidfd_open(2) or seccomp(2) a moment ago;
    // nothing else knows it, so this is its only owner.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

/// Watches a descriptor of ours.
pub(super) fn watch(socket: OwnedFd) -> io::Result<tokio::io::unix::AsyncFd<OwnedFd>> {
    // SAFETY: `register` asks that `as_raw_fd` names the same open descriptor for as long as it is
    // registered; an `OwnedFd` is that until it is dropped, which unregisters it first.
    let watched = unsafe { tokio::io::unix::AsyncFd::register(socket) };
    watched.map_err(io::Error::from)
}

/// A descriptor that is readable once `pid` has ended (pidfd_open(2)).
pub(super) fn pidfd_open(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open(2) takes two integers and touches no memory of ours.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let descriptor = RawFd::try_from(counted(descriptor)?);
    Ok(own(descriptor.map_err(|_| io::ErrorKind::InvalidData)?))
}

/// Marks every descriptor from 3 up close-on-exec (close_range(2), Linux 5.11).
pub(super) fn close_on_exec_from_three() -> io::Result<()> {
    // SAFETY: with CLOSE_RANGE_CLOEXEC nothing is closed before exec, so no `OwnedFd` is
    // invalidated.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3_u32,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    checked(rc)
}

/// The newest Landlock ABI of the running kernel; 0 when there is none.
pub(super) fn landlock_abi() -> i64 {
    const LANDLOCK_CREATE_RULESET_VERSION: u32 = 1;
    // SAFETY: landlock_create_ruleset(2) with a null attribute, size 0 and this flag only returns
    // the version; it reads no memory and creates nothing.
    let abi = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<libc::c_void>(),
            0_usize,
            LANDLOCK_CREATE_RULESET_VERSION,
        )
    };
    abi.max(0)
}

/// Forbids memory that is writable and executable, or was (PR_SET_MDWE, Linux 6.3).
pub(super) fn deny_write_execute() -> io::Result<()> {
    const PR_SET_MDWE: libc::c_int = 65;
    const PR_MDWE_REFUSE_EXEC_GAIN: libc::c_ulong = 1;
    // SAFETY: this prctl takes integers only and changes a flag of the calling process.
    let rc = unsafe { libc::prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0_u64, 0_u64, 0_u64) };
    checked(rc.into())
}

/// Whether memory that is writable and executable is forbidden (PR_GET_MDWE, Linux 6.3).
pub(super) fn write_execute_is_denied() -> io::Result<bool> {
    const PR_GET_MDWE: libc::c_int = 66;
    // SAFETY: PR_GET_MDWE takes integers only and writes no memory.
    let rc = unsafe { libc::prctl(PR_GET_MDWE, 0_u64, 0_u64, 0_u64, 0_u64) };
    Ok(counted(rc)? & 1 == 1)
}

/// The mode of seccomp of this thread: 0 none, 2 a filter; or the error that a filter returns in the
/// kernel's place.
pub(super) fn seccomp_mode() -> io::Result<libc::c_int> {
    // SAFETY: PR_GET_SECCOMP takes no argument and writes no memory. In strict mode it would kill
    // the process (prctl(2)), which no process of ours enters.
    let rc = unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0_u64, 0_u64, 0_u64, 0_u64) };
    counted(rc)
}

/// Makes this process, or all of a group, so urgent (setpriority(2)).
pub(super) fn set_niceness(group: Option<Pid>, to: i32) -> io::Result<()> {
    let of = group.map_or(libc::PRIO_PROCESS, |_| libc::PRIO_PGRP);
    let who = group.map_or(0, |group| group.as_raw().unsigned_abs());
    // SAFETY: setpriority(2) takes integers.
    counted(unsafe { libc::setpriority(of, who, to) }).map(drop)
}

/// How urgent this process is, from -20 to 19; the less the more.
pub(super) fn niceness() -> i32 {
    // SAFETY: getpriority(2) takes integers; for the calling process it cannot fail.
    unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }
}

/// Drops one capability from the bounding set; `EINVAL` says that there is no such capability.
pub(super) fn drop_bounding(capability: u64) -> io::Result<()> {
    // SAFETY: PR_CAPBSET_DROP takes integers only.
    let rc = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0_u64, 0_u64, 0_u64) };
    checked(rc.into())
}

/// Words for a program, as exec takes them.
pub(super) struct Words {
    pointers: Vec<*const libc::c_char>,
    _words: Vec<CString>,
}

impl Words {
    /// Takes them; the pointers go to the words' own memory, which stays where it is.
    pub(super) fn new(words: Vec<CString>) -> Self {
        Self {
            pointers: words
                .iter()
                .map(|word| word.as_ptr())
                .chain([ptr::null()])
                .collect(),
            _words: words,
        }
    }
}

/// Becomes the program behind a descriptor; comes back with why not. Allocates nothing.
///
/// The C library passes on what is in 64-bit registers, and what stands above a 32-bit argument is
/// anything. The filter of calls looks at all of it, so every argument is widened here.
pub(super) fn become_program(
    program: BorrowedFd<'_>,
    argv: &Words,
    environment: &Words,
) -> io::Error {
    // SAFETY: the path and each word end with a NUL, both lists end with a null pointer, and all of
    // them outlive the call.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            libc::c_long::from(program.as_raw_fd()),
            c"".as_ptr(),
            argv.pointers.as_ptr(),
            environment.pointers.as_ptr(),
            libc::c_long::from(libc::AT_EMPTY_PATH),
        );
    }
    io::Error::last_os_error()
}

/// Whether a capability is in the bounding set; `EINVAL` says that there is no such capability.
pub(super) fn is_bounding(capability: u64) -> io::Result<bool> {
    // SAFETY: PR_CAPBSET_READ takes integers only.
    let rc = unsafe { libc::prctl(libc::PR_CAPBSET_READ, capability, 0_u64, 0_u64, 0_u64) };
    Ok(counted(rc)? == 1)
}

/// Empties the ambient set.
pub(super) fn clear_ambient() -> io::Result<()> {
    // The kernel reads an unsigned long; a C int in a variadic call is narrower.
    let clear_all = libc::PR_CAP_AMBIENT_CLEAR_ALL as libc::c_ulong;
    // SAFETY: PR_CAP_AMBIENT takes integers only.
    let rc = unsafe { libc::prctl(libc::PR_CAP_AMBIENT, clear_all, 0_u64, 0_u64, 0_u64) };
    checked(rc.into())
}

/// `struct __user_cap_header_struct` and two `struct __user_cap_data_struct` (capset(2), version
/// 3).
#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: libc::c_int,
}

/// Effective, permitted and inheritable sets, low and high half.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct CapabilitySets([u32; 6]);

const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

/// Empties the effective, permitted and inheritable sets.
pub(super) fn clear_capabilities() -> io::Result<()> {
    let header = CapabilityHeader {
        version: CAPABILITY_VERSION_3,
        pid: 0,
    };
    let empty = CapabilitySets::default();
    // SAFETY: capset(2) reads one header and, for version 3, two data structs; both are of those
    // layouts and outlive the call.
    let rc = unsafe { libc::syscall(libc::SYS_capset, &raw const header, &raw const empty) };
    checked(rc)
}

/// Whether all three sets are empty.
pub(super) fn capabilities_are_empty() -> io::Result<bool> {
    let mut header = CapabilityHeader {
        version: CAPABILITY_VERSION_3,
        pid: 0,
    };
    let mut sets = CapabilitySets([u32::MAX; 6]);
    // SAFETY: capget(2) may write the header's version and writes two data structs for version 3;
    // both are of those layouts, writable, and outlive the call.
    let rc = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, &raw mut sets) };
    checked(rc)?;
    Ok(sets == CapabilitySets::default())
}

/// Puts every signal back to its default and unblocks all: ignored ones would survive exec.
pub(super) fn default_signals() -> io::Result<()> {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    for signal in
        Signal::iterator().filter(|signal| !matches!(signal, Signal::SIGKILL | Signal::SIGSTOP))
    {
        // SAFETY: sigaction(2) with the default action installs no code of ours.
        unsafe { sigaction(signal, &default) }?;
    }
    SigSet::empty().thread_set_mask()?;
    Ok(())
}

/// Whether this process ignores none of the signals that the spawner ignores, and blocks none at
/// all. Exec resets everything else.
pub(super) fn signals_are_default() -> io::Result<bool> {
    for signal in IGNORED {
        // SAFETY: all-zero bytes are a `sigaction`: integers, and no handler.
        let mut found: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: without a new action sigaction(2) changes nothing and writes the present one to
        // `found`, which is one.
        let rc = unsafe { libc::sigaction(signal as i32, ptr::null(), &raw mut found) };
        checked(rc.into())?;
        if found.sa_sigaction != libc::SIG_DFL {
            return Ok(false);
        }
    }
    Ok(SigSet::thread_get_mask()? == SigSet::empty())
}

/// What a terminal sends to the whole group, and what a closed pipe sends.
const IGNORED: [Signal; 5] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGPIPE,
];

/// Ignores what a terminal sends to the whole group: the spawner ends when the server does.
pub(super) fn ignore_terminal_signals() -> io::Result<()> {
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    for signal in IGNORED {
        // SAFETY: sigaction(2) with SIG_IGN installs no code of ours.
        unsafe { sigaction(signal, &ignore) }?;
    }
    Ok(())
}

/// Installs a seccomp filter for this process, which has one thread.
pub(super) fn install_filter(code: &[libc::sock_filter]) -> io::Result<()> {
    seccomp(code, 0).map(drop)
}

/// Installs a filter and returns the listener of its notifications (seccomp_unotify(2)).
///
/// Once the supervisor has received one, only a fatal signal interrupts the wait for its answer
/// (Linux 5.19): the Go runtime preempts its threads by signals.
pub(super) fn install_notifying_filter(code: &[libc::sock_filter]) -> io::Result<OwnedFd> {
    let flags =
        libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    let descriptor = seccomp(code, flags)?;
    RawFd::try_from(descriptor)
        .map(own)
        .map_err(|_| io::ErrorKind::InvalidData.into())
}

fn seccomp(code: &[libc::sock_filter], flags: libc::c_ulong) -> io::Result<libc::c_long> {
    let length = u16::try_from(code.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog {
        len: length,
        filter: code.as_ptr().cast_mut(),
    };
    // SAFETY: seccomp(2) reads `len` instructions behind `filter`, which `code` holds, and writes
    // nothing; the program outlives the call.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::c_ulong::from(libc::SECCOMP_SET_MODE_FILTER),
            flags,
            &raw const program,
        )
    };
    counted(rc)
}

/// The notification of a call, whose thread waits for the answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Notification {
    id: u64,
    /// The call's number.
    pub(super) number: i32,
    /// Its first argument: the descriptor that it is made on.
    pub(super) descriptor: u32,
    /// All of its arguments.
    pub(super) arguments: [u64; 6],
    /// The thread that waits.
    pub(super) thread: Pid,
}

/// Receives a notification that [`nix::poll`] has announced; without one this would block.
pub(super) fn receive_notification(listener: BorrowedFd<'_>) -> io::Result<Notification> {
    let mut received = libc::seccomp_notif {
        id: 0,
        pid: 0,
        flags: 0,
        data: libc::seccomp_data {
            nr: 0,
            arch: 0,
            instruction_pointer: 0,
            args: [0; 6],
        },
    };
    // SAFETY: the request writes one `seccomp_notif`, which must be zero before; `received` is one.
    let rc = unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_RECV,
            &raw mut received,
        )
    };
    checked(rc.into())?;
    let [first, ..] = received.data.args;
    // The kernel reads a descriptor's low 32 bits only.
    let descriptor = u32::try_from(first & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    let thread = i32::try_from(received.pid)
        .map(Pid::from_raw)
        .map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(Notification {
        id: received.id,
        number: received.data.nr,
        descriptor,
        arguments: received.data.args,
        thread,
    })
}

/// Puts a socket of ours in the place of the one that the notification is about.
pub(super) fn replace_descriptor(
    listener: BorrowedFd<'_>,
    notification: Notification,
    with: BorrowedFd<'_>,
) -> io::Result<()> {
    let source = u32::try_from(with.as_raw_fd()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let flags =
        u32::try_from(libc::SECCOMP_ADDFD_FLAG_SETFD).map_err(|_| io::ErrorKind::InvalidInput)?;
    let added = libc::seccomp_notif_addfd {
        id: notification.id,
        flags,
        srcfd: source,
        newfd: notification.descriptor,
        newfd_flags: libc::O_CLOEXEC.unsigned_abs(),
    };
    // SAFETY: the request reads one `seccomp_notif_addfd`; `added` is one and outlives the call.
    let rc = unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_ADDFD,
            &raw const added,
        )
    };
    counted(rc).map(drop) // the descriptor's number
}

/// Answers a notification: the call has succeeded with 0, or failed.
pub(super) fn answer(
    listener: BorrowedFd<'_>,
    notification: Notification,
    answer: Result<(), nix::errno::Errno>,
) -> io::Result<()> {
    let error = answer.map_or_else(|errno| -(errno as i32), |()| 0);
    respond(
        listener,
        libc::seccomp_notif_resp {
            id: notification.id,
            val: 0,
            error,
            flags: 0,
        },
    )
}

/// Answers a notification: the kernel runs the call as if there had been no filter.
///
/// It protects nothing: what the arguments point to can change after it was looked at
/// (seccomp_unotify(2)). For tracing only.
pub(super) fn continue_call(
    listener: BorrowedFd<'_>,
    notification: Notification,
) -> io::Result<()> {
    let flags = u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE)
        .map_err(|_| io::ErrorKind::InvalidInput)?;
    respond(
        listener,
        libc::seccomp_notif_resp {
            id: notification.id,
            val: 0,
            error: 0,
            flags,
        },
    )
}

fn respond(listener: BorrowedFd<'_>, mut response: libc::seccomp_notif_resp) -> io::Result<()> {
    // SAFETY: the request reads one `seccomp_notif_resp`; `response` is one and outlives the call.
    let rc = unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_SEND,
            &raw mut response,
        )
    };
    checked(rc.into())
}

/// Makes any system call at all, to see what becomes of it.
///
/// Only for the probes of the battery: their process was forked to make this one call and ends
/// after it. Addresses among the arguments point to what outlives the call, or to nothing.
pub(super) fn attempt(
    syscall: libc::c_long,
    arguments: [i64; 6],
) -> Result<i64, nix::errno::Errno> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the process has one thread and runs nothing after this but a write of the result and
    // _exit, so what the call may do to its memory, descriptors or signals reaches no other code.
    let found = unsafe { libc::syscall(syscall, a, b, c, d, e, f) };
    nix::errno::Errno::result(found)
}

/// Ends the calling process at once, without running anything of ours.
pub(super) fn exit_now(code: i32) -> ! {
    // SAFETY: _exit(2) has no conditions and does not return.
    unsafe { libc::_exit(code) }
}

/// The result of a call that returns 0.
fn checked(rc: libc::c_long) -> io::Result<()> {
    if rc == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The result of a call that returns a number from 0 on.
fn counted<N: PartialOrd + Default>(rc: N) -> io::Result<N> {
    if rc < N::default() {
        Err(io::Error::last_os_error())
    } else {
        Ok(rc)
    }
}
