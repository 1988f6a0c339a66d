use super::*;
use crate::{
    api::{ReleaseObject, ReleaseResource},
    catalogue::Catalogue,
    command::{parse, split_stages},
};

fn of(line: &str) -> Authority {
    let (tool, command) = line.split_once(' ').unwrap();
    let tool: Tool = tool.parse().unwrap();
    let carried = Catalogue::carried().unwrap();
    let catalogue = carried.iter().find(|it| it.tool() == tool).unwrap();
    let stages = split_stages(tool, command).unwrap();
    Authority::of(&parse(catalogue, stages.command, None).unwrap(), "default")
}

fn lines(line: &str) -> Vec<String> {
    of(line).sentences().map(|it| it.text.clone()).collect()
}

fn explained(authority: &Authority, request: &str) -> Result<String, String> {
    let (method, target) = request.split_once(' ').unwrap();
    let request = ApiRequest::read(method, target).unwrap();
    let explained = authority.explain(&request);
    explained
        .map(|sentence| sentence.text.clone())
        .map_err(|error| error.to_string())
}

#[test]
fn every_table_can_be_read() {
    for tool in Tool::all() {
        let Some(text) = tool.spec().api else {
            continue;
        };
        ApiTable::from_toml(tool, text).unwrap_or_else(|why| panic!("{tool}.api.toml: {why}"));
        assert!(ApiTable::of(tool).is_some());
    }
}

#[test]
fn a_command_is_told_as_lines_that_people_read() {
    assert_eq!(
        lines("kubectl get pods -n web -l app=web"),
        [
            "get /api",
            "get /api/{version}",
            "get /apis",
            "get /apis/{group}/{version}",
            "get namespaces web",
            "list pods in namespace web with labelSelector app=web",
        ]
    );
}

#[test]
fn what_a_write_may_change_is_told_with_it() {
    let of_write = |line: &str| {
        let lines = lines(line);
        let mut writes = lines
            .into_iter()
            .filter(|line| line.contains(", changing "));
        writes.next().unwrap()
    };
    for (line, expected) in [
        (
            "kubectl scale deploy app --replicas=3 -n web",
            "patch, update deployments.apps/scale app in namespace web, changing /spec/replicas = 3",
        ),
        (
            "kubectl label deploy app a.b/c=1 d- -n web",
            "patch deployments.apps app in namespace web, changing /metadata/labels/a.b~1c = 1, /metadata/labels/d = null",
        ),
        (
            "kubectl set image cronjob/c *=i:2 -n web",
            "patch cronjobs.batch c in namespace web, changing /spec/jobTemplate/spec/template/spec/containers/*/image = i:2, /spec/jobTemplate/spec/template/spec/initContainers/*/image = i:2",
        ),
        (
            "kubectl create ns a",
            "create namespaces a, changing nothing but its name",
        ),
    ] {
        assert_eq!(of_write(line), expected, "{line}");
    }
}

#[test]
fn a_refusal_says_what_was_asked_and_how_far_it_was_off() {
    let authority = of("kubectl get pod web-0 -n web");
    for (request, expected) in [
        (
            "GET /api/v1/namespaces/web/secrets",
            "the approved command does not explain list secrets in namespace web",
        ),
        (
            "GET /api/v1/namespaces/payments/pods/web-0",
            "the approved command does not explain get pods web-0 in namespace payments: it is about another namespace",
        ),
        (
            "GET /api/v1/namespaces/web/pods/web-1",
            "the approved command does not explain get pods web-1 in namespace web: neither the command nor an answer to it has that name",
        ),
        (
            "GET /healthz",
            "the approved command does not explain get /healthz",
        ),
        (
            "DELETE /api/v1/pods",
            "the approved command does not explain deletecollection pods of the whole cluster",
        ),
    ] {
        assert_eq!(explained(&authority, request), Err(expected.into()));
    }
    let selects = of("kubectl get pods -n web -l app=web");
    assert_eq!(
        explained(&selects, "GET /api/v1/namespaces/web/pods"),
        Err("the approved command does not explain list pods in namespace web: its query differs in `labelSelector`".into())
    );
}

