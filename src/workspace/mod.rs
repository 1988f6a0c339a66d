//! One 0700 directory per request with the 0600 kubeconfig in it, and the sweep of what a crash
//! left.
//!
//! Comes in: a kubeconfig that this server wrote ([`Rendered`]). Goes out: a [`Workspace`] that
//! removes itself when it is dropped, which the sandbox does once the child is dead. May not
//! outlive its request.
//!
//! Held by the tests below, by `tests/service` (no directory is left after any end of a call, nor
//! after a server that was killed) and by `tests/escape` (no child reads another one's).

#![forbid(unsafe_code)]

mod emptying;
mod sweep;

use std::{
    ffi::CStr,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{OFlag, openat},
    sys::{
        stat::Mode,
        statfs::{TMPFS_MAGIC, statfs},
        statvfs::fstatvfs,
    },
};
use tempfile::TempDir;

pub(crate) use self::emptying::{empty, names_in, remove};
use self::sweep::{LOCK, PREFIX, sweep, trusted_base};
use crate::{
    data::{Data, FileName},
    kubeconfig::{CertificateAuthority, Rendered},
};

/// Where the workspaces of one server are. Removed when it is dropped.
#[derive(Debug)]
pub struct Workspaces {
    directory: TempDir,
    /// Held for as long as the server lives: a sweep leaves a directory alone whose lock is taken.
    _lock: File,
    in_memory: bool,
}

/// One request's directory.
#[derive(Debug)]
pub struct Workspace {
    directory: PathBuf,
    /// Emptied at the end whoever it belongs to by then: when the spawner is killed, nobody gives
    /// it back.
    kubeconfig: Option<File>,
    /// For a certificate, where there may be one.
    authority: Option<File>,
    /// The files of its request, and where each was written.
    files: Vec<(FileName, File)>,
    /// The standard input of its child: a file without a name.
    input: Option<File>,
    has_scratch: bool,
    in_memory: bool,
}

/// The empty files of a workspace.
#[derive(Debug)]
pub(crate) struct Blank {
    kubeconfig: Option<File>,
    authority: Option<File>,
}

/// Descriptors of a workspace, to be given to the child's user.
pub(crate) struct WorkspaceDescriptors {
    pub(crate) directory: File,
    pub(crate) kubeconfig: File,
    pub(crate) home: File,
    pub(crate) scratch: Option<File>,
    /// The folder of the request's files.
    pub(crate) files: Option<File>,
    /// What the child reads from; its own place in it.
    pub(crate) input: Option<File>,
}

/// The space of the file system that a child which writes has to leave free, because the
/// workspaces of the other requests are there too.
#[derive(Debug)]
pub(crate) struct Reserve {
    directory: File,
    least: FreeSpace,
}

#[derive(Debug)]
struct FreeSpace {
    bytes: u64,
    files: u64,
}

/// Both manifests of a thousand objects of 100 KiB each, and some.
const MOST_BYTES: u64 = 256 << 20;
/// Removed in a tenth of a second.
const MOST_FILES: u64 = 1 << 16;

const KUBECONFIG: &str = "kubeconfig";
const AUTHORITY: &str = "ca.pem";
const HOME: &str = "home";
const SCRATCH: &str = "scratch";
const INPUT: &str = "input";
/// The folder of a request's files, for who removes it by descriptor.
pub(crate) const GIVEN: &CStr = c"files";
/// The files of a workspace, and its directories, for who removes them by descriptor.
pub(crate) const FILES: [&str; 2] = [KUBECONFIG, AUTHORITY];
pub(crate) const DIRECTORIES: [&str; 2] = [HOME, SCRATCH];

