//! An object as lines that people compare, and what differs between two: [`drawn`], [`difference`].
//!
//! Comes in: JSON of an API server, of which no byte is trusted. Goes out: YAML whose keys are sorted and
//! whose texts stand in quotes wherever a reader could take them for something else, so that no text of
//! a cluster looks like a line of its own. Held by the tests below.

use serde_json::Value;
use similar::TextDiff;

use crate::yaml::has_a_type;

/// Returns an object as YAML.
pub(super) fn drawn(object: &Value) -> String {
    let mut text = String::new();
    for line in lines(object) {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// Returns a unified diff of two texts.
pub(super) fn difference(before: &str, after: &str, name: &str) -> String {
    let diff = TextDiff::from_lines(before, after);
    let mut unified = diff.unified_diff();
    let header = |what: &str| format!("{name} ({what})");
    unified
        .context_radius(3)
        .header(&header("before"), &header("after"))
        .to_string()
}

fn lines(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let entries = fields.iter().flat_map(|(key, value)| entry(key, value));
            entries.collect()
        }
        Value::Array(entries) if !entries.is_empty() => {
            let entries = entries.iter().flat_map(|value| {
                let begun = |(at, line): (usize, String)| match at {
                    0 => format!("- {line}"),
                    _ => indented(&line),
                };
                lines(value)
                    .into_iter()
                    .enumerate()
                    .map(begun)
                    .collect::<Vec<_>>()
            });
            entries.collect()
        }
        Value::String(text) if is_block(text) => {
            let head = match text.ends_with('\n') {
                true => "|",
                false => "|-",
            };
            let lines = text.lines().map(indented);
            [head.to_owned()].into_iter().chain(lines).collect()
        }
        other => vec![scalar(other)],
    }
}

fn entry(key: &str, value: &Value) -> Vec<String> {
    let key = quoted(key);
    let mut inside = lines(value).into_iter();
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let inside = inside.map(|line| indented(&line));
            [format!("{key}:")].into_iter().chain(inside).collect()
        }
        Value::Array(entries) if !entries.is_empty() => {
            [format!("{key}:")].into_iter().chain(inside).collect()
        }
        _ => {
            let first = inside.next().unwrap_or_default();
            [format!("{key}: {first}")]
                .into_iter()
                .chain(inside)
                .collect()
        }
    }
}

fn indented(line: impl AsRef<str>) -> String {
    match line.as_ref() {
        "" => String::new(),
        line => format!("  {line}"),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        other => other.to_string(),
    }
}

/// A text, in quotes unless it is a word that YAML reads as a text.
fn quoted(text: &str) -> String {
    let is_first =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '/' | '.');
    let is_letter = |letter: char| is_first(letter) || matches!(letter, '-' | '@' | '+');
    let is_plain = text.starts_with(is_first)
        && text
            .chars()
            .all(|letter| is_letter(letter) || letter == ':')
        && !text.ends_with(':')
        && !has_a_type(text);
    match is_plain {
        true => text.to_owned(),
        false => Value::String(text.to_owned()).to_string(),
    }
}

/// Whether a text is drawn line by line: a file in a `ConfigMap`, a script.
fn is_block(text: &str) -> bool {
    let is_told = |letter: char| letter == '\n' || letter == '\t' || !letter.is_control();
    let ends_once = !text.ends_with("\n\n");
    let plain = |line: &str| !line.ends_with([' ', '\t', '\r']);
    text.trim_end_matches('\n').contains('\n')
        && ends_once
        && !text.starts_with([' ', '\t', '\n'])
        && text.chars().all(is_told)
        && text.lines().all(plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::json::read_yaml;

    #[test]
    fn an_object_is_drawn_as_people_write_it() {
        let object = json!({
            "kind": "ConfigMap",
            "metadata": {"name": "a", "labels": {}, "annotations": {"a/b": "x: y", "on": "off"}},
            "data": {"run.sh": "set -e\n\necho 1\n", "cut": "a\nb", "odd": " a\nb", "number": "1"},
            "list": [{"name": "x", "ports": [1, 2]}, "b", [], null],
        });
        let expected = "data:\n  cut: |-\n    a\n    b\n  number: \"1\"\n  odd: \" a\\nb\"\n  run.sh: |\n    set -e\n\n    echo 1\nkind: ConfigMap\nlist:\n- name: x\n  ports:\n  - 1\n  - 2\n- b\n- []\n- null\nmetadata:\n  annotations:\n    a/b: \"x: y\"\n    \"on\": \"off\"\n  labels: {}\n  name: a\n";
        assert_eq!(drawn(&object), expected);
    }

    #[test]
    fn a_difference_has_the_lines_around_it() {
        let text = |image: &str| drawn(&json!({"a": 1, "b": 2, "image": image, "z": [1]}));
        let told = difference(&text("demo/app:1"), &text("demo/app:2"), "pods a");
        assert_eq!(
            told,
            "--- pods a (before)\n+++ pods a (after)\n@@ -1,5 +1,5 @@\n a: 1\n b: 2\n-image: demo/app:1\n+image: demo/app:2\n z:\n - 1\n"
        );
        assert_eq!(difference("a\n", "a\n", "x"), "");
    }

    proptest::proptest! {
        /// No text of an object is a line of its own, or reads as something else.
        #[test]
        fn what_is_drawn_reads_as_the_object(texts in proptest::collection::vec("[ -~\n\t]{0,12}|[a-z:#\n -]{0,12}", 1..6), keys in proptest::collection::vec("[ -~]{0,6}", 1..6)) {
            let fields: serde_json::Map<_, _> = keys.iter().zip(&texts).map(|(key, text)| (key.clone(), json!(text))).collect();
            let object = json!({"a": fields, "list": texts});
            if let Some(read) = read_yaml(&drawn(&object)) {
                proptest::prop_assert_eq!(read, object);
            } else {
                // What the strict reader does not take at all: block texts.
                proptest::prop_assert!(drawn(&object).contains(": |") || drawn(&object).contains("- |"), "{}", drawn(&object));
            }
        }
    }
}
