//! Who calls: wire credentials in, a [`Caller`] out. Nothing else makes one.
//!
//! A caller is known by a bearer token (RFC 6750), of which the settings hold the SHA-256. Tokens
//! are 32 random bytes, so nothing slower than one hash is needed to keep them from being guessed.
//! Without any token in the settings there is one anonymous caller, and only a loopback listener
//! (`config`).

#![forbid(unsafe_code)]

use std::{
    fmt::Write,
    num::NonZeroU32,
    str::FromStr,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::secret::SecretString;

/// The door a request came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Door {
    /// `POST /mcp`
    Mcp,
    /// `POST /tools/{tool}`
    Rest,
    /// `kube-airlock stdio`
    Stdio,
}

impl Door {
    /// The door's name in audit records and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mcp => "mcp",
            Self::Rest => "rest",
            Self::Stdio => "stdio",
        }
    }
}

/// An identified caller and the door it stands at.
#[derive(Clone, Debug)]
pub struct Caller {
    principal: String,
    groups: Vec<String>,
    door: Door,
}

impl Caller {
    /// The principal of whoever is not known.
    pub const ANONYMOUS: &str = "anonymous";

    /// The caller of a listener that asks for no credentials.
    pub fn anonymous(door: Door) -> Self {
        Self {
            principal: Self::ANONYMOUS.into(),
            groups: Vec::new(),
            door,
        }
    }

    /// The name that audit records and limits use.
    pub fn principal(&self) -> &str {
        &self.principal
    }

    /// The groups that policies may name.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// The door the request came through.
    pub fn door(&self) -> Door {
        self.door
    }
}

/// What the settings hold of a token: its SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// Of a token.
    pub fn of(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// In hexadecimal, as the settings have it.
    pub fn text(self) -> String {
        self.0.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}"); // to a string, which does not fail
            text
        })
    }
}

impl FromStr for TokenDigest {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut digest = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err("give the 64 hexadecimal digits that `kube-airlock token new` prints");
        }
        for (at, byte) in digest.iter_mut().enumerate() {
            let digits = text.get(2 * at..2 * at + 2).unwrap_or_default();
            *byte = u8::from_str_radix(digits, 16)
                .map_err(|_| "a SHA-256 has hexadecimal digits only")?;
        }
        Ok(Self(digest))
    }
}

/// A new token. What begins it is known to scanners for leaked secrets once it is registered there.
///
/// # Errors
/// When the kernel gives no randomness.
pub fn new_token() -> std::io::Result<SecretString> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    getrandom::fill(bytes.as_mut()).map_err(std::io::Error::other)?;
    Ok(SecretString::new(format!(
        "airlock_{}",
        BASE64_URL_SAFE_NO_PAD.encode(bytes.as_ref())
    )))
}

/// One who may call.
#[derive(Clone, Debug)]
pub struct KnownCaller {
    /// The name in policies, limits and records.
    pub principal: String,
    /// The groups that policies may name.
    pub groups: Vec<String>,
    /// Of the token.
    pub digest: TokenDigest,
    /// When the token ends.
    pub expires: Option<SystemTime>,
}

/// Those who may call.
#[derive(Clone, Debug, Default)]
pub struct Callers(Vec<KnownCaller>);

/// Why nobody is identified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unidentified {
    /// No token.
    #[error("the request has no token")]
    Missing,
    /// Another scheme, or several.
    #[error("the Authorization header is no bearer token")]
    Malformed,
    /// A token of nobody.
    #[error("the token is nobody's")]
    Unknown,
    /// A token that has ended.
    #[error("the token has expired")]
    Expired,
}

impl Callers {
    /// These callers. Without any, everybody is the anonymous one.
    pub fn new(known: Vec<KnownCaller>) -> Self {
        Self(known)
    }

    /// Whether everybody is the anonymous one.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who sends this `Authorization`.
    ///
    /// # Errors
    /// Why it is nobody.
    pub fn identify(
        &self,
        authorization: Option<&[u8]>,
        door: Door,
        now: SystemTime,
    ) -> Result<Caller, Unidentified> {
        if self.is_empty() {
            return Ok(Caller::anonymous(door));
        }
        let given = authorization.ok_or(Unidentified::Missing)?;
        let token = given
            .split_at_checked(SCHEME.len())
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(SCHEME));
        let (_, token) = token.ok_or(Unidentified::Malformed)?;
        let digest = TokenDigest::of(token.trim_ascii());
        // Every one is compared, and each takes the same time.
        let is_own = |known: &KnownCaller| bool::from(known.digest.0.ct_eq(&digest.0));
        let known = self.0.iter().fold(
            None,
            |found, known| if is_own(known) { Some(known) } else { found },
        );
        let known = known.ok_or(Unidentified::Unknown)?;
        if known.expires.is_some_and(|expires| expires <= now) {
            return Err(Unidentified::Expired);
        }
        Ok(Caller {
            principal: known.principal.clone(),
            groups: known.groups.clone(),
            door,
        })
    }
}

/// Requests of one caller: as many per second, and as many at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Per second.
    pub per_second: NonZeroU32,
    /// At once.
    pub burst: NonZeroU32,
}

const SCHEME: &[u8] = b"Bearer ";

/// How long a token lasts when nothing else is said.
pub const TOKEN_LASTS: Duration = Duration::from_secs(90 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_known_by_its_token_and_by_nothing_else() {
        let now = SystemTime::now();
        let (token, old) = (new_token().unwrap(), new_token().unwrap());
        let known = |principal: &str, token: &SecretString, expires| KnownCaller {
            principal: principal.into(),
            groups: vec!["agents".into()],
            digest: TokenDigest::of(token.expose().as_bytes()),
            expires,
        };
        let callers = Callers::new(vec![
            known("web", &token, None),
            known("old", &old, Some(now)),
        ]);
        let asked =
            |authorization: &str| callers.identify(Some(authorization.as_bytes()), Door::Rest, now);
        let caller = asked(&format!("bearer {}", token.expose())).unwrap();
        assert_eq!(
            (caller.principal(), caller.groups()),
            ("web", &["agents".to_owned()][..])
        );
        assert_eq!(
            asked(&format!("Bearer {}", old.expose())).unwrap_err(),
            Unidentified::Expired
        );
        assert_eq!(
            asked(&format!("Bearer {}x", token.expose())).unwrap_err(),
            Unidentified::Unknown
        );
        assert_eq!(
            asked(&format!("Bearer {}", callers.0[0].digest.text())).unwrap_err(),
            Unidentified::Unknown
        );
        assert_eq!(asked("Basic eDp5").unwrap_err(), Unidentified::Malformed);
        assert_eq!(asked(token.expose()).unwrap_err(), Unidentified::Malformed);
        assert_eq!(
            callers.identify(None, Door::Rest, now).unwrap_err(),
            Unidentified::Missing
        );
        assert_eq!(
            Callers::default()
                .identify(None, Door::Mcp, now)
                .unwrap()
                .principal(),
            "anonymous"
        );
    }

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        let digest = TokenDigest::of(b"x");
        assert_eq!(digest.text().parse(), Ok(digest));
        for wrong in ["", "2d71", &"g".repeat(64), &"é".repeat(32)] {
            assert!(wrong.parse::<TokenDigest>().is_err(), "{wrong}");
        }
    }
}
