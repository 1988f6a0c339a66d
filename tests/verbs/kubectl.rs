//! kubectl: reading a cluster, and changing it.

use crate::{Row, does, exits, fails, refused, same, same_lines};

pub fn rows() -> Vec<Row> {
    [
        reads(),
        creates(),
        rolls_out(),
        changes(),
        runs_in_pods(),
        moves_nodes(),
        refusals(),
        removes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn reads() -> Vec<Row> {
    vec![
        same("get pods", "web-0"),
        same("get pods -A -o wide", "NOMINATED NODE"),
        same("get pods -o json", "\"kind\": \"List\""),
        same("get pods -o yaml", "kind: List"),
        same("get pods -o kyaml", "kind: \"List\""),
        same("get pods -o name", "pod/web-0"),
        same("get po web-0 -o jsonpath={.metadata.name}", "web-0"),
        same(
            "get po web-0 -o jsonpath-as-json={.spec.containers[*].image}",
            "demo/web:1.4.2",
        ),
        same(
            "get po -o custom-columns=N:.metadata.name,I:.spec.containers[0].image",
            "demo/web:1.4.2",
        ),
        same(
            "get po -o go-template='{{range .items}}{{.metadata.name}} {{end}}'",
            "web-0",
        ),
        same("get pods -A -l app=web", "web-0"),
        same(
            "get pods -A --field-selector=status.phase=Running --sort-by=.metadata.name",
            "web-0",
        ),
        same("get pods --show-labels -L app --no-headers", "app=web"),
        same("get pods,services,deployments", "deployment.apps/worker"),
        same(
            "get deploy/worker -o yaml --show-managed-fields",
            "managedFields",
        ),
        same("get deploy worker --subresource=scale", "DESIRED"),
        same("get nodes -o wide", "node1"),
        same("get crd", "pods.metrics.k8s.io"),
        same("get applications.v1alpha1.argoproj.io -A", "shop"),
        same("get pods --chunk-size=1 --request-timeout=5s", "web-0"),
        same("get secrets -n {ns}", "sh.helm.release.v1.web.v2"),
        does("get events -A", "REASON"),
        does("get pods -w --request-timeout=1s", "web-0"),
        fails("get pod nosuch", 1, "NotFound"),
        same("get pod nosuch --ignore-not-found", ""),
        same("describe pod web-0", "Node:"),
        same("describe deploy worker", "RollingUpdateStrategy"),
        same("describe node node1", "Allocated resources"),
        same("describe service worker", "Endpoints:"),
        same("describe configmap app-config", "LOG_LEVEL"),
        same("describe namespace web", "team=storefront"),
        same("logs web-0", "listening on :8080"),
        same("logs web-0 --tail=2 --timestamps", "GET /healthz"),
        same("logs web-0 --since=1h --limit-bytes=20", "listening"),
        same_lines("logs -l app=worker --prefix", "[pod/worker-"),
        same("logs deploy/worker --all-containers", "Found 2 pods"),
        same("top pod -A --containers", "CPU(cores)"),
        same("top node", "node1"),
        does("events -A", "REASON"),
        same("events --for pod/nosuch", ""),
        same("api-resources -o wide", "deployments"),
        same("api-resources --api-group=apps", "statefulsets"),
        same("api-versions", "apps/v1"),
        same("get --raw /readyz", "ok"),
        same("get --raw /livez?verbose", "livez check passed"),
        same("get --raw /healthz", "ok"),
        same("get --raw /version", "gitVersion"),
        same("get --raw /apis/apps/v1", "APIResourceList"),
        same("get --raw /openapi/v3", "serverRelativeURL"),
        same("explain pod.spec", "containers"),
        same(
            "explain deploy --recursive --max-depth=2",
            "revisionHistoryLimit",
        ),
        same("explain pods --output=plaintext-openapiv2", "KIND:"),
        same("auth can-i get pods", "yes"),
        same("auth can-i --list", "Non-Resource URLs"),
        same("auth whoami", "system:masters"),
        same(
            "rollout status deploy/worker --timeout=20s",
            "successfully rolled out",
        ),
        same("rollout history deploy/worker", "REVISION"),
        same(
            "rollout history deploy/worker --revision=1",
            "demo/worker:1.4.2",
        ),
        same(
            "wait --for=condition=Ready pod/web-0 --timeout=10s",
            "condition met",
        ),
        same(
            "wait --for=jsonpath={.status.phase}=Running pod/web-0 --timeout=10s",
            "condition met",
        ),
        same("wait --for=delete pod/nosuch --timeout=2s", ""),
        fails(
            "wait --for=condition=NoSuch pod/web-0 --timeout=1s",
            1,
            "timed out waiting",
        ),
        same("version", "Server Version"),
        same("version -o json", "gitVersion"),
        same("version --client", "Client Version"),
        same("cluster-info", "is running at"),
        same("completion bash", "bash completion"),
        same("help get", "Display one or many resources"),
        same("get --help", "Display one or many resources"),
    ]
}

fn creates() -> Vec<Row> {
    vec![
        does("create namespace {ns}-more", "created"),
        does(
            "create configmap settings --from-literal=a=1 -n {ns}",
            "configmap/settings created",
        ),
        does(
            "create secret generic credential --from-literal=password=hush -n {ns}",
            "created",
        ),
        does(
            "create deployment app --image=demo/app:1 --replicas=2 --port=8080 -n {ns}",
            "deployment.apps/app created",
        ),
        same(
            "create deployment dry --image=demo/app:1 --dry-run=client -o yaml -n {ns}",
            "kind: Deployment",
        ),
        same(
            "create deployment dry --image=demo/app:1 --dry-run=server -n {ns}",
            "server dry run",
        ),
        does(
            "create job once --image=demo/job:1 -n {ns} -- true",
            "job.batch/once created",
        ),
        does(
            "create cronjob nightly --image=demo/job:1 --schedule='0 3 * * *' -n {ns}",
            "created",
        ),
        does(
            "create job by-hand --from=cronjob/nightly -n {ns}",
            "created",
        ),
        does(
            "wait --for=condition=Complete job/once -n {ns} --timeout=20s",
            "condition met",
        ),
        does("create serviceaccount robot -n {ns}", "created"),
        does("create token robot -n {ns} --duration=10m", "[REDACTED]"),
        does(
            "create role reader --verb=get,list --resource=pods -n {ns}",
            "created",
        ),
        does(
            "create rolebinding readers --role=reader --serviceaccount={ns}:robot -n {ns}",
            "created",
        ),
        does(
            "create service clusterip plain --tcp=80:8080 -n {ns}",
            "created",
        ),
        does(
            "create ingress web --rule=a.example/*=plain:80 -n {ns}",
            "created",
        ),
        does("create quota limit --hard=pods=50 -n {ns}", "created"),
        does(
            "create poddisruptionbudget guard --selector=app=app --min-available=1 -n {ns}",
            "created",
        ),
        does(
            "create priorityclass {ns} --value=5 --description=x",
            "created",
        ),
        fails(
            "create configmap settings --from-literal=a=1 -n {ns}",
            1,
            "already exists",
        ),
    ]
}

fn rolls_out() -> Vec<Row> {
    vec![
        does(
            "rollout status deploy/app -n {ns} --timeout=20s",
            "successfully rolled out",
        ),
        does(
            "wait --for=condition=Available deploy/app -n {ns} --timeout=20s",
            "condition met",
        ),
        does(
            "set image deploy/app app=demo/app:2 -n {ns}",
            "image updated",
        ),
        does("set env deploy/app MODE=fast -n {ns}", "env updated"),
        same("set env deploy/app --list -n {ns}", "MODE=fast"),
        does(
            "set resources deploy/app --limits=cpu=200m -n {ns}",
            "resource requirements updated",
        ),
        does(
            "set serviceaccount deploy/app robot -n {ns}",
            "serviceaccount updated",
        ),
        does(
            "rollout status deploy/app -n {ns} --timeout=20s",
            "successfully rolled out",
        ),
        same("rollout history deploy/app -n {ns}", "REVISION"),
        does("rollout undo deploy/app -n {ns}", "rolled back"),
        does("rollout pause deploy/app -n {ns}", "paused"),
        does("rollout resume deploy/app -n {ns}", "resumed"),
        does("rollout restart deploy/app -n {ns}", "restarted"),
        does(
            "rollout status deploy/app -n {ns} --timeout=20s",
            "successfully rolled out",
        ),
        does("scale deploy/app --replicas=3 -n {ns}", "scaled"),
        does(
            "scale deploy/app --replicas=2 --current-replicas=3 --timeout=20s -n {ns}",
            "scaled",
        ),
        fails(
            "scale deploy/app --replicas=2 --current-replicas=9 -n {ns}",
            1,
            "Expected replicas to be 9, was 2",
        ),
        does(
            "autoscale deploy/app --min=1 --max=4 --cpu=80% -n {ns}",
            "autoscaled",
        ),
    ]
}

fn changes() -> Vec<Row> {
    vec![
        does("label deploy/app tier=front -n {ns}", "labeled"),
        does("label deploy/app --list -n {ns}", "tier=front"),
        does("label deploy/app tier- -n {ns}", "unlabeled"),
        does("annotate deploy/app note=x -n {ns}", "annotated"),
        does(
            r#"patch deploy/app -p '{"spec":{"replicas":1}}' -n {ns}"#,
            "patched",
        ),
        does(
            r#"patch deploy/app --type=json -p '[{"op":"replace","path":"/spec/replicas","value":2}]' -n {ns}"#,
            "patched",
        ),
        does(
            "expose deploy/app --port=80 --target-port=8080 -n {ns}",
            "service/app exposed",
        ),
        does(
            "certificate deny nosuch --help",
            "Deny a certificate signing request",
        ),
    ]
}

fn runs_in_pods() -> Vec<Row> {
    vec![
        does("run lone --image=demo/one:1 -n {ns}", "pod/lone created"),
        same(
            "run dry --image=demo/one:1 -n {ns} --dry-run=client -o json",
            "\"kind\": \"Pod\"",
        ),
        does(
            "wait --for=condition=Ready pod/lone -n {ns} --timeout=20s",
            "condition met",
        ),
        same("exec lone -n {ns} -- echo hello", "hello"),
        same("exec deploy/app -n {ns} -- id -u", "65534"),
        same(
            "exec lone -n {ns} -c lone -- sh -c 'printf %0200000d 7 | wc -c'",
            "200000",
        ),
        fails(
            "exec lone -n {ns} -- sh -c 'echo lost >&2; exit 3'",
            1,
            "lost",
        ),
        fails("exec nosuch -n {ns} -- true", 1, "NotFound"),
        fails("attach lone -n {ns}", 1, "error attaching to container"), // kwok has nothing to attach to
        does(
            "debug lone --image=demo/debug:1 -n {ns}",
            "Defaulting debug container name",
        ),
        does(
            "debug lone --image=demo/debug:1 --copy-to=lone-copy -n {ns}",
            "Defaulting debug container name",
        ),
        does("logs lone -n {ns} -c lone", "listening on :8080"),
    ]
}

fn moves_nodes() -> Vec<Row> {
    vec![
        does("cordon node1", "node/node1 cordoned"),
        does("uncordon node1", "node/node1 uncordoned"),
        does("taint nodes node1 airlock=x:PreferNoSchedule", "tainted"),
        does("taint nodes node1 airlock-", "untainted"),
        does(
            "drain node1 --ignore-daemonsets --delete-emptydir-data --force --timeout=30s",
            "node/node1 drained",
        ),
        does("uncordon node1", "node/node1 uncordoned"),
        does(
            "rollout status deploy/istiod -n istio-system --timeout=30s",
            "successfully rolled out",
        ),
    ]
}

fn refusals() -> Vec<Row> {
    vec![
        refused(
            "get --raw /debug/pprof/heap",
            "policy_denied",
            "a path of the API server",
        ),
        refused(
            "get --raw /api/v1/namespaces/{ns}/secrets/s",
            "policy_denied",
            "the path of a Secret",
        ),
        refused(
            "get --raw /api/v1/namespaces/{ns}%2fsecrets/s",
            "invalid_command",
            "a character that no tool sends",
        ),
        refused("get pods --as=root", "policy_denied", "never allowed"),
        refused(
            "get pods --kubeconfig=/etc/passwd",
            "policy_denied",
            "never allowed",
        ),
        refused("delete all", "invalid_command", "`all`"),
        refused("config view --raw", "policy_denied", "prints the token"),
        refused(
            "cp lone:/etc/hostname /tmp/x -n {ns}",
            "policy_denied",
            "runs tar in the container",
        ),
        refused(
            "create configmap x --from-file=/etc/hostname",
            "policy_denied",
            "reads files here",
        ),
        refused("edit deploy/worker", "policy_denied", "opens an editor"),
        refused(
            "port-forward web-0 8080",
            "policy_denied",
            "a port here leads into a pod",
        ),
        refused("proxy", "policy_denied", "a port here is the API server"),
        refused("kustomize .", "policy_denied", "never allowed"),
        refused("plugin list", "policy_denied", "never allowed"),
        refused("apply -f -", "policy_denied", "--filename"), // no file has come with a request yet
        refused("replace -f -", "policy_denied", "--filename"),
        refused("create -f -", "policy_denied", "--filename"),
        refused("nosuch verb", "invalid_command", "nosuch"),
    ]
}

fn removes() -> Vec<Row> {
    vec![
        does(
            "delete deploy/app hpa/app svc/app -n {ns}",
            "deployment.apps \"app\" deleted",
        ),
        does(
            "delete job once by-hand -n {ns} --cascade=background",
            "job.batch \"once\" deleted",
        ),
        does(
            "delete pod lone --ignore-not-found --wait=false -n {ns}",
            "",
        ),
        does("delete pods --all -n {ns} --grace-period=0 --force", ""),
        does(
            "delete configmap -l nobody=has-this -n {ns}",
            "No resources found",
        ),
        does("delete priorityclass {ns}", "deleted"),
        exits("delete pod nosuch -n {ns}", 1, "NotFound"),
        does("delete namespace {ns}-more --timeout=25s", "deleted"),
    ]
}
