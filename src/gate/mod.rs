//! The whole journey of a request on one screen, the same for every door: [`Gate::run`].
//!
//! Nothing else can start a child for a caller. May not differ between doors.

#![forbid(unsafe_code)]

mod access;
mod admission;
mod arguments;
mod outcome;
mod pipeline;
mod running;
mod watch;

use std::{
    fs::File,
    io::{self, Read},
    num::NonZeroU64,
    panic::AssertUnwindSafe,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant, SystemTime},
};

use futures_util::FutureExt as _;
use tokio::{
    task::{JoinError, spawn_blocking},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;
use zeroize::Zeroizing;

pub use admission::Admission;
pub use arguments::{Arguments, Headers};
pub use outcome::{Body, Confinement, Outcome, Ran, StageBody};
pub use pipeline::Stage;
pub use running::RunningCall;

use access::{Access, Handed};
use pipeline::{Piped, Pipeline, Stages, tools_share};
use running::{Entry, Running};
use watch::{Ended, Watch};

use crate::{
    argocd::{ArgocdAccess, Carried},
    audit::{Audit, DecisionRecord, EndRecord, StageRecord, Who, milliseconds},
    caller::Caller,
    catalogue::Tool,
    clusters::Clusters,
    command::{Filter, Invocation, Stages as CommandStages, go_duration, parse, split_stages},
    discovery::{Discovery, DiscoveryCache},
    egress::{Allowed, Pinned, pin},
    excerpt::Excerpt,
    inventory::Inventory,
    kubeconfig::{Kubeconfig, Terms, decode},
    metrics::{self, Step},
    output::{Caps, Live},
    policy::{Approved, Decision, Policy, Target},
    refusal::Refusal,
    sandbox::{Child, Layer, Limits, ProfileName, Run, Sandbox, SandboxError},
    secret::SecretString,
    warm::WarmPool,
    workspace::Workspaces,
};

/// A request as a door hands it in.
#[derive(Debug)]
pub struct Request {
    /// The tool.
    pub tool: Tool,
    /// The command line, with or without the leading tool name.
    pub command: String,
    /// Like `--namespace`.
    pub namespace: Option<String>,
    /// Base64 of a kubeconfig.
    pub kubeconfig: Option<SecretString>,
    /// Whether another place of the request held a different one, which is not used.
    pub kubeconfig_conflict: bool,
    /// A context of the kubeconfig, instead of its current one.
    pub context: Option<String>,
    /// A cluster that the operator has named, instead of a kubeconfig.
    pub cluster: Option<String>,
    /// An Argo CD server and who asks it.
    pub argocd: Carried,
    /// Whether the body named one, which only argocd takes.
    pub argocd_in_body: bool,
    /// A shorter or longer deadline, as Go writes durations.
    pub timeout: Option<String>,
    /// What the client's program calls itself, for the records.
    pub client: Option<Excerpt>,
}

/// What bounds each call.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The deadline of a call that names none.
    pub timeout: Duration,
    /// The longest deadline that a request may name.
    pub longest_timeout: Duration,
    /// Text of each stream that the caller gets, in bytes.
    pub kept_output: usize,
    /// Bytes of each stream past which the child is ended.
    pub read_output: u64,
    /// RLIMIT_DATA of a child, in bytes.
    pub memory_bytes: u64,
}

/// The one enforcement point. Cheap to clone.
#[derive(Clone)]
pub struct Gate {
    rooms: Arc<Rooms>,
    /// Cancelled when the server stops: then every call is.
    stop: CancellationToken,
    /// Calls that are not recorded to their end yet, and what else has children.
    calls: TaskTracker,
    /// The same, by their ids.
    running: Arc<Running>,
}

/// What the journey needs.
pub struct Rooms {
    /// The tools.
    pub inventory: Arc<Inventory>,
    /// The rules in force.
    pub policy: RwLock<Arc<Policy>>,
    /// What kubeconfigs may hold because the operator says so.
    pub terms: Terms,
    /// The clusters that callers may name.
    pub clusters: Arc<Clusters>,
    /// The operator's address rules.
    pub allowed: Allowed,
    /// Where requests' directories are made.
    pub workspaces: Arc<Workspaces>,
    /// The way to the spawner.
    pub sandbox: Sandbox,
    /// Tools that wait for a call.
    pub warm: WarmPool,
    /// What they found of API servers.
    pub discovery: DiscoveryCache,
    /// Places and queue.
    pub admission: Admission,
    /// Records.
    pub audit: Audit,
    /// Bounds of each call.
    pub bounds: Bounds,
}

