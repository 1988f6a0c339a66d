//! The calls of a traced program -> those beyond its profile, and what of the profile it never used.
//!
//! May not run anything. Conditions are written as the profiles write them, so that one can
//! be copied into a file of `policy/sandbox/`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use nix::{errno::Errno, unistd::Pid};
use serde::Serialize;
use syscalls::Sysno;

use crate::sandbox::filter::{Action, CallRule};

/// A call that the profile would not have let through.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Beyond {
    /// Its name, or its number where this build knows no name.
    pub call: String,
    /// How often.
    pub count: u64,
    /// What a child would have got: an error, `success` (reported as done, and not done), or
    /// `killed`.
    pub becomes: String,
    /// Whether the profile has an entry for the call; without one it is refused as all others are.
    pub entry: bool,
    /// With what arguments, of those that a condition could name.
    pub arguments: Vec<CallArguments>,
    /// How many calls had other arguments than the listed ones.
    pub more: u64,
}

/// CallArguments of a call.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct CallArguments {
    /// As a profile writes it: `arg0 == 0x2 and arg1 == 0x1`. Empty: no argument decides about this
    /// call.
    pub condition: String,
    /// How often.
    pub count: u64,
}

/// A file that no child of the profile could have opened.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct BeyondFile {
    /// As the program named it, made absolute.
    pub path: PathBuf,
    /// Whether it was opened to change it.
    pub write: bool,
    /// How often.
    pub count: u64,
    /// Whether it was there.
    pub exists: bool,
}

/// What a profile allows and the program did not need.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unused {
    /// TracedCalls that are always allowed, by name.
    pub calls: Vec<String>,
    /// Conditions, with the name of their call before them.
    pub conditions: Vec<String>,
    /// Readable files.
    pub files: Vec<PathBuf>,
}

/// The calls of one program, counted.
pub(super) struct TracedCalls<'a> {
    rules: &'a BTreeMap<Sysno, CallRule>,
    own: Pid,
    most: usize,
    beyond: BTreeMap<i32, CallCount>,
    used: BTreeSet<(Sysno, Option<usize>)>,
}

#[derive(Default)]
struct CallCount {
    count: u64,
    arguments: BTreeMap<String, u64>,
    more: u64,
}

impl<'a> TracedCalls<'a> {
    /// None yet, of the process `own`; `most` argument lists are kept per call.
    pub(super) fn new(rules: &'a BTreeMap<Sysno, CallRule>, own: Pid, most: usize) -> Self {
        Self {
            rules,
            own,
            most,
            beyond: BTreeMap::new(),
            used: BTreeSet::new(),
        }
    }

    /// Counts one.
    pub(super) fn count(&mut self, number: i32, arguments: [u64; 6]) {
        let syscall = name_of(number);
        let rule = syscall.and_then(|syscall| self.rules.get(&syscall));
        let alternative = rule.and_then(|rule| rule.alternative(arguments, self.own));
        let allowed =
            rule.is_some_and(|rule| alternative.is_some() || rule.otherwise == Action::Allow);
        if let Some(syscall) = syscall.filter(|_| allowed) {
            self.used.insert((syscall, alternative));
            return;
        }
        let condition = condition(syscall, rule, arguments, self.own);
        let counted = self.beyond.entry(number).or_default();
        counted.count += 1;
        if counted.arguments.len() < self.most || counted.arguments.contains_key(&condition) {
            *counted.arguments.entry(condition).or_default() += 1;
        } else {
            counted.more += 1;
        }
    }

    /// What is beyond the profile, the worst first.
    pub(super) fn beyond(&self) -> Vec<Beyond> {
        let mut beyond: Vec<Beyond> = self
            .beyond
            .iter()
            .map(|(number, counted)| self.describe(*number, counted))
            .collect();
        beyond.sort_by_key(|call| (call.becomes != KILLED, call.entry, call.call.clone()));
        beyond
    }

    fn describe(&self, number: i32, counted: &CallCount) -> Beyond {
        let syscall = name_of(number);
        let rule = syscall.and_then(|syscall| self.rules.get(&syscall));
        let becomes = match rule.map_or(Action::Refuse(Errno::EPERM), |rule| rule.otherwise) {
            Action::Refuse(Errno::UnknownErrno) => "success".to_owned(),
            Action::Refuse(errno) => format!("{errno:?}"),
            Action::Kill => KILLED.to_owned(),
            // A call that is not allowed has another action in every profile.
            Action::Allow | Action::Notify => "allowed".to_owned(),
        };
        Beyond {
            call: syscall.map_or_else(
                || format!("call {number}"),
                |syscall| syscall.name().to_owned(),
            ),
            count: counted.count,
            becomes,
            entry: rule.is_some(),
            arguments: counted
                .arguments
                .iter()
                .map(|(condition, count)| CallArguments {
                    condition: condition.clone(),
                    count: *count,
                })
                .collect(),
            more: counted.more,
        }
    }

