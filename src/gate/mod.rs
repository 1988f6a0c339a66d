//! The one enforcement point, the same for every door: [`Gate::run`]. The journey of a request is in
//! `call.rs`, on one screen.
//!
//! Nothing else can start a child for a caller. May not differ between doors.

#![forbid(unsafe_code)]

mod access;
mod arguments;
mod body;
mod call;
mod cleared;
mod deadline;
mod death;
mod explain;
mod forecast;
mod journal;
mod judge;
mod keep;
mod lookup;
mod notes;
mod outcome;
mod part;
mod part_request;
mod parts;
mod pipeline;
mod previewed;
mod request;
mod shape;
mod state;
mod watch;

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::watch::{Receiver, Sender},
    task::JoinError,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

pub use arguments::{Arguments, DryRun, Headers};
pub use body::{Body, ChangedBody, Confinement, KeptBody, LeftOutBody, PartBody, StageBody};
pub use outcome::{Bound, GivenPart, KeptWhole, Outcome, Permitted, Ran, Told};
pub use part_request::PartRequest;
pub use parts::{Bounds, Parts};
pub use pipeline::Stage;
pub use request::{CarriedKubeconfig, Request};

use access::usable_clusters;
use call::Call;
use journal::{FAULT, Journal, Stopped, caught};
use keep::keep;

use crate::{
    audit::Audit,
    egress::Judging,
    identity::{Authenticator, Caller},
    inventory::Inventory,
    metrics,
    output::Live,
    policy::{Offer, Policy},
    refusal::Refusal,
    sandbox::Sandbox,
    store::{EndedBy, RegisteredCall, Registration, Store, StoreError},
    tool::{AccessKind, Tool},
    warm::WarmPool,
};

/// The one enforcement point. Cheap to clone.
#[derive(Clone)]
pub struct Gate {
    parts: Arc<Parts>,
    /// Cancelled when the server stops: then every call is.
    stop: CancellationToken,
    /// Calls that are not recorded to their end yet, and what else has children.
    calls: TaskTracker,
    /// Cancelled when the server has been asked to stop, and calls go on for a time.
    stopping: CancellationToken,
    /// Says that other rules are in force.
    changed: Arc<Sender<()>>,
}

