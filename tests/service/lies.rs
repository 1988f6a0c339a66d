//! A tool that receives an honest command and asks the API for more. Every lie ends its call; the
//! same request is answered where unexplained ones are only told, so that each is one that the
//! cluster would have answered.

use std::fs;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::harness::{Server, as_admin, base64_of, cluster, probe, readable_folder};

const POLICY: &str = r#"
schema = 1
[[rule]]
id = "honest"
effect = "allow"
reason = "for a test"
tool = "kubectl"
verbs = ["get", "describe", "label", "annotate", "delete", "scale", "set image", "rollout restart", "cordon", "patch", "create configmap"]
resources = ["pods", "configmaps", "deployments.apps", "nodes"]
flags = ["--selector", "--replicas", "--patch", "--field-manager", "--resource-version", "--from-literal"]
values = { "--dry-run" = ["client", "server"] }
"#;

/// A server whose kubectl is the probe, and what it does with what is not explained.
pub fn server(judging: &str) -> (tempfile::TempDir, Server) {
    server_with(POLICY, judging)
}

/// The same with other rules.
pub fn server_with(rules: &str, judging: &str) -> (tempfile::TempDir, Server) {
    let folder = readable_folder();
    let config = folder.path().join("airlock.toml");
    let policy = folder.path().join("policy.toml");
    fs::write(&policy, rules).unwrap();
    let settings =
        format!("policy = [{policy:?}]\n[limits]\nrate = 0\n[api]\nkubectl = \"{judging}\"\n");
    fs::write(&config, settings).unwrap();
    let (tools, allowed) = (probe().to_str().unwrap(), cluster().server.to_string());
    let flags = [
        "--tools-dir",
        tools,
        "--egress-allow",
        &allowed,
        "--config",
        config.to_str().unwrap(),
    ];
    let server = Server::with(&flags, None);
    (folder, server)
}

/// What comes of `command` whose tool sends these bytes to the API server.
fn lied(server: &Server, command: &str, bytes: &str) -> Value {
    lied_by(server, command, "-l", bytes)
}

/// The same; the probe takes the bytes from this flag, where the command has names and can have no
/// selector.
pub fn lied_by(server: &Server, command: &str, flag: &str, bytes: &str) -> Value {
    let lie = BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let command = format!("{command} {flag} lie:{lie}");
    server
        .kubectl(&command, &base64_of(&cluster().admin))
        .json()
}

pub fn request(line: &str, body: &str) -> String {
    request_of("application/json", line, body)
}

/// A request whose body, if it has one, is in this form.
pub fn request_of(media_type: &str, line: &str, body: &str) -> String {
    let length = match body {
        "" => String::new(),
        body => format!(
            "Content-Type: {media_type}\r\nContent-Length: {}\r\n",
            body.len()
        ),
    };
    format!(
        "{line} HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\nConnection: close\r\n{length}\r\n{body}",
        cluster().server
    )
}

