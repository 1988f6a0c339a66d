//! What a document is made of, as it was written: no scalar has a type yet.

use zeroize::Zeroizing;

use crate::excerpt::Excerpt;

/// A value and where it stands.
pub struct Node {
    /// The line on which it begins, from 1.
    pub line: usize,
    /// Its content.
    pub content: Content,
}

/// The three kinds of content that a node has (YAML 1.2.2, section 3.2.1.1).
pub enum Content {
    /// A text.
    Scalar {
        /// The text, which may be a credential: wiped unless it is taken out.
        text: Zeroizing<String>,
        /// Whether it was written without quotes and block style, so that YAML gives it a type.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values in the document's order, no key twice.
    Mapping(Vec<(String, Node)>),
}

/// A key as a message may quote it: in `{token:SECRET}` there is one key, and most of it is no
/// name.
pub fn key_name(key: &str) -> Excerpt {
    match key.find(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c)) {
        Some(end) => Excerpt::new(&format!("{}…", key.get(..end).unwrap_or_default())),
        None => Excerpt::new(key),
    }
}
