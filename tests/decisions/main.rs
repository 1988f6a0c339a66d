//! What do the shipped policies say to a command line, and the kubeconfig room to a kubeconfig?

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics fails"
)]
#![allow(clippy::disallowed_methods, reason = "tests start processes")]

mod hints;
mod raw;
mod recordings;

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

use kube_airlock::{policy::unescaped, tool::Tool};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");

/// What `policy explain --batch` says under a shipped policy to command lines of one tool.
fn explained(policy: &str, tool: &str, commands: &[&str]) -> Vec<serde_json::Value> {
    let policy = format!("{}/policy/{policy}.toml", env!("CARGO_MANIFEST_DIR"));
    explained_by(&policy, tool, commands)
}

/// The same under the policy of a file.
fn explained_by(policy: &str, tool: &str, commands: &[&str]) -> Vec<serde_json::Value> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kube-airlock"))
        .args([
            "policy", "explain", "--batch", "--tool", tool, "--policy", policy,
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: Vec<String> = commands
        .iter()
        .map(|command| serde_json::to_string(command).unwrap())
        .collect();
    let mut input = child.stdin.take().unwrap();
    let writing = std::thread::spawn(move || input.write_all(lines.join("\n").as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    let answers: Vec<_> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers.len(), commands.len(), "one answer per line");
    answers
}

/// Holds the rows of a table, `(tool, command, expected)`, to a shipped policy.
fn hold(policy: &str, rows: &[(&str, String, &str)]) {
    let is_about_all_tools = rows.len() > 100;
    let mut wrong = Vec::new();
    for tool in Tool::all() {
        let rows: Vec<_> = rows
            .iter()
            .filter(|(of, ..)| *of == tool.as_str())
            .collect();
        if rows.is_empty() && !is_about_all_tools {
            continue;
        }
        assert!(
            rows.len() > 20 || !is_about_all_tools,
            "{tool} has {} rows",
            rows.len()
        );
        let commands: Vec<&str> = rows
            .iter()
            .map(|(_, command, _)| command.as_str())
            .collect();
        for ((_, command, expected), found) in
            rows.iter().zip(explained(policy, tool.as_str(), &commands))
        {
            if found["effect"] != *expected {
                wrong.push(format!(
                    "{tool} {command:?}: expected {expected}, found {} by {} ({})",
                    found["effect"], found["rule"], found["reason"]
                ));
            }
            assert_eq!(
                found["effect"] == "deny",
                found["argv"].is_null(),
                "only what may run has an argv: {found}"
            );
        }
    }
    assert!(
        wrong.is_empty(),
        "{policy}: {} rows:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_row_of_the_read_only_corpus_gets_its_decision() {
    let text = fs::read_to_string(format!("{CORPUS}/commands-read-only.tsv")).unwrap();
    let columns: Vec<Vec<&str>> = text
        .lines()
        .skip(1)
        .map(|line| line.split('\t').collect())
        .collect();
    let rows: Vec<_> = columns
        .iter()
        .map(|row| (row[0], unescaped(row[1]), row[2]))
        .collect();
    hold("read-only", &rows);
}

#[test]
fn every_row_of_the_presets_corpus_gets_its_three_decisions() {
    let text = fs::read_to_string(format!("{CORPUS}/commands-presets.tsv")).unwrap();
    let columns: Vec<Vec<&str>> = text
        .lines()
        .skip(1)
        .map(|line| line.split('\t').collect())
        .collect();
    for (preset, column) in [("read-only", 2), ("standard", 3), ("admin", 4)] {
        let rows: Vec<_> = columns
            .iter()
            .map(|row| (row[1], unescaped(row[0]), row[column]))
            .collect();
        hold(preset, &rows);
    }
}

/// Commands that were once let through.
#[test]
fn every_row_of_the_attack_corpus_gets_its_decision() {
    let text = fs::read_to_string(format!("{CORPUS}/attack.tsv")).unwrap();
    let columns: Vec<Vec<&str>> = text
        .lines()
        .skip(1)
        .map(|line| line.split('\t').collect())
        .collect();
    for preset in ["read-only", "standard", "admin"] {
        let of_preset = columns.iter().filter(|row| row[4] == preset);
        let rows: Vec<_> = of_preset
            .map(|row| (row[0], unescaped(row[1]), row[2]))
            .collect();
        assert!(!rows.is_empty());
        hold(preset, &rows);
    }
}

#[test]
fn custom_resources_of_a_policy_are_explained_as_a_cluster_would_have_them() {
    let commands = [
        "get certificates -A",
        "describe Certificate web -n shop",
        "get pipelineruns.tekton.dev build -n ci -o yaml",
        "get pods -A",
        "get widgets",
        "get helmreleases -A -o yaml",
    ];
    let said = |found: &serde_json::Value| {
        let changes = found["changes"].as_array().cloned().unwrap_or_default();
        (
            found["effect"].as_str().unwrap().to_owned(),
            !changes.is_empty(),
        )
    };
    let found: Vec<_> = explained("read-only", "kubectl", &commands)
        .iter()
        .map(said)
        .collect();
    let (allow, deny) = ("allow".to_owned(), "deny".to_owned());
    assert_eq!(
        found,
        [
            (allow.clone(), true),
            (allow.clone(), true),
            (allow.clone(), true),
            (allow, false),
            (deny.clone(), false),
            (deny, true)
        ]
    );
}

/// Refusals of every kind; what callers read about them is compared with tests/decisions/snapshots.
const REFUSED: [(&str, &str); 75] = [
    ("kubectl", ""),
    ("kubectl", "get pods | grep -f /etc/passwd"),
    ("kubectl", "get pods | grep --ignore-cas web"),
    ("kubectl", "get pods | xargs kubectl delete pod"),
    ("kubectl", "get pods | sort /etc/passwd"),
    ("kubectl", "get pods | awk 'BEGIN{system(\"id\")}'"),
    ("kubectl", "get pods | | head"),
    ("kubectl", "get pods 2>&1 || true"),
    ("kubectl", "get pods && kubectl get svc"),
    ("kubectl", "get pods > pods.txt"),
    ("kubectl", "get pods -n $NAMESPACE"),
    ("kubectl", "get pods -n <namespace>"),
    ("kubectl", "get pods -l 'app=web"),
    ("kubectl", "get pods\nget svc"),
    ("kubectl", "get\u{a0}pods"),
    ("kubectl", "helm list"),
    ("kubectl", "pods"),
    ("kubectl", "gett pods"),
    ("kubectl", "krew install x"),
    ("kubectl", "rollout"),
    ("kubectl", "rollout restrat deploy/web"),
    ("kubectl", "get pods --sellector app=web"),
    ("kubectl", "get pods --all_namespaces"),
    ("kubectl", "get pods -Z"),
    ("kubectl", "get pods -n"),
    ("kubectl", "get pods -n Team_A"),
    ("kubectl", "get pods -n a -n b"),
    ("kubectl", "--tail=5 logs web-0"),
    ("kubectl", "logs web-0 --tail=many"),
    ("kubectl", "get po/web-0 svc"),
    ("kubectl", "get all web"),
    ("kubectl", "get deploymnets"),
    ("kubectl", "get gateways"),
    ("kubectl", "get widgets"),
    ("kubectl", "get pods ../secrets/x"),
    ("kubectl", "exec web-0 ls"),
    ("kubectl", "get"),
    ("kubectl", "get secrets"),
    ("kubectl", "get secret db -o yaml"),
    ("kubectl", "get bgppeers.v1beta2.metallb.io"),
    ("kubectl", "get pods -w"),
    ("kubectl", "get pods -o go-template='{{.items}}'"),
    ("kubectl", "get pods -o jsonpath-file=/etc/passwd"),
    ("kubectl", "get pods --token=x"),
    ("kubectl", "get pods --context=prod"),
    ("kubectl", "get --raw /debug/pprof/heap"),
    ("kubectl", "get --raw /metrics"),
    ("kubectl", "get --raw /api/v1/namespaces/web/secrets/db"),
    ("kubectl", "get --raw /api/v1/namespaces/web%2fsecrets/db"),
    (
        "kubectl",
        "get --raw /api/v1/namespaces/web/services/web/proxy/admin",
    ),
    ("kubectl", "delete --raw /api/v1/namespaces/web/pods/web-0"),
    ("kubectl", "get pods -v=9"),
    ("kubectl", "get pods -f pods.yaml"),
    ("kubectl", "get pods --chunk-size=0"),
    ("kubectl", "logs -f web-0"),
    ("kubectl", "logs web-0 --tail=100000"),
    ("kubectl", "rollout status deploy/web --timeout=0"),
    ("kubectl", "wait pod/web-0"),
    ("kubectl", "delete pod web-0"),
    ("kubectl", "apply -f -"),
    ("kubectl", "exec web-0 -- ls"),
    ("kubectl", "port-forward svc/web 8080:80"),
    ("kubectl", "edit deploy/web"),
    ("kubectl", "config view --raw"),
    ("kubectl", "top pod a b"),
    ("helm", "install web ./chart"),
    ("helm", "upgrade web oci://charts.example.com/web"),
    ("helm", "get values web"),
    ("helm", "list --kube-token=x"),
    ("helm", "repo add x https://charts.example.com"),
    ("istioctl", "proxy-config secret web-0"),
    ("istioctl", "dashboard kiali"),
    ("istioctl", "analyze mesh.yaml"),
    ("argocd", "app get other/web"),
    ("argocd", "app sync web"),
];

#[test]
fn a_refusal_names_the_word_the_reason_and_a_way_out() {
    let mut told = String::new();
    for (tool, command) in REFUSED {
        let found = explained("read-only", tool, &[command]).remove(0);
        let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
        assert_eq!(text("effect"), "deny", "{command}");
        assert!(
            !text("reason").is_empty() && !text("hint").is_empty(),
            "{found}"
        );
        let rule = text("rule")
            .split_whitespace()
            .next()
            .map(|rule| format!(" by {rule}"))
            .unwrap_or_default();
        told += &format!(
            "{tool}: {command:?}\n  {}{rule}\n  {}\n  try: {}\n\n",
            text("code"),
            text("reason"),
            text("hint")
        );
    }
    insta::assert_snapshot!("refusals", told);
}

#[test]
fn every_kubeconfig_of_the_corpus_gets_its_decision() {
    let folder = format!("{CORPUS}/kubeconfig");
    let index = fs::read_to_string(format!("{folder}/INDEX.tsv")).unwrap();
    let rows: Vec<(String, &str)> = index
        .lines()
        .skip(1)
        .map(|line| {
            let mut columns = line.split('\t');
            (
                format!("{folder}/{}", columns.next().unwrap()),
                columns.next().unwrap(),
            )
        })
        .collect();
    let output = Command::new(env!("CARGO_BIN_EXE_kube-airlock"))
        .args(["kubeconfig", "check", "--json"])
        .args(rows.iter().map(|(file, _)| file))
        .output()
        .unwrap();
    assert!(!output.status.success(), "some are refused");
    let told: Vec<serde_json::Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(told.len(), rows.len());
    for ((file, expected), found) in rows.iter().zip(told) {
        assert_eq!(found["file"], *file);
        assert_eq!(found["accepted"], *expected == "accept", "{found}");
        assert_eq!(
            found["accepted"] == true,
            found["reason"].is_null() && found["code"].is_null(),
            "{found}"
        );
    }
}
