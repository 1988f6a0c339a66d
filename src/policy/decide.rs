//! Deny > allow > nothing, which is deny. The only maker of [`Approved`].

use super::{
    facts::Facts,
    rule::{Bounds, Injected, Rule, RuleId},
    rules::Policy,
    verdict::{Denied, Verdict},
};
use crate::{advice::Advice, command::Invocation};

/// An invocation that the policy in force allows, and the rules that allowed it.
///
/// Only [`Policy::decide`] makes one. Not `Clone`: one approval starts one child.
///
/// ```compile_fail,E0451
/// let forged = kube_airlock::policy::Approved { invocation: todo!(), rules: todo!(), bounds: todo!() };
/// ```
#[must_use = "an approval that is dropped starts nothing"]
#[derive(Debug)]
pub struct Approved {
    invocation: Invocation,
    rules: Vec<RuleId>,
    bounds: Bounds,
}

impl Approved {
    /// What may run.
    pub fn invocation(&self) -> &Invocation {
        &self.invocation
    }

    /// The tightest bounds of those rules.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The ids of the rules that allowed it, one per policy file.
    pub fn rule(&self) -> String {
        self.rules
            .iter()
            .map(|rule| rule.id.as_str())
            .collect::<Vec<_>>()
            .join("+")
    }

    /// Where those rules stand, as `file:line`.
    pub fn rule_at(&self) -> String {
        self.rules
            .iter()
            .map(|rule| format!("{}:{}", rule.file, rule.line))
            .collect::<Vec<_>>()
            .join("+")
    }
}

/// The policy's answer.
#[derive(Debug)]
pub enum Decision {
    /// It may run.
    Allow(Approved),
    /// It may run once a person has said so.
    Confirm(Denied),
    /// It may not.
    Deny(Denied),
}

impl Policy {
    /// Decides about one command: deny > confirm > allow, in every file.
    pub fn decide(&self, facts: Facts<'_>) -> Decision {
        // Here and not only where files load: a rule about every verb names none, and a glob may
        // cover a value that no rule may allow.
        if let Some(never) = facts.invocation.never() {
            return Decision::Deny(Denied {
                rule: None,
                advice: Advice::new(never.to_string(), never.help()),
            });
        }
        let mut choices = Vec::new();
        let mut unconfirmed = None;
        for file in &self.files {
            match file.verdict(facts) {
                Ok(Verdict::Confirm(rule)) => {
                    unconfirmed.get_or_insert_with(|| rule.confirmation());
                }
                Ok(Verdict::Allow(rules)) => choices.push(rules),
                Err(denied) => return Decision::Deny(denied),
            }
        }
        if choices.is_empty() && unconfirmed.is_none() {
            return Decision::Deny(Denied {
                rule: None,
                advice: Advice::new("no policy file is loaded", "ask the operator"),
            });
        }
        // What is added is judged before anybody is asked: a question is no way around another
        // file.
        let (invocation, rules) = match self.chosen(facts, choices) {
            Ok(chosen) => chosen,
            Err(decision) => return *decision,
        };
        if let Some(unconfirmed) = unconfirmed {
            return Decision::Confirm(unconfirmed);
        }
        let bounds = rules
            .iter()
            .fold(Bounds::default(), |bounds, rule| bounds.and(rule.bounds));
        Decision::Allow(Approved {
            invocation,
            rules: rules.into_iter().map(|rule| rule.id.clone()).collect(),
            bounds,
        })
    }

    /// One rule of each file, so that what they add is allowed by all files, and the command with it.
    ///
    /// Every combination is tried, those that add least first: which rule stands first in a file
    /// must not decide, and a further rule must not take away.
    fn chosen<'p>(
        &'p self,
        facts: Facts<'_>,
        mut choices: Vec<Vec<&'p Rule>>,
    ) -> Result<(Invocation, Vec<&'p Rule>), Box<Decision>> {
        let invocation = facts.invocation;
        let adds_anew = |flag: &String| !invocation.flags().contains_key(flag);
        let adds = |rule: &Rule| rule.inject.keys().filter(|flag| adds_anew(flag)).count();
        for rules in &mut choices {
            rules.sort_by_key(|rule| adds(rule));
        }
        let nothing_added = choices
            .iter()
            .filter_map(|rules| rules.first())
            .all(|rule| adds(rule) == 0);
        if nothing_added || invocation.is_help() {
            let first = choices
                .into_iter()
                .filter_map(|rules| rules.into_iter().next());
            return Ok((invocation.clone(), first.collect()));
        }
        let combinations: usize = choices.iter().map(Vec::len).product();
        let mut refused = None;
        for number in 0..combinations.min(MOST_COMBINATIONS) {
            let mut rest = number;
            let mut rules: Vec<&Rule> = Vec::new();
            for of_file in &choices {
                rules.extend(of_file.get(rest % of_file.len()));
                rest /= of_file.len();
            }
            let mut injected = invocation.clone();
            for (flag, Injected { value, classes }) in rules.iter().flat_map(|rule| &rule.inject) {
                injected.inject(flag, value, classes.get(invocation.path()).copied());
            }
            // Two files that add different values: neither is first.
            let differs = |(flag, added): (&String, &Injected)| {
                adds_anew(flag) && injected.flag(flag) != Some(added.value.as_str())
            };
            if rules.iter().flat_map(|rule| &rule.inject).any(differs) {
                continue;
            }
            let with_it = Facts {
                invocation: &injected,
                ..facts
            };
            let (mut asks, mut denies) = (None, None);
            for file in &self.files {
                match file.verdict(with_it) {
                    Ok(Verdict::Allow(_)) => {}
                    Ok(Verdict::Confirm(rule)) => drop(asks.get_or_insert(rule)),
                    Err(denied) => drop(denies.get_or_insert(denied)),
                }
            }
            match (denies, asks) {
                (None, None) => return Ok((injected, rules)),
                (None, Some(rule)) => refused = Some(Decision::Confirm(rule.confirmation())),
                (Some(denied), _) => drop(refused.get_or_insert(Decision::Deny(denied))),
            }
        }
        let denied = || {
            Decision::Deny(Denied {
                rule: None,
                advice: Advice::new(
                    "what one policy file adds another denies, or adds differently",
                    "ask the operator",
                ),
            })
        };
        Err(Box::new(refused.unwrap_or_else(denied)))
    }
}

/// More ways to choose a rule of each file than any policy has that a person wrote.
const MOST_COMBINATIONS: usize = 256;
