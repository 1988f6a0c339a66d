//! Tools that were started, confined, before their request: [`WarmPool`] keeps a few of those that
//! are in use.
//!
//! Comes in: how many, and what calls request. Goes out: a [`Warm`] tool, for one request. Without
//! one a call starts its tool itself, which is the same but for the time. May not know anything of
//! a request but its tool and profile.

#![forbid(unsafe_code)]

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt, fs, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use nix::unistd::{SysconfVar, sysconf};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};
use serde_json::{Map, Value, json};
use tokio::{sync::Notify, time::timeout};
use tokio_util::sync::CancellationToken;
use toml::Spanned;

use crate::{
    memory, metrics,
    mistake::{SettingError, or_default},
    sandbox::{Limits, ProfileName, Sandbox, Warm, WarmError},
    tool::Tool,
    unit::{Bytes, GoDuration},
    workspace::Workspaces,
};

/// How many tools wait, and for how long. The default: none.
#[derive(Clone, Debug, Default)]
pub struct WarmSettings {
    /// How many of each tool and profile.
    pub sizes: BTreeMap<Tool, u16>,
    /// How many altogether.
    pub most: u16,
    /// The time without a call of its tool and profile after which one is ended.
    pub idle: Duration,
    /// How long what their discovery finds is given to others of the same caller with the same
    /// credentials; zero: never.
    pub discovery: Duration,
}

/// After which kubectl does not believe its own files of discovery any more.
const LONGEST_DISCOVERY: Duration = Duration::from_secs(6 * 60 * 60);
/// How long a tool waits, and how long discovery is kept, unless the settings have another time.
const TEN_MINUTES: Duration = Duration::from_secs(10 * 60);
/// The memory of all that wait, unless the settings have another size.
const MEMORY_BYTES: u64 = 256 << 20;

/// The table `[warm]` of the settings; a key that is left out has its default. The name of each tool
/// is a key.
pub struct WarmTable {
    sizes: BTreeMap<Tool, u16>,
    memory: Option<Spanned<Bytes>>,
    idle: Option<Spanned<GoDuration>>,
    discovery: Option<Spanned<GoDuration>>,
}

impl Default for WarmTable {
    fn default() -> Self {
        Self {
            sizes: Tool::all().map(|tool| (tool, tool.spec().warm)).collect(),
            memory: None,
            idle: None,
            discovery: None,
        }
    }
}

/// A key of the table.
enum WarmKey {
    Tool(Tool),
    Memory,
    Idle,
    Discovery,
}

impl<'de> Deserialize<'de> for WarmKey {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        const OTHERS: [&str; 3] = ["memory", "idle", "discovery"];
        let key = String::deserialize(from)?;
        match key.as_str() {
            "memory" => Ok(Self::Memory),
            "idle" => Ok(Self::Idle),
            "discovery" => Ok(Self::Discovery),
            name => match Tool::all().find(|tool| tool.as_str() == name) {
                Some(tool) => Ok(Self::Tool(tool)),
                None => {
                    let known = Tool::all().map(Tool::as_str).chain(OTHERS);
                    let known: Vec<String> = known.map(|name| format!("`{name}`")).collect();
                    // In serde's own words, from which the nearest name is found.
                    Err(de::Error::custom(format!(
                        "unknown field `{key}`, expected one of {}",
                        known.join(", ")
                    )))
                }
            },
        }
    }
}

impl<'de> Deserialize<'de> for WarmTable {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(WarmTableVisitor)
    }
}

struct WarmTableVisitor;

impl<'de> Visitor<'de> for WarmTableVisitor {
    type Value = WarmTable;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a table")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<WarmTable, M::Error> {
        let mut table = WarmTable::default();
        while let Some(key) = map.next_key()? {
            match key {
                WarmKey::Tool(tool) => {
                    table.sizes.insert(tool, map.next_value()?);
                }
                WarmKey::Memory => table.memory = Some(map.next_value()?),
                WarmKey::Idle => table.idle = Some(map.next_value()?),
                WarmKey::Discovery => table.discovery = Some(map.next_value()?),
            }
        }
        Ok(table)
    }
}

