//! A [`Kubeconfig`] -> the file that a child reads.

use std::{io, net::IpAddr};

use serde::Serialize;

use super::{
    canonical::Kubeconfig, certificate::Certificates, credential::Credential, outline::Outline,
};
use crate::{
    endpoint::EndpointHost,
    secret::{SecretBytes, SecretString},
};

/// A kubeconfig that this server wrote from what it understood: the only one that a child reads.
///
/// Only [`Kubeconfig`] makes one, in this file. Bytes of a caller's are another type, and no
/// workspace takes them.
///
/// ```compile_fail,E0451
/// let forged = kube_airlock::kubeconfig::Rendered { bytes: todo!() };
/// ```
#[derive(Debug)]
pub struct Rendered {
    bytes: SecretBytes,
}

impl Rendered {
    /// The file's content, as JSON. Named as [`SecretBytes::expose`] is, for the same search.
    pub fn expose(&self) -> &[u8] {
        self.bytes.expose()
    }

    fn new(file: &Document<'_>) -> Self {
        // Counted first, so that growing leaves no copy of a secret behind.
        let mut length = Length(0);
        let counted = serde_json::to_writer(&mut length, file);
        let mut bytes = Vec::with_capacity(length.0);
        if counted
            .and_then(|()| serde_json::to_writer(&mut bytes, file))
            .is_err()
        {
            bytes.clear(); // texts and arrays always serialise; an empty file would be refused by the tool
        }
        Self {
            bytes: SecretBytes::new(bytes),
        }
    }
}

impl Kubeconfig {
    /// The file for the child.
    ///
    /// A server that the child requests by name from its proxy is left as it is. One that it dials
    /// by itself is replaced by `address`, so that it resolves no name; the certificate is still
    /// verified against the name that the caller gave.
    pub fn render(&self, address: IpAddr) -> Rendered {
        let given = self.cluster().tls_server_name.as_deref();
        if !self.endpoint().bypasses_proxies() {
            let server = self.endpoint().to_string();
            return self.rendered(&server, given, None);
        }
        let of_host = match self.endpoint().host() {
            EndpointHost::Name(name) => Some(name.as_str()),
            EndpointHost::Address(_) => None,
        };
        let (server, name) = (self.endpoint().url_at(address), given.or(of_host));
        self.rendered(&server, name, None)
    }

    /// The file for a child that names this server to `proxy`, wherever it is.
    pub fn render_with_proxy(&self, proxy: &str) -> Rendered {
        // client-go opens a connection per client then, so only where Go would use no proxy by
        // itself.
        let proxy = self.endpoint().bypasses_proxies().then_some(proxy);
        self.rendered(
            &self.endpoint().to_string(),
            self.cluster().tls_server_name.as_deref(),
            proxy,
        )
    }

    /// The file for a child whose requests this server takes, judges and sends on itself: a name,
    /// and nothing that identifies anybody. The child speaks plain HTTP, and to nobody but this
    /// server: by way of `proxy` where it has one, or to `address` where it would ask none.
    pub fn render_judged(&self, address: IpAddr, proxy: Option<&str>) -> Rendered {
        let asks_none = self.endpoint().bypasses_proxies();
        let server = match asks_none && proxy.is_none() {
            true => self.endpoint().url_at(address),
            false => self.endpoint().to_string(),
        };
        let server = server.replacen("https://", "http://", 1);
        let cluster = RenderedCluster {
            server: &server,
            proxy_url: proxy.filter(|_| asks_none),
            ..RenderedCluster::default()
        };
        Rendered::new(&Document::new(
            cluster,
            RenderedUser::default(),
            self.namespace(),
        ))
    }

    /// The file as a person may see it: what was understood, the secrets left out.
    pub fn masked(&self) -> serde_json::Value {
        self.written(
            &self.endpoint().to_string(),
            self.cluster().tls_server_name.as_deref(),
            None,
            |_| MASK,
            // Texts and arrays always serialise.
            |file| serde_json::to_value(file).unwrap_or_default(),
        )
    }

