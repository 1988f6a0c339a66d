//! What is read, and what is refused.

use super::*;

/// As large as the documents of these tests are, and one of them.
const ONE: YamlBounds = YamlBounds {
    bytes: 1 << 16,
    depth: 16,
    nodes: 1 << 10,
    entries: 1 << 10,
    documents: 1,
    flow: 1 << 10,
};

fn read_one(text: &str) -> Result<Vec<Node>, YamlError> {
    read(text.as_bytes(), &ONE)
}

/// All that a node is, as a text.
fn shown(node: &Node) -> String {
    match &node.content {
        Content::Scalar { text, plain } => format!("{} {plain} {:?}", node.line, **text),
        Content::Sequence(items) => format!(
            "{} {:?}",
            node.line,
            items.iter().map(shown).collect::<Vec<_>>()
        ),
        Content::Mapping(entries) => {
            format!(
                "{} {:?}",
                node.line,
                entries
                    .iter()
                    .map(|(key, node)| (key, shown(node)))
                    .collect::<Vec<_>>()
            )
        }
    }
}

#[test]
fn a_long_run_of_letters_is_read_as_it_stands_wherever_it_stands() {
    let run = "aGVsbG8/d29ybGQ+".repeat(9);
    for text in [
        "RUN",
        "RUN\n",
        "a: RUN",
        "a: RUN=",
        "a: RUN # RUN",
        "a: RUN#RUN",
        "# RUN\na: b",
        "a: 'RUN'",
        "a: \"RUN\"",
        "a: 'RUN''RUN'",
        "a: |\n  RUN\n  RUN\nb: c",
        "a: >-\n  RUN\n  RUN",
        "a: >\n   RUN\n\n   RUN\n",
        "a: |RUN\n  x",
        "a:\tRUN",
        "a:\t-RUN",
        "a: RUN\n  RUN",
        "a: RUN\nRUN",
        "a: 'RUN\n  RUN'",
        "a: 'RUN\nRUN'",
        "RUN: x",
        "RUN : x",
        "'RUN': x",
        "? RUN\n: x",
        "RUN: RUN: x",
        "a: RUN: x",
        "a: RUN:x",
        "- RUN",
        "- RUN: a\n  b: RUN",
        "-RUN",
        "[RUN, RUN]",
        "[RUN,RUN]",
        "{a: RUN, b: RUN}",
        "{a:RUN}",
        "{RUN: a}",
        "{\"a\":\"RUN\"}",
        "{\"RUN\":\"RUN\"}",
        "{'RUN':RUN}",
        "[RUN: x]",
        "[RUN\n: x]",
        "{a: RUN\nRUN}",
        "[RUN RUN]",
        "[RUN]: x",
        "&RUN x",
        "*RUN",
        "%RUN",
        "--- RUN",
        "---RUN",
        "RUN\n---\nx",
        "RUN\n...",
        "RUN\n---RUN",
        "'RUN",
        "a: 'RUN' RUN",
        "a: RUN]",
        "{a: RUN",
        "RUN\na: b",
        "a: b\nRUN",
        "a:\n  RUN\n b: c",
        "a: -RUN",
        "a: @RUN",
        "a: `RUN",
        "ü: RUN",
        "a: 'RUN\u{85}'",
        "a: RUN\u{a0}RUN",
        "a: RUN\u{e000}",
    ] {
        let text = text.replace("RUN", &run);
        let compacted = Compacted::new(&text).unwrap();
        assert!(compacted.text().len() < text.len(), "{text}");
        let [compacted, whole] = [
            documents(compacted.text(), Some(&compacted), &ONE),
            documents(&text, None, &ONE),
        ]
        .map(|read| read.map(|nodes| nodes.iter().map(shown).collect::<Vec<_>>()));
        assert_eq!(compacted, whole, "{text}");
    }
    // A character of a private plane is none of a tag's, so it is refused for its syntax.
    for tag in [format!("!{run} x"), format!("!<{run}> x")] {
        assert!(
            read_one(&tag).is_err() && documents(&tag, None, &ONE).is_err(),
            "{tag}"
        );
    }
}

