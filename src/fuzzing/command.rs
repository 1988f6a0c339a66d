//! Text -> one invocation -> argv -> the same invocation, for all four tools.

use super::catalogues::{catalogues, tool_of};
use crate::{
    catalogue::{Catalogue, CustomResources},
    command::{self, Invocation},
    tool::Tool,
};

/// What the parser accepts renders to an argv in which no word can be taken for another, and which
/// reads again to the same. Returns whether it was accepted.
pub fn parse(bytes: &[u8]) -> bool {
    let readings = read(bytes);
    for (catalogue, invocation) in &readings {
        renders(catalogue, invocation);
    }
    !readings.is_empty()
}

/// The command that a text is, with or without a leading tool name, for each version of the tool
/// that has it.
pub(super) fn read(bytes: &[u8]) -> Vec<(&'static Catalogue, Invocation)> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Vec::new();
    };
    let tool = tool_of(text);
    let Ok(words) = command::split(tool, text) else {
        return Vec::new();
    };
    let versions = catalogues()
        .iter()
        .filter(|catalogue| catalogue.tool() == tool);
    versions
        .filter_map(|catalogue| {
            Some((
                catalogue,
                command::parse(catalogue, words.clone(), None).ok()?,
            ))
        })
        .collect()
}

/// What is rendered for a cluster is read there again to the same resources.
pub(super) fn reads_again_in(
    catalogue: &Catalogue,
    invocation: &Invocation,
    cluster: &CustomResources,
) {
    let argv = invocation.argv();
    let words = argv.get(1..).unwrap_or_default().to_vec();
    if let Ok(again) = command::parse_in(catalogue, words, None, cluster) {
        assert_eq!(again.resources(), invocation.resources(), "{argv:?}");
        assert_eq!(again.argv(), argv);
    }
}

/// Design, invariant 1: tool, verb, flags, operands, rest. Each word can be read in one way only.
pub(super) fn renders(catalogue: &Catalogue, invocation: &Invocation) {
    let argv = invocation.argv();
    assert!(invocation.argv_c().is_ok(), "no word holds a NUL: {argv:?}");
    let mut words = argv.iter().map(String::as_str).peekable();
    assert_eq!(words.next(), Some(invocation.tool().as_str()));
    if invocation.tool() == Tool::KUBECTL {
        assert_eq!(words.next(), Some("--v=0"), "ends kubectl's early scan");
    }

    let lineage = catalogue
        .lineage(invocation.path())
        .expect("the verb is in the catalogue, and no alias");
    for verb in invocation.path().words() {
        assert_eq!(words.next(), Some(verb.as_str()));
        assert!(!verb.starts_with('-') && !verb.is_empty());
    }

    let mut flags = 0;
    while let Some(word) = words.next_if(|word| word.starts_with('-') && *word != "--") {
        let (name, value) = word
            .strip_prefix("--")
            .and_then(|word| word.split_once('='))
            .expect("a flag is one word, name and value");
        assert!(
            invocation
                .flags()
                .get(name)
                .is_some_and(|values| values.iter().any(|known| known == value)),
            "{word}: {argv:?}"
        );
        assert!(
            lineage
                .iter()
                .any(|node| node.flags.iter().any(|flag| flag.name == name)),
            "{word} is not in the catalogue"
        );
        flags += 1;
    }
    assert_eq!(
        flags,
        invocation.flags().values().map(Vec::len).sum::<usize>(),
        "{argv:?}"
    );

    for operand in invocation.operands() {
        assert_eq!(words.next(), Some(operand.as_str()));
        assert!(
            !operand.is_empty() && !operand.starts_with('-'),
            "cobra would take it for a flag, or skip it: {argv:?}"
        );
        assert!(
            lineage
                .last()
                .is_some_and(|node| node.child(operand).is_none()),
            "cobra would take it for a verb: {argv:?}"
        );
    }
    assert_eq!(
        words.next().is_some(),
        invocation.after_dash().is_some(),
        "behind the operands stands `--` or nothing: {argv:?}"
    );
    assert_eq!(
        words.collect::<Vec<_>>(),
        invocation.after_dash().unwrap_or_default()
    );

    let without_tool = argv.get(1..).unwrap_or_default().to_vec();
    let again = command::parse(catalogue, without_tool, None)
        .unwrap_or_else(|error| panic!("{argv:?} is not read: {error}"));
    assert_eq!(
        again.without_adjustments(),
        invocation.clone().without_adjustments()
    );
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fuzzing::policy::decide;

    /// Words that commands are made of, and words that attacks are made of.
    fn word() -> impl Strategy<Value = String> {
        const WORDS: &str = "get describe delete logs rollout status apply view-last-applied create secret top exec pods po pod/web-0 secrets \
            deploy/web pods,svc all web-0 -n web -A -o json -owide -Aowide -o=name --output=yaml --namespace -l app=web --selector=a=b \
            --recursive -R -f x.yaml -- - '' --help -h --dry-run client --v=0 --watch=false -w --tail=5 --since=1h -c app -p \
            --timeout=30s --for=delete --kuberc=/x -v=9 --all-namespaces=true help version --client kubectl \
            list ls install upgrade history metadata values oci://r/c -q --set a=b --kube-token=x --filter --max=5 \
            proxy-config pc ps listener analyze x describe svc -i istio-system --xds-address=x tag \
            app sync resources proj project cluster account can-i -N -p --core --server=x --grpc-web other/web";
        let known: Vec<&str> = WORDS.split_whitespace().collect();
        prop_oneof![
            8 => prop::sample::select(known).prop_map(str::to_owned),
            1 => "[ -~]{0,12}",
            1 => "-{1,2}[a-z]{1,10}=?[a-z0-9./-]{0,8}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

        #[test]
        fn what_is_accepted_survives_rendering_and_deciding(tool in prop::sample::select(Tool::all().collect::<Vec<_>>()), words in prop::collection::vec(word(), 1..9)) {
            let line = format!("{tool} {}", words.join(" "));
            parse(line.as_bytes());
            decide(line.as_bytes());
        }

        #[test]
        fn it_holds_for_any_text(text in "\\PC{0,64}") {
            parse(text.as_bytes());
        }
    }

    #[test]
    fn it_meets_what_it_is_about() {
        for line in [
            "get pods -Aowide",
            "helm ls -q",
            "istioctl pc listener deploy/web",
            "argocd app list -p a -p b",
            "exec web-0 -- ls -l",
        ] {
            assert!(parse(line.as_bytes()), "{line}");
        }
        assert!(!parse(b"helm list --no-such-flag"));
    }
}
