//! `GET /calls/{request_id}/output`: what a caller's answer did not have, by lines and a pattern.
//!
//! May not show anybody else's: `gate` finds none then. Held by `tests/service/kept.rs`.

use axum::{
    Extension,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    http::HeaderMap,
    response::Response,
};

use super::reply::{refused, rendered};
use crate::{
    gate::{Body, Gate, Headers, PartRequest},
    identity::Caller,
    store::StoreError,
};

/// Reads lines of an output that an answer had a part of; it is kept for its caller for minutes.
#[utoipa::path(
    get,
    path = "/calls/{request_id}/output",
    operation_id = "output",
    params(
        ("request_id" = String, Path, description = "From `kept.id` of the answer"),
        ("lines" = Option<String>, Query, description = "`7`, `7-90`, `7-`, or `-90` for the last ones; all, as far as an answer has room, without it", example = "801-1200"),
        ("grep" = Option<String>, Query, description = "A regular expression, or a text: only lines that have it, each behind its number", example = "error")
    ),
    responses(
        (status = 200, description = "The lines; `part` says which they are, and where it goes on", body = Body),
        (status = 400, description = "Refused: `invalid_request`", body = Body),
        (status = 404, description = "No such output of this caller is kept", body = Body)
    )
)]
pub async fn read(
    State(gate): State<Gate>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    path: Result<Path<String>, PathRejection>,
) -> Response {
    let Ok(Path(id)) = path else {
        return refused(StoreError::UnknownOutput.into());
    };
    let asked = PartRequest::of_query(&id, query.as_deref());
    let client = Headers::read(&headers).client;
    rendered(&gate.part(&caller, asked, client.as_ref()).await)
}
