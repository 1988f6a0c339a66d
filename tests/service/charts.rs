//! Something in the place of helm or istioctl that receives an honest command, begins as they do, and
//! then asks the API for more. Every lie ends its call; where unexplained requests are only told, the API
//! server answers it.

use std::{
    fs,
    process::{Command, Stdio},
    sync::OnceLock,
};

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use crate::harness::{
    Cluster, Server, base64_of, eventually, full_cluster, probe, readable_folder, tools,
};

const POLICY: &str = r#"
schema = 1
[[rule]]
id = "helm"
effect = "allow"
reason = "for a test"
tool = "helm"
verbs = ["@read", "@write", "@destructive", "@exec", "@secret"]
flags = ["@plain", "--output"]
charts = ["*"]
[[rule]]
id = "istioctl"
effect = "allow"
reason = "for a test"
tool = "istioctl"
verbs = ["@read", "@write", "@secret"]
flags = ["@plain", "--skip-confirmation"]
"#;

/// The namespace of the releases `web` and `other`, and of Secrets that are none.
const NAMESPACE: &str = "charts";

/// What the commands are about, made once.
fn prepare(cluster: &Cluster) {
    assert!(cluster.as_admin(&["create", "namespace", NAMESPACE], ""));
    for release in ["web", "other"] {
        let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/verbs/chart");
        let installed = Command::new(tools().join("helm"))
            .args(["install", release, chart, "--namespace", NAMESPACE])
            .env_clear()
            .env("HOME", "/nonexistent")
            .env("KUBECONFIG", &cluster.admin)
            .stdout(Stdio::null())
            .status();
        assert!(installed.unwrap().success());
    }
    // One that looks like a revision to whoever goes by names and labels, and holds what it says.
    let manifest = "apiVersion: v1\nkind: Secret\nmetadata: {name: credential}\n";
    let release = json!({"name": "web", "version": 9, "manifest": manifest}).to_string();
    let forged = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": "sh.helm.release.v1.web.v9", "labels": {"name": "web", "owner": "helm", "version": "9"}},
        "stringData": {"release": BASE64_STANDARD.encode(release), "password": VALUE},
    });
    let credential = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "credential"}, "stringData": {"password": VALUE}});
    for object in [forged, credential] {
        assert!(cluster.as_admin(&["apply", "-n", NAMESPACE, "-f", "-"], &object.to_string()));
    }
}

const VALUE: &str = "d0ntTellThis-93f0a71bb2c4";

/// The cluster of both tools' commands, with what they are about.
fn prepared() -> &'static Cluster {
    static PREPARED: OnceLock<()> = OnceLock::new();
    PREPARED.get_or_init(|| prepare(full_cluster()));
    full_cluster()
}

/// A server whose helm and istioctl are the probe.
fn server(judging: &str) -> (tempfile::TempDir, Server) {
    let folder = readable_folder();
    for tool in ["kubectl", "helm", "istioctl"] {
        fs::hard_link(probe().join("kubectl"), folder.path().join(tool)).unwrap();
    }
    let config = folder.path().join("airlock.toml");
    let policy = folder.path().join("policy.toml");
    fs::write(&policy, POLICY).unwrap();
    let settings = format!(
        "policy = [{policy:?}]\n[limits]\nrate = 0\n[api]\nhelm = \"{judging}\"\nistioctl = \"{judging}\"\n"
    );
    fs::write(&config, settings).unwrap();
    let allowed = prepared().server.to_string();
    let flags = [
        "--tools-dir",
        folder.path().to_str().unwrap(),
        "--egress-allow",
        &allowed,
        "--config",
        config.to_str().unwrap(),
    ];
    let server = Server::with(&flags, None);
    eventually("both tools are there", || {
        let tools = server.get("/tools/status").json()["tools"].clone();
        ["helm", "istioctl"]
            .iter()
            .all(|tool| tools[tool]["state"] == "available")
    });
    (folder, server)
}

/// A command in whose flag the tool is told what to do, what it asks first, and the lie.
struct Lie {
    command: &'static str,
    before: &'static [&'static str],
    line: &'static str,
    body: &'static str,
}

