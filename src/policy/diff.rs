//! Which commands two policies decide differently: [`Explainer::diff`].
//!
//! Comes in: command lines. Goes out: what changed. Held by `tests/cli/`.

use super::{corpus::Case, explain::Explainer, rule::Effect};

/// What changes for some commands when a policy replaces another one.
#[derive(Debug)]
pub struct PolicyDiff {
    /// The commands that get another decision, in their order.
    pub changes: Vec<Change>,
    /// How many commands get the same.
    pub same: usize,
}

/// A command that gets another decision.
#[derive(Debug)]
pub struct Change {
    /// The command line.
    pub command: String,
    /// The decision of the old policy.
    pub before: Effect,
    /// The decision of the new one.
    pub after: Effect,
    /// The rule that the new decision comes from, or comes nearest to, with its place.
    pub rule: Option<String>,
}

impl Change {
    /// Whether the new policy lets more through.
    pub fn opens(&self) -> bool {
        self.after < self.before
    }
}

impl Explainer {
    /// Decides about the commands by this policy, and by the one that would replace it.
    pub fn diff(&self, new: &Self, cases: &[Case]) -> PolicyDiff {
        let decided = cases.iter().map(|case| {
            let after = new.explain(&case.command, None);
            Change {
                command: case.command.clone(),
                before: self.explain(&case.command, None).effect,
                after: after.effect,
                rule: after.rule_and_place(),
            }
        });
        let (changes, same): (Vec<_>, Vec<_>) =
            decided.partition(|change| change.before != change.after);
        PolicyDiff {
            changes,
            same: same.len(),
        }
    }
}
