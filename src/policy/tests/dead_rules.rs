//! Is a rule that can never match refused, whoever spells it how?

use super::{HEAD, Policy, PolicySource, Target, decides, load, rules};
use crate::catalogue::Catalogue;
use crate::policy::{Effect, Known, SettingsCluster};

/// The error of a rule with these lines, and its help.
fn refused(effect: &str, lines: &str) -> (String, String) {
    let head = HEAD.replace("\"allow\"", &format!("\"{effect}\""));
    let error = load(&format!("{head}{lines}\n")).map(drop).unwrap_err();
    (error.message, error.help.unwrap_or_default())
}

#[test]
fn every_spelling_of_a_dead_resource_is_refused_with_the_one_that_is_meant() {
    for (resource, message, help) in [
        (
            "po",
            "not the canonical name",
            "its canonical name is `pods`",
        ),
        (
            "pod",
            "not the canonical name",
            "its canonical name is `pods`",
        ),
        (
            "Pods",
            "a blank or a capital letter",
            "did you mean `pods`?",
        ),
        (
            "pods ",
            "a blank or a capital letter",
            "did you mean `pods`?",
        ),
        (
            " Deployments.apps",
            "a blank or a capital letter",
            "did you mean `deployments.apps`?",
        ),
        (
            "pods.v1.",
            "not the canonical name",
            "its canonical name is `pods`",
        ),
        (
            "clusterrole.rbac.authorization.k8s.io",
            "not the canonical name",
            "its canonical name is `clusterroles.rbac.authorization.k8s.io`",
        ),
        (
            "clusterroles.v1.rbac.authorization.k8s.io",
            "not the canonical name",
            "its canonical name is `clusterroles.rbac.authorization.k8s.io`",
        ),
        (
            "ClusterRoles.rbac.authorization.k8s.io",
            "a blank or a capital letter",
            "did you mean `clusterroles.rbac.authorization.k8s.io`?",
        ),
        (
            "clusterroles.rbac.authorization.k8s.io ",
            "a blank or a capital letter",
            "did you mean `clusterroles.rbac.authorization.k8s.io`?",
        ),
        (
            "netpol.networking.k8s.io",
            "not the canonical name",
            "its canonical name is `networkpolicies.networking.k8s.io`",
        ),
        (
            "deployments.v1.apps",
            "not the canonical name",
            "its canonical name is `deployments.apps`",
        ),
        (
            "clusterroles.rbac.authorisation.k8s.io",
            "there is no group `rbac.authorisation.k8s.io`",
            "did you mean `clusterroles.rbac.authorization.k8s.io`?",
        ),
        (
            "*.rbac.authorisation.k8s.io",
            "there is no group",
            "did you mean `*.rbac.authorization.k8s.io`?",
        ),
        (
            "clusterole.rbac.authorization.k8s.io",
            "has no resource `clusterole`",
            "did you mean `clusterroles.rbac.authorization.k8s.io`?",
        ),
        (
            "xyzzy.batch",
            "batch has no resource `xyzzy`",
            "batch has cronjobs, jobs; `*.batch` is all of it",
        ),
        (
            "deployments.app",
            "there is no group `app`",
            "did you mean `deployments.apps`?",
        ),
        (
            "widgets.v1.example.com",
            "names a version",
            "write it without its version: `widgets.example.com`",
        ),
        (
            "pods/log",
            "is a sub-resource",
            "write `pods`; what is done with it is a verb, like `logs` or `exec`",
        ),
        (
            "*",
            "is no resource",
            "leave `resources` out to mean every resource; `*.GROUP` is every one of a group",
        ),
        (
            "*.",
            "no glob of resources",
            "write PLURAL.GROUP, where a `*` stands for anything: `*.apps`",
        ),
        (
            "deployment*.batch",
            "covers no resource of batch",
            "batch has cronjobs, jobs",
        ),
        ("deployment*", "covers no resource of the core group", ""),
        ("*.app", "there is no group `app`", "did you mean `*.apps`?"),
        (
            "secrests",
            "not the canonical name",
            "did you mean `secrets`?",
        ),
        (
            "Widgets.example.com",
            "a blank or a capital letter",
            "did you mean `widgets.example.com`?",
        ),
    ] {
        for effect in ["allow", "confirm", "deny"] {
            for list in [
                format!("[{resource:?}]"),
                format!("[\"pods\", {resource:?}]"),
            ] {
                let (told, meant) =
                    refused(effect, &format!("verbs = [\"get\"]\nresources = {list}"));
                assert!(told.contains(message), "{effect} {list}: {told}");
                assert!(meant.starts_with(help), "{effect} {list}: {meant}");
            }
        }
    }
    let in_a_set = load(&format!(
        "schema = 1\nsets = {{ kinds = [\"netpol\"] }}\n{}verbs = [\"get\"]\nresources = \"@kinds\"\n",
        HEAD.replace("schema = 1\n", "")
    ));
    assert!(
        in_a_set
            .unwrap_err()
            .message
            .contains("not the canonical name")
    );
}

