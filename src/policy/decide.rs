//! The decision about a command: deny > confirm > allow, in every file, and deny where no rule says
//! anything. The only maker of [`Approved`] and [`Pending`].
//!
//! Comes in: [`Facts`]. Goes out: what may run, with what the rules add to it; or the question that
//! comes first; or why not. What a rule adds is judged by all files, before anybody is asked.
//!
//! Held by `tests/decisions/` and the fuzz targets `decide`, `monotonic` and `never_allow`.

use std::{fmt, ptr, time::SystemTime};

use super::{
    bounds::{RuleBounds, RuleRate},
    effect::RuleId,
    facts::Facts,
    rule::{Injected, Rule},
    rules::Policy,
    target::Target,
    verdict::{Denied, Verdict},
};
use crate::{
    advice::Advice,
    command::{Invocation, Unresolved},
};

/// An invocation that the policy in force allows, and the rules that allowed it.
///
/// Only [`Policy::decide`] and [`Policy::lookup`] make one. Not `Clone`: one approval starts one
/// child.
///
/// ```compile_fail,E0451
/// let forged = kube_airlock::policy::Approved { invocation: todo!(), rules: todo!(), bounds: todo!(), rates: todo!() };
/// ```
#[must_use = "an approval that is dropped starts nothing"]
#[derive(Debug)]
pub struct Approved {
    invocation: Invocation,
    rules: Vec<RuleId>,
    bounds: RuleBounds,
    rates: Vec<(String, RuleRate)>,
}

impl Approved {
    /// What may run.
    pub fn invocation(&self) -> &Invocation {
        &self.invocation
    }

    /// The tightest bounds of those rules.
    pub fn bounds(&self) -> RuleBounds {
        self.bounds
    }

    /// How often one caller may use each of those rules that say so, by their ids and places.
    pub fn rates(&self) -> &[(String, RuleRate)] {
        &self.rates
    }

    /// The ids of the rules that allowed it, one per policy file.
    pub fn rule(&self) -> String {
        ids(&self.rules)
    }

    /// Where those rules stand, as `file:line`.
    pub fn rule_at(&self) -> String {
        joined(
            self.rules
                .iter()
                .map(|rule| format!("{}:{}", rule.file, rule.line)),
        )
    }
}

/// An invocation that the policy in force allows once a person has confirmed it: what would run,
/// the rules that let it and those that ask, and the question.
///
/// Only [`Policy::decide`] makes one. Not `Clone`: one question has one answer.
///
/// ```compile_fail,E0451
/// let forged = kube_airlock::policy::Pending { invocation: todo!(), rules: todo!(), bounds: todo!(), rates: todo!(), question: todo!() };
/// ```
#[must_use = "a question that is dropped is put to nobody"]
#[derive(Debug)]
pub struct Pending {
    invocation: Invocation,
    rules: Vec<RuleId>,
    bounds: RuleBounds,
    /// What a confirmed call counts against, as one that needed no question.
    rates: Vec<(String, RuleRate)>,
    question: Question,
}

impl Pending {
    /// What would run: the command, and what the rules of all files add to it.
    pub fn invocation(&self) -> &Invocation {
        &self.invocation
    }

    /// The tightest bounds of those rules.
    pub fn bounds(&self) -> RuleBounds {
        self.bounds
    }

    /// The ids of the rules that would allow it, one per policy file, and of those that ask.
    pub fn rule(&self) -> String {
        ids(&self.rules)
    }

    /// The rates of those rules, each with the id of its rule.
    pub fn rates(&self) -> &[(String, RuleRate)] {
        &self.rates
    }

    /// Gives the command up and keeps the question.
    pub fn into_question(self) -> Question {
        self.question
    }
}

/// What a person has to confirm.
#[derive(Debug, PartialEq, Eq)]
pub struct Question {
    /// The confirm rule that asks; the first one, where several files ask.
    pub rule: RuleId,
    /// Its reason, and what to do while nobody can be asked.
    pub advice: Advice,
}

/// As a refusal, for as long as no door can put the question.
impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = &self.advice.reason;
        write!(f, "{reason}, and this server cannot ask anybody yet")
    }
}

/// The policy's answer.
#[derive(Debug)]
pub enum Decision {
    /// It may run.
    Allow(Approved),
    /// It may run once a person has confirmed it.
    Confirm(Pending),
    /// It may not.
    Deny(Denied),
}

