//! `kube-airlock policy diff OLD NEW [COMMANDS]`

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
    report::{AnswerForm, CodedError, CommandEnd, FOUND, print_json},
};
use crate::{
    excerpt::Excerpt,
    policy::{Change, Effect, PolicyDiff, Target, cases},
};

/// Show which commands two policies decide differently.
#[derive(Debug, Args)]
#[command(after_help = "\
Each command is judged as who sent it: a record and a row of a table say that, the flags say it where
they do not.

Exit status: 0 when both decide alike, 1 when a command is decided differently, 2 when that could not
be found out.

Examples:
  kube-airlock policy diff builtin:read-only team.toml audit.jsonl
  kube-airlock policy diff old.toml new.toml --group agents --cluster prod < commands.txt
  kube-airlock policy diff old.toml new.toml audit.jsonl --json | jq '.changes[] | select(.after == \"allow\")'")]
pub struct Diff {
    /// The policy in force: a file, or builtin:NAME
    old: PathBuf,
    /// The policy that would replace it: a file, or builtin:NAME
    new: PathBuf,
    /// Command lines, one per line, each with its tool's name; an audit log or a table of cases
    /// works too [default: standard input]
    commands: Option<PathBuf>,
    #[command(flatten)]
    asker: Asker,
    /// One JSON object: {"differs":…,"newly_allowed":…,"newly_denied":…,"same":…,"changes":[…],"unread":[…]}
    #[arg(long)]
    json: bool,
    /// End with status 0 when commands are decided differently, too
    #[arg(long)]
    exit_zero: bool,
}

#[derive(Serialize)]
struct DiffReport {
    differs: bool,
    newly_allowed: usize,
    newly_denied: usize,
    /// Records of texts that were no commands.
    without_command: usize,
    #[serde(flatten)]
    diff: PolicyDiff,
}

impl Diff {
    /// Returns the form of its answer.
    pub fn format(&self) -> AnswerForm {
        AnswerForm::of(self.json)
    }

    /// Runs the sub-command.
    pub fn run(self) -> CommandEnd {
        let old = explainer(&[self.old], self.asker.clone())?;
        let new = explainer(&[self.new], self.asker)?;
        let corpus = cases(&text(self.commands.as_deref())?)?;
        let diff = old.diff(&new, &corpus.cases);
        if let (true, Some(first)) = (diff.judged() == 0, diff.unread.first()) {
            return Err(CodedError {
                code: "unreadable",
                message: format!(
                    "no line holds a command: line {} {}",
                    first.line, first.reason
                ),
                advice: vec![
                    "fix: give command lines with their tool's name, an audit log or a table"
                        .into(),
                ],
            }
            .into());
        }
        let newly_allowed = diff.changes.iter().filter(|change| change.opens()).count();
        let report = DiffReport {
            differs: !diff.changes.is_empty(),
            newly_allowed,
            newly_denied: diff.changes.len() - newly_allowed,
            without_command: corpus.without_command,
            diff,
        };
        match self.json {
            true => print_json(&report)?,
            false => report.print(&mut io::stdout().lock())?,
        }
        match report.differs && !self.exit_zero {
            true => Ok(ExitCode::from(FOUND)),
            false => Ok(ExitCode::SUCCESS),
        }
    }
}

impl DiffReport {
    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        for change in &self.diff.changes {
            writeln!(out, "{}", line(change))?;
        }
        for unread in &self.diff.unread {
            let command = Excerpt::new(&unread.command);
            writeln!(out, "? line {}: {command}   {}", unread.line, unread.reason)?;
        }
        write!(
            out,
            "{} newly allowed, {} newly denied, {} as before",
            self.newly_allowed, self.newly_denied, self.diff.same
        )?;
        match self.diff.unread.len() + self.without_command {
            0 => writeln!(out),
            unread => writeln!(out, ", {unread} not readable as commands"),
        }
    }
}

/// `+ COMMAND   (deny -> confirm)   as WHO   rule RULE`
fn line(change: &Change) -> String {
    let mut line = format!(
        "{} {}",
        if change.opens() { '+' } else { '-' },
        change.command
    );
    let (before, after) = (change.before, change.after);
    if [before, after].contains(&Effect::Confirm) {
        line += &format!("   ({} -> {})", before.word(), after.word());
    }
    line += &sender(&change.target);
    if let Some(rule) = &change.rule {
        line += &format!("   rule {rule}");
    }
    line
}

/// Says who sent it where, as far as that is not the least that a caller can be.
fn sender(target: &Target) -> String {
    let nobody = Target::default();
    let mut sender = String::new();
    if (&target.principal, &target.groups) != (&nobody.principal, &nobody.groups) {
        sender += &format!("   as {}", Excerpt::new(&target.principal));
        if !target.groups.is_empty() {
            sender += &format!(" of {}", Excerpt::new(&target.groups.join(", ")));
        }
    }
    if let Some(cluster) = target.cluster.first() {
        sender += &format!("   on {}", Excerpt::new(cluster));
    }
    sender
}
