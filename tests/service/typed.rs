//! What people and models really type, over the doors: what passes, what is told of it, and what leads on.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::harness::{Server, base64_of, cluster};
use crate::{mcp::call_tool, pipes::looked};

/// Two contexts, one of them the current one; nothing is reached.
fn two_contexts() -> String {
    let user = json!({"token": "airlock-test-token-of-typed"});
    let text = json!({
        "current-context": "one",
        "clusters": [
            {"name": "a", "cluster": {"server": "https://a.example.com:6443"}},
            {"name": "b", "cluster": {"server": "https://b.example.com"}},
        ],
        "users": [{"name": "someone", "user": user}],
        "contexts": [
            {"name": "one", "context": {"cluster": "a", "user": "someone", "namespace": "web"}},
            {"name": "two", "context": {"cluster": "b", "user": "someone"}},
        ],
    });
    BASE64_STANDARD.encode(text.to_string())
}

/// One call over REST, with further fields.
pub fn rest(server: &Server, command: &str, fields: &Value) -> Value {
    let mut body = json!({ "command": command });
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    let headers = [("Content-Type", "application/json")];
    let body = body.to_string();
    server
        .send("POST", "/tools/kubectl", &headers, body.as_bytes())
        .json()
}

/// The same over MCP, read out of the text that a model reads and what is beside it.
pub fn mcp(server: &Server, command: &str, fields: &Value) -> Value {
    let mut arguments = json!({ "command": command });
    arguments
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    let result = call_tool(server, "kubectl", &arguments, &[]);
    let mut answer = result["_meta"]["kube-airlock"].clone();
    let text = result["content"][0]["text"].as_str().unwrap();
    let (output, words) = match answer["untrusted"].as_str() {
        None => ("", text),
        Some(fence) => {
            let inside = text.strip_prefix(&format!("<{fence}>\n")).unwrap();
            inside.split_once(&format!("</{fence}>")).unwrap()
        }
    };
    answer["output"] = output.into();
    let error = words
        .split_once("error[")
        .and_then(|(_, told)| told.split_once("]: "));
    if let Some((_, reason)) = error {
        answer["reason"] = reason.lines().next().unwrap().into();
    }
    if let Some((_, hint)) = words.split_once("  try:  ") {
        answer["hint"] = hint.lines().next().unwrap().into();
    }
    answer
}

#[test]
fn the_names_in_a_kubeconfig_are_told_over_every_door_and_nothing_else_of_it() {
    let server = Server::start();
    looked(&server);
    let fields = json!({ "kubeconfig": two_contexts() });
    for ask in [rest, mcp] {
        for (command, shown) in [
            ("config current-context", "one"),
            ("config get-contexts -o name", "two"),
            ("config get-contexts", "web"),
            ("config get-clusters", "b"),
            ("config view", "https://b.example.com"),
            ("config view --minify -o jsonpath='{..namespace}'", "web"),
            ("config get-contexts | grep -c two", "1"),
        ] {
            let answer = ask(&server, command, &fields);
            let output = answer["output"].as_str().unwrap_or_default();
            assert!(
                answer["success"] == true && output.contains(shown),
                "{command}: {answer}"
            );
            let whole = answer.to_string();
            for hidden in ["airlock-test-token", "someone"] {
                assert!(!whole.contains(hidden), "{command}: {answer}");
            }
        }
        let chosen = json!({ "kubeconfig": two_contexts(), "context": "two" });
        let answer = ask(&server, "config current-context", &chosen);
        assert_eq!(answer["output"], "two\n", "{answer}");
        for (command, code) in [
            ("config view --raw", "policy_denied"),
            ("config view --flatten", "policy_denied"),
            ("config use-context two", "policy_denied"),
        ] {
            assert_eq!(ask(&server, command, &fields)["code"], code, "{command}");
        }
        let refused = ask(&server, "config use-context two", &fields);
        let hint = refused["hint"].as_str().unwrap();
        assert!(
            hint.contains("`config get-contexts`") && hint.contains("`context`"),
            "{hint}"
        );
    }
    assert_eq!(
        rest(&server, "config view", &json!({}))["code"],
        "invalid_kubeconfig",
        "without a kubeconfig there is nothing to tell"
    );
}

#[test]
fn an_unknown_context_is_answered_with_those_that_there_are() {
    let server = Server::start();
    let fields = json!({ "kubeconfig": two_contexts(), "context": "prod" });
    for ask in [rest, mcp] {
        for command in ["get pods", "config current-context"] {
            let answer = ask(&server, command, &fields);
            assert_eq!(answer["code"], "invalid_kubeconfig", "{answer}");
            assert_eq!(
                answer["hint"], "contexts of this kubeconfig: `one`, `two`",
                "{command}"
            );
        }
    }
}

