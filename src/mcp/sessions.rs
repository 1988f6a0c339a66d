//! The open sessions of clients of the initialize era: [`Sessions`].
//!
//! rmcp makes one for whatever it reads as `initialize`, and bounds neither their number, nor what
//! opens one, nor who uses one. So each is admitted here, where rmcp makes it: what a request says
//! in its headers decides nothing.
//!
//! Held by `tests/service/fairness.rs`.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::Stream;
use rmcp::{
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::streamable_http_server::session::{
        RestoreOutcome, ServerSseMessage, SessionId, SessionManager,
        local::{LocalSessionManager, LocalSessionManagerError},
    },
};

use tokio::time::{sleep, timeout};

use super::open_requests::{OpenRequests, RequestUnderWay};
use crate::{
    identity::Caller,
    refusal::Refusal,
    sandbox::give_back_freed_memory,
    store::{Owner, Store},
};

/// The largest message that opens a session. Real clients' are under 2 KiB.
const LARGEST_HELLO: usize = 16 * 1024;

/// A session that does not end by itself within this has its end taken away.
const CLOSED_WITHIN: Duration = Duration::from_secs(5);

/// How long to wait for further sessions to end, before their memory is given back.
const GIVEN_BACK_AFTER: Duration = Duration::from_secs(5);

tokio::task_local! {
    /// The request that is served. rmcp asks for a session without a word about it.
    static OPENING: Arc<OpeningRequest>;
}

struct OpeningRequest {
    caller: Caller,
    body_bytes: usize,
    /// The protocol that the request names.
    protocol: Option<String>,
    refused: Mutex<Option<Refusal>>,
}

impl OpeningRequest {
    fn refuse(&self, refusal: Refusal) {
        *(self.refused.lock()).unwrap_or_else(PoisonError::into_inner) = Some(refusal);
    }
}

/// rmcp's sessions, each of which is admitted.
pub struct Sessions {
    open: Arc<LocalSessionManager>,
    store: Arc<Store>,
    under_way: OpenRequests,
    /// Whether memory is about to be given back.
    gives_back: Arc<AtomicBool>,
}

/// The protocol that the request names which is served.
pub(super) fn opening_protocol() -> Option<String> {
    let named = OPENING.try_with(|opening| opening.protocol.clone());
    named.ok().flatten()
}

/// Why there is no such session.
#[derive(Debug, thiserror::Error)]
pub enum SessionFailure {
    /// None is made for this request.
    #[error("no session is opened for this request")]
    Refused,
    /// rmcp has none.
    #[error(transparent)]
    Rmcp(#[from] LocalSessionManagerError),
}

impl Sessions {
    pub(super) fn new(open: LocalSessionManager, store: Arc<Store>) -> Self {
        let open = Arc::new(open);
        Self {
            open,
            store,
            under_way: OpenRequests::default(),
            gives_back: Arc::default(),
        }
    }

    /// Gives back what ended sessions held, once for all that end within seconds: the C library keeps
    /// what lies between other things, and five hundred sessions hold 60 MB.
    fn gives_back(&self) {
        if self.gives_back.swap(true, Ordering::Relaxed) {
            return;
        }
        let pending = Arc::clone(&self.gives_back);
        tokio::spawn(async move {
            sleep(GIVEN_BACK_AFTER).await;
            pending.store(false, Ordering::Relaxed);
            let _ = tokio::task::spawn_blocking(give_back_freed_memory).await;
        });
    }

    /// Serves a request with a body of `body_bytes` that may open a session for its caller, or one
    /// again, in the `protocol` that it names.
    ///
    /// # Errors
    /// Why it may not.
    pub async fn opening<T>(
        &self,
        caller: Caller,
        body_bytes: usize,
        protocol: Option<String>,
        served: impl Future<Output = T>,
    ) -> Result<T, Refusal> {
        let opening = Arc::new(OpeningRequest {
            caller,
            body_bytes,
            protocol,
            refused: Mutex::default(),
        });
        let answer = OPENING.scope(Arc::clone(&opening), served).await;
        let mut refused = (opening.refused.lock()).unwrap_or_else(PoisonError::into_inner);
        refused.take().map_or(Ok(answer), Err)
    }

