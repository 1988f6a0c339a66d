//! The known name that somebody may have meant.

#![forbid(unsafe_code)]

/// Longer words are no misspelt name, and likeness takes time in proportion to both lengths.
const LONGEST_NAME: usize = 64;
/// Below this likeness (Jaro-Winkler) two names have little in common: `gett` and `get` have 0.94.
const ALIKE: f64 = 0.85;

/// The name of `known` that is nearest to `word`, when it is near enough to be meant.
pub fn nearest<'n>(word: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    if word.len() > LONGEST_NAME {
        return None;
    }
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(word, name), name))
        .filter(|(likeness, _)| *likeness > ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_misspelt_name_is_found_and_a_long_word_is_not_looked_for() {
        assert_eq!(nearest("gett", ["describe", "get"]), Some("get"));
        assert_eq!(nearest("frobnicate", ["describe", "get"]), None);
        assert_eq!(nearest(&"g".repeat(8000), ["get"]), None);
    }
}
