//! [`KeptObjects`]: the objects that a call has read and may put others in the place of.

use std::collections::{BTreeMap, VecDeque};

use serde::Deserialize;
use serde_json::Value;

use super::json::read_json;
use crate::api_request::{ApiPath, ApiRequest};

/// Objects that a call has read, by their paths.
#[derive(Debug, Default)]
pub(super) struct KeptObjects {
    whole: VecDeque<(String, Value)>,
    /// The lists in objects that commands edit: a node's taints, a binding's subjects.
    lists: BTreeMap<String, Vec<Value>>,
}

/// What is kept of one call: a tool writes what it has just read.
const MOST_KEPT: usize = 16;
/// The largest object that is kept; etcd takes none that is larger.
const LARGEST_KEPT: usize = 3 << 19;
/// Objects whose lists are kept.
const MOST_LISTS: usize = 10_000;
/// The longest list that is kept.
const LONGEST_LIST: usize = 1000;

impl KeptObjects {
    /// Keeps the answer to a request for one object, the newest of each path.
    pub(super) fn keep(&mut self, request: &ApiRequest, answer: &[u8]) {
        let object = (answer.len() <= LARGEST_KEPT).then(|| read_json(answer));
        let path = request.path.to_string();
        self.whole.retain(|(known, _)| *known != path);
        if let Some(object) = object.flatten() {
            self.whole.truncate(MOST_KEPT - 1);
            self.whole.push_front((path, object));
        }
    }

    /// Keeps the lists in the objects of an answer.
    pub(super) fn keep_lists(&mut self, request: &ApiRequest, answer: &[u8]) {
        let ApiPath::Resource(path) = &request.path else {
            return;
        };
        let answer: ListsAnswer = serde_json::from_slice(answer).unwrap_or_default();
        let objects = answer.items.into_iter().chain([answer.own]);
        for ListsObject {
            metadata,
            spec,
            subjects,
        } in objects
        {
            let list = spec.taints.or(subjects).unwrap_or_default();
            if metadata.name.is_none()
                || list.len() > LONGEST_LIST
                || self.lists.len() >= MOST_LISTS
            {
                continue;
            }
            let mut path = path.clone();
            path.namespace = metadata.namespace.or(path.namespace);
            path.name = metadata.name;
            self.lists.insert(ApiPath::Resource(path).to_string(), list);
        }
    }

    /// The list in the object at the path of a request.
    pub(super) fn list_at(&self, request: &ApiRequest) -> Option<&[Value]> {
        self.lists.get(&request.path.to_string()).map(Vec::as_slice)
    }

    /// The object at the path of a request.
    pub(super) fn at(&self, request: &ApiRequest) -> Option<&Value> {
        let path = request.path.to_string();
        let mut kept = self.whole.iter();
        kept.find_map(|(known, object)| (*known == path).then_some(object))
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ListsAnswer {
    #[serde(flatten)]
    own: ListsObject,
    items: Vec<ListsObject>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ListsObject {
    metadata: ListsMetadata,
    spec: ListsSpec,
    subjects: Option<Vec<Value>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ListsMetadata {
    name: Option<String>,
    namespace: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ListsSpec {
    taints: Option<Vec<Value>>,
}
