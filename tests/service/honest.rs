//! Answers that say what they are: what was added, what is missing, what an end means. The real
//! kubectl, a real API server, 1,200 pods and a log of 2,000 lines, over REST, MCP and streams.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    sync::OnceLock,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    harness::{Cluster, Server, base64_of, eventually, tools},
    mcp::KUBECTL_CALL,
};

const PODS: usize = 1200;

/// A cluster of these tests alone: they fill it, and write its log.
fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let cluster = Cluster::start(&[]);
        let lines: String = (1..=2000)
            .map(|number| {
                let error = if [10, 20, 30].contains(&number) {
                    " ERROR"
                } else {
                    ""
                };
                format!("2026-01-01T00:00:00.000000000Z stdout F line {number}{error}\n")
            })
            .collect();
        fs::write(cluster.pod_log(), lines).unwrap();
        cluster
    })
}

/// The same with many pods, each of which is 2.7 KB of YAML.
fn full_cluster() -> &'static Cluster {
    static FULL: OnceLock<()> = OnceLock::new();
    let cluster = cluster();
    FULL.get_or_init(|| {
        let pod = |number: usize| {
            let variables: Vec<Value> = (0..16)
                .map(|variable| json!({"name": format!("VARIABLE_{variable}"), "value": format!("the value of {variable}")}))
                .collect();
            let container = json!({"name": "app", "image": "demo/big:1.0.0", "env": variables,
                "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}}});
            json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [container], "nodeSelector": {"no": "where"}},
                "metadata": {"name": format!("big-{number}"), "namespace": "big", "labels": {"app": "big"}}})
        };
        assert!(cluster.as_admin(&["create", "namespace", "big"], ""));
        std::thread::scope(|scope| {
            for part in 0..4 {
                let pods: String = (0..PODS).skip(part).step_by(4).map(|number| pod(number).to_string()).collect();
                scope.spawn(move || assert!(cluster.as_admin(&["create", "-f", "-"], &pods)));
            }
        });
    });
    cluster
}

/// A server with this policy and these settings.
fn server(cluster: &Cluster, policy: &str, settings: &str) -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let file = folder.path().join("airlock.toml");
    fs::write(&file, settings).unwrap();
    let (tools, allowed) = (tools(), cluster.server.to_string());
    let flags = [
        "--tools-dir",
        tools.to_str().unwrap(),
        "--egress-allow",
        &allowed,
        "--policy",
        policy,
        "--config",
        file.to_str().unwrap(),
    ];
    let server = Server::with(&flags, None);
    eventually("the inventory has looked at the filters", || {
        let filters = server.get("/tools/status").json()["filters"].clone();
        let mut filters = filters.as_object().unwrap().values();
        filters.all(|filter| filter["state"] != "checking")
    });
    (folder, server)
}

/// The answer over REST, after its status.
fn asked(server: &Server, request: &Value) -> (u16, Value) {
    let kubeconfig = base64_of(&cluster().admin);
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Kubeconfig", &*kubeconfig),
    ];
    let reply = server.send(
        "POST",
        "/tools/kubectl",
        &headers,
        request.to_string().as_bytes(),
    );
    (reply.status, reply.json())
}

fn run(server: &Server, command: &str) -> Value {
    asked(server, &json!({"command": command, "timeout": "100s"})).1
}

/// What a model reads of the same call, and whether it is told that it failed.
fn read_by_a_model(server: &Server, command: &str) -> (String, bool) {
    let kubeconfig = base64_of(&cluster().admin);
    let mut headers = KUBECTL_CALL.to_vec();
    headers.push(("X-Kubeconfig", &kubeconfig));
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"}, "io.modelcontextprotocol/clientCapabilities": {}});
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"_meta": meta, "name": "kubectl", "arguments": {"command": command}}});
    let reply = server
        .send("POST", "/mcp", &headers, call.to_string().as_bytes())
        .json();
    let result = &reply["result"];
    let text = result["content"][0]["text"]
        .as_str()
        .unwrap_or_else(|| panic!("{reply}"));
    (text.to_owned(), result["isError"] == true)
}

