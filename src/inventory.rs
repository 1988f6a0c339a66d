//! Which tools are here: path, version, digest, matching catalogue; and which filters. May not run
//! them for callers.
//!
//! A tool is available when its binary is trusted (the spawner opened it), says a version that a
//! catalogue describes, and is enabled. Until then every call of it is refused with the reason. A
//! tool that is still being built becomes available without a restart.

#![forbid(unsafe_code)]

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
    mem,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::{sync::watch, time::timeout};

use crate::{
    advice::Advice,
    catalogue::Catalogue,
    command::FilterProgram,
    egress::Pinned,
    kubeconfig::Kubeconfig,
    output::{Caps, Sanitizer, capture},
    sandbox::{Limits, Program, Run, Sandbox, ToolAbsence, give_back_memory},
    tool::{Tool, VersionAnswer},
    workspace::Workspaces,
};

/// How often a tool that is not there yet is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often a state is looked at that a call waits for.
const GLANCE: Duration = Duration::from_millis(20);
/// `TOOL version` takes 50 to 120 ms; under a build beside it, seconds.
const PROBE_WITHIN: Duration = Duration::from_secs(30);

/// The state of a tool, as `/tools/status` reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Availability {
    /// Calls run.
    Available {
        /// What the binary says of itself.
        version: String,
        /// `sha256:` and 64 digits, of the file that children execute.
        digest: String,
        /// The version of the catalogue in use.
        catalogue: String,
    },
    /// `tools/build` is at work on it.
    Building,
    /// The server has just started and looks at it.
    Checking,
    /// No such file.
    Missing,
    /// The binary is there, and this build has no catalogue of its version.
    NoCatalogue {
        /// What the binary says of itself.
        version: String,
    },
    /// The binary is there and may not be used.
    Refused {
        /// Why.
        reason: String,
    },
    /// The binary did not answer; the server tries again.
    Unknown {
        /// Why.
        reason: String,
    },
}

impl Availability {
    /// Whether it may become available by itself.
    fn is_waited_for(&self) -> bool {
        match self {
            Self::Building | Self::Checking | Self::Missing | Self::Unknown { .. } => true,
            Self::Available { .. } | Self::NoCatalogue { .. } | Self::Refused { .. } => false,
        }
    }

    /// The reason and the remedy, for a call that is refused; `None` when calls run.
    pub fn refusal(&self, tool: Tool) -> Option<Advice> {
        let refused = |reason: String, hint: &str| Some(Advice::new(reason, hint));
        match self {
            Self::Available { .. } => None,
            Self::Building => refused(
                format!("{tool} is still being built"),
                "ask again in a few minutes; /tools/status shows the state",
            ),
            Self::Checking => refused(format!("{tool} is being checked"), "ask again in a second"),
            Self::Missing => refused(
                format!("{tool} is not installed here"),
                "the operator runs `tools/build` or names a binary with `[tools.<name>] path`",
            ),
            Self::NoCatalogue { version } => refused(
                format!(
                    "{tool} {version} is not enabled: this server has no catalogue of that version"
                ),
                "the operator installs the version that `tools/build --list` names; /tools/status shows the state of each tool",
            ),
            Self::Unknown { reason } => refused(
                format!("{tool} could not be asked for its version: {reason}"),
                "the server goes on asking; call again in a few seconds",
            ),
            Self::Refused { reason } => refused(
                format!("{tool} may not be used: {reason}"),
                "the operator sees the reason in /tools/status",
            ),
        }
    }
}

/// The state of a filter's program, as `/tools/status` reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum FilterAvailability {
    /// Calls run.
    Available {
        /// `sha256:` and 64 digits, of the file that children execute.
        digest: String,
    },
    /// `tools/build` is at work on it.
    Building,
    /// The server has just started and looks at it.
    Checking,
    /// No such file.
    Missing,
    /// The file is there and may not be used.
    Refused {
        /// Why.
        reason: String,
    },
}

impl FilterAvailability {
    /// The reason and the remedy, for a call that is refused; `None` when calls run.
    pub fn refusal(&self, program: FilterProgram, filter: &str) -> Option<Advice> {
        let file = program.as_str();
        let refused = |reason: String, hint: String| Some(Advice { reason, hint });
        match self {
            Self::Available { .. } => None,
            Self::Building => refused(
                format!("`{filter}` is still being built"),
                "ask again in a minute; /tools/status shows the state".into(),
            ),
            Self::Checking => refused(
                format!("`{filter}` is being checked"),
                "ask again in a second".into(),
            ),
            Self::Missing => refused(
                format!("the filter `{filter}` is not installed here"),
                format!(
                    "send the command alone; the operator runs `tools/build {file}`, or puts the program at `filters/{file}` beside the tools"
                ),
            ),
            Self::Refused { reason } => refused(
                format!("the filter `{filter}` may not be used: {reason}"),
                "the operator sees the reason in /tools/status".into(),
            ),
        }
    }
}

