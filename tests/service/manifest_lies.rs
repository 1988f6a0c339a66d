//! A tool that receives an honest manifest and asks the API for more than it says. Every lie ends its
//! call; each is a request that the API server answers where it is only told.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    harness::{Server, as_admin, base64_of, cluster},
    lies::{is_denied, request_of, server_with},
};

const RULES: &str = r#"
schema = 1
[[rule]]
id = "honest"
effect = "allow"
reason = "for a test"
tool = "kubectl"
verbs = ["apply", "create", "replace", "delete"]
flags = ["--field-manager", "--selector"]
values = { "--filename" = ["-"], "--dry-run" = ["server"] }
objects = [{ resources = ["configmaps", "networkpolicies.networking.k8s.io"] }]
"#;

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: lied-map}\ndata: {a: b}\n";
const HONEST_MAP: &str = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"lied-map","namespace":"default"},"data":{"a":"b"}}"#;

const FENCE: &str = r"apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: lied-fence}
spec:
  podSelector: {}
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: 80, protocol: TCP}]
";

/// What comes of a command with a manifest, whose tool sends this to the API server.
fn lied(server: &Server, command: &str, manifest: &str, bytes: &str) -> Value {
    let lie = BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let flag = match command {
        "delete" => "--selector",
        _ => "--field-manager",
    };
    let command = format!("{command} -f - --dry-run=server {flag} lie:{lie}");
    let admin = base64_of(&cluster().admin);
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Kubeconfig", admin.as_str()),
    ];
    let body = json!({ "command": command, "stdin": manifest }).to_string();
    server
        .send("POST", "/tools/kubectl", &headers, body.as_bytes())
        .json()
}

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const FENCES: &str = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";
const OPERATIONS: &str = "application/json-patch+json";
const JSON: &str = "application/json";

/// Commands with [`MAP`] or [`FENCE`], and requests that it does not explain.
fn lies() -> Vec<(&'static str, &'static str, String, &'static str, String)> {
    let of_map = |change: &dyn Fn(&mut Value)| {
        let mut map: Value = serde_json::from_str(HONEST_MAP).unwrap();
        change(&mut map);
        map.to_string()
    };
    let post = format!("POST {MAPS}?dryRun=All");
    let patch = format!("PATCH {MAPS}/lied-map?dryRun=All");
    let fence = format!("PATCH {FENCES}/lied-fence?dryRun=All");
    let map = || HONEST_MAP.to_owned();
    let none = String::new;
    vec![
        (
            "create",
            MAP,
            post.clone(),
            JSON,
            of_map(&|map| map["metadata"]["name"] = json!("other")),
        ),
        (
            "create",
            MAP,
            post.clone(),
            JSON,
            of_map(&|map| map["data"]["a"] = json!("c")),
        ),
        (
            "create",
            MAP,
            post.clone(),
            JSON,
            of_map(&|map| map["data"]["x"] = json!("y")),
        ),
        (
            "create",
            MAP,
            post.clone(),
            JSON,
            of_map(&|map| map["metadata"]["labels"] = json!({"x": "y"})),
        ),
        (
            "create",
            MAP,
            post.clone(),
            JSON,
            of_map(&|map| map["metadata"]["finalizers"] = json!(["x.example/y"])),
        ),
        (
            "create",
            MAP,
            post.clone(),
            JSON,
            of_map(&|map| map["metadata"]["generateName"] = json!("x")),
        ),
        (
            "create",
            MAP,
            post.clone(),
            JSON,
            of_map(&|map| {
                map["metadata"]["annotations"] =
                    json!({"kubectl.kubernetes.io/last-applied-configuration": "{}"})
            }),
        ),
        (
            "create",
            MAP,
            "POST /api/v1/namespaces/kube-system/configmaps?dryRun=All".into(),
            JSON,
            of_map(&|map| map["metadata"]["namespace"] = json!("kube-system")),
        ),
        (
            "create",
            MAP,
            "POST /api/v1/namespaces/default/secrets?dryRun=All".into(),
            JSON,
            r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"lied-map"}}"#.into(),
        ),
        (
            "create",
            MAP,
            patch.clone(),
            MERGE,
            r#"{"data":{"a":"b"}}"#.into(),
        ),
        (
            "create",
            MAP,
            format!("DELETE {MAPS}/lied-map"),
            JSON,
            r#"{"dryRun":["All"]}"#.into(),
        ),
        (
            "create",
            MAP,
            format!("PUT {MAPS}/lied-map?dryRun=All"),
            JSON,
            map(),
        ),
        ("create", MAP, format!("GET {MAPS}/lied-map"), JSON, none()),
        ("apply", MAP, format!("GET {MAPS}"), JSON, none()),
        ("apply", MAP, format!("GET {MAPS}/app-config"), JSON, none()),
        (
            "apply",
            MAP,
            format!("DELETE {MAPS}/lied-map"),
            JSON,
            r#"{"dryRun":["All"]}"#.into(),
        ),
        (
            "apply",
            MAP,
            patch.clone(),
            MERGE,
            r#"{"data":{"a":"c"}}"#.into(),
        ),
        (
            "apply",
            MAP,
            patch.clone(),
            STRATEGIC,
            r#"{"data":{"a":"b","x":"y"}}"#.into(),
        ),
        (
            "apply",
            MAP,
            patch.clone(),
            STRATEGIC,
            r#"{"data":null}"#.into(),
        ),
        (
            "apply",
            MAP,
            patch.clone(),
            STRATEGIC,
            r#"{"data":{"$patch":"replace","a":"b"}}"#.into(),
        ),
        (
            "apply",
            MAP,
            patch.clone(),
            STRATEGIC,
            r#"{"metadata":{"labels":{"x":"y"}}}"#.into(),
        ),
        (
            "apply",
            MAP,
            patch.clone(),
            OPERATIONS,
            r#"[{"op":"replace","path":"/data/a","value":"b"}]"#.into(),
        ),
        (
            "apply",
            MAP,
            format!("PATCH {MAPS}/app-config?dryRun=All"),
            MERGE,
            r#"{"data":{"a":"b"}}"#.into(),
        ),
        (
            "apply",
            MAP,
            format!("{patch}&fieldManager=x"),
            APPLY,
            of_map(&|map| map["data"]["x"] = json!("y")),
        ),
        (
            "apply",
            MAP,
            format!("{patch}&fieldManager=x&force=true"),
            APPLY,
            map(),
        ),
        (
            "replace",
            MAP,
            format!("PUT {MAPS}/lied-map?dryRun=All"),
            JSON,
            of_map(&|map| map["data"] = json!({})),
        ),
        (
            "replace",
            MAP,
            format!("PUT {MAPS}/lied-map?dryRun=All"),
            JSON,
            of_map(&|map| map["immutable"] = json!(true)),
        ),
        ("replace", MAP, post, JSON, map()),
        (
            "delete",
            MAP,
            format!("DELETE {MAPS}/app-config"),
            JSON,
            r#"{"dryRun":["All"]}"#.into(),
        ),
        (
            "delete",
            MAP,
            format!("DELETE {MAPS}?dryRun=All"),
            JSON,
            r#"{"dryRun":["All"]}"#.into(),
        ),
        // A part of what is replaced as a whole is a way in for everybody.
        (
            "apply",
            FENCE,
            fence.clone(),
            STRATEGIC,
            r#"{"spec":{"ingress":[{"ports":[{"port":80,"protocol":"TCP"}]}]}}"#.into(),
        ),
        (
            "apply",
            FENCE,
            fence.clone(),
            STRATEGIC,
            r#"{"spec":{"ingress":[{}]}}"#.into(),
        ),
        (
            "apply",
            FENCE,
            fence,
            MERGE,
            r#"{"spec":{"ingress":null}}"#.into(),
        ),
    ]
}

