//! What verbs and flags can do, classed by hand: `policy/catalogue/<tool>.hazards.toml`, whose head
//! says what each class means.
//!
//! One file serves every version of a tool. What it does not class can never be allowed, so a new
//! version brings nothing in by itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    mask::{Mask, MaskTable, OperandMask},
    name::CommandPath,
};
use crate::{data::FileName, glob, tool::Tool};

/// What a verb does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerbClass {
    /// What it removes is gone.
    Destructive,
    /// Runs a program, in the cluster or here.
    Exec,
    /// Hands over to an editor.
    Interactive,
    /// Opens a port here.
    Listener,
    /// Prints what it knows without asking anyone.
    Local,
    /// Asks and prints; changes nothing.
    Read,
    /// Prints credentials, or content that holds them.
    Secret,
    /// Changes objects.
    Write,
}

/// What a flag does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlagClass {
    /// Chooses the server, the way to it, or whether it has to prove who it is.
    Endpoint,
    /// Chooses whom the server takes the caller for.
    Identity,
    /// Shapes a port that is opened here.
    Listener,
    /// None of the others.
    Plain,
    /// Opens a path on this machine.
    ReadsFile,
    /// Prints content that the verb alone would keep.
    RevealsSecret,
    /// Starts a program on this machine.
    RunsProgram,
    /// Takes away a bound.
    Unbounded,
    /// Chooses the path of the request itself.
    Url,
    /// Logs requests and answers.
    Verbosity,
    /// Creates or changes a file on this machine.
    WritesFile,
}

impl VerbClass {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Destructive,
        Self::Exec,
        Self::Interactive,
        Self::Listener,
        Self::Local,
        Self::Read,
        Self::Secret,
        Self::Write,
    ];

    /// The class in reports, as the hazards files write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Destructive => "destructive",
            Self::Exec => "exec",
            Self::Interactive => "interactive",
            Self::Listener => "listener",
            Self::Local => "local",
            Self::Read => "read",
            Self::Secret => "secret",
            Self::Write => "write",
        }
    }

    /// What such a verb does, in words: `it changes objects`.
    pub fn effect(self) -> &'static str {
        match self {
            Self::Destructive => "what it removes is gone",
            Self::Exec => "it runs a program",
            Self::Interactive => "it opens an editor",
            Self::Listener => "it opens a listener",
            Self::Local => "it prints what it knows without asking anyone",
            Self::Read => "it asks and prints; it changes nothing",
            Self::Secret => "it prints credentials, or content that holds them",
            Self::Write => "it changes objects",
        }
    }

    /// Whether no rule may allow it, whatever the verb.
    fn is_never_allowed(self) -> bool {
        match self {
            Self::Interactive | Self::Listener => true,
            Self::Destructive
            | Self::Exec
            | Self::Local
            | Self::Read
            | Self::Secret
            | Self::Write => false,
        }
    }
}

impl VerbClass {
    /// What a caller does instead of a verb of this class that no policy allows.
    pub fn instead(self) -> &'static str {
        match self {
            Self::Interactive => {
                "say the change in flags (`patch`, `set`, `scale`, `label`), where the policy allows it"
            }
            Self::Listener => "ask the API instead: `get`, `describe` and `logs` show the state",
            Self::Destructive
            | Self::Exec
            | Self::Local
            | Self::Read
            | Self::Secret
            | Self::Write => "no policy can allow it; `--help` shows the other verbs",
        }
    }
}

