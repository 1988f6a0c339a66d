//! The journey of one request, every room in order: [`Call::run`].
//!
//! Comes in: a request and who sends it. Goes out: what ran, or the refusal. A room's proof is an
//! argument of the next one, and all of them are of the start, so none can be skipped. Nothing is
//! measured or recorded here but through the [`Journal`].
//!
//! Held by `tests/service/`; `tests/panics.rs` ends it at each of its parts.

use std::time::{Duration, Instant, SystemTime};

use tokio_util::sync::CancellationToken;

use super::{
    access::Access,
    cleared::{Cleared, StartedTool, yielding},
    deadline::Requested,
    forecast::Forecast,
    journal::{Journal, Stopped},
    judge,
    outcome::{Ran, Told},
    parts::Parts,
    pipeline::{Pipeline, Shares, Stages},
    previewed::show,
    request::Request,
    shape::Shape,
    watch::Watch,
};
use crate::{
    api::Effects,
    command::Filter,
    identity::Caller,
    metrics::Step,
    output::{Live, Unshown},
    policy::{Facts, Target},
    refusal::Refusal,
    sandbox::{Limits, Streams},
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
    unshown: Unshown,
    deadline: Duration,
    live: Option<Live>,
    target: Target,
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
        // Again, behind its registration: whoever locks the principal ends what is registered.
        parts.store.locks.pass(caller.principal())?;
        let requested = Requested::read(request, parts.bounds)?;
        Shape::read(request)?;
        let (invocation, filters) = self.read(requested, journal).await?;
        let data = judge::data(request, parts.bounds.data_bytes)?;
        journal.brings(&data);
        let access = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return Err(Refusal::Cancelled.into()),
            access = Access::of(&invocation, request, caller, parts) => access?,
        };
        let target = access.target(caller, request.cluster.as_deref(), &parts.clusters);
        let policy = parts.policy();
        let sent_bytes = data.bytes();
        let (data, objects) = judge::manifests(data, &invocation, &target)?;
        let facts = Facts::new(&invocation, &target)
            .through(&filters)
            .carrying(&objects)
            .at(SystemTime::now());
        let decision = journal.timed(Step::Policy, || policy.decide(facts));
        let approved = judge::approved(decision)?;
        let rates = &parts.store.rule_rates;
        rates.count(caller.principal(), approved.rates(), Instant::now())?;
        judge::can_run(&approved, &filters, &parts.inventory)?;
        judge::reads(&approved, &data, sent_bytes)?;
        let deadline = requested.under(&approved)?;
        let pinned = access.pin(&parts.allowed).await?;
        let principal = caller.principal();
        let (pinned, known_by) = access.judged(
            pinned,
            (&approved, &objects),
            parts,
            principal,
            (request, self.request_id),
        )?;
        let recorded = journal
            .allowed(&approved, &filters, access.endpoint())
            .await?;
        let place = self.place(deadline, journal).await?;
        let unshown = access.unshown(&pinned, &approved);
        let cleared = Cleared {
            inputs: access.inputs(&pinned, &approved, known_by).bringing(data),
            approved,
            pinned,
            recorded,
            place,
        };
        let rest = Rest {
            filters,
            unshown,
            deadline,
            live,
            target,
        };
        // Most of a call's state is in here, and a refused one needs none of it.
        Box::pin(self.execute(cleared, rest, journal)).await
    }

    /// Waits for a place, until the deadline or until nobody wants the answer.
    pub(super) async fn place(
        &self,
        deadline: Duration,
        journal: &mut Journal<'_>,
    ) -> Result<Place, Refusal> {
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
        let rule = cleared.approved.rule();
        let bounds = self.parts.bounds;
        let live = rest.live.as_ref();
        let shape = Shape::of(&cleared.approved, &rest.filters, self.request, bounds, live);
        let is_streamed = live.is_some_and(|live| live.replaces_answer);
        let forecast = Forecast::of(&cleared.approved, &shape, is_streamed);
        let limits = Limits::of_call(bounds.memory_bytes, rest.deadline);
        let shares = Shares::of(limits, &rest.filters);
        let spawning = Instant::now();
        let monitor = cleared.pinned.monitor().cloned();
        // A tool whose request is refused is ended as one is that printed too much.
        let denied = monitor.as_ref().map(|monitor| monitor.denied());
        let full = denied.clone().unwrap_or_default();
        let (mut stages, streams, place) =
            self.start(cleared, &rest, &shares, &full, journal).await?;
        journal.took(Step::Spawn, spawning.elapsed());
        let running = Instant::now();
        self.registration.started().await;
        if let Some(live) = &rest.live {
            live.started(self.request_id).await;
        }
        let unshown = rest.unshown.clone();
        let watch = Watch {
            kept: &self.parts.store.kept,
            principal: self.caller.principal(),
            caps: shape.caps,
            is_without_stacks: shape.is_without_stacks,
            unshown: rest.unshown,
            since: self.since,
            deadline: rest.deadline,
            cancel: self.cancel,
            live: rest.live,
            full,
        };
        let ended = watch.until_the_end(&mut stages, streams).await;
        let tool = self.request.tool;
        let piped = stages.piped(tool.as_str(), &ended.stderr.text).await;
        journal.took(Step::Child, running.elapsed());
        drop(place);
        let limit = bounds.read_output;
        let too_much = piped.too_much.then_some(Refusal::TooMuchOutput { limit });
        let mut effects = monitor.map(|monitor| monitor.effects());
        let preview = effects
            .as_mut()
            .and_then(|effects| effects.preview.as_mut());
        if let Some(preview) = preview {
            show(preview, self.parts, &rest.target, &unshown);
        }
        let told = effects.as_ref();
        let denied = told.and_then(Effects::refused).map(Refusal::Api);
        let exceeded = told.and_then(|effects| effects.exceeded.clone());
        let denied = denied.or(exceeded.map(Refusal::Budget));
        let refusal = denied.or(ended.refusal).or(too_much);
        let ran = Ran {
            tool,
            was_warm: stages.tool().was_warm(),
            status: ended.status,
            stages: piped.stages,
            tool_failed: piped.tool_failed,
            stdout: ended.stdout,
            stderr: ended.stderr,
            rule,
            layers: stages.tool().layers().to_vec(),
            refused_connections: stages.tool().refused_connections(),
            queued: journal.queued(),
            effects,
            bound: None,
            told: Told::default(),
        };
        forecast.end(ran, refusal, piped.printed, &shares)
    }

    /// Starts the filters, then the tool before them.
    async fn start(
        &self,
        cleared: Cleared,
        rest: &Rest,
        shares: &Shares,
        full: &CancellationToken,
        journal: &Journal<'_>,
    ) -> Result<(Stages, Streams, Place), Refusal> {
        let bounds = self.parts.bounds;
        let (filters, unshown) = (&rest.filters, &rest.unshown);
        let sandbox = &self.parts.sandbox;
        let pipeline = Pipeline::start(sandbox, filters, &shares.filters, unshown).await?;
        if let (Some(pipeline), Some(how)) = (&pipeline, yielding(&cleared.place)) {
            pipeline.yield_to_others(how).await?;
        }
        let principal = self.caller.principal();
        let StartedTool { child, place } =
            cleared.start(self.parts, principal, shares.tool).await?;
        journal.started(child.was_warm());
        let (stages, streams) = Stages::new(child, pipeline, unshown, bounds.read_output, full)?;
        Ok((stages, streams, place))
    }
}
