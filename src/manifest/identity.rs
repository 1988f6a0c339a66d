//! What an object is: its kind and resource, its namespace, its name and its labels.

use std::{collections::BTreeMap, fmt, sync::LazyLock};

use serde_json::{Map, Value};

use super::{
    error::{FieldPlace, ManifestError},
    list::{ObjectFound, Stand},
    tree::{PathStep, WipedValue},
};
use crate::{
    catalogue::{CustomResources, resource},
    excerpt::Excerpt,
    nearest::nearest,
};

/// What a manifest is read with.
pub struct ManifestContext<'c> {
    /// The namespace of the call: that of each object which names none.
    pub namespace: &'c str,
    /// What the cluster says of a group, a version and a kind that the table does not hold.
    pub resolve: &'c dyn Fn(&str, &str, &str) -> Option<KnownKind>,
}

/// What an API server says of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownKind {
    /// The canonical name of its resource: `certificates.cert-manager.io`.
    pub resource: String,
    /// Whether its objects live in namespaces.
    pub is_namespaced: bool,
}

impl KnownKind {
    /// What a cluster's own custom resources say of a kind.
    pub fn of(customs: &CustomResources, group: &str, kind: &str) -> Option<Self> {
        let found = customs.of_kind(group, kind)?;
        Some(Self {
            resource: found.canonical(),
            is_namespaced: found.is_namespaced(),
        })
    }
}

/// What an object is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Naming {
    /// `metadata.name`.
    Name(String),
    /// `metadata.generateName`: the API server puts five letters behind it.
    Beginning(String),
}

/// One object of a manifest, which the tool gets as it is here.
pub struct ManifestObject {
    pub(super) tree: WipedValue,
    place: FieldPlace,
    group: String,
    version: String,
    kind: String,
    resource: String,
    namespace: Option<String>,
    naming: Naming,
    labels: BTreeMap<String, String>,
}

impl ManifestObject {
    /// Reads what it is, and writes its namespace into it.
    pub(super) fn of(
        found: ObjectFound<'_>,
        context: &ManifestContext<'_>,
    ) -> Result<Self, ManifestError> {
        let ObjectFound { mut tree, stand } = found;
        let reading = ObjectReading {
            fields: object(&tree.0).unwrap_or(&EMPTY),
            stand: &stand,
        };
        let (group, version) = reading.api_version()?;
        let kind = reading.kind()?;
        let known = reading.known(&group, &version, &kind, context)?;
        let naming = reading.naming()?;
        let labels = reading.texts("labels")?;
        reading.texts("annotations")?;
        let namespace = match known.is_namespaced {
            true => Some(reading.namespace(context.namespace)?),
            false => None,
        };
        put_namespace(&mut tree.0, namespace.as_deref());
        Ok(Self {
            tree,
            place: stand.place(&[]),
            group,
            version,
            kind,
            resource: known.resource,
            namespace,
            naming,
            labels,
        })
    }

    /// All that it says. As the tool gets it.
    pub fn value(&self) -> &Value {
        &self.tree.0
    }

    /// Where it begins in the caller's text.
    pub fn place(&self) -> &FieldPlace {
        &self.place
    }

    /// Its API group; empty for the core.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The version of its group.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Its kind.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The canonical name of its resource: `deployments.apps`.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// Its namespace, its own or the call's; none for one that lives outside of namespaces.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// What it is called.
    pub fn naming(&self) -> &Naming {
        &self.naming
    }

    /// Its labels.
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }
}

/// `Deployment shop/web`, `Namespace shop`, `Job shop/migrate-*`.
impl fmt::Display for ManifestObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        match &self.naming {
            Naming::Name(name) => f.write_str(name),
            Naming::Beginning(name) => write!(f, "{name}*"),
        }
    }
}

/// Which object it is, and nothing of what is in it.
impl fmt::Debug for ManifestObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ManifestObject({self})")
    }
}

static EMPTY: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);

fn object(value: &Value) -> Option<&Map<String, Value>> {
    value.as_object()
}

/// An object that is being read.
struct ObjectReading<'o> {
    fields: &'o Map<String, Value>,
    stand: &'o Stand<'o>,
}

const METADATA: PathStep<'static> = PathStep::Field("metadata");

