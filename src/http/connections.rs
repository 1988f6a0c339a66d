//! How many connections there are at once: each is a descriptor, up to 512 KiB of a head that it
//! sends, and its share of what requests hold.
//!
//! Held by `a_connection_past_the_bound_is_told_so_and_health_is_told_all_the_same`
//! (`tests/service/faults.rs`).

use std::{
    future::{Ready, ready},
    io,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    extract::Request,
    http::{HeaderValue, header},
    middleware::Next,
    response::Response,
};
use axum_server::accept::Accept;
use nix::sys::socket::{setsockopt, sockopt::TcpUserTimeout};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tower::Service;

use super::{
    body::{Share, SharedBytes},
    reply::refused,
};
use crate::refusal::Refusal;

/// A client that takes nothing of its answer for so long is gone. The kernel counts, also while the
/// client acknowledges and has no room (tcp(7), TCP_USER_TIMEOUT).
const TAKEN_WITHIN: Duration = Duration::from_secs(30);

/// Gives each connection a service, up to a bound. Past it some are answered with 503, and probes
/// of health as ever; the others are closed as they come.
#[derive(Debug)]
pub(super) struct Connections<S> {
    service: S,
    held: SharedBytes,
    served: Arc<Semaphore>,
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
    is_past_the_bound: bool,
}

/// The service of one connection, which has its place until the last clone is dropped.
#[derive(Clone, Debug)]
pub(super) struct Placed<S> {
    service: S,
    connection: Connection,
    _place: Arc<OwnedSemaphorePermit>,
}

impl<S: Clone> Connections<S> {
    /// Serves `most` at once.
    pub(super) fn new(service: S, most: usize) -> Self {
        let turned_away = Arc::new(Semaphore::new((most / 16).max(16)));
        Self {
            service,
            held: SharedBytes::default(),
            served: Arc::new(Semaphore::new(most)),
            turned_away,
        }
    }

    fn place(&self, peer: SocketAddr) -> io::Result<Placed<S>> {
        let placed = |place, is_past_the_bound| Placed {
            service: self.service.clone(),
            connection: Connection {
                peer,
                share: self.held.share(),
                is_past_the_bound,
            },
            _place: Arc::new(place),
        };
        if let Ok(place) = Arc::clone(&self.served).try_acquire_owned() {
            return Ok(placed(place, false));
        }
        let place = Arc::clone(&self.turned_away).try_acquire_owned();
        place
            .map(|place| placed(place, true))
            .map_err(|_| io::Error::other("there are too many connections"))
    }
}

/// The server calls this before it makes a task for the connection, so that those past the bound
/// cost nothing.
impl<S: Clone> Service<SocketAddr> for Connections<S> {
    type Response = Placed<S>;
    type Error = io::Error;
    type Future = Ready<io::Result<Placed<S>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, peer: SocketAddr) -> Self::Future {
        ready(self.place(peer))
    }
}

impl<S> Accept<TcpStream, S> for Prepare {
    type Stream = TcpStream;
    type Service = S;
    type Future = Ready<io::Result<(TcpStream, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let milliseconds = u32::try_from(TAKEN_WITHIN.as_millis()).unwrap_or(u32::MAX);
        let prepared = stream
            .set_nodelay(true)
            .and_then(|()| Ok(setsockopt(&stream, TcpUserTimeout, &milliseconds)?));
        ready(prepared.map(|()| (stream, service)))
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

/// Reports whether the request's connection is one past the bound.
pub(super) fn is_past_the_bound(request: &Request) -> bool {
    request
        .extensions()
        .get::<Connection>()
        .is_some_and(|connection| connection.is_past_the_bound)
}

/// Answers a request of such a connection with 503, and closes it. Probes
/// of health get their answer all the same: a crowd is no reason to restart a server.
pub(super) async fn answer(request: Request, next: Next) -> Response {
    let is_probe = matches!(request.uri().path(), "/health" | "/ready" | "/metrics");
    let mut response = if is_probe {
        next.run(request).await
    } else {
        refused(Refusal::TooManyConnections)
    };
    response
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
