//! What a rule says about the insides of a command: the pairs and images that it writes, what its
//! selector requires, whose applications it means, what stands behind its `|`, and when it may run.
//!
//! Comes in: [`Facts`]. Goes out: for an allow rule, whether all of it is listed; for a deny rule,
//! whether any of it may be. What a command does not show counts as anything for a deny rule and as
//! nothing for an allow rule. Held by `details_are_judged` and the fuzz target `monotonic`.

use super::{facts::Facts, mismatch::Mismatch, window::Window};
use crate::glob;

/// Lists of globs; one that is absent accepts anything.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Details {
    /// Of `KEY=VALUE`, `KEY` and `KEY-`.
    pub(super) pairs: Option<Vec<String>>,
    /// Of the requirements of a label selector.
    pub(super) selectors: Option<Vec<String>>,
    /// Of Argo CD's projects.
    pub(super) projects: Option<Vec<String>>,
    /// Of the names of filters.
    pub(super) filters: Option<Vec<String>>,
    /// When the rule counts.
    pub(super) window: Option<Window>,
}

impl Details {
    /// Whether the rule is about less than all commands of its verbs.
    pub(super) fn narrow(&self) -> bool {
        let lists = [&self.pairs, &self.selectors, &self.projects, &self.filters];
        self.window.is_some() || lists.iter().any(|list| list.is_some())
    }

    /// Whether every one of a command's details is listed; else the first that is not. Help has
    /// none but its filters.
    pub(super) fn accept<'a>(&'a self, facts: Facts<'a>) -> Result<(), Mismatch<'a>> {
        if let Some(allowed) = &self.filters {
            let mut names = facts.filters.iter().map(|filter| filter.name());
            if let Some(filter) = names.find(|name| !one_of(allowed, name)) {
                return Err(Mismatch::Filter { filter, allowed });
            }
        }
        if facts.invocation.is_help() {
            return Ok(());
        }
        self.accept_pairs(facts)?;
        self.accept_selection(facts)?;
        match &self.window {
            Some(window) if !facts.now.is_some_and(|now| window.is_open_at(now)) => {
                Err(Mismatch::Window { window })
            }
            _ => Ok(()),
        }
    }

    fn accept_pairs<'a>(&'a self, facts: Facts<'a>) -> Result<(), Mismatch<'a>> {
        let Some(allowed) = &self.pairs else {
            return Ok(());
        };
        let pairs = facts.invocation.pairs();
        let is_other = |pair: &&String| !allowed.iter().any(|glob| is_pair(glob, pair));
        if pairs.is_empty() || facts.invocation.hides_pairs() {
            return Err(Mismatch::NoPair { allowed });
        }
        match pairs.iter().find(is_other) {
            Some(pair) => Err(Mismatch::Pair {
                pair: pair.clone(),
                allowed,
            }),
            None => Ok(()),
        }
    }

    /// The labels and projects of what is selected.
    fn accept_selection<'a>(&'a self, facts: Facts<'a>) -> Result<(), Mismatch<'a>> {
        let invocation = facts.invocation;
        if let Some(allowed) = &self.selectors {
            // Requirements narrow each other, so that one of them is enough.
            let selector = invocation.flag("selector").unwrap_or_default();
            let is_required = requirements(selector)
                .iter()
                .any(|requirement| one_of(allowed, requirement));
            if !is_required || !invocation.names().is_empty() {
                return Err(Mismatch::Selector { allowed });
            }
        }
        if let Some(allowed) = &self.projects {
            let projects = invocation.projects();
            let is_listed = !projects.is_empty() && projects.iter().all(|of| one_of(allowed, of));
            if invocation.reaches_any_project() || !is_listed {
                return Err(Mismatch::Project { allowed });
            }
        }
        Ok(())
    }

    /// Whether the command may hold one of what each list names. A selector is no bound here: the
    /// labels of what a command names are not known, so that a rule that denies lists none.
    pub(super) fn touch(&self, facts: Facts<'_>) -> bool {
        let invocation = facts.invocation;
        let has_pair = |globs: &Vec<String>| {
            let pairs = invocation.pairs();
            let mut spellings = pairs.iter().flat_map(|pair| spellings(pair));
            invocation.hides_pairs()
                || spellings.any(|pair| globs.iter().any(|glob| is_pair(glob, &pair)))
        };
        let has_project = |globs: &Vec<String>| {
            invocation.reaches_any_project()
                || invocation.projects().iter().any(|of| one_of(globs, of))
        };
        let has_filter = |globs: &Vec<String>| {
            let mut filters = facts.filters.iter();
            filters.any(|filter| one_of(globs, filter.name()))
        };
        let open = |window: &Window| facts.now.is_none_or(|now| window.is_open_at(now));
        self.pairs.as_ref().is_none_or(has_pair)
            && self.projects.as_ref().is_none_or(has_project)
            && self.filters.as_ref().is_none_or(has_filter)
            && self.window.as_ref().is_none_or(open)
    }
}

fn one_of(globs: &[String], value: &str) -> bool {
    globs.iter().any(|glob| glob::matches(glob, value))
}

/// Whether a glob covers a pair: key and value apart, so that no `*` reaches over the first `=`. A
/// glob without one is about the key, whatever becomes of it.
fn is_pair(glob: &str, pair: &str) -> bool {
    let parts = |text: &str| {
        let parts = text.split_once('=');
        parts.map(|(key, value)| (key.to_owned(), value.to_owned()))
    };
    match (parts(glob), parts(pair)) {
        (Some((key, value)), Some((of_key, of_value))) => {
            glob::matches(&key, &of_key) && glob::matches(&value, &of_value)
        }
        (None, Some((of_key, _))) => glob::matches(glob, &of_key),
        (None, None) => {
            glob::matches(glob, pair)
                || pair
                    .strip_suffix('-')
                    .is_some_and(|key| glob::matches(glob, key))
        }
        (Some(_), None) => false,
    }
}

/// A pair, and one that is removed as the empty one that it becomes.
fn spellings(pair: &str) -> impl Iterator<Item = String> + use<> {
    let emptied = (!pair.contains('='))
        .then(|| pair.strip_suffix('-').map(|key| format!("{key}=")))
        .flatten();
    std::iter::once(pair.to_owned()).chain(emptied)
}

/// The requirements of a label selector, `==` as `=`; `in (a,b)` is one.
fn requirements(selector: &str) -> Vec<String> {
    let mut depth = 0_usize;
    let parted = selector.split(|character| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    });
    parted
        .map(|requirement| requirement.trim().replace("==", "="))
        .filter(|requirement| !requirement.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_of_a_pair_stays_on_its_side() {
        for (glob, pair, expected) in [
            ("*=registry.corp/*", "app=registry.corp/x:1", true),
            (
                "*=registry.corp/*",
                "app=evil.example/a=registry.corp/x",
                false,
            ),
            ("*LEVEL=*", "LD_PRELOAD=/x;LEVEL=debug", false),
            ("LD_*", "LD_PRELOAD=/x", true),
            ("note", "note-", true),
            ("note=*", "note-", false),
            ("note-", "note-", true),
        ] {
            assert_eq!(is_pair(glob, pair), expected, "{glob} {pair}");
        }
        let all: Vec<String> = spellings("note-").collect();
        assert_eq!(all, ["note-", "note="]);
    }

    #[test]
    fn requirements_are_parted_outside_of_brackets() {
        assert_eq!(
            requirements("team==web, tier in (front,back),!old"),
            ["team=web", "tier in (front,back)", "!old"]
        );
        assert!(requirements("").is_empty());
    }
}
