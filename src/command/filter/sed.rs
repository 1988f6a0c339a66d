//! A script of sed's, as far as busybox 1.35 reads it (editors/sed.c): what reads, writes or runs
//! is refused.

use std::{iter::Peekable, str::Chars};

use super::error::FilterError;
use crate::excerpt::Excerpt;

type ScriptRest<'a> = Peekable<Chars<'a>>;

/// Reads one script to its end.
///
/// # Errors
/// The first command that does more than edit, or that is not understood.
pub(super) fn read(script: &str) -> Result<(), FilterError> {
    let mut rest = script.chars().peekable();
    while let Some(&next) = rest.peek() {
        match next {
            ' ' | '\t' | '\n' | ';' | '{' | '}' => drop(rest.next()),
            '#' => while rest.next_if(|next| *next != '\n').is_some() {},
            _ => command(&mut rest)?,
        }
    }
    Ok(())
}

fn wrong(construct: &str, why: &'static str) -> FilterError {
    FilterError::Script {
        filter: "sed",
        construct: Excerpt::new(construct),
        why,
    }
}

/// Addresses, then one letter and what belongs to it.
fn command(rest: &mut ScriptRest<'_>) -> Result<(), FilterError> {
    if address(rest)? {
        blanks(rest);
        if rest.next_if_eq(&',').is_some() {
            blanks(rest);
            rest.next_if(|next| matches!(next, '+' | '~'));
            if !address(rest)? {
                return Err(wrong(",", "the second address is missing"));
            }
        }
    }
    while rest
        .next_if(|next| matches!(next, ' ' | '\t' | '!'))
        .is_some()
    {}
    let Some(letter) = rest.next() else {
        return Err(wrong("", "an address stands without a command"));
    };
    match letter {
        '{' | '}' | '=' | 'd' | 'D' | 'g' | 'G' | 'h' | 'H' | 'n' | 'N' | 'p' | 'P' | 'x' => Ok(()),
        'l' | 'q' | 'Q' => {
            blanks(rest);
            digits(rest);
            Ok(())
        }
        // Text: to the end of its line, which a backslash takes away.
        'a' | 'i' | 'c' => {
            let mut is_escaped = false;
            while let Some(next) = rest.next_if(|next| *next != '\n' || is_escaped) {
                is_escaped = next == '\\' && !is_escaped;
            }
            Ok(())
        }
        ':' | 'b' | 't' | 'T' => {
            blanks(rest);
            while rest
                .next_if(|next| !matches!(next, ';' | ' ' | '\t' | '\n' | '}'))
                .is_some()
            {}
            Ok(())
        }
        's' => {
            let delimiter = delimiter(rest)?;
            to_delimiter(rest, delimiter, true)?;
            to_delimiter(rest, delimiter, false)?;
            flags(rest)
        }
        'y' => {
            let delimiter = delimiter(rest)?;
            to_delimiter(rest, delimiter, false)?;
            to_delimiter(rest, delimiter, false)
        }
        'r' | 'R' => Err(wrong(&letter.to_string(), "it reads a file")),
        'w' | 'W' => Err(wrong(&letter.to_string(), "it writes a file")),
        'e' => Err(wrong("e", "it runs a program")),
        other => Err(wrong(&other.to_string(), "there is no such command")),
    }
}

/// Behind `s/a/b/`.
fn flags(rest: &mut ScriptRest<'_>) -> Result<(), FilterError> {
    while let Some(&next) = rest.peek() {
        match next {
            'g' | 'p' | 'i' | 'I' | 'm' | 'M' | '0'..='9' => drop(rest.next()),
            'e' => return Err(wrong("s///e", "it runs a program")),
            'w' => return Err(wrong("s///w", "it writes a file")),
            ' ' | '\t' | '\n' | ';' | '}' | '#' => return Ok(()),
            other => return Err(wrong(&format!("s///{other}"), "there is no such flag")),
        }
    }
    Ok(())
}

/// Whether an address stood there.
fn address(rest: &mut ScriptRest<'_>) -> Result<bool, FilterError> {
    match rest.peek() {
        Some('0'..='9') => {
            digits(rest);
            if rest.next_if_eq(&'~').is_some() {
                digits(rest);
            }
            Ok(true)
        }
        Some('$') => {
            rest.next();
            Ok(true)
        }
        Some('/') => {
            rest.next();
            to_delimiter(rest, '/', true)?;
            while rest.next_if(|next| matches!(next, 'I' | 'M')).is_some() {}
            Ok(true)
        }
        Some('\\') => {
            rest.next();
            let delimiter = delimiter(rest)?;
            to_delimiter(rest, delimiter, true)?;
            while rest.next_if(|next| matches!(next, 'I' | 'M')).is_some() {}
            Ok(true)
        }
        _ => Ok(false),
    }
}

