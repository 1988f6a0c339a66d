//! A tool that is called for a preview and asks the API to keep something all the same. Whatever it says
//! of dry runs, in whatever place and form, nothing is kept.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    harness::{Cluster, Server, base64_of, cluster},
    lies::{is_denied, request, request_of, server},
};

/// What comes of `command` whose tool sends these bytes, in preview.
fn lied(server: &Server, command: &str, bytes: &str) -> Value {
    let lie = BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let flag = match command.ends_with(" -l") {
        true => "",
        false => "--field-manager",
    };
    let body = json!({ "command": format!("{command} {flag} lie:{lie}"), "dry_run": "server" });
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Kubeconfig", &base64_of(&cluster().admin)),
    ];
    server
        .send(
            "POST",
            "/tools/kubectl",
            &headers,
            body.to_string().as_bytes(),
        )
        .json()
}

const OBJECT: &str = "/api/v1/namespaces/default/configmaps/preview-lied";
const POD: &str = "/api/v1/namespaces/default/pods/preview-lied";

/// A body in protobuf: the kind, and the message of the object.
fn typed(kind: &str, object: &[u8]) -> String {
    let field = |number: u8, value: &[u8]| {
        [
            &[number << 3 | 2, u8::try_from(value.len()).unwrap()],
            value,
        ]
        .concat()
    };
    let of_type = [field(1, b"v1"), field(2, kind.as_bytes())].concat();
    let body = [b"k8s\0", field(1, &of_type).as_slice(), &field(2, object)].concat();
    String::from_utf8(body).unwrap()
}

/// Whether the objects of these tests are there as they were.
fn is_untouched(cluster: &Cluster) -> bool {
    let is_there = |kind: &str| cluster.as_admin(&["get", kind, "preview-lied"], "");
    // One that has another value is not given a second one.
    let label = [
        "label",
        "configmap",
        "preview-lied",
        "a=c",
        "--dry-run=server",
    ];
    let made = ["get", "configmap", "preview-made"];
    let is_whole = is_there("configmap") && is_there("pod") && cluster.as_admin(&label, "");
    is_whole && !cluster.as_admin(&made, "")
}

