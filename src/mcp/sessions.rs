//! The open sessions of clients of the initialize era: how many there are, and whose each is.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;

use crate::identity::Caller;

/// The open sessions of clients of the initialize era; rmcp bounds neither their number nor who may
/// use one.
#[derive(Clone)]
pub struct Sessions {
    open: Arc<LocalSessionManager>,
    /// Who opened each.
    openers: Arc<Mutex<HashMap<String, String>>>,
}

impl Sessions {
    pub(super) fn new(open: Arc<LocalSessionManager>) -> Self {
        Self {
            open,
            openers: Arc::default(),
        }
    }

    /// How many there are.
    pub async fn count(&self) -> usize {
        self.open.sessions.read().await.len()
    }

    /// Remembers who opened a session, and forgets those that have ended.
    pub async fn opened(&self, session: &str, caller: &Caller) {
        let open = self.open.sessions.read().await;
        let mut openers = self.openers.lock().unwrap_or_else(PoisonError::into_inner);
        openers.retain(|session, _| open.contains_key(session.as_str()));
        openers.insert(session.to_owned(), caller.principal().to_owned());
    }

    /// Whether somebody else opened the session.
    pub fn is_anothers(&self, session: &str, caller: &Caller) -> bool {
        let openers = self.openers.lock().unwrap_or_else(PoisonError::into_inner);
        openers
            .get(session)
            .is_some_and(|opener| opener != caller.principal())
    }
}
