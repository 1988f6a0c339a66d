//! The chosen context -> the one kubeconfig that a child ever sees.

use std::net::IpAddr;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{PemObject, SectionKind},
};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    error::KubeconfigError,
    scan::{LARGEST, scan},
    schema::{Cluster, Config, User},
};
use crate::{
    endpoint::{Endpoint, EndpointHost},
    excerpt::Excerpt,
    secret::{SecretBytes, SecretString},
};

/// How the child identifies itself.
pub struct Credential {
    token: Option<SecretString>,
    client_certificate: Option<(String, SecretString)>,
}

/// One cluster, one user, one context, all checked. The only thing a child's kubeconfig is made of.
pub struct Kubeconfig {
    endpoint: Endpoint,
    certificate_authority: Option<String>,
    credential: Credential,
    namespace: String,
}

/// Reads base64 as callers write it: standard or URL-safe, padded or not, with line breaks.
///
/// # Errors
/// [`KubeconfigError::NotBase64`], or `TooLarge` before anything is decoded.
pub fn decode(text: &str) -> Result<SecretBytes, KubeconfigError> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
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
    if stripped.len() > LARGEST.div_ceil(3) * 4 {
        return Err(KubeconfigError::TooLarge { bytes: stripped.len() / 4 * 3 });
    }
    if stripped.is_empty() {
        return Err(KubeconfigError::Empty);
    }
    GeneralPurpose::new(&alphabet::STANDARD, LENIENT).decode(&*stripped).map(SecretBytes::new).map_err(|_| KubeconfigError::NotBase64)
}

impl Kubeconfig {
    /// Reads a kubeconfig and keeps the chosen context: `context`, else the file's own.
    ///
    /// # Errors
    /// A [`KubeconfigError`] with the line and the fix.
    pub fn parse(bytes: &SecretBytes, context: Option<&str>) -> Result<Self, KubeconfigError> {
        let config = Config::read(scan(bytes.expose())?)?;
        // All of them, not only the chosen one: a file that carries a trap is not half trusted.
        for (_, cluster) in &config.clusters {
            checked_cluster(cluster)?;
        }
        for (_, user) in &config.users {
            checked_user(user)?;
        }
        let name = context.or(config.current_context.as_deref()).ok_or(KubeconfigError::NoContext)?;
        let context = find(&config.contexts, "contexts", name)?;
        let user = find(&config.users, "users", &context.user)?;
        let (endpoint, certificate_authority) = checked_cluster(find(&config.clusters, "clusters", &context.cluster)?)?;
        let credential = checked_user(user)?.ok_or(KubeconfigError::NoCredential { line: user.line })?;
        let namespace = context.namespace.clone().unwrap_or_else(|| "default".into());
        if !crate::command::is_dns_label(&namespace) {
            return Err(KubeconfigError::Namespace { line: context.line });
        }
        Ok(Self { endpoint, certificate_authority, credential, namespace })
    }

    /// The API server.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The namespace of the chosen context, `default` when it names none.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The file for the child, as JSON, its server replaced by `address`: the child resolves no
    /// name, and the certificate is still verified against the name that the caller gave.
    pub fn render(&self, address: IpAddr) -> SecretBytes {
        let tls_server_name = match self.endpoint.host() {
            EndpointHost::Name(name) => Some(name.as_str()),
            EndpointHost::Address(_) => None,
        };
        let certificate = self.credential.client_certificate.as_ref();
        written(
            &RenderedCluster {
                server: &self.endpoint.url_at(address),
                tls_server_name,
                certificate_authority_data: self.certificate_authority.as_deref(),
            },
            &RenderedUser {
                token: self.credential.token.as_ref().map(|token| token.expose().as_str()),
                client_certificate_data: certificate.map(|(certificate, _)| certificate.as_str()),
                client_key_data: certificate.map(|(_, key)| key.expose().as_str()),
            },
            &self.namespace,
        )
    }

    /// A file that resolves to nowhere, for a command that contacts nobody: without any, client-go
    /// falls back to the credentials of the pod that it runs in.
    pub fn nowhere() -> SecretBytes {
        let cluster = RenderedCluster { server: "https://nowhere.invalid", tls_server_name: None, certificate_authority_data: None };
        written(&cluster, &RenderedUser { token: Some("none"), client_certificate_data: None, client_key_data: None }, "default")
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct RenderedCluster<'a> {
    server: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_server_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_authority_data: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct RenderedUser<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_certificate_data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_key_data: Option<&'a str>,
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
        clusters: [NamedCluster { name: "cluster", cluster }],
        users: [NamedUser { name: "user", user }],
        contexts: [NamedContext { name: "context", context: RenderedContext { cluster: "cluster", user: "user", namespace } }],
        current_context: "context",
    };
    // Room for the largest, so that growing leaves no copy of a secret behind.
    let mut bytes = Vec::with_capacity(2 * LARGEST);
    if serde_json::to_writer(&mut bytes, &file).is_err() {
        bytes.clear(); // texts and arrays always serialise; an empty file would be refused by the tool
    }
    SecretBytes::new(bytes)
}

