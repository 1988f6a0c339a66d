//! What do rules say to commands, together and around each other's corners?

mod dead_rules;
mod dodges;
mod foot_guns;
mod hostile;
mod lookups;
mod objects;

use std::{
    num::{NonZeroU32, NonZeroU64},
    sync::OnceLock,
    time::SystemTime,
};

use super::{
    Decision, Effect, Explained, Explainer, Facts, Policy, PolicyError, PolicySource, RuleBounds,
    Target,
};
use crate::{
    catalogue::Catalogue,
    command::{Filter, parse, split, split_stages},
    data::SentFiles,
    secret::SecretString,
    tool::Tool,
};

pub(super) fn load(text: &str) -> Result<Policy, PolicyError> {
    let files = [PolicySource::alone("p.toml", text.into())];
    Policy::load(&files, carried()).map_err(|mut errors| errors.0.remove(0))
}

fn carried() -> &'static [Catalogue] {
    static CARRIED: OnceLock<Vec<Catalogue>> = OnceLock::new();
    CARRIED.get_or_init(|| Catalogue::carried().unwrap())
}

/// What rules say to a command of kubectl, with its filters.
fn decides(lines: &[&str], command: &str, target: &Target) -> Effect {
    decides_at(lines, command, target, None)
}

fn decides_at(lines: &[&str], command: &str, target: &Target, now: Option<SystemTime>) -> Effect {
    let policy = load(&rules(lines)).unwrap_or_else(|error| panic!("{lines:?}: {error}"));
    effect_of(&policy, Tool::KUBECTL, command, target, now)
}

fn decides_in(policy: &Policy, command: &str, target: &Target) -> Effect {
    effect_of(policy, Tool::KUBECTL, command, target, None)
}

fn decides_with(policy: &Policy, tool: Tool, command: &str) -> Effect {
    effect_of(policy, tool, command, &Target::default(), None)
}

fn effect_of(
    policy: &Policy,
    tool: Tool,
    command: &str,
    target: &Target,
    now: Option<SystemTime>,
) -> Effect {
    let stages = split_stages(tool, command).unwrap();
    let filters: Vec<Filter> = stages
        .filters
        .into_iter()
        .map(|words| Filter::parse(words).unwrap())
        .collect();
    let mut catalogues = carried().iter();
    let catalogue = catalogues
        .find(|catalogue| catalogue.tool() == tool)
        .unwrap();
    let invocation = parse(catalogue, stages.command, None).unwrap();
    let facts = Facts::new(&invocation, target).through(&filters);
    match policy.decide(now.map_or(facts, |now| facts.at(now))) {
        Decision::Allow(_) => Effect::Allow,
        Decision::Confirm(_) => Effect::Confirm,
        Decision::Deny(_) => Effect::Deny,
    }
}

pub(super) const HEAD: &str =
    "schema = 1\n[[rule]]\nid = \"a\"\neffect = \"allow\"\nreason = \"r\"\ntool = \"kubectl\"\n";

#[test]
fn deny_beats_allow_whatever_the_order() {
    let rule = |id: &str, effect: &str| {
        format!(
            "[[rule]]\nid = \"{id}\"\neffect = \"{effect}\"\nreason = \"r\"\ntool = \"kubectl\"\nverbs = [\"get\"]\n"
        )
    };
    for text in [
        format!("schema = 1\n{}{}", rule("a", "allow"), rule("d", "deny")),
        format!("schema = 1\n{}{}", rule("d", "deny"), rule("a", "allow")),
    ] {
        let policy = load(&text).unwrap();
        let catalogues = Catalogue::carried().unwrap();
        let invocation = parse(&catalogues[0], vec!["get".into(), "pods".into()], None).unwrap();
        assert!(
            matches!(policy.decide(Facts::new(&invocation, &Target::default())), super::Decision::Deny(denied) if denied.rule.as_ref().unwrap().id == "d")
        );
    }
}

