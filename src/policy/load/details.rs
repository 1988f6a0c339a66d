//! What a rule says about the insides of a command, and when and how often it counts.
//!
//! Comes in: the texts of `pairs`, `selectors`, `projects`, `filters`, `days`, `hours`, `time_zone`
//! and `rate`. Goes out: [`Details`] and a [`RuleRate`], each of which a command of the rule's verbs
//! can meet.

use std::{num::NonZeroU32, time::Duration};

use toml::Spanned;

use super::{
    loading::{Loading, nearest},
    verbs::Chosen,
};
use crate::{
    catalogue::flags_in_scope,
    command::filter_names,
    excerpt::Excerpt,
    glob,
    policy::{
        bounds::RuleRate,
        details::Details,
        effect::Effect,
        error::PolicyError,
        file::{List, RawRule},
        window::{NoWindow, Window},
    },
    tool::{OperandGrammar, ProjectGrammar},
    unit::go_duration,
};

impl Loading<'_> {
    /// What the rule says about the insides of a command.
    pub(super) fn details(
        &self,
        raw: &RawRule,
        chosen: &Chosen<'_>,
    ) -> Result<Details, PolicyError> {
        if let Some(pairs) = &raw.pairs {
            self.can_have(raw, pairs, chosen, "pairs", &has_pairs)?;
        }
        if let Some(selectors) = &raw.selectors {
            if raw.effect == Effect::Deny {
                let message = "the labels of what a command names are not known, so a deny rule cannot be about them";
                let help = "list in an allow rule the selectors that are meant";
                return Err(self.error(selectors.span(), message, Some(help.into())));
            }
            let has_selector = |words: &[&str], chosen: &Chosen<'_>| {
                let with = chosen.flag("selector");
                with.iter().any(|(path, _)| path.words() == words)
            };
            self.can_have(raw, selectors, chosen, "selector", &has_selector)?;
        }
        if let Some(projects) = &raw.projects {
            let has_project = |words: &[&str], _: &Chosen<'_>| {
                let grammar = (raw.tool.spec().projects)(words);
                grammar == ProjectGrammar::Flag
                    || grammar == ProjectGrammar::FirstOperand
                    || grammar == ProjectGrammar::Any && raw.effect == Effect::Deny
            };
            self.can_have(raw, projects, chosen, "project", &has_project)?;
        }
        Ok(Details {
            pairs: self.globs(raw.pairs.as_ref())?,
            selectors: self.globs(raw.selectors.as_ref())?,
            projects: self.globs(raw.projects.as_ref())?,
            filters: self.filters(raw)?,
            window: self.window(raw)?,
        })
    }

    /// Refuses a list about what one of the rule's verbs never has.
    fn can_have(
        &self,
        raw: &RawRule,
        list: &Spanned<List>,
        chosen: &Chosen<'_>,
        what: &str,
        has: &dyn Fn(&[&str], &Chosen<'_>) -> bool,
    ) -> Result<(), PolicyError> {
        let nodes = || chosen.commands.iter().filter_map(|lineage| lineage.last());
        let has = |words: &[String]| {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            has(&words, chosen)
        };
        let without = nodes().find(|node| !has(node.path.words()));
        let Some(node) =
            without.filter(|_| chosen.by_name || !nodes().any(|node| has(node.path.words())))
        else {
            return Ok(());
        };
        let message = format!(
            "`{} {}` has no {what}, so this rule never matches it",
            raw.tool, node.path
        );
        let help = "put the verb into a rule of its own";
        Err(self.error(list.span(), &message, Some(help.into())))
    }

    /// Globs of filters; an empty list accepts none.
    fn filters(&self, raw: &RawRule) -> Result<Option<Vec<String>>, PolicyError> {
        let Some(list) = &raw.filters else {
            return Ok(None);
        };
        if list.get_ref().is_empty() && raw.effect != Effect::Deny {
            return Ok(Some(Vec::new()));
        }
        let names = filter_names();
        let known: Vec<&str> = names.split(", ").collect();
        let covers =
            |glob: &&Spanned<String>| known.iter().any(|name| glob::matches(glob.get_ref(), name));
        if let Some(glob) = list.get_ref().iter().find(|glob| !covers(glob)) {
            let message = format!("there is no filter {}", Excerpt::new(glob.get_ref()));
            let help = nearest(glob.get_ref(), known)
                .unwrap_or_else(|| format!("the filters are {names}"));
            return Err(self.error(glob.span(), &message, Some(help)));
        }
        self.globs(Some(list))
    }

    fn window(&self, raw: &RawRule) -> Result<Option<Window>, PolicyError> {
        let (days, hours) = (raw.days.as_ref(), raw.hours.as_ref());
        let Some(place) = days.map(Spanned::span).or_else(|| hours.map(Spanned::span)) else {
            return match &raw.time_zone {
                Some(zone) => Err(self.error(
                    zone.span(),
                    "a zone without `hours` or `days` says nothing",
                    None,
                )),
                None => Ok(None),
            };
        };
        self.globs(days)?;
        let Some(zone) = &raw.time_zone else {
            let help = "time_zone = \"UTC\", or how far the zone is ahead: \"+01:00\"";
            let message = "the zone of these hours is not said";
            return Err(self.error(place, message, Some(help.into())));
        };
        let texts: Option<Vec<&str>> = days.map(|days| {
            days.get_ref()
                .iter()
                .map(|day| day.get_ref().as_str())
                .collect()
        });
        let hours_text = hours.map(|hours| hours.get_ref().as_str());
        Window::read(texts.as_deref(), hours_text, zone.get_ref())
            .map(Some)
            .map_err(|wrong| match wrong {
                NoWindow::Days(at) => {
                    let day = days.and_then(|days| days.get_ref().get(at));
                    let message =
                        "days are mon, tue, wed, thu, fri, sat, sun, and ranges like mon-fri";
                    self.error(day.map_or(place, Spanned::span), message, None)
                }
                NoWindow::Hours => {
                    let message = "hours are two different times of 24 hours, like 08:00-18:00";
                    self.error(hours.map_or(place, Spanned::span), message, None)
                }
                NoWindow::Zone => {
                    let message = "a zone is UTC, or how far it is ahead, like +01:00";
                    let help = "names of zones are not known here: summer time is not followed";
                    self.error(zone.span(), message, Some(help.into()))
                }
            })
    }

    /// How often one caller may use the rule: `10/1m`.
    pub(super) fn rate(&self, raw: &RawRule) -> Result<Option<RuleRate>, PolicyError> {
        let Some(text) = &raw.rate else {
            return Ok(None);
        };
        let wrong = |message: &str| Err(self.error(text.span(), message, None));
        if raw.effect == Effect::Deny {
            return wrong("a deny rule starts nothing, so it bounds nothing");
        }
        let parts = text.get_ref().split_once('/');
        let calls = parts.and_then(|(calls, _)| calls.parse::<NonZeroU32>().ok());
        let per = parts.and_then(|(_, per)| go_duration(per));
        match (calls, per) {
            (Some(calls), Some(per)) if calls.get() <= MOST_CALLS && RATED.contains(&per) => {
                Ok(Some(RuleRate { calls, per }))
            }
            _ => wrong("a rate is a number of calls up to 1000 and a time up to 24h, like 10/1m"),
        }
    }
}

/// The moment of each call is kept for as long as it counts.
const MOST_CALLS: u32 = 1000;
const RATED: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60);

/// Whether a verb writes pairs: behind its objects, or in a flag.
fn has_pairs(words: &[&str], chosen: &Chosen<'_>) -> bool {
    let mut of_verb = chosen.commands.iter().filter(|lineage| {
        lineage
            .last()
            .is_some_and(|node| node.path.words() == words)
    });
    let in_flag = of_verb.any(|lineage| {
        let mut flags = flags_in_scope(lineage);
        flags.any(|flag| {
            flag.values
                .as_ref()
                .is_some_and(|values| values.pairs || values.image)
        })
    });
    let grammar = (chosen.tool.spec().operands)(words);
    in_flag || matches!(grammar, OperandGrammar::ObjectsAndPairs(_)) || words == ["set", "selector"]
}
