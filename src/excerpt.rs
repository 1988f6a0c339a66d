//! A quotable piece of the caller's text: bounded, one line, nothing that steers a terminal.

#![forbid(unsafe_code)]

use std::fmt;

/// At most 64 bytes of the caller's text. Prints in backticks, with control and invisible
/// characters escaped, so that a message or a log line can quote an attacker and stay one line.
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
                || (character.is_alphanumeric() && !character.is_control())
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

/// Characters that show nothing, or change how others show.
pub(crate) fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
        | '\u{FFF0}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
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
}
