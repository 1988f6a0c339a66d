//! The one here-document that a command may end with: `apply -f - <<EOF`, the text, a line `EOF`.
//!
//! Comes in: a command as it was sent. Goes out: the line before it, and the text, byte for byte as
//! a POSIX shell would hand it over (POSIX.1-2024, Shell Command Language, 2.7.4). May not expand
//! anything: where a shell would put something else into the text, the command is refused.
//!
//! Held by the tests below, which ask a shell, and by the fuzz target `here_document`.

use crate::secret::SecretString;

/// The longest word that ends a text, in bytes.
const LONGEST_DELIMITER: usize = 32;

/// Why what stands behind a `<<` is no text for a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HereDocumentError {
    /// `x<<EOF`, `2<<EOF`.
    #[error("no blank stands before it")]
    Attached,
    /// `<<-EOF`.
    #[error("`<<-` would take tabs away from the text")]
    WithoutTabs,
    /// What ends the text is no plain word.
    #[error("what stands behind it is no plain word that could end the text")]
    Delimiter,
    /// `<<EOF | head`.
    #[error("something stands behind its word on the same line")]
    Behind,
    /// `get pods | grep -f - <<EOF`.
    #[error("a filter stands before it")]
    Filtered,
    /// No line with the word alone.
    #[error("no line ends it")]
    Unended,
    /// Text behind the line that ends it.
    #[error("something stands behind the line that ends it")]
    Further,
    /// What a shell would replace, in a text whose word is not quoted.
    #[error(
        "line {line} of its text has a {what} that a shell would act upon, and there is none here"
    )]
    Expansion {
        /// `$`, a backquote or a backslash.
        what: &'static str,
        /// Counted from 1.
        line: usize,
    },
}

impl HereDocumentError {
    /// What to do instead, in one sentence.
    pub fn help(self) -> &'static str {
        match self {
            Self::Expansion { .. } => {
                "write the values themselves and quote the word: `<<'EOF'`; then the text stays as it is"
            }
            Self::Filtered => "send the text as the field `stdin`, and leave `<<` out",
            Self::Attached | Self::WithoutTabs | Self::Delimiter | Self::Behind => {
                "begin with the tool's command and end its line so: `apply -f - <<'EOF'`; then the text, and a line `EOF`. Or send the text as the field `stdin`"
            }
            Self::Unended | Self::Further => {
                "end the text by its word alone on a line, and send nothing behind it"
            }
        }
    }
}

/// A command and the text behind it.
pub(super) struct HereDocument<'t> {
    /// What stands before the `<<`.
    pub(super) line: &'t str,
    /// The text.
    pub(super) text: SecretString,
}

/// Cuts a command, whose line has at most `longest` bytes, before its here-document; `None` where it
/// has none.
///
/// # Errors
/// What is wrong with it, and where its `<<` stands.
pub(super) fn cut(
    sent: &str,
    longest: usize,
) -> Result<Option<HereDocument<'_>>, (HereDocumentError, usize)> {
    let Some(at) = operator(sent, longest) else {
        return Ok(None);
    };
    let (line, behind) = sent.split_at_checked(at).unwrap_or_default();
    let text = text_of(line, behind).map_err(|error| (error, at))?;
    let text = SecretString::new(text.to_owned());
    Ok(Some(HereDocument { line, text }))
}

/// Where the first `<<` stands that is not quoted and no `<<<`, in what may be a command's line.
fn operator(sent: &str, longest: usize) -> Option<usize> {
    let (mut in_single, mut in_double) = (false, false);
    let mut bytes = sent.bytes().enumerate().take(longest);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' if !in_single => {
                bytes.next();
            }
            b'\'' if !in_double => in_single = !in_single,
            b'"' if !in_single => in_double = !in_double,
            b'<' if !in_single && !in_double => {
                let behind = sent.get(at..)?;
                let is_it = behind.starts_with("<<") && !behind.starts_with("<<<");
                return is_it.then_some(at);
            }
            _ => {}
        }
    }
    None
}

