//! The records as an operator finds them: a chain that goes on, and what happens when nothing can
//! be written.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::harness::{
    Server, base64_of, cluster, descendants, eventually, kubeconfig_of, program, tools,
};

fn verify(arguments: &[&str]) -> (i32, Value) {
    let output: Output = Command::new(program())
        .args(["audit", "verify", "--json"])
        .args(arguments)
        .output()
        .unwrap();
    let found = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap(), found)
}

fn flags<'a>(tools: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    [
        &[
            "--tools-dir",
            tools.to_str().unwrap(),
            "--egress-allow",
            "127.0.0.1",
        ],
        more,
    ]
    .concat()
}

fn records(file: &Path) -> Vec<Value> {
    fs::read_to_string(file)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A folder that every user of a server may write to.
fn open_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o1777),
    )
    .unwrap();
    folder
}

#[test]
fn a_record_says_who_asked_what_and_how_it_went() {
    let server = Server::start();
    let kubeconfig = base64_of(&cluster().view);
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Kubeconfig", &kubeconfig),
        ("User-Agent", "my-agent/1.0 \u{202e}x"),
    ];
    let reply = server.send(
        "POST",
        "/tools/kubectl",
        &headers,
        br#"{"command":"get pods -A"}"#,
    );
    assert_eq!(reply.status, 200);
    let id = reply.text("request_id");
    let of = |event: &str| {
        server
            .records()
            .into_iter()
            .find(|record| record["event"] == event && record["request_id"] == *id)
    };
    eventually("the end is recorded", || of("end").is_some());
    let (decision, end) = (of("decision").unwrap(), of("end").unwrap());
    assert_eq!(
        (decision["principal"].as_str(), decision["door"].as_str()),
        (Some("anonymous"), Some("rest"))
    );
    assert!(
        decision["client"]
            .as_str()
            .is_some_and(|client| client.is_ascii()),
        "{decision}"
    );
    assert!(
        decision["rule_at"]
            .as_str()
            .unwrap()
            .starts_with("reading.toml:"), // the included file has the rule
        "{decision}"
    );
    for time in ["duration_ms", "queue_ms", "spawn_ms", "child_ms"] {
        assert!(end[time].is_u64(), "{time}: {end}");
    }
    let layers: Vec<&str> = end["layers"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(
        layers.contains(&"seccomp")
            && layers.contains(&"egress")
            && layers.contains(&"landlock-fs"),
        "{end}"
    );

    // What an MCP client calls itself wins over what carries it.
    let hello = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "test-client", "version": "7" } });
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "kubectl", "arguments": { "command": "delete pod web-0" }, "_meta": hello } });
    let headers = [
        ("Content-Type", "application/json"),
        ("Accept", "application/json"),
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", "kubectl"),
        ("User-Agent", "node"),
    ];
    let reply = server.send("POST", "/mcp", &headers, call.to_string().as_bytes());
    assert_eq!(
        reply.status,
        200,
        "{}",
        String::from_utf8_lossy(&reply.body)
    );
    let record = server
        .records()
        .into_iter()
        .find(|record| record["door"] == "mcp")
        .unwrap();
    assert_eq!(
        (record["client"].as_str(), record["effect"].as_str()),
        (Some("test-client 7"), Some("deny")),
        "{record}"
    );

    let audit = server.audit.clone();
    assert!(server.stop().success());
    let (status, found) = verify(&[audit.to_str().unwrap()]);
    assert_eq!(
        (
            status,
            found["last"]["event"].as_str(),
            found["open_calls"].as_u64()
        ),
        (0, Some("stop"), Some(0)),
        "{found}"
    );
}

