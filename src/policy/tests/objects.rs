//! What do rules say to the objects that a command carries?

use super::{carried, explained_with, load};
use crate::{
    catalogue::Catalogue,
    command::parse,
    manifest::{KnownKind, Manifest, ManifestContext},
    policy::{Decision, Effect, Explainer, Facts, Policy, Target},
    tool::Tool,
};

const RULES: &str = r#"
schema = 1
[[rule]]
id = "apply"
effect = "allow"
reason = "applications are the agents' own"
tool = "kubectl"
verbs = ["apply", "create"]
namespaces = ["shop", "shop-*"]
values = { "--filename" = ["-"] }
require = ["--filename"]
[[rule.objects]]
resources = ["deployments.apps", "jobs.batch", "pods"]
names = ["web*"]
labels = ["team=shop"]
pod_security = "baseline"
images = ["registry.corp/*"]
forbid = ["service-account-token"]
[[rule.objects]]
resources = ["configmaps", "services"]
forbid = ["load-balancer", "owner-references"]
[[rule.objects]]
resources = ["namespaces"]

[[rule]]
id = "ask"
effect = "confirm"
beyond = "apply"
reason = "a person looks at what is new"
tool = "kubectl"
verbs = ["apply", "create"]
namespaces = ["shop", "shop-*"]
values = { "--filename" = ["-"] }
require = ["--filename"]
[[rule.objects]]
resources = ["deployments.apps", "jobs.batch", "pods", "secrets", "services"]
pod_security = "baseline"

[[rule]]
id = "no-locked"
effect = "deny"
reason = "these are somebody else's"
tool = "kubectl"
verbs = ["apply", "create"]
[[rule.objects]]
names = ["web-locked*"]

[[rule]]
id = "words"
effect = "allow"
reason = "without objects"
tool = "kubectl"
verbs = ["create configmap"]

[[rule]]
id = "no-secrets"
effect = "deny"
reason = "no Secret of this name"
tool = "kubectl"
verbs = ["*"]
resources = ["secrets"]
names = ["root*"]
"#;

/// What is decided about `kubectl apply -f -` with these objects: the effect, and the reason or the rule.
fn decided(policy: &Policy, command: &str, text: &str) -> String {
    let mut catalogues = carried().iter();
    let of_kubectl = |catalogue: &&Catalogue| catalogue.tool() == Tool::KUBECTL;
    let words = command.split(' ').map(str::to_owned).collect();
    let invocation = parse(catalogues.find(of_kubectl).unwrap(), words, None).unwrap();
    let context = ManifestContext {
        namespace: "shop",
        resolve: &|group, _, kind| {
            (group == "example.com").then(|| KnownKind {
                resource: format!("{}s.{group}", kind.to_ascii_lowercase()),
                is_namespaced: true,
            })
        },
    };
    let manifest = (!text.is_empty()).then(|| Manifest::read(text, &context).unwrap());
    let target = Target {
        namespace: "shop".into(),
        ..Target::default()
    };
    let facts = Facts::new(&invocation, &target);
    let objects = manifest.as_ref().map_or(&[][..], Manifest::objects);
    match policy.decide(facts.carrying(objects)) {
        Decision::Allow(approved) => format!("allow {}", approved.rule()),
        Decision::Confirm(pending) => format!("confirm {}", pending.into_question().rule.id),
        Decision::Deny(denied) => format!("deny {}", denied.advice.reason),
    }
}

fn applied(text: &str) -> String {
    decided(&load(RULES).unwrap(), "apply -f -", text)
}

const WEB: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, labels: {team: shop}}\nspec: {template: {spec: {automountServiceAccountToken: false, containers: [{name: a, image: registry.corp/a}]}}}\n";

#[test]
fn each_object_has_to_be_listed_and_to_meet_the_conditions() {
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: any}\n";
    for (text, decided) in [
        (WEB.to_owned(), "allow apply"),
        (format!("{WEB}---\n{config}"), "allow apply"),
        (WEB.replace("name: web", "generateName: web-x-"), "allow apply"),
        (format!("{config}---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: shop-2}}\n"), "allow apply"),
        // Beyond it a person is asked, within what the confirm rule lists.
        (WEB.replace("registry.corp", "evil.example"), "confirm ask"),
        (WEB.replace("name: web", "name: other"), "confirm ask"),
        (WEB.replace("team: shop", "team: other"), "confirm ask"),
        (WEB.replace("automountServiceAccountToken: false, ", ""), "confirm ask"),
        (format!("{config}---\n{}", WEB.replace("name: web", "name: other")), "deny objects[1] Deployment shop/other: its name is not accepted here"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n".to_owned(), "confirm ask"),
        ("apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {type: LoadBalancer}\n".to_owned(), "confirm ask"),
        (
            WEB.replace("image: registry.corp/a", "image: registry.corp/a, securityContext: {privileged: true}"),
            "deny objects[0] Deployment shop/web: spec.template.spec.containers[0].securityContext.privileged is true",
        ),
        (format!("{config}---\n{}", config.replace("name: any", "name: any, namespace: kube-system")), "deny objects[1] ConfigMap kube-system/any: its namespace is not accepted here"),
        ("apiVersion: v1\nkind: Namespace\nmetadata: {name: kube-system}\n".to_owned(), "deny objects[0] Namespace kube-system: this namespace is not accepted here"),
        ("apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: a}\n".to_owned(), "deny objects[0] ClusterRole a: clusterroles.rbac.authorization.k8s.io is not accepted here"),
        ("apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a}\n".to_owned(), "deny objects[0] Widget shop/a: widgets.example.com is not accepted here"),
        ("apiVersion: v1\nkind: List\nitems:\n- {apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: a}}\n".to_owned(), "deny objects[0] Role shop/a: roles.rbac.authorization.k8s.io is not accepted here"),
        // A deny rule is about any one of them, by its name or how that begins.
        (format!("{config}---\n{}", config.replace("any", "web-locked-1")), "deny these are somebody else's"),
        (config.replace("name: any", "generateName: web-"), "deny these are somebody else's"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: root-ca}\n".to_owned(), "deny no Secret of this name"),
    ] {
        assert_eq!(applied(&text), decided, "{text}");
    }
}

