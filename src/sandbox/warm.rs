//! A tool that is confined and has started, and has seen nothing of any request: it gets exactly
//! one.
//!
//! It waits on a descriptor until that is closed. What is written to it says how the request limits
//! the tool, its words and its variables; `tools/warm` reads it. Upstream's own builds know nothing
//! of it and never wait.

use std::{io, os::fd::OwnedFd, path::PathBuf, time::Duration};

use nix::fcntl::OFlag;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::timeout,
};
use zeroize::Zeroizing;

use super::{
    client::Sandbox,
    environment::{of_request, soft_limit, waiting},
    error::SandboxError,
    handle::{Child, Unconnected},
    message::{ExitStatus, Limits},
    profile::ProfileName,
    run::{Run, ToolStart},
};
use crate::{
    egress::Pinned,
    kubeconfig::{CertificateAuthority, Rendered},
    tool::Tool,
    workspace::{Blank, Workspace},
};

/// What a tool says when it has started.
const READY: u8 = b'r';
/// What it says instead when it can tell what its discovery finds.
const READY_AND_DISCOVERS: u8 = b'd';
/// A start takes 30 to 100 ms; on a loaded machine, seconds.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// What it says when it has its request, and has its limits.
const GOING: u8 = b'g';
/// It does so at once, unless it is stopped or the machine is overloaded; then another is started.
const TAKEN_WITHIN: Duration = Duration::from_secs(1);

/// How long a child that has closed where its request comes from may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(1);

/// Why no tool waits.
#[derive(Debug, thiserror::Error)]
pub enum WarmError {
    /// It could not be started, or not in time.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// A pipe could not be made.
    #[error("the sandbox could not be asked: {0}")]
    Unreachable(#[from] io::Error),
    /// It did something else and exited: upstream's own builds do not wait.
    #[error("this build of {0} does not wait for a request")]
    NeverWaits(Tool),
    /// It ended otherwise, as when it found no memory or no thread.
    #[error("{0} ended before it waited")]
    Ended(Tool),
    /// It neither waits nor ends.
    #[error("{0} did not wait for a request in time")]
    Late(Tool),
}

/// A request that a waiting tool did not take: nothing of it has run, so it may be started still.
#[derive(Debug)]
pub struct NotTaken {
    /// The request itself.
    pub run: Run,
    /// What kept the tool from taking it.
    pub error: io::Error,
}

/// A tool that waits for its request. Dropping it ends it.
#[derive(Debug)]
pub struct Warm {
    started: Unconnected,
    channel: UnixStream,
    blank: Blank,
    authority: PathBuf,
    limits: Limits,
    discovers: bool,
}

impl Sandbox {
    /// Starts a confined tool without a request: it does what every command begins with, and waits.
    ///
    /// # Errors
    /// The layer that could not be applied; [`WarmError::NeverWaits`] when it is no tool that
    /// waits.
    pub async fn start_warm(
        &self,
        tool: Tool,
        profile: ProfileName,
        workspace: Workspace,
        limits: Limits,
    ) -> Result<Warm, WarmError> {
        let (ours, theirs) = UnixStream::pair()?;
        let theirs = OwnedFd::from(theirs.into_std()?);
        nix::fcntl::fcntl(&theirs, nix::fcntl::FcntlArg::F_SETFL(OFlag::empty()))
            .map_err(io::Error::from)?; // it blocks
        let start = ToolStart {
            tool,
            argv: vec![tool.as_str().to_owned()],
            variables: vec![waiting()],
            profile,
            request: Some(theirs),
        };
        let (blank, authority) = (workspace.blank()?, workspace.authority());
        let started = self.start_tool(start, workspace, limits).await?;
        Warm::new(started, ours, blank, authority, limits).await
    }
}

impl Warm {
    /// Waits until the tool does.
    pub(super) async fn new(
        started: Unconnected,
        mut channel: UnixStream,
        blank: Blank,
        authority: PathBuf,
        limits: Limits,
    ) -> Result<Self, WarmError> {
        match timeout(READY_WITHIN, channel.read_u8()).await {
            Ok(Ok(said @ (READY | READY_AND_DISCOVERS))) => {
                let discovers =
                    said == READY_AND_DISCOVERS && started.profile() != ProfileName::Offline;
                Ok(Self {
                    started,
                    channel,
                    blank,
                    authority,
                    limits,
                    discovers,
                })
            }
            Ok(_) => Err(ended_without_waiting(started).await),
            Err(_) => Err(WarmError::Late(started.tool())),
        }
    }

    /// Its tool.
    pub fn tool(&self) -> Tool {
        self.started.tool()
    }

    /// Its profile.
    pub fn profile(&self) -> ProfileName {
        self.started.profile()
    }

    /// Whether it looks for what an API server has, and can tell what it finds.
    pub fn discovers(&self) -> bool {
        self.discovers
    }

