//! The values of Secrets, before a tool sees them: [`HiddenSecrets`].
//!
//! Comes in: an answer of the API server to a request for Secrets, in JSON. Goes out: the same with a
//! mark in the place of each value: equal for equal values of one call, and telling nothing else. So
//! `-o jsonpath`, templates, columns and `describe` print marks, whatever they do with them. A mark
//! never reaches the API server: a tool that would write one back is refused.
//!
//! Held by the tests below, by `tests/service/monitor.rs` and by the fuzz target `api_response`.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use memchr::memmem;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::{
    events::{EventError, EventLines},
    release::RELEASE_TYPE,
    sentence::ShownSecrets,
};
use crate::api_request::{ApiPath, ApiRequest, ApiVerb};

/// What every mark begins with. A multiple of three, so that its base64 begins every mark's.
const MARK: &str = "REDACTED-BY-AIRLOCK--";

/// The annotation in which `kubectl apply` keeps the object that it was given.
pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Takes the values of Secrets out of one call's answers.
pub struct HiddenSecrets {
    /// Random, so that a mark tells nothing of a value that could be guessed.
    key: [u8; 32],
}

impl HiddenSecrets {
    /// For one call, whose marks are made with `key`: 32 random bytes.
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// Whether the answers to this request hold Secrets.
    pub fn are_in(request: &ApiRequest) -> bool {
        matches!(&request.path, ApiPath::Resource(path) if path.group.is_empty() && path.resource == "secrets")
    }

    /// Whether a body holds a mark, as it is or in base64.
    pub fn has_mark(body: &[u8]) -> bool {
        let found = |text: &[u8]| memmem::find(body, text).is_some();
        let shifted = ["", "0", "00"].iter().map(|before| {
            let encoded = BASE64_STANDARD.encode(format!("{before}{MARK}"));
            // What stands before and behind it shares its first and last group.
            let end = encoded.len().saturating_sub(4);
            encoded.get(4..end).unwrap_or_default().to_owned()
        });
        found(MARK.as_bytes()) || shifted.into_iter().any(|text| found(text.as_bytes()))
    }

    /// Whether a request whose sentence shows `shown` lists helm's own Secrets, of which the tool
    /// has to see the values.
    pub fn lists_releases(request: &ApiRequest, shown: ShownSecrets) -> bool {
        request.verb == ApiVerb::List && Self::are_in(request) && shown == ShownSecrets::Releases
    }

    /// The same list, of releases alone.
    pub fn selecting_releases(request: &ApiRequest) -> ApiRequest {
        let mut request = request.clone();
        let selector = format!("type={RELEASE_TYPE}");
        request.query.set("fieldSelector", &selector);
        request
    }

    /// Returns an answer without the values of the Secrets in it, but those that are shown: an object, a
    /// list, a table, or one event of a watch. None for what is no JSON.
    pub fn hide(&self, answer: &[u8], shown: ShownSecrets) -> Option<Vec<u8>> {
        let mut answer: Value = serde_json::from_slice(answer).ok()?;
        self.hide_in_all(answer.as_object_mut()?, shown);
        serde_json::to_vec(&answer).ok()
    }

    fn hide_in_all(&self, answer: &mut Map<String, Value>, shown: ShownSecrets) {
        self.hide_in(answer, shown);
        for (list, member) in [("items", None), ("rows", Some("object"))] {
            for entry in answer
                .get_mut(list)
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                let object = match member {
                    None => Some(entry),
                    Some(member) => entry.get_mut(member),
                };
                object
                    .and_then(Value::as_object_mut)
                    .into_iter()
                    .for_each(|object| self.hide_in(object, shown));
            }
        }
        // An event of a watch, whose object may be a table.
        if let Some(Value::Object(object)) = answer.get_mut("object") {
            self.hide_in_all(object, shown);
        }
    }

    fn hide_in(&self, secret: &mut Map<String, Value>, shown: ShownSecrets) {
        let is_release = secret.get("type").and_then(Value::as_str) == Some(RELEASE_TYPE);
        let is_shown = |value: &Value| match shown {
            ShownSecrets::Nothing => false,
            ShownSecrets::Certificates => holds_certificates_alone(value),
            ShownSecrets::Releases => is_release,
        };
        for (member, in_base64) in [("data", true), ("stringData", false)] {
            match secret.get_mut(member) {
                None | Some(Value::Null) => {}
                Some(Value::Object(values)) => {
                    let hidden = values.values_mut().filter(|value| !is_shown(value));
                    hidden.for_each(|value| *value = self.mark(value, in_base64));
                }
                Some(other) => *other = self.mark(other, in_base64),
            }
        }
        let annotations = secret
            .get_mut("metadata")
            .and_then(|metadata| metadata.get_mut("annotations"));
        if let Some(kept) = annotations.and_then(|annotations| annotations.get_mut(LAST_APPLIED)) {
            let object = kept
                .as_str()
                .and_then(|text| serde_json::from_str::<Value>(text).ok());
            *kept = match object {
                Some(Value::Object(mut object)) => {
                    self.hide_in(&mut object, ShownSecrets::Nothing);
                    Value::Object(object).to_string().into()
                }
                _ => self.mark(kept, false),
            };
        }
    }

    fn mark(&self, value: &Value, in_base64: bool) -> Value {
        let mut hash = Sha256::new();
        hash.update(self.key);
        match value {
            Value::String(text) => hash.update(text),
            other => hash.update(other.to_string()),
        }
        let hash = hash.finalize();
        let told: String = hash
            .iter()
            .take(4)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let mark = format!("{MARK}{told}");
        match in_base64 {
            true => BASE64_STANDARD.encode(mark).into(),
            false => mark.into(),
        }
    }
}

