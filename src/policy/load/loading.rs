//! One policy file while it is loaded, and what its parts are read against.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use toml::Spanned;

use crate::{
    catalogue::Catalogue,
    nearest,
    policy::{
        error::{PolicyError, PolicyFile},
        file::List,
        known::Known,
    },
    tool::Tool,
};

/// One policy file, the sets that it may name, and the versions of the tools.
pub(super) struct Loading<'a> {
    pub(super) file: Arc<PolicyFile>,
    pub(super) catalogues: &'a [Catalogue],
    /// What the settings know, when the file is loaded with them.
    pub(super) known: Option<&'a Known>,
    /// Its own sets and those of what it includes.
    pub(super) sets: BTreeMap<String, KnownSet>,
}

/// A set that a file may name.
#[derive(Clone)]
pub(super) struct KnownSet {
    /// The file in which it stands.
    pub(super) of: Arc<PolicyFile>,
    pub(super) names: List,
}

impl Loading<'_> {
    /// The names in a set. Those of another file have the place where the set is used: an error
    /// about one of them is shown in this file.
    pub(super) fn set(&self, name: &str, used: Range<usize>) -> Option<List> {
        let set = self.sets.get(name)?;
        if Arc::ptr_eq(&set.of, &self.file) {
            return Some(set.names.clone());
        }
        let names = set.names.iter();
        Some(
            names
                .map(|name| Spanned::new(used.clone(), name.get_ref().clone()))
                .collect(),
        )
    }

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
