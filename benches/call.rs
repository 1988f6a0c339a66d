//! What does a confined call cost beside the tool that its user would type? In turns, in one run:
//! the tool as upstream builds it with a home that keeps its caches, a server that starts a tool
//! for each call, and one whose tools wait.
//!
//! `make bench` builds what it needs. Prints Markdown, and writes the same as JSON. The figures of
//! one run compare with each other and with nothing else: nothing is asserted. docs/performance.md
//! explains them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark, not the server"
)]
#![allow(
    clippy::disallowed_methods,
    missing_docs,
    reason = "a benchmark, not the server"
)]

#[path = "../tests/harness/mod.rs"]
mod harness;

use std::{
    fs,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use harness::{Relay, Server, base64_of, cluster, descendants, eventually, processor_time, tools};
use serde_json::{Value, json};

const ROUNDS: usize = 60;
/// Calls of one measurement of throughput.
const MANY: usize = 200;
/// First calls after a pause.
const PAUSES: usize = 10;
/// Of a link to a cluster elsewhere.
const ROUND_TRIP: Duration = Duration::from_millis(50);

const COMMANDS: [(&str, &str); 7] = [
    ("kubectl", "version --client"),
    ("kubectl", "get pods"),
    ("kubectl", "describe pod web-0"),
    ("kubectl", "get pods -A -o json"),
    ("helm", "list"),
    ("istioctl", "version --remote=false"),
    ("argocd", "version --client"),
];

/// The bare tools and two servers for the same cluster: tools wait for the calls of one, and are
/// started for those of the other.
struct Stand {
    warm: Server,
    cold: Server,
    kubeconfig: String,
    /// The cluster behind a slow link.
    far: Relay,
    home: tempfile::TempDir,
}

/// How many tools wait once one was asked for.
const WAITING: usize = 2;
/// One client asks more often than any is let.
const SETTINGS: &str = "[limits]\nrate = 0\n[kubeconfig]\nallow_tls_server_name = true\n";
const WARM: &str = "[warm]\nkubectl = 2\nhelm = 2\nistioctl = 2\nargocd = 2\nidle = \"4s\"\n";
const COLD: &str = "[warm]\nkubectl = 0\nhelm = 0\nistioctl = 0\nargocd = 0\n";

impl Stand {
    fn bare(&self, tool: &str, command: &str) {
        self.bare_with(&cluster().admin, tool, command);
    }

    fn bare_with(&self, kubeconfig: &Path, tool: &str, command: &str) {
        let mut bare = Command::new(tools().join(format!("{tool}-stock")));
        bare.arg0(tool)
            .args(command.split(' '))
            .env_clear()
            .env("HOME", self.home.path())
            .env("KUBECONFIG", kubeconfig);
        assert!(
            bare.stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .unwrap()
                .success(),
            "{tool} {command}"
        );
    }

    fn call(&self, server: &Server, tool: &str, command: &str) {
        self.call_with(&self.kubeconfig, server, tool, command);
    }

    fn call_with(&self, kubeconfig: &str, server: &Server, tool: &str, command: &str) {
        let body = serde_json::json!({ "command": command }).to_string();
        let mut headers = vec![("Content-Type", "application/json")];
        if tool != "argocd" {
            headers.push(("X-Kubeconfig", kubeconfig));
        }
        let reply = server.send("POST", &format!("/tools/{tool}"), &headers, body.as_bytes());
        assert_eq!(
            reply.json()["success"],
            true,
            "{tool} {command}: {}",
            reply.json()
        );
    }

    /// Until as many wait as may; what is started for the next calls does not disturb what is
    /// measured next.
    fn rest(&self, tool: &str) {
        let told = || self.warm.get("/tools/status").json()["tools"][tool]["warm"].as_u64();
        eventually("tools wait", || told() == Some(WAITING as u64));
    }
}

/// Processor time that a server, its spawner and all their children have used.
fn used_by(server: &Server) -> Duration {
    let pid = server.pid();
    let used = descendants(pid)
        .into_iter()
        .chain([pid])
        .map(processor_time);
    used.map(|(own, of_children)| own + of_children).sum()
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let far = Relay::far(cluster().server, ROUND_TRIP);
    let start = |name: &str, warm: &str| {
        let settings = folder.path().join(name);
        fs::write(&settings, format!("{SETTINGS}{warm}")).unwrap();
        let (allowed, far, tools) = (
            cluster().server.to_string(),
            far.address.to_string(),
            tools(),
        );
        let [settings, bin] = [&settings, &tools].map(|path| path.to_str().unwrap());
        let server = Server::with(
            &[
                "--config",
                settings,
                "--tools-dir",
                bin,
                "--egress-allow",
                &allowed,
                "--egress-allow",
                &far,
            ],
            None,
        );
        eventually("all tools are there", || {
            let status = server.get("/tools/status").json();
            ["kubectl", "helm", "istioctl", "argocd"]
                .iter()
                .all(|tool| status["tools"][tool]["state"] == "available")
        });
        server
    };
    let stand = Stand {
        warm: start("warm.toml", WARM),
        cold: start("cold.toml", COLD),
        kubeconfig: base64_of(&cluster().admin),
        far,
        home: tempfile::tempdir().unwrap(),
    };
    let resident = memory(stand.warm.pid(), "Rss:");
    println!("the server before its first call: {resident:.1} MB resident\n");
    let report = json!({
        "resident_mb": resident,
        "calls": one_after_another(&stand),
        "at_once": many_at_once(&stand),
        "first_after_idle_ms": after_a_pause(&stand),
        "over_a_slow_link_ms": over_a_slow_link(&stand, folder.path()),
        "refused_ms": refused(&stand),
        "resident_after_mb": memory(stand.warm.pid(), "Rss:"),
    });
    println!(
        "the server after that: {:.1} MB resident",
        report["resident_after_mb"].as_f64().unwrap()
    );
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("call.json");
    fs::write(&path, serde_json::to_string_pretty(&report).unwrap()).unwrap();
    println!("the same as JSON: {}", path.display());
}

fn one_after_another(stand: &Stand) -> Value {
    println!(
        "| command | stock p50 / p99 | cold p50 / p99 | cold / stock | warm p50 / p99 | warm / stock | CPU stock, cold, warm | one that waits |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let mut report = Vec::new();
    for (tool, command) in COMMANDS {
        let time = |call: &dyn Fn(), used: &dyn Fn() -> Duration, rest: &dyn Fn()| {
            let before = used();
            let began = Instant::now();
            call();
            let took = began.elapsed();
            rest(); // what is started for the next call is a cost of this one
            (took, used().saturating_sub(before))
        };
        let bare = || time(&|| stand.bare(tool, command), &used_by_children, &|| ());
        let cold = || {
            time(
                &|| stand.call(&stand.cold, tool, command),
                &|| used_by(&stand.cold),
                &|| (),
            )
        };
        let warm = || {
            time(
                &|| stand.call(&stand.warm, tool, command),
                &|| used_by(&stand.warm),
                &|| stand.rest(tool),
            )
        };
        // Those that waited for the last command may be of another profile.
        eventually("nothing waits", || stand.warm.waiting().is_empty());
        let _ = (bare(), cold(), warm());
        let rounds: Vec<_> = (0..ROUNDS).map(|_| [bare(), cold(), warm()]).collect();
        let of = |kind: usize| Figures::of(rounds.iter().map(|round| round[kind]).collect());
        let [bare, cold, warm] = [of(0), of(1), of(2)];
        let waiting = stand
            .warm
            .waiting()
            .into_iter()
            .map(|pid| memory(pid, "Private_Dirty:"))
            .fold(0.0, f64::max);
        let both = |figures: &Figures| format!("{:.1} / {:.1} ms", figures.p50, figures.p99);
        println!(
            "| {tool} {command} | {} | {} | {:.2} | {} | **{:.2}** | {:.0}, {:.0}, {:.0} ms ({:.2}, {:.2}) | {waiting:.1} MB |",
            both(&bare),
            both(&cold),
            cold.p50 / bare.p50,
            both(&warm),
            warm.p50 / bare.p50,
            bare.used,
            cold.used,
            warm.used,
            cold.used / bare.used,
            warm.used / bare.used,
        );
        report.push(json!({
            "command": format!("{tool} {command}"), "stock": bare.json(), "cold": cold.json(), "warm": warm.json(),
            "waiting_mb": waiting,
        }));
    }
    report.into()
}

/// Milliseconds.
struct Figures {
    p50: f64,
    p99: f64,
    /// Processor time of one call, on average.
    used: f64,
}

impl Figures {
    fn of(calls: Vec<(Duration, Duration)>) -> Self {
        let (mut times, used): (Vec<Duration>, Vec<Duration>) = calls.into_iter().unzip();
        times.sort();
        let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
        let at = |part: usize| milliseconds(times[times.len() * part / 100]);
        Self {
            p50: at(50),
            p99: at(99),
            used: milliseconds(used.iter().sum::<Duration>()) / used.len() as f64,
        }
    }

    fn json(&self) -> Value {
        json!({ "p50_ms": self.p50, "p99_ms": self.p99, "cpu_ms": self.used })
    }
}

fn many_at_once(stand: &Stand) -> Value {
    println!(
        "\n| `kubectl get pods`, at once | stock per second | cold | ratio | warm | ratio |\n|---|---|---|---|---|---|"
    );
    let of = |at_once: u32| {
        let per_second = |call: &(dyn Fn() + Sync)| {
            let (began, next) = (Instant::now(), AtomicUsize::new(0));
            thread::scope(|scope| {
                for _ in 0..at_once {
                    scope.spawn(|| {
                        while next.fetch_add(1, Ordering::Relaxed) < MANY {
                            call();
                        }
                    });
                }
            });
            MANY as f64 / began.elapsed().as_secs_f64()
        };
        // In turns, the best of each: other work of the machine comes and goes.
        let mut best = [0.0_f64; 3];
        for _ in 0..3 {
            let bare = per_second(&|| stand.bare("kubectl", "get pods"));
            let cold = per_second(&|| stand.call(&stand.cold, "kubectl", "get pods"));
            let warm = per_second(&|| stand.call(&stand.warm, "kubectl", "get pods"));
            best = [best[0].max(bare), best[1].max(cold), best[2].max(warm)];
        }
        let [bare, cold, warm] = best;
        println!(
            "| {at_once} | {bare:.1} | {cold:.1} | **{:.2}** | {warm:.1} | **{:.2}** |",
            cold / bare,
            warm / bare
        );
        json!({ "at_once": at_once, "stock_per_second": bare, "cold_per_second": cold, "warm_per_second": warm })
    };
    [1, 2, 8, 32].into_iter().map(of).collect()
}

/// The first call once nothing waits any more, beside one that never does.
fn after_a_pause(stand: &Stand) -> Value {
    let mut times: [Vec<f64>; 2] = Default::default();
    for _ in 0..PAUSES {
        eventually("nothing waits any more", || stand.warm.waiting().is_empty());
        for (times, server) in times.iter_mut().zip([&stand.cold, &stand.warm]) {
            let began = Instant::now();
            stand.call(server, "kubectl", "get pods");
            times.push(began.elapsed().as_secs_f64() * 1000.0);
        }
    }
    let [cold, first] = times.map(|times| times.into_iter().fold(0.0, f64::max));
    println!(
        "\nthe slowest of {PAUSES} first calls after a pause: {first:.1} ms, beside a server without tools that wait {cold:.1} ms"
    );
    json!({ "first": first, "cold": cold })
}

/// Each round trip counts: a home that keeps its caches has what discovery found, and so have tools
/// that waited.
fn over_a_slow_link(stand: &Stand, folder: &Path) -> Value {
    println!(
        "\n| with {} ms to the cluster and back | stock p50 | cold | warm |\n|---|---|---|---|",
        ROUND_TRIP.as_millis()
    );
    let (text, file) = (cluster().admin_at(stand.far.address), folder.join("far"));
    fs::write(&file, &text).unwrap();
    let kubeconfig = BASE64_STANDARD.encode(text);
    let of = |command: &str| {
        let time = |call: &dyn Fn()| {
            let began = Instant::now();
            call();
            began.elapsed()
        };
        let round = || {
            let bare = time(&|| stand.bare_with(&file, "kubectl", command));
            let [cold, warm] = [&stand.cold, &stand.warm]
                .map(|server| time(&|| stand.call_with(&kubeconfig, server, "kubectl", command)));
            stand.rest("kubectl");
            [bare, cold, warm]
        };
        stand.call_with(&kubeconfig, &stand.warm, "kubectl", command); // none waited for it
        round(); // this finds what there is
        let mut rounds: Vec<_> = (0..ROUNDS / 3).map(|_| round()).collect();
        let [bare, cold, warm] = [0, 1, 2].map(|kind| {
            rounds.sort_by_key(|round| round[kind]);
            rounds[rounds.len() / 2][kind].as_secs_f64() * 1000.0
        });
        println!("| kubectl {command} | {bare:.0} ms | {cold:.0} ms | **{warm:.0} ms** |");
        json!({ "command": command, "stock": bare, "cold": cold, "warm": warm })
    };
    ["get pods", "describe pod web-0"]
        .into_iter()
        .map(of)
        .collect()
}

fn refused(stand: &Stand) -> Value {
    let refused = |rounds: u32| {
        let started = Instant::now();
        for _ in 0..rounds {
            assert_eq!(
                stand
                    .cold
                    .kubectl("delete pod web-0", &stand.kubeconfig)
                    .status,
                403
            );
        }
        started.elapsed() / rounds
    };
    refused(50);
    let took = refused(500).as_secs_f64() * 1000.0;
    println!("a refused call, connection included: {took:.2} ms");
    took.into()
}

/// What of a process's memory is so, in megabytes (proc_pid_smaps_rollup(5)).
fn memory(pid: u32, key: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .unwrap_or_default();
    line.trim()
        .trim_end_matches(" kB")
        .parse::<f64>()
        .unwrap_or_default()
        * 1024.0
        / 1e6
}

/// Processor time that the children that we have waited for have used.
fn used_by_children() -> Duration {
    processor_time(std::process::id()).1
}
