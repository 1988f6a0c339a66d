//! Do the real tools read what we render as our parser meant it?
//!
//! Each tool's own command tree is the judge: tools/<tool>/oracle builds it and reads an argv as
//! cobra and pflag do, without running it. Lines are made from the catalogue, legal and half legal;
//! those that the parser accepts are rendered, and the tool must find the same verb, flags, values
//! and operands. It must also understand the caller's own words like that: otherwise a policy would
//! judge something else than what was written.
//!
//! `AIRLOCK_TEST_DIFFERENTIAL` is the number of accepted lines of each tool, `AIRLOCK_TEST_SEED`
//! what they are made from. The oracles are built with Go, from the modules that tools/build uses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics fails"
)]
#![allow(
    clippy::print_stdout,
    reason = "counts and the seed, for whoever runs it"
)]
#![allow(clippy::disallowed_methods, reason = "tests start processes")]

mod kubeconfig;
mod manifest;
mod pod_security;
mod random;
mod request;

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Instant,
};

use kube_airlock::{
    catalogue::{Catalogue, CommandNode, Flag, FlagKind},
    command::{Invocation, parse, split},
    tool::Tool,
    unit::go_duration,
};
use serde::{Deserialize, de::DeserializeOwned};

use random::Random;

#[test]
fn argocd_reads_every_accepted_line_as_the_parser_does() {
    agree("argocd", 1000);
}

#[test]
fn helm_reads_every_accepted_line_as_the_parser_does() {
    agree("helm", 1000);
}

#[test]
fn istioctl_reads_every_accepted_line_as_the_parser_does() {
    agree("istioctl", 1000);
}

#[test]
fn kubectl_reads_every_accepted_line_as_the_parser_does() {
    agree("kubectl", 3000);
}

#[test]
fn an_older_kubectl_reads_every_accepted_line_as_the_parser_does() {
    agree("kubectl-1.36", 1000);
}

/// The oracle's answer (tools/catalogue/oracle).
#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
struct Reading {
    verb: Vec<String>,
    flags: BTreeMap<String, Vec<String>>,
    numbers: BTreeMap<String, String>,
    operands: Vec<String>,
    after_dash: i64,
    early_scan: String,
    refused_flag: String,
    refused_value: String,
    error: String,
}

/// One accepted line.
struct Accepted {
    text: String,
    words: Vec<String>,
    invocation: Invocation,
}

/// Lines that one process of the oracle answers; a tree that is built again leaves memory behind.
const BATCH: usize = 2000;

/// `name` is a folder of tools/: a tool's, or an older version's.
fn agree(name: &str, lines: usize) {
    let (tool, minor) = name.split_once('-').unwrap_or((name, ""));
    let tool: Tool = tool.parse().unwrap();
    let lines = env::var("AIRLOCK_TEST_DIFFERENTIAL").map_or(lines, |text| {
        text.parse().expect("AIRLOCK_TEST_DIFFERENTIAL is a number")
    });
    let seed = env::var("AIRLOCK_TEST_SEED").map_or(0x2545_f491_4f6c_dd1d, |text| {
        text.parse().expect("AIRLOCK_TEST_SEED is a number")
    });
    let carried = Catalogue::carried().unwrap();
    let catalogue = carried
        .into_iter()
        .find(|catalogue| catalogue.tool() == tool && catalogue.version().starts_with(minor))
        .unwrap();
    let oracle = built(name, "./oracle");
    let start = Instant::now();
    let mut author = Author::new(&catalogue, seed);
    let (mut written, mut accepted, mut refused_values) = (0_usize, 0, 0_usize);
    let mut differences = Vec::new();
    while accepted < lines {
        let mut batch = Vec::new();
        while batch.len() < BATCH.min(lines - accepted) {
            written += 1;
            assert!(
                written < 100 * (lines + 100),
                "{tool}: only {accepted} of {written} lines were accepted"
            );
            batch.extend(accept(&catalogue, &author.line()));
        }
        accepted += batch.len();
        let argvs = batch
            .iter()
            .flat_map(|line| [line.invocation.argv(), with_program(tool, &line.words)]);
        let mut readings = ask(&oracle, &argvs.collect::<Vec<_>>()).into_iter();
        for line in &batch {
            let (ours, theirs) = (readings.next().unwrap(), readings.next().unwrap());
            refused_values += usize::from(!ours.refused_flag.is_empty());
            differences.extend(difference(&catalogue, line, &ours, &theirs));
        }
    }
    println!(
        "{name}: {accepted} lines accepted of {written}, {refused_values} with a value that the tool refuses, {} differences, {:.1} s; AIRLOCK_TEST_SEED={seed}",
        differences.len(),
        start.elapsed().as_secs_f64()
    );
    let shown = differences
        .iter()
        .take(20)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join("\n\n");
    assert!(
        differences.is_empty(),
        "{name}: {} of {accepted} lines differ, AIRLOCK_TEST_SEED={seed}\n{shown}",
        differences.len()
    );
}

