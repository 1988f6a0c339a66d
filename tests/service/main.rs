//! Does a call come back, over every door, and does nothing stay behind?

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics fails"
)]
#![allow(clippy::disallowed_methods, reason = "tests start processes")]

mod abandoned;
mod argocd;
mod audit;
mod budgets;
mod callers;
mod charts;
mod compat;
mod custom;
mod data;
mod discovery;
mod doors;
mod egress;
mod explain;
mod fairness;
mod faults;
mod fixtures;
#[path = "../harness/mod.rs"]
mod harness;
mod headers;
mod honest;
mod istio;
mod joined;
mod kept;
mod lies;
mod manifest_lies;
mod manifests;
mod mcp;
mod monitor;
mod object_lies;
mod own;
mod pipes;
mod preview;
mod preview_commands;
mod preview_lies;
mod preview_shown;
mod prompts;
mod redaction;
mod resources;
mod secrets;
mod siege;
mod soak;
mod strangers;
mod streaming;
mod tokens;
mod typed;
mod warm;
mod wire;

use std::{
    fs,
    io::Write,
    net::TcpListener,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use harness::{Server, base64_of, cluster, descendants, eventually, held, kubeconfig_of, tools};

#[test]
fn an_agents_questions_come_back_with_what_the_cluster_says() {
    let server = Server::start();
    let kubeconfig = base64_of(&cluster().view);
    for (command, expected) in [
        ("get pods -A", "web-0"),
        (
            "kubectl get po web-0 -o jsonpath='{.metadata.name}'",
            "web-0",
        ),
        ("-n web get deploy", "web"),
        ("describe pod web-0", "Node:"),
        ("logs web-0 --tail=2", "GET"),
        ("top pod -A", "CPU"),
        ("top node", "node1"),
        ("rollout status statefulset/web --watch=false", ""),
        ("rollout history deploy/worker", "REVISION"),
        ("get cm app-config -o yaml", "app-config"),
        ("events", ""),
        ("auth can-i get pods", "yes"),
        ("version", "Server Version"),
        ("api-resources", "deployments"),
        ("explain pod.spec --recursive --max-depth=2", "containers"),
        ("get --help", "Display one or many resources"),
    ] {
        let reply = server.kubectl(command, &kubeconfig);
        assert_eq!(
            (reply.status, reply.json()["success"].as_bool()),
            (200, Some(true)),
            "{command}: {}",
            reply.json()
        );
        assert!(
            reply.text("output").contains(expected),
            "{command}: {}",
            reply.text("output")
        );
    }
    let missing = server.kubectl("get pod no-such-pod", &kubeconfig).json();
    assert_eq!(
        (
            missing["success"].as_bool(),
            missing["exit_code"].as_i64(),
            missing["code"].as_str()
        ),
        (Some(false), Some(1), None)
    );
    assert!(
        missing["error"].as_str().unwrap().contains("NotFound"),
        "{missing}"
    );
    assert!(server.stop().success());
}

#[test]
fn a_refusal_has_its_code_status_reason_and_a_way_out() {
    let server = Server::start();
    let good = base64_of(&cluster().view);
    let exec = base64_of(
        concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/corpus/kubeconfig/bad-exec-plugin-relative.yaml"
        )
        .as_ref(),
    );
    let metadata = kubeconfig_of("https://169.254.169.254");
    let loopback = kubeconfig_of("https://127.0.0.1:1");
    for (command, kubeconfig, status, code, hint) in [
        (
            "delete pod web-0",
            &good,
            403,
            "policy_denied",
            "let a person do it",
        ),
        (
            "get secrets",
            &good,
            403,
            "policy_denied",
            "without its content",
        ),
        ("get pods -w", &good, 403, "policy_denied", "ask again"),
        (
            "logs web-0 --tail=999999",
            &good,
            403,
            "policy_denied",
            "0..5000",
        ),
        (
            "get pods; id",
            &good,
            422,
            "invalid_command",
            "send `get pods`",
        ),
        (
            "get pods | kubectl get svc",
            &good,
            422,
            "invalid_command",
            "a call of its own",
        ),
        (
            "get pods | xargs kubectl delete pod",
            &good,
            422,
            "invalid_command",
            "for each item",
        ),
        (
            "get pods | sh",
            &good,
            422,
            "invalid_command",
            "no program runs",
        ),
        (
            "get pods | tee x",
            &good,
            422,
            "invalid_command",
            "no file is written",
        ),
        ("get pods | greb x", &good, 422, "invalid_command", "`grep`"),
        (
            "get pods | grep --ignore-cas x",
            &good,
            422,
            "invalid_command",
            "`--ignore-case`",
        ),
        ("get pods |", &good, 422, "invalid_command", "each side"),
        (
            "get pods 2>&1 -A",
            &good,
            422,
            "invalid_command",
            "both streams come back",
        ),
        (
            "delete pod web-0 | head",
            &good,
            403,
            "policy_denied",
            "let a person do it",
        ),
        (
            "get pods -l 'a",
            &good,
            422,
            "invalid_command",
            "close the quote",
        ),
        ("gett pods", &good, 422, "invalid_command", "`get`"),
        (
            "get pods --outputt=json",
            &good,
            422,
            "invalid_command",
            "`--output`",
        ),
        (
            "--recursive get delete pods web",
            &good,
            422,
            "invalid_command",
            "behind the verb",
        ),
        ("", &good, 422, "invalid_command", "write one command"),
        (
            "get pods",
            &"!!!".to_owned(),
            422,
            "invalid_kubeconfig",
            "base64",
        ),
        (
            "get pods",
            &exec,
            422,
            "invalid_kubeconfig",
            "short-lived token",
        ),
        ("get pods", &metadata, 403, "egress_denied", "address"),
        (
            "get pods",
            &loopback,
            403,
            "egress_denied",
            "--egress-allow",
        ),
    ] {
        let reply = server.kubectl(command, kubeconfig);
        let body = reply.json();
        assert_eq!(
            (reply.status, body["code"].as_str()),
            (status, Some(code)),
            "{command}: {body}"
        );
        assert_eq!(
            (
                body["success"].as_bool(),
                body["output"].as_str(),
                body["exit_code"].as_i64()
            ),
            (Some(false), Some(""), Some(-1)),
            "{body}"
        );
        assert!(
            !body["reason"].as_str().unwrap().is_empty()
                && body["hint"].as_str().unwrap().contains(hint),
            "{command}: {body}"
        );
    }
    let denied = server.kubectl("delete pod web-0", &good).text("rule");
    assert!(
        denied.starts_with("no-writing (read-only.toml:"),
        "{denied}"
    );
}

