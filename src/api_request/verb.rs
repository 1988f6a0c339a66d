//! What a request does, in the words of RBAC: [`ApiVerb`].

use std::fmt;

use http::Method;

use super::{
    odd::Odd,
    path::{ApiPath, ResourcePath},
    query::Query,
};

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

impl ApiVerb {
    /// The verb of a method on a path.
    ///
    /// # Errors
    /// [`Odd::Method`] for one that the path does not have, though the resolver has a verb for it.
    pub(super) fn of(method: &Method, path: &ApiPath, query: &Query) -> Result<Self, Odd> {
        let resource = match (path, method.as_str()) {
            (ApiPath::Resource(resource), _) => resource,
            (ApiPath::Kubelet(_) | ApiPath::Other(_), "GET") => return Ok(Self::Get),
            (ApiPath::Kubelet(_) | ApiPath::Other(_), _) => return Err(other(method)),
        };
        let ResourcePath {
            name, subresource, ..
        } = resource;
        let watches = matches!(query.get("watch"), Some("1" | "true"));
        match (method.as_str(), name.is_some(), subresource.is_some()) {
            ("GET", true, _) => Ok(Self::Get),
            ("GET", false, _) if watches => Ok(Self::Watch),
            ("GET", false, _) => Ok(Self::List),
            ("POST", named, used) if named == used => Ok(Self::Create),
            ("PUT", true, _) => Ok(Self::Update),
            ("PATCH", true, _) => Ok(Self::Patch),
            ("DELETE", true, false) => Ok(Self::Delete),
            ("DELETE", false, _) => Ok(Self::DeleteCollection),
            _ => Err(other(method)),
        }
    }
}

fn other(method: &Method) -> Odd {
    Odd::Method(method.to_string())
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
