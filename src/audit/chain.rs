//! The form of a line, and what ties it to the one before. Pure.
//!
//! ```text
//! {"seq":7,"prev":"<hash of record 6>","time":"…","event":"…",…,"hash":"<hash of all bytes before `,"hash":"`>"}
//! ```
//! The hash is over bytes and not over values, so that nobody has to agree on how JSON is written.
//! Held by the properties in `fuzzing/audit.rs`: no byte and no line changes, goes or comes without
//! being noticed.

use std::{fmt, ops::Range};

use memchr::memmem;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::secret::SecretBytes;

/// The longest line that is one. An argv has 8 KiB at most, which JSON may write six times as long,
/// and its reason less.
pub const LONGEST_LINE: usize = 256 * 1024;

/// The hash of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Hash([u8; 32]);

impl Hash {
    /// What the first record of a chain has for its predecessor.
    pub const NONE: Self = Self([0; 32]);

    /// From 64 lower-case hexadecimal digits.
    pub fn read(text: &[u8]) -> Option<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; 32];
        let (pairs, rest) = text.as_chunks::<2>();
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return None;
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Self(bytes))
    }

    /// Of all of `bytes`, for what is named in records by its content.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    fn write(self, out: &mut Vec<u8>) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        for byte in self.0 {
            out.extend(
                [byte >> 4, byte & 15]
                    .iter()
                    .filter_map(|digit| DIGITS.get(usize::from(*digit))),
            );
        }
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a line's hash is made with: SHA-256, or HMAC-SHA-256 (RFC 2104) with an operator's key.
#[derive(Clone, Debug, Default)]
pub struct Seal {
    /// Filled up with zeros to the block of SHA-256.
    key: Option<SecretBytes>,
}

const BLOCK: usize = 64;

impl Seal {
    /// Sealed with a key.
    pub fn keyed(key: &[u8]) -> Self {
        let mut padded = Zeroizing::new(if key.len() > BLOCK {
            Sha256::digest(key).to_vec()
        } else {
            key.to_vec()
        });
        padded.resize(BLOCK, 0);
        Self {
            key: Some(SecretBytes::from(padded)),
        }
    }

    /// The name in records.
    pub fn name(&self) -> &'static str {
        if self.key.is_some() {
            "hmac-sha256"
        } else {
            "sha256"
        }
    }

    /// The hash of `bytes`.
    pub fn of(&self, bytes: &[u8]) -> Hash {
        let Some(key) = &self.key else {
            return Hash::of(bytes);
        };
        let masked = |mask: u8| {
            Zeroizing::new(
                key.expose()
                    .iter()
                    .map(|byte| byte ^ mask)
                    .collect::<Vec<u8>>(),
            )
        };
        let inner = Sha256::new()
            .chain_update(masked(0x36).as_slice())
            .chain_update(bytes)
            .finalize();
        Hash(
            Sha256::new()
                .chain_update(masked(0x5c).as_slice())
                .chain_update(inner)
                .finalize()
                .into(),
        )
    }
}

/// The place behind the last record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The number of the next record.
    pub seq: u64,
    /// The hash of the last one.
    pub last: Hash,
}

impl Chain {
    /// Before the first record.
    pub const NEW: Self = Self {
        seq: 1,
        last: Hash::NONE,
    };

    /// Appends a line to `out` that holds the members in `fragment` (without braces); the place
    /// behind it.
    pub fn link(self, seal: &Seal, fragment: &[u8], out: &mut Vec<u8>) -> Self {
        let start = out.len();
        out.extend_from_slice(format!("{{\"seq\":{},\"prev\":\"", self.seq).as_bytes());
        self.last.write(out);
        out.extend_from_slice(b"\",");
        out.extend_from_slice(fragment);
        let hash = seal.of(out.get(start..).unwrap_or_default());
        out.extend_from_slice(HASH);
        hash.write(out);
        out.extend_from_slice(b"\"}\n");
        Self {
            seq: self.seq + 1,
            last: hash,
        }
    }
}

const SEQ: &[u8] = b"{\"seq\":";
const PREV: &[u8] = b",\"prev\":\"";
const HASH: &[u8] = b",\"hash\":\"";
const DIGITS: usize = 64;

/// A line in its own right: whole and unchanged. Whether it stands in its place is another
/// question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub seq: u64,
    /// The hash of the one before.
    pub prev: Hash,
    /// Its own.
    pub hash: Hash,
}

