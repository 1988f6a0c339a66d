//! What does a caller see of Secrets that the policy lets it read? Real kubectl, a real API server.

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::harness::{Server, base64_of, cluster, tools};

const POLICY: &str = r#"
schema = 1
[[rule]]
id = "secrets-without-values"
effect = "allow"
reason = "their keys are read here"
tool = "kubectl"
verbs = ["get"]
resources = ["secrets", "configmaps"]
flags = ["--all-namespaces", "--show-managed-fields"]
values = { "--output" = ["json", "yaml", "kyaml", "name", "jsonpath={.items[*]}"] }
"#;

/// Applied as a person would, so that kubectl writes down what it was given.
const OBJECTS: &str = r#"
apiVersion: v1
kind: Secret
metadata: {name: redaction-applied, namespace: default}
stringData: {password: airlock-canary-one, username: "airlock-canary-two\nof two lines"}
data: {token: YWlybG9jay1jYW5hcnktdGhyZWU=}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: redaction-kept, namespace: default}
data:
  settings.toml: |
    mode = "airlock-kept-one"
    # "unbalanced: {
  data: airlock-kept-two
---
apiVersion: v1
kind: ConfigMap
metadata: {name: redaction-manifest, namespace: default}
data:
  secret.yaml: |
    kind: Secret
    stringData:
      password: airlock-canary-one
"#;

/// As they are, and in base64.
const CANARIES: [&str; 6] = [
    "airlock-canary",
    "YWlybG9jay1jYW5hcnkt",
    "airlock-demo-secret",
    "YWlybG9jay1kZW1v",
    "of two lines",
    "CANARY",
];

#[test]
fn of_a_secret_that_may_be_read_the_keys_are_told_and_no_value() {
    let mut apply = Command::new(tools().join("kubectl"))
        .args(["apply", "--validate=false", "-f", "-", "--kubeconfig"])
        .arg(&cluster().admin)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    apply
        .stdin
        .take()
        .unwrap()
        .write_all(OBJECTS.as_bytes())
        .unwrap();
    assert!(apply.wait().unwrap().success());

    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let policy = folder.path().join("policy.toml");
    fs::write(&policy, POLICY).unwrap();
    let (tools, allowed) = (tools(), cluster().server.to_string());
    let server = Server::with(
        &[
            "--tools-dir",
            tools.to_str().unwrap(),
            "--egress-allow",
            &allowed,
            "--policy",
            policy.to_str().unwrap(),
        ],
        None,
    );
    let admin = base64_of(&cluster().admin);

    for (command, told) in [
        (
            "get secret redaction-applied -n default -o yaml",
            &[
                "  password: \"[REDACTED]\"\n",
                "  token: \"[REDACTED]\"\n",
                "  username:",
            ][..],
        ),
        (
            "get secret redaction-applied -n default -o json",
            &[
                "\"password\": \"[REDACTED]\"",
                "\\\"password\\\":\\\"[REDACTED]\\\"",
            ],
        ),
        (
            "get secret redaction-applied -n default -o kyaml",
            &["password: \"[REDACTED]\""],
        ),
        (
            "get secret redaction-applied -n default -o json --show-managed-fields",
            &["f:password"],
        ),
        (
            "get secrets -A -o yaml",
            &["    password: \"[REDACTED]\"\n", "name: db-password"],
        ),
        (
            "get secrets -A -o json",
            &["\"password\": \"[REDACTED]\"", "\"name\": \"db-password\""],
        ),
        (
            "get secrets -A -o jsonpath={.items[*]}",
            &["\"password\":\"[REDACTED]\"", "\"name\":\"db-password\""],
        ),
        (
            "get secret/redaction-applied cm/redaction-kept -n default -o yaml",
            &[
                "password: \"[REDACTED]\"",
                "airlock-kept-one",
                "airlock-kept-two",
            ],
        ),
        (
            "get cm,secret -n default -o json",
            &[
                "\"password\": \"[REDACTED]\"",
                "airlock-kept-one",
                "airlock-kept-two",
            ],
        ),
        (
            "get cm,secret -n default -o kyaml",
            &[
                "password: \"[REDACTED]\"",
                "airlock-kept-one",
                "airlock-kept-two",
            ],
        ),
        (
            "get cm redaction-manifest -n default -o yaml",
            &["password: \"[REDACTED]\""],
        ),
        (
            "get cm redaction-manifest -n default -o json",
            &["password: \\\"[REDACTED]\\\""],
        ),
    ] {
        let reply = server.kubectl(command, &admin);
        assert_eq!(reply.json()["success"], true, "{command}: {}", reply.json());
        let output = reply.text("output");
        for word in told {
            assert!(
                output.contains(word),
                "{command}: {word} is not in\n{output}"
            );
        }
        for canary in CANARIES {
            assert!(
                !output.contains(canary),
                "{command}: {canary} is in\n{output}"
            );
        }
        if command.ends_with("-o json") {
            let read: Value = serde_json::from_str(&output)
                .unwrap_or_else(|error| panic!("{command} is no JSON any more: {error}\n{output}"));
            assert!(read.is_object());
        }
    }

    // A ConfigMap is what it is without a server between.
    for form in ["yaml", "json", "kyaml"] {
        let command = format!("get cm redaction-kept -n default -o {form}");
        let bare = Command::new(tools.join("kubectl"))
            .args(command.split(' '))
            .arg("--kubeconfig")
            .arg(&cluster().admin)
            .output()
            .unwrap();
        assert_eq!(
            server.kubectl(&command, &admin).text("output"),
            String::from_utf8(bare.stdout).unwrap(),
            "{command}"
        );
    }
}
