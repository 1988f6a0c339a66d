//! One request of the Kubernetes API, as the API server itself reads it: [`ApiRequest::read`].
//!
//! What has two spellings is no request here: no `%` in a path, no empty or dot segment, one value
//! for each key of a query. What is sent on is written from these parts ([`ApiRequest::target`]),
//! never from the tool's bytes. Source: `k8s.io/apiserver/pkg/endpoints/request`, `NewRequestInfo`.

use std::fmt;

/// What a request does to a resource, in the words of RBAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApiVerb {
    /// Reads one object, or what is no resource.
    Get,
    /// Reads a collection.
    List,
    /// Reads a collection, and what changes in it.
    Watch,
    /// Makes an object, or uses a subresource (`exec`, `eviction`).
    Create,
    /// Replaces an object.
    Update,
    /// Changes an object.
    Patch,
    /// Deletes one object.
    Delete,
    /// Deletes a collection.
    DeleteCollection,
}

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiPath {
    /// A resource, below `/api/v1` or `/apis/GROUP/VERSION`.
    Resource(ResourcePath),
    /// Everything else: discovery, schemas, `/version`, `/healthz`.
    Other(String),
}

/// A resource, or one of its objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourcePath {
    /// Empty for the core group.
    pub group: String,
    /// `v1`.
    pub version: String,
    /// None for what lives outside of namespaces, and for all namespaces.
    pub namespace: Option<String>,
    /// The plural, as the path has it.
    pub resource: String,
    /// None for a collection.
    pub name: Option<String>,
    /// `status`, `log`, `exec`.
    pub subresource: Option<String>,
}

/// The keys and values of a query, decoded, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(pub(super) Vec<(String, String)>);

/// One request: what it does, to what, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiRequest {
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: http::Method,
    /// What it does.
    pub verb: ApiVerb,
    /// To what.
    pub path: ApiPath,
    /// How.
    pub query: Query,
}

/// Why a request is none that a tool sends: it could be read in two ways, or the API has none such.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Odd {
    /// A method that the API does not have, or that reads like another.
    #[error("the method {0} is none of the API's")]
    Method(String),
    /// A path with another spelling.
    #[error("the path has {0}")]
    Path(&'static str),
    /// A query with another reading.
    #[error("the query has {0}")]
    Query(&'static str),
}

impl Query {
    /// The value of a key; none when it is absent.
    pub fn get(&self, key: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|(name, _)| name == key);
        found.next().map(|(_, value)| value.as_str())
    }

    /// The keys and values, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

impl ResourcePath {
    /// `plural` for the core group, `plural.group` for others, as policies name it.
    pub fn qualified(&self) -> String {
        match self.group.as_str() {
            "" => self.resource.clone(),
            group => format!("{}.{group}", self.resource),
        }
    }
}

impl fmt::Display for ApiVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        })
    }
}

impl ApiRequest {
    /// Reads a method and a request target (`/api/v1/pods?limit=500`).
    ///
    /// # Errors
    /// [`Odd`] for what could be read in two ways, and for what the API does not have.
    pub fn read(method: &str, target: &str) -> Result<Self, Odd> {
        let method = match method {
            "GET" => http::Method::GET,
            "POST" => http::Method::POST,
            "PUT" => http::Method::PUT,
            "PATCH" => http::Method::PATCH,
            "DELETE" => http::Method::DELETE,
            other => return Err(Odd::Method(other.chars().take(16).collect())),
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = read_query(query)?;
        let segments = read_path(path)?;
        let path = api_path(&segments, path);
        let verb = verb(&method, &path, &query);
        Ok(Self {
            method,
            verb,
            path,
            query,
        })
    }

    /// The request target that is sent on, written from the parts.
    pub fn target(&self) -> String {
        let mut target = match &self.path {
            ApiPath::Other(path) => path.clone(),
            ApiPath::Resource(resource) => resource.to_string(),
        };
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.query.iter());
        let query = query.finish();
        if !query.is_empty() {
            target.push('?');
            target.push_str(&query);
        }
        target
    }
}

impl fmt::Display for ResourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group.as_str() {
            "" => write!(f, "/api/{}", self.version)?,
            group => write!(f, "/apis/{group}/{}", self.version)?,
        }
        // A namespace is an object outside of namespaces, whose name stands where theirs does.
        if let Some(namespace) = self
            .namespace
            .as_ref()
            .filter(|_| self.resource != "namespaces")
        {
            write!(f, "/namespaces/{namespace}")?;
        }
        write!(f, "/{}", self.resource)?;
        for part in [&self.name, &self.subresource].into_iter().flatten() {
            write!(f, "/{part}")?;
        }
        Ok(())
    }
}

/// The longest path and query that a tool sends: selectors are the longest part.
const LONGEST: usize = 16 * 1024;

