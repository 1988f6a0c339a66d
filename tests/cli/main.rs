//! What do the operator's commands print?

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics fails"
)]
#![allow(clippy::disallowed_methods, reason = "tests start processes")]

mod catalogue;
mod config;
mod hints;
mod include;
mod judging;
mod serving;
mod suggest;

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
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn explain_says_the_decision_the_rule_and_what_came_near() {
    let output = airlock(
        &["policy", "explain", "--", "kubectl", "get", "pods", "-w"],
        "",
    );
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
fn explain_says_what_a_command_may_ask_of_the_api() {
    let command = ["--", "kubectl", "logs", "deploy/app", "-n", "web"];
    let output = airlock(
        &[&["policy", "explain", "--api"][..], &command].concat(),
        "",
    );
    let told = text(&output.stdout);
    let (_, told) = told.split_once("may ask of the Kubernetes API:\n").unwrap();
    for line in [
        "  get deployments.apps app in namespace web\n",
        "  list, watch pods in namespace web with labelSelector (any) (the pods of a workload",
        "  get pods/log (those that its answers name) in namespace web\n",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
    let batch = ["policy", "explain", "--api", "--batch", "--tool", "kubectl"];
    let output = airlock(&batch, "\"version\"\n\"delete pod x\"\n");
    let told = text(&output.stdout);
    let mut lines = told
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["api"].clone());
    assert_eq!(
        lines.next().unwrap(),
        serde_json::json!([{"may": "get /version"}])
    );
    // One that is refused asks nothing.
    assert_eq!(lines.next().unwrap(), serde_json::json!([]));
}

#[test]
fn explain_batch_writes_one_object_per_line() {
    let output = airlock(
        &["policy", "explain", "--batch", "--tool", "kubectl"],
        "\"get po -Aowide\"\n\"kubectl delete pod x\"\n\"get pods; id\"\n\"gett\"\n",
    );
    let lines: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let effects: Vec<_> = lines
        .iter()
        .map(|line| (line["effect"].as_str().unwrap(), line["code"].as_str()))
        .collect();
    assert_eq!(
        effects,
        [
            ("allow", None),
            ("deny", Some("policy_denied")),
            ("deny", Some("invalid_command")),
            ("deny", Some("invalid_command"))
        ]
    );
    assert_eq!(
        lines[0]["argv"],
        serde_json::json!([
            "kubectl",
            "--v=0",
            "get",
            "--all-namespaces=true",
            "--output=wide",
            "pods.v1."
        ])
    );
    assert_eq!(
        (&lines[0]["verb"], &lines[0]["operands"]),
        (
            &serde_json::json!(["get"]),
            &serde_json::json!(["pods.v1."])
        )
    );
    assert_eq!(
        lines[0]["flags"],
        serde_json::json!({ "all-namespaces": ["true"], "output": ["wide"] })
    );
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
    let (place, line) = (
        told.find("[team-a.toml:7:10]").unwrap(),
        told.find("7 │ verbs = [\"gett\"]").unwrap(),
    );
    assert!(
        place < line
            && told.contains("has no verb `gett`")
            && told.contains("help: did you mean `get`?"),
        "{told}"
    );
    assert!(
        told[line..].contains("·          ───┬──"),
        "the word is underlined: {told}"
    );
    let short = text(&airlock(&["policy", "check", "--short", file.to_str().unwrap()], "").stdout);
    assert!(
        short.contains("team-a.toml:7:10: kubectl 1.37.2 or 1.36.6 has no verb")
            && short.contains("help: did you mean `get`?"),
        "{short}"
    );
}

/// One mistake a rule; what their author sees is compared with tests/cli/snapshots.
const MISTAKES: [&str; 14] = [
    r#"verbs = ["gett"]"#,
    r#"verbs = ["config unset"]"#,
    r#"verbs = ["@reed"]"#,
    r#"verbs = ["get"]
flags = ["--selecter"]"#,
    r#"verbs = ["get"]
flags = ["--token"]"#,
    r#"verbs = ["get"]
flags = ["--output"]"#,
    r#"verbs = ["get"]
resources = ["po"]"#,
    r#"verbs = ["get"]
resources = "@readble""#,
    r#"verbs = ["logs"]
values = { "--tail" = ["500..0"] }"#,
    r#"verbs = ["logs"]
values = { "--tail" = ["..60s"] }"#,
    r#"verbs = ["get", "wait"]
require = ["--timeout"]"#,
    r#"verbs = ["get"]
namespaces = []"#,
    r#"verbs = ["get"]
resources = ["pods"]
matches = ["kubectl get pods -n web -o json"]"#,
    r#"verbs = ["get"]
resources = ["pods"]
rejects = ["kubectl get po"]"#,
];

#[test]
fn a_mistake_is_underlined_and_says_what_to_do() {
    let head = |id: usize| {
        format!(
            "[[rule]]\nid = \"r{id}\"\neffect = \"allow\"\nreason = \"because\"\ntool = \"kubectl\"\n"
        )
    };
    let mut told = String::new();
    for (id, mistake) in MISTAKES.iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("team-a.toml");
        fs::write(
            &file,
            format!(
                "schema = 1\n\n[sets]\nreadable = [\"pods\"]\n\n{}{mistake}\n",
                head(id)
            ),
        )
        .unwrap();
        let output = airlock(&["policy", "check", file.to_str().unwrap()], "");
        assert!(!output.status.success(), "{mistake}");
        told += &text(&output.stdout);
        told.push('\n');
    }
    insta::assert_snapshot!("mistakes", told);
}

