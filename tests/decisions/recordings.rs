//! Would an agent that had this service in the place of typed tools have read what it read? The tool calls of a
//! recorded evaluation, written as the command lines that say the same, under `read-only`.
//!
//! A recording is what mcpchecker writes (`results[].callHistory.ToolCalls[].request.Params`). The one in
//! `tests/corpus/recording.json` is written by hand in that form. Public ones lie in the repository
//! `containers/kubernetes-mcp-server`, under `evals/results`, in many revisions; none is kept here.
//! `AIRLOCK_TEST_RECORDINGS=FOLDER cargo test --test decisions recorded -- --nocapture` replays every `*.json`
//! below FOLDER as well, and prints what is refused.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{CORPUS, explained};

/// What a call comes to.
#[derive(Debug, PartialEq, Eq)]
enum Meant {
    /// A command that only looks.
    Reads(&'static str, String),
    /// A command that changes something, or runs a program.
    Writes,
    /// Something that none of the tools does: another server's metrics and traces.
    Elsewhere,
}

/// The command line that says what a tool call says.
fn meant(tool: &str, arguments: &Value) -> Meant {
    let text = |key: &str| match &arguments[key] {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let mut words: Vec<String> = Vec::new();
    let name = || text("name").into_iter();
    let kubectl = |first: &[&str]| {
        first
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let is_one = match tool {
        "pods_list" | "pods_list_in_namespace" => {
            words.extend(kubectl(&["get", "pods", "-o", "wide"]));
            false
        }
        "namespaces_list" => {
            words.extend(kubectl(&["get", "namespaces"]));
            true
        }
        "projects_list" => {
            words.extend(kubectl(&["get", "projects.v1.project.openshift.io"]));
            true
        }
        "events_list" => {
            words.extend(kubectl(&["get", "events", "--sort-by=.lastTimestamp"]));
            false
        }
        "resources_list" | "resources_get" => {
            words.push("get".into());
            words.push(resource(
                &text("apiVersion").unwrap_or_default(),
                &text("kind").unwrap_or_default(),
            ));
            words.extend(name());
            let is_one = tool == "resources_get";
            words.extend(kubectl(if is_one { &["-o", "yaml"] } else { &[] }));
            is_one
        }
        "pods_get" => {
            words.extend(kubectl(&["get", "pod"]));
            words.extend(name());
            words.extend(kubectl(&["-o", "yaml"]));
            true
        }
        "pods_log" | "kiali_get_logs" => {
            words.push("logs".into());
            words.extend(name());
            words.extend(text("container").map(|container| format!("--container={container}")));
            words.extend(text("tail").map(|tail| format!("--tail={tail}")));
            words.extend((arguments["previous"] == true).then(|| "--previous".to_owned()));
            true
        }
        "pods_top" => {
            words.extend(kubectl(&["top", "pod"]));
            words.extend(name());
            arguments["all_namespaces"] != true
        }
        "nodes_top" => {
            words.extend(kubectl(&["top", "node"]));
            words.extend(name());
            true
        }
        "nodes_stats_summary" => {
            let node = text("name").unwrap_or_default();
            return Meant::Reads(
                "kubectl",
                format!("get --raw /api/v1/nodes/{node}/proxy/stats/summary"),
            );
        }
        "configuration_view" => {
            words.extend(kubectl(&["config", "view"]));
            words.extend((arguments["minified"] != false).then(|| "--minify".to_owned()));
            true
        }
        "configuration_contexts_list" => {
            words.extend(kubectl(&["config", "get-contexts"]));
            true
        }
        "helm_list" => {
            let everywhere = arguments["all_namespaces"] == true;
            let namespace = text("namespace").map(|namespace| format!("--namespace={namespace}"));
            let words = ["list".to_owned()].into_iter().chain(if everywhere {
                Some("-A".to_owned())
            } else {
                namespace
            });
            return Meant::Reads("helm", words.collect::<Vec<_>>().join(" "));
        }
        "kiali_manage_istio_config_read" if arguments["action"] == "get" => {
            let kind = text("kind").unwrap_or_default();
            let version = text("version").unwrap_or_default();
            words.push("get".into());
            words.push(resource(
                &format!("{}/{version}", text("group").unwrap_or_default()),
                &kind,
            ));
            words.extend(text("object"));
            words.extend(kubectl(&["-o", "yaml"]));
            true
        }
        "kiali_manage_istio_config_read" => {
            words.extend(kubectl(&[
                "get",
                "virtualservices,destinationrules,peerauthentications,authorizationpolicies",
            ]));
            false
        }
        _ if tool.starts_with("kiali_") || tool.starts_with("netobserv_") => {
            return Meant::Elsewhere;
        }
        "tekton_pipelinerun_logs" | "tekton_taskrun_logs" | "vm_guest_info" | "vm_troubleshoot" => {
            return Meant::Elsewhere;
        }
        _ => return Meant::Writes,
    };
    match text("namespace") {
        Some(namespace) => words.push(format!("--namespace={namespace}")),
        None if !is_one => words.push("--all-namespaces".into()),
        None => {}
    }
    for (key, flag) in [
        ("labelSelector", "selector"),
        ("label_selector", "selector"),
        ("fieldSelector", "field-selector"),
    ] {
        words.extend(text(key).map(|value| format!("--{flag}={value}")));
    }
    let line = shlex::try_join(words.iter().map(String::as_str)).unwrap();
    Meant::Reads("kubectl", line)
}

/// `Deployment` of the API's own, `pipelines.v1.tekton.dev` of anybody else's.
fn resource(version: &str, kind: &str) -> String {
    let (group, version) = version.rsplit_once('/').unwrap_or(("", version));
    let is_own = !group.contains('.') || group.ends_with(".k8s.io") && !group.contains("gateway");
    if is_own {
        return kind.to_owned();
    }
    // As kubectl's own guess has it (apimachinery, meta.UnsafeGuessKindToResource).
    let lower = kind.to_lowercase();
    let plural = match lower.strip_suffix('y') {
        Some(stem) if !lower.ends_with("ay") => format!("{stem}ies"),
        _ if lower.ends_with('s') => format!("{lower}es"),
        _ => format!("{lower}s"),
    };
    format!("{plural}.{version}.{group}")
}

/// The calls of a recording: the tool and its arguments.
fn calls(file: &Path) -> Vec<(String, Value)> {
    let recording: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let of_a_run = |run: &Value| {
        let calls = run["callHistory"]["ToolCalls"].as_array().cloned();
        calls.unwrap_or_default()
    };
    let results = recording["results"].as_array().or(recording.as_array());
    let calls = results.unwrap().iter().flat_map(of_a_run);
    calls
        .map(|call| {
            let mut asked = call["request"]["Params"].clone();
            let name = asked["name"].as_str().unwrap().to_owned();
            (name, asked["arguments"].take())
        })
        .collect()
}

/// Every `*.json` below a folder.
fn recordings(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(recordings(&path)),
            false if path.extension().is_some_and(|end| end == "json") => found.push(path),
            false => {}
        }
    }
    found.sort();
    found
}

#[test]
fn a_recorded_call_is_the_command_that_says_the_same() {
    for (tool, arguments, command) in [
        ("pods_list", json!({}), "get pods -o wide --all-namespaces"),
        (
            "resources_get",
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "namespace": "shop"}),
            "get Deployment web -o yaml '--namespace=shop'",
        ),
        (
            "resources_list",
            json!({"apiVersion": "tekton.dev/v1", "kind": "Pipeline", "labelSelector": "app in (a, b)"}),
            "get pipelines.v1.tekton.dev --all-namespaces '--selector=app in (a, b)'",
        ),
        (
            "pods_log",
            json!({"name": "web-0", "namespace": "shop", "tail": 200, "previous": true}),
            "logs web-0 '--tail=200' --previous '--namespace=shop'",
        ),
        (
            "configuration_view",
            json!({"minified": true}),
            "config view --minify",
        ),
    ] {
        assert_eq!(
            meant(tool, &arguments),
            Meant::Reads("kubectl", command.into())
        );
    }
    assert_eq!(
        meant("pods_delete", &json!({"name": "web-0"})),
        Meant::Writes
    );
    assert_eq!(meant("kiali_get_metrics", &json!({})), Meant::Elsewhere);
}

