//! Why words are not a command, and what to do instead.

use super::words::MOST_ELEMENTS;
use crate::{catalogue::CommandPath, excerpt::Excerpt, tool::Tool};

/// Why words are not an [`Invocation`](super::Invocation). Every variant names the offending word.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the names say it")]
pub enum CommandError {
    /// No such command.
    #[error("{tool} {version} has no command {word}{}", under(.path))]
    UnknownVerb {
        tool: Tool,
        version: Box<str>,
        /// The group that was searched; empty for the root.
        path: CommandPath,
        word: Excerpt,
        /// What it is called here, where that is known.
        instead: Option<&'static str>,
        nearest: Option<Box<str>>,
    },
    /// No verb at all.
    #[error("the command names no verb of {tool}")]
    MissingVerb { tool: Tool },
    /// No such flag.
    #[error("{} has no flag {flag}{}", named(*.tool, .path), if .path.words().is_empty() { " before the verb" } else { "" })]
    UnknownFlag {
        tool: Tool,
        path: CommandPath,
        flag: Excerpt,
        /// What it is called here, where that is known.
        instead: Option<&'static str>,
        nearest: Option<String>,
    },
    /// A flag before the verb that is not persistent on the root.
    #[error(
        "{flag} stands before the verb {verb}, where {tool} accepts only flags of every command"
    )]
    FlagBeforeVerb {
        tool: Tool,
        flag: Excerpt,
        /// The word that would have been the verb.
        verb: Excerpt,
    },
    /// A flag at the end of the line that needs a value.
    #[error("{flag} needs a value")]
    MissingValue { flag: Excerpt },
    /// A value of the wrong type.
    #[error("--{flag} takes {expected}, not {value}")]
    Value {
        flag: String,
        expected: &'static str,
        value: Excerpt,
    },
    /// Lists with more elements than a command has words.
    #[error(
        "the lists of the command have more than {MOST_ELEMENTS} elements, with those of {what}"
    )]
    TooManyElements { what: Excerpt },
    /// A scalar flag given twice; pflag would keep the last one.
    #[error("--{flag} is given twice, and only the last one would count")]
    RepeatedFlag { flag: String },
    /// A word that may not be an operand.
    #[error("{word} cannot be an argument of `{tool} {path}`: {why}")]
    Operand {
        tool: Tool,
        path: CommandPath,
        word: Excerpt,
        why: &'static str,
    },
    /// A word that several resources of the table or of the cluster have.
    #[error("{token} is a name of several resources")]
    AmbiguousResource {
        token: Excerpt,
        claimants: Vec<String>,
    },
    /// A template without quotes, which ends at its first blank.
    #[error(
        "the template of --{flag} has blanks and no quotes, so that it ends at the first of them"
    )]
    UnquotedTemplate {
        flag: String,
        /// The flag as it was meant.
        quoted: String,
    },
    /// A request in an argument that is none, or that no command makes.
    #[error("--{flag} {path} is not accepted: {why}")]
    Raw {
        flag: &'static str,
        path: Excerpt,
        why: String,
        help: &'static str,
    },
    /// A resource that neither the table nor the cluster has.
    #[error("{token} is not a resource of this cluster")]
    NotInCluster {
        token: Excerpt,
        nearest: Option<String>,
    },
    /// A resource that the table does not hold.
    #[error("{token} is not a resource that this server knows")]
    UnknownResource {
        token: Excerpt,
        nearest: Option<String>,
        /// The group of one that is named without its version.
        group: Option<String>,
    },
    /// The request's namespace and the command's differ.
    #[error("the request names the namespace {request} and the command {command}")]
    NamespaceConflict { request: Excerpt, command: Excerpt },
    /// A namespace for a command that has none.
    #[error("`{tool} {path}` takes no namespace")]
    NamespaceNotAccepted { tool: Tool, path: CommandPath },
}

fn named(tool: Tool, path: &CommandPath) -> String {
    if path.words().is_empty() {
        tool.to_string()
    } else {
        format!("`{tool} {path}`")
    }
}

fn under(path: &CommandPath) -> String {
    if path.words().is_empty() {
        String::new()
    } else {
        format!(" under `{path}`")
    }
}

impl CommandError {
    /// What to do instead, in one sentence.
    pub fn help(&self) -> String {
        match self {
            Self::UnknownVerb { instead: Some(instead), .. } | Self::UnknownFlag { instead: Some(instead), .. } => (*instead).into(),
            Self::UnknownVerb { nearest: Some(nearest), .. } => format!("did you mean `{nearest}`?"),
            Self::UnknownVerb { tool, .. } => format!("`{tool} --help` lists the commands; plugins are not run here"),
            Self::MissingVerb { tool } => format!("name one, for example `{}`; `{tool} --help` lists them", tool.spec().example),
            Self::UnknownFlag { nearest: Some(nearest), .. } => format!("did you mean `{nearest}`? Flags are spelled in full, with hyphens and in lower case"),
            Self::UnknownFlag { path, flag, .. } if path.words().is_empty() => format!("put {flag} behind the verb that has it"),
            Self::UnknownFlag { tool, path, .. } => format!("`{tool} {path} --help` lists its flags"),
            Self::FlagBeforeVerb { verb, flag, .. } => format!("put {flag} behind {verb}"),
            Self::MissingValue { .. } => "give the value, or leave the flag out".into(),
            Self::Value { expected, .. } => format!("give {expected}"),
            Self::TooManyElements { .. } => "ask for less in one command, or split it into several calls".into(),
            Self::RepeatedFlag { flag } => format!("give --{flag} once"),
            Self::Operand { .. } => "leave it out, or write the name itself".into(),
            Self::UnquotedTemplate { quoted, .. } => format!("quote it: `{quoted}`"),
            Self::AmbiguousResource { claimants, .. } => format!("write `{}`", claimants.join("` or `")),
            Self::Raw { help, .. } => (*help).into(),
            Self::NotInCluster { nearest: Some(nearest), .. } => format!("did you mean `{nearest}`? `api-resources` lists what the cluster has"),
            Self::NotInCluster { .. } => "`api-resources` lists what the cluster has".into(),
            Self::UnknownResource { nearest: Some(nearest), .. } => format!("did you mean `{nearest}`?"),
            Self::UnknownResource { group: Some(group), token, .. } => {
                let plural = token.text().split('.').next().unwrap_or_default();
                format!("write `{plural}.VERSION.{group}`; `api-resources --api-group={group}` shows the version")
            }
            Self::UnknownResource { .. } => "a custom resource is written with its version and group (`widgets.v1.example.com`), which `api-resources` shows; others by the names of the Kubernetes API (`get pods,services,deployments`)".into(),
            Self::NamespaceConflict { .. } => "give it once, in the request or in the command".into(),
            Self::NamespaceNotAccepted { .. } => "leave the request's `namespace` out".into(),
        }
    }
}
