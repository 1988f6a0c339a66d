//! The known name that somebody may have meant.

#![forbid(unsafe_code)]

/// Longer words are no misspelt name, and likeness takes time in proportion to both lengths.
const LONGEST_NAME: usize = 64;
/// Fewer letters are the beginning of too much.
const SHORTEST_BEGINNING: usize = 3;
/// Below this likeness (Jaro-Winkler) two names have little in common: `gett` and `get` have 0.94.
const ALIKE: f64 = 0.85;

/// Whether a slip of the hand makes one of the other: letters that are missing, too many, wrong or
/// swapped, two of them or one in three. Jaro-Winkler alone finds `serviceaccounts` like
/// `servicemonitors`, for their beginnings.
fn is_slip(word: &str, name: &str) -> bool {
    let longest = word.chars().count().max(name.chars().count());
    strsim::osa_distance(word, name) <= (longest / 3).max(2)
}

/// The name of `known` that is nearest to `word`, when it is near enough to be meant.
pub fn nearest<'n>(word: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    if word.len() > LONGEST_NAME {
        return None;
    }
    let letters = Letters::of(word);
    known
        .into_iter()
        .filter(|name| letters.may_be_alike(name))
        .map(|name| (likeness(word, name), name))
        .filter(|(likeness, name)| *likeness > ALIKE && is_slip(word, name))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// The one name of `known` that `word` is the beginning of.
pub fn begun<'n>(word: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let mut found = known.into_iter().filter(|name| name.starts_with(word));
    match (found.next(), found.next()) {
        (Some(name), None) if word.len() >= SHORTEST_BEGINNING => Some(name),
        _ => None,
    }
}

/// Whether one letter that is missing, too many, wrong or swapped makes one word of the other, and
/// not the first one.
pub fn is_slip_of_one(word: &str, name: &str) -> bool {
    word.len() <= LONGEST_NAME
        && word.chars().next() == name.chars().next()
        && strsim::osa_distance(word, name) == 1
}

/// Jaro-Winkler's likeness; two neighbours that are swapped are nearer than it finds them in a word
/// as short as `gte`.
fn likeness(word: &str, name: &str) -> f64 {
    let swapped = word.len() == name.len() && strsim::osa_distance(word, name) == 1;
    let likeness = strsim::jaro_winkler(word, name);
    if swapped && strsim::levenshtein(word, name) == 2 {
        likeness.max(0.95)
    } else {
        likeness
    }
}

/// How often each letter stands in a word. Most names of a tool have too few of them to be alike
/// wherever they stand, which is seen in a tenth of the time.
struct Letters<'w> {
    word: &'w str,
    counts: [u8; 256],
}

impl<'w> Letters<'w> {
    /// Of a word of [`LONGEST_NAME`] at most.
    fn of(word: &'w str) -> Self {
        let mut counts = [0; 256];
        for byte in word.bytes() {
            if let Some(count) = counts.get_mut(usize::from(byte)) {
                *count += 1;
            }
        }
        Self { word, counts }
    }

    /// Whether the likeness can be more than [`ALIKE`]: what it would be, were all common letters
    /// in the same order and near each other (strsim 0.11.1, `generic_jaro`).
    fn may_be_alike(&self, name: &str) -> bool {
        // A letter may be several bytes, and what is empty is divided by.
        if !self.word.is_ascii() || !name.is_ascii() || self.word.is_empty() || name.is_empty() {
            return true;
        }
        let mut left = self.counts;
        let mut common = 0.0;
        for byte in name.bytes() {
            if let Some(count @ 1..) = left.get_mut(usize::from(byte)) {
                *count -= 1;
                common += 1.0;
            }
        }
        let jaro = (common / self.word.len() as f64 + common / name.len() as f64 + 1.0) / 3.0;
        let begin = self
            .word
            .bytes()
            .zip(name.bytes())
            .take(4)
            .take_while(|(one, other)| one == other)
            .count() as f64;
        // The last one is for how a computer divides.
        jaro + 0.1 * begin * (1.0 - jaro) > ALIKE - 1e-9
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_misspelt_name_is_found_and_a_long_word_is_not_looked_for() {
        assert_eq!(nearest("gett", ["describe", "get"]), Some("get"));
        assert_eq!(nearest("frobnicate", ["describe", "get"]), None);
        assert_eq!(nearest(&"g".repeat(8000), ["get"]), None);
        assert_eq!(nearest("gte", ["describe", "get"]), Some("get"));
        assert_eq!(nearest("servicemonitors", ["serviceaccounts"]), None);
        assert_eq!(
            nearest("certificates", ["certificatesigningrequests"]),
            None
        );
    }

    #[test]
    fn a_beginning_is_of_one_name() {
        let flags = ["sort-by", "selector", "show-labels", "show-kind"];
        assert_eq!(begun("sort", flags), Some("sort-by"));
        assert_eq!(begun("show", flags), None);
        assert_eq!(begun("so", flags), None);
    }

    #[test]
    fn a_name_with_too_few_common_letters_is_not_looked_at() {
        let letters = Letters::of("outputt");
        assert_eq!(
            ["output", "output-version", "kubeconfig", "v"].map(|name| letters.may_be_alike(name)),
            [true, true, false, false]
        );
    }

    proptest! {
        #[test]
        fn nothing_alike_is_left_out(word in "[a-e-]{0,12}|\\PC{0,6}", name in "[a-e-]{0,12}|\\PC{0,6}") {
            prop_assert!(strsim::jaro_winkler(&word, &name) <= ALIKE || Letters::of(&word).may_be_alike(&name));
        }

        #[test]
        fn nothing_misspelt_is_left_out(name in "[a-z]{3,14}", at in 0_usize..14, letter in "[a-z]") {
            let mut word = name.clone();
            word.insert_str(at.min(name.len()), &letter);
            prop_assert!(strsim::jaro_winkler(&word, &name) <= ALIKE || Letters::of(&word).may_be_alike(&name));
        }
    }
}
