//! The `[limits]` table: what bounds a call, a caller, and all calls together.
//!
//! Comes in: the table, what waits in `[warm]`, and the memory of this host. Goes out: limits that
//! fit together.

use std::{num::NonZeroU32, ops::Range, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::{
    data::MOST_BYTES,
    egress::CallBudget,
    gate::Bounds,
    memory::Budget,
    mistake::{SettingError, or_default},
    store::Rate,
    unit::{Bytes, GoDuration},
    warm::{MEMORY_OF_ONE, WarmSettings},
};

/// The least memory with which the tools start.
const LEAST_MEMORY: u64 = 256 << 20;

/// What bounds calls, callers and connections.
#[derive(Debug)]
pub struct LimitSettings {
    /// Bounds of each call.
    pub bounds: Bounds,
    /// Children at once; together they fit into the memory that there is.
    pub concurrency: u16,
    /// Calls that may wait.
    pub queue: usize,
    /// Calls of one known caller that may run at once.
    pub running_per_caller: usize,
    /// Calls of one known caller that may run or wait.
    pub calls_per_caller: usize,
    /// Connections of clients at once.
    pub connections: usize,
    /// How often each caller may send a request.
    pub rate: Option<Rate>,
    /// How long running calls go on once the server stops.
    pub drain: Duration,
}

impl LimitSettings {
    /// Why one caller can keep others waiting, where these limits let it.
    pub fn unfairness(&self) -> Option<String> {
        let tools = usize::from(self.concurrency);
        if tools == 1 {
            return Some("one tool runs at once (limits.concurrency), so that callers take turns and wait for each other's calls".into());
        }
        let running = self.running_per_caller;
        (running >= tools).then(|| format!("one caller may run {running} tools (limits.running_per_caller) of {tools} at once (limits.concurrency), and keep all others waiting"))
    }
}

/// The table `[limits]`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LimitsTable {
    /// The longest that a call takes which names no time: `30s`.
    #[schemars(with = "Option<GoDuration>")]
    timeout: Option<Spanned<GoDuration>>,
    /// The longest time that a call may name: `2m`.
    #[schemars(with = "Option<GoDuration>")]
    longest_timeout: Option<Spanned<GoDuration>>,
    /// What is kept of each stream; of a longer one the middle is left out: `64KiB`.
    #[schemars(with = "Option<Bytes>")]
    output: Option<Spanned<Bytes>>,
    /// The most that a request may ask for instead (`max_output`): `1MiB`.
    #[schemars(with = "Option<Bytes>")]
    largest_reply: Option<Spanned<Bytes>>,
    /// What is read of each stream before the tool is ended: `64MiB`.
    #[schemars(with = "Option<Bytes>")]
    longest_output: Option<Spanned<Bytes>>,
    /// The memory of one tool: `1GiB`, at least `256MiB`.
    #[schemars(with = "Option<Bytes>")]
    memory: Option<Spanned<Bytes>>,
    /// What a request may bring for its command to read, in `stdin` and `files`: `1MiB`, at most
    /// `2MiB`.
    #[schemars(with = "Option<Bytes>")]
    data: Option<Spanned<Bytes>>,
    /// API requests of one call, where they are judged: 2048.
    #[schemars(with = "Option<u32>")]
    api_requests: Option<Spanned<u32>>,
    /// Bytes that one call sends to its API server: `64MiB`.
    #[schemars(with = "Option<Bytes>")]
    api_sent: Option<Spanned<Bytes>>,
    /// Bytes that one call receives of its API server: `1GiB`.
    #[schemars(with = "Option<Bytes>")]
    api_received: Option<Spanned<Bytes>>,
    /// Objects that one call writes or deletes: 1000, at most 100000.
    #[schemars(with = "Option<u32>")]
    api_objects: Option<Spanned<u32>>,
    /// What all tools together may take; without it what the host or the control group has.
    #[schemars(with = "Option<Bytes>")]
    memory_budget: Option<Spanned<Bytes>>,
    /// Tools at once; without it as many as fit into the memory, at most 8.
    #[schemars(with = "Option<u16>")]
    concurrency: Option<Spanned<u16>>,
    /// Calls that may wait for a place: 64.
    queue: Option<usize>,
    /// Calls of one known caller that run at once; without it half of `concurrency`.
    #[schemars(with = "Option<usize>")]
    running_per_caller: Option<Spanned<usize>>,
    /// Calls of one known caller, running and waiting: 16.
    #[schemars(with = "Option<usize>")]
    calls_per_caller: Option<Spanned<usize>>,
    /// Connections at once: 1024.
    #[schemars(with = "Option<usize>")]
    connections: Option<Spanned<usize>>,
    /// Requests of one caller per second, refused ones too: 100; 0 for no bound.
    rate: Option<u32>,
    /// Requests of one caller at once after a pause: 1000.
    #[schemars(with = "Option<u32>")]
    burst: Option<Spanned<u32>>,
    /// How long running calls go on at a stop: `7s`, at most an hour.
    #[schemars(with = "Option<GoDuration>")]
    drain: Option<Spanned<GoDuration>>,
}

