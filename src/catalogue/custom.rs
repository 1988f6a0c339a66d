//! The custom resources that one cluster has, and which of them a word means: [`CustomResources`].
//!
//! Comes in: what `kubectl api-resources -o json` printed of a cluster, which is hostile text: an
//! API server says what it likes, and whoever may make a CustomResourceDefinition chooses its
//! names. Goes out: for a word that the table of `resource.rs` does not hold, one resource of one
//! custom group, or all that claim it. Whatever was read, a word of the table stays what it is
//! there, and none becomes a resource of the table or of a group of the API server's own: a server
//! that lies mislabels its own objects.
//!
//! Held by the tests below, the fuzz target `discovery`, and `tests/service/custom.rs`.

use serde::Deserialize;

use super::resource::{self, is_dns_label};
use crate::nearest::nearest;

/// The most that is read of one cluster, in bytes: some eight thousand resources.
pub const LONGEST_DISCOVERY: usize = 2 << 20;
/// The most resources that are kept of one cluster. One of today has 50 to 200.
const MOST: usize = 4_000;
/// The most short names that are kept of one resource.
const MOST_SHORT: usize = 16;
/// The longest name of a group, as of any DNS name.
const LONGEST_GROUP: usize = 253;
/// Groups of every API server that the table holds nothing of.
const CLOSED_GROUPS: [&str; 6] = [
    "authentication.k8s.io",
    "authorization.k8s.io",
    "events.k8s.io",
    "imagepolicy.k8s.io",
    "internal.apiserver.k8s.io",
    "storagemigration.k8s.io",
];

/// All custom resources of one cluster, as one caller finds them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct CustomResources(Vec<CustomResource>);

/// A kind of objects that an operator's CustomResourceDefinition or a further API server brings.
#[derive(Debug, PartialEq, Eq)]
pub struct CustomResource {
    plural: String,
    group: String,
    /// Empty where no cluster was asked.
    version: String,
    is_namespaced: bool,
    /// As manifests write it; empty where no cluster was asked.
    kind: String,
    /// Singular and short names, in ASCII lower case, the kind's among them.
    names: Vec<String>,
}

/// What a word means in a cluster.
#[derive(Debug, PartialEq, Eq)]
pub enum WordMeaning<'c> {
    /// Nothing that the cluster has.
    Nothing,
    /// One resource.
    One(&'c CustomResource),
    /// Several: their canonical names.
    Several(Vec<String>),
}

/// Why what was printed is no discovery of a cluster.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// It is no list of resources.
    #[error("it is no list of resources")]
    Form,
    /// It is longer than any honest one.
    #[error("it has more than {LONGEST_DISCOVERY} bytes")]
    Length,
    /// It has more resources than are kept.
    #[error("it has more than {MOST} custom resources")]
    Number,
}

#[derive(Deserialize)]
struct DiscoveredList {
    resources: Vec<DiscoveredRecord>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DiscoveredRecord {
    name: String,
    #[serde(default)]
    singular_name: String,
    namespaced: bool,
    kind: String,
    #[serde(default)]
    group: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    short_names: Vec<String>,
}

impl CustomResources {
    /// Reads what `kubectl api-resources -o json` printed. A row that no honest server has, or that
    /// is of the table, is left out: the others are still known.
    ///
    /// # Errors
    /// What makes the whole of it unusable.
    pub fn read(printed: &[u8]) -> Result<Self, DiscoveryError> {
        if printed.len() > LONGEST_DISCOVERY {
            return Err(DiscoveryError::Length);
        }
        let list: DiscoveredList =
            serde_json::from_slice(printed).map_err(|_| DiscoveryError::Form)?;
        let mut resources: Vec<_> = list
            .resources
            .into_iter()
            .filter_map(CustomResource::of)
            .collect();
        if resources.len() > MOST {
            return Err(DiscoveryError::Number);
        }
        resources.sort_by(|a, b| (&a.plural, &a.group).cmp(&(&b.plural, &b.group)));
        Ok(Self(resources))
    }

    /// What a cluster would have that has those of these canonical names, `plural.group`: by their
    /// plural and its singulars, in namespaces, in no version. Short names are a cluster's own.
    pub fn named<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let mut resources: Vec<_> = names
            .into_iter()
            .filter_map(CustomResource::named)
            .collect();
        resources.sort_by(|a, b| (&a.plural, &a.group).cmp(&(&b.plural, &b.group)));
        Self(resources)
    }

