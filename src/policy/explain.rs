//! What a policy decides about a command line, and why: [`Explainer::explain`], and what each rule
//! says to it: [`Policy::consider`].
//!
//! Comes in: text. Goes out: values, which the command line and the doors print. Decides nothing by
//! itself. Held by the snapshots of `tests/cli/` and `tests/decisions/`.

use std::{collections::BTreeMap, time::SystemTime};

use serde::Serialize;

use super::{
    carried::{ResolveKind, carried},
    considered::Considered,
    corpus::Case,
    decide::Decision,
    effect::{Effect, RuleId},
    error::{PolicyError, PolicyErrors},
    facts::Facts,
    include::PolicySource,
    known::Known,
    load::TestFailure,
    rules::Policy,
    target::Target,
};
use crate::{
    advice::Advice,
    catalogue::{Catalogue, CustomResources, FlagHazard, flag_named},
    code::Code,
    command::{
        CommandError, Filter, FilterError, Invocation, WordsError, parse, parse_in, split_stages,
    },
    data::{Data, DataError, MOST_BYTES, SentFiles},
    manifest::{KnownKind, ManifestError, ManifestObject},
    secret::SecretString,
    tool::Tool,
};

/// A policy, the catalogues to read commands with, and who sends them where unless it is said.
#[derive(Debug)]
pub struct Explainer {
    policy: Policy,
    catalogues: Vec<Catalogue>,
    target: Target,
    /// What stands for a cluster's custom resources: no cluster is asked here.
    customs: CustomResources,
    now: Option<SystemTime>,
}

/// An explainer of rules whose examples and tests need not hold, and those that do not.
#[derive(Debug)]
pub struct Examined {
    /// Explains by the rules. They leave it as answers only: what is in force has passed its tests.
    pub explainer: Explainer,
    /// The examples and tests that fail.
    pub failures: Vec<TestFailure>,
}

/// The answer to one command.
#[derive(Debug, Serialize)]
pub struct Explained {
    /// The text.
    pub command: String,
    /// Who sends it where.
    #[serde(flatten)]
    pub target: Target,
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
    /// The objects that the command carries.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<String>,
    /// The filters behind the command; no rule is about them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Vec<String>>,
    /// The command, when it could be read.
    #[serde(skip)]
    pub(super) invocation: Option<Invocation>,
    /// What the command carries.
    #[serde(skip)]
    carried: Vec<ManifestObject>,
    /// The command as it would run, at once or when it is confirmed.
    #[serde(skip)]
    runs: Option<Invocation>,
}

