//! What can a child reach that it should not?
//!
//! A probe stands in for kubectl and tries. Each probe also runs unconfined, as the same user: a
//! probe that fails there too proves nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics fails"
)]
#![allow(clippy::disallowed_methods, reason = "tests start processes")]

#[path = "../harness/mod.rs"]
mod harness;

use std::{
    fs,
    io::Write,
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    process::Command,
    thread,
    time::Duration,
};

mod bounds;
mod listener;
mod trace;
mod writer;

use harness::{
    Server, eventually, is_root, kubeconfig_of, own_address, probe, program, restricted_pod,
    restricted_pod_before_6_3, unjudged,
};

fn server() -> Server {
    settled(Server::with(
        &[
            "--tools-dir",
            probe().to_str().unwrap(),
            "--egress-allow",
            "127.0.0.1",
        ],
        None,
    ))
}

/// One with the settings of this file.
fn server_with(config: &str) -> Server {
    let flags = [
        "--tools-dir",
        probe().to_str().unwrap(),
        "--egress-allow",
        "127.0.0.1",
        "--config",
        config,
    ];
    settled(Server::with(&flags, None))
}

/// One whose tools hold their credential, and speak to their servers themselves.
fn unjudged_server() -> Server {
    server_with(unjudged())
}

/// The server once it has asked every probe for its version: from then on children are calls.
fn settled(server: Server) -> Server {
    eventually("the inventory has looked", || {
        let tools = server.get("/tools/status").json()["tools"].clone();
        tools
            .as_object()
            .unwrap()
            .values()
            .all(|tool| tool["state"] != "checking")
    });
    server
}

/// Runs one probe inside the sandbox; the server of its kubeconfig is `https://{target}`.
fn confined(server: &Server, task: &str, target: &str) -> String {
    let reply = server.kubectl(
        &format!("get pods -l '{task}'"),
        &kubeconfig_of(&format!("https://{target}")),
    );
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
    String::from_utf8(output.stdout)
        .unwrap()
        .trim_end()
        .to_owned()
}

const NOWHERE: &str = "127.0.0.1:1";

