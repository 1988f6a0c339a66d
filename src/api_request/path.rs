//! The path of a request -> what it is about: [`ApiPath::read`].
//!
//! As `k8s.io/apiserver` v0.37.2 `pkg/endpoints/request/requestinfo.go`, `NewRequestInfo`, cuts it,
//! but for what it cuts in two ways: `/a//b`, `/a/` and `/a%2Fb` are none here. Nor are the prefixes
//! `watch` and `proxy`, which say in the path what a query or a subresource says as well.

use std::fmt;

use super::odd::Odd;

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiPath {
    /// Numbers and health of a kubelet, through the API server's proxy to a node.
    Kubelet(KubeletPath),
    /// A resource, below `/api/v1` or `/apis/GROUP/VERSION`.
    Resource(ResourcePath),
    /// Everything else: discovery, schemas, `/version`, `/healthz`.
    Other(String),
}

/// What a kubelet serves about itself and its containers, and no caller of it can change.
///
/// Of all that the API server forwards (`/proxy/`) this alone is a request here. A kubelet also runs
/// commands (`/run/`, `/exec/`) and reads files (`/logs/`), services and pods serve what they like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeletPath {
    /// The node; never with a port, which would be that of another of its servers.
    pub node: String,
    /// One of [`KUBELET`], without the slash before it.
    pub endpoint: &'static str,
}

/// What may be read of a kubelet (kubernetes v1.37.2 `pkg/kubelet/server/server.go`).
pub const KUBELET: [&str; 6] = [
    "healthz",
    "metrics",
    "metrics/cadvisor",
    "metrics/probes",
    "metrics/resource",
    "stats/summary",
];

/// A resource, or one of its objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourcePath {
    /// Empty for the core group.
    pub group: String,
    /// `v1`.
    pub version: String,
    /// None for what lives outside of namespaces, and for all namespaces. A namespace is in itself.
    pub namespace: Option<String>,
    /// The plural, as the path has it.
    pub resource: String,
    /// None for a collection.
    pub name: Option<String>,
    /// `status`, `log`, `exec`.
    pub subresource: Option<String>,
}

/// The longest path: a group, a namespace, a resource, a name and a subresource are at most 253
/// bytes each.
const LONGEST: usize = 2 * 1024;

/// The longest name of an object (RFC 1123 subdomain).
const LONGEST_NAME: usize = 253;

impl ApiPath {
    /// Reads a path: what stands before the `?`.
    ///
    /// # Errors
    /// [`Odd::Path`].
    pub(super) fn read(path: &str) -> Result<Self, Odd> {
        let segments = segments(path)?;
        let (group, version, rest) = match segments.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => ("", "", [].as_slice()),
        };
        match rest.first().copied() {
            None => return Ok(Self::Other(path.to_owned())),
            Some("watch") => return Err(Odd::Path("the prefix watch, which is a query's")),
            Some("proxy") => return Err(Odd::Path("the prefix proxy")),
            Some(_) => {}
        }
        if let ("", "v1", ["nodes", node, "proxy", endpoint @ ..]) = (group, version, rest) {
            return KubeletPath::read(node, &endpoint.join("/")).map(Self::Kubelet);
        }
        ResourcePath::read(group, version, rest).map(Self::Resource)
    }
}

impl KubeletPath {
    fn read(node: &str, endpoint: &str) -> Result<Self, Odd> {
        let known = KUBELET.into_iter().find(|known| *known == endpoint);
        match known {
            Some(endpoint) if is_subdomain(node) => Ok(Self {
                node: node.to_owned(),
                endpoint,
            }),
            Some(_) => Err(Odd::Path("no plain name of a node before its proxy")),
            None => Err(PROXY),
        }
    }
}

/// Whatever is behind a proxy is nothing that the API's own rules are about.
const PROXY: Odd = Odd::Path("the subresource proxy, behind which is another server");

impl ResourcePath {
    /// `plural` for the core group, `plural.group` for others, as policies name it.
    pub fn qualified(&self) -> String {
        match self.group.as_str() {
            "" => self.resource.clone(),
            group => format!("{}.{group}", self.resource),
        }
    }

