//! The shapes that the fields of a kubeconfig have: texts, lists of texts, lists of named entries.

use super::{error::KubeconfigError, remedy::unknown};
use crate::{
    excerpt::Excerpt,
    yaml::{Content, Node, has_a_type},
};

/// More than any person's kubeconfig has.
const MOST_ENTRIES: usize = 64;

impl Node {
    /// Returns the entries of the mapping `what`.
    pub(super) fn map(self, what: &'static str) -> Result<Vec<(String, Node)>, KubeconfigError> {
        match self.content {
            Content::Mapping(entries) => Ok(entries),
            _ => Err(wrong(self.line, what, "a mapping")),
        }
    }

    /// Returns a text; `None` for null, which client-go reads as absent.
    pub(super) fn text(self, key: &'static str) -> Result<Option<String>, KubeconfigError> {
        match self.content {
            Content::Scalar { text, plain: true }
                if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") =>
            {
                Ok(None)
            }
            Content::Scalar { text, plain: true } if has_a_type(&text) => {
                Err(wrong(self.line, key, "a text; quote it"))
            }
            Content::Scalar { mut text, .. } => Ok(Some(std::mem::take(&mut *text))),
            _ => Err(wrong(self.line, key, "a text")),
        }
    }

    /// Returns a list of texts with their lines; an empty one for null.
    pub(super) fn texts(self, key: &'static str) -> Result<Vec<(String, usize)>, KubeconfigError> {
        let text = |item: Node| {
            let line = item.line;
            item.text(key)?
                .map(|text| (text, line))
                .ok_or(wrong(line, key, "a list of texts"))
        };
        self.items(key)?.into_iter().map(text).collect()
    }

    /// Returns what `read` makes of each `inner` of `[{name: …, <inner>: {…}}]`, whose names are
    /// unique.
    pub(super) fn entries<T>(
        self,
        list: &'static str,
        inner: &'static str,
        read: impl Fn(Node) -> Result<T, KubeconfigError>,
    ) -> Result<Vec<(String, T)>, KubeconfigError> {
        let mut entries: Vec<(String, T)> = Vec::new();
        for item in self.items(list)? {
            let line = item.line;
            let (mut name, mut value) = (None, None);
            for (key, node) in item.map(list)? {
                match key.as_str() {
                    "name" => name = node.text("name")?,
                    key if key == inner => value = Some(read(node)?),
                    _ => return Err(unknown(&format!("{list}[]."), &key, node.line)),
                }
            }
            let name = name
                .filter(|name| !name.is_empty())
                .ok_or(KubeconfigError::Missing { line, key: "name" })?;
            let value = value.ok_or(KubeconfigError::Missing { line, key: inner })?;
            if entries.iter().any(|(known, _)| *known == name) {
                return Err(KubeconfigError::DuplicateName {
                    line,
                    list,
                    name: Excerpt::new(&name),
                });
            }
            entries.push((name, value));
        }
        Ok(entries)
    }

    /// Returns the items of a list; none for null.
    fn items(self, key: &'static str) -> Result<Vec<Node>, KubeconfigError> {
        let line = self.line;
        let items = match self.content {
            Content::Sequence(items) => items,
            Content::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null") => {
                Vec::new()
            }
            _ => return Err(wrong(line, key, "a list")),
        };
        if items.len() > MOST_ENTRIES {
            let most = MOST_ENTRIES;
            return Err(KubeconfigError::TooMany { line, key, most });
        }
        Ok(items)
    }

    /// Returns the program of an `exec` entry, as far as it has one.
    pub(super) fn command(&self) -> &str {
        let Content::Mapping(entries) = &self.content else {
            return "";
        };
        let mut named = entries.iter().filter(|(key, _)| key == "command");
        match named.next().map(|(_, node)| &node.content) {
            Some(Content::Scalar { text, .. }) => text,
            _ => "",
        }
    }

    /// Whether it is a mapping or a list of nothing, or null.
    pub(super) fn is_empty(&self) -> bool {
        match &self.content {
            Content::Mapping(entries) => entries.is_empty(),
            Content::Sequence(items) => items.is_empty(),
            Content::Scalar { text, plain } => {
                *plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
        }
    }

    /// Whether it is this scalar, without quotes.
    pub(super) fn is_plain(&self, wanted: &str) -> bool {
        matches!(&self.content, Content::Scalar { text, plain: true } if **text == wanted)
    }
}

fn wrong(line: usize, key: &'static str, expected: &'static str) -> KubeconfigError {
    KubeconfigError::Shape {
        line,
        key,
        expected,
    }
}
