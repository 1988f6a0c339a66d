//! Takes out what is a secret by its own shape, wherever it stands: private keys, JWTs, bearer
//! tokens.
//!
//! | shape | what is left of it |
//! |---|---|
//! | `-----BEGIN … PRIVATE KEY-----` up to its `END`, or to what cannot stand in PEM | the two lines |
//! | the same with each line in quotes, up to its `END` | all but its base64 |
//! | base64 of such a line | nothing from there to the end of the base64, wrapped or not |
//! | `eyJ….….…`, of base64url | nothing |
//! | `Authorization:` and `Bearer`, `Basic` or `Token`, or `Bearer` and 20 characters | all but the token |
//!
//! A literal is searched for, and what stands around it decides: at most [`LOOK_AROUND`] bytes, but
//! for the parts of a JWT. Certificates and public keys stay.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, Input, MatchKind};
use memchr::memmem;
use zeroize::Zeroizing;

use super::{
    mark::{MARK, beginning},
    wrapped,
};

/// What may begin a shape, and what then decides.
const LITERALS: [(&str, CredentialShape); 12] = [
    ("PRIVATE KEY-----", CredentialShape::Pem),
    ("PRIVATE KEY BLOCK-----", CredentialShape::Pem),
    // `PRIVATE KEY-----` in base64, by what it is shifted.
    ("UFJJVkFURSBLRVktLS0t", CredentialShape::Base64),
    ("BSSVZBVEUgS0VZLS0tLS", CredentialShape::Base64),
    ("QUklWQVRFIEtFWS0tLS0", CredentialShape::Base64),
    ("eyJ", CredentialShape::Jwt),
    ("Bearer", CredentialShape::Bearer),
    ("bearer", CredentialShape::Bearer),
    ("BEARER", CredentialShape::Bearer),
    ("Authorization", CredentialShape::Header),
    ("authorization", CredentialShape::Header),
    ("AUTHORIZATION", CredentialShape::Header),
];
static SEARCH: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostFirst)
        .build(LITERALS.iter().map(|(literal, _)| literal))
        .ok()
});
static PEM_END: LazyLock<memmem::Finder<'static>> =
    LazyLock::new(|| memmem::Finder::new("-----END"));

/// How far is looked before a literal, and behind it.
const LOOK_AROUND: usize = 64;
/// The longest part of a JWT: a header is never longer, and what has a longer payload is taken for
/// one.
const LONGEST_PART: usize = 16 * 1024;
/// The shortest header that names an algorithm is `{"alg":""}`.
const SHORTEST_HEADER: usize = 12;
/// A bearer token is hardly shorter, and a word hardly as long.
const SHORTEST_TOKEN: usize = 20;
/// A private key of 16384 bits has 13 KiB in PEM, and more with a prefix on each line of a log.
const LONGEST_PEM: usize = 64 * 1024;
/// `\\n"`, inside of strings in strings.
const SHORTEST_APART: usize = MOST_BACKSLASHES + 3;
/// What stands before a quote inside of strings in strings.
const MOST_BACKSLASHES: usize = 15;

#[derive(Clone, Copy)]
enum CredentialShape {
    Base64,
    Bearer,
    Header,
    Jwt,
    Pem,
}

/// What the text behind a literal says.
enum ShapeMatch {
    No,
    /// The rest is not read yet.
    Wait,
    /// What begins so many bytes behind the literal's start is taken out.
    Out(usize, Taken),
    /// The same, of what follows, if it is there at all.
    Line(usize, Taken),
}

/// What is being taken out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    Nothing,
    /// Of wrapped lines; the longest of those before this one.
    Base64(usize),
    Token,
    /// The base64 in what follows, of a private key whose lines are apart; so many bytes of it.
    Apart(usize),
    /// A private key, so many bytes of it.
    Pem(usize),
}

pub(super) struct Patterns {
    /// What is not decided yet.
    held: Zeroizing<Vec<u8>>,
    /// Its offset in the stream.
    base: u64,
    /// The end of what was read before it.
    before: Vec<u8>,
    taken: Taken,
    /// Where the JWT goes on that may be in what is held.
    jwt: Option<Jwt>,
    /// Before this offset begins no JWT.
    no_jwt: u64,
}

