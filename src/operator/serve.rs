//! The server's side of the socket: [`OperatorDoor`].

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use nix::unistd::geteuid;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream, unix::UCred},
    sync::Semaphore,
    time::timeout,
};

use super::{
    bind::OperatorSocket,
    wire::{ListedCall, ListedLock, OperatorAnswer, OperatorRequest},
};
use crate::{
    audit::{OperatorRecord, milliseconds},
    gate::Gate,
    identity::Authenticator,
    nearest::nearest,
    store::EndedBy,
};

/// An operator and a script or two.
const CONNECTIONS: usize = 8;
/// A request, in bytes.
const LONGEST_LINE: u64 = 8 * 1024;
/// A peer that does not say what it wants within this is none.
const WITHIN: Duration = Duration::from_secs(5);

/// The operator's socket, and what it leads to.
#[derive(Clone)]
pub struct OperatorDoor {
    gate: Gate,
    authenticator: Authenticator,
}

impl OperatorDoor {
    /// A door to this gate; `authenticator` knows the principals.
    pub fn new(gate: Gate, authenticator: Authenticator) -> Self {
        Self {
            gate,
            authenticator,
        }
    }

    /// Serves the socket for as long as the server lives.
    ///
    /// # Errors
    /// When the runtime does not take it.
    pub fn serve(self, socket: OperatorSocket) -> io::Result<ServedSocket> {
        let OperatorSocket { listener, path } = socket;
        let listener = UnixListener::from_std(listener)?;
        let task = tokio::spawn(self.accept(listener));
        tracing::info!(socket = %path.display(), "the operator's socket");
        Ok(ServedSocket { path, task })
    }

    async fn accept(self, listener: UnixListener) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let door = self.clone();
                    tokio::spawn(async move {
                        let _place = place;
                        // A peer that is gone needs no answer.
                        let _ = timeout(WITHIN, door.answer_one(stream)).await;
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the operator's socket");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    async fn answer_one(&self, stream: UnixStream) -> io::Result<()> {
        let peer = stream.peer_cred()?;
        let (from, mut to) = stream.into_split();
        // Also of somebody else: he would not hear why he is refused while he still writes.
        let mut line = String::new();
        BufReader::new(from.take(LONGEST_LINE))
            .read_line(&mut line)
            .await?;
        let answer = if may_operate(&peer) {
            match serde_json::from_str(&line) {
                Ok(request) => self.answer(request, &peer).await,
                Err(error) => refused(
                    format!("this is no request: {error}"),
                    "use the `kube-airlock` of the server's own version",
                ),
            }
        } else {
            tracing::warn!(
                uid = peer.uid(),
                "somebody else was refused at the operator's socket"
            );
            refused(
                "only root and the server's own user may use this socket".into(),
                "run it as one of them",
            )
        };
        let mut line = serde_json::to_vec(&answer)?;
        line.push(b'\n');
        to.write_all(&line).await
    }

    async fn answer(&self, request: OperatorRequest, peer: &UCred) -> OperatorAnswer {
        let store = self.gate.store();
        match request {
            OperatorRequest::Calls => OperatorAnswer::Calls {
                calls: self.calls(),
            },
            OperatorRequest::Locks => OperatorAnswer::Locks {
                locks: self.locks(),
            },
            OperatorRequest::End { request_id } => match store.calls.end(&request_id) {
                None => refused(
                    "no call of that id is under way".into(),
                    "`kube-airlock calls list` lists those that are",
                ),
                Some(principal) => {
                    let of = (Some(request_id.as_str()), Some(principal.as_str()));
                    self.record("end", peer, of, None, 1).await;
                    OperatorAnswer::Ending {
                        request_id,
                        principal,
                    }
                }
            },
            OperatorRequest::Lock { principal, reason } => {
                if let Some(unknown) = self.unknown(&principal) {
                    return unknown;
                }
                // The lock first: what comes behind the end of the others meets it.
                store.locks.lock(&principal, reason.as_deref());
                let ended = store
                    .calls
                    .end_those_of(|of| of == principal, EndedBy::Lock);
                let of = (None, Some(principal.as_str()));
                self.record("lock", peer, of, reason.as_deref(), ended)
                    .await;
                OperatorAnswer::Locked { principal, ended }
            }
            OperatorRequest::Unlock { principal } => {
                if !store.locks.unlock(&principal) {
                    return refused(
                        format!("{principal:?} is not locked"),
                        "`kube-airlock lock --list` lists those that are",
                    );
                }
                let of = (None, Some(principal.as_str()));
                self.record("unlock", peer, of, None, 0).await;
                OperatorAnswer::Unlocked { principal }
            }
        }
    }

    fn calls(&self) -> Vec<ListedCall> {
        let calls = self.gate.store().calls.list_all().into_iter();
        calls
            .map(|call| ListedCall {
                request_id: call.request_id,
                principal: call.principal,
                tool: call.tool.to_string(),
                state: call.state.as_str().to_owned(),
                for_ms: milliseconds(call.age),
            })
            .collect()
    }

    fn locks(&self) -> Vec<ListedLock> {
        let locks = self.gate.store().locks.list().into_iter();
        locks
            .map(|lock| ListedLock {
                principal: lock.principal,
                since: humantime::format_rfc3339_seconds(lock.since).to_string(),
                reason: lock.reason,
            })
            .collect()
    }

    /// A lock of nobody would be without effect, and look like one.
    fn unknown(&self, principal: &str) -> Option<OperatorAnswer> {
        let known = self.authenticator.principals();
        if known.iter().any(|known| known == principal) {
            return None;
        }
        let near = nearest(principal, known.iter().map(String::as_str));
        let hint = match near {
            Some(near) => format!("did you mean {near:?}?"),
            None => "the principals are those of the [[caller]] tables; without any there is one, `anonymous`".to_owned(),
        };
        Some(refused(
            format!("there is no principal {principal:?}"),
            &hint,
        ))
    }

    async fn record(
        &self,
        action: &'static str,
        peer: &UCred,
        (request_id, principal): (Option<&str>, Option<&str>),
        reason: Option<&str>,
        ended: usize,
    ) {
        let (uid, pid) = (peer.uid(), peer.pid());
        tracing::info!(action, uid, request_id, principal, ended, "the operator");
        let record = OperatorRecord {
            action,
            uid,
            pid,
            request_id,
            principal,
            reason,
            ended,
        };
        self.gate.audit().operator(&record).await;
    }
}

/// A socket that is served until this is dropped.
pub struct ServedSocket {
    path: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for ServedSocket {
    fn drop(&mut self) {
        self.task.abort();
        // Root's folder is not the server's any more: then the next start removes it.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Root, and the user that this server is now.
fn may_operate(peer: &UCred) -> bool {
    peer.uid() == 0 || peer.uid() == geteuid().as_raw()
}

fn refused(reason: String, hint: &str) -> OperatorAnswer {
    OperatorAnswer::Refused {
        reason,
        hint: hint.to_owned(),
    }
}
