//! argocd against a real Argo CD server: confined, with the token that its caller sends.

use std::{fs, sync::PoisonError};

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{
    fixtures::{ARGOCD_ANSWERS, SYNCS},
    harness::{Server, argocd, eventually, tools},
};

const EVERYTHING: &str = r#"schema = 1
[[rule]]
id = "argocd"
effect = "allow"
reason = "this test"
tool = "argocd"
verbs = ["@read", "@write", "app sync", "app resources", "app manifests", "app delete"]
flags = ["@plain", "--tail", "--output"]
values = { "--output" = ["json", "name", "wide", "yaml"] }
"#;

fn headers() -> [(&'static str, String); 3] {
    [
        ("X-Argocd-Server", argocd().server.to_string()),
        ("X-Argocd-Auth-Token", argocd().token.clone()),
        ("X-Argocd-Ca", BASE64_STANDARD.encode(&argocd().ca)),
    ]
}

fn ask(server: &Server, command: &str, headers: &[(&str, String)]) -> serde_json::Value {
    let mut sent = vec![("Content-Type", "application/json")];
    sent.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
    let body = serde_json::json!({ "command": command }).to_string();
    server
        .send("POST", "/tools/argocd", &sent, body.as_bytes())
        .json()
}

#[test]
fn a_callers_token_reads_and_syncs_applications() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let policy = folder.path().join("policy.toml");
    fs::write(&policy, EVERYTHING).unwrap();
    let (tools, address) = (tools(), argocd().server.to_string());
    let flags = [
        "--tools-dir",
        tools.to_str().unwrap(),
        "--egress-allow",
        "127.0.0.1",
        "--policy",
        policy.to_str().unwrap(),
    ];
    let server = Server::with(&flags, None);
    eventually("argocd is there", || {
        server.get("/tools/status").json()["tools"]["argocd"]["state"] == "available"
    });
    let _turn = SYNCS.lock().unwrap_or_else(PoisonError::into_inner);
    for (command, expected) in ARGOCD_ANSWERS {
        let reply = ask(&server, command, &headers());
        assert_eq!(reply["success"], true, "{command}: {reply}");
        assert!(
            reply["output"].as_str().unwrap().contains(expected),
            "{command}: {reply}"
        );
        assert!(
            reply["sandbox"]["missing"].as_array().unwrap().is_empty(),
            "{command}: {reply}"
        );
    }
    // Through a proxy inside of itself, on a socket file.
    for (command, expected) in ARGOCD_ANSWERS
        .into_iter()
        .filter(|(command, _)| !command.starts_with("app logs"))
    {
        let reply = ask(&server, &format!("{command} --grpc-web"), &headers());
        assert!(
            reply["success"] == true && reply["output"].as_str().unwrap().contains(expected),
            "{command} --grpc-web: {reply}"
        );
    }
    let refused = ask(&server, "app delete shop", &headers());
    assert_eq!(refused["success"], false, "the account may not: {refused}");

    // Without its authority the server is not believed, nor with another one, and with another
    // token nobody is.
    let [named, token, ca] = headers();
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])
        .unwrap()
        .cert
        .pem();
    let other = ("X-Argocd-Ca", BASE64_STANDARD.encode(other));
    let nowhere = ("X-Argocd-Server", "127.0.0.1:1".to_owned());
    for strange in [
        vec![named.clone(), token.clone()],
        vec![named.clone(), token.clone(), other],
        vec![nowhere, token, ca.clone()],
    ] {
        let reply = ask(&server, "app list", &strange);
        assert!(
            reply["success"] == false
                && reply["error"]
                    .as_str()
                    .unwrap()
                    .contains("Failed to establish connection"),
            "{reply}"
        );
        let hint = reply["hint"].as_str().unwrap();
        assert!(
            hint.contains("argocd_ca") && hint.contains("--grpc-web"),
            "{reply}"
        );
    }
    let nobody = ask(
        &server,
        "app list",
        &[named, ("X-Argocd-Auth-Token", "a.b.c".into()), ca],
    );
    assert!(
        nobody["success"] == false
            && nobody["error"]
                .as_str()
                .unwrap()
                .contains("Unauthenticated"),
        "{nobody}"
    );
    assert_eq!(
        nobody.get("hint"),
        None,
        "its own words are enough: {nobody}"
    );

    let records = fs::read_to_string(&server.audit).unwrap();
    let log = fs::read_to_string(&server.log).unwrap();
    assert!(
        records.contains(&address)
            && !records.contains(&argocd().token)
            && !log.contains(&argocd().token)
    );
    eventually("nothing is left", || {
        server.children().is_empty() && server.workspaces().is_empty()
    });
}
