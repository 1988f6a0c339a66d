//! The requests that real tools made, held against the authority of their commands.

use std::{collections::BTreeSet, fmt::Write as _, fs};

use kube_airlock::{
    api::{ApiRequest, ApiTable, Release, ReleaseObject, ReleaseResource},
    catalogue::Catalogue,
};

use crate::{authority, bodies::media_type, record::folder};

/// One command line, and what its tool asked.
pub struct Trace {
    pub line: String,
    pub requests: Vec<Traced>,
}

/// One request, and the objects that its answer named: `NAMESPACE/NAME`, `/NAME`.
pub struct Traced {
    pub method: String,
    pub target: String,
    pub names: Vec<String>,
    /// What it changed or deleted with: the form, as [`media_type`] has it, and the JSON.
    pub body: String,
    /// Of what its answer was, what later bodies are compared with.
    pub answer: String,
    /// The revisions of a release in its answer: `REVISION RESOURCE:NAMESPACE/NAME…`, with a `!` before
    /// a hook and a `?` before a kind that no table holds.
    pub releases: Vec<String>,
}

impl Trace {
    /// The traces of a file.
    pub fn read(text: &str) -> Vec<Self> {
        let mut traces: Vec<Self> = Vec::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some(request) = line.strip_prefix('\t') else {
                traces.push(Self {
                    line: line.to_owned(),
                    requests: Vec::new(),
                });
                continue;
            };
            let mut columns = request.split('\t').map(str::to_owned);
            let mut column = || columns.next().unwrap_or_default();
            let (method, target) = (column(), column());
            let names = column().split_whitespace().map(str::to_owned).collect();
            let (body, answer) = (column(), column());
            let releases = columns.collect();
            traces.last_mut().unwrap().requests.push(Traced {
                method,
                target,
                names,
                body,
                answer,
                releases,
            });
        }
        traces
    }

    /// The trace as its file has it.
    pub fn written(&self) -> String {
        let mut text = format!("{}\n", self.line);
        for request in &self.requests {
            let names = request.names.join(" ");
            let Traced {
                method,
                target,
                body,
                answer,
                releases,
                ..
            } = request;
            let releases = releases.join("\t");
            let line = format!("\t{method}\t{target}\t{names}\t{body}\t{answer}\t{releases}");
            writeln!(text, "{}", line.trim_end()).unwrap();
        }
        text
    }

    /// The requests that the command does not explain, a line each.
    pub fn unexplained(&self) -> Vec<String> {
        let mut authority = authority(&self.line);
        let mut lines = Vec::new();
        for traced in &self.requests {
            let request = ApiRequest::read(&traced.method, &traced.target).unwrap();
            let tells = match authority.explain(&request) {
                Ok(sentence) => sentence.tells,
                Err(error) => {
                    lines.push(format!("{}\n    {error}\n    {}", self.line, traced.target));
                    None
                }
            };
            if let Some(tells) = tells {
                let releases = traced.releases.iter().map(|text| release(text)).collect();
                authority.learn_releases(&request, tells, releases);
            }
            if let Some((form, body)) = traced.body.split_once(' ')
                && let Err(error) =
                    authority.explain_body(&request, media_type(form), body.as_bytes())
            {
                let (line, target) = (&self.line, &traced.target);
                lines.push(format!("{line}\n    {error}\n    {target}\n    {body}"));
            }
            if !traced.answer.is_empty() {
                authority.learn_answer(&request, traced.answer.as_bytes());
            }
            let names = traced.names.iter().map(|name| {
                let (namespace, name) = name.split_once('/').unwrap();
                ((!namespace.is_empty()).then_some(namespace), name)
            });
            authority.learn(&request, names);
        }
        lines
    }
}

