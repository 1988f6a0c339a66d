//! One hostile caller takes all it can get, of everything at once, and three others work on as if it
//! was not there: nobody of them is refused, none of their evidence is lost, and they hardly wait.
//!
//! `make soak` measures it in three set-ups, a minute and a quarter for each: as root, as a plain user,
//! and as one in a control group with one processor, where the wait is printed and not bounded:
//! the group stops everybody in it once tools have used up its period.

#![allow(clippy::print_stdout, reason = "`make soak` prints a table")]

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    env, fs,
    io::{self, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Scope},
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::{
    callers::token,
    fairness::{JSON, VERSION, streams_of_one_connection},
    harness::{
        Reply, Server, base64_of, cluster, eventually, probe, program, public_tools,
        readable_folder,
    },
    mcp::KUBECTL_CALL,
};

/// The most that the slowest in a hundred calls may take of what it takes alone.
const MOST_TIMES: f64 = 3.0;
/// How long a caller thinks between two calls.
const PAUSE: Duration = Duration::from_millis(150);
/// A token that nobody has.
const WRONG: &str = "Bearer airlock_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What people ask for, with the tool.
const ORDINARY: [(&str, &str); 7] = [
    ("kubectl", "get pods"),
    ("kubectl", "-n web get deploy"),
    ("helm", "list"),
    ("kubectl", "describe pod web-0"),
    ("argocd", "version --client"),
    ("kubectl", "get pods -A | grep web | head -n 3"),
    ("kubectl", "get pod web-0 -o jsonpath='{.metadata.name}'"),
];

/// Where the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Started as root: each child has a user of its own.
    Root,
    /// Started as a user whose children share it.
    PlainUser,
    /// The same, and it has one processor with all that it starts.
    OneProcessor,
}