/// Takes the values of Secrets out of the events of a watch.
pub struct HiddenEvents {
    secrets: Arc<HiddenSecrets>,
    /// The Secrets whose values are left.
    shown: ShownSecrets,
    lines: EventLines,
}

impl HiddenEvents {
    /// For one watch of the call that `secrets` is for, whose sentence shows `shown`.
    pub fn new(secrets: Arc<HiddenSecrets>, shown: ShownSecrets) -> Self {
        Self {
            secrets,
            shown,
            lines: EventLines::default(),
        }
    }

    /// Takes what has come, and adds the events that have ended to `told`, without the values in them
    /// that are not shown.
    ///
    /// # Errors
    /// [`EventError`] for what is no event, of which nothing is told; what stands before it is.
    pub fn pass(&mut self, came: &[u8], told: &mut Vec<u8>) -> Result<(), EventError> {
        let (secrets, shown) = (&self.secrets, self.shown);
        self.lines
            .each(came, |event| tell(secrets, shown, event, told))
    }

    /// The same for what is left at the end of the stream.
    ///
    /// # Errors
    /// [`EventError`], as above.
    pub fn finish(&mut self, told: &mut Vec<u8>) -> Result<(), EventError> {
        let (secrets, shown) = (&self.secrets, self.shown);
        self.lines.end(|event| tell(secrets, shown, event, told))
    }
}

fn tell(
    secrets: &HiddenSecrets,
    shown: ShownSecrets,
    event: &[u8],
    told: &mut Vec<u8>,
) -> Result<(), EventError> {
    told.extend(secrets.hide(event, shown).ok_or(EventError::Unread)?);
    told.push(b'\n');
    Ok(())
}

