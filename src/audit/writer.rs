//! The one thread that writes: records that came meanwhile go out with one write call, and each
//! call is told once its own is there.
//!
//! What cannot be written is not in the chain: a file is cut back to its last whole line. A pipe
//! cannot be, so the rest of a line that was begun is the first thing that is written when there is
//! room again. A decision that failed is forgotten, since its call is refused; ends and changes of
//! the policy are kept, and follow. A record of the gap says what happened.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{
    chain::{Chain, LONGEST_LINE, Seal},
    file::{Failure, LogFile},
    record::{FileRecord, GapRecord, fragment, now},
};
use crate::metrics;

/// When a record has to be there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Now, or what it is about does not happen.
    Now,
    /// When there is room: what it is about has happened.
    Later,
}

/// A record on its way.
pub(super) struct Order {
    pub(super) fragment: Vec<u8>,
    pub(super) due: Due,
    /// Whether it is to be on the disk before it counts as there.
    pub(super) is_last: bool,
    /// Told when it is there.
    pub(super) done: oneshot::Sender<io::Result<()>>,
    /// A decision's place in the queue.
    pub(super) _place: Option<OwnedSemaphorePermit>,
}

/// Where lines go.
pub(super) enum Sink {
    File(LogFile),
    Stream(Box<dyn Write + Send>),
}

/// What the calls and the writer tell each other beside records.
#[derive(Default)]
pub(super) struct Shared {
    /// Since when the writer has something to write, in milliseconds since the audit began; 0 when
    /// it has not.
    pub(super) busy_since: AtomicU64,
    /// Decisions that were refused before they came to the writer.
    pub(super) turned_away: AtomicU64,
    /// Why nothing can be written, since the first record that could not be.
    pub(super) problem: Mutex<Option<String>>,
}

impl Shared {
    /// Why records cannot be written, when they cannot.
    pub(super) fn problem(&self) -> Option<String> {
        let problem = self.problem.lock();
        problem.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says that records can, or cannot, be written.
    pub(super) fn set_problem(&self, problem: Option<String>) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }
}

pub(super) struct Writer {
    pub(super) sink: Sink,
    pub(super) seal: Seal,
    pub(super) chain: Chain,
    /// What the next line has to be, when a file begins.
    pub(super) begin: Option<Vec<u8>>,
    /// The rest of a line that has begun.
    pub(super) rest: Vec<u8>,
    /// What could not be written and has to be, in order.
    pub(super) kept: VecDeque<Vec<u8>>,
    pub(super) gap: Option<GapRecord>,
    pub(super) shared: Arc<Shared>,
    pub(super) epoch: Instant,
}

/// Records that go out with one write call at most, and the bytes of them.
const GROUP: usize = 512;
const GROUP_BYTES: usize = 256 * 1024;

/// When nobody asks for anything, it is tried again this often whether there is room.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// Ends that are kept. While nothing can be written no call is let in, so there are no more than
/// running ones.
const MOST_KEPT: usize = 8192;

/// What of a group is in the chain.
struct Line {
    end: usize,
    behind: Chain,
    of: Of,
}

enum Of {
    Begin,
    Gap,
    Kept,
    Order,
}

