//! Untrusted bytes -> documents of strict YAML.

use serde_json::Value;

use crate::yaml::{Content, Node, YamlBounds, read};

/// Larger than the seeds, so that they are read, and small, so that bounds are met.
const BOUNDS: YamlBounds = YamlBounds {
    bytes: 32 * 1024,
    depth: 8,
    nodes: 512,
    entries: 64,
    documents: 4,
    flow: 1024,
};

/// What the strict reader accepts is within its bounds, has each key once, is the same whether its
/// long runs are read letter by letter or by placeholder, and written as JSON is read to itself.
/// Returns whether it was accepted.
pub fn yaml(bytes: &[u8]) -> bool {
    let Ok(documents) = read(bytes, &BOUNDS) else {
        return false;
    };
    assert!((1..=BOUNDS.documents).contains(&documents.len()));
    // The parser counts the end of a text that has no line break there as one more.
    let lines = 2 + bytes.iter().filter(|byte| **byte == b'\n').count();
    let nodes: usize = documents.iter().map(|node| nodes(node, 0, lines)).sum();
    assert!(nodes <= BOUNDS.nodes, "{nodes} nodes");

    // A backslash anywhere has the text read letter by letter (src/yaml/compact.rs).
    let larger = YamlBounds {
        bytes: 10 * BOUNDS.bytes,
        flow: 10 * BOUNDS.bytes,
        ..BOUNDS
    };
    let whole =
        read(&[b"# \\\n", bytes].concat(), &larger).expect("what is read compacted is read whole");
    let form = |documents: &[Node], first| -> Vec<_> {
        documents.iter().map(|node| shown(node, first)).collect()
    };
    assert_eq!(form(&documents, 0), form(&whole, 1), "by placeholder");

    let alone = YamlBounds {
        documents: 1,
        ..larger
    };
    for document in documents.iter().filter(|node| has_short_keys(node)) {
        let written = json(document);
        let again = read(written.to_string().as_bytes(), &alone).expect("JSON is read");
        assert_eq!(again.iter().map(json).collect::<Vec<_>>(), [written]);
    }
    true
}

/// Counts the nodes of a node that stands in `depth` collections, keys among them.
fn nodes(node: &Node, depth: usize, lines: usize) -> usize {
    assert!(depth <= BOUNDS.depth, "{depth} deep");
    assert!(
        (1..=lines).contains(&node.line),
        "line {} of {lines}",
        node.line
    );
    match &node.content {
        Content::Scalar { .. } => 1,
        Content::Sequence(items) => {
            assert!(items.len() <= BOUNDS.entries);
            1 + items
                .iter()
                .map(|item| nodes(item, depth + 1, lines))
                .sum::<usize>()
        }
        Content::Mapping(entries) => {
            assert!(entries.len() <= BOUNDS.entries);
            for (at, (key, _)) in entries.iter().enumerate() {
                assert!(
                    entries.iter().skip(at + 1).all(|(other, _)| other != key),
                    "{key:?} is there twice"
                );
            }
            let inner = entries
                .iter()
                .map(|(_, value)| 1 + nodes(value, depth + 1, lines));
            1 + inner.sum::<usize>()
        }
    }
}

/// All that a node is, its lines counted from the one behind `first`.
fn shown(node: &Node, first: usize) -> String {
    let content = match &node.content {
        Content::Scalar { text, plain } => format!("{plain} {:?}", **text),
        Content::Sequence(items) => {
            format!(
                "{:?}",
                items
                    .iter()
                    .map(|item| shown(item, first))
                    .collect::<Vec<_>>()
            )
        }
        Content::Mapping(entries) => format!(
            "{:?}",
            entries
                .iter()
                .map(|(key, value)| (key, shown(value, first)))
                .collect::<Vec<_>>()
        ),
    };
    format!("{} {content}", node.line - first)
}

/// The node as JSON, whose scalars are all texts.
fn json(node: &Node) -> Value {
    match &node.content {
        Content::Scalar { text, .. } => Value::String((**text).clone()),
        Content::Sequence(items) => items.iter().map(json).collect(),
        Content::Mapping(entries) => entries
            .iter()
            .map(|(key, value)| (key.clone(), json(value)))
            .collect(),
    }
}

/// Whether each key is one for YAML as JSON writes it, too: an escape is longer than what it is
/// for.
fn has_short_keys(node: &Node) -> bool {
    match &node.content {
        Content::Scalar { .. } => true,
        Content::Sequence(items) => items.iter().all(has_short_keys),
        Content::Mapping(entries) => entries
            .iter()
            .all(|(key, value)| key.len() < 500 && has_short_keys(value)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

        #[test]
        fn what_is_read_is_within_its_bounds(text in r"([a-c]: |- |\{|\}|\[|\]|,|'|x{70}|[ab\n]|  |\\|---\n){0,40}") {
            yaml(text.as_bytes());
        }
    }

    #[test]
    fn it_meets_what_it_is_about() {
        assert!(yaml(b"a: [b, {c: d}]\n---\n'e'\n"));
        assert!(!yaml(b"a: &b c"));
        assert!(!yaml(b"[[[[[[[[[a]]]]]]]]]"));
    }
}
