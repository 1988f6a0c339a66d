//! Answers of an API server about Secrets -> the same with marks in the place of values.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};

use super::choices::Choices;
use crate::api::{EventError, HiddenEvents, HiddenSecrets, ShownSecrets};

/// In every value of a Secret.
const SECRET: &str = "c4n4ry-of-a-value";
/// In everything else.
const KEPT: &str = "k3pt";
/// What kubectl keeps of the object that it applied.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Whatever an answer is, each value of a Secret in what is passed on is a mark; of Secrets that are
/// made up from the bytes no value is told, equal values have equal marks, and everything else
/// stays; and events of a watch are the same however their stream is cut. Returns whether the bytes
/// themselves were an answer.
pub fn api_response(bytes: &[u8]) -> bool {
    let secrets = Arc::new(HiddenSecrets::new([7; 32]));
    let hidden = secrets.hide(bytes, ShownSecrets::Nothing);
    if let Some(hidden) = &hidden {
        let answer: Value = serde_json::from_slice(hidden).expect("what is passed on is JSON");
        only_marks(&answer);
        assert_eq!(
            secrets.hide(bytes, ShownSecrets::Nothing).as_ref(),
            Some(hidden),
            "it is told twice"
        );
    }

    let mut choices = Choices::new(bytes);
    let (answer, kept) = made_up(&mut choices);
    let text = answer.to_string();
    let out = secrets
        .hide(text.as_bytes(), ShownSecrets::Nothing)
        .expect("it is JSON");
    let out = String::from_utf8(out).expect("JSON is text");
    let encoded = BASE64_STANDARD.encode(SECRET);
    let encoded = encoded.trim_end_matches('=');
    assert!(
        !out.contains(SECRET) && !out.contains(encoded),
        "{text}\nis told as\n{out}"
    );
    assert_eq!(out.matches(KEPT).count(), kept, "{text}\nis told as\n{out}");
    only_marks(&serde_json::from_str(&out).expect("what is passed on is JSON"));

    let event = format!("{}\n", json!({"type": "MODIFIED", "object": answer}));
    for stream in [
        [bytes, b"\n"].concat(),
        event.into_bytes(),
        [bytes, b"\n", text.as_bytes(), b"\n"].concat(),
    ] {
        let whole = passed(&secrets, &stream, stream.len());
        let size = choices.below(40) + 1;
        assert_eq!(
            passed(&secrets, &stream, size),
            whole,
            "in pieces of {size}"
        );
        assert!(!String::from_utf8_lossy(&whole.0).contains(SECRET) || contains(bytes, SECRET));
    }
    hidden.is_some()
}

fn contains(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

/// What of a stream is passed on that comes in pieces of `size`, and why no more is.
fn passed(
    secrets: &Arc<HiddenSecrets>,
    stream: &[u8],
    size: usize,
) -> (Vec<u8>, Option<EventError>) {
    let mut events = HiddenEvents::new(Arc::clone(secrets), ShownSecrets::Nothing);
    let mut out = Vec::new();
    let mut pieces = stream.chunks(size.max(1));
    let ended = pieces.try_for_each(|piece| events.pass(piece, &mut out));
    (out, ended.err())
}

/// Holds that each value in the places where a Secret has values is a mark.
fn only_marks(answer: &Value) {
    let Some(object) = answer.as_object() else {
        return;
    };
    in_one(object);
    for (list, member) in [("items", None), ("rows", Some("object"))] {
        for entry in object
            .get(list)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let entry = member.map_or(Some(entry), |member| entry.get(member));
            entry
                .and_then(Value::as_object)
                .into_iter()
                .for_each(in_one);
        }
    }
    object.get("object").into_iter().for_each(only_marks);
}

fn in_one(secret: &Map<String, Value>) {
    for member in ["data", "stringData"] {
        match secret.get(member) {
            None | Some(Value::Null) => {}
            Some(Value::Object(values)) => values.values().for_each(is_mark),
            Some(other) => is_mark(other),
        }
    }
    let kept = secret
        .get("metadata")
        .and_then(|it| it.get("annotations"))
        .and_then(|it| it.get(LAST_APPLIED));
    let Some(kept) = kept else { return };
    match kept
        .as_str()
        .and_then(|text| serde_json::from_str(text).ok())
    {
        Some(Value::Object(object)) => in_one(&object),
        _ => is_mark(kept),
    }
}

