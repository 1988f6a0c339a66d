//! Filters behind a command: what agents write, and what comes back. Real kubectl, a real API
//! server, the real filters.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::harness::{Reply, Server, base64_of, cluster, eventually, public_tools, tools};

/// A server that has looked at its filters.
fn server(policy: Option<&str>) -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let file = folder.path().join("policy.toml");
    let allowed = cluster().server.to_string();
    let tools = tools();
    let mut flags = vec![
        "--tools-dir",
        tools.to_str().unwrap(),
        "--egress-allow",
        &allowed,
    ];
    if let Some(policy) = policy {
        fs::write(&file, policy).unwrap();
        flags.extend(["--policy", file.to_str().unwrap()]);
    }
    let server = Server::with(&flags, None);
    looked(&server);
    (folder, server)
}

pub fn looked(server: &Server) {
    eventually("the inventory has looked at the filters", || {
        let filters = server.get("/tools/status").json()["filters"].clone();
        filters
            .as_object()
            .unwrap()
            .values()
            .all(|filter| filter["state"] != "checking")
    });
}

fn run(server: &Server, command: &str) -> Reply {
    server.kubectl(command, &base64_of(&cluster().admin))
}

/// Name and exit status of each stage.
fn stages(body: &Value) -> Vec<(String, i64)> {
    let all = body["stages"]
        .as_array()
        .unwrap_or_else(|| panic!("{body}"));
    all.iter()
        .map(|stage| {
            (
                stage["program"].as_str().unwrap().to_owned(),
                stage["exit_code"].as_i64().unwrap(),
            )
        })
        .collect()
}

#[test]
fn the_filters_that_agents_write_do_what_they_do_in_a_shell() {
    let (_folder, server) = server(None);
    for (command, output) in [
        (
            "get namespaces -o name | grep -E '/default$'",
            "namespace/default\n",
        ),
        (
            "get namespaces -o name | fgrep -v kube | sort -r | tail -1 | tr a-z A-Z",
            "NAMESPACE/DEFAULT\n",
        ),
        (
            "get namespaces -o name | sed -n 's|.*/||p' | grep -x default | uniq -c | awk '{print $2, $1}'",
            "default 1\n",
        ),
        (
            "get namespaces -o name | cut -d/ -f2 | grep -x default | wc -l",
            "1\n",
        ),
        (
            "get namespaces --no-headers|awk '{print $1}'|grep -x default",
            "default\n",
        ),
        (
            "get namespace default -o json | jq -r '.metadata.name, .kind'",
            "default\nNamespace\n",
        ),
        (
            "get namespace default -o json | jq -c --arg x 1 '{name: .metadata.name, $x}'",
            "{\"name\":\"default\",\"x\":\"1\"}\n",
        ),
        (
            "get namespace default -o yaml | yq .metadata.name",
            "default\n",
        ),
        (
            "get namespace default -o json | yq -o=yaml -P '.status'",
            "phase: Active\n",
        ),
        (
            "get namespace default | column -t | head -1",
            "NAME     STATUS  AGE\n",
        ),
        (
            "get namespace default -o name | grep 'default|x' | head",
            "",
        ),
    ] {
        let body = run(&server, command).json();
        let last = i64::from(output.is_empty());
        let found = stages(&body);
        if output.is_empty() {
            assert_eq!(found[1], ("grep".into(), 1), "{command}: {body}");
            continue;
        }
        assert_eq!(
            (body["output"].as_str(), body["exit_code"].as_i64()),
            (Some(output), Some(last)),
            "{command}: {body}"
        );
        assert_eq!(body["success"], true, "{command}: {body}");
        assert!(
            found.iter().all(|(_, status)| *status == 0),
            "{command}: {body}"
        );
        assert_eq!(
            (found.len(), found[0].0.as_str()),
            (
                command.matches('|').count() + 1 - command.matches("s|.*/||p").count() * 3,
                "kubectl"
            ),
            "{command}"
        );
    }
    let alone = run(&server, "get namespaces").json();
    assert!(alone.get("stages").is_none(), "{alone}");
}

