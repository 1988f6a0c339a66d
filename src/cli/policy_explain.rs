//! `kube-airlock policy explain [-- COMMAND…]` and `--batch`.

use std::{
    collections::BTreeMap,
    error::Error,
    io::{BufRead, Write},
    path::PathBuf,
};

use clap::Args;
use serde::Serialize;

use super::policy_check::underlined;

use crate::{
    advice::Advice,
    catalogue::Catalogue,
    command::{Filter, Invocation, parse, split_stages},
    config::read_policies,
    excerpt::Excerpt,
    policy::{Decision, Effect, Facts, Policy, Target},
    refusal::Refusal,
    tool::{Tool, UnknownTool},
};

/// What a policy decides about a command.
#[derive(Debug, Args)]
pub struct Explain {
    /// A policy file; several must all allow [default: read-only, built in]
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// The tool of commands that do not begin with one
    #[arg(long)]
    tool: Option<String>,
    /// Read one JSON string (a command line) per line of standard input, write one JSON object each
    #[arg(long)]
    batch: bool,
    /// Who asks
    #[arg(long, default_value = "anonymous")]
    principal: String,
    /// A group of who asks; may be repeated
    #[arg(long)]
    group: Vec<String>,
    /// A name of the cluster: its own, its host, or host:port; may be repeated
    #[arg(long)]
    cluster: Vec<String>,
    /// The namespace of the kubeconfig's context
    #[arg(long, default_value = "default")]
    namespace: String,
    /// The command, behind `--`
    #[arg(last = true, required_unless_present = "batch")]
    command: Vec<String>,
}

/// The answer to one command.
#[derive(Debug, Serialize)]
pub struct Explained {
    command: String,
    tool: Option<Tool>,
    /// `allow`, `confirm` or `deny`
    pub effect: &'static str,
    code: Option<&'static str>,
    /// The rule that decided, or that came nearest.
    pub rule: Option<String>,
    /// Why not.
    pub reason: Option<String>,
    hint: Option<String>,
    verb: Vec<String>,
    flags: BTreeMap<String, Vec<String>>,
    operands: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    argv: Option<Vec<String>>,
    /// What stands behind the command; no rule is asked about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    filters: Vec<Vec<String>>,
}

/// A policy and the catalogues to read commands with.
pub struct Explainer {
    policy: Policy,
    catalogues: Vec<Catalogue>,
    target: Target,
}

impl Explain {
    /// Runs the sub-command.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let mut explainer = Explainer::new(&self.policy)?;
        explainer.target = Target {
            namespace: self.namespace,
            cluster: self.cluster,
            principal: self.principal,
            groups: self.group,
        };
        let tool = match &self.tool {
            Some(name) => Some(name.parse().map_err(|UnknownTool| {
                format!(
                    "there is no tool {}; the tools are {}",
                    Excerpt::new(name),
                    Tool::names()
                )
            })?),
            None => None,
        };
        let mut out = std::io::stdout().lock();
        if self.batch {
            for line in std::io::stdin().lock().lines() {
                let line = line?;
                if line.trim().is_empty() {
                    continue;
                }
                let command: String = serde_json::from_str(&line)
                    .map_err(|_| "standard input has a line that is no JSON string")?;
                serde_json::to_writer(&mut out, &explainer.explain(&command, tool).0)?;
                writeln!(out)?;
            }
            return Ok(());
        }
        // One word is a command line as a caller sends it; several were split by the shell.
        let command = match self.command.as_slice() {
            [line] => line.clone(),
            words => shlex::try_join(words.iter().map(String::as_str))?,
        };
        let (explained, invocation) = explainer.explain(&command, tool);
        writeln!(out, "{}: {command}", explained.effect)?;
        for (name, value) in [
            ("code", explained.code.map(str::to_owned)),
            ("rule", explained.rule),
            ("reason", explained.reason),
            ("try", explained.hint),
            ("argv", explained.argv.map(|argv| format!("{argv:?}"))),
        ] {
            if let Some(value) = value {
                writeln!(out, "  {name:7} {value}")?;
            }
        }
        for filter in &explained.filters {
            writeln!(out, "  filter  {filter:?}")?;
        }
        if let Some(invocation) = invocation {
            writeln!(
                out,
                "rules about `{} {}`:",
                invocation.tool(),
                invocation.path()
            )?;
            let facts = Facts::new(&invocation, &explainer.target);
            for considered in explainer.policy.consider(facts) {
                let effect = considered.effect.word();
                match considered.matches {
                    Ok(()) => writeln!(out, "  {effect:7} {} matches", considered.rule)?,
                    Err(why) => writeln!(
                        out,
                        "  {effect:7} {} does not match: {why}",
                        considered.rule
                    )?,
                }
            }
        }
        Ok(())
    }
}

