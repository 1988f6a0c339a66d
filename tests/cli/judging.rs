//! Is a command judged as who sent it, by every tool that judges commands?

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{airlock, text};

/// Group `agents` looks at pods of web on prod; nobody else may do anything.
const AGENTS: &str = r#"schema = 1

[[rule]]
id = "look"
effect = "allow"
reason = "agents diagnose"
tool = "kubectl"
verbs = ["get"]
groups = ["agents"]
clusters = ["prod"]
resources = ["pods"]
namespaces = ["web"]
"#;

/// The same for everybody.
fn everybody() -> String {
    AGENTS.replace("groups = [\"agents\"]\n", "")
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn record(principal: &str, groups: &[&str], argv: &[&str]) -> String {
    let record = json!({
        "event": "decision", "principal": principal, "groups": groups, "tool": argv[0],
        "argv": argv, "cluster": "prod", "target": "https://10.0.0.1:6443/", "effect": "allow",
    });
    format!("{record}\n")
}

const PODS_OF_WEB: [&str; 5] = ["kubectl", "--v=0", "get", "--namespace=web", "pods.v1."];

#[test]
fn diff_judges_a_record_as_who_asked_where() {
    let folder = tempfile::tempdir().unwrap();
    let agents = write(folder.path(), "agents.toml", AGENTS);
    let log = record("agent-1", &["agents"], &PODS_OF_WEB) + &record("ci-1", &[], &PODS_OF_WEB);
    let log = write(folder.path(), "audit.jsonl", &log);
    let same = airlock(&["policy", "diff", &agents, &agents, &log], "");
    assert_eq!(
        (text(&same.stdout).as_str(), same.status.code()),
        ("0 newly allowed, 0 newly denied, 2 as before\n", Some(0))
    );
    let all = write(folder.path(), "all.toml", &everybody());
    let wider = airlock(&["policy", "diff", &agents, &all, &log], "");
    assert_eq!(
        (text(&wider.stdout).as_str(), wider.status.code()),
        (
            "+ kubectl get pods -n web   as `ci-1`   on `prod`   rule look (all.toml:4)\n\
             1 newly allowed, 0 newly denied, 1 as before\n",
            Some(1)
        )
    );
    // `anonymous` may nothing by any of them: that is what a judge sees who forgets who asked.
    let lines = "kubectl get pods -n web\n";
    let none = airlock(&["policy", "diff", &agents, &all], lines);
    assert_eq!(none.status.code(), Some(0));
    let flags = ["--principal", "ci-1", "--cluster", "prod"];
    let by_flags = airlock(
        &[&["policy", "diff", &agents, &all], &flags[..]].concat(),
        lines,
    );
    assert_eq!(by_flags.status.code(), Some(1));
}

#[test]
fn diff_counts_what_is_no_command_apart_and_fails_where_nothing_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let agents = write(folder.path(), "agents.toml", AGENTS);
    let unread = "{\"event\":\"decision\",\"effect\":\"deny\",\"reason\":\"no command\"}\n";
    let lines = format!("kubectl get pods\nfoo\n{unread}");
    let output = airlock(&["policy", "diff", &agents, "builtin:read-only"], &lines);
    assert_eq!(
        text(&output.stdout),
        "+ kubectl get pods   rule get (reading.toml:105)\n\
         ? line 2: `foo`   the command does not begin with the name of a tool\n\
         1 newly allowed, 0 newly denied, 0 as before, 2 not readable as commands\n"
            .replace("105", &line_of_rule("reading", "get"))
    );
    assert_eq!(output.status.code(), Some(1));
    let zero = airlock(
        &[
            "policy",
            "diff",
            &agents,
            "builtin:read-only",
            "--exit-zero",
        ],
        &lines,
    );
    assert_eq!(
        (zero.status.code(), &zero.stdout),
        (Some(0), &output.stdout)
    );
    let nothing = airlock(&["policy", "diff", &agents, &agents], "foo\nbar\n");
    assert_eq!(nothing.status.code(), Some(2));
    assert!(
        text(&nothing.stderr).starts_with("error[unreadable]: no line holds a command: line 1 "),
        "{}",
        text(&nothing.stderr)
    );
}

/// The line of a rule in a shipped policy.
fn line_of_rule(policy: &str, id: &str) -> String {
    let path = format!("{}/policy/{policy}.toml", env!("CARGO_MANIFEST_DIR"));
    let file = fs::read_to_string(path).unwrap();
    let at = file
        .lines()
        .position(|line| line == format!("id = \"{id}\""));
    (at.unwrap() + 1).to_string()
}

