//! `kube-airlock policy explain [-- COMMAND…]` and `--batch`.

use std::{
    error::Error,
    io::{BufRead, Write},
    path::PathBuf,
};

use clap::Args;

use super::policy_check::underlined;
use crate::{
    catalogue::Catalogue,
    config::{ReadFor, read_policies},
    excerpt::Excerpt,
    policy::{Explainer, Policy, Target},
    tool::{Tool, UnknownTool},
};

/// What a policy decides about a command.
#[derive(Debug, Args)]
pub struct Explain {
    /// A policy file, or builtin:NAME; several must all allow [default: builtin:read-only]
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

impl Explain {
    /// Runs the sub-command.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let target = Target {
            namespace: self.namespace,
            cluster: self.cluster,
            principal: self.principal,
            groups: self.group,
        };
        let explainer = explainer(&self.policy, target)?;
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
                serde_json::to_writer(&mut out, &explainer.explain(&command, tool))?;
                writeln!(out)?;
            }
            return Ok(());
        }
        // One word is a command line as a caller sends it; several were split by the shell.
        let command = match self.command.as_slice() {
            [line] => line.clone(),
            words => shlex::try_join(words.iter().map(String::as_str))?,
        };
        let explained = explainer.explain(&command, tool);
        writeln!(out, "{}: {command}", explained.effect.word())?;
        for (name, value) in [
            ("code", explained.code.map(|code| code.as_str().to_owned())),
            ("rule", explained.rule_and_place()),
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
        if let Some(invocation) = explained.invocation {
            writeln!(
                out,
                "rules about `{} {}`:",
                invocation.tool(),
                invocation.path()
            )?;
            for considered in explainer.consider(&invocation) {
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

/// Loads the files and explains by them; none means the built-in policy.
pub(super) fn explainer(policy: &[PathBuf], target: Target) -> Result<Explainer, Box<dyn Error>> {
    let catalogues = Catalogue::carried()?;
    let policy = Policy::load(&read_policies(policy, ReadFor::Look)?, &catalogues)
        .map_err(|errors| format!("the policy does not load\n{}", underlined(&errors)))?;
    Ok(Explainer::new(policy, catalogues, target))
}