/// One mistake of settings a file; what their author reads is compared with tests/cli/snapshots.
const WRONG_SETTINGS: [&str; 14] = [
    "listn = \"127.0.0.1:9096\"",
    "listen = \"localhost\"",
    "[limits]\ntimeout = \"30\"",
    "[limits]\ntimeout = \"5m\"",
    "[limits]\nmemory = \"1MiB\"",
    "[limits]\nqueue = 64\nmemory = \"1GB\"",
    "[limits]\nconcurrency = 4\nmemory_budget = \"2GiB\"",
    "[warm]\ndiscovery = \"7h\"",
    "[sandbox.layers]\nsecomp = \"off\"",
    "[[caller]]\nprincipal = \"web\"\ntoken_sha256 = \"x\"",
    "[egress]\nallow = [\"10.0.0.0/8\", \"localhost\"]",
    "[audit]\nkeep = 0",
    "[clusters.Prod]\nkubeconfig = \"prod\"",
    "[[kubeconfig.token_source]]\nplugin = \"aws\"\nclusters = [\"*\"]\ntoken_file = \"token\"",
];

#[test]
fn a_mistake_in_the_settings_is_underlined_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut said = String::new();
    for mistake in WRONG_SETTINGS {
        fs::write(
            folder.path().join("airlock.toml"),
            format!("# Ours.\n{mistake}\n"),
        )
        .unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_kube-airlock"))
            .args(["serve", "--config", "airlock.toml"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(!output.status.success(), "{mistake}");
        said += &text(&output.stderr);
        said.push('\n');
    }
    insta::assert_snapshot!("wrong_settings", said);
}

#[test]
fn the_shipped_policies_load_without_a_warning() {
    for shipped in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/policy"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        if shipped
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let output = airlock(
                &["policy", "check", "--short", shipped.to_str().unwrap()],
                "",
            );
            let printed = text(&output.stdout);
            assert!(
                printed.starts_with(&format!("{}: ok", shipped.display())),
                "{printed}"
            );
            assert_eq!(printed.lines().count(), 1, "{printed}");
        }
    }
}

#[test]
fn every_verb_and_flag_has_a_class_and_every_class_a_verb_or_flag() {
    let output = airlock(&["catalogue", "check"], "");
    assert!(output.status.success(), "{}", text(&output.stdout));
    assert!(
        text(&output.stdout).contains("kubectl 1.37.2: 109 verbs"),
        "{}",
        text(&output.stdout)
    );
}

#[test]
fn a_table_of_cases_is_tested_and_a_wrong_one_is_shown_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("cases.tsv");
    fs::write(
        &table,
        "tool\tcommand\texpected\nkubectl\tget pods\tallow\nkubectl\tget pods\\ndelete pod x\tdeny\nkubectl\tget secrets\tallow\n",
    )
    .unwrap();
    let output = airlock(&["policy", "test", table.to_str().unwrap()], "");
    assert!(!output.status.success());
    let told = text(&output.stdout);
    assert!(
        told.contains(
            "line 4: kubectl get secrets\n  expected allow, found deny\n  rule    no-secrets"
        ),
        "{told}"
    );
    assert!(told.ends_with(" passed, 1 failed\n"), "{told}");
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
        "- kubectl get pods\n+ kubectl rollout restart deploy/web   rule restart (new.toml:3)\n1 newly allowed, 1 newly denied, 1 as before\n"
    );
}

