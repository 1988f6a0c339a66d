//! Command lines from files: plain lines, audit records, and tables of cases.
//!
//! Comes in: a text. Goes out: each command once, with who sent it where, as far as the text says
//! that: who judges a command as somebody else than who sent it judges another command. Held by the
//! tests below and `tests/cli/`.

use std::{
    collections::{HashMap, hash_map::Entry},
    ops::AddAssign,
};

use serde::{Deserialize, de::IgnoredAny};
use shlex::QuoteError;

use super::target::Target;
use crate::{endpoint::Endpoint, nearest::nearest};

/// A command line, and what a table says should be decided about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The command line, with its tool's name in front.
    pub command: String,
    /// Whether it is rendered from the `argv` of a record, and not what somebody typed.
    pub is_rendered: bool,
    /// `allow`, `confirm` or `deny`; `None` when the file is no table.
    pub expected: Option<String>,
    /// Who sent it where, as far as the file says it.
    pub asked: CaseSender,
    /// The first line in the file, from 1.
    pub line: usize,
    /// How often it stands there.
    pub times: usize,
}

/// Who sent a command where, as far as a file says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CaseSender {
    /// The principal.
    pub principal: Option<String>,
    /// The groups; those of a record belong to its principal.
    pub groups: Vec<String>,
    /// The names of the cluster, the narrowest first.
    pub cluster: Vec<String>,
    /// The namespace of a command that names none.
    pub namespace: Option<String>,
}

impl CaseSender {
    /// Completes what the file says by `others`: whoever is named there brings no groups of theirs.
    pub fn target(&self, others: &Target) -> Target {
        let known = self.principal.is_some() || !self.groups.is_empty();
        let or_theirs = |own: &Vec<String>, theirs: &Vec<String>| match own.is_empty() {
            true => theirs.clone(),
            false => own.clone(),
        };
        Target {
            namespace: self.namespace.as_ref().unwrap_or(&others.namespace).clone(),
            principal: self.principal.as_ref().unwrap_or(&others.principal).clone(),
            groups: match known {
                true => self.groups.clone(),
                false => others.groups.clone(),
            },
            ..Target::default()
        }
        .on(or_theirs(&self.cluster, &others.cluster))
    }
}

/// The commands of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Corpus {
    /// Each command of each sender once, in the file's order.
    pub cases: Vec<Case>,
    /// How many records are of decisions about a text that was no command, or too long a one: they hold
    /// none.
    pub without_command: usize,
}

/// Why a file holds no commands.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CorpusError {
    /// A column whose name is nearly one that counts.
    #[error("line {line} of the table names a column `{column}`; did you mean `{nearest}`?")]
    Column {
        /// The line, from 1.
        line: usize,
        /// The column.
        column: String,
        /// The known one.
        nearest: &'static str,
    },
    /// A word with a NUL in it.
    #[error("line {line} has a word that no command line can hold")]
    Word {
        /// The line, from 1.
        line: usize,
    },
}

/// Reads the commands of a file, each once: lines, the `argv` of audit records, or a table with tabs.
///
/// A table begins with its columns: `tool`, `command` (with the escapes below), `expected`, and where
/// they are wanted `principal`, `groups` (with commas), `cluster` and `namespace`; others are for its
/// readers. Without that line its columns are the first three.
///
/// # Errors
/// A column that is nearly one of these, or an `argv` with a NUL in it.
pub fn cases(text: &str) -> Result<Corpus, CorpusError> {
    let mut corpus = Corpus::default();
    let mut columns = Columns::default();
    let mut known: HashMap<(String, Option<String>, CaseSender), usize> = HashMap::new();
    for (at, text) in text.lines().enumerate() {
        let line = at + 1;
        if text.trim().is_empty() || text.starts_with('#') {
            continue;
        }
        if text.starts_with("tool\t") {
            columns = Columns::named(text, line)?;
            continue;
        }
        let case = match serde_json::from_str::<Record>(text) {
            Ok(record) => {
                corpus.without_command += usize::from(record.is_without_command());
                record.case(line).map_err(|_| CorpusError::Word { line })?
            }
            Err(_) => Some(columns.case(text, line)),
        };
        let Some(case) = case else { continue };
        let key = (
            case.command.clone(),
            case.expected.clone(),
            case.asked.clone(),
        );
        match known.entry(key) {
            Entry::Vacant(new) => {
                new.insert(corpus.cases.len());
                corpus.cases.push(case);
            }
            Entry::Occupied(at) => {
                if let Some(known) = corpus.cases.get_mut(*at.get()) {
                    known.times.add_assign(1);
                }
            }
        }
    }
    Ok(corpus)
}

