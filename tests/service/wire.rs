//! What MCP asks of the wire beside its messages: errors as JSON-RPC has them, clients that read
//! JSON alone, streams of older protocols, sessions that a restart does not end, and news of a
//! changed policy.

use std::{
    fs,
    io::Read,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::harness::{Reply, Server, base64_of, cluster, eventually, readable_folder, tools};

const BOTH: (&str, &str) = ("Accept", "application/json, text/event-stream");
const JSON: (&str, &str) = ("Content-Type", "application/json");

fn server(flags: &[&str]) -> Server {
    let tools = tools();
    Server::with(
        &[&["--tools-dir", tools.to_str().unwrap()], flags].concat(),
        None,
    )
}

fn hello(server: &Server, protocol: &str, accept: (&str, &str)) -> Reply {
    let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": protocol, "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } } });
    server.send(
        "POST",
        "/mcp",
        &[JSON, accept],
        hello.to_string().as_bytes(),
    )
}

fn session(server: &Server) -> String {
    let head = hello(server, "2025-11-25", BOTH).head.to_ascii_lowercase();
    let mut lines = head.lines();
    let session = lines.find_map(|line| line.strip_prefix("mcp-session-id: "));
    session.expect("a session").to_owned()
}

fn list(server: &Server, session: &str, accept: (&str, &str)) -> Reply {
    let headers = [JSON, accept, ("Mcp-Session-Id", session)];
    let list = br#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#;
    server.send("POST", "/mcp", &headers, list)
}

fn is_json(reply: &Reply) -> bool {
    let head = reply.head.to_ascii_lowercase();
    head.contains("content-type: application/json")
}

#[test]
fn what_is_no_message_is_answered_as_json_rpc_has_it() {
    let server = server(&[]);
    for (body, code, id) in [
        ("{", -32700, json!(null)),
        ("\u{1}", -32700, json!(null)),
        ("[]", -32600, json!(null)),
        (
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
            -32600,
            json!(null),
        ),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            -32600,
            json!(null),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
            -32600,
            json!(null),
        ),
        (r#"{"id":7,"method":"ping"}"#, -32600, json!(7)),
        (r#"{"jsonrpc":"2.0","id":7}"#, -32600, json!(7)),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":[]}"#,
            -32602,
            json!(7),
        ),
        (
            r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"kubectl","arguments":[]}}"#,
            -32602,
            json!("a"),
        ),
    ] {
        let reply = server.send("POST", "/mcp", &[JSON, BOTH], body.as_bytes());
        let told = reply.json();
        assert_eq!(
            (reply.status, &told["error"]["code"], &told["id"]),
            (400, &json!(code), &id),
            "{body}: {told}"
        );
    }
    let metrics = String::from_utf8(server.get("/metrics").body).unwrap();
    let counted = "airlock_refusals_total{code=\"invalid_request\"} 10";
    assert!(metrics.lines().any(|line| line == counted), "{metrics}");
}

#[test]
fn a_client_that_reads_json_alone_gets_it_and_an_older_one_no_event_without_a_message() {
    let server = server(&[]);
    let json_only = ("Accept", "application/json");
    let told = hello(&server, "2025-11-25", json_only);
    assert!(is_json(&told), "{}", told.head);
    assert_eq!(told.json()["result"]["serverInfo"]["name"], "kube-airlock");
    let listed = list(&server, &session(&server), json_only);
    assert!(is_json(&listed), "{}", listed.head);
    assert_eq!(
        listed.json()["result"]["tools"].as_array().unwrap().len(),
        4
    );
    for (protocol, is_primed) in [
        ("2024-11-05", false),
        ("2025-03-26", false),
        ("2025-06-18", false),
        ("2025-11-25", true),
    ] {
        let told = String::from_utf8(hello(&server, protocol, BOTH).body).unwrap();
        let first = told
            .lines()
            .find_map(|line| line.strip_prefix("data:"))
            .unwrap();
        assert_eq!(first.trim().is_empty(), is_primed, "{protocol}: {told}");
    }
}