    /// A file that leads nowhere, for a command that contacts nobody: without any, client-go falls
    /// back to the credentials of the pod that it runs in.
    pub fn nowhere() -> Rendered {
        Rendered::new(&Document::new(
            RenderedCluster {
                server: "https://nowhere.invalid",
                ..RenderedCluster::default()
            },
            RenderedUser {
                token: Some("none"),
                ..RenderedUser::default()
            },
            "default",
        ))
    }

    fn rendered(
        &self,
        server: &str,
        tls_server_name: Option<&str>,
        proxy_url: Option<&str>,
    ) -> Rendered {
        self.written(
            server,
            tls_server_name,
            proxy_url,
            |secret| secret.expose(),
            Rendered::new,
        )
    }

    /// Makes the file for `server`, each secret as `shown` has it, and gives it to `form`.
    fn written<T>(
        &self,
        server: &str,
        tls_server_name: Option<&str>,
        proxy_url: Option<&str>,
        shown: fn(&SecretString) -> &str,
        form: fn(&Document<'_>) -> T,
    ) -> T {
        let Credential {
            token,
            client_certificate,
            password,
            impersonated,
            operators,
        } = self.credential();
        let operators = operators.as_ref().filter(|_| token.is_none()).map(|_| MASK);
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
        form(&Document::new(
            RenderedCluster {
                server,
                tls_server_name,
                certificate_authority_data: authority.as_deref(),
                insecure_skip_tls_verify: insecure.then_some(true),
                proxy_url,
            },
            RenderedUser {
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
        ))
    }
}

impl Outline {
    /// The file of a command that reads names alone: without users, it identifies nobody.
    pub fn render(&self) -> Rendered {
        let contexts = self.contexts.iter().map(|context| NamedContext {
            name: &context.name,
            context: RenderedContext {
                cluster: &context.cluster,
                user: "",
                namespace: context.namespace.as_deref().unwrap_or_default(),
            },
        });
        let clusters = self.clusters.iter().map(|(name, server)| NamedCluster {
            name,
            cluster: RenderedCluster {
                server: server.as_deref().unwrap_or_default(),
                ..RenderedCluster::default()
            },
        });
        Rendered::new(&Document {
            api_version: "v1",
            kind: "Config",
            clusters: clusters.collect(),
            users: Vec::new(),
            contexts: contexts.collect(),
            current_context: self.current.as_deref().unwrap_or_default(),
        })
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
struct Document<'a> {
    #[serde(rename = "apiVersion")]
    api_version: &'a str,
    kind: &'a str,
    clusters: Vec<NamedCluster<'a>>,
    users: Vec<NamedUser<'a>>,
    contexts: Vec<NamedContext<'a>>,
    current_context: &'a str,
}

#[derive(Serialize)]
struct NamedCluster<'a> {
    name: &'a str,
    cluster: RenderedCluster<'a>,
}

#[derive(Serialize)]
struct NamedUser<'a> {
    name: &'static str,
    user: RenderedUser<'a>,
}

#[derive(Serialize)]
struct NamedContext<'a> {
    name: &'a str,
    context: RenderedContext<'a>,
}

#[derive(Serialize)]
struct RenderedContext<'a> {
    cluster: &'a str,
    user: &'a str,
    namespace: &'a str,
}

impl<'a> Document<'a> {
    fn new(cluster: RenderedCluster<'a>, user: RenderedUser<'a>, namespace: &'a str) -> Self {
        Self {
            api_version: "v1",
            kind: "Config",
            clusters: vec![NamedCluster {
                name: "cluster",
                cluster,
            }],
            users: vec![NamedUser { name: "user", user }],
            contexts: vec![NamedContext {
                name: "context",
                context: RenderedContext {
                    cluster: "cluster",
                    user: "user",
                    namespace,
                },
            }],
            current_context: "context",
        }
    }
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
