//! Untrusted text -> objects, and the bytes that a tool gets of them.

use crate::{
    catalogue::resource,
    manifest::{KnownKind, MOST_OBJECTS, Manifest, ManifestContext, Naming},
};

/// What is accepted has a kind, a name and, where its kind lives in namespaces, a namespace; what the
/// tool gets of it is a line of JSON for each object, in which a reader of JSON finds the same, and reads again to
/// itself wherever the call is aimed. Returns whether it was accepted.
pub fn manifest(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let read = |text: &str, namespace| {
        let context = ManifestContext {
            namespace,
            resolve: &any_of_example,
        };
        Manifest::read(text, &context)
    };
    let Ok(manifest) = read(text, "shop") else {
        return false;
    };
    let objects = manifest.objects();
    assert!((1..=MOST_OBJECTS).contains(&objects.len()));
    let written = manifest.to_bytes();
    let lines = std::str::from_utf8(written.expose()).expect("JSON is UTF-8");
    assert_eq!(lines.lines().count(), objects.len());
    for (object, line) in objects.iter().zip(lines.lines()) {
        let found: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
        let metadata = found.get("metadata").expect("it has metadata");
        let text = |key| metadata.get(key).and_then(serde_json::Value::as_str);
        let namespace = text("namespace");
        assert_eq!(namespace, object.namespace(), "{object}");
        let is_namespaced = !resource::is_cluster_scoped(object.resource());
        assert_eq!(namespace.is_some(), is_namespaced, "{object}");
        let (key, name) = match object.naming() {
            Naming::Name(name) => ("name", name),
            Naming::Beginning(name) => ("generateName", name),
        };
        assert_eq!(text(key), Some(name.as_str()));
        assert!(!name.is_empty() && !name.contains(['/', '%']), "{name:?}");
        assert_eq!(found.get("kind"), Some(&object.kind().into()));
        assert!(found.get("items").is_none(), "{object} is a list");
    }
    let again = read(lines, "elsewhere").expect("what is written is read again");
    assert!(
        again.to_bytes().expose() == written.expose(),
        "it reads again to another one"
    );
    true
}

/// A cluster that has any kind in one group, and claims to have what is the API server's own.
fn any_of_example(group: &str, _: &str, kind: &str) -> Option<KnownKind> {
    let plural = format!("{}s", kind.to_ascii_lowercase());
    Some(KnownKind {
        resource: match group {
            "example.com" => format!("{plural}.{group}"),
            _ => plural,
        },
        is_namespaced: true,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn what_is_accepted_is_written_and_read_again(field in r"([a-c]: |- |\{|\}|\[|\]|,|'|:|0|1|\.|e|_|~|x{70}|[abyn\n]|  |\\|---\n){0,30}") {
            manifest(format!("apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  {field}").as_bytes());
            manifest(format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {field}").as_bytes());
        }

        #[test]
        fn any_number_is_written_and_read_again(number in r"[-+]?[0-9_]{0,20}(\.[0-9]{0,20})?([eE][-+]?[0-9]{1,3})?") {
            manifest(format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {number}").as_bytes());
        }
    }

    #[test]
    fn it_meets_what_it_is_about() {
        assert!(manifest(
            b"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\"}}"
        ));
        assert!(!manifest(
            b"apiVersion: example.org/v1\nkind: Pod\nmetadata:\n  name: a"
        ));
    }
}