    /// Notes that a caller uses a session, when it is its own. Returns whose it is.
    pub async fn used(&self, session: &str, caller: &Caller) -> Owner {
        self.store.sessions.used(session, caller).await
    }

    /// Notes a request of a session, until what it returns is dropped; none when one with its id is
    /// not answered yet.
    pub fn begin(&self, session: &str, id: &str) -> Option<RequestUnderWay> {
        self.under_way.begin(session, id)
    }

    /// Waits until an operator locks the caller.
    pub fn locked(&self, caller: &Caller) -> impl Future<Output = ()> + Send + 'static {
        let (store, principal) = (Arc::clone(&self.store), caller.principal().to_owned());
        async move { store.locks.locked(&principal).await }
    }

    /// Registers a session that rmcp has made, for whoever is served.
    async fn admitted(&self, session: &SessionId, opening: &OpeningRequest) -> Result<(), Refusal> {
        let opened = self.store.sessions.open(session, &opening.caller).await;
        if let Some(left) = opened.map_err(|_| Refusal::TooManySessions)? {
            // Its task may hang on a client that takes nothing, and nobody else is to wait for that.
            let open = Arc::clone(&self.open);
            self.gives_back();
            tokio::spawn(timeout(CLOSED_WITHIN, async move {
                open.close_session(&left.into()).await
            }));
        }
        Ok(())
    }
}

impl SessionManager for Sessions {
    type Error = SessionFailure;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        let opening = OPENING.try_with(Arc::clone);
        let opening = opening.map_err(|_| SessionFailure::Refused)?;
        let limit = LARGEST_HELLO;
        if opening.body_bytes > limit {
            opening.refuse(Refusal::SessionTooLarge { limit });
            return Err(SessionFailure::Refused);
        }
        let (session, transport) = self.open.create_session().await?;
        if let Err(refusal) = self.admitted(&session, &opening).await {
            self.open.close_session(&session).await?;
            opening.refuse(refusal);
            return Err(SessionFailure::Refused);
        }
        Ok((session, transport))
    }

    async fn restore_session(
        &self,
        session: SessionId,
    ) -> Result<RestoreOutcome<Self::Transport>, Self::Error> {
        let opening = OPENING.try_with(Arc::clone);
        let opening = opening.map_err(|_| SessionFailure::Refused)?;
        let restored = self.open.restore_session(session.clone()).await?;
        if matches!(restored, RestoreOutcome::Restored(_))
            && let Err(refusal) = self.admitted(&session, &opening).await
        {
            self.open.close_session(&session).await?;
            opening.refuse(refusal);
            return Ok(RestoreOutcome::NotSupported);
        }
        Ok(restored)
    }

    async fn initialize_session(
        &self,
        session: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        Ok(self.open.initialize_session(session, message).await?)
    }

    async fn has_session(&self, session: &SessionId) -> Result<bool, Self::Error> {
        Ok(self.open.has_session(session).await?)
    }

    /// rmcp lets a handler go on for five seconds: what runs in the session is ended first.
    async fn close_session(&self, session: &SessionId) -> Result<(), Self::Error> {
        self.store.sessions.close(session).await;
        self.gives_back();
        Ok(self.open.close_session(session).await?)
    }

    async fn create_stream(
        &self,
        session: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        Ok(self.open.create_stream(session, message).await?)
    }

    async fn accept_message(
        &self,
        session: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<(), Self::Error> {
        Ok(self.open.accept_message(session, message).await?)
    }

    async fn create_standalone_stream(
        &self,
        session: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        Ok(self.open.create_standalone_stream(session).await?)
    }

    async fn resume(
        &self,
        session: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        Ok(self.open.resume(session, last_event_id).await?)
    }
}
