//! What a request brings for its command to read: a text for its standard input, and texts by name.
//!
//! Comes in: what a caller sent, and how much of it may be. Goes out: [`Data`], whose names are names
//! and never paths. May not open anything, and no error of it quotes a byte of the content.
//!
//! Held by the tests below, and by `tests/service/data.rs`.

#![forbid(unsafe_code)]

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};

use crate::{code::Code, excerpt::Excerpt, secret::SecretString};

/// The most files of one request: values of a chart come in two or three.
pub const MOST_FILES: usize = 16;
/// What a request may bring unless the settings say otherwise, in bytes.
pub const MOST_BYTES: usize = 1 << 20;
/// The longest name of a file, in bytes.
const LONGEST_NAME: usize = 64;

/// Why a request's data are none, or are not what its command reads.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the names say it")]
pub enum DataError {
    /// More than this server or a rule lets a request bring.
    #[error("the request brings {bytes} bytes in `stdin` and `files`; at most {limit} are accepted{}", of_rule(.rule.as_deref()))]
    TooLarge {
        bytes: usize,
        limit: usize,
        /// The rule that says so.
        rule: Option<String>,
    },
    /// More than [`MOST_FILES`].
    #[error("the request brings {count} files; at most {MOST_FILES} are accepted")]
    TooManyFiles { count: usize },
    /// A name that is not one of a plain file.
    #[error("{name} cannot be the name of a file in `files`")]
    Name { name: Excerpt },
    /// Two files of one name.
    #[error("`files` has {name} twice")]
    SameName { name: Excerpt },
    /// A character that no text has.
    #[error("{piece} has the character U+0000 at byte {at}, which no text has")]
    Nul { piece: DataPiece, at: usize },
    /// A here-document and `stdin`.
    #[error("the command has a here-document, and the request has `stdin` besides")]
    TwoInputs,
    /// A flag that reads the standard input, of which there is none.
    #[error("--{flag} reads the standard input, and the request brings none")]
    NoInput { flag: String },
    /// More flags than one that read the standard input.
    #[error("the standard input can be read once, and --{flag} reads it again")]
    InputTwice { flag: String },
    /// A flag that names a file that is not there.
    #[error("--{flag} names the file {name}, which the request does not bring")]
    NoFile { flag: String, name: Excerpt },
    /// A piece that no flag of the command reads.
    #[error("the request brings {piece}, and nothing in the command reads it")]
    Unread { piece: DataPiece },
}

fn of_rule(rule: Option<&str>) -> String {
    rule.map(|rule| format!(" by the rule `{rule}`"))
        .unwrap_or_default()
}

impl DataError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::TooLarge { .. } => Code::DataTooLarge,
            Self::TooManyFiles { .. }
            | Self::Name { .. }
            | Self::SameName { .. }
            | Self::Nul { .. }
            | Self::TwoInputs
            | Self::NoInput { .. }
            | Self::InputTwice { .. }
            | Self::NoFile { .. }
            | Self::Unread { .. } => Code::InvalidData,
        }
    }

    /// What to do instead, in one sentence.
    pub fn help(&self) -> String {
        match self {
            Self::TooLarge { .. } => "send less in one call: split the manifests, or leave out what the command does not need".into(),
            Self::TooManyFiles { .. } => "put several documents into one file, each behind `---`".into(),
            Self::Name { .. } => format!("name it by letters, digits, `.`, `_` and `-`, a letter or digit first, at most {LONGEST_NAME}: `web.yaml`; there are no folders"),
            Self::SameName { .. } => "give each file its own name".into(),
            Self::Nul { .. } => "send text in UTF-8".into(),
            Self::TwoInputs => "give the text once, in `stdin` or behind `<<`".into(),
            Self::NoInput { .. } => "send the text in the field `stdin`, or behind the command: `… -f - <<'EOF'`, the text, and a line `EOF`".into(),
            Self::InputTwice { .. } => "read it by one flag, and send other texts in `files`".into(),
            Self::NoFile { name, .. } => {
                let name = name.text();
                format!("send its text as `\"files\": {{\"{name}\": \"…\"}}`, or `-` and the field `stdin`")
            }
            Self::Unread { piece: DataPiece::Input } => "name it by a flag that reads text (`-f -`), or leave `stdin` out".into(),
            Self::Unread { piece: DataPiece::File(name) } => format!("name it by a flag that reads text (`-f {name}`), or leave it out"),
        }
    }
}

