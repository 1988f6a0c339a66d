//! What the settings know, for a policy that is loaded with them: a rule about nobody and nowhere
//! is a mistake.
//!
//! Comes in: names. Goes out: the same, to the file's own checks (`load/scope.rs`).

use std::collections::BTreeSet;

use crate::identity::Callers;

/// The callers and clusters of the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Everyone who may be a caller.
    pub principals: Vec<String>,
    /// The groups of all of them.
    pub groups: Vec<String>,
    /// The clusters with a name.
    pub clusters: Vec<SettingsCluster>,
    /// Whether callers may bring kubeconfigs, and so any server.
    pub own_kubeconfigs: bool,
    /// Whether a kubeconfig of a caller's may leave its server unverified.
    pub unverified: bool,
}

impl Known {
    /// What is known with these callers and clusters. Whoever stands at the standard input, and
    /// everybody where no caller is known, is anonymous.
    pub fn new(callers: &Callers, clusters: Vec<SettingsCluster>) -> Self {
        let mut principals: BTreeSet<String> = callers.principals().map(str::to_owned).collect();
        principals.insert("anonymous".into());
        let groups: BTreeSet<String> = callers.groups().map(str::to_owned).collect();
        Self {
            principals: principals.into_iter().collect(),
            groups: groups.into_iter().collect(),
            clusters,
            own_kubeconfigs: true,
            unverified: false,
        }
    }

    /// The same with what callers' own kubeconfigs may be.
    #[must_use]
    pub fn with_kubeconfigs(self, own: bool, unverified: bool) -> Self {
        Self {
            own_kubeconfigs: own,
            unverified,
            ..self
        }
    }
}

/// A cluster with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsCluster {
    /// Its name.
    pub name: String,
    /// Its server, as `host` and as `host:port`.
    pub servers: Vec<String>,
    /// Whether its kubeconfig names its certificate authority: what tells the server whatever it is
    /// called.
    pub has_authority: bool,
}