    /// What `token` means here: `certificates`, `Certificate`, `cert`, `certificates.cert-manager.io`
    /// and `certificates.v1.cert-manager.io` are one resource. Nothing for what the table holds.
    pub fn meaning(&self, token: &str) -> WordMeaning<'_> {
        let token = token.to_ascii_lowercase();
        let (name, rest) = parts(&token);
        if resource::holds(&token) || name == ALL {
            return WordMeaning::Nothing;
        }
        let mut meant: Vec<&CustomResource> = self
            .0
            .iter()
            .filter(|known| known.is_called(name) && rest.is_none_or(|rest| known.is_in(rest)))
            .collect();
        meant.dedup_by(|a, b| a.plural == b.plural && a.group == b.group);
        match *meant {
            [] => WordMeaning::Nothing,
            [one] => WordMeaning::One(one),
            _ => WordMeaning::Several(meant.into_iter().map(CustomResource::canonical).collect()),
        }
    }

    /// The resource whose objects have this kind, in the letters of a manifest; none where several claim it.
    pub fn of_kind(&self, group: &str, kind: &str) -> Option<&CustomResource> {
        let is_it = |known: &&CustomResource| known.group == group && known.has_kind(kind);
        let mut found = self.0.iter().filter(is_it);
        let one = found.next()?;
        found.all(|other| other.plural == one.plural).then_some(one)
    }

    /// The name of a resource here, or else of the table, that `word` may have been meant for.
    pub fn nearest(&self, word: &str) -> Option<String> {
        let word = word.to_ascii_lowercase();
        let (name, _) = parts(&word);
        let mut known: Vec<&str> = self.0.iter().map(|known| known.plural.as_str()).collect();
        resource::names().for_each(|name| known.push(name));
        nearest(name, known).map(str::to_owned)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The category of every API server, which any resource can join: no word for a resource.
const ALL: &str = "all";

/// A token's name and what follows its first dot.
fn parts(token: &str) -> (&str, Option<&str>) {
    token
        .split_once('.')
        .map_or((token, None), |(name, rest)| (name, Some(rest)))
}

impl CustomResource {
    /// Reads one row; `None` for what is of the API server's own, and for what could be read in two
    /// ways.
    fn of(record: DiscoveredRecord) -> Option<Self> {
        let (plural, group, version) = (record.name, record.group, record.version);
        let is_group = group.len() <= LONGEST_GROUP
            && group.contains('.')
            && group.split('.').all(is_dns_label)
            && !CLOSED_GROUPS.contains(&group.as_str())
            && !resource::has_built_in_group(&group);
        // Only such a version is one in `type.version.group`.
        let is_version = is_dns_label(&version) && resource::is_version(&version);
        if !is_group || !is_version || !is_dns_label(&plural) {
            return None;
        }
        let own_kind = record.kind;
        let kind = own_kind.to_ascii_lowercase();
        let short = record.short_names.into_iter().take(MOST_SHORT);
        let names = [record.singular_name, kind].into_iter().chain(short);
        let names: Vec<String> = names.filter(|name| is_dns_label(name)).collect();
        let is_of_table = |name: &String| resource::canonical(&format!("{name}.{group}")).is_some();
        if is_of_table(&plural) || names.iter().any(is_of_table) {
            return None;
        }
        Some(Self {
            plural,
            group,
            version,
            is_namespaced: record.namespaced,
            kind: own_kind,
            names,
        })
    }

    fn named(name: &str) -> Option<Self> {
        let (plural, group) = name.split_once('.')?;
        let is_one = is_dns_label(plural) && group.contains('.') && !resource::holds(name);
        // Whatever may be its singular: a word that two resources claim is refused anyway.
        let endings = [("ies", "y"), ("es", ""), ("s", "")];
        let singular = endings.into_iter().filter_map(|(plurals, one)| {
            let stem = plural.strip_suffix(plurals)?;
            Some(format!("{stem}{one}"))
        });
        is_one.then(|| Self {
            plural: plural.to_owned(),
            group: group.to_owned(),
            version: String::new(),
            is_namespaced: true,
            kind: String::new(),
            names: singular.collect(),
        })
    }

    /// `plural.group`, as policies have it.
    pub fn canonical(&self) -> String {
        format!("{}.{}", self.plural, self.group)
    }

    /// What the tool gets for `token`, which means this: with its version and group, that the token
    /// has or the server prefers.
    pub fn qualified(&self, token: &str) -> String {
        let token = token.to_ascii_lowercase();
        let (_, rest) = parts(&token);
        let version = rest
            .and_then(|rest| rest.strip_suffix(self.group.as_str())?.strip_suffix('.'))
            .unwrap_or(&self.version);
        match version {
            "" => self.canonical(),
            version => format!("{}.{version}.{}", self.plural, self.group),
        }
    }

    /// Whether its objects live in namespaces, as the cluster says.
    pub fn is_namespaced(&self) -> bool {
        self.is_namespaced
    }

    /// Every name of it: plural, singular, kind and short ones.
    fn names(&self) -> impl Iterator<Item = &str> {
        let others = self.names.iter().map(String::as_str);
        std::iter::once(self.plural.as_str()).chain(others)
    }

    fn has_kind(&self, kind: &str) -> bool {
        match self.kind.is_empty() {
            true => self.is_called(&kind.to_ascii_lowercase()),
            false => self.kind == kind,
        }
    }

    fn is_called(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    /// Whether `rest`, which follows a name, is its group, with a version before it or without.
    fn is_in(&self, rest: &str) -> bool {
        let version = |rest: &str| {
            let before = rest.strip_suffix(self.group.as_str())?.strip_suffix('.')?;
            Some(resource::is_version(before))
        };
        rest == self.group || version(rest) == Some(true)
    }
}

#[cfg(test)]
mod tests;