    /// Whether it is dead.
    pub fn has_ended(&self) -> bool {
        self.started.has_ended()
    }

    /// Ends it, and waits until nothing of it is left.
    pub async fn end(self) {
        self.started.end().await;
    }

    /// Sends the tool the one request of its life. With `found`, which is what discovery has found,
    /// the tool reports on the stream what it finds itself, as pairs of the same kind.
    ///
    /// # Errors
    /// [`NotTaken`] when the tool is another one or has another profile, has less memory than the
    /// request may take, or does not answer. It is ended then, and nothing of the request has run.
    pub async fn hand_over(
        self,
        run: Run,
        pinned: &Pinned,
        kubeconfig: &Rendered,
        authority: Option<&CertificateAuthority>,
        limits: Limits,
        found: Option<&[u8]>,
    ) -> Result<(Child, UnixStream), NotTaken> {
        let message = match self.message(&run, authority, limits, found) {
            Ok(message) => message,
            Err(error) => return Err(NotTaken { run, error }),
        };
        let Self {
            started,
            mut channel,
            blank,
            ..
        } = self;
        let taken = async {
            // From here on it is looked at, which a tool that only waits need not be.
            started.begin().await.map_err(io::Error::other)?;
            blank.fill(kubeconfig, authority)?;
            channel.write_all(&message).await?;
            channel.shutdown().await?; // this ends the message
            if channel.read_u8().await? == GOING {
                Ok(())
            } else {
                Err(io::ErrorKind::InvalidData.into())
            }
        };
        match timeout(TAKEN_WITHIN, taken)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        {
            Ok(()) => Ok((started.connect(pinned), channel)),
            Err(error) => {
                started.end().await; // its place is another's only then
                Err(NotTaken { run, error })
            }
        }
    }

    /// The request as the tool reads it, when it is one for this tool.
    fn message(
        &self,
        run: &Run,
        authority: Option<&CertificateAuthority>,
        limits: Limits,
        found: Option<&[u8]>,
    ) -> io::Result<Zeroizing<Vec<u8>>> {
        let invocation = run.invocation();
        let is_for = invocation.tool() == self.tool() && run.profile() == self.profile();
        if !is_for
            || limits.memory_bytes > self.limits.memory_bytes
            || limits.cpu_seconds > self.limits.cpu_seconds
        {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let variables = of_request(&self.authority, run.variables(), authority.is_some());
        message(limits, &invocation.argv(), &variables, found)
    }
}

/// Ends it, and says why: it has closed the descriptor that it should wait on.
async fn ended_without_waiting(started: Unconnected) -> WarmError {
    let tool = started.tool();
    match started.ends_within(ENDS_WITHIN).await {
        // Go's own runtime exits with 2 when it finds no memory or no thread; 125 is of a start
        // that went wrong.
        Some(ExitStatus::Code(2 | 125) | ExitStatus::Signal(_)) => WarmError::Ended(tool),
        Some(ExitStatus::Code(_)) | None => WarmError::NeverWaits(tool),
    }
}

/// The request as the tool reads it: fields that end with a NUL. What was found is such fields
/// already, and stands behind an empty one, which no variable is.
fn message(
    limits: Limits,
    argv: &[String],
    variables: &[String],
    found: Option<&[u8]>,
) -> io::Result<Zeroizing<Vec<u8>>> {
    let numbers = [
        limits.memory_bytes,
        limits.cpu_seconds,
        soft_limit(limits),
        argv.len() as u64,
    ]
    .map(|number| number.to_string());
    let fields = || numbers.iter().chain(argv).chain(variables);
    if fields().any(|field| field.contains('\0')) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let length = fields().map(|field| field.len() + 1).sum::<usize>()
        + found.map_or(0, |found| 1 + found.len());
    let mut message = Zeroizing::new(Vec::with_capacity(length));
    for field in fields() {
        message.extend_from_slice(field.as_bytes());
        message.push(0);
    }
    if let Some(found) = found {
        message.push(0);
        message.extend_from_slice(found);
    }
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_fields_and_none_of_them_can_make_another() {
        let limits = Limits {
            memory_bytes: 400,
            cpu_seconds: 35,
        };
        let words = |words: &[&str]| {
            words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>()
        };
        let [variables, argv] = [words(&["A=b"]), words(&["helm", "list"])];
        let written = message(limits, &argv, &variables, None).unwrap();
        assert_eq!(
            written.as_slice(),
            b"400\x0035\x00300\x002\0helm\0list\0A=b\0"
        );
        let with_found = message(limits, &argv, &variables, Some(b"name\0content\0")).unwrap();
        assert_eq!(
            with_found.as_slice(),
            [&written, &b"\0name\0content\0"[..]].concat()
        );
        assert!(message(limits, &words(&["helm", "li\0st"]), &[], None).is_err());
    }
}