impl Policy {
    /// Decides about one command: deny > confirm > allow, in every file.
    pub fn decide(&self, facts: Facts<'_>) -> Decision {
        let mut decision = self
            .candidate(facts)
            .map_or_else(Decision::Deny, Candidate::decision);
        if let Decision::Confirm(Pending { question, .. }) = &mut decision {
            let mut files = self.files.iter();
            if let Some(object) = files.find_map(|file| file.beyond(&question.rule, facts)) {
                question.advice.reason = format!("{object}: {}", question.advice.reason);
            }
        }
        decision
    }

    /// Approves the question what a cluster has, for a command that only the cluster can tell: when
    /// one of its custom resources could be what the rules allow, or would ask about. Nobody who
    /// would be refused whatever it has makes a cluster be asked.
    pub fn lookup(
        &self,
        unresolved: &Unresolved,
        target: &Target,
        now: SystemTime,
    ) -> Option<Approved> {
        let facts = Facts::new(unresolved.assumed(), target).at(now);
        let candidate = self.candidate(facts).ok()?;
        Some(Approved {
            invocation: unresolved.question(),
            rules: candidate.rules.iter().map(|rule| rule.id.clone()).collect(),
            bounds: RuleBounds::default(),
            // It counts once, when the command itself runs.
            rates: Vec::new(),
        })
    }

    fn candidate(&self, facts: Facts<'_>) -> Result<Candidate<'_>, Denied> {
        // Here and not only where files load: a rule about every verb names none, and a glob may
        // cover a value that no rule may allow.
        if let Some(never) = facts.invocation.never() {
            return Err(by_no_rule(never.to_string(), never.help()));
        }
        let verdicts = self.verdicts(facts)?;
        if verdicts.is_empty() {
            return Err(by_no_rule("no policy file is loaded", "ask the operator"));
        }
        self.chosen(facts, verdicts)
    }

    /// What each file says, unless one denies.
    fn verdicts(&self, facts: Facts<'_>) -> Result<Vec<Verdict<'_>>, Denied> {
        self.files.iter().map(|file| file.verdict(facts)).collect()
    }

    /// Chooses one rule of each file, so that all files accept what they add.
    ///
    /// Every combination is tried, those that add least first: which rule stands first in a file
    /// must not decide, and a further rule must not take away.
    fn chosen<'p>(
        &'p self,
        facts: Facts<'_>,
        verdicts: Vec<Verdict<'p>>,
    ) -> Result<Candidate<'p>, Denied> {
        let invocation = facts.invocation;
        let asking = asking(&verdicts);
        let is_new = |flag: &&String| !invocation.flags().contains_key(*flag);
        let adds = |rule: &Rule| {
            rule.adds(facts).keys().filter(is_new).count() + rule.clamps(invocation).count()
        };
        let mut choices: Vec<Vec<&Rule>> =
            verdicts.into_iter().map(|file| file.accepting).collect();
        for rules in &mut choices {
            rules.sort_by_key(|rule| adds(rule));
        }
        let least: Vec<&Rule> = choices
            .iter()
            .filter_map(|rules| rules.first().copied())
            .collect();
        if invocation.is_help() || least.iter().all(|rule| adds(rule) == 0) {
            return Ok(Candidate {
                invocation: invocation.clone(),
                rules: least,
                asking,
            });
        }
        let (mut asked, mut refused) = (None, None);
        for rules in combinations(&choices) {
            let Some(injected) = injected(facts, &rules) else {
                continue;
            };
            let with_it = facts.of_what_runs(&injected);
            match self.verdicts(with_it) {
                Ok(verdicts) => {
                    // A question about the command as it was sent is not answered by what is added.
                    let candidate = Candidate {
                        asking: both(self::asking(&verdicts), &asking),
                        invocation: injected,
                        rules,
                    };
                    if candidate.asking.is_empty() {
                        return Ok(candidate);
                    }
                    asked.get_or_insert(candidate);
                }
                Err(denied) => drop(refused.get_or_insert(denied)),
            }
        }
        let reason = "what one policy file adds another denies, or adds differently";
        asked.ok_or_else(|| refused.unwrap_or_else(|| by_no_rule(reason, "ask the operator")))
    }
}

/// A command that no file denies: with what the chosen rules add, those rules, one of each file,
/// and the rules that ask about it.
struct Candidate<'p> {
    invocation: Invocation,
    rules: Vec<&'p Rule>,
    asking: Vec<&'p Rule>,
}

