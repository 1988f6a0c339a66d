//! Does a file that cannot mean what its author wants say so, with its place?

use super::super::tests::{HEAD, load, rules};
use super::*;

#[test]
fn a_wrong_name_is_refused_with_its_place_and_the_nearest_one() {
    for (body, line, column, message, help) in [
        (
            "verbs = [\"gett\"]",
            7,
            10,
            "no verb `gett`",
            Some("did you mean `get`?"),
        ),
        (
            "verbs = [\"get\"]\nflags = [\"--selecter\"]",
            8,
            10,
            "no verb of this rule has the flag",
            Some("did you mean `--selector`?"),
        ),
        (
            "verbs = [\"get\"]\nresources = [\"po\"]",
            8,
            14,
            "not the canonical name",
            Some("its canonical name is `pods`"),
        ),
        (
            "verbs = [\"get\"]\nresources = \"@reads\"",
            8,
            13,
            "there is no set `reads`",
            None,
        ),
        (
            "verbs = [\"get\"]\nresources = [\"pods\", \"@reads\"]",
            8,
            22,
            "there is no set `reads`",
            None,
        ),
        (
            "verbs = [\"get\"]\nflags = [\"--token\"]",
            8,
            10,
            "--token is never allowed",
            Some("take the flag out; no file can allow it"),
        ),
        (
            "verbs = [\"config unset\"]",
            7,
            10,
            "is never allowed",
            Some("take the verb out; no file can allow it"),
        ),
        (
            "verbs = [\"get\"]\nmatches = [\"kubectl describe pods\"]",
            8,
            12,
            "does not match this example",
            Some("make the rule wider, or move the example to `rejects`"),
        ),
        (
            "verbs = [\"get\"]\nrejects = [\"kubectl get pods\"]",
            8,
            12,
            "matches this example, which it should reject",
            Some("make the rule narrower, or move the example to `matches`"),
        ),
        (
            "verbs = [\"logs\"]\nvalues = { \"--tail\" = [\"9..1\"] }",
            8,
            24,
            "this range is empty",
            Some("write the smaller side first; a duration of 0 is no limit, and never matches"),
        ),
        (
            "verbs = [\"get\"]\nverb = 1",
            8,
            1,
            "unknown field `verb`",
            Some("did you mean `verbs`?"),
        ),
        // Classes.
        (
            "verbs = [\"@reed\"]",
            7,
            10,
            "there is no class `reed` of verbs",
            Some("did you mean `read`?"),
        ),
        (
            "verbs = [\"get\"]\nflags = [\"@unbounded\"]",
            8,
            10,
            "can do harm",
            Some("only `@plain` stands for flags that are not named"),
        ),
        (
            "verbs = [\"get\"]\nflags = [\"@plane\"]",
            8,
            10,
            "no set and no class `plane` of flags",
            Some("did you mean `plain`?"),
        ),
        (
            "verbs = [\"get\"]\nflags = [\"--output\"]",
            8,
            10,
            "--output needs its values listed",
            Some("list the values that are meant: values = { \"--output\" = [\"…\"] }"),
        ),
        (
            "verbs = [\"get\"]\nvalues = { \"--output\" = [\"jsonpath-file=*\"] }",
            8,
            26,
            "is never allowed",
            Some("take the value out; no file can allow it"),
        ),
        (
            "verbs = [\"get\", \"debug\"]\nflags = [\"--profile\"]",
            8,
            10,
            "--profile is never allowed with `kubectl get`",
            Some("take the flag out; no file can allow it"),
        ),
        // Rules that never match.
        ("verbs = []", 7, 9, "about no verb", None),
        (
            "verbs = [\"get\"]\nnamespaces = []",
            8,
            14,
            "an empty list matches nothing",
            Some("leave the key out to match everything"),
        ),
        (
            "verbs = [\"get\"]\nvalues = { \"--output\" = [] }",
            8,
            25,
            "no value of --output is accepted",
            None,
        ),
        (
            "verbs = [\"logs\"]\nvalues = { \"--tail\" = [\"..60s\"] }",
            8,
            24,
            "--tail takes a whole number, so `..60s` never matches",
            Some("list values that the flag takes"),
        ),
        (
            "verbs = [\"wait\"]\nvalues = { \"--timeout\" = [\"0..30\"] }",
            8,
            27,
            "--timeout takes a duration like 30s",
            Some("list values that the flag takes"),
        ),
        (
            "verbs = [\"wait\"]\nvalues = { \"--timeout\" = [\"..0s\"] }",
            8,
            27,
            "this range is empty",
            Some("write the smaller side first; a duration of 0 is no limit, and never matches"),
        ),
        (
            "verbs = [\"get\"]\nvalues = { \"--watch\" = [\"no\"] }",
            8,
            25,
            "--watch takes true or false",
            Some("list values that the flag takes"),
        ),
        (
            "verbs = [\"get\", \"wait\"]\nrequire = [\"--timeout\"]",
            8,
            12,
            "`kubectl get` has no --timeout, so this rule never matches it",
            Some("put the verb into a rule of its own"),
        ),
        (
            "verbs = [\"get\"]\nmax_operands = 0\nnames = [\"web\"]",
            9,
            9,
            "wants a name and accepts none",
            None,
        ),
        (
            "verbs = [\"logs\"]\nrequire = [\"--tail\"]\ninject = { \"--tail\" = \"5\" }",
            9,
            12,
            "--tail is required, so it is never added",
            None,
        ),
        (
            "verbs = [\"logs\"]\ninject = { \"--tail\" = \"many\" }",
            8,
            23,
            "--tail takes a whole number",
            None,
        ),
        (
            "verbs = [\"get\"]\ntimeout = \"0s\"",
            8,
            11,
            "a timeout is a duration",
            None,
        ),
        (
            "verbs = [\"get\"]\nmax_output = \"64K\"",
            8,
            14,
            "max_output is a size",
            None,
        ),
        (
            "verbs = [\"get\"]\nmax_lines = 0",
            8,
            13,
            "max_lines is a number",
            None,
        ),
    ] {
        let error = load(&format!("{HEAD}{body}\n")).unwrap_err();
        assert!(error.message.contains(message), "{error}");
        assert_eq!(
            (error.line, error.column, error.help.as_deref()),
            (line, column, help),
            "{error}"
        );
    }
}

