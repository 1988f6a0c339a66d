//! Places for running children, and a bounded queue before them.

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

use crate::{metrics, refusal::Refusal};

/// Decides who may start a child now, who waits, and who is sent away.
#[derive(Debug)]
pub struct Admission {
    places: Arc<Semaphore>,
    total: usize,
    waiting: AtomicUsize,
    longest_queue: usize,
    longest_wait: Duration,
}

/// A place; dropped when the child is gone.
#[derive(Debug)]
#[must_use]
pub struct Place(#[expect(dead_code, reason = "held, never looked at")] OwnedSemaphorePermit);

impl Admission {
    /// `places` children at once, `queue` calls waiting at most `wait` for one.
    pub fn new(places: usize, queue: usize, wait: Duration) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places)),
            total: places,
            waiting: AtomicUsize::new(0),
            longest_queue: queue,
            longest_wait: wait,
        }
    }

    /// Takes a place, or waits for one.
    ///
    /// # Errors
    /// [`Refusal::Overloaded`] when the queue is full or the wait too long.
    pub async fn enter(&self) -> Result<Place, Refusal> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            self.report();
            return Ok(Place(place));
        }
        let waiting = Waiting::join(&self.waiting);
        let overloaded = || Refusal::Overloaded { running: self.total, waiting: self.waiting.load(Ordering::Relaxed).saturating_sub(1) };
        if waiting.ahead >= self.longest_queue {
            return Err(overloaded());
        }
        self.report();
        let place = timeout(self.longest_wait, Arc::clone(&self.places).acquire_owned()).await;
        drop(waiting);
        self.report();
        match place {
            Ok(Ok(place)) => Ok(Place(place)),
            _ => Err(overloaded()),
        }
    }

    fn report(&self) {
        metrics::load(self.total - self.places.available_permits(), self.waiting.load(Ordering::Relaxed));
    }
}

/// A place in the queue; left also when the waiting call is dropped.
struct Waiting<'a> {
    count: &'a AtomicUsize,
    ahead: usize,
}

impl<'a> Waiting<'a> {
    fn join(count: &'a AtomicUsize) -> Self {
        Self { count, ahead: count.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_queue_is_bounded_in_length_and_time() {
        let admission = Arc::new(Admission::new(1, 1, Duration::from_millis(50)));
        let place = admission.enter().await.unwrap();
        let queued = tokio::spawn({
            let admission = Arc::clone(&admission);
            async move { admission.enter().await.is_ok() }
        });
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(matches!(admission.enter().await, Err(Refusal::Overloaded { running: 1, waiting: 1 })), "the queue is full");
        drop(place);
        assert!(queued.await.unwrap(), "the first in the queue gets the place");
        let _place = admission.enter().await.unwrap();
        assert!(matches!(admission.enter().await, Err(Refusal::Overloaded { .. })), "the wait is over");
    }
}
