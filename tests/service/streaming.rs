//! Calls that are told while they run, and ended when nobody wants them any more.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    callers::token,
    harness::{Server, base64_of, cluster, eventually, tools},
    mcp::KUBECTL_CALL,
};

const POLICY: &str = r#"schema = 1
[[rule]]
id = "follow"
effect = "allow"
reason = "this test follows"
tool = "kubectl"
verbs = ["get", "logs"]
resources = ["pods"]
flags = ["--watch", "--follow", "--all-namespaces"]
values = { "--output" = ["name"] }
namespaces = ["*"]
timeout = "3s"

[[rule]]
id = "a-few-lines"
effect = "allow"
reason = "this test wants few"
tool = "kubectl"
verbs = ["get"]
resources = ["configmaps"]
flags = ["--watch", "--all-namespaces"]
namespaces = ["*"]
max_lines = 3

[[rule]]
id = "a-few-bytes"
effect = "allow"
reason = "this test wants little"
tool = "kubectl"
verbs = ["get"]
resources = ["services"]
flags = ["--all-namespaces"]
values = { "--output" = ["yaml"] }
namespaces = ["*"]
max_output = "100"
"#;

/// A server with that policy and these callers.
fn server(callers: &[&str]) -> (tempfile::TempDir, Server) {
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
    fs::write(&config, callers.join("\n")).unwrap();
    let tools = tools();
    let [config, policy, tools] = [&config, &policy, &tools].map(|path| path.to_str().unwrap());
    let allowed = cluster().server.to_string();
    let server = Server::with(
        &[
            "--config",
            config,
            "--policy",
            policy,
            "--tools-dir",
            tools,
            "--egress-allow",
            &allowed,
        ],
        None,
    );
    (folder, server)
}

/// The lines of a streamed answer, one by one, as they come.
struct Lines(BufReader<TcpStream>);

impl Lines {
    /// Asks, and reads past the head; its text comes too.
    fn of(server: &Server, accept: &str, more: &[(&str, &str)], command: &str) -> (String, Self) {
        let kubeconfig = base64_of(&cluster().admin);
        let mut headers = vec![
            ("Content-Type", "application/json"),
            ("Accept", accept),
            ("X-Kubeconfig", &kubeconfig),
        ];
        headers.extend(more);
        let body = json!({ "command": command }).to_string();
        let mut reader =
            BufReader::new(server.open("POST", "/tools/kubectl", &headers, body.as_bytes()));
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
        }
        (head, Self(reader))
    }

    /// The next line with something in it; the sizes of chunks are left out.
    fn next(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            let line = line.trim();
            if !line.is_empty() && u32::from_str_radix(line, 16).is_err() {
                return Some(line.to_owned());
            }
        }
    }

    fn event(&mut self) -> Value {
        serde_json::from_str(&self.next().expect("another event")).unwrap()
    }

    /// All events that are left, and the text of those that are output.
    fn rest(&mut self) -> (Vec<Value>, String) {
        let mut events = Vec::new();
        while let Some(line) = self.next() {
            events.push(serde_json::from_str::<Value>(&line).unwrap());
        }
        let text = events
            .iter()
            .filter_map(|event| event["text"].as_str())
            .collect();
        (events, text)
    }
}

const NDJSON: &str = "application/x-ndjson";

#[test]
fn what_a_command_prints_is_told_while_it_runs() {
    let (_folder, server) = server(&[]);
    let began = Instant::now();
    let (head, mut lines) = Lines::of(&server, NDJSON, &[], "get pods -A -w");
    assert!(head.contains(" 200 ") && head.contains(NDJSON), "{head}");
    let first = lines.event();
    assert_eq!(
        (
            first["event"].as_str(),
            first["request_id"].as_str().map(str::len)
        ),
        (Some("started"), Some(32)),
        "{first}"
    );
    let second = lines.event();
    assert!(
        second["event"] == "output"
            && second["stream"] == "stdout"
            && second["text"].as_str().unwrap().contains("NAME"),
        "{second}"
    );
    assert!(
        began.elapsed() < Duration::from_millis(2500),
        "it came at {:?}, not at once",
        began.elapsed()
    );
    let (events, text) = lines.rest();
    let end = events.last().unwrap();
    assert!(
        began.elapsed() >= Duration::from_secs(3)
            && text.len() + second["text"].as_str().unwrap().len() > 100
    );
    assert_eq!(
        (
            end["event"].as_str(),
            end["success"].as_bool(),
            end["output"].as_str()
        ),
        (Some("end"), Some(true), Some("")),
        "{end}"
    );
    assert_eq!(
        (&end["request_id"], end["rule"].as_str().is_some()),
        (&first["request_id"], true),
        "{end}"
    );

    // The same text as in one answer, and an end without fault.
    let kubeconfig = base64_of(&cluster().admin);
    let whole = server
        .kubectl("get pods -A -o name", &kubeconfig)
        .text("output");
    let (_, mut lines) = Lines::of(&server, NDJSON, &[], "get pods -A -o name");
    let (events, text) = lines.rest();
    let end = events.last().unwrap();
    assert_eq!(
        (text, end["success"].as_bool(), end["truncated"].as_bool()),
        (whole, Some(true), Some(false)),
        "{end}"
    );

    // A refusal has its status, and is no stream.
    let (head, mut rest) = Lines::of(&server, NDJSON, &[], "delete pod web-0");
    assert!(
        head.contains(" 403 ") && head.contains("application/json"),
        "{head}"
    );
    let mut body = String::new();
    rest.0.read_to_string(&mut body).unwrap();
    assert!(body.contains("policy_denied"), "{body}");

    let (head, mut lines) = Lines::of(&server, "text/event-stream", &[], "get pods -A -o name");
    assert!(head.contains("text/event-stream"), "{head}");
    let mut told = String::new();
    while let Some(line) = lines.next() {
        told += &(line + "\n");
    }
    assert!(
        told.starts_with("event: started\ndata: {")
            && told.contains("event: output\ndata: {")
            && told.contains("event: end\n"),
        "{told}"
    );
}