impl Gate {
    /// The gate to these rooms.
    pub fn new(rooms: Rooms) -> Self {
        Self {
            rooms: Arc::new(rooms),
            stop: CancellationToken::new(),
            calls: TaskTracker::new(),
            running: Arc::default(),
        }
    }

    /// The tools.
    pub fn inventory(&self) -> &Inventory {
        &self.rooms.inventory
    }

    /// Replaces the rules; calls that were judged already go on under the old ones.
    pub fn replace_policy(&self, policy: Policy) {
        *self
            .rooms
            .policy
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }

    /// The names of the clusters that a caller may use.
    pub fn clusters(&self, caller: &Caller) -> Vec<String> {
        usable_clusters(&self.rooms, caller)
    }

    /// Cancels every call and waits, for at most `within`, until each is recorded and cleaned up
    /// after.
    pub async fn stop(&self, within: Duration) {
        self.stop.cancel();
        self.calls.close();
        if timeout(within, self.calls.wait()).await.is_err() {
            tracing::error!(
                calls = self.calls.len(),
                "calls are left at the end; the spawner ends their children"
            );
        }
    }

    /// The records.
    pub fn audit(&self) -> &Audit {
        &self.rooms.audit
    }

    /// Begins to keep tools waiting for calls, until the gate stops.
    pub fn keep_warm(&self) {
        let rooms = Arc::clone(&self.rooms);
        self.calls.spawn(
            self.rooms
                .warm
                .clone()
                .keep(move || rooms.admission.running(), self.stop.clone()),
        );
    }

    /// The tools that wait for a call.
    pub fn warm(&self) -> &WarmPool {
        &self.rooms.warm
    }

    /// The sandbox.
    pub fn sandbox(&self) -> &Sandbox {
        &self.rooms.sandbox
    }

    /// This caller's calls that are under way.
    pub fn running(&self, caller: &Caller) -> Vec<RunningCall> {
        self.running.of(caller)
    }

    /// Ends one of this caller's calls: it answers with what it printed by then.
    ///
    /// # Errors
    /// [`Refusal::UnknownCall`] when this caller has none of that name under way.
    pub fn cancel(&self, caller: &Caller, request_id: &str) -> Result<(), Refusal> {
        self.running.cancel(caller, request_id)
    }

    /// Runs one request to its end; `live` hears what it prints while it does. Dropping the future
    /// cancels it: the child is ended and what it had is removed, whoever still listens.
    pub async fn run(&self, caller: Caller, request: Request, live: Option<Live>) -> Outcome {
        let started = Instant::now();
        let request_id = outcome::request_id();
        let cancel = self.stop.child_token();
        let guard = cancel.clone().drop_guard();
        let (tool, door, principal) = (request.tool, caller.door(), caller.principal().to_owned());
        // An error's level, so that each line of a call names it whatever else is shown.
        let span = tracing::error_span!("call", request_id, %tool, door = door.as_str());
        // A task of its own: a door's future may be dropped at any await, and the end still has to
        // be recorded.
        let rooms = Arc::clone(&self.rooms);
        let call = self.calls.spawn({
            let request_id = request_id.clone();
            let entry = self
                .running
                .enter(&request_id, &caller, tool, cancel.clone());
            let call = async move {
                let call = Call {
                    rooms: &rooms,
                    caller: &caller,
                    request: &request,
                    request_id: &request_id,
                    started,
                };
                call.run(&cancel, &entry, live).await
            };
            call.instrument(span.clone())
        });
        let (ran, refusal) = came_to(call.await);
        drop(guard.disarm());
        let outcome = Outcome {
            request_id,
            took: started.elapsed(),
            ran,
            refusal,
        };
        if let Some(refusal @ (Refusal::Fault { .. } | Refusal::Sandbox(_))) = &outcome.refusal {
            span.in_scope(|| tracing::error!(error = %told_with_causes(refusal), "fault"));
        }
        if let Some(refusal) = &outcome.refusal {
            metrics::refusal(refusal.code().as_str());
        }
        metrics::call(tool, door, outcome.label(), outcome.took);
        metrics::principal(&principal, outcome.refusal.is_some());
        outcome
    }
}

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
const FAULT: &str = "the call ended in a fault of this server";