/// With a name that `make soak` asks for.
#[test]
fn soak_beside_a_hostile_caller() {
    let Ok(seconds) = env::var("AIRLOCK_TEST_SIEGE") else {
        return; // it takes minutes
    };
    let seconds = Duration::from_secs(seconds.parse().unwrap());
    println!(
        "\n| server | caller | alone: calls | p50 | p99 | beside: calls | p50 | p99 | most | p99 by p99 |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let mut worse = Vec::new();
    for place in [Place::Root, Place::PlainUser, Place::OneProcessor] {
        let times = Siege::of(place).lasts(seconds * 2 / 5, seconds * 3 / 5, 6);
        if place != Place::OneProcessor && times > MOST_TIMES {
            worse.push(format!("{place:?}: {times:.2} times"));
        }
    }
    assert!(worse.is_empty(), "beyond {MOST_TIMES} times: {worse:?}");
}

/// A server under siege. It ends before its folders and its group.
struct Siege {
    place: Place,
    server: Server,
    mallory: String,
    honest: Vec<(&'static str, String)>,
    kubeconfig: String,
    audit: PathBuf,
    _folders: [tempfile::TempDir; 2],
    _group: Option<Group>,
    /// Whether it is over.
    done: AtomicBool,
    /// How often what the hostile one tried came to which status; 0 for none.
    tried: Mutex<BTreeMap<&'static str, BTreeMap<u16, usize>>>,
}

/// What a call took, and the request's id.
type Call = (Duration, String);

impl Siege {
    fn of(place: Place) -> Self {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
        let (folder, tools) = (readable_folder(), hostile_tools());
        let (config, records) = (
            folder.path().join("airlock.toml"),
            folder.path().join("audit"),
        );
        fs::create_dir(&records).unwrap();
        std::os::unix::fs::chown(&records, Some(65532), Some(65532)).unwrap();
        let audit = records.join("audit.jsonl");
        let callers = ["mallory", "bob", "carol", "dave"].map(|name| (name, token(name, &[])));
        let tables: String = callers
            .iter()
            .map(|(_, (_, table))| format!("{table}\n"))
            .collect();
        let settings = format!(
            "{tables}[limits]\nconcurrency = 8\nmemory = \"256MiB\"\nmemory_budget = \"4GiB\"\n[audit]\npath = {audit:?}\nmax_bytes = \"128KiB\"\nkeep = 200\n"
        );
        fs::write(&config, settings).unwrap();
        let flags = [
            "--tools-dir",
            tools.path().to_str().unwrap(),
            "--egress-allow",
            "127.0.0.1",
            "--config",
            config.to_str().unwrap(),
        ];
        let group = (place == Place::OneProcessor).then(Group::of_one_processor);
        let server = match (place, &group) {
            (_, Some(group)) => Server::behind(group.as_plain_user(), &flags),
            (Place::Root, _) => Server::with(&flags, None),
            _ => Server::with(&flags, Some(65532)),
        };
        let mut tokens = callers
            .map(|(name, (token, _))| (name, format!("Bearer {token}")))
            .into_iter();
        let mallory = tokens.next().unwrap().1;
        eventually("all tools are there", || {
            let own = [("Authorization", mallory.as_str())];
            let told = server.send("GET", "/tools/status", &own, b"").json();
            let mut tools = ["kubectl", "helm", "istioctl", "argocd"].into_iter();
            tools.all(|tool| told["tools"][tool]["state"] == "available")
        });
        Self {
            place,
            server,
            mallory,
            honest: tokens.collect(),
            kubeconfig: base64_of(&cluster().admin),
            audit,
            _folders: [folder, tools],
            _group: group,
            done: AtomicBool::new(false),
            tried: Mutex::default(),
        }
    }

    /// Has the honest ones work alone, then beside the hostile one; how many times as long the
    /// slowest in a hundred of their calls takes then. The hostile one has to have tried everything
    /// at least so often.
    fn lasts(self, alone: Duration, beside: Duration, at_least: usize) -> f64 {
        self.work_for(alone / 5); // pools and caches reach their size
        let alone = self.work_for(alone);
        let beside = thread::scope(|scope| {
            let _over = Over(&self.done);
            self.attack(scope);
            thread::sleep(beside / 10);
            self.work_for(beside)
        });
        for (number, (name, _)) in self.honest.iter().enumerate() {
            let of = |work: &Work| sorted(work.calls[number].iter().map(|(took, _)| *took));
            self.tell(name, &of(&alone), &of(&beside));
        }
        self.tell(
            "/health",
            &sorted(alone.health.iter().copied()),
            &sorted(beside.health.iter().copied()),
        );
        let (before, then) = (alone.of_all(), beside.of_all());
        self.tell("**all three**", &before, &then);
        for (what, statuses) in &*self.tried.lock().unwrap() {
            println!("  {what}: {statuses:?}");
            let count: usize = statuses.values().sum();
            assert!(count >= at_least, "{what}: it is no siege");
        }
        self.nothing_is_lost(&[alone.calls, beside.calls].concat().concat());
        at(&then, 99) / at(&before, 99)
    }

    fn tell(&self, name: &str, before: &[Duration], then: &[Duration]) {
        let figures = |times: &[Duration]| {
            let [half, most, longest] = [50, 99, 100].map(|percent| at(times, percent));
            format!("{} | {half:.1} | {most:.1} | {longest:.1}", times.len())
        };
        let times = at(then, 99) / at(before, 99);
        println!(
            "| {:?} | {name} | {} | {} | {times:.2} |",
            self.place,
            figures(before),
            figures(then)
        );
    }

    /// The honest ones' calls for so long, each of which has to succeed.
    fn work_for(&self, time: Duration) -> Work {
        let until = Instant::now() + time;
        thread::scope(|scope| {
            let working =
                (0..self.honest.len()).map(|who| scope.spawn(move || self.works(who, until)));
            let working: Vec<_> = working.collect();
            let mut health = Vec::new();
            while Instant::now() < until {
                let began = Instant::now();
                assert_eq!(self.server.get("/health").status, 200);
                health.push(began.elapsed());
                thread::sleep(Duration::from_millis(25));
            }
            let calls = working.into_iter().map(|one| one.join().unwrap()).collect();
            Work { calls, health }
        })
    }

    fn works(&self, who: usize, until: Instant) -> Vec<Call> {
        let (name, token) = &self.honest[who];
        let mut calls = Vec::new();
        for number in who.. {
            if Instant::now() >= until {
                break;
            }
            let (tool, command) = ORDINARY[number % ORDINARY.len()];
            let began = Instant::now();
            // One over each door, and one over both.
            let answer = match who {
                0 => self.over_rest(token, tool, command),
                2 if number.is_multiple_of(2) => self.over_rest(token, tool, command),
                _ => self.over_mcp(token, tool, command),
            };
            let took = began.elapsed();
            assert_eq!(answer["success"], true, "{name}: {command}: {answer}");
            calls.push((took, answer["request_id"].as_str().unwrap().to_owned()));
            thread::sleep(PAUSE);
        }
        calls
    }

    fn over_rest(&self, who: &str, tool: &str, command: &str) -> Value {
        let body = json!({ "command": command, "timeout": "60s" }).to_string();
        let headers = [
            JSON,
            ("Authorization", who),
            ("X-Kubeconfig", &self.kubeconfig),
        ];
        self.server
            .send("POST", &format!("/tools/{tool}"), &headers, body.as_bytes())
            .json()
    }

    fn over_mcp(&self, who: &str, tool: &str, command: &str) -> Value {
        let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} });
        let params = json!({ "name": tool, "arguments": { "command": command, "timeout": "60s" }, "_meta": meta });
        let message =
            json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let own = [
            ("Mcp-Name", tool),
            ("Authorization", who),
            ("X-Kubeconfig", &self.kubeconfig),
        ];
        let headers = [&KUBECTL_CALL[..4], &own].concat();
        let reply = self
            .server
            .send("POST", "/mcp", &headers, message.to_string().as_bytes());
        let result = reply.json()["result"].clone();
        let facts = &result["_meta"]["kube-airlock"];
        json!({ "success": result["isError"] != true, "request_id": facts["request_id"], "answer": result })
    }

    /// Everything at once.
    fn attack<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) {
        let line =
            json!({ "command": format!("delete pod -l a={}", "a".repeat(7000)) }).to_string();
        let expensive = BASE64_STANDARD.encode(format!("[{}a]", "a,".repeat(130_000)));
        let address = self.server.address;

        self.again(scope, "sessions", 50, move |_| Ok(self.hello()?.status));
        let (mut session, mut streams) = (String::new(), Held::most(600));
        self.again(scope, "streams", 20, move |number| {
            if number % 100 == 0 {
                session = session_of(&self.hello()?);
            }
            let mut stream = self.begin("GET", "/mcp", &[("Mcp-Session-Id", &session)], b"")?;
            let status = status_of(&mut stream)?;
            streams.hold(stream);
            Ok(status)
        });
        let mut streams = Held::most(8);
        self.again(scope, "streams of HTTP/2", 300, move |_| {
            let session = session_of(&self.hello()?);
            streams.hold(streams_of_one_connection(
                address,
                &self.mallory,
                &session,
                40,
            )?);
            Ok(200)
        });
        let mut bodies = Held::most(40);
        self.again(scope, "slow bodies", 50, move |_| {
            let length = (1 << 20).to_string();
            let almost = vec![b' '; (1 << 20) - 1];
            let path = "/tools/kubectl";
            bodies.hold(self.begin("POST", path, &[("Content-Length", &length)], &almost)?);
            Ok(200)
        });
        let mut silent = Held::most(1500);
        self.again(scope, "silent connections", 1, move |_| {
            silent.hold(TcpStream::connect(address)?);
            Ok(200)
        });
        self.again(scope, "wrong tokens", 2, move |_| {
            let wrong = [("Authorization", WRONG)];
            Ok(self.ask("POST", "/tools/kubectl", &wrong, b"{}")?.status)
        });
        let call = move |path: &str, kubeconfig: &str, body: &str| {
            let own = [("X-Kubeconfig", kubeconfig)];
            Ok(self.ask("POST", path, &own, body.as_bytes())?.status)
        };
        self.again(scope, "long records", 50, move |_| {
            call("/tools/kubectl", &self.kubeconfig, &line)
        });
        for _ in 0..4 {
            let expensive = expensive.clone();
            self.again(scope, "expensive kubeconfigs", 100, move |_| {
                call("/tools/kubectl", &expensive, r#"{"command":"get pods"}"#)
            });
        }
        for (path, command) in PLACES.into_iter().cycle().take(16) {
            let body = json!({ "command": command, "timeout": "3s" }).to_string();
            self.again(scope, "places", 20, move |_| {
                call(path, &self.kubeconfig, &body)
            });
        }
    }

    /// Opens a session as the hostile one.
    fn hello(&self) -> io::Result<Reply> {
        let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": VERSION.1, "capabilities": {}, "clientInfo": { "name": "x".repeat(10_000), "version": "1" } } });
        self.ask("POST", "/mcp", &[VERSION], hello.to_string().as_bytes())
    }

    /// Sends a request, as the hostile one unless a header says who else, and does not read its
    /// answer.
    fn begin(
        &self,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(self.server.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAccept: application/json, text/event-stream\r\nContent-Type: application/json\r\n",
            self.server.address
        );
        if more.iter().all(|(name, _)| *name != "Authorization") {
            head += &format!("Authorization: {}\r\n", self.mallory);
        }
        for (name, value) in more {
            head += &format!("{name}: {value}\r\n");
        }
        stream.write_all(format!("{head}\r\n").as_bytes())?;
        let _ = stream.write_all(body); // the server may answer before it has read all of it
        Ok(stream)
    }

    fn ask(
        &self,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Reply> {
        let length = body.len().to_string();
        let headers = [
            more,
            &[("Content-Length", &length), ("Connection", "close")],
        ]
        .concat();
        let mut bytes = Vec::new();
        self.begin(method, path, &headers, body)?
            .read_to_end(&mut bytes)?;
        Ok(Reply::parse(&bytes))
    }

    /// Does something again and again until the siege is over, and counts what it comes to. It leaves
    /// the processors to others: a hostile client has a machine of its own.
    fn again<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        what: &'static str,
        pause: u64,
        mut once: impl FnMut(usize) -> io::Result<u16> + Send + 'scope,
    ) {
        scope.spawn(move || {
            let thread = nix::unistd::gettid().to_string();
            let renice = Command::new("renice")
                .args(["-n", "19", "-p", &thread])
                .output();
            assert!(renice.unwrap().status.success());
            for number in 0.. {
                if self.done.load(Ordering::Relaxed) {
                    break;
                }
                let status = once(number).unwrap_or(0);
                let mut tried = self.tried.lock().unwrap();
                *tried.entry(what).or_default().entry(status).or_default() += 1;
                drop(tried);
                thread::sleep(Duration::from_millis(pause));
            }
        });
    }

    /// Each honest call has its decision and its end, among what was kept, and no link is missing.
    fn nothing_is_lost(self, calls: &[Call]) {
        let log = fs::read_to_string(&self.server.log).unwrap();
        assert!(!log.contains("ERROR"), "{log}");
        assert!(self.server.stop().success());
        let mut found: HashMap<String, Vec<String>> = HashMap::new();
        let files = fs::read_dir(self.audit.parent().unwrap()).unwrap();
        let mut rotated = 0;
        for path in files.map(|entry| entry.unwrap().path()) {
            let is_refused = path.to_string_lossy().contains(".refused");
            rotated += usize::from(path.extension().is_some_and(|end| end == "1"));
            for line in fs::read_to_string(&path).unwrap().lines() {
                let record: Value = serde_json::from_str(line).unwrap();
                let is_honest = self
                    .honest
                    .iter()
                    .any(|(name, _)| record["principal"] == *name);
                assert!(!(is_honest && is_refused), "{record}");
                if let Some(id) = record["request_id"].as_str() {
                    let event = record["event"].as_str().unwrap().to_owned();
                    found.entry(id.to_owned()).or_default().push(event);
                }
            }
        }
        assert!(
            rotated > 0,
            "no file was full, so that this says nothing of what is kept"
        );
        for (_, id) in calls {
            let mut events = found.remove(id).unwrap_or_default();
            events.sort();
            assert_eq!(events, ["decision", "end"], "{id}");
        }
        let verify = Command::new(program())
            .args(["audit", "verify"])
            .arg(&self.audit)
            .output();
        let verify = verify.unwrap();
        assert!(
            verify.status.success(),
            "{}",
            String::from_utf8_lossy(&verify.stdout)
        );
    }
}

