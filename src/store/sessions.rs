//! The open MCP sessions, whose each is, and who has to leave for another: [`SessionRegistry`].
//!
//! A session is its opener's alone, and one caller opens no more than its share: then its own
//! longest idle one ends for the next. Where all together are as many as there may be, it is one of
//! the caller that has most. One with a call under way is never ended for another.
//!
//! Held by the tests below, `a_session_is_its_openers_alone_and_callers_come_and_go`
//! (`tests/service/callers.rs`) and `tests/service/fairness.rs`.

use std::{collections::HashMap, sync::Arc, time::Instant};

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use super::local::Local;
use crate::identity::Caller;

/// A session costs about 60 kB and what its first message said.
const MOST_SESSIONS: usize = 512;
/// Sessions of one known caller.
const MOST_OF_ONE: usize = MOST_SESSIONS / 4;

/// The open sessions, by their ids.
#[derive(Debug, Default)]
pub struct SessionRegistry(Arc<Local<OpenSession>>);

#[derive(Debug)]
struct OpenSession {
    principal: String,
    /// Calls that are under way in it.
    calls: usize,
    used: Instant,
    end: CancellationToken,
}

/// Whose a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Another caller opened it.
    Another,
    /// The one who asks.
    Asker,
    /// It is not open.
    Nobody,
}

/// A call in a session, until this is dropped.
#[derive(Debug)]
pub struct SessionCall {
    sessions: Arc<Local<OpenSession>>,
    session: String,
    end: CancellationToken,
}

impl SessionRegistry {
    /// Registers a session that a caller has opened. Returns the one that has
    /// ended for it.
    ///
    /// # Errors
    /// [`NoRoom`] when there are as many as there may be, with a call under way in each.
    pub async fn open(&self, session: &str, caller: &Caller) -> Result<Option<String>, NoRoom> {
        let mut sessions = self.0.lock();
        let own = sessions
            .values()
            .filter(|open| open.principal == caller.principal())
            .count();
        let leaves = if !caller.is_anonymous() && own >= MOST_OF_ONE {
            Some(longest_idle(&sessions, caller.principal()).ok_or(NoRoom)?)
        } else if sessions.len() >= MOST_SESSIONS {
            let most = holds_most(&sessions, caller.principal());
            Some(longest_idle(&sessions, &most).ok_or(NoRoom)?)
        } else {
            None
        };
        if let Some(open) = leaves.as_ref().and_then(|leaves| sessions.remove(leaves)) {
            open.end.cancel();
        }
        let open = OpenSession {
            principal: caller.principal().to_owned(),
            calls: 0,
            used: Instant::now(),
            end: CancellationToken::new(),
        };
        sessions.insert(session.to_owned(), open);
        Ok(leaves)
    }

    /// Forgets a session, and ends the calls in it.
    pub async fn close(&self, session: &str) {
        if let Some(open) = self.0.lock().remove(session) {
            open.end.cancel();
        }
    }

    /// Notes that a caller uses a session, when it is its own. Returns whose it is.
    pub async fn used(&self, session: &str, caller: &Caller) -> Owner {
        match self.0.lock().get_mut(session) {
            None => Owner::Nobody,
            Some(open) if open.principal != caller.principal() => Owner::Another,
            Some(open) => {
                open.used = Instant::now();
                Owner::Asker
            }
        }
    }

    /// Counts a call in a session that is open.
    pub async fn call(&self, session: &str) -> Option<SessionCall> {
        let mut sessions = self.0.lock();
        let open = sessions.get_mut(session)?;
        open.calls += 1;
        Some(SessionCall {
            sessions: Arc::clone(&self.0),
            session: session.to_owned(),
            end: open.end.clone(),
        })
    }

    /// Counts the open sessions.
    pub async fn count(&self) -> usize {
        self.0.lock().len()
    }
}

/// There are as many sessions as there may be, and each is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

impl SessionCall {
    /// Waits until the session has ended.
    pub fn session_ended(&self) -> WaitForCancellationFuture<'_> {
        self.end.cancelled()
    }
}

impl Drop for SessionCall {
    fn drop(&mut self) {
        if let Some(open) = self.sessions.lock().get_mut(&self.session) {
            open.calls -= 1;
            open.used = Instant::now();
        }
    }
}

