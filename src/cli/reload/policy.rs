//! The policy files: what loads is in force, and recorded.

use std::path::PathBuf;

use super::watched::{Looked, News, Watched, read_apart};
use crate::{
    audit::{PolicyDigest, PolicyRecord},
    catalogue::Catalogue,
    config::{ReadFor, read_policies},
    gate::Gate,
    metrics,
    policy::{Policy, PolicySource},
};

/// Policy files, by their names.
pub struct PolicyFiles {
    names: Vec<PathBuf>,
    watched: Watched<Vec<PolicySource>>,
    /// The first look, by the user that the server has become, is still to come.
    is_first: bool,
}

impl PolicyFiles {
    /// The policies of these names, of which `in_force` is in force.
    pub fn new(names: Vec<PathBuf>, in_force: Vec<PolicySource>) -> Self {
        Self {
            names,
            watched: Watched::new(Some(in_force)),
            is_first: true,
        }
    }

    pub(super) async fn look(&mut self, gate: &Gate, is_asked: bool) -> Looked {
        if is_asked {
            self.watched.report_again();
        }
        let is_first = std::mem::take(&mut self.is_first);
        let names = self.names.clone();
        let read = read_apart(move || read_policies(&names, ReadFor::Force)).await;
        let take =
            |files: &Vec<PolicySource>| load(files).map(|policy| gate.replace_policy(policy));
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
    if let Err(error) = gate.audit().policy(&PolicyRecord { taken, policy }).await {
        tracing::error!(%error, "the change of the policy could not be recorded yet; it is when there is room again");
    }
}

fn load(files: &[PolicySource]) -> Result<Policy, String> {
    let catalogues = Catalogue::carried().map_err(|error| error.to_string())?;
    let policy = Policy::load(files, &catalogues).map_err(|error| error.to_string())?;
    log_lints(&policy);
    Ok(policy)
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
