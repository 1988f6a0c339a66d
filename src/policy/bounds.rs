//! What bounds a call by a rule that allows it: time, output, and how often.

use std::{
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

/// How often one caller may use a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleRate {
    /// So many calls,
    pub calls: NonZeroU32,
    /// within this time.
    pub per: Duration,
}

/// RuleBounds of a call that are tighter than the server's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleBounds {
    /// The longest that the call may take.
    pub timeout: Option<Duration>,
    /// The most text of each stream that the caller gets, in bytes.
    pub max_output_bytes: Option<usize>,
    /// The most lines of each stream; with the last one the command is ended.
    pub max_lines: Option<NonZeroU64>,
    /// The most text that its request may bring, in bytes.
    pub max_data_bytes: Option<usize>,
    /// The most objects that it may write or delete.
    pub max_objects: Option<NonZeroU32>,
}

impl RuleBounds {
    /// The tighter of each.
    pub(super) fn and(self, other: Self) -> Self {
        fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
            one.into_iter().chain(other).min()
        }
        Self {
            timeout: least(self.timeout, other.timeout),
            max_output_bytes: least(self.max_output_bytes, other.max_output_bytes),
            max_lines: least(self.max_lines, other.max_lines),
            max_data_bytes: least(self.max_data_bytes, other.max_data_bytes),
            max_objects: least(self.max_objects, other.max_objects),
        }
    }
}
