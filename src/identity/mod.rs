//! Who calls: wire credentials in, a [`Caller`] out. Nothing else makes one.
//!
//! A caller is known by a bearer token (RFC 6750), of which the settings hold the SHA-256. Tokens
//! are 32 random bytes, so nothing slower than one hash is needed to keep them from being guessed.
//! Without any token in the settings there is one anonymous caller, and only a loopback listener
//! (`config`).

#![forbid(unsafe_code)]

mod token;

use std::time::SystemTime;

use serde::Serialize;
use subtle::ConstantTimeEq;

pub use token::{KnownCaller, TOKEN_LASTS, TokenDigest, Unidentified, new_token};

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

    /// Whether the caller is whoever reaches a listener that requires no credentials.
    pub fn is_anonymous(&self) -> bool {
        self.principal == Self::ANONYMOUS
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

/// Those who may call.
#[derive(Clone, Debug, Default)]
pub struct Callers(Vec<KnownCaller>);

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
        let is_own = |known: &KnownCaller| bool::from(known.digest.bytes().ct_eq(digest.bytes()));
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

const SCHEME: &[u8] = b"Bearer ";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretString;

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
}
