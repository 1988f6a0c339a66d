//! [`Overlay`]: what a preview has changed, laid over what the cluster has.
//!
//! Comes in: writes of which nothing was kept, what the API server answered to them, and the objects as
//! they were. Goes out: the answers that a tool would read after those writes: what it deleted is gone,
//! what it created is there, what it changed reads so. So a tool that waits for its own writes ends as it
//! would in earnest. Two writes of one object are put together field by field, since the server knows of
//! neither.
//!
//! Held by the tests in this folder and by `tests/service/preview.rs`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{body::essence, json::read_json, protobuf::read_protobuf, selected::is_selected};
use crate::api_request::{ApiPath, ApiRequest, ApiVerb, ResourcePath};

/// What a preview has changed.
#[derive(Debug, Default)]
pub struct Overlay {
    objects: Vec<Overlaid>,
    /// Where each stands in `objects`.
    places: BTreeMap<ObjectKey, usize>,
    /// Subresources that are objects of their own: scales.
    parts: BTreeMap<String, Value>,
    bytes: usize,
}

/// Which object: its resource, its namespace, its name.
type ObjectKey = (String, Option<String>, String);

/// One object that a preview has changed.
#[derive(Debug)]
pub(super) struct Overlaid {
    /// Without a subresource.
    pub path: ResourcePath,
    pub before: Before,
    /// None for what is deleted.
    pub now: Option<Value>,
    /// Whether it has changes that are not in `now`.
    pub lacks_changes: bool,
}

/// What an object was before a preview changed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Before {
    /// There was none.
    Nothing,
    /// The server did not show it, and answered with this status.
    Unread(u16),
    /// This.
    Was(Value),
}

/// What a preview has made of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverlayState {
    /// It reads otherwise.
    Changed,
    /// It is there, and only here.
    Created,
    /// It is deleted.
    Gone,
    /// Nothing.
    Untouched,
}

/// An answer in the API server's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverlaidAnswer {
    /// Its HTTP status.
    pub status: u16,
    /// What it says.
    pub body: Value,
}

/// A preview has changed more than is kept of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the objects of this preview have more than 32 MiB")]
pub struct OverlayFull;

/// What is kept of one preview.
const MOST_BYTES: usize = 32 << 20;

impl Overlay {
    /// What it has made of the object of a path.
    pub fn state(&self, path: &ResourcePath) -> OverlayState {
        match self.at(path) {
            None => OverlayState::Untouched,
            Some(Overlaid { now: None, .. }) => OverlayState::Gone,
            Some(Overlaid {
                before: Before::Nothing,
                ..
            }) => OverlayState::Created,
            Some(_) => OverlayState::Changed,
        }
    }

    /// Takes a write that the server has answered with success: `before` is what its object was, where
    /// the overlay does not know it. Returns what the tool reads as the answer.
    ///
    /// # Errors
    /// [`OverlayFull`].
    pub fn take(
        &mut self,
        request: &ApiRequest,
        before: Before,
        answer: &Value,
    ) -> Result<Value, OverlayFull> {
        let ApiPath::Resource(path) = &request.path else {
            return Ok(answer.clone());
        };
        let deletes =
            request.verb == ApiVerb::Delete || path.subresource.as_deref() == Some("eviction");
        match (request.verb, path.subresource.as_deref()) {
            (ApiVerb::DeleteCollection, _) => {
                for item in answer
                    .get("items")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                {
                    if let Some(path) = named(path, item) {
                        self.put(&path, Before::Was(item.clone()), None)?;
                    }
                }
            }
            _ if deletes => self.put(path, before, None)?,
            (ApiVerb::Create, None) => {
                if let Some(path) = named(path, answer) {
                    self.put(&path, Before::Nothing, Some(answer.clone()))?;
                }
            }
            _ => return self.take_change(path, before, answer),
        }
        Ok(answer.clone())
    }

