//! A profile that is ready to be applied: its file with those that it includes, compiled.
//!
//! Held by the tests below, and by the doctor, which executes each entry.

use std::{collections::BTreeMap, path::PathBuf};

use syscalls::Sysno;

use super::{
    file::{Example, ListenerKind, Network, ProfileFile},
    name::ProfileName,
};
use crate::{
    sandbox::filter::{Action, CallRule, SyscallFilter},
    tool::Need,
};

/// A profile, ready to be applied.
#[derive(Debug)]
pub(in crate::sandbox) struct Profile {
    /// The filter that notifies the server of connections; `None`: there are none.
    pub(in crate::sandbox) notifying: Option<SyscallFilter>,
    /// What kind of listener it may believe to have.
    pub(in crate::sandbox) listener: Option<ListenerKind>,
    /// Whether it may run the helper, and write to a directory of its own.
    pub(in crate::sandbox) helper: bool,
    /// Whether its programs reserve addresses that they do not use.
    pub(in crate::sandbox) reserves: bool,
    /// Whether it has a request's directory, and may read it.
    pub(in crate::sandbox) workspace: bool,
    /// Files that may be read where they are, besides the tool and the request's own directory.
    pub(in crate::sandbox) readable: Vec<PathBuf>,
    /// The system calls.
    pub(in crate::sandbox) filter: SyscallFilter,
    /// What the filter was compiled from.
    pub(in crate::sandbox) rules: BTreeMap<Sysno, CallRule>,
    /// Arguments to run in tests: the call, its arguments and what they must lead to.
    pub(in crate::sandbox) examples: Vec<Example>,
    /// The calls that are always allowed.
    pub(in crate::sandbox) allowed: Vec<Sysno>,
    /// The calls that the process is killed for.
    pub(in crate::sandbox) killed: Vec<Sysno>,
}

/// Why a profile cannot be used. The files are compiled in, so this is a fault of the build.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox profile {profile}: {problem}")]
pub struct ProfileError {
    profile: &'static str,
    problem: String,
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

    pub(in crate::sandbox) fn get(&self, name: ProfileName) -> &Profile {
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
    /// The most that a tool of this profile needs besides its server.
    pub(in crate::sandbox) fn need(&self) -> Need {
        match self.listener {
            _ if self.helper => Need::Helper,
            Some(ListenerKind::Inet) => Need::Ports,
            Some(ListenerKind::Unix) => Need::SocketFile,
            None => Need::Server,
        }
    }
}

impl Profile {
    /// Reads a profile and those that it includes, whose rules stand where it has none for the
    /// call.
    pub(in crate::sandbox) fn load(name: ProfileName) -> Result<Self, ProfileError> {
        let mut rules: BTreeMap<Sysno, CallRule> = BTreeMap::new();
        let mut profile = Self {
            notifying: None,
            listener: None,
            helper: false,
            reserves: true,
            workspace: true,
            readable: Vec::new(),
            filter: SyscallFilter::default(),
            rules: BTreeMap::new(),
            examples: Vec::new(),
            allowed: Vec::new(),
            killed: Vec::new(),
        };
        let mut has_network = false;
        let mut reserves = None;
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
            let file = toml::from_str::<ProfileFile>(name.text())
                .map_err(|error| wrong(error.to_string()))?
                .for_this_architecture();
            next = file.includes;
            reserves = reserves.or(file.reserves);
            has_network |= file.network == Network::Pinned;
            profile.add(file, &mut rules).map_err(wrong)?;
        }
        let wrong = |problem: String| ProfileError {
            profile: name.as_str(),
            problem,
        };
        if has_network {
            profile.notifying = Some(notifying(profile.listener.is_some()).map_err(wrong)?);
        }
        profile.reserves = reserves.unwrap_or(true);
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

    /// Adds what stands in a file. Its rules stand where `rules` has none for the call.
    fn add(
        &mut self,
        file: ProfileFile,
        rules: &mut BTreeMap<Sysno, CallRule>,
    ) -> Result<(), String> {
        let (of_file, examples) = file.rules()?;
        self.examples.extend(
            examples
                .into_iter()
                .filter(|example| !rules.contains_key(&example.syscall)),
        );
        for (syscall, rule) in of_file {
            rules.entry(syscall).or_insert(rule);
        }
        self.listener = self.listener.or(file.listener);
        self.helper |= file.helper;
        self.workspace &= file.workspace;
        self.readable
            .extend(file.readable.into_iter().map(|readable| readable.path));
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::{
        super::file::{Architecture, CallOutcome},
        *,
    };

    /// Resolved on every machine, so that one architecture's names cannot break another's build
    /// unseen.
    #[test]
    fn every_call_is_one_of_both_architectures() {
        for name in ProfileName::ALL {
            let file: ProfileFile = toml::from_str(name.text()).unwrap();
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
                    .any(|example| example.expected != CallOutcome::Kernel),
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
