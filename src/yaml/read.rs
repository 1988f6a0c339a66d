//! Bytes -> documents, from the events of a YAML parser.
//!
//! The event level is used because a deserialiser has already resolved what is refused here.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashSet},
};

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};
use zeroize::Zeroizing;

use super::{
    compact::{Compacted, every_byte},
    error::{Construct, YamlError},
    node::{Content, Node, key_name},
    typed::is_key,
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
    match compacted(text, bounds) {
        Err(ReadFailure::Indentation(first, last)) => indented(text, (first, last), bounds),
        read => read.map_err(ReadFailure::error),
    }
}

fn compacted(text: &str, bounds: &YamlBounds) -> Result<Vec<Node>, ReadFailure> {
    match Compacted::new(text) {
        Some(compacted) => documents(compacted.text(), Some(&compacted), bounds),
        None => documents(text, None, bounds),
    }
}

/// Why reading ends.
#[derive(Debug, PartialEq, Eq)]
enum ReadFailure {
    /// Lines inside of brackets or quotes that stand further to the left than YAML 1.2 lets them: the first
    /// and the last.
    Indentation(usize, usize),
    Other(YamlError),
}

impl From<YamlError> for ReadFailure {
    fn from(error: YamlError) -> Self {
        Self::Other(error)
    }
}

impl ReadFailure {
    fn error(self) -> YamlError {
        match self {
            Self::Indentation(line, _) => YamlError::Syntax { line },
            Self::Other(error) => error,
        }
    }
}

/// The most bytes that are read again for lines that stand too far to the left: a file of 8 KiB may have
/// five hundred of them.
const MOST_AGAIN: usize = 4 << 20;

/// Reads a text whose lines inside of brackets and quotes stand as far to the left as Go's reader lets
/// them, and people write them: a bracket that closes below the key of its list. Spaces before such a line
/// mean nothing, so they are added until the parser is content.
fn indented(
    text: &str,
    (mut first, mut last): (usize, usize),
    bounds: &YamlBounds,
) -> Result<Vec<Node>, YamlError> {
    let spaces = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let deepest = text.lines().map(spaces).max().unwrap_or_default();
    // Further to the right than anything that it could have to stand behind.
    let margin = " ".repeat(1 + deepest.min(LONGEST_KEY));
    let mut moved = BTreeSet::new();
    for _ in 0..MOST_AGAIN / text.len().max(1) {
        let known = moved.len();
        moved.extend(first..=last);
        if moved.len() == known {
            break;
        }
        let mut again = Zeroizing::new(String::with_capacity(
            text.len() + moved.len() * margin.len(),
        ));
        for (index, text) in text.split_inclusive('\n').enumerate() {
            if moved.contains(&(index + 1)) {
                again.push_str(&margin);
            }
            again.push_str(text);
        }
        match compacted(&again, bounds) {
            Err(ReadFailure::Indentation(of, to)) => (first, last) = (of, to),
            read => return read.map_err(ReadFailure::error),
        }
    }
    Err(YamlError::Syntax { line: first })
}

/// Reads a text that may have been compacted.
fn documents<'t>(
    text: &'t str,
    compacted: Option<&'t Compacted<'t>>,
    bounds: &'t YamlBounds,
) -> Result<Vec<Node>, ReadFailure> {
    let mut events = Events {
        parser: Parser::new_from_str(text),
        text,
        compacted,
        bounds,
        nodes: 0,
        end: 0,
        tight: TIGHT
            .iter()
            .any(|tight| text.contains(tight))
            .then_some(Cursor { text, at: 0 }),
    };
    let mut started = 0;
    let mut documents = Vec::new();
    while let Some((event, line)) = events.next()? {
        match event {
            Event::DocumentStart(_) if started == bounds.documents => {
                return Err(YamlError::TooManyDocuments {
                    line,
                    most: bounds.documents,
                }
                .into());
            }
            Event::DocumentStart(_) => started += 1,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            event => documents.push(events.node(event, line, 0)?),
        }
    }
    if documents.is_empty() {
        return Err(YamlError::Empty.into());
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

/// How many line breaks stand in the quotes that open at a character.
fn quoted(text: &str, at: usize) -> usize {
    let mut characters = text.chars().skip(at).peekable();
    let quote = characters.next();
    let mut breaks = 0;
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\n', _) => breaks += 1,
            ('\\', Some('"')) if characters.peek() != Some(&'\n') => drop(characters.next()),
            ('\'', Some('\'')) if characters.peek() == Some(&'\'') => drop(characters.next()),
            (_, quote) if quote == Some(character) => break,
            _ => {}
        }
    }
    breaks
}

struct Events<'t> {
    parser: Parser<'t, StrInput<'t>>,
    /// What it parses.
    text: &'t str,
    compacted: Option<&'t Compacted<'t>>,
    bounds: &'t YamlBounds,
    /// Read so far.
    nodes: usize,
    /// Where the last event ends, in characters.
    end: usize,
    /// Where it was looked for a colon that stands tight, if the text has any.
    tight: Option<Cursor<'t>>,
}

