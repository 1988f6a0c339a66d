//! kubectl: Kubernetes' own client.

use super::{
    commands::{Commands, FlagIs},
    misnomer::{Misnomer, TerminalFlags},
    operand::{FlagNames, NamingFlag, OperandGrammar, ProjectGrammar, Reach},
    spec::{
        AccessKind, Cobra, DefaultNamespace, EarlyScan, Grammar, LogCommand, Meaning,
        ProxyVariable, RawRequest, RuleLists, ToolSpec, Variable, VariableValue, VersionAnswer,
        VersionQuestion,
    },
};

pub(super) static KUBECTL: ToolSpec = ToolSpec {
    name: "kubectl",
    aliases: &["k", "kc", "kubecolor", "oc"],
    example: "get pods -n default",
    catalogues: &[
        include_str!("../../policy/catalogue/kubectl-1.37.json"),
        include_str!("../../policy/catalogue/kubectl-1.36.json"),
    ],
    hazards: include_str!("../../policy/catalogue/kubectl.hazards.toml"),
    api: Some(include_str!("../../policy/catalogue/kubectl.api.toml")),
    grammar: Grammar::Cobra(Cobra {
        // It ends kubectl's early scan for verbosity, which would take a word's `-v=`.
        first_word: Some("--v=0"),
        early_scan: EarlyScan::Inside(&["--kuberc", "-v="]),
        programs: &[
            "exec",
            "debug",
            "run",
            "create job",
            "create cronjob",
            "create deployment",
        ],
    }),
    version: VersionQuestion {
        flags: &[("client", "true"), ("output", "json")],
        answer: VersionAnswer::Json("/clientVersion/gitVersion"),
    },
    offline: &[
        Commands::of("options"),
        Commands::of("version").with(FlagIs::Set("client", "true")),
    ],
    about_kubeconfig: &[
        Commands::of("config current-context"),
        Commands::of("config get-clusters"),
        Commands::of("config get-contexts"),
        Commands::of("config view"),
    ],
    in_no_namespace: &[
        Commands::of("api-resources"),
        Commands::of("api-versions"),
        Commands::of("auth whoami"),
        Commands::within("config"),
        Commands::of("explain"),
        // What is left of it is no resource.
        Commands::of("get").with(FlagIs::Given("raw")),
        Commands::of("options"),
        Commands::of("version"),
    ],
    operands,
    naming_flags,
    projects: |_| ProjectGrammar::None,
    lists: RuleLists::NamesAndResources,
    misnomers: MISNOMERS,
    instead: INSTEAD,
    terminal: TERMINAL,
    implied_verb: Some("get"),
    // It describes every object whose name begins with the one that is given.
    prefix_verbs: &["describe"],
    packed_flags: None,
    access: AccessKind::Kubeconfig,
    namespace: DefaultNamespace::OfContext,
    // kuberc files hold aliases and default flags, and kubectl looks for `--kuberc=` in any word.
    environment: &[
        Variable {
            name: "KUBECTL_KUBERC",
            value: VariableValue::Fixed("false"),
        },
        Variable {
            name: "KUBERC",
            value: VariableValue::Fixed("off"),
        },
    ],
    proxy: |_| ProxyVariable::Https,
    needs: &[],
    not_yet: &[],
    endless: &[
        Commands::of("logs").with(FlagIs::Given("follow")),
        Commands::of("get").with(FlagIs::Given("watch")),
        Commands::of("get").with(FlagIs::Given("watch-only")),
        Commands::of("events").with(FlagIs::Given("watch")),
    ],
    logs: &[LogCommand {
        commands: Commands::of("logs"),
        last_lines: "tail",
        first_bytes: Some("limit-bytes"),
        more: "--tail=5000, --since=1h or a filter behind it",
    }],
    meanings: &[
        Meaning {
            commands: Commands::of("rollout status").with(FlagIs::Set("watch", "false")),
            flag: "watch",
            means: "one look, the rollout may still be going on",
        },
        Meaning {
            commands: Commands::of("delete").with(FlagIs::Set("wait", "false")),
            flag: "wait",
            means: "what is deleted may not be gone yet",
        },
    ],
    // `create` and `replace` send a manifest of the caller's with it, and stay denied.
    raw: &[
        RawRequest {
            verb: "get",
            flag: "raw",
            method: "GET",
        },
        RawRequest {
            verb: "delete",
            flag: "raw",
            method: "DELETE",
        },
    ],
    failures: &[],
    explains_all: true,
    is_without_secrets: true,
    warm: 2,
};

