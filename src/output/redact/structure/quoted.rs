//! Strings: what they hold is read by a level of its own, with its escapes resolved.

use memchr::{memchr2, memchr3};

use super::{
    At, ByteRun, LEVELS, LevelEnd, StringLevel, StringReading,
    escape::Escape,
    frame::{KnownKey, ObjectKind},
    held::HeldText,
};

impl StringLevel {
    /// A string begins, which may be a key. Takes its quote.
    pub(super) fn open_string(&mut self, quote: u8, may_be_key: bool) -> usize {
        self.at = if quote == b'"' {
            At::Double
        } else {
            At::Single
        };
        let reads = self.depth + 1 < LEVELS && !(may_be_key && self.brackets > 0);
        self.string = if reads {
            StringReading::Perhaps {
                quoted: self.quoted + u8::from(quote == b'"'),
            }
        } else {
            StringReading::No
        };
        1
    }

    pub(super) fn double(&mut self, run: ByteRun<'_>, held: &mut HeldText) -> usize {
        let end = memchr3(b'"', b'\\', b'\n', run.bytes);
        let text = run.first(end.unwrap_or(run.bytes.len()));
        let ends = end.and_then(|end| run.bytes.get(end));
        if ends == Some(&b'"')
            && matches!(self.string, StringReading::Perhaps { .. })
            && memchr2(b'{', b'[', text.bytes).is_none()
        {
            self.string = StringReading::No; // one line without a bracket has nothing to take out
        }
        self.tell_inner(text, held);
        match ends {
            None => return run.bytes.len(),
            Some(b'"') => self.close_string(run.offset(text.bytes.len()), LevelEnd::OfString, held),
            Some(b'\\') => {
                self.escape = Escape {
                    start: run.offset(text.bytes.len()),
                    ..Escape::default()
                };
                self.at = At::Escape;
                let rest = run.after(text.bytes.len() + 1);
                if let Some(next) = rest.bytes.first() {
                    return text.bytes.len() + 1 + self.escaped(*next, rest, held);
                }
            }
            Some(_) => self.fold(At::Double, Some(b' ')),
        }
        text.bytes.len() + 1
    }

    pub(super) fn single(&mut self, run: ByteRun<'_>, held: &mut HeldText) -> usize {
        let end = memchr2(b'\'', b'\n', run.bytes);
        let text = run.first(end.unwrap_or(run.bytes.len()));
        self.tell_inner(text, held);
        match end.and_then(|end| run.bytes.get(end)) {
            None => return run.bytes.len(),
            Some(b'\'') => {
                self.escape.start = run.offset(text.bytes.len());
                self.at = At::Apostrophe;
            }
            Some(_) => self.fold(At::Single, Some(b' ')),
        }
        text.bytes.len() + 1
    }

    /// Two apostrophes are one; one is the end.
    pub(super) fn apostrophe(&mut self, byte: u8, run: ByteRun<'_>, held: &mut HeldText) -> usize {
        if byte == b'\'' {
            let start = self.escape.start;
            self.tell_inner(
                ByteRun {
                    bytes: b"'",
                    start,
                    width: run.offset(1) - start,
                },
                held,
            );
            self.at = At::Single;
            return 1;
        }
        self.close_string(run.start, LevelEnd::OfString, held);
        0
    }

    pub(super) fn escaped(&mut self, byte: u8, run: ByteRun<'_>, held: &mut HeldText) -> usize {
        let Some(digits) = self.escape.digits else {
            let character = match byte {
                b'u' => return self.digits(4),
                b'x' => return self.digits(2),
                b'U' => return self.digits(8),
                b'\n' => {
                    self.fold(At::Double, None);
                    return 1;
                }
                b'n' | b'N' | b'L' | b'P' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'0' | b'a' | b'b' | b'e' | b'f' | b'v' => 0,
                b'_' => b' ',
                other => other,
            };
            self.resolve(character, run.offset(1), held);
            return 1;
        };
        let Some(digit) = char::from(byte).to_digit(16) else {
            self.resolve(0, run.start, held);
            return 0;
        };
        self.escape.code = self.escape.code << 4 | digit;
        self.escape.digits = Some(digits - 1);
        if digits == 1 {
            let ascii = u8::try_from(self.escape.code).ok().filter(u8::is_ascii);
            self.resolve(ascii.unwrap_or(0), run.offset(1), held);
        }
        1
    }

    fn digits(&mut self, count: u8) -> usize {
        self.escape.digits = Some(count);
        1
    }

    /// An escape is a character, or another that matters not.
    fn resolve(&mut self, character: u8, end: u64, held: &mut HeldText) {
        let start = self.escape.start;
        self.tell_inner(
            ByteRun {
                bytes: &[character],
                start,
                width: end - start,
            },
            held,
        );
        self.at = At::Double;
    }

    /// The line ends and the string may go on.
    fn fold(&mut self, string: At, between: Option<u8>) {
        self.column = 0;
        self.folded = (string, between);
        self.at = At::Folded;
    }

    pub(super) fn folded(&mut self, byte: u8, run: ByteRun<'_>, held: &mut HeldText) -> usize {
        let spaces = run
            .bytes
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
            .count();
        if spaces > 0 {
            self.column = self
                .column
                .saturating_add(u32::try_from(spaces).unwrap_or(u32::MAX));
            return spaces;
        }
        if byte == b'\n' {
            self.column = 0;
            self.tell_inner(
                ByteRun {
                    bytes: b"\n",
                    start: run.start,
                    width: 1,
                },
                held,
            );
            return 1;
        }
        if self.parent.is_some_and(|parent| self.column > parent) {
            let (string, between) = self.folded;
            if let Some(space) = between {
                self.tell_inner(
                    ByteRun {
                        bytes: &[space],
                        start: run.start,
                        width: 0,
                    },
                    held,
                );
            }
            self.at = string;
            return 0;
        }
        // It has no end: the line is another.
        let column = self.column;
        self.close_string(run.start, LevelEnd::OfStream, held);
        self.column = column;
        if self.brackets > 0 {
            self.at = At::FlowIndent;
        } else {
            self.at = At::Indent;
            self.fresh = true;
        }
        0
    }

    fn tell_inner(&mut self, text: ByteRun<'_>, held: &mut HeldText) {
        self.token.push(text.bytes);
        if let StringReading::Perhaps { quoted } = self.string {
            let depth = self.depth + 1;
            self.inner
                .get_or_insert_with(|| Box::new(Self::new(depth, quoted)))
                .reset(quoted);
            self.string = StringReading::Yes;
        }
        if self.string == StringReading::Yes
            && let Some(inner) = &mut self.inner
        {
            inner.read(text, held);
        }
    }

    fn close_string(&mut self, now: u64, end: LevelEnd, held: &mut HeldText) {
        self.end_string(now, end, held);
        if self.brackets > 0 {
            self.at = At::Flow;
        } else if self.key.is_some() {
            if self.key == Some(KnownKey::Kind) {
                self.is_a(ObjectKind::of(self.token.text()), now, held);
            }
            self.key = None;
            self.at = At::Closed;
        } else {
            self.at = At::Quoted;
        }
    }

    /// What the string held has ended.
    pub(super) fn end_string(&mut self, now: u64, end: LevelEnd, held: &mut HeldText) {
        if self.string == StringReading::Yes
            && let Some(inner) = &mut self.inner
        {
            inner.end(now, end, held);
        }
        self.string = StringReading::No;
    }
}
