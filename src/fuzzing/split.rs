//! Text -> words, held against a second reader of POSIX quoting that is written here.

use super::tool_of;
use crate::command;

/// What `split` accepts has no shell syntax that is alive, a POSIX shell reads the same words, and
/// those words, quoted again, are read to themselves. Returns whether it was accepted.
pub fn split(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let tool = tool_of(text);
    let Ok(words) = command::split(tool, text) else { return false };

    let read = as_a_shell(text).expect("a shell finds no open quote in it");
    assert_eq!(read.live, Vec::<String>::new(), "a shell would act upon these");
    let without_tool = match read.words.split_first() {
        Some((first, rest)) if first == tool.as_str() => rest,
        _ => &read.words,
    };
    assert_eq!(without_tool, words, "a shell reads other words");

    let quoted = shlex::try_join(words.iter().map(String::as_str)).expect("no word has a NUL");
    assert_eq!(shlex::split(&quoted).as_ref(), Some(&words));
    let line = format!("{tool} {quoted}");
    // Quoting makes it longer, and the tool's name is a word more.
    if line.len() <= 8 * 1024 && words.len() < 128 {
        assert_eq!(command::split(tool, &line).as_ref(), Ok(&words));
    }
    true
}

/// What a POSIX shell makes of a line.
struct Read {
    words: Vec<String>,
    /// The syntax that it would act upon.
    live: Vec<String>,
}

/// POSIX.1-2024, Shell Command Language, 2.2 Quoting and 2.3 Token Recognition. `None`: an open quote.
fn as_a_shell(text: &str) -> Option<Read> {
    const OPERATORS: &str = "|&;<>()";
    const NAMES_A_PARAMETER: &str = "_@*#?$!-{(";
    let mut read = Read { words: Vec::new(), live: Vec::new() };
    let mut word: Option<String> = None;
    let mut characters = text.chars().peekable();
    let mut in_double = false;
    while let Some(character) = characters.next() {
        let next = characters.peek().copied();
        let expands = character == '`'
            || character == '$' && next.is_some_and(|next| next.is_ascii_alphanumeric() || NAMES_A_PARAMETER.contains(next));
        if expands {
            read.live.push(format!("{character}{}", next.unwrap_or_default()));
        }
        if in_double {
            match character {
                '"' => in_double = false,
                '\\' if next.is_some_and(|next| "$`\"\\".contains(next)) => word.get_or_insert_default().extend(characters.next()),
                _ => word.get_or_insert_default().push(character),
            }
            continue;
        }
        match character {
            ' ' | '\t' | '\n' => read.words.extend(word.take()),
            '"' => {
                in_double = true;
                word.get_or_insert_default();
            }
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next()? {
                        '\'' => break,
                        character => word.push(character),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(characters.next()?),
            _ => {
                let begins_word = word.is_none() && "#~".contains(character);
                if OPERATORS.contains(character) || begins_word || character == '$' && matches!(next, Some('\'' | '"')) {
                    read.live.push(character.into());
                }
                word.get_or_insert_default().push(character);
            }
        }
    }
    if in_double {
        return None;
    }
    read.words.extend(word);
    Some(read)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_second_reader_knows_a_shell_when_it_sees_one() {
        let words = |text| as_a_shell(text).unwrap().words;
        assert_eq!(words(r#"a 'b "c' "d 'e\"" f\ g "" '' "\x""#), ["a", "b \"c", "d 'e\"", "f g", "", "", "\\x"]);
        for text in ["a;b", "a|b", "a$(b)", "\"`a`\"", "\"$a\"", "a #b", "a ~", "$'a'"] {
            assert!(!as_a_shell(text).unwrap().live.is_empty(), "{text}");
        }
        for text in ["'a;b'", "\"a|b\"", "a\\;b", "'$(b)'", "\"\\$a\"", "a#b", "^a$", "{$.a}"] {
            assert!(as_a_shell(text).unwrap().live.is_empty(), "{text}");
        }
        assert!(as_a_shell("'a").is_none() && as_a_shell("\"a").is_none() && as_a_shell("a\\").is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

        #[test]
        fn it_holds_for_any_text(text in "\\PC{0,64}") {
            split(text.as_bytes());
        }

        #[test]
        fn it_holds_for_what_shells_know(text in "[ab \t'\"\\\\$`#~*?(){}|&;<>!=-]{0,24}") {
            split(text.as_bytes());
        }
    }

    #[test]
    fn it_meets_what_it_is_about() {
        assert!(split(b"kubectl get po -l 'a in (b)' \"\\$x\" a\\ b"));
        assert!(!split(b"get pods; id"));
    }
}
