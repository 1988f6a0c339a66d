//! Two paths -> what differs, printed. Files are compared with files, directories entry by entry.
//!
//! May not follow a symbolic link, open a device or wait for a pipe: the directories are the
//! tool's, and the tool may be hostile. What it reads is bounded: bytes and lines of a file,
//! entries of a directory, work of the whole run. Directories inside directories are named and not
//! entered, as by `diff` without `-r`.
//!
//! Held by `tests/gnu.rs`.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    ffi::c_int,
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::{
    print::{self, Format, Side},
    script::{Effort, script},
};

/// An API server takes requests of 3 MiB (kube-apiserver, `MaxRequestBodyBytes`); as YAML an object
/// is less than twice as long. Beyond this, two files and their diff would not fit into a child's
/// smallest memory limit.
const MAX_FILE_BYTES: u64 = 16 << 20;
/// A line costs some 150 bytes of memory, however short it is.
const MAX_LINES: usize = 2_000_000;
/// kubectl writes one file per object that it is given.
const MAX_ENTRIES: usize = 50_000;
/// Where GNU diff looks for a NUL byte: in the first block of a file (`st_blksize`, 4096 on tmpfs,
/// ext4 and overlayfs).
const FIRST_BLOCK: usize = 4096;

/// What a comparison ended with; the worst of several counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Nothing differs.
    Same,
    /// Something does, and has been printed.
    Different,
    /// Something could not be compared, and standard error says what.
    Trouble,
}

impl Outcome {
    /// The exit status that says so.
    #[cfg_attr(
        test,
        expect(dead_code, reason = "the tests have a `main` of their own")
    )]
    pub fn status(self) -> c_int {
        match self {
            Self::Same => 0,
            Self::Different => 1,
            Self::Trouble => 2,
        }
    }
}

/// Why two entries were not compared: a path, and what is wrong with it.
struct Trouble(PathBuf, String);

impl Trouble {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self(path.to_owned(), error.to_string())
    }
}

/// What a path turned out to be.
enum Entry {
    File(File, Metadata),
    Directory,
}

/// One run of the program.
pub struct Comparison<'a> {
    format: Format,
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    effort: Effort,
}

impl<'a> Comparison<'a> {
    /// A run that prints differences to `out` and what it could not compare to `err`.
    pub fn new(format: Format, out: &'a mut dyn Write, err: &'a mut dyn Write) -> Self {
        Self {
            format,
            out,
            err,
            effort: Effort::of_a_run(),
        }
    }

    /// Compares two files, or for [`Format::Unified`] two directories.
    ///
    /// # Errors
    /// When the output cannot be written; all else is told on standard error.
    pub fn run(&mut self, old: &Path, new: &Path) -> io::Result<Outcome> {
        match (open(old), open(new)) {
            (Ok(Entry::Directory), Ok(Entry::Directory)) if self.format == Format::Unified => {
                self.directories(old, new)
            }
            (Ok(Entry::File(old_file, old_facts)), Ok(Entry::File(new_file, new_facts))) => {
                match (
                    read(old, old_file, old_facts),
                    read(new, new_file, new_facts),
                ) {
                    (Ok(old), Ok(new)) => self.files(&old, &new, None),
                    (Err(trouble), _) | (_, Err(trouble)) => Ok(self.tell(&trouble)),
                }
            }
            (Err(trouble), _) | (_, Err(trouble)) => Ok(self.tell(&trouble)),
            _ => {
                let wanted = match self.format {
                    Format::Normal => "two files",
                    Format::Unified => "two files or two directories",
                };
                Ok(self.tell(&Trouble(new.to_owned(), format!("it compares {wanted}"))))
            }
        }
    }

    fn directories(&mut self, old: &Path, new: &Path) -> io::Result<Outcome> {
        let (olds, news) = match (list(old), list(new)) {
            (Ok(olds), Ok(news)) => (olds, news),
            (Err(trouble), _) | (_, Err(trouble)) => return Ok(self.tell(&trouble)),
        };
        let mut worst = Outcome::Same;
        for name in olds.union(&news) {
            let (old, new) = (old.join(name), new.join(name));
            let found = match (there(&olds, name, &old), there(&news, name, &new)) {
                (Ok(was), Ok(is)) => self.entries(&old, was, &new, is)?,
                (Err(trouble), _) | (_, Err(trouble)) => self.tell(&trouble),
            };
            worst = worst.max(found);
        }
        Ok(worst)
    }

