//! Do the tools that we build say what upstream's own builds say?
//!
//! What is changed in their sources (tools/build) may change how long they take, and nothing else. Here every command's
//! help is compared; `tests/verbs` compares what some 300 commands print, with upstream's builds in the place of the bare tools.
//! Every third command is asked; `AIRLOCK_TEST_TUNED=all` asks about all.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test that panics fails")]
#![allow(clippy::disallowed_methods, reason = "tests start processes")]

use std::{
    env,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, Output},
    thread,
};

use kube_airlock::catalogue::{Catalogue, Tool};

/// What the program says, called by the tool's name.
fn said(tool: Tool, program: String, words: &[String]) -> Output {
    let bin = PathBuf::from(env::var_os("AIRLOCK_TEST_BIN").expect("AIRLOCK_TEST_BIN is not set: run `make test`"));
    let mut command = Command::new(bin.join(program));
    command.arg0(tool.as_str()).args(words).env_clear().env("HOME", "/nonexistent").env("PATH", "/nonexistent").env("LANG", "C.UTF-8");
    command.output().unwrap()
}

fn agree(tool: Tool) {
    let catalogues = Catalogue::carried().unwrap();
    let newest = catalogues.iter().filter(|catalogue| catalogue.tool() == tool).max_by_key(|catalogue| catalogue.version().to_owned());
    let mut asked: Vec<Vec<String>> = newest.unwrap().commands().map(|command| command.path.words().to_vec()).collect();
    let of_how_many = if env::var_os("AIRLOCK_TEST_TUNED").is_some_and(|count| count == "all") { 1 } else { 3 };
    asked = asked
        .into_iter()
        .step_by(of_how_many)
        .map(|mut words| {
            words.push("--help".into());
            words
        })
        .collect();
    let spell = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    asked.extend(["nosuch", "--nosuch", "version --nosuch", "help", "options"].map(spell));
    assert!(asked.len() > 20, "the catalogue has so many commands");
    thread::scope(|scope| {
        for part in asked.chunks(asked.len().div_ceil(2)) {
            scope.spawn(move || {
                for words in part {
                    let (ours, upstreams) = (said(tool, tool.to_string(), words), said(tool, format!("{tool}-stock"), words));
                    assert_eq!(ours, upstreams, "{tool} {words:?}");
                }
            });
        }
    });
}

#[test]
fn argocd_says_what_upstreams_says() {
    agree(Tool::Argocd);
}

#[test]
fn helm_says_what_upstreams_says() {
    agree(Tool::Helm);
}

#[test]
fn istioctl_says_what_upstreams_says() {
    agree(Tool::Istioctl);
}

#[test]
fn kubectl_says_what_upstreams_says() {
    agree(Tool::Kubectl);
}
