//! Takes the request's own credentials out of a stream.
//!
//! A caller who names a cluster never sees its credential: not in output either, whatever tool or
//! server prints it, as it is, escaped for JSON, or in base64, wherever in a longer text it was
//! encoded.

use std::cell::OnceCell;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind};
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use zeroize::Zeroizing;

use super::{
    mark::{MARK, beginning},
    patterns::is_base64,
};
use crate::secret::{SecretBytes, SecretString};

/// A shorter secret is found in ordinary words too often to be taken out.
const SHORTEST: usize = 8;
/// So much of the base64 of a secret tells it; the rest of the base64 around it goes with it.
const TELLING: usize = 48;

/// Finds exact texts in a stream.
pub(super) struct Credentials {
    texts: OnceCell<Option<AhoCorasick>>,
    /// The same, those in base64 from `encoded` on.
    spellings: Vec<SecretBytes>,
    encoded: usize,
    /// The end of what was read, where a text may have begun.
    held: Zeroizing<Vec<u8>>,
    /// Whether what was read ends in base64 that is taken out.
    in_base64: bool,
}

impl Credentials {
    pub(super) fn new(secrets: &[SecretString]) -> Self {
        let secrets = || {
            secrets
                .iter()
                .map(|secret| secret.expose().as_str())
                .filter(|text| text.len() >= SHORTEST)
        };
        let mut spellings: Vec<SecretBytes> = Vec::new();
        let mut add = |text: Vec<u8>| {
            let text = SecretBytes::new(text);
            if text.expose().len() >= SHORTEST
                && !spellings
                    .iter()
                    .any(|known| known.expose() == text.expose())
            {
                spellings.push(text);
            }
        };
        for secret in secrets() {
            add(secret.as_bytes().to_vec());
            for escaped in json_escaped(secret) {
                add(escaped.into_bytes());
            }
        }
        let encoded = spellings.len();
        let mut add = |text: Vec<u8>| {
            let text = SecretBytes::new(text);
            if !spellings
                .iter()
                .any(|known| known.expose() == text.expose())
            {
                spellings.push(text);
            }
        };
        secrets().for_each(|secret| in_base64(secret).into_iter().for_each(&mut add));
        Self {
            texts: OnceCell::new(),
            spellings,
            encoded,
            held: Zeroizing::new(Vec::new()),
            in_base64: false,
        }
    }

    /// Made when something is to be read: most commands say nothing on one of their streams.
    fn texts(&self) -> Option<&AhoCorasick> {
        // A table of all states would take megabytes for a private key.
        let build = || {
            AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .kind(Some(AhoCorasickKind::ContiguousNFA))
                .build(self.spellings.iter().map(|text| text.expose().as_slice()))
                .ok()
        };
        if self.spellings.is_empty() {
            None
        } else {
            self.texts.get_or_init(build).as_ref()
        }
    }

    /// What can be told of the stream after this chunk.
    pub(super) fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        if self.texts().is_none() {
            out.extend_from_slice(chunk);
            return;
        }
        if self.held.is_empty() {
            let at = self.tell(chunk, self.safe(chunk), out);
            self.held
                .extend_from_slice(chunk.get(at..).unwrap_or_default());
            return;
        }
        let mut read = std::mem::take(&mut self.held);
        read.extend_from_slice(chunk);
        let at = self.tell(&read, self.safe(&read), out);
        read.drain(..at);
        self.held = read;
    }

    /// Behind this a text may have begun.
    fn safe(&self, read: &[u8]) -> usize {
        read.len()
            - beginning(
                read,
                self.spellings.iter().map(|text| text.expose().as_slice()),
            )
    }

    /// What was held back, at the end of the stream. The beginning of a text is taken out too:
    /// where a stream ends a caller may choose (`kubectl logs --limit-bytes`), and all but the last
    /// character is as good as a secret.
    pub(super) fn finish(mut self, out: &mut Vec<u8>) {
        let held = std::mem::take(&mut self.held);
        if held.is_empty() {
            return;
        }
        let at = self.tell(&held, self.safe(&held), out);
        let begun = held.get(at..).unwrap_or_default();
        if begun.len() >= SHORTEST {
            out.extend_from_slice(MARK);
        } else {
            self.tell(begun, begun.len(), out);
        }
    }

    /// Tells what begins before `safe`; returns how far that goes.
    fn tell(&mut self, read: &[u8], safe: usize, out: &mut Vec<u8>) -> usize {
        let (mut at, mut in_base64) = (0, self.in_base64);
        let Some(texts) = self.texts() else { return 0 };
        loop {
            if in_base64 {
                let rest = read.get(at..).unwrap_or_default();
                at += rest.iter().take_while(|byte| is_base64(**byte)).count();
                in_base64 = at == read.len();
            }
            let found = texts
                .find(Input::new(read).range(at.min(read.len())..))
                .filter(|found| found.start() < safe);
            let Some(found) = found else { break };
            out.extend_from_slice(read.get(at..found.start()).unwrap_or_default());
            out.extend_from_slice(MARK);
            at = found.end();
            in_base64 = found.pattern().as_usize() >= self.encoded;
        }
        self.in_base64 = in_base64;
        out.extend_from_slice(read.get(at..safe.max(at)).unwrap_or_default());
        safe.max(at)
    }
}

