//! TOML files with spans -> rules. A file whose examples fail does not load.
//!
//! Every name in a file has to exist: keys, sets, classes, verbs, flags, resources. A rule that can
//! never match is refused like a wrong name. An error has its place and the nearest known name.
//!
//! A file that is included means what it means alone: its rules see its own sets and those of what
//! it includes itself, and its tests are held to those rules, whoever includes it. Held by
//! `include_tests.rs`.

mod details;
mod examples;
mod flags;
mod loading;
mod objects;
mod resources;
mod rule;
mod scope;
mod sets;
mod verbs;

#[cfg(test)]
mod include_tests;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Range,
    sync::Arc,
};

use super::{
    effect::Effect,
    error::{PolicyError, PolicyErrors},
    file::RawFile,
    foot_guns,
    include::{PolicySource, SourceFile},
    known::Known,
    lint,
    rule::Rule,
    rules::{Policy, Rules},
};
use crate::{
    catalogue::{Catalogue, CommandPath},
    tool::Tool,
};
pub use examples::TestFailure;
use loading::Loading;

impl Policy {
    /// Loads policies; all of them have to allow what is allowed.
    ///
    /// # Errors
    /// [`PolicyErrors`]: the first error of each rule and test.
    pub fn load(sources: &[PolicySource], catalogues: &[Catalogue]) -> Result<Self, PolicyErrors> {
        Self::load_for(sources, catalogues, None)
    }

    /// Loads policies for these settings: rules about callers and clusters that they do not `know`
    /// are mistakes too.
    ///
    /// # Errors
    /// [`PolicyErrors`]: the first error of each rule and test.
    pub fn load_for(
        sources: &[PolicySource],
        catalogues: &[Catalogue],
        known: Option<&Known>,
    ) -> Result<Self, PolicyErrors> {
        let (policy, failures) = Self::load_untested(sources, catalogues, known)?;
        match failures.is_empty() {
            true => Ok(policy),
            false => Err(failures.into()),
        }
    }

    /// Loads policies whose examples and tests may fail: to explain why they do, and for nothing else.
    pub(super) fn load_untested(
        sources: &[PolicySource],
        catalogues: &[Catalogue],
        known: Option<&Known>,
    ) -> Result<(Self, Vec<TestFailure>), PolicyErrors> {
        let (mut files, mut failures, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        for source in sources {
            match rules(source, catalogues, known) {
                Ok((rules, failing)) => {
                    files.push(rules);
                    failures.extend(failing);
                }
                Err(wrong) => errors.extend(wrong),
            }
        }
        if errors.is_empty() {
            return Ok((Self { files }, failures));
        }
        errors.extend(failures.into_iter().map(|failure| failure.error));
        Err(PolicyErrors(errors))
    }

    /// How many rules are in force.
    pub fn rules(&self) -> usize {
        self.files.iter().map(|file| file.rules.len()).sum()
    }

    /// How many rules ask a person first.
    pub fn asking_rules(&self) -> usize {
        let rules = self.files.iter().flat_map(|file| &file.rules);
        rules.filter(|rule| rule.effect == Effect::Confirm).count()
    }

    /// How many examples and tests held when the files were loaded.
    pub fn examples(&self) -> usize {
        self.files.iter().map(|file| file.examples).sum()
    }

    /// What the authors of the files should look at again: rules that never apply, sets that
    /// nothing uses.
    pub fn lints(&self) -> impl Iterator<Item = &PolicyError> {
        self.files.iter().flat_map(|file| &file.lints)
    }
}

/// The rules of a file and of all that it includes, and the examples and tests that fail.
fn rules(
    source: &PolicySource,
    catalogues: &[Catalogue],
    known: Option<&Known>,
) -> Result<(Rules, Vec<TestFailure>), Vec<PolicyError>> {
    let raws = raw_files(source)?;
    let mut assembly = Assembly {
        catalogues,
        settings: known,
        parts: Vec::new(),
        rules: Vec::new(),
    };
    let mut errors = Vec::new();
    for (file, raw) in source.files().iter().zip(&raws) {
        errors.extend(assembly.add(file, raw));
    }
    if !errors.is_empty() {
        return Err(errors); // tests of half a policy would only repeat it
    }
    Ok(assembly.tested())
}

/// Each file's TOML, once every entry of `include` has led to a file.
fn raw_files(source: &PolicySource) -> Result<Vec<RawFile>, Vec<PolicyError>> {
    let (mut raws, mut errors) = (Vec::new(), Vec::new());
    for file in source.files() {
        errors.extend(file.unread());
        let wrong = |span, message: &str| PolicyError::new(&file.file, span, message, None);
        match toml::from_str::<RawFile>(&file.file.text) {
            Ok(raw) if *raw.schema.get_ref() != 1 => {
                let message = "this server reads policy files of schema 1";
                errors.push(wrong(raw.schema.span(), message));
            }
            Ok(raw) => raws.push(raw),
            Err(error) => {
                errors.push(PolicyError::of_toml(&file.file, &error));
            }
        }
    }
    if errors.is_empty() {
        Ok(raws)
    } else {
        Err(errors)
    }
}

/// A policy while its files are loaded, what is included before what includes it.
struct Assembly<'a> {
    catalogues: &'a [Catalogue],
    settings: Option<&'a Known>,
    parts: Vec<Part<'a>>,
    /// The rules of all files.
    rules: Vec<Rule>,
}

