use super::*;
use crate::manifest::{KnownKind, Manifest, ManifestContext};

/// What a condition says of the first object of a text.
fn breach(condition: &ObjectCondition, text: &str) -> Option<String> {
    let context = ManifestContext {
        namespace: "shop",
        resolve: &|group, _, kind| {
            Some(KnownKind {
                resource: format!("{}s.{group}", kind.to_ascii_lowercase()),
                is_namespaced: true,
            })
        },
    };
    let manifest = Manifest::read(text, &context).unwrap();
    let object = manifest.objects().first().unwrap();
    condition.breach(object).map(|breach| breach.to_string())
}

const BASELINE: ObjectCondition = ObjectCondition::PodSecurity(PodSecurity::Baseline);
const RESTRICTED: ObjectCondition = ObjectCondition::PodSecurity(PodSecurity::Restricted);

/// A pod with these fields in its spec, as YAML in braces.
fn pod(spec: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {spec}\n")
}

/// A pod with one container with these fields.
fn container(fields: &str) -> String {
    pod(&format!(
        "{{containers: [{{name: a, image: b, {fields}}}]}}"
    ))
}

#[test]
fn what_is_beyond_baseline_is_named_by_its_field() {
    for (text, why) in [
        (pod("{hostNetwork: true}"), "spec.hostNetwork is true"),
        (pod("{hostPID: true}"), "spec.hostPID is true"),
        (pod("{hostIPC: true}"), "spec.hostIPC is true"),
        (pod("{hostPID: 'true'}"), "spec.hostPID is not a boolean"),
        (pod("{volumes: [{name: a, hostPath: {path: /}}]}"), "spec.volumes[0].hostPath is a path of the host"),
        (pod("{volumes: {name: a}}"), "spec.volumes is not a list"),
        (pod("{securityContext: {sysctls: [{name: kernel.msgmax, value: '1'}]}}"), "spec.securityContext.sysctls[0].name is `kernel.msgmax`"),
        (pod("{securityContext: {seLinuxOptions: {type: spc_t}}}"), "spec.securityContext.seLinuxOptions.type is `spc_t`"),
        (pod("{securityContext: {windowsOptions: {hostProcess: true}}}"), "spec.securityContext.windowsOptions.hostProcess is true"),
        (pod("{securityContext: {seccompProfile: {type: Unconfined}}}"), "spec.securityContext.seccompProfile.type is `Unconfined`"),
        (pod("{securityContext: {appArmorProfile: {type: Unconfined}}}"), "spec.securityContext.appArmorProfile.type is `Unconfined`"),
        (container("securityContext: {privileged: true}"), "spec.containers[0].securityContext.privileged is true"),
        (container("securityContext: {privileged: yes}"), "spec.containers[0].securityContext.privileged is true"),
        (container("securityContext: {procMount: Unmasked}"), "spec.containers[0].securityContext.procMount is `Unmasked`"),
        (container("securityContext: {seLinuxOptions: {user: root}}"), "spec.containers[0].securityContext.seLinuxOptions.user is `root`"),
        (container("securityContext: {capabilities: {add: [NET_BIND_SERVICE, SYS_ADMIN]}}"), "spec.containers[0].securityContext.capabilities.add[1] is `SYS_ADMIN`"),
        (container("securityContext: {capabilities: {add: [ALL]}}"), "spec.containers[0].securityContext.capabilities.add[0] is `ALL`"),
        (container("ports: [{containerPort: 80}, {containerPort: 81, hostPort: 81}]"), "spec.containers[0].ports[1].hostPort is a port of the host"),
        (container("livenessProbe: {httpGet: {port: 80, host: 10.0.0.1}}"), "spec.containers[0].livenessProbe.httpGet.host is `10.0.0.1`"),
        (container("lifecycle: {preStop: {tcpSocket: {port: 80, host: evil.example}}}"), "spec.containers[0].lifecycle.preStop.tcpSocket.host is `evil.example`"),
        (pod("{initContainers: [{name: a, securityContext: {privileged: true}}]}"), "spec.initContainers[0].securityContext.privileged is true"),
        (pod("{ephemeralContainers: [{name: a, securityContext: {privileged: true}}]}"), "spec.ephemeralContainers[0].securityContext.privileged is true"),
        (pod("[a]"), "spec is not a mapping"),
        (pod("{}").replace("{name: a}", "{name: a, annotations: {seccomp.security.alpha.kubernetes.io/pod: unconfined}}"), "metadata.annotations.seccomp.security.alpha.kubernetes.io/pod is `unconfined`"),
        (pod("{}").replace("{name: a}", "{name: a, annotations: {container.apparmor.security.beta.kubernetes.io/a: unconfined}}"), "metadata.annotations.container.apparmor.security.beta.kubernetes.io/a is `unconfined`"),
    ] {
        assert_eq!(breach(&BASELINE, &text).as_deref(), Some(why), "{text}");
        assert!(breach(&RESTRICTED, &text).is_some(), "{text}");
    }
}

