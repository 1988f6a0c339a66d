//! Durations as Go writes them: `30s`, `1m30s`, `1.5h`.

use std::time::Duration;

/// Reads a duration as Go's `time.ParseDuration` does, without a sign; `None` when it would not,
/// or when the result does not fit.
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
        if !number.bytes().any(|byte| byte.is_ascii_digit()) || number.matches('.').count() > 1 {
            return None;
        }
        let amount: f64 = format!("0{number}0").parse().ok()?;
        // `0{number}0` keeps `.5` and `1.` readable; a trailing zero changes an integer, so undo
        // it.
        let amount = if number.contains('.') {
            amount
        } else {
            amount / 10.0
        };
        total = total.checked_add(Duration::try_from_secs_f64(amount * seconds_per_unit).ok()?)?;
        rest = next;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            "", "30", "s", "1x", "-1s", "+1s", "1s ", "1..2s", "1 s", ".",
        ] {
            assert_eq!(go_duration(text), None, "{text}");
        }
    }
}
