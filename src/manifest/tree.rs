//! A document's value, each scalar with its type: [`WipedValue`].

use serde_json::{Map, Value};
use zeroize::Zeroize as _;

use super::error::{FieldPlace, ManifestError};
use crate::yaml::{Content, Node, key_name, typed};

/// A value that is wiped when it is dropped: a Secret may be in it.
pub(super) struct WipedValue(pub(super) Value);

impl Drop for WipedValue {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The value of a document.
///
/// # Errors
/// A scalar that JSON cannot say, and a key that is no text to kubectl.
pub(super) fn tree(node: &Node, document: usize) -> Result<WipedValue, ManifestError> {
    let mut typing = Typing {
        document,
        path: Vec::new(),
    };
    typing.value(node).map(WipedValue)
}

/// Where a value stands that gets its type.
struct Typing<'n> {
    document: usize,
    path: Vec<PathStep<'n>>,
}

/// One step from a value to one in it.
#[derive(Clone, Copy)]
pub(super) enum PathStep<'n> {
    Field(&'n str),
    Item(usize),
}

impl<'n> Typing<'n> {
    fn value(&mut self, node: &'n Node) -> Result<Value, ManifestError> {
        match &node.content {
            Content::Scalar { text, plain: false } => Ok(Value::String((**text).clone())),
            Content::Scalar { text, plain: true } => {
                typed(text).map_err(|_| ManifestError::NoValue {
                    place: self.place(node.line),
                })
            }
            Content::Sequence(items) => self.items(items),
            Content::Mapping(entries) => self.fields(entries),
        }
    }

    fn items(&mut self, items: &'n [Node]) -> Result<Value, ManifestError> {
        let mut values = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            self.path.push(PathStep::Item(index));
            values.push(self.value(item)?);
            self.path.pop();
        }
        Ok(Value::Array(values))
    }

    fn fields(&mut self, entries: &'n [(String, Node)]) -> Result<Value, ManifestError> {
        let mut fields = Map::new();
        for (key, node) in entries {
            self.path.push(PathStep::Field(key));
            let value = self.value(node)?;
            fields.insert(key.clone(), value);
            self.path.pop();
        }
        Ok(Value::Object(fields))
    }

    fn place(&self, line: usize) -> FieldPlace {
        FieldPlace {
            document: self.document,
            line,
            path: path(&self.path),
        }
    }
}

/// `spec.containers[0].image`; a key that is no name as far as it is one.
pub(super) fn path(steps: &[PathStep<'_>]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            PathStep::Item(index) => path.push_str(&format!("[{index}]")),
            PathStep::Field(key) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key_name(key).text());
            }
        }
    }
    path
}

/// The line of the value that these steps lead to, or of the last one that is there.
pub(super) fn line_at(node: &Node, steps: &[PathStep<'_>]) -> usize {
    let Some((step, rest)) = steps.split_first() else {
        return node.line;
    };
    let next = match (step, &node.content) {
        (PathStep::Item(index), Content::Sequence(items)) => items.get(*index),
        (PathStep::Field(key), Content::Mapping(entries)) => entries
            .iter()
            .find(|(known, _)| known == key)
            .map(|(_, node)| node),
        _ => None,
    };
    next.map_or(node.line, |next| line_at(next, rest))
}
