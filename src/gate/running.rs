//! The calls that are under way, so that whoever made one can see and end it: [`Running`].
//!
//! May not show or end anybody else's: a call is its principal's, and a stranger is told that there
//! is none.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use schemars::JsonSchema;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::{audit::milliseconds, identity::Caller, refusal::Refusal, tool::Tool};

/// The calls under way, by their ids.
#[derive(Debug, Default)]
pub(super) struct Running(Mutex<HashMap<String, Call>>);

#[derive(Debug)]
struct Call {
    principal: String,
    tool: Tool,
    since: Instant,
    has_started: Arc<AtomicBool>,
    cancel: CancellationToken,
}

/// A call that is under way.
#[derive(Debug, Serialize, JsonSchema, ToSchema)]
pub struct RunningCall {
    /// Its id.
    request_id: String,
    /// The tool that it runs.
    #[schema(value_type = String)]
    tool: Tool,
    /// `waiting` for a place, or `running`.
    state: &'static str,
    /// Since when, in milliseconds.
    for_ms: u64,
}

/// An entry, for as long as its call is under way.
#[derive(Debug)]
pub(super) struct Entry {
    running: Arc<Running>,
    request_id: String,
    has_started: Arc<AtomicBool>,
}

impl Running {
    /// Enters a call, which `cancel` ends.
    pub(super) fn enter(
        self: &Arc<Self>,
        request_id: &str,
        caller: &Caller,
        tool: Tool,
        cancel: CancellationToken,
    ) -> Entry {
        let has_started = Arc::new(AtomicBool::new(false));
        let principal = caller.principal().to_owned();
        let call = Call {
            principal,
            tool,
            since: Instant::now(),
            has_started: Arc::clone(&has_started),
            cancel,
        };
        self.calls().insert(request_id.to_owned(), call);
        Entry {
            running: Arc::clone(self),
            request_id: request_id.to_owned(),
            has_started,
        }
    }

    /// Ends one of this caller's calls.
    ///
    /// # Errors
    /// [`Refusal::UnknownCall`] when this caller has none of that name under way.
    pub(super) fn cancel(&self, caller: &Caller, request_id: &str) -> Result<(), Refusal> {
        let calls = self.calls();
        let call = calls
            .get(request_id)
            .filter(|call| call.principal == caller.principal())
            .ok_or(Refusal::UnknownCall)?;
        call.cancel.cancel();
        Ok(())
    }

    /// This caller's calls, the oldest first.
    pub(super) fn of(&self, caller: &Caller) -> Vec<RunningCall> {
        let calls = self.calls();
        let own = calls
            .iter()
            .filter(|(_, call)| call.principal == caller.principal());
        let mut told: Vec<RunningCall> = own
            .map(|(request_id, call)| RunningCall {
                request_id: request_id.clone(),
                tool: call.tool,
                state: if call.has_started.load(Ordering::Relaxed) {
                    "running"
                } else {
                    "waiting"
                },
                for_ms: milliseconds(call.since.elapsed()),
            })
            .collect();
        told.sort_by(|one, other| {
            other
                .for_ms
                .cmp(&one.for_ms)
                .then_with(|| one.request_id.cmp(&other.request_id))
        });
        told
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<String, Call>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// The child runs now.
    pub(super) fn started(&self) {
        self.has_started.store(true, Ordering::Relaxed);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.running.calls().remove(&self.request_id);
    }
}
