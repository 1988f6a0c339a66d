//! Outputs of which an answer showed a part, whole, so that their caller can read the rest:
//! [`KeptOutputs`].
//!
//! Comes in: text that was cleaned and redacted for its caller, while it is printed. Goes out: the
//! same, for as long as it is kept, to the same principal; of anybody else's it is not said whether
//! it exists. Every byte is counted when it is taken up ([`Keeping::grow`]), whether its call has
//! ended or not. Where there is no room, a principal's own oldest output makes it first; then that
//! of a principal that has more. May not hold what its caller was not shown or told of, nor write
//! any of it down.
//!
//! Held by the tests below and by `tests/service/kept.rs`.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::counts::Counts;
use crate::identity::Caller;

/// How much is kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptBounds {
    /// Bytes of one output.
    pub of_one: usize,
    /// Bytes of all outputs of one principal.
    pub of_principal: usize,
    /// Bytes of all outputs.
    pub of_all: usize,
    /// The time after which an output is forgotten.
    pub time: Duration,
}

/// What an output counts at least: its name and its place.
const LEAST: usize = 512;

/// The outputs that are kept. Cheap to clone.
#[derive(Clone, Debug)]
pub struct KeptOutputs {
    shelf: Arc<Mutex<Shelf>>,
    bounds: KeptBounds,
}

#[derive(Debug, Default)]
struct Shelf {
    /// Bytes by principal, of outputs that are whole and of those that grow.
    held: Counts,
    /// By their names.
    outputs: HashMap<String, OwnedOutput>,
    /// Whether somebody forgets what has expired.
    is_tidied: bool,
}

#[derive(Debug)]
struct OwnedOutput {
    principal: String,
    since: Instant,
    counted: usize,
    output: KeptOutput,
}

/// An output, as far as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptOutput {
    /// The call that printed it.
    pub request_id: String,
    /// Its text; the end is missing where there was no more room.
    pub text: Arc<String>,
    /// Whether that is all of it.
    pub is_whole: bool,
}

/// The room of an output that is being printed; given back when this is dropped.
#[derive(Debug)]
#[must_use = "what is dropped is not kept"]
pub struct Keeping {
    outputs: KeptOutputs,
    principal: String,
    counted: usize,
}

impl KeptOutputs {
    /// Keeps nothing yet.
    pub fn new(bounds: KeptBounds) -> Self {
        Self {
            shelf: Arc::default(),
            bounds,
        }
    }

    /// Returns the bounds.
    pub fn bounds(&self) -> KeptBounds {
        self.bounds
    }

    /// Begins to keep an output of a principal.
    pub fn begin(&self, principal: &str) -> Keeping {
        Keeping {
            outputs: self.clone(),
            principal: principal.to_owned(),
            counted: 0,
        }
    }

    /// Returns an output of this caller's.
    pub fn find(&self, caller: &Caller, id: &str) -> Option<KeptOutput> {
        let shelf = self.lock();
        let owned = shelf.outputs.get(id)?;
        let is_theirs = owned.principal == caller.principal();
        let is_there = is_theirs && owned.since.elapsed() < self.bounds.time;
        is_there.then(|| owned.output.clone())
    }

    /// Returns the names of this caller's outputs, the newest first. Those of a caller without a
    /// name are known to whoever was told one.
    pub fn names(&self, caller: &Caller) -> Vec<String> {
        if caller.is_anonymous() {
            return Vec::new();
        }
        let shelf = self.lock();
        let own = shelf.outputs.iter();
        let own = own.filter(|(_, owned)| owned.principal == caller.principal());
        let mut names: Vec<_> = own.map(|(id, owned)| (owned.since, id.clone())).collect();
        names.sort();
        names.into_iter().rev().map(|(_, id)| id).collect()
    }

    /// Whether nobody forgets what has expired; whoever asks does from now on, until nothing is
    /// left.
    pub fn wants_tidying(&self) -> bool {
        !mem::replace(&mut self.lock().is_tidied, true)
    }

