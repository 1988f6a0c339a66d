//! Custom resources, by the names that people use, against a real API server: ten kinds of well-known operators,
//! two more that mean ill, and a server that lies.

use std::{
    fs, io,
    sync::{Arc, Mutex, OnceLock},
};

use serde_json::{Value, json};

use crate::{
    egress::api_server,
    harness::{Server, as_admin, base64_of, cluster, eventually, tools},
    pipes::looked,
    typed::{mcp, rest},
};

/// Plural, group, kind, short names, and whether they live in namespaces, as their operators have it.
const KINDS: [(&str, &str, &str, &[&str], bool); 12] = [
    (
        "certificates",
        "cert-manager.io",
        "Certificate",
        &["cert", "certs"],
        true,
    ),
    (
        "clusterissuers",
        "cert-manager.io",
        "ClusterIssuer",
        &["ciss"],
        false,
    ),
    (
        "servicemonitors",
        "monitoring.coreos.com",
        "ServiceMonitor",
        &["smon"],
        true,
    ),
    ("rollouts", "argoproj.io", "Rollout", &["ro"], true),
    (
        "kustomizations",
        "kustomize.toolkit.fluxcd.io",
        "Kustomization",
        &["ks"],
        true,
    ),
    ("scaledobjects", "keda.sh", "ScaledObject", &["so"], true),
    (
        "services",
        "serving.knative.dev",
        "Service",
        &["kservice", "ksvc"],
        true,
    ),
    ("kafkas", "kafka.strimzi.io", "Kafka", &["k"], true),
    ("clusters", "cluster.x-k8s.io", "Cluster", &["cl"], true),
    ("clusters", "postgresql.cnpg.io", "Cluster", &[], true),
    // What a CustomResourceDefinition may say of itself.
    (
        "sneaks",
        "evil.airlock.test",
        "Sneak",
        &["po", "all", "deploy", "cm"],
        true,
    ),
    ("secrets", "evil.airlock.test", "Secret", &["vault"], true),
];

/// Makes the kinds in the demo cluster, and one object of each; they stay until it ends.
fn kinds() {
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| {
        for (plural, group, kind, short, namespaced) in KINDS {
            let scope = if namespaced { "Namespaced" } else { "Cluster" };
            let schema = json!({"type": "object", "description": format!("what a {kind} is"), "x-kubernetes-preserve-unknown-fields": true});
            let definition = json!({
                "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": {"name": format!("{plural}.{group}")},
                "spec": {"group": group, "scope": scope,
                    "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind, "shortNames": short, "categories": ["all"]},
                    "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]},
            });
            assert!(as_admin(&["create", "-f", "-"], &definition.to_string()), "{plural}.{group}");
        }
        for (plural, group, kind, ..) in KINDS {
            let object = json!({"apiVersion": format!("{group}/v1"), "kind": kind,
                "metadata": {"name": format!("one-{plural}")}, "spec": {"size": 3}});
            eventually("it is served", || as_admin(&["apply", "-f", "-"], &object.to_string()));
        }
    });
}

