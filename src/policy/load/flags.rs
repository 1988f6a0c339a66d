//! The flags of a rule, the values that it accepts, and what it adds.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, de::value::StrDeserializer};
use toml::Spanned;

use super::{
    loading::{Loading, long_name, nearest},
    verbs::Chosen,
};
use crate::{
    catalogue::{FlagClass, FlagKind},
    command::typed_value,
    excerpt::Excerpt,
    policy::{
        effect::Effect,
        error::PolicyError,
        file::{List, RawFlags, RawRule},
        pattern::Pattern,
        rule::Injected,
    },
};

/// Flags by long name, with the values that a rule accepts.
pub(super) type Flags = BTreeMap<String, Option<Vec<Pattern>>>;

/// What a rule says about flags.
#[derive(Default)]
pub(super) struct Accepted {
    /// By long name, with the values that are accepted; without a list, any.
    pub(super) flags: Flags,
    /// Classes, as each verb has them: `--all` is plain for one verb and not for another.
    pub(super) classes: Vec<FlagClass>,
}

impl Loading<'_> {
    /// The flags of a rule with the values it accepts: of `flags`, `require`, `values` and what it
    /// adds.
    pub(super) fn flags(
        &self,
        raw: &RawRule,
        chosen: &Chosen<'_>,
    ) -> Result<Accepted, PolicyError> {
        let mut accepted = Accepted::default();
        for flag in &raw.flags {
            self.listed(raw, flag, chosen, &mut accepted)?;
        }
        for flag in &raw.require {
            let name = self.required(raw, flag, chosen)?;
            accepted.flags.entry(name).or_default();
        }
        for (flag, value) in raw.added() {
            let name = self.flag(raw, flag, chosen)?;
            let is_plain = chosen.flag(&name).iter().all(|(_, flag)| {
                flag.hazard
                    .as_ref()
                    .is_some_and(|hazard| hazard.class == FlagClass::Plain)
            });
            // Without values of its own, a flag that can do harm has the one that is added.
            if is_plain {
                accepted.flags.entry(name).or_default();
            } else {
                let pattern = self.pattern(value)?;
                let own = accepted
                    .flags
                    .entry(name)
                    .or_insert_with(|| Some(Vec::new()));
                own.iter_mut().for_each(|own| own.push(pattern.clone()));
            }
        }
        for (flag, patterns) in &raw.values {
            let name = self.flag(raw, flag, chosen)?;
            let patterns = self.values(raw, &name, patterns, chosen)?;
            accepted.flags.insert(name, Some(patterns));
        }
        if raw.effect != Effect::Deny {
            self.hazards_have_values(raw, &accepted.flags, chosen)?;
        }
        Ok(accepted)
    }

    /// One entry of `flags`: a flag, a set of them, or a class.
    fn listed(
        &self,
        raw: &RawRule,
        flag: &Spanned<String>,
        chosen: &Chosen<'_>,
        accepted: &mut Accepted,
    ) -> Result<(), PolicyError> {
        let Some(name) = flag.get_ref().strip_prefix('@') else {
            accepted.flags.insert(self.flag(raw, flag, chosen)?, None);
            return Ok(());
        };
        match (self.set(name, flag.span()), flag_class(name)) {
            (Some(set), _) => {
                for flag in &set {
                    accepted.flags.insert(self.flag(raw, flag, chosen)?, None);
                }
                Ok(())
            }
            // The others can do harm: a rule names each of them.
            (None, Some(class)) if class == FlagClass::Plain || raw.effect == Effect::Deny => {
                accepted.classes.push(class);
                Ok(())
            }
            (None, Some(_)) => {
                let message = format!(
                    "flags of the class `{name}` can do harm: an {} rule names each of them",
                    raw.effect.word()
                );
                Err(self.error(
                    flag.span(),
                    &message,
                    Some("only `@plain` stands for flags that are not named".into()),
                ))
            }
            (None, None) => {
                let known = self.sets.keys().map(String::as_str).chain(FLAG_CLASSES);
                let message = format!(
                    "there is no set and no class {} of flags",
                    Excerpt::new(name)
                );
                Err(self.error(flag.span(), &message, nearest(name, known)))
            }
        }
    }

    /// The name of a flag that has to be there: each verb has it, and its presence means something.
    fn required(
        &self,
        raw: &RawRule,
        flag: &Spanned<String>,
        chosen: &Chosen<'_>,
    ) -> Result<String, PolicyError> {
        let name = self.flag(raw, flag, chosen)?;
        let found = chosen.flag(&name);
        let mut nodes = chosen.commands.iter().filter_map(|lineage| lineage.last());
        let without = nodes.find(|node| !found.iter().any(|(path, _)| **path == node.path));
        if let (Some(node), true) = (without, chosen.by_name) {
            let message = format!(
                "`{} {}` has no --{name}, so this rule never matches it",
                raw.tool, node.path
            );
            return Err(self.error(
                flag.span(),
                &message,
                Some("put the verb into a rule of its own".into()),
            ));
        }
        let bare = found
            .iter()
            .any(|(_, flag)| flag.kind == FlagKind::Text && flag.value_if_bare.is_some());
        let mut listed = raw.values.keys();
        if bare && !listed.any(|listed| long_name(listed.get_ref()) == name) {
            let message = format!(
                "--{name} is required, and some of its values do nothing (`none`): list those that count"
            );
            let help = format!("values = {{ \"--{name}\" = [\"client\", \"server\"] }}");
            return Err(self.error(flag.span(), &message, Some(help)));
        }
        Ok(name)
    }

    /// The values of a flag that a rule accepts: each of them can occur, and may be allowed.
    fn values(
        &self,
        raw: &RawRule,
        name: &str,
        texts: &Spanned<List>,
        chosen: &Chosen<'_>,
    ) -> Result<Vec<Pattern>, PolicyError> {
        if texts.get_ref().is_empty() {
            return Err(self.error(
                texts.span(),
                &format!("no value of --{name} is accepted, so this rule never matches it"),
                None,
            ));
        }
        let found = chosen.flag(name);
        let mut patterns = Vec::new();
        for text in texts.get_ref() {
            let wrong = |why: &str, help: &str| self.error(text.span(), why, Some(help.to_owned()));
            self.has_no_blank_at_its_ends(text)?;
            let pattern = self.pattern(text)?;
            let impossible: Vec<String> = found
                .iter()
                .filter_map(|(_, flag)| pattern.impossible_for(flag))
                .collect();
            if let (Some(why), true) = (impossible.first(), impossible.len() == found.len()) {
                return Err(wrong(why, "list values that the flag takes"));
            }
            let never: Vec<String> = found
                .iter()
                .filter_map(|(_, flag)| flag.never_any_of(text.get_ref()))
                .collect();
            if let (Some(why), true, true) = (
                never.first(),
                never.len() == found.len(),
                raw.effect != Effect::Deny,
            ) {
                let message = format!(
                    "--{name} {} is never allowed: {why}",
                    Excerpt::new(text.get_ref())
                );
                return Err(wrong(&message, "take the value out; no file can allow it"));
            }
            patterns.push(pattern);
        }
        Ok(patterns)
    }

    fn pattern(&self, text: &Spanned<String>) -> Result<Pattern, PolicyError> {
        Pattern::parse(text.get_ref()).map_err(|why| {
            let help =
                "write the smaller side first; a duration of 0 is no limit, and never matches";
            self.error(text.span(), why, Some(help.into()))
        })
    }

    /// A flag that at least one verb of the rule has, and that may be allowed.
    fn flag(
        &self,
        raw: &RawRule,
        flag: &Spanned<String>,
        chosen: &Chosen<'_>,
    ) -> Result<String, PolicyError> {
        let name = long_name(flag.get_ref());
        let found = chosen.flag(name);
        if found.is_empty() {
            let message = format!(
                "no verb of this rule has the flag {} in {} {}",
                Excerpt::new(flag.get_ref()),
                raw.tool,
                self.versions(raw.tool)
            );
            let known: BTreeSet<String> = chosen
                .flags()
                .map(|flag| format!("--{}", flag.name))
                .collect();
            return Err(self.error(
                flag.span(),
                &message,
                nearest(&format!("--{name}"), known.iter().map(String::as_str)),
            ));
        }
        if raw.effect != Effect::Deny {
            let never: Vec<_> = found
                .iter()
                .filter_map(|(path, flag)| Some((path, flag.never(None)?)))
                .collect();
            if let Some((path, why)) = never.first()
                && (chosen.by_name || never.len() == found.len())
            {
                let message = format!(
                    "--{name} is never allowed with `{} {path}`: {why}",
                    raw.tool
                );
                let help = "take the flag out; no file can allow it";
                return Err(self.error(flag.span(), &message, Some(help.into())));
            }
        }
        Ok(name.to_owned())
    }

    fn hazards_have_values(
        &self,
        raw: &RawRule,
        flags: &Flags,
        chosen: &Chosen<'_>,
    ) -> Result<(), PolicyError> {
        for (name, _) in flags.iter().filter(|(_, patterns)| patterns.is_none()) {
            let hazard = chosen.flag(name).into_iter().find_map(|(_, flag)| {
                flag.hazard
                    .as_ref()
                    .filter(|hazard| hazard.class.needs_values())
            });
            if let Some(hazard) = hazard {
                let place = raw
                    .flags
                    .iter()
                    .chain(&raw.require)
                    .chain(raw.added().map(|(flag, _)| flag))
                    .find(|flag| long_name(flag.get_ref()) == name);
                let why = hazard
                    .why
                    .as_deref()
                    .unwrap_or("its values reach past the verb");
                let help = format!(
                    "list the values that are meant: values = {{ \"--{name}\" = [\"…\"] }}"
                );
                return Err(self.error(
                    place.unwrap_or(&raw.id).span(),
                    &format!("--{name} needs its values listed: {why}"),
                    Some(help),
                ));
            }
        }
        Ok(())
    }

    /// Flags to add; what is added has to be what the rule accepts and the flag takes.
    pub(super) fn injected(
        &self,
        raw: &RawRule,
        added: &RawFlags,
        flags: &Flags,
        chosen: &Chosen<'_>,
    ) -> Result<BTreeMap<String, Injected>, PolicyError> {
        let mut injected = BTreeMap::new();
        for (flag, value) in added {
            let name = long_name(flag.get_ref());
            self.can_be_added(raw, flag, chosen)?;
            self.accepts_added(name, value, flags, chosen)?;
            let found = chosen.flag(name).into_iter();
            let flags = found.map(|(path, flag)| (path.clone(), flag.clone()));
            injected.insert(
                name.to_owned(),
                Injected {
                    value: value.get_ref().clone(),
                    flags: flags.collect(),
                },
            );
        }
        Ok(injected)
    }

    /// Flags whose value is brought down to what the rule accepts: there is an end to bring it down
    /// to.
    pub(super) fn clamped(
        &self,
        raw: &RawRule,
        flags: &Flags,
        chosen: &Chosen<'_>,
    ) -> Result<BTreeSet<String>, PolicyError> {
        let mut clamped = BTreeSet::new();
        for flag in &raw.clamp {
            let name = self.flag(raw, flag, chosen)?;
            let mut patterns = flags.get(&name).into_iter().flatten().flatten();
            if !patterns.any(Pattern::has_most) {
                let message = format!(
                    "--{name} has no range with an end, so there is nothing to bring it down to"
                );
                let help = format!("values = {{ \"--{name}\" = [\"..60s\"] }}");
                return Err(self.error(flag.span(), &message, Some(help)));
            }
            clamped.insert(name);
        }
        Ok(clamped)
    }

    /// Refuses a flag that would make another command of what was judged, that not every verb has,
    /// or that is there already.
    fn can_be_added(
        &self,
        raw: &RawRule,
        flag: &Spanned<String>,
        chosen: &Chosen<'_>,
    ) -> Result<(), PolicyError> {
        let name = long_name(flag.get_ref());
        let wrong = |message: &str, help: Option<&str>| {
            Err(self.error(flag.span(), message, help.map(str::to_owned)))
        };
        if name == "help" {
            return wrong("with --help added, nothing would run but help", None);
        }
        if AIMING.contains(&name) {
            let message =
                format!("--{name} chooses what a command is about, so it cannot be added");
            return wrong(&message, Some("list it under `require`"));
        }
        if chosen
            .flag(name)
            .iter()
            .any(|(_, flag)| flag.data().is_some())
        {
            let message = format!("--{name} reads what a request brings, so it cannot be added");
            return wrong(&message, Some("list it under `values`"));
        }
        if chosen.flag(name).len() < chosen.commands.len() {
            let message = format!(
                "not every verb of this rule has --{name} in every version of {}, so it cannot be added",
                raw.tool
            );
            return wrong(
                &message,
                Some("put the verbs that have it into a rule of their own"),
            );
        }
        let mut required = raw.require.iter();
        if required.any(|required| long_name(required.get_ref()) == name) {
            return wrong(&format!("--{name} is required, so it is never added"), None);
        }
        Ok(())
    }

    /// Refuses a value to add that the rule does not accept, or the flag does not take.
    fn accepts_added(
        &self,
        name: &str,
        value: &Spanned<String>,
        flags: &Flags,
        chosen: &Chosen<'_>,
    ) -> Result<(), PolicyError> {
        let text = value.get_ref();
        let wrong = |message: &str| Err(self.error(value.span(), message, None));
        let accepted = flags
            .get(name)
            .and_then(Option::as_ref)
            .is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(text)));
        if !accepted {
            return wrong(&format!(
                "the rule itself does not accept {} for --{name}",
                Excerpt::new(text)
            ));
        }
        for (_, flag) in chosen.flag(name) {
            if let Err(error) = typed_value(flag, text.clone()) {
                return wrong(&error.to_string());
            }
            if let Some(why) = flag.never(Some(text)) {
                return wrong(&format!(
                    "--{name} {} is never allowed: {why}",
                    Excerpt::new(text)
                ));
            }
        }
        Ok(())
    }
}

/// Flags that the types of the operands depend on (command/operand): added later, they would make
/// another command of what was judged. Found by the fuzz target `monotonic`.
const AIMING: [&str; 13] = [
    "all-namespaces",
    "app-namespace",
    "appset-namespace",
    "copy-to",
    "field-selector",
    "from",
    "generate-name",
    "name",
    "namespaces",
    "project",
    "resource-name",
    "selector",
    "serviceaccount",
];

const FLAG_CLASSES: [&str; 11] = [
    "endpoint",
    "identity",
    "listener",
    "plain",
    "reads-file",
    "reveals-secret",
    "runs-program",
    "unbounded",
    "url",
    "verbosity",
    "writes-file",
];

pub(super) fn flag_class(name: &str) -> Option<FlagClass> {
    FlagClass::deserialize(StrDeserializer::<serde::de::value::Error>::new(name)).ok()
}
