//! The journey of one request: [`Call::run`].

use std::{io, num::NonZeroU64, panic::AssertUnwindSafe, time::Instant};

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;

use super::{
    access::Handed,
    judge::Judged,
    outcome::Ran,
    pipeline::{Piped, Pipeline, Stages, tools_share},
    record::Times,
    request::Request,
    rooms::Rooms,
    running::Entry,
    watch::{Ended, Watch},
};
use crate::{
    caller::Caller,
    discovery::Discovery,
    egress::Pinned,
    metrics::{self, Step},
    output::{Caps, Live},
    policy::Approved,
    refusal::Refusal,
    sandbox::{Child, Layer, Limits, Run, SandboxError},
};

/// What `rooms` come to. A panic in one of them is a fault of ours, which is recorded like every
/// other end; what the call had is dropped by then, and its child killed.
fn survived<T, E>(
    rooms: impl Future<Output = Result<T, E>>,
    stopped: impl FnOnce(Refusal) -> E,
) -> impl Future<Output = Result<T, E>> {
    // No `async fn`: it would have room for `rooms` twice.
    AssertUnwindSafe(rooms).catch_unwind().map(|ended| {
        ended.unwrap_or_else(|_| {
            let source = io::Error::other("a panic; standard error has its place");
            Err(stopped(Refusal::Fault {
                what: FAULT,
                source,
            }))
        })
    })
}

/// What a caller is told of a panic.
pub(super) const FAULT: &str = "the call ended in a fault of this server";

/// A journey that was stopped, with what had run by then.
pub(super) struct Stopped {
    pub(super) ran: Option<Ran>,
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

pub(super) struct Call<'a> {
    pub(super) rooms: &'a Rooms,
    pub(super) caller: &'a Caller,
    pub(super) request: &'a Request,
    pub(super) request_id: &'a str,
    pub(super) started: Instant,
}

