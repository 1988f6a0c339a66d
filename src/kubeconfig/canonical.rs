//! The chosen context -> the one kubeconfig that a child ever sees.

use std::{borrow::Cow, path::Path, time::SystemTime};

use super::{
    allowances::Allowances,
    certificate::{Certificates, certificates},
    credential::{Credential, checked_user, is_token, operators_token},
    document::document,
    error::KubeconfigError,
    outline::of_unused,
    schema::{Cluster, Config, ReadFile},
};
use crate::{
    endpoint::Endpoint,
    excerpt::Excerpt,
    secret::{SecretBytes, SecretString},
};

/// A cluster whose fields were all understood.
pub(super) struct CheckedCluster {
    pub(super) endpoint: Endpoint,
    pub(super) certificate_authority: Option<Certificates>,
    pub(super) tls_server_name: Option<String>,
    pub(super) insecure_skip_tls_verify: bool,
}

/// One cluster, one user, one context, all checked. The only thing a child's kubeconfig is made of.
pub struct Kubeconfig {
    cluster: CheckedCluster,
    credential: Credential,
    namespace: String,
}

impl Kubeconfig {
    /// Reads a kubeconfig and keeps the chosen context: `context`, else the file's own.
    /// `allowances` are the operator's, `now` is when certificates have to be valid.
    ///
    /// # Errors
    /// A [`KubeconfigError`] with the line and the fix.
    pub fn parse(
        bytes: &SecretBytes,
        context: Option<&str>,
        allowances: &Allowances,
        now: SystemTime,
    ) -> Result<Self, KubeconfigError> {
        let config = Config::read(document(bytes)?, allowances, None);
        let parsed = config.and_then(|config| Self::checked(&config, context, allowances, now));
        parsed.map_err(|error| of_unused(error, bytes, context))
    }

    /// Reports whether a text is soon read, whatever it says: one that is small, and has little that
    /// the parser reads ahead. That is most of them.
    pub fn is_soon_read(bytes: &SecretBytes) -> bool {
        const SMALL: usize = 16 * 1024;
        const LITTLE_FLOW: usize = 256;
        let is_flow = |byte: &&u8| matches!(byte, b',' | b'[' | b'{');
        let bytes = bytes.expose();
        bytes.len() <= SMALL && bytes.iter().filter(is_flow).count() <= LITTLE_FLOW
    }

    /// Reads a kubeconfig that the operator mounts, whose file references `read` follows.
    ///
    /// # Errors
    /// A [`KubeconfigError`] with the line and the fix.
    pub fn parse_mounted(
        bytes: &SecretBytes,
        context: Option<&str>,
        allowances: &Allowances,
        now: SystemTime,
        read: ReadFile<'_>,
    ) -> Result<Self, KubeconfigError> {
        Self::checked(
            &Config::read(document(bytes)?, allowances, Some(read))?,
            context,
            allowances,
            now,
        )
    }

    fn checked(
        config: &Config,
        context: Option<&str>,
        allowances: &Allowances,
        now: SystemTime,
    ) -> Result<Self, KubeconfigError> {
        // All of them, not only the chosen one: a file that carries a trap is not half trusted.
        // Certificates and keys are looked into where they are chosen; the others go no further,
        // and may be old.
        let checked = config
            .clusters
            .iter()
            .map(|(_, cluster)| checked_cluster(cluster))
            .collect::<Result<Vec<_>, _>>()?;
        for (_, user) in &config.users {
            checked_user(user, allowances, None)?;
        }
        let name = context
            .or(config.current_context.as_deref())
            .ok_or(KubeconfigError::NoContext)?;
        let context = find(&config.contexts, "contexts", name)?;
        let user = find(&config.users, "users", &context.user)?;
        let mut clusters = config.clusters.iter().zip(checked);
        let chosen = clusters.find(|((name, _), _)| *name == context.cluster);
        let ((_, given), mut cluster) =
            chosen.ok_or_else(|| dangling("clusters", &config.clusters, &context.cluster))?;
        if let Some((data, line)) = &given.certificate_authority_data {
            cluster.certificate_authority = Some(certificates(
                data,
                *line,
                "certificate-authority-data",
                now,
            )?);
        }
        let mut credential = checked_user(user, allowances, Some(now))?;
        // A token of the caller's own goes before the plugin's, as in client-go.
        if let Some((command, args, line)) =
            user.exec.as_ref().filter(|_| credential.token.is_none())
        {
            if credential.password.is_some() {
                return Err(KubeconfigError::Shape {
                    line: *line,
                    key: "exec",
                    expected: "without `username` and `password` beside it",
                });
            }
            // Whom the operator's token reaches is the operator's to say: by the server's own name.
            if let (Some((_, line)), false) = (&given.tls_server_name, allowances.tls_server_name) {
                return Err(KubeconfigError::OperatorsToken { line: *line });
            }
            credential.operators = Some(operators_token(
                allowances,
                command,
                args,
                &cluster.endpoint,
                *line,
            )?);
        }
        if !credential.identifies() {
            return Err(KubeconfigError::NoCredential { line: user.line });
        }
        let namespace = context
            .namespace
            .clone()
            .unwrap_or_else(|| "default".into());
        if !crate::command::is_dns_label(&namespace) {
            return Err(KubeconfigError::Namespace { line: context.line });
        }
        Ok(Self {
            cluster,
            credential,
            namespace,
        })
    }

    /// The API server.
    pub fn endpoint(&self) -> &Endpoint {
        &self.cluster.endpoint
    }