#[test]
fn a_rules_lines_and_bytes_end_a_stream() {
    let (_folder, server) = server(&[]);
    let began = Instant::now();
    let (_, mut lines) = Lines::of(&server, NDJSON, &[], "get configmaps -A -w");
    let (events, text) = lines.rest();
    assert_eq!(
        (
            text.lines().count(),
            events.last().unwrap()["success"].as_bool()
        ),
        (3, Some(true)),
        "{events:?}"
    );
    let whole = server
        .kubectl("get configmaps -A", &base64_of(&cluster().admin))
        .json();
    assert_eq!(
        (
            whole["output"].as_str().unwrap().lines().count(),
            whole["truncated"].as_bool()
        ),
        (3, Some(true)),
        "{whole}"
    );
    let (_, mut lines) = Lines::of(&server, NDJSON, &[], "get services -A -o yaml");
    let (events, _) = lines.rest();
    assert!(
        events.last().unwrap()["reason"]
            .as_str()
            .unwrap()
            .contains("more than 100 bytes"),
        "{events:?}"
    );
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "the rules ended them, not the deadline"
    );
}

#[test]
fn a_caller_sees_and_ends_its_own_calls_and_no_others() {
    let ((web, of_web), (other, of_other)) = (token("web-agent", &[]), token("other-agent", &[]));
    let (_folder, server) = server(&[&of_web, &of_other]);
    let [web, other] = [web, other].map(|token| format!("Bearer {token}"));
    let calls = |who: &str| {
        server
            .send("GET", "/calls", &[("Authorization", who)], b"")
            .json()["calls"]
            .clone()
    };
    let end = |who: &str, id: &str| {
        server.send(
            "DELETE",
            &format!("/calls/{id}"),
            &[("Authorization", who)],
            b"",
        )
    };

    let (_, mut lines) = Lines::of(
        &server,
        NDJSON,
        &[("Authorization", &web)],
        "get pods -A -w",
    );
    let id = lines.event()["request_id"].as_str().unwrap().to_owned();
    let listed = calls(&web);
    assert_eq!(
        (
            listed[0]["request_id"].as_str(),
            listed[0]["state"].as_str()
        ),
        (Some(id.as_str()), Some("running")),
        "{listed}"
    );
    assert_eq!(calls(&other), json!([]));
    let refused = end(&other, &id);
    assert_eq!(
        (refused.status, refused.text("code").as_str()),
        (404, "unknown_call")
    );
    assert!(
        lines.event()["text"].as_str().unwrap().contains("NAME"),
        "it prints before it is ended"
    );
    let began = Instant::now();
    assert_eq!(end(&web, &id).status, 202);
    let (events, _) = lines.rest();
    assert_eq!(events.last().unwrap()["code"], "cancelled", "{events:?}");
    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!(end(&web, &id).status, 404, "it is over");

    // Whoever waits for one answer gets what there was.
    let kubeconfig = base64_of(&cluster().admin);
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Kubeconfig", kubeconfig.as_str()),
        ("Authorization", web.as_str()),
    ];
    let mut waiting = server.open(
        "POST",
        "/tools/kubectl",
        &headers,
        br#"{"command":"get pods -A -w"}"#,
    );
    eventually("it is listed", || calls(&web)[0]["state"] == "running");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(
        end(&web, calls(&web)[0]["request_id"].as_str().unwrap()).status,
        202
    );
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).unwrap();
    assert!(
        answer.contains(" 499 ")
            && answer.contains("NAMESPACE")
            && answer.contains(r#""code":"cancelled""#),
        "{answer}"
    );

    // Who leaves ends it too.
    let (_, mut lines) = Lines::of(
        &server,
        NDJSON,
        &[("Authorization", &web)],
        "get pods -A -w",
    );
    lines.event();
    drop(lines);
    eventually("it is gone", || {
        calls(&web) == json!([]) && server.children().is_empty() && server.workspaces().is_empty()
    });
}

#[test]
fn an_mcp_client_with_a_token_is_told_the_progress() {
    let (_folder, server) = server(&[]);
    let kubeconfig = base64_of(&cluster().admin);
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "kubectl", "arguments": {"command": "get pods -A -w"},
            "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {},
                "progressToken": "p1"}}});
    let headers = [&KUBECTL_CALL[..], &[("X-Kubeconfig", kubeconfig.as_str())]].concat();
    let reply = server.send("POST", "/mcp", &headers, call.to_string().as_bytes());
    let text = String::from_utf8(reply.body).unwrap();
    let messages: Vec<Value> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data:")?.trim()).ok())
        .collect();
    let progress: Vec<&Value> = messages
        .iter()
        .filter(|message| message["method"] == "notifications/progress")
        .collect();
    assert!(!progress.is_empty() && progress.len() < 10, "{text}");
    assert!(
        progress
            .iter()
            .all(|message| message["params"]["progressToken"] == "p1"),
        "{text}"
    );
    assert!(
        progress[0]["params"]["message"]
            .as_str()
            .unwrap()
            .contains("NAME"),
        "{text}"
    );
    let answer = messages.last().unwrap();
    assert!(
        answer["id"] == 1
            && answer["result"]["content"][0]["text"]
                .as_str()
                .unwrap()
                .contains("NAME"),
        "{text}"
    );
}
