//! The chosen context -> the one kubeconfig that a child ever sees.

use std::{
    borrow::Cow,
    io,
    net::IpAddr,
    path::{Path, PathBuf},
    time::SystemTime,
};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    certificate::{Certificates, certificates, private_key},
    error::KubeconfigError,
    scan::{LARGEST, scan},
    schema::{Cluster, Config, ReadFile, User, in_place_of},
    terms::Terms,
};
use crate::{
    endpoint::{Endpoint, EndpointHost},
    excerpt::Excerpt,
    secret::{SecretBytes, SecretString},
};

/// How the child identifies itself.
#[derive(Default)]
pub struct Credential {
    token: Option<SecretString>,
    client_certificate: Option<(Certificates, SecretString)>,
    password: Option<(String, SecretString)>,
    impersonated: Option<(String, Vec<String>)>,
    /// The operator's file that holds the token, in the place of a credential plugin.
    token_file: Option<PathBuf>,
}

/// A cluster whose fields were all understood.
struct CheckedCluster {
    endpoint: Endpoint,
    certificate_authority: Option<Certificates>,
    tls_server_name: Option<String>,
    insecure_skip_tls_verify: bool,
}

/// One cluster, one user, one context, all checked. The only thing a child's kubeconfig is made of.
pub struct Kubeconfig {
    cluster: CheckedCluster,
    credential: Credential,
    namespace: String,
}

/// Reads base64 as callers write it: standard or URL-safe, padded or not, with line breaks.
///
/// # Errors
/// [`KubeconfigError::NotBase64`], or `TooLarge` before anything is decoded.
pub fn decode(text: &str) -> Result<SecretBytes, KubeconfigError> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const ENGINE: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    const LONGEST: usize = LARGEST.div_ceil(3) * 4;
    // Most is written plainly.
    if (1..=LONGEST).contains(&text.len())
        && let Ok(bytes) = ENGINE.decode(text)
    {
        return Ok(SecretBytes::new(bytes));
    }
    let stripped: Zeroizing<Vec<u8>> = Zeroizing::new(
        text.bytes()
            .filter(|byte| !byte.is_ascii_whitespace())
            .map(|byte| match byte {
                b'-' => b'+',
                b'_' => b'/',
                byte => byte,
            })
            .collect(),
    );
    if stripped.len() > LONGEST {
        return Err(KubeconfigError::TooLarge {
            bytes: stripped.len() / 4 * 3,
        });
    }
    if stripped.is_empty() {
        return Err(KubeconfigError::Empty);
    }
    ENGINE
        .decode(&*stripped)
        .map(SecretBytes::new)
        .map_err(|_| KubeconfigError::NotBase64)
}

impl Kubeconfig {
    /// Reads a kubeconfig and keeps the chosen context: `context`, else the file's own. `terms` are
    /// the operator's, `now` is when certificates have to be valid.
    ///
    /// # Errors
    /// A [`KubeconfigError`] with the line and the fix.
    pub fn parse(
        bytes: &SecretBytes,
        context: Option<&str>,
        terms: &Terms,
        now: SystemTime,
    ) -> Result<Self, KubeconfigError> {
        Self::checked(
            &Config::read(scan(bytes.expose())?, terms, None)?,
            context,
            terms,
            now,
        )
    }

    /// The same for a kubeconfig that the operator mounts, whose file references `read` follows.
    ///
    /// # Errors
    /// A [`KubeconfigError`] with the line and the fix.
    pub fn parse_mounted(
        bytes: &SecretBytes,
        context: Option<&str>,
        terms: &Terms,
        now: SystemTime,
        read: ReadFile<'_>,
    ) -> Result<Self, KubeconfigError> {
        Self::checked(
            &Config::read(scan(bytes.expose())?, terms, Some(read))?,
            context,
            terms,
            now,
        )
    }