impl Candidate<'_> {
    fn decision(self) -> Decision {
        let question = self.asking.first().map(|rule| Question {
            rule: rule.id.clone(),
            advice: rule.advice("ask a person to run it"),
        });
        let invocation = self.invocation;
        let rules = both(self.rules, &self.asking);
        let bounds = rules.iter().fold(RuleBounds::default(), |bounds, rule| {
            bounds.and(rule.bounds)
        });
        let rated = rules
            .iter()
            .filter_map(|rule| Some((rule.id.to_string(), rule.rate?)));
        let rates = rated.collect();
        let rules = rules.into_iter().map(|rule| rule.id.clone()).collect();
        match question {
            None => Decision::Allow(Approved {
                invocation,
                rules,
                bounds,
                rates,
            }),
            Some(question) => Decision::Confirm(Pending {
                invocation,
                rules,
                bounds,
                rates,
                question,
            }),
        }
    }
}

/// More ways to choose a rule of each file than any policy has that a person wrote.
const MOST_COMBINATIONS: usize = 256;

/// The ways to choose one rule of each file.
fn combinations<'p>(choices: &[Vec<&'p Rule>]) -> impl Iterator<Item = Vec<&'p Rule>> {
    let all = choices
        .iter()
        .fold(1_usize, |all, rules| all.saturating_mul(rules.len()));
    (0..all.min(MOST_COMBINATIONS)).map(move |number| {
        let mut rest = number;
        let mut rules = Vec::new();
        for of_file in choices {
            rules.extend(of_file.get(rest % of_file.len()));
            rest /= of_file.len();
        }
        rules
    })
}

/// The command with what the rules add, and with the least of what they bring values down to; none
/// when two files add different values, because neither is first.
fn injected(facts: Facts<'_>, rules: &[&Rule]) -> Option<Invocation> {
    let invocation = facts.invocation;
    let added = || rules.iter().flat_map(|rule| rule.adds(facts));
    let mut with_it = invocation.clone();
    for (flag, Injected { value, flags }) in added() {
        with_it.inject(flag, value, flags.get(invocation.path()));
    }
    for rule in rules {
        let clamps: Vec<(String, String)> = rule
            .clamps(&with_it)
            .map(|(flag, value)| (flag.to_owned(), value.to_owned()))
            .collect();
        for (flag, value) in clamps {
            with_it.clamp(&flag, &value);
        }
    }
    let agrees = |(flag, added): (&String, &Injected)| {
        invocation.flags().contains_key(flag) || with_it.flag(flag) == Some(added.value.as_str())
    };
    added().all(agrees).then_some(with_it)
}

/// The rules of the files that ask.
fn asking<'p>(verdicts: &[Verdict<'p>]) -> Vec<&'p Rule> {
    verdicts.iter().filter_map(|file| file.asking).collect()
}

