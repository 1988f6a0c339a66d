//! [`SeenVersions`]: the versions of objects that a call has read, by which its writes are told from
//! those of others.
//!
//! Comes in: answers of the API server. Goes out: the version that an object had before a write, where the
//! call has read it. Nothing is read for it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::api_request::{ApiPath, ApiRequest};

/// The versions of objects that a call has read, the newest of each.
#[derive(Debug, Default)]
pub(super) struct SeenVersions(BTreeMap<String, String>);

/// Objects whose versions are kept: ten times what one call may write.
const MOST_VERSIONS: usize = 10_000;

impl SeenVersions {
    /// Takes the versions in an answer: of an object, of a list, or of the rows of a table.
    pub(super) fn learn(&mut self, request: &ApiRequest, answer: &[u8]) {
        let answer: VersionedAnswer = serde_json::from_slice(answer).unwrap_or_default();
        let rows = answer.rows.into_iter().map(|row| row.object);
        for object in answer.items.into_iter().chain(rows).chain([answer.own]) {
            let VersionedMetadata {
                name,
                namespace,
                resource_version,
            } = object.metadata;
            let named = place(request, name, namespace).zip(resource_version);
            let Some((place, version)) = named else {
                continue;
            };
            if self.0.len() < MOST_VERSIONS || self.0.contains_key(&place) {
                self.0.insert(place, version);
            }
        }
    }

    /// The version of the object that a request is about.
    pub(super) fn of(&self, request: &ApiRequest) -> Option<&str> {
        self.0.get(&place(request, None, None)?).map(String::as_str)
    }
}

/// An object's resource, namespace and name, in whatever version it is asked for.
fn place(request: &ApiRequest, name: Option<String>, namespace: Option<String>) -> Option<String> {
    let ApiPath::Resource(path) = &request.path else {
        return None;
    };
    let name = name.or_else(|| path.name.clone())?;
    // A namespace stands in its own path where others have theirs.
    let namespace = match path.resource.as_str() {
        "namespaces" => None,
        _ => namespace.or_else(|| path.namespace.clone()),
    };
    let namespace = namespace.unwrap_or_default();
    Some(format!("{} {namespace}/{name}", path.qualified()))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct VersionedAnswer {
    #[serde(flatten)]
    own: VersionedObject,
    items: Vec<VersionedObject>,
    rows: Vec<VersionedRow>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct VersionedRow {
    object: VersionedObject,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct VersionedObject {
    metadata: VersionedMetadata,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct VersionedMetadata {
    name: Option<String>,
    namespace: Option<String>,
    resource_version: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_version_is_that_of_its_object_whoever_told_it() {
        let mut versions = SeenVersions::default();
        let request = |line: &str| {
            let (method, target) = line.split_once(' ').unwrap();
            ApiRequest::read(method, target).unwrap()
        };
        let object = |name: &str, version: &str| json!({"metadata": {"name": name, "namespace": "web", "resourceVersion": version}});
        let list = json!({"metadata": {"resourceVersion": "99"}, "items": [object("a", "1"), object("b", "2")]});
        let path = "/apis/apps/v1/namespaces/web/deployments";
        let mut learn = |line: String, answer: &serde_json::Value| {
            versions.learn(&request(&line), answer.to_string().as_bytes());
        };
        learn(format!("GET {path}"), &list);
        learn(
            "GET /apis/apps/v1/deployments".into(),
            &json!({"rows": [{"object": object("c", "3")}]}),
        );
        learn(format!("PATCH {path}/a"), &object("a", "7"));
        learn(format!("PATCH {path}/b/scale"), &object("b", "8"));
        learn(
            "GET /api/v1/namespaces/web".into(),
            &json!({"metadata": {"name": "web", "resourceVersion": "5"}}),
        );
        learn(format!("GET {path}/d"), &json!("no object"));
        for (line, version) in [
            (format!("PATCH {path}/a"), Some("7")),
            (format!("PATCH {path}/b"), Some("8")),
            (format!("DELETE {path}/c"), Some("3")),
            (format!("DELETE {path}/d"), None),
            (format!("POST {path}"), None),
            ("DELETE /api/v1/namespaces/web".into(), Some("5")),
            (
                "DELETE /apis/apps/v1/namespaces/other/deployments/a".into(),
                None,
            ),
            ("DELETE /api/v1/namespaces/web/pods/a".into(), None),
        ] {
            assert_eq!(versions.of(&request(&line)), version, "{line}");
        }
    }
}
