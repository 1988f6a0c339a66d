//! The child's environment, built from nothing (threat model, section 3, right-hand column).

use std::path::Path;

use super::{child::WARM, message::Limits, profile::Profile};
use crate::{argocd::Variables, command::FilterProgram, tool::Tool, workspace::Workspace};

/// `NAME=value` for each variable that a tool has before it has a request. Nothing of ours is
/// inherited.
pub(super) fn environment(
    tool: Tool,
    profile: &Profile,
    workspace: &Workspace,
    limits: Limits,
) -> Vec<String> {
    let home = workspace.home();
    let home = home.display();
    let mut variables = vec![
        format!("KUBECONFIG={}", workspace.kubeconfig().display()),
        format!("HOME={home}"),
        // An empty folder: tools look for plugins and helpers in every folder of PATH.
        format!("PATH={home}"),
        format!(
            "TMPDIR={}",
            workspace
                .scratch()
                .unwrap_or_else(|| workspace.home())
                .display()
        ),
        "LANG=C.UTF-8".into(),
        "TZ=UTC".into(),
        "TERM=dumb".into(),
        "NO_COLOR=1".into(),
        // A crash prints goroutine stacks, which hold tokens.
        "GOTRACEBACK=none".into(),
        "GOMAXPROCS=2".into(),
        // Collecting only near the limit saves a sixth of the time; the limit is the memory's, less
        // a quarter.
        "GOGC=off".into(),
        format!("GOMEMLIMIT={}", soft_limit(limits)),
    ];
    let own: &[&str] = match tool {
        // kuberc files hold aliases and default flags, and kubectl looks for `--kuberc=` in any
        // word.
        Tool::Kubectl => &["KUBECTL_KUBERC=false", "KUBERC=off"],
        Tool::Helm => &["HELM_NO_PLUGINS=1"],
        Tool::Istioctl => &[],
        Tool::Argocd => &[],
    };
    variables.extend(own.iter().map(|variable| (*variable).to_owned()));
    match tool {
        Tool::Helm => variables.push(format!("HELM_PLUGINS={home}/none")),
        Tool::Argocd => variables.push(format!("ARGOCD_CONFIG_DIR={home}")),
        Tool::Kubectl | Tool::Istioctl => {}
    }
    let of_profile = profile.variables.get(&tool).into_iter().flatten();
    variables.extend(of_profile.map(|(name, value)| format!("{name}={value}")));
    variables
}

/// What a request adds to them.
pub(super) fn of_request(
    authority: &Path,
    variables: Option<&Variables>,
    has_authority: bool,
) -> Vec<String> {
    let mut variables: Vec<String> = variables
        .into_iter()
        .flat_map(Variables::iter)
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    if has_authority {
        // Go verifies servers against this file instead of the host's authorities.
        variables.push(format!("SSL_CERT_FILE={}", authority.display()));
    }
    variables
}

/// Says where a tool waits for its request.
pub(super) fn waiting() -> String {
    format!("AIRLOCK_WARM={WARM}")
}

/// When Go's runtime begins to collect: the limit on memory, less a quarter. In bytes.
pub(super) fn soft_limit(limits: Limits) -> u64 {
    limits.memory_bytes / 4 * 3
}

/// A filter's: nothing, but what bounds Go's runtime.
pub(super) fn environment_of_filter(program: FilterProgram, limits: Limits) -> Vec<String> {
    if !program.is_go() {
        return Vec::new();
    }
    vec![
        "GOTRACEBACK=none".into(),
        "GOMAXPROCS=2".into(),
        format!("GOMEMLIMIT={}", soft_limit(limits)),
    ]
}
