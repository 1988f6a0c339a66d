//! How many connections there are at once: each is a descriptor, up to 512 KiB of a head that it
//! sends, and its share of what requests hold.
//!
//! Held by `a_connection_past_the_bound_is_told_so_and_health_is_told_all_the_same`
//! (`tests/service/faults.rs`) and `tests/service/fairness.rs`.

use std::{
    future::{Ready, ready},
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, HttpBody as _},
    extract::Request,
    http::{HeaderValue, Method, header},
    middleware::Next,
    response::Response,
};
use axum_server::accept::Accept;
use futures_util::StreamExt as _;
use nix::sys::socket::{setsockopt, sockopt::TcpUserTimeout};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::{
    body::{Share, SharedBytes},
    closable::Closable,
    crowd::{Crowd, Member, RequestShare, UnderWay, beyond},
    reply::refused,
};
use crate::{identity::Caller, refusal::Refusal};

/// A client that takes nothing of its answer for so long is gone. The kernel counts, also while the
/// client acknowledges and has no room (tcp(7), TCP_USER_TIMEOUT).
const TAKEN_WITHIN: Duration = Duration::from_secs(30);

/// Gives each connection a service, up to a bound. Past it an idle one leaves for the next; where
/// none is idle some are answered with 503, and probes of health as ever; the others are closed as
/// they come.
#[derive(Clone, Debug)]
pub(super) struct Connections<S> {
    service: S,
    held: SharedBytes,
    served: Crowd,
    turned_away: Arc<Semaphore>,
}

/// Prepares a connection's socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prepare;

/// What every request knows of its connection.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    /// The address that it came from.
    pub(super) peer: SocketAddr,
    /// What its requests may hold.
    pub(super) share: Share,
    place: ConnectionPlace,
}

/// What a connection has until its last clone is dropped.
#[derive(Clone, Debug)]
enum ConnectionPlace {
    Served(Arc<Member>),
    PastTheBound {
        _turned_away: Arc<OwnedSemaphorePermit>,
    },
}

/// The service of one connection.
#[derive(Clone, Debug)]
pub(super) struct Placed<S> {
    service: S,
    connection: Connection,
}

impl<S: Clone> Connections<S> {
    /// Serves `most` at once.
    pub(super) fn new(service: S, most: usize) -> Self {
        let turned_away = Arc::new(Semaphore::new(beyond(most)));
        Self {
            service,
            held: SharedBytes::default(),
            served: Crowd::new(most),
            turned_away,
        }
    }

    async fn place(self, peer: SocketAddr) -> io::Result<Placed<S>> {
        let place = match self.served.join().await {
            Some(member) => ConnectionPlace::Served(Arc::new(member)),
            None => {
                let turned_away = self.turned_away.try_acquire_owned();
                let turned_away =
                    turned_away.map_err(|_| io::Error::other("there are too many connections"))?;
                ConnectionPlace::PastTheBound {
                    _turned_away: Arc::new(turned_away),
                }
            }
        };
        Ok(Placed {
            service: self.service,
            connection: Connection {
                peer,
                share: self.held.share(),
                place,
            },
        })
    }
}

/// The server calls this before it makes a task for the connection, so that those past the bound
/// cost nothing.
impl<S: Clone + Send + 'static> Service<SocketAddr> for Connections<S> {
    type Response = Placed<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Placed<S>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, peer: SocketAddr) -> Self::Future {
        Box::pin(self.clone().place(peer))
    }
}

impl<S> Accept<TcpStream, Placed<S>> for Prepare {
    type Stream = Closable;
    type Service = Placed<S>;
    type Future = Ready<io::Result<(Closable, Placed<S>)>>;

    fn accept(&self, stream: TcpStream, service: Placed<S>) -> Self::Future {
        let milliseconds = u32::try_from(TAKEN_WITHIN.as_millis()).unwrap_or(u32::MAX);
        let prepared = stream
            .set_nodelay(true)
            .and_then(|()| Ok(setsockopt(&stream, TcpUserTimeout, &milliseconds)?));
        ready(prepared.map(|()| {
            let close = service.connection.close();
            (Closable::new(stream, close), service)
        }))
    }
}

impl<S: Service<http::Request<B>>, B> Service<http::Request<B>> for Placed<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        request.extensions_mut().insert(self.connection.clone());
        self.service.call(request)
    }
}

impl Connection {
    /// Counts a request of a known caller, whose the connection is from now on.
    ///
    /// # Errors
    /// [`Refusal::TooManyRequests`] when the caller has as many under way as it leaves to others.
    pub(super) fn request_of(&self, caller: &Caller) -> Result<Option<RequestShare>, Refusal> {
        match &self.place {
            ConnectionPlace::Served(member) => member
                .request_of(caller)
                .map_err(|own| Refusal::TooManyRequests { own }),
            ConnectionPlace::PastTheBound { .. } => Ok(None),
        }
    }

    /// Ends the connection once it is cancelled and nothing is under way.
    fn close(&self) -> CancellationToken {
        match &self.place {
            ConnectionPlace::Served(member) => member.close.clone(),
            ConnectionPlace::PastTheBound { .. } => CancellationToken::new(),
        }
    }
}

/// Counts a request on its connection.
pub(super) fn begin(request: &Request) -> Option<UnderWay> {
    match &request.extensions().get::<Connection>()?.place {
        ConnectionPlace::Served(member) => Some(member.begin()),
        ConnectionPlace::PastTheBound { .. } => None,
    }
}

/// Keeps what a request has until its answer is sent. One that is in memory as a whole is as good
/// as sent.
pub(super) fn until_sent<T: Send + 'static>(response: Response, has: T) -> Response {
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    response.map(|body| {
        Body::from_stream(body.into_data_stream().inspect(move |_| {
            let _has = &has;
        }))
    })
}

/// Reports whether the request's connection is one past the bound.
pub(super) fn is_past_the_bound(request: &Request) -> bool {
    request
        .extensions()
        .get::<Connection>()
        .is_some_and(|connection| matches!(connection.place, ConnectionPlace::PastTheBound { .. }))
}

/// Reports whether the request is one of a probe or a scraper: it reads the server's state.
pub(super) fn is_probe(request: &Request) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
        && matches!(request.uri().path(), "/health" | "/ready" | "/metrics")
}

/// Answers a request of such a connection with 503, and closes it. Probes
/// of health get their answer all the same: a crowd is no reason to restart a server.
pub(super) async fn answer(request: Request, next: Next) -> Response {
    let mut response = if is_probe(&request) {
        next.run(request).await
    } else {
        refused(Refusal::TooManyConnections)
    };
    close_after(&mut response);
    response
}

/// Has a connection of HTTP/1.1 closed behind an answer.
pub(super) fn close_after(response: &mut Response) {
    response
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
}
