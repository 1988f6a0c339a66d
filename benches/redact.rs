//! What does it cost to take secrets out of output? `cargo bench --bench redact`
//!
//! Budget (docs/design.md): 200 MB/s for text in which there is nothing to take out. It is
//! processor time that is measured, so that what else a machine does counts less.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a measurement that fails panics"
)]

use std::{fmt::Write, hint::black_box, time::Duration};

use criterion::{
    Criterion, Throughput, criterion_group, criterion_main,
    measurement::{Measurement, ValueFormatter, WallTime},
};
use kube_airlock::{output::Redactor, secret::SecretString};
use nix::sys::resource::{UsageWho, getrusage};
use serde_json::{Value, json};

/// `get pods -A -o json` of a larger cluster.
const POD_LIST: usize = 20 << 20;
const OTHERS: usize = 4 << 20;

/// As `capture` reads it.
const CHUNK: usize = 32 * 1024;

fn pod(number: usize) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "annotations": { "prometheus.io/scrape": "true", "checksum/config": format!("{:064x}", number * 7919) },
            "creationTimestamp": "2026-01-05T09:14:22Z", "generateName": "web-6d4cf56db6-",
            "labels": { "app.kubernetes.io/name": "web", "pod-template-hash": "6d4cf56db6" },
            "name": format!("web-6d4cf56db6-{number:05}"), "namespace": "shop",
            "ownerReferences": [{ "apiVersion": "apps/v1", "blockOwnerDeletion": true, "controller": true, "kind": "ReplicaSet", "name": "web-6d4cf56db6", "uid": "0b5e1c1e-8d0f-4f57-9a1c-0c2f3f6f0f11" }],
            "resourceVersion": number.to_string(), "uid": format!("9c1c8f2e-1111-4222-8333-{number:012}"),
        },
        "spec": {
            "containers": [{
                "args": ["--port=8080", "--log-format=json", "--upstream=http://api.shop.svc:8080/v1?x={y}"],
                "env": [{ "name": "PASSWORD", "valueFrom": { "secretKeyRef": { "key": "password", "name": "db" } } }, { "name": "LOG_LEVEL", "value": "info" }],
                "image": "registry.example.com/shop/web:1.42.0", "imagePullPolicy": "IfNotPresent",
                "livenessProbe": { "failureThreshold": 3, "httpGet": { "path": "/healthz", "port": 8080, "scheme": "HTTP" }, "periodSeconds": 10 },
                "name": "web", "resources": { "limits": { "cpu": "500m", "memory": "256Mi" }, "requests": { "cpu": "100m", "memory": "128Mi" } },
                "volumeMounts": [{ "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "name": "kube-api-access-x7k2p", "readOnly": true }, { "mountPath": "/data", "name": "data" }],
            }],
            "nodeName": format!("node-{}", number % 40), "restartPolicy": "Always", "serviceAccountName": "web",
            "tolerations": [{ "effect": "NoExecute", "key": "node.kubernetes.io/not-ready", "operator": "Exists", "tolerationSeconds": 300 }],
            "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": "web-data" } }, { "name": "tls", "secret": { "defaultMode": 420, "secretName": "web-tls" } }],
        },
        "status": {
            "conditions": [{ "lastProbeTime": null, "lastTransitionTime": "2026-01-05T09:14:25Z", "status": "True", "type": "Ready" }],
            "containerStatuses": [{ "containerID": format!("containerd://{:064x}", number), "ready": true, "restartCount": 0, "started": true, "state": { "running": { "startedAt": "2026-01-05T09:14:24Z" } } }],
            "hostIP": "10.0.0.7", "phase": "Running", "podIP": "10.244.3.17", "qosClass": "Burstable",
        },
    })
}

fn list(items: &[Value]) -> String {
    let mut told = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut told, formatter);
    serde::Serialize::serialize(
        &json!({ "apiVersion": "v1", "items": items, "kind": "List" }),
        &mut serializer,
    )
    .unwrap();
    String::from_utf8(told).unwrap()
}

/// A list of at least so many bytes.
fn list_of(size: usize, item: impl Fn(usize) -> Value) -> String {
    let one = list(&[item(1)]).len();
    list(&(0..size / one + 1).map(item).collect::<Vec<_>>())
}

fn repeated(size: usize, line: impl Fn(usize, &mut String)) -> String {
    let mut text = String::new();
    for number in 0.. {
        if text.len() >= size {
            break;
        }
        line(number, &mut text);
    }
    text
}

fn table() -> String {
    repeated(OTHERS, |number, text| {
        writeln!(text, "shop          web-6d4cf56db6-{number:05}                     1/1     Running   0          {}d    10.244.3.17   node-{}   <none>", number % 90, number % 40).unwrap();
    })
}

