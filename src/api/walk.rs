//! [`FieldWalk`]: what the body of a write would change, field by field.
//!
//! Comes in: the JSON of a patch, of an object that is created, or of one that takes another's place.
//! Goes out: each path of the object that changes, and what becomes of it, until somebody does not
//! explain one. A patch is taken for all that it may do: what it replaces as a whole is one change
//! of all that stands there, and a directive that is not known here changes everything around it.
//!
//! Sources: RFC 6902 as `github.com/evanphx/json-patch` reads it, RFC 7386, and
//! `k8s.io/apimachinery/pkg/util/strategicpatch`. What is walked is no deeper than
//! [`super::json`] reads, so that functions here may call themselves.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::body::BodyError;

/// What becomes of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Becomes<'b> {
    /// It is removed.
    Gone,
    /// It is left out of what takes the object's place, as fields are that have no value.
    Absent,
    /// It is this, whatever it was.
    Is(&'b Value),
    /// The body does not show it.
    Unshown,
}

/// The path to a field, from the object: keys, and of a list's element its name or its place.
pub(super) type FieldPath<'b> = [Cow<'b, str>];

/// A walk through a body, as far as each change is explained.
pub(super) struct FieldWalk<'b, 'f> {
    path: Vec<Cow<'b, str>>,
    explains: &'f dyn Fn(&FieldPath<'b>, Becomes<'b>) -> bool,
}

/// How a merge treats lists and keys that begin with `$`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Merge {
    /// RFC 7386: a list takes the place of a list, and `$` is a letter.
    Plain,
    /// Kubernetes' own: elements of lists are merged by their names, and `$` begins a directive.
    Strategic,
}

type Walked = Result<(), BodyError>;

impl<'b, 'f> FieldWalk<'b, 'f> {
    /// A walk that ends where `explains` says no.
    pub(super) fn new(explains: &'f dyn Fn(&FieldPath<'b>, Becomes<'b>) -> bool) -> Self {
        Self {
            path: Vec::new(),
            explains,
        }
    }

    /// Walks through an object that is created.
    pub(super) fn object(&mut self, value: &'b Value) -> Walked {
        match value {
            // They are what is not there.
            Value::Null => Ok(()),
            Value::Object(fields) => {
                let mut fields = fields.iter();
                fields.try_for_each(|(key, value)| self.within(key, |walk| walk.object(value)))
            }
            Value::Array(elements) if elements.iter().any(Value::is_object) => {
                let mut elements = elements.iter().enumerate();
                elements.try_for_each(|(place, element)| {
                    let place = || Cow::Owned(place.to_string());
                    let name = name_of(element).map_or_else(place, Cow::Borrowed);
                    self.within(name, |walk| match element {
                        Value::Object(fields) if !fields.is_empty() => walk.object(element),
                        element => walk.change(Becomes::Is(element)),
                    })
                })
            }
            value => self.change(Becomes::Is(value)),
        }
    }

    /// Walks through a merge patch.
    pub(super) fn merge(&mut self, patch: &'b Value, merge: Merge) -> Walked {
        match patch {
            Value::Null => self.change(Becomes::Gone),
            // Nothing changes; deeper, it is what is put in the place of something that is no object.
            Value::Object(fields) if fields.is_empty() && self.path.is_empty() => Ok(()),
            Value::Object(fields) if !fields.is_empty() => self.merge_fields(fields, merge, None),
            // Some lists are replaced in spite of their elements' names; their sentence is for the list.
            Value::Array(elements)
                if merge == Merge::Strategic
                    && are_named(elements)
                    && !(self.explains)(&self.path, Becomes::Is(patch)) =>
            {
                let mut elements = elements.iter();
                elements.try_for_each(|element| self.merge_element(element))
            }
            value => self.change(Becomes::Is(value)),
        }
    }

    fn merge_fields(
        &mut self,
        fields: &'b Map<String, Value>,
        merge: Merge,
        without: Option<&str>,
    ) -> Walked {
        let mut fields = fields
            .iter()
            .filter(|(key, _)| Some(key.as_str()) != without);
        fields.try_for_each(|(key, value)| match key.strip_prefix('$') {
            Some(directive) if merge == Merge::Strategic => self.directive(directive, value),
            _ => self.within(key, |walk| walk.merge(value, merge)),
        })
    }

