//! What does a confined call cost beside the tool that its user would type? Both in turns, in one run.
//!
//! The bare tools are as upstream builds them, with a home that keeps their caches. `make bench` builds what it needs.
//! The figures of one run compare with each other and with nothing else: nothing is asserted.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark, not the server"
)]
#![allow(clippy::disallowed_methods, missing_docs, reason = "a benchmark, not the server")]

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

use harness::{Server, base64_of, cluster, descendants, eventually, tools};

const ROUNDS: usize = 60;
/// Calls of one measurement of throughput.
const MANY: usize = 200;

const COMMANDS: [(&str, &str); 7] = [
    ("kubectl", "version --client"),
    ("kubectl", "get pods"),
    ("kubectl", "describe pod web-0"),
    ("kubectl", "get pods -A -o json"),
    ("helm", "list"),
    ("istioctl", "version --remote=false"),
    ("argocd", "version --client"),
];

/// The server and the bare tools, for the same cluster.
struct Stand {
    server: Server,
    kubeconfig: String,
    home: tempfile::TempDir,
}

impl Stand {
    fn bare(&self, tool: &str, command: &str) {
        let mut bare = Command::new(tools().join(format!("{tool}-stock")));
        bare.arg0(tool).args(command.split(' ')).env_clear().env("HOME", self.home.path()).env("KUBECONFIG", &cluster().admin);
        assert!(bare.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success(), "{tool} {command}");
    }

    fn confined(&self, tool: &str, command: &str) {
        let body = serde_json::json!({ "command": command }).to_string();
        let mut headers = vec![("Content-Type", "application/json")];
        if tool != "argocd" {
            headers.push(("X-Kubeconfig", &self.kubeconfig));
        }
        let reply = self.server.send("POST", &format!("/tools/{tool}"), &headers, body.as_bytes());
        assert_eq!(reply.json()["success"], true, "{tool} {command}: {}", reply.json());
    }

    /// Processor time that the server, its spawner and all their children have used.
    fn used_by_server(&self) -> Duration {
        let pid = self.server.pid();
        descendants(pid).into_iter().chain([pid]).map(|pid| used(Path::new(&format!("/proc/{pid}/stat")), 4)).sum()
    }
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("airlock.toml");
    fs::write(&settings, "[limits]\nrate = 0\n").unwrap(); // one client asks more often than any is let
    let allowed = cluster().server.to_string();
    let tools = tools();
    let [settings, bin] = [&settings, &tools].map(|path| path.to_str().unwrap());
    let server = Server::with(&["--config", settings, "--tools-dir", bin, "--egress-allow", &allowed], None);
    eventually("all tools are there", || {
        let status = server.get("/tools/status").json();
        ["kubectl", "helm", "istioctl", "argocd"].iter().all(|tool| status["tools"][tool]["state"] == "available")
    });
    let stand = Stand { server, kubeconfig: base64_of(&cluster().admin), home: tempfile::tempdir().unwrap() };
    one_after_another(&stand);
    many_at_once(&stand);
    refused(&stand);
    let status = fs::read_to_string(format!("/proc/{}/status", stand.server.pid())).unwrap();
    let resident = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    println!("the server after that: {}", resident.split_whitespace().collect::<Vec<_>>().join(" "));
}

fn one_after_another(stand: &Stand) {
    println!("| command | bare p50 | server p50 | ratio | bare p99 | server p99 | bare CPU | server CPU | ratio |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for (tool, command) in COMMANDS {
        let time = |call: &dyn Fn(&str, &str), used: &dyn Fn() -> Duration| {
            let (began, before) = (Instant::now(), used());
            call(tool, command);
            (began.elapsed(), used().saturating_sub(before))
        };
        let of_bare = || time(&|tool, command| stand.bare(tool, command), &used_by_children);
        let of_server = || time(&|tool, command| stand.confined(tool, command), &|| stand.used_by_server());
        of_bare();
        of_server();
        let (bares, servers): (Vec<_>, Vec<_>) = (0..ROUNDS).map(|_| (of_bare(), of_server())).unzip();
        let (bare, server) = (Figures::of(bares), Figures::of(servers));
        println!(
            "| {tool} {command} | {:.1} ms | {:.1} ms | **{:.2}** | {:.1} ms | {:.1} ms | {:.1} ms | {:.1} ms | {:.2} |",
            bare.p50,
            server.p50,
            server.p50 / bare.p50,
            bare.p99,
            server.p99,
            bare.used,
            server.used,
            server.used / bare.used
        );
    }
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
        Self { p50: at(50), p99: at(99), used: milliseconds(used.iter().sum::<Duration>()) / used.len() as f64 }
    }
}

fn many_at_once(stand: &Stand) {
    println!("\n| `kubectl get pods`, at once | bare per second | server per second | ratio |\n|---|---|---|---|");
    for at_once in [1, 2, 8] {
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
        let bare = per_second(&|| stand.bare("kubectl", "get pods"));
        let server = per_second(&|| stand.confined("kubectl", "get pods"));
        println!("| {at_once} | {bare:.1} | {server:.1} | **{:.2}** |", server / bare);
    }
}

fn refused(stand: &Stand) {
    let refused = |rounds: u32| {
        let started = Instant::now();
        for _ in 0..rounds {
            assert_eq!(stand.server.kubectl("delete pod web-0", &stand.kubeconfig).status, 403);
        }
        started.elapsed() / rounds
    };
    refused(50);
    println!("\na refused call, connection included: {:.2} ms", refused(500).as_secs_f64() * 1000.0);
}

/// Processor time that the children that we have waited for have used.
fn used_by_children() -> Duration {
    used(Path::new("/proc/self/stat"), 2)
}

/// The last `count` of utime, stime, cutime and cstime of a process (proc_pid_stat(5)), in sum: 4 for its own too.
fn used(stat: &Path, count: usize) -> Duration {
    const TICKS_PER_SECOND: u64 = 100; // sysconf(_SC_CLK_TCK) of every Linux
    let text = fs::read_to_string(stat).unwrap_or_default();
    let fields: Vec<u64> = text.rsplit(") ").next().unwrap_or_default().split(' ').map(|field| field.parse().unwrap_or(0)).collect();
    let ticks: u64 = fields.iter().skip(11 + 4 - count).take(count).sum();
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}