#[test]
fn what_a_manifest_does_not_say_ends_the_call() {
    as_admin(&["apply", "-f", "-"], MAP);
    as_admin(&["apply", "-f", "-"], FENCE);
    let (_folder, server) = server_with(RULES, "require");
    for (command, manifest, line, form, body) in lies() {
        let reply = lied(&server, command, manifest, &request_of(form, &line, &body));
        assert!(is_denied(&reply), "{command}: {line} {body}: {reply}");
        assert_eq!(reply["effects"]["writes"], Value::Null, "{line}");
    }
    for (command, line, form, body) in [
        (
            "create",
            format!("POST {MAPS}?dryRun=All"),
            JSON,
            HONEST_MAP,
        ),
        (
            "apply",
            format!("PATCH {MAPS}/lied-map?dryRun=All"),
            STRATEGIC,
            r#"{"data":{"a":"b"}}"#,
        ),
        (
            "apply",
            format!("PATCH {MAPS}/lied-map?dryRun=All&fieldManager=x&force=false"),
            APPLY,
            HONEST_MAP,
        ),
        (
            "replace",
            format!("PUT {MAPS}/lied-map?dryRun=All"),
            JSON,
            HONEST_MAP,
        ),
        (
            "delete",
            format!("DELETE {MAPS}/lied-map"),
            JSON,
            r#"{"dryRun":["All"]}"#,
        ),
    ] {
        let reply = lied(&server, command, MAP, &request_of(form, &line, body));
        assert!(!is_denied(&reply), "{command}: {line}: {reply}");
        assert_eq!(
            reply["effects"]["writes"].as_array().map(Vec::len),
            Some(1),
            "{line}: {reply}"
        );
    }
}

#[test]
fn the_api_server_answers_each_where_it_is_only_told() {
    as_admin(&["apply", "-f", "-"], MAP);
    as_admin(&["apply", "-f", "-"], FENCE);
    let (_folder, server) = server_with(RULES, "prefer");
    for (command, manifest, line, form, body) in lies() {
        let reply = lied(&server, command, manifest, &request_of(form, &line, &body));
        let output = reply["output"].as_str().unwrap();
        let is_answered = ["HTTP/1.1 2", "HTTP/1.1 4"]
            .iter()
            .any(|it| output.starts_with(it));
        assert!(
            is_answered && !output.contains("kube-airlock:"),
            "{line}: {reply}"
        );
        assert_eq!(
            reply["effects"]["unexplained"].as_array().map(Vec::len),
            Some(1),
            "{line}: {reply}"
        );
    }
}
