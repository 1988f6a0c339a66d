//! Where a list may be cut so that what is left of it is one: [`Items`].
//!
//! Comes in: JSON or YAML of which too much came, from its beginning. Goes out: the end of the last
//! item that fits, what closes the list behind it, and how many items there are. A list is the
//! document itself, its `items`, or documents one after the other; a part of an object is none,
//! since an object without some of its rules is another object.
//!
//! May not guess: what is no list by its brackets or its indentation is cut nowhere.

use super::{
    blocks::Blocks,
    brackets::Brackets,
    cut::{CutPlace, Form},
};

/// Reads a document for the places where it may be cut.
pub(super) enum Items {
    Brackets(Brackets),
    Blocks(Blocks),
}

impl Items {
    /// Reads the beginning of a document of which `size` bytes may be told; none for what is no
    /// document.
    pub(super) fn of(form: Form, first: &[u8], size: usize) -> Option<Self> {
        // YAML has JSON's style too.
        let after = first.strip_prefix(b"---\n").unwrap_or(first);
        let is_in_brackets = matches!(after.trim_ascii_start().first(), Some(b'{' | b'['));
        let mut items = match form.beginning(first) {
            Form::Lines | Form::Unknown => return None,
            Form::Json => Self::Brackets(Brackets::behind(0, size)),
            Form::Yaml if is_in_brackets => {
                let mut brackets = Brackets::behind(first.len() - after.len(), size);
                brackets.push(after);
                return Some(Self::Brackets(brackets));
            }
            Form::Yaml => Self::Blocks(Blocks::new(size)),
        };
        items.push(first);
        Some(items)
    }

    /// Reads on.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Brackets(brackets) => brackets.push(bytes),
            Self::Blocks(blocks) => blocks.push(bytes),
        }
    }

    /// Returns where to cut; none for what is no such document at all.
    pub(super) fn finish(self) -> Option<CutPlace> {
        match self {
            Self::Brackets(brackets) => brackets.finish(),
            Self::Blocks(blocks) => Some(blocks.finish()),
        }
    }
}
