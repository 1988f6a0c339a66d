//! What a value may be: a glob, or a range of whole numbers or durations.

use std::{fmt, time::Duration};

use crate::{
    catalogue::{Flag, FlagKind},
    command::typed_value,
    glob,
    unit::go_duration,
};

/// What a value may be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Pattern {
    /// A text with any number of `*`, each standing for anything.
    Glob(String),
    /// `"0..2000"`
    Integers {
        from: Option<i64>,
        to: Option<i64>,
        text: String,
    },
    /// `"..60s"`
    Durations {
        from: Option<Duration>,
        to: Option<Duration>,
        text: String,
    },
}

impl Pattern {
    /// Reads a pattern; a text with `..` between numbers or durations is a range.
    ///
    /// # Errors
    /// A sentence when a range is empty.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let Some((from, to)) = text.split_once("..") else {
            return Ok(Self::Glob(text.to_owned()));
        };
        fn side<T>(text: &str, read: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
            if text.is_empty() {
                Some(None)
            } else {
                read(text).map(Some)
            }
        }
        let text = text.to_owned();
        if from.is_empty() && to.is_empty() {
            return Ok(Self::Glob(text));
        }
        if let (Some(from), Some(to)) = (
            side(from, |n| n.parse().ok()),
            side(to, |n| n.parse::<i64>().ok()),
        ) {
            let empty = from.zip(to).is_some_and(|(from, to)| from > to);
            return if empty {
                Err("this range is empty")
            } else {
                Ok(Self::Integers { from, to, text })
            };
        }
        if let (Some(from), Some(to)) = (side(from, go_duration), side(to, go_duration)) {
            let empty = to.is_some_and(|to| to.is_zero() || from.is_some_and(|from| from > to));
            return if empty {
                Err("this range is empty")
            } else {
                Ok(Self::Durations { from, to, text })
            };
        }
        Ok(Self::Glob(text))
    }

    pub(super) fn matches(&self, value: &str) -> bool {
        match self {
            Self::Glob(glob) => glob::matches(glob, value),
            Self::Integers { from, to, .. } => value
                .parse::<i64>()
                .is_ok_and(|n| from.is_none_or(|from| n >= from) && to.is_none_or(|to| n <= to)),
            // `0` means no limit to every flag of these tools that takes a duration.
            Self::Durations { from, to, .. } => go_duration(value).is_some_and(|d| {
                !d.is_zero() && from.is_none_or(|from| d >= from) && to.is_none_or(|to| d <= to)
            }),
        }
    }

    /// Whether it is a range with an end.
    pub(super) fn has_most(&self) -> bool {
        match self {
            Self::Glob(_) => false,
            Self::Integers { to, .. } => to.is_some(),
            Self::Durations { to, .. } => to.is_some(),
        }
    }

    /// The end of the range, for a value that is above it. A duration of 0 is no limit to some
    /// flags and no time to others, so it is above nothing.
    pub(super) fn most_below(&self, value: &str) -> Option<&str> {
        let (is_above, text) = match self {
            Self::Glob(_) => return None,
            Self::Integers { to, text, .. } => (value.parse::<i64>().ok()? > (*to)?, text),
            Self::Durations { to, text, .. } => (go_duration(value)? > (*to)?, text),
        };
        let (_, most) = text.split_once("..")?;
        is_above.then_some(most)
    }

    /// Why no value of `flag` can ever match, when none can.
    pub(super) fn impossible_for(&self, flag: &Flag) -> Option<String> {
        let takes = match flag.kind {
            FlagKind::Bool => "true or false",
            FlagKind::Duration => "a duration like 30s",
            FlagKind::Int | FlagKind::IntList | FlagKind::Uint => "a whole number",
            FlagKind::Float => "a number",
            FlagKind::List => "values without commas",
            FlagKind::Text => "other spellings",
        };
        let possible = match (self, flag.kind) {
            (Self::Glob(glob), FlagKind::List) => !glob.contains(','),
            (Self::Integers { .. } | Self::Durations { .. }, FlagKind::List | FlagKind::Text) => {
                true
            }
            (Self::Glob(glob), _) => {
                glob.contains('*')
                    || typed_value(flag, glob.clone()).is_ok_and(|value| value == *glob)
            }
            (Self::Integers { .. }, kind) => matches!(
                kind,
                FlagKind::Int | FlagKind::IntList | FlagKind::Uint | FlagKind::Float
            ),
            (Self::Durations { .. }, kind) => kind == FlagKind::Duration,
        };
        (!possible).then(|| format!("--{} takes {takes}, so `{self}` never matches", flag.name))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Glob(text) | Self::Integers { text, .. } | Self::Durations { text, .. } => {
                f.write_str(text)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_texts_globs_and_ranges() {
        for (pattern, value, matches) in [
            ("json", "json", true),
            ("jsonpath=*", "jsonpath={.items}", true),
            ("0..5000", "200", true),
            ("0..5000", "5001", false),
            ("0..5000", "-1", false),
            ("..10", "-5", true),
            ("1..", "0", false),
            ("..60s", "1m", true),
            ("..60s", "61s", false),
            ("..60s", "0", false),
            ("..60s", "0s", false),
        ] {
            assert_eq!(
                Pattern::parse(pattern).unwrap().matches(value),
                matches,
                "{pattern} {value}"
            );
        }
        for (pattern, value, most) in [
            ("..60s", "5m", Some("60s")),
            ("..60s", "60s", None),
            ("..60s", "0", None),
            ("..60s", "300", None),
            ("1..60", "300", Some("60")),
            ("1..60", "-1", None),
            ("1..", "300", None),
            ("json", "yaml", None),
        ] {
            assert_eq!(
                Pattern::parse(pattern).unwrap().most_below(value),
                most,
                "{pattern} {value}"
            );
        }
        assert!(Pattern::parse("9..1").is_err());
        assert!(
            Pattern::parse("..0s").is_err(),
            "no duration but 0, which never matches"
        );
    }
}
