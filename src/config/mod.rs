//! Settings: defaults < file < environment < flags.
//!
//! Comes in: [`Options`], which are flags and variables, and the file that they name. Goes out:
//! [`Settings`], complete. Each room owns its table of the file, its defaults and its mistakes; a
//! mistake in the file has its place underlined. May not start anything.
//!
//! Held by the tests below and by `tests/cli`, whose snapshots have mistakes of each table.

#![forbid(unsafe_code)]

mod error;
mod file;
mod hosts;
mod limits;
mod options;
mod policies;

use std::{
    collections::BTreeSet,
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
};

pub use error::{ConfigError, ConfigErrors};
pub use file::read_settings;
pub use limits::LimitSettings;
pub use options::{LogFormat, Options};
use policies::read_all_policies;
pub use policies::{ReadFor, builtin, read_policies};

use nix::unistd::geteuid;

pub use file::schema;
use file::{SettingsOrigin, Tables, known};
use hosts::host_names;
use limits::Warmth;

use crate::{
    audit::AuditSettings,
    clusters::{ClusterSource, ClusterTable},
    command::FilterProgram,
    egress::{Allowed, JudgingSettings},
    http::Compat,
    identity::Callers,
    kubeconfig::Allowances,
    mistake::SettingError,
    policy::PolicySource,
    sandbox::{Program, ProgramPaths, SandboxSettings},
    store::KeptBounds,
    tool::Tool,
    warm::WarmSettings,
};

/// Where an image or package puts the tools.
const TOOLS_DIR: &str = "/usr/lib/kube-airlock/tools";

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
    /// Whose API requests are judged.
    pub judging: JudgingSettings,
    /// Where workspaces are made.
    pub work_dir: Option<PathBuf>,
    /// Names of this server besides loopback.
    pub allowed_hosts: Vec<String>,
    /// What bounds calls, callers and connections.
    pub limits: LimitSettings,
    /// How much is kept of outputs that an answer shows in part, and for how long.
    pub kept: KeptBounds,
    /// Tools that are started before their call.
    pub warm: WarmSettings,
    /// Whether clients expect the answers of the original service.
    pub compat: Option<Compat>,
    /// Those who may call; none: everybody who reaches the port.
    pub callers: Callers,
    /// The file of these settings.
    pub path: Option<PathBuf>,
    /// What is wanted of the sandbox, and its users.
    pub sandbox: SandboxSettings,
    /// How the log is written.
    pub log_format: LogFormat,
    /// Where records go, and what seals them.
    pub audit: AuditSettings,
    /// Principals that `/metrics` names.
    pub counted_principals: BTreeSet<String>,
    /// The operator's own socket, where there is one.
    pub operator_socket: Option<PathBuf>,
    /// An address of its own for `/metrics` and probes.
    pub metrics_listen: Option<SocketAddr>,
}

impl Settings {
    /// Returns where each program is expected that a child may become.
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
    /// Every key and file that cannot be used.
    pub fn load(options: Options) -> Result<Self, ConfigErrors> {
        let (tables, origin) = match &options.config {
            Some(path) => Tables::read(path).map_err(ConfigErrors::from)?,
            None => (Tables::default(), SettingsOrigin::NONE),
        };
        let mut wrong = Vec::new();
        let listen = gathered(listen(&options, &tables), &mut wrong);
        let policy_paths = if options.policy.is_empty() {
            tables.policy.clone()
        } else {
            options.policy.clone()
        };
        let policy = read_all_policies(&policy_paths, &mut wrong);
        let mut mistakes = Vec::new();
        let settings = Self::resolve(options, tables, listen, &mut mistakes);
        wrong.extend(mistakes.into_iter().map(|mistake| origin.of(mistake)));
        match settings {
            Some(settings) if wrong.is_empty() => Ok(Self {
                policy,
                policy_paths,
                ..settings
            }),
            _ => Err(ConfigErrors(wrong)),
        }
    }

