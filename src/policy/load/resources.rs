//! The resources of a rule: each entry is one that can exist.
//!
//! Comes in: the list, with its sets. Goes out: canonical names, and globs of them. A name that no
//! command can have would make a deny rule empty and nobody would see it, so it is an error with
//! the name that was meant. Held by the tests below and
//! `policy/tests/dead_rules.rs`.

use std::{collections::BTreeSet, ops::Range};

use toml::Spanned;

use super::loading::{Loading, nearest};
use crate::{
    catalogue::resource,
    command::is_dns_label,
    excerpt::Excerpt,
    policy::{
        effect::Effect,
        error::PolicyError,
        file::{List, Names, RawRule},
        resources::{Resources, is_listed},
    },
    tool::RuleLists,
};

/// Why an entry is no resource, and what was meant.
type Wrong = (String, Option<String>);

impl Loading<'_> {
    /// The resources of a rule, each by its canonical name.
    pub(super) fn resources(&self, raw: &RawRule) -> Result<Option<Resources>, PolicyError> {
        let Some(listed) = &raw.resources else {
            return Ok(None);
        };
        if raw.tool.spec().lists != RuleLists::NamesAndResources {
            let message = "only kubectl's commands name resources";
            return Err(self.error(listed.span(), message, None));
        }
        let names = self.names_of(listed)?;
        self.are_in_namespaces(raw, &names)?;
        let names = names.into_iter().map(Spanned::into_inner).collect();
        Ok(Some(Resources::new(names)))
    }

    /// The names of a list and of the sets in it.
    pub(super) fn names_of(&self, listed: &Spanned<Names>) -> Result<List, PolicyError> {
        let wrong = |message: &str| Err(self.error(listed.span(), message, None));
        let mut names: List = Vec::new();
        match listed.get_ref() {
            Names::Set(set) => {
                let name = set.strip_prefix('@').unwrap_or(set);
                names.extend(self.resource_set(name, listed.span())?);
            }
            Names::List(list) => {
                for name in list {
                    match name.get_ref().strip_prefix('@') {
                        Some(set) => names.extend(self.resource_set(set, name.span())?),
                        None => names.push(name.clone()),
                    }
                }
            }
        }
        if names.is_empty() {
            return wrong("an empty list matches nothing, so this rule never matches");
        }
        for name in &names {
            if let Some((message, help)) = not_a_resource(name.get_ref()) {
                return Err(self.error(name.span(), &message, help));
            }
        }
        Ok(names)
    }

    fn resource_set(&self, name: &str, used: Range<usize>) -> Result<List, PolicyError> {
        self.set(name, used.clone()).ok_or_else(|| {
            let message = format!("there is no set {}", Excerpt::new(name));
            let known = self.sets.keys().map(String::as_str);
            self.error(used, &message, nearest(name, known))
        })
    }

    /// Refuses a deny rule about namespaces whose resources all live outside of them.
    fn are_in_namespaces(&self, raw: &RawRule, names: &List) -> Result<(), PolicyError> {
        let outside = |name: &Spanned<String>| {
            name.get_ref() != "namespaces" && resource::is_cluster_scoped(name.get_ref())
        };
        match &raw.namespaces {
            Some(namespaces) if raw.effect == Effect::Deny && names.iter().all(outside) => {
                let message =
                    "these resources live outside of namespaces, so this rule never matches";
                let help = "leave `namespaces` out".to_owned();
                Err(self.error(namespaces.span(), message, Some(help)))
            }
            _ => Ok(()),
        }
    }
}

/// Why no command can name `text`, when none can.
fn not_a_resource(text: &str) -> Option<Wrong> {
    if resource::is_canonical(text) {
        return None;
    }
    let shown = Excerpt::new(text);
    let plain = text.trim().to_ascii_lowercase();
    if plain == "*" {
        let help =
            "leave `resources` out to mean every resource; `*.GROUP` is every one of a group";
        return Some((format!("{shown} is no resource"), Some(help.into())));
    }
    if let Some((parent, _)) = text.split_once('/') {
        let help =
            format!("write `{parent}`; what is done with it is a verb, like `logs` or `exec`");
        return Some((format!("{shown} is a sub-resource"), Some(help)));
    }
    if plain != text {
        let message = format!("{shown} has a blank or a capital letter, and no resource has");
        let help = match not_a_resource(&plain) {
            None => Some(format!("did you mean `{plain}`?")),
            Some((_, help)) => help,
        };
        return Some((message, help));
    }
    if let Some(canonical) = resource::canonical(text) {
        let message = format!("{shown} is not the canonical name of a resource");
        return Some((
            message,
            Some(format!("its canonical name is `{canonical}`")),
        ));
    }
    match text.split_once('.') {
        Some((plural, group)) if text.contains('*') => is_empty_glob(text, plural, group),
        Some((plural, group)) => not_custom(text, plural, group),
        None if text.contains('*') => is_empty_glob(text, text, ""),
        None => Some(unknown(text)),
    }
}