/// As kubectl has it: keys in order, lists not indented.
fn yaml() -> String {
    fn write(value: &Value, indent: usize, text: &mut String) {
        match value {
            Value::Object(members) => {
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        write!(text, "{:indent$}", "").unwrap();
                    }
                    write!(text, "{key}:").unwrap();
                    match value {
                        Value::Object(_) => {
                            write!(text, "\n{:1$}", "", indent + 2).unwrap();
                            write(value, indent + 2, text);
                        }
                        Value::Array(_) => {
                            text.push('\n');
                            write(value, indent, text);
                        }
                        _ => {
                            text.push(' ');
                            write(value, indent, text);
                        }
                    }
                }
            }
            Value::Array(items) => {
                for item in items {
                    write!(text, "{:indent$}- ", "").unwrap();
                    write(item, indent + 2, text);
                }
            }
            Value::String(value) => writeln!(text, "{value}").unwrap(),
            other => writeln!(text, "{other}").unwrap(),
        }
    }
    repeated(OTHERS, |number, text| write(&pod(number), 0, text))
}

fn logs() -> String {
    repeated(OTHERS, |number, text| {
        writeln!(
            text,
            "2026-01-05T09:14:22.{:06}Z INFO  [http-nio-8080-exec-{}] c.e.shop.Orders: order {number} placed in 12ms",
            number % 1_000_000,
            number % 64
        )
        .unwrap();
        writeln!(text, r#"{{"ts":"2026-01-05T09:14:22.000Z","level":"info","msg":"request","method":"GET","path":"/v1/orders/{number}","status":200,"took_ms":12}}"#).unwrap();
        writeln!(text, "I0105 09:14:22.000000       1 controller.go:117] \"Reconciled\" logger=\"shop\" object=\"shop/web-{number}\"")
            .unwrap();
    })
}

fn secrets() -> String {
    list_of(OTHERS, |number| {
        let value = "cGFzc3dvcmQ=".repeat(number % 20 + 1);
        let applied = json!({ "apiVersion": "v1", "data": { "password": value }, "kind": "Secret" })
            .to_string() + "\n";
        json!({
            "apiVersion": "v1", "data": { "password": value, "username": "YWRtaW4=" }, "kind": "Secret",
            "metadata": { "annotations": { "kubectl.kubernetes.io/last-applied-configuration": applied }, "name": format!("db-{number}"), "namespace": "shop" },
            "type": "Opaque",
        })
    })
}

fn config_maps() -> String {
    list_of(OTHERS, |number| {
        let settings = "[server]\nport = 8080\nname = \"shop\"\n".repeat(number % 20 + 1);
        json!({ "apiVersion": "v1", "data": { "settings.toml": settings, "mode": "fast" }, "kind": "ConfigMap", "metadata": { "name": format!("web-{number}") } })
    })
}

fn redact(text: &str) -> usize {
    let mut redactor = Redactor::new(&[SecretString::new(
        "a-token-that-is-not-in-the-output".into(),
    )]);
    let told: usize = text
        .as_bytes()
        .chunks(CHUNK)
        .map(|chunk| redactor.push(chunk).len())
        .sum();
    told + redactor.finish().len()
}

/// The time that this process has run.
struct ProcessorTime;

impl Measurement for ProcessorTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
        let micros = |time: nix::sys::time::TimeVal| {
            u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).unwrap()
        };
        Duration::from_micros(micros(usage.user_time()) + micros(usage.system_time()))
    }

    fn end(&self, started: Duration) -> Duration {
        self.start() - started
    }

    fn add(&self, first: &Duration, second: &Duration) -> Duration {
        *first + *second
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

fn throughput(criterion: &mut Criterion<ProcessorTime>) {
    let mut group = criterion.benchmark_group("redact");
    group.sample_size(10);
    for (name, text, has_secrets) in [
        ("table", table(), false),
        ("pod list, JSON", list_of(POD_LIST, pod), false),
        ("pods, YAML", yaml(), false),
        ("logs", logs(), false),
        ("ConfigMaps, JSON", config_maps(), false),
        ("Secrets, JSON", secrets(), true),
    ] {
        assert_eq!(redact(&text) != text.len(), has_secrets, "{name}");
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| redact(black_box(&text))));
    }
    group.finish();
}

fn per_call(criterion: &mut Criterion<ProcessorTime>) {
    let key: Vec<_> = (0..50)
        .map(|line| SecretString::new(format!("{line:02}").repeat(32)))
        .collect();
    criterion.bench_function("a redactor for a private key of 50 lines", |bencher| {
        bencher.iter(|| Redactor::new(black_box(&key)))
    });
}

criterion_group! { name = benches; config = Criterion::default().with_measurement(ProcessorTime); targets = throughput, per_call }
criterion_main!(benches);
