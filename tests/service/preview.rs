//! Calls of which nothing is kept: what they tell is what the same command then does, and until then
//! nothing changes.

use std::{cell::RefCell, collections::BTreeMap, fs, process::Command, thread, time::Duration};

use serde_json::{Value, json};

use crate::{
    harness::{Cluster, Server, base64_of, eventually, readable_folder, tools},
    preview_commands::COMMANDS,
};

const POLICY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/verbs/policy.toml");

/// A server of which every verb is allowed, with these settings besides.
pub fn server(cluster: &Cluster, settings: &str) -> (tempfile::TempDir, Server) {
    server_with(cluster, POLICY, settings)
}

pub fn server_with(cluster: &Cluster, policy: &str, settings: &str) -> (tempfile::TempDir, Server) {
    let folder = readable_folder();
    let config = folder.path().join("airlock.toml");
    let text = format!("policy = [{policy:?}]\n[limits]\nrate = 0\n{settings}");
    fs::write(&config, text).unwrap();
    let (tools, allowed) = (tools(), cluster.server.to_string());
    let flags = [
        "--tools-dir",
        tools.to_str().unwrap(),
        "--egress-allow",
        &allowed,
        "--config",
        config.to_str().unwrap(),
    ];
    (folder, Server::with(&flags, None))
}

/// Runs a command of any tool, in earnest or as a preview.
pub fn call(server: &Server, cluster: &Cluster, line: &str, is_preview: bool) -> Value {
    let tool = line.split(' ').next().unwrap();
    let mut body = json!({ "command": line });
    if is_preview {
        body["dry_run"] = json!("server");
    }
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Kubeconfig", &base64_of(&cluster.admin)),
    ];
    let path = format!("/tools/{tool}");
    server
        .send("POST", &path, &headers, body.to_string().as_bytes())
        .json()
}

/// What the stock kubectl prints as JSON.
fn stock(cluster: &Cluster, arguments: &[&str]) -> Option<Value> {
    let kubectl = Command::new(tools().join("kubectl"))
        .args(arguments)
        .env("KUBECONFIG", &cluster.admin)
        .output()
        .unwrap();
    serde_json::from_slice(&kubectl.stdout).ok()
}

/// Every object of the cluster with its version, but those that change by themselves.
fn everything(cluster: &Cluster) -> BTreeMap<String, String> {
    let kubectl = Command::new(tools().join("kubectl"))
        .args(["api-resources", "--verbs=list", "-o", "name"])
        .env("KUBECONFIG", &cluster.admin)
        .output()
        .unwrap();
    let kinds = String::from_utf8(kubectl.stdout).unwrap();
    let restless = ["events", "leases", "componentstatuses", "metrics.k8s.io"];
    let is_restless = |kind: &&str| restless.iter().any(|one| kind.contains(one));
    let kinds: Vec<&str> = kinds.lines().filter(|kind| !is_restless(kind)).collect();
    assert!(kinds.len() > 30, "{kinds:?}");
    versions(cluster, &["get", &kinds.join(","), "-A", "-o", "json"])
}

/// The same of what the commands of a test are about.
fn concerned(cluster: &Cluster, namespace: &str) -> BTreeMap<String, String> {
    let kinds = "namespaces,nodes,priorityclasses,configmaps,secrets,deployments,replicasets,pods,jobs,cronjobs,serviceaccounts,roles,rolebindings,services,endpointslices,ingresses,resourcequotas,poddisruptionbudgets,horizontalpodautoscalers";
    versions(cluster, &["get", kinds, "-n", namespace, "-o", "json"])
}

fn versions(cluster: &Cluster, arguments: &[&str]) -> BTreeMap<String, String> {
    let all = stock(cluster, arguments).unwrap();
    let objects = all["items"].as_array().unwrap().iter();
    let told = objects.map(|object| {
        let metadata = &object["metadata"];
        let name = format!(
            "{} {}/{}",
            object["kind"], metadata["namespace"], metadata["name"]
        );
        // A node says that it lives.
        let version = match object["kind"].as_str() {
            Some("Node") => object["spec"].to_string(),
            _ => metadata["resourceVersion"].to_string(),
        };
        (name, version)
    });
    told.collect()
}

