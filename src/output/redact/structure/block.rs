//! Text line by line: keys by their column, and the values of a mapping that is indented.

use memchr::{memchr, memchr2, memchr3};

use super::{
    At, ByteRun, StringLevel,
    frame::{DataLines, EntryPart, Frame, FrameShape, KnownKey, ObjectKind},
    held::{Fate, HeldText},
};

impl StringLevel {
    /// Each of these returns how many bytes it took; none when it is another's turn.
    pub(super) fn indent(&mut self, byte: u8, run: ByteRun<'_>, held: &mut HeldText) -> usize {
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
            self.new_line(held);
            return 1;
        }
        if self.fresh {
            if byte == b'#' {
                self.line_begins(LineContent::Comment, run.start, held);
                self.at = At::Comment;
                return 1;
            }
            self.fresh = false;
            self.line = self.column;
            self.parent = None;
            self.key = None;
            self.cut_goes_on(byte, run.start, held);
            self.close_blocks(self.column.saturating_add(1), run.start, held);
            self.line_begins(LineContent::Text, run.start, held);
        }
        self.token.clear();
        self.key_column = self.column;
        self.at = match byte {
            b'-' => At::Dashes(0),
            b'?' => At::Question,
            b':' => At::Colon,
            b'"' | b'\'' => return self.open_string(byte, true),
            b'{' | b'[' => return self.open_brackets(byte, run.start, held),
            b'&' | b'!' => At::Property,
            _ => At::Plain,
        };
        usize::from(matches!(self.at, At::Question | At::Colon))
    }

    pub(super) fn dashes(
        &mut self,
        count: u8,
        byte: u8,
        run: ByteRun<'_>,
        held: &mut HeldText,
    ) -> usize {
        match byte {
            b'-' => self.at = At::Dashes(count.saturating_add(1)),
            byte if !byte.is_ascii_whitespace() => {
                self.token.other = true;
                self.at = At::Plain;
                return 0;
            }
            _ if count == 1 => {
                self.parent = Some(self.column);
                self.column = self.column.saturating_add(1);
                self.at = At::Indent;
                return 0;
            }
            _ => {
                // The next document: of this column, for one in a block scalar.
                if count == 3 && self.column == self.line {
                    self.close_blocks(self.line, run.start, held);
                }
                self.at = At::Closed;
                return 0;
            }
        }
        1
    }

    /// `? key`, as long keys are written; `: value` is in the next line.
    pub(super) fn question(&mut self, byte: u8, run: ByteRun<'_>, held: &mut HeldText) -> usize {
        if byte.is_ascii_whitespace() {
            self.line_has_key(EntryPart::Nothing, run.start, held);
            self.column = self.column.saturating_add(1);
            self.at = At::Indent;
        } else {
            self.at = At::Plain;
        }
        0
    }

    pub(super) fn colon(&mut self, byte: u8, run: ByteRun<'_>, held: &mut HeldText) -> usize {
        if byte.is_ascii_whitespace() {
            self.has_key(KnownKey::Other, run.start, held);
        } else {
            self.token.other = true;
            self.at = At::Plain;
        }
        0
    }

    pub(super) fn plain(&mut self, run: ByteRun<'_>, held: &mut HeldText) -> usize {
        let Some(end) = memchr3(b':', b'\n', b'{', run.bytes) else {
            self.token.push(run.bytes);
            return run.bytes.len();
        };
        self.token.push(run.first(end).bytes);
        match run.bytes.get(end) {
            Some(b':') => self.at = At::PlainColon,
            Some(b'{') => self.at = At::Brace,
            _ => {
                if self.key_column == self.line {
                    self.not_a_mapping(run.offset(end), held);
                }
                self.new_line(held);
            }
        }
        end + 1
    }

    pub(super) fn plain_colon(&mut self, byte: u8, run: ByteRun<'_>, held: &mut HeldText) -> usize {
        if byte.is_ascii_whitespace() {
            self.has_key(KnownKey::of(self.token.text()), run.start, held);
        } else {
            self.token.other = true;
            self.at = At::Plain;
        }
        0
    }

    pub(super) fn behind_quoted(&mut self, byte: u8, run: ByteRun<'_>) -> usize {
        match byte {
            b' ' | b'\t' | b'\r' => run
                .bytes
                .iter()
                .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
                .count(),
            b':' => {
                self.at = At::PlainColon;
                1
            }
            _ => {
                self.at = At::Rest;
                0
            }
        }
    }

    pub(super) fn value(&mut self, byte: u8, run: ByteRun<'_>, held: &mut HeldText) -> usize {
        match byte {
            b' ' | b'\t' | b'\r' => {
                return run
                    .bytes
                    .iter()
                    .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
                    .count();
            }
            b'\n' => {
                self.new_line(held);
                return 1;
            }
            b'#' => {
                self.at = At::Comment;
                return 1;
            }
            _ => {}
        }
        self.value_begins(run.start, held);
        self.token.clear();
        if self.key == Some(KnownKey::Data)
            && !matches!(byte, b'&' | b'!')
            && let Some(frame) = self.frames.last_mut()
        {
            frame.lines = None; // not line by line, or a text, which is no Secret's
        }
        match byte {
            b'&' | b'!' => {
                self.at = At::Property;
                1
            }
            b'"' | b'\'' => self.open_string(byte, false),
            b'{' | b'[' => {
                if self.key == Some(KnownKey::Kind) {
                    self.is_a(ObjectKind::Other, run.start, held);
                }
                self.open_brackets(byte, run.start, held)
            }
            _ => {
                self.at = At::Rest;
                0
            }
        }
    }

    pub(super) fn rest(&mut self, run: ByteRun<'_>, held: &mut HeldText) -> usize {
        let end = memchr2(b'\n', b'{', run.bytes);
        if self.key == Some(KnownKey::Kind) {
            self.token
                .push_plain(run.first(end.unwrap_or(run.bytes.len())).bytes);
        }
        let Some(end) = end else {
            return run.bytes.len();
        };
        if run.bytes.get(end) == Some(&b'{') {
            self.at = At::Brace;
        } else {
            self.end_value(run.offset(end), held);
            self.new_line(held);
        }
        end + 1
    }

    /// JSON in the middle of words.
    pub(super) fn brace(&mut self, byte: u8, run: ByteRun<'_>, held: &mut HeldText) -> usize {
        if byte == b'"' {
            self.token.other = true;
            self.end_value(run.start, held);
            self.key = None;
            self.open_brackets(b'{', run.start, held); // it was taken before
        } else {
            self.token.other = true;
            self.at = At::Rest;
        }
        0
    }

    pub(super) fn closed(&mut self, byte: u8, run: ByteRun<'_>, held: &mut HeldText) -> usize {
        match byte {
            b' ' | b'\t' | b'\r' | b',' => 1,
            b'{' | b'[' => {
                self.key = None;
                self.open_brackets(byte, run.start, held)
            }
            _ => {
                self.key = None;
                self.at = At::Rest;
                0
            }
        }
    }

    pub(super) fn comment(&mut self, run: ByteRun<'_>) -> usize {
        let end = memchr(b'\n', run.bytes);
        if end.is_some() {
            self.at = if self.brackets > 0 {
                At::Flow
            } else {
                At::Indent
            };
            self.column = 0;
            self.fresh = true;
        }
        // The line break is the turn of what comes next.
        end.unwrap_or(run.bytes.len())
    }

    /// An anchor or a tag stands before what it is about.
    pub(super) fn property(&mut self, byte: u8) -> usize {
        if !byte.is_ascii_whitespace() {
            return 1;
        }
        self.at = match (self.brackets, self.key) {
            (1.., _) => At::Flow,
            (_, Some(_)) => At::Value,
            (_, None) => At::Indent,
        };
        0
    }

    /// The line ends.
    fn new_line(&mut self, held: &mut HeldText) {
        self.keyless(held);
        (self.column, self.fresh) = (0, true);
        self.at = At::Indent;
        for lines in self
            .frames
            .iter_mut()
            .filter_map(|frame| frame.lines.as_mut())
        {
            lines.entry = EntryPart::Nothing;
        }
    }

    /// The line had no key: where one was due, all of it is a value.
    pub(super) fn keyless(&mut self, held: &mut HeldText) {
        for id in self
            .frames
            .iter()
            .filter_map(|frame| frame.lines.as_ref()?.place)
        {
            held.keyless(id);
        }
    }

    /// The line is no part of a mapping that begins in its column, so that no kind is to be
    /// expected.
    fn not_a_mapping(&mut self, now: u64, held: &mut HeldText) {
        let column = self.line;
        if column == 0 {
            self.end_cut(Fate::Kept, now, held);
        }
        for frame in self
            .frames
            .iter_mut()
            .filter(|frame| frame.column().is_some_and(|at| at >= column))
        {
            frame.settle(Fate::Kept, now, held);
        }
    }

    /// The text of a value ends with its line.
    pub(super) fn end_value(&mut self, now: u64, held: &mut HeldText) {
        if self.key == Some(KnownKey::Kind) {
            self.is_a(ObjectKind::of(self.token.text()), now, held);
        }
    }

    /// The line has a key.
    fn has_key(&mut self, key: KnownKey, now: u64, held: &mut HeldText) {
        self.at = At::Value;
        self.parent = Some(self.key_column);
        self.key = Some(key);
        let column = self.key_column;
        if column == self.line {
            self.line_has_key(EntryPart::Value, now, held);
        }
        if key == KnownKey::Other {
            if column == 0 && self.token.is_no_word() {
                self.end_cut(Fate::Kept, now, held); // a sentence with a colon
            }
            return;
        }
        let is_string_data = self
            .token
            .text()
            .is_some_and(|text| text.trim_ascii().starts_with(b"s"));
        let on_top = self.frames.last_mut();
        if let Some(frame) = on_top.filter(|frame| frame.column() == Some(column))
            && frame.begins_another(key, is_string_data)
        {
            self.close_blocks(column, now, held);
        }
        if self.frames.last().and_then(|frame| frame.column()) != Some(column) {
            self.make_room(now, held);
            if let Some(frame) = self.push_frame(FrameShape::Block { column }) {
                frame.begins_another(key, is_string_data);
            }
        }
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        match key {
            KnownKey::ApiVersion => frame.has_version = true,
            KnownKey::Data if !frame.is_no_secret() => frame.lines = Some(DataLines::default()),
            KnownKey::Data | KnownKey::Kind | KnownKey::Other => {}
        }
    }

    /// What the line began with is a key, and no value.
    fn line_has_key(&mut self, then: EntryPart, now: u64, held: &mut HeldText) {
        for lines in self
            .frames
            .iter_mut()
            .filter_map(|frame| frame.lines.as_mut())
        {
            if lines.entry == EntryPart::Key && lines.place.is_none_or(|id| held.take_back(id, now))
            {
                (lines.place, lines.entry) = (None, then);
            }
        }
    }

    /// A value begins behind its key.
    fn value_begins(&mut self, now: u64, held: &mut HeldText) {
        for frame in &mut self.frames {
            if frame
                .lines
                .as_ref()
                .is_some_and(|lines| lines.entry == EntryPart::Value)
            {
                open_place(frame, EntryPart::Nothing, now, self.quoted, held);
            }
        }
    }

    /// A line begins, and so may an entry of the data around it.
    fn line_begins(&mut self, line: LineContent, now: u64, held: &mut HeldText) {
        for frame in &mut self.frames {
            let (Some(around), Some(lines)) = (frame.column(), &mut frame.lines) else {
                continue;
            };
            let is_inside = self.column > around;
            if is_inside && line == LineContent::Text {
                lines.keys.get_or_insert(self.column);
            }
            let goes_on = is_inside && lines.keys.is_none_or(|keys| self.column > keys);
            let has_place = lines.place.is_some();
            match (goes_on, line) {
                (true, _) if has_place || lines.keys.is_none() => {}
                (true, _) => open_place(frame, EntryPart::Nothing, now, self.quoted, held),
                (false, LineContent::Comment) => frame.close(self.content, now, held),
                (false, LineContent::Text) => {
                    frame.close(self.content, now, held);
                    if is_inside {
                        open_place(frame, EntryPart::Key, now, self.quoted, held);
                    } else {
                        frame.lines = None;
                    }
                }
            }
        }
    }

    /// Closes mappings that are indented, in this column or behind it.
    fn close_blocks(&mut self, column: u32, now: u64, held: &mut HeldText) {
        while let Some(mut frame) = self
            .frames
            .pop_if(|frame| frame.column().is_some_and(|at| at >= column))
        {
            frame.close(self.content, now, held);
            frame.settle(Fate::Kept, now, held);
        }
    }

    /// The innermost mappings matter: when there are too many, the outermost is given up.
    fn make_room(&mut self, now: u64, held: &mut HeldText) {
        if self.frames.len() >= super::DEEPEST {
            let mut frame = self.frames.remove(0);
            frame.close(self.content, now, held);
            frame.settle(Fate::Out, now, held);
        }
    }
}

/// Opens the place of a value, or of a line that may have a key.
fn open_place(frame: &mut Frame, entry: EntryPart, now: u64, quoted: u8, held: &mut HeldText) {
    let may_be_key = entry == EntryPart::Key;
    let place = frame
        .fate(now, held)
        .map(|fate| held.open(now, frame.object, fate, may_be_key, quoted));
    if let Some(lines) = &mut frame.lines {
        (lines.place, lines.entry) = (place, entry);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LineContent {
    Comment,
    Text,
}
