//! Places for running children, and a bounded queue before them: [`Admission::enter`].
//!
//! Comes in: a caller and how long it may wait. Goes out: a [`Place`], given back when it is
//! dropped, or a [`StoreError`]. One known caller never has more than its share of places and
//! queue; of anonymous callers nobody can be told from another, so they have none.
//!
//! Held by the tests below and `tests/service/callers.rs`.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::time::timeout;

use super::{
    counts::Counts,
    error::StoreError,
    turns::{Standing, Turn, TurnOrWait, Turns, Waiting},
};
use crate::{identity::Caller, metrics};

/// How many children there are, and how many calls wait for one.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionBounds {
    /// Children at once.
    pub places: usize,
    /// Calls that wait.
    pub queue: usize,
    /// Of one known caller: children at once.
    pub running_per_caller: usize,
    /// Of one known caller: calls that run or wait.
    pub calls_per_caller: usize,
    /// How long a call waits.
    pub wait: Duration,
}

/// Decides who may start a child now, who waits, and who is sent away.
#[derive(Debug)]
pub struct Admission {
    places: Turns,
    waiting: AtomicUsize,
    /// Calls that run or wait.
    shares: Arc<Mutex<Counts>>,
    fresh: FreshCalls,
    bounds: AdmissionBounds,
}

/// When the calls began that may be over soon, by number: what else wants the processors waits for
/// them.
#[derive(Clone, Debug, Default)]
struct FreshCalls(Arc<Mutex<(u64, BTreeMap<u64, Instant>)>>);

/// A call may be over soon for so long; most commands are within a tenth of it.
const FRESH: Duration = Duration::from_secs(1);

impl FreshCalls {
    fn add(&self) -> FreshCall {
        let mut state = lock(&self.0);
        let (next, began) = &mut *state;
        let number = *next;
        *next += 1;
        began.insert(number, Instant::now());
        FreshCall {
            calls: self.clone(),
            number,
        }
    }

    fn count(&self) -> usize {
        let state = lock(&self.0);
        let fresh = state.1.values().rev();
        fresh.take_while(|began| began.elapsed() < FRESH).count()
    }
}

/// One of [`FreshCalls`], until this is dropped.
#[derive(Debug)]
struct FreshCall {
    calls: FreshCalls,
    number: u64,
}

impl Drop for FreshCall {
    fn drop(&mut self) {
        lock(&self.calls.0).1.remove(&self.number);
    }
}

/// A place for one child, taken until this is dropped.
///
/// Only [`Admission::enter`] makes one, and nothing is started without it.
/// ```compile_fail,E0451
/// let forged = kube_airlock::store::Place { turn: todo!(), share: todo!(), fresh: todo!() };
/// ```
#[derive(Debug)]
#[must_use = "a place that is dropped is another call's"]
pub struct Place {
    turn: Turn,
    share: Option<CallerShare>,
    fresh: Option<FreshCall>,
}

impl Place {
    fn new(turn: Turn, share: Option<CallerShare>, fresh: &FreshCalls) -> Self {
        metrics::running(1.0);
        let mut place = Self {
            turn,
            share,
            fresh: None,
        };
        let fresh = (place.standing() == Standing::First).then(|| fresh.add());
        place.fresh = fresh;
        place
    }

    /// How it stands beside the other places. The tools of a known caller that held another one leave
    /// the processors to those of callers that have one each.
    pub fn standing(&self) -> Standing {
        match self.share {
            Some(_) => self.turn.standing(),
            None => Standing::First,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        metrics::running(-1.0);
    }
}

/// One call of a principal's share.
#[derive(Debug)]
struct CallerShare {
    shares: Arc<Mutex<Counts>>,
    principal: String,
}

impl Drop for CallerShare {
    fn drop(&mut self) {
        lock(&self.shares).take_back(&self.principal, 1);
    }
}

impl Admission {
    /// Bounded so.
    pub fn new(bounds: AdmissionBounds) -> Self {
        Self {
            places: Turns::new(bounds.places),
            waiting: AtomicUsize::new(0),
            shares: Arc::default(),
            fresh: FreshCalls::default(),
            bounds,
        }
    }

