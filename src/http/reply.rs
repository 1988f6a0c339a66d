//! The only place where an outcome or a refusal becomes an HTTP answer.
//!
//! Comes in: what a call came to, or why a request never became one. Goes out: the object that
//! every door renders, with the status of its code; a refusal is counted, and a fault logged under
//! the request id that its caller gets. May not decide anything. Not in this shape are what hyper
//! answers before a request is one (400 and 431, without a body), what is no JSON-RPC message
//! (`wire.rs`), and what rmcp answers of MCP's own rules.
//!
//! Held by `a_refusal_has_the_same_shape_wherever_it_comes_from` (`tests/service/doors.rs`).

use std::{any::Any, io, sync::Arc};

use axum::{
    Json,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt as _, Collected};
use serde_json::{Map, Value};

use crate::{
    gate::Outcome,
    metrics,
    refusal::{Code, Refusal},
};

/// Answers a request whose path is not one of this server's.
pub(super) async fn not_found() -> Response {
    refused(Refusal::NotFound)
}

/// Answers a request whose method is not one of its path's; the router adds `Allow`.
pub(super) async fn method_not_allowed() -> Response {
    refused(Refusal::MethodNotAllowed)
}

/// Answers a request that ended in a panic, of which the panic hook has printed the place.
pub(super) fn panicked(_: Box<dyn Any + Send>) -> Response {
    refused(Refusal::Fault {
        what: "the call ended in a fault of this server",
        source: io::Error::other("a panic; standard error has its place"),
    })
}

/// Answers a request that never reached the gate.
pub(super) fn refused(refusal: Refusal) -> Response {
    metrics::refusal(refusal.code());
    let outcome = Outcome::refused(refusal);
    if let Some(Refusal::Fault { what, source }) = &outcome.refusal {
        tracing::error!(request_id = outcome.request_id, error = %source, "{what}");
    }
    let mut response = rendered(&outcome);
    let answer = RefusedAnswer(Arc::new(outcome));
    response.extensions_mut().insert(answer);
    response
}

/// What a refusal's answer says, for a door that words it otherwise.
#[derive(Clone)]
pub(super) struct RefusedAnswer(pub(super) Arc<Outcome>);

/// Marks a refusal's answer, as long as it has this server's own shape.
#[derive(Clone, Copy)]
pub(super) struct IsRefusal;

/// Whether a client asks for refusals as problems (RFC 9457).
pub(super) fn reads_problems(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    let accepted = accepted.filter_map(|value| value.to_str().ok());
    let mut ranges = accepted.flat_map(|value| value.split(','));
    ranges.any(|range| range.split(';').next().unwrap_or_default().trim() == PROBLEM)
}

const PROBLEM: &str = "application/problem+json";

/// Returns a refusal as a problem with all members that it has otherwise; any other answer as it
/// is. The type is `about:blank`: the stable name of a refusal is its `code`.
pub(super) async fn as_problem(response: Response) -> Response {
    if response.extensions().get::<IsRefusal>().is_none() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let read = body
        .collect()
        .await
        .map(Collected::to_bytes)
        .unwrap_or_default();
    let mut problem: Map<String, Value> = serde_json::from_slice(&read).unwrap_or_default();
    let detail = problem.get("reason").cloned();
    problem.insert("type".into(), "about:blank".into());
    problem.insert(
        "title".into(),
        parts.status.canonical_reason().unwrap_or("Refused").into(),
    );
    problem.insert("status".into(), parts.status.as_u16().into());
    problem.insert("detail".into(), detail.unwrap_or_default());
    parts.headers.remove(header::CONTENT_LENGTH);
    let kind = HeaderValue::from_static(PROBLEM);
    parts.headers.insert(header::CONTENT_TYPE, kind);
    Response::from_parts(parts, Value::Object(problem).to_string().into())
}

/// Answers with what a call came to.
pub(super) fn rendered(outcome: &Outcome) -> Response {
    let refusal = outcome.refusal.as_ref();
    let status = refusal.map_or(StatusCode::OK, |refusal| status(refusal.code()));
    let mut response = (status, Json(outcome.body())).into_response();
    if refusal.is_some() {
        response.extensions_mut().insert(IsRefusal);
    }
    let headers = response.headers_mut();
    if let Some(seconds) = refusal.and_then(Refusal::retry_after) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// Returns the status of a code: the only table of both.
pub(super) fn status(code: Code) -> StatusCode {
    match code {
        Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        Code::ConfirmationRequired
        | Code::EgressDenied
        | Code::EndedByOperator
        | Code::ForbiddenHost
        | Code::ApiDenied
        | Code::PolicyDenied
        | Code::PrincipalLocked => StatusCode::FORBIDDEN,
        // Asked again, it ends in the same way.
        Code::BudgetExceeded
        | Code::InvalidCommand
        | Code::InvalidData
        | Code::InvalidKubeconfig
        | Code::InvalidManifest
        | Code::OutOfMemory
        | Code::TooMuchOutput => StatusCode::UNPROCESSABLE_ENTITY,
        Code::InvalidRequest => StatusCode::BAD_REQUEST,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::Overloaded | Code::SandboxUnavailable | Code::ToolUnavailable => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Code::DataTooLarge | Code::RequestTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Code::NotFound | Code::UnknownCall | Code::UnknownTool => StatusCode::NOT_FOUND,
    }
}