fn accept(catalogue: &Catalogue, words: &[String]) -> Option<Accepted> {
    let text = shlex::try_join(words.iter().map(String::as_str)).ok()?;
    let words = split(catalogue.tool(), &text).ok()?;
    let invocation = parse(catalogue, words.clone(), None).ok()?;
    Some(Accepted {
        text,
        words,
        invocation,
    })
}

fn with_program(tool: Tool, words: &[String]) -> Vec<String> {
    [tool.as_str().to_owned()]
        .into_iter()
        .chain(words.iter().cloned())
        .collect()
}

/// What is wrong with the tool's readings of one line: of our rendering, and of the caller's words.
fn difference(
    catalogue: &Catalogue,
    line: &Accepted,
    rendered: &Reading,
    written: &Reading,
) -> Option<String> {
    let invocation = &line.invocation;
    let kubectl = catalogue.tool() == Tool::KUBECTL;
    let mut meant = Reading {
        verb: invocation.path().words().to_vec(),
        flags: invocation.flags().clone(),
        numbers: rendered.numbers.clone(),
        operands: [
            invocation.operands(),
            invocation.after_dash().unwrap_or_default(),
        ]
        .concat(),
        after_dash: invocation
            .after_dash()
            .map_or(-1, |_| invocation.operands().len().try_into().unwrap()),
        early_scan: String::new(),
        refused_flag: String::new(),
        refused_value: String::new(),
        error: String::new(),
    };
    // A value that the tool refuses ends it, so what it would have read does no harm; but the
    // parser promises the type of numbers, durations and booleans, and a policy judges what they
    // say.
    let flag = |name: &str| flag_named(catalogue, invocation, name);
    if !rendered.refused_flag.is_empty()
        && flag(&rendered.refused_flag).is_some_and(|flag| flag.kind != FlagKind::Text)
    {
        return Some(format!(
            "{}\n  the tool refuses: {}",
            line.text, rendered.refused_value
        ));
    }
    for (name, value) in invocation.flags() {
        if let Some(held) = rendered.numbers.get(name)
            && !flag(name).is_some_and(|flag| is_same(flag.kind, value.last().unwrap(), held))
        {
            return Some(format!(
                "{}\n  --{name} says {value:?}, and the tool reads {held}",
                line.text
            ));
        }
    }
    meant.refused_flag.clone_from(&rendered.refused_flag);
    meant.refused_value.clone_from(&rendered.refused_value);
    if kubectl {
        meant
            .flags
            .entry("v".into())
            .or_default()
            .insert(0, "0".into());
    }
    if meant != *rendered {
        return Some(format!(
            "{}\n  argv:  {:?}\n  meant: {meant:?}\n  read:  {rendered:?}",
            line.text,
            invocation.argv()
        ));
    }

    // Their own words have no `--v=0` in front (or had, and the parser dropped it), booleans in any
    // spelling, and for kubectl resources in any spelling.
    let mut flags = written.flags.clone();
    for (name, values) in &mut flags {
        // The oracle tells texts; what pflag makes of this one is split at commas (int64_slice.go,
        // Set).
        if flag(name).is_some_and(|flag| flag.kind == FlagKind::IntList) {
            *values = values
                .iter()
                .flat_map(|value| value.split(','))
                .map(str::to_owned)
                .collect();
        }
        if flag(name).is_some_and(|flag| flag.kind == FlagKind::Bool) {
            values.iter_mut().for_each(|value| {
                *value = if ["1", "t", "T", "true", "TRUE", "True"].contains(&value.as_str()) {
                    "true"
                } else {
                    "false"
                }
                .into()
            });
        }
        // Ours are given one by one.
        if flag(name).is_some_and(|flag| flag.kind == FlagKind::List) {
            *values = values
                .iter()
                .flat_map(|value| value.split(',').map(str::to_owned))
                .collect();
        }
    }
    // There is no terminal here: the parser leaves these two out, and says what the first implies.
    if kubectl && !invocation.adjustments().is_empty() {
        flags.remove("tty");
        let stdin = flags.remove("stdin");
        let is_on = |values: Vec<String>| values.last().is_some_and(|value| value == "true");
        if stdin.is_some_and(is_on) && meant.flags.contains_key("attach") {
            flags
                .entry("attach".into())
                .or_insert(vec!["true".to_owned()]);
        }
    }
    // A switch that is off anyway is left out of what only looks.
    for adjustment in invocation.adjustments() {
        let said = adjustment.to_string();
        let word = said
            .strip_prefix("left out `--")
            .and_then(|said| said.split_once("=false`"));
        if let Some((name, _)) = word {
            assert_eq!(
                flags.remove(name),
                Some(vec!["false".to_owned()]),
                "{said}: {}",
                line.text
            );
        }
    }
    if kubectl {
        let own = line.words.first().is_some_and(|word| word == "--v=0");
        flags
            .entry("v".into())
            .or_default()
            .splice(..0, (!own).then(|| "0".to_owned()));
    }
    let same_operands = match kubectl {
        true => written.operands.len() == meant.operands.len(),
        false => written.operands == meant.operands,
    };
    let same = written.verb == meant.verb
        && flags == meant.flags
        && same_operands
        && written.after_dash == meant.after_dash;
    // While cobra looks for the verb it does not know these two, and takes the word behind them for
    // their value, be it `--`. It prints help anyway; the rendering has `--help=true`, which needs
    // no value.
    let help_eats = catalogue
        .lineage(invocation.path())
        .unwrap()
        .last()
        .is_some_and(|node| !node.children.is_empty())
        && line
            .words
            .iter()
            .any(|word| word == "-h" || word == "--help");
    // `-test.run` is for the test binaries of Go, wherever `-t` takes a value (pflag v1.0.10
    // golangflag.go).
    let of_go_test = line.words.iter().any(|word| word.starts_with("-test."));
    let as_meant = same && written.error.is_empty();
    (!as_meant && !help_eats && !of_go_test).then(|| {
        format!(
            "{}\n  words:   {:?}\n  meant:   {meant:?}\n  written: {written:?}",
            line.text, line.words
        )
    })
}