    fn take_change(
        &mut self,
        path: &ResourcePath,
        before: Before,
        answer: &Value,
    ) -> Result<Value, OverlayFull> {
        let known = self.at(path);
        let before = known.map_or(before, |known| known.before.clone());
        let current = known.and_then(|known| known.now.clone());
        let current = current.or_else(|| match &before {
            Before::Was(was) => Some(was.clone()),
            Before::Nothing | Before::Unread(_) => None,
        });
        if path.subresource.as_deref() == Some("scale") {
            self.parts.insert(part_key(path), answer.clone());
            let mut scaled = current.unwrap_or_default();
            if let Some(replicas) = scaled.pointer_mut("/spec/replicas") {
                *replicas = answer
                    .pointer("/spec/replicas")
                    .cloned()
                    .unwrap_or_default();
            }
            self.put(path, before, Some(scaled))?;
            return Ok(answer.clone());
        }
        let is_other = path.subresource.is_some()
            && current
                .as_ref()
                .is_none_or(|current| current.get("kind") != answer.get("kind"));
        if is_other {
            return Ok(answer.clone());
        }
        let now = match (&before, current) {
            (Before::Was(was), Some(current)) => put_together(was, answer, current),
            _ => answer.clone(),
        };
        self.put(path, before, Some(now.clone()))?;
        Ok(now)
    }

    /// The answer to a write whose object the server does not have, or has although it is deleted; none
    /// where the server answers it. `media_type` is of the body.
    ///
    /// # Errors
    /// [`OverlayFull`].
    pub fn write(
        &mut self,
        request: &ApiRequest,
        media_type: &str,
        body: &[u8],
    ) -> Result<Option<OverlaidAnswer>, OverlayFull> {
        let ApiPath::Resource(path) = &request.path else {
            return Ok(None);
        };
        let (state, applies) = (
            self.state(path),
            media_type.starts_with("application/apply-patch"),
        );
        let has_name = path.name.is_some();
        match (state, request.verb) {
            (OverlayState::Untouched | OverlayState::Changed, _) => Ok(None),
            // The server makes an object of it, or of what it still has.
            (_, ApiVerb::Patch) if applies && path.subresource.is_none() => Ok(None),
            (OverlayState::Gone, _) => Ok(has_name.then(|| not_found(path))),
            (OverlayState::Created, ApiVerb::Delete) => self.deleted(path).map(Some),
            (OverlayState::Created, ApiVerb::Create)
                if path.subresource.as_deref() == Some("eviction") =>
            {
                self.deleted(path).map(Some)
            }
            (OverlayState::Created, _) => {
                let Some(created) = self.at(path).and_then(|known| known.now.clone()) else {
                    return Ok(None);
                };
                let changed = match path.subresource {
                    None => changed(&created, request.verb, media_type, body),
                    Some(_) => None,
                };
                let now = changed.clone().unwrap_or(created);
                if let Some(known) = self.at_mut(path) {
                    known.lacks_changes |= changed.is_none();
                }
                self.put(path, Before::Nothing, Some(now.clone()))?;
                Ok(Some(OverlaidAnswer {
                    status: 200,
                    body: now,
                }))
            }
        }
    }

    fn deleted(&mut self, path: &ResourcePath) -> Result<OverlaidAnswer, OverlayFull> {
        self.put(path, Before::Nothing, None)?;
        let body =
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"});
        Ok(OverlaidAnswer { status: 200, body })
    }

    /// The answer to a read of one object, where the server would say what the preview has changed.
    pub fn answer(&self, request: &ApiRequest) -> Option<OverlaidAnswer> {
        let ApiPath::Resource(path) = &request.path else {
            return None;
        };
        if request.verb != ApiVerb::Get {
            return None;
        }
        let known = self.at(path)?;
        let Some(now) = &known.now else {
            return Some(not_found(path));
        };
        let body = match &path.subresource {
            None if known.path.version == path.version => now.clone(),
            None => return None,
            Some(_) => self.parts.get(&part_key(path))?.clone(),
        };
        (!body.is_null()).then_some(OverlaidAnswer { status: 200, body })
    }

    /// Lays it over an answer to a list: what is gone is taken out, what is changed put in its place, and
    /// what is created behind it.
    pub fn list(&self, request: &ApiRequest, answer: &mut Value) {
        let ApiPath::Resource(path) = &request.path else {
            return;
        };
        if let Some(rows) = answer.get_mut("rows").and_then(Value::as_array_mut) {
            rows.retain(|row| {
                row.get("object")
                    .and_then(|object| self.of_item(path, object))
                    .is_none_or(|known| known.now.is_some())
            });
            return;
        }
        let more = answer.pointer("/metadata/continue").and_then(Value::as_str);
        let is_last = more.is_none_or(str::is_empty);
        let Some(items) = answer.get_mut("items").and_then(Value::as_array_mut) else {
            return;
        };
        items.retain_mut(|item| match self.of_item(path, item) {
            None => true,
            Some(Overlaid { now: None, .. }) => false,
            Some(known) => {
                known.lay_over(path, item);
                true
            }
        });
        let created = self.objects.iter().filter(|known| {
            known.before == Before::Nothing
                && is_in(path, &known.path)
                && known.path.version == path.version
        });
        let created = created.filter_map(|known| known.now.as_ref());
        let selected = created.filter(|object| is_selected(request, object));
        items.extend(selected.filter(|_| is_last).cloned());
    }

