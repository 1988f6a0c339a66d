//! The lines of the operator's socket: an [`OperatorRequest`] in, an [`OperatorAnswer`] out.

use serde::{Deserialize, Serialize};

/// What an operator wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum OperatorRequest {
    /// Everybody's calls that wait or run.
    Calls,
    /// The end of one call.
    End {
        /// The call.
        request_id: String,
    },
    /// A lock of a principal, which ends what it runs.
    Lock {
        /// The principal.
        principal: String,
        /// Why, for the records.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The locks there are.
    Locks,
    /// The end of a lock.
    Unlock {
        /// The principal.
        principal: String,
    },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum OperatorAnswer {
    /// Calls, the oldest first.
    Calls {
        /// The calls.
        calls: Vec<ListedCall>,
    },
    /// A call is being ended.
    Ending {
        /// The call.
        request_id: String,
        /// Whose it is.
        principal: String,
    },
    /// A principal is locked.
    Locked {
        /// The principal.
        principal: String,
        /// How many of its calls that ends.
        ended: usize,
    },
    /// Locks, by principal.
    Locks {
        /// The locks.
        locks: Vec<ListedLock>,
    },
    /// Nothing was done.
    Refused {
        /// Why.
        reason: String,
        /// What to do instead.
        hint: String,
    },
    /// A principal may call again.
    Unlocked {
        /// The principal.
        principal: String,
    },
}

/// A call that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedCall {
    /// Its id.
    pub request_id: String,
    /// Whose it is.
    pub principal: String,
    /// The tool that it runs.
    pub tool: String,
    /// `waiting` for a place, or `running`.
    pub state: String,
    /// Its age in milliseconds.
    pub for_ms: u64,
}

/// A principal that may not call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedLock {
    /// The principal.
    pub principal: String,
    /// Since when.
    pub since: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
