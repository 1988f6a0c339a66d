//! What other tests build on: the servers beside the demo cluster, asked by the bare tools.

use std::{
    fs,
    process::Command,
    sync::{Mutex, PoisonError},
};

use crate::harness::{argocd, istio, tools};

/// What Argo CD answers the agent's account, and words of each answer.
pub const ARGOCD_ANSWERS: [(&str, &str); 12] = [
    ("account get-user-info", "Username: agent"),
    ("app list -o name", "argocd/shop"),
    ("app get shop", "Synced to main"),
    ("app history shop", "main ("),
    ("app manifests shop", "shop-config"),
    ("app resources shop", "Deployment"),
    ("app logs shop --tail 1", "GET"),
    ("proj list", "default"),
    ("cluster list", "in-cluster"),
    ("repo list", "Successful"),
    ("version --short", "argocd-server: v3.6.1"),
    ("app sync shop", "successfully synced"),
];

/// Argo CD runs one operation of an application at a time: whoever syncs `shop` holds this.
pub static SYNCS: Mutex<()> = Mutex::new(());

#[test]
fn the_bare_argocd_reads_and_syncs_and_may_not_delete() {
    let _turn = SYNCS.lock().unwrap_or_else(PoisonError::into_inner);
    for (command, expected) in [("app diff shop", "")].into_iter().chain(ARGOCD_ANSWERS) {
        let (succeeded, output) = bare_argocd(command);
        assert!(
            succeeded && output.contains(expected),
            "{command}: {output}"
        );
    }
    let (succeeded, output) = bare_argocd("app delete shop --yes");
    assert!(
        !succeeded && output.contains("PermissionDenied"),
        "{output}"
    );
}

/// What istioctl answers about a mesh, and words of each answer.
pub const ISTIOCTL_ANSWERS: [(&str, &str); 18] = [
    ("version", "control plane version: 1.31.0"),
    ("version -o json", "\"meshVersion\""),
    ("proxy-status", "SUBSCRIBED TYPES"),
    ("x precheck", "No issues found"),
    ("analyze -A", "IST0102"),
    ("tag list", "default"),
    ("remote-clusters", "Kubernetes"),
    ("x internal-debug syncz", "istio_version"),
    ("admin log", "ads"),
    (
        "proxy-config bootstrap web-0",
        "\"sidecar~10.0.0.7~web-0.default~default.svc.cluster.local\"",
    ),
    (
        "proxy-config clusters web-0.default",
        "web.default.svc.cluster.local",
    ),
    ("proxy-config listeners web-0", "MATCH DESTINATION"),
    (
        "proxy-config routes web-0 -o json",
        "web.default.svc.cluster.local:80",
    ),
    ("proxy-config endpoints web-0", "10.0.0.7:8080"),
    ("proxy-config log web-0", "http: warning"),
    ("x authz check web-0", "RULES"),
    ("x describe pod web-0", "Pod: web-0"),
    ("x envoy-stats web-0", "server.live"),
];

#[test]
fn the_bare_istioctl_reaches_istiod_through_its_pod() {
    for (command, expected) in ISTIOCTL_ANSWERS {
        let (succeeded, output) = bare_istioctl(command);
        assert!(
            succeeded && output.contains(expected),
            "{command}: {output}"
        );
    }
}

/// argocd as its user would call it; whether it succeeded, and all that it wrote.
fn bare_argocd(command: &str) -> (bool, String) {
    let home = tempfile::tempdir().unwrap();
    let ca = home.path().join("ca.crt");
    fs::write(&ca, &argocd().ca).unwrap();
    let mut argocd_command = Command::new(tools().join("argocd"));
    argocd_command
        .args(command.split(' '))
        .env_clear()
        .env("HOME", home.path())
        .env("ARGOCD_SERVER", argocd().server.to_string())
        .env("ARGOCD_AUTH_TOKEN", &argocd().token)
        .env("SSL_CERT_FILE", &ca);
    outcome(argocd_command)
}

/// The same for istioctl.
fn bare_istioctl(command: &str) -> (bool, String) {
    let home = tempfile::tempdir().unwrap();
    let mut istioctl = Command::new(tools().join("istioctl"));
    istioctl
        .args(command.split(' '))
        .env_clear()
        .env("HOME", home.path())
        .env("KUBECONFIG", &istio().admin);
    outcome(istioctl)
}

fn outcome(mut command: Command) -> (bool, String) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}