/// What was done in some time.
struct Work {
    /// Of each honest caller.
    calls: Vec<Vec<Call>>,
    health: Vec<Duration>,
}

impl Work {
    fn of_all(&self) -> Vec<Duration> {
        sorted(self.calls.iter().flatten().map(|(took, _)| *took))
    }
}

fn sorted(times: impl Iterator<Item = Duration>) -> Vec<Duration> {
    let mut times: Vec<Duration> = times.collect();
    times.sort();
    times
}

/// The time in milliseconds that so many of a hundred do not go beyond.
fn at(times: &[Duration], percent: usize) -> f64 {
    times[(times.len() * percent / 100).min(times.len() - 1)].as_secs_f64() * 1000.0
}

/// What the hostile one runs: tools that do nothing, compute, print, and take threads.
const PLACES: [(&str, &str); 6] = [
    ("/tools/kubectl", "wait --for=delete pod/web-0 --timeout=3s"),
    ("/tools/istioctl", "proxy-status --revision=burn:3000"),
    ("/tools/kubectl", "get pods -A -o json"),
    ("/tools/kubectl", "get pods | sed ':a;s/a/aa/;ta'"),
    ("/tools/istioctl", "proxy-status --revision=threads:5000"),
    ("/tools/istioctl", "proxy-status --revision=burn:2900"),
];