/// Whether the value of a flag and what the tool holds afterwards are the same number.
fn is_same(kind: FlagKind, given: &str, held: &str) -> bool {
    let number = |text: &str| text.parse::<i128>().unwrap();
    // go_duration reads no sign.
    let duration = |text: &str| {
        (
            text.starts_with('-'),
            go_duration(text.trim_start_matches('-')).unwrap(),
        )
    };
    match kind {
        FlagKind::Bool => given == held,
        FlagKind::Duration => duration(given) == duration(held),
        FlagKind::Float => given.parse::<f32>().unwrap() == held.parse::<f32>().unwrap(),
        FlagKind::Int | FlagKind::Uint => number(given) == number(held),
        FlagKind::IntList | FlagKind::List | FlagKind::Text => true,
    }
}

/// The flag of this name that the command has.
fn flag_named<'a>(
    catalogue: &'a Catalogue,
    invocation: &Invocation,
    name: &str,
) -> Option<&'a Flag> {
    let lineage = catalogue.lineage(invocation.path()).unwrap();
    scope(&lineage).into_iter().find(|flag| flag.name == name)
}

/// An oracle, built once for all runs: a package of a module in tools/.
fn built(module: &str, package: &str) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/go-program");
    let output = Command::new(script)
        .args([module, package])
        .stderr(Stdio::inherit())
        .output()
        .expect("tools/go-program starts");
    assert!(
        output.status.success(),
        "{package} of tools/{module} is not built"
    );
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end())
}

/// The tool's readings of these argvs.
fn ask(oracle: &Path, argvs: &[Vec<String>]) -> Vec<Reading> {
    // The environment that a catalogue is generated with: a child's, as far as the tree is
    // concerned.
    let oracle = &mut Command::new(oracle);
    oracle.env_clear().current_dir("/").envs([
        ("HOME", "/nonexistent"),
        ("KUBECTL_KUBERC", "false"),
        ("HELM_NO_PLUGINS", "1"),
    ]);
    let argvs = argvs
        .iter()
        .map(|argv| serde_json::to_string(argv).unwrap());
    answers(oracle, &argvs.collect::<Vec<_>>())
}

