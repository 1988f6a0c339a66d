//! A TOML file with spans -> rules. A file whose examples fail does not load.
//!
//! Every name in it has to exist: keys, sets, classes, verbs, flags, resources. A rule that can
//! never match is refused like a wrong name. An error has its place and the nearest known name.

mod examples;
mod flags;
mod loading;
mod scope;
mod verbs;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroU64,
    sync::Arc,
};

use toml::Spanned;

use super::{
    error::{PolicyError, PolicyErrors, PolicyFile, position},
    file::{File, RawRule, Sets},
    lint,
    rule::{Bounds, Callers, Effect, Rule, RuleId},
    rules::{Policy, Rules},
};
use crate::{
    catalogue::{Catalogue, CommandPath},
    tool::{RuleLists, Tool},
    unit::{Bytes, NotASize, go_duration},
};
use loading::{Loading, long_name};

impl Policy {
    /// Loads files; all of them have to allow what is allowed.
    ///
    /// # Errors
    /// [`PolicyErrors`]: the first error of each rule and test.
    pub fn load(files: &[PolicyFile], catalogues: &[Catalogue]) -> Result<Self, PolicyErrors> {
        let mut errors = Vec::new();
        let mut loaded = Vec::new();
        for file in files {
            match (Loading {
                file: Arc::new(file.clone()),
                catalogues,
            }
            .rules())
            {
                Ok(rules) => loaded.push(rules),
                Err(wrong) => errors.extend(wrong),
            }
        }
        if errors.is_empty() {
            Ok(Self { files: loaded })
        } else {
            Err(PolicyErrors(errors))
        }
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

impl Loading<'_> {
    fn rules(&self) -> Result<Rules, Vec<PolicyError>> {
        let file: File = toml::from_str(&self.file.text).map_err(|error| {
            vec![self.error(error.span().unwrap_or_default(), error.message(), None)]
        })?;
        if *file.schema.get_ref() != 1 {
            return Err(vec![self.error(
                file.schema.span(),
                "this server reads policy files of schema 1",
                None,
            )]);
        }
        let mut errors = self.class_names(&file.sets);
        let mut rules: Vec<Rule> = Vec::new();
        for raw in &file.rule {
            match self.rule(raw, &file.sets) {
                Ok(rule) => {
                    if let Some(known) = rules.iter().find(|known| known.id.id == rule.id.id) {
                        let message = format!(
                            "the id `{}` is taken by the rule on line {}",
                            rule.id.id, known.id.line
                        );
                        errors.push(self.error(raw.id.span(), &message, None));
                    }
                    rules.push(rule);
                }
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors); // tests of half a policy would only repeat it
        }
        let by_verb = self.by_verb(&rules);
        let examples = file
            .rule
            .iter()
            .map(|raw| raw.matches.len() + raw.rejects.len())
            .sum::<usize>()
            + file.test.len();
        let mut rules = Rules {
            name: self.file.name.clone(),
            rules,
            by_verb,
            lints: Vec::new(),
            examples,
        };
        for (raw, rule) in file.rule.iter().zip(&rules.rules) {
            errors.extend(self.examples(raw, rule).err());
        }
        errors.extend(
            file.test
                .iter()
                .filter_map(|test| self.test(test, &rules).err()),
        );
        if !errors.is_empty() {
            return Err(errors);
        }
        rules.lints = lint::lints(
            &self.file,
            &rules.rules,
            file.rule.iter().map(|raw| raw.id.span()),
        );
        rules.lints.extend(self.unused_sets(&file));
        Ok(rules)
    }

    /// The places of the rules about each verb of each version.
    fn by_verb(&self, rules: &[Rule]) -> BTreeMap<Tool, HashMap<CommandPath, Vec<usize>>> {
        let mut by_verb: BTreeMap<Tool, HashMap<CommandPath, Vec<usize>>> = BTreeMap::new();
        for catalogue in self.catalogues {
            for node in catalogue.commands() {
                let places = rules.iter().enumerate().filter(|(_, rule)| {
                    rule.tool == catalogue.tool() && rule.verbs.include(&node.path)
                });
                let places: Vec<usize> = places.map(|(place, _)| place).collect();
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

    fn rule(&self, raw: &RawRule, sets: &Sets) -> Result<Rule, PolicyError> {
        let chosen = self.verbs(raw)?;
        let (flags, flag_classes) = self.flags(raw, &chosen, sets)?;
        if raw.effect == Effect::Deny {
            self.only_what_a_deny_rule_has(raw)?;
        }
        let callers = match (&raw.principals, &raw.groups) {
            (None, None) => None,
            (principals, groups) => Some(Callers {
                principals: self.globs(principals.as_ref())?.unwrap_or_default(),
                groups: self.globs(groups.as_ref())?.unwrap_or_default(),
            }),
        };
        let id = raw.id.get_ref().clone();
        if let (Some(charts), true) = (
            &raw.charts,
            raw.tool.spec().lists != RuleLists::NamesAndCharts,
        ) {
            return Err(self.error(charts.span(), "only helm's commands name charts", None));
        }
        let none =
            |most: &Option<Spanned<usize>>| most.as_ref().is_some_and(|most| *most.get_ref() == 0);
        if let (Some(names), true) = (
            raw.names.as_ref().or(raw.charts.as_ref()),
            none(&raw.max_operands) || none(&raw.max_names),
        ) {
            return Err(self.error(
                names.span(),
                "this rule wants a name and accepts none, so it never matches",
                None,
            ));
        }
        let rule = Rule {
            id: RuleId {
                id,
                file: self.file.name.clone(),
                line: position(&self.file.text, raw.id.span().start).0,
            },
            effect: raw.effect,
            reason: raw.reason.clone(),
            hint: raw.hint.clone(),
            tool: raw.tool,
            callers,
            clusters: self.globs_of(
                raw.clusters.as_ref(),
                "cluster names, hosts or host:port",
                |c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.:[]".contains(c),
            )?,
            resources: self.resources(raw, sets)?,
            require: raw
                .require
                .iter()
                .map(|flag| long_name(flag.get_ref()).to_owned())
                .collect(),
            max_operands: raw.max_operands.as_ref().map(|most| *most.get_ref()),
            max_names: raw.max_names.as_ref().map(|most| *most.get_ref()),
            names: self.globs(raw.names.as_ref())?,
            namespaces: self.globs_of(raw.namespaces.as_ref(), "namespaces", |c| {
                c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'
            })?,
            charts: self.globs(raw.charts.as_ref())?,
            after_dash: raw.after_dash,
            inject: self.injected(raw, &flags, &chosen)?,
            bounds: self.bounds(raw)?,
            verbs: chosen.verbs,
            flag_classes,
            flags,
        };
        Ok(rule)
    }

    fn only_what_a_deny_rule_has(&self, raw: &RawRule) -> Result<(), PolicyError> {
        let wrong = [
            raw.require.first().map(|flag| {
                (
                    flag.span(),
                    "`require` makes an allow rule narrower; a deny rule lists `flags`",
                )
            }),
            raw.inject.keys().next().map(|flag| {
                (
                    flag.span(),
                    "a deny rule starts nothing, so it adds no flag",
                )
            }),
            raw.max_operands
                .as_ref()
                .map(|most| (most.span(), "`max_operands` makes an allow rule narrower")),
            raw.max_names
                .as_ref()
                .map(|most| (most.span(), "`max_names` makes an allow rule narrower")),
            raw.timeout.as_ref().map(|timeout| {
                (
                    timeout.span(),
                    "a deny rule starts nothing, so it bounds nothing",
                )
            }),
            raw.max_output.as_ref().map(|most| {
                (
                    most.span(),
                    "a deny rule starts nothing, so it bounds nothing",
                )
            }),
            raw.max_lines.as_ref().map(|most| {
                (
                    most.span(),
                    "a deny rule starts nothing, so it bounds nothing",
                )
            }),
            raw.after_dash
                .then(|| (raw.id.span(), "`after_dash` makes an allow rule wider")),
        ];
        match wrong.into_iter().flatten().next() {
            Some((span, message)) => Err(self.error(span, message, None)),
            None => Ok(()),
        }
    }

    fn bounds(&self, raw: &RawRule) -> Result<Bounds, PolicyError> {
        let timeout = raw.timeout.as_ref().map(|text| {
            go_duration(text.get_ref())
                .filter(|timeout| !timeout.is_zero())
                .ok_or_else(|| {
                    self.error(
                        text.span(),
                        "a timeout is a duration like 30s or 5m, and not 0",
                        None,
                    )
                })
        });
        let max_output_bytes = raw.max_output.as_ref().map(|text| {
            text.get_ref()
                .parse()
                .map(Bytes::length)
                .map_err(|_: NotASize| {
                    self.error(
                        text.span(),
                        "max_output is a size like 64KiB or 1MiB, and not 0",
                        None,
                    )
                })
        });
        let max_lines = raw.max_lines.as_ref().map(|most| {
            NonZeroU64::new(*most.get_ref()).ok_or_else(|| {
                self.error(
                    most.span(),
                    "max_lines is a number of lines, and not 0",
                    None,
                )
            })
        });
        Ok(Bounds {
            timeout: timeout.transpose()?,
            max_output_bytes: max_output_bytes.transpose()?,
            max_lines: max_lines.transpose()?,
        })
    }
}
