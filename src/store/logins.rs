//! How often it is recorded that somebody is not let in: [`RefusedLogins`].
//!
//! Whoever reaches the port could fill the records otherwise, and push out what they hold of
//! others. Each is counted; one in a while is recorded, with how many there were.
//!
//! Held by `refused_logins_are_recorded_with_their_peer_and_bounded` (`tests/operation/events.rs`).

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// After the first ten, one in this time: 5 MB of records a day, whatever comes.
const EVERY: Duration = Duration::from_secs(5);
const AT_ONCE: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);

/// Counts those that are not let in.
#[derive(Debug)]
pub struct RefusedLogins {
    records: DefaultDirectRateLimiter,
    /// Since the last record.
    passed_over: AtomicU64,
}

impl RefusedLogins {
    pub(super) fn new() -> Self {
        let quota = Quota::with_period(EVERY).unwrap_or(Quota::per_minute(AT_ONCE));
        Self {
            records: RateLimiter::direct(quota.allow_burst(AT_ONCE)),
            passed_over: AtomicU64::new(0),
        }
    }

    /// Counts one more; how many a record has to speak of, when there may be one now.
    pub fn count(&self) -> Option<u64> {
        self.passed_over.fetch_add(1, Ordering::Relaxed);
        self.records.check().ok()?;
        // Another thread may have taken this one's with its own.
        Some(self.passed_over.swap(0, Ordering::Relaxed)).filter(|refused| *refused > 0)
    }
}
