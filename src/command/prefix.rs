//! What stands before a command in a shell, a terminal or a document: [`of`].
//!
//! Comes in: a line's text and its words. Goes out: the word that is none of the tool's, what it is,
//! and the line without it. Nothing of it is dropped in silence: who writes `sudo` expects something
//! of it that does not happen here.

use crate::tool::Tool;

/// A word before the tool's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    kind: PrefixKind,
    /// The line without what stands before the tool's own words, where it is short enough to be
    /// read.
    rest: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PrefixKind {
    /// `k`
    Alias,
    /// `KUBECONFIG=/x`
    Assignment,
    /// `helm list`, sent to kubectl
    OtherTool(Tool),
    /// `/usr/bin/kubectl`
    Path,
    /// `$`
    Prompt,
    /// Anything else that is no verb.
    Stranger,
    /// `sudo`
    Sudo,
    /// `kubectl kubectl`
    Twice,
    /// `watch`
    Watch,
    /// `time`, `env`, `nohup`
    Wrapper,
}

/// The longest rest that is repeated to a caller, in bytes.
pub(super) const LONGEST_REST: usize = 400;

/// Programs that run the command behind them.
const WRAPPERS: [&str; 5] = ["doas", "env", "nohup", "time", "timeout"];

impl Prefix {
    /// What it is, behind its name.
    pub(super) fn what(&self, tool: Tool) -> String {
        match self.kind {
            PrefixKind::Alias => format!("which some shells read as {tool}"),
            PrefixKind::Assignment => {
                "which is a shell's variable, and there is no shell here".into()
            }
            PrefixKind::OtherTool(other) => format!("which is {other}'s, not {tool}'s"),
            PrefixKind::Path => format!("which is a path; this server has a {tool} of its own"),
            PrefixKind::Prompt => "which is a shell's prompt".into(),
            PrefixKind::Stranger => format!("which is not {tool}"),
            PrefixKind::Sudo => "and no command here runs as another user".into(),
            PrefixKind::Twice => "which stands there already".into(),
            PrefixKind::Watch => "and a command runs once per call".into(),
            PrefixKind::Wrapper => "which is a program of its own, and there is none here".into(),
        }
    }

    /// What to send instead.
    pub(super) fn help(&self, tool: Tool) -> String {
        match (self.kind, &self.rest) {
            (PrefixKind::OtherTool(other), _) => {
                format!("call the tool `{other}` with this command")
            }
            (PrefixKind::Stranger, _) | (_, None) => {
                format!("send the arguments of {tool} only, with or without a leading `{tool}`")
            }
            (PrefixKind::Watch, Some(rest)) => {
                format!("send `{rest}`, and again for newer data")
            }
            (PrefixKind::Assignment, Some(rest)) => {
                format!("send `{rest}`; a kubeconfig and a context are fields of the request")
            }
            (_, Some(rest)) => format!("send `{rest}`"),
        }
    }
}

/// Finds what stands before the tool's own words, and at which of the words: `text` is the whole
/// line, `words` those of its first stage.
pub(super) fn of(tool: Tool, text: &str, words: &[String]) -> Option<(usize, Prefix)> {
    let at = usize::from(words.first().is_some_and(|word| word == tool.as_str()));
    let (kind, _) = kind(tool, words.get(at..)?)?;
    let kind = match kind {
        PrefixKind::OtherTool(other) if other == tool => PrefixKind::Twice,
        kind => kind,
    };
    let mut skipped = at;
    while let Some((_, more)) = words
        .get(skipped..)
        .and_then(|words| self::kind(tool, words))
    {
        skipped += more;
    }
    let rest = without_words(text, skipped)
        .filter(|rest| {
            !rest.is_empty() && rest.len() <= LONGEST_REST && !rest.contains(['`', '\n'])
        })
        .map(str::to_owned);
    Some((at, Prefix { kind, rest }))
}

/// What the first of these words is, when it is none of the tool's, and how many words belong to
/// it.
fn kind(tool: Tool, words: &[String]) -> Option<(PrefixKind, usize)> {
    let (first, behind) = words.split_first()?;
    let first = first.as_str();
    let base = first.rsplit('/').next().unwrap_or(first);
    let runs_a_tool = |skipped: usize| {
        let named = |word: &String| {
            let name = word.rsplit('/').next().unwrap_or(word);
            name.parse::<Tool>().is_ok() || is_alias(tool, word)
        };
        behind
            .get(skipped..)
            .unwrap_or_default()
            .iter()
            .take(3)
            .any(named)
    };
    Some(match first {
        "$" | "%" | ">" | "❯" => (PrefixKind::Prompt, 1),
        "sudo" => (PrefixKind::Sudo, 1 + flags(behind, &["-u", "-g"])),
        "watch" if runs_a_tool(0) => (PrefixKind::Watch, 1 + flags(behind, &["-n", "--interval"])),
        _ if is_alias(tool, first) => (PrefixKind::Alias, 1),
        "timeout" if runs_a_tool(0) => {
            let flags = flags(behind, &["-s", "-k"]);
            (PrefixKind::Wrapper, 2 + flags)
        }
        _ if WRAPPERS.contains(&first) && runs_a_tool(0) => {
            (PrefixKind::Wrapper, 1 + flags(behind, &[]))
        }
        _ if first.parse::<Tool>().is_ok_and(|other| other != tool) => {
            let other = first.parse::<Tool>().ok()?;
            (PrefixKind::OtherTool(other), 1)
        }
        _ if first == tool.as_str() => (PrefixKind::OtherTool(tool), 1),
        _ if first.starts_with('-') => return None,
        _ if first.contains('/') && base.parse::<Tool>().is_ok_and(|other| other != tool) => {
            let other = base.parse::<Tool>().ok()?;
            (PrefixKind::OtherTool(other), 1)
        }
        _ if first.contains('/') && base == tool.as_str() => (PrefixKind::Path, 1),
        _ if is_assignment(first) => (PrefixKind::Assignment, 1),
        _ if first.contains(['/', '=']) && !is_object(tool, first) => (PrefixKind::Stranger, 1),
        _ => return None,
    })
}

/// How many of these words are flags, with the value of each that takes one.
fn flags(words: &[String], with_value: &[&str]) -> usize {
    let mut count = 0;
    while let Some(word) = words.get(count).filter(|word| word.starts_with('-')) {
        count += 1 + usize::from(with_value.contains(&word.as_str()));
    }
    count.min(words.len())
}

fn is_alias(tool: Tool, word: &str) -> bool {
    tool.spec().aliases.contains(&word)
}

/// `TYPE/NAME` that lacks a verb: the parser has better to say.
fn is_object(tool: Tool, word: &str) -> bool {
    tool.spec().implied_verb.is_some()
        && word
            .split_once('/')
            .is_some_and(|(kind, _)| crate::catalogue::resource::canonical(kind).is_some())
}

/// `NAME=value`, as shells name variables.
fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

/// The text behind its first words; `None` where one of them is quoted.
fn without_words(text: &str, count: usize) -> Option<&str> {
    let mut rest = text;
    for _ in 0..count {
        let end = rest.find([' ', '\t'])?;
        let (word, behind) = rest.split_at_checked(end)?;
        if word.contains(['\'', '"', '\\']) {
            return None;
        }
        rest = behind.trim_start_matches([' ', '\t']);
    }
    Some(rest)
}