const fn lie(
    command: &'static str,
    before: &'static [&'static str],
    line: &'static str,
    body: &'static str,
) -> Lie {
    Lie {
        command,
        before,
        line,
        body,
    }
}

fn request(line: &str, body: &str, is_last: bool) -> String {
    let head = format!("Host: {}\r\nAccept: application/json", prepared().server);
    if line.ends_with("/portforward") || line.contains("/exec?") {
        return format!(
            "{line} HTTP/1.1\r\n{head}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: v5.channel.k8s.io, SPDY/3.1+portforward.k8s.io\r\n\r\n"
        );
    }
    let media_type = match line.starts_with("PATCH") {
        true => "application/merge-patch+json",
        false => "application/json",
    };
    let length = match body {
        "" => String::new(),
        body => format!(
            "Content-Type: {media_type}\r\nContent-Length: {}\r\n",
            body.len()
        ),
    };
    let connection = if is_last { "close" } else { "keep-alive" };
    format!("{line} HTTP/1.1\r\n{head}\r\nConnection: {connection}\r\n{length}\r\n{body}")
}

/// What comes of a command whose tool sends these requests over one connection.
fn asked(server: &Server, lie: &Lie) -> Value {
    let (tool, command) = lie.command.split_once(' ').unwrap();
    // Where a tool has ports of its own, the server is asked for by its name, as a proxy is.
    let server_of = match tool {
        "istioctl" => format!("http://{}", prepared().server),
        _ => String::new(),
    };
    let named = |line: &str| line.replacen(" /", &format!(" {server_of}/"), 1);
    let before = lie
        .before
        .iter()
        .map(|line| request(&named(line), "", false));
    let bytes: String = before
        .chain([request(&named(lie.line), lie.body, true)])
        .collect();
    let told = format!("lie:{}", BASE64_URL_SAFE_NO_PAD.encode(bytes));
    let command = command.replace("LIE", &told);
    let kubeconfig = base64_of(&prepared().admin);
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Kubeconfig", kubeconfig.as_str()),
    ];
    let body = json!({ "command": command }).to_string();
    let path = format!("/tools/{tool}");
    server.send("POST", &path, &headers, body.as_bytes()).json()
}

const LIST: &str = "helm list -n charts --selector LIE";
const STATUS: &str = "helm status web -n charts --output LIE";
const ROLLBACK: &str = "helm rollback web 1 -n charts --description LIE";
const UNINSTALL: &str = "helm uninstall web -n charts --description LIE";
const TEST: &str = "helm test web -n charts --filter LIE";
const OF_WEB: &str =
    "GET /api/v1/namespaces/charts/secrets?labelSelector=name%3Dweb%2Cowner%3Dhelm";
const FIRST: &str = "GET /api/v1/namespaces/charts/secrets/sh.helm.release.v1.web.v1";
const GREETING: &str = "GET /api/v1/namespaces/charts/configmaps/web-greeting";

const VERSION: &str = "istioctl version --revision LIE";
const PROXIES: &str = "istioctl proxy-status --revision LIE";
const CLUSTERS: &str = "istioctl proxy-config cluster web-0 --fqdn LIE";
const ANALYZE: &str = "istioctl analyze -n web --revision LIE";
const ISTIODS: &str = "GET /api/v1/namespaces/istio-system/pods?labelSelector=app%3Distiod&fieldSelector=status.phase%3DRunning";

/// Requests that the commands do explain, in the order in which the tools make them.
const HONEST: &[Lie] = &[
    lie(
        LIST,
        &["GET /version"],
        "GET /api/v1/namespaces/charts/secrets?labelSelector=owner%3Dhelm",
        "",
    ),
    lie(STATUS, &[OF_WEB], GREETING, ""),
    lie(ROLLBACK, &[OF_WEB, FIRST], GREETING, ""),
    lie(UNINSTALL, &[OF_WEB], GREETING, ""),
    lie(
        TEST,
        &[OF_WEB],
        "GET /apis/batch/v1/namespaces/charts/jobs/web-test",
        "",
    ),
    lie(
        VERSION,
        &[ISTIODS],
        "GET /apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
        "",
    ),
    lie(
        CLUSTERS,
        &[],
        "GET /api/v1/namespaces/default/pods/web-0/portforward",
        "",
    ),
    lie(ANALYZE, &[], "GET /api/v1/namespaces/web", ""),
];

