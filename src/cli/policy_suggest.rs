//! `kube-airlock policy suggest [--policy FILE]… [AUDIT]`

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{
    asker::Asker,
    input::{explainer, text},
    report::{AnswerForm, CommandEnd, print_json},
};
use crate::policy::{CallersBy, Suggestion, cases};

/// Propose rules that would allow what an audit log says was denied.
#[derive(Debug, Args)]
#[command(after_help = "\
Each rule allows the commands that it comes from, to who sent them, and nothing beside them. What runs
programs, shows credentials or Secrets, removes objects, or cannot be bound by a rule is written as a
comment with the reason: take its `# ` away to allow it.

Examples:
  kube-airlock policy suggest --policy team.toml audit.jsonl > more.toml
  kube-airlock policy check more.toml && kube-airlock policy diff team.toml more.toml audit.jsonl
  kube-airlock policy suggest --group agents --namespace web < commands.txt")]
pub struct Suggest {
    /// The policy in force, a file or builtin:NAME; several must all allow
    /// [default: builtin:read-only]
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// An audit log, a table of cases, or command lines, one per line [default: standard input]
    audit: Option<PathBuf>,
    #[command(flatten)]
    asker: Asker,
    /// By what a rule knows who may send its commands; a group lets all of its members
    #[arg(long, value_name = "KEY", default_value = "principal")]
    by: By,
    /// One JSON object: {"policy":…,"rules":[…],"notes":[…],"allowed":…,"asked":…,"unread":[…]}
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    Principal,
    Group,
}

#[derive(Serialize)]
struct SuggestReport {
    /// Records of texts that were no commands.
    without_command: usize,
    #[serde(flatten)]
    suggestion: Suggestion,
}

impl Suggest {
    /// Returns the form of its answer.
    pub fn format(&self) -> AnswerForm {
        AnswerForm::of(self.json)
    }

    /// Runs the sub-command.
    pub fn run(self) -> CommandEnd {
        let explainer = explainer(&self.policy, self.asker)?;
        let corpus = cases(&text(self.audit.as_deref())?)?;
        let by = match self.by {
            By::Group => CallersBy::Group,
            By::Principal => CallersBy::Principal,
        };
        let mut suggestion = explainer.suggest(&corpus.cases, by)?;
        if suggestion.rules.is_empty()
            && let Some(refusals) = self.audit.as_deref().and_then(refusals_beside)
        {
            let note = format!(
                "nothing was denied in it: refusals are recorded in {}",
                refusals.display()
            );
            suggestion.notes.insert(note);
        }
        let report = SuggestReport {
            without_command: corpus.without_command,
            suggestion,
        };
        match self.json {
            true => print_json(&report)?,
            false => report.print(&mut io::stdout().lock())?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The file of refusals beside a log that has none, where it is there.
fn refusals_beside(log: &Path) -> Option<PathBuf> {
    let mut refusals = log.as_os_str().to_owned();
    refusals.push(".refused");
    let refusals = PathBuf::from(refusals);
    refusals.is_file().then_some(refusals)
}

impl SuggestReport {
    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let suggestion = &self.suggestion;
        let active = suggestion.active();
        let (rules, commands) = active.fold((0, 0), |(rules, commands), rule| {
            (rules + 1, commands + rule.commands.len())
        });
        let held_back = suggestion.rules.len() - rules;
        writeln!(
            out,
            "# Suggested from what was denied: read each rule, give it a reason, and widen or drop it.\n\
             # {rules} rules allow {commands} commands and nothing beside them; {held_back} more are comments.\n\
             # {} commands are allowed already, {} ask a person, {} could not be read.",
            suggestion.allowed,
            suggestion.asked,
            suggestion.unread.len() + self.without_command
        )?;
        for note in &suggestion.notes {
            writeln!(out, "# {note}")?;
        }
        for unread in &suggestion.unread {
            let reason = unread.reason.split_whitespace().collect::<Vec<_>>();
            writeln!(out, "# line {}: {}", unread.line, reason.join(" "))?;
        }
        write!(out, "\n{}", suggestion.policy)
    }
}
