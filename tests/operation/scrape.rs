//! Scrapers and probes know a server by its address alone.

use std::{
    env,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::Command,
    time::Duration,
};

use crate::{
    harness::{Reply, Server, is_root, program, public_tools},
    settings::Settings,
};

/// `GET path` with this `Host`, as a pod's probe sends it, and an `Origin` if there is one.
fn get_as(address: SocketAddr, host: &str, path: &str, more: &str) -> Reply {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    Reply::parse(&bytes)
}

#[test]
fn a_scraper_reads_metrics_and_probes_by_the_address_of_the_pod() {
    let settings = Settings::of("");
    let server = settings.serve(&[]);
    for host in ["10.0.0.5:9096", "[fd00::5]:9096", "kube-airlock.internal"] {
        for path in ["/metrics", "/health", "/ready"] {
            let reply = get_as(server.address, host, path, "");
            assert_eq!(reply.status, 200, "{host} {path}: {}", reply.head);
        }
        for path in ["/calls", "/tools/status", "/mcp", "/metrics/"] {
            let reply = get_as(server.address, host, path, "");
            assert_eq!(
                (reply.status, reply.text("code").as_str()),
                (403, "forbidden_host"),
                "{host} {path}"
            );
        }
    }
    // A page of another origin reads nothing.
    let reply = get_as(
        server.address,
        "10.0.0.5:9096",
        "/metrics",
        "Origin: http://evil.example\r\n",
    );
    assert_eq!(reply.status, 403);
    let reply = server.send("POST", "/ready", &[("Host", "10.0.0.5")], b"");
    assert_eq!(reply.status, 403, "twice a Host, and no probe");
}

#[test]
fn metrics_have_an_address_of_their_own_where_no_call_is_taken() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = free.local_addr().unwrap();
    drop(free);
    let settings = Settings::of(&format!("[metrics]\nlisten = \"{own}\"\n"));
    let server = settings.serve(&[]);
    for path in ["/metrics", "/health", "/ready"] {
        assert_eq!(get_as(own, "10.0.0.5:9097", path, "").status, 200, "{path}");
    }
    for path in ["/calls", "/tools/status", "/mcp", "/docs"] {
        assert_eq!(get_as(own, "localhost", path, "").status, 404, "{path}");
    }
    assert_eq!(server.get("/metrics").status, 404);
    assert_eq!(server.get("/ready").status, 200);
}

#[test]
fn a_host_that_matches_nothing_is_refused_at_start_with_what_to_do() {
    for (host, told) in [
        ("*", "would let every name in"),
        ("*.example.com", "would let every name in"),
        ("10.0.0.0/8", "is a range of addresses"),
        ("https://airlock.example", "is a URL"),
        ("airlock.example:443", "has a port"),
    ] {
        let output = Command::new(program())
            .args(["serve", "--listen", "127.0.0.1:0", "--allowed-host", host])
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && error.contains(told),
            "{host}: {error}"
        );
    }
}

/// Debian's Prometheus; none where `tools/test` has said that it cannot be had.
fn prometheus() -> Option<PathBuf> {
    let folder = env::var_os("AIRLOCK_TEST_PROMETHEUS").expect(
        "AIRLOCK_TEST_PROMETHEUS is not set: run `make test`, or set it to `tools/linter prometheus`, or to `none`",
    );
    (folder != "none").then(|| PathBuf::from(folder))
}

#[test]
fn prometheus_scrapes_the_server_by_another_address_in_a_network_of_its_own() {
    let Some(prometheus) = prometheus() else {
        return;
    };
    assert!(is_root(), "a network namespace needs root");
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o1777),
    )
    .unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/operation/scrape.sh");
    let output = Command::new("timeout")
        .args([
            "120",
            "unshare",
            "--net",
            "--pid",
            "--fork",
            "--kill-child",
            "bash",
            script,
        ])
        .args([
            program(),
            public_tools(),
            prometheus.as_path(),
            folder.path(),
        ])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{told}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for target in ["10.0.0.5:9096", "10.0.0.5:9197"] {
        assert!(
            told.contains(&format!(
                r#"up{{instance="{target}", job="airlock"}} => 1 @"#
            )),
            "{told}"
        );
    }
    // A counter that nothing has counted yet has a rate.
    assert!(
        told.contains(r#"{code="unauthenticated"} => 0 @"#),
        "{told}"
    );
}

#[test]
fn promtool_finds_nothing_wrong_with_the_metrics_and_the_alerts_fire_when_they_should() {
    let Some(prometheus) = prometheus() else {
        return;
    };
    let promtool = |arguments: &[&str], input: &[u8]| {
        let mut child = Command::new(prometheus.join("promtool"))
            .args(arguments)
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy"))
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(input); // not every command reads it
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{arguments:?}: {told}");
        told
    };
    let settings = Settings::of("");
    let server: Server = settings.serve(&[]);
    let metrics = server.get("/metrics").body;
    assert_eq!(promtool(&["check", "metrics"], &metrics), "");
    promtool(&["check", "rules", "alerts.yaml"], b"");
    promtool(&["test", "rules", "alerts_test.yaml"], b"");
    // Each series that an alert looks at is one that the server has from the start.
    let text = String::from_utf8(metrics).unwrap();
    let rules = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/alerts.yaml"));
    let rules = rules.unwrap();
    let names: Vec<&str> = rules
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("airlock_"))
        .collect();
    assert!(names.len() > 5, "{names:?}");
    for name in names {
        assert!(text.contains(&format!("\n{name}")), "{name}");
    }
}
