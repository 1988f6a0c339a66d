//! Many calls of every kind at once: nothing leaks, nothing stalls, every one is recorded.
//!
//! `make soak` asks 20,000 times, of a release build, for ten minutes at most; `make test` two
//! hundred times.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    harness::{
        Server, as_admin, base64_of, cluster, descendants, eventually, forget_peak, held,
        memory_of, program,
    },
    mcp::KUBECTL_CALL,
};

/// Calls at once, as many as there are places.
const AT_ONCE: usize = 16;
/// No run takes longer than this; it tells how many calls it made.
const LONGEST: Duration = Duration::from_secs(600);

/// What a call is to come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Cancelled,
    HugeOutput,
    Killed,
    Refused,
    Runs,
    TimesOut,
}

impl Kind {
    /// Each in its turn, so that every hundred has the same of each.
    fn of(number: usize) -> Self {
        match number * 37 % 100 {
            0..10 => Self::Cancelled,
            10..20 => Self::TimesOut,
            20..30 => Self::Refused,
            30..35 => Self::HugeOutput,
            35 => Self::Killed,
            _ => Self::Runs,
        }
    }
}

const ORDINARY: [&str; 6] = [
    "version --client",
    "get pods",
    "get pod web-0 -o jsonpath='{.metadata.name}'",
    "describe pod web-0",
    "get --help",
    "-n web get deploy",
];

#[test]
fn many_calls_of_every_kind_leave_nothing_and_are_recorded() {
    let calls = env::var("AIRLOCK_TEST_SOAK").map_or(200, |calls| calls.parse().unwrap());
    let (_folder, server) = Server::with_settings(&format!(
        "[limits]\nrate = 0\nconcurrency = {AT_ONCE}\nmemory = \"256MiB\"\n"
    ));
    eventually("the inventory has looked", || {
        server.get("/tools/status").json()["tools"]["argocd"]["state"] == "available"
    });
    let spawner = descendants(server.pid())[0];
    let _big = Big::make("soak", 4);
    let soak = Soak {
        server: &server,
        kubeconfig: base64_of(&cluster().view),
        found: Mutex::default(),
    };
    let idle = soak.refusals_while(|| thread::sleep(Duration::from_secs(2)));

    soak.run(0..(calls / 10).max(100)); // allocators and pools reach their size
    let quiet = || {
        eventually("nothing is left", || {
            server.children().is_empty() && server.workspaces().is_empty()
        });
        // A tool that waits has its streams, its files, its request's way and its questions.
        eventually("connections are closed", || {
            held(server.pid()).0 <= 40 + 8 * server.waiting().len()
        });
        server.settles();
    };
    quiet();
    soak.found.lock().unwrap().clear();
    let already = server.records().len();
    let before = [held(server.pid()), held(spawner)];
    let (began, mut made) = (Instant::now(), 0);
    let busy = soak.refusals_while(|| made = soak.run(0..calls));
    let took = began.elapsed();
    quiet();
    let after = [held(server.pid()), held(spawner)];

    println!(
        "\n{made} calls, {AT_ONCE} at once, in {:.0} s; of the server's build: {}\n",
        took.as_secs_f64(),
        if cfg!(debug_assertions) {
            "debug"
        } else {
            "release"
        }
    );
    println!("| kind | calls | came to |\n|---|---|---|");
    for (kind, outcomes) in soak.found.lock().unwrap().iter() {
        println!(
            "| {kind:?} | {} | {} |",
            outcomes.values().sum::<usize>(),
            outcomes
                .iter()
                .map(|(what, count)| format!("{what}: {count}"))
                .collect::<Vec<_>>()
                .join(", ")
        );
    }
    println!(
        "\n| process | descriptors before, after | resident KiB before, after |\n|---|---|---|"
    );
    for (name, (before, after)) in ["server", "spawner"].iter().zip(before.iter().zip(after)) {
        println!(
            "| {name} | {}, {} | {}, {} |",
            before.0, after.0, before.1, after.1
        );
    }
    println!("\n| a refused call | p50 | p99 | most | asked |\n|---|---|---|---|---|");
    for (name, times) in [
        ("while nothing runs", &idle),
        ("while all places run", &busy),
    ] {
        let at = |part: usize| {
            times[(times.len() * part / 100).min(times.len() - 1)].as_secs_f64() * 1000.0
        };
        println!(
            "| {name} | {:.2} ms | {:.2} ms | {:.2} ms | {} |",
            at(50),
            at(99),
            at(100),
            times.len()
        );
    }

    for (before, after) in before.iter().zip(after) {
        assert!(
            after.0 <= before.0 + 2,
            "descriptors: {} -> {}",
            before.0,
            after.0
        );
        assert!(
            after.1 < before.1 + 6 * 1024,
            "resident: {} -> {} KiB",
            before.1,
            after.1
        );
    }
    // Each of ours has a decision, and each that was allowed one end.
    let records = server.records();
    let mut of_call: BTreeMap<&str, (usize, usize, bool)> = BTreeMap::new();
    for record in &records[already..] {
        let of = of_call
            .entry(record["request_id"].as_str().unwrap())
            .or_default();
        match record["event"].as_str().unwrap() {
            "decision" => (of.0, of.2) = (of.0 + 1, record["effect"] == "allow"),
            "end" => of.1 += 1,
            other => panic!("a record of {other}"),
        }
    }
    let wrong: Vec<_> = of_call
        .iter()
        .filter(|(_, (decisions, ends, allowed))| (*decisions, *ends) != (1, usize::from(*allowed)))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} calls have not their records: {:?}",
        wrong.len(),
        wrong.iter().take(5).collect::<Vec<_>>()
    );
    // Who leaves before the request is read has asked for nothing.
    let left = soak
        .found
        .lock()
        .unwrap()
        .get(&Kind::Cancelled)
        .map_or(0, |outcomes| outcomes.values().sum());
    let asked = made + busy.len();
    assert!(
        (asked - left..=asked).contains(&of_call.len()),
        "{} of {asked} calls are recorded",
        of_call.len()
    );
    assert!(
        Command::new(program())
            .args(["audit", "verify"])
            .arg(&server.audit)
            .stdout(Stdio::null())
            .status()
            .unwrap()
            .success()
    );
    let log = fs::read_to_string(&server.log).unwrap();
    assert!(!log.contains("ERROR"), "{log}");
}