#[test]
fn a_tool_that_leaves_dry_run_out_or_says_it_elsewhere_keeps_nothing() {
    let cluster = cluster();
    let pod = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"preview-lied"},"spec":{"containers":[{"name":"a","image":"demo/app:1"}]}}"#;
    assert!(cluster.as_admin(&["create", "configmap", "preview-lied"], ""));
    assert!(cluster.as_admin(&["create", "-f", "-"], pod));
    let json = "application/json";
    let merge = "application/merge-patch+json";
    let label = "label configmap preview-lied a=b";
    let labels = r#"{"metadata":{"labels":{"a":"b"}}}"#;
    let protobuf = "application/vnd.kubernetes.protobuf";
    let (nothing, options) = (
        typed("DeleteOptions", b""),
        typed("DeleteOptions", b"\x22\x0aBackground"),
    );
    // Where unexplained requests are told only, each of these is sent on, as a dry run.
    let (_folder, telling) = server("prefer");
    for (line, form, body) in [
        (format!("PATCH {OBJECT}"), merge, labels),
        (format!("PATCH {OBJECT}?dryRun=All"), merge, labels),
        (format!("DELETE {OBJECT}"), json, ""),
        (format!("DELETE {OBJECT}?dryRun=All"), json, "{}"),
        (format!("DELETE {OBJECT}"), json, r#"{"dryRun":[]}"#),
        (format!("DELETE {OBJECT}"), json, r#"{"DryRun":["All"],"kind":"DeleteOptions"}"#),
        (format!("DELETE {OBJECT}"), json, r#"{"metadata":{"dryRun":["All"]}}"#),
        (format!("DELETE {OBJECT}"), protobuf, &nothing),
        (format!("DELETE {OBJECT}"), protobuf, &options),
        (format!("DELETE {POD}?gracePeriodSeconds=0"), json, ""),
        ("DELETE /api/v1/namespaces/default/configmaps?fieldSelector=metadata.name%3Dpreview-lied".into(), json, ""),
        (format!("POST {POD}/eviction"), json, r#"{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"preview-lied"},"dryRun":["All"]}"#),
        (format!("POST {POD}/eviction?dryRun=All"), json, r#"{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"preview-lied"},"deleteOptions":{}}"#),
        ("POST /api/v1/namespaces/default/configmaps".into(), json, r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"preview-made"},"dryRun":["All"]}"#),
    ] {
        let reply = lied(&telling, label, &request_of(form, &line, body));
        let output = reply["output"].as_str().unwrap();
        assert!(output.starts_with("HTTP/1.1 20"), "{line} {body}: {reply:#}");
        assert_eq!(reply["effects"]["writes"][0]["dry_run"], true, "{line}: {reply:#}");
        assert!(is_untouched(cluster), "{line} {body}");
    }
    // What could be read in two ways, or is no dry run of the server's, is not sent.
    for (line, form, body) in [
        (
            format!("PATCH {OBJECT}?dryRun=All&dryRun=All"),
            merge,
            labels,
        ),
        (format!("PATCH {OBJECT}?DryRun=All"), merge, labels),
        (format!("PATCH {OBJECT}?dryRun=None"), merge, labels),
        (
            format!("DELETE {OBJECT}"),
            json,
            r#"{"dryRun":["All"],"dryRun":[]}"#,
        ),
        (
            format!("DELETE {OBJECT}"),
            json,
            r#"{"dryRun":["All"],"dryrun":[]}"#,
        ),
        (format!("DELETE {OBJECT}"), json, "dryRun: [All]"),
        (
            format!("DELETE {OBJECT}"),
            "application/yaml",
            "dryRun: [All]",
        ),
        (format!("DELETE {OBJECT}"), protobuf, "{}"),
        (format!("DELETE {OBJECT}"), json, &nothing),
        (
            format!("POST {POD}/eviction"),
            "application/yaml",
            "kind: Eviction",
        ),
    ] {
        let reply = lied(&telling, label, &request_of(form, &line, body));
        assert!(is_denied(&reply), "{line} {body}: {reply:#}");
        assert!(is_untouched(cluster), "{line} {body}");
    }
    // Where they are refused, an honest one is a dry run all the same.
    let (_folder, strict) = server("require");
    for (command, line, form, body) in [
        (label, format!("PATCH {OBJECT}"), merge, labels),
        ("delete configmaps -l", format!("DELETE {OBJECT}"), json, ""),
    ] {
        let reply = lied(&strict, command, &request_of(form, &line, body));
        if command == label {
            assert_eq!(reply["code"], Value::Null, "{line}: {reply:#}");
            let output = reply["output"].as_str().unwrap();
            assert!(output.starts_with("HTTP/1.1 200"), "{reply:#}");
        } else {
            assert!(is_denied(&reply), "no answer has named it: {reply:#}");
        }
        assert!(is_untouched(cluster), "{line}");
    }
    assert!(cluster.as_admin(
        &["delete", "pod/preview-lied", "configmap/preview-lied"],
        ""
    ));
}

#[test]
fn what_would_run_or_mint_something_is_not_sent_in_a_preview() {
    let (_folder, telling) = server("prefer");
    for (line, body, why) in [
        (
            "POST /api/v1/namespaces/default/serviceaccounts/default/token",
            r#"{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","spec":{}}"#,
            "a token that works",
        ),
        (
            "POST /api/v1/namespaces/default/serviceaccounts/default/token?dryRun=All",
            r#"{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","spec":{}}"#,
            "a token that works",
        ),
        (
            "POST /api/v1/namespaces/default/pods/web-0/exec?command=true",
            "",
            "cannot be previewed",
        ),
        (
            "POST /api/v1/namespaces/default/pods/web-0/attach",
            "",
            "cannot be previewed",
        ),
        (
            "GET /api/v1/namespaces/default/pods/web-0/portforward?ports=80",
            "",
            "cannot be previewed",
        ),
    ] {
        let reply = lied(
            &telling,
            "label configmap app-config a=b",
            &request(line, body),
        );
        let output = reply["output"].as_str().unwrap();
        assert!(
            output.starts_with("HTTP/1.1 403") && output.contains(why),
            "{line}: {reply:#}"
        );
        let told = reply["effects"]["preview"]["not_previewed"][0]
            .as_str()
            .unwrap();
        assert!(told.contains(why), "{told}");
        assert_eq!(reply["effects"]["writes"], Value::Null, "{line}: {reply:#}");
        assert!(!output.contains("eyJ"), "{output}");
    }
}