#[test]
fn the_schema_accepts_the_shipped_policy_by_its_keys() {
    let schema: Value =
        serde_json::from_str(&text(&airlock(&["policy", "schema"], "").stdout)).unwrap();
    let keys: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    for key in ["schema", "include", "sets", "rule", "test"] {
        assert!(keys.iter().any(|known| *known == key), "{keys:?}");
    }
}

#[test]
fn minify_shows_what_a_child_would_get_without_the_secrets() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/kubeconfig");
    let shown = text(
        &airlock(
            &[
                "kubeconfig",
                "minify",
                &format!("{corpus}/ok-clientcert-data.yaml"),
            ],
            "",
        )
        .stdout,
    );
    let value: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        value["users"][0]["user"]["client-key-data"], "REDACTED",
        "{shown}"
    );
    assert_eq!(value["clusters"].as_array().unwrap().len(), 1);
    let file = fs::read_to_string(format!("{corpus}/ok-token.yaml")).unwrap();
    let token = file
        .lines()
        .find_map(|line| line.trim().strip_prefix("token: "))
        .unwrap();
    let shown = text(&airlock(&["kubeconfig", "minify", "-"], &file).stdout);
    assert!(
        shown.contains("REDACTED") && !shown.contains(token),
        "{shown}"
    );
    let refused = airlock(
        &[
            "kubeconfig",
            "check",
            &format!("{corpus}/bad-exec-plugin-relative.yaml"),
        ],
        "",
    );
    let told = text(&refused.stdout);
    assert!(
        !refused.status.success()
            && told.contains("refused, invalid_kubeconfig")
            && told.contains("kubectl create token"),
        "{told}"
    );
}

#[test]
fn settings_open_kubeconfigs_only_for_whom_they_name() {
    let folder = tempfile::tempdir().unwrap();
    let (settings, kubeconfig) = (
        folder.path().join("airlock.toml"),
        folder.path().join("kubeconfig"),
    );
    fs::write(
        &kubeconfig,
        "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'https://a.eks.example'}}]\nusers: [{name: u, user: {exec: {command: aws, args: [eks, get-token]}}}]\ncontexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n",
    )
    .unwrap();
    let source = |clusters: &str| {
        format!(
            "[[kubeconfig.token_source]]\nplugin = \"aws eks get-token\"\nclusters = {clusters}\ntoken_file = \"/run/token\"\n"
        )
    };
    let check = |text: &str| {
        fs::write(&settings, text).unwrap();
        airlock(
            &[
                "kubeconfig",
                "check",
                "--config",
                settings.to_str().unwrap(),
                kubeconfig.to_str().unwrap(),
            ],
            "",
        )
    };
    assert!(check(&source("[\"*.eks.example\"]")).status.success());
    assert!(text(&check(&source("[\"*.other.example\"]")).stdout).contains("for this server"));
    assert!(text(&check("").stdout).contains("`users[].user.exec`"));
    assert!(text(&check(&source("[\"*\"]")).stderr).contains("would get the token"));
}

#[test]
fn a_public_address_is_refused_with_the_way_to_accept_it() {
    let output = airlock(&["serve", "--listen", "0.0.0.0:9096"], "");
    assert!(!output.status.success());
    let told = text(&output.stderr);
    assert!(
        told.contains("can be reached from other hosts") && told.contains("--insecure-no-auth"),
        "{told}"
    );
}

