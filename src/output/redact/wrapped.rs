//! Base64 over several lines: wrapped as `base64` prints it, or a private key's lines each by itself.

use super::prefix;

/// As `base64` (76), PEM (64) and others wrap, and some.
const LONGEST_LINE: usize = 128;
/// What escapes the end of a line, or indents the next.
const LONGEST_BREAK: usize = 96;
/// The second line of what is wrapped is not shorter.
const SHORTEST_FULL: usize = 40;
/// What may be a word, unless it stands between quotes.
const SHORTEST_RUN: usize = 24;

/// How much of a text is base64 that goes on from before, over the ends of its lines, and whether
/// more may follow: then with the longest line so far.
pub(super) fn take(text: &[u8], mut longest: usize, ended: bool) -> (usize, Option<usize>) {
    let mut taken = run(text);
    loop {
        let rest = text.get(taken..).unwrap_or_default();
        let is_padded = text.get(..taken).is_some_and(|run| run.ends_with(b"="));
        let gap = match line_break(rest, ended) {
            LineBreak::Wait => return (taken, Some(longest)),
            LineBreak::None => return (taken, None),
            LineBreak::Bytes(_) if is_padded => return (taken, None),
            LineBreak::Bytes(gap) => gap,
        };
        let line = rest.get(gap..).unwrap_or_default();
        let length = run(line);
        let behind = line.get(length..).unwrap_or_default();
        if !ended && length <= LONGEST_LINE && matches!(behind, [] | [b'\\' | b'\r']) {
            return (taken, Some(longest)); // it is not known whether this is all of the line
        }
        let fits = match longest {
            0 => (SHORTEST_FULL..=LONGEST_LINE).contains(&length),
            longest => (1..=longest).contains(&length),
        };
        if !fits || !ends_line(behind) {
            return (taken, None);
        }
        taken += gap + length;
        if length < longest {
            return (taken, None); // the last one
        }
        longest = length;
    }
}

/// A piece of what follows the first line of a key whose lines are apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// So many bytes of the key.
    Key(usize),
    /// So many bytes that are none.
    Text(usize),
    /// It is not read far enough.
    Wait,
    /// The key has ended.
    End,
}

/// The next piece.
pub(super) fn next(text: &[u8], ended: bool) -> Piece {
    const END: &[u8] = b"-----END";
    if text.is_empty() {
        return if ended { Piece::End } else { Piece::Wait };
    }
    let length = run(text);
    if length == 0 {
        let dashes = text.iter().take_while(|byte| **byte == b'-').count();
        if dashes >= 5 {
            let text = text.get(dashes - 5..).unwrap_or_default();
            return match (text.starts_with(END), END.starts_with(text) && !ended) {
                (true, _) => Piece::End,
                (false, true) => Piece::Wait,
                (false, false) => Piece::Text(dashes),
            };
        }
        if dashes == text.len() && !ended {
            return Piece::Wait;
        }
        // With what stands before it, so that a run knows whether it is in quotes.
        let others = text
            .iter()
            .take_while(|byte| !is_base64(**byte) && **byte != b'-')
            .count();
        return Piece::Text(others.max(dashes).max(1));
    }
    let behind = text.get(length..).unwrap_or_default();
    match behind.first() {
        None if !ended && length < LONGEST_LINE => Piece::Wait,
        _ if length >= SHORTEST_RUN => Piece::Key(length),
        // The last line, or a key of JSON, which is one word.
        Some(b'"' | b'\'' | b'\\') if !is_word(text.get(..length).unwrap_or_default()) => {
            Piece::Key(length)
        }
        _ => Piece::Text(length),
    }
}

/// Whether a string ends here, with the end of its line in it.
pub(super) fn is_string_end(text: &[u8]) -> bool {
    let backslashes = text.iter().take_while(|byte| **byte == b'\\').count();
    match text.get(backslashes..) {
        Some([b'n', rest @ ..]) => {
            let more = rest.iter().take_while(|byte| **byte == b'\\').count();
            matches!(rest.get(more), Some(b'"' | b'\''))
        }
        _ => false,
    }
}

fn ends_line(behind: &[u8]) -> bool {
    matches!(
        behind.first(),
        None | Some(b'\n' | b'\r' | b'\\' | b'"' | b'\'')
    )
}

enum LineBreak {
    None,
    Bytes(usize),
    /// It is not read far enough.
    Wait,
}

/// The end of a line, as it is or as it is escaped in strings in strings, and what stands before the
/// text of the next.
fn line_break(text: &[u8], ended: bool) -> LineBreak {
    let wait = match ended {
        true => LineBreak::None,
        false => LineBreak::Wait,
    };
    let escapes = text.iter().take_while(|byte| **byte == b'\\').count();
    let end = match (escapes, text.get(escapes..).unwrap_or_default()) {
        (_, []) | (0, [b'\r']) if escapes < LONGEST_BREAK => return wait,
        (0, [b'\r', b'\n', ..]) => 2,
        (0, [b'\n', ..]) => 1,
        (1.., [b'n', ..]) => escapes + 1,
        _ => return LineBreak::None,
    };
    let next = text.get(end..).unwrap_or_default();
    let prefix = match prefix::beginning(next) {
        prefix::Beginning::Prefix(length) => length,
        prefix::Beginning::Wait => return wait,
    };
    let next = next.get(prefix..).unwrap_or_default();
    let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\t');
    let blanks = next.iter().take_while(is_blank).count();
    if blanks > LONGEST_BREAK {
        LineBreak::None
    } else if blanks == next.len() {
        wait
    } else {
        LineBreak::Bytes(end + prefix + blanks)
    }
}

fn run(text: &[u8]) -> usize {
    text.iter().take_while(|byte| is_base64(**byte)).count()
}

fn is_word(run: &[u8]) -> bool {
    run.iter().all(u8::is_ascii_lowercase)
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_lines_go_on_and_other_lines_do_not() {
        let full = "A".repeat(76);
        for (text, taken) in [
            (
                format!("QUJD\n{full}\n{full}\nQUJDRA==\nother: x\n"),
                4 + 1 + 77 + 76 + 1 + 8,
            ),
            (
                format!("QUJD\n  {full}\n  {full}\n  QUJD\n  done\n"),
                4 + 3 + 76 + 3 + 76 + 3 + 4,
            ),
            (
                format!("QUJD\\n{full}\\n{full}\\nQUJD\",\"x\""),
                4 + 2 + 76 + 2 + 76 + 2 + 4,
            ),
            ("QUJD\ndone\n".into(), 4),
            (format!("QUJDRA==\n{full}\n"), 8),
            (format!("QUJD\nother: {full}\n"), 4),
        ] {
            assert_eq!(take(text.as_bytes(), 0, true), (taken, None), "{text}");
        }
    }
}
