//! A document -> its objects: lists taken apart, as kubectl takes them apart.
//!
//! To kubectl any object with `items` is a list, whatever its kind says
//! (k8s.io/apimachinery v0.37.2 pkg/apis/meta/v1/unstructured/helpers.go, `detectList`), and an item without a kind is of
//! the list's, without its `List`.

use serde_json::{Map, Value};

use super::{
    bounds::MOST_OBJECTS,
    error::{FieldPlace, ManifestError},
    tree::{PathStep, WipedValue, line_at, path},
};
use crate::{excerpt::Excerpt, yaml::Node};

/// Lists in one another: `kubectl get -o yaml` writes one, and some charts a list of such.
const MOST_NESTED: usize = 4;

/// An object and where it stands in its document.
pub(super) struct ObjectFound<'d> {
    pub(super) tree: WipedValue,
    pub(super) stand: Stand<'d>,
}

/// Where an object stands.
#[derive(Clone)]
pub(super) struct Stand<'d> {
    document: usize,
    node: &'d Node,
    steps: Vec<PathStep<'static>>,
}

impl<'d> Stand<'d> {
    pub(super) fn of(document: usize, node: &'d Node) -> Self {
        Self {
            document,
            node,
            steps: Vec::new(),
        }
    }

    fn item(&self, index: usize) -> Self {
        let mut steps = self.steps.clone();
        steps.extend([PathStep::Field("items"), PathStep::Item(index)]);
        Self {
            steps,
            ..self.clone()
        }
    }

    /// The place of a field of the object; of the object itself without steps.
    pub(super) fn place(&self, field: &[PathStep<'_>]) -> FieldPlace {
        let steps: Vec<PathStep<'_>> = self.steps.iter().chain(field).copied().collect();
        FieldPlace {
            document: self.document,
            line: line_at(self.node, &steps),
            path: path(&steps),
        }
    }
}

/// Adds the objects of a value to those that were found.
pub(super) fn flatten<'d>(
    mut tree: WipedValue,
    stand: Stand<'d>,
    found: &mut Vec<ObjectFound<'d>>,
) -> Result<(), ManifestError> {
    let Value::Object(fields) = &mut tree.0 else {
        return Err(ManifestError::Shape {
            place: stand.place(&[]),
            expected: "an object with apiVersion and kind",
        });
    };
    let kind = text(fields, "kind");
    let is_list = kind.ends_with("List");
    match fields.remove("items") {
        None | Some(Value::Null) if is_list => Err(ManifestError::Missing {
            place: stand.place(&[]),
            field: "items",
        }),
        None => {
            if found.len() == MOST_OBJECTS {
                return Err(ManifestError::TooManyObjects { most: MOST_OBJECTS });
            }
            found.push(ObjectFound { tree, stand });
            Ok(())
        }
        Some(Value::Array(items)) if is_list => {
            if stand.steps.len() > 2 * MOST_NESTED {
                let (place, most) = (stand.place(&[]), MOST_NESTED);
                return Err(ManifestError::TooDeep { place, most });
            }
            let item_kind = kind.strip_suffix("List").unwrap_or_default();
            let api_version = text(fields, "apiVersion");
            // Each is wiped, also when one of them is refused.
            let items: Vec<WipedValue> = items.into_iter().map(WipedValue).collect();
            for (index, mut item) in items.into_iter().enumerate() {
                named_by_list(&mut item.0, item_kind, &api_version);
                flatten(item, stand.item(index), found)?;
            }
            Ok(())
        }
        Some(items) => {
            drop(WipedValue(items));
            let place = stand.place(&[PathStep::Field("items")]);
            Err(match is_list {
                true => ManifestError::Shape {
                    place,
                    expected: "a list of objects",
                },
                false => ManifestError::ItemsOfNoList {
                    place,
                    kind: Excerpt::new(&kind),
                },
            })
        }
    }
}

fn text(fields: &Map<String, Value>, key: &str) -> String {
    let text = fields.get(key).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

/// Gives an item without a kind that of its list.
fn named_by_list(item: &mut Value, kind: &str, api_version: &str) {
    if let Value::Object(fields) = item
        && !kind.is_empty()
        && text(fields, "kind").is_empty()
        && !matches!(fields.get("kind"), Some(kind) if !kind.is_string() && !kind.is_null())
    {
        fields.insert("kind".into(), kind.into());
        fields.insert("apiVersion".into(), api_version.into());
    }
}