/// The name of a file of a request: no path, no pattern, no URL, no flag and no `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileName(String);

impl FileName {
    /// Reads a name: `[A-Za-z0-9][A-Za-z0-9._-]*` without `..`, at most 64 bytes.
    pub fn read(text: &str) -> Option<Self> {
        let begins = text.starts_with(|first: char| first.is_ascii_alphanumeric());
        let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_name = begins
            && text.len() <= LONGEST_NAME
            && text.bytes().all(is_of_name)
            && !text.contains("..");
        is_name.then(|| Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One piece of the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataPiece {
    /// The standard input.
    Input,
    /// A file.
    File(FileName),
}

impl fmt::Display for DataPiece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input => f.write_str("`stdin`"),
            Self::File(name) => write!(f, "the file `{name}`"),
        }
    }
}

/// The files of a request as they were sent, a name twice as well: JSON lets one be.
#[derive(Default)]
pub struct SentFiles(Vec<(String, SecretString)>);

impl SentFiles {
    /// Takes files as they were sent.
    pub fn new(files: Vec<(String, SecretString)>) -> Self {
        Self(files)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for SentFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SentFiles({})", self.0.len())
    }
}

impl<'de> Deserialize<'de> for SentFiles {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Files;
        impl<'de> Visitor<'de> for Files {
            type Value = SentFiles;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("an object of texts by name")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<SentFiles, M::Error> {
                let mut files = Vec::new();
                while let Some(file) = map.next_entry()? {
                    files.push(file);
                }
                Ok(SentFiles(files))
            }

            fn visit_unit<E>(self) -> Result<SentFiles, E> {
                Ok(SentFiles::default())
            }
        }
        from.deserialize_any(Files)
    }
}

/// What a request brings for its command to read. It is wiped when it is dropped, and does not print.
#[derive(Clone, Debug, Default)]
pub struct Data {
    input: Option<SecretString>,
    files: BTreeMap<FileName, SecretString>,
}

impl Data {
    /// Reads what was sent: the field `stdin` or a here-document, and `files`; `limit` bytes at most.
    ///
    /// # Errors
    /// [`DataError`], with the first piece that is not acceptable.
    pub fn read(
        stdin: Option<&SecretString>,
        document: Option<&SecretString>,
        files: &SentFiles,
        limit: usize,
    ) -> Result<Self, DataError> {
        let input = match (stdin, document) {
            (Some(_), Some(_)) => return Err(DataError::TwoInputs),
            (one, other) => one.or(other),
        };
        let texts = input
            .into_iter()
            .chain(files.0.iter().map(|(_, text)| text));
        let bytes = texts.map(|text| text.expose().len()).sum();
        if bytes > limit {
            return Err(DataError::TooLarge {
                bytes,
                limit,
                rule: None,
            });
        }
        if files.0.len() > MOST_FILES {
            let count = files.0.len();
            return Err(DataError::TooManyFiles { count });
        }
        let mut data = Self {
            input: input.cloned(),
            files: BTreeMap::new(),
        };
        for (sent, text) in &files.0 {
            let name = Excerpt::new(sent);
            let Some(known) = FileName::read(sent) else {
                return Err(DataError::Name { name });
            };
            if data.files.insert(known, text.clone()).is_some() {
                return Err(DataError::SameName { name });
            }
        }
        for (piece, text) in data.pieces() {
            if let Some(at) = text.expose().find('\0') {
                return Err(DataError::Nul { piece, at });
            }
        }
        Ok(data)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.input.is_none() && self.files.is_empty()
    }

