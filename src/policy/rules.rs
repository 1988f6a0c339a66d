//! The rules in force, as files say them.

use std::collections::{BTreeMap, HashMap};

use super::{
    error::PolicyError, objects::Objects, resources::Resources, rule::Rule, target::Target,
};
use crate::{
    catalogue::{CommandPath, resource},
    command::Invocation,
    tool::Tool,
};

/// The rules in force. Several files intersect: each of them must allow.
#[derive(Debug)]
pub struct Policy {
    pub(super) files: Vec<Rules>,
}

/// The rules of one file.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) name: String,
    pub(super) rules: Vec<Rule>,
    /// The places of the rules about each verb, in the file's order.
    pub(super) by_verb: BTreeMap<Tool, HashMap<CommandPath, Vec<usize>>>,
    /// What an operator should look at again.
    pub(super) lints: Vec<PolicyError>,
    /// How many examples and tests held when the file was loaded.
    pub(super) examples: usize,
}

impl Policy {
    /// Whether the caller may do anything at all on the cluster: each file has a rule for both.
    pub fn reaches(&self, target: &Target) -> bool {
        !self.files.is_empty()
            && self
                .files
                .iter()
                .all(|file| file.rules.iter().any(|rule| rule.reaches(target)))
    }
}

impl Policy {
    /// The custom resources that rules name in full, which no table holds.
    pub(super) fn customs(&self) -> impl Iterator<Item = &str> {
        let rules = self.files.iter().flat_map(|file| &file.rules);
        let named = rules.flat_map(|rule| {
            let carried = rule.objects.iter().flat_map(Objects::resources);
            rule.resources.iter().chain(carried)
        });
        let entries = named.flat_map(Resources::entries).map(String::as_str);
        entries.filter(|name| !name.contains('*') && !resource::is_canonical(name))
    }

    /// Whether somebody may use the cluster of this name: each file has a rule that opens it.
    pub fn opens(&self, cluster: &str) -> bool {
        let opens = |file: &Rules| file.rules.iter().any(|rule| rule.names_cluster(cluster));
        self.files.iter().all(opens)
    }
}

impl Rules {
    /// The rules about the command's verb, in the file's order.
    pub(super) fn about(&self, invocation: &Invocation) -> impl Iterator<Item = &Rule> {
        let places = self
            .by_verb
            .get(&invocation.tool())
            .and_then(|verbs| verbs.get(invocation.path()));
        places
            .into_iter()
            .flatten()
            .filter_map(|place| self.rules.get(*place))
    }
}
