//! `kube-airlock policy suggest [--policy FILE]… [AUDIT]`
//!
//! From denials to the narrowest rules that would have allowed them: for an operator to read, not
//! to paste.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    io::Write,
    path::PathBuf,
};

use clap::Args;
use serde::Serialize;

use super::{
    commands::{cases, text},
    policy_explain::Explainer,
};
use crate::{
    catalogue::FlagClass,
    command::Invocation,
    policy::{Policy, PolicySource},
    tool::Tool,
};

/// Propose rules that would allow what an audit log says was denied.
#[derive(Debug, Args)]
pub struct Suggest {
    /// The policy in force; several must all allow [default: read-only, built in]
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// An audit log, or command lines, one per line [default: standard input]
    audit: Option<PathBuf>,
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
    effect: &'static str,
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

impl Suggest {
    /// Runs the sub-command.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let explainer = Explainer::new(&self.policy)?;
        let mut wanted: BTreeMap<(Tool, String), Wanted> = BTreeMap::new();
        let mut notes = BTreeSet::new();
        let mut allowed = 0_usize;
        for case in cases(&text(self.audit.as_deref())?)? {
            let (explained, invocation) = explainer.explain(&case.command, None);
            match (explained.effect, invocation) {
                ("deny", Some(invocation)) => {
                    let verb = format!("{} {}", invocation.tool(), invocation.path());
                    if let Some(never) = invocation.never() {
                        notes.insert(never.to_string());
                    } else {
                        if let Some(rule) = explainer.denying_rule(&invocation) {
                            notes.insert(format!(
                                "`{verb}` stays denied while the rule {rule} is there"
                            ));
                        }
                        let key = (invocation.tool(), invocation.path().to_string());
                        wanted
                            .entry(key)
                            .or_default()
                            .add(&case.command, &invocation);
                    }
                }
                ("deny", None) => {
                    notes.insert(format!(
                        "cannot be read: {}",
                        explained.reason.unwrap_or_default()
                    ));
                }
                _ => allowed += 1,
            }
        }
        let rules: Vec<SuggestedRule> = wanted
            .into_iter()
            .map(|((tool, verb), wanted)| wanted.rule(tool, verb))
            .collect();
        let mut out = std::io::stdout().lock();
        writeln!(
            out,
            "# Suggested from what was denied: read each rule, give it a reason, and widen or drop it."
        )?;
        writeln!(out, "# {allowed} commands of the log are allowed already.")?;
        for note in notes {
            writeln!(out, "# {note}")?;
        }
        let written = toml::to_string_pretty(&SuggestedFile {
            schema: 1,
            rule: rules,
        })?;
        // What is suggested has to hold: each rule matches the commands that it comes from.
        let file = PolicySource::alone("suggested.toml", written.clone());
        Policy::load(&[file], explainer.catalogues())
            .map_err(|errors| format!("the suggestion does not load: {errors}"))?;
        writeln!(out, "\n{written}")?;
        Ok(())
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
            effect: "allow",
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
