//! A tool and the filters behind it: [`Pipeline::start`].
//!
//! The filters run before the tool does, so that one that cannot start has let nothing happen. What
//! the tool prints passes the redactor before the first filter sees it: behind `tr a-z b-za` no
//! secret looks like one. From there on the kernel carries it; what the last filter prints is
//! captured, and redacted again, as a tool's own output is.

use std::{
    io,
    time::{Duration, Instant},
};

use nix::{fcntl::OFlag, unistd::pipe2};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::unix::pipe,
    select,
    sync::watch,
    task::JoinHandle,
    time::sleep,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    command::Filter,
    output::{Caps, Captured, LineCount, Sanitizer, Unshown, capture},
    refusal::Refusal,
    sandbox::{Child, ExitStatus, FilterStreams, Limits, Sandbox, SandboxError, Streams, Yield},
    store::StoreError,
};

/// The time that a child may take to end after SIGTERM.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// The bound on what is kept of a filter's standard error. It may write more, until the deadline.
const KEPT_ERRORS: Caps = Caps {
    is_without_stacks: true,
    ..Caps::of(4 * 1024, u64::MAX)
};

/// The filters behind a tool that has not started yet.
pub(super) struct Pipeline {
    filters: Vec<RunningFilter>,
    into_first: pipe::Sender,
    out_of_last: pipe::Receiver,
}

struct RunningFilter {
    child: Child,
    name: &'static str,
    errors: JoinHandle<Captured>,
}

impl Pipeline {
    /// Starts the filters, each in a sandbox of its own; `None` when there are none. `limits` are
    /// theirs, `unshown` the call's.
    ///
    /// # Errors
    /// What kept one of them from starting; none runs then.
    pub(super) async fn start(
        sandbox: &Sandbox,
        filters: &[Filter],
        limits: &[Limits],
        unshown: &Unshown,
    ) -> Result<Option<Self>, Refusal> {
        if filters.is_empty() {
            return Ok(None);
        }
        let not_piped = |source: io::Error| Refusal::Sandbox(SandboxError::Unreachable(source));
        let (first, into_first) =
            pipe2(OFlag::O_CLOEXEC).map_err(|errno| not_piped(errno.into()))?;
        let into_first = pipe::Sender::from_owned_fd(into_first).map_err(not_piped)?;
        let mut running = Vec::new();
        let mut stdin = first;
        for (filter, &share) in filters.iter().zip(limits) {
            let (next, stdout) =
                pipe2(OFlag::O_CLOEXEC).map_err(|errno| not_piped(errno.into()))?;
            let started = sandbox
                .start_filter(filter, FilterStreams { stdin, stdout }, share)
                .await;
            let (child, stderr) = started.map_err(|error| match error {
                SandboxError::NoSlot => Refusal::Store(StoreError::Overloaded {
                    running: filters.len(),
                    waiting: 0,
                }),
                error => error.into(),
            })?;
            let sanitizer = Sanitizer::of(unshown);
            let errors = tokio::spawn(async move {
                // It ends when the filter has: nothing else holds the other end.
                let (_never, stop) = watch::channel(false);
                capture(stderr, KEPT_ERRORS, sanitizer, None, None, stop).await
            });
            running.push(RunningFilter {
                child,
                name: filter.name(),
                errors,
            });
            stdin = next;
        }
        let out_of_last = pipe::Receiver::from_owned_fd(stdin).map_err(not_piped)?;
        Ok(Some(Self {
            filters: running,
            into_first,
            out_of_last,
        }))
    }

    /// Has the filters leave the processors to others.
    ///
    /// # Errors
    /// When there is no spawner any more.
    pub(super) async fn yield_to_others(&self, how: Yield) -> Result<(), SandboxError> {
        for filter in &self.filters {
            filter.child.yield_to_others(how).await?;
        }
        Ok(())
    }
}

/// What each of a call's programs may have of its memory and processor time.
pub(super) struct Shares {
    pub(super) tool: Limits,
    /// Of each filter, in their order.
    pub(super) filters: Vec<Limits>,
}

