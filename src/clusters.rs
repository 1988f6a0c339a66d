//! Clusters by name: kubeconfigs that the operator mounts, and callers never see.
//!
//! Read at start, and again when they change; one that cannot be used any more leaves the one
//! before in force. Which caller may use which is the policy's to say.

#![forbid(unsafe_code)]

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};

use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use toml::Spanned;

use crate::{
    command::is_dns_label,
    excerpt::Excerpt,
    kubeconfig::{Allowances, Kubeconfig, KubeconfigError},
    mistake::SettingError,
    policy::SettingsCluster,
    secret::SecretBytes,
    trusted::{self, AlsoTrusted, Holds},
};

/// Where a named cluster comes from.
#[derive(Clone, Debug)]
pub struct ClusterSource {
    /// Its name.
    pub name: String,
    /// The kubeconfig. Files that it refers to are read beside it.
    pub kubeconfig: PathBuf,
    /// A context of it, instead of its current one.
    pub context: Option<String>,
    /// The user that the server becomes, who may own it.
    pub server_user: AlsoTrusted,
}

/// A table `[clusters.NAME]` of the settings.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterTable {
    /// The kubeconfig; files that it names are read beside it.
    kubeconfig: PathBuf,
    /// A context of it, instead of its current one.
    context: Option<String>,
}

impl ClusterTable {
    /// Reads the named clusters; their files stand beside the settings, in `folder`.
    ///
    /// # Errors
    /// The first name that is none.
    pub fn sources(
        tables: BTreeMap<Spanned<String>, Self>,
        folder: &Path,
        server_user: AlsoTrusted,
    ) -> Result<Vec<ClusterSource>, SettingError> {
        let source = |(name, table): (Spanned<String>, Self)| {
            if !is_dns_label(name.get_ref()) {
                let problem = format!("a cluster is called {}", Excerpt::new(name.get_ref()));
                return Err(SettingError::new("clusters", name.span(), problem)
                    .help("give it lower-case letters, digits and hyphens"));
            }
            Ok(ClusterSource {
                name: name.into_inner(),
                kubeconfig: folder.join(table.kubeconfig),
                context: table.context,
                server_user,
            })
        };
        tables.into_iter().map(source).collect()
    }
}

/// Why a mounted kubeconfig cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// It cannot be read.
    #[error("the kubeconfig of the cluster `{name}` cannot be read: {}: {source}", path.display())]
    Read {
        /// The cluster.
        name: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not acceptable.
    #[error("the kubeconfig of the cluster `{name}`: {source}\n  fix: {}", source.help())]
    Kubeconfig {
        /// The cluster.
        name: String,
        /// Why.
        source: KubeconfigError,
    },
}

impl ClusterError {
    /// The cluster.
    pub fn name(&self) -> &str {
        match self {
            Self::Read { name, .. } | Self::Kubeconfig { name, .. } => name,
        }
    }
}

/// A named cluster as it was read, and the SHA-256 of all that was read for it.
struct LoadedCluster {
    kubeconfig: Arc<Kubeconfig>,
    digest: [u8; 32],
}

/// What came of reading all of them again.
#[derive(Default)]
pub struct ClusterNews {
    /// Those that are others now.
    pub changed: Vec<ChangedCluster>,
    /// Those that cannot be used as they are now; they stay as they were.
    pub wrong: Vec<ClusterError>,
}

/// A named cluster that is another one now.
pub struct ChangedCluster {
    /// Its name.
    pub name: String,
    /// The server that it names.
    pub target: String,
}

/// The clusters that callers may name.
pub struct Clusters {
    sources: Vec<ClusterSource>,
    allowances: Allowances,
    loaded: RwLock<BTreeMap<String, LoadedCluster>>,
}

/// Larger than any certificate, key or token.
const LARGEST_FILE: u64 = 256 * 1024;

