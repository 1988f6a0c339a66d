//! Which profile a command runs under: `policy/sandbox/verbs.toml`.

use std::{collections::BTreeMap, sync::LazyLock};

use super::ProfileName;
use crate::{command::Invocation, tool::Tool};

type Verbs = BTreeMap<Tool, BTreeMap<String, ProfileName>>;

/// The file, compiled in. One that cannot be read has no entries, and the tests fail.
static VERBS: LazyLock<Verbs> = LazyLock::new(|| {
    toml::from_str(include_str!("../../../policy/sandbox/verbs.toml")).unwrap_or_default()
});

impl ProfileName {
    /// The profile of a command.
    pub fn of(invocation: &Invocation) -> Self {
        if invocation.is_offline() {
            return Self::Offline;
        }
        let Some(entries) = VERBS.get(&invocation.tool()) else {
            return Self::Plain;
        };
        let is_set = |flag: &str| invocation.flag(flag).is_some_and(|value| value != "false");
        let of_flag = entries
            .iter()
            .find(|(key, _)| key.strip_prefix("--").is_some_and(is_set));
        let words = invocation.path().words();
        let of_verb = || {
            (1..=words.len())
                .rev()
                .find_map(|length| entries.get_key_value(&words.get(..length)?.join(" ")))
        };
        of_flag
            .or_else(of_verb)
            .map_or(Self::Plain, |(_, profile)| *profile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalogue::Catalogue,
        command::{parse, split},
    };

    #[test]
    fn the_file_names_verbs_and_flags_that_exist() {
        let verbs: Verbs =
            toml::from_str(include_str!("../../../policy/sandbox/verbs.toml")).unwrap();
        let carried = Catalogue::carried().unwrap();
        for (tool, entries) in verbs {
            let nodes = || {
                carried
                    .iter()
                    .filter(|catalogue| catalogue.tool() == tool)
                    .flat_map(Catalogue::commands)
            };
            for key in entries.keys() {
                let exists = match key.strip_prefix("--") {
                    Some(flag) => {
                        nodes().any(|node| node.flags.iter().any(|known| known.name == flag))
                    }
                    None => nodes().any(|node| node.path.to_string() == *key),
                };
                assert!(exists, "{tool:?} has no {key}");
            }
        }
    }

    #[test]
    fn every_command_has_its_profile() {
        let carried = Catalogue::carried().unwrap();
        for (tool, command, expected) in [
            (Tool::Kubectl, "kubectl get pods", ProfileName::Plain),
            (
                Tool::Kubectl,
                "kubectl version --client",
                ProfileName::Offline,
            ),
            (
                Tool::Istioctl,
                "istioctl version --remote=false",
                ProfileName::Offline,
            ),
            (
                Tool::Istioctl,
                "istioctl version",
                ProfileName::ListenerInet,
            ),
            (
                Tool::Istioctl,
                "istioctl version --help",
                ProfileName::Offline,
            ),
            (
                Tool::Istioctl,
                "istioctl pc listeners web-0 -n shop",
                ProfileName::ListenerInet,
            ),
            (
                Tool::Istioctl,
                "istioctl x describe pod web-0",
                ProfileName::ListenerInet,
            ),
            (Tool::Istioctl, "istioctl ps", ProfileName::ListenerNetlink),
            (Tool::Istioctl, "istioctl analyze", ProfileName::Plain),
            (Tool::Argocd, "argocd app list", ProfileName::Plain),
            (
                Tool::Argocd,
                "argocd app list --grpc-web=false",
                ProfileName::Plain,
            ),
            (
                Tool::Argocd,
                "argocd app list --grpc-web",
                ProfileName::ListenerUnix,
            ),
        ] {
            let catalogue = carried
                .iter()
                .find(|catalogue| catalogue.tool() == tool)
                .unwrap();
            let invocation = parse(catalogue, split(tool, command).unwrap(), None).unwrap();
            assert_eq!(ProfileName::of(&invocation), expected, "{command}");
        }
    }
}
