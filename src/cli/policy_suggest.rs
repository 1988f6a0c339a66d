//! `kube-airlock policy suggest [--policy FILE]… [AUDIT]`

use std::{error::Error, io::Write, path::PathBuf};

use clap::Args;

use super::{input::text, policy_explain::explainer};
use crate::policy::{Target, cases};

/// Propose rules that would allow what an audit log says was denied.
#[derive(Debug, Args)]
pub struct Suggest {
    /// The policy in force, a file or builtin:NAME; several must all allow
    /// [default: builtin:read-only]
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// An audit log, or command lines, one per line [default: standard input]
    audit: Option<PathBuf>,
}

impl Suggest {
    /// Runs the sub-command.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let explainer = explainer(&self.policy, Target::default())?;
        let suggestion = explainer.suggest(&cases(&text(self.audit.as_deref())?)?)?;
        let mut out = std::io::stdout().lock();
        writeln!(
            out,
            "# Suggested from what was denied: read each rule, give it a reason, and widen or drop it."
        )?;
        let allowed = suggestion.allowed;
        writeln!(out, "# {allowed} commands of the log are allowed already.")?;
        for note in suggestion.notes {
            writeln!(out, "# {note}")?;
        }
        writeln!(out, "\n{}", suggestion.text)?;
        Ok(())
    }
}
