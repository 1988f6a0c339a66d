//! Whether calls run, for probes and scrapers: [`Gate::missing`].
//!
//! Held by `tests/operation/ready.rs`.

use super::Gate;
use crate::{
    command::FilterProgram,
    inventory::{Availability, FilterAvailability},
    metrics,
    sandbox::LayerState,
    tool::Tool,
};

impl Gate {
    /// Returns why no call of the essential tool would run now; none when it would.
    pub fn missing(&self) -> Option<String> {
        if self.is_stopping() {
            return Some("the server is stopping".into());
        }
        if !self.sandbox().is_alive() {
            return Some("the spawner has ended".into());
        }
        let unrecorded = || {
            let problem = self.audit().problem()?;
            Some(format!(
                "no audit record can be written, so that every call is refused: {problem}"
            ))
        };
        let absent = || {
            let availability = self.inventory().availability(Tool::essential());
            let refused = availability.refusal(Tool::essential())?;
            Some(refused.reason)
        };
        unrecorded()
            .or_else(|| self.sandbox().last_failure())
            .or_else(absent)
    }

    /// Sets the gauges of the state as it is now.
    pub fn measure_state(&self) {
        metrics::ready(self.missing().is_none(), self.audit().problem().is_none());
        let store = self.store();
        metrics::bounds(store.admission.places(), store.locks.list().len());
        metrics::kept(store.kept.held_bytes());
        for tool in Tool::all() {
            let available = self.inventory().availability(tool);
            let known = match &available {
                Availability::Available {
                    version, digest, ..
                } => Some((version.as_str(), digest.as_str())),
                _ => None,
            };
            metrics::tool(tool.as_str(), known);
        }
        for program in FilterProgram::ALL {
            let state = self.inventory().filter(program);
            let is_available = matches!(state, FilterAvailability::Available { .. });
            metrics::filter(program.as_str(), is_available);
        }
        for status in self.sandbox().layers() {
            let others: Vec<&str> = LayerState::ALL
                .into_iter()
                .filter(|state| *state != status.state)
                .map(LayerState::as_str)
                .collect();
            metrics::layer(status.layer.as_str(), status.state.as_str(), &others);
        }
    }
}