/// How far it was read.
#[derive(Clone, Copy, Default)]
struct Jwt {
    read: usize,
    part: usize,
    parts: usize,
}

impl Patterns {
    pub(super) fn new() -> Self {
        Self {
            held: Zeroizing::new(Vec::new()),
            base: 0,
            before: Vec::new(),
            taken: Taken::Nothing,
            jwt: None,
            no_jwt: 0,
        }
    }

    /// Reads a chunk and writes out what is decided by now.
    pub(super) fn push(&mut self, chunk: &[u8], cleaned: &mut Vec<u8>) {
        self.read(chunk, false, cleaned);
    }

    /// Tells the rest.
    pub(super) fn finish(mut self, cleaned: &mut Vec<u8>) {
        self.read(&[], true, cleaned);
    }

    fn read(&mut self, chunk: &[u8], ended: bool, cleaned: &mut Vec<u8>) {
        if self.held.is_empty() {
            let rest = self.tell(chunk, ended, cleaned);
            self.held
                .extend_from_slice(chunk.get(rest..).unwrap_or_default());
            return;
        }
        let mut held = std::mem::take(&mut self.held);
        held.extend_from_slice(chunk);
        let rest = self.tell(&held, ended, cleaned);
        held.drain(..rest);
        self.held = held;
    }

    /// Tells what is decided of a text; returns how far that goes.
    fn tell(&mut self, text: &[u8], ended: bool, cleaned: &mut Vec<u8>) -> usize {
        let safe = if ended {
            text.len()
        } else {
            text.len() - beginning(text, LITERALS.iter().map(|(literal, _)| literal.as_bytes()))
        };
        let mut at = 0; // all before it is told or taken out
        loop {
            let (taken, waits) = match self.taken {
                Taken::Apart(before) => self.take_apart(text, at, before, ended, cleaned),
                _ => self.take(text, at, ended),
            };
            at = taken;
            if waits {
                self.before = self.before(text, at);
                self.base += at as u64;
                return at;
            }
            let mut from = at;
            let found = loop {
                let input = Input::new(text).range(from.min(text.len())..);
                let Some(found) = SEARCH
                    .as_ref()
                    .and_then(|search| search.find(input))
                    .filter(|found| found.start() < safe)
                else {
                    break None;
                };
                let shape = LITERALS
                    .get(found.pattern().as_usize())
                    .map(|(_, shape)| *shape);
                match shape.map_or(ShapeMatch::No, |shape| {
                    self.judge(shape, text, found.range(), ended)
                }) {
                    ShapeMatch::No => from = found.start() + 1,
                    verdict => break Some((found.start(), verdict)),
                }
            };
            let rest = match found {
                Some((start, ShapeMatch::Out(kept, taken))) => {
                    cleaned.extend_from_slice(text.get(at..start + kept).unwrap_or_default());
                    cleaned.extend_from_slice(MARK);
                    self.taken = taken;
                    at = start + kept;
                    continue;
                }
                Some((start, ShapeMatch::Line(kept, taken))) => {
                    cleaned.extend_from_slice(text.get(at..start + kept).unwrap_or_default());
                    self.taken = taken;
                    at = start + kept;
                    continue;
                }
                Some((start, _)) => start,
                None if self.taken == Taken::Nothing => safe.max(at),
                None => at,
            };
            cleaned.extend_from_slice(text.get(at..rest).unwrap_or_default());
            self.before = self.before(text, rest);
            self.base += rest as u64;
            return rest;
        }
    }

    /// Goes on to take out what has begun; returns where it ends, or the text does, and whether
    /// more has to be read to know what the rest is.
    fn take(&mut self, text: &[u8], at: usize, ended: bool) -> (usize, bool) {
        let rest = text.get(at..).unwrap_or_default();
        match self.taken {
            Taken::Nothing | Taken::Apart(_) => (at, false),
            Taken::Base64(longest) => {
                let (length, goes_on) = wrapped::take(rest, longest, ended);
                self.taken = goes_on.map_or(Taken::Nothing, Taken::Base64);
                (at + length, goes_on.is_some())
            }
            Taken::Token => {
                let end = rest.iter().position(|byte| !is_token(*byte));
                if end.is_some() {
                    self.taken = Taken::Nothing;
                }
                (end.map_or(text.len(), |end| at + end), false)
            }
            Taken::Pem(before) => (self.take_pem(text, at, before, ended), false),
        }
    }

