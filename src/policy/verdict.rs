//! What one file says to a command: [`Rules::verdict`].
//!
//! Comes in: [`Facts`]. Goes out: the rules that accept the command and the one that asks about it,
//! or why none accepts it. A deny rule stands above a confirm rule, a confirm rule above an allow
//! rule, whatever their order in the file. Held by the fuzz target `monotonic`.

use super::{
    effect::{Effect, RuleId},
    facts::Facts,
    mismatch::Mismatch,
    rule::{Rule, Verbs},
    rules::Rules,
};
use crate::{advice::Advice, command::Invocation};

/// The rules of a file that apply to a command, which none of the file's deny rules is about.
pub(super) struct Verdict<'p> {
    /// The rules that accept it, at least one: each of them may let it run.
    pub(super) accepting: Vec<&'p Rule>,
    /// The confirm rule by which a person is asked before any of them does.
    pub(super) asking: Option<&'p Rule>,
}

/// Why a command is denied.
#[derive(Debug, PartialEq, Eq)]
pub struct Denied {
    /// The deny rule, or the allow rule that came nearest.
    pub rule: Option<RuleId>,
    /// The reason in the operator's words, or what no rule allows; and what to do instead.
    pub advice: Advice,
}

/// The rule that a command came nearest to, and where it failed.
type Nearest<'a> = Option<(&'a Rule, Mismatch<'a>, (u8, u8))>;

impl Rules {
    /// Returns the rules that accept the command, and the one that asks about it.
    ///
    /// # Errors
    /// [`Denied`] by a deny rule, or because no rule accepts it.
    pub(super) fn verdict<'p>(&'p self, facts: Facts<'_>) -> Result<Verdict<'p>, Denied> {
        let invocation = facts.invocation;
        let with = |effect| {
            self.about(invocation)
                .filter(move |rule| rule.effect == effect)
        };
        if let Some(rule) = with(Effect::Deny).find(|rule| rule.forbids(facts)) {
            return Err(Denied {
                rule: Some(rule.id.clone()),
                advice: rule.advice("ask the operator if this is needed"),
            });
        }
        let mut missed = Vec::new();
        let mut accepts = |rule: &&'p Rule| match rule.accepts(facts) {
            Ok(()) => true,
            Err(mismatch) => {
                missed.push((*rule, mismatch));
                false
            }
        };
        // Help does nothing that a person would have to confirm.
        let confirm = || {
            with(Effect::Confirm)
                .filter(|_| !invocation.is_help())
                .filter(|rule| !self.leaves_it_to_another(rule, facts))
        };
        let confirmed: Vec<&Rule> = confirm().filter(&mut accepts).collect();
        if let Some(&first) = confirmed.first() {
            return Ok(Verdict {
                accepting: confirmed,
                asking: Some(first),
            });
        }
        let allowed: Vec<&Rule> = with(Effect::Allow).filter(&mut accepts).collect();
        let asking = |allow: &Rule| confirm().find(|rule| rule.asks_about(facts, allow));
        let (asked, unasked): (Vec<&Rule>, Vec<&Rule>) =
            allowed.into_iter().partition(|rule| asking(rule).is_some());
        if !unasked.is_empty() {
            return Ok(Verdict {
                accepting: unasked,
                asking: None,
            });
        }
        match asked.first() {
            Some(first) => Ok(Verdict {
                asking: asking(first),
                accepting: asked,
            }),
            None => {
                // Which rule came nearest is of interest to who is refused, and to nobody else.
                let mut nearest: Nearest<'_> = None;
                for (rule, mismatch) in missed {
                    keep_nearer(&mut nearest, rule, mismatch, facts);
                }
                Err(self.not_accepted(invocation, nearest))
            }
        }
    }

    /// Whether a rule asks about what another one does not accept, and that one accepts this.
    fn leaves_it_to_another(&self, rule: &Rule, facts: Facts<'_>) -> bool {
        let mut allowing = self.allowing_before(rule);
        allowing.any(|other| other.accepts(facts).is_ok())
    }

    /// The allow rule beyond which a rule asks.
    fn allowing_before<'p>(&'p self, rule: &'p Rule) -> impl Iterator<Item = &'p Rule> {
        let is_it = |other: &&Rule| {
            other.effect == Effect::Allow && rule.beyond.as_ref() == Some(&other.id.id)
        };
        self.rules.iter().filter(is_it)
    }

    /// The object, and what of it, that a rule asks about because another one does not accept it.
    pub(super) fn beyond(&self, asks: &RuleId, facts: Facts<'_>) -> Option<String> {
        let rule = self.rules.iter().find(|rule| rule.id == *asks)?;
        let mut allowing = self.allowing_before(rule);
        allowing.find_map(|other| match other.accepts(facts) {
            Err(Mismatch::Object { object, why, .. }) => Some(format!("{object}: {why}")),
            _ => None,
        })
    }

    fn not_accepted(&self, invocation: &Invocation, nearest: Nearest<'_>) -> Denied {
        let (tool, path) = (invocation.tool(), invocation.path());
        match nearest {
            Some((rule, mismatch, _)) => {
                let advice = mismatch.advice(tool, path);
                Denied {
                    rule: Some(rule.id.clone()),
                    // What a rule says of its flags, beside those that it lists.
                    advice: match (&mismatch, &rule.hint) {
                        (Mismatch::Flag { .. } | Mismatch::Value { .. }, Some(hint)) => {
                            Advice::new(advice.reason, format!("{}; {hint}", advice.hint))
                        }
                        _ => advice,
                    },
                }
            }
            None => Denied {
                rule: None,
                advice: Advice::new(
                    format!("no rule of {} allows `{tool} {path}`", self.name),
                    self.verbs_hint(invocation),
                ),
            },
        }
    }

    /// The verbs that some rule allows, for a caller who sent another one.
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

/// Between two rules for one verb, keeps the one that is nearer to what the command is aimed at, and
/// then the one that gets further: it was meant. A rule about every verb (help) was not meant when
/// another one does not fit.
fn keep_nearer<'a>(
    nearest: &mut Nearest<'a>,
    rule: &'a Rule,
    mismatch: Mismatch<'a>,
    facts: Facts<'_>,
) {
    if matches!(rule.verbs, Verbs::All) || matches!(mismatch, Mismatch::Verb) {
        return;
    }
    // Nor was one about requests, where the command has none.
    let raw = facts.invocation.tool().spec().raw;
    let is_raw = |flag: &str| raw.iter().any(|row| row.flag == flag);
    if matches!(mismatch, Mismatch::Required { flag, .. } if is_raw(flag)) {
        return;
    }
    let nearness = (rule.aim(facts), mismatch.depth());
    if nearest.as_ref().is_none_or(|(.., known)| nearness > *known) {
        *nearest = Some((rule, mismatch, nearness));
    }
}
