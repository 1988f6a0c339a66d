//! Who asks, and what a command is aimed at beyond its own words.

use serde::Serialize;

use crate::{endpoint::Endpoint, identity::Caller};

/// What rules know besides the command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Target {
    /// The namespace of the kubeconfig's context: where a command looks that names none.
    pub namespace: String,
    /// The names of the cluster: its own, `host` and `host:port`. None for a command that contacts
    /// nobody.
    pub cluster: Vec<String>,
    /// Who asks.
    pub principal: String,
    /// The groups of who asks.
    pub groups: Vec<String>,
}

impl Target {
    /// What `caller` aims at: a cluster's own name, when the operator gave it one, and the endpoint
    /// and the namespace of its kubeconfig.
    pub fn new(
        caller: &Caller,
        cluster: Option<&str>,
        endpoint: Option<&Endpoint>,
        namespace: &str,
    ) -> Self {
        let mut names: Vec<String> = cluster.map(str::to_owned).into_iter().collect();
        if let Some(endpoint) = endpoint {
            names.push(endpoint.host().to_string());
            names.push(format!("{}:{}", endpoint.host(), endpoint.port()));
        }
        Self {
            namespace: namespace.to_owned(),
            cluster: names,
            principal: caller.principal().to_owned(),
            groups: caller.groups().to_vec(),
        }
    }
}

/// An anonymous caller and a cluster without a name: what examples in policy files are judged with.
impl Default for Target {
    fn default() -> Self {
        Self {
            namespace: "default".into(),
            cluster: Vec::new(),
            principal: "anonymous".into(),
            groups: Vec::new(),
        }
    }
}
