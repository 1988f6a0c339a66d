//! What each rule says to a command.

use super::{
    rule::{Effect, RuleId},
    rules::Policy,
    target::Target,
};
use crate::command::Invocation;

/// What one rule says to a command, for `policy explain`.
#[derive(Debug)]
pub struct Considered<'p> {
    /// The rule.
    pub rule: &'p RuleId,
    /// Its effect.
    pub effect: Effect,
    /// Whether it matches; else the sentence that says what does not fit.
    pub matches: Result<(), String>,
}

impl Policy {
    /// Every rule that is about the command's verb, in the files' order, and what it says.
    pub fn consider(&self, invocation: &Invocation, target: &Target) -> Vec<Considered<'_>> {
        let verb = invocation.path().to_string();
        let rules = self.files.iter().flat_map(|file| file.about(invocation));
        rules
            .map(|rule| {
                let matches = match rule.effect {
                    Effect::Allow | Effect::Confirm => rule
                        .accepts(invocation, target)
                        .map_err(|mismatch| mismatch.told(&verb, rule).0),
                    Effect::Deny if rule.forbids(invocation, target) => Ok(()),
                    Effect::Deny => Err("nothing that it denies is in the command".into()),
                };
                Considered {
                    rule: &rule.id,
                    effect: rule.effect,
                    matches,
                }
            })
            .collect()
    }
}
