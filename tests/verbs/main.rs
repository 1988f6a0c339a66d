//! Do the verbs of the four tools work as well confined as bare?
//!
//! A table per tool: what agents and operators ask for, in order, since later rows need what
//! earlier ones made. Every row runs under all layers, for a server that was started as root and
//! reaches its cluster through the tunnel, and for one in the place of a restricted pod beside its
//! cluster. What the bare tool answers the same each time is held against its answer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics fails"
)]
#![allow(clippy::disallowed_methods, reason = "tests start processes")]

mod argocd;
#[path = "../harness/mod.rs"]
mod harness;
mod helm;
mod istioctl;
mod kubectl;

use std::{
    ffi::OsStr,
    fs,
    net::SocketAddr,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{LazyLock, Mutex, PoisonError},
    thread,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use harness::{
    Relay, Server, eventually, full_cluster, is_root, probe, public_tools, restricted_pod, tools,
};
use kube_airlock::{
    catalogue::Catalogue,
    command::{parse, split_stages},
};

/// One command line and what becomes of it. `{ns}` stands for the run's own namespace, `{repo}` for
/// Argo CD's repository.
pub struct Row {
    command: &'static str,
    expected: Expected,
    /// In the output or among the errors.
    says: &'static str,
}

enum Expected {
    /// It exits so, and the bare tool exits and prints the same.
    Same(i32),
    /// It succeeds, and the bare tool prints the same lines, in an order that is another one each
    /// time.
    SameLines,
    /// It exits so.
    Exits(i32),
    /// It is refused with this code.
    Refused(&'static str),
}

/// Succeeds, and the bare tool prints the same.
fn same(command: &'static str, says: &'static str) -> Row {
    Row {
        command,
        expected: Expected::Same(0),
        says,
    }
}

/// Succeeds, and the bare tool prints the same lines: several pods in the order of a Go map.
fn same_lines(command: &'static str, says: &'static str) -> Row {
    Row {
        command,
        expected: Expected::SameLines,
        says,
    }
}

/// Fails like the bare tool.
fn fails(command: &'static str, status: i32, says: &'static str) -> Row {
    Row {
        command,
        expected: Expected::Same(status),
        says,
    }
}

/// Succeeds: it changes something, or its answer is another one each time.
fn does(command: &'static str, says: &'static str) -> Row {
    Row {
        command,
        expected: Expected::Exits(0),
        says,
    }
}

/// Exits with another status than 0; what the bare tool prints would differ.
fn exits(command: &'static str, status: i32, says: &'static str) -> Row {
    Row {
        command,
        expected: Expected::Exits(status),
        says,
    }
}

/// Is refused before anything runs.
fn refused(command: &'static str, code: &'static str, says: &'static str) -> Row {
    Row {
        command,
        expected: Expected::Refused(code),
        says,
    }
}

const LAYERS: [&str; 13] = [
    "session",
    "rlimits",
    "user",
    "capabilities",
    "parent-death",
    "no-new-privileges",
    "write-xor-execute",
    "egress",
    "descriptors",
    "landlock-fs",
    "landlock-net",
    "landlock-scope",
    "seccomp",
];

/// Whether a command has no network, and so no connections that a layer could be about.
fn is_offline(tool: &str, command: &str) -> bool {
    static CARRIED: LazyLock<Vec<Catalogue>> = LazyLock::new(|| Catalogue::carried().unwrap());
    CARRIED
        .iter()
        .filter(|catalogue| catalogue.tool().as_str() == tool)
        .any(|catalogue| {
            let stages = split_stages(catalogue.tool(), command).unwrap();
            let invocation = parse(catalogue, stages.command, None);
            invocation.is_ok_and(|invocation| invocation.is_offline())
        })
}

/// What of a cluster both runs change: they take turns.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn every_verb_works_for_children_with_users_of_their_own() {
    assert!(
        is_root(),
        "this test starts a server as root; see CONTRIBUTING.md"
    );
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // `make soak` runs this once more where the tools speak to the API server themselves.
    let judging = std::env::var("AIRLOCK_TEST_JUDGING");
    let judging = judging.as_deref().unwrap_or("require");
    let relay = Relay::to(full_cluster().server);
    let stand = Stand::new("verbs-root", relay.address, judging, |flags| {
        Server::with_capabilities("+setuid,+setgid,+setpcap,+kill,+chown", flags)
    });
    stand.run_all(&LAYERS);
    if judging == "off" {
        let connections = relay.connections();
        assert!(
            connections >= kubectl::rows().len(),
            "{connections} connections came through the tunnel"
        );
    }
}

#[test]
fn every_verb_works_in_a_restricted_pod() {
    assert!(
        is_root(),
        "this test becomes another user and needs root; see CONTRIBUTING.md"
    );
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    probe(); // built by now
    // And every API request of kubectl, helm and istioctl is one that its command explains.
    let stand = Stand::new("verbs-pod", full_cluster().server, "require", |flags| {
        Server::behind(restricted_pod(), flags)
    });
    let status = fs::read_to_string(format!("/proc/{}/status", stand.server.pid())).unwrap();
    for line in [
        "Uid:\t65532\t65532\t65532\t65532",
        "CapEff:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ] {
        assert!(status.contains(line), "{line}: {status}");
    }
    // There is one user for all: nothing to apply.
    let layers: Vec<&str> = LAYERS
        .into_iter()
        .filter(|layer| *layer != "user")
        .collect();
    stand.run_all(&layers);
}

/// A server, and what the rows need of the cluster.
struct Stand {
    server: Server,
    namespace: &'static str,
    repository: String,
    /// The administrator's kubeconfig with the address that the rows use, and argocd's authority.
    kubeconfig: PathBuf,
    authority: PathBuf,
    _folder: tempfile::TempDir,
}

impl Stand {
    fn new(
        namespace: &'static str,
        api_server: SocketAddr,
        judging: &str,
        start: impl FnOnce(&[&str]) -> Server,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let policy = file("policy.toml", include_str!("policy.toml"));
        let config = file(
            "airlock.toml",
            &format!(
                "policy = [{policy:?}]\n[kubeconfig]\nallow_tls_server_name = true\n[api]\nkubectl = \"{judging}\"\nhelm = \"{judging}\"\nistioctl = \"{judging}\"\n"
            ),
        );
        let local = api_server == full_cluster().server;
        let kubeconfig = if local {
            fs::read_to_string(&full_cluster().admin).unwrap()
        } else {
            full_cluster().admin_at(api_server)
        };
        let kubeconfig = file("kubeconfig", &kubeconfig);
        let authority = file("ca.pem", &harness::argocd().ca);
        let (api_server, argocd) = (api_server.to_string(), harness::argocd().server.to_string());
        let flags = [
            "--tools-dir",
            public_tools().to_str().unwrap(),
            "--config",
            config.to_str().unwrap(),
        ];
        let server = start(
            &[
                &flags[..],
                &["--egress-allow", &api_server, "--egress-allow", &argocd],
            ]
            .concat(),
        );
        let mut stand = Self {
            server,
            namespace,
            repository: String::new(),
            kubeconfig,
            authority,
            _folder: folder,
        };
        stand.prepare();
        stand
    }

    /// What only the bare tools can make: a release of a chart, and rights for Argo CD's account.
    fn prepare(&mut self) {
        self.must("kubectl", &["create", "namespace", self.namespace]);
        let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/verbs/chart");
        self.must(
            "helm",
            &["install", "web", chart, "--namespace", self.namespace],
        );
        self.must(
            "helm",
            &[
                "upgrade",
                "web",
                chart,
                "--namespace",
                self.namespace,
                "--set",
                "greeting=hi",
            ],
        );
        let administrator = r#"{"data":{"policy.csv":"g, agent, role:admin\n"}}"#;
        self.must(
            "kubectl",
            &[
                "-n",
                "argocd",
                "patch",
                "configmap",
                "argocd-rbac-cm",
                "--type=merge",
                "-p",
                administrator,
            ],
        );
        eventually("Argo CD takes the rights", || {
            self.must("argocd", &["account", "can-i", "delete", "projects", "*"])
                .contains("yes")
        });
        let repositories: serde_json::Value =
            serde_json::from_str(&self.must("argocd", &["repo", "list", "-o", "json"])).unwrap();
        self.repository = repositories[0]["repo"].as_str().unwrap().to_owned();
        eventually("all tools are there", || {
            let tools = self.server.get("/tools/status").json()["tools"].clone();
            tools
                .as_object()
                .unwrap()
                .values()
                .all(|tool| tool["state"] == "available")
        });
    }

    fn run_all(&self, layers: &[&str]) {
        let tables = [
            ("kubectl", kubectl::rows()),
            ("helm", helm::rows()),
            ("istioctl", istioctl::rows()),
            ("argocd", argocd::rows()),
        ];
        // One tool alone, for whoever adds rows: `AIRLOCK_TEST_VERBS=argocd`.
        let only = std::env::var("AIRLOCK_TEST_VERBS").ok();
        let tables: Vec<_> = tables
            .into_iter()
            .filter(|(tool, _)| only.as_ref().is_none_or(|only| only == tool))
            .collect();
        let rows: Vec<_> = tables
            .iter()
            .flat_map(|(tool, rows)| rows.iter().map(move |row| (*tool, row)))
            .collect();
        let wrong: Vec<String> = rows
            .iter()
            .filter_map(|(tool, row)| {
                self.run(tool, row, layers)
                    .err()
                    .map(|why| format!("{tool} {}: {why}", row.command))
            })
            .collect();
        assert!(
            wrong.is_empty(),
            "{} of {} rows:\n{}",
            wrong.len(),
            rows.len(),
            wrong.join("\n")
        );
        let records = self.server.records();
        let of_tools = records.iter().filter(|record| record["event"] == "end");
        let weaker: Vec<_> = of_tools
            .filter(|record| record["layers_missing"] != serde_json::json!([]))
            .collect();
        assert!(weaker.is_empty(), "{weaker:?}");
        eventually("nothing is left", || {
            self.server.children().is_empty() && self.server.workspaces().is_empty()
        });
    }

    fn run(&self, tool: &str, row: &Row, layers: &[&str]) -> Result<(), String> {
        let found = self.judge(tool, row, layers);
        match row.expected {
            // The cluster may have changed between the two answers: a node renews its lease every
            // ten seconds.
            Expected::Same(_) | Expected::SameLines => {
                found.or_else(|_| self.judge(tool, row, layers))
            }
            Expected::Exits(_) | Expected::Refused(_) => found,
        }
    }

    fn judge(&self, tool: &str, row: &Row, layers: &[&str]) -> Result<(), String> {
        let command = row
            .command
            .replace("{ns}", self.namespace)
            .replace("{repo}", &self.repository);
        let (reply, bare) = thread::scope(|scope| {
            let bare = matches!(row.expected, Expected::Same(_) | Expected::SameLines)
                .then(|| scope.spawn(|| self.bare(tool, &words(&command))));
            (
                self.ask(tool, &command),
                bare.map(|bare| bare.join().unwrap()),
            )
        });
        let text = |key: &str| reply[key].as_str().unwrap_or_default();
        let status = match row.expected {
            Expected::Refused(code)
                if reply["code"] == code
                    && format!("{} {}", text("reason"), text("hint")).contains(row.says) =>
            {
                return Ok(());
            }
            Expected::Refused(_) => return Err(reply.to_string()),
            Expected::Same(status) | Expected::Exits(status) => status,
            Expected::SameLines => 0,
        };
        if reply["exit_code"] != status
            || !format!("{}\n{}", text("output"), text("error")).contains(row.says)
        {
            return Err(reply.to_string());
        }
        let confined = &reply["sandbox"];
        let has_network = !is_offline(tool, &command);
        let applied = layers
            .iter()
            .filter(|layer| **layer != "egress" || has_network);
        if confined["enforced"] != serde_json::json!(applied.collect::<Vec<_>>())
            || confined["partial"] != serde_json::Value::Null
            || confined["missing"] != serde_json::json!([])
        {
            return Err(format!("not all layers: {confined}"));
        }
        let Some((bare_status, bare_output, bare_errors)) = bare else {
            return Ok(());
        };
        let lines = |text: &str| {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        let same = |bare: &str, confined: &str| match row.expected {
            Expected::SameLines => lines(bare) == lines(confined),
            _ => without_ages(bare) == without_ages(confined),
        };
        if bare_status == Some(status)
            && same(&bare_output, text("output"))
            && same(&bare_errors, text("error"))
        {
            return Ok(());
        }
        Err(format!(
            "{reply}\n  bare: {bare_status:?} {bare_output:?} {bare_errors:?}"
        ))
    }

    fn ask(&self, tool: &str, command: &str) -> serde_json::Value {
        let body = serde_json::json!({ "command": command }).to_string();
        let sent = match tool {
            "argocd" => vec![
                ("X-Argocd-Server", harness::argocd().server.to_string()),
                ("X-Argocd-Auth-Token", harness::argocd().token.clone()),
                ("X-Argocd-Ca", BASE64_STANDARD.encode(&harness::argocd().ca)),
            ],
            _ => vec![(
                "X-Kubeconfig",
                BASE64_STANDARD.encode(fs::read(&self.kubeconfig).unwrap()),
            )],
        };
        let mut headers = vec![("Content-Type", "application/json")];
        headers.extend(sent.iter().map(|(name, value)| (*name, value.as_str())));
        self.server
            .send("POST", &format!("/tools/{tool}"), &headers, body.as_bytes())
            .json()
    }

    /// The tool as its user would call it, built as upstream builds it: its exit status, its output
    /// and its errors.
    fn bare(&self, tool: &str, words: &[impl AsRef<OsStr>]) -> (Option<i32>, String, String) {
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new(tools().join(format!("{tool}-stock")));
        command
            .arg0(tool)
            .args(words)
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null());
        match tool {
            "argocd" => bare_argocd(&mut command, &self.authority),
            _ => command.env("KUBECONFIG", &self.kubeconfig),
        };
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    }

    /// What has to work for the rows to mean something.
    fn must(&self, tool: &str, words: &[&str]) -> String {
        let (status, output, errors) = self.bare(tool, words);
        assert_eq!(status, Some(0), "{tool} {words:?}: {output}{errors}");
        output
    }
}

fn words(command: &str) -> Vec<String> {
    shlex::split(command).unwrap()
}

/// The words, and one for whatever tells an age: it is in seconds, and gone when the other tool
/// asks.
fn without_ages(text: &str) -> Vec<&str> {
    let is_age = |word: &str| {
        let word = word.trim_matches(['(', ')', ',']);
        word.starts_with(|c: char| c.is_ascii_digit())
            && word.ends_with(['s', 'm', 'h'])
            && word
                .bytes()
                .all(|b| b.is_ascii_digit() || b"smhd".contains(&b))
    };
    text.split_whitespace()
        .map(|word| if is_age(word) { "an age" } else { word })
        .collect()
}

fn bare_argocd<'a>(command: &'a mut Command, authority: &Path) -> &'a mut Command {
    let argocd = harness::argocd();
    command
        .env("ARGOCD_SERVER", argocd.server.to_string())
        .env("ARGOCD_AUTH_TOKEN", &argocd.token)
        .env("SSL_CERT_FILE", authority)
}
