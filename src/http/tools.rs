//! `POST /tools/{tool}`.

use axum::{
    Extension, Json,
    body::Body as HttpBody,
    extract::{Path, Request as HttpRequest, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};

use super::{
    body::{self, Held, Share, Unread},
    stream::{self, Format},
};
use crate::{
    caller::Caller,
    excerpt::Excerpt,
    gate::{Arguments, Gate, Headers, Outcome},
    metrics,
    refusal::{Code, Refusal},
    tool::Tool,
};

/// Runs one command.
pub async fn call(
    State(gate): State<Gate>,
    Path(tool): Path<String>,
    Extension(caller): Extension<Caller>,
    Extension(share): Extension<Share>,
    request: HttpRequest,
) -> Response {
    let tool: Tool = match tool.parse() {
        Ok(tool) => tool,
        Err(()) => return refused(Refusal::UnknownTool(Excerpt::new(&tool))),
    };
    let (parts, body) = request.into_parts();
    let (arguments, _held) = match read(&parts, body, share).await {
        Ok(read) => read,
        Err(refusal) => return refused(refusal),
    };
    let request = arguments.request(tool, Headers::read(&parts.headers));
    match Format::asked(&parts.headers) {
        None => rendered(&gate.run(caller, request, None).await),
        Some(format) => stream::told(gate, caller, request, format).await,
    }
}

async fn read(parts: &Parts, body: HttpBody, share: Share) -> Result<(Arguments, Held), Refusal> {
    // Asking for this type makes a browser ask first, and there is nobody who answers it.
    let content_type = parts
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if content_type.split(';').next().map(str::trim) != Some("application/json") {
        return Err(no_request("the Content-Type is not application/json"));
    }
    let (bytes, held) = body::read(parts, body, share)
        .await
        .map_err(Unread::refusal)?;
    // serde would take an array for the fields in order.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(no_request("the body is no JSON object"));
    }
    // serde_json's messages name fields and places, and quote no value of ours to hide.
    let arguments = serde_json::from_slice(&bytes);
    Ok((
        arguments.map_err(|error| {
            no_request(&format!(
                "the body is not a request: {}",
                without_values(&error)
            ))
        })?,
        held,
    ))
}

/// What is sent is no call.
pub(super) fn no_request(reason: &str) -> Refusal {
    let hint =
        r#"send JSON like {"command": "get pods -n default"} with Content-Type: application/json"#;
    Refusal::Request {
        reason: reason.to_owned(),
        hint: hint.to_owned(),
    }
}

/// serde's sentence, but never the caller's text: a value may be a kubeconfig.
fn without_values(error: &serde_json::Error) -> String {
    let place = format!("line {} column {}", error.line(), error.column());
    match error.classify() {
        serde_json::error::Category::Data => Arguments::wrong_field(error)
            .unwrap_or_else(|| format!("a field has the wrong type, at {place}")),
        _ => format!("it is no JSON, at {place}"),
    }
}

/// Any other path.
pub async fn not_found() -> Response {
    let refusal = Refusal::Request {
        reason: "there is nothing at this path".into(),
        hint: "POST /tools/kubectl runs a command; /docs describes the rest".into(),
    };
    with_status(StatusCode::NOT_FOUND, refusal)
}

/// Any other method.
pub async fn method_not_allowed() -> Response {
    let refusal = Refusal::Request {
        reason: "this path takes POST only".into(),
        hint: r#"POST {"command": "get pods"} with Content-Type: application/json"#.into(),
    };
    let mut response = with_status(StatusCode::METHOD_NOT_ALLOWED, refusal);
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static("POST"));
    response
}

/// A refusal of a request that never reached the gate.
pub(super) fn refused(refusal: Refusal) -> Response {
    let status = status(refusal.code());
    with_status(status, refusal)
}

fn with_status(status: StatusCode, refusal: Refusal) -> Response {
    metrics::refusal(refusal.code().as_str());
    let mut response = rendered(&Outcome::refused(refusal));
    *response.status_mut() = status;
    response
}

pub(super) fn rendered(outcome: &Outcome) -> Response {
    let code = outcome
        .refusal
        .as_ref()
        .map_or(StatusCode::OK, |refusal| status(refusal.code()));
    let mut response = (code, Json(outcome.body())).into_response();
    if let Some(seconds) = outcome.refusal.as_ref().and_then(Refusal::retry_after) {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if code == StatusCode::UNAUTHORIZED {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// The status of a code.
fn status(code: Code) -> StatusCode {
    match code {
        Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        Code::ConfirmationRequired | Code::EgressDenied | Code::PolicyDenied => {
            StatusCode::FORBIDDEN
        }
        Code::InvalidCommand | Code::InvalidKubeconfig => StatusCode::UNPROCESSABLE_ENTITY,
        Code::InvalidRequest => StatusCode::BAD_REQUEST,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::Overloaded | Code::SandboxUnavailable | Code::ToolUnavailable => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Code::RequestTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Code::UnknownCall | Code::UnknownTool => StatusCode::NOT_FOUND,
    }
}