#[test]
fn a_malformed_request_is_told_what_is_wrong_with_it() {
    let server = Server::start();
    let json = ("Content-Type", "application/json");
    let big = vec![b'a'; 10_000_000];
    for (method, path, headers, body, status, code) in [
        (
            "POST",
            "/tools/kubectl",
            vec![json],
            &b"{"[..],
            400,
            "invalid_request",
        ),
        (
            "POST",
            "/tools/kubectl",
            vec![json],
            br#"{"command":1}"#,
            400,
            "invalid_request",
        ),
        (
            "POST",
            "/tools/kubectl",
            vec![json],
            br#"{"comand":"get pods"}"#,
            400,
            "invalid_request",
        ),
        (
            "POST",
            "/tools/kubectl",
            vec![json],
            br#"{"command":"get pods","timeout":"never"}"#,
            400,
            "invalid_request",
        ),
        (
            "POST",
            "/tools/kubectl",
            vec![json],
            br#"{"command":"get pods"}"#,
            422,
            "invalid_kubeconfig",
        ),
        (
            "POST",
            "/tools/kubectl",
            vec![("Content-Type", "text/plain")],
            br#"{"command":"get pods"}"#,
            400,
            "invalid_request",
        ),
        (
            "POST",
            "/tools/kubectl",
            vec![json],
            &big,
            413,
            "request_too_large",
        ),
        (
            "POST",
            "/tools/kustomize",
            vec![json],
            b"{}",
            404,
            "unknown_tool",
        ),
        (
            "GET",
            "/tools/kubectl",
            vec![],
            b"",
            405,
            "method_not_allowed",
        ),
        ("GET", "/nowhere", vec![], b"", 404, "not_found"),
    ] {
        let reply = server.send(method, path, &headers, body);
        assert_eq!(
            (reply.status, reply.text("code").as_str()),
            (status, code),
            "{method} {path}: {}",
            reply.head
        );
        assert!(!reply.text("hint").is_empty());
    }
    let two_hosts = server.send("GET", "/health", &[("Host", "evil.example")], b"");
    assert!(
        two_hosts.status == 400 || two_hosts.status == 403,
        "{}",
        two_hosts.head
    );
    let other_origin = server.send(
        "POST",
        "/tools/kubectl",
        &[json, ("Origin", "http://evil.example")],
        br#"{"command":"get pods"}"#,
    );
    assert_eq!(other_origin.status, 403);
}

/// Waits until the inventory has looked at all four tools, and runs one command of one of them.
fn run(server: &Server, tool: &str, command: &str, kubeconfig: &str) -> harness::Reply {
    eventually("the inventory has looked", || {
        server.get("/tools/status").json()["tools"][tool]["state"] != "checking"
    });
    let body = serde_json::json!({ "command": command }).to_string();
    server.send(
        "POST",
        &format!("/tools/{tool}"),
        &[
            ("Content-Type", "application/json"),
            ("X-Kubeconfig", kubeconfig),
        ],
        body.as_bytes(),
    )
}

