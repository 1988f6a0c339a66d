//! One policy file while it is loaded, and what its parts are read against.

use std::{ops::Range, sync::Arc};

use crate::{
    catalogue::Catalogue,
    nearest,
    policy::error::{PolicyError, PolicyFile},
    tool::Tool,
};

pub(super) struct Loading<'a> {
    pub(super) file: Arc<PolicyFile>,
    pub(super) catalogues: &'a [Catalogue],
}

impl Loading<'_> {
    /// The carried versions of a tool, newest first: `1.37.2 or 1.36.6`.
    pub(super) fn versions(&self, tool: Tool) -> String {
        let versions: Vec<&str> = self
            .catalogues
            .iter()
            .filter(|catalogue| catalogue.tool() == tool)
            .map(Catalogue::version)
            .collect();
        versions.join(" or ")
    }

    pub(super) fn catalogue(&self, tool: Tool) -> Option<&Catalogue> {
        self.catalogues
            .iter()
            .find(|catalogue| catalogue.tool() == tool)
    }

    pub(super) fn error(
        &self,
        span: Range<usize>,
        message: &str,
        help: Option<String>,
    ) -> PolicyError {
        PolicyError::new(&self.file, span, message, help)
    }
}

pub(super) fn long_name(flag: &str) -> &str {
    flag.strip_prefix("--").unwrap_or(flag)
}

/// What the author may have meant.
pub(super) fn nearest<'n>(word: &str, known: impl IntoIterator<Item = &'n str>) -> Option<String> {
    nearest::nearest(word, known).map(|name| format!("did you mean `{name}`?"))
}
