//! [`SeenNames`]: the names that earlier answers of a call had, as far as a sentence asks for them.

use std::collections::{BTreeMap, BTreeSet};

use super::release::ReleaseObject;
use crate::api_request::ResourcePath;

/// ObjectNames by resource: `NAMESPACE/NAME`, or `/NAME` outside of namespaces.
#[derive(Debug, Default)]
pub(super) struct SeenNames {
    names: BTreeMap<String, BTreeSet<Box<str>>>,
    count: usize,
    /// What a release holds.
    held: BTreeSet<ReleaseObject>,
}

/// What is kept of one call, some 4 MiB: `delete pods --all` of a namespace has fewer.
const MOST_NAMES: usize = 50_000;

/// What is kept of a release: one is at most 1 MiB (helm stores it in a Secret), compressed.
const MOST_HELD: usize = 10_000;

impl SeenNames {
    /// Keeps names of these resources, and of no other.
    pub(super) fn of(resources: impl Iterator<Item = String>) -> Self {
        Self {
            names: resources
                .map(|resource| (resource, BTreeSet::new()))
                .collect(),
            count: 0,
            held: BTreeSet::new(),
        }
    }

    pub(super) fn learn<'n>(
        &mut self,
        resource: &str,
        names: impl Iterator<Item = (Option<&'n str>, &'n str)>,
    ) {
        let Some(known) = self.names.get_mut(resource) else {
            return;
        };
        for (namespace, name) in names {
            if self.count >= MOST_NAMES {
                return;
            }
            if known.insert(key(namespace, name).into()) {
                self.count = self.count.saturating_add(1);
            }
        }
    }

    /// Keeps the objects of a release.
    pub(super) fn hold(&mut self, objects: impl IntoIterator<Item = ReleaseObject>) {
        let room = MOST_HELD.saturating_sub(self.held.len());
        self.held.extend(objects.into_iter().take(room));
    }

    /// Whether a release holds the object of this path, or one in its collection: among its hooks,
    /// or among what it consists of.
    pub(super) fn holds(&self, path: &ResourcePath, are_hooks: bool) -> bool {
        let resource = path.qualified();
        let namespace = path.within();
        self.held.iter().any(|object| {
            let is_there = object.namespace.as_deref() == namespace
                && object.resource.is(&resource)
                && object.is_hook == are_hooks;
            is_there && path.name.as_ref().is_none_or(|asked| *asked == object.name)
        })
    }

    /// Whether a release has a hook of this name.
    pub(super) fn has_hook(&self, name: &str) -> bool {
        let mut held = self.held.iter();
        held.any(|object| object.is_hook && object.name == name)
    }

    /// Whether names of this resource are kept.
    pub(super) fn wants(&self, resource: &str) -> bool {
        self.names.contains_key(resource)
    }

    /// Whether an answer named this object.
    pub(super) fn has(&self, resource: &str, namespace: Option<&str>, name: &str) -> bool {
        let known = self.names.get(resource);
        known.is_some_and(|known| known.contains(key(namespace, name).as_str()))
    }

    /// Whether an answer named an object so, in any namespace.
    pub(super) fn has_anywhere(&self, resource: &str, name: &str) -> bool {
        let mut known = self.names.get(resource).into_iter().flatten();
        known.any(|key| key.rsplit('/').next() == Some(name))
    }

    /// Whether answers had more names than are kept.
    pub(super) fn is_full(&self) -> bool {
        self.count >= MOST_NAMES
    }
}

fn key(namespace: Option<&str>, name: &str) -> String {
    format!("{}/{name}", namespace.unwrap_or_default())
}
