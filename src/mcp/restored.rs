//! Sessions that this process does not know and goes on with: [`Restored`].
//!
//! A session is a client's name for a conversation. It holds no right and no state that a call
//! depends on: who calls, and with which credential, comes with each request. So a session that was
//! opened before a restart, at another replica, or that had to leave for another one is opened again
//! under its own id, for whoever sends it, admitted and counted like a new one. One that its client
//! has ended stays ended.
//!
//! Held by `tests/service/wire.rs`.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rmcp::{
    model::{ClientCapabilities, Implementation, InitializeRequestParams},
    transport::streamable_http_server::session::{SessionState, SessionStore, SessionStoreError},
};
use serde_json::Value;
use uuid::{Uuid, Version};

use super::sessions::opening_protocol;

/// As many ended sessions are remembered; who ended one and uses it on meets a restart at worst.
const MOST_ENDED: usize = 4096;

/// The protocol of clients that do not name theirs with each request.
const UNNAMED: &str = "2025-03-26";

/// Stores nothing of a session but that it has ended.
#[derive(Default)]
pub(super) struct Restored(Mutex<VecDeque<String>>);

type Stored<'a, T> = Pin<Box<dyn Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

impl Restored {
    /// Nothing in here panics between two changes.
    fn ended(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a session begins with that some process of this server may have opened.
    fn state(&self, session: &str) -> Option<SessionState> {
        let id = Uuid::parse_str(session).ok()?;
        let may_be_ours = id.get_version() == Some(Version::Random);
        if !may_be_ours || self.ended().iter().any(|ended| ended == session) {
            return None;
        }
        // rmcp's own name is nobody's: calls are then recorded under that of the HTTP client.
        let client = Implementation::new("rmcp", "");
        let mut hello = InitializeRequestParams::new(ClientCapabilities::default(), client);
        let protocol = opening_protocol().unwrap_or_else(|| UNNAMED.to_owned());
        hello.protocol_version = serde_json::from_value(Value::String(protocol)).ok()?;
        Some(SessionState::new(hello))
    }
}

impl SessionStore for Restored {
    fn load<'a, 'b, 'c>(&'a self, session: &'b str) -> Stored<'c, Option<SessionState>>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        Box::pin(async move { Ok(self.state(session)) })
    }

    fn store<'a, 'b, 'c, 'd>(&'a self, _: &'b str, _: &'c SessionState) -> Stored<'d, ()>
    where
        'a: 'd,
        'b: 'd,
        'c: 'd,
        Self: 'd,
    {
        Box::pin(async { Ok(()) })
    }

    fn delete<'a, 'b, 'c>(&'a self, session: &'b str) -> Stored<'c, ()>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        let mut ended = self.ended();
        if ended.len() >= MOST_ENDED {
            ended.pop_front();
        }
        ended.push_back(session.to_owned());
        Box::pin(async { Ok(()) })
    }
}
