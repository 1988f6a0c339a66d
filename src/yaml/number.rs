//! Numbers as Go's encoding/json writes them, which is how kubectl's reader hands them on.

use std::io;

use serde_json::{Number, Value, ser::Formatter};

/// A float as a number of JSON, unless it is none: whole ones as integers, since `1.0` is written
/// `1` and read again as one.
pub fn of_float(float: f64) -> Option<Number> {
    if !float.is_finite() {
        return None;
    }
    let text = written(float);
    // Go writes `-0`, and reads 0.
    if text == "-0" {
        return Some(0.into());
    }
    let integer = || {
        let signed = text.parse::<i64>().ok().map(Number::from);
        signed.or_else(|| text.parse::<u64>().ok().map(Number::from))
    };
    integer().or_else(|| Number::from_f64(float))
}

/// encoding/json's `floatEncoder` (Go 1.26): the shortest digits that are read to the same float, with an
/// exponent below 1e-6 and from 1e21 on.
fn written(float: f64) -> String {
    let magnitude = float.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let text = format!("{float:e}");
        return match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => {
                format!("{digits}e+{exponent}")
            }
            _ => text,
        };
    }
    format!("{float}")
}

/// Writes compact JSON with such floats.
struct AsGo;

impl Formatter for AsGo {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(written(value).as_bytes())
    }
}

/// Writes one value as JSON in a line, its keys in order, its numbers as Go writes them.
pub fn write_json(value: &Value, line: &mut Vec<u8>) {
    use serde::Serialize as _;
    let mut serializer = serde_json::Serializer::with_formatter(line, AsGo);
    // Keys are texts, and a vector takes every byte.
    let written = value.serialize(&mut serializer);
    debug_assert!(written.is_ok(), "a value is written");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_float_is_written_as_go_writes_it() {
        for (float, text) in [
            (0.5, "0.5"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (1.234e-9, "1.234e-9"),
            (-2.5, "-2.5"),
            (123_456_789_012_345_678_901.0, "123456789012345680000"),
        ] {
            assert_eq!(written(float), text);
        }
        let mut line = Vec::new();
        write_json(&json!({"b": [1e21, 1], "a": u64::MAX}), &mut line);
        assert_eq!(line, br#"{"a":18446744073709551615,"b":[1e+21,1]}"#);
    }
}
