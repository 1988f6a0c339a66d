//! `kube-airlock serve` and `kube-airlock stdio`.
//!
//! The order matters: everything that needs root or a single thread (policy files, the workspace
//! folder, the spawner, the port) comes before root is dropped and the runtime starts.

use std::{
    env,
    error::Error,
    fs::{self, File},
    io,
    net::{SocketAddr, TcpListener},
    os::fd::{AsFd, BorrowedFd},
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use nix::sys::{
    resource::{Resource, getrlimit, setrlimit},
    socket::{Backlog, listen},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{
    EnvFilter, Layer as _,
    filter::{FilterExt as _, filter_fn},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use super::{
    inputs::StartInputs,
    notify::{Progress, notify},
    reload,
    report::CodedError,
};
use crate::{
    argocd::Carried,
    audit::{Audit, Seal, ToolRecord},
    catalogue::Catalogue,
    clusters::Clusters,
    command::MOST_FILTERS,
    config::{LogFormat, Options, Settings},
    customs::CustomsCache,
    discovery::DiscoveryCache,
    egress::Upstreams,
    gate::{Gate, Headers, Parts},
    http::{Doors, Hosts},
    identity::Authenticator,
    inventory::{FoundProgram, Inventory},
    kubeconfig::Allowances,
    mcp, metrics,
    operator::{OperatorDoor, OperatorSocket},
    policy::Policy,
    sandbox::{
        Identity, Layer, Limits, Profiles, Sandbox, Slots, SpawnerLink, check_layers, claim_users,
        fork_spawner, harden_server,
    },
    secret::SecretString,
    store::{Admission, AdmissionBounds, Store},
    warm::WarmPool,
    workspace::Workspaces,
};

/// The longest that a call may wait for a place.
const LONGEST_QUEUE: Duration = Duration::from_secs(10);

/// The longest that the last calls may take to be ended, recorded and cleaned up after.
const CLEAN_UP: Duration = Duration::from_secs(5);

type Done = Result<(), Box<dyn Error>>;

/// Serves HTTP until SIGTERM or SIGINT.
pub fn http(options: Options) -> Done {
    reload::hold_signals()?;
    let settings = Settings::load(options)?;
    log_to_stderr(settings.log_format)?;
    raise_descriptors();
    let (prepared, seal) = Prepared::new(&settings)?;
    // After the fork: the spawner must not hold the port open.
    let listener = TcpListener::bind(settings.listen)
        .map_err(|error| format!("cannot listen on {}: {error}", settings.listen))?;
    // Beyond what std asks for: of a crowd, whoever finds no room tries again a second later.
    listen(&listener, Backlog::MAXALLOWABLE)?;
    listener.set_nonblocking(true)?;
    let probes = settings.metrics_listen.map(probes).transpose()?;
    let operator = settings.operator_socket.as_deref();
    let operator = operator.map(OperatorSocket::bind).transpose()?;
    drop_root(&settings)?;
    let measured = metrics::install(settings.counted_principals.clone())?;
    let layers = Layer::ALL.into_iter().map(Layer::as_str);
    metrics::sandbox_parts(layers.chain(["other", "helper", "spawner"]));
    let audit = audit(&settings, seal, io::stdout().as_fd())?;
    let stop = CancellationToken::new();
    let runtime = runtime()?;
    let done = runtime.block_on(async {
        let asked = reload::asked()?;
        let authenticator = Authenticator::new(settings.callers.clone());
        let opened = prepared.open(&settings, audit).await?;
        let gate = opened.gate.clone();
        tokio::spawn(opened.files(&settings, Some(&authenticator)).watch(asked));
        tokio::spawn(stop_on_signal(stop.clone()));
        tokio::spawn(metrics::keep(measured.clone()));
        let spawner = watch_spawner(&gate, &stop);
        tracing::info!(address = %settings.listen, tools_at_once = settings.limits.concurrency, "listening");
        let store = Arc::clone(&opened.store);
        let door = OperatorDoor::new(gate.clone(), authenticator.clone());
        let _operator = operator.map(|socket| door.serve(socket)).transpose()?;
        notify(Progress::Ready);
        let doors = Doors {
            gate,
            metrics: measured,
            hosts: Hosts::new(settings.allowed_hosts.clone()),
            authenticator,
            store,
            connections: connections(&settings),
            probes,
            drain: settings.limits.drain,
        };
        doors.serve(listener, stop.clone()).await?;
        opened.close().await;
        if spawner.is_finished() { Err("the spawner has ended; no command can run".into()) } else { Ok(()) }
    });
    // A write that nobody reads may still block a thread; it is not waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    done
}

/// Binds the address that `/metrics` and probes have of their own.
fn probes(address: SocketAddr) -> Result<TcpListener, String> {
    let bound = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|error| format!("cannot listen on {address} for /metrics: {error}"))
}

/// Serves one MCP client on standard input and output.
pub fn stdio(options: Options) -> Done {
    reload::hold_signals()?;
    let settings = Settings::load(options)?;
    log_to_stderr(settings.log_format)?;
    let (prepared, seal) = Prepared::new(&settings)?;
    let own = Headers {
        kubeconfig: own_kubeconfig()?,
        argocd: own_argocd()?,
        client: None,
    };
    drop_root(&settings)?;
    // Standard output is the conversation.
    let audit = audit(&settings, seal, io::stderr().as_fd())?;
    let runtime = runtime()?;
    let done = runtime.block_on(async {
        let (stop, asked) = (CancellationToken::new(), reload::asked()?);
        let opened = prepared.open(&settings, audit).await?;
        tokio::spawn(opened.files(&settings, None).watch(asked));
        tokio::spawn(stop_on_signal(stop.clone()));
        let _spawner = watch_spawner(&opened.gate, &stop);
        // A client asks at once; kubectl is found in the time of one `version`.
        tokio::select! {
            ended = mcp::serve_stdio(opened.gate.clone(), own) => ended?,
            () = stop.cancelled() => {}
        }
        opened.close().await;
        Ok(())
    });
    // A read of standard input cannot be cancelled.
    runtime.shutdown_timeout(Duration::from_secs(1));
    done
}

/// All that is made before the runtime starts.
struct Prepared {
    catalogues: Vec<Catalogue>,
    policy: Policy,
    clusters: Clusters,
    workspaces: Workspaces,
    link: SpawnerLink,
}

impl Prepared {
    fn new(settings: &Settings) -> Result<(Self, Seal), Box<dyn Error>> {
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
    async fn open(self, settings: &Settings, audit: Audit) -> Result<OpenGate, Box<dyn Error>> {
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
        let store = Arc::new(Store::new(
            settings.limits.rate,
            Admission::new(AdmissionBounds {
                places: settings.limits.concurrency.into(),
                queue: settings.limits.queue,
                running_per_caller: settings.limits.running_per_caller,
                calls_per_caller: settings.limits.calls_per_caller,
                wait: LONGEST_QUEUE,
            }),
            settings.kept,
        ));
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
struct OpenGate {
    gate: Gate,
    store: Arc<Store>,
    clusters: Arc<Clusters>,
    workspaces: Arc<Workspaces>,
    /// Asks the tools for their versions.
    looking: JoinHandle<()>,
}

impl OpenGate {
    /// The files that may change from now on; callers are taken where somebody identifies them.
    fn files(
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
    async fn close(self) {
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
fn slots(settings: &Settings) -> Slots {
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

/// The way to the records. OpenGate by the user that the server has become: it is the one that makes
/// new files later.
fn audit(settings: &Settings, seal: Seal, stream: BorrowedFd<'_>) -> Result<Audit, Box<dyn Error>> {
    match &settings.audit.file {
        Some(file) => Ok(Audit::to_file(file.clone(), seal)?),
        // Not through Rust's own buffer: one write call for a group of lines.
        None => Ok(Audit::to_stream(
            File::from(stream.try_clone_to_owned()?),
            seal,
        )?),
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

/// The network-facing process gives up root for good, and nobody may look into it.
fn drop_root(settings: &Settings) -> Done {
    if nix::unistd::geteuid().is_root() {
        Identity::new(settings.sandbox.server_user).assume().map_err(|error| {
            format!("the server was started as root and cannot become user {}: {error}\n  fix: give the container the capabilities SETUID, SETGID, SETPCAP, KILL and CHOWN, or start it as another user", settings.sandbox.server_user)
        })?;
    }
    harden_server()?;
    Ok(())
}

/// As many descriptors as are allowed: each connection is one, and a call some 10, or 134 if its
/// child opens all it may.
fn raise_descriptors() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        tracing::warn!(soft, hard, %error, "the limit on descriptors could not be raised");
    }
}

/// As many connections as the settings say, and as leave descriptors for calls: one has its
/// streams, its directory while it starts, and two for each connection of its tool, mostly one or
/// two.
fn connections(settings: &Settings) -> usize {
    const OURS: u64 = 64;
    const OF_A_CALL: u64 = 16;
    const OF_A_FILTER: u64 = 4;
    let wanted = settings.limits.connections;
    let Ok((descriptors, _)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return wanted;
    };
    let Slots { tools, filters } = slots(settings);
    let free = descriptors
        .saturating_sub(OURS + OF_A_CALL * u64::from(tools) + OF_A_FILTER * u64::from(filters));
    // Past the bound some are told so.
    let most = usize::try_from(free / 17 * 16)
        .unwrap_or(usize::MAX)
        .max(16);
    if most < wanted {
        tracing::warn!(
            descriptors,
            wanted,
            connections = most,
            "fewer connections are served than the settings say; raise the limit on descriptors (ulimit -n)"
        );
    }
    wanted.min(most)
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    // Threads that are there need no new one when the limit on them is reached.
    let a_day = Duration::from_secs(24 * 60 * 60);
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_keep_alive(a_day)
        .build()
}

/// Without its spawner the server can only refuse: it stops, and whatever supervises it restarts
/// it.
fn watch_spawner(gate: &Gate, stop: &CancellationToken) -> JoinHandle<()> {
    let (sandbox, stop) = (gate.sandbox().clone(), stop.clone());
    tokio::spawn(async move {
        sandbox.gone().await;
        tracing::error!("the spawner has ended; stopping");
        stop.cancel();
    })
}

/// Stops on the first signal; a second one ends the process at once, and the spawner every child.
async fn stop_on_signal(stop: CancellationToken) {
    let (Ok(mut term), Ok(mut int)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return;
    };
    for asked in 0.. {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        if asked > 0 {
            std::process::exit(130);
        }
        tracing::info!("stopping; a second signal stops at once");
        notify(Progress::Stopping);
        stop.cancel();
    }
}

/// The kubeconfig of a stdio server: it runs as its user, beside its client.
fn own_kubeconfig() -> Result<Option<SecretString>, Box<dyn Error>> {
    let named = env::var_os("KUBECONFIG")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from);
    let default = env::var_os("HOME")
        .map(|home| PathBuf::from(home).join(".kube/config"))
        .filter(|path| path.exists());
    match named.or(default) {
        None => Ok(None),
        Some(path) => {
            let bytes = zeroize::Zeroizing::new(fs::read(&path).map_err(|error| {
                format!("the kubeconfig {} cannot be read: {error}", path.display())
            })?);
            Ok(Some(SecretString::new(BASE64_STANDARD.encode(&*bytes))))
        }
    }
}

/// What argocd itself would read: `ARGOCD_SERVER`, `ARGOCD_AUTH_TOKEN`, and the authority that
/// `SSL_CERT_FILE` names.
fn own_argocd() -> Result<Carried, Box<dyn Error>> {
    let text = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let server = text("ARGOCD_SERVER");
    // Without a server it is somebody else's certificate file.
    let authority = match text("SSL_CERT_FILE").filter(|_| server.is_some()) {
        None => None,
        Some(path) => Some(
            BASE64_STANDARD.encode(
                fs::read(&path)
                    .map_err(|error| format!("SSL_CERT_FILE {path} cannot be read: {error}"))?,
            ),
        ),
    };
    Ok(Carried {
        server,
        token: text("ARGOCD_AUTH_TOKEN").map(SecretString::new),
        authority,
    })
}

/// rmcp prints arguments and results at its debug level, and an error for every client that leaves.
fn log_to_stderr(format: LogFormat) -> Done {
    let levels = env::var("AIRLOCK_LOG").unwrap_or_else(|_| "warn,kube_airlock=info".into());
    if levels.contains("rmcp") {
        return Err("AIRLOCK_LOG: rmcp logs what callers send and get, kubeconfigs too, and stays silent\n  fix: leave it out; kube_airlock::mcp is this server's own part".into());
    }
    let levels = EnvFilter::try_new(&levels).map_err(|error| format!("AIRLOCK_LOG: {error}"))?;
    // Beside the levels and not among them: whatever they say, this holds.
    let levels = levels.and(filter_fn(|metadata| !metadata.target().starts_with("rmcp")));
    let log = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    match format {
        LogFormat::Json => tracing_subscriber::registry()
            .with(log.json().with_filter(levels))
            .try_init(),
        LogFormat::Text => tracing_subscriber::registry()
            .with(log.with_ansi(false).with_filter(levels))
            .try_init(),
    }
    .map_err(|error| error.to_string().into())
}