/// Why a glob of a plural and a group covers nothing that can exist.
fn is_empty_glob(text: &str, plural: &str, group: &str) -> Option<Wrong> {
    let shown = Excerpt::new(text);
    let plain = |part: &str| {
        let parts = part.split('.').map(|label| label.replace('*', "x"));
        part.is_empty() || parts.into_iter().all(|label| is_dns_label(&label))
    };
    if plural.is_empty() || text.ends_with('.') || !plain(plural) || !plain(group) {
        let help = "write PLURAL.GROUP, where a `*` stands for anything: `*.apps`";
        return Some((
            format!("{shown} is no glob of resources"),
            Some(help.into()),
        ));
    }
    if resource::all().any(|name| is_listed(text, &name)) {
        return None;
    }
    // What an unknown group holds is not known, so that a glob of its resources may hold some.
    if group.contains('*') {
        return None;
    }
    if group.is_empty() || resource::has_group(group) {
        let of = if group.is_empty() {
            "the core group"
        } else {
            group
        };
        let message = format!("{shown} covers no resource of {of}");
        return Some((message, Some(format!("{of} has {}", held_by(group)))));
    }
    not_a_group(group, |group| format!("{plural}.{group}")).map(|help| no_group(text, group, help))
}

/// Why `plural.group`, which the table does not hold, is no custom resource.
fn not_custom(text: &str, plural: &str, group: &str) -> Option<Wrong> {
    let shown = Excerpt::new(text);
    if let Some((version, of_group)) = group.split_once('.')
        && resource::is_version(version)
    {
        let without = format!("{plural}.{of_group}");
        let help = match not_a_resource(&without) {
            None => Some(format!("write it without its version: `{without}`")),
            Some((_, help)) => help,
        };
        return Some((format!("{shown} names a version, which rules do not"), help));
    }
    if resource::has_group(group) {
        let of_group: Vec<String> = resource::all()
            .filter(|name| name.split_once('.').is_some_and(|(_, of)| of == group))
            .collect();
        let help = nearest(text, of_group.iter().map(String::as_str))
            .unwrap_or_else(|| format!("{group} has {}; `*.{group}` is all of it", held_by(group)));
        return Some((
            format!("{group} has no resource {}", Excerpt::new(plural)),
            Some(help),
        ));
    }
    if !is_dns_label(plural) || !group.split('.').all(is_dns_label) {
        return Some(unknown(text));
    }
    not_a_group(group, |group| {
        let named = format!("{plural}.{group}");
        resource::canonical(&named).unwrap_or(named)
    })
    .map(|help| no_group(text, group, help))
}

/// What was meant by a group that nobody can have defined: custom ones are domains, and one that
/// differs from a known one by two letters is that one, misspelt. The experimental groups of
/// Kubernetes' own projects (`gateway.networking.x-k8s.io`) look like that and are meant.
fn not_a_group(group: &str, with: impl Fn(&str) -> String) -> Option<Option<String>> {
    const MISSPELT: usize = 2;
    let groups: BTreeSet<String> = resource::all()
        .filter_map(|name| Some(name.split_once('.')?.1.to_owned()))
        .collect();
    if groups.contains(group) {
        return None;
    }
    let is_domain = group.contains('.');
    let alike = |known: &&String| {
        is_domain == known.contains('.')
            && known.len().abs_diff(group.len()) <= MISSPELT
            && strsim::osa_distance(known, group) <= MISSPELT
            && !group.ends_with("x-k8s.io")
    };
    match groups.iter().find(alike) {
        Some(known) => Some(Some(format!("did you mean `{}`?", with(known)))),
        None if is_domain => None,
        None => Some(nearest(group, groups.iter().map(String::as_str))),
    }
}

fn no_group(text: &str, group: &str, help: Option<String>) -> Wrong {
    let (shown, group) = (Excerpt::new(text), Excerpt::new(group));
    (
        format!("{shown} is not the canonical name of a resource: there is no group {group}"),
        help,
    )
}

fn unknown(text: &str) -> Wrong {
    let known: Vec<String> = resource::all().collect();
    let message = format!(
        "{} is not the canonical name of a resource",
        Excerpt::new(text)
    );
    (message, nearest(text, known.iter().map(String::as_str)))
}

/// The plurals of a group of the table.
fn held_by(group: &str) -> String {
    let plurals = resource::all().filter_map(|name| match name.split_once('.') {
        Some((plural, of)) => (of == group).then(|| plural.to_owned()),
        None => group.is_empty().then_some(name),
    });
    plurals.collect::<Vec<_>>().join(", ")
}
