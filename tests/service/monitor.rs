//! The second monitor: API requests end at this server, which judges them and sends them on with
//! the credential that the tool has not.

use std::{fs, os::unix::fs::FileExt as _, process::Command, thread, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    harness::{Server, as_admin, base64_of, cluster, eventually, is_root, readable_folder, tools},
    pipes::looked,
};

const JUDGED: &str =
    "policy = [\"builtin:admin\"]\n[limits]\nrate = 0\n[api]\nkubectl = \"require\"\n";
const UNJUDGED: &str =
    "policy = [\"builtin:admin\"]\n[limits]\nrate = 0\n[api]\nkubectl = \"off\"\n";

/// What lets a caller read and change Secrets.
const SECRETS: &str = r#"
schema = 1
[[rule]]
id = "secrets"
effect = "allow"
reason = "for a test"
tool = "kubectl"
verbs = ["get", "describe", "label", "annotate"]
resources = ["secrets", "configmaps"]
flags = ["--watch", "--overwrite", "--all-namespaces", "--selector", "--request-timeout", "--show-managed-fields"]
values = { "--output" = ["*"], "--template" = ["*"], "--sort-by" = ["*"] }
"#;

/// What a caller sees of an answer, without what differs from one to the next.
fn seen(reply: &Value) -> Value {
    json!([
        reply["success"],
        reply["exit_code"],
        reply["output"],
        reply["error"],
        reply["code"]
    ])
}

#[test]
fn a_judged_tool_prints_what_any_other_does() {
    let (_folder, judged) = Server::with_settings(JUDGED);
    let (_other, unjudged) = Server::with_settings(UNJUDGED);
    let kubeconfig = base64_of(&cluster().view);
    for command in [
        "version",
        "cluster-info",
        "api-resources",
        "explain pod.spec --recursive --max-depth=2",
        "auth can-i get pods",
        "auth whoami",
        "get pods -A -o name",
        "get po web-0 -o jsonpath='{.metadata.name}'",
        "get deploy,svc -n web -o yaml",
        "get pod no-such-pod",
        "get nodes -o wide --no-headers | wc -l",
        "describe deploy web -n web",
        "rollout history deploy/worker",
        "rollout status statefulset/web --watch=false",
        "logs web-0 --tail=2",
        "get cm app-config -o yaml",
        "top pod -A --no-headers | wc -l",
        "get --raw /readyz",
    ] {
        // A second may pass between two calls that print how old something is.
        let both = || {
            [&judged, &unjudged].map(|server| seen(&server.kubectl(command, &kubeconfig).json()))
        };
        let [mut reply, mut other] = both();
        for _ in 0..3 {
            if reply != other {
                [reply, other] = both();
            }
        }
        assert_eq!(reply, other, "{command}");
    }
}

#[test]
fn what_a_call_did_is_told_and_recorded() {
    let (_folder, server) = Server::with_settings(JUDGED);
    let admin = base64_of(&cluster().admin);
    as_admin(&["create", "configmap", "judged", "--from-literal=a=b"], "");
    let reply = server
        .kubectl("label configmap judged tier=one --overwrite", &admin)
        .json();
    let write = &reply["effects"]["writes"][0];
    assert_eq!(
        (
            write["verb"].as_str(),
            write["resource"].as_str(),
            write["name"].as_str(),
            write["status"].as_u64()
        ),
        (Some("patch"), Some("configmaps"), Some("judged"), Some(200)),
        "{reply}"
    );
    assert!(
        write["uid"].is_string() && write["resource_version"].is_string(),
        "{write}"
    );
    let of_call =
        |record: &Value| record["request_id"] == reply["request_id"] && record["event"] == "end";
    eventually("it is recorded", || server.records().iter().any(of_call));
    let record = server.records().into_iter().find(of_call).unwrap();
    assert_eq!(record["effects"], reply["effects"]);
    assert_eq!(
        server.kubectl("delete configmap judged", &admin).json()["success"],
        true
    );
}

