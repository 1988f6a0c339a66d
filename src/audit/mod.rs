//! One JSON object per decision and per end of a call, each sealed and tied to the one before.
//! Holds no secret, decides nothing.
//!
//! The decision is written before the child starts: a call that cannot be recorded is refused.
//! `kube-airlock audit verify` finds what was changed, taken out or put in; SECURITY.md says what
//! that proves. docs/audit.md has the fields.

#![forbid(unsafe_code)]

mod chain;
mod events;
mod file;
mod log;
mod record;
mod settings;
mod verify;
mod writer;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

pub use chain::{Chain, Hash, Link, NoLink, Seal};
pub use events::{
    CallersRecord, ClusterRecord, LoginRecord, OperatorRecord, OutputRecord, ToolRecord,
};
pub use file::{AuditError, FileSettings, MOST_KEPT, rotated};
pub use record::{
    ArgvRest, DataRecord, DecisionRecord, EndRecord, PolicyDigest, PolicyRecord, StageRecord,
    StartRecord, StopRecord, Who, milliseconds, shown_of_refused,
};
pub use settings::{AuditSettings, AuditTable, KeyError, seal_of};
pub use verify::{Break, Broken, Report, Verifier};

use log::Log;
use serde::Serialize;
use writer::Due;

use crate::{metrics, policy::Effect};

/// The proof that a call is in the records as allowed: written, and sealed into the chain.
///
/// Only [`Audit::allowed`] makes one. Not `Clone`: one record starts one call.
/// ```compile_fail,E0451
/// let forged = kube_airlock::audit::Recorded { bytes: 0 };
/// ```
#[derive(Debug)]
#[must_use = "a call that is recorded as allowed is about to start"]
pub struct Recorded {
    bytes: usize,
}

impl Recorded {
    /// How long the record is.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// The way to the records. Dropped, it writes what is owed and ends.
///
/// In files, what is refused has a chain of its own, and its own rotation: it costs a caller
/// nothing, and may not push out what others did.
pub struct Audit {
    log: Log,
    /// Of refusals, unless they stand with the others.
    refusals: Option<Log>,
}

/// What calls and the server have records written about.
const EVENTS: [&str; 12] = [
    "callers", "cluster", "decision", "end", "login", "lookup", "operator", "output", "policy",
    "start", "stop", "tool",
];

impl Audit {
    /// Records go to `stream`, in a chain of their own.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn to_stream(stream: impl Write + Send + 'static, seal: Seal) -> Result<Self, AuditError> {
        metrics::audit_events(&EVENTS);
        Ok(Self {
            log: Log::to_stream(stream, seal)?,
            refusals: None,
        })
    }

    /// Records go to a file, refusals to another one beside it, and go on in the chains that are
    /// there.
    ///
    /// # Errors
    /// When a file cannot be the audit's.
    pub fn to_file(settings: FileSettings, seal: Seal) -> Result<Self, AuditError> {
        let refusals = FileSettings {
            path: refusals_of(&settings.path),
            ..settings.clone()
        };
        metrics::audit_events(&EVENTS);
        Ok(Self {
            log: Log::to_file(settings, seal.clone())?,
            refusals: Some(Log::to_file(refusals, seal)?),
        })
    }

    /// Records that the server starts under these rules.
    ///
    /// # Errors
    /// When it could not be written; the server cannot serve then.
    pub async fn start(&self, policy: Vec<PolicyDigest>) -> io::Result<()> {
        if let Some(refusals) = &self.refusals {
            refusals.start(policy.clone()).await?;
        }
        self.log.start(policy).await
    }

    /// Records that policy files have changed.
    pub async fn policy(&self, record: &PolicyRecord) {
        note(&self.log, "policy", record, "the change of the policy").await;
    }

    /// Records that the callers of the settings changed.
    pub async fn callers(&self, record: &CallersRecord<'_>) {
        note(&self.log, "callers", record, "the change of the callers").await;
    }

