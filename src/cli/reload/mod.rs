//! Takes changed policy files, kubeconfigs of named clusters and callers without a restart; one
//! that does not load changes nothing.
//!
//! They are compared by content, every two seconds, and at once on SIGHUP or SIGUSR1, which also logs
//! what was found. A watch on directories would notice sooner, and would miss what overlay and
//! network file systems do not report; a ConfigMap swaps a symbolic link two folders up, which a
//! read by path just follows. A problem is reported once, until it is another one or gone, or until
//! a signal asks.
//!
//! Held by the tests of the files below, `a_changed_policy_is_taken_and_a_broken_one_is_not`
//! (`tests/service/main.rs`) and `tests/operation/signals.rs`.

mod clusters;
mod policy;
mod settings;
mod signals;
mod watched;

use std::time::Duration;

use tokio::sync::mpsc::Receiver;

pub use clusters::ClusterFiles;
pub use policy::{PolicyFiles, Surroundings, digests, known, log_lints, log_unopened};
pub use settings::SettingsFile;
pub use signals::{FileSignal, asked, hold_signals};

use watched::Looked;

use crate::{gate::Gate, metrics};

const EVERY: Duration = Duration::from_secs(2);

/// The files that may change while the server runs.
pub struct ReloadedFiles {
    /// The gate, whose rules change.
    pub gate: Gate,
    /// The policy; none where the built-in one is in force.
    pub policy: Option<PolicyFiles>,
    /// The kubeconfigs of named clusters.
    pub clusters: Option<ClusterFiles>,
    /// The settings, of which the callers are taken; none where no file has any.
    pub settings: Option<SettingsFile>,
}

impl ReloadedFiles {
    /// Looks at all files again and again, for as long as the server lives.
    pub async fn watch(mut self, mut asked: Receiver<FileSignal>) {
        let parts = [
            (metrics::Reloaded::Policy, self.policy.is_some()),
            (metrics::Reloaded::Clusters, self.clusters.is_some()),
            (metrics::Reloaded::Settings, self.settings.is_some()),
        ];
        // What a server has started with is in force.
        for (part, _) in parts.into_iter().filter(|(_, is_there)| *is_there) {
            metrics::reload(part, true);
        }
        let mut why = None;
        loop {
            self.look(why).await;
            why = tokio::select! {
                () = tokio::time::sleep(EVERY) => None,
                Some(why) = asked.recv() => Some(why),
            };
        }
    }

    async fn look(&mut self, why: Option<FileSignal>) {
        let Self {
            gate,
            policy,
            clusters,
            settings,
        } = self;
        let is_asked = why.is_some();
        let mut found = [None; 3];
        if let Some(files) = policy {
            found[0] = Some(
                files
                    .look(gate, is_asked)
                    .await
                    .shown(metrics::Reloaded::Policy),
            );
        }
        if let Some(files) = clusters {
            found[1] = Some(
                files
                    .look(gate, is_asked)
                    .await
                    .shown(metrics::Reloaded::Clusters),
            );
        }
        if let Some(file) = settings {
            let looked = file.look(gate, is_asked).await;
            if let (Looked::Taken, Some(files)) = (looked, &policy) {
                files.warn_of_dead_rules();
            }
            found[2] = Some(looked.shown(metrics::Reloaded::Settings));
        }
        let Some(why) = why else { return };
        let [policy, clusters, callers] =
            found.map(|found| found.map_or("no files", Looked::as_str));
        let restart = settings
            .as_ref()
            .map_or_else(Vec::new, SettingsFile::need_a_restart);
        let needs_restart = match restart.is_empty() {
            true => "nothing".to_owned(),
            false => restart.join(", "),
        };
        tracing::info!(
            signal = why.as_str(),
            policy,
            clusters,
            callers,
            needs_restart,
            "looked at all files again"
        );
    }
}
