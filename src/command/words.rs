//! Bytes -> words: size, characters and shell syntax are refused, the text is cut at each `|`, then
//! shlex splits.
//!
//! shlex keeps `|`, `;` and `$(` as literal words and drops what follows `#`; a model that writes
//! them expects a shell. All but a single `|` is refused by name before shlex sees the text.

use crate::{
    excerpt::{Excerpt, is_invisible},
    tool::Tool,
};

/// The longest command line, in bytes. The longest useful ones (jsonpath, selectors) are under 2
/// KiB.
pub const LONGEST_COMMAND: usize = 8 * 1024;
/// The most words in one command line.
pub const MOST_WORDS: usize = 128;
/// The most filters behind a tool: longer pipelines are one `awk` or `jq`.
pub const MOST_FILTERS: usize = 7;

/// Why a text is not a list of words.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the names say it")]
pub enum WordsError {
    /// Nothing but blanks.
    #[error("the command is empty")]
    Empty,
    /// Longer than [`LONGEST_COMMAND`].
    #[error("the command is {length} bytes long; at most {LONGEST_COMMAND} are accepted")]
    TooLong { length: usize },
    /// More than [`MOST_WORDS`].
    #[error("the command has {count} words; at most {MOST_WORDS} are accepted")]
    TooManyWords { count: usize },
    /// A `|` with nothing before or behind it.
    #[error("nothing stands {side} the `|` at byte {at}")]
    EmptyStage { side: &'static str, at: usize },
    /// More than [`MOST_FILTERS`].
    #[error("the command has {count} filters; at most {MOST_FILTERS} are accepted")]
    TooManyFilters { count: usize },
    /// A control character, a line break, or a blank or invisible character outside ASCII.
    #[error("the command has the character U+{code:04X} at byte {at}")]
    Character { code: u32, at: usize },
    /// Unquoted shell syntax.
    #[error("the command has the shell syntax {operator} at byte {at}, and there is no shell here")]
    Shell {
        /// What stands there: `;`, `|`, `$(` …
        operator: &'static str,
        at: usize,
    },
    /// A quote that does not end, or a backslash at the very end.
    #[error("the command ends inside a quote that was opened at byte {at}")]
    Unterminated {
        /// Where the quote or the backslash stands.
        at: usize,
    },
    /// The text begins with something else than this tool.
    #[error("the command begins with {word}, which is not {tool}")]
    OtherProgram { word: Excerpt, tool: Tool },
}

impl WordsError {
    /// What to do instead, in one sentence.
    pub fn help(&self) -> String {
        match self {
            Self::Empty => "write one command, for example `get pods -n default`".into(),
            Self::TooLong { .. } | Self::TooManyWords { .. } => "ask for less in one command, or split it into several calls".into(),
            Self::Character { code: 0x0A | 0x0D, .. } => "send one command on one line; make another call for the next one".into(),
            Self::Character { .. } => "use plain spaces between words and quote text that needs other characters".into(),
            Self::EmptyStage { .. } => "write a filter on each side, for example `get pods | grep web | head -5`".into(),
            Self::TooManyFilters { .. } => "do several steps in one `awk` or `jq`".into(),
            Self::Shell { operator: "|", .. } => {
                "here a command stands alone; narrow its output with its own flags (-l, --field-selector, -o name, --tail)".into()
            }
            Self::Shell { operator: "2>&1" | "2>" | "|&", .. } => {
                "leave it out: both streams come back in the reply, each by itself".into()
            }
            Self::Shell { operator: "<<" | "<<<", .. } => "leave it out: no text is handed to a command here".into(),
            Self::Shell { operator: ">>", .. } => "leave it out: the output comes back in the reply, and no file is written".into(),
            Self::Shell { operator: "<" | ">", .. } => {
                "leave redirections out: both streams come back in the reply; a placeholder like <name> must be filled in".into()
            }
            Self::Shell { operator: ";" | "&" | "&&" | "||", .. } => "send one command per call".into(),
            Self::Shell { operator: "#", .. } => "leave the comment out, or quote the word".into(),
            Self::Shell { operator: "~" | "*" | "?", .. } => {
                "there are no local files to expand to; quote the word if it is meant literally".into()
            }
            Self::Shell { .. } => "write the value itself; nothing is expanded here. Put literal text in single quotes".into(),
            Self::Unterminated { .. } => "close the quote".into(),
            Self::OtherProgram { tool, .. } => format!("send the arguments of {tool} only, with or without a leading `{tool}`"),
        }
    }
}

/// The words of a command line, and of each filter behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandStages {
    /// The tool's, without its name.
    pub command: Vec<String>,
    /// Each filter's, its name first.
    pub filters: Vec<Vec<String>>,
}