#[test]
fn names_of_answers_count_for_their_own_resource_and_namespace() {
    let mut authority = of("kubectl delete pods --all -n web");
    let delete = "DELETE /api/v1/namespaces/web/pods/app-1";
    assert!(explained(&authority, delete).is_err());
    let list = |target| ApiRequest::read("GET", target).unwrap();
    // An answer about something else teaches nothing.
    let other = list("/api/v1/namespaces/web/configmaps");
    assert!(!authority.wants(&other));
    authority.learn(&other, [(None, "app-1")]);
    let elsewhere = list("/api/v1/namespaces/payments/pods");
    authority.learn(&elsewhere, [(None, "app-1")]);
    let log = list("/api/v1/namespaces/web/pods/app-1/log");
    authority.learn(&log, [(None, "app-1")]);
    assert!(explained(&authority, delete).is_err());
    let pods = list("/api/v1/namespaces/web/pods");
    assert!(authority.wants(&pods));
    authority.learn(&pods, [(Some("web"), "app-1")]);
    assert!(explained(&authority, delete).is_ok());
    assert!(explained(&authority, "DELETE /api/v1/namespaces/web/pods/app-2").is_err());
}

#[test]
fn a_dry_run_is_told_where_the_body_has_to_say_it() {
    let authority = of("kubectl delete pod web-0 --dry-run=server");
    let request = ApiRequest::read("DELETE", "/api/v1/namespaces/default/pods/web-0").unwrap();
    assert!(authority.explain(&request).unwrap().rehearses_in_body);
    let authority = of("kubectl create configmap a -n web --dry-run=server");
    let request = "/api/v1/namespaces/web/configmaps?dryRun=All";
    let request = ApiRequest::read("POST", request).unwrap();
    let sentence = authority.explain(&request).unwrap();
    assert!(!sentence.rehearses_in_body);
    assert_eq!(sentence.names, ["a"]);
}

#[test]
fn a_table_says_what_is_wrong_with_it() {
    let wrong = |sentence: &str, expected: &str| {
        let text = format!(
            "schema = 1\ntool = \"kubectl\"\n[[verbs]]\nnames = [\"get\"]\nmay = [{sentence}]\n"
        );
        let error = ApiTable::from_toml(Tool::KUBECTL, &text).unwrap_err();
        assert_eq!(error, expected, "{sentence}");
    };
    wrong(
        "\"nosuch\"",
        "verb `get`: sentence 1: there is no set `nosuch`",
    );
    wrong(
        "\"read pods\"",
        "verb `get`: sentence 1: `read` is no verb of a table",
    );
    wrong(
        "\"deletecollection operands\"",
        "verb `get`: sentence 1: `deletecollection` is no verb of a table",
    );
    wrong(
        "\"list pods\", \"get pods\"",
        "verb `get`: sentence 2: `get pods` reaches single objects; `name` has to say which",
    );
    wrong(
        "{ ask = \"get operands\", whon = \"--x\" }",
        "verb `get`: sentence 1: unknown field `whon`, expected one of `ask`, `in`, `name`, `query`, `when`, `of`, `dry_run_in_body`, `changes`, `body`, `shows`, `tells`, `why`",
    );
    wrong(
        "{ ask = \"get operands\", when = \"x\" }",
        "verb `get`: sentence 1: `x` is not \"[no ]--FLAG[=VALUE]\"",
    );
    wrong(
        "\"patch operands\"",
        "verb `get`: sentence 1: it writes: `changes` has to say which fields, or `body = \"any\"` that it may be all",
    );
    wrong(
        "{ ask = \"patch operands\", body = \"any\" }",
        "verb `get`: sentence 1: `patch operands`: `why` has to say why its body may be any",
    );
    wrong(
        "{ ask = \"patch operands\", body = \"any\", changes = \"/a\", why = \"x\" }",
        "verb `get`: sentence 1: `body` is \"any\", \"manifest\" or \"named\", and then there are no `changes`",
    );
    wrong(
        "{ ask = \"patch operands\", changes = \"spec\" }",
        "verb `get`: sentence 1: `spec` is no path of a field",
    );
    wrong(
        "{ ask = \"patch operands\", changes = \"/spec = yes\" }",
        "verb `get`: sentence 1: `yes`: no value is written so",
    );
    wrong(
        "{ ask = \"patch operands\", changes = \"--: /spec\" }",
        "verb `get`: sentence 1: `--` is no flag",
    );
    let twice = "schema = 1\ntool = \"kubectl\"\n[[verbs]]\nnames = [\"get\", \"get\"]\nmay = []\n";
    assert_eq!(
        ApiTable::from_toml(Tool::KUBECTL, twice).unwrap_err(),
        "the verb `get` has two entries"
    );
    assert_eq!(
        ApiTable::from_toml(Tool::HELM, twice).unwrap_err(),
        "it is the table of `kubectl`, not of helm"
    );
}