/// As JSON has a text; Go's encoder escapes three more characters than it must.
fn json_escaped(text: &str) -> [String; 2] {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    let plain = quoted
        .get(1..quoted.len().saturating_sub(1))
        .unwrap_or_default()
        .to_owned();
    let html = plain
        .replace('<', r"\u003c")
        .replace('>', r"\u003e")
        .replace('&', r"\u0026");
    [plain, html]
}

/// What is always the same of the base64 of a text, whatever stands before and behind it.
fn in_base64(text: &str) -> Vec<Vec<u8>> {
    let mut spellings = Vec::new();
    for before in ["", "0", "00"] {
        let shifted = SecretBytes::new([before, text].concat().into_bytes());
        let bytes = shifted.expose();
        for engine in [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD] {
            let whole = engine.encode(bytes.get(..bytes.len() / 3 * 3).unwrap_or_default());
            // The first group has bits of what stands before.
            let own = whole
                .as_bytes()
                .get(if before.is_empty() { 0 } else { 4 }..)
                .unwrap_or_default();
            if own.len() >= SHORTEST {
                spellings.push(own.get(..TELLING).unwrap_or(own).to_vec());
            }
        }
    }
    spellings
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redacted(secrets: &[&str], chunks: &[&[u8]]) -> String {
        let secrets: Vec<_> = secrets
            .iter()
            .map(|secret| SecretString::new((*secret).to_owned()))
            .collect();
        let mut credentials = Credentials::new(&secrets);
        let mut out = Vec::new();
        chunks
            .iter()
            .for_each(|chunk| credentials.push(chunk, &mut out));
        credentials.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_secret_is_taken_out_wherever_the_chunks_are_cut() {
        let text = b"token: s3cret-token, again s3cret-token-2 and s3cret-toke.";
        for cut in 0..text.len() {
            let (first, second) = text.split_at(cut);
            let found = redacted(
                &["s3cret-token", "s3cret-token-2", "short"],
                &[first, second],
            );
            assert_eq!(
                found, "token: [REDACTED], again [REDACTED] and s3cret-toke.",
                "cut at {cut}"
            );
        }
        assert_eq!(redacted(&["short"], &[b"a short word"]), "a short word");
        assert_eq!(
            redacted(
                &[r#"a"b<c\d&e!"#],
                &[br#"{"a":"a\"b<c\\d&e!","b":"a\"b\u003cc\\d\u0026e!"} a"b<c\d&e!"#]
            ),
            r#"{"a":"[REDACTED]","b":"[REDACTED]"} [REDACTED]"#
        );
        assert_eq!(redacted(&[], &[b"a", b"b"]), "ab");
    }

    #[test]
    fn a_secret_that_the_stream_ends_in_is_taken_out() {
        let encoded = BASE64_STANDARD_NO_PAD.encode("s3cret-token");
        for (text, found) in [
            ("a token: s3cret-toke", "a token: [REDACTED]"),
            ("a token: s3cret-", "a token: s3cret-"),
            ("a token: s3cret-t", "a token: [REDACTED]"),
            ("s3cret-tos3cret-token", "s3cret-to[REDACTED]"),
            ("s3cret-tokens3cret-tok", "[REDACTED][REDACTED]"),
            (
                &format!("in base64: {}", &encoded[..14]),
                "in base64: [REDACTED]",
            ),
        ] {
            for size in [1, 5, 100] {
                let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
                assert_eq!(
                    redacted(&["s3cret-token"], &chunks),
                    found,
                    "in pieces of {size}"
                );
            }
        }
    }

    #[test]
    fn nothing_waits_that_cannot_be_a_secret() {
        let mut credentials = Credentials::new(&[SecretString::new("s3cret-token".into())]);
        let mut out = Vec::new();
        credentials.push(b"a line\nand s3cr", &mut out);
        assert_eq!(out, b"a line\nand ");
        credentials.push(b"ecy\n", &mut out);
        assert_eq!(out, b"a line\nand s3crecy\n");
    }

    #[test]
    fn a_secret_is_taken_out_of_base64_wherever_it_was_encoded() {
        let secret = "s3cret>token?with~bytes and many more of them, so that it is long";
        for (before, behind) in [
            ("", ""),
            ("a", "bc"),
            ("ab", "c"),
            ("name:", "\n"),
            ("{\"token\": \"", "\"}"),
        ] {
            for engine in [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD] {
                let text = format!(
                    "data: {} end",
                    engine.encode(format!("{before}{secret}{behind}"))
                );
                for size in [1, 7, 1000] {
                    let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
                    let found = redacted(&[secret], &chunks);
                    let left = found
                        .strip_prefix("data: ")
                        .and_then(|found| found.strip_suffix("[REDACTED] end"));
                    assert!(
                        left.is_some_and(|left| left.len() <= before.len().div_ceil(3) * 4),
                        "{found}"
                    );
                }
            }
        }
    }

    proptest! {
        #[test]
        fn no_secret_is_left_and_nothing_else_is_lost(text in "[ab]{0,200}", secret in "[ab]{8,12}", size in 1_usize..40) {
            let text = text + "."; // none is cut off
            let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            let found = redacted(&[&secret], &chunks);
            prop_assert!(!found.contains(&secret));
            prop_assert_eq!(found, text.replace(&secret, "[REDACTED]"));
        }
    }
}
