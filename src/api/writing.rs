//! [`BodyRule`]: what the body of a write may change, and whether one does no more.
//!
//! Comes in: a body of a tool, of which no byte is trusted, and where it takes an object's place that
//! object, as the API server answered it. What cannot be read, or is in a form that is not known
//! here, is refused.
//!
//! Held by `tests/api/bodies.rs`, `tests/service/lies.rs` and `tests/corpus/api-traces/`.

use std::{borrow::Cow, cell::OnceCell};

use serde_json::Value;

use super::{
    body::{BodyError, essence},
    change::BodyChange,
    json::read_json,
    kept::KeptObjects,
    manifested::ManifestedBody,
    protobuf::read_protobuf,
    walk::{Becomes, FieldPath, FieldWalk, Merge},
};
use crate::api_request::{ApiRequest, ApiVerb};

/// The body of a request.
pub(super) struct WrittenBody<'b> {
    /// What its form is called, without parameters.
    pub media_type: &'b str,
    pub bytes: &'b [u8],
    json: OnceCell<Option<Value>>,
    protobuf: OnceCell<Option<Value>>,
}

/// What the bodies of a permit's writes may say.
#[derive(Debug)]
pub(super) enum BodyRule {
    /// Anything.
    Any,
    /// Changes of these fields.
    Changes(Vec<BodyChange>),
    /// What this object of the manifest says.
    Manifest(ManifestedBody),
    /// This patch, in this form; none where the command's cannot be read.
    Patch(BodyForm, Option<Value>),
    /// Nothing: what it explains are no writes, or deletes.
    Unwritten,
}

/// The forms of bodies that API servers take, and that are known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyForm {
    /// A whole object, by which fields are taken over from who manages them.
    Apply,
    /// A patch that is merged by RFC 7386.
    Merge,
    /// A whole object in JSON.
    Object,
    /// A list of operations, RFC 6902.
    Operations,
    /// A whole object as typed clients send it.
    Protobuf,
    /// A patch that is merged as Kubernetes does.
    Strategic,
}

impl<'b> WrittenBody<'b> {
    pub(super) fn new(media_type: &'b str, bytes: &'b [u8]) -> Self {
        Self {
            media_type: essence(media_type),
            bytes,
            json: OnceCell::new(),
            protobuf: OnceCell::new(),
        }
    }

    fn json(&self) -> Result<&Value, BodyError> {
        let read = self.json.get_or_init(|| read_json(self.bytes));
        read.as_ref().ok_or(BodyError::Unread)
    }

    fn protobuf(&self) -> Result<&Value, BodyError> {
        let read = self.protobuf.get_or_init(|| read_protobuf(self.bytes));
        read.as_ref().ok_or(BodyError::Unread)
    }

    fn form(&self, verb: ApiVerb) -> Result<BodyForm, BodyError> {
        Ok(match (verb, self.media_type) {
            (ApiVerb::Patch, "application/apply-patch+yaml") => BodyForm::Apply,
            (ApiVerb::Patch, "application/json-patch+json") => BodyForm::Operations,
            (ApiVerb::Patch, "application/merge-patch+json") => BodyForm::Merge,
            (ApiVerb::Patch, "application/strategic-merge-patch+json") => BodyForm::Strategic,
            (ApiVerb::Patch, other) => return Err(BodyError::Form(other.to_owned())),
            // The server takes what says nothing for JSON.
            (_, "application/json" | "") => BodyForm::Object,
            (_, "application/vnd.kubernetes.protobuf") => BodyForm::Protobuf,
            (_, other) => return Err(BodyError::Form(other.to_owned())),
        })
    }
}

impl BodyRule {
    /// Whether it compares what takes an object's place with that.
    pub(super) fn compares(&self) -> bool {
        matches!(self, Self::Changes(_) | Self::Manifest(_))
    }

    /// Whether it needs the lists of objects that it edits.
    pub(super) fn edits(&self) -> bool {
        matches!(self, Self::Changes(changes) if changes.iter().any(BodyChange::edits))
    }

    /// Holds a body against the rule.
    pub(super) fn explains(
        &self,
        request: &ApiRequest,
        body: &WrittenBody<'_>,
        kept: &KeptObjects,
    ) -> Result<(), BodyError> {
        if matches!(request.verb, ApiVerb::Get | ApiVerb::List | ApiVerb::Watch) {
            return Ok(());
        }
        let deletes = request.verb == ApiVerb::Delete;
        if deletes && body.bytes.is_empty() {
            return Ok(());
        }
        let form = body.form(request.verb)?;
        let changes = match self {
            Self::Any | Self::Unwritten => return Ok(()),
            Self::Patch(told, patch) => {
                let is_told = *told == form && patch.as_ref() == Some(body.json()?);
                return is_told.then_some(()).ok_or(BodyError::Document);
            }
            Self::Manifest(_) if deletes => return Err(BodyError::Manifest),
            Self::Manifest(manifest) => {
                let (media_type, body) = (body.media_type, body.json()?);
                let before = kept.at(request);
                return match form {
                    BodyForm::Apply => manifest.applies(body),
                    BodyForm::Merge => manifest.patches(body, Merge::Plain, before),
                    BodyForm::Object if request.verb == ApiVerb::Create => manifest.is(body),
                    BodyForm::Object => manifest.replaces(body),
                    BodyForm::Operations => manifest.moves(body),
                    BodyForm::Protobuf => Err(BodyError::Form(media_type.to_owned())),
                    BodyForm::Strategic => manifest.patches(body, Merge::Strategic, before),
                };
            }
            Self::Changes(changes) => changes,
        };
        let before = kept.list_at(request);
        let explains = |path: &FieldPath<'_>, becomes: Becomes<'_>| {
            let mut changes = changes.iter();
            changes.any(|change| change.explains(path, becomes, before))
        };
        let creates = |path: &FieldPath<'_>, becomes: Becomes<'_>| {
            is_identity(path, becomes) || explains(path, becomes)
        };
        match form {
            BodyForm::Merge => FieldWalk::new(&explains).merge(body.json()?, Merge::Plain),
            BodyForm::Strategic => FieldWalk::new(&explains).merge(body.json()?, Merge::Strategic),
            BodyForm::Operations => FieldWalk::new(&explains).operations(body.json()?),
            BodyForm::Object if deletes || request.verb == ApiVerb::Create => {
                FieldWalk::new(&creates).object(body.json()?)
            }
            BodyForm::Object => {
                let before = kept.at(request).ok_or(BodyError::Unseen)?;
                FieldWalk::new(&explains).difference(before, body.json()?)
            }
            // Of an object that is replaced a server takes what its place has: all of it is judged.
            BodyForm::Protobuf => FieldWalk::new(&creates).object(body.protobuf()?),
            // What another manager of fields leaves out is removed, whatever is in it.
            BodyForm::Apply => Err(BodyError::Form(body.media_type.to_owned())),
        }
    }
}

/// What every object has that is created: what it is and where, which is judged by the path and the
/// names of its sentence.
fn is_identity(path: &FieldPath<'_>, becomes: Becomes<'_>) -> bool {
    let path: Vec<&str> = path.iter().map(Cow::as_ref).collect();
    match path.as_slice() {
        ["apiVersion" | "kind"] | ["metadata", "name" | "namespace"] => true,
        ["status"] => matches!(becomes, Becomes::Is(Value::Object(fields)) if fields.is_empty()),
        _ => false,
    }
}
