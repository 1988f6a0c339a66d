//! What the body of a request says of its object: [`BodyFacts::read`]. The path of a create has no
//! name, and the options of a delete count more than its query.
//!
//! Comes in: a body in JSON, or in the protobuf that typed clients send (`k8s\0`, then a message
//! `runtime.Unknown`; k8s.io/apimachinery/pkg/runtime/generated.proto). Goes out: names, and whether
//! it rehearses. A body that cannot be read is refused where any of that counts.

use serde::Deserialize;

use super::{
    protobuf::{Fields, PROTOBUF},
    sentence::{Sentence, is_named},
};
use crate::{
    api_request::{ApiPath, ApiRequest, ApiVerb},
    excerpt::Excerpt,
};

/// What a body says of its object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyFacts {
    /// The object's name.
    pub name: Option<String>,
    /// The object's namespace.
    pub namespace: Option<String>,
    /// Whether its options say that nothing is to be kept.
    pub rehearses: bool,
}

/// Why a body is not what the command explains.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is in no form that is read here, and counts.
    #[error("its body cannot be read")]
    Unread,
    /// It names another object.
    #[error("its body names another object")]
    Name,
    /// It names another namespace than its path.
    #[error("its body names another namespace")]
    Namespace,
    /// It would change something, and the command only rehearses.
    #[error("its body does not say `dryRun`")]
    NoRehearsal,
    /// It changes the field at this path.
    #[error("its body changes {}, which the command does not", Excerpt::new(.0))]
    Change(String),
    /// It is in a form that this request does not have here.
    #[error("its body is in another form than the command's: {}", Excerpt::new(.0))]
    Form(String),
    /// It is another patch than the one that the command has.
    #[error("its body is not the patch that the command has")]
    Document,
    /// It is another object than the one of the manifest.
    #[error("its body is not the object of the manifest")]
    Manifest,
    /// It sets or removes this field in another way than the manifest does.
    #[error("its body does with `{}` what the manifest does not say", Excerpt::new(.0).text())]
    Unsaid(String),
    /// It takes an object's place, and no answer of this call showed that.
    #[error("its body takes the place of an object that the call has not read")]
    Unseen,
}

/// What the form of a body is called, without parameters.
pub(super) fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

impl Sentence {
    /// Holds a body against the sentence that explains its request.
    ///
    /// # Errors
    /// [`BodyError`], when it says more than the command does.
    pub(super) fn explains_body(
        &self,
        request: &ApiRequest,
        media_type: &str,
        body: &[u8],
    ) -> Result<(), BodyError> {
        let (creates, subresource) = match &request.path {
            ApiPath::Resource(path) => {
                (request.verb == ApiVerb::Create, path.subresource.as_deref())
            }
            ApiPath::Kubelet(_) | ApiPath::Other(_) => (false, None),
        };
        let names = creates && subresource.is_none();
        if !names && !self.rehearses_in_body {
            return Ok(());
        }
        let facts = BodyFacts::read(media_type, body).ok_or(BodyError::Unread)?;
        if self.rehearses_in_body && !facts.rehearses {
            return Err(BodyError::NoRehearsal);
        }
        if !names {
            return Ok(());
        }
        let name = facts.name.as_deref().unwrap_or_default();
        if !self.names.is_empty() && !self.names.iter().any(|told| is_named(told, name)) {
            return Err(BodyError::Name);
        }
        let of_path = match &request.path {
            ApiPath::Resource(path) => path.namespace.as_deref(),
            ApiPath::Kubelet(_) | ApiPath::Other(_) => None,
        };
        // The server takes the path's where the body has none, and refuses another one.
        match facts.namespace.as_deref() {
            Some(namespace) if Some(namespace) != of_path => Err(BodyError::Namespace),
            _ => Ok(()),
        }
    }
}

impl BodyFacts {
    /// Reads a body; none for one in another form.
    pub fn read(media_type: &str, body: &[u8]) -> Option<Self> {
        if let Some(message) = body.strip_prefix(PROTOBUF) {
            return Self::of_protobuf(message);
        }
        let is_json = media_type.starts_with("application/json") || media_type.is_empty();
        let object: JsonBody = serde_json::from_slice(body).ok().filter(|_| is_json)?;
        let rehearses = |options: &[String]| options == ["All"];
        Some(Self {
            name: object.metadata.name,
            namespace: object.metadata.namespace,
            rehearses: rehearses(&object.dry_run) || rehearses(&object.delete_options.dry_run),
        })
    }

