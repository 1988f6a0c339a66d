//! One JSON object per decision and per end of a call. Holds no secret, decides nothing.
//!
//! The decision is written before the child starts: a call that cannot be recorded is refused.

#![forbid(unsafe_code)]

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use serde::Serialize;

use crate::{caller::Caller, catalogue::Tool};

/// Where records go.
pub struct Audit(Arc<Mutex<Box<dyn Write + Send>>>);

/// A reader of the records that stalls for longer stalls calls, and they are refused.
const WRITTEN_WITHIN: Duration = Duration::from_secs(5);

/// A decision, before anything starts.
#[derive(Debug, Serialize)]
pub struct DecisionRecord<'a> {
    /// The request.
    pub request_id: &'a str,
    /// Who asks.
    #[serde(flatten)]
    pub who: Who<'a>,
    /// The tool.
    pub tool: Tool,
    /// The canonical argv, when the command could be read; never the caller's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argv: Option<Vec<String>>,
    /// The target's URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// `allow` or `deny`.
    pub effect: &'static str,
    /// The code of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// The rule that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The reason of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether header and body carried different kubeconfigs; the header's was used.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub kubeconfig_conflict: bool,
}

/// The caller, as records name it.
#[derive(Debug, Serialize)]
pub struct Who<'a> {
    /// The principal.
    pub principal: &'a str,
    /// The door.
    pub door: &'static str,
}

impl<'a> Who<'a> {
    /// Names `caller`.
    pub fn of(caller: &'a Caller) -> Self {
        Self { principal: caller.principal(), door: caller.door().as_str() }
    }
}

/// The end of a call whose child ran.
#[derive(Debug, Serialize)]
pub struct EndRecord<'a> {
    /// The request.
    pub request_id: &'a str,
    /// The tool.
    pub tool: Tool,
    /// The exit status; 128 + n for a signal.
    pub exit_code: i32,
    /// The code, when the call was ended before the command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// What the child wrote to both streams, in bytes.
    pub output_bytes: u64,
    /// Whether the caller got less than that.
    pub truncated: bool,
    /// From the request to the end, in milliseconds.
    pub duration_ms: u64,
    /// How often the child asked for another server than its own.
    pub refused_connections: u32,
    /// The layers that the child ran without.
    pub layers_missing: Vec<&'static str>,
}

#[derive(Serialize)]
struct Line<T> {
    time: String,
    event: &'static str,
    #[serde(flatten)]
    record: T,
}

impl Audit {
    /// Records go to `writer`, a line each.
    pub fn new(writer: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Box::new(writer))))
    }

    /// Records a decision.
    ///
    /// # Errors
    /// When it could not be written; the call has to be refused then.
    pub async fn decision(&self, record: &DecisionRecord<'_>) -> io::Result<()> {
        self.write("decision", record).await
    }

    /// Records the end of a call.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn end(&self, record: &EndRecord<'_>) -> io::Result<()> {
        self.write("end", record).await
    }

    /// Off the runtime's threads: a pipe that nobody reads blocks its writer.
    async fn write(&self, event: &'static str, record: impl Serialize) -> io::Result<()> {
        let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let mut line = serde_json::to_vec(&Line { time, event, record })?;
        line.push(b'\n');
        let writer = Arc::clone(&self.0);
        let writing = tokio::task::spawn_blocking(move || {
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            writer.write_all(&line)?;
            writer.flush()
        });
        match tokio::time::timeout(WRITTEN_WITHIN, writing).await {
            Ok(Ok(written)) => written,
            Ok(Err(_)) => Err(io::Error::other("the writer ended")),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// Whole milliseconds.
pub fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
