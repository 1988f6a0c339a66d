//! Counters and histograms for `/metrics`. Holds no secret; labels have few values.

#![forbid(unsafe_code)]

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::{caller::Door, catalogue::Tool};

/// Buckets from a fast refusal to the longest deadline, in seconds.
const SECONDS: [f64; 14] = [0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0];

/// Starts collecting; the handle renders.
///
/// # Errors
/// When a recorder is already installed.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?.install_recorder()?;
    describe_counter!("airlock_calls_total", "Calls by tool, door and outcome (`ran`, or the code of the refusal)");
    describe_counter!("airlock_policy_reloads_total", "Changes of policy files, taken or refused (then the old rules stay in force)");
    describe_histogram!("airlock_call_seconds", "From a request to its answer");
    describe_histogram!("airlock_spawn_seconds", "From an approved command to the running, confined tool");
    describe_gauge!("airlock_running", "Children that run");
    describe_gauge!("airlock_waiting", "Calls that wait for a place");
    Ok(handle)
}

/// A call was answered.
pub fn call(tool: Tool, door: Door, outcome: &'static str, took: Duration) {
    counter!("airlock_calls_total", "tool" => tool.as_str(), "door" => door.as_str(), "outcome" => outcome).increment(1);
    histogram!("airlock_call_seconds", "tool" => tool.as_str()).record(took);
}

/// A policy file changed, and was taken or not.
pub fn policy_reload(taken: bool) {
    counter!("airlock_policy_reloads_total", "result" => if taken { "taken" } else { "refused" }).increment(1);
}

/// A child was started.
pub fn spawn(tool: Tool, took: Duration) {
    histogram!("airlock_spawn_seconds", "tool" => tool.as_str()).record(took);
}

/// How many children run and how many calls wait.
pub fn load(running: usize, waiting: usize) {
    let value = |count: usize| u32::try_from(count).map_or(f64::INFINITY, f64::from);
    gauge!("airlock_running").set(value(running));
    gauge!("airlock_waiting").set(value(waiting));
}
