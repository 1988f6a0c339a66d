//! What tools' discovery found of an API server, for the next tool of the same caller with the same
//! credentials: [`DiscoveryCache`]. It is two of the five round trips of a `get pods`.
//!
//! Comes in: what a tool sends while it runs. Goes out: the same bytes, to tools of the same
//! principal whose kubeconfig is the same to the byte. A hostile server or a subverted tool decides
//! what they say, as it did for the call that it was part of, so nobody else may ever have them,
//! and nothing here reads more of them than where a record ends.

#![forbid(unsafe_code)]

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::secret::fingerprint;

/// The most of one API server, in bytes: some eight hundred kinds of objects. The demo cluster has
/// 90 in 60 KiB.
const MOST_OF_ONE: usize = 512 << 10;
/// The most of all of them, in bytes.
const MOST: usize = 16 << 20;
/// The file that a tool requests first, and again when it no longer believes what it was given.
const GROUPS: &[u8] = b"/servergroups.json";

/// What was found, by whom it was found for. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DiscoveryCache(Arc<FoundCache<Arc<[u8]>>>);

/// What was found, by whom it was found for: for as long as it is given out, and no more than there
/// is room for.
pub(crate) struct FoundCache<T> {
    lifetime: Duration,
    most: usize,
    size: fn(&T) -> usize,
    entries: Mutex<FoundEntries<T>>,
}

pub(crate) type FoundEntries<T> = HashMap<CacheKey, FoundEntry<T>>;

pub(crate) struct FoundEntry<T> {
    pub(crate) found: T,
    /// The start of the call that requested all of it.
    pub(crate) since: Instant,
}

/// A principal and all that its tool is given of a cluster, hashed.
pub(crate) type CacheKey = [u8; 32];

/// Hashes whom something was found for, and with what.
pub(crate) fn key(principal: &str, kubeconfig: &[u8], authority: Option<&str>) -> CacheKey {
    let authority = authority.unwrap_or_default().as_bytes();
    fingerprint(&[principal.as_bytes(), kubeconfig, authority])
}

/// What one call's tool is given, and where what it finds is kept.
pub struct Discovery {
    cache: DiscoveryCache,
    key: CacheKey,
    /// When the call began.
    began_at: Instant,
    found: Arc<[u8]>,
    /// The start of the call that requested that.
    since: Option<Instant>,
}

impl<T> fmt::Debug for FoundCache<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("FoundCache")
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

impl DiscoveryCache {
    /// An empty cache. What it has is given out for `lifetime`; zero keeps nothing.
    pub fn new(lifetime: Duration) -> Self {
        Self(Arc::new(FoundCache::new(lifetime, MOST, |found| {
            found.len()
        })))
    }

    /// What was found for this caller with these credentials; `None` when nothing is kept for
    /// anybody.
    pub fn of(
        &self,
        principal: &str,
        kubeconfig: &[u8],
        authority: Option<&str>,
    ) -> Option<Discovery> {
        if self.0.lifetime.is_zero() {
            return None;
        }
        let key = key(principal, kubeconfig, authority);
        let kept = self
            .0
            .entries()
            .get(&key)
            .map(|entry| (entry.since, Arc::clone(&entry.found)));
        let (since, found) = kept.unzip();
        Some(Discovery {
            cache: self.clone(),
            key,
            began_at: Instant::now(),
            found: found.unwrap_or_default(),
            since,
        })
    }
}

impl Discovery {
    /// Names and contents, each with a NUL at its end; the later is in the place of the earlier of
    /// the same name.
    pub fn found(&self) -> &[u8] {
        &self.found
    }

    /// Receives what the tool finds itself until it ends, and keeps it.
    pub async fn learn(self, sent: impl AsyncRead + Unpin) {
        let mut received = Vec::new();
        let most = MOST_OF_ONE as u64 + 1;
        match sent.take(most).read_to_end(&mut received).await {
            Ok(0..=MOST_OF_ONE) => self.keep(whole_records(&received)),
            Ok(_) => drop(self.cache.0.entries().remove(&self.key)),
            Err(_) => {}
        }
    }