impl Shares {
    /// Splits a call's limits. Most filters keep a line at a time; those that keep all that they read
    /// have a third of the memory together. The tool has what they leave, so that a call has no more
    /// than without them: it needs a hundred times what it prints.
    pub(super) fn of(limits: Limits, filters: &[Filter]) -> Self {
        let whole: u64 = filters.iter().map(weight).sum();
        let share = |filter: &Filter| {
            let least = LEAST_OF_FILTER * if filter.program().is_go() { 4 } else { 1 };
            let share = limits.memory_bytes / 3 / whole.max(1) * weight(filter);
            share.max(least)
        };
        let of_filters: Vec<u64> = filters.iter().map(share).collect();
        let left = limits.memory_bytes.saturating_sub(of_filters.iter().sum());
        let of_tool = left.max(LEAST_OF_TOOL).min(limits.memory_bytes);
        let limit = |memory_bytes| Limits {
            memory_bytes,
            ..limits
        };
        Self {
            tool: limit(of_tool),
            filters: of_filters.into_iter().map(limit).collect(),
        }
    }
}

/// How much a filter keeps of what it reads, beside others.
fn weight(filter: &Filter) -> u64 {
    match filter.name() {
        "jq" | "yq" => 4, // as objects, which are larger than their text
        "awk" | "column" | "sort" | "tail" => 1,
        _ => 0,
    }
}

/// `limits.memory` is at least this: so it is what a tool needs.
const LEAST_OF_TOOL: u64 = 256 << 20;
/// The memory that filters get even where the limit leaves less for them: a line
/// of 8 MiB, sorted.
const LEAST_OF_FILTER: u64 = 24 << 20;

/// The processes of a call: its tool, and the filters behind it.
pub(super) struct Stages {
    tool: Child,
    filters: Vec<RunningFilter>,
    pump: Option<(JoinHandle<Pumped>, DropGuard)>,
    /// The time from which on nobody reads the tool's output.
    unread: Option<Instant>,
}

/// The end of one stage.
#[derive(Debug)]
pub struct Stage {
    /// The name of its program.
    pub program: &'static str,
    /// The exit status of its program.
    pub status: ExitStatus,
    /// The text of its standard error.
    pub error: String,
}

/// The end of a tool's output.
#[derive(Default)]
struct Pumped {
    /// Whether the first filter ended before it.
    left: bool,
    /// Whether it was more than is read at all.
    too_much: bool,
    printed: Printed,
}

/// How much a program printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Printed {
    pub(super) lines: u64,
    pub(super) bytes: u64,
}

/// The end of a pipeline.
#[derive(Default)]
pub(super) struct Piped {
    pub(super) stages: Vec<Stage>,
    /// Whether the tool failed, and not for want of a reader.
    pub(super) tool_failed: bool,
    pub(super) too_much: bool,
    /// What the tool printed, where its filters print something else.
    pub(super) printed: Option<Printed>,
}

impl Stages {
    /// The tool alone, or with `pipeline` behind it; and the streams that are the call's.
    ///
    /// # Errors
    /// [`Refusal::Fault`] when the tool's streams were taken by somebody else.
    pub(super) fn new(
        mut tool: Child,
        pipeline: Option<Pipeline>,
        unshown: &Unshown,
        most: u64,
        full: &CancellationToken,
    ) -> Result<(Self, Streams), Refusal> {
        let Some(streams) = tool.take_streams() else {
            return Err(Refusal::Fault {
                what: "the child's streams are gone",
                source: io::ErrorKind::NotFound.into(),
            });
        };
        let Some(Pipeline {
            filters,
            into_first,
            out_of_last,
        }) = pipeline
        else {
            return Ok((
                Self {
                    tool,
                    filters: Vec::new(),
                    pump: None,
                    unread: None,
                },
                streams,
            ));
        };
        let stop = CancellationToken::new();
        let pump = tokio::spawn({
            let (sanitizer, full, stop) = (Sanitizer::of(unshown), full.clone(), stop.clone());
            async move {
                select! {
                    pumped = pump(streams.stdout, into_first, sanitizer, most) => {
                        if pumped.too_much {
                            full.cancel();
                        }
                        pumped
                    }
                    () = stop.cancelled() => Pumped::default(),
                }
            }
        });
        let stages = Self {
            tool,
            filters,
            pump: Some((pump, stop.drop_guard())),
            unread: None,
        };
        Ok((
            stages,
            Streams {
                stdout: out_of_last,
                stderr: streams.stderr,
            },
        ))
    }

