//! Who calls: a peer's [`Evidence`] in, a [`Caller`] out. Nothing else makes one.
//!
//! A caller is known by a bearer token (RFC 6750), of which the settings hold the SHA-256. Where
//! they hold none, whoever reaches the listener is one anonymous caller, and the listener may only
//! be loopback's (`config`). May not decide about commands, nor count requests (`store`). To
//! identify is asynchronous: a token of another issuer needs that issuer's keys.
//!
//! Held by the tests below and `a_caller_is_who_its_token_says` (`tests/service/callers.rs`).

#![forbid(unsafe_code)]

mod change;
mod settings;
mod token;

use std::{
    net::SocketAddr,
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};

use serde::Serialize;

pub use change::CallersChange;
pub use settings::CallerTable;
use token::ANONYMOUS;
pub use token::{Callers, KnownCaller, TOKEN_LASTS, TokenDigest, Unidentified, new_token};

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
///
/// Only [`Authenticator::identify`] and [`Caller::of_standard_input`] make one.
/// ```compile_fail,E0451
/// use kube_airlock::identity::{Caller, Door};
/// let forged = Caller { principal: String::new(), groups: Vec::new(), door: Door::Rest };
/// ```
#[derive(Clone, Debug)]
pub struct Caller {
    principal: String,
    groups: Vec<String>,
    door: Door,
}

impl Caller {
    /// Makes the caller at the standard input of this process, who has started it.
    pub fn of_standard_input() -> Self {
        Self::anonymous(Door::Stdio)
    }

    fn anonymous(door: Door) -> Self {
        Self {
            principal: ANONYMOUS.into(),
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
        self.principal == ANONYMOUS
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

/// What a peer shows of itself with one request.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The value of the header `Authorization`.
    pub authorization: Option<&'a [u8]>,
    /// The address that the connection came from, where it has one.
    pub peer: Option<SocketAddr>,
    /// The door that the request came through.
    pub door: Door,
}

/// Identifies callers by the settings in force. Cheap to clone; all clones know the same callers.
#[derive(Clone, Debug)]
pub struct Authenticator(Arc<RwLock<Arc<Callers>>>);

impl Authenticator {
    /// Knows these callers. Without any, no credentials are required.
    pub fn new(callers: Callers) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(callers))))
    }

    /// Whether a caller needs credentials.
    pub fn requires_credentials(&self) -> bool {
        !self.callers().is_empty()
    }

    /// Knows these callers from now on, at every door; returns who changed.
    pub fn replace(&self, callers: Callers) -> CallersChange {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let change = CallersChange::between(known.all(), callers.all());
        *known = Arc::new(callers);
        change
    }

    /// Whether a principal may call: without any in the settings, anybody.
    pub fn knows(&self, principal: &str) -> bool {
        let callers = self.callers();
        callers.is_empty()
            || callers
                .all()
                .iter()
                .any(|known| known.principal == principal)
    }

    /// The principals with a token that has ended, in the order of the settings.
    pub fn expired(&self) -> Vec<String> {
        let (callers, now) = (self.callers(), SystemTime::now());
        let is_over = |end: SystemTime| end <= now;
        let ended = callers
            .all()
            .iter()
            .filter(|known| known.expires.is_some_and(is_over));
        ended.map(|known| known.principal.clone()).collect()
    }

    /// The principals that there are: those of the settings, or one that is whoever calls.
    pub fn principals(&self) -> Vec<String> {
        let callers = self.callers();
        if callers.is_empty() {
            return vec![ANONYMOUS.to_owned()];
        }
        let names = callers.all().iter().map(|known| known.principal.clone());
        names.collect()
    }

    /// When the tokens end that do, in the order of the settings.
    pub fn expiries(&self) -> Vec<SystemTime> {
        let callers = self.callers();
        callers
            .all()
            .iter()
            .filter_map(|known| known.expires)
            .collect()
    }

    /// Identifies who shows this evidence.
    ///
    /// # Errors
    /// Why it is nobody.
    pub async fn identify(&self, evidence: &Evidence<'_>) -> Result<Caller, Unidentified> {
        let callers = self.callers();
        if callers.is_empty() {
            return Ok(Caller::anonymous(evidence.door));
        }
        let known = callers
            .by_token(evidence.authorization, SystemTime::now())
            .inspect_err(|error| {
                let (peer, door) = (evidence.peer, evidence.door.as_str());
                tracing::debug!(?peer, door, %error, "nobody is identified");
            })?;
        Ok(Caller {
            principal: known.principal.clone(),
            groups: known.groups.clone(),
            door: evidence.door,
        })
    }

    /// The callers that are known now.
    pub fn callers(&self) -> Arc<Callers> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
impl Caller {
    /// A caller that the settings know, for the tests of other rooms.
    pub(crate) async fn known(principal: &str, door: Door) -> Self {
        let known = KnownCaller {
            principal: principal.into(),
            groups: Vec::new(),
            digest: TokenDigest::of(b"t"),
            expires: None,
        };
        let evidence = Evidence {
            authorization: Some(b"Bearer t"),
            peer: None,
            door,
        };
        let authenticator = Authenticator::new(Callers::new(vec![known]));
        authenticator.identify(&evidence).await.unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_comes_is_anonymous_only_where_nobody_is_known() {
        let evidence = |authorization| Evidence {
            authorization,
            peer: None,
            door: Door::Mcp,
        };
        let authenticator = Authenticator::new(Callers::default());
        let caller = authenticator.identify(&evidence(None)).await.unwrap();
        assert_eq!(
            (caller.principal(), caller.door()),
            ("anonymous", Door::Mcp)
        );
        assert!(!authenticator.requires_credentials());
        authenticator.replace(Callers::new(vec![KnownCaller {
            principal: "web".into(),
            groups: vec!["agents".into()],
            digest: TokenDigest::of(b"t"),
            expires: None,
        }]));
        assert!(authenticator.requires_credentials());
        assert_eq!(
            authenticator.identify(&evidence(None)).await.unwrap_err(),
            Unidentified::Missing
        );
        let caller = authenticator
            .identify(&evidence(Some(b"Bearer t")))
            .await
            .unwrap();
        assert_eq!(
            (caller.principal(), caller.groups(), caller.is_anonymous()),
            ("web", &["agents".to_owned()][..], false)
        );
    }
}
