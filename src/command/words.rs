//! Bytes -> words: size, characters and shell syntax are refused, the text is cut at each `|`, then
//! shlex splits.
//!
//! shlex keeps `|`, `;` and `$(` as literal words and drops what follows `#`; a model that writes
//! them expects a shell. All but a single `|`, and the two redirections that change nothing at the end
//! of a stage, is refused by name before shlex sees the text.

use std::borrow::Cow;

use super::{
    adjustment::Adjustment,
    filter::passes_everything,
    here_document::{self, HereDocument, HereDocumentError},
    prefix::{self, LONGEST_REST, Prefix},
    redirection,
};
use crate::{
    excerpt::{Excerpt, is_invisible},
    secret::SecretString,
    tool::Tool,
};

/// The longest command line, in bytes. The longest useful ones (jsonpath, selectors) are under 2
/// KiB.
pub const LONGEST_COMMAND: usize = 8 * 1024;
/// The most words in one command line.
pub const MOST_WORDS: usize = 128;
/// Elements of all lists of a command together: each is judged, rendered and recorded like a word.
pub(super) const MOST_ELEMENTS: usize = MOST_WORDS;
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
    /// Unquoted shell syntax between a command and another.
    #[error("the command has the shell syntax {operator} at byte {at}, and there is no shell here")]
    Chain {
        /// `;`, `&`, `&&` or `||`.
        operator: &'static str,
        at: usize,
        /// What stands before it, where that is a command to repeat.
        first: Option<String>,
    },
    /// A here-document that is not of the one form that is read.
    #[error("the command has a here-document at byte {at}: {problem}")]
    HereDocument {
        problem: HereDocumentError,
        at: usize,
    },
    /// A kubeconfig of the caller's machine.
    #[error("the command names a kubeconfig, and the request brings its own")]
    OwnKubeconfig,
    /// A quote that does not end, or a backslash at the very end.
    #[error("the command ends inside a quote that was opened at byte {at}")]
    Unterminated {
        /// Where the quote or the backslash stands.
        at: usize,
    },
    /// The text begins with something else than this tool.
    #[error("the command begins with {word}, {}", prefix.what(*tool))]
    OtherProgram {
        word: Excerpt,
        tool: Tool,
        prefix: Prefix,
    },
}

impl WordsError {
    /// What to do instead, in one sentence.
    pub fn help(&self) -> String {
        match self {
            Self::Empty => "write one command, for example `get pods -n default`".into(),
            Self::TooLong { .. } | Self::TooManyWords { .. } => "ask for less in one command, or split it into several calls".into(),
            Self::Character { code: 0x0A | 0x0D, .. } => {
                "send one command per call; a line goes on behind a backslash, or inside quotes".into()
            }
            Self::Character { .. } => "use plain spaces between words and quote text that needs other characters".into(),
            Self::EmptyStage { .. } => "write a filter on each side, for example `get pods | grep web | head -5`".into(),
            Self::TooManyFilters { .. } => "do several steps in one `awk` or `jq`".into(),
            Self::Shell { operator: "|", .. } => {
                "here a command stands alone; narrow its output with its own flags (-l, --field-selector, -o name, --tail)".into()
            }
            Self::Shell { operator: "2>&1" | "2>" | "|&", .. } => {
                "leave it out, or write `2>&1` or `2>/dev/null` last: both streams come back in the reply, each by itself".into()
            }
            Self::Shell { operator: "<<" | "<<<", .. } => {
                "send the text as the field `stdin`, or end the line by `<<'EOF'`, then the text, and a line `EOF`".into()
            }
            Self::HereDocument { problem, .. } => problem.help().into(),
            Self::Shell { operator: ">>", .. } => "leave it out: the output comes back in the reply, and no file is written".into(),
            Self::Shell { operator: "<" | ">", .. } => {
                "leave redirections out: both streams come back in the reply; a placeholder like <name> must be filled in".into()
            }
            Self::Chain { first: None, .. } => "send one command per call".into(),
            Self::Chain { operator: "||", first: Some(first), .. } => {
                format!("send `{first}`: a command that fails says so in its reply, and ends nothing")
            }
            Self::Chain { first: Some(first), .. } => {
                format!("send `{first}`, and what stands behind it in a call of its own")
            }
            Self::Shell { operator: "#", .. } => "leave the comment out, or quote the word".into(),
            Self::Shell { operator: "~" | "*" | "?", .. } => {
                "there are no local files to expand to; quote the word if it is meant literally".into()
            }
            Self::Shell { .. } => "write the value itself; nothing is expanded here. Put literal text in single quotes".into(),
            Self::OwnKubeconfig => "leave --kubeconfig out".into(),
            Self::Unterminated { .. } => "close the quote".into(),
            Self::OtherProgram { tool, prefix, .. } => prefix.help(*tool),
        }
    }
}

