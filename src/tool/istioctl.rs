//! istioctl: the mesh, its proxies and istiod.

use super::{
    commands::{Commands, FlagIs},
    misnomer::Misnomer,
    operand::{OperandGrammar, ProjectGrammar, Reach},
    spec::{
        AccessKind, Cobra, DefaultNamespace, EarlyScan, Grammar, Need, ProxyVariable, RuleLists,
        ToolSpec, VersionAnswer, VersionQuestion,
    },
};

pub(super) static ISTIOCTL: ToolSpec = ToolSpec {
    name: "istioctl",
    aliases: &[],
    example: "proxy-status",
    catalogues: &[include_str!("../../policy/catalogue/istioctl-1.31.json")],
    hazards: include_str!("../../policy/catalogue/istioctl.hazards.toml"),
    api: Some(include_str!("../../policy/catalogue/istioctl.api.toml")),
    grammar: Grammar::Cobra(Cobra {
        first_word: None,
        early_scan: EarlyScan::Nothing,
        programs: &[],
    }),
    version: VersionQuestion {
        flags: &[("output", "json"), ("remote", "false")],
        answer: VersionAnswer::Json("/clientVersion/version"),
    },
    offline: &[
        Commands::within("completion"),
        Commands::of("options"),
        Commands::of("version").with(FlagIs::Set("remote", "false")),
        Commands::of("analyze").with(FlagIs::Set("use-kube", "false")),
        Commands::of("analyze").with(FlagIs::Set("list-analyzers", "true")),
        Commands::of("manifest generate").with(FlagIs::Not("cluster-specific", "true")),
        Commands::of("experimental config list"),
        Commands::of("experimental workload group create"),
    ],
    about_kubeconfig: &[],
    in_no_namespace: &[],
    operands,
    naming_flags: |_| &[],
    projects: |_| ProjectGrammar::None,
    lists: RuleLists::Names,
    misnomers: MISNOMERS,
    instead: INSTEAD,
    terminal: &[],
    implied_verb: None,
    prefix_verbs: &[],
    packed_flags: None,
    access: AccessKind::Kubeconfig,
    namespace: DefaultNamespace::OfContext,
    environment: &[],
    proxy: |_| ProxyVariable::Https,
    needs: &[
        // They forward a port of a pod to themselves.
        (Commands::within("admin log"), Need::Ports),
        (Commands::within("experimental authz check"), Need::Ports),
        (Commands::within("experimental describe"), Need::Ports),
        (Commands::within("experimental envoy-stats"), Need::Ports),
        (Commands::within("experimental metrics"), Need::Ports),
        (Commands::within("proxy-config"), Need::Ports),
        (Commands::within("remote-clusters"), Need::Ports),
        (Commands::within("version"), Need::Ports),
        (Commands::within("ztunnel-config"), Need::Ports),
        // They name themselves to istiod by an address of this host.
        (
            Commands::within("experimental internal-debug"),
            Need::PortsAndAddresses,
        ),
        (
            Commands::within("experimental proxy-status"),
            Need::PortsAndAddresses,
        ),
        (
            Commands::within("experimental version"),
            Need::PortsAndAddresses,
        ),
        (Commands::within("install"), Need::PortsAndAddresses),
        (
            Commands::within("manifest install"),
            Need::PortsAndAddresses,
        ),
        (Commands::within("proxy-status"), Need::PortsAndAddresses),
        (Commands::within("uninstall"), Need::PortsAndAddresses),
        (Commands::within("upgrade"), Need::PortsAndAddresses),
    ],
    not_yet: &[],
    endless: &[],
    logs: &[],
    meanings: &[],
    raw: &[],
    failures: &[],
    explains_all: true,
    is_without_secrets: true,
    warm: 1,
};

fn operands(verb: &[&str]) -> OperandGrammar {
    match verb {
        // ztunnel's own pods are in Istio's namespace.
        ["ztunnel-config", _] => OperandGrammar::Workloads(Reach::Everywhere),
        ["proxy-config", _]
        | ["proxy-status"]
        | ["experimental", "envoy-stats" | "metrics" | "proxy-status"]
        | ["experimental", "describe", _]
        | ["experimental", "authz", "check"]
        | ["experimental", "check-inject"] => OperandGrammar::Workloads(Reach::Named),
        ["analyze"] => OperandGrammar::NoFiles,
        ["waypoint", _] | ["help" | "options" | "version"] => OperandGrammar::Words(Reach::Named),
        // Versions, installations, revisions, logs of istiod: what the whole mesh shares.
        _ => OperandGrammar::Words(Reach::Everywhere),
    }
}

/// What earlier versions had (istio.io, "istioctl").
const MISNOMERS: &[Misnomer] = &[
    Misnomer::verb(
        "authn",
        "write `x describe pod`, which tells what authentication applies",
    ),
    Misnomer::verb("check", "write `x precheck`, or `analyze`"),
    Misnomer::verb("config", "write `proxy-config`"),
    Misnomer::verb("describe", "write `x describe`"),
    Misnomer::verb(
        "get",
        "call the tool `kubectl` with `get virtualservices.networking.istio.io`",
    ),
    Misnomer::verb(
        "log",
        "write `proxy-config log` for a proxy, or `admin log` for istiod",
    ),
    Misnomer::verb(
        "logs",
        "call the tool `kubectl` with `logs -n istio-system deploy/istiod`",
    ),
    Misnomer::verb("precheck", "write `x precheck`"),
    Misnomer::verb("status", "write `proxy-status`"),
];

const INSTEAD: &[Misnomer] = &[
    Misnomer::verb(
        "dashboard",
        "`proxy-config` and `proxy-status` print what a proxy knows",
    ),
    Misnomer::verb(
        "bug-report",
        "`analyze`, `proxy-status` and `version` print most of what is in it",
    ),
];
