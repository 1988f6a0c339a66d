//! `kube-airlock policy diff OLD NEW [COMMANDS]`

use std::{
    error::Error,
    io::{self, Write},
    path::PathBuf,
};

use clap::Args;

use super::{input::text, policy_explain::explainer};
use crate::policy::{Effect, Target, cases};

/// Which commands two policies decide differently.
#[derive(Debug, Args)]
pub struct Diff {
    /// The policy in force: a file, or builtin:NAME
    old: PathBuf,
    /// The policy that would replace it: a file, or builtin:NAME
    new: PathBuf,
    /// Command lines, one per line, each with its tool's name; an audit log or a table of cases
    /// works too [default: standard input]
    commands: Option<PathBuf>,
}

impl Diff {
    /// Runs the sub-command.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let old = explainer(&[self.old], Target::default())?;
        let new = explainer(&[self.new], Target::default())?;
        let diff = old.diff(&new, &cases(&text(self.commands.as_deref())?)?);
        let mut out = io::stdout().lock();
        for change in &diff.changes {
            let sign = if change.opens() { '+' } else { '-' };
            write!(out, "{sign} {}", change.command)?;
            let (before, after) = (change.before, change.after);
            if [before, after].contains(&Effect::Confirm) {
                write!(out, "   ({} -> {})", before.word(), after.word())?;
            }
            if let Some(rule) = &change.rule {
                write!(out, "   rule {rule}")?;
            }
            writeln!(out)?;
        }
        let allowed = diff.changes.iter().filter(|change| change.opens()).count();
        let denied = diff.changes.len() - allowed;
        writeln!(
            out,
            "{allowed} newly allowed, {denied} newly denied, {} as before",
            diff.same
        )?;
        Ok(())
    }
}
