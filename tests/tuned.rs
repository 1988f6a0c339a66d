//! Do the tools that we build say what upstream's own builds say? And do they say the same when
//! they were started before there was a request (docs/tuned.md)?
//!
//! What is changed in their sources may change how long they take, and nothing else. Here every
//! command's help is compared; `tests/verbs` compares what some 300 commands print, with upstream's
//! builds in the place of the bare tools. Every third command is asked; `AIRLOCK_TEST_TUNED=all`
//! asks about all.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics fails"
)]
#![allow(clippy::disallowed_methods, reason = "tests start processes")]

use std::{
    env, fs,
    io::{Read, Write},
    net::Shutdown,
    os::{
        fd::AsRawFd,
        unix::{net::UnixStream, process::CommandExt},
    },
    path::PathBuf,
    process::{Child, Command, ExitStatus, Output, Stdio},
    thread,
};

use kube_airlock::catalogue::Catalogue;
use kube_airlock::tool::Tool;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

/// The program, called by the tool's name.
fn program(tool: Tool, name: &str) -> Command {
    let bin = PathBuf::from(
        env::var_os("AIRLOCK_TEST_BIN").expect("AIRLOCK_TEST_BIN is not set: run `make test`"),
    );
    let mut command = Command::new(bin.join(name));
    command
        .arg0(tool.as_str())
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("PATH", "/nonexistent")
        .env("LANG", "C.UTF-8");
    command
}

/// What a program has said, and how it ended.
#[derive(Debug, PartialEq)]
struct Said {
    stdout: String,
    /// Without the time of log lines, which may be a second later for the second program.
    stderr: String,
    status: ExitStatus,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let stderr = String::from_utf8(output.stderr).unwrap();
        let untimed = |line: &str| {
            let parts = ["time=\"", "\"time\":\""]
                .iter()
                .find_map(|opening| line.split_once(opening));
            parts.map_or(line.to_owned(), |(before, after)| {
                before.to_owned() + after.split_once('"').unwrap().1
            })
        };
        Self {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: stderr
                .split('\n')
                .map(untimed)
                .collect::<Vec<_>>()
                .join("\n"),
            status: output.status,
        }
    }
}

/// What the program says.
fn said(tool: Tool, name: String, words: &[String]) -> Said {
    program(tool, &name).args(words).output().unwrap().into()
}

fn agree(tool: Tool) {
    let catalogues = Catalogue::carried().unwrap();
    let newest = catalogues
        .iter()
        .filter(|catalogue| catalogue.tool() == tool)
        .max_by_key(|catalogue| catalogue.version().to_owned());
    let mut asked: Vec<Vec<String>> = newest
        .unwrap()
        .commands()
        .map(|command| command.path.words().to_vec())
        .collect();
    let of_how_many = if env::var_os("AIRLOCK_TEST_TUNED").is_some_and(|count| count == "all") {
        1
    } else {
        3
    };
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
                    let (ours, upstreams) = (
                        said(tool, tool.to_string(), words),
                        said(tool, format!("{tool}-stock"), words),
                    );
                    assert_eq!(ours, upstreams, "{tool} {words:?}");
                }
            });
        }
    });
}

#[test]
fn argocd_says_what_upstreams_says() {
    agree(Tool::ARGOCD);
}

#[test]
fn helm_says_what_upstreams_says() {
    agree(Tool::HELM);
}

#[test]
fn istioctl_says_what_upstreams_says() {
    agree(Tool::ISTIOCTL);
}

#[test]
fn kubectl_says_what_upstreams_says() {
    agree(Tool::KUBECTL);
}

/// Our build of a tool that has been started without a request, and the socket on which it waits
/// for one.
struct Warm {
    child: Child,
    peer: UnixStream,
}

impl Warm {
    fn start(tool: Tool) -> Self {
        let (mut peer, theirs) = UnixStream::pair().unwrap();
        fcntl(&theirs, FcntlArg::F_SETFD(FdFlag::empty())).unwrap(); // it is inherited
        let mut command = program(tool, tool.as_str());
        command.env("AIRLOCK_WARM", theirs.as_raw_fd().to_string());
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0];
        peer.read_exact(&mut ready).unwrap();
        let expected = if [Tool::KUBECTL, Tool::HELM].contains(&tool) {
            b"d"
        } else {
            b"r"
        };
        assert_eq!(ready, *expected, "{tool}");
        Self { child, peer }
    }

    /// What it says when these fields are all that it is told.
    fn told(mut self, fields: &[&str]) -> Said {
        let message: String = fields.iter().map(|field| format!("{field}\0")).collect();
        self.peer.write_all(message.as_bytes()).unwrap();
        self.peer.shutdown(Shutdown::Write).unwrap();
        self.child.wait_with_output().unwrap().into()
    }

    /// What it says when these are the words and variables of its request.
    fn asked(self, words: &[&str], variables: &[&str]) -> Said {
        let count = words.len().to_string();
        self.told(
            &[
                &["4294967296", "60", "1073741824", &count],
                words,
                variables,
            ]
            .concat(),
        )
    }
}

