//! The file of settings: TOML, each table owned by the room that it is for.
//!
//! Comes in: a path. Goes out: its tables, and the mistakes of the rooms with their place in it.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::{error::ConfigError, limits::LimitsTable, options::LogFormat};
use crate::{
    audit::AuditTable,
    clusters::ClusterTable,
    egress::{EgressTable, JudgingTable},
    http::CompatTable,
    identity::{CallerTable, KnownCaller},
    kubeconfig::AllowancesTable,
    metrics::MetricsTable,
    mistake::{Mistake, SettingError, TextFile},
    operator::OperatorTable,
    sandbox::SandboxTable,
    schema::for_editors,
    store::KeptTable,
    tool::Tool,
    trusted::{self, Holds},
    warm::WarmTable,
};

/// The settings of kube-airlock: every table and key.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Tables {
    /// The address to listen on: `127.0.0.1:9096`.
    pub(super) listen: Option<SocketAddr>,
    /// Policy files, or `builtin:NAME`; each has to allow a command. Without one `builtin:read-only`.
    pub(super) policy: Vec<PathBuf>,
    /// The folder that holds the tools: `/usr/lib/kube-airlock/tools`.
    pub(super) tools_dir: Option<PathBuf>,
    /// Where the private directories of calls are made.
    pub(super) work_dir: Option<PathBuf>,
    /// Names under which clients call this server, besides loopback.
    #[schemars(with = "Vec<String>")]
    pub(super) allowed_hosts: Vec<Spanned<String>>,
    /// Whether it may listen beyond loopback although callers are not identified.
    pub(super) insecure_no_auth: bool,
    /// How the log on standard error is written: `text`.
    pub(super) log_format: Option<LogFormat>,
    /// A tool that lies elsewhere than in `tools_dir`.
    pub(super) tools: BTreeMap<Tool, ToolTable>,
    /// Where children may connect to beyond the default.
    pub(super) egress: EgressTable,
    /// Whose requests of the Kubernetes API are judged.
    pub(super) api: JudgingTable,
    /// What kubeconfigs may hold beyond a token or a client certificate.
    pub(super) kubeconfig: AllowancesTable,
    /// Kubeconfigs that callers use by name, and never see.
    #[schemars(with = "BTreeMap<String, ClusterTable>")]
    pub(super) clusters: BTreeMap<Spanned<String>, ClusterTable>,
    /// What bounds a call, a caller, and all calls together.
    pub(super) limits: LimitsTable,
    /// What is kept of outputs that an answer shows in part.
    pub(super) kept: KeptTable,
    /// What is wanted of the sandbox.
    pub(super) sandbox: SandboxTable,
    /// Those who may call; without any, whoever reaches the port.
    pub(super) caller: Vec<CallerTable>,
    /// Where records of what was asked and done go.
    pub(super) audit: AuditTable,
    /// What `/metrics` says.
    pub(super) metrics: MetricsTable,
    /// The operator's own socket.
    pub(super) operator: OperatorTable,
    /// How clients of the original service are answered.
    pub(super) compat: CompatTable,
    /// Tools that are started, confined, before their call.
    pub(super) warm: Option<WarmTable>,
}

/// A table `[tools.NAME]`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolTable {
    /// The program.
    pub(super) path: PathBuf,
}

/// Where settings stand, for messages: a file, or none.
pub(super) struct SettingsOrigin(Option<Arc<TextFile>>);

impl SettingsOrigin {
    /// No file: settings come from flags and variables alone.
    pub(super) const NONE: Self = Self(None);

    /// Names the place of `error`.
    pub(super) fn of(&self, error: SettingError) -> ConfigError {
        match self.0.as_ref().and_then(|file| error.in_file(file)) {
            Some(mistake) => ConfigError::Mistake(Box::new(mistake)),
            None => ConfigError::Setting(error),
        }
    }
}

impl Tables {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read, or is not one of settings.
    pub(super) fn read(path: &Path) -> Result<(Self, SettingsOrigin), ConfigError> {
        let text = read_settings(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(path, text)
    }

    /// Reads `text`, the content of the file at `path`.
    ///
    /// # Errors
    /// When it is not one of settings.
    pub(super) fn parse(path: &Path, text: String) -> Result<(Self, SettingsOrigin), ConfigError> {
        let name = path.display().to_string();
        let file = Arc::new(TextFile { name, text });
        match toml::from_str(&file.text) {
            Ok(tables) => Ok((tables, SettingsOrigin(Some(file)))),
            Err(error) => Err(ConfigError::Mistake(Box::new(Mistake::of_toml(
                &file, &error,
            )))),
        }
    }
}

/// The text of a file of settings, which nobody else may change.
///
/// # Errors
/// When it cannot be read, or others may change it.
pub fn read_settings(path: &Path) -> io::Result<String> {
    trusted::read_text(path, Holds::Rules)
}

/// The JSON Schema of a file of settings, for editors.
pub fn schema() -> serde_json::Value {
    for_editors(schemars::schema_for!(Tables).to_value(), "settings")
}

/// Reads the callers of their tables; the mistake of each that is none is added to `wrong`.
pub(super) fn known(callers: Vec<CallerTable>, wrong: &mut Vec<SettingError>) -> Vec<KnownCaller> {
    let mut known = Vec::new();
    for caller in callers {
        match caller.known() {
            Ok(caller) => known.push(caller),
            Err(error) => wrong.push(error),
        }
    }
    known
}
