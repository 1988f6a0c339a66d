//! What no policy can allow, in every spelling and place.

use super::{
    catalogues::catalogues,
    choices::Choices,
    forbidden::{forbidden_flags, forbidden_verbs},
    policy::{load, outcome, shipped},
};
use crate::{
    catalogue::{Catalogue, Flag, FlagKind},
    command,
    policy::{Effect, Policy},
    tool::Tool,
};

/// Legal commands to splice a flag into. Each flag here is one word, so that a spliced word is
/// never the value of the one before it.
fn hosts(tool: Tool) -> &'static [&'static str] {
    match tool.as_str() {
        "kubectl" => &[
            "get pods",
            "get po,svc --namespace=web -Aowide",
            "get deployments.v1.apps --selector=app=web --output=json",
            "describe pod/web-0",
            "logs web-0 --tail=5 --previous",
            "top pod",
            "events --for=pod/web-0",
            "rollout status deploy/web --timeout=10s --watch=false",
            "auth can-i --list",
            "wait --for=delete pod/web-0 --timeout=5s",
            "version --client",
            "cluster-info",
            "explain pods",
            "delete pod web-0 --dry-run",
            "scale deploy/web --replicas=2",
            "create namespace team-b",
            "apply --filename=x.yaml",
            "exec web-0 -- ls -l",
        ],
        "helm" => &[
            "list -Aq",
            "list --filter=web",
            "status web",
            "history web --max=5",
            "get metadata web",
            "get values web",
            "version",
            "template web oci://r/c",
            "upgrade web oci://r/c --install",
            "uninstall web",
        ],
        "istioctl" => &[
            "proxy-status",
            "ps web-0.team-a",
            "proxy-config listener deploy/web",
            "pc route web-0 --output=json",
            "analyze --namespace=team-a",
            "version --remote=false",
            "experimental describe pod web-0",
            "x internal-debug syncz",
            "tag list",
        ],
        "argocd" => &[
            "app list -pteam-a",
            "app get web",
            "app sync web --prune",
            "app logs web --tail=10",
            "appset list",
            "proj list",
            "cluster list",
            "repo list",
            "account can-i sync applications x",
            "version --client",
        ],
        other => unreachable!("nobody wrote down what {other} never does"),
    }
}

/// A command that no policy may allow, and what a policy that tries to would have to name.
struct Attack {
    words: Vec<String>,
    verb: String,
    harmless_flags: Vec<String>,
    forbidden_flag: Option<&'static str>,
}

/// A forbidden flag or verb, in any spelling and place, is refused by the parser, or denied by
/// every shipped policy and by one that was made up to allow it. Returns whether policies were
/// asked.
pub fn never_allow(bytes: &[u8]) -> bool {
    let mut choices = Choices::new(bytes);
    let catalogue = choices.pick(catalogues());
    let attack = if choices.once_in(4) {
        forbidden_verb(&mut choices, catalogue)
    } else {
        forbidden_flag(&mut choices, catalogue)
    };
    let made_up = permissive(&mut choices, catalogue, &attack);

    let line = shlex::try_join(attack.words.iter().map(String::as_str)).expect("no word has a NUL");
    let Ok(words) = command::split(catalogue.tool(), &line) else {
        return false;
    };
    let Ok(invocation) = command::parse(catalogue, words, None) else {
        return false;
    };
    for (name, policy) in shipped() {
        assert_eq!(
            outcome(policy, &invocation),
            Effect::Deny,
            "{name} and `{} {line}`",
            catalogue.tool()
        );
    }
    if let Some((text, policy)) = made_up {
        assert_eq!(
            outcome(&policy, &invocation),
            Effect::Deny,
            "`{} {line}` and\n{text}",
            catalogue.tool()
        );
    }
    true
}

/// A legal command with a forbidden flag somewhere in it.
fn forbidden_flag(choices: &mut Choices<'_>, catalogue: &Catalogue) -> Attack {
    let tool = catalogue.tool();
    let host = *choices.pick(hosts(tool));
    let name = *choices.pick(&forbidden_flags(tool));
    let words = host.split(' ').map(str::to_owned);
    let harmless = command::parse(catalogue, words.collect(), None)
        .unwrap_or_else(|error| panic!("`{tool} {host}`: {error}"));
    let mut words: Vec<String> = host.split(' ').map(str::to_owned).collect();
    // Behind `--` it is an argument of something else.
    let end = words
        .iter()
        .position(|word| word == "--")
        .unwrap_or(words.len());
    let at = choices.below(end + 1);
    let known = catalogue
        .commands()
        .flat_map(|node| &node.flags)
        .find(|flag| flag.name == name);
    words.splice(at..at, spell(choices, name, known));
    Attack {
        words,
        verb: harmless.path().to_string(),
        harmless_flags: harmless.flags().keys().cloned().collect(),
        forbidden_flag: Some(name),
    }
}

