//! The real thing for tests: the server's binary, the demo cluster, a plain HTTP client.
//!
//! `make test` builds what is needed and names it in `AIRLOCK_TEST_BIN` (the tools) and
//! `AIRLOCK_TEST_DEMO` (the demo cluster's program). Without them a test fails; none is skipped.

#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(
    clippy::disallowed_methods,
    reason = "tests start processes and connect"
)]

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::unix::{
        fs::{PermissionsExt as _, symlink},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;

/// A running demo cluster; it ends with this process.
pub struct Cluster {
    pub server: SocketAddr,
    pub admin: PathBuf,
    pub view: PathBuf,
    argocd: Option<Argocd>,
    _stdin: ChildStdin,
    _child: Child,
}

/// An Argo CD beside the cluster that it manages. It has the Application `shop`, synced into the
/// namespace `shop`.
pub struct Argocd {
    pub server: SocketAddr,
    /// Of the account `agent`, which may read everything and sync.
    pub token: String,
    /// The authority that signed the server's certificate, in PEM.
    pub ca: String,
}

/// The folder with the real tools.
pub fn tools() -> PathBuf {
    PathBuf::from(
        env::var_os("AIRLOCK_TEST_BIN").expect(
            "AIRLOCK_TEST_BIN is not set: run `make test`, or set it to `tools/build --bin`",
        ),
    )
}

/// The same where every user may run them: the cache of tools lies under a private home.
pub fn public_tools() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let folder = folder_of_process("airlock-test-tools");
            fs::create_dir(folder.path().join("helpers")).unwrap();
            fs::create_dir(folder.path().join("filters")).unwrap();
            let filters = [
                "filters/busybox",
                "filters/column",
                "filters/gojq",
                "filters/yq",
            ];
            for tool in ["kubectl", "helm", "istioctl", "argocd", "helpers/diff"]
                .into_iter()
                .chain(filters)
            {
                let (from, to) = (
                    fs::canonicalize(tools().join(tool)).unwrap(),
                    folder.path().join(tool),
                );
                // A second name, or a copy on another file system.
                if fs::hard_link(&from, &to).is_err() {
                    fs::copy(&from, &to).unwrap();
                }
            }
            folder
        })
        .path()
}

/// A folder with a probe as `kubectl` and as `istioctl`, built once.
pub fn probe() -> &'static PathBuf {
    static FOLDER: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    &FOLDER
        .get_or_init(|| {
            let folder = folder_of_process("airlock-test-probe");
            build_probe(&folder.path().join("kubectl"), "");
            fs::create_dir(folder.path().join("helpers")).unwrap();
            for other in ["istioctl", "argocd", "helpers/diff"] {
                fs::hard_link(folder.path().join("kubectl"), folder.path().join(other)).unwrap();
            }
            let path = folder.path().to_owned();
            (folder, path)
        })
        .1
}

/// Builds a probe; the linker sets what `settings` says.
pub fn build_probe(program: &Path, settings: &str) {
    let built = Command::new("go")
        .args(["build", "-trimpath", "-ldflags", settings, "-o"])
        .arg(program)
        .arg(".")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/escape/probe"))
        .env("CGO_ENABLED", "0")
        .status()
        .unwrap();
    assert!(built.success());
}

/// A launcher in the place of a restricted pod: user 65532, no capability, a container's seccomp
/// profile.
pub fn restricted_pod() -> Command {
    let mut command = Command::new(probe().join("kubectl"));
    command.args(["restricted", "65532"]);
    command
}

/// The same on a kernel that cannot deny memory that is writable and executable.
pub fn restricted_pod_before_6_3() -> Command {
    let mut command = Command::new(probe().join("kubectl"));
    command.args(["restricted-before-6.3", "65532"]);
    command
}

/// Carries what comes to an address of this host to a server.
pub struct Relay {
    pub address: SocketAddr,
    counts: Arc<(AtomicUsize, AtomicUsize)>,
}

impl Relay {
    pub fn to(server: SocketAddr) -> Self {
        Self::far(server, Duration::ZERO)
    }

