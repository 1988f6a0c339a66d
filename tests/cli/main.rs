//! What do the operator's commands print?

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]
#![allow(clippy::disallowed_methods, reason = "tests start processes")]

use std::{
    fs,
    io::Write,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

fn airlock(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kube-airlock"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn explain_says_the_decision_the_rule_and_what_came_near() {
    let output = airlock(&["policy", "explain", "--", "kubectl", "get", "pods", "-w"], "");
    assert!(output.status.success());
    let told = text(&output.stdout);
    for line in [
        "deny: kubectl get pods -w\n",
        "  code    policy_denied\n",
        "no-following (read-only.toml:",
        "  try     leave -f, -w and --watch out",
        "does not match: --watch may not be `true` here\n",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
}

#[test]
fn explain_batch_writes_one_object_per_line() {
    let output = airlock(
        &["policy", "explain", "--batch", "--tool", "kubectl"],
        "\"get po -Aowide\"\n\"kubectl delete pod x\"\n\"get pods; id\"\n\"gett\"\n",
    );
    let lines: Vec<Value> = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let effects: Vec<_> = lines.iter().map(|line| (line["effect"].as_str().unwrap(), line["code"].as_str())).collect();
    assert_eq!(
        effects,
        [("allow", None), ("deny", Some("policy_denied")), ("deny", Some("invalid_command")), ("deny", Some("invalid_command"))]
    );
    assert_eq!(lines[0]["argv"], serde_json::json!(["kubectl", "--v=0", "get", "--all-namespaces=true", "--output=wide", "pods.v1."]));
    assert_eq!((&lines[0]["verb"], &lines[0]["operands"]), (&serde_json::json!(["get"]), &serde_json::json!(["pods.v1."])));
    assert_eq!(lines[0]["flags"], serde_json::json!({ "all-namespaces": ["true"], "output": ["wide"] }));
    assert!(lines[1].get("argv").is_none());
}

#[test]
fn check_names_the_line_and_the_column_of_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("team-a.toml");
    fs::write(&file, "schema = 1\n[[rule]]\nid = \"a\"\neffect = \"allow\"\nreason = \"r\"\ntool = \"kubectl\"\nverbs = [\"gett\"]\n")
        .unwrap();
    let output = airlock(&["policy", "check", file.to_str().unwrap()], "");
    assert!(!output.status.success());
    let told = text(&output.stdout);
    assert!(told.contains("team-a.toml:7:10: kubectl 1.37.2 has no verb `gett`") && told.contains("did you mean `get`?"), "{told}");
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/policy/read-only.toml");
    assert!(airlock(&["policy", "check", shipped], "").status.success());
}

#[test]
fn diff_shows_what_a_new_policy_allows_and_denies() {
    let folder = tempfile::tempdir().unwrap();
    let new = folder.path().join("new.toml");
    let rule = "schema = 1\n[[rule]]\nid = \"restart\"\neffect = \"allow\"\nreason = \"r\"\ntool = \"kubectl\"\nverbs = [\"rollout restart\"]\nresources = [\"deployments.apps\"]\n";
    fs::write(&new, rule).unwrap();
    let old = concat!(env!("CARGO_MANIFEST_DIR"), "/policy/read-only.toml");
    let commands = "kubectl get pods\nkubectl rollout restart deploy/web\nkubectl delete pod x\n";
    let output = airlock(&["policy", "diff", old, new.to_str().unwrap()], commands);
    assert_eq!(
        text(&output.stdout),
        "- kubectl get pods\n+ kubectl rollout restart deploy/web\n1 newly allowed, 1 newly denied, 1 as before\n"
    );
}

#[test]
fn the_schema_accepts_the_shipped_policy_by_its_keys() {
    let schema: Value = serde_json::from_str(&text(&airlock(&["policy", "schema"], "").stdout)).unwrap();
    let keys: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    for key in ["schema", "sets", "rule", "test"] {
        assert!(keys.iter().any(|known| *known == key), "{keys:?}");
    }
}

#[test]
fn a_public_address_is_refused_with_the_way_to_accept_it() {
    let output = airlock(&["serve", "--listen", "0.0.0.0:9096"], "");
    assert!(!output.status.success());
    let told = text(&output.stderr);
    assert!(told.contains("can be reached from other hosts") && told.contains("--insecure-no-auth"), "{told}");
}

#[test]
fn a_policy_that_does_not_load_stops_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.toml");
    fs::write(&file, "schema = 2\n").unwrap();
    let output = airlock(&["serve", "--listen", "127.0.0.1:0", "--policy", file.to_str().unwrap()], "");
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("p.toml:1:10: this server reads policy files of schema 1"), "{}", text(&output.stderr));
}

#[test]
fn the_policy_of_the_tutorial_loads() {
    let tutorial = include_str!("../../docs/policy.md");
    let policy = tutorial.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("team-web.toml");
    fs::write(&file, policy).unwrap();
    let output = airlock(&["policy", "check", file.to_str().unwrap()], "");
    assert!(output.status.success(), "{}", text(&output.stdout));
    let explained = text(
        &airlock(&["policy", "explain", "--policy", file.to_str().unwrap(), "--", "kubectl", "get", "pods", "-n", "kube-system"], "")
            .stdout,
    );
    assert!(tutorial.contains(&explained), "the tutorial shows another answer:\n{explained}");
}
