//! Where an Argo CD server is and who asks: untrusted texts -> [`ArgocdAccess`]. Pure.
//!
//! argocd takes its server, token and authority from its environment, never from the command: the
//! flags that name them are never allowed.

#![forbid(unsafe_code)]

use std::time::SystemTime;

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{
    endpoint::{Endpoint, EndpointError},
    kubeconfig::{CertificateAuthority, is_token},
    secret::SecretString,
};

/// What a request brings for argocd.
#[derive(Clone, Debug, Default)]
pub struct Carried {
    /// `HOST[:PORT]`, with or without `https://`.
    pub server: Option<String>,
    /// A token of an account (`argocd account generate-token`).
    pub token: Option<SecretString>,
    /// Base64 of the PEM certificates that the server's is verified against; none: public
    /// authorities.
    pub authority: Option<String>,
}

/// A server and a token that were understood.
#[derive(Clone, Debug)]
pub struct ArgocdAccess {
    endpoint: Endpoint,
    token: SecretString,
    authority: Option<CertificateAuthority>,
}

/// What argocd reads from its environment, under the fixed names that it has there.
///
/// Only [`ArgocdAccess::variables`] makes one, so that no other name reaches a child's environment.
///
/// ```compile_fail,E0451
/// let forged = kube_airlock::argocd::Variables { server: todo!(), token: todo!() };
/// ```
#[derive(Debug)]
pub struct Variables {
    server: String,
    token: SecretString,
}

impl Variables {
    /// Each name and its value.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("ARGOCD_SERVER", self.server.as_str()),
            ("ARGOCD_AUTH_TOKEN", self.token.expose()),
        ]
        .into_iter()
    }
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum ArgocdError {
    /// No server is named.
    #[error("the request names no Argo CD server")]
    NoServer,
    /// The server is no plain `HOST[:PORT]`.
    #[error("the Argo CD server is not usable: {0}")]
    Server(EndpointError),
    /// The server has a path.
    #[error("the Argo CD server has a path")]
    Path,
    /// No token.
    #[error("the request has no Argo CD token")]
    NoToken,
    /// A token with characters that none has.
    #[error("the Argo CD token has characters that no token has")]
    Token,
    /// No certificates.
    #[error("argocd_ca is not base64 of PEM certificates that are valid today")]
    Authority,
}

impl ArgocdError {
    /// What to do instead, in one sentence.
    pub fn help(&self) -> &'static str {
        match self {
            Self::NoServer | Self::Server(_) => {
                "name it as HOST:PORT in the header X-Argocd-Server or the field argocd_server"
            }
            Self::Path => {
                "only servers at the root of their host are reached; name it as HOST:PORT"
            }
            Self::NoToken | Self::Token => {
                "send what `argocd account generate-token` prints in the header X-Argocd-Auth-Token or the field argocd_auth_token"
            }
            Self::Authority => {
                "send `base64 -w0 ca.crt` in the header X-Argocd-Ca or the field argocd_ca, or neither for public authorities"
            }
        }
    }
}

impl ArgocdAccess {
    /// Reads what a request brings; `now` is when certificates have to be valid.
    ///
    /// # Errors
    /// The part that is missing or wrong.
    pub fn parse(carried: &Carried, now: SystemTime) -> Result<Self, ArgocdError> {
        let server = carried.server.as_deref().ok_or(ArgocdError::NoServer)?;
        let url = if server.contains("://") {
            server.to_owned()
        } else {
            format!("https://{server}")
        };
        let endpoint = Endpoint::parse(&url).map_err(ArgocdError::Server)?;
        if !endpoint.path().is_empty() {
            return Err(ArgocdError::Path);
        }
        let token = carried.token.clone().ok_or(ArgocdError::NoToken)?;
        if token.expose().is_empty() || !is_token(token.expose()) {
            return Err(ArgocdError::Token);
        }
        let authority = carried
            .authority
            .as_deref()
            .map(|data| CertificateAuthority::parse(data, now))
            .transpose()
            .map_err(|_| ArgocdError::Authority)?;
        Ok(Self {
            endpoint,
            token,
            authority,
        })
    }

    /// The server.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The certificates that the server's is verified against; none: public authorities.
    pub fn authority(&self) -> Option<&CertificateAuthority> {
        self.authority.as_ref()
    }

    /// What argocd reads from its environment.
    pub fn variables(&self) -> Variables {
        Variables {
            server: self.endpoint.authority(),
            token: self.token.clone(),
        }
    }

    /// Every text that may not be shown.
    pub fn secrets(&self) -> Vec<SecretString> {
        vec![
            self.token.clone(),
            SecretString::new(BASE64_STANDARD.encode(self.token.expose())),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(server: &str, token: &str) -> Result<ArgocdAccess, ArgocdError> {
        let carried = Carried {
            server: Some(server.into()),
            token: Some(SecretString::new(token.into())),
            authority: None,
        };
        ArgocdAccess::parse(&carried, SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn a_server_is_read_with_and_without_its_scheme_and_port() {
        for (server, read) in [
            ("argocd.example.com", "argocd.example.com:443"),
            ("https://argocd.example.com", "argocd.example.com:443"),
            ("argocd.example.com:8443", "argocd.example.com:8443"),
            ("10.0.0.7:443", "10.0.0.7:443"),
            ("[2001:db8::1]:443", "[2001:db8::1]:443"),
        ] {
            let access = parse(server, "abc.def.ghi").unwrap();
            assert_eq!(
                access.variables().iter().collect::<Vec<_>>(),
                [
                    ("ARGOCD_SERVER", read),
                    ("ARGOCD_AUTH_TOKEN", "abc.def.ghi")
                ]
            );
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_with_its_carrier() {
        type E = ArgocdError;
        assert!(matches!(
            parse("http://argocd.example.com", "t"),
            Err(E::Server(_))
        ));
        assert!(matches!(
            parse("user@argocd.example.com", "t"),
            Err(E::Server(_))
        ));
        assert!(matches!(
            parse("argocd.example.com/argo", "t"),
            Err(E::Path)
        ));
        assert!(matches!(parse("--server=x", "t"), Err(E::Server(_))));
        assert!(matches!(parse("argocd.example.com", "a b"), Err(E::Token)));
        assert!(matches!(parse("argocd.example.com", ""), Err(E::Token)));
        assert!(matches!(
            ArgocdAccess::parse(&Carried::default(), SystemTime::UNIX_EPOCH),
            Err(E::NoServer)
        ));
        let wrong = Carried {
            server: Some("argocd.example.com".into()),
            token: Some(SecretString::new("t".into())),
            authority: Some("eA==".into()),
        };
        let error = ArgocdAccess::parse(&wrong, SystemTime::UNIX_EPOCH).unwrap_err();
        assert!(error.help().contains("X-Argocd-Ca"), "{error}");
    }
}
