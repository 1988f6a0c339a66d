//! What a revision of a helm release holds: [`Release::all_in`].
//!
//! Comes in: the API server's answer to a request for Secrets, of which no byte is trusted. Goes out:
//! the objects that each revision in it names, as they stand in its manifest and its hooks. A revision
//! is a Secret of type `helm.sh/release.v1`: base64 of base64 of gzip of JSON (helm v4.3.2
//! pkg/storage/driver/util.go). What cannot be read, or is larger than a release is, names nothing, so
//! that nobody may ask for it.

use std::borrow::Cow;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use miniz_oxide::inflate::decompress_to_vec_with_limit;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{
    catalogue::resource,
    yaml::{self, Content, Node, YamlBounds},
};

/// The type of the Secrets in which helm keeps revisions.
pub const RELEASE_TYPE: &str = "helm.sh/release.v1";

/// A revision, unpacked: the chart is in it, packed to at most 1 MiB.
const LARGEST: usize = 16 << 20;

/// One revision of a release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Release {
    /// The number of the revision.
    pub revision: u64,
    /// What it holds.
    pub objects: Vec<ReleaseObject>,
}

/// An object that a revision names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReleaseObject {
    /// Its kind, as a path of the API names it.
    pub resource: ReleaseResource,
    /// Where it is; none outside of namespaces.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Whether it is a hook, and none of what the release consists of.
    pub is_hook: bool,
}

/// The resource of an object of which a manifest says the kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReleaseResource {
    /// This one.
    Named(String),
    /// A kind that no table holds, of this group. Its plural is the cluster's to choose.
    Custom {
        /// The group.
        group: String,
        /// The kind, in small letters.
        kind: String,
    },
}

impl Release {
    /// Returns the revisions in an answer: a Secret, or a list of them. `namespace` is that of the
    /// request, in which an object is that says none.
    pub fn all_in(answer: &[u8], namespace: &str) -> Vec<Self> {
        let Ok(mut own) = serde_json::from_slice::<SecretText<'_>>(answer) else {
            return Vec::new();
        };
        let items = std::mem::take(&mut own.items);
        let secrets = items.into_iter().chain([own]);
        let releases = secrets.filter(|secret| secret.kind == RELEASE_TYPE);
        releases
            .filter_map(|secret| Self::unpacked(&secret.data.release, namespace))
            .collect()
    }

    fn unpacked(data: &str, namespace: &str) -> Option<Self> {
        let text = Zeroizing::new(BASE64_STANDARD.decode(data).ok()?);
        let packed = Zeroizing::new(BASE64_STANDARD.decode(text.as_slice()).ok()?);
        let json = match deflated(&packed) {
            Some(deflated) => decompress_to_vec_with_limit(deflated, LARGEST).ok()?,
            // As they were before helm packed them.
            None => packed.to_vec(),
        };
        let json = Zeroizing::new(json);
        let release: ReleaseText = serde_json::from_slice(&json).ok()?;
        let mut objects = Vec::new();
        named_in(&release.manifest, namespace, false, &mut objects);
        for hook in release.hooks.iter().flatten() {
            named_in(&hook.manifest, namespace, true, &mut objects);
        }
        objects.sort();
        objects.dedup();
        Some(Self {
            revision: release.version,
            objects,
        })
    }
}

/// What is packed in a gzip file (RFC 1952), whose header has no optional field: Go writes none.
fn deflated(packed: &[u8]) -> Option<&[u8]> {
    match packed.strip_prefix(&[0x1f, 0x8b, 8])?.split_at_checked(7)? {
        ([0, ..], deflated) => Some(deflated),
        _ => None,
    }
}