impl Workspaces {
    /// Makes the server's directory under `base` (default: `/dev/shm` where it is a tmpfs, else the
    /// temporary directory), after sweeping what servers of the same user that have ended left
    /// there. `owner` is the user and group that the server will be once it has dropped root.
    ///
    /// # Errors
    /// When nothing can be made there.
    pub fn create(base: Option<&Path>, owner: Option<u32>) -> io::Result<Self> {
        let base = base.map_or_else(default_base, Path::to_owned);
        trusted_base(&base, owner)?;
        sweep(&base, owner);
        let directory = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(fs::Permissions::from_mode(0o711))
            .tempdir_in(&base)?;
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags((OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW).bits())
            .open(directory.path())?;
        // Nobody else may open it: to read a file is enough to lock it, and what is locked is not
        // swept. It stays root's where root made it, which is who sweeps there.
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let lock = File::from(openat(&opened, LOCK, flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
        lock.lock()?;
        if let Some(owner) = owner {
            fchown(&opened, Some(owner), Some(owner))?;
        }
        let in_memory = is_tmpfs(directory.path());
        Ok(Self {
            directory,
            _lock: lock,
            in_memory,
        })
    }

    /// Whether kubeconfigs lie in memory only; on a disk their bytes may outlive the file.
    pub fn in_memory(&self) -> bool {
        self.in_memory
    }

    /// The server's directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Makes one request's directory and writes its kubeconfig, and the certificates that a
    /// server's is verified against, where they are not in it.
    ///
    /// What a caller sent is none:
    ///
    /// ```compile_fail,E0308
    /// # use kube_airlock::{secret::SecretBytes, workspace::Workspaces};
    /// fn forged(workspaces: &Workspaces, sent: &SecretBytes) {
    ///     workspaces.open(sent, None);
    /// }
    /// ```
    ///
    /// # Errors
    /// When the file system is full or read-only.
    pub fn open(
        &self,
        kubeconfig: &Rendered,
        authority: Option<&CertificateAuthority>,
    ) -> io::Result<Workspace> {
        let workspace = self.empty(authority.is_some())?;
        workspace.blank()?.fill(kubeconfig, authority)?;
        Ok(workspace)
    }

    /// Makes a directory for a request that is not there yet, with empty files for what it will
    /// bring.
    ///
    /// # Errors
    /// When the file system is full or read-only.
    pub(crate) fn empty(&self, with_authority: bool) -> io::Result<Workspace> {
        let private = fs::Permissions::from_mode(0o700);
        let directory = tempfile::Builder::new()
            .prefix("r-")
            .permissions(private)
            .tempdir_in(self.directory.path())?
            .keep();
        let mut workspace = Workspace {
            directory,
            kubeconfig: None,
            authority: None,
            files: Vec::new(),
            input: None,
            has_scratch: false,
            in_memory: self.in_memory,
        };
        workspace.kubeconfig = Some(new(workspace.kubeconfig(), 0o600)?);
        DirBuilder::new().mode(0o500).create(workspace.home())?;
        if with_authority {
            // Public, in a directory that is the child's alone: it stays the server's file.
            workspace.authority = Some(new(workspace.authority(), 0o644)?);
        }
        Ok(workspace)
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let files = self.files.iter().map(|(_, file)| file);
        for file in files.chain(&self.kubeconfig) {
            let _ = file.set_len(0); // then it is removed, or swept
        }
        if let Err(error) = self.remove_ours().or_else(|_| self.remove_all()) {
            tracing::error!(path = %self.path().display(), %error, "a request's directory could not be removed; the next start sweeps it");
        }
    }
}

/// Makes a file that is not there.
fn new(path: PathBuf, mode: u32) -> io::Result<File> {
    OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(mode)
        .open(path)
}

impl Workspace {
    /// Writes what a request brings for its command to read: each file by its name, and its standard
    /// input where it has no name at all.
    ///
    /// # Errors
    /// When the file system is full or read-only.
    pub fn bring(&mut self, data: &Data) -> io::Result<()> {
        if let Some(text) = data.input() {
            let path = self.directory.join(INPUT);
            new(path.clone(), 0o600)?.write_all(text.expose().as_bytes())?;
            let opened = File::open(&path);
            fs::remove_file(path)?;
            self.input = Some(opened?);
        }
        if data.files().is_empty() {
            return Ok(());
        }
        DirBuilder::new().mode(0o700).create(self.files())?;
        for (name, text) in data.files() {
            let mut file = new(self.files().join(name.as_str()), 0o600)?;
            file.write_all(text.expose().as_bytes())?;
            self.files.push((name.clone(), file));
        }
        Ok(())
    }

    /// The folder of the request's files, if it brings some.
    pub fn files(&self) -> PathBuf {
        self.directory.join("files")
    }

    /// The way to write what a request brings, also when the files are its child's already.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub(crate) fn blank(&self) -> io::Result<Blank> {
        let copy = |file: &Option<File>| file.as_ref().map(File::try_clone).transpose();
        Ok(Blank {
            kubeconfig: copy(&self.kubeconfig)?,
            authority: copy(&self.authority)?,
        })
    }

    /// Removes what we made. It takes no descriptor: a server that has none left must not leave a
    /// credential.
    fn remove_ours(&self) -> io::Result<()> {
        let _ = fs::remove_file(self.kubeconfig());
        if self.authority.is_some() {
            let _ = fs::remove_file(self.authority());
        }
        for (name, _) in &self.files {
            let _ = fs::remove_file(self.files().join(name.as_str()));
        }
        if !self.files.is_empty() {
            let _ = fs::remove_dir(self.files());
        }
        let _ = fs::remove_dir(self.home());
        fs::remove_dir(self.path()) // only what is empty
    }

    /// Removes it with all that a child made there. It may change the modes of what it owns; only
    /// then is it in the way.
    fn remove_all(&self) -> io::Result<()> {
        for path in [
            Some(self.path().to_owned()),
            Some(self.home()),
            Some(self.files()),
            self.scratch(),
        ]
        .into_iter()
        .flatten()
        {
            let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
        }
        fs::remove_dir_all(self.path())
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// The child's `KUBECONFIG`.
    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.join(KUBECONFIG)
    }

    /// Whether dropping it waits for no disk, and for nothing that a child has made.
    pub(crate) fn is_removed_at_once(&self) -> bool {
        self.in_memory && !self.has_scratch
    }

    /// Whether there is a file for certificates.
    pub(crate) fn has_authority(&self) -> bool {
        self.authority.is_some()
    }

    /// Where the certificates are that a server's is verified against, when the request brings
    /// some.
    pub fn authority(&self) -> PathBuf {
        self.directory.join(AUTHORITY)
    }

    /// The child's `HOME`, empty and not writable. helm and argocd want one that can be read.
    pub fn home(&self) -> PathBuf {
        self.directory.join(HOME)
    }

    /// How the names of the request's socket files begin, which the server makes beside its
    /// directory: what the child owns it could replace.
    pub fn sockets(&self) -> PathBuf {
        self.directory.to_owned()
    }

    /// The child's `TMPDIR`, where it may write. Only what runs a helper has one.
    pub fn scratch(&self) -> Option<PathBuf> {
        self.has_scratch.then(|| self.directory.join(SCRATCH))
    }

    /// Makes [`Self::scratch`].
    ///
    /// # Errors
    /// When the file system is full or read-only.
    pub fn make_scratch(&mut self) -> io::Result<()> {
        DirBuilder::new()
            .mode(0o700)
            .create(self.directory.join(SCRATCH))?;
        self.has_scratch = true;
        Ok(())
    }

    /// Returns what a child with a scratch directory has to leave free from now on: at least half
    /// of what is free.
    pub(crate) fn reserve(&self) -> io::Result<Reserve> {
        let directory = File::open(self.path())?;
        let free = FreeSpace::on(&directory)?;
        let least = FreeSpace {
            bytes: free.bytes - MOST_BYTES.min(free.bytes / 2),
            files: free.files - MOST_FILES.min(free.files / 2),
        };
        Ok(Reserve { directory, least })
    }

    /// Opens what becomes the child's.
    pub(crate) fn descriptors(&self) -> io::Result<WorkspaceDescriptors> {
        let open = |path: &Path, flags: OFlag| {
            OpenOptions::new()
                .read(true)
                .custom_flags((flags | OFlag::O_NOFOLLOW).bits())
                .open(path)
        };
        let scratch = self.scratch();
        let files = (!self.files.is_empty()).then(|| self.files());
        Ok(WorkspaceDescriptors {
            directory: open(self.path(), OFlag::O_DIRECTORY)?,
            kubeconfig: open(&self.kubeconfig(), OFlag::empty())?,
            home: open(&self.home(), OFlag::O_DIRECTORY)?,
            scratch: scratch
                .map(|scratch| open(&scratch, OFlag::O_DIRECTORY))
                .transpose()?,
            files: files
                .map(|files| open(&files, OFlag::O_DIRECTORY))
                .transpose()?,
            input: self.input.as_ref().map(File::try_clone).transpose()?,
        })
    }
}

impl Blank {
    /// Writes a kubeconfig, and the certificates that a server's is verified against, where they
    /// are not in it.
    ///
    /// # Errors
    /// When the file system is full, or there is no file for the certificates.
    pub(crate) fn fill(
        self,
        kubeconfig: &Rendered,
        authority: Option<&CertificateAuthority>,
    ) -> io::Result<()> {
        let write = |file: Option<File>, bytes: &[u8]| {
            file.ok_or(io::ErrorKind::NotFound)?.write_all(bytes)
        };
        write(self.kubeconfig, kubeconfig.expose())?;
        authority.map_or(Ok(()), |authority| {
            write(self.authority, authority.pem().as_bytes())
        })
    }
}

impl Reserve {
    /// Whether less is free than has to be, whoever took it: a file system does not know.
    pub(crate) fn is_used(&self) -> bool {
        FreeSpace::on(&self.directory)
            .is_ok_and(|free| free.bytes < self.least.bytes || free.files < self.least.files)
    }
}

impl FreeSpace {
    fn on(directory: &File) -> io::Result<Self> {
        let status = fstatvfs(directory)?;
        let bytes = status.blocks_available() as u64 * status.fragment_size() as u64;
        Ok(Self {
            bytes,
            files: status.files_available() as u64,
        })
    }
}

fn default_base() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if is_tmpfs(memory) && nix::unistd::access(memory, nix::unistd::AccessFlags::W_OK).is_ok() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    }
}