#[test]
fn diff_as_json_says_who_what_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let agents = write(folder.path(), "agents.toml", AGENTS);
    let all = write(folder.path(), "all.toml", &everybody());
    let log = record("ci-1", &["builds"], &PODS_OF_WEB).repeat(3) + "foo\n";
    let output = airlock(&["policy", "diff", &all, &agents, "--json"], &log);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        found,
        json!({
            "differs": true, "newly_allowed": 0, "newly_denied": 1, "same": 0, "without_command": 0,
            "changes": [{
                "command": "kubectl get pods -n web", "line": 1, "times": 3,
                "principal": "ci-1", "groups": ["builds"], "namespace": "default",
                "cluster": ["prod", "10.0.0.1:6443", "10.0.0.1"],
                "before": "allow", "after": "deny", "rule": "look (agents.toml:4)",
                "reason": "`kubectl get` is not allowed for this caller",
            }],
            "unread": [{
                "line": 4, "command": "foo", "code": "invalid_request",
                "reason": "the command does not begin with the name of a tool",
            }],
        })
    );
}

#[test]
fn a_table_says_who_asks_where_and_flags_say_it_for_rows_that_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let agents = write(folder.path(), "agents.toml", AGENTS);
    let table = "tool\tcommand\texpected\tprincipal\tgroups\tcluster\tnamespace\n\
                 kubectl\tget pods\tallow\tagent-1\tx,agents\tprod\tweb\n\
                 kubectl\tget pods -n web\tdeny\tagent-1\tagents\tstaging\t\n\
                 kubectl\tget pods -n web\tdeny\tci-1\t\tprod\t\n\
                 kubectl\tget pods -n web\tallow\n";
    let table = write(folder.path(), "cases.tsv", table);
    let test = |more: &[&str]| {
        let command = ["policy", "test", "--policy", &agents, &table];
        airlock(&[&command, more].concat(), "")
    };
    let output = test(&["--group", "agents", "--cluster", "prod"]);
    assert_eq!(
        (text(&output.stdout).as_str(), output.status.code()),
        (
            "0 examples and tests of the policy hold\n4 passed, 0 failed\n",
            Some(0)
        )
    );
    let output = test(&["--json"]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (
            &found["failed"],
            &found["failures"][0]["line"],
            &found["failures"][0]["expected"],
            &found["failures"][0]["effect"],
            output.status.code()
        ),
        (
            &json!(1),
            &json!(5),
            &json!("allow"),
            &json!("deny"),
            Some(1)
        )
    );
    let wrong = write(folder.path(), "w.tsv", "tool\tcommand\texpected\tgroup\n");
    let output = airlock(&["policy", "test", &wrong], "");
    assert_eq!(
        (text(&output.stderr).as_str(), output.status.code()),
        (
            "error: line 1 of the table names a column `group`; did you mean `groups`?\n",
            Some(2)
        )
    );
}

/// Two tests that fail: one is denied, one is allowed.
fn with_failing_tests() -> String {
    let test = |run: &str, expect: &str| {
        format!(
            "\n[[test]]\nrun = \"{run}\"\nexpect = \"{expect}\"\ngroups = [\"agents\"]\ncluster = \"prod\"\n"
        )
    };
    let passing = test("kubectl get pods -n web", "allow");
    AGENTS.to_owned()
        + &passing
        + &test("kubectl get pods -n shop", "allow")
        + &test("kubectl get pods -n web", "deny")
}

#[test]
fn explain_answers_about_a_file_whose_tests_fail() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "agents.toml", &with_failing_tests());
    let explain = |more: &[&str]| {
        let asker = [
            "--group",
            "agents",
            "--cluster",
            "prod",
            "--namespace",
            "web",
        ];
        let command = ["policy", "explain", "--policy", &file];
        let words = ["--", "kubectl", "get", "pods"];
        airlock(&[&command, &asker[..], more, &words].concat(), "")
    };
    let output = explain(&[]);
    assert!(
        text(&output.stdout)
            .starts_with("allow: kubectl get pods\n  rule    look (agents.toml:4)\n"),
        "{}",
        text(&output.stdout)
    );
    let warned = text(&output.stderr);
    assert!(
        warned
            .starts_with("warning: 2 examples and tests of the policy fail, so no server loads it")
            && warned.contains("agents.toml:21:7: this test is denied")
            && output.status.success(),
        "{warned}"
    );
    let found: Value = serde_json::from_slice(&explain(&["--json"]).stdout).unwrap();
    assert_eq!(
        (&found["effect"], &found["groups"], &found["rules"]),
        (
            &json!("allow"),
            &json!(["agents"]),
            &json!([{ "rule": "look (agents.toml:4)", "effect": "allow", "matches": true }])
        )
    );
    // In force it is not: a server, and what judges for one, refuses the file.
    for command in ["diff", "test"] {
        let more = match command {
            "diff" => vec!["policy", "diff", &file, &file],
            _ => vec!["policy", "test", "--policy", &file],
        };
        assert_eq!(airlock(&more, "kubectl get pods\n").status.code(), Some(2));
    }
}

