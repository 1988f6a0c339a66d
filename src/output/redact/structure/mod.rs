//! Takes the values of Secrets' `data` and `stringData` out of JSON and YAML, wherever the stream
//! is cut.
//!
//! No parser of either: what a cluster prints is often neither (a table, a log, three documents and
//! a sentence), and one odd line must not hide what follows it. A [`StringLevel`] reads text line
//! by line, as far as mappings go: by indentation, and by brackets, which is JSON too. What a
//! quoted string holds is read by a level of its own, with its escapes resolved; the lines of a
//! block scalar are lines that are indented. So a manifest in an annotation, in a value of a
//! ConfigMap or in helm's JSON is found like any other.
//!
//! What a mapping is, its `kind` says, and that mostly comes behind `data`. Until then the values
//! are held; [`held`] has the bounds. When in doubt a value is taken out: its mapping's kind comes
//! too late, its brackets do not match, or the stream ends before there was one.
//!
//! May not build what it reads: the memory is that of [`HeldText`] and of [`DEEPEST`] frames in
//! each of [`LEVELS`] levels. Every byte is looked at once in each level.

mod block;
mod cut;
mod escape;
mod flow;
mod frame;
mod held;
mod quoted;

use escape::Escape;
use frame::{Frame, ObjectKind};
use held::{Cut, Fate, HeldText};

use super::prefix::{LinePart, Prefixes};

/// Strings in strings: JSON in an annotation in a manifest in helm's JSON is three.
const LEVELS: u8 = 4;
/// Brackets in brackets; what stands deeper is taken out whole. Kubernetes' own objects have less
/// than 30.
const DEEPEST: usize = 128;
/// What is read at once, so that a chunk of any size is held piece by piece.
const PIECE: usize = 32 * 1024;

/// The values of Secrets, taken out of a stream.
pub(super) struct Structure {
    level: StringLevel,
    held: HeldText,
    read: u64,
    prefixes: Prefixes,
}

impl Structure {
    pub(super) fn new() -> Self {
        Self {
            level: StringLevel::new(0, 0),
            held: HeldText::default(),
            read: 0,
            prefixes: Prefixes::new(),
        }
    }

    /// Reads a chunk and writes out what is decided by now.
    pub(super) fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        if self.prefixes.are_none() {
            return self.read(LinePart::Text, chunk, out);
        }
        let mut prefixes = std::mem::take(&mut self.prefixes);
        prefixes.push(chunk, |part, bytes| self.read(part, bytes, out));
        self.prefixes = prefixes;
    }

    /// Reads some of the stream. What the tool has put before a line is none of its text.
    fn read(&mut self, part: LinePart, bytes: &[u8], out: &mut Vec<u8>) {
        for piece in bytes.chunks(PIECE) {
            if part == LinePart::Text {
                self.level.read(
                    ByteRun {
                        bytes: piece,
                        start: self.read,
                        width: 1,
                    },
                    &mut self.held,
                );
            }
            self.read += piece.len() as u64;
            let whole = self.level.whole(self.read);
            if self.held.is_empty() && whole == self.read {
                self.held.pass(piece, out);
                continue;
            }
            self.held.push(piece);
            self.level.give_up(self.read, &mut self.held);
            self.held.tell(self.read, whole, out);
        }
    }

    /// Tells the rest.
    pub(super) fn finish(mut self, out: &mut Vec<u8>) {
        let prefixes = std::mem::take(&mut self.prefixes);
        prefixes.finish(|part, bytes| self.read(part, bytes, out));
        self.level
            .end(self.read, LevelEnd::OfStream, &mut self.held);
        self.held.tell(self.read, self.read, out);
    }
}

/// Bytes of a level and where they stand in the stream: each is `width` long there. Only one that
/// was escaped is longer than 1, and then it is alone.
#[derive(Clone, Copy)]
struct ByteRun<'a> {
    bytes: &'a [u8],
    start: u64,
    width: u64,
}

impl ByteRun<'_> {
    fn offset(&self, index: usize) -> u64 {
        self.start + index as u64 * self.width
    }

    fn first(&self, count: usize) -> Self {
        Self {
            bytes: self.bytes.get(..count).unwrap_or_default(),
            ..*self
        }
    }

    fn after(&self, count: usize) -> Self {
        Self {
            bytes: self.bytes.get(count..).unwrap_or_default(),
            start: self.offset(count),
            ..*self
        }
    }
}

/// How a level ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LevelEnd {
    /// Where it was to end: what has no kind now has none.
    OfString,
    /// Perhaps in the middle of something.
    OfStream,
}

