//! What one call may ask of its API server in all: beyond it the call ends, and tells what it did.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Server, as_admin, base64_of, cluster, eventually, readable_folder};

const POLICY: &str = r#"
schema = 1
[[rule]]
id = "few"
effect = "allow"
reason = "for a test"
tool = "kubectl"
verbs = ["label"]
resources = ["configmaps"]
flags = ["--overwrite"]
max_objects = 2
[[rule]]
id = "rest"
effect = "allow"
reason = "for a test"
tool = "kubectl"
verbs = ["get", "describe", "annotate", "create configmap", "exec"]
namespaces = ["*"]
flags = ["--all-namespaces", "--overwrite", "--from-literal"]
values = { "--output" = ["json"] }
after_dash = true
"#;

/// A server with these limits, and its policy's folder.
fn server(judging: &str, limits: &str) -> (tempfile::TempDir, tempfile::TempDir, Server) {
    let folder = readable_folder();
    let policy = folder.path().join("policy.toml");
    fs::write(&policy, POLICY).unwrap();
    let settings = format!(
        "policy = [{policy:?}]\n[limits]\nrate = 0\n{limits}\n[api]\nkubectl = \"{judging}\"\n"
    );
    let (config, server) = Server::with_settings(&settings);
    (folder, config, server)
}

/// Holds that a call ended by its budget, and that answer and record tell the same of it.
fn exceeded(server: &Server, command: &str, what: &str) -> Value {
    let reply = server.kubectl(command, &base64_of(&cluster().admin));
    let (status, reply) = (reply.status, reply.json());
    assert_eq!(
        (status, &reply["code"]),
        (422, &json!("budget_exceeded")),
        "{command}: {reply}"
    );
    let told = reply["effects"]["exceeded"].as_str().unwrap();
    assert!(told.contains(what), "{command}: {told}");
    let of_call =
        |record: &Value| record["request_id"] == reply["request_id"] && record["event"] == "end";
    eventually("it is recorded", || server.records().iter().any(of_call));
    let record = server.records().into_iter().find(of_call).unwrap();
    assert_eq!(record["effects"], reply["effects"], "{command}");
    reply
}

fn succeeds(server: &Server, command: &str) {
    let reply = server.kubectl(command, &base64_of(&cluster().admin)).json();
    assert_eq!(reply["success"], true, "{command}: {reply}");
    assert_eq!(reply["effects"]["exceeded"], Value::Null);
}

#[test]
fn a_call_makes_no_more_requests_than_it_may() {
    let (_policy, _folder, few) = server("require", "api_requests = 2");
    let reply = exceeded(&few, "describe deploy web -n web", "2 API requests");
    assert!(reply["effects"]["reads"].is_object(), "{reply}");
    let (_policy, _folder, many) = server("require", "");
    succeeds(&many, "describe deploy web -n web");
}

#[test]
fn a_call_writes_no_more_objects_than_its_server_and_its_rule_let_it() {
    let names = ["budget-1", "budget-2", "budget-3"];
    for name in names {
        assert!(as_admin(&["create", "configmap", name], ""));
    }
    let (_policy, _folder, by_rule) = server("require", "");
    let (_other, _folder_of_other, by_server) = server("require", "api_objects = 2");
    for (server, verb) in [(&by_rule, "label"), (&by_server, "annotate")] {
        let command = format!("{verb} configmaps {} few=yes", names.join(" "));
        let reply = exceeded(server, &command, "2 objects");
        let writes = reply["effects"]["writes"].as_array().unwrap();
        let told = |write: &Value| (write["name"].clone(), write["status"].clone());
        let expected = [("budget-1", 200), ("budget-2", 200)];
        let expected = expected.map(|(name, status)| (json!(name), json!(status)));
        assert_eq!(
            writes.iter().map(told).collect::<Vec<_>>(),
            expected,
            "{reply}"
        );
        let two = format!("{verb} configmaps budget-1 budget-2 few=no --overwrite");
        succeeds(server, &two);
    }
    // The rule's bound is that rule's, and one object is one however often it is written.
    succeeds(
        &by_rule,
        &format!("annotate configmaps {} more=yes", names.join(" ")),
    );
    let labels = by_rule.kubectl(
        "get configmap budget-3 -o json",
        &base64_of(&cluster().admin),
    );
    assert!(!labels.json()["output"].as_str().unwrap().contains("few"));
    for name in names {
        assert!(as_admin(&["delete", "configmap", name], ""));
    }
}

#[test]
fn a_call_sends_and_receives_no_more_than_it_may() {
    let (_policy, _folder, few) =
        server("require", "api_sent = \"1KiB\"\napi_received = \"150KiB\"");
    let long = "x".repeat(1500);
    let create = format!("create configmap too-long --from-literal=a={long}");
    exceeded(&few, &create, "send 1024 bytes");
    assert!(
        !as_admin(&["get", "configmap", "too-long"], ""),
        "it is not created"
    );
    succeeds(&few, "get configmap app-config");
    // A stream's bytes are some of it.
    let exec = |bytes: usize| format!("exec web-0 -- sh -c 'printf %0{bytes}d 7'");
    succeeds(&few, &exec(1000));
    exceeded(&few, &exec(300_000), "receive 153600 bytes");
    let (_policy, _folder, less) = server("require", "api_received = \"2KiB\"");
    exceeded(&less, "get pods -A -o json", "receive 2048 bytes");
}

#[test]
fn a_rule_that_counts_objects_lets_nothing_run_uncounted() {
    let (_policy, _folder, server) = server("off", "");
    let reply = server
        .kubectl(
            "label configmap app-config a=b",
            &base64_of(&cluster().admin),
        )
        .json();
    assert_eq!(reply["code"], "tool_unavailable", "{reply}");
    assert!(
        reply["reason"].as_str().unwrap().contains("`max_objects`"),
        "{reply}"
    );
    succeeds(&server, "get configmap app-config");
}
