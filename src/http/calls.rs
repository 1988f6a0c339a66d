//! `GET /calls` and `DELETE /calls/{request_id}`: a caller sees and ends its own calls.
//!
//! Held by `a_caller_sees_and_ends_its_own_calls_and_no_others` (`tests/service/streaming.rs`).

use axum::{
    Extension, Json,
    extract::{Path, State, rejection::PathRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::reply::refused;
use crate::{
    audit::milliseconds,
    gate::{Body, Gate},
    identity::Caller,
    store::{RegisteredCall, StoreError},
    tool::Tool,
};

/// The calls of one caller.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Calls)]
pub struct CallList {
    /// The calls that are under way, the oldest first.
    calls: Vec<RunningCall>,
}

/// A call that is under way.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunningCall {
    /// The id of the call.
    request_id: String,
    /// The tool that it runs.
    #[schema(value_type = String)]
    tool: Tool,
    /// `waiting` for a place, or `running`.
    state: &'static str,
    /// Its age in milliseconds.
    for_ms: u64,
}

impl From<RegisteredCall> for RunningCall {
    fn from(call: RegisteredCall) -> Self {
        Self {
            request_id: call.request_id,
            tool: call.tool,
            state: call.state.as_str(),
            for_ms: milliseconds(call.age),
        }
    }
}

/// A call that is being ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ending {
    /// The id of the call.
    request_id: String,
}

/// Lists this caller's calls that wait or run.
#[utoipa::path(get, path = "/calls", operation_id = "calls", responses((status = 200, description = "The calls that are under way", body = CallList)))]
pub async fn list(
    State(gate): State<Gate>,
    Extension(caller): Extension<Caller>,
) -> Json<CallList> {
    Json(CallList {
        calls: gate
            .running(&caller)
            .await
            .into_iter()
            .map(RunningCall::from)
            .collect(),
    })
}

/// Ends a call of this caller; whoever waits for it gets what it printed, and `cancelled`.
#[utoipa::path(
    delete,
    path = "/calls/{request_id}",
    operation_id = "cancel",
    params(("request_id" = String, Path, description = "From GET /calls, or from the first event of a streamed reply")),
    responses((status = 202, description = "It is ending", body = Ending), (status = 404, description = "The caller has no such call", body = Body))
)]
pub async fn cancel(
    State(gate): State<Gate>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<String>, PathRejection>,
) -> Response {
    let Ok(Path(request_id)) = path else {
        return refused(StoreError::UnknownCall.into());
    };
    match gate.cancel(&caller, &request_id).await {
        Ok(()) => (StatusCode::ACCEPTED, Json(Ending { request_id })).into_response(),
        Err(error) => refused(error.into()),
    }
}