/// The state of a program, as it was just found.
#[derive(Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub enum FoundProgram {
    Filter(FilterProgram, FilterAvailability),
    Tool(Tool, Availability),
}

impl FoundProgram {
    /// The name of the program.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Filter(program, _) => program.as_str(),
            Self::Tool(tool, _) => tool.as_str(),
        }
    }

    /// The name of its state, as `/tools/status` has it.
    pub fn state(&self) -> &'static str {
        match self {
            Self::Tool(_, state) => match state {
                Availability::Available { .. } => "available",
                Availability::Building => "building",
                Availability::Checking => "checking",
                Availability::Missing => "missing",
                Availability::NoCatalogue { .. } => "no_catalogue",
                Availability::Refused { .. } => "refused",
                Availability::Unknown { .. } => "unknown",
            },
            Self::Filter(_, state) => match state {
                FilterAvailability::Available { .. } => "available",
                FilterAvailability::Building => "building",
                FilterAvailability::Checking => "checking",
                FilterAvailability::Missing => "missing",
                FilterAvailability::Refused { .. } => "refused",
            },
        }
    }

    /// What it says of its version.
    pub fn version(&self) -> Option<&str> {
        match self {
            Self::Tool(
                _,
                Availability::Available { version, .. } | Availability::NoCatalogue { version },
            ) => Some(version),
            _ => None,
        }
    }

    /// The digest of the file that children execute.
    pub fn digest(&self) -> Option<&str> {
        match self {
            Self::Tool(_, Availability::Available { digest, .. })
            | Self::Filter(_, FilterAvailability::Available { digest }) => Some(digest),
            _ => None,
        }
    }
}

/// The tools of this server.
#[derive(Debug)]
pub struct Inventory {
    catalogues: Vec<Catalogue>,
    paths: Vec<(Tool, PathBuf)>,
    states: RwLock<HashMap<Tool, Availability>>,
    filters: RwLock<HashMap<FilterProgram, FilterAvailability>>,
}

impl Inventory {
    /// An inventory in which no tool has been looked at.
    pub fn new(catalogues: Vec<Catalogue>, paths: Vec<(Tool, PathBuf)>) -> Self {
        Self {
            catalogues,
            paths,
            states: RwLock::default(),
            filters: RwLock::default(),
        }
    }

