//! A text -> the same text with a placeholder for each long run of letters and digits.
//!
//! Nearly all of a kubeconfig is base64, and a YAML parser looks at each character several times.
//! Inside a run, one letter means to YAML what another does, so a character of a plane that the
//! text does not use may stand for the run. The ends of a run stay: what stands beside another
//! character is what stood there. Columns behind a run become smaller, but never as small as the
//! column of the run's token, by which indentation is measured. A parser's limits on lengths no
//! longer see the whole: who limits the length of a key has to measure the restored one.
//!
//! Held by the tests of read.rs and by the fuzz targets `yaml` and `kubeconfig`: the documents of
//! the compacted text are those of the whole one.

use zeroize::Zeroizing;

/// A text with a placeholder for each of its long runs.
pub struct Compacted<'t> {
    text: Zeroizing<String>,
    /// The inner part of each run, in the text's order.
    runs: Vec<&'t str>,
}

/// The length of a run that is worth a placeholder.
const SHORTEST: usize = 64;
/// The letters that stay at each end of a run.
const END: usize = 4;
/// The placeholder of the first run: the first character of the private plane 15.
const FIRST: u32 = 0xF_0000;
/// The byte with which UTF-8 begins a character of that plane.
const LEAD: u8 = 0xF3;

impl<'t> Compacted<'t> {
    /// Makes one, unless the text has a character of the plane, or a backslash, which could
    /// escape one.
    pub fn new(text: &'t str) -> Option<Self> {
        if !every_byte(text.as_bytes(), |byte| byte != LEAD && byte != b'\\') {
            return None;
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, inner, after)) = next_run(rest) {
            let number = u32::try_from(pieces.len()).ok()?;
            pieces.push((before, char::from_u32(FIRST + number)?, inner));
            rest = after;
        }
        // Room for all of it, so that growing leaves no copy of a secret behind.
        let length = rest.len()
            + pieces
                .iter()
                .map(|(before, placeholder, _)| before.len() + placeholder.len_utf8())
                .sum::<usize>();
        let mut compacted = Zeroizing::new(String::with_capacity(length));
        for (before, placeholder, _) in &pieces {
            compacted.push_str(before);
            compacted.push(*placeholder);
        }
        compacted.push_str(rest);
        Some(Self {
            text: compacted,
            runs: pieces.into_iter().map(|(_, _, inner)| inner).collect(),
        })
    }

    /// The text to parse.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns a scalar of the text with its runs put back.
    pub fn restored(&self, scalar: &str) -> Zeroizing<String> {
        let run = |character: char| {
            u32::from(character)
                .checked_sub(FIRST)
                .and_then(|number| self.runs.get(usize::try_from(number).ok()?))
        };
        let added: usize = scalar.chars().filter_map(run).map(|run| run.len()).sum();
        let mut whole = Zeroizing::new(String::with_capacity(scalar.len() + added));
        for character in scalar.chars() {
            match run(character) {
                Some(run) => whole.push_str(run),
                None => whole.push(character),
            }
        }
        whole
    }
}

/// Finds the first long run: what stands before its inner part, that part, and the rest.
fn next_run(text: &str) -> Option<(&str, &str, &str)> {
    let bytes = text.as_bytes();
    let mut start = 0;
    loop {
        // As many bytes as a run from here has to have; behind one that is no letter of base64
        // the next run may begin.
        let window = bytes.get(start..start + SHORTEST)?;
        if let Some(end) = window.iter().rposition(|byte| !is_base64(*byte)) {
            start += end + 1;
            continue;
        }
        let mut length = SHORTEST;
        while bytes
            .get(start + length..start + length + BLOCK)
            .is_some_and(|block| every_byte(block, is_base64))
        {
            length += BLOCK;
        }
        let tail = bytes.get(start + length..).unwrap_or_default();
        length += tail
            .iter()
            .position(|byte| !is_base64(*byte))
            .unwrap_or(tail.len());
        let (before, rest) = text.split_at_checked(start + END)?;
        let (inner, after) = rest.split_at_checked(length - 2 * END)?;
        return Some((before, inner, after));
    }
}

/// Whether `holds` is true of every byte. Inside a block there is no branch, so that the compiler
/// can use vector instructions.
pub fn every_byte(bytes: &[u8], holds: impl Fn(u8) -> bool) -> bool {
    bytes.chunks(BLOCK).all(|block| {
        block
            .iter()
            .fold(true, |so_far, byte| so_far & holds(*byte))
    })
}

/// Bytes that one step looks at.
const BLOCK: usize = 32;

/// Whether the byte is one of base64; behind another of them, none means anything to YAML.
fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compacted_text_is_restored() {
        for length in [0, 1, SHORTEST - 1, SHORTEST, SHORTEST + 1, 5 * SHORTEST] {
            let run = "aB+/9".repeat(length).split_off(4 * length);
            for text in [
                run.clone(),
                format!("ü: {run}"),
                format!("{run}=\n"),
                format!("a {run} {run}-{run}\u{1f680}{run}"),
            ] {
                let compacted = Compacted::new(&text).unwrap();
                assert_eq!(*compacted.restored(compacted.text()), text);
                assert_eq!(
                    compacted.text().len() < text.len(),
                    length >= SHORTEST,
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn a_text_that_could_hold_a_placeholder_is_not_compacted() {
        for text in ["\u{f0000}", "\u{fffff}", "\\U000F0000"] {
            assert!(
                Compacted::new(&"x".repeat(SHORTEST).replacen('x', text, 1)).is_none(),
                "{text}"
            );
        }
    }
}
