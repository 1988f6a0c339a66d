//! What a rule is about besides its verbs and flags: resources, names, namespaces, callers, clusters.

use std::{collections::BTreeSet, ops::Range};

use toml::Spanned;

use super::{
    flags::flag_class,
    loading::{Loading, nearest},
};
use crate::{
    catalogue::resource,
    excerpt::Excerpt,
    policy::{
        error::PolicyError,
        file::{File, List, Names, RawRule, Sets},
    },
    tool::RuleLists,
};

impl Loading<'_> {
    /// A list of globs; an empty one matches nothing, which nobody means.
    pub(super) fn globs(
        &self,
        list: Option<&Spanned<List>>,
    ) -> Result<Option<Vec<String>>, PolicyError> {
        let Some(spanned) = list else { return Ok(None) };
        if spanned.get_ref().is_empty() {
            return Err(self.error(
                spanned.span(),
                "an empty list matches nothing, so this rule never matches",
                Some("leave the key out to match everything".into()),
            ));
        }
        if let Some(glob) = spanned
            .get_ref()
            .iter()
            .find(|glob| glob.get_ref().is_empty())
        {
            return Err(self.error(glob.span(), "an empty text matches nothing", None));
        }
        Ok(Some(
            spanned
                .get_ref()
                .iter()
                .map(|glob| glob.get_ref().clone())
                .collect(),
        ))
    }

    /// Globs whose characters can occur in what they are matched with.
    pub(super) fn globs_of(
        &self,
        list: Option<&Spanned<List>>,
        what: &str,
        may_hold: fn(char) -> bool,
    ) -> Result<Option<Vec<String>>, PolicyError> {
        let wrong = list
            .into_iter()
            .flat_map(Spanned::get_ref)
            .find(|glob| !glob.get_ref().chars().all(|c| c == '*' || may_hold(c)));
        match wrong {
            Some(glob) => Err(self.error(
                glob.span(),
                &format!(
                    "{} is no glob of {what}, so it never matches",
                    Excerpt::new(glob.get_ref())
                ),
                None,
            )),
            None => self.globs(list),
        }
    }

    pub(super) fn resources(
        &self,
        raw: &RawRule,
        sets: &Sets,
    ) -> Result<Option<Vec<String>>, PolicyError> {
        let Some(spanned) = &raw.resources else {
            return Ok(None);
        };
        if raw.tool.spec().lists != RuleLists::NamesAndResources {
            return Err(self.error(
                spanned.span(),
                "only kubectl's commands name resources",
                None,
            ));
        }
        let of_set = |name: &str, span: Range<usize>| {
            let message = format!("there is no set {}", Excerpt::new(name));
            sets.get(name).ok_or_else(|| {
                self.error(
                    span,
                    &message,
                    nearest(name, sets.keys().map(String::as_str)),
                )
            })
        };
        let mut names: Vec<&Spanned<String>> = Vec::new();
        match spanned.get_ref() {
            Names::Set(set) => names.extend(of_set(
                set.strip_prefix('@').unwrap_or(set),
                spanned.span(),
            )?),
            Names::List(list) => {
                for name in list {
                    match name.get_ref().strip_prefix('@') {
                        Some(set) => names.extend(of_set(set, name.span())?),
                        None => names.push(name),
                    }
                }
            }
        }
        if names.is_empty() {
            return Err(self.error(
                spanned.span(),
                "an empty list matches nothing, so this rule never matches",
                None,
            ));
        }
        for name in &names {
            let custom = name
                .get_ref()
                .split_once('.')
                .is_some_and(|(_, group)| group.contains('.'));
            if !resource::is_canonical(name.get_ref()) && !custom {
                let known: Vec<String> = resource::all().collect();
                let help = resource::canonical(name.get_ref())
                    .map(|canonical| format!("its canonical name is `{canonical}`"))
                    .or_else(|| nearest(name.get_ref(), known.iter().map(String::as_str)));
                let message = format!(
                    "{} is not the canonical name of a resource",
                    Excerpt::new(name.get_ref())
                );
                return Err(self.error(name.span(), &message, help));
            }
        }
        Ok(Some(
            names
                .into_iter()
                .map(|name| name.get_ref().clone())
                .collect(),
        ))
    }

    /// Sets that hide a class.
    pub(super) fn class_names(&self, sets: &Sets) -> Vec<PolicyError> {
        let hides = |name: &&String| flag_class(name).is_some();
        let hidden = sets.keys().filter(hides);
        hidden
            .map(|name| {
                self.error(
                    self.place_of_set(name),
                    &format!("`{name}` is the name of a class of flags"),
                    Some("call the set something else".into()),
                )
            })
            .collect()
    }

    pub(super) fn unused_sets(&self, file: &File) -> Vec<PolicyError> {
        let mut used: BTreeSet<&str> = BTreeSet::new();
        for raw in &file.rule {
            used.extend(
                raw.flags
                    .iter()
                    .filter_map(|flag| flag.get_ref().strip_prefix('@')),
            );
            match raw.resources.as_ref().map(Spanned::get_ref) {
                Some(Names::Set(set)) => drop(used.insert(set.strip_prefix('@').unwrap_or(set))),
                Some(Names::List(list)) => used.extend(
                    list.iter()
                        .filter_map(|name| name.get_ref().strip_prefix('@')),
                ),
                None => {}
            }
        }
        let unused = file
            .sets
            .keys()
            .filter(|name| !used.contains(name.as_str()));
        unused
            .map(|name| {
                self.error(
                    self.place_of_set(name),
                    &format!("no rule uses the set `{name}`"),
                    None,
                )
            })
            .collect()
    }

    /// Where a set is named: toml gives keys of a map no place.
    pub(super) fn place_of_set(&self, name: &str) -> Range<usize> {
        let sets = self.file.text.find("[sets]").unwrap_or_default();
        let at = self
            .file
            .text
            .get(sets..)
            .and_then(|rest| rest.find(&format!("\n{name}")))
            .map_or(sets, |at| sets + at + 1);
        at..at + name.len()
    }
}
