//! What each rule says to a command.

use super::{
    facts::Facts,
    rule::{Effect, RuleId},
    rules::Policy,
};

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
    pub fn consider(&self, facts: Facts<'_>) -> Vec<Considered<'_>> {
        let invocation = facts.invocation;
        let rules = self.files.iter().flat_map(|file| file.about(invocation));
        rules
            .map(|rule| {
                let matches = match rule.effect {
                    Effect::Allow | Effect::Confirm => rule
                        .accepts(facts)
                        .map_err(|mismatch| mismatch.advice(rule.tool, invocation.path()).reason),
                    Effect::Deny if rule.forbids(facts) => Ok(()),
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