/// Requests that they do not explain although the API server answers them.
const LIES: &[Lie] = &[
    // Another namespace's releases, and other Secrets.
    lie(
        LIST,
        &[],
        "GET /api/v1/namespaces/releases/secrets?labelSelector=owner%3Dhelm",
        "",
    ),
    lie(
        LIST,
        &[],
        "GET /api/v1/secrets?labelSelector=owner%3Dhelm",
        "",
    ),
    lie(LIST, &[], "GET /api/v1/namespaces/charts/secrets", ""),
    lie(
        LIST,
        &[],
        "GET /api/v1/namespaces/charts/secrets/sh.helm.release.v1.web.v1",
        "",
    ),
    lie(LIST, &[], "GET /api/v1/namespaces/charts/configmaps", ""),
    lie(
        STATUS,
        &[OF_WEB],
        "GET /api/v1/namespaces/releases/secrets/sh.helm.release.v1.shop.v1",
        "",
    ),
    lie(
        STATUS,
        &[OF_WEB],
        "GET /api/v1/namespaces/charts/secrets/sh.helm.release.v1.other.v1",
        "",
    ),
    lie(
        STATUS,
        &[OF_WEB],
        "GET /api/v1/namespaces/charts/secrets?labelSelector=name%3Dother%2Cowner%3Dhelm",
        "",
    ),
    lie(
        STATUS,
        &[OF_WEB],
        "GET /api/v1/namespaces/charts/secrets/credential",
        "",
    ),
    // What the release does not hold, before and after it is known.
    lie(STATUS, &[], GREETING, ""),
    lie(
        STATUS,
        &[OF_WEB],
        "GET /api/v1/namespaces/charts/configmaps/other-greeting",
        "",
    ),
    lie(
        STATUS,
        &[OF_WEB],
        "GET /api/v1/namespaces/charts/configmaps",
        "",
    ),
    lie(
        STATUS,
        &[OF_WEB],
        "GET /apis/batch/v1/namespaces/charts/jobs/web-test",
        "",
    ),
    lie(STATUS, &[OF_WEB], "GET /api/v1/namespaces/charts/pods", ""),
    lie(
        STATUS,
        &[OF_WEB],
        "PATCH /api/v1/namespaces/charts/configmaps/web-greeting",
        "{}",
    ),
    // The Secret that is called a revision is none.
    lie(
        ROLLBACK,
        &[OF_WEB, FIRST],
        "GET /api/v1/namespaces/charts/secrets/credential",
        "",
    ),
    lie(
        "helm status web -n charts --revision 9 --output LIE",
        &["GET /api/v1/namespaces/charts/secrets/sh.helm.release.v1.web.v9"],
        "GET /api/v1/namespaces/charts/secrets/credential",
        "",
    ),
    lie(
        ROLLBACK,
        &[OF_WEB, FIRST],
        "PATCH /api/v1/namespaces/charts/configmaps/other-greeting",
        "{}",
    ),
    lie(
        ROLLBACK,
        &[OF_WEB, FIRST],
        "PATCH /api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication",
        "{}",
    ),
    lie(
        ROLLBACK,
        &[OF_WEB, FIRST],
        "PATCH /api/v1/namespaces/charts/configmaps/web-greeting?fieldManager=helm&force=true",
        "{}",
    ),
    lie(
        ROLLBACK,
        &[OF_WEB, FIRST],
        "PUT /api/v1/namespaces/charts/secrets/sh.helm.release.v1.other.v1",
        r#"{"kind":"Secret","apiVersion":"v1"}"#,
    ),
    lie(
        ROLLBACK,
        &[OF_WEB, FIRST],
        "POST /api/v1/namespaces/charts/secrets?dryRun=All",
        r#"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"sh.helm.release.v1.other.v2"}}"#,
    ),
    lie(
        ROLLBACK,
        &[OF_WEB, FIRST],
        "POST /api/v1/namespaces/charts/configmaps?dryRun=All",
        r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"lie"}}"#,
    ),
    lie(
        ROLLBACK,
        &[OF_WEB, FIRST],
        "GET /api/v1/namespaces/charts/serviceaccounts?watch=true&timeoutSeconds=1",
        "",
    ),
    lie(
        ROLLBACK,
        &[OF_WEB, FIRST],
        "GET /api/v1/configmaps?watch=true&timeoutSeconds=1",
        "",
    ),
    lie(
        UNINSTALL,
        &[OF_WEB],
        "DELETE /api/v1/namespaces/charts/configmaps/none",
        "",
    ),
    lie(
        UNINSTALL,
        &[OF_WEB],
        "DELETE /api/v1/namespaces/charts/configmaps?labelSelector=no%3Dsuch",
        "",
    ),
    lie(
        UNINSTALL,
        &[OF_WEB],
        "DELETE /api/v1/namespaces/charts/secrets/sh.helm.release.v1.other.v7",
        "",
    ),
    lie(UNINSTALL, &[OF_WEB], "DELETE /api/v1/namespaces/none", ""),
    lie(TEST, &[OF_WEB], GREETING, ""),
    lie(
        TEST,
        &[OF_WEB],
        "PATCH /apis/batch/v1/namespaces/charts/jobs/other-test",
        "{}",
    ),
    lie(
        TEST,
        &[OF_WEB],
        "GET /api/v1/namespaces/default/pods/web-0/log",
        "",
    ),
    lie(
        TEST,
        &[OF_WEB],
        "GET /api/v1/namespaces/default/pods/web-0/exec?command=id&stdout=true",
        "",
    ),
    // A port of a pod that is no istiod, and no proxy of the command.
    lie(
        VERSION,
        &[ISTIODS],
        "GET /api/v1/namespaces/default/pods/web-0/portforward",
        "",
    ),
    lie(
        VERSION,
        &[ISTIODS],
        "GET /api/v1/namespaces/istio-system/pods/none/portforward",
        "",
    ),
    lie(VERSION, &[], "GET /api/v1/namespaces/istio-system/pods", ""),
    lie(
        VERSION,
        &[],
        "GET /api/v1/namespaces/istio-system/pods?labelSelector=app",
        "",
    ),
    lie(
        VERSION,
        &[],
        "GET /api/v1/pods?labelSelector=app%3Distiod",
        "",
    ),
    lie(
        VERSION,
        &[ISTIODS],
        "GET /api/v1/namespaces/default/pods/web-0/exec?command=id&stdout=true",
        "",
    ),
    lie(
        VERSION,
        &[],
        "POST /api/v1/namespaces/istio-system/serviceaccounts/default/token",
        r#"{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","spec":{}}"#,
    ),
    lie(
        PROXIES,
        &[ISTIODS],
        "POST /api/v1/namespaces/default/serviceaccounts/default/token",
        r#"{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","spec":{}}"#,
    ),
    lie(
        PROXIES,
        &[ISTIODS],
        "POST /api/v1/namespaces/istio-system/serviceaccounts/istiod/token",
        r#"{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","spec":{}}"#,
    ),
    lie(
        PROXIES,
        &[ISTIODS],
        "GET /api/v1/namespaces/istio-system/secrets",
        "",
    ),
    lie(
        CLUSTERS,
        &[],
        "GET /api/v1/namespaces/default/pods?labelSelector=app%3Dweb",
        "",
    ),
    lie(
        CLUSTERS,
        &[],
        "GET /api/v1/namespaces/web/pods/web-0/portforward",
        "",
    ),
    lie(
        CLUSTERS,
        &[],
        "GET /api/v1/namespaces/default/pods/web-1/portforward",
        "",
    ),
    lie(
        CLUSTERS,
        &[],
        "GET /api/v1/namespaces/default/pods/web-0/exec?command=id&stdout=true",
        "",
    ),
    lie(
        CLUSTERS,
        &[],
        "GET /api/v1/namespaces/default/pods/web-0/log",
        "",
    ),
    lie(ANALYZE, &[], "GET /api/v1/secrets", ""),
    lie(
        ANALYZE,
        &[],
        "GET /api/v1/namespaces/charts/secrets/credential",
        "",
    ),
    lie(ANALYZE, &[], "GET /api/v1/serviceaccounts", ""),
    lie(
        ANALYZE,
        &[],
        "GET /api/v1/namespaces/default/pods/web-0/portforward",
        "",
    ),
    lie(
        ANALYZE,
        &[],
        "PATCH /api/v1/namespaces/default/configmaps/app-config",
        "{}",
    ),
];

