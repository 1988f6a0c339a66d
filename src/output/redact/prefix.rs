//! What a tool puts before each line of a log: `[pod/NAME/CONTAINER] ` and the time (kubectl logs
//! `--prefix`, `--timestamps`).
//!
//! A caller chooses whether it is there, and what is behind it is read without it: else a Secret
//! that a container prints would be one no more. Looked for only where the first line of a stream
//! has it, so that all other streams cost nothing.
//!
//! Held by the fuzz target `redact`.

/// What a part of a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinePart {
    Prefix,
    Text,
}

/// The prefixes of a stream's lines.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    state: State,
    /// The beginning of a line, until it is known where its text begins.
    begun: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// The first line has not said yet whether there are any.
    #[default]
    First,
    /// A line begins.
    LineStart,
    /// In a line's text.
    Line,
    /// There are none.
    None,
}

/// `[pod/NAME/CONTAINER] `, with names of 253 and 63 characters.
const LONGEST_NAME: usize = 330;

/// How a line begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    /// With so many bytes of a prefix, or none.
    Prefix(usize),
    /// It is not read far enough.
    Wait,
}

impl Prefixes {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn are_none(&self) -> bool {
        self.state == State::None
    }

    /// Hands on a chunk, part by part.
    pub(super) fn push(&mut self, chunk: &[u8], mut take: impl FnMut(LinePart, &[u8])) {
        if self.begun.is_empty() {
            let rest = self.split(chunk, &mut take);
            self.begun
                .extend_from_slice(chunk.get(rest..).unwrap_or_default());
            return;
        }
        let mut begun = std::mem::take(&mut self.begun);
        begun.extend_from_slice(chunk);
        let rest = self.split(&begun, &mut take);
        begun.drain(..rest);
        self.begun = begun;
    }

    /// Hands on the rest.
    pub(super) fn finish(self, mut take: impl FnMut(LinePart, &[u8])) {
        take(LinePart::Text, &self.begun);
    }

    /// Returns how far the text was handed on.
    fn split(&mut self, text: &[u8], take: &mut impl FnMut(LinePart, &[u8])) -> usize {
        let mut at = 0;
        loop {
            let rest = text.get(at..).unwrap_or_default();
            if rest.is_empty() {
                return at;
            }
            let length = match self.state {
                State::First | State::LineStart => match beginning(rest) {
                    Beginning::Wait => return at,
                    Beginning::Prefix(0) if self.state == State::First => {
                        self.state = State::None;
                        0
                    }
                    Beginning::Prefix(length) => {
                        self.state = State::Line;
                        take(LinePart::Prefix, rest.get(..length).unwrap_or_default());
                        length
                    }
                },
                State::Line => {
                    let end = memchr::memchr(b'\n', rest).map(|end| end + 1);
                    if end.is_some() {
                        self.state = State::LineStart;
                    }
                    let line = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
                    take(LinePart::Text, line);
                    line.len()
                }
                State::None => {
                    take(LinePart::Text, rest);
                    rest.len()
                }
            };
            at += length;
        }
    }
}

/// How long the prefix of this line is: a name, a time, or both.
pub(super) fn beginning(line: &[u8]) -> Beginning {
    if line.is_empty() {
        return Beginning::Wait;
    }
    let name = match name(line) {
        Beginning::Wait => return Beginning::Wait,
        Beginning::Prefix(length) => length,
    };
    match time(line.get(name..).unwrap_or_default()) {
        Beginning::Wait => Beginning::Wait,
        Beginning::Prefix(length) => Beginning::Prefix(name + length),
    }
}

fn name(line: &[u8]) -> Beginning {
    let Some((b'[', inner)) = line.split_first() else {
        return Beginning::Prefix(0);
    };
    let is_of_name =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_');
    let length = inner.iter().take_while(|byte| is_of_name(byte)).count();
    let (inner, behind) = inner.split_at(length);
    match behind {
        _ if length > LONGEST_NAME => Beginning::Prefix(0),
        [] | [b']'] => Beginning::Wait,
        [b']', b' ', ..] if inner.contains(&b'/') => Beginning::Prefix(length + 3),
        _ => Beginning::Prefix(0),
    }
}

/// RFC 3339, with any number of digits behind the second, and a blank.
fn time(text: &[u8]) -> Beginning {
    const DATE: &[u8] = b"0000-00-00T00:00:00";
    const ZONE: &[u8] = b"00:00";
    let mut rest = text;
    match like(&mut rest, DATE) {
        None => return Beginning::Wait,
        Some(true) => {}
        Some(false) => return Beginning::Prefix(0),
    }
    if let Some((b'.', behind)) = rest.split_first() {
        let digits = behind.iter().take_while(|byte| byte.is_ascii_digit());
        rest = behind.get(digits.count().min(9)..).unwrap_or_default();
    }
    let zone = match rest.split_first() {
        None => None,
        Some((b'Z', behind)) => {
            rest = behind;
            Some(true)
        }
        Some((b'+' | b'-', behind)) => {
            rest = behind;
            like(&mut rest, ZONE)
        }
        Some(_) => Some(false),
    };
    match (zone, rest.first()) {
        (Some(false), _) => Beginning::Prefix(0),
        (None, _) | (Some(true), None) => Beginning::Wait,
        (Some(true), Some(b' ')) => Beginning::Prefix(text.len() - rest.len() + 1),
        (Some(true), Some(_)) => Beginning::Prefix(0),
    }
}

/// Reads what has this shape, with any digit for `0`; none when it is not read far enough.
fn like(rest: &mut &[u8], shape: &[u8]) -> Option<bool> {
    for wanted in shape {
        let (byte, behind) = rest.split_first()?;
        let fits = match wanted {
            b'0' => byte.is_ascii_digit(),
            wanted => byte == wanted,
        };
        if !fits {
            return Some(false);
        }
        *rest = behind;
    }
    Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_times_before_a_line_are_its_prefix_and_nothing_else_is() {
        for (line, length) in [
            (&b"[pod/web-0/c] x"[..], 14),
            (b"2026-11-30T08:00:00.123456789Z x", 31),
            (b"2026-11-30T08:00:00+01:00 x", 26),
            (b"[pod/web-0/c] 2026-11-30T08:00:00Z x", 35),
            (b"[pod/web-0/c] \n", 14),
            (b"[INFO] x", 0),
            (b"[1/2]x", 0),
            (b"[\"a/b\"] x", 0),
            (b"2026-11-30 x", 0),
            (b"2026-11-30T08:00:00 x", 0),
            (b"x", 0),
        ] {
            assert_eq!(beginning(line), Beginning::Prefix(length), "{line:?}");
            for cut in 1..length {
                let cut = &line[..cut];
                assert_eq!(beginning(cut), Beginning::Wait, "{cut:?}");
            }
        }
    }
}
