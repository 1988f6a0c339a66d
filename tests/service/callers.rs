//! Callers with tokens: who they are, what they may, how often.

use std::{fs, process::Command};

use serde_json::json;

use crate::{
    harness::{Server, base64_of, cluster, eventually, program, tools},
    mcp::KUBECTL_CALL,
};

const POLICY: &str = r#"schema = 1
[[rule]]
id = "web-reads"
effect = "allow"
reason = "team web reads its namespace"
tool = "kubectl"
verbs = ["get"]
resources = ["pods"]
groups = ["web"]
"#;

/// The token, and the table of settings that knows it.
pub fn token(name: &str, more: &[&str]) -> (String, String) {
    let made = Command::new(program())
        .args(["token", "new", name])
        .args(more)
        .output()
        .unwrap();
    assert!(made.status.success());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let token = text(made.stderr).lines().last().unwrap().to_owned();
    let table = text(made.stdout);
    assert!(
        token.starts_with("airlock_") && token.len() == 51 && !table.contains(&token),
        "{table}"
    );
    (token, table)
}

#[test]
fn a_caller_is_who_its_token_says() {
    let (web, of_web) = token("web-agent", &["--group", "web"]);
    let (other, of_other) = token("other-agent", &["--lasts", "never"]);
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let (config, policy) = (
        folder.path().join("airlock.toml"),
        folder.path().join("policy.toml"),
    );
    fs::write(&policy, POLICY).unwrap();
    fs::write(
        &config,
        format!("{of_web}\n{of_other}\n[limits]\nrate = 2\nburst = 6\n"),
    )
    .unwrap();
    let tools = tools();
    let flags = [
        "--config",
        config.to_str().unwrap(),
        "--policy",
        policy.to_str().unwrap(),
        "--tools-dir",
        tools.to_str().unwrap(),
        "--egress-allow",
        "127.0.0.1",
    ];
    let server = Server::with(&flags, None);
    let kubeconfig = base64_of(&cluster().admin);
    let ask = |authorization: Option<&str>| {
        let mut headers = vec![
            ("Content-Type", "application/json"),
            ("X-Kubeconfig", kubeconfig.as_str()),
        ];
        headers.extend(authorization.map(|value| ("Authorization", value)));
        server.send(
            "POST",
            "/tools/kubectl",
            &headers,
            br#"{"command":"get pods -n default"}"#,
        )
    };
    let reply = ask(Some(&format!("Bearer {web}")));
    assert_eq!(reply.json()["success"], true, "{}", reply.json());
    let reply = ask(Some(&format!("Bearer {other}")));
    assert_eq!(
        (reply.status, reply.text("code").as_str()),
        (403, "policy_denied"),
        "{}",
        reply.json()
    );
    for wrong in [
        None,
        Some("Bearer nobody"),
        Some("Basic eDp5"),
        Some(&format!("Bearer {web}x")),
    ] {
        let reply = ask(wrong);
        assert_eq!(
            (reply.status, reply.text("code").as_str()),
            (401, "unauthenticated"),
            "{wrong:?}: {}",
            reply.json()
        );
        assert!(
            reply
                .head
                .to_ascii_lowercase()
                .contains("www-authenticate: bearer"),
            "{}",
            reply.head
        );
    }
    // MCP asks the same, and says who called.
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "kubectl", "arguments": {"command": "get pods -n default"},
            "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}}});
    let mcp = |token: &str| {
        let authorization = format!("Bearer {token}");
        let headers = [
            &KUBECTL_CALL[..],
            &[
                ("X-Kubeconfig", kubeconfig.as_str()),
                ("Authorization", authorization.as_str()),
            ],
        ]
        .concat();
        server.send("POST", "/mcp", &headers, call.to_string().as_bytes())
    };
    assert_eq!(mcp("nobody").status, 401);
    assert_eq!(
        mcp(&web).json()["result"]["isError"],
        false,
        "{}",
        mcp(&web).json()
    );
    // What needs no caller, and what nobody unknown sees.
    assert_eq!(
        (
            server.get("/health").status,
            server.get("/ready").status,
            server.get("/tools/status").status
        ),
        (200, 200, 401)
    );

    // Refused requests count, each caller's alone.
    let limited = (0..20)
        .map(|_| ask(Some(&format!("Bearer {other}"))))
        .find(|reply| reply.status == 429)
        .unwrap();
    assert_eq!(limited.text("code"), "rate_limited");
    assert!(
        limited.head.to_ascii_lowercase().contains("retry-after: 1"),
        "{}",
        limited.head
    );
    assert_eq!(
        ask(Some(&format!("Bearer {web}"))).json()["success"],
        true,
        "the other's rate is its own"
    );

    let records = server.records();
    let principals: std::collections::BTreeSet<_> = records
        .iter()
        .filter_map(|record| record["principal"].as_str())
        .collect();
    assert_eq!(
        principals.into_iter().collect::<Vec<_>>(),
        ["other-agent", "web-agent"]
    );
    let told =
        fs::read_to_string(&server.audit).unwrap() + &fs::read_to_string(&server.log).unwrap();
    assert!(!told.contains(&web) && !told.contains(&other));
}

#[test]
fn a_session_is_its_openers_alone_and_callers_come_and_go() {
    let ((web, of_web), (other, of_other)) = (token("web-agent", &[]), token("other-agent", &[]));
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("airlock.toml");
    fs::write(&config, format!("{of_web}\n{of_other}\n")).unwrap();
    let tools = tools();
    let server = Server::with(
        &[
            "--config",
            config.to_str().unwrap(),
            "--tools-dir",
            tools.to_str().unwrap(),
        ],
        None,
    );
    let post = |token: &str, method: &str, session: Option<&str>, message: &serde_json::Value| {
        let authorization = format!("Bearer {token}");
        let mut headers = vec![
            ("Content-Type", "application/json"),
            ("Accept", "application/json"),
            ("Authorization", authorization.as_str()),
        ];
        headers.extend(session.map(|session| ("Mcp-Session-Id", session)));
        server.send(method, "/mcp", &headers, message.to_string().as_bytes())
    };
    let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "protocolVersion": "2025-11-25",
        "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } } });
    let head = post(&web, "POST", None, &hello).head.to_ascii_lowercase();
    let session = head
        .lines()
        .find_map(|line| line.strip_prefix("mcp-session-id: ").map(str::to_owned))
        .unwrap();
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(post(&web, "POST", Some(&session), &initialized).status, 202);
    let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {} });
    for method in ["POST", "GET", "DELETE"] {
        assert_eq!(
            post(&other, method, Some(&session), &list).status,
            404,
            "{method}"
        );
    }
    let own = post(&web, "POST", Some(&session), &list);
    assert!(
        own.status == 200 && String::from_utf8_lossy(&own.body).contains("kubectl"),
        "{}",
        own.head
    );

    // A token that is taken back is worth nothing within seconds; nobody is let in by a file that
    // names no one.
    let is_known = |token: &str| post(token, "POST", None, &hello).status == 200;
    fs::write(&config, &of_other).unwrap();
    eventually("the token is taken back", || !is_known(&web));
    assert!(is_known(&other));
    fs::write(&config, "").unwrap();
    eventually("it is told", || {
        fs::read_to_string(&server.log)
            .unwrap()
            .contains("no caller is left")
    });
    assert!(!is_known(&web) && !is_known("nobody") && is_known(&other));
}
