//! Policy files, and what they say to a command.

use super::{catalogues::catalogues, command, forbidden};
use crate::{
    catalogue::Catalogue,
    command::{Adjustment, Invocation},
    mistake::Finding,
    policy::{
        BUILTINS, Decision, Effect, Facts, Policy, PolicyError, PolicyErrors, PolicySource, Target,
    },
};

/// The shipped policies, each alone and by name.
pub(super) fn shipped() -> &'static [(&'static str, Policy)] {
    static LOADED: std::sync::OnceLock<Vec<(&str, Policy)>> = std::sync::OnceLock::new();
    LOADED.get_or_init(|| {
        let loaded = BUILTINS.iter().map(|builtin| {
            let source = PolicySource::builtin(builtin.name).expect("it is built in");
            let policy = Policy::load(&[source], catalogues());
            (
                builtin.name,
                policy.unwrap_or_else(|error| panic!("{error}")),
            )
        });
        loaded.collect()
    })
}

/// The policy of these files' texts, for tools as these catalogues have them.
pub(super) fn load<T: AsRef<str>>(
    texts: &[T],
    catalogues: &[Catalogue],
) -> Result<Policy, PolicyErrors> {
    let named = texts.iter().enumerate();
    let files: Vec<PolicySource> = named
        .map(|(place, text)| {
            PolicySource::alone(&format!("{place}.toml"), text.as_ref().to_owned())
        })
        .collect();
    Policy::load(&files, catalogues)
}

/// What is decided about a command of an anonymous caller.
fn decided(policy: &Policy, invocation: &Invocation) -> Decision {
    decided_if(policy, invocation, false)
}

/// The same, with or without a filter behind the command.
fn decided_if(policy: &Policy, invocation: &Invocation, is_piped: bool) -> Decision {
    let target = &Target::default();
    policy.decide(Facts::new(invocation, target).piped(is_piped))
}

pub(super) fn outcome(policy: &Policy, invocation: &Invocation) -> Effect {
    outcome_of(&decided(policy, invocation))
}

fn outcome_of(decision: &Decision) -> Effect {
    match decision {
        Decision::Allow(_) => Effect::Allow,
        Decision::Confirm(_) => Effect::Confirm,
        Decision::Deny(_) => Effect::Deny,
    }
}

/// Any text as a policy file: it loads and then decides, or the errors point into the text. Returns
/// whether it loaded. (That it ends in time is libFuzzer's to watch.)
pub fn policy_load(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    match load(&[text], catalogues()) {
        Ok(policy) => {
            policy
                .lints()
                .for_each(|lint| points_into(text, lint, Finding::PolicyLint));
            for line in [
                "kubectl get pods -A -o json",
                "kubectl logs web-0",
                "kubectl delete pod web-0",
                "helm list",
                "kubectl get --help",
            ] {
                let readings = command::read(line.as_bytes());
                assert!(!readings.is_empty(), "`{line}` is a plain command");
                for (catalogue, invocation) in &readings {
                    stands(&policy, catalogue, invocation);
                }
            }
            true
        }
        Err(PolicyErrors(errors)) => {
            assert!(!errors.is_empty());
            errors
                .iter()
                .for_each(|error| points_into(text, error, Finding::PolicyInvalid));
            false
        }
    }
}

/// Line, column and span are places in the text, so that the error can be shown with the place
/// underlined.
fn points_into(text: &str, error: &PolicyError, finding: Finding) {
    let line = text
        .split('\n')
        .nth(error.line.checked_sub(1).expect("lines count from 1"));
    let line = line.unwrap_or_else(|| panic!("there is no such line: {error}"));
    assert!(
        (1..=line.chars().count() + 1).contains(&error.column),
        "there is no such column: {error}"
    );
    let (at, length) = error.span;
    assert!(
        text.get(at..at + length).is_some(),
        "there is no such span, {:?}: {error}",
        error.span
    );
    assert!(!error.message.is_empty() && !error.underlined(finding).is_empty());
}

/// Any command under each shipped policy: what is allowed `stands`. Returns whether one allows it.
pub fn decide(bytes: &[u8]) -> bool {
    let mut allowed = false;
    for (catalogue, invocation) in command::read(bytes) {
        for (_, policy) in shipped() {
            allowed |= stands(policy, catalogue, &invocation) == Effect::Allow;
        }
    }
    allowed
}

