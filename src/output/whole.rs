//! All of a stream that is told in part: [`Whole`].
//!
//! Comes in: what may be told of the stream, in chunks, once it is known that an answer cannot have
//! all of it. Goes out: the same, up to where there is no more room for it. May not take what no
//! room was found for.
//!
//! Held by the tests of `kept.rs` and by `tests/service/kept.rs`.

use super::clean::clean;
use crate::store::Keeping;

/// Room is taken up in pieces of this: less than one is left where there is no more.
const PIECE: usize = 4 * 1024;
/// Memory is taken in steps of this: a text that doubles would hold twice of what is counted.
const STEP: usize = 128 * 1024;

/// A stream that is being kept whole.
#[derive(Debug)]
pub struct Whole {
    room: Keeping,
    text: Vec<u8>,
    /// Whether there was no room for the rest.
    is_cut: bool,
}

/// A stream as it was kept whole, or its beginning.
#[derive(Debug)]
pub struct WholeText {
    /// The room that it takes up.
    pub room: Keeping,
    /// Its lines.
    pub text: String,
    /// Whether the rest is missing.
    pub is_cut: bool,
}

impl Whole {
    /// Takes up no room yet.
    pub fn new(room: Keeping) -> Self {
        Self {
            room,
            text: Vec::new(),
            is_cut: false,
        }
    }

    /// Takes what is told next, or nothing any more where there is no room for all of it.
    pub(super) fn push(&mut self, out: &[u8]) {
        if self.is_cut || out.is_empty() {
            return;
        }
        for piece in out.chunks(PIECE) {
            if !self.room.grow(piece.len()) {
                self.is_cut = true;
                return;
            }
            if self.text.capacity() - self.text.len() < piece.len() {
                self.text.reserve_exact(STEP);
            }
            self.text.extend_from_slice(piece);
        }
    }

    /// Returns whole lines, where not all of them are there.
    pub(super) fn text(mut self) -> WholeText {
        if self.is_cut {
            let end = memchr::memrchr(b'\n', &self.text);
            self.text
                .truncate(end.map_or(self.text.len(), |newline| newline + 1));
        }
        // Cleaned before; only a character that the end has cut makes it anything but UTF-8.
        let text = String::from_utf8(self.text);
        let text = text.unwrap_or_else(|error| clean(error.as_bytes()));
        WholeText {
            room: self.room,
            text,
            is_cut: self.is_cut,
        }
    }
}

impl WholeText {
    /// Puts another stream of the same call behind it.
    #[must_use]
    pub fn followed_by(mut self, other: Self) -> Self {
        if !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        self.text.push_str(&other.text);
        self.room.take_over(other.room);
        Self {
            is_cut: self.is_cut || other.is_cut,
            ..self
        }
    }
}

/// What a text is, and not who makes room for it.
impl PartialEq for WholeText {
    fn eq(&self, other: &Self) -> bool {
        (&self.text, self.is_cut) == (&other.text, other.is_cut)
    }
}

impl Eq for WholeText {}