#[test]
fn the_other_three_tools_answer() {
    let server = Server::start();
    let kubeconfig = base64_of(&cluster().admin);
    for (tool, command, expected) in [
        ("helm", "list -A", "NAME"),
        ("helm", "version --short", "v4.3.2"),
        ("helm", "list --help", "Usage:"),
        ("istioctl", "version --remote=false", "1.31.0"),
        ("istioctl", "proxy-status --help", "Usage:"),
        ("istioctl", "tag list", "No Istio revision tags"),
        ("argocd", "version --client", "v3.6.1"),
        ("argocd", "app list --help", "Usage:"),
    ] {
        let reply = run(&server, tool, command, &kubeconfig);
        let body = reply.json();
        assert_eq!(
            (reply.status, body["success"].as_bool()),
            (200, Some(true)),
            "{tool} {command}: {body}"
        );
        let printed = format!(
            "{}{}",
            body["output"].as_str().unwrap(),
            body["error"].as_str().unwrap_or_default()
        );
        assert!(printed.contains(expected), "{tool} {command}: {body}");
    }
}

#[test]
fn argocd_is_told_what_it_lacks_and_only_argocd_takes_it() {
    let server = Server::start();
    run(&server, "argocd", "version --client", ""); // the inventory has looked
    let json = ("Content-Type", "application/json");
    let (named, token) = (
        ("X-Argocd-Server", "127.0.0.1:1"),
        ("X-Argocd-Auth-Token", "airlock-argocd-token"),
    );
    for (tool, headers, body, status, code, told) in [
        (
            "argocd",
            vec![json],
            r#"{"command":"app list"}"#,
            400,
            "invalid_request",
            "X-Argocd-Server",
        ),
        (
            "argocd",
            vec![json, named],
            r#"{"command":"app list"}"#,
            400,
            "invalid_request",
            "X-Argocd-Auth-Token",
        ),
        (
            "argocd",
            vec![json, named, token],
            r#"{"command":"app list","argocd_ca":"eA=="}"#,
            400,
            "invalid_request",
            "base64 -w0 ca.crt",
        ),
        (
            "argocd",
            vec![json, named, token],
            r#"{"command":"app list","cluster":"prod"}"#,
            400,
            "invalid_request",
            "argocd_server",
        ),
        (
            "argocd",
            vec![json, named, token],
            r#"{"command":"app list"}"#,
            403,
            "egress_denied",
            "--egress-allow",
        ),
        (
            "argocd",
            vec![json, named, token],
            r#"{"command":"app list --server=x"}"#,
            403,
            "policy_denied",
            "",
        ),
        (
            "kubectl",
            vec![json],
            r#"{"command":"get pods","argocd_server":"x"}"#,
            400,
            "invalid_request",
            "leave them out",
        ),
        (
            "kubectl",
            vec![json, named, token],
            r#"{"command":"get pods"}"#,
            422,
            "invalid_kubeconfig",
            "X-Kubeconfig",
        ),
    ] {
        let reply = server.send("POST", &format!("/tools/{tool}"), &headers, body.as_bytes());
        assert_eq!(
            (reply.status, reply.text("code").as_str()),
            (status, code),
            "{tool} {body}: {}",
            reply.json()
        );
        assert!(
            reply.text("hint").contains(told),
            "{tool} {body}: {}",
            reply.json()
        );
        assert!(!reply.json().to_string().contains("airlock-argocd-token"));
    }
    let document = server.get("/openapi.json").json();
    let header = |tool: &str| {
        document["paths"][format!("/tools/{tool}")]["post"]["parameters"][0]["name"].clone()
    };
    assert_eq!(
        (header("argocd"), header("kubectl")),
        ("X-Argocd-Server".into(), "X-Kubeconfig".into())
    );
}

#[test]
fn a_tool_that_is_built_later_becomes_available_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    fs::write(folder.path().join("kubectl.building"), "").unwrap();
    let server = Server::starting(&["--tools-dir", folder.path().to_str().unwrap()], None);
    eventually("it shows as building", || {
        server.get("/tools/status").json()["tools"]["kubectl"]["state"] == "building"
    });
    assert_eq!(server.get("/ready").status, 503);
    assert!(
        server
            .kubectl("version --client", "")
            .text("reason")
            .contains("still being built")
    );
    fs::copy(tools().join("kubectl"), folder.path().join("kubectl.new")).unwrap();
    fs::rename(
        folder.path().join("kubectl.new"),
        folder.path().join("kubectl"),
    )
    .unwrap();
    fs::remove_file(folder.path().join("kubectl.building")).unwrap();
    eventually("it becomes ready", || server.get("/ready").status == 200);
    assert_eq!(server.kubectl("version --client", "").status, 200);
}