    /// As far away as a way and back takes `round_trip`, which is also what a connection takes.
    pub fn far(server: SocketAddr, round_trip: Duration) -> Self {
        let listener = TcpListener::bind((own_address(), 0)).unwrap();
        let relay = Self {
            address: listener.local_addr().unwrap(),
            counts: Arc::default(),
        };
        let counts = Arc::clone(&relay.counts);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(here), Ok(there)) = (stream, TcpStream::connect(server)) else {
                    continue;
                };
                counts.0.fetch_add(1, Ordering::Relaxed);
                let [from, to] = [&here, &there].map(|stream| stream.try_clone().unwrap());
                let answered = Arc::clone(&counts);
                let until = Instant::now() + round_trip;
                carry(from, to, round_trip / 2, move |_| {
                    thread::sleep(until.saturating_duration_since(Instant::now()))
                });
                carry(there, here, round_trip / 2, move |bytes| {
                    _ = answered.1.fetch_add(bytes, Ordering::Relaxed)
                });
            }
        });
        relay
    }

    /// How often somebody has connected.
    pub fn connections(&self) -> usize {
        self.counts.0.load(Ordering::Relaxed)
    }

    /// How many bytes the server has answered with.
    pub fn answered(&self) -> usize {
        self.counts.1.load(Ordering::Relaxed)
    }
}

/// Carries what one side says to the other, `late`; `heard` is told how much it is.
fn carry(
    mut from: TcpStream,
    mut to: TcpStream,
    late: Duration,
    heard: impl Fn(usize) + Send + 'static,
) {
    let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut bytes = [0; 16 * 1024];
        while let Ok(read @ 1..) = from.read(&mut bytes) {
            heard(read);
            if sender
                .send((Instant::now() + late, bytes[..read].to_vec()))
                .is_err()
            {
                break;
            }
        }
    });
    thread::spawn(move || {
        to.set_nodelay(true).unwrap();
        for (at, bytes) in receiver {
            thread::sleep(at.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}

/// The demo cluster, started once per test binary.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start(&[]))
}

/// A second cluster, with Argo CD and istiod: 15 seconds and 2 GiB, once per test binary.
pub fn full_cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start(&["--with", "argocd,istio"]))
}

/// The Argo CD of [`full_cluster`].
pub fn argocd() -> &'static Argocd {
    full_cluster()
        .argocd
        .as_ref()
        .expect("the demo cluster has Argo CD")
}

/// The cluster with an istiod, whose pod takes forwarded ports; istioctl needs its `admin`
/// kubeconfig for that.
pub fn istio() -> &'static Cluster {
    full_cluster()
}

impl Cluster {
    /// The log that all of its pods share, which a test may write anew.
    pub fn pod_log(&self) -> PathBuf {
        self.admin.with_file_name("pod.log")
    }

    /// The administrator's kubectl, by itself; whether it succeeded.
    pub fn as_admin(&self, arguments: &[&str], input: &str) -> bool {
        let mut command = Command::new(tools().join("kubectl"));
        command
            .args(arguments)
            .env("KUBECONFIG", &self.admin)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes()); // not every command reads it
        child.wait().unwrap().success()
    }

    /// The administrator's kubeconfig with another address.
    pub fn admin_at(&self, address: SocketAddr) -> String {
        self.at(&self.admin, address)
    }

    /// A kubeconfig with another address.
    pub fn at(&self, kubeconfig: &Path, address: SocketAddr) -> String {
        let text = fs::read_to_string(kubeconfig).unwrap();
        let server = format!("server: https://{}\n", self.server);
        assert!(text.contains(&server), "{text}");
        text.replace(
            &server,
            &format!("server: https://{address}\n    tls-server-name: localhost\n"),
        )
    }

    /// Starts a cluster of one's own, for tests that fill it.
    pub fn start(options: &[&str]) -> Self {
        Self::of(&tools(), options)
    }

    /// Starts a cluster of the programs in `bin`.
    pub fn of(bin: &Path, options: &[&str]) -> Self {
        let program = env::var_os("AIRLOCK_TEST_DEMO")
            .expect("AIRLOCK_TEST_DEMO is not set: run `make test`, or set it to `tools/demo-cluster/build`");
        let mut child = Command::new(program)
            .args(["--until-stdin-closes", "--bin"])
            .arg(bin)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the demo cluster starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let told: Value =
            serde_json::from_str(&line).expect("the demo cluster says that it is ready");
        let text = |key: &str| told[key].as_str().unwrap().to_owned();
        let argocd = told.get("argocd").map(|told| Argocd {
            server: told["server"].as_str().unwrap().parse().unwrap(),
            token: told["token"].as_str().unwrap().to_owned(),
            ca: told["ca"].as_str().unwrap().to_owned(),
        });
        Self {
            server: text("server")
                .strip_prefix("https://")
                .unwrap()
                .parse()
                .unwrap(),
            admin: text("admin_kubeconfig").into(),
            view: text("view_kubeconfig").into(),
            argocd,
            _stdin: child.stdin.take().unwrap(),
            _child: child,
        }
    }
}

