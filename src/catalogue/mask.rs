//! What of a command line its record does not show: [`Mask`] and [`OperandMask`].
//!
//! A hazards file lists, under `[masked]`, what may be a credential or hold one, beside the flags
//! of class identity, which all are. Held by `no_flag_that_sounds_like_a_credential_is_recorded`
//! below and `a_record_of_a_refused_line_is_bounded_and_holds_no_credential`
//! (`tests/service/fairness.rs`).

use std::collections::BTreeMap;

use serde::Deserialize;

/// What of a flag's value its record does not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// All of it, where the command was refused or is about Secrets: it is a document, which may
    /// hold anything.
    Document,
    /// What stands behind the first `=`.
    Pair,
    /// All of it.
    Whole,
}

/// What of a verb's operands its record does not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OperandMask {
    /// What stands behind the first `=` of each.
    Pairs,
    /// All but the first one.
    Rest,
}

/// The table `[masked]` of a hazards file: flags by long name, for all verbs.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MaskTable {
    documents: Vec<String>,
    pairs: Vec<String>,
    whole: Vec<String>,
    /// By verb.
    pub(super) operands: BTreeMap<String, OperandMask>,
}

impl MaskTable {
    /// What of the value of a flag of texts is not shown.
    pub(super) fn of(&self, name: &str, is_identity: bool) -> Option<Mask> {
        let lists = |names: &[String]| names.iter().any(|listed| listed == name);
        if is_identity || lists(&self.whole) {
            return Some(Mask::Whole);
        }
        if lists(&self.pairs) {
            return Some(Mask::Pair);
        }
        lists(&self.documents).then_some(Mask::Document)
    }

    /// The flags that it names.
    pub(super) fn flags(&self) -> impl Iterator<Item = &str> {
        [&self.documents, &self.pairs, &self.whole]
            .into_iter()
            .flatten()
            .map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use crate::catalogue::Catalogue;

    /// Parts of names that stand for a credential, or for text into which callers put one.
    const SOUNDS: [&str; 11] = [
        "password",
        "passphrase",
        "token",
        "secret",
        "literal",
        "credential",
        "bearer",
        "env",
        "header",
        "private-key",
        "overrides",
    ];
    /// Names that hold such a part and no credential: files that no rule may open, names of objects
    /// and variables, and times.
    const HARMLESS: [&str; 11] = [
        "argocd-secret-path",
        "from-env-file",
        "github-app-private-key-path",
        "passphrase-file",
        "secret",
        "secret-name",
        "set-image",
        "set-raw-bytes",
        "ssh-private-key-path",
        "tokenDuration",
        "values-literal-file",
    ];

    #[test]
    fn no_flag_that_sounds_like_a_credential_is_recorded() {
        let mut shown = Vec::new();
        for catalogue in Catalogue::carried().unwrap() {
            for command in catalogue.commands() {
                for flag in &command.flags {
                    let sounds = SOUNDS.iter().any(|part| flag.name.contains(part))
                        || flag.name.starts_with("set")
                        || flag.name.starts_with("helm-set");
                    let is_text = matches!(
                        flag.kind,
                        crate::catalogue::FlagKind::Text | crate::catalogue::FlagKind::List
                    );
                    if sounds
                        && is_text
                        && flag.mask.is_none()
                        && !HARMLESS.contains(&flag.name.as_str())
                    {
                        shown.push(format!(
                            "{} {} --{}",
                            catalogue.tool(),
                            command.path,
                            flag.name
                        ));
                    }
                }
            }
        }
        assert!(shown.is_empty(), "{}", shown.join("\n"));
    }
}