#[test]
fn each_bound_is_met_and_not_passed() {
    let cases = [
        (
            "[[a]]",
            "[[[a]]]",
            YamlBounds { depth: 2, ..ONE },
            YamlError::TooDeep { line: 1, most: 2 },
        ),
        (
            "{a: [b]}",
            "{a: [b, c]}",
            YamlBounds { nodes: 4, ..ONE },
            YamlError::TooManyNodes { line: 1, most: 4 },
        ),
        (
            "[a, {b: c, d: e}]",
            "[a, {b: c, d: e, f: g}]",
            YamlBounds { entries: 2, ..ONE },
            YamlError::TooManyEntries { line: 1, most: 2 },
        ),
        (
            "--- a\n--- b",
            "--- a\n--- b\n--- c",
            YamlBounds {
                documents: 2,
                ..ONE
            },
            YamlError::TooManyDocuments { line: 3, most: 2 },
        ),
        (
            "a:\n- [b, c]",
            "a:\n- [b, c]\n- '{'",
            YamlBounds { flow: 2, ..ONE },
            YamlError::TooMuchFlow { line: 3, most: 2 },
        ),
    ];
    for (met, passed, bounds, refused) in cases {
        assert!(read(met.as_bytes(), &bounds).is_ok(), "{met}");
        assert_eq!(
            read(passed.as_bytes(), &bounds).err(),
            Some(refused),
            "{passed}"
        );
    }
    let bounds = YamlBounds { bytes: 4, ..ONE };
    assert!(read(b"a: b", &bounds).is_ok());
    assert_eq!(
        read(b"a: bc", &bounds).err(),
        Some(YamlError::TooLarge { bytes: 5, most: 4 })
    );
}

#[test]
fn lines_in_brackets_and_quotes_may_stand_as_far_left_as_go_lets_them() {
    let same = [
        (
            "a:\n  b: [\n  c,\n  d\n  ]\n  e: f",
            "a:\n  b: [\n   c,\n   d\n   ]\n  e: f",
        ),
        (
            "a:\n  b: [\n    {c: d},\n]\n  ",
            "a:\n  b: [\n    {c: d},\n   ]\n  ",
        ),
        (
            "a:\n  - b: 'c\n  d\n\n  e'\n",
            "a:\n  - b: 'c\n     d\n\n     e'\n",
        ),
        (
            "a:\n  - b: 'c''d\n  e''\n  f'\n",
            "a:\n  - b: 'c''d\n     e''\n     f'\n",
        ),
        (
            "a:\n  - b: \"c\n  \\  d\"\n",
            "a:\n  - b: \"c\n     \\  d\"\n",
        ),
    ];
    for (left, right) in same {
        let [left, right] = [left, right].map(|text| {
            read_one(text)
                .unwrap()
                .iter()
                .map(shown)
                .collect::<Vec<_>>()
        });
        assert_eq!(left, right);
    }
    // Nowhere else does a line move.
    for text in [
        "a:\n  b: c\n d: e",
        "a: |\n    b\n  c\n d",
        "a:\n  b\nc\n",
        "a:\n  b: [\n",
    ] {
        assert!(read_one(text).is_err(), "{text}");
    }
    let many = format!("a:\n  b: [\n{}  ]", "  c,\n".repeat(600));
    assert_eq!(read_one(&many).err(), None);
    let line = 3 + MOST_AGAIN / (12 + 3 * 20_000);
    let more = format!("a:\n  b: [\n{}]", "c,\n".repeat(20_000));
    let bounds = YamlBounds {
        bytes: 1 << 20,
        flow: 1 << 20,
        nodes: 1 << 20,
        entries: 1 << 20,
        ..ONE
    };
    assert!(
        matches!(read(more.as_bytes(), &bounds), Err(YamlError::Syntax { line: l }) if l <= line)
    );
}

#[test]
fn a_colon_in_brackets_has_a_space_behind_it() {
    for text in [
        "[a:]",
        "[a::, b]",
        "{a:}",
        "{a:, b: c}",
        "[é, {x: [y:]}]",
        "[\u{f0000}, a:]",
    ] {
        let refused = Err(YamlError::Construct {
            line: 1,
            construct: Construct::TightColon,
        });
        assert_eq!(read_one(text).map(|_| ()), refused, "{text}");
    }
    for text in [
        "{a: , b: c}",
        "{\"a\":[b]}",
        "a: 'b:, c'",
        "a: b:,",
        "[a:b]",
        "[a: b]",
        "{a: ':]'}",
    ] {
        assert!(read_one(text).is_ok(), "{text}");
    }
}

#[test]
fn a_key_longer_than_yaml_lets_it_be_is_refused() {
    for (length, accepted) in [(LONGEST_KEY, true), (LONGEST_KEY + 1, false)] {
        for text in [
            format!("{}: b", "a".repeat(length)),
            format!("{{{}: b}}", "a".repeat(length)),
            format!("{}: b", "a-".repeat(length / 2 + length % 2)),
        ] {
            assert_eq!(read_one(&text).is_ok(), accepted, "{length}");
        }
    }
}

#[test]
fn a_key_is_found_again_however_many_stand_between() {
    for length in [1, 2, FEW - 1, FEW, FEW + 1, 3 * FEW] {
        let keys: Vec<String> = (0..length)
            .map(|number| format!("k{number}: 1\n"))
            .collect();
        assert!(read_one(&keys.concat()).is_ok(), "{length}");
        for again in [0, length / 2, length - 1] {
            let text = format!("{}{}", keys.concat(), keys[again]);
            assert!(
                matches!(read_one(&text), Err(YamlError::DuplicateKey { .. })),
                "{length}, again {again}"
            );
        }
    }
}
