//! What does the shipped policy say to a command line, and the kubeconfig room to a kubeconfig?

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that panics fails")]

use kube_airlock::{
    catalogue::{Catalogue, Tool},
    command::{parse, split},
    egress::Allowed,
    endpoint::EndpointHost,
    kubeconfig::Kubeconfig,
    policy::{Decision, Policy, PolicyFile, Target},
    secret::SecretBytes,
};

fn read_only() -> (Policy, Vec<Catalogue>) {
    let catalogues = Catalogue::carried().unwrap();
    let file = PolicyFile { name: "read-only.toml".into(), text: include_str!("../../policy/read-only.toml").into() };
    let policy = Policy::load(&[file], &catalogues).unwrap_or_else(|error| panic!("{error}"));
    (policy, catalogues)
}

/// `Ok` with the rule, or `Err` with the reason.
fn decide(policy: &Policy, catalogues: &[Catalogue], tool: Tool, text: &str) -> Result<String, String> {
    let catalogue = catalogues.iter().find(|catalogue| catalogue.tool() == tool).ok_or("no catalogue")?;
    let words = split(tool, text).map_err(|error| error.to_string())?;
    let invocation = parse(catalogue, words, None).map_err(|error| error.to_string())?;
    match policy.decide(invocation, &Target::default()) {
        Decision::Allow(approved) => Ok(approved.rule()),
        Decision::Confirm(denied) | Decision::Deny(denied) => Err(denied.reason),
    }
}

#[test]
fn every_row_of_the_read_only_corpus_gets_its_decision() {
    let (policy, catalogues) = read_only();
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/commands-read-only.tsv")).unwrap();
    let mut wrong = Vec::new();
    for line in text.lines().skip(1) {
        let mut columns = line.split('\t');
        let (tool, command, expected) = (columns.next().unwrap(), columns.next().unwrap(), columns.next().unwrap());
        let command = unescape(command);
        let found = decide(&policy, &catalogues, tool.parse().unwrap(), &command);
        if found.is_ok() != (expected == "allow") {
            wrong.push(format!("{tool} {command:?}: expected {expected}, found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_kubeconfig_of_the_corpus_gets_its_decision() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/kubeconfig");
    let index = std::fs::read_to_string(format!("{folder}/INDEX.tsv")).unwrap();
    let mut wrong = Vec::new();
    for line in index.lines().skip(1) {
        let mut columns = line.split('\t');
        let (file, expected) = (columns.next().unwrap(), columns.next().unwrap());
        let bytes = SecretBytes::new(std::fs::read(format!("{folder}/{file}")).unwrap());
        let found = Kubeconfig::parse(&bytes, None).map_err(|error| error.to_string()).and_then(|kubeconfig| {
            // Names are not resolved here; a literal address is vetted as the egress room would.
            match kubeconfig.endpoint().host() {
                EndpointHost::Address(address) => {
                    Allowed::default().vet(*address, kubeconfig.endpoint().port(), &[]).map_err(|why| why.as_str().to_owned())
                }
                EndpointHost::Name(_) => Ok(()),
            }
        });
        if found.is_ok() != (expected == "accept") {
            wrong.push(format!("{file}: expected {expected}, found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} files:\n{}", wrong.len(), wrong.join("\n"));
}

/// The corpus's escapes: `\n \r \t \0 \xHH \u{HEX} \\`.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let code = |hex: &str| char::from_u32(u32::from_str_radix(hex, 16).unwrap()).unwrap();
        rest = match after.as_bytes()[0] {
            b'n' => {
                out.push('\n');
                &after[1..]
            }
            b'r' => {
                out.push('\r');
                &after[1..]
            }
            b't' => {
                out.push('\t');
                &after[1..]
            }
            b'0' => {
                out.push('\0');
                &after[1..]
            }
            b'x' => {
                out.push(code(&after[1..3]));
                &after[3..]
            }
            b'u' => {
                let end = after.find('}').unwrap();
                out.push(code(&after[2..end]));
                &after[end + 1..]
            }
            b'\\' => {
                out.push('\\');
                &after[1..]
            }
            other => panic!("unknown escape {other}"),
        };
    }
    out + rest
}