#[test]
fn what_is_within_baseline_is_accepted() {
    for text in [
        pod("{}"),
        pod("{hostNetwork: false, hostPID: null}"),
        pod("{securityContext: {sysctls: [{name: net.ipv4.tcp_rmem, value: '1'}], seLinuxOptions: {type: container_t, level: 's0'}}}"),
        container("securityContext: {privileged: false, procMount: Default, runAsUser: 0, capabilities: {add: [CHOWN], drop: [ALL]}}"),
        container("ports: [{containerPort: 80, hostPort: 0}], livenessProbe: {httpGet: {port: 80, host: ''}}"),
        pod("{hostUsers: false, containers: [{name: a, securityContext: {procMount: Unmasked}}]}"),
        pod("{}").replace("{name: a}", "{name: a, annotations: {container.apparmor.security.beta.kubernetes.io/a: localhost/x}}"),
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {hostNetwork: 'true'}\n".to_owned(),
    ] {
        assert_eq!(breach(&BASELINE, &text), None, "{text}");
    }
}

/// A pod that is within `restricted`.
const MODEST: &str = "{securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}, containers: [{name: a, image: b, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]}";

#[test]
fn restricted_wants_what_most_do_not_need_given_up() {
    assert_eq!(breach(&RESTRICTED, &pod(MODEST)), None);
    for (from, to, why) in [
        (
            "runAsNonRoot: true",
            "runAsNonRoot: false",
            "spec.securityContext.runAsNonRoot is false",
        ),
        (
            "runAsNonRoot: true, ",
            "",
            "spec.containers[0] does not set securityContext.runAsNonRoot to true, nor does its pod",
        ),
        (
            "runAsNonRoot: true",
            "runAsNonRoot: true, runAsUser: 0",
            "spec.securityContext.runAsUser is root",
        ),
        (
            ", seccompProfile: {type: RuntimeDefault}",
            "",
            "spec.containers[0] does not set securityContext.seccompProfile.type to RuntimeDefault or Localhost, nor does its pod",
        ),
        (
            "allowPrivilegeEscalation: false, ",
            "",
            "spec.containers[0].securityContext does not set allowPrivilegeEscalation to false",
        ),
        (
            "drop: [ALL]",
            "drop: [CHOWN]",
            "spec.containers[0].securityContext does not drop ALL capabilities",
        ),
        (
            "drop: [ALL]",
            "drop: [ALL], add: [CHOWN]",
            "spec.containers[0].securityContext.capabilities.add[0] is `CHOWN`",
        ),
        (
            "containers:",
            "volumes: [{name: a, nfs: {server: a, path: b}}], containers:",
            "spec.volumes[0] is of a type that is not accepted",
        ),
    ] {
        let text = pod(&MODEST.replacen(from, to, 1));
        assert_eq!(breach(&RESTRICTED, &text).as_deref(), Some(why));
        assert_eq!(breach(&BASELINE, &text), None);
    }
    let in_windows =
        "{os: {name: windows}, securityContext: {runAsNonRoot: true}, containers: [{name: a}]}";
    assert_eq!(breach(&RESTRICTED, &pod(in_windows)), None);
    let of_its_own = MODEST
        .replace("runAsNonRoot: true", "runAsUser: 0")
        .replace("{sec", "{hostUsers: false, sec");
    assert_eq!(breach(&RESTRICTED, &pod(&of_its_own)), None);
}

