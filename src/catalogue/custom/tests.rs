use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn row(name: &str, group: &str, kind: &str, short: &[&str]) -> Value {
    json!({"name": name, "singularName": kind.to_lowercase(), "namespaced": true, "group": group,
        "version": "v1", "kind": kind, "verbs": ["get"], "shortNames": short, "categories": ["all"]})
}

fn read(rows: &[Value]) -> CustomResources {
    let list = json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "", "resources": rows});
    CustomResources::read(list.to_string().as_bytes()).unwrap()
}

/// The canonical names of what a word means.
fn meant(cluster: &CustomResources, token: &str) -> Vec<String> {
    match cluster.meaning(token) {
        WordMeaning::Nothing => Vec::new(),
        WordMeaning::One(one) => vec![one.canonical()],
        WordMeaning::Several(names) => names,
    }
}

#[test]
fn every_name_of_a_custom_resource_is_that_resource() {
    let cluster = read(&[
        row(
            "certificates",
            "cert-manager.io",
            "Certificate",
            &["cert", "certs"],
        ),
        row("clusterissuers", "cert-manager.io", "ClusterIssuer", &[]),
    ]);
    for token in [
        "certificates",
        "certificate",
        "Certificate",
        "CERT",
        "certs",
        "certificates.cert-manager.io",
        "cert.cert-manager.io",
        "certificates.v1.cert-manager.io",
        "certificates.v1alpha2.cert-manager.io",
    ] {
        assert_eq!(
            meant(&cluster, token),
            ["certificates.cert-manager.io"],
            "{token}"
        );
    }
    for token in [
        "certificatez",
        "certificates.io",
        "certificates.x.cert-manager.io",
        "certificates.",
        "",
    ] {
        assert_eq!(cluster.meaning(token), WordMeaning::Nothing, "{token}");
    }
    let WordMeaning::One(one) = cluster.meaning("cert") else {
        panic!()
    };
    assert_eq!(one.qualified("cert"), "certificates.v1.cert-manager.io");
    assert_eq!(
        one.qualified("cert.cert-manager.io"),
        "certificates.v1.cert-manager.io"
    );
    assert_eq!(
        one.qualified("Cert.V1beta1.cert-manager.io"),
        "certificates.v1beta1.cert-manager.io"
    );
    assert_eq!(cluster.nearest("certificatse"), Some("certificates".into()));
    assert_eq!(
        cluster.nearest("deploymnets.apps"),
        Some("deployments".into())
    );
    assert_eq!(cluster.nearest("podss"), Some("pods".into()));
}

#[test]
fn a_word_that_two_claim_is_neither() {
    let cluster = read(&[
        row("clusters", "cluster.x-k8s.io", "Cluster", &["cl"]),
        row("clusters", "postgresql.cnpg.io", "Cluster", &[]),
        row("clocks", "time.example.com", "Clock", &["cl"]),
    ]);
    let both = ["clusters.cluster.x-k8s.io", "clusters.postgresql.cnpg.io"];
    assert_eq!(meant(&cluster, "cluster"), both);
    assert_eq!(meant(&cluster, "clusters.postgresql.cnpg.io"), both[1..]);
    assert_eq!(meant(&cluster, "cl").len(), 2);
}

#[test]
fn a_word_of_the_table_stays_what_it_is_there() {
    let rows = [
        row(
            "sneaky",
            "evil.example.com",
            "Pod",
            &["po", "all", "gateways", "deploy"],
        ),
        row("secrets", "evil.example.com", "Secret", &["secret"]),
    ];
    let cluster = read(&rows);
    for token in [
        "pod",
        "po",
        "secrets",
        "Secret",
        "all",
        "ALL",
        "gateways",
        "deploy",
        "pods.v1.",
        "secrets.v1.",
    ] {
        assert_eq!(cluster.meaning(token), WordMeaning::Nothing, "{token}");
    }
    assert_eq!(meant(&cluster, "sneaky"), ["sneaky.evil.example.com"]);
    assert_eq!(
        meant(&cluster, "secrets.evil.example.com"),
        ["secrets.evil.example.com"]
    );
}

#[test]
fn what_is_of_the_api_server_is_no_custom_resource_whatever_it_says() {
    for group in [
        "",
        "apps",
        "batch",
        "rbac.authorization.k8s.io",
        "authentication.k8s.io",
        "foo",
        "A.b",
        "a..b",
        "-a.b",
        "a.b/c",
    ] {
        assert!(
            read(&[row("widgets", group, "Widget", &["w"])]).is_empty(),
            "{group}"
        );
    }
    // The table holds a part of these groups: others may be there, by other names.
    let cluster = read(&[
        row("rollouts", "argoproj.io", "Rollout", &["ro"]),
        row("tokens", "argoproj.io", "Application", &[]),
        row("virtualservices", "networking.istio.io", "Other", &[]),
        row("tlsroutes", "gateway.networking.k8s.io", "TLSRoute", &[]),
    ]);
    assert_eq!(meant(&cluster, "ro"), ["rollouts.argoproj.io"]);
    assert_eq!(
        meant(&cluster, "rollouts.v1alpha1.argoproj.io"),
        ["rollouts.argoproj.io"]
    );
    assert_eq!(cluster.len(), 2);
}

