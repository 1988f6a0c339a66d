//! istioctl against a real istiod: confined, through ports that it forwards to itself.

use std::fs;

use serde_json::Value;

use crate::{
    fixtures::ISTIOCTL_ANSWERS,
    harness::{Server, base64_of, eventually, istio, tools},
};

const EVERYTHING: &str = r#"schema = 1
[[rule]]
id = "istioctl"
effect = "allow"
reason = "this test"
tool = "istioctl"
verbs = ["@read", "@write", "experimental internal-debug"]
flags = ["@plain", "--output"]
namespaces = ["*"]
values = { "--output" = ["json", "table", "short", "yaml"] }
"#;

/// A server whose policy allows all of it, which may dial these addresses.
fn server(addresses: &str) -> (Server, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let policy = folder.path().join("policy.toml");
    fs::write(&policy, EVERYTHING).unwrap();
    let tools = tools();
    let flags = [
        "--tools-dir",
        tools.to_str().unwrap(),
        "--egress-allow",
        addresses,
        "--policy",
        policy.to_str().unwrap(),
    ];
    let server = Server::with(&flags, None);
    eventually("istioctl is there", || {
        server.get("/tools/status").json()["tools"]["istioctl"]["state"] == "available"
    });
    (server, folder)
}

fn ask(server: &Server, command: &str, kubeconfig: &str) -> Value {
    let sent = [
        ("Content-Type", "application/json"),
        ("X-Kubeconfig", kubeconfig),
    ];
    let body = serde_json::json!({ "command": command }).to_string();
    server
        .send("POST", "/tools/istioctl", &sent, body.as_bytes())
        .json()
}

fn answers_as_the_bare_tool_does(server: &Server, kubeconfig: &str) {
    for (command, expected) in ISTIOCTL_ANSWERS {
        let reply = ask(server, command, kubeconfig);
        assert_eq!(reply["success"], true, "{command}: {reply}");
        let printed = format!(
            "{}{}",
            reply["output"].as_str().unwrap(),
            reply["error"].as_str().unwrap_or_default()
        );
        assert!(printed.contains(expected), "{command}: {reply}");
        assert!(
            reply["sandbox"]["missing"].as_array().unwrap().is_empty(),
            "{command}: {reply}"
        );
    }
    eventually("nothing is left", || {
        server.children().is_empty() && server.workspaces().is_empty()
    });
}

#[test]
fn istioctl_forwards_ports_to_itself() {
    let kubeconfig = base64_of(&istio().admin);
    let (server, _folder) = server("127.0.0.1");
    answers_as_the_bare_tool_does(&server, &kubeconfig);
}
