//! One request of the Kubernetes API, as the API server itself reads it: [`ApiRequest::read`].
//!
//! Comes in: a method and a request target, of which no byte is trusted. Goes out: what the request
//! is, or [`Odd`]. What has two spellings is no request here: no `%` in a path, no empty or dot
//! segment, one value for each key of a query, and keys that such a request has. What is sent on is
//! written from these parts ([`ApiRequest::target`]), never from the bytes that came.
//!
//! Held by `tests/differential/request.rs`, where the API server's resolver reads the same lines, and
//! the fuzz target `api_request`.

#![forbid(unsafe_code)]

mod keys;
mod odd;
mod path;
mod query;
mod verb;

use http::Method;

pub use odd::Odd;
pub use path::{ApiPath, KUBELET, KubeletPath, ResourcePath};
pub use query::Query;
pub use verb::ApiVerb;

/// One request: what it does, to what, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiRequest {
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: Method,
    /// What it does.
    pub verb: ApiVerb,
    /// To what.
    pub path: ApiPath,
    /// How.
    pub query: Query,
}

impl ApiRequest {
    /// Reads a method and a request target (`/api/v1/pods?limit=500`).
    ///
    /// # Errors
    /// [`Odd`] for what could be read in two ways, and for what the API does not have.
    pub fn read(method: &str, target: &str) -> Result<Self, Odd> {
        // HEAD is judged as GET is and answered 405; no tool sends it.
        let method = match method {
            "GET" => Method::GET,
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            "PATCH" => Method::PATCH,
            "DELETE" => Method::DELETE,
            other => return Err(Odd::Method(other.chars().take(16).collect())),
        };
        let (path, query) = match target.split_once('?') {
            Some((_, "")) => return Err(Odd::Query("nothing behind its ?")),
            Some((path, query)) => (path, Query::read(query)?),
            None => (target, Query::default()),
        };
        let path = ApiPath::read(path)?;
        let verb = ApiVerb::of(&method, &path, &query)?;
        keys::read(verb, &path, &query)?;
        Ok(Self {
            method,
            verb,
            path,
            query,
        })
    }

    /// The name that RBAC and admission see: that of the path, and for a list or a watch that which
    /// its selector of fields asks for.
    pub fn name(&self) -> Option<&str> {
        let ApiPath::Resource(resource) = &self.path else {
            return None;
        };
        match (&resource.name, self.verb) {
            (None, ApiVerb::List | ApiVerb::Watch) => keys::name(&self.query),
            (name, _) => name.as_deref(),
        }
    }

    /// The request target that is sent on, written from the parts.
    pub fn target(&self) -> String {
        let (path, query) = (&self.path, self.query.encoded());
        match query.as_str() {
            "" => path.to_string(),
            query => format!("{path}?{query}"),
        }
    }
}

#[cfg(test)]
mod tests;