fn text_of<'t>(line: &str, behind: &'t str) -> Result<&'t str, HereDocumentError> {
    if !line.ends_with([' ', '\t']) {
        return Err(HereDocumentError::Attached);
    }
    let behind = behind.strip_prefix("<<").unwrap_or(behind);
    if behind.starts_with('-') {
        return Err(HereDocumentError::WithoutTabs);
    }
    let (first, rest) = behind.split_once('\n').unwrap_or((behind, ""));
    let Delimiter { word, is_quoted } = Delimiter::read(first)?;
    let mut length = 0;
    for each in rest.split_inclusive('\n') {
        if each.strip_suffix('\n').unwrap_or(each) == word {
            let (text, last) = rest.split_at_checked(length).unwrap_or_default();
            let further = last.get(each.len()..).unwrap_or_default();
            if !further.trim_ascii().is_empty() {
                return Err(HereDocumentError::Further);
            }
            return if is_quoted {
                Ok(text)
            } else {
                unexpanded(text)
            };
        }
        length += each.len();
    }
    Err(HereDocumentError::Unended)
}

/// The word that ends a text.
struct Delimiter<'t> {
    word: &'t str,
    is_quoted: bool,
}

impl<'t> Delimiter<'t> {
    /// Reads the rest of a line behind its `<<`.
    fn read(first: &'t str) -> Result<Self, HereDocumentError> {
        let first = first.trim_start_matches([' ', '\t']);
        let quote = first.chars().next().filter(|quote| "'\"".contains(*quote));
        let (word, behind) = match quote {
            Some(quote) => {
                let inside = first.get(1..).unwrap_or_default();
                inside
                    .split_once(quote)
                    .ok_or(HereDocumentError::Delimiter)?
            }
            None => {
                let end = first.find(|of: char| !is_of_delimiter(of));
                first
                    .split_at_checked(end.unwrap_or(first.len()))
                    .unwrap_or_default()
            }
        };
        let begins =
            word.starts_with(|first: char| is_of_delimiter(first) && !"-.".contains(first));
        if !begins || word.len() > LONGEST_DELIMITER || !word.chars().all(is_of_delimiter) {
            return Err(HereDocumentError::Delimiter);
        }
        if !behind.trim_matches([' ', '\t']).is_empty() {
            return Err(HereDocumentError::Behind);
        }
        let is_quoted = quote.is_some();
        Ok(Self { word, is_quoted })
    }
}

fn is_of_delimiter(of: char) -> bool {
    of.is_ascii_alphanumeric() || "_-.".contains(of)
}

/// A text in which a shell would replace nothing. A `$` before what names nothing and a backslash
/// before what needs none are themselves there, too.
fn unexpanded(text: &str) -> Result<&str, HereDocumentError> {
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        let next = bytes.peek().map(|&(_, next)| next);
        let what = match (byte, next) {
            (b'`', _) => "backquote",
            (b'$', Some(next)) if !stays_behind_dollar(next) => "`$`",
            (b'\\', Some(b'$' | b'`' | b'\\' | b'\n')) => "backslash",
            _ => continue,
        };
        let before = text.as_bytes().get(..at).unwrap_or_default();
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        return Err(HereDocumentError::Expansion { what, line });
    }
    Ok(text)
}