#[test]
fn the_catalogue_is_that_of_the_tools_own_version() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    fs::copy(tools().join("kubectl-1.36"), folder.path().join("kubectl")).unwrap();
    let older = Server::with(&["--tools-dir", folder.path().to_str().unwrap()], None);
    let newer = Server::with(&["--tools-dir", tools().to_str().unwrap()], None);
    for (server, version) in [(&older, "1.36.6"), (&newer, "1.37.2")] {
        let kubectl = &server.get("/tools/status").json()["tools"]["kubectl"];
        assert_eq!(
            (kubectl["version"].as_str(), kubectl["catalogue"].as_str()),
            (Some(version), Some(version)),
            "{kubectl}"
        );
        let told = server.kubectl("version --client -o json", "");
        assert!(
            told.status == 200 && told.text("output").contains(&format!("v{version}")),
            "{}",
            told.json()
        );
    }
    // A flag that only the newer one has.
    let refused = older.kubectl("explain pods --max-depth=2 --help", "");
    assert!(
        refused.status == 422 && refused.text("reason").contains("has no flag `--max-depth`"),
        "{}",
        refused.json()
    );
    assert_eq!(
        newer
            .kubectl("explain pods --max-depth=2 --help", "")
            .status,
        200
    );
}

#[test]
fn a_rules_own_bounds_hold() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let file = folder.path().join("policy.toml");
    let rule = |id: &str, rest: &str| {
        format!(
            "[[rule]]\nid = \"{id}\"\neffect = \"allow\"\nreason = \"r\"\ntool = \"kubectl\"\n{rest}\n"
        )
    };
    let cluster = cluster().server;
    let text = format!(
        "schema = 1\n{}{}{}",
        rule(
            "wait",
            "verbs = [\"wait\"]\nflags = [\"--for\", \"--timeout\"]\ntimeout = \"1s\""
        ),
        rule(
            "get",
            "verbs = [\"get\"]\nresources = [\"pods\"]\nflags = [\"--all-namespaces\"]\nmax_output = \"100\""
        ),
        rule(
            "elsewhere",
            "verbs = [\"api-versions\"]\nclusters = [\"*.example.com\"]"
        ),
    ) + &rule(
        "here",
        &format!("verbs = [\"cluster-info\"]\nclusters = [\"{cluster}\"]"),
    );
    fs::write(&file, text).unwrap();
    let (tools, allowed) = (tools(), cluster.to_string());
    let flags = [
        "--tools-dir",
        tools.to_str().unwrap(),
        "--policy",
        file.to_str().unwrap(),
        "--egress-allow",
        &allowed,
    ];
    let server = Server::with(&flags, None);
    let view = harness::base64_of(&harness::cluster().view);
    let waited = server.kubectl("wait pod/never --for=create --timeout=30s", &view);
    assert_eq!(
        (waited.status, waited.text("code").as_str()),
        (504, "timeout"),
        "{}",
        waited.json()
    );
    let listed = server.kubectl("get pods -A", &view).json();
    assert_eq!(listed["truncated"], true, "{listed}");
    assert!(listed["output"].as_str().unwrap().len() < 400, "{listed}");
    assert!(
        server
            .kubectl("api-versions", &view)
            .text("reason")
            .contains("not allowed on this cluster")
    );
    assert_eq!(server.kubectl("cluster-info", &view).status, 200);
}