    /// A call may end long after it began, and others may have begun since.
    fn keep(self, news: &[u8]) {
        let Some(name) = news
            .split(|byte| *byte == 0)
            .next()
            .filter(|_| !news.is_empty())
        else {
            return;
        };
        let mut entries = self.cache.0.entries();
        let there = entries.get(&self.key);
        let entry: FoundEntry<Arc<[u8]>> = if name.ends_with(GROUPS) {
            if there.is_some_and(|entry| entry.since > self.began_at) {
                return;
            }
            FoundEntry {
                found: news.into(),
                since: self.began_at,
            }
        } else {
            // What was missing of what it was given.
            let Some(there) = there.filter(|entry| Some(entry.since) == self.since) else {
                return;
            };
            FoundEntry {
                found: [&there.found, news].concat().into(),
                since: there.since,
            }
        };
        if entry.found.len() > MOST_OF_ONE {
            entries.remove(&self.key);
            return;
        }
        self.cache.0.keep(&mut entries, self.key, entry);
    }
}

impl<T> FoundCache<T> {
    /// An empty one that gives out for `lifetime`, and has room for `most` of what `size` counts.
    pub(crate) fn new(lifetime: Duration, most: usize, size: fn(&T) -> usize) -> Self {
        Self {
            lifetime,
            most,
            size,
            entries: Mutex::default(),
        }
    }

    /// Those that are not too old.
    pub(crate) fn entries(&self) -> MutexGuard<'_, FoundEntries<T>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, entry| entry.since.elapsed() < self.lifetime);
        entries
    }

    /// Puts one in; the oldest go when there is too much.
    pub(crate) fn keep(&self, entries: &mut FoundEntries<T>, key: CacheKey, entry: FoundEntry<T>) {
        let size = |entry: &FoundEntry<T>| (self.size)(&entry.found);
        entries.insert(key, entry);
        while entries.values().map(size).sum::<usize>() > self.most {
            let oldest = entries
                .iter()
                .min_by_key(|(_, entry)| entry.since)
                .map(|(key, _)| *key);
            oldest.and_then(|key| entries.remove(&key));
        }
    }
}

