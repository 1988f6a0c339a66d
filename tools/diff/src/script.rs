//! Two lists of lines -> the [`Change`]s that make the second of the first. Pure.
//!
//! The search is that of E. W. Myers, "An O(ND) Difference Algorithm and Its Variations" (1986), in
//! linear space. A diff is rarely the only shortest one, and the choices below are made as GNU
//! diff's output shows that it makes them: lines that only one file has take no part in the search;
//! of equal points the one on the higher diagonal; a change that could stand in several places
//! stands last, unless it meets one of the other file. GNU diff leaves out some lines that are
//! frequent (more than five times), too; this does not, so there the two may differ, and this one
//! is the shorter.
//!
//! May not take longer than its [`Effort`] allows, whatever the lines are: when it is used up, what
//! has not been compared counts as changed. A shorter diff might exist then; a wrong one never
//! comes out.
//!
//! Why no crate: of 9,000 generated YAML-like pairs, each prepared and slid as here, `similar`
//! 3.2.1 found GNU diff's changes in 75 (many edits) to 99.6 % (few), `imara-diff` 0.2.0 in 88 to
//! 99.7 %, this in all but one.
//!
//! Held by `tests/gnu.rs`.

use std::{
    collections::HashMap,
    ops::{Range, RangeInclusive},
};

/// Lines of the old file that give way to lines of the new one; one of the two may be none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which of the old file.
    pub old: Range<usize>,
    /// Which of the new.
    pub new: Range<usize>,
}

/// How many steps may still be taken. Counted, not timed: the same files have the same diff on
/// every machine.
#[derive(Debug)]
pub struct Effort {
    left: u64,
}

impl Effort {
    /// What all files of one run have together: a step takes 10 to 15 ns, so some three seconds.
    /// GNU diff goes on for more than a minute with two files of 1.5 million lines that are drawn
    /// out of four.
    pub fn of_a_run() -> Self {
        Self { left: 1 << 28 }
    }

    /// Takes some steps; `false` when they are used up.
    fn take(&mut self, steps: usize) -> bool {
        self.left = self.left.saturating_sub(steps as u64); // a usize has no more bits here
        self.left > 0
    }

    /// After how many edits the search for one split takes the best that it has seen. As many
    /// splits may be needed as there are lines, divided by this, and each costs its square.
    fn edits_per_split(&self, lines: usize) -> isize {
        isize::try_from(self.left / u64::try_from(lines.max(1)).unwrap_or(u64::MAX))
            .unwrap_or(isize::MAX)
            .clamp(64, 4096)
    }
}

/// The changes between two files, in order. `context` lines next to what differs take part in
/// choosing among them.
pub fn script(old: &[&[u8]], new: &[&[u8]], context: usize, effort: &mut Effort) -> Vec<Change> {
    let alike = |pairs: &mut dyn Iterator<Item = (&&[u8], &&[u8])>| {
        pairs.take_while(|(old, new)| old == new).count()
    };
    let head = alike(&mut old.iter().zip(new));
    let rest = |lines: usize| lines - head;
    let tail = alike(&mut old.iter().rev().zip(new.iter().rev()))
        .min(rest(old.len()))
        .min(rest(new.len()));
    let (head, tail) = (head.saturating_sub(context), tail.saturating_sub(context));
    let (old, new) = match (
        old.get(head..old.len() - tail),
        new.get(head..new.len() - tail),
    ) {
        (Some(old), Some(new)) => numbered(old, new),
        _ => return Vec::new(), // they overlap never: what is alike at both ends is in both files
    };

    let (old_kept, new_kept) = (occurring(&old, &new), occurring(&new, &old));
    let mut search = Search::new(&old, &old_kept, &new, &new_kept, effort);
    search.run();
    let (mut was, mut is) = (Runs::of(&search.old_stays), Runs::of(&search.new_stays));
    was.slide(&old, &is, effort);
    is.slide(&new, &was, effort);

    let mut changes = Vec::new();
    let (mut at_old, mut at_new) = (head, head);
    for (&gone, &come) in was.lengths.iter().zip(&is.lengths) {
        if gone + come > 0 {
            changes.push(Change {
                old: at_old..at_old + gone,
                new: at_new..at_new + come,
            });
        }
        // And one line that stays.
        (at_old, at_new) = (at_old + gone + 1, at_new + come + 1);
    }
    changes
}

