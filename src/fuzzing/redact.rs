//! Bytes of a child -> the same without secrets.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::choices::Choices;
use crate::{output::Redactor, secret::SecretString};

/// In every value of a Secret.
const SECRET: &str = "c4n4ry";
/// In every value of a ConfigMap.
const KEPT: &str = "k3pt";

/// What is taken out does not depend on how the stream is cut; of a Secret that is made up from the
/// bytes nothing is told, whatever they are themselves and stand before it; a ConfigMap beside it
/// is told whole. Returns whether there was something to take out of the bytes.
pub fn redact(bytes: &[u8]) -> bool {
    let size = bytes
        .first()
        .map_or(1, |first| usize::from(*first) % 40 + 1);
    let whole = told(bytes, usize::MAX);
    assert_eq!(told(bytes, size), whole, "in pieces of {size}");

    let mut choices = Choices::new(bytes);
    let (text, kept) = made_up(&mut choices);
    let found = String::from_utf8(told(text.as_bytes(), usize::MAX)).expect("what is left is text");
    assert!(!found.contains(SECRET), "{text}\nis told as\n{found}");
    assert_eq!(
        found.matches(KEPT).count(),
        kept,
        "{text}\nis told as\n{found}"
    );
    assert_eq!(
        told(text.as_bytes(), size),
        found.as_bytes(),
        "in pieces of {size}"
    );
    let behind = told(&[bytes, b"\n", text.as_bytes()].concat(), usize::MAX);
    assert!(
        !String::from_utf8_lossy(&behind).contains(SECRET),
        "behind these bytes, this is told: {text}"
    );
    let shown = format!("apiVersion: v1\ndata:\n  password: {SECRET}\nkind: Secret\n");
    let behind = told(&[bytes, b"\n", shown.as_bytes()].concat(), usize::MAX);
    assert!(
        !String::from_utf8_lossy(&behind).contains(SECRET),
        "behind these bytes a Secret is told as\n{}",
        String::from_utf8_lossy(&behind)
    );
    before_each_line(&text, kept, size, &mut choices);
    private_key(&mut choices);
    let harmless = text.replace("Secret", "Sealed");
    assert_eq!(told(harmless.as_bytes(), size), harmless.as_bytes());
    whole != bytes
}

/// With what `kubectl logs` puts before each line, nothing else is told.
fn before_each_line(text: &str, kept: usize, size: usize, choices: &mut Choices<'_>) {
    let prefix = choices.pick::<&str>(&[
        "[pod/web-0/c] ",
        "2026-11-30T08:00:00.123456789Z ",
        "[pod/web-0/c] 2026-11-30T08:00:00+01:00 ",
    ]);
    let lines: String = text
        .split_inclusive('\n')
        .map(|line| format!("{prefix}{line}"))
        .collect();
    let found = String::from_utf8(told(lines.as_bytes(), usize::MAX)).expect("it is text");
    assert!(!found.contains(SECRET), "{lines}\nis told as\n{found}");
    assert_eq!(found.matches(KEPT).count(), kept, "{lines}\n{found}");
    assert_eq!(told(lines.as_bytes(), size), found.as_bytes());
}