    /// Records that the kubeconfig of a named cluster changed.
    pub async fn cluster(&self, record: &ClusterRecord<'_>) {
        note(
            &self.log,
            "cluster",
            record,
            "the change of a named cluster",
        )
        .await;
    }

    /// Records which program answers to a tool's name.
    pub async fn tool(&self, record: &ToolRecord<'_>) {
        note(&self.log, "tool", record, "the state of a tool").await;
    }

    /// Records that somebody was not let in, where other refusals are.
    pub async fn login(&self, record: &LoginRecord<'_>) {
        note(self.of_refusals(), "login", record, "a refused login").await;
    }

    /// Records what an operator does.
    pub async fn operator(&self, record: &OperatorRecord<'_>) {
        note(&self.log, "operator", record, "what the operator did").await;
    }

    /// Returns where refusals are recorded.
    fn of_refusals(&self) -> &Log {
        self.refusals.as_ref().unwrap_or(&self.log)
    }

    /// Returns why records cannot be written now; calls are refused then.
    pub fn problem(&self) -> Option<String> {
        let of_refusals = || self.refusals.as_ref().and_then(Log::problem);
        self.log.problem().or_else(of_refusals)
    }

    /// Records that a call is allowed, whatever `record` has for an effect. The returned proof is
    /// what a start takes.
    ///
    /// # Errors
    /// When it could not be written; the call has to be refused then.
    pub async fn allowed(&self, record: DecisionRecord<'_>) -> io::Result<Recorded> {
        self.started("decision", record).await
    }

    /// Records that a cluster is asked what resources it has, for a call that is not decided yet.
    /// The returned proof is what a start takes.
    ///
    /// # Errors
    /// When it could not be written; nothing may be asked then.
    pub async fn lookup(&self, record: DecisionRecord<'_>) -> io::Result<Recorded> {
        self.started("lookup", record).await
    }

    /// Records what is about to start, as allowed.
    async fn started(
        &self,
        event: &'static str,
        record: DecisionRecord<'_>,
    ) -> io::Result<Recorded> {
        let record = DecisionRecord {
            effect: Effect::Allow,
            ..record
        };
        let bytes = self.log.write(event, record, Due::Now).await?;
        Ok(Recorded { bytes })
    }

    /// Records that a call is refused. Returns how long the record is.
    ///
    /// # Errors
    /// When it could not be written; the caller receives a fault then.
    pub async fn refused(&self, record: &DecisionRecord<'_>) -> io::Result<usize> {
        self.of_refusals().write("decision", record, Due::Now).await
    }

    /// Records that a caller reads what was kept for it. Returns how long the record is.
    ///
    /// # Errors
    /// When it could not be written; nothing may be told then.
    pub async fn output(&self, record: &OutputRecord<'_>) -> io::Result<usize> {
        self.log.write("output", record, Due::Now).await
    }

    /// Records the end of a call. Written later when it cannot be now. Returns how long the record
    /// is.
    ///
    /// # Errors
    /// When it could not be written yet.
    pub async fn end(&self, record: &EndRecord<'_>) -> io::Result<usize> {
        self.log.write("end", record, Due::Later).await
    }

    /// Records that the server stops.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn stop(&self) -> io::Result<()> {
        if let Some(refusals) = &self.refusals {
            refusals.write("stop", StopRecord {}, Due::Later).await?;
        }
        self.log
            .write("stop", StopRecord {}, Due::Later)
            .await
            .map(drop)
    }
}

/// Records what nothing waits for; what cannot be written now is written later, which is logged.
async fn note(log: &Log, event: &'static str, record: impl Serialize, what: &str) {
    if let Err(error) = log.write(event, record, Due::Later).await {
        tracing::error!(%error, "{what} could not be recorded yet; it is when there is room again");
    }
}

/// The file of refusals beside a file of records.
pub fn refusals_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".refused");
    name.into()
}

#[cfg(test)]
mod tests;
