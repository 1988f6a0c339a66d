//! Deny > allow > nothing, which is deny. The only maker of [`Approved`].

use super::{
    Policy, Rules,
    rule::{Bounds, Effect, Injected, Rule, RuleId, Verbs},
    target::Target,
};
use crate::{command::Invocation, excerpt::Excerpt};

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

/// Why a command is denied.
#[derive(Debug, PartialEq, Eq)]
pub struct Denied {
    /// The deny rule, or the allow rule that came nearest.
    pub rule: Option<RuleId>,
    /// The reason in the operator's words, or what no rule allows.
    pub reason: String,
    /// What to do instead.
    pub hint: String,
}

/// The first field of a rule that a command does not fit.
#[derive(Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// Words behind `--`.
    AfterDash,
    /// Another caller than the rule's.
    Caller,
    /// A chart that the rule does not list.
    Chart {
        /// The chart.
        chart: Excerpt,
    },
    /// Another cluster than the rule's.
    Cluster,
    /// A flag that the rule does not list.
    Flag {
        /// The flag.
        flag: String,
    },
    /// Another namespace than the rule's.
    Namespace,
    /// A name that the rule does not list.
    Name {
        /// The name.
        name: Excerpt,
    },
    /// More names than the rule accepts.
    Names {
        /// The most that it accepts.
        most: usize,
    },
    /// A rule about names, and a command that names nothing.
    NoName,
    /// A resource rule, and a command that names no resource.
    NoResource,
    /// Too many operands.
    Operands {
        /// The most that the rule accepts.
        most: usize,
    },
    /// A flag that the rule requires.
    Required {
        /// The flag.
        flag: String,
        /// Its accepted values, when they are listed.
        values: Vec<String>,
    },
    /// A resource that the rule does not list.
    Resource {
        /// The resource.
        resource: String,
    },
    /// A value that the rule does not accept.
    Value {
        /// The flag.
        flag: String,
        /// The value.
        value: Excerpt,
        /// The accepted values.
        values: Vec<String>,
    },
    /// Another tool or verb.
    Verb,
}

impl Policy {
    /// Decides about one command: deny > confirm > allow, in every file.
    pub fn decide(&self, mut invocation: Invocation, target: &Target) -> Decision {
        // Here and not only where files load: a rule about every verb names none, and a glob may
        // cover a value that no rule may allow.
        if let Some(never) = invocation.never() {
            let (reason, hint) = (never.to_string(), never.help().to_owned());
            return Decision::Deny(Denied {
                rule: None,
                reason,
                hint,
            });
        }
        let mut choices = Vec::new();
        let mut unconfirmed = None;
        for file in &self.files {
            match file.verdict(&invocation, target) {
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
                reason: "no policy file is loaded".into(),
                hint: "ask the operator".into(),
            });
        }
        // What is added is judged before anybody is asked: a question is no way around another
        // file.
        let rules = match self.chosen(&mut invocation, target, choices) {
            Ok(rules) => rules,
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

    /// One rule of each file, so that what they add is allowed by all files; adds it.
    ///
    /// Every combination is tried, those that add least first: which rule stands first in a file
    /// must not decide, and a further rule must not take away.
    fn chosen<'p>(
        &'p self,
        invocation: &mut Invocation,
        target: &Target,
        mut choices: Vec<Vec<&'p Rule>>,
    ) -> Result<Vec<&'p Rule>, Box<Decision>> {
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
            return Ok(choices
                .into_iter()
                .filter_map(|rules| rules.into_iter().next())
                .collect());
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
            let (mut asks, mut denies) = (None, None);
            for file in &self.files {
                match file.verdict(&injected, target) {
                    Ok(Verdict::Allow(_)) => {}
                    Ok(Verdict::Confirm(rule)) => drop(asks.get_or_insert(rule)),
                    Err(denied) => drop(denies.get_or_insert(denied)),
                }
            }
            match (denies, asks) {
                (None, None) => {
                    *invocation = injected;
                    return Ok(rules);
                }
                (None, Some(rule)) => refused = Some(Decision::Confirm(rule.confirmation())),
                (Some(denied), _) => drop(refused.get_or_insert(Decision::Deny(denied))),
            }
        }
        let denied = || {
            Decision::Deny(Denied {
                rule: None,
                reason: "what one policy file adds another denies, or adds differently".into(),
                hint: "ask the operator".into(),
            })
        };
        Err(Box::new(refused.unwrap_or_else(denied)))
    }
}

