//! A child that listens: it hears itself, and nobody else in the world does.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use crate::harness::{Server, eventually, is_root, kubeconfig_of, probe};

const ONE_VERB: &str = r#"schema = 1
[[rule]]
id = "one"
effect = "allow"
reason = "this test"
tool = "istioctl"
verbs = ["proxy-config log"]
flags = ["--selector"]
namespaces = ["*"]
"#;

/// Whose a listening socket is.
#[derive(Clone, Copy)]
enum Owner {
    /// A user's, of all its processes.
    User(u32),
    /// A process's, beside others of its user.
    Process(u32),
}

impl Owner {
    /// The ports on loopback that it listens on (proc(5), `/proc/net/tcp`).
    fn listening(self) -> BTreeSet<u16> {
        let text = fs::read_to_string("/proc/net/tcp").unwrap();
        let rows = text
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        let own = rows.filter(|row| row[3] == "0A" && self.has(row[7], row[9]));
        own.filter_map(|row| row[1].strip_prefix("0100007F:"))
            .map(|port| u16::from_str_radix(port, 16).unwrap())
            .collect()
    }

    fn has(self, user: &str, inode: &str) -> bool {
        match self {
            Self::User(own) => user == own.to_string(),
            Self::Process(own) => {
                let held = fs::read_dir(format!("/proc/{own}/fd"))
                    .into_iter()
                    .flatten()
                    .flatten();
                held.filter_map(|entry| fs::read_link(entry.path()).ok())
                    .any(|to| to.as_os_str() == format!("socket:[{inode}]").as_str())
            }
        }
    }
}

/// What a stranger hears who asks the port.
fn heard_by_a_stranger(port: u16) -> String {
    let Ok(mut stream) =
        TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), Duration::from_millis(200))
    else {
        return String::new();
    };
    let _ = stream
        .write_all(format!("GET /stranger HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n").as_bytes());
    stream
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard);
    String::from_utf8_lossy(&heard).into_owned()
}

/// Has every port that the owner opens while `call` runs asked by a stranger, twice.
fn with_strangers<T: Send>(owner: Owner, call: impl FnOnce() -> T + Send) -> (T, Vec<String>) {
    let before = owner.listening();
    let told = thread::scope(|scope| {
        let call = scope.spawn(call);
        eventually("the child listens", || {
            owner.listening().difference(&before).count() >= 2
        });
        thread::sleep(Duration::from_millis(300)); // it has asked itself, and waits
        let ports: Vec<u16> = owner.listening().difference(&before).copied().collect();
        let strangers: Vec<String> = ports
            .iter()
            .chain(&ports)
            .map(|port| heard_by_a_stranger(*port))
            .collect();
        (call.join().unwrap(), strangers)
    });
    eventually("the ports are gone", || {
        owner.listening().difference(&before).count() == 0
    });
    told
}

#[test]
fn a_childs_ports_are_its_own() {
    let control = Command::new(probe().join("istioctl"))
        .arg("--selector=talk-to-itself:")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (output, strangers) = with_strangers(Owner::Process(control.id()), || {
        control.wait_with_output().unwrap()
    });
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(
        told.contains("a stranger got in")
            && strangers.iter().all(|heard| heard.contains("200 OK")),
        "{told} {strangers:?}"
    );

    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let policy = folder.path().join("policy.toml");
    fs::write(&policy, ONE_VERB).unwrap();
    let flags = [
        "--tools-dir",
        probe().to_str().unwrap(),
        "--egress-allow",
        "127.0.0.1",
        "--policy",
        policy.to_str().unwrap(),
    ];
    let user = if is_root() { Some(65531) } else { None };
    let server = Server::with(&flags, user);
    let user = user.unwrap_or_else(|| nix::unistd::geteuid().as_raw());
    eventually("istioctl is there", || {
        server.get("/tools/status").json()["tools"]["istioctl"]["state"] == "available"
    });

    let kubeconfig = kubeconfig_of("https://127.0.0.1:1");
    let (reply, strangers) = with_strangers(Owner::User(user), || {
        let sent = [
            ("Content-Type", "application/json"),
            ("X-Kubeconfig", kubeconfig.as_str()),
        ];
        server.send(
            "POST",
            "/tools/istioctl",
            &sent,
            br#"{"command":"proxy-config log --selector talk-to-itself:"}"#,
        )
    });
    assert_eq!(
        reply.text("output").trim_end(),
        "talked",
        "{}",
        reply.json()
    );
    assert_eq!(strangers, ["", "", "", ""]);
}
