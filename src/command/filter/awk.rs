//! A program of awk's: what reads a file, writes one or runs a program is refused.
//!
//! awk has no grammar that a token at a time could follow (`/` divides or begins a pattern), so
//! this looks for words and operators, and rather refuses what it is in doubt about.

use super::error::FilterError;
use crate::excerpt::Excerpt;

/// Reads a program to its end.
///
/// # Errors
/// The first thing in it that does more than compute and print.
pub(super) fn read(program: &str) -> Result<(), FilterError> {
    // Wherever it stands: what looks like a string or a pattern here may be code there.
    let mut from = 0;
    while let Some(at) = program.get(from..).and_then(|rest| rest.find("system")) {
        from += at + "system".len();
        if program
            .get(from..)
            .unwrap_or_default()
            .trim_start_matches([' ', '\t'])
            .starts_with('(')
        {
            return Err(wrong("system()", "it runs a program"));
        }
    }
    let tokens = tokens(program)?;
    // How many parentheses are open, and how many were where the `print` began whose words are
    // being read.
    let (mut depth, mut printing) = (0_usize, None);
    for (at, token) in tokens.iter().enumerate() {
        match token {
            AwkToken::Word("print" | "printf") => printing = Some(depth),
            AwkToken::Word("getline") => plain_getline(tokens.get(at + 1..).unwrap_or_default())?,
            AwkToken::Word("ARGV" | "ARGC") => return Err(wrong("ARGV", "it names files to read")),
            AwkToken::Sign("@") => return Err(wrong("@", "it reads a file")),
            AwkToken::Sign("|" | "|&") => return Err(wrong("|", "it runs a program")),
            AwkToken::Sign(">" | ">>") if printing == Some(depth) => {
                return Err(wrong(
                    "print >",
                    "it writes a file; put a comparison in parentheses",
                ));
            }
            AwkToken::Sign("(" | "[") => depth += 1,
            AwkToken::Sign(")" | "]") => depth = depth.saturating_sub(1),
            AwkToken::Sign(";" | "{" | "}") => printing = None,
            _ => {}
        }
    }
    Ok(())
}

fn wrong(construct: &str, why: &'static str) -> FilterError {
    FilterError::Script {
        filter: "awk",
        construct: Excerpt::new(construct),
        why,
    }
}

