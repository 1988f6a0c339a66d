//! Can an operator see what rules can name, without the sources?

use serde_json::{Value, json};

use crate::{airlock, text};

fn listed(arguments: &[&str]) -> Value {
    let output = airlock(&[&["catalogue", "list", "--json"], arguments].concat(), "");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn named<'v>(list: &'v Value, key: &str, name: &str) -> &'v Value {
    let mut all = list.as_array().unwrap().iter();
    all.find(|one| one[key] == name).unwrap_or(&Value::Null)
}

#[test]
fn the_catalogue_lists_verbs_with_their_class_and_resources() {
    let tools = listed(&[]);
    assert_eq!(named(&tools["tools"], "tool", "helm")["tool"], "helm");
    let kubectl = listed(&["kubectl"]);
    for (verb, class, is_never) in [
        ("get", "read", false),
        ("delete", "destructive", false),
        ("exec", "exec", false),
        ("proxy", "listener", true),
    ] {
        let found = named(&kubectl["verbs"], "verb", verb);
        assert_eq!(
            (&found["class"], found["never"].is_string()),
            (&json!(class), is_never),
            "{verb}"
        );
    }
    let nodes = named(&kubectl["resources"], "resource", "nodes");
    assert_eq!(
        nodes,
        &json!({ "resource": "nodes", "namespaced": false, "other_names": ["Node", "no"] })
    );
    assert_eq!(listed(&["kubectl", "--of", "1.36"])["version"], "1.36.6");
    assert_eq!(
        named(&listed(&["helm"])["verbs"], "verb", "get values")["class"],
        "secret"
    );
}

#[test]
fn the_catalogue_lists_the_flags_of_a_verb_and_what_plain_covers() {
    let get = listed(&["kubectl", "get"]);
    for (flag, class, plain, needs_values) in [
        ("--selector", "plain", true, false),
        ("--output", "reads-file", false, true),
        ("--server", "endpoint", false, false),
    ] {
        let found = named(&get["flags"], "flag", flag);
        assert_eq!(
            (&found["class"], &found["plain"], &found["needs_values"]),
            (&json!(class), &json!(plain), &json!(needs_values)),
            "{flag}"
        );
    }
    let told = text(&airlock(&["catalogue", "list", "kubectl", "rollout", "restart"], "").stdout);
    assert!(
        told.starts_with("kubectl rollout restart: write")
            && told.contains("flags that `@plain` covers\n")
            && told.contains("flags that a rule has to name\n"),
        "{told}"
    );
    let unknown = airlock(&["catalogue", "list", "kubectl", "gett"], "");
    assert_eq!(
        (text(&unknown.stderr).as_str(), unknown.status.code()),
        (
            "error[unknown_name]: there is no verb `gett`\n  did you mean `get`?\n",
            Some(2)
        )
    );
    assert_eq!(listed(&["kubectle"])["error"]["code"], "unknown_name");
}

/// The keys of a schema, deep, that have no description.
fn undescribed(schema: &Value, path: &str, found: &mut Vec<String>) {
    let is_named = |value: &Value| value["$ref"].is_string();
    if let Some(keys) = schema["properties"].as_object() {
        for (key, value) in keys {
            let path = format!("{path}.{key}");
            // What is named elsewhere is described there: the tables of `[tools]`.
            let is_described = |value: &Value| value["description"].is_string();
            if !is_described(value) && !is_named(value) {
                found.push(path.clone());
            }
            undescribed(value, &path, found);
        }
    }
    if let Some(defs) = schema["$defs"].as_object() {
        for (name, value) in defs {
            let is_table = value["properties"].is_object();
            if is_table && !value["description"].is_string() {
                found.push(name.clone());
            }
            undescribed(value, name, found);
        }
    }
}

#[test]
fn the_schemas_describe_every_key_and_have_a_name() {
    for (command, id, keys) in [
        (
            ["policy", "schema"],
            "urn:kube-airlock:policy:",
            ["rule", "test"],
        ),
        (
            ["config", "schema"],
            "urn:kube-airlock:settings:",
            ["limits", "caller"],
        ),
    ] {
        let schema: Value = serde_json::from_slice(&airlock(&command, "").stdout).unwrap();
        let mut found = Vec::new();
        undescribed(&schema, "", &mut found);
        assert_eq!(found, Vec::<String>::new(), "{command:?}");
        assert!(schema["$id"].as_str().unwrap().starts_with(id), "{schema}");
        for key in keys {
            assert!(schema["properties"][key].is_object(), "{key}");
        }
        // A choice of words is one list, so that an editor says a mistake once.
        assert!(!schema.to_string().contains("\"const\""), "{schema}");
    }
}
