//! One caller takes what it can get: sessions, places, connections, streams, memory, processors,
//! the records. The others do not notice.

use std::{
    cell::RefCell,
    fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    callers::token,
    harness::{Reply, Server, eventually, kubeconfig_of, probe, processor_time, program},
};

pub const JSON: (&str, &str) = ("Content-Type", "application/json");

/// A server with two callers, the probe for kubectl, and these settings.
pub struct Shared {
    pub server: Server,
    pub alice: String,
    pub bob: String,
    folder: tempfile::TempDir,
}

impl Shared {
    pub fn with(settings: &str) -> Self {
        let ((alice, of_alice), (bob, of_bob)) = (token("alice", &[]), token("bob", &[]));
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o1777)).unwrap();
        let config = folder.path().join("airlock.toml");
        let settings = settings.replace("FOLDER", folder.path().to_str().unwrap());
        fs::write(&config, format!("{of_alice}\n{of_bob}\n{settings}")).unwrap();
        let flags = [
            "--tools-dir",
            probe().to_str().unwrap(),
            "--egress-allow",
            "127.0.0.1",
            "--config",
            config.to_str().unwrap(),
        ];
        let server = Server::with(&flags, None);
        Self {
            server,
            alice: format!("Bearer {alice}"),
            bob: format!("Bearer {bob}"),
            folder,
        }
    }

    fn send(
        &self,
        who: &str,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        let headers = [&[JSON, ("Authorization", who)], more].concat();
        self.server.send(method, path, &headers, body)
    }

    fn kubectl(&self, who: &str, command: &str) -> Reply {
        let kubeconfig = kubeconfig_of("https://127.0.0.1:1");
        let body = json!({ "command": command, "timeout": "60s" }).to_string();
        let headers = [("X-Kubeconfig", kubeconfig.as_str())];
        self.send(who, "POST", "/tools/kubectl", &headers, body.as_bytes())
    }

    /// One task of the probe.
    fn tried(&self, who: &str, task: &str) -> Reply {
        self.kubectl(who, &format!("get pods -l '{task}'"))
    }

    /// Opens a session, with further headers.
    pub fn hello(&self, who: &str, more: &[(&str, &str)], name: &str) -> Reply {
        let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": name, "version": "1" } } });
        self.send(who, "POST", "/mcp", more, hello.to_string().as_bytes())
    }

    pub fn session(&self, who: &str) -> String {
        let hello = self.hello(who, &[VERSION], "t");
        assert_eq!(hello.status, 200, "{}", hello.head);
        session_of(&hello)
    }

    fn in_session(&self, who: &str, session: &str, method: &str, message: &Value) -> Reply {
        let headers = [("Mcp-Session-Id", session)];
        self.send(
            who,
            method,
            "/mcp",
            &headers,
            message.to_string().as_bytes(),
        )
    }

    pub fn lists(&self, who: &str, session: &str) -> u16 {
        let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {} });
        self.in_session(who, session, "POST", &list).status
    }

    /// A connection on which a request has been sent, and the status of its answer.
    fn opened(
        &self,
        who: &str,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
    ) -> (TcpStream, u16) {
        let mut stream = TcpStream::connect(self.server.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: {who}\r\nAccept: text/event-stream\r\n",
            self.server.address
        );
        for (name, value) in more {
            head += &format!("{name}: {value}\r\n");
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        let mut bytes = [0; 12];
        let status = match stream.read_exact(&mut bytes) {
            Ok(()) => String::from_utf8_lossy(&bytes[9..]).parse().unwrap_or(0),
            Err(_) => 0,
        };
        (stream, status)
    }
}

pub const VERSION: (&str, &str) = ("MCP-Protocol-Version", "2025-11-25");
pub const NO_RATE: &str = "[limits]\nrate = 0\n";

fn session_of(hello: &Reply) -> String {
    let head = hello.head.to_ascii_lowercase();
    let session = head
        .lines()
        .find_map(|line| line.strip_prefix("mcp-session-id: "));
    session.expect("a session").to_owned()
}