#[test]
fn recorded_reads_pass_and_no_other_call_is_counted() {
    let mut files = vec![PathBuf::from(format!("{CORPUS}/recording.json"))];
    if let Some(folder) = env::var_os("AIRLOCK_TEST_RECORDINGS") {
        files = recordings(Path::new(&folder));
        assert!(!files.is_empty(), "{} holds no recording", folder.display());
    }
    let mut commands: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let (mut writes, mut elsewhere) = (0, 0);
    for (tool, arguments) in files.iter().flat_map(|file| calls(file)) {
        match meant(&tool, &arguments) {
            Meant::Reads(tool, command) => commands.entry(tool).or_default().push(command),
            Meant::Writes => writes += 1,
            Meant::Elsewhere => elsewhere += 1,
        }
    }
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    let mut reads = 0;
    for (tool, commands) in &commands {
        let lines: Vec<&str> = commands.iter().map(String::as_str).collect();
        for (line, found) in lines.iter().zip(explained("read-only", tool, &lines)) {
            reads += 1;
            if found["effect"] != "allow" {
                let why = format!("{tool} {line}\n    {} ({})", found["reason"], found["hint"]);
                *refused.entry(why).or_default() += 1;
            }
        }
    }
    let refusals: usize = refused.values().sum();
    for (why, times) in &refused {
        println!("{times:5} {why}");
    }
    println!("{reads} reads, {refusals} refused; {writes} writes, {elsewhere} of other servers");
    assert!(reads > 20, "{reads} reads");
    assert!(
        refusals * 100 <= reads * 2,
        "{refusals} of {reads} reads are refused"
    );
}
