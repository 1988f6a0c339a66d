//! [`Named`]: what the operands of a command name.

use std::collections::BTreeMap;

use crate::{catalogue::CustomResources, command::adjustment::Adjustment, tool::Reach};

/// What the operands of a command name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::command) struct Named {
    /// Canonical resources, sorted, each once.
    pub(in crate::command) resources: Vec<String>,
    /// What is known of those that are custom, by canonical name.
    pub(in crate::command) customs: BTreeMap<String, CustomName>,
    /// Names of objects, releases and applications, without type and namespace.
    pub(in crate::command) names: Vec<String>,
    /// The objects that the operands name, each with its type; all of a type where they name none.
    pub(in crate::command) objects: Vec<NamedObject>,
    /// The objects that flags name: `--from=cronjob/nightly`.
    pub(in crate::command) of_flags: Vec<NamedObject>,
    /// Namespaces inside of operands.
    pub(in crate::command) namespaces: Vec<String>,
    /// Whether it looks into the context's namespace beside those.
    pub(in crate::command) beside_context: bool,
    /// Pairs that the command writes: `KEY=VALUE`, or `KEY-` for one that it removes.
    pub(in crate::command) pairs: Vec<String>,
    /// Charts that the command reads.
    pub(in crate::command) charts: Vec<String>,
    /// Whether it reaches every namespace, or what lies outside of them, whatever it names.
    pub(in crate::command) everywhere: bool,
    /// What is read as something else.
    pub(in crate::command) changes: Vec<Adjustment>,
}

/// One object that a command names, or all of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedObject {
    /// The canonical resource.
    pub resource: String,
    /// The object's name; none where the command names the type alone.
    pub name: Option<String>,
}

/// What is known of custom resources when a command is read.
#[derive(Clone, Copy)]
pub(in crate::command) enum Customs<'a> {
    /// Whatever no table holds is taken for one, to find out whether a cluster is to be asked.
    Assumed,
    /// All that a cluster has.
    Known(&'a CustomResources),
    /// None: one is named with its version and group.
    Unknown,
}

/// What is known of a custom resource that a command names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::command) enum CustomName {
    /// Nothing: it is whatever the cluster calls so.
    Assumed,
    /// It is the cluster's own plural of it.
    Found {
        /// Whether its objects live in namespaces.
        is_namespaced: bool,
    },
}

impl Named {
    /// Notes an object of `resource`, or all of them.
    pub(super) fn object(&mut self, resource: &str, name: Option<&str>) {
        self.objects.push(NamedObject {
            resource: resource.to_owned(),
            name: name.map(str::to_owned),
        });
    }

    pub(super) fn reach(&mut self, reach: Reach) {
        match reach {
            Reach::Everywhere => self.everywhere = true,
            Reach::Into(namespace) => {
                self.namespaces.push(namespace.to_owned());
                self.beside_context = true;
            }
            Reach::Named => {}
        }
    }
}
