//! What one file says to a command.

use super::{
    facts::Facts,
    mismatch::Mismatch,
    rule::{Effect, Rule, RuleId, Verbs},
    rules::Rules,
};
use crate::{advice::Advice, command::Invocation};

/// What a file says to a command: rules that allow it, any of which may, or one that asks for a
/// confirmation.
pub(super) enum Verdict<'p> {
    Allow(Vec<&'p Rule>),
    Confirm(&'p Rule),
}

/// Why a command is denied.
#[derive(Debug, PartialEq, Eq)]
pub struct Denied {
    /// The deny rule, or the allow rule that came nearest.
    pub rule: Option<RuleId>,
    /// The reason in the operator's words, or what no rule allows; and what to do instead.
    pub advice: Advice,
}

impl Rules {
    /// The rules that accept the command, or one that asks for confirmation first; or why none
    /// does.
    pub(super) fn verdict(&self, facts: Facts<'_>) -> Result<Verdict<'_>, Denied> {
        let invocation = facts.invocation;
        let path = invocation.path();
        if let Some(rule) = self
            .about(invocation)
            .find(|rule| rule.effect == Effect::Deny && rule.forbids(facts))
        {
            return Err(Denied {
                rule: Some(rule.id.clone()),
                advice: rule.advice("ask the operator if this is needed"),
            });
        }
        let mut nearest: Option<(&Rule, Mismatch)> = None;
        let mut allowed = Vec::new();
        let mut asked = None;
        let of = |effect| {
            self.about(invocation)
                .filter(move |rule| rule.effect == effect)
        };
        // Help does nothing that a person would have to confirm.
        let confirm = || of(Effect::Confirm).filter(|_| !invocation.is_help());
        for rule in confirm().chain(of(Effect::Allow)) {
            match rule.accepts(facts) {
                Ok(()) if rule.effect == Effect::Allow => {
                    match confirm().find(|confirm| confirm.asks_about(facts, rule)) {
                        Some(confirm) => drop(asked.get_or_insert(confirm)),
                        None => allowed.push(rule),
                    }
                }
                Ok(()) => return Ok(Verdict::Confirm(rule)),
                Err(Mismatch::Verb) => {}
                // A rule about every verb (help) was not meant when another one does not fit.
                Err(_) if matches!(rule.verbs, Verbs::All) => {}
                // Between two rules for one verb, the one that gets further is the one that was
                // meant.
                Err(mismatch) => {
                    if nearest
                        .as_ref()
                        .is_none_or(|(_, known)| mismatch.depth() > known.depth())
                    {
                        nearest = Some((rule, mismatch));
                    }
                }
            }
        }
        match (allowed.is_empty(), asked) {
            (false, _) => return Ok(Verdict::Allow(allowed)),
            (true, Some(rule)) => return Ok(Verdict::Confirm(rule)),
            (true, None) => {}
        }
        Err(match nearest {
            Some((rule, mismatch)) => Denied {
                rule: Some(rule.id.clone()),
                advice: mismatch.advice(&path.to_string(), rule),
            },
            None => Denied {
                rule: None,
                advice: Advice {
                    reason: format!(
                        "no rule of {} allows `{} {path}`",
                        self.name,
                        invocation.tool()
                    ),
                    hint: self.verbs_hint(invocation),
                },
            },
        })
    }

    /// The verbs that some rule allows, for a caller who asked for another one.
    fn verbs_hint(&self, invocation: &Invocation) -> String {
        let mut verbs: Vec<String> = Vec::new();
        for rule in self
            .rules
            .iter()
            .filter(|rule| rule.effect == Effect::Allow && rule.tool == invocation.tool())
        {
            if let Verbs::These(paths) = &rule.verbs {
                verbs.extend(
                    paths
                        .iter()
                        .filter(|path| !path.words().is_empty())
                        .map(ToString::to_string),
                );
            }
        }
        verbs.sort_unstable();
        verbs.dedup();
        // Of the same group, where there are some: `rollout history` for `rollout restart`.
        let group = invocation
            .path()
            .words()
            .first()
            .map(|word| format!("{word} "))
            .unwrap_or_default();
        if verbs.iter().any(|verb| verb.starts_with(&group)) {
            verbs.retain(|verb| verb.starts_with(&group));
        }
        if verbs.is_empty() {
            format!("this policy allows nothing of {}", invocation.tool())
        } else {
            format!("allowed here: {}", verbs.join(", "))
        }
    }
}

impl Rule {
    /// What a caller reads whom a confirm rule stops.
    pub(super) fn confirmation(&self) -> Denied {
        Denied {
            rule: Some(self.id.clone()),
            advice: self.advice("ask a person to run it"),
        }
    }

    /// The rule's own reason and hint; `hint` where it has none.
    fn advice(&self, hint: &str) -> Advice {
        Advice::new(&self.reason, self.hint.as_deref().unwrap_or(hint))
    }
}
