//! The requests of sessions that are not answered yet: [`OpenRequests`].
//!
//! rmcp keeps the newest of two requests with one id in a session, and never answers the other. So
//! the second one is refused while the first is under way.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The ids of requests, each with its session. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct OpenRequests(Arc<Mutex<HashSet<(String, String)>>>);

/// A request that is under way, until this is dropped.
pub struct RequestUnderWay {
    all: OpenRequests,
    this: (String, String),
}

impl OpenRequests {
    /// Notes a request; none when one with its id is under way in its session.
    pub(super) fn begin(&self, session: &str, id: &str) -> Option<RequestUnderWay> {
        let this = (session.to_owned(), id.to_owned());
        let is_new = self.lock().insert(this.clone());
        is_new.then(|| RequestUnderWay {
            all: self.clone(),
            this,
        })
    }

    /// Nothing in here panics between two changes.
    fn lock(&self) -> MutexGuard<'_, HashSet<(String, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RequestUnderWay {
    fn drop(&mut self) {
        self.all.lock().remove(&self.this);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_free_again_once_its_request_is_answered_and_in_other_sessions() {
        let all = OpenRequests::default();
        let first = all.begin("a", "1").unwrap();
        assert!(all.begin("a", "1").is_none());
        assert!(all.begin("a", "\"1\"").is_some() && all.begin("b", "1").is_some());
        drop(first);
        assert!(all.begin("a", "1").is_some());
    }
}