/// Whether a value, in base64, is a text of certificates in PEM (RFC 7468) and of nothing else: they
/// are shown to everybody who connects.
fn holds_certificates_alone(value: &Value) -> bool {
    let decoded = value
        .as_str()
        .and_then(|text| BASE64_STANDARD.decode(text).ok());
    let Some(text) = decoded.and_then(|bytes| String::from_utf8(bytes).ok()) else {
        return false;
    };
    let mut certificates = 0_usize;
    let mut encoded: Option<String> = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match (line, &mut encoded) {
            ("-----BEGIN CERTIFICATE-----", None) => encoded = Some(String::new()),
            ("-----END CERTIFICATE-----", Some(all)) => {
                let der = BASE64_STANDARD.decode(&all).unwrap_or_default();
                let read = x509_parser::parse_x509_certificate(&der);
                if !read.is_ok_and(|(rest, _)| rest.is_empty()) {
                    return false;
                }
                certificates = certificates.saturating_add(1);
                encoded = None;
            }
            (line, Some(all)) => all.push_str(line),
            (_, None) => return false,
        }
    }
    certificates > 0 && encoded.is_none()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hidden(answer: &Value) -> Value {
        let hidden = HiddenSecrets::new([7; 32])
            .hide(answer.to_string().as_bytes(), ShownSecrets::Nothing)
            .unwrap();
        serde_json::from_slice(&hidden).unwrap()
    }

    #[test]
    fn every_place_of_a_value_has_a_mark_and_everything_else_is_left() {
        let value = BASE64_STANDARD.encode("hunter2-hunter2");
        let last =
            json!({"kind": "Secret", "data": {"a": value}, "stringData": {"b": "hunter2-hunter2"}})
                .to_string();
        let secret = json!({
            "metadata": {"name": "x", "annotations": {LAST_APPLIED: last, "other": "kept"}},
            "type": "Opaque",
            "data": {"a": value, "same": value, "b": "b3RoZXI="},
            "stringData": {"c": "hunter2-hunter2"},
        });
        for answer in [
            secret.clone(),
            json!({"kind": "SecretList", "items": [secret, secret]}),
            json!({"kind": "Table", "rows": [{"cells": ["x", "Opaque", 3], "object": secret}]}),
            json!({"type": "ADDED", "object": secret}),
            json!({"type": "ADDED", "object": {"kind": "Table", "rows": [{"object": secret}]}}),
            json!({"data": "hunter2-hunter2"}),
            json!({"metadata": {"annotations": {LAST_APPLIED: "{\"data\": hunter2-hunter2"}}}),
        ] {
            let told = hidden(&answer).to_string();
            assert!(
                !told.contains("hunter2") && !told.contains(&value) && !told.contains("b3RoZXI="),
                "{told}"
            );
            assert!(HiddenSecrets::has_mark(told.as_bytes()), "{told}");
        }
        let told = hidden(&secret);
        assert_eq!(told["data"]["a"], told["data"]["same"]);
        assert_ne!(told["data"]["a"], told["data"]["b"]);
        assert_eq!(
            (&told["type"], &told["metadata"]["annotations"]["other"]),
            (&json!("Opaque"), &json!("kept"))
        );
        let decoded = BASE64_STANDARD
            .decode(told["data"]["a"].as_str().unwrap())
            .unwrap();
        assert!(decoded.starts_with(MARK.as_bytes()));
        assert_eq!(
            HiddenSecrets::new([7; 32]).hide(b"no JSON", ShownSecrets::Nothing),
            None
        );
        let others = HiddenSecrets::new([8; 32])
            .hide(secret.to_string().as_bytes(), ShownSecrets::Nothing)
            .unwrap();
        assert_ne!(
            serde_json::from_slice::<Value>(&others).unwrap()["data"]["a"],
            told["data"]["a"]
        );
    }

    #[test]
    fn what_a_sentence_shows_is_left_and_nothing_beside_it() {
        let hidden = HiddenSecrets::new([7; 32]);
        let told = |secret: &Value, shown| {
            let told = hidden.hide(secret.to_string().as_bytes(), shown).unwrap();
            serde_json::from_slice::<Value>(&told).unwrap()
        };
        let release = json!({"type": RELEASE_TYPE, "data": {"release": "SDRzSQ=="}});
        let other = json!({"type": "Opaque", "data": {"release": "SDRzSQ=="}});
        assert_eq!(told(&release, ShownSecrets::Releases), release);
        for (secret, shown) in [
            (&release, ShownSecrets::Nothing),
            (&release, ShownSecrets::Certificates),
            (&other, ShownSecrets::Releases),
        ] {
            let told = told(secret, shown);
            assert!(
                HiddenSecrets::has_mark(told.to_string().as_bytes()),
                "{told}"
            );
        }
        let certificate = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
        let (public, private) = (
            certificate.cert.pem(),
            certificate.signing_key.serialize_pem(),
        );
        let of = |text: &str| json!({"type": "kubernetes.io/tls", "data": {"a": BASE64_STANDARD.encode(text)}});
        for text in [public.clone(), format!("{public}\n{public}")] {
            assert_eq!(
                told(&of(&text), ShownSecrets::Certificates),
                of(&text),
                "{text}"
            );
            assert_ne!(told(&of(&text), ShownSecrets::Nothing), of(&text));
        }
        let forged = "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n";
        for text in [
            private.clone(),
            format!("{public}{private}"),
            format!("{public}hunter2\n"),
            forged.to_owned(),
            String::new(),
            "hunter2".to_owned(),
        ] {
            assert_ne!(
                told(&of(&text), ShownSecrets::Certificates),
                of(&text),
                "{text}"
            );
        }
    }

    #[test]
    fn the_last_event_of_a_watch_is_told_although_nothing_ends_its_line() {
        let secret = json!({"type": "ADDED", "object": {"data": {"a": "aHVudGVyMg=="}}});
        let begun =
            || HiddenEvents::new(Arc::new(HiddenSecrets::new([7; 32])), ShownSecrets::Nothing);
        let (mut events, mut told) = (begun(), Vec::new());
        events
            .pass(secret.to_string().as_bytes(), &mut told)
            .unwrap();
        assert!(told.is_empty(), "it may go on");
        events.finish(&mut told).unwrap();
        assert!(told.ends_with(b"\n") && HiddenSecrets::has_mark(&told));
        assert!(memmem::find(&told, b"aHVudGVyMg").is_none());
        // Half of an event holds a value as it is.
        let (mut events, mut told) = (begun(), Vec::new());
        events
            .pass(br#"{"object":{"data":{"a":"aHVudGVyMg=="#, &mut told)
            .unwrap();
        assert_eq!(events.finish(&mut told), Err(EventError::Unread));
        assert!(told.is_empty());
    }

    #[test]
    fn a_mark_is_found_in_any_base64() {
        for before in ["", "a", "ab", "abc"] {
            let encoded = BASE64_STANDARD.encode(format!("{before}{MARK}0123"));
            assert!(HiddenSecrets::has_mark(encoded.as_bytes()), "{before}");
        }
        assert!(!HiddenSecrets::has_mark(
            br#"{"data":{"a":"UkVEQUNURUQ="}}"#
        ));
    }
}
