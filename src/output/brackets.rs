//! The items of a list in JSON, or in YAML's flow style: [`Brackets`].
//!
//! Brackets and strings are followed, nothing else is read. Held by the tests of `kept.rs`.

use super::cut::{CutPlace, Ends, Tail};

/// Reads a document by its brackets.
pub(super) struct Brackets {
    size: usize,
    /// Of the next byte.
    offset: u64,
    /// Behind the last byte that is no blank.
    written: u64,
    open: Vec<u8>,
    string: InString,
    is_broken: bool,
    /// The last word of the outermost object: the key before a list.
    word: Vec<u8>,
    list: Option<BracketList>,
    documents: Ends,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum InString {
    No,
    Yes,
    /// Behind a backslash.
    Escaped,
}

/// The list of the first document.
struct BracketList {
    /// How many brackets are open inside of it.
    depth: usize,
    has_begun: bool,
    ends: Ends,
    /// The blanks before its end, and its end with all that follows.
    close: Option<(u64, Tail)>,
}

impl Brackets {
    /// For a document that begins behind this many bytes.
    pub(super) fn behind(begun: usize, size: usize) -> Self {
        Self {
            size,
            offset: begun as u64,
            written: begun as u64,
            open: Vec::new(),
            string: InString::No,
            is_broken: false,
            word: Vec::new(),
            list: None,
            documents: Ends::default(),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let (false, Some((&byte, after))) = (self.is_broken, rest.split_first()) {
            if self.string == InString::Yes {
                let plain = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
                let (text, other) = rest.split_at(plain);
                self.text(text);
                rest = other;
                let Some((&byte, after)) = rest.split_first() else {
                    return;
                };
                self.string = match byte {
                    b'"' => InString::No,
                    _ => InString::Escaped,
                };
                self.text(&[byte]);
                rest = after;
                continue;
            }
            rest = after;
            if self.string == InString::Escaped {
                self.string = InString::Yes;
                self.text(&[byte]);
            } else {
                self.byte(byte);
            }
        }
    }

    /// What is inside of a string.
    fn text(&mut self, text: &[u8]) {
        if self.open.len() == 1 && self.word.len() < KEY.len() + 2 {
            self.word.extend(
                text.iter()
                    .filter(|byte| **byte != b'"')
                    .take(KEY.len() + 1),
            );
        }
        self.follow(text);
    }

    /// What is outside of strings.
    fn byte(&mut self, byte: u8) {
        match byte {
            b' ' | b'\n' | b'\t' | b'\r' => {
                self.tail(&[byte]);
                self.offset += 1;
                return;
            }
            b'{' | b'[' => self.opens(byte),
            b'}' | b']' => return self.closes(byte),
            _ if self.open.is_empty() => self.is_broken = true,
            b'"' => {
                self.string = InString::Yes;
                self.begins();
            }
            b',' => {
                self.item_ends();
                self.word.clear();
            }
            b':' => {}
            _ => {
                self.begins();
                if self.open.len() == 1 && self.word.len() <= KEY.len() {
                    self.word.push(byte);
                }
            }
        }
        self.follow(&[byte]);
    }

    fn opens(&mut self, bracket: u8) {
        self.begins();
        let is_first = self.documents.all == 0 && self.offset < self.size as u64;
        let is_list = match self.open.as_slice() {
            [] => bracket == b'[',
            [b'{'] => bracket == b'[' && self.word == KEY,
            _ => false,
        };
        self.open.push(bracket);
        if is_list && is_first {
            self.list = Some(BracketList {
                depth: self.open.len(),
                has_begun: false,
                ends: Ends::default(),
                close: None,
            });
        }
    }

    fn closes(&mut self, bracket: u8) {
        let depth = self.open.len();
        let matches = matches!(
            (self.open.pop(), bracket),
            (Some(b'{'), b'}') | (Some(b'['), b']')
        );
        if !matches {
            self.is_broken = true;
            return;
        }
        if self
            .list
            .as_ref()
            .is_some_and(|list| list.close.is_none() && list.depth == depth)
        {
            self.open.push(b'[');
            self.item_ends();
            self.open.pop();
            let blanks = self.offset - self.written;
            if let Some(list) = &mut self.list {
                list.close = Some((blanks, Tail::default()));
            }
        }
        self.word.clear();
        self.follow(&[bracket]);
        if self.open.is_empty() {
            self.documents.push(self.offset, self.size);
        }
    }

    /// Something stands where an item of the list does.
    fn begins(&mut self) {
        let depth = self.open.len();
        if let Some(list) = self.list.as_mut().filter(|list| list.depth == depth) {
            list.has_begun = true;
        }
    }

    fn item_ends(&mut self) {
        let (depth, written, size) = (self.open.len(), self.written, self.size);
        let list = self.list.as_mut().filter(|list| list.close.is_none());
        if let Some(list) = list.filter(|list| list.depth == depth && list.has_begun) {
            list.ends.push(written, size);
            list.has_begun = false;
        }
    }

    /// Goes on behind bytes that are no blanks.
    fn follow(&mut self, bytes: &[u8]) {
        self.tail(bytes);
        self.offset += bytes.len() as u64;
        self.written = self.offset;
    }

    fn tail(&mut self, bytes: &[u8]) {
        let size = self.size;
        if let Some((_, tail)) = self.list.as_mut().and_then(|list| list.close.as_mut()) {
            tail.push(bytes, size);
        }
    }

    /// Returns where to cut; none for what is not in brackets.
    pub(super) fn finish(self) -> Option<CutPlace> {
        let is_whole = self.open.is_empty() && self.documents.all > 0;
        if self.is_broken {
            return None;
        }
        if self.documents.all > 1 {
            return Some(self.documents.cut(b"\n".to_vec(), self.size));
        }
        let Some(BracketList {
            ends,
            close: Some((blanks, tail)),
            ..
        }) = self.list.filter(|_| is_whole)
        else {
            return Some(CutPlace::Nowhere);
        };
        let Some(tail) = tail.bytes() else {
            return Some(CutPlace::Nowhere);
        };
        let mut close = Vec::new();
        if let Some(indentation) = blanks.checked_sub(1) {
            close.push(b'\n');
            close.resize(
                1 + usize::try_from(indentation).unwrap_or_default().min(64),
                b' ',
            );
        }
        close.extend_from_slice(&tail);
        Some(ends.cut(close, self.size))
    }
}

/// The key of an object's list.
const KEY: &[u8] = b"items";
