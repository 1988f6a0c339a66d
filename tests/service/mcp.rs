//! MCP on the wire, both eras and stdio. Real SDK clients run in `tests/clients`.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::harness::{Server, base64_of, cluster, eventually, program, tools};

/// The headers of a call of kubectl of the 2026 era, but for credentials.
pub const KUBECTL_CALL: [(&str, &str); 5] = [
    ("Content-Type", "application/json"),
    ("Accept", "application/json, text/event-stream"),
    ("MCP-Protocol-Version", "2026-07-28"),
    ("Mcp-Method", "tools/call"),
    ("Mcp-Name", "kubectl"),
];

/// The result of one request of the 2026 era, with these headers beside its own.
pub fn ask(server: &Server, method: &str, mut params: Value, headers: &[(&str, &str)]) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let name = ["name", "uri"].map(|key| params[key].as_str().map(str::to_owned));
    let name = name.into_iter().flatten().next();
    let mut all = vec![
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", method),
    ];
    all.extend_from_slice(headers);
    if let Some(name) = &name {
        all.push(("Mcp-Name", name));
    }
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let (head, reply) = post(server, &all, &message);
    assert!(reply["result"].is_object(), "{head}\n{reply}");
    reply["result"].clone()
}

/// The result of one call of a tool.
pub fn call_tool(
    server: &Server,
    tool: &str,
    arguments: &Value,
    headers: &[(&str, &str)],
) -> Value {
    let params = json!({ "name": tool, "arguments": arguments });
    ask(server, "tools/call", params, headers)
}

/// One JSON-RPC request of the initialize era; the answer may be JSON or a one-event stream.
fn post(server: &Server, headers: &[(&str, &str)], message: &Value) -> (String, Value) {
    let mut all = vec![
        ("Content-Type", "application/json"),
        ("Accept", "application/json"),
    ];
    all.extend_from_slice(headers);
    let reply = server.send("POST", "/mcp", &all, message.to_string().as_bytes());
    let text = String::from_utf8(reply.body.clone()).unwrap();
    let data = text
        .lines()
        .rev()
        .filter_map(|line| line.strip_prefix("data:"))
        .map(str::trim)
        .find(|data| !data.is_empty());
    let json = data.unwrap_or(&text);
    (
        reply.head,
        serde_json::from_str(json).unwrap_or(Value::Null),
    )
}

