//! The narrowest rule that allows a command, and rules of several commands as one:
//! [`NarrowRule::of`], [`merged`].
//!
//! Comes in: a command and who sent it where. Goes out: a rule as a file writes it. Two rules become
//! one only where they differ in a single list, because the union of two lists in each of two keys
//! would allow what nobody sent.
//!
//! Held by the tests below and by `tests/cli/suggest.rs`, which replays what is suggested.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
};

use serde::Serialize;

use super::{effect::Effect, target::Target};
use crate::{
    command::{Invocation, Namespaces},
    tool::Tool,
};

/// A rule that allows one command, or several that differ in one list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NarrowRule {
    pub(super) tool: Tool,
    pub(super) verb: String,
    principals: NameSet,
    groups: NameSet,
    clusters: NameSet,
    resources: NameSet,
    namespaces: NameSet,
    names: NameSet,
    charts: NameSet,
    /// What it writes as `KEY=VALUE`, where all of it can be seen.
    pairs: NameSet,
    /// Of Argo CD's projects, those that it names.
    projects: NameSet,
    /// Every flag that the commands have, each with its values.
    values: BTreeMap<String, NameSet>,
    /// Those without which it would be another command.
    require: NameSet,
    max_names: usize,
    max_operands: usize,
    after_dash: bool,
}

/// What one key of a rule lists; empty for a key that is left out.
type NameSet = BTreeSet<String>;

/// By what a suggested rule knows who may send its commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallersBy {
    /// The groups of who sent them; the principal where there are none.
    Group,
    /// Who sent them.
    #[default]
    Principal,
}

/// The flags that no rule has to accept: the namespace is a key of its own.
const COMMON: [&str; 2] = ["help", "namespace"];

impl NarrowRule {
    /// The rule about this command. Where it is not known who sent it, everybody may.
    pub(super) fn of(invocation: &Invocation, target: &Target, callers: Option<CallersBy>) -> Self {
        let flags = invocation.flags().iter();
        let flags = flags.filter(|(name, _)| !COMMON.contains(&name.as_str()));
        let long = |name: &String| format!("--{name}");
        // A rule cannot require a flag to be false.
        let is_set = |values: &Vec<String>| values.iter().any(|value| value != "false");
        let by_group = callers == Some(CallersBy::Group) && !target.groups.is_empty();
        let principal = callers
            .filter(|_| !by_group)
            .map(|_| target.principal.clone());
        let groups = target.groups.iter().filter(|_| by_group).cloned();
        let is_local = invocation.is_offline();
        let cluster = target.cluster.first().filter(|_| !is_local).cloned();
        Self {
            tool: invocation.tool(),
            verb: invocation.path().to_string(),
            principals: principal.into_iter().collect(),
            groups: groups.collect(),
            clusters: cluster.into_iter().collect(),
            resources: invocation.resources().iter().cloned().collect(),
            namespaces: match invocation.namespaces(&target.namespace) {
                _ if is_local => NameSet::new(),
                Namespaces::All => NameSet::from(["*".to_owned()]),
                Namespaces::These(these) => these.into_iter().map(str::to_owned).collect(),
            },
            names: invocation.names().iter().cloned().collect(),
            charts: invocation.charts().iter().cloned().collect(),
            pairs: match invocation.hides_pairs() {
                true => NameSet::new(),
                false => invocation.pairs().into_iter().collect(),
            },
            projects: invocation.projects().into_iter().collect(),
            values: flags
                .clone()
                .map(|(name, values)| (long(name), values.iter().cloned().collect()))
                .collect(),
            require: flags
                .filter(|(_, values)| is_set(values))
                .map(|(name, _)| long(name))
                .collect(),
            max_names: invocation.names().len(),
            max_operands: invocation.operands().len(),
            after_dash: invocation.after_dash().is_some(),
        }
    }

