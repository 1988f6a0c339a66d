//! The `[audit]` table of the settings, and the key that it names.
//!
//! Held by the tests below and by `tests/cli`, whose snapshots have its mistakes.

use std::{
    fs,
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;
use zeroize::Zeroizing;

use super::{
    chain::Seal,
    file::{FileSettings, MOST_KEPT, strange_owner},
};
use crate::{
    mistake::{SettingError, or_default},
    unit::Bytes,
};

/// Some hundred records.
const SMALLEST_FILE: u64 = 64 << 10;
/// A file of records, unless the settings have another size.
const FILE_BYTES: u64 = 100 << 20;
/// Full files that are kept, unless the settings have another number.
const KEPT: u32 = 10;

/// Where records go, and what seals them.
#[derive(Debug)]
pub struct AuditSettings {
    /// The file for records; none for a stream.
    pub file: Option<FileSettings>,
    /// The key that records are sealed with; none for a plain hash.
    pub key: Option<PathBuf>,
}

/// The table `[audit]`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuditTable {
    /// The file for records; without it they go to standard output.
    path: Option<PathBuf>,
    /// The size from which on the next file begins: `100MiB`, at least `64KiB`.
    #[schemars(with = "Option<Bytes>")]
    max_bytes: Option<Spanned<Bytes>>,
    /// How many full files are kept: 10.
    #[schemars(with = "Option<u32>")]
    keep: Option<Spanned<u32>>,
    /// Whether each record is on the disk before its call goes on.
    fsync: bool,
    /// The file with the key that seals records; without it whoever writes the file can compute the chain
    /// anew.
    key_file: Option<PathBuf>,
}

impl AuditTable {
    /// Resolves the table: `path` is the one of a flag or a variable, which wins, and other files
    /// stand beside the settings, in `folder`.
    ///
    /// # Errors
    /// The first value that cannot be.
    pub fn settings(
        self,
        path: Option<PathBuf>,
        folder: &Path,
    ) -> Result<AuditSettings, SettingError> {
        let (max_bytes, at) = self
            .max_bytes
            .map(|given| (given.get_ref().get(), given.span()))
            .map_or((FILE_BYTES, None), |(bytes, at)| (bytes, Some(at)));
        if max_bytes < SMALLEST_FILE {
            return Err(
                SettingError::new("audit.max_bytes", at, "a file holds too few records")
                    .help("give 64KiB or more"),
            );
        }
        let (keep, at) = or_default(self.keep, KEPT);
        if !(1..=MOST_KEPT).contains(&keep) {
            return Err(
                SettingError::new("audit.keep", at, "the number of files is out of range")
                    .help(format!("give 1 to {MOST_KEPT}")),
            );
        }
        let path = path.or_else(|| self.path.map(|path| folder.join(path)));
        Ok(AuditSettings {
            file: path.map(|path| FileSettings {
                path,
                max_bytes,
                keep,
                fsync: self.fsync,
            }),
            key: self.key_file.map(|path| folder.join(path)),
        })
    }
}

/// As long as the hash that it seals with.
const SHORTEST_KEY: usize = 32;
const LONGEST_KEY: usize = 4096;

/// Why a file does not hold a key.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the names say it")]
pub enum KeyError {
    #[error("{} cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("audit.key_file: {} belongs to the user {owner}, who is neither root nor the user that reads it; chown it", path.display())]
    StrangeOwner { path: PathBuf, owner: u32 },
    #[error("audit.key_file: {} may be read by everybody, or changed by its group; chmod 640, or `defaultMode: 0440` in Kubernetes", .0.display())]
    TooOpen(PathBuf),
    #[error("audit.key_file: {} holds no key of {SHORTEST_KEY} to {LONGEST_KEY} bytes; `openssl rand -hex 32` makes one", .0.display())]
    WrongLength(PathBuf),
}

/// Reads the seal of a key that an operator keeps in a file.
///
/// # Errors
/// When it cannot be read, others may read or change it, or it is no key.
pub fn seal_of(path: &Path) -> Result<Seal, KeyError> {
    let mut text = Zeroizing::new(Vec::with_capacity(LONGEST_KEY + 1));
    let failed = |source| KeyError::Read {
        path: path.to_owned(),
        source,
    };
    let file = fs::File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if let Some(owner) = strange_owner(&metadata) {
        let path = path.to_owned();
        return Err(KeyError::StrangeOwner { path, owner });
    }
    // A group may read it: that is how Kubernetes gives a secret to a process that is not root
    // (`fsGroup`).
    if metadata.mode() & 0o027 != 0 {
        return Err(KeyError::TooOpen(path.to_owned()));
    }
    file.take(LONGEST_KEY as u64 + 1)
        .read_to_end(&mut text)
        .map_err(failed)?;
    let key = text.trim_ascii();
    if !(SHORTEST_KEY..=LONGEST_KEY).contains(&key.len()) {
        return Err(KeyError::WrongLength(path.to_owned()));
    }
    Ok(Seal::keyed(key))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

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
            let said = made(wrong).unwrap_err().to_string();
            assert!(
                said.contains("holds no key of 32 to 4096 bytes") && !said.contains("kkkk"),
                "{said}"
            );
        }
        assert!(matches!(
            seal_of(&folder.path().join("none")),
            Err(KeyError::Read { .. })
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
            let said = seal_of(&path)
                .map(|seal| seal.name())
                .map_err(|error| error.to_string());
            let refused = format!(
                "audit.key_file: {} may be read by everybody, or changed by its group; chmod 640",
                path.display()
            );
            assert!(
                said.as_ref()
                    .map_or_else(|said| !is_ours && said.contains(&refused), |_| is_ours),
                "{mode:o}: {said:?}"
            );
        }
    }
}
