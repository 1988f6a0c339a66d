use super::*;

fn redacted_by(size: usize, text: &str) -> String {
    let mut structure = Structure::new();
    let mut out = Vec::new();
    text.as_bytes()
        .chunks(size)
        .for_each(|chunk| structure.push(chunk, &mut out));
    structure.finish(&mut out);
    String::from_utf8(out).unwrap()
}

fn redacted(text: &str) -> String {
    let whole = redacted_by(usize::MAX, text);
    for size in [1, 2, 3, 7] {
        assert_eq!(redacted_by(size, text), whole, "in pieces of {size}");
    }
    whole
}

/// Every `«…»` in the text is a value that is taken out, and nothing else is; `‹…›` is one in a
/// string.
#[track_caller]
fn holds(text: &str) {
    let (mut given, mut expected) = (String::new(), String::new());
    let mut rest = text;
    while let Some(at) = rest.find(['«', '‹']) {
        let (open, quote) = if rest[at..].starts_with('«') {
            ('«', "\"")
        } else {
            ('‹', "\\\"")
        };
        let (before, behind) = rest.split_once(open).unwrap();
        let (value, behind) = behind.split_once(['»', '›']).unwrap();
        given += &format!("{before}{value}");
        expected += &format!("{before}{quote}[REDACTED]{quote}");
        rest = behind;
    }
    assert_eq!(
        redacted(&(given.clone() + rest)),
        expected + rest,
        "\n{given}{rest}"
    );
}

#[test]
fn values_are_taken_out_of_json_as_kubectl_prints_it() {
    holds(
        r#"{
    "apiVersion": "v1",
    "data": {
        "password": «"aHVudGVyMg=="»,
        "username": «"YWRtaW4="»
    },
    "kind": "Secret",
    "metadata": {
        "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": "{\"apiVersion\":\"v1\",\"data\":{\"password\":‹\"aHVudGVyMg==\"›},\"kind\":\"Secret\",\"metadata\":{\"annotations\":{},\"name\":\"db\"}}\n"
        },
        "name": "db"
    },
    "type": "Opaque"
}
"#,
    );
}

#[test]
fn values_are_taken_out_of_lists_and_config_maps_stay() {
    holds(
        r#"{"apiVersion":"v1","items":[{"apiVersion":"v1","data":{"a":"b","c":"{\"kind\":\"Secret\",\"data\":{\"x\":‹\"y\"›}}"},"kind":"ConfigMap"},{"kind":"Secret","stringData":{"a":«"b"»,"n":«{"a":[1,2]}»},"data":{}},{"data":{"p":«"q"»},"kind":"Secret"},[[{"data":{"p":«"q"»},"kind":"Secret"}]],{"data":{"p":"q"}}],"kind":"List"}
{"data":{"p":«"q"»},"kind":"Secret"} {"data":{"p":«"q"»},"kind":"Secret"}{
  "kind" : "Secret",
  "data" : { "p" : «"q"» , "r":«true» }
}"#,
    );
    holds(
        r#"{"kind":"SecretList","apiVersion":"v1","items":[{"metadata":{"name":"a"},"data":{"p":«"q"»},"type":"Opaque"}]}"#,
    );
}

