//! [`ManifestedBody`]: whether the body of a write says what an object of the command's manifest says,
//! and no more.
//!
//! Comes in: the object, as the tool got it, and a body of the tool. A create or an update has to be
//! the object; a patch may set what the object has, where it has it, and remove what the manifest that was
//! applied last had there (kubectl's annotation of it) and this one has not. kubectl adds that annotation,
//! which has to be the object as well.
//!
//! A list is merged by Kubernetes' own patches where its elements have a key, and replaced where they have
//! none (`k8s.io/api` types.go, `patchMergeKey`): one that could be taken in both ways has to be whole.
//!
//! Held by the tests below, `tests/service/manifests.rs` and `tests/service/manifest_lies.rs`.

use std::fmt;

use serde_json::{Map, Value};

use super::{body::BodyError, json::read_json, secrets::LAST_APPLIED, walk::Merge};

/// What an object of a manifest lets a write say.
pub(super) struct ManifestedBody {
    object: Value,
}

/// Lists whose elements a strategic merge tells apart by this field. One of `ports` has either.
const KEYED: [(&str, &[&str]); 16] = [
    ("conditions", &["type"]),
    ("containers", &["name"]),
    ("env", &["name"]),
    ("ephemeralContainers", &["name"]),
    ("hostAliases", &["ip"]),
    ("imagePullSecrets", &["name"]),
    ("initContainers", &["name"]),
    ("ownerReferences", &["uid"]),
    ("ports", &["containerPort", "port"]),
    ("resourceClaims", &["name"]),
    ("schedulingGates", &["name"]),
    ("secrets", &["name"]),
    ("topologySpreadConstraints", &["topologyKey"]),
    ("volumeDevices", &["devicePath"]),
    ("volumeMounts", &["mountPath"]),
    ("volumes", &["name"]),
];

/// Nothing of the object: it may be a Secret.
impl fmt::Debug for ManifestedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ManifestedBody")
    }
}

impl ManifestedBody {
    /// The rule of an object.
    pub(super) fn of(object: &Value) -> Self {
        Self {
            object: without_note(object).0,
        }
    }

    /// Holds what is created, or applied by the server, against the object.
    pub(super) fn is(&self, body: &Value) -> Result<(), BodyError> {
        let (body, note) = without_note(body);
        self.is_note(note)?;
        (body == self.object)
            .then_some(())
            .ok_or(BodyError::Manifest)
    }

    /// Holds what the server applies against the object: all of it, or kubectl's note of it alone.
    pub(super) fn applies(&self, body: &Value) -> Result<(), BodyError> {
        let (rest, note) = without_note(body);
        match note.is_some() && rest == self.identity() {
            true => self.is_note(note),
            false => self.is(body),
        }
    }

    /// What says which object it is, and nothing else.
    fn identity(&self) -> Value {
        let mut metadata = Map::new();
        for key in ["name", "namespace"] {
            let value = self.object.pointer(&format!("/metadata/{key}"));
            metadata.extend(value.map(|value| (key.to_owned(), value.clone())));
        }
        let own = |key: &str| self.object.get(key).cloned().unwrap_or_default();
        serde_json::json!({ "apiVersion": own("apiVersion"), "kind": own("kind"), "metadata": metadata })
    }

    /// Holds what takes an object's place against the object: the tool adds the version that it has read.
    pub(super) fn replaces(&self, body: &Value) -> Result<(), BodyError> {
        let mut body = body.clone();
        let own = self.object.pointer("/metadata/resourceVersion");
        if own.is_none()
            && let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut)
        {
            metadata.remove("resourceVersion");
        }
        self.is(&body)
    }

    /// Holds a patch against the object; `before` is what the call has read of it.
    pub(super) fn patches(
        &self,
        patch: &Value,
        merge: Merge,
        before: Option<&Value>,
    ) -> Result<(), BodyError> {
        let note = before.and_then(note_of);
        let applied = note.and_then(|note| read_json(note.as_bytes()));
        // What begins so in the manifest is no field to a server that merges it.
        if merge == Merge::Strategic && has_directive(&self.object) {
            return unsaid("$patch");
        }
        let walk = ObjectPatch { merge };
        let (patch, note) = without_note(patch);
        self.is_note(note)?;
        walk.object("", &patch, Some(&self.object), applied.as_ref())
    }

    /// Holds a list of operations against what moves an object from one kind of apply to the other: who
    /// manages its fields.
    pub(super) fn moves(&self, operations: &Value) -> Result<(), BodyError> {
        let operations = operations.as_array().ok_or(BodyError::Unread)?;
        let is_move = |operation: &Value| {
            let path = operation.get("path").and_then(Value::as_str);
            let is_replace = operation.get("op").and_then(Value::as_str) == Some("replace");
            let fields = ["/metadata/managedFields", "/metadata/resourceVersion"];
            is_replace && path.is_some_and(|path| fields.contains(&path))
        };
        operations
            .iter()
            .all(is_move)
            .then_some(())
            .ok_or(BodyError::Manifest)
    }

    /// What is noted as applied has to be the object: a later apply removes what it has and that one lacks.
    fn is_note(&self, note: Option<String>) -> Result<(), BodyError> {
        let Some(note) = note else { return Ok(()) };
        let noted = read_json(note.as_bytes()).ok_or(BodyError::Unread)?;
        let (noted, more) = without_note(&noted);
        (more.is_none() && noted == self.object)
            .then_some(())
            .ok_or(BodyError::Manifest)
    }
}