fn read_path(path: &str) -> Result<Vec<&str>, Odd> {
    let inside = path
        .strip_prefix('/')
        .ok_or(Odd::Path("no slash before it"))?;
    if path.len() > LONGEST {
        return Err(Odd::Path("more than 16 KiB"));
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-/".contains(&byte);
    if !inside.bytes().all(is_plain) {
        return Err(Odd::Path("a character that no tool sends"));
    }
    if inside.is_empty() {
        return Ok(Vec::new());
    }
    let segments: Vec<&str> = inside.split('/').collect();
    if segments.iter().any(|segment| segment.is_empty()) {
        return Err(Odd::Path("an empty segment"));
    }
    if segments
        .iter()
        .any(|segment| matches!(*segment, "." | ".."))
    {
        return Err(Odd::Path("a dot segment"));
    }
    Ok(segments)
}

fn read_query(query: &str) -> Result<Query, Odd> {
    if query.len() > LONGEST {
        return Err(Odd::Query("more than 16 KiB"));
    }
    if query.contains(';') {
        return Err(Odd::Query("a semicolon"));
    }
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        // Words of a command and ports come one by one; of everything else the server takes one.
        let is_list = matches!(&*key, "command" | "ports");
        if !is_list && pairs.iter().any(|(known, _)| *known == *key) {
            return Err(Odd::Query("a key twice"));
        }
        pairs.push((key.into_owned(), value.into_owned()));
    }
    Ok(Query(pairs))
}

fn api_path(segments: &[&str], path: &str) -> ApiPath {
    let other = || ApiPath::Other(path.to_owned());
    let (group, version, rest) = match segments {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return other(),
    };
    let resource =
        |namespace: Option<&str>, resource: &str, name: Option<&str>, sub: Option<&str>| {
            ApiPath::Resource(ResourcePath {
                group: group.to_owned(),
                version: version.to_owned(),
                namespace: namespace.map(str::to_owned),
                resource: resource.to_owned(),
                name: name.map(str::to_owned),
                subresource: sub.map(str::to_owned),
            })
        };
    match rest {
        [] => other(),
        // The resource `namespaces` has subresources where others have resources.
        ["namespaces", name] => resource(Some(name), "namespaces", Some(name), None),
        ["namespaces", name, sub @ ("status" | "finalize")] => {
            resource(Some(name), "namespaces", Some(name), Some(sub))
        }
        ["namespaces", namespace, kind] => resource(Some(namespace), kind, None, None),
        ["namespaces", namespace, kind, name] => resource(Some(namespace), kind, Some(name), None),
        ["namespaces", namespace, kind, name, sub] => {
            resource(Some(namespace), kind, Some(name), Some(sub))
        }
        [kind] => resource(None, kind, None, None),
        [kind, name] => resource(None, kind, Some(name), None),
        [kind, name, sub] => resource(None, kind, Some(name), Some(sub)),
        _ => other(),
    }
}

fn verb(method: &http::Method, path: &ApiPath, query: &Query) -> ApiVerb {
    let ApiPath::Resource(resource) = path else {
        return match method.as_str() {
            "POST" => ApiVerb::Create,
            "PUT" => ApiVerb::Update,
            "PATCH" => ApiVerb::Patch,
            "DELETE" => ApiVerb::Delete,
            _ => ApiVerb::Get,
        };
    };
    let watches = query
        .get("watch")
        .is_some_and(|watch| !matches!(watch, "0" | "false"));
    match (method.as_str(), resource.name.is_some()) {
        ("POST", _) => ApiVerb::Create,
        ("PUT", _) => ApiVerb::Update,
        ("PATCH", _) => ApiVerb::Patch,
        ("DELETE", true) => ApiVerb::Delete,
        ("DELETE", false) => ApiVerb::DeleteCollection,
        (_, true) => ApiVerb::Get,
        _ if watches => ApiVerb::Watch,
        _ => ApiVerb::List,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_what_its_path_and_its_query_say() {
        for (method, target, verb, qualified) in [
            (
                "GET",
                "/api/v1/namespaces/web/pods?limit=500",
                ApiVerb::List,
                "pods",
            ),
            (
                "GET",
                "/apis/apps/v1/deployments?watch=true",
                ApiVerb::Watch,
                "deployments.apps",
            ),
            ("GET", "/api/v1/namespaces/web", ApiVerb::Get, "namespaces"),
            (
                "DELETE",
                "/api/v1/namespaces/web/pods",
                ApiVerb::DeleteCollection,
                "pods",
            ),
        ] {
            let read = ApiRequest::read(method, target).unwrap();
            assert_eq!(read.verb, verb, "{target}");
            let ApiPath::Resource(resource) = &read.path else {
                panic!("{target}")
            };
            assert_eq!(resource.qualified(), qualified);
            assert_eq!(read.target(), target);
        }
        for odd in [
            "/api/v1/namespaces/web%2fsecrets",
            "/api//v1",
            "/api/v1/pods/",
            "api",
            "/a/../b",
        ] {
            assert!(ApiRequest::read("GET", odd).is_err(), "{odd}");
        }
    }
}