/// Whether `[warm]` stands in the file: where memory is scarce, only then a tool waits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Warmth {
    Default,
    Wanted,
}

type TextRange = Option<Range<usize>>;

impl LimitsTable {
    /// Resolves the limits, and the tools that wait, which take of the same memory.
    ///
    /// # Errors
    /// The first value that cannot be.
    pub(super) fn settings(
        self,
        warm: WarmSettings,
        warmth: Warmth,
    ) -> Result<(LimitSettings, WarmSettings), SettingError> {
        let memory_at = self.memory.as_ref().map(Spanned::span);
        let concurrency_at = self.concurrency.as_ref().map(Spanned::span);
        let bounds = bounds(&self)?;
        let rate = rate(self.rate, self.burst)?;
        let concurrency = self.concurrency.map(Spanned::into_inner);
        if concurrency.is_some_and(|tools| !(1..=1000).contains(&tools)) {
            let problem = "the number of tools at once is out of range";
            return Err(
                SettingError::new("limits.concurrency", concurrency_at, problem)
                    .help("give 1 to 1000, or leave it out for as many as fit"),
            );
        }
        let budget = budget(self.memory_budget)?;
        let (warm, budget) = match budget.less(u64::from(warm.most) * MEMORY_OF_ONE) {
            less if warmth == Warmth::Wanted || less.places(None, bounds.memory_bytes).is_ok() => {
                (warm, less)
            }
            _ => (WarmSettings::default(), budget),
        };
        let concurrency = budget
            .places(concurrency, bounds.memory_bytes)
            .map_err(|error| SettingError {
                span: match error.key {
                    "limits.memory" => memory_at,
                    _ => concurrency_at,
                },
                ..error
            })?;
        let limits = LimitSettings {
            bounds,
            concurrency,
            queue: self.queue.unwrap_or(64),
            running_per_caller: at_least_one(
                "limits.running_per_caller",
                self.running_per_caller,
                (usize::from(concurrency) / 2).max(1),
            )?,
            calls_per_caller: at_least_one("limits.calls_per_caller", self.calls_per_caller, 16)?,
            connections: connections(self.connections)?,
            rate,
            drain: drain(self.drain)?,
        };
        Ok((limits, warm))
    }
}

fn bounds(table: &LimitsTable) -> Result<Bounds, SettingError> {
    let (timeout, timeout_at) = duration("limits.timeout", table.timeout.as_ref(), 30)?;
    let (longest_timeout, longest_at) = duration(
        "limits.longest_timeout",
        table.longest_timeout.as_ref(),
        120,
    )?;
    if timeout > longest_timeout {
        let at = timeout_at.or(longest_at);
        let problem = "it is longer than limits.longest_timeout";
        return Err(SettingError::new("limits.timeout", at, problem)
            .help("give a shorter one, or a longer limits.longest_timeout"));
    }
    let memory_bytes = bytes(&table.memory, 1 << 30);
    if memory_bytes < LEAST_MEMORY {
        let at = table.memory.as_ref().map(Spanned::span);
        let problem = "the tools need at least 256MiB";
        return Err(SettingError::new("limits.memory", at, problem).help("give 256MiB or more"));
    }
    let output = table.output.as_ref();
    let kept_output = output.map_or(64 << 10, |size| size.get_ref().length());
    let largest = table.largest_reply.as_ref();
    let largest_output = largest.map_or(1 << 20, |size| size.get_ref().length());
    Ok(Bounds {
        timeout,
        longest_timeout,
        kept_output,
        largest_output: largest_output.max(kept_output),
        read_output: bytes(&table.longest_output, 64 << 20),
        memory_bytes,
        data_bytes: data(table.data.as_ref())?,
        api: api(table)?,
    })
}

