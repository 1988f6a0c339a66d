//! An outcome or a refusal as an HTTP answer, with the status of its code.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    advice::Advice,
    gate::Outcome,
    metrics,
    refusal::{Code, Refusal},
};

/// Any other path.
pub async fn not_found() -> Response {
    let refusal = Refusal::Request(Advice {
        reason: "there is nothing at this path".into(),
        hint: "POST /tools/kubectl runs a command; /docs describes the rest".into(),
    });
    with_status(StatusCode::NOT_FOUND, refusal)
}

/// Any other method.
pub async fn method_not_allowed() -> Response {
    let refusal = Refusal::Request(Advice {
        reason: "this path takes POST only".into(),
        hint: r#"POST {"command": "get pods"} with Content-Type: application/json"#.into(),
    });
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
