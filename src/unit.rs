//! Sizes and durations as operators and callers write them: the only parsers of both.
//!
//! A size is a whole number of bytes with a unit or none: `4096`, `4096B`, `64KiB`, `1 GiB`. A
//! duration is what Go's `time.ParseDuration` reads, without a sign: `30s`, `1m30s`, `1.5h`.
//!
//! Held by the tests below; that kubectl reads the same durations, by `tests/differential`.

#![forbid(unsafe_code)]

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error as _};

/// A number of bytes, and not 0: no limit of this server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(u64);

/// A text that is no size, or the size 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a size like 64KiB or 1GiB")]
pub struct NotASize;

impl Bytes {
    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number as a length in memory; what no memory can hold is the longest that one can.
    pub fn length(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for Bytes {
    type Err = NotASize;

    /// Reads digits, blanks or none, and one of `B`, `KiB`, `MiB`, `GiB` or nothing.
    fn from_str(text: &str) -> Result<Self, NotASize> {
        let unit_at = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(unit_at);
        let factor = match unit.trim() {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(NotASize),
        };
        let bytes = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(factor));
        bytes.filter(|bytes| *bytes > 0).map(Self).ok_or(NotASize)
    }
}

impl fmt::Display for Bytes {
    /// Writes the largest unit of which it is a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
        match units
            .into_iter()
            .find(|(shift, _)| self.0.trailing_zeros() >= *shift)
        {
            Some((shift, unit)) => write!(f, "{}{unit}", self.0 >> shift),
            None => write!(f, "{}", self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(text: D) -> Result<Self, D::Error> {
        let text = String::deserialize(text)?;
        text.parse()
            .map_err(|error| D::Error::custom(format!("`{text}` is {error}")))
    }
}

/// A duration in a file, which [`go_duration`] reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoDuration(pub Duration);

impl JsonSchema for GoDuration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let pattern = r"^(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h))+)$";
        json_schema!({ "type": "string", "pattern": pattern })
    }
}

impl JsonSchema for Bytes {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let pattern = "^[0-9]*[1-9][0-9]* *(B|KiB|MiB|GiB)?$";
        json_schema!({ "type": "string", "pattern": pattern })
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(text: D) -> Result<Self, D::Error> {
        let text = String::deserialize(text)?;
        go_duration(&text)
            .map(Self)
            .ok_or_else(|| D::Error::custom(format!("`{text}` is not a duration like 30s or 2m")))
    }
}

/// Reads a duration as Go's `time.ParseDuration` does (Go 1.26 time/format.go), without a sign;
/// `None` when it would not, or when the result does not fit.
pub fn go_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    if text.is_empty() {
        return None;
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, next) = tail.split_at(unit_end);
        let seconds_per_unit = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        // Of digits and points alone, Rust reads the same numbers as Go: `.5` and `1.`, and not `.`.
        let amount: f64 = number.parse().ok()?;
        total = total.checked_add(Duration::try_from_secs_f64(amount * seconds_per_unit).ok()?)?;
        rest = next;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_whole_numbers_of_binary_units() {
        for (text, bytes) in [
            ("1", 1),
            ("4096B", 4096),
            ("64KiB", 64 << 10),
            ("256MiB", 256 << 20),
            ("1GiB", 1 << 30),
            ("1 GiB", 1 << 30),
            ("17179869183GiB", 17_179_869_183 << 30),
        ] {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
        for text in [
            "",
            "0",
            "0KiB",
            "KiB",
            "-1",
            "+1",
            "1.5GiB",
            "1KB",
            "1kib",
            "1TiB",
            "1 Ki B",
            " 1",
            "17179869184GiB",
        ] {
            assert_eq!(text.parse::<Bytes>(), Err(NotASize), "{text}");
        }
    }

    #[test]
    fn a_size_is_written_as_it_is_read() {
        for text in ["1", "1025", "64KiB", "100MiB", "3GiB", "1025MiB"] {
            assert_eq!(text.parse::<Bytes>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, milliseconds) in [
            ("30s", 30_000),
            ("1m", 60_000),
            ("1m30s", 90_000),
            ("1.5h", 5_400_000),
            ("250ms", 250),
            ("0", 0),
            (".5s", 500),
            ("1.s", 1000),
        ] {
            assert_eq!(
                go_duration(text),
                Some(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for text in [
            "", "30", "s", "1x", "-1s", "+1s", "1s ", "1..2s", "1 s", ".", ".s",
        ] {
            assert_eq!(go_duration(text), None, "{text}");
        }
    }
}