#[test]
fn the_last_status_is_the_calls_and_a_failed_tool_is_seen() {
    let (_folder, server) = server(None);
    let none = run(&server, "get namespaces -o name | grep nothing-like-it").json();
    assert_eq!(
        (none["success"].as_bool(), none["exit_code"].as_i64()),
        (Some(true), Some(1)),
        "{none}"
    );
    assert_eq!(stages(&none), [("kubectl".into(), 0), ("grep".into(), 1)]);
    let failed = run(&server, "get pod no-such-pod | head -5").json();
    assert_eq!(
        (failed["success"].as_bool(), failed["exit_code"].as_i64()),
        (Some(false), Some(0)),
        "{failed}"
    );
    assert_eq!(stages(&failed), [("kubectl".into(), 1), ("head".into(), 0)]);
    assert!(
        failed["error"].as_str().unwrap().contains("NotFound")
            && failed["stages"][0]["error"]
                .as_str()
                .unwrap()
                .contains("NotFound")
    );
    let broken = run(&server, "get namespaces | jq .").json();
    assert!(
        broken["stages"][1]["exit_code"] != 0 && !broken["stages"][1]["error"].is_null(),
        "{broken}"
    );
    assert!(broken["error"].as_str().unwrap().contains("jq"), "{broken}");

    let audit = fs::read_to_string(&server.audit).unwrap();
    let lines: Vec<Value> = audit
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |event: &str| {
        lines
            .iter()
            .find(|line| line["event"] == event && line["request_id"] == none["request_id"])
            .unwrap()
    };
    assert_eq!(
        of("decision")["filters"],
        json!([["grep", "-e", "nothing-like-it"]])
    );
    assert_eq!(
        of("end")["stages"],
        json!([{"program": "kubectl", "exit_code": 0}, {"program": "grep", "exit_code": 1}])
    );
}

const FOLLOWING: &str = r#"schema = 1
[[rule]]
id = "follow"
effect = "allow"
reason = "this test follows, and reads secrets"
tool = "kubectl"
verbs = ["get"]
resources = ["pods", "secrets"]
flags = ["--watch", "--all-namespaces"]
values = { "--output" = ["name", "json", "yaml"] }
namespaces = ["*"]
timeout = "25s"
"#;

#[test]
fn a_filter_that_has_enough_ends_the_tool_and_that_is_no_error() {
    let (_folder, server) = server(Some(FOLLOWING));
    let started = Instant::now();
    let body = run(&server, "get pods -A -w -o name | head -1").json();
    assert_eq!(
        (
            body["success"].as_bool(),
            body["exit_code"].as_i64(),
            body["code"].as_str()
        ),
        (Some(true), Some(0), None),
        "{body}"
    );
    assert!(
        body["output"].as_str().unwrap().starts_with("pod/"),
        "{body}"
    );
    assert!(
        started.elapsed() < Duration::from_secs(15),
        "{:?}",
        started.elapsed()
    );
    let body = run(&server, "get pods -A -o json | head -1").json();
    assert_eq!(
        (body["success"].as_bool(), body["output"].as_str()),
        (Some(true), Some("{\n")),
        "{body}"
    );
    eventually("no child is left", || server.children().is_empty());
}