#[test]
fn each_rule_and_test_tells_its_first_error() {
    let text = format!(
        "{HEAD}verbs = [\"gett\"]\n{}verbs = [\"get\"]\nflags = [\"--nope\"]\n",
        HEAD.replace("schema = 1\n", "").replace("\"a\"", "\"b\"")
    );
    let files = [PolicySource::alone("p.toml", text)];
    let errors = Policy::load(&files, &Catalogue::carried().unwrap())
        .unwrap_err()
        .0;
    assert_eq!(
        errors.iter().map(|error| error.line).collect::<Vec<_>>(),
        [7, 14],
        "{errors:?}"
    );
}

#[test]
fn what_is_hardly_meant_is_a_lint() {
    let text = format!(
        "{HEAD}verbs = [\"delete\", \"get\"]\n[[rule]]\nid = \"d\"\neffect = \"deny\"\nreason = \"r\"\ntool = \"kubectl\"\nverbs = [\"delete\"]\n[sets]\nunused = [\"pods\"]\n"
    );
    let policy = load(&text).unwrap();
    let lints: Vec<_> = policy
        .lints()
        .map(|lint| (lint.line, lint.message.as_str()))
        .collect();
    assert_eq!(
        lints,
        [
            (
                3,
                "`kubectl delete` of this rule never runs: `d` on line 9 denies it"
            ),
            (15, "no rule uses the set `unused`")
        ]
    );
    let reads_all = load(&format!("{HEAD}verbs = [\"get\"]\n")).unwrap();
    assert!(
        reads_all
            .lints()
            .next()
            .unwrap()
            .message
            .contains("Secrets too")
    );
}

#[test]
fn a_rule_that_lets_more_through_than_it_reads_is_a_lint() {
    for (rule, message) in [
        (
            r#"a tool = "helm"; verbs = ["get values"]"#,
            Some("`helm get values` prints credentials, or content that holds them"),
        ),
        (
            r#"a verbs = ["exec"]; after_dash = true"#,
            Some("`kubectl exec` runs programs in every pod of every namespace"),
        ),
        (
            r#"a tool = "helm"; verbs = ["get values"]; names = ["web-*"]"#,
            None,
        ),
        (
            r#"a verbs = ["exec"]; after_dash = true; namespaces = ["web"]"#,
            None,
        ),
        (
            r#"a verbs = ["delete"]; resources = ["pods"]; flags = ["--all"]"#,
            Some("--all of `kubectl delete`: every object instead of those that are named"),
        ),
        (
            r#"a verbs = ["rollout restart"]; resources = ["deployments.apps"]"#,
            Some("`kubectl rollout restart` without a name is about all objects of a type at once"),
        ),
        (
            r#"a verbs = ["rollout restart"]; resources = ["deployments.apps"]; names = ["*"]"#,
            None,
        ),
        (
            r#"a verbs = ["get"]"#,
            Some("this rule lets `kubectl get` read every resource, Secrets too"),
        ),
    ] {
        let policy = load(&rules(&[rule])).unwrap();
        let lints: Vec<&str> = policy.lints().map(|lint| lint.message.as_str()).collect();
        assert_eq!(lints, Vec::from_iter(message), "{rule}");
    }
}

