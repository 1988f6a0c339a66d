//! Takes changed policy files, kubeconfigs of named clusters and callers without a restart; one
//! that does not load changes nothing.
//!
//! Files are compared by content, every two seconds. A watch on directories would be told sooner,
//! and would miss what overlay and network file systems do not tell; a ConfigMap swaps a symbolic
//! link two folders up, which a read by path just follows.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use crate::{
    audit::{PolicyDigest, PolicyRecord},
    catalogue::Catalogue,
    clusters::Clusters,
    config::{callers_in, read_policies},
    gate::Gate,
    identity::Authenticator,
    metrics,
    policy::{Policy, PolicySource},
};

const EVERY: Duration = Duration::from_secs(2);

/// Watches `paths` for as long as the server lives; `known` is what is in force.
pub async fn watch(gate: Gate, paths: Vec<PathBuf>, mut known: Vec<PolicySource>) {
    let mut told = String::new();
    loop {
        tokio::time::sleep(EVERY).await;
        let read = tokio::task::spawn_blocking({
            let paths = paths.clone();
            move || read_policies(&paths)
        });
        let problem = match read.await {
            Ok(Ok(files)) if files == known => continue,
            Ok(Ok(files)) => match load(&files) {
                Ok(policy) => {
                    gate.replace_policy(policy);
                    metrics::policy_reload(true);
                    tracing::info!("the changed policy is in force");
                    record(&gate, true, &files).await;
                    known = files;
                    told.clear();
                    continue;
                }
                Err(problem) => (problem, files),
            },
            Ok(Err(error)) => (error.to_string(), Vec::new()),
            Err(error) => (error.to_string(), Vec::new()),
        };
        // Once per problem, not every two seconds.
        let (problem, files) = problem;
        if told != problem {
            metrics::policy_reload(false);
            tracing::error!(
                problem,
                "the changed policy does not load; the rules loaded before stay in force"
            );
            record(&gate, false, &files).await;
            told = problem;
        }
    }
}

/// What the files of a policy are in records, the included ones among them.
pub fn digests(files: &[PolicySource]) -> Vec<PolicyDigest> {
    files
        .iter()
        .flat_map(PolicySource::texts)
        .map(|file| PolicyDigest::of(&file.name, &file.text))
        .collect()
}

async fn record(gate: &Gate, taken: bool, files: &[PolicySource]) {
    if let Err(error) = gate
        .audit()
        .policy(&PolicyRecord {
            taken,
            policy: digests(files),
        })
        .await
    {
        tracing::error!(%error, "the change of the policy could not be recorded yet; it is when there is room again");
    }
}

/// Reads the kubeconfigs of named clusters again, for as long as the server lives.
pub async fn watch_clusters(clusters: Arc<Clusters>) {
    let mut told = Vec::new();
    loop {
        tokio::time::sleep(EVERY).await;
        let clusters = Arc::clone(&clusters);
        let Ok(wrong) = tokio::task::spawn_blocking(move || clusters.reload()).await else {
            continue;
        };
        let problems: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        // Once per problem, not every two seconds.
        for problem in problems.iter().filter(|problem| !told.contains(*problem)) {
            tracing::error!(
                problem,
                "a named cluster does not load; what was loaded before stays in force"
            );
        }
        told = problems;
    }
}

/// Takes changed callers from the file of settings, for as long as the server lives. Its other keys
/// need a restart.
pub async fn watch_callers(authenticator: Authenticator, path: PathBuf) {
    let mut known = None;
    let mut told = String::new();
    loop {
        let read = tokio::task::spawn_blocking({
            let path = path.clone();
            move || fs::read_to_string(path)
        });
        let problem = match read.await {
            Ok(Ok(text)) if known.as_ref() == Some(&text) => None,
            Ok(Ok(text)) => match callers_in(&path, &text) {
                // Whoever reaches the port could call then: that is not decided while a server
                // runs.
                Ok(callers) if callers.is_empty() && authenticator.requires_credentials() => Some(
                    "no caller is left in it; a server that anybody may call needs a restart"
                        .into(),
                ),
                Ok(callers) => {
                    authenticator.replace(callers);
                    if known.replace(text).is_some() {
                        tracing::info!("the callers of the changed settings are in force");
                    }
                    told.clear();
                    None
                }
                Err(error) => Some(error.to_string()),
            },
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(problem) = problem.filter(|problem| told != *problem) {
            tracing::error!(
                problem,
                "the changed settings do not load; the callers loaded before stay in force"
            );
            told = problem;
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn load(files: &[PolicySource]) -> Result<Policy, String> {
    let catalogues = Catalogue::carried().map_err(|error| error.to_string())?;
    Policy::load(files, &catalogues).map_err(|error| error.to_string())
}