    /// Whether it names its certificate authority, and does not trust public ones.
    pub fn has_authority(&self) -> bool {
        self.cluster.certificate_authority.is_some()
    }

    /// Whether its server may be the one of `other`, under whatever name or address: by host and
    /// port, or because what verifies it verifies the other too.
    pub fn may_reach(&self, other: &Self) -> bool {
        let (own, others) = (&self.cluster, &other.cluster);
        let authorities = own.certificate_authority.as_ref();
        let verifies = authorities.zip(others.certificate_authority.as_ref());
        own.endpoint.authority() == others.endpoint.authority()
            || verifies.is_some_and(|(own, others)| own.may_verify_for(others))
    }

    /// The operator's file whose token takes the place of a credential plugin.
    pub fn token_file(&self) -> Option<&Path> {
        let operators = self.credential.operators.as_ref();
        operators.map(|source| source.token_file.as_path())
    }

    /// Puts the token of [`Self::token_file`] in. It goes to the server that the operator means:
    /// what the caller's kubeconfig says of how that one is verified, and of a path there, is not
    /// used any more.
    ///
    /// # Errors
    /// When it has characters that no token has.
    pub fn put_token(&mut self, token: SecretString) -> Result<(), KubeconfigError> {
        if token.expose().is_empty() || !is_token(token.expose()) {
            return Err(KubeconfigError::Token { line: 1 });
        }
        if let Some(source) = &self.credential.operators {
            let authority = source.certificate_authority.as_deref();
            let read = |data| {
                certificates(
                    data,
                    1,
                    "certificate-authority-data",
                    SystemTime::UNIX_EPOCH,
                )
            };
            self.cluster.certificate_authority = authority.map(read).transpose()?;
            self.cluster.endpoint = self.cluster.endpoint.without_path();
            self.cluster.insecure_skip_tls_verify = false;
            self.cluster.tls_server_name = None;
        }
        self.credential.token = Some(token);
        Ok(())
    }

    /// The namespace of the chosen context, `default` when it names none.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Every text of the credential that may not be shown, in the forms in which tools and servers
    /// print it.
    pub fn secrets(&self) -> Vec<SecretString> {
        self.credential.secrets()
    }

    pub(super) fn cluster(&self) -> &CheckedCluster {
        &self.cluster
    }

    pub(super) fn credential(&self) -> &Credential {
        &self.credential
    }
}

fn find<'a, T>(
    entries: &'a [(String, T)],
    list: &'static str,
    name: &str,
) -> Result<&'a T, KubeconfigError> {
    entries
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value)
        .ok_or_else(|| dangling(list, entries, name))
}

fn dangling<T>(list: &'static str, entries: &[(String, T)], name: &str) -> KubeconfigError {
    KubeconfigError::Dangling {
        list,
        name: Excerpt::new(name),
        known: entries.iter().map(|(name, _)| Excerpt::new(name)).collect(),
    }
}

/// All of it but its certificates, which are not looked into yet.
fn checked_cluster(cluster: &Cluster) -> Result<CheckedCluster, KubeconfigError> {
    if cluster.server.len() > LONGEST_SERVER {
        return Err(KubeconfigError::Shape {
            line: cluster.server_line,
            key: "server",
            expected: "a URL of at most 2048 bytes",
        });
    }
    let endpoint =
        Endpoint::parse(&tellable(&cluster.server)).map_err(|source| KubeconfigError::Server {
            line: cluster.server_line,
            source,
        })?;
    if let Some((name, line)) = &cluster.tls_server_name
        && !(name.len() <= 253 && name.split('.').all(crate::command::is_dns_label))
    {
        return Err(KubeconfigError::Shape {
            line: *line,
            key: "tls-server-name",
            expected: "a DNS name in lower case",
        });
    }
    Ok(CheckedCluster {
        endpoint,
        certificate_authority: None,
        tls_server_name: cluster
            .tls_server_name
            .as_ref()
            .map(|(name, _)| name.clone()),
        insecure_skip_tls_verify: cluster.insecure_skip_tls_verify,
    })
}

/// Longer than any; a URL parser takes its time over a host name of 256 KiB.
const LONGEST_SERVER: usize = 2048;

/// The server as it may be told about: what is refused for its user, port, query, fragment or path
/// is refused without them, since they may be a password or a token.
fn tellable(server: &str) -> Cow<'_, str> {
    match server.split_once(['?', '#']) {
        _ if server.contains('@') => Cow::Borrowed("https://***@***"),
        Some((before, _)) => Cow::Owned(format!("{before}?***")),
        // A password or a query that has lost its mark.
        None => match refused_character(server) {
            Some((before, refused)) => Cow::Owned(format!("{before}{refused}***")),
            None => Cow::Borrowed(server),
        },
    }
}

/// The first character that neither a port nor the path of an API server has, and what stands
/// before it.
fn refused_character(server: &str) -> Option<(&str, char)> {
    let (_, rest) = server.split_once("://")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (_, behind_brackets) = authority.rsplit_once(']').unwrap_or(("", authority));
    let port = behind_brackets.split_once(':').map_or("", |(_, port)| port);
    let in_port = port
        .char_indices()
        .find(|(_, c)| !c.is_ascii_digit())
        .map(|(at, c)| (authority.len() - port.len() + at, c));
    let in_path = || {
        path.char_indices()
            .find(|(_, c)| !c.is_ascii_alphanumeric() && !"/._-".contains(*c))
    };
    let (at, refused) =
        in_port.or_else(|| in_path().map(|(at, c)| (rest.len() - path.len() + at, c)))?;
    Some((server.get(..server.len() - rest.len() + at)?, refused))
}
