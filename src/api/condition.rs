//! [`FlagsGiven`]: `--watch`, `no --watch`, `--dry-run=server`, `--selector or --all`: the flags with which
//! a sentence of a table counts.

use crate::{command::Invocation, glob};

/// One of several conditions on flags has to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FlagsGiven(Vec<FlagCondition>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct FlagCondition {
    flag: String,
    /// A glob; none for any value but `false`.
    value: Option<String>,
    is_absent: bool,
}

impl FlagsGiven {
    /// Reads `[no ]--FLAG[=VALUE][ or …]`.
    ///
    /// # Errors
    /// A sentence that names the condition that is none.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let conditions = text.split(" or ").map(|text| {
            let (is_absent, rest) = match text.strip_prefix("no ") {
                Some(rest) => (true, rest),
                None => (false, text),
            };
            let Some(flag) = rest.strip_prefix("--").filter(|flag| !flag.is_empty()) else {
                return Err(format!("`{text}` is not \"[no ]--FLAG[=VALUE]\""));
            };
            let (flag, value) = match flag.split_once('=') {
                Some((flag, value)) => (flag, Some(value.to_owned())),
                None => (flag, None),
            };
            Ok(FlagCondition {
                flag: flag.to_owned(),
                value,
                is_absent,
            })
        });
        conditions.collect::<Result<_, _>>().map(Self)
    }

    /// Whether it holds for a command.
    pub(super) fn holds(&self, invocation: &Invocation) -> bool {
        self.0.iter().any(|condition| condition.holds(invocation))
    }

    /// The flags that it is about.
    #[cfg(test)]
    pub(super) fn flags(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|condition| condition.flag.as_str())
    }
}

impl FlagCondition {
    fn holds(&self, invocation: &Invocation) -> bool {
        let given = invocation.flag(&self.flag);
        let has = match &self.value {
            None => given.is_some_and(|value| value != "false"),
            Some(glob) => given.is_some_and(|value| glob::matches(glob, value)),
        };
        has != self.is_absent
    }
}
