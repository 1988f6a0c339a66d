//! The policies that settings and command lines name: files, and `builtin:NAME`.
//!
//! Reads what a policy file includes only in the folder in which that file really lies, and below
//! it: a symbolic link that leads out of it is refused. Held by `tests/cli/include.rs`.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::error::ConfigError;
use crate::policy::{BUILTIN_PREFIX, BUILTINS, PolicySource};
use crate::{
    mistake::SettingError,
    trusted::{self, Holds},
};

/// The policy in force when none is named.
const DEFAULT: &str = "read-only";
/// Twenty times the longest policy that is shipped.
const LONGEST_INCLUDED: u64 = 1 << 20;

/// What policies are read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFor {
    /// To be in force: nobody else may be able to change them.
    Force,
    /// To be looked at, as a checkout has them.
    Look,
}

/// Reads policies; without a name, the built-in read-only one.
///
/// # Errors
/// The one that cannot be read.
pub fn read_policies(
    names: &[PathBuf],
    read_for: ReadFor,
) -> Result<Vec<PolicySource>, ConfigError> {
    if names.is_empty() {
        return Ok(vec![builtin(DEFAULT)?]);
    }
    names.iter().map(|name| read(name, read_for)).collect()
}

impl ReadFor {
    fn open(self, path: &Path) -> io::Result<File> {
        match self {
            Self::Force => trusted::open(path, Holds::Rules, None),
            Self::Look => File::open(path),
        }
    }
}

/// Reads policies to be in force; each that cannot be read is added to `wrong`.
pub(super) fn read_all_policies(
    names: &[PathBuf],
    wrong: &mut Vec<ConfigError>,
) -> Vec<PolicySource> {
    let named = names.iter().map(|name| read(name, ReadFor::Force));
    let default = names.is_empty().then(|| builtin(DEFAULT));
    let mut sources = Vec::new();
    for source in default.into_iter().chain(named) {
        match source {
            Ok(source) => sources.push(source),
            Err(error) => wrong.push(error),
        }
    }
    sources
}

fn read(path: &Path, read_for: ReadFor) -> Result<PolicySource, ConfigError> {
    let builtin_name = path
        .to_str()
        .and_then(|path| path.strip_prefix(BUILTIN_PREFIX));
    if let Some(name) = builtin_name {
        return builtin(name);
    }
    // All files are read where the named one really lies: those of a ConfigMap change together.
    let real = fs::canonicalize(path).ok();
    // By the name that it was given: whoever may change a link on the way chooses the file.
    let text = read_for.open(path).and_then(io::read_to_string);
    let text = text.map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    let name = path
        .file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy();
    let folder = real.as_deref().and_then(Path::parent);
    let beside = |name: &str| match folder {
        Some(folder) => read_beside(folder, name, read_for),
        None => Err("what is read from a pipe is in no folder".into()),
    };
    Ok(PolicySource::read(&name, text, &beside))
}

/// The built-in policy of this name.
///
/// # Errors
/// There is none; the error lists those that there are.
pub fn builtin(name: &str) -> Result<PolicySource, ConfigError> {
    PolicySource::builtin(name).ok_or_else(|| {
        let names: Vec<&str> = BUILTINS.iter().map(|builtin| builtin.name).collect();
        let problem = format!(
            "there is no built-in policy `{name}`; there are {}",
            names.join(", ")
        );
        ConfigError::Setting(SettingError::new("policy", None, problem))
    })
}

/// A file in `folder`, which is free of symbolic links.
fn read_beside(folder: &Path, name: &str, read_for: ReadFor) -> Result<String, String> {
    let path = folder.join(name);
    let failed = |error| format!("{} cannot be read: {error}", path.display());
    let real = fs::canonicalize(&path).map_err(failed)?;
    if !real.starts_with(folder) {
        return Err(format!(
            "{} is a symbolic link to {}, out of the folder",
            path.display(),
            real.display()
        ));
    }
    // Before it is opened: opening a pipe waits.
    if !fs::metadata(&real).map_err(failed)?.is_file() {
        return Err(format!("{} is no file", path.display()));
    }
    let mut text = String::new();
    let file = read_for.open(&real).map_err(failed)?;
    file.take(LONGEST_INCLUDED + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > LONGEST_INCLUDED {
        return Err(format!("{} is longer than 1 MiB", path.display()));
    }
    Ok(text)
}