#[test]
fn a_path_of_the_api_is_judged_as_the_request_that_it_is() {
    let server = Server::start();
    looked(&server);
    let kubeconfig = json!({ "kubeconfig": base64_of(&cluster().admin) });
    for (command, shown) in [
        ("get --raw /readyz", "ok"),
        ("get --raw '/livez?verbose'", "livez check passed"),
        ("get --raw=/version | jq -r .major", "1"),
        ("get --raw /apis/apps/v1 | jq -r .kind", "APIResourceList"),
        (
            "get --raw /api/v1/namespaces/default/pods/web-0 | jq -r .metadata.name",
            "web-0",
        ),
        (
            "get --raw /apis/apps/v1/statefulsets | jq -r '.items[].metadata.name'",
            "web",
        ),
    ] {
        let answer = rest(&server, command, &kubeconfig);
        let output = answer["output"].as_str().unwrap_or_default();
        assert!(
            answer["success"] == true && output.contains(shown),
            "{command}: {answer}"
        );
    }
    // Whose answer has another form says what ran.
    let answer = rest(
        &server,
        "get --raw /api/v1/namespaces/default/pods",
        &kubeconfig,
    );
    let ran = &answer["changed"][0]["ran"];
    assert_eq!(
        ran, "kubectl get pods --namespace=default --output=json",
        "{answer}"
    );
    for (command, code) in [
        ("get --raw /metrics", "policy_denied"),
        ("get --raw /debug/pprof/heap", "policy_denied"),
        (
            "get --raw /api/v1/namespaces/default/secrets",
            "policy_denied",
        ),
        (
            "get --raw /api/v1/watch/namespaces/default/secrets",
            "invalid_command",
        ),
        (
            "get --raw /api/v1/namespaces/default%2fsecrets",
            "invalid_command",
        ),
        (
            "get --raw '/api/v1/namespaces/default/pods?watch=1'",
            "invalid_command",
        ),
        (
            "delete --raw /api/v1/namespaces/default/pods/web-0",
            "policy_denied",
        ),
        (
            "delete --raw /api/v1/namespaces/default/pods",
            "invalid_command",
        ),
    ] {
        let answer = rest(&server, command, &kubeconfig);
        assert_eq!(answer["code"], code, "{command}: {answer}");
    }
}

#[test]
fn lines_as_agents_write_them_run() {
    let server = Server::start();
    looked(&server);
    let kubeconfig = json!({ "kubeconfig": base64_of(&cluster().view) });
    for (command, shown) in [
        ("kubectl get pods -A 2>&1", "web-0"),
        ("kubectl get pods -A 2>&1 | grep -c web-0", "1"),
        (
            "kubectl get pods -A 2>/dev/null | head -3 | cat",
            "NAMESPACE",
        ),
        ("kubectl get pods \\\n  -A \\\n  -o name", "pod/web-0"),
        (
            "get pods -A -o json | jq -r '.items[]\n  | .metadata.name' | less",
            "web-0",
        ),
        ("get all", "statefulset.apps/web"),
        ("get pods -A | grep -oP 'web-\\d+' | sort -u", "web-0"),
        (
            "top pods -A --use-protocol-buffers | sort -rhk4 | head -2",
            "m",
        ),
        ("wait --for=condition=Ready pod/web-0", "condition met"),
        (
            "wait --for=condition=Ready pod/web-0 --timeout=5m",
            "condition met",
        ),
        ("get pods -A --request-timeout=2m", "web-0"),
    ] {
        let answer = rest(&server, command, &kubeconfig);
        let output = answer["output"].as_str().unwrap_or_default();
        assert!(
            answer["success"] == true && output.contains(shown),
            "{command}: {answer}"
        );
    }
}

#[test]
fn a_field_of_another_type_is_named_over_every_door() {
    let server = Server::start();
    for (fields, reason) in [
        (
            json!({ "command": ["get", "pods"] }),
            "`command` is one text, and not a list of words",
        ),
        (
            json!({ "command": "get pods", "reason": "why" }),
            "unknown field `reason`; it takes one of `command`, `namespace`,",
        ),
        (
            json!({ "command": "get pods", "timeout": true }),
            "`timeout` is a number of seconds, or a text like `1m30s`",
        ),
    ] {
        for ask in [rest, mcp] {
            let answer = ask(&server, "", &fields);
            assert_eq!(answer["code"], "invalid_request", "{answer}");
            let told = answer["reason"].as_str().unwrap();
            assert!(told.contains(reason), "{told}");
        }
    }
}

#[test]
fn what_is_no_message_of_mcp_is_answered_as_json_rpc_does() {
    let server = Server::start();
    let headers = [
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
    ];
    for (body, code) in [
        (&b"{\"jsonrpc\": \"2.0\","[..], -32700),
        (b"\xff\xfe", -32700),
        (b"[]", -32600),
        (
            b"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]",
            -32600,
        ),
        (b"1", -32600),
    ] {
        let reply = server.send("POST", "/mcp", &headers, body);
        assert_eq!(
            (reply.status, &reply.json()["error"]["code"]),
            (400, &json!(code)),
            "{body:?}"
        );
    }
}

#[test]
fn a_command_that_waits_has_the_time_that_it_says() {
    let (_folder, server) = Server::with_settings("[limits]\ntimeout = \"2s\"\n");
    let kubeconfig = json!({ "kubeconfig": base64_of(&cluster().view) });
    let command = "wait pod/web-0 --for=delete --timeout=4s";
    let waited = rest(&server, command, &kubeconfig);
    assert_eq!(waited["exit_code"], 1, "{waited}");
    let error = waited["error"].as_str().unwrap();
    assert!(error.contains("timed out waiting"), "{waited}");
    // Who names a deadline gets it.
    let short = json!({ "kubeconfig": base64_of(&cluster().view), "timeout": "1s" });
    let ended = rest(&server, command, &short);
    assert_eq!(ended["code"], "timeout", "{ended}");
}
