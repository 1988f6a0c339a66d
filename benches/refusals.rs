//! How many requests that start nothing can one processor answer? `cargo bench --bench refusals`
//!
//! The server has one processor, the clients another. Beside it, in the same run and turn by turn,
//! an empty axum handler. Their ratio and the processor time of a request say more than requests
//! per second of one machine.

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
    env,
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, routing::post};
use harness::{Server, kubeconfig_of, tools};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// How often each kind has its turn, and how long one is.
const TURNS: usize = 5;
const TURN: Duration = Duration::from_millis(1500);
/// Connections, each with one request at a time.
const CONNECTIONS: usize = 32;
/// Where the server runs, and where the clients do.
const PROCESSORS: [&str; 2] = ["0", "1"];

fn main() {
    if env::var_os("AIRLOCK_BENCH_EMPTY").is_some() {
        return empty_handler();
    }
    let on_one = || {
        let mut command = Command::new("taskset");
        command.args(["-c", PROCESSORS[0]]);
        command
    };
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("airlock.toml");
    std::fs::write(&config, "[limits]\nrate = 0\n").unwrap();
    let server = Server::behind(
        on_one(),
        &[
            "--tools-dir",
            tools().to_str().unwrap(),
            "--config",
            config.to_str().unwrap(),
        ],
    );
    harness::eventually("the inventory has looked", || {
        server.get("/tools/status").json()["tools"]["argocd"]["state"] == "available"
    });
    let empty = Empty::start(on_one());
    // The server's first; this process is the clients.
    assert!(
        Command::new("taskset")
            .args(["-cp", PROCESSORS[1], &std::process::id().to_string()])
            .stdout(Stdio::null())
            .status()
            .unwrap()
            .success()
    );
    let kubeconfig = kubeconfig_of("https://192.0.2.1:6443");
    let request = |address: SocketAddr, path: &str, headers: &str, body: &str| {
        let length = body.len();
        let method = if body.is_empty() { "GET" } else { "POST" };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{headers}"
        );
        format!("{head}\r\n{body}").into_bytes()
    };
    let call = |command: &str| {
        let body = serde_json::json!({ "command": command }).to_string();
        request(
            server.address,
            "/tools/kubectl",
            &format!("X-Kubeconfig: {kubeconfig}\r\n"),
            &body,
        )
    };
    let body = r#"{"command":"delete pod web-0"}"#;
    let kinds = [
        (
            "an empty axum handler",
            empty.child.id(),
            empty.address,
            200,
            request(empty.address, "/", "", body),
        ),
        (
            "`/health`",
            server.pid(),
            server.address,
            200,
            request(server.address, "/health", "", ""),
        ),
        (
            "no such path",
            server.pid(),
            server.address,
            404,
            request(server.address, "/nowhere", "", body),
        ),
        (
            "refused by the words (`get pods; id`)",
            server.pid(),
            server.address,
            422,
            call("get pods; id"),
        ),
        (
            "refused by the parser (an unknown flag)",
            server.pid(),
            server.address,
            422,
            call("get pods --outputt=json -n web"),
        ),
        (
            "refused by the kubeconfig (it is missing)",
            server.pid(),
            server.address,
            422,
            request(
                server.address,
                "/tools/kubectl",
                "",
                r#"{"command":"get pods"}"#,
            ),
        ),
        (
            "refused by the policy (`delete pod web-0`)",
            server.pid(),
            server.address,
            403,
            call("delete pod web-0"),
        ),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let resident = || harness::held(server.pid()).1;
    let (mut found, mut requests, mut after_first) = (vec![Vec::new(); kinds.len()], 0, 0);
    for turn in 0..=TURNS {
        after_first = if turn == 1 { resident() } else { after_first };
        for ((_, pid, address, status, request), turns) in kinds.iter().zip(&mut found) {
            let (before, began) = (processor_time(*pid), Instant::now());
            let answered = runtime.block_on(asked(*address, request, *status));
            let (took, busy) = (began.elapsed().as_secs_f64(), processor_time(*pid) - before);
            // The first turn is for caches.
            if turn > 0 {
                requests += if *pid == server.pid() { answered } else { 0 };
                turns.push((answered as f64 / took, busy * 1e6 / answered as f64));
            }
        }
    }
    println!(
        "| on one processor, {CONNECTIONS} connections | per second | of the empty handler | its processor time |\n|---|---|---|---|"
    );
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let mut of_empty = None;
    for ((name, ..), turns) in kinds.iter().zip(found) {
        let (rates, times): (Vec<f64>, Vec<f64>) = turns.into_iter().unzip();
        let (rate, time) = (median(rates), median(times));
        let ratio = rate / *of_empty.get_or_insert(rate);
        println!("| {name} | {rate:.0} | {ratio:.2} | {time:.1} µs |");
    }
    println!(
        "\nthe server after the first turn: {after_first} KiB resident; {requests} requests later: {} KiB",
        resident()
    );
}

/// Requests until the turn is over; how many were answered.
async fn asked(address: SocketAddr, request: &[u8], status: u16) -> u64 {
    let (request, expected): (Arc<[u8]>, Arc<str>) =
        (request.into(), format!("HTTP/1.1 {status} ").into());
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|_| tokio::spawn(client(address, Arc::clone(&request), Arc::clone(&expected))))
        .collect();
    let mut answered = 0;
    for client in clients {
        answered += client.await.unwrap();
    }
    answered
}

async fn client(address: SocketAddr, request: Arc<[u8]>, expected: Arc<str>) -> u64 {
    let until = Instant::now() + TURN;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut answered, mut buffer) = (0, vec![0; 16 * 1024]);
    while Instant::now() < until {
        stream.write_all(&request).await.unwrap();
        let (mut read, mut whole) = (0, usize::MAX);
        while read < whole {
            let more = stream.read(&mut buffer[read..]).await.unwrap();
            assert!(
                more > 0,
                "the server closed the connection: {}",
                String::from_utf8_lossy(&buffer[..read])
            );
            read += more;
            whole = length(&buffer[..read]).unwrap_or(usize::MAX);
        }
        assert!(
            buffer.starts_with(expected.as_bytes()),
            "{}",
            String::from_utf8_lossy(&buffer[..read])
        );
        answered += 1;
    }
    answered
}

/// How long the answer is that begins so, once its head is there.
fn length(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&answer[..head]).unwrap();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))?;
    Some(head + 4 + length.parse::<usize>().unwrap())
}

/// What a process has had of the processors, in seconds.
fn processor_time(pid: u32) -> f64 {
    let mut of_threads = 0.0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .flatten()
    {
        let told = std::fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        of_threads += told
            .split(' ')
            .next()
            .and_then(|nanoseconds| nanoseconds.parse::<f64>().ok())
            .unwrap_or(0.0);
    }
    of_threads / 1e9
}

/// This program again, as an empty handler. It ends with this one.
struct Empty {
    child: Child,
    address: SocketAddr,
}

impl Empty {
    fn start(mut command: Command) -> Self {
        let mut child = command
            .arg(env::current_exe().unwrap())
            .env("AIRLOCK_BENCH_EMPTY", "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Self {
            child,
            address: line.trim().parse().unwrap(),
        }
    }
}

impl Drop for Empty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn empty_handler() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let router = Router::new().route("/", post(|| async { "ok" }));
        let acceptor = axum_server::accept::NoDelayAcceptor::new();
        axum_server::from_tcp(listener)
            .unwrap()
            .acceptor(acceptor)
            .serve(router.into_make_service())
            .await
            .unwrap();
    });
}
