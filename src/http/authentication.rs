//! Lets callers in who are known, as often as they may: [`check`].
//!
//! May not decide who a caller is (`identity`), nor count (`store`). Who is not let in is recorded,
//! as often as `store` says.

use std::net::SocketAddr;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::Response,
};

use super::{
    connections::{Connection, close_after, until_sent},
    reply::refused,
};
use crate::{
    audit::LoginRecord,
    gate::Gate,
    identity::{Authenticator, Caller, Door, Evidence},
    refusal::Refusal,
};

/// One door, and what it needs to know its callers. Cheap to clone.
#[derive(Clone)]
pub(super) struct Entrance {
    pub(super) authenticator: Authenticator,
    pub(super) gate: Gate,
    pub(super) door: Door,
}

impl Entrance {
    async fn caller(
        &self,
        headers: &HeaderMap,
        peer: Option<SocketAddr>,
    ) -> Result<Caller, Refusal> {
        // There is one at most (`guard`).
        let authorization = headers.get(header::AUTHORIZATION);
        let evidence = Evidence {
            authorization: authorization.map(|value| value.as_bytes()),
            peer,
            door: self.door,
        };
        let store = self.gate.store();
        let identified = self.authenticator.identify(&evidence).await;
        store.rates.count(identified.as_ref().ok()).await?;
        let principal = identified.as_ref().ok().map(Caller::principal);
        let passes = principal.map_or(Ok(()), |principal| store.locks.pass(principal));
        let refusal = match (passes, &identified) {
            (Err(locked), _) => Refusal::from(locked),
            (Ok(()), Err(unidentified)) => Refusal::from(*unidentified),
            (Ok(()), Ok(_)) => return Ok(identified?),
        };
        self.not_let_in(&refusal, principal, peer).await;
        Err(refusal)
    }

    /// Logs and records that somebody is not let in, as often as that may be.
    async fn not_let_in(
        &self,
        refusal: &Refusal,
        principal: Option<&str>,
        peer: Option<SocketAddr>,
    ) {
        let Some(refused) = self.gate.store().logins.count() else {
            return;
        };
        let record = LoginRecord {
            refused,
            code: refusal.code(),
            reason: refusal.to_string(),
            principal,
            peer: peer.map(|peer| peer.to_string()),
            door: self.door.as_str(),
        };
        let (reason, peer, door) = (&record.reason, &record.peer, record.door);
        tracing::warn!(
            reason,
            principal,
            peer,
            door,
            refused,
            "somebody was not let in"
        );
        self.gate.audit().login(&record).await;
    }
}

/// Lets known callers pass, as an extension of the request, as often as they may, and with no more
/// requests at once than they leave to others.
pub(super) async fn check(
    State(entrance): State<Entrance>,
    mut request: Request,
    next: Next,
) -> Response {
    let connection = request.extensions().get::<Connection>().cloned();
    let peer = connection.as_ref().map(|connection| connection.peer);
    let caller = match entrance.caller(request.headers(), peer).await {
        Ok(caller) => caller,
        Err(refusal) => return refused(refusal),
    };
    let share = match connection.map(|connection| connection.request_of(&caller)) {
        Some(Ok(share)) => share,
        Some(Err(refusal)) => {
            let mut response = refused(refusal);
            close_after(&mut response);
            return response;
        }
        None => None,
    };
    request.extensions_mut().insert(caller);
    until_sent(next.run(request).await, share)
}