/// A typing mistake in a table narrows a sentence until it says nothing: every verb and flag that it
/// names is one of its tool.
#[test]
fn a_table_names_verbs_and_flags_that_its_tool_has() {
    let carried = Catalogue::carried().unwrap();
    for tool in Tool::all() {
        let Some(table) = ApiTable::of(tool) else {
            continue;
        };
        let nodes = || {
            let of_tool = carried.iter().filter(|catalogue| catalogue.tool() == tool);
            of_tool.flat_map(Catalogue::commands)
        };
        for verb in table.verbs() {
            let is_verb = |path: &crate::catalogue::CommandPath| table.key(path) == verb;
            assert!(
                nodes().any(|node| is_verb(&node.path)),
                "{tool} has no {verb}"
            );
        }
        for flag in table.flags() {
            let has = nodes().any(|node| node.flags.iter().any(|known| known.name == flag));
            assert!(has, "{tool} has no --{flag}");
        }
    }
}

/// A revision that holds one ConfigMap and one hook.
fn revision(number: u64, name: &str) -> Release {
    let object = |resource: &str, name: &str, is_hook| ReleaseObject {
        resource: ReleaseResource::Named(resource.into()),
        namespace: Some("web".into()),
        name: name.into(),
        is_hook,
    };
    Release {
        revision: number,
        objects: vec![
            object("configmaps", name, false),
            object("jobs.batch", "web-test", true),
        ],
    }
}

/// Takes the revisions in the answer to a request, as far as its sentence says that they count.
fn told(authority: &mut Authority, target: &str, releases: &[Release]) {
    let request = ApiRequest::read("GET", target).unwrap();
    let tells = authority.explain(&request).unwrap().tells;
    if let Some(tells) = tells {
        authority.learn_releases(&request, tells, releases.to_vec());
    }
}

const LIST: &str = "/api/v1/namespaces/web/secrets?labelSelector=name%3Dweb%2Cowner%3Dhelm";
const SECRET: &str = "/api/v1/namespaces/web/secrets/sh.helm.release.v1.web.v";

#[test]
fn what_a_release_holds_is_what_was_read_of_it() {
    let patch = "PATCH /api/v1/namespaces/web/configmaps/now?fieldManager=helm&force=false";
    let mut authority = of("helm rollback web 1 -n web");
    assert!(explained(&authority, patch).is_err());
    told(
        &mut authority,
        LIST,
        &[revision(2, "before"), revision(3, "now")],
    );
    assert!(explained(&authority, patch).is_ok());
    assert!(explained(&authority, "GET /apis/batch/v1/namespaces/web/jobs").is_ok());
    for other in [
        "PATCH /api/v1/namespaces/web/configmaps/now?force=true",
        "PATCH /api/v1/namespaces/web/configmaps/before",
        "PATCH /api/v1/namespaces/payments/configmaps/now",
        "GET /api/v1/namespaces/web/secrets/now",
        "DELETE /api/v1/namespaces/web/configmaps",
        "DELETE /api/v1/namespaces/web/secrets/credential",
        "GET /api/v1/namespaces/web/pods/web-test/log",
    ] {
        assert!(explained(&authority, other).is_err(), "{other}");
    }
    for dry in ["server", "client"] {
        let mut dry = of(&format!("helm rollback web 1 -n web --dry-run={dry}"));
        told(&mut dry, LIST, &[revision(3, "now")]);
        assert!(explained(&dry, patch).is_err());
    }
}