/// Returns the session of a principal that was used last before all of its others.
fn longest_idle(sessions: &HashMap<String, OpenSession>, principal: &str) -> Option<String> {
    sessions
        .iter()
        .filter(|(_, open)| open.principal == principal && open.calls == 0)
        .min_by_key(|(_, open)| open.used)
        .map(|(session, _)| session.clone())
}

/// Returns the principal that has most sessions; of several, `asker` first.
fn holds_most(sessions: &HashMap<String, OpenSession>, asker: &str) -> String {
    let mut counts = HashMap::<&str, usize>::new();
    for open in sessions.values() {
        *counts.entry(&open.principal).or_default() += 1;
    }
    counts
        .into_iter()
        .max_by_key(|(principal, count)| (*count, *principal == asker))
        .map_or_else(String::new, |(principal, _)| principal.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Door;

    async fn known(principal: &str) -> Caller {
        Caller::known(principal, Door::Mcp).await
    }

    #[tokio::test]
    async fn a_caller_that_opens_sessions_without_end_loses_its_own_and_nobody_elses() {
        let sessions = SessionRegistry::default();
        let (alice, bob) = (known("alice").await, known("bob").await);
        assert_eq!(sessions.open("bob", &bob).await, Ok(None));
        for number in 0..MOST_OF_ONE {
            let opened = sessions.open(&format!("alice {number}"), &alice).await;
            assert_eq!(opened, Ok(None));
        }
        // The first is used, and in the second a call runs: the third is the longest idle.
        assert_eq!(sessions.used("alice 0", &alice).await, Owner::Asker);
        let call = sessions.call("alice 1").await.unwrap();
        let third = Ok(Some("alice 2".to_owned()));
        assert_eq!(sessions.open("alice 128", &alice).await, third);
        assert_eq!(sessions.used("alice 2", &alice).await, Owner::Nobody);
        assert_eq!(sessions.used("bob", &alice).await, Owner::Another);
        assert_eq!(sessions.count().await, MOST_OF_ONE + 1);
        drop(call);
    }

    #[tokio::test]
    async fn whoever_has_most_sessions_makes_room_for_the_next() {
        let sessions = SessionRegistry::default();
        for (principal, count) in [("a", 128), ("b", 127), ("c", 128), ("d", 128), ("e", 1)] {
            let caller = known(principal).await;
            for number in 0..count {
                let session = format!("{principal} {number}");
                assert_eq!(sessions.open(&session, &caller).await, Ok(None));
            }
        }
        let left = sessions.open("e 1", &known("e").await).await.unwrap();
        let left = left.expect("a session has ended for it");
        assert!(
            left.ends_with(" 0") && !left.starts_with(['b', 'e']),
            "{left}"
        );
        assert_eq!(sessions.count().await, MOST_SESSIONS);
    }

    #[tokio::test]
    async fn a_session_that_ends_ends_its_calls() {
        let sessions = SessionRegistry::default();
        let alice = known("alice").await;
        sessions.open("one", &alice).await.unwrap();
        let call = sessions.call("one").await.unwrap();
        sessions.close("one").await;
        call.session_ended().await;
        drop(call);
        assert_eq!(sessions.count().await, 0);
        assert!(sessions.call("one").await.is_none());
    }

    #[tokio::test]
    async fn of_callers_that_nobody_knows_there_are_as_many_sessions_as_of_all() {
        let sessions = SessionRegistry::default();
        let anonymous = Caller::of_standard_input();
        for number in 0..MOST_SESSIONS {
            let opened = sessions.open(&number.to_string(), &anonymous).await;
            assert_eq!(opened, Ok(None));
        }
        let first = Ok(Some("0".to_owned()));
        assert_eq!(sessions.open("512", &anonymous).await, first);
        let mut calls = Vec::new();
        for number in 1..=MOST_SESSIONS {
            calls.extend(sessions.call(&number.to_string()).await);
        }
        assert_eq!(sessions.open("513", &anonymous).await, Err(NoRoom));
        calls.pop();
        assert_eq!(
            sessions.open("513", &anonymous).await,
            Ok(Some("512".into()))
        );
    }
}