#[test]
fn a_second_request_with_the_id_of_one_under_way_is_refused_and_the_first_one_answered() {
    let server = Server::start();
    let session = session(&server);
    let headers = [JSON, BOTH, ("Mcp-Session-Id", session.as_str())];
    let kubeconfig = base64_of(&cluster().view);
    let with_credential = [&headers[..], &[("X-Kubeconfig", kubeconfig.as_str())]].concat();
    let call = json!({ "jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": { "name": "kubectl",
        "arguments": { "command": "wait --for=delete pod/web-0 --timeout=3s" } } });
    let mut first = server.open(
        "POST",
        "/mcp",
        &with_credential,
        call.to_string().as_bytes(),
    );
    first
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let mut head = [0; 12];
    first.read_exact(&mut head).unwrap();
    let ping = br#"{"jsonrpc":"2.0","id":5,"method":"ping"}"#;
    let second = server.send("POST", "/mcp", &headers, ping);
    assert_eq!(
        (second.status, &second.json()["error"]["code"]),
        (400, &json!(-32600)),
        "{}",
        second.head
    );
    let mut rest = String::new();
    while !rest.contains(r#""id":5"#) {
        let mut bytes = [0; 1024];
        let read = first.read(&mut bytes).unwrap();
        assert!(read > 0, "the first one is answered: {rest}");
        rest += &String::from_utf8_lossy(&bytes[..read]);
    }
    drop(first);
    eventually("its id is free", || {
        server.send("POST", "/mcp", &headers, ping).status == 200
    });
}

#[test]
fn a_session_outlives_the_server_that_opened_it() {
    let first = server(&[]);
    let session = session(&first);
    assert_eq!(list(&first, &session, BOTH).status, 200);
    drop(first);
    let second = server(&[]);
    let listed = list(&second, &session, ("Accept", "application/json"));
    assert_eq!(
        listed.json()["result"]["tools"].as_array().unwrap().len(),
        4
    );
    let headers = [("Mcp-Session-Id", session.as_str())];
    assert_eq!(second.send("DELETE", "/mcp", &headers, b"").status, 204);
    assert_eq!(list(&second, &session, BOTH).status, 404);
}

#[test]
fn clients_are_told_when_the_policy_has_changed() {
    let folder = readable_folder();
    let policy = folder.path().join("policy.toml");
    fs::write(&policy, "schema = 1\ninclude = [\"builtin:read-only\"]\n").unwrap();
    let server = server(&["--policy", policy.to_str().unwrap()]);
    let session = session(&server);
    let headers = [JSON, BOTH, ("Mcp-Session-Id", session.as_str())];
    let ready = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert_eq!(server.send("POST", "/mcp", &headers, ready).status, 202);
    let mut news = server.open("GET", "/mcp", &headers[1..], b"");
    news.set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let tools = |server: &Server| -> Vec<Value> {
        let listed = list(server, &session, ("Accept", "application/json")).json();
        listed["result"]["tools"].as_array().unwrap().clone()
    };
    assert!(
        tools(&server)
            .iter()
            .all(|tool| tool["annotations"]["readOnlyHint"] == true)
    );
    fs::write(&policy, "schema = 1\ninclude = [\"builtin:admin\"]\n").unwrap();
    let mut told = String::new();
    while !told.contains("notifications/tools/list_changed") {
        let mut bytes = [0; 1024];
        let read = news.read(&mut bytes).unwrap();
        assert!(read > 0, "{told}");
        told += &String::from_utf8_lossy(&bytes[..read]);
    }
    assert!(
        tools(&server)
            .iter()
            .any(|tool| tool["annotations"]["readOnlyHint"] == false)
    );
}

#[test]
fn a_session_that_its_client_ends_ends_its_calls_within_a_second() {
    let server = Server::start();
    let (session, kubeconfig) = (session(&server), base64_of(&cluster().view));
    let of_session = ("Mcp-Session-Id", session.as_str());
    let call = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {
        "name": "kubectl", "arguments": { "command": "wait --for=delete pod/web-0 --timeout=25s" } } });
    let headers = [
        JSON,
        BOTH,
        of_session,
        ("X-Kubeconfig", kubeconfig.as_str()),
    ];
    let _answer = server.open("POST", "/mcp", &headers, call.to_string().as_bytes());
    let calls = || server.get("/calls").json()["calls"].clone();
    eventually("it runs", || calls()[0]["state"] == "running");
    let since = Instant::now();
    assert_eq!(
        server.send("DELETE", "/mcp", &[of_session], b"").status,
        204
    );
    // It is listed until its child is gone.
    eventually("it has ended", || calls() == json!([]));
    let took = since.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
}