    /// Lays it over an event of a watch; none for what nobody would hear any more.
    pub fn event(&self, request: &ApiRequest, mut event: Value) -> Option<Value> {
        let ApiPath::Resource(path) = &request.path else {
            return Some(event);
        };
        let known = event
            .get("object")
            .and_then(|object| self.of_item(path, object));
        match known {
            None => {}
            Some(Overlaid { now: None, .. }) => {
                let kind = event.get_mut("type")?;
                if kind == "ADDED" {
                    return None;
                }
                *kind = "DELETED".into();
            }
            Some(known) => known.lay_over(path, event.get_mut("object")?),
        }
        Some(event)
    }

    /// What a watch begins with that goes on from a list: what is gone since.
    pub fn first_events(&self, request: &ApiRequest) -> Vec<Value> {
        let ApiPath::Resource(path) = &request.path else {
            return Vec::new();
        };
        // One that begins with all objects hears nothing of those that are gone.
        if request.query.get("sendInitialEvents").is_some() {
            return Vec::new();
        }
        let gone = self
            .objects
            .iter()
            .filter(|known| known.now.is_none() && is_in(path, &known.path));
        let were = gone.filter_map(|known| match &known.before {
            Before::Was(was) => Some(was),
            Before::Nothing | Before::Unread(_) => None,
        });
        let selected = were.filter(|object| is_selected(request, object));
        selected
            .map(|object| json!({"type": "DELETED", "object": object}))
            .collect()
    }

    /// The namespaces that it has created: the server has nothing of what is to be in one.
    pub fn creates_namespace(&self, namespace: &str) -> bool {
        let key = ("namespaces".to_owned(), None, namespace.to_owned());
        let known = self.places.get(&key).and_then(|at| self.objects.get(*at));
        known.is_some_and(|known| known.before == Before::Nothing && known.now.is_some())
    }

    /// The objects, in the order of their first changes.
    pub(super) fn objects(&self) -> impl Iterator<Item = &Overlaid> {
        self.objects.iter()
    }

    fn at(&self, path: &ResourcePath) -> Option<&Overlaid> {
        let place = self.places.get(&key(path)?)?;
        self.objects.get(*place)
    }

    fn at_mut(&mut self, path: &ResourcePath) -> Option<&mut Overlaid> {
        let place = self.places.get(&key(path)?)?;
        self.objects.get_mut(*place)
    }

    fn of_item(&self, collection: &ResourcePath, item: &Value) -> Option<&Overlaid> {
        self.at(&named(collection, item)?)
    }

    fn put(
        &mut self,
        path: &ResourcePath,
        before: Before,
        now: Option<Value>,
    ) -> Result<(), OverlayFull> {
        let Some(key) = key(path) else { return Ok(()) };
        let size = |value: &Value| value.to_string().len();
        let more = now.as_ref().map_or(0, size);
        let of_before = match &before {
            Before::Was(was) if !self.places.contains_key(&key) => size(was),
            _ => 0,
        };
        self.bytes = self.bytes.saturating_add(more).saturating_add(of_before);
        if self.bytes > MOST_BYTES {
            return Err(OverlayFull);
        }
        if let Some(known) = self.at_mut(path) {
            known.now = now;
            return Ok(());
        }
        let mut path = path.clone();
        path.subresource = None;
        self.places.insert(key, self.objects.len());
        self.objects.push(Overlaid {
            path,
            before,
            now,
            lacks_changes: false,
        });
        Ok(())
    }
}

impl Overlaid {
    /// Puts it in the place of the same object of a list, where that is whole and of its version.
    fn lay_over(&self, path: &ResourcePath, item: &mut Value) {
        let is_partial = item
            .get("kind")
            .is_some_and(|kind| kind == "PartialObjectMetadata");
        match &self.now {
            Some(now) if !now.is_null() && !is_partial && self.path.version == path.version => {
                *item = now.clone();
            }
            _ => {}
        }
    }
}

