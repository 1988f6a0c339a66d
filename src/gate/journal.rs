//! What is measured and recorded of one call: [`Journal`].
//!
//! Comes in: what each part of the journey came to. Goes out: one record of the decision before
//! anything starts, one of the end of what was allowed, and the numbers of `/metrics`. May not
//! decide anything; but a call whose decision cannot be recorded is refused.
//!
//! Held by `tests/service/audit.rs`, and by `tests/panics.rs` for calls that end in a panic.

use std::{
    io,
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;

use super::{outcome::Ran, parts::Parts, request::Request};
use crate::{
    api::Effects,
    audit::{
        Audit, DataRecord, DecisionRecord, EndRecord, Recorded, StageRecord, Who, milliseconds,
        shown_of_refused,
    },
    catalogue::VerbClass,
    code::Code,
    command::{Filter, Invocation, Recording},
    data::Data,
    endpoint::Endpoint,
    identity::Caller,
    metrics::{self, Step},
    output::Redactor,
    policy::{Approved, Effect},
    refusal::Refusal,
    sandbox::LayerState,
    store::Rates,
};

/// A journey that was stopped, with what had run by then.
pub(super) struct Stopped {
    pub(super) ran: Option<Box<Ran>>,
    pub(super) refusal: Refusal,
}

impl<T: Into<Refusal>> From<T> for Stopped {
    fn from(refusal: T) -> Self {
        Self {
            ran: None,
            refusal: refusal.into(),
        }
    }
}

/// The records and numbers of one call.
pub(super) struct Journal<'a> {
    audit: &'a Audit,
    rates: &'a Rates,
    caller: &'a Caller,
    request: &'a Request,
    request_id: &'a str,
    since: Instant,
    /// The command, once it could be read.
    invocation: Option<Invocation>,
    /// What the request brings for its command to read.
    brings: Vec<DataRecord>,
    /// Whether the call was allowed, which is recorded then.
    is_allowed: bool,
    queue: Option<Duration>,
    spawn: Option<Duration>,
    child: Option<Duration>,
}

impl<'a> Journal<'a> {
    /// Begins the journal of a call that came at `since`.
    pub(super) fn new(
        parts: &'a Parts,
        caller: &'a Caller,
        request: &'a Request,
        request_id: &'a str,
        since: Instant,
    ) -> Self {
        Self {
            audit: &parts.audit,
            rates: &parts.store.rates,
            caller,
            request,
            request_id,
            since,
            invocation: None,
            brings: Vec::new(),
            is_allowed: false,
            queue: None,
            spawn: None,
            child: None,
        }
    }

    /// Runs a part that does not wait, and measures it.
    pub(super) fn timed<T>(&mut self, step: Step, part: impl FnOnce() -> T) -> T {
        let since = Instant::now();
        let done = part();
        self.took(step, since.elapsed());
        done
    }

    /// Notes how long a part took.
    pub(super) fn took(&mut self, step: Step, took: Duration) {
        match step {
            Step::Queue => self.queue = Some(took),
            Step::Spawn => self.spawn = Some(took),
            Step::Child => self.child = Some(took),
            Step::Parse | Step::Policy => {}
        }
        metrics::step(step, self.request.tool, took);
    }

    /// Returns how long the call waited for a place.
    pub(super) fn queued(&self) -> Duration {
        self.queue.unwrap_or_default()
    }

    /// Notes the command, as it was read.
    pub(super) fn read(&mut self, invocation: &Invocation) {
        self.invocation = Some(invocation.clone());
    }

    /// Notes what the request brings, by its digest.
    pub(super) fn brings(&mut self, data: &Data) {
        self.brings = data
            .pieces()
            .map(|(piece, text)| DataRecord::of(&piece, text))
            .collect();
    }

    /// Counts a tool that has started.
    pub(super) fn started(&self, was_warm: bool) {
        metrics::started(self.request.tool, was_warm);
    }

    /// Records that the call is allowed; nothing may start before.
    ///
    /// # Errors
    /// [`Refusal::Fault`] when it could not be recorded.
    pub(super) async fn allowed(
        &mut self,
        approved: &Approved,
        filters: &[Filter],
        target: Option<&Endpoint>,
    ) -> Result<Recorded, Refusal> {
        let invocation = approved.invocation();
        let record = DecisionRecord {
            argv: Some(recorded_argv(invocation, Recording::Allowed)),
            filters: filters.iter().map(Filter::argv).collect(),
            rule: Some(approved.rule()),
            rule_at: Some(approved.rule_at()),
            target: target.map(ToString::to_string),
            cluster: self.request.cluster.as_deref(),
            ..self.decision(Effect::Allow)
        };
        self.count(&record, invocation.class());
        let recorded = self.audit.allowed(record).await.map_err(not_recorded)?;
        self.rates.recorded(self.caller, recorded.bytes());
        self.is_allowed = true;
        Ok(recorded)
    }

    /// Records that the cluster is asked what resources it has; nothing may start before.
    ///
    /// # Errors
    /// [`Refusal::Fault`] when it could not be recorded.
    pub(super) async fn lookup(
        &self,
        approved: &Approved,
        target: Option<&Endpoint>,
    ) -> Result<Recorded, Refusal> {
        let record = DecisionRecord {
            argv: Some(approved.invocation().argv()),
            rule: Some(approved.rule()),
            rule_at: Some(approved.rule_at()),
            target: target.map(ToString::to_string),
            cluster: self.request.cluster.as_deref(),
            ..self.decision(Effect::Allow)
        };
        let recorded = self.audit.lookup(record).await.map_err(not_recorded)?;
        self.rates.recorded(self.caller, recorded.bytes());
        Ok(recorded)
    }

