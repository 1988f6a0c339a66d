//! Who may preview what, what of it is shown, and what is recorded.

use std::fs;

use serde_json::{Value, json};

use crate::{
    harness::{cluster, eventually, readable_folder},
    preview::{call, server, server_with},
};

/// Rules by which a caller may change what it may not read.
const FEW: &str = r#"
schema = 1
[[rule]]
id = "change"
effect = "allow"
reason = "for a test"
tool = "kubectl"
verbs = ["label", "create configmap"]
flags = ["--overwrite", "--from-literal"]
[[rule]]
id = "look"
effect = "allow"
reason = "for a test"
tool = "kubectl"
verbs = ["get"]
resources = ["configmaps"]
values = { "--output" = ["yaml"] }
[[rule]]
id = "ask"
effect = "confirm"
reason = "a person looks first"
tool = "kubectl"
verbs = ["delete"]
[[rule]]
id = "argocd"
effect = "allow"
reason = "for a test"
tool = "argocd"
verbs = ["app sync"]
"#;

#[test]
fn a_preview_needs_what_its_command_needs_and_shows_what_its_caller_may_read() {
    let folder = readable_folder();
    let policy = folder.path().join("policy.toml");
    fs::write(&policy, FEW).unwrap();
    let (cluster, policy) = (cluster(), policy.to_str().unwrap());
    let (_folder, server) = server_with(cluster, policy, "");
    for (line, code) in [
        ("kubectl scale deploy worker --replicas=1", "policy_denied"),
        ("kubectl delete pod web-0", "confirmation_required"),
        ("kubectl exec web-0 -- true", "policy_denied"),
    ] {
        let told = call(&server, cluster, line, true);
        assert_eq!(
            (&told["code"], &told["effects"]),
            (&json!(code), &Value::Null),
            "{line}: {told}"
        );
    }
    let object = |line: &str| {
        let told = call(&server, cluster, line, true);
        assert_eq!(told["success"], true, "{told:#}");
        told["effects"]["preview"]["objects"][0].clone()
    };
    let read = object("kubectl label configmap app-config tier=one");
    assert!(
        read["diff"].as_str().unwrap().contains("+    tier: one\n"),
        "{read:#}"
    );
    assert_eq!(read["after"]["data"]["LOG_LEVEL"], "info", "{read:#}");
    let unread = object("kubectl label statefulset web tier=one");
    for part in ["before", "after", "diff"] {
        assert!(unread.get(part).is_none(), "{unread:#}");
    }
    let why = unread["left_out"][0].as_str().unwrap();
    assert!(why.contains("no rule lets you `get` it"), "{why}");
    assert_eq!(unread["change"], "update");
    let made = object("kubectl create configmap preview-made --from-literal=a=b");
    assert_eq!(
        (&made["change"], &made["after"]["data"]["a"]),
        (&json!("create"), &json!("b"))
    );
    // What does not pass this server has no preview.
    let (_folder, off) = server_with(cluster, policy, "[api]\nkubectl = \"off\"\n");
    let told = call(
        &off,
        cluster,
        "kubectl label configmap app-config tier=one",
        true,
    );
    assert_eq!(told["code"], "tool_unavailable", "{told}");
    assert!(
        told["reason"].as_str().unwrap().contains("no preview"),
        "{told}"
    );
    let body = json!({"command": "get pods", "dry_run": "client"}).to_string();
    let headers = [("Content-Type", "application/json")];
    let refused = server.send("POST", "/tools/kubectl", &headers, body.as_bytes());
    assert_eq!(refused.status, 400);
    assert!(
        refused.text("reason").contains("`dry_run` is `server`"),
        "{}",
        refused.json()
    );
}

#[test]
fn a_preview_is_recorded_as_one_without_what_objects_hold() {
    let cluster = cluster();
    let (_folder, server) = server(cluster, "");
    let told = call(
        &server,
        cluster,
        "kubectl annotate configmap app-config note=7b1e",
        true,
    );
    let notes = told["notes"].as_array().unwrap();
    let note = "a preview: nothing of this is done; it would create 0, change 1 and delete 0";
    assert!(notes.contains(&json!(note)), "{told:#}");
    let of_call = |record: &Value| record["request_id"] == told["request_id"];
    eventually("it is recorded", || {
        let records = server.records();
        records
            .iter()
            .any(|record| of_call(record) && record["event"] == "end")
    });
    let records: Vec<Value> = server.records().into_iter().filter(of_call).collect();
    assert_eq!(records[0]["preview"], true, "{records:?}");
    let effects = &records[1]["effects"];
    let object = json!({"change": "update", "resource": "configmaps", "namespace": "default", "name": "app-config"});
    assert_eq!(
        effects["preview"]["objects"],
        json!([object]),
        "{effects:#}"
    );
    assert_eq!(effects["writes"][0]["dry_run"], true, "{effects:#}");
    assert_eq!(effects["reads"], told["effects"]["reads"]);
    assert!(!effects.to_string().contains("7b1e"));
}
