//! What goes wrong around a server, one by one: each has a defined answer, and nothing is lost or
//! left.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use nix::sys::{
    resource::{Resource, getrlimit, setrlimit},
    socket::{setsockopt, sockopt::RcvBuf},
};
use serde_json::Value;

use crate::harness::{
    Reply, Server, base64_of, build_probe, cluster, descendants, eventually, forget_peak, held,
    is_root, kubeconfig_of, memory_of, probe, tools,
};

/// A server whose kubectl is the probe, with these settings.
fn hostile(settings: &str) -> (Server, tempfile::TempDir) {
    let (folder, config) = file("airlock.toml", settings);
    let flags = [
        "--tools-dir",
        probe().to_str().unwrap(),
        "--egress-allow",
        "127.0.0.1",
        "--config",
        &config,
    ];
    (settled(Server::with(&flags, None)), folder)
}

/// Each call starts its tool, and meets what is in the way of that.
const NONE_WAITS: &str = "[warm]\nkubectl = 0\nistioctl = 0\nhelm = 0\nargocd = 0\n";

/// A file that every user may read.
fn file(name: &str, text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    (folder, path.to_str().unwrap().to_owned())
}

/// The server once it has asked every tool for its version: from then on children are calls.
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

/// One task of the probe.
fn tried(server: &Server, task: &str, timeout: &str) -> Reply {
    tried_with(&kubeconfig_of("https://127.0.0.1:1"), server, task, timeout)
}

fn tried_with(kubeconfig: &str, server: &Server, task: &str, timeout: &str) -> Reply {
    let body =
        serde_json::json!({ "command": format!("get pods -l '{task}'"), "timeout": timeout })
            .to_string();
    server.send(
        "POST",
        "/tools/kubectl",
        &[
            ("Content-Type", "application/json"),
            ("X-Kubeconfig", kubeconfig),
        ],
        body.as_bytes(),
    )
}

fn works(server: &Server) -> bool {
    tried(server, "sleep:0", "20s").text("output").trim_end() == "ok"
}

fn nothing_is_left(server: &Server) {
    eventually("nothing is left", || {
        server.children().is_empty() && server.workspaces().is_empty()
    });
}

/// The end that was recorded of a call.
fn end_of(server: &Server, call: &Reply) -> Value {
    let id = call.text("request_id");
    let found = || {
        server
            .records()
            .into_iter()
            .find(|record| record["event"] == "end" && record["request_id"] == *id)
    };
    eventually("the end is recorded", || found().is_some());
    found().unwrap()
}

/// Sets a soft limit of a process, as its user: root may not without CAP_SYS_RESOURCE.
fn limit(pid: u32, limit: &str) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let of = |key: &str| {
        status
            .lines()
            .find_map(|line| {
                line.strip_prefix(key)?
                    .split_whitespace()
                    .next()?
                    .parse()
                    .ok()
            })
            .unwrap()
    };
    let mut command = Command::new("prlimit");
    command.args(["--pid", &pid.to_string(), limit]);
    if is_root() {
        command.uid(of("Uid:")).gid(of("Gid:"));
    }
    assert!(command.status().unwrap().success(), "{limit}");
}

/// A request on a connection that stays, and its answer.
fn asked(stream: &mut TcpStream, request: &str) -> Reply {
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).unwrap();
        bytes.extend_from_slice(&buffer[..read]);
        let reply = Reply::parse(&bytes);
        let length = reply.head.lines().find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length: ")?
                .trim()
                .parse()
                .ok()
        });
        if read == 0 || length.is_some_and(|length: usize| reply.body.len() >= length) {
            return reply;
        }
    }
}

/// How many TCP sockets the server has: the one that listens, and its connections.
fn sockets(pid: u32) -> usize {
    let tcp = fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap();
    let tcp: Vec<&str> = tcp
        .lines()
        .filter_map(|line| line.split_whitespace().nth(9))
        .collect();
    let links = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok());
    let of_socket = |link: std::path::PathBuf| {
        Some(
            link.to_str()?
                .strip_prefix("socket:[")?
                .strip_suffix(']')?
                .to_owned(),
        )
    };
    links
        .filter_map(of_socket)
        .filter(|inode| tcp.contains(&inode.as_str()))
        .count()
}

