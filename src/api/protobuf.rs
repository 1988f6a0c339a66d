//! Protobuf, as typed clients of Kubernetes send it: the fields of a message ([`Fields`]), and whole
//! objects as the JSON that they mean ([`read_protobuf`]).
//!
//! Comes in: a body, `k8s\0` and a message `runtime.Unknown`
//! (k8s.io/apimachinery/pkg/runtime/generated.proto). Goes out: an object without the fields that have
//! no value, which typed clients send too. Which fields have which names is in `messages.txt`; one
//! that is not there and has a value stands as `#NUMBER`. What a server could read otherwise (a field
//! twice, another wire type) is none.

use std::{collections::BTreeMap, sync::LazyLock};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Map, Value};

/// What stands before a protobuf message (k8s.io/apimachinery serializer/protobuf).
pub(super) const PROTOBUF: &[u8] = b"k8s\0";

/// The fields of one message.
pub(super) struct Fields<'m>(Vec<(u64, Wire<'m>)>);

/// The value of a field on the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wire<'m> {
    /// A number that has always as many bytes: no field of these messages is one.
    Fixed,
    Number(u64),
    Bytes(&'m [u8]),
}

/// A message, as `messages.txt` has it.
struct MessageShape {
    /// The fields by their numbers.
    fields: BTreeMap<u64, (&'static str, FieldShape)>,
    /// The numbers of those that are always sent, and say nothing where they are zero.
    silent: Vec<u64>,
}

/// What a field is.
#[derive(Clone, Copy)]
struct FieldShape {
    what: &'static str,
    form: FieldForm,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FieldForm {
    List,
    Map,
    Single,
}

static MESSAGES: LazyLock<BTreeMap<&'static str, MessageShape>> = LazyLock::new(|| {
    let lines = include_str!("messages.txt").lines();
    let lines = lines.filter(|line| !line.starts_with('#'));
    lines.filter_map(shape).collect()
});

/// Reads a line of `messages.txt`; a test holds that each is one.
fn shape(line: &'static str) -> Option<(&'static str, MessageShape)> {
    let (message, fields) = line.split_once(": ")?;
    let (fields, silent) = fields.split_once("; ").unwrap_or((fields, ""));
    let silent = silent.split_whitespace().map(|number| number.parse().ok());
    let fields = fields.split(", ").map(|field| {
        let mut words = field.split(' ');
        let (number, name) = (words.next()?.parse().ok()?, words.next()?);
        let what = words.next().unwrap_or("text");
        let shape = match (what.strip_prefix('['), what.strip_prefix('{')) {
            (Some(inner), _) => FieldShape {
                what: inner.strip_suffix(']')?,
                form: FieldForm::List,
            },
            (_, Some(inner)) => FieldShape {
                what: inner.strip_suffix('}')?,
                form: FieldForm::Map,
            },
            (None, None) => FieldShape {
                what,
                form: FieldForm::Single,
            },
        };
        Some((number, (name, shape)))
    });
    let shape = MessageShape {
        fields: fields.collect::<Option<_>>()?,
        silent: silent.collect::<Option<_>>()?,
    };
    Some((message, shape))
}

/// Reads a whole object; none for what is of no kind that `messages.txt` has, and for what is none.
pub(super) fn read_protobuf(body: &[u8]) -> Option<Value> {
    let unknown = Fields::read(body.strip_prefix(PROTOBUF)?)?;
    let of_type = Fields::read(unknown.only(1)?)?;
    let [version, kind] = [1, 2].map(|number| of_type.only(number).and_then(text));
    let (version, kind) = (version?, kind?);
    // How the rest of it were encoded otherwise.
    if [3, 4]
        .iter()
        .any(|number| unknown.all(*number).any(|it| !it.is_empty()))
    {
        return None;
    }
    let shape = MESSAGES.get(format!("{kind}@{version}").as_str())?;
    let mut object = message(unknown.only(2)?, shape)?;
    object.insert("apiVersion".into(), version.into());
    object.insert("kind".into(), kind.into());
    Some(Value::Object(object))
}

