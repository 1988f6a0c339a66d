//! What replicas of a server have to agree on: [`Store`].
//!
//! Comes in: a caller, and what it wants to do. Goes out: a guard that gives back when it is
//! dropped, or a [`StoreError`]. How often callers call, which places are taken and by whom, which
//! calls are under way and whose a session is live here and nowhere else. All of it is of this
//! process today (`local.rs`); what another replica would have to answer is asynchronous already.
//!
//! May not hold a secret, nor decide about a command. Held by the tests in its files,
//! `tests/service/callers.rs` and `tests/service/streaming.rs`.

#![forbid(unsafe_code)]

mod admission;
mod calls;
mod error;
mod local;
mod rates;
mod sessions;

pub use admission::{Admission, Place};
pub use calls::{CallRegistry, CallState, RegisteredCall, Registration};
pub use error::StoreError;
pub use rates::{Rate, Rates};
pub use sessions::SessionOwners;

/// One value for a whole server, shared by its doors and its gate.
#[derive(Debug)]
pub struct Store {
    /// How often callers call.
    pub rates: Rates,
    /// Places for children, the queue before them, and each caller's share of both.
    pub admission: Admission,
    /// Calls that are under way.
    pub calls: CallRegistry,
    /// Callers that opened MCP sessions.
    pub sessions: SessionOwners,
}

impl Store {
    /// An empty store with these bounds; without a rate callers call as often as they like.
    pub fn new(rate: Option<Rate>, admission: Admission) -> Self {
        Self {
            rates: Rates::new(rate),
            admission,
            calls: CallRegistry::default(),
            sessions: SessionOwners::default(),
        }
    }
}