#[test]
fn secrets_are_taken_out_before_the_first_filter_sees_them() {
    let (_folder, server) = server(Some(FOLLOWING));
    let all = run(
        &server,
        "get secrets -A -o json | jq -r '.items[].metadata.name'",
    )
    .json();
    assert!(
        all["output"].as_str().unwrap().contains("db-password"),
        "{all}"
    );
    // What the seeds put there, in base64: behind these it would look like nothing that a redactor
    // knows.
    let shifted = |text: &str| -> String {
        let shift = |letter: char| {
            if letter.is_ascii_lowercase() {
                char::from((letter as u8 - b'a' + 1) % 26 + b'a')
            } else {
                letter
            }
        };
        text.chars().map(shift).collect()
    };
    for canary in ["airlock-demo-secret", "YWlybG9jay1kZW1v"] {
        for (filter, seen) in [
            ("tr a-z b-za", shifted(canary)),
            ("cut -c3-", canary.to_owned()),
            (
                "sed 's/./& /g'",
                canary.chars().map(|letter| format!("{letter} ")).collect(),
            ),
            ("jq -r '.items[].data // {} | .[]'", canary.to_owned()),
            (
                "jq -r '[.items[].data // {} | .[] | explode | map(. + 1) | implode]'",
                canary
                    .chars()
                    .map(|letter| char::from(letter as u8 + 1))
                    .collect(),
            ),
            (
                "awk '{gsub(/a/, \"a_\"); print}'",
                canary.replace('a', "a_"),
            ),
        ] {
            let body = run(&server, &format!("get secrets -A -o json | {filter}")).json();
            assert_eq!(body["success"], true, "{filter}: {body}");
            assert!(
                !body["output"].as_str().unwrap().contains(&seen),
                "{filter}: {body}"
            );
        }
    }
    let kept = run(&server, "get secrets -A -o json | grep -c REDACTED").json();
    assert!(
        kept["output"]
            .as_str()
            .unwrap()
            .trim()
            .parse::<u32>()
            .unwrap()
            > 0,
        "{kept}"
    );
}

#[test]
fn a_filter_that_never_ends_is_ended_with_its_call() {
    let (_folder, server) = server(None);
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Kubeconfig", &base64_of(&cluster().view)),
    ];
    for filter in [
        "awk 'BEGIN { while (1); }'",
        "sort | awk 'BEGIN { while (1) x = x }' | head",
        "jq -n 'def f: f; f'",
    ] {
        let started = Instant::now();
        let body =
            json!({ "command": format!("get namespaces | {filter}"), "timeout": "1s" }).to_string();
        let reply = server.send("POST", "/tools/kubectl", &headers, body.as_bytes());
        assert_eq!(
            (reply.status, reply.text("code").as_str()),
            (504, "timeout"),
            "{filter}: {}",
            reply.json()
        );
        assert!(
            started.elapsed() < Duration::from_secs(8),
            "{filter}: {:?}",
            started.elapsed()
        );
        eventually("no child is left", || server.children().is_empty());
    }
    assert_eq!(
        run(&server, "get namespaces | wc -l").json()["success"],
        true
    );
}

#[test]
fn a_filter_that_is_not_there_is_told_with_what_the_operator_does() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    fs::create_dir(folder.path().join("filters")).unwrap();
    fs::copy(
        public_tools().join("kubectl"),
        folder.path().join("kubectl"),
    )
    .unwrap();
    let yq = folder.path().join("filters/yq");
    fs::copy(public_tools().join("filters/yq"), &yq).unwrap();
    fs::set_permissions(&yq, PermissionsExt::from_mode(0o777)).unwrap();
    let server = Server::with(&["--tools-dir", folder.path().to_str().unwrap()], None);
    looked(&server);
    for (command, reason, hint) in [
        (
            "version --client | grep x",
            "`grep` is not installed",
            "tools/build busybox",
        ),
        (
            "version --client | jq .",
            "`jq` is not installed",
            "tools/build gojq",
        ),
        (
            "version --client -o json | yq .",
            "everybody may change it",
            "/tools/status",
        ),
    ] {
        let reply = server.kubectl(command, "");
        assert_eq!(
            (reply.status, reply.text("code").as_str()),
            (503, "tool_unavailable"),
            "{command}: {}",
            reply.json()
        );
        assert!(
            reply.text("reason").contains(reason) && reply.text("hint").contains(hint),
            "{command}: {}",
            reply.json()
        );
    }
    assert_eq!(
        server.kubectl("version --client", "").json()["success"],
        true
    );
    // A filter that is built later is found without a restart.
    fs::copy(
        public_tools().join("filters/busybox"),
        folder.path().join("filters/busybox"),
    )
    .unwrap();
    eventually("it is found", || {
        server.kubectl("version --client | head -1", "").status == 200
    });
}
