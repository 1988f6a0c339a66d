//! The open sessions of clients of the initialize era: how many there are, and whose each is.

use std::sync::Arc;

use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;

use crate::{identity::Caller, store::Store};

/// The open sessions of clients of the initialize era; rmcp bounds neither their number nor who may
/// use one.
#[derive(Clone)]
pub struct Sessions {
    open: Arc<LocalSessionManager>,
    store: Arc<Store>,
}

impl Sessions {
    pub(super) fn new(open: Arc<LocalSessionManager>, store: Arc<Store>) -> Self {
        Self { open, store }
    }

    /// Counts them.
    pub async fn count(&self) -> usize {
        self.open.sessions.read().await.len()
    }

    /// Records who opened a session.
    pub async fn opened(&self, session: &str, caller: &Caller) {
        let open = self.open.sessions.read().await;
        let owners = &self.store.sessions;
        owners
            .record(session, caller, |session| open.contains_key(session))
            .await;
    }

    /// Whether another caller opened the session.
    pub async fn is_anothers(&self, session: &str, caller: &Caller) -> bool {
        self.store.sessions.is_anothers(session, caller).await
    }
}
