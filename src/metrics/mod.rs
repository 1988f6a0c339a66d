//! Counters and histograms for `/metrics`. Holds no secret; a label has few values, and none is a
//! caller's text.

#![forbid(unsafe_code)]

mod state;
mod zero;

use std::{collections::BTreeSet, io, net::SocketAddr, sync::OnceLock, time::Duration};

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

pub use state::{
    Reloaded, bounds, filter, kept, layer, ready, reload, restart_needed, tokens, tool,
};
pub use zero::{audit_events, sandbox_parts};

use crate::{
    catalogue::VerbClass,
    code::Code,
    identity::{Door, KnownCaller},
    mistake::{SettingError, or_default},
    policy::Effect,
    tool::Tool,
};

/// Buckets from a fast refusal to the longest deadline, in seconds.
const SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0,
];

/// For what takes microseconds.
const SHORT_SECONDS: [f64; 11] = [
    0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.0001, 0.000_25, 0.0005, 0.001, 0.005, 0.025, 0.1,
];

/// Principals with numbers of their own; those of the settings, when the operator wants them.
static PRINCIPALS: OnceLock<BTreeSet<String>> = OnceLock::new();

/// Each has a few time series of its own.
pub const MOST_PRINCIPALS: usize = 64;

/// The table `[metrics]` of the settings.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsTable {
    /// An address of its own for `/metrics` and probes.
    pub listen: Option<SocketAddr>,
    /// Whether `/metrics`, which anybody may read, counts the calls of each caller.
    #[schemars(with = "Option<bool>")]
    principals: Option<Spanned<bool>>,
}

impl MetricsTable {
    /// Returns the principals that `/metrics` names.
    ///
    /// # Errors
    /// When they are too many.
    pub fn counted(self, callers: &[KnownCaller]) -> Result<BTreeSet<String>, SettingError> {
        let (is_wanted, at) = or_default(self.principals, false);
        let wanted = callers.iter().filter(|_| is_wanted);
        let all: BTreeSet<String> = wanted.map(|caller| caller.principal.clone()).collect();
        if all.len() > MOST_PRINCIPALS {
            let problem = format!("there are more than {MOST_PRINCIPALS} callers");
            return Err(SettingError::new("metrics.principals", at, problem)
                .help("leave it out; the audit has the numbers of each"));
        }
        Ok(all)
    }
}

/// Starts collecting; the handle renders. `/metrics` shows the numbers of these principals, and
/// nobody has to be known to read it.
///
/// # Errors
/// When a recorder is already installed.
pub fn install(principals: BTreeSet<String>) -> Result<PrometheusHandle, BuildError> {
    let short = |name: &str| Matcher::Full(name.into());
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?
        .set_buckets_for_metric(short("airlock_parse_seconds"), &SHORT_SECONDS)?
        .set_buckets_for_metric(short("airlock_policy_seconds"), &SHORT_SECONDS)?
        .set_buckets_for_metric(short("airlock_audit_write_seconds"), &SHORT_SECONDS)?
        .install_recorder()?;
    zero::begin(PRINCIPALS.get_or_init(|| principals));
    state::describe();
    state::begin();
    describe_counter!(
        "airlock_audit_failures_total",
        "Audit records that could not be written at once, by event and error"
    );
    describe_counter!(
        "airlock_audit_records_total",
        "Audit records that were written, by event"
    );
    describe_counter!(
        "airlock_calls_total",
        "Calls by tool, door and outcome (`ran`, or the code of the refusal)"
    );
    describe_counter!(
        "airlock_decisions_total",
        "Calls by tool, class of the verb (`unknown` when it could not be read) and effect"
    );
    describe_counter!(
        "airlock_discovery_total",
        "Warm calls of tools that look for what a server has, by whether that was `kept` or is `new`"
    );
    describe_counter!(
        "airlock_lookups_total",
        "Calls that name a custom resource, by whether what their cluster has was `kept` or is `new`"
    );
    describe_counter!(
        "airlock_egress_refusals_total",
        "Connections that were refused: of a `request` whose server may not be reached, or of a `child` that asked for another"
    );
    describe_counter!(
        "airlock_policy_reloads_total",
        "Changes of policy files, taken or refused (then the old rules stay in force)"
    );
    describe_counter!(
        "airlock_principal_calls_total",
        "Calls by principal and outcome (`ran` or `refused`)"
    );
    describe_counter!(
        "airlock_refusals_total",
        "Refusals by code, of calls and of requests that never became one"
    );
    describe_counter!(
        "airlock_sandbox_failures_total",
        "Children that could not be started, by the layer that failed"
    );
    describe_counter!(
        "airlock_started_total",
        "Tools that ran a call, by tool and whether they were `warm` or started for it, `cold`"
    );
    describe_counter!(
        "airlock_unexplained_requests_total",
        "API requests that no approved command explains, by what became of them (`refused` or `sent`)"
    );
    describe_gauge!("airlock_build_info", "1, with the server's version");
    describe_gauge!("airlock_running", "Children that run");
    describe_gauge!(
        "airlock_warm",
        "Tools that are started, confined, and wait for a call"
    );
    describe_gauge!("airlock_waiting", "Calls that wait for a place");
    describe_histogram!("airlock_audit_write_seconds", "One write of audit records");
    describe_histogram!("airlock_call_seconds", "From a request to its answer");
    describe_histogram!("airlock_child_seconds", "From the running tool to its end");
    describe_histogram!("airlock_parse_seconds", "From a text to a command");
    describe_histogram!("airlock_policy_seconds", "From a command to a decision");
    describe_histogram!("airlock_queue_seconds", "From a decision to a place");
    describe_histogram!(
        "airlock_spawn_seconds",
        "From an approved command to the running, confined tool"
    );
    gauge!("airlock_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(handle)
}

/// How often what was measured is added up. At ten thousand requests a second it is 2 MB by then.
const ADD_UP_EVERY: Duration = Duration::from_secs(5);

/// Adds up what was measured since the last time, for as long as the server runs: each single value
/// is kept until then, or until somebody reads `/metrics`, which nobody may ever do.
pub async fn keep(handle: PrometheusHandle) {
    loop {
        tokio::time::sleep(ADD_UP_EVERY).await;
        handle.run_upkeep();
    }
}

/// A part of a call's way.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// From the running tool to its end.
    Child,
    /// From a text to a command.
    Parse,
    /// From a command to a decision.
    Policy,
    /// From a decision to a place.
    Queue,
    /// From an approved command to the running tool.
    Spawn,
}

