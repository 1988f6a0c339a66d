//! One chain of records and the thread that writes it: [`Log`].
//!
//! May not say what a record is about, nor lose one that its call was told of.
//!
//! Held by `tests.rs` and `tests/service/audit.rs`.

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

use super::{
    chain::{Chain, Seal},
    file::{AuditError, FileSettings, LogFile, OpenedLog},
    record::{FileRecord, PolicyDigest, StartRecord, fragment},
    writer::{Due, Order, Shared, Sink, Writer, fits},
};
use crate::metrics;

/// A reader of the records, or a disk, that stalls for longer stalls calls, and they are refused.
const WRITTEN_WITHIN: Duration = Duration::from_secs(5);

/// Decisions that wait to be written. At 10,000 a second this is how many come in 0.4 s.
const LONGEST_QUEUE: usize = 4096;

/// A chain of records. Dropped, it writes what is owed and ends.
pub(super) struct Log {
    orders: Sender<Order>,
    /// Decisions that may wait. Ends need no place: there are no more than allowed calls, and they
    /// must get through.
    places: Arc<Semaphore>,
    shared: Arc<Shared>,
    epoch: Instant,
    seal: Seal,
    repaired: u64,
}

impl Log {
    pub(super) fn to_stream(
        stream: impl Write + Send + 'static,
        seal: Seal,
    ) -> Result<Self, AuditError> {
        Self::start_writer(Sink::Stream(Box::new(stream)), seal, Chain::NEW, None, 0)
    }

    pub(super) fn to_file(settings: FileSettings, seal: Seal) -> Result<Self, AuditError> {
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

    /// Begins, under these rules.
    pub(super) async fn start(&self, policy: Vec<PolicyDigest>) -> io::Result<()> {
        let record = StartRecord {
            version: env!("CARGO_PKG_VERSION"),
            pid: std::process::id(),
            seal: self.seal.name(),
            policy,
            repaired_bytes: self.repaired,
        };
        self.write("start", record, Due::Now).await.map(drop)
    }

    /// Writes a record, and returns how long it is.
    pub(super) async fn write(
        &self,
        event: &'static str,
        record: impl Serialize,
        due: Due,
    ) -> io::Result<usize> {
        let written = self.order(event, record, due).await;
        metrics::audit(event, written.as_ref().err().map(io::Error::kind));
        written
    }

    async fn order(
        &self,
        event: &'static str,
        record: impl Serialize,
        due: Due,
    ) -> io::Result<usize> {
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
        let length = fragment.len();
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
        written.map(|()| length)
    }

    /// Returns why records cannot be written now.
    pub(super) fn problem(&self) -> Option<String> {
        if self.is_stalled() {
            return Some("whatever takes the records has stalled".into());
        }
        self.shared.problem()
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
