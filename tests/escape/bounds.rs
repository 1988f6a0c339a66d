//! What one call takes that others need: threads, memory, connections.

use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    thread,
    time::{Duration, Instant},
};

use super::{
    NOWHERE, confined, doctor, failed_probes,
    harness::{Server, eventually, is_root, kubeconfig_of, probe, program},
    server, settled, unconfined,
};

fn flags() -> [String; 4] {
    [
        "--tools-dir".into(),
        probe().to_str().unwrap().into(),
        "--egress-allow".into(),
        "127.0.0.1".into(),
    ]
}

/// A call that asks for thousands of threads, and what others find meanwhile.
fn others_beside_threads(server: &Server) {
    thread::scope(|scope| {
        let hostile = scope.spawn(|| {
            let began = Instant::now();
            let reply = server.kubectl(
                "get pods -l 'threads:5000'",
                &kubeconfig_of("https://127.0.0.1:1"),
            );
            (reply, began.elapsed())
        });
        for _ in 0..10 {
            assert!(confined(server, "identity:", NOWHERE).starts_with("uid="));
            assert_eq!(server.get("/ready").status, 200);
        }
        let (reply, took) = hostile.join().unwrap();
        let reply = reply.json();
        assert_ne!(reply["exit_code"], 0, "{reply}");
        assert!(took < Duration::from_secs(15), "it went on for {took:?}");
    });
}

#[test]
fn as_a_plain_user_no_call_takes_the_threads_of_another() {
    assert!(is_root(), "this test becomes another user and needs root");
    let flags = flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let server = settled(Server::with(&flags, Some(65532)));
    others_beside_threads(&server);
    eventually("it is told", || {
        fs::read_to_string(&server.log)
            .unwrap()
            .contains("takes more threads than it may")
    });
    // Fifty are no more than a child may have.
    assert_eq!(confined(&server, "threads:20", NOWHERE), "20 threads");
}

#[test]
fn with_users_of_their_own_no_call_takes_the_threads_of_another() {
    others_beside_threads(&server());
}

#[test]
fn memory_that_is_made_read_only_is_bounded_too() {
    let server = server();
    assert_eq!(
        unconfined("read-only-memory:4096", "/"),
        "ok",
        "the control"
    );
    assert_eq!(confined(&server, "read-only-memory:4096", NOWHERE), "EPERM");
}

#[test]
fn a_direct_pin_has_as_many_connections_as_any_other() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut held = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"x");
            held.push(stream);
        }
    });
    let server = server();
    let task = format!("connections:{address}");
    assert_eq!(unconfined(&task, "/"), "100 connections", "the control");
    assert_eq!(confined(&server, &task, &address), "32 connections");
}

