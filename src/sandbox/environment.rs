//! The child's environment, built from nothing: no variable of the server's reaches a child.
//!
//! Held by `a_child_inherits_three_streams_and_a_clean_environment` (`tests/escape/`).

use std::path::Path;

use super::{
    child::{HELPER, WARM},
    message::Limits,
    profile::Profile,
};
use crate::{
    argocd::Variables,
    command::FilterProgram,
    egress::PROXY,
    tool::{ProxyVariable, Tool, Variable, VariableValue},
    workspace::Workspace,
};

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
    variables.extend(of_tool(tool, profile, &workspace.home()));
    variables
}

/// The variables of one tool alone.
fn of_tool(tool: Tool, profile: &Profile, home: &Path) -> Vec<String> {
    let spec = tool.spec();
    let value = |variable: &Variable| match variable.value {
        VariableValue::Fixed(value) => Some(value.to_owned()),
        // By descriptor, as the tool itself is run: no folder on the way to it has to be open.
        VariableValue::Helper(words) => profile
            .helper
            .then(|| format!("/proc/self/fd/{HELPER} {words}")),
        VariableValue::Home(below) => Some(format!("{}{below}", home.display())),
    };
    let own = spec
        .environment
        .iter()
        .filter_map(|variable| Some(format!("{}={}", variable.name, value(variable)?)));
    // Never dialled: it makes the tool name the host that it wants, which the tunnel holds against
    // the pin. A tool has the one variable that it honours and would take the other for what it
    // does not speak.
    let address = PROXY.trim_start_matches("http://");
    let proxies = match profile
        .notifying
        .as_ref()
        .map(|_| (spec.proxy)(profile.need()))
    {
        None => Vec::new(),
        Some(ProxyVariable::All) => vec![format!("ALL_PROXY=socks5://{address}")],
        // Plain HTTP is what a tool speaks whose requests are judged.
        Some(ProxyVariable::Https) => ["HTTPS", "HTTP"]
            .map(|scheme| format!("{scheme}_PROXY=http://{address}"))
            .to_vec(),
    };
    own.chain(proxies).collect()
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

#[cfg(test)]
mod tests {
    use super::{super::profile::ProfileName, *};

    #[test]
    fn each_tool_has_its_own_variables_and_the_one_proxy_that_it_honours() {
        let https = "HTTPS_PROXY=http://192.0.2.1:1";
        let http = "HTTP_PROXY=http://192.0.2.1:1";
        let socks = "ALL_PROXY=socks5://192.0.2.1:1";
        let kubectl = ["KUBECTL_KUBERC=false", "KUBERC=off"];
        let helm = ["HELM_NO_PLUGINS=1", "HELM_PLUGINS=/home/none"];
        let argocd = "ARGOCD_CONFIG_DIR=/home";
        let diff = "KUBECTL_EXTERNAL_DIFF=/proc/self/fd/200 -u -N";
        for (tool, profile, expected) in [
            (Tool::KUBECTL, ProfileName::Offline, &kubectl[..]),
            (
                Tool::KUBECTL,
                ProfileName::Plain,
                &[kubectl[0], kubectl[1], https, http],
            ),
            (
                Tool::HELM,
                ProfileName::Plain,
                &[helm[0], helm[1], https, http],
            ),
            (Tool::ISTIOCTL, ProfileName::Offline, &[]),
            (Tool::ISTIOCTL, ProfileName::Plain, &[https, http]),
            (Tool::ISTIOCTL, ProfileName::ListenerInet, &[https, http]),
            (Tool::ISTIOCTL, ProfileName::ListenerNetlink, &[https, http]),
            (Tool::ARGOCD, ProfileName::Offline, &[argocd]),
            (Tool::ARGOCD, ProfileName::Plain, &[argocd, socks]),
            (
                Tool::ARGOCD,
                ProfileName::ListenerUnix,
                &[argocd, https, http],
            ),
            (Tool::ARGOCD, ProfileName::Diff, &[argocd, diff, socks]),
        ] {
            let loaded = Profile::load(profile).unwrap();
            assert_eq!(
                of_tool(tool, &loaded, Path::new("/home")),
                expected,
                "{tool} {profile:?}"
            );
        }
    }
}