    /// The state of a tool.
    pub fn availability(&self, tool: Tool) -> Availability {
        self.states
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&tool)
            .cloned()
            .unwrap_or(Availability::Checking)
    }

    /// The state of a filter's program.
    pub fn filter(&self, program: FilterProgram) -> FilterAvailability {
        self.filters
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&program)
            .cloned()
            .unwrap_or(FilterAvailability::Checking)
    }

    /// The catalogue of a tool that is available.
    ///
    /// # Errors
    /// The state of a tool that is not.
    pub fn catalogue(&self, tool: Tool) -> Result<&Catalogue, Availability> {
        match self.availability(tool) {
            Availability::Available { version, .. } => self
                .catalogue_of(tool, &version)
                .ok_or(Availability::NoCatalogue { version }),
            other => Err(other),
        }
    }

    /// Waits until a tool has been looked at, as long as that may take.
    pub async fn looked_at(&self, tool: Tool) {
        let looked = async {
            while self.availability(tool) == Availability::Checking {
                tokio::time::sleep(GLANCE).await;
            }
        };
        let _ = timeout(PROBE_WITHIN, looked).await; // the call says what it is then
    }

    /// The same for all filters.
    pub async fn looked_at_filters(&self) {
        let is_checking = |program| self.filter(program) == FilterAvailability::Checking;
        let looked = async {
            while FilterProgram::ALL.into_iter().any(is_checking) {
                tokio::time::sleep(GLANCE).await;
            }
        };
        let _ = timeout(PROBE_WITHIN, looked).await;
    }

    /// The catalogue of a tool that is available or may soon be: until it is known, the newest.
    pub fn expected(&self, tool: Tool) -> Option<&Catalogue> {
        match self.availability(tool) {
            Availability::Available { version, .. } => self.catalogue_of(tool, &version),
            Availability::Building | Availability::Checking | Availability::Unknown { .. } => {
                let mut catalogues = self.catalogues.iter();
                catalogues.find(|catalogue| catalogue.tool() == tool)
            }
            Availability::Missing
            | Availability::NoCatalogue { .. }
            | Availability::Refused { .. } => None,
        }
    }

    /// Where a tool's binary is expected.
    pub fn path(&self, tool: Tool) -> Option<&PathBuf> {
        self.paths
            .iter()
            .find(|(known, _)| *known == tool)
            .map(|(_, path)| path)
    }

    /// Looks for the tools until all of them are there; kubectl first: it is what most calls need.
    /// Where a child could not be confined, tries again with one that does nothing: nobody sends
    /// calls to a server that is not ready.
    pub async fn watch(
        self: Arc<Self>,
        sandbox: Sandbox,
        workspaces: Arc<Workspaces>,
        limits: Limits,
        found: impl Fn(FoundProgram) + Send,
    ) {
        let mut is_start = true;
        loop {
            for &(tool, _) in &self.paths {
                if self.availability(tool).is_waited_for() {
                    let now = self.look(tool, &sandbox, &workspaces, limits).await;
                    if self.set(tool, now.clone()) {
                        found(FoundProgram::Tool(tool, now));
                    }
                }
            }
            for program in FilterProgram::ALL {
                use FilterAvailability::{Building, Checking, Missing};
                if matches!(self.filter(program), Building | Checking | Missing) {
                    let now = self.look_at_filter(program, &sandbox).await;
                    let before = self
                        .filters
                        .write()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(program, now.clone());
                    if before.as_ref() != Some(&now) {
                        let state = now
                            .refusal(program, program.as_str())
                            .map_or_else(|| "available".to_owned(), |refused| refused.reason);
                        tracing::info!(filter = program.as_str(), state, "filter");
                        found(FoundProgram::Filter(program, now));
                    }
                }
            }
            if mem::take(&mut is_start) {
                give_back_memory();
            }
            tokio::time::sleep(LOOK_EVERY).await;
            if sandbox.last_failure().is_some() {
                let _ = self
                    .version(Tool::essential(), &sandbox, &workspaces, limits)
                    .await; // the sandbox keeps what came of it
            }
        }
    }

    /// Sets the state of a tool; whether it is another one.
    fn set(&self, tool: Tool, found: Availability) -> bool {
        let before = self
            .states
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(tool, found.clone());
        let is_news = before.as_ref() != Some(&found);
        if is_news {
            let state = found
                .refusal(tool)
                .map_or_else(|| "available".to_owned(), |refused| refused.reason);
            match found {
                // Whoever waits for a server of no use should see why at once.
                Availability::Missing => {
                    let path = self.path(tool).map(|path| path.display().to_string());
                    tracing::warn!(%tool, state, path, "tool; `--tools-dir` names another folder");
                }
                _ => tracing::info!(%tool, state, "tool"),
            }
        }
        is_news
    }

    async fn look_at_filter(
        &self,
        program: FilterProgram,
        sandbox: &Sandbox,
    ) -> FilterAvailability {
        let file = match sandbox.open(Program::Filter(program)).await {
            Ok(Ok(file)) => file,
            Ok(Err(ToolAbsence::Building)) => return FilterAvailability::Building,
            Ok(Err(ToolAbsence::Missing)) => return FilterAvailability::Missing,
            Ok(Err(ToolAbsence::Untrusted(reason))) => {
                return FilterAvailability::Refused { reason };
            }
            Err(_) => return FilterAvailability::Checking, // tried again, while there is a spawner
        };
        match tokio::task::spawn_blocking(move || digest(file)).await {
            Ok(Ok(digest)) => FilterAvailability::Available { digest },
            _ => FilterAvailability::Refused {
                reason: "it cannot be read".into(),
            },
        }
    }

    async fn look(
        &self,
        tool: Tool,
        sandbox: &Sandbox,
        workspaces: &Workspaces,
        limits: Limits,
    ) -> Availability {
        let unknown = |reason: String| Availability::Unknown { reason };
        let file = match sandbox.open(Program::Tool(tool)).await {
            Ok(Ok(file)) => file,
            Ok(Err(ToolAbsence::Building)) => return Availability::Building,
            Ok(Err(ToolAbsence::Missing)) => return Availability::Missing,
            Ok(Err(ToolAbsence::Untrusted(why))) => return Availability::Refused { reason: why },
            Err(error) => return unknown(error.to_string()),
        };
        let digest = match tokio::task::spawn_blocking(move || digest(file)).await {
            Ok(Ok(digest)) => digest,
            _ => return unknown("it cannot be read".into()),
        };
        let version = match self.version(tool, sandbox, workspaces, limits).await {
            Ok(version) => version,
            Err(why) => return unknown(why),
        };
        match self.catalogue_of(tool, &version) {
            Some(catalogue) => Availability::Available {
                catalogue: catalogue.version().to_owned(),
                version,
                digest,
            },
            None => Availability::NoCatalogue { version },
        }
    }

    /// Asks the binary itself, confined like any call and with no network.
    async fn version(
        &self,
        tool: Tool,
        sandbox: &Sandbox,
        workspaces: &Workspaces,
        limits: Limits,
    ) -> Result<String, String> {
        let workspace = workspaces
            .open(&Kubeconfig::nowhere(), None)
            .map_err(|error| format!("no workspace: {error}"))?;
        let mut child = sandbox
            .start(
                Run::VersionProbe(tool),
                &Pinned::nowhere(),
                workspace,
                limits,
            )
            .await
            .map_err(|error| error.to_string())?;
        let (_stop, stopped) = watch::channel(false);
        let caps = Caps::of(16 * 1024, 64 * 1024);
        let plain = || Sanitizer::new(&[]);
        let Some(streams) = child.take_streams() else {
            return Err("its output is gone".into());
        };
        let output = async {
            tokio::join!(
                capture(streams.stdout, caps, plain(), None, None, stopped.clone()),
                capture(streams.stderr, caps, plain(), None, None, stopped.clone())
            )
        };
        let Ok((out, err)) = timeout(PROBE_WITHIN, output).await else {
            return Err(format!("`{tool} version` did not end in time"));
        };
        let status = child.wait().await;
        version_in(tool, &out.text).ok_or_else(|| {
            let first = err
                .text
                .lines()
                .next()
                .unwrap_or("nothing on standard error");
            format!(
                "`{tool} version` ended with {} and told no version: {first}",
                status.code()
            )
        })
    }

    /// A catalogue describes one patch version; the tools' grammars do not change within a minor
    /// one.
    fn catalogue_of(&self, tool: Tool, version: &str) -> Option<&Catalogue> {
        let minor = |version: &str| {
            version
                .splitn(3, '.')
                .take(2)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        self.catalogues.iter().find(|catalogue| {
            catalogue.tool() == tool && minor(catalogue.version()) == minor(version)
        })
    }
}