/// Where a level stands in its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In the indentation of a line, or behind `- `.
    Indent,
    /// Behind so many dashes at the start of a line or item.
    Dashes(u8),
    /// Behind a question mark there.
    Question,
    /// Behind a colon there.
    Colon,
    /// In words that may be a key.
    Plain,
    /// Behind a colon that may be a key's.
    PlainColon,
    /// Behind a quoted string that may be a key.
    Quoted,
    /// Behind a key and its colon.
    Value,
    /// In the rest of a line.
    Rest,
    /// Behind a brace in it.
    Brace,
    /// Behind the last bracket that was open.
    Closed,
    /// In a comment.
    Comment,
    /// In an anchor or a tag.
    Property,
    /// Between the words of a text in brackets.
    Flow,
    /// In the indentation of a line of it.
    FlowIndent,
    /// In words of it.
    FlowPlain,
    /// Behind a colon in such words.
    FlowPlainColon,
    /// In a string.
    Double,
    Single,
    /// Behind a backslash in a string.
    Escape,
    /// Behind an apostrophe in a string.
    Apostrophe,
    /// In the indentation of a line in a string.
    Folded,
}

/// Whether what a string holds is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StringReading {
    /// It is a key, or too deep.
    No,
    /// When it turns out to be more than a few words.
    Perhaps {
        quoted: u8,
    },
    Yes,
}

/// One text: the stream, or what a string in the text around holds.
struct StringLevel {
    depth: u8,
    /// In how many double-quoted strings it stands.
    quoted: u8,
    at: At,
    frames: Vec<Frame>,
    /// How many of the frames, the last ones, are brackets.
    brackets: usize,
    /// Whether they were opened where a line begins.
    open_line: bool,
    /// Brackets that are open beyond the deepest frame, and the place that they are.
    deeper: Option<(u64, usize)>,
    objects: u64,
    /// The column of the next byte, in indentation.
    column: u32,
    /// Whether the line has only been indentation so far.
    fresh: bool,
    /// The column in which the line's text begins.
    line: u32,
    /// The column that a string or bracket must stay behind when it goes on in the next line.
    parent: Option<u32>,
    /// The line's key and its column, if it has one.
    key: Option<frame::KnownKey>,
    key_column: u32,
    /// The beginning of a stream, when it may be in the middle of an object's data.
    cut: Cut,
    token: TokenText,
    /// Where the last byte ended that is no white space.
    content: u64,
    escape: Escape,
    /// The string that goes on behind a line break, and what the break stands for.
    folded: (At, Option<u8>),
    /// Whether what a string holds is read.
    string: StringReading,
    /// The text of a string.
    inner: Option<Box<StringLevel>>,
}

impl StringLevel {
    fn new(depth: u8, quoted: u8) -> Self {
        Self {
            depth,
            quoted,
            at: At::Indent,
            frames: Vec::new(),
            brackets: 0,
            open_line: false,
            deeper: None,
            objects: 0,
            column: 0,
            fresh: true,
            line: 0,
            parent: None,
            key: None,
            key_column: 0,
            cut: Cut::at_start_of(depth),
            token: TokenText::default(),
            content: 0,
            escape: Escape::default(),
            folded: (At::Double, None),
            string: StringReading::No,
            inner: None,
        }
    }

    /// Begins again, for another string.
    fn reset(&mut self, quoted: u8) {
        // Numbers of objects go on: places of those before may still be held.
        let (frames, inner) = (std::mem::take(&mut self.frames), self.inner.take());
        *self = Self {
            frames,
            inner,
            objects: self.objects,
            ..Self::new(self.depth, quoted)
        };
        self.frames.clear();
    }

    fn read(&mut self, mut run: ByteRun<'_>, held: &mut HeldText) {
        while let Some(&byte) = run.bytes.first() {
            let taken = match self.at {
                At::Indent => self.indent(byte, run, held),
                At::Dashes(count) => self.dashes(count, byte, run, held),
                At::Question => self.question(byte, run, held),
                At::Colon => self.colon(byte, run, held),
                At::Plain => self.plain(run, held),
                At::PlainColon => self.plain_colon(byte, run, held),
                At::Quoted => self.behind_quoted(byte, run),
                At::Value => self.value(byte, run, held),
                At::Rest => self.rest(run, held),
                At::Brace => self.brace(byte, run, held),
                At::Closed => self.closed(byte, run, held),
                At::Comment => self.comment(run),
                At::Property => self.property(byte),
                At::Flow => self.flow(byte, run, held),
                At::FlowIndent => self.flow_indent(byte, run, held),
                At::FlowPlain => self.flow_plain(run),
                At::FlowPlainColon => self.flow_plain_colon(byte, run, held),
                At::Double => self.double(run, held),
                At::Single => self.single(run, held),
                At::Escape => self.escaped(byte, run, held),
                At::Apostrophe => self.apostrophe(byte, run, held),
                At::Folded => self.folded(byte, run, held),
            };
            if !held.is_decided()
                && let Some(last) = run
                    .first(taken)
                    .bytes
                    .iter()
                    .rposition(|byte| !byte.is_ascii_whitespace())
            {
                self.content = run.offset(last) + run.width;
            }
            run = run.after(taken);
        }
    }

