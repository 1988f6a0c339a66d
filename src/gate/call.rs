//! The journey of one request, every room in order: [`Call::run`].
//!
//! Comes in: a request and who sends it. Goes out: what ran, or the refusal. A room's proof is an
//! argument of the next one, and all of them are of the start, so none can be skipped. Nothing is
//! measured or recorded here but through the [`Journal`].
//!
//! Held by `tests/service/`; `tests/panics.rs` ends it at each of its parts.

use std::{
    num::NonZeroU64,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::{
    access::Access,
    cleared::{Cleared, Started},
    deadline::Requested,
    journal::{Journal, Stopped},
    judge,
    outcome::Ran,
    parts::Parts,
    pipeline::{Pipeline, Stages, tools_share},
    request::Request,
    watch::{Ended, Watch},
};
use crate::{
    command::Filter,
    identity::Caller,
    metrics::Step,
    output::{Caps, Live},
    policy::{Approved, Decision, Facts},
    refusal::Refusal,
    sandbox::Limits,
    secret::SecretString,
    store::{Place, Registration},
};

/// A request that is under way.
pub(super) struct Call<'a> {
    pub(super) parts: &'a Parts,
    pub(super) caller: &'a Caller,
    pub(super) request: &'a Request,
    pub(super) request_id: &'a str,
    pub(super) since: Instant,
    /// Cancelled when nobody wants the answer any more.
    pub(super) cancel: &'a CancellationToken,
    pub(super) registration: &'a Registration,
}

/// The part of a request that is no proof, and is needed until its end.
struct Rest {
    filters: Vec<Filter>,
    secrets: Vec<SecretString>,
    deadline: Duration,
    live: Option<Live>,
}

impl Call<'_> {
    /// Takes the request through every room, to the end of its child.
    ///
    /// # Errors
    /// The refusal of the room that stopped it, with what had run by then.
    pub(super) async fn run(
        &self,
        live: Option<Live>,
        journal: &mut Journal<'_>,
    ) -> Result<Ran, Stopped> {
        let Self {
            parts,
            caller,
            request,
            ..
        } = *self;
        let requested = Requested::read(request, parts.bounds)?;
        let (invocation, filters) = judge::read(request, &parts.inventory, journal)?;
        let access = Access::of(&invocation, request, caller, parts).await?;
        let target = access.target(caller, request.cluster.as_deref());
        let policy = parts.policy();
        let facts = Facts::new(&invocation, &target);
        let decision = journal.timed(Step::Policy, || policy.decide(facts));
        let approved = match decision {
            Decision::Allow(approved) => approved,
            Decision::Confirm(denied) => return Err(Refusal::Unconfirmed(denied).into()),
            Decision::Deny(denied) => return Err(Refusal::Denied(denied).into()),
        };
        judge::can_run(&approved, &filters, &parts.inventory)?;
        let deadline = requested.under(&approved)?;
        let pinned = access.pin(&parts.allowed).await?;
        let recorded = journal
            .allowed(&approved, &filters, access.endpoint())
            .await?;
        let place = self.place(deadline, journal).await?;
        let cleared = Cleared {
            inputs: access.inputs(&pinned, &approved),
            approved,
            pinned,
            recorded,
            place,
        };
        let secrets = access.secrets();
        let rest = Rest {
            filters,
            secrets,
            deadline,
            live,
        };
        // Most of a call's state is in here, and a refused one needs none of it.
        Box::pin(self.execute(cleared, rest, journal)).await
    }

    /// Waits for a place, until the deadline or until nobody wants the answer.
    async fn place(&self, deadline: Duration, journal: &mut Journal<'_>) -> Result<Place, Refusal> {
        let queueing = Instant::now();
        let left = deadline.saturating_sub(self.since.elapsed());
        let place = tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Refusal::Cancelled),
            place = self.parts.store.admission.enter(self.caller, left) => place.map_err(Refusal::from),
        };
        journal.took(Step::Queue, queueing.elapsed());
        place
    }

    /// Starts what was cleared, and watches it to its end.
    async fn execute(
        &self,
        cleared: Cleared,
        rest: Rest,
        journal: &mut Journal<'_>,
    ) -> Result<Ran, Stopped> {
        let Self { parts, request, .. } = *self;
        let Rest {
            filters,
            secrets,
            deadline,
            live,
        } = rest;
        let rule = cleared.approved.rule();
        let caps = self.caps(&cleared.approved, live.as_ref());
        let limits = Limits::of_call(parts.bounds.memory_bytes, deadline);
        let spawning = Instant::now();
        let pipeline = Pipeline::start(&parts.sandbox, &filters, limits, &secrets).await?;
        let share = tools_share(limits, &filters);
        let Started { child, place } = cleared.start(parts, self.caller.principal(), share).await?;
        journal.started(child.was_warm());
        let full = CancellationToken::new();
        let most = parts.bounds.read_output;
        let (mut stages, streams) = Stages::new(child, pipeline, &secrets, most, &full)?;
        journal.took(Step::Spawn, spawning.elapsed());
        let running = Instant::now();
        self.registration.started().await;
        if let Some(live) = &live {
            live.started(self.request_id).await;
        }
        let (since, cancel) = (self.since, self.cancel);
        let watch = Watch {
            caps,
            secrets,
            since,
            deadline,
            cancel,
            live,
            full,
        };
        let Ended {
            status,
            stdout,
            stderr,
            refusal,
        } = watch.until_the_end(&mut stages, streams).await;
        let piped = stages.piped(request.tool.as_str(), &stderr.text).await;
        journal.took(Step::Child, running.elapsed());
        drop(place);
        let too_much = piped
            .too_much
            .then_some(Refusal::TooMuchOutput { limit: most });
        let tool = stages.tool();
        let ran = Ran {
            tool: request.tool,
            was_warm: tool.was_warm(),
            status,
            stages: piped.stages,
            tool_failed: piped.tool_failed,
            stdout,
            stderr,
            rule,
            layers: tool.layers().to_vec(),
            refused_connections: tool.refused_connections(),
            queued: journal.queued(),
        };
        match refusal.or(too_much) {
            None => Ok(ran),
            Some(refusal) => Err(Stopped {
                ran: Some(ran),
                refusal,
            }),
        }
    }

    /// Returns how much of the output is kept, sent and read, under the rule's own bounds. A
    /// listener that takes the output instead of the answer gets all of it, so that the rule's
    /// bound ends the command.
    fn caps(&self, approved: &Approved, live: Option<&Live>) -> Caps {
        let (bounds, rule) = (self.parts.bounds, approved.bounds());
        let most = rule.max_output_bytes.unwrap_or(usize::MAX);
        let read = match live {
            Some(live) if live.instead => bounds.read_output.min(most as u64),
            _ => bounds.read_output,
        };
        Caps {
            kept: bounds.kept_output.min(most),
            read,
            lines: rule.max_lines.map(NonZeroU64::get),
        }
    }
}