fn is_tmpfs(path: &Path) -> bool {
    statfs(path).is_ok_and(|status| status.filesystem_type() == TMPFS_MAGIC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubeconfig::Kubeconfig;

    #[test]
    fn what_a_request_brings_is_private_and_goes_with_it() {
        let base = tempfile::tempdir().unwrap();
        let workspaces = Workspaces::create(Some(base.path()), None).unwrap();
        let mut workspace = workspaces.open(&Kubeconfig::nowhere(), None).unwrap();
        let sent = serde_json::from_str(r#"{"a.yaml": "a: 1", "b": ""}"#).unwrap();
        let stdin = crate::secret::SecretString::new("read me".into());
        let data = Data::read(Some(&stdin), None, &sent, 100).unwrap();
        workspace.bring(&data).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let files = workspace.files();
        assert_eq!(
            (
                mode(&files),
                mode(&files.join("a.yaml")),
                mode(&files.join("b"))
            ),
            (0o700, 0o600, 0o600)
        );
        assert_eq!(fs::read_to_string(files.join("a.yaml")).unwrap(), "a: 1");
        let names = fs::read_dir(workspace.path()).unwrap().count();
        assert_eq!(names, 3, "the kubeconfig, the home and the files");
        let input = workspace.descriptors().unwrap().input.unwrap();
        assert_eq!(io::read_to_string(&input).unwrap(), "read me");
        let error = (&input).write_all(b"x").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EBADF));
        drop(workspace);
        assert_eq!(
            fs::read_dir(workspaces.path()).unwrap().count(),
            1,
            "the lock"
        );
    }

    #[test]
    fn a_workspace_is_private_and_goes_with_its_request() {
        let base = tempfile::tempdir().unwrap();
        let workspaces = Workspaces::create(Some(base.path()), None).unwrap();
        let workspace = workspaces.open(&Kubeconfig::nowhere(), None).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(
            (
                mode(workspace.path()),
                mode(&workspace.kubeconfig()),
                mode(&workspace.home())
            ),
            (0o700, 0o600, 0o500)
        );
        let path = workspace.path().to_owned();
        drop(workspace);
        assert!(!path.exists());
        drop(workspaces);
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
    }
}