    /// Takes the base64 out of what follows the first line of a key, and tells the rest.
    fn take_apart(
        &mut self,
        text: &[u8],
        mut at: usize,
        before: usize,
        ended: bool,
        cleaned: &mut Vec<u8>,
    ) -> (usize, bool) {
        let begin = at;
        let is_over = |at: usize| before + (at - begin) >= LONGEST_PEM;
        loop {
            let rest = text.get(at..).unwrap_or_default();
            match wrapped::next(rest, ended) {
                _ if is_over(at) => self.taken = Taken::Nothing,
                wrapped::Piece::End => self.taken = Taken::Nothing,
                wrapped::Piece::Wait => {
                    self.taken = Taken::Apart(before + (at - begin));
                    return (at, true);
                }
                wrapped::Piece::Text(length) => {
                    cleaned.extend_from_slice(rest.get(..length).unwrap_or_default());
                    at += length;
                    continue;
                }
                wrapped::Piece::Key(length) => {
                    cleaned.extend_from_slice(MARK);
                    at += length;
                    continue;
                }
            }
            return (at, false);
        }
    }

    fn take_pem(&mut self, text: &[u8], at: usize, before: usize, ended: bool) -> usize {
        let rest = text.get(at..).unwrap_or_default();
        let rest = rest.get(..LONGEST_PEM - before).unwrap_or(rest);
        let stop = rest
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'{' | b'}' | 0));
        let end = PEM_END.find(rest.get(..stop.unwrap_or(rest.len())).unwrap_or_default());
        let backslashes = |upto: usize| {
            let text = rest.get(..upto).unwrap_or_default();
            text.iter()
                .rev()
                .take(MOST_BACKSLASHES)
                .take_while(|byte| **byte == b'\\')
                .count()
        };
        let (end, ends) = match (end, stop) {
            (Some(end), _) => (end, true),
            // The quote's own escapes are none of the key's.
            (None, Some(stop)) => (stop - backslashes(stop), true),
            (None, None) if before + rest.len() == LONGEST_PEM => (rest.len(), true),
            (None, None) if ended => (rest.len(), true),
            (None, None) => {
                let dashes = (1..8)
                    .rev()
                    .find(|count| rest.ends_with(b"-----END".get(..*count).unwrap_or_default()));
                (
                    rest.len() - backslashes(rest.len()).max(dashes.unwrap_or_default()),
                    false,
                )
            }
        };
        self.taken = if ends {
            Taken::Nothing
        } else {
            Taken::Pem(before + end)
        };
        at + end
    }

    fn judge(
        &mut self,
        shape: CredentialShape,
        text: &[u8],
        found: std::ops::Range<usize>,
        ended: bool,
    ) -> ShapeMatch {
        let behind = text.get(found.end..).unwrap_or_default();
        let length = found.len();
        match shape {
            CredentialShape::Base64 => ShapeMatch::Out(0, Taken::Base64(0)),
            CredentialShape::Pem => {
                let before = self.before(text, found.start);
                let label = before
                    .iter()
                    .rev()
                    .take_while(|byte| {
                        byte.is_ascii_uppercase() || byte.is_ascii_digit() || **byte == b' '
                    })
                    .count();
                // `BEGIN` is a part of what was just counted.
                let from = before.len() - label;
                let begins = before
                    .get(..from)
                    .is_some_and(|before| before.ends_with(b"-----"))
                    && before
                        .get(from..)
                        .is_some_and(|label| label.starts_with(b"BEGIN "));
                if !begins {
                    return ShapeMatch::No;
                }
                match behind.first() {
                    None if ended => ShapeMatch::No,
                    None => ShapeMatch::Wait,
                    // Its lines are apart, or it is a word about keys.
                    Some(b'"' | b'\'' | b'<') => ShapeMatch::Line(length, Taken::Apart(0)),
                    // In a string of its own, with its line's end.
                    Some(b'\\') if behind.len() < SHORTEST_APART && !ended => ShapeMatch::Wait,
                    Some(b'\\') if wrapped::is_string_end(behind) => {
                        ShapeMatch::Line(length, Taken::Apart(0))
                    }
                    Some(_) => ShapeMatch::Out(length, Taken::Pem(0)),
                }
            }
            CredentialShape::Bearer => token(behind, 0, SHORTEST_TOKEN, length, ended),
            CredentialShape::Header => {
                let near = behind.get(..LOOK_AROUND / 2).unwrap_or(behind);
                let separators = near
                    .iter()
                    .take_while(|byte| b" \t:=,\"'\\[".contains(byte))
                    .count();
                let rest = behind.get(separators..).unwrap_or_default();
                for scheme in ["bearer", "basic", "token"] {
                    let word = rest.get(..scheme.len()).unwrap_or(rest);
                    if !scheme
                        .as_bytes()
                        .get(..word.len())
                        .is_some_and(|scheme| scheme.eq_ignore_ascii_case(word))
                        || separators == 0 && !rest.is_empty()
                    {
                        continue;
                    }
                    if word.len() < scheme.len() {
                        return if ended || separators == LOOK_AROUND / 2 {
                            ShapeMatch::No
                        } else {
                            ShapeMatch::Wait
                        };
                    }
                    return token(
                        rest.get(scheme.len()..).unwrap_or_default(),
                        separators + scheme.len(),
                        1,
                        length,
                        ended,
                    );
                }
                ShapeMatch::No
            }
            CredentialShape::Jwt => self.jwt(text, found.start, ended),
        }
    }

    fn jwt(&mut self, text: &[u8], start: usize, ended: bool) -> ShapeMatch {
        if self.base + (start as u64) < self.no_jwt {
            return ShapeMatch::No;
        }
        let Jwt {
            mut read,
            mut part,
            mut parts,
        } = self.jwt.take().unwrap_or_default();
        let candidate = text.get(start..).unwrap_or_default();
        for byte in candidate.get(read..).unwrap_or_default() {
            if is_base64url(*byte) {
                part += 1;
                read += 1;
                if part < LONGEST_PART {
                    continue;
                }
                if parts == 1 {
                    return ShapeMatch::Out(0, Taken::Token);
                }
            } else if *byte == b'.' && part >= if parts == 0 { SHORTEST_HEADER } else { 2 } {
                if parts == 1 {
                    return ShapeMatch::Out(0, Taken::Token);
                }
                (parts, part) = (1, 0);
                read += 1;
                continue;
            }
            self.no_jwt = self.base + (start + read) as u64;
            return ShapeMatch::No;
        }
        if ended {
            return ShapeMatch::No;
        }
        self.jwt = Some(Jwt { read, part, parts });
        ShapeMatch::Wait
    }

    /// What stands before this place.
    fn before(&self, text: &[u8], start: usize) -> Vec<u8> {
        let near = text
            .get(start.saturating_sub(LOOK_AROUND)..start)
            .unwrap_or_default();
        let missing = LOOK_AROUND - near.len();
        [
            self.before
                .get(self.before.len().saturating_sub(missing)..)
                .unwrap_or_default(),
            near,
        ]
        .concat()
    }
}

/// White space and a token of so many characters, `skipped` bytes behind a literal of this length.
fn token(behind: &[u8], skipped: usize, shortest: usize, length: usize, ended: bool) -> ShapeMatch {
    let spaces = behind
        .iter()
        .take(8)
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    let rest = behind.get(spaces..).unwrap_or_default();
    let characters = rest
        .iter()
        .take(shortest)
        .take_while(|byte| is_token(**byte))
        .count();
    if spaces > 0 && characters == shortest {
        ShapeMatch::Out(length + skipped + spaces, Taken::Token)
    } else if rest.len() == characters && !ended && spaces < 8 && (spaces > 0 || rest.is_empty()) {
        ShapeMatch::Wait
    } else {
        ShapeMatch::No
    }
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

pub(super) fn is_base64(byte: u8) -> bool {
    is_base64url(byte) || matches!(byte, b'+' | b'/' | b'=')
}

/// RFC 6750, 2.1.
fn is_token(byte: u8) -> bool {
    is_base64(byte) || matches!(byte, b'.' | b'~')
}

#[cfg(test)]
mod tests;
