//! Operators who say which clusters there are: no kubeconfigs of callers, no other servers.

use std::fs;

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::harness::{
    Relay, Server, base64_of, cluster, kubeconfig_of, only_the_servers, readable_folder, tools,
};

#[test]
fn where_callers_bring_no_kubeconfig_none_is_read_and_no_name_in_it_resolved() {
    let (_folder, server) = Server::with_settings("[kubeconfig]\nown = false\n");
    for kubeconfig in [
        base64_of(&cluster().view),
        kubeconfig_of("https://no-such-name.invalid"),
        "bm9uZQ==".to_owned(),
    ] {
        let refused = server.kubectl("get pods", &kubeconfig);
        assert_eq!(
            (refused.status, refused.text("code").as_str()),
            (400, "invalid_request"),
            "{}",
            refused.json()
        );
        assert!(
            refused.text("reason").contains("takes no kubeconfigs"),
            "{}",
            refused.json()
        );
    }
    // What needs no cluster runs.
    assert_eq!(server.kubectl("version --client", "").status, 200);
}

#[test]
fn servers_that_the_operator_does_not_list_are_refused_before_their_names_are_resolved() {
    let cluster = cluster();
    let listed = format!(
        "[egress]\nonly = [\"{}\", \"*.eks.example:443\"]\n",
        cluster.server
    );
    let (_folder, with_it) = Server::with_settings(&listed);
    let view = base64_of(&cluster.view);
    assert_eq!(with_it.kubectl("get pods", &view).status, 200);
    let (_folder, without) = Server::with_settings("[egress]\nonly = [\"10.0.0.0/8:6443\"]\n");
    for (server, kubeconfig) in [
        (&without, view),
        (&without, kubeconfig_of("https://10.1.2.3:443")),
        (&with_it, kubeconfig_of("https://no-such-name.invalid")),
        (&with_it, kubeconfig_of("https://a.eks.example:6443")),
        (&with_it, kubeconfig_of("https://eks.example.evil.invalid")),
    ] {
        let refused = server.kubectl("get pods", &kubeconfig);
        assert_eq!(
            (refused.status, refused.text("code").as_str()),
            (403, "egress_denied"),
            "{}",
            refused.json()
        );
        assert!(
            refused
                .text("reason")
                .contains("none of those that this server reaches"),
            "{}",
            refused.json()
        );
    }
}

/// The operator's name for a cluster is denied; each of these is that cluster by another name or
/// address, in a kubeconfig of the caller's.
#[test]
fn a_cluster_that_is_denied_by_its_name_is_denied_by_any_other_spelling() {
    let demo = cluster();
    let folder = readable_folder();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    only_the_servers(&file("prod", &fs::read_to_string(&demo.admin).unwrap()));
    let settings = file("airlock.toml", "[clusters.prod]\nkubeconfig = \"prod\"\n");
    let allows = "schema = 1\n[[rule]]\nid = \"look\"\neffect = \"allow\"\nreason = \"r\"\ntool = \"kubectl\"\nverbs = [\"get\"]\nresources = [\"pods\"]\nnamespaces = [\"default\"]\n";
    let denies = "[[rule]]\nid = \"not-prod\"\neffect = \"deny\"\nreason = \"r\"\ntool = \"kubectl\"\nverbs = [\"get\"]\nclusters = [\"prod\"]\n";
    let without = file("without.toml", allows);
    let with = file("with.toml", &format!("{allows}{denies}"));
    let (bin, relay) = (tools(), Relay::to(demo.server));
    let far = relay.address.ip().to_string();
    let text = fs::read_to_string(&demo.view).unwrap();
    let spelled = |host: &str| {
        let server = format!("https://{}", demo.server);
        let other = format!("https://{host}:{}", demo.server.port());
        BASE64_STANDARD.encode(text.replace(&server, &other))
    };
    let spellings = [
        base64_of(&demo.view),
        spelled("localhost"),
        spelled("LOCALHOST"),
        BASE64_STANDARD.encode(demo.at(&demo.view, relay.address)),
    ];
    for (policy, status) in [(&without, 200), (&with, 403)] {
        let flags = [
            "--tools-dir",
            bin.to_str().unwrap(),
            "--egress-allow",
            "127.0.0.1",
            "--egress-allow",
            &far,
            "--config",
            settings.to_str().unwrap(),
            "--policy",
            policy.to_str().unwrap(),
        ];
        let server = Server::with(&flags, None);
        for kubeconfig in &spellings {
            let told = server.kubectl("get pods", kubeconfig);
            assert_eq!(told.status, status, "{}", told.json());
            if status == 403 {
                assert_eq!(told.text("code"), "policy_denied");
                assert!(told.text("rule").starts_with("not-prod"), "{}", told.json());
            }
        }
    }
    assert!(
        relay.connections() > 0,
        "the control went through the relay"
    );
}
