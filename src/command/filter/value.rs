//! What the value of a filter's flag must look like.

use super::catalogue::ValueForm;

/// A variable without `$` or a flag of awk's: the beginning of many names.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl ValueForm {
    /// What it should be, when `text` is not.
    pub(super) fn wants(self, text: &str) -> Option<&'static str> {
        let digits = |text: &str| {
            (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        let (holds, wanted) = match self {
            Self::Number => (digits(text), "a number"),
            Self::Count => {
                let bare = text.strip_prefix(['+', '-']).unwrap_or(text);
                (
                    digits(bare.strip_suffix(['b', 'k', 'm']).unwrap_or(bare)),
                    "a number like 20, or -20 for all but the last",
                )
            }
            Self::Character => (text.len() == 1, "a single character"),
            Self::List => {
                let is_end = |text: &str| text.is_empty() || digits(text);
                let is_range = |range: &str| match range.split_once('-') {
                    Some((from, to)) => range.len() > 1 && is_end(from) && is_end(to),
                    None => digits(range),
                };
                (text.split(',').all(is_range), "a list like 1,3-5")
            }
            Self::Key => {
                let is_place = |place: &str| {
                    let place = place.trim_end_matches(|letter: char| "bdfgiMnrV".contains(letter));
                    place
                        .split_once('.')
                        .map_or(digits(place), |(field, character)| {
                            digits(field) && digits(character)
                        })
                };
                (
                    text.split(',').count() <= 2 && text.split(',').all(is_place),
                    "a key like 2 or 2,2nr",
                )
            }
            Self::Assignment => (
                text.split_once('=').is_some_and(|(name, _)| is_name(name)),
                "name=value",
            ),
            Self::Truth => (matches!(text, "true" | "false"), "true or false"),
            Self::OneOf(known) => (known.contains(&text), "a format like json or yaml"),
            Self::Text => (true, "text"),
        };
        (!holds).then_some(wanted)
    }
}
