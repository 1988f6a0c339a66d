//! Places that principals take in turn: [`Turns`].
//!
//! Comes in: who wants a place, and how many its principal may hold. Goes out: a [`Turn`] at once,
//! or something to wait for. Freed places go round the principals that wait, and within one to
//! whoever came first. May not know what a place is for, nor how long anybody may wait.
//!
//! Held by the tests below and by those of `admission.rs`.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::counts::Counts;

/// A number of places, and who holds and who awaits them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Turns(Arc<Mutex<Places>>);

/// Who had a turn so long ago may come back for another.
const LATELY: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct Places {
    free: usize,
    /// The two principals that had the latest turns, and when; the last one first.
    latest: VecDeque<(String, Instant)>,
    /// Places that are held.
    held: Counts,
    /// Those who wait, by principal, in the order in which they came.
    waiting: HashMap<String, VecDeque<Waiter>>,
    /// The principals that wait; the first is asked first.
    round: VecDeque<String>,
    next_id: u64,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    /// As many as its principal may hold.
    most: usize,
    turn: oneshot::Sender<Turn>,
}

/// A place of one principal, until this is dropped.
#[derive(Debug)]
#[must_use = "a turn that is dropped is another's"]
pub struct Turn {
    turns: Turns,
    principal: String,
    standing: Standing,
}

/// How a turn stands beside those that were given before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its principal has no other.
    First,
    /// Its principal has another one, and is alone.
    Further,
    /// Its principal has another one, and others have one, or had a moment ago.
    BehindOthers,
}

/// A turn, or the wait for one.
#[derive(Debug)]
pub enum TurnOrWait {
    /// There was a place.
    Now(Turn),
    /// There is none yet; who drops this does not wait any more.
    Later(Waiting),
}

/// Waits for a turn.
#[derive(Debug)]
pub struct Waiting {
    turns: Turns,
    principal: String,
    id: u64,
    turn: oneshot::Receiver<Turn>,
}

impl Turns {
    /// `places` places.
    pub fn new(places: usize) -> Self {
        Self(Arc::new(Mutex::new(Places {
            free: places,
            latest: VecDeque::new(),
            held: Counts::default(),
            waiting: HashMap::new(),
            round: VecDeque::new(),
            next_id: 0,
        })))
    }

    /// Asks for a place for a principal that may hold `most`.
    pub fn ask(&self, principal: &str, most: usize) -> TurnOrWait {
        let mut state = self.lock();
        // Where a place is free, whoever waits has as many as he may.
        if state.free > 0 && state.held.of(principal) < most {
            let standing = state.take(principal);
            return TurnOrWait::Now(self.turn(principal, standing));
        }
        let (sender, receiver) = oneshot::channel();
        let id = state.next_id;
        state.next_id += 1;
        let queue = state.waiting.entry(principal.to_owned()).or_default();
        let is_first = queue.is_empty();
        queue.push_back(Waiter {
            id,
            most,
            turn: sender,
        });
        if is_first {
            state.round.push_back(principal.to_owned());
        }
        TurnOrWait::Later(Waiting {
            turns: self.clone(),
            principal: principal.to_owned(),
            id,
            turn: receiver,
        })
    }

    /// Counts the places that are free.
    pub fn free(&self) -> usize {
        self.lock().free
    }

    /// Counts the places that a principal holds.
    pub fn held(&self, principal: &str) -> usize {
        self.lock().held.of(principal)
    }

    fn turn(&self, principal: &str, standing: Standing) -> Turn {
        Turn {
            turns: self.clone(),
            principal: principal.to_owned(),
            standing,
        }
    }

    fn give_back(&self, principal: &str) {
        let mut state = self.lock();
        state.free += 1;
        state.held.take_back(principal, 1);
        let next = state.next_turns();
        drop(state);
        // Whoever has gone meanwhile drops his turn, which is given back in its turn: not under the
        // lock.
        for (principal, waiter, standing) in next {
            drop(waiter.turn.send(self.turn(&principal, standing)));
        }
    }

