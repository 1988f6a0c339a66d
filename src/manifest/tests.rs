use serde_json::{Value, json};

use super::*;
use crate::{catalogue::CustomResources, excerpt::Excerpt, yaml::YamlError};

/// A cluster with one kind of its own, which also claims to have others' kinds.
fn resolve(group: &str, version: &str, kind: &str) -> Option<KnownKind> {
    let is_known = |known: (&str, &str, &str)| (group, version, kind) == known;
    if is_known(("example.com", "v1", "Widget")) {
        return Some(KnownKind {
            resource: "widgets.example.com".into(),
            is_namespaced: true,
        });
    }
    (group == "evil.example").then(|| KnownKind {
        resource: "pods".into(),
        is_namespaced: false,
    })
}

fn read(text: &str) -> Result<Manifest, ManifestError> {
    let context = ManifestContext {
        namespace: "shop",
        resolve: &resolve,
    };
    Manifest::read(text, &context)
}

fn shown(text: &str) -> Vec<String> {
    let manifest = read(text).unwrap();
    let objects = manifest.objects().iter();
    objects
        .map(|object| format!("{object} {} {}", object.resource(), object.place().line))
        .collect()
}

fn values(text: &str) -> Vec<Value> {
    let manifest = read(text).unwrap();
    let objects = manifest.objects().iter();
    objects.map(|object| object.value().clone()).collect()
}

fn refused(text: &str) -> ManifestError {
    read(text).unwrap_err()
}

fn place(document: usize, line: usize, path: &str) -> FieldPlace {
    FieldPlace {
        document,
        line,
        path: path.into(),
    }
}

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n";

#[test]
fn every_object_of_a_stream_is_found_with_its_resource_its_namespace_and_its_line() {
    let text = include_str!("../../tests/corpus/manifest/many.yaml");
    assert_eq!(
        shown(text),
        [
            "Namespace shop namespaces 4",
            "ConfigMap shop/web configmaps 12",
            "Deployment shop/web deployments.apps 34",
            "Pod shop/a pods 50",
            "Pod shop/b-* pods 51",
            "ClusterRole system:web:reader clusterroles.rbac.authorization.k8s.io 54",
        ]
    );
    let values = values(text);
    assert_eq!(values[1]["data"]["9000"], "shop/web:80");
    assert_eq!(
        values[1]["data"]["nginx.conf"],
        "server {\n\tlisten 80;  # a tab\n  --- no separator\n}\n"
    );
    assert_eq!(values[1]["data"]["folded"], "one two\nthree");
    assert_eq!(
        values[2]["spec"]["template"]["spec"]["volumes"][0]["configMap"],
        json!({"name": "web", "defaultMode": 420, "optional": false})
    );
    assert_eq!(values[3]["apiVersion"], "v1");
    assert_eq!(values[5]["metadata"], json!({"name": "system:web:reader"}));
}

#[test]
fn what_windows_writes_is_read() {
    let text = include_str!("../../tests/corpus/manifest/windows.yaml");
    assert!(text.starts_with('\u{feff}') && text.contains("\r\n"));
    assert_eq!(shown(text), ["Service shop/web services 1"]);
}

#[test]
fn a_stream_of_json_is_read_with_its_escapes_and_its_tabs() {
    let text = include_str!("../../tests/corpus/manifest/stream.json");
    assert_eq!(
        shown(text),
        ["ConfigMap shop/a configmaps 1", "Pod shop/b pods 2"]
    );
    let manifest = read(text).unwrap();
    assert_eq!(
        std::str::from_utf8(manifest.to_bytes().expose()).unwrap(),
        concat!(
            "{\"apiVersion\":\"v1\",\"data\":{\"emoji\":\"🚀\",\"slash\":\"a/b\",\"tab\":\"a\\tb\"},",
            "\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\",\"namespace\":\"shop\"}}\n",
            "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"b\",\"namespace\":\"shop\"},",
            "\"spec\":{\"big\":12345678901234567890,\"float\":1e+21,\"x\":1}}\n"
        )
    );
    assert_eq!(
        refused("{\"apiVersion\": \"v1\",\n\"kind\": \"Pod\", \"kind\": \"Secret\"}"),
        ManifestError::Yaml(YamlError::DuplicateKey {
            line: 1,
            key: "kind".into()
        })
    );
}

#[test]
fn an_object_has_its_own_namespace_or_the_calls() {
    let other = POD.replace("name: a", "name: a\n  namespace: other");
    assert_eq!(shown(&other), ["Pod other/a pods 1"]);
    assert_eq!(
        shown(&POD.replace("name: a", "name: a\n  namespace: ''")),
        ["Pod shop/a pods 1"]
    );
    for namespace in ["../x", "Shop", "a/b", "*"] {
        let text = POD.replace("name: a", &format!("name: a\n  namespace: '{namespace}'"));
        assert!(
            matches!(refused(&text), ManifestError::NotAName { .. }),
            "{namespace}"
        );
    }
}

