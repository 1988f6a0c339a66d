//! A caller asks whether a command may run, before it sends it, and each wrong command says what
//! would be right.

use serde_json::{Value, json};

use crate::{
    tokens::server,
    typed::{mcp, rest},
};

#[test]
fn a_question_is_answered_without_a_credential_and_starts_nothing() {
    let server = server("builtin:read-only");
    let question = json!({ "explain": true });
    for ask in [rest, mcp] {
        let allowed = ask(&server, "get pods -n shop", &question);
        assert_eq!(
            (&allowed["success"], &allowed["exit_code"], &allowed["rule"]),
            (&json!(true), &json!(0), &json!("get")),
            "{allowed}"
        );
        for (command, code) in [
            ("delete pod web-0", "policy_denied"),
            ("get secrets", "policy_denied"),
            ("get pods --watch", "policy_denied"),
            ("gte pods", "invalid_command"),
            ("get pods; id", "invalid_command"),
        ] {
            let refused = ask(&server, command, &question);
            assert_eq!(refused["code"], code, "{command}: {refused}");
            assert!(!refused["hint"].as_str().unwrap().is_empty(), "{refused}");
            assert_eq!(refused["exit_code"], -1, "{refused}");
        }
    }
    let told = rest(&server, "logs web-0", &question);
    let notes = told["notes"].to_string();
    assert!(
        notes.contains("it may run") && notes.contains("added --tail=500"),
        "{told}"
    );
    // A request in an argument is explained as what it is.
    for (command, rule, told) in [
        ("get --raw /readyz", "api-paths", "it may run"),
        (
            "get --raw /api/v1/namespaces/shop/pods",
            "get",
            "the same request",
        ),
        (
            "get --raw /apis/cert-manager.io/v1/certificates",
            "get",
            "if the cluster has that resource",
        ),
    ] {
        let allowed = rest(&server, command, &question);
        assert!(
            allowed["success"] == true
                && allowed["rule"] == rule
                && allowed["notes"].to_string().contains(told),
            "{command}: {allowed}"
        );
    }
    let secret = rest(
        &server,
        "get --raw /api/v1/namespaces/shop/secrets/db",
        &question,
    );
    assert_eq!(secret["code"], "policy_denied", "{secret}");
    // What only the cluster can tell is said to be that.
    let custom = rest(&server, "get certificates", &question);
    assert!(
        custom["success"] == true && custom["notes"].to_string().contains("cluster"),
        "{custom}"
    );
    let calls = server.records();
    let calls: Vec<&Value> = calls
        .iter()
        .filter(|record| record["event"] == "decision")
        .collect();
    assert!(calls.is_empty(), "a question is no call: {calls:?}");
    // Without the question, the same needs a kubeconfig.
    let sent = rest(&server, "get pods", &json!({}));
    assert_eq!(sent["code"], "invalid_kubeconfig", "{sent}");
}

#[test]
fn a_question_about_what_a_person_confirms_says_so() {
    let server = server("builtin:admin");
    let question = json!({ "explain": true });
    for (command, code) in [
        ("drain node-1 --ignore-daemonsets", "confirmation_required"),
        ("scale deploy/web --replicas=3", ""),
    ] {
        let answer = mcp(&server, command, &question);
        assert_eq!(
            answer["code"].as_str().unwrap_or_default(),
            code,
            "{answer}"
        );
    }
}
