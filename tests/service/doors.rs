//! Refusals of requests that never become a call: the same answer at every door.

use serde_json::json;

use crate::harness::{Server, tools};

#[test]
fn a_refusal_has_the_same_shape_wherever_it_comes_from() {
    let server = Server::starting(&["--tools-dir", tools().to_str().unwrap()], None);
    let json = ("Content-Type", "application/json");
    let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "protocolVersion": "2025-11-25",
        "capabilities": {}, "clientInfo": { "name": "x".repeat(20_000), "version": "1" } } });
    let hello = hello.to_string();
    for (method, path, headers, body, status, code) in [
        (
            "GET",
            "/health",
            vec![("Host", "evil.example")],
            &b""[..],
            403,
            "forbidden_host",
        ),
        (
            "GET",
            "/health",
            vec![("Origin", "http://evil.example")],
            b"",
            403,
            "forbidden_host",
        ),
        (
            "POST",
            "/mcp",
            vec![json, ("Origin", "null")],
            b"{}",
            403,
            "forbidden_host",
        ),
        (
            "POST",
            "/tools/kubectl",
            vec![json, ("X-Kubeconfig", "a"), ("X-Kubeconfig", "b")],
            b"{}",
            403,
            "forbidden_host",
        ),
        ("GET", "/nowhere", vec![], b"", 404, "not_found"),
        (
            "POST",
            "/tools/%FF",
            vec![json],
            b"{}",
            400,
            "invalid_request",
        ),
        ("DELETE", "/calls/%FF", vec![], b"", 404, "unknown_call"),
        (
            "GET",
            "/tools/kubectl",
            vec![],
            b"",
            405,
            "method_not_allowed",
        ),
        (
            "POST",
            "/tools/status",
            vec![json],
            b"{}",
            405,
            "method_not_allowed",
        ),
        (
            "POST",
            "/health",
            vec![json],
            b"{}",
            405,
            "method_not_allowed",
        ),
        (
            "POST",
            "/mcp",
            vec![json],
            hello.as_bytes(),
            413,
            "request_too_large",
        ),
    ] {
        let reply = server.send(method, path, &headers, body);
        let shown = format!("{method} {path}: {}\n{}", reply.head, reply.json());
        assert_eq!(
            (reply.status, reply.text("code").as_str()),
            (status, code),
            "{shown}"
        );
        let answer = reply.answer();
        assert_eq!(
            (&answer["success"], &answer["output"], &answer["exit_code"]),
            (&json!(false), &json!(""), &json!(-1)),
            "{shown}"
        );
        assert_eq!(answer["error"], answer["reason"], "{shown}");
        assert!(
            !reply.text("reason").is_empty() && !reply.text("hint").is_empty(),
            "{shown}"
        );
        assert_eq!(reply.text("request_id").len(), 32, "{shown}");
        let head = reply.head.to_ascii_lowercase();
        assert!(head.contains("content-type: application/json"), "{shown}");
        assert_eq!(head.contains("\nallow: "), status == 405, "{shown}");
        if path == "/mcp" {
            continue;
        }
        let asking = [
            &headers[..],
            &[("Accept", "application/json, application/problem+json")],
        ];
        let problem = server.send(method, path, &asking.concat(), body);
        let head = problem.head.to_ascii_lowercase();
        assert!(
            head.contains("content-type: application/problem+json"),
            "{head}"
        );
        let problem = problem.json();
        assert_eq!(
            (
                &problem["type"],
                &problem["status"],
                &problem["detail"],
                &problem["code"]
            ),
            (
                &json!("about:blank"),
                &json!(status),
                &answer["reason"],
                &json!(code)
            ),
            "{problem}"
        );
        assert!(
            problem["title"]
                .as_str()
                .is_some_and(|title| !title.is_empty()),
            "{problem}"
        );
    }
    let metrics = String::from_utf8(server.get("/metrics").body).unwrap();
    for counted in [
        r#"airlock_refusals_total{code="forbidden_host"} 7"#,
        r#"airlock_refusals_total{code="method_not_allowed"} 6"#,
        r#"airlock_refusals_total{code="not_found"} 2"#,
    ] {
        assert!(metrics.contains(counted), "{counted}\n{metrics}");
    }
}
