//! Do clients of the original service get the answers that they expect, and no more rights?

use serde_json::{Value, json};

use super::harness::{Reply, Server, base64_of, cluster};

fn call(server: &Server, tool: &str, more: &[(&str, &str)], body: &Value) -> Reply {
    let headers = [&[("Content-Type", "application/json")], more].concat();
    let path = format!("/tools/{tool}");
    server.send("POST", &path, &headers, body.to_string().as_bytes())
}

#[test]
fn a_client_of_the_original_service_reads_every_answer_to_a_call() {
    let (_settings, server) = Server::with_settings("[compat]\nseed = true\n");
    let health: Value = server.get("/health").json();
    assert_eq!(health["status"], "healthy");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    let kubectl = |body: Value| call(&server, "kubectl", &[], &body);
    let kubeconfig = base64_of(&cluster().admin);
    let ran = kubectl(json!({
        "command": "kubectl get namespaces", "kubeconfig": kubeconfig, "dry": true, "shell": "sh",
    }));
    assert_eq!(ran.status, 200);
    assert_eq!(ran.json()["success"], true, "{}", ran.json());
    for (command, code) in [
        ("delete namespace default", "policy_denied"),
        ("get pods; id", "invalid_command"),
        ("get pods --as=system:admin", "policy_denied"),
    ] {
        let refused = kubectl(json!({ "command": command, "kubeconfig": kubeconfig }));
        assert_eq!(refused.status, 200, "{command}");
        let refused = refused.json();
        assert_eq!(
            (&refused["success"], &refused["code"], &refused["exit_code"]),
            (&json!(false), &json!(code), &json!(-1)),
            "{command}"
        );
        assert!(refused["error"].is_string(), "{refused}");
    }
    // What is no call at all is told as ever, and who asks for problems knows statuses.
    assert_eq!(kubectl(json!({ "cmd": "get pods" })).status, 400);
    assert_eq!(kubectl(json!({ "command": 7 })).status, 400);
    assert_eq!(
        call(&server, "sh", &[], &json!({ "command": "id" })).status,
        404
    );
    let problem = call(
        &server,
        "kubectl",
        &[("Accept", "application/problem+json")],
        &json!({ "command": "delete namespace default", "kubeconfig": kubeconfig }),
    );
    assert_eq!(problem.status, 403);
}

#[test]
fn nothing_of_it_is_there_unless_it_is_asked_for() {
    let (_settings, server) = Server::with_settings("[compat]\nseed = false\n");
    assert_eq!(server.get("/health").json(), json!({ "status": "ok" }));
    let kubectl = |body: Value| call(&server, "kubectl", &[], &body);
    assert_eq!(kubectl(json!({ "command": "get pods; id" })).status, 422);
    let unknown = kubectl(json!({ "command": "get pods", "shell": "sh" }));
    assert_eq!(unknown.status, 400);
}
