//! What a filter does with one system call: its rule, in the words of a profile.
//!
//! Held by the tests of the filter that is compiled of them.

use std::fmt;

use nix::{errno::Errno, unistd::Pid};

/// The end of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sandbox) enum Action {
    /// The kernel runs it.
    Allow,
    /// It ends with this error.
    Refuse(Errno),
    /// The process is killed (SIGSYS).
    Kill,
    /// The supervisor is notified and answers it.
    Notify,
}

/// The part of one call that is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sandbox) struct CallRule {
    /// Alternatives, each of conditions that must all hold.
    pub(in crate::sandbox) allowed: Vec<Vec<Condition>>,
    /// The end of every other use.
    pub(in crate::sandbox) otherwise: Action,
}

/// `argN [& MASK] == VALUE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sandbox) struct Condition {
    pub(super) argument: u32,
    pub(super) mask: u64,
    pub(super) value: ConditionValue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConditionValue {
    Number(u64),
    /// The id of the process itself.
    OwnProcess,
    /// The descriptor of the tool.
    Tool,
}

impl CallRule {
    /// Makes a rule for whatever arguments.
    pub(in crate::sandbox) fn always(action: Action) -> Self {
        Self {
            allowed: Vec::new(),
            otherwise: action,
        }
    }

    /// Returns the first alternative that lets this call of the process `own` through, as the compiled
    /// filter decides it.
    pub(in crate::sandbox) fn alternative(&self, arguments: [u64; 6], own: Pid) -> Option<usize> {
        self.allowed.iter().position(|conditions| {
            conditions
                .iter()
                .all(|condition| condition.holds(arguments, own))
        })
    }

    /// Returns the arguments that its conditions look at.
    pub(in crate::sandbox) fn examined(&self) -> impl Iterator<Item = u32> {
        self.allowed
            .iter()
            .flatten()
            .map(|condition| condition.argument)
    }

    /// Makes a rule that lets the same calls through and notifies of all others.
    pub(super) fn notifying(&self) -> Self {
        let otherwise = if self.otherwise == Action::Allow {
            Action::Allow
        } else {
            Action::Notify
        };
        Self {
            allowed: self.allowed.clone(),
            otherwise,
        }
    }
}

impl Condition {
    /// Reads conditions joined by `and`.
    pub(in crate::sandbox) fn parse_all(text: &str) -> Result<Vec<Self>, String> {
        text.split(" and ")
            .map(|condition| {
                Self::parse(condition).ok_or_else(|| format!("`{condition}` is no condition"))
            })
            .collect()
    }

    fn parse(text: &str) -> Option<Self> {
        let (left, value) = text.split_once(" == ")?;
        let (argument, mask) = left
            .split_once(" & ")
            .map_or((left, Some(u64::MAX)), |(argument, mask)| {
                (argument, integer(mask))
            });
        let argument = argument
            .strip_prefix("arg")?
            .parse()
            .ok()
            .filter(|argument| *argument < 6)?;
        let value = match value {
            "self" => ConditionValue::OwnProcess,
            "tool" => ConditionValue::Tool,
            number => ConditionValue::Number(integer(number)?),
        };
        Some(Self {
            argument,
            mask: mask?,
            value,
        })
    }

    fn holds(&self, arguments: [u64; 6], own: Pid) -> bool {
        let value = match self.value {
            ConditionValue::Number(number) => Some(number),
            ConditionValue::OwnProcess => u64::try_from(own.as_raw()).ok(),
            ConditionValue::Tool => None, // a number that only a child knows
        };
        let argument = usize::try_from(self.argument)
            .ok()
            .and_then(|at| arguments.get(at));
        argument.is_some_and(|argument| Some(argument & self.mask) == value)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "arg{}", self.argument)?;
        if self.mask != u64::MAX {
            write!(f, " & {:#x}", self.mask)?;
        }
        match self.value {
            ConditionValue::Number(number) => write!(f, " == {number:#x}"),
            ConditionValue::OwnProcess => f.write_str(" == self"),
            ConditionValue::Tool => f.write_str(" == tool"),
        }
    }
}

fn integer(text: &str) -> Option<u64> {
    text.strip_prefix("0x").map_or_else(
        || text.parse().ok(),
        |hex| u64::from_str_radix(hex, 16).ok(),
    )
}

impl Action {
    pub(super) fn code(self) -> u32 {
        match self {
            Self::Allow => libc::SECCOMP_RET_ALLOW,
            Self::Refuse(errno) => {
                libc::SECCOMP_RET_ERRNO | (errno as u32 & libc::SECCOMP_RET_DATA)
            }
            Self::Kill => libc::SECCOMP_RET_KILL_PROCESS,
            Self::Notify => libc::SECCOMP_RET_USER_NOTIF,
        }
    }
}
