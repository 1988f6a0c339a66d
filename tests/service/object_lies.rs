//! A tool that puts another object in an object's place than its command makes of it, or creates another
//! one than its command says, in JSON and in the form of typed clients.

use std::process::Command;

use serde_json::{Value, json};

use crate::{
    harness::{as_admin, cluster, tools},
    lies::{is_denied, lied_by, request_of, server},
};

#[test]
fn an_object_in_anothers_place_differs_in_nothing_but_what_its_command_changes() {
    let create = [
        "create",
        "deployment",
        "lied-put",
        "--image=demo/app:1",
        "--replicas=0",
    ];
    assert!(as_admin(&create, ""));
    let scale = Command::new(tools().join("kubectl"))
        .args([
            "get",
            "deploy",
            "lied-put",
            "--subresource=scale",
            "-o",
            "json",
        ])
        .env("KUBECONFIG", &cluster().admin)
        .output()
        .unwrap();
    let scale: Value = serde_json::from_slice(&scale.stdout).unwrap();
    let path = "/apis/apps/v1/namespaces/default/deployments/lied-put/scale";
    let read = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\n\r\n",
        cluster().server
    );
    let (_folder, server) = server("require");
    let put = |before: &str, body: &Value| {
        let line = format!("PUT {path}?dryRun=All");
        let bytes = format!(
            "{before}{}",
            request_of("application/json", &line, &body.to_string())
        );
        let command = "scale deploy lied-put --replicas=0 --dry-run=server";
        lied_by(&server, command, "--resource-version", &bytes)
    };
    let reply = put(&read, &scale);
    assert_eq!(reply["effects"]["writes"][0]["status"], 200, "{reply:#}");
    for (pointer, value) in [
        ("/metadata/resourceVersion", json!("1")),
        ("/metadata/uid", json!("another")),
        ("/metadata/labels", json!({"a": "b"})),
        ("/spec/replicas", json!(5)),
        ("/kind", json!("Deployment")),
    ] {
        let mut lie = scale.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        lie.pointer_mut(parent).unwrap()[key] = value;
        let reply = put(&read, &lie);
        assert!(is_denied(&reply), "{pointer}: {reply:#}");
        assert_eq!(reply["effects"]["writes"], Value::Null, "{pointer}");
    }
    let unread = put("", &scale);
    assert!(
        is_denied(&unread),
        "nothing showed what it takes the place of: {unread:#}"
    );
    assert!(as_admin(&["delete", "deployment", "lied-put"], ""));
}

fn field(number: u8, value: &[u8]) -> Vec<u8> {
    [
        &[number << 3 | 2, u8::try_from(value.len()).unwrap()],
        value,
    ]
    .concat()
}

/// An object as typed clients send it.
fn typed(kind: &str, object: &[u8]) -> String {
    let of_type = [field(1, b"v1"), field(2, kind.as_bytes())].concat();
    let body = [b"k8s\0", field(1, &of_type).as_slice(), &field(2, object)].concat();
    String::from_utf8(body).unwrap()
}

#[test]
fn a_typed_client_creates_what_its_command_says_and_nothing_else() {
    let (_folder, server) = server("require");
    let entry =
        |key: &str, value: &str| [field(1, key.as_bytes()), field(2, value.as_bytes())].concat();
    let named = |name: &str| field(1, &field(1, name.as_bytes()));
    let data = |key: &str, value: &str| field(2, &entry(key, value));
    let create = |body: &str| {
        let line = "POST /api/v1/namespaces/default/configmaps?dryRun=All";
        let bytes = request_of("application/vnd.kubernetes.protobuf", line, body);
        let command = "create configmap lied-typed --from-literal=a=b --dry-run=server";
        lied_by(&server, command, "--field-manager", &bytes)
    };
    let honest = [named("lied-typed"), data("a", "b")].concat();
    let reply = create(&typed("ConfigMap", &honest));
    assert!(
        reply["output"]
            .as_str()
            .unwrap()
            .starts_with("HTTP/1.1 201"),
        "{reply:#}"
    );
    let label = field(
        1,
        &[field(1, b"lied-typed"), field(11, &entry("x", "y"))].concat(),
    );
    let owner = field(
        1,
        &[field(1, b"lied-typed"), field(13, &field(1, b"x"))].concat(),
    );
    for (kind, object) in [
        ("ConfigMap", [named("other"), data("a", "b")].concat()),
        ("ConfigMap", [named("lied-typed"), data("a", "c")].concat()),
        ("ConfigMap", [honest.as_slice(), &data("c", "d")].concat()),
        ("ConfigMap", [honest.as_slice(), &data("a", "c")].concat()),
        ("ConfigMap", [honest.as_slice(), &named("other")].concat()),
        ("ConfigMap", [honest.as_slice(), &[4 << 3, 1]].concat()),
        ("ConfigMap", [honest.as_slice(), &field(9, b"x")].concat()),
        ("ConfigMap", [label.as_slice(), &data("a", "b")].concat()),
        ("ConfigMap", [owner.as_slice(), &data("a", "b")].concat()),
        ("Secret", honest.clone()),
        ("Pod", honest.clone()),
    ] {
        let reply = create(&typed(kind, &object));
        assert!(is_denied(&reply), "{kind} {object:?}: {reply:#}");
        assert_eq!(reply["effects"]["writes"], Value::Null, "{object:?}");
    }
}
