//! `POST /tools/{tool}`: a body becomes a request, an outcome an answer.
//!
//! May not repeat a value of a body in an answer: it may be a kubeconfig. Held by
//! `tests/service/secrets.rs`.

use axum::{
    Extension,
    body::Body as HttpBody,
    extract::{Path, Request as HttpRequest, State, rejection::PathRejection},
    http::{header, request::Parts},
    response::Response,
};

use super::{
    body::{self, HeldBytes, Share, Unread, no_request},
    compat::{self, Compat},
    connections::Connection,
    reply::{refused, rendered},
    stream::{self, Format},
};
use crate::{
    excerpt::Excerpt,
    gate::{Arguments, Gate, Headers},
    identity::Caller,
    refusal::Refusal,
    tool::{Tool, UnknownTool},
};

/// Runs one command.
pub async fn call(
    State(gate): State<Gate>,
    path: Result<Path<String>, PathRejection>,
    Extension(caller): Extension<Caller>,
    Extension(connection): Extension<Connection>,
    request: HttpRequest,
) -> Response {
    let Ok(Path(tool)) = path else {
        return refused(no_request("the path is not UTF-8"));
    };
    let tool: Tool = match tool.parse() {
        Ok(tool) => tool,
        Err(UnknownTool) => return refused(Refusal::UnknownTool(Excerpt::new(&tool))),
    };
    let (parts, body) = request.into_parts();
    let (arguments, _held) = match read(&parts, body, connection.share, &caller).await {
        Ok(read) => read,
        Err(refusal) => return refused(refusal),
    };
    let request = arguments.request(tool, Headers::read(&parts.headers));
    match Format::accepted(&parts.headers) {
        None => rendered(&gate.run(caller, request, None).await),
        Some(format) => stream::streamed(gate, caller, request, format).await,
    }
}

async fn read(
    parts: &Parts,
    body: HttpBody,
    share: Share,
    caller: &Caller,
) -> Result<(Arguments, HeldBytes), Refusal> {
    // A browser sends a preflight before this type, and nothing here answers it.
    let content_type = parts
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if content_type.split(';').next().map(str::trim) != Some("application/json") {
        return Err(no_request("the Content-Type is not application/json"));
    }
    let (bytes, held) = body::read(parts, body, share, caller)
        .await
        .map_err(Unread::refusal)?;
    // serde would take an array for the fields in order.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(no_request("the body is no JSON object"));
    }
    // serde_json's messages name fields and places, and quote no value of ours to hide.
    let arguments = match parts.extensions.get::<Compat>() {
        Some(Compat) => compat::known_fields(&bytes),
        None => serde_json::from_slice(&bytes),
    };
    Ok((
        arguments.map_err(|error| {
            no_request(&format!(
                "the body is not a request: {}",
                without_values(&error, &bytes)
            ))
        })?,
        held,
    ))
}

/// Returns serde's sentence without the caller's text: a value may be a kubeconfig.
fn without_values(error: &serde_json::Error, bytes: &[u8]) -> String {
    let place = format!("line {} column {}", error.line(), error.column());
    match error.classify() {
        serde_json::error::Category::Data => Arguments::wrong_field(error)
            .or_else(|| Arguments::no_text(&serde_json::from_slice(bytes).ok()?))
            .unwrap_or_else(|| format!("a field has the wrong type, at {place}")),
        _ => format!("it is no JSON, at {place}"),
    }
}