/// Equal lines get equal numbers, from 0.
fn numbered<'a>(old: &[&'a [u8]], new: &[&'a [u8]]) -> (Vec<u32>, Vec<u32>) {
    // Its keys are random: lines cannot be chosen to collide.
    let mut known: HashMap<&'a [u8], u32> = HashMap::new();
    let mut number = |lines: &[&'a [u8]]| {
        let mut numbers = Vec::with_capacity(lines.len());
        for &line in lines {
            let next = u32::try_from(known.len()).unwrap_or(u32::MAX); // there are far fewer lines
            numbers.push(*known.entry(line).or_insert(next));
        }
        numbers
    };
    (number(old), number(new))
}

/// Where the lines stand that the other file has, too.
fn occurring(lines: &[u32], other: &[u32]) -> Vec<usize> {
    let index = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let mut seen = vec![false; other.iter().max().map_or(0, |&most| index(most) + 1)];
    for &number in other {
        if let Some(seen) = seen.get_mut(index(number)) {
            *seen = true;
        }
    }
    let occurs = |number: u32| seen.get(index(number)) == Some(&true);
    lines
        .iter()
        .enumerate()
        .filter(|&(_, &number)| occurs(number))
        .map(|(at, _)| at)
        .collect()
}

/// A part of the old file beside a part of the new one: lines `left..right` and `top..bottom`.
#[derive(Clone, Copy, Debug)]
struct Area {
    left: isize,
    right: isize,
    top: isize,
    bottom: isize,
}

/// The search for a shortest way through the grid of old lines (x) and new lines (y), where a
/// diagonal step costs nothing and is possible where the two lines are equal.
struct Search<'a> {
    old: Vec<u32>,
    old_at: &'a [usize],
    old_stays: Vec<bool>,
    new: Vec<u32>,
    new_at: &'a [usize],
    new_stays: Vec<bool>,
    forward: Reach,
    backward: Reach,
    effort: &'a mut Effort,
}

impl<'a> Search<'a> {
    fn new(
        old: &[u32],
        old_at: &'a [usize],
        new: &[u32],
        new_at: &'a [usize],
        effort: &'a mut Effort,
    ) -> Self {
        let kept = |lines: &[u32], at: &[usize]| {
            at.iter()
                .filter_map(|&at| lines.get(at).copied())
                .collect::<Vec<_>>()
        };
        let stays = |lines: &[u32], at: &[usize]| {
            let mut stays = vec![false; lines.len()];
            for &at in at {
                mark(&mut stays, at, true);
            }
            stays
        };
        let reach = || Reach::of(old_at.len(), new_at.len());
        Self {
            old: kept(old, old_at),
            old_stays: stays(old, old_at),
            old_at,
            new: kept(new, new_at),
            new_stays: stays(new, new_at),
            new_at,
            forward: reach(),
            backward: reach(),
            effort,
        }
    }

    /// Finds which lines stay.
    fn run(&mut self) {
        let mut areas = vec![Area {
            left: 0,
            right: signed(self.old.len()),
            top: 0,
            bottom: signed(self.new.len()),
        }];
        while let Some(area) = areas.pop() {
            let Area {
                left,
                right,
                top,
                bottom,
            } = self.narrowed(area);
            let split = if left < right && top < bottom {
                self.split(Area {
                    left,
                    right,
                    top,
                    bottom,
                })
            } else {
                None
            };
            match split {
                Some((x, y)) => areas.extend([
                    Area {
                        left,
                        right: x,
                        top,
                        bottom: y,
                    },
                    Area {
                        left: x,
                        right,
                        top: y,
                        bottom,
                    },
                ]),
                // One of the two has no lines here, or there is no effort left.
                None => {
                    for (stays, at, lines) in [
                        (&mut self.old_stays, self.old_at, left..right),
                        (&mut self.new_stays, self.new_at, top..bottom),
                    ] {
                        for line in lines {
                            if let Some(&at) = item(at, line) {
                                mark(stays, at, false);
                            }
                        }
                    }
                }
            }
        }
    }

    /// An area without the equal lines at its ends.
    fn narrowed(
        &self,
        Area {
            mut left,
            mut right,
            mut top,
            mut bottom,
        }: Area,
    ) -> Area {
        while left < right && top < bottom && self.equal(left, top) {
            (left, top) = (left + 1, top + 1);
        }
        while left < right && top < bottom && self.equal(right - 1, bottom - 1) {
            (right, bottom) = (right - 1, bottom - 1);
        }
        Area {
            left,
            right,
            top,
            bottom,
        }
    }

    fn equal(&self, x: isize, y: isize) -> bool {
        matches!((item(&self.old, x), item(&self.new, y)), (Some(old), Some(new)) if old == new)
    }