/// An object without what a server or a controller fills in, which is another one each time.
fn tidy(mut object: Value) -> Value {
    fn walk(value: &mut Value) {
        if let Value::Object(fields) = value {
            for own in [
                "clusterIP",
                "clusterIPs",
                "nodePort",
                "status",
                "lastTransitionTime",
            ] {
                fields.remove(own);
            }
            fields.retain(|name, _| {
                !name.contains("deployment.kubernetes.io/revision")
                    && !name.contains("restartedAt")
                    && !name.contains("controller-uid")
            });
            fields.values_mut().for_each(walk);
            for empty in ["annotations", "taints"] {
                if fields
                    .get(empty)
                    .is_some_and(|it| *it == json!({}) || *it == json!([]))
                {
                    fields.remove(empty);
                }
            }
        }
        if let Value::Array(entries) = value {
            // The node controller's own, a moment later.
            entries.retain(|entry| entry["key"] != "node.kubernetes.io/unschedulable");
            entries.iter_mut().for_each(walk);
        }
    }
    let metadata = object["metadata"].as_object_mut().unwrap();
    for own in [
        "creationTimestamp",
        "generation",
        "managedFields",
        "resourceVersion",
        "uid",
        "selfLink",
    ] {
        metadata.remove(own);
    }
    walk(&mut object);
    object
}

