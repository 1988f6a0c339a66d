//! What a kind of command may ask of the kernel: the files of `policy/sandbox/`, read and checked.
//!
//! `docs/sandbox.md` explains the files. They are compiled in: what confines a child is part of the
//! program that was reviewed, not of its configuration.

mod verbs;

use std::{collections::BTreeMap, path::PathBuf};

use nix::errno::Errno;
use serde::{Deserialize, Serialize};
use syscalls::Sysno;

use super::filter::{Action, CallRule, Condition, SyscallFilter};
use crate::{command::FilterProgram, tool::Need};

/// The name of a profile. Every command has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileName {
    /// Contacts nobody.
    Offline,
    /// Talks to the API server that it is pinned to.
    Plain,
    /// Talks to itself as well, through ports on loopback.
    ListenerInet,
    /// The same, and asks which addresses this host has.
    ListenerNetlink,
    /// Talks to itself as well, through a socket file.
    ListenerUnix,
    /// Talks to its server, and has a helper compare files that it writes.
    Diff,
    /// Reads its standard input and prints.
    Filter,
    /// The same, with Go's threads.
    FilterGo,
}

impl ProfileName {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Offline,
        Self::Plain,
        Self::ListenerInet,
        Self::ListenerNetlink,
        Self::ListenerUnix,
        Self::Diff,
        Self::Filter,
        Self::FilterGo,
    ];

    /// The profile of a filter's program.
    pub(super) fn of_filter(program: FilterProgram) -> Self {
        if program.is_go() {
            Self::FilterGo
        } else {
            Self::Filter
        }
    }

    /// Whether its children ask a proxy about their server even where Go would dial it by itself:
    /// what else they dial are their own ports.
    pub fn asks_proxy_always(self) -> bool {
        match self {
            Self::ListenerInet | Self::ListenerNetlink => true,
            Self::Offline
            | Self::Plain
            | Self::ListenerUnix
            | Self::Diff
            | Self::Filter
            | Self::FilterGo => false,
        }
    }

    /// Whether a tool may be started under it before there is a request. What writes has its bound
    /// on room from its start on, and filters start in no time.
    pub fn can_be_warm(self) -> bool {
        match self {
            Self::Offline
            | Self::Plain
            | Self::ListenerInet
            | Self::ListenerNetlink
            | Self::ListenerUnix => true,
            Self::Diff | Self::Filter | Self::FilterGo => false,
        }
    }

    /// The name in reports and of the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Plain => "plain",
            Self::ListenerInet => "listener-inet",
            Self::ListenerNetlink => "listener-netlink",
            Self::ListenerUnix => "listener-unix",
            Self::Diff => "diff",
            Self::Filter => "filter",
            Self::FilterGo => "filter-go",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Offline => include_str!("../../../policy/sandbox/offline.toml"),
            Self::Plain => include_str!("../../../policy/sandbox/plain.toml"),
            Self::ListenerInet => include_str!("../../../policy/sandbox/listener-inet.toml"),
            Self::ListenerNetlink => include_str!("../../../policy/sandbox/listener-netlink.toml"),
            Self::ListenerUnix => include_str!("../../../policy/sandbox/listener-unix.toml"),
            Self::Diff => include_str!("../../../policy/sandbox/diff.toml"),
            Self::Filter => include_str!("../../../policy/sandbox/filter.toml"),
            Self::FilterGo => include_str!("../../../policy/sandbox/filter-go.toml"),
        }
    }
}

/// A profile, ready to be applied.
#[derive(Debug)]
pub(super) struct Profile {
    /// The filter that notifies the server of connections; `None`: there are none.
    pub(super) notifying: Option<SyscallFilter>,
    /// What kind of listener it may believe to have.
    pub(super) listener: Option<ListenerKind>,
    /// Whether it may run the helper, and write to a directory of its own.
    pub(super) helper: bool,
    /// Whether it has a request's directory, and may read it.
    pub(super) workspace: bool,
    /// Files that may be read where they are, besides the tool and the request's own directory.
    pub(super) readable: Vec<PathBuf>,
    /// The system calls.
    pub(super) filter: SyscallFilter,
    /// What the filter was compiled from.
    pub(super) rules: BTreeMap<Sysno, CallRule>,
    /// Arguments to run in tests: the call, its arguments and what they must lead to.
    pub(super) examples: Vec<Example>,
    /// The calls that are always allowed.
    pub(super) allowed: Vec<Sysno>,
    /// The calls that the process is killed for.
    pub(super) killed: Vec<Sysno>,
}

