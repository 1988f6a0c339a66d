//! How often each caller may call: [`Rates`].
//!
//! Callers whom nobody knows share one rate, so that guessing a token is slow, and costs those who
//! are known nothing. Held by `a_caller_is_who_its_token_says` (`tests/service/callers.rs`).

use std::{num::NonZeroU32, time::Instant};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock};

use super::{error::StoreError, written::WrittenBytes};
use crate::identity::Caller;

/// Requests of one caller: as many per second, and as many at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Rate {
    pub per_second: NonZeroU32,
    pub burst: NonZeroU32,
}

/// Counts the requests of each caller, and what is written down about them.
#[derive(Debug)]
pub struct Rates(Option<Counted>);

#[derive(Debug)]
struct Counted {
    requests: DefaultKeyedRateLimiter<String>,
    written: WrittenBytes,
}

impl Rates {
    /// One rate for each caller, or no bound.
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self(rate.map(|rate| Counted {
            requests: RateLimiter::keyed(
                Quota::per_second(rate.per_second).allow_burst(rate.burst),
            ),
            written: WrittenBytes::new(rate.per_second.get(), rate.burst.get()),
        }))
    }

    /// Counts one request of a caller, or of somebody whom nobody knows.
    ///
    /// # Errors
    /// [`StoreError::RateLimited`] when it comes too early, [`StoreError::TooMuchRecorded`] when it
    /// does because of the records of those before it.
    pub async fn count(&self, caller: Option<&Caller>) -> Result<(), StoreError> {
        let Some(Counted { requests, written }) = &self.0 else {
            return Ok(());
        };
        let principal = caller.map_or("", Caller::principal).to_owned();
        if let Some(after) = written.wait(&principal, Instant::now()) {
            return Err(StoreError::TooMuchRecorded { after });
        }
        requests
            .check_key(&principal)
            .map_err(|not_until| StoreError::RateLimited {
                after: not_until.wait_time_from(requests.clock().now()),
            })
    }

    /// Counts a record about a caller's request.
    pub fn recorded(&self, caller: &Caller, bytes: usize) {
        if let Some(Counted { written, .. }) = &self.0 {
            written.add(caller.principal(), bytes, Instant::now());
        }
    }
}