/// The text of the note in an object.
fn note_of(object: &Value) -> Option<String> {
    let annotations = object.pointer("/metadata/annotations")?;
    Some(annotations.get(LAST_APPLIED)?.as_str()?.to_owned())
}

/// An object without the note, and without annotations where there are no others; and the note.
fn without_note(object: &Value) -> (Value, Option<String>) {
    let mut object = object.clone();
    let mut note = None;
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        let annotations = metadata.get_mut("annotations");
        if let Some(annotations) = annotations.and_then(Value::as_object_mut)
            && let Some(Value::String(text)) = annotations.get(LAST_APPLIED)
        {
            note = Some(text.clone());
            annotations.remove(LAST_APPLIED);
        }
        let is_empty =
            |value: &Value| value.is_null() || value.as_object().is_some_and(Map::is_empty);
        if metadata.get("annotations").is_some_and(is_empty) {
            metadata.remove("annotations");
        }
    }
    (object, note)
}

/// A patch of an object that a manifest has.
struct ObjectPatch {
    merge: Merge,
}

impl ObjectPatch {
    /// A value at the field `key`: what the patch says, what the manifest has there, and what the one that
    /// was applied last had.
    fn value(
        &self,
        key: &str,
        patch: &Value,
        object: Option<&Value>,
        applied: Option<&Value>,
    ) -> Result<(), BodyError> {
        match (patch, object) {
            // Of a field without a value nothing stays.
            (Value::Null, None | Some(Value::Null)) => is_gone(key, applied),
            (Value::Null, Some(_)) => unsaid(key),
            (patch, Some(object)) if patch == object => Ok(()),
            (Value::Object(_), object) => {
                let object = object.filter(|object| object.is_object());
                self.object(key, patch, object, applied)
            }
            (Value::Array(elements), Some(Value::Array(own))) => {
                self.list(key, elements, own, applied)
            }
            (Value::Array(elements), None) => self.list(key, elements, &[], applied),
            _ => unsaid(key),
        }
    }

    fn object(
        &self,
        key: &str,
        patch: &Value,
        object: Option<&Value>,
        applied: Option<&Value>,
    ) -> Result<(), BodyError> {
        let Value::Object(fields) = patch else {
            return unsaid(key);
        };
        // What is put where the manifest has nothing may only take away.
        if fields.is_empty() && object.is_none() && !key.is_empty() {
            return unsaid(key);
        }
        for (name, value) in fields {
            match name.strip_prefix('$') {
                Some(directive) if self.merge == Merge::Strategic => {
                    directive_holds(directive, value, object, applied)?;
                }
                _ => {
                    let (own, was) = (at(object, name), at(applied, name));
                    self.value(name, value, own, was)?;
                }
            }
        }
        Ok(())
    }

    /// The elements that a patch has of a list, where they are merged with those that are there.
    fn list(
        &self,
        key: &str,
        elements: &[Value],
        own: &[Value],
        applied: Option<&Value>,
    ) -> Result<(), BodyError> {
        let keyed = KEYED.iter().find(|(list, _)| *list == key);
        let Some((_, names)) = keyed.filter(|_| self.merge == Merge::Strategic) else {
            return self.primitives(key, elements, own);
        };
        let applied = applied.and_then(Value::as_array).map(Vec::as_slice);
        for element in elements {
            let name = names.iter().find(|name| element.get(**name).is_some());
            let Some(name) = name else { return unsaid(key) };
            let told = element.get(*name);
            let is_it = |other: &&Value| other.get(*name) == told;
            let (own, was) = (
                own.iter().find(is_it),
                applied.unwrap_or_default().iter().find(is_it),
            );
            match element.get("$patch").map(Value::as_str) {
                Some(Some("delete")) if own.is_none() && was.is_some() => {}
                Some(_) => return unsaid(key),
                None if own.is_none() => return unsaid(key),
                None => self.object(key, element, own, was)?,
            }
        }
        Ok(())
    }