    /// A point in the middle of a shortest way through an area whose corners are not equal; `None`
    /// when the effort is used up. From both corners it goes as far as it gets with one edit, two,
    /// three, until the two ways meet.
    fn split(&mut self, area: Area) -> Option<(isize, isize)> {
        let Area {
            left,
            right,
            top,
            bottom,
        } = area;
        let diagonals = left - bottom..=right - top;
        let (first, last) = (left - top, right - bottom);
        // Both ways change diagonals with each edit: they meet in either's turn, and never in the
        // other's.
        let meet_forward = (first - last) % 2 != 0;
        let most = self.effort.edits_per_split(self.old.len() + self.new.len());
        self.forward.begin(first, left, diagonals.clone());
        self.backward.begin(last, right, diagonals);
        for edits in 1.. {
            let (mut forward, mut backward) = ((left, top), (right, bottom));
            for diagonal in self.forward.reached_with(edits) {
                let Some(x) = self.go_forward(diagonal, edits, area) else {
                    continue;
                };
                if meet_forward
                    && self
                        .backward
                        .get(diagonal, edits)
                        .is_some_and(|met| met <= x)
                {
                    return Some((x, x - diagonal));
                }
                if x + x - diagonal > forward.0 + forward.1 {
                    forward = (x, x - diagonal);
                }
            }
            for diagonal in self.backward.reached_with(edits) {
                let Some(x) = self.go_backward(diagonal, edits, area) else {
                    continue;
                };
                if !meet_forward
                    && self
                        .forward
                        .get(diagonal, edits + 1)
                        .is_some_and(|met| met >= x)
                {
                    return Some((x, x - diagonal));
                }
                if x + x - diagonal < backward.0 + backward.1 {
                    backward = (x, x - diagonal);
                }
            }
            if edits >= most {
                let (gone, gone_backward) = (
                    forward.0 + forward.1 - left - top,
                    right + bottom - backward.0 - backward.1,
                );
                return Some(if gone >= gone_backward {
                    forward
                } else {
                    backward
                });
            }
            self.effort.take(0).then_some(())?;
        }
        None
    }

    /// The farthest point (its x) on a diagonal with so many edits, if it lies in the area: one
    /// more old line is gone, or one more new line has come, and then as many lines as are equal.
    fn go_forward(&mut self, diagonal: isize, edits: isize, area: Area) -> Option<isize> {
        let from = match (
            self.forward.get(diagonal - 1, edits),
            self.forward.get(diagonal + 1, edits),
        ) {
            (Some(gone), Some(come)) if gone < come => Some(come),
            (Some(gone), _) => Some(gone + 1),
            (None, come) => come,
        };
        let reached = from
            .filter(|&x| x <= area.right && x - diagonal <= area.bottom)
            .map(|from| {
                let mut x = from;
                while x < area.right && x - diagonal < area.bottom && self.equal(x, x - diagonal) {
                    x += 1;
                }
                self.effort.take(1 + (x - from).unsigned_abs());
                x
            });
        self.forward.set(diagonal, reached);
        reached
    }

    /// The same from the other corner.
    fn go_backward(&mut self, diagonal: isize, edits: isize, area: Area) -> Option<isize> {
        let from = match (
            self.backward.get(diagonal - 1, edits),
            self.backward.get(diagonal + 1, edits),
        ) {
            (Some(come), Some(gone)) if come < gone => Some(come),
            (_, Some(gone)) => Some(gone - 1),
            (come, None) => come,
        };
        let reached = from
            .filter(|&x| x >= area.left && x - diagonal >= area.top)
            .map(|from| {
                let mut x = from;
                while x > area.left
                    && x - diagonal > area.top
                    && self.equal(x - 1, x - diagonal - 1)
                {
                    x -= 1;
                }
                self.effort.take(1 + (from - x).unsigned_abs());
                x
            });
        self.backward.set(diagonal, reached);
        reached
    }
}

/// How far (x) a way has come on each diagonal; a diagonal is x - y.
struct Reach {
    /// Where the diagonal 0 is kept.
    zero: isize,
    /// The diagonal where the way begins.
    first: isize,
    /// Those of the area.
    diagonals: RangeInclusive<isize>,
    farthest: Vec<isize>,
}

impl Reach {
    fn of(old: usize, new: usize) -> Self {
        Self {
            zero: signed(new),
            first: 0,
            diagonals: 0..=0,
            farthest: vec![0; old + new + 1],
        }
    }

    fn begin(&mut self, first: isize, x: isize, diagonals: RangeInclusive<isize>) {
        (self.first, self.diagonals) = (first, diagonals);
        self.set(first, Some(x));
    }

