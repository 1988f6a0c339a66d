//! Is a tool added by its own three files? `fifth` is a small cobra program; `fifth.rs` says all
//! that is peculiar to it, `fifth-1.0.json` is its catalogue and `fifth.hazards.toml` its classes.
//! Nothing else of this server names it.
//!
//! The test is its own server: with `serve` as its first word it is `kube-airlock`, with one tool
//! more. Without the test harness, because a server forks its spawner while there is one thread.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that panics fails, and this one builds a program"
)]
#![allow(clippy::print_stdout, reason = "the lines of a test runner")]

mod fifth;
#[path = "../harness/mod.rs"]
mod harness;

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, ExitCode},
};

use kube_airlock::{
    catalogue::{self, Catalogue},
    command::{CommandError, parse, split},
    policy::{Policy, PolicySource},
    tool::Tool,
};

use fifth::FIFTH;
use harness::Server;

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fifth_tool");

/// A test of this program; it panics when it fails.
type Check = fn(Tool);

fn main() -> ExitCode {
    let tool = Tool::add(&FIFTH).expect("nothing has looked at the tools yet");
    if env::args().nth(1).is_some_and(|word| word == "serve") {
        return kube_airlock::cli::run();
    }
    let tests: [(&str, Check); 4] = [
        (
            "its_catalogue_is_its_own_tree_and_every_verb_and_flag_has_a_class",
            its_catalogue_is_its_own_tree_and_every_verb_and_flag_has_a_class,
        ),
        (
            "its_words_are_read_by_its_catalogue",
            its_words_are_read_by_its_catalogue,
        ),
        (
            "a_policy_about_it_loads_with_its_examples",
            a_policy_about_it_loads_with_its_examples,
        ),
        (
            "a_server_runs_it_as_it_runs_the_others",
            a_server_runs_it_as_it_runs_the_others,
        ),
    ];
    for (name, test) in tests {
        test(tool);
        println!("test {name} ... ok");
    }
    println!(
        "\ntest result: ok. {} passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
        tests.len()
    );
    ExitCode::SUCCESS
}

/// The catalogue that this build carries of it.
fn its_catalogue(tool: Tool) -> Catalogue {
    Catalogue::carried()
        .unwrap()
        .into_iter()
        .find(|catalogue| catalogue.tool() == tool)
        .expect("it has a catalogue")
}

/// `go` in the folder of its program.
fn go(words: &[&str]) -> Command {
    let mut go = Command::new("go");
    go.args(words)
        .current_dir(Path::new(HERE).join("program"))
        .envs([
            ("CGO_ENABLED", "0"),
            ("GOFLAGS", "-mod=readonly"),
            ("GOWORK", "off"),
        ]);
    go
}

fn its_catalogue_is_its_own_tree_and_every_verb_and_flag_has_a_class(tool: Tool) {
    let printed = go(&["run", "./catalogue"]).output().unwrap();
    assert!(
        printed.status.success(),
        "{}",
        String::from_utf8_lossy(&printed.stderr)
    );
    assert_eq!(
        String::from_utf8(printed.stdout).unwrap(),
        FIFTH.catalogues[0]
    );
    assert_eq!(its_catalogue(tool).version(), "1.0.3");
    let unclassed = catalogue::unclassed(&Catalogue::carried().unwrap()).unwrap();
    assert_eq!(unclassed, Vec::<String>::new());
}

fn its_words_are_read_by_its_catalogue(tool: Tool) {
    let catalogue = its_catalogue(tool);
    let read = |text| parse(&catalogue, split(tool, text).unwrap(), None);
    let greeting = read("fifth hello world -t 2").unwrap();
    assert_eq!(greeting.argv(), ["fifth", "greet", "--times=2", "world"]);
    assert_eq!(greeting.names(), ["world"]);
    assert_eq!((greeting.is_offline(), greeting.never()), (false, None));
    assert!(read("version").unwrap().is_offline());
    let never = read("read /etc/passwd").unwrap();
    assert_eq!(
        never.never().unwrap().to_string(),
        "`fifth read` is never allowed: prints a file of this machine"
    );
    let refused = read("greet world --loud").unwrap_err();
    assert!(
        matches!(refused, CommandError::UnknownFlag { tool: of, .. } if of == tool),
        "{refused:?}"
    );
    let help = read("fifth").unwrap_err().help();
    assert_eq!(
        help,
        "name one, for example `greet world`; `fifth --help` lists them"
    );
}

fn a_policy_about_it_loads_with_its_examples(_: Tool) {
    let file = PolicySource::alone("policy.toml", include_str!("policy.toml").into());
    let loaded = Policy::load(&[file], &Catalogue::carried().unwrap());
    assert!(loaded.is_ok(), "{:?}", loaded.err());
}

fn a_server_runs_it_as_it_runs_the_others(_: Tool) {
    let tools = tempfile::tempdir().unwrap();
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(tools.path(), open).unwrap();
    let program = tools.path().join("fifth");
    let built = go(&["build", "-trimpath", "-o", program.to_str().unwrap(), "."]);
    let status = { built }.status().unwrap();
    assert!(status.success());
    let server = Server::of(
        &env::current_exe().unwrap(),
        &[
            "--tools-dir",
            tools.path().to_str().unwrap(),
            "--policy",
            &format!("{HERE}/policy.toml"),
        ],
    );
    harness::eventually("the tool is available", || {
        let fifth = &server.get("/tools/status").json()["tools"]["fifth"];
        fifth["state"] == "available" && fifth["version"] == "1.0.3"
    });
    let call = |command: &str| {
        let body = serde_json::json!({ "command": command }).to_string();
        let json = [("Content-Type", "application/json")];
        server.send("POST", "/tools/fifth", &json, body.as_bytes())
    };
    for (command, status, code, output) in [
        (
            "hello world -t 2",
            200,
            None,
            "Good day, world\nGood day, world\n",
        ),
        (
            "greet world | tr a-z A-Z",
            503,
            Some("tool_unavailable"),
            "",
        ),
        ("greet moon", 403, Some("policy_denied"), ""),
        ("read /etc/passwd", 403, Some("policy_denied"), ""),
        ("greet world --loud", 422, Some("invalid_command"), ""),
    ] {
        let reply = call(command);
        let body = reply.json();
        assert_eq!(
            (reply.status, body["code"].as_str(), body["output"].as_str()),
            (status, code, Some(output)),
            "{command}: {body}"
        );
    }
    let paths = server.get("/openapi.json").json()["paths"].clone();
    assert_eq!(paths["/tools/fifth"]["post"]["operationId"], "fifth");
}
