//! fifth: greets, and is in no release. It reaches no server.

use kube_airlock::tool::{
    AccessKind, Cobra, Commands, DefaultNamespace, EarlyScan, Grammar, OperandGrammar,
    ProjectGrammar, ProxyVariable, Reach, RuleLists, ToolSpec, Variable, VariableValue,
    VersionAnswer, VersionQuestion,
};

pub static FIFTH: ToolSpec = ToolSpec {
    name: "fifth",
    aliases: &[],
    example: "greet world",
    catalogues: &[include_str!("fifth-1.0.json")],
    hazards: include_str!("fifth.hazards.toml"),
    api: None,
    grammar: Grammar::Cobra(Cobra {
        first_word: None,
        early_scan: EarlyScan::Nothing,
        programs: &[],
    }),
    version: VersionQuestion {
        flags: &[],
        answer: VersionAnswer::Json("/version"),
    },
    offline: &[Commands::of("version")],
    about_kubeconfig: &[],
    in_no_namespace: &[],
    operands: |verb| match verb {
        ["greet"] => OperandGrammar::Names,
        _ => OperandGrammar::Words(Reach::Named),
    },
    naming_flags: |_| &[],
    projects: |_| ProjectGrammar::None,
    lists: RuleLists::Names,
    misnomers: &[],
    instead: &[],
    terminal: &[],
    implied_verb: None,
    prefix_verbs: &[],
    packed_flags: None,
    access: AccessKind::Nothing,
    namespace: DefaultNamespace::OfContext,
    environment: &[Variable {
        name: "FIFTH_GREETING",
        value: VariableValue::Fixed("Good day"),
    }],
    proxy: |_| ProxyVariable::Https,
    needs: &[],
    not_yet: &[],
    endless: &[],
    logs: &[],
    meanings: &[],
    raw: &[],
    failures: &[],
    explains_all: false,
    is_without_secrets: false,
    warm: 0,
};