    /// The diagonals on which exactly so many edits end, from the highest down.
    fn reached_with(&self, edits: isize) -> impl Iterator<Item = isize> + use<> {
        let beyond = (self.first + edits - self.diagonals.end()).max(0);
        let highest = self.first + edits - beyond - beyond % 2;
        let lowest = (self.first - edits).max(*self.diagonals.start());
        (0..)
            .map(move |step| highest - 2 * step)
            .take_while(move |&diagonal| diagonal >= lowest)
    }

    fn set(&mut self, diagonal: isize, x: Option<isize>) {
        if let Some(farthest) = usize::try_from(diagonal + self.zero)
            .ok()
            .and_then(|at| self.farthest.get_mut(at))
        {
            *farthest = x.unwrap_or(-1);
        }
    }

    /// What fewer edits than these have reached on a diagonal. What stands there of another area is
    /// none of it.
    fn get(&self, diagonal: isize, edits: isize) -> Option<isize> {
        let visited = (diagonal - self.first).abs() < edits && self.diagonals.contains(&diagonal);
        visited
            .then(|| item(&self.farthest, diagonal + self.zero).copied())
            .flatten()
            .filter(|&x| x >= 0)
    }
}

/// The lines of one file that change, between those that stay: `lengths[n]` stand before the `n`th
/// that stays.
struct Runs {
    lengths: Vec<usize>,
}

/// One of the [`Runs`].
struct Run {
    gap: usize,
    start: usize,
    end: usize,
}

impl Runs {
    fn of(stays: &[bool]) -> Self {
        Self {
            lengths: stays.split(|&stays| stays).map(<[bool]>::len).collect(),
        }
    }

    fn length(&self, gap: usize) -> usize {
        self.lengths.get(gap).copied().unwrap_or_default()
    }

    fn set(&mut self, gap: usize, length: usize) {
        if let Some(known) = self.lengths.get_mut(gap) {
            *known = length;
        }
    }

    /// Moves each run as far down as it can stand, and joins those that meet; but where it can
    /// stand beside a run of the other file, there it stands: the two are one change.
    fn slide(&mut self, lines: &[u32], other: &Self, effort: &mut Effort) {
        let mut run = Run {
            gap: 0,
            start: 0,
            end: 0,
        };
        while run.gap < self.lengths.len() {
            run.end = run.start + self.length(run.gap);
            if run.start < run.end {
                let beside = loop {
                    let length = run.end - run.start;
                    while self.up(&mut run, lines, effort) {}
                    let mut beside = (other.length(run.gap) > 0).then_some(run.gap);
                    while self.down(&mut run, lines, effort) {
                        if other.length(run.gap) > 0 {
                            beside = Some(run.gap);
                        }
                    }
                    if run.end - run.start == length {
                        break beside;
                    }
                };
                while beside.is_some_and(|gap| gap < run.gap) && self.up(&mut run, lines, effort) {}
            }
            run = Run {
                gap: run.gap + 1,
                start: run.end + 1,
                end: run.end + 1,
            };
        }
    }

    /// Moves a run up by one line, where the line before it equals its last.
    fn up(&mut self, run: &mut Run, lines: &[u32], effort: &mut Effort) -> bool {
        let possible =
            run.start > 0 && lines.get(run.start - 1) == lines.get(run.end - 1) && effort.take(1);
        if possible {
            self.set(run.gap, 0);
            run.gap -= 1;
            run.start -= 1 + self.length(run.gap);
            run.end -= 1;
            self.set(run.gap, run.end - run.start);
        }
        possible
    }

    /// Moves a run down by one line, where the line after it equals its first.
    fn down(&mut self, run: &mut Run, lines: &[u32], effort: &mut Effort) -> bool {
        let possible =
            run.end < lines.len() && lines.get(run.start) == lines.get(run.end) && effort.take(1);
        if possible {
            self.set(run.gap, 0);
            run.gap += 1;
            run.start += 1;
            run.end += 1 + self.length(run.gap);
            self.set(run.gap, run.end - run.start);
        }
        possible
    }
}

fn signed(length: usize) -> isize {
    isize::try_from(length).unwrap_or(isize::MAX) // a length in memory always fits
}

fn item<T>(items: &[T], at: isize) -> Option<&T> {
    usize::try_from(at).ok().and_then(|at| items.get(at))
}

fn mark(flags: &mut [bool], at: usize, value: bool) {
    if let Some(flag) = flags.get_mut(at) {
        *flag = value;
    }
}