/// The last event of a stream.
fn streamed(server: &Server, command: &str) -> Value {
    let kubeconfig = base64_of(&cluster().admin);
    let headers = [
        ("Content-Type", "application/json"),
        ("Accept", "application/x-ndjson"),
        ("X-Kubeconfig", &*kubeconfig),
    ];
    let body = json!({"command": command, "timeout": "60s"}).to_string();
    let reply = server.send("POST", "/tools/kubectl", &headers, body.as_bytes());
    let text = String::from_utf8(reply.body).unwrap();
    serde_json::from_str(text.lines().next_back().unwrap()).unwrap()
}

#[test]
fn a_log_that_may_be_incomplete_says_so_and_a_filter_reads_all_of_it() {
    let (_folder, server) = server(cluster(), "builtin:read-only", "");
    for (command, output) in [
        ("logs web-0 | grep -c ERROR", "3\n"),
        ("logs web-0 | head -2", "line 1\nline 2\n"),
        ("logs web-0 | wc -l", "2000\n"),
        ("logs -l app=web | grep -c ERROR", "3\n"),
    ] {
        let body = run(&server, command);
        assert_eq!(
            (body["output"].as_str(), body["success"].as_bool()),
            (Some(output), Some(true)),
            "{command}: {body}"
        );
        let notes = body.get("notes");
        assert!(notes.is_none(), "{command}: {body}");
    }
    let note = "[added --tail=500: older lines may be left out; --tail=5000, --since=1h or a filter behind it shows more]";
    let body = run(&server, "logs web-0");
    let output = body["output"].as_str().unwrap();
    assert!(
        output.starts_with("line 1501\n") && output.ends_with(&format!("line 2000\n{note}\n")),
        "{body}"
    );
    assert_eq!(
        (&body["added"], &body["notes"][0]),
        (
            &json!(["--tail=500"]),
            &json!(note.trim_matches(['[', ']']))
        )
    );
    let (text, failed) = read_by_a_model(&server, "logs web-0");
    assert!(
        !failed && text.trim_end().ends_with(note) && text.matches("added").count() == 1,
        "{text}"
    );
    let end = streamed(&server, "logs web-0");
    assert_eq!(
        (
            &end["added"],
            end["notes"][0].as_str().unwrap().contains("older lines")
        ),
        (&json!(["--tail=500"]), true),
        "{end}"
    );
    // What the caller asks for is what it gets, and a log that is all there is said to be nothing else.
    for command in ["logs web-0 --tail=500", "logs web-0 --tail=-1 | tail -1"] {
        let body = run(&server, command);
        assert!(
            body.get("added").is_none() && body.get("notes").is_none(),
            "{body}"
        );
        assert!(
            body["output"].as_str().unwrap().ends_with("line 2000\n"),
            "{body}"
        );
    }
}

#[test]
fn what_the_server_adds_is_in_the_answer_over_every_door() {
    let (_folder, server) = server(cluster(), "builtin:standard", "");
    for (command, added, means) in [
        (
            "rollout status statefulset/web",
            "--watch=false",
            "one look",
        ),
        ("logs web-0", "--tail=500", "older lines"),
        ("logs -l app=web", "--tail=200", "older lines"),
    ] {
        for body in [run(&server, command), streamed(&server, command)] {
            assert_eq!(body["added"], json!([added]), "{command}: {body}");
            assert!(
                body["notes"][0].as_str().unwrap().contains(means),
                "{command}: {body}"
            );
        }
        let (text, _) = read_by_a_model(&server, command);
        let last = text.trim_end().lines().next_back().unwrap();
        assert!(
            last.contains(added) && last.contains(means),
            "{command}: {text}"
        );
    }
    let (text, _) = read_by_a_model(&server, "get namespaces -o name");
    assert!(!text.contains('['), "nothing to say costs nothing: {text}");
}

