//! What can a child reach that it should not?
//!
//! A probe stands in for kubectl and tries. Each probe also runs unconfined, as the same user: a
//! probe that fails there too proves nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test that panics fails")]
#![allow(clippy::disallowed_methods, reason = "tests start processes")]

#[path = "../harness/mod.rs"]
mod harness;

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt, path::PathBuf, process::Command, sync::OnceLock, thread, time::Duration};

use harness::{Server, eventually, is_root, kubeconfig_of};

/// A folder with the probe as `kubectl`, built once.
fn probe() -> &'static PathBuf {
    static FOLDER: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    &FOLDER
        .get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
            let built = Command::new("go")
                .args(["build", "-trimpath", "-o"])
                .arg(folder.path().join("kubectl"))
                .arg(".")
                .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/escape/probe"))
                .env("CGO_ENABLED", "0")
                .status()
                .unwrap();
            assert!(built.success());
            let path = folder.path().to_owned();
            (folder, path)
        })
        .1
}

fn server() -> Server {
    Server::with(&["--tools-dir", probe().to_str().unwrap(), "--egress-allow", "127.0.0.1"], None)
}

/// Runs one probe inside the sandbox; the server of its kubeconfig is `https://{target}`.
fn confined(server: &Server, task: &str, target: &str) -> String {
    let reply = server.kubectl(&format!("get pods -l '{task}'"), &kubeconfig_of(&format!("https://{target}")));
    assert_eq!(reply.status, 200, "{task}: {}", reply.json());
    reply.text("output").trim_end().to_owned()
}