impl Writer {
    /// Writes until nobody can send any more.
    pub(super) fn run(mut self, orders: &Receiver<Order>) {
        loop {
            self.count_turned_away();
            let owes = self.begin.is_some()
                || self.gap.is_some()
                || !self.kept.is_empty()
                || !self.rest.is_empty();
            let first = if owes {
                orders.recv_timeout(TRY_AGAIN)
            } else {
                orders.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            let since = u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.shared
                .busy_since
                .store(since.max(1), Ordering::Relaxed);
            let mut group = Vec::new();
            match first {
                Err(RecvTimeoutError::Disconnected) => {
                    if owes {
                        self.write(group);
                    }
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Ok(first) => {
                    // Whoever sent it is let go on first, where there is one processor: what others
                    // send until then goes out with the same call, and none of them has to wake
                    // this thread.
                    thread::yield_now();
                    let mut bytes = first.fragment.len();
                    group.push(first);
                    while group.len() < GROUP
                        && bytes < GROUP_BYTES
                        && let Ok(next) = orders.try_recv()
                    {
                        bytes += next.fragment.len();
                        group.push(next);
                    }
                }
            }
            let started = Instant::now();
            self.write(group);
            self.shared.busy_since.store(0, Ordering::Relaxed);
            metrics::audit_write(started.elapsed());
        }
    }

    fn count_turned_away(&mut self) {
        let count = self.shared.turned_away.swap(0, Ordering::Relaxed);
        if count > 0 {
            self.widen_gap(
                &io::ErrorKind::TimedOut.into(),
                usize::try_from(count).unwrap_or(usize::MAX),
            );
        }
    }

    fn write(&mut self, group: Vec<Order>) {
        self.count_turned_away();
        // Nobody waits for these any more: their calls are refused.
        let (group, gone): (Vec<_>, Vec<_>) = group
            .into_iter()
            .partition(|order| order.due == Due::Later || !order.done.is_closed());
        if !gone.is_empty() {
            self.widen_gap(&io::ErrorKind::TimedOut.into(), gone.len());
        }
        match self.prepare() {
            Ok(()) => self.append(group.into()),
            Err(error) => self.fail(group.into(), &error),
        }
    }

    /// Brings the sink to where a line can begin.
    fn prepare(&mut self) -> io::Result<()> {
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            if let Err(failure) = self.sink.append(&rest, false) {
                self.rest = rest.get(failure.written..).unwrap_or_default().to_vec();
                return Err(failure.error);
            }
        }
        if let Sink::File(file) = &mut self.sink
            && let Some(reason) = file.prepare()?
        {
            self.begin = Some(fragment("file", FileRecord { reason })?);
        }
        Ok(())
    }

    /// What is owed, and then the group, in one call.
    fn append(&mut self, mut group: VecDeque<Order>) {
        let gap = self.gap.as_ref().and_then(|gap| fragment("gap", gap).ok());
        let first = self
            .begin
            .iter()
            .map(|text| (Of::Begin, text))
            .chain(gap.iter().map(|text| (Of::Gap, text)));
        let owed = first.chain(self.kept.iter().map(|text| (Of::Kept, text)));
        let texts = owed.chain(group.iter().map(|order| (Of::Order, &order.fragment)));
        let (mut bytes, mut lines, mut chain) = (Vec::new(), Vec::new(), self.chain);
        for (of, text) in texts {
            chain = chain.link(&self.seal, text, &mut bytes);
            lines.push(Line {
                end: bytes.len(),
                behind: chain,
                of,
            });
        }
        let is_last = group.iter().any(|order| order.is_last);
        let failed = if bytes.is_empty() {
            None
        } else {
            self.sink.append(&bytes, is_last).err()
        };
        // Whole lines stay. What is there of others is taken away; where it cannot be, it is in the
        // chain, and late.
        let (mut whole, mut begun) = (bytes.len(), bytes.len());
        if let Some(failure) = &failed {
            whole = lines
                .iter()
                .map(|line| line.end)
                .take_while(|end| *end <= failure.sure)
                .last()
                .unwrap_or(0);
            begun = whole;
            if failure.written > whole && self.sink.take_back(failure.written - whole).is_err() {
                begun = lines
                    .iter()
                    .map(|line| line.end)
                    .find(|end| *end >= failure.written)
                    .unwrap_or(bytes.len());
                self.rest = bytes
                    .get(failure.written..begun)
                    .unwrap_or_default()
                    .to_vec();
            }
        }
        for line in lines.iter().take_while(|line| line.end <= begun) {
            self.chain = line.behind;
            match &failed {
                Some(failure) if line.end > whole => {
                    self.late_line(line, &mut group, &failure.error)
                }
                _ => self.written(line, &mut group),
            }
        }
        if let Some(failure) = failed {
            self.fail(group, &failure.error);
        }
    }

    /// A line will be there, though its call is told that it is not.
    fn late_line(&mut self, line: &Line, group: &mut VecDeque<Order>, error: &io::Error) {
        if !matches!(line.of, Of::Order) {
            return self.written(line, group);
        }
        if let Some(order) = group.pop_front() {
            if order.due == Due::Now {
                self.late(line.behind.seq - 1, error);
            }
            let _ = order.done.send(Err(again(error))); // the call may be gone
        }
    }

    /// A line is there.
    fn written(&mut self, line: &Line, group: &mut VecDeque<Order>) {
        match line.of {
            Of::Begin => self.begin = None,
            Of::Gap => {
                let told = self.gap.take();
                self.shared.set_problem(None);
                tracing::warn!(?told, "audit records are written again");
            }
            Of::Kept => drop(self.kept.pop_front()),
            Of::Order => {
                if let Some(order) = group.pop_front()
                    && order.done.send(Ok(())).is_err()
                    && order.due == Due::Now
                {
                    self.late(line.behind.seq - 1, &io::ErrorKind::TimedOut.into());
                }
            }
        }
    }

    /// None of these is there.
    fn fail(&mut self, group: VecDeque<Order>, error: &io::Error) {
        let refused = group.iter().filter(|order| order.due == Due::Now).count();
        self.widen_gap(error, refused);
        for order in group {
            if order.due == Due::Later {
                if self.kept.len() < MOST_KEPT {
                    self.kept.push_back(order.fragment);
                } else {
                    self.widen_gap(error, 1);
                }
            }
            let _ = order.done.send(Err(again(error))); // the call may be gone
        }
    }

    fn widen_gap(&mut self, error: &io::Error, refused: usize) {
        let gap = self.gap.get_or_insert_with(|| {
            tracing::error!(%error, "audit records cannot be written; calls are refused until they can");
            GapRecord { since: now(), error: String::new(), refused: 0, late: None }
        });
        gap.error = error.kind().to_string();
        self.shared.set_problem(Some(gap.error.clone()));
        gap.refused += refused as u64;
    }

    /// The record `seq` is there, and its call was refused.
    fn late(&mut self, seq: u64, error: &io::Error) {
        self.widen_gap(error, 1);
        if let Some(gap) = &mut self.gap {
            let (first, last) = gap.late.unwrap_or((seq, seq));
            gap.late = Some((first.min(seq), last.max(seq)));
        }
    }
}

impl Sink {
    fn append(&mut self, bytes: &[u8], is_last: bool) -> Result<(), Failure> {
        let stream = match self {
            Self::File(file) => return file.append(bytes, is_last),
            Self::Stream(stream) => stream,
        };
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match stream.write(rest) {
                Ok(0) => {
                    return Err(Failure {
                        written,
                        sure: written,
                        error: io::ErrorKind::WriteZero.into(),
                    });
                }
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Another process may have made the pipe that we share with it so.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    thread::sleep(Duration::from_millis(5))
                }
                Err(error) => {
                    return Err(Failure {
                        written,
                        sure: written,
                        error,
                    });
                }
            }
        }
        Ok(())
    }

    fn take_back(&mut self, bytes: usize) -> io::Result<()> {
        match self {
            Self::File(file) => file.take_back(bytes),
            Self::Stream(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

/// The same error, for another call.
fn again(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(
        || io::Error::new(error.kind(), error.to_string()),
        io::Error::from_raw_os_error,
    )
}

/// Whether a record fits into a line.
pub(super) fn fits(fragment: &[u8]) -> bool {
    // `seq`, `prev`, `hash` and what stands around them take 180 bytes.
    fragment.len() + 256 <= LONGEST_LINE
}
