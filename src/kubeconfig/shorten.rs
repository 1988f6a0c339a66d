//! A text -> the same with one character in the place of each long run of letters and digits.
//!
//! Nearly all of a kubeconfig is base64, and a YAML reader looks at each character several times.
//! Inside a run, one letter means to YAML what another does, so it may as well be one of a plane
//! that the text has none of. The ends of a run stay: what stands beside another character is what
//! stood there. Columns behind a run become smaller, never as small as the column of the run's
//! token, which is what indentation is measured by. A reader's limits on lengths are not met any
//! more: what asks for a key's length has to ask it of the whole one.
//!
//! Held by the tests of scan.rs and by the fuzz target `kubeconfig`: what is read from the short
//! text is what is read from the long one.

use zeroize::Zeroizing;

/// A text that has a character for each of the runs.
pub struct Shortened<'t> {
    text: Zeroizing<String>,
    /// The inner part of each run, in the text's order.
    runs: Vec<&'t str>,
}

/// Shorter ones are not worth it.
const SHORTEST: usize = 64;
/// What stays at each end of a run.
const END: usize = 4;
/// The first character of the private plane 15, which stands for the first run.
const FIRST: u32 = 0xF_0000;
/// What UTF-8 begins a character of that plane with.
const LEAD: u8 = 0xF3;

impl<'t> Shortened<'t> {
    /// `None` when a character of the plane stands in the text, or an escape could say one.
    pub fn of(text: &'t str) -> Option<Self> {
        if !all(text.as_bytes(), |byte| byte != LEAD && byte != b'\\') {
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
                .map(|(before, stands_for, _)| before.len() + stands_for.len_utf8())
                .sum::<usize>();
        let mut short = Zeroizing::new(String::with_capacity(length));
        for (before, stands_for, _) in &pieces {
            short.push_str(before);
            short.push(*stands_for);
        }
        short.push_str(rest);
        Some(Self {
            text: short,
            runs: pieces.into_iter().map(|(_, _, inner)| inner).collect(),
        })
    }

    /// What is to be read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A scalar of the text with its runs put back.
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

/// The inner part of the first long run, with what stands before and behind it.
fn next_run(text: &str) -> Option<(&str, &str, &str)> {
    let bytes = text.as_bytes();
    let mut start = 0;
    loop {
        // The last letter that a run from here would need; what ends it before that is where the
        // next one may begin.
        let window = bytes.get(start..start + SHORTEST)?;
        if let Some(end) = window.iter().rposition(|byte| !is_letter(*byte)) {
            start += end + 1;
            continue;
        }
        let mut length = SHORTEST;
        while bytes
            .get(start + length..start + length + BLOCK)
            .is_some_and(|block| all(block, is_letter))
        {
            length += BLOCK;
        }
        let beyond = bytes.get(start + length..).unwrap_or_default();
        length += beyond
            .iter()
            .position(|byte| !is_letter(*byte))
            .unwrap_or(beyond.len());
        let (before, rest) = text.split_at_checked(start + END)?;
        let (inner, after) = rest.split_at_checked(length - 2 * END)?;
        return Some((before, inner, after));
    }
}

/// Whether it holds for each byte; blocks are asked without a branch, so that the compiler can ask
/// them at once.
pub fn all(bytes: &[u8], holds: impl Fn(u8) -> bool) -> bool {
    bytes.chunks(BLOCK).all(|block| {
        block
            .iter()
            .fold(true, |so_far, byte| so_far & holds(*byte))
    })
}

/// Bytes that are asked at once.
const BLOCK: usize = 32;

/// Those of base64, none of which means anything to YAML behind another.
fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortened_text_is_restored() {
        for length in [0, 1, SHORTEST - 1, SHORTEST, SHORTEST + 1, 5 * SHORTEST] {
            let run = "aB+/9".repeat(length).split_off(4 * length);
            for text in [
                run.clone(),
                format!("ü: {run}"),
                format!("{run}=\n"),
                format!("a {run} {run}-{run}\u{1f680}{run}"),
            ] {
                let short = Shortened::of(&text).unwrap();
                assert_eq!(*short.restored(short.text()), text);
                assert_eq!(
                    short.text().len() < text.len(),
                    length >= SHORTEST,
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn a_text_that_could_say_what_stands_for_a_run_stays() {
        for text in ["\u{f0000}", "\u{fffff}", "\\U000F0000"] {
            assert!(
                Shortened::of(&"x".repeat(SHORTEST).replacen('x', text, 1)).is_none(),
                "{text}"
            );
        }
    }
}