#[test]
fn a_preview_tells_what_the_same_command_then_does_and_changes_nothing() {
    let own = Cluster::start(&[]);
    let (_folder, server) = server(&own, "");
    let ns = "previews";
    assert!(own.as_admin(&["create", "namespace", ns], ""));
    let mut wrong = Vec::new();
    for (line, expected) in COMMANDS {
        let line = format!("kubectl {}", line.replace("{ns}", ns));
        if line.contains(" debug ") || line.contains(" delete pod ") {
            assert!(own.as_admin(&["wait", "--for=condition=Ready", "pod/lone", "-n", ns], ""));
        }
        settled(&own, ns);
        let before = concerned(&own, ns);
        let told = call(&server, &own, &line, true);
        let after = concerned(&own, ns);
        let changed: Vec<_> = after
            .iter()
            .filter(|(name, version)| before.get(*name) != Some(version))
            .collect();
        if !changed.is_empty() || before.len() != after.len() {
            wrong.push(format!("{line}: something changed: {changed:?}"));
        }
        if told["success"] != true {
            wrong.push(format!("{line}: {told:#}"));
            continue;
        }
        let preview = &told["effects"]["preview"];
        let objects = preview["objects"].as_array().unwrap();
        let mut short: Vec<String> = objects
            .iter()
            .map(|it| {
                format!(
                    "{} {} {}",
                    it["change"].as_str().unwrap(),
                    it["resource"].as_str().unwrap(),
                    it["name"].as_str().unwrap()
                )
            })
            .collect();
        let mut expected: Vec<String> = expected.iter().map(|it| it.replace("{ns}", ns)).collect();
        short.sort();
        expected.sort();
        if short != expected || preview.get("not_previewed").is_some() {
            wrong.push(format!("{line}: {short:?}: {preview:#}"));
        }
        let writes = told["effects"]["writes"].as_array().unwrap();
        assert!(
            writes.iter().all(|write| write["dry_run"] == true),
            "{line}: {told:#}"
        );
        let done = call(&server, &own, &line, false);
        if (&done["success"], &done["exit_code"]) != (&told["success"], &told["exit_code"]) {
            wrong.push(format!("{line}: in earnest: {done:#}\n{told:#}"));
        }
        for object in objects {
            let (kind, name) = (
                object["resource"].as_str().unwrap(),
                object["name"].as_str().unwrap(),
            );
            let namespace = object["namespace"].as_str().unwrap_or("default");
            let is = stock(&own, &["get", kind, name, "-n", namespace, "-o", "json"]);
            match (object["change"].as_str().unwrap(), is) {
                ("delete", is) => {
                    let is_there =
                        is.is_some_and(|is| is["metadata"].get("deletionTimestamp").is_none());
                    // A controller makes it again.
                    if is_there && name != "kube-root-ca.crt" {
                        wrong.push(format!("{line}: {name} is there"));
                    }
                    assert!(
                        object.get("after").is_none() && object["before"].is_object(),
                        "{object}"
                    );
                }
                (_, None) => wrong.push(format!("{line}: {name} is not there")),
                // A mark stands for what it holds.
                (_, Some(_)) if kind == "secrets" => {
                    let text = object.to_string();
                    assert!(
                        text.contains("REDACTED-BY-AIRLOCK") || text.contains("UkVEQUNURUQ"),
                        "{text}"
                    );
                    assert!(!text.contains("aHVzaA"), "{text}");
                }
                // The scheduler and kwok have begun to fill it in.
                (_, Some(_)) if kind == "pods" => {}
                (_, Some(is)) => {
                    let (is, was_told) = (tidy(is), tidy(object["after"].clone()));
                    if is != was_told {
                        wrong.push(format!("{line}: {name} is\n{is:#}\nand not\n{was_told:#}"));
                    }
                }
            }
            let differs = object["change"] != "nothing";
            if object.get("diff").is_some() != differs {
                wrong.push(format!("{line}: {object:#}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

/// Waits until nothing changes by itself.
fn settled(cluster: &Cluster, namespace: &str) {
    let is_done = || {
        let pods = stock(
            cluster,
            &["get", "deploy,pods,jobs", "-n", namespace, "-o", "json"],
        );
        let items = pods.unwrap()["items"].as_array().unwrap().clone();
        items.iter().all(|item| match item["kind"].as_str() {
            Some("Deployment") => {
                item["status"]["observedGeneration"] == item["metadata"]["generation"]
                    && item["status"]["readyReplicas"] == item["spec"]["replicas"]
                    && item["status"]["replicas"] == item["spec"]["replicas"]
            }
            Some("Job") => item["status"]["conditions"]
                .as_array()
                .is_some_and(|all| all.iter().any(|one| one["type"] == "Complete")),
            _ => {
                item["metadata"].get("deletionTimestamp").is_none()
                    && item["status"]["phase"] != "Pending"
            }
        })
    };
    eventually("nothing changes", is_done);
    // Controllers note what they have seen a little later.
    let last = RefCell::new(concerned(cluster, namespace));
    eventually("it stays so", || {
        thread::sleep(Duration::from_millis(250));
        let now = concerned(cluster, namespace);
        now == last.replace(now.clone())
    });
}

#[test]
fn what_takes_objects_away_ends_as_in_earnest_and_takes_none() {
    let own = Cluster::start(&[]);
    let (_folder, server) = server(&own, "");
    helm(
        &own,
        &[
            "install",
            "web",
            CHART,
            "-n",
            "charts",
            "--create-namespace",
        ],
    );
    helm(
        &own,
        &[
            "upgrade",
            "web",
            CHART,
            "-n",
            "charts",
            "--set",
            "greeting=hi",
        ],
    );
    settled(&own, "charts");
    let before = everything(&own);
    for (line, expected, missing) in [
        (
            "kubectl delete deploy web -n web",
            &["delete deployments.apps web"][..],
            "",
        ),
        (
            "kubectl delete namespace payments",
            &["delete namespaces payments"],
            "",
        ),
        (
            "kubectl delete pods --all -n web --grace-period=0 --force",
            &["delete pods *", "delete pods *"],
            "",
        ),
        (
            "kubectl delete node node1 --timeout=20s",
            &["delete nodes node1"],
            "",
        ),
        (
            "kubectl drain node1 --ignore-daemonsets --delete-emptydir-data --force --timeout=20s",
            &["update nodes node1", "delete pods *"],
            "",
        ),
        (
            "kubectl drain node1 --ignore-daemonsets --delete-emptydir-data --force --disable-eviction --timeout=20s",
            &["update nodes node1", "delete pods *"],
            "",
        ),
        (
            "kubectl drain node1 --ignore-daemonsets --delete-emptydir-data --force --dry-run=server",
            &["update nodes node1", "delete pods *"],
            "",
        ),
        (
            "helm rollback web 1 -n charts",
            &[
                "create secrets sh.helm.release.v1.web.v3",
                "update secrets sh.helm.release.v1.web.v2",
                "update configmaps web-greeting",
            ],
            "",
        ),
        (
            "helm rollback web 1 -n charts --wait --timeout 20s",
            &["update configmaps web-greeting"],
            "",
        ),
        (
            "helm uninstall web -n charts",
            &[
                "delete configmaps web-greeting",
                "delete secrets sh.helm.release.v1.web.v1",
                "delete secrets sh.helm.release.v1.web.v2",
            ],
            "",
        ),
        (
            "helm uninstall web -n charts --wait --timeout 20s",
            &["delete configmaps web-greeting"],
            "",
        ),
        (
            "helm uninstall web -n charts --keep-history",
            &[
                "delete configmaps web-greeting",
                "update secrets sh.helm.release.v1.web.v2",
            ],
            "",
        ),
        ("helm test web -n charts --timeout 20s", &[], "it is a hook"),
        ("kubectl exec web-0 -- true", &[], "cannot be previewed"),
        (
            "kubectl exec web-0 -- sh -c 'exit 3'",
            &[],
            "cannot be previewed",
        ),
        ("kubectl attach web-0", &[], "cannot be previewed"),
        ("kubectl create token default", &[], "a token that works"),
    ] {
        let told = call(&server, &own, line, true);
        let preview = &told["effects"]["preview"];
        let objects = preview["objects"].as_array().unwrap();
        let short = |it: &Value| {
            let text = |key: &str| it[key].as_str().unwrap().to_owned();
            format!("{} {} {}", text("change"), text("resource"), text("name"))
        };
        let short: Vec<String> = objects.iter().map(short).collect();
        for one in expected {
            let is_it = |it: &String| it.starts_with(one.trim_end_matches('*'));
            assert!(
                short.iter().any(is_it),
                "{line}: {one}: {short:?}: {told:#}"
            );
        }
        assert_eq!(
            told["success"] == true,
            missing.is_empty(),
            "{line}: {told:#}"
        );
        assert_eq!(told["code"], Value::Null, "{line}: {told:#}");
        let noted = preview["not_previewed"].to_string();
        assert!(noted.contains(missing), "{line}: {told:#}");
        assert_eq!(noted == "null", missing.is_empty(), "{line}: {told:#}");
        assert!(!told.to_string().contains("eyJhbGciOi"), "no token: {line}");
    }
    assert_eq!(everything(&own), before);
    // In earnest they do what they told.
    for (line, gone) in [
        ("kubectl delete deploy web -n web", ["deploy", "web", "web"]),
        (
            "helm uninstall web -n charts",
            ["configmap", "web-greeting", "charts"],
        ),
    ] {
        let done = call(&server, &own, line, false);
        assert_eq!(done["success"], true, "{line}: {done:#}");
        let [kind, name, namespace] = gone;
        assert!(
            !own.as_admin(&["get", kind, name, "-n", namespace], ""),
            "{line}"
        );
    }
}

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/verbs/chart");

fn helm(cluster: &Cluster, arguments: &[&str]) {
    let helm = Command::new(tools().join("helm"))
        .args(arguments)
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("KUBECONFIG", &cluster.admin)
        .output()
        .unwrap();
    assert!(
        helm.status.success(),
        "{}",
        String::from_utf8_lossy(&helm.stderr)
    );
}