/// Why a line is no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoLink {
    /// It was one, by its beginning, and is not as it was written.
    Changed,
    /// It never was one.
    Foreign,
}

impl Link {
    /// Reads a line without its line break.
    ///
    /// # Errors
    /// When it is no record, or not as it was written.
    pub fn read(seal: &Seal, line: &[u8]) -> Result<Self, NoLink> {
        let rest = line.strip_prefix(SEQ).ok_or(NoLink::Foreign)?;
        Self::sealed(seal, line, rest).ok_or(NoLink::Changed)
    }

    fn sealed(seal: &Seal, line: &[u8], rest: &[u8]) -> Option<Self> {
        let (sealed, tail) =
            line.split_at_checked(line.len().checked_sub(HASH.len() + DIGITS + 2)?)?;
        let hash = Hash::read(tail.strip_prefix(HASH)?.strip_suffix(b"\"}")?)?;
        let digits = rest.iter().position(|byte| !byte.is_ascii_digit())?;
        let (seq, rest) = rest.split_at_checked(digits)?;
        let (prev, rest) = rest.strip_prefix(PREV)?.split_at_checked(DIGITS)?;
        // One spelling for each number.
        if !rest.starts_with(b"\",") || seq.starts_with(b"0") || seal.of(sealed) != hash {
            return None;
        }
        Some(Self {
            seq: std::str::from_utf8(seq).ok()?.parse().ok()?,
            prev: Hash::read(prev)?,
            hash,
        })
    }

    /// Finds the record in a line of a stream that others write to as well: what stands before it
    /// is a collector's (a time, the name of a pod). None when the line never was a record.
    ///
    /// # Errors
    /// When the line was one, by what is left of it, and is not as it was written.
    pub fn in_stream(seal: &Seal, line: &[u8]) -> Result<Option<(Self, Range<usize>)>, NoLink> {
        let start = memmem::find(line, SEQ);
        match start.and_then(|start| line.get(start..).map(|record| (start, record))) {
            Some((start, record)) => {
                let link = Self::read(seal, record)?;
                Ok(Some((link, start..line.len())))
            }
            None if has_hash(line) => Err(NoLink::Changed),
            None => Ok(None),
        }
    }

    /// Whether a line may begin like this.
    pub fn may_begin(bytes: &[u8]) -> bool {
        bytes
            .iter()
            .zip(SEQ)
            .all(|(byte, expected)| byte == expected)
    }

    /// The place behind it.
    pub fn next(self) -> Chain {
        Chain {
            seq: self.seq.saturating_add(1),
            last: self.hash,
        }
    }
}

/// Whether a line holds what only a sealed record does.
fn has_hash(line: &[u8]) -> bool {
    memmem::find_iter(line, HASH).any(|at| {
        let digits = line.get(at + HASH.len()..at + HASH.len() + DIGITS);
        digits.and_then(Hash::read).is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_gives_the_hmac_of_rfc_4231() {
        // Test cases 2 and 6.
        for (key, data, expected) in [
            (
                b"Jefe".as_slice(),
                b"what do ya want for nothing?".as_slice(),
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            assert_eq!(Seal::keyed(key).of(data).to_string(), expected);
        }
    }

    #[test]
    fn a_line_is_read_as_it_was_written_and_names_the_one_before() {
        let (seal, mut out) = (Seal::default(), Vec::new());
        let second = Chain::NEW.link(&seal, b"\"event\":\"start\"", &mut out);
        let third = second.link(&seal, b"\"event\":\"stop\"", &mut out);
        let lines: Vec<&[u8]> = out.split(|byte| *byte == b'\n').collect();
        let read = |line| Link::read(&seal, line);
        assert_eq!(
            read(lines[0]),
            Ok(Link {
                seq: 1,
                prev: Hash::NONE,
                hash: second.last
            })
        );
        assert_eq!(read(lines[1]).unwrap().next(), third);
        assert_eq!(read(lines[1]).unwrap().prev, second.last);
        // What the manual says: the hash of all that stands before it.
        let (sealed, hash) = std::str::from_utf8(lines[1])
            .unwrap()
            .split_once(",\"hash\":\"")
            .unwrap();
        assert_eq!(format!("{}\"}}", Hash::of(sealed.as_bytes())), hash);
        assert_eq!(
            Link::read(&Seal::keyed(b"k"), lines[0]),
            Err(NoLink::Changed)
        );
        assert_eq!(read(b"listening"), Err(NoLink::Foreign));
    }
}
