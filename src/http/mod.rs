//! REST and the server around it. Wire formats only: a `Request` in, an `Outcome` out.
//!
//! May not decide anything about a command. What is refused becomes an answer in `reply.rs` alone.

#![forbid(unsafe_code)]

mod authentication;
mod body;
mod calls;
mod closable;
mod connections;
mod crowd;
mod guard;
mod health;
mod mcp;
mod openapi;
mod reply;
mod stream;
mod tools;

use std::{io, net::TcpListener, sync::Arc, time::Duration};

use axum::{
    Router,
    http::header,
    middleware,
    routing::{delete, get, post},
};
use axum_server::Handle;
use hyper_util::rt::TokioTimer;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_swagger_ui::SwaggerUi;

pub use guard::Hosts;

use authentication::Entrance;
use body::LARGEST_BODY;
use connections::Connections;

use crate::{
    gate::Gate,
    identity::{Authenticator, Door},
    mcp::service as mcp_service,
    store::Store,
};

/// The largest header block, in bytes: a kubeconfig stands in one header. The defaults of HTTP/2
/// implementations (16 KiB) would refuse it.
const LARGEST_HEADERS: usize = 512 * 1024;
/// A client that does not send its headers within this is not one.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// How long connections may go on after the server was asked to stop.
const DRAIN: Duration = Duration::from_secs(10);
/// How long running calls may; then they are cancelled, and their callers still get an answer.
const DRAIN_CALLS: Duration = Duration::from_secs(7);

/// What the HTTP doors lead to, and who may come through them.
pub struct Doors {
    /// The gate behind them.
    pub gate: Gate,
    /// What `/metrics` renders.
    pub metrics: PrometheusHandle,
    /// Names under which this server is called.
    pub hosts: Hosts,
    /// Knows the callers.
    pub authenticator: Authenticator,
    /// Rates of callers, and sessions.
    pub store: Arc<Store>,
    /// Connections that are served at once.
    pub connections: usize,
}

impl Doors {
    /// Serves every HTTP door on `listener` until `stop` is cancelled; then drains.
    ///
    /// # Errors
    /// When the socket fails.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> io::Result<()> {
        let (gate, connections) = (self.gate.clone(), self.connections);
        let handle = Handle::new();
        let router = self.router(stop.child_token());
        let server = axum_server::from_tcp(listener)?
            .acceptor(connections::Prepare)
            .handle(handle.clone());
        // A connection that never says a word is no client either.
        let mut server = server.first_request_timeout(HEADERS_WITHIN);
        server
            .http_builder()
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS_WITHIN)
            .max_buf_size(LARGEST_HEADERS);
        server
            .http_builder()
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(LARGEST_HEADERS).unwrap_or(u32::MAX))
            .max_concurrent_streams(64)
            .keep_alive_interval(Duration::from_secs(20));
        tokio::spawn(async move {
            stop.cancelled().await;
            handle.graceful_shutdown(Some(DRAIN));
            tokio::time::sleep(DRAIN_CALLS).await;
            gate.stop(DRAIN - DRAIN_CALLS).await;
        });
        server.serve(Connections::new(router, connections)).await
    }

    fn router(self, stop: CancellationToken) -> Router {
        let Self {
            gate,
            metrics,
            hosts,
            authenticator,
            store,
            ..
        } = self;
        let entrance = |door| Entrance {
            authenticator: authenticator.clone(),
            store: Arc::clone(&store),
            door,
        };
        let (mcp, sessions) = mcp_service(
            gate.clone(),
            Arc::clone(&store),
            hosts.names(),
            LARGEST_BODY,
            stop,
        );
        // `route_service`, not a nested one: paths below /mcp are probes for metadata that does not
        // exist.
        let mcp = Router::new()
            .route_service("/mcp", mcp.clone())
            .route_service("/mcp/", mcp)
            .layer(middleware::from_fn_with_state(sessions, mcp::check))
            .layer(middleware::from_fn_with_state(
                entrance(Door::Mcp),
                authentication::check,
            ));
        let of_callers = Router::new()
            .route("/tools/status", get(health::tools))
            .route("/tools/{tool}", post(tools::call))
            .route("/calls", get(calls::list))
            .route("/calls/{request_id}", delete(calls::cancel))
            .route("/clusters", get(health::clusters))
            .method_not_allowed_fallback(reply::method_not_allowed)
            .layer(middleware::from_fn_with_state(
                entrance(Door::Rest),
                authentication::check,
            ));
        let router = Router::new()
            .merge(of_callers)
            .route("/health", get(health::health))
            .route("/ready", get(health::ready))
            .with_state(gate)
            .route(
                "/metrics",
                get(move || async move {
                    (
                        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
                        metrics.render(),
                    )
                }),
            )
            .merge(SwaggerUi::new("/docs").url("/openapi.json", openapi::document()))
            .merge(mcp)
            .method_not_allowed_fallback(reply::method_not_allowed)
            .fallback(reply::not_found)
            .layer(middleware::from_fn_with_state(hosts, guard::check));
        catching_panics(router)
    }
}

/// A panic ends its request, and no other.
fn catching_panics(router: Router) -> Router {
    router.layer(CatchPanicLayer::custom(reply::panicked))
}

#[cfg(test)]
mod tests {
    use axum::{
        body::Body,
        http::{Request, StatusCode},
    };
    use tower::Service;

    use super::*;

    #[tokio::test]
    async fn a_panic_in_a_handler_ends_its_request_and_no_other() {
        async fn panics() {
            panic!("a fault of ours");
        }
        let mut router = catching_panics(
            Router::new()
                .route("/panics", get(panics))
                .route("/works", get(|| async { "ok" })),
        );
        for (path, status) in [
            ("/panics", StatusCode::INTERNAL_SERVER_ERROR),
            ("/works", StatusCode::OK),
        ] {
            let request = Request::get(path).body(Body::empty()).unwrap();
            assert_eq!(
                router.call(request).await.unwrap().status(),
                status,
                "{path}"
            );
        }
    }
}