    fn checked(
        config: &Config,
        context: Option<&str>,
        terms: &Terms,
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
            checked_user(user, terms, None)?;
        }
        let name = context
            .or(config.current_context.as_deref())
            .ok_or(KubeconfigError::NoContext)?;
        let context = find(&config.contexts, "contexts", name)?;
        let user = find(&config.users, "users", &context.user)?;
        let mut clusters = config.clusters.iter().zip(checked);
        let chosen = clusters.find(|((name, _), _)| *name == context.cluster);
        let ((_, given), mut cluster) =
            chosen.ok_or_else(|| dangling("clusters", &context.cluster))?;
        if let Some((data, line)) = &given.certificate_authority_data {
            cluster.certificate_authority = Some(certificates(
                data,
                *line,
                "certificate-authority-data",
                now,
            )?);
        }
        let mut credential = checked_user(user, terms, Some(now))?;
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
            credential.token_file = Some(operators_token(
                terms,
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

    /// The operator's file whose token takes the place of a credential plugin.
    pub fn token_file(&self) -> Option<&Path> {
        self.credential.token_file.as_deref()
    }

    /// Puts the token of [`Self::token_file`] in.
    ///
    /// # Errors
    /// When it has characters that no token has.
    pub fn put_token(&mut self, token: SecretString) -> Result<(), KubeconfigError> {
        if token.expose().is_empty() || !is_token(token.expose()) {
            return Err(KubeconfigError::Token { line: 1 });
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
        let Credential {
            token,
            client_certificate,
            password,
            ..
        } = &self.credential;
        let mut secrets = Vec::new();
        for secret in token
            .iter()
            .chain(password.as_ref().map(|(_, password)| password))
        {
            secrets.push(secret.clone());
            secrets.push(SecretString::new(
                base64::prelude::BASE64_STANDARD.encode(secret.expose()),
            ));
        }
        // As a server or a proxy that prints its request's headers has it.
        if let Some((name, password)) = password {
            let pair = Zeroizing::new(format!("{name}:{}", password.expose()));
            secrets.push(SecretString::new(
                base64::prelude::BASE64_STANDARD.encode(pair.as_bytes()),
            ));
        }
        if let Some((_, key)) = client_certificate {
            secrets.push(key.clone());
            let pem = decode(key.expose()).unwrap_or_else(|_| SecretBytes::new(Vec::new()));
            let lines = pem
                .expose()
                .split(|&byte| byte == b'\n')
                .filter(|line| !line.starts_with(b"-----"));
            secrets.extend(
                lines
                    .filter_map(|line| std::str::from_utf8(line).ok())
                    .map(|line| SecretString::new(line.to_owned())),
            );
        }
        secrets
    }

    /// The file for the child, as JSON.
    ///
    /// A server that the child will ask for by name is left as it is. One that it dials by itself
    /// is replaced by `address`, so that it resolves no name; the certificate is still verified
    /// against the name that the caller gave.
    pub fn render(&self, address: IpAddr) -> SecretBytes {
        let given = self.cluster.tls_server_name.as_deref();
        if !self.endpoint().bypasses_proxies() {
            return self.written(&self.endpoint().to_string(), given, None, |secret| {
                secret.expose()
            });
        }
        let of_host = match self.endpoint().host() {
            EndpointHost::Name(name) => Some(name.as_str()),
            EndpointHost::Address(_) => None,
        };
        self.written(
            &self.endpoint().url_at(address),
            given.or(of_host),
            None,
            |secret| secret.expose(),
        )
    }

    /// The file for a child that asks `proxy` about this server, wherever that is.
    pub fn render_with_proxy(&self, proxy: &str) -> SecretBytes {
        // client-go opens a connection per client then, so only where Go would ask no proxy by
        // itself.
        let proxy = self.endpoint().bypasses_proxies().then_some(proxy);
        self.written(
            &self.endpoint().to_string(),
            self.cluster.tls_server_name.as_deref(),
            proxy,
            |secret| secret.expose(),
        )
    }

    /// The file as a person may see it: what was understood, the secrets left out.
    pub fn masked(&self) -> SecretBytes {
        self.written(
            &self.endpoint().to_string(),
            self.cluster.tls_server_name.as_deref(),
            None,
            |_| MASK,
        )
    }

    fn written<'a>(
        &'a self,
        server: &'a str,
        tls_server_name: Option<&'a str>,
        proxy_url: Option<&'a str>,
        shown: fn(&SecretString) -> &str,
    ) -> SecretBytes {
        let Credential {
            token,
            client_certificate,
            password,
            impersonated,
            token_file,
        } = &self.credential;
        let operators = token_file
            .as_ref()
            .filter(|_| token.is_none())
            .map(|_| MASK);
        let insecure = self.cluster.insecure_skip_tls_verify;
        // client-go refuses an authority that nothing is verified against.
        let authority = self
            .cluster
            .certificate_authority
            .as_ref()
            .filter(|_| !insecure)
            .map(Certificates::data);
        let certificate = client_certificate
            .as_ref()
            .map(|(certificate, _)| certificate.data());
        written(
            &RenderedCluster {
                server,
                tls_server_name,
                certificate_authority_data: authority.as_deref(),
                insecure_skip_tls_verify: insecure.then_some(true),
                proxy_url,
            },
            &RenderedUser {
                token: token.as_ref().map(shown).or(operators),
                client_certificate_data: certificate.as_deref(),
                client_key_data: client_certificate.as_ref().map(|(_, key)| shown(key)),
                username: password.as_ref().map(|(name, _)| name.as_str()),
                password: password.as_ref().map(|(_, password)| shown(password)),
                impersonate: impersonated.as_ref().map(|(user, _)| user.as_str()),
                impersonate_groups: impersonated
                    .as_ref()
                    .map(|(_, groups)| groups.as_slice())
                    .unwrap_or_default(),
            },
            &self.namespace,
        )
    }

    /// A file that resolves to nowhere, for a command that contacts nobody: without any, client-go
    /// falls back to the credentials of the pod that it runs in.
    pub fn nowhere() -> SecretBytes {
        let cluster = RenderedCluster {
            server: "https://nowhere.invalid",
            ..RenderedCluster::default()
        };
        written(
            &cluster,
            &RenderedUser {
                token: Some("none"),
                ..RenderedUser::default()
            },
            "default",
        )
    }
}

/// What stands for a secret where a person looks, as `kubectl config view` writes it.
const MASK: &str = "REDACTED";

#[derive(Default, Serialize)]
#[serde(rename_all = "kebab-case")]
struct RenderedCluster<'a> {
    server: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_server_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_authority_data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    insecure_skip_tls_verify: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy_url: Option<&'a str>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "kebab-case")]
struct RenderedUser<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_certificate_data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_key_data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    impersonate: Option<&'a str>,
    #[serde(rename = "as-groups", skip_serializing_if = "<[String]>::is_empty")]
    impersonate_groups: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Rendered<'a> {
    #[serde(rename = "apiVersion")]
    api_version: &'a str,
    kind: &'a str,
    clusters: [NamedCluster<'a>; 1],
    users: [NamedUser<'a>; 1],
    contexts: [NamedContext<'a>; 1],
    current_context: &'a str,
}

#[derive(Serialize)]
struct NamedCluster<'a> {
    name: &'static str,
    cluster: &'a RenderedCluster<'a>,
}

#[derive(Serialize)]
struct NamedUser<'a> {
    name: &'static str,
    user: &'a RenderedUser<'a>,
}

#[derive(Serialize)]
struct NamedContext<'a> {
    name: &'static str,
    context: RenderedContext<'a>,
}

#[derive(Serialize)]
struct RenderedContext<'a> {
    cluster: &'static str,
    user: &'static str,
    namespace: &'a str,
}