impl Clusters {
    /// Reads each source under the operator's `allowances`.
    ///
    /// # Errors
    /// Each that cannot be used.
    pub fn load(
        sources: Vec<ClusterSource>,
        allowances: Allowances,
    ) -> Result<Self, Vec<ClusterError>> {
        let clusters = Self {
            sources,
            // A file that an operator mounts can name the token itself.
            allowances: Allowances {
                token_sources: Vec::new(),
                ..allowances
            },
            loaded: RwLock::default(),
        };
        match clusters.reload().wrong {
            wrong if wrong.is_empty() => Ok(clusters),
            wrong => Err(wrong),
        }
    }

    /// The kubeconfig of a cluster.
    pub fn get(&self, name: &str) -> Option<Arc<Kubeconfig>> {
        self.loaded
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .map(|cluster| Arc::clone(&cluster.kubeconfig))
    }

    /// The names of those that a kubeconfig may lead to, under whatever name or address.
    pub fn reached_by(&self, own: &Kubeconfig) -> Vec<String> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        let reached = loaded
            .iter()
            .filter(|(_, named)| own.may_reach(&named.kubeconfig));
        reached.map(|(name, _)| name.clone()).collect()
    }

    /// What policies may know of them.
    pub fn known(&self) -> Vec<SettingsCluster> {
        let of = |(name, kubeconfig): (String, Arc<Kubeconfig>)| SettingsCluster {
            name,
            servers: vec![
                kubeconfig.endpoint().host().to_string(),
                kubeconfig.endpoint().authority(),
            ],
            has_authority: kubeconfig.has_authority(),
        };
        self.all().into_iter().map(of).collect()
    }

    /// The names, with the kubeconfig of each.
    pub fn all(&self) -> Vec<(String, Arc<Kubeconfig>)> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        loaded
            .iter()
            .map(|(name, cluster)| (name.clone(), Arc::clone(&cluster.kubeconfig)))
            .collect()
    }

    /// Reads all of them again; what cannot be used stays as it was.
    pub fn reload(&self) -> ClusterNews {
        let mut news = ClusterNews::default();
        for source in &self.sources {
            match source.read(&self.allowances) {
                Ok(read) => {
                    let target = read.kubeconfig.endpoint().to_string();
                    let digest = read.digest;
                    let before = self
                        .loaded
                        .write()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(source.name.clone(), read);
                    if before.is_none_or(|before| before.digest != digest) {
                        let name = source.name.clone();
                        news.changed.push(ChangedCluster { name, target });
                    }
                }
                Err(error) => news.wrong.push(error),
            }
        }
        news
    }
}

impl ClusterSource {
    fn read(&self, allowances: &Allowances) -> Result<LoadedCluster, ClusterError> {
        let folder = self.kubeconfig.parent().unwrap_or(Path::new("/"));
        let failed = |path: &Path, source| ClusterError::Read {
            name: self.name.clone(),
            path: path.to_owned(),
            source,
        };
        let bytes = self
            .bounded(&self.kubeconfig, Holds::Secret)
            .map_err(|source| failed(&self.kubeconfig, source))?;
        let all = RefCell::new(Sha256::new_with_prefix(bytes.expose()));
        let beside = |path: &str| {
            let read = self.bounded(&folder.join(path), Holds::SecretUnlessCertificate)?;
            all.borrow_mut().update(read.expose());
            Ok(read)
        };
        let kubeconfig = Kubeconfig::parse_mounted(
            &bytes,
            self.context.as_deref(),
            allowances,
            SystemTime::now(),
            &beside,
        )
        .map_err(|source| ClusterError::Kubeconfig {
            name: self.name.clone(),
            source,
        })?;
        Ok(LoadedCluster {
            kubeconfig: Arc::new(kubeconfig),
            digest: all.into_inner().finalize().into(),
        })
    }

    fn bounded(&self, path: &Path, holds: Holds) -> io::Result<SecretBytes> {
        if fs::metadata(path)?.len() > LARGEST_FILE {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        trusted::read(path, holds, self.server_user)
    }
}