    /// The text of the standard input.
    pub fn input(&self) -> Option<&SecretString> {
        self.input.as_ref()
    }

    /// The text of each file, by name.
    pub fn files(&self) -> &BTreeMap<FileName, SecretString> {
        &self.files
    }

    /// Every piece, the standard input first.
    pub fn pieces(&self) -> impl Iterator<Item = (DataPiece, &SecretString)> {
        let input = self.input.iter().map(|text| (DataPiece::Input, text));
        let files = self.files.iter();
        input.chain(files.map(|(name, text)| (DataPiece::File(name.clone()), text)))
    }

    /// The text that a flag reads by this value: `-`, or the name of a file.
    pub fn text(&self, value: &str) -> Option<&SecretString> {
        match value {
            "-" => self.input.as_ref(),
            name => self.files.get(&FileName::read(name)?),
        }
    }

    /// The same with another text in the place of one that is there.
    #[must_use]
    pub fn with(mut self, value: &str, text: SecretString) -> Self {
        match FileName::read(value) {
            Some(name) => {
                self.files.entry(name).and_modify(|known| *known = text);
            }
            None => self.input = self.input.map(|_| text),
        }
        self
    }

    /// The bytes of all of it.
    pub fn bytes(&self) -> usize {
        self.pieces().map(|(_, text)| text.expose().len()).sum()
    }

