//! Bearer tokens (RFC 6750): how one is made, what the settings hold of it, and whose one is.
//!
//! Tokens are 32 random bytes, so nothing slower than one hash is needed to keep them from being
//! guessed.

use std::{
    fmt::Write,
    str::FromStr,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::secret::SecretString;

/// The SHA-256 of a token, which is what the settings hold of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// Hashes a token.
    pub fn of(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// Writes it in hexadecimal, as the settings have it.
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

/// Makes a token. What begins it is known to scanners for leaked secrets once it is registered
/// there.
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

/// The principal of a caller of whom no credentials are required.
pub(super) const ANONYMOUS: &str = "anonymous";

/// A caller that the settings name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownCaller {
    /// The name in policies, limits and records.
    pub principal: String,
    /// The groups that policies may name.
    pub groups: Vec<String>,
    /// The digest of the token.
    pub digest: TokenDigest,
    /// When the token ends.
    pub expires: Option<SystemTime>,
}

/// Why nobody is identified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the names and the messages say it")]
pub enum Unidentified {
    #[error("the request has no token")]
    Missing,
    #[error("the Authorization header is no bearer token")]
    Malformed,
    #[error("the token is nobody's")]
    Unknown,
    #[error("the token has expired")]
    Expired,
}

/// The life of a token for which the operator names none.
pub const TOKEN_LASTS: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// The callers that the settings name.
#[derive(Clone, Debug, Default)]
pub struct Callers(Vec<KnownCaller>);

impl Callers {
    /// Takes these callers. Without any, no credentials are required.
    pub fn new(known: Vec<KnownCaller>) -> Self {
        Self(known)
    }

    /// The tables, in their order.
    pub(super) fn all(&self) -> &[KnownCaller] {
        &self.0
    }

    /// Whether no credentials are required.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The principals of those whose token ended before `now`.
    pub fn expired(&self, now: SystemTime) -> impl Iterator<Item = &str> {
        let has_ended = move |known: &&KnownCaller| known.expires.is_some_and(|end| end <= now);
        let ended = self.0.iter().filter(has_ended);
        ended.map(|known| known.principal.as_str())
    }

    /// Everyone who may be a caller.
    pub fn principals(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|known| known.principal.as_str())
    }

    /// The groups of all of them.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        let groups = self.0.iter().flat_map(|known| &known.groups);
        groups.map(String::as_str)
    }

    /// Finds whose token an `Authorization` has.
    ///
    /// # Errors
    /// Why it is nobody's.
    pub(super) fn by_token(
        &self,
        authorization: Option<&[u8]>,
        now: SystemTime,
    ) -> Result<&KnownCaller, Unidentified> {
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
        Ok(known)
    }
}

const SCHEME: &[u8] = b"Bearer ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        let digest = TokenDigest::of(b"x");
        assert_eq!(digest.text().parse(), Ok(digest));
        for wrong in ["", "2d71", &"g".repeat(64), &"é".repeat(32)] {
            assert!(wrong.parse::<TokenDigest>().is_err(), "{wrong}");
        }
    }

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
        let asked = |authorization: &str| callers.by_token(Some(authorization.as_bytes()), now);
        let caller = asked(&format!("bearer {}", token.expose())).unwrap();
        assert_eq!(
            (caller.principal.as_str(), &caller.groups[..]),
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
            callers.by_token(None, now).unwrap_err(),
            Unidentified::Missing
        );
    }
}