    fn of_protobuf(message: &[u8]) -> Option<Self> {
        let unknown = Fields::read(message)?;
        let kind = Fields::read(unknown.last(1)?)?;
        let object = Fields::read(unknown.last(2)?)?;
        let is_all = |options: &Fields<'_>, number| options.all(number).eq([b"All".as_slice()]);
        // Delete options are an object without metadata.
        if kind.last(2) == Some(b"DeleteOptions") {
            return Some(Self {
                rehearses: is_all(&object, 5),
                ..Self::default()
            });
        }
        let metadata = Fields::read(object.last(1).unwrap_or_default())?;
        let text = |number| {
            let text = metadata.last(number).filter(|text| !text.is_empty());
            text.map(|text| String::from_utf8(text.to_vec()).ok())
        };
        let options = (kind.last(2) == Some(b"Eviction"))
            .then(|| object.last(2))
            .flatten();
        let rehearses = options
            .and_then(Fields::read)
            .is_some_and(|options| is_all(&options, 5));
        Some(Self {
            name: text(1).map_or(Some(None), |text| text.map(Some))?,
            namespace: text(3).map_or(Some(None), |text| text.map(Some))?,
            rehearses,
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct JsonBody {
    metadata: JsonMetadata,
    dry_run: Vec<String>,
    delete_options: JsonOptions,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct JsonMetadata {
    name: Option<String>,
    namespace: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct JsonOptions {
    dry_run: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, value: &[u8]) -> Vec<u8> {
        let length = u8::try_from(value.len()).unwrap();
        [&[number << 3 | 2, length], value].concat()
    }

    fn typed(kind: &str, object: &[u8]) -> Vec<u8> {
        let meta = [field(1, b"v1"), field(2, kind.as_bytes())].concat();
        [PROTOBUF, &field(1, &meta), &field(2, object)].concat()
    }

    #[test]
    fn json_and_protobuf_say_the_same() {
        let metadata = [field(1, b"a"), field(3, b"web"), vec![5 << 3, 7]].concat();
        let pod = typed("Pod", &field(1, &metadata));
        let expected = BodyFacts {
            name: Some("a".into()),
            namespace: Some("web".into()),
            ..BodyFacts::default()
        };
        let json = br#"{"kind":"Pod","metadata":{"name":"a","namespace":"web"}}"#;
        assert_eq!(
            BodyFacts::read("application/vnd.kubernetes.protobuf", &pod),
            Some(expected.clone())
        );
        assert_eq!(BodyFacts::read("application/json", json), Some(expected));
        for (body, rehearses) in [
            (typed("DeleteOptions", &field(5, b"All")), true),
            (typed("DeleteOptions", b""), false),
            (typed("Eviction", &[field(1, &metadata), field(2, &field(5, b"All"))].concat()), true),
            (typed("Eviction", &field(1, &metadata)), false),
            (br#"{"kind":"DeleteOptions","dryRun":["All"]}"#.to_vec(), true),
            (br#"{"kind":"DeleteOptions","dryRun":["None"]}"#.to_vec(), false),
            (br#"{"kind":"Eviction","metadata":{"name":"a"},"deleteOptions":{"dryRun":["All"]}}"#.to_vec(), true),
        ] {
            assert_eq!(BodyFacts::read("application/json", &body).unwrap().rehearses, rehearses, "{body:?}");
        }
    }

    #[test]
    fn what_is_cut_or_no_body_is_not_read() {
        let pod = typed("Pod", &field(1, &field(1, b"a")));
        for length in 5..pod.len() {
            assert_eq!(BodyFacts::read("", &pod[..length]), None, "{length}");
        }
        assert_eq!(BodyFacts::read("application/yaml", b"metadata: {}"), None);
        assert_eq!(BodyFacts::read("application/json", b"[]x"), None);
    }
}