#[test]
fn a_rule_is_about_its_callers_and_clusters() {
    use super::Decision as D;
    let policy = load(&format!(
        "{HEAD}verbs = [\"get\"]\nresources = [\"pods\"]\nprincipals = [\"ci-*\"]\ngroups = [\"sre\"]\nclusters = [\"*.staging.example.com\"]\nmatches = [\"kubectl get pods\"]\n"
    ))
    .unwrap();
    let asked = |principal: &str, groups: &[&str], cluster: &[&str]| {
        let catalogues = Catalogue::carried().unwrap();
        let invocation = parse(&catalogues[0], vec!["get".into(), "pods".into()], None).unwrap();
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let target = Target {
            principal: principal.into(),
            groups: own(groups),
            cluster: own(cluster),
            ..Target::default()
        };
        matches!(policy.decide(Facts::new(&invocation, &target)), D::Allow(_))
    };
    let staging = &["api.staging.example.com", "api.staging.example.com:6443"][..];
    assert!(asked("ci-web", &[], staging));
    assert!(asked("anna", &["dev", "sre"], staging));
    assert!(!asked("anna", &["dev"], staging));
    assert!(!asked("anonymous", &[], staging));
    assert!(!asked("ci-web", &[], &["api.prod.example.com"]));
    assert!(
        !asked("ci-web", &[], &[]),
        "a rule about clusters needs one"
    );
}

#[test]
fn the_tightest_bounds_count() {
    use super::Decision as D;
    let text = |timeout: &str, most: &str| {
        let bounds = format!(
            "timeout = \"{timeout}\"\nmax_output = \"{most}\"\nmax_lines = 20\nmax_data = \"2KiB\"\nmax_objects = 7\n"
        );
        format!("{HEAD}verbs = [\"get\"]\nresources = [\"pods\"]\n{bounds}")
    };
    let files = [("60s", "16KiB"), ("10s", "1MiB")]
        .map(|(timeout, most)| PolicySource::alone("p.toml", text(timeout, most)));
    let policy = Policy::load(&files, &Catalogue::carried().unwrap()).unwrap();
    let D::Allow(approved) = decide(&policy, "get pods") else {
        panic!("allowed")
    };
    let timeout = Some(std::time::Duration::from_secs(10));
    assert_eq!(
        approved.bounds(),
        RuleBounds {
            timeout,
            max_output_bytes: Some(16 * 1024),
            max_lines: NonZeroU64::new(20),
            max_data_bytes: Some(2048),
            max_objects: NonZeroU32::new(7),
        }
    );
}

#[test]
fn names_and_words_behind_a_dash_are_matched() {
    use super::Decision as D;
    let allowed = |body: &str, words: &str| {
        matches!(
            decide(&load(&format!("{HEAD}{body}\n")).unwrap(), words),
            D::Allow(_)
        )
    };
    let named = "verbs = [\"delete\"]\nresources = [\"pods\", \"deployments.apps\"]\nnames = [\"web-*\"]\nflags = [\"--selector\", \"--all\"]";
    for (words, expected) in [
        ("delete pod web-0", true),
        ("delete deploy/web-a pod/web-0", true),
        ("delete pod db-0", false),
        ("delete pod web-0 db-0", false),
        ("delete pods -l app=web", false),
        ("delete pods --all", false),
    ] {
        assert_eq!(allowed(named, words), expected, "{words}");
    }
    let unnamed =
        "verbs = [\"delete\"]\nresources = [\"pods\"]\nmax_names = 0\nflags = [\"--selector\"]";
    assert!(allowed(unnamed, "delete pods -l app=web"));
    assert!(!allowed(unnamed, "delete pod/web-0"));
    let exec = "verbs = [\"exec\"]\nresources = [\"pods\"]\nafter_dash = true";
    assert!(allowed(exec, "exec web-0 -- ls -la"));
    assert!(!allowed(
        "verbs = [\"exec\"]\nresources = [\"pods\"]",
        "exec web-0 -- ls -la"
    ));
}

#[test]
fn a_rule_about_namespaces_means_those_inside_of_operands_and_nothing_outside() {
    use super::Decision as D;
    let policy = load(&format!(
        "{HEAD}verbs = [\"get\", \"delete\", \"cordon\"]\nnamespaces = [\"team-*\"]\n"
    ))
    .unwrap();
    for (words, expected) in [
        ("delete pod web -n team-b", true),
        ("delete ns kube-system -n team-b", false),
        ("delete ns team-b", false),
        ("delete node n1", false),
        ("cordon n1", false),
        ("get pods,nodes", false),
        ("get widgets.v1.example.com", false),
    ] {
        assert_eq!(
            matches!(decide(&policy, words), D::Allow(_)),
            expected,
            "{words}"
        );
    }
    let lists =
        load(&format!("{HEAD}verbs = [\"get\"]\nresources = [\"namespaces\", \"nodes\"]\nnamespaces = [\"team-*\"]\n")).unwrap();
    for (words, expected) in [
        ("get ns team-b", true),
        ("get ns", false),
        ("get ns default", false),
        ("get nodes", true),
    ] {
        assert_eq!(
            matches!(decide(&lists, words), D::Allow(_)),
            expected,
            "{words}"
        );
    }
}

