//! What replicas of a server have to agree on: [`Store`].
//!
//! Comes in: a caller, and what it wants to do. Goes out: a guard that gives back when it is
//! dropped, or a [`StoreError`]. How often callers call, which places are taken and by whom, which
//! calls are under way and whose a session is live here and nowhere else. All of it is of this
//! process today (`local.rs`); what another replica would have to answer is asynchronous already.
//!
//! May not hold a secret, nor decide about a command: outputs are kept as they may be shown. Held by
//! the tests in its files, `tests/service/callers.rs`, `tests/service/fairness.rs`,
//! `tests/service/kept.rs` and `tests/service/streaming.rs`.

#![forbid(unsafe_code)]

use std::thread::available_parallelism;

mod admission;
mod calls;
mod counts;
mod error;
mod kept;
mod local;
mod locks;
mod logins;
mod rates;
mod rule_rates;
mod sessions;
mod settings;
mod turns;
mod written;

pub use admission::{Admission, AdmissionBounds, Place};
pub use calls::{CallRegistry, CallState, EndedBy, RegisteredCall, Registration};
pub use counts::Counts;
pub use error::StoreError;
pub use kept::{Keeping, KeptBounds, KeptOutput, KeptOutputs};
pub use locks::{Locks, PrincipalLock};
pub use logins::RefusedLogins;
pub use rates::{Rate, Rates};
pub use rule_rates::RuleRates;
pub use sessions::{NoRoom, Owner, SessionCall, SessionRegistry};
pub use settings::KeptTable;
pub use turns::{Standing, Turn, TurnOrWait, Turns, Waiting};

/// One value for a whole server, shared by its doors and its gate.
#[derive(Debug)]
pub struct Store {
    /// How often callers call.
    pub rates: Rates,
    /// How often callers use rules that bound it.
    pub rule_rates: RuleRates,
    /// Places for children, the queue before them, and each caller's share of both.
    pub admission: Admission,
    /// Calls that are under way.
    pub calls: CallRegistry,
    /// Open MCP sessions.
    pub sessions: SessionRegistry,
    /// Turns to have a large kubeconfig read.
    pub reading: Turns,
    /// Principals that may not call.
    pub locks: Locks,
    /// Those that were not let in.
    pub logins: RefusedLogins,
    /// Outputs of which an answer showed a part.
    pub kept: KeptOutputs,
}

impl Store {
    /// An empty store with these bounds; without a rate callers call as often as they like.
    pub fn new(rate: Option<Rate>, admission: Admission, kept: KeptBounds) -> Self {
        // Half of the processors are left to those who are served.
        let readers = available_parallelism().map_or(1, |count| (count.get() / 2).clamp(1, 4));
        Self {
            rates: Rates::new(rate),
            rule_rates: RuleRates::default(),
            admission,
            calls: CallRegistry::default(),
            sessions: SessionRegistry::default(),
            reading: Turns::new(readers),
            locks: Locks::default(),
            logins: RefusedLogins::new(),
            kept: KeptOutputs::new(kept),
        }
    }
}
