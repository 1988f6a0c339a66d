//! What rmcp leaves to the host of its service at `/mcp`: a bound on sessions, on what opens one,
//! on who uses one, and on how long a body takes.

use std::sync::Arc;

use axum::{
    Extension, Json,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use serde::de::IgnoredAny;

use super::{body, connections::Connection, reply::refused};
use crate::{identity::Caller, mcp::Sessions, refusal::Refusal, store::Owner};

/// Serves a request of MCP; its session has to be its caller's, and so will be the one that it
/// opens.
///
/// Clients that ask for JSON only, or for anything, get what the MCP specification asks them to
/// accept; rmcp would answer 406.
pub async fn check(
    State(sessions): State<Arc<Sessions>>,
    Extension(caller): Extension<Caller>,
    Extension(connection): Extension<Connection>,
    request: Request,
    next: Next,
) -> Response {
    let is_end = request.method() == Method::DELETE;
    let session = request.headers().get(SESSION);
    if let Some(session) = session.and_then(|session| session.to_str().ok()) {
        match sessions.used(session, &caller).await {
            Owner::Asker => {}
            Owner::Nobody if !is_end => {}
            Owner::Another | Owner::Nobody => return refused(Refusal::UnknownSession),
        }
    }
    if is_end {
        return ended(next.run(request).await);
    }
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let (bytes, _held) = match body::read(&parts, body, connection.share, &caller).await {
        Ok(read) => read,
        Err(unread) => return refused(unread.refusal()),
    };
    if let Some(error) = no_message(&bytes) {
        return error;
    }
    parts.headers.insert(
        header::ACCEPT,
        HeaderValue::from_static("application/json, text/event-stream"),
    );
    let length = bytes.len();
    let served = next.run(Request::from_parts(parts, Body::from(bytes)));
    let answer = sessions.opening(caller, length, served).await;
    answer.unwrap_or_else(refused)
}

/// A session that has ended has ended; rmcp would say that it will, of which clients complain.
fn ended(response: Response) -> Response {
    match response.status() {
        StatusCode::ACCEPTED => StatusCode::NO_CONTENT.into_response(),
        _ => response,
    }
}

/// The answer to a body that is no message, as JSON-RPC has it: rmcp would say that its type is not
/// supported.
fn no_message(bytes: &[u8]) -> Option<Response> {
    let (code, message) = if serde_json::from_slice::<IgnoredAny>(bytes).is_err() {
        (-32700, "Parse error: the body is no JSON")
    } else if bytes.trim_ascii_start().starts_with(b"{") {
        return None;
    } else {
        (
            -32600,
            "Invalid Request: the body is one JSON-RPC message, and no batch",
        )
    };
    let error = serde_json::json!({
        "jsonrpc": "2.0", "id": null, "error": { "code": code, "message": message },
    });
    Some((StatusCode::BAD_REQUEST, Json(error)).into_response())
}

/// Names a session, in its requests and in the answer that opens it.
const SESSION: &str = "mcp-session-id";
