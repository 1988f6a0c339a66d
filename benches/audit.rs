//! What does a record cost? `cargo bench --bench audit`
//!
//! Prints records per second and how long a call waits for its record, for one call after the other
//! and for many at once, in a file; and what `audit verify` reads per second. Issue: 10,000
//! refusals a second need 10,000 records.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a measurement that fails panics"
)]
#![allow(clippy::print_stdout, reason = "it prints numbers")]

use std::{
    fs::File,
    io::BufReader,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use kube_airlock::{
    audit::{Audit, DecisionRecord, FileSettings, Seal, Verifier, Who},
    code::Code,
    identity::Caller,
    policy::Effect,
    tool::Tool,
};

const RECORDS: usize = 100_000;

fn main() {
    // One thread, as on one core; the writer is the second.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    println!(
        "{:<44} {:>12} {:>10} {:>10}",
        "", "records/s", "p50 µs", "p99 µs"
    );
    for (name, fsync, key) in [
        ("", false, false),
        (", with a key", false, true),
        (", fsync of each group", true, false),
    ] {
        for (calls, records) in [(1, RECORDS / 10), (64, RECORDS), (1000, RECORDS)] {
            let records = if fsync { records / 10 } else { records };
            let seal = if key {
                Seal::keyed(b"a key of 32 bytes, or some more.")
            } else {
                Seal::default()
            };
            let path = file(&format!("{fsync}{key}{calls}"));
            let (took, mut waited) = runtime.block_on(round(path, fsync, seal, calls, records));
            waited.sort();
            let rate = waited.len() as f64 / took.as_secs_f64();
            let at = |part: usize| waited[waited.len() * part / 100].as_micros();
            println!(
                "{:<44} {rate:>12.0} {:>10} {:>10}",
                format!("{calls} at once{name}"),
                at(50),
                at(99)
            );
        }
    }
    let path = file("falsefalse64");
    let (started, length) = (Instant::now(), path.metadata().unwrap().len());
    let mut verifier = Verifier::new(Seal::default(), false);
    verifier
        .read(
            "bench",
            BufReader::with_capacity(1 << 18, File::open(path).unwrap()),
        )
        .unwrap();
    assert!(verifier.finish(None, "bench").broken.is_empty());
    println!(
        "verify: {:.0} MB/s",
        length as f64 / 1e6 / started.elapsed().as_secs_f64()
    );
}

async fn round(
    path: PathBuf,
    fsync: bool,
    seal: Seal,
    calls: usize,
    records: usize,
) -> (Duration, Vec<Duration>) {
    let settings = FileSettings {
        path,
        max_bytes: 1 << 40,
        keep: 1,
        fsync,
    };
    let audit = Arc::new(Audit::to_file(settings, seal).unwrap());
    audit.start(Vec::new()).await.unwrap();
    let started = Instant::now();
    let tasks: Vec<_> = (0..calls)
        .map(|_| tokio::spawn(one(Arc::clone(&audit), records / calls)))
        .collect();
    let mut waited = Vec::new();
    for task in tasks {
        waited.extend(task.await.unwrap());
    }
    (started.elapsed(), waited)
}

async fn one(audit: Arc<Audit>, records: usize) -> Vec<Duration> {
    let caller = Caller::of_standard_input();
    let mut waited = Vec::with_capacity(records);
    for _ in 0..records {
        let record = DecisionRecord {
            request_id: "0123456789abcdef0123456789abcdef",
            who: Who::of(&caller, None),
            tool: Tool::KUBECTL,
            argv: Some(
                [
                    "kubectl",
                    "--v=0",
                    "delete",
                    "--namespace=default",
                    "pods.v1.",
                    "web-0",
                ]
                .map(str::to_owned)
                .into(),
            ),
            argv_rest: None,
            data: &[],
            filters: Vec::new(),
            target: Some("https://kubernetes.default.svc:6443".into()),
            cluster: None,
            effect: Effect::Deny,
            code: Some(Code::PolicyDenied),
            rule: Some("no-writing (read-only.toml:231)".into()),
            rule_at: None,
            reason: Some("callers diagnose; people change things".into()),
            kubeconfig_conflict: false,
            preview: false,
        };
        let asked = Instant::now();
        audit.refused(&record).await.unwrap();
        waited.push(asked.elapsed());
    }
    waited
}
