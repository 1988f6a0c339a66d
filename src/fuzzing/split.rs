//! Text -> words, held against a second reader of POSIX quoting that is written here.

use super::catalogues::tool_of;
use crate::command::{self, Filter};

/// What `split` accepts has no shell syntax that is alive, a POSIX shell reads the same words, and
/// those words, quoted again, are read to themselves. Returns whether it was accepted.
pub fn split(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let tool = tool_of(text);
    let Ok(words) = command::split(tool, text) else {
        return false;
    };

    let read = as_a_shell(text).expect("a shell finds no open quote in it");
    assert_eq!(
        read.live,
        Vec::<String>::new(),
        "a shell would act upon these"
    );
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

/// What `split_stages` accepts, a POSIX shell cuts at the same bars into the same words, and
/// nothing else in it is alive to one; a filter that is accepted renders to words that read again
/// to it. Returns whether a filter was accepted.
pub fn pipeline(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let tool = tool_of(text);
    let Ok(stages) = command::split_stages(tool, text) else {
        return false;
    };
    if stages.document.is_some() {
        return false; // the property `here_document` is about these
    }

    let mut read = as_a_shell(text).expect("a shell finds no open quote in it");
    assert!(
        read.live.iter().all(|live| live == "|"),
        "a shell would act upon {:?}",
        read.live
    );
    let mut filters = stages.filters.iter().rev().peekable();
    while let Some(bar) = read.bars.pop() {
        let words = read.words.split_off(bar);
        if filters.peek() == Some(&&words) {
            filters.next();
        } else {
            assert!(
                words
                    .first()
                    .is_some_and(|name| PAGERS.contains(&name.as_str()))
                    && words.iter().skip(1).all(|word| word.starts_with('-')),
                "a shell would run {words:?} too"
            );
        }
    }
    assert!(filters.next().is_none(), "a shell cuts it elsewhere");
    let command = match read.words.split_first() {
        Some((first, rest)) if first == tool.as_str() => rest,
        _ => &read.words,
    };
    assert_eq!(command, stages.command, "a shell reads other words");

    let filters: Vec<Filter> = stages
        .filters
        .into_iter()
        .filter_map(|words| Filter::parse(words).ok())
        .collect();
    for filter in &filters {
        let argv = filter.argv();
        assert!(
            filter.program().is_called(argv.first().expect("a name")),
            "{argv:?}"
        );
        assert_eq!(
            Filter::parse(argv.clone()).as_ref(),
            Ok(filter),
            "{argv:?} reads otherwise"
        );
    }
    !filters.is_empty()
}

/// What prints all that it reads.
const PAGERS: [&str; 3] = ["cat", "less", "more"];

/// What a shell does with errors at the end of a stage, which shows nowhere here.
const IDLE: [&str; 2] = ["2>&1", "2>/dev/null"];

/// What a POSIX shell makes of a line.
pub(super) struct Read {
    pub(super) words: Vec<String>,
    /// How many words stand before each `|`.
    bars: Vec<usize>,
    /// The syntax that it would act upon.
    pub(super) live: Vec<String>,
}

/// POSIX.1-2024, Shell Command Language, 2.2 Quoting and 2.3 Token Recognition. `None`: an open
/// quote.
pub(super) fn as_a_shell(text: &str) -> Option<Read> {
    const OPERATORS: &str = "|&;<>()";
    const NAMES_A_PARAMETER: &str = "_@*#?$!-{(";
    let mut read = Read {
        words: Vec::new(),
        bars: Vec::new(),
        live: Vec::new(),
    };
    let mut word: Option<String> = None;
    let text = without_continuations(text);
    let mut ended = false;
    let mut in_double = false;
    let mut at = 0;
    while let Some(&character) = text.get(at) {
        at += 1;
        let next = text.get(at).copied();
        let expands = character == '`'
            || character == '$'
                && next.is_some_and(|next| {
                    next.is_ascii_alphanumeric() || NAMES_A_PARAMETER.contains(next)
                });
        if expands {
            read.live
                .push(format!("{character}{}", next.unwrap_or_default()));
        }
        if in_double {
            match character {
                '"' => in_double = false,
                '\\' if next.is_some_and(|next| "$`\"\\".contains(next)) => {
                    word.get_or_insert_default().extend(next);
                    at += 1;
                }
                _ => word.get_or_insert_default().push(character),
            }
            continue;
        }
        // `2` may begin another one.
        if ended && !" \t\n|>2".contains(character) {
            read.live.push("a word behind a redirection".into());
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
                    at += 1;
                    match *text.get(at - 1)? {
                        '\'' => break,
                        character => word.push(character),
                    }
                }
            }
            '\\' => {
                word.get_or_insert_default().push(next?);
                at += 1;
            }
            '>' if word.as_deref() == Some("2") && is_idle(&text, at - 1) => {
                word = None;
                ended = true;
                while text.get(at).is_some_and(|next| !" \t\n|".contains(*next)) {
                    at += 1;
                }
            }
            '|' => {
                ended = false;
                read.words.extend(word.take());
                read.bars.push(read.words.len());
                read.live.push(character.into());
            }
            _ => {
                let begins_word = word.is_none() && "#~".contains(character);
                if OPERATORS.contains(character)
                    || begins_word
                    || character == '$' && matches!(next, Some('\'' | '"'))
                {
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

/// Whether the `>` at this place is of a redirection of [`IDLE`], which is a word of its own.
fn is_idle(text: &[char], at: usize) -> bool {
    let Some(from) = at.checked_sub(1) else {
        return false;
    };
    let begins = from.checked_sub(1).is_none_or(|before| {
        text.get(before)
            .is_some_and(|before| " \t|".contains(*before))
    });
    let word: String = text
        .get(from..)
        .unwrap_or_default()
        .iter()
        .take_while(|next| !" \t\n|".contains(**next))
        .collect();
    begins && IDLE.contains(&word.as_str())
}

/// 2.2.1: a backslash takes the end of a line away, before anything is a word; but in single quotes.
fn without_continuations(text: &str) -> Vec<char> {
    let (mut kept, mut in_single, mut in_double) = (Vec::new(), false, false);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' if !in_single => match characters.next() {
                Some('\n') => continue,
                escaped => {
                    kept.push(character);
                    kept.extend(escaped);
                    continue;
                }
            },
            '\'' if !in_double => in_single = !in_single,
            '"' if !in_single => in_double = !in_double,
            _ => {}
        }
        kept.push(character);
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_second_reader_knows_a_shell_when_it_sees_one() {
        let words = |text| as_a_shell(text).unwrap().words;
        assert_eq!(
            words(r#"a 'b "c' "d 'e\"" f\ g "" '' "\x""#),
            ["a", "b \"c", "d 'e\"", "f g", "", "", "\\x"]
        );
        for text in [
            "a;b", "a|b", "a$(b)", "\"`a`\"", "\"$a\"", "a #b", "a ~", "$'a'",
        ] {
            assert!(!as_a_shell(text).unwrap().live.is_empty(), "{text}");
        }
        for text in [
            "'a;b'", "\"a|b\"", "a\\;b", "'$(b)'", "\"\\$a\"", "a#b", "^a$", "{$.a}",
        ] {
            assert!(as_a_shell(text).unwrap().live.is_empty(), "{text}");
        }
        assert!(
            as_a_shell("'a").is_none()
                && as_a_shell("\"a").is_none()
                && as_a_shell("a\\").is_none()
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

        #[test]
        fn it_holds_for_any_text(text in "\\PC{0,64}") {
            split(text.as_bytes());
            pipeline(text.as_bytes());
        }

        #[test]
        fn it_holds_for_filters(
            words in prop::collection::vec(prop::sample::select(vec![
                "get pods", "|", "|", "grep", "-i", "-e", "x", "--", "-", "head -20", "sort -k2n", "awk", "'{print $1 | \"cat\"}'", "'{print $1}'", "sed", "'s/a/b/'",
                "jq", "-rc", "'.a | .b'", "yq", "-o=json", "tr", "cut -d,", "-f", "1", "uniq", "-c", "'a|b'", "\"|\"", "\\|", "column -t", "wc -l", "tail", "-n", "+2", "--arg a b",
                "2>&1", "2>/dev/null", "cat", "less -R", "\\\n", "'a\nb'", "grep -P '\\d'", "sort -h",
            ]), 1..12),
            between in prop::sample::select(vec![" ", "", "\t"]),
        ) {
            pipeline(words.join(between).as_bytes());
            pipeline(words.join(" ").as_bytes());
        }

        #[test]
        fn it_holds_for_what_shells_know(text in "[ab \t'\"\\\\$`#~*?(){}|&;<>!=-]{0,24}") {
            split(text.as_bytes());
            pipeline(text.as_bytes());
        }
    }

    #[test]
    fn it_meets_what_it_is_about() {
        assert!(split(b"kubectl get po -l 'a in (b)' \"\\$x\" a\\ b"));
        assert!(split(b"get pods \\\n 2>/dev/null 2>&1"));
        assert!(!split(b"get pods; id"));
        assert!(pipeline(
            b"kubectl get pods -A|grep -v 'a|b' | awk '{print $1}' | head -5"
        ));
        assert!(!pipeline(b"get pods | sh"));
    }
}