/// Cuts off a record without its end: a tool may be killed at any time.
fn whole_records(received: &[u8]) -> &[u8] {
    let ends = received
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == 0)
        .map(|(at, _)| at + 1);
    let end = ends.skip(1).step_by(2).last().unwrap_or(0);
    received.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    fn of(cache: &DiscoveryCache, principal: &str, kubeconfig: &str) -> Discovery {
        cache.of(principal, kubeconfig.as_bytes(), None).unwrap()
    }

    async fn learnt(cache: &DiscoveryCache, principal: &str, sent: &[u8]) -> Vec<u8> {
        of(cache, principal, "a").learn(sent).await;
        of(cache, principal, "a").found().to_vec()
    }

    #[tokio::test]
    async fn what_was_found_is_for_the_same_caller_with_the_same_credentials() {
        let cache = DiscoveryCache::new(LONG);
        let sent = b"h/servergroups.json\0{}\0h/v1/serverresources.json\0{1}\0";
        assert_eq!(learnt(&cache, "one", sent).await, sent);
        assert!(of(&cache, "two", "a").found().is_empty());
        assert!(of(&cache, "one", "b").found().is_empty());
        assert!(
            of(&cache, "on", "ea").found().is_empty(),
            "where one part ends is hashed too"
        );
        assert!(
            cache
                .of("one", b"a", Some("an authority"))
                .unwrap()
                .found()
                .is_empty()
        );
        assert!(!format!("{cache:?}").contains("servergroups"));
    }

    #[tokio::test]
    async fn what_is_found_anew_replaces_all_and_what_was_missing_is_added() {
        let cache = DiscoveryCache::new(LONG);
        let [groups, first, second] = [
            &b"h/servergroups.json\0{}\0"[..],
            b"h/v1\0one\0",
            b"h/v1\0two\0",
        ];
        assert_eq!(
            learnt(&cache, "p", &[groups, first].concat()).await,
            [groups, first].concat()
        );
        assert_eq!(
            learnt(&cache, "p", second).await,
            [groups, first, second].concat()
        );
        assert_eq!(
            learnt(&cache, "p", b"").await,
            [groups, first, second].concat()
        );
        assert_eq!(learnt(&cache, "p", groups).await, groups);
    }

    #[tokio::test]
    async fn a_call_that_ends_late_takes_nothing_back() {
        let cache = DiscoveryCache::new(LONG);
        let [old, new] = [
            &b"h/servergroups.json\0{old}\0"[..],
            b"h/servergroups.json\0{new}\0",
        ];
        let early = of(&cache, "p", "a");
        assert_eq!(learnt(&cache, "p", new).await, new);
        early.learn(old).await;
        assert_eq!(of(&cache, "p", "a").found(), new);
        // Two add to the same; one adds to what is not there any more.
        let [one, two, late] = [(); 3].map(|()| of(&cache, "p", "a"));
        one.learn(&b"h/v1\0one\0"[..]).await;
        two.learn(&b"h/v2\0two\0"[..]).await;
        assert_eq!(
            of(&cache, "p", "a").found(),
            [new, b"h/v1\0one\0", b"h/v2\0two\0"].concat()
        );
        assert_eq!(learnt(&cache, "p", new).await, new);
        late.learn(&b"h/v3\0late\0"[..]).await;
        assert_eq!(of(&cache, "p", "a").found(), new);
    }

    #[tokio::test]
    async fn what_a_tool_told_by_its_end_is_cut_to_whole_records() {
        let cache = DiscoveryCache::new(LONG);
        let rows = [
            ("", None),
            ("\0{}", None),
            ("\0{}\0", Some("\0{}\0")),
            ("\0{}\0c\0d", Some("\0{}\0")),
            ("\0\0\0", Some("\0\0")),
        ];
        for (at, (sent, kept)) in rows.into_iter().enumerate() {
            let [sent, kept] = [Some(sent), kept]
                .map(|text| text.map_or_else(Vec::new, |text| [GROUPS, text.as_bytes()].concat()));
            assert_eq!(learnt(&cache, &at.to_string(), &sent).await, kept);
        }
    }

    #[tokio::test]
    async fn there_is_a_most_of_one_and_of_all() {
        let cache = DiscoveryCache::new(LONG);
        let record = |name: &[u8], bytes: usize| {
            [name, b"\0", &vec![b'x'; bytes - name.len() - 2], b"\0"].concat()
        };
        assert!(
            learnt(&cache, "p", &record(GROUPS, MOST_OF_ONE + 1))
                .await
                .is_empty()
        );
        let half = record(GROUPS, MOST_OF_ONE / 2);
        assert_eq!(learnt(&cache, "p", &half).await, half);
        assert!(
            learnt(&cache, "p", &record(b"b", MOST_OF_ONE / 2 + 1))
                .await
                .is_empty(),
            "too much together"
        );
        for number in 0..40 {
            learnt(&cache, &number.to_string(), &record(GROUPS, MOST_OF_ONE)).await;
        }
        let kept = |number: usize| !of(&cache, &number.to_string(), "a").found().is_empty();
        assert!(
            of(&cache, "p", "a").found().is_empty() && !kept(7) && kept(8) && kept(39),
            "the latest 32 are there"
        );
    }

    #[tokio::test]
    async fn it_is_forgotten_after_its_lifetime_however_often_it_is_used_and_added_to() {
        let cache = DiscoveryCache::new(Duration::from_millis(500));
        let began = Instant::now();
        assert!(
            !learnt(&cache, "p", b"h/servergroups.json\0{}\0")
                .await
                .is_empty()
        );
        loop {
            let given = of(&cache, "p", "a");
            if given.found().is_empty() {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(5));
            given.learn(&b"h/v1\0{}\0"[..]).await;
        }
        assert!(began.elapsed() >= Duration::from_millis(500));
        let off = DiscoveryCache::new(Duration::ZERO);
        assert!(off.of("p", b"", None).is_none());
    }
}