impl Explainer {
    /// Loads the files; none means the built-in policy.
    pub fn new(policy: &[PathBuf]) -> Result<Self, Box<dyn Error>> {
        let catalogues = Catalogue::carried()?;
        let policy = Policy::load(&read_policies(policy)?, &catalogues)
            .map_err(|errors| format!("the policy does not load\n{}", underlined(&errors)))?;
        Ok(Self {
            policy,
            catalogues,
            target: Target::default(),
        })
    }

    /// Explains one command line. Without a tool, its first word has to name one.
    pub fn explain(&self, command: &str, tool: Option<Tool>) -> (Explained, Option<Invocation>) {
        let first = command.split_whitespace().next().unwrap_or_default();
        let tool = tool.or_else(|| first.parse().ok());
        let mut explained = Explained {
            command: command.to_owned(),
            tool,
            effect: "deny",
            code: None,
            rule: None,
            reason: None,
            hint: None,
            verb: Vec::new(),
            flags: BTreeMap::new(),
            operands: Vec::new(),
            argv: None,
            filters: Vec::new(),
        };
        let (invocation, filters) = match self.read(command, tool) {
            Ok(read) => read,
            Err(refusal) => {
                explained.refuse(&refusal);
                return (explained, None);
            }
        };
        explained.verb = invocation.path().words().to_vec();
        explained.flags = invocation.flags().clone();
        explained.operands = invocation.operands().to_vec();
        explained.filters = filters.iter().map(Filter::argv).collect();
        let facts = Facts::new(&invocation, &self.target);
        match self.policy.decide(facts) {
            Decision::Allow(approved) => {
                explained.effect = "allow";
                explained.rule = Some(approved.rule());
                explained.argv = Some(approved.invocation().argv());
            }
            Decision::Confirm(pending) => {
                explained.argv = Some(pending.invocation().argv());
                explained.refuse(&Refusal::Unconfirmed(pending.into_question()));
                explained.effect = "confirm";
            }
            Decision::Deny(denied) => explained.refuse(&Refusal::Denied(denied)),
        }
        (explained, Some(invocation))
    }

    /// How many examples and tests the files have.
    pub fn examples(&self) -> usize {
        self.policy.examples()
    }

    /// The catalogues that commands are read with.
    pub fn catalogues(&self) -> &[Catalogue] {
        &self.catalogues
    }

    /// The deny rule that a command meets.
    pub fn denying_rule(&self, invocation: &Invocation) -> Option<String> {
        let considered = self.policy.consider(Facts::new(invocation, &self.target));
        considered
            .into_iter()
            .find(|rule| rule.effect == Effect::Deny && rule.matches.is_ok())
            .map(|rule| rule.rule.to_string())
    }

    fn read(
        &self,
        command: &str,
        tool: Option<Tool>,
    ) -> Result<(Invocation, Vec<Filter>), Refusal> {
        let wrong = |reason: &str| {
            Refusal::Request(Advice {
                reason: reason.to_owned(),
                hint: "begin with the tool's name, or give --tool".into(),
            })
        };
        let tool =
            tool.ok_or_else(|| wrong("the command does not begin with the name of a tool"))?;
        let catalogue = self
            .catalogues
            .iter()
            .find(|catalogue| catalogue.tool() == tool)
            .ok_or_else(|| wrong("this build has no catalogue of that tool"))?;
        let stages = split_stages(tool, command)?;
        let invocation = parse(catalogue, stages.command, None)?;
        Ok((
            invocation,
            stages
                .filters
                .into_iter()
                .map(Filter::parse)
                .collect::<Result<_, _>>()?,
        ))
    }
}

impl Explained {
    fn refuse(&mut self, refusal: &Refusal) {
        self.code = Some(refusal.code().as_str());
        self.rule = refusal.rule();
        self.reason = Some(refusal.to_string());
        self.hint = Some(refusal.hint());
    }
}
