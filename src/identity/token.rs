//! Bearer tokens (RFC 6750): how one is made, what the settings hold of it, and why one identifies
//! nobody.

use std::{
    fmt::Write,
    str::FromStr,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::secret::SecretString;

/// What the settings hold of a token: its SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// Of a token.
    pub fn of(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
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

/// How long a token lasts when nothing else is said.
pub const TOKEN_LASTS: Duration = Duration::from_secs(90 * 24 * 60 * 60);

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
}