    /// The text ends.
    fn end(&mut self, now: u64, end: LevelEnd, held: &mut HeldText) {
        self.end_string(now, end, held);
        match self.at {
            At::Rest | At::Brace => self.end_value(now, held),
            At::Plain | At::PlainColon | At::Quoted => self.keyless(held),
            _ => {}
        }
        self.abandon(now, held);
        self.end_cut(Fate::Kept, now, held);
        while let Some(mut frame) = self.frames.pop() {
            frame.close(self.content, now, held);
            let in_doubt =
                end == LevelEnd::OfStream && frame.has_version && frame.kind == ObjectKind::Unknown;
            frame.settle(if in_doubt { Fate::Out } else { Fate::Kept }, now, held);
        }
    }

    /// Tells the places how far they go, and takes out what has waited too long.
    fn give_up(&mut self, now: u64, held: &mut HeldText) {
        for frame in &mut self.frames {
            frame.give_up(now, held);
            for id in frame.growing() {
                held.grow(id, self.content, now);
            }
        }
        if let Some((id, _)) = self.deeper {
            held.grow(id, self.content, now);
        }
        self.give_cut_up(now, held);
        if self.string == StringReading::Yes
            && let Some(inner) = &mut self.inner
        {
            inner.give_up(now, held);
        }
    }

    /// Where the last byte ended that is whole: in the middle of an escape it is not known what
    /// begins there.
    fn whole(&self, now: u64) -> u64 {
        let own = if matches!(self.at, At::Escape | At::Apostrophe) {
            self.escape.start
        } else {
            now
        };
        let inner = self
            .inner
            .as_ref()
            .filter(|_| self.string == StringReading::Yes)
            .map_or(now, |inner| inner.whole(now));
        own.min(inner)
    }

    fn push_frame(&mut self, shape: frame::FrameShape) -> Option<&mut Frame> {
        self.objects += 1;
        // Levels do not share numbers.
        let object = self.objects * u64::from(LEVELS) + u64::from(self.depth);
        let frame = Frame::new(object, shape, self.frames.last());
        self.brackets += usize::from(frame.is_flow());
        self.frames.push(frame);
        self.frames.last_mut()
    }

    /// The kind of the mapping on top, when it is a plain or quoted text.
    fn is_a(&mut self, kind: ObjectKind, now: u64, held: &mut HeldText) {
        self.cut_is_a(kind, now, held);
        if let Some(frame) = self.frames.last_mut() {
            frame.is_a(kind, now, held);
        }
    }
}

/// The beginning of words that may matter, without the white space around them; what is longer does
/// not.
#[derive(Default)]
struct TokenText {
    bytes: [u8; 32],
    length: usize,
    /// Whether it is none of those that matter.
    other: bool,
    /// Whether a comment has begun.
    ended: bool,
}

impl TokenText {
    fn clear(&mut self) {
        (self.length, self.other, self.ended) = (0, false, false);
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.other || self.ended {
            return;
        }
        let bytes = if self.length == 0 {
            bytes.trim_ascii_start()
        } else {
            bytes
        };
        let free = self.bytes.get_mut(self.length..).unwrap_or_default();
        let (kept, beyond) = bytes.split_at(bytes.len().min(free.len()));
        if let Some(free) = free.get_mut(..kept.len()) {
            free.copy_from_slice(kept);
        }
        self.length += kept.len();
        self.other = !beyond.trim_ascii().is_empty();
    }

    /// The same, up to a comment.
    fn push_plain(&mut self, bytes: &[u8]) {
        let mut behind_space = self
            .text()
            .is_none_or(|text| text.last().is_none_or(u8::is_ascii_whitespace));
        let comment = bytes.iter().position(|byte| {
            let found = *byte == b'#' && behind_space;
            behind_space = byte.is_ascii_whitespace();
            found
        });
        self.push(
            bytes
                .get(..comment.unwrap_or(bytes.len()))
                .unwrap_or_default(),
        );
        self.ended |= comment.is_some();
    }

    /// Whether it cannot be the key of an object.
    fn is_no_word(&self) -> bool {
        self.text()
            .is_none_or(|text| text.trim_ascii().contains(&b' '))
    }

    fn text(&self) -> Option<&[u8]> {
        if self.other {
            None
        } else {
            self.bytes.get(..self.length)
        }
    }
}

#[cfg(test)]
mod tests;
