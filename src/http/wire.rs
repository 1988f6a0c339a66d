//! What MCP asks of its wire and rmcp leaves out: errors as JSON-RPC has them, JSON for clients
//! that read nothing else, and streams as older clients know them.
//!
//! May not decide anything about a request that is one. Held by `tests/service/wire.rs`.

use axum::{
    Json,
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::reply::{IsRefusal, RefusedAnswer};
use crate::{metrics, refusal::Code};

/// The first protocol whose clients know an event without a message (SEP-1699).
const KNOWS_PRIMING: &str = "2025-11-25";

/// What is read of a message before rmcp reads it.
pub(super) struct Message {
    /// The id of a request, as it was sent.
    pub(super) id: Option<Value>,
    /// The protocol that an `initialize` asks for.
    pub(super) protocol: Option<String>,
}

/// The id of a message, on the answer that refuses it.
#[derive(Clone)]
pub(super) struct MessageId(pub(super) Value);

impl Message {
    /// Reads a body.
    ///
    /// # Errors
    /// The answer to what is no message: rmcp would say that its type is not supported, or that
    /// its method does not exist.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Box<Response>> {
        let parsed: Value = serde_json::from_slice(bytes)
            .map_err(|_| wrong(Value::Null, -32700, "Parse error: the body is no JSON"))?;
        let Value::Object(message) = parsed else {
            let batch = "Invalid Request: the body is one JSON-RPC message, and no batch";
            return Err(wrong(Value::Null, -32600, batch));
        };
        let id = match message.get("id") {
            None => None,
            Some(id) if id.is_string() || id.is_i64() || id.is_u64() => Some(id.clone()),
            Some(_) => {
                let no_id = "Invalid Request: an id is a text or a whole number";
                return Err(wrong(Value::Null, -32600, no_id));
            }
        };
        let refused = |code, text| Err(wrong(id.clone().unwrap_or_default(), code, text));
        if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return refused(-32600, "Invalid Request: jsonrpc is \"2.0\"");
        }
        let is_answer = message.contains_key("result") || message.contains_key("error");
        let method = message.get("method").and_then(Value::as_str);
        if method.is_none() && !is_answer {
            return refused(-32600, "Invalid Request: there is no method");
        }
        let params = message.get("params");
        if params.is_some_and(|params| !params.is_object()) {
            return refused(-32602, "Invalid params: params are an object");
        }
        let argument = |name: &str| params.and_then(|params| params.get(name));
        let arguments = argument("arguments").filter(|given| !given.is_null());
        if arguments.is_some_and(|given| !given.is_object()) {
            return refused(-32602, "Invalid params: arguments are an object");
        }
        let protocol = argument("protocolVersion").and_then(Value::as_str);
        Ok(Self {
            protocol: protocol
                .filter(|_| method == Some("initialize"))
                .map(str::to_owned),
            id: id.filter(|_| method.is_some()),
        })
    }
}

/// The answer to a second request with the id of one that is not answered yet: rmcp would answer
/// one of them alone.
pub(super) fn id_in_use(id: Value) -> Response {
    *wrong(
        id,
        -32600,
        "Invalid Request: a request with this id is under way",
    )
}

/// The answer to what is no message, in JSON-RPC's own words. It is counted as any refusal is.
fn wrong(id: Value, code: i64, message: &str) -> Box<Response> {
    metrics::refusal(Code::InvalidRequest);
    let error =
        json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } });
    Box::new((StatusCode::BAD_REQUEST, Json(error)).into_response())
}

/// Answers refusals of this server as JSON-RPC has errors, under the same status and headers.
pub(super) async fn in_json_rpc(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let Some(RefusedAnswer(outcome)) = response.extensions().get().cloned() else {
        return response;
    };
    let id = response.extensions().get::<MessageId>();
    let id = id.map_or(Value::Null, |id| id.0.clone());
    let (mut parts, _) = response.into_parts();
    parts.extensions.remove::<IsRefusal>();
    let body = outcome.body();
    let error = json!({
        "jsonrpc": "2.0", "id": id,
        "error": {
            // Outside of what JSON-RPC and MCP keep for themselves.
            "code": parts.status.as_u16(),
            "message": body.words(),
            // As over REST.
            "data": body,
        },
    });
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(error.to_string()))
}

/// Whether a client says that it reads JSON and no stream.
pub(super) fn reads_json_only(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    let accepted: Vec<&str> = accepted.filter_map(|value| value.to_str().ok()).collect();
    let accepted = accepted.join(",");
    let has = |range: &str| accepted.contains(range);
    has("application/json") && !has("text/event-stream") && !has("*/*") && !has("text/*")
}

