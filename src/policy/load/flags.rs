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
        error::PolicyError,
        file::{RawRule, Sets},
        pattern::Pattern,
        rule::{Effect, Injected},
    },
};

/// Flags by long name, with the values that a rule accepts.
pub(super) type Flags = BTreeMap<String, Option<Vec<Pattern>>>;

impl Loading<'_> {
    /// The flags of a rule with the values it accepts: of `flags`, `require`, `values` and
    /// `inject`.
    pub(super) fn flags(
        &self,
        raw: &RawRule,
        chosen: &Chosen<'_>,
        sets: &Sets,
    ) -> Result<(Flags, Vec<FlagClass>), PolicyError> {
        let mut flags = Flags::new();
        let mut classes = Vec::new();
        for flag in &raw.flags {
            match flag.get_ref().strip_prefix('@') {
                None => drop(flags.insert(self.flag(raw, flag, chosen)?, None)),
                Some(name) => match (sets.get(name), flag_class(name)) {
                    (Some(set), _) => {
                        for flag in set {
                            flags.insert(self.flag(raw, flag, chosen)?, None);
                        }
                    }
                    // The others can do harm: a rule names each of them.
                    (None, Some(class))
                        if class == FlagClass::Plain || raw.effect == Effect::Deny =>
                    {
                        classes.push(class); // of each verb by itself: `--all` is plain for one and not for another
                    }
                    (None, Some(_)) => {
                        let message = format!(
                            "flags of the class `{name}` can do harm: an {} rule names each of them",
                            raw.effect.word()
                        );
                        return Err(self.error(
                            flag.span(),
                            &message,
                            Some("only `@plain` stands for flags that are not named".into()),
                        ));
                    }
                    (None, None) => {
                        let known = sets.keys().map(String::as_str).chain(FLAG_CLASSES);
                        let message = format!(
                            "there is no set and no class {} of flags",
                            Excerpt::new(name)
                        );
                        return Err(self.error(flag.span(), &message, nearest(name, known)));
                    }
                },
            }
        }
        for flag in &raw.require {
            let name = self.flag(raw, flag, chosen)?;
            let without = chosen
                .commands
                .iter()
                .filter_map(|lineage| lineage.last())
                .find(|node| {
                    !chosen
                        .flag(&name)
                        .iter()
                        .any(|(path, _)| **path == node.path)
                });
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
            let bare = chosen
                .flag(&name)
                .iter()
                .any(|(_, flag)| flag.kind == FlagKind::Text && flag.value_if_bare.is_some());
            if bare
                && !raw
                    .values
                    .keys()
                    .any(|listed| long_name(listed.get_ref()) == name)
            {
                let message = format!(
                    "--{name} is required, and some of its values do nothing (`none`): list those that count"
                );
                let help = format!("values = {{ \"--{name}\" = [\"client\", \"server\"] }}");
                return Err(self.error(flag.span(), &message, Some(help)));
            }
            flags.entry(name).or_default();
        }
        for (flag, value) in &raw.inject {
            let name = self.flag(raw, flag, chosen)?;
            let is_plain = chosen.flag(&name).iter().all(|(_, flag)| {
                flag.hazard
                    .as_ref()
                    .is_some_and(|hazard| hazard.class == FlagClass::Plain)
            });
            // Without values of its own, a flag that can do harm has the one that is added.
            let own = if is_plain {
                None
            } else {
                Some(vec![
                    Pattern::parse(value.get_ref())
                        .map_err(|why| self.error(value.span(), why, None))?,
                ])
            };
            flags.entry(name).or_insert(own);
        }
        for (flag, patterns) in &raw.values {
            let name = self.flag(raw, flag, chosen)?;
            let found = chosen.flag(&name);
            if patterns.get_ref().is_empty() {
                return Err(self.error(
                    patterns.span(),
                    &format!("no value of --{name} is accepted, so this rule never matches it"),
                    None,
                ));
            }
            let mut accepted = Vec::new();
            for text in patterns.get_ref() {
                let wrong = |why: &str| self.error(text.span(), why, None);
                let pattern = Pattern::parse(text.get_ref()).map_err(wrong)?;
                let impossible: Vec<String> = found
                    .iter()
                    .filter_map(|(_, flag)| pattern.impossible_for(flag))
                    .collect();
                if let (Some(why), true) = (impossible.first(), impossible.len() == found.len()) {
                    return Err(wrong(why));
                }
                let never: Vec<String> = found
                    .iter()
                    .filter_map(|(_, flag)| flag.never(Some(text.get_ref())))
                    .collect();
                if let (Some(why), true, true) = (
                    never.first(),
                    never.len() == found.len(),
                    raw.effect != Effect::Deny,
                ) {
                    return Err(wrong(&format!(
                        "--{name} {} is never allowed: {why}",
                        Excerpt::new(text.get_ref())
                    )));
                }
                accepted.push(pattern);
            }
            flags.insert(name, Some(accepted));
        }
        if raw.effect != Effect::Deny {
            self.hazards_have_values(raw, &flags, chosen)?;
        }
        Ok((flags, classes))
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
                return Err(self.error(flag.span(), &message, None));
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
                    .chain(raw.inject.keys())
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
        flags: &Flags,
        chosen: &Chosen<'_>,
    ) -> Result<BTreeMap<String, Injected>, PolicyError> {
        let mut injected = BTreeMap::new();
        for (flag, value) in &raw.inject {
            let name = long_name(flag.get_ref());
            if name == "help" {
                return Err(self.error(
                    flag.span(),
                    "with --help added, nothing would run but help",
                    None,
                ));
            }
            if AIMING.contains(&name) {
                let message =
                    format!("--{name} chooses what a command is about, so it cannot be added");
                return Err(self.error(
                    flag.span(),
                    &message,
                    Some("list it under `require`".into()),
                ));
            }
            let text = value.get_ref();
            let accepted = flags
                .get(name)
                .and_then(Option::as_ref)
                .is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(text)));
            if !accepted {
                let message = format!(
                    "the rule itself does not accept {} for --{name}",
                    Excerpt::new(text)
                );
                return Err(self.error(value.span(), &message, None));
            }
            let found = chosen.flag(name);
            for (_, flag) in &found {
                typed_value(flag, text.clone())
                    .map_err(|error| self.error(value.span(), &error.to_string(), None))?;
                if let Some(why) = flag.never(Some(text)) {
                    return Err(self.error(
                        value.span(),
                        &format!("--{name} {} is never allowed: {why}", Excerpt::new(text)),
                        None,
                    ));
                }
            }
            if found.len() < chosen.commands.len() {
                let message = format!(
                    "not every verb of this rule has --{name} in every version of {}, so it cannot be added",
                    raw.tool
                );
                return Err(self.error(
                    flag.span(),
                    &message,
                    Some("put the verbs that have it into a rule of their own".into()),
                ));
            }
            if raw
                .require
                .iter()
                .any(|required| long_name(required.get_ref()) == name)
            {
                return Err(self.error(
                    flag.span(),
                    &format!("--{name} is required, so it is never added"),
                    None,
                ));
            }
            let classes = found
                .iter()
                .filter_map(|(path, flag)| Some(((*path).clone(), flag.hazard.as_ref()?.class)));
            injected.insert(
                name.to_owned(),
                Injected {
                    value: text.clone(),
                    classes: classes.collect(),
                },
            );
        }
        Ok(injected)
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