fn written(cluster: &RenderedCluster<'_>, user: &RenderedUser<'_>, namespace: &str) -> SecretBytes {
    let file = Rendered {
        api_version: "v1",
        kind: "Config",
        clusters: [NamedCluster {
            name: "cluster",
            cluster,
        }],
        users: [NamedUser { name: "user", user }],
        contexts: [NamedContext {
            name: "context",
            context: RenderedContext {
                cluster: "cluster",
                user: "user",
                namespace,
            },
        }],
        current_context: "context",
    };
    // Counted first, so that growing leaves no copy of a secret behind.
    let mut length = Length(0);
    let counted = serde_json::to_writer(&mut length, &file);
    let mut bytes = Vec::with_capacity(length.0);
    if counted
        .and_then(|()| serde_json::to_writer(&mut bytes, &file))
        .is_err()
    {
        bytes.clear(); // texts and arrays always serialise; an empty file would be refused by the tool
    }
    SecretBytes::new(bytes)
}

/// Counts what is written to it.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
        .ok_or_else(|| dangling(list, name))
}

fn dangling(list: &'static str, name: &str) -> KubeconfigError {
    KubeconfigError::Dangling {
        list,
        name: Excerpt::new(name),
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

/// `now` is when certificates have to be valid; without it they are not looked into.
fn checked_user(
    user: &User,
    terms: &Terms,
    now: Option<SystemTime>,
) -> Result<Credential, KubeconfigError> {
    let mut credential = Credential::default();
    if let Some((token, line)) = user
        .token
        .as_ref()
        .filter(|(token, _)| !token.expose().is_empty())
    {
        if !is_token(token.expose()) {
            return Err(KubeconfigError::Token { line: *line });
        }
        credential.token = Some(token.clone());
    }
    let missing = |key| KubeconfigError::Missing {
        line: user.line,
        key,
    };
    credential.client_certificate =
        match (&user.client_certificate_data, &user.client_key_data, now) {
            (Some((certificate, line)), Some((key, key_line)), Some(now)) => {
                let certificate = certificates(certificate, *line, "client-certificate-data", now)?;
                let key = private_key(key, *key_line, &certificate)?;
                Some((certificate, key))
            }
            (Some(_), Some(_), None) | (None, None, _) => None,
            (Some(_), None, _) => return Err(missing("client-key-data")),
            (None, Some(_), _) => return Err(missing("client-certificate-data")),
        };
    credential.password = match (&user.username, &user.password) {
        (Some((name, line)), Some(_)) if name.is_empty() => {
            return Err(KubeconfigError::Shape {
                line: *line,
                key: "username",
                expected: "a text that is not empty",
            });
        }
        (Some((_, line)), Some(_)) if credential.token.is_some() => {
            return Err(KubeconfigError::Shape {
                line: *line,
                key: "username",
                expected: "without `token` beside it",
            });
        }
        (Some((name, _)), Some((password, _))) => Some((name.clone(), password.clone())),
        (None, None) => None,
        (Some(_), None) => return Err(missing("password")),
        (None, Some(_)) => return Err(missing("username")),
    };
    for (text, line) in user
        .username
        .iter()
        .map(|(name, line)| (name.as_str(), line))
        .chain(
            user.password
                .iter()
                .map(|(password, line)| (password.expose().as_str(), line)),
        )
    {
        if text.len() > 4096 || text.chars().any(char::is_control) {
            return Err(KubeconfigError::Shape {
                line: *line,
                key: "username or password",
                expected: "a text without control characters",
            });
        }
    }
    // client-go impersonates nobody when the name is empty.
    credential.impersonated = match (
        user.impersonate
            .as_ref()
            .filter(|(name, _)| !name.is_empty()),
        &user.impersonate_groups,
    ) {
        (Some((name, line)), groups) => {
            let allowed = terms.impersonation.allows_user(name)
                && groups
                    .iter()
                    .all(|(group, _)| terms.impersonation.allows_group(group));
            if !allowed {
                return Err(KubeconfigError::Impersonation { line: *line });
            }
            Some((
                name.clone(),
                groups.iter().map(|(group, _)| group.clone()).collect(),
            ))
        }
        (None, groups) if !groups.is_empty() => return Err(missing("as")),
        (None, _) => None,
    };
    Ok(credential)
}

/// The operator's token in the place of a credential plugin, for a server that it is meant for.
fn operators_token(
    terms: &Terms,
    command: &str,
    args: &[String],
    endpoint: &Endpoint,
    line: usize,
) -> Result<PathBuf, KubeconfigError> {
    let known: Vec<_> = terms
        .token_sources
        .iter()
        .filter(|source| source.stands_for(command, args))
        .collect();
    let host = endpoint.host().to_string();
    match known.iter().find(|source| source.is_for(&host)) {
        Some(source) => Ok(source.token_file.clone()),
        None => Err(KubeconfigError::Plugin {
            line,
            known: !known.is_empty(),
            fix: in_place_of(command),
        }),
    }
}

/// Whether a text is made of what bearer tokens are (RFC 6750, section 2.1, and the colon of
/// bootstrap tokens).
pub fn is_token(text: &str) -> bool {
    text.len() <= 16 * 1024
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._~+/=-:".contains(&byte))
}

impl Credential {
    fn identifies(&self) -> bool {
        self.token.is_some()
            || self.client_certificate.is_some()
            || self.password.is_some()
            || self.token_file.is_some()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PLAIN: &str = "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster:\n    server: https://k8s.example.com:6443\nusers:\n- name: u\n  user:\n    token: fake-token\ncontexts:\n- name: x\n  context: {cluster: c, user: u, namespace: web}\ncurrent-context: x\n";

    fn parse(text: &str) -> Result<Kubeconfig, KubeconfigError> {
        Kubeconfig::parse(
            &SecretBytes::new(text.as_bytes().to_vec()),
            None,
            &Terms::default(),
            SystemTime::UNIX_EPOCH,
        )
    }

    fn refused(text: &str) -> KubeconfigError {
        parse(text)
            .err()
            .unwrap_or_else(|| panic!("accepted: {text}"))
    }

    #[test]
    fn a_plain_one_is_written_again_with_fixed_names() {
        let rendered = parse(PLAIN).unwrap().render("203.0.113.7".parse().unwrap());
        let value: serde_json::Value = serde_json::from_slice(rendered.expose()).unwrap();
        assert_eq!(
            value,
            json!({
                "apiVersion": "v1", "kind": "Config", "current-context": "context",
                "clusters": [{ "name": "cluster", "cluster": { "server": "https://k8s.example.com:6443" } }],
                "users": [{ "name": "user", "user": { "token": "fake-token" } }],
                "contexts": [{ "name": "context", "context": { "cluster": "cluster", "user": "user", "namespace": "web" } }],
            })
        );
    }

    #[test]
    fn a_server_that_go_dials_without_its_proxy_is_named_by_its_address() {
        let rendered = parse(&PLAIN.replace("k8s.example.com", "localhost"))
            .unwrap()
            .render("127.0.0.1".parse().unwrap());
        let value: serde_json::Value = serde_json::from_slice(rendered.expose()).unwrap();
        assert_eq!(
            value["clusters"][0]["cluster"],
            json!({ "server": "https://127.0.0.1:6443", "tls-server-name": "localhost" })
        );
    }

    #[test]
    fn a_key_that_runs_or_reads_is_refused_with_its_line_and_the_fix() {
        let exec = PLAIN.replace("    token: fake-token\n", "    exec: {command: ./x}\n");
        let error = refused(&exec);
        assert_eq!(error.line(), Some(10));
        assert!(matches!(&error, KubeconfigError::Key { key, .. } if key == "users[].user.exec"));
        assert!(error.help().contains("kubectl create token"));
        for key in [
            "tokenFile: /x",
            "auth-provider: {name: oidc}",
            "as: admin",
            "username: a",
            "Exec: {}",
            "client-key: /k",
            "impersonate: x",
        ] {
            assert!(
                matches!(
                    refused(&PLAIN.replace("token: fake-token", key)),
                    KubeconfigError::Key { .. }
                ),
                "{key}"
            );
        }
        for key in [
            "insecure-skip-tls-verify: true",
            "insecure-skip-tls-verify: yes",
            "proxy-url: http://x",
            "certificate-authority: /x",
        ] {
            let text = PLAIN.replace("    server:", &format!("    {key}\n    server:"));
            assert!(
                matches!(refused(&text), KubeconfigError::Key { .. }),
                "{key}"
            );
        }
    }

    #[test]
    fn a_credential_plugin_is_answered_with_the_command_that_prints_its_token() {
        for (command, instead) in [
            (
                "aws",
                "`aws eks get-token --cluster-name NAME --query status.token --output text`",
            ),
            (
                "C:\\bin\\gke-gcloud-auth-plugin.exe",
                "`gcloud auth print-access-token`",
            ),
            (
                "/usr/local/bin/kubelogin",
                "`az account get-access-token --resource 6dae42f8-4368-4678-94ff-3960e28e3630",
            ),
            ("./x", "`kubectl create token NAME`"),
        ] {
            let error = refused(&PLAIN.replace(
                "token: fake-token",
                &format!("exec: {{command: '{command}'}}"),
            ));
            assert!(
                error.help().contains(instead),
                "{command}: {}",
                error.help()
            );
        }
    }

    #[test]
    fn a_trap_in_an_entry_that_is_not_chosen_is_refused_too() {
        let text = PLAIN.replace(
            "contexts:",
            "- name: other\n  user: {exec: {command: x}}\ncontexts:",
        );
        assert!(matches!(refused(&text), KubeconfigError::Key { .. }));
    }

    fn parse_with(text: &str, terms: &Terms) -> Result<Kubeconfig, KubeconfigError> {
        Kubeconfig::parse(
            &SecretBytes::new(text.as_bytes().to_vec()),
            None,
            terms,
            SystemTime::UNIX_EPOCH,
        )
    }

    fn rendered(kubeconfig: &Kubeconfig) -> serde_json::Value {
        serde_json::from_slice(kubeconfig.render("203.0.113.7".parse().unwrap()).expose()).unwrap()
    }

    #[test]
    fn what_the_operator_accepts_is_accepted_and_nothing_else() {
        let cluster =
            |keys: &str| PLAIN.replace("    server:", &format!("    {keys}\n    server:"));
        let user = |keys: &str| PLAIN.replace("    token: fake-token", &format!("    {keys}"));
        let insecure = Terms {
            insecure_skip_tls_verify: true,
            ..Terms::default()
        };
        let found = parse_with(&cluster("insecure-skip-tls-verify: true"), &insecure).unwrap();
        assert_eq!(
            rendered(&found)["clusters"][0]["cluster"]["insecure-skip-tls-verify"],
            true
        );
        let named = Terms {
            tls_server_name: true,
            ..Terms::default()
        };
        let found = parse_with(&cluster("tls-server-name: other.example.com"), &named).unwrap();
        assert_eq!(
            rendered(&found)["clusters"][0]["cluster"]["tls-server-name"],
            "other.example.com"
        );
        assert!(matches!(
            parse_with(&cluster("tls-server-name: 'a b'"), &named),
            Err(KubeconfigError::Shape { .. })
        ));
        let passwords = Terms {
            passwords: true,
            ..Terms::default()
        };
        let found = parse_with(
            &user("username: anna\n    password: fake-password"),
            &passwords,
        )
        .unwrap();
        assert_eq!(
            rendered(&found)["users"][0]["user"],
            json!({ "username": "anna", "password": "fake-password" })
        );
        assert!(matches!(
            parse_with(&user("username: anna"), &passwords),
            Err(KubeconfigError::Missing {
                key: "password",
                ..
            })
        ));
        let impersonation = super::super::Impersonation {
            users: vec!["ci-*".into()],
            groups: vec!["dev".into()],
        };
        let impersonating = Terms {
            impersonation,
            ..Terms::default()
        };
        let with = |keys: &str| {
            parse_with(
                &user(&format!("token: fake-token\n    {keys}")),
                &impersonating,
            )
        };
        let found = with("as: ci-web\n    as-groups: [dev]").unwrap();
        assert_eq!(rendered(&found)["users"][0]["user"]["as"], "ci-web");
        assert_eq!(
            rendered(&found)["users"][0]["user"]["as-groups"],
            json!(["dev"])
        );
        for keys in [
            "as: admin",
            "as: ci-web\n    as-groups: [dev, 'system:masters']",
        ] {
            assert!(
                matches!(with(keys), Err(KubeconfigError::Impersonation { .. })),
                "{keys}"
            );
        }
        assert!(matches!(
            with("as-groups: [dev]"),
            Err(KubeconfigError::Missing { key: "as", .. })
        ));
        assert!(matches!(
            with("as: ci-web\n    as-uid: '0'"),
            Err(KubeconfigError::Key { .. })
        ));
        // None of it without its own term.
        for terms in [&insecure, &named, &passwords, &impersonating] {
            let others = ["proxy-url: http://x", "certificate-authority: /x"]
                .map(cluster)
                .into_iter()
                .chain(["tokenFile: /x", "exec: {command: x}"].map(user));
            for text in others {
                assert!(
                    matches!(parse_with(&text, terms), Err(KubeconfigError::Key { .. })),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn an_operators_token_goes_to_the_operators_clusters_only() {
        let source = super::super::TokenSource {
            plugin: "aws eks get-token".into(),
            clusters: vec!["*.eks.amazonaws.com".into()],
            token_file: "/run/token".into(),
        };
        let terms = Terms {
            token_sources: vec![source],
            ..Terms::default()
        };
        let file = |server: &str, exec: &str| {
            PLAIN
                .replace("k8s.example.com:6443", server)
                .replace("token: fake-token", &format!("exec: {exec}"))
        };
        let aws = "{apiVersion: v1, command: /usr/bin/aws, args: [--region, eu-west-1, eks, get-token, --cluster-name, web], env: null}";
        let mut found = parse_with(&file("1.eks.amazonaws.com", aws), &terms).unwrap();
        assert_eq!(found.token_file(), Some(Path::new("/run/token")));
        let masked: serde_json::Value = serde_json::from_slice(found.masked().expose()).unwrap();
        assert_eq!(masked["users"][0]["user"], json!({ "token": "REDACTED" }));
        assert!(
            found
                .put_token(SecretString::new("two words".into()))
                .is_err()
        );
        found
            .put_token(SecretString::new("operators-token".into()))
            .unwrap();
        assert_eq!(
            rendered(&found)["users"][0]["user"],
            json!({ "token": "operators-token" })
        );
        for (server, exec, known) in [
            ("evil.example", aws, true),
            ("1.eks.amazonaws.com.evil.example", aws, true),
            (
                "1.eks.amazonaws.com",
                "{command: aws, args: [eks, describe-cluster]}",
                false,
            ),
            (
                "1.eks.amazonaws.com",
                "{command: ./x/evil, args: [eks, get-token]}",
                false,
            ),
        ] {
            let refused = parse_with(&file(server, exec), &terms).err();
            assert!(
                matches!(refused, Some(KubeconfigError::Plugin { known: found, .. }) if found == known),
                "{server} {exec}: {refused:?}"
            );
        }
    }

    fn certified(days_left: i64) -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec!["x".into()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(1970, 1, 1)
            + std::time::Duration::from_secs(86_400 * u64::try_from(100 + days_left).unwrap());
        let certificate = parameters.self_signed(&key).unwrap();
        (
            base64::prelude::BASE64_STANDARD.encode(certificate.pem()),
            base64::prelude::BASE64_STANDARD.encode(key.serialize_pem()),
        )
    }

    #[test]
    fn a_certificate_parses_is_valid_today_and_has_its_key() {
        let today = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(86_400 * 100);
        let with = |certificate: &str, key: &str| {
            let text = PLAIN.replace(
                "token: fake-token",
                &format!("client-certificate-data: {certificate}\n    client-key-data: {key}"),
            );
            Kubeconfig::parse(
                &SecretBytes::new(text.into_bytes()),
                None,
                &Terms::default(),
                today,
            )
        };
        let (certificate, key) = certified(1);
        let (old, old_key) = certified(-1);
        assert!(with(&certificate, &key).is_ok());
        assert!(matches!(
            with(&certificate, &old_key),
            Err(KubeconfigError::KeyMismatch { line: 11 })
        ));
        let expired = with(&old, &old_key).err().unwrap();
        assert!(
            expired
                .to_string()
                .contains("expired at 1970-04-10T00:00:00Z"),
            "{expired}"
        );
        assert!(matches!(with(&key, &key), Err(KubeconfigError::Pem { .. })));
        let half = base64::prelude::BASE64_STANDARD
            .encode("-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n");
        assert!(matches!(
            with(&half, &key),
            Err(KubeconfigError::Pem { .. })
        ));
    }

    /// The differential test found each of these: client-go read it differently
    /// (tests/differential/kubeconfig.rs).
    #[test]
    fn what_client_go_reads_differently_is_refused_or_read_as_client_go_does() {
        use KubeconfigError as E;
        let source = super::super::TokenSource {
            plugin: "aws eks get-token".into(),
            clusters: vec!["k8s.example.com".into()],
            token_file: "/run/token".into(),
        };
        let impersonation = super::super::Impersonation {
            users: vec!["*".into()],
            groups: vec!["*".into()],
        };
        let terms = Terms {
            passwords: true,
            impersonation,
            token_sources: vec![source],
            ..Terms::default()
        };
        let with = |keys: &str| {
            parse_with(
                &PLAIN.replace("    token: fake-token", &format!("    {keys}")),
                &terms,
            )
        };
        for (keys, code) in [
            ("as: \"a\\Nb\"", 0x85),
            ("as: \"a\\x7f\"", 0x7f),
            ("username: \"a\\Lb\"", 0x2028),
        ] {
            assert_eq!(
                with(&format!("token: fake-token\n    {keys}")).err(),
                Some(E::Character { line: 11, code }),
                "{keys}"
            );
        }
        assert!(matches!(
            with("username: a\n    password: \"b\\nc\""),
            Err(E::Shape { .. })
        ));
        assert!(matches!(
            with("username: a\n    password: b\n    token: fake-token"),
            Err(E::Shape {
                key: "username",
                ..
            })
        ));
        assert!(matches!(
            with("username: ''\n    password: b"),
            Err(E::Shape {
                key: "username",
                ..
            })
        ));
        let exec = "exec: {apiVersion: client.authentication.k8s.io/v1, command: aws, args: [eks, get-token]}";
        assert!(matches!(
            with(&format!("username: a\n    password: b\n    {exec}")),
            Err(E::Shape { key: "exec", .. })
        ));
        let own = with(&format!("token: fake-token\n    {exec}")).unwrap();
        assert_eq!(
            (own.token_file(), &rendered(&own)["users"][0]["user"]),
            (None, &json!({ "token": "fake-token" }))
        );
        let nobody = with("token: fake-token\n    as: ''").unwrap();
        assert_eq!(
            rendered(&nobody)["users"][0]["user"],
            json!({ "token": "fake-token" })
        );
    }

    #[test]
    fn pem_that_go_reads_differently_is_refused() {
        let base64 = |pem: &str| base64::prelude::BASE64_STANDARD.encode(pem);
        let (certificate, key) = certified(1);
        let plain = |data: &str| String::from_utf8(decode(data).unwrap().expose().clone()).unwrap();
        let (certificate, key) = (
            plain(&certificate).replace("\r\n", "\n"),
            plain(&key).replace("\r\n", "\n"),
        );
        let with = |certificate: &str, key: &str| {
            let data = format!(
                "client-certificate-data: {}\n    client-key-data: {}",
                base64(certificate),
                base64(key)
            );
            parse(&PLAIN.replace("token: fake-token", &data)).err()
        };
        assert_eq!(with(&format!("a comment\n{certificate}"), &key), None);
        for wrong in [
            certificate.replace(
                "-----END CERTIFICATE-----",
                "-----END CERTIFICATE----- and more",
            ) + &certificate,
            certificate.replace(
                "-----BEGIN CERTIFICATE-----",
                "-----BEGIN CERTIFICATE----- and more",
            ) + &certificate,
            certificate.replace("-----END", "-----BEGIN CERTIFICATE-----\n-----END"),
            certificate.replace(
                "-----BEGIN CERTIFICATE-----\n",
                "-----BEGIN CERTIFICATE-----\nProc-Type: 4\n\n",
            ),
            certificate
                .trim_end()
                .trim_end_matches("-----END CERTIFICATE-----")
                .to_owned(),
        ] {
            assert!(
                matches!(
                    with(&wrong, &key),
                    Some(KubeconfigError::Pem {
                        key: "client-certificate-data",
                        ..
                    })
                ),
                "{wrong}"
            );
        }
        let other = "-----BEGIN DSA PRIVATE KEY-----\nMAA=\n-----END DSA PRIVATE KEY-----\n";
        assert!(matches!(
            with(&certificate, &format!("{other}{key}")),
            Some(KubeconfigError::Pem {
                key: "client-key-data",
                ..
            })
        ));
        // ECPrivateKey { 1, 32 bytes }, and no curve.
        let sec1 = [&[0x30, 0x25, 2, 1, 1, 4, 32][..], &[7; 32]].concat();
        let curveless = format!(
            "-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----\n",
            base64::prelude::BASE64_STANDARD.encode(sec1)
        );
        assert_eq!(
            with(&certificate, &curveless),
            Some(KubeconfigError::KeyKind { line: 11 })
        );
    }

    #[test]
    fn files_are_followed_for_the_operator_only() {
        let (certificate, key) = certified(1);
        let read = |path: &str| match path {
            "ca.pem" => Ok(decode(&certificate).unwrap()),
            "key.pem" => Ok(decode(&key).unwrap()),
            "token" => Ok(SecretBytes::new(b"operators-token\n".to_vec())),
            "empty" => Ok(SecretBytes::new(b" \n".to_vec())),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        };
        let mounted = |text: &str| {
            Kubeconfig::parse_mounted(
                &SecretBytes::new(text.as_bytes().to_vec()),
                None,
                &Terms::default(),
                SystemTime::UNIX_EPOCH,
                &read,
            )
        };
        let text = PLAIN
            .replace(
                "    server:",
                "    certificate-authority: ca.pem\n    server:",
            )
            .replace(
                "token: fake-token",
                "tokenFile: token\n    client-certificate: ca.pem\n    client-key: key.pem",
            );
        let found = rendered(&mounted(&text).unwrap());
        assert_eq!(found["users"][0]["user"]["token"], "operators-token");
        let authority = found["clusters"][0]["cluster"]["certificate-authority-data"]
            .as_str()
            .unwrap();
        assert_eq!(
            found["users"][0]["user"]["client-certificate-data"],
            authority
        );
        assert!(matches!(
            mounted(&text.replace("key.pem", "none")),
            Err(KubeconfigError::File {
                key: "client-key",
                line: 13,
                ..
            })
        ));
        let empty =
            mounted(&text.replace("tokenFile: token", "token: other\n    tokenFile: empty"));
        assert!(matches!(
            empty,
            Err(KubeconfigError::Shape {
                key: "tokenFile",
                line: 12,
                ..
            })
        ));
        assert!(matches!(refused(&text), KubeconfigError::Key { .. }));
    }

    #[test]
    fn yaml_that_two_readers_take_differently_is_refused() {
        use KubeconfigError as E;
        assert!(matches!(
            refused(&PLAIN.replace("token: fake-token", "token: &a fake")),
            E::Yaml {
                what: "a YAML anchor",
                ..
            }
        ));
        assert!(matches!(
            refused(&PLAIN.replace("token: fake-token", "token: !!str x")),
            E::Yaml {
                what: "a YAML tag",
                ..
            }
        ));
        assert!(matches!(
            refused(&PLAIN.replace("token: fake-token", "token: a\n    token: b")),
            E::DuplicateKey { line: 11, .. }
        ));
        assert!(matches!(
            refused(&format!("{PLAIN}---\na: b\n")),
            E::Yaml {
                what: "a second YAML document",
                ..
            }
        ));
        assert!(matches!(
            refused(&format!("%YAML 1.1\n---\n{PLAIN}")),
            E::Yaml {
                what: "a YAML directive",
                ..
            }
        ));
        assert!(matches!(
            refused(&PLAIN.replace("fake", "fa\u{85}ke")),
            E::Character { code: 0x85, .. }
        ));
        assert!(matches!(
            refused(&PLAIN.replace("fake-token", "0123")),
            E::Shape { .. }
        ));
        assert!(matches!(refused(""), E::Empty));
        assert!(matches!(refused("~"), E::Shape { .. }));
    }

    #[test]
    fn a_kubeconfig_that_does_not_resolve_is_refused() {
        use KubeconfigError as E;
        assert!(matches!(
            refused(&PLAIN.replace("current-context: x", "current-context: z")),
            E::Dangling {
                list: "contexts",
                ..
            }
        ));
        assert!(matches!(
            refused(&PLAIN.replace("current-context: x", "")),
            E::NoContext
        ));
        assert!(matches!(
            refused(&PLAIN.replace("user: u,", "user: v,")),
            E::Dangling { list: "users", .. }
        ));
        assert!(matches!(
            refused(&PLAIN.replace("token: fake-token", "token: ''")),
            E::NoCredential { .. }
        ));
        assert!(matches!(
            refused(&PLAIN.replace("namespace: web", "namespace: ../x")),
            E::Namespace { .. }
        ));
        assert!(matches!(
            refused(&PLAIN.replace("https://k8s", "http://k8s")),
            E::Server { .. }
        ));
        assert!(matches!(
            refused(&PLAIN.replace("https://k8s", &format!("https://{}k8s", "a.".repeat(2000)))),
            E::Shape { key: "server", .. }
        ));
        assert!(matches!(
            refused(&PLAIN.replace("kind: Config", "kind: Secret")),
            E::NotConfig
        ));
    }

    #[test]
    fn a_key_that_swallowed_its_value_is_told_without_it() {
        for keys in [
            "token:fake-token",
            "'token: fake-token'",
            "token:fake-token, 'token:fake-token'",
            "'token fake-token': x",
        ] {
            let error =
                refused(&PLAIN.replace("    token: fake-token", &format!("    {{{keys}}}")))
                    .to_string();
            assert!(
                error.contains("token") && !error.contains("fake"),
                "{keys}: {error}"
            );
        }
    }

    #[test]
    fn a_refused_server_is_told_without_what_may_be_a_password() {
        for (server, shown) in [
            (
                "https://jane:fake-password@k8s.example.com",
                "`https://***@***` carries a user name or password",
            ),
            (
                "jane:fake-password@k8s.example.com",
                "`https://***@***` carries a user name or password",
            ),
            (
                "https://jane:fake?password@k8s.example.com",
                "`https://***@***` carries a user name or password",
            ),
            (
                "https://k8s.example.com/?token=fake-token",
                "`https://k8s.example.com/?***` carries a query or a fragment",
            ),
            (
                "https://k8s.example.com#fake-token",
                "`https://k8s.example.com?***` carries a query or a fragment",
            ),
            (
                "https://k8s.example.com/t=fake-token",
                "the path of `https://k8s.example.com/t=***` has characters or segments that an API server's path does not",
            ),
            (
                "https://jane:fake-password.k8s.example.com/x",
                "`https://jane:f***` is not an absolute URL",
            ),
            (
                "https://[::1]:fake-token",
                "`https://[::1]:f***` is not an absolute URL",
            ),
            (
                "http://k8s.example.com/ fake-token",
                "the scheme of `http://k8s.example.com/ ***` is not https",
            ),
        ] {
            let error =
                refused(&PLAIN.replace("https://k8s.example.com:6443", &format!("'{server}'")))
                    .to_string();
            assert!(error.ends_with(shown), "{server}: {error}");
        }
    }

    #[test]
    fn base64_is_read_in_every_spelling_that_callers_use() {
        for text in ["YT9+Pz4/", "YT9-Pz4_", "YT9+\r\nPz4/\n", "YQ==", "YQ"] {
            assert!(decode(text).is_ok(), "{text}");
        }
        assert_eq!(
            decode("not base64!").err(),
            Some(KubeconfigError::NotBase64)
        );
        assert_eq!(decode("  ").err(), Some(KubeconfigError::Empty));
    }
}
