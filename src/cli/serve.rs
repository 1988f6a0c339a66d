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
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use nix::sys::{
    resource::{Resource, getrlimit, setrlimit},
    socket::{Backlog, listen},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{
    EnvFilter, Layer as _,
    filter::{FilterExt as _, filter_fn},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use super::{
    notify::{Progress, notify},
    prepared::{Prepared, slots},
    reload,
};
use crate::{
    argocd::Carried,
    audit::{Audit, Seal},
    config::{LogFormat, Options, Settings},
    gate::{Gate, Headers},
    http::{Doors, Hosts},
    identity::Authenticator,
    mcp, metrics,
    operator::{OperatorDoor, OperatorSocket},
    sandbox::{Identity, Layer, Slots, harden_server},
    secret::SecretString,
};

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
            compat: settings.compat,
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

/// The way to the records. Opened by the user that the server has become: it is the one that makes
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
