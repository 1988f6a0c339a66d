//! Makes `tests/corpus/api-traces/` anew: runs the command lines of `commands/` against a demo cluster
//! whose API server writes an audit log, and takes the requests from that.
//!
//! `cargo test --test api -- --ignored records`, some minutes, with `AIRLOCK_RECORD=helm` for one tool
//! alone; then read the difference.

use std::{
    env, fs,
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use kube_airlock::api::{ApiRequest, Release};
use serde_json::{Value, json};

use crate::{
    harness::{Cluster, audited_programs, tools},
    invocation,
    traces::{Trace, Traced, written},
};

const POLICY: &str = "
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules: [{level: RequestResponse}]
";

#[test]
#[ignore = "writes tests/corpus/api-traces/; some minutes"]
fn records() {
    let work = tempfile::tempdir().unwrap();
    let bin = audited_programs(work.path(), POLICY);
    let cluster = Cluster::of(&bin, &["--with", "istio"]);
    let objects = fs::read_to_string(folder("tests/api/objects.yaml")).unwrap();
    assert!(cluster.as_admin(&["apply", "-f", "-"], &objects));
    thread::sleep(Duration::from_secs(10));
    let mut recorder = Recorder {
        log: fs::File::open(work.path().join("audit.log")).unwrap(),
        kubeconfig: cluster.admin.clone(),
        home: work.path().to_owned(),
        rest: String::new(),
    };
    recorder.take("");
    let mut unexplained = Vec::new();
    for tool in ["kubectl", "helm", "istioctl"] {
        if env::var("AIRLOCK_RECORD").is_ok_and(|only| only != tool) {
            continue;
        }
        let commands = folder(&format!("tests/api/commands/{tool}.txt"));
        let traces = recorder.traces(&fs::read_to_string(commands).unwrap());
        let mut text = String::from(HEAD);
        for trace in traces {
            unexplained.extend(trace.unexplained());
            text.push_str(&trace.written());
        }
        fs::write(folder(&format!("tests/corpus/api-traces/{tool}.tsv")), text).unwrap();
    }
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
}

const HEAD: &str = "\
# What real tools asked of a real API server: a command line, then its requests with the names
# that were in the answers. Made by `tests/api/record.rs`.
";

/// A path of the repository.
pub fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

struct Recorder {
    log: fs::File,
    kubeconfig: PathBuf,
    home: PathBuf,
    rest: String,
}

impl Recorder {
    /// What the tools ask for these command lines.
    fn traces(&mut self, commands: &str) -> Vec<Trace> {
        let mut traces = Vec::new();
        for line in commands.lines() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(prepares) = line.strip_prefix("! ") {
                self.run(&words(prepares), Duration::from_secs(30));
                self.take("");
                continue;
            }
            let (bound, line) = match line.strip_prefix('@') {
                Some(rest) => rest.split_once(' ').unwrap(),
                None => ("25", line),
            };
            let argv = invocation(line).argv();
            self.run(&argv, Duration::from_secs(bound.parse().unwrap()));
            traces.push(Trace {
                line: line.to_owned(),
                requests: self.take(line),
            });
        }
        traces
    }

    fn run(&self, argv: &[String], bound: Duration) {
        let tools = tools();
        // What a discovery cache knows is not asked.
        let _ = fs::remove_dir_all(self.home.join(".kube"));
        let mut child = Command::new("timeout")
            .arg(bound.as_secs().to_string())
            .arg(tools.join(&argv[0]))
            .args(&argv[1..])
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap())
            .env("HOME", &self.home)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("KUBECTL_KUBERC", "false")
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = String::new();
        let mut stderr = child.stderr.take().unwrap();
        stderr.read_to_string(&mut errors).unwrap();
        let status = child.wait().unwrap();
        if !status.success() {
            println!("{status}: {}\n    {}", argv.join(" "), errors.trim());
        }
    }

    /// The requests that the tool of a command line has made since the last time. The log is complete
    /// when it stands still: watches and streams are in it once they have ended.
    fn take(&mut self, line: &str) -> Vec<Traced> {
        let mut text = std::mem::take(&mut self.rest);
        let until = Instant::now() + Duration::from_millis(700);
        while Instant::now() < until {
            thread::sleep(Duration::from_millis(100));
            let at = self.log.stream_position().unwrap();
            // What was read is read; a file that grows has more.
            self.log.seek(SeekFrom::Start(at)).unwrap();
            self.log.read_to_string(&mut text).unwrap();
        }
        let (whole, rest) = text.rsplit_once('\n').unwrap_or(("", &text));
        self.rest = rest.to_owned();
        let events = whole
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let agent = format!("{}/", line.split(' ').next().unwrap());
        let mut events: Vec<Value> = events
            .filter(|event| {
                let of = event["userAgent"].as_str().unwrap_or_default();
                of.to_lowercase().starts_with(&agent)
            })
            .collect();
        events.sort_by_key(|event| {
            event["requestReceivedTimestamp"]
                .as_str()
                .unwrap()
                .to_owned()
        });
        events.iter().map(|event| traced(line, event)).collect()
    }
}