#[test]
fn a_policy_that_does_not_load_stops_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.toml");
    fs::write(&file, "schema = 2\n").unwrap();
    let output = airlock(
        &[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--policy",
            file.to_str().unwrap(),
        ],
        "",
    );
    assert!(!output.status.success());
    assert!(
        text(&output.stderr)
            .contains("this server reads policy files of schema 1\n   ╭─[p.toml:1:10]"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn the_policy_of_the_tutorial_loads() {
    let tutorial = include_str!("../../docs/policy.md");
    let policy = tutorial
        .split("```toml\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("team-web.toml");
    fs::write(&file, policy).unwrap();
    let output = airlock(&["policy", "check", file.to_str().unwrap()], "");
    let checked = text(&output.stdout);
    assert_eq!(checked, format!("{}: ok\n", file.display()));
    let explained = text(
        &airlock(
            &[
                "policy",
                "explain",
                "--policy",
                file.to_str().unwrap(),
                "--",
                "kubectl",
                "get",
                "pods",
                "-n",
                "kube-system",
            ],
            "",
        )
        .stdout,
    );
    assert!(
        tutorial.contains(&explained),
        "the tutorial shows another answer:\n{explained}"
    );
}

/// A chain as a server writes it, made without one: each line is sealed by what the manual says.
fn chain(members: &[&str]) -> Vec<String> {
    use sha2::{Digest, Sha256};
    let mut prev = "0".repeat(64);
    let line = |(at, members): (usize, &&str)| {
        let sealed = format!(
            "{{\"seq\":{},\"prev\":\"{prev}\",\"time\":\"2026-11-23T04:00:0{at}.000Z\",{members}",
            at + 1
        );
        prev = Sha256::digest(&sealed)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("{sealed},\"hash\":\"{prev}\"}}\n")
    };
    members.iter().enumerate().map(line).collect()
}

#[test]
fn verify_says_whether_records_are_whole_and_where_they_are_not() {
    let whole = chain(&[
        r#""event":"start","version":"0.1.0","pid":7"#,
        r#""event":"decision","request_id":"a","effect":"allow""#,
        r#""event":"decision","request_id":"b","effect":"allow""#,
        r#""event":"end","request_id":"a","exit_code":0"#,
        r#""event":"start","version":"0.1.0","pid":8"#,
        r#""event":"stop""#,
    ]);
    let verify = |lines: &[String], more: &[&str]| {
        let output = airlock(
            &[&["audit", "verify"], more, &["-"]].concat(),
            &lines.concat(),
        );
        (
            output.status.code().unwrap(),
            text(&output.stdout) + &text(&output.stderr),
        )
    };
    let mut told = String::new();
    let mut tell = |what: &str, (status, output): (i32, String)| {
        told += &format!("# {what}: exit status {status}\n{output}\n")
    };
    tell("whole, with a call that a crash ended", verify(&whole, &[]));
    let last = whole[5].split("\"hash\":\"").nth(1).unwrap()[..64].to_owned();
    tell(
        "the end as it was kept",
        verify(&whole, &["--expect-last", &last]),
    );
    tell(
        "cut off at the end",
        verify(&whole[..4], &["--expect-last", &last]),
    );
    let mut changed = whole.clone();
    changed[1] = changed[1].replace("\"a\"", "\"x\"");
    tell("changed", verify(&changed, &[]));
    tell("missing", verify(&[&whole[..2], &whole[4..]].concat(), &[]));
    tell(
        "reordered",
        verify(&[whole[0].clone(), whole[2].clone(), whole[1].clone()], &[]),
    );
    tell(
        "a part, as a collector of logs has it",
        verify(&whole[2..], &["--part"]),
    );
    tell("a part that nobody expects", verify(&whole[2..], &[]));
    tell("something else", verify(&["listening\n".to_owned()], &[]));
    tell("as JSON", verify(&changed, &["--json"]));
    tell(
        "a record as it was kept",
        verify(&whole[..4], &["--expect", &last]),
    );
    tell("no hash", verify(&whole, &["--expect-last", "abc"]));
    let missing = airlock(&["audit", "verify", "/nonexistent/audit.jsonl"], "");
    tell(
        "no file",
        (missing.status.code().unwrap(), text(&missing.stderr)),
    );
    insta::assert_snapshot!("audit-verify", told);
    // Full files are read before the one that names them, whoever lists them.
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for (name, lines) in [
        ("a.2", &whole[..2]),
        ("a.1", &whole[2..3]),
        ("a", &whole[3..]),
    ] {
        fs::write(path(name), lines.concat()).unwrap();
    }
    for files in [vec![path("a")], vec![path("a"), path("a.1"), path("a.2")]] {
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let output = airlock(
            &[
                &["audit", "verify", "--expect-last", &last],
                files.as_slice(),
            ]
            .concat(),
            "",
        );
        assert!(output.status.success(), "{}", text(&output.stdout));
    }
}