/// More ways to choose a rule of each file than any policy has that a person wrote.
const MOST_COMBINATIONS: usize = 256;

/// What a file says to a command: rules that allow it, any of which may, or one that asks for a
/// confirmation.
pub(super) enum Verdict<'p> {
    Allow(Vec<&'p Rule>),
    Confirm(&'p Rule),
}

impl Policy {
    /// Whether the caller may do anything at all on the cluster: each file has a rule for both.
    pub fn reaches(&self, target: &Target) -> bool {
        !self.files.is_empty()
            && self
                .files
                .iter()
                .all(|file| file.rules.iter().any(|rule| rule.reaches(target)))
    }
}

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

impl Rules {
    /// The rules about the command's verb, in the file's order.
    fn about(&self, invocation: &Invocation) -> impl Iterator<Item = &Rule> {
        let places = self
            .by_verb
            .get(&invocation.tool())
            .and_then(|verbs| verbs.get(invocation.path()));
        places
            .into_iter()
            .flatten()
            .filter_map(|place| self.rules.get(*place))
    }

    /// The rules that accept the command, or one that asks for confirmation first; or why none
    /// does.
    pub(super) fn verdict(
        &self,
        invocation: &Invocation,
        target: &Target,
    ) -> Result<Verdict<'_>, Denied> {
        let path = invocation.path();
        if let Some(rule) = self
            .about(invocation)
            .find(|rule| rule.effect == Effect::Deny && rule.forbids(invocation, target))
        {
            let hint = rule
                .hint
                .clone()
                .unwrap_or_else(|| "ask the operator if this is needed".into());
            return Err(Denied {
                rule: Some(rule.id.clone()),
                reason: rule.reason.clone(),
                hint,
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
            match rule.accepts(invocation, target) {
                Ok(()) if rule.effect == Effect::Allow => {
                    match confirm().find(|confirm| confirm.asks_about(invocation, target, rule)) {
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
            Some((rule, mismatch)) => {
                let (reason, hint) = mismatch.told(&path.to_string(), rule);
                Denied {
                    rule: Some(rule.id.clone()),
                    reason,
                    hint,
                }
            }
            None => Denied {
                rule: None,
                reason: format!(
                    "no rule of {} allows `{} {path}`",
                    self.name,
                    invocation.tool()
                ),
                hint: self.verbs_hint(invocation),
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
    /// What a caller is told whom a confirm rule stops.
    fn confirmation(&self) -> Denied {
        let hint = self
            .hint
            .clone()
            .unwrap_or_else(|| "ask a person to run it".into());
        Denied {
            rule: Some(self.id.clone()),
            reason: self.reason.clone(),
            hint,
        }
    }
}

impl Mismatch {
    /// How far the match got.
    fn depth(&self) -> u8 {
        match self {
            Self::Verb => 0,
            Self::Caller => 1,
            Self::Required { .. } => 2,
            Self::Flag { .. } => 3,
            Self::Value { .. } => 4,
            Self::AfterDash => 5,
            Self::Cluster => 6,
            Self::NoResource => 7,
            Self::Resource { .. } => 8,
            Self::Namespace => 9,
            Self::NoName => 10,
            Self::Name { .. } => 11,
            Self::Names { .. } => 11,
            Self::Chart { .. } => 12,
            Self::Operands { .. } => 13,
        }
    }

    /// The reason and the hint.
    pub(super) fn told(&self, verb: &str, rule: &Rule) -> (String, String) {
        let tool = rule.tool;
        match self {
            Self::Verb => (
                format!("no rule allows `{tool} {verb}`"),
                "ask the operator".into(),
            ),
            Self::Required { flag, values } if values.is_empty() => (
                format!("`{tool} {verb}` is allowed only with --{flag}"),
                format!("add --{flag}"),
            ),
            Self::Required { flag, values } => (
                format!("`{tool} {verb}` is allowed only with --{flag}"),
                format!("add --{flag}={}", example(values)),
            ),
            Self::Flag { flag } => (
                format!("--{flag} is not allowed with `{tool} {verb}`"),
                allowed_flags(rule),
            ),
            Self::Value {
                flag,
                value,
                values,
            } => (
                format!("--{flag} may not be {value} here"),
                format!("allowed for --{flag}: {}", values.join(", ")),
            ),
            Self::Namespace => (
                format!("`{tool} {verb}` is not allowed in this namespace"),
                match &rule.namespaces {
                    Some(namespaces) => format!("allowed namespaces: {}", namespaces.join(", ")),
                    None => "leave the namespace out".into(),
                },
            ),
            Self::Caller => (
                format!("`{tool} {verb}` is not allowed for this caller"),
                "ask the operator who may run it".into(),
            ),
            Self::Cluster => (
                format!("`{tool} {verb}` is not allowed on this cluster"),
                format!(
                    "allowed clusters: {}",
                    rule.clusters.as_deref().unwrap_or_default().join(", ")
                ),
            ),
            Self::Name { name } => (
                format!("`{tool} {verb}` may not be asked about {name}"),
                format!(
                    "allowed names: {}",
                    rule.names.as_deref().unwrap_or_default().join(", ")
                ),
            ),
            Self::Names { most: 0 } => (
                format!("`{tool} {verb}` is allowed here only without a name"),
                "leave the name out, or ask the operator".into(),
            ),
            Self::Names { most } => (
                format!("`{tool} {verb}` may name at most {most} here"),
                "make several calls".into(),
            ),
            Self::NoName => (
                format!("`{tool} {verb}` has to say what it is about"),
                format!(
                    "name one; allowed names: {}",
                    rule.names.as_deref().unwrap_or_default().join(", ")
                ),
            ),
            Self::Chart { chart } => (
                format!("`{tool} {verb}` may not read the chart {chart}"),
                match &rule.charts {
                    Some(charts) => format!("allowed charts: {}", charts.join(", ")),
                    None => "no chart is allowed here; ask the operator".into(),
                },
            ),
            Self::NoResource => (
                format!("`{tool} {verb}` names no resource"),
                format!("name one, for example `{verb} pods`"),
            ),
            Self::Resource { resource } => (
                format!("{resource} may not be used with `{tool} {verb}`"),
                allowed_resources(rule),
            ),
            Self::AfterDash => (
                format!("words behind `--` are not allowed with `{tool} {verb}`"),
                "leave `--` and what follows it out".into(),
            ),
            Self::Operands { most: 0 } => (
                format!("`{tool} {verb}` takes no arguments here"),
                "leave them out; flags stay".into(),
            ),
            Self::Operands { most } => {
                let plural = if *most == 1 { "" } else { "s" };
                (
                    format!("`{tool} {verb}` takes at most {most} argument{plural} here"),
                    "make several calls".into(),
                )
            }
        }
    }
}

/// A value that can be typed, for the first pattern: the end of a range, or the text.
fn example(values: &[String]) -> &str {
    let first = values.first().map_or("", String::as_str);
    first
        .split_once("..")
        .map_or(first, |(from, to)| if to.is_empty() { from } else { to })
}

fn allowed_flags(rule: &Rule) -> String {
    let flags: Vec<String> = rule
        .flags
        .keys()
        .filter(|flag| *flag != "namespace")
        .map(|flag| format!("--{flag}"))
        .collect();
    if flags.is_empty() {
        "leave it out; only --namespace is allowed here".into()
    } else {
        format!(
            "leave it out; allowed here: --namespace, {}",
            flags.join(", ")
        )
    }
}

fn allowed_resources(rule: &Rule) -> String {
    let resources = rule.resources.as_deref().unwrap_or_default();
    match resources.split_at_checked(12) {
        Some((some, rest)) if !rest.is_empty() => {
            format!(
                "allowed here: {} and {} more; `kubectl explain` tells what a resource is",
                some.join(", "),
                rest.len()
            )
        }
        _ => format!("allowed here: {}", resources.join(", ")),
    }
}