/// The words of a command line, and of each filter behind it.
#[derive(Clone, Debug)]
pub struct CommandStages {
    /// The tool's, without its name.
    pub command: Vec<String>,
    /// Each filter's, its name first.
    pub filters: Vec<Vec<String>>,
    /// What is left out of it.
    pub changes: Vec<Adjustment>,
    /// The text of the here-document behind it.
    pub document: Option<SecretString>,
}

/// Splits a command that stands alone into words; a leading tool name is dropped.
///
/// # Errors
/// A [`WordsError`] that says what stands where.
pub fn split(tool: Tool, text: &str) -> Result<Vec<String>, WordsError> {
    let text = one_line(text);
    let scanned = scan(&text)?;
    match scanned.stages.as_slice() {
        [Span { bar, .. }, _, ..] => Err(WordsError::Shell {
            operator: "|",
            at: *bar,
        }),
        _ => Ok(stages(tool, scanned)?.command),
    }
}

/// Splits a command line and the filters behind it, at each `|` that is not quoted; or takes the
/// here-document that it ends with.
///
/// # Errors
/// A [`WordsError`] that says what stands where.
pub fn split_stages(tool: Tool, text: &str) -> Result<CommandStages, WordsError> {
    let wrong = |(problem, at)| WordsError::HereDocument { problem, at };
    let Some(HereDocument { line, text }) =
        here_document::cut(text, LONGEST_COMMAND).map_err(wrong)?
    else {
        let text = one_line(text);
        return stages(tool, scan(&text)?);
    };
    let at = line.len();
    let line = one_line(line);
    let scanned = scan(&line)?;
    if scanned.stages.len() > 1 {
        return Err(wrong((HereDocumentError::Filtered, at)));
    }
    Ok(CommandStages {
        document: Some(text),
        ..stages(tool, scanned)?
    })
}

fn stages(tool: Tool, scanned: Scanned<'_>) -> Result<CommandStages, WordsError> {
    let Scanned {
        text,
        stages,
        dropped,
    } = scanned;
    let filters = stages.len().saturating_sub(1);
    if filters > MOST_FILTERS {
        return Err(WordsError::TooManyFilters { count: filters });
    }
    let mut parts = Vec::new();
    for Span { from, to, bar } in stages {
        // The scan has found every quote closed, so that none reaches over a `|`.
        let words = shlex::split(text.get(from..to).unwrap_or_default())
            .ok_or(WordsError::Unterminated { at: from })?;
        if words.is_empty() && filters > 0 {
            let (side, at) = if bar < text.len() {
                ("before", bar)
            } else {
                ("behind", from.saturating_sub(1))
            };
            return Err(WordsError::EmptyStage { side, at });
        }
        parts.push(words);
    }
    let count = parts.iter().map(Vec::len).sum();
    if count > MOST_WORDS {
        return Err(WordsError::TooManyWords { count });
    }
    let mut parts = parts.into_iter();
    let mut command = parts.next().unwrap_or_default();
    if let Some((at, prefix)) = prefix::of(tool, text, &command) {
        return Err(WordsError::OtherProgram {
            word: Excerpt::new(command.get(at).map_or("", String::as_str)),
            tool,
            prefix,
        });
    }
    if command.first().is_some_and(|word| word == tool.as_str()) {
        command.remove(0);
    }
    let (idle, filters): (Vec<_>, Vec<_>) = parts.partition(|words| passes_everything(words));
    let mut changes = dropped;
    changes.extend(idle.into_iter().map(|words| Adjustment::Dropped {
        word: format!("| {}", words.join(" ")),
        why: "all of the output comes back in the reply",
    }));
    Ok(CommandStages {
        command,
        filters,
        changes,
        document: None,
    })
}

/// The text without the ends of lines that a backslash takes away (POSIX.1-2024, Shell Command
/// Language, 2.2.1).
fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains("\\\n") {
        return text.into();
    }
    let mut line = String::with_capacity(text.len());
    let mut in_single = false;
    let mut in_double = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if !in_single => {
                match characters.next() {
                    Some('\n') => continue,
                    escaped => {
                        line.push(character);
                        line.extend(escaped);
                    }
                }
                continue;
            }
            '\'' if !in_double => in_single = !in_single,
            '"' if !in_single => in_double = !in_double,
            _ => {}
        }
        line.push(character);
    }
    line.into()
}

/// One stage of a line: where its words begin and end, and where the `|` behind it stands, or the
/// end of the text.
struct Span {
    from: usize,
    to: usize,
    bar: usize,
}