/// Of a private key that is made up from the bytes, wrapped and quoted in some way, no line is told.
fn private_key(choices: &mut Choices<'_>) {
    const FULL: usize = 64;
    let letters: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').collect();
    let mut line =
        |length: usize| -> String { (0..length).map(|_| *choices.pick(&letters)).collect() };
    let mut lines: Vec<String> = (0..4).map(|_| line(FULL)).collect();
    lines.push(format!("{}9A=", line(21)));
    lines.insert(0, "-----BEGIN RSA PRIVATE KEY-----".to_owned());
    lines.push("-----END RSA PRIVATE KEY-----".to_owned());
    let style = choices.below(6);
    let text = match style {
        0 => lines.join("\n"),
        1 => lines.iter().map(|line| format!("- \"{line}\"\n")).collect(),
        2 => lines
            .iter()
            .map(|line| format!("{{\"log\":\"{line}\\n\",\"stream\":\"stdout\"}}\n"))
            .collect(),
        _ => {
            let encoded = BASE64_STANDARD.encode(lines.join("\n"));
            let width = *choices.pick(&[64, 76]);
            let wrapped: Vec<String> = encoded
                .as_bytes()
                .chunks(width)
                .map(|line| String::from_utf8_lossy(line).into_owned())
                .collect();
            // The first line says that it is a key, and holds nothing of it.
            lines = wrapped.iter().skip(1).cloned().collect();
            let between = *choices.pick(&["\n", "\n    ", "\\n", "\r\n", "\n[pod/web-0/c] "]);
            format!("key: {}\nother: value\n", wrapped.join(between))
        }
    };
    let found = String::from_utf8(told(text.as_bytes(), usize::MAX)).expect("it is text");
    for line in lines.iter().filter(|line| !line.starts_with('-')) {
        assert!(!found.contains(line), "{text}\nis told as\n{found}");
    }
    if style > 2 {
        assert!(
            found.ends_with("other: value\n"),
            "{text}\nis told as\n{found}"
        );
    }
    assert_eq!(
        told(text.as_bytes(), choices.below(9) + 1),
        found.as_bytes(),
        "{text}"
    );
}

fn told(bytes: &[u8], size: usize) -> Vec<u8> {
    let mut redactor = Redactor::new(&[SecretString::new("s3cret-token".into())]);
    let mut out: Vec<u8> = bytes
        .chunks(size)
        .flat_map(|chunk| redactor.push(chunk))
        .collect();
    out.extend(redactor.finish());
    out
}

/// A document's tree, its keys in an order of their own.
enum Tree {
    Map(Vec<(String, Tree)>),
    List(Vec<Tree>),
    Text(String),
}

