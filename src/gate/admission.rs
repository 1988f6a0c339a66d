//! Places for running children, and a bounded queue before them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{identity::Caller, metrics, refusal::Refusal};

/// Decides who may start a child now, who waits, and who is sent away.
#[derive(Debug)]
pub struct Admission {
    places: Arc<Semaphore>,
    total: usize,
    waiting: AtomicUsize,
    longest_queue: usize,
    longest_wait: Duration,
    /// Calls that run or wait, by principal; those who have none are not in it.
    by_caller: Arc<Mutex<HashMap<String, usize>>>,
    most_by_caller: usize,
}

/// A place; dropped when the child is gone.
#[derive(Debug)]
#[must_use]
pub struct Place(
    #[expect(dead_code, reason = "held, never looked at")] (OwnedSemaphorePermit, Option<Counted>),
);

impl Place {
    fn taken(permit: OwnedSemaphorePermit, counted: Option<Counted>) -> Self {
        metrics::running(1.0);
        Self((permit, counted))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        metrics::running(-1.0);
    }
}

/// One of its caller's calls.
#[derive(Debug)]
struct Counted {
    by_caller: Arc<Mutex<HashMap<String, usize>>>,
    principal: String,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut by_caller = self
            .by_caller
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(calls) = by_caller.get_mut(&self.principal) {
            *calls -= 1;
            if *calls == 0 {
                by_caller.remove(&self.principal);
            }
        }
    }
}

impl Admission {
    /// `places` children at once, `queue` calls waiting at most `wait` for one, and of both
    /// together `most_by_caller` of one known caller.
    pub fn new(places: usize, queue: usize, most_by_caller: usize, wait: Duration) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places)),
            total: places,
            waiting: AtomicUsize::new(0),
            longest_queue: queue,
            longest_wait: wait,
            by_caller: Arc::default(),
            most_by_caller,
        }
    }

    /// How many places are taken.
    pub fn running(&self) -> usize {
        self.total.saturating_sub(self.places.available_permits())
    }

    /// Takes a place, or waits for one, for at most `within`.
    ///
    /// # Errors
    /// [`Refusal::Overloaded`] when the queue is full or the wait too long,
    /// [`Refusal::OverloadedByCaller`] when the caller has its share.
    pub async fn enter(&self, caller: &Caller, within: Duration) -> Result<Place, Refusal> {
        let counted = self.count(caller)?;
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(Place::taken(place, counted));
        }
        let waiting = Waiting::join(&self.waiting);
        let overloaded = || Refusal::Overloaded {
            running: self.total,
            waiting: self.waiting.load(Ordering::Relaxed).saturating_sub(1),
        };
        if waiting.ahead >= self.longest_queue {
            return Err(overloaded());
        }
        let place = timeout(
            self.longest_wait.min(within),
            Arc::clone(&self.places).acquire_owned(),
        )
        .await;
        drop(waiting);
        match place {
            Ok(Ok(place)) => Ok(Place::taken(place, counted)),
            _ => Err(overloaded()),
        }
    }

    /// Everybody who is not known is the same caller, who has no share of his own.
    fn count(&self, caller: &Caller) -> Result<Option<Counted>, Refusal> {
        if caller.principal() == Caller::ANONYMOUS {
            return Ok(None);
        }
        let mut by_caller = self
            .by_caller
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let calls = by_caller.entry(caller.principal().to_owned()).or_default();
        if *calls >= self.most_by_caller {
            return Err(Refusal::OverloadedByCaller { calls: *calls });
        }
        *calls += 1;
        Ok(Some(Counted {
            by_caller: Arc::clone(&self.by_caller),
            principal: caller.principal().to_owned(),
        }))
    }
}

/// A place in the queue; left also when the waiting call is dropped.
struct Waiting<'a> {
    count: &'a AtomicUsize,
    ahead: usize,
}

impl<'a> Waiting<'a> {
    fn join(count: &'a AtomicUsize) -> Self {
        metrics::waiting(1.0);
        Self {
            count,
            ahead: count.fetch_add(1, Ordering::Relaxed),
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        metrics::waiting(-1.0);
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::identity::{Callers, Door, KnownCaller, TokenDigest};

    fn anonymous() -> Caller {
        Caller::anonymous(Door::Rest)
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
        let web = Callers::new(vec![known])
            .identify(Some(b"Bearer t"), Door::Rest, SystemTime::now())
            .unwrap();
        let (one, _two) = (
            admission.enter(&web, Duration::MAX).await.unwrap(),
            admission.enter(&web, Duration::MAX).await.unwrap(),
        );
        assert!(matches!(
            admission.enter(&web, Duration::MAX).await,
            Err(Refusal::OverloadedByCaller { calls: 2 })
        ));
        let _others = [
            admission.enter(&anonymous(), Duration::MAX).await.unwrap(),
            admission.enter(&anonymous(), Duration::MAX).await.unwrap(),
        ];
        drop(one);
        let _three = admission.enter(&web, Duration::MAX).await.unwrap();
        assert_eq!(admission.by_caller.lock().unwrap().len(), 1);
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
                Err(Refusal::Overloaded {
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
                Err(Refusal::Overloaded { .. })
            ),
            "the wait is over"
        );
    }
}