fn operands(verb: &[&str]) -> OperandGrammar {
    match verb {
        [
            "get" | "describe" | "delete" | "wait" | "scale" | "patch" | "edit" | "expose"
            | "autoscale",
        ]
        | ["rollout", _]
        | ["set", "resources" | "subject"]
        | ["apply", "view-last-applied" | "edit-last-applied"] => OperandGrammar::Objects,
        ["taint"] => OperandGrammar::ObjectsAndPairs(Some(':')),
        ["label" | "annotate"] | ["set", "image" | "env"] => OperandGrammar::ObjectsAndPairs(None),
        ["set", "selector" | "serviceaccount"] => OperandGrammar::ObjectsAndWord,
        ["logs"] => OperandGrammar::ObjectOf("pods", 1),
        ["exec" | "attach" | "debug"] => OperandGrammar::ObjectOf("pods", 0),
        ["port-forward"] => OperandGrammar::ObjectOf("pods", usize::MAX),
        ["top", "pod"] => OperandGrammar::NamesOf("pods"),
        ["top", "node"] => OperandGrammar::NamesOf("nodes"),
        ["cordon" | "uncordon" | "drain"] => OperandGrammar::ObjectsOf("nodes"),
        ["certificate", _] => {
            OperandGrammar::ObjectsOf("certificatesigningrequests.certificates.k8s.io")
        }
        ["run"] => OperandGrammar::New("pods"),
        ["create", "token"] => OperandGrammar::NamesOf("serviceaccounts"),
        ["create", kind, ..] => {
            created(kind).map_or(OperandGrammar::Words(Reach::Named), OperandGrammar::New)
        }
        // The default of its `--namespaces`, beside the context's own.
        ["cluster-info", "dump"] => OperandGrammar::Words(Reach::Into("kube-system")),
        _ => OperandGrammar::Words(Reach::Named),
    }
}

/// What `create KIND` makes.
fn created(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "clusterrole" => "clusterroles.rbac.authorization.k8s.io",
        "clusterrolebinding" => "clusterrolebindings.rbac.authorization.k8s.io",
        "configmap" => "configmaps",
        "cronjob" => "cronjobs.batch",
        "deployment" => "deployments.apps",
        "ingress" => "ingresses.networking.k8s.io",
        "job" => "jobs.batch",
        "namespace" => "namespaces",
        "poddisruptionbudget" => "poddisruptionbudgets.policy",
        "priorityclass" => "priorityclasses.scheduling.k8s.io",
        "quota" => "resourcequotas",
        "role" => "roles.rbac.authorization.k8s.io",
        "rolebinding" => "rolebindings.rbac.authorization.k8s.io",
        "secret" => "secrets",
        "service" => "services",
        "serviceaccount" => "serviceaccounts",
        _ => return None,
    })
}

fn naming_flags(verb: &[&str]) -> &'static [NamingFlag] {
    match verb {
        ["expose" | "autoscale"] => const { &[flag("name", FlagNames::Name), ACCOUNT] },
        ["debug"] => const { &[flag("copy-to", FlagNames::Name), ACCOUNT] },
        ["cluster-info", "dump"] => const { &[flag("namespaces", FlagNames::Namespace), ACCOUNT] },
        ["create", "job"] | ["set", "env"] => const { &[flag("from", FlagNames::Object), ACCOUNT] },
        _ => &[ACCOUNT],
    }
}

/// The subjects of role bindings.
const ACCOUNT: NamingFlag = flag("serviceaccount", FlagNames::NamespaceOfAccount);

const fn flag(flag: &'static str, names: FlagNames) -> NamingFlag {
    NamingFlag { flag, names }
}

/// `run` and `debug` attach to what they start because of `--stdin` (kubectl v1.37
/// pkg/cmd/run/run.go).
const TERMINAL: &[TerminalFlags] = &[
    TerminalFlags {
        verb: "attach",
        implied: None,
    },
    TerminalFlags {
        verb: "debug",
        implied: Some("attach"),
    },
    TerminalFlags {
        verb: "exec",
        implied: None,
    },
    TerminalFlags {
        verb: "run",
        implied: Some("attach"),
    },
];

