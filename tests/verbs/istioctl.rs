//! istioctl: what it asks the cluster, and what it asks istiod and proxies by a port of its own.

use crate::{Row, does, fails, refused, same};

pub fn rows() -> Vec<Row> {
    let mut rows = vec![
        same("analyze -n web", "IST0102"),
        same("analyze -A", "IST0102"),
        same("analyze -n web -o json", "IST0102"),
        same("analyze --list-analyzers", "annotations.K8sAnalyzer"),
        same("version --remote=false", "1.31.0"),
        same("version --remote=false -o json", "1.31.0"),
        same("tag list", "default"),
        same("tag list -o json", "default"),
        fails(
            "tag remove nosuch --skip-confirmation",
            1,
            "cannot find MutatingWebhookConfiguration",
        ),
        same("x check-inject -n web deploy/web", ""),
        same("x injector list", ""),
        same("x precheck", "No issues found"),
        same("x config list", "authority"),
        same(
            "x workload group create --name x --namespace web",
            "kind: WorkloadGroup",
        ),
        same("manifest generate --set profile=empty", ""),
        does(
            "manifest generate --set profile=minimal",
            "kind: CustomResourceDefinition",
        ),
        refused("validate -f -", "invalid_data", "brings none"),
        same("waypoint generate -n web", "istio-waypoint"),
        // The fixture has no Gateway API.
        fails(
            "waypoint list -n web",
            1,
            "gateways.gateway.networking.k8s.io",
        ),
        fails(
            "waypoint apply -n web --wait=false",
            1,
            "missing Kubernetes Gateway CRDs",
        ),
        same("completion bash", "bash completion"),
        same("help analyze", "Analyze Istio configuration"),
        same("proxy-status --help", "Usage:"),
        refused("dashboard kiali", "policy_denied", "never allowed"),
        refused("bug-report", "policy_denied", "never allowed"),
        refused("create-remote-secret", "policy_denied", "never allowed"),
        refused("kube-inject -f -", "policy_denied", "never allowed"),
    ];
    rows.extend(port_forwards());
    rows
}

/// What goes through a port of istioctl's own. The fixture has no Envoy: what it answers on port
/// 15000 of its pods is written by hand.
fn port_forwards() -> Vec<Row> {
    vec![
        same("version", "control plane version: 1.31.0"),
        same("x version", "control plane version: 1.31.0"),
        same("remote-clusters", "Kubernetes"),
        same("proxy-status", "SUBSCRIBED TYPES"),
        same("x proxy-status", "SUBSCRIBED TYPES"),
        does("x internal-debug syncz", "istio_version"),
        same(
            "x describe service web -n web",
            "no container \"istio-proxy\"",
        ),
        same("x describe pod web-0", "Pod: web-0"),
        same("x authz check web-0", "RULES"),
        same("x envoy-stats web-0", "server.live"),
        same("proxy-config bootstrap web-0", "sidecar~10.0.0.7~web-0"),
        same(
            "proxy-config cluster web-0",
            "web.default.svc.cluster.local",
        ),
        same("proxy-config listener web-0", "MATCH DESTINATION"),
        same("proxy-config route web-0", "web.default.svc.cluster.local"),
        same("proxy-config endpoint web-0", "10.0.0.7:8080"),
        same("proxy-config log web-0", "http: warning"),
        same("admin log", "ads"),
        fails("x metrics web", 1, "no Prometheus pods found"),
        fails("ztunnel-config workload", 1, "\"ztunnel\" not found"),
        does(
            "uninstall --purge --dry-run --skip-confirmation",
            "All Istio resources will be pruned",
        ),
    ]
}