impl FlagClass {
    /// The class in reports, as the hazards files write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Identity => "identity",
            Self::Listener => "listener",
            Self::Plain => "plain",
            Self::ReadsFile => "reads-file",
            Self::RevealsSecret => "reveals-secret",
            Self::RunsProgram => "runs-program",
            Self::Unbounded => "unbounded",
            Self::Url => "url",
            Self::Verbosity => "verbosity",
            Self::WritesFile => "writes-file",
        }
    }

    /// What a caller does instead of a flag or a value of this class that no policy allows.
    pub fn instead(self) -> &'static str {
        match self {
            Self::Identity => {
                "leave it out; the request's own kubeconfig says who asks, and its `context` field chooses in it"
            }
            Self::Endpoint => "leave it out; the request itself says which server is asked",
            Self::ReadsFile => "give the content itself; there are no files here",
            Self::WritesFile => "leave it out; the output comes back in the reply",
            Self::Verbosity => "leave it out; errors come back in the reply",
            Self::Url => {
                "ask with the verb's own arguments; `get`, `describe` and `logs` read most of it"
            }
            Self::Listener
            | Self::Plain
            | Self::RevealsSecret
            | Self::RunsProgram
            | Self::Unbounded => "leave it out; no policy can allow it",
        }
    }

    /// Whether no rule may allow it, whatever the flag.
    fn is_never_allowed(self) -> bool {
        match self {
            Self::Endpoint
            | Self::Identity
            | Self::Listener
            | Self::RunsProgram
            | Self::Verbosity
            | Self::WritesFile => true,
            Self::Plain | Self::ReadsFile | Self::RevealsSecret | Self::Unbounded | Self::Url => {
                false
            }
        }
    }

    /// Whether a rule has to list the values that it accepts.
    pub fn needs_values(self) -> bool {
        matches!(self, Self::ReadsFile | Self::Url)
    }

    /// What such a flag does, in words: `it reads local files`.
    pub fn effect(self) -> &'static str {
        match self {
            Self::Endpoint => "it changes which server is reached, or how that is verified",
            Self::Identity => {
                "it chooses another identity; the request's own credential is the only one"
            }
            Self::Listener => "it opens a listener",
            Self::Plain => "it is not useful here",
            Self::ReadsFile => "it reads local files",
            Self::RevealsSecret => "it prints secrets",
            Self::RunsProgram => "it runs a local program",
            Self::Unbounded => "it takes away a bound",
            Self::Url => "it bypasses the checks on what is asked",
            Self::Verbosity => "it logs requests and answers",
            Self::WritesFile => "it writes local files",
        }
    }
}

/// What rules see in the values of a flag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlagValues {
    /// Globs: with one of these values the command changes nothing.
    rehearses: Vec<String>,
    /// Whether the tool itself parts a value at its commas.
    parts: bool,
    /// Whether a value is `KEY=VALUE`, for rules with `pairs`.
    pub pairs: bool,
    /// Whether a value is an image, for rules with `pairs`.
    pub image: bool,
    /// Whether it brings pairs that the command does not show.
    pub hides: bool,
}

impl FlagValues {
    /// Whether the command changes nothing with this value.
    pub fn rehearse(&self, value: &str) -> bool {
        self.rehearses.iter().any(|glob| glob::matches(glob, value))
    }

    /// The elements of a value, as the tool reads them.
    pub fn elements<'v>(&self, value: &'v str) -> impl Iterator<Item = &'v str> + use<'v> {
        let parts = self.parts;
        value.split(move |character| parts && character == ',')
    }
}

/// The entry of a verb.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerbHazard {
    /// Its class.
    pub class: VerbClass,
    /// What the author of a rule should know.
    pub why: Option<String>,
    #[serde(default)]
    never: bool,
}

/// The entry of a flag.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlagHazard {
    /// Its class.
    pub class: FlagClass,
    /// What the author of a rule should know.
    pub why: Option<String>,
    #[serde(default)]
    never: bool,
    /// Globs: no other value can be allowed.
    #[serde(default)]
    only: Vec<String>,
    /// Globs: these values can never be allowed.
    #[serde(default)]
    not: Vec<String>,
    /// What of a request's own texts it reads; no other value can be allowed.
    data: Option<ReadsData>,
    /// Whether what it reads is objects.
    #[serde(default)]
    manifest: bool,
}

/// Which of a request's own texts a flag reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadsData {
    /// `-`, or the name of a file.
    Any,
    /// The name of a file: to this flag `-` is a path as well.
    Files,
    /// `-` alone.
    Stdin,
}