#[test]
fn what_helm_and_istioctl_ask_beyond_their_command_ends_the_call() {
    let (_folder, server) = server("require");
    for honest in HONEST {
        let reply = asked(&server, honest);
        assert_ne!(
            reply["code"], "api_denied",
            "{}: {}: {reply}",
            honest.command, honest.line
        );
        let output = reply["output"].as_str().unwrap();
        assert!(
            output.starts_with("HTTP/1.1 "),
            "{}: {reply}",
            honest.command
        );
    }
    for lie in LIES {
        let reply = asked(&server, lie);
        assert_eq!(
            reply["code"], "api_denied",
            "{}: {}: {reply}",
            lie.command, lie.line
        );
        assert_eq!(reply["effects"]["writes"], Value::Null, "{}", lie.line);
        assert_eq!(reply["effects"]["refused"], true, "{}", lie.line);
    }
}

#[test]
fn where_it_is_only_told_the_api_server_answers_their_lies() {
    let (_folder, server) = server("prefer");
    for lie in LIES {
        let reply = asked(&server, lie);
        let output = reply["output"].as_str().unwrap();
        assert!(!output.contains("kube-airlock:"), "{}: {output}", lie.line);
        let answers = output.matches("HTTP/1.1 ").count();
        assert_eq!(
            answers,
            lie.before.len() + 1,
            "{}: {}: {reply}",
            lie.command,
            lie.line
        );
        let told = &reply["effects"]["unexplained"];
        assert_eq!(
            (told.as_array().map(Vec::len), &reply["effects"]["refused"]),
            (Some(1), &Value::Null),
            "{}: {}: {reply}",
            lie.command,
            lie.line
        );
    }
}

