//! What the monitor answers a tool by itself, in the form of the API's own answers.

use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{
    HeaderMap, Response, StatusCode,
    body::Bytes,
    header::{CONTENT_TYPE, HeaderValue},
};
use serde_json::json;

use super::{budget::OverBudget, upstream::UpstreamError};

/// Why an answer ends before its end.
pub(super) type AnswerError = Box<dyn std::error::Error + Send + Sync>;
/// The body of an answer, the server's or ours.
pub(super) type AnswerBody = UnsyncBoxBody<Bytes, AnswerError>;

/// The answer to what is beyond a call's budget.
pub(super) fn exceeded(over: OverBudget) -> Response<AnswerBody> {
    let told = format!("this call is ended: {over}");
    status(StatusCode::FORBIDDEN, "Forbidden", &told)
}

/// An answer of ours, in the form of the API's own.
pub(super) fn status(code: StatusCode, reason: &str, told: &str) -> Response<AnswerBody> {
    let body = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": format!("kube-airlock: {told}"),
        "reason": reason,
        "code": code.as_u16(),
    });
    let body = Full::new(Bytes::from(body.to_string())).map_err(Into::into);
    let json = HeaderValue::from_static("application/json");
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, json)]);
    response(code, headers, UnsyncBoxBody::new(body))
}

/// An answer of these parts.
pub(super) fn response(
    code: StatusCode,
    headers: HeaderMap,
    body: AnswerBody,
) -> Response<AnswerBody> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    *response.headers_mut() = headers;
    response
}

/// Why the server does not answer, with the causes, which name no credential.
pub(super) fn unreachable(error: &UpstreamError) -> Response<AnswerBody> {
    let mut told = "the API server cannot be reached".to_owned();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        told.push_str(&format!(": {error}"));
        cause = error.source();
    }
    status(StatusCode::BAD_GATEWAY, "BadGateway", &told)
}

/// An answer of the server that ends before its end.
pub(super) fn broken_off(error: &(dyn std::error::Error + Send + Sync)) -> Response<AnswerBody> {
    status(
        StatusCode::BAD_GATEWAY,
        "BadGateway",
        &format!("the answer of the API server could not be read: {error}"),
    )
}
