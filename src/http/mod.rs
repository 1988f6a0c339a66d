//! REST and the server around it. Wire formats only: a `Request` in, an `Outcome` out.
//!
//! May not decide anything about a command. What is refused becomes an answer in `reply.rs` alone.

#![forbid(unsafe_code)]

mod authentication;
mod body;
mod calls;
mod closable;
mod compat;
mod connections;
mod crowd;
mod guard;
mod health;
mod listen;
mod mcp;
mod openapi;
mod output;
mod probes;
mod reply;
mod stream;
mod tools;
mod wire;

use std::{io, net::TcpListener, sync::Arc, time::Duration};

use axum::{
    Router, middleware,
    routing::{delete, get, post},
};
use axum_server::Handle;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_swagger_ui::SwaggerUi;

pub use compat::{Compat, CompatTable};
pub use guard::Hosts;

use authentication::Entrance;
use body::LARGEST_BODY;
use connections::Connections;
use listen::server;

use crate::{
    gate::Gate,
    identity::{Authenticator, Door},
    mcp::service as mcp_service,
    store::Store,
};

/// How long calls that were cancelled at a stop have for their answers.
const LAST_ANSWERS: Duration = Duration::from_secs(3);

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
    /// Where `/metrics` and probes are served instead of, and beside, the doors.
    pub probes: Option<TcpListener>,
    /// Whether clients expect the answers of the original service.
    pub compat: Option<Compat>,
    /// How long running calls go on once the server stops; then they are cancelled, and their
    /// callers still get an answer.
    pub drain: Duration,
}

impl Doors {
    /// Serves every HTTP door on `listener` until `stop` is cancelled; then drains.
    ///
    /// # Errors
    /// When the socket fails.
    pub async fn serve(mut self, listener: TcpListener, stop: CancellationToken) -> io::Result<()> {
        let (gate, connections, drain) = (self.gate.clone(), self.connections, self.drain);
        let (handle, last) = (Handle::new(), Handle::new());
        let probes = self.probes.take();
        let has_metrics = probes.is_none();
        if let Some(listener) = probes {
            let router = probes::router(gate.clone(), self.metrics.clone());
            let serving = probes::serve(listener, catching_panics(router), last.clone());
            tokio::spawn(async {
                if let Err(error) = serving.await {
                    tracing::error!(%error, "/metrics is not served at its address any more");
                }
            });
        }
        let router = self.router(has_metrics, stop.child_token());
        let server = server(listener, handle.clone())?;
        tokio::spawn(async move {
            stop.cancelled().await;
            gate.begin_to_stop();
            handle.graceful_shutdown(Some(drain + LAST_ANSWERS));
            tokio::time::sleep(drain).await;
            gate.stop(LAST_ANSWERS).await;
        });
        let served = server.serve(Connections::new(router, connections)).await;
        // Until then it says that the server stops.
        last.shutdown();
        served
    }

    fn router(self, has_metrics: bool, stop: CancellationToken) -> Router {
        let Self {
            gate,
            metrics,
            hosts,
            authenticator,
            store,
            compat,
            ..
        } = self;
        let entrance = |door| Entrance {
            authenticator: authenticator.clone(),
            gate: gate.clone(),
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
            ))
            .layer(middleware::from_fn(wire::in_json_rpc));
        let mut call = post(tools::call);
        if compat.is_some() {
            call = call.layer(middleware::from_fn(compat::with_its_status));
        }
        let of_callers = Router::new()
            .route("/tools/status", get(health::tools))
            .route("/tools/{tool}", call)
            .route("/calls", get(calls::list))
            .route("/calls/{request_id}", delete(calls::cancel))
            .route("/calls/{request_id}/output", get(output::read))
            .route("/clusters", get(health::clusters))
            .method_not_allowed_fallback(reply::method_not_allowed)
            .layer(middleware::from_fn_with_state(
                entrance(Door::Rest),
                authentication::check,
            ));
        let mut router = Router::new()
            .merge(of_callers)
            .merge(probes::probes(compat))
            .with_state(gate.clone());
        if has_metrics {
            router = router.route("/metrics", probes::metrics(gate, metrics));
        }
        let router = router
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
