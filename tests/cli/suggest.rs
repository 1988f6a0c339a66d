//! Does a suggested file allow exactly what it says, to whom it says?

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{airlock, text};

fn record(principal: &str, groups: &[&str], argv: &[&str]) -> String {
    let record = json!({
        "event": "decision", "principal": principal, "groups": groups, "tool": argv[0], "argv": argv,
        "target": "https://10.0.0.1:6443/", "effect": "deny", "code": "policy_denied",
    });
    format!("{record}\n")
}

/// A log of denials, and of some that are none.
fn log() -> String {
    let scale = |ns: &str, replicas: &str, name: &str| {
        let (ns, replicas) = (
            format!("--namespace={ns}"),
            format!("--replicas={replicas}"),
        );
        let argv = ["kubectl", "--v=0", "scale", &ns, &replicas, name];
        record("ops-1", &["ops"], &argv)
    };
    [
        scale("web", "3", "deployments.v1.apps/web"),
        scale("web", "3", "deployments.v1.apps/web"),
        scale("web", "3", "deployments.v1.apps/api"),
        scale("shop", "5", "deployments.v1.apps/web"),
        record("ops-1", &["ops"], &["helm", "rollback", "web"]),
        record("ops-1", &["ops"], &["kubectl", "--v=0", "exec", "--namespace=web", "pods.v1./web-0", "--", "ls"]),
        record("ops-1", &["ops"], &["kubectl", "--v=0", "get", "--namespace=web", "secrets.v1."]),
        record("ops-1", &["ops"], &["helm", "get", "values", "web"]),
        record("ops-1", &["ops"], &["kubectl", "--v=0", "delete", "--namespace=web", "pods.v1.", "web-0"]),
        record("ops-1", &["ops"], &["kubectl", "--v=0", "label", "--namespace=web", "pods.v1.", "web-0", "a=b"]),
        record("ops-1", &["ops"], &["kubectl", "--v=0", "annotate", "--namespace=web", "pods.v1.", "web-0", "a=*"]),
        record("ops-1", &["ops"], &["kubectl", "--v=0", "set", "image", "--namespace=web", "deployments.v1.apps/web", "app=r.example/web:2"]),
        record("ops-1", &["ops"], &["argocd", "app", "sync", "--project=web"]),
        record("ops-1", &["ops"], &["kubectl", "--v=0", "proxy"]),
        record("ops-1", &["ops"], &["kubectl", "--v=0", "get", "--namespace=web", "pods.v1."]),
        "{\"event\":\"decision\",\"principal\":\"ops-1\",\"effect\":\"deny\",\"reason\":\"no command\"}\n".into(),
        "{\"event\":\"end\",\"exit_code\":0}\n".into(),
    ]
    .concat()
}

fn suggested(folder: &Path, more: &[&str]) -> String {
    let log_file = folder.join("audit.jsonl");
    fs::write(&log_file, log()).unwrap();
    let command = ["policy", "suggest", log_file.to_str().unwrap()];
    let output = airlock(&[&command, more].concat(), "");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let file = folder.join("suggested.toml");
    fs::write(&file, &output.stdout).unwrap();
    file.to_str().unwrap().to_owned()
}

/// The decision about a command of `ops-1` on the server of the log.
fn decided(policy: &str, more: &[&str], command: &str) -> String {
    let explain = ["policy", "explain", "--policy", policy, "--json"];
    let output = airlock(&[&explain, more, &["--", command]].concat(), "");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    found["effect"].as_str().unwrap().to_owned()
}

const OPS: [&str; 6] = [
    "--principal",
    "ops-1",
    "--group",
    "ops",
    "--cluster",
    "10.0.0.1:6443",
];

