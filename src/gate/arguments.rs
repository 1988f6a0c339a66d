//! What a caller sends, the same over every door.

use schemars::JsonSchema;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Request;
use crate::{catalogue::Tool, excerpt::Excerpt, kubeconfig::decode, secret::SecretString};

/// A command and where to run it.
#[derive(Debug, Deserialize, JsonSchema, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The command line, with or without the leading tool name: `get pods -n default`. There is no
    /// shell: no pipes, redirections or variables.
    #[schema(example = "get pods -n default")]
    pub command: String,
    /// The namespace, like `--namespace`; a different one in the command is an error.
    pub namespace: Option<String>,
    /// A kubeconfig in base64. The header X-Kubeconfig wins, and keeps it out of a model's sight.
    #[schemars(with = "Option<String>")]
    #[schema(value_type = Option<String>)]
    pub kubeconfig: Option<SecretString>,
    /// A context of the kubeconfig, instead of its current one.
    pub context: Option<String>,
    /// A cluster that the operator has named, instead of a kubeconfig; GET /clusters lists them.
    pub cluster: Option<String>,
    /// A deadline like `30s` or `1m30s`.
    #[schema(example = "30s")]
    pub timeout: Option<String>,
}

impl Arguments {
    /// serde's sentence about a field, the field quoted; `None` for any other, which may quote a value.
    pub fn wrong_field(error: &serde_json::Error) -> Option<String> {
        let told = error.to_string();
        let mut parts = told.splitn(3, '`');
        match (parts.next(), parts.next()) {
            (Some(what @ ("unknown field " | "missing field " | "duplicate field ")), Some(name)) => {
                Some(format!("{what}{}", Excerpt::new(name)))
            }
            _ => None,
        }
    }

    /// The request for `tool`; a kubeconfig from the header wins over the one in the arguments.
    pub fn request(self, tool: Tool, header: Option<SecretString>) -> Request {
        let conflict = matches!((&header, &self.kubeconfig), (Some(header), Some(body)) if !is_same(header, body));
        Request {
            tool,
            command: self.command,
            namespace: self.namespace,
            kubeconfig: header.or(self.kubeconfig),
            kubeconfig_conflict: conflict,
            context: self.context,
            cluster: self.cluster,
            timeout: self.timeout,
        }
    }
}

/// Whether two texts are the same kubeconfig, however each is spelt in base64.
fn is_same(one: &SecretString, other: &SecretString) -> bool {
    let content = |text: &SecretString| decode(text.expose()).ok();
    one.expose() == other.expose() || matches!((content(one), content(other)), (Some(one), Some(other)) if one.expose() == other.expose())
}