    /// Some of a list that is merged as a set; any other is replaced, and was compared as a whole.
    fn primitives(&self, key: &str, elements: &[Value], own: &[Value]) -> Result<(), BodyError> {
        let is_set = self.merge == Merge::Strategic && key == "finalizers";
        match is_set && elements.iter().all(|element| own.contains(element)) {
            true => Ok(()),
            false => unsaid(key),
        }
    }
}

fn has_directive(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields
            .iter()
            .any(|(key, value)| key.starts_with('$') || has_directive(value)),
        Value::Array(elements) => elements.iter().any(has_directive),
        _ => false,
    }
}

/// `$setElementOrder/…` puts in order, `$retainKeys` removes what the manifest does not have, and
/// `$deleteFromPrimitiveList/…` what only the last one had.
fn directive_holds(
    directive: &str,
    value: &Value,
    object: Option<&Value>,
    applied: Option<&Value>,
) -> Result<(), BodyError> {
    let elements = value.as_array();
    match directive.split_once('/') {
        Some(("setElementOrder", _)) if elements.is_some() => Ok(()),
        Some(("deleteFromPrimitiveList", list)) => {
            let in_list = |of: Option<&Value>, element: &Value| {
                let list = at(of, list).and_then(Value::as_array);
                list.is_some_and(|list| list.contains(element))
            };
            let is_left_out =
                |element: &Value| !in_list(object, element) && in_list(applied, element);
            match elements.is_some_and(|elements| elements.iter().all(is_left_out)) {
                true => Ok(()),
                false => unsaid(list),
            }
        }
        // What is retained has to be all that the manifest has.
        None if directive == "retainKeys" => {
            let own = object.and_then(Value::as_object);
            let retains = |key: &String| {
                elements.is_some_and(|kept| kept.iter().any(|it| it.as_str() == Some(key)))
            };
            match own.is_some_and(|own| own.keys().all(retains)) {
                true => Ok(()),
                false => unsaid(directive),
            }
        }
        _ => unsaid(directive),
    }
}

fn at<'v>(object: Option<&'v Value>, key: &str) -> Option<&'v Value> {
    object.and_then(|object| object.get(key))
}

fn is_gone(key: &str, applied: Option<&Value>) -> Result<(), BodyError> {
    match applied {
        Some(_) => Ok(()),
        None => unsaid(key),
    }
}

