//! Why a text is no manifest: the document, the line and the field, never a value that may be secret.

use std::fmt;

use crate::{excerpt::Excerpt, yaml::YamlError};

/// Where something stands in a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPlace {
    /// The document, from 1.
    pub document: usize,
    /// The line, from 1.
    pub line: usize,
    /// The field: `items[1].metadata.name`. Empty for the whole document.
    pub path: String,
}

impl fmt::Display for FieldPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            document,
            line,
            path,
        } = self;
        match path.is_empty() {
            true => write!(f, "document {document} (line {line})"),
            false => write!(f, "`{path}` of document {document} (line {line})"),
        }
    }
}

/// Why a text is no manifest.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the names of the fields say it")]
pub enum ManifestError {
    /// Something behind the end of a document that kubectl would not read.
    #[error("the manifest has text behind `...` on line {line}")]
    BehindEnd { line: usize },
    /// An `items` that makes kubectl read any object as a list.
    #[error("{place} is of an object that is no list: its kind is {kind}")]
    ItemsOfNoList { place: FieldPlace, kind: Excerpt },
    /// A field that is not there.
    #[error("{place} has no `{field}`")]
    Missing {
        place: FieldPlace,
        field: &'static str,
    },
    /// No object in all of the text.
    #[error("the manifest has no object")]
    NoObject,
    /// A text that may not be a name.
    #[error("{place} is {name}, which is not {expected}")]
    NotAName {
        place: FieldPlace,
        name: Excerpt,
        expected: &'static str,
    },
    /// A number that JSON cannot say.
    #[error("{place} is not a number that an API server takes")]
    NoValue { place: FieldPlace },
    /// A document separator with something on its line.
    #[error("the manifest has text behind `---` on line {line}")]
    Separator { line: usize },
    /// A value of the wrong type.
    #[error("{place} is not {expected}")]
    Shape {
        place: FieldPlace,
        expected: &'static str,
    },
    /// Lists in lists.
    #[error("{place} is a list in more than {most} lists")]
    TooDeep { place: FieldPlace, most: usize },
    /// More objects than one manifest may have.
    #[error("the manifest has more than {most} objects")]
    TooManyObjects { most: usize },
    /// A kind that neither the table nor the cluster has.
    #[error("{place} is {kind}, of which {api_version} has none that is known")]
    UnknownKind {
        place: FieldPlace,
        kind: Excerpt,
        api_version: Excerpt,
        nearest: Option<&'static str>,
    },
    /// A text that is not strict YAML or JSON.
    #[error("the manifest {0}")]
    Yaml(#[from] YamlError),
}

impl ManifestError {
    /// What to do about it, in one sentence.
    pub fn help(&self) -> String {
        match self {
            Self::BehindEnd { .. } | Self::Separator { .. } => {
                "begin each document on the line below a `---` of its own".into()
            }
            Self::ItemsOfNoList { .. } => {
                "only a list has `items`: give its kind the end `List`, or send the objects alone"
                    .into()
            }
            Self::Missing { field, .. } => match *field {
                "apiVersion" => "say which API it is of, like `apiVersion: apps/v1`".into(),
                "kind" => "say what it is, like `kind: Deployment`".into(),
                "items" => "a list has its objects in `items`".into(),
                _ => "give the object a `metadata.name`, or a `metadata.generateName` to create it"
                    .into(),
            },
            Self::NoObject => {
                "send at least one object with apiVersion, kind and metadata.name".into()
            }
            Self::NotAName { expected, .. } => format!("write {expected}"),
            Self::NoValue { .. } => {
                "write it within the range of a float, or in quotes if it is a text".into()
            }
            Self::Shape { expected, .. } => match *expected {
                "a text" => "put it in quotes if it is meant as a text".into(),
                expected => format!("write {expected} there"),
            },
            Self::TooDeep { .. } => "send the objects as documents with `---` between them".into(),
            Self::TooManyObjects { .. } => "send them in several manifests".into(),
            Self::UnknownKind {
                nearest: Some(kind),
                ..
            } => format!("did you mean `{kind}`?"),
            Self::UnknownKind { .. } => {
                "look with `kubectl api-resources` what the cluster has, with its group and version"
                    .into()
            }
            Self::Yaml(error) => yaml_help(error).into(),
        }
    }
}

fn yaml_help(error: &YamlError) -> &'static str {
    use crate::yaml::Construct;
    match error {
        YamlError::Character { .. } => "leave the character out, or save the text as plain UTF-8",
        YamlError::Construct { construct, .. } => match construct {
            Construct::Alias | Construct::Anchor | Construct::MergeKey => {
                "write the values out where they are meant"
            }
            Construct::CollectionAsKey | Construct::KeyWithType => "put the key in quotes",
            Construct::Directive => "leave the line with `%` out",
            Construct::TightColon => "put the text in quotes, or a space behind the colon",
            Construct::Tag => "leave the tag out, and put the value in quotes if it is a text",
        },
        YamlError::DuplicateKey { .. } => "keep one of the two",
        YamlError::Empty => "send at least one object with apiVersion, kind and metadata.name",
        YamlError::LongKey { .. } => "shorten the key",
        YamlError::NotUtf8 => "save the text as UTF-8",
        YamlError::Syntax { .. } => "mend its indentation, quotes or brackets there",
        YamlError::TooDeep { .. } => "nest it less deep",
        YamlError::TooLarge { .. }
        | YamlError::TooManyDocuments { .. }
        | YamlError::TooManyEntries { .. }
        | YamlError::TooManyNodes { .. }
        | YamlError::TooMuchFlow { .. } => "send it in several manifests",
    }
}
