//! What an operator accepts in kubeconfigs beyond the default, which is nothing of it.

use std::path::PathBuf;

use crate::glob;

/// What kubeconfigs may hold because the operator says so. The default accepts none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowances {
    /// `own = false`: callers use the clusters that the settings name, and bring no kubeconfig.
    pub named_only: bool,
    /// `insecure-skip-tls-verify: true`: whoever is on the way can be the server, and gets the
    /// credential.
    pub insecure_skip_tls_verify: bool,
    /// `username` and `password`.
    pub passwords: bool,
    /// `tls-server-name` beside a token of the operator's: its certificate may be for another name
    /// than the server's. Beside a caller's own credential it always may.
    pub tls_server_name: bool,
    /// `as` and `as-groups`.
    pub impersonation: Impersonation,
    /// Tokens of the operator's in the place of credential plugins, which are never run.
    pub token_sources: Vec<TokenSource>,
}

/// Globs of users and groups that a kubeconfig may impersonate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Impersonation {
    /// Of `as`.
    pub users: Vec<String>,
    /// Of each of `as-groups`.
    pub groups: Vec<String>,
}

/// Where a token comes from when a kubeconfig names this credential plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSource {
    /// The plugin's name and the words that follow, flags left out: `aws eks get-token`.
    pub plugin: String,
    /// Globs of API servers, `host:port`; without a port it is 443. A caller chooses the server;
    /// without this it would get the token.
    pub clusters: Vec<String>,
    /// What these servers' certificates are verified against, as base64 of PEM; none: public
    /// authorities. The caller's is not used.
    pub certificate_authority: Option<String>,
    /// The file that holds the token, mounted by the operator; it is read at each request.
    pub token_file: PathBuf,
}

impl TokenSource {
    /// Whether the plugin of an `exec` entry is this one: `command` without its folder, then the
    /// words of `args` in this order, whatever stands between them.
    pub(super) fn stands_for(&self, command: &str, args: &[String]) -> bool {
        let mut wanted = self.plugin.split_whitespace();
        let name = command.rsplit('/').next().unwrap_or(command);
        let mut args = args.iter();
        wanted.next() == Some(name) && wanted.all(|word| args.any(|arg| arg == word))
    }

    /// Whether the token is meant for this server, `host:port`.
    pub(super) fn is_for(&self, authority: &str) -> bool {
        let with_port = |glob: &String| match glob.rsplit_once(':') {
            Some((_, port)) if !port.contains(']') => glob.clone(),
            Some(_) | None => format!("{glob}:443"),
        };
        let mut globs = self.clusters.iter().map(with_port);
        globs.any(|glob| glob::matches(&glob, authority))
    }
}

impl Impersonation {
    pub(super) fn allows_user(&self, user: &str) -> bool {
        self.users.iter().any(|glob| glob::matches(glob, user))
    }

    pub(super) fn allows_group(&self, group: &str) -> bool {
        self.groups.iter().any(|glob| glob::matches(glob, group))
    }
}
