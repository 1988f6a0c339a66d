//! YAML or JSON events -> a tree with line numbers; what two parsers could read differently is
//! refused before any meaning is looked for.
//!
//! Refused: anchors, aliases, tags, directives, merge keys, duplicate keys, a second document, keys
//! that are not plain scalars, depth and node budgets (threat model, section 4). The event level is
//! used because a deserialiser has already resolved all of these.

use std::{borrow::Cow, collections::HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use zeroize::Zeroizing;

use super::{
    error::KubeconfigError,
    shorten::{Shortened, all},
};
use crate::excerpt::Excerpt;

/// The largest kubeconfig, in bytes. A file of 64 contexts with certificates is about 200 KiB.
pub const LARGEST: usize = 256 * 1024;
const DEEPEST: usize = 16;
const MOST_NODES: usize = 16 * 1024;
/// YAML 1.2, section 7.4.2.
const LONGEST_KEY: usize = 1024;
/// Keys that are compared one by one.
const FEW: usize = 16;

/// A value and where it stands.
pub struct Node {
    /// The line, from 1.
    pub line: usize,
    /// The value.
    pub value: Value,
}

/// A YAML value, scalars still as text.
pub enum Value {
    /// A scalar; `plain` when it was written without quotes, so that YAML gives it a type.
    Scalar {
        /// The text, which may be a credential: wiped when nobody takes it.
        text: Zeroizing<String>,
        /// Written without quotes or block style.
        plain: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the file's order, without duplicates.
    Map(Vec<(String, Node)>),
}

/// Reads one document.
///
/// # Errors
/// A [`KubeconfigError`] that says what stands on which line.
pub fn scan(bytes: &[u8]) -> Result<Node, KubeconfigError> {
    if bytes.len() > LARGEST {
        return Err(KubeconfigError::TooLarge { bytes: bytes.len() });
    }
    let text = std::str::from_utf8(bytes).map_err(|_| KubeconfigError::NotUtf8)?;
    let with_plain_ends;
    let text = if text.contains('\r') {
        with_plain_ends = Zeroizing::new(text.replace("\r\n", "\n"));
        &with_plain_ends
    } else {
        text
    };
    characters(text)?;
    if text.contains('%')
        && let Some((index, _)) = text
            .lines()
            .enumerate()
            .find(|(_, line)| line.starts_with('%'))
    {
        return Err(KubeconfigError::Yaml {
            line: index + 1,
            what: "a YAML directive",
        });
    }
    match Shortened::of(text) {
        Some(short) => tree(short.text(), Some(&short)),
        None => tree(text, None),
    }
}

/// The tree of one document, whose `text` may have been shortened.
fn tree<'t>(text: &'t str, short: Option<&'t Shortened<'t>>) -> Result<Node, KubeconfigError> {
    let mut events = Events {
        parser: Parser::new_from_str(text),
        short,
        nodes: 0,
    };
    let mut documents = 0;
    let mut root = None;
    while let Some((event, line)) = events.next()? {
        match event {
            Event::DocumentStart(_) if documents == 1 => {
                return Err(KubeconfigError::Yaml {
                    line,
                    what: "a second YAML document",
                });
            }
            Event::DocumentStart(_) => documents = 1,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            event => root = Some(events.node(event, line, 0)?),
        }
    }
    root.ok_or(KubeconfigError::Empty)
}

/// No byte-order mark, no control character but newline and tab, and none of the characters that
/// YAML 1.1 takes for a line break and YAML 1.2 for text.
fn characters(text: &str) -> Result<(), KubeconfigError> {
    // What most files are, in one pass.
    if all(text.as_bytes(), |byte| {
        matches!(byte, b' '..=b'~' | b'\n' | b'\t')
    }) {
        return Ok(());
    }
    for (index, line) in text.split('\n').enumerate() {
        if let Some(character) = line.chars().find(|&c| is_read_differently(c)) {
            return Err(KubeconfigError::Character {
                line: index + 1,
                code: character.into(),
            });
        }
    }
    Ok(())
}

/// Whether a reader of YAML 1.1, as Go's is, refuses the character, drops it or takes it for a line
/// break, even between the quotes of JSON.
fn is_read_differently(c: char) -> bool {
    c.is_control() && c != '\t'
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

struct Events<'t> {
    parser: Parser<'t, StrInput<'t>>,
    short: Option<&'t Shortened<'t>>,
    nodes: usize,
}

impl<'t> Events<'t> {
    /// The next event and its line.
    fn next(&mut self) -> Result<Option<(Event<'t>, usize)>, KubeconfigError> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => Ok(Some((event, line_of(span)))),
            Some(Err(error)) => Err(KubeconfigError::Syntax {
                line: error.marker().line(),
            }),
        }
    }

    /// The next event inside a value that began on `line`.
    fn inside(&mut self, line: usize) -> Result<(Event<'t>, usize), KubeconfigError> {
        self.next()?.ok_or(KubeconfigError::Syntax { line })
    }

    /// The value that begins with `event`.
    fn node(
        &mut self,
        event: Event<'t>,
        line: usize,
        depth: usize,
    ) -> Result<Node, KubeconfigError> {
        let refused = |what| KubeconfigError::Yaml { line, what };
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return Err(refused("more values than any kubeconfig has"));
        }
        if depth > DEEPEST {
            return Err(refused("deeper nesting than any kubeconfig has"));
        }
        let (anchor, tagged) = match &event {
            Event::Alias(_) => return Err(refused("a YAML alias")),
            Event::Scalar(_, _, anchor, tag) => (*anchor, tag.is_some()),
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => {
                (*anchor, tag.is_some())
            }
            _ => (0, false),
        };
        if anchor != 0 {
            return Err(refused("a YAML anchor"));
        }
        if tagged {
            return Err(refused("a YAML tag"));
        }
        // An escape can say what may not stand there itself. Line breaks are written as escapes
        // again.
        if let Event::Scalar(text, ..) = &event
            && !text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
            && let Some(character) = text
                .chars()
                .find(|&c| is_read_differently(c) && c != '\n' && c != '\r')
        {
            return Err(KubeconfigError::Character {
                line,
                code: character.into(),
            });
        }
        let value = match event {
            Event::Scalar(text, style, ..) => Value::Scalar {
                text: self.whole(text),
                plain: style == ScalarStyle::Plain,
            },
            Event::SequenceStart(..) => Value::List(self.list(line, depth)?),
            Event::MappingStart(..) => Value::Map(self.map(line, depth)?),
            _ => return Err(KubeconfigError::Syntax { line }),
        };
        Ok(Node { line, value })
    }

    fn whole(&self, text: Cow<'_, str>) -> Zeroizing<String> {
        match self.short {
            Some(short) if !text.is_ascii() => {
                let text = Zeroizing::new(text.into_owned());
                short.restored(&text)
            }
            _ => text.into_owned().into(),
        }
    }

    fn list(&mut self, line: usize, depth: usize) -> Result<Vec<Node>, KubeconfigError> {
        let mut items = Vec::new();
        loop {
            match self.inside(line)? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, line) => items.push(self.node(event, line, depth + 1)?),
            }
        }
    }

    fn map(&mut self, line: usize, depth: usize) -> Result<Vec<(String, Node)>, KubeconfigError> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        // Filled once a mapping is longer than any of a kubeconfig's: most have one to five keys.
        let mut seen = HashSet::new();
        loop {
            let (event, line) = match self.inside(line)? {
                (Event::MappingEnd, _) => return Ok(entries),
                key => key,
            };
            let refused = |what| KubeconfigError::Yaml { line, what };
            let key = match self.node(event, line, depth + 1)?.value {
                Value::Scalar { text, plain } if plain && *text == "<<" => {
                    return Err(refused("a YAML merge key"));
                }
                Value::Scalar { mut text, .. } => std::mem::take(&mut *text),
                Value::List(_) | Value::Map(_) => {
                    return Err(refused("a key that is not a plain name"));
                }
            };
            if key.len() > LONGEST_KEY {
                return Err(refused("a key that is longer than YAML lets it be"));
            }
            let known = match entries.len() {
                0..FEW => entries.iter().any(|(known, _)| *known == key),
                FEW => {
                    seen.extend(entries.iter().map(|(known, _)| known.clone()));
                    !seen.insert(key.clone())
                }
                _ => !seen.insert(key.clone()),
            };
            if known {
                return Err(KubeconfigError::DuplicateKey {
                    line,
                    key: key_name(&key),
                });
            }
            let (event, line) = self.inside(line)?;
            entries.push((key, self.node(event, line, depth + 1)?));
        }
    }
}