#[test]
fn the_revision_that_counts_is_the_one_that_the_command_is_about() {
    let old = "PATCH /api/v1/namespaces/web/configmaps/old?force=false";
    let counts = |command: &str, answers: &[(&str, u64)]| {
        let mut authority = of(command);
        for (target, number) in answers {
            let name = if *number == 9 { "now" } else { "old" };
            told(&mut authority, target, &[revision(*number, name)]);
        }
        explained(&authority, old).is_ok()
    };
    let one = |number: u64| format!("{SECRET}{number}");
    assert!(counts(
        "helm rollback web 4 -n web",
        &[(LIST, 9), (&one(4), 4)]
    ));
    // Without a number it is the one before the newest.
    assert!(counts(
        "helm rollback web -n web",
        &[(LIST, 9), (&one(8), 8)]
    ));
    assert!(!counts(
        "helm rollback web -n web",
        &[(LIST, 9), (&one(4), 4)]
    ));
    assert!(!counts("helm rollback web -n web", &[(&one(8), 8)]));
    // What is read before it is deleted tells nothing.
    assert!(!counts(
        "helm uninstall web -n web",
        &[(LIST, 9), (&one(4), 4)]
    ));
    // A part of the list, or what it was, has another newest one.
    for narrowed in [
        format!("{LIST}%2Cversion%3D1"),
        format!("{LIST}&limit=1"),
        format!("{LIST}&resourceVersion=1"),
        format!("{LIST}&resourceVersion=1&resourceVersionMatch=Exact"),
    ] {
        assert!(
            !counts("helm rollback web 4 -n web", &[(&narrowed, 1)]),
            "{narrowed}"
        );
    }
}

#[test]
fn only_hooks_are_asked_for_by_what_starts_hooks_alone() {
    let mut test = of("helm test web -n web");
    told(&mut test, LIST, &[revision(3, "now")]);
    let job = "PATCH /apis/batch/v1/namespaces/web/jobs/web-test?force=false";
    assert!(explained(&test, job).is_ok());
    assert!(
        explained(
            &test,
            "GET /api/v1/namespaces/web/pods?labelSelector=job-name%3Dweb-test"
        )
        .is_ok()
    );
    for other in [
        "GET /api/v1/namespaces/web/configmaps/now",
        "PATCH /api/v1/namespaces/web/configmaps/now?force=false",
        "GET /api/v1/namespaces/web/pods?labelSelector=job-name%3Dother",
    ] {
        assert!(explained(&test, other).is_err(), "{other}");
    }
    let mut without = of("helm rollback web 2 -n web --no-hooks");
    told(&mut without, LIST, &[revision(3, "now")]);
    assert!(explained(&without, job).is_err());
}

#[test]
fn a_revision_that_is_written_is_one_of_the_release() {
    let authority = of("helm rollback web 1 -n web");
    let request = ApiRequest::read("POST", "/api/v1/namespaces/web/secrets").unwrap();
    let sentence = authority.explain(&request).unwrap();
    let writes = |name: &str| {
        let body = format!(r#"{{"kind":"Secret","metadata":{{"name":"{name}"}}}}"#);
        sentence.explains_body(&request, "application/json", body.as_bytes())
    };
    assert_eq!(writes("sh.helm.release.v1.web.v12"), Ok(()));
    for other in [
        "sh.helm.release.v1.other.v12",
        "sh.helm.release.v1.web.v",
        "sh.helm.release.v1.web.v1.v2",
        "sh.helm.release.v1.web.v#",
        "credential",
    ] {
        assert!(writes(other).is_err(), "{other}");
    }
}
