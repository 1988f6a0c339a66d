//! `kube-airlock policy show NAME [--flat]`

use std::{
    error::Error,
    io::{self, Write},
};

use clap::Args;

use crate::{
    config::builtin,
    policy::{BUILTIN_PREFIX, PolicySource},
};

/// The text of a built-in policy.
#[derive(Debug, Args)]
pub struct Show {
    /// Its name: read-only, standard or admin, or of their parts reading or operating
    name: String,
    /// Put what it includes into it, for a copy that stands alone
    #[arg(long)]
    flat: bool,
}

impl Show {
    /// Runs the sub-command.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let name = self.name.strip_prefix(BUILTIN_PREFIX);
        let source = builtin(name.unwrap_or(&self.name))?;
        let text = match (self.flat, source.texts().last()) {
            (true, _) => flat(&source),
            (false, Some(file)) => file.text.clone(),
            (false, None) => String::new(),
        };
        write!(io::stdout(), "{text}")?;
        Ok(())
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
