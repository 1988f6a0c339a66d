//! A policy file and all that it includes: names -> texts.
//!
//! Comes in: a file's name and text, and a function that reads a file beside it. Goes out: a
//! [`PolicySource`], in which each file stands once, before those that include it. Opens nothing
//! itself, and gives the function only names that lead down from the first file's folder. An entry
//! that leads nowhere is kept with its reason: loading shows it underlined, with all other errors.
//!
//! Held by `load/include_tests.rs`.

use std::{
    fmt,
    ops::Range,
    path::{Component, Path},
    sync::Arc,
};

use super::{
    builtin::{self, Builtin},
    error::{PolicyError, PolicyFile},
    file::RawFile,
};
use crate::{excerpt::Excerpt, nearest};

/// Reads the file of this name, which leads down from the folder of the file that an operator named.
///
/// # Errors
/// A sentence that says why it cannot be read.
pub type ReadBeside<'r> = &'r dyn Fn(&str) -> Result<String, String>;

/// More files than a person looks through, and far more than the built-in policies have.
const MOST_FILES: usize = 32;
/// Deeper than anybody finds their way back.
const DEEPEST: usize = 8;

/// A policy as an operator names it: a file, and all that it includes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySource {
    /// Each after those that it includes, the named one last.
    files: Vec<SourceFile>,
}

/// A file of a policy, and where its entries of `include` lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SourceFile {
    pub(super) file: Arc<PolicyFile>,
    includes: Vec<Include>,
}

/// An entry of `include`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Include {
    /// Where it stands.
    entry: Range<usize>,
    /// The place of the file among those of the policy.
    file: Result<usize, IncludeError>,
}

/// Why an entry of `include` leads to no file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum IncludeError {
    #[error("{0} is not the name of a built-in policy")]
    Builtin(Excerpt),
    #[error("this closes a circle: {0}")]
    Circle(String),
    #[error("files include each other more than {DEEPEST} deep here")]
    Depth,
    #[error("{0} leads out of the folder of this file")]
    Folder(Excerpt),
    #[error("this is the name of no file")]
    Name,
    #[error("this policy has more than {MOST_FILES} files")]
    Number,
    #[error("{0}")]
    Unread(String),
}

impl IncludeError {
    fn help(&self, entry: &str) -> String {
        let name = entry.strip_prefix(builtin::PREFIX).unwrap_or(entry);
        let near = nearest::nearest(name.trim_end_matches(".toml"), builtin::names());
        match (self, near) {
            (Self::Builtin(_), Some(near)) => format!("did you mean `{}{near}`?", builtin::PREFIX),
            (Self::Unread(_), Some(near)) => {
                format!("the built-in one is `{}{near}`", builtin::PREFIX)
            }
            (Self::Builtin(_), None) => {
                format!(
                    "there are {}",
                    builtin::names().collect::<Vec<_>>().join(", ")
                )
            }
            (Self::Circle(_), _) => "take one of the entries out".into(),
            (Self::Depth | Self::Number, _) => "put what belongs together into one file".into(),
            (Self::Folder(_) | Self::Name | Self::Unread(_), _) => {
                "put the file beside this one or below, and name it from here".into()
            }
        }
    }
}

impl PolicySource {
    /// The file called `name` and what it includes, as far as `read` finds it.
    pub fn read(name: &str, text: String, read: ReadBeside<'_>) -> Self {
        Walk::new(read).all(Origin::Beside(name.to_owned()), text)
    }

    /// A text that may include what is built in, and no file.
    pub fn alone(name: &str, text: String) -> Self {
        Self::read(name, text, &|_| Err("this text has no folder".into()))
    }

    /// The built-in policy of this name; `None` where there is none.
    pub fn builtin(name: &str) -> Option<Self> {
        let policy = builtin::policy(name)?;
        let nothing = |_: &str| Err(String::new());
        Some(Walk::new(&nothing).all(Origin::Builtin(policy), policy.text.to_owned()))
    }

    /// Each file, what is included before what includes it, the named one last.
    pub fn texts(&self) -> impl Iterator<Item = &PolicyFile> {
        self.files.iter().map(|file| &*file.file)
    }

    /// The names of the included files.
    pub fn included(&self) -> impl Iterator<Item = &str> {
        let included = self.files.split_last().map_or(&[][..], |(_, rest)| rest);
        included.iter().map(|file| file.file.name.as_str())
    }

    pub(super) fn files(&self) -> &[SourceFile] {
        &self.files
    }
}

impl SourceFile {
    /// The places of the included files, each with that of its entry.
    pub(super) fn included(&self) -> impl Iterator<Item = (Range<usize>, usize)> {
        let includes = self.includes.iter();
        includes.filter_map(|include| Some((include.entry.clone(), *include.file.as_ref().ok()?)))
    }

