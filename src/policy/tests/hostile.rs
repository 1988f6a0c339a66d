//! Manifests that an agent is talked into, under a policy that lets it run applications of its own: none of
//! them is allowed, wherever in a manifest it stands and however it is written.

use super::{explained_with, load};
use crate::{
    catalogue::Catalogue,
    policy::{Effect, Explainer, Target},
};

const RULES: &str = r#"
schema = 1
[[rule]]
id = "apply"
effect = "allow"
reason = "agents run their own applications"
tool = "kubectl"
verbs = ["apply", "create", "replace"]
namespaces = ["shop"]
require = ["--filename"]
values = { "--filename" = ["-"] }
[[rule.objects]]
resources = [
  "configmaps", "cronjobs.batch", "daemonsets.apps", "deployments.apps", "jobs.batch", "networkpolicies.networking.k8s.io", "pods",
  "podtemplates", "replicasets.apps", "replicationcontrollers", "runners.example.com", "services", "statefulsets.apps",
]
pod_security = "baseline"
images = ["registry.corp/*"]
forbid = ["external-ips", "external-name", "finalizers", "load-balancer", "node-port", "owner-references", "service-account-token"]
"#;

fn explainer() -> Explainer {
    let target = Target {
        namespace: "shop".into(),
        ..Target::default()
    };
    Explainer::new(load(RULES).unwrap(), Catalogue::carried().unwrap(), target)
}

/// Each kind that embeds a pod, with `POD` in the place of its spec.
const EMBEDDING: [&str; 14] = [
    "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: POD\n",
    "apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}\nspec: POD\n",
    "apiVersion: v1\nkind: PodTemplate\nmetadata: {name: a}\ntemplate: {spec: POD}\n",
    "apiVersion: v1\nkind: ReplicationController\nmetadata: {name: a}\nspec: {template: {spec: POD}}\n",
    "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: a}\nspec: {template: {spec: POD}}\n",
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {template: {spec: POD}}\n",
    "apiVersion: apps/v1beta2\nkind: Deployment\nmetadata: {name: a}\nspec: {template: {spec: POD}}\n",
    "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: a}\nspec: {template: {spec: POD}}\n",
    "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: a}\nspec: {template: {spec: POD}}\n",
    "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nspec: {template: {spec: POD}}\n",
    "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a}\nspec: {jobTemplate: {spec: {template: {spec: POD}}}}\n",
    "apiVersion: example.com/v1\nkind: Runner\nmetadata: {name: a}\nspec: {workers: [{template: {spec: POD}}]}\n",
    "apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: a}\n  spec: POD\n",
    "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: List, items: [{apiVersion: batch/v1, kind: Job, metadata: {name: a}, spec: {template: {spec: POD}}}]}\n",
];

const HONEST: &str =
    "{automountServiceAccountToken: false, containers: [{name: a, image: registry.corp/a}]}";

/// What makes that pod hostile: what is put behind its first brace, or into its container.
const IN_POD: [&str; 13] = [
    "hostNetwork: true, ",
    "hostPID: yes, ",
    "hostIPC: on, ",
    "hostNetwork: 'true', ",
    "volumes: [{name: v, hostPath: {path: /}}], ",
    "volumes: [{name: v, image: {reference: evil.example/a}}], ",
    "volumes: [{name: v, projected: {sources: [{serviceAccountToken: {path: t}}]}}], ",
    "securityContext: {seccompProfile: {type: Unconfined}}, ",
    "securityContext: {windowsOptions: {hostProcess: true}}, ",
    "securityContext: {sysctls: [{name: kernel.core_pattern, value: x}]}, ",
    "initContainers: [{name: i, image: registry.corp/a, securityContext: {privileged: true}}], ",
    "initContainers: [{name: i, image: registry.corp/a, restartPolicy: Always, securityContext: {privileged: true}}], ",
    "ephemeralContainers: [{name: i, image: registry.corp/a, securityContext: {privileged: true}}], ",
];
const IN_CONTAINER: [&str; 9] = [
    "securityContext: {privileged: true}, ",
    "securityContext: {privileged: Yes}, ",
    "\"securityContext\": {\"privileged\": true}, ",
    "securityContext: {procMount: Unmasked}, ",
    "securityContext: {capabilities: {add: [SYS_ADMIN]}}, ",
    "securityContext: {seLinuxOptions: {type: spc_t}}, ",
    "securityContext: {appArmorProfile: {type: Unconfined}}, ",
    "ports: [{hostPort: 0x16}], ",
    "readinessProbe: {tcpSocket: {port: 1, host: 169.254.169.254}}, ",
];