/// These rules, and the others that are not among them.
fn both<'p>(mut rules: Vec<&'p Rule>, others: &[&'p Rule]) -> Vec<&'p Rule> {
    for other in others {
        if !rules.iter().any(|rule| ptr::eq(*rule, *other)) {
            rules.push(other);
        }
    }
    rules
}

fn by_no_rule(reason: impl Into<String>, hint: &str) -> Denied {
    Denied {
        rule: None,
        advice: Advice::new(reason, hint),
    }
}

fn ids(rules: &[RuleId]) -> String {
    joined(rules.iter().map(|rule| rule.id.clone()))
}

fn joined(texts: impl Iterator<Item = String>) -> String {
    texts.collect::<Vec<_>>().join("+")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        super::{PolicySource, Target, tests::rules},
        *,
    };
    use crate::{
        catalogue::Catalogue,
        command::{Adjustment, parse, split},
        tool::Tool,
    };

    fn decide(files: &[&[&str]], command: &str) -> Decision {
        let catalogues = Catalogue::carried().unwrap();
        let files: Vec<PolicySource> = (files.iter().zip('a'..))
            .map(|(lines, name)| PolicySource::alone(&format!("{name}.toml"), rules(lines)))
            .collect();
        let policy = Policy::load(&files, &catalogues).unwrap();
        let words = split(Tool::KUBECTL, command).unwrap();
        let invocation = parse(&catalogues[0], words, None).unwrap();
        policy.decide(Facts::new(&invocation, &Target::default()))
    }

    fn allowed(files: &[&[&str]], command: &str) -> Approved {
        match decide(files, command) {
            Decision::Allow(approved) => approved,
            other => panic!("{other:?}"),
        }
    }

    fn asked(files: &[&[&str]], command: &str) -> Pending {
        match decide(files, command) {
            Decision::Confirm(pending) => pending,
            other => panic!("{other:?}"),
        }
    }

    const LOGS: &str = r#"a verbs = ["logs"]; flags = ["@plain"]; values = { "--tail" = ["0..100"] }; timeout = "1m""#;
    const TAIL: &str =
        r#"a verbs = ["logs"]; flags = ["@plain"]; inject = { "--tail" = "9" }; timeout = "10s""#;
    const ASKS: &str = r#"c verbs = ["logs"]; max_lines = 5"#;

    #[test]
    fn a_question_keeps_what_an_allow_would_run() {
        for (with, without) in [
            // The confirm rule does not accept --previous itself; the allow rule of its file does.
            ([&[LOGS, ASKS][..], &[TAIL]], [&[LOGS][..], &[TAIL]]),
            ([&[TAIL, ASKS][..], &[LOGS]], [&[TAIL][..], &[LOGS]]),
        ] {
            let command = "logs web-0 --previous";
            let (pending, approved) = (asked(&with, command), allowed(&without, command));
            assert_eq!(
                pending.invocation().argv().join(" "),
                "kubectl --v=0 logs --previous=true --tail=9 web-0"
            );
            assert_eq!(pending.invocation(), approved.invocation());
            assert_eq!(pending.bounds().timeout, Some(Duration::from_secs(10)));
            assert_eq!(pending.bounds().timeout, approved.bounds().timeout);
            assert_eq!(
                pending.bounds().max_lines.map(u64::from),
                Some(5),
                "the rule that asks bounds it too"
            );
            assert_eq!(pending.rule(), "r0+r0+r1");
            assert_eq!(pending.into_question().rule.to_string(), "r1 (a.toml:12)");
        }
    }

    #[test]
    fn a_value_above_the_range_is_brought_down_to_the_lowest_end_and_said() {
        let wait = |most: &str| {
            format!(
                r#"a verbs = ["wait"]; flags = ["--for"]; values = {{ "--timeout" = ["..{most}"] }}; clamp = ["--timeout"]"#
            )
        };
        let (one, other) = (wait("60s"), wait("20s"));
        for files in [[[one.as_str()], [other.as_str()]], [[&other], [&one]]] {
            let files = files.each_ref().map(|file| &file[..]);
            let approved = allowed(&files, "wait pod/web --for=delete --timeout=5m");
            assert_eq!(approved.invocation().flag("timeout"), Some("20s"));
            assert_eq!(
                approved.invocation().adjustments(),
                [Adjustment::Clamped {
                    flag: "--timeout".into(),
                    given: "5m".into(),
                    used: "20s".into()
                }]
            );
        }
        // What a rule accepts as it was sent stays as it was sent.
        let wider = wait("10m");
        let approved = allowed(&[&[&one, &wider]], "wait pod/web --for=delete --timeout=5m");
        assert_eq!(approved.invocation().flag("timeout"), Some("5m"));
        assert!(approved.invocation().adjustments().is_empty());
        // The end that one file brings it down to has to be accepted by the others as it is.
        let floor = r#"a verbs = ["wait"]; flags = ["--for"]; values = { "--timeout" = ["30s..60s"] }; clamp = ["--timeout"]"#;
        let lower = r#"a verbs = ["wait"]; flags = ["--for"]; values = { "--timeout" = ["..10s"] }; clamp = ["--timeout"]"#;
        assert!(matches!(
            decide(&[&[floor, lower], &[&other]], "wait pod/web --for=delete --timeout=5m"),
            Decision::Allow(approved) if approved.invocation().flag("timeout") == Some("10s")
        ));
        assert!(matches!(
            decide(
                &[&[floor], &[&other]],
                "wait pod/web --for=delete --timeout=5m"
            ),
            Decision::Deny(_)
        ));
    }

    #[test]
    fn what_a_confirm_rule_adds_is_in_the_question_and_judged_by_all_files() {
        let asks = r#"c verbs = ["logs"]; inject = { "--tail" = "9" }"#;
        let allows = asks.replacen('c', "a", 1);
        let denies = r#"d verbs = ["logs"]; flags = ["--tail"]"#;
        let pending = asked(&[&[asks], &[LOGS]], "logs web-0");
        let approved = allowed(&[&[&allows], &[LOGS]], "logs web-0");
        assert_eq!(pending.invocation(), approved.invocation());
        assert_eq!(pending.bounds(), approved.bounds());
        assert!(matches!(
            decide(&[&[asks], &[LOGS, denies]], "logs web-0"),
            Decision::Deny(_)
        ));
    }
}
