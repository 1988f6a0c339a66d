//! A [`Kubeconfig`] -> the file that a child reads.

use std::{io, net::IpAddr};

use serde::Serialize;

use super::{canonical::Kubeconfig, certificate::Certificates, credential::Credential};
use crate::{
    endpoint::EndpointHost,
    secret::{SecretBytes, SecretString},
};

impl Kubeconfig {
    /// The file for the child, as JSON.
    ///
    /// A server that the child will ask for by name is left as it is. One that it dials by itself
    /// is replaced by `address`, so that it resolves no name; the certificate is still verified
    /// against the name that the caller gave.
    pub fn render(&self, address: IpAddr) -> SecretBytes {
        let given = self.cluster().tls_server_name.as_deref();
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
            self.cluster().tls_server_name.as_deref(),
            proxy,
            |secret| secret.expose(),
        )
    }

    /// The file as a person may see it: what was understood, the secrets left out.
    pub fn masked(&self) -> SecretBytes {
        self.written(
            &self.endpoint().to_string(),
            self.cluster().tls_server_name.as_deref(),
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
        } = self.credential();
        let operators = token_file
            .as_ref()
            .filter(|_| token.is_none())
            .map(|_| MASK);
        let insecure = self.cluster().insecure_skip_tls_verify;
        // client-go refuses an authority that nothing is verified against.
        let authority = self
            .cluster()
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
            self.namespace(),
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