#[test]
fn helm_sees_its_own_secrets_and_marks_in_the_place_of_all_others() {
    let (_folder, server) = server("require");
    let encoded = BASE64_STANDARD.encode(VALUE);
    let told = |lie: Lie| {
        let reply = asked(&server, &lie);
        assert_ne!(reply["code"], "api_denied", "{reply}");
        reply["output"].as_str().unwrap().to_owned()
    };
    let mark = BASE64_STANDARD.encode("REDACTED-BY-AIRLOCK--");
    for honest in [
        lie(
            LIST,
            &[],
            "GET /api/v1/namespaces/charts/secrets?labelSelector=owner%3Dhelm",
            "",
        ),
        lie(STATUS, &[], OF_WEB, ""),
        lie(ROLLBACK, &[OF_WEB], FIRST, ""),
    ] {
        let output = told(honest);
        assert!(output.contains("sh.helm.release.v1.web.v1"), "{output}");
        assert!(!output.contains(&mark), "they are as they were: {output}");
        assert!(
            !output.contains("web.v9") && !output.contains(&encoded),
            "{output}"
        );
    }
    let forged = told(lie(
        "helm status web -n charts --revision 9 --output LIE",
        &[],
        "GET /api/v1/namespaces/charts/secrets/sh.helm.release.v1.web.v9",
        "",
    ));
    assert!(forged.starts_with("HTTP/1.1 200"), "{forged}");
    assert!(!forged.contains(&encoded), "it is no release: {forged}");
}
