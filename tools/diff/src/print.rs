//! The words of GNU diff: names, times, hunks. Pure but for the writing.
//!
//! Held by `tests/gnu.rs`.

use std::{
    fmt::{self, Display, Write as _},
    io::{self, Write},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use crate::script::Change;

/// Lines around a change; what `-u` has without a number.
const CONTEXT: usize = 3;

/// How differences are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Without options: `3c3`, `< old`, `---`, `> new`.
    Normal,
    /// With `-u`.
    Unified,
}

impl Format {
    /// How many unchanged lines are shown before and after a change.
    pub fn context(self) -> usize {
        match self {
            Self::Normal => 0,
            Self::Unified => CONTEXT,
        }
    }
}

/// One of the two files.
pub struct Side {
    /// As it is named in the output.
    pub path: PathBuf,
    /// When it was changed, in seconds since 1970.
    pub seconds: i64,
    /// And nanoseconds.
    pub nanoseconds: i64,
    /// All of it.
    pub bytes: Vec<u8>,
}

impl Side {
    /// A file that only the other directory has: empty, and from the beginning of time.
    pub fn absent(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            seconds: 0,
            nanoseconds: 0,
            bytes: Vec::new(),
        }
    }
}

/// A name as GNU diff prints it in the C locale: in quotes where it has a space, a quote, a
/// backslash, or a byte that is not printable ASCII. A newline in an object's name cannot make a
/// line of its own.
pub fn name(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes();
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    if bytes.iter().all(|&byte| plain(byte)) {
        return bytes.iter().map(|&byte| char::from(byte)).collect();
    }
    let mut quoted = String::from('"');
    for &byte in bytes {
        let letter = match byte {
            b'\x07' => 'a',
            b'\x08' => 'b',
            b'\t' => 't',
            b'\n' => 'n',
            b'\x0b' => 'v',
            b'\x0c' => 'f',
            b'\r' => 'r',
            b'"' | b'\\' => char::from(byte),
            b' ' => {
                quoted.push(' ');
                continue;
            }
            _ if plain(byte) => {
                quoted.push(char::from(byte));
                continue;
            }
            _ => {
                let _ = write!(quoted, "\\{byte:03o}");
                continue;
            }
        };
        quoted.push('\\');
        quoted.push(letter);
    }
    quoted.push('"');
    quoted
}

/// `2026-11-23 00:54:23.667207905 +0000`.
struct Time(i64, i64);

impl Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(seconds, nanoseconds) = self;
        let (year, month, day) = date(seconds.div_euclid(86_400));
        let second = seconds.rem_euclid(86_400);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{nanoseconds:09} +0000"
        )
    }
}

/// Days since 1970-01-01 -> year, month, day. Years are counted from March on, so that a leap day
/// is a year's last.
fn date(days: i64) -> (i64, i64, i64) {
    const DAYS_IN_400_YEARS: i64 = 146_097;
    let days = days + 719_468; // from 0000-03-01 to 1970-01-01
    let (era, day) = (
        days.div_euclid(DAYS_IN_400_YEARS),
        days.rem_euclid(DAYS_IN_400_YEARS),
    );
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153; // months of 31, 30, 31, 30, 31 days are 153 together
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 {
        (year, month + 3)
    } else {
        (year + 1, month - 9)
    };
    (era * 400 + year, month, day)
}

/// Writes lines with a mark before each, and says so where a file ends without a newline.
fn marked(out: &mut dyn Write, mark: &str, lines: Option<&[&[u8]]>) -> io::Result<()> {
    for line in lines.unwrap_or_default() {
        out.write_all(mark.as_bytes())?;
        out.write_all(line)?;
        if !line.ends_with(b"\n") {
            out.write_all(b"\n\\ No newline at end of file\n")?;
        }
    }
    Ok(())
}

/// Differences as `diff` writes them without options.
///
/// # Errors
/// When `out` takes no more.
pub fn normal(
    out: &mut dyn Write,
    old: &[&[u8]],
    new: &[&[u8]],
    changes: &[Change],
) -> io::Result<()> {
    // `3` or `3,5`; where there are no lines, the line before.
    let lines = |start: usize, end: usize| {
        if end > start + 1 {
            format!("{},{end}", start + 1)
        } else {
            format!("{end}")
        }
    };
    for Change { old: was, new: is } in changes {
        let action = match (was.is_empty(), is.is_empty()) {
            (true, _) => 'a',
            (_, true) => 'd',
            _ => 'c',
        };
        writeln!(
            out,
            "{}{action}{}",
            lines(was.start, was.end),
            lines(is.start, is.end)
        )?;
        marked(out, "< ", old.get(was.clone()))?;
        if action == 'c' {
            out.write_all(b"---\n")?;
        }
        marked(out, "> ", new.get(is.clone()))?;
    }
    Ok(())
}

/// Differences as `diff -u` writes them.
///
/// # Errors
/// When `out` takes no more.
pub fn unified(
    out: &mut dyn Write,
    (was, old): (&Side, &[&[u8]]),
    (is, new): (&Side, &[&[u8]]),
    changes: &[Change],
) -> io::Result<()> {
    for (mark, side) in [("---", was), ("+++", is)] {
        writeln!(
            out,
            "{mark} {}\t{}",
            name(&side.path),
            Time(side.seconds, side.nanoseconds)
        )?;
    }
    // Changes whose context would meet share a hunk.
    for hunk in changes.chunk_by(|before, after| after.old.start - before.old.end <= 2 * CONTEXT) {
        let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else {
            continue;
        };
        let before = CONTEXT.min(first.old.start);
        let after = CONTEXT.min(old.len() - last.old.end);
        let range = |start: usize, end: usize| match end - start {
            0 => format!("{start},0"),
            1 => format!("{end}"),
            length => format!("{},{length}", start + 1),
        };
        let old_range = range(first.old.start - before, last.old.end + after);
        let new_range = range(first.new.start - before, last.new.end + after);
        writeln!(out, "@@ -{old_range} +{new_range} @@")?;
        let mut shown = first.old.start - before;
        for change in hunk {
            marked(out, " ", old.get(shown..change.old.start))?;
            marked(out, "-", old.get(change.old.clone()))?;
            marked(out, "+", new.get(change.new.clone()))?;
            shown = change.old.end;
        }
        marked(out, " ", old.get(shown..shown + after))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_utc_to_the_nanosecond() {
        for (seconds, nanoseconds, text) in [
            (0, 0, "1970-01-01 00:00:00.000000000 +0000"),
            (-1, 999_999_999, "1969-12-31 23:59:59.999999999 +0000"),
            (951_782_399, 1, "2000-02-28 23:59:59.000000001 +0000"),
            (951_782_400, 0, "2000-02-29 00:00:00.000000000 +0000"),
            (4_107_542_400, 0, "2100-03-01 00:00:00.000000000 +0000"),
            (
                1_795_395_263,
                667_207_905,
                "2026-11-23 00:54:23.667207905 +0000",
            ),
        ] {
            assert_eq!(Time(seconds, nanoseconds).to_string(), text);
        }
    }
}
