//! Is what a file includes part of it, and does every entry that cannot be say so, with its place?

use std::collections::BTreeMap;

use super::*;
use crate::{
    command::{parse, split},
    policy::{Decision, Facts, Target},
};

/// The policy `team.toml` of a folder with these files.
fn source(files: &[(&str, &str)]) -> PolicySource {
    let files: BTreeMap<&str, &str> = files.iter().copied().collect();
    let read = |name: &str| {
        let text = files.get(name).map(|text| (*text).to_owned());
        text.ok_or_else(|| format!("{name} cannot be read: no such file"))
    };
    PolicySource::read("team.toml", files["team.toml"].to_owned(), &read)
}

fn load(files: &[(&str, &str)]) -> Result<Policy, Vec<PolicyError>> {
    Policy::load(&[source(files)], &Catalogue::carried().unwrap()).map_err(|errors| errors.0)
}

/// A rule of one line about kubectl.
fn rule(id: &str, effect: &str, rest: &str) -> String {
    format!(
        "[[rule]]\nid = \"{id}\"\neffect = \"{effect}\"\nreason = \"r\"\ntool = \"kubectl\"\n{rest}\n"
    )
}

fn including(entries: &str, rest: &str) -> String {
    format!("schema = 1\ninclude = [{entries}]\n{rest}")
}

