//! Does kubectl's own reader find in a text the objects that our room finds, and in what we write the
//! same again?
//!
//! tools/manifest-oracle is kubectl's `resource.Builder`, asked as `create -f -` asks it. The texts are those of
//! tests/corpus/manifest, of the folders that `AIRLOCK_TEST_MANIFESTS` names (parted by colons), and generated
//! ones: every way of writing a scalar, a key, a list of objects and a document's end.
//!
//! `AIRLOCK_TEST_DIFFERENTIAL` is the number of generated texts, `AIRLOCK_TEST_SEED` what they are made from.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use kube_airlock::manifest::{KnownKind, Manifest, ManifestContext, ManifestError};
use serde::Deserialize;
use serde_json::Value;

use crate::{answers, built, random::Random};

#[test]
fn kubectl_finds_in_every_accepted_manifest_of_the_corpus_what_the_parser_finds() {
    let mut folders = vec![PathBuf::from("tests/corpus/manifest")];
    folders.extend(
        env::var("AIRLOCK_TEST_MANIFESTS")
            .iter()
            .flat_map(env::split_paths),
    );
    let mut texts = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let is_manifest = |end| ["yaml", "yml", "json"].iter().any(|known| end == *known);
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(is_manifest)
                && let Ok(text) = fs::read_to_string(&path)
            {
                texts.push((path.display().to_string(), text));
            }
        }
    }
    texts.sort();
    let mut tally = Tally::default();
    for batch in texts.chunks(BATCH) {
        tally.compare(batch);
    }
    tally.assert_none_differs("corpus");
    assert!(tally.accepted >= 3, "{} are accepted", tally.accepted);
}

#[test]
fn kubectl_finds_in_every_accepted_manifest_what_the_parser_finds() {
    let count = env::var("AIRLOCK_TEST_DIFFERENTIAL").map_or(2000, |text| {
        text.parse().expect("AIRLOCK_TEST_DIFFERENTIAL is a number")
    });
    let seed = env::var("AIRLOCK_TEST_SEED").map_or(0x2545_f491_4f6c_dd1d, |text| {
        text.parse().expect("AIRLOCK_TEST_SEED is a number")
    });
    let mut author = Author { state: seed };
    let mut tally = Tally::default();
    while tally.written < count {
        let numbers = tally.written..count.min(tally.written + BATCH);
        let batch: Vec<_> = numbers
            .map(|number| (format!("text {number}"), author.text()))
            .collect();
        tally.compare(&batch);
    }
    tally.assert_none_differs(&format!("AIRLOCK_TEST_SEED={seed}"));
    assert!(
        3 * tally.accepted >= tally.written && tally.refused.len() >= 8,
        "only {} of {} are accepted",
        tally.accepted,
        tally.written
    );
}

/// Texts that one process of the oracle reads.
const BATCH: usize = 500;

/// The oracle's answer (tools/manifest-oracle).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Reading {
    objects: Option<Vec<Value>>,
    error: String,
}

/// What came of the texts.
#[derive(Default)]
struct Tally {
    written: usize,
    accepted: usize,
    objects: usize,
    /// Why ours refuses what kubectl reads, and how often.
    refused: BTreeMap<String, usize>,
    /// Why kubectl refuses what ours reads: nothing can differ then.
    lenient: BTreeMap<String, usize>,
    differences: Vec<String>,
    took: Duration,
}

/// Any kind of a custom group is known here, and lives in namespaces.
fn resolve(group: &str, _: &str, kind: &str) -> Option<KnownKind> {
    Some(KnownKind {
        resource: format!("{}s.{group}", kind.to_ascii_lowercase()),
        is_namespaced: true,
    })
}

fn read(text: &str) -> Result<Manifest, ManifestError> {
    let context = ManifestContext {
        namespace: "of-the-call",
        resolve: &resolve,
    };
    Manifest::read(text, &context)
}