#[test]
fn a_child_reads_its_own_kubeconfig_and_nothing_else() {
    let own = confined(&unjudged_server(), "own-kubeconfig:", NOWHERE);
    assert!(own.contains(r#""token":"[REDACTED]""#), "{own}");
    let server = server();
    let own = confined(&server, "own-kubeconfig:", NOWHERE);
    assert!(own.contains(r#""user":{}"#), "{own}");
    // For API servers whose certificates public authorities signed.
    if fs::exists("/etc/ssl/certs/ca-certificates.crt").unwrap() {
        assert_eq!(
            confined(&server, "read:/etc/ssl/certs/ca-certificates.crt", NOWHERE),
            "ok"
        );
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
    let server = unjudged_server();
    // One request sleeps; another one tries its directory.
    thread::scope(|scope| {
        scope.spawn(|| confined(&server, "sleep:4", NOWHERE));
        eventually("the first has its workspace", || {
            server
                .workspaces()
                .iter()
                .any(|path| path.join("kubeconfig").exists())
                && server.children().len() == 1
        });
        let theirs = server.workspaces().remove(0);
        if is_root() {
            // Root may look: it is there, and private.
            let text = fs::read_to_string(theirs.join("kubeconfig")).unwrap();
            assert!(text.contains("airlock-test-token"));
            let mode = fs::metadata(theirs.join("kubeconfig"))
                .unwrap()
                .permissions()
                .mode()
                & 0o777;
            assert_eq!(
                (
                    mode,
                    fs::metadata(&theirs).unwrap().permissions().mode() & 0o777
                ),
                (0o600, 0o700)
            );
        }
        for task in [
            format!("read:{}/kubeconfig", theirs.display()),
            format!("list:{}", theirs.display()),
        ] {
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
        assert_eq!(
            unconfined(&task, home.path().to_str().unwrap()),
            "ok",
            "the control: {task}"
        );
    }
}

/// A server that tells everybody who connects its name, until the test ends.
fn greeter(address: &str, name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind(address).unwrap();
    let bound = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.and_then(|mut stream| stream.write_all(name.as_bytes()));
        }
    });
    bound
}

#[test]
fn a_child_reaches_its_server_and_no_other_whatever_it_dials() {
    let (pinned, other) = (
        greeter("127.0.0.1:0", "pinned"),
        greeter("127.0.0.1:0", "other"),
    );
    let server = unjudged_server();
    for dialled in [pinned, other] {
        let task = format!("greeting:{dialled}");
        assert_eq!(
            unconfined(&task, "/"),
            if dialled == pinned { "pinned" } else { "other" },
            "the control"
        );
        assert_eq!(
            confined(&server, &task, &pinned.to_string()),
            "pinned",
            "{dialled}"
        );
    }
    assert_eq!(unconfined("listen:127.0.0.1:0", "/"), "ok", "the control");
    assert_eq!(confined(&server, "listen:127.0.0.1:0", NOWHERE), "EPERM");
    assert_eq!(
        confined(&server, &format!("greeting:{other}"), NOWHERE),
        "ECONNREFUSED"
    );
}

#[test]
fn a_child_that_asks_its_proxy_reaches_its_server_and_no_other() {
    let address = own_address();
    let pinned = greeter(&format!("{address}:0"), "pinned");
    let other = greeter(&format!("{address}:0"), "other");
    let server = Server::with(
        &[
            "--tools-dir",
            probe().to_str().unwrap(),
            "--egress-allow",
            &address.to_string(),
            "--config",
            unjudged(),
        ],
        None,
    );
    let asked = |authority: &str| {
        confined(
            &server,
            &format!("proxied:{authority}"),
            &pinned.to_string(),
        )
    };
    assert_eq!(asked(&pinned.to_string()), "HTTP/1.1 200 OK\n\npinned"); // returns are cleaned away
    for elsewhere in [
        other.to_string(),
        "169.254.169.254:80".into(),
        "localhost:6443".into(),
    ] {
        let told = asked(&elsewhere);
        assert!(
            told.starts_with("HTTP/1.1 403 ") && told.contains(&elsewhere),
            "{told}"
        );
    }
    eventually("it is recorded", || {
        server
            .records()
            .iter()
            .filter(|record| record["refused_connections"] == 1)
            .count()
            == 3
    });
    // What it dials makes no difference, and without asking it hears nothing.
    for dialled in [pinned, other] {
        assert_eq!(
            confined(&server, &format!("greeting:{dialled}"), &pinned.to_string()),
            "read tcp: i/o timeout"
        );
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
    thread::scope(|scope| {
        scope.spawn(|| confined(&server, "sleep:1", NOWHERE));
        eventually("it runs", || server.children().len() == 1);
        let pid = server.children()[0];
        let read = || fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        eventually("it is confined", || read().contains("Seccomp_filters:\t2"));
        let status = read();
        let of = |key: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(key))
                .unwrap()
                .trim()
                .to_owned()
        };
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            assert_eq!(of(set), "0000000000000000", "{set}");
        }
        assert_eq!(
            (
                of("NoNewPrivs:").as_str(),
                of("Seccomp:").as_str(),
                of("Seccomp_filters:").as_str()
            ),
            ("1", "2", "2")
        );
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let session = stat.rsplit(") ").next().unwrap().split(' ').nth(3).unwrap();
        assert_eq!(session, pid.to_string(), "a session of its own");
        if is_root() {
            assert_eq!(
                (of("Groups:").as_str(), of("CapBnd:").as_str()),
                ("", "0000000000000000")
            );
            assert!(
                of("Uid:").split_whitespace().all(|user| user != "0"),
                "{status}"
            );
        }
    });
    if is_root() {
        assert_eq!(unconfined("setuid:0", "/"), "ok");
    }
    assert_eq!(confined(&server, "setuid:0", NOWHERE), "EPERM");
    assert_eq!(confined(&server, "raise:", NOWHERE), "EPERM");
}

/// How urgent a process is, and its session's share where the host has one (sched(7), autogroup).
fn urgency(pid: u32) -> (String, Option<String>) {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let nice = stat
        .rsplit(") ")
        .next()
        .unwrap()
        .split(' ')
        .nth(16)
        .unwrap()
        .to_owned();
    let group = fs::read_to_string(format!("/proc/{pid}/autogroup")).ok();
    (
        nice,
        group.map(|group| group.trim().rsplit(' ').next().unwrap().to_owned()),
    )
}

#[test]
fn a_child_is_less_urgent_than_its_server_which_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("airlock.toml");
    for layers in ["", "[sandbox.layers]\nsession = \"off\"\n"] {
        fs::write(&config, layers).unwrap();
        let before = urgency(std::process::id());
        let server = server_with(config.to_str().unwrap());
        thread::scope(|scope| {
            scope.spawn(|| confined(&server, "sleep:3", NOWHERE));
            eventually("it runs", || server.children().len() == 1);
            // With an urgent session it would not wait for what else the host computes, and with a
            // less urgent one it would wait for all of it.
            eventually("it is less urgent, its session is not", || {
                server.children().first().is_some_and(|child| {
                    let (nice, session) = urgency(*child);
                    let is_ours = !layers.is_empty() && session == before.1;
                    nice == "10" && (is_ours || session.is_none_or(|nice| nice == "0"))
                })
            });
        });
        // What has had its share yields, and takes nobody of its session with it.
        confined(&server, "burn:4000", NOWHERE);
        assert_eq!(
            urgency(server.pid()),
            before,
            "the server's, and ours: {layers}"
        );
    }
}

#[test]
fn two_children_at_once_are_two_users() {
    assert!(
        is_root(),
        "this test needs root; run `make test` as root, or see CONTRIBUTING.md"
    );
    let server = server();
    thread::scope(|scope| {
        let calls: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| confined(&server, "sleep:1", NOWHERE)))
            .collect();
        eventually("both run", || server.children().len() == 2);
        let users: Vec<String> = server
            .children()
            .iter()
            .map(|pid| {
                fs::read_to_string(format!("/proc/{pid}/status"))
                    .unwrap()
                    .lines()
                    .find(|line| line.starts_with("Uid:"))
                    .unwrap()
                    .to_owned()
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
    // Go opens an epoll and an event descriptor of its own on demand; nothing of ours is among
    // them.
    assert_eq!(confined(&server, "descriptors:", NOWHERE), "0 1 2");
    let environment = confined(&server, "environment:", NOWHERE);
    let mut names: Vec<&str> = environment
        .lines()
        .filter_map(|line| line.split('=').next())
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "GOGC",
            "GOMAXPROCS",
            "GOMEMLIMIT",
            "GOTRACEBACK",
            "HOME",
            "HTTPS_PROXY",
            "HTTP_PROXY",
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
    let server = server_with(config.to_str().unwrap());
    assert_eq!(unconfined("memory:512", "/"), "ok");
    let reply = server.kubectl(
        "get pods -l memory:512",
        &kubeconfig_of("https://127.0.0.1:1"),
    );
    assert_eq!(
        (reply.status, reply.json()["code"].as_str()),
        (422, Some("out_of_memory")),
        "{}",
        reply.json()
    );
    assert_eq!(confined(&server, "memory:16", NOWHERE), "ok");
}

#[test]
fn a_child_starts_no_second_process_and_leaves_nothing() {
    let server = server();
    assert_eq!(unconfined("orphan:1", "/"), "ok", "the control");
    assert_eq!(confined(&server, "orphan:1", NOWHERE), "EPERM");
    assert_eq!(
        confined(&server, "lock-out:", NOWHERE),
        "EPERM",
        "the modes of its own directory stay"
    );
    eventually("nothing is left", || {
        server.children().is_empty() && server.workspaces().is_empty()
    });
}

#[test]
fn a_killed_servers_credentials_go_with_it() {
    assert!(
        is_root(),
        "this test drops capabilities and needs root; see CONTRIBUTING.md"
    );
    let flags = [
        "--tools-dir",
        probe().to_str().unwrap(),
        "--egress-allow",
        "127.0.0.1",
    ];
    let capabilities = "+setuid,+setgid,+setpcap,+kill,+chown";
    let mut server = settled(Server::with_capabilities(capabilities, &flags));
    let stream = server.open(
        "POST",
        "/tools/kubectl",
        &[
            ("Content-Type", "application/json"),
            ("X-Kubeconfig", &kubeconfig_of("https://127.0.0.1:1")),
        ],
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
    assert_eq!(
        fs::read_dir(next.work.path()).unwrap().count(),
        1,
        "the next start sweeps the rest, with five capabilities too"
    );
}

#[test]
fn output_is_bounded_and_steers_nothing() {
    let server = server();
    let reply = server
        .kubectl(
            "get pods -l print:1000000",
            &kubeconfig_of("https://127.0.0.1:1"),
        )
        .json();
    let output = reply["output"].as_str().unwrap();
    assert!(
        reply["truncated"] == true
            && output.len() < 70_000
            && output.ends_with("the end\n")
            && output.contains("lines left out"),
        "{}",
        output.len()
    );
    assert_eq!(confined(&server, "escape-sequences:", NOWHERE), "aredb");
    // Past the hard cap the child is ended.
    let reply = server.kubectl(
        "get pods -l print:100000000",
        &kubeconfig_of("https://127.0.0.1:1"),
    );
    assert_eq!(
        (reply.status, reply.text("code").as_str()),
        (422, "too_much_output")
    );
    eventually("the child is gone", || server.children().is_empty());
}

#[test]
fn five_capabilities_are_enough_for_users_of_their_own() {
    assert!(
        is_root(),
        "this test drops capabilities and needs root; see CONTRIBUTING.md"
    );
    let server = Server::with_capabilities(
        "+setuid,+setgid,+setpcap,+kill,+chown",
        &[
            "--tools-dir",
            probe().to_str().unwrap(),
            "--egress-allow",
            "127.0.0.1",
        ],
    );
    let identity = confined(&server, "identity:", NOWHERE);
    assert!(!identity.contains("uid=0"), "{identity}");
    assert!(confined(&server, "own-kubeconfig:", NOWHERE).contains(r#""user":{}"#));
    eventually("nothing is left", || {
        server.children().is_empty() && server.workspaces().is_empty()
    });
}

#[test]
fn as_a_plain_user_the_same_walls_stand() {
    assert!(
        is_root(),
        "this test becomes another user and needs root; see CONTRIBUTING.md"
    );
    let server = settled(Server::with(
        &[
            "--tools-dir",
            probe().to_str().unwrap(),
            "--egress-allow",
            "127.0.0.1",
        ],
        Some(65532),
    ));
    let identity = confined(&server, "identity:", NOWHERE);
    assert!(identity.contains("uid=65532"), "{identity}");
    for task in [
        "read:/etc/passwd",
        "list:/tmp",
        "write:/tmp/airlock-probe",
        "exec:/bin/true",
    ] {
        assert_eq!(confined(&server, task, NOWHERE), "EACCES", "{task}");
    }
    assert_eq!(
        confined(&server, &format!("signal:{}", server.pid()), NOWHERE),
        "EPERM"
    );
    thread::scope(|scope| {
        scope.spawn(|| confined(&server, "sleep:4", NOWHERE));
        eventually("the first has its workspace", || {
            server
                .workspaces()
                .iter()
                .any(|path| path.join("kubeconfig").exists())
                && server.children().len() == 1
        });
        let theirs = server.workspaces().remove(0);
        assert_eq!(
            confined(
                &server,
                &format!("read:{}/kubeconfig", theirs.display()),
                NOWHERE
            ),
            "EACCES"
        );
    });
    thread::sleep(Duration::from_millis(100));
    eventually("nothing is left", || {
        server.children().is_empty() && server.workspaces().is_empty()
    });
}

#[test]
fn in_a_restricted_pod_the_same_walls_stand() {
    assert!(
        is_root(),
        "this test becomes another user and needs root; see CONTRIBUTING.md"
    );
    let pinned = greeter("127.0.0.1:0", "pinned");
    let server = Server::behind(
        restricted_pod(),
        &[
            "--tools-dir",
            probe().to_str().unwrap(),
            "--egress-allow",
            "127.0.0.1",
            "--config",
            unjudged(),
        ],
    );
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    assert!(
        status.contains("Seccomp:\t2")
            && status.contains("NoNewPrivs:\t1")
            && status.contains("CapEff:\t0000000000000000"),
        "{status}"
    );
    assert_eq!(
        confined(&server, &format!("greeting:{pinned}"), &pinned.to_string()),
        "pinned"
    );
    assert_eq!(confined(&server, "read:/etc/passwd", NOWHERE), "EACCES");
    eventually("nothing is left", || {
        server.children().is_empty() && server.workspaces().is_empty()
    });
}

/// What `doctor` reports, and whether it is content.
fn doctor(mut command: Command, flags: &[&str]) -> (bool, serde_json::Value) {
    let output = command
        .args(["doctor", "--json"])
        .args(flags)
        .env_clear()
        .output()
        .unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "{error}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    });
    (output.status.success(), report)
}

fn failed_probes(report: &serde_json::Value) -> Vec<&serde_json::Value> {
    report["probes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|probe| probe["ok"] != true)
        .collect()
}

#[test]
fn doctor_finds_every_probe_stopped_and_every_layer_at_work() {
    assert!(
        is_root(),
        "this test needs root for users of their own; see CONTRIBUTING.md"
    );
    let (ok, report) = doctor(Command::new(program()), &["--alone"]);
    assert!(ok, "{:#?}", failed_probes(&report));
    for profile in [
        "offline",
        "plain",
        "listener-inet",
        "listener-netlink",
        "listener-unix",
        "diff",
    ] {
        let count = report["probes"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|probe| probe["profile"] == profile)
            .count();
        let warm = report["probes"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|probe| probe["profile"] == profile && probe["warm"] == true)
            .count();
        let expected = if profile == "diff" { 0 } else { count / 2 };
        assert!(
            count >= 250 && warm == expected,
            "{profile}: {count} probes, {warm} of them in a tool that waited"
        );
    }
    for layer in report["layers"].as_array().unwrap() {
        assert_eq!(layer["state"], "enforced", "{layer}");
        let alone = report["alone"]
            .as_array()
            .unwrap()
            .iter()
            .find(|alone| alone["layer"] == layer["layer"]);
        assert!(
            !alone.unwrap()["stops"].as_array().unwrap().is_empty(),
            "{layer} stops nothing by itself"
        );
    }
}

#[test]
fn doctor_is_content_in_a_restricted_pod() {
    assert!(
        is_root(),
        "this test becomes another user and needs root; see CONTRIBUTING.md"
    );
    let mut command = restricted_pod();
    command.arg(program());
    let (ok, report) = doctor(command, &["--alone"]);
    assert!(ok, "{:#?}", failed_probes(&report));
    assert_eq!(
        (
            &report["host"]["seccomp"],
            &report["host"]["no_new_privileges"]
        ),
        (&2.into(), &true.into())
    );
}

#[test]
fn a_kernel_without_a_layer_that_is_only_preferred_is_told_everywhere() {
    assert!(
        is_root(),
        "this test becomes another user and needs root; see CONTRIBUTING.md"
    );
    let mut command = restricted_pod_before_6_3();
    command.arg(program());
    let (ok, report) = doctor(command, &[]);
    assert!(ok, "{:#?}", failed_probes(&report));
    let layer = report["layers"]
        .as_array()
        .unwrap()
        .iter()
        .find(|layer| layer["layer"] == "write-xor-execute")
        .unwrap();
    assert_eq!(layer["state"], "missing", "{layer}");
    assert!(
        layer["todo"].as_str().unwrap().contains("Linux 6.3"),
        "{layer}"
    );
    let flags = [
        "--tools-dir",
        probe().to_str().unwrap(),
        "--egress-allow",
        "127.0.0.1",
    ];
    let server = Server::behind(restricted_pod_before_6_3(), &flags);
    let missing = serde_json::json!(["write-xor-execute"]);
    let reply = server
        .kubectl(
            "get pods -l 'read:/etc/passwd'",
            &kubeconfig_of("https://127.0.0.1:1"),
        )
        .json();
    assert_eq!(
        (&reply["sandbox"]["missing"], reply["output"].as_str()),
        (&missing, Some("EACCES\n")),
        "{reply}"
    );
    let status = server.get("/tools/status").json();
    assert_eq!(status["sandbox"]["missing"], missing, "{status}");
}

#[test]
fn a_layer_that_is_left_out_is_seen_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("airlock.toml");
    fs::write(&config, "[sandbox.layers]\nseccomp = \"off\"\n").unwrap();
    let config = config.to_str().unwrap();
    let (ok, report) = doctor(Command::new(program()), &["--config", config]);
    assert!(!ok && failed_probes(&report).len() > 50);
    let server = Server::with(
        &[
            "--tools-dir",
            probe().to_str().unwrap(),
            "--egress-allow",
            "127.0.0.1",
            "--config",
            config,
        ],
        None,
    );
    let reply = server
        .kubectl(
            "get pods -l orphan:1",
            &kubeconfig_of("https://127.0.0.1:1"),
        )
        .json();
    assert_eq!(
        reply["sandbox"]["missing"],
        serde_json::json!(["seccomp"]),
        "{reply}"
    );
    assert_eq!(reply["output"], "ok\n", "a second process runs now");
    eventually("and is ended with its call", || {
        server.children().is_empty()
    });
    assert!(
        fs::read_to_string(&server.log)
            .unwrap()
            .contains("weaker than by default")
    );
    eventually("it is recorded", || {
        server
            .records()
            .iter()
            .any(|record| record["layers_missing"] == serde_json::json!(["seccomp"]))
    });
}
