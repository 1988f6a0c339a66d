//! Flags that are left out before a command is judged: what asks for a terminal, and switches that
//! are off anyway. Each is an [`Adjustment`], so that the reply says it.

use super::Parser;
use crate::{
    catalogue::{FlagKind, VerbClass, flag_named},
    command::adjustment::Adjustment,
};

impl Parser<'_> {
    /// Takes out what asks for a terminal: nobody types here. What waits for its program because of
    /// it goes on waiting.
    pub(super) fn without_terminal(&mut self) -> Vec<Adjustment> {
        let path = self.node().path.to_string();
        let mut rows = self.tool().spec().terminal.iter();
        let Some(row) = rows.find(|row| row.verb == path) else {
            return Vec::new();
        };
        let lineage = self.lineage.clone();
        let mut changes = Vec::new();
        let mut waits = false;
        for (name, why) in [
            (
                "stdin",
                "nothing is typed here, so the program reads an empty input",
            ),
            ("tty", "there is no terminal here"),
        ] {
            let is_given = |values: &Vec<String>| values.iter().any(|value| value == "true");
            if !self.flags.get(name).is_some_and(is_given) {
                continue;
            }
            self.flags.remove(name);
            self.given.retain(|flag| flag.name != name);
            waits |= name == "stdin";
            changes.push(Adjustment::Dropped {
                word: format!("--{name}"),
                why,
            });
        }
        if let (Some(implied), true) = (row.implied, waits)
            && !self.flags.contains_key(implied)
            && let Some(flag) = flag_named(&lineage, implied)
        {
            self.flags
                .insert(implied.to_owned(), vec!["true".to_owned()]);
            self.given.push(flag);
            changes.push(Adjustment::Added {
                word: format!("--{implied}=true"),
            });
        }
        changes
    }

    /// Takes out the switches that a verb which only looks has off where nobody names them:
    /// `--watch=false`, `-A=false`, `--insecure-skip-tls-verify=false`. Without them it does the
    /// same, so that no rule has to list them. A verb that changes something may take the naming
    /// itself for a wish: `argocd app set --self-heal=false` writes what it is told.
    pub(super) fn without_defaults(&mut self) -> Vec<Adjustment> {
        let class = self.node().hazard.as_ref().map(|hazard| hazard.class);
        if !matches!(class, Some(VerbClass::Local | VerbClass::Read)) {
            return Vec::new();
        }
        let mut changes = Vec::new();
        let flags = &mut self.flags;
        self.given.retain(|flag| {
            let is_switch = flag.kind == FlagKind::Bool && !flag.is_on_by_default;
            let values = flags.get(&flag.name);
            let is_off = values.is_some_and(|values| values.iter().all(|value| value == "false"));
            if !(is_switch && is_off) {
                return true;
            }
            flags.remove(&flag.name);
            changes.push(Adjustment::Dropped {
                word: format!("--{}=false", flag.name),
                why: "it is off where nobody names it",
            });
            false
        });
        changes
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        catalogue::Catalogue,
        command::{parse, split},
        tool::Tool,
    };

    /// What is rendered of a command, and what is said of it.
    fn read(tool: Tool, text: &str) -> (String, Vec<String>) {
        let carried = Catalogue::carried().unwrap();
        let mut catalogues = carried.iter().filter(|known| known.tool() == tool);
        let words = split(tool, text).unwrap();
        let invocation = parse(catalogues.next().unwrap(), words, None).unwrap();
        let said = invocation.adjustments().iter().map(ToString::to_string);
        (invocation.argv().join(" "), said.collect())
    }

    #[test]
    fn a_switch_that_is_off_anyway_is_left_out_of_what_only_looks_and_said() {
        for (command, argv, left_out) in [
            (
                "get po --watch=false -n web",
                "kubectl --v=0 get --namespace=web pods.v1.",
                vec!["watch"],
            ),
            (
                "get po -A=false web",
                "kubectl --v=0 get pods.v1. web",
                vec!["all-namespaces"],
            ),
            (
                "describe po -R=f",
                "kubectl --v=0 describe pods.v1.",
                vec!["recursive"],
            ),
            (
                "get po --insecure-skip-tls-verify=0 --no-headers",
                "kubectl --v=0 get --no-headers=true pods.v1.",
                vec!["insecure-skip-tls-verify"],
            ),
            // On where nobody names it, or a wish of a verb that changes something.
            (
                "rollout status deploy/web --watch=false",
                "kubectl --v=0 rollout status --watch=false deployments.v1.apps/web",
                vec![],
            ),
            (
                "annotate po web a=b --overwrite=false",
                "kubectl --v=0 annotate --overwrite=false pods.v1. web a=b",
                vec![],
            ),
        ] {
            let said: Vec<String> = left_out
                .iter()
                .map(|name| format!("left out `--{name}=false`: it is off where nobody names it"))
                .collect();
            assert_eq!(read(Tool::KUBECTL, command), (argv.to_owned(), said));
        }
        let (argv, said) = read(Tool::ARGOCD, "app set web --self-heal=false");
        assert!(
            argv.contains("--self-heal=false") && said.is_empty(),
            "{argv}"
        );
        // The tool sets it after it has declared it.
        let (argv, _) = read(Tool::ISTIOCTL, "version --remote=false");
        assert!(argv.contains("--remote=false"), "{argv}");
    }
}
