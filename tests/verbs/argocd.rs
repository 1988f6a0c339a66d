//! argocd: the Application of the demo cluster, and one that these rows make and remove.

use crate::{Row, does, exits, fails, refused, same};

pub fn rows() -> Vec<Row> {
    [reads(), deploys(), projects(), refusals()]
        .into_iter()
        .flatten()
        .collect()
}

fn reads() -> Vec<Row> {
    vec![
        same("app list", "argocd/shop"),
        same("app list -o name -p default", "argocd/shop"),
        same("app list -o json", "\"shop\""),
        same("app get shop", "Synced to main"),
        same("app get shop -o json", "\"shop\""),
        same("app get shop --show-operation --refresh", "Operation:"),
        same("app history shop", "main ("),
        same("app history shop -o id", "0"),
        same("app manifests shop", "shop-config"),
        same("app manifests shop --source live", "shop-config"),
        same("app resources shop", "Deployment"),
        does(
            "app get-resource shop --kind Deployment",
            "Resources 'shop' fetched",
        ),
        same("app logs shop --tail 2", "GET"),
        does("app actions list shop --kind Deployment", "restart"),
        same("app wait shop --timeout 20", "Synced"),
        same("app diff shop", ""),
        fails("app get nosuch", 20, "PermissionDenied"),
        same("proj list", "default"),
        same("proj get default", "Destinations:"),
        same("proj get default -o json", "\"default\""),
        same("proj role list default", "ROLE-NAME"),
        same("proj windows list default", "SCHEDULE"),
        same("repo list", "Successful"),
        same("repo get {repo}", "Successful"),
        same("repocreds list", "URL PATTERN"),
        same("cluster list", "in-cluster"),
        same("cluster get in-cluster", "kubernetes.default.svc"),
        same("appset list", "NAME"),
        same("account list", "agent"),
        same("account get", "apiKey"),
        same("account get-user-info", "Username: agent"),
        same("account can-i sync applications 'default/*'", "yes"),
        same("cert list", "HOSTNAME"),
        same("gpg list", "KEYID"),
        same("version", "argocd-server: v3.6.1"),
        same("version --short", "argocd-server: v3.6.1"),
        same("version --client", "argocd: v3.6.1"),
        does("completion bash", "bash completion"),
        does("account bcrypt --password x", "$2a$"),
        does("app list --help", "Usage:"),
    ]
}

fn deploys() -> Vec<Row> {
    vec![
        does(
            "app create {ns} --repo {repo} --path shop --dest-namespace {ns} --dest-server https://kubernetes.default.svc --project default",
            "created",
        ),
        does("app get {ns}", "OutOfSync"),
        does("app sync {ns} --timeout 25", "successfully synced"),
        does("app wait {ns} --timeout 55", "Healthy"),
        does("app set {ns} --directory-recurse", ""),
        does("app sync {ns} --timeout 25", "successfully synced"),
        same("app history {ns}", "REVISION"),
        does("app rollback {ns} 0 --timeout 25", "Synced"),
        does(
            r#"app patch {ns} --patch '{"spec":{"source":{"targetRevision":"main"}}}' --type merge"#,
            "targetRevision: main",
        ),
        does(
            r#"app patch-resource {ns} --kind ConfigMap --resource-name shop-config --patch '{"metadata":{"labels":{"x":"y"}}}' --patch-type application/merge-patch+json"#,
            "patched",
        ),
        does(
            r#"app patch-resource {ns} --kind ConfigMap --resource-name shop-config --patch '{"data":{"CURRENCY":"USD"}}' --patch-type application/merge-patch+json"#,
            "patched",
        ),
        // It runs a helper, on files that it writes.
        exits(
            "app diff {ns} --hard-refresh",
            1,
            "-  CURRENCY: USD\n+  CURRENCY: EUR\n",
        ),
        does("app sync {ns} --async", ""),
        does("app wait {ns} --sync --timeout 55", "Synced"),
        same("app diff {ns}", ""),
        refused("app diff {ns} --grpc-web", "tool_unavailable", "gRPC-web"),
        does("app actions run {ns} restart --kind Deployment", ""),
        does("app sync {ns} --prune --dry-run", "Synced"),
        does("app sync {ns} --async", ""),
        does("app wait {ns} --timeout 55", "Healthy"),
        fails("app terminate-op {ns}", 20, "No operation is in progress"),
        does("app unset {ns} --plugin-env X", ""),
        does(
            "app delete-resource {ns} --kind ConfigMap --resource-name shop-config",
            "deleted",
        ),
        does("app delete {ns} --yes", "deleted"),
        does("app sync shop --timeout 25", "successfully synced"),
    ]
}

fn projects() -> Vec<Row> {
    vec![
        does(
            "proj create {ns} -d https://kubernetes.default.svc,shop -s {repo}",
            "",
        ),
        same("proj get {ns}", "kubernetes.default.svc,shop"),
        does(
            "proj add-destination {ns} https://kubernetes.default.svc other",
            "",
        ),
        does(
            "proj remove-destination {ns} https://kubernetes.default.svc other",
            "",
        ),
        does("proj add-source {ns} https://git.example.com/x", ""),
        does("proj role create {ns} dev", "created"),
        does("proj role add-policy {ns} dev -a get -p allow -o '*'", ""),
        same("proj role get {ns} dev", "Role Name:"),
        does("proj role create-token {ns} dev", "Create token succeeded"),
        does(
            "proj windows add {ns} --kind allow --schedule '0 1 * * *' --duration 1h --applications '*'",
            "",
        ),
        same("proj windows list {ns}", "0 1 * * *"),
        does("proj delete {ns}", ""),
        does("repo add {repo} --upsert --type git", "added"),
        does("cluster set in-cluster --label a=b", "updated"),
        does("account generate-token --account agent", "[REDACTED]"),
    ]
}

fn refusals() -> Vec<Row> {
    vec![
        refused("app edit shop", "policy_denied", "opens an editor"),
        refused("login example.com", "policy_denied", "never allowed"),
        refused("context", "policy_denied", "never allowed"),
        refused("admin export", "policy_denied", "never allowed"),
        refused("account update-password", "policy_denied", "never allowed"),
        refused("app list --core", "policy_denied", "never allowed"),
        refused(
            "app list --server=example.com",
            "policy_denied",
            "never allowed",
        ),
        refused("app list --insecure", "policy_denied", "never allowed"),
        refused(
            "appset create https://example.com/x.yaml",
            "policy_denied",
            "never allowed",
        ),
        refused(
            "app manifests shop --local /etc",
            "policy_denied",
            "never allowed",
        ),
    ]
}
