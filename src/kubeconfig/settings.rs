//! The `[kubeconfig]` table of the settings: [`Allowances`] beyond the default.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::{
    allowances::{Allowances, Impersonation, TokenSource},
    certificate::certificates,
};
use crate::mistake::SettingError;

/// The table `[kubeconfig]`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AllowancesTable {
    /// Whether callers may bring kubeconfigs.
    own: Option<bool>,
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
    /// A PEM file with the authorities that these servers are verified against; without it, public
    /// ones.
    #[schemars(with = "Option<PathBuf>")]
    certificate_authority: Option<Spanned<PathBuf>>,
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
            named_only: self.own == Some(false),
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

/// Base64 of the certificates in a file of the operator's.
fn authority_in(path: &Path) -> Result<String, String> {
    let pem =
        fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let data = BASE64_STANDARD.encode(pem);
    certificates(&data, 1, "certificate-authority-data", SystemTime::now()).map_err(|_| {
        format!(
            "{} holds no certificates that are valid today",
            path.display()
        )
    })?;
    Ok(data)
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
        let is_all = |glob: &String| glob.trim_matches(['*', ':']).is_empty();
        let at = self
            .clusters
            .as_ref()
            .map_or_else(|| self.plugin.span(), Spanned::span);
        let clusters = self.clusters.map(Spanned::into_inner).unwrap_or_default();
        if clusters.is_empty() || clusters.iter().any(is_all) {
            let key = "kubeconfig.token_source.clusters";
            let problem = "any caller would get the token";
            return Err(SettingError::new(key, at, problem)
                .help("a caller chooses the server: list those that the token is for, like `*.eks.amazonaws.com:443`"));
        }
        let read = |path: &Spanned<PathBuf>| {
            authority_in(&folder.join(path.get_ref())).map_err(|problem| {
                let key = "kubeconfig.token_source.certificate_authority";
                SettingError::new(key, path.span(), problem)
                    .help("give a PEM file with the authorities of these servers")
            })
        };
        let authority = self.certificate_authority.as_ref().map(read).transpose()?;
        Ok(TokenSource {
            plugin: self.plugin.into_inner(),
            clusters,
            certificate_authority: authority,
            token_file: folder.join(self.token_file),
        })
    }
}