/// What a request may bring: its body has 3 MiB, and JSON writes the end of a line in two bytes.
fn data(given: Option<&Spanned<Bytes>>) -> Result<usize, SettingError> {
    const MOST: usize = 2 << 20;
    let Some(given) = given else {
        return Ok(MOST_BYTES);
    };
    match given.get_ref().length() {
        length if length <= MOST => Ok(length),
        _ => {
            let problem = "a request has room for 2MiB";
            let error = SettingError::new("limits.data", Some(given.span()), problem);
            Err(error.help("give 2MiB or less"))
        }
    }
}

fn bytes(given: &Option<Spanned<Bytes>>, default: u64) -> u64 {
    given.as_ref().map_or(default, |size| size.get_ref().get())
}

/// The most requests, and the most objects, that one call may be given.
const MOST_OF_API: u32 = 100_000;

/// What one call may ask of its API server.
fn api(table: &LimitsTable) -> Result<CallBudget, SettingError> {
    let default = CallBudget::default();
    let number = |key: &'static str, given: &Option<Spanned<u32>>, default: u32| {
        let number = given.as_ref().map_or(default, |given| *given.get_ref());
        if (1..=MOST_OF_API).contains(&number) {
            return Ok(number);
        }
        let at = given.as_ref().map(Spanned::span);
        let help = "give 1 or more, and as many as are kept in mind: at most 100000";
        Err(SettingError::new(key, at, "the number is out of range").help(help))
    };
    Ok(CallBudget {
        requests: number("limits.api_requests", &table.api_requests, default.requests)?,
        sent_bytes: bytes(&table.api_sent, default.sent_bytes),
        received_bytes: bytes(&table.api_received, default.received_bytes),
        objects: number("limits.api_objects", &table.api_objects, default.objects)?,
    })
}

/// Returns a duration that is not 0, and its place.
fn duration(
    key: &'static str,
    given: Option<&Spanned<GoDuration>>,
    default_seconds: u64,
) -> Result<(Duration, TextRange), SettingError> {
    let Some(given) = given else {
        return Ok((Duration::from_secs(default_seconds), None));
    };
    let GoDuration(duration) = *given.get_ref();
    if duration.is_zero() {
        let problem = "every call would end at once";
        return Err(
            SettingError::new(key, given.span(), problem).help("give a duration like 30s or 2m")
        );
    }
    Ok((duration, Some(given.span())))
}

fn rate(rate: Option<u32>, burst: Option<Spanned<u32>>) -> Result<Option<Rate>, SettingError> {
    let Some(per_second) = NonZeroU32::new(rate.unwrap_or(100)) else {
        return Ok(None);
    };
    let (burst, at) = or_default(burst, 1000);
    match NonZeroU32::new(burst) {
        Some(burst) => Ok(Some(Rate { per_second, burst })),
        None => Err(nobody_could_call("limits.burst", at)),
    }
}

fn at_least_one(
    key: &'static str,
    given: Option<Spanned<usize>>,
    default: usize,
) -> Result<usize, SettingError> {
    match or_default(given, default) {
        (0, at) => Err(nobody_could_call(key, at)),
        (number, _) => Ok(number),
    }
}

fn nobody_could_call(key: &'static str, at: TextRange) -> SettingError {
    SettingError::new(key, at, "nobody could call").help("give 1 or more")
}

fn connections(given: Option<Spanned<usize>>) -> Result<usize, SettingError> {
    let (connections, at) = or_default(given, 1024);
    if (1..=65536).contains(&connections) {
        return Ok(connections);
    }
    let problem = "the number of connections is out of range";
    Err(SettingError::new("limits.connections", at, problem).help("give 1 to 65536"))
}

/// Returns how long running calls go on at a stop; 0 cancels them at once.
fn drain(given: Option<Spanned<GoDuration>>) -> Result<Duration, SettingError> {
    const LONGEST: Duration = Duration::from_secs(60 * 60);
    let (GoDuration(drain), at) = or_default(given, GoDuration(Duration::from_secs(7)));
    if drain <= LONGEST {
        return Ok(drain);
    }
    let problem = "a stop would take longer than an hour";
    Err(SettingError::new("limits.drain", at, problem).help(
        "give an hour or less, and let what supervises the server wait ten seconds longer (TimeoutStopSec, terminationGracePeriodSeconds)",
    ))
}

fn budget(given: Option<Spanned<Bytes>>) -> Result<Budget, SettingError> {
    let budget = match given {
        Some(bytes) => Some(Budget {
            bytes: bytes.get_ref().get(),
            who: "limits.memory_budget is",
        }),
        None => Budget::of_this_host(),
    };
    budget.ok_or_else(|| {
        let problem = "this kernel does not tell how much memory there is";
        SettingError::new("limits.memory_budget", None, problem)
            .help("say how much all tools together may take")
    })
}