#[test]
fn sessions_are_admitted_by_what_a_message_says_and_not_by_its_headers() {
    let shared = Shared::with(NO_RATE);
    let (alice, bob) = (shared.alice.as_str(), shared.bob.as_str());
    let bobs = shared.session(bob);
    for headers in [
        &[][..],
        &[VERSION],
        &[VERSION, ("Mcp-Session-Id", "\u{e4}")],
    ] {
        let told = shared.hello(alice, headers, &"x".repeat(900_000));
        assert_eq!(
            (told.status, told.text("code").as_str()),
            (413, "request_too_large"),
            "{headers:?}"
        );
    }
    // She gets as many as she likes, each in the place of one of her own, and goes on in any.
    let sessions: Vec<String> = (0..300).map(|_| shared.session(alice)).collect();
    let mut all = sessions.iter().rev();
    assert!(all.all(|session| shared.lists(alice, session) == 200));
    assert_eq!(shared.lists(bob, &bobs), 200);
    assert_eq!(shared.hello(bob, &[], "t").status, 200);
    // What opens no session is not told of sessions.
    for nonsense in [
        "{",
        "{}",
        "[]",
        r#"[{"jsonrpc":"2.0","id":1,"method":"initialize"}]"#,
    ] {
        let told = shared.send(alice, "POST", "/mcp", &[], nonsense.as_bytes());
        assert!(
            (400..500).contains(&told.status),
            "{nonsense}: {}",
            told.head
        );
    }
}

#[test]
fn a_session_that_is_deleted_ends_its_calls_and_is_gone() {
    let shared = Shared::with("[warm]\nkubectl = 0\n");
    let (alice, bob) = (shared.alice.as_str(), shared.bob.as_str());
    let session = shared.session(alice);
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(
        shared
            .in_session(alice, &session, "POST", &initialized)
            .status,
        202
    );
    eventually("the inventory has looked at the filters", || {
        let status = shared.send(alice, "GET", "/tools/status", &[], b"").json();
        let filters = status["filters"].as_object().unwrap().clone();
        filters.values().all(|filter| filter["state"] != "checking")
    });
    eventually("kubectl has been asked for its version", || {
        shared.server.children().is_empty()
    });
    let call = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "name": "kubectl",
        "arguments": { "command": "get pods -l 'sleep:30'" } } });
    let kubeconfig = kubeconfig_of("https://127.0.0.1:1");
    let headers = [
        JSON,
        ("Authorization", alice),
        ("Mcp-Session-Id", &session),
        ("X-Kubeconfig", &kubeconfig),
    ];
    let _running = shared
        .server
        .open("POST", "/mcp", &headers, call.to_string().as_bytes());
    eventually("the call runs", || !shared.server.children().is_empty());
    let none = json!({});
    assert_eq!(
        shared.in_session(bob, &session, "DELETE", &none).status,
        404
    );
    assert!(!shared.server.children().is_empty());
    let since = Instant::now();
    assert_eq!(
        shared.in_session(alice, &session, "DELETE", &none).status,
        204
    );
    eventually("the child is gone", || shared.server.children().is_empty());
    assert!(
        since.elapsed() < Duration::from_secs(2),
        "{:?}",
        since.elapsed()
    );
    assert_eq!(
        shared.in_session(alice, &session, "DELETE", &none).status,
        404
    );
    assert_eq!(
        shared.in_session(alice, "unknown", "DELETE", &none).status,
        404
    );
    // What its client has ended, or no server has opened, is not opened again.
    assert_eq!(shared.lists(alice, &session), 404);
    assert_eq!(shared.lists(alice, "unknown"), 404);
    let stranger = shared.send("Bearer nobody", "POST", "/mcp", &[], b"{}");
    assert_eq!(
        (stranger.status, &stranger.json()["error"]["code"]),
        (401, &json!(401)),
        "{}",
        stranger.json()
    );
    eventually("its end is recorded", || {
        let records = shared.server.records();
        records
            .iter()
            .any(|record| record["event"] == "end" && record["code"] == "cancelled")
    });
}