    /// Resolves the tables; the first mistake of each is added to `wrong`.
    fn resolve(
        options: Options,
        tables: Tables,
        listen: Option<SocketAddr>,
        wrong: &mut Vec<SettingError>,
    ) -> Option<Self> {
        let path = options.config;
        // What a file names lies beside it.
        let folder = path
            .as_deref()
            .and_then(Path::parent)
            .unwrap_or(Path::new(""));
        let tools_dir = options
            .tools_dir
            .or(tables.tools_dir)
            .unwrap_or_else(|| PathBuf::from(TOOLS_DIR));
        let path_of = |tool: Tool| {
            let named = tables.tools.get(&tool).map(|table| table.path.clone());
            named.unwrap_or_else(|| tools_dir.join(tool.as_str()))
        };
        let tools = Tool::all().map(|tool| (tool, path_of(tool))).collect();
        let mut egress = options.egress_allow;
        egress.extend(gathered(tables.egress.rules(), wrong).unwrap_or_default());
        let only = gathered(tables.egress.only(), wrong);
        let judging = gathered(tables.api.settings(), wrong);
        let allowed_hosts = host_names(options.allowed_hosts, tables.allowed_hosts);
        let mut allowed_hosts = gathered(allowed_hosts, wrong).unwrap_or_default();
        allowed_hosts.extend(listen.and_then(own_name));
        let warmth = match tables.warm {
            Some(_) => Warmth::Wanted,
            None => Warmth::Default,
        };
        let warm = gathered(tables.warm.unwrap_or_default().settings(), wrong);
        let limits = tables
            .limits
            .settings(warm.clone().unwrap_or_default(), warmth);
        let limits = gathered(limits, wrong);
        let kept = gathered(tables.kept.bounds(), wrong);
        let callers = known(tables.caller, wrong);
        let metrics_listen = tables.metrics.listen;
        let counted = gathered(tables.metrics.counted(&callers), wrong);
        let kubeconfig = gathered(tables.kubeconfig.allowances(folder), wrong);
        let sandbox = tables.sandbox.settings();
        let server_user = geteuid().is_root().then_some(sandbox.server_user);
        let clusters = gathered(
            ClusterTable::sources(tables.clusters, folder, server_user),
            wrong,
        );
        let audit = gathered(tables.audit.settings(options.audit_file, folder), wrong);
        let (limits, warm) = limits?;
        Some(Self {
            listen: listen?,
            // Read beside the tables.
            policy: Vec::new(),
            policy_paths: Vec::new(),
            tools,
            kubeconfig: kubeconfig?,
            clusters: clusters?,
            egress: Allowed::new(egress).only(only?),
            judging: judging?,
            work_dir: options.work_dir.or(tables.work_dir),
            allowed_hosts,
            limits,
            kept: kept?,
            compat: tables.compat.wanted(),
            warm,
            operator_socket: tables.operator.socket(folder),
            metrics_listen: options.metrics_listen.or(metrics_listen),
            counted_principals: counted?,
            callers: Callers::new(callers),
            sandbox,
            log_format: options.log_format.or(tables.log_format).unwrap_or_default(),
            audit: audit?,
            tools_dir,
            path,
        })
    }
}

/// Keeps a mistake, so that it is shown together with the others.
fn gathered<T, E>(read: Result<T, E>, wrong: &mut Vec<E>) -> Option<T> {
    read.map_err(|error| wrong.push(error)).ok()
}

/// Returns the address to listen on: a loopback one, or one whose callers are identified.
fn listen(options: &Options, tables: &Tables) -> Result<SocketAddr, ConfigError> {
    let listen = options
        .listen
        .or_else(listen_of_the_original_service)
        .or(tables.listen)
        .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 9096)));
    let is_guarded = listen.ip().is_loopback()
        || !tables.caller.is_empty()
        || options.insecure_no_auth
        || tables.insecure_no_auth;
    if is_guarded {
        Ok(listen)
    } else {
        Err(ConfigError::PublicWithoutAuth(listen))
    }
}

/// Returns the name of the server that its address is, if it is one.
fn own_name(listen: SocketAddr) -> Option<String> {
    let address = SocketAddr::new(listen.ip(), 0).to_string();
    (!listen.ip().is_unspecified()).then(|| address.trim_end_matches(":0").to_owned())
}

