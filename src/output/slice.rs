//! A part of a text, by its lines and what stands in them: [`Slice`].
//!
//! Comes in: a text that was cleaned and redacted, and what somebody wants of it. Goes out: a
//! [`TextPart`] that is no longer than an answer, with the line where it goes on. May not take longer
//! than it is given: a pattern is bounded, and the search is linear in the text.
//!
//! Held by the tests below and by `tests/service/kept.rs`.

use regex::bytes::{Regex, RegexBuilder};

use crate::{advice::Advice, excerpt::Excerpt};

/// A longer line counts as several: what cannot be had in one answer could not be had at all.
const LONGEST_LINE: usize = 16 * 1024;
/// The longest pattern, in bytes.
const LONGEST_PATTERN: usize = 256;
/// The most memory of a compiled pattern, and of what a search makes of it as it goes.
const COMPILED: usize = 64 * 1024;
const SEARCH: usize = 1 << 20;

/// What is wanted of a text.
#[derive(Debug)]
pub struct Slice {
    range: LineRange,
    pattern: Option<Regex>,
    /// Whether the pattern is no regular expression, and stands for itself.
    is_literal: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineRange {
    /// From this line to that one, both counted from 1.
    Between(u64, u64),
    /// So many at the end.
    Last(u64),
}

/// A part of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextPart {
    /// Its lines; where a pattern was looked for, each behind its number and a colon.
    pub text: String,
    /// The first and the last line that were looked at.
    pub lines: (u64, u64),
    /// The lines of the whole text.
    pub of_lines: u64,
    /// The lines that match, where a pattern was looked for.
    pub matching: Option<u64>,
    /// The line where it goes on, where an answer had no more room or time.
    pub next: Option<u64>,
    /// Whether the pattern is no regular expression, and stood for itself.
    pub is_literal: bool,
}

impl Slice {
    /// Reads what is wanted: `lines` as `7`, `7-90`, `7-` or `-90` for the last ones, and `grep` as
    /// a regular expression, or as what it says where it is none.
    ///
    /// # Errors
    /// What is neither.
    pub fn read(lines: Option<&str>, grep: Option<&str>) -> Result<Self, Advice> {
        let range = match lines {
            None => LineRange::Between(1, u64::MAX),
            Some(lines) => range(lines).ok_or_else(|| no_lines(lines))?,
        };
        let mut slice = Self {
            range,
            pattern: None,
            is_literal: false,
        };
        let Some(grep) = grep.filter(|grep| !grep.is_empty()) else {
            return Ok(slice);
        };
        let too_large = || {
            let what = format!("the pattern {} is too large", Excerpt::new(grep));
            Advice::new(what, "look for a shorter text")
        };
        if grep.len() > LONGEST_PATTERN {
            return Err(too_large());
        }
        slice.pattern = match compiled(grep) {
            Ok(pattern) => Some(pattern),
            Err(regex::Error::Syntax(_)) => {
                slice.is_literal = true;
                Some(compiled(&regex::escape(grep)).map_err(|_| too_large())?)
            }
            Err(_) => return Err(too_large()),
        };
        Ok(slice)
    }

    /// Whether a pattern is looked for.
    pub fn searches(&self) -> bool {
        self.pattern.is_some()
    }

    /// Returns the part of `text` with at most some `most` bytes, and at least one line; it ends
    /// where `goes_on` says no.
    pub fn of(&self, text: &str, most: usize, goes_on: impl Fn() -> bool) -> TextPart {
        let of_lines = lines(text).count() as u64;
        let (from, to) = match self.range {
            LineRange::Between(from, to) => (from, to.min(of_lines)),
            LineRange::Last(count) => (of_lines.saturating_sub(count) + 1, of_lines),
        };
        let mut part = TextPart {
            lines: (from, to),
            of_lines,
            matching: self.searches().then_some(0),
            is_literal: self.is_literal,
            ..TextPart::default()
        };
        for (number, line) in (1..).zip(lines(text)) {
            if number < from {
                continue;
            }
            if number > to {
                break;
            }
            let shown = self.shown(number, line);
            let length = shown.as_ref().map_or(0, |(at, line)| at.len() + line.len());
            let is_full = !part.text.is_empty() && part.text.len() + length > most;
            if is_full || !goes_on() {
                part.lines.1 = number - 1;
                part.next = Some(number);
                break;
            }
            if let Some((at, line)) = shown {
                part.add(&at, line);
            }
        }
        part
    }

    /// A line as it is shown, behind its number where a pattern was found in it.
    fn shown<'t>(&self, number: u64, line: &'t str) -> Option<(String, &'t str)> {
        match &self.pattern {
            None => Some((String::new(), line)),
            Some(pattern) => {
                let found = pattern.is_match(line.trim_end_matches('\n').as_bytes());
                found.then(|| (format!("{number}:"), line))
            }
        }
    }
}

impl TextPart {
    fn add(&mut self, at: &str, line: &str) {
        if let Some(matching) = &mut self.matching {
            *matching += 1;
            if !self.text.is_empty() && !self.text.ends_with('\n') {
                self.text.push('\n');
            }
        }
        self.text.push_str(at);
        self.text.push_str(line);
    }
}