/// Splits a command that stands alone into words; a leading tool name is dropped.
///
/// # Errors
/// A [`WordsError`] that says what stands where.
pub fn split(tool: Tool, text: &str) -> Result<Vec<String>, WordsError> {
    let (text, pipes) = scan(text)?;
    match pipes.first() {
        Some(&at) => Err(WordsError::Shell { operator: "|", at }),
        None => Ok(stages(tool, text, &[])?.command),
    }
}

/// Splits a command line and the filters behind it, at each `|` that is not quoted.
///
/// # Errors
/// A [`WordsError`] that says what stands where.
pub fn split_stages(tool: Tool, text: &str) -> Result<CommandStages, WordsError> {
    let (text, pipes) = scan(text)?;
    stages(tool, text, &pipes)
}

fn stages(tool: Tool, text: &str, pipes: &[usize]) -> Result<CommandStages, WordsError> {
    if pipes.len() > MOST_FILTERS {
        return Err(WordsError::TooManyFilters { count: pipes.len() });
    }
    let mut from = 0;
    let mut parts = Vec::new();
    for to in pipes.iter().copied().chain([text.len()]) {
        // The scan has found every quote closed, so that none reaches over a `|`.
        let words = shlex::split(text.get(from..to).unwrap_or_default())
            .ok_or(WordsError::Unterminated { at: from })?;
        if words.is_empty() && !pipes.is_empty() {
            let (side, at) = if to < text.len() {
                ("before", to)
            } else {
                ("behind", from.saturating_sub(1))
            };
            return Err(WordsError::EmptyStage { side, at });
        }
        parts.push(words);
        from = to + 1;
    }
    let count = parts.iter().map(Vec::len).sum();
    if count > MOST_WORDS {
        return Err(WordsError::TooManyWords { count });
    }
    let mut parts = parts.into_iter();
    let mut command = parts.next().unwrap_or_default();
    if command.first().is_some_and(|word| word == tool.as_str()) {
        command.remove(0);
    }
    if let Some(word) = command.first()
        && (word.parse::<Tool>().is_ok() || is_program_like(word))
    {
        return Err(WordsError::OtherProgram {
            word: Excerpt::new(word),
            tool,
        });
    }
    Ok(CommandStages {
        command,
        filters: parts.collect(),
    })
}

/// `./kubectl`, `/usr/bin/kubectl`, `KUBECONFIG=/x`: what stands before a command in a shell.
fn is_program_like(word: &str) -> bool {
    !word.starts_with('-') && (word.contains('/') || word.contains('='))
}

/// Where the scan is, by the rules of a POSIX shell, which are shlex's.
#[derive(Clone, Copy, PartialEq)]
enum Quote {
    None,
    Single,
    Double,
}

/// Refuses characters and shell syntax. Everything it accepts, shlex and a POSIX shell read alike,
/// once it is cut where the `|` stand that are not quoted; their places come back with the text,
/// which has no blanks around it.
fn scan(text: &str) -> Result<(&str, Vec<usize>), WordsError> {
    if text.len() > LONGEST_COMMAND {
        return Err(WordsError::TooLong { length: text.len() });
    }
    let text = text
        .strip_suffix('\n')
        .unwrap_or(text)
        .trim_matches([' ', '\t']);
    if text.is_empty() {
        return Err(WordsError::Empty);
    }
    let mut pipes = Vec::new();
    let mut quote = Quote::None;
    let mut opened = 0;
    let mut word_start = true;
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        plain_character(character, at)?;
        let next = characters.peek().map(|&(_, next)| next);
        match (quote, character) {
            (Quote::None, '\'' | '"') => {
                quote = if character == '\'' {
                    Quote::Single
                } else {
                    Quote::Double
                };
                opened = at;
            }
            (Quote::Single, '\'') | (Quote::Double, '"') => quote = Quote::None,
            (Quote::Single, _) => {}
            (Quote::None | Quote::Double, '\\') => {
                let Some((at, escaped)) = characters.next() else {
                    return Err(WordsError::Unterminated { at });
                };
                plain_character(escaped, at)?;
            }
            (Quote::None | Quote::Double, '`') => {
                return Err(WordsError::Shell { operator: "`", at });
            }
            (Quote::None | Quote::Double, '$') => expansion(next, quote, at)?,
            (Quote::Double, _) => {}
            (Quote::None, '|') if !matches!(next, Some('|' | '&')) => pipes.push(at),
            (Quote::None, '<' | '>') => return Err(redirection(text, at)),
            (Quote::None, _) => unquoted(character, word_start, next, at)?,
        }
        word_start = quote == Quote::None && matches!(character, ' ' | '\t' | '|');
    }
    if quote == Quote::None {
        Ok((text, pipes))
    } else {
        Err(WordsError::Unterminated { at: opened })
    }
}

