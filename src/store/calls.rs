//! The calls that are under way, so that whoever made one can see and end it: [`CallRegistry`].
//!
//! May not show a caller anybody else's, nor let it end one: a call is its principal's, and of a
//! stranger's call it is not said whether it exists. Everybody's are the operator's alone. Held by `a_caller_sees_and_ends_its_own_calls_and_no_others`
//! (`tests/service/streaming.rs`).

use std::{
    sync::{
        Arc, OnceLock,
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
    ended_by: Arc<OnceLock<EndedBy>>,
}

/// Who has ended a call that its caller has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// The operator, this call alone.
    Operator,
    /// The operator, who has locked its principal.
    Lock,
    /// The operator, who has removed its caller from the settings.
    Removal,
}

impl EndedBy {
    /// What the caller is told.
    pub fn refusal(self) -> StoreError {
        match self {
            Self::Operator => StoreError::EndedByOperator,
            Self::Lock => StoreError::Locked,
            Self::Removal => StoreError::Removed,
        }
    }
}

/// What its caller sees of a call that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct RegisteredCall {
    pub request_id: String,
    pub principal: String,
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
    ended_by: Arc<OnceLock<EndedBy>>,
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
        let ended_by = Arc::new(OnceLock::new());
        let call = OwnedCall {
            principal: caller.principal().to_owned(),
            tool,
            since: Instant::now(),
            has_started: Arc::clone(&has_started),
            cancel,
            ended_by: Arc::clone(&ended_by),
        };
        self.0.lock().insert(request_id.to_owned(), call);
        Registration {
            calls: Arc::clone(&self.0),
            request_id: request_id.to_owned(),
            has_started,
            ended_by,
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

    /// Ends any call of that id; whose it was.
    pub fn end(&self, request_id: &str) -> Option<String> {
        let calls = self.0.lock();
        let call = calls.get(request_id)?;
        call.end(EndedBy::Operator);
        Some(call.principal.clone())
    }

    /// Ends the calls of all such principals; how many those were.
    pub fn end_those_of(&self, is_such: impl Fn(&str) -> bool, by: EndedBy) -> usize {
        let calls = self.0.lock();
        let theirs = calls.values().filter(|call| is_such(&call.principal));
        theirs.map(|call| call.end(by)).count()
    }

    /// Lists this caller's calls, the oldest first.
    pub async fn list(&self, caller: &Caller) -> Vec<RegisteredCall> {
        self.list_those_of(|principal| principal == caller.principal())
    }

    /// Lists everybody's calls, the oldest first.
    pub fn list_all(&self) -> Vec<RegisteredCall> {
        self.list_those_of(|_| true)
    }

    fn list_those_of(&self, is_such: impl Fn(&str) -> bool) -> Vec<RegisteredCall> {
        let calls = self.0.lock();
        let such = calls.iter().filter(|(_, call)| is_such(&call.principal));
        let mut listed: Vec<RegisteredCall> = such
            .map(|(request_id, call)| RegisteredCall {
                request_id: request_id.clone(),
                principal: call.principal.clone(),
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
    fn end(&self, by: EndedBy) {
        let _ = self.ended_by.set(by); // who ends it first has ended it
        self.cancel.cancel();
    }

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

    /// Who has ended the call, where its caller has not.
    pub fn ended_by(&self) -> Option<EndedBy> {
        self.ended_by.get().copied()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.calls.lock().remove(&self.request_id);
    }
}