/// By hand, like the reader: the tools are keys of it.
impl JsonSchema for WarmTable {
    fn schema_name() -> Cow<'static, str> {
        "WarmTable".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let sizes = Tool::all().map(|tool| {
            let most = tool.spec().warm;
            let description = format!("How many {tool} of each kind wait for a call: {most}.");
            let number = json!({ "type": "integer", "minimum": 0, "maximum": u16::MAX, "description": description });
            (tool.to_string(), number)
        });
        let duration = generator.subschema_for::<GoDuration>().to_value();
        let size = generator.subschema_for::<Bytes>().to_value();
        let described =
            |of: &Value, description: &str| json!({ "allOf": [of], "description": description });
        let mut keys: Map<String, Value> = sizes.collect();
        keys.extend([
            ("memory", &size, "The memory of all that wait, each counted as 32 MiB: `256MiB`."),
            ("idle", &duration, "The time after which what nobody has called is ended: `10m`."),
            ("discovery", &duration, "How long what a tool found of an API server is given to the same caller's next: `10m`, at most `6h`, 0 for never."),
        ].map(|(key, of, description)| (key.to_owned(), described(of, description))));
        let description = "Tools that are started, confined, before their call.";
        json_schema!({ "type": "object", "description": description, "properties": keys, "additionalProperties": false })
    }
}

impl WarmTable {
    /// Reads the table.
    ///
    /// # Errors
    /// The first value that cannot be.
    pub fn settings(self) -> Result<WarmSettings, SettingError> {
        let (GoDuration(idle), at) = or_default(self.idle, GoDuration(TEN_MINUTES));
        if idle.is_zero() {
            return Err(SettingError::new("warm.idle", at, "no tool would wait")
                .help("give a duration like 10m, or 0 for each of the tools"));
        }
        let (GoDuration(discovery), at) = or_default(self.discovery, GoDuration(TEN_MINUTES));
        if discovery > LONGEST_DISCOVERY {
            let problem = "kubectl's own files of discovery count for 6h";
            return Err(SettingError::new("warm.discovery", at, problem)
                .help("give a duration up to 6h; 0 keeps nothing"));
        }
        let sizes = self.sizes;
        if sizes.values().all(|size| *size == 0) {
            return Ok(WarmSettings::default());
        }
        let at = self.memory.as_ref().map(Spanned::span);
        let memory = self
            .memory
            .map_or(MEMORY_BYTES, |size| size.get_ref().get());
        match u16::try_from(memory / MEMORY_OF_ONE) {
            Ok(most @ 1..=256) => Ok(WarmSettings {
                sizes,
                most,
                idle,
                discovery,
            }),
            _ => {
                let one = MEMORY_OF_ONE >> 20;
                let problem = format!("each tool that waits is counted as {one} MiB");
                Err(SettingError::new("warm.memory", at, problem)
                    .help(format!("give {one}MiB to 8GiB, or 0 for each of the tools")))
            }
        }
    }
}

/// What a tool has taken of its own by the time it waits, in bytes: 6 to 15 MB (docs/tuned.md), and
/// as much again for what the kernel keeps for it.
pub const MEMORY_OF_ONE: u64 = 32 << 20;

/// The time between two looks for tools that no call has wanted, while tools wait.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The time between two looks for a free processor, while one is to be started.
const LOOK_FOR_PROCESSOR_EVERY: Duration = Duration::from_millis(5);
/// The time between two looks at memory.
const LOOK_AT_MEMORY_EVERY: Duration = Duration::from_secs(1);
/// After a start that failed.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Tools that wait. Cheap to clone.
#[derive(Clone, Debug)]
pub struct WarmPool(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    settings: WarmSettings,
    sandbox: Sandbox,
    workspaces: Arc<Workspaces>,
    limits: Limits,
    state: Mutex<PoolState>,
    requested: Notify,
}

/// The kinds of tools that calls request.
type WarmKind = (Tool, ProfileName);