#[test]
fn check_shows_the_rules_near_a_failed_test() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "agents.toml", &with_failing_tests());
    let output = airlock(&["policy", "check", &file], "");
    let told = text(&output.stdout);
    assert!(
        told.contains(
            "  the rules about its verb:\n    allow   look (agents.toml:4) does not match: `kubectl get` is not allowed in this namespace\n"
        ) && told.contains("    allow   look (agents.toml:4) matches\n"),
        "{told}"
    );
    assert_eq!(output.status.code(), Some(1));
    let output = airlock(
        &["policy", "check", "--json", &file, "builtin:standard"],
        "",
    );
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (
            &found["ok"],
            &found["files"][0]["ok"],
            &found["files"][1]["ok"]
        ),
        (&json!(false), &json!(false), &json!(true))
    );
    assert_eq!(
        found["files"][0]["findings"][0],
        json!({
            "code": "policy_invalid", "severity": "error", "file": "agents.toml", "line": 21, "column": 7,
            "message": "this test is denied: `kubectl get` is not allowed in this namespace",
            "near": [{
                "rule": "look (agents.toml:4)", "effect": "allow", "matches": false,
                "why": "`kubectl get` is not allowed in this namespace",
            }],
        })
    );
    assert!(found["files"][1]["rules"].as_u64().unwrap() > 10, "{found}");
}

#[test]
fn errors_are_json_where_answers_are() {
    let folder = tempfile::tempdir().unwrap();
    let broken = write(
        folder.path(),
        "p.toml",
        "schema = 1\n[[rule]]\nid = \"a\"\neffect = \"alow\"\n",
    );
    for command in [
        vec!["policy", "diff", "--json", &broken, &broken],
        vec!["policy", "suggest", "--json", "--policy", &broken],
        vec!["policy", "test", "--json", "--policy", &broken],
        vec![
            "policy", "explain", "--json", "--policy", &broken, "--", "kubectl",
        ],
    ] {
        let output = airlock(&command, "");
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (
                &found["error"]["code"],
                output.status.code(),
                text(&output.stderr).as_str()
            ),
            (&json!("policy_invalid"), Some(2), ""),
            "{command:?}"
        );
        let finding = &found["error"]["findings"][0];
        assert_eq!(
            (&finding["file"], &finding["line"], &finding["column"]),
            (&json!("p.toml"), &json!(4), &json!(10)),
            "{command:?}"
        );
    }
    let missing = airlock(&["policy", "show", "--json", "nothing"], "");
    let found: Value = serde_json::from_slice(&missing.stdout).unwrap();
    assert_eq!(found["error"]["code"], json!("settings_invalid"));
    let shown = airlock(&["policy", "show", "--json", "standard"], "");
    let found: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert!(
        found["text"].as_str().unwrap().starts_with('#')
            || found["text"].as_str().unwrap().contains("schema = 1")
    );
}