    /// Finds a piece that flags with these values do not read, or that they read and is not there:
    /// `reads` are the flags that read text, each with one of its values.
    ///
    /// # Errors
    /// [`DataError`], with the flag or the piece.
    pub fn is_read_by<'f>(
        &self,
        reads: impl Iterator<Item = (&'f str, &'f str)>,
    ) -> Result<(), DataError> {
        let mut unread: Vec<DataPiece> = self.pieces().map(|(piece, _)| piece).collect();
        let mut has_read = false;
        for (flag, value) in reads {
            let flag = flag.to_owned();
            if value == "-" {
                match (&self.input, has_read) {
                    (None, _) => return Err(DataError::NoInput { flag }),
                    (Some(_), true) => return Err(DataError::InputTwice { flag }),
                    (Some(_), false) => has_read = true,
                }
                unread.retain(|piece| *piece != DataPiece::Input);
                continue;
            }
            let known = FileName::read(value).filter(|name| self.files.contains_key(name));
            let Some(name) = known else {
                let name = Excerpt::new(value);
                return Err(DataError::NoFile { flag, name });
            };
            unread.retain(|piece| *piece != DataPiece::File(name.clone()));
        }
        match unread.into_iter().next() {
            Some(piece) => Err(DataError::Unread { piece }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretString {
        SecretString::new(text.to_owned())
    }

    fn files(files: &[(&str, &str)]) -> SentFiles {
        let files = files.iter();
        SentFiles::new(
            files
                .map(|(name, text)| ((*name).to_owned(), secret(text)))
                .collect(),
        )
    }

    fn read(stdin: Option<&str>, sent: &[(&str, &str)], limit: usize) -> Result<Data, DataError> {
        let stdin = stdin.map(secret);
        Data::read(stdin.as_ref(), None, &files(sent), limit)
    }

    #[test]
    fn a_name_is_no_path_no_pattern_no_url_and_no_flag() {
        for name in ["web.yaml", "0", "a-b_c.d", "A".repeat(64).as_str()] {
            assert_eq!(FileName::read(name).unwrap().as_str(), name);
        }
        let long = "a".repeat(65);
        for name in [
            "",
            "-",
            "-f",
            "--",
            ".",
            "..",
            ".env",
            "_x",
            "a..b",
            "../x",
            "a/b",
            "/etc/passwd",
            "a b",
            "a\n",
            "a*",
            "http://x",
            "a:b",
            "a\\b",
            "ä",
            "a\0",
            "a,b",
            "a=b",
            &long,
        ] {
            assert_eq!(FileName::read(name), None, "{name:?}");
            let sent = [(name, "x")];
            let name = Excerpt::new(name);
            assert_eq!(read(None, &sent, 10).unwrap_err(), DataError::Name { name });
        }
    }

    #[test]
    fn as_much_as_is_accepted_is_and_not_a_byte_more() {
        assert_eq!(
            read(Some("12345"), &[("a", "678"), ("b", "90")], 10)
                .unwrap()
                .bytes(),
            10
        );
        let refused = read(Some("12345"), &[("a", "678"), ("b", "901")], 10).unwrap_err();
        let (bytes, limit, rule) = (11, 10, None);
        assert_eq!(refused, DataError::TooLarge { bytes, limit, rule });
        assert!(read(None, &[], 0).unwrap().is_empty());
        let many: Vec<(String, &str)> = (0..17).map(|at| (format!("f{at}"), "")).collect();
        let many: Vec<(&str, &str)> = many
            .iter()
            .map(|(name, text)| (name.as_str(), *text))
            .collect();
        assert!(read(None, &many[..16], 10).is_ok());
        assert_eq!(
            read(None, &many, 10).unwrap_err(),
            DataError::TooManyFiles { count: 17 }
        );
    }

    #[test]
    fn a_piece_is_sent_once_and_is_text() {
        let name = Excerpt::new("a");
        assert_eq!(
            read(None, &[("a", "1"), ("a", "2")], 10).unwrap_err(),
            DataError::SameName { name }
        );
        let twice = serde_json::from_str(r#"{"a": "1", "a": "2"}"#).unwrap();
        assert!(matches!(
            Data::read(None, None, &twice, 10),
            Err(DataError::SameName { .. })
        ));
        let both = Data::read(Some(&secret("")), Some(&secret("")), &files(&[]), 10);
        assert_eq!(both.unwrap_err(), DataError::TwoInputs);
        let (piece, at) = (DataPiece::Input, 2);
        assert_eq!(
            read(Some("ab\0c"), &[], 10).unwrap_err(),
            DataError::Nul { piece, at }
        );
        let error = read(None, &[("a", "\0")], 10).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the file `a` has the character U+0000 at byte 0, which no text has"
        );
    }

    #[test]
    fn every_piece_is_read_and_all_that_is_read_is_there() {
        let data = read(Some("x"), &[("a", "1"), ("b", "2")], 10).unwrap();
        let read_by = |reads: &[(&str, &str)]| data.is_read_by(reads.iter().copied());
        assert_eq!(
            read_by(&[("filename", "-"), ("filename", "b"), ("patch-file", "a")]),
            Ok(())
        );
        assert_eq!(
            read_by(&[("f", "a"), ("f", "b"), ("f", "a"), ("f", "-")]),
            Ok(())
        );
        let flag = || "f".to_owned();
        assert_eq!(
            read_by(&[("f", "-"), ("f", "-")]),
            Err(DataError::InputTwice { flag: flag() })
        );
        let unread = |piece| Err(DataError::Unread { piece });
        assert_eq!(read_by(&[("f", "a"), ("f", "b")]), unread(DataPiece::Input));
        let file = DataPiece::File(FileName::read("a").unwrap());
        assert_eq!(read_by(&[("f", "-"), ("f", "b")]), unread(file));
        for value in ["c", "A", "/a", "./a", "a/", ""] {
            let name = Excerpt::new(value);
            assert_eq!(
                read_by(&[("f", value)]),
                Err(DataError::NoFile { flag: flag(), name })
            );
        }
        let nothing = Data::default();
        assert_eq!(
            nothing.is_read_by([("f", "-")].into_iter()),
            Err(DataError::NoInput { flag: flag() })
        );
        assert_eq!(nothing.is_read_by([].into_iter()), Ok(()));
    }

    #[test]
    fn nothing_of_the_content_prints() {
        let data = read(Some("hunter2"), &[("a", "hunter2")], 20).unwrap();
        let sent = files(&[("a", "hunter2")]);
        assert!(!format!("{data:?} {sent:?}").contains("hunter2"));
    }
}
