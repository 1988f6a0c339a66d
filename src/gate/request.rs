//! What a door gives to the gate: a [`Request`], the same over every door.

use crate::{
    argocd::Carried, data::SentFiles, excerpt::Excerpt, kubeconfig::decode, secret::SecretString,
    tool::Tool,
};

/// A request, as a door has read it.
pub struct Request {
    /// The tool that it is for.
    pub tool: Tool,
    /// The command line, with or without the leading tool name.
    pub command: String,
    /// The namespace, like `--namespace`.
    pub namespace: Option<String>,
    /// The kubeconfig that it brings.
    pub kubeconfig: CarriedKubeconfig,
    /// A context of the kubeconfig, instead of its current one.
    pub context: Option<String>,
    /// A cluster that the operator has named, instead of a kubeconfig.
    pub cluster: Option<String>,
    /// An Argo CD server and a token for it.
    pub argocd: Carried,
    /// The text of its standard input.
    pub stdin: Option<SecretString>,
    /// Texts that its command reads by name.
    pub files: SentFiles,
    /// The fields of its body that only argocd takes, when it is for another tool. Headers may
    /// always be there: a client's configuration sets them once for all tools.
    pub stray_fields: Vec<&'static str>,
    /// A shorter or longer deadline, as Go writes durations.
    pub timeout: Option<String>,
    /// The most bytes of output that the caller wants.
    pub max_output: Option<usize>,
    /// Whether the caller wants no blanks that say nothing.
    pub is_compact: bool,
    /// Whether it only asks whether it would run.
    pub is_question: bool,
    /// Whether nothing that it writes is kept, and what it would do is told.
    pub is_preview: bool,
    /// The name that the client's program gives itself, for the records.
    pub client: Option<Excerpt>,
}

impl Request {
    /// Asks whether a command alone would run.
    pub(super) fn question(tool: Tool, command: &str) -> Self {
        Self {
            tool,
            command: command.to_owned(),
            namespace: None,
            kubeconfig: CarriedKubeconfig::Nothing,
            context: None,
            cluster: None,
            argocd: Carried::default(),
            stdin: None,
            files: SentFiles::default(),
            stray_fields: Vec::new(),
            timeout: None,
            max_output: None,
            is_compact: false,
            is_question: true,
            is_preview: false,
            client: None,
        }
    }
}

/// A kubeconfig in base64, and whether another one came with it.
pub enum CarriedKubeconfig {
    /// The request brings none.
    Nothing,
    /// The request brings this one, in its header, its body or both.
    One(SecretString),
    /// The header brings this one, and the body another, which is not used.
    OverAnother(SecretString),
}

impl CarriedKubeconfig {
    /// Chooses the header's, if there is one.
    pub fn choose(header: Option<SecretString>, body: Option<SecretString>) -> Self {
        match (header, body) {
            (None, None) => Self::Nothing,
            (Some(one), None) | (None, Some(one)) => Self::One(one),
            (Some(header), Some(body)) if is_same(&header, &body) => Self::One(header),
            (Some(header), Some(_)) => Self::OverAnother(header),
        }
    }

    /// Returns the one to use, in base64.
    pub fn text(&self) -> Option<&SecretString> {
        match self {
            Self::Nothing => None,
            Self::One(text) | Self::OverAnother(text) => Some(text),
        }
    }

    /// Returns whether another one came with it.
    pub fn is_over_another(&self) -> bool {
        matches!(self, Self::OverAnother(_))
    }
}

/// Returns whether two texts are the same kubeconfig, however each is spelt in base64.
fn is_same(one: &SecretString, other: &SecretString) -> bool {
    let content = |text: &SecretString| decode(text.expose()).ok();
    one.expose() == other.expose()
        || matches!((content(one), content(other)), (Some(one), Some(other)) if one.expose() == other.expose())
}
