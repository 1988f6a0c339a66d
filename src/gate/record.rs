//! What is recorded of a call.

use std::time::Duration;

use super::{
    call::{Call, Stopped},
    judge::Judged,
    outcome::Ran,
};
use crate::{
    audit::{DecisionRecord, EndRecord, StageRecord, Who, milliseconds},
    command::{Filter, Invocation},
    metrics,
    refusal::Refusal,
};

impl Call<'_> {
    pub(super) async fn record_decision(
        &self,
        judged: &Result<Judged, (Refusal, Option<Invocation>)>,
    ) -> Result<(), Refusal> {
        let mut record = DecisionRecord {
            request_id: self.request_id,
            who: Who::of(self.caller, self.request.client.as_ref()),
            tool: self.request.tool,
            argv: None,
            filters: Vec::new(),
            target: None,
            cluster: None,
            effect: "deny",
            code: None,
            rule: None,
            rule_at: None,
            reason: None,
            kubeconfig_conflict: self.request.kubeconfig_conflict,
        };
        let class = match judged {
            Ok(judged) => {
                record.effect = "allow";
                record.argv = Some(judged.approved.invocation().argv());
                record.filters = judged.filters.iter().map(Filter::argv).collect();
                record.rule = Some(judged.approved.rule());
                record.rule_at = Some(judged.approved.rule_at());
                record.target.clone_from(&judged.target);
                record.cluster = self.request.cluster.as_deref();
                judged.approved.invocation().class()
            }
            Err((refusal, invocation)) => {
                if let Refusal::Unconfirmed(_) = refusal {
                    record.effect = "confirm";
                }
                record.argv = invocation.as_ref().map(Invocation::argv);
                record.code = Some(refusal.code().as_str());
                record.rule = refusal.rule();
                record.reason = Some(refusal.to_string());
                invocation.as_ref().and_then(Invocation::class)
            }
        };
        metrics::decision(self.request.tool, class, record.effect);
        tracing::debug!(
            effect = record.effect,
            code = record.code,
            rule = record.rule,
            "decided"
        );
        self.rooms
            .audit
            .decision(&record)
            .await
            .map_err(|source| Refusal::Fault {
                what: "the call could not be recorded",
                source,
            })
    }

    /// Every call that was allowed has an end, also when no child ran.
    pub(super) async fn record_end(&self, ended: &Result<Ran, Stopped>, times: &Times) {
        let (ran, code) = match ended {
            Ok(ran) => (Some(ran), None),
            Err(stopped) => (stopped.ran.as_ref(), Some(stopped.refusal.code().as_str())),
        };
        let layers = |is_weaker: bool| {
            let those = ran
                .into_iter()
                .flat_map(|ran| &ran.layers)
                .filter(|status| status.state.is_weaker() == is_weaker);
            those.map(|status| status.layer.as_str()).collect()
        };
        let mut record = EndRecord {
            request_id: self.request_id,
            tool: Some(self.request.tool),
            code,
            duration_ms: milliseconds(self.started.elapsed()),
            queue_ms: times.queue.map(milliseconds),
            spawn_ms: times.spawn.map(milliseconds),
            child_ms: times.child.map(milliseconds),
            layers: layers(false),
            layers_missing: layers(true),
            ..EndRecord::default()
        };
        if let Some(ran) = ran {
            record.exit_code = Some(ran.status.code());
            record.stages = ran
                .stages
                .iter()
                .map(|stage| StageRecord {
                    program: stage.program,
                    exit_code: stage.status.code(),
                })
                .collect();
            record.output_bytes = ran.stdout.written + ran.stderr.written;
            record.truncated = ran.stdout.truncated || ran.stderr.truncated;
            record.refused_connections = ran.refused_connections;
            record.warm = ran.was_warm;
            metrics::refused_connections(ran.refused_connections);
        }
        if let Err(error) = self.rooms.audit.end(&record).await {
            tracing::error!(%error, "the end of a call could not be recorded yet; it is when there is room again");
        }
    }
}

/// How long the parts of a call took, as far as it came.
#[derive(Default)]
pub(super) struct Times {
    pub(super) queue: Option<Duration>,
    pub(super) spawn: Option<Duration>,
    pub(super) child: Option<Duration>,
}