/// A call that a profile accepts or refuses, to be run in a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Example {
    pub(super) syscall: Sysno,
    pub(super) arguments: Vec<i64>,
    pub(super) expected: Expected,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// The kernel runs it, and answers whatever it does.
    Kernel,
    /// It ends with this error.
    Refused(Errno),
    /// It is reported as done, and nothing is done.
    Pretended,
}

/// Why a profile cannot be used. The files are compiled in, so this is a fault of the build.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox profile {profile}: {problem}")]
pub struct ProfileError {
    profile: &'static str,
    problem: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(
        dead_code,
        reason = "for those who read the file; a profile without one does not load"
    )]
    description: String,
    includes: Option<ProfileName>,
    #[serde(default)]
    network: Network,
    listener: Option<ListenerKind>,
    #[serde(default)]
    helper: bool,
    #[serde(default = "always")]
    workspace: bool,
    #[serde(default)]
    syscalls: Vec<String>,
    #[serde(default)]
    when: Vec<When>,
    #[serde(default)]
    kill: Kill,
    /// What only this architecture has, or calls by another name.
    #[serde(default)]
    x86_64: Architecture,
    #[serde(default)]
    aarch64: Architecture,
    #[serde(default)]
    readable: Vec<Readable>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Network {
    #[default]
    None,
    Pinned,
}

