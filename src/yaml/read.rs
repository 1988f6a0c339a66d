//! Bytes -> documents, from the events of a YAML parser.
//!
//! The event level is used because a deserialiser has already resolved what is refused here.

use std::{borrow::Cow, collections::HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};
use zeroize::Zeroizing;

use super::{
    compact::{Compacted, every_byte},
    error::{Construct, YamlError},
    node::{Content, Node, key_name},
};

/// YAML 1.2, section 7.4.2.
const LONGEST_KEY: usize = 1024;
/// Keys that are compared one by one.
const FEW: usize = 16;

/// How large a text may be that is read. Each reader of documents has its own.
#[derive(Clone, Copy, Debug)]
pub struct YamlBounds {
    /// The length of the text.
    pub bytes: usize,
    /// How many collections a node may stand in.
    pub depth: usize,
    /// The nodes of all documents, keys among them.
    pub nodes: usize,
    /// The entries of one list or mapping.
    pub entries: usize,
    /// The documents of the text.
    pub documents: usize,
    /// The bytes that begin or part flow collections, in text too: they are counted before anything
    /// is read, since the parser reads such a collection to its end before it says a word of it.
    pub flow: usize,
}

/// Reads the documents of a text, of which there is at least one.
///
/// # Errors
/// A [`YamlError`] that says what stands on which line.
pub fn read(bytes: &[u8], bounds: &YamlBounds) -> Result<Vec<Node>, YamlError> {
    if bytes.len() > bounds.bytes {
        return Err(YamlError::TooLarge {
            bytes: bytes.len(),
            most: bounds.bytes,
        });
    }
    let text = std::str::from_utf8(bytes).map_err(|_| YamlError::NotUtf8)?;
    little_flow(text, bounds.flow)?;
    let with_plain_ends;
    let text = if text.contains('\r') {
        with_plain_ends = Zeroizing::new(text.replace("\r\n", "\n"));
        &with_plain_ends
    } else {
        text
    };
    only_plain_characters(text)?;
    if text.contains('%')
        && let Some((index, _)) = text
            .lines()
            .enumerate()
            .find(|(_, line)| line.starts_with('%'))
    {
        return Err(YamlError::Construct {
            line: index + 1,
            construct: Construct::Directive,
        });
    }
    match Compacted::new(text) {
        Some(compacted) => documents(compacted.text(), Some(&compacted), bounds),
        None => documents(text, None, bounds),
    }
}

/// Reads a text that may have been compacted.
fn documents<'t>(
    text: &'t str,
    compacted: Option<&'t Compacted<'t>>,
    bounds: &'t YamlBounds,
) -> Result<Vec<Node>, YamlError> {
    let mut events = Events {
        parser: Parser::new_from_str(text),
        compacted,
        bounds,
        nodes: 0,
    };
    let mut started = 0;
    let mut documents = Vec::new();
    while let Some((event, line)) = events.next()? {
        match event {
            Event::DocumentStart(_) if started == bounds.documents => {
                return Err(YamlError::TooManyDocuments {
                    line,
                    most: bounds.documents,
                });
            }
            Event::DocumentStart(_) => started += 1,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            event => documents.push(events.node(event, line, 0)?),
        }
    }
    if documents.is_empty() {
        return Err(YamlError::Empty);
    }
    Ok(documents)
}

/// Refuses a text that costs more to refuse later.
fn little_flow(text: &str, most: usize) -> Result<(), YamlError> {
    let is_flow = |byte: &u8| matches!(byte, b',' | b'[' | b'{');
    if text.as_bytes().iter().filter(|byte| is_flow(byte)).count() <= most {
        return Ok(());
    }
    let flow = text.bytes().enumerate().filter(|(_, byte)| is_flow(byte));
    let passed = flow.map(|(at, _)| at).nth(most).unwrap_or(text.len());
    let line = 1 + text
        .bytes()
        .take(passed)
        .filter(|byte| *byte == b'\n')
        .count();
    Err(YamlError::TooMuchFlow { line, most })
}

