//! What an API server has is found once for each caller and its credentials, and then known for a
//! while.

use std::fs;

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{
    callers::token,
    harness::{Relay, Server, as_admin, cluster, eventually, public_tools},
};

const READS: &str = r#"schema = 1
[[rule]]
id = "reads"
effect = "allow"
reason = "this test"
tool = "kubectl"
verbs = ["get", "api-resources"]
flags = ["@plain"]
"#;

const GADGETS: &str = r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"gadgets.airlock.test"},
"spec":{"group":"airlock.test","scope":"Namespaced","names":{"plural":"gadgets","singular":"gadget","kind":"Gadget","shortNames":["gdg"]},
"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}}]}}"#;

/// Two callers of one server; the first one's kubeconfig, and another for the same cluster.
struct Bed {
    server: Server,
    relay: Relay,
    callers: [String; 2],
    kubeconfig: String,
    _folder: tempfile::TempDir,
}

impl Bed {
    fn new(settings: &str) -> Self {
        let relay = Relay::to(cluster().server);
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(
            folder.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
        let [(one, of_one), (two, of_two)] = [token("one", &[]), token("two", &[])];
        let (policy, config) = (
            folder.path().join("policy.toml"),
            folder.path().join("airlock.toml"),
        );
        fs::write(&policy, READS).unwrap();
        let text = format!(
            "policy = [{policy:?}]\n[kubeconfig]\nallow_tls_server_name = true\n{of_one}\n{of_two}\n{settings}"
        );
        fs::write(&config, text).unwrap();
        let (tools, allowed) = (public_tools().to_str().unwrap(), relay.address.to_string());
        let flags = [
            "--config",
            config.to_str().unwrap(),
            "--tools-dir",
            tools,
            "--egress-allow",
            &allowed,
        ];
        let server = Server::with(&flags, None);
        let kubeconfig = cluster().admin_at(relay.address);
        Self {
            server,
            relay,
            callers: [one, two],
            kubeconfig,
            _folder: folder,
        }
    }

    /// What a call prints, and how many bytes the API server answered with, once a tool waits for
    /// it.
    fn call(&self, caller: usize, kubeconfig: &str, command: &str) -> (String, usize) {
        let (authorization, kubeconfig) = (
            format!("Bearer {}", self.callers[caller]),
            BASE64_STANDARD.encode(kubeconfig),
        );
        let headers = [
            ("Content-Type", "application/json"),
            ("Authorization", &authorization),
            ("X-Kubeconfig", &kubeconfig),
        ];
        let before = self.relay.answered();
        let reply = self.server.send(
            "POST",
            "/tools/kubectl",
            &headers,
            serde_json::json!({ "command": command })
                .to_string()
                .as_bytes(),
        );
        assert_eq!(reply.json()["success"], true, "{command}: {}", reply.json());
        self.server.keeps_waiting(2);
        (reply.text("output"), self.relay.answered() - before)
    }
}

#[test]
fn the_next_call_with_the_same_credentials_need_not_ask_what_there_is() {
    let bed = Bed::new("");
    let get = |caller: usize, kubeconfig: &str| bed.call(caller, kubeconfig, "get pods").1;
    let cold = get(0, &bed.kubeconfig);
    let finds = get(0, &bed.kubeconfig);
    let (same, knows) = bed.call(0, &bed.kubeconfig, "get pods");
    println!("the server answered with {cold} bytes, {finds}, {knows}");
    assert!(same.contains("web-0"), "{same}");
    assert!(knows * 2 < finds, "{cold}, {finds}, {knows}");
    // Another caller with the same, and the same caller with another.
    assert!(get(1, &bed.kubeconfig) * 10 > finds * 9);
    assert!(get(0, &cluster().at(&cluster().view, bed.relay.address)) * 10 > finds * 9);
    assert!(
        get(0, &format!("# the same\n{}", bed.kubeconfig)) * 2 < finds,
        "the tool is given the same"
    );
    let metrics = bed.server.get("/metrics").body;
    let metrics = String::from_utf8_lossy(&metrics);
    assert!(
        metrics.contains(r#"airlock_discovery_total{found="kept"} 2"#)
            && metrics.contains(r#"airlock_discovery_total{found="new"} 3"#)
    );
}

#[test]
fn what_came_to_be_since_is_found() {
    let bed = Bed::new("");
    for _ in 0..2 {
        bed.call(0, &bed.kubeconfig, "get pods");
    }
    let _gadgets = Gadgets::make();
    bed.call(0, &bed.kubeconfig, "get gadgets.v1.airlock.test");
    let (listed, finds) = bed.call(0, &bed.kubeconfig, "api-resources");
    let (_, knows) = bed.call(0, &bed.kubeconfig, "get gadgets.v1.airlock.test");
    assert!(listed.contains("gadgets"), "{listed}");
    assert!(knows * 2 < finds, "{knows} of {finds}");
}

/// A kind of objects that the cluster has until this is dropped.
struct Gadgets;

impl Gadgets {
    fn make() -> Self {
        assert!(as_admin(&["create", "-f", "-"], GADGETS));
        eventually("it is served", || {
            as_admin(&["get", "gadgets.v1.airlock.test"], "")
        });
        Self
    }
}

impl Drop for Gadgets {
    fn drop(&mut self) {
        as_admin(&["delete", "crd", "gadgets.airlock.test"], "");
    }
}

#[test]
fn the_operator_says_for_how_long() {
    for settings in [
        "[warm]\ndiscovery = \"0\"\n",
        "[warm]\ndiscovery = \"1ms\"\n",
    ] {
        let bed = Bed::new(settings);
        let [_, finds, again] = [(); 3].map(|()| bed.call(0, &bed.kubeconfig, "get pods").1);
        assert!(again * 10 > finds * 9, "{settings}: {finds}, {again}");
        let metrics = String::from_utf8(bed.server.get("/metrics").body).unwrap();
        let asked = metrics
            .lines()
            .filter(|line| line.starts_with("airlock_discovery_total") && !line.ends_with(" 0"))
            .collect::<Vec<_>>();
        let expected: &[&str] = if settings.contains("\"0\"") {
            &[]
        } else {
            &[r#"airlock_discovery_total{found="new"} 2"#]
        };
        assert_eq!(asked, expected, "{settings}");
    }
}
