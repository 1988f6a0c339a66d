//! `kube-airlock policy test [--policy FILE]… [CASES]`

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use serde::Serialize;

use super::{
    asker::Asker,
    input::{explainer, text},
    report::{AnswerForm, CommandEnd, FOUND, print_json},
};
use crate::policy::{Corpus, Explained, TestedCase, cases};

/// Run the examples and tests of policy files, and the cases of a table.
#[derive(Debug, Args)]
#[command(after_help = "\
A table has a row per case, with tabs between its columns; its first line names them:
  tool     command                 expected  principal  groups   cluster  namespace
  kubectl  get pods                allow     ci-1       agents   prod     web
  kubectl  delete pod web-0 -n x   deny
The first three are needed, the others say who asks where; the flags say it for rows that do not.

Exit status: 0 when every case gets its decision, 1 when one does not, 2 when that could not be found out.

Examples:
  kube-airlock policy test --policy team.toml cases.tsv
  kube-airlock policy test --policy team.toml --group agents --json cases.tsv | jq '.failures[]'")]
pub struct TestPolicy {
    /// A policy file, or builtin:NAME; several must all allow [default: builtin:read-only]
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// A table with tabs: tool, command, and `allow`, `confirm` or `deny`; `-` is standard input
    cases: Option<PathBuf>,
    #[command(flatten)]
    asker: Asker,
    /// One JSON object: {"examples":…,"passed":…,"failed":…,"failures":[…]}
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct TestReport {
    examples: usize,
    passed: usize,
    failed: usize,
    failures: Vec<FailedCase>,
}

#[derive(Serialize)]
struct FailedCase {
    line: usize,
    expected: String,
    #[serde(flatten)]
    found: Explained,
}

impl TestPolicy {
    /// Returns the form of its answer.
    pub fn format(&self) -> AnswerForm {
        AnswerForm::of(self.json)
    }

    /// Runs the sub-command.
    pub fn run(self) -> CommandEnd {
        let explainer = explainer(&self.policy, self.asker)?;
        let table = match &self.cases {
            Some(path) => cases(&text(Some(path))?)?,
            None => Corpus::default(),
        };
        let mut failures = Vec::new();
        for tested in explainer.test(&table.cases) {
            let tested = tested?;
            if !tested.holds() {
                let TestedCase {
                    case,
                    expected,
                    found,
                } = tested;
                failures.push(FailedCase {
                    line: case.line,
                    expected: expected.to_owned(),
                    found,
                });
            }
        }
        // A file whose own examples and tests fail has not loaded above.
        let examples = explainer.examples();
        let report = TestReport {
            examples,
            passed: examples + table.cases.len() - failures.len(),
            failed: failures.len(),
            failures,
        };
        match self.json {
            true => print_json(&report)?,
            false => report.print(&mut io::stdout().lock())?,
        }
        match report.failed {
            0 => Ok(ExitCode::SUCCESS),
            _ => Ok(ExitCode::from(FOUND)),
        }
    }
}

impl TestReport {
    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(
            out,
            "{} examples and tests of the policy hold",
            self.examples
        )?;
        for failed in &self.failures {
            let found = &failed.found;
            writeln!(out, "line {}: {}", failed.line, found.command)?;
            writeln!(
                out,
                "  expected {}, found {}",
                failed.expected,
                found.effect.word()
            )?;
            for (name, value) in [
                ("rule", found.rule_and_place()),
                ("reason", found.reason.clone()),
            ] {
                if let Some(value) = value {
                    writeln!(out, "  {name:7} {value}")?;
                }
            }
        }
        writeln!(out, "{} passed, {} failed", self.passed, self.failed)
    }
}