/// The positive control: the same probe as a plain process.
fn unconfined(task: &str, home: &str) -> String {
    let output = Command::new(probe().join("kubectl"))
        .arg(format!("--selector={task}"))
        .env("HOME", home)
        .env("KUBECONFIG", format!("{home}/file"))
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

const NOWHERE: &str = "127.0.0.1:1";

#[test]
fn a_child_reads_its_own_kubeconfig_and_nothing_else() {
    let server = server();
    let own = confined(&server, "own-kubeconfig:", NOWHERE);
    assert!(own.contains(r#""token":"[REDACTED]""#), "{own}");
    // For API servers whose certificates public authorities signed.
    if fs::exists("/etc/ssl/certs/ca-certificates.crt").unwrap() {
        assert_eq!(confined(&server, "read:/etc/ssl/certs/ca-certificates.crt", NOWHERE), "ok");
    }
    let home = tempfile::tempdir().unwrap();
    let outside = home.path().join("file");
    fs::write(&outside, "x").unwrap();
    fs::set_permissions(&outside, PermissionsExt::from_mode(0o666)).unwrap();
    fs::set_permissions(home.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let outside = outside.to_str().unwrap();
    let mut tasks = vec![
        format!("read:{outside}"),
        "read:/etc/passwd".into(),
        "read:/proc/self/environ".into(),
        "read:/proc/self/status".into(),
        "list:/".into(),
        "list:/tmp".into(),
        "list:/proc".into(),
        format!("list:{}", home.path().display()),
    ];
    if is_root() {
        tasks.push("read:/etc/shadow".into());
    }
    for task in tasks {
        assert_eq!(unconfined(&task, "/"), "ok", "the control: {task}");
        assert_eq!(confined(&server, &task, NOWHERE), "EACCES", "{task}");
    }
}

#[test]
fn a_child_cannot_read_another_requests_kubeconfig() {
    let server = server();
    // One request sleeps; another one tries its directory.
    thread::scope(|scope| {
        scope.spawn(|| confined(&server, "sleep:2", NOWHERE));
        eventually("the first has its workspace", || {
            server.workspaces().iter().any(|path| path.join("kubeconfig").exists()) && server.children().len() == 1
        });
        let theirs = server.workspaces().remove(0);
        if is_root() {
            // Root may look: it is there, and private.
            let text = fs::read_to_string(theirs.join("kubeconfig")).unwrap();
            assert!(text.contains("airlock-test-token"));
            let mode = fs::metadata(theirs.join("kubeconfig")).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode, fs::metadata(&theirs).unwrap().permissions().mode() & 0o777), (0o600, 0o700));
        }
        for task in [format!("read:{}/kubeconfig", theirs.display()), format!("list:{}", theirs.display())] {
            assert_eq!(unconfined(&task, "/"), "ok", "the control: {task}");
            assert_eq!(confined(&server, &task, NOWHERE), "EACCES", "{task}");
        }
    });
}

#[test]
fn a_child_writes_nowhere() {
    let server = server();
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let folder = home.path().display();
    let file = home.path().join("file");
    fs::write(&file, "x").unwrap();
    fs::set_permissions(&file, PermissionsExt::from_mode(0o666)).unwrap();
    let file = file.display();
    for task in [
        format!("write:{folder}/new"),
        format!("append:{file}"),
        format!("mkdir:{folder}/new-folder"),
        format!("symlink:{file}"),
        "link:".into(),
        format!("remove:{file}"),
    ] {
        let found = confined(&server, &task, NOWHERE);
        assert!(found == "EACCES" || found == "EPERM", "{task}: {found}");
        let link = home.path().join("link");
        let _ = fs::remove_file(&link);
        assert_eq!(unconfined(&task, home.path().to_str().unwrap()), "ok", "the control: {task}");
    }
}

#[test]
fn a_child_connects_to_its_servers_port_and_listens_nowhere() {
    let server = server();
    let pinned = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let (pinned, other) = (pinned.local_addr().unwrap().to_string(), other.local_addr().unwrap().to_string());
    assert_eq!(confined(&server, &format!("connect:{pinned}"), &pinned), "ok");
    for task in [format!("connect:{other}"), "listen:127.0.0.1:0".into()] {
        assert_eq!(unconfined(&task, "/"), "ok", "the control: {task}");
        assert_eq!(confined(&server, &task, &pinned), "EACCES", "{task}");
    }
}

#[test]
fn a_child_runs_no_other_program_and_signals_nobody() {
    let server = server();
    assert_eq!(unconfined("exec:/bin/true", "/"), "ok");
    assert_eq!(confined(&server, "exec:/bin/true", NOWHERE), "EACCES");
    for pid in [server.pid(), std::process::id()] {
        let task = format!("signal:{pid}");
        assert_eq!(unconfined(&task, "/"), "ok", "the control: {task}");
        assert_eq!(confined(&server, &task, NOWHERE), "EPERM", "{task}");
    }
}

#[test]
fn a_child_has_no_privilege_and_cannot_get_one_back() {
    let server = server();
    let identity = confined(&server, "identity:", NOWHERE);
    assert!(identity.contains("session=true"), "{identity}");
    if is_root() {
        assert!(identity.contains("groups=[]") && !identity.contains("uid=0"), "{identity}");
        assert_eq!(unconfined("setuid:0", "/"), "ok");
    }
    assert_eq!(confined(&server, "setuid:0", NOWHERE), "EPERM");
    assert_eq!(confined(&server, "raise:", NOWHERE), "EPERM");
}

#[test]
fn two_children_at_once_are_two_users() {
    assert!(is_root(), "this test needs root; run `make test` as root, or see CONTRIBUTING.md");
    let server = server();
    thread::scope(|scope| {
        let calls: Vec<_> = (0..2).map(|_| scope.spawn(|| confined(&server, "sleep:1", NOWHERE))).collect();
        eventually("both run", || server.children().len() == 2);
        let users: Vec<String> = server
            .children()
            .iter()
            .map(|pid| {
                fs::read_to_string(format!("/proc/{pid}/status")).unwrap().lines().find(|line| line.starts_with("Uid:")).unwrap().to_owned()
            })
            .collect();
        assert_ne!(users[0], users[1]);
        for call in calls {
            assert_eq!(call.join().unwrap(), "ok");
        }
    });
}

#[test]
fn a_child_inherits_three_streams_and_a_clean_environment() {
    let server = server();
    // Go opens an epoll and an event descriptor of its own on demand; nothing of ours is among them.
    assert_eq!(confined(&server, "descriptors:", NOWHERE), "0 1 2");
    let environment = confined(&server, "environment:", NOWHERE);
    let mut names: Vec<&str> = environment.lines().filter_map(|line| line.split('=').next()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "GOGC",
            "GOMAXPROCS",
            "GOMEMLIMIT",
            "GOTRACEBACK",
            "HOME",
            "KUBECONFIG",
            "KUBECTL_KUBERC",
            "KUBERC",
            "LANG",
            "NO_COLOR",
            "PATH",
            "TERM",
            "TMPDIR",
            "TZ"
        ]
    );
}

#[test]
fn memory_beyond_the_limit_ends_the_child_and_not_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("airlock.toml");
    fs::write(&config, "[limits]\nmemory = \"256MiB\"\n").unwrap();
    let server = Server::with(
        &["--tools-dir", probe().to_str().unwrap(), "--egress-allow", "127.0.0.1", "--config", config.to_str().unwrap()],
        None,
    );
    assert_eq!(unconfined("memory:512", "/"), "ok");
    let reply = server.kubectl("get pods -l memory:512", &kubeconfig_of("https://127.0.0.1:1"));
    assert_eq!((reply.status, reply.json()["success"].as_bool()), (200, Some(false)), "{}", reply.json());
    assert_eq!(confined(&server, "memory:16", NOWHERE), "ok");
}

#[test]
fn what_a_child_leaves_behind_is_ended_with_it() {
    let server = server();
    // A child that starts a child that starts a child, each in a session of its own, and leaves.
    for depth in [1, 3] {
        let found = confined(&server, &format!("orphan:{depth}"), NOWHERE);
        assert_eq!(found, "ok");
        eventually("nothing is left", || server.children().is_empty());
        let ours = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("--selector=sleep:20"));
        let everybody: Vec<u32> =
            fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        assert!(!everybody.iter().any(ours), "a process of depth {depth} lives on");
    }
}

