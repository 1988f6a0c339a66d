//! What more and other rules change: made-up policies over a small vocabulary, and made-up
//! commands.

use std::slice;

use super::{
    catalogues::catalogue,
    choices::Choices,
    policy::{load, outcome, stands},
};
use crate::{
    catalogue::CommandPath,
    command::{self, Invocation},
    policy::{Effect, Policy},
    tool::Tool,
};

/// What rules and commands are made of: few words, so that they meet.
struct Vocabulary {
    tool: Tool,
    verbs: &'static [&'static str],
    flags: &'static [FlagRow],
    resources: &'static [&'static str],
    charts: &'static [&'static str],
    /// What may stand behind a verb and its flags.
    operands: &'static [&'static str],
}

/// A flag, values for commands, patterns for rules.
type FlagRow = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

impl Vocabulary {
    /// The flags that one of the verbs has.
    fn flags_of(&self, verbs: &[&str]) -> Vec<&'static FlagRow> {
        let every = |verb: &&str| verb.starts_with(['*', '@']);
        let paths: Vec<CommandPath> = verbs
            .iter()
            .map(|verb| CommandPath::new(verb.split(' ').map(str::to_owned).collect()))
            .collect();
        let lineages: Vec<_> = paths
            .iter()
            .filter_map(|path| catalogue(self.tool).lineage(path))
            .collect();
        let has = |name: &str| {
            lineages
                .iter()
                .flatten()
                .flat_map(|node| &node.flags)
                .any(|flag| flag.name == name)
        };
        self.flags
            .iter()
            .filter(|(name, ..)| verbs.iter().any(every) || has(name))
            .collect()
    }

    fn policy_of(&self, files: &Files) -> Policy {
        let loaded = load(&texts_of(files), slice::from_ref(catalogue(self.tool)));
        loaded.unwrap_or_else(|error| panic!("each rule loads alone, so all of them do: {error}"))
    }
}

const VOCABULARIES: [Vocabulary; 3] = [
    Vocabulary {
        tool: Tool::KUBECTL,
        verbs: &[
            "get",
            "delete",
            "logs",
            "rollout status",
            "scale",
            "exec",
            "drain",
            "label",
            "set env",
            "describe",
        ],
        flags: &[
            ("output", &["json", "wide", "name"], &["json", "w*", "*"]),
            ("selector", &["app=web", "app=db"], &["app=web", "*"]),
            ("all-namespaces", &["true", "false"], &["true", "false"]),
            ("namespace", &["team-a", "kube-system"], &["team-*"]),
            ("tail", &["5", "900"], &["0..100", "500.."]),
            ("watch", &["true", "false"], &["false"]),
            ("timeout", &["5s", "0s", "2m"], &["..60s"]),
            ("replicas", &["0", "3"], &["1.."]),
            ("dry-run", &["client", "none"], &["client", "*"]),
            ("env", &["A=b", "LD_PRELOAD=x"], &["A=*", "*"]),
            ("help", &["true", "false"], &["true"]),
        ],
        resources: &[
            "pods",
            "secrets",
            "deployments.apps",
            "nodes",
            "namespaces",
            "*.apps",
            "pod*",
        ],
        charts: &[],
        operands: &[
            "pods",
            "pods web-0",
            "po,secrets",
            "secrets",
            "secret/db",
            "deploy/web",
            "pod/web-0 deploy/web",
            "nodes",
            "ns team-a",
            "web-0",
            "web-0 -- ls",
            "deploy/web A=b LD_PRELOAD=x",
            "pods web-0 app-",
            "deploy/web A=b",
            "",
        ],
    },
    Vocabulary {
        tool: Tool::HELM,
        verbs: &["list", "status", "history", "uninstall", "upgrade"],
        flags: &[
            ("output", &["json", "table"], &["json", "*"]),
            ("all-namespaces", &["true", "false"], &["true", "false"]),
            ("namespace", &["team-a", "kube-system"], &["team-*"]),
            ("max", &["5", "900"], &["1..100"]),
            ("help", &["true", "false"], &["true"]),
        ],
        resources: &[],
        charts: &["oci://r.example/*", "stable/*", "*"],
        operands: &["web", "web oci://r.example/c", "db stable/c", "web db", ""],
    },
    Vocabulary {
        tool: Tool::ARGOCD,
        verbs: &["app list", "app get", "app sync"],
        flags: &[
            ("output", &["json", "wide"], &["wide", "*"]),
            ("project", &["team-a"], &["team-*"]),
            ("prune", &["true", "false"], &["false"]),
            ("help", &["true", "false"], &["true"]),
        ],
        resources: &[],
        charts: &[],
        operands: &["web", "team-a/web", "kube-system/web", ""],
    },
];

