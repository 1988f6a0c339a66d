//! [`Rehearsed`]: a write that keeps nothing, made of one that would keep something.
//!
//! Comes in: a request of a tool that writes, whatever it says of dry runs, and its body. Goes out: the
//! same with `dryRun=All` where the API server looks for it, or why there is no such request. A
//! delete's stands in its body: one that has a body ignores its query, and deletes (k8s.io/apiserver
//! v0.37.2 `pkg/endpoints/handlers/delete.go`). So does an eviction's. A body that could be read in two
//! ways is none here.
//!
//! Held by the tests below and by `tests/service/preview_lies.rs`.

use serde_json::{Map, Value, json};

use super::{
    body::essence,
    json::read_json,
    protobuf::{Fields, PROTOBUF},
};
use crate::api_request::{ApiPath, ApiRequest, ApiVerb, ResourcePath};

/// A write of which nothing is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsed {
    /// The request.
    pub request: ApiRequest,
    /// Its body.
    pub body: Vec<u8>,
    /// The form of the body, where it is another than the one that came.
    pub media_type: Option<&'static str>,
}

/// Why there is no dry run of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRehearsed {
    /// It runs or reaches something in a pod.
    #[error("what runs in a pod, or passes through its ports, cannot be previewed")]
    Connects,
    /// Its answer is a credential that works, whatever its query says.
    #[error("a token cannot be previewed: the dry run of one is a token that works")]
    Token,
    /// Nobody knows where its body says so.
    #[error("its body cannot be read")]
    Unread,
}

const ALL: &str = "All";
const JSON: &str = "application/json";
const TYPED: &str = "application/vnd.kubernetes.protobuf";

impl Rehearsed {
    /// Makes a write into one that keeps nothing; `media_type` is of its body.
    ///
    /// # Errors
    /// [`NotRehearsed`].
    pub fn of(request: &ApiRequest, media_type: &str, body: &[u8]) -> Result<Self, NotRehearsed> {
        let subresource = match &request.path {
            ApiPath::Resource(path) => subresource(path),
            ApiPath::Kubelet(_) | ApiPath::Other(_) => return Err(NotRehearsed::Connects),
        };
        match subresource {
            (_, Some("exec" | "attach" | "portforward" | "proxy")) => {
                return Err(NotRehearsed::Connects);
            }
            ("serviceaccounts", Some("token")) => return Err(NotRehearsed::Token),
            _ => {}
        }
        let essence = essence(media_type);
        let mut rehearsed = Self {
            request: request.clone(),
            body: body.to_vec(),
            media_type: None,
        };
        match (request.verb, subresource) {
            (ApiVerb::Delete | ApiVerb::DeleteCollection, _) => {
                if body.is_empty() {
                    let options = json!({"kind": "DeleteOptions", "apiVersion": "v1"});
                    rehearsed.body = options.to_string().into_bytes();
                    rehearsed.media_type = Some(JSON);
                }
                let essence = rehearsed.media_type.unwrap_or(essence);
                rehearsed.body = options(essence, &rehearsed.body, "DeleteOptions")?;
            }
            (ApiVerb::Create, (_, Some("eviction"))) => {
                rehearsed.request.query.set("dryRun", ALL);
                rehearsed.body = options(essence, body, "Eviction")?;
            }
            _ => rehearsed.request.query.set("dryRun", ALL),
        }
        Ok(rehearsed)
    }
}

fn subresource(path: &ResourcePath) -> (&str, Option<&str>) {
    (path.resource.as_str(), path.subresource.as_deref())
}

/// The same options of a delete, or eviction with such, that say that nothing is kept.
fn options(essence: &str, body: &[u8], kind: &str) -> Result<Vec<u8>, NotRehearsed> {
    let said = match (essence, body.starts_with(PROTOBUF)) {
        (JSON | "", false) => said_in_json(body, kind),
        (TYPED, true) => said_in_protobuf(body, kind),
        _ => None,
    };
    said.ok_or(NotRehearsed::Unread)
}

