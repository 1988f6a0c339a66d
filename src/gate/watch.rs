//! A running child, until it is gone: [`Watch::until_the_end`].
//!
//! Its streams are read all the while, so that it never waits for us, whatever else is waited for.
//! Where a deadline or a caller ends it, it gets SIGTERM first, and SIGKILL when it does not end.

use std::time::{Duration, Instant};

use tokio::{
    select,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    keep,
    pipeline::{GRACE, Stages},
};
use crate::{
    output::{Cap, Caps, Captured, Live, OutputStream, Sanitizer, Unshown, capture},
    refusal::Refusal,
    sandbox::{ExitStatus, Streams},
    store::KeptOutputs,
};

/// The time in which the rest of a dead child's output is read, where no listener sets the pace.
const FLUSH: Duration = Duration::from_millis(200);

/// The bounds of a child, and what its output may not show.
pub(super) struct Watch<'a> {
    /// Where what an answer does not have of its output is kept.
    pub(super) kept: &'a KeptOutputs,
    /// Who calls.
    pub(super) principal: &'a str,
    /// The bytes and lines that are kept, sent and read of each stream.
    pub(super) caps: Caps,
    /// Whether standard error is the tool's own, and no program's in the cluster.
    pub(super) is_without_stacks: bool,
    /// What of its output is not shown as it prints it.
    pub(super) unshown: Unshown,
    /// From when on it is counted.
    pub(super) since: Instant,
    /// The time that the call may take.
    pub(super) deadline: Duration,
    /// Cancelled when nobody wants the answer.
    pub(super) cancel: &'a CancellationToken,
    /// The listener that gets the output while it comes.
    pub(super) live: Option<Live>,
    /// Cancelled when one of the streams is read no further; the other one may stay open for ever.
    pub(super) full: CancellationToken,
}

/// The end of a child.
pub(super) struct ChildEnd {
    pub(super) status: ExitStatus,
    pub(super) stdout: Captured,
    pub(super) stderr: Captured,
    /// The reason why it was ended before it did by itself.
    pub(super) refusal: Option<Refusal>,
}

impl Watch<'_> {
    /// Reads what the child and its filters print until they are dead and reaped.
    pub(super) async fn until_the_end(self, child: &mut Stages, streams: Streams) -> ChildEnd {
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let full = &self.full;
        let read_one = async |stream, pipe| {
            let live = self.live.clone().map(|live| (live, stream));
            let caps = match stream {
                OutputStream::Stdout => self.caps,
                OutputStream::Stderr => self.caps.of_errors(self.is_without_stacks),
            };
            let captured = capture(
                pipe,
                caps,
                Sanitizer::of(&self.unshown),
                live,
                keep::whole(self.kept, self.principal, self.live.as_ref()),
                stopped.clone(),
            )
            .await;
            if captured.capped.is_some() {
                full.cancel();
            }
            captured
        };
        let reading = async {
            tokio::join!(
                read_one(OutputStream::Stdout, streams.stdout),
                read_one(OutputStream::Stderr, streams.stderr)
            )
        };
        tokio::pin!(reading);
        let mut read = None;
        let (status, refusal) = self.wait(&mut reading, &mut read, child).await;
        let (stdout, stderr) = match read {
            Some(read) => read,
            None => {
                // What is still in the pipes is read; then reading stops even if a writer is left.
                let is_heard = self.live.is_some() && refusal.is_none();
                let within = if is_heard {
                    self.left().max(FLUSH)
                } else {
                    FLUSH
                };
                select! {
                    read = &mut reading => read,
                    () = sleep(within) => { let _ = stop.send(true); reading.await }
                    () = self.cancel.cancelled(), if refusal.is_none() => { let _ = stop.send(true); reading.await }
                }
            }
        };
        let capped = stdout.capped.or(stderr.capped).map(|cap| match cap {
            Cap::Bytes(limit) => Refusal::TooMuchOutput { limit },
            Cap::Lines(limit) => Refusal::TooManyLines { limit },
        });
        ChildEnd {
            status,
            stdout,
            stderr,
            refusal: refusal.or(capped),
        }
    }

    /// Waits for the child's end, or ends it at the deadline or when nobody wants the answer; and
    /// returns why it was ended, when it was.
    async fn wait<R: Future<Output = (Captured, Captured)> + Unpin>(
        &self,
        reading: &mut R,
        read: &mut Option<(Captured, Captured)>,
        child: &mut Stages,
    ) -> (ExitStatus, Option<Refusal>) {
        let full = &self.full;
        select! {
            status = reads_on(reading, read, full, child) => return (status, None),
            () = sleep(self.left()) => {}
            () = self.cancel.cancelled() => {}
        }
        child.terminate();
        let refusal = match self.cancel.is_cancelled() {
            true => Refusal::Cancelled,
            false => Refusal::Timeout {
                after: self.deadline,
            },
        };
        let status = match timeout(GRACE, reads_on(reading, read, full, child)).await {
            Ok(status) => status,
            Err(_) => {
                child.kill();
                reads_on(reading, read, full, child).await
            }
        };
        (status, Some(refusal))
    }

    /// The time that is left.
    fn left(&self) -> Duration {
        self.deadline.saturating_sub(self.since.elapsed())
    }
}

/// Waits for the child's end and reads meanwhile; a child whose stream is `full` is killed.
async fn reads_on<R: Future<Output = (Captured, Captured)> + Unpin>(
    reading: &mut R,
    read: &mut Option<(Captured, Captured)>,
    full: &CancellationToken,
    child: &mut Stages,
) -> ExitStatus {
    let mut killed = false;
    loop {
        select! {
            biased;
            status = child.wait() => return status,
            () = full.cancelled(), if !killed => {
                child.kill();
                killed = true;
            }
            captured = &mut *reading, if read.is_none() => *read = Some(captured),
        }
    }
}
