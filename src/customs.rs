//! The custom resources of clusters, for those who have asked: [`CustomsCache`].
//!
//! Comes in: what one caller's own credentials found. Goes out: the same, to calls of the same
//! principal whose kubeconfig is the same to the byte, as in `discovery.rs`: a hostile server
//! decides what it says, so nobody else may ever have it.

#![forbid(unsafe_code)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    catalogue::CustomResources,
    discovery::{CacheKey, FoundCache, FoundEntry, key},
};

/// The most resources of all clusters together: some ten megabytes.
const MOST: usize = 40_000;
/// What each cluster counts as beside its resources.
const EACH: usize = 16;
/// A word that is missed is looked for again when what is known is older than this: a resource that
/// was made since is found, and a word that nobody has costs no child each time.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(15);

/// What was found, by whom it was found for.
#[derive(Debug)]
pub struct CustomsCache(FoundCache<Arc<CustomResources>>);

/// For whom, and with which credentials, a cluster is asked.
#[derive(Clone, Copy)]
pub struct LookupKey(CacheKey);

impl LookupKey {
    /// This principal with this kubeconfig, as its tool is given it.
    pub fn new(principal: &str, kubeconfig: &[u8]) -> Self {
        Self(key(principal, kubeconfig, None))
    }
}

impl CustomsCache {
    /// An empty cache. What it has is given out for `lifetime`; zero keeps nothing.
    pub fn new(lifetime: Duration) -> Self {
        Self(FoundCache::new(lifetime, MOST, |found| found.len() + EACH))
    }

    /// What is known, if it is good enough: it answers, or is too young to be looked for again.
    pub fn known(
        &self,
        asker: LookupKey,
        answers: impl FnOnce(&CustomResources) -> bool,
    ) -> Option<Arc<CustomResources>> {
        let entries = self.0.entries();
        let known = entries.get(&asker.0)?;
        let is_good = known.since.elapsed() < LOOK_AGAIN_AFTER || answers(&known.found);
        is_good.then(|| Arc::clone(&known.found))
    }

    /// Keeps what was found. The oldest go when there is too much.
    pub fn keep(&self, asker: LookupKey, found: Arc<CustomResources>) {
        let since = Instant::now();
        let mut entries = self.0.entries();
        self.0
            .keep(&mut entries, asker.0, FoundEntry { found, since });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(resources: usize) -> Arc<CustomResources> {
        let rows: Vec<_> = (0..resources)
            .map(|number| {
                serde_json::json!({"name": format!("w{number}"), "namespaced": true, "kind": "W",
                    "group": "example.com", "version": "v1"})
            })
            .collect();
        let printed = serde_json::json!({ "resources": rows }).to_string();
        Arc::new(CustomResources::read(printed.as_bytes()).unwrap())
    }

    #[test]
    fn custom_resources_are_known_to_the_same_caller_with_the_same_credentials() {
        let cache = CustomsCache::new(Duration::from_secs(600));
        cache.keep(LookupKey::new("one", b"a"), cluster(3));
        let known = |principal: &str, kubeconfig: &[u8]| {
            let asker = LookupKey::new(principal, kubeconfig);
            cache.known(asker, |_| true).map_or(0, |found| found.len())
        };
        assert_eq!(
            (
                known("one", b"a"),
                known("two", b"a"),
                known("one", b"b"),
                known("on", b"ea")
            ),
            (3, 0, 0, 0)
        );
        let off = CustomsCache::new(Duration::ZERO);
        off.keep(LookupKey::new("one", b"a"), cluster(3));
        assert!(off.known(LookupKey::new("one", b"a"), |_| true).is_none());
    }

    #[test]
    fn there_is_a_most_of_all_clusters() {
        let cache = CustomsCache::new(Duration::from_secs(600));
        let large = cluster(3_900);
        for number in 0..20 {
            cache.keep(
                LookupKey::new(&number.to_string(), b"a"),
                Arc::clone(&large),
            );
        }
        let known = |number: usize| {
            cache
                .known(LookupKey::new(&number.to_string(), b"a"), |_| true)
                .is_some()
        };
        assert_eq!((0..20).filter(|number| known(*number)).count(), 10);
        assert!(known(19) && !known(9));
    }
}