    /// Forgets what has been kept for as long as it may be. Returns when the next output has, if
    /// there is one.
    pub fn forget_expired(&self) -> Option<Instant> {
        let time = self.bounds.time;
        let mut shelf = self.lock();
        shelf.forget(|owned| owned.since.elapsed() >= time);
        let oldest = shelf.outputs.values().map(|owned| owned.since).min();
        shelf.is_tidied = oldest.is_some();
        oldest.map(|since| since + time)
    }

    /// Forgets the outputs of all such principals.
    pub fn forget_those_of(&self, is_such: impl Fn(&str) -> bool) {
        self.lock().forget(|owned| is_such(&owned.principal));
    }

    /// Counts the bytes that are kept, or taken up by outputs that grow.
    pub fn held_bytes(&self) -> usize {
        self.lock().held.all()
    }

    /// Nothing in here panics between two changes.
    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn forget(&mut self, is_forgotten: impl Fn(&OwnedOutput) -> bool) {
        let held = &mut self.held;
        self.outputs.retain(|_, owned| {
            let stays = !is_forgotten(owned);
            if !stays {
                held.take_back(&owned.principal, owned.counted);
            }
            stays
        });
    }

    /// Forgets the oldest output of a principal; whether there was one.
    fn forget_oldest_of(&mut self, principal: &str) -> bool {
        let own = self.outputs.iter();
        let own = own.filter(|(_, owned)| owned.principal == principal);
        let oldest = own.min_by_key(|(_, owned)| owned.since);
        let Some(id) = oldest.map(|(id, _)| id.clone()) else {
            return false;
        };
        if let Some(owned) = self.outputs.remove(&id) {
            self.held.take_back(principal, owned.counted);
        }
        true
    }

    /// The principal that has most of what could be forgotten, when that is more than `own`.
    fn richest(&self, own: usize) -> Option<String> {
        let principals = self.outputs.values().map(|owned| owned.principal.as_str());
        let richest = principals.max_by_key(|principal| self.held.of(principal))?;
        (self.held.of(richest) > own).then(|| richest.to_owned())
    }

    /// Makes room for `more` bytes of a principal; whether there is.
    fn makes_room(&mut self, principal: &str, more: usize, bounds: &KeptBounds) -> bool {
        while self.held.of(principal) + more > bounds.of_principal {
            if !self.forget_oldest_of(principal) {
                return false;
            }
        }
        while self.held.all() + more > bounds.of_all {
            if self.forget_oldest_of(principal) {
                continue;
            }
            let Some(other) = self.richest(self.held.of(principal) + more) else {
                return false;
            };
            self.forget_oldest_of(&other);
        }
        true
    }
}

impl Keeping {
    /// Takes up room for `more` bytes; whether there was any.
    pub fn grow(&mut self, more: usize) -> bool {
        let bounds = self.outputs.bounds;
        if self.counted + more > bounds.of_one {
            return false;
        }
        let mut shelf = self.outputs.lock();
        let has_room = shelf.makes_room(&self.principal, more, &bounds);
        if has_room {
            shelf.held.add(&self.principal, more);
            self.counted += more;
        }
        has_room
    }

    /// Takes over the room of another stream of the same call.
    pub fn take_over(&mut self, mut other: Self) {
        self.counted += mem::take(&mut other.counted);
    }