/// Commands, and the requests that they do not explain although the API server answers them.
const LIES: &[(&str, &str, &str)] = &[
    ("get pods", "GET /api/v1/namespaces/default/secrets", ""),
    ("get pods", "GET /api/v1/secrets", ""),
    ("get pods", "GET /api/v1/namespaces/kube-system/pods", ""),
    ("get pods", "GET /api/v1/pods", ""),
    ("get pods", "GET /api/v1/namespaces/default/configmaps", ""),
    ("get pods", "GET /api/v1/namespaces/default/pods", ""),
    (
        "get pods",
        "GET /api/v1/namespaces/default/pods?labelSelector=a%3Db",
        "",
    ),
    (
        "get pods",
        "GET /apis/rbac.authorization.k8s.io/v1/clusterroles",
        "",
    ),
    ("get pods", "GET /metrics", ""),
    ("get pods", "GET /logs", ""),
    (
        "get pods",
        "GET /apis/apps/v1/namespaces/default/deployments",
        "",
    ),
    ("get pods -n web", "GET /api/v1/namespaces/default/pods", ""),
    (
        "get pods",
        "POST /api/v1/namespaces/default/configmaps",
        r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"generateName":"lie-"}}"#,
    ),
    (
        "get pods",
        "POST /api/v1/namespaces/default/serviceaccounts/default/token",
        r#"{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","spec":{}}"#,
    ),
    (
        "get pods",
        "POST /apis/authorization.k8s.io/v1/subjectaccessreviews",
        r#"{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1","spec":{"user":"a","resourceAttributes":{"verb":"get","resource":"pods"}}}"#,
    ),
    (
        "get pods",
        "PATCH /api/v1/namespaces/default/configmaps/app-config",
        "{}",
    ),
    (
        "get pods",
        "DELETE /api/v1/namespaces/default/configmaps?labelSelector=no%3Dsuch",
        "",
    ),
    (
        "get pods",
        "DELETE /api/v1/namespaces/default/pods?labelSelector=no%3Dsuch",
        "",
    ),
    (
        "get configmaps",
        "GET /api/v1/namespaces/default/configmaps/app-config/status",
        "",
    ),
    (
        "describe deploy",
        "GET /api/v1/namespaces/default/secrets",
        "",
    ),
    (
        "describe deploy",
        "DELETE /apis/apps/v1/namespaces/default/deployments?labelSelector=no%3Dsuch",
        "",
    ),
    (
        "label configmaps a=b",
        "PUT /api/v1/namespaces/default/configmaps/app-config",
        "",
    ),
    (
        "label configmaps a=b",
        "PATCH /api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication",
        "{}",
    ),
    (
        "delete configmaps",
        "DELETE /api/v1/namespaces/default/configmaps?labelSelector=no%3Dsuch",
        "",
    ),
    (
        "delete configmaps",
        "DELETE /api/v1/namespaces/web/configmaps/none",
        "",
    ),
    (
        "delete configmaps --dry-run=client",
        "DELETE /api/v1/namespaces/default/configmaps/none",
        "",
    ),
];

/// What no command explains, whatever it is: it could be read in two ways, or is no request of the
/// API's. Refused where other unexplained ones are sent on, too.
const ODD: &[&str] = &[
    "GET /api/v1/namespaces/default%2fsecrets",
    "GET /api/v1/namespaces/default/pods/%2e%2e/secrets",
    "GET /api/v1/namespaces/default/pods/../secrets",
    "GET //api/v1/namespaces/default/secrets",
    "GET /api//v1/namespaces/default/secrets",
    "GET /api/v1/namespaces/default/secrets/",
    "GET /api/v1/namespaces/default/%73ecrets",
    "GET /api/v1/namespaces/default/pods;x=y",
    "GET /api/v1/watch/namespaces/default/secrets",
    "GET /api/v1/proxy/namespaces/default/pods/a",
    "GET /api/v1/namespaces/default/services/kubernetes:443/proxy/",
    "GET /api/v1/namespaces/default/pods/web-0/proxy/metrics",
    "GET /api/v1/namespaces/default/pods?watch=0&watch=1",
    "GET /api/v1/namespaces/default/pods?watch=yes",
    "GET /api/v1/namespaces/default/pods?WATCH=1",
    "GET /api/v1/namespaces/default/pods?labelSelector=a;labelSelector=b",
    "GET /api/v1/namespaces/default/pods?labelSelector=a&labelSelector=",
    "GET /api/v1/namespaces/default/pods?unknown=1",
    "HEAD /api/v1/namespaces/default/secrets",
    "OPTIONS /api/v1/namespaces/default/secrets",
    "TRACE /api/v1/namespaces/default/pods",
    "GET http://other.example/api/v1/namespaces/default/pods",
    "GET http://127.0.0.1:1/api/v1/namespaces/default/pods",
    "CONNECT 127.0.0.1:1",
];

pub fn is_denied(reply: &Value) -> bool {
    reply["code"] == "api_denied"
}

#[test]
fn what_a_command_does_not_explain_ends_the_call() {
    let (_folder, server) = server("require");
    for (command, line, body) in LIES {
        let reply = lied(&server, command, &request(line, body));
        assert!(is_denied(&reply), "{command}: {line}: {reply}");
        assert_eq!(reply["effects"]["writes"], Value::Null, "{line}");
        assert_eq!(reply["effects"]["refused"], true, "{line}");
    }
    for line in ODD {
        let reply = lied(&server, "get pods", &request(line, ""));
        assert!(is_denied(&reply), "{line}: {reply}");
    }
}

