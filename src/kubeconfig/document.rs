//! Bytes -> the one document of strict YAML that a kubeconfig is.

use super::{
    base64::{LARGEST, decode},
    error::KubeconfigError,
};
use crate::{
    secret::SecretBytes,
    yaml::{self, Node, YamlBounds},
};

/// Larger than any kubeconfig but in bytes, of which certificates take many.
const BOUNDS: YamlBounds = YamlBounds {
    bytes: LARGEST,
    depth: 16,
    nodes: 16 * 1024,
    entries: 16 * 1024,
    documents: 1,
    flow: MOST_FLOW,
};

/// 64 clusters, users and contexts in JSON, each with extensions, have some 3000.
const MOST_FLOW: usize = 4096;

pub(super) fn document(bytes: &SecretBytes) -> Result<Node, KubeconfigError> {
    let text = bytes.expose();
    if is_base64_of_a_kubeconfig(text) {
        return Err(KubeconfigError::Base64Twice);
    }
    // What editors of Windows put before a text.
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    let documents = yaml::read(text, &BOUNDS)?;
    documents.into_iter().next().ok_or(KubeconfigError::Empty)
}

/// Whether bytes that should be a kubeconfig are base64 of one: no kubeconfig is written without a
/// colon.
fn is_base64_of_a_kubeconfig(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains(':'));
    let decoded = text.and_then(|text| decode(text).ok());
    decoded.is_some_and(|decoded| {
        let wanted = b"clusters";
        decoded
            .expose()
            .windows(wanted.len())
            .any(|part| part == wanted)
    })
}
