//! What does a confined child cost, and whom does it disturb? `cargo bench --bench spawn`
//!
//! The child is the smallest program there is, so that what remains is the spawner's: every layer,
//! a directory of its own, its removal. Beside it, in the same run, the same program bare. Then the
//! server with that program in the place of kubectl: what others wait for while it spawns without
//! pause.
//!
//! Budgets on an idle machine: 1.6 ms at the median, the same beside 500 MB; 1 ms more for others
//! at p99.

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
    fs, hint,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use harness::{Server, kubeconfig_of, processor_time};
use kube_airlock::{
    audit::{Audit, DecisionRecord, Recorded, Seal, Who},
    catalogue::Catalogue,
    command::{Invocation, parse, split},
    egress::{Allowed, Pinned, pin},
    endpoint::Endpoint,
    identity::Caller,
    kubeconfig::Kubeconfig,
    policy::{Approved, Decision, Effect, Facts, Policy, PolicySource, Target},
    sandbox::{
        Identity, Layer, Levels, Limits, Profiles, Program, Run, Sandbox, Slots, SpawnerLink,
        claim_users, fork_spawner,
    },
    tool::Tool,
    workspace::Workspaces,
};
use tokio::runtime::{Builder, Runtime};

/// Calls of each kind, in turns.
const ROUNDS: usize = 500;
/// Requests of a client that others may disturb.
const REQUESTS: usize = 1500;
/// Calls of one measurement of throughput.
const CALLS: usize = 4000;
/// How often each kind of work comes and goes beside it.
const TURNS: usize = 5;