#[test]
fn a_suggestion_loads_and_allows_what_was_denied_and_nothing_near_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = suggested(folder.path(), &[]);
    let told = fs::read_to_string(&file).unwrap();
    let checked = airlock(&["policy", "check", &file], "");
    assert!(
        checked.status.success(),
        "{}\n{told}",
        text(&checked.stdout)
    );
    for (command, effect) in [
        // What was sent.
        ("kubectl scale deploy/web --replicas=3 -n web", "allow"),
        ("kubectl scale deploy/api --replicas=3 -n web", "allow"),
        ("kubectl scale deploy/web --replicas=5 -n shop", "allow"),
        ("helm rollback web", "allow"),
        ("kubectl label pods web-0 a=b -n web", "allow"),
        (
            "kubectl set image deploy/web app=r.example/web:2 -n web",
            "allow",
        ),
        // Near it: two of its lists crossed, another name, value, kind, place; more names; less said.
        ("kubectl scale deploy/web --replicas=5 -n web", "deny"),
        ("kubectl scale deploy/api --replicas=5 -n shop", "deny"),
        ("kubectl scale deploy/db --replicas=3 -n web", "deny"),
        ("kubectl scale deploy/web --replicas=4 -n web", "deny"),
        ("kubectl scale sts/web --replicas=3 -n web", "deny"),
        ("kubectl scale deploy/web --replicas=3", "deny"),
        (
            "kubectl scale deploy/web --replicas=3 -n kube-system",
            "deny",
        ),
        (
            "kubectl scale deploy/web deploy/api --replicas=3 -n web",
            "deny",
        ),
        ("helm rollback web 2", "deny"),
        ("kubectl label pods web-0 a=c -n web", "deny"),
        ("kubectl label pods web-0 b=b -n web", "deny"),
        ("kubectl label pods web-0 a- -n web", "deny"),
        (
            "kubectl set image deploy/web app=r.example/api:2 -n web",
            "deny",
        ),
        (
            "kubectl set image deploy/web *=r.example/web:2 -n web",
            "deny",
        ),
        ("argocd app sync --project web", "deny"),
        ("helm rollback web -n kube-system", "deny"),
        ("helm rollback api", "deny"),
        // Held back, and what is near that.
        ("kubectl exec web-0 -n web -- ls", "deny"),
        (
            "kubectl exec etcd-0 -n kube-system -- cat /etc/shadow",
            "deny",
        ),
        ("kubectl delete pods web-0 -n web", "deny"),
        ("kubectl delete pod etcd-0 coredns -n kube-system", "deny"),
        ("kubectl get secrets -n web", "deny"),
        ("helm get values web", "deny"),
        ("kubectl annotate pods web-0 a=b -n web", "deny"),
    ] {
        assert_eq!(decided(&file, &OPS, command), effect, "{command}\n{told}");
    }
    // Nobody else, and no other cluster.
    let web = "kubectl scale deploy/web --replicas=3 -n web";
    for asker in [
        vec![],
        vec![
            "--principal",
            "ops-2",
            "--group",
            "ops",
            "--cluster",
            "10.0.0.1:6443",
        ],
        vec!["--principal", "ops-1", "--cluster", "10.0.0.2:6443"],
    ] {
        assert_eq!(decided(&file, &asker, web), "deny", "{asker:?}");
    }
}

#[test]
fn the_replayed_log_says_that_only_the_suggested_commands_are_newly_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let file = suggested(folder.path(), &[]);
    let log = folder.path().join("audit.jsonl");
    let nothing = folder.path().join("nothing.toml");
    fs::write(&nothing, "schema = 1\n").unwrap();
    let diff = [
        "policy",
        "diff",
        nothing.to_str().unwrap(),
        &file,
        log.to_str().unwrap(),
        "--json",
    ];
    let found: Value = serde_json::from_slice(&airlock(&diff, "").stdout).unwrap();
    let commands = |found: &Value, list: &str| -> Vec<String> {
        let list = found[list].as_array().unwrap().iter();
        list.map(|one| one["command"].as_str().unwrap().to_owned())
            .collect()
    };
    let mut replayed = commands(&found, "changes");
    replayed.sort();
    let suggest = ["policy", "suggest", log.to_str().unwrap(), "--json"];
    let said: Value = serde_json::from_slice(&airlock(&suggest, "").stdout).unwrap();
    let active = said["rules"].as_array().unwrap().iter();
    let mut promised: Vec<String> = active
        .filter(|rule| rule["held_back"].is_null())
        .flat_map(|rule| rule["commands"].as_array().unwrap().clone())
        // An example says the namespace of the context, which the command did not.
        .map(|command| command.as_str().unwrap().replace(" -n default", ""))
        .collect();
    promised.sort();
    assert_eq!(replayed, promised);
    assert_eq!(replayed.len(), 6);
    assert_eq!(
        (&said["allowed"], &said["without_command"]),
        (&json!(1), &json!(1))
    );
}

