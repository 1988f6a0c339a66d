//! What rmcp leaves to the host of its service at `/mcp`: a bound on sessions, on what opens one,
//! on who uses one, and on how long a body takes.

use axum::{
    Extension, Json,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use serde::de::IgnoredAny;

use super::{body, connections::Connection, reply::refused};
use crate::{identity::Caller, mcp::Sessions, refusal::Refusal};

/// What rmcp leaves to its host: a bound on sessions, on what opens one, on who uses one, and on
/// how long a body takes.
///
/// Clients that ask for JSON only, or for anything, get what the MCP specification asks them to
/// accept; rmcp would answer 406.
pub async fn check(
    State(sessions): State<Sessions>,
    Extension(caller): Extension<Caller>,
    Extension(connection): Extension<Connection>,
    request: Request,
    next: Next,
) -> Response {
    let session = |headers: &HeaderMap| {
        headers
            .get(SESSION)
            .and_then(|id| id.to_str().ok())
            .map(str::to_owned)
    };
    if let Some(session) = session(request.headers())
        && sessions.is_anothers(&session, &caller).await
    {
        return refused(Refusal::UnknownSession);
    }
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let opens_session = !request.headers().contains_key(SESSION)
        && !request.headers().contains_key("mcp-protocol-version");
    let (mut parts, body) = request.into_parts();
    let has_session = parts.headers.contains_key(SESSION);
    let (bytes, _held) = match body::read(&parts, body, connection.share).await {
        Ok(read) => read,
        Err(unread) => return refused(unread.refusal()),
    };
    if opens_session {
        if bytes.len() > LARGEST_HELLO {
            return refused(Refusal::SessionTooLarge {
                limit: LARGEST_HELLO,
            });
        }
        if sessions.count().await >= MOST_SESSIONS {
            return refused(Refusal::TooManySessions);
        }
    }
    if let Some(error) = no_message(&bytes) {
        return error;
    }
    parts.headers.insert(
        header::ACCEPT,
        HeaderValue::from_static("application/json, text/event-stream"),
    );
    let response = next
        .run(Request::from_parts(parts, Body::from(bytes)))
        .await;
    if let Some(session) = session(response.headers()).filter(|_| !has_session) {
        sessions.opened(&session, &caller).await;
    }
    response
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

/// A session costs about 60 kB and what its first message said.
const MOST_SESSIONS: usize = 512;
/// The largest first message. Real clients' are under 2 KiB.
const LARGEST_HELLO: usize = 16 * 1024;