/// What a call's task ended with; a panic of what records it is a fault of ours, too.
fn came_to(ended: Result<Result<Ran, Stopped>, JoinError>) -> (Option<Ran>, Option<Refusal>) {
    match ended {
        Ok(Ok(ran)) => (Some(ran), None),
        Ok(Err(stopped)) => (stopped.ran, Some(stopped.refusal)),
        Err(error) => (
            None,
            Some(Refusal::Fault {
                what: FAULT,
                source: io::Error::other(error),
            }),
        ),
    }
}

fn usable_clusters(rooms: &Rooms, caller: &Caller) -> Vec<String> {
    let policy = Arc::clone(&rooms.policy.read().unwrap_or_else(PoisonError::into_inner));
    let of = |name: &str, kubeconfig: &Kubeconfig| {
        Target::new(
            caller,
            Some(name),
            Some(kubeconfig.endpoint()),
            kubeconfig.namespace(),
        )
    };
    let usable = rooms
        .clusters
        .all()
        .into_iter()
        .filter(|(name, kubeconfig)| policy.reaches(&of(name, kubeconfig)));
    usable.map(|(name, _)| name).collect()
}

/// An error and its causes, on one line.
fn told_with_causes(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    told
}

/// A journey that was stopped, with what had run by then.
struct Stopped {
    ran: Option<Ran>,
    refusal: Refusal,
}

impl<T: Into<Refusal>> From<T> for Stopped {
    fn from(refusal: T) -> Self {
        Self {
            ran: None,
            refusal: refusal.into(),
        }
    }
}

struct Call<'a> {
    rooms: &'a Rooms,
    caller: &'a Caller,
    request: &'a Request,
    request_id: &'a str,
    started: Instant,
}

