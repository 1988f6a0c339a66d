//! A JSON Schema as editors show it best: [`for_editors`].
//!
//! Comes in: what `schemars` makes of the types that read a file. Goes out: the same, with a name of its
//! own, and each choice of words as one list. Held by `tests/cli/catalogue.rs`.

#![forbid(unsafe_code)]

use serde_json::{Value, json};

/// Names a schema `of` files of this kind, and simplifies it.
pub fn for_editors(mut schema: Value, of: &str) -> Value {
    simplify(&mut schema);
    if let Some(members) = schema.as_object_mut() {
        let id = format!("urn:kube-airlock:{of}:{}", env!("CARGO_PKG_VERSION"));
        members.insert("$id".into(), json!(id));
    }
    schema
}

/// A choice of words with a description each, `oneOf` of `const`, has every editor repeat a mistake for
/// each word: it becomes one `enum` with all descriptions.
fn simplify(schema: &mut Value) {
    match schema {
        Value::Array(all) => all.iter_mut().for_each(simplify),
        Value::Object(members) => {
            members.values_mut().for_each(simplify);
            let Some((words, described)) = members.get("oneOf").and_then(words) else {
                return;
            };
            members.remove("oneOf");
            members.insert("type".into(), json!("string"));
            members.insert("enum".into(), json!(words));
            let own = members.get("description").and_then(Value::as_str);
            let all: Vec<String> = own
                .map(str::to_owned)
                .into_iter()
                .chain(described)
                .collect();
            if !all.is_empty() {
                members.insert("description".into(), json!(all.join("\n")));
            }
        }
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => {}
    }
}

/// The words of a choice, and `word: description` of those that have one.
fn words(choice: &Value) -> Option<(Vec<String>, Vec<String>)> {
    let (mut words, mut described) = (Vec::new(), Vec::new());
    for one in choice.as_array()? {
        let of_one = match (one.get("const"), one.get("enum")) {
            (Some(word), _) => vec![word.as_str()?.to_owned()],
            (None, Some(list)) => {
                let list = list.as_array()?.iter();
                list.map(|word| word.as_str().map(str::to_owned))
                    .collect::<Option<_>>()?
            }
            (None, None) => return None,
        };
        if let (Some(text), [word]) = (one.get("description").and_then(Value::as_str), &of_one[..])
        {
            described.push(format!("{word}: {text}"));
        }
        words.extend(of_one);
    }
    Some((words, described))
}