const MISNOMERS: &[Misnomer] = &[
    Misnomer::verb("can-i", "write `auth can-i`"),
    Misnomer::verb(
        "ctx",
        "`config get-contexts` lists the contexts; the request's `context` field chooses one",
    ),
    Misnomer::verb("history", "write `rollout history`"),
    Misnomer::verb("inspect", "write `describe`"),
    Misnomer::verb("list", "write `get`"),
    Misnomer::verb("log", "write `logs`"),
    Misnomer::verb("ls", "write `get`"),
    Misnomer::verb("ns", "`get namespaces` lists them; --namespace chooses one"),
    Misnomer::verb("ps", "write `get pods`"),
    Misnomer::verb("resources", "write `api-resources`"),
    Misnomer::verb("restart", "write `rollout restart`"),
    Misnomer::verb("rollback", "write `rollout undo`"),
    Misnomer::verb("show", "write `describe`, or `get` with -o yaml"),
    Misnomer::verb("status", "write `rollout status` of a workload, or `get`"),
    Misnomer::verb("tail", "write `logs` with --tail"),
    Misnomer::verb("undo", "write `rollout undo`"),
    Misnomer::verb(
        "watch",
        "write `get`, with --watch where the policy allows that, and ask again for newer data",
    ),
    Misnomer::verb("whoami", "write `auth whoami`"),
    Misnomer::flag("describe", "--output", "write `get` with -o yaml"),
    Misnomer::flag("describe", "-o", "write `get` with -o yaml"),
    Misnomer::flag(
        "events",
        "--field-selector",
        "write `get events` with --field-selector",
    ),
    Misnomer::flag(
        "events",
        "--sort-by",
        "leave it out: `events` is sorted by time; or write `get events --sort-by=.lastTimestamp`",
    ),
    Misnomer::flag(
        "get",
        "--export",
        "leave it out, and pick the fields: `get TYPE NAME -o jsonpath='{.spec}'`",
    ),
    Misnomer::flag(
        "get",
        "--limit",
        "leave it out, and put `| head -20` behind the command",
    ),
    Misnomer::flag("get", "--show-all", "leave it out: all objects are shown"),
    Misnomer::flag(
        "get",
        "--tail",
        "leave it out, and put `| tail -20` behind the command",
    ),
    Misnomer::flag(
        "get",
        "-a",
        "leave it out: all objects are shown; -A is all namespaces",
    ),
    Misnomer::flag(
        "logs",
        "--grep",
        "leave it out, and put `| grep -i TEXT` behind the command",
    ),
    Misnomer::flag(
        "logs",
        "--level",
        "leave it out, and put `| grep -i error` behind the command",
    ),
    Misnomer::flag("logs", "--lines", "write --tail"),
    Misnomer::flag("logs", "--limit", "write --tail"),
    Misnomer::flag(
        "logs",
        "--until",
        "leave it out; --since and --since-time say where the log begins",
    ),
    Misnomer::flag(
        "top pod",
        "--limit",
        "leave it out, and put `| head -20` behind the command",
    ),
    Misnomer::flag("version", "--short", "leave it out: the output is short"),
];

const INSTEAD: &[Misnomer] = &[
    Misnomer::flag("apply", "filename", NO_PATHS),
    Misnomer::flag("apply", "kustomize", NO_MANIFESTS),
    Misnomer::flag("create", "filename", NO_PATHS),
    Misnomer::flag("create", "kustomize", NO_MANIFESTS),
    Misnomer::flag("replace", "filename", NO_PATHS),
    Misnomer::flag("replace", "kustomize", NO_MANIFESTS),
    Misnomer::flag("diff", "filename", NO_PATHS),
    Misnomer::flag("diff", "kustomize", NO_MANIFESTS),
    Misnomer::verb(
        "config",
        "`config get-contexts` lists the contexts of the request's kubeconfig; its field `context` chooses one, `namespace` a namespace",
    ),
    Misnomer::verb(
        "cp",
        "`exec POD -- cat FILE` prints a file of a container, where the policy allows `exec`",
    ),
    Misnomer::verb(
        "edit",
        "say the change in flags (`patch`, `set`, `scale`, `label`), where the policy allows it; `get TYPE NAME -o yaml` shows what there is",
    ),
    Misnomer::verb(
        "port-forward",
        "ask the API instead: `get`, `describe` and `logs` show the state, `get endpointslices` who answers a service",
    ),
    Misnomer::verb("plugin", "leave it out: plugins are not run here"),
];

const NO_PATHS: &str = "send the text in `stdin` (`-f -`) or in `files`, and name it by its bare name: `-f web.yaml`; there are no other files, and nothing is fetched";

const NO_MANIFESTS: &str = "no folder is read here; change one thing with `set`, `scale`, `label` or `patch`, or create with `create KIND NAME`";
