//! Examples and tests: a file in which one of them fails does not load.

use super::loading::Loading;
use crate::{
    command::{Invocation, parse, split},
    excerpt::Excerpt,
    policy::{
        error::PolicyError,
        facts::Facts,
        file::{RawRule, Test},
        rule::{Effect, Rule},
        rules::Rules,
        target::Target,
        verdict::Verdict,
    },
    tool::{Tool, UnknownTool},
};

impl Loading<'_> {
    /// Each example against its own rule, asked by a caller and for a cluster that the rule is
    /// about.
    pub(super) fn examples(&self, raw: &RawRule, rule: &Rule) -> Result<(), PolicyError> {
        let of = |globs: &[String]| globs.first().map(|glob| glob.replace('*', "x"));
        let target = Target {
            cluster: rule.clusters.as_deref().and_then(of).into_iter().collect(),
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
        };
        for (examples, wanted) in [(&raw.matches, true), (&raw.rejects, false)] {
            for example in examples {
                let matched = match self.invocation(example.get_ref()) {
                    Err(_) if !wanted => continue,
                    Err(why) => {
                        return Err(self.error(
                            example.span(),
                            &format!("this example does not parse: {why}"),
                            None,
                        ));
                    }
                    Ok(invocation) => match rule.effect {
                        Effect::Allow | Effect::Confirm => match invocation.never() {
                            Some(never) => Err(never.to_string()),
                            None => {
                                rule.accepts(Facts::new(&invocation, &target))
                                    .map_err(|mismatch| {
                                        mismatch.advice(&invocation.path().to_string(), rule).reason
                                    })
                            }
                        },
                        Effect::Deny => rule
                            .forbids(Facts::new(&invocation, &target))
                            .then_some(())
                            .ok_or_else(|| "nothing that it denies is in it".into()),
                    },
                };
                let message = match (matched, wanted) {
                    (Ok(()), true) | (Err(_), false) => continue,
                    (Ok(()), false) => format!(
                        "rule `{}` matches this example, which it should reject",
                        rule.id.id
                    ),
                    (Err(why), true) => {
                        format!("rule `{}` does not match this example: {why}", rule.id.id)
                    }
                };
                return Err(self.error(example.span(), &message, None));
            }
        }
        Ok(())
    }

    pub(super) fn test(&self, test: &Test, rules: &Rules) -> Result<(), PolicyError> {
        let target = Target {
            namespace: test
                .namespace
                .clone()
                .unwrap_or_else(|| Target::default().namespace),
            cluster: test.cluster.iter().cloned().collect(),
            principal: test
                .principal
                .clone()
                .unwrap_or_else(|| Target::default().principal),
            groups: test.groups.clone(),
        };
        let found: Result<(Effect, Vec<String>), String> = match self.invocation(test.run.get_ref())
        {
            Err(why) => Err(why),
            Ok(invocation) => match invocation.never() {
                Some(never) => Err(never.to_string()),
                None => rules
                    .verdict(Facts::new(&invocation, &target))
                    .map_err(|denied| denied.advice.reason)
                    .map(|verdict| match verdict {
                        Verdict::Allow(rules) => (
                            Effect::Allow,
                            rules.into_iter().map(|rule| rule.id.id.clone()).collect(),
                        ),
                        Verdict::Confirm(rule) => (Effect::Confirm, vec![rule.id.id.clone()]),
                    }),
            },
        };
        let wrong = match &found {
            Err(_) if test.expect == Effect::Deny => None,
            Err(why) => Some(format!("this test is denied: {why}")),
            Ok((effect, by)) if *effect != test.expect => Some(format!(
                "this test is {}, by `{}`",
                effect.told(),
                by.join("`, `")
            )),
            Ok((effect, by)) => {
                let other = test.by.as_ref().filter(|wanted| !by.contains(wanted));
                other.map(|_| format!("this test is {} by `{}`", effect.told(), by.join("`, `")))
            }
        };
        wrong.map_or(Ok(()), |message| {
            Err(self.error(test.run.span(), &message, None))
        })
    }

    /// A command line as the newest version reads it that does.
    fn invocation(&self, text: &str) -> Result<Invocation, String> {
        let name = text.split_whitespace().next().unwrap_or_default();
        let tool: Tool = name
            .parse()
            .map_err(|UnknownTool| format!("{} is not a tool", Excerpt::new(name)))?;
        let words = split(tool, text).map_err(|error| error.to_string())?;
        let mut wrong = format!("this server has no catalogue of {tool}");
        for catalogue in self
            .catalogues
            .iter()
            .filter(|catalogue| catalogue.tool() == tool)
        {
            match parse(catalogue, words.clone(), None) {
                Ok(invocation) => return Ok(invocation),
                Err(error) => wrong = error.to_string(),
            }
        }
        Err(wrong)
    }
}
