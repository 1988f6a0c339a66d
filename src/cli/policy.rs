//! `kube-airlock policy …`: its sub-commands, one file each.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Subcommand;

use super::{
    policy_check, policy_diff, policy_explain, policy_show, policy_suggest, policy_test,
    report::{AnswerForm, CommandEnd, UNUSABLE, ended},
};
use crate::policy::schema;

/// The sub-commands of `policy`.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Load policy files, with what they include, and run their examples and tests
    Check(policy_check::CheckPolicy),
    /// Say what a policy decides about a command, by which rule, and what came near
    Explain(policy_explain::Explain),
    /// Show which commands two policies decide differently
    Diff(policy_diff::Diff),
    /// Run the examples and tests of policy files, and the cases of a table
    Test(policy_test::TestPolicy),
    /// Propose rules that would allow what an audit log says was denied
    Suggest(policy_suggest::Suggest),
    /// Print a built-in policy: to read it, or to begin one of your own
    Show(policy_show::Show),
    /// Print the JSON Schema of policy files, for editors
    Schema,
}

impl PolicyCommand {
    /// Runs the sub-command. The exit status is 0, 1 when it found something, or 2 when it could not
    /// answer.
    pub fn run(self) -> ExitCode {
        let format = match &self {
            Self::Check(check) => check.format(),
            Self::Explain(explain) => explain.format(),
            Self::Diff(diff) => diff.format(),
            Self::Test(test) => test.format(),
            Self::Suggest(suggest) => suggest.format(),
            Self::Show(show) => show.format(),
            Self::Schema => AnswerForm::Json,
        };
        ended(self.answer(), format, UNUSABLE)
    }

    fn answer(self) -> CommandEnd {
        match self {
            Self::Check(check) => check.run(),
            Self::Explain(explain) => explain.run(),
            Self::Diff(diff) => diff.run(),
            Self::Test(test) => test.run(),
            Self::Suggest(suggest) => suggest.run(),
            Self::Show(show) => show.run(),
            Self::Schema => {
                let schema = serde_json::to_string_pretty(&schema())?;
                writeln!(io::stdout(), "{schema}")?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}
