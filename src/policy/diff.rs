//! Which commands two policies decide differently: [`Explainer::diff`].
//!
//! Comes in: command lines, each with who sent it where. Goes out: what changed for whom. Held by
//! `tests/cli/`.

use serde::Serialize;

use super::{
    corpus::Case,
    effect::Effect,
    explain::{Explained, Explainer},
    target::Target,
};
use crate::code::Code;

/// What changes for some commands when a policy replaces another one.
#[derive(Debug, Default, Serialize)]
pub struct PolicyDiff {
    /// The commands that get another decision, in their order.
    pub changes: Vec<Change>,
    /// How many commands get the same.
    pub same: usize,
    /// The lines that are no commands, whatever the policy says.
    pub unread: Vec<UnreadLine>,
}

impl PolicyDiff {
    /// How many commands were judged.
    pub fn judged(&self) -> usize {
        self.changes.len() + self.same
    }
}

/// A command that gets another decision.
#[derive(Debug, Serialize)]
pub struct Change {
    /// The command as it was typed, or as a person would type it.
    pub command: String,
    /// Its first line in the file, from 1.
    pub line: usize,
    /// How often it stands there.
    pub times: usize,
    /// Who sends it where.
    #[serde(flatten)]
    pub target: Target,
    /// The decision of the old policy.
    pub before: Effect,
    /// The decision of the new one.
    pub after: Effect,
    /// The rule that the new decision comes from, or comes nearest to, with its place.
    pub rule: Option<String>,
    /// The reason of the new decision, where it is a refusal.
    pub reason: Option<String>,
}

impl Change {
    /// Whether the new policy lets more through.
    pub fn opens(&self) -> bool {
        self.after < self.before
    }
}

/// A line that is no command.
#[derive(Debug, Serialize)]
pub struct UnreadLine {
    /// The line, from 1.
    pub line: usize,
    /// Its text.
    pub command: String,
    /// The code of the refusal.
    pub code: Option<Code>,
    /// Why it cannot be read.
    pub reason: String,
}

impl UnreadLine {
    /// What is said of a case that could not be read.
    pub(super) fn new(case: &Case, explained: Explained) -> Self {
        Self {
            line: case.line,
            command: explained.command,
            code: explained.code,
            reason: explained.reason.unwrap_or_default(),
        }
    }
}

impl Explainer {
    /// Decides about the commands by this policy, and by the one that would replace it.
    pub fn diff(&self, new: &Self, cases: &[Case]) -> PolicyDiff {
        let mut diff = PolicyDiff::default();
        for case in cases {
            let (before, after) = (self.explain_case(case), new.explain_case(case));
            if !after.is_readable() {
                diff.unread.push(UnreadLine::new(case, after));
            } else if before.effect == after.effect {
                diff.same += 1;
            } else {
                diff.changes.push(Change {
                    rule: after.rule_and_place(),
                    command: after.command,
                    line: case.line,
                    times: case.times,
                    target: after.target,
                    before: before.effect,
                    after: after.effect,
                    reason: after.reason,
                });
            }
        }
        diff
    }
}
