//! Files that decide what may run, or hold a secret: opened only where nobody else may change them,
//! or read what is secret.
//!
//! A policy that everybody may write is everybody's policy. It is looked at through the descriptor
//! that is read, so that nothing can take its place in between; and so are the folders above it,
//! since whoever may change one of those may put another file there. Trusted are root and the user
//! of this process.
//!
//! Two things are let through that look open. The group of a user's own number, as `useradd` makes
//! it, is that user: who works with `umask 0002` is not refused. And on a volume that is mounted
//! read-only, such as a `ConfigMap` or a `Secret` in a pod, modes and owners of folders are whatever
//! its maker found convenient, and nobody in here writes there; a file that everybody may write is
//! refused there too.
//!
//! Held by the tests below, and by `tests/service/strangers.rs`.

#![forbid(unsafe_code)]

use std::{
    cell::OnceCell,
    fs::{self, File, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use nix::unistd::geteuid;

use crate::secret::SecretBytes;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// What may run, and who may call.
    Rules,
    /// A credential, which others may not read either.
    Secret,
    /// The same, or certificates alone, which everybody may read.
    SecretUnlessCertificate,
}

/// Why a file is not to be trusted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Untrusted {
    #[error("{path} belongs to the user {owner}, who is neither root nor the user of this server, and could change it: `chown root {path}`", path = .path.display())]
    Owner { path: PathBuf, owner: u32 },
    #[error("{path} may be changed by everybody: `chmod o-w {path}`", path = .path.display())]
    Everybody { path: PathBuf },
    #[error("{path} may be changed by its group: `chmod g-w {path}`", path = .path.display())]
    Group { path: PathBuf },
    #[error("{path} holds a secret and may be read by everybody: `chmod o-r {path}`", path = .path.display())]
    Readable { path: PathBuf },
}

/// Who may own what is trusted, besides root and the user of this process: the user that it becomes.
pub type AlsoTrusted = Option<u32>;

/// Reads such a file.
///
/// # Errors
/// When it cannot be read; an [`Untrusted`] when others may change it.
pub fn read(path: &Path, holds: Holds, also: AlsoTrusted) -> io::Result<SecretBytes> {
    let mut file = open(path, holds, also)?;
    // As much at once as there is: what grows leaves copies behind.
    let length = file.metadata()?.len().try_into().unwrap_or(0);
    let mut bytes = Vec::with_capacity(length);
    let read = file.read_to_end(&mut bytes);
    let bytes = SecretBytes::new(bytes);
    read?;
    if holds == Holds::SecretUnlessCertificate && !is_certificate(bytes.expose()) {
        let looks = Looks::new(also);
        looks
            .at_file(path, &file.metadata()?, Holds::Secret)
            .map_err(io::Error::other)?;
    }
    Ok(bytes)
}

/// Whether it is a certificate in PEM and holds no key.
fn is_certificate(bytes: &[u8]) -> bool {
    let has = |text: &str| memchr::memmem::find(bytes, text.as_bytes()).is_some();
    has("-----BEGIN CERTIFICATE-----") && !has("PRIVATE KEY")
}

/// Reads such a file of text.
///
/// # Errors
/// The same, and when it is no text.
pub fn read_text(path: &Path, holds: Holds) -> io::Result<String> {
    let mut text = String::new();
    open(path, holds, None)?.read_to_string(&mut text)?;
    Ok(text)
}

/// Opens such a file.
///
/// # Errors
/// The same.
pub fn open(path: &Path, holds: Holds, also: AlsoTrusted) -> io::Result<File> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let looks = Looks::new(also);
    looks
        .at_file(path, &metadata, holds)
        .map_err(io::Error::other)?;
    // What is read from a pipe is in no folder.
    if metadata.is_file() {
        looks.at_folders_of(path)?;
    }
    Ok(file)
}

/// Whether nobody else may put another file in the place of this one.
///
/// # Errors
/// When a folder above it cannot be looked at; an [`Untrusted`] when others may change one.
pub fn in_trusted_folders(path: &Path) -> io::Result<()> {
    Looks::new(None).at_folders_of(path)
}

/// The folders in which the file lies, and those of the name that it was opened by: where that is a
/// symbolic link, whoever may change it chooses the file.
fn folders_of(path: &Path) -> io::Result<Vec<PathBuf>> {
    let named = std::path::absolute(path)?;
    let named = named.parent().map(fs::canonicalize).transpose()?;
    let real = fs::canonicalize(path)?.parent().map(Path::to_owned);
    let mut folders: Vec<PathBuf> = [named, real]
        .iter()
        .flatten()
        .flat_map(|folder| folder.ancestors().map(Path::to_owned))
        .collect();
    folders.sort();
    folders.dedup();
    Ok(folders)
}

struct Looks {
    /// Read where something is open: most files are nobody else's, and are looked at every two
    /// seconds.
    mounts: OnceCell<Mounts>,
    also: AlsoTrusted,
}

impl Looks {
    fn new(also: AlsoTrusted) -> Self {
        Self {
            mounts: OnceCell::new(),
            also,
        }
    }