/// What is said of a command that names a custom resource by a name that only a cluster tells.
const OF_ANOTHER_CLUSTER: &str = "its custom resources are read as those that the policy names: no cluster is asked here, and a call asks its own";

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
        let customs = CustomResources::named(policy.customs());
        Self {
            policy,
            catalogues,
            target,
            customs,
            now: None,
        }
    }

    /// Explains what is decided at this moment; without one no rule about hours allows anything, and
    /// each of them denies and asks.
    #[must_use]
    pub fn at(self, now: Option<SystemTime>) -> Self {
        Self { now, ..self }
    }

    /// Explains by the rules of files whose examples and tests may fail.
    ///
    /// # Errors
    /// What is wrong in the rules.
    pub fn examine(
        sources: &[PolicySource],
        catalogues: Vec<Catalogue>,
        target: Target,
        known: Option<&Known>,
    ) -> Result<Examined, PolicyErrors> {
        let (policy, failures) = Policy::load_untested(sources, &catalogues, known)?;
        Ok(Examined {
            explainer: Self::new(policy, catalogues, target),
            failures,
        })
    }

    /// Explains the command of a case, sent by whom the case says.
    pub fn explain_case(&self, case: &Case) -> Explained {
        let target = case.asked.target(&self.target);
        let mut explained = self.explain_as(&case.command, None, target, None);
        if let (true, Some(invocation)) = (case.is_rendered, &explained.invocation) {
            explained.command = self.typed(invocation, &explained.filters);
        }
        explained
    }

    /// Explains one command line. Without a tool, its first word has to name one.
    pub fn explain(&self, command: &str, tool: Option<Tool>) -> Explained {
        self.explain_as(command, tool, self.target.clone(), None)
    }

    /// Explains a command line that comes with these texts for it to read.
    pub fn explain_bringing(
        &self,
        command: &str,
        tool: Option<Tool>,
        stdin: Option<&SecretString>,
        files: &SentFiles,
    ) -> Explained {
        let of_tool = tool.or_else(|| command.split_whitespace().next()?.parse().ok());
        let read = of_tool.map(|tool| split_stages(tool, command).ok()?.document);
        let document = read.flatten();
        let data = Data::read(stdin, document.as_ref(), files, MOST_BYTES);
        let brought = data.as_ref().ok();
        let mut explained = self.explain_as(command, tool, self.target.clone(), brought);
        let is_read = data.and_then(|data| match &explained.runs {
            Some(runs) => data.is_read_by(runs.reads()),
            None => Ok(()),
        });
        if let (Err(error), true) = (is_read, explained.invocation.is_some()) {
            explained.brings_wrong(&error);
        }
        explained
    }

    fn explain_as(
        &self,
        command: &str,
        tool: Option<Tool>,
        target: Target,
        data: Option<&Data>,
    ) -> Explained {
        let first = command.split_whitespace().next().unwrap_or_default();
        let tool = tool.or_else(|| first.parse().ok());
        let mut explained = Explained {
            command: command.to_owned(),
            target,
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
            objects: Vec::new(),
            filters: Vec::new(),
            invocation: None,
            carried: Vec::new(),
            runs: None,
        };
        match self.read(command, tool) {
            Ok((invocation, filters)) => {
                explained.verb = invocation.path().words().to_vec();
                explained.flags = invocation.flags().clone();
                explained.operands = invocation.operands().to_vec();
                explained.filters = filters.iter().map(Filter::argv).collect();
                match self.carried(data, &invocation, &explained.target) {
                    Ok(carried) => explained.carried = carried,
                    Err(why) => {
                        let advice = Advice::new(why.to_string(), why.help());
                        explained.refused(Code::InvalidManifest, None, advice);
                        return explained;
                    }
                }
                let objects = &explained.carried;
                explained.objects = objects.iter().map(ToString::to_string).collect();
                let facts = self.facts(&invocation, &explained.target);
                let facts = facts.carrying(objects).through(&filters);
                let decision = self.policy.decide(facts);
                explained.decided(decision);
                let mut resources = invocation.resources().iter();
                if resources.any(|name| invocation.has_found(name)) {
                    explained.changes.push(OF_ANOTHER_CLUSTER.into());
                }
                explained.invocation = Some(invocation);
            }
            Err(unreadable) => {
                let advice = Advice::new(unreadable.to_string(), unreadable.help());
                explained.refused(unreadable.code(), None, advice);
            }
        }
        explained
    }

    /// Every rule that is about the command's verb, and what it says; none about no command.
    pub fn consider(&self, explained: &Explained) -> Vec<Considered> {
        match &explained.invocation {
            Some(invocation) => self.policy.consider(
                self.facts(invocation, &explained.target)
                    .carrying(&explained.carried),
            ),
            None => Vec::new(),
        }
    }

    /// The objects of a request's data. Custom ones are those that the policy names: no cluster is asked
    /// here.
    fn carried(
        &self,
        data: Option<&Data>,
        invocation: &Invocation,
        target: &Target,
    ) -> Result<Vec<ManifestObject>, ManifestError> {
        let Some(data) = data else {
            return Ok(Vec::new());
        };
        let resolve: &ResolveKind<'_> = &|group, _, kind| KnownKind::of(&self.customs, group, kind);
        let (_, objects) = carried(data.clone(), invocation, target, resolve)?;
        Ok(objects)
    }

    fn facts<'a>(&self, invocation: &'a Invocation, target: &'a Target) -> Facts<'a> {
        let facts = Facts::new(invocation, target);
        self.now.map_or(facts, |now| facts.at(now))
    }

    /// What the authors of the files should look at again.
    pub fn lints(&self) -> impl Iterator<Item = &PolicyError> {
        self.policy.lints()
    }

    /// How many of its rules ask a person first.
    pub fn asking_rules(&self) -> usize {
        self.policy.asking_rules()
    }

    /// How many rules the policy has.
    pub fn rules(&self) -> usize {
        self.policy.rules()
    }

    /// How many examples and tests the policy has.
    pub fn examples(&self) -> usize {
        self.policy.examples()
    }

    /// What a flag of the command can do.
    pub(super) fn hazard(&self, invocation: &Invocation, flag: &str) -> Option<&FlagHazard> {
        let mut catalogues = self.catalogues.iter();
        let catalogue = catalogues.find(|catalogue| catalogue.tool() == invocation.tool())?;
        let lineage = catalogue.lineage(invocation.path())?;
        flag_named(&lineage, flag)?.hazard.as_ref()
    }

    /// Whether commands whose file does not say who sent them have a sender all the same.
    pub(super) fn knows_who_asks(&self) -> bool {
        self.target.principal != Target::default().principal || !self.target.groups.is_empty()
    }

    pub(super) fn catalogues(&self) -> &[Catalogue] {
        &self.catalogues
    }

    /// A command, and the filters behind it, as a person would type them.
    pub(super) fn typed(&self, invocation: &Invocation, filters: &[Vec<String>]) -> String {
        let mut catalogues = self.catalogues.iter();
        let catalogue = catalogues.find(|catalogue| catalogue.tool() == invocation.tool());
        let command = catalogue.map(|catalogue| invocation.typed(catalogue));
        let filters = filters.iter().filter_map(|words| {
            let words = words.iter().map(String::as_str);
            shlex::try_join(words).ok()
        });
        command
            .into_iter()
            .chain(filters)
            .collect::<Vec<_>>()
            .join(" | ")
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
        let mut invocation = match parse(catalogue, stages.command.clone(), None) {
            Err(unknown @ CommandError::UnknownResource { .. }) => {
                self.of_the_policy(catalogue, stages.command, unknown)?
            }
            read => read?,
        };
        invocation.note(stages.changes);
        let filters = stages.filters.into_iter().map(Filter::parse);
        let filters = filters.collect::<Result<Vec<_>, _>>()?;
        invocation.note(filters.iter().flat_map(Filter::adjustments).cloned());
        Ok((invocation, filters))
    }

    /// Reads the command as a cluster would have it that has the custom resources of the policy.
    fn of_the_policy(
        &self,
        catalogue: &Catalogue,
        command: Vec<String>,
        unknown: CommandError,
    ) -> Result<Invocation, CommandError> {
        match parse_in(catalogue, command, None, &self.customs) {
            Err(CommandError::NotInCluster { .. }) => Err(unknown),
            read => read,
        }
    }
}