    /// The calls and the conditions of the profile that were not seen. Only for a trace that saw
    /// every call.
    pub(super) fn unused(&self) -> Unused {
        let mut unused = Unused::default();
        for (syscall, rule) in self.rules {
            // The sandbox itself needs this one, to become the tool.
            if *syscall == Sysno::execveat {
                continue;
            }
            if rule.otherwise == Action::Allow && !self.used.contains(&(*syscall, None)) {
                unused.calls.push(syscall.name().to_owned());
            }
            for (_, conditions) in rule
                .allowed
                .iter()
                .enumerate()
                .filter(|(at, _)| !self.used.contains(&(*syscall, Some(*at))))
            {
                let conditions: Vec<String> = conditions.iter().map(ToString::to_string).collect();
                unused
                    .conditions
                    .push(format!("{} {}", syscall.name(), conditions.join(" and ")));
            }
        }
        unused
    }
}

const KILLED: &str = "killed";

fn name_of(number: i32) -> Option<Sysno> {
    Sysno::new(usize::try_from(number).ok()?)
}

/// The arguments that a filter could decide by: those that the profile looks at, and of other calls
/// the ones below.
fn condition(
    syscall: Option<Sysno>,
    rule: Option<&CallRule>,
    arguments: [u64; 6],
    own: Pid,
) -> String {
    let of_rule = rule.into_iter().flat_map(CallRule::examined);
    let known =
        syscall.and_then(|syscall| TELLING.iter().find(|(name, _)| *name == syscall.name()));
    let shown: BTreeSet<u32> = of_rule
        .chain(known.into_iter().flat_map(|(_, shown)| *shown).copied())
        .collect();
    let by_process = matches!(
        syscall,
        Some(Sysno::kill | Sysno::tgkill | Sysno::prlimit64)
    );
    let shown = (0..)
        .zip(arguments)
        .filter(|(at, _)| shown.contains(at))
        .map(|(at, value)| {
            if by_process && at == 0 && Ok(own.as_raw()) == i32::try_from(value) {
                "arg0 == self".to_owned()
            } else {
                format!("arg{at} == {value:#x}")
            }
        });
    shown.collect::<Vec<_>>().join(" and ")
}