fn unsaid(field: &str) -> Result<(), BodyError> {
    Err(BodyError::Unsaid(field.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn web() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "web", "namespace": "shop" },
            "spec": {
                "replicas": 2,
                "strategy": { "type": "Recreate" },
                "template": { "spec": {
                    "containers": [
                        { "name": "app", "image": "r.example/web:2", "args": ["-a", "-b"] },
                        { "name": "side", "image": "r.example/side:1" },
                    ],
                    "tolerations": [{ "key": "k", "operator": "Equal", "value": "v" }],
                } },
            },
        })
    }

    fn noted(object: &Value, of: &Value) -> Value {
        let mut noted = of.clone();
        noted["metadata"]["annotations"] = json!({});
        let mut object = object.clone();
        object["metadata"]["annotations"] = json!({ LAST_APPLIED: format!("{noted}\n") });
        object
    }

    #[test]
    fn what_is_created_is_the_object_and_its_note() {
        let rule = ManifestedBody::of(&web());
        assert_eq!(rule.is(&web()), Ok(()));
        assert_eq!(rule.is(&noted(&web(), &web())), Ok(()));
        let mut other = web();
        other["spec"]["template"]["spec"]["hostNetwork"] = json!(true);
        assert_eq!(rule.is(&other), Err(BodyError::Manifest));
        // A note of something else lets the next apply remove what was never applied.
        assert_eq!(rule.is(&noted(&web(), &other)), Err(BodyError::Manifest));
        let mut more = web();
        more["metadata"]["annotations"] = json!({ "a": "b" });
        assert_eq!(rule.is(&more), Err(BodyError::Manifest));
        let mut replaced = web();
        replaced["metadata"]["resourceVersion"] = json!("7");
        assert_eq!(rule.replaces(&replaced), Ok(()));
        assert_eq!(rule.is(&replaced), Err(BodyError::Manifest));
        // The server applies it, or the note of it alone.
        let only_note = |noted_as: &Value| {
            let mut body = web();
            body.as_object_mut().unwrap().remove("spec");
            noted(&body, noted_as)
        };
        assert_eq!(rule.applies(&web()), Ok(()));
        assert_eq!(rule.applies(&only_note(&web())), Ok(()));
        assert_eq!(rule.applies(&only_note(&other)), Err(BodyError::Manifest));
        let mut nothing = web();
        nothing.as_object_mut().unwrap().remove("spec");
        assert_eq!(rule.applies(&nothing), Err(BodyError::Manifest));
    }

    #[test]
    fn a_patch_sets_what_the_object_has_and_removes_what_was_applied() {
        let rule = ManifestedBody::of(&web());
        let mut applied = web();
        applied["spec"]["paused"] = json!(true);
        applied["spec"]["template"]["spec"]["containers"][1]["name"] = json!("old");
        let before = noted(&applied, &applied);
        let explains = |patch: &Value| rule.patches(patch, Merge::Strategic, Some(&before));
        let containers = |elements: Value| json!({ "spec": { "template": { "spec": { "containers": elements } } } });
        for patch in [
            json!({}),
            json!({ "spec": { "replicas": 2, "paused": null } }),
            json!({ "spec": { "strategy": { "$retainKeys": ["type"], "type": "Recreate" } } }),
            containers(json!([{ "name": "app", "image": "r.example/web:2" }])),
            containers(
                json!([{ "name": "side", "image": "r.example/side:1" }, { "name": "old", "$patch": "delete" }]),
            ),
            containers(json!([{ "name": "app", "args": ["-a", "-b"] }])),
            json!({ "spec": { "template": { "spec": { "$setElementOrder/containers": [{ "name": "app" }, { "name": "side" }] } } } }),
        ] {
            assert_eq!(explains(&patch), Ok(()), "{patch}");
        }
        for patch in [
            json!({ "spec": { "replicas": 3 } }),
            json!({ "spec": { "replicas": null } }),
            json!({ "spec": { "selector": null } }),
            json!({ "spec": { "template": { "spec": { "hostNetwork": true } } } }),
            json!({ "metadata": { "finalizers": ["a/b"] } }),
            json!({ "metadata": { "labels": {} } }),
            json!({ "spec": { "strategy": { "$retainKeys": [], "type": "Recreate" } } }),
            json!({ "spec": { "$patch": "delete" } }),
            json!({ "spec": { "$patch": "replace", "replicas": 2 } }),
            containers(json!([{ "name": "app", "image": "evil.example/web:2" }])),
            containers(json!([{ "name": "app", "args": ["-a"] }])),
            containers(json!([{ "name": "app", "securityContext": { "privileged": true } }])),
            containers(json!([{ "name": "new", "image": "r.example/web:2" }])),
            containers(json!([{ "name": "app", "$patch": "delete" }])),
            containers(json!([{ "name": "other", "$patch": "delete" }])),
            containers(json!([{ "image": "r.example/web:2" }])),
            // It is replaced, whatever key its elements have.
            json!({ "spec": { "template": { "spec": { "tolerations": [{ "key": "k" }] } } } }),
            json!({ "spec": { "template": { "spec": { "tolerations": [] } } } }),
        ] {
            assert!(explains(&patch).is_err(), "{patch}");
        }
        // What the call has not read cannot say what was applied.
        let removes = json!({ "spec": { "paused": null } });
        assert!(rule.patches(&removes, Merge::Strategic, None).is_err());
        // A plain merge replaces lists.
        let some = containers(json!([{ "name": "app", "image": "r.example/web:2" }]));
        assert!(rule.patches(&some, Merge::Plain, Some(&before)).is_err());
        let all = containers(web()["spec"]["template"]["spec"]["containers"].clone());
        assert_eq!(rule.patches(&all, Merge::Plain, Some(&before)), Ok(()));
    }

    #[test]
    fn a_move_between_kinds_of_apply_changes_who_manages_fields() {
        let rule = ManifestedBody::of(&web());
        let operation = |path: &str| json!({ "op": "replace", "path": path, "value": [] });
        let moves =
            |paths: &[&str]| rule.moves(&paths.iter().map(|path| operation(path)).collect());
        assert_eq!(
            moves(&["/metadata/managedFields", "/metadata/resourceVersion"]),
            Ok(())
        );
        assert!(moves(&["/metadata/managedFields", "/spec/replicas"]).is_err());
        assert!(rule.moves(&json!({})).is_err());
    }
}
