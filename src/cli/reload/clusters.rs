//! The kubeconfigs of named clusters: each has a problem of its own, and the others are taken all
//! the same.

use std::sync::Arc;

use super::watched::Looked;
use crate::{audit::ClusterRecord, clusters::Clusters, gate::Gate};

/// The kubeconfigs that an operator mounts.
pub struct ClusterFiles {
    clusters: Arc<Clusters>,
    /// The problems that there are now, which have been reported.
    reported: Vec<String>,
}

impl ClusterFiles {
    /// The files of these clusters.
    pub fn new(clusters: Arc<Clusters>) -> Self {
        Self {
            clusters,
            reported: Vec::new(),
        }
    }

    pub(super) async fn look(&mut self, gate: &Gate, is_asked: bool) -> Looked {
        if is_asked {
            self.reported.clear();
        }
        let clusters = Arc::clone(&self.clusters);
        let Ok(news) = tokio::task::spawn_blocking(move || clusters.reload()).await else {
            return Looked::Refused; // a panic of ours, whose place standard error has
        };
        let mut problems = Vec::new();
        for error in &news.wrong {
            let problem = error.to_string();
            if !self.reported.contains(&problem) {
                tracing::error!(
                    problem,
                    "a named cluster does not load; what was loaded before stays in force"
                );
                record(gate, error.name(), None).await;
            }
            problems.push(problem);
        }
        for changed in &news.changed {
            tracing::info!(
                cluster = changed.name,
                target = changed.target,
                "the changed kubeconfig of a named cluster is in force"
            );
            record(gate, &changed.name, Some(&changed.target)).await;
        }
        self.reported = problems;
        match (self.reported.is_empty(), news.changed.is_empty()) {
            (false, _) => Looked::Refused,
            (true, false) => Looked::Taken,
            (true, true) => Looked::Unchanged,
        }
    }
}

async fn record(gate: &Gate, cluster: &str, target: Option<&str>) {
    let taken = target.is_some();
    let record = ClusterRecord {
        taken,
        cluster,
        target,
    };
    gate.audit().cluster(&record).await;
}
