//! Sets: which a file may name, and which nobody does.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use toml::Spanned;

use super::{
    flags::flag_class,
    loading::{KnownSet, Loading},
};
use crate::policy::{
    error::{PolicyError, PolicyFile},
    file::{Names, RawFile},
};

impl Loading<'_> {
    /// Takes the sets of a file that `entry` includes.
    ///
    /// # Errors
    /// A name that two files have: which of them is meant would depend on their order.
    pub(super) fn include_sets(
        &mut self,
        entry: Range<usize>,
        included: &BTreeMap<String, KnownSet>,
    ) -> Result<(), PolicyError> {
        for (name, set) in included {
            match self.sets.get(name) {
                Some(known) if !Arc::ptr_eq(&known.of, &set.of) => {
                    let message = format!(
                        "the set `{name}` stands in {} and in {}",
                        known.of.name, set.of.name
                    );
                    let help = "include one of them, or give one of the sets another name";
                    return Err(self.error(entry, &message, Some(help.into())));
                }
                Some(_) => {}
                None => drop(self.sets.insert(name.clone(), set.clone())),
            }
        }
        Ok(())
    }

    /// Takes the file's own sets. A set may not hide a class, nor a set that is included.
    pub(super) fn own_sets(&mut self, file: &RawFile) -> Vec<PolicyError> {
        let mut errors = Vec::new();
        for (name, names) in &file.sets {
            let hides = match self.sets.get(name) {
                Some(known) => Some(format!("the set `{name}` stands in {} too", known.of.name)),
                None => {
                    flag_class(name).map(|_| format!("`{name}` is the name of a class of flags"))
                }
            };
            if let Some(message) = hides {
                let help = Some("call the set something else".into());
                errors.push(self.error(place_of(name, &self.file), &message, help));
            }
            let set = KnownSet {
                of: Arc::clone(&self.file),
                names: names.clone(),
            };
            self.sets.insert(name.clone(), set);
        }
        errors
    }
}

/// The sets that the rules of a file name.
pub(super) fn used(file: &RawFile) -> BTreeSet<&str> {
    let mut used = BTreeSet::new();
    for raw in &file.rule {
        let flags = raw.flags.iter();
        used.extend(flags.filter_map(|flag| flag.get_ref().strip_prefix('@')));
        let carried = raw.objects.iter().map(|entry| entry.resources.as_ref());
        for listed in carried.chain([raw.resources.as_ref()]) {
            match listed.map(Spanned::get_ref) {
                Some(Names::Set(set)) => drop(used.insert(set.strip_prefix('@').unwrap_or(set))),
                Some(Names::List(list)) => used.extend(
                    list.iter()
                        .filter_map(|name| name.get_ref().strip_prefix('@')),
                ),
                None => {}
            }
        }
    }
    used
}

/// The sets of a file that are not among the `used` ones.
pub(super) fn unused(
    file: &Arc<PolicyFile>,
    raw: &RawFile,
    used: &BTreeSet<&str>,
) -> Vec<PolicyError> {
    let unused = raw.sets.keys().filter(|name| !used.contains(name.as_str()));
    unused
        .map(|name| {
            let message = format!("no rule uses the set `{name}`");
            PolicyError::new(file, place_of(name, file), message, None)
        })
        .collect()
}

/// Where a set is named: toml gives keys of a map no place.
fn place_of(name: &str, file: &PolicyFile) -> Range<usize> {
    let sets = file.text.find("[sets]").unwrap_or_default();
    let at = file
        .text
        .get(sets..)
        .and_then(|rest| rest.find(&format!("\n{name}")))
        .map_or(sets, |at| sets + at + 1);
    at..at + name.len()
}