fn delimiter(rest: &mut ScriptRest<'_>) -> Result<char, FilterError> {
    match rest.next() {
        Some(character)
            if character.is_ascii_punctuation() && !matches!(character, '\\' | '[' | ';') =>
        {
            Ok(character)
        }
        Some(character) => Err(wrong(
            &character.to_string(),
            "it cannot separate; use / or |",
        )),
        None => Err(wrong("", "it ends too early")),
    }
}

/// To the next delimiter that no backslash stands before. Inside of `[...]` seds disagree about it.
fn to_delimiter(
    rest: &mut ScriptRest<'_>,
    delimiter: char,
    is_pattern: bool,
) -> Result<(), FilterError> {
    while let Some(character) = rest.next() {
        match character {
            '\\' => drop(rest.next()),
            '[' if is_pattern => {
                rest.next_if_eq(&'^');
                let mut first = true;
                loop {
                    match rest.next() {
                        None => return Err(wrong("[", "it is not closed")),
                        Some(']') if !first => break,
                        Some(inside) if inside == delimiter => {
                            return Err(wrong(
                                &format!("[{delimiter}"),
                                "seds disagree about it; use another delimiter",
                            ));
                        }
                        Some('\\') => {
                            return Err(wrong(
                                r"[\",
                                "seds disagree about it; put the character outside of [ ]",
                            ));
                        }
                        Some('[') => {
                            // [:alpha:], [.x.], [=x=]
                            if let Some(kind) = rest.next_if(|next| matches!(next, ':' | '.' | '='))
                            {
                                while rest
                                    .next_if(|next| *next != kind && *next != delimiter)
                                    .is_some()
                                {}
                                if rest.next() != Some(kind) || rest.next() != Some(']') {
                                    return Err(wrong(
                                        "[",
                                        "the class of characters is not closed",
                                    ));
                                }
                            }
                        }
                        Some(_) => {}
                    }
                    first = false;
                }
            }
            character if character == delimiter => return Ok(()),
            _ => {}
        }
    }
    Err(wrong("", "it ends too early: a delimiter is missing"))
}

fn blanks(rest: &mut ScriptRest<'_>) {
    while rest.next_if(|next| matches!(next, ' ' | '\t')).is_some() {}
}

fn digits(rest: &mut ScriptRest<'_>) {
    while rest.next_if(char::is_ascii_digit).is_some() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_that_edit_are_read() {
        for script in [
            "s/a/b/",
            "s|/|-|g",
            "1d",
            "$!N;s/\\n/ /",
            "/Running/!p",
            "2,5p",
            "/a/,/b/{s/x/y/;p}",
            "/a/,+2d",
            "1~2d",
            "\\,x,Id",
            "s/[^/]*$//",
            "s#[/]#-#2p",
            "s/[[:space:]]*$//",
            ":a;N;$!ba;s/\\n/,/g",
            "y/abc/ABC/",
            "5q",
            "a text that e and w",
            "s/a\\/b/c/",
            "n;d",
            "s/a/b/;# w x",
            "",
            "=",
            "/[[:alpha:]_]/p",
            "s/\\[x\\]/[y]/",
        ] {
            let found = read(script);
            // GNU reads the one, busybox the other.
            let disagree = script == "s/[^/]*$//";
            assert_eq!(found.is_err(), disagree, "{script}: {found:?}");
        }
    }

    #[test]
    fn scripts_that_read_write_or_run_are_refused() {
        for (script, construct, why) in [
            ("1e id", "e", "it runs a program"),
            ("e", "e", "it runs a program"),
            ("s/a/id/e", "s///e", "it runs a program"),
            ("s/a/b/w /tmp/x", "s///w", "it writes a file"),
            ("s/a/b/gpw /tmp/x", "s///w", "it writes a file"),
            ("w /tmp/x", "w", "it writes a file"),
            ("/a/{p;W x\n}", "W", "it writes a file"),
            ("r /etc/passwd", "r", "it reads a file"),
            ("$R /etc/passwd", "R", "it reads a file"),
            ("/a/I,/b/!{ r x", "r", "it reads a file"),
            ("s/[[:digit:]]/x/;w x", "w", "it writes a file"),
            ("y/w/e/;r x", "r", "it reads a file"),
            (":a;r x", "r", "it reads a file"),
            ("b a;r x", "r", "it reads a file"),
            ("F", "F", "there is no such command"),
        ] {
            assert_eq!(read(script), Err(wrong(construct, why)), "{script}");
        }
        for script in ["s/a/b", "s/[a/b/", "1,", "s;a;b;", "/a", "s"] {
            assert!(
                matches!(read(script), Err(FilterError::Script { .. })),
                "{script}"
            );
        }
    }
}
