//! What no policy file can allow: other credentials, other endpoints, local files and programs,
//! listeners, and output that prints secrets (threat model, section 2).
//!
//! A file that names one of these in an allow rule does not load.

use crate::catalogue::Tool;

/// Flags that no rule may allow, with why.
const FLAGS: &[(Tool, &[&str], &str)] = &[
    (
        Tool::Kubectl,
        &[
            "as",
            "as-group",
            "as-uid",
            "as-user-extra",
            "client-certificate",
            "client-key",
            "cluster",
            "context",
            "kubeconfig",
            "password",
            "token",
            "user",
            "username",
        ],
        "it chooses another identity; the request's own kubeconfig is the only one",
    ),
    (
        Tool::Kubectl,
        &[
            "certificate-authority",
            "insecure-skip-tls-verify",
            "insecure-skip-tls-verify-backend",
            "proxy-url",
            "server",
            "tls-server-name",
        ],
        "it changes which server is reached or how it is verified",
    ),
    (
        Tool::Kubectl,
        &[
            "cache-dir",
            "output-directory",
            "profile-output",
            "kustomize",
            "from-file",
            "from-env-file",
            "patch-file",
            "custom",
            "cert",
            "key",
        ],
        "it reads or writes local files",
    ),
    (
        Tool::Kubectl,
        &["address", "unix-socket", "www", "www-prefix", "accept-hosts", "accept-paths", "disable-filter"],
        "it opens a listener",
    ),
    (Tool::Kubectl, &["edit", "enable-helm", "helm-command", "enable-alpha-plugins", "exec-command"], "it runs a local program"),
    (
        Tool::Kubectl,
        &["kuberc", "profile", "v", "vmodule", "log-flush-frequency", "raw", "show-secrets"],
        "it reveals secrets, or bypasses the checks on what is asked",
    ),
];

/// Verbs that no rule may allow, with why.
const VERBS: &[(Tool, &[&str], &str)] = &[
    (Tool::Kubectl, &["edit", "apply edit-last-applied"], "it opens an editor"),
    (Tool::Kubectl, &["proxy", "port-forward"], "it opens a listener"),
    (Tool::Kubectl, &["cp", "kustomize", "plugin", "plugin list"], "it reads local files or runs local programs"),
    (Tool::Kubectl, &["config"], "it reads or writes the kubeconfig"),
    (
        Tool::Helm,
        &[
            "completion",
            "create",
            "dependency",
            "docs",
            "env",
            "lint",
            "package",
            "plugin",
            "pull",
            "push",
            "registry",
            "repo",
            "search",
            "verify",
        ],
        "it reads or writes local files, runs local programs, or prints credentials",
    ),
    (
        Tool::Istioctl,
        &[
            "bug-report",
            "collateral",
            "create-remote-secret",
            "dashboard",
            "kube-inject",
            "manifest translate",
            "experimental workload entry",
        ],
        "it reads or writes local files, opens a listener, or prints credentials",
    ),
    (
        Tool::Argocd,
        &[
            "admin",
            "configure",
            "context",
            "login",
            "logout",
            "relogin",
            "account session-token",
            "account generate-token",
            "appset generate",
        ],
        "it handles credentials, reads local files, or opens a listener",
    ),
];

/// Why no rule may allow this flag, when none may.
pub(super) fn flag(tool: Tool, name: &str) -> Option<&'static str> {
    FLAGS.iter().find(|(of, names, _)| *of == tool && names.contains(&name)).map(|(_, _, why)| *why)
}

/// Why no rule may allow this verb, when none may. A group's name covers the verbs below it.
pub(super) fn verb(tool: Tool, path: &str) -> Option<&'static str> {
    let covers = |name: &&str| path == *name || path.strip_prefix(*name).is_some_and(|rest| rest.starts_with(' '));
    VERBS.iter().find(|(of, names, _)| *of == tool && names.iter().any(covers)).map(|(_, _, why)| *why)
}
