//! argocd: applications and sets of them, by an Argo CD server's own API.

use super::{
    commands::{Commands, FlagIs},
    misnomer::Misnomer,
    operand::{Applications, FlagNames, NamingFlag, OperandGrammar, ProjectGrammar},
    spec::{
        AccessKind, Cobra, DefaultNamespace, EarlyScan, Grammar, KnownFailure, LogCommand, Need,
        NotYet, NotYetWhat, ProxyVariable, RuleLists, ToolSpec, Variable, VariableValue,
        VersionAnswer, VersionQuestion,
    },
};

pub(super) static ARGOCD: ToolSpec = ToolSpec {
    name: "argocd",
    aliases: &[],
    example: "app list",
    catalogues: &[include_str!("../../policy/catalogue/argocd-3.6.json")],
    hazards: include_str!("../../policy/catalogue/argocd.hazards.toml"),
    // It speaks to its own server, whose API is another one.
    api: None,
    grammar: Grammar::Cobra(Cobra {
        first_word: None,
        early_scan: EarlyScan::Nothing,
        programs: &[],
    }),
    version: VersionQuestion {
        flags: &[("client", "true"), ("output", "json")],
        answer: VersionAnswer::Json("/client/Version"),
    },
    offline: &[
        Commands::of("account bcrypt"),
        Commands::of("version").with(FlagIs::Set("client", "true")),
    ],
    about_kubeconfig: &[],
    in_no_namespace: &[],
    operands: |verb| OperandGrammar::Applications(applications(verb)),
    naming_flags: |_| NAMING_FLAGS,
    projects,
    lists: RuleLists::Names,
    misnomers: MISNOMERS,
    instead: INSTEAD,
    terminal: &[],
    implied_verb: None,
    prefix_verbs: &[],
    packed_flags: None,
    access: AccessKind::Argocd,
    // It looks in its own namespace, whatever a kubeconfig says, unless the command names one.
    namespace: DefaultNamespace::Own("argocd"),
    environment: &[
        Variable {
            name: "ARGOCD_CONFIG_DIR",
            value: VariableValue::Home(""),
        },
        Variable {
            name: "KUBECTL_EXTERNAL_DIFF",
            value: VariableValue::Helper("-u -N"),
        },
    ],
    proxy,
    needs: &[
        (Commands::given("grpc-web"), Need::SocketFile),
        (Commands::within("app diff"), Need::Helper),
    ],
    not_yet: &[
        // No profile both listens and runs a helper; without its helper argocd says nothing where
        // it should print.
        NotYet {
            what: NotYetWhat::Commands(
                Commands::of("app diff").with(FlagIs::Set("grpc-web", "true")),
            ),
            reason: "`argocd app diff` through gRPC-web is not enabled yet",
            hint: "leave --grpc-web out where the server answers gRPC",
        },
    ],
    endless: &[Commands::of("app logs").with(FlagIs::Given("follow"))],
    logs: &[LogCommand {
        commands: Commands::of("app logs"),
        last_lines: "tail",
        first_bytes: None,
        more: "--tail 5000, --since-seconds 3600 or a filter behind it",
    }],
    meanings: &[],
    raw: &[],
    failures: &[
        // Without a gRPC connection argocd tries gRPC-web by itself, fails to listen for that, and
        // prints nothing but the second failure: "listen unix …: address family not supported"
        // (v3.6.1 pkg/apiclient/apiclient.go, NewClient).
        KnownFailure {
            stderr: "Failed to establish connection to ",
            hint: "no gRPC connection to the Argo CD server was made: it is down, its certificate is not signed by the authority in \
             argocd_ca, or what stands before it passes gRPC-web alone (then add --grpc-web)",
        },
    ],
    explains_all: false,
    is_without_secrets: false,
    warm: 1,
};

/// `[NAMESPACE/]NAME` (argocd util/argo/argo.go, ParseFromQualifiedName).
fn applications(verb: &[&str]) -> Applications {
    match verb {
        ["app", "sync" | "wait" | "delete"] | ["appset", "get" | "delete"] => Applications::All,
        ["appset", ..] => Applications::None,
        ["app", "rollback"] | ["app", "actions", _] => Applications::First,
        ["app", ..] => Applications::FirstThenNames,
        // Projects, clusters and accounts are in no namespace.
        _ => Applications::Outside,
    }
}

/// Beside an application, `--project` is what it has to be of (`app resources`, checked by the
/// server), or what it will be of (`app set`, which says nothing of what it is of now).
fn projects(verb: &[&str]) -> ProjectGrammar {
    match verb {
        ["proj", ..] => ProjectGrammar::FirstOperand,
        [
            "app",
            "list" | "sync" | "create" | "resources" | "get-resource" | "patch-resource"
            | "delete-resource",
        ]
        | ["appset", "list"]
        | ["repo", "add" | "get" | "rm"] => ProjectGrammar::Flag,
        _ => ProjectGrammar::Any,
    }
}

const NAMING_FLAGS: &[NamingFlag] = &[
    NamingFlag {
        flag: "app-namespace",
        names: FlagNames::Namespace,
    },
    NamingFlag {
        flag: "appset-namespace",
        names: FlagNames::Namespace,
    },
    NamingFlag {
        flag: "resource-name",
        names: FlagNames::Name,
    },
];

fn proxy(need: Need) -> ProxyVariable {
    match need {
        // It would take ALL_PROXY for its own socket file too; its HTTP client honours this one.
        Need::SocketFile => ProxyVariable::Https,
        Need::Helper | Need::Ports | Need::PortsAndAddresses | Need::Server => ProxyVariable::All,
    }
}

const MISNOMERS: &[Misnomer] = &[
    Misnomer::verb("application", "write `app`"),
    Misnomer::verb("applications", "write `app list`"),
    Misnomer::verb("apps", "write `app list`"),
    Misnomer::verb("app describe", "write `app get`"),
    Misnomer::verb(
        "app events",
        "call the tool `kubectl` with `get events -n argocd`",
    ),
    Misnomer::verb("app health", "write `app get`"),
    Misnomer::verb("app log", "write `app logs`"),
    Misnomer::verb("app show", "write `app get`"),
    Misnomer::verb("app status", "write `app get`"),
    Misnomer::verb("clusters", "write `cluster list`"),
    Misnomer::verb("projects", "write `proj list`"),
    Misnomer::verb("repos", "write `repo list`"),
    Misnomer::verb("whoami", "write `account get-user-info`"),
    Misnomer::flag("app logs", "--since", "write --since-seconds"),
    Misnomer::flag(
        "app logs",
        "--timestamps",
        "leave it out: a line has its own time, or `kubectl logs --timestamps` adds it",
    ),
    Misnomer::flag(
        "app logs",
        "-n",
        "write the application's name alone; --namespace is the namespace of its pods",
    ),
];

const INSTEAD: &[Misnomer] = &[
    Misnomer::verb(
        "login",
        "leave it out: the token is in the header X-Argocd-Auth-Token, the server in X-Argocd-Server; `account get-user-info` tells who you are",
    ),
    Misnomer::verb("logout", "leave it out: nothing is kept between calls"),
    Misnomer::verb(
        "relogin",
        "leave it out: send a fresh token in the header X-Argocd-Auth-Token",
    ),
    Misnomer::verb(
        "context",
        "the header X-Argocd-Server names the server of each call",
    ),
    Misnomer::verb("configure", "leave it out: nothing is kept between calls"),
];
