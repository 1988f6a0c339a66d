//! Why settings cannot be used.

use std::{fmt, io, net::SocketAddr, path::PathBuf};

use crate::mistake::{Mistake, SettingError};

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
    /// A place in the file of settings.
    #[error(transparent)]
    Mistake(Box<Mistake>),
    /// A value that stands in no file: a default that does not fit this host, or of a flag.
    #[error(transparent)]
    Setting(SettingError),
    /// A public address without authentication.
    #[error(
        "{0} can be reached from other hosts, and callers are not identified\n  fix:    give callers tokens (`kube-airlock token new`), or listen on 127.0.0.1, behind a proxy that authenticates\n  accept: --insecure-no-auth; everyone who reaches the port can then run what the policy allows"
    )]
    PublicWithoutAuth(SocketAddr),
}

/// Everything that is wrong in settings.
#[derive(Debug)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, error) in self.0.iter().enumerate() {
            let line_break = if place == 0 { "" } else { "\n" };
            write!(f, "{line_break}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