    /// Keeps an output for which room was taken up, under this name.
    pub fn keep(mut self, id: String, output: KeptOutput) -> bool {
        let floor = LEAST.saturating_sub(self.counted);
        let outputs = self.outputs.clone();
        let mut shelf = outputs.lock();
        if !shelf.makes_room(&self.principal, floor, &outputs.bounds) {
            return false;
        }
        shelf.held.add(&self.principal, floor);
        let owned = OwnedOutput {
            principal: self.principal.clone(),
            since: Instant::now(),
            counted: mem::take(&mut self.counted) + floor,
            output,
        };
        shelf.outputs.insert(id, owned);
        true
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        if self.counted > 0 {
            let mut shelf = self.outputs.lock();
            shelf.held.take_back(&self.principal, self.counted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Door;

    const BOUNDS: KeptBounds = KeptBounds {
        of_one: 4000,
        of_principal: 6000,
        of_all: 10_000,
        time: Duration::from_secs(60),
    };

    fn kept(outputs: &KeptOutputs, principal: &str, id: &str, bytes: usize) -> bool {
        let mut keeping = outputs.begin(principal);
        let text = Arc::new("x".repeat(bytes));
        keeping.grow(bytes)
            && keeping.keep(
                id.to_owned(),
                KeptOutput {
                    request_id: id.to_owned(),
                    text,
                    is_whole: true,
                },
            )
    }

    async fn known(principal: &str) -> Caller {
        Caller::known(principal, Door::Rest).await
    }

    #[tokio::test]
    async fn an_output_is_its_principals_and_nobody_elses() {
        let outputs = KeptOutputs::new(BOUNDS);
        assert!(kept(&outputs, "alice", "a", 1000));
        let (alice, bob) = (known("alice").await, known("bob").await);
        assert_eq!(outputs.find(&alice, "a").unwrap().text.len(), 1000);
        assert_eq!(outputs.find(&bob, "a"), None);
        assert_eq!(outputs.find(&alice, "b"), None);
        assert_eq!(outputs.names(&alice), ["a"]);
        assert!(outputs.names(&bob).is_empty());
        outputs.forget_those_of(|principal| principal == "alice");
        assert_eq!((outputs.find(&alice, "a"), outputs.held_bytes()), (None, 0));
    }

    #[tokio::test]
    async fn room_is_made_by_a_principals_own_oldest_output_first() {
        let outputs = KeptOutputs::new(BOUNDS);
        let (alice, bob) = (known("alice").await, known("bob").await);
        let there = |caller: &Caller, id: &str| outputs.find(caller, id).is_some();
        assert!(kept(&outputs, "bob", "b1", 3000));
        assert!(kept(&outputs, "alice", "a1", 3000));
        assert!(kept(&outputs, "alice", "a2", 3000));
        // One more of alice's is more than alice may have.
        assert!(kept(&outputs, "alice", "a3", 3000));
        assert!(!there(&alice, "a1") && there(&alice, "a2") && there(&alice, "a3"));
        assert!(there(&bob, "b1"));
        // One more of bob's is more than all may have: bob's own goes, and alice's stay.
        assert!(kept(&outputs, "bob", "b2", 3000));
        assert!(!there(&bob, "b1") && there(&bob, "b2") && there(&alice, "a2"));
        // A newcomer has none, and takes of whoever has most.
        assert!(kept(&outputs, "carol", "c1", 3000));
        assert!(!there(&alice, "a2") && there(&alice, "a3") && there(&bob, "b2"));
        assert!(outputs.held_bytes() <= BOUNDS.of_all);
    }

    #[test]
    fn what_grows_is_counted_and_given_back_when_it_is_dropped() {
        let outputs = KeptOutputs::new(BOUNDS);
        let mut first = outputs.begin("alice");
        assert!(first.grow(3000) && first.grow(1000));
        assert!(!first.grow(1), "one output has its bound");
        let mut second = outputs.begin("alice");
        assert!(second.grow(2000));
        assert!(!second.grow(1), "nothing of alice's can be forgotten");
        assert_eq!(outputs.held_bytes(), 6000);
        first.take_over(second);
        assert_eq!(outputs.held_bytes(), 6000);
        drop(first);
        assert_eq!(outputs.held_bytes(), 0);
    }

    #[test]
    fn small_outputs_are_no_way_around_the_bounds() {
        let outputs = KeptOutputs::new(BOUNDS);
        for number in 0..1000 {
            assert!(kept(&outputs, "alice", &number.to_string(), 1));
        }
        assert!(outputs.lock().outputs.len() <= BOUNDS.of_principal / LEAST);
    }

    #[tokio::test]
    async fn an_output_is_forgotten_after_its_time() {
        let outputs = KeptOutputs::new(KeptBounds {
            time: Duration::ZERO,
            ..BOUNDS
        });
        assert!(kept(&outputs, "alice", "a", 1000));
        assert_eq!(outputs.find(&known("alice").await, "a"), None);
        assert_eq!((outputs.forget_expired(), outputs.held_bytes()), (None, 0));
        let outputs = KeptOutputs::new(BOUNDS);
        assert!(kept(&outputs, "alice", "a", 1000));
        assert!(
            outputs
                .forget_expired()
                .is_some_and(|due| due > Instant::now())
        );
        assert_eq!(outputs.held_bytes(), 1000);
    }
}