/// What `policy` says; and what it allows, at once or when it is confirmed,
/// - renders like every command,
/// - has nothing in it that is never allowed,
/// - is not denied, and stays the same words, when it is read from its own argv: flags that the
///   policy added are flags that it accepts,
/// - has no word that was not sent and is not told, with a filter behind it or without one.
pub(super) fn stands(policy: &Policy, catalogue: &Catalogue, invocation: &Invocation) -> Effect {
    let effects = [false, true].map(|is_piped| stands_if(policy, catalogue, invocation, is_piped));
    assert_eq!(
        effects[0] == Effect::Deny,
        effects[1] == Effect::Deny,
        "a filter decides what is added, not what is allowed: {:?}",
        invocation.argv()
    );
    effects[0]
}

fn stands_if(
    policy: &Policy,
    catalogue: &Catalogue,
    invocation: &Invocation,
    is_piped: bool,
) -> Effect {
    let decision = decided_if(policy, invocation, is_piped);
    let Some(allowed) = runs(&decision) else {
        return Effect::Deny;
    };
    command::renders(catalogue, allowed);
    forbidden::holds_nothing_forbidden(catalogue, allowed);
    all_that_is_added_is_told(invocation, allowed);
    let again = decided_if(policy, allowed, is_piped);
    match (&decision, runs(&again)) {
        (Decision::Allow(_), _) if !matches!(again, Decision::Allow(_)) => panic!(
            "{:?} was allowed, and is not when it is sent again: {again:?}",
            allowed.argv()
        ),
        (_, Some(again)) => assert_eq!(
            again.argv(),
            allowed.argv(),
            "it changes when it is sent again"
        ),
        (_, None) => panic!("{:?} would be denied: {again:?}", allowed.argv()),
    }
    outcome_of(&decision)
}

/// The words that run are those that were sent and those that are told.
fn all_that_is_added_is_told(sent: &Invocation, runs: &Invocation) {
    let mut expected: Vec<String> = sent.argv();
    let out = runs.adjustments().iter().skip(sent.adjustments().len());
    for change in out {
        match change {
            Adjustment::Added { word } => expected.push(word.clone()),
            Adjustment::Clamped { flag, given, used } => {
                expected.retain(|word| *word != format!("{flag}={given}"));
                expected.push(format!("{flag}={used}"));
            }
            other => panic!("no rule does that: {other:?}"),
        }
    }
    let mut found = runs.argv();
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "what is added is told, and nothing else");
}

/// What runs by a decision, at once or when it is confirmed.
fn runs(decision: &Decision) -> Option<&Invocation> {
    match decision {
        Decision::Allow(approved) => Some(approved.invocation()),
        Decision::Confirm(pending) => Some(pending.invocation()),
        Decision::Deny(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_policy_file_is_among_the_shipped_ones() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policy");
        let mut files: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| name.ends_with(".toml"))
            .collect();
        files.sort();
        let known: Vec<String> = BUILTINS
            .iter()
            .map(|builtin| format!("{}.toml", builtin.name))
            .collect();
        assert_eq!(files, known, "in this order");
    }

    #[test]
    fn shipped_policies_are_accepted_files() {
        for builtin in BUILTINS {
            // A text alone has no files beside it; what is built in has a name.
            let alone = builtin.text.replace("ing.toml\"]", "ing\"]");
            let alone = alone.replace("custom.toml\"]", "custom\"]");
            let alone = alone.replace("include = [\"", "include = [\"builtin:");
            assert!(policy_load(alone.as_bytes()), "{}", builtin.name);
        }
    }

    /// One of everything that a file can hold.
    const FULL: &str = include_str!("../../fuzz/corpus/policy_load/one-of-everything.toml");

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

        #[test]
        fn a_mangled_policy_loads_or_says_where_it_is_wrong(at in 0..FULL.len(), with in "[ -~\n\té]{0,4}", cut in 0_usize..4) {
            let mut mangled: Vec<char> = FULL.chars().collect();
            let at = at.min(mangled.len());
            let end = (at + cut).min(mangled.len());
            mangled.splice(at..end, with.chars());
            policy_load(mangled.into_iter().collect::<String>().as_bytes());
        }

        #[test]
        fn any_text_is_refused_with_a_place_in_it(text in "[\\PC\n]{0,64}") {
            policy_load(text.as_bytes());
        }
    }

    #[test]
    fn they_meet_what_they_are_about() {
        assert!(policy_load(FULL.as_bytes()));
        assert!(!policy_load(b"schema = 2"));
        assert!(decide(b"get pods -A") && decide(b"argocd app list"));
        assert!(!decide(b"config use-context prod"));
    }
}