/// A revision as a file has it.
pub fn release(text: &str) -> Release {
    let mut words = text.split(' ');
    let revision = words.next().unwrap().parse().unwrap();
    let objects = words.map(|word| {
        let (resource, object) = word.split_once(':').unwrap();
        let (namespace, name) = object.split_once('/').unwrap();
        let is_hook = resource.starts_with('!');
        let resource = resource.trim_start_matches('!');
        let resource = match resource
            .strip_prefix('?')
            .map(|it| it.split_once('.').unwrap())
        {
            None => ReleaseResource::Named(resource.to_owned()),
            Some((kind, group)) => ReleaseResource::Custom {
                group: group.to_owned(),
                kind: kind.to_owned(),
            },
        };
        ReleaseObject {
            resource,
            namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
            name: name.to_owned(),
            is_hook,
        }
    });
    let objects = objects.collect();
    Release { revision, objects }
}

/// A revision as a file has it.
pub fn written(release: &Release) -> String {
    let objects = release.objects.iter().map(|object| {
        let hook = if object.is_hook { "!" } else { "" };
        let resource = match &object.resource {
            ReleaseResource::Named(resource) => resource.clone(),
            ReleaseResource::Custom { group, kind } => format!("?{kind}.{group}"),
        };
        let namespace = object.namespace.as_deref().unwrap_or_default();
        format!(" {hook}{resource}:{namespace}/{}", object.name)
    });
    format!("{}{}", release.revision, objects.collect::<String>())
}

fn corpus() -> Vec<Trace> {
    let files = fs::read_dir(folder("tests/corpus/api-traces")).unwrap();
    let text = |file: fs::DirEntry| fs::read_to_string(file.path()).unwrap();
    let texts = files.map(|file| text(file.unwrap()));
    texts.flat_map(|text| Trace::read(&text)).collect()
}

#[test]
fn every_request_of_an_honest_tool_is_explained() {
    let traces = corpus();
    let requests: usize = traces.iter().map(|trace| trace.requests.len()).sum();
    assert!(traces.len() >= 300 && requests >= 1600, "{requests}");
    let bodies = traces.iter().flat_map(|trace| &trace.requests);
    let bodies = bodies.filter(|request| request.method == "PATCH" && !request.body.is_empty());
    assert!(bodies.count() >= 50);
    let unexplained: Vec<String> = traces.iter().flat_map(Trace::unexplained).collect();
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
}

/// A verb whose requests nobody recorded has a table that nobody held against its tool.
#[test]
fn every_verb_that_asks_something_is_in_the_corpus() {
    let traced: BTreeSet<String> = corpus()
        .iter()
        .filter(|trace| !trace.requests.is_empty())
        .map(|trace| {
            let invocation = crate::invocation(&trace.line);
            format!("{} {}", invocation.tool(), invocation.path())
        })
        .collect();
    let mut missing = BTreeSet::new();
    for catalogue in Catalogue::carried().unwrap() {
        let tool = catalogue.tool();
        let Some(table) = ApiTable::of(tool) else {
            continue;
        };
        let of_tool = catalogue.commands();
        let runnable: Vec<_> = of_tool.filter(|node| node.never().is_none()).collect();
        let without: Vec<String> = runnable
            .iter()
            .filter(|node| !table.has(&node.path))
            .map(|node| node.path.to_string())
            .collect();
        assert!(
            without.is_empty(),
            "without an entry they ask nothing: {without:?}"
        );
        for node in runnable.iter().filter(|node| table.asks(&node.path)) {
            let verb = format!("{} {}", catalogue.tool(), node.path);
            if !traced.contains(&verb) {
                missing.insert(verb);
            }
        }
    }
    for verb in UNTRACED {
        assert!(missing.remove(*verb), "{verb} is in the corpus by now");
    }
    assert!(missing.is_empty(), "{missing:?}");
}

/// What cannot run against the demo cluster, or reads a text of its request: `tests/service/` runs those.
const UNTRACED: &[&str] = &[
    "kubectl apply",
    "kubectl create",
    "kubectl create secret tls",
    "kubectl replace",
];
