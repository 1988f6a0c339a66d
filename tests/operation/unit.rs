//! The shipped unit and manifest run as the documents say.

use std::{
    env, fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        net::UnixDatagram,
    },
    path::PathBuf,
    process::Command,
    time::Duration,
};

use crate::harness::{
    Reply, Server, eventually, is_root, kubeconfig_of, program, public_tools, restricted_pod,
};

const UNIT: &str = include_str!("../../deploy/kube-airlock.service");
const MANIFEST: &str = include_str!("../../deploy/kubernetes.yaml");

/// The value of a directive of the unit.
fn directive(key: &str) -> &'static str {
    UNIT.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
        .unwrap_or_else(|| panic!("the unit has no {key}="))
}

/// A command in a mount namespace as systemd makes one of the unit: the root is read-only, and what
/// `writable` has is not.
fn as_the_unit(writable: &[&str]) -> Command {
    let prepare = directive("ExecStartPre").strip_prefix('+').unwrap();
    let runtime = format!("/run/{}", directive("RuntimeDirectory"));
    let bounding: String = directive("CapabilityBoundingSet")
        .split(' ')
        .map(|name| format!(",+{}", name.strip_prefix("CAP_").unwrap().to_lowercase()))
        .collect();
    let again: String = writable
        .iter()
        .map(|path| format!("mount --bind {path} {path}\n"))
        .collect();
    let script = format!(
        "set -e
mount -t tmpfs -o mode=0755 none /var/log
mount -t tmpfs -o mode=0755 none /run
mount -t tmpfs -o mode=1777,size=64M none /dev/shm
{prepare}
mkdir {runtime}
{again}
for path in / /var/log /run; do mount -o remount,bind,ro $path; done
exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all{bounding} \"$@\""
    );
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        &script,
        "sh",
    ]);
    command
}

#[test]
fn the_unit_runs_with_the_documented_audit_file_and_socket_under_a_read_only_root() {
    assert!(is_root(), "the unit starts as root");
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    // As docs/operation.md has it, but for the tools, which are not installed here.
    let settings = folder.path().join("airlock.toml");
    let text = format!(
        "tools_dir = {:?}\n[audit]\npath = \"/var/log/kube-airlock/audit.jsonl\"\n[operator]\nsocket = \"/run/kube-airlock/operator.sock\"\n",
        public_tools()
    );
    fs::write(&settings, text).unwrap();
    let logs = directive("ReadWritePaths").strip_prefix('-').unwrap();
    let runtime = format!("/run/{}", directive("RuntimeDirectory"));
    let notified = folder.path().join("notify");
    let manager = UnixDatagram::bind(&notified).unwrap();
    // As systemd's own is: whoever is a service may tell it.
    fs::set_permissions(&notified, PermissionsExt::from_mode(0o777)).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let mut launcher = as_the_unit(&[logs, &runtime, "/dev/shm"]);
    launcher
        .arg("env")
        .arg(format!("NOTIFY_SOCKET={}", notified.display()));
    let flags = ["--config", settings.to_str().unwrap()];
    let server = Server::behind_in(launcher, None, &flags);
    let mut said = [0; 64];
    let length = manager.recv(&mut said).unwrap();
    assert_eq!(
        (&said[..length], directive("Type")),
        (&b"READY=1"[..], "notify")
    );
    let refused = server.kubectl("delete pod x", &kubeconfig_of("https://192.0.2.1:6443"));
    assert_eq!(refused.status, 403);
    let seen = |path: &str| PathBuf::from(format!("/proc/{}/root{path}", server.pid()));
    let audit = fs::metadata(seen("/var/log/kube-airlock/audit.jsonl")).unwrap();
    assert_eq!((audit.uid(), audit.mode() & 0o777), (65532, 0o600));
    assert!(audit.len() > 0);
    let socket = fs::metadata(seen("/run/kube-airlock/operator.sock")).unwrap();
    assert_eq!((socket.uid(), socket.mode() & 0o777), (0, 0o600));
    let listed = Command::new("nsenter")
        .args(["--mount", "--target", &server.pid().to_string()])
        .arg(program())
        .args(["calls", "list"])
        .output()
        .unwrap();
    assert!(
        listed.status.success(),
        "{}",
        String::from_utf8_lossy(&listed.stderr)
    );
    // `systemctl reload`.
    let reload = directive("ExecReload").replace("$MAINPID", &server.pid().to_string());
    let words: Vec<&str> = reload.split(' ').collect();
    assert!(
        Command::new(words[0])
            .args(&words[1..])
            .status()
            .unwrap()
            .success()
    );
    let log = server.log.clone();
    eventually("it looks at its files", || {
        fs::read_to_string(&log)
            .unwrap()
            .contains("looked at all files again")
    });
    assert!(server.stop().success());
    let length = manager.recv(&mut said).unwrap();
    assert_eq!(&said[..length], b"STOPPING=1");
}

