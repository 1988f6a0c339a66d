//! Takes changed policy files, kubeconfigs of named clusters and callers without a restart; one
//! that does not load changes nothing.
//!
//! Files are compared by content, every two seconds. A watch on directories would notice sooner,
//! and would miss what overlay and network file systems do not report; a ConfigMap swaps a symbolic
//! link two folders up, which a read by path just follows. A problem is reported once, until it is
//! another one or gone: what is restored and broken again is reported again.
//!
//! Held by the tests below and `a_changed_policy_is_taken_and_a_broken_one_is_not`
//! (`tests/service/main.rs`).

use std::{fmt::Display, path::PathBuf, sync::Arc, time::Duration};

use crate::{
    audit::{PolicyDigest, PolicyRecord},
    catalogue::Catalogue,
    clusters::Clusters,
    config::{ReadFor, callers_in, read_policies, read_settings},
    gate::Gate,
    identity::Authenticator,
    metrics,
    policy::{Policy, PolicySource},
};

const EVERY: Duration = Duration::from_secs(2);

/// Files that are read again and again, and what of them is in force.
struct Watched<T> {
    in_force: Option<T>,
    /// The problem of the files as they are now, which keeps them from being in force.
    problem: Option<String>,
}

/// The news of one look at watched files.
enum News<'a, T> {
    /// The files are as they were, or have the problem that they had.
    None,
    /// The changed files are in force.
    Taken(&'a T),
    /// The changed files have a problem; what was in force stays.
    Broken {
        problem: &'a str,
        /// The content, when it could be read.
        content: Option<T>,
    },
}

impl<T: PartialEq> Watched<T> {
    fn new(in_force: Option<T>) -> Self {
        Self {
            in_force,
            problem: None,
        }
    }

    /// Compares what was read now with what is in force; `take` puts it in force when it differs.
    fn look(
        &mut self,
        read: Result<T, String>,
        take: impl FnOnce(&T) -> Result<(), String>,
    ) -> News<'_, T> {
        let (problem, content) = match read {
            Ok(content) if self.in_force.as_ref() == Some(&content) => {
                self.problem = None;
                return News::None;
            }
            Ok(content) => match take(&content) {
                Ok(()) => {
                    self.problem = None;
                    return News::Taken(self.in_force.insert(content));
                }
                Err(problem) => (problem, Some(content)),
            },
            Err(problem) => (problem, None),
        };
        if self.problem.as_ref() == Some(&problem) {
            return News::None;
        }
        let problem = self.problem.insert(problem);
        News::Broken { problem, content }
    }
}

/// Reads off the runtime's threads.
async fn read_apart<T: Send + 'static, E: Display + Send + 'static>(
    read: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, String> {
    match tokio::task::spawn_blocking(read).await {
        Ok(read) => read.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// Watches the policies of these names for as long as the server lives; `in_force` are theirs now.
pub async fn watch(gate: Gate, names: Vec<PathBuf>, in_force: Vec<PolicySource>) {
    let mut watched = Watched::new(Some(in_force));
    loop {
        tokio::time::sleep(EVERY).await;
        let names = names.clone();
        let read = read_apart(move || read_policies(&names, ReadFor::Force)).await;
        let take =
            |files: &Vec<PolicySource>| load(files).map(|policy| gate.replace_policy(policy));
        match watched.look(read, take) {
            News::None => {}
            News::Taken(files) => {
                metrics::policy_reload(true);
                tracing::info!("the changed policy is in force");
                record(&gate, true, files).await;
            }
            News::Broken { problem, content } => {
                metrics::policy_reload(false);
                tracing::error!(
                    problem,
                    "the changed policy does not load; the rules loaded before stay in force"
                );
                record(&gate, false, &content.unwrap_or_default()).await;
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

/// Reads the kubeconfigs of named clusters again, for as long as the server lives. Each has a
/// problem of its own, and the others are taken all the same.
pub async fn watch_clusters(clusters: Arc<Clusters>) {
    let mut reported = Vec::new();
    loop {
        tokio::time::sleep(EVERY).await;
        let clusters = Arc::clone(&clusters);
        let Ok(wrong) = tokio::task::spawn_blocking(move || clusters.reload()).await else {
            continue;
        };
        let problems: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        for problem in problems
            .iter()
            .filter(|problem| !reported.contains(*problem))
        {
            tracing::error!(
                problem,
                "a named cluster does not load; what was loaded before stays in force"
            );
        }
        reported = problems;
    }
}

/// Takes changed callers from the file of settings, for as long as the server lives. Its other keys
/// need a restart.
pub async fn watch_callers(authenticator: Authenticator, path: PathBuf) {
    let mut watched = Watched::new(None);
    loop {
        let is_first = watched.in_force.is_none();
        let read = read_apart({
            let path = path.clone();
            move || read_settings(&path)
        });
        let take = |text: &String| {
            let callers = callers_in(&path, text).map_err(|error| error.to_string())?;
            // Whoever reaches the port could call then: that is not decided while a server runs.
            if callers.is_empty() && authenticator.requires_credentials() {
                return Err(NOBODY_LEFT.to_owned());
            }
            authenticator.replace(callers);
            Ok(())
        };
        match watched.look(read.await, take) {
            News::Taken(_) if !is_first => {
                tracing::info!("the callers of the changed settings are in force");
            }
            News::None | News::Taken(_) => {}
            News::Broken { problem, .. } => tracing::error!(
                problem,
                "the changed settings do not load; the callers loaded before stay in force"
            ),
        }
        tokio::time::sleep(EVERY).await;
    }
}

const NOBODY_LEFT: &str = "no caller is left in it; a server that anybody may call needs a restart";

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

#[cfg(test)]
mod tests {
    use super::*;

    /// The news of one look at files that may be `"good"` and other texts that start with it.
    fn news(watched: &mut Watched<String>, read: Result<&str, &str>) -> String {
        let take = |text: &String| match text.starts_with("good") {
            true => Ok(()),
            false => Err(format!("{text} does not load")),
        };
        let read = read.map(str::to_owned).map_err(str::to_owned);
        match watched.look(read, take) {
            News::None => String::new(),
            News::Taken(text) => format!("taken: {text}"),
            News::Broken { problem, content } => format!("broken: {problem} ({content:?})"),
        }
    }

    #[test]
    fn what_is_restored_and_broken_again_is_reported_again() {
        let mut watched = Watched::new(Some("good".to_owned()));
        let broken = r#"broken: bad does not load (Some("bad"))"#;
        for (read, expected) in [
            (Ok("good"), ""),
            (Ok("bad"), broken),
            (Ok("bad"), ""),
            (Err("it is gone"), "broken: it is gone (None)"),
            (Ok("bad"), broken),
            (Ok("good"), ""),
            (Ok("bad"), broken),
            (Ok("good, and new"), "taken: good, and new"),
            (Ok("good, and new"), ""),
            (Ok("good"), "taken: good"),
        ] {
            assert_eq!(news(&mut watched, read), expected, "{read:?}");
        }
    }
}
