//! Whose each MCP session is: [`SessionOwners`].
//!
//! A session is its opener's alone: `a_session_is_its_openers_alone_and_callers_come_and_go`
//! (`tests/service/callers.rs`).

use super::local::Local;
use crate::identity::Caller;

/// The principals that opened sessions, by the sessions' ids.
#[derive(Debug, Default)]
pub struct SessionOwners(Local<String>);

impl SessionOwners {
    /// Records that a caller opened a session, and forgets sessions that are not open any more.
    pub async fn record(&self, session: &str, caller: &Caller, is_open: impl Fn(&str) -> bool) {
        let mut owners = self.0.lock();
        owners.retain(|session, _| is_open(session));
        owners.insert(session.to_owned(), caller.principal().to_owned());
    }

    /// Reports whether another caller opened the session.
    pub async fn is_anothers(&self, session: &str, caller: &Caller) -> bool {
        self.0
            .lock()
            .get(session)
            .is_some_and(|owner| owner != caller.principal())
    }
}