impl ReadsData {
    /// Whether a value names a text that a request may bring.
    fn takes(self, value: &str) -> bool {
        let is_input = value == "-" && self != Self::Files;
        is_input || self != Self::Stdin && FileName::read(value).is_some()
    }
}

impl VerbHazard {
    /// Why no rule may allow the verb, when none may.
    pub fn never(&self) -> Option<String> {
        let class_says = match self.class {
            VerbClass::Interactive => "it opens an editor",
            VerbClass::Listener => "it opens a listener",
            _ => "it is not made for callers who are not trusted",
        };
        (self.never || self.class.is_never_allowed())
            .then(|| self.why.clone().unwrap_or_else(|| class_says.into()))
    }
}

impl FlagHazard {
    fn plain() -> Self {
        Self {
            class: FlagClass::Plain,
            why: None,
            never: false,
            only: Vec::new(),
            not: Vec::new(),
            data: None,
            manifest: false,
        }
    }

    /// What of a request's own texts it reads, if it does.
    pub fn data(&self) -> Option<ReadsData> {
        self.data
    }

    /// Whether what it reads is objects.
    pub fn is_manifest(&self) -> bool {
        self.manifest
    }

    /// What a caller does instead of the flag, or a value of it, that no policy allows.
    pub fn instead(&self) -> &'static str {
        match self.data {
            Some(ReadsData::Files) => {
                "send the text in `files`, and name it by its bare name; there are no other files"
            }
            Some(ReadsData::Any | ReadsData::Stdin) => {
                "send the text in `stdin`, and name it `-`; there are no files of this machine"
            }
            None => self.class.instead(),
        }
    }

    /// Why no rule may allow the flag, when none may.
    pub fn never(&self) -> Option<String> {
        (self.never || self.class.is_never_allowed()).then(|| self.reason())
    }

    /// Globs of the only values that a rule can allow; none for any value.
    pub fn only(&self) -> &[String] {
        &self.only
    }

    /// Globs of values that no rule can allow.
    pub fn not(&self) -> &[String] {
        &self.not
    }

    /// Whether some values of the flag are harmful and others are not: what a rule can allow is then
    /// not what its class is for.
    pub fn tells_values_apart(&self) -> bool {
        !self.only.is_empty() || !self.not.is_empty() || self.data.is_some()
    }

    /// Why no rule may allow this value, when none may.
    pub fn never_value(&self, value: &str) -> Option<String> {
        let listed = |globs: &[String]| globs.iter().any(|glob| glob::matches(glob, value));
        let is_elsewhere = self.data.is_some_and(|data| !data.takes(value));
        (is_elsewhere || !self.only.is_empty() && !listed(&self.only) || listed(&self.not))
            .then(|| self.reason())
    }

    fn reason(&self) -> String {
        self.why
            .clone()
            .unwrap_or_else(|| self.class.effect().to_owned())
    }
}

/// The classes of one tool.
#[derive(Debug, Default)]
pub struct Hazards {
    verbs: BTreeMap<String, VerbHazard>,
    /// By the verb that defines the flag (`*` for any), then by long name.
    flags: BTreeMap<String, BTreeMap<String, FlagHazard>>,
    masked: MaskTable,
    /// The same of those whose values rules look into.
    values: BTreeMap<String, BTreeMap<String, FlagValues>>,
    tool: &'static str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HazardsFile {
    verb: BTreeMap<String, VerbHazard>,
    flag: BTreeMap<String, FlagHazard>,
    plain: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    masked: MaskTable,
    #[serde(default)]
    values: BTreeMap<String, FlagValues>,
}

/// The verb and the flag of a key: `"VERB --flag"`.
fn verb_and_flag(key: &str) -> Result<(String, String), String> {
    let parts = key.rsplit_once(" --");
    let (verb, flag) = parts.ok_or_else(|| format!("the key `{key}` is not \"VERB --flag\""))?;
    Ok((verb.to_owned(), flag.to_owned()))
}

