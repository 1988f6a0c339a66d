//! `kube-airlock policy test [--policy FILE]… [CASES]`

use std::{error::Error, io::Write, path::PathBuf};

use clap::Args;

use super::{input::text, policy_explain::explainer};
use crate::policy::{Target, cases};

/// Run the examples and tests of policy files, and the cases of a table.
#[derive(Debug, Args)]
pub struct TestPolicy {
    /// A policy file, or builtin:NAME; several must all allow [default: builtin:read-only]
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// A table with tabs: tool, command, and `allow`, `confirm` or `deny`
    cases: Option<PathBuf>,
}

impl TestPolicy {
    /// Runs the sub-command; fails when a case gets another decision than the table says.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let explainer = explainer(&self.policy, Target::default())?;
        let mut out = std::io::stdout().lock();
        // A file whose own examples and tests fail has not loaded above.
        let (mut passed, mut failed) = (explainer.examples(), 0_usize);
        writeln!(out, "{passed} examples and tests of the policy hold")?;
        let table = match &self.cases {
            Some(path) => cases(&text(Some(path))?)?,
            None => Vec::new(),
        };
        for tested in explainer.test(&table) {
            let tested = tested?;
            if tested.holds() {
                passed += 1;
                continue;
            }
            failed += 1;
            let (case, found) = (tested.case, tested.found);
            writeln!(
                out,
                "line {}: {}\n  expected {}, found {}",
                case.line,
                case.command,
                tested.expected,
                found.effect.word()
            )?;
            for (name, value) in [("rule", found.rule), ("reason", found.reason)] {
                if let Some(value) = value {
                    writeln!(out, "  {name:7} {value}")?;
                }
            }
        }
        writeln!(out, "{passed} passed, {failed} failed")?;
        if failed == 0 {
            Ok(())
        } else {
            Err(format!("{failed} cases get another decision than expected").into())
        }
    }
}
