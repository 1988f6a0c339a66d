//! Does the upstream standard accept every pod that our levels accept, and ours what it accepts?
//!
//! tools/manifest-oracle/podsecurity is k8s.io/pod-security-admission in its newest version. The pods are its own test
//! cases, of every version of every level, and those with the fields of two cases together.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use kube_airlock::{
    conditions::{ObjectCondition, PodSecurity},
    manifest::{Manifest, ManifestContext},
};
use serde::Deserialize;
use serde_json::Value;

use crate::{answers, built};

#[test]
fn the_levels_accept_the_pods_that_the_upstream_standard_accepts() {
    let mut pods: Vec<(String, Value)> = Vec::new();
    for path in cases() {
        let text = fs::read_to_string(&path).unwrap();
        for object in read(&text).objects() {
            pods.push((path.display().to_string(), object.value().clone()));
        }
    }
    let cases = pods.len();
    assert!(cases >= 1000, "{cases} cases");
    // Neighbours, so that most pairs are of one check, and others far from each other.
    for (step, every) in [(1, 1), (7, 1), (101, 1), (499, 1)] {
        for at in (0..cases).step_by(every) {
            let (name, other) = (&pods[at], &pods[(at + step) % cases]);
            let mut pod = name.1.clone();
            merge(&mut pod, &other.1);
            pods.push((format!("{} with {}", name.0, other.0), pod));
        }
    }
    let theirs = ask(&pods);
    let mut differences = Vec::new();
    let (mut accepted, mut stricter) = ([0_usize; 2], 0_usize);
    for ((name, pod), theirs) in pods.iter().zip(&theirs) {
        assert_eq!(theirs.error, "", "{name}");
        let manifest = read(&pod.to_string());
        let baseline = &theirs.baseline;
        let levels = [
            (PodSecurity::Baseline, &theirs.baseline),
            (PodSecurity::Restricted, &theirs.restricted),
        ];
        for (number, (level, theirs)) in levels.into_iter().enumerate() {
            let ours = ObjectCondition::PodSecurity(level).breach(&manifest.objects()[0]);
            accepted[number] += usize::from(ours.is_none());
            match (&ours, theirs.is_empty()) {
                (None, true) | (Some(_), false) => {}
                // Upstream's `restricted` alone takes a volume of two types, which no API server does.
                (Some(_), true) if !baseline.is_empty() => stricter += 1,
                // Read by clusters until 1.27.
                (Some(breach), true) if breach.path.contains("seccomp.security.alpha") => {
                    stricter += 1;
                }
                _ => differences.push(format!(
                    "{name} {level:?}\n  ours: {ours:?}\n  theirs: {theirs}"
                )),
            }
        }
    }
    println!(
        "{} pods, {} of them upstream's own; {} within baseline, {} within restricted, {stricter} refused here alone; {} differ",
        pods.len(),
        cases,
        accepted[0],
        accepted[1],
        differences.len()
    );
    differences.truncate(10);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(accepted[1] > 100 && accepted[0] > accepted[1]);
}

/// The files of upstream's test cases.
fn cases() -> Vec<PathBuf> {
    let output = Command::new("go")
        .args([
            "list",
            "-m",
            "-f",
            "{{.Dir}}",
            "k8s.io/pod-security-admission",
        ])
        .current_dir("tools/manifest-oracle")
        .env("GOFLAGS", "-mod=readonly")
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success());
    let module = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end());
    let mut folders = vec![module.join("test/testdata")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|end| end == "yaml") => files.push(path),
                false => {}
            }
        }
    }
    files.sort();
    files
}

fn read(text: &str) -> Manifest {
    let context = ManifestContext {
        namespace: "default",
        resolve: &|_, _, _| None,
    };
    Manifest::read(text, &context).unwrap()
}

/// Adds the fields of another value; of two lists the items are merged one by one.
fn merge(into: &mut Value, other: &Value) {
    match (into, other) {
        (Value::Object(fields), Value::Object(others)) => {
            for (key, other) in others {
                match fields.get_mut(key) {
                    Some(field) => merge(field, other),
                    None => drop(fields.insert(key.clone(), other.clone())),
                }
            }
        }
        (Value::Array(items), Value::Array(others)) => {
            for (index, other) in others.iter().enumerate() {
                match items.get_mut(index) {
                    Some(item) => merge(item, other),
                    None => items.push(other.clone()),
                }
            }
        }
        (into, other) => *into = other.clone(),
    }
}

/// The oracle's answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Judgement {
    baseline: String,
    restricted: String,
    error: String,
}

fn ask(pods: &[(String, Value)]) -> Vec<Judgement> {
    let pods: Vec<String> = pods.iter().map(|(_, pod)| pod.to_string()).collect();
    let oracle = &mut Command::new(built("manifest-oracle", "./podsecurity"));
    answers(oracle.env_clear().current_dir("/"), &pods)
}