#[test]
fn what_no_honest_server_says_is_left_out_or_refused() {
    for odd in [
        "Widgets",
        "widgets/status",
        "wid gets",
        "w\u{212a}",
        "",
        "-w",
        &"w".repeat(64),
    ] {
        assert!(
            read(&[row(odd, "example.com", "Widget", &[])]).is_empty(),
            "{odd}"
        );
    }
    let mut stable = row("widgets", "example.com", "Widget", &[]);
    stable["version"] = "stable".into();
    assert!(
        read(&[stable]).is_empty(),
        "`widgets.stable.example.com` has two readings"
    );
    let short: Vec<String> = (0..20).map(|number| format!("w{number}")).collect();
    let short: Vec<&str> = short.iter().map(String::as_str).collect();
    let cluster = read(&[
        row("widgets", "example.com", "Widget", &short),
        row("x", "example.com", "X", &["a b"]),
    ]);
    assert_eq!(meant(&cluster, "w15"), ["widgets.example.com"]);
    assert_eq!(
        (meant(&cluster, "w16"), meant(&cluster, "a b")),
        (vec![], vec![])
    );
    for (text, error) in [
        (String::new(), DiscoveryError::Form),
        ("NAME SHORTNAMES".into(), DiscoveryError::Form),
        (
            json!({"resources": [{"name": 1}]}).to_string(),
            DiscoveryError::Form,
        ),
        (" ".repeat(LONGEST_DISCOVERY + 1), DiscoveryError::Length),
    ] {
        assert_eq!(CustomResources::read(text.as_bytes()), Err(error));
    }
    let many: Vec<Value> = (0..=MOST)
        .map(|number| json!({"name": format!("w{number}"), "namespaced": true, "kind": "W", "group": "a.b", "version": "v1"}))
        .collect();
    let text = json!({ "resources": many }).to_string();
    assert_eq!(
        CustomResources::read(text.as_bytes()),
        Err(DiscoveryError::Number)
    );
}

#[test]
fn names_alone_stand_for_a_cluster_that_has_them_in_no_version() {
    let cluster = CustomResources::named([
        "policies.kyverno.io",
        "certificates.cert-manager.io",
        "clusters.cluster.x-k8s.io",
        "clusters.postgresql.cnpg.io",
        "pods",
        "deployments.apps",
        "gateways.networking.istio.io",
    ]);
    assert_eq!(cluster.len(), 4, "none of the table");
    for (token, qualified) in [
        ("policy", "policies.kyverno.io"),
        ("Certificate", "certificates.cert-manager.io"),
        (
            "certificates.v1.cert-manager.io",
            "certificates.v1.cert-manager.io",
        ),
        ("cluster.cluster.x-k8s.io", "clusters.cluster.x-k8s.io"),
    ] {
        let WordMeaning::One(one) = cluster.meaning(token) else {
            panic!("{token}");
        };
        assert_eq!(one.qualified(token), qualified);
    }
    assert!(matches!(
        cluster.meaning("clusters"),
        WordMeaning::Several(_)
    ));
    assert_eq!(cluster.meaning("cert"), WordMeaning::Nothing);
}

proptest! {
    #[test]
    fn whatever_a_server_says_no_word_becomes_one_of_the_table(
        rows in prop::collection::vec(("[a-z]{1,3}|pods|secrets|secret|all", "(apps|a\\.b|argoproj\\.io||x\\.k8s\\.io)", "[A-Z][a-z]{0,3}|Secret|Pod", prop::collection::vec("[a-z]{1,2}|po|secret|cm", 0..3)), 0..8),
        token in "[a-z]{1,3}|pods|po|secret|secrets|cm|all|secrets\\.v1\\.|pods\\.apps|[a-z]{1,2}\\.a\\.b",
    ) {
        let rows: Vec<Value> = rows.iter().map(|(name, group, kind, short)| {
            row(name, group, kind, &short.iter().map(String::as_str).collect::<Vec<_>>())
        }).collect();
        let cluster = read(&rows);
        for canonical in meant(&cluster, &token) {
            prop_assert!(!resource::holds(&token), "{token} is {canonical}");
            prop_assert!(!resource::is_canonical(&canonical), "{token} is {canonical}");
        }
    }
}