#[test]
fn what_is_held_back_says_why_and_is_as_narrow_when_it_is_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let file = suggested(folder.path(), &[]);
    let told = fs::read_to_string(&file).unwrap();
    for why in [
        "# 5 rules allow 6 commands and nothing beside them; 6 more are comments.",
        "# `kubectl proxy` is never allowed: ",
        "# `kubectl scale` stays denied while the rule no-writing",
        "# Not suggested: `kubectl exec`: it runs a program\n",
        "# Not suggested: `kubectl get` touches Secrets here\n",
        "# Not suggested: `helm get values`: it prints credentials, or content that holds them\n",
        "# Not suggested: `kubectl delete`: what it removes is gone\n",
        "# Not suggested: no rule can say `a=*`, in which `*` is a pattern\n",
        "# Denied 3 times to `ops-1`, of `ops`.\n",
    ] {
        assert!(told.contains(why), "{why}\n{told}");
    }
    // Take the comments away, as an operator does who wants the rule.
    let mut open = String::new();
    for line in told.lines() {
        let rule = line.strip_prefix("# ").filter(|rest| {
            rest.starts_with("[[rule]]")
                || rest.starts_with('[')
                || rest.contains(" = ")
                || rest.starts_with("    ")
                || rest.starts_with(']')
        });
        open += rule.unwrap_or(line);
        open.push('\n');
    }
    let opened = folder.path().join("opened.toml");
    fs::write(&opened, &open).unwrap();
    let opened = opened.to_str().unwrap();
    for (command, effect) in [
        ("kubectl delete pods web-0 -n web", "allow"),
        ("kubectl delete pods web-1 -n web", "deny"),
        ("kubectl delete pods web-0 -n kube-system", "deny"),
        ("kubectl delete pods -n web", "deny"),
        ("kubectl exec pod/web-0 -n web -- ls", "allow"),
        ("kubectl exec pod/etcd-0 -n web -- ls", "deny"),
        ("kubectl get secrets -n web", "allow"),
        ("kubectl get secrets db -n web", "deny"),
        ("kubectl get secrets -n shop", "deny"),
        ("argocd app sync --project web", "allow"),
        ("argocd app sync --project shop", "deny"),
        ("argocd app sync web", "deny"),
    ] {
        assert_eq!(decided(opened, &OPS, command), effect, "{command}\n{open}");
    }
}

#[test]
fn rules_know_callers_by_their_groups_where_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let file = suggested(folder.path(), &["--by", "group"]);
    let web = "kubectl scale deploy/web --replicas=3 -n web";
    let ops = [
        "--principal",
        "ops-2",
        "--group",
        "ops",
        "--cluster",
        "10.0.0.1:6443",
    ];
    assert_eq!(decided(&file, &ops, web), "allow");
    let others = [
        "--principal",
        "ops-1",
        "--group",
        "dev",
        "--cluster",
        "10.0.0.1:6443",
    ];
    assert_eq!(decided(&file, &others, web), "deny");
}

#[test]
fn lines_without_a_sender_are_suggested_for_the_sender_of_the_flags() {
    let lines = "kubectl rollout restart deploy/web\nkubectl get pods -l 'a in (b,c)' -o wide\n";
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, output: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, output).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let nothing = write("nothing.toml", b"schema = 1\n");
    let suggest = [
        "policy",
        "suggest",
        "--policy",
        &nothing,
        "--namespace",
        "web",
    ];
    let output = airlock(&[&suggest[..], &["--principal", "ci-1"]].concat(), lines);
    let file = write("ci.toml", &output.stdout);
    let restart = "kubectl rollout restart deploy/web -n web";
    assert_eq!(decided(&file, &["--principal", "ci-1"], restart), "allow");
    assert_eq!(decided(&file, &[], restart), "deny");
    let all = "kubectl rollout restart deploy -n web";
    assert_eq!(decided(&file, &["--principal", "ci-1"], all), "deny");
    let pods = "kubectl get pods -l 'a in (b,c)' -o wide -n web";
    assert_eq!(decided(&file, &["--principal", "ci-1"], pods), "allow");
    let everything = "kubectl get pods -o wide -n web";
    assert_eq!(decided(&file, &["--principal", "ci-1"], everything), "deny");
    let open = write("all.toml", &airlock(&suggest, lines).stdout);
    assert_eq!(decided(&open, &[], restart), "allow");
    assert!(
        fs::read_to_string(&open)
            .unwrap()
            .contains("the log does not say to whom, so it is for everybody")
    );
}

#[test]
fn a_log_without_refusals_names_the_file_that_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let log_file = folder.path().join("audit.jsonl");
    fs::write(&log_file, "").unwrap();
    let told = || {
        let command = ["policy", "suggest", log_file.to_str().unwrap()];
        let output = airlock(&command, "");
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    assert!(!told().contains(".refused"));
    let refusals = folder.path().join("audit.jsonl.refused");
    fs::write(&refusals, log()).unwrap();
    let name = refusals.display();
    assert!(
        told().contains(&format!(
            "# nothing was denied in it: refusals are recorded in {name}\n"
        )),
        "{}",
        told()
    );
}
