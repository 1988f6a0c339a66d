//! A kubeconfig in a header, as large as one may be, over both versions of HTTP.

use std::{
    fs,
    io::{Cursor, Read, Write},
    net::TcpStream,
};

use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::harness::{Reply, Server, base64_of, cluster, eventually, kubeconfig_of};

const COMMAND: &[u8] = br#"{"command":"get pods"}"#;

/// The cluster's own kubeconfig with a comment that makes it this long, in base64.
fn of_length(bytes: usize) -> String {
    let mut text = fs::read_to_string(&cluster().view)
        .unwrap()
        .trim_end()
        .to_owned()
        + "\n#";
    text += &"x".repeat(bytes - text.len());
    BASE64_STANDARD.encode(text)
}

#[test]
fn the_largest_kubeconfig_fits_into_a_header_and_a_larger_one_is_told_so() {
    let server = Server::start();
    for (version, call) in [
        ("HTTP/1.1", over_http1 as fn(&Server, &str) -> (u16, Value)),
        ("HTTP/2", over_http2),
    ] {
        let (status, answer) = call(&server, &of_length(256 * 1024));
        assert_eq!(
            (status, &answer["success"]),
            (200, &json!(true)),
            "{version}: {answer}"
        );
        let (status, answer) = call(&server, &of_length(256 * 1024 + 1));
        assert_eq!(
            (status, &answer["code"]),
            (422, &json!("invalid_kubeconfig")),
            "{version}: {answer}"
        );
        assert!(
            answer["reason"]
                .as_str()
                .unwrap()
                .contains("at most 262144"),
            "{version}: {answer}"
        );
        // Below what any header may have, 512 KiB, and above.
        let (status, answer) = call(&server, &"A".repeat(500 * 1024));
        assert_eq!(
            (status, &answer["code"]),
            (422, &json!("invalid_kubeconfig")),
            "{version}: {answer}"
        );
        let (status, answer) = call(&server, &"A".repeat(520 * 1024));
        assert_eq!((status, &answer), (431, &Value::Null), "{version}");
    }
    assert_eq!(server.get("/health").status, 200);
}

fn over_http1(server: &Server, kubeconfig: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(server.address).unwrap();
    let head = format!(
        "POST /tools/kubectl HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\nX-Kubeconfig: {kubeconfig}\r\n\r\n",
        server.address,
        COMMAND.len()
    );
    // The server may answer, and stop reading, before it has all of it.
    let _ = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(COMMAND));
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let reply = Reply::parse(&answer);
    (
        reply.status,
        serde_json::from_slice(&reply.body).unwrap_or_default(),
    )
}

/// With prior knowledge: no TLS, no upgrade.
pub fn over_http2(server: &Server, kubeconfig: &str) -> (u16, Value) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(server.address)
            .await
            .unwrap();
        let (client, connection) = h2::client::Builder::new()
            .handshake::<_, Cursor<&'static [u8]>>(stream)
            .await
            .unwrap();
        tokio::spawn(connection);
        let mut client = client.ready().await.unwrap();
        let request = http::Request::post(format!("http://{}/tools/kubectl", server.address))
            .header("content-type", "application/json")
            .header("x-kubeconfig", kubeconfig)
            .body(())
            .unwrap();
        let (response, mut body) = client.send_request(request, false).unwrap();
        let _ = body.send_data(Cursor::new(COMMAND), true); // a refused stream is closed already
        let mut response = response.await.unwrap();
        let mut answer = Vec::new();
        while let Some(chunk) = response.body_mut().data().await {
            let chunk = chunk.unwrap();
            let _ = response
                .body_mut()
                .flow_control()
                .release_capacity(chunk.len());
            answer.extend_from_slice(&chunk);
        }
        (
            response.status().as_u16(),
            serde_json::from_slice(&answer).unwrap_or_default(),
        )
    })
}

#[test]
fn the_header_wins_and_a_body_that_differs_is_recorded() {
    let server = Server::start();
    let (good, other) = (
        base64_of(&cluster().view),
        kubeconfig_of("https://169.254.169.254"),
    );
    let respelt = BASE64_URL_SAFE_NO_PAD.encode(BASE64_STANDARD.decode(&good).unwrap());
    for (header, body, status, conflict) in [
        (&good, &other, 200, true),
        (&other, &good, 403, true),
        (&good, &good, 200, false),
        (&good, &respelt, 200, false),
    ] {
        let headers = [
            ("Content-Type", "application/json"),
            ("X-Kubeconfig", header.as_str()),
        ];
        let arguments = json!({ "command": "get pods", "kubeconfig": body }).to_string();
        let reply = server.send("POST", "/tools/kubectl", &headers, arguments.as_bytes());
        assert_eq!(reply.status, status, "{}", reply.json());
        let id = reply.text("request_id");
        let decision = || {
            server.records().into_iter().find(|record| {
                record["event"] == "decision" && record["request_id"].as_str() == Some(id.as_str())
            })
        };
        eventually("it is recorded", || decision().is_some());
        assert_eq!(decision().unwrap()["kubeconfig_conflict"] == true, conflict);
    }
    let twice = [
        ("Content-Type", "application/json"),
        ("X-Kubeconfig", good.as_str()),
        ("X-Kubeconfig", other.as_str()),
    ];
    assert_eq!(
        server
            .send("POST", "/tools/kubectl", &twice, COMMAND)
            .status,
        403
    );
}