#[test]
fn a_named_cluster_is_used_without_its_credential_being_seen() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        fs::set_permissions(
            folder.path().join(name),
            std::os::unix::fs::PermissionsExt::from_mode(0o644),
        )
        .unwrap();
    };
    let cluster = cluster();
    let view: serde_json::Value = {
        let minify = Command::new(harness::program())
            .args(["kubeconfig", "check", "--json"])
            .arg(&cluster.view)
            .output()
            .unwrap();
        assert!(
            !minify.status.success(),
            "loopback is closed unless the settings open it"
        );
        let settings = folder.path().join("open.toml");
        fs::write(
            &settings,
            format!("[egress]\nallow = [\"{}\"]\n", cluster.server),
        )
        .unwrap();
        let shown = Command::new(harness::program())
            .args(["kubeconfig", "minify", "--config"])
            .args([&settings, &cluster.view])
            .output()
            .unwrap();
        serde_json::from_slice(&shown.stdout).unwrap()
    };
    // As operators mount them: a kubeconfig that refers to files beside it.
    let original = fs::read_to_string(&cluster.view).unwrap();
    let token = original
        .lines()
        .find_map(|line| line.trim().strip_prefix("token: "))
        .unwrap()
        .trim_matches('"')
        .to_owned();
    let authority = view["clusters"][0]["cluster"]["certificate-authority-data"]
        .as_str()
        .unwrap();
    write(
        "ca.crt",
        &String::from_utf8(BASE64_STANDARD.decode(authority).unwrap()).unwrap(),
    );
    write("token", &format!("{token}\n"));
    let mounted = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: x\nclusters: [{{name: c, cluster: {{server: 'https://{}', certificate-authority: ca.crt}}}}]\nusers: [{{name: u, user: {{tokenFile: token}}}}]\ncontexts: [{{name: x, context: {{cluster: c, user: u, namespace: demo}}}}]\n",
        cluster.server
    );
    write("demo.yaml", &mounted);
    write("other.yaml", &mounted);
    write(
        "airlock.toml",
        "[clusters.demo]\nkubeconfig = \"demo.yaml\"\n[clusters.hidden]\nkubeconfig = \"other.yaml\"\n",
    );
    for name in ["demo.yaml", "other.yaml", "token"] {
        harness::only_the_servers(&folder.path().join(name));
    }
    // `set env --list`-like output is not needed: a config map repeats the token to whoever reads
    // it.
    write(
        "policy.toml",
        "schema = 1\n[[rule]]\nid = \"look\"\neffect = \"allow\"\nreason = \"r\"\ntool = \"kubectl\"\nverbs = [\"get\", \"explain\", \"auth can-i\"]\nflags = [\"--selector\", \"--all-namespaces\"]\nclusters = [\"demo\"]\nvalues = { \"--output\" = [\"custom-columns=*\", \"json\"] }\n",
    );
    let (tools, allowed, path) = (tools(), cluster.server.to_string(), |name: &str| {
        folder.path().join(name).to_str().unwrap().to_owned()
    });
    let (config, policy) = (path("airlock.toml"), path("policy.toml"));
    let flags = [
        "--tools-dir",
        tools.to_str().unwrap(),
        "--egress-allow",
        &allowed,
        "--config",
        &config,
        "--policy",
        &policy,
    ];
    let server = Server::with(&flags, None);
    let call = |body: serde_json::Value| {
        server.send(
            "POST",
            "/tools/kubectl",
            &[("Content-Type", "application/json")],
            body.to_string().as_bytes(),
        )
    };
    assert_eq!(
        server.get("/clusters").json(),
        serde_json::json!({ "clusters": ["demo"] }),
        "the policy knows no other"
    );
    let listed = call(serde_json::json!({ "command": "get pods -A", "cluster": "demo" }));
    assert_eq!(
        (listed.status, listed.json()["exit_code"].as_i64()),
        (200, Some(0)),
        "{}",
        listed.json()
    );
    for name in ["hidden", "nowhere"] {
        let refused = call(serde_json::json!({ "command": "get pods", "cluster": name }));
        assert_eq!(refused.status, 400);
        assert!(
            refused.text("reason").contains("no cluster") && refused.text("hint").contains("demo"),
            "{}",
            refused.json()
        );
    }
    let both =
        call(serde_json::json!({ "command": "get pods", "cluster": "demo", "kubeconfig": "eA==" }));
    assert!(
        both.status == 400 && both.text("reason").contains("brings a kubeconfig"),
        "{}",
        both.json()
    );
    // The tool repeats what it is given; here it is the token itself.
    let echoed = call(
        serde_json::json!({ "command": format!("get pods -o custom-columns={token}:.x"), "cluster": "demo" }),
    );
    assert!(
        echoed.status == 200 && echoed.text("output").contains("[REDACTED]"),
        "{}",
        echoed.json()
    );
    assert!(
        !String::from_utf8_lossy(&echoed.body)
            .to_ascii_lowercase()
            .contains(&token.to_ascii_lowercase())
    );
    // A credential that is replaced is taken; one that is broken is not.
    write("demo.yaml", "apiVersion: v1\n");
    eventually("the broken one is told", || {
        fs::read_to_string(&server.log)
            .unwrap()
            .contains("a named cluster does not load")
    });
    assert_eq!(
        call(serde_json::json!({ "command": "get pods", "cluster": "demo" })).status,
        200
    );
    write(
        "demo.yaml",
        &mounted.replace("namespace: demo", "namespace: kube-system"),
    );
    eventually("the new one is in force", || {
        call(serde_json::json!({ "command": "get pods -o json", "cluster": "demo" }))
            .text("output")
            .contains("\"items\": []")
    });
    let log =
        fs::read_to_string(&server.log).unwrap() + &fs::read_to_string(&server.audit).unwrap();
    let told_by_server: String = log
        .lines()
        .filter(|line| !line.contains("custom-columns"))
        .collect();
    assert!(
        !told_by_server.contains(&token),
        "the caller's own words may hold it, nothing else"
    );
}

/// A policy that allows one command.
const VERSIONS: &str = "schema = 1\n[[rule]]\nid = \"a\"\neffect = \"allow\"\nreason = \"r\"\ntool = \"kubectl\"\nverbs = [\"version\"]\nflags = [\"--client\"]\n";