/// Refuses a byte-order mark, control characters but newline and tab, and the characters that YAML
/// 1.1 takes for a line break and YAML 1.2 for text.
fn only_plain_characters(text: &str) -> Result<(), YamlError> {
    // What most files are, in one pass.
    if every_byte(text.as_bytes(), |byte| {
        matches!(byte, b' '..=b'~' | b'\n' | b'\t')
    }) {
        return Ok(());
    }
    for (index, line) in text.split('\n').enumerate() {
        if let Some(character) = line.chars().find(|&c| is_read_differently(c)) {
            return Err(YamlError::Character {
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
    compacted: Option<&'t Compacted<'t>>,
    bounds: &'t YamlBounds,
    /// Read so far.
    nodes: usize,
}

impl<'t> Events<'t> {
    /// Returns the next event and its line.
    fn next(&mut self) -> Result<Option<(Event<'t>, usize)>, YamlError> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => Ok(Some((event, line_of(span)))),
            Some(Err(error)) => Err(YamlError::Syntax {
                line: error.marker().line(),
            }),
        }
    }

    /// The next event inside a value that began on `line`.
    fn inside(&mut self, line: usize) -> Result<(Event<'t>, usize), YamlError> {
        self.next()?.ok_or(YamlError::Syntax { line })
    }

    /// The value that begins with `event`.
    fn node(&mut self, event: Event<'t>, line: usize, depth: usize) -> Result<Node, YamlError> {
        let refused = |construct| YamlError::Construct { line, construct };
        self.nodes += 1;
        if self.nodes > self.bounds.nodes {
            let most = self.bounds.nodes;
            return Err(YamlError::TooManyNodes { line, most });
        }
        if depth > self.bounds.depth {
            let most = self.bounds.depth;
            return Err(YamlError::TooDeep { line, most });
        }
        let (anchor, tagged) = match &event {
            Event::Alias(_) => return Err(refused(Construct::Alias)),
            Event::Scalar(_, _, anchor, tag) => (*anchor, tag.is_some()),
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => {
                (*anchor, tag.is_some())
            }
            _ => (0, false),
        };
        if anchor != 0 {
            return Err(refused(Construct::Anchor));
        }
        if tagged {
            return Err(refused(Construct::Tag));
        }
        // An escape can say what may not stand there itself. Line breaks are written as escapes
        // again.
        if let Event::Scalar(text, ..) = &event
            && !text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
            && let Some(character) = text
                .chars()
                .find(|&c| is_read_differently(c) && c != '\n' && c != '\r')
        {
            return Err(YamlError::Character {
                line,
                code: character.into(),
            });
        }
        let content = match event {
            Event::Scalar(text, style, ..) => Content::Scalar {
                text: self.whole(text),
                plain: style == ScalarStyle::Plain,
            },
            Event::SequenceStart(..) => Content::Sequence(self.sequence(line, depth)?),
            Event::MappingStart(..) => Content::Mapping(self.mapping(line, depth)?),
            _ => return Err(YamlError::Syntax { line }),
        };
        Ok(Node { line, content })
    }

    fn whole(&self, text: Cow<'_, str>) -> Zeroizing<String> {
        match self.compacted {
            Some(compacted) if !text.is_ascii() => {
                let text = Zeroizing::new(text.into_owned());
                compacted.restored(&text)
            }
            _ => text.into_owned().into(),
        }
    }

    fn too_many_entries(&self, line: usize) -> YamlError {
        let most = self.bounds.entries;
        YamlError::TooManyEntries { line, most }
    }

    fn sequence(&mut self, line: usize, depth: usize) -> Result<Vec<Node>, YamlError> {
        let mut items = Vec::new();
        loop {
            match self.inside(line)? {
                (Event::SequenceEnd, _) => return Ok(items),
                (_, line) if items.len() == self.bounds.entries => {
                    return Err(self.too_many_entries(line));
                }
                (event, line) => items.push(self.node(event, line, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, line: usize, depth: usize) -> Result<Vec<(String, Node)>, YamlError> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        // Filled once there are more than a few: most mappings have one to five keys.
        let mut seen = HashSet::new();
        loop {
            let (event, line) = match self.inside(line)? {
                (Event::MappingEnd, _) => return Ok(entries),
                key => key,
            };
            if entries.len() == self.bounds.entries {
                return Err(self.too_many_entries(line));
            }
            let refused = |construct| YamlError::Construct { line, construct };
            let key = match self.node(event, line, depth + 1)?.content {
                Content::Scalar { text, plain } if plain && *text == "<<" => {
                    return Err(refused(Construct::MergeKey));
                }
                Content::Scalar { mut text, .. } => std::mem::take(&mut *text),
                Content::Sequence(_) | Content::Mapping(_) => {
                    return Err(refused(Construct::CollectionAsKey));
                }
            };
            if key.len() > LONGEST_KEY {
                return Err(YamlError::LongKey { line });
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
                return Err(YamlError::DuplicateKey {
                    line,
                    key: key_name(&key),
                });
            }
            let (event, line) = self.inside(line)?;
            entries.push((key, self.node(event, line, depth + 1)?));
        }
    }
}

fn line_of(span: Span) -> usize {
    span.start.line()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As large as the documents of these tests are, and one of them.
    const ONE: YamlBounds = YamlBounds {
        bytes: 1 << 16,
        depth: 16,
        nodes: 1 << 10,
        entries: 1 << 10,
        documents: 1,
        flow: 1 << 10,
    };

    fn read_one(text: &str) -> Result<Vec<Node>, YamlError> {
        read(text.as_bytes(), &ONE)
    }

    /// All that a node is, as a text.
    fn shown(node: &Node) -> String {
        match &node.content {
            Content::Scalar { text, plain } => format!("{} {plain} {:?}", node.line, **text),
            Content::Sequence(items) => format!(
                "{} {:?}",
                node.line,
                items.iter().map(shown).collect::<Vec<_>>()
            ),
            Content::Mapping(entries) => {
                format!(
                    "{} {:?}",
                    node.line,
                    entries
                        .iter()
                        .map(|(key, node)| (key, shown(node)))
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
            let compacted = Compacted::new(&text).unwrap();
            assert!(compacted.text().len() < text.len(), "{text}");
            let [compacted, whole] = [
                documents(compacted.text(), Some(&compacted), &ONE),
                documents(&text, None, &ONE),
            ]
            .map(|read| read.map(|nodes| nodes.iter().map(shown).collect::<Vec<_>>()));
            assert_eq!(compacted, whole, "{text}");
        }
        // A character of a private plane is none of a tag's, so it is refused for its syntax.
        for tag in [format!("!{run} x"), format!("!<{run}> x")] {
            assert!(
                read_one(&tag).is_err() && documents(&tag, None, &ONE).is_err(),
                "{tag}"
            );
        }
    }

    #[test]
    fn each_bound_is_met_and_not_passed() {
        let cases = [
            (
                "[[a]]",
                "[[[a]]]",
                YamlBounds { depth: 2, ..ONE },
                YamlError::TooDeep { line: 1, most: 2 },
            ),
            (
                "{a: [b]}",
                "{a: [b, c]}",
                YamlBounds { nodes: 4, ..ONE },
                YamlError::TooManyNodes { line: 1, most: 4 },
            ),
            (
                "[a, {b: c, d: e}]",
                "[a, {b: c, d: e, f: g}]",
                YamlBounds { entries: 2, ..ONE },
                YamlError::TooManyEntries { line: 1, most: 2 },
            ),
            (
                "--- a\n--- b",
                "--- a\n--- b\n--- c",
                YamlBounds {
                    documents: 2,
                    ..ONE
                },
                YamlError::TooManyDocuments { line: 3, most: 2 },
            ),
            (
                "a:\n- [b, c]",
                "a:\n- [b, c]\n- '{'",
                YamlBounds { flow: 2, ..ONE },
                YamlError::TooMuchFlow { line: 3, most: 2 },
            ),
        ];
        for (met, passed, bounds, refused) in cases {
            assert!(read(met.as_bytes(), &bounds).is_ok(), "{met}");
            assert_eq!(
                read(passed.as_bytes(), &bounds).err(),
                Some(refused),
                "{passed}"
            );
        }
        let bounds = YamlBounds { bytes: 4, ..ONE };
        assert!(read(b"a: b", &bounds).is_ok());
        assert_eq!(
            read(b"a: bc", &bounds).err(),
            Some(YamlError::TooLarge { bytes: 5, most: 4 })
        );
    }

    #[test]
    fn a_key_longer_than_yaml_lets_it_be_is_refused() {
        for (length, accepted) in [(LONGEST_KEY, true), (LONGEST_KEY + 1, false)] {
            for text in [
                format!("{}: b", "a".repeat(length)),
                format!("{{{}: b}}", "a".repeat(length)),
                format!("{}: b", "a-".repeat(length / 2 + length % 2)),
            ] {
                assert_eq!(read_one(&text).is_ok(), accepted, "{length}");
            }
        }
    }

    #[test]
    fn a_key_is_found_again_however_many_stand_between() {
        for length in [1, 2, FEW - 1, FEW, FEW + 1, 3 * FEW] {
            let keys: Vec<String> = (0..length)
                .map(|number| format!("k{number}: 1\n"))
                .collect();
            assert!(read_one(&keys.concat()).is_ok(), "{length}");
            for again in [0, length / 2, length - 1] {
                let text = format!("{}{}", keys.concat(), keys[again]);
                assert!(
                    matches!(read_one(&text), Err(YamlError::DuplicateKey { .. })),
                    "{length}, again {again}"
                );
            }
        }
    }
}