/// The real tools, but for an istioctl that does what the hostile caller wants.
fn hostile_tools() -> tempfile::TempDir {
    let folder = readable_folder();
    let copied = Command::new("cp")
        .arg("-a")
        .arg(public_tools().join("."))
        .arg(folder.path())
        .status();
    assert!(copied.unwrap().success());
    fs::remove_file(folder.path().join("istioctl")).unwrap();
    fs::copy(probe().join("istioctl"), folder.path().join("istioctl")).unwrap();
    folder
}

/// What a server answers with, as far as its status.
fn status_of(stream: &mut TcpStream) -> io::Result<u16> {
    let mut bytes = [0; 12];
    stream.read_exact(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes[9..]).parse().unwrap_or(0))
}

/// The session that was opened, or none where that was refused.
fn session_of(hello: &Reply) -> String {
    let head = hello.head.to_ascii_lowercase();
    let mut lines = head.lines();
    let session = lines.find_map(|line| line.strip_prefix("mcp-session-id: "));
    session.unwrap_or_default().to_owned()
}

/// Ends the siege, also when an assertion fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Connections, of which the oldest leaves for one too many.
struct Held(usize, VecDeque<TcpStream>);

impl Held {
    fn most(count: usize) -> Self {
        Self(count, VecDeque::new())
    }

