//! The `[kubeconfig]` table of the settings: [`Allowances`] beyond the default.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::allowances::{Allowances, Impersonation, TokenSource};
use crate::mistake::SettingError;

/// The table `[kubeconfig]`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AllowancesTable {
    /// Whether a kubeconfig may leave its server unverified.
    allow_insecure_skip_tls_verify: bool,
    /// Whether a kubeconfig may hold a user name and a password.
    allow_passwords: bool,
    /// Whether a kubeconfig may name another server for TLS than the one it reaches.
    allow_tls_server_name: bool,
    /// Whom a kubeconfig may impersonate.
    impersonation: ImpersonationTable,
    /// Tokens of the operator's, in the place of credential plugins, which are never run.
    token_source: Vec<TokenSourceTable>,
}

/// Users and groups that a kubeconfig may impersonate.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct ImpersonationTable {
    /// Globs of users.
    users: Vec<String>,
    /// Globs of groups.
    #[schemars(with = "Option<Vec<String>>")]
    groups: Option<Spanned<Vec<String>>>,
}

/// A token of the operator's that takes the place of a credential plugin.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TokenSourceTable {
    /// The plugin that a kubeconfig names: `aws eks get-token`.
    #[schemars(with = "String")]
    plugin: Spanned<String>,
    /// Globs of the API servers that get this token, and no others.
    #[schemars(with = "Option<Vec<String>>")]
    clusters: Option<Spanned<Vec<String>>>,
    /// The file with the token, read at each call.
    token_file: PathBuf,
}

impl AllowancesTable {
    /// Reads what is allowed; token files stand beside the settings, in `folder`.
    ///
    /// # Errors
    /// The first value that cannot be.
    pub fn allowances(self, folder: &Path) -> Result<Allowances, SettingError> {
        let ImpersonationTable { users, groups } = self.impersonation;
        if let Some(groups) = &groups
            && users.is_empty()
            && !groups.get_ref().is_empty()
        {
            let key = "kubeconfig.impersonation.groups";
            let problem = "groups are impersonated together with a user";
            return Err(SettingError::new(key, groups.span(), problem).help("list `users` too"));
        }
        let sources = self.token_source.into_iter();
        Ok(Allowances {
            insecure_skip_tls_verify: self.allow_insecure_skip_tls_verify,
            passwords: self.allow_passwords,
            tls_server_name: self.allow_tls_server_name,
            impersonation: Impersonation {
                users,
                groups: groups.map(Spanned::into_inner).unwrap_or_default(),
            },
            token_sources: sources
                .map(|source| source.source(folder))
                .collect::<Result<_, _>>()?,
        })
    }
}

impl TokenSourceTable {
    fn source(self, folder: &Path) -> Result<TokenSource, SettingError> {
        let plugin = self.plugin.get_ref();
        if plugin.split_whitespace().next().is_none() || plugin.contains('/') {
            let key = "kubeconfig.token_source.plugin";
            let problem = "this is not a plugin's name and words";
            return Err(SettingError::new(key, self.plugin.span(), problem)
                .help("give them without a folder, like `aws eks get-token`"));
        }
        let is_all = |glob: &String| glob.trim_matches('*').is_empty();
        let at = self
            .clusters
            .as_ref()
            .map_or_else(|| self.plugin.span(), Spanned::span);
        let clusters = self.clusters.map(Spanned::into_inner).unwrap_or_default();
        if clusters.is_empty() || clusters.iter().any(is_all) {
            let key = "kubeconfig.token_source.clusters";
            let problem = "any caller would get the token";
            return Err(SettingError::new(key, at, problem)
                .help("a caller chooses the server: list those that the token is for, like `*.eks.amazonaws.com`"));
        }
        Ok(TokenSource {
            plugin: self.plugin.into_inner(),
            clusters,
            token_file: folder.join(self.token_file),
        })
    }
}