#[test]
fn a_pod_is_found_in_every_kind_that_embeds_one() {
    let spec =
        "{containers: [{name: a, image: evil.example/a, securityContext: {privileged: true}}]}";
    let template = format!("{{metadata: {{labels: {{a: b}}}}, spec: {spec}}}");
    let embedded = format!("{{template: {template}}}");
    for (version, kind, field, value, path) in [
        ("v1", "Pod", "spec", spec, "spec"),
        ("v1", "PodTemplate", "template", &*template, "template.spec"),
        (
            "v1",
            "ReplicationController",
            "spec",
            &*embedded,
            "spec.template.spec",
        ),
        (
            "apps/v1",
            "ReplicaSet",
            "spec",
            &embedded,
            "spec.template.spec",
        ),
        (
            "apps/v1",
            "Deployment",
            "spec",
            &embedded,
            "spec.template.spec",
        ),
        (
            "apps/v1beta1",
            "Deployment",
            "spec",
            &embedded,
            "spec.template.spec",
        ),
        (
            "apps/v1",
            "StatefulSet",
            "spec",
            &embedded,
            "spec.template.spec",
        ),
        (
            "apps/v1",
            "DaemonSet",
            "spec",
            &embedded,
            "spec.template.spec",
        ),
        (
            "apps/v1",
            "ControllerRevision",
            "data",
            &*format!("{{spec: {embedded}}}"),
            "data.spec.template.spec",
        ),
        ("batch/v1", "Job", "spec", &embedded, "spec.template.spec"),
        (
            "batch/v1",
            "CronJob",
            "spec",
            &*format!("{{jobTemplate: {{spec: {embedded}}}}}"),
            "spec.jobTemplate.spec.template.spec",
        ),
        (
            "example.com/v1",
            "Runner",
            "spec",
            &*format!("{{workers: [{{podTemplate: {template}}}]}}"),
            "spec.workers[0].podTemplate.spec",
        ),
    ] {
        let text = format!(
            "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n{field}: {value}\n"
        );
        let expected = format!("{path}.containers[0].securityContext.privileged is true");
        assert_eq!(breach(&BASELINE, &text), Some(expected), "{text}");
        let images = ObjectCondition::Images(vec!["registry.corp/*".into()]);
        let expected = format!("{path}.containers[0].image is `evil.example/a`");
        assert_eq!(breach(&images, &text), Some(expected), "{text}");
    }
    for (field, path) in [
        ("{hostNetwork: true}", "spec.hostNetwork is true"),
        ("{a: [{privileged: true}]}", "spec.a[0].privileged is true"),
        (
            "{storage: {hostPath: {path: /}}}",
            "spec.storage.hostPath is a path of the host",
        ),
    ] {
        let text = format!(
            "apiVersion: example.com/v1\nkind: Runner\nmetadata: {{name: a}}\nspec: {field}\n"
        );
        assert_eq!(breach(&BASELINE, &text).as_deref(), Some(path));
    }
}

#[test]
fn images_are_judged_by_their_whole_names() {
    let of = |globs: &[&str]| {
        ObjectCondition::Images(globs.iter().map(|glob| (*glob).to_owned()).collect())
    };
    let image = |image: &str| pod(&format!("{{containers: [{{name: a, image: '{image}'}}]}}"));
    for (globs, text, accepted) in [
        (
            &["registry.corp/*"][..],
            image("registry.corp/team/app:1"),
            true,
        ),
        (
            &["registry.corp/*"],
            image("registry.corp.evil.example/app"),
            false,
        ),
        (&["registry.corp/*"], image("registry.corp:5000/app"), false),
        (&["docker.io/library/*"], image("nginx"), true),
        (&["nginx*"], image("nginx"), false),
        (&["*"], pod("{containers: [{name: a}]}"), false),
        (
            &["registry.corp/*"],
            pod("{volumes: [{name: a, image: {reference: evil.example/a}}]}"),
            false,
        ),
    ] {
        assert_eq!(breach(&of(globs), &text).is_none(), accepted, "{text}");
    }
    let digest = ObjectCondition::Forbid(ForbiddenPart::Tags);
    assert_eq!(
        breach(&digest, &image("a:1")).as_deref(),
        Some("spec.containers[0].image names its image without a digest")
    );
    assert_eq!(
        breach(&digest, &image(&format!("a@sha256:{}", "0".repeat(64)))),
        None
    );
}

