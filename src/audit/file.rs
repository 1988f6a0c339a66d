//! The file that records go to: found as a crash left it, bounded in size, one writer at a time.
//!
//! May not guess: a file whose last whole line is not a record of this chain is refused at start,
//! and nothing in it is touched. Only what has no line break behind it is taken away, which is a
//! record that nobody was told of.

use std::{
    fs::{self, File, Metadata, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nix::unistd::geteuid;

use super::{
    chain::{Chain, LONGEST_LINE, Link, Seal},
    record::Begin,
};

/// Where records go, and how much of them is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSettings {
    /// The file.
    pub path: PathBuf,
    /// The length from which on the next record begins a new one.
    pub max_bytes: u64,
    /// How many full ones are kept, as `path.1` (the newest) to `path.N`.
    pub keep: u32,
    /// Whether each record is on the disk before its call goes on, and not only in the kernel's
    /// memory.
    pub fsync: bool,
}

/// The most full files that can be kept.
pub const MOST_KEPT: u32 = 1000;

/// Why a file cannot be the audit's.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// It cannot be opened or read.
    #[error("the audit file {} cannot be used: {source}\n  fix:    {}", path.display(), open_fix(source))]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another server has it.
    #[error("another server writes to the audit file {}", .0.display())]
    Taken(PathBuf),
    /// Others may write to it.
    #[error("the audit file {} can be written by others\n  fix:    chmod 600 {}", .0.display(), .0.display())]
    Exposed(PathBuf),
    /// Another user may do with it what he wants.
    #[error(
        "the audit file {} belongs to the user {owner}, who is neither root nor the user of this server, {us}\n  fix:    look at it with `kube-airlock audit verify`, keep it, and move it away; or chown {us} {}",
        path.display(),
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// The server's user.
        us: u32,
    },
    /// Its end is not a record.
    #[error(
        "the last line of the audit file {} is no record that this server has sealed, and no chain goes on behind it\n  fix:    look at it with `kube-airlock audit verify`, keep it, and move it away; with another audit.key_file a chain begins anew as well",
        .0.display()
    )]
    Strange(PathBuf),
    /// No thread could be started.
    #[error("the audit cannot be started: {0}")]
    Thread(io::Error),
}

/// What to do about a file that cannot be opened.
fn open_fix(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => {
            "it is on a file system that is read-only here: under systemd name its folder in ReadWritePaths=, in a pod mount a volume there"
        }
        _ => {
            "give the server's user the folder and the file; full files are renamed, and new ones made"
        }
    }
}

/// A file that is open, and locked.
pub(super) struct LogFile {
    settings: FileSettings,
    file: File,
    length: u64,
    /// The full one has its new name already, and this is still it.
    is_renamed: bool,
    /// A rotation that failed is not tried again before.
    not_before: Option<Instant>,
}

/// What was found at start.
pub(super) struct OpenedLog {
    pub(super) file: LogFile,
    /// Where its chain goes on.
    pub(super) chain: Chain,
    /// The file begins in the middle of that chain.
    pub(super) begin: Option<Begin>,
    /// What was taken away at the end.
    pub(super) repaired: u64,
}

/// A write that failed.
pub(super) struct Failure {
    /// Bytes that are there.
    pub(super) written: usize,
    /// Bytes of them that are there for good.
    pub(super) sure: usize,
    pub(super) error: io::Error,
}

/// After this long a rotation that failed is tried again.
const ROTATE_AGAIN: Duration = Duration::from_secs(60);

