//! The carried catalogues, for every property that reads commands.

use std::sync::OnceLock;

use crate::{catalogue::Catalogue, tool::Tool};

/// Catalogues are read once: they are the same for every input.
pub(super) fn catalogues() -> &'static [Catalogue] {
    static CARRIED: OnceLock<Vec<Catalogue>> = OnceLock::new();
    CARRIED.get_or_init(|| Catalogue::carried().expect("the carried catalogues load"))
}

/// The newest version of a tool.
pub(super) fn catalogue(tool: Tool) -> &'static Catalogue {
    catalogues()
        .iter()
        .find(|catalogue| catalogue.tool() == tool)
        .expect("every tool has a catalogue")
}

/// The tool that a text is about, by its first letter, so that a seed is a plain `helm list`.
pub(super) fn tool_of(text: &str) -> Tool {
    match text.trim_start().chars().next() {
        Some('a') => Tool::ARGOCD,
        Some('h') => Tool::HELM,
        Some('i') => Tool::ISTIOCTL,
        _ => Tool::KUBECTL,
    }
}
