//! What tools' discovery found of an API server, for the next tool of the same caller with the same credentials:
//! [`DiscoveryCache`]. Over a slow link it is half of a call's round trips.
//!
//! Comes in: what a tool told while it ran. Goes out: the same bytes, to tools of the same principal whose kubeconfig
//! is the same to the byte. A hostile server or a subverted tool decides what they say, as it did for the call that it
//! was part of, so nobody else may ever have them, and nothing here reads more of them than where a record ends.

#![forbid(unsafe_code)]

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::{catalogue::Tool, metrics, sandbox::ProfileName, secret::SecretBytes};

/// The most of one API server, in bytes: some two thousand kinds of objects. The demo cluster has 90 in 60 KiB.
const MOST_OF_ONE: usize = 512 << 10;
/// The most of all of them, in bytes.
const MOST: usize = 16 << 20;
/// What a tool asks for first, and again when it no longer believes what it was given.
const GROUPS: &[u8] = b"/servergroups.json";

/// What was found, by whom it was found for. Cheap to clone.
#[derive(Clone)]
pub struct DiscoveryCache(Arc<Inner>);

struct Inner {
    lifetime: Duration,
    entries: Mutex<HashMap<Key, Entry>>,
}

/// A principal and all that its tool is given of a cluster, hashed.
type Key = [u8; 32];

struct Entry {
    found: Arc<[u8]>,
    since: Instant,
}

/// What one call's tool is given, and where what it finds is kept.
pub struct Discovery {
    cache: DiscoveryCache,
    key: Key,
    since: Instant,
    found: Arc<[u8]>,
}

impl fmt::Debug for DiscoveryCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("DiscoveryCache").field("lifetime", &self.0.lifetime).finish_non_exhaustive()
    }
}

impl DiscoveryCache {
    /// An empty cache. What it has is given out for `lifetime`; zero keeps nothing.
    pub fn new(lifetime: Duration) -> Self {
        Self(Arc::new(Inner { lifetime, entries: Mutex::default() }))
    }

    /// What was found for this caller with these credentials; `None` for a tool that discovers nothing, or no such way.
    pub fn of(
        &self,
        tool: Tool,
        profile: ProfileName,
        principal: &str,
        kubeconfig: &SecretBytes,
        authority: Option<&str>,
    ) -> Option<Discovery> {
        let discovers = match tool {
            Tool::Kubectl | Tool::Helm => profile != ProfileName::Offline,
            Tool::Istioctl | Tool::Argocd => false,
        };
        if !discovers || self.0.lifetime.is_zero() {
            return None;
        }
        let mut hash = Sha256::new();
        for part in [principal.as_bytes(), kubeconfig.expose(), authority.unwrap_or_default().as_bytes()] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let key = hash.finalize().into();
        let mut entries = self.0.entries();
        entries.retain(|_, entry| entry.since.elapsed() < self.0.lifetime);
        let kept = entries.get(&key).map(|entry| (entry.since, Arc::clone(&entry.found)));
        metrics::discovery(kept.is_some());
        let (since, found) = kept.unwrap_or_else(|| (Instant::now(), Arc::default()));
        Some(Discovery { cache: self.clone(), key, since, found })
    }
}

impl Discovery {
    /// Names and contents, each with a NUL at its end; the later is in the place of the earlier of the same name.
    pub fn found(&self) -> &[u8] {
        &self.found
    }

    /// Hears what the tool finds itself until it ends, and keeps it.
    pub async fn learn(self, told: impl AsyncRead + Unpin) {
        let mut heard = Vec::new();
        let most = MOST_OF_ONE as u64 + 1;
        if told.take(most).read_to_end(&mut heard).await.is_ok() && heard.len() <= MOST_OF_ONE {
            self.keep(whole_records(&heard));
        }
    }

    fn keep(self, news: &[u8]) {
        let Some(name) = news.split(|byte| *byte == 0).next().filter(|_| !news.is_empty()) else { return };
        // It has asked for everything, or for what was missing.
        let (since, found) = match name.ends_with(GROUPS) {
            true => (Instant::now(), news.into()),
            false => (self.since, [&self.found, news].concat().into()),
        };
        let entry = Entry { since, found };
        if entry.found.len() > MOST_OF_ONE {
            return;
        }
        let mut entries = self.cache.0.entries();
        entries.insert(self.key, entry);
        while entries.values().map(|entry| entry.found.len()).sum::<usize>() > MOST {
            let oldest = entries.iter().min_by_key(|(_, entry)| entry.since).map(|(key, _)| *key);
            oldest.and_then(|key| entries.remove(&key));
        }
    }
}