fn check_calls(call: impl Fn(&str, Value) -> Value) {
    let tools = call("tools/list", json!({}));
    let names: Vec<&str> = tools["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["kubectl", "helm", "istioctl", "argocd"]);
    let pods = call(
        "tools/call",
        json!({ "name": "kubectl", "arguments": { "command": "get pods -A" } }),
    );
    assert_ne!(pods["isError"], true, "{pods}");
    assert!(
        pods["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("web-0"),
        "{pods}"
    );
    assert_eq!(pods["_meta"]["kube-airlock"]["success"], true);
    for (tool, command, shown) in [
        ("helm", "version", "v4.3"),
        ("helm", "list --help", "Usage:"),
        ("istioctl", "version --remote=false", "1.31"),
        ("istioctl", "analyze --help", "Usage:"),
        ("argocd", "version --client", "v3.6"),
        ("argocd", "app list --help", "Usage:"),
    ] {
        eventually("the tool is found", || {
            let told = call(
                "tools/call",
                json!({ "name": tool, "arguments": { "command": command } }),
            );
            told["isError"] != true
                && told["content"][0]["text"]
                    .as_str()
                    .is_some_and(|text| text.contains(shown))
        });
    }
    let denied = call(
        "tools/call",
        json!({ "name": "kubectl", "arguments": { "command": "delete pod web-0" } }),
    );
    assert_eq!(
        (
            denied["isError"].as_bool(),
            denied["_meta"]["kube-airlock"]["code"].as_str()
        ),
        (Some(true), Some("policy_denied")),
        "{denied}"
    );
    assert!(
        denied["content"][0]["text"]
            .as_str()
            .unwrap()
            .starts_with("error[policy_denied]: "),
        "{denied}"
    );
    let failed = call(
        "tools/call",
        json!({ "name": "kubectl", "arguments": { "command": "get pod nope" } }),
    );
    assert_eq!(
        (
            failed["isError"].as_bool(),
            failed["_meta"]["kube-airlock"]["exit_code"].as_i64()
        ),
        (Some(true), Some(1)),
        "{failed}"
    );
    let malformed = call(
        "tools/call",
        json!({ "name": "kubectl", "arguments": { "comand": "get pods" } }),
    );
    assert_eq!(malformed["isError"].as_bool(), Some(true), "{malformed}");
}

#[test]
fn the_initialize_era_works_with_a_session() {
    let server = Server::start();
    let kubeconfig = base64_of(&cluster().view);
    let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } } });
    let (head, reply) = post(&server, &[], &hello);
    assert_eq!(
        reply["result"]["serverInfo"]["name"], "kube-airlock",
        "{head}"
    );
    let session = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("mcp-session-id: ")
                .map(str::to_owned)
        })
        .unwrap();
    let headers = [
        ("Mcp-Session-Id", session.as_str()),
        ("X-Kubeconfig", kubeconfig.as_str()),
    ];
    post(
        &server,
        &headers,
        &json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
    );
    let call = |headers: &[(&str, &str)], method: &str, params: Value| {
        post(
            &server,
            headers,
            &json!({ "jsonrpc": "2.0", "id": 2, "method": method, "params": params }),
        )
        .1["result"]
            .clone()
    };
    check_calls(|method, params| call(&headers, method, params));
    // Releases are in Secrets, which the viewer may not read.
    let admin = base64_of(&cluster().admin);
    let headers = [
        ("Mcp-Session-Id", session.as_str()),
        ("X-Kubeconfig", admin.as_str()),
    ];
    let releases = call(
        &headers,
        "tools/call",
        json!({ "name": "helm", "arguments": { "command": "list -A" } }),
    );
    assert!(
        releases["isError"] != true
            && releases["content"][0]["text"]
                .as_str()
                .unwrap()
                .contains("NAMESPACE"),
        "{releases}"
    );
}

#[test]
fn the_2026_era_works_without_one() {
    let server = Server::start();
    let kubeconfig = base64_of(&cluster().view);
    check_calls(|method, params| ask(&server, method, params, &[("X-Kubeconfig", &kubeconfig)]));
}

#[test]
fn stdio_serves_one_client_with_its_own_kubeconfig() {
    let mut child = Command::new(program())
        .args(["stdio", "--tools-dir"])
        .arg(tools())
        .args(["--egress-allow", &cluster().server.to_string()])
        .env_clear()
        .env("KUBECONFIG", &cluster().view)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (input, output) = (
        child.stdin.take().unwrap(),
        std::cell::RefCell::new(BufReader::new(child.stdout.take().unwrap())),
    );
    let input = std::cell::RefCell::new(input);
    let exchange = |message: Value, wants_answer: bool| {
        writeln!(input.borrow_mut(), "{message}").unwrap();
        if !wants_answer {
            return Value::Null;
        }
        let mut line = String::new();
        output.borrow_mut().read_line(&mut line).unwrap();
        serde_json::from_str::<Value>(&line).unwrap()["result"].clone()
    };
    exchange(
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } } }),
        true,
    );
    exchange(
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        false,
    );
    let call = |method: &str, params: Value| {
        exchange(
            json!({ "jsonrpc": "2.0", "id": 2, "method": method, "params": params }),
            true,
        )
    };
    // The first call comes before kubectl has been looked at, and waits for that.
    let first = call(
        "tools/call",
        json!({ "name": "kubectl", "arguments": { "command": "version --client" } }),
    );
    assert_ne!(first["isError"], true, "{first}");
    check_calls(call);
    drop(input);
    assert!(child.wait().unwrap().success());
}
