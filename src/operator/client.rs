//! One question to a server on this host: [`ask`].

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use super::wire::{OperatorAnswer, OperatorRequest};

/// A server that is busy answers later than that, and one that hangs never.
const WITHIN: Duration = Duration::from_secs(10);
/// Thousands of calls.
const LONGEST_ANSWER: u64 = 16 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum AskError {
    #[error("the server at {} does not answer: {source}\n  fix:    `[operator] socket` in its settings opens the socket; --socket names it here, and root or the server's user may use it", path.display())]
    Unreachable { path: PathBuf, source: io::Error },
    #[error("the answer of {} is not one of this version", .0.display())]
    Strange(PathBuf),
}

/// Sends a request to the server whose socket is at `path`, and waits for its answer.
///
/// # Errors
/// When there is no server, or it does not answer.
pub fn ask(path: &Path, request: &OperatorRequest) -> Result<OperatorAnswer, AskError> {
    let unreachable = |source| AskError::Unreachable {
        path: path.to_owned(),
        source,
    };
    let answered = || -> io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(WITHIN))?;
        stream.set_write_timeout(Some(WITHIN))?;
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        stream.write_all(&line)?;
        let mut answer = Vec::new();
        BufReader::new(stream.take(LONGEST_ANSWER)).read_until(b'\n', &mut answer)?;
        Ok(answer)
    };
    let answer = answered().map_err(unreachable)?;
    serde_json::from_slice(&answer).map_err(|_| AskError::Strange(path.to_owned()))
}