/// Whether a stream's client knows an event without a message: by the protocol that it asks for,
/// else by the one that it names with each request.
pub(super) fn knows_priming(message: Option<&Message>, headers: &HeaderMap) -> bool {
    let asked = message.and_then(|message| message.protocol.as_deref());
    let named = headers.get("mcp-protocol-version");
    let named = named.and_then(|value| value.to_str().ok());
    asked
        .or(named)
        .is_some_and(|version| version >= KNOWS_PRIMING)
}

fn is_stream(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/event-stream"))
}

/// The answer in a stream of events, as JSON. What else the stream tells is for who follows it.
pub(super) async fn as_json(response: Response) -> Response {
    if !is_stream(&response) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let mut stream = body.into_data_stream();
    let mut text: Vec<u8> = Vec::new();
    while let Some(Ok(chunk)) = stream.next().await {
        text.extend_from_slice(&chunk);
        while let Some(end) = text.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = text.drain(..=end).collect();
            if let Some(answer) = answer_in(&line) {
                let json = HeaderValue::from_static("application/json");
                parts.headers.insert(header::CONTENT_TYPE, json);
                return Response::from_parts(parts, Body::from(answer));
            }
        }
    }
    // Its session has ended with the call.
    *wrong(
        Value::Null,
        -32603,
        "Internal error: the call ended without an answer",
    )
}

/// The message in a line of a stream, when it is the answer to a request.
fn answer_in(line: &[u8]) -> Option<Vec<u8>> {
    let data = line.strip_prefix(b"data:")?.trim_ascii();
    let message: Value = serde_json::from_slice(data).ok()?;
    let is_answer = message.get("result").or(message.get("error")).is_some();
    is_answer.then(|| data.to_vec())
}

/// A stream without its first event, where that has no message: older clients take it for a broken
/// one.
pub(super) fn without_priming(response: Response) -> Response {
    if !is_stream(&response) {
        return response;
    }
    response.map(|body| {
        let mut held = Some(Vec::new());
        let stream = body.into_data_stream().filter_map(move |chunk| {
            let passed = chunk
                .map(|chunk| past_priming(&mut held, chunk))
                .transpose();
            async move { passed }
        });
        Body::from_stream(stream)
    })
}

/// Holds the beginning of a stream back until its first event is whole; `held` is gone then.
fn past_priming(held: &mut Option<Vec<u8>>, chunk: Bytes) -> Option<Bytes> {
    let Some(beginning) = held else {
        return Some(chunk);
    };
    beginning.extend_from_slice(&chunk);
    let end = beginning.windows(2).position(|two| two == b"\n\n")?;
    let mut whole = held.take().unwrap_or_default();
    let event = whole.get(..end).unwrap_or_default();
    let has_message = event.split(|&byte| byte == b'\n').any(|line| {
        line.strip_prefix(b"data:")
            .is_some_and(|data| !data.trim_ascii().is_empty())
    });
    if !has_message && !event.starts_with(b":") {
        whole.drain(..end + 2);
    }
    (!whole.is_empty()).then(|| whole.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(chunks: &[&str]) -> String {
        let mut held = Some(Vec::new());
        let chunks = chunks.iter().map(|chunk| Bytes::from((*chunk).to_owned()));
        let passed = chunks.filter_map(|chunk| past_priming(&mut held, chunk));
        passed
            .map(|chunk| String::from_utf8(chunk.to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn only_a_first_event_without_a_message_is_left_out() {
        let priming = "data: \nid: 0\nretry: 3000\n\n";
        let message = "data: {}\nid: 1\n\n";
        let whole = format!("{priming}{message}{priming}");
        let kept = format!("{message}{priming}");
        assert_eq!(passed(&[&whole]), kept);
        let pieces: Vec<&str> = whole.split_inclusive('\n').collect();
        assert_eq!(passed(&pieces), kept);
        assert_eq!(passed(&[message, priming]), format!("{message}{priming}"));
        assert_eq!(passed(&[":\n\n", message]), format!(":\n\n{message}"));
    }

    #[test]
    fn the_answer_in_a_stream_is_its_result_or_its_error() {
        for (line, answer) in [
            (r#"data: {"jsonrpc":"2.0","id":1,"result":{}}"#, true),
            (r#"data: {"jsonrpc":"2.0","id":1,"error":{}}"#, true),
            (
                r#"data: {"jsonrpc":"2.0","method":"notifications/progress"}"#,
                false,
            ),
            ("data: ", false),
            ("id: 1", false),
        ] {
            assert_eq!(answer_in(line.as_bytes()).is_some(), answer, "{line}");
        }
    }
}