fn find<'a, T>(entries: &'a [(String, T)], list: &'static str, name: &str) -> Result<&'a T, KubeconfigError> {
    entries
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value)
        .ok_or_else(|| KubeconfigError::Dangling { list, name: Excerpt::new(name) })
}

fn checked_cluster(cluster: &Cluster) -> Result<(Endpoint, Option<String>), KubeconfigError> {
    let endpoint = Endpoint::parse(&cluster.server).map_err(|source| KubeconfigError::Server { line: cluster.server_line, source })?;
    let authority = match &cluster.certificate_authority_data {
        Some((data, line)) => Some(certificates(data, *line, "certificate-authority-data")?),
        None => None,
    };
    Ok((endpoint, authority))
}

fn checked_user(user: &User) -> Result<Option<Credential>, KubeconfigError> {
    let token = match &user.token {
        Some((token, _)) if token.expose().is_empty() => None,
        Some((token, line)) => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._~+/=-:".contains(&byte);
            if token.expose().len() > 16 * 1024 || !token.expose().bytes().all(plain) {
                return Err(KubeconfigError::Token { line: *line });
            }
            Some(token.clone())
        }
        None => None,
    };
    let client_certificate = match (&user.client_certificate_data, &user.client_key_data) {
        (Some((certificate, line)), Some((key, key_line))) => {
            Some((certificates(certificate, *line, "client-certificate-data")?, private_key(key, *key_line)?))
        }
        (None, None) => None,
        (Some(_), None) => return Err(KubeconfigError::Missing { line: user.line, key: "client-key-data" }),
        (None, Some(_)) => return Err(KubeconfigError::Missing { line: user.line, key: "client-certificate-data" }),
    };
    Ok((token.is_some() || client_certificate.is_some()).then_some(Credential { token, client_certificate }))
}

/// Base64 of one or more PEM certificates, written again from what was read.
fn certificates(data: &str, line: usize, key: &'static str) -> Result<String, KubeconfigError> {
    let wrong = || KubeconfigError::Pem { line, key, expected: "certificates" };
    let pem = decode(data).map_err(|_| wrong())?;
    let sections: Vec<(SectionKind, Vec<u8>)> =
        <(SectionKind, Vec<u8>)>::pem_slice_iter(pem.expose()).collect::<Result<_, _>>().map_err(|_| wrong())?;
    if sections.is_empty()
        || sections.len() > 64
        || sections
            .iter()
            .any(|(kind, der)| *kind != SectionKind::Certificate || CertificateDer::from(der.as_slice()).first() != Some(&0x30))
    {
        return Err(wrong());
    }
    let pem: String = sections.iter().map(|(_, der)| pem_text("CERTIFICATE", der)).collect();
    Ok(base64::prelude::BASE64_STANDARD.encode(pem))
}

/// Base64 of one PEM private key, of any of the three encodings, written again from what was read.
fn private_key(data: &SecretString, line: usize) -> Result<SecretString, KubeconfigError> {
    let wrong = || KubeconfigError::Pem { line, key: "client-key-data", expected: "a private key" };
    let pem = decode(data.expose()).map_err(|_| wrong())?;
    let key = PrivateKeyDer::from_pem_slice(pem.expose()).map_err(|_| wrong())?;
    let label = match &key {
        PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
        PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
        PrivateKeyDer::Pkcs8(_) => "PRIVATE KEY",
        _ => return Err(wrong()),
    };
    let text = Zeroizing::new(pem_text(label, key.secret_der()));
    Ok(SecretString::new(base64::prelude::BASE64_STANDARD.encode(text.as_bytes())))
}