/// Whether a connection between these two ports of loopback is established, as the first one's side
/// sees it.
fn is_connected(from: u16, to: u16) -> bool {
    let tcp = fs::read_to_string("/proc/net/tcp").unwrap();
    let ends_in = |field: Option<&str>, port: u16| {
        field.is_some_and(|field| field.ends_with(&format!(":{port:04X}")))
    };
    tcp.lines().any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        ends_in(fields.next(), from) && ends_in(fields.next(), to) && fields.next() == Some("01")
    })
}

fn connected(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(90)))
        .unwrap();
    stream
}

#[test]
fn a_full_work_directory_refuses_calls_until_there_is_room() {
    assert!(
        is_root(),
        "this test mounts a small file system and needs root; see CONTRIBUTING.md"
    );
    let work = tempfile::tempdir().unwrap();
    // Of the server alone: it goes with its mount namespace.
    let mut launcher = Command::new("unshare");
    let mount = r#"mount -t tmpfs -o size=256k,mode=0755 none "$0" && exec "$@""#;
    launcher
        .args(["--mount", "sh", "-c", mount])
        .arg(work.path());
    let small = work.path().to_str().unwrap();
    let (_folder, config) = file(
        "airlock.toml",
        &format!("work_dir = \"{small}\"\n{NONE_WAITS}"),
    );
    let flags = [
        "--tools-dir",
        probe().to_str().unwrap(),
        "--egress-allow",
        "127.0.0.1",
        "--config",
        &config,
    ];
    let server = settled(Server::behind_in(launcher, None, &flags));
    assert!(works(&server));
    let there = format!("/proc/{}/root{small}", server.pid());
    let directories = || {
        fs::read_dir(
            fs::read_dir(&there)
                .unwrap()
                .flatten()
                .find(|entry| entry.path().is_dir())
                .unwrap()
                .path(),
        )
        .unwrap()
    };
    let filler = Path::new(&there).join("filler");
    let full = fs::write(&filler, vec![0; 1 << 20]).unwrap_err();
    assert_eq!(full.kind(), ErrorKind::StorageFull);
    let refused = tried(&server, "sleep:0", "20s");
    assert_eq!(
        (refused.status, refused.text("code").as_str()),
        (500, "internal"),
        "{}",
        refused.json()
    );
    assert!(
        refused
            .text("reason")
            .starts_with("no directory could be made for the request"),
        "{}",
        refused.json()
    );
    assert_eq!(end_of(&server, &refused)["code"], "internal");
    assert!(
        fs::read_to_string(&server.log)
            .unwrap()
            .contains("No space left on device"),
        "the operator is told why"
    );
    assert_eq!(server.get("/health").status, 200);
    assert_eq!(
        directories()
            .filter(|entry| entry.as_ref().unwrap().path().is_dir())
            .count(),
        0,
        "no half of a directory is left"
    );
    fs::remove_file(&filler).unwrap();
    assert!(works(&server));
}