    /// Counts all places.
    pub fn places(&self) -> usize {
        self.bounds.places
    }

    /// Counts the places that are taken.
    pub fn running(&self) -> usize {
        self.bounds.places.saturating_sub(self.places.free())
    }

    /// Counts the calls that may be over soon: neither has run for a second, nor is it a further one of
    /// its caller.
    pub fn fresh(&self) -> usize {
        self.fresh.count()
    }

    /// Takes a place, or waits for one, for at most `within`. Places that become free go round the
    /// principals that wait.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`] when the queue is full or the wait too long,
    /// [`StoreError::OverloadedByCaller`] when the caller has its share.
    pub async fn enter(&self, caller: &Caller, within: Duration) -> Result<Place, StoreError> {
        let share = self.share(caller)?;
        let most = match share {
            Some(_) => self.bounds.running_per_caller,
            None => self.bounds.places,
        };
        match self.places.ask(caller.principal(), most) {
            TurnOrWait::Now(turn) => Ok(Place::new(turn, share, &self.fresh)),
            TurnOrWait::Later(waiting) => {
                let turn = self.queued(waiting, within).await;
                let turn = turn.ok_or_else(|| self.overloaded(caller, most))?;
                Ok(Place::new(turn, share, &self.fresh))
            }
        }
    }

    /// Waits for a turn, where there is room to wait.
    async fn queued(&self, waiting: Waiting, within: Duration) -> Option<Turn> {
        let queued = Queued::join(&self.waiting);
        if queued.ahead >= self.bounds.queue {
            return None;
        }
        let wait = self.bounds.wait.min(within);
        timeout(wait, waiting.turn()).await.ok().flatten()
    }