#[test]
fn no_hostile_pod_is_allowed_in_any_kind_that_embeds_one() {
    let explainer = explainer();
    let mut hostile: Vec<String> = Vec::new();
    hostile.extend(
        IN_POD
            .iter()
            .map(|what| HONEST.replacen('{', &format!("{{{what}"), 1)),
    );
    hostile.extend(
        IN_CONTAINER
            .iter()
            .map(|what| HONEST.replacen("{name", &format!("{{{what}name"), 1)),
    );
    hostile.push(HONEST.replace("registry.corp", "registry.corp.evil.example"));
    hostile.push(HONEST.replace("registry.corp/a", "nginx"));
    hostile.push(HONEST.replace("false", "true"));
    hostile.push(HONEST.replace("automountServiceAccountToken: false, ", ""));
    let mut refused = 0;
    for kind in EMBEDDING {
        let honest = explained_with(
            &explainer,
            "kubectl apply -f -",
            &kind.replace("POD", HONEST),
        );
        assert_eq!(honest.effect, Effect::Allow, "{kind}: {:?}", honest.reason);
        for pod in &hostile {
            let explained =
                explained_with(&explainer, "kubectl apply -f -", &kind.replace("POD", pod));
            assert_eq!(explained.effect, Effect::Deny, "{kind} with {pod}");
            assert!(explained.reason.unwrap().starts_with("objects[0] "));
            refused += 1;
        }
    }
    assert_eq!(refused, 14 * 26);
}

#[test]
fn nothing_else_that_hides_in_a_manifest_is_allowed() {
    let explainer = explainer();
    let honest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: KIND\nmetadata: {name: a}\n";
    let mut hostile: Vec<String> = ["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"]
        .iter()
        .map(|kind| role.replace("KIND", kind))
        .collect();
    for (version, kind) in [
        ("v1", "Secret"),
        ("v1", "ServiceAccount"),
        ("v1", "Namespace"),
        ("v1", "Node"),
        ("v1", "PersistentVolume"),
        ("v1", "Endpoints"),
        ("v1", "Binding"),
        (
            "admissionregistration.k8s.io/v1",
            "MutatingWebhookConfiguration",
        ),
        (
            "admissionregistration.k8s.io/v1",
            "ValidatingWebhookConfiguration",
        ),
        (
            "admissionregistration.k8s.io/v1beta1",
            "MutatingAdmissionPolicy",
        ),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        ("apiregistration.k8s.io/v1", "APIService"),
        ("certificates.k8s.io/v1", "CertificateSigningRequest"),
        ("apps/v1", "ControllerRevision"),
        ("authorization.k8s.io/v1", "SubjectAccessReview"),
        ("authentication.k8s.io/v1", "TokenRequest"),
        ("policy/v1", "Eviction"),
        ("networking.istio.io/v1alpha3", "EnvoyFilter"),
        ("unknown.example/v1", "Thing"),
        ("v1", "configmap"),
        ("v2", "Thing"),
    ] {
        hostile.push(format!(
            "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n"
        ));
    }
    let metadata = |fields: &str| honest.replace("name: a", fields);
    hostile.extend([
        metadata("name: a, namespace: kube-system"),
        metadata("name: a, namespace: 'shop/../kube-system'"),
        metadata("name: ../a"),
        metadata("name: a, finalizers: [x/y]"),
        metadata("name: a, ownerReferences: [{apiVersion: v1, kind: Pod, name: b, uid: c}]"),
        format!("{honest}items: []\n"),
        format!("{honest}items:\n- apiVersion: v1\n  kind: Secret\n  metadata: {{name: b}}\n"),
        format!("{honest}kind: Secret\n"),
        format!("{honest}...\nkind: Secret\n"),
        format!("{honest}--- {{kind: Secret}}\n"),
        format!("{honest}data: &a {{}}\n"),
        format!("{honest}data: !!binary aGk=\n"),
        format!("{honest}data: {{<<: {{a: b}}}}\n"),
        format!("{honest}data: \"a\u{85}kind: Secret\"\n"),
        format!("%YAML 1.1\n---\n{honest}"),
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {type: LoadBalancer}\n".into(),
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {type: ExternalName, externalName: evil.example}\n".into(),
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {externalIPs: [10.0.0.1]}\n".into(),
        "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"a\"}}".into(),
    ]);
    for text in &hostile {
        for text in [text.clone(), format!("{honest}---\n{text}")] {
            let explained = explained_with(&explainer, "kubectl apply -f -", &text);
            assert_eq!(explained.effect, Effect::Deny, "{text}");
        }
    }
    assert_eq!(
        explained_with(&explainer, "kubectl apply -f -", honest).effect,
        Effect::Allow
    );
    // The call's own namespace is the rule's, too.
    let elsewhere = explained_with(&explainer, "kubectl apply -n other -f -", honest);
    assert_eq!(elsewhere.effect, Effect::Deny);
}
