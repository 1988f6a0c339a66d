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

use super::{connections::Connection, reply::refused};
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

/// Lets known callers pass, as an extension of the request, as often as they may.
pub(super) async fn check(
    State(entrance): State<Entrance>,
    mut request: Request,
    next: Next,
) -> Response {
    let connection = request.extensions().get::<Connection>();
    let peer = connection.map(|connection| connection.peer);
    match entrance.caller(request.headers(), peer).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refusal) => refused(refusal),
    }
}
