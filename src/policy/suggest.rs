//! From denied commands to the narrowest rules that would have allowed them: for an operator to read,
//! not to paste.
//!
//! Comes in: command lines. Goes out: a policy file's text that loads, each rule with the commands
//! that it comes from as examples, and what no rule can change. Held by `tests/cli/`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    corpus::Case, error::PolicyErrors, explain::Explainer, include::PolicySource, rule::Effect,
    rules::Policy,
};
use crate::{catalogue::FlagClass, command::Invocation, tool::Tool};

/// Rules that would allow what was denied.
#[derive(Debug)]
pub struct Suggestion {
    /// The text of a policy file.
    pub text: String,
    /// What keeps commands denied whatever rules are added, or unread.
    pub notes: BTreeSet<String>,
    /// How many of the commands are not denied.
    pub allowed: usize,
}

/// Why there is no suggestion: a fault of ours.
#[derive(Debug, thiserror::Error)]
pub enum SuggestError {
    /// The text is no policy that holds.
    #[error("the suggestion does not load: {0}")]
    Load(PolicyErrors),
    /// The rules are no TOML.
    #[error(transparent)]
    Write(#[from] toml::ser::Error),
}

/// What the denied commands of one verb have in common.
#[derive(Default)]
struct Wanted {
    commands: Vec<String>,
    resources: BTreeSet<String>,
    /// `None` as soon as one command does not say its namespace.
    namespaces: Option<BTreeSet<String>>,
    /// The flags that can do no harm.
    plain: BTreeSet<String>,
    values: BTreeMap<String, BTreeSet<String>>,
    charts: BTreeSet<String>,
    after_dash: bool,
}

/// From so many values of a harmless flag on, its value does not matter.
const MANY_VALUES: usize = 5;

/// A rule as it is written.
#[derive(Serialize)]
struct SuggestedRule {
    id: String,
    effect: Effect,
    reason: &'static str,
    tool: Tool,
    verbs: Vec<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    resources: BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespaces: Option<BTreeSet<String>>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    charts: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    flags: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    values: BTreeMap<String, BTreeSet<String>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    after_dash: bool,
    matches: Vec<String>,
}

#[derive(Serialize)]
struct SuggestedFile {
    schema: u32,
    rule: Vec<SuggestedRule>,
}

impl Explainer {
    /// Suggests rules for the commands that are denied.
    ///
    /// # Errors
    /// [`SuggestError`], when what is suggested would not do what it says.
    pub fn suggest(&self, cases: &[Case]) -> Result<Suggestion, SuggestError> {
        let mut wanted: BTreeMap<(Tool, String), Wanted> = BTreeMap::new();
        let mut notes = BTreeSet::new();
        let mut allowed = 0_usize;
        for case in cases {
            let explained = self.explain(&case.command, None);
            let Some(invocation) = explained.invocation else {
                let reason = explained.reason.unwrap_or_default();
                notes.insert(format!("cannot be read: {reason}"));
                continue;
            };
            if explained.effect != Effect::Deny {
                allowed += 1;
                continue;
            }
            if let Some(never) = invocation.never() {
                notes.insert(never.to_string());
                continue;
            }
            let (tool, path) = (invocation.tool(), invocation.path().to_string());
            if let Some(rule) = self.denying_rule(&invocation) {
                notes.insert(format!(
                    "`{tool} {path}` stays denied while the rule {rule} is there"
                ));
            }
            let wanted = wanted.entry((tool, path)).or_default();
            wanted.add(&case.command, &invocation);
        }
        let rules = wanted
            .into_iter()
            .map(|((tool, verb), wanted)| wanted.rule(tool, verb));
        let text = toml::to_string_pretty(&SuggestedFile {
            schema: 1,
            rule: rules.collect(),
        })?;
        // What is suggested has to hold: each rule matches the commands that it comes from.
        let file = PolicySource::alone("suggested.toml", text.clone());
        Policy::load(&[file], self.catalogues()).map_err(SuggestError::Load)?;
        Ok(Suggestion {
            text,
            notes,
            allowed,
        })
    }

    /// The deny rule that a command meets.
    fn denying_rule(&self, invocation: &Invocation) -> Option<String> {
        self.consider(invocation)
            .into_iter()
            .find(|rule| rule.effect == Effect::Deny && rule.matches.is_ok())
            .map(|rule| rule.rule.to_string())
    }
}

impl Wanted {
    fn add(&mut self, command: &str, invocation: &Invocation) {
        let first = self.commands.is_empty();
        self.commands.push(command.to_owned());
        self.resources
            .extend(invocation.resources().iter().cloned());
        self.charts.extend(invocation.charts().iter().cloned());
        self.after_dash |= invocation.after_dash().is_some();
        let named = invocation.own_namespaces();
        match &mut self.namespaces {
            _ if named.is_empty() => self.namespaces = None,
            Some(known) => known.extend(named.into_iter().map(str::to_owned)),
            None if first => self.namespaces = Some(named.into_iter().map(str::to_owned).collect()),
            None => {}
        }
        for (name, values) in invocation
            .flags()
            .iter()
            .filter(|(name, _)| !["help", "namespace"].contains(&name.as_str()))
        {
            let flag = format!("--{name}");
            if invocation.flag_class(name) == Some(FlagClass::Plain) {
                self.plain.insert(flag.clone());
            }
            self.values
                .entry(flag)
                .or_default()
                .extend(values.iter().cloned());
        }
    }

    fn rule(self, tool: Tool, verb: String) -> SuggestedRule {
        // A harmless flag that is given many values (a selector) is meant with any.
        let any_value = |flag: &String, values: &BTreeSet<String>| {
            self.plain.contains(flag)
                && (values.len() > MANY_VALUES || values.iter().all(|value| value == "true"))
        };
        let (free, values): (BTreeMap<_, _>, BTreeMap<_, _>) = self
            .values
            .into_iter()
            .partition(|(flag, values)| any_value(flag, values));
        SuggestedRule {
            id: format!("suggested-{tool}-{}", verb.replace(' ', "-")),
            effect: Effect::Allow,
            reason: "say why this is allowed",
            tool,
            verbs: vec![verb],
            resources: self.resources,
            namespaces: self.namespaces,
            charts: self.charts,
            flags: free.into_keys().collect(),
            values,
            after_dash: self.after_dash,
            matches: self.commands,
        }
    }
}
