//! What a client reads of the server by URIs, and what it is offered while somebody writes.

use serde_json::{Value, json};

use crate::{
    callers::token,
    harness::Server,
    mcp::{ask, call_tool},
    tokens::server,
};

fn read(server: &Server, uri: &str, headers: &[(&str, &str)]) -> String {
    let read = ask(server, "resources/read", json!({ "uri": uri }), headers);
    assert_eq!(read["contents"][0]["uri"], uri, "{read}");
    assert_eq!(read["cacheScope"], "private", "{read}");
    read["contents"][0]["text"].as_str().unwrap().to_owned()
}

/// The error of a request.
pub fn refused(server: &Server, method: &str, params: &Value) -> Value {
    let mut params = params.clone();
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let name = ["name", "uri", "taskId"]
        .into_iter()
        .find_map(|key| params[key].as_str().map(str::to_owned));
    let mut headers = vec![
        ("Content-Type", "application/json"),
        ("Accept", "application/json"),
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", method),
    ];
    if let Some(name) = &name {
        headers.push(("Mcp-Name", name));
    }
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let reply = server.send("POST", "/mcp", &headers, message.to_string().as_bytes());
    reply.json()["error"].clone()
}

#[test]
fn every_listed_resource_is_read_and_says_what_the_caller_may() {
    let server = server("builtin:admin");
    let listed = ask(&server, "resources/list", json!({}), &[]);
    let uris: Vec<&str> = (listed["resources"].as_array().unwrap().iter())
        .map(|resource| resource["uri"].as_str().unwrap())
        .collect();
    assert_eq!(
        uris,
        ["airlock://policy", "airlock://clusters", "airlock://status"]
    );
    let policy = read(&server, uris[0], &[]);
    for told in [
        "kubectl\n",
        "  allowed: ",
        "only once a person has confirmed it: ",
        "helm",
    ] {
        assert!(policy.contains(told), "{told}: {policy}");
    }
    assert_eq!(read(&server, uris[1], &[]), r#"{"clusters":[]}"#);
    let status = read(&server, uris[2], &[]);
    assert!(
        status.contains("kubectl 1.37") && status.contains("layers enforced: "),
        "{status}"
    );
    let templates = ask(&server, "resources/templates/list", json!({}), &[]);
    let templates: Vec<&str> = (templates["resourceTemplates"].as_array().unwrap().iter())
        .map(|template| template["uriTemplate"].as_str().unwrap())
        .collect();
    assert_eq!(
        templates,
        [
            "output://{call}{?lines,grep}",
            "airlock://catalogue/{tool}/{verb}"
        ]
    );
}

#[test]
fn a_verb_is_described_as_this_policy_has_it() {
    let server = server("builtin:admin");
    for (verb, told) in [
        (
            "kubectl/get",
            &[
                "it asks and prints; it changes nothing",
                "you may use it",
                "--selector (-l)",
            ][..],
        ),
        (
            "kubectl/rollout%20status",
            &["kubectl rollout status", "you may use it", "--revision"],
        ),
        (
            "kubectl/rollout",
            &["it is a group of verbs", "verbs below it: history, pause"],
        ),
        ("kubectl/drain", &["a person has to confirm it"]),
        ("kubectl/proxy", &["you may not use it"]),
    ] {
        let text = read(&server, &format!("airlock://catalogue/{verb}"), &[]);
        for told in told {
            assert!(text.contains(told), "{verb}: {told}: {text}");
        }
        for never in ["--kubeconfig", "--token", "--as"] {
            assert!(
                !text.contains(&format!("{never},")),
                "{verb}: {never}: {text}"
            );
        }
    }
    for uri in [
        "airlock://catalogue/kubectl/gte",
        "airlock://catalogue/kustomize/build",
        "airlock://catalogue/kubectl",
        "airlock://other",
        "file:///etc/passwd",
        "output://0123456789abcdef0123456789abcdef",
    ] {
        let error = refused(&server, "resources/read", &json!({ "uri": uri }));
        assert_eq!(
            (&error["code"], &error["data"]["uri"]),
            (&json!(-32602), &json!(uri)),
            "{error}"
        );
    }
}

#[test]
fn what_is_completed_is_what_the_caller_may_use() {
    let server = server("builtin:read-only");
    let complete = |reference: Value, name: &str, value: &str, context: Value| -> Vec<String> {
        let params = json!({ "ref": reference, "argument": { "name": name, "value": value },
            "context": { "arguments": context } });
        let completed = ask(&server, "completion/complete", params, &[]);
        serde_json::from_value(completed["completion"]["values"].clone()).unwrap()
    };
    let catalogue = json!({ "type": "ref/resource", "uri": "airlock://catalogue/{tool}/{verb}" });
    assert_eq!(
        complete(catalogue.clone(), "tool", "", json!({})),
        ["kubectl", "helm", "istioctl", "argocd"]
    );
    assert_eq!(
        complete(catalogue.clone(), "tool", "is", json!({})),
        ["istioctl"]
    );
    let verbs = complete(
        catalogue.clone(),
        "verb",
        "rollout ",
        json!({ "tool": "kubectl" }),
    );
    assert_eq!(
        verbs,
        ["rollout history", "rollout status"],
        "no verb that is not allowed"
    );
    assert!(complete(catalogue, "verb", "delete", json!({ "tool": "kubectl" })).is_empty());
    let prompt = json!({ "type": "ref/prompt", "name": "diagnose-workload" });
    assert_eq!(
        complete(prompt.clone(), "workload", "de", json!({})),
        ["deployment/"]
    );
    assert!(complete(prompt, "cluster", "", json!({})).is_empty());
    let unknown = json!({ "type": "ref/prompt", "name": "no-such" });
    assert!(complete(unknown, "workload", "", json!({})).is_empty());
}

#[test]
fn a_callers_own_outputs_are_completed_and_read_and_nobody_elses() {
    let (alice, of_alice) = token("alice", &[]);
    let (bob, of_bob) = token("bob", &[]);
    let (_folder, server) = Server::with_settings(&format!("{of_alice}\n{of_bob}\n"));
    let (alice, bob) = (format!("Bearer {alice}"), format!("Bearer {bob}"));
    let kubeconfig = crate::harness::base64_of(&crate::harness::cluster().view);
    let headers = [
        ("Authorization", alice.as_str()),
        ("X-Kubeconfig", &kubeconfig),
    ];
    let arguments = json!({ "command": "explain pod.spec --recursive", "max_output": 3000 });
    let answer = call_tool(&server, "kubectl", &arguments, &headers);
    let id = answer["_meta"]["kube-airlock"]["kept"]["id"]
        .as_str()
        .unwrap();
    let of = |authorization: &str| {
        let params = json!({ "ref": { "type": "ref/resource", "uri": "output://{call}{?lines,grep}" },
            "argument": { "name": "call", "value": "" } });
        let completed = ask(
            &server,
            "completion/complete",
            params,
            &[("Authorization", authorization)],
        );
        completed["completion"]["values"].clone()
    };
    assert_eq!((of(&alice), of(&bob)), (json!([id]), json!([])));
    let uri = format!("output://{id}?lines=1-2&grep=.");
    let lines = read(&server, &uri, &headers);
    assert!(lines.contains("\n1:KIND:       Pod\n"), "{lines}");
    assert!(lines.contains("[2 match in lines 1 to 2 of "), "{lines}");
}

#[test]
fn what_is_not_declared_is_no_method_and_what_is_has_a_name_and_a_picture() {
    let server = server("builtin:read-only");
    let discovered = ask(&server, "server/discover", json!({}), &[]);
    let capabilities: Vec<&String> = discovered["capabilities"]
        .as_object()
        .unwrap()
        .keys()
        .collect();
    assert_eq!(
        capabilities,
        ["completions", "prompts", "resources", "tools"]
    );
    assert_eq!(discovered["capabilities"]["prompts"]["listChanged"], true);
    let icon = &discovered["_meta"]["io.modelcontextprotocol/serverInfo"]["icons"][0];
    assert!(
        icon["src"]
            .as_str()
            .is_some_and(|src| src.starts_with("data:image/svg+xml;base64,")),
        "{discovered}"
    );
    for (method, params) in [
        ("logging/setLevel", json!({ "level": "info" })),
        ("resources/subscribe", json!({ "uri": "airlock://policy" })),
        ("tasks/get", json!({ "taskId": "x" })),
        ("no/such", json!({})),
    ] {
        let error = refused(&server, method, &params);
        assert_eq!(error["code"], -32601, "{method}: {error}");
    }
}