#[test]
fn without_descriptors_a_call_is_refused_and_others_wait() {
    let (server, _folder) = hostile(NONE_WAITS);
    assert!(works(&server));
    nothing_is_left(&server);
    let mut stream = connected(&server);
    let health = format!("GET /health HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    assert_eq!(asked(&mut stream, &health).status, 200);
    let body = r#"{"command":"get pods -l sleep:0"}"#;
    let call = format!(
        "POST /tools/kubectl HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nX-Kubeconfig: {}\r\nContent-Length: {}\r\n\r\n{body}",
        server.address,
        kubeconfig_of("https://127.0.0.1:1"),
        body.len()
    );
    // From the lowest number that is free on.
    let no_more = |pid: u32| {
        let free = (0..)
            .find(|number| !fs::exists(format!("/proc/{pid}/fd/{number}")).unwrap())
            .unwrap();
        limit(pid, &format!("--nofile={free}:"));
    };
    eventually("other connections are closed", || {
        sockets(server.pid()) == 2
    });
    no_more(server.pid());
    let refused = asked(&mut stream, &call);
    assert!(matches!(refused.status, 500 | 503), "{}", refused.json());
    assert!(
        ["internal", "sandbox_unavailable"].contains(&refused.text("code").as_str()),
        "{}",
        refused.json()
    );
    assert_eq!(end_of(&server, &refused)["code"], refused.json()["code"]);
    assert_eq!(
        asked(&mut stream, &health).status,
        200,
        "what needs none goes on"
    );
    // Whoever connects now waits, and is answered once there are some.
    thread::scope(|scope| {
        let waiting = scope.spawn(|| server.get("/health").status);
        thread::sleep(Duration::from_millis(300));
        assert!(!waiting.is_finished());
        limit(server.pid(), "--nofile=1024:");
        assert_eq!(waiting.join().unwrap(), 200);
    });
    assert!(works(&server));
    // The same of the spawner, which is another process.
    let spawner = descendants(server.pid())[0];
    nothing_is_left(&server);
    no_more(spawner);
    let refused = tried(&server, "sleep:0", "20s");
    assert_eq!(
        (refused.status, refused.text("code").as_str()),
        (503, "sandbox_unavailable"),
        "{}",
        refused.json()
    );
    assert_eq!(server.get("/ready").status, 503, "and nobody sends more");
    limit(spawner, "--nofile=1024:");
    eventually("it finds by itself that it works again", || {
        server.get("/ready").status == 200
    });
    assert!(works(&server));
    nothing_is_left(&server);
}

#[test]
fn without_processes_a_call_is_refused_and_without_threads_it_runs() {
    assert!(
        is_root(),
        "this test becomes another user, whose processes are limited, and needs root; see CONTRIBUTING.md"
    );
    let (_folder, config) = file("airlock.toml", NONE_WAITS);
    let flags = [
        "--tools-dir",
        probe().to_str().unwrap(),
        "--egress-allow",
        "127.0.0.1",
        "--config",
        &config,
    ];
    let server = settled(Server::with(&flags, Some(65530)));
    assert!(works(&server));
    let spawner = descendants(server.pid())[0];
    limit(spawner, "--nproc=1:");
    let refused = tried(&server, "sleep:0", "20s");
    assert_eq!(
        (refused.status, refused.text("code").as_str()),
        (503, "sandbox_unavailable"),
        "{}",
        refused.json()
    );
    assert!(
        refused.text("reason").contains("fork"),
        "{}",
        refused.json()
    );
    assert_eq!(end_of(&server, &refused)["code"], "sandbox_unavailable");
    assert_eq!(server.get("/ready").status, 503);
    limit(spawner, "--nproc=4096:");
    eventually("it finds by itself that it works again", || {
        server.get("/ready").status == 200
    });
    // The server has the threads that it needs, also after a pause.
    limit(server.pid(), "--nproc=1:");
    thread::sleep(Duration::from_secs(11));
    for _ in 0..10 {
        assert!(works(&server));
    }
    nothing_is_left(&server);
}

#[test]
fn what_a_tool_says_it_has_found_is_bounded_and_the_next_ones_with_the_same_credentials_alone() {
    let (server, _folder) = hostile("");
    let said = |task: &str, kubeconfig: &str| {
        let told = tried_with(kubeconfig, &server, task, "20s")
            .text("output")
            .trim_end()
            .to_owned();
        server.keeps_waiting(2);
        told
    };
    let [one, other] = ["https://127.0.0.1:1", "https://127.0.0.1:2"].map(kubeconfig_of);
    assert_eq!(said("known:", &one), "not asked", "it did not wait");
    assert_eq!(said("known:", &one), "known:");
    said("find:what one has", &one);
    assert_eq!(
        [said("known:", &one), said("known:", &other)],
        ["known: what one has", "known:"]
    );
    let before = memory_of(server.pid(), "VmRSS:").unwrap();
    forget_peak(server.pid());
    assert_eq!(said("find-too-much:", &one), "ok");
    let grown = memory_of(server.pid(), "VmHWM:")
        .unwrap()
        .saturating_sub(before);
    assert!(grown < 8 << 10, "{grown} KiB for 256 MiB");
    assert_eq!(
        said("known:", &one),
        "known:",
        "what it found anew was too much to keep"
    );
    said("find:what one has now", &one);
    assert_eq!(
        [said("known:", &one), said("known:", &other)],
        ["known: what one has now", "known:"]
    );
    nothing_is_left(&server);
}

#[test]
fn a_child_that_does_not_want_to_end_is_ended() {
    let (server, _folder) = hostile("[limits]\nlongest_output = \"1024GiB\"\n");
    for (task, timeout, least, most) in [
        ("stubborn:30", "500ms", 500, 6_000), // asked first, and given two seconds
        ("silent:30", "1s", 1_000, 6_000),
        ("flood:", "2s", 2_000, 7_000),
    ] {
        let before = held(server.pid()).1;
        let reply = tried(&server, task, timeout);
        assert_eq!(
            (reply.status, reply.text("code").as_str()),
            (504, "timeout"),
            "{task}: {}",
            reply.json()
        );
        let took = reply.json()["duration_ms"].as_u64().unwrap();
        assert!((least..most).contains(&took), "{task}: {took} ms");
        let end = end_of(&server, &reply);
        assert_eq!(end["code"], "timeout", "{task}");
        if task == "flood:" {
            // A pipe's capacity at least; the rest is held back, not kept.
            assert!(
                end["output_bytes"].as_u64().unwrap() > 1 << 20 && reply.body.len() < 80 << 10,
                "{end}"
            );
            let grown = held(server.pid()).1.saturating_sub(before);
            println!("a flood: {end}, and {grown} KiB more");
            assert!(grown < 8 << 10, "{grown} KiB");
        }
        nothing_is_left(&server);
    }
    let reply = tried(&server, "silent:1", "20s");
    assert_eq!(
        (reply.status, reply.json()["exit_code"].as_i64()),
        (200, Some(0)),
        "{}",
        reply.json()
    );
    // From outside: it is told how the command ended.
    thread::scope(|scope| {
        let call = scope.spawn(|| tried(&server, "sleep:20", "20s"));
        eventually("it runs", || server.children().len() == 1);
        Command::new("kill")
            .args(["-9", &server.children()[0].to_string()])
            .status()
            .unwrap();
        let reply = call.join().unwrap();
        assert_eq!(
            (reply.status, reply.json()["exit_code"].as_i64()),
            (200, Some(137)),
            "{}",
            reply.json()
        );
    });
    nothing_is_left(&server);
}

/// Reads until the other side closes, and says what came, and after how long.
fn until_closed(mut stream: TcpStream) -> (Vec<u8>, Duration) {
    let (started, mut bytes) = (Instant::now(), Vec::new());
    let _ = stream.read_to_end(&mut bytes);
    (bytes, started.elapsed())
}

#[test]
fn a_client_that_stalls_is_left_and_disturbs_nobody() {
    let server = Server::with(&["--tools-dir", tools().to_str().unwrap()], None);
    let host = server.address;
    thread::scope(|scope| {
        let says = |text: String| {
            let mut stream = connected(&server);
            stream.write_all(text.as_bytes()).unwrap();
            scope.spawn(|| until_closed(stream))
        };
        let silent = says(String::new());
        let half_a_head = says(format!("GET /health HTTP/1.1\r\nHost: {host}\r\nX-A: "));
        let idle = says(format!("GET /health HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        let no_body = says(format!(
            "POST /tools/kubectl HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
        ));
        // It asks on and takes no answer: more than any buffer of a socket holds.
        let mut taking_nothing = connected(&server);
        setsockopt(&taking_nothing, RcvBuf, &4096).unwrap();
        let asking = format!("GET /openapi.json HTTP/1.1\r\nHost: {host}\r\n\r\n").repeat(2000);
        taking_nothing.write_all(asking.as_bytes()).unwrap();
        let (stalled, port) = (Instant::now(), taking_nothing.local_addr().unwrap().port());
        // The server alone knows that it is left: nothing is sent to a client that has no room.
        let left = scope.spawn(move || {
            eventually_within(90, "a client that takes nothing is left", || {
                !is_connected(host.port(), port)
            });
            stalled.elapsed().as_secs()
        });
        for _ in 0..20 {
            let started = Instant::now();
            assert_eq!(server.kubectl("version --client", "").status, 200);
            assert!(started.elapsed() < Duration::from_secs(5));
        }
        for (what, call, least, most, begins) in [
            ("silent", silent, 9, 13, ""),
            ("half a head", half_a_head, 9, 13, ""),
            ("idle", idle, 9, 13, "HTTP/1.1 200 OK"),
            ("no body", no_body, 14, 30, "HTTP/1.1 400 Bad Request"),
        ] {
            let (bytes, after) = call.join().unwrap();
            let told = String::from_utf8_lossy(&bytes);
            assert!(
                (least..most).contains(&after.as_secs()) && told.starts_with(begins),
                "{what}: {after:?} {told}"
            );
            assert_eq!(told.is_empty(), begins.is_empty(), "{what}: {told}");
            assert!(
                what != "no body" || told.contains("the body did not arrive in time"),
                "{told}"
            );
        }
        let after = left.join().unwrap();
        assert!(
            (29..60).contains(&after),
            "a client that takes nothing is left after {after} s"
        );
        drop(taking_nothing);
    });
    eventually("every connection is closed", || sockets(server.pid()) == 1);
}

#[test]
fn a_flood_of_headers_is_refused() {
    let (server, _folder) = hostile("");
    let before = held(server.pid()).1;
    let sent = |headers: &dyn Fn(&mut TcpStream) -> std::io::Result<()>| {
        let mut stream = connected(&server);
        stream
            .write_all(format!("GET /health HTTP/1.1\r\nHost: {}\r\n", server.address).as_bytes())
            .unwrap();
        // It is told before all of it is there, and then nobody reads.
        let _ = headers(&mut stream);
        let mut bytes = [0; 64];
        let read = stream.read(&mut bytes).unwrap_or(0);
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    };
    for _ in 0..20 {
        let many =
            sent(&|stream| stream.write_all(("X-A: b\r\n".repeat(10_000) + "\r\n").as_bytes()));
        assert!(many.starts_with("HTTP/1.1 431"), "{many}");
        let endless = sent(&|stream| (0..1000).try_for_each(|_| stream.write_all(&[b'x'; 4096])));
        assert!(
            endless.is_empty()
                || endless.starts_with("HTTP/1.1 431")
                || endless.starts_with("HTTP/1.1 400"),
            "{endless}"
        );
    }
    assert!(works(&server));
    let grown = held(server.pid()).1.saturating_sub(before);
    assert!(grown < 16 << 10, "{grown} KiB");
}

/// A request of a megabyte, and all of it but the last byte.
fn almost_a_megabyte(server: &Server, path: &str, is_announced: bool) -> TcpStream {
    const LENGTH: usize = 1 << 20;
    let mut stream = connected(server);
    let length = if is_announced {
        format!("Content-Length: {LENGTH}")
    } else {
        "Transfer-Encoding: chunked".into()
    };
    let host = server.address;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nAccept: application/json\r\n{length}\r\n\r\n"
    );
    let size = if is_announced {
        String::new()
    } else {
        format!("{LENGTH:x}\r\n")
    };
    stream
        .write_all(format!("{head}{size}").as_bytes())
        .unwrap();
    stream
        .set_write_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let _ = stream.write_all(&vec![b' '; LENGTH - 1]); // who is refused is not read to the end
    stream
}

