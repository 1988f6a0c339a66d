//! Who holds the connections and the requests of this server: [`Crowd`].
//!
//! Comes in: connections as they are accepted, whose each turns out to be, and what is under way on
//! it. Goes out: whether there is room for one more, and which idle one has to leave for it: the
//! oldest on which nobody is known yet, else the longest idle one of the principal that has most.
//! Of requests a known principal has no more under way than it leaves to all others: one that takes
//! what it can leaves a half, two a third.
//!
//! May not end a connection on which something is under way. Held by the tests below and
//! `tests/service/fairness.rs`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{sync::Notify, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{identity::Caller, store::Counts};

/// Whoever has to leave is closed within milliseconds, unless the processors are busy.
const GONE_WITHIN: Duration = Duration::from_millis(250);

/// The connections that are served, and the requests that are under way on them. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Crowd {
    held: Arc<Mutex<Held>>,
    /// Told when one that had to leave is closed.
    gone: Arc<Notify>,
}

#[derive(Debug)]
struct Held {
    most: usize,
    /// Connections that have to leave and are not closed yet: each is a descriptor still.
    leaving: usize,
    next_id: u64,
    connections: HashMap<u64, HeldConnection>,
    /// Requests under way of known principals.
    requests: Counts,
}

#[derive(Debug)]
struct HeldConnection {
    /// The principal of the last request that had one.
    principal: Option<String>,
    under_way: usize,
    used: Instant,
    close: CancellationToken,
}

/// A connection's place in the crowd, until this is dropped.
#[derive(Debug)]
pub(super) struct Member {
    crowd: Crowd,
    id: u64,
    pub(super) close: CancellationToken,
}

/// A request that is under way on a connection, until this is dropped.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Member>);

/// A request of a known principal's share, until this is dropped.
#[derive(Debug)]
pub(super) struct RequestShare {
    crowd: Crowd,
    principal: String,
}

impl Crowd {
    /// Has room for `most` connections, and as many requests of known principals.
    pub(super) fn new(most: usize) -> Self {
        let held = Held {
            most,
            leaving: 0,
            next_id: 0,
            connections: HashMap::new(),
            requests: Counts::default(),
        };
        Self {
            held: Arc::new(Mutex::new(held)),
            gone: Arc::default(),
        }
    }

    /// Takes a connection in, for which an idle one may have to leave. Those who leave are soon
    /// gone: where there are many of them, the next one waits that long.
    pub(super) async fn join(&self) -> Option<Member> {
        let joined = async {
            loop {
                if let Some(joined) = self.join_now() {
                    return joined;
                }
                self.gone.notified().await;
            }
        };
        timeout(GONE_WITHIN, joined).await.ok().flatten()
    }

    /// Takes a connection in, or has no room; none where it has to wait for those who leave.
    #[expect(clippy::option_option, reason = "the outer one is the wait")]
    fn join_now(&self) -> Option<Option<Member>> {
        let mut held = self.lock();
        if held.connections.len() >= held.most {
            if held.leaving >= beyond(held.most) {
                return None;
            }
            let leaves = held.leaves();
            let Some(left) = leaves.and_then(|leaves| held.connections.remove(&leaves)) else {
                return Some(None);
            };
            left.close.cancel();
            held.leaving += 1;
        }
        let id = held.next_id;
        held.next_id += 1;
        let close = CancellationToken::new();
        let connection = HeldConnection {
            principal: None,
            under_way: 0,
            used: Instant::now(),
            close: close.clone(),
        };
        held.connections.insert(id, connection);
        let crowd = self.clone();
        Some(Some(Member { crowd, id, close }))
    }

    /// A panic elsewhere leaves the counts whole: nothing in here panics between two changes.
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many connections there are beyond `most`: so many that leave, and so many that are told that
/// there are too many.
pub(super) fn beyond(most: usize) -> usize {
    (most / 32).max(8)
}

impl Held {
    /// Returns the idle connection that is the first to leave.
    fn leaves(&self) -> Option<u64> {
        let idle = |connection: &&HeldConnection| connection.under_way == 0;
        let longest = |principal: Option<&str>| {
            self.connections
                .iter()
                .filter(|(_, connection)| connection.principal.as_deref() == principal)
                .filter(|(_, connection)| idle(connection))
                .min_by_key(|(_, connection)| connection.used)
                .map(|(id, _)| *id)
        };
        if let Some(unknown) = longest(None) {
            return Some(unknown);
        }
        let mut counts = HashMap::<&str, (usize, bool)>::new();
        for connection in self.connections.values() {
            let Some(principal) = connection.principal.as_deref() else {
                continue;
            };
            let (count, has_idle) = counts.entry(principal).or_default();
            *count += 1;
            *has_idle |= idle(&connection);
        }
        counts
            .into_iter()
            .filter(|(_, (_, has_idle))| *has_idle)
            .max_by_key(|(_, (count, _))| *count)
            .and_then(|(principal, _)| longest(Some(principal)))
    }
}

impl Member {
    /// Counts a request on this connection.
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        if let Some(connection) = self.crowd.lock().connections.get_mut(&self.id) {
            connection.under_way += 1;
        }
        UnderWay(Arc::clone(self))
    }

