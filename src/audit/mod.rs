//! One JSON object per decision and per end of a call, each sealed and tied to the one before.
//! Holds no secret, decides nothing.
//!
//! The decision is written before the child starts: a call that cannot be recorded is refused.
//! `kube-airlock audit verify` finds what was changed, taken out or put in; SECURITY.md says what
//! that proves. docs/audit.md has the fields.

#![forbid(unsafe_code)]

mod chain;
mod file;
mod record;
mod settings;
mod verify;
mod writer;

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::{
    sync::{Semaphore, oneshot},
    time::timeout,
};

pub use chain::{Chain, Hash, Link, NoLink, Seal};
pub use file::{AuditError, FileSettings, MOST_KEPT, rotated};
pub use record::{
    DecisionRecord, EndRecord, PolicyDigest, PolicyRecord, StageRecord, StartRecord, StopRecord,
    Who, milliseconds,
};
pub use settings::{AuditSettings, AuditTable, KeyError, seal_of};
pub use verify::{Break, Broken, Report, Verifier};

use file::{LogFile, OpenedLog};
use record::{FileRecord, fragment};
use writer::{Due, Order, Shared, Sink, Writer, fits};

use crate::{metrics, policy::Effect};

/// The proof that a call is in the records as allowed: written, and sealed into the chain.
///
/// Only [`Audit::allowed`] makes one. Not `Clone`: one record starts one call.
/// ```compile_fail,E0451
/// let forged = kube_airlock::audit::Recorded { _made_here: () };
/// ```
#[derive(Debug)]
#[must_use = "a call that is recorded as allowed is about to start"]
pub struct Recorded {
    _made_here: (),
}

/// The way to the records. Dropped, it writes what is owed and ends.
pub struct Audit {
    orders: Sender<Order>,
    /// Decisions that may wait. Ends need no place: there are no more than allowed calls, and they
    /// must get through.
    places: Arc<Semaphore>,
    shared: Arc<Shared>,
    epoch: Instant,
    seal: Seal,
    repaired: u64,
}

/// A reader of the records, or a disk, that stalls for longer stalls calls, and they are refused.
const WRITTEN_WITHIN: Duration = Duration::from_secs(5);

/// Decisions that wait to be written. At 10,000 a second this is how many come in 0.4 s.
const LONGEST_QUEUE: usize = 4096;

