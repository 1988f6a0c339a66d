//! From settings to an open gate: [`Prepared`], which is made before root is dropped and the runtime
//! starts, and [`OpenGate`], which ends what runs.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
    time::Duration,
};

use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::JoinHandle,
    time::timeout,
};

use super::{inputs::StartInputs, reload, report::CodedError};
use crate::{
    audit::{Audit, Seal, ToolRecord},
    catalogue::Catalogue,
    clusters::Clusters,
    command::MOST_FILTERS,
    config::Settings,
    customs::CustomsCache,
    discovery::DiscoveryCache,
    egress::Upstreams,
    gate::{Gate, Parts},
    identity::Authenticator,
    inventory::{FoundProgram, Inventory},
    kubeconfig::Allowances,
    policy::Policy,
    sandbox::{
        Limits, Profiles, Sandbox, Slots, SpawnerLink, check_layers, claim_users, fork_spawner,
    },
    store::{Admission, AdmissionBounds, Store},
    warm::WarmPool,
    workspace::Workspaces,
};

/// The longest that a call may wait for a place.
const LONGEST_QUEUE: Duration = Duration::from_secs(10);

/// The longest that the last calls may take to be ended, recorded and cleaned up after.
const CLEAN_UP: Duration = Duration::from_secs(5);

/// All that is made before the runtime starts.
pub(super) struct Prepared {
    catalogues: Vec<Catalogue>,
    policy: Policy,
    clusters: Clusters,
    workspaces: Workspaces,
    link: SpawnerLink,
}

impl Prepared {
    /// Reads what the settings name and forks the spawner. Call it while there is one thread.
    pub(super) fn new(settings: &Settings) -> Result<(Self, Seal), Box<dyn Error>> {
        // First: the spawner knows nothing of what is read from here on, and the less there is to
        // it, the less a fork of it costs.
        let link = spawner(settings)?;
        let StartInputs {
            catalogues,
            policy,
            known,
            clusters,
            seal,
        } = StartInputs::read(settings)?;
        reload::log_lints(&policy);
        reload::log_unopened(&policy, &known);
        let owner = nix::unistd::geteuid()
            .is_root()
            .then_some(settings.sandbox.server_user);
        let workspaces =
            Workspaces::create(settings.work_dir.as_deref(), owner).map_err(|error| {
                format!(
                    "no folder for requests can be made: {error}\n  fix: name one with --work-dir"
                )
            })?;
        if !workspaces.in_memory() {
            tracing::warn!(path = %workspaces.path().display(), "kubeconfigs are written to a disk; a tmpfs named with --work-dir keeps them in memory");
        }
        let prepared = Self {
            catalogues,
            policy,
            clusters,
            workspaces,
            link,
        };
        Ok((prepared, seal))
    }

    /// Opens the gate, and starts to look for the tools.
    pub(super) async fn open(
        self,
        settings: &Settings,
        audit: Audit,
    ) -> Result<OpenGate, Box<dyn Error>> {
        let sandbox = Sandbox::new(self.link, slots(settings))?;
        let policy = reload::digests(&settings.policy);
        audit.start(policy).await.map_err(|error| {
            format!("no audit record can be written, and without them nothing is served: {error}")
        })?;
        for status in sandbox.layers() {
            tracing::debug!(layer = %status.layer, state = ?status.state, "layer");
        }
        for layer in settings.sandbox.levels.weakened() {
            tracing::warn!(%layer, level = ?settings.sandbox.levels.of(layer), "a layer of the sandbox is weaker than by default");
        }
        let (workspaces, clusters) = (Arc::new(self.workspaces), Arc::new(self.clusters));
        let inventory = Arc::new(Inventory::new(self.catalogues, settings.tools.clone()));
        let limits = Limits {
            memory_bytes: settings.limits.bounds.memory_bytes,
            cpu_seconds: 30,
        };
        let (report, found) = unbounded_channel();
        let looking = tokio::spawn(Arc::clone(&inventory).watch(
            sandbox.clone(),
            Arc::clone(&workspaces),
            limits,
            // Nobody listens once the server stops.
            move |program| drop(report.send(program)),
        ));
        let by_default = Allowances {
            named_only: settings.kubeconfig.named_only,
            ..Allowances::default()
        };
        if settings.kubeconfig != by_default {
            tracing::warn!(terms = ?settings.kubeconfig, "kubeconfigs may hold what is refused by default");
        }
        if !settings.callers.is_empty()
            && let Some(unfairness) = settings.limits.unfairness()
        {
            tracing::warn!("{unfairness}");
        }
        let store = Arc::new(store(settings));
        let gate = Gate::new(Parts {
            inventory,
            policy: RwLock::new(Arc::new(self.policy)),
            allowances: settings.kubeconfig.clone(),
            clusters: Arc::clone(&clusters),
            allowed: settings.egress.clone(),
            judging: settings.judging.clone(),
            upstreams: Upstreams::new(),
            workspaces: Arc::clone(&workspaces),
            discovery: DiscoveryCache::new(settings.warm.discovery),
            customs: CustomsCache::new(settings.warm.discovery),
            warm: WarmPool::new(
                settings.warm.clone(),
                sandbox.clone(),
                Arc::clone(&workspaces),
                most_of_a_call(settings),
            ),
            sandbox,
            store: Arc::clone(&store),
            audit,
            bounds: settings.limits.bounds,
        });
        gate.keep_warm();
        gate.beside_calls(record_programs(gate.clone(), found));
        Ok(OpenGate {
            gate,
            store,
            clusters,
            workspaces,
            looking,
        })
    }
}