#[test]
fn a_chain_goes_on_over_files_and_restarts_and_a_change_is_found() {
    let folder = open_folder();
    let (file, config, key) = (
        folder.path().join("audit.jsonl"),
        folder.path().join("airlock.toml"),
        folder.path().join("key"),
    );
    fs::write(&key, "0123456789abcdef0123456789abcdef\n").unwrap();
    fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    let settings = format!(
        "[audit]\npath = \"{}\"\nmax_bytes = \"64KiB\"\nkeep = 20\nkey_file = \"key\"\nfsync = true\n",
        file.display()
    );
    fs::write(&config, settings).unwrap();
    // What is refused has files of its own.
    let file = folder.path().join("audit.jsonl.refused");
    let tools = tools();
    let all = flags(&tools, &["--config", config.to_str().unwrap()]);
    for run in 0..2 {
        let server = Server::with(&all, None);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    (0..60).for_each(|_| {
                        assert_eq!(
                            server
                                .kubectl("delete pod x", &kubeconfig_of("https://127.0.0.1:9"))
                                .status,
                            403
                        )
                    })
                });
            }
        });
        if run == 0 {
            assert!(server.stop().success());
        } else {
            // A crash, and with it the lock on the file.
            let mut server = server;
            let spawner = descendants(server.pid());
            server.child.kill().unwrap();
            server.child.wait().unwrap();
            eventually("the spawner is gone", || {
                spawner
                    .iter()
                    .all(|pid| !Path::new(&format!("/proc/{pid}")).exists())
            });
        }
    }
    fs::OpenOptions::new()
        .append(true)
        .open(&file)
        .unwrap()
        .write_all(b"{\"seq\":99,\"prev\":\"00")
        .unwrap();
    drop(Server::with(&all, None));
    let (name, key) = (file.to_str().unwrap(), key.to_str().unwrap());
    let (status, found) = verify(&["--key-file", key, name]);
    assert_eq!(
        (status, found["chains"].as_u64(), found["first"].as_u64()),
        (0, Some(1), Some(1)),
        "{found}"
    );
    assert!(
        found["records"].as_u64().unwrap() >= 483 && found["repaired_bytes"] == 20,
        "{found}"
    );
    let last = found["last"]["hash"].as_str().unwrap();
    assert_eq!(
        verify(&["--key-file", key, "--expect-last", last, name]).0,
        0
    );
    assert_eq!(
        verify(&[name]).1["broken"][0]["why"],
        "changed",
        "without the key"
    );
    let starts: Vec<Value> = (0..20)
        .map(|number| {
            if number == 0 {
                file.clone()
            } else {
                PathBuf::from(format!("{name}.{number}"))
            }
        })
        .filter(|path| path.exists())
        .flat_map(|path| records(&path))
        .filter(|record| record["event"] == "start")
        .collect();
    assert_eq!(starts.len(), 3);
    assert!(
        starts.iter().all(|start| start["policy"][0]["sha256"]
            .as_str()
            .is_some_and(|digest| digest.len() == 64)),
        "{starts:?}"
    );

    let rotated = format!("{name}.1");
    let text = fs::read_to_string(&rotated).unwrap();
    assert!(
        text.lines().count() > 20 && text.lines().next().unwrap().contains(r#""event":"file""#)
    );
    let with = |changed: String| {
        fs::write(&rotated, changed).unwrap();
        let (status, found) = verify(&["--key-file", key, name]);
        assert_eq!(status, 1, "{found}");
        (
            found["broken"][0]["line"].as_u64().unwrap(),
            found["broken"][0]["why"].as_str().unwrap().to_owned(),
        )
    };
    let lines: Vec<&str> = text.lines().collect();
    let joined = |lines: &[&str]| lines.join("\n") + "\n";
    assert_eq!(
        with(text.replacen("delete", "deleto", 3)),
        (2, "changed".into())
    );
    assert_eq!(
        with(joined(&[&lines[..5], &lines[6..]].concat())),
        (6, "missing".into())
    );
    assert_eq!(with(joined(&lines[3..])), (1, "missing".into()));
    fs::remove_file(&rotated).unwrap();
    let (status, found) = verify(&["--key-file", key, name]);
    assert_eq!(
        (
            status,
            found["broken"][0]["file"].as_str(),
            found["broken"][0]["why"].as_str()
        ),
        (1, Some(name), Some("missing")),
        "{found}"
    );
}

