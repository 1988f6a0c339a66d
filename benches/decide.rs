//! What does it cost to read and judge a command line? `cargo bench --bench decide`
//!
//! Budgets (docs/design.md): 20 µs for a typical command under a preset with 200 rules, 1 ms for
//! the worst 8 KiB, and time in proportion to the length.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a measurement that fails panics"
)]

use std::{fmt::Write, hint::black_box};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kube_airlock::{
    catalogue::Catalogue,
    command::{parse, split},
    policy::{Decision, Facts, Policy, PolicySource, Target},
    tool::Tool,
};

const PRESETS: [&str; 3] = ["read-only", "standard", "admin"];

/// What agents ask, one of each tool and some longer ones.
const TYPICAL: [(Tool, &str); 6] = [
    (Tool::KUBECTL, "get pods -n shop -l app=web -o wide"),
    (
        Tool::KUBECTL,
        "kubectl get deploy web -n shop -o jsonpath='{.spec.template.spec.containers[*].image}'",
    ),
    (
        Tool::KUBECTL,
        "logs deploy/web -n shop -c app --since=1h --tail=200",
    ),
    (Tool::HELM, "helm history web -n shop --max 20 -o json"),
    (
        Tool::ISTIOCTL,
        "istioctl pc listener deploy/web.shop --port 8080 -o json",
    ),
    (Tool::ARGOCD, "app list -p shop -l tier=front -o name"),
];

/// A preset with rules of a team's own, so that there are 200 of them.
fn of_200_rules(preset: &str, catalogues: &[Catalogue]) -> String {
    let mut text = format!("schema = 1\ninclude = [\"builtin:{preset}\"]\n");
    let builtin = PolicySource::builtin(preset).unwrap();
    for number in Policy::load(&[builtin], catalogues).unwrap().rules()..200 {
        write!(
            text,
            "\n[[rule]]\nid = \"team-{number}\"\neffect = \"allow\"\nreason = \"r\"\ntool = \"kubectl\"\nverbs = [\"get\", \"describe\", \"logs\"]\n\
             resources = [\"pods\", \"services\"]\nnamespaces = [\"team-{number}\", \"team-{number}-*\"]\nflags = [\"--selector\"]\n"
        )
        .unwrap();
    }
    text
}

struct Judge {
    catalogues: Vec<Catalogue>,
    policy: Policy,
}

impl Judge {
    fn new(preset: &str) -> Self {
        let catalogues = Catalogue::carried().unwrap();
        let file = PolicySource::alone("bench.toml", of_200_rules(preset, &catalogues));
        let policy = Policy::load(&[file], &catalogues).unwrap();
        Self { catalogues, policy }
    }

    /// Whether the command is refused or denied, or may run.
    fn allows(&self, tool: Tool, text: &str) -> bool {
        let catalogue = self
            .catalogues
            .iter()
            .find(|catalogue| catalogue.tool() == tool)
            .unwrap();
        let Ok(words) = split(tool, text) else {
            return false;
        };
        let Ok(invocation) = parse(catalogue, words, None) else {
            return false;
        };
        matches!(
            self.policy
                .decide(Facts::new(&invocation, &Target::default())),
            Decision::Allow(_)
        )
    }
}

fn typical(criterion: &mut Criterion) {
    for preset in PRESETS {
        let judge = Judge::new(preset);
        let mut group = criterion.benchmark_group(format!("typical/{preset}"));
        for (tool, text) in TYPICAL {
            assert!(judge.allows(tool, text), "{preset}: {text}");
            group.bench_function(BenchmarkId::from_parameter(text), |bencher| {
                bencher.iter(|| judge.allows(black_box(tool), black_box(text)))
            });
        }
        let denied = "kubectl delete ns kube-system --force --grace-period=0";
        assert!(!judge.allows(Tool::KUBECTL, denied));
        group.bench_function(BenchmarkId::from_parameter("denied"), |bencher| {
            bencher.iter(|| judge.allows(Tool::KUBECTL, black_box(denied)))
        });
    }
}

/// Long lines of each kind, at a quarter, half and all of what is accepted.
fn worst(criterion: &mut Criterion) {
    let judge = Judge::new(PRESETS[1]);
    let mut group = criterion.benchmark_group("worst");
    let fill = |head: &str, piece: &str, length: usize| {
        let mut text = head.to_owned();
        while text.len() + piece.len() <= length {
            text.push_str(piece);
        }
        text
    };
    for length in [2048, 4096, 8192] {
        group.throughput(Throughput::Bytes(length as u64));
        for (kind, text) in [
            ("one value", fill("get pods -o jsonpath=", "x", length)),
            ("types", fill("get pods", ",deployments", length)),
            ("unknown types", fill("get pods", ",deploymentz", length)),
            ("escapes", fill("get pods -o jsonpath=", "\\{", length)),
            ("quotes", fill("get pods -o jsonpath=", "''", length)),
            ("unknown flag", fill("get pods --", "x", length)),
            ("unknown verb", fill("", "x", length)),
            (
                "names",
                fill(
                    "get pods",
                    &format!(" {}", "w".repeat(length / 120)),
                    length,
                ),
            ),
            (
                "flags",
                fill(
                    "get pods",
                    &format!(" -L {}", "w".repeat(length / 60)),
                    length,
                ),
            ),
            ("short flags", fill("get pods -", "A", length)),
        ] {
            group.bench_function(BenchmarkId::new(kind, length), |bencher| {
                bencher.iter(|| judge.allows(Tool::KUBECTL, black_box(&text)))
            });
        }
    }
}

fn short_runs() -> Criterion {
    Criterion::default()
        .sample_size(30)
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1))
}

criterion_group! { name = benches; config = short_runs(); targets = typical, worst }
criterion_main!(benches);
