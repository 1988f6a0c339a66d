//! `kube-airlock policy diff OLD NEW [COMMANDS]`

use std::{
    error::Error,
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use clap::Args;

use super::policy_explain::Explainer;

/// Which commands two policies decide differently.
#[derive(Debug, Args)]
pub struct Diff {
    /// The policy in force
    old: PathBuf,
    /// The policy that would replace it
    new: PathBuf,
    /// Command lines, one per line, each with its tool's name; an audit log works too [default: standard input]
    commands: Option<PathBuf>,
}

impl Diff {
    /// Runs the sub-command.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let (old, new) = (Explainer::new(&[self.old])?, Explainer::new(&[self.new])?);
        let mut out = io::stdout().lock();
        let (mut allowed, mut denied, mut same) = (0_usize, 0_usize, 0_usize);
        for command in commands(self.commands.as_deref())? {
            let (before, after) = (old.explain(&command, None).0, new.explain(&command, None).0);
            match (before.effect, after.effect) {
                ("deny", "allow") => {
                    allowed += 1;
                    writeln!(out, "+ {command}")?;
                }
                ("allow", "deny") => {
                    denied += 1;
                    writeln!(out, "- {command}")?;
                }
                _ => same += 1,
            }
        }
        writeln!(out, "{allowed} newly allowed, {denied} newly denied, {same} as before")?;
        Ok(())
    }
}

/// The commands of a file: plain lines, or the `argv` of audit records.
fn commands(path: Option<&Path>) -> Result<Vec<String>, Box<dyn Error>> {
    let text = match path {
        Some(path) => fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?,
        None => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text)?;
            text
        }
    };
    let mut commands: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let command = match serde_json::from_str::<serde_json::Value>(line) {
            Ok(record) => {
                let Some(argv) = record.get("argv").and_then(|argv| argv.as_array()) else { continue };
                let words: Vec<&str> = argv.iter().filter_map(|word| word.as_str()).collect();
                shlex::try_join(words)?
            }
            Err(_) => line.to_owned(),
        };
        if !commands.contains(&command) {
            commands.push(command);
        }
    }
    Ok(commands)
}
