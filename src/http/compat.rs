//! Answers as clients of the service expect them that this one replaces: [`Compat`], off by default.
//!
//! There a call is answered with 200 whatever came of it, fields that nobody knows are left out, and
//! `/health` is `healthy`. What comes of a call stays the same, and is recorded the same. Refusals
//! that it did not have keep their status: of who calls, how often, and of what is no request.
//!
//! Held by `tests/service/compat.rs`.

use std::{collections::BTreeSet, sync::LazyLock};

use axum::{extract::Request, http::StatusCode, middleware::Next, response::Response};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::{
    PartialSchema as _,
    openapi::{RefOr, Schema},
};

use super::reply::{IsRefusal, reads_problems};
use crate::gate::Arguments;

/// The table `[compat]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CompatTable {
    /// Whether clients of the original service are answered as it answered them: refused calls with
    /// 200, unknown fields left out, `/health` as `healthy`.
    seed: bool,
}

impl CompatTable {
    /// Returns what is wanted; none where answers are this server's own.
    pub fn wanted(&self) -> Option<Compat> {
        self.seed.then_some(Compat)
    }
}

/// Marks requests whose client expects the answers of the original service.
#[derive(Clone, Copy, Debug)]
pub struct Compat;

/// Answers what came of a call with 200.
pub(super) async fn with_its_status(mut request: Request, next: Next) -> Response {
    let is_modern = reads_problems(request.headers());
    request.extensions_mut().insert(Compat);
    let mut response = next.run(request).await;
    let is_refusal = response.extensions().get::<IsRefusal>().is_some();
    let is_no_call = matches!(
        response.status(),
        StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::PAYLOAD_TOO_LARGE
    );
    if is_refusal && !is_no_call && !is_modern {
        *response.status_mut() = StatusCode::OK;
    }
    response
}

/// Reads the fields that there are, and leaves out any other.
pub(super) fn known_fields(bytes: &[u8]) -> serde_json::Result<Arguments> {
    static FIELDS: LazyLock<BTreeSet<String>> = LazyLock::new(|| match Arguments::schema() {
        RefOr::T(Schema::Object(object)) => object.properties.into_keys().collect(),
        _ => BTreeSet::new(),
    });
    let mut sent: Map<String, Value> = serde_json::from_slice(bytes)?;
    sent.retain(|name, _| FIELDS.contains(name));
    serde_json::from_value(Value::Object(sent))
}
