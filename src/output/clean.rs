//! Bytes -> text that steers nothing: no terminal escapes, no invisible or reordering characters.

use crate::excerpt::is_invisible;

/// Valid UTF-8 of `bytes`, without C0 and C1 controls (but newline and tab), escape sequences,
/// bidirectional controls, zero-width and other invisible characters. Invalid bytes become U+FFFD.
pub fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\n' | '\t' => out.push(character),
            '\u{1b}' => skip_escape(&mut characters),
            '\r' if characters.peek() == Some(&'\n') => {}
            '\u{9b}' => skip_control_sequence(&mut characters),
            character if character.is_control() || is_invisible(character) => {}
            character => out.push(character),
        }
    }
    out
}

/// Skips what follows an ESC: a control sequence, a string (OSC, DCS, APC, PM, SOS), or one character.
fn skip_escape(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match characters.peek() {
        Some('[') => {
            characters.next();
            skip_control_sequence(characters);
        }
        Some(']' | 'P' | '_' | '^' | 'X') => {
            // Ends at BEL or ST; a newline ends it too, so that one ESC cannot swallow the output.
            while let Some(&character) = characters.peek() {
                if character == '\n' {
                    break;
                }
                characters.next();
                if matches!(character, '\u{7}' | '\u{9c}') {
                    break;
                }
                if character == '\u{1b}' {
                    characters.next_if_eq(&'\\');
                    break;
                }
            }
        }
        Some(' '..='~') => {
            characters.next();
        }
        _ => {}
    }
}

/// Skips parameters and intermediates up to the final byte (ECMA-48, 5.4).
fn skip_control_sequence(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while characters.next_if(|character| (' '..='?').contains(character)).is_some() {}
    characters.next_if(|character| ('@'..='~').contains(character));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_left_alone() {
        assert_eq!(clean("NAME\tREADY\nwéb-0 ✔ 日本\n".as_bytes()), "NAME\tREADY\nwéb-0 ✔ 日本\n");
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
}