    fn mounts(&self) -> &Mounts {
        self.mounts.get_or_init(Mounts::now)
    }

    fn at_file(&self, path: &Path, metadata: &Metadata, holds: Holds) -> Result<(), Untrusted> {
        if metadata.mode() & 0o002 != 0 {
            return Err(Untrusted::Everybody {
                path: path.to_owned(),
            });
        }
        let is_volume = || fs::canonicalize(path).is_ok_and(|real| self.is_on_volume(&real));
        match self.is_closed_file(path, metadata, holds) {
            Err(_) if is_volume() => Ok(()),
            looked => looked,
        }
    }

    fn is_closed_file(
        &self,
        path: &Path,
        metadata: &Metadata,
        holds: Holds,
    ) -> Result<(), Untrusted> {
        self.of_whom(path, metadata)?;
        if is_its_groups(metadata) {
            return Err(Untrusted::Group {
                path: path.to_owned(),
            });
        }
        if holds == Holds::Secret && metadata.mode() & 0o004 != 0 {
            return Err(Untrusted::Readable {
                path: path.to_owned(),
            });
        }
        Ok(())
    }

    fn at_folders_of(&self, path: &Path) -> io::Result<()> {
        for folder in folders_of(path)? {
            let metadata = fs::metadata(&folder)?;
            self.at_folder(&folder, &metadata)
                .map_err(io::Error::other)?;
        }
        Ok(())
    }

    fn at_folder(&self, folder: &Path, metadata: &Metadata) -> Result<(), Untrusted> {
        match self.is_closed_folder(folder, metadata) {
            Err(_) if self.is_on_volume(folder) => Ok(()),
            looked => looked,
        }
    }

    fn is_closed_folder(&self, folder: &Path, metadata: &Metadata) -> Result<(), Untrusted> {
        const STICKY: u32 = 0o1000;
        self.of_whom(folder, metadata)?;
        if metadata.mode() & STICKY != 0 {
            return Ok(()); // there, only the owner of a name may change it
        }
        if metadata.mode() & 0o002 != 0 {
            return Err(Untrusted::Everybody {
                path: folder.to_owned(),
            });
        }
        if is_its_groups(metadata) {
            return Err(Untrusted::Group {
                path: folder.to_owned(),
            });
        }
        Ok(())
    }

    fn is_on_volume(&self, path: &Path) -> bool {
        self.mounts().has_read_only(path)
    }

    fn of_whom(&self, path: &Path, metadata: &Metadata) -> Result<(), Untrusted> {
        let owner = metadata.uid();
        let trusted = [0, geteuid().as_raw(), self.also.unwrap_or(0)];
        if trusted.contains(&owner) || owner == UNMAPPED && self.mounts().in_user_namespace {
            return Ok(());
        }
        let path = path.to_owned();
        Err(Untrusted::Owner { path, owner })
    }
}

/// Whether others of its group may change it: not where the group is the owner's own.
fn is_its_groups(metadata: &Metadata) -> bool {
    metadata.mode() & 0o020 != 0 && metadata.gid() != metadata.uid()
}

/// The owner of what belongs to a user that does not exist in this user namespace, such as the
/// host's root: nobody in here can be that user (user_namespaces(7)).
const UNMAPPED: u32 = 65_534;

/// Where file systems are mounted, and which of them only for reading.
struct Mounts {
    read_only: Vec<PathBuf>,
    others: Vec<PathBuf>,
    in_user_namespace: bool,
}