impl Call<'_> {
    /// Every room, in order. A room's proof is the next one's argument, so none can be skipped.
    pub(super) async fn run(
        self,
        cancel: &CancellationToken,
        entry: &Entry,
        live: Option<Live>,
    ) -> Result<Ran, Stopped> {
        let judged = survived(self.judge(), |fault| (fault, None)).await;
        self.record_decision(&judged).await?;
        let mut times = Times::default();
        // Most of a call's state is in here, and a refused one needs none of it.
        let started = Box::pin(self.start(
            judged.map_err(|(refusal, _)| refusal)?,
            &mut times,
            cancel,
            entry,
            live,
        ));
        let ended = survived(started, Stopped::from).await;
        self.record_end(&ended, &times).await;
        ended
    }

    /// What was allowed is started, and watched to its end.
    async fn start(
        &self,
        judged: Judged,
        times: &mut Times,
        cancel: &CancellationToken,
        entry: &Entry,
        live: Option<Live>,
    ) -> Result<Ran, Stopped> {
        let Judged {
            approved,
            filters,
            handed,
            secrets,
            pinned,
            deadline,
            ..
        } = judged;
        let tool = self.request.tool;
        let queueing = Instant::now();
        let place = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Refusal::Cancelled),
            place = self.rooms.admission.enter(self.caller, deadline.saturating_sub(self.started.elapsed())) => place,
        };
        let queued = *times.queue.insert(queueing.elapsed());
        metrics::step(Step::Queue, tool, queued);
        let place = place?;
        let rule = approved.rule();
        let caps = self.caps(&approved, live.as_ref());
        let full = CancellationToken::new();
        let limits = Limits::of_call(self.rooms.bounds.memory_bytes, deadline);
        let spawning = Instant::now();
        let pipeline = Pipeline::start(&self.rooms.sandbox, &filters, limits, &secrets).await?;
        let child = self
            .child(approved, handed, &pinned, tools_share(limits, &filters))
            .await?;
        metrics::started(tool, child.was_warm());
        let (mut stages, streams) = Stages::new(
            child,
            pipeline,
            &secrets,
            self.rooms.bounds.read_output,
            &full,
        )?;
        metrics::step(Step::Spawn, tool, *times.spawn.insert(spawning.elapsed()));
        let running = Instant::now();
        entry.started();
        if let Some(live) = &live {
            live.started(self.request_id).await;
        }
        let watch = Watch {
            caps,
            secrets,
            since: self.started,
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
        let Piped {
            stages: each,
            tool_failed,
            too_much,
        } = stages.piped(tool.as_str(), &stderr.text).await;
        metrics::step(Step::Child, tool, *times.child.insert(running.elapsed()));
        drop(place);
        let refusal = refusal.or(too_much.then_some(Refusal::TooMuchOutput {
            limit: self.rooms.bounds.read_output,
        }));
        let (layers, refused_connections) = (
            stages.tool().layers().to_vec(),
            stages.tool().refused_connections(),
        );
        let was_warm = stages.tool().was_warm();
        let ran = Ran {
            tool,
            was_warm,
            status,
            stages: each,
            tool_failed,
            stdout,
            stderr,
            rule,
            layers,
            refused_connections,
            queued,
        };
        match refusal {
            None => Ok(ran),
            Some(refusal) => Err(Stopped {
                ran: Some(ran),
                refusal,
            }),
        }
    }

    /// The tool with its one request: one that waits for it where there is one, else one that is
    /// started for it.
    async fn child(
        &self,
        approved: Approved,
        handed: Handed,
        pinned: &Pinned,
        limits: Limits,
    ) -> Result<Child, Refusal> {
        let Handed {
            kubeconfig,
            authority,
            variables,
        } = handed;
        let tool = approved.invocation().tool();
        let run = Run::Approved(Box::new(approved), variables);
        if let Some(warm) = self.rooms.warm.take(tool, run.profile()) {
            let of_caller = || {
                self.rooms
                    .discovery
                    .of(self.caller.principal(), &kubeconfig, authority.as_deref())
            };
            let discovery = warm.discovers().then(of_caller).flatten();
            let found = discovery.as_ref().map(Discovery::found);
            match warm
                .hand_over(
                    &run,
                    pinned,
                    &kubeconfig,
                    authority.as_deref(),
                    limits,
                    found,
                )
                .await
            {
                Ok((child, told)) => {
                    if let Some(discovery) = discovery {
                        metrics::discovery(!discovery.found().is_empty());
                        tokio::spawn(discovery.learn(told)); // until the tool has ended
                    }
                    return Ok(child);
                }
                Err(error) => tracing::debug!(%error, "the tool that waited cannot take this call"),
            }
        }
        let workspace = self
            .rooms
            .workspaces
            .open(&kubeconfig, authority.as_deref());
        let workspace = workspace.map_err(|source| Refusal::Fault {
            what: "no directory could be made for the request",
            source,
        })?;
        self.rooms
            .sandbox
            .start(&run, pinned, workspace, limits)
            .await
            .map_err(not_started)
    }

    /// How much of its output is kept, told and read, under the rule's own bounds. Who hears it at
    /// once has all that is told, so that the rule's bound ends it.
    fn caps(&self, approved: &Approved, live: Option<&Live>) -> Caps {
        let (bounds, rule) = (self.rooms.bounds, approved.bounds());
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

/// What a caller is told when no child runs.
fn not_started(error: SandboxError) -> Refusal {
    let layer = match &error {
        SandboxError::Layer { layer, .. } => Layer::ALL
            .iter()
            .map(|known| known.as_str())
            .find(|known| known == layer)
            .unwrap_or("other"),
        SandboxError::NoHelper => "helper",
        SandboxError::Asking(_)
        | SandboxError::Killed
        | SandboxError::NoSlot
        | SandboxError::SpawnerGone => "spawner",
    };
    metrics::sandbox_failure(layer);
    match error {
        SandboxError::NoHelper => Refusal::Tool {
            reason:
                "this command runs the helper `diff`, which is not beside the tools of this server"
                    .into(),
            hint: "an operator puts it there: `tools/build diff`, or the image as it is built"
                .into(),
        },
        error => error.into(),
    }
}