#[test]
fn labels_are_read_and_are_texts() {
    let text = POD.replace("name: a", "name: a\n  labels: {tier: front, x: 'yes'}");
    let manifest = read(&text).unwrap();
    let labels: Vec<_> = manifest.objects()[0].labels().iter().collect();
    assert_eq!(
        labels,
        [
            (&"tier".to_owned(), &"front".to_owned()),
            (&"x".to_owned(), &"yes".to_owned())
        ]
    );
    let error = refused(&POD.replace("name: a", "name: a\n  labels:\n    tier: 1"));
    assert_eq!(
        error,
        ManifestError::Shape {
            place: place(1, 6, "metadata.labels.tier"),
            expected: "a text"
        }
    );
    assert_eq!(
        (error.to_string(), error.help()),
        (
            "`metadata.labels.tier` of document 1 (line 6) is not a text".into(),
            "put it in quotes if it is meant as a text".into()
        )
    );
}

#[test]
fn what_is_missing_or_of_another_type_is_named_with_its_document_line_and_field() {
    let two = format!("{POD}---\nmetadata:\n  name: b\n");
    assert_eq!(
        refused(&two).to_string(),
        "document 2 (line 6) has no `apiVersion`"
    );
    for (text, message) in [
        (
            "apiVersion: v1\nmetadata:\n  name: a\n",
            "document 1 (line 1) has no `kind`",
        ),
        (
            "apiVersion: v1\nkind: Pod\n",
            "document 1 (line 1) has no `metadata.name`",
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: a\n",
            "`metadata` of document 1 (line 3) is not a mapping with the object's name",
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: 12\n",
            "`metadata.name` of document 1 (line 4) is not a text",
        ),
        (
            "apiVersion: 1\nkind: Pod\nmetadata:\n  name: a\n",
            "`apiVersion` of document 1 (line 1) is not a text",
        ),
        (
            "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {}\n",
            "`items[0]` of document 1 (line 4) has no `metadata.name`",
        ),
        (
            "- a\n",
            "document 1 (line 1) is not an object with apiVersion and kind",
        ),
        (
            "hello\n",
            "document 1 (line 1) is not an object with apiVersion and kind",
        ),
        (
            "apiVersion: a/b/v1\nkind: Pod\nmetadata: {name: a}",
            "`apiVersion` of document 1 (line 1) is `a/b/v1`, which is not a version like `v1` or `apps/v1`",
        ),
        (
            "apiVersion: v1\nkind: pods/exec\nmetadata: {name: a}",
            "`kind` of document 1 (line 2) is `pods/exec`, which is not a kind like `Deployment`",
        ),
        ("", "the manifest has no object"),
        ("# nothing\n---\n---\n", "the manifest has no object"),
        (
            "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": []}",
            "the manifest has no object",
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  a: .inf\n",
            "`spec.a` of document 1 (line 6) is not a number that an API server takes",
        ),
    ] {
        assert_eq!(refused(text).to_string(), message);
        assert!(!refused(text).help().is_empty());
    }
}

#[test]
fn a_kind_is_of_the_table_or_of_the_cluster_and_of_no_other() {
    let of = |version: &str, kind: &str| {
        format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n")
    };
    assert_eq!(
        shown(&of("example.com/v1", "Widget")),
        ["Widget shop/a widgets.example.com 1"]
    );
    assert_eq!(
        shown(&of("apps/v1beta2", "Deployment")),
        ["Deployment shop/a deployments.apps 1"]
    );
    assert_eq!(
        shown(&of("gateway.networking.k8s.io/v1", "Gateway")),
        ["Gateway shop/a gateways.gateway.networking.k8s.io 1"]
    );
    assert_eq!(
        refused(&of("v1", "pod")),
        ManifestError::UnknownKind {
            place: place(1, 2, "kind"),
            kind: Excerpt::new("pod"),
            api_version: Excerpt::new("v1"),
            nearest: Some("Pod"),
        }
    );
    // A cluster may claim no kind of the API server's own, and give no kind another's resource.
    for (version, kind) in [
        ("evil.example/v1", "Pod"),
        ("apps/v1", "Pod"),
        ("v1", "Deployment"),
        ("v2", "Widget"),
        ("example.com/v2", "Widget"),
        ("extensions/v1beta1", "Deployment"),
    ] {
        assert!(
            matches!(
                refused(&of(version, kind)),
                ManifestError::UnknownKind { .. }
            ),
            "{version} {kind}"
        );
    }
}

#[test]
fn what_kubectl_takes_for_a_list_is_one_or_is_refused() {
    assert_eq!(
        refused(&format!(
            "{POD}items:\n- apiVersion: v1\n  kind: Secret\n  metadata: {{name: b}}\n"
        ))
        .to_string(),
        "`items` of document 1 (line 6) is of an object that is no list: its kind is `Pod`"
    );
    let nested = |depth: usize| {
        let open = r#"{"apiVersion":"v1","kind":"List","items":["#.repeat(depth);
        format!(
            "{open}{{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{{\"name\":\"a\"}}}}{}",
            "]}".repeat(depth)
        )
    };
    assert_eq!(shown(&nested(5)), ["Pod shop/a pods 1"]);
    assert!(matches!(
        refused(&nested(6)),
        ManifestError::TooDeep { most: 4, .. }
    ));
    // A secret in a list of pods is one, and an item without a kind is of the list's.
    assert_eq!(
        shown(
            "apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: a}\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: b}\n"
        ),
        ["Pod shop/a pods 4", "Secret shop/b secrets 5"]
    );
    assert!(matches!(
        refused("apiVersion: v1\nkind: PodList\nmetadata: {name: a}\n"),
        ManifestError::Missing { field: "items", .. }
    ));
    assert!(matches!(
        refused("apiVersion: v1\nkind: PodList\nitems: {a: b}\n"),
        ManifestError::Shape { .. }
    ));
}

