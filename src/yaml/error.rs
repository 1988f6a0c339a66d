//! Why bytes are not strict YAML: what stands on which line, never a value.

use std::fmt;

use crate::excerpt::Excerpt;

/// Why bytes are not strict YAML.
///
/// Its text is a predicate (`has a YAML tag on line 3`): the room that reads knows what the text is
/// called that has it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the names of the fields say it")]
pub enum YamlError {
    /// A character that two readers could take differently.
    #[error("has the character U+{code:04X} on line {line}")]
    Character { line: usize, code: u32 },
    /// What YAML has and no document here may have.
    #[error("has {construct} on line {line}")]
    Construct { line: usize, construct: Construct },
    /// A key that is twice in one mapping; the line is that of the second one.
    #[error("has the key {key} twice, again on line {line}")]
    DuplicateKey { line: usize, key: Excerpt },
    /// No document.
    #[error("is empty")]
    Empty,
    /// A key longer than the 1024 bytes that YAML lets it be.
    #[error("has a key that is longer than YAML lets it be on line {line}")]
    LongKey { line: usize },
    /// Bytes that are no text.
    #[error("is not UTF-8 text")]
    NotUtf8,
    /// A text that is neither YAML nor JSON.
    #[error("is not valid YAML or JSON on line {line}")]
    Syntax { line: usize },
    /// Collections in one another beyond [`YamlBounds::depth`](super::YamlBounds::depth).
    #[error("is nested more than {most} deep on line {line}")]
    TooDeep { line: usize, most: usize },
    /// A text beyond [`YamlBounds::bytes`](super::YamlBounds::bytes).
    #[error("has {bytes} bytes; at most {most} are accepted")]
    TooLarge { bytes: usize, most: usize },
    /// Documents beyond [`YamlBounds::documents`](super::YamlBounds::documents).
    #[error("has more than {most} YAML documents, the next on line {line}")]
    TooManyDocuments { line: usize, most: usize },
    /// A collection beyond [`YamlBounds::entries`](super::YamlBounds::entries).
    #[error("has more than {most} entries in one list or mapping, the next on line {line}")]
    TooManyEntries { line: usize, most: usize },
    /// Nodes beyond [`YamlBounds::nodes`](super::YamlBounds::nodes).
    #[error("has more than {most} values, the next on line {line}")]
    TooManyNodes { line: usize, most: usize },
    /// Commas, brackets and braces beyond [`YamlBounds::flow`](super::YamlBounds::flow).
    #[error("has more than {most} commas, brackets and braces, the next on line {line}")]
    TooMuchFlow { line: usize, most: usize },
}

/// A construct of YAML that readers resolve differently, or that hides what a document says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Construct {
    Alias,
    Anchor,
    /// A mapping or a list in the place of a key.
    CollectionAsKey,
    Directive,
    /// A key without quotes that is no text to YAML 1.1, or another one.
    KeyWithType,
    MergeKey,
    Tag,
    /// A key in brackets with nothing behind its colon.
    TightColon,
}

impl fmt::Display for Construct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alias => "a YAML alias",
            Self::Anchor => "a YAML anchor",
            Self::CollectionAsKey => "a key that is not a plain name",
            Self::Directive => "a YAML directive",
            Self::KeyWithType => "a key without quotes that YAML takes for no text",
            Self::MergeKey => "a YAML merge key",
            Self::Tag => "a YAML tag",
            Self::TightColon => "a colon without a space behind it, in brackets",
        })
    }
}

impl YamlError {
    /// The line that it is about.
    pub fn line(&self) -> Option<usize> {
        match *self {
            Self::Character { line, .. }
            | Self::Construct { line, .. }
            | Self::DuplicateKey { line, .. }
            | Self::LongKey { line }
            | Self::Syntax { line }
            | Self::TooDeep { line, .. }
            | Self::TooManyDocuments { line, .. }
            | Self::TooManyEntries { line, .. }
            | Self::TooManyNodes { line, .. }
            | Self::TooMuchFlow { line, .. } => Some(line),
            Self::Empty | Self::NotUtf8 | Self::TooLarge { .. } => None,
        }
    }
}
