//! `kube-airlock policy explain [-- COMMAND…]` and `--batch`.

use std::{
    error::Error,
    io::{self, BufRead, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use serde::{Deserialize, Serialize};

use super::{
    asker::Asker,
    report::{AnswerForm, CommandEnd, print_json},
};
use crate::{
    api::Authority,
    catalogue::Catalogue,
    config::{ReadFor, read_policies},
    data::SentFiles,
    excerpt::Excerpt,
    policy::{Considered, Examined, Explained, Explainer, TestFailure},
    secret::SecretString,
    tool::{Tool, UnknownTool},
};

/// Say what a policy decides about a command.
#[derive(Debug, Args)]
#[command(after_help = "\
Works on a file whose tests fail, too, and then says so.

Examples:
  kube-airlock policy explain -- kubectl get pods -n web
  kube-airlock policy explain --policy team.toml --principal ci-1 --group agents --cluster prod -- 'kubectl get po | head'
  kube-airlock policy explain --policy team.toml --at 2026-11-30T09:00:00Z -- kubectl rollout restart deploy/web
  kube-airlock policy explain --json -- helm list | jq .rules
  kube-airlock policy explain --api -- kubectl describe deploy app -n web
  jq .command calls.json | kube-airlock policy explain --batch --tool kubectl
  jq -c '{command, stdin, files}' calls.json | kube-airlock policy explain --batch --tool kubectl")]
pub struct Explain {
    /// A policy file, or builtin:NAME; several must all allow [default: builtin:read-only]
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// The tool of commands that do not begin with one
    #[arg(long)]
    tool: Option<String>,
    /// Read one JSON string (a command line) per line of standard input, or one object with `command` and what comes with it
    /// (`stdin`, `files`); write one JSON object each
    #[arg(long)]
    batch: bool,
    /// One JSON object: the decision, and under "rules" what each rule about the verb says
    #[arg(long)]
    json: bool,
    /// Say what the command may ask of the Kubernetes API
    #[arg(long)]
    api: bool,
    #[command(flatten)]
    asker: Asker,
    /// The command, behind `--`
    #[arg(last = true, required_unless_present = "batch")]
    command: Vec<String>,
}

#[derive(Serialize)]
struct ExplainReport<'e> {
    #[serde(flatten)]
    explained: &'e Explained,
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<Vec<Considered>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api: Option<Vec<ApiSentence>>,
}

/// One thing that the command may ask of the Kubernetes API.
#[derive(Serialize)]
struct ApiSentence {
    may: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// What a command may ask; nothing for one that is refused.
fn api_of(explained: &Explained) -> Vec<ApiSentence> {
    let Some(invocation) = explained.would_run() else {
        return Vec::new();
    };
    let authority = Authority::of(invocation, &explained.target.namespace);
    let sentences = authority.sentences().map(|sentence| ApiSentence {
        may: sentence.text.clone(),
        why: sentence.why.clone(),
    });
    sentences.collect()
}

impl Explain {
    /// Returns the form of its answer.
    pub fn format(&self) -> AnswerForm {
        AnswerForm::of(self.json || self.batch)
    }

    /// Runs the sub-command.
    pub fn run(self) -> CommandEnd {
        let sources = read_policies(&self.policy, ReadFor::Look)?;
        let (at, target) = (self.asker.at(), self.asker.target());
        let Examined {
            explainer,
            failures,
        } = Explainer::examine(&sources, Catalogue::carried()?, target, None)?;
        let explainer = explainer.at(at);
        warn(&failures)?;
        let tool = self.tool.as_deref().map(tool_called).transpose()?;
        if self.batch {
            explain_lines(&explainer, tool, self.api)?;
            return Ok(ExitCode::SUCCESS);
        }
        // One word is a command line as a caller sends it; several were split by the shell.
        let command = match self.command.as_slice() {
            [line] => line.clone(),
            words => shlex::try_join(words.iter().map(String::as_str))?,
        };
        let explained = explainer.explain(&command, tool);
        let rules = explainer.consider(&explained);
        let api = self.api.then(|| api_of(&explained));
        match self.json {
            true => print_json(&ExplainReport {
                explained: &explained,
                rules: Some(rules),
                api,
            })?,
            false => print(&explained, &rules, api.as_deref())?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Says that a policy would not load, and why.
fn warn(failures: &[TestFailure]) -> io::Result<()> {
    if failures.is_empty() {
        return Ok(());
    }
    let mut out = io::stderr().lock();
    let count = failures.len();
    writeln!(
        out,
        "warning: {count} examples and tests of the policy fail, so no server loads it; this is what its rules say"
    )?;
    for failure in failures {
        writeln!(out, "  {}", failure.error)?;
    }
    Ok(())
}

/// One line of a batch.
#[derive(Deserialize)]
#[serde(untagged)]
enum Asked {
    /// A command line that comes with nothing, but the here-document that it may end with.
    Command(String),
    Call(AskedCall),
}

/// A command line with all that comes with it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedCall {
    command: String,
    stdin: Option<SecretString>,
    #[serde(default)]
    files: SentFiles,
}

fn tool_called(name: &str) -> Result<Tool, String> {
    name.parse().map_err(|UnknownTool| {
        let (name, known) = (Excerpt::new(name), Tool::names());
        format!("there is no tool {name}; the tools are {known}")
    })
}

fn explain_lines(
    explainer: &Explainer,
    tool: Option<Tool>,
    with_api: bool,
) -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let asked: Asked = serde_json::from_str(&line)
            .map_err(|_| "standard input has a line that is neither a JSON string nor an object with `command` and, if it comes with any, `stdin` and `files`")?;
        let AskedCall {
            command,
            stdin,
            files,
        } = match asked {
            Asked::Command(command) => AskedCall {
                command,
                stdin: None,
                files: SentFiles::default(),
            },
            Asked::Call(call) => call,
        };
        let explained = explainer.explain_bringing(&command, tool, stdin.as_ref(), &files);
        let report = ExplainReport {
            explained: &explained,
            rules: None,
            api: with_api.then(|| api_of(&explained)),
        };
        serde_json::to_writer(&mut out, &report)?;
        writeln!(out)?;
    }
    Ok(())
}

fn print(
    explained: &Explained,
    rules: &[Considered],
    api: Option<&[ApiSentence]>,
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}: {}", explained.effect.word(), explained.command)?;
    let argv = explained.argv.as_ref().map(|argv| format!("{argv:?}"));
    for (name, value) in [
        ("code", explained.code.map(|code| code.as_str().to_owned())),
        ("rule", explained.rule_and_place()),
        ("reason", explained.reason.clone()),
        ("try", explained.hint.clone()),
        ("argv", argv),
    ] {
        if let Some(value) = value {
            writeln!(out, "  {name:7} {value}")?;
        }
    }
    for change in &explained.changes {
        writeln!(out, "  differs {change}")?;
    }
    for filter in &explained.filters {
        writeln!(out, "  filter  {filter:?}")?;
    }
    if let Some(verb) = explained.tool_and_verb() {
        writeln!(out, "rules about `{verb}`:")?;
        for rule in rules {
            writeln!(out, "  {rule}")?;
        }
    }
    match api {
        None => {}
        Some([]) => writeln!(out, "may ask nothing of the Kubernetes API")?,
        Some(sentences) => {
            writeln!(out, "may ask of the Kubernetes API:")?;
            for ApiSentence { may, why } in sentences {
                let why = why.as_ref().map(|why| format!(" ({why})"));
                writeln!(out, "  {may}{}", why.unwrap_or_default())?;
            }
        }
    }
    Ok(())
}