/// The members of an audit record that say what was decided about, and for whom.
#[derive(Deserialize)]
struct Record {
    event: Option<String>,
    #[serde(default)]
    argv: Vec<String>,
    #[serde(default)]
    filters: Vec<Vec<String>>,
    principal: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    cluster: Option<String>,
    target: Option<String>,
    namespace: Option<String>,
    /// What a long argv of a refusal has beyond its beginning.
    argv_rest: Option<IgnoredAny>,
}

impl Record {
    /// Whether a decision has no command that could be judged: none, or the beginning of one.
    fn is_without_command(&self) -> bool {
        let is_whole = !self.argv.is_empty() && self.argv_rest.is_none();
        !is_whole && self.event.as_deref() == Some("decision")
    }

    fn case(self, line: usize) -> Result<Option<Case>, QuoteError> {
        if self.argv.is_empty() || self.argv_rest.is_some() {
            return Ok(None);
        }
        let mut stages = vec![self.argv];
        stages.extend(self.filters);
        let stages: Result<Vec<String>, QuoteError> = stages
            .iter()
            .map(|words| shlex::try_join(words.iter().map(String::as_str)))
            .collect();
        // The names by which rules know it, the narrowest first.
        let endpoint = self.target.and_then(|url| Endpoint::parse(&url).ok());
        let by_address = endpoint.into_iter().flat_map(|endpoint| {
            let (host, port) = (endpoint.host().to_string(), endpoint.port());
            [format!("{host}:{port}"), host]
        });
        Ok(Some(Case {
            command: stages?.join(" | "),
            is_rendered: true,
            expected: None,
            asked: CaseSender {
                principal: self.principal,
                groups: self.groups,
                cluster: self.cluster.into_iter().chain(by_address).collect(),
                namespace: self.namespace,
            },
            line,
            times: 1,
        }))
    }
}

/// Which column of a table is which.
struct Columns {
    tool: usize,
    command: usize,
    expected: usize,
    principal: Option<usize>,
    groups: Option<usize>,
    cluster: Option<usize>,
    namespace: Option<usize>,
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            tool: 0,
            command: 1,
            expected: 2,
            principal: None,
            groups: None,
            cluster: None,
            namespace: None,
        }
    }
}

/// The columns beside the tool's that count.
const COLUMNS: [&str; 6] = [
    "command",
    "expected",
    "principal",
    "groups",
    "cluster",
    "namespace",
];

impl Columns {
    /// The columns of a table by its first line.
    fn named(text: &str, line: usize) -> Result<Self, CorpusError> {
        let names: Vec<&str> = text.split('\t').map(str::trim).collect();
        let unknown = names.iter().skip(1).filter(|name| !COLUMNS.contains(name));
        for column in unknown {
            // A column that is passed over would have its rows judged as somebody else.
            if let Some(meant) = nearest(column, COLUMNS) {
                return Err(CorpusError::Column {
                    line,
                    column: (*column).to_owned(),
                    nearest: meant,
                });
            }
        }
        let at = |name| names.iter().position(|known| *known == name);
        Ok(Self {
            tool: 0,
            command: at("command").unwrap_or(1),
            expected: at("expected").unwrap_or(2),
            principal: at("principal"),
            groups: at("groups"),
            cluster: at("cluster"),
            namespace: at("namespace"),
        })
    }

    /// The case of a row, or of a line that is a command.
    fn case(&self, text: &str, line: usize) -> Case {
        let cells: Vec<&str> = text.split('\t').collect();
        let cell = |at: usize| cells.get(at).copied();
        let filled = |at: Option<usize>| at.and_then(cell).filter(|cell| !cell.trim().is_empty());
        let list = |at| {
            let names = filled(at)
                .into_iter()
                .flat_map(|cell| cell.split([',', ' ']));
            names
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let row = (cell(self.tool), cell(self.command), cell(self.expected));
        let (command, expected) = match row {
            (Some(tool), Some(command), Some(expected)) => {
                let command = unescaped(command);
                let named = command.split_whitespace().next() == Some(tool);
                let command = match named {
                    true => command,
                    false => format!("{tool} {command}"),
                };
                (command, Some(expected.to_owned()))
            }
            _ => (text.trim().to_owned(), None),
        };
        let is_row = expected.is_some();
        let asked = is_row.then(|| CaseSender {
            principal: filled(self.principal).map(str::to_owned),
            groups: list(self.groups),
            cluster: list(self.cluster),
            namespace: filled(self.namespace).map(str::to_owned),
        });
        Case {
            command,
            is_rendered: false,
            expected,
            asked: asked.unwrap_or_default(),
            line,
            times: 1,
        }
    }
}

/// `\n \r \t \0 \xHH \u{HEX} \\`; any other backslash stays.
pub fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let (character, length) = escape(after).unwrap_or(('\\', 0));
        plain.push(character);
        rest = after.get(length..).unwrap_or_default();
    }
    plain.push_str(rest);
    plain
}