impl Audit {
    /// Records go to `stream`, in a chain of their own.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn to_stream(stream: impl Write + Send + 'static, seal: Seal) -> Result<Self, AuditError> {
        Self::start_writer(Sink::Stream(Box::new(stream)), seal, Chain::NEW, None, 0)
    }

    /// Records go to a file, and go on in the chain that is there.
    ///
    /// # Errors
    /// When the file cannot be the audit's.
    pub fn to_file(settings: FileSettings, seal: Seal) -> Result<Self, AuditError> {
        let OpenedLog {
            file,
            chain,
            begin,
            repaired,
        } = LogFile::open(settings, &seal)?;
        let begin = begin.and_then(|reason| fragment("file", FileRecord { reason }).ok());
        Self::start_writer(Sink::File(file), seal, chain, begin, repaired)
    }

    fn start_writer(
        sink: Sink,
        seal: Seal,
        chain: Chain,
        begin: Option<Vec<u8>>,
        repaired: u64,
    ) -> Result<Self, AuditError> {
        let (orders, queue) = channel();
        let (shared, epoch) = (Arc::<Shared>::default(), Instant::now());
        let writer = Writer {
            sink,
            seal: seal.clone(),
            chain,
            begin,
            rest: Vec::new(),
            kept: VecDeque::new(),
            gap: None,
            shared: Arc::clone(&shared),
            epoch,
        };
        thread::Builder::new()
            .name("audit".into())
            .spawn(move || writer.run(&queue))
            .map_err(AuditError::Thread)?;
        Ok(Self {
            orders,
            places: Arc::new(Semaphore::new(LONGEST_QUEUE)),
            shared,
            epoch,
            seal,
            repaired,
        })
    }

    /// Records that the server starts under these rules.
    ///
    /// # Errors
    /// When it could not be written; the server cannot serve then.
    pub async fn start(&self, policy: Vec<PolicyDigest>) -> io::Result<()> {
        let record = StartRecord {
            version: env!("CARGO_PKG_VERSION"),
            pid: std::process::id(),
            seal: self.seal.name(),
            policy,
            repaired_bytes: self.repaired,
        };
        self.write("start", record, Due::Now).await
    }

    /// Records that policy files have changed. Written later when it cannot be now.
    ///
    /// # Errors
    /// When it could not be written yet.
    pub async fn policy(&self, record: &PolicyRecord) -> io::Result<()> {
        self.write("policy", record, Due::Later).await
    }

    /// Records that a call is allowed, whatever `record` has for an effect. The returned proof is
    /// what a start takes.
    ///
    /// # Errors
    /// When it could not be written; the call has to be refused then.
    pub async fn allowed(&self, record: DecisionRecord<'_>) -> io::Result<Recorded> {
        let record = DecisionRecord {
            effect: Effect::Allow,
            ..record
        };
        self.write("decision", record, Due::Now).await?;
        Ok(Recorded { _made_here: () })
    }

    /// Records that a call is refused.
    ///
    /// # Errors
    /// When it could not be written; the caller receives a fault then.
    pub async fn refused(&self, record: &DecisionRecord<'_>) -> io::Result<()> {
        self.write("decision", record, Due::Now).await
    }

    /// Records the end of a call. Written later when it cannot be now.
    ///
    /// # Errors
    /// When it could not be written yet.
    pub async fn end(&self, record: &EndRecord<'_>) -> io::Result<()> {
        self.write("end", record, Due::Later).await
    }

    /// Records that the server stops.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn stop(&self) -> io::Result<()> {
        self.write("stop", StopRecord {}, Due::Later).await
    }

    async fn write(&self, event: &'static str, record: impl Serialize, due: Due) -> io::Result<()> {
        let written = self.order(event, record, due).await;
        metrics::audit(event, written.as_ref().err().map(io::Error::kind));
        written
    }

    async fn order(&self, event: &'static str, record: impl Serialize, due: Due) -> io::Result<()> {
        let fragment = fragment(event, record)?;
        if !fits(&fragment) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the record is too long",
            ));
        }
        // Whoever comes while nothing moves would wait as long as those before him, and in vain.
        if due == Due::Now && self.is_stalled() {
            self.shared.turned_away.fetch_add(1, Ordering::Relaxed);
            return Err(io::ErrorKind::TimedOut.into());
        }
        let (done, is_there) = oneshot::channel();
        let mut is_sent = false;
        let written = timeout(WRITTEN_WITHIN, async {
            let place = if due == Due::Later {
                None
            } else {
                Some(
                    Arc::clone(&self.places)
                        .acquire_owned()
                        .await
                        .map_err(|_| ended())?,
                )
            };
            self.orders
                .send(Order {
                    fragment,
                    due,
                    is_last: event == "stop",
                    done,
                    _place: place,
                })
                .map_err(|_| ended())?;
            is_sent = true;
            is_there.await.map_err(|_| ended())?
        });
        let written = written
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        if !is_sent {
            self.shared.turned_away.fetch_add(1, Ordering::Relaxed);
        }
        written
    }

    fn is_stalled(&self) -> bool {
        match self.shared.busy_since.load(Ordering::Relaxed) {
            0 => false,
            since => {
                self.epoch
                    .elapsed()
                    .saturating_sub(Duration::from_millis(since))
                    > WRITTEN_WITHIN
            }
        }
    }
}

fn ended() -> io::Error {
    io::Error::other("the writer of the audit has ended")
}

#[cfg(test)]
mod tests;
