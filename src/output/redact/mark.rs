//! The mark that stands where a secret stood, and where a text may be about to begin.

use memchr::memchr_iter;

/// The text that stands where a secret stood.
pub(super) const MARK: &[u8] = b"[REDACTED]";

/// Returns how many bytes at the end of `text` may be the beginning of one of `all`.
pub(in crate::output) fn beginning<'a>(text: &[u8], all: impl Iterator<Item = &'a [u8]>) -> usize {
    // No more is compared than that: what is held too long does no harm.
    const COMPARED: usize = 64;
    let beginning = |one: &[u8]| {
        let tail = text
            .get((text.len() + 1).saturating_sub(one.len())..)
            .unwrap_or_default();
        let begins = |at: &usize| {
            let rest = tail.get(*at..).unwrap_or_default();
            let compared = rest.len().min(COMPARED);
            rest.get(..compared) == one.get(..compared)
        };
        memchr_iter(*one.first()?, tail)
            .find(begins)
            .map(|at| tail.len() - at)
    };
    all.filter_map(beginning).max().unwrap_or_default()
}