#[test]
fn where_it_is_only_told_the_api_server_answers_it() {
    let (_folder, server) = server("prefer");
    for (command, line, body) in LIES {
        let reply = lied(&server, command, &request(line, body));
        let output = reply["output"].as_str().unwrap();
        let answered = ["HTTP/1.1 200", "HTTP/1.1 201", "HTTP/1.1 404", "HTTP/1.1 4"];
        assert!(
            answered.iter().any(|status| output.starts_with(status)),
            "{command}: {line}: {reply}"
        );
        assert!(!output.contains("kube-airlock:"), "{line}: {output}");
        let told = &reply["effects"]["unexplained"];
        assert_eq!(
            (told.as_array().unwrap().len(), &reply["effects"]["refused"]),
            (1, &Value::Null),
            "{line}: {reply}"
        );
    }
    for line in ODD {
        let reply = lied(&server, "get pods", &request(line, ""));
        assert!(is_denied(&reply), "{line}: {reply}");
    }
}

/// Honest commands and requests, with a body that the API server takes and the command explains, and
/// with ones that it takes as well and the command does not.
struct Bodies {
    command: &'static str,
    line: &'static str,
    /// `application/` and this.
    form: &'static str,
    honest: &'static str,
    lies: &'static [&'static str],
}

const LIED: &str = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"lied"},"spec":{"replicas":0,
    "selector":{"matchLabels":{"app":"lied"}},"template":{"metadata":{"labels":{"app":"lied"}},"spec":{"containers":[
    {"name":"app","image":"demo/app:1"},{"name":"side","image":"demo/app:1"}]}}}}"#;