/// Whether a `$` before this is itself in every shell: the end of a pattern, mostly.
fn stays_behind_dollar(next: u8) -> bool {
    next.is_ascii_whitespace() || b"\"')/|,.;:=%&+]}".contains(&next)
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use super::*;

    fn read(sent: &str) -> Result<Option<(String, String)>, HereDocumentError> {
        let cut = cut(sent, 100).map_err(|(error, _)| error)?;
        Ok(cut.map(|cut| (cut.line.to_owned(), cut.text.expose().clone())))
    }

    fn text(sent: &str) -> Result<String, HereDocumentError> {
        read(sent).map(|read| read.expect("a here-document").1)
    }

    #[test]
    fn the_one_form_is_read_whatever_its_word_and_its_quotes() {
        for operator in [
            "<<EOF",
            "<< EOF",
            "<<'EOF'",
            "<< \"EOF\"",
            "<<\tEOF ",
            "<<'EOF'\t",
        ] {
            let sent = format!("kubectl apply -f - {operator}\na: 1\n  b: 'x'\n\nEOF");
            let line = "kubectl apply -f - ".to_owned();
            assert_eq!(
                read(&sent),
                Ok(Some((line, "a: 1\n  b: 'x'\n\n".to_owned()))),
                "{operator}"
            );
        }
        assert_eq!(text("x <<END-1.b\nEOF\nEND-1.b\n \n\t"), Ok("EOF\n".into()));
        assert_eq!(text("x <<_\n_"), Ok(String::new()));
        assert_eq!(
            text("x <<'A'\n$HOME `id` \\\nA\n"),
            Ok("$HOME `id` \\\n".into())
        );
        assert_eq!(
            text("x <<A\n^a+$\n\\d\\n \"$\"\nA"),
            Ok("^a+$\n\\d\\n \"$\"\n".into())
        );
        // A shell ends it at the first such line, and runs the next one.
        assert_eq!(
            text("x <<A\nb\nA\nid\nA\n"),
            Err(HereDocumentError::Further)
        );
    }

    #[test]
    fn a_command_without_one_is_left_alone() {
        for sent in [
            "get pods",
            "get pods '<<EOF'",
            "get pods \"<<EOF\"",
            "get pods \\<<x",
            "x <<< y",
            "x < y <<EOF",
            "x 'open <<EOF\nEOF",
        ] {
            assert_eq!(read(sent), Ok(None), "{sent}");
        }
    }

    #[test]
    fn every_other_form_is_refused_by_name() {
        use HereDocumentError::*;
        for (sent, refused) in [
            ("apply -f -<<EOF\nx\nEOF", Attached),
            ("apply 0<<EOF\nx\nEOF", Attached),
            ("apply <<-EOF\n\tx\n\tEOF", WithoutTabs),
            ("apply <<\nx\n\n", Delimiter),
            ("apply <<''\nx\n\n", Delimiter),
            ("apply <<\\EOF\nx\nEOF", Delimiter),
            ("apply <<$EOF\nx\n$EOF", Delimiter),
            ("apply <<'E F'\nx\nE F", Delimiter),
            ("apply <<'EOF\nx\nEOF", Delimiter),
            ("apply <<E\"O\"F\nx\nEOF", Behind),
            ("apply <<'E''OF'\nx\nEOF", Behind),
            ("cat <<EOF | kubectl apply -f -\nx\nEOF", Behind),
            ("apply <<EOF -f -\nx\nEOF", Behind),
            ("apply <<EOF; id\nx\nEOF", Behind),
            ("apply <<EOF <<A\nx\nEOF\nA", Behind),
            ("apply <<EOF\r\nx\r\nEOF\r\n", Behind),
            ("apply <<EOF", Unended),
            ("apply <<EOF\n", Unended),
            ("apply <<EOF\nx\n EOF", Unended),
            ("apply <<EOF\nx\nEOF ", Unended),
            ("apply <<EOF\nx\nEOF\r", Unended),
            ("apply <<EOF\nx\nEOF\nkubectl delete ns shop", Further),
            ("apply <<EOF\nx\nEOF\n;", Further),
            (
                "apply <<EOF\na\n$HOME\nEOF",
                Expansion {
                    what: "`$`",
                    line: 2,
                },
            ),
            (
                "apply <<EOF\n`id`\nEOF",
                Expansion {
                    what: "backquote",
                    line: 1,
                },
            ),
            (
                "apply <<EOF\na\\\nEOF",
                Expansion {
                    what: "backslash",
                    line: 1,
                },
            ),
        ] {
            assert_eq!(text(sent), Err(refused), "{sent}");
        }
    }

    /// Every pair of characters that could mean something, in a text whose word is not quoted.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test starts processes")]
    fn a_text_that_is_accepted_is_what_a_shell_hands_over() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script");
        let characters: Vec<char> = (b' '..=b'~')
            .map(char::from)
            .chain(['\n', '\t', 'ä'])
            .collect();
        let mut accepted = 0;
        for shell in ["sh", "bash"] {
            let mut written = String::new();
            let mut wanted = String::new();
            for first in ['$', '\\', '`', '!', '"', '\'', '#'] {
                for second in &characters {
                    let body = format!("a{first}{second}1 b\nc\n");
                    let sent = format!("cat <<EOF\n{body}EOF\n");
                    if let Ok(text) = text(&sent) {
                        written += &sent;
                        wanted += &text;
                        accepted += 1;
                    }
                }
            }
            fs::write(&script, written).unwrap();
            let printed = Command::new(shell).arg(&script).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&printed.stdout), wanted, "{shell}");
        }
        assert!(accepted > 2 * 5 * characters.len(), "{accepted}");
    }
}
