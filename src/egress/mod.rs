//! Where a child may connect to: an [`Endpoint`] and the operator's rules -> a [`Pinned`] address
//! and the [`Tunnel`] that reaches it.
//!
//! The only room that resolves names and dials. May not resolve twice: a second answer is how DNS
//! rebinding gets in. If one address of an answer is refused, the whole answer is, so that a
//! resolver cannot hide a bad address among good ones.

#![forbid(unsafe_code)]

mod address;
mod answer;
mod budget;
mod dial;
mod headers;
mod judging;
mod listener;
mod metered;
mod monitor;
mod pin;
mod previewing;
mod rehearsal;
mod settings;
mod terms;
mod tunnel;
mod upgrade;
mod upstream;

pub use address::{AllowError, AllowRule, Allowed, Forbidden, OnlyError, OnlyRule};
pub use budget::CallBudget;
pub use judging::{Judging, JudgingSettings, JudgingTable};
pub use listener::Listening;
pub use monitor::Monitor;
pub use pin::{EgressError, Pinned, pin};
pub use settings::EgressTable;
pub use terms::{Enforcement, MonitorMode, MonitorTerms};
pub use tunnel::{PROXY, Tunnel};
pub use upstream::{Upstream, UpstreamError, Upstreams};
