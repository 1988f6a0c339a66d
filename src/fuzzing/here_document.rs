//! Text -> a command and its here-document, held against a second reader that is written here.

use super::{catalogues::tool_of, split::as_a_shell};
use crate::command;

/// What `split_stages` takes for a here-document, a POSIX shell hands over byte for byte, runs
/// nothing but the command before it, and would replace nothing in it. Returns whether there was
/// one.
pub fn here_document(bytes: &[u8]) -> bool {
    let Ok(sent) = std::str::from_utf8(bytes) else {
        return false;
    };
    let tool = tool_of(sent);
    let Ok(stages) = command::split_stages(tool, sent) else {
        return false;
    };
    let Some(document) = stages.document else {
        return false;
    };
    let text = document.expose();

    let (line, behind) = cut(sent).expect("a shell finds a `<<` that is not quoted");
    let read = as_a_shell(line).expect("a shell finds no open quote before it");
    assert_eq!(
        read.live,
        Vec::<String>::new(),
        "a shell would act upon these"
    );
    let words = match read.words.split_first() {
        Some((first, rest)) if first == tool.as_str() => rest,
        _ => &read.words,
    };
    assert_eq!(words, stages.command, "a shell reads other words");
    assert!(
        stages.filters.is_empty(),
        "a shell would hand it to a filter"
    );

    let (first, rest) = behind
        .split_once('\n')
        .expect("a text begins on the next line");
    let first = first.trim_matches([' ', '\t']);
    let word = first.trim_matches(['\'', '"']);
    let quoted = [format!("'{word}'"), format!("\"{word}\"")];
    assert!(
        first == word || quoted.iter().any(|quoted| quoted == first),
        "{first:?}"
    );
    let plain = |of: char| of.is_ascii_alphanumeric() || "_.-".contains(of);
    assert!(!word.is_empty() && word.chars().all(plain), "{word:?}");

    let (before, last) = rest.split_at(text.len());
    assert_eq!(before, text, "a shell hands over another text");
    assert!(
        text.is_empty() || text.ends_with('\n'),
        "the word ends a line of the text"
    );
    assert!(
        text.lines().all(|line| line != word),
        "a shell ends it earlier"
    );
    let behind = last.strip_prefix(word).expect("the word ends it");
    let is_line = behind.is_empty() || behind.starts_with('\n');
    assert!(
        is_line && behind.trim().is_empty(),
        "a shell would run {behind:?}"
    );
    if first == word {
        assert!(!is_replaced(text), "a shell would hand over something else");
    }

    // Written again, it is read to itself.
    let again = format!("{} <<'{word}'\n{text}{word}", line.trim());
    let again = command::split_stages(tool, &again).expect("it was a command before");
    assert_eq!(again.command, stages.command);
    assert_eq!(again.document.expect("it has one").expose(), text);
    true
}

/// The text before the first `<<` that is not quoted, and behind it.
fn cut(sent: &str) -> Option<(&str, &str)> {
    let mut places = sent.match_indices("<<");
    places.find_map(|(at, _)| {
        let (line, behind) = sent.split_at(at);
        as_a_shell(line)?;
        Some((line, behind.strip_prefix("<<")?))
    })
}

/// POSIX.1-2024, 2.7.4: where its word is not quoted, a text is read as one in double quotes, whose
/// own quotes mean nothing.
fn is_replaced(text: &str) -> bool {
    let characters: Vec<char> = text.chars().collect();
    characters.iter().enumerate().any(|(at, character)| {
        let next = characters.get(at + 1).copied();
        match character {
            '`' => true,
            '\\' => next.is_some_and(|next| "$`\\\n".contains(next)),
            '$' => next
                .is_some_and(|next| next.is_ascii_alphanumeric() || "_@*#?$!-{([".contains(next)),
            _ => false,
        }
    })
}
