//! kubectl: Kubernetes' own client.

use super::{
    commands::{Commands, FlagIs},
    operand::{FlagNames, NamingFlag, OperandGrammar, Reach},
    spec::{
        AccessKind, Cobra, DefaultNamespace, EarlyScan, Grammar, ProxyVariable, RuleLists,
        ToolSpec, Variable, VariableValue, VersionAnswer, VersionQuestion,
    },
};

pub(super) static KUBECTL: ToolSpec = ToolSpec {
    name: "kubectl",
    example: "get pods -n default",
    catalogues: &[
        include_str!("../../policy/catalogue/kubectl-1.37.json"),
        include_str!("../../policy/catalogue/kubectl-1.36.json"),
    ],
    hazards: include_str!("../../policy/catalogue/kubectl.hazards.toml"),
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
    operands,
    naming_flags,
    lists: RuleLists::NamesAndResources,
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
    failures: &[],
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