/// One file of a policy.
struct Part<'a> {
    loading: Loading<'a>,
    raw: &'a RawFile,
    /// Which of all rules stand in the file.
    own: Range<usize>,
    /// Globs of the named clusters that the file opens.
    opened_clusters: Vec<String>,
    /// Which of all rules are the file's, by id: its own, and those of what it includes.
    known: BTreeMap<String, usize>,
}

impl<'a> Assembly<'a> {
    /// Adds a file; what it includes has been added.
    fn add(&mut self, file: &SourceFile, raw: &'a RawFile) -> Vec<PolicyError> {
        let mut part = Part {
            loading: Loading {
                file: Arc::clone(&file.file),
                catalogues: self.catalogues,
                known: self.settings,
                sets: BTreeMap::new(),
            },
            raw,
            own: 0..0,
            opened_clusters: Vec::new(),
            known: BTreeMap::new(),
        };
        let mut errors = Vec::new();
        for (entry, included) in file.included() {
            let Some(included) = self.parts.get(included) else {
                continue;
            };
            let sets = &included.loading.sets;
            errors.extend(part.loading.include_sets(entry.clone(), sets).err());
            errors.extend(self.include_rules(&mut part, entry, included).err());
        }
        errors.extend(part.loading.own_sets(raw));
        match part.loading.open_clusters(raw) {
            Ok(globs) => part.opened_clusters = globs,
            Err(error) => errors.push(error),
        }
        let first = self.rules.len();
        for raw in &raw.rule {
            match part.loading.rule(raw) {
                Ok(rule) => errors.extend(self.own_rule(&mut part, rule, raw.id.span()).err()),
                Err(error) => errors.push(error),
            }
        }
        errors.extend(self.beyond_what_there_is(&part, raw));
        part.own = first..self.rules.len();
        self.parts.push(part);
        errors
    }

    /// Rules that ask about the rest of an allow rule that is not there.
    fn beyond_what_there_is(&self, part: &Part<'_>, raw: &RawFile) -> Vec<PolicyError> {
        let is_allow = |id: &String| {
            let rule = part.known.get(id).and_then(|place| self.rules.get(*place));
            rule.is_some_and(|rule| rule.effect == Effect::Allow)
        };
        let named = raw.rule.iter().filter_map(|raw| raw.beyond.as_ref());
        let wrong = named.filter(|id| !is_allow(id.get_ref()));
        wrong
            .map(|id| {
                let message = format!("there is no allow rule `{}`", id.get_ref());
                part.loading.error(id.span(), &message, None)
            })
            .collect()
    }

    /// Takes the rules of a file that `entry` includes.
    fn include_rules(
        &self,
        part: &mut Part<'_>,
        entry: Range<usize>,
        included: &Part<'_>,
    ) -> Result<(), PolicyError> {
        for (id, place) in &included.known {
            let taken = part.known.insert(id.clone(), *place);
            let taken = taken.filter(|taken| taken != place);
            if let (Some(one), Some(other)) = (
                taken.and_then(|taken| self.rules.get(taken)),
                self.rules.get(*place),
            ) {
                let message = format!(
                    "the id `{id}` stands in {}:{} and in {}:{}",
                    one.id.file, one.id.line, other.id.file, other.id.line
                );
                let help = "include one of them, or give one of the rules another id";
                return Err(part.loading.error(entry, &message, Some(help.into())));
            }
        }
        Ok(())
    }