const BODIES: &[Bodies] = &[
    Bodies {
        command: "set image deploy/lied app=demo/app:2 --dry-run=server",
        line: "PATCH /apis/apps/v1/namespaces/default/deployments/lied?dryRun=All",
        form: "strategic-merge-patch+json",
        honest: r#"{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"demo/app:2"}]}}}}"#,
        lies: &[
            r#"{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"demo/app:2","command":["sh"]}]}}}}"#,
            r#"{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"demo/app:3"}]}}}}"#,
            r#"{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"demo/app:2"},{"name":"side","image":"demo/app:2"}]}}}}"#,
            r#"{"spec":{"template":{"spec":{"containers":[{"$patch":"delete","name":"side"}]}}}}"#,
            r#"{"spec":{"template":{"spec":{"containers":[{"$patch":"replace"},{"name":"app","image":"demo/app:2"}]}}}}"#,
            r#"{"spec":{"template":{"spec":{"hostNetwork":true}}}}"#,
            r#"{"spec":{"template":{"spec":{"serviceAccountName":"other"}}}}"#,
            r#"{"metadata":{"finalizers":["example.com/never"]}}"#,
            r#"{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"a","uid":"b"}]}}"#,
            r#"{"spec":{"replicas":0,"template":{"spec":{"containers":[{"name":"app","image":"demo/app:2"}]}}}}"#,
            r#"{"spec":{"paused":true},"spec":{"template":{"spec":{"containers":[{"name":"app","image":"demo/app:2"}]}}}}"#,
        ],
    },
    Bodies {
        command: "label deploy lied tier=web --dry-run=server",
        line: "PATCH /apis/apps/v1/namespaces/default/deployments/lied?dryRun=All",
        form: "merge-patch+json",
        honest: r#"{"metadata":{"labels":{"tier":"web"}}}"#,
        lies: &[
            r#"{"metadata":{"labels":{"tier":"web","other":"1"}}}"#,
            r#"{"metadata":{"labels":{"tier":"web"},"annotations":{"a":"b"}}}"#,
            r#"{"metadata":{"labels":{"tier":"web"}},"spec":{"replicas":0}}"#,
            r#"{"metadata":{"labels":null}}"#,
        ],
    },
    Bodies {
        command: "label deploy lied tier=web --dry-run=server",
        line: "PATCH /apis/apps/v1/namespaces/default/deployments/lied?dryRun=All",
        form: "json-patch+json",
        honest: r#"[{"op":"test","path":"/metadata/name","value":"lied"}]"#,
        lies: &[
            r#"[{"op":"add","path":"/metadata/labels","value":{"tier":"web"}}]"#,
            r#"[{"op":"add","path":"/spec/paused","value":true}]"#,
            r#"[{"op":"add","path":"/metadata/annotations/metadata~1labels~1tier","value":"web"}]"#,
        ],
    },
    Bodies {
        command: "annotate deploy lied note=1 --dry-run=server",
        line: "PATCH /apis/apps/v1/namespaces/default/deployments/lied?dryRun=All",
        form: "merge-patch+json",
        honest: r#"{"metadata":{"annotations":{"note":"1"}}}"#,
        lies: &[
            r#"{"metadata":{"annotations":{"note":"1","kubectl.kubernetes.io/last-applied-configuration":"{}"}}}"#,
            r#"{"metadata":{"annotations":{"deployment.kubernetes.io/revision":"7"}}}"#,
        ],
    },
    Bodies {
        command: "scale deploy lied --replicas=0 --dry-run=server",
        line: "PATCH /apis/apps/v1/namespaces/default/deployments/lied/scale?dryRun=All",
        form: "merge-patch+json",
        honest: r#"{"spec":{"replicas":0}}"#,
        lies: &[
            r#"{"spec":{"replicas":1}}"#,
            r#"{"spec":{"replicas":0},"metadata":{"labels":{"a":"b"}}}"#,
        ],
    },
    Bodies {
        command: "rollout restart deploy/lied",
        line: "PATCH /apis/apps/v1/namespaces/default/deployments/lied",
        form: "strategic-merge-patch+json",
        honest: r#"{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"2026-11-30T15:00:00Z"}}}}}"#,
        lies: &[
            r#"{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"2026-11-30T15:00:00Z"}},"spec":{"containers":[{"name":"app","image":"demo/app:9"}]}}}}"#,
            r#"{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"any other word"}}}}}"#,
        ],
    },
    Bodies {
        command: "cordon node2 --dry-run=server",
        line: "PATCH /api/v1/nodes/node2?dryRun=All",
        form: "strategic-merge-patch+json",
        honest: r#"{"spec":{"unschedulable":true}}"#,
        lies: &[
            r#"{"spec":{"unschedulable":true,"taints":[{"key":"a","effect":"NoExecute"}]}}"#,
            r#"{"metadata":{"labels":{"a":"b"}}}"#,
        ],
    },
    Bodies {
        command: r#"patch deploy lied -p '{"spec":{"paused":true}}' --dry-run=server"#,
        line: "PATCH /apis/apps/v1/namespaces/default/deployments/lied?dryRun=All",
        form: "strategic-merge-patch+json",
        honest: r#"{"spec":{"paused":true}}"#,
        lies: &[r#"{"spec":{"paused":true,"replicas":0}}"#],
    },
];

fn body_lied(server: &Server, bodies: &Bodies, body: &str) -> Value {
    let form = format!("application/{}", bodies.form);
    let flag = match bodies.command.split(' ').next() {
        Some("scale") => "--resource-version",
        Some("cordon") => "-l",
        _ => "--field-manager",
    };
    let request = request_of(&form, bodies.line, body);
    lied_by(server, bodies.command, flag, &request)
}

#[test]
fn a_body_that_says_more_than_its_command_ends_the_call() {
    assert!(as_admin(&["apply", "-f", "-"], LIED));
    let (_folder, judged) = server("require");
    let (_other, told) = server("prefer");
    for bodies in BODIES {
        let Bodies {
            command, honest, ..
        } = bodies;
        let reply = body_lied(&judged, bodies, honest);
        let output = reply["output"].as_str().unwrap_or_default();
        assert!(
            output.starts_with("HTTP/1.1 200"),
            "{command}: {honest}: {reply}"
        );
        for lie in bodies.lies {
            let reply = body_lied(&judged, bodies, lie);
            assert!(is_denied(&reply), "{command}: {lie}: {reply}");
            assert_eq!(reply["effects"]["writes"], Value::Null, "{lie}");
            // The API server takes it, where it is only told.
            let reply = body_lied(&told, bodies, lie);
            let output = reply["output"].as_str().unwrap_or_default();
            let unexplained = &reply["effects"]["unexplained"];
            assert!(output.starts_with("HTTP/1.1 "), "{command}: {lie}: {reply}");
            assert_eq!(
                unexplained.as_array().map(Vec::len),
                Some(1),
                "{lie}: {reply}"
            );
        }
    }
    assert!(as_admin(&["delete", "deployment", "lied"], ""));
}

#[test]
fn a_body_in_a_form_that_is_not_read_is_refused() {
    let (_folder, server) = server("require");
    let line = "PATCH /apis/apps/v1/namespaces/default/deployments/none";
    let command = "label deploy none tier=web";
    let body = r#"{"metadata":{"labels":{"tier":"web"}}}"#;
    for form in [
        "application/json",
        "application/yaml",
        "application/apply-patch+yaml",
        "application/apply-patch+cbor",
        "application/vnd.kubernetes.protobuf",
        "application/merge-patch+json, application/json-patch+json",
        "application/merge-patch+json\r\nContent-Type: application/strategic-merge-patch+json",
    ] {
        let request = request_of(form, line, body);
        let reply = lied_by(&server, command, "--field-manager", &request);
        assert!(is_denied(&reply), "{form}: {reply}");
    }
    let request = request_of("application/merge-patch+json", line, body);
    let reply = lied_by(&server, command, "--field-manager", &request);
    let output = reply["output"].as_str().unwrap();
    assert!(output.starts_with("HTTP/1.1 404"), "there is none: {reply}");
}

#[test]
fn a_second_request_in_the_first_ones_body_is_none() {
    let (_folder, server) = server("require");
    let smuggled = request("DELETE /api/v1/namespaces/default/pods/web-0", "");
    let head = format!("Host: {}\r\n", cluster().server);
    for bytes in [
        format!(
            "GET /api HTTP/1.1\r\n{head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"
        ),
        format!(
            "GET /api HTTP/1.1\r\n{head}Content-Length: 0\r\nContent-Length: 5\r\n\r\n{smuggled}"
        ),
        format!(
            "GET /api HTTP/1.1\r\n{head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{smuggled}"
        ),
        format!(
            "GET /api HTTP/1.1\r\n{head}X: {}\r\n\r\n{smuggled}",
            "x".repeat(100_000)
        ),
        format!("GET /api HTTP/1.1\r\n{head}\r\n{smuggled}"),
    ] {
        let lie: String = bytes.chars().take(3000).collect();
        let reply = lied(&server, "get pods", &lie);
        assert_eq!(reply["effects"]["writes"], Value::Null, "{reply}");
    }
    assert!(as_admin(&["get", "pod", "web-0"], ""), "it is still there");
}

#[test]
fn a_connection_becomes_no_other_protocol_and_a_read_has_no_body() {
    let (_folder, server) = server("prefer");
    let head = format!(
        "Host: {}\r\nAccept: application/json\r\nConnection: close",
        cluster().server
    );
    for lines in [
        "GET /api/v1/namespaces/default/pods/web-0/exec?command=id HTTP/1.1\r\nUpgrade: h2c, HTTP2-Settings",
        "GET /api/v1/namespaces/default/pods/web-0/exec?command=id HTTP/1.1\r\nUpgrade: h2c",
        "GET /api/v1/namespaces/default/pods/web-0/exec?command=id HTTP/1.1\r\nUpgrade: websocket\r\nUpgrade: h2c",
        "GET /api/v1/namespaces/default/pods HTTP/1.1\r\nUpgrade: websocket",
        "GET /api/v1/namespaces/default/pods/web-0/log HTTP/1.1\r\nUpgrade: SPDY/3.1",
    ] {
        let reply = lied(
            &server,
            "get pods",
            &format!("{lines}\r\n{head}, Upgrade\r\n\r\n"),
        );
        assert!(is_denied(&reply), "{lines}: {reply}");
    }
    let body = r#"{"kind":"DeleteOptions"}"#;
    let reply = lied(
        &server,
        "get pods",
        &request("GET /api/v1/namespaces/default/pods", body),
    );
    assert!(is_denied(&reply), "{reply}");
}

#[test]
fn what_identifies_or_impersonates_anybody_is_not_sent_on() {
    let (_folder, server) = server("prefer");
    let line = format!(
        "POST /apis/authentication.k8s.io/v1/selfsubjectreviews HTTP/1.1\r\nHost: {}\r\n",
        cluster().server
    );
    let body = r#"{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1"}"#;
    for headers in [
        "Authorization: Bearer phantom\r\n",
        "Impersonate-User: system:anonymous\r\n",
        "Impersonate-Group: system:masters\r\n",
        "X-Remote-User: other\r\nX-Remote-Group: system:masters\r\n",
        "Connection: close, Authorization\r\n",
    ] {
        let bytes = format!(
            "{line}{headers}Content-Type: application/json\r\nAccept: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let output = lied(&server, "get pods", &bytes)["output"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(
            output.starts_with("HTTP/1.1 201") && output.contains("\"username\":\"demo-admin\""),
            "{headers}: {output}"
        );
    }
}
