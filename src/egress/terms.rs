//! How the requests of one call are taken: [`MonitorTerms`].

use super::budget::CallBudget;

/// What happens to a request that the approved command does not explain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforcement {
    /// It is refused, and ends the call.
    Refuse,
    /// It is sent on, and told.
    Tell,
}

/// Whether what a call writes is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MonitorMode {
    /// It is.
    InEarnest,
    /// Nothing of it: each write is sent as its dry run, and taken for done within the call.
    Preview,
}

/// How the requests of one call are taken.
#[derive(Clone, Copy, Debug)]
pub struct MonitorTerms<'c> {
    /// What happens to what its command does not explain.
    pub enforcement: Enforcement,
    /// Whether what it writes is kept.
    pub mode: MonitorMode,
    /// The path before the API's own, for servers behind a proxy that tells them apart by it.
    pub prefix: &'c str,
    /// The call.
    pub request_id: &'c str,
    /// What it may ask in all.
    pub budget: CallBudget,
}
