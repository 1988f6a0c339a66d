//! The bytes that cannot be told yet, and the places in them that are taken out.
//!
//! A place is known by its offset in the stream. Whether it is taken out may be open for a while:
//! an object's `data` comes before its `kind`. What is decided never depends on how the stream was
//! cut.

use std::collections::VecDeque;

use zeroize::Zeroizing;

use super::super::mark::MARK;

/// How far behind an object's first value its kind may come, and how much white space may stand
/// inside of what is taken out. A Secret or ConfigMap has at most 1 MiB, and hardly one in a
/// thousand comes near; of what a caller asks, 64 KiB are shown by default.
pub(super) const LOOK_BACK: u64 = 256 * 1024;
/// How many places an object may have, and the objects in it, until its kind comes.
pub(super) const PLACES: u64 = 8192;

/// What becomes of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its object's kind is not known.
    Open,
    /// It is told as it is.
    Kept,
    /// It is taken out.
    Out,
}

/// A place in the stream.
#[derive(Debug)]
struct HeldPlace {
    id: u64,
    /// The object to whose data it belongs.
    object: u64,
    start: u64,
    end: u64,
    fate: Fate,
    /// Whether its line has not told yet that it is no key.
    may_be_key: bool,
    /// Whether it goes on.
    growing: bool,
    /// Whether the mark was written already.
    marked: bool,
    /// In how many quoted strings it stands.
    quoted: u8,
}

/// The number that the first value of an undecided object had, and where it began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Since {
    at: u64,
    place: u64,
}

/// The beginning of a stream ([`cut`](super::cut)).
#[derive(Debug)]
pub(super) enum Cut {
    /// Nothing was read yet.
    Start,
    /// It is held, since its first line in this column.
    Held {
        id: u64,
        since: Since,
        column: u32,
        /// Where the line before this one ended.
        end: u64,
    },
    /// It was none, or it is decided.
    No,
}

impl Cut {
    /// Only a stream is cut; a string is whole.
    pub(super) fn at_start_of(depth: u8) -> Self {
        match depth {
            0 => Self::Start,
            _ => Self::No,
        }
    }
}

#[derive(Default)]
pub(super) struct HeldText {
    bytes: Zeroizing<Vec<u8>>,
    /// The offset of the first of them.
    base: u64,
    places: VecDeque<HeldPlace>,
    made: u64,
}

impl HeldText {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// A place that begins here, and its name.
    pub(super) fn open(
        &mut self,
        start: u64,
        object: u64,
        fate: Fate,
        may_be_key: bool,
        quoted: u8,
    ) -> u64 {
        let id = self.made;
        self.made += 1;
        self.places.push_back(HeldPlace {
            id,
            object,
            start,
            end: start,
            fate,
            may_be_key,
            growing: true,
            marked: false,
            quoted,
        });
        id
    }

    /// The place's content ends at `end`; what is no part of it begins at `next`.
    pub(super) fn close(&mut self, id: u64, end: u64, next: u64) {
        if let Some(place) = self.place(id) {
            place.end = with_white_space(place.end.max(end), next);
            (place.may_be_key, place.growing) = (false, false);
        }
    }

    /// The place's content goes on to `end` at least; `now` is read.
    pub(super) fn grow(&mut self, id: u64, end: u64, now: u64) {
        if let Some(place) = self.place(id) {
            place.end = with_white_space(place.end.max(end), now);
        }
    }

    /// The place is none, if it has not grown beyond [`LOOK_BACK`] at `now`. Returns whether it was
    /// taken back.
    pub(super) fn take_back(&mut self, id: u64, now: u64) -> bool {
        match self.place(id) {
            Some(place) if now - place.start <= LOOK_BACK => {
                place.fate = Fate::Kept;
                (place.may_be_key, place.growing) = (false, false);
                true
            }
            _ => false,
        }
    }

    /// The line of the place had no key.
    pub(super) fn keyless(&mut self, id: u64) {
        if let Some(place) = self.place(id) {
            place.may_be_key = false;
        }
    }