#[test]
fn no_form_of_output_shows_the_value_of_a_secret() {
    let folder = readable_folder();
    let policy = folder.path().join("policy.toml");
    fs::write(&policy, SECRETS).unwrap();
    let settings = JUDGED.replace("builtin:admin", policy.to_str().unwrap());
    let (_folder, server) = Server::with_settings(&settings);
    let admin = base64_of(&cluster().admin);
    let value = "d0ntTellThis-7c1f0a9d3eb2";
    let encoded = BASE64_STANDARD.encode(value);
    let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hidden"}, "stringData": {"password": value, "again": value}});
    // Its annotation has the object as it was applied.
    assert!(as_admin(&["apply", "-f", "-"], &object.to_string()));
    let get = |command: &str| server.kubectl(command, &admin).json();
    let mut marks = Vec::new();
    for command in [
        "get secret hidden -o jsonpath={.data.password}",
        "get secret hidden -o jsonpath={.data.again}",
        "get secret hidden -o jsonpath='{.metadata.annotations}'",
        "get secret hidden -o 'go-template={{.data.password | base64decode}}'",
        "get secret hidden -o custom-columns=A:.data.password",
        "get secret hidden -o json",
        "get secret hidden -o yaml",
        "get secrets -o jsonpath='{.items[*].data}'",
        "get secrets -o json",
        "get secrets --sort-by=.data.password",
        "get secrets -w -o jsonpath={.data.password} --request-timeout=2s",
        "get secrets",
        "describe secret hidden",
        "label secret hidden tier=one --overwrite -o json",
        "get secrets,configmaps -o yaml",
    ] {
        let reply = get(command);
        assert_eq!(reply["code"], Value::Null, "{command}: {reply}");
        assert!(
            !reply["output"].as_str().unwrap().is_empty(),
            "{command}: {reply}"
        );
        let told = reply.to_string();
        assert!(
            !told.contains(value) && !told.contains(&encoded),
            "{command}: {told}"
        );
        marks.push(reply["output"].clone());
    }
    assert_ne!(marks[0], marks[1], "a mark is one call's");
    assert!(
        marks[3]
            .as_str()
            .unwrap()
            .starts_with("REDACTED-BY-AIRLOCK--"),
        "{}",
        marks[3]
    );
    let kept = |path: &str| {
        let path = format!("jsonpath={{.data.{path}}}");
        let kubectl = Command::new(tools().join("kubectl"))
            .args(["get", "secret", "hidden", "-o", &path])
            .env("KUBECONFIG", &cluster().admin)
            .output();
        String::from_utf8(kubectl.unwrap().stdout).unwrap()
    };
    assert_eq!(
        (kept("password"), kept("again")),
        (encoded.clone(), encoded),
        "no mark is written"
    );
    assert!(as_admin(&["delete", "secret", "hidden"], ""));
}

#[test]
fn a_child_holds_no_credential() {
    assert!(
        is_root(),
        "this test needs root; run `make test` as root, or see CONTRIBUTING.md"
    );
    let (_folder, judged) = Server::with_settings(JUDGED);
    let (_other, unjudged) = Server::with_settings(UNJUDGED);
    let admin = fs::read_to_string(&cluster().admin).unwrap();
    let secrets = secrets_of(&admin);
    assert!(!secrets.is_empty());
    assert!(
        holds_one(&unjudged, &secrets),
        "the test finds them where they are"
    );
    assert!(
        !holds_one(&judged, &secrets),
        "a credential is in the child"
    );
}

/// Whether a child that runs holds one of these texts, as anybody sees it who may look.
fn holds_one(server: &Server, secrets: &[String]) -> bool {
    looked(server);
    thread::scope(|scope| {
        let kubeconfig = base64_of(&cluster().admin);
        scope.spawn(move || server.kubectl("get pods -w --request-timeout=6s", &kubeconfig));
        eventually("it runs", || !server.children().is_empty());
        thread::sleep(Duration::from_secs(2));
        let held: Vec<Vec<u8>> = server
            .children()
            .into_iter()
            .filter_map(memory_of_process)
            .collect();
        assert!(held.iter().any(|held| held.len() > 1 << 20));
        let holds = |held: &Vec<u8>| {
            let mut secrets = secrets.iter();
            secrets.any(|secret| memchr::memmem::find(held, secret.as_bytes()).is_some())
        };
        held.iter().any(holds)
    })
}

/// The texts of a kubeconfig that identify somebody, and a piece of each as it is in DER or PEM.
fn secrets_of(kubeconfig: &str) -> Vec<String> {
    let line = |key: &str| {
        let lines = kubeconfig.lines().map(str::trim);
        lines
            .filter_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    [line("token"), line("client-key-data")].concat()
}

/// All that a process has in its memory and environment, as the kernel shows it to root; none where
/// it has ended.
fn memory_of_process(pid: u32) -> Option<Vec<u8>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let memory = fs::File::open(format!("/proc/{pid}/mem")).ok()?;
    let mut held = fs::read(format!("/proc/{pid}/environ")).ok()?;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (from, to) = line.split(' ').next()?.split_once('-')?;
        let [from, to] = [from, to].map(|hex| u64::from_str_radix(hex, 16).unwrap());
        let mut part = vec![0; usize::try_from(to - from).unwrap().min(64 << 20)];
        if memory.read_at(&mut part, from).is_ok() {
            held.extend(part);
        }
    }
    Some(held)
}
