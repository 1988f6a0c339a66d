//! What a call really did to its cluster, as the API server answered it: [`Effects`].
//!
//! Comes in: requests that were let through, and the server's answers to them. Goes out: a bounded
//! list for the record and the reply. Holds no object's content.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::preview::Preview;
use crate::api_request::{ApiPath, ApiRequest, ApiVerb};

/// One write, as the server answered it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct ApiWrite {
    /// What was done: `create`, `patch`, `delete`.
    pub verb: String,
    /// To what kind: `deployments.apps`, `pods/exec`.
    pub resource: String,
    /// In which namespace; none for what lives outside of namespaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// To which object; none for a collection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The server's HTTP status; none where its answer never came, and nobody knows what was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Whether nothing was kept of it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// The object's own identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The object's version before, where the call had read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_version_before: Option<String>,
    /// The object's version afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
}

/// All that one call did and looked at.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema, utoipa::ToSchema,
)]
pub struct Effects {
    /// The writes, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub writes: Vec<ApiWrite>,
    /// Writes beyond those.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_writes: u32,
    /// How often each kind was read.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub reads: BTreeMap<String, u32>,
    /// Requests that the command does not explain, in full.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unexplained: Vec<String>,
    /// Whether they were refused; else they were sent on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
    /// Those beyond them.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_unexplained: u32,
    /// What would become of the objects, where the call was a preview: nothing of it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview: Option<Preview>,
    /// What the call had enough of, where that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exceeded: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Writes of one call that are listed; a chart has some dozens of objects.
const MOST_WRITES: usize = 256;
/// Kinds whose reads are counted.
const MOST_KINDS: usize = 64;
/// Unexplained requests that are listed.
const MOST_UNEXPLAINED: usize = 16;
/// Of an unexplained request, what is shown, in characters.
const LONGEST_SHOWN: usize = 512;

impl Effects {
    /// Notes a request that is sent now. Where it writes, its answer is noted by what this returns
    /// ([`Self::answered`]).
    pub fn note(&mut self, request: &ApiRequest) -> Option<usize> {
        if !request.writes() {
            let kind = kind_of(request);
            if self.reads.len() < MOST_KINDS || self.reads.contains_key(&kind) {
                *self.reads.entry(kind).or_default() += 1;
            }
            return None;
        }
        if self.writes.len() >= MOST_WRITES {
            self.more_writes += 1;
            return None;
        }
        self.writes.push(ApiWrite::of(request));
        Some(self.writes.len() - 1)
    }

    /// Notes the version that a write's object had before.
    pub fn note_version(&mut self, write: Option<usize>, version: Option<String>) {
        let write = write.and_then(|write| self.writes.get_mut(write));
        if let Some(write) = write {
            write.resource_version_before = version;
        }
    }

    /// The same of a write that is sent as its dry run.
    pub fn note_rehearsal(&mut self, request: &ApiRequest) -> Option<usize> {
        let noted = self.note(request);
        let write = noted.and_then(|write| self.writes.get_mut(write));
        write.into_iter().for_each(|write| write.dry_run = true);
        noted
    }

    /// What is recorded: all of it but what objects hold.
    pub fn recorded(&self) -> Self {
        let mut recorded = self.clone();
        recorded.preview = self.preview.as_ref().map(Preview::without_contents);
        recorded
    }

    /// Notes the server's answer to a write; `answer` is its body.
    pub fn answered(&mut self, write: Option<usize>, status: u16, answer: &[u8]) {
        let write = write.and_then(|write| self.writes.get_mut(write));
        write
            .into_iter()
            .for_each(|write| write.answered(status, answer));
    }

    /// Notes a request that was not explained, and whether it was refused.
    pub fn note_unexplained(&mut self, shown: &str, is_refused: bool) {
        self.refused |= is_refused;
        if self.unexplained.len() >= MOST_UNEXPLAINED {
            self.more_unexplained += 1;
            return;
        }
        self.unexplained
            .push(shown.chars().take(LONGEST_SHOWN).collect());
    }

    /// How many requests were not explained.
    pub fn count_unexplained(&self) -> usize {
        self.unexplained.len() + self.more_unexplained as usize
    }

