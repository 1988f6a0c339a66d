//! `policy/catalogue/<tool>.api.toml` -> [`ApiTable`]: for each verb of a tool, the sentences that say
//! what it may ask of the Kubernetes API.
//!
//! One file serves every version of a tool. A verb without an entry asks nothing. How a sentence is
//! written is at the head of `kubectl.api.toml` and in `docs/api.md`; what one means for a command is
//! [`super::Authority`]'s. A sentence that cannot be read is an error with the verb and its number.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    ask::{Ask, AskedVerb},
    change::ChangeForm,
    condition::FlagsGiven,
    sentence::{ShownSecrets, ToldRevision},
};
use crate::{api_request::ApiVerb, catalogue::CommandPath, tool::Tool};

/// What each verb of a tool may ask.
#[derive(Debug)]
pub struct ApiTable {
    verbs: BTreeMap<String, Vec<SentenceForm>>,
    rehearsal: BTreeMap<String, Rehearsal>,
    root: &'static str,
}

/// One sentence of a table, before a command fills it in.
#[derive(Clone, Debug)]
pub(super) struct SentenceForm {
    /// What is asked, of what.
    pub ask: Ask,
    /// In which namespaces; those of the command where there is none.
    pub places: Vec<String>,
    /// Of which objects.
    pub names: Vec<String>,
    /// What its query has to hold, by key.
    pub query: BTreeMap<String, String>,
    /// The flags that the command has to have; all of them have to hold.
    pub when: Vec<FlagsGiven>,
    /// The resources of which the command has to name one.
    pub of: Vec<String>,
    /// Whether a dry run is said in the body, not in the query.
    pub rehearses_in_body: bool,
    /// What the bodies of its writes may say.
    pub writing: WritingForm,
    /// The Secrets whose values the tool gets.
    pub shows: ShownSecrets,
    /// Which revisions in the answer say what the release consists of.
    pub tells: Option<ToldRevision>,
    /// Why the verb asks it.
    pub why: Option<String>,
}

/// What the bodies of a sentence's writes may say, before a command fills it in.
#[derive(Clone, Debug)]
pub(super) enum WritingForm {
    /// Anything; the sentence says why.
    Any,
    /// Changes of these fields.
    Changes(Vec<ChangeForm>),
    /// What the manifest says of the object.
    Manifest,
    /// The patch in this flag, in the form that another one names.
    Patch(String),
    /// It has no writes, or deletes alone.
    Unwritten,
}

/// What `--dry-run` leaves of a command's writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Rehearsal {
    /// All: it is no dry run.
    #[serde(rename = "writes")]
    Writes,
    /// None.
    #[serde(rename = "nothing")]
    Nothing,
    /// Those that say `dryRun=All`.
    #[serde(rename = "dryRun=All")]
    DryRunAll,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApiFile {
    schema: u8,
    tool: String,
    /// What the values of `--dry-run` leave of a command's writes.
    #[serde(default)]
    rehearsal: BTreeMap<String, Rehearsal>,
    #[serde(default)]
    set: BTreeMap<String, Vec<SentenceText>>,
    verbs: Vec<VerbsText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerbsText {
    names: Vec<String>,
    may: Vec<SentenceText>,
    /// Why they ask nothing, where that is not plain.
    #[serde(default, rename = "why")]
    _why: Option<String>,
}

/// A sentence as it is written: its `ask`, or the name of a set, or a table.
#[derive(Deserialize)]
#[serde(untagged)]
enum SentenceText {
    Short(String),
    Long(toml::Table),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LongSentence {
    ask: String,
    #[serde(default, rename = "in")]
    places: OneOrMore,
    #[serde(default, rename = "name")]
    names: OneOrMore,
    #[serde(default)]
    query: BTreeMap<String, String>,
    #[serde(default)]
    when: OneOrMore,
    #[serde(default)]
    of: OneOrMore,
    #[serde(default)]
    dry_run_in_body: bool,
    #[serde(default)]
    changes: OneOrMore,
    body: Option<String>,
    #[serde(default)]
    shows: ShownSecrets,
    tells: Option<ToldRevision>,
    why: Option<String>,
}

/// One word, or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    Several(Vec<String>),
}

impl Default for OneOrMore {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl OneOrMore {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(word) => vec![word],
            Self::Several(words) => words,
        }
    }
}