impl Inner {
    fn entries(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without what was begun and not ended: a tool may be killed at any time.
fn whole_records(heard: &[u8]) -> &[u8] {
    let ends = heard.iter().enumerate().filter(|(_, byte)| **byte == 0).map(|(at, _)| at + 1);
    let end = ends.skip(1).step_by(2).last().unwrap_or(0);
    heard.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    fn of(cache: &DiscoveryCache, principal: &str, kubeconfig: &str) -> Discovery {
        let kubeconfig = SecretBytes::new(kubeconfig.as_bytes().to_vec());
        cache.of(Tool::Kubectl, ProfileName::Plain, principal, &kubeconfig, None).unwrap()
    }

    async fn learnt(cache: &DiscoveryCache, principal: &str, told: &[u8]) -> Vec<u8> {
        of(cache, principal, "a").learn(told).await;
        of(cache, principal, "a").found().to_vec()
    }

    #[tokio::test]
    async fn what_was_found_is_for_the_same_caller_with_the_same_credentials() {
        let cache = DiscoveryCache::new(LONG);
        let told = b"h/servergroups.json\0{}\0h/v1/serverresources.json\0{1}\0";
        assert_eq!(learnt(&cache, "one", told).await, told);
        assert!(of(&cache, "two", "a").found().is_empty());
        assert!(of(&cache, "one", "b").found().is_empty());
        assert!(of(&cache, "on", "ea").found().is_empty(), "where one part ends is hashed too");
        let kubeconfig = SecretBytes::new(b"a".to_vec());
        let with = |tool, profile, authority| cache.of(tool, profile, "one", &kubeconfig, authority);
        assert!(with(Tool::Kubectl, ProfileName::Plain, Some("an authority")).unwrap().found().is_empty());
        assert_eq!(with(Tool::Helm, ProfileName::Plain, None).unwrap().found(), told);
        assert!(with(Tool::Kubectl, ProfileName::Offline, None).is_none());
        assert!(with(Tool::Argocd, ProfileName::Plain, None).is_none());
        assert!(!format!("{cache:?}").contains("servergroups"));
    }

    #[tokio::test]
    async fn what_is_found_anew_replaces_all_and_what_was_missing_is_added() {
        let cache = DiscoveryCache::new(LONG);
        let [groups, first, second] = [&b"h/servergroups.json\0{}\0"[..], b"h/v1\0one\0", b"h/v1\0two\0"];
        assert_eq!(learnt(&cache, "p", &[groups, first].concat()).await, [groups, first].concat());
        assert_eq!(learnt(&cache, "p", second).await, [groups, first, second].concat());
        assert_eq!(learnt(&cache, "p", b"").await, [groups, first, second].concat());
        assert_eq!(learnt(&cache, "p", groups).await, groups);
    }

    #[tokio::test]
    async fn what_a_tool_told_by_its_end_is_cut_to_whole_records() {
        let cache = DiscoveryCache::new(LONG);
        for (at, (told, kept)) in
            [(&b"a"[..], &b""[..]), (b"a\0b", b""), (b"a\0b\0", b"a\0b\0"), (b"a\0b\0c\0d", b"a\0b\0"), (b"\0\0\0", b"\0\0")]
                .iter()
                .enumerate()
        {
            assert_eq!(learnt(&cache, &at.to_string(), told).await, *kept);
        }
    }

    #[tokio::test]
    async fn there_is_a_most_of_one_and_of_all() {
        let cache = DiscoveryCache::new(LONG);
        let record = |name: &str, bytes: usize| [name.as_bytes(), b"\0", &vec![b'x'; bytes - name.len() - 2], b"\0"].concat();
        assert!(learnt(&cache, "p", &record("a", MOST_OF_ONE + 1)).await.is_empty());
        let half = record("a", MOST_OF_ONE / 2);
        assert_eq!(learnt(&cache, "p", &half).await, half);
        assert_eq!(learnt(&cache, "p", &record("b", MOST_OF_ONE / 2 + 1)).await, half, "too much together");
        for number in 0..40 {
            learnt(&cache, &number.to_string(), &record("a", MOST_OF_ONE)).await;
        }
        let kept = |number: usize| !of(&cache, &number.to_string(), "a").found().is_empty();
        assert!(of(&cache, "p", "a").found().is_empty() && !kept(7) && kept(8) && kept(39), "the latest 32 are there");
    }

    #[tokio::test]
    async fn it_is_forgotten_after_its_lifetime_however_often_it_is_used_and_added_to() {
        let cache = DiscoveryCache::new(Duration::from_millis(100));
        let found = learnt(&cache, "p", b"h/servergroups.json\0{}\0").await;
        let began = Instant::now();
        while !of(&cache, "p", "a").found().is_empty() {
            assert!(began.elapsed() < Duration::from_secs(1));
            of(&cache, "p", "a").learn(&b"h/v1\0{}\0"[..]).await;
        }
        assert!(!found.is_empty() && began.elapsed() > Duration::from_millis(80));
        let off = DiscoveryCache::new(Duration::ZERO);
        assert!(off.of(Tool::Kubectl, ProfileName::Plain, "p", &SecretBytes::new(Vec::new()), None).is_none());
    }
}