/// In brackets, YAML 1.2 ends a key at the colon in `[a:, b]`, and Go's reader takes the colon for a part
/// of the text.
const TIGHT: [&str; 5] = [":,", ":]", ":}", ":[", ":{"];

/// What of a text is behind a place in it, which only moves on.
struct Cursor<'t> {
    text: &'t str,
    /// Characters before it.
    at: usize,
}

impl<'t> Cursor<'t> {
    fn behind(&mut self, at: usize) -> &'t str {
        let mut characters = self.text.chars();
        for _ in self.at..at {
            characters.next();
        }
        self.at = self.at.max(at);
        self.text = characters.as_str();
        self.text
    }
}

impl<'t> Events<'t> {
    /// Returns the next event and its line.
    fn next(&mut self) -> Result<Option<(Event<'t>, usize)>, ReadFailure> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => {
                self.end = span.end.index();
                Ok(Some((event, line_of(span))))
            }
            Some(Err(error)) => {
                let line = error.marker().line();
                Err(match error.info() {
                    "invalid indentation" | "invalid indentation in flow construct" => {
                        ReadFailure::Indentation(line, line)
                    }
                    // Says where the quotes open.
                    "invalid indentation in quoted scalar" => {
                        let within = quoted(self.text, error.marker().index());
                        ReadFailure::Indentation(line + 1, line + within)
                    }
                    _ => YamlError::Syntax { line }.into(),
                })
            }
        }
    }

    /// The next event inside a value that began on `line`.
    fn inside(&mut self, line: usize) -> Result<(Event<'t>, usize), ReadFailure> {
        self.next()?.ok_or(YamlError::Syntax { line }.into())
    }

    /// The value that begins with `event`.
    fn node(&mut self, event: Event<'t>, line: usize, depth: usize) -> Result<Node, ReadFailure> {
        let refused = |construct| ReadFailure::Other(YamlError::Construct { line, construct });
        self.nodes += 1;
        if self.nodes > self.bounds.nodes {
            let most = self.bounds.nodes;
            return Err(YamlError::TooManyNodes { line, most }.into());
        }
        if depth > self.bounds.depth {
            let most = self.bounds.depth;
            return Err(YamlError::TooDeep { line, most }.into());
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
            }
            .into());
        }
        let content = match event {
            Event::Scalar(text, style, ..) => Content::Scalar {
                text: self.whole(text),
                plain: style == ScalarStyle::Plain,
            },
            Event::SequenceStart(..) => Content::Sequence(self.sequence(line, depth)?),
            Event::MappingStart(..) => Content::Mapping(self.mapping(line, depth)?),
            _ => return Err(YamlError::Syntax { line }.into()),
        };
        Ok(Node { line, content })
    }

    /// Whether a bracket, a brace or a comma follows on the colon of the key that ends there.
    fn is_tight(&mut self, end: usize) -> bool {
        let Some(cursor) = &mut self.tight else {
            return false;
        };
        let behind = cursor.behind(end);
        TIGHT.iter().any(|tight| behind.starts_with(tight))
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

    fn sequence(&mut self, line: usize, depth: usize) -> Result<Vec<Node>, ReadFailure> {
        let mut items = Vec::new();
        loop {
            match self.inside(line)? {
                (Event::SequenceEnd, _) => return Ok(items),
                (_, line) if items.len() == self.bounds.entries => {
                    return Err(self.too_many_entries(line).into());
                }
                (event, line) => items.push(self.node(event, line, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, line: usize, depth: usize) -> Result<Vec<(String, Node)>, ReadFailure> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        // Filled once there are more than a few: most mappings have one to five keys.
        let mut seen = HashSet::new();
        loop {
            let (event, line) = match self.inside(line)? {
                (Event::MappingEnd, _) => return Ok(entries),
                key => key,
            };
            if entries.len() == self.bounds.entries {
                return Err(self.too_many_entries(line).into());
            }
            let refused = |construct| ReadFailure::Other(YamlError::Construct { line, construct });
            let end = self.end;
            let key = match self.node(event, line, depth + 1)?.content {
                Content::Scalar { plain: true, .. } if self.is_tight(end) => {
                    return Err(refused(Construct::TightColon));
                }
                Content::Scalar { text, plain } if plain && *text == "<<" => {
                    return Err(refused(Construct::MergeKey));
                }
                Content::Scalar { text, plain } if plain && !is_key(&text) => {
                    return Err(refused(Construct::KeyWithType));
                }
                Content::Scalar { mut text, .. } => std::mem::take(&mut *text),
                Content::Sequence(_) | Content::Mapping(_) => {
                    return Err(refused(Construct::CollectionAsKey));
                }
            };
            if key.len() > LONGEST_KEY {
                return Err(YamlError::LongKey { line }.into());
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
                }
                .into());
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
mod tests;
