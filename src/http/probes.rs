//! `/metrics`, `/health` and `/ready` at an address of their own: [`serve`].
//!
//! Whoever may scrape need not be let in where calls are taken. Nobody is asked who he is, and no
//! `Host` is looked at; nothing here takes a call.
//!
//! Held by `metrics_have_an_address_of_their_own_where_no_call_is_taken`
//! (`tests/operation/scrape.rs`).

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use axum::{
    Router,
    http::header,
    routing::{MethodRouter, get},
};
use axum_server::Handle;
use metrics_exporter_prometheus::PrometheusHandle;

use super::{compat::Compat, connections::Connections, health, listen::server, reply};
use crate::gate::Gate;

/// Connections of scrapers and probes at once.
const CONNECTIONS: usize = 64;

/// Answers with what was measured, and with the state as it is now.
pub(super) fn metrics<S: Clone + Send + Sync + 'static>(
    gate: Gate,
    metrics: PrometheusHandle,
) -> MethodRouter<S> {
    get(move || async move {
        gate.measure_state();
        (
            [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
            metrics.render(),
        )
    })
}

/// Routes the two probes.
pub(super) fn probes(compat: Option<Compat>) -> Router<Gate> {
    Router::new()
        .route("/health", get(move || health::health(compat)))
        .route("/ready", get(health::ready))
}

/// Routes what scrapers and probes read, and nothing else.
pub(super) fn router(gate: Gate, rendered: PrometheusHandle) -> Router {
    probes(None)
        .with_state(gate.clone())
        .route("/metrics", metrics(gate, rendered))
        .method_not_allowed_fallback(reply::method_not_allowed)
        .fallback(reply::not_found)
}

/// Serves `router` until the handle ends it.
///
/// # Errors
/// When the socket fails.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    handle: Handle<SocketAddr>,
) -> io::Result<()> {
    server(listener, handle)?
        .serve(Connections::new(router, CONNECTIONS))
        .await
}