impl Tally {
    fn compare(&mut self, texts: &[(String, String)]) {
        let oracle = built("manifest-oracle", ".");
        let start = Instant::now();
        let ours: Vec<_> = texts.iter().map(|(_, text)| read(text)).collect();
        self.took += start.elapsed();
        let written = ours.iter().map(|read| {
            let bytes = read.as_ref().map(Manifest::to_bytes);
            bytes.map_or_else(
                |_| String::new(),
                |bytes| String::from_utf8(bytes.expose().clone()).unwrap(),
            )
        });
        let texts_of = texts.iter().map(|(_, text)| text.clone());
        let mut readings = ask(&oracle, &texts_of.chain(written).collect::<Vec<_>>());
        let again = readings.split_off(texts.len());
        for ((((name, text), ours), theirs), again) in
            texts.iter().zip(&ours).zip(&readings).zip(&again)
        {
            self.written += 1;
            match ours {
                Ok(manifest) => self.judge(name, text, manifest, theirs, again),
                Err(error) if theirs.error.is_empty() => {
                    let reason = error.to_string();
                    if env::var("AIRLOCK_TEST_SHOW_REFUSED").is_ok() {
                        println!("{name}: {reason}");
                    }
                    let words = reason
                        .split(' ')
                        .filter(|word| !word.contains(['`', '(', '+']));
                    let words = words.filter(|word| word.parse::<usize>().is_err());
                    let short = words.collect::<Vec<_>>().join(" ");
                    *self.refused.entry(short).or_default() += 1;
                }
                Err(_) => {}
            }
        }
    }

    fn judge(
        &mut self,
        name: &str,
        text: &str,
        manifest: &Manifest,
        theirs: &Reading,
        again: &Reading,
    ) {
        self.accepted += 1;
        self.objects += manifest.objects().len();
        let ours: Vec<Value> = manifest
            .objects()
            .iter()
            .map(|object| normal(object.value()))
            .collect();
        let found = |reading: &Reading| {
            let objects = reading.objects.iter().flatten();
            objects
                .zip(manifest.objects())
                .map(|(object, meant)| {
                    let mut object = normal(object);
                    put_namespace(&mut object, meant.namespace());
                    object
                })
                .collect::<Vec<_>>()
        };
        let count = |reading: &Reading| reading.objects.iter().flatten().count();
        if !theirs.error.is_empty() {
            let short: Vec<&str> = theirs
                .error
                .split(' ')
                .filter(|word| word.chars().all(|c| c.is_ascii_alphabetic()))
                .collect();
            *self.lenient.entry(short.join(" ")).or_default() += 1;
        } else if count(theirs) != ours.len() || found(theirs) != ours {
            let found = found(theirs);
            let kept = keep(name, text);
            self.differences.push(format!(
                "{name} ({kept})\n  ours:   {}\n  theirs: {}",
                shown(&ours, &found),
                shown(&found, &ours)
            ));
        }
        if !again.error.is_empty() || count(again) != ours.len() || found(again) != ours {
            let kept = keep(name, text);
            self.differences
                .push(format!("{name} ({kept}), as we write it: {}", again.error));
        }
        let bytes = manifest.to_bytes();
        let reread = read(std::str::from_utf8(bytes.expose()).unwrap()).unwrap();
        assert!(reread.to_bytes().expose() == bytes.expose(), "{name}");
    }

    fn assert_none_differs(&self, what: &str) {
        println!(
            "{what}: {} of {} texts accepted with {} objects, {} differences, {:.1} ms for all",
            self.accepted,
            self.written,
            self.objects,
            self.differences.len(),
            self.took.as_secs_f64() * 1e3
        );
        for (why, times) in &self.refused {
            println!("{times:>8}  ours refuses: {why}");
        }
        for (why, times) in &self.lenient {
            println!("{times:>8}  kubectl refuses: {why}");
        }
        let shown: Vec<&str> = self
            .differences
            .iter()
            .take(20)
            .map(String::as_str)
            .collect();
        assert!(
            shown.is_empty(),
            "{} differ, {what}\n{}",
            self.differences.len(),
            shown.join("\n")
        );
    }
}

/// The first object of a list that another does not have.
fn shown(list: &[Value], other: &[Value]) -> String {
    let differs = |(index, object): &(usize, &Value)| other.get(*index) != Some(*object);
    let first = list.iter().enumerate().find(differs);
    first.map_or_else(
        || format!("{} objects", list.len()),
        |(index, object)| {
            let text = object.to_string();
            let other = other
                .get(index)
                .map(ToString::to_string)
                .unwrap_or_default();
            let at = text
                .bytes()
                .zip(other.bytes())
                .take_while(|(a, b)| a == b)
                .count();
            let near = &text.as_bytes()[at.saturating_sub(60)..text.len().min(at + 60)];
            format!("object {index}: …{}…", String::from_utf8_lossy(near))
        },
    )
}