struct Soak<'a> {
    server: &'a Server,
    kubeconfig: String,
    /// How often each kind came to what.
    found: Mutex<BTreeMap<Kind, BTreeMap<String, usize>>>,
}

impl Soak<'_> {
    /// Makes these calls; how many there were when the time was up.
    fn run(&self, numbers: std::ops::Range<usize>) -> usize {
        let (next, until) = (AtomicUsize::new(numbers.start), Instant::now() + LONGEST);
        thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    while Instant::now() < until {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= numbers.end {
                            break;
                        }
                        let (kind, found) = (Kind::of(number), self.call(number));
                        *self
                            .found
                            .lock()
                            .unwrap()
                            .entry(kind)
                            .or_default()
                            .entry(found)
                            .or_default() += 1;
                    }
                });
            }
        });
        self.found
            .lock()
            .unwrap()
            .values()
            .flat_map(BTreeMap::values)
            .sum()
    }

    /// Makes one call; what it came to, after the answer was found to be one of its kind.
    fn call(&self, number: usize) -> String {
        // Its own number, by which the child is found.
        let timeout = format!("--timeout={}ms", 30_000 + number % 30_000);
        let waits = format!("wait --for=delete pod/web-0 {timeout}");
        let told = |answer: Value, allowed: &[&str]| {
            let (code, exit) = (answer["code"].as_str(), answer["exit_code"].as_i64());
            let found = code.map_or_else(|| format!("exit {}", exit.unwrap()), str::to_owned);
            assert!(
                allowed.contains(&found.as_str()),
                "{:?} {number}: {answer}",
                Kind::of(number)
            );
            found
        };
        match Kind::of(number) {
            Kind::Cancelled => {
                let stream = self.open(&json!({ "command": waits }));
                thread::sleep(Duration::from_millis(20 + number as u64 * 7 % 300));
                drop(stream);
                "left".to_owned()
            }
            // A place is free once the child of a client that left is gone: until then the deadline
            // may pass in the queue.
            Kind::TimesOut => told(
                self.asked(&json!({ "command": waits, "timeout": "300ms" })),
                &["timeout", "overloaded"],
            ),
            Kind::Refused => {
                let (command, code) = if number.is_multiple_of(2) {
                    ("delete pod web-0", "policy_denied")
                } else {
                    ("get pods; id", "invalid_command")
                };
                told(self.asked(&json!({ "command": command })), &[code])
            }
            Kind::HugeOutput => {
                let answer = self.asked(&json!({ "command": "get cm -n soak -o json" }));
                assert_eq!(answer["truncated"], true, "{answer}");
                told(answer, &["exit 0", "too_much_output"])
            }
            Kind::Killed => {
                let killed = AtomicBool::new(false);
                thread::scope(|scope| {
                    scope.spawn(|| {
                        eventually("the child runs and is killed", || {
                            let is_it = |pid: &u32| {
                                fs::read_to_string(format!("/proc/{pid}/cmdline"))
                                    .is_ok_and(|line| line.contains(&timeout))
                            };
                            let found = self.server.children().into_iter().find(is_it);
                            found.is_some_and(|pid| {
                                Command::new("kill")
                                    .args(["-9", &pid.to_string()])
                                    .status()
                                    .unwrap()
                                    .success()
                            })
                        });
                        killed.store(true, Ordering::Relaxed);
                    });
                    told(self.asked(&json!({ "command": waits })), &["exit 137"])
                })
            }
            Kind::Runs if number.is_multiple_of(7) => {
                let answer = self.over_mcp(ORDINARY[number % ORDINARY.len()]);
                told(answer, &["exit 0"])
            }
            Kind::Runs => told(
                self.asked(&json!({ "command": ORDINARY[number % ORDINARY.len()] })),
                &["exit 0"],
            ),
        }
    }

    fn open(&self, body: &Value) -> TcpStream {
        let headers = [
            ("Content-Type", "application/json"),
            ("X-Kubeconfig", self.kubeconfig.as_str()),
        ];
        self.server.open(
            "POST",
            "/tools/kubectl",
            &headers,
            body.to_string().as_bytes(),
        )
    }

    fn asked(&self, body: &Value) -> Value {
        let headers = [
            ("Content-Type", "application/json"),
            ("X-Kubeconfig", self.kubeconfig.as_str()),
        ];
        self.server
            .send(
                "POST",
                "/tools/kubectl",
                &headers,
                body.to_string().as_bytes(),
            )
            .json()
    }

    fn over_mcp(&self, command: &str) -> Value {
        let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} });
        let params =
            json!({ "name": "kubectl", "arguments": { "command": command }, "_meta": meta });
        let message =
            json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let headers = [
            &KUBECTL_CALL[..],
            &[("X-Kubeconfig", self.kubeconfig.as_str())],
        ]
        .concat();
        self.server
            .send("POST", "/mcp", &headers, message.to_string().as_bytes())
            .json()["result"]["_meta"]["kube-airlock"]
            .clone()
    }

    /// How long refusals take meanwhile, sorted: one client that asks every few milliseconds on a
    /// connection that stays.
    fn refusals_while(&self, work: impl FnOnce()) -> Vec<Duration> {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let body = r#"{"command":"delete pod web-0"}"#;
                let request = format!(
                    "POST /tools/kubectl HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nX-Kubeconfig: {}\r\nContent-Length: {}\r\n\r\n{body}",
                    self.server.address,
                    self.kubeconfig,
                    body.len()
                );
                let mut stream = TcpStream::connect(self.server.address).unwrap();
                stream.set_nodelay(true).unwrap();
                let (mut times, mut answer) = (Vec::new(), vec![0; 64 * 1024]);
                while !done.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    stream.write_all(request.as_bytes()).unwrap();
                    let read = stream.read(&mut answer).unwrap();
                    assert!(answer[..read].starts_with(b"HTTP/1.1 403"), "{}", String::from_utf8_lossy(&answer[..read]));
                    times.push(began.elapsed());
                    thread::sleep(Duration::from_millis(5));
                }
                times.sort();
                times
            });
            work();
            done.store(true, Ordering::Relaxed);
            asking.join().unwrap()
        })
    }
}