impl Gate {
    /// A gate that is made of these parts.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts: Arc::new(parts),
            stop: CancellationToken::new(),
            calls: TaskTracker::new(),
            stopping: CancellationToken::new(),
            changed: Arc::new(Sender::new(())),
        }
    }

    /// Returns the tools that this server has.
    pub fn inventory(&self) -> &Inventory {
        &self.parts.inventory
    }

    /// Replaces the rules; calls that were judged already go on under the old ones.
    pub fn replace_policy(&self, policy: Policy) {
        self.parts.replace_policy(policy);
        // What the old ones let callers read, the new ones may not.
        self.parts.store.kept.forget_those_of(|_| true);
        self.changed.send_replace(());
    }

    /// Returns what says when other rules are in force, from now on.
    pub fn changes(&self) -> Receiver<()> {
        self.changed.subscribe()
    }

    /// Returns the names of the clusters that a caller may use.
    pub fn clusters(&self, caller: &Caller) -> Vec<String> {
        usable_clusters(&self.parts, caller)
    }

    /// Returns what a caller may use of each tool that is here or comes.
    pub fn offers(&self, caller: &Caller) -> Vec<(Tool, Offer)> {
        let policy = self.parts.policy();
        let inventory = &self.parts.inventory;
        let known = Tool::all().filter_map(|tool| Some((tool, inventory.expected(tool)?)));
        known
            .map(|(tool, catalogue)| (tool, policy.offer(catalogue, caller)))
            .collect()
    }

    /// Returns the bounds of each call.
    fn bounds(&self) -> Bounds {
        self.parts.bounds
    }

    /// Reports itself as not ready from now on; calls go on.
    pub fn begin_to_stop(&self) {
        self.stopping.cancel();
    }

    fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
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

    /// Returns the audit, which records more than calls.
    pub fn audit(&self) -> &Audit {
        &self.parts.audit
    }

    /// Begins to keep tools waiting for calls, until the gate stops.
    pub fn keep_warm(&self) {
        let parts = Arc::clone(&self.parts);
        self.calls.spawn(
            self.parts
                .warm
                .clone()
                .keep(move || parts.store.admission.fresh(), self.stop.clone()),
        );
    }

    /// Runs a task beside the calls, until the gate stops: what it records comes before the record of
    /// the stop.
    pub fn beside_calls(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.calls.spawn(async move {
            stop.run_until_cancelled(task).await;
        });
    }

    /// Returns the tools that wait for a call.
    pub fn warm(&self) -> &WarmPool {
        &self.parts.warm
    }

    /// Returns whether a tool's requests of the Kubernetes API are judged; none for one that makes
    /// none.
    pub fn judging(&self, tool: Tool) -> Option<Judging> {
        let speaks = tool.spec().access == AccessKind::Kubeconfig;
        speaks.then(|| self.parts.judging.of(tool))
    }

    /// Returns the sandbox, for its state.
    pub fn sandbox(&self) -> &Sandbox {
        &self.parts.sandbox
    }

    /// Returns this caller's calls that are under way.
    pub async fn running(&self, caller: &Caller) -> Vec<RegisteredCall> {
        self.parts.store.calls.list(caller).await
    }

    /// Ends one of this caller's calls: it answers with what it printed by then.
    ///
    /// # Errors
    /// [`StoreError::UnknownCall`] when this caller has none of that name under way.
    pub async fn cancel(&self, caller: &Caller, request_id: &str) -> Result<(), StoreError> {
        self.parts.store.calls.cancel(caller, request_id).await
    }

    /// Ends the calls of principals that are not known any more, and forgets what was kept for them.
    pub fn end_calls_of_strangers(&self, authenticator: &Authenticator) {
        let is_stranger = |principal: &str| !authenticator.knows(principal);
        self.parts
            .store
            .calls
            .end_those_of(is_stranger, EndedBy::Removal);
        self.parts.store.kept.forget_those_of(is_stranger);
    }

    /// Returns what is under way and who may not call, for an operator.
    pub fn store(&self) -> &Store {
        &self.parts.store
    }

    /// Runs one request to its end, unless it only asks whether it would run, or for a part of an
    /// output that is kept; `live` hears what it prints while it does. Dropping the future
    /// cancels it: the child is ended and what it had is removed, whoever still listens.
    pub async fn run(&self, caller: Caller, request: Request, live: Option<Live>) -> Outcome {
        if let Some(asked) = PartRequest::of_command(&request) {
            return match request.is_question {
                true => self.explain_part(&caller, asked),
                false => self.part(&caller, asked, request.client.as_ref()).await,
            };
        }
        if request.is_question {
            return self.explain(&caller, &request).await;
        }
        let started = Instant::now();
        let request_id = outcome::request_id();
        let cancel = self.stop.child_token();
        let guard = cancel.clone().drop_guard();
        let (tool, door, principal) = (request.tool, caller.door(), caller.principal().to_owned());
        // An error's level, so that each line of a call names it whatever else is shown.
        let span = tracing::error_span!("call", request_id, %tool, door = door.as_str());
        // A task of its own: a door's future may be dropped at any await, and the end still has to
        // be recorded.
        let parts = Arc::clone(&self.parts);
        let registration = self
            .parts
            .store
            .calls
            .register(&request_id, &caller, tool, cancel.clone())
            .await;
        let call = self.calls.spawn({
            let request_id = request_id.clone();
            let call = async move {
                let call = Call {
                    parts: &parts,
                    caller: &caller,
                    request: &request,
                    request_id: &request_id,
                    since: started,
                    cancel: &cancel,
                    registration: &registration,
                };
                let mut journal = Journal::new(&parts, &caller, &request, &request_id, started);
                let ended = caught(call.run(live, &mut journal)).await;
                let ended = keep(&parts.store.kept, &caller, &request_id, ended);
                journal.close(named_end(ended, &registration)).await
            };
            call.instrument(span.clone())
        });
        let (ran, refusal) = ran_or_refused(call.await);
        drop(guard.disarm());
        let outcome = Outcome {
            took: started.elapsed(),
            ran,
            refusal,
            ..Outcome::nothing(request_id)
        };
        if let Some(refusal @ (Refusal::Fault { .. } | Refusal::Sandbox(_))) = &outcome.refusal {
            span.in_scope(|| tracing::error!(error = %with_causes(refusal), "fault"));
        }
        if let Some(refusal) = &outcome.refusal {
            metrics::refusal(refusal.code());
        }
        metrics::call(tool, door, outcome.label(), outcome.took);
        metrics::principal(&principal, outcome.refusal.is_some());
        outcome
    }
}

/// Names who has ended a call that its caller has not.
fn named_end(ended: Result<Ran, Stopped>, registration: &Registration) -> Result<Ran, Stopped> {
    ended.map_err(|stopped| match (stopped.refusal, registration.ended_by()) {
        (Refusal::Cancelled, Some(by)) => Stopped {
            refusal: by.refusal().into(),
            ..stopped
        },
        (refusal, _) => Stopped { refusal, ..stopped },
    })
}

/// Splits what a call's task ended with; a panic of what records it is a fault of ours, too.
fn ran_or_refused(
    ended: Result<Result<Ran, Stopped>, JoinError>,
) -> (Option<Ran>, Option<Refusal>) {
    match ended {
        Ok(Ok(ran)) => (Some(ran), None),
        Ok(Err(stopped)) => (stopped.ran.map(|ran| *ran), Some(stopped.refusal)),
        Err(error) => (
            None,
            Some(Refusal::Fault {
                what: FAULT,
                source: io::Error::other(error),
            }),
        ),
    }
}

/// Writes an error and its causes on one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_in_a_call_is_a_fault_of_that_call_and_holds_up_no_stop() {
        let calls = TaskTracker::new();
        let (ran, refusal) = ran_or_refused(calls.spawn(async { panic!("a fault of ours") }).await);
        assert!(ran.is_none());
        assert_eq!(
            refusal.map(|refusal| refusal.code()),
            Some(crate::refusal::Code::Internal)
        );
        calls.close();
        timeout(Duration::from_secs(1), calls.wait()).await.unwrap();
    }
}
