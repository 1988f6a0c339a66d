//! Calls of which nothing is kept: what they tell is what the same command then does, and until then
//! nothing changes.

use std::{cell::RefCell, collections::BTreeMap, fs, process::Command, thread, time::Duration};

use serde_json::{Value, json};

use crate::harness::{Cluster, Server, base64_of, cluster, eventually, readable_folder, tools};

const POLICY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/verbs/policy.toml");

/// A server of which every verb is allowed, with these settings besides.
fn server(cluster: &Cluster, settings: &str) -> (tempfile::TempDir, Server) {
    server_with(cluster, POLICY, settings)
}

fn server_with(cluster: &Cluster, policy: &str, settings: &str) -> (tempfile::TempDir, Server) {
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
fn call(server: &Server, cluster: &Cluster, line: &str, is_preview: bool) -> Value {
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

/// Commands in their order, each previewed and then run: what it would do, by object. `*` stands for
/// what the server chooses.
const COMMANDS: &[(&str, &[&str])] = &[
    (
        "create namespace {ns}-more",
        &["create namespaces {ns}-more"],
    ),
    (
        "create configmap settings --from-literal=a=1 -n {ns}",
        &["create configmaps settings"],
    ),
    (
        "create secret generic credential --from-literal=password=hush -n {ns}",
        &["create secrets credential"],
    ),
    (
        "create deployment app --image=demo/app:1 --replicas=2 --port=8080 -n {ns}",
        &["create deployments.apps app"],
    ),
    (
        "create job once --image=demo/job:1 -n {ns} -- true",
        &["create jobs.batch once"],
    ),
    (
        "create cronjob nightly --image=demo/job:1 --schedule='0 3 * * *' -n {ns}",
        &["create cronjobs.batch nightly"],
    ),
    (
        "create job by-hand --from=cronjob/nightly -n {ns}",
        &["create jobs.batch by-hand"],
    ),
    (
        "create serviceaccount robot -n {ns}",
        &["create serviceaccounts robot"],
    ),
    (
        "create role reader --verb=get,list --resource=pods -n {ns}",
        &["create roles.rbac.authorization.k8s.io reader"],
    ),
    (
        "create rolebinding readers --role=reader --serviceaccount={ns}:robot -n {ns}",
        &["create rolebindings.rbac.authorization.k8s.io readers"],
    ),
    (
        "create service clusterip plain --tcp=80:8080 -n {ns}",
        &["create services plain"],
    ),
    (
        "create ingress web --rule=a.example/*=plain:80 -n {ns}",
        &["create ingresses.networking.k8s.io web"],
    ),
    (
        "create quota limit --hard=pods=50 -n {ns}",
        &["create resourcequotas limit"],
    ),
    (
        "create poddisruptionbudget guard --selector=app=none --min-available=1 -n {ns}",
        &["create poddisruptionbudgets.policy guard"],
    ),
    (
        "create priorityclass {ns} --value=5 --description=x",
        &["create priorityclasses.scheduling.k8s.io {ns}"],
    ),
    (
        "set image deploy/app app=demo/app:2 -n {ns}",
        &["update deployments.apps app"],
    ),
    (
        "set env deploy/app MODE=fast -n {ns}",
        &["update deployments.apps app"],
    ),
    (
        "set resources deploy/app --limits=cpu=200m -n {ns}",
        &["update deployments.apps app"],
    ),
    (
        "set serviceaccount deploy/app robot -n {ns}",
        &["update deployments.apps app"],
    ),
    (
        "rollout undo deploy/app -n {ns}",
        &["update deployments.apps app"],
    ),
    (
        "rollout pause deploy/app -n {ns}",
        &["update deployments.apps app"],
    ),
    (
        "rollout resume deploy/app -n {ns}",
        &["update deployments.apps app"],
    ),
    (
        "rollout restart deploy/app -n {ns}",
        &["update deployments.apps app"],
    ),
    (
        "scale deploy/app --replicas=3 -n {ns}",
        &["update deployments.apps app"],
    ),
    (
        "scale deploy/app --replicas=2 --current-replicas=3 -n {ns}",
        &["update deployments.apps app"],
    ),
    (
        "scale deploy/app --replicas=2 -n {ns}",
        &["nothing deployments.apps app"],
    ),
    (
        "autoscale deploy/app --min=1 --max=4 --cpu=80% -n {ns}",
        &["create horizontalpodautoscalers.autoscaling app"],
    ),
    (
        "label deploy/app tier=front -n {ns}",
        &["update deployments.apps app"],
    ),
    (
        "label cm,secret --all tier=front -n {ns}",
        &[
            "update configmaps kube-root-ca.crt",
            "update configmaps settings",
            "update secrets credential",
        ],
    ),
    (
        "label deploy/app tier- -n {ns}",
        &["update deployments.apps app"],
    ),
    (
        "annotate deploy/app note=x -n {ns}",
        &["update deployments.apps app"],
    ),
    (
        r#"patch deploy/app -p '{"spec":{"minReadySeconds":1}}' -n {ns}"#,
        &["update deployments.apps app"],
    ),
    (
        r#"patch deploy/app --type=merge -p '{"spec":{"minReadySeconds":2}}' -n {ns}"#,
        &["update deployments.apps app"],
    ),
    (
        r#"patch deploy/app --type=json -p '[{"op":"replace","path":"/spec/minReadySeconds","value":3}]' -n {ns}"#,
        &["update deployments.apps app"],
    ),
    (
        "patch cm settings -p '{\"data\":{\"b\":\"1\\n2\\n\"}}' -n {ns}",
        &["update configmaps settings"],
    ),
    (
        "expose deploy/app --port=80 --target-port=8080 -n {ns}",
        &["create services app"],
    ),
    ("run lone --image=demo/one:1 -n {ns}", &["create pods lone"]),
    (
        "debug lone --image=demo/debug:1 -n {ns}",
        &["update pods lone"],
    ),
    (
        "debug lone --image=demo/debug:1 --copy-to=lone-copy -n {ns}",
        &["create pods lone-copy"],
    ),
    ("cordon node1", &["update nodes node1"]),
    ("uncordon node1", &["update nodes node1"]),
    (
        "taint nodes node1 airlock=x:PreferNoSchedule",
        &["update nodes node1"],
    ),
    ("taint nodes node1 airlock-", &["update nodes node1"]),
    (
        "delete pod lone lone-copy -n {ns}",
        &["delete pods lone", "delete pods lone-copy"],
    ),
    (
        "delete svc/app hpa/app -n {ns} --wait=false",
        &[
            "delete services app",
            "delete horizontalpodautoscalers.autoscaling app",
        ],
    ),
    (
        "delete job once by-hand -n {ns} --cascade=background",
        &["delete jobs.batch once", "delete jobs.batch by-hand"],
    ),
    (
        "delete cm,secret -l tier=front -n {ns}",
        &[
            "delete configmaps kube-root-ca.crt",
            "delete configmaps settings",
            "delete secrets credential",
        ],
    ),
    (
        "delete deploy --all -n {ns}",
        &["delete deployments.apps app"],
    ),
    (
        "delete priorityclass {ns}",
        &["delete priorityclasses.scheduling.k8s.io {ns}"],
    ),
    (
        "delete namespace {ns}-more --timeout=25s",
        &["delete namespaces {ns}-more"],
    ),
];

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

/// Rules by which a caller may change what it may not read.
const FEW: &str = r#"
schema = 1
[[rule]]
id = "change"
effect = "allow"
reason = "for a test"
tool = "kubectl"
verbs = ["label", "create configmap"]
flags = ["--overwrite", "--from-literal"]
[[rule]]
id = "look"
effect = "allow"
reason = "for a test"
tool = "kubectl"
verbs = ["get"]
resources = ["configmaps"]
values = { "--output" = ["yaml"] }
[[rule]]
id = "ask"
effect = "confirm"
reason = "a person looks first"
tool = "kubectl"
verbs = ["delete"]
[[rule]]
id = "argocd"
effect = "allow"
reason = "for a test"
tool = "argocd"
verbs = ["app sync"]
"#;

#[test]
fn a_preview_needs_what_its_command_needs_and_shows_what_its_caller_may_read() {
    let folder = readable_folder();
    let policy = folder.path().join("policy.toml");
    fs::write(&policy, FEW).unwrap();
    let (cluster, policy) = (cluster(), policy.to_str().unwrap());
    let (_folder, server) = server_with(cluster, policy, "");
    for (line, code) in [
        ("kubectl scale deploy worker --replicas=1", "policy_denied"),
        ("kubectl delete pod web-0", "confirmation_required"),
        ("kubectl exec web-0 -- true", "policy_denied"),
    ] {
        let told = call(&server, cluster, line, true);
        assert_eq!(
            (&told["code"], &told["effects"]),
            (&json!(code), &Value::Null),
            "{line}: {told}"
        );
    }
    let object = |line: &str| {
        let told = call(&server, cluster, line, true);
        assert_eq!(told["success"], true, "{told:#}");
        told["effects"]["preview"]["objects"][0].clone()
    };
    let read = object("kubectl label configmap app-config tier=one");
    assert!(
        read["diff"].as_str().unwrap().contains("+    tier: one\n"),
        "{read:#}"
    );
    assert_eq!(read["after"]["data"]["LOG_LEVEL"], "info", "{read:#}");
    let unread = object("kubectl label statefulset web tier=one");
    for part in ["before", "after", "diff"] {
        assert!(unread.get(part).is_none(), "{unread:#}");
    }
    let why = unread["left_out"][0].as_str().unwrap();
    assert!(why.contains("no rule lets you `get` it"), "{why}");
    assert_eq!(unread["change"], "update");
    let made = object("kubectl create configmap preview-made --from-literal=a=b");
    assert_eq!(
        (&made["change"], &made["after"]["data"]["a"]),
        (&json!("create"), &json!("b"))
    );
    // What does not pass this server has no preview.
    let (_folder, off) = server_with(cluster, policy, "[api]\nkubectl = \"off\"\n");
    let told = call(
        &off,
        cluster,
        "kubectl label configmap app-config tier=one",
        true,
    );
    assert_eq!(told["code"], "tool_unavailable", "{told}");
    assert!(
        told["reason"].as_str().unwrap().contains("no preview"),
        "{told}"
    );
    let body = json!({"command": "get pods", "dry_run": "client"}).to_string();
    let headers = [("Content-Type", "application/json")];
    let refused = server.send("POST", "/tools/kubectl", &headers, body.as_bytes());
    assert_eq!(refused.status, 400);
    assert!(
        refused.text("reason").contains("`dry_run` is `server`"),
        "{}",
        refused.json()
    );
}

#[test]
fn a_preview_is_recorded_as_one_without_what_objects_hold() {
    let cluster = cluster();
    let (_folder, server) = server(cluster, "");
    let told = call(
        &server,
        cluster,
        "kubectl annotate configmap app-config note=7b1e",
        true,
    );
    let notes = told["notes"].as_array().unwrap();
    let note = "a preview: nothing of this is done; it would create 0, change 1 and delete 0";
    assert!(notes.contains(&json!(note)), "{told:#}");
    let of_call = |record: &Value| record["request_id"] == told["request_id"];
    eventually("it is recorded", || {
        let records = server.records();
        records
            .iter()
            .any(|record| of_call(record) && record["event"] == "end")
    });
    let records: Vec<Value> = server.records().into_iter().filter(of_call).collect();
    assert_eq!(records[0]["preview"], true, "{records:?}");
    let effects = &records[1]["effects"];
    let object = json!({"change": "update", "resource": "configmaps", "namespace": "default", "name": "app-config"});
    assert_eq!(
        effects["preview"]["objects"],
        json!([object]),
        "{effects:#}"
    );
    assert_eq!(effects["writes"][0]["dry_run"], true, "{effects:#}");
    assert_eq!(effects["reads"], told["effects"]["reads"]);
    assert!(!effects.to_string().contains("7b1e"));
}
