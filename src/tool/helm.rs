//! helm: releases of charts.

use super::{
    commands::Commands,
    misnomer::Misnomer,
    operand::{OperandGrammar, ProjectGrammar, Reach},
    spec::{
        AccessKind, Cobra, DefaultNamespace, EarlyScan, Grammar, NotYet, NotYetWhat, ProxyVariable,
        RuleLists, ToolSpec, Variable, VariableValue, VersionAnswer, VersionQuestion,
    },
};

pub(super) static HELM: ToolSpec = ToolSpec {
    name: "helm",
    aliases: &[],
    example: "list -A",
    catalogues: &[include_str!("../../policy/catalogue/helm-4.3.json")],
    hazards: include_str!("../../policy/catalogue/helm.hazards.toml"),
    api: Some(include_str!("../../policy/catalogue/helm.api.toml")),
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
    about_kubeconfig: &[],
    in_no_namespace: &[Commands::of("version"), Commands::of("env")],
    operands,
    naming_flags: |_| &[],
    projects: |_| ProjectGrammar::None,
    lists: RuleLists::NamesAndCharts,
    misnomers: MISNOMERS,
    instead: INSTEAD,
    terminal: &[],
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
    endless: &[],
    logs: &[],
    meanings: &[],
    raw: &[],
    failures: &[],
    explains_all: true,
    is_without_secrets: true,
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

/// What helm 2 and 3 had (helm v4.3 docs, "Helm 4 Released", and `helm --help` of each).
const MISNOMERS: &[Misnomer] = &[
    Misnomer::verb(
        "init",
        "leave it out: nothing has to be installed in a cluster any more",
    ),
    Misnomer::verb("releases", "write `list`"),
    Misnomer::flag(
        "list",
        "--all",
        "leave it out: helm 4 lists releases in every state",
    ),
    Misnomer::flag(
        "list",
        "-a",
        "leave it out: helm 4 lists releases in every state; -A is all namespaces",
    ),
    Misnomer::flag(
        "status",
        "--show-resources",
        "leave it out: helm 4 shows them with `-o json` or `-o yaml`",
    ),
    Misnomer::flag(
        "status",
        "--show-desc",
        "leave it out: the description is shown",
    ),
    Misnomer::flag(
        "rollback",
        "--recreate-pods",
        "leave it out, and restart the workloads: `kubectl rollout restart`",
    ),
    Misnomer::flag(
        "upgrade",
        "--recreate-pods",
        "leave it out, and restart the workloads: `kubectl rollout restart`",
    ),
    Misnomer::flag(
        "version",
        "--client",
        "leave it out: helm is a client alone",
    ),
    Misnomer::flag("version", "-c", "leave it out: helm is a client alone"),
    Misnomer::flag(
        "",
        "--tiller-namespace",
        "leave it out: there is no Tiller any more",
    ),
    Misnomer::flag("", "--tls", "leave it out: there is no Tiller any more"),
    Misnomer::flag(
        "uninstall",
        "--purge",
        "leave it out: nothing is kept unless --keep-history says so",
    ),
];

const INSTEAD: &[Misnomer] = &[
    Misnomer::verb(
        "repo",
        "`list`, `status` and `history` tell about releases; charts and their repositories are not used here",
    ),
    Misnomer::verb(
        "search",
        "`list`, `status` and `history` tell about releases; charts and their repositories are not used here",
    ),
    Misnomer::verb("plugin", "leave it out: plugins are not run here"),
    Misnomer::verb(
        "env",
        "`version` tells about helm; there is no environment that is yours",
    ),
];
