//! What is left of a call that a panic of this server ends? The whole way with the real kubectl,
//! and a recorder of metrics that panics where it is told.
//!
//! Without the test harness: a spawner is forked while there is one thread.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics fails"
)]
#![allow(clippy::print_stdout, reason = "the closing line of a test runner")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use kube_airlock::{
    audit::{Audit, FileSettings, Seal, refusals_of},
    catalogue::Catalogue,
    clusters::Clusters,
    customs::CustomsCache,
    discovery::DiscoveryCache,
    egress::{Allowed, CallBudget, JudgingSettings, Upstreams},
    gate::{Arguments, Bounds, Gate, Headers, Outcome, Parts},
    identity::Caller,
    inventory::Inventory,
    kubeconfig::Allowances,
    policy::{Policy, PolicySource},
    sandbox::{Levels, Limits, Profiles, Program, Sandbox, Slots, claim_users, fork_spawner},
    store::{Admission, AdmissionBounds, KeptBounds, Store},
    tool::Tool,
    warm::{WarmPool, WarmSettings},
    workspace::Workspaces,
};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use serde_json::Value;
use tokio::time::{sleep, timeout};

const SLOTS: Slots = Slots {
    tools: 4,
    filters: 0,
};
const KEPT: KeptBounds = KeptBounds {
    of_one: 0,
    of_principal: 0,
    of_all: 0,
    time: Duration::ZERO,
};
const LIMITS: Limits = Limits {
    memory_bytes: 1 << 30,
    cpu_seconds: 30,
};

fn main() {
    let tools = PathBuf::from(
        env::var_os("AIRLOCK_TEST_BIN").expect("AIRLOCK_TEST_BIN is not set: run `make test`"),
    );
    let folder = tempfile::tempdir().unwrap();
    let audit = folder.path().join("audit.jsonl");
    let kubectl = tools.join("kubectl");
    let users = nix::unistd::geteuid()
        .is_root()
        .then(|| claim_users(53_000, SLOTS.all()).unwrap());
    let programs = vec![(Program::Tool(Tool::KUBECTL), kubectl.clone())];
    let link = fork_spawner(
        programs,
        Profiles::load().unwrap(),
        Levels::default(),
        users,
        SLOTS,
    )
    .unwrap();
    metrics::set_global_recorder(&PANICS).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let catalogues = Catalogue::carried().unwrap();
        let file = PolicySource::builtin("read-only").unwrap();
        let workspaces = Arc::new(Workspaces::create(Some(folder.path()), None).unwrap());
        let sandbox = Sandbox::new(link, SLOTS).unwrap();
        let policy = RwLock::new(Arc::new(Policy::load(&[file], &catalogues).unwrap()));
        let inventory = Arc::new(Inventory::new(catalogues, vec![(Tool::KUBECTL, kubectl)]));
        tokio::spawn(Arc::clone(&inventory).watch(
            sandbox.clone(),
            Arc::clone(&workspaces),
            LIMITS,
            |_| {},
        ));
        let settings = FileSettings {
            path: audit.clone(),
            max_bytes: 1 << 30,
            keep: 1,
            fsync: false,
        };
        let gate = Gate::new(Parts {
            inventory: Arc::clone(&inventory),
            policy,
            allowances: Allowances::default(),
            clusters: Arc::new(Clusters::load(Vec::new(), Allowances::default()).unwrap()),
            allowed: Allowed::default(),
            judging: JudgingSettings::default(),
            upstreams: Upstreams::new(),
            workspaces: Arc::clone(&workspaces),
            discovery: DiscoveryCache::new(Duration::ZERO),
            customs: CustomsCache::new(Duration::ZERO),
            warm: WarmPool::new(
                WarmSettings::default(),
                sandbox.clone(),
                Arc::clone(&workspaces),
                LIMITS,
            ),
            sandbox,
            store: Arc::new(Store::new(
                None,
                Admission::new(AdmissionBounds {
                    places: 1,
                    queue: 0,
                    running_per_caller: 1,
                    calls_per_caller: 4,
                    wait: Duration::from_secs(1),
                }),
                KEPT,
            )),
            audit: Audit::to_file(settings, Seal::default()).unwrap(),
            bounds: Bounds {
                timeout: Duration::from_secs(30),
                longest_timeout: Duration::from_secs(30),
                kept_output: 1 << 16,
                largest_output: 1 << 16,
                read_output: 1 << 20,
                memory_bytes: LIMITS.memory_bytes,
                data_bytes: 1 << 20,
                api: CallBudget::default(),
            },
        });
        until("kubectl is found", || {
            inventory.catalogue(Tool::KUBECTL).is_ok()
        })
        .await;

        // Where it panics, and the effect of the decision that is recorded: before it nothing is
        // allowed.
        for (at, effect) in [
            ("airlock_parse_seconds", "deny"),
            ("airlock_queue_seconds", "allow"),
            ("airlock_spawn_seconds", "allow"),
            ("airlock_child_seconds", "allow"),
        ] {
            PANICS.at(Some(at));
            let outcome = run(&gate).await;
            PANICS.at(None);
            assert_eq!(outcome.label(), "internal", "{at}");
            assert_eq!(
                outcome.refusal.unwrap().to_string(),
                "the call ended in a fault of this server",
                "{at}"
            );
            let lines: Vec<_> = records(&audit)
                .into_iter()
                .chain(records(&refusals_of(&audit)))
                .filter(|record| record["request_id"] == outcome.request_id.as_str())
                .collect();
            assert_eq!(
                (&lines[0]["event"], &lines[0]["effect"]),
                (&"decision".into(), &effect.into()),
                "{at}: {lines:?}"
            );
            if effect == "allow" {
                assert_eq!(
                    (&lines[1]["event"], &lines[1]["code"]),
                    (&"end".into(), &"internal".into()),
                    "{at}: {lines:?}"
                );
            } else {
                assert_eq!(lines[0]["code"], "internal", "{at}: {lines:?}");
            }
            assert_eq!(
                lines.len(),
                if effect == "allow" { 2 } else { 1 },
                "{at}: {lines:?}"
            );
            let is_removed = || {
                !fs::read_dir(workspaces.path()).unwrap().any(|entry| {
                    entry
                        .unwrap()
                        .file_name()
                        .to_string_lossy()
                        .starts_with("r-")
                })
            };
            until("its directory is removed", is_removed).await;
            // There is one place: it was given back.
            let outcome = run(&gate).await;
            assert_eq!(outcome.label(), "ran", "after {at}: {:?}", outcome.refusal);
        }
        gate.stop(Duration::from_secs(5)).await;
    });
    println!("test a_panic_in_a_call_is_recorded_and_leaves_nothing ... ok\n");
    println!("test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
}

async fn run(gate: &Gate) -> Outcome {
    let arguments: Arguments = serde_json::from_str(r#"{"command": "version --client"}"#).unwrap();
    let request = arguments.request(Tool::KUBECTL, Headers::default());
    timeout(
        Duration::from_secs(60),
        gate.run(Caller::of_standard_input(), request, None),
    )
    .await
    .expect("a call ends")
}

fn records(audit: &Path) -> Vec<Value> {
    fs::read_to_string(audit)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("{what} never came true");
}

/// Forgets everything, and panics when it is asked for one metric.
struct Panics(Mutex<Option<&'static str>>);

static PANICS: Panics = Panics(Mutex::new(None));

impl Panics {
    fn at(&self, name: Option<&'static str>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = name;
    }
}

impl Recorder for &'static Panics {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let at = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(at != Some(key.name()), "a panic that the test wants");
        Histogram::noop()
    }
}
