//! Why bytes are not a usable kubeconfig: the line, the key and the fix, never a value.

use crate::{endpoint::EndpointError, excerpt::Excerpt, yaml::YamlError};

/// Why bytes are not a usable kubeconfig. Has the line and the key, never a value that is secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the names of the fields say it")]
pub enum KubeconfigError {
    /// A text that is base64 in none of the four spellings.
    #[error("the kubeconfig is not base64")]
    NotBase64,
    /// Base64 of base64.
    #[error("the kubeconfig is base64 of base64")]
    Base64Twice,
    /// More bytes than a kubeconfig may have.
    #[error("the kubeconfig has {bytes} bytes; at most {most} are accepted")]
    TooLarge { bytes: usize, most: usize },
    /// No document.
    #[error("the kubeconfig is empty")]
    Empty,
    /// Bytes that are not one document of strict YAML.
    #[error("the kubeconfig {}", predicate(.0))]
    Yaml(YamlError),
    /// Two entries of one name.
    #[error("`{list}` has two entries named {name}, the second on line {line}")]
    DuplicateName {
        line: usize,
        list: &'static str,
        name: Excerpt,
    },
    /// A key that is not accepted.
    #[error("the kubeconfig has the key `{key}` on line {line}, which is not accepted")]
    Key {
        line: usize,
        key: String,
        fix: &'static str,
    },
    /// A key that is not there.
    #[error("the entry on line {line} has no `{key}`")]
    Missing { line: usize, key: &'static str },
    /// A value of the wrong shape.
    #[error("`{key}` on line {line} is not {expected}")]
    Shape {
        line: usize,
        key: &'static str,
        expected: &'static str,
    },
    /// A list longer than any person's.
    #[error("`{key}` on line {line} has more than {most} entries")]
    TooMany {
        line: usize,
        key: &'static str,
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
        list: &'static str,
        name: Excerpt,
        /// The names that there are.
        known: Vec<Excerpt>,
    },
    /// What is wrong stands in an entry that the chosen context does not use.
    #[error("{source}; it is of the {what} {name}, which the chosen context does not use")]
    Unused {
        what: &'static str,
        name: Excerpt,
        #[source]
        source: Box<KubeconfigError>,
    },
    /// A name for the server's certificate beside a token of the operator's.
    #[error("`tls-server-name` on line {line} is not accepted beside a token of the operator's")]
    OperatorsToken { line: usize },
    /// The user of the context has nothing to identify with.
    #[error("the user of the context, on line {line}, has no credential")]
    NoCredential { line: usize },
    /// A server URL that is not accepted.
    #[error("`server` on line {line}: {source}")]
    Server { line: usize, source: EndpointError },
    /// A namespace that is no DNS label.
    #[error("the namespace of the context on line {line} is not a namespace name")]
    Namespace { line: usize },
    /// A token with characters that no token has.
    #[error("`token` on line {line} has characters that bearer tokens do not have")]
    Token { line: usize },
    /// A file that a mounted kubeconfig refers to and that cannot be read.
    #[error("the file of `{key}` on line {line} cannot be read: {kind}")]
    File {
        line: usize,
        key: &'static str,
        kind: std::io::ErrorKind,
    },
    /// A certificate that is not valid any more.
    #[error("the certificate in `{key}` on line {line} expired at {}", humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + std::time::Duration::from_secs(*at)))]
    Expired {
        line: usize,
        key: &'static str,
        at: u64,
    },
    /// A key that is not the certificate's.
    #[error("`client-key-data` on line {line} is not the key of `client-certificate-data`")]
    KeyMismatch { line: usize },
    /// A kind of key that cannot be held against the certificate.
    #[error("`client-key-data` on line {line} is a kind of key that this server does not know")]
    KeyKind { line: usize },
    /// A user or a group that may not be impersonated.
    #[error("the user on line {line} impersonates somebody that the operator does not list")]
    Impersonation { line: usize },
    /// A credential plugin in whose place the operator has no token, or none for this server.
    #[error("the operator has no token in the place of the credential plugin on line {line}{}", if *known { " for this server" } else { "" })]
    Plugin {
        line: usize,
        known: bool,
        fix: &'static str,
    },
    /// Data that is not base64 of PEM of the right kind.
    #[error("`{key}` on line {line} is not base64 of {expected} in PEM form")]
    Pem {
        line: usize,
        key: &'static str,
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
            Self::Base64Twice => "encode it once: a Secret's `data` and `base64` are one time each".into(),
            Self::Dangling { list, known, .. } => match known.split_at_checked(MOST_NAMED) {
                _ if known.is_empty() => format!("the kubeconfig has no {list}; send one that has"),
                Some((some, rest)) if !rest.is_empty() => {
                    format!("{list} of this kubeconfig: {} and {} more", named(some), rest.len())
                }
                _ => format!("{list} of this kubeconfig: {}", named(known)),
            },
            Self::Unused { .. } => {
                "send the chosen context alone: `kubectl config view --raw --flatten --minify` writes it".into()
            }
            Self::OperatorsToken { .. } => {
                "use the name in the server's certificate as the host of `server` (an operator can set `allow_tls_server_name` under [kubeconfig])".into()
            }
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
            Self::DuplicateName { line, .. }
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
            | Self::OperatorsToken { line }
            | Self::Pem { line, .. } => Some(line),
            Self::Unused { ref source, .. } => source.line(),
            Self::Yaml(ref error) => error.line(),
            Self::NotBase64
            | Self::Base64Twice
            | Self::TooLarge { .. }
            | Self::Empty
            | Self::NotConfig
            | Self::NoContext
            | Self::Dangling { .. } => None,
        }
    }
}

/// More names than these are counted: a reply is read by a model.
const MOST_NAMED: usize = 20;

fn named(names: &[Excerpt]) -> String {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    names.join(", ")
}

impl From<YamlError> for KubeconfigError {
    fn from(error: YamlError) -> Self {
        match error {
            YamlError::Empty => Self::Empty,
            YamlError::TooLarge { bytes, most } => Self::TooLarge { bytes, most },
            error => Self::Yaml(error),
        }
    }
}

/// What the kubeconfig does: no number helps somebody who has sent more than any kubeconfig has.
fn predicate(error: &YamlError) -> String {
    match error {
        YamlError::TooDeep { line, .. } => {
            format!("has deeper nesting than any kubeconfig has on line {line}")
        }
        YamlError::TooManyDocuments { line, .. } => {
            format!("has a second YAML document on line {line}")
        }
        YamlError::TooManyNodes { line, .. } | YamlError::TooMuchFlow { line, .. } => {
            format!("has more values than any kubeconfig has on line {line}")
        }
        error => error.to_string(),
    }
}
