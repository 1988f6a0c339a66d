//! The calls that are under way, so that whoever made one can see and end it: [`CallRegistry`].
//!
//! May not show or end anybody else's: a call is its principal's, and of a stranger's call it is
//! not said whether it exists. Held by `a_caller_sees_and_ends_its_own_calls_and_no_others`
//! (`tests/service/streaming.rs`).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::{error::StoreError, local::Local};
use crate::{identity::Caller, tool::Tool};

/// The calls under way, by their ids.
#[derive(Debug, Default)]
pub struct CallRegistry(Arc<Local<OwnedCall>>);

#[derive(Debug)]
struct OwnedCall {
    principal: String,
    tool: Tool,
    since: Instant,
    has_started: Arc<AtomicBool>,
    cancel: CancellationToken,
}

/// What its caller sees of a call that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct RegisteredCall {
    pub request_id: String,
    pub tool: Tool,
    pub state: CallState,
    pub age: Duration,
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallState {
    /// Its child runs.
    Running,
    /// It is judged, or waits for a place.
    Waiting,
}

impl CallState {
    /// The state's name for callers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Waiting => "waiting",
        }
    }
}

/// Keeps its call registered until it is dropped.
#[derive(Debug)]
#[must_use = "a registration that is dropped ends at once"]
pub struct Registration {
    calls: Arc<Local<OwnedCall>>,
    request_id: String,
    has_started: Arc<AtomicBool>,
}

impl CallRegistry {
    /// Registers a call, which `cancel` ends.
    pub async fn register(
        &self,
        request_id: &str,
        caller: &Caller,
        tool: Tool,
        cancel: CancellationToken,
    ) -> Registration {
        let has_started = Arc::new(AtomicBool::new(false));
        let call = OwnedCall {
            principal: caller.principal().to_owned(),
            tool,
            since: Instant::now(),
            has_started: Arc::clone(&has_started),
            cancel,
        };
        self.0.lock().insert(request_id.to_owned(), call);
        Registration {
            calls: Arc::clone(&self.0),
            request_id: request_id.to_owned(),
            has_started,
        }
    }

    /// Ends one of this caller's calls.
    ///
    /// # Errors
    /// [`StoreError::UnknownCall`] when this caller has none of that id under way.
    pub async fn cancel(&self, caller: &Caller, request_id: &str) -> Result<(), StoreError> {
        let calls = self.0.lock();
        let call = calls
            .get(request_id)
            .filter(|call| call.principal == caller.principal())
            .ok_or(StoreError::UnknownCall)?;
        call.cancel.cancel();
        Ok(())
    }

    /// Lists this caller's calls, the oldest first.
    pub async fn list(&self, caller: &Caller) -> Vec<RegisteredCall> {
        let calls = self.0.lock();
        let own = calls
            .iter()
            .filter(|(_, call)| call.principal == caller.principal());
        let mut listed: Vec<RegisteredCall> = own
            .map(|(request_id, call)| RegisteredCall {
                request_id: request_id.clone(),
                tool: call.tool,
                state: call.state(),
                age: call.since.elapsed(),
            })
            .collect();
        drop(calls);
        listed.sort_by(|one, other| {
            other
                .age
                .cmp(&one.age)
                .then_with(|| one.request_id.cmp(&other.request_id))
        });
        listed
    }
}

impl OwnedCall {
    fn state(&self) -> CallState {
        if self.has_started.load(Ordering::Relaxed) {
            CallState::Running
        } else {
            CallState::Waiting
        }
    }
}

impl Registration {
    /// Records that the child runs.
    pub async fn started(&self) {
        self.has_started.store(true, Ordering::Relaxed);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.calls.lock().remove(&self.request_id);
    }
}
