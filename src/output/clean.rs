//! Bytes -> text that steers nothing: no terminal escapes, no invisible or reordering characters.
//!
//! Comes before secrets are looked for: a coloured token is none that anybody would find.

use std::borrow::Cow;

use zeroize::Zeroizing;

use crate::excerpt::is_invisible;

/// Valid UTF-8 of `bytes`, without C0 and C1 controls (but newline and tab), escape sequences,
/// bidirectional controls, zero-width and other invisible characters. Invalid bytes become U+FFFD.
pub fn clean(bytes: &[u8]) -> String {
    let mut cleaner = Cleaner::default();
    let mut out = cleaner.push(bytes).into_owned();
    out.extend_from_slice(&cleaner.finish());
    String::from_utf8_lossy(&out).into_owned() // it is UTF-8
}

/// [`clean`] for a stream, wherever its chunks are cut.
#[derive(Debug, Default)]
pub(super) struct Cleaner {
    state: EscapeState,
    /// A character that is not whole yet.
    begun: Zeroizing<Vec<u8>>,
}

/// Where in an escape sequence the stream is (ECMA-48, 5.3 to 5.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum EscapeState {
    #[default]
    Text,
    /// Behind an ESC.
    Escape,
    /// In the parameters and intermediates of a control sequence, up to its final byte.
    Control,
    /// In a string (OSC, DCS, APC, PM, SOS). It ends at BEL or ST; a newline ends it too, so that
    /// one ESC cannot swallow the output.
    String,
    /// Behind an ESC in a string: with `\\` it is ST.
    StringEscape,
}

impl Cleaner {
    /// What is left of this chunk, and of what was held back of earlier ones.
    pub(super) fn push<'c>(&mut self, chunk: &'c [u8]) -> Cow<'c, [u8]> {
        if self.state == EscapeState::Text && self.begun.is_empty() && is_plain(chunk) {
            return Cow::Borrowed(chunk);
        }
        let mut out = Vec::with_capacity(chunk.len());
        let mut bytes = std::mem::take(&mut self.begun);
        bytes.extend_from_slice(chunk);
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.text(text, &mut out);
                    break;
                }
                Err(error) => {
                    let (valid, wrong) = rest.split_at(error.valid_up_to());
                    self.text(std::str::from_utf8(valid).unwrap_or_default(), &mut out);
                    let Some(length) = error.error_len() else {
                        self.begun = Zeroizing::new(wrong.to_vec());
                        break;
                    };
                    self.character(char::REPLACEMENT_CHARACTER, &mut out);
                    rest = wrong.get(length..).unwrap_or_default();
                }
            }
        }
        Cow::Owned(out)
    }

    /// What was held back, at the end of the stream.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.begun.is_empty() {
            self.character(char::REPLACEMENT_CHARACTER, &mut out);
        }
        out
    }

    fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        for character in text.chars() {
            self.character(character, out);
        }
    }

    fn character(&mut self, character: char, out: &mut Vec<u8>) {
        self.state = match (self.state, character) {
            (EscapeState::Escape, '[') => EscapeState::Control,
            (EscapeState::Escape, ']' | 'P' | '_' | '^' | 'X') => EscapeState::String,
            (EscapeState::Escape, ' '..='~') => EscapeState::Text,
            (EscapeState::Control, ' '..='?') => EscapeState::Control,
            (EscapeState::Control, '@'..='~') => EscapeState::Text,
            (EscapeState::String, '\u{7}' | '\u{9c}') => EscapeState::Text,
            (EscapeState::String, '\u{1b}') => EscapeState::StringEscape,
            (EscapeState::StringEscape, '\\') => EscapeState::Text,
            (EscapeState::String, character) if character != '\n' => EscapeState::String,
            // Whatever ends a sequence without being of it is text again.
            (_, '\u{1b}') => EscapeState::Escape,
            (_, '\u{9b}') => EscapeState::Control,
            (_, character) => {
                let steers = character.is_control() && !matches!(character, '\n' | '\t')
                    || is_invisible(character);
                if !steers {
                    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                EscapeState::Text
            }
        };
    }
}

/// Whether there is nothing to remove: ASCII that prints, newlines and tabs.
fn is_plain(bytes: &[u8]) -> bool {
    // Without a way out, so that many are looked at in one instruction.
    !bytes.iter().fold(false, |other, byte| {
        other | !matches!(byte, b' '..=b'~' | b'\n' | b'\t')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_does_not_matter_where_a_stream_is_cut() {
        let text = "a\x1b[1;31mred\x1b[0m\x1b]0;t\x07b\u{9b}2mc\u{202e}d\r\n\x1b]8;;x\x1b\\e\x1bPq\nf\x1b\x1b[mg\u{20ac}";
        let bytes = [text.as_bytes(), b"\xff\xe2\x82"].concat();
        let whole = clean(&bytes);
        assert_eq!(whole, "aredbcd\ne\nfg\u{20ac}\u{fffd}\u{fffd}");
        for size in 1..bytes.len() {
            let mut cleaner = Cleaner::default();
            let mut pieces: Vec<u8> = bytes
                .chunks(size)
                .flat_map(|chunk| cleaner.push(chunk).into_owned())
                .collect();
            pieces.extend(cleaner.finish());
            assert_eq!(
                String::from_utf8(pieces).unwrap(),
                whole,
                "in pieces of {size}"
            );
        }
    }

    #[test]
    fn plain_text_is_left_alone() {
        assert_eq!(
            clean("NAME\tREADY\nwéb-0 ✔ 日本\n".as_bytes()),
            "NAME\tREADY\nwéb-0 ✔ 日本\n"
        );
    }

    #[test]
    fn what_steers_a_terminal_or_a_reader_is_removed() {
        for (bytes, text) in [
            (&b"\x1b[31mred\x1b[0m"[..], "red"),
            (b"\x1b]0;title\x07x", "x"),
            (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
            (b"\x1bPq#0\x1b\\y", "y"),
            (b"\x1b]never ends\nnext", "\nnext"),
            (b"a\x08b\x07\x00c\r\nd\re", "abc\nde"),
            ("\u{9b}31mx\u{85}".as_bytes(), "x"),
            ("a\u{202e}b\u{200b}c\u{feff}d\u{e0041}".as_bytes(), "abcd"),
            (b"bad \xff\xfe", "bad \u{fffd}\u{fffd}"),
            (b"\x1b", ""),
            (b"\x1b[", ""),
        ] {
            assert_eq!(clean(bytes), text, "{bytes:?}");
        }
    }

    #[test]
    fn no_invisible_character_passes_and_none_hides_a_secret() {
        for character in ('\u{80}'..=char::MAX).filter(|character| is_invisible(*character)) {
            assert_eq!(
                clean(format!("a{character}b").as_bytes()),
                "ab",
                "{character:?}"
            );
        }
        for bearer in ["Bear\u{1bca0}er", "Be\u{16fe4}arer", "B\u{1d173}earer"] {
            assert_eq!(clean(bearer.as_bytes()), "Bearer");
        }
    }
}
