//! Is a rule that is wider than it reads named, or does it mean what it reads like?

use super::{Effect, Policy, PolicySource, Target, decides, decides_at, load, rules};
use crate::catalogue::Catalogue;
use crate::policy::{Known, SettingsCluster};

/// The warnings about rules.
fn warnings(lines: &[&str], known: Option<&Known>) -> Vec<String> {
    let source = PolicySource::alone("p.toml", rules(lines));
    let policy = Policy::load_for(&[source], &Catalogue::carried().unwrap(), known).unwrap();
    policy.lints().map(|lint| lint.message.clone()).collect()
}

#[test]
fn every_foot_gun_is_named() {
    for (line, expected) in [
        (
            r#"c verbs = ["run"]; values = { "--image" = ["registry.corp*"] }"#,
            "is every host that begins so",
        ),
        (
            r#"a verbs = ["set image"]; resources = ["deployments.apps"]; pairs = ["*=registry.corp*"]"#,
            "is every host that begins so",
        ),
        (
            r#"a verbs = ["patch"]; flags = ["--patch"]"#,
            "lets `kubectl patch` change every resource, ClusterRoles and Secrets too",
        ),
        (
            r#"a verbs = ["exec"]; after_dash = true"#,
            "`kubectl exec` runs programs in every pod",
        ),
        (
            r#"a verbs = ["patch"]; resources = ["pods"]; flags = ["@plain"]"#,
            "`@plain` is every flag that does no harm beyond the verb's own, and `kubectl patch` changes any field of an object",
        ),
        (
            r#"a verbs = ["create clusterrolebinding"]; flags = ["@plain"]"#,
            "`kubectl create clusterrolebinding` grants permissions in the whole cluster",
        ),
        (
            r#"a verbs = ["run"]; flags = ["@plain"]"#,
            "`kubectl run` runs an image of the caller's choice",
        ),
        (r#"a verbs = ["get"]"#, "read every resource, Secrets too"),
    ] {
        let told = warnings(&[line], None);
        assert!(
            told.iter().any(|told| told.contains(expected)),
            "{line}: {told:?}"
        );
    }
    let argocd = "schema = 1\n[[rule]]\nid = \"d\"\neffect = \"deny\"\nreason = \"r\"\ntool = \"argocd\"\nverbs = [\"app sync\"]\nnamespaces = [\"prod\"]\n";
    let policy = load(argocd).unwrap();
    let told: Vec<&str> = policy.lints().map(|lint| lint.message.as_str()).collect();
    assert_eq!(
        told,
        [
            "`namespaces` is where the Application itself lives: one in `argocd` deploys into prod as before"
        ]
    );
    // What is narrow is not warned about.
    for line in [
        r#"c verbs = ["run"]; values = { "--image" = ["registry.corp/*"] }"#,
        r#"a verbs = ["set image"]; resources = ["deployments.apps"]; pairs = ["*=registry.corp/*"]"#,
        r#"d verbs = ["set image"]; pairs = ["*=docker.io*"]"#,
        r#"a verbs = ["rollout restart"]; resources = ["deployments.apps"]; names = ["web"]"#,
        r#"c verbs = ["exec"]; after_dash = true"#,
    ] {
        assert_eq!(warnings(&[line], None), [""; 0], "{line}");
    }
}

#[test]
fn a_deny_by_a_cluster_that_is_bound_by_its_name_alone_is_named() {
    let known = |has_authority, own_kubeconfigs, unverified| Known {
        clusters: vec![SettingsCluster {
            name: "prod".into(),
            servers: vec!["prod.example.com".into()],
            has_authority,
        }],
        own_kubeconfigs,
        unverified,
        ..Known::default()
    };
    let rule = r#"d verbs = ["get"]; clusters = ["prod"]"#;
    for (known, expected) in [
        (known(true, true, false), None),
        (
            known(false, true, false),
            Some("names no certificate authority"),
        ),
        (
            known(true, true, true),
            Some("`allow_insecure_skip_tls_verify` is set"),
        ),
        (known(false, false, false), None),
    ] {
        let told = warnings(&[rule], Some(&known));
        match expected {
            None => assert_eq!(told, [""; 0]),
            Some(why) => assert!(told.iter().any(|told| told.ends_with(why)), "{told:?}"),
        }
    }
}

#[test]
fn a_confirm_rule_is_not_dodged_by_a_required_flag_that_does_not_rehearse() {
    use Effect::{Allow, Confirm};
    const ASKS: &str = r#"c verbs = ["delete"]; resources = ["pods"]; names = ["*"]"#;
    let by = |require: &str, values: &str| {
        format!(
            "a verbs = [\"delete\"]; resources = [\"pods\"]; require = [\"{require}\"]; values = {{ {values} }}"
        )
    };
    let grace = by("--grace-period", r#""--grace-period" = ["0..60"]"#);
    let dry = by("--dry-run", r#""--dry-run" = ["*"]"#);
    for (allow, command, expected) in [
        (&grace, "delete pod web-0 --grace-period=30", Confirm),
        (&dry, "delete pod web-0 --dry-run=server", Allow),
        (&dry, "delete pod web-0 --dry-run=client", Allow),
        // It is required, and does nothing.
        (&dry, "delete pod web-0 --dry-run=none", Confirm),
    ] {
        assert_eq!(
            decides(&[allow, ASKS], command, &Target::default()),
            expected,
            "{command}"
        );
    }
}

#[test]
fn an_allow_rule_by_name_does_not_allow_what_begins_with_it() {
    use Effect::{Allow, Deny};
    const WEB: &str = r#"a verbs = ["describe"]; resources = ["pods"]; names = ["web"]"#;
    const WEBS: &str = r#"a verbs = ["describe"]; resources = ["pods"]; names = ["web*"]"#;
    const TEAM: &str =
        r#"a verbs = ["describe"]; resources = ["namespaces"]; namespaces = ["team"]"#;
    const TEAMS: &str = r#"a verbs = ["describe"]; resources = ["pods"]; namespaces = ["team"]"#;
    for (rule, command, expected) in [
        (WEB, "describe pod web", Deny),
        (WEB, "describe pod/web", Allow),
        (WEB, "describe pods web web", Allow),
        (WEBS, "describe pod web", Allow),
        (WEBS, "describe pod we", Deny),
        (TEAM, "describe ns team", Deny),
        (TEAM, "describe ns/team", Allow),
        // The name is a beginning, and what `-n` names is not.
        (TEAMS, "describe pod web -n team", Allow),
        (TEAMS, "describe pod web -n tea", Deny),
        (TEAMS, "describe pod web -n team-b", Deny),
    ] {
        assert_eq!(
            decides(&[rule], command, &Target::default()),
            expected,
            "{rule} {command}"
        );
    }
}

#[test]
fn comma_lists_are_judged_element_by_element() {
    use Effect::{Allow, Deny};
    for (rule, command, expected) in [
        (
            r#"a verbs = ["debug"]; flags = ["--copy-to"]; values = { "--set-image" = ["app=ours/*"] }"#,
            "debug web-0 --copy-to=d --set-image=app=ours/x",
            Allow,
        ),
        (
            r#"a verbs = ["debug"]; flags = ["--copy-to"]; values = { "--set-image" = ["app=ours/*"] }"#,
            "debug web-0 --copy-to=d --set-image=app=ours/x,sidecar=evil.example/x",
            Deny,
        ),
        (
            r#"a verbs = ["debug"]; flags = ["--copy-to"]; values = { "--env" = ["MODE=*"] }"#,
            "debug web-0 --copy-to=d --env=MODE=1,LD_PRELOAD=/x",
            Deny,
        ),
        (
            r#"a verbs = ["run"]; flags = ["--image"]; values = { "--labels" = ["team=a*"] }"#,
            "run x --image=ours/x --labels=team=a,app=payments",
            Deny,
        ),
        (
            r#"a verbs = ["run"]; flags = ["--image"]; values = { "--labels" = ["team=a*"] }"#,
            "run x --image=ours/x --labels=team=ab",
            Allow,
        ),
        (
            r#"a verbs = ["create quota"]; values = { "--hard" = ["pods=*"] }"#,
            "create quota q --hard=pods=10,secrets=0",
            Deny,
        ),
        (
            r#"a verbs = ["set resources"]; values = { "--limits" = ["cpu=*"] }"#,
            "set resources deploy/web --limits=cpu=1,memory=1Mi",
            Deny,
        ),
        (
            r#"a verbs = ["set resources"]; values = { "--limits" = ["cpu=*"] }"#,
            "set resources deploy/web --limits=cpu=1",
            Allow,
        ),
    ] {
        assert_eq!(
            decides(&[rule], command, &Target::default()),
            expected,
            "{command}"
        );
    }
    let denies = r#"d verbs = ["run"]; values = { "--labels" = ["app=*"] }"#;
    let all = r#"a verbs = ["run"]; flags = ["--image", "--labels"]"#;
    let decided = decides(
        &[all, denies],
        "run x --image=i --labels=team=a,app=b",
        &Target::default(),
    );
    assert_eq!(decided, Deny);
}

#[test]
fn details_are_judged() {
    use Effect::{Allow, Confirm, Deny};
    const SET: &str = r#"a verbs = ["set image", "set env", "label"]; flags = ["--overwrite", "--from", "--env"]"#;
    const OURS: &str = r#"a verbs = ["set image"]; pairs = ["*=registry.corp/*"]"#;
    const NO_LOADER: &str = r#"d verbs = ["set env"]; pairs = ["LD_*", "BASH_ENV=*"]"#;
    for (lines, command, expected) in [
        (
            &[OURS][..],
            "set image deploy/web app=registry.corp/web:1",
            Allow,
        ),
        (
            &[OURS],
            "set image deploy/web app=registry.corp/web:1 x=evil.example/x",
            Deny,
        ),
        (
            &[OURS],
            "set image deploy/web app=registry.corp.evil.example/x",
            Deny,
        ),
        (
            &[OURS],
            "set image deploy/web app=evil.example/a=registry.corp/x",
            Deny,
        ),
        (
            &[SET, NO_LOADER],
            "set env deploy/web LOG_LEVEL=debug",
            Allow,
        ),
        (
            &[SET, NO_LOADER],
            "set env deploy/web LOG_LEVEL=debug LD_PRELOAD=/x",
            Deny,
        ),
        (
            &[SET, NO_LOADER],
            "set env deploy/web --env=LD_PRELOAD=/x",
            Deny,
        ),
        (&[SET, NO_LOADER], "set env deploy/web BASH_ENV-", Deny),
        // What it puts in is not seen.
        (
            &[SET, NO_LOADER],
            "set env deploy/web --from=configmap/x",
            Deny,
        ),
        (
            &[SET, r#"c verbs = ["label"]; pairs = ["app=*"]"#],
            "label pod web-0 app=payments --overwrite",
            Confirm,
        ),
        (
            &[SET, r#"c verbs = ["label"]; pairs = ["app=*"]"#],
            "label pod web-0 note=x --overwrite",
            Allow,
        ),
        (
            &[SET, r#"c verbs = ["label"]; pairs = ["app"]"#],
            "label pod web-0 app-",
            Confirm,
        ),
        (
            &[r#"a verbs = ["create deployment"]; flags = ["--image"]; pairs = ["image=ours/*"]"#],
            "create deployment web --image=ours/a,ours/b",
            Allow,
        ),
        (
            &[r#"a verbs = ["create deployment"]; flags = ["--image"]; pairs = ["image=ours/*"]"#],
            "create deployment web --image=ours/a,evil/b",
            Deny,
        ),
        (
            &[
                r#"a verbs = ["run"]; flags = ["--image", "--env"]; pairs = ["image=ours/*", "MODE=*"]"#,
            ],
            "run x --image=ours/x --env=MODE=1",
            Allow,
        ),
        (
            &[
                r#"a verbs = ["run"]; flags = ["--image", "--env"]; pairs = ["image=ours/*", "MODE=*"]"#,
            ],
            "run x --image=ours/x --env=LD_PRELOAD=/x",
            Deny,
        ),
        (
            &[
                r#"a verbs = ["debug"]; flags = ["--image", "--set-image", "--copy-to"]; pairs = ["*=ours/*"]"#,
            ],
            "debug web-0 --copy-to=d --set-image=app=ours/x,b=evil/x",
            Deny,
        ),
        (
            &[r#"a verbs = ["set resources"]; flags = ["--limits"]; pairs = ["cpu=*"]"#],
            "set resources deploy/web --limits=cpu=1",
            Allow,
        ),
        (
            &[r#"a verbs = ["set resources"]; flags = ["--limits"]; pairs = ["cpu=*"]"#],
            "set resources deploy/web --limits=cpu=1,memory=1Mi",
            Deny,
        ),
        (
            &[r#"a verbs = ["set selector"]; pairs = ["app=*"]"#],
            "set selector svc web app=web,tier=x",
            Deny,
        ),
        (
            &[
                r#"a verbs = ["delete"]; resources = ["pods"]; flags = ["--selector"]; selectors = ["team=web"]"#,
            ],
            "delete pods -l team=web,tier=front",
            Allow,
        ),
        (
            &[
                r#"a verbs = ["delete"]; resources = ["pods"]; flags = ["--selector"]; selectors = ["team=web"]"#,
            ],
            "delete pods -l team==web",
            Allow,
        ),
        (
            &[
                r#"a verbs = ["delete"]; resources = ["pods"]; flags = ["--selector"]; selectors = ["team=web"]"#,
            ],
            "delete pods -l tier=front",
            Deny,
        ),
        (
            &[
                r#"a verbs = ["delete"]; resources = ["pods"]; flags = ["--selector"]; selectors = ["team=web"]"#,
            ],
            "delete pod web-0",
            Deny,
        ),
    ] {
        assert_eq!(
            decides(lines, command, &Target::default()),
            expected,
            "{lines:?} {command}"
        );
    }
}

#[test]
fn projects_filters_and_hours_are_judged() {
    use Effect::{Allow, Deny};
    let argocd = |effect: &str, verbs: &str, lines: &str| {
        format!(
            "[[rule]]\nid = \"{effect}{verbs}\"\neffect = \"{effect}\"\nreason = \"r\"\ntool = \"argocd\"\nverbs = [{verbs:?}]\n{lines}\n"
        )
    };
    let of = |texts: &[String]| load(&format!("schema = 1\n{}", texts.concat())).unwrap();
    let decided = |policy: &Policy, command: &str| {
        super::decides_with(policy, crate::tool::Tool::ARGOCD, command)
    };
    let sync = of(&[argocd(
        "allow",
        "app sync",
        "flags = [\"--project\", \"--selector\"]\nprojects = [\"web\"]",
    )]);
    assert_eq!(decided(&sync, "app sync --project web"), Allow);
    assert_eq!(
        decided(&sync, "app sync --project web --project infra"),
        Deny
    );
    assert_eq!(
        decided(&sync, "app sync web"),
        Deny,
        "whose it is is not said"
    );
    let denied = of(&[
        argocd("allow", "app sync", "flags = [\"--project\"]"),
        argocd("deny", "app sync", "projects = [\"infra\"]"),
    ]);
    assert_eq!(decided(&denied, "app sync --project web"), Allow);
    assert_eq!(decided(&denied, "app sync --project infra"), Deny);
    assert_eq!(decided(&denied, "app sync web"), Deny, "it may be of any");

    const GREP: &str = r#"a verbs = ["get"]; resources = ["pods"]; filters = ["grep", "head"]"#;
    const BARE: &str = r#"a verbs = ["get"]; resources = ["pods"]; filters = []"#;
    let any = r#"a verbs = ["get"]; resources = ["pods"]"#;
    for (lines, command, expected) in [
        (&[GREP][..], "get pods", Allow),
        (&[GREP], "get pods | grep web | head -3", Allow),
        (&[GREP], "get pods | grep web | awk '{print $1}'", Deny),
        (&[BARE], "get pods", Allow),
        (&[BARE], "get pods | head -3", Deny),
        (
            &[any, r#"d verbs = ["get"]; filters = ["awk", "sed"]"#],
            "get pods | sed s/a/b/",
            Deny,
        ),
        (
            &[any, r#"d verbs = ["get"]; filters = ["awk", "sed"]"#],
            "get pods | grep a",
            Allow,
        ),
    ] {
        assert_eq!(
            decides(lines, command, &Target::default()),
            expected,
            "{lines:?} {command}"
        );
    }

    let at = |text: &str| Some(humantime::parse_rfc3339(text).unwrap());
    let (inside, outside) = (at("2026-11-30T09:00:00Z"), at("2026-11-30T20:00:00Z"));
    let hours = r#"verbs = ["get"]; resources = ["pods"]; days = ["mon-fri"]; hours = "08:00-18:00"; time_zone = "UTC""#;
    let (allow, deny) = (format!("a {hours}"), format!("d {hours}"));
    for (lines, moment, expected) in [
        (&[allow.as_str()][..], inside, Allow),
        (&[allow.as_str()], outside, Deny),
        (&[allow.as_str()], None, Deny),
        (&[any, deny.as_str()], inside, Deny),
        (&[any, deny.as_str()], outside, Allow),
        (&[any, deny.as_str()], None, Deny),
    ] {
        assert_eq!(
            decides_at(lines, "get pods", &Target::default(), moment),
            expected,
            "{lines:?} {moment:?}"
        );
    }
    let tested = |when: &str| {
        load(&format!(
            "{}[[test]]\nrun = \"kubectl get pods\"\nexpect = \"allow\"\nat = \"{when}\"\n",
            rules(&[&allow])
        ))
        .map(drop)
    };
    assert!(tested("2026-11-30T09:00:00Z").is_ok() && tested("2026-11-30T20:00:00Z").is_err());
    assert!(tested("nine").unwrap_err().message.contains("not a time"));
}
