//! The cluster's own audit log and our records say the same of a call, and are joined by its id.

use std::{collections::BTreeMap, fs, path::Path, thread};

use serde_json::{Value, json};

use crate::{
    harness::{Cluster, audited_programs, base64_of, eventually},
    preview,
};

const LOGGED: &str = "
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules: [{level: Metadata}]
";

/// What calls do here, and whether each is a preview.
const COMMANDS: &[(&str, bool)] = &[
    ("get pods -A", false),
    ("describe deploy worker", false),
    ("create configmap joined --from-literal=a=b", false),
    ("create configmap joined --from-literal=a=b", false),
    ("label configmap joined tier=one", true),
    ("label configmap joined app-config tier=one", false),
    ("annotate statefulset web note=x", false),
    ("scale deploy worker --replicas=3", false),
    ("set image deploy/worker worker=demo/worker:2", true),
    ("rollout restart deploy worker", false),
    ("exec web-0 -- true", false),
    (
        "drain node1 --ignore-daemonsets --delete-emptydir-data --force --timeout=30s",
        true,
    ),
    ("delete configmap joined", true),
    ("delete configmap joined", false),
    ("delete pods -l app=web -n web --wait=false", false),
    ("auth can-i get pods", false),
];

/// The audit log's events of requests that this server sent.
fn logged(log: &Path) -> Vec<Value> {
    let text = fs::read_to_string(log).unwrap();
    let events = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let is_ours = |event: &Value| {
        let agent = event["userAgent"].as_str();
        agent.is_some_and(|agent| agent.contains("kube-airlock/"))
    };
    events.filter(is_ours).collect()
}

/// A write as both tell it: verb, kind, namespace, name, status.
type Write = String;

/// The writes of a call in the cluster's log. It does not have the name of what is created.
fn writes_of_log(events: &[&Value]) -> BTreeMap<Write, usize> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut writes = BTreeMap::new();
    for event in events {
        let (verb, object) = (text(&event["verb"]), &event["objectRef"]);
        let [resource, group, part] =
            ["resource", "apiGroup", "subresource"].map(|key| text(&object[key]));
        let runs = matches!(part.as_str(), "exec" | "attach" | "portforward");
        let reads = matches!(verb.as_str(), "get" | "list" | "watch") && !runs;
        if reads || resource.ends_with("reviews") {
            continue;
        }
        let kind = match group.as_str() {
            "" => resource,
            group => format!("{resource}.{group}"),
        };
        let kind = match part.as_str() {
            "" => kind,
            part => format!("{kind}/{part}"),
        };
        let name = match verb == "create" && part.is_empty() {
            true => String::new(),
            false => text(&object["name"]),
        };
        let (namespace, status) = (text(&object["namespace"]), &event["responseStatus"]["code"]);
        let write = format!("{verb} {kind} {namespace}/{name} {status}");
        *writes.entry(write).or_default() += 1;
    }
    writes
}

fn writes_of_record(effects: &Value) -> BTreeMap<Write, usize> {
    let mut writes = BTreeMap::new();
    for write in effects["writes"].as_array().into_iter().flatten() {
        let text = |key: &str| write[key].as_str().unwrap_or_default();
        let (verb, kind) = (text("verb"), text("resource"));
        let name = match verb == "create" && !kind.contains('/') {
            true => "",
            false => text("name"),
        };
        let write = format!(
            "{verb} {kind} {}/{name} {}",
            text("namespace"),
            write["status"]
        );
        *writes.entry(write).or_default() += 1;
    }
    writes
}

#[test]
fn the_clusters_log_has_every_call_and_each_write_of_it_and_no_other() {
    let work = tempfile::tempdir().unwrap();
    let own = Cluster::of(&audited_programs(work.path(), LOGGED), &[]);
    let (_settings, server) = preview::server(&own, "");
    let kubeconfig = base64_of(&own.admin);
    let call = |(line, is_preview): &(&str, bool)| {
        let mut body = json!({ "command": line });
        if *is_preview {
            body["dry_run"] = json!("server");
        }
        let headers = [
            ("Content-Type", "application/json"),
            ("X-Kubeconfig", kubeconfig.as_str()),
        ];
        let body = body.to_string();
        server
            .send("POST", "/tools/kubectl", &headers, body.as_bytes())
            .json()
    };
    let mut replies: Vec<Value> = COMMANDS.iter().map(call).collect();
    // Calls at once, each of which asks several things at once.
    replies.extend(thread::scope(|scope| {
        let describes = ("describe node node1", false);
        let calls: Vec<_> = (0..4)
            .map(|_| scope.spawn(move || call(&describes)))
            .collect();
        calls
            .into_iter()
            .map(|one| one.join().unwrap())
            .collect::<Vec<_>>()
    }));
    let events = logged(&work.path().join("audit.log"));
    let mut ids: Vec<&str> = events
        .iter()
        .map(|event| event["auditID"].as_str().unwrap())
        .collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "each request has an id of its own");
    for reply in &replies {
        let id = reply["request_id"].as_str().unwrap();
        let is_of_call = |record: &Value| record["request_id"] == id && record["event"] == "end";
        eventually("it is recorded", || server.records().iter().any(is_of_call));
        let record = server.records().into_iter().find(is_of_call).unwrap();
        let prefix = format!("{id}-");
        let of_call: Vec<&Value> = events
            .iter()
            .filter(|event| event["auditID"].as_str().unwrap().starts_with(&prefix))
            .collect();
        assert!(
            !of_call.is_empty(),
            "the cluster knows nothing of {reply:#}"
        );
        assert_eq!(
            writes_of_log(&of_call),
            writes_of_record(&record["effects"]),
            "{reply:#}"
        );
        let agent = |event: &&Value| event["userAgent"].as_str().unwrap().contains(id);
        assert!(of_call.iter().all(agent), "{of_call:?}");
    }
    let known = |event: &Value| {
        let id = event["auditID"].as_str().unwrap();
        replies
            .iter()
            .any(|reply| id.starts_with(reply["request_id"].as_str().unwrap()))
    };
    assert!(events.iter().all(known), "a request is of no call");
    // The versions are those that the cluster had.
    let write = |at: usize| replies[at]["effects"]["writes"][0].clone();
    let (label, annotate) = (write(5), write(6));
    for write in [&label, &annotate] {
        let [before, after] = ["resource_version_before", "resource_version"].map(|key| {
            write[key]
                .as_str()
                .and_then(|text| text.parse::<u64>().ok())
                .unwrap()
        });
        assert!(before < after, "{write}");
    }
    let made = write(2);
    assert_eq!(made.get("resource_version_before"), None, "{made}");
    assert_eq!(label["resource_version_before"], made["resource_version"]);
}