    /// The first request that was refused, if one was.
    pub fn refused(&self) -> Option<String> {
        self.refused
            .then(|| self.unexplained.first().cloned())
            .flatten()
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl ApiWrite {
    fn of(request: &ApiRequest) -> Self {
        let (namespace, name) = match &request.path {
            ApiPath::Resource(path) => (path.namespace.clone(), path.name.clone()),
            ApiPath::Kubelet(_) | ApiPath::Other(_) => (None, None),
        };
        Self {
            verb: request.verb.to_string(),
            resource: kind_of(request),
            namespace,
            name,
            status: None,
            dry_run: request.query.get("dryRun").is_some(),
            uid: None,
            resource_version_before: None,
            resource_version: None,
        }
    }

    fn answered(&mut self, status: u16, answer: &[u8]) {
        self.status = Some(status);
        if !(200..300).contains(&status) {
            return;
        }
        // What a DELETE answers is a Status, whose object is in its details.
        let WriteAnswer { metadata, details } = serde_json::from_slice(answer).unwrap_or_default();
        self.name = self.name.take().or(metadata.name).or(details.name);
        self.uid = metadata.uid.or(details.uid);
        self.resource_version = metadata.resource_version;
    }
}

/// The kind that a request is about, with its subresource; the path where it is about none.
fn kind_of(request: &ApiRequest) -> String {
    match &request.path {
        ApiPath::Resource(path) => match &path.subresource {
            None => path.qualified(),
            Some(subresource) => format!("{}/{subresource}", path.qualified()),
        },
        ApiPath::Kubelet(_) => "nodes/proxy".to_owned(),
        ApiPath::Other(path) => path.clone(),
    }
}

impl ApiRequest {
    /// Whether it may become a stream of a pod's.
    pub fn connects(&self) -> bool {
        let ApiPath::Resource(path) = &self.path else {
            return false;
        };
        path.group.is_empty()
            && path.resource == "pods"
            && matches!(
                path.subresource.as_deref(),
                Some("exec" | "attach" | "portforward")
            )
    }

    /// Whether it may change something, or starts a program in the cluster.
    pub fn writes(&self) -> bool {
        let ApiPath::Resource(path) = &self.path else {
            return self.method != http::Method::GET;
        };
        // A review is made, and nothing is kept of it.
        let is_review = path.resource.ends_with("reviews")
            && matches!(
                path.group.as_str(),
                "authorization.k8s.io" | "authentication.k8s.io"
            );
        let connects = matches!(
            path.subresource.as_deref(),
            Some("exec" | "attach" | "portforward" | "proxy")
        );
        match self.verb {
            ApiVerb::Get | ApiVerb::List | ApiVerb::Watch => connects,
            _ => !is_review,
        }
    }
}

/// What of an answer is told.
#[derive(Default, Deserialize)]
#[serde(default)]
struct WriteAnswer {
    metadata: WriteAnswerMetadata,
    details: WriteAnswerMetadata,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WriteAnswerMetadata {
    name: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: &str, target: &str) -> ApiRequest {
        ApiRequest::read(method, target).unwrap()
    }

    #[test]
    fn writes_are_listed_as_the_server_answered_and_reads_are_counted() {
        let mut effects = Effects::default();
        let pods = read("GET", "/api/v1/namespaces/web/pods");
        effects.note(&pods);
        effects.note(&pods);
        let patch = read(
            "PATCH",
            "/apis/apps/v1/namespaces/web/deployments/a?dryRun=All",
        );
        let answer =
            br#"{"kind":"Deployment","metadata":{"name":"a","uid":"u","resourceVersion":"7"}}"#;
        let write = effects.note(&patch);
        effects.answered(write, 200, answer);
        let delete = read("DELETE", "/api/v1/namespaces/web/pods/b");
        for (status, answer) in [
            (
                200,
                &br#"{"kind":"Status","metadata":{},"details":{"name":"b","uid":"v"}}"#[..],
            ),
            (404, br#"{"kind":"Status","details":{"uid":"w"}}"#),
        ] {
            let write = effects.note(&delete);
            effects.answered(write, status, answer);
        }
        effects.note(&delete);
        let told = serde_json::to_value(&effects).unwrap();
        assert_eq!(
            told,
            serde_json::json!({
                "reads": {"pods": 2},
                "writes": [
                    {"verb": "patch", "resource": "deployments.apps", "namespace": "web", "name": "a", "status": 200, "dry_run": true, "uid": "u", "resource_version": "7"},
                    {"verb": "delete", "resource": "pods", "namespace": "web", "name": "b", "status": 200, "uid": "v"},
                    {"verb": "delete", "resource": "pods", "namespace": "web", "name": "b", "status": 404},
                    {"verb": "delete", "resource": "pods", "namespace": "web", "name": "b"},
                ],
            })
        );
    }

    #[test]
    fn what_starts_a_program_is_a_write_and_a_review_is_none() {
        for (method, target, writes) in [
            ("GET", "/api/v1/namespaces/web/pods/a/exec?command=ls", true),
            ("GET", "/api/v1/namespaces/web/pods/a/log", false),
            (
                "POST",
                "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                false,
            ),
            (
                "POST",
                "/api/v1/namespaces/web/serviceaccounts/a/token",
                true,
            ),
        ] {
            assert_eq!(read(method, target).writes(), writes, "{target}");
        }
    }

    #[test]
    fn lists_have_a_bound_and_what_is_beyond_is_counted() {
        let mut effects = Effects::default();
        for _ in 0..300 {
            effects.note(&read("DELETE", "/api/v1/namespaces/web/pods/b"));
            effects.note_unexplained(&"x".repeat(1000), true);
        }
        assert_eq!((effects.writes.len(), effects.more_writes), (256, 44));
        assert_eq!(
            (effects.unexplained.len(), effects.count_unexplained()),
            (16, 300)
        );
        assert!(effects.unexplained.iter().all(|shown| shown.len() == 512));
    }
}
