//! The types that YAML gives to a scalar without quotes.
//!
//! Held by the test below, and for client-go's reader by `tests/differential`.

/// Whether an unquoted scalar is a boolean, a number or a date to a YAML 1.1 reader, as Go's is.
pub fn has_a_type(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    if matches!(
        lower.as_str(),
        "y" | "n"
            | "yes"
            | "no"
            | "on"
            | "off"
            | "true"
            | "false"
            | "~"
            | "null"
            | ".inf"
            | "-.inf"
            | "+.inf"
            | ".nan"
    ) {
        return true;
    }
    let number = lower.trim_start_matches(['+', '-']).replace('_', "");
    if !number.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return false;
    }
    let based = |prefix: &str, base: fn(&u8) -> bool| {
        number
            .strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.as_bytes().iter().all(base))
    };
    let date = || {
        let mut parts = number.splitn(3, '-');
        parts
            .next()
            .is_some_and(|year| year.len() == 4 && year.bytes().all(|b| b.is_ascii_digit()))
            && parts.next().is_some_and(|month| {
                (1..=2).contains(&month.len()) && month.bytes().all(|b| b.is_ascii_digit())
            })
            && parts
                .next()
                .is_some_and(|day| day.starts_with(|first: char| first.is_ascii_digit()))
    };
    number.parse::<f64>().is_ok()
        || based("0x", u8::is_ascii_hexdigit)
        || based("0o", |b| (b'0'..=b'7').contains(b))
        || based("0b", |b| matches!(b, b'0' | b'1'))
        || number.contains(':')
            && number.split(':').all(|part| {
                !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit() || b == b'.')
            })
        || date()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scalars_that_go_reads_as_text_have_no_type() {
        for text in [
            "0123",
            "1e5",
            "0x1f",
            "1_000",
            "yes",
            "Off",
            "1:30",
            "2024-01-01",
            ".5",
            "-3",
            "true",
        ] {
            assert!(has_a_type(text), "{text}");
        }
        for text in [
            "31ada4fd-adec-460c-809a-9e56ceb75269",
            "abc",
            "0a1b2c",
            "v1",
            "arn:aws:eks:eu:1:cluster/x",
            "10.0.0.1",
            "1.2.3",
            "kind-kind",
            "2024-xx",
        ] {
            assert!(!has_a_type(text), "{text}");
        }
    }
}