/// The programs of the demo cluster, its API server with an audit log in `work`, of what `policy` says.
pub fn audited_programs(work: &Path, policy: &str) -> PathBuf {
    let bin = work.join("bin");
    fs::create_dir(&bin).unwrap();
    for program in fs::read_dir(tools()).unwrap() {
        let program = program.unwrap().path().canonicalize().unwrap();
        symlink(&program, bin.join(program.file_name().unwrap())).unwrap();
    }
    let server = bin.join("kube-apiserver");
    let real = server.canonicalize().unwrap();
    fs::remove_file(&server).unwrap();
    fs::write(work.join("audit.yaml"), policy).unwrap();
    let (real, work) = (real.display(), work.display());
    let script = format!(
        "#!/bin/sh\nexec {real} \"$@\" --audit-policy-file={work}/audit.yaml --audit-log-path={work}/audit.log\n"
    );
    fs::write(&server, script).unwrap();
    fs::set_permissions(&server, fs::Permissions::from_mode(0o755)).unwrap();
    bin
}

/// A kubeconfig file as the header carries it.
pub fn base64_of(path: &Path) -> String {
    BASE64_STANDARD.encode(fs::read(path).unwrap())
}

/// An address of this host that is not loopback: for such a server a tool asks its proxy.
pub fn own_address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket
        .connect("192.0.2.1:9")
        .expect("this test needs a network interface besides loopback; nothing is sent through it");
    socket.local_addr().unwrap().ip()
}

/// A kubeconfig whose server is never reached, for tests that need no cluster.
pub fn kubeconfig_of(server: &str) -> String {
    let text = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "airlock-test-token"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
    });
    BASE64_STANDARD.encode(text.to_string())
}

/// A running server. Killed when dropped, unless it has been stopped.
pub struct Server {
    pub address: SocketAddr,
    pub work: tempfile::TempDir,
    pub child: Child,
    pub audit: PathBuf,
    pub log: PathBuf,
}

impl Server {
    /// Starts a server with the real tools, open to the demo cluster.
    pub fn start() -> Self {
        Self::with(
            &[
                "--tools-dir",
                tools().to_str().unwrap(),
                "--egress-allow",
                &cluster().server.to_string(),
            ],
            None,
        )
    }

    /// Starts a server with these flags, as this user (`None`: whoever runs the tests), and waits
    /// until kubectl is available.
    pub fn with(flags: &[&str], user: Option<u32>) -> Self {
        let server = Self::starting(flags, user);
        server.wait_for("/ready");
        server
    }

    /// Starts a server with these settings, which may reach the demo cluster. The folder has the
    /// file of settings.
    pub fn with_settings(settings: &str) -> (tempfile::TempDir, Self) {
        let folder = readable_folder();
        let config = folder.path().join("airlock.toml");
        fs::write(&config, settings).unwrap();
        let server = Self::with(
            &[
                "--tools-dir",
                tools().to_str().unwrap(),
                "--egress-allow",
                &cluster().server.to_string(),
                "--config",
                config.to_str().unwrap(),
            ],
            None,
        );
        (folder, server)
    }

    /// Starts a server with this policy.
    pub fn with_policy(policy: &Path) -> Self {
        let (tools, policy) = (tools(), policy.to_str().unwrap());
        let tools = tools.to_str().unwrap();
        Self::with(&["--tools-dir", tools, "--policy", policy], None)
    }

    /// Starts a server and waits until it answers at all.
    pub fn starting(flags: &[&str], user: Option<u32>) -> Self {
        let work = work_folder();
        Self::starting_in(work, flags, user)
    }

    /// Starts a server as root with these capabilities only, and waits until kubectl is available.
    pub fn with_capabilities(capabilities: &str, flags: &[&str]) -> Self {
        let work = work_folder();
        Self::with_capabilities_in(work, capabilities, flags)
    }

    /// The same, in a work directory of an earlier server.
    pub fn with_capabilities_in(
        work: tempfile::TempDir,
        capabilities: &str,
        flags: &[&str],
    ) -> Self {
        let mut command = Command::new("setpriv");
        command
            .args([
                "--inh-caps=-all",
                &format!("--bounding-set=-all,{capabilities}"),
            ])
            .arg(program());
        let server = Self::run(command, work, flags);
        server.wait_for("/ready");
        server
    }