/// A Secret, or a list of them.
#[derive(Default, Deserialize)]
#[serde(default)]
struct SecretText<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    data: SecretData<'a>,
    #[serde(borrow)]
    items: Vec<SecretText<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SecretData<'a> {
    #[serde(borrow)]
    release: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ReleaseText {
    version: u64,
    manifest: String,
    hooks: Option<Vec<HookText>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct HookText {
    manifest: String,
}

/// One document of a manifest: dashboards in a ConfigMap are the largest.
const DOCUMENT: YamlBounds = YamlBounds {
    bytes: 4 << 20,
    depth: 64,
    nodes: 200_000,
    entries: 50_000,
    documents: 1,
    flow: 1_000_000,
};

/// Adds the objects that a manifest names. It is parted where Kubernetes parts it, at each line that
/// begins with `---` (apimachinery pkg/util/yaml/decoder.go), so that a document which cannot be read
/// hides no other.
fn named_in(manifest: &str, namespace: &str, is_hook: bool, objects: &mut Vec<ReleaseObject>) {
    let mut document = String::new();
    let ends = manifest.lines().map(Some).chain([None]);
    for line in ends {
        match line {
            Some(line) if !line.starts_with("---") => {
                document.push_str(line);
                document.push('\n');
            }
            _ => {
                let before = objects.len();
                for text in [&head(&document), &document] {
                    let read = yaml::read(text.as_bytes(), &DOCUMENT).unwrap_or_default();
                    for node in &read {
                        object(node, namespace, is_hook, objects);
                    }
                    if objects.len() > before {
                        break;
                    }
                }
                document.clear();
            }
        }
    }
}

/// The lines of a document that say which object it is: most have them in block style. helm takes a label
/// that is there twice, an anchor, or a tag, where strict YAML refuses them.
fn head(document: &str) -> String {
    let mut head = String::new();
    // The indentation of what stands in `metadata`, once there is some.
    let mut of_metadata: Option<Option<usize>> = None;
    for line in document.lines() {
        let text = line.trim_start_matches(' ');
        let indentation = line.len() - text.len();
        let begins = |keys: &[&str]| keys.iter().any(|key| text.starts_with(key));
        let is_kept = match (&mut of_metadata, indentation) {
            _ if text.is_empty() || text.starts_with('#') => false,
            (_, 0) => {
                of_metadata = (text.trim_end() == "metadata:").then_some(None);
                begins(&["apiVersion:", "kind:", "metadata:"])
            }
            (Some(own), _) => {
                let is_direct = *own.get_or_insert(indentation) == indentation;
                is_direct && begins(&["name:", "namespace:"])
            }
            (None, _) => false,
        };
        if is_kept {
            head.push_str(line);
            head.push('\n');
        }
    }
    head
}

/// Adds the object of a document, or those of a list.
fn object(node: &Node, namespace: &str, is_hook: bool, objects: &mut Vec<ReleaseObject>) {
    if let Some(Content::Sequence(items)) = field(node, "items").map(|items| &items.content) {
        for item in items {
            object(item, namespace, is_hook, objects);
        }
        return;
    }
    let (Some(version), Some(kind)) = (text(node, "apiVersion"), text(node, "kind")) else {
        return;
    };
    // Of one without its entries nothing is known.
    if kind == "List" {
        return;
    }
    let metadata = field(node, "metadata");
    let of_metadata = |key| metadata.and_then(|metadata| text(metadata, key));
    let Some(name) = of_metadata("name") else {
        return;
    };
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let own = of_metadata("namespace").filter(|own| !own.is_empty());
    let mut add = |resource: &ReleaseResource, namespace: Option<&str>| {
        objects.push(ReleaseObject {
            resource: resource.clone(),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
            is_hook,
        });
    };
    match resource::of_kind(group, kind) {
        Some(canonical) => {
            let is_outside = resource::is_cluster_scoped(&canonical);
            let within = own.unwrap_or(namespace);
            let within = Some(within).filter(|_| !is_outside);
            add(&ReleaseResource::Named(canonical), within);
        }
        // The cluster knows whether it lives in a namespace, and takes one of them.
        None if !group.is_empty() => {
            let (group, kind) = (group.to_owned(), kind.to_ascii_lowercase());
            let custom = ReleaseResource::Custom { group, kind };
            add(&custom, Some(own.unwrap_or(namespace)));
            add(&custom, None);
        }
        None => {}
    }
}

fn field<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    match &node.content {
        Content::Mapping(entries) => {
            let mut entries = entries.iter();
            entries.find_map(|(name, value)| (name == key).then_some(value))
        }
        _ => None,
    }
}

fn text<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    match &field(node, key)?.content {
        Content::Scalar { text, .. } => Some(text.as_str()),
        _ => None,
    }
}

impl ReleaseResource {
    /// Whether this is the resource of a path: `deployments.apps`.
    pub(super) fn is(&self, qualified: &str) -> bool {
        match self {
            Self::Named(canonical) => canonical == qualified,
            // The plurals of English, of which the end may differ: `proxies`, `redises`.
            Self::Custom { group, kind } => {
                let (plural, of_group) = qualified.split_once('.').unwrap_or((qualified, ""));
                let stem = kind.get(..kind.len().saturating_sub(1)).unwrap_or_default();
                let longer = plural.len().checked_sub(kind.len());
                of_group == group && plural.starts_with(stem) && matches!(longer, Some(0..=2))
            }
        }
    }
}

#[cfg(test)]
mod tests;