/// A server whose audit file lies in a file system of its own with so much room, and where that is.
fn with_little_room(size: &str) -> (Server, tempfile::TempDir, PathBuf) {
    let folder = open_folder();
    let mount = format!(
        "mount -t tmpfs -o size={size},mode=0777 tmpfs {} && exec \"$@\"",
        folder.path().display()
    );
    let mut launcher = Command::new("unshare");
    launcher.args(["--mount", "sh", "-c", &mount, "sh"]);
    let tools = tools();
    let file = folder.path().join("audit.jsonl");
    let more = [
        "--audit-file",
        file.to_str().unwrap(),
        "--egress-allow",
        &cluster().server.to_string(),
    ];
    let server = Server::behind(launcher, &flags(&tools, &more));
    let seen = PathBuf::from(format!(
        "/proc/{}/root{}",
        server.pid(),
        folder.path().display()
    ));
    (server, folder, seen)
}

#[test]
fn a_full_disk_refuses_calls_and_recovers_by_itself() {
    let (server, _folder, seen) = with_little_room("256k");
    let kubeconfig = base64_of(&cluster().view);
    // A call runs while the disk fills up; its end is owed.
    let body = br#"{"command":"wait --for=delete pod/web-0 --timeout=3s"}"#;
    let running = server.open(
        "POST",
        "/tools/kubectl",
        &[
            ("Content-Type", "application/json"),
            ("X-Kubeconfig", &kubeconfig),
        ],
        body,
    );
    eventually("it runs", || server.children().len() == 1);
    let filler = seen.join("filler");
    let _ = fs::write(&filler, vec![0; 512 << 10]); // as much as fits
    let mut refused = 0;
    for _ in 0..40 {
        let reply = server.kubectl("get pods -A", &kubeconfig);
        if reply.status != 200 {
            assert_eq!(
                (reply.status, reply.text("code")),
                (500, "internal".into()),
                "{}",
                reply.json()
            );
            assert!(
                reply.text("reason").contains("could not be recorded"),
                "{}",
                reply.json()
            );
            refused += 1;
        }
        if refused >= 3 {
            break;
        }
    }
    assert_eq!(refused, 3);
    eventually("the call ends", || server.children().is_empty());
    assert!(
        String::from_utf8(server.get("/metrics").body)
            .unwrap()
            .contains(r#"airlock_audit_failures_total{event="decision",error="full"}"#)
    );
    fs::remove_file(&filler).unwrap();
    drop(running);
    let ends = || {
        records(&seen.join("audit.jsonl"))
            .iter()
            .filter(|record| record["event"] == "gap")
            .count()
    };
    eventually("the gap is recorded, and nobody had to ask", || ends() >= 1);
    assert_eq!(server.kubectl("get pods -A", &kubeconfig).status, 200);
    let copy = tempfile::NamedTempFile::new().unwrap();
    eventually("every end is recorded", || {
        fs::copy(seen.join("audit.jsonl"), copy.path()).unwrap();
        let (status, found) = verify(&[copy.path().to_str().unwrap()]);
        assert_eq!(status, 0, "{found}");
        found["open_calls"] == 0 && found["unrecorded_calls"].as_u64() >= Some(3)
    });
}

#[test]
fn a_reader_that_stalls_has_calls_refused_and_loses_nothing() {
    let tools = tools();
    let work = open_folder();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut command = Command::new(program());
    command
        .args(["serve", "--listen", &port.to_string(), "--work-dir"])
        .arg(work.path())
        .args(flags(&tools, &[]));
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut child = command
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log.reopen().unwrap())
        .spawn()
        .unwrap();
    let mut reader = child.stdout.take().unwrap();
    let server = Server {
        address: port,
        work,
        child,
        audit: PathBuf::new(),
        log: log.path().to_owned(),
    };
    eventually("it answers", || std::net::TcpStream::connect(port).is_ok());
    // A pipe has 64 KiB, and nobody reads it.
    let kubeconfig = kubeconfig_of("https://127.0.0.1:9");
    let started = Instant::now();
    let refused = loop {
        let reply = server.kubectl("delete pod x", &kubeconfig);
        if reply.status == 500 {
            break reply;
        }
        assert!(started.elapsed() < Duration::from_secs(60));
    };
    assert!(
        refused.text("reason").contains("could not be recorded"),
        "{}",
        refused.json()
    );
    let asked = Instant::now();
    assert_eq!(server.kubectl("delete pod x", &kubeconfig).status, 500);
    assert!(
        asked.elapsed() < Duration::from_secs(4),
        "the next one does not wait for five seconds"
    );
    assert_eq!(server.get("/health").status, 200);
    let reading = thread::spawn(move || {
        let mut text = Vec::new();
        std::io::Read::read_to_end(&mut reader, &mut text).unwrap();
        text
    });
    eventually("calls are answered again", || {
        server.kubectl("delete pod x", &kubeconfig).status != 500
    });
    assert!(server.stop().success());
    let copy = tempfile::NamedTempFile::new().unwrap();
    fs::write(copy.path(), reading.join().unwrap()).unwrap();
    let (status, found) = verify(&[copy.path().to_str().unwrap()]);
    assert_eq!(
        (status, found["last"]["event"].as_str()),
        (0, Some("stop")),
        "{found}"
    );
    assert!(found["unrecorded_calls"].as_u64() >= Some(2), "{found}");
}