/// Where rates, shares and calls are counted, and kept outputs are.
fn store(settings: &Settings) -> Store {
    Store::new(
        settings.limits.rate,
        Admission::new(AdmissionBounds {
            places: settings.limits.concurrency.into(),
            queue: settings.limits.queue,
            running_per_caller: settings.limits.running_per_caller,
            calls_per_caller: settings.limits.calls_per_caller,
            wait: LONGEST_QUEUE,
        }),
        settings.kept,
    )
}

/// Records which programs are there, and each change of that.
async fn record_programs(gate: Gate, mut found: UnboundedReceiver<FoundProgram>) {
    while let Some(program) = found.recv().await {
        let record = ToolRecord {
            program: program.name(),
            state: program.state(),
            version: program.version(),
            digest: program.digest(),
        };
        gate.audit().tool(&record).await;
    }
}

/// An open gate, and what looks after it.
pub(super) struct OpenGate {
    pub(super) gate: Gate,
    pub(super) store: Arc<Store>,
    clusters: Arc<Clusters>,
    workspaces: Arc<Workspaces>,
    /// Asks the tools for their versions.
    looking: JoinHandle<()>,
}

impl OpenGate {
    /// The files that may change from now on; callers are taken where somebody identifies them.
    pub(super) fn files(
        &self,
        settings: &Settings,
        authenticator: Option<&Authenticator>,
    ) -> reload::ReloadedFiles {
        let (names, policy) = (&settings.policy_paths, &settings.policy);
        let file = |path: PathBuf| reload::SettingsFile::new(path, authenticator.cloned());
        let of_file = || Authenticator::new(settings.callers.clone());
        let surroundings = reload::Surroundings {
            authenticator: authenticator.cloned().unwrap_or_else(of_file),
            clusters: Arc::clone(&self.clusters),
            allowances: settings.kubeconfig.clone(),
        };
        reload::ReloadedFiles {
            gate: self.gate.clone(),
            policy: (!names.is_empty())
                .then(|| reload::PolicyFiles::new(names.clone(), policy.clone(), surroundings)),
            clusters: (!settings.clusters.is_empty())
                .then(|| reload::ClusterFiles::new(Arc::clone(&self.clusters))),
            settings: settings.path.clone().map(file),
        }
    }

    /// Ends what runs, and waits until it is recorded and nothing of it is left.
    pub(super) async fn close(self) {
        self.looking.abort();
        self.gate.stop(CLEAN_UP).await;
        // What a child has belongs to its user until the spawner has given it back: nobody could
        // remove it then.
        let given_back = async {
            while self.gate.sandbox().is_alive() && has_requests(self.workspaces.path()) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if timeout(CLEAN_UP, given_back).await.is_err() {
            tracing::error!("directories of requests are left; the next start sweeps them");
        }
        if let Err(error) = self.gate.audit().stop().await {
            tracing::error!(%error, "the end of the server could not be recorded");
        }
    }
}

/// Forks the spawner, once it is known that children can be confined here.
fn spawner(settings: &Settings) -> Result<SpawnerLink, Box<dyn Error>> {
    let is_root = nix::unistd::geteuid().is_root();
    let children = if is_root {
        Some(claim_users(
            settings.sandbox.first_child_user,
            slots(settings).all(),
        )?)
    } else {
        None
    };
    if let Some(first) = children.map(|first| first.uid().as_raw())
        && (first..first.saturating_add(slots(settings).all().into()))
            .contains(&settings.sandbox.server_user)
    {
        let server = settings.sandbox.server_user;
        return Err(format!("user {server} would be the server's and a child's: children have {} users from {first} on\n  fix: another server_user or first_child_user in [sandbox], or fewer places in limits.concurrency and warm.memory", slots(settings).all()).into());
    }
    let profiles = Profiles::load()?;
    check_layers(&profiles, &settings.sandbox.levels, children, most_of_a_call(settings)).map_err(
        |error| CodedError {
            code: "sandbox_unavailable",
            message: format!("no command could be confined on this host: {error}"),
            advice: vec![
                "fix:    `kube-airlock doctor` shows what this host lacks, and what to do".into(),
                "accept: `[sandbox.layers]` with `LAYER = \"off\"` in the settings runs commands without it".into(),
            ],
        },
    )?;
    Ok(fork_spawner(
        settings.programs(),
        profiles,
        settings.sandbox.levels.clone(),
        children,
        slots(settings),
    )?)
}

/// The limits that no call goes beyond.
fn most_of_a_call(settings: &Settings) -> Limits {
    Limits::of_call(
        settings.limits.bounds.memory_bytes,
        settings.limits.bounds.longest_timeout,
    )
}

/// Places for callers, for tools that wait for a call, and one for the inventory's own questions;
/// and as many filters as all of them may have, up to what does not use up the host's users.
pub(super) fn slots(settings: &Settings) -> Slots {
    let filters = settings
        .limits
        .concurrency
        .saturating_mul(MOST_FILTERS as u16)
        .min(512);
    Slots {
        tools: settings
            .limits
            .concurrency
            .saturating_add(settings.warm.most)
            .saturating_add(1),
        filters,
    }
}

/// Whether a request's directory is in the server's; beside them there is its lock.
fn has_requests(directory: &Path) -> bool {
    fs::read_dir(directory).is_ok_and(|entries| {
        entries
            .flatten()
            .any(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
    })
}
