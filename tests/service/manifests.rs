//! Do manifests of agents reach the cluster as they are written, and do those that need a person not?

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Server, as_admin, base64_of, cluster, tools};

fn server(policy: &str) -> (tempfile::TempDir, Server) {
    Server::with_settings(&format!(
        "policy = [\"builtin:{policy}\"]\n[limits]\nrate = 0\n"
    ))
}

fn call(server: &Server, command: &str, stdin: &str) -> Value {
    let admin = base64_of(&cluster().admin);
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Kubeconfig", admin.as_str()),
    ];
    let body = json!({ "command": command, "stdin": stdin, "timeout": "60s" });
    let body = body.to_string();
    server
        .send("POST", "/tools/kubectl", &headers, body.as_bytes())
        .json()
}

#[track_caller]
fn runs(server: &Server, command: &str, stdin: &str) -> Value {
    let answer = call(server, command, stdin);
    assert_eq!(answer["success"], true, "{command}\n{stdin}\n{answer}");
    answer
}

/// What the stock tool prints of an object, as its path says.
fn seen(object: &str, path: &str) -> String {
    let printed = Command::new(tools().join("kubectl"))
        .args([
            "get",
            object,
            "-n",
            "written",
            "--ignore-not-found",
            "-o",
            &format!("jsonpath={path}"),
        ])
        .env("KUBECONFIG", &cluster().admin)
        .output()
        .unwrap();
    assert!(
        printed.status.success(),
        "{}",
        String::from_utf8_lossy(&printed.stderr)
    );
    String::from_utf8(printed.stdout).unwrap()
}

/// An application as people write it, in a comment or two.
const WEB: &str = r#"# The shop's front.
apiVersion: v1
kind: ConfigMap
metadata:
  name: web
data:
  greeting: "hello"   # as it was
  mode: 0644
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: app
        image: registry.example/web:1
        env:
        - {name: LEVEL, value: debug}
        - {name: COLOUR, value: blue}
        ports: [{containerPort: 8080}]
      - name: side
        image: registry.example/side:1
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Service
  metadata: {name: web}
  spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"#;

#[test]
fn what_a_manifest_says_is_applied_patched_replaced_and_deleted() {
    as_admin(&["create", "namespace", "written"], "");
    let (_settings, server) = server("admin");
    // `mode` is a number to kubectl, and no value of a ConfigMap.
    let web = WEB.replace("0644", "'0644'");
    let applied = runs(&server, "apply -f - -n written", &web);
    let output = applied["output"].as_str().unwrap();
    for line in [
        "configmap/web created",
        "deployment.apps/web created",
        "service/web created",
    ] {
        assert!(output.contains(line), "{output}");
    }
    assert_eq!(
        applied["effects"]["writes"].as_array().unwrap().len(),
        3,
        "{applied}"
    );
    assert_eq!(seen("configmap/web", "{.data.mode}"), "0644");

    // A patch: of an image, of what is not said any more, of an element that is gone.
    let changed = web
        .replace("web:1", "web:2")
        .replace("        - {name: COLOUR, value: blue}\n", "")
        .replace(
            "      - name: side\n        image: registry.example/side:1\n",
            "",
        )
        .replace("hello", "good evening");
    let patched = runs(&server, "apply -f - -n written", &changed);
    let output = patched["output"].as_str().unwrap();
    assert!(
        output.contains("deployment.apps/web configured"),
        "{output}"
    );
    assert!(output.contains("service/web unchanged"), "{output}");
    let containers =
        "{.spec.template.spec.containers[*].image} {.spec.template.spec.containers[*].env[*].name}";
    assert_eq!(
        seen("deployment/web", containers),
        "registry.example/web:2 LEVEL"
    );
    assert_eq!(seen("configmap/web", "{.data.greeting}"), "good evening");

    // By the server, over what the client has applied; then wholly.
    let by_server = changed.replace("web:2", "web:3");
    runs(
        &server,
        "apply --server-side -f - -n written",
        &by_server.replace("kind: ConfigMap", "kind: ConfigMap # by the server"),
    );
    assert_eq!(
        seen(
            "deployment/web",
            "{.spec.template.spec.containers[0].image}"
        ),
        "registry.example/web:3"
    );
    let map = by_server
        .split("---")
        .next()
        .unwrap()
        .replace("good evening", "good night");
    runs(&server, "replace -f - -n written", &map);
    assert_eq!(seen("configmap/web", "{.data.greeting}"), "good night");

    // A name that the server makes up.
    let job = "apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: once-}\nspec: {suspend: true, template: {spec: {restartPolicy: Never, containers: [{name: a, image: registry.example/a}]}}}\n";
    let created = runs(&server, "create -f - -n written", job);
    assert!(
        created["output"]
            .as_str()
            .unwrap()
            .starts_with("job.batch/once-"),
        "{created}"
    );

    // A preview, and then in earnest.
    let deleted = runs(&server, "delete -f - -n written", &by_server);
    assert!(
        deleted["output"]
            .as_str()
            .unwrap()
            .contains("\"web\" deleted"),
        "{deleted}"
    );
    for object in ["configmap/web", "deployment/web", "service/web"] {
        assert_eq!(seen(object, "{.metadata.name}"), "", "{object}");
    }
    as_admin(&["delete", "namespace", "written", "--wait=false"], "");
}

#[test]
fn what_needs_a_person_is_held_with_its_field_and_what_nobody_may_is_refused() {
    let (_settings, server) = server("admin");
    let pod =
        |spec: &str| format!("{{apiVersion: v1, kind: Pod, metadata: {{name: x}}, spec: {spec}}}");
    for (command, stdin, code, told) in [
        ("apply -f -", pod("{hostNetwork: true, containers: [{name: a, image: b}]}"), "confirmation_required", "objects[0] Pod default/x: spec.hostNetwork is true"),
        ("create -f -", pod("{containers: [{name: a, image: b, securityContext: {privileged: true}}]}"), "confirmation_required", "spec.containers[0].securityContext.privileged is true"),
        ("apply -f -", "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: x}}".into(), "confirmation_required", "objects[0] ClusterRoleBinding x"),
        ("apply -f -", "{apiVersion: v1, kind: Secret, metadata: {name: x}, stringData: {a: hunter2}}".into(), "confirmation_required", "objects[0] Secret default/x"),
        ("apply -f - -n kube-system", pod("{}"), "confirmation_required", ""),
        ("apply -f -", pod("{}").replace("name: x", "name: x, namespace: kube-system"), "confirmation_required", ""),
        ("delete -f -", "{apiVersion: v1, kind: Namespace, metadata: {name: default}}".into(), "confirmation_required", "objects[0] Namespace default"),
        ("apply --prune --all -f -", pod("{}"), "policy_denied", ""),
        ("replace --force -f -", pod("{}"), "policy_denied", ""),
        ("apply -f -", "kind: Pod\nkind: Pod\n".into(), "invalid_manifest", ""),
        ("apply -f -", "a: &x 1\nb: *x\n".into(), "invalid_manifest", ""),
        ("apply -f https://example.com/a.yaml", pod("{}"), "policy_denied", ""),
        ("apply -k .", pod("{}"), "policy_denied", ""),
    ] {
        let answer = call(&server, command, &stdin);
        assert_eq!(answer["code"], code, "{command}\n{stdin}\n{answer}");
        let reason = answer["reason"].as_str().unwrap();
        assert!(reason.contains(told), "{command}: {reason}");
        assert!(!answer.to_string().contains("hunter2"), "{answer}");
    }
}