/// A rule that was made up, without its id: rules of one file get theirs by place.
#[derive(Clone)]
struct Made {
    effect: &'static str,
    text: String,
}

type Files = Vec<Vec<Made>>;

/// For any policy files and any command:
/// - an allow rule less, a deny rule more or a file more never permits more;
/// - the order of rules and of files changes nothing;
/// - what is allowed `stands`.
///
/// Returns whether there was a command that is not simply denied.
pub fn monotonic(bytes: &[u8]) -> bool {
    let mut choices = Choices::new(bytes);
    let words = choices.pick(&VOCABULARIES);
    let Some(invocation) = a_command(&mut choices, words) else {
        return false;
    };
    let verb = invocation.path().to_string();
    let files: Files = (0..1 + choices.below(2))
        .map(|_| some_rules(&mut choices, words, &verb))
        .collect();
    let at = choices.below(files.len());
    let before = stands(&words.policy_of(&files), catalogue(words.tool), &invocation);
    let holds = |claim: &str, changed: &Files, is: fn(Effect, Effect) -> bool| {
        let after = outcome(&words.policy_of(changed), &invocation);
        assert!(
            is(after, before),
            "{claim}, and {before:?} became {after:?} for {:?}. From\n{}\nto\n{}",
            invocation.argv(),
            texts_of(&files).join("\n"),
            texts_of(changed).join("\n")
        );
    };
    let same = |after, before| after == before;
    let no_more_permitted = |after, before| after >= before;

    holds(
        "the order of rules changed",
        &files
            .iter()
            .map(|rules| rules.iter().rev().cloned().collect())
            .collect(),
        same,
    );
    holds(
        "the order of files changed",
        &files.iter().rev().cloned().collect(),
        same,
    );
    holds(
        "a file more",
        &[files.clone(), vec![some_rules(&mut choices, words, &verb)]].concat(),
        no_more_permitted,
    );
    if let Some(deny) = a_rule(&mut choices, words, &verb, "deny") {
        holds(
            "a deny rule more",
            &changed(&files, at, |rules| rules.push(deny.clone())),
            no_more_permitted,
        );
    }
    let allows = files.get(at).map_or(0, |rules| {
        rules.iter().filter(|rule| rule.effect == "allow").count()
    });
    for place in 0..allows {
        let without = changed(&files, at, |rules| {
            let mut allows = 0..;
            rules.retain(|rule| rule.effect != "allow" || allows.next() != Some(place));
        });
        holds("an allow rule less", &without, no_more_permitted);
    }
    before != Effect::Deny
}

fn changed(files: &Files, at: usize, change: impl FnOnce(&mut Vec<Made>)) -> Files {
    let mut files = files.clone();
    files.get_mut(at).map(change);
    files
}

fn texts_of(files: &Files) -> Vec<String> {
    files.iter().map(|rules| text_of(rules)).collect()
}

fn text_of(rules: &[Made]) -> String {
    let rules = rules
        .iter()
        .enumerate()
        .map(|(place, rule)| format!("[[rule]]\nid = \"r{place}\"\n{}", rule.text));
    format!("schema = 1\n{}", rules.collect::<String>())
}

/// A verb, operands and flags; `None` when the parser does not accept them together.
fn a_command(choices: &mut Choices<'_>, words: &Vocabulary) -> Option<Invocation> {
    let verb = *choices.pick(words.verbs);
    let mut line: Vec<String> = verb.split(' ').map(str::to_owned).collect();
    for (flag, values, _) in choices.several(3, &words.flags_of(&[verb])) {
        line.push(format!("--{flag}={}", choices.pick(values)));
    }
    line.extend(
        choices
            .pick(words.operands)
            .split_whitespace()
            .map(str::to_owned),
    );
    command::parse(catalogue(words.tool), line, None).ok()
}