/// CallArguments that are neither addresses nor sizes nor, as a rule, descriptors: commands, flags,
/// families, modes.
const TELLING: [(&str, &[u32]); 65] = [
    ("accept4", &[3]),
    ("arch_prctl", &[0]),
    ("bpf", &[0]),
    ("clock_gettime", &[0]),
    ("clone", &[0]),
    ("close_range", &[2]),
    ("dup3", &[2]),
    ("epoll_create1", &[0]),
    ("epoll_ctl", &[1]),
    ("eventfd2", &[1]),
    ("execveat", &[4]),
    ("faccessat", &[2]),
    ("faccessat2", &[2, 3]),
    ("fadvise64", &[3]),
    ("fallocate", &[1]),
    ("fcntl", &[1, 2]),
    ("flock", &[1]),
    ("futex", &[1]),
    ("get_mempolicy", &[4]),
    ("getrandom", &[2]),
    ("getrlimit", &[0]),
    ("getsockopt", &[1, 2]),
    ("inotify_init1", &[0]),
    ("ioctl", &[1]),
    ("keyctl", &[0]),
    ("kill", &[0, 1]),
    ("landlock_create_ruleset", &[2]),
    ("lseek", &[2]),
    ("madvise", &[2]),
    ("mbind", &[2]),
    ("membarrier", &[0, 1]),
    ("memfd_create", &[1]),
    ("mlockall", &[0]),
    ("mmap", &[2, 3]),
    ("mount", &[3]),
    ("mprotect", &[2]),
    ("mremap", &[3]),
    ("msync", &[2]),
    ("open", &[1]),
    ("openat", &[2]),
    ("personality", &[0]),
    ("pidfd_open", &[1]),
    ("pipe2", &[1]),
    ("prctl", &[0, 1]),
    ("prlimit64", &[0, 1]),
    ("ptrace", &[0]),
    ("recvfrom", &[3]),
    ("recvmsg", &[2]),
    ("rseq", &[2]),
    ("rt_sigaction", &[0]),
    ("rt_sigprocmask", &[0]),
    ("seccomp", &[0, 1]),
    ("sendmsg", &[2]),
    ("sendto", &[3]),
    ("set_mempolicy", &[0]),
    ("setns", &[1]),
    ("setrlimit", &[0]),
    ("setsockopt", &[1, 2]),
    ("shutdown", &[1]),
    ("socket", &[0, 1, 2]),
    ("socketpair", &[0, 1, 2]),
    ("tgkill", &[0, 2]),
    ("timerfd_create", &[0, 1]),
    ("umask", &[0]),
    ("unshare", &[0]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::profile::{ProfileName, Profiles};

    const OWN: i32 = 77;

    fn of_plain(asked: &[(Sysno, [u64; 6])], most: usize) -> (Vec<Beyond>, Unused) {
        let profiles = Profiles::load().unwrap();
        let mut calls = TracedCalls::new(
            &profiles.get(ProfileName::Plain).rules,
            Pid::from_raw(OWN),
            most,
        );
        for (syscall, arguments) in asked {
            calls.count(syscall.id(), *arguments);
        }
        (calls.beyond(), calls.unused())
    }

    fn arguments(condition: &str, count: u64) -> CallArguments {
        CallArguments {
            condition: condition.into(),
            count,
        }
    }

    #[test]
    fn a_call_beyond_the_profile_says_what_becomes_of_it_and_with_what_arguments() {
        let of = |call: &str, count, becomes: &str, entry, arguments, more| Beyond {
            call: call.into(),
            count,
            becomes: becomes.into(),
            entry,
            arguments,
            more,
        };
        let (beyond, _) = of_plain(
            &[
                (Sysno::socket, [2, 0x80802, 0, 9, 9, 9]),
                (Sysno::socket, [2, 0x80801, 0, 0, 0, 0]), // allowed
                (Sysno::socket, [2, 0x80802, 0, 0, 0, 0]),
                (Sysno::socket, [16, 3, 0, 0, 0, 0]),
                (Sysno::socket, [1, 1, 0, 0, 0, 0]),
                (Sysno::clone3, [0x1000, 88, 0, 0, 0, 0]),
                (Sysno::mkdirat, [1, 2, 3, 4, 5, 6]),
                (Sysno::ptrace, [16, 1, 0, 0, 0, 0]),
                (Sysno::tgkill, [77, 78, 23, 0, 0, 0]), // allowed
                (Sysno::kill, [77, 9, 0, 0, 0, 0]),
            ],
            2,
        );
        assert_eq!(
            beyond,
            [
                of(
                    "ptrace",
                    1,
                    "killed",
                    true,
                    vec![arguments("arg0 == 0x10", 1)],
                    0
                ),
                of(
                    "kill",
                    1,
                    "EPERM",
                    false,
                    vec![arguments("arg0 == self and arg1 == 0x9", 1)],
                    0
                ),
                of("mkdirat", 1, "EPERM", false, vec![arguments("", 1)], 0),
                of("clone3", 1, "ENOSYS", true, vec![arguments("", 1)], 0),
                of(
                    "socket",
                    4,
                    "EAFNOSUPPORT",
                    true,
                    vec![
                        arguments("arg0 == 0x10 and arg1 == 0x3 and arg2 == 0x0", 1),
                        arguments("arg0 == 0x2 and arg1 == 0x80802 and arg2 == 0x0", 2)
                    ],
                    1
                ),
            ]
        );
    }

    #[test]
    fn what_was_used_is_not_called_unused() {
        let (beyond, unused) = of_plain(
            &[(Sysno::read, [0; 6]), (Sysno::fcntl, [1, 3, 0, 0, 0, 0])],
            8,
        );
        assert_eq!(beyond, []);
        let has = |list: &[String], entry: &str| list.iter().any(|known| known == entry);
        assert!(
            has(&unused.calls, "write") && !has(&unused.calls, "read"),
            "{unused:?}"
        );
        assert!(
            has(&unused.conditions, "fcntl arg1 == 0x1")
                && !has(&unused.conditions, "fcntl arg1 == 0x3"),
            "{unused:?}"
        );
        // What is refused or killed is nothing that a program could need.
        assert!(
            !unused
                .calls
                .iter()
                .chain(&unused.conditions)
                .any(|entry| entry.starts_with("clone3") || entry.starts_with("ptrace"))
        );
        assert!(
            !unused
                .conditions
                .iter()
                .any(|entry| entry.starts_with("execveat"))
        );
    }
}
