//! What no policy can allow, as lists.
//!
//! They are written down here a second time, by what the tools can do (docs/catalogue.md), and not
//! from the classes in `policy/catalogue/*.hazards.toml`: a property that reads the code's own list
//! holds for an empty one.

use crate::{catalogue::Catalogue, command::Invocation, tool::Tool};

/// Flags that choose other credentials or servers, open listeners, read or write local files, run
/// local programs, or get at what the server's own checks would stop.
pub(super) fn forbidden_flags(tool: Tool) -> Vec<&'static str> {
    let names = match tool.as_str() {
        "kubectl" => {
            "as as-group as-uid as-user-extra cache-dir certificate-authority client-certificate client-key cluster context \
             insecure-skip-tls-verify kubeconfig kuberc password profile profile-output proxy-url raw server tls-server-name token user \
             username v vmodule"
        }
        "helm" => {
            "content-cache kube-apiserver kube-as-group kube-as-user kube-ca-file kube-context kube-insecure-skip-tls-verify \
             kube-tls-server-name kube-token kubeconfig log-dir log-file output-dir post-renderer post-renderer-args registry-config \
             repository-cache repository-config v vmodule"
        }
        "istioctl" => "as as-group as-uid cert-dir context kubeconfig log_target vklog xds-address",
        "argocd" => {
            "argocd-context auth-token client-crt client-crt-key config core header insecure kube-context plaintext port-forward \
             port-forward-namespace server server-crt"
        }
        other => unreachable!("nobody wrote down what {other} never does"),
    };
    names.split(' ').collect()
}

/// Verbs that handle credentials, open listeners, or run local programs, with an operand or two.
pub(super) fn forbidden_verbs(tool: Tool) -> &'static [(&'static str, &'static str)] {
    match tool.as_str() {
        "kubectl" => &[
            ("edit", "deploy/web"),
            ("apply edit-last-applied", "deploy/web"),
            ("proxy", ""),
            ("port-forward", "web-0 8080"),
            ("cp", "web-0:/x y"),
            ("config get-users", ""),
            ("config set-credentials", "u"),
            ("config use-context", "prod"),
            ("kustomize", "dir"),
            ("plugin list", ""),
        ],
        "helm" => &[
            ("plugin install", "x"),
            ("plugin list", ""),
            ("env", ""),
            ("repo add", "r https://r.example"),
            ("registry login", "r.example"),
            ("push", "c.tgz oci://r"),
            ("create", "x"),
        ],
        "istioctl" => &[
            ("dashboard kiali", ""),
            ("dashboard envoy", "web-0"),
            ("bug-report", ""),
            ("create-remote-secret", ""),
            ("kube-inject", ""),
            ("experimental workload entry configure", ""),
        ],
        "argocd" => &[
            ("login", "host"),
            ("logout", "host"),
            ("relogin", ""),
            ("context", "prod"),
            ("configure", ""),
            ("admin export", ""),
            ("admin dashboard", ""),
            ("account session-token", ""),
        ],
        other => unreachable!("nobody wrote down what {other} never does"),
    }
}

/// What a policy allowed has no forbidden verb, unless it only prints its help, and no forbidden
/// flag.
pub(super) fn holds_nothing_forbidden(catalogue: &Catalogue, allowed: &Invocation) {
    let tool = allowed.tool();
    let verb = allowed.path().to_string();
    let forbidden = forbidden_verbs(tool)
        .iter()
        .any(|(forbidden, _)| *forbidden == verb);
    assert!(!forbidden || allowed.is_help(), "{:?}", allowed.argv());
    for name in allowed
        .flags()
        .keys()
        .filter(|name| forbidden_flags(tool).contains(&name.as_str()))
        .filter(|name| *name != "raw" || !asks_a_harmless_path(allowed))
    {
        // A verb's own flag can have the name of one on the root and mean something else: `create
        // rolebinding --user`.
        let own = catalogue
            .lineage(allowed.path())
            .and_then(|lineage| lineage.last().copied());
        let on_root = catalogue.root().flags.iter().any(|flag| flag.name == *name);
        let hidden_by_own =
            on_root && own.is_some_and(|node| node.flags.iter().any(|flag| flag.name == *name));
        assert!(hidden_by_own, "--{name} in {:?}", allowed.argv());
    }
}

/// Whether it is `get --raw` of health, version, discovery, schemas, or what a shipped policy's rule
/// lists of metrics.
fn asks_a_harmless_path(allowed: &Invocation) -> bool {
    let path = allowed.flag("raw").unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    let mut segments = path.split('/').skip(1);
    let first = segments.next().unwrap_or_default();
    let is_discovery = match first {
        "api" => segments.count() <= 1,
        "apis" => segments.count() <= 2,
        first => matches!(
            first,
            "" | "healthz" | "livez" | "openapi" | "readyz" | "version"
        ),
    };
    allowed.path().words() == ["get"] && allowed.operands().is_empty() && is_discovery
}