/// Keeps a text that differs.
fn keep(name: &str, text: &str) -> String {
    let folder = env::temp_dir().join("airlock-differential-manifest");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name.replace(['/', ' '], "-"));
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// The value as kubectl has it once it has read it: a number beyond 64 bits with sign is a float.
fn normal(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.as_i64().is_none() => {
            number.as_f64().map(Value::from).unwrap()
        }
        Value::Array(items) => items.iter().map(normal).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), normal(value)))
            .collect(),
        other => other.clone(),
    }
}

fn put_namespace(object: &mut Value, namespace: Option<&str>) {
    let Some(metadata) = object["metadata"].as_object_mut() else {
        return;
    };
    let own = metadata.get("namespace").and_then(Value::as_str);
    match namespace {
        Some(namespace) if own.is_none_or(str::is_empty) => {
            metadata.insert("namespace".into(), namespace.into());
        }
        Some(_) => {}
        None => {
            metadata.remove("namespace");
        }
    }
}

fn ask(oracle: &Path, texts: &[String]) -> Vec<Reading> {
    let texts = texts
        .iter()
        .map(|text| serde_json::to_string(text).unwrap());
    let oracle = &mut Command::new(oracle);
    answers(
        oracle.env_clear().current_dir("/"),
        &texts.collect::<Vec<_>>(),
    )
}

/// Writes texts, most of them manifests.
struct Author {
    state: u64,
}

impl Random for Author {
    fn state(&mut self) -> &mut u64 {
        &mut self.state
    }
}

/// Scalars that readers differ about, and others.
const SCALARS: [&str; 76] = [
    "a",
    "nginx:1.27",
    "100m",
    "yes",
    "No",
    "on",
    "OFF",
    "y",
    "N",
    "true",
    "False",
    "TRUE",
    "tRUE",
    "null",
    "~",
    "",
    "0",
    "-0",
    "+1",
    "007",
    "0644",
    "0o17",
    "08",
    "0x1F",
    "0b11",
    "-0b11",
    "0b-11",
    "1_000",
    "_1",
    "1__0",
    "1e3",
    "1E-7",
    "1.5",
    "1.",
    ".5",
    "-.5e3",
    "1e21",
    "1e400",
    ".inf",
    "-.INF",
    ".nan",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "1:30",
    "12:30:45",
    "2024-01-01",
    "2024-01-01T00:00:00Z",
    "1.2.3",
    "10.0.0.0/8",
    "'x'",
    "'it''s'",
    "\"\\u00e9\\n\"",
    "\"a\\/b\"",
    "'0644'",
    "\"yes\"",
    "é",
    "日本",
    "🚀",
    "a#b",
    "a b",
    "*.example",
    "[a, 'b', 1]",
    "{a: b, c: 1}",
    "[]",
    "{}",
    "'#'",
    "-a",
    "- a",
    "a: b",
    "%a",
    "@a",
    "`a`",
    "a  # comment",
    "!x",
    "&a b",
];
const KEYS: [&str; 18] = [
    "a",
    "image",
    "'quoted'",
    "\"double\"",
    "9000",
    "0644",
    "y",
    "true",
    "1.5",
    "a b",
    "a.b/c",
    "é",
    "<<",
    "? a",
    "~",
    "null",
    "on-call",
    "-a",
];
const ENDS: [&str; 10] = [
    "---",
    "--- # next",
    "---\n---",
    "...\n---",
    "# c\n---\n# d",
    "--- ",
    "---\t",
    "--- a",
    "...",
    "-----",
];

impl Author {
    fn text(&mut self) -> String {
        let mut text = String::new();
        if self.chance(5) {
            text.push('\u{feff}');
        }
        if self.chance(8) {
            return text + &self.stream();
        }
        if self.chance(30) {
            text += self.pick(&[
                "---\n",
                "# comment\n",
                "\n",
                "# Source: chart/templates/a.yaml\n---\n",
                "--- # first\n",
            ]);
        }
        for number in 0..=self.below(3) {
            if number > 0 {
                let ends = if self.chance(80) { &ENDS[..6] } else { &ENDS };
                text += self.pick(ends);
                text.push('\n');
            }
            if !self.chance(10) {
                let object = self.object();
                text += &object;
            }
        }
        if self.chance(15) {
            text = text.replace('\n', "\r\n");
        }
        text
    }