#[test]
fn a_glob_of_a_group_works_wherever_a_resource_does() {
    use Effect::{Allow, Confirm, Deny};
    const ALL: &str = r#"a verbs = ["get"]"#;
    for (lines, command, expected) in [
        // A deny rule, of groups that are known and of others.
        (
            &[
                ALL,
                r#"d verbs = ["get"]; resources = ["*.rbac.authorization.k8s.io"]"#,
            ][..],
            "get clusterroles",
            Deny,
        ),
        (
            &[
                ALL,
                r#"d verbs = ["get"]; resources = ["*.rbac.authorization.k8s.io"]"#,
            ],
            "get pods",
            Allow,
        ),
        (
            &[
                ALL,
                r#"d verbs = ["get"]; resources = ["*.networking.k8s.io"]"#,
            ],
            "get ingress web",
            Deny,
        ),
        (
            &[ALL, r#"d verbs = ["get"]; resources = ["*.istio.io"]"#],
            "get gateways.networking.istio.io",
            Deny,
        ),
        (
            &[
                ALL,
                r#"d verbs = ["get"]; resources = ["*.networking.istio.io"]"#,
            ],
            "get vs.networking.istio.io",
            Deny,
        ),
        (
            &[
                ALL,
                r#"d verbs = ["get"]; resources = ["*.external-secrets.io"]"#,
            ],
            "get externalsecrets.v1.external-secrets.io",
            Deny,
        ),
        (
            &[
                ALL,
                r#"d verbs = ["get"]; resources = ["*.external-secrets.io"]"#,
            ],
            "get widgets.v1.example.com",
            Allow,
        ),
        (
            &[
                ALL,
                r#"d verbs = ["get"]; resources = ["role*.rbac.authorization.k8s.io"]"#,
            ],
            "get rolebindings",
            Deny,
        ),
        (
            &[
                ALL,
                r#"d verbs = ["get"]; resources = ["role*.rbac.authorization.k8s.io"]"#,
            ],
            "get clusterroles",
            Allow,
        ),
        (
            &[
                ALL,
                r#"d verbs = ["get"]; resources = ["persistentvolume*"]"#,
            ],
            "get pvc",
            Deny,
        ),
        // What a custom kind is called else is not known: all of its group is denied.
        (
            &[
                ALL,
                r#"d verbs = ["get"]; resources = ["externalsecrets.external-secrets.io"]"#,
            ],
            "get es.v1.external-secrets.io",
            Deny,
        ),
        // Of a group that is known, one kind is one kind.
        (
            &[
                ALL,
                r#"d verbs = ["get"]; resources = ["roles.rbac.authorization.k8s.io"]"#,
            ],
            "get clusterroles",
            Allow,
        ),
        // An allow rule lists; what it does not list stays denied.
        (
            &[r#"a verbs = ["get"]; resources = ["*.apps"]"#],
            "get deploy",
            Allow,
        ),
        (
            &[r#"a verbs = ["get"]; resources = ["*.apps"]"#],
            "get deploy,pods",
            Deny,
        ),
        (
            &[r#"a verbs = ["get"]; resources = ["*.example.com"]"#],
            "get widgets.v1.example.com",
            Allow,
        ),
        (
            &[r#"a verbs = ["get"]; resources = ["widgets.example.com"]"#],
            "get wg.v1.example.com",
            Deny,
        ),
        (
            &[r#"a verbs = ["get"]; resources = ["pod*"]"#],
            "get pods.metrics.k8s.io",
            Deny,
        ),
        (
            &[ALL, r#"c verbs = ["get"]; resources = ["*.apps"]"#],
            "get deploy",
            Confirm,
        ),
        (
            &[ALL, r#"c verbs = ["get"]; resources = ["*.apps"]"#],
            "get pods",
            Allow,
        ),
    ] {
        assert_eq!(
            decides(lines, command, &Target::default()),
            expected,
            "{lines:?} {command}"
        );
    }
    let in_a_set = format!(
        "schema = 1\nsets = {{ net = [\"*.networking.k8s.io\"] }}\n{}verbs = [\"get\"]\nresources = \"@net\"\nmatches = [\"kubectl get netpol\"]\n",
        HEAD.replace("schema = 1\n", "")
    );
    load(&in_a_set).unwrap();
}

#[test]
fn a_list_that_no_command_can_meet_is_refused() {
    for (effect, lines, message, help) in [
        (
            "deny",
            r#"namespaces = ["Prod"]"#,
            "no glob of namespaces",
            "did you mean `prod`?",
        ),
        (
            "deny",
            r#"namespaces = ["prod "]"#,
            "has a blank at its end",
            "write `prod`",
        ),
        (
            "deny",
            r#"namespaces = ["-prod"]"#,
            "no namespace can be called `-prod`",
            "",
        ),
        (
            "deny",
            r#"names = ["Web-*"]"#,
            "no glob of names of objects",
            "did you mean `web-*`?",
        ),
        (
            "allow",
            r#"names = ["web 0"]"#,
            "no glob of names of objects",
            "",
        ),
        (
            "deny",
            r#"groups = ["Agents "]"#,
            "has a blank at its end",
            "write `Agents`",
        ),
        (
            "deny",
            r#"principals = ["team web"]"#,
            "no glob of names, which hold no blank",
            "",
        ),
        (
            "deny",
            r#"clusters = ["Prod"]"#,
            "no glob of cluster names",
            "did you mean `prod`?",
        ),
        (
            "allow",
            r#"values = { "--output" = ["JSON"] }"#,
            "--output takes",
            "",
        ),
        (
            "deny",
            r#"values = { "--output" = ["json "] }"#,
            "has a blank at its end",
            "write `json`",
        ),
        (
            "deny",
            "resources = [\"nodes\", \"clusterroles.rbac.authorization.k8s.io\"]\nnamespaces = [\"prod\"]",
            "live outside of namespaces",
            "leave `namespaces` out",
        ),
        (
            "deny",
            r#"pairs = ["a=*"]"#,
            "`kubectl get` has no pairs",
            "put the verb into a rule of its own",
        ),
        (
            "deny",
            r#"selectors = ["team=web"]"#,
            "a deny rule cannot be about them",
            "",
        ),
        (
            "deny",
            r#"projects = ["web"]"#,
            "`kubectl get` has no project",
            "",
        ),
        (
            "deny",
            r#"filters = ["grepp"]"#,
            "there is no filter `grepp`",
            "did you mean `grep`?",
        ),
        (
            "deny",
            r#"filters = []"#,
            "an empty list matches nothing",
            "",
        ),
        ("deny", r#"rate = "1/1m""#, "bounds nothing", ""),
        (
            "allow",
            r#"rate = "ten per minute""#,
            "a rate is a number of calls",
            "",
        ),
        (
            "allow",
            r#"hours = "08:00-18:00""#,
            "the zone of these hours is not said",
            "time_zone = \"UTC\"",
        ),
        (
            "allow",
            r#"time_zone = "UTC""#,
            "a zone without `hours` or `days`",
            "",
        ),
        (
            "allow",
            "days = [\"monday\"]\ntime_zone = \"UTC\"",
            "days are mon",
            "",
        ),
        (
            "allow",
            "hours = \"8-18\"\ntime_zone = \"UTC\"",
            "hours are two different times",
            "",
        ),
        (
            "allow",
            "hours = \"08:00-18:00\"\ntime_zone = \"Europe/Berlin\"",
            "a zone is UTC",
            "names of zones are not known here",
        ),
        (
            "deny",
            r#"clusters = ["prod.example.com"]"#,
            "a deny rule by host binds one spelling",
            "name in the allow rules",
        ),
        (
            "deny",
            r#"clusters = ["10.0.0.5:6443"]"#,
            "a deny rule by host binds one spelling",
            "name in the allow rules",
        ),
    ] {
        let (told, meant) = refused(effect, &format!("verbs = [\"get\"]\n{lines}"));
        assert!(told.contains(message), "{effect} {lines}: {told}");
        assert!(meant.starts_with(help), "{effect} {lines}: {meant}");
    }
    // Names of RBAC and of custom kinds may have capital letters.
    load(&format!("{HEAD}verbs = [\"get\"]\nresources = [\"clusterroles.rbac.authorization.k8s.io\"]\nnames = [\"system:Admin\"]\n")).unwrap();
}

fn known(own: bool) -> Known {
    let cluster = |name: &str, host: &str| SettingsCluster {
        name: name.into(),
        servers: vec![host.into(), format!("{host}:6443")],
        has_authority: true,
    };
    Known {
        principals: ["anonymous", "ci-web"].map(str::to_owned).into(),
        groups: ["agents", "on-call"].map(str::to_owned).into(),
        clusters: vec![
            cluster("prod", "10.0.0.5"),
            cluster("staging", "k8s.staging.example.com"),
        ],
        own_kubeconfigs: own,
        unverified: false,
    }
}

fn with_settings(line: &str, known: &Known) -> Result<Policy, (String, String)> {
    let source = PolicySource::alone("p.toml", rules(&[line]));
    Policy::load_for(&[source], &Catalogue::carried().unwrap(), Some(known)).map_err(
        |mut errors| {
            let error = errors.0.remove(0);
            (error.message, error.help.unwrap_or_default())
        },
    )
}

#[test]
fn a_caller_or_cluster_that_the_settings_do_not_know_is_refused() {
    for (list, what, help) in [
        (
            r#"groups = ["agent"]"#,
            "no group `agent`",
            "did you mean `agents`?",
        ),
        (
            r#"groups = ["Agents"]"#,
            "no group `Agents`",
            "did you mean `agents`?",
        ),
        (
            r#"groups = ["sre", "agents"]"#,
            "no group `sre`",
            "the settings know agents, on-call",
        ),
        (
            r#"principals = ["ci-wbe"]"#,
            "no principal `ci-wbe`",
            "did you mean `ci-web`?",
        ),
        (
            r#"principals = ["team-*"]"#,
            "no principal `team-*`",
            "the settings know anonymous, ci-web",
        ),
        (
            r#"clusters = ["prod-tpyo"]"#,
            "no cluster `prod-tpyo`",
            "the settings know prod, staging",
        ),
        (
            r#"clusters = ["dev-*"]"#,
            "no cluster `dev-*`",
            "the settings know prod, staging",
        ),
    ] {
        for effect in ["a", "c", "d"] {
            let line = format!("{effect} verbs = [\"get\"]; resources = [\"pods\"]; {list}");
            let (told, meant) = with_settings(&line, &known(true)).map(drop).unwrap_err();
            assert!(told.contains(what), "{line}: {told}");
            assert_eq!(meant, help, "{line}");
        }
    }
    for list in [
        r#"groups = ["on-*"]"#,
        r#"principals = ["anonymous"]"#,
        r#"clusters = ["prod"]"#,
        r#"clusters = ["p*", "*"]"#,
        r#"clusters = ["10.0.0.5:6443"]"#,
        r#"clusters = ["*.elsewhere.example.com"]"#,
    ] {
        with_settings(
            &format!("a verbs = [\"get\"]; resources = [\"pods\"]; {list}"),
            &known(true),
        )
        .unwrap();
    }
    // Where no kubeconfig is brought, no other server is reached.
    let line = r#"a verbs = ["get"]; resources = ["pods"]; clusters = ["k8s.stagin.example.com"]"#;
    let (told, _) = with_settings(line, &known(false)).map(drop).unwrap_err();
    assert!(
        told.contains("no cluster `k8s.stagin.example.com`"),
        "{told}"
    );
}

#[test]
fn a_named_cluster_is_open_only_to_rules_that_name_it() {
    use Effect::{Allow, Deny};
    let on = |names: &[&str]| {
        Target::default().on(names.iter().map(|name| (*name).to_owned()).collect())
    };
    let (named, own) = (
        on(&["prod", "10.0.0.5", "10.0.0.5:6443"]),
        on(&["10.0.0.5", "10.0.0.5:6443"]),
    );
    for (list, of_named, of_own) in [
        ("", Deny, Allow),
        (r#"; clusters = ["prod"]"#, Allow, Deny),
        (r#"; clusters = ["pr*"]"#, Allow, Deny),
        (r#"; clusters = ["*"]"#, Allow, Allow),
        (r#"; clusters = ["10.0.0.*"]"#, Deny, Allow),
        (r#"; clusters = ["10.0.0.5:6443"]"#, Deny, Allow),
    ] {
        let rule = format!("a verbs = [\"get\"]; resources = [\"pods\"]{list}");
        assert_eq!(decides(&[&rule], "get pods", &named), of_named, "{list}");
        assert_eq!(decides(&[&rule], "get pods", &own), of_own, "{list}");
    }
    let opened = |globs: &str| {
        let text = format!(
            "open_clusters = {globs}\n{}",
            rules(&[r#"a verbs = ["get"]; resources = ["pods"]"#])
        );
        super::decides_in(&load(&text).unwrap(), "get pods", &named)
    };
    assert_eq!(opened(r#"["prod"]"#), Allow);
    assert_eq!(opened(r#"["staging"]"#), Deny);
    let host = load(&format!("open_clusters = [\"10.0.0.5\"]\n{}", rules(&[])));
    assert!(host.unwrap_err().message.contains("is a host"));
    let included =
        load("schema = 1\nopen_clusters = [\"prod\"]\ninclude = [\"builtin:read-only\"]\n")
            .unwrap();
    assert_eq!(super::decides_in(&included, "get pods -A", &named), Allow);
    assert_eq!(super::decides_in(&included, "get secrets", &named), Deny);
    let shipped = load("schema = 1\ninclude = [\"builtin:admin\"]\n").unwrap();
    assert_eq!(
        super::decides_in(&shipped, "get pods", &named),
        Deny,
        "no preset opens one by itself"
    );
}

#[test]
fn a_deny_by_cluster_binds_every_spelling_of_it() {
    use Effect::{Allow, Confirm, Deny};
    let alias = Target {
        may_be: vec!["prod".into()],
        ..Target::default().on(vec![
            "alias.example.com".into(),
            "alias.example.com:443".into(),
        ])
    };
    let other = Target::default().on(vec!["dev.example.com".into()]);
    const ALL: &str = r#"a verbs = ["get"]; resources = ["pods"]"#;
    for (rule, target, expected) in [
        (r#"d verbs = ["get"]; clusters = ["prod"]"#, &alias, Deny),
        (r#"c verbs = ["get"]; clusters = ["prod"]"#, &alias, Confirm),
        (r#"d verbs = ["get"]; clusters = ["prod"]"#, &other, Allow),
    ] {
        assert_eq!(
            decides(&[ALL, rule], "get pods", target),
            expected,
            "{rule}"
        );
    }
    // What it may be opens nothing.
    assert_eq!(
        decides(
            &[r#"a verbs = ["get"]; clusters = ["prod"]"#],
            "get pods",
            &alias
        ),
        Deny
    );
}
