//! Which headers of a request go upstream, and which of an answer come back.
//!
//! Comes in: headers of a child or of an API server. Goes out: those of them that are known here.
//! May not add what identifies anybody. Held by `tests/service/monitor.rs` and
//! `tests/service/lies.rs`.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE,
        ETAG, LAST_MODIFIED, LOCATION, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
        SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE, VARY, WARNING,
    },
};

use crate::api::{ApiPath, ApiRequest};

/// Whether a request wants one of the streams that the API server has, and not another protocol
/// that would carry requests which nobody reads (`h2c`).
pub(super) fn wants_a_stream(headers: &HeaderMap) -> bool {
    let mut wanted = headers.get_all(UPGRADE).iter();
    let is_stream = |name: &HeaderValue| {
        let known = [&b"websocket"[..], b"SPDY/3.1"];
        known
            .iter()
            .any(|known| name.as_bytes().eq_ignore_ascii_case(known))
    };
    wanted.next().is_some_and(is_stream) && wanted.next().is_none()
}

pub(super) const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");
const KUBECTL_COMMAND: HeaderName = HeaderName::from_static("kubectl-command");
const KUBECTL_SESSION: HeaderName = HeaderName::from_static("kubectl-session");
const STREAM_PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");

/// Of a request. What identifies or impersonates anybody, and what names another sender, is not
/// among them; nor is what a connection says of itself.
pub(super) const PASSED: [HeaderName; 4] = [
    ACCEPT_ENCODING,
    CONTENT_TYPE,
    KUBECTL_COMMAND,
    KUBECTL_SESSION,
];
/// Of a request whose connection becomes a stream.
pub(super) const PASSED_OF_UPGRADE: [HeaderName; 6] = [
    UPGRADE,
    SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION,
    STREAM_PROTOCOL,
    KUBECTL_COMMAND,
    KUBECTL_SESSION,
];
/// Of an answer.
const ANSWERED: [HeaderName; 10] = [
    AUDIT_ID,
    CACHE_CONTROL,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    ETAG,
    LAST_MODIFIED,
    RETRY_AFTER,
    VARY,
    WARNING,
];
/// Of the answer that begins a stream.
pub(super) const ANSWERED_OF_UPGRADE: [HeaderName; 4] = [
    UPGRADE,
    SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_PROTOCOL,
    STREAM_PROTOCOL,
];

/// Those of these headers that have one of the names.
pub(super) fn only(headers: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    let mut passed = HeaderMap::new();
    for name in names {
        for value in headers.get_all(name) {
            passed.append(name, value.clone());
        }
    }
    passed
}

/// The elements of a list that a header holds (RFC 9110, section 5.6.1).
fn elements(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim)
}

/// The `Accept` of a request. Of an object, without what is not read here: protobuf and CBOR; every
/// client that offers one of them takes JSON too. Schemas are passed on in any form.
pub(super) fn accepted(
    request: &ApiRequest,
    sent: &HeaderMap,
) -> Option<(HeaderName, HeaderValue)> {
    let is_object = matches!(request.path, ApiPath::Resource(_));
    let is_read = |one: &&str| !(is_object && (one.contains("protobuf") || one.contains("cbor")));
    let kept: Vec<&str> = elements(sent, ACCEPT)
        .filter(is_read)
        .filter(|one| !one.is_empty())
        .collect();
    let accept = match kept.is_empty() {
        true => "application/json".to_owned(),
        false => kept.join(","),
    };
    HeaderValue::from_str(&accept)
        .ok()
        .map(|accept| (ACCEPT, accept))
}

/// The subprotocols of a WebSocket, without those that carry a token.
pub(super) fn protocols(sent: &HeaderMap) -> Option<(HeaderName, HeaderValue)> {
    let kept: Vec<&str> = elements(sent, SEC_WEBSOCKET_PROTOCOL)
        .filter(|one| !one.starts_with("base64url.bearer."))
        .collect();
    let joined = HeaderValue::from_str(&kept.join(", "))
        .ok()
        .filter(|_| !kept.is_empty());
    joined.map(|joined| (SEC_WEBSOCKET_PROTOCOL, joined))
}

/// What of an answer's headers is passed on; none for a redirect. The schemas' own redirect stays on
/// its path (`/openapi/v3/…?hash=`); client-go would follow any other with what it sends.
pub(super) fn answered(headers: &HeaderMap, request: &ApiRequest) -> Option<HeaderMap> {
    let mut passed = only(headers, &ANSWERED);
    if let Some(location) = headers.get(LOCATION) {
        let is_of_schemas = matches!(&request.path, ApiPath::Other(path) if path.starts_with("/openapi/v3/"))
            && location.as_bytes().starts_with(b"/openapi/v3/");
        if !is_of_schemas {
            // A created object's own place is told, too; nothing follows it.
            return request.writes().then_some(passed);
        }
        passed.insert(LOCATION, location.clone());
    }
    Some(passed)
}