#[test]
fn json_and_yaml_over_the_cap_come_as_whole_items_and_say_what_is_left_out() {
    let (_folder, server) = server(full_cluster(), "builtin:read-only", "");
    let body = run(&server, "get pods -n big -o json");
    let list: Value = serde_json::from_str(body["output"].as_str().unwrap()).unwrap();
    let told = list["items"].as_array().unwrap().len();
    assert!(told > 5 && list["kind"] == "List", "{told}");
    let left_out = &body["left_out"];
    assert_eq!(
        (
            body["success"].as_bool(),
            body["truncated"].as_bool(),
            &left_out["items"],
            &left_out["of_items"]
        ),
        (Some(true), Some(true), &json!(PODS - told), &json!(PODS)),
        "{left_out}"
    );
    assert!(
        left_out["of_bytes"].as_u64() > Some(1_000_000)
            && left_out["of_lines"].as_u64() > Some(10_000),
        "{left_out}"
    );
    let (text, _) = read_by_a_model(&server, "get pods -n big -o yaml");
    let note = text.lines().next_back().unwrap();
    assert!(
        note.contains(&format!("of {PODS} items left out")),
        "{note}"
    );
    assert!(
        text.contains("\nkind: List\n") && !text.contains("[..."),
        "a whole list"
    );

    // More or less is given to whoever asks, and compact if so.
    let of = |request: Value| asked(&server, &request);
    let size = |body: &Value| body["output"].as_str().unwrap().len();
    let (_, more) =
        of(json!({"command": "get pods -n big -o json", "max_output": 300_000, "timeout": "60s"}));
    assert!(
        size(&more) > 250_000 && size(&more) <= 300_000,
        "{}",
        size(&more)
    );
    let (_, less) =
        of(json!({"command": "get pods -n big", "max_output": 2_000, "timeout": "60s"}));
    let lines = &less["left_out"];
    assert!(
        size(&less) < 2_500 && lines["of_lines"] == json!(PODS + 1),
        "{less}"
    );
    assert!(
        less["output"]
            .as_str()
            .unwrap()
            .contains(&format!("of {} lines left out", PODS + 1)),
        "{less}"
    );
    let (_, most) = of(json!({"command": "get namespaces", "max_output": 1_u64 << 40}));
    assert_eq!(
        most["notes"],
        json!([format!("max_output {} instead of {}", 1 << 20, 1_u64 << 40)]),
        "{most}"
    );
    let (status, none) = of(json!({"command": "get namespaces", "max_output": 0}));
    assert_eq!(
        (status, none["code"].as_str()),
        (400, Some("invalid_request")),
        "{none}"
    );
    let (_, compact) =
        of(json!({"command": "get pods -n big -o json", "compact": true, "timeout": "60s"}));
    let list: Value = serde_json::from_str(compact["output"].as_str().unwrap()).unwrap();
    assert!(
        list["items"].as_array().unwrap().len() > told * 3 / 2,
        "half of JSON is its indentation"
    );
    let (_, table) = of(json!({"command": "get pods -n default", "compact": true}));
    assert!(
        table["output"]
            .as_str()
            .unwrap()
            .starts_with("NAME\tREADY\tSTATUS\t"),
        "{table}"
    );
    // A stream has all of it.
    let end = streamed(&server, "get pods -n big -o json");
    assert_eq!(
        (end["truncated"].as_bool(), end.get("left_out")),
        (Some(false), None),
        "{end}"
    );
}

#[test]
fn half_of_one_document_is_no_success() {
    let (_folder, server) = server(cluster(), "builtin:read-only", "");
    for command in [
        "get pod web-0 -o json",
        "get pod web-0 -o yaml",
        "get pod web-0 -o json | jq .spec",
    ] {
        let (status, body) = asked(&server, &json!({"command": command, "max_output": 300}));
        assert_eq!(
            (status, body["success"].as_bool(), body["code"].as_str()),
            (422, Some(false), Some("too_much_output")),
            "{command}: {body}"
        );
        assert!(
            body["hint"].as_str().unwrap().contains("max_output"),
            "{body}"
        );
    }
}