/// A server under this policy, or `read-only`.
fn server(policy: Option<&str>) -> (Server, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut flags = vec![
        "--tools-dir".to_owned(),
        tools().to_str().unwrap().to_owned(),
        "--egress-allow".into(),
        "127.0.0.1".into(),
    ];
    if let Some(text) = policy {
        let file = folder.path().join("policy.toml");
        fs::write(&file, text).unwrap();
        fs::set_permissions(
            folder.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
        flags.extend(["--policy".into(), file.to_str().unwrap().to_owned()]);
    }
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    (Server::with(&flags, None), folder)
}

fn admin() -> Value {
    json!({ "kubeconfig": base64_of(&cluster().admin) })
}

/// The argv of the last call that was decided, without the tool and what it always gets.
fn argv(server: &Server) -> Vec<String> {
    let records = server.records();
    let decision = records
        .iter()
        .rev()
        .find(|record| record["event"] == "decision")
        .unwrap();
    let argv = decision["argv"].as_array().unwrap().iter();
    argv.skip(2)
        .map(|word| word.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn custom_resources_are_read_by_every_name_that_they_have_and_the_tool_gets_one() {
    kinds();
    let (server, _folder) = server(None);
    for (word, qualified) in [
        ("certificates", "certificates.v1.cert-manager.io"),
        ("Certificate", "certificates.v1.cert-manager.io"),
        ("certs", "certificates.v1.cert-manager.io"),
        (
            "certificates.cert-manager.io",
            "certificates.v1.cert-manager.io",
        ),
        ("cert.v1.cert-manager.io", "certificates.v1.cert-manager.io"),
        ("clusterissuer", "clusterissuers.v1.cert-manager.io"),
        (
            "servicemonitors",
            "servicemonitors.v1.monitoring.coreos.com",
        ),
        ("smon", "servicemonitors.v1.monitoring.coreos.com"),
        ("rollouts", "rollouts.v1.argoproj.io"),
        ("ro", "rollouts.v1.argoproj.io"),
        ("ks", "kustomizations.v1.kustomize.toolkit.fluxcd.io"),
        ("scaledobject", "scaledobjects.v1.keda.sh"),
        ("ksvc", "services.v1.serving.knative.dev"),
        (
            "services.serving.knative.dev",
            "services.v1.serving.knative.dev",
        ),
        ("kafka", "kafkas.v1.kafka.strimzi.io"),
        ("cl", "clusters.v1.cluster.x-k8s.io"),
        (
            "clusters.postgresql.cnpg.io",
            "clusters.v1.postgresql.cnpg.io",
        ),
    ] {
        for ask in [rest, mcp] {
            let told = ask(&server, &format!("get {word}"), &admin());
            assert_eq!(told["success"], true, "{word}: {told}");
            assert!(
                told["output"].as_str().unwrap().contains("one-"),
                "{word}: {told}"
            );
            assert_eq!(argv(&server), ["get", qualified], "{word}");
        }
    }
    let asked = server
        .records()
        .iter()
        .filter(|record| record["event"] == "lookup")
        .count();
    assert_eq!(
        asked, 1,
        "the cluster is asked once for the same caller with the same credentials"
    );
}

#[test]
fn a_custom_resource_is_described_explained_and_printed_whole_like_any_other() {
    kinds();
    let (server, _folder) = server(None);
    looked(&server);
    for (command, shown) in [
        ("get cert one-certificates -o json", "\"size\": 3"),
        (
            "get cert/one-certificates -o name",
            "certificate.cert-manager.io/one-certificates",
        ),
        ("get certificates,pods", "one-certificates"),
        (
            "get --raw /apis/cert-manager.io/v1/namespaces/default/certificates/one-certificates",
            "\"size\": 3",
        ),
        (
            "get --raw /apis/cert-manager.io/v1/clusterissuers",
            "one-clusterissuers",
        ),
        ("describe certificate one-certificates", "Size:  3"),
        ("get clusterissuers -o yaml", "size: 3"),
        ("explain certificate", "what a Certificate is"),
        (
            "explain certificates.cert-manager.io",
            "what a Certificate is",
        ),
        (
            "get smon -A -o jsonpath='{.items[*].metadata.name}'",
            "one-servicemonitors",
        ),
        (
            "wait --for=create smon/one-servicemonitors --timeout=5s",
            "one-servicemonitors",
        ),
        ("get certs --no-headers | grep -c one", "1"),
    ] {
        let told = rest(&server, command, &admin());
        assert_eq!(told["success"], true, "{command}: {told}");
        assert!(
            told["output"].as_str().unwrap().contains(shown),
            "{command}: {told}"
        );
    }
}

#[test]
fn a_word_that_two_groups_claim_is_refused_with_both_names() {
    kinds();
    let (server, _folder) = server(None);
    for word in ["clusters", "cluster", "Cluster"] {
        let told = rest(&server, &format!("get {word}"), &admin());
        assert_eq!(told["success"], false, "{told}");
        let hint = told["error"]["hint"]
            .as_str()
            .or(told["hint"].as_str())
            .unwrap_or_default();
        assert!(
            hint.contains("clusters.cluster.x-k8s.io")
                && hint.contains("clusters.postgresql.cnpg.io"),
            "{told}"
        );
        // The hint works.
        let told = rest(&server, "get clusters.postgresql.cnpg.io", &admin());
        assert_eq!(told["success"], true, "{told}");
    }
}

#[test]
fn a_custom_resource_that_takes_the_name_of_a_core_one_or_joins_all_changes_nothing() {
    kinds();
    let (server, _folder) = server(None);
    for (command, gets) in [
        ("get po", "pods.v1."),
        ("get deploy", "deployments.v1.apps"),
    ] {
        let told = rest(&server, command, &admin());
        assert_eq!(told["success"], true, "{command}: {told}");
        assert_eq!(argv(&server).last().unwrap(), gets, "{command}");
    }
    let all = rest(&server, "get all", &admin());
    assert_eq!(all["success"], true, "{all}");
    assert!(
        !argv(&server).last().unwrap().contains("evil"),
        "{:?}",
        argv(&server)
    );
    assert!(
        !all["output"].as_str().unwrap().contains("one-sneaks"),
        "{all}"
    );
    for command in [
        "get secret",
        "get secrets",
        "get vault",
        "get sneaks",
        "get secrets.evil.airlock.test",
        "describe secret one-secrets",
    ] {
        let told = rest(&server, command, &admin());
        assert_eq!(
            (told["success"].as_bool(), told["code"].as_str()),
            (Some(false), Some("policy_denied")),
            "{command}: {told}"
        );
    }
}

#[test]
fn what_the_policy_could_never_allow_asks_no_cluster() {
    kinds();
    let (server, _folder) = server(None);
    for command in [
        "delete certificates one-certificates",
        "label smon one-servicemonitors a=b",
        "get widgetz --raw=/x",
        "edit ro one-rollouts",
    ] {
        let told = rest(&server, command, &admin());
        assert_eq!(told["success"], false, "{command}: {told}");
    }
    assert!(
        server
            .records()
            .iter()
            .all(|record| record["event"] != "lookup"),
        "{:?}",
        server.records()
    );
    let told = rest(&server, "get certificatez", &admin());
    let text = told.to_string();
    assert!(
        text.contains("not a resource of this cluster")
            && text.contains("certificates")
            && text.contains("api-resources"),
        "{told}"
    );
}

#[test]
fn a_rule_about_a_custom_resource_holds_by_whatever_name_it_is_called() {
    kinds();
    let (server, _folder) = server(Some(
        r#"schema = 1
[[rule]]
id = "ours"
effect = "allow"
reason = "this test"
tool = "kubectl"
verbs = ["get", "delete", "label"]
resources = ["certificates.cert-manager.io", "rollouts.argoproj.io"]
flags = ["@plain", "--dry-run"]
[[rule]]
id = "no-issuers"
effect = "deny"
reason = "issuers are somebody else's"
tool = "kubectl"
verbs = ["*"]
resources = ["clusterissuers.cert-manager.io"]
"#,
    ));
    for command in [
        "get cert",
        "label certs one-certificates a=b",
        "get rollouts.v1.argoproj.io",
    ] {
        let told = rest(&server, command, &admin());
        assert_eq!(told["success"], true, "{command}: {told}");
    }
    for command in [
        "get ciss",
        "get clusterissuers.cert-manager.io",
        "get clusterissuer.v1.cert-manager.io",
        "get smon",
        "get cert,ciss",
    ] {
        let told = rest(&server, command, &admin());
        assert_eq!(told["code"], "policy_denied", "{command}: {told}");
    }
}

/// Certificates live in namespaces and ClusterIssuers do not, which only the cluster tells.
#[test]
fn a_group_in_some_namespaces_opens_no_cluster_wide_kind_of_it_unless_a_rule_names_that() {
    kinds();
    let rule = |id: &str, resource: &str| {
        format!(
            "[[rule]]\nid = \"{id}\"\neffect = \"allow\"\nreason = \"this test\"\ntool = \"kubectl\"\n\
             verbs = [\"get\", \"describe\"]\nresources = [\"{resource}\"]\nnamespaces = [\"default\"]\nflags = [\"@plain\"]\n"
        )
    };
    let group = format!("schema = 1\n{}", rule("team", "*.cert-manager.io"));
    let named = format!(
        "{group}{}",
        rule("issuers", "clusterissuers.cert-manager.io")
    );
    let cluster_wide = [
        "get clusterissuers",
        "get ciss -n default",
        "get clusterissuers.v1.cert-manager.io -n default",
        "describe ClusterIssuer one-clusterissuers",
        "get certificates,clusterissuers -n default",
    ];
    let (server, _folder) = server(Some(&group));
    let told = rest(&server, "get certificates -n default", &admin());
    assert_eq!(told["success"], true, "{told}");
    // No cluster is asked for these: no rule could allow them whatever it has.
    for command in ["get certificates -A", "get cert -n kube-system"] {
        let told = rest(&server, command, &admin());
        assert_eq!(told["success"], false, "{command}: {told}");
    }
    for command in cluster_wide {
        let told = rest(&server, command, &admin());
        assert_eq!(told["code"], "policy_denied", "{command}: {told}");
        let why = "clusterissuers.cert-manager.io is in no namespace";
        assert!(told.to_string().contains(why), "{command}: {told}");
    }
    let (server, _folder) = self::server(Some(&named));
    for command in &cluster_wide[..4] {
        let told = rest(&server, command, &admin());
        assert_eq!(told["success"], true, "{command}: {told}");
    }
}

#[test]
fn a_server_that_lies_turns_no_word_into_secrets() {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&asked);
    let kubeconfig = api_server(move |request, out: &mut dyn io::Write| {
        let path = request.split(' ').nth(1).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default().to_owned();
        let resource = |name: &str, short: &str, kind: &str| {
            json!({"name": name, "singularName": short, "namespaced": true, "kind": kind,
            "verbs": ["get", "list"], "shortNames": [short, "pods", "all"], "categories": ["all"]})
        };
        let version = |group: &str| json!({"groupVersion": format!("{group}/v1"), "version": "v1"});
        let group = |name: &str| json!({"name": name, "versions": [version(name)], "preferredVersion": version(name)});
        let (status, body) = match path.as_str() {
            "/api" => (200, json!({"kind": "APIVersions", "versions": ["v1"]})),
            "/apis" => (
                200,
                json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [group("evil.example.com"), group("keda.sh"), group("apps")]}),
            ),
            "/api/v1" => (
                200,
                json!({"kind": "APIResourceList", "groupVersion": "v1", "resources": [resource("secrets", "vault", "ScaledObject"), resource("pods", "secret", "Secret")]}),
            ),
            "/apis/apps/v1" => (
                200,
                json!({"kind": "APIResourceList", "groupVersion": "apps/v1", "resources": [resource("deployments", "vault", "Vault")]}),
            ),
            "/apis/keda.sh/v1" => (
                200,
                json!({"kind": "APIResourceList", "groupVersion": "keda.sh/v1", "resources": [resource("scaledobjects", "so", "Secret"), resource("../../api/v1/secrets", "so2", "X")]}),
            ),
            "/apis/evil.example.com/v1" => (
                200,
                json!({"kind": "APIResourceList", "groupVersion": "evil.example.com/v1", "resources": [resource("secrets", "safe", "Safe")]}),
            ),
            _ => (
                404,
                json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}),
            ),
        };
        seen.lock().unwrap().push(path);
        let body = body.to_string();
        write!(
            out,
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    });
    let (server, _folder) = server(None);
    let fields = json!({ "kubeconfig": kubeconfig });
    for word in [
        "vault",
        "safe",
        "so2",
        "secret",
        "secrets",
        "so",
        "scaledobjects",
    ] {
        let told = rest(&server, &format!("get {word}"), &fields);
        assert_eq!(told["success"], false, "{word}: {told}");
    }
    assert_eq!(argv(&server), ["get", "scaledobjects.v1.keda.sh"]);
    let asked = asked.lock().unwrap();
    assert!(
        asked.iter().any(|path| path == "/apis/keda.sh/v1"),
        "it was asked what it has: {asked:?}"
    );
    assert!(
        asked.iter().all(|path| !path.contains("secrets")),
        "{asked:?}"
    );
}