impl Hazards {
    /// Reads a hazards file.
    ///
    /// # Errors
    /// A sentence with the entry that is wrong.
    pub fn from_toml(tool: Tool, text: &str) -> Result<Self, String> {
        let file: HazardsFile = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut flags: BTreeMap<String, BTreeMap<String, FlagHazard>> = BTreeMap::new();
        let entries = file.flag.into_iter().map(|(key, hazard)| {
            let (verb, flag) = verb_and_flag(&key)?;
            Ok((verb, flag, hazard))
        });
        let plain = file
            .plain
            .into_iter()
            .flat_map(|(verb, names)| names.into_iter().map(move |name| (verb.clone(), name)));
        let plain = plain.map(|(verb, name)| {
            let flag = name
                .strip_prefix("--")
                .ok_or_else(|| format!("`{name}` of `{verb}` does not begin with --"))?;
            Ok((verb, flag.to_owned(), FlagHazard::plain()))
        });
        for entry in entries.chain(plain) {
            let (verb, flag, hazard): (String, String, FlagHazard) =
                entry.map_err(|error: String| error)?;
            if flags
                .entry(verb.clone())
                .or_default()
                .insert(flag.clone(), hazard)
                .is_some()
            {
                return Err(format!("`{verb} --{flag}` has two classes"));
            }
        }
        let mut values: BTreeMap<String, BTreeMap<String, FlagValues>> = BTreeMap::new();
        for (key, marks) in file.values {
            let (verb, flag) = verb_and_flag(&key)?;
            values.entry(verb).or_default().insert(flag, marks);
        }
        Ok(Self {
            verbs: file.verb,
            flags,
            masked: file.masked,
            values,
            tool: tool.as_str(),
        })
    }

    /// The entry of a verb; the root's key is the tool's name.
    pub fn verb(&self, path: &CommandPath) -> Option<&VerbHazard> {
        self.verbs.get(&self.key(path))
    }

    /// The entry of a flag that the verb `path` defines.
    pub fn flag(&self, path: &CommandPath, name: &str) -> Option<&FlagHazard> {
        let of = |verb: &str| self.flags.get(verb).and_then(|flags| flags.get(name));
        of(&self.key(path)).or_else(|| of("*"))
    }

    /// What of the value of a flag of texts records do not show.
    pub(super) fn mask(&self, name: &str, hazard: Option<&FlagHazard>) -> Option<Mask> {
        let is_identity = hazard.is_some_and(|hazard| hazard.class == FlagClass::Identity);
        self.masked.of(name, is_identity)
    }

    /// What of a verb's operands records do not show.
    pub(super) fn operand_mask(&self, path: &CommandPath) -> Option<OperandMask> {
        self.masked.operands.get(&self.key(path)).copied()
    }

    /// What rules see in the values of a flag that the verb `path` defines.
    pub fn values(&self, path: &CommandPath, name: &str) -> Option<&FlagValues> {
        let of = |verb: &str| self.values.get(verb).and_then(|flags| flags.get(name));
        of(&self.key(path)).or_else(|| of("*"))
    }

    /// The keys of every entry: of verbs, and of flags with the verb and the long name.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let flags = self.flags.iter().flat_map(|(verb, flags)| {
            flags
                .keys()
                .map(move |flag| (verb.as_str(), Some(flag.as_str())))
        });
        let masked = self.masked.flags().map(|flag| ("*", Some(flag)));
        let masked_operands = self.masked.operands.keys();
        let values = self.values.iter().flat_map(|(verb, flags)| {
            let flags = flags.keys();
            flags.map(move |flag| (verb.as_str(), Some(flag.as_str())))
        });
        self.verbs
            .keys()
            .chain(masked_operands)
            .map(|verb| (verb.as_str(), None))
            .chain(flags)
            .chain(masked)
            .chain(values)
    }

    pub(super) fn key(&self, path: &CommandPath) -> String {
        if path.words().is_empty() {
            self.tool.to_owned()
        } else {
            path.to_string()
        }
    }
}
