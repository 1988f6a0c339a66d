//! Examples and tests: a file in which one of them fails does not load.

use std::time::SystemTime;

use toml::Spanned;

use super::loading::Loading;
use crate::{
    command::{Filter, Invocation, parse, split_stages},
    excerpt::Excerpt,
    manifest::{Manifest, ManifestContext},
    policy::{
        considered::Considered,
        effect::Effect,
        error::{PolicyError, PolicyErrors},
        facts::{Facts, namespace_of_call},
        file::{RawRule, RawTest},
        rule::Rule,
        rules::Rules,
        target::Target,
        window::Window,
    },
    tool::{Tool, UnknownTool},
};

/// An example or a test that fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestFailure {
    /// What was expected, what was found, and where it stands.
    pub error: PolicyError,
    /// The rules about the verb of a test, and what each says to it. An example is about one rule, of
    /// which the error says what does not fit.
    pub near: Vec<Considered>,
}

impl From<PolicyError> for TestFailure {
    fn from(error: PolicyError) -> Self {
        let near = Vec::new();
        Self { error, near }
    }
}

impl From<Vec<TestFailure>> for PolicyErrors {
    fn from(failures: Vec<TestFailure>) -> Self {
        Self(failures.into_iter().map(|failure| failure.error).collect())
    }
}