/// The lines of a text, each with its end; a long one in pieces.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n').flat_map(|line| {
        let mut rest = line;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let mut end = rest.len().min(LONGEST_LINE);
            while !rest.is_char_boundary(end) {
                end -= 1;
            }
            let (piece, after) = rest.split_at(end);
            rest = after;
            Some(piece)
        })
    })
}

fn range(text: &str) -> Option<LineRange> {
    let number = |text: &str| text.parse::<u64>().ok().filter(|number| *number > 0);
    match text.split_once('-') {
        None => number(text).map(|line| LineRange::Between(line, line)),
        Some(("", count)) => number(count).map(LineRange::Last),
        Some((from, "")) => number(from).map(|from| LineRange::Between(from, u64::MAX)),
        Some((from, to)) => {
            let (from, to) = (number(from)?, number(to)?);
            (from <= to).then_some(LineRange::Between(from, to))
        }
    }
}

fn no_lines(text: &str) -> Advice {
    Advice::new(
        format!("{} names no lines", Excerpt::new(text)),
        "write lines=FROM-TO, lines=FROM-, or lines=-COUNT for the last ones",
    )
}

/// Bytes and not characters: a class of all letters would be a thousand times as large.
fn compiled(pattern: &str) -> Result<Regex, regex::Error> {
    let mut builder = RegexBuilder::new(pattern);
    builder.unicode(false).size_limit(COMPILED);
    builder.dfa_size_limit(SEARCH).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> String {
        (1..=1000).map(|n| format!("line {n}\n")).collect()
    }

    fn part(lines: Option<&str>, grep: Option<&str>, most: usize) -> TextPart {
        let slice = Slice::read(lines, grep).unwrap();
        slice.of(&text(), most, || true)
    }

    #[test]
    fn lines_are_those_that_were_asked_for() {
        for (lines, text, between) in [
            ("7", "line 7\n", (7, 7)),
            ("7-8", "line 7\nline 8\n", (7, 8)),
            ("999-", "line 999\nline 1000\n", (999, 1000)),
            ("999-2000", "line 999\nline 1000\n", (999, 1000)),
            ("-1", "line 1000\n", (1000, 1000)),
        ] {
            let found = part(Some(lines), None, 1 << 16);
            assert_eq!(
                (found.text.as_str(), found.lines),
                (text, between),
                "{lines}"
            );
            assert_eq!((found.of_lines, found.next), (1000, None), "{lines}");
        }
        assert_eq!(part(Some("2000-"), None, 1 << 16).text, "");
        for wrong in ["", "x", "0", "0-1", "8-7", "-", "1-2-3", "-0", "1,2"] {
            let refused = Slice::read(Some(wrong), None).unwrap_err();
            assert!(refused.reason.contains("names no lines"), "{wrong}");
        }
    }

    #[test]
    fn parts_that_follow_each_other_are_the_whole() {
        let (mut read, mut from) = (String::new(), 1);
        let mut parts = 0;
        loop {
            let found = part(Some(&format!("{from}-")), None, 300);
            assert!(found.text.len() <= 300 && found.lines.0 == from);
            read += &found.text;
            parts += 1;
            match found.next {
                Some(next) => from = next,
                None => break,
            }
        }
        assert_eq!(read, text());
        assert!(parts > 20, "{parts}");
    }

    #[test]
    fn a_pattern_is_a_regular_expression_or_what_it_says() {
        let found = part(None, Some("line 9[89]$"), 1 << 16);
        assert_eq!(found.text, "98:line 98\n99:line 99\n");
        assert_eq!((found.matching, found.is_literal), (Some(2), false));
        let nothing = part(Some("1-50"), Some("line 9[89]$"), 1 << 16);
        assert_eq!((nothing.text.as_str(), nothing.matching), ("", Some(0)));
        let slice = Slice::read(None, Some("[ERROR")).unwrap();
        let found = slice.of("a\n[ERROR] b", 100, || true);
        assert_eq!(
            (found.text.as_str(), found.is_literal),
            ("2:[ERROR] b", true)
        );
    }

    #[test]
    fn a_pattern_is_bounded_and_so_is_the_time_for_it() {
        let long = "x".repeat(LONGEST_PATTERN + 1);
        for wrong in [long.as_str(), "(((x{1,99}){1,99}){1,99}){1,99}"] {
            let refused = Slice::read(None, Some(wrong)).unwrap_err();
            assert!(refused.reason.ends_with("is too large"), "{refused:?}");
        }
        let slice = Slice::read(None, Some("(a?){20}b")).unwrap();
        let stopped = slice.of(&text(), 100, || false);
        assert_eq!((stopped.next, stopped.lines), (Some(1), (1, 0)));
    }

    #[test]
    fn a_line_longer_than_an_answer_comes_in_pieces() {
        let text = "€".repeat(20_000);
        let slice = |from: u64| Slice::read(Some(&format!("{from}-")), None).unwrap();
        let (mut read, mut from) = (String::new(), 1);
        while let TextPart {
            text: piece,
            next: Some(next),
            ..
        } = slice(from).of(&text, 100, || true)
        {
            assert!(piece.len() <= LONGEST_LINE);
            read += &piece;
            from = next;
        }
        read += &slice(from).of(&text, 100, || true).text;
        assert_eq!(read, text);
    }
}