    /// Whose calls take what this one has waited for.
    fn overloaded(&self, caller: &Caller, most: usize) -> StoreError {
        let own = self.places.held(caller.principal());
        if own >= most && most < self.bounds.places {
            return StoreError::TooManyRunning { calls: own };
        }
        StoreError::Overloaded {
            running: self.running(),
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }

    /// Counts one more call of a known caller.
    fn share(&self, caller: &Caller) -> Result<Option<CallerShare>, StoreError> {
        if caller.is_anonymous() {
            return Ok(None);
        }
        let mut shares = lock(&self.shares);
        let calls = shares.of(caller.principal());
        if calls >= self.bounds.calls_per_caller {
            return Err(StoreError::OverloadedByCaller { calls });
        }
        shares.add(caller.principal(), 1);
        Ok(Some(CallerShare {
            shares: Arc::clone(&self.shares),
            principal: caller.principal().to_owned(),
        }))
    }
}

/// A panic elsewhere leaves the counts whole: nothing in here panics between two changes.
fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A call in the queue; it leaves also when it is dropped.
struct Queued<'a> {
    count: &'a AtomicUsize,
    ahead: usize,
}

impl<'a> Queued<'a> {
    fn join(count: &'a AtomicUsize) -> Self {
        metrics::waiting(1.0);
        Self {
            count,
            ahead: count.fetch_add(1, Ordering::Relaxed),
        }
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        metrics::waiting(-1.0);
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Door;

    fn anonymous() -> Caller {
        Caller::of_standard_input()
    }

    fn admission(places: usize, queue: usize, running: usize, calls: usize) -> Admission {
        Admission::new(AdmissionBounds {
            places,
            queue,
            running_per_caller: running,
            calls_per_caller: calls,
            wait: Duration::from_millis(50),
        })
    }

    async fn known(principal: &str) -> Caller {
        Caller::known(principal, Door::Rest).await
    }

    #[tokio::test]
    async fn a_caller_has_its_share_and_no_more() {
        let admission = admission(8, 8, 8, 2);
        let web = known("web").await;
        let (one, _two) = (
            admission.enter(&web, Duration::MAX).await.unwrap(),
            admission.enter(&web, Duration::MAX).await.unwrap(),
        );
        assert!(matches!(
            admission.enter(&web, Duration::MAX).await,
            Err(StoreError::OverloadedByCaller { calls: 2 })
        ));
        let _others = [
            admission.enter(&anonymous(), Duration::MAX).await.unwrap(),
            admission.enter(&anonymous(), Duration::MAX).await.unwrap(),
        ];
        drop(one);
        let _three = admission.enter(&web, Duration::MAX).await.unwrap();
        assert_eq!(lock(&admission.shares).len(), 1);
    }

    /// What one caller may queue is more than there are places; what it may run is not.
    #[tokio::test]
    async fn one_caller_does_not_take_all_places_however_much_it_queues() {
        let admission = Arc::new(admission(4, 64, 2, 16));
        let (alice, bob) = (known("alice").await, known("bob").await);
        let all = (0..16).map(|_| {
            let (admission, alice) = (Arc::clone(&admission), alice.clone());
            tokio::spawn(async move {
                let place = admission.enter(&alice, Duration::MAX).await;
                if place.is_ok() {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                place.map(drop)
            })
        });
        let all: Vec<_> = all.collect();
        tokio::task::yield_now().await;
        let since = Instant::now();
        let bobs = [
            admission.enter(&bob, Duration::MAX).await.unwrap(),
            admission.enter(&bob, Duration::MAX).await.unwrap(),
        ];
        assert!(since.elapsed() < Duration::from_millis(40), "bob waited");
        drop(bobs);
        let mut refused = Vec::new();
        for call in all {
            refused.extend(call.await.unwrap().err());
        }
        // Those who have waited in vain are told that it was for their own.
        assert_eq!(refused, [StoreError::TooManyRunning { calls: 2 }; 14]);
    }

    #[tokio::test]
    async fn with_one_place_callers_take_turns() {
        let admission = Arc::new(admission(1, 64, 1, 16));
        let (alice, bob) = (known("alice").await, known("bob").await);
        let held = admission.enter(&alice, Duration::MAX).await.unwrap();
        let (told, mut order) = tokio::sync::mpsc::unbounded_channel();
        for caller in [&alice, &alice, &alice, &bob] {
            let (admission, caller, told) = (Arc::clone(&admission), caller.clone(), told.clone());
            tokio::spawn(async move {
                let place = admission.enter(&caller, Duration::MAX).await.unwrap();
                told.send(caller.principal().to_owned()).unwrap();
                drop(place);
            });
            tokio::task::yield_now().await;
        }
        drop((held, told));
        let mut served = Vec::new();
        while let Some(principal) = order.recv().await {
            served.push(principal);
        }
        assert_eq!(served, ["alice", "bob", "alice", "alice"]);
    }

    #[tokio::test]
    async fn the_queue_is_bounded_in_length_and_time() {
        let admission = Arc::new(admission(1, 1, 1, 2));
        let place = admission.enter(&anonymous(), Duration::MAX).await.unwrap();
        let queued = tokio::spawn({
            let admission = Arc::clone(&admission);
            async move { admission.enter(&anonymous(), Duration::MAX).await.is_ok() }
        });
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(
            matches!(
                admission.enter(&anonymous(), Duration::MAX).await,
                Err(StoreError::Overloaded {
                    running: 1,
                    waiting: 1
                })
            ),
            "the queue is full"
        );
        drop(place);
        assert!(
            queued.await.unwrap(),
            "the first in the queue gets the place"
        );
        let _place = admission.enter(&anonymous(), Duration::MAX).await.unwrap();
        assert!(
            matches!(
                admission.enter(&anonymous(), Duration::MAX).await,
                Err(StoreError::Overloaded { .. })
            ),
            "the wait is over"
        );
    }
}