#[test]
fn a_child_that_locks_its_directory_does_not_keep_it() {
    let server = server();
    assert_eq!(confined(&server, "lock-out:", NOWHERE), "ok", "Landlock does not govern chmod");
    eventually("it is removed", || server.workspaces().is_empty());
    if is_root() {
        let plain = Server::with(&["--tools-dir", probe().to_str().unwrap(), "--egress-allow", "127.0.0.1"], Some(65532));
        assert_eq!(confined(&plain, "lock-out:", NOWHERE), "ok");
        eventually("it is removed", || plain.workspaces().is_empty());
    }
}

#[test]
fn a_killed_servers_credentials_go_with_it() {
    assert!(is_root(), "this test drops capabilities and needs root; see CONTRIBUTING.md");
    let flags = ["--tools-dir", probe().to_str().unwrap(), "--egress-allow", "127.0.0.1"];
    let capabilities = "+setuid,+setgid,+setpcap,+kill,+chown";
    let mut server = Server::with_capabilities(capabilities, &flags);
    let stream = server.open(
        "POST",
        "/tools/kubectl",
        &[("Content-Type", "application/json"), ("X-Kubeconfig", &kubeconfig_of("https://127.0.0.1:1"))],
        br#"{"command":"get pods -l sleep:20"}"#,
    );
    eventually("it runs", || server.children().len() == 1);
    let kubeconfig = server.workspaces().remove(0).join("kubeconfig");
    assert!(kubeconfig.exists());
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    eventually("the spawner removes it", || !kubeconfig.exists());
    drop(stream);
    let work = std::mem::replace(&mut server.work, tempfile::tempdir().unwrap());
    let next = Server::with_capabilities_in(work, capabilities, &flags);
    assert_eq!(fs::read_dir(next.work.path()).unwrap().count(), 1, "the next start sweeps the rest, with five capabilities too");
}

#[test]
fn output_is_bounded_and_steers_nothing() {
    let server = server();
    let reply = server.kubectl("get pods -l print:1000000", &kubeconfig_of("https://127.0.0.1:1")).json();
    let output = reply["output"].as_str().unwrap();
    assert!(
        reply["truncated"] == true && output.len() < 70_000 && output.ends_with("the end\n") && output.contains("bytes left out"),
        "{}",
        output.len()
    );
    assert_eq!(confined(&server, "escape-sequences:", NOWHERE), "aredb");
    // Past the hard cap the child is ended.
    let reply = server.kubectl("get pods -l print:100000000", &kubeconfig_of("https://127.0.0.1:1"));
    assert_eq!((reply.status, reply.text("code").as_str()), (504, "timeout"));
    eventually("the child is gone", || server.children().is_empty());
}

#[test]
fn five_capabilities_are_enough_for_users_of_their_own() {
    assert!(is_root(), "this test drops capabilities and needs root; see CONTRIBUTING.md");
    let server = Server::with_capabilities(
        "+setuid,+setgid,+setpcap,+kill,+chown",
        &["--tools-dir", probe().to_str().unwrap(), "--egress-allow", "127.0.0.1"],
    );
    let identity = confined(&server, "identity:", NOWHERE);
    assert!(identity.contains("groups=[]") && !identity.contains("uid=0"), "{identity}");
    assert!(confined(&server, "own-kubeconfig:", NOWHERE).contains(r#""token":"[REDACTED]""#));
    eventually("nothing is left", || server.children().is_empty() && server.workspaces().is_empty());
}

#[test]
fn as_a_plain_user_the_same_walls_stand() {
    assert!(is_root(), "this test becomes another user and needs root; see CONTRIBUTING.md");
    let server = Server::with(&["--tools-dir", probe().to_str().unwrap(), "--egress-allow", "127.0.0.1"], Some(65532));
    let identity = confined(&server, "identity:", NOWHERE);
    assert!(identity.contains("uid=65532"), "{identity}");
    for task in ["read:/etc/passwd", "list:/tmp", "write:/tmp/airlock-probe", "exec:/bin/true"] {
        assert_eq!(confined(&server, task, NOWHERE), "EACCES", "{task}");
    }
    assert_eq!(confined(&server, &format!("signal:{}", server.pid()), NOWHERE), "EPERM");
    thread::scope(|scope| {
        scope.spawn(|| confined(&server, "sleep:2", NOWHERE));
        eventually("the first has its workspace", || {
            server.workspaces().iter().any(|path| path.join("kubeconfig").exists()) && server.children().len() == 1
        });
        let theirs = server.workspaces().remove(0);
        assert_eq!(confined(&server, &format!("read:{}/kubeconfig", theirs.display()), NOWHERE), "EACCES");
    });
    thread::sleep(Duration::from_millis(100));
    eventually("nothing is left", || server.children().is_empty() && server.workspaces().is_empty());
}