impl Explained {
    /// Whether the command could be read, so that rules were asked about it.
    pub fn is_readable(&self) -> bool {
        self.invocation.is_some()
    }

    /// The command as it would run, at once or when it is confirmed; none for one that is refused.
    pub fn would_run(&self) -> Option<&Invocation> {
        self.runs.as_ref()
    }

    /// The tool and the verb, when the command could be read.
    pub fn tool_and_verb(&self) -> Option<String> {
        let invocation = self.invocation.as_ref()?;
        Some(format!("{} {}", invocation.tool(), invocation.path()))
    }

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
        self.runs = Some(invocation.clone());
        self.changes = invocation
            .adjustments()
            .iter()
            .map(ToString::to_string)
            .collect();
    }

    /// The command could run, and what comes with it is not what it reads.
    fn brings_wrong(&mut self, error: &DataError) {
        (self.argv, self.runs, self.rule_at) = (None, None, None);
        self.effect = Effect::Deny;
        self.refused(
            error.code(),
            None,
            Advice::new(error.to_string(), error.help()),
        );
    }

    fn refused(&mut self, code: Code, rule: Option<&RuleId>, advice: Advice) {
        self.code = Some(code);
        self.rule = rule.map(ToString::to_string);
        self.reason = Some(advice.reason);
        self.hint = Some(advice.hint);
    }
}
