//! The file of settings: its callers are taken while the server runs, and of the rest it is said
//! what a restart would take.

use std::{collections::BTreeSet, path::PathBuf};

use toml::{Table, Value};

use super::watched::{Looked, News, Watched, read_apart};
use crate::{
    audit::CallersRecord,
    config::{callers_in, read_settings},
    gate::Gate,
    identity::{Authenticator, CallersChange},
    metrics,
};

/// The file of settings, and what of it is in force.
pub struct SettingsFile {
    path: PathBuf,
    /// Where its callers are taken; none at standard input, which has one.
    authenticator: Option<Authenticator>,
    watched: Watched<String>,
    /// As it was at the first look.
    started_with: Option<Table>,
    /// The keys that differ from it now.
    differ: Vec<String>,
    /// Those whose tokens have ended, as it was last said.
    expired: Vec<String>,
}

impl SettingsFile {
    /// The file at `path`, whose callers `authenticator` knows.
    pub fn new(path: PathBuf, authenticator: Option<Authenticator>) -> Self {
        Self {
            path,
            authenticator,
            watched: Watched::new(None),
            started_with: None,
            differ: Vec::new(),
            expired: Vec::new(),
        }
    }

    /// The keys whose new values a restart would take.
    pub(super) fn need_a_restart(&self) -> Vec<String> {
        self.differ.clone()
    }

    pub(super) async fn look(&mut self, gate: &Gate, is_asked: bool) -> Looked {
        if is_asked {
            self.watched.report_again();
        }
        let is_first = self.watched.in_force().is_none();
        let read = read_apart({
            let path = self.path.clone();
            move || read_settings(&path)
        });
        let (path, authenticator) = (&self.path, self.authenticator.as_ref());
        let mut change = CallersChange::default();
        let take = |text: &String| {
            let callers = callers_in(path, text).map_err(|error| error.to_string())?;
            let Some(authenticator) = authenticator else {
                return Ok(());
            };
            // Whoever reaches the port could call then: that is not decided while a server runs.
            if callers.is_empty() && authenticator.requires_credentials() {
                return Err(NOBODY_LEFT.to_owned());
            }
            change = authenticator.replace(callers);
            Ok(())
        };
        let found = match self.watched.look(read.await, take) {
            News::Taken(_) if is_first => Looked::Unchanged,
            News::Taken(_) => Looked::Taken,
            News::None => Looked::Unchanged,
            News::StillBroken => Looked::Refused,
            News::Broken { problem, content } => {
                let what = match (content, is_first) {
                    (Some(_), _) => "the changed settings do not load",
                    (None, true) => {
                        "a change of the settings will not be seen: let the server's user read the file"
                    }
                    (None, false) => "the settings cannot be read any more",
                };
                tracing::error!(problem, "{what}; the callers loaded before stay in force");
                Looked::Refused
            }
        };
        if found != Looked::Refused {
            self.compare_the_rest();
        }
        if !change.is_empty() {
            take_note_of(gate, &change).await;
        }
        self.watch_callers(gate);
        found
    }

    /// Ends what strangers run, and says whose tokens have ended.
    fn watch_callers(&mut self, gate: &Gate) {
        let Some(authenticator) = &self.authenticator else {
            return;
        };
        let expired = authenticator.expired();
        if expired != self.expired {
            let principals = expired.join(", ");
            tracing::warn!(
                principals,
                "tokens of these callers have ended, and are refused"
            );
            self.expired = expired;
        }
        // Again at each look: a call may have been let in just before its caller was removed.
        gate.end_calls_of_strangers(authenticator);
        metrics::tokens(&authenticator.expiries());
    }

    /// Says once which keys a restart would take.
    fn compare_the_rest(&mut self) {
        let text = self.watched.in_force();
        let Some(now) = text.and_then(|text| text.parse::<Table>().ok()) else {
            return;
        };
        let started_with = self.started_with.get_or_insert_with(|| now.clone());
        let differ = differing(started_with, &now);
        metrics::restart_needed(differ.len());
        if differ == self.differ {
            return;
        }
        let keys = differ.join(", ");
        match differ.is_empty() {
            true => tracing::info!("the settings are again as the server was started with"),
            false => tracing::warn!(keys, "a restart is needed for changed settings"),
        }
        self.differ = differ;
    }
}

const NOBODY_LEFT: &str = "no caller is left in it; a server that anybody may call needs a restart";

async fn take_note_of(gate: &Gate, change: &CallersChange) {
    let CallersChange {
        added,
        changed,
        removed,
    } = change;
    tracing::info!(
        ?added,
        ?changed,
        ?removed,
        "the callers of the changed settings are in force"
    );
    let record = CallersRecord {
        added,
        changed,
        removed,
    };
    gate.audit().callers(&record).await;
}

/// The keys, with their tables, whose values differ; but for callers, which are taken at once.
fn differing(before: &Table, now: &Table) -> Vec<String> {
    let keys = |table: &Table| table.keys().cloned().collect::<BTreeSet<String>>();
    let mut found = Vec::new();
    for key in keys(before)
        .union(&keys(now))
        .filter(|key| *key != "caller")
    {
        let inside = |table: &Table| table.get(key).and_then(Value::as_table).cloned();
        let (one, other) = (before.get(key), now.get(key));
        if one == other {
            continue;
        }
        match (inside(before), inside(now)) {
            (None, None) => found.push(key.clone()),
            (one, other) => found.extend(
                differing(&one.unwrap_or_default(), &other.unwrap_or_default())
                    .into_iter()
                    .map(|inner| format!("{key}.{inner}")),
            ),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_that_a_restart_would_take_are_named_without_their_values() {
        let table = |text: &str| text.parse::<Table>().unwrap();
        let before = table(
            "listen = '127.0.0.1:1'\n[limits]\nrate = 1\nburst = 2\n[[caller]]\nprincipal = 'a'\n[egress]\nallow = []",
        );
        let now = table(
            "listen = '127.0.0.1:2'\n[limits]\nrate = 3\nburst = 2\n[[caller]]\nprincipal = 'b'\n[egress]\nallow = []\n[clusters.prod]\nkubeconfig = 'k'",
        );
        assert_eq!(
            differing(&before, &now),
            ["clusters.prod.kubeconfig", "limits.rate", "listen"]
        );
        assert_eq!(differing(&now, &now), [""; 0]);
    }
}
