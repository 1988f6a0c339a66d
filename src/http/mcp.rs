//! What rmcp leaves to the host of its service at `/mcp`: a bound on sessions, on what opens one,
//! on who uses one, and on how long a body takes. What its answers look like is `wire.rs`.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use futures_util::StreamExt as _;

use super::{
    body,
    connections::{Connection, until_sent},
    reply::refused,
    wire::{self, Message, MessageId, as_json, without_priming},
};
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
    let (session, protocol) = (
        named(request.headers(), SESSION),
        named(request.headers(), PROTOCOL),
    );
    if let Some(session) = &session {
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
        let is_plain = !wire::knows_priming(None, request.headers());
        let locked = sessions.locked(&caller);
        let served = next.run(request);
        let answer = sessions.opening(caller, 0, protocol, served).await;
        let answer = until(locked, answer.unwrap_or_else(refused));
        return if is_plain {
            without_priming(answer)
        } else {
            answer
        };
    }
    let json_only = wire::reads_json_only(request.headers());
    let (mut parts, body) = request.into_parts();
    let (bytes, _held) = match body::read(&parts, body, connection.share, &caller).await {
        Ok(read) => read,
        Err(unread) => return refused(unread.refusal()),
    };
    let message = match Message::read(&bytes) {
        Ok(message) => message,
        Err(answer) => return *answer,
    };
    let is_plain = !wire::knows_priming(Some(&message), &parts.headers);
    let under_way = match (&session, &message.id) {
        (Some(session), Some(id)) => match sessions.begin(session, &id.to_string()) {
            Some(under_way) => Some(under_way),
            None => return wire::id_in_use(id.clone()),
        },
        _ => None,
    };
    parts.headers.insert(
        header::ACCEPT,
        HeaderValue::from_static("application/json, text/event-stream"),
    );
    let length = bytes.len();
    let served = next.run(Request::from_parts(parts, Body::from(bytes)));
    let answer = sessions.opening(caller, length, protocol, served).await;
    let answer = answer.unwrap_or_else(|refusal| {
        let mut answer = refused(refusal);
        let id = message.id.unwrap_or_default();
        answer.extensions_mut().insert(MessageId(id));
        answer
    });
    if json_only {
        return as_json(answer).await;
    }
    until_sent(
        if is_plain {
            without_priming(answer)
        } else {
            answer
        },
        under_way,
    )
}

/// The value of a header.
fn named(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// An answer that ends with this, too: a stream of a session has no other end that a lock brings.
fn until(end: impl Future<Output = ()> + Send + 'static, response: Response) -> Response {
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(Box::pin(end))))
}

/// A session that has ended has ended; rmcp would say that it will, of which clients complain.
fn ended(response: Response) -> Response {
    match response.status() {
        StatusCode::ACCEPTED => StatusCode::NO_CONTENT.into_response(),
        _ => response,
    }
}

/// Names a session, in its requests and in the answer that opens it.
const SESSION: &str = "mcp-session-id";
/// Names the protocol that a session was opened in.
const PROTOCOL: &str = "mcp-protocol-version";
