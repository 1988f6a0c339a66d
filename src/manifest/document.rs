//! A text -> its documents, separated as kubectl separates them.
//!
//! kubectl cuts a stream at its lines with `---` before any reader of YAML sees it, and refuses such a
//! line that says more; of each piece it reads one document and drops what stands behind `...`
//! (k8s.io/apimachinery v0.37.2 pkg/util/yaml/decoder.go). A text that begins with `{` is a stream of JSON to
//! it, and YAML where it is none.

use super::{
    bounds::{BOUNDS, LARGEST},
    error::ManifestError,
    json,
};
use crate::yaml::{self, Content, Node, YamlError};

/// Reads the documents of a text, but those with nothing in them.
pub(super) fn documents(text: &str) -> Result<Vec<Node>, ManifestError> {
    if text.len() > LARGEST {
        return Err(ManifestError::Yaml(YamlError::TooLarge {
            bytes: text.len(),
            most: LARGEST,
        }));
    }
    // What editors of Windows put before a text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let read = match json::documents(text) {
        Some(read) => read,
        None => separated(text).and_then(|()| Ok(yaml::read(text.as_bytes(), &BOUNDS)?)),
    };
    let mut documents = match read {
        Err(ManifestError::Yaml(YamlError::Empty)) => return Err(ManifestError::NoObject),
        read => read?,
    };
    documents.retain(|node| !is_nothing(node));
    Ok(documents)
}

/// Whether a document says nothing: comments alone, or `null`.
fn is_nothing(node: &Node) -> bool {
    match &node.content {
        Content::Scalar { text, plain } => {
            *plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
        }
        Content::Sequence(_) | Content::Mapping(_) => false,
    }
}

/// Refuses what kubectl would separate in another way than YAML does.
fn separated(text: &str) -> Result<(), ManifestError> {
    let mut is_ended = false;
    for (index, text) in text.lines().enumerate() {
        let line = index + 1;
        let is_comment = |text: &str| {
            let text = text.trim();
            text.is_empty() || text.starts_with('#')
        };
        if let Some(rest) = text.strip_prefix("---") {
            if !is_comment(rest) || rest.starts_with('#') {
                return Err(ManifestError::Separator { line });
            }
            is_ended = false;
        } else if let Some(rest) = text.strip_prefix("...")
            && is_comment(rest)
        {
            is_ended = true;
        } else if is_ended && !is_comment(text) {
            return Err(ManifestError::BehindEnd { line });
        }
    }
    Ok(())
}
