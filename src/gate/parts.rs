//! What a gate is made of: the other rooms, as this server has them.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use crate::{
    audit::Audit,
    clusters::Clusters,
    customs::CustomsCache,
    discovery::DiscoveryCache,
    egress::{Allowed, CallBudget, JudgingSettings, Upstreams},
    inventory::Inventory,
    kubeconfig::Allowances,
    policy::Policy,
    sandbox::Sandbox,
    store::Store,
    warm::WarmPool,
    workspace::Workspaces,
};

/// The bounds of each call.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The deadline of a call that names none.
    pub timeout: Duration,
    /// The longest deadline that a request may name.
    pub longest_timeout: Duration,
    /// Text of each stream that the caller gets, in bytes.
    pub kept_output: usize,
    /// The most text that a request may ask for instead, in bytes.
    pub largest_output: usize,
    /// Bytes of each stream past which the child is ended.
    pub read_output: u64,
    /// RLIMIT_DATA of a child, in bytes.
    pub memory_bytes: u64,
    /// What it may bring for its command to read, in bytes.
    pub data_bytes: usize,
    /// What it may ask of its API server, where its requests are judged.
    pub api: CallBudget,
}

/// The rooms that a request passes, and what bounds it there.
pub struct Parts {
    /// The tools that this server has.
    pub inventory: Arc<Inventory>,
    /// The rules in force.
    pub policy: RwLock<Arc<Policy>>,
    /// The operator's permissions for kubeconfigs.
    pub allowances: Allowances,
    /// The clusters that callers may name.
    pub clusters: Arc<Clusters>,
    /// The operator's address rules.
    pub allowed: Allowed,
    /// Whose API requests are judged.
    pub judging: JudgingSettings,
    /// This server's own connections to API servers.
    pub upstreams: Upstreams,
    /// The place where requests' directories are made.
    pub workspaces: Arc<Workspaces>,
    /// The way to the spawner.
    pub sandbox: Sandbox,
    /// Tools that wait for a call.
    pub warm: WarmPool,
    /// The API discovery that tools made before.
    pub discovery: DiscoveryCache,
    /// The custom resources that clusters were found to have.
    pub customs: CustomsCache,
    /// The places of running calls, the queue before them, and the calls under way.
    pub store: Arc<Store>,
    /// The writer of records.
    pub audit: Audit,
    /// Bounds of each call.
    pub bounds: Bounds,
}

impl Parts {
    /// Returns the rules that are in force now; a call keeps those that it began with.
    pub(super) fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts other rules in force.
    pub(super) fn replace_policy(&self, policy: Policy) {
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
        self.upstreams.close();
    }
}