#[test]
fn a_filter_that_finds_nothing_is_an_empty_answer() {
    let (_folder, server) = server(cluster(), "builtin:read-only", "");
    for command in [
        "get pods -A | grep CrashLoopBackOff",
        "get pods -A | grep -v '' | egrep x",
    ] {
        let body = run(&server, command);
        assert_eq!(
            (
                body["success"].as_bool(),
                body["output"].as_str(),
                &body["notes"],
                body.get("error")
            ),
            (
                Some(true),
                Some(""),
                &json!(["no line matched"]),
                Some(&Value::Null)
            ),
            "{command}: {body}"
        );
        assert_eq!(
            read_by_a_model(&server, command),
            ("[no line matched]".to_owned(), false)
        );
        assert_eq!(streamed(&server, command)["success"], true);
    }
    // What failed is no answer, whoever looks for something in it.
    for command in [
        "get pod no-such-pod | grep x",
        "get pods -A -o json | jq '.items[' | grep x",
        "get pods -A | jq . | grep x",
        "get pods -A | jq . | head -1",
    ] {
        let body = run(&server, command);
        assert_eq!(body["success"], false, "{command}: {body}");
        assert!(body.get("notes").is_none(), "{command}: {body}");
    }
}

#[test]
fn what_follows_ends_well_at_its_bound() {
    let (_folder, server) = server(cluster(), "builtin:standard", "");
    for command in [
        "logs -f web-0",
        "get pods -w",
        "logs -f web-0 | grep --line-buffered nothing-like-it",
    ] {
        let began = Instant::now();
        let (status, body) = asked(&server, &json!({"command": command, "timeout": "3s"}));
        assert_eq!(
            (
                status,
                body["success"].as_bool(),
                body["exit_code"].as_i64(),
                body.get("code")
            ),
            (200, Some(true), Some(0), None),
            "{command}: {body}"
        );
        let notes = body["notes"].to_string();
        assert!(notes.contains("ended after 3s"), "{command}: {body}");
        assert!(began.elapsed() < Duration::from_secs(10));
    }
    let (status, body) = asked(
        &server,
        &json!({"command": "wait pod/web-0 --for=delete --timeout=30s", "timeout": "1s"}),
    );
    assert_eq!(
        (status, body["code"].as_str()),
        (504, Some("timeout")),
        "{body}"
    );
}

#[test]
fn twelve_hundred_pods_pass_in_yaml_and_through_filters() {
    let (_folder, server) = server(
        full_cluster(),
        "builtin:read-only",
        "[limits]\nlongest_timeout = \"2m\"\n",
    );
    for (command, output) in [
        (
            "get pods -n big -o yaml | head -1",
            "apiVersion: v1\n".to_owned(),
        ),
        (
            "get pods -n big -o yaml | grep -c 'image: demo/big'",
            format!("{PODS}\n"),
        ),
        (
            "get pods -n big -o json | jq '.items|length'",
            format!("{PODS}\n"),
        ),
        ("get pods -n big --no-headers | wc -l", format!("{PODS}\n")),
        (
            "get pods -n big -o name | sort | tail -1",
            "pod/big-999\n".to_owned(),
        ),
    ] {
        let began = Instant::now();
        let body = run(&server, command);
        println!("{command}: {:?}", began.elapsed());
        assert_eq!(
            (body["success"].as_bool(), body["output"].as_str()),
            (Some(true), Some(&*output)),
            "{command}: {body}"
        );
    }
}

#[test]
fn a_tool_without_enough_memory_says_so_and_shows_no_stack() {
    let (_folder, server) = server(
        full_cluster(),
        "builtin:read-only",
        "[limits]\nmemory = \"256MiB\"\n",
    );
    for command in [
        "get pods -n big -o yaml",
        "get pods -n big -o yaml | tail -1",
        "get pods -n big -o yaml | grep -c image:",
    ] {
        let (status, body) = asked(&server, &json!({"command": command, "timeout": "100s"}));
        assert_eq!(
            (status, body["success"].as_bool(), body["code"].as_str()),
            (422, Some(false), Some("out_of_memory")),
            "{command}: {body}"
        );
        assert!(
            body["reason"]
                .as_str()
                .unwrap()
                .contains("kubectl needed more than its"),
            "{body}"
        );
        assert!(
            body.to_string().len() < 4096 && !body.to_string().contains("goroutine"),
            "{body}"
        );
        let (text, failed) = read_by_a_model(&server, command);
        assert!(
            failed && text.contains("out_of_memory") && text.contains("try:") && text.len() < 2048,
            "{text}"
        );
    }
}
