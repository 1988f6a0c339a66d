//! `kube-airlock policy show NAME [--flat]`

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Args;
use serde::Serialize;

use super::report::{AnswerForm, CommandEnd, print_json};
use crate::{
    config::builtin,
    policy::{BUILTIN_PREFIX, PolicySource},
};

/// The text of a built-in policy.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kube-airlock policy show standard
  kube-airlock policy show standard --flat > team.toml     # stands alone; edit it")]
pub struct Show {
    /// Its name: read-only, standard or admin, or of their parts reading or operating
    name: String,
    /// Put what it includes into it, for a copy that stands alone
    #[arg(long)]
    flat: bool,
    /// One JSON object: {"name":…,"includes":[…],"text":…}
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct ShowReport<'s> {
    name: &'s str,
    /// None in a copy that stands alone.
    includes: Vec<&'s str>,
    text: String,
}

impl Show {
    /// Returns the form of its answer.
    pub fn format(&self) -> AnswerForm {
        AnswerForm::of(self.json)
    }

    /// Runs the sub-command.
    pub fn run(self) -> CommandEnd {
        let name = self.name.strip_prefix(BUILTIN_PREFIX).unwrap_or(&self.name);
        let source = builtin(name)?;
        let text = match (self.flat, source.texts().last()) {
            (true, _) => flat(&source),
            (false, Some(file)) => file.text.clone(),
            (false, None) => String::new(),
        };
        if self.json {
            let includes = source.included().filter(|_| !self.flat).collect();
            print_json(&ShowReport {
                name,
                includes,
                text,
            })?;
        } else {
            write!(io::stdout(), "{text}")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// One text with the rules and sets of all files, behind the head of the last. What is built in has
/// its keys first, then `[sets]` up to an empty line, then rules.
fn flat(source: &PolicySource) -> String {
    let (mut head, mut sets, mut rules) = ("", String::new(), String::new());
    for file in source.texts() {
        let tables = file.text.find("\n[").map_or(file.text.len(), |at| at + 1);
        let (keys, mut body) = file.text.split_at(tables);
        if let Some(own) = body.strip_prefix("[sets]\n") {
            let (own, rest) = own.split_once("\n\n").unwrap_or((own, ""));
            sets.extend([own, "\n"]);
            body = rest;
        }
        head = keys;
        rules.extend(["\n", body]);
    }
    let head = head.lines().filter(|line| !line.starts_with("include = "));
    let head: String = head.map(|line| format!("{line}\n")).collect();
    format!("{head}[sets]\n{sets}{rules}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalogue::Catalogue,
        policy::{BUILTINS, Policy},
    };

    #[test]
    fn a_flat_policy_stands_alone_and_has_every_rule_set_and_test() {
        let catalogues = Catalogue::carried().unwrap();
        for builtin in BUILTINS {
            let source = PolicySource::builtin(builtin.name).unwrap();
            let alone = PolicySource::alone("flat.toml", flat(&source));
            assert_eq!(alone.texts().count(), 1, "{}", builtin.name);
            let held = |source: PolicySource| {
                let policy = Policy::load(&[source], &catalogues).unwrap();
                assert_eq!(policy.lints().next(), None);
                (policy.rules(), policy.examples())
            };
            assert_eq!(held(alone), held(source), "{}", builtin.name);
        }
    }
}