    /// Reads what stands behind the version.
    fn read(group: &str, version: &str, rest: &[&str]) -> Result<Self, Odd> {
        let (namespace, parts) = match rest {
            // The resource `namespaces` has subresources where others have resources.
            ["namespaces", name] | ["namespaces", name, "finalize" | "status", ..] => {
                (Some(*name), rest)
            }
            // In a namespace it could only be read as the one outside of it.
            ["namespaces", _, "namespaces", ..] => {
                return Err(Odd::Path("a namespace in a namespace"));
            }
            ["namespaces", namespace, parts @ ..] => (Some(*namespace), parts),
            _ => (None, rest),
        };
        let (resource, name, subresource) = match parts {
            [resource] => (*resource, None, None),
            [resource, name] => (*resource, Some(*name), None),
            [_, _, "proxy", ..] => return Err(PROXY),
            [resource, name, subresource] => (*resource, Some(*name), Some(*subresource)),
            _ => return Err(Odd::Path("more behind a subresource")),
        };
        let words = [Some(version), Some(resource), subresource];
        let is_known = (group.is_empty() || is_subdomain(group))
            && words.into_iter().flatten().all(is_word)
            && namespace.is_none_or(is_label)
            && name.is_none_or(|name| name.len() <= LONGEST_NAME);
        if !is_known {
            return Err(Odd::Path("a segment that is no group, resource or name"));
        }
        Ok(Self {
            group: group.to_owned(),
            version: version.to_owned(),
            namespace: namespace.map(str::to_owned),
            resource: resource.to_owned(),
            name: name.map(str::to_owned),
            subresource: subresource.map(str::to_owned),
        })
    }
}

impl fmt::Display for ApiPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kubelet(KubeletPath { node, endpoint }) => {
                write!(f, "/api/v1/nodes/{node}/proxy/{endpoint}")
            }
            Self::Other(path) => f.write_str(path),
            Self::Resource(resource) => resource.fmt(f),
        }
    }
}

impl ResourcePath {
    /// The namespace that its objects are in. A namespace is an object outside of namespaces, whose
    /// name stands where theirs does.
    pub fn within(&self) -> Option<&str> {
        let namespace = self.namespace.as_deref();
        namespace.filter(|_| self.resource != "namespaces")
    }
}

impl fmt::Display for ResourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group.as_str() {
            "" => write!(f, "/api/{}", self.version)?,
            group => write!(f, "/apis/{group}/{}", self.version)?,
        }
        if let Some(namespace) = self.within() {
            write!(f, "/namespaces/{namespace}")?;
        }
        write!(f, "/{}", self.resource)?;
        for part in [&self.name, &self.subresource].into_iter().flatten() {
            write!(f, "/{part}")?;
        }
        Ok(())
    }
}

fn segments(path: &str) -> Result<Vec<&str>, Odd> {
    let inside = path
        .strip_prefix('/')
        .ok_or(Odd::Path("no slash before it"))?;
    if path.len() > LONGEST {
        return Err(Odd::Path("more than 2 KiB"));
    }
    // No tool sends another one, and a `%` could be any.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-/".contains(&byte);
    if !inside.bytes().all(is_plain) {
        return Err(Odd::Path("a character that no tool sends"));
    }
    if inside.is_empty() {
        return Ok(Vec::new());
    }
    let segments: Vec<&str> = inside.split('/').collect();
    if segments.contains(&"") {
        return Err(Odd::Path("an empty segment"));
    }
    if segments.contains(&".") || segments.contains(&"..") {
        return Err(Odd::Path("a dot segment"));
    }
    Ok(segments)
}

/// A version, a plural, a subresource: the API has them in lower case alone.
fn is_word(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.starts_with(|first: char| first.is_ascii_lowercase()) && text.bytes().all(is_inner)
}

/// RFC 1123: a namespace.
fn is_label(text: &str) -> bool {
    let is_end = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && bytes.first().is_some_and(is_end)
        && bytes.last().is_some_and(is_end)
        && bytes.iter().all(|byte| is_end(byte) || *byte == b'-')
}

/// RFC 1123: a group, a node.
fn is_subdomain(text: &str) -> bool {
    text.len() <= LONGEST_NAME && text.split('.').all(is_label)
}
