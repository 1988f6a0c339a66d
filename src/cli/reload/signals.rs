//! SIGHUP and SIGUSR1: look at all files now. Neither ever ends the server.
//!
//! Both are held back from the first instant on, also in the spawner, and let through when there is
//! somebody to take them: a `systemctl kill -s HUP` goes to every process of the unit.

use nix::sys::signal::{SigSet, Signal};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc::{Receiver, channel},
};

/// The signal that asks for a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSignal {
    /// SIGHUP
    Hangup,
    /// SIGUSR1
    User1,
}

impl FileSignal {
    /// The signal's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hangup => "SIGHUP",
            Self::User1 => "SIGUSR1",
        }
    }
}

fn both() -> SigSet {
    let mut both = SigSet::empty();
    both.add(Signal::SIGHUP);
    both.add(Signal::SIGUSR1);
    both
}

/// Holds both signals back, until [`asked`]. Call it while the process has one thread: those that
/// begin later hold them back for good, and so does the spawner.
///
/// # Errors
/// When the kernel refuses.
pub fn hold_signals() -> std::io::Result<()> {
    Ok(both().thread_block()?)
}

/// Takes both signals from now on; call it on the thread that has held them back. Those that come
/// while a look is asked for are one with it.
///
/// # Errors
/// When they cannot be taken.
pub fn asked() -> std::io::Result<Receiver<FileSignal>> {
    let (ask, asked) = channel(1);
    let mut hangup = signal(SignalKind::hangup())?;
    let mut user1 = signal(SignalKind::user_defined1())?;
    both().thread_unblock()?;
    tokio::spawn(async move {
        loop {
            let why = tokio::select! {
                Some(()) = hangup.recv() => FileSignal::Hangup,
                Some(()) = user1.recv() => FileSignal::User1,
                else => return,
            };
            let _ = ask.try_send(why); // one that waits already is enough
        }
    });
    Ok(asked)
}