/// A message as an object; a message stands in others of `messages.txt` alone, in no circle.
fn message(bytes: &[u8], shape: &MessageShape) -> Option<Map<String, Value>> {
    let mut object = Map::new();
    for (number, wire) in Fields::read(bytes)?.0 {
        let Some((name, field)) = shape.fields.get(&number) else {
            let says_nothing = match shape.silent.contains(&number) {
                true => wire.is_zero(DEEPEST_ZERO),
                false => wire == Wire::Bytes(&[]),
            };
            if !says_nothing {
                object.insert(format!("#{number}"), Value::Bool(true));
            }
            continue;
        };
        match field.form {
            FieldForm::Single => {
                let value = value(wire, field.what)?;
                // A server merges one that comes twice with the first.
                if object.insert((*name).to_owned(), value).is_some() {
                    return None;
                }
            }
            FieldForm::List => {
                let list = object
                    .entry(*name)
                    .or_insert_with(|| Value::Array(Vec::new()));
                list.as_array_mut()?.push(value(wire, field.what)?);
            }
            FieldForm::Map => {
                let (key, value) = entry(wire, field.what)?;
                let map = object
                    .entry(*name)
                    .or_insert_with(|| Value::Object(Map::new()));
                if map.as_object_mut()?.insert(key, value).is_some() {
                    return None;
                }
            }
        }
    }
    // What has no value is not there.
    object.retain(|name, value| {
        let mut fields = shape.fields.values();
        let is_silent = |(known, field): &(&str, FieldShape)| {
            *known == name.as_str() && field.form == FieldForm::Single && !field.what.ends_with('?')
        };
        !(fields.any(is_silent) && is_empty(value))
    });
    Some(object)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) | Value::Array(_) => false,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

fn entry(wire: Wire<'_>, what: &str) -> Option<(String, Value)> {
    let Wire::Bytes(bytes) = wire else {
        return None;
    };
    let fields = Fields::read(bytes)?;
    let key = text(fields.only(1)?)?.to_owned();
    let value = value(Wire::Bytes(fields.only(2).unwrap_or_default()), what)?;
    Some((key, value))
}

fn value(wire: Wire<'_>, what: &str) -> Option<Value> {
    Some(match (what, wire) {
        ("bool" | "bool?", Wire::Number(number)) => Value::Bool(number != 0),
        // A negative number is in ten bytes, as the whole numbers of Go are.
        ("int" | "int?", Wire::Number(number)) => Value::Number(number.cast_signed().into()),
        ("text", Wire::Bytes(bytes)) => Value::String(text(bytes)?.to_owned()),
        ("bytes", Wire::Bytes(bytes)) => Value::String(BASE64_STANDARD.encode(bytes)),
        ("other", wire) if wire.is_zero(DEEPEST_ZERO) => Value::Null,
        ("other", Wire::Bytes(bytes)) => Value::String(BASE64_STANDARD.encode(bytes)),
        (what, Wire::Bytes(bytes)) => Value::Object(message(bytes, MESSAGES.get(what)?)?),
        _ => return None,
    })
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// Messages in messages that have no value: `status` is one.
const DEEPEST_ZERO: u8 = 6;

impl Wire<'_> {
    /// Whether it says nothing: 0, an empty text, or a message of such fields.
    fn is_zero(self, depth: u8) -> bool {
        match self {
            Self::Fixed => false,
            Self::Number(number) => number == 0,
            Self::Bytes([]) => true,
            Self::Bytes(bytes) => depth.checked_sub(1).is_some_and(|depth| {
                let fields = Fields::read(bytes);
                fields.is_some_and(|fields| fields.0.iter().all(|(_, wire)| wire.is_zero(depth)))
            }),
        }
    }
}

impl<'m> Fields<'m> {
    /// Reads a message (protobuf.dev, encoding); none for what is none.
    pub(super) fn read(mut message: &'m [u8]) -> Option<Self> {
        let mut fields = Vec::new();
        while !message.is_empty() {
            let key = varint(&mut message)?;
            let wire = match key & 7 {
                0 => Wire::Number(varint(&mut message)?),
                1 => {
                    message = message.get(8..)?;
                    Wire::Fixed
                }
                2 => {
                    let length = usize::try_from(varint(&mut message)?).ok()?;
                    let (bytes, rest) = message.split_at_checked(length)?;
                    message = rest;
                    Wire::Bytes(bytes)
                }
                5 => {
                    message = message.get(4..)?;
                    Wire::Fixed
                }
                _ => return None,
            };
            fields.push((key >> 3, wire));
        }
        Some(Self(fields))
    }

    /// The values of a field that have a length, in their order.
    pub(super) fn all(&self, number: u64) -> impl Iterator<Item = &'m [u8]> {
        let of_number = self.0.iter().filter(move |(known, _)| *known == number);
        of_number.filter_map(|(_, wire)| match wire {
            Wire::Bytes(bytes) => Some(*bytes),
            Wire::Fixed | Wire::Number(_) => None,
        })
    }

    /// The last value of a field, which is the one that counts.
    pub(super) fn last(&self, number: u64) -> Option<&'m [u8]> {
        self.all(number).last()
    }

    /// The value of a field that is there once.
    pub(super) fn only(&self, number: u64) -> Option<&'m [u8]> {
        let mut values = self.all(number);
        values.next().filter(|_| values.next().is_none())
    }
}