#[test]
fn clients_that_send_megabytes_slowly_hold_a_bounded_part_of_memory_and_disturb_nobody() {
    let server = Server::with(&["--tools-dir", tools().to_str().unwrap()], None);
    let before = held(server.pid()).1;
    let send_all = || -> Vec<TcpStream> {
        let paths = ["/tools/kubectl", "/mcp"].into_iter().cycle().enumerate();
        paths
            .take(150)
            .map(|(number, path)| almost_a_megabyte(&server, path, number % 3 > 0))
            .collect()
    };
    let large = vec![b' '; 1 << 20];
    let json = [("Content-Type", "application/json")];
    let send_large = |path| server.send("POST", path, &json, &large);
    // Beside other work it may take longer to send them than the first ones are waited for.
    let mut tries = 0..4;
    let (started, slow, grown, told) = loop {
        let (started, slow) = (Instant::now(), send_all());
        let grown = held(server.pid()).1.saturating_sub(before);
        // What comes now and is large is told so, at either door, and what is small is answered.
        let told = ["/tools/kubectl", "/mcp"].map(send_large);
        tries.next();
        if started.elapsed() < Duration::from_secs(8) || tries.is_empty() {
            break (started, slow, grown, told);
        }
    };
    for told in told {
        assert_eq!(
            (told.status, told.text("code").as_str()),
            (503, "overloaded"),
            "{}",
            told.head
        );
        assert!(
            told.head.to_ascii_lowercase().contains("retry-after: 1"),
            "{}",
            told.head
        );
        assert!(
            told.text("reason")
                .contains("hold as much memory as they may"),
            "{}",
            told.text("reason")
        );
    }
    for _ in 0..20 {
        assert_eq!(
            server
                .kubectl("version --client", &"A".repeat(16 * 1024))
                .status,
            200
        );
    }
    assert!(
        started.elapsed() < Duration::from_secs(14),
        "the first ones are still waited for: {:?}",
        started.elapsed()
    );
    let told = slow.into_iter().filter(|stream| {
        stream.set_nonblocking(true).unwrap();
        let mut begin = [0; 12];
        (&*stream).read(&mut begin).is_ok() && &begin == b"HTTP/1.1 503"
    });
    let told = told.count();
    println!("{told} of 150 refused; {grown} KiB");
    assert!((110..130).contains(&told), "{told} of 150 were refused");
    assert!(grown < 80 << 10, "{grown} KiB for 150 MiB");
    // They are gone by now, and what they held is free.
    eventually("a large request is read", || {
        let body = r#"{"command":"version --client"}"#.to_owned() + &" ".repeat(1 << 19);
        server
            .send(
                "POST",
                "/tools/kubectl",
                &[("Content-Type", "application/json")],
                body.as_bytes(),
            )
            .status
            == 200
    });
}