/// Characters that no command needs, quoted or not.
fn plain_character(character: char, at: usize) -> Result<(), WordsError> {
    let blank = character.is_whitespace() && character != ' ' && character != '\t';
    if character.is_control() && character != '\t' || is_invisible(character) || blank {
        return Err(WordsError::Character {
            code: character.into(),
            at,
        });
    }
    Ok(())
}

/// `$x`, `${x}`, `$(x)`, `$'x'`: a shell would put something else there. A `$` before anything
/// else is itself in every shell (`^app-[0-9]+$`).
fn expansion(next: Option<char>, quote: Quote, at: usize) -> Result<(), WordsError> {
    let operator = match next {
        Some('(') => "$(",
        Some('{') => "${",
        Some('\'' | '"') if quote == Quote::None => "$'",
        Some(name) if name.is_ascii_alphanumeric() || "_@*#?$!-".contains(name) => "$",
        _ => return Ok(()),
    };
    Err(WordsError::Shell { operator, at })
}

/// A redirection by the name that its writer knows it by.
fn redirection(text: &str, at: usize) -> WordsError {
    let (before, behind) = text.split_at_checked(at).unwrap_or_default();
    // `2` is a descriptor only as a word of its own.
    let of_errors = before
        .strip_suffix('2')
        .filter(|before| before.is_empty() || before.ends_with([' ', '\t', '|']));
    let operator = match (of_errors, behind) {
        (Some(_), behind) if behind.starts_with(">&1") => "2>&1",
        (Some(_), behind) if behind.starts_with('>') => "2>",
        (None, behind) if behind.starts_with(">>") => ">>",
        (_, behind) if behind.starts_with("<<<") => "<<<",
        (_, behind) if behind.starts_with("<<") => "<<",
        (_, behind) if behind.starts_with('<') => "<",
        _ => ">",
    };
    let at = if operator.starts_with('2') {
        at - 1
    } else {
        at
    };
    WordsError::Shell { operator, at }
}