#[test]
fn an_audit_file_on_a_read_only_file_system_is_refused_with_the_units_remedy() {
    let mut launcher = as_the_unit(&["/dev/shm"]);
    let output = launcher
        .arg(program())
        .args(["serve", "--listen", "127.0.0.1:0"])
        .args(["--audit-file", "/var/log/kube-airlock/audit.jsonl"])
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && error.contains("ReadWritePaths="),
        "{error}"
    );
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    let analyze = env::var("AIRLOCK_TEST_SYSTEMD").expect(
        "AIRLOCK_TEST_SYSTEMD is not set: run `make test`, or set it to `systemd-analyze`, or to `none`",
    );
    if analyze == "none" {
        return; // `tools/test` has said so
    }
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("kube-airlock.service");
    let there = UNIT.replace("/usr/bin/kube-airlock", program().to_str().unwrap());
    fs::write(&unit, there).unwrap();
    let verified = Command::new(&analyze)
        .args(["verify", "--man=no"])
        .arg(&unit)
        .output()
        .unwrap();
    let told = String::from_utf8([verified.stdout, verified.stderr].concat()).unwrap();
    let about_it: Vec<&str> = told
        .lines()
        .filter(|line| line.contains("kube-airlock"))
        .collect();
    assert!(verified.status.success() && about_it.is_empty(), "{told}");
    let rated = Command::new(&analyze)
        .args(["security", "--offline=yes", "--threshold=30"])
        .arg(&unit)
        .output()
        .unwrap();
    assert!(
        rated.status.success(),
        "{}",
        String::from_utf8_lossy(&rated.stdout)
    );
}

#[test]
fn the_manifests_server_answers_the_kubelet_and_prometheus_in_a_simulated_pod() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let metrics = free.local_addr().unwrap();
    drop(free);
    // The test has chosen the first address, and this is the second.
    let arguments: Vec<String> = MANIFEST
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- --"))
        .filter(|argument| !argument.starts_with("listen="))
        .map(|argument| match argument.starts_with("metrics-listen=") {
            true => format!("--metrics-listen={metrics}"),
            false => format!("--{argument}"),
        })
        .collect();
    assert!(arguments.len() >= 4, "{arguments:?}");
    let mut flags: Vec<&str> = arguments.iter().map(String::as_str).collect();
    flags.extend(["--tools-dir", public_tools().to_str().unwrap()]);
    let server = Server::behind(restricted_pod(), &flags);
    for line in MANIFEST.lines().filter(|line| line.contains("httpGet: ")) {
        assert!(
            line.contains("port: metrics") && !line.contains("Host"),
            "{line}"
        );
        let path = line.split("path: ").nth(1).unwrap();
        let path = path.split(',').next().unwrap();
        let reply = as_the_kubelet(metrics, path);
        assert_eq!(reply.status, 200, "{line}: {}", reply.head);
    }
    assert_eq!(as_the_kubelet(metrics, "/metrics").status, 200);
    assert_eq!(as_the_kubelet(metrics, "/calls").status, 404);
    assert_eq!(as_the_kubelet(server.address, "/calls").status, 403);
}

/// A probe names the pod's address.
fn as_the_kubelet(address: SocketAddr, path: &str) -> Reply {
    let mut stream = TcpStream::connect(address).unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: 10.244.0.7:9097\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    Reply::parse(&bytes)
}