#[test]
fn a_changed_policy_is_taken_and_a_broken_one_is_not() {
    let folder = harness::readable_folder();
    let file = folder.path().join("policy.toml");
    // As a ConfigMap does it: the file is a link, and the link is swapped.
    let swap = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        std::os::unix::fs::symlink(name, folder.path().join("new")).unwrap();
        fs::rename(folder.path().join("new"), &file).unwrap();
    };
    swap("1", VERSIONS);
    let server = Server::with_policy(&file);
    let allowed = || server.kubectl("version --client", "").status == 200;
    assert!(allowed());
    swap("2", "schema = 1\n[[rule]]\nid = \"broken\"\n");
    eventually("the broken one is told", || {
        fs::read_to_string(&server.log)
            .unwrap()
            .contains("stay in force")
    });
    assert!(allowed(), "the old rules stay in force");
    swap("3", "schema = 1\n");
    eventually("an empty policy allows nothing", || !allowed());
    swap("4", VERSIONS);
    eventually("and the first one again", allowed);
    let metrics = String::from_utf8(server.get("/metrics").body).unwrap();
    assert!(
        metrics.contains(r#"airlock_policy_reloads_total{result="refused"} 1"#)
            && metrics.contains(r#"airlock_policy_reloads_total{result="taken"} 2"#),
        "{metrics}"
    );
}

#[test]
fn a_changed_file_that_the_policy_includes_is_taken_and_a_broken_one_is_not() {
    let folder = harness::readable_folder();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(folder.path().join("new"), text).unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        path
    };
    write("rules.toml", VERSIONS);
    let policy = write("policy.toml", "schema = 1\ninclude = [\"rules.toml\"]\n");
    let server = Server::with_policy(&policy);
    let allowed = || server.kubectl("version --client", "").status == 200;
    assert!(allowed());
    write("rules.toml", "schema = 1\nverbs = 1\n");
    eventually("the broken one is reported by its own name", || {
        let log = fs::read_to_string(&server.log).unwrap();
        log.contains("stay in force") && log.contains("rules.toml")
    });
    assert!(allowed(), "the old rules stay in force");
    write("rules.toml", "schema = 1\n");
    eventually("without its rule nothing is allowed", || !allowed());
    write("rules.toml", VERSIONS);
    eventually("and with it again", allowed);
}

#[test]
fn a_binary_that_others_may_change_is_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let kubectl = folder.path().join("kubectl");
    fs::copy(tools().join("kubectl"), &kubectl).unwrap();
    fs::set_permissions(
        &kubectl,
        std::os::unix::fs::PermissionsExt::from_mode(0o777),
    )
    .unwrap();
    let server = Server::starting(&["--tools-dir", folder.path().to_str().unwrap()], None);
    eventually("it is refused", || {
        server.get("/tools/status").json()["tools"]["kubectl"]["state"] == "refused"
    });
    let reply = server.kubectl("version --client", "");
    assert!(
        reply.status == 503 && reply.text("reason").contains("may change it"),
        "{}",
        reply.json()
    );
}

#[test]
fn a_custom_resource_that_joins_a_category_named_pods_is_not_read() {
    let server = Server::start();
    let crd = r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"vaultkeys.evil.example.com"},
        "spec":{"group":"evil.example.com","scope":"Namespaced","names":{"plural":"vaultkeys","singular":"vaultkey","kind":"VaultKey","categories":["pods","services"]},
        "versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}"#;
    let key = r#"{"apiVersion":"evil.example.com/v1","kind":"VaultKey","metadata":{"name":"k1","namespace":"default"},"spec":{"password":"hunter2"}}"#;
    let bare = |arguments: &[&str], input: &str| {
        let mut child = Command::new(tools().join("kubectl"))
            .args(arguments)
            .env("KUBECONFIG", &cluster().admin)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    };
    bare(&["apply", "-f", "-"], crd);
    eventually("the resource is served", || {
        bare(&["apply", "-f", "-"], key).contains("k1")
    });
    let columns = "-o=custom-columns=KIND:.kind,PASSWORD:.spec.password";
    eventually("bare kubectl falls for it", || {
        bare(&["get", "pods", columns], "").contains("hunter2")
    });
    let reply = server.kubectl(&format!("get pods {columns}"), &base64_of(&cluster().admin));
    assert!(
        reply.text("output").contains("Pod") && !reply.text("output").contains("hunter2"),
        "{}",
        reply.json()
    );
    bare(&["delete", "crd", "vaultkeys.evil.example.com"], "");
}

#[test]
fn a_stop_ends_running_calls_answers_them_and_records_their_end() {
    let mut server = Server::start();
    let kubeconfig = base64_of(&cluster().view);
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Kubeconfig", kubeconfig.as_str()),
    ];
    let mut stream = server.open(
        "POST",
        "/tools/kubectl",
        &headers,
        br#"{"command":"wait --for=delete pod/web-0 --timeout=29s"}"#,
    );
    eventually("it runs", || server.children().len() == 1);
    Command::new("kill")
        .arg(server.pid().to_string())
        .status()
        .unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 499") && answer.contains("cancelled"),
        "{answer}"
    );
    assert!(server.child.wait().unwrap().success());
    assert!(
        server
            .records()
            .iter()
            .any(|record| record["event"] == "end" && record["code"] == "cancelled")
    );
    assert_eq!(
        fs::read_dir(server.work.path()).unwrap().count(),
        0,
        "nothing is left"
    );
}