/// `getline` and `getline x` read on; with `<` they read a file.
fn plain_getline(behind: &[AwkToken<'_>]) -> Result<(), FilterError> {
    let behind = match behind {
        [AwkToken::Word(_), rest @ ..] => rest,
        all => all,
    };
    match behind.first() {
        None | Some(AwkToken::Sign(";" | "}" | ")" | "{" | "&&" | "||") | AwkToken::Word(_)) => {
            Ok(())
        }
        Some(AwkToken::Sign(">")) => Ok(()), // (getline line) > 0, in parentheses or not
        _ => Err(wrong("getline <", "it reads a file")),
    }
}

#[derive(Debug, PartialEq)]
enum AwkToken<'p> {
    Word(&'p str),
    /// A string, a pattern or a number.
    Data,
    Sign(&'p str),
}

/// After these an operand comes, so that `/` begins a pattern.
const KEYWORDS: [&str; 14] = [
    "BEGIN", "END", "case", "delete", "do", "else", "exit", "if", "in", "print", "printf",
    "return", "while", "for",
];

const SIGNS: [&str; 18] = [
    "|&", "||", "&&", ">>", "<=", ">=", "==", "!=", "!~", "++", "--", "+=", "-=", "*=", "%=", "^=",
    "**", "\\\n",
];

fn tokens(program: &str) -> Result<Vec<AwkToken<'_>>, FilterError> {
    let mut tokens = Vec::new();
    let mut rest = program;
    let mut after_operand = false;
    while let Some(first) = rest.chars().next() {
        let of_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let (length, token) = if first.is_whitespace() {
            (first.len_utf8(), None)
        } else if first == '#' {
            let length = rest.find('\n').unwrap_or(rest.len());
            (length, None)
        } else if of_word(first) {
            let length = rest
                .find(|character| !of_word(character))
                .unwrap_or(rest.len());
            let word = rest.get(..length).unwrap_or_default();
            (
                length,
                Some(if first.is_ascii_digit() {
                    AwkToken::Data
                } else {
                    AwkToken::Word(word)
                }),
            )
        } else if first == '"' || first == '/' && !after_operand {
            (quoted(rest, first)?, Some(AwkToken::Data))
        } else {
            let sign = SIGNS
                .into_iter()
                .find(|sign| rest.starts_with(sign))
                .map_or(first.len_utf8(), str::len);
            (sign, rest.get(..sign).map(AwkToken::Sign))
        };
        if first == '\n' {
            after_operand = false; // a line begins with a pattern or a word
        }
        if let Some(token) = token {
            after_operand = match &token {
                AwkToken::Data => true,
                AwkToken::Word(word) => !KEYWORDS.contains(word),
                AwkToken::Sign(sign) => matches!(*sign, ")" | "]" | "++" | "--" | "$"),
            };
            tokens.push(token);
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(tokens)
}

/// The length of a string or pattern, both delimiters included.
fn quoted(text: &str, delimiter: char) -> Result<usize, FilterError> {
    let mut characters = text.char_indices().skip(1);
    let mut in_brackets = false;
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            // In a bracket awks disagree about the delimiter.
            '[' if delimiter == '/' => in_brackets = true,
            ']' => in_brackets = false,
            character if character == delimiter && in_brackets => {
                return Err(wrong("[/]", r"awks disagree about it; write [\/]"));
            }
            character if character == delimiter => return Ok(at + 1),
            _ => {}
        }
    }
    Err(wrong(&delimiter.to_string(), "it is not closed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_that_compute_and_print_are_read() {
        for program in [
            "{print $1}",
            "NR>1 {print $1, $3}",
            "$4 > 5",
            "$5 ~ /[0-9]+d/ && $3 != \"Running\" {print $1\"/\"$2}",
            "{a[$1]++} END {for (k in a) print k, a[k]}",
            "BEGIN{FS=\":\"} {printf \"%s|%s\\n\", $1, $2}",
            "{print ($1 > 5)}",
            "{print ($1 > 5 ? \"big\" : \"small\")}",
            "{if ($2/$3 > 0.5) print $0}",
            "!seen[$0]++",
            "{print a || b}",
            "{gsub(/a|b/, \"x\"); print}",
            "{getline; print}",
            "{getline line; print line}",
            "/Evicted|Error/ {n++} END {print n+0}",
            "{print \"system is > up | down\"}",
            "{print $NF} # > x",
            "{system = 1; print system}",
        ] {
            assert_eq!(read(program), Ok(()), "{program}");
        }
    }

    #[test]
    fn programs_that_read_write_or_run_are_refused() {
        for (program, construct) in [
            ("BEGIN{system(\"id\")}", "system()"),
            ("BEGIN{system (\"id\")}", "system()"),
            ("BEGIN{if (1) /\"/; system(\"id\"); /\"/}", "system()"),
            ("BEGIN{\"id\" | getline x; print x}", "|"),
            ("{print | \"sh\"}", "|"),
            ("{print $1 |& \"sh\"}", "|"),
            ("{print > \"/tmp/x\"}", "print >"),
            ("{print $1, $2 >> \"/tmp/x\"}", "print >"),
            ("{printf(\"%s\", $1) > \"/tmp/x\"}", "print >"),
            ("{print a[1] > f}", "print >"),
            (
                "BEGIN{while ((getline line < \"/etc/passwd\") > 0) print line}",
                "getline <",
            ),
            ("BEGIN{getline < \"/etc/passwd\"; print}", "getline <"),
            ("BEGIN{getline a[1] < \"/etc/passwd\"}", "getline <"),
            ("@load \"filefuncs\"", "@"),
            ("BEGIN{ARGV[1]=\"/etc/passwd\"; ARGC=2}", "ARGV"),
            ("/[/]/", "[/]"),
            ("{print \"x}", "\""),
        ] {
            assert!(
                matches!(read(program), Err(FilterError::Script { construct: ref found, .. }) if *found == Excerpt::new(construct)),
                "{program}: {:?}",
                read(program)
            );
        }
    }
}
