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
    /// The cluster's own name, when the request uses it by that, and so with the operator's
    /// credential.
    #[serde(skip)]
    pub named: Option<String>,
    /// Own names of clusters that this may be under another spelling: deny and confirm rules mean
    /// it, and no rule allows anything by it.
    #[serde(skip)]
    pub may_be: Vec<String>,
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
        let named = cluster.map(str::to_owned);
        let mut names: Vec<String> = named.iter().cloned().collect();
        if let Some(endpoint) = endpoint {
            names.push(endpoint.host().to_string());
            names.push(endpoint.authority());
        }
        Self {
            namespace: namespace.to_owned(),
            cluster: names,
            named,
            may_be: Vec::new(),
            principal: caller.principal().to_owned(),
            groups: caller.groups().to_vec(),
        }
    }

    /// The same with these names of a cluster, as people write them: one of a single label is the
    /// operator's own name for it, the others are hosts.
    #[must_use]
    pub fn on(self, cluster: Vec<String>) -> Self {
        let is_own = |name: &&String| !name.contains(['.', ':']);
        Self {
            named: cluster.iter().find(is_own).cloned(),
            cluster,
            ..self
        }
    }
}

/// An anonymous caller and a cluster without a name: what examples in policy files are judged with.
impl Default for Target {
    fn default() -> Self {
        Self {
            namespace: "default".into(),
            cluster: Vec::new(),
            named: None,
            may_be: Vec::new(),
            principal: "anonymous".into(),
            groups: Vec::new(),
        }
    }
}
