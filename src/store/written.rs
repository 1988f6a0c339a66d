//! How much each caller has written down about it: [`WrittenBytes`].
//!
//! Records are kept in files of a bounded size, so that whoever causes many pushes out others. What
//! was written already counts, and the next request waits until it is worked off.

use std::time::{Duration, Instant};

use super::local::Local;

/// What the records of a request may have on the average: those of an allowed call have as much.
const OF_A_REQUEST: u64 = 1280;

/// Bytes of records, by the principal that they are about.
#[derive(Debug)]
pub(super) struct WrittenBytes {
    per_second: u64,
    most: u64,
    owed: Local<OwedBytes>,
}

/// What is not worked off yet.
#[derive(Clone, Copy, Debug)]
struct OwedBytes {
    bytes: u64,
    since: Instant,
}

impl WrittenBytes {
    /// As much as so many requests may have written, per second, and at once after a pause.
    pub(super) fn new(per_second: u32, at_once: u32) -> Self {
        Self {
            per_second: u64::from(per_second) * OF_A_REQUEST,
            most: u64::from(at_once) * OF_A_REQUEST,
            owed: Local::default(),
        }
    }

    /// Counts a record about a principal.
    pub(super) fn add(&self, principal: &str, bytes: usize, now: Instant) {
        let mut owed = self.owed.lock();
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let before = owed.get(principal).map_or(0, |owed| self.left(*owed, now));
        let owes = OwedBytes {
            bytes: before.saturating_add(bytes),
            since: now,
        };
        owed.insert(principal.to_owned(), owes);
    }

    /// Returns how long a principal has to wait, where more is owed than may be.
    pub(super) fn wait(&self, principal: &str, now: Instant) -> Option<Duration> {
        let mut owed = self.owed.lock();
        let left = self.left(*owed.get(principal)?, now);
        if left == 0 {
            owed.remove(principal);
        }
        let over = left.checked_sub(self.most).filter(|over| *over > 0)?;
        Some(Duration::from_millis(over * 1000 / self.per_second))
    }

    fn left(&self, owed: OwedBytes, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(owed.since).as_millis();
        let worked_off = u64::try_from(passed)
            .unwrap_or(u64::MAX)
            .saturating_mul(self.per_second)
            / 1000;
        owed.bytes.saturating_sub(worked_off)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_records_slow_their_caller_down_and_nobody_else() {
        let written = WrittenBytes::new(10, 100);
        let start = Instant::now();
        let after = |milliseconds| start + Duration::from_millis(milliseconds);
        for _ in 0..101 {
            assert_eq!(written.wait("alice", start), None);
            written.add("alice", 1280, start);
        }
        assert_eq!(
            written.wait("alice", start),
            Some(Duration::from_millis(100))
        );
        assert_eq!(written.wait("bob", start), None);
        assert_eq!(written.wait("alice", after(101)), None);
        // Whoever writes as much as it may is never held up.
        for number in 2..1000 {
            written.add("alice", 1280, after(number * 100));
            assert_eq!(written.wait("alice", after(number * 100)), None);
        }
        assert_eq!(written.wait("alice", after(1_000_000)), None);
        assert!(written.owed.lock().is_empty());
    }
}