#[test]
fn a_line_of_a_call_names_it_and_the_mcp_library_stays_silent() {
    let server = Server::with_log("warn,kube_airlock::gate=debug", &flags(&tools(), &[]));
    let id = server
        .kubectl("delete pod x", &kubeconfig_of("https://127.0.0.1:9"))
        .text("request_id");
    let log = fs::read_to_string(&server.log).unwrap();
    let line = log
        .lines()
        .find(|line| line.contains("decided"))
        .unwrap_or_else(|| panic!("{log}"));
    assert!(
        line.contains(&format!(
            "call{{request_id=\"{id}\" tool=kubectl door=\"rest\"}}"
        )) && line.contains("policy_denied"),
        "{line}"
    );
    assert!(!log.contains("listening"), "levels are by module: {log}");
    let refused = Command::new(program())
        .arg("serve")
        .env("AIRLOCK_LOG", "warn,rmcp::service=debug")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && told.contains("stays silent"),
        "{told}"
    );
}

#[test]
fn metrics_tell_what_happened_in_few_words() {
    let server = Server::start();
    let kubeconfig = base64_of(&cluster().view);
    assert_eq!(server.kubectl("get pods -A", &kubeconfig).status, 200);
    assert_eq!(server.kubectl("delete pod web-0", &kubeconfig).status, 403);
    assert_eq!(
        server.kubectl("get --no-such-flag-7", &kubeconfig).status,
        422
    );
    assert_eq!(
        server
            .kubectl("get pods", &kubeconfig_of("https://169.254.169.254"))
            .status,
        403
    );
    assert_eq!(server.send("POST", "/tools/nothing", &[], b"").status, 404);
    let told = || String::from_utf8(server.get("/metrics").body).unwrap();
    let lines = [
        r#"airlock_decisions_total{tool="kubectl",class="read",effect="allow"} 1"#,
        r#"airlock_decisions_total{tool="kubectl",class="destructive",effect="deny"} 1"#,
        r#"airlock_decisions_total{tool="kubectl",class="unknown",effect="deny"} 1"#,
        r#"airlock_refusals_total{code="policy_denied"} 1"#,
        r#"airlock_refusals_total{code="unknown_tool"} 1"#,
        r#"airlock_egress_refusals_total{of="request"} 1"#,
        r#"airlock_calls_total{tool="kubectl",door="rest",outcome="ran"} 1"#,
        r#"airlock_audit_records_total{event="start"} 1"#,
        r#"airlock_build_info{version="#,
        "airlock_running 0\n", // it ran, and has ended
        r#"airlock_queue_seconds_count{tool="kubectl"} 1"#,
        r#"airlock_spawn_seconds_count{tool="kubectl"} 1"#,
        r#"airlock_child_seconds_count{tool="kubectl"} 1"#,
        r#"airlock_parse_seconds_count{tool="kubectl"} 3"#,
        r#"airlock_policy_seconds_count{tool="kubectl"} 3"#,
    ];
    let told = told();
    for line in lines {
        assert!(told.contains(line), "{line} is not in:\n{told}");
    }
    assert!(
        !told.contains("no-such-flag") && !told.contains("web-0") && !told.contains("principal="),
        "{told}"
    );
}