#[test]
fn an_allow_rule_that_another_rule_makes_pointless_is_a_lint() {
    let narrow = r#"a verbs = ["logs"]; namespaces = ["web"]; values = { "--tail" = ["..100"] }"#;
    let lints = |rules_of: &[&str]| {
        let policy = load(&rules(rules_of)).unwrap();
        let lints = policy.lints().map(|lint| lint.message.clone());
        lints.collect::<Vec<_>>()
    };
    for (other, message) in [
        (
            r#"a verbs = ["logs"]; flags = ["--tail"]"#,
            Some("`r1` on line 11 allows all that this rule allows"),
        ),
        (
            r#"c verbs = ["logs"]; flags = ["--tail"]"#,
            Some("`r1` on line 11 asks a person about all that this rule allows"),
        ),
        // Each of these leaves something of the rule.
        (r#"a verbs = ["logs"]"#, None),
        (
            r#"a verbs = ["logs"]; flags = ["--tail"]; namespaces = ["shop"]"#,
            None,
        ),
        (
            r#"a verbs = ["logs"]; flags = ["--tail"]; groups = ["x"]"#,
            None,
        ),
        (
            r#"a verbs = ["logs"]; flags = ["--tail"]; require = ["--tail"]"#,
            None,
        ),
        (
            r#"a verbs = ["logs"]; flags = ["--tail"]; timeout = "5s""#,
            None,
        ),
        (r#"a verbs = ["get"]; resources = ["pods"]"#, None),
    ] {
        assert_eq!(
            lints(&[narrow, other]),
            Vec::from_iter(message.map(str::to_owned)),
            "{other}"
        );
    }
}

#[test]
fn a_rule_that_reads_all_but_the_secrets_which_another_denies_is_no_lint() {
    let read = r#"a verbs = ["get", "describe"]"#;
    let deny = |verbs: &str| format!(r#"d verbs = [{verbs}]; resources = ["secrets"]"#);
    for (verbs, is_silent) in [
        (r#""get", "describe""#, true),
        (r#""*""#, true),
        (r#""get""#, false),
    ] {
        let policy = load(&rules(&[read, &deny(verbs)])).unwrap();
        assert_eq!(policy.lints().next().is_none(), is_silent, "{verbs}");
    }
}

#[test]
fn a_rule_that_is_weaker_than_it_reads_does_not_load() {
    for (rule, message) in [
        (
            r#"a verbs = ["delete"]; require = ["--dry-run"]"#,
            "some of its values do nothing",
        ),
        (
            r#"a verbs = ["get"]; values = { "--output" = ["*"] }; inject = { "--output" = "jsonpath-file=/etc/passwd" }"#,
            "is never allowed",
        ),
        (
            r#"a verbs = ["get", "logs"]; inject = { "--tail" = "500" }"#,
            "not every verb of this rule has --tail",
        ),
        (
            r#"a verbs = ["logs"]; inject = { "--help" = "true" }"#,
            "nothing would run but help",
        ),
        (
            r#"a verbs = ["get"]; inject = { "--all-namespaces" = "true" }"#,
            "chooses what a command is about",
        ),
        (
            r#"a verbs = ["get"]; charts = ["x"]"#,
            "only helm's commands name charts",
        ),
        (
            r#"a verbs = ["get"]; namespaces = ["Prod"]"#,
            "is no glob of namespaces",
        ),
        (
            r#"a verbs = ["get"]; clusters = ["https://prod.example.com"]"#,
            "is no glob of cluster names",
        ),
        (
            r#"a verbs = ["get"]; principals = [""]"#,
            "an empty text matches nothing",
        ),
    ] {
        let error = load(&rules(&[rule])).unwrap_err();
        assert!(error.message.contains(message), "{rule}: {error}");
    }
}
