//! What a door hands to the gate: a [`Request`].

use crate::{argocd::Carried, excerpt::Excerpt, secret::SecretString, tool::Tool};

/// A request as a door hands it in.
#[derive(Debug)]
pub struct Request {
    /// The tool.
    pub tool: Tool,
    /// The command line, with or without the leading tool name.
    pub command: String,
    /// Like `--namespace`.
    pub namespace: Option<String>,
    /// Base64 of a kubeconfig.
    pub kubeconfig: Option<SecretString>,
    /// Whether another place of the request held a different one, which is not used.
    pub kubeconfig_conflict: bool,
    /// A context of the kubeconfig, instead of its current one.
    pub context: Option<String>,
    /// A cluster that the operator has named, instead of a kubeconfig.
    pub cluster: Option<String>,
    /// An Argo CD server and who asks it.
    pub argocd: Carried,
    /// Whether the body named one, which only argocd takes.
    pub argocd_in_body: bool,
    /// A shorter or longer deadline, as Go writes durations.
    pub timeout: Option<String>,
    /// What the client's program calls itself, for the records.
    pub client: Option<Excerpt>,
}
