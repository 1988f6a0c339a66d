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

use serde::Deserialize;
use toml::Spanned;

use super::{error::ConfigError, limits::LimitsTable, options::LogFormat};
use crate::{
    audit::AuditTable,
    clusters::ClusterTable,
    egress::EgressTable,
    identity::{CallerTable, KnownCaller},
    kubeconfig::AllowancesTable,
    metrics::MetricsTable,
    mistake::{Mistake, SettingError, TextFile},
    sandbox::SandboxTable,
    tool::Tool,
    trusted::{self, Holds},
    warm::WarmTable,
};

/// Every table and key.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Tables {
    pub(super) listen: Option<SocketAddr>,
    pub(super) policy: Vec<PathBuf>,
    pub(super) tools_dir: Option<PathBuf>,
    pub(super) work_dir: Option<PathBuf>,
    pub(super) allowed_hosts: Vec<String>,
    pub(super) insecure_no_auth: bool,
    pub(super) log_format: Option<LogFormat>,
    pub(super) tools: BTreeMap<Tool, ToolTable>,
    pub(super) egress: EgressTable,
    pub(super) kubeconfig: AllowancesTable,
    pub(super) clusters: BTreeMap<Spanned<String>, ClusterTable>,
    pub(super) limits: LimitsTable,
    pub(super) sandbox: SandboxTable,
    pub(super) caller: Vec<CallerTable>,
    pub(super) audit: AuditTable,
    pub(super) metrics: MetricsTable,
    pub(super) warm: Option<WarmTable>,
}

/// A table `[tools.NAME]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolTable {
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

/// Reads the callers of their tables.
pub(super) fn known(callers: Vec<CallerTable>) -> Result<Vec<KnownCaller>, SettingError> {
    callers.into_iter().map(CallerTable::known).collect()
}
