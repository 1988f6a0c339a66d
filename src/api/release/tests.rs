use miniz_oxide::deflate::compress_to_vec;
use serde_json::{Value, json};

use super::*;

/// A release as helm keeps it in a Secret.
fn packed(release: &Value) -> String {
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 0xff];
    gzip.extend(compress_to_vec(release.to_string().as_bytes(), 9));
    gzip.extend([0; 8]);
    BASE64_STANDARD.encode(BASE64_STANDARD.encode(gzip))
}

fn secret(kind: &str, data: &str) -> Value {
    json!({"kind": "Secret", "metadata": {"name": "a"}, "type": kind, "data": {"release": data}})
}

fn all_in(answer: &Value) -> Vec<Release> {
    Release::all_in(answer.to_string().as_bytes(), "web")
}

fn shown(release: &Release) -> Vec<String> {
    let objects = release.objects.iter().map(|object| {
        let resource = match &object.resource {
            ReleaseResource::Named(name) => name.clone(),
            ReleaseResource::Custom { group, kind } => format!("{kind}? {group}"),
        };
        let namespace = object.namespace.as_deref().unwrap_or_default();
        let hook = if object.is_hook { " hook" } else { "" };
        format!("{resource} {namespace}/{}{hook}", object.name)
    });
    objects.collect()
}

const MANIFEST: &str = r#"---
# Source: whole/templates/a.yaml
apiVersion: v1
kind: ConfigMap
metadata: {name: greeting}
data:
  text: |
    kind: Secret
     ---
    metadata: {name: not-me}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: app, namespace: other}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reader, namespace: ignored}
--- # a comment
apiVersion: example.net/v1
kind: Proxy
metadata: {name: p}
---
kind: Pod
metadata: {name: no-version}
---
apiVersion: v1
kind: Nonsense
metadata: {name: n}
---
apiVersion: v1
kind: Secret
metadata: {name: &anchor read-in-two-ways}
---
# Helm takes it.
apiVersion: "v1"
kind: Service
metadata:
  labels:
    name: not-this
    app: a
    app: b
  name: svc # this one
  namespace: "other"
spec: &spec
  selector: !!map {a: b}
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ServiceAccount, metadata: {name: robot}}
- apiVersion: batch/v1
  kind: JobList
  items:
  - {apiVersion: batch/v1, kind: Job, metadata: {name: inner}}
"#;

#[test]
fn a_revision_holds_what_its_manifest_and_hooks_name() {
    let hook = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: try\n";
    let release = json!({"name": "whole", "version": 7, "manifest": MANIFEST, "chart": {"files": ["x"]}, "hooks": [{"name": "try", "kind": "Job", "manifest": hook}]});
    let secret = secret(RELEASE_TYPE, &packed(&release));
    let [read] = all_in(&secret).try_into().unwrap();
    assert_eq!(read.revision, 7);
    assert_eq!(
        shown(&read),
        [
            "clusterroles.rbac.authorization.k8s.io /reader",
            "configmaps web/greeting",
            "deployments.apps other/app",
            "jobs.batch web/inner",
            "jobs.batch web/try hook",
            "serviceaccounts web/robot",
            "services other/svc",
            "proxy? example.net /p",
            "proxy? example.net web/p",
        ]
    );
    let list = json!({"kind": "SecretList", "items": [secret, secret]});
    assert_eq!(all_in(&list), [read.clone(), read]);
}

#[test]
fn what_is_no_release_names_nothing() {
    let release = json!({"version": 1, "manifest": MANIFEST});
    for answer in [
        secret("Opaque", &packed(&release)),
        json!({"kind": "Status", "status": "Failure"}),
        secret(RELEASE_TYPE, "no base64"),
        secret(RELEASE_TYPE, &BASE64_STANDARD.encode("no base64")),
        secret(RELEASE_TYPE, &packed(&json!("no release"))),
        json!({"type": RELEASE_TYPE, "data": {"release": 7}}),
    ] {
        assert_eq!(all_in(&answer), [], "{answer}");
    }
    assert_eq!(Release::all_in(b"no JSON", "web"), []);
}

#[test]
fn a_release_that_unpacks_to_too_much_is_none() {
    let filled = |length| json!({"version": 1, "manifest": MANIFEST, "filler": "x".repeat(length)});
    let [small, large] = [1 << 20, LARGEST].map(|length| packed(&filled(length)));
    assert!(large.len() < 100_000, "a bomb is small");
    assert_eq!(all_in(&secret(RELEASE_TYPE, &small)).len(), 1);
    assert_eq!(all_in(&secret(RELEASE_TYPE, &large)), []);
}

#[test]
fn a_kind_of_nobody_knows_what_plural_is_one_of_its_group() {
    let custom = |kind: &str| ReleaseResource::Custom {
        group: "example.net".into(),
        kind: kind.into(),
    };
    for (kind, qualified, expected) in [
        ("proxy", "proxies.example.net", true),
        ("redis", "redis.example.net", true),
        ("redis", "redises.example.net", true),
        ("gateway", "gateways.example.net", true),
        ("gateway", "gateways.example.com", false),
        ("backup", "backupstoragelocations.example.net", false),
        ("backup", "backups", false),
        ("backup", "others.example.net", false),
        ("backups", "backup.example.net", false),
    ] {
        assert_eq!(custom(kind).is(qualified), expected, "{kind} {qualified}");
    }
    let named = ReleaseResource::Named("deployments.apps".into());
    assert!(named.is("deployments.apps") && !named.is("deployments"));
}