#[test]
fn ten_thousand_idle_connections_leave_room_for_those_who_watch() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let server = Server::with(&["--tools-dir", tools().to_str().unwrap()], None);
    let before = held(server.pid());
    // Each asks once, so that it is known as served or not; then it is idle.
    let health = format!("GET /health HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    let count = 10_000.min(usize::try_from(hard).unwrap().saturating_sub(500));
    let started = Instant::now();
    let mut idle: Vec<TcpStream> = Vec::new();
    for _ in 0..count {
        let Ok(mut stream) = TcpStream::connect(server.address) else {
            continue;
        };
        let _ = stream.write_all(health.as_bytes());
        idle.push(stream);
    }
    let during = held(server.pid());
    let told = server.send(
        "POST",
        "/tools/kubectl",
        &[("Content-Type", "application/json")],
        br#"{"command":"version --client"}"#,
    );
    // The oldest that says nothing leaves for whoever comes.
    assert_eq!(told.status, 200, "{}", told.head);
    println!(
        "{} connections in {:?}: {before:?} -> {during:?}",
        idle.len(),
        started.elapsed()
    );
    assert!(during.0 <= 1024 + 64 + 64, "{} descriptors", during.0);
    assert!(
        during.1 < before.1 + (64 << 10),
        "{} KiB -> {} KiB",
        before.1,
        during.1
    );
    eventually_within(30, "idle ones are closed", || {
        server.kubectl("version --client", "").status == 200
    });
    drop(idle);
    eventually_within(30, "all are closed", || sockets(server.pid()) == 1);
}