fn main() {
    if cfg!(not(target_arch = "x86_64")) {
        panic!("the program to be spawned is written for x86_64");
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("kubectl");
    fs::write(&program, smallest_program()).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    disturbance(folder.path());
    spawning(&program);
}

/// A static program that prints what kubectl prints for its version, and exits.
fn smallest_program() -> Vec<u8> {
    const TEXT: &[u8] = br#"{"clientVersion":{"gitVersion":"v1.37.2"}}"#;
    let length = (TEXT.len() as u32).to_le_bytes();
    let code = [
        &[0xbf, 1, 0, 0, 0][..],          // mov edi, 1
        &[0x48, 0x8d, 0x35, 21, 0, 0, 0], // lea rsi, [rip + what follows up to the text]
        &[0xba],                          // mov edx, length
        &length,
        &[0xb8, 1, 0, 0, 0, 0x0f, 0x05], // mov eax, write; syscall
        &[0x31, 0xff, 0xb8, 231, 0, 0, 0, 0x0f, 0x05], // xor edi, edi; mov eax, exit_group; syscall
        TEXT,
    ]
    .concat();
    const HEADERS: u64 = 64 + 56;
    const AT: u64 = 0x40_0000;
    let size = HEADERS + code.len() as u64;
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let short = |elf: &mut Vec<u8>, values: &[u16]| {
        values
            .iter()
            .for_each(|value| elf.extend(value.to_le_bytes()))
    };
    let long = |elf: &mut Vec<u8>, values: &[u64]| {
        values
            .iter()
            .for_each(|value| elf.extend(value.to_le_bytes()))
    };
    short(&mut elf, &[2, 62, 1, 0]); // an executable for x86_64, version 1
    long(&mut elf, &[AT + HEADERS, 64, 0]); // its start, where the program headers are, no sections
    short(&mut elf, &[0, 0, 64, 56, 1, 0, 0, 0]); // flags; sizes and counts of the headers
    short(&mut elf, &[1, 0, 5, 0]); // to be loaded; to be read and executed
    long(&mut elf, &[0, AT, AT, size, size, 0x1000]);
    elf.extend(code);
    elf
}

struct Stand {
    sandbox: Sandbox,
    audit: Audit,
    workspaces: Workspaces,
    policy: Policy,
    invocation: Invocation,
    endpoint: Endpoint,
    allowed: Allowed,
}

const SLOTS: Slots = Slots {
    tools: 8,
    filters: 0,
};
const LIMITS: Limits = Limits {
    memory_bytes: 1 << 30,
    cpu_seconds: 35,
};

/// What is left out, to see what it costs; the first stands for nothing.
const LEFT_OUT: [(&str, &[Layer]); 7] = [
    ("none", &[]),
    ("seccomp", &[Layer::Seccomp]),
    ("egress", &[Layer::Egress]),
    (
        "landlock",
        &[Layer::LandlockFs, Layer::LandlockNet, Layer::LandlockScope],
    ),
    ("user, capabilities", &[Layer::User, Layer::Capabilities]),
    (
        "rlimits, session, descriptors",
        &[Layer::Rlimits, Layer::Session, Layer::Descriptors],
    ),
    ("all of them", &Layer::ALL),
];

/// A spawner for each of these, and this process in the place of their server.
fn spawning(program: &Path) {
    let is_root = harness::is_root();
    let owner = is_root.then_some(65532);
    let prepared: Vec<(SpawnerLink, Workspaces)> = LEFT_OUT
        .iter()
        .map(|(_, layers)| {
            let levels = layers
                .iter()
                .fold(Levels::default(), |levels, layer| levels.without(*layer));
            let users = is_root.then(|| claim_users(50_000, 8).unwrap());
            let tools = vec![(Program::Tool(Tool::KUBECTL), PathBuf::from(program))];
            let link =
                fork_spawner(tools, Profiles::load().unwrap(), levels, users, SLOTS).unwrap();
            (link, Workspaces::create(None, owner).unwrap())
        })
        .collect();
    if is_root {
        Identity::new(65532).assume().unwrap();
    }
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let stands: Vec<Arc<Stand>> = prepared
        .into_iter()
        .map(|(link, workspaces)| Arc::new(runtime.block_on(Stand::new(link, workspaces))))
        .collect();
    let all = &stands[0];
    let who = if is_root {
        "a user per child"
    } else {
        "one user for all"
    };
    println!(
        "\n## The smallest program, from before its directory is made until it is removed ({who})\n"
    );
    println!(
        "| server | posix_spawn p50 / p99 | all layers p50 / p99 | of it until it runs | layers / posix_spawn | fork + exec p50 |"
    );
    println!("|---|---|---|---|---|---|");
    let mut ballast: Vec<u8> = Vec::new();
    for megabytes in [0, 500] {
        ballast.resize(megabytes << 20, 1);
        ballast.iter_mut().step_by(4096).for_each(|byte| *byte = 2); // present, page by page
        let [spawned, confined, started] = in_turns(ROUNDS, || {
            let spawned = bare(program, false);
            let (whole, started) = confined(&runtime, all);
            [spawned, whole, started]
        });
        // By itself: what it does to the machine would be told of the others.
        let [forked] = in_turns(ROUNDS / 10, || [bare(program, true)]);
        hint::black_box(&ballast);
        let both = |times: &[Duration]| format!("{:.2} / {:.2} ms", at(times, 50), at(times, 99));
        println!(
            "| {} MB resident | {} | {} | {:.2} ms | {:.2} | {:.2} ms |",
            resident(std::process::id()),
            both(&spawned),
            both(&confined),
            at(&started, 50),
            at(&confined, 50) / at(&spawned, 50),
            at(&forked, 50),
        );
    }
    println!("\n| without | least | p50 |\n|---|---|---|");
    let times = in_turns(ROUNDS, || {
        std::array::from_fn(|kind| confined(&runtime, &stands[kind]).0)
    });
    for ((name, _), times) in LEFT_OUT
        .iter()
        .zip::<[Vec<Duration>; LEFT_OUT.len()]>(times)
    {
        println!(
            "| {name} | {:.2} ms | {:.2} ms |",
            at(&times, 0),
            at(&times, 50)
        );
    }
}

/// One call, in a task, as the server runs it.
fn confined(runtime: &Runtime, stand: &Arc<Stand>) -> (Duration, Duration) {
    let stand = Arc::clone(stand);
    runtime
        .block_on(runtime.spawn(async move { stand.confined().await }))
        .unwrap()
}

/// The times of each kind, sorted; one of each per round.
fn in_turns<const KINDS: usize>(
    rounds: usize,
    mut round: impl FnMut() -> [Duration; KINDS],
) -> [Vec<Duration>; KINDS] {
    (0..rounds / 20).for_each(|_| drop(round().to_vec())); // caches and pools reach their size
    let mut times = std::array::from_fn(|_| Vec::with_capacity(rounds));
    for _ in 0..rounds {
        times
            .iter_mut()
            .zip(round())
            .for_each(|(times, time): (&mut Vec<Duration>, _)| times.push(time));
    }
    times.map(sorted)
}

impl Stand {
    async fn new(link: SpawnerLink, workspaces: Workspaces) -> Self {
        let sandbox = Sandbox::new(link, SLOTS).unwrap();
        sandbox
            .open(Program::Tool(Tool::KUBECTL))
            .await
            .unwrap()
            .unwrap();
        let catalogues = Catalogue::carried().unwrap();
        let file = PolicySource::builtin("read-only").unwrap();
        let policy = Policy::load(&[file], &catalogues).unwrap();
        let catalogue = catalogues
            .iter()
            .rfind(|catalogue| catalogue.tool() == Tool::KUBECTL)
            .unwrap();
        let invocation = parse(catalogue, split(Tool::KUBECTL, "get pods").unwrap(), None).unwrap();
        let (endpoint, allowed) = (
            Endpoint::parse("https://192.0.2.1:6443").unwrap(),
            Allowed::default(),
        );
        Self {
            sandbox,
            audit: Audit::to_stream(io::sink(), Seal::default()).unwrap(),
            workspaces,
            policy,
            invocation,
            endpoint,
            allowed,
        }
    }

    /// How long one call takes, and how long until its tool runs.
    async fn confined(&self) -> (Duration, Duration) {
        let (approved, recorded, pinned) = self.proofs().await;
        let began = Instant::now();
        let workspace = self.workspaces.open(&Kubeconfig::nowhere(), None).unwrap();
        let mut child = self
            .sandbox
            .start(
                Run::Approved(Box::new(approved), recorded, None),
                &pinned,
                workspace,
                LIMITS,
            )
            .await
            .unwrap();
        let started = began.elapsed();
        assert_eq!(child.wait().await.code(), 0);
        (began.elapsed(), started)
    }

    async fn proofs(&self) -> (Approved, Recorded, Pinned) {
        let Decision::Allow(approved) = self
            .policy
            .decide(Facts::new(&self.invocation, &Target::default()))
        else {
            panic!("it is allowed")
        };
        let caller = Caller::of_standard_input();
        let who = Who::of(&caller, None);
        let record = DecisionRecord::new("", who, Tool::KUBECTL, Effect::Allow);
        let recorded = self.audit.allowed(record).await.unwrap();
        let pinned = pin(&self.endpoint, &self.allowed).await.unwrap();
        (approved, recorded, pinned)
    }
}

/// The program as anybody would start it. Where a user is named, std forks instead (`posix_spawn`
/// has no word for it).
fn bare(program: &Path, fork: bool) -> Duration {
    let began = Instant::now();
    let mut command = Command::new(program);
    command
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if fork {
        command.uid(nix::unistd::geteuid().as_raw());
    }
    assert!(command.spawn().unwrap().wait().unwrap().success());
    began.elapsed()
}

/// A client that asks for `/health`, while nothing else happens and while others keep the server
/// busy.
fn disturbance(tools: &Path) {
    let settings = tools.join("airlock.toml");
    fs::write(&settings, "[limits]\nrate = 0\n").unwrap(); // this client asks more often than any is let
    let [settings, tools_dir] = [&settings, tools].map(|path| path.to_str().unwrap());
    let server = Server::with(
        &[
            "--config",
            settings,
            "--tools-dir",
            tools_dir,
            "--egress-allow",
            "127.0.0.1",
        ],
        None,
    );
    let kubeconfig = kubeconfig_of("https://127.0.0.1:1");
    let spawns = || assert_eq!(server.kubectl("get pods", &kubeconfig).status, 200);
    let refused = || assert_eq!(server.kubectl("delete pod web-0", &kubeconfig).status, 403);
    let beside = || assert!(bare(&tools.join("kubectl"), false) > Duration::ZERO);
    println!("## `/health` of a server, by what goes on beside it\n");
    println!(
        "| | p50 | p99 | p99 of its best turn | beside it, per second |\n|---|---|---|---|---|"
    );
    // In turns: a machine's other work comes and goes.
    let kinds: [(&str, &(dyn Fn() + Sync)); 4] = [
        ("nothing", &|| thread::sleep(Duration::from_millis(1))),
        ("calls that are refused", &refused),
        ("the smallest program, spawned by the client", &beside),
        ("the smallest program, confined by the server", &spawns),
    ];
    let mut found = [const { (Vec::new(), f64::MAX, 0, Duration::ZERO) }; 4];
    for _ in 0..TURNS {
        for ((times, least, count, within), (_, busy)) in found.iter_mut().zip(kinds) {
            let began = Instant::now();
            let (more, done) = asked(&server, busy);
            times.extend(&more);
            *least = least.min(at(&sorted(more), 99));
            *count += done;
            *within += began.elapsed();
        }
    }
    for ((name, _), (times, least, count, within)) in kinds.iter().zip(found) {
        let times = sorted(times);
        let rate = f64::from(count) / within.as_secs_f64();
        println!(
            "| {name} | {:.2} ms | {:.2} ms | {least:.2} ms | {rate:.0} |",
            at(&times, 50),
            at(&times, 99)
        );
    }
    println!(
        "\nthe server after that: {} MB resident\n",
        resident(server.pid())
    );
    at_once(&server, &kubeconfig);
}

/// How many calls of the smallest program are answered, this client and the program being on the
/// same machine. Each client asks again on its connection, as agents do.
fn at_once(server: &Server, kubeconfig: &str) {
    let body = r#"{"command":"get pods"}"#;
    let head = format!(
        "POST /tools/kubectl HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n",
        server.address
    );
    let request = format!(
        "{head}X-Kubeconfig: {kubeconfig}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let calls = |count: usize| {
        let mut stream = BufReader::new(TcpStream::connect(server.address).unwrap());
        stream.get_ref().set_nodelay(true).unwrap();
        for _ in 0..count {
            stream.get_mut().write_all(request.as_bytes()).unwrap();
            let (mut line, mut length) = (String::new(), 0);
            while stream.read_line(&mut line).unwrap() > 2 {
                assert!(
                    !line.starts_with("HTTP") || line.starts_with("HTTP/1.1 200"),
                    "{line}"
                );
                length = line
                    .strip_prefix("content-length: ")
                    .map_or(length, |length| length.trim().parse().unwrap());
                line.clear();
            }
            stream.read_exact(&mut vec![0; length]).unwrap();
        }
    };
    println!(
        "| calls of the smallest program at once | per second | processor time of each: the server | its spawner | the program | taken by the host |"
    );
    println!("|---|---|---|---|---|---|");
    let spawner = harness::descendants(server.pid())[0];
    for clients in [1, 8] {
        let used = || {
            [
                (processor_time(server.pid()).0),
                processor_time(spawner).0,
                processor_time(spawner).1,
            ]
        };
        let (before, taken, began) = (used(), taken(), Instant::now());
        thread::scope(|scope| {
            (0..clients).for_each(|_| drop(scope.spawn(|| calls(CALLS / clients))))
        });
        let (after, took) = (used(), began.elapsed());
        let taken = (self::taken() - taken).as_secs_f64() / took.as_secs_f64();
        let each = std::array::from_fn::<_, 3, _>(|of| {
            (after[of] - before[of]).as_secs_f64() * 1000.0 / CALLS as f64
        });
        let [of_server, of_spawner, of_program] = each.map(|time| format!("{time:.2} ms"));
        println!(
            "| {clients} | {:.0} | {of_server} | {of_spawner} | {of_program} | {taken:.2} processors |",
            CALLS as f64 / took.as_secs_f64()
        );
    }
    println!();
}

/// What a virtual machine's host had for others of the time of its processors (proc_stat(5),
/// `steal`): with much of it, the rates of this run say nothing.
fn taken() -> Duration {
    let text = fs::read_to_string("/proc/stat").unwrap();
    Duration::from_millis(
        10 * text
            .split_whitespace()
            .nth(8)
            .unwrap()
            .parse::<u64>()
            .unwrap(),
    )
}

/// The times of requests while `busy` is called again and again, and how often it was.
fn asked(server: &Server, busy: &(dyn Fn() + Sync)) -> (Vec<Duration>, u32) {
    let (done, count) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                busy();
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        thread::sleep(Duration::from_millis(50));
        let times = (0..REQUESTS / TURNS)
            .map(|_| {
                thread::sleep(Duration::from_millis(1)); // a client that asks now and then
                let began = Instant::now();
                assert_eq!(server.get("/health").status, 200);
                began.elapsed()
            })
            .collect();
        done.store(true, Ordering::Relaxed);
        (times, count.load(Ordering::Relaxed))
    })
}

fn sorted(mut times: Vec<Duration>) -> Vec<Duration> {
    times.sort();
    times
}

/// A percentile, in milliseconds.
fn at(sorted: &[Duration], part: usize) -> f64 {
    sorted[sorted.len() * part / 100].as_secs_f64() * 1000.0
}

/// What a process holds in memory, in megabytes.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.split_whitespace()
        .next()
        .unwrap()
        .parse::<u64>()
        .unwrap()
        / 1024
}
