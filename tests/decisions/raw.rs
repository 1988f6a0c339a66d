//! Requests in an argument: what a rule can list of them, and that no spelling reaches a Secret.

use std::fs;

use super::{explained, explained_by};

/// As in docs/policy.md.
const NUMBERS: &str = r#"schema = 1
[[rule]]
id = "numbers"
effect = "allow"
reason = "who looks after capacity reads metrics"
tool = "kubectl"
verbs = ["get"]
require = ["--raw"]
max_operands = 0
values = { "--raw" = ["/metrics", "/api/v1/nodes/*/proxy/stats/summary"] }
"#;

#[test]
fn a_rule_lists_metrics_and_the_numbers_of_a_kubelet_and_nothing_else_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("numbers.toml");
    fs::write(&policy, NUMBERS).unwrap();
    let rows = [
        ("/metrics", "allow"),
        ("/api/v1/nodes/n1/proxy/stats/summary", "allow"),
        ("/api/v1/nodes/n1.example/proxy/stats/summary", "allow"),
        ("/metrics/slis", "deny"),
        ("/readyz", "deny"),
        ("/api/v1/nodes/n1/proxy/metrics", "deny"),
        ("/api/v1/nodes/n1/proxy/run/web/web-0/app", "deny"),
        ("/api/v1/nodes/n1/proxy/logs/proxy/stats/summary", "deny"),
        ("/api/v1/nodes/n1:10255/proxy/stats/summary", "deny"),
        ("/api/v1/nodes/https:n1:1/proxy/stats/summary", "deny"),
        ("/api/v1/nodes/n1/proxy/stats/summary/", "deny"),
        ("/api/v1/nodes/n1/proxy/stats/summary/../../pods", "deny"),
        ("/api/v1/namespaces/web/pods/a/proxy/metrics", "deny"),
        ("/api/v1/nodes/n1", "deny"),
        ("/metrics/../api/v1/secrets", "deny"),
        ("/debug/pprof/heap", "deny"),
    ];
    let commands = rows.map(|(path, _)| format!("get --raw {path}"));
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    let found = explained_by(policy.to_str().unwrap(), "kubectl", &commands);
    for ((path, effect), found) in rows.iter().zip(found) {
        assert_eq!(found["effect"], *effect, "{path}: {found}");
    }
}

#[test]
fn no_spelling_of_a_path_reaches_a_secret() {
    let paths = [
        "/api/v1/secrets",
        "/api/v1/namespaces/x/secrets",
        "/api/v1/namespaces/x/secrets/db",
        "/api/v1/namespaces/x/secrets/",
        "/api/v1/namespaces/x/secrets?",
        "/api/v1/namespaces/x/secrets?limit=1",
        "/api/v1/namespaces/x/secrets?labelSelector=a%3Db",
        "/api/v1/namespaces/x/secrets?watch=1",
        "/api/v1/namespaces/x//secrets",
        "//api/v1/namespaces/x/secrets",
        "/api/v1/namespaces/x%2fsecrets",
        "/api/v1/namespaces/x%2Fsecrets",
        "/api/v1/namespaces/x/%73ecrets",
        "/api/v1/watch/namespaces/x/secrets",
        "/api/v1/watch/secrets",
        "/api/v1/namespaces/x/SECRETS",
        "/api/v1/namespaces/x/Secret/db",
        "/API/V1/namespaces/x/secrets",
        "/api/v1/namespaces/x/secret/db",
        "/api/v1/namespaces/x/pods/../secrets",
        "/readyz/../api/v1/secrets",
        "/apis/../api/v1/secrets",
        "/healthz?x=/../api/v1/secrets",
        "/openapi/v3/../../api/v1/secrets",
        "/api/v1/namespaces/x/pods,secrets",
        "/api/v1/namespaces/x/pods/a,secrets",
        "/apis/v1/namespaces/x/secrets",
        "https://a.example/api/v1/secrets",
    ];
    for policy in ["read-only", "standard", "admin"] {
        for verb in ["get", "delete"] {
            let commands = paths.map(|path| format!("{verb} --raw '{path}'"));
            let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
            for (path, found) in paths.iter().zip(explained(policy, "kubectl", &commands)) {
                assert_eq!(found["effect"], "deny", "{policy}: {verb} {path}: {found}");
            }
        }
    }
}