/// The character behind a backslash and how many bytes name it.
fn escape(after: &str) -> Option<(char, usize)> {
    let code = |hex: &str| char::from_u32(u32::from_str_radix(hex, 16).ok()?);
    Some(match after.chars().next()? {
        'n' => ('\n', 1),
        'r' => ('\r', 1),
        't' => ('\t', 1),
        '0' => ('\0', 1),
        '\\' => ('\\', 1),
        'x' => (code(after.get(1..3)?)?, 3),
        'u' => {
            let hex = after.strip_prefix("u{")?.split_once('}')?.0;
            (code(hex)?, hex.len() + 3)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_records_and_tables_are_read() {
        let text = "tool\tcommand\texpected\treason\nkubectl\tget pods\\x20-A\tallow\tx\nkubectl\tkubectl get 'a\\u{212a}'\tdeny\ty\n\n\
                    helm list -A\nhelm list -A\n{\"event\":\"end\"}\n{\"argv\":[\"kubectl\",\"get\",\"a b\"]}\n";
        let read: Vec<_> = cases(text)
            .unwrap()
            .cases
            .into_iter()
            .map(|case| (case.command, case.expected, case.line, case.times))
            .collect();
        let of = |command: &str, expected: Option<&str>, line, times| {
            let expected = expected.map(str::to_owned);
            (command.to_owned(), expected, line, times)
        };
        assert_eq!(
            read,
            [
                of("kubectl get pods -A", Some("allow"), 2, 1),
                of("kubectl get 'a\u{212a}'", Some("deny"), 3, 1),
                of("helm list -A", None, 5, 2),
                of("kubectl get 'a b'", None, 8, 1),
            ]
        );
    }

    #[test]
    fn who_asked_where_comes_from_the_record_and_the_row() {
        let record = r#"{"event":"decision","principal":"a-1","groups":["agents"],"argv":["kubectl","get","pods.v1."],"filters":[["grep","--","a b"]],"cluster":"prod","target":"https://10.0.0.1:6443/"}
{"event":"decision","principal":"a-1","reason":"it is no command"}
{"event":"decision","principal":"a-1","argv":["kubectl","get"],"argv_rest":{"bytes":9000,"sha256":"x"}}
{"event":"start","version":"1"}"#;
        let read = cases(record).unwrap();
        assert_eq!((read.cases.len(), read.without_command), (1, 2));
        let case = &read.cases[0];
        assert_eq!(case.command, "kubectl get pods.v1. | grep -- 'a b'");
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let others = Target {
            groups: words(&["theirs"]),
            ..Target::default()
        };
        assert_eq!(
            case.asked.target(&others),
            Target {
                namespace: "default".into(),
                principal: "a-1".into(),
                groups: words(&["agents"]),
                ..Target::default()
            }
            .on(words(&["prod", "10.0.0.1:6443", "10.0.0.1"]))
        );
        let table = "tool\tcommand\texpected\tprincipal\tgroups\tcluster\tnamespace\n\
                     kubectl\tget pods\tallow\tbob\ta, b\tprod\tweb\nkubectl\tget pods\tdeny\n";
        let read = cases(table).unwrap().cases;
        assert_eq!(
            read[0].asked.target(&others),
            Target {
                namespace: "web".into(),
                principal: "bob".into(),
                groups: words(&["a", "b"]),
                ..Target::default()
            }
            .on(words(&["prod"]))
        );
        assert_eq!(read[1].asked.target(&others), others);
    }

    #[test]
    fn a_column_that_is_nearly_one_that_counts_is_refused() {
        assert_eq!(
            cases("tool\tcommand\texpected\tprincipel\n"),
            Err(CorpusError::Column {
                line: 1,
                column: "principel".into(),
                nearest: "principal"
            })
        );
    }
}
