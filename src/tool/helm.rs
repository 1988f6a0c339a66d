//! helm: releases of charts.

use super::{
    commands::Commands,
    operand::{OperandGrammar, Reach},
    spec::{
        AccessKind, Cobra, DefaultNamespace, EarlyScan, Grammar, NotYet, NotYetWhat, ProxyVariable,
        RuleLists, ToolSpec, Variable, VariableValue, VersionAnswer, VersionQuestion,
    },
};

pub(super) static HELM: ToolSpec = ToolSpec {
    name: "helm",
    example: "list -A",
    catalogues: &[include_str!("../../policy/catalogue/helm-4.3.json")],
    hazards: include_str!("../../policy/catalogue/helm.hazards.toml"),
    grammar: Grammar::Cobra(Cobra {
        first_word: None,
        early_scan: EarlyScan::Flags,
        programs: &[],
    }),
    version: VersionQuestion {
        flags: &[("short", "true")],
        answer: VersionAnswer::Text,
    },
    offline: &[Commands::of("version")],
    operands,
    naming_flags: |_| &[],
    lists: RuleLists::NamesAndCharts,
    implied_verb: None,
    prefix_verbs: &[],
    // `--set a=1,b=2`, and lists and maps in its own grammar.
    packed_flags: Some("set"),
    access: AccessKind::Kubeconfig,
    namespace: DefaultNamespace::OfContext,
    environment: &[
        Variable {
            name: "HELM_NO_PLUGINS",
            value: VariableValue::Fixed("1"),
        },
        Variable {
            name: "HELM_PLUGINS",
            value: VariableValue::Home("/none"),
        },
    ],
    proxy: |_| ProxyVariable::Https,
    needs: &[],
    // A chart is fetched into a cache, and no child of helm's writes anywhere.
    not_yet: &[NotYet {
        what: NotYetWhat::Charts,
        reason: "helm commands that fetch a chart are not enabled yet",
        hint: "those about releases are: `list`, `status`, `history`, `get`, `rollback` and `uninstall`",
    }],
    failures: &[],
    warm: 1,
};

/// Releases, then a chart where the verb reads one (helm v4 pkg/action/install.go, NameAndChart).
fn operands(verb: &[&str]) -> OperandGrammar {
    match verb {
        ["install" | "template" | "upgrade" | "lint"] | ["show", _] => {
            OperandGrammar::NamesThenChart
        }
        ["rollback"] => OperandGrammar::NameThenRevision,
        ["status" | "history" | "test" | "uninstall"] | ["get", _] => OperandGrammar::Names,
        _ => OperandGrammar::Words(Reach::Named),
    }
}
