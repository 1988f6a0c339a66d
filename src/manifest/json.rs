//! A stream of JSON -> documents. JSON is YAML, but its escapes for characters beyond U+FFFF and its
//! tabs are not, and a stream of it has no separators.
//!
//! The bounds are those of YAML, and so are the errors; a nested value has the line of its document.

use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

use super::{bounds::BOUNDS, error::ManifestError};
use crate::yaml::{Content, Node, YamlError, key_name};

/// Reads the documents of a stream of JSON; none for a text that is no such stream.
pub(super) fn documents(text: &str) -> Option<Result<Vec<Node>, ManifestError>> {
    if !text.trim_start_matches(BLANK).starts_with('{') {
        return None;
    }
    let mut reading = StreamReading {
        line: 1,
        nodes: 0,
        refused: None,
    };
    let mut documents = Vec::new();
    let (mut rest, mut counted) = (text, 0);
    loop {
        let start = rest.len() - rest.trim_start_matches(BLANK).len();
        rest = rest.get(start..)?;
        if rest.is_empty() {
            return Some(Ok(documents));
        }
        let at = text.len() - rest.len();
        reading.line += lines(text.get(counted..at)?);
        counted = at;
        if documents.len() == BOUNDS.documents {
            let (line, most) = (reading.line, BOUNDS.documents);
            let refused = YamlError::TooManyDocuments { line, most };
            return Some(Err(refused.into()));
        }
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<de::IgnoredAny>();
        let end = match stream.next() {
            Some(Ok(_)) => stream.byte_offset(),
            _ => return None,
        };
        let mut json = serde_json::Deserializer::from_str(rest.get(..end)?);
        match (JsonValue {
            reading: &mut reading,
            depth: 0,
        })
        .deserialize(&mut json)
        {
            Ok(node) => documents.push(node),
            // What it is, is JSON; it is refused for what it says.
            Err(_) => return reading.refused.map(|refused| Err(refused.into())),
        }
        rest = rest.get(end..)?;
    }
}

/// White space of JSON.
const BLANK: [char; 4] = [' ', '\t', '\n', '\r'];

fn lines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

/// What is known while a stream is read.
struct StreamReading {
    line: usize,
    nodes: usize,
    refused: Option<YamlError>,
}

impl StreamReading {
    /// Keeps why the stream is refused; what goes through serde is a text.
    fn refuse<E: de::Error>(&mut self, why: YamlError) -> E {
        self.refused = Some(why);
        E::custom("refused")
    }
}

/// One value, `depth` collections deep.
struct JsonValue<'r> {
    reading: &'r mut StreamReading,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for JsonValue<'_> {
    type Value = Node;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        let line = self.reading.line;
        self.reading.nodes += 1;
        if self.depth > BOUNDS.depth {
            let most = BOUNDS.depth;
            return Err(self.reading.refuse(YamlError::TooDeep { line, most }));
        }
        if self.reading.nodes > BOUNDS.nodes {
            let most = BOUNDS.nodes;
            return Err(self.reading.refuse(YamlError::TooManyNodes { line, most }));
        }
        let content = deserializer.deserialize_any(self)?;
        Ok(Node { line, content })
    }
}

fn plain(text: String) -> Content {
    Content::Scalar {
        text: Zeroizing::new(text),
        plain: true,
    }
}

impl<'de> Visitor<'de> for JsonValue<'_> {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(plain(value.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(plain("null".into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(plain(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(plain(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Content, E> {
        // Read again to the same float (`{:e}` has the shortest digits that are).
        Ok(plain(format!("{value:e}")))
    }

    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Scalar {
            text: Zeroizing::new(value.to_owned()),
            plain: false,
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Content, A::Error> {
        let (reading, depth) = (self.reading, self.depth + 1);
        let mut nodes = Vec::new();
        while let Some(node) = items.next_element_seed(JsonValue { reading, depth })? {
            if nodes.len() == BOUNDS.entries {
                return Err(too_many_entries(reading));
            }
            nodes.push(node);
        }
        Ok(Content::Sequence(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Content, A::Error> {
        let (reading, depth) = (self.reading, self.depth + 1);
        let mut entries: Vec<(String, Node)> = Vec::new();
        let mut known = std::collections::HashSet::new();
        while let Some(key) = fields.next_key::<String>()? {
            reading.nodes += 1;
            let line = reading.line;
            if entries.len() == BOUNDS.entries {
                return Err(too_many_entries(reading));
            }
            if !known.insert(key.clone()) {
                let key = key_name(&key);
                return Err(reading.refuse(YamlError::DuplicateKey { line, key }));
            }
            let node = fields.next_value_seed(JsonValue { reading, depth })?;
            entries.push((key, node));
        }
        Ok(Content::Mapping(entries))
    }
}

fn too_many_entries<E: de::Error>(reading: &mut StreamReading) -> E {
    let (line, most) = (reading.line, BOUNDS.entries);
    reading.refuse(YamlError::TooManyEntries { line, most })
}
