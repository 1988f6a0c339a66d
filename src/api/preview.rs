//! [`Preview`]: what a call would do to its cluster, object by object, with what differs.
//!
//! Comes in: what the API server answered to writes of which nothing was kept ([`Overlay`]). Goes out: a
//! bounded list for the reply. The values of Secrets are marks, whatever the tool sees. What is left out
//! says so.

use serde::Serialize;
use serde_json::Value;

use super::{
    drawn::{difference, drawn},
    overlay::{Before, Overlaid, Overlay},
    secrets::HiddenSecrets,
    sentence::ShownSecrets,
};
use crate::api_request::{ApiPath, ApiRequest, ApiVerb, Query, ResourcePath};

/// What a call would do, of which nothing was done.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema, utoipa::ToSchema,
)]
pub struct Preview {
    /// The objects, in the order of their first changes.
    pub objects: Vec<PreviewedObject>,
    /// Objects beyond those.
    #[serde(skip_serializing_if = "is_none")]
    pub more_objects: u32,
    /// What of the command is not in it, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_previewed: Vec<String>,
}

/// What would become of one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct PreviewedObject {
    /// What would be done with it.
    pub change: ObjectChange,
    /// Its kind: `deployments.apps`.
    pub resource: String,
    /// Its namespace; none for what lives outside of namespaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// The version in which it was asked for: `deployments.v1.apps`.
    #[serde(skip)]
    versioned: String,
    /// What it is, without what servers note about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub before: Option<Value>,
    /// What it would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub after: Option<Value>,
    /// What differs, as a unified diff of both in YAML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// What of these is left out, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// What would be done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ObjectChange {
    /// It is made.
    Create,
    /// It is deleted, and what belongs to it with it.
    Delete,
    /// It is written, and stays as it is.
    Nothing,
    /// It becomes another.
    Update,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_none(number: &u32) -> bool {
    *number == 0
}

/// Objects that are listed; a chart has some dozens.
const MOST_OBJECTS: usize = 256;
/// An object that is shown, in JSON: few but definitions of custom resources have more.
const LARGEST_SHOWN: usize = 64 << 10;
/// All that is shown of one call.
const MOST_SHOWN: usize = 1 << 20;
/// Sentences about what is not previewed.
const MOST_SENTENCES: usize = 16;

impl Preview {
    /// Returns what an overlay holds; `secrets` takes the values of Secrets out.
    pub fn of(
        overlay: &Overlay,
        secrets: Option<&HiddenSecrets>,
        not_previewed: &[String],
    ) -> Self {
        let mut preview = Self {
            not_previewed: not_previewed.iter().take(MOST_SENTENCES).cloned().collect(),
            ..Self::default()
        };
        for object in overlay.objects() {
            let Some(shown) = PreviewedObject::of(object, secrets) else {
                continue;
            };
            if preview.objects.len() < MOST_OBJECTS {
                preview.objects.push(shown);
            } else {
                preview.more_objects = preview.more_objects.saturating_add(1);
            }
        }
        preview
    }

    /// Draws what differs, and leaves out what is too large to be looked at. What objects hold goes
    /// through `clean` first.
    pub fn draw(&mut self, clean: impl Fn(&str) -> String) {
        let mut room = MOST_SHOWN;
        for object in &mut self.objects {
            object.draw(&clean);
            match room.checked_sub(object.size()) {
                Some(left) => room = left,
                None => object.leave_out("before, after and diff: a preview shows 1 MiB in all"),
            }
        }
    }

    /// How many objects would be made, changed and deleted.
    pub fn count(&self) -> [usize; 3] {
        let of = |change| {
            self.objects
                .iter()
                .filter(|object| object.change == change)
                .count()
        };
        [
            ObjectChange::Create,
            ObjectChange::Update,
            ObjectChange::Delete,
        ]
        .map(of)
    }

    /// The same without what objects hold.
    pub fn without_contents(&self) -> Self {
        let mut preview = self.clone();
        for object in &mut preview.objects {
            (object.before, object.after, object.diff) = (None, None, None);
            object.left_out.clear();
        }
        preview
    }
}

