//! Connections of real tools, and of real tools to servers that mean them ill.

use std::{
    fs, io,
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crate::harness::{Relay, Server, cluster, eventually, tools};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ServerConfig, ServerConnection, StreamOwned, pki_types::PrivateKeyDer};

/// A server that takes the demo cluster at the relay's address.
fn server(relay: SocketAddr, policy: Option<&str>) -> (Server, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("airlock.toml");
    // Each tool speaks to its server itself.
    let mut text = String::from(
        "[kubeconfig]\nallow_tls_server_name = true\n[api]\nkubectl = \"off\"\nhelm = \"off\"\nistioctl = \"off\"\n",
    );
    if let Some(policy) = policy {
        let path = folder.path().join("policy.toml");
        fs::write(&path, policy).unwrap();
        text = format!("policy = [{path:?}]\n{text}");
    }
    fs::write(&config, text).unwrap();
    std::fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let (tools, relay) = (tools(), relay.to_string());
    let flags = [
        "--tools-dir",
        tools.to_str().unwrap(),
        "--egress-allow",
        &relay,
        "--config",
        config.to_str().unwrap(),
    ];
    (Server::with(&flags, None), folder)
}

const EVERYTHING: &str = r#"schema = 1
[[rule]]
id = "kubectl"
effect = "allow"
reason = "this test"
tool = "kubectl"
verbs = ["get", "describe", "logs", "exec", "top pod", "rollout status", "api-resources", "version", "wait", "create configmap", "delete"]
flags = ["@plain", "--all-namespaces", "--tail", "--timeout"]
after_dash = true
[[rule]]
id = "helm"
effect = "allow"
reason = "this test"
tool = "helm"
verbs = ["list"]
flags = ["@plain", "--all-namespaces"]
[[rule]]
id = "istioctl"
effect = "allow"
reason = "this test"
tool = "istioctl"
verbs = ["analyze"]
flags = ["@plain", "--all-namespaces"]
"#;

#[test]
fn the_tools_reach_their_cluster_through_the_tunnel() {
    let relay = Relay::to(cluster().server);
    let (server, _folder) = server(relay.address, Some(EVERYTHING));
    let kubeconfig = BASE64_STANDARD.encode(cluster().admin_at(relay.address));
    for (tool, command, expected) in [
        ("kubectl", "get pods -A", "web-0"),
        ("kubectl", "describe pod web-0", "Node:"),
        ("kubectl", "logs web-0 --tail=2", "GET"),
        (
            "kubectl",
            "exec web-0 -- echo through-the-tunnel",
            "through-the-tunnel",
        ),
        ("kubectl", "rollout status statefulset/web --timeout=5s", ""),
        ("kubectl", "create configmap airlock-tunnel", "created"),
        ("kubectl", "delete configmap airlock-tunnel", "deleted"),
        ("helm", "list -A", "NAME"),
        ("istioctl", "analyze -A", ""),
    ] {
        let reply = super::run(&server, tool, command, &kubeconfig);
        assert_eq!(
            (reply.status, reply.json()["success"].as_bool()),
            (200, Some(true)),
            "{tool} {command}: {}",
            reply.json()
        );
        assert!(
            reply.text("output").contains(expected),
            "{tool} {command}: {}",
            reply.text("output")
        );
    }
    assert!(relay.connections() >= 9, "every answer came over the relay");
}

/// What a hostile server sends, once it has read a request.
type Answer = fn(&mut dyn Write, other: SocketAddr) -> io::Result<()>;

/// An API server that answers everything alike. The kubeconfig trusts its certificate.
fn hostile(answer: Answer, other: SocketAddr) -> String {
    api_server(move |_, out| answer(out, other))
}