    /// Entries of one name; one that is not there counts as empty (`-N`).
    fn entries(
        &mut self,
        old: &Path,
        was: Option<Entry>,
        new: &Path,
        is: Option<Entry>,
    ) -> io::Result<Outcome> {
        let (old_file, new_file) = match (was, is) {
            (Some(Entry::Directory) | None, Some(Entry::Directory) | None) => {
                writeln!(
                    self.out,
                    "Common subdirectories: {} and {}",
                    print::name(old),
                    print::name(new)
                )?;
                return Ok(Outcome::Same);
            }
            (Some(Entry::Directory), Some(Entry::File(..))) => {
                return self.unlike((old, "directory"), (new, "regular file"));
            }
            (Some(Entry::File(..)), Some(Entry::Directory)) => {
                return self.unlike((old, "regular file"), (new, "directory"));
            }
            (Some(Entry::File(old, facts)), None) => (Some((old, facts)), None),
            (None, Some(Entry::File(new, facts))) => (None, Some((new, facts))),
            (Some(Entry::File(old, old_facts)), Some(Entry::File(new, new_facts))) => {
                (Some((old, old_facts)), Some((new, new_facts)))
            }
        };
        let side = |path: &Path, file: Option<(File, Metadata)>| match file {
            Some((file, facts)) => read(path, file, facts),
            None => Ok(Side::absent(path)),
        };
        match (side(old, old_file), side(new, new_file)) {
            (Ok(old), Ok(new)) => self.files(
                &old,
                &new,
                Some(print::name(&old.path) + " " + &print::name(&new.path)),
            ),
            (Err(trouble), _) | (_, Err(trouble)) => Ok(self.tell(&trouble)),
        }
    }

    fn unlike(
        &mut self,
        (old, was): (&Path, &str),
        (new, is): (&Path, &str),
    ) -> io::Result<Outcome> {
        writeln!(
            self.out,
            "File {} is a {was} while file {} is a {is}",
            print::name(old),
            print::name(new)
        )?;
        Ok(Outcome::Different)
    }

    /// Prints how two files differ; below `diff -u -N NAMES`, when they are of two directories.
    fn files(&mut self, old: &Side, new: &Side, names: Option<String>) -> io::Result<Outcome> {
        if old.bytes == new.bytes {
            return Ok(Outcome::Same);
        }
        let binary = |side: &Side| side.bytes.iter().take(FIRST_BLOCK).any(|&byte| byte == 0);
        if binary(old) || binary(new) {
            writeln!(
                self.out,
                "Binary files {} and {} differ",
                print::name(&old.path),
                print::name(&new.path)
            )?;
            return Ok(Outcome::Different);
        }
        let (olds, news) = match (lines(old), lines(new)) {
            (Ok(olds), Ok(news)) => (olds, news),
            (Err(trouble), _) | (_, Err(trouble)) => return Ok(self.tell(&trouble)),
        };
        let changes = script(&olds, &news, self.format.context(), &mut self.effort);
        if let Some(names) = names {
            writeln!(self.out, "diff -u -N {names}")?;
        }
        match self.format {
            Format::Normal => print::normal(self.out, &olds, &news, &changes)?,
            Format::Unified => print::unified(self.out, (old, &olds), (new, &news), &changes)?,
        }
        Ok(Outcome::Different)
    }

    fn tell(&mut self, Trouble(path, what): &Trouble) -> Outcome {
        // Nobody is left to be told that standard error is closed.
        let _ = writeln!(self.err, "diff: {}: {what}", print::name(path));
        Outcome::Trouble
    }
}

/// Opens a file or finds a directory; refuses what is neither.
fn open(path: &Path) -> Result<Entry, Trouble> {
    // A symbolic link fails with ELOOP; opening a pipe that nobody writes to does not wait.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
        .map_err(Trouble::io(path))?;
    let facts = file.metadata().map_err(Trouble::io(path))?;
    match facts.file_type() {
        kind if kind.is_dir() => Ok(Entry::Directory),
        kind if kind.is_file() => Ok(Entry::File(file, facts)),
        _ => Err(Trouble(
            path.to_owned(),
            "it is neither a file nor a directory".into(),
        )),
    }
}

/// What a directory has under this name, if it has.
fn there(
    names: &BTreeSet<OsString>,
    name: &OsString,
    path: &Path,
) -> Result<Option<Entry>, Trouble> {
    names.contains(name).then(|| open(path)).transpose()
}

/// The names in a directory, in the order of their bytes.
fn list(path: &Path) -> Result<BTreeSet<OsString>, Trouble> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(path).map_err(Trouble::io(path))? {
        if names.len() == MAX_ENTRIES {
            return Err(Trouble(
                path.to_owned(),
                format!("it has more than {MAX_ENTRIES} entries"),
            ));
        }
        names.insert(entry.map_err(Trouble::io(path))?.file_name());
    }
    Ok(names)
}

fn read(path: &Path, file: File, facts: Metadata) -> Result<Side, Trouble> {
    let too_long = || {
        Trouble(
            path.to_owned(),
            format!("it is longer than {} MiB", MAX_FILE_BYTES >> 20),
        )
    };
    if facts.len() > MAX_FILE_BYTES {
        return Err(too_long());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(facts.len()).unwrap_or_default() + 1);
    // It may have grown.
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(Trouble::io(path))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_FILE_BYTES) {
        return Err(too_long());
    }
    Ok(Side {
        path: path.to_owned(),
        seconds: facts.mtime(),
        nanoseconds: facts.mtime_nsec(),
        bytes,
    })
}

/// A file's lines, each with its newline. A last line without one differs from the same line with
/// one.
fn lines(side: &Side) -> Result<Vec<&[u8]>, Trouble> {
    let lines: Vec<&[u8]> = side
        .bytes
        .split_inclusive(|&byte| byte == b'\n')
        .take(MAX_LINES + 1)
        .collect();
    if lines.len() > MAX_LINES {
        return Err(Trouble(
            side.path.clone(),
            format!("it has more than {MAX_LINES} lines"),
        ));
    }
    Ok(lines)
}