    /// Starts a server that logs everything at `level`, may dump core into its work directory, and
    /// waits until kubectl is available.
    pub fn with_log(level: &str, flags: &[&str]) -> Self {
        let work = work_folder();
        let mut command = Command::new("prlimit");
        command
            .args([
                "--core=unlimited:unlimited",
                "env",
                &format!("AIRLOCK_LOG={level}"),
            ])
            .arg(program())
            .current_dir(work.path());
        let server = Self::run(command, work, flags);
        server.wait_for("/ready");
        server
    }

    /// The same as [`Self::starting`], in a work directory of an earlier server.
    pub fn starting_in(work: tempfile::TempDir, flags: &[&str], user: Option<u32>) -> Self {
        let mut command = Command::new(program());
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        Self::run(command, work, flags)
    }

    /// Starts a server that is another program than `kube-airlock`, and waits until it answers.
    pub fn of(program: &Path, flags: &[&str]) -> Self {
        let work = work_folder();
        Self::run(Command::new(program), work, flags)
    }

    /// Starts a server by a program that is given the server's path and arguments behind its own,
    /// and waits until kubectl is available.
    pub fn behind(mut launcher: Command, flags: &[&str]) -> Self {
        let work = work_folder();
        launcher.arg(program());
        let server = Self::run(launcher, work, flags);
        server.wait_for("/ready");
        server
    }

    /// The same, where the settings say where to work.
    pub fn behind_in(mut launcher: Command, work: Option<&Path>, flags: &[&str]) -> Self {
        launcher.arg(program());
        let server = Self::run_in(launcher, tempfile::tempdir().unwrap(), work, flags);
        server.wait_for("/ready");
        server
    }

    fn run(command: Command, work: tempfile::TempDir, flags: &[&str]) -> Self {
        let path = work.path().to_owned();
        Self::run_in(command, work, Some(&path), flags)
    }

