//! Operators who say which clusters there are: no kubeconfigs of callers, no other servers.

use crate::harness::{Server, base64_of, cluster, kubeconfig_of};

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