/// An oracle's answers, a line of JSON to each line. A thread writes, so that neither waits for the other.
fn answers<T: DeserializeOwned>(oracle: &mut Command, questions: &[String]) -> Vec<T> {
    let mut child = oracle
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("the oracle starts");
    let mut input = BufWriter::new(child.stdin.take().unwrap());
    let output = BufReader::new(child.stdout.take().unwrap());
    let answers: Vec<T> = thread::scope(|scope| {
        scope.spawn(move || {
            for question in questions {
                writeln!(input, "{question}").expect("the oracle reads");
            }
        });
        output
            .lines()
            .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
            .collect()
    });
    assert!(child.wait().unwrap().success(), "the oracle failed");
    assert_eq!(
        answers.len(),
        questions.len(),
        "an answer for each question"
    );
    answers
}

/// The flags that a command accepts: its own, then its ancestors' persistent ones.
fn scope<'a>(lineage: &[&'a CommandNode]) -> Vec<&'a Flag> {
    let (own, ancestors) = lineage.split_last().unwrap();
    let inherited = ancestors
        .iter()
        .rev()
        .flat_map(|node| node.flags.iter().filter(|flag| flag.persistent));
    own.flags.iter().chain(inherited).collect()
}

/// Writes command lines: most of them legal, in every spelling that pflag knows, and some with
/// words where no honest caller puts them.
struct Author<'a> {
    catalogue: &'a Catalogue,
    nodes: Vec<&'a CommandNode>,
    /// Names and aliases of all commands.
    verbs: Vec<&'a str>,
    /// All flags of all commands.
    flags: Vec<&'a Flag>,
    state: u64,
}

impl Random for Author<'_> {
    fn state(&mut self) -> &mut u64 {
        &mut self.state
    }
}

impl<'a> Author<'a> {
    fn new(catalogue: &'a Catalogue, seed: u64) -> Self {
        let nodes: Vec<_> = catalogue.commands().collect();
        let verbs = nodes
            .iter()
            .flat_map(|node| node.aliases.iter().map(String::as_str).chain([node.name()]))
            .collect();
        let flags = nodes.iter().flat_map(|node| &node.flags).collect();
        Self {
            catalogue,
            nodes,
            verbs,
            flags,
            state: seed.max(1),
        }
    }

    /// The words of one line.
    fn line(&mut self) -> Vec<String> {
        let node = self.pick(&self.nodes.clone());
        let lineage = self.catalogue.lineage(&node.path).unwrap();
        let flags = scope(&lineage);
        let everywhere: Vec<_> = lineage[0]
            .flags
            .iter()
            .filter(|flag| flag.persistent)
            .collect();
        let mut words = Vec::new();
        for step in &lineage[1..] {
            if self.chance(15) {
                let flags = if self.chance(90) { &everywhere } else { &flags };
                self.flag(flags, &mut words);
            }
            let names: Vec<&str> = step.aliases.iter().map(String::as_str).collect();
            words.push(
                if !names.is_empty() && self.chance(40) {
                    self.pick(&names)
                } else {
                    step.name()
                }
                .to_owned(),
            );
        }
        for _ in 0..self.below(7) {
            if self.chance(if node.children.is_empty() { 60 } else { 95 }) {
                self.flag(&flags, &mut words);
            } else {
                let operand = self.operand();
                words.push(operand);
            }
        }
        if self.chance(12) {
            words.push("--".into());
            for _ in 0..self.below(4) {
                let word = self.any_word();
                words.push(word);
            }
        }
        if self.chance(15) {
            self.damage(&mut words);
        }
        words
    }

    /// One flag of these in one of its spellings, now and then twice.
    fn flag(&mut self, flags: &[&Flag], words: &mut Vec<String>) {
        let flag = self.pick(flags);
        self.spell(flag, flags, words);
        if self.chance(if flag.repeatable { 40 } else { 3 }) {
            self.spell(flag, flags, words);
        }
    }

    fn spell(&mut self, flag: &Flag, flags: &[&Flag], words: &mut Vec<String>) {
        let value = self.value(flag);
        let bare = flag.value_if_bare.is_some();
        let (name, short) = match flag.shorthand {
            Some(letter) if self.chance(60) => (format!("-{}{letter}", self.group(flags)), true),
            _ if self.chance(1) => (format!("--{}", flag.name.replace('-', "_")), false),
            _ => (format!("--{}", flag.name), false),
        };
        match (bare, self.below(4)) {
            (true, 0 | 1) => words.push(name),
            // The word behind a flag with a bare value is none of it.
            (true, 2) if self.chance(20) => words.extend([name, value]),
            (false, 0) if short => words.push(name + &value),
            (false, 1) => words.extend([name, value]),
            _ => words.push(format!("{name}={value}")),
        }
    }