    /// The entries that lead to no file.
    pub(super) fn unread(&self) -> impl Iterator<Item = PolicyError> {
        self.includes.iter().filter_map(|include| {
            let error = include.file.as_ref().err()?;
            let entry = self
                .file
                .text
                .get(include.entry.clone())
                .unwrap_or_default();
            let help = error.help(entry.trim_matches(['"', '\'']));
            let (place, message) = (include.entry.clone(), error.to_string());
            Some(PolicyError::new(&self.file, place, message, Some(help)))
        })
    }
}

/// Where a file of a policy is from: one file in two places of a policy is one file.
#[derive(Clone, PartialEq, Eq)]
enum Origin {
    /// A path that leads down from the folder of the file that was named.
    Beside(String),
    Builtin(&'static Builtin),
}

impl Origin {
    /// Where an entry of this file leads.
    fn entry(&self, entry: &str) -> Result<Self, IncludeError> {
        if let Some(name) = entry.strip_prefix(builtin::PREFIX) {
            return match builtin::policy(name) {
                Some(policy) => Ok(Self::Builtin(policy)),
                None => Err(IncludeError::Builtin(entry.into())),
            };
        }
        let mut down = Vec::new();
        for component in Path::new(entry).components() {
            match component {
                Component::Normal(name) => down.extend(name.to_str()),
                Component::CurDir => {}
                Component::ParentDir | Component::Prefix(_) | Component::RootDir => {
                    return Err(IncludeError::Folder(entry.into()));
                }
            }
        }
        let down = down.join("/");
        if down.is_empty() || down.contains('\0') {
            return Err(IncludeError::Name);
        }
        match self {
            Self::Beside(path) => Ok(Self::Beside(match path.rsplit_once('/') {
                Some((folder, _)) => format!("{folder}/{down}"),
                None => down,
            })),
            Self::Builtin(_) => match down.strip_suffix(".toml").and_then(builtin::policy) {
                Some(policy) => Ok(Self::Builtin(policy)),
                None => Err(IncludeError::Builtin(entry.into())),
            },
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Beside(path) => f.write_str(path),
            Self::Builtin(policy) => write!(f, "{}.toml", policy.name),
        }
    }
}

/// A policy while its files are read.
struct Walk<'r> {
    read: ReadBeside<'r>,
    files: Vec<SourceFile>,
    /// Where those are from.
    known: Vec<Origin>,
    /// The file that is read, behind those that led to it.
    open: Vec<Origin>,
}

impl<'r> Walk<'r> {
    fn new(read: ReadBeside<'r>) -> Self {
        Self {
            read,
            files: Vec::new(),
            known: Vec::new(),
            open: Vec::new(),
        }
    }

    fn all(mut self, origin: Origin, text: String) -> PolicySource {
        self.add(origin, text);
        PolicySource { files: self.files }
    }

    /// Adds a file behind those that it includes; gives its place.
    fn add(&mut self, origin: Origin, text: String) -> usize {
        // Whatever else is wrong in the file is shown when it is loaded.
        let entries = toml::from_str::<RawFile>(&text).map(|raw| raw.include);
        self.open.push(origin.clone());
        let includes = entries.unwrap_or_default().into_iter();
        let includes = includes
            .map(|entry| Include {
                entry: entry.span(),
                file: self.follow(&origin, entry.get_ref()),
            })
            .collect();
        self.open.pop();
        let file = Arc::new(PolicyFile {
            name: origin.to_string(),
            text,
        });
        self.files.push(SourceFile { file, includes });
        self.known.push(origin);
        self.files.len() - 1
    }

    /// The place of the file to which an entry leads.
    fn follow(&mut self, from: &Origin, entry: &str) -> Result<usize, IncludeError> {
        let origin = from.entry(entry)?;
        if let Some(place) = self.known.iter().position(|known| *known == origin) {
            return Ok(place);
        }
        if let Some(at) = self.open.iter().position(|open| *open == origin) {
            let circle = self.open.iter().skip(at).chain([&origin]);
            let names: Vec<String> = circle.map(ToString::to_string).collect();
            return Err(IncludeError::Circle(names.join(" includes ")));
        }
        if self.open.len() > DEEPEST {
            return Err(IncludeError::Depth);
        }
        if self.files.len() + self.open.len() >= MOST_FILES {
            return Err(IncludeError::Number);
        }
        let text = match &origin {
            Origin::Beside(path) => (self.read)(path).map_err(IncludeError::Unread)?,
            Origin::Builtin(policy) => policy.text.to_owned(),
        };
        Ok(self.add(origin, text))
    }
}