/// Rules by their lines; `a` is allowed, `c` confirmed, `d` denied, each for kubectl unless it
/// says `tool`.
pub(super) fn rules(lines: &[&str]) -> String {
    let mut text = "schema = 1\n".to_owned();
    for (at, line) in lines.iter().enumerate() {
        let (effect, body) = line.split_once(' ').unwrap();
        let effect = match effect {
            "a" => "allow",
            "c" => "confirm",
            _ => "deny",
        };
        let tool = if body.contains("tool =") {
            ""
        } else {
            "tool = \"kubectl\"\n"
        };
        text += &format!(
            "[[rule]]\nid = \"r{at}\"\neffect = \"{effect}\"\nreason = \"r\"\n{tool}{}\n",
            body.replace("; ", "\n")
        );
    }
    text
}

#[test]
fn which_of_two_rules_stands_first_does_not_decide() {
    use super::Decision as D;
    // Found by the fuzz target `monotonic`: the other file does not allow what the first rule
    // adds.
    let adds =
        r#"a verbs = ["get"]; flags = ["--show-labels"]; inject = { "--show-labels" = "true" }"#;
    let plain = r#"a verbs = ["get"]"#;
    for first in [[adds, plain], [plain, adds]] {
        let files = [&first[..], &[plain]].map(|lines| PolicySource::alone("p.toml", rules(lines)));
        let policy = Policy::load(&files, &Catalogue::carried().unwrap()).unwrap();
        let D::Allow(approved) = decide(&policy, "get pods") else {
            panic!("one rule of each file allows it")
        };
        assert_eq!(
            approved.invocation().argv().join(" "),
            "kubectl --v=0 get pods.v1."
        );
    }
    let both = [adds, plain].map(|line| PolicySource::alone("p.toml", rules(&[line])));
    let policy = Policy::load(&both, &Catalogue::carried().unwrap()).unwrap();
    assert!(
        matches!(decide(&policy, "get pods"), D::Deny(_)),
        "what one file adds the other does not allow"
    );
    // Found by it too: two files that add different values, one of which accepts both.
    let any = r#"a verbs = ["get"]; values = { "--output" = ["wide", "json"] }; inject = { "--output" = "wide" }"#;
    let one = r#"a verbs = ["get"]; values = { "--output" = ["json"] }; inject = { "--output" = "json" }"#;
    for order in [[any, one], [one, any]] {
        let files = order.map(|line| PolicySource::alone("p.toml", rules(&[line])));
        let policy = Policy::load(&files, &Catalogue::carried().unwrap()).unwrap();
        assert!(
            matches!(decide(&policy, "get pods"), D::Deny(_)),
            "{order:?}"
        );
    }
    let three = [adds, plain, r#"c verbs = ["get"]"#]
        .map(|line| PolicySource::alone("p.toml", rules(&[line])));
    let policy = Policy::load(&three, &Catalogue::carried().unwrap()).unwrap();
    assert!(
        matches!(decide(&policy, "get pods"), D::Deny(_)),
        "and a third that asks is no way around it"
    );
}

#[test]
fn an_added_flag_has_the_class_that_it_has_with_its_verb() {
    use super::Decision as D;
    // Found by the fuzz target `monotonic`: --output reveals secrets with `status` and not with
    // `list`.
    let text = "schema = 1\n[[rule]]\nid = \"a\"\neffect = \"allow\"\nreason = \"r\"\ntool = \"helm\"\nverbs = [\"list\", \"status\"]\n\
                flags = [\"--output\"]\ninject = { \"--output\" = \"json\" }\n[[rule]]\nid = \"d\"\neffect = \"deny\"\nreason = \"r\"\n\
                tool = \"helm\"\nverbs = [\"list\", \"status\"]\nflags = [\"@plain\"]\n";
    let policy = Policy::load(
        &[PolicySource::alone("p.toml", text.into())],
        &Catalogue::carried().unwrap(),
    )
    .unwrap();
    let catalogues = Catalogue::carried().unwrap();
    let helm = catalogues
        .iter()
        .find(|catalogue| catalogue.tool() == Tool::HELM)
        .unwrap();
    let decide = |words| {
        policy.decide(Facts::new(
            &parse(helm, split(Tool::HELM, words).unwrap(), None).unwrap(),
            &Target::default(),
        ))
    };
    assert!(matches!(decide("list"), D::Deny(_)));
    assert!(matches!(decide("status web"), D::Allow(_)));
}

fn decide(policy: &Policy, words: &str) -> super::Decision {
    let catalogues = Catalogue::carried().unwrap();
    let invocation = parse(&catalogues[0], split(Tool::KUBECTL, words).unwrap(), None).unwrap();
    policy.decide(Facts::new(
        &invocation,
        &Target {
            namespace: "team-a".into(),
            ..Target::default()
        },
    ))
}

#[test]
fn a_rule_keeps_to_its_namespaces_the_contexts_own_included() {
    use super::Decision as D;
    let policy = load(&format!(
        "{HEAD}verbs = [\"get\"]\nflags = [\"--all-namespaces\"]\nnamespaces = [\"team-*\"]\n"
    ))
    .unwrap();
    assert!(
        matches!(decide(&policy, "get pods"), D::Allow(_)),
        "the context's namespace is team-a"
    );
    assert!(matches!(decide(&policy, "get pods -n team-b"), D::Allow(_)));
    assert!(
        matches!(decide(&policy, "get pods -n kube-system"), D::Deny(denied) if denied.advice.hint.contains("team-*"))
    );
    assert!(matches!(decide(&policy, "get pods -A"), D::Deny(_)));
    let denies = load(&format!("{HEAD}verbs = [\"get\"]\nflags = [\"--all-namespaces\"]\n[[rule]]\nid = \"d\"\neffect = \"deny\"\nreason = \"r\"\ntool = \"kubectl\"\nverbs = [\"get\"]\nnamespaces = [\"kube-system\"]\n")).unwrap();
    assert!(matches!(decide(&denies, "get pods"), D::Allow(_)));
    assert!(
        matches!(decide(&denies, "get pods -A"), D::Deny(_)),
        "all of them include kube-system"
    );
}

#[test]
fn flags_are_added_when_they_are_absent_and_only_then() {
    use super::Decision as D;
    let policy =
        load(&format!("{HEAD}verbs = [\"logs\"]\nvalues = {{ \"--tail\" = [\"0..500\"] }}\ninject = {{ \"--tail\" = \"100\" }}\n"))
            .unwrap();
    let argv = |words| match decide(&policy, words) {
        D::Allow(approved) => approved.invocation().argv().join(" "),
        other => panic!("{other:?}"),
    };
    assert_eq!(argv("logs web-0"), "kubectl --v=0 logs --tail=100 web-0");
    assert_eq!(
        argv("logs web-0 --tail 5"),
        "kubectl --v=0 logs --tail=5 web-0"
    );
    assert_eq!(argv("logs --help"), "kubectl --v=0 logs --help=true");
    let error =
        load(&format!("{HEAD}verbs = [\"logs\"]\nvalues = {{ \"--tail\" = [\"0..500\"] }}\ninject = {{ \"--tail\" = \"501\" }}\n"))
            .unwrap_err();
    assert!(error.message.contains("does not accept"), "{error}");
}

#[test]
fn a_rule_about_every_verb_does_not_allow_what_no_rule_may() {
    use super::Decision as D;
    let policy = load(&format!("{HEAD}verbs = [\"*\"]\n")).unwrap();
    assert!(matches!(decide(&policy, "cordon node1"), D::Allow(_)));
    for words in [
        "config use-context prod",
        "proxy",
        "port-forward web-0 8080",
        "edit deploy/web",
        "cp web-0:/x y",
    ] {
        assert!(
            matches!(decide(&policy, words), D::Deny(denied) if denied.advice.reason.contains("never allowed")),
            "{words}"
        );
    }
    assert!(matches!(decide(&policy, "config --help"), D::Allow(_)));
}

#[test]
fn deny_beats_confirm_and_confirm_beats_allow() {
    use super::Decision as D;
    let rule = |effect: &str, verbs: &str| {
        format!(
            "[[rule]]\nid = \"{effect}\"\neffect = \"{effect}\"\nreason = \"r\"\ntool = \"kubectl\"\nverbs = [{verbs}]\n"
        )
    };
    let policy = load(&format!(
        "schema = 1\n{}{}{}",
        rule("allow", "\"get\", \"delete\", \"scale\""),
        rule("confirm", "\"delete\", \"scale\""),
        rule("deny", "\"delete\"")
    ))
    .unwrap();
    assert!(matches!(decide(&policy, "get pods"), D::Allow(_)));
    assert!(matches!(decide(&policy, "scale deploy/web"), D::Confirm(_)));
    assert!(matches!(decide(&policy, "delete pod x"), D::Deny(_)));
}

#[test]
fn a_rule_about_namespaces_says_what_leaves_them() {
    use super::Decision as D;
    let policy = load(&format!(
        "{HEAD}verbs = [\"get\", \"describe\", \"explain\", \"version\", \"api-resources\", \"cluster-info\"]\n\
         namespaces = [\"team-*\"]\nflags = [\"--all-namespaces\", \"--client\"]\n"
    ))
    .unwrap();
    for (words, reason, hint) in [
        (
            "get nodes -n team-a",
            "nodes is in no namespace",
            "ask about what is inside of team-*",
        ),
        (
            "get widgets.v1.example.com -n team-a",
            "widgets.example.com is in no namespace, or not known to be in one",
            "for widgets.example.com, ask the operator",
        ),
        (
            "get pods -A",
            "`kubectl get` is not allowed in all namespaces at once",
            "name one with --namespace; allowed namespaces: team-*",
        ),
        (
            "get pods -n other",
            "`kubectl get` is not allowed in this namespace",
            "allowed namespaces: team-*",
        ),
        // It looks for services in kube-system.
        (
            "cluster-info -n other",
            "`kubectl cluster-info` is not allowed in this namespace",
            "allowed namespaces: team-*",
        ),
    ] {
        match decide(&policy, words) {
            D::Deny(denied) => {
                let advice = denied.advice;
                assert!(advice.reason.contains(reason), "{words}: {}", advice.reason);
                assert!(advice.hint.contains(hint), "{words}: {}", advice.hint);
            }
            other => panic!("{words}: {other:?}"),
        }
    }
    for words in [
        "version --client",
        "explain pods",
        "api-resources",
        "get pods -n team-a",
    ] {
        assert!(matches!(decide(&policy, words), D::Allow(_)), "{words}");
    }
}

#[test]
fn of_several_rules_the_one_that_is_meant_is_told_of() {
    use super::Decision as D;
    let rule = |id: &str, rest: &str| {
        format!(
            "[[rule]]\nid = \"{id}\"\neffect = \"allow\"\nreason = \"r\"\ntool = \"kubectl\"\nverbs = [\"get\"]\n{rest}\n"
        )
    };
    let policy = load(&format!(
        "schema = 1\n{}{}{}",
        rule("secret", "resources = [\"secrets\"]\nvalues = { \"--output\" = [\"name\"] }"),
        rule("system", "resources = [\"pods\"]\nnamespaces = [\"kube-*\"]\nflags = [\"--no-headers\"]"),
        rule("plain", "resources = [\"pods\"]\nhint = \"ask for a table\"\nvalues = { \"--output\" = [\"wide\"] }"),
    ))
    .unwrap();
    for (words, id) in [
        ("get pods -o go-template=x", "plain"),
        ("get pods --show-labels", "plain"),
        ("get pods -n kube-system --show-labels", "system"),
        ("get secrets -o yaml", "secret"),
    ] {
        match decide(&policy, words) {
            D::Deny(denied) => {
                assert_eq!(denied.rule.unwrap().id, id, "{words}");
                assert_eq!(
                    denied.advice.hint.contains("ask for a table"),
                    id == "plain"
                );
            }
            other => panic!("{words}: {other:?}"),
        }
    }
}

/// What is explained of a command that reads a text as its standard input.
fn explained_with(explainer: &Explainer, command: &str, text: &str) -> Explained {
    let stdin = SecretString::new(text.to_owned());
    explainer.explain_bringing(command, None, Some(&stdin), &SentFiles::default())
}