const TOOLS: [Tool; 4] = [Tool::ARGOCD, Tool::HELM, Tool::ISTIOCTL, Tool::KUBECTL];

#[test]
fn a_tool_that_was_started_before_its_request_says_what_it_says_else() {
    for tool in TOOLS {
        let version = match tool.as_str() {
            "helm" => "version",
            "istioctl" => "version --remote=false",
            _ => "version --client",
        };
        for line in [
            version,
            "--help",
            "help version",
            "version --help",
            "",
            "nosuch",
            "version --nosuch",
            "completion bash",
        ] {
            let words: Vec<&str> = line.split_whitespace().collect();
            let cold: Said = program(tool, tool.as_str())
                .args(&words)
                .output()
                .unwrap()
                .into();
            assert!(cold.stdout.len() + cold.stderr.len() > 0, "{tool} {line}");
            let warm = Warm::start(tool).asked(&[&[tool.as_str()], words.as_slice()].concat(), &[]);
            assert_eq!(warm, cold, "{tool} {line}");
        }
    }
}

#[test]
fn a_tool_that_was_started_before_its_request_has_the_requests_variables() {
    // Nothing of them is read before: each changes what is said about a server that nobody is.
    let rows: [(Tool, &[&str], &[&str]); 4] = [
        (
            Tool::ARGOCD,
            &["app", "list", "--plaintext"],
            &["ARGOCD_SERVER=127.0.0.1:9", "ARGOCD_AUTH_TOKEN=a.b.c"],
        ),
        (Tool::HELM, &["list"], &["HTTPS_PROXY=http://127.0.0.1:9"]),
        (
            Tool::ISTIOCTL,
            &["tag", "list"],
            &["HTTPS_PROXY=http://127.0.0.1:9"],
        ),
        (
            Tool::KUBECTL,
            &["get", "--raw", "/healthz"],
            &["HTTPS_PROXY=http://127.0.0.1:9"],
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("config");
    let text = "{clusters: [{name: c, cluster: {server: 'https://192.0.2.1'}}], users: [{name: u, user: {token: t}}], \
                contexts: [{name: c, context: {cluster: c, user: u}}], current-context: c}";
    fs::write(&kubeconfig, text).unwrap();
    let kubeconfig = format!("KUBECONFIG={}", kubeconfig.display());
    for (tool, words, variables) in rows {
        let variables = [variables, &[kubeconfig.as_str()]].concat();
        let of_cold = variables
            .iter()
            .map(|variable| variable.split_once('=').unwrap());
        let cold: Said = program(tool, tool.as_str())
            .args(words)
            .envs(of_cold)
            .output()
            .unwrap()
            .into();
        let warm = Warm::start(tool).asked(&[&[tool.as_str()], words].concat(), &variables);
        assert_eq!(warm, cold, "{tool}");
        assert!(
            cold.stderr.contains("refused"),
            "{tool} asks the proxy that nobody listens as: {cold:?}"
        );
    }
}

#[test]
fn a_tool_without_a_use_ends() {
    for tool in TOOLS {
        let ended = Warm::start(tool).told(&[]);
        assert_eq!(
            (
                ended.status.code(),
                ended.stdout.as_str(),
                ended.stderr.as_str()
            ),
            (Some(0), "", ""),
            "{tool}"
        );
    }
}

#[test]
fn a_tool_that_cannot_be_handed_a_request_says_nothing() {
    for tool in TOOLS {
        let name = tool.as_str();
        for fields in [
            &["1073741824", "60", "1073741824", "2", name][..],
            &["", "60", "1073741824", "1", name],
            &["1", "1", "1", "1", name, "A"],
        ] {
            let ended = Warm::start(tool).told(fields);
            assert_eq!(
                (
                    ended.status.code(),
                    ended.stdout.as_str(),
                    ended.stderr.as_str()
                ),
                (Some(125), "", ""),
                "{tool} {fields:?}"
            );
        }
    }
}