fn said_in_json(body: &[u8], kind: &str) -> Option<Vec<u8>> {
    let mut object = read_json(body)?;
    let fields = object.as_object_mut()?;
    let is_kind = |told: &Value| told.as_str().is_some_and(|told| told == kind);
    if !fields.get("kind").is_none_or(is_kind) {
        return None;
    }
    match kind {
        "Eviction" => {
            let mut options = match without(fields, "deleteOptions")? {
                Value::Null => Map::new(),
                Value::Object(options) => options,
                _ => return None,
            };
            say(&mut options)?;
            fields.insert("deleteOptions".into(), options.into());
        }
        _ => say(fields)?,
    }
    serde_json::to_vec(&object).ok()
}

/// Puts the word in, and takes every other spelling of it out.
fn say(options: &mut Map<String, Value>) -> Option<()> {
    without(options, "dryRun")?;
    options.insert("dryRun".into(), json!([ALL]));
    Some(())
}

/// Takes a field out, in whatever letters; none where it is there in two spellings.
fn without(fields: &mut Map<String, Value>, name: &str) -> Option<Value> {
    let spelled = |known: &&String| known.eq_ignore_ascii_case(name);
    let spellings: Vec<String> = fields.keys().filter(spelled).cloned().collect();
    match spellings.as_slice() {
        [] => Some(Value::Null),
        [one] => fields.remove(one),
        _ => None,
    }
}

fn said_in_protobuf(body: &[u8], kind: &str) -> Option<Vec<u8>> {
    let unknown = Fields::read(body.strip_prefix(PROTOBUF)?)?;
    let of_type = unknown.only(1)?;
    if Fields::read(of_type)?.only(2) != Some(kind.as_bytes()) {
        return None;
    }
    // How the rest of it were encoded otherwise.
    if [3, 4]
        .iter()
        .any(|number| unknown.all(*number).any(|it| !it.is_empty()))
    {
        return None;
    }
    // Options that say nothing are an empty message, which may not be there.
    let object = unknown.last(2).unwrap_or_default();
    let object = match kind {
        "Eviction" => {
            let eviction = Fields::read(object)?;
            let told = options_message(eviction.last(2).unwrap_or_default())?;
            [field(1, eviction.only(1)?), field(2, &told)].concat()
        }
        _ => options_message(object)?,
    };
    Some([PROTOBUF, &field(1, of_type), &field(2, &object)].concat())
}

/// The message `DeleteOptions` with `dryRun` (field 5), which is a list: what stands in it before stays,
/// and anything else than `All` the server refuses.
fn options_message(options: &[u8]) -> Option<Vec<u8>> {
    let fields = Fields::read(options)?;
    let is_said = fields.all(5).eq([ALL.as_bytes()]);
    let more = match is_said {
        true => Vec::new(),
        false => field(5, ALL.as_bytes()),
    };
    Some([options, &more].concat())
}