impl ApiTable {
    /// Reads the table of a tool.
    ///
    /// # Errors
    /// A sentence with the entry that is wrong.
    pub fn from_toml(tool: Tool, text: &str) -> Result<Self, String> {
        let file: ApiFile = toml::from_str(text).map_err(|error| error.to_string())?;
        if file.schema != SCHEMA {
            return Err(format!("`schema` is {}, not {SCHEMA}", file.schema));
        }
        if file.tool != tool.as_str() {
            return Err(format!("it is the table of `{}`, not of {tool}", file.tool));
        }
        let sets = SentenceSets(&file.set);
        let mut verbs = BTreeMap::new();
        for entry in &file.verbs {
            let first = entry.names.first().ok_or("an entry names no verb")?;
            let may = sets.sentences(&entry.may, 0);
            let may = may.map_err(|why| format!("verb `{first}`: {why}"))?;
            for verb in &entry.names {
                if verbs.insert(verb.clone(), may.clone()).is_some() {
                    return Err(format!("the verb `{verb}` has two entries"));
                }
            }
        }
        Ok(Self {
            verbs,
            rehearsal: file.rehearsal,
            root: tool.as_str(),
        })
    }

    /// Whether the verb has an entry, even one that says that it asks nothing.
    pub fn has(&self, path: &CommandPath) -> bool {
        self.verbs.contains_key(&self.key(path))
    }

    /// The verbs that have an entry; the root's is the tool's name.
    pub fn verbs(&self) -> impl Iterator<Item = &str> {
        self.verbs.keys().map(String::as_str)
    }

    /// Whether the verb may ask anything.
    pub fn asks(&self, path: &CommandPath) -> bool {
        !self.sentences(path).is_empty()
    }

    /// The sentences of a verb; none where it has no entry.
    pub(super) fn sentences(&self, path: &CommandPath) -> &[SentenceForm] {
        self.verbs
            .get(&self.key(path))
            .map_or(&[][..], Vec::as_slice)
    }

    /// What this value of `--dry-run` leaves of the writes; a value that the table does not know
    /// leaves none.
    pub(super) fn rehearsal(&self, value: Option<&str>) -> Rehearsal {
        match value {
            None => Rehearsal::Writes,
            Some(value) => self
                .rehearsal
                .get(value)
                .copied()
                .unwrap_or(Rehearsal::Nothing),
        }
    }

    /// The flags that its sentences name.
    #[cfg(test)]
    pub(super) fn flags(&self) -> std::collections::BTreeSet<String> {
        let mut flags = std::collections::BTreeSet::new();
        for form in self.verbs.values().flatten() {
            flags.extend(
                form.when
                    .iter()
                    .flat_map(FlagsGiven::flags)
                    .map(str::to_owned),
            );
            let words = form.query.values().chain(&form.places).chain(&form.names);
            for word in words.filter_map(|word| {
                word.trim_start_matches("involvedObject.name={")
                    .strip_prefix("--")
            }) {
                let end = word.find(['?', '|', '}']).unwrap_or(word.len());
                flags.insert(word.get(..end).unwrap_or_default().to_owned());
            }
            match &form.writing {
                WritingForm::Changes(changes) => {
                    let of_changes = changes.iter().flat_map(ChangeForm::flags);
                    flags.extend(of_changes.map(str::to_owned));
                }
                WritingForm::Patch(flag) => {
                    flags.insert(flag.clone());
                }
                WritingForm::Any | WritingForm::Manifest | WritingForm::Unwritten => {}
            }
        }
        flags.remove("");
        flags
    }

    pub(super) fn key(&self, path: &CommandPath) -> String {
        match path.words() {
            [] => self.root.to_owned(),
            words => words.join(" "),
        }
    }
}