/// The version in what `TOOL version` printed, without a leading `v`.
fn version_in(tool: Tool, text: &str) -> Option<String> {
    let json = || serde_json::from_str::<serde_json::Value>(text).ok();
    let version = match tool.spec().version.answer {
        VersionAnswer::Json(pointer) => json()?.pointer(pointer)?.as_str()?.to_owned(),
        VersionAnswer::Text => text.trim().split('+').next()?.to_owned(),
    };
    let version = version.trim_start_matches('v');
    let plain = version.len() <= 64
        && version.starts_with(|first: char| first.is_ascii_digit())
        && version
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".+-".contains(&byte));
    plain.then(|| version.to_owned())
}

fn digest(mut file: File) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => hash.update(buffer.get(..read).unwrap_or_default()),
        }
    }
    let hex: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(format!("sha256:{hex}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tool_tells_its_version_in_its_own_words() {
        for (tool, text, version) in [
            (
                Tool::KUBECTL,
                r#"{"clientVersion":{"gitVersion":"v1.37.2"}}"#,
                Some("1.37.2"),
            ),
            (Tool::HELM, "v4.3.1\n", Some("4.3.1")),
            (Tool::HELM, "v4.3.1+gabc\n", Some("4.3.1")),
            (
                Tool::ISTIOCTL,
                r#"{"clientVersion":{"version":"1.31.0"}}"#,
                Some("1.31.0"),
            ),
            (
                Tool::ARGOCD,
                r#"{"client":{"Version":"v3.6.1"}}"#,
                Some("3.6.1"),
            ),
            (Tool::KUBECTL, "error: x", None),
            (Tool::HELM, "version unknown", None),
        ] {
            assert_eq!(version_in(tool, text).as_deref(), version, "{text}");
        }
    }
}