#[derive(Debug, Default)]
struct PoolState {
    ready: Vec<Warm>,
    /// The last request for each kind.
    requested: BTreeMap<WarmKind, Instant>,
    /// Those that do not wait: upstream's own builds.
    never: BTreeSet<Tool>,
    /// Those that could not be started, and when that is tried again.
    resting: BTreeMap<WarmKind, Instant>,
    /// Whether memory was short, and when that was looked at.
    memory: Option<(Instant, bool)>,
}

impl WarmPool {
    /// An empty pool. `limits` are the most that a call may take; each call's own replace them.
    pub fn new(
        settings: WarmSettings,
        sandbox: Sandbox,
        workspaces: Arc<Workspaces>,
        limits: Limits,
    ) -> Self {
        Self(Arc::new(Pool {
            settings,
            sandbox,
            workspaces,
            limits,
            state: Mutex::default(),
            requested: Notify::new(),
        }))
    }

    /// A tool that waits for a request of this kind, if there is one; and there will be one for the
    /// next.
    pub fn take(&self, tool: Tool, profile: ProfileName) -> Option<Warm> {
        if !self.0.keeps((tool, profile)) {
            return None;
        }
        let mut state = self.0.state();
        state.requested.insert((tool, profile), Instant::now());
        state.ready.retain(|warm| !warm.has_ended());
        let at = state
            .ready
            .iter()
            .position(|warm| (warm.tool(), warm.profile()) == (tool, profile));
        let warm = at.map(|at| state.ready.remove(at));
        metrics::warm(state.ready.len());
        drop(state);
        self.0.requested.notify_one();
        warm
    }

    /// How many of a tool wait.
    pub fn waiting(&self, tool: Tool) -> usize {
        self.0
            .state()
            .ready
            .iter()
            .filter(|warm| warm.tool() == tool)
            .count()
    }

    /// Keeps tools waiting for what calls request, until `stop`: then none of them is left.
    /// `running` counts the calls that run now and may be over soon.
    pub async fn keep(self, running: impl Fn() -> usize, stop: CancellationToken) {
        while !stop.is_cancelled() {
            end(self.0.unwanted()).await;
            let pause = match self.0.missing() {
                None => LOOK_EVERY,
                Some(_) if !has_free_processor(running()) => LOOK_FOR_PROCESSOR_EVERY,
                Some(kind) => {
                    // Dropped at the stop, which ends what it has started.
                    if let Some(Err(error)) = stop.run_until_cancelled(self.0.start(kind)).await {
                        self.0.failed(kind, &error);
                    }
                    continue;
                }
            };
            // No tool waits, or is to: nothing is to be looked after until a call comes.
            let pause = if self.0.is_idle() {
                Duration::MAX
            } else {
                pause
            };
            let _ = stop
                .run_until_cancelled(timeout(pause, self.0.requested.notified()))
                .await;
        }
        let left = std::mem::take(&mut self.0.state().ready);
        end(left).await;
    }
}

async fn end(those: Vec<Warm>) {
    for warm in those {
        warm.end().await;
    }
}

