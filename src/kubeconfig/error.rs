//! Why bytes are not a usable kubeconfig: the line, the key and the fix, never a value.

use super::scan::LARGEST;
use crate::{endpoint::EndpointError, excerpt::Excerpt};

/// Why bytes are not a usable kubeconfig. Says the line and the key, never a value that is secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KubeconfigError {
    /// Not base64 in any of the four spellings.
    #[error("the kubeconfig is not base64")]
    NotBase64,
    /// Larger than [`LARGEST`].
    #[error("the kubeconfig has {bytes} bytes; at most {LARGEST} are accepted")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not UTF-8.
    #[error("the kubeconfig is not UTF-8 text")]
    NotUtf8,
    /// Nothing in it.
    #[error("the kubeconfig is empty")]
    Empty,
    /// A character that two readers could take differently.
    #[error("the kubeconfig has the character U+{code:04X} on line {line}")]
    Character {
        /// The line.
        line: usize,
        /// The code point.
        code: u32,
    },
    /// Not YAML.
    #[error("the kubeconfig is not valid YAML or JSON on line {line}")]
    Syntax {
        /// The line.
        line: usize,
    },
    /// YAML that no kubeconfig needs.
    #[error("the kubeconfig has {what} on line {line}")]
    Yaml {
        /// The line.
        line: usize,
        /// What stands there.
        what: &'static str,
    },
    /// A key twice in one mapping.
    #[error("the kubeconfig has the key {key} twice, again on line {line}")]
    DuplicateKey {
        /// The line of the second one.
        line: usize,
        /// The key.
        key: Excerpt,
    },
    /// Two entries of one name.
    #[error("`{list}` has two entries named {name}, the second on line {line}")]
    DuplicateName {
        /// The line of the second one.
        line: usize,
        /// The list.
        list: &'static str,
        /// The name.
        name: Excerpt,
    },
    /// A key that is not accepted.
    #[error("the kubeconfig has the key `{key}` on line {line}, which is not accepted")]
    Key {
        /// The line.
        line: usize,
        /// The key and where it stands.
        key: String,
        /// What to do instead.
        fix: &'static str,
    },
    /// A key that is not there.
    #[error("the entry on line {line} has no `{key}`")]
    Missing {
        /// The line of the entry.
        line: usize,
        /// The key.
        key: &'static str,
    },
    /// A value of the wrong shape.
    #[error("`{key}` on line {line} is not {expected}")]
    Shape {
        /// The line.
        line: usize,
        /// The key.
        key: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// A list longer than any person's.
    #[error("`{key}` on line {line} has more than {most} entries")]
    TooMany {
        /// The line.
        line: usize,
        /// The list.
        key: &'static str,
        /// The most that are accepted.
        most: usize,
    },
    /// `apiVersion` and `kind` are not those of a kubeconfig.
    #[error("this is not a kubeconfig: apiVersion is not `v1` or kind is not `Config`")]
    NotConfig,
    /// No context was chosen.
    #[error("no context is chosen: the request names none and `current-context` is empty")]
    NoContext,
    /// A context, cluster or user that is named and not there.
    #[error("there is no {list} entry named {name}")]
    Dangling {
        /// The list.
        list: &'static str,
        /// The name.
        name: Excerpt,
    },
    /// The user of the context has nothing to identify with.
    #[error("the user of the context, on line {line}, has no credential")]
    NoCredential {
        /// The line of the user.
        line: usize,
    },
    /// A server URL that is not accepted.
    #[error("`server` on line {line}: {source}")]
    Server {
        /// The line.
        line: usize,
        /// Why.
        source: EndpointError,
    },
    /// A namespace that is no DNS label.
    #[error("the namespace of the context on line {line} is not a namespace name")]
    Namespace {
        /// The line of the context.
        line: usize,
    },
    /// A token with characters that no token has.
    #[error("`token` on line {line} has characters that bearer tokens do not have")]
    Token {
        /// The line.
        line: usize,
    },
    /// A file that a mounted kubeconfig refers to and that cannot be read.
    #[error("the file of `{key}` on line {line} cannot be read: {kind}")]
    File {
        /// The line.
        line: usize,
        /// The key.
        key: &'static str,
        /// Why.
        kind: std::io::ErrorKind,
    },
    /// A certificate that is not valid any more.
    #[error("the certificate in `{key}` on line {line} expired at {}", humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + std::time::Duration::from_secs(*at)))]
    Expired {
        /// The line.
        line: usize,
        /// The key.
        key: &'static str,
        /// When, in seconds since 1970.
        at: u64,
    },
    /// A key that is not the certificate's.
    #[error("`client-key-data` on line {line} is not the key of `client-certificate-data`")]
    KeyMismatch {
        /// The line.
        line: usize,
    },
    /// A kind of key that cannot be held against the certificate.
    #[error("`client-key-data` on line {line} is a kind of key that this server does not know")]
    KeyKind {
        /// The line.
        line: usize,
    },
    /// A user or a group that may not be impersonated.
    #[error("the user on line {line} impersonates somebody that the operator does not list")]
    Impersonation {
        /// The line.
        line: usize,
    },
    /// A credential plugin in whose place the operator has no token, or none for this server.
    #[error("the operator has no token in the place of the credential plugin on line {line}{}", if *known { " for this server" } else { "" })]
    Plugin {
        /// The line.
        line: usize,
        /// Whether there is one for other servers.
        known: bool,
        /// How to get a token without the plugin.
        fix: &'static str,
    },
    /// Data that is not base64 of PEM of the right kind.
    #[error("`{key}` on line {line} is not base64 of {expected} in PEM form")]
    Pem {
        /// The line.
        line: usize,
        /// The key.
        key: &'static str,
        /// What it should hold.
        expected: &'static str,
    },
}