/// A rule about hours counts at the moment that is asked about, and at none where none is.
#[test]
fn rules_about_hours_are_explained_and_tested_at_a_moment() {
    let folder = tempfile::tempdir().unwrap();
    let hours = everybody().replace(
        "tool = ",
        "days = [\"mon-fri\"]\nhours = \"08:00-18:00\"\ntime_zone = \"UTC\"\ntool = ",
    );
    let policy = write(folder.path(), "hours.toml", &hours);
    let command = "kubectl get pods -n web";
    let table = write(
        folder.path(),
        "cases.tsv",
        &format!("kubectl\t{command}\tallow\n"),
    );
    let on_prod = ["--cluster", "prod"];
    for (at, effect) in [
        (&["--at", "2026-11-30T09:00:00Z"][..], "allow"), // a Monday
        (&["--at", "2026-11-30T18:00:00Z"], "deny"),
        (&["--at", "2026-11-29T09:00:00Z"], "deny"),
        (&[], "deny"),
    ] {
        let explain = ["policy", "explain", "--policy", &policy, "--json"];
        let explained = airlock(&[&explain, &on_prod[..], at, &["--", command]].concat(), "");
        let found: Value = serde_json::from_slice(&explained.stdout).unwrap();
        assert_eq!(found["effect"], effect, "{at:?}: {found}");
        let matches = &found["rules"][0]["matches"];
        assert_eq!(*matches, effect == "allow", "{at:?}: {found}");
        let test = ["policy", "test", "--policy", &policy, &table];
        let tested = airlock(&[&test, &on_prod[..], at].concat(), "");
        let holds = tested.status.code() == Some(0);
        assert_eq!(holds, effect == "allow", "{at:?}: {}", text(&tested.stdout));
    }
    let now = airlock(&["policy", "explain", "--at", "now", "--", command], "");
    assert!(now.status.success(), "{}", text(&now.stderr));
    let wrong = airlock(&["policy", "explain", "--at", "noon", "--", command], "");
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("2026-11-30T09:00:00Z"));
}

/// Manifests of a team's own.
const MANIFESTS: &str = r#"schema = 1

[[rule]]
id = "manifests"
effect = "allow"
reason = "for a test"
tool = "kubectl"
verbs = ["apply"]
values = { "--filename" = ["-", "*.yaml"] }
objects = [{ resources = ["pods"], pod_security = "baseline" }]

[[rule]]
id = "reading"
effect = "allow"
reason = "for a test"
tool = "kubectl"
verbs = ["get"]
"#;

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n";

#[test]
fn a_batch_judges_a_command_with_what_comes_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let policy = write(folder.path(), "team.toml", MANIFESTS);
    let explain = [
        "policy", "explain", "--batch", "--tool", "kubectl", "--policy", &policy,
    ];
    let document = format!("apply -f - <<EOF\n{POD}EOF");
    let much = "x".repeat((1 << 20) + 1);
    let privileged = format!("{POD}spec: {{hostNetwork: true}}\n");
    for (asked, effect, code) in [
        (json!(document), "allow", None),
        (json!("apply -f -"), "deny", Some("policy_denied")),
        (json!("apply -f /etc/passwd"), "deny", Some("policy_denied")),
        (json!({ "command": "get pods" }), "allow", None),
        (json!({ "command": document }), "allow", None),
        (
            json!({ "command": "apply -f -", "stdin": POD }),
            "allow",
            None,
        ),
        (
            json!({ "command": "apply -f -", "stdin": privileged }),
            "deny",
            Some("policy_denied"),
        ),
        (
            json!({ "command": "apply -f -", "stdin": "kind: Pod" }),
            "deny",
            Some("invalid_manifest"),
        ),
        (
            json!({ "command": "apply -f a.yaml", "stdin": null, "files": { "a.yaml": POD } }),
            "allow",
            None,
        ),
        (
            json!({ "command": "apply -f a", "files": { "a": POD } }),
            "deny",
            Some("policy_denied"),
        ),
        (
            json!({ "command": "apply -f -", "files": null }),
            "deny",
            Some("policy_denied"),
        ),
        (
            json!({ "command": "apply -f a.yaml" }),
            "deny",
            Some("policy_denied"),
        ),
        (
            json!({ "command": "get pods", "stdin": "" }),
            "deny",
            Some("invalid_data"),
        ),
        (
            json!({ "command": document, "stdin": "" }),
            "deny",
            Some("invalid_data"),
        ),
        (
            json!({ "command": "apply -f -", "stdin": much }),
            "deny",
            Some("data_too_large"),
        ),
        (
            json!({ "command": "apply -f - | id", "stdin": "" }),
            "deny",
            Some("invalid_command"),
        ),
    ] {
        let output = airlock(&explain, &format!("{asked}\n"));
        let told: Value = serde_json::from_str(&text(&output.stdout)).unwrap();
        let decided = (told["effect"].as_str().unwrap(), told["code"].as_str());
        assert_eq!(decided, (effect, code), "{asked}: {told}");
        assert_eq!(told["argv"].is_null(), effect == "deny", "{told}");
    }
    for wrong in [
        "{}",
        "[\"get\"]",
        r#"{"command": "get pods", "input": "x"}"#,
        "1",
    ] {
        let output = airlock(&explain, &format!("{wrong}\n"));
        let told = text(&output.stdout);
        assert!(
            !output.status.success() && !told.contains("effect"),
            "{wrong}: {told}"
        );
    }
}
