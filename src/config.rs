//! Settings: defaults < file < environment < flags.

#![forbid(unsafe_code)]

mod policies;

pub use policies::{builtin, read_policies};

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::{self, Read},
    net::SocketAddr,
    num::NonZeroU32,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, ValueEnum};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{
    audit::{FileSettings, MOST_KEPT, Seal, strange_owner},
    clusters::ClusterSource,
    command::{FilterProgram, is_dns_label},
    egress::{AllowRule, Allowed},
    excerpt::Excerpt,
    gate::Bounds,
    identity::{Caller, Callers, KnownCaller},
    kubeconfig::{Allowances, Impersonation, TokenSource},
    memory::Budget,
    metrics::MOST_PRINCIPALS,
    policy::PolicySource,
    sandbox::{Layer, Level, Levels, Program, ProgramPaths},
    store::Rate,
    tool::Tool,
    unit::{Bytes, NotASize, go_duration},
    warm::{MEMORY_OF_ONE, WarmSettings},
};

/// Where an image or package puts the tools.
const TOOLS_DIR: &str = "/usr/lib/kube-airlock/tools";

/// Options of `serve` and `stdio`. Each is also a variable and a key of the file.
#[derive(Args, Clone, Debug, Default)]
pub struct Options {
    /// A TOML file with settings; flags and AIRLOCK_* variables win over it. Only it has limits,
    /// named clusters and what kubeconfigs may hold; deploy/airlock.example.toml has every key
    #[arg(long, env = "AIRLOCK_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The address to listen on [default: 127.0.0.1:9096]
    #[arg(long, env = "AIRLOCK_LISTEN", value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// A policy file, or builtin:read-only, builtin:standard, builtin:admin; several must all
    /// allow a command [default: builtin:read-only]
    #[arg(
        long,
        env = "AIRLOCK_POLICY",
        value_name = "FILE",
        value_delimiter = ','
    )]
    pub policy: Vec<PathBuf>,
    /// The folder that holds kubectl, helm, istioctl and argocd [default:
    /// /usr/lib/kube-airlock/tools]
    #[arg(long, env = "AIRLOCK_TOOLS_DIR", value_name = "DIR")]
    pub tools_dir: Option<PathBuf>,
    /// Opens loopback addresses for API servers, like 127.0.0.1:6443; all others but metadata are
    /// open
    #[arg(long, env = "AIRLOCK_EGRESS_ALLOW", value_name = "CIDR[:PORT,..]")]
    pub egress_allow: Vec<AllowRule>,
    /// Where requests' private directories are made [default: /dev/shm where it is a tmpfs]
    #[arg(long, env = "AIRLOCK_WORK_DIR", value_name = "DIR")]
    pub work_dir: Option<PathBuf>,
    /// A name under which clients call this server, besides the loopback ones
    #[arg(
        long = "allowed-host",
        env = "AIRLOCK_ALLOWED_HOSTS",
        value_name = "HOST",
        value_delimiter = ','
    )]
    pub allowed_hosts: Vec<String>,
    /// Listens beyond loopback although callers are not identified; put an authenticating proxy
    /// before it
    #[arg(long, env = "AIRLOCK_INSECURE_NO_AUTH")]
    pub insecure_no_auth: bool,
    /// How the log on standard error is written [default: text]; AIRLOCK_LOG has its levels by
    /// module, like warn,kube_airlock=info,kube_airlock::gate=debug
    #[arg(long, env = "AIRLOCK_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// The file for audit records; full ones are kept beside it [default: standard output; of
    /// `stdio`, standard error]
    #[arg(long, env = "AIRLOCK_AUDIT_FILE", value_name = "FILE")]
    pub audit_file: Option<PathBuf>,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// JSON lines.
    Json,
    /// For people.
    #[default]
    Text,
}