/// A field with a length (protobuf.dev, encoding); its number is below 16.
fn field(number: u8, value: &[u8]) -> Vec<u8> {
    let mut encoded = vec![number << 3 | 2];
    let mut length = value.len();
    loop {
        let [low, ..] = length.to_le_bytes();
        length >>= 7;
        if length == 0 {
            encoded.push(low & 0x7f);
            break;
        }
        encoded.push(low | 0x80);
    }
    encoded.extend(value);
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::BodyFacts;

    const POD: &str = "/api/v1/namespaces/web/pods/a";

    fn rehearsed(line: &str, media_type: &str, body: &[u8]) -> Result<Rehearsed, NotRehearsed> {
        let (method, target) = line.split_once(' ').unwrap();
        Rehearsed::of(&ApiRequest::read(method, target).unwrap(), media_type, body)
    }

    fn typed(kind: &str, object: &[u8]) -> Vec<u8> {
        let of_type = [field(1, b"v1"), field(2, kind.as_bytes())].concat();
        [PROTOBUF, &field(1, &of_type), &field(2, object)].concat()
    }

    #[test]
    fn a_write_says_it_in_its_query() {
        for line in [
            "PATCH /api/v1/namespaces/web/pods/a?fieldManager=x",
            "PATCH /apis/apps/v1/namespaces/web/deployments/a/scale",
            "PUT /api/v1/namespaces/web/configmaps/a",
            "POST /api/v1/namespaces/web/configmaps",
            "POST /api/v1/namespaces/web/configmaps?dryRun=All",
        ] {
            let told = rehearsed(line, JSON, b"{}").unwrap();
            let said: Vec<_> = told.request.query.all("dryRun").collect();
            assert_eq!((said, told.body), (vec!["All"], b"{}".to_vec()), "{line}");
        }
    }

    #[test]
    fn a_delete_and_an_eviction_say_it_in_their_bodies() {
        let metadata = field(1, b"a");
        let long = typed("DeleteOptions", &field(4, &[b'x'; 300]));
        for (line, media_type, body) in [
            (format!("DELETE {POD}"), "", Vec::new()),
            (
                format!("DELETE {POD}?gracePeriodSeconds=0"),
                JSON,
                b"{\"propagationPolicy\":\"Background\"}".to_vec(),
            ),
            (
                format!("DELETE {POD}"),
                "application/json; charset=utf-8",
                b"{\"DryRun\":[\"None\"]}".to_vec(),
            ),
            (format!("DELETE {POD}"), JSON, b"{\"dryRun\":[]}".to_vec()),
            (format!("DELETE {POD}"), TYPED, typed("DeleteOptions", b"")),
            (
                format!("DELETE {POD}"),
                TYPED,
                typed("DeleteOptions", &field(5, b"All")),
            ),
            (format!("DELETE {POD}"), TYPED, long),
            (
                "DELETE /api/v1/namespaces/web/pods".into(),
                JSON,
                b"{}".to_vec(),
            ),
            (
                format!("POST {POD}/eviction"),
                JSON,
                br#"{"kind":"Eviction","metadata":{"name":"a"}}"#.to_vec(),
            ),
            (
                format!("POST {POD}/eviction"),
                JSON,
                br#"{"deleteOptions":{"dryRun":null}}"#.to_vec(),
            ),
            (
                format!("POST {POD}/eviction"),
                TYPED,
                typed("Eviction", &field(1, &metadata)),
            ),
            (
                format!("POST {POD}/eviction"),
                TYPED,
                typed(
                    "Eviction",
                    &[field(1, &metadata), field(2, &field(4, b"x"))].concat(),
                ),
            ),
        ] {
            let told = rehearsed(&line, media_type, &body).unwrap();
            let form = told.media_type.unwrap_or(media_type);
            let facts = BodyFacts::read(form, &told.body).unwrap();
            assert!(
                facts.rehearses,
                "{line}: {}",
                String::from_utf8_lossy(&told.body)
            );
        }
    }

    #[test]
    fn what_keeps_something_all_the_same_is_not_rehearsed() {
        let token = "POST /api/v1/namespaces/web/serviceaccounts/a/token";
        assert_eq!(rehearsed(token, JSON, b"{}"), Err(NotRehearsed::Token));
        for line in [
            "POST /api/v1/namespaces/web/pods/a/exec?command=ls",
            "GET /api/v1/namespaces/web/pods/a/portforward",
        ] {
            assert_eq!(
                rehearsed(line, "", b""),
                Err(NotRehearsed::Connects),
                "{line}"
            );
        }
        for (media_type, body) in [
            (JSON, &br#"{"dryRun":["All"],"dryRun":[]}"#[..]),
            (JSON, br#"{"dryRun":["All"],"DRYRUN":[]}"#),
            (JSON, br#"{"kind":"Other"}"#),
            (JSON, b"dryRun: [All]"),
            ("application/yaml", b"{}"),
            ("application/cbor", b"{}"),
            (TYPED, b"{}"),
            (JSON, &typed("DeleteOptions", b"")),
            (TYPED, &typed("Other", b"")),
            (TYPED, &typed("DeleteOptions", b"\x2a")),
        ] {
            let told = rehearsed(&format!("DELETE {POD}"), media_type, body);
            assert_eq!(told, Err(NotRehearsed::Unread), "{body:?}");
        }
        let other = rehearsed(
            &format!("DELETE {POD}"),
            TYPED,
            &typed("DeleteOptions", &field(5, b"None")),
        )
        .unwrap();
        assert!(
            !BodyFacts::read(TYPED, &other.body).unwrap().rehearses,
            "the server refuses it"
        );
    }
}
