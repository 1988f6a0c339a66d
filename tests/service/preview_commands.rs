//! What commands do to which objects, of which a preview tells the same.

/// Commands in their order, each previewed and then run: what it would do, by object. `*` stands for
/// what the server chooses.
pub const COMMANDS: &[(&str, &[&str])] = &[
    (
        "create namespace {ns}-more",
        &["create namespaces {ns}-more"],
    ),
    (
        "create configmap settings --from-literal=a=1 -n {ns}",
        &["create configmaps settings"],
    ),
    (
        "create secret generic credential --from-literal=password=hush -n {ns}",
        &["create secrets credential"],
    ),
    (
        "create deployment app --image=demo/app:1 --replicas=2 --port=8080 -n {ns}",
        &["create deployments.apps app"],
    ),
    (
        "create job once --image=demo/job:1 -n {ns} -- true",
        &["create jobs.batch once"],
    ),
    (
        "create cronjob nightly --image=demo/job:1 --schedule='0 3 * * *' -n {ns}",
        &["create cronjobs.batch nightly"],
    ),
    (
        "create job by-hand --from=cronjob/nightly -n {ns}",
        &["create jobs.batch by-hand"],
    ),
    (
        "create serviceaccount robot -n {ns}",
        &["create serviceaccounts robot"],
    ),
    (
        "create role reader --verb=get,list --resource=pods -n {ns}",
        &["create roles.rbac.authorization.k8s.io reader"],
    ),
    (
        "create rolebinding readers --role=reader --serviceaccount={ns}:robot -n {ns}",
        &["create rolebindings.rbac.authorization.k8s.io readers"],
    ),
    (
        "create service clusterip plain --tcp=80:8080 -n {ns}",
        &["create services plain"],
    ),
    (
        "create ingress web --rule=a.example/*=plain:80 -n {ns}",
        &["create ingresses.networking.k8s.io web"],
    ),
    (
        "create quota limit --hard=pods=50 -n {ns}",
        &["create resourcequotas limit"],
    ),
    (
        "create poddisruptionbudget guard --selector=app=none --min-available=1 -n {ns}",
        &["create poddisruptionbudgets.policy guard"],
    ),
    (
        "create priorityclass {ns} --value=5 --description=x",
        &["create priorityclasses.scheduling.k8s.io {ns}"],
    ),
    (
        "set image deploy/app app=demo/app:2 -n {ns}",
        &["update deployments.apps app"],
    ),
    (
        "set env deploy/app MODE=fast -n {ns}",
        &["update deployments.apps app"],
    ),
    (
        "set resources deploy/app --limits=cpu=200m -n {ns}",
        &["update deployments.apps app"],
    ),
    (
        "set serviceaccount deploy/app robot -n {ns}",
        &["update deployments.apps app"],
    ),
    (
        "rollout undo deploy/app -n {ns}",
        &["update deployments.apps app"],
    ),
    (
        "rollout pause deploy/app -n {ns}",
        &["update deployments.apps app"],
    ),
    (
        "rollout resume deploy/app -n {ns}",
        &["update deployments.apps app"],
    ),
    (
        "rollout restart deploy/app -n {ns}",
        &["update deployments.apps app"],
    ),
    (
        "scale deploy/app --replicas=3 -n {ns}",
        &["update deployments.apps app"],
    ),
    (
        "scale deploy/app --replicas=2 --current-replicas=3 -n {ns}",
        &["update deployments.apps app"],
    ),
    (
        "scale deploy/app --replicas=2 -n {ns}",
        &["nothing deployments.apps app"],
    ),
    (
        "autoscale deploy/app --min=1 --max=4 --cpu=80% -n {ns}",
        &["create horizontalpodautoscalers.autoscaling app"],
    ),
    (
        "label deploy/app tier=front -n {ns}",
        &["update deployments.apps app"],
    ),
    (
        "label cm,secret --all tier=front -n {ns}",
        &[
            "update configmaps kube-root-ca.crt",
            "update configmaps settings",
            "update secrets credential",
        ],
    ),
    (
        "label deploy/app tier- -n {ns}",
        &["update deployments.apps app"],
    ),
    (
        "annotate deploy/app note=x -n {ns}",
        &["update deployments.apps app"],
    ),
    (
        r#"patch deploy/app -p '{"spec":{"minReadySeconds":1}}' -n {ns}"#,
        &["update deployments.apps app"],
    ),
    (
        r#"patch deploy/app --type=merge -p '{"spec":{"minReadySeconds":2}}' -n {ns}"#,
        &["update deployments.apps app"],
    ),
    (
        r#"patch deploy/app --type=json -p '[{"op":"replace","path":"/spec/minReadySeconds","value":3}]' -n {ns}"#,
        &["update deployments.apps app"],
    ),
    (
        "patch cm settings -p '{\"data\":{\"b\":\"1\\n2\\n\"}}' -n {ns}",
        &["update configmaps settings"],
    ),
    (
        "expose deploy/app --port=80 --target-port=8080 -n {ns}",
        &["create services app"],
    ),
    ("run lone --image=demo/one:1 -n {ns}", &["create pods lone"]),
    (
        "debug lone --image=demo/debug:1 -n {ns}",
        &["update pods lone"],
    ),
    (
        "debug lone --image=demo/debug:1 --copy-to=lone-copy -n {ns}",
        &["create pods lone-copy"],
    ),
    ("cordon node1", &["update nodes node1"]),
    ("uncordon node1", &["update nodes node1"]),
    (
        "taint nodes node1 airlock=x:PreferNoSchedule",
        &["update nodes node1"],
    ),
    ("taint nodes node1 airlock-", &["update nodes node1"]),
    (
        "delete pod lone lone-copy -n {ns}",
        &["delete pods lone", "delete pods lone-copy"],
    ),
    (
        "delete svc/app hpa/app -n {ns} --wait=false",
        &[
            "delete services app",
            "delete horizontalpodautoscalers.autoscaling app",
        ],
    ),
    (
        "delete job once by-hand -n {ns} --cascade=background",
        &["delete jobs.batch once", "delete jobs.batch by-hand"],
    ),
    (
        "delete cm,secret -l tier=front -n {ns}",
        &[
            "delete configmaps kube-root-ca.crt",
            "delete configmaps settings",
            "delete secrets credential",
        ],
    ),
    (
        "delete deploy --all -n {ns}",
        &["delete deployments.apps app"],
    ),
    (
        "delete priorityclass {ns}",
        &["delete priorityclasses.scheduling.k8s.io {ns}"],
    ),
    (
        "delete namespace {ns}-more --timeout=25s",
        &["delete namespaces {ns}-more"],
    ),
];