/// Counts an API request that its command does not explain.
pub fn unexplained_request(is_refused: bool) {
    let became = if is_refused { "refused" } else { "sent" };
    counter!("airlock_unexplained_requests_total", "became" => became).increment(1);
}

/// Records how long a part of a call's way took.
pub fn step(step: Step, tool: Tool, took: Duration) {
    let name = match step {
        Step::Child => "airlock_child_seconds",
        Step::Parse => "airlock_parse_seconds",
        Step::Policy => "airlock_policy_seconds",
        Step::Queue => "airlock_queue_seconds",
        Step::Spawn => "airlock_spawn_seconds",
    };
    histogram!(name, "tool" => tool.as_str()).record(took);
}

/// Counts a call that was answered.
pub fn call(tool: Tool, door: Door, outcome: &'static str, took: Duration) {
    counter!("airlock_calls_total", "tool" => tool.as_str(), "door" => door.as_str(), "outcome" => outcome).increment(1);
    histogram!("airlock_call_seconds", "tool" => tool.as_str()).record(took);
}

/// Counts an answered call of this principal.
pub fn principal(name: &str, is_refused: bool) {
    if PRINCIPALS.get().is_some_and(|known| known.contains(name)) {
        let outcome = if is_refused { "refused" } else { "ran" };
        counter!("airlock_principal_calls_total", "principal" => name.to_owned(), "outcome" => outcome).increment(1);
    }
}

/// Counts a decision.
pub fn decision(tool: Tool, class: Option<VerbClass>, effect: Effect) {
    let class = class.map_or("unknown", VerbClass::as_str);
    counter!("airlock_decisions_total", "tool" => tool.as_str(), "class" => class, "effect" => effect.word()).increment(1);
}

/// Counts a refusal, of a call or of a request that never became one.
pub fn refusal(code: Code) {
    counter!("airlock_refusals_total", "code" => code.as_str()).increment(1);
}

/// Counts a child that could not be started.
pub fn sandbox_failure(layer: &'static str) {
    counter!("airlock_sandbox_failures_total", "layer" => layer).increment(1);
}

/// Counts a request whose server may not be reached.
pub fn egress_refusal() {
    counter!("airlock_egress_refusals_total", "of" => "request").increment(1);
}

/// Counts a child's connections to other servers than its own.
pub fn refused_connections(count: u32) {
    if count > 0 {
        counter!("airlock_egress_refusals_total", "of" => "child").increment(count.into());
    }
}

/// Counts a change of a policy file, taken or refused.
pub fn policy_reload(taken: bool) {
    counter!("airlock_policy_reloads_total", "result" => if taken { "taken" } else { "refused" })
        .increment(1);
}

/// Counts an audit record, or the failure to write one.
pub fn audit(event: &'static str, failure: Option<io::ErrorKind>) {
    match failure {
        None => counter!("airlock_audit_records_total", "event" => event).increment(1),
        Some(kind) => {
            let error = match kind {
                io::ErrorKind::StorageFull
                | io::ErrorKind::QuotaExceeded
                | io::ErrorKind::FileTooLarge => "full",
                io::ErrorKind::TimedOut => "stalled",
                _ => "other",
            };
            counter!("airlock_audit_failures_total", "event" => event, "error" => error)
                .increment(1);
        }
    }
}

/// Records how long one write of audit records took.
pub fn audit_write(took: Duration) {
    histogram!("airlock_audit_write_seconds").record(took);
}

/// Adds to the number of children that run.
pub fn running(more: f64) {
    gauge!("airlock_running").increment(more);
}

/// Sets how many tools wait for a call.
pub fn warm(tools: usize) {
    gauge!("airlock_warm").set(u32::try_from(tools).unwrap_or(u32::MAX));
}

/// Counts a tool that runs a call.
pub fn started(tool: Tool, was_warm: bool) {
    counter!("airlock_started_total", "tool" => tool.as_str(), "start" => if was_warm { "warm" } else { "cold" }).increment(1);
}

/// Counts a tool that looks for what a server has: it got what an earlier one found, or nothing.
pub fn discovery(was_kept: bool) {
    counter!("airlock_discovery_total", "found" => if was_kept { "kept" } else { "new" })
        .increment(1);
}

/// Counts a call whose words only its cluster can tell: what that has was known, or was asked.
pub fn lookup(was_kept: bool) {
    counter!("airlock_lookups_total", "found" => if was_kept { "kept" } else { "new" })
        .increment(1);
}

/// Adds to the number of calls that wait for a place.
pub fn waiting(more: f64) {
    gauge!("airlock_waiting").increment(more);
}
