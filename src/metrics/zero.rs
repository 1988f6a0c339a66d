//! Every counter from the start, at 0: a rate over the first failure is one, and an alert that
//! nothing was counted is not one that the server has just begun.

use std::collections::BTreeSet;

use metrics::{counter, gauge};

use crate::{catalogue::VerbClass, code::Code, identity::Door, policy::Effect, tool::Tool};

/// The doors of a server that somebody can scrape.
const DOORS: [Door; 2] = [Door::Mcp, Door::Rest];

/// Begins every counter whose labels are known here.
pub(super) fn begin(principals: &BTreeSet<String>) {
    let outcomes = || std::iter::once("ran").chain(Code::ALL.map(Code::as_str));
    for tool in Tool::all() {
        let tool = tool.as_str();
        for (door, outcome) in DOORS
            .into_iter()
            .flat_map(|door| outcomes().map(move |outcome| (door.as_str(), outcome)))
        {
            counter!("airlock_calls_total", "tool" => tool, "door" => door, "outcome" => outcome)
                .absolute(0);
        }
        let classes = VerbClass::ALL.map(VerbClass::as_str);
        for class in classes.into_iter().chain(["unknown"]) {
            for effect in [Effect::Allow, Effect::Confirm, Effect::Deny] {
                counter!("airlock_decisions_total", "tool" => tool, "class" => class, "effect" => effect.word())
                    .absolute(0);
            }
        }
        for start in ["warm", "cold"] {
            counter!("airlock_started_total", "tool" => tool, "start" => start).absolute(0);
        }
    }
    for name in ["airlock_running", "airlock_waiting", "airlock_warm"] {
        gauge!(name).set(0.0);
    }
    for code in Code::ALL {
        counter!("airlock_refusals_total", "code" => code.as_str()).absolute(0);
    }
    for of in ["request", "child"] {
        counter!("airlock_egress_refusals_total", "of" => of).absolute(0);
    }
    for became in ["refused", "sent"] {
        counter!("airlock_unexplained_requests_total", "became" => became).absolute(0);
    }
    for result in ["taken", "refused"] {
        counter!("airlock_policy_reloads_total", "result" => result).absolute(0);
    }
    for found in ["kept", "new"] {
        counter!("airlock_discovery_total", "found" => found).absolute(0);
    }
    for principal in principals {
        for outcome in ["ran", "refused"] {
            counter!("airlock_principal_calls_total", "principal" => principal.clone(), "outcome" => outcome)
                .absolute(0);
        }
    }
}

/// Begins the counters of records: of each event, and each way in which it can fail.
pub fn audit_events(events: &[&'static str]) {
    for &event in events {
        counter!("airlock_audit_records_total", "event" => event).absolute(0);
        for error in ["full", "stalled", "other"] {
            counter!("airlock_audit_failures_total", "event" => event, "error" => error)
                .absolute(0);
        }
    }
}

/// Begins the counters of children that cannot be started, by what fails.
pub fn sandbox_parts(parts: impl IntoIterator<Item = &'static str>) {
    for part in parts {
        counter!("airlock_sandbox_failures_total", "layer" => part).absolute(0);
    }
}