/// Takes a number off the beginning of a message.
fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = message.split_first()?;
        *message = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(number: u8, value: &[u8]) -> Vec<u8> {
        [
            &[number << 3 | 2, u8::try_from(value.len()).unwrap()],
            value,
        ]
        .concat()
    }

    fn number(number: u8, value: u8) -> Vec<u8> {
        vec![number << 3, value]
    }

    fn typed(kind: &str, version: &str, object: &[u8]) -> Vec<u8> {
        let of_type = [field(1, version.as_bytes()), field(2, kind.as_bytes())].concat();
        [PROTOBUF, &field(1, &of_type), &field(2, object)].concat()
    }

    #[test]
    fn every_line_of_the_messages_is_one_and_names_others() {
        let lines = include_str!("messages.txt")
            .lines()
            .filter(|line| !line.starts_with('#'));
        assert_eq!(lines.count(), MESSAGES.len());
        for (message, shape) in &*MESSAGES {
            for (name, field) in shape.fields.values() {
                let what = field.what.trim_end_matches('?');
                let is_plain = ["text", "int", "bool", "bytes", "other"].contains(&what);
                assert!(
                    is_plain || MESSAGES.contains_key(field.what),
                    "{message}: {name}"
                );
            }
        }
    }

    #[test]
    fn an_object_is_what_its_json_would_be() {
        let metadata = [
            field(1, b"a"),
            field(2, b""),
            field(11, &[field(1, b"app"), field(2, b"a")].concat()),
            field(8, b""),
        ]
        .concat();
        let container = [
            field(1, b"c"),
            field(2, b"image:1"),
            field(3, b"sh"),
            field(3, b""),
            field(8, b""),
        ]
        .concat();
        let template = [field(1, &field(1, b"")), field(2, &field(2, &container))].concat();
        let spec = [field(3, &template), field(4, &field(1, b"")), number(5, 0)].concat();
        let object = [
            field(1, &metadata),
            field(2, &spec),
            field(3, &number(1, 0)),
        ]
        .concat();
        let read = read_protobuf(&typed("Deployment", "apps/v1", &object));
        assert_eq!(
            read,
            Some(json!({
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "a", "labels": {"app": "a"}},
                "spec": {"template": {"spec": {"containers": [{"name": "c", "image": "image:1", "command": ["sh", ""]}]}}},
            }))
        );
    }

    #[test]
    fn what_is_not_known_and_has_a_value_is_told_and_what_is_twice_is_none() {
        let named = field(1, &field(1, b"a"));
        let unknown = [named.clone(), field(9, b"x"), number(12, 0)].concat();
        let read = read_protobuf(&typed("ConfigMap", "v1", &unknown)).unwrap();
        assert_eq!((&read["#9"], &read["#12"]), (&json!(true), &json!(true)));
        for (kind, version, object) in [
            ("ConfigMap", "v1", [named.clone(), named.clone()].concat()),
            ("ConfigMap", "v1", number(1, 1)),
            ("ConfigMap", "v1", field(1, &field(1, b"\xff"))),
            ("ConfigMap", "v1", vec![10, 5, 1]),
            (
                "ConfigMap",
                "v1",
                [field(2, &field(1, b"a")), field(2, &field(1, b"a"))].concat(),
            ),
            ("ConfigMap", "v2", named.clone()),
            ("Pod", "v1", named.clone()),
        ] {
            assert_eq!(
                read_protobuf(&typed(kind, version, &object)),
                None,
                "{kind}@{version}"
            );
        }
        let plain = typed("ConfigMap", "v1", &named);
        for more in [
            field(2, &named),
            field(4, b"application/json"),
            field(3, b"gzip"),
        ] {
            assert_eq!(read_protobuf(&[plain.clone(), more].concat()), None);
        }
        assert!(read_protobuf(&[plain, field(4, b"")].concat()).is_some());
    }

    /// A pointer in Go is sent where it is given, and its zero counts.
    #[test]
    fn a_zero_that_is_given_is_told_and_one_that_is_always_sent_is_not() {
        let spec_of = |spec: &[u8]| {
            let object = [field(1, &field(1, b"a")), field(2, spec)].concat();
            read_protobuf(&typed("Deployment", "apps/v1", &object)).unwrap()["spec"].clone()
        };
        assert_eq!(spec_of(&number(1, 0)), json!({"replicas": 0}));
        assert_eq!(spec_of(&number(7, 0)), Value::Null, "paused");
        assert_eq!(
            spec_of(&number(6, 0)),
            json!({"#6": true}),
            "revisionHistoryLimit"
        );
        // The user 0 in the security context of a pod.
        let root = field(3, &field(2, &field(14, &number(1, 0))));
        assert_eq!(spec_of(&root), json!({"template": {"spec": {"#14": true}}}));
    }

    #[test]
    fn messages_in_messages_are_followed_no_deeper_than_any_that_is_sent() {
        let mut nested = Vec::new();
        for _ in 0..40 {
            nested = field(9, &nested);
        }
        let read = read_protobuf(&typed("ConfigMap", "v1", &nested)).unwrap();
        assert_eq!(read["#9"], json!(true));
    }
}