fn is_mark(value: &Value) {
    let text = value.as_str().unwrap_or_default();
    assert!(
        HiddenSecrets::has_mark(text.as_bytes()),
        "{value} is no mark"
    );
}

/// An answer with Secrets, and how often it says what is to be kept.
fn made_up(choices: &mut Choices<'_>) -> (Value, usize) {
    let secrets: Vec<Value> = (0..choices.below(4) + 1)
        .map(|_| secret(choices, 2))
        .collect();
    let one = secrets.first().cloned().unwrap_or_default();
    let answer = match choices.below(5) {
        0 => one,
        1 => json!({"kind": "SecretList", "metadata": {"resourceVersion": KEPT}, "items": secrets}),
        2 => {
            json!({"kind": "Table", "rows": secrets.iter().map(|it| json!({"cells": [KEPT, 1], "object": it})).collect::<Vec<_>>()})
        }
        3 => json!({"type": "ADDED", "object": one}),
        _ => json!({"type": "ADDED", "object": {"kind": "Table", "rows": [{"object": one}]}}),
    };
    let kept = answer.to_string().matches(KEPT).count();
    (answer, kept)
}

fn secret(choices: &mut Choices<'_>, depth: u8) -> Value {
    let mut secret = json!({"kind": "Secret", "apiVersion": "v1", "type": KEPT, "metadata": {"name": KEPT, "labels": {"data": KEPT}}});
    for member in ["data", "stringData"] {
        let value = values(choices, member == "data");
        if let Some(object) = secret.as_object_mut().filter(|_| !value.is_null()) {
            object.insert(member.to_owned(), value);
        }
    }
    if depth > 0 && choices.once_in(2) {
        let inner = match choices.below(3) {
            0 => Value::String(format!("{{\"data\":{SECRET}")),
            1 => Value::String(secret_without_kept(choices)),
            _ => json!({"data": SECRET}),
        };
        if let Some(metadata) = secret.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert(
                "annotations".into(),
                json!({LAST_APPLIED: inner, "other": KEPT}),
            );
        }
    }
    secret
}

/// The object in an annotation, which is text.
fn secret_without_kept(choices: &mut Choices<'_>) -> String {
    json!({"kind": "Secret", "data": values(choices, true), "stringData": values(choices, false)})
        .to_string()
}

fn values(choices: &mut Choices<'_>, in_base64: bool) -> Value {
    let value = |choices: &mut Choices<'_>| match choices.below(6) {
        0 => json!({"nested": SECRET}),
        1 => json!([SECRET, [SECRET]]),
        2 => json!(null),
        3 if in_base64 => BASE64_STANDARD.encode(SECRET).into(),
        _ => SECRET.into(),
    };
    match choices.below(4) {
        0 => Value::Null,
        1 => value(choices),
        _ => {
            let keys = [
                "a",
                "data",
                "metadata",
                "items",
                "",
                "k\u{e9}y",
                "stringData",
            ];
            let named = choices.several(5, &keys);
            named
                .into_iter()
                .map(|key| ((*key).to_owned(), value(choices)))
                .collect::<Map<_, _>>()
                .into()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn it_holds_for_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            api_response(&bytes);
        }

        #[test]
        fn it_holds_for_what_answers_are_made_of(words in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\n", "null", "1", "\"data\"", "\"stringData\"", "\"items\"", "\"rows\"",
            "\"object\"", "\"metadata\"", "\"annotations\"", "\"kubectl.kubernetes.io/last-applied-configuration\"",
            "\"a\"", "\"{\\\"data\\\":{}}\"",
        ]), 1..40)) {
            api_response(words.concat().as_bytes());
        }
    }

    #[test]
    fn it_meets_what_it_is_about() {
        assert!(api_response(br#"{"kind":"Secret","data":{"a":"Yg=="}}"#));
        assert!(!api_response(b"no JSON"));
    }
}
