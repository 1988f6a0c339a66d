//! The type and the value of a scalar without quotes, as kubectl's reader has them: [`typed`].
//!
//! After `resolve` of go.yaml.in/yaml/v2 v2.4.4 resolve.go, which is YAML 1.1 with parts of 1.2: `yes` is true,
//! `0644` and `0o644` are 420, `1_000` is a thousand, `1:30` and a date are texts.

use serde_json::{Number, Value};

use super::number;

/// A scalar without quotes that no JSON can say: `.inf`, `1e999`.
#[derive(Debug, PartialEq, Eq)]
pub struct NoValue;

/// Whether a key without quotes is the text that it is written as, to a reader that makes texts of
/// all keys (`convertToJSONableObject` of sigs.k8s.io/yaml v1.6.0): `9000` is, and `y`, `0644` and `1.0` are not.
pub(super) fn is_key(text: &str) -> bool {
    match text.bytes().next() {
        None | Some(b'~') => false,
        Some(
            b'0'..=b'9'
            | b'+'
            | b'-'
            | b'.'
            | b'y'
            | b'Y'
            | b'n'
            | b'N'
            | b't'
            | b'T'
            | b'f'
            | b'F'
            | b'o'
            | b'O',
        ) => match typed(text) {
            Ok(Value::String(_)) => true,
            Ok(Value::Number(number)) => !number.is_f64() && number.to_string() == text,
            Ok(Value::Bool(_)) => matches!(text, "true" | "false"),
            Ok(_) | Err(NoValue) => false,
        },
        Some(_) => true,
    }
}

/// Returns the value of a scalar without quotes.
///
/// # Errors
/// [`NoValue`], where no JSON can say it.
pub fn typed(text: &str) -> Result<Value, NoValue> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Value::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Value::Bool(false)
        }
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF"
        | "-.inf" | "-.Inf" | "-.INF" => return Err(NoValue),
        _ => match number(text)? {
            Some(number) => Value::Number(number),
            None => Value::String(text.to_owned()),
        },
    })
}

/// The number that a scalar without quotes is, if it is one.
fn number(text: &str) -> Result<Option<Number>, NoValue> {
    match text.as_bytes().first() {
        Some(b'.') => float(text),
        Some(b'0'..=b'9' | b'+' | b'-') => {
            let plain = text.replace('_', "");
            match integer(&plain) {
                Some(integer) => Ok(Some(integer)),
                None => float(&plain),
            }
        }
        _ => Ok(None),
    }
}

/// Go's `ParseInt` and then `ParseUint` with base 0, and what the reader tries behind floats.
fn integer(plain: &str) -> Option<Number> {
    let (sign, unsigned) = match plain.as_bytes().first()? {
        b'-' => ("-", plain.get(1..)?),
        b'+' => ("+", plain.get(1..)?),
        _ => ("", plain),
    };
    let (base, digits) = based(unsigned);
    // Rust takes a sign of its own where Go has read one.
    if digits.starts_with(['+', '-']) {
        return odd_binary(plain);
    }
    let signed = i64::from_str_radix(&format!("{sign}{digits}"), base);
    match (signed, sign) {
        (Ok(integer), _) => Some(integer.into()),
        (Err(_), "") => u64::from_str_radix(digits, base).ok().map(Number::from),
        (Err(_), _) => None,
    }
}

fn based(unsigned: &str) -> (u32, &str) {
    let prefix = |lower, upper| {
        unsigned
            .strip_prefix(lower)
            .or_else(|| unsigned.strip_prefix(upper))
    };
    if let Some(digits) = prefix("0x", "0X") {
        (16, digits)
    } else if let Some(digits) = prefix("0o", "0O") {
        (8, digits)
    } else if let Some(digits) = prefix("0b", "0B") {
        (2, digits)
    } else {
        match unsigned.strip_prefix('0').filter(|rest| !rest.is_empty()) {
            Some(digits) => (8, digits),
            None => (10, unsigned),
        }
    }
}

/// `0b-101`, which Go's reader takes for -5.
fn odd_binary(plain: &str) -> Option<Number> {
    let digits = plain.strip_prefix("0b")?;
    i64::from_str_radix(digits, 2).ok().map(Number::from)
}

/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`, as a number that JSON can say. One beyond every
/// float is a text to Go's reader of YAML and an error to its reader of JSON.
fn float(plain: &str) -> Result<Option<Number>, NoValue> {
    let unsigned = plain.strip_prefix(['+', '-']).unwrap_or(plain);
    let (whole, rest) = digits(unsigned);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => digits(rest),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Ok(None);
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let (exponent, rest) = digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
        if exponent.is_empty() || !rest.is_empty() {
            return Ok(None);
        }
    } else if !rest.is_empty() {
        return Ok(None);
    }
    let float: f64 = plain.parse().map_err(|_| NoValue)?;
    number::of_float(float).map(Some).ok_or(NoValue)
}

fn digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_scalar_has_the_type_that_go_gives_it() {
        for (text, meant) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("yes", json!(true)),
            ("N", json!(false)),
            ("off", json!(false)),
            ("yES", json!("yES")),
            ("0", json!(0)),
            ("-0", json!(0)),
            ("-0.0", json!(0)),
            ("0644", json!(420)),
            ("0o644", json!(420)),
            ("08", json!(8)),
            ("0x1F", json!(31)),
            ("-0x1f", json!(-31)),
            ("0b101", json!(5)),
            ("-0b101", json!(-5)),
            ("0b-101", json!(-5)),
            ("+7", json!(7)),
            ("1_000", json!(1000)),
            ("_1", json!("_1")),
            ("1:30", json!("1:30")),
            ("190:20:30", json!("190:20:30")),
            ("2001-12-14", json!("2001-12-14")),
            ("9223372036854775808", json!(9_223_372_036_854_775_808_u64)),
            ("18446744073709551615", json!(u64::MAX)),
            ("-9223372036854775808", json!(i64::MIN)),
            ("1.0", json!(1)),
            ("1.", json!(1)),
            (".5", json!(0.5)),
            ("1e3", json!(1000)),
            ("1e21", json!(1e21)),
            ("1.5e-7", json!(1.5e-7)),
            ("100m", json!("100m")),
            ("1.2.3", json!("1.2.3")),
            ("-", json!("-")),
            ("+", json!("+")),
            (".", json!(".")),
            ("0x", json!("0x")),
            ("--1", json!("--1")),
            ("+-1", json!("+-1")),
            ("1e", json!("1e")),
            ("0o8", json!("0o8")),
            ("12e03", json!(12000)),
        ] {
            assert_eq!(typed(text), Ok(meant), "{text}");
        }
        for text in [
            "a", "9000", "-1", "true", "1:30", "100m", "yES", "on-call", "0b2",
        ] {
            assert!(is_key(text), "{text}");
        }
        for text in [
            "", "~", "y", "on", "True", "0644", "0b-101", "1.5", "1.0", "+1", "1_0", ".inf",
        ] {
            assert!(!is_key(text), "{text}");
        }
        for text in [".inf", "-.Inf", ".nan", "1e999", "-1e400"] {
            assert_eq!(typed(text), Err(NoValue), "{text}");
        }
    }
}