/// ConfigMaps of 200 kB each, in a namespace of their own, until it is dropped.
pub struct Big(&'static str);

impl Big {
    /// Makes `count` of them.
    pub fn make(namespace: &'static str, count: usize) -> Self {
        let bare =
            |arguments: &[&str], input: &str| assert!(as_admin(arguments, input), "{arguments:?}");
        bare(&["create", "namespace", namespace], "");
        let text = "what a config map may hold, line by line\n".repeat(200_000 / 41); // data is held back until a kind has come, but not more than 256 KiB
        for number in 0..count {
            let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": format!("big-{number}") }, "data": { "text": text } });
            bare(&["-n", namespace, "create", "-f", "-"], &map.to_string());
        }
        Self(namespace)
    }
}

impl Drop for Big {
    fn drop(&mut self) {
        as_admin(&["delete", "configmaps", "--all", "-n", self.0], "");
    }
}

#[test]
fn megabytes_of_output_take_no_memory() {
    let server = Server::start();
    let kubeconfig = base64_of(&cluster().view);
    // Redaction without optimization takes a second for each.
    let megabytes = if cfg!(debug_assertions) { 4 } else { 20 };
    let _big = Big::make("megabytes", megabytes * 5);
    for accept in ["application/json", "application/x-ndjson"].repeat(3) {
        let headers = [
            ("Content-Type", "application/json"),
            ("Accept", accept),
            ("X-Kubeconfig", kubeconfig.as_str()),
        ];
        let answer = server.send(
            "POST",
            "/tools/kubectl",
            &headers,
            br#"{"command":"get cm -n megabytes big-0 big-1 -o json"}"#,
        );
        // Half of a document is no answer, and a stream has begun; the buffers reach their size.
        let expected = if accept.ends_with("/json") { 422 } else { 200 };
        assert_eq!(answer.status, expected);
    }
    let of = |key: &str| memory_of(server.pid(), key).unwrap();
    for accept in ["application/json", "application/x-ndjson"] {
        // Of its own: a page of the program that is read for the first time holds no output.
        let before = of("VmRSS:") - of("RssFile:");
        forget_peak(server.pid());
        let began = Instant::now();
        let headers = [
            ("Content-Type", "application/json"),
            ("Accept", accept),
            ("X-Kubeconfig", kubeconfig.as_str()),
        ];
        let answer = server.send(
            "POST",
            "/tools/kubectl",
            &headers,
            br#"{"command":"get cm -n megabytes -o json"}"#,
        );
        let (took, peak) = (began.elapsed(), of("VmHWM:") - of("RssFile:"));
        let lines: Vec<Value> = answer
            .body
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect();
        let end = lines.last().unwrap();
        let id = end["request_id"].as_str().unwrap();
        let written = || {
            server.records().iter().find(|record| record["event"] == "end" && record["request_id"] == *id)?["output_bytes"].as_u64()
        };
        eventually("the end is recorded", || written().is_some());
        let written = written().unwrap();
        println!("{written} bytes as {accept} in {took:?}: {before} KiB, at most {peak} KiB");
        assert!(written > megabytes as u64 * 1_000_000);
        // What an answer does not have is kept, up to 2 MiB.
        let kept = if accept == "application/json" {
            2048
        } else {
            0
        };
        assert!(
            peak < before + 2048 + kept,
            "{accept}: {before} KiB -> {peak} KiB"
        );
        if accept == "application/json" {
            assert_eq!(
                (end["code"].as_str(), end["truncated"].as_bool()),
                (Some("too_much_output"), Some(true)),
                "{end}"
            );
            assert!(
                answer.body.len() < 80 << 10,
                "the answer has {} bytes",
                answer.body.len()
            );
        } else {
            assert_eq!(
                (end["exit_code"].as_i64(), end["truncated"].as_bool()),
                (Some(0), Some(false)),
                "{end}"
            );
            let told = lines
                .iter()
                .filter(|line| line["stream"] == "stdout")
                .map(|line| line["text"].as_str().unwrap().len() as u64);
            assert_eq!(told.sum::<u64>(), written, "all of it is told");
        }
    }
}
