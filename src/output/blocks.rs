//! The items of a list in YAML's block style: [`Blocks`].
//!
//! Lines are followed by their indentation, nothing else is read: whatever stands in a block below
//! an item is indented further than its dash. Held by the tests of `kept.rs`.

use super::cut::{CutPlace, Ends, Tail};

/// Reads a document by its lines.
pub(super) struct Blocks {
    size: usize,
    offset: u64,
    /// The line that has not ended, as far as it may have to be kept.
    line: Vec<u8>,
    line_length: u64,
    /// Whether a list may begin on the next line: behind `items:`, and at the beginning.
    opens: bool,
    has_begun: bool,
    list: Option<BlockList>,
    documents: Ends,
}

struct BlockList {
    indentation: usize,
    ends: Ends,
    tail: Option<Tail>,
}

/// The longest line that may stand behind a list: its object's metadata.
const LONGEST: usize = 4096;

impl Blocks {
    pub(super) fn new(size: usize) -> Self {
        Self {
            size,
            offset: 0,
            line: Vec::new(),
            line_length: 0,
            opens: true,
            has_begun: false,
            list: None,
            documents: Ends::default(),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(newline) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(newline + 1);
            self.keep(line);
            self.line_ends();
            rest = after;
        }
        self.keep(rest);
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LONGEST.saturating_sub(self.line.len());
        self.line
            .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.line_length += bytes.len() as u64;
    }

    fn line_ends(&mut self) {
        let line = std::mem::take(&mut self.line);
        let length = std::mem::take(&mut self.line_length);
        let is_whole = line.len() as u64 == length;
        let (start, size) = (self.offset, self.size);
        self.offset += length;
        self.read(&line, is_whole, start, size);
        self.line = line;
        self.line.clear();
    }

    fn read(&mut self, line: &[u8], is_whole: bool, start: u64, size: usize) {
        let text = line.trim_ascii_end();
        let indentation = text.iter().take_while(|&&byte| byte == b' ').count();
        let words = text.get(indentation..).unwrap_or_default();
        let is_item = words == b"-" || words.starts_with(b"- ");
        if text == b"---" || text.starts_with(b"--- ") {
            if self.has_begun {
                self.documents.push(start, size);
            }
            self.opens = true;
            return;
        }
        let may_open = std::mem::replace(&mut self.opens, text == b"items:");
        if text.is_empty() {
            self.opens = may_open;
        } else {
            self.has_begun = true;
        }
        match &mut self.list {
            Some(BlockList {
                tail: Some(tail), ..
            }) => match is_whole {
                true => tail.push(line, size),
                false => tail.is_lost(),
            },
            Some(_) if text.is_empty() => {}
            Some(list) if indentation == list.indentation && is_item => list.ends.push(start, size),
            Some(list) if indentation <= list.indentation => {
                list.ends.push(start, size);
                let mut tail = Tail::default();
                match is_whole {
                    true => tail.push(line, size),
                    false => tail.is_lost(),
                }
                list.tail = Some(tail);
            }
            None if is_item && may_open && self.documents.all == 0 && start < size as u64 => {
                self.list = Some(BlockList {
                    indentation,
                    ends: Ends::default(),
                    tail: None,
                });
            }
            Some(_) | None => {}
        }
    }

    pub(super) fn finish(mut self) -> CutPlace {
        if !self.line.is_empty() {
            self.line_ends();
        }
        let (offset, size) = (self.offset, self.size);
        if self.documents.all > 0 {
            self.documents.push(offset, size);
            return self.documents.cut(Vec::new(), size);
        }
        let Some(mut list) = self.list else {
            return CutPlace::Nowhere;
        };
        let tail = list.tail.take().unwrap_or_else(|| {
            list.ends.push(offset, size);
            Tail::default()
        });
        tail.bytes()
            .map_or(CutPlace::Nowhere, |close| list.ends.cut(close, size))
    }
}
