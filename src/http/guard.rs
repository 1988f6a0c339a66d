//! Which `Host` and `Origin` may call: a web page that a user visits must not reach this server,
//! neither across origins nor by rebinding its own name to this address.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{
    body::{self, Share, Unread},
    connections,
    tools::refused,
};
use crate::{caller::Caller, gate::Headers, mcp};

/// Names under which this server is called, without ports.
#[derive(Clone, Debug)]
pub struct Hosts(Arc<Vec<String>>);

impl Hosts {
    /// The loopback names, and the operator's own.
    pub fn new(own: impl IntoIterator<Item = String>) -> Self {
        let loopback = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        Self(Arc::new(
            loopback
                .into_iter()
                .chain(own.into_iter().map(|host| host.to_ascii_lowercase()))
                .collect(),
        ))
    }

    /// The names.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    fn knows(&self, authority: &str) -> bool {
        !authority.contains('@')
            && authority.parse::<Authority>().is_ok_and(|authority| {
                self.0
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(authority.host()))
            })
    }

    /// Why a request may not pass.
    fn refusal(&self, headers: &HeaderMap, target: Option<&str>) -> Option<&'static str> {
        let text = |name| {
            headers
                .get(name)
                .map(|value: &HeaderValue| value.to_str().unwrap_or("?"))
        };
        for name in [
            header::HOST,
            header::ORIGIN,
            header::AUTHORIZATION,
            HeaderName::from_static("x-kubeconfig"),
        ] {
            if headers.get_all(name).iter().count() > 1 {
                return Some(
                    "the request has a Host, Origin, Authorization or X-Kubeconfig header twice",
                );
            }
        }
        // HTTP/2 has the authority in the target instead of a header.
        let host = text(header::HOST).or(target);
        if !host.is_some_and(|host| self.knows(host)) {
            return Some(
                "this server is not called by that Host; the operator adds names with `--allowed-host`",
            );
        }
        let origin = text(header::ORIGIN)?;
        let authority = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        if authority.is_some_and(|authority| self.knows(authority)) {
            None
        } else {
            Some("web pages of that Origin may not call this server")
        }
    }
}

/// Refuses other hosts and origins with 403.
pub async fn check(State(hosts): State<Hosts>, mut request: Request, next: Next) -> Response {
    // Whatever prints headers from here on does not print these.
    for name in Headers::SECRET {
        if let Some(credential) = request.headers_mut().get_mut(name) {
            credential.set_sensitive(true);
        }
    }
    let target = request
        .uri()
        .authority()
        .map(|authority| authority.as_str().to_owned());
    match hosts.refusal(request.headers(), target.as_deref()) {
        Some(reason) => (StatusCode::FORBIDDEN, reason).into_response(),
        // Here and not in a layer of its own: each costs every request a copy of the router.
        None if connections::is_past_the_bound(&request) => {
            connections::answer(request, next).await
        }
        None => next.run(request).await,
    }
}

/// What rmcp leaves to its host: a bound on sessions, on what opens one, on who uses one, and on
/// how long a body takes.
///
/// Clients that ask for JSON only, or for anything, get what the MCP specification asks them to
/// accept; rmcp would answer 406.
pub async fn mcp(
    State(sessions): State<mcp::Sessions>,
    Extension(caller): Extension<Caller>,
    Extension(share): Extension<Share>,
    request: Request,
    next: Next,
) -> Response {
    let session = |headers: &HeaderMap| {
        headers
            .get(SESSION)
            .and_then(|id| id.to_str().ok())
            .map(str::to_owned)
    };
    if session(request.headers()).is_some_and(|session| sessions.is_anothers(&session, &caller)) {
        return (
            StatusCode::NOT_FOUND,
            "there is no such session of this caller",
        )
            .into_response();
    }
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let opens_session = !request.headers().contains_key(SESSION)
        && !request.headers().contains_key("mcp-protocol-version");
    let (mut parts, body) = request.into_parts();
    let has_session = parts.headers.contains_key(SESSION);
    let (bytes, _held) = match body::read(&parts, body, share).await {
        Ok(read) => read,
        Err(Unread::BrokeOff | Unread::TooLarge) => {
            return (
                StatusCode::PAYLOAD_TOO_LARGE,
                "the body is too large, or broke off",
            )
                .into_response();
        }
        Err(Unread::Late) => {
            return (
                StatusCode::REQUEST_TIMEOUT,
                "the body did not arrive in time",
            )
                .into_response();
        }
        Err(unread @ Unread::TooMuchAtOnce) => return refused(unread.refusal()),
    };
    if opens_session {
        if bytes.len() > LARGEST_HELLO {
            return (
                StatusCode::PAYLOAD_TOO_LARGE,
                "a message that opens a session is small",
            )
                .into_response();
        }
        if sessions.count().await >= MOST_SESSIONS {
            return (
                StatusCode::SERVICE_UNAVAILABLE,
                [(header::RETRY_AFTER, "30")],
                "there are too many sessions; idle ones end after five minutes",
            )
                .into_response();
        }
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

/// Names a session, in its requests and in the answer that opens it.
const SESSION: &str = "mcp-session-id";

/// A session costs about 60 kB and what its first message said.
const MOST_SESSIONS: usize = 512;
/// The largest first message. Real clients' are under 2 KiB.
const LARGEST_HELLO: usize = 16 * 1024;
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_hosts_and_origins_pass() {
        let hosts = Hosts::new(["Airlock.example".to_owned()]);
        let passes = |host: &str, origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            hosts.refusal(&headers, None).is_none()
        };
        for (host, origin) in [
            ("127.0.0.1:9096", None),
            ("localhost", Some("http://localhost:3000")),
            ("[::1]:9096", None),
            ("airlock.example:443", Some("https://AIRLOCK.example")),
        ] {
            assert!(passes(host, origin), "{host} {origin:?}");
        }
        for (host, origin) in [
            ("evil.example", None),
            ("127.0.0.1.evil.example", None),
            ("localhost", Some("http://evil.example")),
            ("localhost", Some("null")),
            ("", None),
        ] {
            assert!(!passes(host, origin), "{host} {origin:?}");
        }
    }
}
