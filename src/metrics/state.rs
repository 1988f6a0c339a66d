//! Gauges of the server's state, set when somebody reads them or when it changes.

use std::time::SystemTime;

use metrics::{describe_gauge, gauge};

/// Describes each of them.
pub(super) fn describe() {
    describe_gauge!(
        "airlock_audit_writable",
        "1 while records can be written, 0 while calls are refused because they cannot"
    );
    describe_gauge!(
        "airlock_filter_available",
        "Whether the program of filters is there, by program"
    );
    describe_gauge!(
        "airlock_layer",
        "1, with each layer of the sandbox and its state, as the last child reported it"
    );
    describe_gauge!(
        "airlock_kept_output_bytes",
        metrics::Unit::Bytes,
        "What is kept of outputs that answers showed a part of, in memory"
    );
    describe_gauge!("airlock_locked_principals", "Principals that are locked");
    describe_gauge!("airlock_places", "Children that may run at once");
    describe_gauge!(
        "airlock_ready",
        "1 when calls run, as `/ready` says it, else 0"
    );
    describe_gauge!(
        "airlock_reload_last_success_timestamp_seconds",
        "When files were last seen to be in force as they are, by what they are"
    );
    describe_gauge!(
        "airlock_reload_successful",
        "Whether files are in force as they are now, by what they are"
    );
    describe_gauge!(
        "airlock_settings_awaiting_restart",
        "Keys of the settings whose new values a restart would take"
    );
    describe_gauge!(
        "airlock_token_first_expiry_timestamp_seconds",
        "When the first of the tokens ends that are still good; +Inf when none does"
    );
    describe_gauge!(
        "airlock_tokens_expired",
        "Tokens of the settings that have ended"
    );
    describe_gauge!("airlock_tool_available", "Whether calls of a tool run");
    describe_gauge!(
        "airlock_tool_info",
        "1, with the version and the digest of each tool that is available"
    );
}

/// Begins those that change with the settings alone.
pub(super) fn begin() {
    restart_needed(0);
    tokens(&[]);
}

/// Files that are looked at again while the server runs.
#[derive(Clone, Copy, Debug)]
pub enum Reloaded {
    /// The kubeconfigs of named clusters.
    Clusters,
    /// The policy.
    Policy,
    /// The settings, of which the callers are taken.
    Settings,
}

impl Reloaded {
    fn as_str(self) -> &'static str {
        match self {
            Self::Clusters => "clusters",
            Self::Policy => "policy",
            Self::Settings => "settings",
        }
    }
}

/// Sets whether files as they are now are in force; the last success is when that was seen.
pub fn reload(of: Reloaded, are_in_force: bool) {
    let of = of.as_str();
    gauge!("airlock_reload_successful", "of" => of).set(flag(are_in_force));
    if are_in_force {
        gauge!("airlock_reload_last_success_timestamp_seconds", "of" => of)
            .set(seconds_of(SystemTime::now()));
    }
}

/// Sets how many keys of the settings wait for a restart.
pub fn restart_needed(keys: usize) {
    gauge!("airlock_settings_awaiting_restart").set(number(keys));
}

/// Sets when the first of the tokens ends that do, and how many have ended.
pub fn tokens(expiries: &[SystemTime]) {
    let now = SystemTime::now();
    let (ended, to_come): (Vec<_>, Vec<_>) = expiries
        .iter()
        .copied()
        .partition(|end: &SystemTime| *end <= now);
    gauge!("airlock_tokens_expired").set(number(ended.len()));
    let first = to_come.into_iter().min();
    gauge!("airlock_token_first_expiry_timestamp_seconds")
        .set(first.map_or(f64::INFINITY, seconds_of));
}

/// Sets whether calls run, and whether records can be written.
pub fn ready(is_ready: bool, is_recorded: bool) {
    gauge!("airlock_ready").set(flag(is_ready));
    gauge!("airlock_audit_writable").set(flag(is_recorded));
}

/// Sets how many children may run at once, and how many principals are locked.
pub fn bounds(places: usize, locked: usize) {
    gauge!("airlock_places").set(number(places));
    gauge!("airlock_locked_principals").set(number(locked));
}

/// Sets how many bytes of outputs are kept.
pub fn kept(bytes: usize) {
    gauge!("airlock_kept_output_bytes").set(number(bytes));
}

/// Sets whether calls of a tool run: its version and digest where they do.
pub fn tool(tool: &'static str, available: Option<(&str, &str)>) {
    gauge!("airlock_tool_available", "tool" => tool).set(flag(available.is_some()));
    if let Some((version, digest)) = available {
        gauge!("airlock_tool_info", "tool" => tool, "version" => version.to_owned(), "digest" => digest.to_owned())
            .set(1.0);
    }
}

/// Sets whether the program of filters is there.
pub fn filter(program: &'static str, is_available: bool) {
    gauge!("airlock_filter_available", "program" => program).set(flag(is_available));
}

/// Sets the state of a layer, of which `others` are the ones that it is not in.
pub fn layer(layer: &'static str, state: &'static str, others: &[&'static str]) {
    for &other in others {
        gauge!("airlock_layer", "layer" => layer, "state" => other).set(0.0);
    }
    gauge!("airlock_layer", "layer" => layer, "state" => state).set(1.0);
}

fn flag(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

fn number(count: usize) -> f64 {
    u32::try_from(count).unwrap_or(u32::MAX).into()
}

fn seconds_of(time: SystemTime) -> f64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64().floor()
}
