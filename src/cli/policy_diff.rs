//! `kube-airlock policy diff OLD NEW [COMMANDS]`

use std::{
    cmp::Ordering,
    error::Error,
    io::{self, Write},
    path::PathBuf,
};

use clap::Args;

use super::{
    commands::{cases, text},
    policy_explain::Explainer,
};

/// Which commands two policies decide differently.
#[derive(Debug, Args)]
pub struct Diff {
    /// The policy in force
    old: PathBuf,
    /// The policy that would replace it
    new: PathBuf,
    /// Command lines, one per line, each with its tool's name; an audit log or a table of cases
    /// works too [default: standard input]
    commands: Option<PathBuf>,
}

impl Diff {
    /// Runs the sub-command.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let (old, new) = (Explainer::new(&[self.old])?, Explainer::new(&[self.new])?);
        let mut out = io::stdout().lock();
        let (mut allowed, mut denied, mut same) = (0_usize, 0_usize, 0_usize);
        for case in cases(&text(self.commands.as_deref())?)? {
            let (before, after) = (
                old.explain(&case.command, None).0.effect,
                new.explain(&case.command, None).0.effect,
            );
            let sign = match openness(before).cmp(&openness(after)) {
                Ordering::Less => {
                    allowed += 1;
                    '+'
                }
                Ordering::Greater => {
                    denied += 1;
                    '-'
                }
                Ordering::Equal => {
                    same += 1;
                    continue;
                }
            };
            let told = if before == "confirm" || after == "confirm" {
                format!("   ({before} -> {after})")
            } else {
                String::new()
            };
            writeln!(out, "{sign} {}{told}", case.command)?;
        }
        writeln!(
            out,
            "{allowed} newly allowed, {denied} newly denied, {same} as before"
        )?;
        Ok(())
    }
}

/// How much an effect lets through.
fn openness(effect: &str) -> u8 {
    match effect {
        "allow" => 2,
        "confirm" => 1,
        _ => 0,
    }
}