/// Rules that are about `verb` more often than not.
fn some_rules(choices: &mut Choices<'_>, words: &Vocabulary, verb: &str) -> Vec<Made> {
    (0..1 + choices.below(3))
        .filter_map(|_| {
            let effect = choices.pick(&["allow", "allow", "confirm", "deny"]);
            a_rule(choices, words, verb, effect)
        })
        .collect()
}

/// A rule that loads; `None` when what was picked does not fit together.
fn a_rule(
    choices: &mut Choices<'_>,
    words: &Vocabulary,
    verb: &str,
    effect: &'static str,
) -> Option<Made> {
    let verbs = match choices.below(16) {
        1 => vec!["*"],
        2 => vec!["@read", "@write", "@destructive"],
        3 | 4 => vec![*choices.pick(words.verbs)],
        5 | 6 => vec![verb, *choices.pick(words.verbs)],
        _ => vec![verb],
    };
    let known = words.flags_of(&verbs);
    let mut text = format!(
        "effect = \"{effect}\"\nreason = \"r\"\ntool = \"{}\"\nverbs = {verbs:?}\n",
        words.tool
    );
    let mut flags: Vec<&str> = choices
        .several(4, &known)
        .into_iter()
        .map(|(flag, ..)| *flag)
        .collect();
    if effect != "deny" && choices.once_in(2) {
        flags.push("@plain");
    }
    text += &format!("flags = {flags:?}\n");
    let mut table =
        |key: &str, once_in: usize, made: &mut dyn FnMut(&mut Choices<'_>) -> String| {
            if choices.once_in(once_in) {
                text += &format!("{key} = {}\n", made(choices));
            }
        };
    if !words.resources.is_empty() {
        table("resources", 4, &mut |choices| {
            format!("{:?}", choices.several(5, words.resources))
        });
    }
    if !words.charts.is_empty() {
        table("charts", 2, &mut |choices| {
            format!("{:?}", choices.several(3, words.charts))
        });
    }
    if words.tool == Tool::KUBECTL {
        table("pairs", 8, &mut |choices| {
            format!("{:?}", choices.several(3, &["A=*", "A", "*=x", "app", "*"]))
        });
        table("selectors", 12, &mut |choices| {
            format!("{:?}", choices.several(2, &["app=*", "app=web"]))
        });
    }
    if words.tool == Tool::ARGOCD {
        table("projects", 6, &mut |choices| {
            format!("{:?}", choices.several(2, &["team-a", "team-*", "infra"]))
        });
    }
    table("filters", 12, &mut |choices| {
        format!("{:?}", choices.several(2, &["grep", "*"]))
    });
    table("values", 4, &mut |choices| {
        let (flag, _, patterns) = choices.pick(&known);
        format!("{{ {flag} = [{:?}] }}", choices.pick(patterns))
    });
    table("namespaces", 5, &mut |choices| {
        format!(
            "{:?}",
            choices.several(3, &["team-a", "team-*", "default", "kube-system", "*"])
        )
    });
    table("names", 6, &mut |choices| {
        format!("{:?}", choices.several(3, &["web*", "*", "team-*", "db"]))
    });
    table("principals", 10, &mut |choices| {
        format!("{:?}", choices.several(3, &["anonymous", "a*", "bob"]))
    });
    if effect != "deny" {
        table("require", 10, &mut |choices| {
            format!("[{:?}]", choices.pick(&known).0)
        });
        table("inject", 4, &mut |choices| {
            let (flag, values, _) = choices.pick(&known);
            format!("{{ {flag} = {:?} }}", choices.pick(values))
        });
        table("max_operands", 6, &mut |choices| {
            choices.below(3).to_string()
        });
        table("max_names", 6, &mut |choices| choices.below(3).to_string());
        table("after_dash", 3, &mut |_| "true".into());
    }
    let rule = Made { effect, text };
    load(
        &[text_of(slice::from_ref(&rule))],
        slice::from_ref(catalogue(words.tool)),
    )
    .is_ok()
    .then_some(rule)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

        #[test]
        fn rules_add_up_in_one_direction_only(bytes in prop::collection::vec(any::<u8>(), 0..96)) {
            monotonic(&bytes);
        }
    }
}