/// The words that give a flag a value, in one of the ways of pflag; `known` is what the catalogue
/// says of it.
fn spell(choices: &mut Choices<'_>, name: &str, known: Option<&Flag>) -> Vec<String> {
    let bare = known.is_some_and(|flag| flag.value_if_bare.is_some());
    let values: &[&str] = match known.map(|flag| flag.kind) {
        Some(FlagKind::Bool) => &["true", "1", "T"],
        Some(FlagKind::Int | FlagKind::IntList | FlagKind::Uint | FlagKind::Float) => &["9", "1"],
        _ => &[
            "x",
            "/etc/passwd",
            "https://evil.example",
            "system:admin",
            "a=b",
            "get",
        ],
    };
    let value = *choices.pick(values);
    let short = known.and_then(|flag| flag.shorthand);
    match (choices.below(8), short) {
        (0, _) if bare => vec![format!("--{name}")],
        (1, _) => vec![format!("--{}={value}", name.replace('-', "_"))],
        (2, _) => vec![format!("--{}={value}", name.to_ascii_uppercase())],
        (3, _) if !bare => vec![format!("--{name}"), value.into()],
        (4, Some(short)) => vec![format!("-{short}={value}")],
        (5, Some(short)) if !bare => vec![format!("-{short}"), value.into()],
        (6, Some(short)) if !bare => vec![format!("-{short}{value}")],
        // Behind flags of one letter that many commands have.
        (7, Some(short)) => vec![format!(
            "-{}{short}={value}",
            choices.pick(&["A", "h", "q", "w", "R"])
        )],
        _ => vec![format!("--{name}={value}")],
    }
}

/// A forbidden verb under any of its names, with what else may stand around it.
fn forbidden_verb(choices: &mut Choices<'_>, catalogue: &Catalogue) -> Attack {
    let (verb, operands) = *choices.pick(forbidden_verbs(catalogue.tool()));
    let mut words = Vec::new();
    let mut node = catalogue.root();
    for word in verb.split(' ') {
        node = node
            .child(word)
            .unwrap_or_else(|| panic!("{} has no verb {verb}", catalogue.tool()));
        let names: Vec<&str> = std::iter::once(node.name())
            .chain(node.aliases.iter().map(String::as_str))
            .collect();
        words.push((*choices.pick(&names)).to_owned());
    }
    words.extend(operands.split_whitespace().map(str::to_owned));
    if choices.once_in(2) {
        let at = choices.below(words.len() + 1);
        words.insert(
            at,
            (*choices.pick(&["--namespace=web", "-nweb", "-n=web"])).to_owned(),
        );
    }
    Attack {
        words,
        verb: verb.to_owned(),
        harmless_flags: Vec::new(),
        forbidden_flag: None,
    }
}

/// A policy file that does what a file can to allow the attack: it names the verb, or all of them,
/// and the flags. The forbidden flag stands in one of the places where a rule names flags, when
/// such a file loads; it should not.
fn permissive(
    choices: &mut Choices<'_>,
    catalogue: &Catalogue,
    attack: &Attack,
) -> Option<(String, Policy)> {
    let tool = catalogue.tool();
    let effect = *choices.pick(&["allow", "confirm"]);
    let verb = *choices.pick(&[attack.verb.as_str(), "*"]);
    let value = *choices.pick(&["x", "true", "9"]);
    let place = *choices.pick(&["flags", "values", "require", "inject"]);
    let rule = |verb: &str, place: &str| {
        let mut flags = attack.harmless_flags.clone();
        let forbidden = attack.forbidden_flag.unwrap_or("namespace");
        let more = match place {
            "flags" => {
                flags.push(forbidden.to_owned());
                String::new()
            }
            "values" => format!("values = {{ {forbidden} = [\"*\"] }}\n"),
            "require" => format!("require = [\"{forbidden}\"]\n"),
            "inject" => format!("inject = {{ {forbidden} = \"{value}\" }}\n"),
            "plain" => {
                flags = vec!["@plain".to_owned()];
                String::new()
            }
            _ => String::new(),
        };
        format!(
            "schema = 1\n[[rule]]\nid = \"all\"\neffect = {effect:?}\nreason = \"r\"\ntool = \"{tool}\"\nverbs = [{verb:?}]\nflags = {flags:?}\n{more}"
        )
    };
    let texts = [
        rule(verb, place),
        rule(verb, "nowhere"),
        rule("*", "nowhere"),
        rule("*", "plain"),
    ];
    texts.into_iter().find_map(|text| {
        load(&[&text], std::slice::from_ref(catalogue))
            .ok()
            .map(|policy| (text, policy))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

        #[test]
        fn nothing_forbidden_is_ever_allowed(bytes in prop::collection::vec(any::<u8>(), 0..16)) {
            never_allow(&bytes);
        }
    }

    #[test]
    fn hosts_and_verbs_and_flags_of_the_lists_exist() {
        for catalogue in catalogues() {
            let tool = catalogue.tool();
            let verbs = forbidden_verbs(tool)
                .iter()
                .map(|(verb, operands)| format!("{verb} {operands}"));
            for line in hosts(tool)
                .iter()
                .map(|host| (*host).to_owned())
                .chain(verbs)
            {
                let read = command::parse(
                    catalogue,
                    line.split_whitespace().map(str::to_owned).collect(),
                    None,
                );
                assert!(read.is_ok(), "{tool} {line}: {read:?}");
            }
        }
        for tool in Tool::all() {
            let of_tool = || {
                catalogues()
                    .iter()
                    .filter(|catalogue| catalogue.tool() == tool)
            };
            for name in forbidden_flags(tool)
                .into_iter()
                .filter(|name| *name != "kuberc")
            {
                let mut flags = of_tool()
                    .flat_map(Catalogue::commands)
                    .flat_map(|node| &node.flags);
                assert!(
                    flags.any(|flag| flag.name == name),
                    "{tool} has no --{name}"
                );
            }
        }
    }
}