impl Loading<'_> {
    /// Each example against its own rule, asked by a caller and for a cluster that the rule is
    /// about.
    pub(super) fn examples(&self, raw: &RawRule, rule: &Rule) -> Result<(), PolicyError> {
        let of = |globs: &[String]| globs.first().map(|glob| glob.replace('*', "x"));
        let target = Target {
            principal: rule
                .callers
                .as_ref()
                .and_then(|callers| of(&callers.principals))
                .unwrap_or_else(|| "anonymous".into()),
            groups: rule
                .callers
                .as_ref()
                .and_then(|callers| of(&callers.groups))
                .into_iter()
                .collect(),
            ..Target::default()
        }
        .on(rule.clusters.as_deref().and_then(of).into_iter().collect());
        let window = rule.details.window.as_ref();
        let moment = window.map_or(SystemTime::UNIX_EPOCH, Window::moment);
        for (examples, wanted) in [(&raw.matches, true), (&raw.rejects, false)] {
            for example in examples {
                let matched = match self.invocation(example.get_ref()) {
                    Err(_) if !wanted => continue,
                    Err(why) => {
                        let message = format!("this example does not parse: {why}");
                        return Err(self.error(example.span(), &message, None));
                    }
                    Ok((invocation, filters)) => {
                        let facts = Facts::new(&invocation, &target).through(&filters);
                        matches(rule, facts.at(moment))
                    }
                };
                let id = &rule.id.id;
                let (message, help) = match (matched, wanted) {
                    (Ok(()), true) | (Err(_), false) => continue,
                    (Ok(()), false) => (
                        format!("rule `{id}` matches this example, which it should reject"),
                        "make the rule narrower, or move the example to `matches`",
                    ),
                    (Err(why), true) => (
                        format!("rule `{id}` does not match this example: {why}"),
                        "make the rule wider, or move the example to `rejects`",
                    ),
                };
                return Err(self.error(example.span(), &message, Some(help.into())));
            }
        }
        Ok(())
    }

    /// The objects of a test.
    fn carried(
        &self,
        text: &Spanned<String>,
        invocation: &Invocation,
        target: &Target,
    ) -> Result<Manifest, PolicyError> {
        let context = ManifestContext {
            namespace: namespace_of_call(invocation, target),
            // No cluster is asked here.
            resolve: &|_, _, _| None,
        };
        Manifest::read(text.get_ref(), &context).map_err(|why| {
            let message = format!("these objects are not read: {why}");
            self.error(text.span(), &message, Some(why.help()))
        })
    }

    /// A test against the rules of its file.
    pub(super) fn test(&self, test: &RawTest, rules: &Rules) -> Result<(), TestFailure> {
        let anonymous = Target::default();
        let target = Target {
            namespace: test.namespace.clone().unwrap_or(anonymous.namespace),
            principal: test.principal.clone().unwrap_or(anonymous.principal),
            groups: test.groups.clone(),
            ..Target::default()
        }
        .on(test.cluster.iter().cloned().collect());
        let moment = test.at.as_ref().map(|text| {
            humantime::parse_rfc3339_weak(text.get_ref()).map_err(|_| {
                let message = "this is not a time like 2026-11-30T09:00:00Z";
                self.error(text.span(), message, None)
            })
        });
        let moment = moment.transpose()?;
        let read = self.invocation(test.run.get_ref());
        let carried = match (&test.stdin, &read) {
            (Some(text), Ok((invocation, _))) => Some(self.carried(text, invocation, &target)?),
            _ => None,
        };
        let facts = read.as_ref().map(|(invocation, filters)| {
            let facts = Facts::new(invocation, &target).through(filters);
            let facts = facts.carrying(carried.as_ref().map_or(&[], Manifest::objects));
            moment.map_or(facts, |moment| facts.at(moment))
        });
        let decided = facts.as_ref().map_err(|why| (*why).clone());
        let wrong = match decided.and_then(|facts| decided_by(rules, *facts)) {
            Err(_) if test.expect == Effect::Deny => return Ok(()),
            Err(why) => format!("this test is denied: {why}"),
            Ok((effect, by)) => {
                let other = test.by.as_ref().is_some_and(|wanted| !by.contains(wanted));
                let (word, by) = (effect.adjective(), by.join("`, `"));
                match (effect == test.expect, other) {
                    (true, false) => return Ok(()),
                    (true, true) => format!("this test is {word} by `{by}`"),
                    (false, _) => format!("this test is {word}, by `{by}`"),
                }
            }
        };
        Err(TestFailure {
            error: self.error(test.run.span(), &wrong, None),
            near: facts.map(|facts| rules.consider(facts)).unwrap_or_default(),
        })
    }

    /// A command line as the newest version reads it that does.
    fn invocation(&self, text: &str) -> Result<(Invocation, Vec<Filter>), String> {
        let name = text.split_whitespace().next().unwrap_or_default();
        let tool: Tool = name
            .parse()
            .map_err(|UnknownTool| format!("{} is not a tool", Excerpt::new(name)))?;
        let stages = split_stages(tool, text).map_err(|error| error.to_string())?;
        let filters = stages.filters.into_iter().map(Filter::parse);
        let filters = filters
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| error.to_string())?;
        let mut wrong = format!("this server has no catalogue of {tool}");
        for catalogue in self
            .catalogues
            .iter()
            .filter(|catalogue| catalogue.tool() == tool)
        {
            match parse(catalogue, stages.command.clone(), None) {
                Ok(invocation) => return Ok((invocation, filters)),
                Err(error) => wrong = error.to_string(),
            }
        }
        Err(wrong)
    }
}

/// Whether a rule matches by itself; else why not.
fn matches(rule: &Rule, facts: Facts<'_>) -> Result<(), String> {
    if rule.effect == Effect::Deny {
        let denies = rule.forbids(facts).then_some(());
        return denies.ok_or_else(|| "nothing that it denies is in it".into());
    }
    match facts.invocation.never() {
        Some(never) => Err(never.to_string()),
        None => rule.accepts(facts).map_err(|mismatch| {
            let verb = facts.invocation.path();
            mismatch.advice(rule.tool, verb).reason
        }),
    }
}

/// What a file decides by itself, and the ids of the rules by which; else why it denies.
fn decided_by(rules: &Rules, facts: Facts<'_>) -> Result<(Effect, Vec<String>), String> {
    if let Some(never) = facts.invocation.never() {
        return Err(never.to_string());
    }
    let id = |rule: &Rule| rule.id.id.clone();
    let verdict = rules
        .verdict(facts)
        .map_err(|denied| denied.advice.reason)?;
    Ok(match verdict.asking {
        Some(rule) => (Effect::Confirm, vec![id(rule)]),
        None => {
            let allowing = verdict.accepting.into_iter();
            (Effect::Allow, allowing.map(id).collect())
        }
    })
}