impl LogFile {
    pub(super) fn open(settings: FileSettings, seal: &Seal) -> Result<OpenedLog, AuditError> {
        let path = settings.path.clone();
        let failed = |source| AuditError::Open {
            path: path.clone(),
            source,
        };
        let mut file = open(&path, false).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(AuditError::Taken(path)),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(failed(io::Error::other("it is not a regular file")));
        }
        if let Some(owner) = strange_owner(&metadata) {
            return Err(AuditError::Foreign {
                path,
                owner,
                us: geteuid().as_raw(),
            });
        }
        if metadata.mode() & 0o022 != 0 {
            return Err(AuditError::Exposed(path));
        }
        let end = End::of(&mut file, metadata.len()).map_err(failed)?;
        if !end.is_ours {
            return Err(AuditError::Strange(path));
        }
        let (chain, begin) = match (end.last, rotated(&path, 1)) {
            (Some(line), _) => (
                behind(seal, &line).ok_or_else(|| AuditError::Strange(path.clone()))?,
                None,
            ),
            // A crash between a rotation and the first record, or somebody took the file away.
            (None, previous) => match last_of(&previous).map_err(failed)? {
                None => (Chain::NEW, None),
                Some(line) => (
                    behind(seal, &line).ok_or(AuditError::Strange(previous))?,
                    Some(Begin::Rotated),
                ),
            },
        };
        if end.torn > 0 {
            file.set_len(end.whole).map_err(failed)?;
        }
        let file = Self {
            settings,
            file,
            length: end.whole,
            is_renamed: false,
            not_before: None,
        };
        Ok(OpenedLog {
            file,
            chain,
            begin,
            repaired: end.torn,
        })
    }

    /// Makes sure that what is appended goes to the file of that name, and that it has room. Says
    /// so when the next record is the first of a file.
    pub(super) fn prepare(&mut self) -> io::Result<Option<Begin>> {
        let ours = self.file.metadata()?;
        let is_there = match fs::symlink_metadata(&self.settings.path) {
            Ok(named) => (named.dev(), named.ino()) == (ours.dev(), ours.ino()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        if !is_there {
            let why = if self.is_renamed {
                Begin::Rotated
            } else {
                Begin::Replaced
            };
            self.begin()?;
            if why == Begin::Replaced {
                tracing::error!(path = %self.settings.path.display(), "the audit file was taken away; a new one goes on");
            }
            return Ok(Some(why));
        }
        let was = std::mem::replace(&mut self.length, ours.len());
        if ours.len() < was {
            tracing::error!(path = %self.settings.path.display(), was, is = ours.len(), "the audit file was made shorter");
            return Ok(Some(Begin::Truncated));
        }
        let is_due = self.not_before.is_none_or(|due| due <= Instant::now());
        if self.length >= self.settings.max_bytes && is_due {
            // A record too many in one file is better than none.
            if let Err(error) = self.rename() {
                tracing::error!(path = %self.settings.path.display(), %error, "a full audit file cannot be renamed; it grows");
                self.not_before = Some(Instant::now() + ROTATE_AGAIN);
                return Ok(None);
            }
            self.begin()?;
            return Ok(Some(Begin::Rotated));
        }
        Ok(None)
    }

    /// Appends all of `bytes`; the last ones of a server are then on the disk.
    pub(super) fn append(&mut self, bytes: &[u8], is_last: bool) -> Result<(), Failure> {
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match self.file.write(rest) {
                Ok(0) => {
                    return Err(Failure {
                        written,
                        sure: written,
                        error: io::ErrorKind::WriteZero.into(),
                    });
                }
                Ok(count) => {
                    written += count;
                    self.length += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(Failure {
                        written,
                        sure: written,
                        error,
                    });
                }
            }
        }
        if (self.settings.fsync || is_last)
            && let Err(error) = self.file.sync_data()
        {
            return Err(Failure {
                written,
                sure: 0,
                error,
            });
        }
        Ok(())
    }

    /// Takes the last `bytes` away again.
    pub(super) fn take_back(&mut self, bytes: usize) -> io::Result<()> {
        let length = self.length.saturating_sub(bytes as u64);
        self.file.set_len(length)?;
        self.length = length;
        Ok(())
    }

    fn rename(&mut self) -> io::Result<()> {
        self.file.sync_all()?;
        let path = &self.settings.path;
        for number in (1..self.settings.keep).rev() {
            match fs::rename(rotated(path, number), rotated(path, number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(path, rotated(path, 1))?;
        self.is_renamed = true;
        Ok(())
    }

    /// Goes on in a new file.
    fn begin(&mut self) -> io::Result<()> {
        let path = &self.settings.path;
        let file = open(path, true).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                let told = format!(
                    "another file is at {}, and nothing is written to it; move it away",
                    path.display()
                );
                io::Error::new(io::ErrorKind::AlreadyExists, told)
            }
            _ => error,
        })?;
        file.try_lock().map_err(io::Error::from)?;
        self.file = file;
        (self.length, self.is_renamed, self.not_before) = (0, false, None);
        // The names are to last as well. Where they cannot be made to, what is written does not
        // change.
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        if let Err(error) = File::open(folder).and_then(|folder| folder.sync_all()) {
            tracing::warn!(path = %folder.display(), %error, "the folder of the audit could not be synced");
        }
        Ok(())
    }
}

fn open(path: &Path, is_new: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .append(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    if is_new {
        options.create_new(true)
    } else {
        options.create(true)
    }
    .open(path)
}

/// The owner of a file, when that is neither root nor this process's user.
pub(super) fn strange_owner(metadata: &Metadata) -> Option<u32> {
    Some(metadata.uid()).filter(|owner| ![0, geteuid().as_raw()].contains(owner))
}

/// `path.number`.
pub fn rotated(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// The place behind a line, when it is a record.
fn behind(seal: &Seal, line: &[u8]) -> Option<Chain> {
    Link::read(seal, line).ok().map(Link::next)
}

/// The last whole line of a file that may not be there.
fn last_of(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
    {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(mut file) => {
            let length = file.metadata()?.len();
            Ok(End::of(&mut file, length)?.last)
        }
    }
}

/// How a file ends.
struct End {
    /// The length up to the last line break.
    whole: u64,
    /// What stands behind it.
    torn: u64,
    /// Whether that can be a part of a record, or what a power failure left of one.
    is_ours: bool,
    /// The last whole line.
    last: Option<Vec<u8>>,
}

impl End {
    fn of(file: &mut File, length: u64) -> io::Result<Self> {
        // A torn line, and a whole one before it.
        let from = length.saturating_sub(2 * LONGEST_LINE as u64 + 2);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(length - from).read_to_end(&mut bytes)?;
        let line_break = bytes.iter().rposition(|byte| *byte == b'\n');
        let torn = bytes.split_off(line_break.map_or(0, |at| at + 1));
        let last = line_break.and_then(|at| {
            bytes
                .get(..at)?
                .rsplit(|byte| *byte == b'\n')
                .next()
                .map(<[u8]>::to_vec)
        });
        let is_ours = torn.len() <= LONGEST_LINE
            && (torn.iter().all(|byte| *byte == 0) || Link::may_begin(&torn));
        let torn = torn.len() as u64;
        Ok(Self {
            whole: length - torn,
            torn,
            is_ours,
            last,
        })
    }
}
