//! What each rule about a verb says to a command: [`Considered`], for a person who asks why.
//!
//! Comes in: [`Facts`]. Goes out: a sentence for each rule. Decides nothing. Held by `tests/cli/`.

use std::fmt;

use serde::Serialize;

use super::{
    effect::Effect,
    facts::Facts,
    rules::{Policy, Rules},
};

/// What one rule says to a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Considered {
    /// The rule and its place.
    pub rule: String,
    /// Its effect.
    pub effect: Effect,
    /// Whether it matches.
    pub matches: bool,
    /// What does not fit, in a sentence, when it does not match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Policy {
    /// Every rule that is about the command's verb, in the files' order, and what it says.
    pub(super) fn consider(&self, facts: Facts<'_>) -> Vec<Considered> {
        let files = self.files.iter();
        files.flat_map(|file| file.consider(facts)).collect()
    }
}

impl Rules {
    /// Every rule that is about the command's verb, in the file's order, and what it says.
    pub(super) fn consider(&self, facts: Facts<'_>) -> Vec<Considered> {
        let invocation = facts.invocation;
        let considered = self.about(invocation).map(|rule| {
            let why = match rule.effect {
                Effect::Allow | Effect::Confirm => rule
                    .accepts(facts)
                    .err()
                    .map(|mismatch| mismatch.advice(rule.tool, invocation.path()).reason),
                Effect::Deny if rule.forbids(facts) => None,
                Effect::Deny => Some("nothing that it denies is in the command".into()),
            };
            Considered {
                rule: rule.id.to_string(),
                effect: rule.effect,
                matches: why.is_none(),
                why,
            }
        });
        considered.collect()
    }
}

/// As `policy explain` prints it.
impl fmt::Display for Considered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:7} {} ", self.effect.word(), self.rule)?;
        match &self.why {
            None => f.write_str("matches"),
            Some(why) => write!(f, "does not match: {why}"),
        }
    }
}
