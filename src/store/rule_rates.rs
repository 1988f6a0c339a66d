//! How often each caller uses a rule that bounds it: [`RuleRates`].
//!
//! The moments of a caller's last calls are kept, so that the bound holds in every stretch of its
//! length. There are as many as rules, known callers and `calls` of a rate allow; those of callers
//! that have come no more go when others come.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::error::StoreError;
use crate::policy::RuleRate;

/// The moments of calls, by caller and rule.
#[derive(Debug, Default)]
pub struct RuleRates(Mutex<HashMap<(String, String), UsesOfRule>>);

/// The calls of one caller by one rule, the oldest first.
#[derive(Debug, Default)]
struct UsesOfRule {
    moments: VecDeque<Instant>,
    per: Duration,
}

impl UsesOfRule {
    fn forget_before(&mut self, now: Instant) {
        while let Some(oldest) = self.moments.front()
            && now.saturating_duration_since(*oldest) >= self.per
        {
            self.moments.pop_front();
        }
    }
}

impl RuleRates {
    /// Counts a call of `principal` by the rules of these ids. One that comes too early counts by
    /// none of them.
    ///
    /// # Errors
    /// [`StoreError::RateOfRule`] when one of the rules allows no more for now.
    pub fn count(
        &self,
        principal: &str,
        rates: &[(String, RuleRate)],
        now: Instant,
    ) -> Result<(), StoreError> {
        if rates.is_empty() {
            return Ok(());
        }
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.retain(|_, calls| {
            calls.forget_before(now);
            !calls.moments.is_empty()
        });
        let key = |rule: &String| (principal.to_owned(), rule.clone());
        for (rule, rate) in rates {
            let Some(calls) = counted.get(&key(rule)) else {
                continue;
            };
            let most = usize::try_from(rate.calls.get()).unwrap_or(usize::MAX);
            if let (true, Some(oldest)) = (calls.moments.len() >= most, calls.moments.front()) {
                let after = rate
                    .per
                    .saturating_sub(now.saturating_duration_since(*oldest));
                return Err(StoreError::RateOfRule { after });
            }
        }
        for (rule, rate) in rates {
            let calls = counted.entry(key(rule)).or_default();
            calls.per = rate.per;
            calls.moments.push_back(now);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn a_rule_allows_so_many_calls_of_each_caller_in_any_stretch() {
        let rate = RuleRate {
            calls: NonZeroU32::new(2).unwrap(),
            per: Duration::from_secs(60),
        };
        let (rates, start) = (RuleRates::default(), Instant::now());
        let by = |rule: &str| [(rule.to_owned(), rate)];
        let call = |principal: &str, rule: &str, second: u64| {
            let now = start + Duration::from_secs(second);
            rates.count(principal, &by(rule), now)
        };
        assert_eq!(call("a", "r", 0), Ok(()));
        assert_eq!(call("a", "r", 50), Ok(()));
        let early = StoreError::RateOfRule {
            after: Duration::from_secs(1),
        };
        assert_eq!(call("a", "r", 59), Err(early));
        assert_eq!(
            (call("b", "r", 59), call("a", "other", 59)),
            (Ok(()), Ok(()))
        );
        assert_eq!(call("a", "r", 60), Ok(()), "the first one counts no more");
        assert!(call("a", "r", 61).is_err());
        assert_eq!(call("a", "r", 111), Ok(()));
    }
}