    fn hold(&mut self, stream: TcpStream) {
        if self.1.len() == self.0 {
            self.1.pop_front();
        }
        self.1.push_back(stream);
    }
}

/// A control group with one processor, until this is dropped.
struct Group(PathBuf);

impl Group {
    /// Makes one, of either version of control groups (cgroups(7)).
    fn of_one_processor() -> Self {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let mounts = mounts
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>());
        let name = format!("airlock-siege-{}", std::process::id());
        for mount in mounts {
            let folder = Path::new(mount[1]).join(&name);
            let is_first =
                mount[2] == "cgroup" && mount[3].split(',').any(|option| option == "cpu");
            let (file, limit) = if is_first {
                ("cpu.cfs_quota_us", "100000")
            } else {
                ("cpu.max", "100000 100000")
            };
            if !is_first {
                if mount[2] != "cgroup2" {
                    continue;
                }
                let _ = fs::write(Path::new(mount[1]).join("cgroup.subtree_control"), "+cpu"); // or it cannot
            }
            if fs::create_dir(&folder).is_err() {
                continue;
            }
            let group = Self(folder);
            if group.0.join(file).exists() {
                fs::write(group.0.join(file), limit).unwrap();
                return group;
            }
        }
        panic!(
            "no control group bounds processors here: as root, mount cgroup2 or the controller cpu of cgroup v1"
        );
    }
}

impl Group {
    /// A launcher that enters it and becomes a plain user.
    fn as_plain_user(&self) -> Command {
        let procs = self.0.join("cgroup.procs");
        let enter = format!(
            "echo $$ > {} && exec setpriv --reuid=65532 --regid=65532 --clear-groups \"$@\"",
            procs.display()
        );
        let mut launcher = Command::new("sh");
        launcher.args(["-c", &enter, "sh"]);
        launcher
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        eventually("the group is empty", || fs::remove_dir(&self.0).is_ok());
    }
}
