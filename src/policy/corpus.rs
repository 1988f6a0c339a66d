//! Command lines from files: plain lines, audit records, and tables of cases.

use shlex::QuoteError;

/// A command line, and what a table says should be decided about it.
#[derive(Debug)]
pub struct Case {
    /// The command line, with its tool's name in front.
    pub command: String,
    /// `allow`, `confirm` or `deny`; `None` when the file is no table.
    pub expected: Option<String>,
    /// The line in the file, from 1.
    pub line: usize,
}

/// Reads the commands of a file, each once: lines, the `argv` of audit records, or a table with tabs
/// whose first columns are `tool`, `command` (with the escapes below) and `expected`.
///
/// # Errors
/// An `argv` with a NUL in it.
pub fn cases(text: &str) -> Result<Vec<Case>, QuoteError> {
    let mut cases: Vec<Case> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let Some(case) = case(line, at + 1)? else {
            continue;
        };
        if !cases
            .iter()
            .any(|known| known.command == case.command && known.expected == case.expected)
        {
            cases.push(case);
        }
    }
    Ok(cases)
}

fn case(text: &str, line: usize) -> Result<Option<Case>, QuoteError> {
    if text.trim().is_empty() || text.starts_with("tool\t") || text.starts_with('#') {
        return Ok(None);
    }
    if let Ok(record) = serde_json::from_str::<serde_json::Value>(text) {
        let argv = record.get("argv").and_then(|argv| argv.as_array());
        let words: Vec<&str> = argv
            .into_iter()
            .flatten()
            .filter_map(|word| word.as_str())
            .collect();
        let command = shlex::try_join(words)?;
        return Ok((!command.is_empty()).then_some(Case {
            command,
            expected: None,
            line,
        }));
    }
    let mut columns = text.split('\t');
    let (Some(tool), Some(command), Some(expected)) =
        (columns.next(), columns.next(), columns.next())
    else {
        return Ok(Some(Case {
            command: text.trim().to_owned(),
            expected: None,
            line,
        }));
    };
    let command = unescaped(command);
    let named = command.split_whitespace().next() == Some(tool);
    let command = if named {
        command
    } else {
        format!("{tool} {command}")
    };
    Ok(Some(Case {
        command,
        expected: Some(expected.to_owned()),
        line,
    }))
}

/// `\n \r \t \0 \xHH \u{HEX} \\`; any other backslash stays.
pub fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let (character, length) = escape(after).unwrap_or(('\\', 0));
        plain.push(character);
        rest = after.get(length..).unwrap_or_default();
    }
    plain.push_str(rest);
    plain
}

/// The character behind a backslash and how many bytes name it.
fn escape(after: &str) -> Option<(char, usize)> {
    let code = |hex: &str| char::from_u32(u32::from_str_radix(hex, 16).ok()?);
    Some(match after.chars().next()? {
        'n' => ('\n', 1),
        'r' => ('\r', 1),
        't' => ('\t', 1),
        '0' => ('\0', 1),
        '\\' => ('\\', 1),
        'x' => (code(after.get(1..3)?)?, 3),
        'u' => {
            let hex = after.strip_prefix("u{")?.split_once('}')?.0;
            (code(hex)?, hex.len() + 3)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_records_and_tables_are_read() {
        let text = "tool\tcommand\texpected\treason\nkubectl\tget pods\\x20-A\tallow\tx\nkubectl\tkubectl get 'a\\u{212a}'\tdeny\ty\n\n\
                    helm list -A\nhelm list -A\n{\"event\":\"end\"}\n{\"argv\":[\"kubectl\",\"get\",\"a b\"]}\n";
        let read: Vec<_> = cases(text)
            .unwrap()
            .into_iter()
            .map(|case| (case.command, case.expected, case.line))
            .collect();
        let of = |command: &str, expected: Option<&str>, line| {
            (command.to_owned(), expected.map(str::to_owned), line)
        };
        assert_eq!(
            read,
            [
                of("kubectl get pods -A", Some("allow"), 2),
                of("kubectl get 'a\u{212a}'", Some("deny"), 3),
                of("helm list -A", None, 5),
                of("kubectl get 'a b'", None, 8),
            ]
        );
    }
}