impl Tree {
    fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Documents with Secrets and ConfigMaps, and how many values of ConfigMaps they have.
fn made_up(choices: &mut Choices<'_>) -> (String, usize) {
    let style = style(choices);
    let mut kept = 0;
    let mut text = String::new();
    for _ in 0..choices.below(2) + 1 {
        let document = within(choices, &mut kept, 0);
        match style {
            Style::Json { indent } => {
                json(&document, indent, 0, &mut text);
                text.push_str(choices.pick::<&str>(&["\n", " ", ""]));
            }
            Style::Yaml { .. } => {
                text.push_str("---\n");
                yaml(&document, style, 0, &mut text, choices);
            }
        }
    }
    if choices.once_in(4) {
        text = text.replace('\n', "\r\n");
    }
    (text, kept)
}

#[derive(Clone, Copy)]
enum Style {
    Json { indent: Option<usize> },
    Yaml { indent: usize, lists_indented: bool },
}

fn style(choices: &mut Choices<'_>) -> Style {
    match choices.below(4) {
        0 => Style::Json {
            indent: Some(choices.below(9)),
        },
        1 => Style::Json { indent: None },
        _ => Style::Yaml {
            indent: choices.below(7) + 2,
            lists_indented: choices.once_in(2),
        },
    }
}

/// A Secret somewhere.
fn within(choices: &mut Choices<'_>, kept: &mut usize, depth: usize) -> Tree {
    let around = if depth < 3 { choices.below(6) } else { 0 };
    match around {
        1 | 2 => {
            let mut items: Vec<Tree> = Vec::new();
            for _ in 0..choices.below(3) {
                items.push(config_map(choices, kept, None));
            }
            items.push(within(choices, kept, depth + 1));
            if choices.once_in(2) {
                items.push(config_map(choices, kept, None));
            }
            if around == 2 {
                return Tree::List(items);
            }
            map(
                choices,
                vec![
                    ("apiVersion", Tree::text("v1")),
                    ("items", Tree::List(items)),
                    ("kind", Tree::text("List")),
                ],
            )
        }
        3 | 4 => {
            // A manifest in a text: an annotation of another object, or a value of a ConfigMap.
            let inner = within(choices, kept, depth + 1);
            let style = style(choices);
            let mut manifest = String::new();
            match style {
                Style::Json { indent } => json(&inner, indent, 0, &mut manifest),
                Style::Yaml { .. } => yaml(&inner, style, 0, &mut manifest, choices),
            }
            if around == 4 {
                return config_map(choices, kept, Some(manifest));
            }
            let annotations = Tree::Map(vec![(
                "kubectl.kubernetes.io/last-applied-configuration".into(),
                Tree::Text(manifest),
            )]);
            map(
                choices,
                vec![
                    ("kind", Tree::text("Pod")),
                    (
                        "metadata",
                        Tree::Map(vec![("annotations".into(), annotations)]),
                    ),
                ],
            )
        }
        5 => Tree::Map(vec![
            ("type".into(), Tree::text("ADDED")),
            ("object".into(), within(choices, kept, depth + 1)),
        ]),
        _ => secret(choices),
    }
}

fn secret(choices: &mut Choices<'_>) -> Tree {
    let mut members = vec![
        ("apiVersion", Tree::text("v1")),
        ("kind", Tree::text("Secret")),
        ("type", Tree::text("Opaque")),
    ];
    let key = *choices.pick(&["data", "stringData"]);
    let data = values(choices, SECRET);
    members.push((key, data));
    members.push((
        "metadata",
        Tree::Map(vec![("name".into(), Tree::text("db"))]),
    ));
    map(choices, members)
}

fn config_map(choices: &mut Choices<'_>, kept: &mut usize, manifest: Option<String>) -> Tree {
    let mut data = values(choices, KEPT);
    if let Tree::Map(entries) = &mut data {
        *kept += 2 * entries.len();
        entries.extend(manifest.map(|manifest| ("manifest.yaml".into(), Tree::Text(manifest))));
    }
    let members = vec![
        ("apiVersion", Tree::text("v1")),
        ("kind", Tree::text("ConfigMap")),
        ("data", data),
    ];
    map(choices, members)
}

fn values(choices: &mut Choices<'_>, mark: &str) -> Tree {
    const KEYS: [&str; 8] = [
        "password",
        "tls.key",
        "kind",
        "data",
        "stringData",
        "apiVersion",
        "a b",
        "x-y_z",
    ];
    const MIDDLES: [&str; 12] = [
        "",
        "==",
        "\n",
        "\n\n  # no comment\n\n",
        ": x",
        " #",
        "\"",
        "'",
        "\\",
        "{\"a\": [",
        "]}, \"b\"",
        "\nkind: ConfigMap\n---\n",
    ];
    let count = choices.below(3) + 1;
    let entries = (0..count).map(|number| {
        let mut key = format!(
            "{}{}",
            choices.pick(&KEYS),
            if number == 0 {
                String::new()
            } else {
                number.to_string()
            }
        );
        if choices.once_in(8) {
            key = key.repeat(40); // YAML writes it as `? key`
        }
        (
            key,
            Tree::Text(format!("{mark}{}{mark}", choices.pick(&MIDDLES))),
        )
    });
    Tree::Map(entries.collect())
}

/// A mapping in any order.
fn map(choices: &mut Choices<'_>, mut members: Vec<(&str, Tree)>) -> Tree {
    let mut ordered = Vec::new();
    while !members.is_empty() {
        let (key, node) = members.remove(choices.below(members.len()));
        ordered.push((key.to_owned(), node));
    }
    Tree::Map(ordered)
}

fn json(node: &Tree, indent: Option<usize>, depth: usize, text: &mut String) {
    let line = |depth: usize, text: &mut String| {
        if let Some(indent) = indent {
            text.push('\n');
            text.push_str(&" ".repeat(indent * depth));
        }
    };
    let (open, close, entries): (_, _, Vec<(Option<&String>, &Tree)>) = match node {
        Tree::Text(value) => return text.push_str(&quoted(value)),
        Tree::Map(members) => (
            '{',
            '}',
            members
                .iter()
                .map(|(key, node)| (Some(key), node))
                .collect(),
        ),
        Tree::List(items) => ('[', ']', items.iter().map(|node| (None, node)).collect()),
    };
    text.push(open);
    for (number, (key, node)) in entries.iter().enumerate() {
        if number > 0 {
            text.push(',');
        }
        line(depth + 1, text);
        if let Some(key) = key {
            text.push_str(&quoted(key));
            text.push_str(if indent.is_some() { ": " } else { ":" });
        }
        json(node, indent, depth + 1, text);
    }
    line(depth, text);
    text.push(close);
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text is JSON")
}

/// Begins where a line or an item does, ends behind a line.
fn yaml(node: &Tree, style: Style, column: usize, text: &mut String, choices: &mut Choices<'_>) {
    let Style::Yaml {
        indent,
        lists_indented,
    } = style
    else {
        return;
    };
    let mut first = true;
    let mut begin = |text: &mut String| {
        if !std::mem::take(&mut first) {
            text.push_str(&" ".repeat(column));
        }
    };
    match node {
        Tree::Text(value) => yaml_text(value, column, text, choices),
        Tree::List(items) => {
            for item in items {
                begin(text);
                text.push_str("- ");
                yaml(item, style, column + 2, text, choices);
            }
        }
        Tree::Map(members) => {
            for (key, value) in members {
                begin(text);
                match key.len() {
                    129.. => text.push_str(&format!("? {key}\n{}:", " ".repeat(column))),
                    _ if choices.once_in(6) => text.push_str(&format!("{}:", quoted(key))),
                    _ => text.push_str(&format!("{key}:")),
                }
                let inner = match value {
                    Tree::Text(value) => {
                        text.push(' ');
                        yaml_text(value, column + indent, text, choices);
                        continue;
                    }
                    _ if choices.once_in(6) => {
                        text.push(' ');
                        json(value, None, 0, text);
                        text.push('\n');
                        continue;
                    }
                    Tree::List(_) if !lists_indented => column,
                    Tree::List(_) | Tree::Map(_) => column + indent,
                };
                text.push('\n');
                text.push_str(&" ".repeat(inner));
                yaml(value, style, inner, text, choices);
            }
        }
    }
}

fn yaml_text(value: &str, column: usize, text: &mut String, choices: &mut Choices<'_>) {
    let is_plain = value
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"./=".contains(&byte));
    let pad = " ".repeat(column);
    match choices.below(4) {
        0 if is_plain => text.push_str(value),
        1 if !value.contains('\n') => text.push_str(&format!("'{}'", value.replace('\'', "''"))),
        // A line that begins with white space would need its indentation told; no kind is written
        // so.
        2 if value.len() > 12 && !value.starts_with([' ', '\n']) && column > 0 => {
            text.push_str(if value.ends_with('\n') { "|" } else { "|-" });
            for line in value.lines() {
                text.push('\n');
                if !line.is_empty() {
                    text.push_str(&format!("{pad}{line}"));
                }
            }
        }
        3 if value.contains(' ') && !value.contains(['\n', '\t']) && !value.contains("  ") => {
            // Folded, as go-yaml does with long texts.
            text.push_str(&quoted(value).replacen(' ', &format!("\n{pad}"), 1));
        }
        _ => text.push_str(&quoted(value)),
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

        #[test]
        fn it_holds_for_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            redact(&bytes);
        }

        #[test]
        fn it_holds_for_any_structure(text in r#"([ \n:{}\[\]"'\\,#-]|kind: |data:\n  |data|Secret|\\n|\\"|"kind":"Secret"|"data":\{|[|>?&!]|---\n|a|eyJ|: ){0,40}"#) {
            redact(text.as_bytes());
        }
    }

    #[test]
    fn it_meets_what_it_is_about() {
        assert!(redact(b"kind: Secret\ndata:\n  a: b\n"));
        assert!(redact(b"the token is s3cret-token"));
        assert!(!redact(b"kind: ConfigMap\ndata:\n  a: b\n"));
    }
}