#[test]
fn one_caller_does_not_take_all_places() {
    let shared = Shared::with("[limits]\nconcurrency = 4\n[warm]\nkubectl = 0\n");
    let alone = Instant::now();
    assert_eq!(shared.tried(&shared.bob, "sleep:0").status, 200);
    let alone = alone.elapsed();
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| shared.tried(&shared.alice, "sleep:6"));
        }
        eventually("alice's calls run", || shared.server.children().len() >= 2);
        for _ in 0..4 {
            let since = Instant::now();
            let told = shared.tried(&shared.bob, "sleep:0");
            assert_eq!(told.status, 200, "{}", told.json());
            assert!(
                since.elapsed() < alone * 3 + Duration::from_secs(3),
                "{:?}",
                since.elapsed()
            );
        }
        assert!(shared.server.children().len() <= 3);
    });
}

/// With one place nobody is kept out, but has to wait: the server says so when it starts.
#[test]
fn limits_that_let_one_caller_keep_others_waiting_are_told_at_the_start() {
    for (limits, told) in [
        ("concurrency = 1", "callers take turns"),
        (
            "concurrency = 4\nrunning_per_caller = 4",
            "one caller may run 4 tools",
        ),
        ("concurrency = 4", ""),
    ] {
        let shared = Shared::with(&format!("[limits]\n{limits}\n"));
        let log = fs::read_to_string(&shared.server.log).unwrap();
        let unfair = log
            .lines()
            .filter(|line| line.contains("limits.concurrency"));
        let unfair: Vec<&str> = unfair.collect();
        match told {
            "" => assert!(unfair.is_empty(), "{unfair:?}"),
            told => assert!(unfair.len() == 1 && unfair[0].contains(told), "{log}"),
        }
    }
}

#[test]
fn streams_of_one_caller_leave_connections_to_others() {
    let shared = Shared::with("[limits]\nrate = 0\nconnections = 64\n");
    let (alice, bob) = (shared.alice.as_str(), shared.bob.as_str());
    let session = shared.session(alice);
    let mut held = Vec::new();
    let mut statuses = Vec::new();
    for _ in 0..100 {
        let (stream, status) = shared.opened(alice, "GET", "/mcp", &[("Mcp-Session-Id", &session)]);
        statuses.push(status);
        held.push(stream);
    }
    let open = statuses.iter().filter(|status| **status == 200).count();
    assert!((16..=32).contains(&open), "{statuses:?}");
    assert!(
        statuses.iter().all(|status| matches!(status, 200 | 503)),
        "{statuses:?}"
    );
    // And what says nothing, beyond all that there may be.
    for _ in 0..100 {
        held.push(TcpStream::connect(shared.server.address).unwrap());
        let told = shared.send(bob, "GET", "/calls", &[], b"");
        assert_eq!(told.status, 200, "{}", told.head);
    }
    // Slow bodies are requests under way as well.
    for _ in 0..64 {
        let mut stream = TcpStream::connect(shared.server.address).unwrap();
        let head = format!(
            "POST /tools/kubectl HTTP/1.1\r\nHost: {}\r\nAuthorization: {alice}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{",
            shared.server.address
        );
        let _ = stream.write_all(head.as_bytes());
        held.push(stream);
    }
    for _ in 0..10 {
        assert_eq!(shared.send(bob, "GET", "/calls", &[], b"").status, 200);
    }
    drop(held);
    eventually("what she held is hers again", || {
        let (_, status) = shared.opened(alice, "GET", "/mcp", &[("Mcp-Session-Id", &session)]);
        status == 200
    });
}