/// Settings, complete and checked.
#[derive(Debug)]
pub struct Settings {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The policies, read.
    pub policy: Vec<PolicySource>,
    /// How they were named; none means the built-in one.
    pub policy_paths: Vec<PathBuf>,
    /// Where each tool is expected.
    pub tools: Vec<(Tool, PathBuf)>,
    /// Where they are by default; the filters are in its folder `filters`.
    pub tools_dir: PathBuf,
    /// What kubeconfigs may hold beyond the default.
    pub kubeconfig: Allowances,
    /// The clusters that callers may name.
    pub clusters: Vec<ClusterSource>,
    /// Address rules.
    pub egress: Allowed,
    /// Where workspaces are made.
    pub work_dir: Option<PathBuf>,
    /// Names of this server besides loopback.
    pub allowed_hosts: Vec<String>,
    /// Bounds of each call.
    pub bounds: Bounds,
    /// Children at once; together they fit into the memory that there is.
    pub concurrency: u16,
    /// Tools that are started before their call.
    pub warm: WarmSettings,
    /// Calls that may wait.
    pub queue: usize,
    /// Calls of one known caller that may run or wait.
    pub calls_per_caller: usize,
    /// Connections of clients at once.
    pub connections: usize,
    /// Those who may call; none: everybody who reaches the port.
    pub callers: Callers,
    /// The file of these settings.
    pub path: Option<PathBuf>,
    /// How often each caller may send a request.
    pub rate: Option<Rate>,
    /// What is wanted of each layer of the sandbox.
    pub levels: Levels,
    /// Who the server becomes when it is started as root.
    pub server_user: u32,
    /// The first of the children's users then.
    pub first_child_user: u32,
    /// How the log is written.
    pub log_format: LogFormat,
    /// The file for records; none for a stream.
    pub audit_file: Option<FileSettings>,
    /// The key that records are sealed with; none for a plain hash.
    pub audit_key: Option<PathBuf>,
    /// Principals that `/metrics` names.
    pub counted_principals: BTreeSet<String>,
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that is not one of settings.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line.
        message: String,
    },
    /// A value that cannot be.
    #[error("{key}: {problem}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A public address without authentication.
    #[error(
        "{0} can be reached from other hosts, and callers are not identified\n  fix:    give callers tokens (`kube-airlock token new`), or listen on 127.0.0.1, behind a proxy that authenticates\n  accept: --insecure-no-auth; everyone who reaches the port can then run what the policy allows"
    )]
    PublicWithoutAuth(SocketAddr),
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    listen: Option<SocketAddr>,
    policy: Vec<PathBuf>,
    tools_dir: Option<PathBuf>,
    work_dir: Option<PathBuf>,
    allowed_hosts: Vec<String>,
    insecure_no_auth: bool,
    log_format: Option<LogFormat>,
    tools: BTreeMap<Tool, ToolTable>,
    egress: Egress,
    kubeconfig: KubeconfigTable,
    clusters: BTreeMap<String, ClusterTable>,
    limits: LimitsTable,
    sandbox: SandboxTable,
    caller: Vec<CallerTable>,
    audit: AuditTable,
    metrics: MetricsTable,
    warm: Option<WarmTable>,
}

/// After which kubectl does not believe its own files of discovery any more.
const LONGEST_DISCOVERY: Duration = Duration::from_secs(6 * 60 * 60);

/// What waits for a call; all that is not said is the default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WarmTable {
    kubectl: u16,
    helm: u16,
    istioctl: u16,
    argocd: u16,
    memory: String,
    idle: String,
    discovery: String,
}

impl Default for WarmTable {
    fn default() -> Self {
        Self {
            kubectl: 2,
            helm: 1,
            istioctl: 1,
            argocd: 1,
            memory: "256MiB".into(),
            idle: "10m".into(),
            discovery: "10m".into(),
        }
    }
}

