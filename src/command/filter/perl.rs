//! A pattern of Perl's (`grep -P`) -> the same pattern for `grep -E`, where that can say it.
//!
//! busybox has no Perl patterns, and what people write of them is mostly `\d`, `\w` and `\s`. What would match
//! something else, or another length of it, is refused by name: a count that is wrong looks like one that is
//! right. busybox's `-E` is the C library's: `\b` and back references are known to it.

use std::{iter::Peekable, str::Chars};

use super::error::FilterError;
use crate::excerpt::Excerpt;

/// The pattern for `grep -E`, and whether case is ignored.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Extended {
    pub(super) pattern: String,
    pub(super) ignores_case: bool,
}

type PatternRest<'a> = Peekable<Chars<'a>>;

/// Translates one pattern.
///
/// # Errors
/// The first thing in it that `-E` cannot say.
pub(super) fn extended(pattern: &str) -> Result<Extended, FilterError> {
    let (ignores_case, plain) = match pattern.strip_prefix("(?i)") {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let mut rest = plain.chars().peekable();
    let mut pattern = String::new();
    while let Some(character) = rest.next() {
        match character {
            '\\' => escape(&mut rest, &mut pattern)?,
            '[' => bracket(&mut rest, &mut pattern)?,
            '(' if rest.next_if_eq(&'?').is_some() => {
                // Without back references a group that is not kept is one that is.
                if rest.next_if_eq(&':').is_none() || has_back_reference(plain) {
                    return Err(wrong("(?"));
                }
                pattern.push('(');
            }
            '*' | '+' | '?' | '}' => {
                pattern.push(character);
                // Lazy and possessive: another length of match.
                if let Some(&next @ ('?' | '+')) = rest.peek() {
                    return Err(wrong(&format!("{character}{next}")));
                }
            }
            _ => pattern.push(character),
        }
    }
    Ok(Extended {
        pattern,
        ignores_case,
    })
}

fn wrong(construct: &str) -> FilterError {
    FilterError::PerlPattern {
        construct: Excerpt::new(construct),
    }
}

fn has_back_reference(pattern: &str) -> bool {
    pattern
        .as_bytes()
        .windows(2)
        .any(|pair| pair.first() == Some(&b'\\') && pair.get(1).is_some_and(u8::is_ascii_digit))
}

/// What stands behind a backslash, outside of brackets.
fn escape(rest: &mut PatternRest<'_>, pattern: &mut String) -> Result<(), FilterError> {
    let Some(letter) = rest.next() else {
        return Err(wrong("\\"));
    };
    match letter {
        'd' => pattern.push_str("[0-9]"),
        'D' => pattern.push_str("[^0-9]"),
        'w' => pattern.push_str("[[:alnum:]_]"),
        'W' => pattern.push_str("[^[:alnum:]_]"),
        's' => pattern.push_str("[[:space:]]"),
        'S' => pattern.push_str("[^[:space:]]"),
        't' => pattern.push('\t'),
        'b' | '1'..='9' => pattern.extend(['\\', letter]),
        '.' | '[' | ']' | '(' | ')' | '*' | '+' | '?' | '{' | '}' | '|' | '^' | '$' | '\\' => {
            pattern.extend(['\\', letter]);
        }
        // Of these an escape makes nothing else in Perl, and anything in -E.
        letter if letter.is_ascii_punctuation() || letter == ' ' => pattern.push(letter),
        letter => return Err(wrong(&format!("\\{letter}"))),
    }
    Ok(())
}

/// What stands behind a `[`, up to its `]`: there -E reads no escapes.
fn bracket(rest: &mut PatternRest<'_>, pattern: &mut String) -> Result<(), FilterError> {
    pattern.push('[');
    pattern.extend(rest.next_if_eq(&'^'));
    // A `]` that comes first is one of the characters.
    pattern.extend(rest.next_if_eq(&']'));
    while let Some(character) = rest.next() {
        match character {
            ']' => {
                pattern.push(']');
                return Ok(());
            }
            '[' if rest.peek() == Some(&':') => {
                pattern.push('[');
                // `[:alpha:]`, to its own end.
                while let Some(of_class) = rest.next() {
                    pattern.push(of_class);
                    if of_class == ':' && rest.peek() == Some(&']') {
                        pattern.extend(rest.next());
                        break;
                    }
                }
            }
            '\\' => {
                let Some(letter) = rest.next() else { break };
                match letter {
                    'd' => pattern.push_str("0-9"),
                    'w' => pattern.push_str("[:alnum:]_"),
                    's' => pattern.push_str("[:space:]"),
                    't' => pattern.push('\t'),
                    // Where they stand is what they mean.
                    ']' | '^' | '-' | '[' => return Err(wrong(&format!("[\\{letter}]"))),
                    letter if letter.is_ascii_punctuation() => pattern.push(letter),
                    letter => return Err(wrong(&format!("[\\{letter}]"))),
                }
            }
            character => pattern.push(character),
        }
    }
    Err(wrong("["))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_extended_patterns_can_say_is_said_in_them() {
        for (perl, pattern) in [
            (r"web-\d+", "web-[0-9]+"),
            (
                r"\w+\s*=\s*\S+",
                "[[:alnum:]_]+[[:space:]]*=[[:space:]]*[^[:space:]]+",
            ),
            (r"[\w.-]+@[^\s,]+", "[[:alnum:]_.-]+@[^[:space:],]+"),
            (r"\berror\b|\bfatal\b", r"\berror\b|\bfatal\b"),
            (r"(?:GET|POST) \/api\/v\d", "(GET|POST) /api/v[0-9]"),
            (r"^\d{1,3}(\.\d{1,3}){3}$", r"^[0-9]{1,3}(\.[0-9]{1,3}){3}$"),
            (r"(\w)\1", r"([[:alnum:]_])\1"),
            (r"[]a]\\[[:alpha:]]", r"[]a]\\[[:alpha:]]"),
            (r#"\"level\":\"error\""#, r#""level":"error""#),
        ] {
            assert_eq!(
                extended(perl).map(|read| read.pattern),
                Ok(pattern.to_owned()),
                "{perl}"
            );
        }
        assert_eq!(
            extended("(?i)oom"),
            Ok(Extended {
                pattern: "oom".into(),
                ignores_case: true
            })
        );
    }

    #[test]
    fn what_would_match_something_else_is_refused_by_name() {
        for (perl, construct) in [
            (r"name=\K\w+", "\\K"),
            (r"(?<=a)b", "(?"),
            (r"(?!a)b", "(?"),
            (r"a.*?b", "*?"),
            (r"a++", "++"),
            (r"\x41", "\\x"),
            (r"[\D]", "[\\D]"),
            (r"[a\-z]", "[\\-]"),
            (r"(?:a)(b)\1", "(?"),
            ("[a", "["),
            ("a\\", "\\"),
        ] {
            assert_eq!(extended(perl), Err(wrong(construct)), "{perl}");
        }
    }
}
