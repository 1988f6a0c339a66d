//! The names in an answer of the API server: [`names_of`].
//!
//! Comes in: the body of an answer to a get or a list. Goes out: the names of its objects, by which
//! a command reaches what it does not name itself (the pods of a workload). An answer that is none
//! of the API's has none.

use serde::Deserialize;

/// Returns the namespaces and names of the objects that an answer holds: an object, a list, or the
/// rows of a table.
pub(super) fn names_of(answer: &[u8]) -> Vec<(Option<String>, String)> {
    let Ok(answer) = serde_json::from_slice::<Answer>(answer) else {
        return Vec::new();
    };
    let Answer { own, items, rows } = answer;
    let rows = rows.into_iter().map(|row| row.object);
    let objects = items.into_iter().chain(rows).chain([own]);
    objects
        .filter_map(|Object { metadata }| Some((metadata.namespace, metadata.name?)))
        .collect()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    #[serde(flatten)]
    own: Object,
    items: Vec<Object>,
    rows: Vec<Row>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Row {
    object: Object,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Object {
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_a_list_and_a_table_name_their_objects() {
        for (answer, expected) in [
            (
                r#"{"kind":"Pod","metadata":{"name":"a","namespace":"web"}}"#,
                &[(Some("web"), "a")][..],
            ),
            (
                r#"{"kind":"PodList","metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b","namespace":"x"}}]}"#,
                &[(None, "a"), (Some("x"), "b")],
            ),
            (
                r#"{"kind":"Table","rows":[{"cells":["a",1],"object":{"metadata":{"name":"a","namespace":"web"}}}]}"#,
                &[(Some("web"), "a")],
            ),
            (r#"{"kind":"Status","metadata":{}}"#, &[]),
            ("no JSON", &[]),
        ] {
            let names = names_of(answer.as_bytes());
            let names: Vec<_> = names
                .iter()
                .map(|(namespace, name)| (namespace.as_deref(), name.as_str()))
                .collect();
            assert_eq!(names, expected, "{answer}");
        }
    }
}