/// The sockets of a child that listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ListenerKind {
    Inet,
    Unix,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct When {
    syscall: String,
    allowed: Vec<String>,
    #[serde(default = "not_permitted")]
    otherwise: String,
    #[serde(default)]
    accepted: Vec<Vec<i64>>,
    refused: Vec<Vec<i64>>,
    #[serde(rename = "why")]
    _why: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kill {
    syscalls: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Architecture {
    syscalls: Vec<String>,
    kill: Vec<String>,
    when: Vec<When>,
}

impl File {
    /// Moves what this architecture has to what all have.
    fn for_this_architecture(mut self) -> Self {
        let own = if cfg!(target_arch = "aarch64") {
            &mut self.aarch64
        } else {
            &mut self.x86_64
        };
        let Architecture {
            syscalls,
            kill,
            when,
        } = std::mem::take(own);
        self.syscalls.extend(syscalls);
        self.kill.syscalls.extend(kill);
        self.when.extend(when);
        self
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Readable {
    path: PathBuf,
    #[serde(rename = "why")]
    _why: String,
}

fn always() -> bool {
    true
}

fn not_permitted() -> String {
    "EPERM".into()
}

/// All profiles.
#[derive(Debug)]
pub struct Profiles {
    offline: Profile,
    plain: Profile,
    listener_inet: Profile,
    listener_netlink: Profile,
    listener_unix: Profile,
    diff: Profile,
    filter: Profile,
    filter_go: Profile,
}

impl Profiles {
    /// Reads and compiles them.
    ///
    /// # Errors
    /// A fault of this build: the files are compiled in.
    pub fn load() -> Result<Self, ProfileError> {
        Ok(Self {
            offline: Profile::load(ProfileName::Offline)?,
            plain: Profile::load(ProfileName::Plain)?,
            listener_inet: Profile::load(ProfileName::ListenerInet)?,
            listener_netlink: Profile::load(ProfileName::ListenerNetlink)?,
            listener_unix: Profile::load(ProfileName::ListenerUnix)?,
            diff: Profile::load(ProfileName::Diff)?,
            filter: Profile::load(ProfileName::Filter)?,
            filter_go: Profile::load(ProfileName::FilterGo)?,
        })
    }

    pub(super) fn get(&self, name: ProfileName) -> &Profile {
        match name {
            ProfileName::Offline => &self.offline,
            ProfileName::Plain => &self.plain,
            ProfileName::ListenerInet => &self.listener_inet,
            ProfileName::ListenerNetlink => &self.listener_netlink,
            ProfileName::ListenerUnix => &self.listener_unix,
            ProfileName::Diff => &self.diff,
            ProfileName::Filter => &self.filter,
            ProfileName::FilterGo => &self.filter_go,
        }
    }
}

impl Profile {
    /// Reads a profile and those that it includes, whose rules stand where it has none for the
    /// call.
    pub(super) fn load(name: ProfileName) -> Result<Self, ProfileError> {
        let mut rules: BTreeMap<Sysno, CallRule> = BTreeMap::new();
        let mut profile = Self {
            notifying: None,
            listener: None,
            helper: false,
            workspace: true,
            readable: Vec::new(),
            filter: SyscallFilter::default(),
            rules: BTreeMap::new(),
            examples: Vec::new(),
            allowed: Vec::new(),
            killed: Vec::new(),
        };
        let mut network = Network::None;
        let mut next = Some(name);
        let mut seen = Vec::new();
        while let Some(name) = next {
            let wrong = |problem: String| ProfileError {
                profile: name.as_str(),
                problem,
            };
            if seen.contains(&name) {
                return Err(wrong("it includes itself".into()));
            }
            seen.push(name);
            let file = toml::from_str::<File>(name.text())
                .map_err(|error| wrong(error.to_string()))?
                .for_this_architecture();
            let (of_file, examples) = file.rules().map_err(wrong)?;
            profile.examples.extend(
                examples
                    .into_iter()
                    .filter(|example| !rules.contains_key(&example.syscall)),
            );
            for (syscall, rule) in of_file {
                rules.entry(syscall).or_insert(rule);
            }
            if file.network == Network::Pinned {
                network = Network::Pinned;
            }
            profile.listener = profile.listener.or(file.listener);
            profile.helper |= file.helper;
            profile.workspace &= file.workspace;
            profile
                .readable
                .extend(file.readable.into_iter().map(|readable| readable.path));
            next = file.includes;
        }
        let wrong = |problem: String| ProfileError {
            profile: name.as_str(),
            problem,
        };
        if network == Network::Pinned {
            profile.notifying = Some(notifying(profile.listener.is_some()).map_err(wrong)?);
        }
        profile.filter = SyscallFilter::compile(&rules).map_err(wrong)?;
        let always = |action| {
            rules
                .iter()
                .filter(move |(_, rule)| **rule == CallRule::always(action))
                .map(|(syscall, _)| *syscall)
        };
        profile.allowed = always(Action::Allow).collect();
        profile.killed = always(Action::Kill).collect();
        profile.rules = rules;
        Ok(profile)
    }
}

impl Profile {
    /// What it is for.
    pub(super) fn need(&self) -> Need {
        match self.listener {
            _ if self.helper => Need::Helper,
            Some(ListenerKind::Inet) => Need::Ports,
            Some(ListenerKind::Unix) => Need::SocketFile,
            None => Need::Server,
        }
    }
}

impl File {
    /// The rules of this file alone, and the calls that show them.
    fn rules(&self) -> Result<(BTreeMap<Sysno, CallRule>, Vec<Example>), String> {
        let mut rules = BTreeMap::new();
        let mut examples = Vec::new();
        let mut add = |syscall: &str, rule: CallRule| match rules.insert(number(syscall)?, rule) {
            None => Ok(()),
            Some(_) => Err(format!("{syscall} is there twice")),
        };
        for syscall in &self.syscalls {
            add(syscall, CallRule::always(Action::Allow))?;
        }
        for syscall in &self.kill.syscalls {
            add(syscall, CallRule::always(Action::Kill))?;
        }
        for when in &self.when {
            let otherwise = errno(&when.otherwise)?;
            let allowed = when
                .allowed
                .iter()
                .map(|text| Condition::parse_all(text))
                .collect::<Result<_, _>>()?;
            add(
                &when.syscall,
                CallRule {
                    allowed,
                    otherwise: Action::Refuse(otherwise),
                },
            )?;
            let syscall = number(&when.syscall)?;
            let refused = if otherwise == PRETENDED {
                Expected::Pretended
            } else {
                Expected::Refused(otherwise)
            };
            let example = |arguments: Vec<i64>, expected| Example {
                syscall,
                arguments,
                expected,
            };
            examples.extend(
                when.accepted
                    .iter()
                    .cloned()
                    .map(|arguments| example(arguments, Expected::Kernel)),
            );
            examples.extend(
                when.refused
                    .iter()
                    .cloned()
                    .map(|arguments| example(arguments, refused)),
            );
        }
        Ok((rules, examples))
    }
}

/// The filter that notifies the server of connections, and of listeners.
fn notifying(listens: bool) -> Result<SyscallFilter, String> {
    let notified = [Some(Sysno::connect), listens.then_some(Sysno::listen)];
    SyscallFilter::only(
        &notified
            .into_iter()
            .flatten()
            .map(|syscall| (syscall, CallRule::always(Action::Notify)))
            .collect(),
    )
}

fn number(syscall: &str) -> Result<Sysno, String> {
    syscall
        .parse()
        .map_err(|()| format!("this architecture has no system call {syscall}"))
}

/// No error: the call seems to be done (seccomp(2), SECCOMP_RET_ERRNO).
const PRETENDED: Errno = Errno::UnknownErrno;

/// The errors that a refused call may end with.
fn errno(name: &str) -> Result<Errno, String> {
    match name {
        "EPERM" => Ok(Errno::EPERM),
        "ENOSYS" => Ok(Errno::ENOSYS),
        "ENOTTY" => Ok(Errno::ENOTTY),
        "EAFNOSUPPORT" => Ok(Errno::EAFNOSUPPORT),
        "success" => Ok(PRETENDED),
        other => Err(format!("{other} is no error that a refused call ends with")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Resolved on every machine, so that one architecture's names cannot break another's build
    /// unseen.
    #[test]
    fn every_call_is_one_of_both_architectures() {
        for name in ProfileName::ALL {
            let file: File = toml::from_str(name.text()).unwrap();
            let common: Vec<&String> = file
                .syscalls
                .iter()
                .chain(&file.kill.syscalls)
                .chain(file.when.iter().map(|when| &when.syscall))
                .collect();
            let of = |own: &Architecture| -> Vec<String> {
                let own = own
                    .syscalls
                    .iter()
                    .chain(&own.kill)
                    .chain(own.when.iter().map(|when| &when.syscall));
                common.iter().copied().chain(own).cloned().collect()
            };
            for syscall in of(&file.x86_64) {
                assert!(
                    syscall.parse::<syscalls::x86_64::Sysno>().is_ok(),
                    "x86_64 has no {syscall}"
                );
            }
            for syscall in of(&file.aarch64) {
                assert!(
                    syscall.parse::<syscalls::aarch64::Sysno>().is_ok(),
                    "aarch64 has no {syscall}"
                );
            }
        }
    }

    #[test]
    fn every_profile_loads_and_every_condition_has_a_refused_example() {
        for name in ProfileName::ALL {
            let profile = Profile::load(name).unwrap();
            assert!(
                profile
                    .examples
                    .iter()
                    .any(|example| example.expected != Expected::Kernel),
                "{name:?}"
            );
            let has_network = !matches!(
                name,
                ProfileName::Offline | ProfileName::Filter | ProfileName::FilterGo
            );
            let is_filter = matches!(name, ProfileName::Filter | ProfileName::FilterGo);
            assert_eq!(
                (profile.notifying.is_some(), profile.workspace),
                (has_network, !is_filter),
                "{name:?}"
            );
            let opens = [Sysno::openat, Sysno::readlinkat, Sysno::execve]
                .iter()
                .any(|call| profile.rules.contains_key(call));
            assert_eq!(opens, !is_filter, "{name:?}");
        }
    }
}
