//! Takes the request's own credentials out of a stream, wherever its chunks are cut.
//!
//! A caller who names a cluster never sees its credential: not in output either, whatever tool or server
//! prints it.

use aho_corasick::{AhoCorasick, MatchKind};

use crate::secret::{SecretBytes, SecretString};

/// What stands where a credential stood.
const MARK: &[u8] = b"[REDACTED]";
/// A shorter secret is found in ordinary words too often to be taken out.
const SHORTEST: usize = 8;

/// Finds exact texts in a stream.
pub struct Redactor {
    texts: Option<AhoCorasick>,
    longest: usize,
    /// The end of what was read, where a text may have begun.
    held: SecretBytes,
}

impl Redactor {
    /// Takes out each of `secrets`.
    pub fn new(secrets: &[SecretString]) -> Self {
        let texts: Vec<&str> = secrets.iter().map(|secret| secret.expose().as_str()).filter(|text| text.len() >= SHORTEST).collect();
        let longest = texts.iter().map(|text| text.len()).max().unwrap_or_default();
        let texts = if texts.is_empty() { None } else { AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(texts).ok() };
        Self { texts, longest, held: SecretBytes::new(Vec::new()) }
    }

    /// What can be told of the stream after this chunk.
    pub fn push(&mut self, chunk: &[u8]) -> Vec<u8> {
        let Some(texts) = &self.texts else { return chunk.to_vec() };
        let mut read = self.held.expose().clone();
        read.extend_from_slice(chunk);
        // Nothing that begins before this place can go on past the end.
        let safe = (read.len() + 1).saturating_sub(self.longest);
        let mut told = Vec::with_capacity(read.len());
        let mut at = 0;
        for found in texts.find_iter(&read).take_while(|found| found.start() < safe) {
            told.extend_from_slice(read.get(at..found.start()).unwrap_or_default());
            told.extend_from_slice(MARK);
            at = found.end();
        }
        told.extend_from_slice(read.get(at..safe.max(at)).unwrap_or_default());
        self.held = SecretBytes::new(read.split_off(safe.max(at)));
        told
    }

    /// What was held back, at the end of the stream.
    pub fn finish(mut self) -> Vec<u8> {
        let held = std::mem::replace(&mut self.held, SecretBytes::new(Vec::new()));
        let Some(texts) = &self.texts else { return Vec::new() };
        texts.replace_all_bytes(held.expose(), &vec![MARK; texts.patterns_len()])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redacted(secrets: &[&str], chunks: &[&[u8]]) -> String {
        let secrets: Vec<_> = secrets.iter().map(|secret| SecretString::new((*secret).to_owned())).collect();
        let mut redactor = Redactor::new(&secrets);
        let mut told: Vec<u8> = chunks.iter().flat_map(|chunk| redactor.push(chunk)).collect();
        told.extend(redactor.finish());
        String::from_utf8(told).unwrap()
    }

    #[test]
    fn a_secret_is_taken_out_wherever_the_chunks_are_cut() {
        let text = b"token: s3cret-token, again s3cret-token-2 and s3cret-toke";
        for cut in 0..text.len() {
            let (first, second) = text.split_at(cut);
            let found = redacted(&["s3cret-token", "s3cret-token-2", "short"], &[first, second]);
            assert_eq!(found, "token: [REDACTED], again [REDACTED] and s3cret-toke", "cut at {cut}");
        }
        assert_eq!(redacted(&["short"], &[b"a short word"]), "a short word");
        assert_eq!(redacted(&[], &[b"a", b"b"]), "ab");
    }

    proptest! {
        #[test]
        fn no_secret_is_left_and_nothing_else_is_lost(text in "[ab]{0,200}", secret in "[ab]{8,12}", size in 1_usize..40) {
            let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            let found = redacted(&[&secret], &chunks);
            prop_assert!(!found.contains(&secret));
            prop_assert_eq!(found, text.replace(&secret, "[REDACTED]"));
        }
    }
}