fn traced(line: &str, event: &Value) -> Traced {
    let method = match event["verb"].as_str().unwrap() {
        "create" | "post" => "POST",
        "update" | "put" => "PUT",
        "patch" => "PATCH",
        "delete" | "deletecollection" => "DELETE",
        _ => "GET",
    };
    let target = event["requestURI"].as_str().unwrap();
    let request = ApiRequest::read(method, target).unwrap();
    let of = event["objectRef"]["resource"].as_str().unwrap_or("events");
    let answer = &event["responseObject"];
    let mut names = Vec::new();
    let mut note = |metadata: &Value| {
        let text = |key: &str| metadata[key].as_str().unwrap_or_default().to_owned();
        let name = format!("{}/{}", text("namespace"), text("name"));
        if name.len() > 1 && !names.contains(&name) {
            names.push(name);
        }
    };
    // Nothing is asked by the name of an event; a Status names what failed.
    if of != "events" && answer["kind"] != "Status" {
        let items = answer["items"].as_array().into_iter().flatten();
        items.for_each(|item| note(&item["metadata"]));
        let rows = answer["rows"].as_array().into_iter().flatten();
        rows.for_each(|row| note(&row["object"]["metadata"]));
        if request.verb != kube_airlock::api::ApiVerb::List {
            note(&answer["metadata"]);
        }
    }
    let sent = &event["requestObject"];
    let body = match sent {
        // What is created is in the log with all of the server's defaults.
        _ if method == "POST" => String::new(),
        // Of a release it is the whole chart, and may be anything.
        _ if of == "secrets" && method == "PUT" => String::new(),
        Value::Null => String::new(),
        sent => format!("{} {sent}", form(line, method, target, sent)),
    };
    let subresource = &event["objectRef"]["subresource"];
    let edits = ["kubectl taint ", "kubectl set subject "];
    let compared = match (&answer["kind"], method) {
        (kind, "GET") if kind == "Scale" && subresource == "scale" => answer.to_string(),
        (kind, "GET") if kind == "Namespace" && line.contains("--enroll-namespace") => {
            answer.to_string()
        }
        (_, "GET") if edits.iter().any(|verb| line.starts_with(verb)) => {
            let items = answer["items"].as_array().cloned();
            let items = items.unwrap_or_else(|| vec![answer.clone()]).into_iter();
            let items = items.filter(|item| item["metadata"]["name"].is_string());
            let lists: Vec<Value> = items.map(|item| with_lists(&item)).collect();
            match lists.is_empty() {
                true => String::new(),
                false => json!({ "items": lists }).to_string(),
            }
        }
        _ => String::new(),
    };
    let namespace = event["objectRef"]["namespace"].as_str().unwrap_or_default();
    let releases = match of {
        "secrets" => Release::all_in(answer.to_string().as_bytes(), namespace),
        _ => Vec::new(),
    };
    Traced {
        method: method.to_owned(),
        target: target.to_owned(),
        names,
        body,
        answer: compared,
        releases: releases.iter().map(written).collect(),
    }
}

/// Of an object, the lists that commands edit.
fn with_lists(object: &Value) -> Value {
    let named = &object["metadata"];
    json!({
        "metadata": {"name": named["name"], "namespace": named["namespace"]},
        "spec": {"taints": object["spec"]["taints"]},
        "subjects": object["subjects"],
    })
}

/// In which form a body was sent, which the audit log does not have: typed clients' protobuf is JSON
/// in it, and a patch is in the form of its command.
fn form(line: &str, method: &str, target: &str, sent: &Value) -> &'static str {
    let merges = ["label ", "annotate ", "scale ", "--type=merge"];
    match method {
        "PATCH" if sent.is_array() => "json",
        "PATCH" if target.contains("force=") => "apply",
        "PATCH" if line.starts_with("istioctl waypoint apply") => "apply",
        "PATCH" if merges.iter().any(|word| line.contains(word)) => "merge",
        "PATCH" => "strategic",
        _ => "object",
    }
}