    /// Letters of flags that take no value, for `-it` and `-Aojson`.
    fn group(&mut self, flags: &[&Flag]) -> String {
        let letters: Vec<char> = flags
            .iter()
            .filter(|flag| flag.value_if_bare.is_some())
            .filter_map(|flag| flag.shorthand)
            .collect();
        if letters.is_empty() || !self.chance(40) {
            return String::new();
        }
        let group: Vec<char> = (0..=self.below(2)).map(|_| self.pick(&letters)).collect();
        // Help ends what else a line could have meant.
        group.into_iter().filter(|letter| *letter != 'h').collect()
    }

    fn value(&mut self, flag: &Flag) -> String {
        if self.chance(3) {
            return self.any_word();
        }
        let values: &[&str] = match flag.kind {
            FlagKind::Bool => &[
                "true", "false", "1", "0", "t", "f", "T", "F", "TRUE", "FALSE", "True", "False",
            ],
            FlagKind::Duration => &[
                "0", "1s", "1m30s", "1.5h", "250ms", ".5s", "1.s", "-1s", "1h1h", "7us", "3µs",
                "1ns",
            ],
            FlagKind::Float => &["0", "1.5", "-2", "1e3", ".5", "1.", "+1"],
            FlagKind::Int => &[
                "0",
                "1",
                "-1",
                "007",
                "08",
                "010",
                "2147483647",
                "-2147483648",
            ],
            FlagKind::Uint => &["0", "1", "007", "4294967295"],
            FlagKind::Text if flag.name == "namespace" => &["default", "web", "a-b", "0"],
            FlagKind::IntList => &["1", "1,2", "-1", "a", "1,b", "", "010", "1,,2"],
            FlagKind::List => &[
                "a",
                "a,b",
                "a,b,c=d",
                "",
                "pods,services",
                "a,,b",
                "\"a,b\"",
                "x,-",
            ],
            FlagKind::Text => match &flag.value_if_bare {
                Some(bare) if self.chance(50) => return bare.clone(),
                _ if self.chance(30) => return self.any_word(),
                _ => &[
                    "json",
                    "yaml",
                    "wide",
                    "name",
                    "true",
                    "false",
                    "none",
                    "server",
                    "client",
                    "a",
                    "a=b",
                    "a=b,c=d",
                    "app in (x, y)",
                    "{.items[*]}",
                ],
            },
        };
        self.pick(values).to_owned()
    }

    fn operand(&mut self) -> String {
        match self.below(10) {
            0 => self.any_word(),
            1 => self.pick(&self.verbs.clone()).to_owned(),
            _ => self
                .pick(&[
                    "pods",
                    "po",
                    "Pod.v1.",
                    "deploy/web",
                    "svc,deploy",
                    "secrets",
                    "web",
                    "web-0",
                    "db",
                    "./chart",
                    "repo/chart",
                    "1.2.3",
                    "a=b",
                    "widgets.v1.example.com",
                ])
                .to_owned(),
        }
    }

    /// Words that a cruder reader takes for something else.
    fn any_word(&mut self) -> String {
        match self.below(8) {
            0 => self.pick(&self.verbs.clone()).to_owned(),
            1 => format!("--{}", self.pick(&self.flags.clone()).name),
            2 => format!("--{}=x", self.pick(&self.flags.clone()).name),
            3 => format!(
                "-{}",
                self.pick(&self.flags.clone()).shorthand.unwrap_or('h')
            ),
            _ => self
                .pick(&[
                    "",
                    "-",
                    "--",
                    "---",
                    "-=",
                    "--=",
                    "=",
                    "-x",
                    "-h",
                    "--help",
                    "-test.v",
                    "-test.run=x",
                    "--v=9",
                    "-v=9",
                    "-v",
                    "9=a-v=1",
                    "/dev/stdin=--kuberc=",
                    "--kuberc",
                    "__complete",
                    "help",
                    "@file",
                    "a b",
                    "'",
                    "\"",
                    "a\\b",
                    "ü",
                    "-1",
                    "a,b",
                    "\"a,b\",c",
                    "a=",
                    "=b",
                    "x--",
                    "--x",
                ])
                .to_owned(),
        }
    }

    /// Puts a word where it does not belong, or takes one away, or changes two.
    fn damage(&mut self, words: &mut Vec<String>) {
        let at = self.below(words.len() + 1);
        match self.below(4) {
            0 if at < words.len() => {
                words.remove(at);
            }
            1 if at < words.len() => {
                let other = self.below(words.len());
                words.swap(at, other);
            }
            2 if at < words.len() => words.insert(at, words[at].clone()),
            _ => {
                let word = self.any_word();
                words.insert(at, word);
            }
        }
    }
}