#[test]
fn a_rule_about_objects_wants_some_and_another_one_takes_none() {
    let policy = load(RULES).unwrap();
    assert_eq!(
        decided(&policy, "apply -f -", ""),
        "deny `kubectl apply` is allowed here only with objects"
    );
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: any}\n";
    assert_eq!(decided(&policy, "create configmap a", ""), "allow words");
    assert_eq!(
        decided(&policy, "create configmap a", config),
        "deny objects[0] ConfigMap shop/any: no rule about `kubectl create configmap` says what objects may be"
    );
}

#[test]
fn what_a_rule_about_objects_cannot_say_does_not_load() {
    for (from, to, message) in [
        (
            "namespaces = [\"shop\", \"shop-*\"]\nvalues",
            "names = [\"a\"]\nvalues",
            "this is about what a command names, and this rule is about the objects that it carries",
        ),
        (
            "beyond = \"apply\"",
            "beyond = \"nothing\"",
            "there is no allow rule `nothing`",
        ),
        (
            "beyond = \"apply\"",
            "beyond = \"no-locked\"",
            "there is no allow rule `no-locked`",
        ),
        (
            "effect = \"deny\"\nreason = \"these",
            "effect = \"deny\"\nbeyond = \"apply\"\nreason = \"these",
            "only a confirm rule asks about what another rule does not accept",
        ),
        (
            "names = [\"web-locked*\"]",
            "pod_security = \"baseline\"",
            "a condition makes an allow rule narrower; a deny rule lists objects",
        ),
        (
            "labels = [\"team=shop\"]",
            "labels = [\"=shop\"]",
            "this is not `KEY=VALUE` or `KEY`, and no label has it",
        ),
        (
            "\"jobs.batch\", \"pods\"]\nnames",
            "\"jobs.batch\", \"po\"]\nnames",
            "`po` is not the canonical name of a resource",
        ),
    ] {
        let text = RULES.replacen(from, to, 1);
        assert_ne!(text, RULES, "{from}");
        let error = load(&text).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn a_test_may_carry_objects() {
    let test = |stdin: &str, expect: &str| {
        format!(
            "{RULES}\n[[test]]\nrun = \"kubectl apply -n shop -f -\"\nexpect = \"{expect}\"\nstdin = '''\n{stdin}'''\n"
        )
    };
    load(&test(WEB, "allow")).unwrap();
    load(&test(
        &WEB.replace("name: web", "name: web, namespace: other"),
        "deny",
    ))
    .unwrap();
    assert!(load(&test(WEB, "deny")).is_err());
    let error = load(&test("kind: Pod\n", "deny")).unwrap_err();
    let message = "these objects are not read: document 1 (line 1) has no `apiVersion`";
    assert!(error.to_string().contains(message), "{error}");
}

#[test]
fn the_example_of_the_documentation_loads() {
    let manual = include_str!("../../../docs/policy.md");
    let section = manual.split("\n## Objects\n").nth(1).unwrap();
    let example = section.split("```toml\n").nth(1).unwrap();
    load(example.split("```").next().unwrap()).unwrap();
}

#[test]
fn what_a_command_carries_is_explained_with_it() {
    let rules = RULES.replacen(
        "\"configmaps\", ",
        "\"configmaps\", \"widgets.example.com\", ",
        1,
    );
    let catalogues = Catalogue::carried().unwrap();
    let explainer = Explainer::new(load(&rules).unwrap(), catalogues, Target::default());
    let said = |text: &str| {
        let explained = explained_with(&explainer, "kubectl apply -f - -n shop", text);
        let considered = explainer.consider(&explained);
        let matching = considered
            .into_iter()
            .filter(|one| one.matches)
            .map(|one| one.rule);
        (
            explained.effect,
            explained.objects,
            explained.reason,
            matching.collect::<Vec<_>>(),
        )
    };
    let widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a}\n";
    assert_eq!(
        said(widget),
        (
            Effect::Allow,
            vec!["Widget shop/a".into()],
            None,
            vec!["apply (p.toml:4)".into()]
        )
    );
    assert_eq!(
        said("apiVersion: example.org/v1\nkind: Widget\nmetadata: {name: a}\n"),
        (
            Effect::Deny,
            Vec::new(),
            Some("`kind` of document 1 (line 2) is `Widget`, of which `example.org/v1` has none that is known".into()),
            Vec::new()
        )
    );
}

#[test]
fn a_set_of_objects_is_used() {
    let rules = RULES
        .replacen(
            "schema = 1",
            "schema = 1\n[sets]\ncarried = [\"configmaps\", \"services\"]",
            1,
        )
        .replacen(
            "resources = [\"configmaps\", \"services\"]",
            "resources = \"@carried\"",
            1,
        );
    let policy = load(&rules).unwrap();
    let lints: Vec<String> = policy.lints().map(ToString::to_string).collect();
    assert!(
        !lints.iter().any(|lint| lint.contains("no rule uses")),
        "{lints:?}"
    );
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: any}\n";
    assert_eq!(decided(&policy, "apply -f -", config), "allow apply");
}
