//! The verbs of a rule: by name, by class, or all of them.

use std::collections::BTreeSet;

use serde::{Deserialize, de::value::StrDeserializer};
use toml::Spanned;

use super::loading::{Loading, nearest};
use crate::{
    catalogue::{Catalogue, CommandNode, CommandPath, Flag, VerbClass, flag_named, flags_in_scope},
    excerpt::Excerpt,
    policy::{effect::Effect, error::PolicyError, file::RawRule, rule::Verbs},
    tool::Tool,
};

/// A command behind those that it is a sub-command of.
type Lineage<'c> = Vec<&'c CommandNode>;

/// The verbs of a rule, with the commands they are in each version of the tool.
pub(super) struct Chosen<'c> {
    pub(super) verbs: Verbs,
    pub(super) commands: Vec<Lineage<'c>>,
    pub(super) tool: Tool,
    /// Whether the author named each verb, instead of `*` or a class.
    pub(super) by_name: bool,
}

impl<'c> Chosen<'c> {
    /// A flag as each command has it that does.
    pub(super) fn flag(&self, name: &str) -> Vec<(&'c CommandPath, &'c Flag)> {
        let of = |lineage: &Lineage<'c>| Some((&lineage.last()?.path, flag_named(lineage, name)?));
        self.commands.iter().filter_map(of).collect()
    }

    pub(super) fn flags(&self) -> impl Iterator<Item = &'c Flag> {
        self.commands
            .iter()
            .flat_map(|lineage| flags_in_scope(lineage))
    }
}

impl Loading<'_> {
    /// The verbs of a rule, which exist and may be allowed where the rule allows.
    pub(super) fn verbs(&self, raw: &RawRule) -> Result<Chosen<'_>, PolicyError> {
        let list = raw.verbs.get_ref();
        let wrong = |message: &str| Err(self.error(raw.verbs.span(), message, None));
        if self.catalogue(raw.tool).is_none() {
            return wrong(&format!("this server has no catalogue of {}", raw.tool));
        }
        if list.is_empty() {
            return wrong("this rule is about no verb, so it never matches");
        }
        if let [all] = list.as_slice()
            && all.get_ref() == "*"
        {
            return Ok(Chosen {
                tool: raw.tool,
                verbs: Verbs::All,
                commands: self.lineages(raw.tool, |_| true),
                by_name: false,
            });
        }
        let mut commands = Vec::new();
        for verb in list {
            let found = self.commands(raw, verb)?;
            let node = found.first().and_then(|lineage| lineage.last().copied());
            let Some(node) = node else {
                return Err(self.no_verb(raw.tool, verb));
            };
            if let (true, Some(why)) = (raw.effect != Effect::Deny, node.never()) {
                let message = format!("`{} {}` is never allowed: {why}", raw.tool, verb.get_ref());
                let help = "take the verb out; no file can allow it";
                return Err(self.error(verb.span(), &message, Some(help.into())));
            }
            commands.extend(found);
        }
        let nodes = commands.iter().filter_map(|lineage| lineage.last());
        Ok(Chosen {
            tool: raw.tool,
            verbs: Verbs::These(nodes.map(|node| node.path.clone()).collect()),
            by_name: !list.iter().any(|verb| verb.get_ref().starts_with('@')),
            commands,
        })
    }

    /// The commands of one entry of `verbs`, in each version of the tool.
    fn commands(
        &self,
        raw: &RawRule,
        verb: &Spanned<String>,
    ) -> Result<Vec<Lineage<'_>>, PolicyError> {
        let text = verb.get_ref();
        let Some(class) = text.strip_prefix('@') else {
            let path = CommandPath::new(text.split_whitespace().map(str::to_owned).collect());
            return Ok(self.lineages(raw.tool, |node| node.path == path));
        };
        let class = VerbClass::deserialize(StrDeserializer::<serde::de::value::Error>::new(class))
            .map_err(|_| {
                let message = format!("there is no class {} of verbs", Excerpt::new(class));
                self.error(verb.span(), &message, nearest(class, VERB_CLASSES))
            })?;
        Ok(self.lineages(raw.tool, |node| {
            let hazard = node.hazard.as_ref();
            hazard.is_some_and(|hazard| hazard.class == class)
                && (raw.effect == Effect::Deny || node.never().is_none())
        }))
    }

    /// The commands of a tool that are wanted, in each of its versions, each with those above it.
    fn lineages(&self, tool: Tool, wanted: impl Fn(&CommandNode) -> bool) -> Vec<Lineage<'_>> {
        let of_tool = self.catalogues.iter().filter(|of| of.tool() == tool);
        of_tool
            .flat_map(|catalogue| {
                let nodes = catalogue.commands().filter(|node| wanted(node));
                let paths: Vec<_> = nodes.map(|node| node.path.clone()).collect();
                paths
                    .into_iter()
                    .filter_map(|path| catalogue.lineage(&path))
            })
            .collect()
    }

    fn no_verb(&self, tool: Tool, verb: &Spanned<String>) -> PolicyError {
        let of_tool = self.catalogues.iter().filter(|of| of.tool() == tool);
        let known: BTreeSet<String> = of_tool
            .flat_map(Catalogue::commands)
            .map(|node| node.path.to_string())
            .collect();
        let message = format!(
            "{tool} {} has no verb {}",
            self.versions(tool),
            Excerpt::new(verb.get_ref())
        );
        let help = nearest(verb.get_ref(), known.iter().map(String::as_str));
        self.error(verb.span(), &message, help)
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
