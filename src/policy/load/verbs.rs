//! The verbs of a rule: by name, by class, or all of them.

use std::collections::BTreeSet;

use serde::{Deserialize, de::value::StrDeserializer};

use super::loading::{Loading, nearest};
use crate::{
    catalogue::{Catalogue, CommandNode, CommandPath, Flag, VerbClass, flag_named, flags_in_scope},
    excerpt::Excerpt,
    policy::{
        error::PolicyError,
        file::RawRule,
        rule::{Effect, Verbs},
    },
};

/// The verbs of a rule, with the commands they are in each version of the tool.
pub(super) struct Chosen<'c> {
    pub(super) verbs: Verbs,
    pub(super) commands: Vec<Vec<&'c CommandNode>>,
    /// Whether the author named each verb, instead of `*` or a class.
    pub(super) by_name: bool,
}

impl<'c> Chosen<'c> {
    /// A flag as each command has it that does.
    pub(super) fn flag(&self, name: &str) -> Vec<(&'c CommandPath, &'c Flag)> {
        let of = |lineage: &Vec<&'c CommandNode>| {
            Some((&lineage.last()?.path, flag_named(lineage, name)?))
        };
        self.commands.iter().filter_map(of).collect()
    }

    pub(super) fn flags(&self) -> impl Iterator<Item = &'c Flag> {
        self.commands
            .iter()
            .flat_map(|lineage| flags_in_scope(lineage))
    }
}

impl Loading<'_> {
    /// The verbs of a rule: by name, by class, or all of them.
    pub(super) fn verbs(&self, raw: &RawRule) -> Result<Chosen<'_>, PolicyError> {
        let list = raw.verbs.get_ref();
        if self.catalogue(raw.tool).is_none() {
            return Err(self.error(
                raw.verbs.span(),
                &format!("this server has no catalogue of {}", raw.tool),
                None,
            ));
        }
        let all = || {
            self.catalogues
                .iter()
                .filter(|catalogue| catalogue.tool() == raw.tool)
        };
        let lineages = |wanted: &dyn Fn(&CommandNode) -> bool| -> Vec<Vec<&CommandNode>> {
            let of = |catalogue: &'_ Catalogue| -> Vec<CommandPath> {
                catalogue
                    .commands()
                    .filter(|node| wanted(node))
                    .map(|node| node.path.clone())
                    .collect()
            };
            all()
                .flat_map(|catalogue| {
                    of(catalogue)
                        .into_iter()
                        .filter_map(|path| catalogue.lineage(&path))
                })
                .collect()
        };
        if list.is_empty() {
            return Err(self.error(
                raw.verbs.span(),
                "this rule is about no verb, so it never matches",
                None,
            ));
        }
        if let [all] = list.as_slice()
            && all.get_ref() == "*"
        {
            return Ok(Chosen {
                verbs: Verbs::All,
                commands: lineages(&|_| true),
                by_name: false,
            });
        }
        let mut commands = Vec::new();
        let mut by_name = true;
        for verb in list {
            let text = verb.get_ref();
            let found = if let Some(class) = text.strip_prefix('@') {
                by_name = false;
                let class =
                    VerbClass::deserialize(StrDeserializer::<serde::de::value::Error>::new(class))
                        .map_err(|_| {
                            self.error(
                                verb.span(),
                                &format!("there is no class {} of verbs", Excerpt::new(class)),
                                nearest(class, VERB_CLASSES),
                            )
                        })?;
                lineages(&|node| {
                    node.hazard
                        .as_ref()
                        .is_some_and(|hazard| hazard.class == class)
                        && (raw.effect == Effect::Deny || node.never().is_none())
                })
            } else {
                let path = CommandPath::new(text.split_whitespace().map(str::to_owned).collect());
                lineages(&|node| node.path == path)
            };
            let Some(node) = found.first().and_then(|lineage| lineage.last().copied()) else {
                let known: BTreeSet<String> = all()
                    .flat_map(Catalogue::commands)
                    .map(|node| node.path.to_string())
                    .collect();
                let message = format!(
                    "{} {} has no verb {}",
                    raw.tool,
                    self.versions(raw.tool),
                    Excerpt::new(text)
                );
                return Err(self.error(
                    verb.span(),
                    &message,
                    nearest(text, known.iter().map(String::as_str)),
                ));
            };
            if let (true, Some(why)) = (raw.effect != Effect::Deny, node.never()) {
                return Err(self.error(
                    verb.span(),
                    &format!("`{} {text}` is never allowed: {why}", raw.tool),
                    None,
                ));
            }
            commands.extend(found);
        }
        let verbs = commands
            .iter()
            .filter_map(|lineage| lineage.last())
            .map(|node| node.path.clone())
            .collect();
        Ok(Chosen {
            verbs: Verbs::These(verbs),
            commands,
            by_name,
        })
    }
}

const VERB_CLASSES: [&str; 8] = [
    "destructive",
    "exec",
    "interactive",
    "listener",
    "local",
    "read",
    "secret",
    "write",
];
