//! A quotable piece of the caller's text: bounded, one line, nothing that steers a terminal.

#![forbid(unsafe_code)]

use std::fmt;

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{BidiClass, DefaultIgnorableCodePoint, GeneralCategory},
};

/// At most 64 bytes of the caller's text. Prints in backticks, with control and invisible
/// characters escaped, and letters that would turn the line around, so that a message or a log line
/// can quote an attacker and stay one line.
#[derive(Clone, PartialEq, Eq)]
pub struct Excerpt(String);

/// Enough for any flag or resource name; a longer text is cut and says so.
const LONGEST: usize = 64;

impl Excerpt {
    /// Quotes `text`.
    pub fn new(text: &str) -> Self {
        let mut shown = String::new();
        for character in text.chars() {
            let escaped: String = if character.is_ascii_graphic()
                || character == ' '
                || character.is_alphanumeric()
                    && !is_invisible(character)
                    && !is_right_to_left(character)
            {
                character.into()
            } else {
                character.escape_unicode().collect()
            };
            if shown.len() + escaped.len() > LONGEST {
                shown.push('…');
                break;
            }
            shown.push_str(&escaped);
        }
        Self(shown)
    }

    /// The same text without backticks, for a field of its own.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Excerpt {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0)
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Characters that show nothing, or change how others show: by Unicode what a program ignores that
/// does not know it (`Default_Ignorable_Code_Point`) or that formats others (`Cf`), the two
/// separators of lines, and those that are drawn as nothing.
pub(crate) fn is_invisible(character: char) -> bool {
    const BLANK: [char; 5] = [
        '\u{2028}',
        '\u{2029}',  // separators of lines and paragraphs
        '\u{2800}',  // braille without a dot
        '\u{16fe4}', // a filler of Khitan script
        '\u{1d159}', // a note without a head
    ];
    !character.is_ascii()
        && (CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
            || CodePointMapData::<GeneralCategory>::new().get(character) == GeneralCategory::Format
            || BLANK.contains(&character))
}

/// A letter that is written from right to left, and takes what stands beside it along.
fn is_right_to_left(character: char) -> bool {
    let class = CodePointMapData::<BidiClass>::new().get(character);
    matches!(class, BidiClass::RightToLeft | BidiClass::ArabicLetter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_one_short_line_without_escapes() {
        assert_eq!(Excerpt::new("--tail").to_string(), "`--tail`");
        assert_eq!(
            Excerpt::new("a\n\u{1b}[2J\u{202e}").to_string(),
            "`a\\u{a}\\u{1b}[2J\\u{202e}`"
        );
        assert_eq!(
            Excerpt::new(&"x".repeat(100)).to_string(),
            format!("`{}…`", "x".repeat(64))
        );
    }

    #[test]
    fn fillers_and_letters_that_turn_the_line_around_are_escaped() {
        for (text, shown) in [
            ("kube\u{3164}ctl\u{5d0}", "`kube\\u{3164}ctl\\u{5d0}`"),
            ("\u{115f}\u{1160}\u{ffa0}", "`\\u{115f}\\u{1160}\\u{ffa0}`"),
            ("a\u{627}\u{1bca0}", "`a\\u{627}\\u{1bca0}`"),
            ("wéb 日本", "`wéb 日本`"),
        ] {
            assert_eq!(Excerpt::new(text).to_string(), shown);
        }
    }

    #[test]
    fn no_character_that_shows_nothing_is_quoted_as_it_is() {
        let mut found = 0;
        for character in ('\u{80}'..=char::MAX).filter(|character| is_invisible(*character)) {
            let quoted = Excerpt::new(&character.to_string());
            assert!(quoted.text().starts_with("\\u{"), "{quoted}");
            found += 1;
        }
        // Unicode 16 has 4174 that are ignored by default, most of them not assigned yet.
        assert!(found >= 4_174, "{found}");
        let ranges = [
            ('\u{ad}', '\u{ad}'),
            ('\u{34f}', '\u{34f}'),
            ('\u{61c}', '\u{61c}'),
            ('\u{115f}', '\u{1160}'),
            ('\u{17b4}', '\u{17b5}'),
            ('\u{180b}', '\u{180f}'),
            ('\u{200b}', '\u{200f}'),
            ('\u{2028}', '\u{202e}'),
            ('\u{2060}', '\u{206f}'),
            ('\u{2800}', '\u{2800}'),
            ('\u{3164}', '\u{3164}'),
            ('\u{fe00}', '\u{fe0f}'),
            ('\u{feff}', '\u{feff}'),
            ('\u{ffa0}', '\u{ffa0}'),
            ('\u{fff0}', '\u{fffb}'),
            ('\u{16fe4}', '\u{16fe4}'),
            ('\u{1bca0}', '\u{1bca3}'),
            ('\u{1d173}', '\u{1d17a}'),
            ('\u{e0000}', '\u{e0fff}'),
        ];
        for (first, last) in ranges {
            for character in first..=last {
                assert!(is_invisible(character), "U+{:04X}", u32::from(character));
            }
        }
        for character in ['a', 'é', '日', '\u{a0}', '✔', '\u{fffd}'] {
            assert!(!is_invisible(character), "{character}");
        }
    }
}