fn key(path: &ResourcePath) -> Option<ObjectKey> {
    let namespace = path.within().map(str::to_owned);
    Some((path.qualified(), namespace, path.name.clone()?))
}

fn part_key(path: &ResourcePath) -> String {
    ApiPath::Resource(path.clone()).to_string()
}

/// The path of an object of a collection, or of one that is made in it.
fn named(collection: &ResourcePath, object: &Value) -> Option<ResourcePath> {
    let metadata = object.get("metadata")?;
    let mut path = collection.clone();
    path.subresource = None;
    path.name = Some(metadata.get("name")?.as_str()?.to_owned());
    let namespace = metadata.get("namespace").and_then(Value::as_str);
    path.namespace = namespace.map(str::to_owned).or(path.namespace);
    Some(path)
}

fn is_in(collection: &ResourcePath, object: &ResourcePath) -> bool {
    let namespace = collection.within();
    collection.qualified() == object.qualified()
        && namespace.is_none_or(|namespace| object.namespace.as_deref() == Some(namespace))
}

/// What an answer changes of an object as the server has it, put into the object as it is by now.
fn put_together(was: &Value, answer: &Value, mut current: Value) -> Value {
    put_in(was, answer, &mut current);
    // A change of it would be told as one that is under way, and nobody ends it.
    let generation = was.pointer("/metadata/generation").cloned();
    if let (Some(before), Some(now)) = (generation, current.pointer_mut("/metadata/generation")) {
        *now = before;
    }
    current
}

fn put_in(was: &Value, answer: &Value, current: &mut Value) {
    let (Value::Object(answer), Some(was)) = (answer, was.as_object()) else {
        *current = answer.clone();
        return;
    };
    if !current.is_object() {
        *current = Value::Object(Map::new());
    }
    let Some(current) = current.as_object_mut() else {
        return;
    };
    for gone in was.keys().filter(|key| !answer.contains_key(*key)) {
        current.remove(gone);
    }
    for (key, value) in answer {
        match was.get(key) {
            Some(same) if same == value => {}
            Some(before) => put_in(before, value, current.entry(key).or_insert(Value::Null)),
            None => {
                current.insert(key.clone(), value.clone());
            }
        }
    }
}

/// An object that the server does not have, with a change of it; none where that is in a form that is
/// not read here.
fn changed(created: &Value, verb: ApiVerb, media_type: &str, body: &[u8]) -> Option<Value> {
    match (verb, essence(media_type)) {
        (ApiVerb::Patch, "application/merge-patch+json") => {
            let mut now = created.clone();
            merge(&mut now, &read_json(body)?);
            Some(now)
        }
        (ApiVerb::Update, _) => {
            let read = read_json(body).or_else(|| read_protobuf(body));
            let mut now = read.filter(|object| !has_unread_fields(object))?;
            // What the server has given it.
            let given = created.get("metadata")?.as_object()?.clone();
            let metadata = now.get_mut("metadata")?.as_object_mut()?;
            for (key, value) in given {
                if ["creationTimestamp", "namespace", "resourceVersion", "uid"]
                    .contains(&key.as_str())
                {
                    metadata.insert(key, value);
                }
            }
            Some(now)
        }
        _ => None,
    }
}

fn has_unread_fields(object: &Value) -> bool {
    match object {
        Value::Object(fields) => {
            let mut fields = fields.iter();
            fields.any(|(name, value)| name.starts_with('#') || has_unread_fields(value))
        }
        Value::Array(entries) => entries.iter().any(has_unread_fields),
        _ => false,
    }
}

/// RFC 7386.
fn merge(object: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *object = patch.clone();
        return;
    };
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let Some(fields) = object.as_object_mut() else {
        return;
    };
    for (key, value) in patch {
        match value {
            Value::Null => {
                fields.remove(key);
            }
            value => merge(fields.entry(key).or_insert(Value::Null), value),
        }
    }
}

/// What the API server says of an object that it does not have.
fn not_found(path: &ResourcePath) -> OverlaidAnswer {
    let name = path.name.as_deref().unwrap_or_default();
    let body = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": format!("{} \"{name}\" not found", path.qualified()),
        "reason": "NotFound",
        "details": {"name": name, "group": path.group, "kind": path.resource},
        "code": 404,
    });
    OverlaidAnswer { status: 404, body }
}

#[cfg(test)]
mod tests;