    /// Records how the journey ended: its refusal when nothing was allowed, else its end, also when
    /// no child ran. Returns what the caller gets.
    pub(super) async fn close(self, ended: Result<Ran, Stopped>) -> Result<Ran, Stopped> {
        if self.is_allowed {
            self.ended(&ended).await;
            return ended;
        }
        let Err(stopped) = &ended else { return ended };
        match self.refused(&stopped.refusal).await {
            Ok(()) => ended,
            Err(fault) => Err(fault.into()),
        }
    }

    async fn refused(&self, refusal: &Refusal) -> Result<(), Refusal> {
        let effect = match refusal {
            Refusal::Unconfirmed(_) => Effect::Confirm,
            _ => Effect::Deny,
        };
        let invocation = self.invocation.as_ref();
        let argv = invocation
            .map(|invocation| shown_of_refused(recorded_argv(invocation, Recording::Refused)));
        let (argv, argv_rest) = argv.map_or((None, None), |(argv, rest)| (Some(argv), rest));
        let reason = refusal.to_string();
        let reason = match invocation {
            Some(invocation) => invocation.recorded_text(reason),
            None => reason,
        };
        let record = DecisionRecord {
            argv,
            argv_rest,
            code: Some(refusal.code()),
            rule: refusal.rule(),
            reason: Some(redacted(reason)),
            ..self.decision(effect)
        };
        self.count(&record, invocation.and_then(Invocation::class));
        let bytes = self.audit.refused(&record).await.map_err(not_recorded)?;
        self.rates.recorded(self.caller, bytes);
        Ok(())
    }

    fn decision(&self, effect: Effect) -> DecisionRecord<'_> {
        let who = Who::of(self.caller, self.request.client.as_ref());
        let (request_id, tool) = (self.request_id, self.request.tool);
        DecisionRecord {
            data: &self.brings,
            kubeconfig_conflict: self.request.kubeconfig.is_over_another(),
            preview: self.request.is_preview,
            ..DecisionRecord::new(request_id, who, tool, effect)
        }
    }

    fn count(&self, record: &DecisionRecord<'_>, class: Option<VerbClass>) {
        metrics::decision(self.request.tool, class, record.effect);
        tracing::debug!(
            effect = record.effect.word(),
            code = record.code.map(Code::as_str),
            rule = record.rule,
            "decided"
        );
    }

    async fn ended(&self, ended: &Result<Ran, Stopped>) {
        let (ran, code) = match ended {
            Ok(ran) => (Some(ran), None),
            Err(stopped) => (stopped.ran.as_deref(), Some(stopped.refusal.code())),
        };
        let mut record = EndRecord {
            request_id: self.request_id,
            tool: Some(self.request.tool),
            code,
            duration_ms: milliseconds(self.since.elapsed()),
            queue_ms: self.queue.map(milliseconds),
            spawn_ms: self.spawn.map(milliseconds),
            child_ms: self.child.map(milliseconds),
            ..EndRecord::default()
        };
        if let Some(ran) = ran {
            let stages = ran.stages.iter().map(|stage| StageRecord {
                program: stage.program,
                exit_code: stage.status.code(),
            });
            let layers = |are: fn(LayerState) -> bool| {
                let those = ran.layers.iter().filter(|status| are(status.state));
                those.map(|status| status.layer.as_str()).collect()
            };
            record.exit_code = Some(ran.status.code());
            record.stages = stages.collect();
            record.output_bytes = ran.stdout.written + ran.stderr.written;
            record.truncated = ran.stdout.truncated || ran.stderr.truncated;
            record.refused_connections = ran.refused_connections;
            record.warm = ran.was_warm;
            record.effects = ran.effects.as_ref().map(Effects::recorded);
            record.layers = layers(|state| state == LayerState::Enforced);
            record.layers_partial = layers(|state| state == LayerState::Partial);
            record.layers_missing = layers(LayerState::is_missing);
            metrics::refused_connections(ran.refused_connections);
        }
        match self.audit.end(&record).await {
            Ok(bytes) => self.rates.recorded(self.caller, bytes),
            Err(error) => {
                tracing::error!(%error, "the end of a call could not be recorded yet; it is when there is room again");
            }
        }
    }
}

/// Returns an argv as records show it.
fn recorded_argv(invocation: &Invocation, recording: Recording) -> Vec<String> {
    let argv = invocation.recorded_argv(recording);
    argv.into_iter().map(redacted).collect()
}

/// Takes out what is a secret by its own shape. A shorter text holds none.
fn redacted(text: String) -> String {
    const SHORTEST: usize = 24;
    if text.len() < SHORTEST {
        return text;
    }
    let mut redactor = Redactor::new(&[]);
    let mut told = redactor.push(text.as_bytes());
    told.extend(redactor.finish());
    String::from_utf8(told).unwrap_or_default() // what is taken out is ASCII
}

fn not_recorded(source: io::Error) -> Refusal {
    Refusal::Fault {
        what: "the call could not be recorded",
        source,
    }
}

/// The reason that a caller reads when this server panicked.
pub(super) const FAULT: &str = "the call ended in a fault of this server";

/// Runs a journey. A panic in it is a fault of ours, which is recorded like every other end; what
/// the call had is dropped by then, and its child killed.
pub(super) fn caught(
    journey: impl Future<Output = Result<Ran, Stopped>>,
) -> impl Future<Output = Result<Ran, Stopped>> {
    // No `async fn`: it would have room for `journey` twice.
    AssertUnwindSafe(journey).catch_unwind().map(|ended| {
        ended.unwrap_or_else(|_| {
            let source = io::Error::other("a panic; standard error has its place");
            Err(Refusal::Fault {
                what: FAULT,
                source,
            }
            .into())
        })
    })
}