fn unquoted(
    character: char,
    word_start: bool,
    next: Option<char>,
    at: usize,
) -> Result<(), WordsError> {
    let operator = match character {
        '|' if next == Some('|') => "||",
        '|' => "|&",
        '&' if next == Some('&') => "&&",
        '&' => "&",
        ';' => ";",
        '(' | ')' => "(",
        '#' if word_start => "#",
        '~' if word_start => "~",
        // A glob is only a glob where a file could be meant; inside `{.items[*].x}` it is data.
        '*' if word_start && next.is_none_or(|next| next == ' ' || next == '\t' || next == '.') => {
            "*"
        }
        '?' if word_start => "?",
        _ => return Ok(()),
    };
    Err(WordsError::Shell { operator, at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        split(Tool::KUBECTL, text).unwrap()
    }

    #[test]
    fn the_leading_tool_name_is_optional_and_blanks_are_trimmed() {
        assert_eq!(words("kubectl get pods"), words("  get   pods\n"));
        assert_eq!(split(Tool::KUBECTL, "kubectl"), Ok(vec![]));
    }

    #[test]
    fn data_that_looks_like_shell_syntax_is_data_inside_quotes() {
        assert_eq!(
            words(r#"get po -o jsonpath='{.items[?(@.a>3)].b}'"#)[3],
            "jsonpath={.items[?(@.a>3)].b}"
        );
        assert_eq!(
            words(r#"get po -o jsonpath="{.items[?(@.p==\"R\")].b}""#)[3],
            r#"jsonpath={.items[?(@.p=="R")].b}"#
        );
        assert_eq!(
            words("get po -o=jsonpath={.items[*].metadata.name}")[2],
            "-o=jsonpath={.items[*].metadata.name}"
        );
        assert_eq!(
            words("get po -l 'environment in (production, qa)'")[3],
            "environment in (production, qa)"
        );
        assert_eq!(words("list --filter '^app-[0-9]+$'")[2], "^app-[0-9]+$");
    }

    #[test]
    fn shell_syntax_is_refused_by_name() {
        for (text, operator) in [
            ("get pods; id", ";"),
            ("get pods | head", "|"),
            ("get pods && id", "&&"),
            ("get pods || id", "||"),
            ("get pods & id", "&"),
            ("get pods > /tmp/x", ">"),
            ("get pods >> /tmp/x", ">>"),
            ("get pods 2>&1", "2>&1"),
            ("get pods 2>/dev/null", "2>"),
            ("get pods web-2>x", ">"),
            ("get pods |& grep x", "|&"),
            ("apply -f - <<EOF", "<<"),
            ("apply -f - <<< x", "<<<"),
            ("get pods -n <namespace>", "<"),
            ("get pods $(id)", "$("),
            ("get pods `id`", "`"),
            ("get pods -l app=\"$(id)\"", "$("),
            ("get pods # x", "#"),
            ("get pods ~/x", "~"),
            ("get pods *", "*"),
            ("get pods $HOME", "$"),
            ("get pods ${x}", "${"),
            (r"get pods -o $'\x6a'son", "$'"),
        ] {
            assert!(
                matches!(split(Tool::KUBECTL, text), Err(WordsError::Shell { operator: found, .. }) if found == operator),
                "{text}"
            );
        }
    }

    #[test]
    fn a_line_is_cut_where_a_bar_is_not_quoted() {
        let cut = |text: &str| {
            split_stages(Tool::KUBECTL, text)
                .map(|stages| (stages.command.join(" "), stages.filters))
        };
        let own = |filters: &[&[&str]]| {
            filters
                .iter()
                .map(|words| words.iter().map(|word| (*word).to_owned()).collect())
                .collect::<Vec<Vec<String>>>()
        };
        for (text, command, filters) in [
            (
                "kubectl get pods -A | grep -v Running | head -20",
                "get pods -A",
                &[&["grep", "-v", "Running"][..], &["head", "-20"]][..],
            ),
            ("get pods|wc -l", "get pods", &[&["wc", "-l"]]),
            (
                "get pods | grep 'a|b' | awk '{print $1 | \"cat\"}'",
                "get pods",
                &[&["grep", "a|b"], &["awk", "{print $1 | \"cat\"}"]],
            ),
            (
                r#"get pods | grep "a|b" | grep a\|b"#,
                "get pods",
                &[&["grep", "a|b"], &["grep", "a|b"]],
            ),
            ("get pods -l 'a|b'", "get pods -l a|b", &[]),
        ] {
            assert_eq!(cut(text), Ok((command.to_owned(), own(filters))), "{text}");
        }
        for (text, side, at) in [
            ("get pods |", "behind", 9),
            ("| head", "before", 0),
            ("get pods | | head", "before", 11),
            ("get |head|", "behind", 9),
        ] {
            assert_eq!(
                cut(text),
                Err(WordsError::EmptyStage { side, at }),
                "{text}"
            );
        }
        assert_eq!(
            cut(&format!("get pods{}", " | head".repeat(8))),
            Err(WordsError::TooManyFilters { count: 8 })
        );
        for (text, operator) in [
            ("get pods |# x", "#"),
            ("get pods |~/x", "~"),
            ("get pods | grep $(id)", "$("),
            ("get pods | grep a; id", ";"),
        ] {
            assert!(
                matches!(cut(text), Err(WordsError::Shell { operator: found, .. }) if found == operator),
                "{text}"
            );
        }
    }

    #[test]
    fn control_blank_and_invisible_characters_are_refused_even_in_quotes() {
        for (text, code) in [
            ("get pods\ndelete pod web", 0x0A),
            ("get pods\0", 0),
            ("get pods '\u{1b}[2J'", 0x1B),
            ("get\u{a0}pods", 0xA0),
            ("get secret\u{200b}s", 0x200B),
            ("get pods \\\n -A", 0x0A),
            ("get 'a\u{e0041}'", 0xE0041),
        ] {
            assert!(
                matches!(split(Tool::KUBECTL, text), Err(WordsError::Character { code: found, .. }) if found == code),
                "{text:?}"
            );
        }
    }

    #[test]
    fn another_program_in_front_is_refused() {
        for text in [
            "helm list",
            "kubectl kubectl get pods",
            "./kubectl get pods",
            "KUBECONFIG=/x kubectl get pods",
        ] {
            assert!(
                matches!(
                    split(Tool::KUBECTL, text),
                    Err(WordsError::OtherProgram { .. })
                ),
                "{text}"
            );
        }
    }

    #[test]
    fn an_open_quote_says_where_it_was_opened() {
        assert_eq!(
            split(Tool::KUBECTL, "get pods -l 'a"),
            Err(WordsError::Unterminated { at: 12 })
        );
        assert_eq!(
            split(Tool::KUBECTL, "get pods \\"),
            Err(WordsError::Unterminated { at: 9 })
        );
    }
}