impl WarmTable {
    fn settings(self) -> Result<WarmSettings, ConfigError> {
        let Self {
            kubectl,
            helm,
            istioctl,
            argocd,
            memory,
            idle,
            discovery,
        } = self;
        let sizes = [
            (Tool::KUBECTL, kubectl),
            (Tool::HELM, helm),
            (Tool::ISTIOCTL, istioctl),
            (Tool::ARGOCD, argocd),
        ];
        let most = size("warm.memory", &memory)? / MEMORY_OF_ONE;
        let idle = duration("warm.idle", &idle)?;
        let discovery = go_duration(&discovery).filter(|duration| *duration <= LONGEST_DISCOVERY).ok_or_else(|| {
            let problem = format!("`{discovery}` is not a duration up to 6h, as long as kubectl's own files count; 0 keeps nothing");
            ConfigError::Value { key: "warm.discovery", problem }
        })?;
        if sizes.iter().all(|(_, size)| *size == 0) {
            return Ok(WarmSettings::default());
        }
        match u16::try_from(most) {
            Ok(most @ 1..=256) => Ok(WarmSettings {
                sizes: sizes.into(),
                most,
                idle,
                discovery,
            }),
            _ => {
                let one = MEMORY_OF_ONE >> 20;
                let problem = format!(
                    "each tool that waits is counted as {one} MiB; give {one}MiB to 8GiB, or 0 for each of the tools"
                );
                Err(ConfigError::Value {
                    key: "warm.memory",
                    problem,
                })
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AuditTable {
    path: Option<PathBuf>,
    max_bytes: String,
    keep: u32,
    fsync: bool,
    key_file: Option<PathBuf>,
}

impl Default for AuditTable {
    fn default() -> Self {
        Self {
            path: None,
            max_bytes: "100MiB".into(),
            keep: 10,
            fsync: false,
            key_file: None,
        }
    }
}

impl AuditTable {
    /// Where records go, and the key that they are sealed with; files beside the settings.
    fn settings(
        self,
        path: Option<PathBuf>,
        folder: &Path,
    ) -> Result<(Option<FileSettings>, Option<PathBuf>), ConfigError> {
        let max_bytes = size("audit.max_bytes", &self.max_bytes)?;
        if max_bytes < SMALLEST_AUDIT_FILE {
            return Err(ConfigError::Value {
                key: "audit.max_bytes",
                problem: "give 64KiB or more".into(),
            });
        }
        if !(1..=MOST_KEPT).contains(&self.keep) {
            return Err(ConfigError::Value {
                key: "audit.keep",
                problem: format!("give 1 to {MOST_KEPT}"),
            });
        }
        let key = self.key_file.map(|path| folder.join(path));
        let path = path.or_else(|| self.path.map(|path| folder.join(path)));
        Ok((
            path.map(|path| FileSettings {
                path,
                max_bytes,
                keep: self.keep,
                fsync: self.fsync,
            }),
            key,
        ))
    }
}

/// Some hundred records.
const SMALLEST_AUDIT_FILE: u64 = 64 << 10;

/// The seal of a key that an operator keeps in a file.
///
/// # Errors
/// When it cannot be read, or is no key.
pub fn seal_of(path: &Path) -> Result<Seal, ConfigError> {
    let mut text = Zeroizing::new(Vec::with_capacity(LONGEST_KEY + 1));
    let failed = |source| ConfigError::Read {
        path: path.to_owned(),
        source,
    };
    let file = fs::File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let wrong = |problem: String| ConfigError::Value {
        key: "audit.key_file",
        problem: format!("{} {problem}", path.display()),
    };
    if let Some(owner) = strange_owner(&metadata) {
        return Err(wrong(format!(
            "belongs to the user {owner}, who is neither root nor the user that reads it; chown it"
        )));
    }
    // A group may read it: that is how Kubernetes hands a secret to a process that is not root
    // (`fsGroup`).
    if metadata.mode() & 0o027 != 0 {
        return Err(wrong("may be read by everybody, or changed by its group; chmod 640, or `defaultMode: 0440` in Kubernetes".into()));
    }
    file.take(LONGEST_KEY as u64 + 1)
        .read_to_end(&mut text)
        .map_err(failed)?;
    let key = text.trim_ascii();
    if !(SHORTEST_KEY..=LONGEST_KEY).contains(&key.len()) {
        return Err(wrong(format!(
            "holds no key of {SHORTEST_KEY} to {LONGEST_KEY} bytes; `openssl rand -hex 32` makes one"
        )));
    }
    Ok(Seal::keyed(key))
}

/// As long as the hash that it seals with.
const SHORTEST_KEY: usize = 32;
const LONGEST_KEY: usize = 4096;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct MetricsTable {
    principals: bool,
}

impl MetricsTable {
    fn counted(&self, callers: &[KnownCaller]) -> Result<BTreeSet<String>, ConfigError> {
        let all: BTreeSet<String> = callers
            .iter()
            .filter(|_| self.principals)
            .map(|caller| caller.principal.clone())
            .collect();
        if all.len() > MOST_PRINCIPALS {
            let problem = format!(
                "there are more than {MOST_PRINCIPALS} callers; the audit has the numbers of each"
            );
            return Err(ConfigError::Value {
                key: "metrics.principals",
                problem,
            });
        }
        Ok(all)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallerTable {
    principal: String,
    #[serde(default)]
    groups: Vec<String>,
    token_sha256: String,
    expires: Option<String>,
}

impl CallerTable {
    fn known(self) -> Result<KnownCaller, ConfigError> {
        let wrong = |key, problem: String| ConfigError::Value { key, problem };
        let is_name = |name: &str| {
            !name.is_empty()
                && name.len() <= 128
                && name.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if !is_name(&self.principal)
            || self.principal == Caller::ANONYMOUS
            || !self.groups.iter().all(|group| is_name(group))
        {
            let problem = "give each caller and group a name of visible ASCII characters; `anonymous` is whoever is not known";
            return Err(wrong("caller.principal", problem.into()));
        }
        let expires = self
            .expires
            .map(|text| humantime::parse_rfc3339_weak(&text))
            .transpose();
        Ok(KnownCaller {
            digest: self
                .token_sha256
                .parse()
                .map_err(|problem: &str| wrong("caller.token_sha256", problem.into()))?,
            expires: expires.map_err(|_| {
                wrong(
                    "caller.expires",
                    "give a time like 2027-03-01T00:00:00Z".into(),
                )
            })?,
            principal: self.principal,
            groups: self.groups,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolTable {
    path: PathBuf,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Egress {
    allow: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClusterTable {
    kubeconfig: PathBuf,
    context: Option<String>,
}

/// The named clusters, their files beside the settings.
fn clusters(
    tables: BTreeMap<String, ClusterTable>,
    folder: &Path,
) -> Result<Vec<ClusterSource>, ConfigError> {
    let source = |(name, table): (String, ClusterTable)| {
        if !is_dns_label(&name) {
            let problem = format!(
                "a cluster is called {}; give it lower-case letters, digits and hyphens",
                Excerpt::new(&name)
            );
            return Err(ConfigError::Value {
                key: "clusters",
                problem,
            });
        }
        Ok(ClusterSource {
            name,
            kubeconfig: folder.join(table.kubeconfig),
            context: table.context,
        })
    };
    tables.into_iter().map(source).collect()
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct KubeconfigTable {
    allow_insecure_skip_tls_verify: bool,
    allow_passwords: bool,
    allow_tls_server_name: bool,
    impersonation: ImpersonationTable,
    token_source: Vec<TokenSourceTable>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ImpersonationTable {
    users: Vec<String>,
    groups: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenSourceTable {
    plugin: String,
    #[serde(default)]
    clusters: Vec<String>,
    token_file: PathBuf,
}

impl KubeconfigTable {
    /// The token files beside the settings.
    fn terms(self, folder: &Path) -> Result<Allowances, ConfigError> {
        let wrong = |key, problem: &str| {
            Err(ConfigError::Value {
                key,
                problem: problem.into(),
            })
        };
        for source in &self.token_source {
            if source.plugin.split_whitespace().next().is_none() || source.plugin.contains('/') {
                return wrong(
                    "kubeconfig.token_source.plugin",
                    "give the plugin's name and words without a folder, like `aws eks get-token`",
                );
            }
            if source.clusters.is_empty()
                || source
                    .clusters
                    .iter()
                    .any(|glob| glob.trim_matches('*').is_empty())
            {
                let problem = "list the API servers that the token is for, like `*.eks.amazonaws.com`; a caller chooses the server, and would get the token";
                return wrong("kubeconfig.token_source.clusters", problem);
            }
        }
        if self.impersonation.users.is_empty() && !self.impersonation.groups.is_empty() {
            return wrong(
                "kubeconfig.impersonation.groups",
                "groups are impersonated together with a user; list `users` too",
            );
        }
        Ok(Allowances {
            insecure_skip_tls_verify: self.allow_insecure_skip_tls_verify,
            passwords: self.allow_passwords,
            tls_server_name: self.allow_tls_server_name,
            impersonation: Impersonation {
                users: self.impersonation.users,
                groups: self.impersonation.groups,
            },
            token_sources: self
                .token_source
                .into_iter()
                .map(|source| TokenSource {
                    plugin: source.plugin,
                    clusters: source.clusters,
                    token_file: folder.join(source.token_file),
                })
                .collect(),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LimitsTable {
    timeout: String,
    longest_timeout: String,
    output: String,
    longest_output: String,
    memory: String,
    memory_budget: Option<String>,
    concurrency: Option<u16>,
    queue: usize,
    calls_per_caller: usize,
    connections: usize,
    rate: u32,
    burst: u32,
}

impl Default for LimitsTable {
    fn default() -> Self {
        Self {
            timeout: "30s".into(),
            longest_timeout: "2m".into(),
            output: "64KiB".into(),
            longest_output: "64MiB".into(),
            memory: "1GiB".into(),
            memory_budget: None,
            concurrency: None,
            queue: 64,
            calls_per_caller: 16,
            connections: 1024,
            rate: 100,
            burst: 1000,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SandboxTable {
    server_user: u32,
    first_child_user: u32,
    layers: BTreeMap<Layer, Level>,
}

impl Default for SandboxTable {
    fn default() -> Self {
        // Unprivileged, and below 65536: a container's user namespace often ends there.
        Self {
            server_user: 65532,
            first_child_user: 64000,
            layers: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// Where each program is expected that a child may become.
    pub fn programs(&self) -> ProgramPaths {
        let tools = self
            .tools
            .iter()
            .map(|(tool, path)| (Program::Tool(*tool), path.clone()));
        let filter = |program: FilterProgram| {
            (
                Program::Filter(program),
                self.tools_dir.join("filters").join(program.as_str()),
            )
        };
        tools.chain(FilterProgram::ALL.map(filter)).collect()
    }

    /// Puts settings together.
    ///
    /// # Errors
    /// The first key or file that cannot be used.
    pub fn load(options: Options) -> Result<Self, ConfigError> {
        let file = match &options.config {
            Some(path) => File::read(path)?,
            None => File::default(),
        };
        let listen = options
            .listen
            .or_else(listen_of_the_original_service)
            .or(file.listen)
            .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 9096)));
        if !listen.ip().is_loopback()
            && file.caller.is_empty()
            && !options.insecure_no_auth
            && !file.insecure_no_auth
        {
            return Err(ConfigError::PublicWithoutAuth(listen));
        }
        let policy = if options.policy.is_empty() {
            file.policy
        } else {
            options.policy
        };
        let tools_dir = options
            .tools_dir
            .or(file.tools_dir)
            .unwrap_or_else(|| PathBuf::from(TOOLS_DIR));
        let path_of = |tool: Tool| {
            file.tools
                .get(&tool)
                .map_or_else(|| tools_dir.join(tool.as_str()), |table| table.path.clone())
        };
        let mut allow = options.egress_allow;
        for rule in &file.egress.allow {
            allow.push(rule.parse().map_err(|error: crate::egress::AllowError| {
                ConfigError::Value {
                    key: "egress.allow",
                    problem: error.to_string(),
                }
            })?);
        }
        let mut allowed_hosts = options.allowed_hosts;
        allowed_hosts.extend(file.allowed_hosts);
        if !listen.ip().is_unspecified() {
            allowed_hosts.push(
                SocketAddr::new(listen.ip(), 0)
                    .to_string()
                    .trim_end_matches(":0")
                    .to_owned(),
            );
        }
        // What a file names lies beside it.
        let folder = options
            .config
            .as_deref()
            .and_then(Path::parent)
            .unwrap_or(Path::new(""));
        let limits = file.limits;
        let bounds = Bounds {
            timeout: duration("limits.timeout", &limits.timeout)?,
            longest_timeout: duration("limits.longest_timeout", &limits.longest_timeout)?,
            kept_output: usize::try_from(size("limits.output", &limits.output)?)
                .unwrap_or(usize::MAX),
            read_output: size("limits.longest_output", &limits.longest_output)?,
            memory_bytes: size("limits.memory", &limits.memory)?,
        };
        if bounds.timeout > bounds.longest_timeout {
            return Err(ConfigError::Value {
                key: "limits.timeout",
                problem: "it is longer than limits.longest_timeout".into(),
            });
        }
        if bounds.memory_bytes < 256 << 20 {
            return Err(ConfigError::Value {
                key: "limits.memory",
                problem: "the tools need at least 256MiB".into(),
            });
        }
        if limits.calls_per_caller == 0 {
            return Err(ConfigError::Value {
                key: "limits.calls_per_caller",
                problem: "nobody could call; give 1 or more".into(),
            });
        }
        if !(1..=65536).contains(&limits.connections) {
            return Err(ConfigError::Value {
                key: "limits.connections",
                problem: "give 1 to 65536".into(),
            });
        }
        let rate = match (NonZeroU32::new(limits.rate), NonZeroU32::new(limits.burst)) {
            (None, _) => None,
            (Some(per_second), Some(burst)) => Some(Rate { per_second, burst }),
            (Some(_), None) => {
                return Err(ConfigError::Value {
                    key: "limits.burst",
                    problem: "nobody could call; give 1 or more".into(),
                });
            }
        };
        if limits
            .concurrency
            .is_some_and(|places| !(1..=1000).contains(&places))
        {
            return Err(ConfigError::Value {
                key: "limits.concurrency",
                problem: "give 1 to 1000, or leave it out for as many as fit".into(),
            });
        }
        let budget = match &limits.memory_budget {
            Some(text) => Some(Budget {
                bytes: size("limits.memory_budget", text)?,
                who: "limits.memory_budget is",
            }),
            None => Budget::of_this_host(),
        };
        let budget = budget.ok_or_else(|| ConfigError::Value {
            key: "limits.memory_budget",
            problem: "this kernel does not tell how much memory there is; say how much all tools together may take".into(),
        })?;
        let is_said = file.warm.is_some();
        let warm = file.warm.unwrap_or_default().settings()?;
        // Where memory is scarce no tool waits, unless the file says that one should.
        let (warm, budget) = match budget.less(u64::from(warm.most) * MEMORY_OF_ONE) {
            less if is_said || less.places(None, bounds.memory_bytes).is_ok() => (warm, less),
            _ => (WarmSettings::default(), budget),
        };
        let concurrency = budget
            .places(limits.concurrency, bounds.memory_bytes)
            .map_err(|(key, problem)| ConfigError::Value { key, problem })?;
        let callers = file
            .caller
            .into_iter()
            .map(CallerTable::known)
            .collect::<Result<Vec<_>, _>>()?;
        let (audit_file, audit_key) = file.audit.settings(options.audit_file, folder)?;
        Ok(Self {
            path: options.config.clone(),
            listen,
            counted_principals: file.metrics.counted(&callers)?,
            audit_file,
            audit_key,
            policy: read_policies(&policy)?,
            policy_paths: policy,
            tools: Tool::all().map(|tool| (tool, path_of(tool))).collect(),
            tools_dir,
            kubeconfig: file.kubeconfig.terms(folder)?,
            clusters: clusters(file.clusters, folder)?,
            egress: Allowed::new(allow),
            work_dir: options.work_dir.or(file.work_dir),
            allowed_hosts,
            bounds,
            concurrency,
            warm,
            queue: limits.queue,
            calls_per_caller: limits.calls_per_caller,
            connections: limits.connections,
            callers: Callers::new(callers),
            rate,
            levels: Levels::new(file.sandbox.layers),
            server_user: file.sandbox.server_user,
            first_child_user: file.sandbox.first_child_user,
            log_format: options.log_format.or(file.log_format).unwrap_or_default(),
        })
    }
}

impl File {
    fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        toml::from_str(&text).map_err(|error| ConfigError::File {
            path: path.to_owned(),
            message: error.to_string(),
        })
    }
}

/// The callers that a file of settings names.
///
/// # Errors
/// When the text is not one of settings.
pub fn callers_in(path: &Path, text: &str) -> Result<Callers, ConfigError> {
    let file: File = toml::from_str(text).map_err(|error| ConfigError::File {
        path: path.to_owned(),
        message: error.to_string(),
    })?;
    Ok(Callers::new(
        file.caller
            .into_iter()
            .map(CallerTable::known)
            .collect::<Result<_, _>>()?,
    ))
}

/// `HOST` and `PORT`, which the service that this one replaces reads.
fn listen_of_the_original_service() -> Option<SocketAddr> {
    let (host, port) = (env::var("HOST").ok(), env::var("PORT").ok());
    if host.is_none() && port.is_none() {
        return None;
    }
    let host = host.unwrap_or_else(|| "127.0.0.1".into()).parse().ok()?;
    Some(SocketAddr::new(
        host,
        port.unwrap_or_else(|| "9096".into()).parse().ok()?,
    ))
}

fn duration(key: &'static str, text: &str) -> Result<Duration, ConfigError> {
    go_duration(text)
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| ConfigError::Value {
            key,
            problem: format!("`{text}` is not a duration like 30s or 2m"),
        })
}

fn size(key: &'static str, text: &str) -> Result<u64, ConfigError> {
    text.parse()
        .map(Bytes::get)
        .map_err(|_: NotASize| ConfigError::Value {
            key,
            problem: format!("`{text}` is not a size like 64KiB or 1GiB"),
        })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_public_address_needs_an_explicit_word() {
        let options = Options {
            listen: Some("0.0.0.0:9096".parse().unwrap()),
            ..Options::default()
        };
        assert!(matches!(
            Settings::load(options.clone()),
            Err(ConfigError::PublicWithoutAuth(_))
        ));
        assert!(
            Settings::load(Options {
                insecure_no_auth: true,
                ..options
            })
            .is_ok()
        );
    }

    #[test]
    fn every_key_of_the_example_is_one() {
        let example = include_str!("../deploy/airlock.example.toml");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("airlock.toml");
        let is_key = |text: &str| {
            text.starts_with('[')
                || text
                    .split_once(" = ")
                    .is_some_and(|(key, _)| !key.contains(' '))
        };
        let with_comments: Vec<&str> = example
            .lines()
            .map(|line| {
                line.strip_prefix("# ")
                    .filter(|rest| is_key(rest))
                    .unwrap_or(line)
            })
            .collect();
        for text in [example.to_owned(), with_comments.join("\n")] {
            fs::write(&path, text).unwrap();
            Settings::load(Options {
                config: Some(path.clone()),
                ..Options::default()
            })
            .unwrap();
        }
        let settings = Settings::load(Options {
            config: Some(path),
            ..Options::default()
        })
        .unwrap();
        assert_eq!(
            (
                settings.kubeconfig.token_sources.len(),
                settings.clusters.len()
            ),
            (1, 1)
        );
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("airlock.toml");
        fs::write(&path, "listen = \"127.0.0.1:1111\"\ntools_dir = \"/from/file\"\n[limits]\ntimeout = \"10s\"\nmemory = \"512MiB\"\n[tools.helm]\npath = \"/opt/helm\"\n").unwrap();
        let settings = Settings::load(Options {
            config: Some(path),
            listen: Some("127.0.0.1:2222".parse().unwrap()),
            ..Options::default()
        })
        .unwrap();
        assert_eq!(settings.listen.port(), 2222);
        assert_eq!(
            (
                settings.bounds.timeout,
                settings.bounds.memory_bytes,
                settings.bounds.kept_output
            ),
            (Duration::from_secs(10), 512 << 20, 64 << 10)
        );
        assert_eq!(
            settings.tools,
            [
                (Tool::KUBECTL, "/from/file/kubectl".into()),
                (Tool::HELM, "/opt/helm".into()),
                (Tool::ISTIOCTL, "/from/file/istioctl".into()),
                (Tool::ARGOCD, "/from/file/argocd".into())
            ]
        );
    }

    #[test]
    fn a_key_of_the_audit_is_as_long_as_its_hash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let made = |text: &str| {
            fs::write(&path, text).unwrap();
            mode(0o600);
            seal_of(&path).map(|seal| seal.name())
        };
        assert_eq!(
            made(&format!("{}\n", "k".repeat(32))).unwrap(),
            "hmac-sha256"
        );
        for wrong in ["", "short\n", &"k".repeat(5000)] {
            let told = made(wrong).unwrap_err().to_string();
            assert!(
                told.contains("holds no key of 32 to 4096 bytes") && !told.contains("kkkk"),
                "{told}"
            );
        }
        assert!(matches!(
            seal_of(&folder.path().join("none")),
            Err(ConfigError::Read { .. })
        ));
    }

    #[test]
    fn a_key_of_the_audit_that_others_read_or_change_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "k".repeat(32)).unwrap();
        for (mode, is_ours) in [
            (0o400, true),
            (0o600, true),
            (0o440, true),
            (0o640, true),
            (0o644, false),
            (0o604, false),
            (0o660, false),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let told = seal_of(&path)
                .map(|seal| seal.name())
                .map_err(|error| error.to_string());
            let refused = format!(
                "audit.key_file: {} may be read by everybody, or changed by its group; chmod 640",
                path.display()
            );
            assert!(
                told.as_ref()
                    .map_or_else(|told| !is_ours && told.contains(&refused), |_| is_ours),
                "{mode:o}: {told:?}"
            );
        }
    }

    #[test]
    fn a_file_with_an_unknown_key_or_an_impossible_value_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("airlock.toml");
        for text in [
            "listn = 1",
            "[limits]\ntimeout = \"0s\"",
            "[limits]\nmemory = \"1MiB\"",
            "[limits]\nconcurrency = 0",
            "[limits]\nconcurrency = 4\nmemory_budget = \"2GiB\"",
            "[limits]\nburst = 0",
            "[limits]\ncalls_per_caller = 0",
            "[limits]\nconnections = 0",
            "[[caller]]\nprincipal = \"web\"",
            "[[caller]]\nprincipal = \"web\"\ntoken_sha256 = \"x\"",
            "[[caller]]\nprincipal = \"anonymous\"\ntoken_sha256 = \"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881\"",
            "[egress]\nallow = [\"localhost\"]",
            "[tools.kustomize]\npath = \"/x\"",
            "[audit]\nkeep = 0",
            "[audit]\nmax_bytes = \"1KiB\"",
        ] {
            fs::write(&path, text).unwrap();
            assert!(
                Settings::load(Options {
                    config: Some(path.clone()),
                    ..Options::default()
                })
                .is_err(),
                "{text}"
            );
        }
    }
}