    /// Takes a rule of the file itself, whose id stands at `place`.
    fn own_rule(
        &mut self,
        part: &mut Part<'_>,
        rule: Rule,
        place: Range<usize>,
    ) -> Result<(), PolicyError> {
        let id = rule.id.id.clone();
        self.rules.push(rule);
        let taken = part.known.insert(id.clone(), self.rules.len() - 1);
        let Some(known) = taken.and_then(|taken| self.rules.get(taken)) else {
            return Ok(());
        };
        let message = format!(
            "the id `{id}` is taken by the rule {}",
            known.id.place_from(&part.loading.file.name)
        );
        Err(part.loading.error(place, &message, None))
    }

    /// The rules, and the examples and tests of each file that fail.
    fn tested(self) -> (Rules, Vec<TestFailure>) {
        let mut rules = Rules {
            name: String::new(),
            by_verb: BTreeMap::new(),
            lints: lints_of(&self.parts, &self.rules, self.catalogues),
            rules: self.rules,
            examples: self.parts.iter().map(|part| part.raw.examples()).sum(),
        };
        let mut failures = Vec::new();
        // The file that was named is the last one: its rules are all.
        for part in &self.parts {
            rules.name.clone_from(&part.loading.file.name);
            for place in part.places() {
                if let Some(rule) = rules.rules.get_mut(place) {
                    rule.opened_clusters
                        .extend(part.opened_clusters.iter().cloned());
                }
            }
            rules.by_verb = by_verb(self.catalogues, &rules.rules, &part.places());
            let own = rules.rules.get(part.own.clone()).unwrap_or_default();
            for (raw, rule) in part.raw.rule.iter().zip(own) {
                failures.extend(
                    part.loading
                        .examples(raw, rule)
                        .err()
                        .map(TestFailure::from),
                );
            }
            let tests = part.raw.test.iter();
            failures.extend(tests.filter_map(|test| part.loading.test(test, &rules).err()));
        }
        (rules, failures)
    }
}

impl Part<'_> {
    /// Which of all rules are the file's, in their order.
    fn places(&self) -> BTreeSet<usize> {
        self.known.values().copied().collect()
    }
}

/// The lints of each file.
fn lints_of(parts: &[Part<'_>], rules: &[Rule], catalogues: &[Catalogue]) -> Vec<PolicyError> {
    let used: BTreeSet<&str> = parts.iter().flat_map(|part| sets::used(part.raw)).collect();
    let mut lints = Vec::new();
    for part in parts {
        let places = part.places();
        let known: Vec<&Rule> = places
            .iter()
            .filter_map(|place| rules.get(*place))
            .collect();
        let own = rules.get(part.own.clone()).unwrap_or_default().iter();
        let own = own.zip(part.raw.rule.iter().map(|raw| raw.id.span()));
        let Loading {
            file,
            known: settings,
            ..
        } = &part.loading;
        let guns = foot_guns::lints(file, own.clone(), catalogues, *settings);
        let of_rules = lint::lints(file, own, &known, catalogues);
        // A rule that never runs lets nothing through.
        let is_new = |gun: &PolicyError| !of_rules.iter().any(|lint| lint.span == gun.span);
        lints.extend(guns.into_iter().filter(is_new));
        lints.extend(of_rules);
        lints.extend(sets::unused(&part.loading.file, part.raw, &used));
    }
    lints
}

/// The places of those of the rules that are about each verb of each version.
fn by_verb(
    catalogues: &[Catalogue],
    rules: &[Rule],
    among: &BTreeSet<usize>,
) -> BTreeMap<Tool, HashMap<CommandPath, Vec<usize>>> {
    let mut by_verb: BTreeMap<Tool, HashMap<CommandPath, Vec<usize>>> = BTreeMap::new();
    for catalogue in catalogues {
        for node in catalogue.commands() {
            let is_about = |place: &usize| {
                rules.get(*place).is_some_and(|rule| {
                    rule.tool == catalogue.tool() && rule.verbs.include(&node.path)
                })
            };
            let places: Vec<usize> = among.iter().copied().filter(is_about).collect();
            if !places.is_empty() {
                by_verb
                    .entry(catalogue.tool())
                    .or_default()
                    .insert(node.path.clone(), places);
            }
        }
    }
    by_verb
}