    /// Decides the places of an object that were open since then.
    pub(super) fn settle(&mut self, object: u64, since: Since, fate: Fate) {
        for place in self
            .places
            .iter_mut()
            .rev()
            .take_while(|place| place.id >= since.place)
        {
            if place.object == object && place.fate == Fate::Open {
                place.fate = fate;
            }
        }
        while self
            .places
            .back()
            .is_some_and(|place| place.fate == Fate::Kept && !place.growing)
        {
            self.places.pop_back();
        }
    }

    /// This moment, for a value that begins at `at`.
    pub(super) fn since(&self, at: u64) -> Since {
        Since {
            at,
            place: self.made,
        }
    }

    /// Whether a kind comes too late.
    pub(super) fn is_overdue(&self, since: Since, now: u64) -> bool {
        now - since.at > LOOK_BACK || self.made - since.place > PLACES
    }

    /// Tells what is decided, when the stream is read up to `now` and understood up to `whole`.
    pub(super) fn tell(&mut self, now: u64, whole: u64, out: &mut Vec<u8>) {
        let mut at = self.base;
        while let Some(place) = self.places.front_mut() {
            if place.may_be_key && now - place.start <= LOOK_BACK {
                break;
            }
            match place.fate {
                Fate::Kept => {}
                Fate::Open => break,
                Fate::Out => {
                    // One that begins before this stands inside another that is out.
                    if !place.marked && place.start >= at {
                        out.extend_from_slice(between(&self.bytes, self.base, at, place.start));
                        write_mark(place.quoted, out);
                    }
                    place.marked = true;
                    at = at.max(place.end);
                    if place.growing {
                        break;
                    }
                }
            }
            self.places.pop_front();
        }
        let undecided = match self.places.front() {
            Some(place) if place.marked => at, // what follows may be part of it
            Some(place) => place.start.max(at),
            None => whole.max(at),
        };
        out.extend_from_slice(between(&self.bytes, self.base, at, undecided));
        let gone = usize::try_from(undecided - self.base)
            .unwrap_or(usize::MAX)
            .min(self.bytes.len());
        self.bytes.drain(..gone);
        self.base = undecided;
        if self.places.front().is_some_and(|place| place.marked) {
            // Others stand inside of it, and only those that go on may outlast it.
            let mut first = true;
            self.places
                .retain(|place| std::mem::take(&mut first) || place.growing);
        }
    }

    /// Whether no place is open, or is still to be told.
    pub(super) fn is_decided(&self) -> bool {
        self.places.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty() && self.bytes.is_empty()
    }

    /// Tells bytes in which there is nothing to hold.
    pub(super) fn pass(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(bytes);
        self.base += bytes.len() as u64;
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize) {
        (self.bytes.len(), self.places.len())
    }

    fn place(&mut self, id: u64) -> Option<&mut HeldPlace> {
        // The latest are the ones that grow.
        self.places.iter_mut().rev().find(|place| place.id == id)
    }
}

/// White space at the end of a place is told, unless there is too much of it to wait for its end:
/// then it is part of the place, in whole measures, so that it makes no difference when one looks.
fn with_white_space(end: u64, next: u64) -> u64 {
    end + next.saturating_sub(end) / LOOK_BACK * LOOK_BACK
}

fn between(bytes: &[u8], base: u64, from: u64, to: u64) -> &[u8] {
    let index = |offset: u64| usize::try_from(offset - base).unwrap_or(usize::MAX);
    bytes.get(index(from)..index(to)).unwrap_or_default()
}

/// A string, as it is written inside of that many strings.
fn write_mark(quoted: u8, out: &mut Vec<u8>) {
    let escapes = (1_usize << quoted) - 1;
    let quote = || std::iter::repeat_n(b'\\', escapes).chain([b'"']);
    out.extend(quote());
    out.extend_from_slice(MARK);
    out.extend(quote());
}
