//! The policy files: what loads is in force, and recorded.

use std::{path::PathBuf, sync::Arc};

use super::watched::{Looked, News, Watched, read_apart};
use crate::{
    audit::{PolicyDigest, PolicyRecord},
    catalogue::Catalogue,
    clusters::Clusters,
    config::{ReadFor, read_policies},
    gate::Gate,
    identity::{Authenticator, Callers},
    kubeconfig::Allowances,
    metrics,
    policy::{Known, Policy, PolicySource},
};

/// What a policy is loaded with, as it is now.
#[derive(Clone)]
pub struct Surroundings {
    /// The callers.
    pub authenticator: Authenticator,
    /// The clusters with a name.
    pub clusters: Arc<Clusters>,
    /// What kubeconfigs may be.
    pub allowances: Allowances,
}

impl Surroundings {
    /// Loads a policy for what the settings know now.
    fn load(&self, files: &[PolicySource]) -> Result<(Policy, Known), String> {
        let catalogues = Catalogue::carried().map_err(|error| error.to_string())?;
        let callers = self.authenticator.callers();
        let known = known(&callers, &self.clusters, &self.allowances);
        let policy = Policy::load_for(files, &catalogues, Some(&known));
        Ok((policy.map_err(|error| error.to_string())?, known))
    }
}

/// What policies may know of these settings.
pub fn known(callers: &Callers, clusters: &Clusters, allowances: &Allowances) -> Known {
    Known::new(callers, clusters.known())
        .with_kubeconfigs(!allowances.named_only, allowances.insecure_skip_tls_verify)
}

/// The clusters with a name that no rule opens to anybody.
fn unopened<'k>(policy: &Policy, known: &'k Known) -> Vec<&'k str> {
    let names = known.clusters.iter().map(|cluster| cluster.name.as_str());
    names.filter(|name| !policy.opens(name)).collect()
}

/// Logs which clusters with a name nobody can use.
pub fn log_unopened(policy: &Policy, known: &Known) {
    for cluster in unopened(policy, known) {
        tracing::warn!(
            cluster,
            "no rule opens this cluster; name it in `open_clusters` of the policy, or in a rule's `clusters`"
        );
    }
}

/// Policy files, by their names.
pub struct PolicyFiles {
    surroundings: Surroundings,
    names: Vec<PathBuf>,
    watched: Watched<Vec<PolicySource>>,
    /// The first look, by the user that the server has become, is still to come.
    is_first: bool,
}

impl PolicyFiles {
    /// The policies of these names, of which `in_force` is in force.
    pub fn new(
        names: Vec<PathBuf>,
        in_force: Vec<PolicySource>,
        surroundings: Surroundings,
    ) -> Self {
        Self {
            surroundings,
            names,
            watched: Watched::new(Some(in_force)),
            is_first: true,
        }
    }

    /// Logs which rules are about callers that are gone. They stay in force: who leaves must not
    /// keep the others from being changed. The next start refuses them.
    pub(super) fn warn_of_dead_rules(&self) {
        let loaded = self
            .watched
            .in_force()
            .map(|files| self.surroundings.load(files));
        if let Some(Err(problem)) = loaded {
            tracing::warn!(
                problem,
                "the policy in force does not fit the changed callers, and would not load at a start"
            );
        }
    }

    pub(super) async fn look(&mut self, gate: &Gate, is_asked: bool) -> Looked {
        if is_asked {
            self.watched.report_again();
        }
        let is_first = std::mem::take(&mut self.is_first);
        let names = self.names.clone();
        let read = read_apart(move || read_policies(&names, ReadFor::Force)).await;
        let surroundings = &self.surroundings;
        let take = |files: &Vec<PolicySource>| {
            let (policy, known) = surroundings.load(files)?;
            log_lints(&policy);
            log_unopened(&policy, &known);
            gate.replace_policy(policy);
            Ok(())
        };
        match self.watched.look(read, take) {
            News::None => Looked::Unchanged,
            News::StillBroken => Looked::Refused,
            News::Taken(files) => {
                metrics::policy_reload(true);
                tracing::info!("the changed policy is in force");
                record(gate, true, files).await;
                Looked::Taken
            }
            // It was read as root, and has not changed: nothing is to be recorded.
            News::Broken {
                problem,
                content: None,
            } if is_first => {
                tracing::warn!(
                    problem,
                    "the policy is in force, and a change of it will not be seen: let the server's user read its files"
                );
                Looked::Refused
            }
            News::Broken { problem, content } => {
                metrics::policy_reload(false);
                let what = match content {
                    Some(_) => "the changed policy does not load",
                    None => "the policy cannot be read any more",
                };
                tracing::error!(problem, "{what}; the rules loaded before stay in force");
                record(gate, false, &content.unwrap_or_default()).await;
                Looked::Refused
            }
        }
    }
}

/// Returns what records say of the files of a policy, the included ones among them.
pub fn digests(files: &[PolicySource]) -> Vec<PolicyDigest> {
    files
        .iter()
        .flat_map(PolicySource::texts)
        .map(|file| PolicyDigest::of(&file.name, &file.text))
        .collect()
}

async fn record(gate: &Gate, taken: bool, files: &[PolicySource]) {
    let policy = digests(files);
    gate.audit().policy(&PolicyRecord { taken, policy }).await;
}

/// Logs what loads and is hardly meant: nobody may run `policy check` on a file that a server takes.
pub fn log_lints(policy: &Policy) {
    for lint in policy.lints() {
        tracing::warn!(%lint, "the policy loads, and this is hardly meant");
    }
    let rules = policy.asking_rules();
    if rules > 0 {
        tracing::info!(
            rules,
            "these rules ask a person, which no door can yet: what they match is refused"
        );
    }
}
