//! What a policy decides about a command line, and why: [`Explainer::explain`], and what each rule
//! says to it: [`Policy::consider`].
//!
//! Comes in: text. Goes out: values, which the command line and the doors print. Decides nothing by
//! itself. Held by the snapshots of `tests/cli/` and `tests/decisions/`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    decide::Decision,
    facts::Facts,
    rule::{Effect, RuleId},
    rules::Policy,
    target::Target,
};
use crate::{
    advice::Advice,
    catalogue::Catalogue,
    code::Code,
    command::{CommandError, Filter, FilterError, Invocation, WordsError, parse, split_stages},
    tool::Tool,
};

/// A policy, the catalogues to read commands with, and who sends them where.
#[derive(Debug)]
pub struct Explainer {
    policy: Policy,
    catalogues: Vec<Catalogue>,
    target: Target,
}

/// The answer to one command.
#[derive(Debug, Serialize)]
pub struct Explained {
    /// The text.
    pub command: String,
    tool: Option<Tool>,
    /// What is decided about it.
    pub effect: Effect,
    /// The code of its refusal.
    pub code: Option<Code>,
    /// The rule that decided, or that came nearest.
    pub rule: Option<String>,
    /// The place of a rule that allows, as `file:line`; one that refuses names its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_at: Option<String>,
    /// The reason of its refusal.
    pub reason: Option<String>,
    /// What to do instead.
    pub hint: Option<String>,
    verb: Vec<String>,
    flags: BTreeMap<String, Vec<String>>,
    operands: Vec<String>,
    /// What would run, at once or when it is confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argv: Option<Vec<String>>,
    /// What differs between the command and what would run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// The filters behind the command; no rule is about them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Vec<String>>,
    /// The command, when it could be read.
    #[serde(skip)]
    pub invocation: Option<Invocation>,
}

/// Why a command line is not judged.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error("this build has no catalogue of that tool")]
    NoCatalogue,
    #[error("the command does not begin with the name of a tool")]
    NoTool,
    #[error(transparent)]
    Words(#[from] WordsError),
}

impl Unreadable {
    fn code(&self) -> Code {
        match self {
            Self::Command(_) | Self::Filter(_) | Self::Words(_) => Code::InvalidCommand,
            Self::NoCatalogue | Self::NoTool => Code::InvalidRequest,
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Command(error) => error.help(),
            Self::Filter(error) => error.help(),
            Self::NoCatalogue | Self::NoTool => "begin with the tool's name, or give --tool".into(),
            Self::Words(error) => error.help(),
        }
    }
}

impl Explainer {
    /// Explains by a policy what `target` names.
    pub fn new(policy: Policy, catalogues: Vec<Catalogue>, target: Target) -> Self {
        Self {
            policy,
            catalogues,
            target,
        }
    }

    /// Explains one command line. Without a tool, its first word has to name one.
    pub fn explain(&self, command: &str, tool: Option<Tool>) -> Explained {
        let first = command.split_whitespace().next().unwrap_or_default();
        let tool = tool.or_else(|| first.parse().ok());
        let mut explained = Explained {
            command: command.to_owned(),
            tool,
            effect: Effect::Deny,
            code: None,
            rule: None,
            rule_at: None,
            reason: None,
            hint: None,
            verb: Vec::new(),
            flags: BTreeMap::new(),
            operands: Vec::new(),
            argv: None,
            changes: Vec::new(),
            filters: Vec::new(),
            invocation: None,
        };
        match self.read(command, tool) {
            Ok((invocation, filters)) => {
                explained.verb = invocation.path().words().to_vec();
                explained.flags = invocation.flags().clone();
                explained.operands = invocation.operands().to_vec();
                explained.filters = filters.iter().map(Filter::argv).collect();
                explained.decided(self.policy.decide(self.facts(&invocation)));
                explained.invocation = Some(invocation);
            }
            Err(unreadable) => {
                let advice = Advice::new(unreadable.to_string(), unreadable.help());
                explained.refused(unreadable.code(), None, advice);
            }
        }
        explained
    }

    /// Every rule that is about the command's verb, and what it says.
    pub fn consider(&self, invocation: &Invocation) -> Vec<Considered<'_>> {
        self.policy.consider(self.facts(invocation))
    }

    /// How many examples and tests the policy has.
    pub fn examples(&self) -> usize {
        self.policy.examples()
    }

    pub(super) fn catalogues(&self) -> &[Catalogue] {
        &self.catalogues
    }

    fn facts<'a>(&'a self, invocation: &'a Invocation) -> Facts<'a> {
        Facts::new(invocation, &self.target)
    }

    fn read(
        &self,
        command: &str,
        tool: Option<Tool>,
    ) -> Result<(Invocation, Vec<Filter>), Unreadable> {
        let tool = tool.ok_or(Unreadable::NoTool)?;
        let mut catalogues = self.catalogues.iter();
        let catalogue = catalogues
            .find(|catalogue| catalogue.tool() == tool)
            .ok_or(Unreadable::NoCatalogue)?;
        let stages = split_stages(tool, command)?;
        let mut invocation = parse(catalogue, stages.command, None)?;
        invocation.note(stages.changes);
        let filters = stages.filters.into_iter().map(Filter::parse);
        let filters = filters.collect::<Result<Vec<_>, _>>()?;
        invocation.note(filters.iter().flat_map(Filter::adjustments).cloned());
        Ok((invocation, filters))
    }
}

impl Explained {
    /// Returns the rule and its place, as people read them.
    pub fn rule_and_place(&self) -> Option<String> {
        let rule = self.rule.as_deref()?;
        Some(match &self.rule_at {
            Some(place) => format!("{rule} ({place})"),
            None => rule.to_owned(),
        })
    }

    fn decided(&mut self, decision: Decision) {
        match decision {
            Decision::Allow(approved) => {
                self.effect = Effect::Allow;
                self.rule = Some(approved.rule());
                self.rule_at = Some(approved.rule_at());
                self.runs(approved.invocation());
            }
            Decision::Confirm(pending) => {
                self.effect = Effect::Confirm;
                self.runs(pending.invocation());
                let question = pending.into_question();
                let advice = Advice::new(question.to_string(), question.advice.hint);
                self.refused(Code::ConfirmationRequired, Some(&question.rule), advice);
            }
            Decision::Deny(denied) => {
                self.refused(Code::PolicyDenied, denied.rule.as_ref(), denied.advice);
            }
        }
    }

    fn runs(&mut self, invocation: &Invocation) {
        self.argv = Some(invocation.argv());
        self.changes = invocation
            .adjustments()
            .iter()
            .map(ToString::to_string)
            .collect();
    }

    fn refused(&mut self, code: Code, rule: Option<&RuleId>, advice: Advice) {
        self.code = Some(code);
        self.rule = rule.map(ToString::to_string);
        self.reason = Some(advice.reason);
        self.hint = Some(advice.hint);
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
