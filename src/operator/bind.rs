//! The socket itself: made before root is dropped, so that it is root's where the server was
//! started by root, and nobody else may connect: [`OperatorSocket`].

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt, MetadataExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

use nix::{
    sys::stat::{Mode, umask},
    unistd::geteuid,
};

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum SocketError {
    #[error("the operator's socket {} cannot be made: {source}\n  fix:    make its folder, for whoever starts the server (under systemd: RuntimeDirectory=kube-airlock)", path.display())]
    Bind { path: PathBuf, source: io::Error },
    #[error("the folder of the operator's socket {} can be written by others, who could put theirs in its place\n  fix:    chmod 755 the folder, or name another one in `[operator] socket`", .0.display())]
    Exposed(PathBuf),
    #[error("{} is there, and is no socket\n  fix:    name another path in `[operator] socket`", .0.display())]
    Strange(PathBuf),
    #[error("another server has the operator's socket {}\n  fix:    name another path in `[operator] socket`", .0.display())]
    Taken(PathBuf),
}

/// A socket that listens.
#[derive(Debug)]
pub struct OperatorSocket {
    pub(super) listener: UnixListener,
    pub(super) path: PathBuf,
}

impl OperatorSocket {
    /// Makes the socket at `path`; one that a server before has left is replaced. Call it while the
    /// process has one thread: files that others make meanwhile would have its mode.
    ///
    /// # Errors
    /// When it cannot be made, or another server has it.
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        let failed = |source| SocketError::Bind {
            path: path.to_owned(),
            source,
        };
        // A relative path without a folder is in the working directory.
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let metadata = fs::metadata(folder).map_err(failed)?;
        let is_ours = metadata.uid() == 0 || metadata.uid() == geteuid().as_raw();
        if !is_ours || metadata.mode() & 0o022 != 0 {
            return Err(SocketError::Exposed(path.to_owned()));
        }
        remove_stale(path)?;
        let before = umask(Mode::from_bits_truncate(0o177));
        let bound = UnixListener::bind(path);
        umask(before);
        let listener = bound.map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
        })
    }
}

/// Removes a socket at which nobody listens.
fn remove_stale(path: &Path) -> Result<(), SocketError> {
    let failed = |source| SocketError::Bind {
        path: path.to_owned(),
        source,
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(SocketError::Strange(path.to_owned()));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        _ => Err(SocketError::Taken(path.to_owned())),
    }
}
