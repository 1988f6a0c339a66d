//! A file of `policy/sandbox/` as it is written, and the rules and examples in it.

use std::{collections::BTreeMap, path::PathBuf};

use nix::errno::Errno;
use serde::Deserialize;
use syscalls::Sysno;

use super::name::ProfileName;
use crate::sandbox::filter::{Action, CallRule, Condition};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProfileFile {
    #[expect(
        dead_code,
        reason = "for those who read the file; a profile without one does not load"
    )]
    description: String,
    pub(super) includes: Option<ProfileName>,
    #[serde(default)]
    pub(super) network: Network,
    pub(super) listener: Option<ListenerKind>,
    #[serde(default)]
    pub(super) helper: bool,
    pub(super) reserves: Option<bool>,
    #[serde(default = "always")]
    pub(super) workspace: bool,
    #[serde(default)]
    pub(super) syscalls: Vec<String>,
    #[serde(default)]
    pub(super) when: Vec<When>,
    #[serde(default)]
    pub(super) kill: Kill,
    /// What only this architecture has, or calls by another name.
    #[serde(default)]
    pub(super) x86_64: Architecture,
    #[serde(default)]
    pub(super) aarch64: Architecture,
    #[serde(default)]
    pub(super) readable: Vec<Readable>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Network {
    #[default]
    None,
    Pinned,
}

/// The sockets of a child that listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::sandbox) enum ListenerKind {
    Inet,
    Unix,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct When {
    pub(super) syscall: String,
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
pub(super) struct Kill {
    pub(super) syscalls: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Architecture {
    pub(super) syscalls: Vec<String>,
    pub(super) kill: Vec<String>,
    pub(super) when: Vec<When>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Readable {
    pub(super) path: PathBuf,
    #[serde(rename = "why")]
    _why: String,
}

fn always() -> bool {
    true
}

fn not_permitted() -> String {
    "EPERM".into()
}

impl ProfileFile {
    /// Moves what this architecture has to what all have.
    pub(super) fn for_this_architecture(mut self) -> Self {
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

impl ProfileFile {
    /// The rules of this file alone, and the calls that show them.
    pub(super) fn rules(&self) -> Result<(BTreeMap<Sysno, CallRule>, Vec<Example>), String> {
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
                CallOutcome::Pretended
            } else {
                CallOutcome::Refused(otherwise)
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
                    .map(|arguments| example(arguments, CallOutcome::Kernel)),
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

/// A call that a profile accepts or refuses, to be run in a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sandbox) struct Example {
    pub(in crate::sandbox) syscall: Sysno,
    pub(in crate::sandbox) arguments: Vec<i64>,
    pub(in crate::sandbox) expected: CallOutcome,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sandbox) enum CallOutcome {
    /// The kernel runs it, and answers whatever it does.
    Kernel,
    /// It ends with this error.
    Refused(Errno),
    /// It is reported as done, and nothing is done.
    Pretended,
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
