//! The query of a request, decoded: [`Query::read`].
//!
//! Go's `net/url` drops a pair that it cannot decode and one with a semicolon, others do not; of two
//! values of a key some servers take the first, some the last, some both. None of it is read here.

use super::odd::Odd;

/// The keys and values of a query, decoded, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

/// The longest query: the longest command (8 KiB) as words for `exec`, at most three bytes for each
/// of theirs, and a key before each word.
const LONGEST: usize = 32 * 1024;

/// The most pairs: the words of the longest command (128) for `exec`, and what else a request has.
const MOST_PAIRS: usize = 160;

impl Query {
    /// The value of a key; none when it is absent.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.all(key).next()
    }

    /// The values of a key that has several: `command`, `ports`.
    pub fn all<'q>(&'q self, key: &str) -> impl Iterator<Item = &'q str> {
        let pairs = self.iter().filter(move |(name, _)| *name == key);
        pairs.map(|(_, value)| value)
    }

    /// The keys and values, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Gives a key one value, in place of those that it had.
    pub fn set(&mut self, key: &str, value: &str) {
        self.0.retain(|(name, _)| name != key);
        self.0.push((key.to_owned(), value.to_owned()));
    }

    /// What stands behind the `?`; empty for none.
    pub(super) fn encoded(&self) -> String {
        let pairs = self.iter().map(|pair| match pair {
            ("verbose", "") => "verbose".to_owned(),
            (key, value) => url::form_urlencoded::Serializer::new(String::new())
                .append_pair(key, value)
                .finish(),
        });
        pairs.collect::<Vec<_>>().join("&")
    }

    /// Reads what stands behind the `?`.
    ///
    /// # Errors
    /// [`Odd::Query`].
    pub(super) fn read(query: &str) -> Result<Self, Odd> {
        if query.len() > LONGEST {
            return Err(Odd::Query("more than 32 KiB"));
        }
        // What no client leaves as it is; the first two are cut or dropped by some servers.
        let is_odd = |byte: u8| !byte.is_ascii_graphic() || b"#;\"<>\\^`{|}".contains(&byte);
        if query.bytes().any(is_odd) {
            return Err(Odd::Query("a character that no tool sends"));
        }
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in query.split('&').filter(|_| !query.is_empty()) {
            let (key, value) = match pair.split_once('=') {
                Some(pair) => pair,
                // Health checks are known by it, and take it for any value.
                None if pair == "verbose" => (pair, ""),
                None => return Err(Odd::Query("a key without a value")),
            };
            if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphabetic()) {
                return Err(Odd::Query("a key in another spelling"));
            }
            if pairs.len() == MOST_PAIRS {
                return Err(Odd::Query("too many keys"));
            }
            pairs.push((key.to_owned(), decoded(value)?));
        }
        Ok(Self(pairs))
    }
}

/// Decodes a value; what two readers could decode in two ways is refused.
fn decoded(value: &str) -> Result<String, Odd> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut left = value.bytes();
    while let Some(byte) = left.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => match (digit(left.next()), digit(left.next())) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err(Odd::Query("a % that escapes nothing")),
            },
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| Odd::Query("a value that is no text"))
}

fn digit(byte: Option<u8>) -> Option<u8> {
    let digit = char::from(byte?).to_digit(16)?;
    u8::try_from(digit).ok()
}
