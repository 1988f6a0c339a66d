//! Lets callers in who are known, as often as they may: [`check`].
//!
//! May not decide who a caller is (`identity`), nor count (`store`).

use std::{net::SocketAddr, sync::Arc};

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
    identity::{Authenticator, Caller, Door, Evidence},
    refusal::Refusal,
    store::Store,
};

/// One door, and what it needs to know its callers. Cheap to clone.
#[derive(Clone)]
pub(super) struct Entrance {
    pub(super) authenticator: Authenticator,
    pub(super) store: Arc<Store>,
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
        let identified = self.authenticator.identify(&evidence).await;
        self.store.rates.count(identified.as_ref().ok()).await?;
        Ok(identified?)
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