impl ObjectReading<'_> {
    fn missing<T>(&self, field: &'static str) -> Result<T, ManifestError> {
        let place = self.stand.place(&[]);
        Err(ManifestError::Missing { place, field })
    }

    fn not_a_name<T>(
        &self,
        steps: &[PathStep<'_>],
        name: &str,
        expected: &'static str,
    ) -> Result<T, ManifestError> {
        Err(ManifestError::NotAName {
            place: self.stand.place(steps),
            name: Excerpt::new(name),
            expected,
        })
    }

    /// A text of the object; none where it is absent, null or empty.
    fn text<'v>(
        &self,
        fields: &'v Map<String, Value>,
        steps: &[PathStep<'_>],
    ) -> Result<Option<&'v str>, ManifestError> {
        let Some(PathStep::Field(key)) = steps.last() else {
            return Ok(None);
        };
        match fields.get(*key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(ManifestError::Shape {
                place: self.stand.place(steps),
                expected: "a text",
            }),
        }
    }

    fn api_version(&self) -> Result<(String, String), ManifestError> {
        let steps = [PathStep::Field("apiVersion")];
        let Some(text) = self.text(self.fields, &steps)? else {
            return self.missing("apiVersion");
        };
        let (group, version) = text.split_once('/').unwrap_or(("", text));
        let is_group = group.is_empty() && !text.contains('/') || is_subdomain(group);
        match is_group && resource::is_version(version) && resource::is_dns_label(version) {
            true => Ok((group.to_owned(), version.to_owned())),
            false => self.not_a_name(&steps, text, "a version like `v1` or `apps/v1`"),
        }
    }

    fn kind(&self) -> Result<String, ManifestError> {
        let steps = [PathStep::Field("kind")];
        let Some(kind) = self.text(self.fields, &steps)? else {
            return self.missing("kind");
        };
        let is_kind = kind.len() <= LONGEST_KIND
            && kind.starts_with(|first: char| first.is_ascii_alphabetic())
            && kind.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match is_kind {
            true => Ok(kind.to_owned()),
            false => self.not_a_name(&steps, kind, "a kind like `Deployment`"),
        }
    }

    /// The resource of a kind: the table's word first, since nobody may add to what is the API
    /// server's own.
    fn known(
        &self,
        group: &str,
        version: &str,
        kind: &str,
        context: &ManifestContext<'_>,
    ) -> Result<KnownKind, ManifestError> {
        if let Some(resource) = resource::of_kind(group, kind) {
            let is_namespaced = !resource::is_cluster_scoped(&resource);
            return Ok(KnownKind {
                resource,
                is_namespaced,
            });
        }
        let is_closed = group.is_empty() || resource::has_built_in_group(group);
        let found = match is_closed {
            true => None,
            false => (context.resolve)(group, version, kind),
        };
        let is_of_group = |known: &KnownKind| {
            let end = known.resource.split_once('.').map(|(_, end)| end);
            end == Some(group) && !resource::is_canonical(&known.resource)
        };
        found
            .filter(is_of_group)
            .ok_or_else(|| ManifestError::UnknownKind {
                place: self.stand.place(&[PathStep::Field("kind")]),
                kind: Excerpt::new(kind),
                api_version: Excerpt::new(&match group.is_empty() {
                    true => version.to_owned(),
                    false => format!("{group}/{version}"),
                }),
                nearest: resource::kinds(group)
                    .find(|known| known.eq_ignore_ascii_case(kind))
                    .or_else(|| nearest(kind, resource::kinds(group))),
            })
    }

    fn metadata(&self) -> Result<&Map<String, Value>, ManifestError> {
        match self.fields.get("metadata") {
            None | Some(Value::Null) => Ok(&EMPTY),
            Some(Value::Object(metadata)) => Ok(metadata),
            Some(_) => Err(ManifestError::Shape {
                place: self.stand.place(&[METADATA]),
                expected: "a mapping with the object's name",
            }),
        }
    }

    fn naming(&self) -> Result<Naming, ManifestError> {
        let metadata = self.metadata()?;
        let of = |key| {
            let steps = [METADATA, PathStep::Field(key)];
            match self.text(metadata, &steps)? {
                Some(name) if !is_name(name) => self.not_a_name(&steps, name, A_NAME),
                name => Ok(name.map(str::to_owned)),
            }
        };
        match (of("name")?, of("generateName")?) {
            (Some(name), _) => Ok(Naming::Name(name)),
            (None, Some(beginning)) => Ok(Naming::Beginning(beginning)),
            (None, None) => self.missing("metadata.name"),
        }
    }

    fn namespace(&self, of_call: &str) -> Result<String, ManifestError> {
        let steps = [METADATA, PathStep::Field("namespace")];
        match self.text(self.metadata()?, &steps)? {
            None => Ok(of_call.to_owned()),
            Some(namespace) if resource::is_dns_label(namespace) => Ok(namespace.to_owned()),
            Some(namespace) => self.not_a_name(
                &steps,
                namespace,
                "a namespace: small letters, digits and dashes",
            ),
        }
    }

    /// Labels or annotations.
    fn texts(&self, name: &'static str) -> Result<BTreeMap<String, String>, ManifestError> {
        let shape = |steps: &[PathStep<'_>], expected| ManifestError::Shape {
            place: self.stand.place(steps),
            expected,
        };
        let steps = [METADATA, PathStep::Field(name)];
        match self.metadata()?.get(name) {
            None | Some(Value::Null) => Ok(BTreeMap::new()),
            Some(Value::Object(texts)) => texts
                .iter()
                .map(|(key, value)| match value {
                    Value::String(text) => Ok((key.clone(), text.clone())),
                    _ => Err(shape(
                        &[METADATA, PathStep::Field(name), PathStep::Field(key)],
                        "a text",
                    )),
                })
                .collect(),
            Some(_) => Err(shape(&steps, "a mapping of texts")),
        }
    }
}

/// As long as a DNS label, which a kind is in small letters.
const LONGEST_KIND: usize = 63;
/// As long as any name of an object.
const LONGEST_NAME: usize = 253;
const A_NAME: &str = "a name of at most 253 letters, digits and `.-_:`";

/// The names of all kinds: DNS names, and of permissions those with a colon and large letters.
fn is_name(name: &str) -> bool {
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    name.len() <= LONGEST_NAME && name.bytes().all(is_of_name) && !matches!(name, "." | "..")
}

fn is_subdomain(text: &str) -> bool {
    text.len() <= LONGEST_NAME && text.split('.').all(resource::is_dns_label)
}

/// Writes the namespace where every reader finds it, and none where there is none.
fn put_namespace(value: &mut Value, namespace: Option<&str>) {
    let Value::Object(fields) = value else {
        return;
    };
    let Some(Value::Object(metadata)) = fields.get_mut("metadata") else {
        return;
    };
    match namespace {
        Some(namespace) => metadata.insert("namespace".into(), namespace.into()),
        None => metadata.remove("namespace"),
    };
}