fn pem_text(label: &str, der: &[u8]) -> String {
    let body = Zeroizing::new(base64::prelude::BASE64_STANDARD.encode(der));
    let lines: Vec<&str> = body.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PLAIN: &str = "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster:\n    server: https://k8s.example.com:6443\nusers:\n- name: u\n  user:\n    token: fake-token\ncontexts:\n- name: x\n  context: {cluster: c, user: u, namespace: web}\ncurrent-context: x\n";

    fn parse(text: &str) -> Result<Kubeconfig, KubeconfigError> {
        Kubeconfig::parse(&SecretBytes::new(text.as_bytes().to_vec()), None)
    }

    fn refused(text: &str) -> KubeconfigError {
        parse(text).err().unwrap_or_else(|| panic!("accepted: {text}"))
    }

    #[test]
    fn a_plain_one_is_written_again_with_fixed_names_and_the_pinned_address() {
        let rendered = parse(PLAIN).unwrap().render("203.0.113.7".parse().unwrap());
        let value: serde_json::Value = serde_json::from_slice(rendered.expose()).unwrap();
        assert_eq!(
            value,
            json!({
                "apiVersion": "v1", "kind": "Config", "current-context": "context",
                "clusters": [{ "name": "cluster", "cluster": { "server": "https://203.0.113.7:6443", "tls-server-name": "k8s.example.com" } }],
                "users": [{ "name": "user", "user": { "token": "fake-token" } }],
                "contexts": [{ "name": "context", "context": { "cluster": "cluster", "user": "user", "namespace": "web" } }],
            })
        );
    }

    #[test]
    fn a_key_that_runs_or_reads_is_refused_with_its_line_and_the_fix() {
        let exec = PLAIN.replace("    token: fake-token\n", "    exec: {command: ./x}\n");
        let error = refused(&exec);
        assert_eq!(error.line(), Some(10));
        assert!(matches!(&error, KubeconfigError::Key { key, .. } if key == "users[].user.exec"));
        assert!(error.help().contains("kubectl create token"));
        for key in
            ["tokenFile: /x", "auth-provider: {name: oidc}", "as: admin", "username: a", "Exec: {}", "client-key: /k", "impersonate: x"]
        {
            assert!(matches!(refused(&PLAIN.replace("token: fake-token", key)), KubeconfigError::Key { .. }), "{key}");
        }
        for key in ["insecure-skip-tls-verify: true", "insecure-skip-tls-verify: yes", "proxy-url: http://x", "certificate-authority: /x"] {
            let text = PLAIN.replace("    server:", &format!("    {key}\n    server:"));
            assert!(matches!(refused(&text), KubeconfigError::Key { .. }), "{key}");
        }
    }

    #[test]
    fn a_trap_in_an_entry_that_is_not_chosen_is_refused_too() {
        let text = PLAIN.replace("contexts:", "- name: other\n  user: {exec: {command: x}}\ncontexts:");
        assert!(matches!(refused(&text), KubeconfigError::Key { .. }));
    }

    #[test]
    fn yaml_that_two_readers_take_differently_is_refused() {
        use KubeconfigError as E;
        assert!(matches!(refused(&PLAIN.replace("token: fake-token", "token: &a fake")), E::Yaml { what: "a YAML anchor", .. }));
        assert!(matches!(refused(&PLAIN.replace("token: fake-token", "token: !!str x")), E::Yaml { what: "a YAML tag", .. }));
        assert!(matches!(refused(&PLAIN.replace("token: fake-token", "token: a\n    token: b")), E::DuplicateKey { line: 11, .. }));
        assert!(matches!(refused(&format!("{PLAIN}---\na: b\n")), E::Yaml { what: "a second YAML document", .. }));
        assert!(matches!(refused(&format!("%YAML 1.1\n---\n{PLAIN}")), E::Yaml { what: "a YAML directive", .. }));
        assert!(matches!(refused(&PLAIN.replace("fake", "fa\u{85}ke")), E::Character { code: 0x85, .. }));
        assert!(matches!(refused(&PLAIN.replace("fake-token", "0123")), E::Shape { .. }));
        assert!(matches!(refused(""), E::Empty));
        assert!(matches!(refused("~"), E::Shape { .. }));
    }

    #[test]
    fn a_kubeconfig_that_does_not_resolve_is_refused() {
        use KubeconfigError as E;
        assert!(matches!(refused(&PLAIN.replace("current-context: x", "current-context: z")), E::Dangling { list: "contexts", .. }));
        assert!(matches!(refused(&PLAIN.replace("current-context: x", "")), E::NoContext));
        assert!(matches!(refused(&PLAIN.replace("user: u,", "user: v,")), E::Dangling { list: "users", .. }));
        assert!(matches!(refused(&PLAIN.replace("token: fake-token", "token: ''")), E::NoCredential { .. }));
        assert!(matches!(refused(&PLAIN.replace("namespace: web", "namespace: ../x")), E::Namespace { .. }));
        assert!(matches!(refused(&PLAIN.replace("https://k8s", "http://k8s")), E::Server { .. }));
        assert!(matches!(refused(&PLAIN.replace("kind: Config", "kind: Secret")), E::NotConfig));
    }

    #[test]
    fn base64_is_read_in_every_spelling_that_callers_use() {
        for text in ["YT9+Pz4/", "YT9-Pz4_", "YT9+\r\nPz4/\n", "YQ==", "YQ"] {
            assert!(decode(text).is_ok(), "{text}");
        }
        assert_eq!(decode("not base64!").err(), Some(KubeconfigError::NotBase64));
        assert_eq!(decode("  ").err(), Some(KubeconfigError::Empty));
    }
}