    /// Returns the tool.
    pub(super) fn tool(&self) -> &Child {
        &self.tool
    }

    /// Sends SIGTERM to the tool, so that the filters print what they have; or to the filters, when
    /// it has ended.
    pub(super) fn terminate(&self) {
        if self.tool.has_ended() {
            self.filters
                .iter()
                .for_each(|filter| filter.child.terminate());
        } else {
            self.tool.terminate();
        }
    }

    /// Ends all of them.
    pub(super) fn kill(&self) {
        self.tool.kill();
        self.filters.iter().for_each(|filter| filter.child.kill());
    }

    /// Waits until all of them are dead and reaped; the last one's status, as in a shell. A tool
    /// that nobody reads from any more has a while to end by itself.
    pub(super) async fn wait(&mut self) -> ExitStatus {
        for filter in &mut self.filters {
            filter.child.wait().await;
        }
        let Some(last) = self.filters.last_mut() else {
            return self.tool.wait().await;
        };
        let status = last.child.wait().await;
        let since = *self.unread.get_or_insert_with(Instant::now);
        for (after, end) in [
            (GRACE, Child::terminate as fn(&Child)),
            (2 * GRACE, Child::kill),
        ] {
            let left = after.saturating_sub(since.elapsed());
            select! {
                _ = self.tool.wait() => return status,
                () = sleep(left) => end(&self.tool),
            }
        }
        self.tool.wait().await;
        status
    }

    /// Waits for every stage and returns its end; none when there are no filters. `errors` is the
    /// tool's standard error.
    pub(super) async fn piped(&mut self, tool: &'static str, errors: &str) -> Piped {
        let Some((mut pump, stop)) = self.pump.take() else {
            return Piped::default();
        };
        let pumped = match tokio::time::timeout(FLUSH, &mut pump).await {
            Ok(pumped) => pumped.unwrap_or_default(),
            Err(_) => {
                drop(stop); // what holds the tool's output open is none of its processes
                pump.await.unwrap_or_default()
            }
        };
        let status = self.tool.wait().await;
        let mut stages = vec![Stage {
            program: tool,
            status,
            error: errors.to_owned(),
        }];
        for RunningFilter {
            child,
            name,
            errors,
        } in &mut self.filters
        {
            let status = child.wait().await;
            let error = errors
                .await
                .map(|captured| captured.text)
                .unwrap_or_default();
            stages.push(Stage {
                program: name,
                status,
                error,
            });
        }
        Piped {
            stages,
            tool_failed: status.code() != 0 && !pumped.left,
            too_much: pumped.too_much,
            printed: Some(pumped.printed),
        }
    }
}

/// The time that the last of a dead tool's output may take to be thrown away.
const FLUSH: Duration = Duration::from_millis(200);

/// Carries what the tool prints to the first filter, cleaned and with secrets taken out, until one
/// of them is gone.
async fn pump(
    mut from: pipe::Receiver,
    mut to: pipe::Sender,
    mut sanitizer: Sanitizer,
    most: u64,
) -> Pumped {
    let mut buffer = vec![0_u8; 32 * 1024];
    let (mut read_bytes, mut lines) = (0_u64, LineCount::default());
    let (left, too_much) = loop {
        let read = select! {
            biased;
            // Nobody reads: the tool is to know, however long it says nothing.
            _ = to.ready(Interest::ERROR) => break (true, false),
            read = from.read(&mut buffer) => read.unwrap_or(0), // a broken pipe is an end too
        };
        let chunk = buffer.get(..read).unwrap_or_default();
        read_bytes += chunk.len() as u64;
        lines.push(chunk);
        if read_bytes > most {
            break (false, true);
        }
        if chunk.is_empty() {
            break (to.write_all(&sanitizer.finish()).await.is_err(), false);
        }
        if to.write_all(&sanitizer.push(chunk)).await.is_err() {
            break (true, false);
        }
    };
    let printed = Printed {
        lines: lines.all(),
        bytes: read_bytes,
    };
    Pumped {
        left,
        too_much,
        printed,
    }
}