/// What is decided, and by which rule of which place.
fn decided(policy: &Policy, command: &str) -> String {
    let catalogues = Catalogue::carried().unwrap();
    let words = split(Tool::KUBECTL, command).unwrap();
    let invocation = parse(&catalogues[0], words, None).unwrap();
    match policy.decide(Facts::new(&invocation, &Target::default())) {
        Decision::Allow(approved) => format!("allow {} {}", approved.rule(), approved.rule_at()),
        Decision::Deny(denied) => match denied.rule {
            Some(rule) => format!("deny {rule}"),
            None => format!("deny: {}", denied.advice.reason),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_included_is_the_files_own_and_keeps_its_place() {
    let team = including(
        "\"parts/reading.toml\"",
        &rule(
            "wait",
            "allow",
            "verbs = [\"describe\"]\nresources = \"@looked-at\"",
        ),
    );
    // The inner entry is relative to the file in which it stands.
    let reading = including(
        "\"sets.toml\", \"./more/denials.toml\"",
        &rule(
            "get",
            "allow",
            "verbs = [\"get\"]\nresources = \"@looked-at\"",
        ),
    );
    let sets = "schema = 1\n[sets]\nlooked-at = [\"pods\", \"nodes\"]\n";
    let denials = format!(
        "schema = 1\n{}",
        rule(
            "no-nodes",
            "deny",
            "verbs = [\"get\"]\nresources = [\"nodes\"]"
        )
    );
    let files = [
        ("team.toml", &*team),
        ("parts/reading.toml", &*reading),
        ("parts/sets.toml", sets),
        ("parts/more/denials.toml", &*denials),
    ];
    let policy = load(&files).unwrap();
    for (command, expected) in [
        ("kubectl get pods", "allow get parts/reading.toml:4"),
        ("kubectl describe pods", "allow wait team.toml:4"),
        (
            "kubectl get nodes",
            "deny no-nodes (parts/more/denials.toml:3)",
        ),
        (
            "kubectl delete pod a",
            "deny: no rule of team.toml allows `kubectl delete`",
        ),
    ] {
        assert_eq!(decided(&policy, command), expected);
    }
    assert_eq!(policy.rules(), 3);
    let source = source(&files);
    assert_eq!(
        source.included().collect::<Vec<_>>(),
        [
            "parts/sets.toml",
            "parts/more/denials.toml",
            "parts/reading.toml"
        ]
    );
    assert_eq!(source.texts().count(), 4, "what digests are made of");
    assert!(policy.lints().next().is_none());
}

#[test]
fn a_file_that_is_included_twice_is_there_once() {
    let get = format!(
        "schema = 1\n[sets]\nlooked-at = [\"pods\"]\n{}",
        rule(
            "get",
            "allow",
            "verbs = [\"get\"]\nresources = \"@looked-at\"\nmatches = [\"kubectl get pods\"]"
        )
    );
    let policy = load(&[
        (
            "team.toml",
            &including("\"a.toml\", \"b.toml\", \"./get.toml\"", ""),
        ),
        ("a.toml", &including("\"get.toml\"", "")),
        ("b.toml", &including("\"get.toml\"", "")),
        ("get.toml", &get),
    ])
    .unwrap();
    assert_eq!((policy.rules(), policy.examples()), (1, 1));
}

#[test]
fn a_built_in_policy_is_included_by_its_name() {
    let own = rule(
        "no-nodes",
        "deny",
        "verbs = [\"get\"]\nresources = [\"nodes\"]",
    );
    let policy = load(&[("team.toml", &including("\"builtin:read-only\"", &own))]).unwrap();
    assert!(decided(&policy, "kubectl get pods").starts_with("allow get "));
    assert_eq!(
        decided(&policy, "kubectl get nodes"),
        "deny no-nodes (team.toml:4)"
    );
}

#[test]
fn the_tests_of_an_included_file_are_about_that_file() {
    let reading = format!(
        "schema = 1\n{}[[test]]\nrun = \"kubectl get nodes\"\nexpect = \"allow\"\n[[test]]\nrun = \"kubectl describe pods\"\nexpect = \"deny\"\n",
        rule("get", "allow", "verbs = [\"get\"]\nresources = [\"nodes\"]")
    );
    let deny = rule("no-get", "deny", "verbs = [\"get\"]");
    let describe = rule(
        "describe",
        "allow",
        "verbs = [\"describe\"]\nresources = [\"pods\"]",
    );
    let test = "[[test]]\nrun = \"kubectl get nodes\"\nexpect = \"deny\"\n";
    let team = including("\"reading.toml\"", &format!("{deny}{describe}{test}"));
    let policy = load(&[("team.toml", &*team), ("reading.toml", &*reading)]).unwrap();
    assert_eq!(
        decided(&policy, "kubectl get nodes"),
        "deny no-get (team.toml:4)"
    );
    assert_eq!(policy.examples(), 3);
    assert_eq!(
        policy.lints().count(),
        0,
        "who includes a file may deny what it allows"
    );
}

#[test]
fn a_rule_that_what_is_included_denies_is_a_lint() {
    let team = including(
        "\"builtin:read-only\"",
        &rule("delete", "allow", "verbs = [\"delete\"]"),
    );
    let policy = load(&[("team.toml", &team)]).unwrap();
    let lints: Vec<_> = policy.lints().collect();
    assert_eq!(lints.len(), 1);
    assert_eq!((&*lints[0].file.name, lints[0].line), ("team.toml", 4));
    assert!(
        lints[0]
            .message
            .starts_with("`kubectl delete` of this rule never runs: `no-writing` on line ")
            && lints[0].message.ends_with(" of read-only.toml denies it"),
        "{}",
        lints[0].message
    );
}

#[test]
fn an_entry_that_leads_nowhere_is_refused_with_its_place() {
    let beside = "put the file beside this one or below, and name it from here";
    for (entry, message, help) in [
        (
            "missing.toml",
            "missing.toml cannot be read: no such file",
            beside,
        ),
        (
            "/etc/passwd",
            "`/etc/passwd` leads out of the folder of this file",
            beside,
        ),
        (
            "a/../../b.toml",
            "`a/../../b.toml` leads out of the folder of this file",
            beside,
        ),
        ("", "this is the name of no file", beside),
        ("./", "this is the name of no file", beside),
        (
            "builtin:standart",
            "`builtin:standart` is not the name of a built-in policy",
            "did you mean `builtin:standard`?",
        ),
        (
            "admin.toml",
            "admin.toml cannot be read: no such file",
            "the built-in one is `builtin:admin`",
        ),
        (
            "team.toml",
            "this closes a circle: team.toml includes team.toml",
            "take one of the entries out",
        ),
    ] {
        let team = including(&format!("\"good.toml\", \"{entry}\""), "");
        let errors = load(&[("team.toml", &team), ("good.toml", "schema = 1\n")]).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        let error = &errors[0];
        assert_eq!(
            (&*error.message, error.help.as_deref()),
            (message, Some(help))
        );
        assert_eq!((error.line, error.column), (2, 25), "{error}");
        assert_eq!(error.span, (35, entry.len() + 2), "{error}");
    }
}

#[test]
fn circles_depth_and_number_have_an_end() {
    let a = including("\"b.toml\"", "");
    let b = including("\"team.toml\"", "");
    let errors = load(&[("team.toml", &a), ("b.toml", &b)]).unwrap_err();
    assert_eq!(
        errors[0].message,
        "this closes a circle: team.toml includes b.toml includes team.toml"
    );
    assert_eq!(&*errors[0].file.name, "b.toml");

    let endless =
        |name: &str| -> Result<String, String> { Ok(including(&format!("\"{name}.toml\""), "")) };
    let team = including("\"a.toml\"", "");
    let source = PolicySource::read("team.toml", team, &endless);
    assert_eq!(source.texts().count(), 9);
    let catalogues = Catalogue::carried().unwrap();
    let errors = Policy::load(&[source], &catalogues).unwrap_err().0;
    assert_eq!(
        errors[0].message,
        "files include each other more than 8 deep here"
    );

    let many: Vec<String> = (0..100)
        .map(|number| format!("\"{number}.toml\""))
        .collect();
    let flat = |_: &str| -> Result<String, String> { Ok("schema = 1\n".into()) };
    let source = PolicySource::read("team.toml", including(&many.join(", "), ""), &flat);
    assert_eq!(source.texts().count(), 32);
    let errors = Policy::load(&[source], &catalogues).unwrap_err().0;
    assert_eq!(errors[0].message, "this policy has more than 32 files");
}

#[test]
fn a_name_that_two_files_have_is_refused_where_they_meet() {
    let one = format!(
        "schema = 1\n[sets]\ns = [\"pods\"]\n{}",
        rule("get", "allow", "verbs = [\"get\"]\nresources = \"@s\"")
    );
    let other = format!("schema = 1\n{}", rule("get", "deny", "verbs = [\"get\"]"));
    let sets = "schema = 1\n[sets]\ns = [\"pods\"]\n";
    let own = rule("get", "allow", "verbs = [\"top pod\"]");
    let both = "\"one.toml\", \"other.toml\"";
    for (team, line, column, message) in [
        (
            including(both, ""),
            2,
            24,
            "the id `get` stands in one.toml:5 and in other.toml:3",
        ),
        (
            including("\"one.toml\"", &own),
            4,
            6,
            "the id `get` is taken by the rule on line 5 of one.toml",
        ),
        (
            including("\"one.toml\", \"sets.toml\"", ""),
            2,
            24,
            "the set `s` stands in one.toml and in sets.toml",
        ),
        (
            including("\"sets.toml\"", "[sets]\ns = [\"pods\"]\n"),
            4,
            1,
            "the set `s` stands in sets.toml too",
        ),
    ] {
        let files = [
            ("team.toml", &*team),
            ("one.toml", &*one),
            ("other.toml", &*other),
            ("sets.toml", sets),
        ];
        let errors = load(&files).unwrap_err();
        let error = &errors[0];
        assert_eq!(
            (&*error.file.name, error.line, error.column, &*error.message),
            ("team.toml", line, column, message)
        );
    }
}

#[test]
fn an_error_stands_in_the_file_that_can_mend_it() {
    let wrong = format!("schema = 1\n{}", rule("a", "allow", "verbs = [\"gett\"]"));
    let team = including("\"wrong.toml\"", "");
    let errors = load(&[("team.toml", &*team), ("wrong.toml", &*wrong)]).unwrap_err();
    assert_eq!(
        (&*errors[0].file.name, errors[0].line, errors[0].column),
        ("wrong.toml", 7, 10)
    );
    // The set is right where it stands, and wrong for this rule.
    let team = including(
        "\"sets.toml\"",
        &rule("a", "allow", "verbs = [\"get\"]\nflags = [\"@tails\"]"),
    );
    let sets = "schema = 1\n[sets]\ntails = [\"--tail\"]\n";
    let errors = load(&[("team.toml", &*team), ("sets.toml", sets)]).unwrap_err();
    assert_eq!(
        (&*errors[0].file.name, errors[0].line, errors[0].column),
        ("team.toml", 9, 10)
    );
    // An included file cannot name a set of the file that includes it.
    let reading = format!(
        "schema = 1\n{}",
        rule("a", "allow", "verbs = [\"get\"]\nresources = \"@s\"")
    );
    let team = including("\"reading.toml\"", "[sets]\ns = [\"pods\"]\n");
    let errors = load(&[("team.toml", &*team), ("reading.toml", &*reading)]).unwrap_err();
    assert_eq!(errors[0].message, "there is no set `s`");
    assert_eq!(&*errors[0].file.name, "reading.toml");
}
