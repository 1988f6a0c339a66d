//! The resources that a rule lists: canonical names, and globs of them.
//!
//! Comes in: names that `load/resources.rs` has read. Goes out: whether a rule lists what a command
//! names, and whether it may mean it. A glob's plural and its group are held apart, so that a `*`
//! never reaches over the first dot: `*.apps` is every resource of that group, `pod*` is of the
//! core group alone.

use std::collections::HashSet;

use crate::{catalogue::resource, glob};

/// What a rule lists, at least one entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Resources {
    entries: Vec<String>,
    /// Those that are no globs: a rule may name hundreds, and each command is held against them.
    names: HashSet<String>,
    globs: Vec<String>,
}

impl Resources {
    pub(super) fn new(entries: Vec<String>) -> Self {
        let is_glob = |entry: &&String| entry.contains('*');
        let (globs, names): (Vec<&String>, Vec<&String>) = entries.iter().partition(is_glob);
        Self {
            names: names.into_iter().cloned().collect(),
            globs: globs.into_iter().cloned().collect(),
            entries,
        }
    }

    /// The entries, as they are written.
    pub(super) fn entries(&self) -> &[String] {
        &self.entries
    }

    /// Whether the resource of this canonical name is listed.
    pub(super) fn list(&self, name: &str) -> bool {
        self.names.contains(name) || self.globs.iter().any(|glob| is_listed(glob, name))
    }

    /// Whether a command that names `name` may mean something that is listed. A custom resource may
    /// stand there under its singular or short name, which no table knows: it counts as every
    /// resource of its group.
    pub(super) fn may_mean(&self, name: &str) -> bool {
        let is_in_group = |entry: &String| {
            let groups = group_of(entry).zip(group_of(name));
            groups.is_some_and(|(entry, group)| glob::matches(entry, group))
        };
        self.list(name) || !resource::is_canonical(name) && self.entries.iter().any(is_in_group)
    }

    /// Whether every resource that `others` lists is listed here too.
    pub(super) fn include(&self, others: &Self) -> bool {
        others.entries.iter().all(|name| self.list(name))
    }
}

/// Whether `entry`, a canonical name or a glob of such, is or covers `name`. `*.istio.io`, which is
/// no group of the table, is everything of the groups below it too; `*.authorization.k8s.io` is one,
/// and has nothing of `rbac.authorization.k8s.io`.
pub(super) fn is_listed(entry: &str, name: &str) -> bool {
    match (entry.split_once('.'), name.split_once('.')) {
        (Some((plural, group)), Some((of_plural, of_group))) => {
            let is_below = || {
                let above = of_group
                    .strip_suffix(group)
                    .and_then(|rest| rest.strip_suffix('.'));
                plural == "*" && above.is_some() && !resource::has_group(group)
            };
            glob::matches(plural, of_plural) && (glob::matches(group, of_group) || is_below())
        }
        (None, None) => glob::matches(entry, name),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn group_of(name: &str) -> Option<&str> {
    name.split_once('.').map(|(_, group)| group)
}
