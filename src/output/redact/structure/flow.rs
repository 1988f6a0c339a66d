//! Text in brackets: JSON, and YAML's flow style.

use super::{
    At, ByteRun, DEEPEST, StringLevel,
    frame::{Frame, FrameShape, KnownKey, ObjectKind},
    held::{Fate, HeldText},
};

impl StringLevel {
    /// A bracket opens, where a value may begin. Takes it.
    pub(super) fn open_brackets(&mut self, byte: u8, now: u64, held: &mut HeldText) -> usize {
        let is_data = self.brackets == 0 && self.key == Some(KnownKey::Data) && byte == b'{';
        self.open_line = match self.at {
            At::Indent => self.column == self.line,
            At::Closed => self.open_line,
            _ => false,
        };
        self.parent = self.parent.or(Some(self.line));
        self.push_brackets(byte, is_data, now, held);
        self.at = At::Flow;
        1
    }

    fn push_brackets(&mut self, byte: u8, is_data: bool, now: u64, held: &mut HeldText) {
        if let Some((_, count)) = &mut self.deeper {
            *count += 1;
            return;
        }
        if self.frames.len() >= DEEPEST {
            self.deeper = Some((held.open(now, 0, Fate::Out, false, self.quoted), 1));
            return;
        }
        let shape = if byte == b'{' {
            FrameShape::FlowMap
        } else {
            FrameShape::FlowSequence
        };
        let is_data = is_data
            && self
                .frames
                .last()
                .is_some_and(|frame| !frame.is_no_secret());
        self.token.clear();
        if let Some(frame) = self.push_frame(shape) {
            frame.is_data = is_data;
        }
    }

    pub(super) fn flow(&mut self, byte: u8, run: ByteRun<'_>, held: &mut HeldText) -> usize {
        let now = run.start;
        match byte {
            b' ' | b'\t' | b'\r' => {
                return run
                    .bytes
                    .iter()
                    .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
                    .count();
            }
            b'\n' => {
                self.column = 0;
                self.at = At::FlowIndent;
            }
            b'{' | b'[' => {
                let is_data = self.value_begins_in_brackets(byte, now, held);
                self.push_brackets(byte, is_data, now, held);
            }
            b'}' | b']' => self.close_brackets(now, held),
            b',' => self.end_entry(now, held),
            b':' => {
                if let Some(frame) = self
                    .frames
                    .last_mut()
                    .filter(|frame| frame.shape == FrameShape::FlowMap && !frame.colon)
                    && self.deeper.is_none()
                {
                    (frame.key, frame.colon) = (KnownKey::of(self.token.text()), true);
                }
            }
            b'#' => self.at = At::Comment,
            b'&' | b'!' => self.at = At::Property,
            b'"' | b'\'' => {
                let is_value = self
                    .frames
                    .last()
                    .is_some_and(|frame| frame.colon || frame.shape == FrameShape::FlowSequence);
                self.value_begins_in_brackets(byte, now, held);
                self.token.clear();
                self.open_string(byte, !is_value);
            }
            _ => {
                self.value_begins_in_brackets(byte, now, held);
                self.token.clear();
                self.at = At::FlowPlain;
                return 0;
            }
        }
        1
    }

    pub(super) fn flow_indent(&mut self, byte: u8, run: ByteRun<'_>, held: &mut HeldText) -> usize {
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
            return 1;
        }
        // What is not further in than the line that opened the brackets is no part of them, but for
        // their end, and for what JSON without indentation begins its lines with.
        let goes_on = match byte {
            b'}' | b']' => self.column >= self.line,
            b'{' | b'[' | b'"' | b',' | b':' if self.open_line => self.column >= self.line,
            _ => self.column > self.line,
        };
        if !goes_on {
            self.abandon(run.start, held);
            self.fresh = true;
            self.at = At::Indent;
        } else {
            self.at = At::Flow;
        }
        0
    }

    pub(super) fn flow_plain(&mut self, run: ByteRun<'_>) -> usize {
        let end = run
            .bytes
            .iter()
            .position(|byte| matches!(byte, b',' | b':' | b'{' | b'}' | b'[' | b']' | b'\n'));
        self.token
            .push_plain(run.first(end.unwrap_or(run.bytes.len())).bytes);
        match end.and_then(|end| run.bytes.get(end)) {
            None => run.bytes.len(),
            Some(b':') => {
                self.at = At::FlowPlainColon;
                end.unwrap_or_default() + 1
            }
            Some(_) => {
                self.at = At::Flow;
                end.unwrap_or_default()
            }
        }
    }

    pub(super) fn flow_plain_colon(
        &mut self,
        byte: u8,
        run: ByteRun<'_>,
        held: &mut HeldText,
    ) -> usize {
        if byte.is_ascii_whitespace()
            || matches!(byte, b',' | b'{' | b'}' | b'[' | b']' | b'"' | b'\'')
        {
            self.at = At::Flow;
            self.flow(b':', run, held);
        } else {
            self.token.other = true;
            self.at = At::FlowPlain;
        }
        0
    }

    /// A value begins: returns whether it is the data of a mapping.
    fn value_begins_in_brackets(&mut self, byte: u8, now: u64, held: &mut HeldText) -> bool {
        if self.deeper.is_some() {
            return false;
        }
        let quoted = self.quoted;
        let Some((frame, below)) = self.frames.split_last_mut() else {
            return false;
        };
        if frame.shape != FrameShape::FlowMap || !frame.colon || frame.value {
            return false;
        }
        frame.value = true;
        if frame.is_data
            && let Some(owner) = below.last_mut()
            && let Some(fate) = owner.fate(now, held)
        {
            frame.place = Some(held.open(now, owner.object, fate, false, quoted));
        }
        if frame.key == KnownKey::Kind && matches!(byte, b'{' | b'[') {
            frame.is_a(ObjectKind::Other, now, held);
        }
        frame.key == KnownKey::Data && byte == b'{'
    }

    /// An entry ends, of a mapping or a list.
    fn end_entry(&mut self, now: u64, held: &mut HeldText) {
        if self.deeper.is_some() {
            return;
        }
        let (content, kind) = (self.content, ObjectKind::of(self.token.text()));
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        if frame.shape == FrameShape::FlowMap {
            frame.close(content, now, held);
            if frame.key == KnownKey::Kind && frame.value {
                frame.is_a(kind, now, held);
            }
            (frame.key, frame.colon, frame.value) = (KnownKey::Other, false, false);
        }
        self.token.clear();
    }

    fn close_brackets(&mut self, now: u64, held: &mut HeldText) {
        if let Some((id, count)) = &mut self.deeper {
            *count -= 1;
            if *count == 0 {
                held.close(*id, now + 1, now + 1);
                self.deeper = None;
            }
            return;
        }
        self.end_entry(now, held);
        if let Some(mut frame) = self.pop_brackets() {
            frame.settle(Fate::Kept, now, held);
        }
        if self.brackets == 0 {
            self.key = None;
            self.at = At::Closed;
        }
    }

    fn pop_brackets(&mut self) -> Option<Frame> {
        let frame = self.frames.pop_if(|frame| frame.is_flow());
        self.brackets -= usize::from(frame.is_some());
        frame
    }

    /// The brackets that are open have no end: what is open in them is taken out.
    pub(super) fn abandon(&mut self, now: u64, held: &mut HeldText) {
        if let Some((id, _)) = self.deeper.take() {
            held.close(id, self.content, now);
        }
        while let Some(mut frame) = self.pop_brackets() {
            frame.close(self.content, now, held);
            frame.settle(Fate::Out, now, held);
        }
    }
}
