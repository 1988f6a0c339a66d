//! An outcome as a tool result: [`rendered`].
//!
//! One text and no structure beside it: of two, some hosts show a model the one, some the other, and
//! some both, so that it would read its output escaped, or twice. What only programs want is in
//! `_meta`, which hosts keep from models. Held by `tests/service/tokens.rs`.

use rmcp::model::{CallToolResponse, CallToolResult, ContentBlock, MetaObject};
use serde_json::{Map, Value};

use super::fence::Fence;
use crate::{
    advice::Advice,
    gate::{Arguments, Body, Outcome},
    metrics,
    refusal::Refusal,
};

/// The key of `_meta` under which a program finds what is not in the text.
const FACTS: &str = "kube-airlock";

/// What is in the text already.
const IN_THE_TEXT: [&str; 5] = ["output", "error", "reason", "hint", "notes"];

/// What a model reads of an outcome, and beside it what a program may want to know.
pub(super) struct Worded {
    pub(super) text: String,
    pub(super) meta: MetaObject,
    pub(super) success: bool,
}

/// Returns an outcome as the result of a tool.
pub(super) fn rendered(outcome: &Outcome) -> CallToolResponse {
    let worded = worded(outcome);
    let content = vec![ContentBlock::text(worded.text)];
    let mut result = match worded.success {
        true => CallToolResult::success(content),
        false => CallToolResult::error(content),
    };
    result.meta = Some(worded.meta);
    result.into()
}

/// Returns what is told of an outcome.
pub(super) fn worded(outcome: &Outcome) -> Worded {
    let body = outcome.body();
    let (printed, words) = (body.printed(), body.words());
    let mut facts = facts(&body);
    let text = if printed.is_empty() {
        match words.is_empty() {
            true => "(no output)".to_owned(),
            false => words,
        }
    } else {
        let fence = Fence::around(&printed, &outcome.request_id);
        facts.insert("untrusted".into(), fence.name().into());
        let fenced = fence.enclose(&printed);
        match words.is_empty() {
            true => fenced,
            false => format!("{fenced}\n{words}"),
        }
    };
    let mut meta = MetaObject::new();
    meta.insert(FACTS.into(), Value::Object(facts));
    Worded {
        text,
        meta,
        success: body.success,
    }
}

/// The answer's fields but for those that its text has.
fn facts(body: &Body) -> Map<String, Value> {
    let Ok(Value::Object(mut facts)) = serde_json::to_value(body) else {
        return Map::new();
    };
    facts.retain(|name, _| !IN_THE_TEXT.contains(&name.as_str()));
    if let Some(Value::Array(stages)) = facts.get_mut("stages") {
        for stage in stages.iter_mut().filter_map(Value::as_object_mut) {
            stage.remove("error");
        }
    }
    facts
}

/// Wrong arguments are a tool error (SEP-1303), so that the model can correct them. serde's
/// sentence names the field; its value may be a secret.
pub(super) fn malformed(error: &serde_json::Error, sent: &Map<String, Value>) -> CallToolResponse {
    let reason = Arguments::wrong_field(error)
        .or_else(|| Arguments::no_text(sent))
        .unwrap_or_else(|| "an argument has the wrong type; all are texts, but max_output (a number), compact and explain (true or false)".to_owned());
    let refusal = Refusal::Request(Advice {
        reason,
        hint: "give `command`, and if needed `namespace`, `context` or `cluster`, `timeout`".into(),
    });
    metrics::refusal(refusal.code());
    rendered(&Outcome::refused(refusal))
}