fn eventually_within(seconds: u64, what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(
            started.elapsed() < Duration::from_secs(seconds),
            "{what} never came true"
        );
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_connection_past_the_bound_is_told_so_and_health_is_told_all_the_same() {
    let (server, _folder) = hostile("[limits]\nconnections = 4\n");
    let begun = format!(
        "POST /tools/kubectl HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{",
        server.address
    );
    eventually("the first ones are closed", || sockets(server.pid()) == 1);
    let mut four: Vec<TcpStream> = (0..4).map(|_| connected(&server)).collect();
    for stream in &mut four {
        stream.write_all(begun.as_bytes()).unwrap();
    }
    // What is under way is not ended for another.
    thread::sleep(Duration::from_millis(500));
    let mut fifth = connected(&server);
    let status = format!(
        "GET /tools/status HTTP/1.1\r\nHost: {}\r\n\r\n",
        server.address
    );
    let told = asked(&mut fifth, &status);
    assert_eq!(
        (told.status, told.text("code").as_str()),
        (503, "overloaded"),
        "{}",
        told.head
    );
    let head = told.head.to_ascii_lowercase();
    assert!(
        head.contains("retry-after: 1") && head.contains("connection: close"),
        "{head}"
    );
    assert!(told.text("hint").contains("close those that are idle"));
    assert_eq!(
        (
            server.get("/health").status,
            server.get("/ready").status,
            server.get("/metrics").status
        ),
        (200, 200, 200)
    );
    four.pop();
    eventually("a place is free", || {
        server.get("/tools/status").status == 200
    });
}

#[test]
fn a_clock_that_jumps_ends_no_call_early_and_none_late() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let (library, shift) = (
        folder.path().join("realtime.so"),
        folder.path().join("shift"),
    );
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/service/realtime.c");
    assert!(
        Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .arg(&library)
            .arg(source)
            .status()
            .unwrap()
            .success()
    );
    let mut launcher = Command::new("env");
    launcher
        .arg(format!("LD_PRELOAD={}", library.display()))
        .arg(format!("AIRLOCK_TEST_SHIFT={}", shift.display()));
    let server = settled(Server::behind(
        launcher,
        &[
            "--tools-dir",
            probe().to_str().unwrap(),
            "--egress-allow",
            "127.0.0.1",
        ],
    ));
    for seconds in [86_400_i64, -86_400] {
        let jump = |seconds: i64| fs::write(&shift, seconds.to_string()).unwrap();
        jump(0);
        thread::scope(|scope| {
            let ended = scope.spawn(|| tried(&server, "sleep:2", "20s"));
            let expired = scope.spawn(|| tried(&server, "sleep:30", "2s"));
            eventually("they run", || server.children().len() == 2);
            jump(seconds);
            let (ended, expired) = (ended.join().unwrap(), expired.join().unwrap());
            assert_eq!(
                (ended.status, ended.text("output").trim_end()),
                (200, "ok"),
                "{}",
                ended.json()
            );
            assert_eq!(
                (expired.status, expired.text("code").as_str()),
                (504, "timeout"),
                "{}",
                expired.json()
            );
            let took = expired.json()["duration_ms"].as_u64().unwrap();
            assert!((2_000..7_000).contains(&took), "{took} ms");
        });
        assert!(works(&server));
    }
    let times: Vec<String> = server
        .records()
        .iter()
        .map(|record| record["time"].as_str().unwrap()[..10].to_owned())
        .collect();
    assert!(
        times.iter().any(|day| *day != times[0]),
        "the server saw the jump: {times:?}"
    );
    nothing_is_left(&server);
}