    /// The rule as a file writes it, with the commands that it has to match.
    ///
    /// # Errors
    /// A fault of ours: it is no TOML.
    pub(super) fn toml(&self, id: &str, matches: &[String]) -> Result<String, toml::ser::Error> {
        let is_about_objects = !self.resources.is_empty() || !self.names.is_empty();
        toml::to_string_pretty(&Written {
            rule: [WrittenRule {
                id,
                effect: Effect::Allow,
                reason: "say why this is allowed",
                tool: self.tool,
                verbs: [&self.verb],
                principals: &self.principals,
                groups: &self.groups,
                clusters: &self.clusters,
                resources: &self.resources,
                namespaces: &self.namespaces,
                names: &self.names,
                max_names: is_about_objects.then_some(self.max_names),
                charts: &self.charts,
                pairs: &self.pairs,
                projects: &self.projects,
                require: &self.require,
                max_operands: self.max_operands,
                after_dash: self.after_dash,
                matches,
                values: &self.values,
            }],
        })
    }

    /// The list of this key.
    fn list(&mut self, key: &Key) -> Option<&mut NameSet> {
        Some(match key {
            Key::Charts => &mut self.charts,
            Key::Clusters => &mut self.clusters,
            Key::Groups => &mut self.groups,
            Key::Names => &mut self.names,
            Key::Namespaces => &mut self.namespaces,
            Key::Pairs => &mut self.pairs,
            Key::Principals => &mut self.principals,
            Key::Projects => &mut self.projects,
            Key::Resources => &mut self.resources,
            Key::Value(flag) => return self.values.get_mut(flag),
        })
    }
}

/// A key of a rule that is a list.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Charts,
    Clusters,
    Groups,
    Names,
    Namespaces,
    Pairs,
    Principals,
    Projects,
    Resources,
    Value(String),
}

/// The same commands by fewer rules, each with what it was `of`.
pub(super) fn merged<T>(rules: Vec<(NarrowRule, T)>) -> Vec<(NarrowRule, Vec<T>)> {
    let mut known: BTreeMap<NarrowRule, Vec<T>> = BTreeMap::new();
    for (rule, of) in rules {
        known.entry(rule).or_default().push(of);
    }
    let flags: BTreeSet<Key> = known
        .keys()
        .flat_map(|rule| rule.values.keys().cloned().map(Key::Value))
        .collect();
    let lists = [
        Key::Names,
        Key::Namespaces,
        Key::Principals,
        Key::Groups,
        Key::Clusters,
        Key::Charts,
        Key::Pairs,
        Key::Projects,
        Key::Resources,
    ];
    loop {
        let before = known.len();
        for key in lists.iter().chain(&flags) {
            known = merged_in(known, key);
        }
        if known.len() == before {
            return known.into_iter().collect();
        }
    }
}

/// One rule for all that differ in this list alone.
fn merged_in<T>(rules: BTreeMap<NarrowRule, Vec<T>>, key: &Key) -> BTreeMap<NarrowRule, Vec<T>> {
    // A key that is left out is another rule than one that lists something.
    let mut alike: BTreeMap<(bool, NarrowRule), (NameSet, Vec<T>)> = BTreeMap::new();
    for (mut rule, of) in rules {
        let own = rule.list(key).map(mem::take).unwrap_or_default();
        let (names, all) = alike.entry((own.is_empty(), rule)).or_default();
        names.extend(own);
        all.extend(of);
    }
    let with_list = |((_, mut rule), (names, all)): ((bool, NarrowRule), (NameSet, Vec<T>))| {
        if let Some(list) = rule.list(key) {
            *list = names;
        }
        (rule, all)
    };
    alike.into_iter().map(with_list).collect()
}

#[derive(Serialize)]
struct Written<'a> {
    rule: [WrittenRule<'a>; 1],
}

/// A rule as it is written.
#[derive(Serialize)]
struct WrittenRule<'a> {
    id: &'a str,
    effect: Effect,
    reason: &'a str,
    tool: Tool,
    verbs: [&'a str; 1],
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    principals: &'a NameSet,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    groups: &'a NameSet,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    clusters: &'a NameSet,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    resources: &'a NameSet,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    namespaces: &'a NameSet,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    names: &'a NameSet,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_names: Option<usize>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    charts: &'a NameSet,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pairs: &'a NameSet,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    projects: &'a NameSet,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    require: &'a NameSet,
    max_operands: usize,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    after_dash: bool,
    matches: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    values: &'a BTreeMap<String, NameSet>,
}