    fn run_in(
        mut command: Command,
        work: tempfile::TempDir,
        work_dir: Option<&Path>,
        flags: &[&str],
    ) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let logs = env::temp_dir();
        let (audit, log) = (
            logs.join(format!("airlock-test-{port}.audit")),
            logs.join(format!("airlock-test-{port}.log")),
        );
        command
            .arg("serve")
            .args(["--listen", &address.to_string()])
            .args(
                work_dir
                    .iter()
                    .flat_map(|path| [Path::new("--work-dir"), *path]),
            )
            .args(flags)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(fs::File::create(&audit).unwrap())
            .stderr(fs::File::create(&log).unwrap());
        let server = Self {
            address,
            work,
            child: command.spawn().expect("the server starts"),
            audit,
            log,
        };
        server.wait_for("/health");
        server
    }

    fn wait_for(&self, path: &str) {
        let started = Instant::now();
        while TcpStream::connect(self.address).is_err() || self.get(path).status != 200 {
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "{path} is not 200; the log says:\n{}",
                fs::read_to_string(&self.log).unwrap()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `GET path`.
    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], b"")
    }

    /// `POST /tools/kubectl` with a command and a kubeconfig in its header.
    pub fn kubectl(&self, command: &str, kubeconfig: &str) -> Reply {
        let body = serde_json::json!({ "command": command }).to_string();
        self.send(
            "POST",
            "/tools/kubectl",
            &[
                ("Content-Type", "application/json"),
                ("X-Kubeconfig", kubeconfig),
            ],
            body.as_bytes(),
        )
    }

    /// Any request, whole.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut stream = self.open(method, path, headers, body);
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes); // a reset after the answer is an answer
        Reply::parse(&bytes)
    }

    /// Sends a request and returns the connection, its answer unread.
    pub fn open(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(120)))
            .unwrap();
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n",
            self.address,
            body.len()
        );
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        let _ = stream.write_all(body); // the server may answer before it has read all of it
        stream
    }

    /// The audit's records.
    pub fn records(&self) -> Vec<Value> {
        fs::read_to_string(&self.audit)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The processes below the server's spawner, but for tools that wait for a call.
    pub fn children(&self) -> Vec<u32> {
        self.all_children()
            .into_iter()
            .filter(|pid| !waits(*pid))
            .collect()
    }

    /// The tools that wait for a call.
    pub fn waiting(&self) -> Vec<u32> {
        self.all_children()
            .into_iter()
            .filter(|pid| waits(*pid))
            .collect()
    }

    /// Waits until no call runs and so many tools wait, as the server knows, too; those that do.
    pub fn keeps_waiting(&self, count: usize) -> Vec<u32> {
        let told = || String::from_utf8(self.get("/metrics").body).unwrap();
        let is_told = || {
            told()
                .lines()
                .any(|line| line == format!("airlock_warm {count}"))
        };
        eventually("as many tools wait", || {
            is_told() && self.children().is_empty() && self.waiting().len() == count
        });
        self.waiting()
    }

    /// Waits until as many tools wait as will, with what the server holds for each of them.
    pub fn settles(&self) {
        let now = || (self.waiting(), held(self.pid()).0);
        eventually("the server settles", || {
            let before = now();
            thread::sleep(Duration::from_millis(500));
            now() == before
        });
    }

    fn all_children(&self) -> Vec<u32> {
        descendants(self.pid())
            .into_iter()
            .flat_map(descendants)
            .collect()
    }

    /// The directories of requests that are there now, but for those of tools that wait for one.
    pub fn workspaces(&self) -> Vec<PathBuf> {
        let empty: Vec<PathBuf> = self
            .waiting()
            .into_iter()
            .filter_map(workspace_of)
            .collect();
        let Ok(servers) = fs::read_dir(self.work.path()) else {
            return Vec::new();
        };
        let requests = servers
            .flatten()
            .flat_map(|server| fs::read_dir(server.path()).into_iter().flatten().flatten());
        requests
            .map(|entry| entry.path())
            .filter(|path| path.is_dir() && !empty.contains(path))
            .collect()
    }

    /// Sends SIGTERM and waits for the end; returns the exit status.
    pub fn stop(mut self) -> std::process::ExitStatus {
        Command::new("kill")
            .arg(self.pid().to_string())
            .status()
            .unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    /// Reads what a server sent until it closed the connection.
    pub fn parse(bytes: &[u8]) -> Self {
        let end = bytes
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .unwrap_or(bytes.len());
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or(0);
        let mut body = bytes.get(end + 4..).unwrap_or_default().to_vec();
        if head
            .to_ascii_lowercase()
            .contains("transfer-encoding: chunked")
        {
            body = unchunked(&body);
        }
        Self { status, head, body }
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| {
            panic!(
                "no JSON: {} {}",
                self.head,
                String::from_utf8_lossy(&self.body)
            )
        })
    }

    /// The object of an answer, also where it is inside of a JSON-RPC error.
    pub fn answer(&self) -> Value {
        let json = self.json();
        match &json["error"]["data"] {
            Value::Null => json,
            inside => inside.clone(),
        }
    }

    /// A text member of it.
    pub fn text(&self, key: &str) -> String {
        self.answer()[key].as_str().unwrap_or_default().to_owned()
    }
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(line) = body.windows(2).position(|window| window == b"\r\n") {
        let size =
            usize::from_str_radix(String::from_utf8_lossy(&body[..line]).trim(), 16).unwrap_or(0);
        if size == 0 {
            break;
        }
        whole.extend_from_slice(&body[line + 2..line + 2 + size]);
        body = &body[line + 2 + size + 2..];
    }
    whole
}

/// The program under test, where every user may run it: a checkout may lie under a private home. It
/// is the one that AIRLOCK_TEST_SERVER names where there is one, which `make soak` builds as a release.
pub fn program() -> &'static Path {
    static COPY: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    &COPY
        .get_or_init(|| {
            let folder = folder_of_process("airlock-test-bin");
            let path = folder.path().join("kube-airlock");
            let server = env::var_os("AIRLOCK_TEST_SERVER")
                .unwrap_or_else(|| env!("CARGO_BIN_EXE_kube-airlock").into());
            fs::copy(server, &path).unwrap();
            (folder, path)
        })
        .1
}

/// Settings with which a tool holds its credential, and speaks to its API server itself.
pub fn unjudged() -> &'static str {
    static FILE: OnceLock<(tempfile::TempDir, String)> = OnceLock::new();
    &FILE
        .get_or_init(|| {
            let folder = folder_of_process("airlock-test-unjudged");
            let path = folder.path().join("airlock.toml");
            fs::write(
                &path,
                "[api]\nkubectl = \"off\"\nhelm = \"off\"\nistioctl = \"off\"\n",
            )
            .unwrap();
            let path = path.to_str().unwrap().to_owned();
            (folder, path)
        })
        .1
}

