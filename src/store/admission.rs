//! Places for running children, and a bounded queue before them: [`Admission::enter`].
//!
//! Comes in: a caller and how long it may wait. Goes out: a [`Place`], given back when it is
//! dropped, or a [`StoreError`]. One known caller never has more than its share of places and
//! queue; of anonymous callers nobody can be told from another, so they have none.
//!
//! Held by the tests below and `tests/service/callers.rs`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{error::StoreError, local::Local};
use crate::{identity::Caller, metrics};

/// Decides who may start a child now, who waits, and who is sent away.
#[derive(Debug)]
pub struct Admission {
    places: Arc<Semaphore>,
    total: usize,
    waiting: AtomicUsize,
    longest_queue: usize,
    longest_wait: Duration,
    /// Calls that run or wait, by principal; a principal without one is not in it.
    shares: Arc<Local<usize>>,
    largest_share: usize,
}

/// A place for one child, taken until this is dropped.
///
/// Only [`Admission::enter`] makes one, and nothing is started without it.
/// ```compile_fail,E0451
/// let forged = kube_airlock::store::Place { _permit: todo!(), _share: todo!() };
/// ```
#[derive(Debug)]
#[must_use = "a place that is dropped is another call's"]
pub struct Place {
    _permit: OwnedSemaphorePermit,
    _share: Option<CallerShare>,
}

impl Place {
    fn new(permit: OwnedSemaphorePermit, share: Option<CallerShare>) -> Self {
        metrics::running(1.0);
        Self {
            _permit: permit,
            _share: share,
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
    shares: Arc<Local<usize>>,
    principal: String,
}

impl Drop for CallerShare {
    fn drop(&mut self) {
        let mut shares = self.shares.lock();
        if let Some(calls) = shares.get_mut(&self.principal) {
            *calls -= 1;
            if *calls == 0 {
                shares.remove(&self.principal);
            }
        }
    }
}

impl Admission {
    /// `places` children at once, `queue` calls waiting at most `wait` for one, and of both
    /// together `largest_share` of one known caller.
    pub fn new(places: usize, queue: usize, largest_share: usize, wait: Duration) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places)),
            total: places,
            waiting: AtomicUsize::new(0),
            longest_queue: queue,
            longest_wait: wait,
            shares: Arc::default(),
            largest_share,
        }
    }

    /// Counts the places that are taken.
    pub fn running(&self) -> usize {
        self.total.saturating_sub(self.places.available_permits())
    }

    /// Takes a place, or waits for one, for at most `within`.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`] when the queue is full or the wait too long,
    /// [`StoreError::OverloadedByCaller`] when the caller has its share.
    pub async fn enter(&self, caller: &Caller, within: Duration) -> Result<Place, StoreError> {
        let share = self.share(caller)?;
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(Place::new(permit, share));
        }
        let queued = Queued::join(&self.waiting);
        let overloaded = || StoreError::Overloaded {
            running: self.total,
            waiting: self.waiting.load(Ordering::Relaxed).saturating_sub(1),
        };
        if queued.ahead >= self.longest_queue {
            return Err(overloaded());
        }
        let permit = timeout(
            self.longest_wait.min(within),
            Arc::clone(&self.places).acquire_owned(),
        )
        .await;
        drop(queued);
        match permit {
            Ok(Ok(permit)) => Ok(Place::new(permit, share)),
            _ => Err(overloaded()),
        }
    }

    /// Counts one more call of a known caller.
    fn share(&self, caller: &Caller) -> Result<Option<CallerShare>, StoreError> {
        if caller.is_anonymous() {
            return Ok(None);
        }
        let mut shares = self.shares.lock();
        let calls = shares.entry(caller.principal().to_owned()).or_default();
        if *calls >= self.largest_share {
            return Err(StoreError::OverloadedByCaller { calls: *calls });
        }
        *calls += 1;
        Ok(Some(CallerShare {
            shares: Arc::clone(&self.shares),
            principal: caller.principal().to_owned(),
        }))
    }
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
    use crate::identity::{Authenticator, Callers, Door, Evidence, KnownCaller, TokenDigest};

    fn anonymous() -> Caller {
        Caller::of_standard_input()
    }

    #[tokio::test]
    async fn a_caller_has_its_share_and_no_more() {
        let admission = Admission::new(8, 8, 2, Duration::from_secs(1));
        let known = KnownCaller {
            principal: "web".into(),
            groups: Vec::new(),
            digest: TokenDigest::of(b"t"),
            expires: None,
        };
        let evidence = Evidence {
            authorization: Some(b"Bearer t"),
            peer: None,
            door: Door::Rest,
        };
        let web = Authenticator::new(Callers::new(vec![known]))
            .identify(&evidence)
            .await
            .unwrap();
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
        assert_eq!(admission.shares.lock().len(), 1);
    }

    #[tokio::test]
    async fn the_queue_is_bounded_in_length_and_time() {
        let admission = Arc::new(Admission::new(1, 1, 2, Duration::from_millis(50)));
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
