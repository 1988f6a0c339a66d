//! What has had its share of the processors stands still while something else works: [`Holding`].
//!
//! Comes in: the children, and when one began. Goes out: SIGSTOP and SIGCONT. A short question is
//! answered as if nobody computed beside it, on any host, and in a group that may use one processor,
//! which the kernel would stop as a whole. Nothing stands still for long, nor where a processor is
//! free.
//!
//! Held by the tests below and `tests/escape/bounds.rs`.

use std::{
    collections::HashMap,
    io,
    num::NonZero,
    thread,
    time::{Duration, Instant},
};

use super::{
    children::ChildProcess,
    urgency::{self, LOOK_EVERY, Yielding},
};

/// What worked so long ago may go on at once, or another one after it.
const LATELY: Duration = Duration::from_millis(100);
/// Of so many turns, those that stand still have one, whoever else works.
const ONE_TURN_IN: u64 = 8;

/// Who stands still, and why.
#[derive(Debug)]
pub(super) struct Holding {
    /// Processors that this host, or this process's group, has.
    processors: usize,
    since: Instant,
    /// When something was last seen at work for which others stand still.
    worked: Option<Instant>,
}

impl Holding {
    pub(super) fn new() -> Self {
        Self {
            processors: thread::available_parallelism().map_or(1, NonZero::get),
            since: Instant::now(),
            worked: None,
        }
    }

    /// Notes that a child begins to work.
    pub(super) fn begun(&mut self, child: u64, children: &mut HashMap<u64, ChildProcess>) {
        if let Some(child) = children.get_mut(&child).filter(|child| child.runs()) {
            child.work.worked = Some(Instant::now());
            self.worked = child.work.worked;
            self.hold(children);
        }
    }

    /// Looks at who works, who has had its share, and who has to stand still for whom.
    ///
    /// # Errors
    /// When this process could not become itself again.
    pub(super) fn look(&mut self, children: &mut HashMap<u64, ChildProcess>) -> io::Result<()> {
        for child in children.values_mut().filter(|child| child.runs()) {
            let Some(computed) = urgency::computed(child.pid) else {
                continue; // it has ended
            };
            child.work.is_held |= computed >= urgency::SHARE;
            if child.work.is_held || child.work.yielding == Yielding::Begun {
                child.yield_to_others()?;
            }
            if computed > child.work.computed && !child.work.is_held {
                child.work.worked = Some(Instant::now());
                self.worked = child.work.worked;
            }
            child.work.computed = computed;
        }
        self.hold(children);
        Ok(())
    }

    /// Whether it has to be looked often: one stands still, or may have to.
    pub(super) fn is_needed(children: &HashMap<u64, ChildProcess>) -> bool {
        let mut running = children.values().filter(|child| child.runs());
        running.any(|child| child.work.is_held)
    }

    /// Lets as many go on as there are processors that nothing else works on, in turns.
    pub(super) fn hold(&self, children: &mut HashMap<u64, ChildProcess>) {
        let is_late = |at: Option<Instant>| at.is_some_and(|at| at.elapsed() < LATELY);
        let running = || children.values().filter(|child| child.runs());
        let working = running().filter(|child| !child.work.is_held && is_late(child.work.worked));
        // Who has just ended may be followed by another one.
        let working = working.count().max(usize::from(is_late(self.worked)));
        let mut held: Vec<u64> = children
            .iter()
            .filter(|(_, child)| child.runs() && child.work.is_held)
            .map(|(number, _)| *number)
            .collect();
        held.sort_unstable();
        let turns = self.since.elapsed().as_millis() / LOOK_EVERY.as_millis();
        let turns = ProcessorTurns {
            held: held.len() as u64,
            processors: self.processors as u64,
            working: working as u64,
            number: u64::try_from(turns).unwrap_or_default(),
        };
        for (at, number) in (0..).zip(held) {
            if let Some(child) = children.get_mut(&number) {
                child.stand_still(working > 0 && !turns.has(at));
            }
        }
    }
}

/// Whose turn it is on the processors that nothing else works on.
#[derive(Clone, Copy, Debug)]
struct ProcessorTurns {
    held: u64,
    processors: u64,
    working: u64,
    number: u64,
}

impl ProcessorTurns {
    fn has(self, at: u64) -> bool {
        // An eighth of the time all processors are for them.
        let (free, begins) = match self.number.is_multiple_of(ONE_TURN_IN) {
            true => (self.processors, self.number / ONE_TURN_IN),
            false => (self.processors.saturating_sub(self.working), self.number),
        };
        let held = self.held.max(1);
        (at + held - begins % held) % held < free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often each of so many has its turn of 24 times 840.
    fn turns(held: u64, processors: u64, working: u64) -> Vec<usize> {
        let turn = |number| ProcessorTurns {
            held,
            processors,
            working,
            number,
        };
        let has = |at| (0..24 * 840).filter(|number| turn(*number).has(at)).count();
        (0..held).map(has).collect()
    }

    #[test]
    fn free_processors_go_round_and_nothing_stands_still_for_long() {
        let all = 24 * 840;
        assert_eq!(
            turns(3, 1, 1),
            [all / 8 / 3; 3],
            "a third of an eighth of the time"
        );
        assert_eq!(turns(3, 1, 5), [all / 8 / 3; 3]);
        assert_eq!(turns(3, 2, 1), [all / 8 * 2 / 3 + all / 8 * 7 / 3; 3]);
        assert_eq!(turns(3, 4, 1), [all; 3]);
        assert_eq!(turns(1, 4, 4), [all / 8]);
    }
}