/// A text without anything that a shell would act upon but the `|` between its stages.
struct Scanned<'t> {
    text: &'t str,
    stages: Vec<Span>,
    /// What stands at the end of stages and changes nothing.
    dropped: Vec<Adjustment>,
}

/// Where the scan is, by the rules of a POSIX shell, which are shlex's.
#[derive(Clone, Copy, PartialEq)]
enum Quote {
    None,
    Single,
    Double,
}

/// Refuses characters and shell syntax. Everything it accepts, shlex and a POSIX shell read alike,
/// once it is cut where the `|` stand that are not quoted; the text that comes back has no blanks
/// around it.
fn scan(text: &str) -> Result<Scanned<'_>, WordsError> {
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
    let (mut stages, mut dropped) = (Vec::new(), Vec::new());
    let (mut from, mut ended) = (0, None);
    let mut quote = Quote::None;
    let mut opened = 0;
    let mut word_start = true;
    // Where the word begins that the scan is in.
    let mut began = None;
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        plain_character(character, quote, at)?;
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
                plain_character(escaped, quote, at)?;
            }
            (Quote::None | Quote::Double, '`') => {
                return Err(WordsError::Shell { operator: "`", at });
            }
            (Quote::None | Quote::Double, '$') => expansion(next, quote, at)?,
            (Quote::Double, _) => {}
            (Quote::None, '|') if !matches!(next, Some('|' | '&')) => {
                let to = ended.take().unwrap_or(at);
                stages.push(Span { from, to, bar: at });
                from = at + 1;
            }
            (Quote::None, '<' | '>') => {
                let idle = began.and_then(|began| redirection::idle(text, began));
                let idle = idle.ok_or_else(|| {
                    let (operator, at) = redirection::named(text, at);
                    WordsError::Shell { operator, at }
                })?;
                ended.get_or_insert(idle.from);
                while characters.next_if(|&(at, _)| at < idle.to).is_some() {}
                dropped.push(idle.change);
            }
            (Quote::None, '~') if word_start && text.get(..at).is_some_and(names_a_kubeconfig) => {
                return Err(WordsError::OwnKubeconfig);
            }
            (Quote::None, ';' | '&' | '|') => return Err(chain(text, character, next, at)),
            (Quote::None, _) => unquoted(character, word_start, next, at)?,
        }
        if quote == Quote::None && matches!(character, ' ' | '\t' | '|') {
            began = None;
        } else {
            began.get_or_insert(at);
        }
        word_start = quote == Quote::None && matches!(character, ' ' | '\t' | '|');
    }
    if quote != Quote::None {
        return Err(WordsError::Unterminated { at: opened });
    }
    let (to, bar) = (ended.unwrap_or(text.len()), text.len());
    stages.push(Span { from, to, bar });
    Ok(Scanned {
        text,
        stages,
        dropped,
    })
}

/// Characters that no command needs, quoted or not. Quoted, a line may end: programs of jq and awk
/// have several.
fn plain_character(character: char, quote: Quote, at: usize) -> Result<(), WordsError> {
    let is_plain = character == '\t' || character == '\n' && quote != Quote::None;
    let blank = character.is_whitespace() && character != ' ';
    if !is_plain && (character.is_control() || is_invisible(character) || blank) {
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

/// Whether the word that begins behind this text is the value of `--kubeconfig`.
fn names_a_kubeconfig(before: &str) -> bool {
    before
        .trim_end_matches([' ', '\t'])
        .ends_with("--kubeconfig")
}

/// The refusal of what joins two commands in a shell, or both streams of one.
fn chain(text: &str, character: char, next: Option<char>, at: usize) -> WordsError {
    let operator = match (character, next) {
        ('|', Some('&')) => return WordsError::Shell { operator: "|&", at },
        ('|', _) => "||",
        ('&', Some('&')) => "&&",
        ('&', _) => "&",
        _ => ";",
    };
    let first = text
        .get(..at)
        .unwrap_or_default()
        .trim_end_matches([' ', '\t']);
    let word = first.split([' ', '\t']).next().unwrap_or_default();
    // Of a loop or a change of folder nothing is left to send.
    let is_command = !first.is_empty() && !OF_A_SHELL.contains(&word);
    let is_short = first.len() <= LONGEST_REST && !first.contains(['`', '\n']);
    WordsError::Chain {
        operator,
        at,
        first: (is_command && is_short).then(|| first.to_owned()),
    }
}

/// The first words of lines that a shell alone can run.
const OF_A_SHELL: [&str; 15] = [
    "case", "cd", "echo", "eval", "exec", "export", "for", "if", "printf", "set", "sleep",
    "source", "until", "while", "{",
];

fn unquoted(
    character: char,
    word_start: bool,
    next: Option<char>,
    at: usize,
) -> Result<(), WordsError> {
    let operator = match character {
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
mod tests;