    /// An element of a list, which is merged with the one of its name.
    fn merge_element(&mut self, element: &'b Value) -> Walked {
        let (Some(name), Value::Object(fields)) = (name_of(element), element) else {
            return self.change(Becomes::Unshown);
        };
        match fields.get("$patch").map(Value::as_str) {
            Some(Some("delete")) => return self.within(name, |walk| walk.change(Becomes::Gone)),
            // Then it is the list that is replaced.
            Some(_) => return self.change(Becomes::Unshown),
            None => {}
        }
        self.within(name, |walk| match fields.len() {
            1 => walk.change(Becomes::Is(element)),
            _ => walk.merge_fields(fields, Merge::Strategic, Some("name")),
        })
    }

    /// `$patch`, `$retainKeys` and others of a strategic merge, at the object that holds them.
    fn directive(&mut self, directive: &'b str, value: &'b Value) -> Walked {
        match directive.split_once('/') {
            // What is named is put in order, and nothing else is added or removed.
            Some(("setElementOrder", _)) if value.is_array() => Ok(()),
            Some(("deleteFromPrimitiveList", list)) => {
                self.within(list, |walk| walk.change(Becomes::Gone))
            }
            None if directive == "patch" && value == "delete" => self.change(Becomes::Gone),
            _ => self.change(Becomes::Unshown),
        }
    }

    /// Walks through the operations of a JSON patch.
    pub(super) fn operations(&mut self, patch: &'b Value) -> Walked {
        let operations = patch.as_array().ok_or(BodyError::Unread)?;
        for operation in operations {
            let text = |key: &str| operation.get(key).and_then(Value::as_str);
            let at = |key: &str| text(key).and_then(fields_of).ok_or(BodyError::Unread);
            let becomes = match text("op") {
                Some("test") => continue,
                Some("remove") => Becomes::Gone,
                Some("add" | "replace") => {
                    Becomes::Is(operation.get("value").ok_or(BodyError::Unread)?)
                }
                Some("copy") => Becomes::Unshown,
                Some("move") => {
                    self.path = at("from")?;
                    self.change(Becomes::Gone)?;
                    Becomes::Unshown
                }
                _ => return Err(BodyError::Unread),
            };
            self.path = at("path")?;
            self.change(becomes)?;
        }
        Ok(())
    }

    /// Walks through what differs in an object that takes the place of another one.
    pub(super) fn difference(&mut self, before: &'b Value, after: &'b Value) -> Walked {
        let (Value::Object(old), Value::Object(new)) = (before, after) else {
            return match before == after {
                true => Ok(()),
                false => self.change(Becomes::Is(after)),
            };
        };
        let is_there = |value: &&Value| !value.is_null();
        for (key, after) in new {
            self.within(key, |walk| match old.get(key).filter(is_there) {
                Some(before) if !after.is_null() => walk.difference(before, after),
                Some(_) => walk.change(Becomes::Absent),
                None => walk.object(after),
            })?;
        }
        let mut gone = old.iter().filter(|(key, value)| {
            let is_empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
            !is_empty && !new.contains_key(*key)
        });
        gone.try_for_each(|(key, _)| self.within(key, |walk| walk.change(Becomes::Absent)))
    }

    /// One change, at the path where the walk is.
    fn change(&self, becomes: Becomes<'b>) -> Walked {
        match (self.explains)(&self.path, becomes) {
            true => Ok(()),
            false => Err(BodyError::Change(pointer(&self.path))),
        }
    }

    fn within(
        &mut self,
        key: impl Into<Cow<'b, str>>,
        walk: impl FnOnce(&mut Self) -> Walked,
    ) -> Walked {
        self.path.push(key.into());
        let walked = walk(self);
        self.path.pop();
        walked
    }
}

/// The fields that a JSON pointer names (RFC 6901); none for one that two readers could take
/// differently.
pub(super) fn fields_of<'p>(pointer: &str) -> Option<Vec<Cow<'p, str>>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    let fields = pointer.strip_prefix('/')?.split('/').map(|field| {
        let plain = field.replace("~1", "/").replace("~0", "~");
        let escapes = field.matches("~0").count() + field.matches("~1").count();
        (field.matches('~').count() == escapes).then_some(plain.into())
    });
    fields.collect()
}

/// The pointer of a path.
fn pointer(path: &FieldPath<'_>) -> String {
    let mut shown = String::new();
    for field in path {
        shown.push('/');
        let field: String = field.chars().take(LONGEST_FIELD).collect();
        shown.push_str(&field.replace('~', "~0").replace('/', "~1"));
    }
    shown
}

/// Of a field's name, what a message shows.
const LONGEST_FIELD: usize = 64;

fn name_of(element: &Value) -> Option<&str> {
    element.as_object()?.get("name")?.as_str()
}

fn are_named(elements: &[Value]) -> bool {
    !elements.is_empty() && elements.iter().all(|element| name_of(element).is_some())
}