impl PreviewedObject {
    /// None for what a call makes and deletes.
    fn of(object: &Overlaid, secrets: Option<&HiddenSecrets>) -> Option<Self> {
        let change = match (&object.before, &object.now) {
            (Before::Nothing, None) => return None,
            (Before::Nothing, Some(_)) => ObjectChange::Create,
            (_, None) => ObjectChange::Delete,
            (_, Some(_)) => ObjectChange::Update,
        };
        let shown = |value: &Value| tidy(hidden(&object.path, value, secrets), change);
        let mut before = match &object.before {
            Before::Was(was) => Some(shown(was)),
            Before::Nothing | Before::Unread(_) => None,
        };
        let after = object.now.as_ref().filter(|now| !now.is_null());
        let mut after = after.map(shown);
        let state =
            |object: &Option<Value>| object.as_ref().and_then(|it| it.get("status").cloned());
        if state(&before) == state(&after) {
            for object in [&mut before, &mut after] {
                let fields = object.as_mut().and_then(Value::as_object_mut);
                fields.and_then(|fields| fields.remove("status"));
            }
        }
        let is_same = before == after && before.is_some();
        let mut told = Self {
            change: match is_same {
                true => ObjectChange::Nothing,
                false => change,
            },
            resource: object.path.qualified(),
            namespace: object.path.within().map(str::to_owned),
            name: object.path.name.clone().unwrap_or_default(),
            versioned: {
                let (path, version) = (&object.path, &object.path.version);
                format!("{}.{version}.{}", path.resource, path.group)
            },
            before,
            after,
            diff: None,
            left_out: Vec::new(),
        };
        if let Before::Unread(status) = object.before {
            let why = format!("before: the API server does not show it (status {status})");
            told.left_out.push(why);
        }
        if object.lacks_changes {
            told.left_out.push(
                "after: later changes of it, which only a server that has it can make".into(),
            );
        }
        Some(told)
    }

    fn draw(&mut self, clean: impl Fn(&str) -> String) {
        let are_secrets = self.resource == "secrets";
        let cleaned = |object: &mut Value| {
            // Marks are told as they are: a value that changes has another one.
            let marks: Vec<_> = ["data", "stringData"]
                .iter()
                .filter(|_| are_secrets)
                .filter_map(|name| object.as_object_mut()?.remove_entry(*name))
                .collect();
            let text = object.to_string();
            let told = (text.len() <= LARGEST_SHOWN).then(|| clean(&text))?;
            let mut told: Value = serde_json::from_str(&told).ok()?;
            told.as_object_mut()?.extend(marks);
            Some(told)
        };
        for object in [&mut self.before, &mut self.after].into_iter().flatten() {
            // What is left out is nothing.
            *object = cleaned(object).unwrap_or_default();
        }
        let is_left_out = |object: &Option<Value>| object.as_ref().is_some_and(Value::is_null);
        if is_left_out(&self.before) || is_left_out(&self.after) {
            self.leave_out("before, after and diff: the object has more than 64 KiB");
            return;
        }
        let text = |value: &Option<Value>| value.as_ref().map(drawn).unwrap_or_default();
        let (before, after) = (text(&self.before), text(&self.after));
        let is_whole = self.left_out.iter().all(|why| !why.starts_with("before"));
        if is_whole && before != after {
            self.diff = Some(difference(&before, &after, &self.title()));
        }
    }

    /// Its kind with the version in which it was asked for: `deployments.v1.apps`.
    pub fn versioned(&self) -> String {
        self.versioned.clone()
    }

    fn title(&self) -> String {
        let (resource, name) = (&self.resource, &self.name);
        match &self.namespace {
            Some(namespace) => format!("{resource} {name} in namespace {namespace}"),
            None => format!("{resource} {name}"),
        }
    }

    fn size(&self) -> usize {
        let of = |value: &Option<Value>| value.as_ref().map_or(0, |value| value.to_string().len());
        let diff = self.diff.as_ref().map_or(0, String::len);
        of(&self.before)
            .saturating_add(of(&self.after))
            .saturating_add(diff)
    }

    /// Takes out what it holds.
    pub fn leave_out(&mut self, why: &str) {
        (self.before, self.after, self.diff) = (None, None, None);
        self.left_out.push(why.to_owned());
    }
}

fn hidden(path: &ResourcePath, object: &Value, secrets: Option<&HiddenSecrets>) -> Value {
    let request = ApiRequest {
        method: http::Method::GET,
        verb: ApiVerb::Get,
        path: ApiPath::Resource(path.clone()),
        query: Query::default(),
    };
    if !HiddenSecrets::are_in(&request) {
        return object.clone();
    }
    let told = secrets.and_then(|it| it.hide(object.to_string().as_bytes(), ShownSecrets::Nothing));
    // Where nothing takes them out, nothing is shown.
    told.and_then(|told| serde_json::from_slice(&told).ok())
        .unwrap_or_default()
}

/// An object without what servers note about it, which every write changes and no command says.
fn tidy(mut object: Value, change: ObjectChange) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for noted in ["generation", "managedFields", "resourceVersion", "selfLink"] {
            metadata.remove(noted);
        }
        if change == ObjectChange::Create {
            metadata.remove("creationTimestamp");
            metadata.remove("uid");
        }
    }
    if let Some(fields) = object
        .as_object_mut()
        .filter(|_| change != ObjectChange::Update)
    {
        fields.remove("status");
    }
    object
}
