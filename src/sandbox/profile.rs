//! What a kind of command may ask of the kernel: the files of `policy/sandbox/`, read and checked.
//!
//! `docs/sandbox.md` explains the files. They are compiled in: what confines a child is part of the
//! program that was reviewed, not of its configuration.

use std::{collections::BTreeMap, path::PathBuf};

use nix::errno::Errno;
use serde::{Deserialize, Serialize};
use syscalls::Sysno;

use super::filter::{Action, Condition, Filter, Rule};
use crate::{catalogue::Tool, command::Invocation};

/// The name of a profile. Every command has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileName {
    /// Contacts nobody.
    Offline,
    /// Talks to the API server that it is pinned to.
    Plain,
}

impl ProfileName {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Offline, Self::Plain];

    /// The profile of a command.
    pub fn of(invocation: &Invocation) -> Self {
        if invocation.is_offline() { Self::Offline } else { Self::Plain }
    }

    /// The name in reports and of the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Plain => "plain",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Offline => include_str!("../../policy/sandbox/offline.toml"),
            Self::Plain => include_str!("../../policy/sandbox/plain.toml"),
        }
    }
}

/// A profile, ready to be applied.
#[derive(Debug)]
pub(super) struct Profile {
    /// What lets the server answer connections; `None`: there are none.
    pub(super) asking: Option<Filter>,
    /// Files that may be read where they are, besides the tool and the request's own directory.
    pub(super) readable: Vec<PathBuf>,
    /// What each tool gets in its environment besides what all get.
    pub(super) variables: BTreeMap<Tool, BTreeMap<String, String>>,
    /// The system calls.
    pub(super) filter: Filter,
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
    /// The error that it must end with; `None` when the kernel itself must answer.
    pub(super) refused: Option<Errno>,
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
    #[expect(dead_code, reason = "for those who read the file; a profile without one does not load")]
    description: String,
    includes: Option<ProfileName>,
    #[serde(default)]
    network: Network,
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
    #[serde(default)]
    variables: BTreeMap<Tool, BTreeMap<String, String>>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Network {
    #[default]
    None,
    Pinned,
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
        let own = if cfg!(target_arch = "aarch64") { &mut self.aarch64 } else { &mut self.x86_64 };
        let Architecture { syscalls, kill, when } = std::mem::take(own);
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

fn not_permitted() -> String {
    "EPERM".into()
}

/// All profiles.
#[derive(Debug)]
pub struct Profiles {
    offline: Profile,
    plain: Profile,
}

impl Profiles {
    /// Reads and compiles them.
    ///
    /// # Errors
    /// A fault of this build: the files are compiled in.
    pub fn load() -> Result<Self, ProfileError> {
        Ok(Self { offline: Profile::load(ProfileName::Offline)?, plain: Profile::load(ProfileName::Plain)? })
    }

    pub(super) fn get(&self, name: ProfileName) -> &Profile {
        match name {
            ProfileName::Offline => &self.offline,
            ProfileName::Plain => &self.plain,
        }
    }
}

impl Profile {
    /// Reads a profile and those that it includes.
    fn load(name: ProfileName) -> Result<Self, ProfileError> {
        let mut rules = BTreeMap::new();
        let mut examples = Vec::new();
        let mut profile = Self {
            asking: None,
            readable: Vec::new(),
            variables: BTreeMap::new(),
            filter: Filter::default(),
            examples: Vec::new(),
            allowed: Vec::new(),
            killed: Vec::new(),
        };
        let mut next = Some(name);
        let mut seen = Vec::new();
        while let Some(name) = next {
            let wrong = |problem: String| ProfileError { profile: name.as_str(), problem };
            if seen.contains(&name) {
                return Err(wrong("it includes itself".into()));
            }
            seen.push(name);
            let file = toml::from_str::<File>(name.text()).map_err(|error| wrong(error.to_string()))?.for_this_architecture();
            let mut add = |syscall: &str, rule: Rule| match rules.insert(number(syscall)?, rule) {
                None => Ok(()),
                Some(_) => Err(format!("{syscall} is there twice")),
            };
            let mut add_all = || -> Result<(), String> {
                for syscall in &file.syscalls {
                    add(syscall, Rule::always(Action::Allow))?;
                }
                for syscall in &file.kill.syscalls {
                    add(syscall, Rule::always(Action::Kill))?;
                }
                for when in &file.when {
                    let otherwise = errno(&when.otherwise)?;
                    let allowed = when.allowed.iter().map(|text| Condition::parse_all(text)).collect::<Result<_, _>>()?;
                    add(&when.syscall, Rule { allowed, otherwise: Action::Refuse(otherwise) })?;
                    let syscall = number(&when.syscall)?;
                    let example = |arguments: Vec<i64>, refused| Example { syscall, arguments, refused };
                    examples.extend(when.accepted.iter().cloned().map(|arguments| example(arguments, None)));
                    examples.extend(when.refused.iter().cloned().map(|arguments| example(arguments, Some(otherwise))));
                }
                Ok(())
            };
            add_all().map_err(wrong)?;
            if file.network == Network::Pinned {
                profile.asking = Some(asking().map_err(wrong)?);
            }
            profile.readable.extend(file.readable.into_iter().map(|readable| readable.path));
            for (tool, variables) in file.variables {
                profile.variables.entry(tool).or_default().extend(variables);
            }
            next = file.includes;
        }
        profile.filter = Filter::compile(&rules).map_err(|problem| ProfileError { profile: name.as_str(), problem })?;
        profile.examples = examples;
        let always = |action| rules.iter().filter(move |(_, rule)| **rule == Rule::always(action)).map(|(syscall, _)| *syscall);
        profile.allowed = always(Action::Allow).collect();
        profile.killed = always(Action::Kill).collect();
        Ok(profile)
    }
}

/// The filter that lets the server answer connections.
fn asking() -> Result<Filter, String> {
    Filter::only(&BTreeMap::from([(Sysno::connect, Rule::always(Action::Ask))]))
}

fn number(syscall: &str) -> Result<Sysno, String> {
    syscall.parse().map_err(|()| format!("this architecture has no system call {syscall}"))
}

/// The errors that a refused call may end with.
fn errno(name: &str) -> Result<Errno, String> {
    match name {
        "EPERM" => Ok(Errno::EPERM),
        "ENOSYS" => Ok(Errno::ENOSYS),
        "ENOTTY" => Ok(Errno::ENOTTY),
        "EAFNOSUPPORT" => Ok(Errno::EAFNOSUPPORT),
        other => Err(format!("{other} is no error that a refused call ends with")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Resolved on every machine, so that one architecture's names cannot break another's build unseen.
    #[test]
    fn every_call_is_one_of_both_architectures() {
        for name in ProfileName::ALL {
            let file: File = toml::from_str(name.text()).unwrap();
            let common: Vec<&String> =
                file.syscalls.iter().chain(&file.kill.syscalls).chain(file.when.iter().map(|when| &when.syscall)).collect();
            let of = |own: &Architecture| -> Vec<String> {
                let own = own.syscalls.iter().chain(&own.kill).chain(own.when.iter().map(|when| &when.syscall));
                common.iter().copied().chain(own).cloned().collect()
            };
            for syscall in of(&file.x86_64) {
                assert!(syscall.parse::<syscalls::x86_64::Sysno>().is_ok(), "x86_64 has no {syscall}");
            }
            for syscall in of(&file.aarch64) {
                assert!(syscall.parse::<syscalls::aarch64::Sysno>().is_ok(), "aarch64 has no {syscall}");
            }
        }
    }

    #[test]
    fn every_profile_loads_and_every_condition_has_a_refused_example() {
        for name in ProfileName::ALL {
            let profile = Profile::load(name).unwrap();
            assert!(profile.examples.iter().any(|example| example.refused.is_some()), "{name:?}");
            assert_eq!(profile.asking.is_some(), name != ProfileName::Offline);
        }
    }
}
