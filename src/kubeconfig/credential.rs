//! A user's entry -> the credential that it holds.

use std::time::SystemTime;

use base64::Engine as _;
use zeroize::Zeroizing;

use super::{
    allowances::{Allowances, TokenSource},
    base64::decode,
    certificate::{Certificates, certificates, private_key},
    error::KubeconfigError,
    remedy::in_place_of,
    schema::User,
};
use crate::{
    endpoint::Endpoint,
    secret::{SecretBytes, SecretString},
};

/// How the child identifies itself.
#[derive(Default)]
pub(super) struct Credential {
    pub(super) token: Option<SecretString>,
    pub(super) client_certificate: Option<(Certificates, SecretString)>,
    pub(super) password: Option<(String, SecretString)>,
    pub(super) impersonated: Option<(String, Vec<String>)>,
    /// Where the operator's token is, in the place of a credential plugin.
    pub(super) operators: Option<TokenSource>,
}

impl Credential {
    pub(super) fn identifies(&self) -> bool {
        self.token.is_some()
            || self.client_certificate.is_some()
            || self.password.is_some()
            || self.operators.is_some()
    }

    /// Every text of the credential that may not be shown, in the forms in which tools and servers
    /// print it.
    pub(super) fn secrets(&self) -> Vec<SecretString> {
        let Credential {
            token,
            client_certificate,
            password,
            ..
        } = self;
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
}

/// `now` is when certificates have to be valid; without it they are not looked into.
pub(super) fn checked_user(
    user: &User,
    allowances: &Allowances,
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
            let allowed = allowances.impersonation.allows_user(name)
                && groups
                    .iter()
                    .all(|(group, _)| allowances.impersonation.allows_group(group));
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
pub(super) fn operators_token(
    allowances: &Allowances,
    command: &str,
    args: &[String],
    endpoint: &Endpoint,
    line: usize,
) -> Result<TokenSource, KubeconfigError> {
    let known: Vec<_> = allowances
        .token_sources
        .iter()
        .filter(|source| source.stands_for(command, args))
        .collect();
    let authority = endpoint.authority();
    match known.iter().find(|source| source.is_for(&authority)) {
        Some(source) => Ok((*source).clone()),
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