#[test]
fn sessions_are_bounded_and_small() {
    let server = Server::start();
    let hello = |name: &str| {
        serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": name, "version": "1" } } }).to_string()
    };
    let open = |name: &str, more: &[(&str, &str)]| {
        let headers = [&[("Content-Type", "application/json")], more].concat();
        server.send("POST", "/mcp", &headers, hello(name).as_bytes())
    };
    for more in [&[][..], &[("MCP-Protocol-Version", "2025-11-25")]] {
        assert_eq!(open(&"x".repeat(100_000), more).status, 413);
        let opened: Vec<_> = (0..520).map(|_| open("t", more)).collect();
        assert!(opened.iter().all(|hello| hello.status == 200));
        let lists = |hello: &harness::Reply| {
            let head = hello.head.to_ascii_lowercase();
            let session = head
                .lines()
                .find_map(|line| line.strip_prefix("mcp-session-id: "))
                .unwrap();
            let headers = [
                ("Content-Type", "application/json"),
                ("Mcp-Session-Id", session),
            ];
            let list = r#"{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{}}"#;
            server
                .send("POST", "/mcp", &headers, list.as_bytes())
                .status
        };
        // The longest idle one has ended for the next, and is opened again when it is used.
        assert_eq!((lists(&opened[0]), lists(&opened[519])), (200, 200));
    }
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn a_deadline_ends_the_command_and_keeps_what_it_printed() {
    let server = Server::start();
    let body = br#"{"command":"wait --for=delete pod/web-0 --timeout=30s","timeout":"500ms"}"#;
    let kubeconfig = base64_of(&cluster().view);
    let started = Instant::now();
    let reply = server.send(
        "POST",
        "/tools/kubectl",
        &[
            ("Content-Type", "application/json"),
            ("X-Kubeconfig", &kubeconfig),
        ],
        body,
    );
    assert_eq!(
        (reply.status, reply.text("code").as_str()),
        (504, "timeout")
    );
    assert!(started.elapsed() < Duration::from_secs(5));
    eventually("nothing is left", || {
        server.children().is_empty() && server.workspaces().is_empty()
    });
}

#[test]
fn every_call_has_its_records_and_none_holds_a_secret() {
    let server = Server::start();
    let kubeconfig = base64_of(&cluster().view);
    let allowed = server
        .kubectl("get pods -A", &kubeconfig)
        .text("request_id");
    let denied = server
        .kubectl("delete pod web-0", &kubeconfig)
        .text("request_id");
    eventually("the end is recorded", || {
        server
            .records()
            .iter()
            .any(|record| record["event"] == "end" && record["request_id"] == *allowed)
    });
    let records = server.records();
    let of = |id: &str| {
        records
            .iter()
            .filter(|record| record["request_id"] == id)
            .collect::<Vec<_>>()
    };
    let (allowed, denied) = (of(&allowed), of(&denied));
    assert_eq!(
        (
            allowed[0]["event"].as_str(),
            allowed[0]["effect"].as_str(),
            allowed[0]["rule"].as_str()
        ),
        (Some("decision"), Some("allow"), Some("get"))
    );
    assert_eq!(
        allowed[0]["argv"],
        serde_json::json!([
            "kubectl",
            "--v=0",
            "get",
            "--all-namespaces=true",
            "pods.v1."
        ])
    );
    assert_eq!(
        allowed[0]["target"].as_str(),
        Some(format!("https://{}", cluster().server).as_str())
    );
    assert_eq!(
        (
            allowed[1]["event"].as_str(),
            allowed[1]["exit_code"].as_i64()
        ),
        (Some("end"), Some(0))
    );
    assert_eq!(
        (
            denied.len(),
            denied[0]["effect"].as_str(),
            denied[0]["code"].as_str()
        ),
        (1, Some("deny"), Some("policy_denied"))
    );
    // The token of the kubeconfig, and the kubeconfig as it came.
    let text = fs::read_to_string(&cluster().view).unwrap();
    let token: String = text
        .split_once("token")
        .unwrap()
        .1
        .chars()
        .skip_while(|c| !c.is_ascii_alphanumeric())
        .take_while(|c| !c.is_whitespace() && *c != '"')
        .collect();
    assert!(token.len() > 100, "a real token: {token}");
    for file in [&server.audit, &server.log] {
        let written = fs::read_to_string(file).unwrap();
        assert!(
            !written.contains(&token) && !written.contains(&kubeconfig[..200]),
            "{} holds a secret",
            file.display()
        );
    }
    // A call without a bound gets the policy's, and the record shows what ran.
    let logs = server.kubectl("logs web-0", &kubeconfig).text("request_id");
    let records = server.records();
    let argv = &records
        .iter()
        .find(|record| record["request_id"] == *logs)
        .unwrap()["argv"];
    assert_eq!(
        argv,
        &serde_json::json!(["kubectl", "--v=0", "logs", "--tail=500", "web-0"])
    );
    let metrics = String::from_utf8(server.get("/metrics").body).unwrap();
    assert!(metrics.contains("airlock_calls_total") && !metrics.contains(&token));
}

#[test]
fn five_hundred_calls_leave_nothing_and_neither_does_a_killed_server() {
    let server = Server::start();
    let kubeconfig = base64_of(&cluster().view);
    let round = |calls: usize| {
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        match number {
                            number if number >= calls => break,
                            // A tenth leaves before the answer, a fifth is denied, the rest runs.
                            number if number % 10 == 0 => {
                                let body =
                                    br#"{"command":"wait --for=delete pod/web-0 --timeout=20s"}"#;
                                let stream = server.open(
                                    "POST",
                                    "/tools/kubectl",
                                    &[
                                        ("Content-Type", "application/json"),
                                        ("X-Kubeconfig", &kubeconfig),
                                    ],
                                    body,
                                );
                                thread::sleep(Duration::from_millis(150));
                                drop(stream);
                            }
                            number if number % 5 == 1 => assert_eq!(
                                server.kubectl("delete pod web-0", &kubeconfig).status,
                                403
                            ),
                            _ => {
                                let reply = server.kubectl("get pods", &kubeconfig);
                                assert_eq!(reply.status, 200, "{}", reply.json());
                            }
                        }
                    }
                });
            }
        });
        eventually("every child and directory is gone", || {
            server.children().is_empty() && server.workspaces().is_empty()
        });
    };
    round(100); // allocators and pools reach their size
    server.settles();
    let before = held(server.pid());
    round(500);
    server.settles();
    eventually("connections are closed", || {
        held(server.pid()).0 <= before.0 + 4
    });
    let after = held(server.pid());
    println!(
        "descriptors {} -> {}, resident KiB {} -> {}",
        before.0, after.0, before.1, after.1
    );
    assert!(
        after.1 < before.1 + 8 * 1024,
        "resident memory grew from {} to {} KiB",
        before.1,
        after.1
    );
    let cancelled = server
        .records()
        .iter()
        .filter(|record| record["code"] == "cancelled")
        .count();
    assert!(cancelled >= 30, "{cancelled} calls were cancelled in time");

    // Now eight calls run, and the server is killed.
    let streams: Vec<_> = (0..8)
        .map(|_| {
            server.open(
                "POST",
                "/tools/kubectl",
                &[
                    ("Content-Type", "application/json"),
                    ("X-Kubeconfig", &kubeconfig),
                ],
                br#"{"command":"wait --for=delete pod/web-0 --timeout=20s"}"#,
            )
        })
        .collect();
    eventually("eight children run", || server.children().len() == 8);
    let (spawner, children) = (descendants(server.pid()), server.children());
    let mut server = server;
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let dead = |pid: &u32| !fs::exists(format!("/proc/{pid}")).unwrap();
    eventually("the spawner and every child are dead", || {
        spawner.iter().chain(&children).all(dead)
    });
    drop(streams);
    TcpListener::bind(server.address).expect("the port is free");
    assert!(
        server
            .workspaces()
            .iter()
            .all(|workspace| !workspace.join("kubeconfig").exists()),
        "the spawner removes the credentials"
    );
    // The next start, in the same place, does.
    let work = std::mem::replace(&mut server.work, tempfile::tempdir().unwrap());
    let next = Server::starting_in(
        work,
        &[
            "--tools-dir",
            tools().to_str().unwrap(),
            "--egress-allow",
            &cluster().server.to_string(),
        ],
        None,
    );
    // It asks each tool for its version, in a directory too.
    eventually("nothing is left", || next.workspaces().is_empty());
    eventually("it works", || {
        next.kubectl("get pods", &kubeconfig).status == 200
    });
}

#[test]
fn a_server_without_its_spawner_stops() {
    let mut server = Server::start();
    let spawner = descendants(server.pid());
    Command::new("kill")
        .arg("-9")
        .args(spawner.iter().map(u32::to_string))
        .status()
        .unwrap();
    let started = Instant::now();
    let status = loop {
        if let Some(status) = server.child.try_wait().unwrap() {
            break status;
        }
        assert!(
            started.elapsed() < Duration::from_secs(15),
            "the server goes on without a spawner"
        );
        thread::sleep(Duration::from_millis(20));
    };
    assert!(!status.success());
}

#[test]
fn a_slow_or_silent_client_holds_nobody_up() {
    let server = Server::start();
    let mut silent = server.open(
        "POST",
        "/tools/kubectl",
        &[
            ("Content-Type", "application/json"),
            ("Content-Length", "100"),
        ],
        b"",
    );
    let _ = silent.write_all(b"{");
    assert_eq!(server.kubectl("version --client", "").status, 200);
}