impl Call<'_> {
    /// Every room, in order. A room's proof is the next one's argument, so none can be skipped.
    async fn run(
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

    /// Everything that is decided before anything starts.
    async fn judge(&self) -> Result<Judged, (Refusal, Option<Invocation>)> {
        let Self { rooms, request, .. } = self;
        let deadline = self.deadline().map_err(|refusal| (refusal, None))?;
        let catalogue = rooms.inventory.catalogue(request.tool).map_err(|state| {
            let (reason, hint) = state.refusal(request.tool).unwrap_or_default();
            (Refusal::Tool { reason, hint }, None)
        })?;
        let parsing = Instant::now();
        let CommandStages { command, filters } =
            split_stages(request.tool, &request.command).map_err(|error| (error.into(), None))?;
        let invocation = parse(catalogue, command, request.namespace.as_deref())
            .map_err(|error| (error.into(), None))?;
        metrics::step(Step::Parse, request.tool, parsing.elapsed());
        let seen = Some(invocation.clone());
        let filters = filters
            .into_iter()
            .map(Filter::parse)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| (error.into(), seen.clone()))?;
        let not_yet = not_yet(&invocation);
        // Help prints the environment's tokens as defaults; a command that contacts nobody gets
        // none.
        let access = match invocation.is_offline() || not_yet.is_some() {
            true => Access::Nothing,
            false => self
                .access()
                .await
                .map_err(|refusal| (refusal, seen.clone()))?,
        };
        let target = Target::new(
            self.caller,
            self.request.cluster.as_deref(),
            access.endpoint(),
            access.namespace(),
        );
        let policy = Arc::clone(&rooms.policy.read().unwrap_or_else(PoisonError::into_inner));
        let deciding = Instant::now();
        let decision = policy.decide(invocation, &target);
        metrics::step(Step::Policy, request.tool, deciding.elapsed());
        let approved = match decision {
            Decision::Allow(approved) => approved,
            Decision::Confirm(denied) => return Err((Refusal::Unconfirmed(denied), seen)),
            Decision::Deny(denied) => return Err((Refusal::Denied(denied), seen)),
        };
        if let Some(refusal) = not_yet {
            return Err((refusal, seen));
        }
        // A filter has no power, so no rule is asked about it; but it has to be there before
        // anything happens.
        if let Some(refusal) = filters.iter().find_map(|filter| self.lacks(filter)) {
            return Err((refusal, seen));
        }
        let deadline = self
            .deadline_of(&approved, deadline)
            .map_err(|refusal| (refusal, seen.clone()))?;
        let pinned = match access.endpoint() {
            None => Pinned::nowhere(),
            Some(endpoint) => pin(endpoint, &rooms.allowed).await.map_err(|error| {
                metrics::egress_refusal();
                (error.into(), seen.clone())
            })?,
        };
        let by_proxy = ProfileName::of(approved.invocation()).asks_proxy_always();
        Ok(Judged {
            approved,
            filters,
            handed: access.handed(pinned.address().map(|address| address.ip()), by_proxy),
            secrets: access.secrets(),
            target: access.endpoint().map(ToString::to_string),
            pinned,
            deadline,
        })
    }

    /// Why a filter cannot run here, when it cannot.
    fn lacks(&self, filter: &Filter) -> Option<Refusal> {
        let state = self.rooms.inventory.filter(filter.program());
        state
            .refusal(filter.program(), filter.name())
            .map(|(reason, hint)| Refusal::Tool { reason, hint })
    }

    /// What the request brings for its tool.
    async fn access(&self) -> Result<Access, Refusal> {
        let request = self.request;
        let wrong = |what: &str, hint: &str| {
            Err(Refusal::Request {
                reason: what.into(),
                hint: hint.into(),
            })
        };
        if request.tool != Tool::Argocd {
            if request.argocd_in_body {
                return wrong(
                    "only argocd takes argocd_server, argocd_auth_token and argocd_ca",
                    "leave them out",
                );
            }
            return Ok(Access::Kubernetes(self.kubeconfig().await?));
        }
        if request.cluster.is_some() || request.context.is_some() {
            return wrong(
                "argocd takes no cluster and no context",
                "give argocd_server and argocd_auth_token",
            );
        }
        Ok(Access::Argocd(Box::new(ArgocdAccess::parse(
            &request.argocd,
            SystemTime::now(),
        )?)))
    }

    /// The named cluster's kubeconfig, or the caller's own.
    async fn kubeconfig(&self) -> Result<Arc<Kubeconfig>, Refusal> {
        if let Some(name) = &self.request.cluster {
            return self.named_cluster(name);
        }
        let text = self
            .request
            .kubeconfig
            .as_ref()
            .ok_or(Refusal::NoKubeconfig)?;
        let terms = &self.rooms.terms;
        let mut kubeconfig = Kubeconfig::parse(
            &decode(text.expose())?,
            self.request.context.as_deref(),
            terms,
            SystemTime::now(),
        )?;
        if let Some(path) = kubeconfig.token_file().map(ToOwned::to_owned) {
            let what = "the operator's token for this cluster cannot be read";
            let fault = |source| Refusal::Fault { what, source };
            let token = spawn_blocking(move || token_in(&path))
                .await
                .map_err(|error| fault(io::Error::other(error)))?
                .map_err(fault)?;
            kubeconfig
                .put_token(token)
                .map_err(|_| fault(io::ErrorKind::InvalidData.into()))?;
        }
        Ok(Arc::new(kubeconfig))
    }

    /// A cluster that this caller may use; of any other it is not said whether it exists.
    fn named_cluster(&self, name: &str) -> Result<Arc<Kubeconfig>, Refusal> {
        if self.request.kubeconfig.is_some() || self.request.context.is_some() {
            let reason =
                "the request names a cluster and brings a kubeconfig or a context too".into();
            return Err(Refusal::Request {
                reason,
                hint: "give `cluster`, or `kubeconfig` and `context`".into(),
            });
        }
        let usable = usable_clusters(self.rooms, self.caller);
        match self
            .rooms
            .clusters
            .get(name)
            .filter(|_| usable.iter().any(|known| known == name))
        {
            Some(kubeconfig) => Ok(kubeconfig),
            None => {
                let hint = if usable.is_empty() {
                    "send a kubeconfig; this server names no clusters for this caller".to_owned()
                } else {
                    format!("clusters of this server: {}", usable.join(", "))
                };
                Err(Refusal::Request {
                    reason: format!("there is no cluster {} for this caller", Excerpt::new(name)),
                    hint,
                })
            }
        }
    }

    fn deadline(&self) -> Result<Duration, Refusal> {
        let Some(text) = &self.request.timeout else {
            return Ok(self.rooms.bounds.timeout);
        };
        let longest = self.rooms.bounds.longest_timeout;
        let wrong = |reason: String| Refusal::Request {
            reason,
            hint: format!(
                "give a duration like 30s, at most {}",
                humantime::format_duration(longest)
            ),
        };
        match go_duration(text) {
            Some(timeout) if timeout.is_zero() || timeout > longest => Err(wrong(format!(
                "the timeout {} is out of range",
                Excerpt::new(text)
            ))),
            Some(timeout) => Ok(timeout),
            None => Err(wrong(format!(
                "the timeout {} is not a duration",
                Excerpt::new(text)
            ))),
        }
    }

    /// The deadline under the rule's own bound: a longer one that the caller asked for is refused,
    /// not cut.
    fn deadline_of(&self, approved: &Approved, deadline: Duration) -> Result<Duration, Refusal> {
        match approved.bounds().timeout {
            Some(longest) if deadline > longest && self.request.timeout.is_some() => {
                Err(Refusal::Request {
                    reason: format!(
                        "the timeout is longer than the rule {} allows",
                        approved.rule()
                    ),
                    hint: format!(
                        "give at most {}, or leave it out",
                        humantime::format_duration(longest)
                    ),
                })
            }
            Some(longest) => Ok(deadline.min(longest)),
            None => Ok(deadline),
        }
    }

    async fn record_decision(
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
    async fn record_end(&self, ended: &Result<Ran, Stopped>, times: &Times) {
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
struct Times {
    queue: Option<Duration>,
    spawn: Option<Duration>,
    child: Option<Duration>,
}

/// The token in an operator's file, without the line break at its end.
fn token_in(path: &Path) -> io::Result<SecretString> {
    let mut text = Zeroizing::new(String::with_capacity(LONGEST_TOKEN_FILE));
    File::open(path)?
        .take(LONGEST_TOKEN_FILE as u64)
        .read_to_string(&mut text)?;
    Ok(SecretString::new(text.trim_end().to_owned()))
}

/// Longer than any bearer token: a service account's has 1 KiB, a cloud's up to 4.
const LONGEST_TOKEN_FILE: usize = 16 * 1024;

/// What the policy may allow and this server cannot do yet: better refused than half done.
fn not_yet(invocation: &Invocation) -> Option<Refusal> {
    if invocation.is_offline() {
        return None;
    }
    let (reason, hint) = match invocation.tool() {
        // A chart is fetched into a cache, and no child of helm's writes anywhere.
        Tool::Helm if !invocation.charts().is_empty() => (
            "helm commands that fetch a chart are not enabled yet",
            "those about releases are: `list`, `status`, `history`, `get`, `rollback` and `uninstall`",
        ),
        // No profile both listens and runs a helper; without its helper argocd says nothing where
        // it should print.
        Tool::Argocd
            if invocation.path().words() == ["app", "diff"]
                && invocation.flag("grpc-web") == Some("true") =>
        {
            (
                "`argocd app diff` through gRPC-web is not enabled yet",
                "leave --grpc-web out where the server answers gRPC",
            )
        }
        _ => return None,
    };
    Some(Refusal::Tool {
        reason: reason.into(),
        hint: hint.into(),
    })
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

/// A request that may run, and with what.
struct Judged {
    approved: Approved,
    filters: Vec<Filter>,
    handed: Handed,
    secrets: Vec<SecretString>,
    pinned: Pinned,
    target: Option<String>,
    deadline: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_in_a_call_is_a_fault_of_that_call_and_holds_up_no_stop() {
        let calls = TaskTracker::new();
        let (ran, refusal) = came_to(calls.spawn(async { panic!("a fault of ours") }).await);
        assert!(ran.is_none());
        assert_eq!(
            refusal.map(|refusal| refusal.code()),
            Some(crate::refusal::Code::Internal)
        );
        calls.close();
        timeout(Duration::from_secs(1), calls.wait()).await.unwrap();
    }
}
