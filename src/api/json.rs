//! [`read_json`]: the JSON of a body, as one reader and no other can take it.
//!
//! Comes in: bytes of a tool, of which none is trusted. Goes out: a value whose objects have each key
//! once, and which is no deeper than [`DEEPEST`]; so what walks it may call itself. Servers differ
//! in which of two equal keys counts, so that a body with such is none.

use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::yaml::{self, Content, Node, YamlBounds};

/// How many collections a value may stand in. Kubernetes' own objects have some thirty, most of
/// them schemas.
const DEEPEST: u8 = 64;

/// Reads a body; none for what is no JSON, has a key twice or is too deep.
pub(super) fn read_json(body: &[u8]) -> Option<Value> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = ValueWithin(DEEPEST).deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    Some(value)
}

/// Reads what an operator's or a caller's own YAML says in JSON; none for more than one document, and
/// where readers differ in what a word without quotes is.
pub(super) fn read_yaml(text: &str) -> Option<Value> {
    let mut documents = yaml::read(text.as_bytes(), &BOUNDS).ok()?.into_iter();
    let document = documents.next()?;
    documents
        .next()
        .is_none()
        .then(|| value(&document))
        .flatten()
}

fn value(node: &Node) -> Option<Value> {
    match &node.content {
        Content::Scalar { text, plain: false } => Some(Value::String(text.to_string())),
        Content::Scalar { text, plain: true } => typed(text),
        Content::Sequence(entries) => entries.iter().map(value).collect(),
        Content::Mapping(entries) => {
            let mut entries = entries.iter();
            let entry = |(key, node): &(String, Node)| Some((key.clone(), value(node)?));
            let object = entries.try_fold(Map::new(), |mut object, known| {
                let (key, value) = entry(known)?;
                object.insert(key, value);
                Some(object)
            });
            object.map(Value::Object)
        }
    }
}

/// A word without quotes, which has a type.
fn typed(text: &str) -> Option<Value> {
    match text {
        "" | "~" | "null" => Some(Value::Null),
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        text if yaml::has_a_type(text) => {
            let number = text.parse::<i64>().ok();
            let number = number.filter(|number| number.to_string() == text);
            number.map(|number| Value::Number(number.into()))
        }
        text => Some(Value::String(text.to_owned())),
    }
}

/// A patch stands in a word of a command.
const BOUNDS: YamlBounds = YamlBounds {
    bytes: 1 << 20,
    depth: 64,
    nodes: 100_000,
    entries: 100_000,
    documents: 1,
    flow: 100_000,
};

/// A value in which at most so many collections stand in each other.
#[derive(Clone, Copy)]
struct ValueWithin(u8);

impl ValueWithin {
    fn inside<E: serde::de::Error>(self) -> Result<Self, E> {
        let inside = self.0.checked_sub(1).map(Self);
        inside.ok_or_else(|| E::custom("it is too deep"))
    }
}

impl<'de> DeserializeSeed<'de> for ValueWithin {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueWithin {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("it is no number"))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut list = Vec::new();
        while let Some(entry) = entries.next_element_seed(inside)? {
            list.push(entry);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(inside)?;
            if object.insert(key, value).is_some() {
                return Err(A::Error::custom("a key occurs twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_read_is_what_any_reader_takes_it_for() {
        let body = br#"{"a":[1,-1,0.5,true,null,"x"],"b":{"a":{}}}"#;
        let expected = json!({"a": [1, -1, 0.5, true, null, "x"], "b": {"a": {}}});
        assert_eq!(read_json(body), Some(expected));
        for odd in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":[{"a":{},"b":1,"a":{}}]}"#,
            r#"{"a":1}{"a":2}"#,
            r#"{"a":1}x"#,
            r#"{"a":1,}"#,
            "{'a':1}",
            "a: 1",
            "",
            "\u{feff}{}",
        ] {
            assert_eq!(read_json(odd.as_bytes()), None, "{odd}");
        }
        assert_eq!(read_json(b"{\"a\":\"\xff\"}"), None, "no UTF-8");
    }

    #[test]
    fn yaml_says_the_same_as_json_or_nothing() {
        for (text, expected) in [
            (
                "spec:\n  replicas: 3\n",
                Some(json!({"spec": {"replicas": 3}})),
            ),
            (
                "a: [x, '3', \"4\", true, null, ~]",
                Some(json!({"a": ["x", "3", "4", true, null, null]})),
            ),
            ("{a: {b: c}}", Some(json!({"a": {"b": "c"}}))),
            ("a: yes", None),
            ("a: 010", None),
            ("a: 1.50", None),
            ("a: 2020-01-01", None),
            ("a: 1\na: 2", None),
            ("a: 1\n---\na: 2", None),
            ("a: &x 1", None),
        ] {
            assert_eq!(read_yaml(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_deeper_than_any_object_is_not_read() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read_json(nested(64).as_bytes()).is_some());
        for depth in [65, 1000, 1_000_000] {
            assert_eq!(read_json(nested(depth).as_bytes()), None, "{depth}");
        }
    }
}