/// The version of the grammar.
const SCHEMA: u8 = 1;

/// The named sets of a table, of which a sentence may be one.
struct SentenceSets<'a>(&'a BTreeMap<String, Vec<SentenceText>>);

impl SentenceSets<'_> {
    fn sentences(&self, texts: &[SentenceText], depth: u8) -> Result<Vec<SentenceForm>, String> {
        if depth > DEEPEST {
            return Err("its sets name each other in a circle".into());
        }
        let mut sentences = Vec::new();
        for (number, text) in texts.iter().enumerate() {
            let at = |why: String| format!("sentence {}: {why}", number.saturating_add(1));
            match text {
                SentenceText::Short(set) if !set.contains(' ') => {
                    let Some(texts) = self.0.get(set) else {
                        return Err(at(format!("there is no set `{set}`")));
                    };
                    let of_set = self.sentences(texts, depth.saturating_add(1));
                    sentences.extend(of_set.map_err(|why| at(format!("set `{set}`: {why}")))?);
                }
                SentenceText::Short(ask) => {
                    let table = toml::Table::from_iter([("ask".to_owned(), ask.clone().into())]);
                    sentences.push(SentenceForm::read(table).map_err(at)?);
                }
                SentenceText::Long(table) => {
                    sentences.push(SentenceForm::read(table.clone()).map_err(at)?);
                }
            }
        }
        Ok(sentences)
    }
}

/// SentenceSets of sets of sets are the most that a reader follows.
const DEEPEST: u8 = 3;

impl SentenceForm {
    fn read(table: toml::Table) -> Result<Self, String> {
        let long: LongSentence = table
            .try_into()
            .map_err(|error: toml::de::Error| error.message().to_owned())?;
        let ask = Ask::read(&long.ask)?;
        let names = long.names.into_vec();
        if names.is_empty() && ask.needs_names() {
            return Err(format!(
                "`{}` reaches single objects; `name` has to say which",
                long.ask
            ));
        }
        let writing = WritingForm::read(&ask, &long.changes.into_vec(), long.body.as_deref())?;
        if matches!(writing, WritingForm::Any) && long.why.is_none() {
            return Err(format!(
                "`{}`: `why` has to say why its body may be any",
                long.ask
            ));
        }
        let when = long.when.into_vec();
        Ok(Self {
            ask,
            places: long.places.into_vec(),
            names,
            query: long.query,
            when: when
                .iter()
                .map(|text| FlagsGiven::read(text))
                .collect::<Result<_, _>>()?,
            of: long.of.into_vec(),
            rehearses_in_body: long.dry_run_in_body,
            writing,
            shows: long.shows,
            tells: long.tells,
            why: long.why,
        })
    }
}

impl WritingForm {
    fn read(ask: &Ask, changes: &[String], body: Option<&str>) -> Result<Self, String> {
        let changes_fields = |asked: &AskedVerb| {
            let verbs = [ApiVerb::Create, ApiVerb::Patch, ApiVerb::Update];
            verbs.iter().any(|verb| *asked == AskedVerb::Verb(*verb))
        };
        match (changes, body) {
            ([], None) if ask.verbs.iter().any(changes_fields) => Err(
                "it writes: `changes` has to say which fields, or `body = \"any\"` that it may be all".into(),
            ),
            ([], None) => Ok(Self::Unwritten),
            ([], Some("any")) => Ok(Self::Any),
            ([], Some("manifest")) => Ok(Self::Manifest),
            ([], Some("named")) => Ok(Self::Changes(Vec::new())),
            ([patch], None) if patch.starts_with("--") && !patch.contains(' ') => {
                Ok(Self::Patch(patch.trim_start_matches("--").to_owned()))
            }
            (changes, None) => {
                let changes = changes.iter().map(|text| ChangeForm::read(text));
                changes.collect::<Result<_, _>>().map(Self::Changes)
            }
            (_, Some(_)) => Err("`body` is \"any\", \"manifest\" or \"named\", and then there are no `changes`".into()),
        }
    }
}