    /// A panic elsewhere leaves the state whole: nothing in here panics between two changes.
    fn lock(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    /// Takes a free place.
    fn take(&mut self, principal: &str) -> Standing {
        let other = self.latest.iter().find(|(name, _)| name != principal);
        let is_beside_others =
            other.is_some_and(|(name, at)| at.elapsed() < LATELY || self.held.of(name) > 0);
        self.latest.retain(|(name, _)| name != principal);
        self.latest
            .push_front((principal.to_owned(), Instant::now()));
        self.latest.truncate(2);
        self.free -= 1;
        self.held.add(principal, 1);
        match self.held.of(principal) {
            0 | 1 => Standing::First,
            _ if is_beside_others => Standing::BehindOthers,
            _ => Standing::Further,
        }
    }

    /// Takes free places for those who wait, one principal after the other.
    fn next_turns(&mut self) -> Vec<(String, Waiter, Standing)> {
        let mut turns = Vec::new();
        let mut passed = 0;
        while self.free > 0
            && passed < self.round.len()
            && let Some(principal) = self.round.pop_front()
        {
            let held = self.held.of(&principal);
            let queue = self.waiting.get_mut(&principal);
            let next = queue
                .filter(|queue| queue.front().is_some_and(|next| held < next.most))
                .and_then(VecDeque::pop_front);
            let is_left = self.leave_or_stay(&principal);
            match next {
                Some(waiter) => {
                    let standing = self.take(&principal);
                    turns.push((principal, waiter, standing));
                    passed = 0;
                }
                None => passed += usize::from(is_left),
            }
        }
        turns
    }

    /// Puts a principal at the end of the round while any of its own waits; whether one does.
    fn leave_or_stay(&mut self, principal: &str) -> bool {
        let waits = (self.waiting.get(principal)).is_some_and(|queue| !queue.is_empty());
        if waits {
            self.round.push_back(principal.to_owned());
        } else {
            self.waiting.remove(principal);
        }
        waits
    }
}

impl Turn {
    /// How it stood beside others when it was given.
    pub fn standing(&self) -> Standing {
        self.standing
    }
}

impl Waiting {
    /// Waits until it is this one's turn.
    pub async fn turn(mut self) -> Option<Turn> {
        (&mut self.turn).await.ok()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.turns.lock();
        if let Some(queue) = state.waiting.get_mut(&self.principal) {
            queue.retain(|waiter| waiter.id != self.id);
            if queue.is_empty() {
                state.waiting.remove(&self.principal);
                state.round.retain(|principal| *principal != self.principal);
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.give_back(&self.principal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(turns: &Turns, principal: &str, most: usize) -> Waiting {
        match turns.ask(principal, most) {
            TurnOrWait::Now(_) => panic!("{principal} has a place"),
            TurnOrWait::Later(waiting) => waiting,
        }
    }

    fn now(turns: &Turns, principal: &str, most: usize) -> Turn {
        match turns.ask(principal, most) {
            TurnOrWait::Now(turn) => turn,
            TurnOrWait::Later(_) => panic!("{principal} has to wait"),
        }
    }

    #[tokio::test]
    async fn freed_places_go_round_the_principals_and_within_one_to_the_first() {
        let turns = Turns::new(1);
        let mut held = now(&turns, "alice", 1);
        let order = [
            ("alice", 1),
            ("alice", 2),
            ("alice", 3),
            ("bob", 1),
            ("carol", 1),
            ("bob", 2),
        ];
        let mut waiting: Vec<_> = order
            .map(|(principal, number)| ((principal, number), waiting(&turns, principal, 1)))
            .into();
        let mut served = Vec::new();
        while !waiting.is_empty() {
            drop(held);
            let next = (waiting.iter_mut())
                .position(|(_, waiting)| !waiting.turn.is_empty())
                .expect("somebody is next");
            let (who, its) = waiting.remove(next);
            served.push(who);
            held = its.turn().await.unwrap();
        }
        let expected = [
            ("alice", 1),
            ("bob", 1),
            ("carol", 1),
            ("alice", 2),
            ("bob", 2),
            ("alice", 3),
        ];
        assert_eq!(served, expected);
        drop(held);
        assert_eq!(turns.free(), 1);
    }

    #[tokio::test]
    async fn a_principal_holds_no_more_than_it_may_and_those_behind_it_pass() {
        let turns = Turns::new(3);
        let (one, two) = (now(&turns, "alice", 2), now(&turns, "alice", 2));
        let third = waiting(&turns, "alice", 2);
        let bobs = now(&turns, "bob", 2);
        let bobs_second = waiting(&turns, "bob", 2);
        drop(bobs);
        assert!(bobs_second.turn().await.is_some(), "alice is passed by");
        assert_eq!((turns.held("alice"), turns.free()), (2, 1));
        assert_eq!(one.standing(), Standing::First);
        assert_eq!(two.standing(), Standing::Further, "nobody else was there");
        drop(one);
        let third = third.turn().await.unwrap();
        // She has the second still, and bob was there a moment ago.
        assert_eq!(third.standing(), Standing::BehindOthers);
        assert_eq!((turns.held("alice"), turns.free()), (2, 1));
    }

    #[tokio::test]
    async fn whoever_leaves_the_queue_leaves_nothing_behind_and_takes_nothing_along() {
        let turns = Turns::new(1);
        let held = now(&turns, "alice", 1);
        drop(waiting(&turns, "bob", 1));
        assert!(turns.lock().waiting.is_empty() && turns.lock().round.is_empty());
        // It gets its turn, and is gone before it takes it.
        let unlucky = waiting(&turns, "bob", 1);
        let carol = waiting(&turns, "carol", 1);
        drop(held);
        drop(unlucky);
        assert!(carol.turn().await.is_some());
        assert_eq!(turns.free(), 1);
        assert!(turns.lock().held.is_empty());
    }
}