/// One connection of HTTP/2 (RFC 9113) with as many requests for streams as are asked for, none of
/// which is read.
pub fn streams_of_one_connection(
    address: SocketAddr,
    who: &str,
    session: &str,
    count: u8,
) -> io::Result<TcpStream> {
    let authority = address.to_string();
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/mcp"),
        (":authority", &authority),
        ("authorization", who),
        ("accept", "text/event-stream"),
        ("mcp-session-id", session),
    ] {
        // A literal without indexing, with a new name (RFC 7541, section 6.2.2).
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    let frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [0, length[0], length[1], kind, flags, 0, 0, 0, stream];
        [&head[..], payload].concat()
    };
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(4, 0, 0, &[]));
    for number in 0..count {
        bytes.extend(frame(1, 5, 2 * number + 1, &block));
    }
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(&bytes)?;
    Ok(stream)
}

#[test]
fn streams_of_http_2_are_counted_as_well() {
    let shared = Shared::with("[limits]\nrate = 0\nconnections = 32\n");
    let session = shared.session(&shared.alice);
    let forty =
        || streams_of_one_connection(shared.server.address, &shared.alice, &session, 40).unwrap();
    let held = [forty(), forty()];
    // Alice has no more than she leaves to others. One that is opened here before the others took its
    // place stays open in their stead.
    let more = RefCell::new(Vec::new());
    eventually("they are open", || {
        let headers = [("Mcp-Session-Id", session.as_str())];
        let (stream, status) = shared.opened(&shared.alice, "GET", "/mcp", &headers);
        more.borrow_mut().push(stream);
        status == 503
    });
    for _ in 0..20 {
        let told = shared.send(&shared.bob, "GET", "/calls", &[], b"");
        assert_eq!(told.status, 200, "{}", told.head);
    }
    drop((held, more));
    eventually("what she held is hers again", || {
        let headers = [("Mcp-Session-Id", session.as_str())];
        shared.opened(&shared.alice, "GET", "/mcp", &headers).1 == 200
    });
}

#[test]
fn bodies_of_one_caller_leave_room_for_others() {
    let shared = Shared::with(NO_RATE);
    let almost = vec![b' '; (1 << 20) - 1];
    let begun: Vec<TcpStream> = (0..40)
        .filter_map(|_| {
            let mut stream = TcpStream::connect(shared.server.address).unwrap();
            let head = format!(
                "POST /tools/kubectl HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                shared.server.address,
                shared.alice,
                1 << 20
            );
            stream.write_all(head.as_bytes()).ok()?;
            let _ = stream.write_all(&almost);
            Some(stream)
        })
        .collect();
    let body = r#"{"command":"version --client"}"#.to_owned() + &" ".repeat(900_000);
    let told = shared.send(&shared.bob, "POST", "/tools/kubectl", &[], body.as_bytes());
    assert_eq!(told.status, 200, "{}", told.json());
    drop(begun);
}

#[test]
fn a_record_of_a_refused_line_is_bounded_and_holds_no_credential() {
    let shared = Shared::with(NO_RATE);
    let elements = format!(
        "config set-credentials x --auth-provider-arg={}a",
        "a,".repeat(4000)
    );
    let told = shared.kubectl(&shared.alice, &elements);
    assert_eq!(
        (told.status, told.text("code").as_str()),
        (422, "invalid_command")
    );
    assert!(
        told.text("reason").contains("more than 128 elements"),
        "{}",
        told.json()
    );
    let jwt = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJNQVJLRVIifQ.c2lnbmF0dXJlLU1BUktFUg";
    let long = "a".repeat(7000);
    for line in [
        "get pods --token=MARKERMARKERMARKER",
        "get pods --tokem MARKERMARKERMARKER",
        "create secret generic db --from-literal=password=MARKERMARKER",
        "create secret docker-registry db --docker-password=MARKERMARKER",
        "set env deploy/web PASSWORD=MARKERMARKER",
        "config set users.me.token MARKERMARKER",
        "patch secret db -p '{\"stringData\":{\"a\":\"MARKERMARKER\"}}'",
        &format!("annotate pod x a={jwt}"),
        &format!("delete pod -l a={long}"),
    ] {
        let told = shared.kubectl(&shared.alice, line);
        assert!(matches!(told.status, 403 | 422), "{line}: {}", told.json());
    }
    let text = fs::read_to_string(&shared.server.audit).unwrap();
    assert!(!text.contains("MARKER") && !text.contains(jwt), "{text}");
    let records = shared.server.records();
    let decisions = records
        .iter()
        .filter(|record| record["event"] == "decision");
    assert_eq!(decisions.count(), 10);
    assert!(text.lines().all(|line| line.len() < 4096));
    let cut = records
        .iter()
        .find(|record| record["argv_rest"].is_object())
        .unwrap();
    assert!(cut["argv_rest"]["bytes"].as_u64().unwrap() > 4000);
}