    /// A stream of JSON.
    fn stream(&mut self) -> String {
        let object =
            r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "x": VALUE}"#;
        let values = [
            "1",
            "1.0",
            "-0",
            "1e3",
            "1E400",
            "\"\\ud83d\\ude00\"",
            "\"\\ud83d\"",
            "\"\\u0000\"",
            "\"\\/\\t\"",
            "[\t1]",
            "12345678901234567890",
            "true",
            "{\"a\":1,\"a\":2}",
            "01",
        ];
        let mut text = String::new();
        for _ in 0..=self.below(3) {
            text += &object.replace("VALUE", self.pick(&values));
            text += self.pick(&["", "\n", " \r\n\t", "\n---\n"]);
        }
        text
    }

    fn object(&mut self) -> String {
        let kind = self.pick(&[
            "v1/ConfigMap",
            "v1/Pod",
            "apps/v1/Deployment",
            "v1/Namespace",
            "example.com/v1/Widget",
            "v1/List",
            "v1/PodList",
        ]);
        let (version, kind) = kind.rsplit_once('/').unwrap();
        let mut text = format!("apiVersion: {version}\nkind: {kind}\n");
        if kind.ends_with("List") {
            text += "items:\n";
            for name in ["a", "b"] {
                text += &match self.below(3) {
                    0 => format!("- metadata:\n    name: {name}\n"),
                    _ => format!("- apiVersion: v1\n  kind: Pod\n  metadata: {{name: {name}}}\n"),
                };
            }
            return text;
        }
        text += self.pick(&[
            "metadata:\n  name: web\n",
            "metadata:\n  name: web\n  namespace: shop\n",
            "metadata: {name: web, labels: {app: web}}\n",
            "metadata:\n  generateName: web-\n",
            "metadata:\n  name: 'web'\n  namespace: ''\n  creationTimestamp: null\n",
            "metadata:\n    name: web\n    annotations:\n        a: \"1\"\n",
        ]);
        text += "spec:\n";
        for _ in 0..=self.below(4) {
            let field = self.field(1);
            text += &field;
        }
        text
    }

    fn field(&mut self, depth: usize) -> String {
        let indent = "  ".repeat(depth);
        let key = if self.chance(85) {
            format!("k{}", self.below(1000))
        } else {
            self.pick(&KEYS).to_owned()
        };
        let colon = self.pick(&[": ", ":  ", ":\t"]);
        match self.below(10) {
            0 if depth < 4 => format!("{indent}{key}:\n{}", self.field(depth + 1)),
            1 => format!(
                "{indent}{key}:\n{indent}- {}\n{indent}-   b\n",
                self.pick(&SCALARS)
            ),
            2 => {
                let style = self.pick(&["|", "|-", "|+", ">", ">-", ">+", "|2", ">1-", "| # c"]);
                let body = self.pick(&[
                    "  a\n  b\n",
                    "  a\n\n  b\n\n",
                    "  \ta\n   b\n",
                    "  a\n\n\n",
                    "   a\n  b\n",
                    "  # no comment\n  ---\n",
                    "\n  a\n",
                    "  a \n  b\t\n",
                ]);
                let lines: String = body
                    .split_inclusive('\n')
                    .map(|line| {
                        if line == "\n" {
                            line.to_owned()
                        } else {
                            format!("{indent}{line}")
                        }
                    })
                    .collect();
                format!("{indent}{key}: {style}\n{lines}")
            }
            3 => format!("{indent}{key}: a\n{indent}  b\n\n{indent}  c\n"),
            4 => format!("{indent}{key}: 'a\n{indent}  b\n\n{indent}  c'\n"),
            5 => format!("{indent}{key}: \"a\\\n{indent}  b\\n\n{indent}  c\"\n"),
            6 => format!(
                "{indent}{key}: {{a: {}, \"b\": [{}, x]}}\n",
                self.pick(&SCALARS),
                self.pick(&SCALARS)
            ),
            _ => format!("{indent}{key}{colon}{}\n", self.pick(&SCALARS)),
        }
    }
}
