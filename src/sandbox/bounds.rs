//! What a child takes that no limit of the kernel bounds for it alone.
//!
//! Threads are counted by user (setrlimit(2), RLIMIT_NPROC), which the children of a server that is
//! not root share; memory that was written to and may not be any more is not counted as data. So the
//! spawner looks at its children from time to time, and ends one that has more than it may.
//!
//! Held by `tests/escape` and the tests below.

use std::{
    fs,
    time::{Duration, Instant},
};

use nix::unistd::{Pid, getpid, getsid};

use super::{
    message::{Exceeded, Limits},
    privilege::ChildUser,
    rlimit::MOST_THREADS,
    urgency::LOOK_EVERY,
};

/// How often it is looked where one child could take the threads of all: it starts some 30 in a
/// millisecond, and all together have 4,096.
const OF_SHARED: Duration = Duration::from_millis(25);
/// How often it is looked where the kernel counts threads for each child.
const OF_OWN: Duration = Duration::from_millis(100);

/// What a program has besides its data: its variables, its stack, the kernel's rounding.
const BESIDES: u64 = 32 << 20;

/// The most that a child may take, with all that it starts.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChildBounds {
    threads: u64,
    memory_bytes: u64,
    /// Whether it starts processes.
    starts: bool,
}

impl ChildBounds {
    /// Those of a child with these limits, that starts processes or does not.
    pub(super) fn new(limits: Limits, starts: bool) -> Self {
        Self {
            threads: MOST_THREADS,
            memory_bytes: limits.memory_bytes.saturating_add(BESIDES),
            starts,
        }
    }

    /// The bound that a child has gone beyond, if any.
    pub(super) fn exceeded(self, child: Pid) -> Option<Exceeded> {
        let mut sum = Usage::default();
        let mut next = vec![child];
        if self.starts {
            // What it left has become ours.
            let ours = children(getpid());
            next.extend(ours.into_iter().filter(|pid| {
                *pid != child && getsid(Some(*pid)).is_ok_and(|session| session == child)
            }));
        }
        while let Some(pid) = next.pop() {
            let Some(taken) = Usage::by(pid) else {
                continue; // it has ended
            };
            sum.threads += taken.threads;
            sum.memory_bytes = sum.memory_bytes.saturating_add(taken.memory_bytes);
            if sum.threads > self.threads {
                return Some(Exceeded::Threads);
            }
            if sum.memory_bytes > self.memory_bytes {
                return Some(Exceeded::Memory);
            }
            if self.starts {
                next.extend(children(pid));
            }
        }
        None
    }
}

/// When it is time to look at children that may run something of a request's.
#[derive(Debug)]
pub(super) struct Lookout {
    usual: Duration,
    every: Duration,
    last: Instant,
}

impl Lookout {
    pub(super) fn new(user: ChildUser) -> Self {
        let usual = match user {
            ChildUser::Own => OF_OWN,
            ChildUser::Shared => OF_SHARED,
        };
        Self {
            usual,
            every: usual,
            last: Instant::now(),
        }
    }

    /// Has it be time as often as children have to be looked at that may stand still.
    pub(super) fn hasten(&mut self, is_hasty: bool) {
        self.every = match is_hasty {
            true => LOOK_EVERY.min(self.usual),
            false => self.usual,
        };
    }

    /// How long to wait at most for something else.
    pub(super) fn patience(&self) -> Duration {
        self.every.saturating_sub(self.last.elapsed())
    }

    /// Whether it is time, which it then is not for a while.
    pub(super) fn is_due(&mut self) -> bool {
        let is_due = self.last.elapsed() >= self.every;
        if is_due {
            self.last = Instant::now();
        }
        is_due
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Usage {
    threads: u64,
    memory_bytes: u64,
}

impl Usage {
    fn by(pid: Pid) -> Option<Self> {
        Self::read(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
    }

    /// Reads proc_pid_status(5). What has no memory any more has ended.
    fn read(status: &str) -> Option<Self> {
        let number = |key: &str| {
            let rest = status.lines().find_map(|line| line.strip_prefix(key))?;
            rest.split_whitespace().next()?.parse::<u64>().ok()
        };
        let kibibytes = number("RssAnon:")? + number("VmSwap:").unwrap_or(0);
        Some(Self {
            threads: number("Threads:")?,
            memory_bytes: kibibytes.saturating_mul(1024),
        })
    }
}

/// The processes that all threads of a process have started, and that have not been waited for.
fn children(pid: Pid) -> Vec<Pid> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    let lists = threads
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| {
            let pids = list.split_whitespace().filter_map(|pid| pid.parse().ok());
            pids.map(Pid::from_raw).collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{
        process::{Command, Stdio},
        thread,
    };

    use super::*;

    #[test]
    fn what_a_process_takes_is_read_as_the_kernel_tells_it() {
        let status = "Name:\tkubectl\nVmRSS:\t  90000 kB\nRssAnon:\t  2048 kB\nRssFile:\t 87952 kB\nVmSwap:\t 1024 kB\nThreads:\t9\n";
        let taken = Usage {
            threads: 9,
            memory_bytes: 3 << 20,
        };
        assert_eq!(Usage::read(status), Some(taken));
        assert_eq!(Usage::read("Name:\tzombie\nThreads:\t1\n"), None);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test starts processes")]
    fn threads_and_memory_of_a_child_and_of_all_that_it_starts_are_bounded() {
        let mut shell = Command::new("sh")
            .args(["-c", "sleep 60 & sleep 60 & echo; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(
            &mut std::io::BufReader::new(shell.stdout.take().unwrap()),
            &mut line,
        )
        .unwrap();
        let pid = Pid::from_raw(shell.id().try_into().unwrap());
        let with = |threads, memory_bytes, starts| ChildBounds {
            threads,
            memory_bytes,
            starts,
        };
        assert_eq!(with(3, 1 << 30, true).exceeded(pid), None);
        assert_eq!(
            with(2, 1 << 30, true).exceeded(pid),
            Some(Exceeded::Threads)
        );
        assert_eq!(with(2, 1 << 30, false).exceeded(pid), None, "it alone");
        assert_eq!(with(3, 1 << 12, true).exceeded(pid), Some(Exceeded::Memory));
        for started in children(pid) {
            nix::sys::signal::kill(started, nix::sys::signal::Signal::SIGKILL).unwrap();
        }
        shell.wait().unwrap();
        assert_eq!(with(0, 0, true).exceeded(pid), None, "it has ended");
    }

    #[test]
    fn it_is_time_to_look_once_in_a_while() {
        let mut lookout = Lookout::new(ChildUser::Shared);
        thread::sleep(OF_SHARED);
        assert_eq!(lookout.patience(), Duration::ZERO);
        assert!(lookout.is_due() && !lookout.is_due());
        assert!(lookout.patience() > Duration::ZERO);
    }
}