impl Mounts {
    fn now() -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Self::read(&text("/proc/self/mountinfo"), &text("/proc/self/uid_map"))
    }

    /// Reads proc_pid_mountinfo(5) and the map of users.
    fn read(mountinfo: &str, uid_map: &str) -> Self {
        let all_users = ["0", "0", "4294967295"];
        let mut mounts = Self {
            read_only: Vec::new(),
            others: Vec::new(),
            in_user_namespace: !uid_map.split_whitespace().eq(all_users),
        };
        for line in mountinfo.lines() {
            let mut fields = line.split(' ').skip(4);
            let (Some(at), Some(options)) = (fields.next(), fields.next()) else {
                continue;
            };
            let at = PathBuf::from(at.replace("\\040", " ").replace("\\134", "\\"));
            // What is mounted later at the same place covers what was there.
            mounts.read_only.retain(|other| *other != at);
            mounts.others.retain(|other| *other != at);
            if options.split(',').any(|option| option == "ro") {
                &mut mounts.read_only
            } else {
                &mut mounts.others
            }
            .push(at);
        }
        mounts
    }

    /// Whether a path is on a volume of its own that is mounted for reading only. A root that is
    /// mounted so, as systemd does it for a service, is none: it is the host's, where others write.
    fn has_read_only(&self, path: &Path) -> bool {
        path.ancestors()
            .find(|at| {
                self.read_only.iter().any(|mount| mount == at)
                    || self.others.iter().any(|mount| mount == at)
            })
            .is_some_and(|at| {
                at.parent().is_some() && self.read_only.iter().any(|mount| mount == at)
            })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::Permissions,
        os::unix::fs::{PermissionsExt, chown, symlink},
    };

    use super::*;

    fn problem(path: &Path, holds: Holds) -> Option<String> {
        open(path, holds, None).err().map(|error| error.to_string())
    }

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn rules_that_others_may_change_and_secrets_that_others_may_read_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("policy.toml");
        fs::write(&file, "x").unwrap();
        for (bits, rules, secret) in [
            (0o600, None, None),
            (0o640, None, None),
            (0o644, None, Some("o-r")),
            (0o664, None, Some("o-r")), // the group is the owner's own
            (0o646, Some("o-w"), Some("o-w")),
            (0o602, Some("o-w"), Some("o-w")),
        ] {
            mode(&file, bits);
            for (holds, expected) in [(Holds::Rules, rules), (Holds::Secret, secret)] {
                let found = problem(&file, holds);
                match expected {
                    None => assert_eq!(found, None, "{bits:o} {holds:?}"),
                    Some(fix) => {
                        let fix = format!("`chmod {fix} {}`", file.display());
                        assert!(found.clone().unwrap().ends_with(&fix), "{bits:o} {found:?}");
                    }
                }
            }
        }
        mode(&file, 0o600);
        assert_eq!(read(&file, Holds::Secret, None).unwrap().expose(), b"x");
        mode(&file, 0o644);
        let read = |text: &str| {
            fs::write(&file, text).unwrap();
            read(&file, Holds::SecretUnlessCertificate, None)
        };
        let certificate = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";
        assert!(read(certificate).is_ok());
        let key = format!("{certificate}-----BEGIN PRIVATE KEY-----\n");
        assert!(read(&key).is_err() && read("token").is_err());
        mode(&file, 0o600);
        fs::write(&file, "x").unwrap();
        assert_eq!(read_text(&file, Holds::Rules).unwrap(), "x");
    }

    #[test]
    fn a_folder_that_others_may_change_makes_what_lies_in_it_anybodys() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let file = inner.join("policy.toml");
        fs::write(&file, "x").unwrap();
        mode(&file, 0o600);
        for (of, bits, is_refused) in [
            (&inner, 0o777, true),
            (&inner, 0o1777, false), // only the owner of a name may change it there
            (&inner, 0o755, false),
            (&folder.path().to_owned(), 0o777, true),
            (&folder.path().to_owned(), 0o700, false),
        ] {
            mode(of, bits);
            let found = problem(&file, Holds::Rules);
            assert_eq!(found.is_some(), is_refused, "{bits:o} {found:?}");
        }
        // Whoever may change the link chooses the file.
        let open = folder.path().join("open");
        fs::create_dir(&open).unwrap();
        symlink(&file, open.join("link")).unwrap();
        assert_eq!(problem(&open.join("link"), Holds::Rules), None);
        mode(&open, 0o777);
        assert!(problem(&open.join("link"), Holds::Rules).is_some());
    }

    #[test]
    fn a_strangers_file_and_a_groups_are_refused() {
        if !geteuid().is_root() {
            return; // nobody else gives files away
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("policy.toml");
        fs::write(&file, "x").unwrap();
        mode(&file, 0o660);
        chown(&file, Some(0), Some(12_345)).unwrap();
        assert!(problem(&file, Holds::Rules).unwrap().contains("chmod g-w"));
        mode(&file, 0o600);
        chown(&file, Some(12_345), None).unwrap();
        assert!(problem(&file, Holds::Rules).unwrap().contains("12345"));
        assert!(open(&file, Holds::Rules, Some(12_345)).is_ok());
        chown(&file, Some(0), None).unwrap();
        chown(folder.path(), Some(12_345), None).unwrap();
        assert!(problem(&file, Holds::Rules).unwrap().contains("12345"));
    }

    #[test]
    fn only_a_volume_of_its_own_that_is_mounted_for_reading_is_let_through() {
        let mounts = Mounts::read(
            "21 1 8:1 / / ro,relatime - ext4 /dev/root rw\n\
             22 21 0:20 / /etc/airlock ro,relatime - tmpfs tmpfs rw\n\
             23 21 0:21 / /srv rw,relatime - tmpfs tmpfs rw\n\
             24 23 0:22 / /srv/with\\040blank ro - tmpfs tmpfs rw\n\
             25 21 0:23 / /covered ro - tmpfs tmpfs rw\n\
             26 25 0:24 / /covered rw - tmpfs tmpfs rw\n",
            "0 0 4294967295\n",
        );
        for (path, is_volume) in [
            ("/etc/other", false),
            ("/etc/airlock", true),
            ("/etc/airlock/..data/policy.toml", true),
            ("/etc/airlocks/policy.toml", false),
            ("/srv/policy.toml", false),
            ("/srv/with blank/policy.toml", true),
            ("/covered/policy.toml", false),
        ] {
            assert_eq!(mounts.has_read_only(Path::new(path)), is_volume, "{path}");
        }
        assert!(!mounts.in_user_namespace);
        assert!(Mounts::read("", "0 100000 65536\n").in_user_namespace);
    }
}