/// An API server that answers each request, of which it is given the head, by this function. The
/// kubeconfig trusts its certificate.
pub fn api_server(
    answer: impl Fn(&str, &mut dyn Write) -> io::Result<()> + Send + Sync + 'static,
) -> String {
    let answer = Arc::new(answer);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
    let config = Arc::new(config);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let session = ServerConnection::new(Arc::clone(&config)).unwrap();
            let answer = Arc::clone(&answer);
            thread::spawn(move || {
                let mut stream = StreamOwned::new(session, stream);
                let mut request = Vec::new();
                let mut byte = [0];
                while !request.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                    request.extend(byte);
                }
                let request = String::from_utf8_lossy(&request);
                let _ = answer(&request, &mut stream); // until the client has had enough
            });
        }
    });
    let text = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "c", "cluster": {
            "server": format!("https://{address}"),
            "certificate-authority-data": BASE64_STANDARD.encode(cert.pem()),
        }}],
        "users": [{"name": "u", "user": {"token": "airlock-hostile-token"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
    });
    BASE64_STANDARD.encode(text.to_string())
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

const HOSTILE: [(&str, Answer); 9] = [
    ("redirects to another server", |out, other| {
        write!(
            out,
            "HTTP/1.1 307 X\r\nLocation: https://{other}/\r\nContent-Length: 0\r\n\r\n"
        )
    }),
    ("redirects to metadata", |out, _| {
        write!(
            out,
            "HTTP/1.1 302 X\r\nLocation: http://169.254.169.254/latest/meta-data\r\nContent-Length: 0\r\n\r\n"
        )
    }),
    ("redirects to a name", |out, _| {
        write!(
            out,
            "HTTP/1.1 301 X\r\nLocation: http://metadata.google.internal/\r\nContent-Length: 0\r\n\r\n"
        )
    }),
    ("never ends its body", |out, _| {
        write!(
            out,
            "{HEAD}\r\n{{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"items\":["
        )?;
        loop {
            out.write_all(&[b' '; 16 * 1024])?;
        }
    }),
    ("sends a byte a second", |out, _| {
        write!(out, "{HEAD}Content-Length: 1000\r\n\r\n")?;
        loop {
            out.write_all(b" ")?;
            out.flush()?;
            thread::sleep(Duration::from_secs(1));
        }
    }),
    ("never ends its headers", |out, _| {
        write!(out, "{HEAD}")?;
        loop {
            write!(out, "X-{}: {}\r\n", "a".repeat(100), "b".repeat(8000))?;
        }
    }),
    ("sends a compressed bomb", |out, _| {
        write!(out, "{HEAD}Content-Encoding: gzip\r\n\r\n")?;
        // A gzip header and one stored block of deflate after the other: what ends the child is not
        // their ratio.
        out.write_all(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3])?;
        let mut block = vec![0, 0xff, 0xff, 0, 0];
        block.extend([b' '; 65_535]);
        loop {
            out.write_all(&block)?;
        }
    }),
    ("sends malformed chunks", |out, _| {
        write!(
            out,
            "{HEAD}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\nx\r\n-5\r\n"
        )
    }),
    ("closes at once", |_, _| Ok(())),
];

#[test]
fn a_hostile_server_gains_nothing() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    other.set_nonblocking(true).unwrap();
    let server = Server::with(
        &[
            "--tools-dir",
            tools().to_str().unwrap(),
            "--egress-allow",
            "127.0.0.1",
        ],
        None,
    );
    thread::scope(|scope| {
        for (what, answer) in HOSTILE {
            let (server, other) = (&server, other.local_addr().unwrap());
            scope.spawn(move || {
                let kubeconfig = hostile(answer, other);
                let body = serde_json::json!({"command": "get pods -o json", "kubeconfig": kubeconfig, "timeout": "4s"});
                let started = Instant::now();
                let reply = server.send("POST", "/tools/kubectl", &[("Content-Type", "application/json")], body.to_string().as_bytes());
                let told = reply.json();
                assert_eq!(told["success"].as_bool(), Some(false), "{what}: {told}");
                assert!(started.elapsed() < Duration::from_secs(20), "{what}: its deadline was 4 s, and it took {:?}", started.elapsed());
                assert!(!told.to_string().contains("airlock-hostile-token"), "{what}: {told}");
            });
        }
    });
    assert!(other.accept().is_err(), "nobody followed a redirect");
    eventually("nothing is left", || {
        server.children().is_empty() && server.workspaces().is_empty()
    });
    assert_eq!(server.kubectl("version --client", "").status, 200);
}