    /// Notes whose the connection is, and counts a request of its caller. Those whom nobody knows
    /// cannot be told from each other, and have no share.
    ///
    /// # Errors
    /// How many requests of the caller are under way, when that is its share.
    pub(super) fn request_of(&self, caller: &Caller) -> Result<Option<RequestShare>, usize> {
        let mut held = self.crowd.lock();
        let principal = caller.principal();
        if let Some(connection) = held.connections.get_mut(&self.id)
            && connection.principal.as_deref() != Some(principal)
        {
            connection.principal = Some(principal.to_owned());
        }
        if caller.is_anonymous() {
            return Ok(None);
        }
        let own = held.requests.of(principal);
        if own >= held.most.saturating_sub(held.requests.all()) {
            return Err(own);
        }
        held.requests.add(principal, 1);
        Ok(Some(RequestShare {
            crowd: self.crowd.clone(),
            principal: principal.to_owned(),
        }))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut held = self.crowd.lock();
        if held.connections.remove(&self.id).is_none() {
            held.leaving -= 1;
            self.crowd.gone.notify_one();
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(connection) = self.0.crowd.lock().connections.get_mut(&self.0.id) {
            connection.under_way -= 1;
            connection.used = Instant::now();
        }
    }
}

impl Drop for RequestShare {
    fn drop(&mut self) {
        self.crowd.lock().requests.take_back(&self.principal, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Door;

    async fn known(principal: &str) -> Caller {
        Caller::known(principal, Door::Mcp).await
    }

    fn joined(crowd: &Crowd) -> Arc<Member> {
        Arc::new(crowd.join_now().flatten().expect("there is room"))
    }

    #[tokio::test]
    async fn those_who_say_nothing_leave_first_and_the_idle_of_whoever_has_most_then() {
        let crowd = Crowd::new(6);
        let (alice, bob) = (known("alice").await, known("bob").await);
        let of = |caller: &Caller| {
            let member = joined(&crowd);
            drop(member.request_of(caller).unwrap());
            member
        };
        let (bobs, silent) = (of(&bob), joined(&crowd));
        let alices: Vec<_> = (0..4).map(|_| of(&alice)).collect();
        let busy = alices[0].begin();
        let newcomer = of(&bob);
        assert!(silent.close.is_cancelled());
        let second = of(&bob);
        let closed: Vec<bool> = (alices.iter())
            .map(|member| member.close.is_cancelled())
            .collect();
        assert_eq!(closed, [false, true, false, false]);
        assert!(!bobs.close.is_cancelled() && !newcomer.close.is_cancelled());
        drop((busy, second, alices, bobs, newcomer, silent));
        assert!(crowd.lock().connections.is_empty() && crowd.lock().leaving == 0);
    }

    #[tokio::test]
    async fn those_who_leave_count_until_they_are_gone() {
        let crowd = Crowd::new(2);
        let mut held: Vec<_> = (0..2 + beyond(2)).map(|_| joined(&crowd)).collect();
        assert!(crowd.join().await.is_none());
        let waiting = tokio::spawn({
            let crowd = crowd.clone();
            async move { crowd.join().await.is_some() }
        });
        tokio::task::yield_now().await;
        held.remove(0);
        assert!(waiting.await.unwrap(), "it waits for one to be gone");
    }

    #[tokio::test]
    async fn where_all_are_busy_nobody_has_to_leave() {
        let crowd = Crowd::new(2);
        let (one, two) = (joined(&crowd), joined(&crowd));
        let (busy, also_busy) = (one.begin(), two.begin());
        assert!(matches!(crowd.join_now(), Some(None)));
        drop(also_busy);
        let _third = joined(&crowd);
        assert!(two.close.is_cancelled() && !one.close.is_cancelled());
        drop(busy);
    }

    #[tokio::test]
    async fn whoever_takes_all_it_can_leaves_as_much_to_others() {
        let crowd = Crowd::new(1024);
        let member = joined(&crowd);
        let all_of = async |principal: &str| {
            let caller = known(principal).await;
            let mut held = Vec::new();
            while let Ok(share) = member.request_of(&caller) {
                held.push(share);
            }
            held
        };
        let (alice, mallory) = (all_of("alice").await, all_of("mallory").await);
        let bob = all_of("bob").await;
        assert_eq!((alice.len(), mallory.len(), bob.len()), (512, 256, 128));
        drop((alice, mallory, bob));
        assert!(crowd.lock().requests.is_empty());
        let anonymous = Caller::of_standard_input();
        let many: Vec<_> = (0..2000).map(|_| member.request_of(&anonymous)).collect();
        assert!(many.iter().all(Result::is_ok));
    }
}