#[test]
fn doctor_is_content_with_the_capabilities_of_the_unit() {
    assert!(is_root(), "this test drops capabilities and needs root");
    let unit = fs::read_to_string("deploy/kube-airlock.service").unwrap();
    let granted = unit
        .lines()
        .find_map(|line| line.strip_prefix("CapabilityBoundingSet="))
        .unwrap();
    let granted: Vec<String> = granted
        .split_whitespace()
        .map(|name| format!("+{}", name.trim_start_matches("CAP_").to_lowercase()))
        .collect();
    assert_eq!(granted.len(), 5, "{granted:?}");
    let setpriv = ["/usr/bin/setpriv", "/bin/setpriv"]
        .into_iter()
        .find(|path| fs::exists(path).unwrap())
        .unwrap();
    let mut command = std::process::Command::new(setpriv);
    command
        .arg(format!("--bounding-set=-all,{}", granted.join(",")))
        .arg("--inh-caps=-all")
        .arg(program());
    let work = tempfile::tempdir().unwrap();
    fs::set_permissions(work.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let (ok, report) = doctor(command, &["--work-dir", work.path().to_str().unwrap()]);
    assert!(ok, "{:#?}", failed_probes(&report));
    let left = fs::read_dir(work.path()).unwrap().count();
    assert_eq!(left, 0, "its folders are left");
}

/// How urgent a process is (proc_pid_stat(5), `nice`); the less the more.
fn niceness(pid: u32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(16)?.parse().ok()
}

/// A call that computes for eight seconds is the least urgent before it has ended, with all of its
/// threads; one that waits stays as urgent as it was.
fn who_computes_for_long_yields(server: &Server) {
    let of_children = || -> Vec<i32> {
        let running = server.children().into_iter();
        running.filter_map(niceness).collect()
    };
    let usual = niceness(server.pid()).unwrap() + 10;
    assert!(
        usual < 19,
        "run this less nice, so that it can tell: {usual}"
    );
    thread::scope(|scope| {
        scope.spawn(|| confined(server, "sleep:10", NOWHERE));
        eventually("one is as urgent as any", || of_children() == [usual]);
        scope.spawn(|| confined(server, "burn:8000", NOWHERE));
        eventually("the other one yields", || {
            let mut both = of_children();
            both.sort();
            both == [usual, 19]
        });
        let threads = server.children().into_iter().flat_map(threads_of);
        let least = threads
            .filter(|thread| niceness(*thread) == Some(19))
            .count();
        assert!(least >= 2, "{least} threads of those that compute");
    });
}

/// The threads of a process; none once it has ended.
fn threads_of(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter();
    let names = threads.flatten().flatten().map(|thread| thread.file_name());
    names
        .filter_map(|name| name.to_str()?.parse().ok())
        .collect()
}

/// The states that a process was seen in (proc_pid_stat(5)) in so long a time.
fn states(pid: u32, within: Duration) -> String {
    let began = Instant::now();
    let mut seen = String::new();
    while began.elapsed() < within {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        seen.extend(
            stat.rsplit_once(") ")
                .and_then(|(_, rest)| rest.chars().next()),
        );
        thread::sleep(Duration::from_millis(5));
    }
    seen
}

/// A call that has had its share stands still while as many others work as there are processors,
/// but for an eighth of the time; it goes on when they are done, and ends when it is to end.
#[test]
fn what_has_had_its_share_stands_still_while_others_work() {
    let server = server();
    let processors = thread::available_parallelism().unwrap().get();
    thread::scope(|scope| {
        let hog = scope.spawn(|| {
            let began = Instant::now();
            let body = r#"{"command":"get pods -l 'burn:60000'","timeout":"8s"}"#;
            let kubeconfig = kubeconfig_of("https://127.0.0.1:1");
            let headers = [
                ("Content-Type", "application/json"),
                ("X-Kubeconfig", kubeconfig.as_str()),
            ];
            let reply = server.send("POST", "/tools/kubectl", &headers, body.as_bytes());
            (reply.status, began.elapsed())
        });
        eventually("it has had its share", || {
            let child = server.children().first().copied();
            child.is_some_and(|child| niceness(child) == Some(19))
        });
        let hogs = server.children()[0];
        let seen = states(hogs, Duration::from_millis(200));
        assert!(!seen.contains('T'), "it is alone: {seen}");
        // Each of them does nothing while it ends and the next one starts.
        for _ in 0..2 * processors {
            scope.spawn(|| (0..12).for_each(|_| drop(confined(&server, "burn:100", NOWHERE))));
        }
        thread::sleep(Duration::from_millis(300));
        let seen = states(hogs, Duration::from_millis(600));
        let still = seen.matches('T').count();
        assert!(still > seen.len() / 8, "it works on: {seen}");
        assert!(still < seen.len(), "it never works: {seen}");
        let (status, took) = hog.join().unwrap();
        assert_eq!(status, 504);
        assert!(took < Duration::from_secs(12), "{took:?}");
    });
}

#[test]
fn a_child_that_computes_for_long_leaves_the_processors_to_others() {
    who_computes_for_long_yields(&server());
}

#[test]
fn as_a_plain_user_a_child_that_computes_for_long_leaves_the_processors_to_others() {
    assert!(is_root(), "this test becomes another user and needs root");
    let flags = flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    who_computes_for_long_yields(&settled(Server::with(&flags, Some(65532))));
}