impl Pool {
    fn state(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn size_of(&self, tool: Tool) -> usize {
        self.settings
            .sizes
            .get(&tool)
            .copied()
            .unwrap_or_default()
            .into()
    }

    /// Whether such tools wait at all.
    fn keeps(&self, (tool, profile): WarmKind) -> bool {
        self.size_of(tool) > 0 && profile.can_be_warm() && !self.state().never.contains(&tool)
    }

    /// Whether there is nothing to look after: none waits, and none is to.
    fn is_idle(&self) -> bool {
        let state = self.state();
        state.ready.is_empty() && state.requested.is_empty()
    }

    /// Takes out what no call has requested in a while, and everything when a call could need the
    /// memory.
    fn unwanted(&self) -> Vec<Warm> {
        let mut state = self.state();
        state
            .requested
            .retain(|_, requested| requested.elapsed() < self.settings.idle);
        state.resting.retain(|_, until| *until > Instant::now());
        let looked = state
            .memory
            .filter(|(at, _)| at.elapsed() < LOOK_AT_MEMORY_EVERY);
        // What is ended gives memory back: it takes more than that until some wait again.
        let enough = if looked
            .or(state.memory)
            .is_some_and(|(_, was_short)| was_short)
        {
            self.limits.memory_bytes
        } else {
            self.limits.memory_bytes / 2
        };
        let (at, is_short) = looked.unwrap_or_else(|| {
            (
                Instant::now(),
                memory::available().is_some_and(|bytes| bytes < enough),
            )
        });
        state.memory = Some((at, is_short));
        let PoolState {
            ready, requested, ..
        } = &mut *state;
        let is_unwanted = |warm: &mut Warm| {
            is_short || warm.has_ended() || !requested.contains_key(&(warm.tool(), warm.profile()))
        };
        let unwanted = ready.extract_if(.., is_unwanted).collect();
        metrics::warm(ready.len());
        unwanted
    }

    /// Returns what is to be started next: of what was requested, the latest first, as many as fit.
    fn missing(&self) -> Option<WarmKind> {
        let state = self.state();
        if state.memory.is_some_and(|(_, is_short)| is_short) {
            return None;
        }
        let mut kinds: Vec<(WarmKind, Instant)> = state
            .requested
            .iter()
            .map(|(kind, requested)| (*kind, *requested))
            .collect();
        kinds.sort_by_key(|(_, requested)| std::cmp::Reverse(*requested));
        let mut room = usize::from(self.settings.most);
        for (kind, _) in kinds {
            let there = state
                .ready
                .iter()
                .filter(|warm| (warm.tool(), warm.profile()) == kind)
                .count();
            let wanted = self.size_of(kind.0).min(room);
            if there < wanted
                && !state.never.contains(&kind.0)
                && !state.resting.contains_key(&kind)
            {
                return Some(kind);
            }
            room -= wanted;
        }
        None
    }

    async fn start(&self, (tool, profile): WarmKind) -> Result<(), WarmError> {
        if let Some(warm) = self.in_the_way() {
            warm.end().await;
        }
        let workspace = self.workspaces.empty(true)?;
        let warm = self
            .sandbox
            .start_warm(tool, profile, workspace, self.limits)
            .await?;
        let mut state = self.state();
        state.ready.push(warm);
        metrics::warm(state.ready.len());
        Ok(())
    }

    /// Takes out the one whose kind was requested longest ago, when there is room for no more.
    fn in_the_way(&self) -> Option<Warm> {
        let mut state = self.state();
        let PoolState {
            ready, requested, ..
        } = &mut *state;
        let is_full = ready.len() >= self.settings.most.into();
        let last_request =
            |(_, warm): &(usize, &Warm)| requested.get(&(warm.tool(), warm.profile())).copied();
        let (at, _) = ready
            .iter()
            .enumerate()
            .min_by_key(last_request)
            .filter(|_| is_full)?;
        Some(ready.swap_remove(at))
    }

    fn failed(&self, kind: WarmKind, error: &WarmError) {
        let (tool, profile) = (kind.0, kind.1.as_str());
        let mut state = self.state();
        match error {
            WarmError::NeverWaits(_) => {
                tracing::info!(%tool, "{error}: each call starts it, as upstream's own builds want it");
                state.never.insert(tool);
            }
            _ => {
                tracing::warn!(%tool, profile, %error, "no tool could be started ahead of its call; each call starts its own");
                state.resting.insert(kind, Instant::now() + TRY_AGAIN_AFTER);
            }
        }
    }
}

/// Whether starting a tool now keeps no call from a processor: none runs, or one of the host's
/// processors has nothing to do.
fn has_free_processor(running: usize) -> bool {
    let processors = sysconf(SysconfVar::_NPROCESSORS_ONLN)
        .ok()
        .flatten()
        .and_then(|count| usize::try_from(count).ok());
    running == 0 || runnable().is_ok_and(|runnable| runnable <= processors.unwrap_or(1))
}

/// How many threads of this host run or could, this one among them (`/proc/loadavg`, the fourth
/// field).
fn runnable() -> io::Result<usize> {
    let text = fs::read_to_string("/proc/loadavg")?;
    let runnable = text
        .split(' ')
        .nth(3)
        .and_then(|field| field.split('/').next()?.parse().ok());
    runnable.ok_or_else(|| io::ErrorKind::InvalidData.into())
}