impl KubeconfigError {
    /// What to do instead, in one sentence.
    pub fn help(&self) -> String {
        match self {
            Self::NotBase64 => {
                "send `base64 -w0 < kubeconfig`, standard or URL-safe, in the header X-Kubeconfig or the field `kubeconfig`".into()
            }
            Self::Key { fix, .. } => (*fix).into(),
            Self::NoContext => "set `current-context`, or name one in the request's `context`".into(),
            Self::Dangling { .. } => "`kubectl config get-contexts` lists what the file has".into(),
            Self::NoCredential { .. } => "give the user a `token`, or `client-certificate-data` and `client-key-data`".into(),
            Self::Server { .. } => "write `server: https://HOST:PORT`, with a plain DNS name or IP address".into(),
            Self::Expired { key: "certificate-authority-data", .. } => "send a kubeconfig with the cluster's present authority".into(),
            Self::Expired { .. } | Self::KeyMismatch { .. } => {
                "send a fresh kubeconfig; `kubectl create token NAME` makes a token that lasts".into()
            }
            Self::KeyKind { .. } => "use RSA, ECDSA P-256 or P-384, or Ed25519, as `openssl pkcs8 -topk8 -nodes` writes it".into(),
            Self::Impersonation { .. } => "leave `as` and `as-groups` out, or ask the operator".into(),
            Self::Plugin { fix, .. } => format!("{fix}; or ask the operator"),
            Self::TooLarge { .. } | Self::TooMany { .. } => "send one context only: `kubectl config view --raw --flatten --minify`".into(),
            _ => "`kubectl config view --raw --flatten --minify` writes a plain one".into(),
        }
    }

    /// The line of the kubeconfig that it is about.
    pub fn line(&self) -> Option<usize> {
        match *self {
            Self::Character { line, .. }
            | Self::Syntax { line }
            | Self::Yaml { line, .. }
            | Self::DuplicateKey { line, .. }
            | Self::DuplicateName { line, .. }
            | Self::Key { line, .. }
            | Self::Missing { line, .. }
            | Self::Shape { line, .. }
            | Self::TooMany { line, .. }
            | Self::NoCredential { line }
            | Self::Server { line, .. }
            | Self::Namespace { line }
            | Self::Token { line }
            | Self::Expired { line, .. }
            | Self::File { line, .. }
            | Self::KeyMismatch { line }
            | Self::KeyKind { line }
            | Self::Impersonation { line }
            | Self::Plugin { line, .. }
            | Self::Pem { line, .. } => Some(line),
            Self::NotBase64
            | Self::TooLarge { .. }
            | Self::NotUtf8
            | Self::Empty
            | Self::NotConfig
            | Self::NoContext
            | Self::Dangling { .. } => None,
        }
    }
}