#[test]
fn values_are_taken_out_of_yaml() {
    holds(
        "apiVersion: v1
items:
- apiVersion: v1
  data:
    ca.crt: |
      -----BEGIN
      # text
    key: value # with a comment
  kind: ConfigMap
- apiVersion: v1
  data:
    password: «aHVudGVyMg==»
    long: «|
      first
        # second

      third»
    'quoted': «'it''s'»

    \"double\": «\"a
      b\"»
    # a comment
    ? a-long-key
    : «value»
    nested:
      «a: b
      c: d»
  kind: Secret
  metadata:
    annotations:
      kubectl.kubernetes.io/last-applied-configuration: |
        {\"apiVersion\":\"v1\",\"data\":{\"password\":«\"aHVudGVyMg==\"»},\"kind\":\"Secret\"}
      kapp.k14s.io/original: '{\"kind\":\"Secret\",\"data\":{\"it''s\":«\"y\"»}}'
      other: \"{\\\"kind\\\":\\\"Secret\\\",\\\"data\\\":{\\\"x\\\":‹\\\"y\\\"›}}\"
    name: db
kind: List
---
kind: Secret
stringData:
  a: «b»
---
data: {a: «b», c: «d e»}
kind: \"Secret\"
---
kind: Secret # comment, and a longer one than would fit
data: # comment
  a: «b»
",
    );
}

#[test]
fn values_are_taken_out_of_manifests_in_strings() {
    holds(
        r#"{"name":"web","manifest":"---\n# Source: web/secret.yaml\napiVersion: v1\nkind: Secret\ndata:\n  a: ‹aGk=›\n  b: ‹|\n    x\n    y›\n---\nkind: ConfigMap\ndata:\n  a: b\n"}"#,
    );
    holds(
        "manifest: |\n  ---\n  data:\n    a: «b»\n  kind: Secret\n  ---\n  data:\n    a: b\n  kind: ConfigMap\nversion: 1\n",
    );
    holds("manifest: \"kind: Secret\\ndata:\\n  a: ‹b›\\n\"\n");
    holds(
        "I0101 1 round_trippers.go:1] Response Body: {\"kind\":\"Secret\",\"data\":{\"a\":«\"b\"»}}\n",
    );
    holds("2024-01-01 level=info obj={\"data\":{\"a\":«\"b\"»},\"kind\":\"Secret\"} done\n");
}

#[test]
fn values_are_taken_out_of_kyaml() {
    holds(
        r#"---
{
  apiVersion: "v1",
  items: [{
    apiVersion: "v1",
    data: {
      password: «"aHVudGVyMg=="»,
    },
    kind: "Secret",
    metadata: {
      annotations: {
        kubectl.kubernetes.io/last-applied-configuration: "\
           {\"apiVersion\":\"v1\",\"data\":{\"p\":‹\"q\"›},\"kind\":\"Secret\"}\n\
          ",
      },
    },
  }, {
    data: {
      text: "\
         two\n\
         lines\n\
        ",
    },
    kind: "ConfigMap",
  }],
  kind: "List",
}
---
{
  data: {
    a: «"b"»,
  },
  kind: "Secret",
}
"#,
    );
}

#[test]
fn carriage_returns_and_odd_lines_hide_nothing() {
    holds("apiVersion: v1\r\ndata:\r\n  a: «b»\r\n  c: «|\r\n    d»\r\nkind: Secret\r\n");
    holds("\"unterminated\n{ also [ this\nit's\n---\nkind: Secret\ndata:\n  a: «b»\n");
    holds("x: \"unterminated\nkind: Secret\ndata:\n  a: «b»\n");
    holds("x: {unterminated: [\nkind: Secret\ndata:\n  a: «b»\n");
}

/// One value of so many bytes, kubectl's order of keys.
fn object(kind: &str, size: usize) -> String {
    format!(
        "{{\"apiVersion\":\"v1\",\"data\":{{\"a\":\"{}\",\"b\":\"c\"}},\"kind\":\"{kind}\"}}\n",
        "x".repeat(size)
    )
}

#[test]
fn a_kind_that_comes_too_late_is_taken_for_a_secret() {
    let bound = usize::try_from(held::LOOK_BACK).unwrap();
    let printed = |text: &str| {
        let whole = redacted_by(usize::MAX, text);
        for size in [999, 32 * 1024] {
            assert_eq!(redacted_by(size, text), whole, "in pieces of {size}");
        }
        whole
    };
    for size in [bound / 2, bound - 100] {
        let text = object("ConfigMap", size);
        assert_eq!(printed(&text), text);
        assert_eq!(
            printed(&text.replace("ConfigMap", "Secret")).len(),
            object("Secret", 0).len() + "[REDACTED]".len() * 2 - 1
        );
    }
    let late = object("ConfigMap", bound + 1);
    assert_eq!(
        printed(&late),
        printed(&late.replace("ConfigMap", "Secret")).replace("Secret", "ConfigMap")
    );
    assert!(!printed(&late).contains("xx"));
    // One whose kind comes first is known for what it is.
    let first = late.replace("{\"apiVersion\"", "{\"kind\":\"ConfigMap\",\"apiVersion\"");
    assert_eq!(printed(&first), first);
    let many: String = (0..=held::PLACES)
        .map(|number| format!("  k{number}: v\n"))
        .collect();
    assert!(!printed(&format!("data:\n{many}kind: ConfigMap\n")).contains(": v\n"));
}

#[test]
fn a_stream_that_ends_before_the_kind_tells_no_value() {
    holds("{\"apiVersion\":\"v1\",\"data\":{\"a\":«\"b\"»,\"c\":«\"d»");
    holds("apiVersion: v1\ndata:\n  a: «b»\n  c: «|\n    d»\n");
    // Values of a chart are no object.
    holds("data:\n  a: b\n");
    holds("replicas: 1\n");
}

#[test]
fn no_more_is_held_than_the_bound() {
    for unit in [
        "x",
        "\\\"",
        " ",
        "\n",
        "\"},\"b\":{\"",
        "{\"data\":{\"a\":\"",
        "[",
        "data:\n ",
        "- data: {",
        "\\\\\\\"",
    ] {
        let mut structure = Structure::new();
        structure.push(b"{\"data\":{\"a\":\"", &mut Vec::new());
        for _ in 0..64 {
            structure.push(unit.repeat(PIECE / unit.len()).as_bytes(), &mut Vec::new());
            let (bytes, places) = structure.held.size();
            assert!(
                bytes <= usize::try_from(held::LOOK_BACK).unwrap() + PIECE,
                "{unit:?}: {bytes}"
            );
            assert!(
                places <= usize::try_from(held::PLACES).unwrap() + PIECE / 2,
                "{unit:?}: {places}"
            );
        }
        structure.finish(&mut Vec::new());
    }
}

#[test]
fn a_secret_behind_lines_of_a_log_is_found_without_dashes() {
    let secret = "apiVersion: v1
data:
  password: «TUFSSzE=»
kind: Secret
metadata:
  name: db
";
    for before in [
        "kind: reconcile started\nlevel: info\n",
        "kind: Started\n",
        "kind: started\ndone.\n",
        "apiVersion: v1\ndata:\n  a: b\nkind: ConfigMap\n",
        "apiVersion: v1\ndata:\n  a: b\nkind: ConfigMap\n\n+ kubectl get secret db -o yaml\n",
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n",
        "kind: ConfigMap\napiVersion: v1\ndata:\n  a: b\n",
    ] {
        holds(&format!("{before}{secret}"));
        holds(&format!(
            "{before}{secret}apiVersion: v1\ndata:\n  a: b\nkind: ConfigMap\n"
        ));
    }
    holds("- kind: ConfigMap\n  apiVersion: v1\n  data:\n    a: «b»\n  kind: Secret\n");
}

#[test]
fn a_log_that_begins_in_the_middle_of_a_secret_is_none() {
    for (cut, shown) in [
        (
            "  password: TUFSSzE=\n  user: YWRtaW4=\nkind: Secret\nmetadata:\n  name: db\n",
            "  \"[REDACTED]\"\nkind: Secret\nmetadata:\n  name: db\n",
        ),
        (
            "      MIIabc\n  user: YWRtaW4=\nkind: Secret\n",
            "      \"[REDACTED]\"\nkind: Secret\n",
        ),
        (
            "        \"password\": \"TUFSSzE=\"\n    },\n    \"kind\": \"Secret\",\n",
            "        \"[REDACTED]\"\n    \"kind\": \"Secret\",\n",
        ),
    ] {
        assert_eq!(redacted(cut), shown);
    }
    for kept in [
        "  a: b\nkind: ConfigMap\nmetadata:\n  name: x\n",
        "    at java.lang.Thread\nnext\nkind: Secret\n",
        "  NAME   READY\n  web-0  1/1\n",
        "  a: b\nE1130 08:00:00 it: failed\nkind: Secret\n",
    ] {
        assert_eq!(redacted(kept), kept);
    }
}

#[test]
fn what_stands_before_each_line_of_a_log_hides_no_secret() {
    let lines = "apiVersion: v1\ndata:\n  password: TUFSSzE=\n  long: |\n    first\n    second\nkind: Secret\n";
    for prefix in ["[pod/web-0/c] ", "2026-11-30T08:00:00.5Z "] {
        let given: String = lines
            .lines()
            .map(|line| format!("{prefix}{line}\n"))
            .collect();
        let shown = redacted(&given);
        for secret in ["TUFSSzE=", "first", "second"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(
            shown.ends_with(&format!("{prefix}kind: Secret\n")),
            "{shown}"
        );
    }
}