#[test]
fn what_is_forbidden_is_found() {
    let service = |spec: &str| {
        format!("apiVersion: v1\nkind: Service\nmetadata: {{name: a}}\nspec: {spec}\n")
    };
    let owned = |key: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: a}}\nspec: {{template: {{metadata: {{{key}: [{{kind: x}}]}}, spec: {{}}}}}}\n"
        )
    };
    for (forbidden, text, why) in [
        (ForbiddenPart::LoadBalancer, service("{type: LoadBalancer}"), "spec.type is `LoadBalancer`"),
        (ForbiddenPart::NodePort, service("{type: NodePort}"), "spec.type is `NodePort`"),
        (ForbiddenPart::NodePort, service("{type: LoadBalancer, ports: [{port: 1, nodePort: 30000}]}"), "spec.ports[0].nodePort is a port of every node"),
        (ForbiddenPart::ExternalName, service("{type: ExternalName}"), "spec.type is `ExternalName`"),
        (ForbiddenPart::ExternalIps, service("{externalIPs: [10.0.0.1]}"), "spec.externalIPs[0] is an address from outside"),
        (ForbiddenPart::OwnerReferences, owned("ownerReferences"), "spec.template.metadata.ownerReferences[0] is its owner"),
        (ForbiddenPart::Finalizers, pod("{}").replace("{name: a}", "{name: a, finalizers: [x/y]}"), "metadata.finalizers[0] keeps it from going away"),
        (ForbiddenPart::ServiceAccountToken, pod("{}"), "spec does not set automountServiceAccountToken to false"),
        (ForbiddenPart::ServiceAccountToken, pod("{automountServiceAccountToken: false, volumes: [{projected: {sources: [{serviceAccountToken: {path: a}}]}}]}"), "spec.volumes[0].projected.sources[0].serviceAccountToken is a token of a ServiceAccount"),
        (ForbiddenPart::ServiceAccountToken, "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ntype: kubernetes.io/service-account-token\n".to_owned(), "type is `kubernetes.io/service-account-token`"),
        (ForbiddenPart::ServiceAccount, pod("{serviceAccountName: admin}"), "spec.serviceAccountName is `admin`"),
        (ForbiddenPart::ServiceAccount, pod("{serviceAccount: admin}"), "spec.serviceAccount is `admin`"),
        (ForbiddenPart::Secrets, container("envFrom: [{secretRef: {name: x}}]"), "spec.containers[0].envFrom[0].secretRef gives it what is in a Secret"),
        (ForbiddenPart::Secrets, container("env: [{name: x, valueFrom: {secretKeyRef: {name: x, key: y}}}]"), "spec.containers[0].env[0].valueFrom.secretKeyRef gives it what is in a Secret"),
        (ForbiddenPart::Secrets, pod("{volumes: [{name: a, secret: {secretName: x}}]}"), "spec.volumes[0].secret gives it what is in a Secret"),
        (ForbiddenPart::Secrets, pod("{volumes: [{name: a, projected: {sources: [{secret: {name: x}}]}}]}"), "spec.volumes[0].projected.sources[0].secret gives it what is in a Secret"),
        (ForbiddenPart::Secrets, pod("{volumes: [{name: a, csi: {driver: d, nodePublishSecretRef: {name: x}}}]}"), "spec.volumes[0].csi.nodePublishSecretRef gives it what is in a Secret"),
        (ForbiddenPart::Unlimited, container("resources: {limits: {cpu: 1}}"), "spec.containers[0] has no limit of memory"),
    ] {
        assert_eq!(breach(&ObjectCondition::Forbid(forbidden), &text).as_deref(), Some(why));
    }
    for (forbidden, text) in [
        (ForbiddenPart::LoadBalancer, service("{type: ClusterIP}")),
        (ForbiddenPart::NodePort, service("{ports: [{port: 1}]}")),
        (ForbiddenPart::ExternalIps, service("{externalIPs: []}")),
        (
            ForbiddenPart::OwnerReferences,
            owned("labels").replace("[{kind: x}]", "{a: b}"),
        ),
        (
            ForbiddenPart::ServiceAccountToken,
            pod("{automountServiceAccountToken: false}"),
        ),
        (
            ForbiddenPart::ServiceAccount,
            pod("{serviceAccountName: default}"),
        ),
        (
            ForbiddenPart::Secrets,
            pod("{imagePullSecrets: [{name: registry}]}"),
        ),
        (
            ForbiddenPart::Unlimited,
            container("resources: {limits: {cpu: 1, memory: 1Gi}}"),
        ),
    ] {
        assert_eq!(
            breach(&ObjectCondition::Forbid(forbidden), &text),
            None,
            "{text}"
        );
    }
}