#[test]
fn what_two_readers_take_differently_is_refused() {
    for (text, why) in [
        ("kind: Pod\n", "has the key `kind` twice, again on line 5"),
        ("spec: &a b\n", "has a YAML anchor on line 5"),
        ("spec: !!str b\n", "has a YAML tag on line 5"),
        ("spec: {<<: {a: b}}\n", "has a YAML merge key on line 5"),
        (
            "spec: {y: b}\n",
            "has a key without quotes that YAML takes for no text on line 5",
        ),
        (
            "spec: [a:, b]\n",
            "has a colon without a space behind it, in brackets on line 5",
        ),
        (
            "spec: {[a]: b}\n",
            "has a key that is not a plain name on line 5",
        ),
        ("spec: \"a\u{85}b\"\n", "has the character U+0085 on line 5"),
        ("--- {kind: Secret}\n", "has text behind `---` on line 5"),
        ("...\nkind: Secret\n", "has text behind `...` on line 6"),
        ("%YAML 1.1\n", "has a YAML directive on line 5"),
    ] {
        let error = refused(&format!("{POD}{text}"));
        assert_eq!(error.to_string(), format!("the manifest {why}"));
        assert!(!error.help().is_empty());
    }
}

#[test]
fn a_manifest_has_bounds() {
    let large = format!("{POD}spec: {}", "a".repeat(LARGEST));
    assert!(matches!(
        refused(&large),
        ManifestError::Yaml(YamlError::TooLarge { .. })
    ));
    let many = |count: usize| format!("{POD}---\n").repeat(count);
    assert_eq!(
        read(&many(MOST_OBJECTS)).unwrap().objects().len(),
        MOST_OBJECTS
    );
    assert_eq!(
        refused(&many(MOST_OBJECTS + 1)),
        ManifestError::TooManyObjects { most: MOST_OBJECTS }
    );
    let deep = |depth: usize| format!("{POD}spec: {}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(read(&deep(60)).is_ok());
    assert!(matches!(
        refused(&deep(70)),
        ManifestError::Yaml(YamlError::TooDeep { .. })
    ));
    let json = |depth: usize| {
        format!(
            "{{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{{\"name\":\"a\"}},\"x\":{}{}}}",
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    assert!(read(&json(60)).is_ok());
    for depth in [70, 10_000] {
        assert!(
            matches!(
                refused(&json(depth)),
                ManifestError::Yaml(YamlError::TooDeep { .. })
            ),
            "{depth}"
        );
    }
}

#[test]
fn debug_shows_which_objects_there_are_and_nothing_in_them() {
    let manifest = read(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: hunter2}\n",
    )
    .unwrap();
    assert_eq!(format!("{manifest:?}"), "[ManifestObject(Secret shop/db)]");
}

#[test]
fn a_clusters_own_kinds_are_found_by_their_letters_and_only_where_one_claims_them() {
    let printed = json!({"resources": [
        {"name": "widgets", "singularName": "widget", "namespaced": true, "kind": "Widget", "group": "example.com", "version": "v1"},
        {"name": "gears", "singularName": "gear", "namespaced": false, "kind": "Gear", "group": "example.com", "version": "v1", "shortNames": ["widget"]},
        {"name": "wheels", "namespaced": true, "kind": "Wheel", "group": "example.com", "version": "v1"},
        {"name": "rims", "namespaced": true, "kind": "Wheel", "group": "example.com", "version": "v1"},
        {"name": "pods", "namespaced": true, "kind": "Deployment", "group": "apps", "version": "v1"},
    ]});
    let customs = CustomResources::read(printed.to_string().as_bytes()).unwrap();
    let of = |group: &str, kind: &str| {
        KnownKind::of(&customs, group, kind).map(|known| (known.resource, known.is_namespaced))
    };
    assert_eq!(
        of("example.com", "Widget"),
        Some(("widgets.example.com".into(), true))
    );
    assert_eq!(
        of("example.com", "Gear"),
        Some(("gears.example.com".into(), false))
    );
    for (group, kind) in [
        ("example.com", "widget"),
        ("example.com", "Wheel"),
        ("example.org", "Widget"),
        ("apps", "Deployment"),
    ] {
        assert_eq!(of(group, kind), None, "{kind}");
    }
    let named = CustomResources::named(["widgets.example.com"]);
    assert!(KnownKind::of(&named, "example.com", "Widget").is_some());
}