#[test]
fn refusals_do_not_push_out_what_was_done() {
    let audit = "[audit]\npath = \"FOLDER/audit.jsonl\"\nmax_bytes = \"64KiB\"\nkeep = 1\n";
    let shared = Shared::with(&format!("{NO_RATE}{audit}"));
    let done = shared.tried(&shared.bob, "sleep:0").text("request_id");
    let line = format!("delete pod -l a={}", "a".repeat(7000));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..100).for_each(|_| drop(shared.kubectl(&shared.alice, &line))));
        }
    });
    let file = shared.folder.path().join("audit.jsonl");
    let refusals = shared.folder.path().join("audit.jsonl.refused");
    let evidence = |path: &Path| fs::read_to_string(path).unwrap().matches(&done).count();
    assert_eq!((evidence(&file), evidence(&refusals)), (2, 0));
    assert!(shared.folder.path().join("audit.jsonl.refused.1").exists());
    assert!(shared.server.stop().success());
    for path in [&file, &refusals] {
        let verified = Command::new(program())
            .args(["audit", "verify"])
            .arg(path)
            .output()
            .unwrap();
        let part = Command::new(program())
            .args(["audit", "verify", "--part"])
            .arg(path)
            .output()
            .unwrap();
        let is_whole = verified.status.success() || part.status.success();
        assert!(is_whole, "{}", String::from_utf8_lossy(&verified.stdout));
    }
}

#[test]
fn whoever_fills_the_records_is_slowed_down() {
    let shared = Shared::with("[limits]\nrate = 20\nburst = 100\n");
    let line = format!("delete pod -l a={}", "a".repeat(7000));
    let told = (0..99).map(|_| shared.kubectl(&shared.alice, &line));
    let told: Vec<Reply> = told.collect();
    let slowed = told
        .iter()
        .find(|told| told.status == 429)
        .expect("a bound");
    assert_eq!(slowed.text("code"), "rate_limited");
    assert!(
        slowed.text("reason").contains("records"),
        "{}",
        slowed.json()
    );
    assert_eq!(shared.kubectl(&shared.bob, &line).status, 403);
}

#[test]
fn a_kubeconfig_that_is_expensive_to_refuse_is_refused_cheaply() {
    let shared = Shared::with(NO_RATE);
    let pid = shared.server.pid();
    for text in [
        format!("[{}a]", "a,".repeat(130_000)),
        "[".repeat(260_000),
        format!("{{{}a: b}}", "a: b, ".repeat(43_000)),
    ] {
        let kubeconfig = BASE64_STANDARD.encode(&text);
        let body = json!({ "command": "get pods", "kubeconfig": kubeconfig }).to_string();
        let before = processor_time(pid).0;
        for _ in 0..20 {
            let told = shared.send(
                &shared.alice,
                "POST",
                "/tools/kubectl",
                &[],
                body.as_bytes(),
            );
            assert_eq!(
                (told.status, told.text("code").as_str()),
                (422, "invalid_kubeconfig")
            );
        }
        let each = (processor_time(pid).0 - before) / 20;
        println!("{}…: {each:?}", &text[..8]);
        assert!(
            each < Duration::from_millis(60),
            "{each:?} for {}…",
            &text[..8]
        );
    }
}