#[test]
fn a_stop_while_a_tool_is_asked_for_its_version_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    // The probe in the place of helm does not answer.
    fs::copy(probe().join("kubectl"), folder.path().join("kubectl")).unwrap();
    build_probe(&folder.path().join("helm"), "-X main.silent=yes");
    let mut server = Server::with(&["--tools-dir", folder.path().to_str().unwrap()], None);
    eventually("helm is asked", || {
        server.children().len() == 1 && server.workspaces().len() == 1
    });
    let started = Instant::now();
    assert!(
        Command::new("kill")
            .arg(server.pid().to_string())
            .status()
            .unwrap()
            .success()
    );
    assert!(server.child.wait().unwrap().success());
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    let left: Vec<_> = fs::read_dir(server.work.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let told = fs::read_to_string(&server.log).unwrap();
    assert!(!told.contains("could not be removed"), "{told}");
}

#[test]
fn when_the_spawner_is_killed_its_children_go_with_it_and_callers_are_told() {
    let (_folder, mut server) = Server::with_settings("[api]\nkubectl = \"off\"\n");
    let kubeconfig = base64_of(&cluster().view);
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Kubeconfig", kubeconfig.as_str()),
    ];
    let streams: Vec<_> = (0..4)
        .map(|_| {
            server.open(
                "POST",
                "/tools/kubectl",
                &headers,
                br#"{"command":"wait --for=delete pod/web-0 --timeout=25s"}"#,
            )
        })
        .collect();
    eventually("four children run", || server.children().len() == 4);
    let (children, work) = (server.children(), server.work.path().to_owned());
    assert!(
        !is_root()
            || fs::read_to_string(server.workspaces()[0].join("kubeconfig"))
                .unwrap()
                .contains("token"),
        "the control"
    );
    let killed = descendants(server.pid())[0];
    Command::new("kill")
        .args(["-9", &killed.to_string()])
        .status()
        .unwrap();
    let dead = |pid: &u32| !fs::exists(format!("/proc/{pid}")).unwrap();
    eventually("every child is dead", || children.iter().all(dead));
    for mut stream in streams {
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let reply = Reply::parse(&answer);
        assert!(
            reply.status == 200 && reply.json()["exit_code"] == 137 || reply.status >= 499,
            "{} {}",
            reply.status,
            reply.head
        );
    }
    assert!(!server.child.wait().unwrap().success());
    let ends = server
        .records()
        .iter()
        .filter(|record| record["event"] == "end")
        .count();
    assert_eq!(ends, 4, "{:?}", server.records());
    // What belongs to a child's user only the next start can remove (root, and no other server,
    // could give it back).
    let left = server.workspaces();
    assert!(
        left.iter()
            .all(|directory| fs::read(directory.join("kubeconfig")).unwrap().is_empty()),
        "no credential is left"
    );
    if !is_root() {
        assert_eq!(fs::read_dir(work).unwrap().count(), 0, "nothing is left");
    }
}