/// A key as it may be told about: in `{token:SECRET}` there is one key, and most of it is no name.
pub fn key_name(key: &str) -> Excerpt {
    match key.find(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c)) {
        Some(end) => Excerpt::new(&format!("{}…", key.get(..end).unwrap_or_default())),
        None => Excerpt::new(key),
    }
}

fn line_of(span: Span) -> usize {
    span.start.line()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a tree says.
    fn told(node: &Node) -> String {
        match &node.value {
            Value::Scalar { text, plain } => format!("{} {plain} {:?}", node.line, **text),
            Value::List(items) => format!(
                "{} {:?}",
                node.line,
                items.iter().map(told).collect::<Vec<_>>()
            ),
            Value::Map(entries) => {
                format!(
                    "{} {:?}",
                    node.line,
                    entries
                        .iter()
                        .map(|(key, node)| (key, told(node)))
                        .collect::<Vec<_>>()
                )
            }
        }
    }

    #[test]
    fn a_long_run_of_letters_is_read_as_it_stands_wherever_it_stands() {
        let run = "aGVsbG8/d29ybGQ+".repeat(9);
        for text in [
            "RUN",
            "RUN\n",
            "a: RUN",
            "a: RUN=",
            "a: RUN # RUN",
            "a: RUN#RUN",
            "# RUN\na: b",
            "a: 'RUN'",
            "a: \"RUN\"",
            "a: 'RUN''RUN'",
            "a: |\n  RUN\n  RUN\nb: c",
            "a: >-\n  RUN\n  RUN",
            "a: >\n   RUN\n\n   RUN\n",
            "a: |RUN\n  x",
            "a:\tRUN",
            "a:\t-RUN",
            "a: RUN\n  RUN",
            "a: RUN\nRUN",
            "a: 'RUN\n  RUN'",
            "a: 'RUN\nRUN'",
            "RUN: x",
            "RUN : x",
            "'RUN': x",
            "? RUN\n: x",
            "RUN: RUN: x",
            "a: RUN: x",
            "a: RUN:x",
            "- RUN",
            "- RUN: a\n  b: RUN",
            "-RUN",
            "[RUN, RUN]",
            "[RUN,RUN]",
            "{a: RUN, b: RUN}",
            "{a:RUN}",
            "{RUN: a}",
            "{\"a\":\"RUN\"}",
            "{\"RUN\":\"RUN\"}",
            "{'RUN':RUN}",
            "[RUN: x]",
            "[RUN\n: x]",
            "{a: RUN\nRUN}",
            "[RUN RUN]",
            "[RUN]: x",
            "&RUN x",
            "*RUN",
            "%RUN",
            "--- RUN",
            "---RUN",
            "RUN\n---\nx",
            "RUN\n...",
            "RUN\n---RUN",
            "'RUN",
            "a: 'RUN' RUN",
            "a: RUN]",
            "{a: RUN",
            "RUN\na: b",
            "a: b\nRUN",
            "a:\n  RUN\n b: c",
            "a: -RUN",
            "a: @RUN",
            "a: `RUN",
            "ü: RUN",
            "a: 'RUN\u{85}'",
            "a: RUN\u{a0}RUN",
            "a: RUN\u{e000}",
        ] {
            let text = text.replace("RUN", &run);
            let short = Shortened::of(&text).unwrap();
            assert!(short.text().len() < text.len(), "{text}");
            let [short, long] = [tree(short.text(), Some(&short)), tree(&text, None)]
                .map(|read| read.map(|node| told(&node)));
            assert_eq!(short, long, "{text}");
        }
        // A character of a private plane is none of a tag's, so it is refused for its syntax.
        for tag in [format!("!{run} x"), format!("!<{run}> x")] {
            assert!(
                scan(tag.as_bytes()).is_err() && tree(&tag, None).is_err(),
                "{tag}"
            );
        }
    }

    #[test]
    fn a_key_longer_than_yaml_lets_it_be_is_refused() {
        for (length, accepted) in [(LONGEST_KEY, true), (LONGEST_KEY + 1, false)] {
            for text in [
                format!("{}: b", "a".repeat(length)),
                format!("{{{}: b}}", "a".repeat(length)),
                format!("{}: b", "a-".repeat(length / 2 + length % 2)),
            ] {
                assert_eq!(scan(text.as_bytes()).is_ok(), accepted, "{length}");
            }
        }
    }

    #[test]
    fn a_key_is_found_again_however_many_stand_between() {
        for length in [1, 2, FEW - 1, FEW, FEW + 1, 3 * FEW] {
            let keys: Vec<String> = (0..length)
                .map(|number| format!("k{number}: 1\n"))
                .collect();
            assert!(scan(keys.concat().as_bytes()).is_ok(), "{length}");
            for again in [0, length / 2, length - 1] {
                let text = format!("{}{}", keys.concat(), keys[again]);
                assert!(
                    matches!(
                        scan(text.as_bytes()),
                        Err(KubeconfigError::DuplicateKey { .. })
                    ),
                    "{length}, again {again}"
                );
            }
        }
    }
}
