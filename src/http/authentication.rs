//! Who may come in, and how often.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::Response,
};

use super::reply::refused;
use crate::{
    identity::{Caller, Callers, Door},
    refusal::Refusal,
    store::Store,
};

/// The callers of one door and the rate of each. Cheap to clone.
#[derive(Clone)]
pub struct Authentication {
    callers: Arc<RwLock<Arc<Callers>>>,
    store: Arc<Store>,
    door: Door,
}

impl Authentication {
    /// These callers, each at most as often as the store lets it.
    pub fn new(callers: Callers, store: Arc<Store>) -> Self {
        Self {
            callers: Arc::new(RwLock::new(Arc::new(callers))),
            store,
            door: Door::Rest,
        }
    }

    /// The same callers with the same rates, at another door.
    pub fn at(&self, door: Door) -> Self {
        Self {
            door,
            ..self.clone()
        }
    }

    /// Whether nobody needs a token.
    pub fn is_open(&self) -> bool {
        self.known().is_empty()
    }

    /// Knows these callers from now on, at every door.
    pub fn replace(&self, callers: Callers) {
        *self.callers.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(callers);
    }

    fn known(&self) -> Arc<Callers> {
        Arc::clone(&self.callers.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let given = headers
            .get(header::AUTHORIZATION)
            .map(|value| value.as_bytes()); // there is one at most (`guard`)
        let identified = self.known().identify(given, self.door, SystemTime::now());
        self.store.rates.count(identified.as_ref().ok()).await?;
        Ok(identified?)
    }
}

/// Lets known callers pass, as an extension of the request, as often as they may.
pub async fn check(
    State(authentication): State<Authentication>,
    mut request: Request,
    next: Next,
) -> Response {
    match authentication.caller(request.headers()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refusal) => refused(refusal),
    }
}