/// Whether a tool waits for its request: the descriptor that it gets it by is open. Once it has it,
/// it is closed or no helper's any more.
fn waits(pid: u32) -> bool {
    const O_CLOEXEC: u32 = 0o2_000_000;
    let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/201")).unwrap_or_default();
    let flags = info
        .lines()
        .find_map(|line| u32::from_str_radix(line.strip_prefix("flags:")?.trim(), 8).ok());
    flags.is_some_and(|flags| flags & O_CLOEXEC == 0)
}

/// The directory that a tool was started with.
pub fn workspace_of(pid: u32) -> Option<PathBuf> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let variable = environment
        .split(|byte| *byte == 0)
        .find_map(|variable| variable.strip_prefix(b"KUBECONFIG="))?;
    Path::new(std::str::from_utf8(variable).ok()?)
        .parent()
        .map(Path::to_owned)
}

/// The processes whose parent is `pid`, zombies included.
pub fn descendants(pid: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(child) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(format!("/proc/{child}/stat")) else {
            continue;
        };
        let parent = stat
            .rsplit(") ")
            .next()
            .and_then(|rest| rest.split(' ').nth(1))
            .and_then(|parent| parent.parse::<u32>().ok());
        if parent == Some(pid) {
            found.push(child);
        }
    }
    found
}

/// What of a process should not grow: open descriptors, and resident memory of its own in KiB. A
/// page of its program that is read for the first time is none.
pub fn held(pid: u32) -> (usize, usize) {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    let of = |key: &str| memory_of(pid, key).unwrap_or(0);
    (descriptors, of("VmRSS:") - of("RssFile:"))
}

/// What of a process's memory is so, in KiB (proc_pid_status(5)).
pub fn memory_of(pid: u32, key: &str) -> Option<usize> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| {
        line.strip_prefix(key)?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    })
}

/// Has `VmHWM:`, the most that a process ever held, begin anew.
pub fn forget_peak(pid: u32) {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
}

/// The administrator's kubectl, by itself; whether it succeeded.
pub fn as_admin(arguments: &[&str], input: &str) -> bool {
    cluster().as_admin(arguments, input)
}

/// Waits until `holds`, for at most half a minute: a machine may have other work.
pub fn eventually(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "{what} never came true"
        );
        thread::sleep(Duration::from_millis(10));
    }
}

/// What a process has had of the processors, and what the children had that it has waited for
/// (proc_pid_stat(5)).
pub fn processor_time(pid: u32) -> (Duration, Duration) {
    const TICKS_PER_SECOND: u64 = 100; // sysconf(_SC_CLK_TCK) of every Linux
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<u64> = text
        .rsplit(") ")
        .next()
        .unwrap_or_default()
        .split(' ')
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    let time = |first: usize| {
        Duration::from_millis(
            fields.iter().skip(first).take(2).sum::<u64>() * 1000 / TICKS_PER_SECOND,
        )
    };
    (time(11), time(13))
}

/// Whether the tests run as root, so that children get users of their own.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// A work directory for a server of any user.
fn work_folder() -> tempfile::TempDir {
    let work = tempfile::Builder::new()
        .prefix("airlock-test-")
        .tempdir_in(memory())
        .unwrap();
    set_mode(work.path(), 0o1777);
    work
}

/// A folder that every user may read, for all tests of this process. What such a process holds to its
/// end is dropped by nobody: those of processes that are gone are removed here.
fn folder_of_process(name: &str) -> tempfile::TempDir {
    let beside = fs::read_dir(std::env::temp_dir()).unwrap();
    for entry in beside.filter_map(Result::ok) {
        let file_name = entry.file_name();
        let of_name = file_name.to_str().and_then(|file| file.strip_prefix(name));
        let process = of_name.and_then(|rest| rest.strip_prefix('-')?.split('-').next());
        let process = process.and_then(|id| id.parse::<u32>().ok());
        if process.is_some_and(|id| !Path::new(&format!("/proc/{id}")).exists()) {
            let _ = fs::remove_dir_all(entry.path()); // another process may do the same now
        }
    }
    let folder = tempfile::Builder::new()
        .prefix(&format!("{name}-{}-", std::process::id()))
        .tempdir()
        .unwrap();
    set_mode(folder.path(), 0o755);
    folder
}

/// A folder that every user may read, and its owner alone may change.
pub fn readable_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    set_mode(folder.path(), 0o755);
    folder
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

/// Makes a file one that nobody but a server may read, also when it was started as root.
pub fn only_the_servers(path: &Path) {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    if is_root() {
        std::os::unix::fs::chown(path, Some(65532), None).unwrap();
    }
}

pub fn memory() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() {
        memory
    } else {
        env::temp_dir()
    }
}
