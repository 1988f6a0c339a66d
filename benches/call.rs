//! What does the server add to a call? Bare kubectl and the server, interleaved in one run.
//!
//! `make bench` builds what it needs. The figures of one run compare with each other and with
//! nothing else: nothing is asserted.

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
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use harness::{Server, base64_of, cluster, tools};

const ROUNDS: usize = 60;

fn main() {
    let server = Server::start();
    let kubeconfig = base64_of(&cluster().view);
    let home = tempfile::tempdir().unwrap();
    println!("| command | bare p50 | server p50 | ratio | bare p99 | server p99 |\n|---|---|---|---|---|---|");
    for command in ["version --client", "get pods", "describe pod web-0", "get pods -A -o json"] {
        let bare = || {
            let started = Instant::now();
            let status = Command::new(tools().join("kubectl"))
                .args(command.split(' '))
                .env_clear()
                .env("HOME", home.path())
                .env("KUBECONFIG", &cluster().view)
                .stdout(Stdio::null())
                .status()
                .unwrap();
            assert!(status.success());
            started.elapsed()
        };
        let through = || {
            let started = Instant::now();
            assert_eq!(server.kubectl(command, &kubeconfig).status, 200);
            started.elapsed()
        };
        bare();
        through();
        let (mut bares, mut throughs): (Vec<Duration>, Vec<Duration>) = (0..ROUNDS).map(|_| (bare(), through())).unzip();
        bares.sort();
        throughs.sort();
        let at = |sorted: &[Duration], part: usize| sorted[sorted.len() * part / 100].as_secs_f64() * 1000.0;
        let (bare, through) = (at(&bares, 50), at(&throughs, 50));
        println!(
            "| {command} | {bare:.1} ms | {through:.1} ms | {:.2} | {:.1} ms | {:.1} ms |",
            through / bare,
            at(&bares, 99),
            at(&throughs, 99)
        );
    }
    let refused = |rounds: u32| {
        let started = Instant::now();
        for _ in 0..rounds {
            assert_eq!(server.kubectl("delete pod web-0", &kubeconfig).status, 403);
        }
        started.elapsed() / rounds
    };
    refused(50);
    println!("\na refused call, connection included: {:.2} ms", refused(500).as_secs_f64() * 1000.0);
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let resident = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    println!("the server after that: {}", resident.split_whitespace().collect::<Vec<_>>().join(" "));
}