/// Returns the callers that a file of settings names.
///
/// # Errors
/// When the text is not one of settings.
pub fn callers_in(path: &Path, text: &str) -> Result<Callers, ConfigError> {
    let (tables, origin) = Tables::parse(path, text.to_owned())?;
    let mut wrong = Vec::new();
    let callers = known(tables.caller, &mut wrong);
    match wrong.into_iter().next() {
        Some(first) => Err(origin.of(first)),
        None => Ok(Callers::new(callers)),
    }
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

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;

    #[test]
    fn a_public_address_needs_an_explicit_word() {
        let options = Options {
            listen: Some("0.0.0.0:9096".parse().unwrap()),
            ..Options::default()
        };
        assert!(matches!(
            Settings::load(options.clone()),
            Err(ConfigErrors(wrong)) if matches!(wrong[..], [ConfigError::PublicWithoutAuth(_)])
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
        let example = include_str!("../../deploy/airlock.example.toml");
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
                settings.limits.bounds.timeout,
                settings.limits.bounds.memory_bytes,
                settings.limits.bounds.kept_output
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
    fn a_wrong_file_is_refused_at_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("airlock.toml");
        let refused = |text: &str| {
            fs::write(&path, text).unwrap();
            let options = Options {
                config: Some(path.clone()),
                ..Options::default()
            };
            match &Settings::load(options).unwrap_err().0[..] {
                [ConfigError::Mistake(mistake)] => {
                    (mistake.line, mistake.column, mistake.message.clone())
                }
                errors => panic!("{text}: {errors:?}"),
            }
        };
        let cases: [(&str, usize, usize, &str); 15] = [
            ("listn = 1", 1, 1, "unknown field `listn`"),
            (
                "[limits]\ntimeout = \"0s\"",
                2,
                11,
                "limits.timeout: every call would end at once",
            ),
            (
                "[limits]\nmemory = \"1MiB\"",
                2,
                10,
                "limits.memory: the tools need at least 256MiB",
            ),
            (
                "[limits]\nconcurrency = 0",
                2,
                15,
                "limits.concurrency: the number of tools at once is out of range",
            ),
            (
                "[limits]\nconcurrency = 4\nmemory_budget = \"2GiB\"",
                2,
                15,
                "limits.concurrency: 4 tools of 1024 MiB each",
            ),
            (
                "[limits]\nburst = 0",
                2,
                9,
                "limits.burst: nobody could call",
            ),
            (
                "[limits]\ncalls_per_caller = 0",
                2,
                20,
                "limits.calls_per_caller: nobody could call",
            ),
            (
                "[limits]\nconnections = 0",
                2,
                15,
                "limits.connections: the number of connections is out of range",
            ),
            (
                "[[caller]]\nprincipal = \"web\"",
                1,
                1,
                "missing field `token_sha256`",
            ),
            (
                "[[caller]]\nprincipal = \"web\"\ntoken_sha256 = \"x\"",
                3,
                16,
                "caller.token_sha256: give the 64 hexadecimal digits",
            ),
            (
                "[[caller]]\nprincipal = \"anonymous\"\ntoken_sha256 = \"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881\"",
                2,
                13,
                "caller.principal: a caller or group has no name that can be used",
            ),
            (
                "[egress]\nallow = [\"localhost\"]",
                2,
                10,
                "egress.allow: `localhost` is not ADDRESS",
            ),
            (
                "[tools.kustomize]\npath = \"/x\"",
                1,
                8,
                "unknown variant `kustomize`",
            ),
            (
                "[audit]\nkeep = 0",
                2,
                8,
                "audit.keep: the number of files is out of range",
            ),
            (
                "[audit]\nmax_bytes = \"1KiB\"",
                2,
                13,
                "audit.max_bytes: a file holds too few records",
            ),
        ];
        for (text, line, column, message) in cases {
            let (at, in_it, said) = refused(text);
            assert_eq!((at, in_it), (line, column), "{text}: {said}");
            assert!(said.starts_with(message), "{text}: {said}");
        }
    }
}
