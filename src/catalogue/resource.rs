//! Resource tokens, as kubectl accepts them, to the one canonical name that policies use.
//!
//! `po`, `Pod`, `pods.v1.`, `PODS` are `pods`; `deploy.v1.apps` is `deployments.apps`. kubectl asks
//! the API server, which may answer anything (a category named like a pod can expand to secrets);
//! this table asks nobody, so a token that it does not hold has no canonical name.
//!
//! Source: `kubectl api-resources` of Kubernetes 1.37; custom resources of Istio 1.31, the Gateway
//! API 1.4, Argo CD 3.6 and the metrics API.

/// One resource: its canonical name is `plural` for the core group and `plural.group` otherwise.
struct Resource {
    plural: &'static str,
    group: &'static str,
    kind: &'static str,
    short: &'static [&'static str],
    /// Custom resources are not in every cluster, and their bare names may mean others there.
    custom: bool,
}

const fn built_in(plural: &'static str, group: &'static str, kind: &'static str, short: &'static [&'static str]) -> Resource {
    Resource { plural, group, kind, short, custom: false }
}

const fn custom(plural: &'static str, group: &'static str, kind: &'static str) -> Resource {
    Resource { plural, group, kind, short: &[], custom: true }
}

/// Core first: a bare name that two groups share (`events`) means the first row, as in kubectl.
const RESOURCES: &[Resource] = &[
    built_in("bindings", "", "Binding", &[]),
    built_in("componentstatuses", "", "ComponentStatus", &["cs"]),
    built_in("configmaps", "", "ConfigMap", &["cm"]),
    built_in("endpoints", "", "Endpoints", &["ep"]),
    built_in("events", "", "Event", &["ev"]),
    built_in("limitranges", "", "LimitRange", &["limits"]),
    built_in("namespaces", "", "Namespace", &["ns"]),
    built_in("nodes", "", "Node", &["no"]),
    built_in("persistentvolumeclaims", "", "PersistentVolumeClaim", &["pvc"]),
    built_in("persistentvolumes", "", "PersistentVolume", &["pv"]),
    built_in("pods", "", "Pod", &["po"]),
    built_in("podtemplates", "", "PodTemplate", &[]),
    built_in("replicationcontrollers", "", "ReplicationController", &["rc"]),
    built_in("resourcequotas", "", "ResourceQuota", &["quota"]),
    built_in("secrets", "", "Secret", &[]),
    built_in("serviceaccounts", "", "ServiceAccount", &["sa"]),
    built_in("services", "", "Service", &["svc"]),
    built_in("mutatingadmissionpolicies", "admissionregistration.k8s.io", "MutatingAdmissionPolicy", &[]),
    built_in("mutatingadmissionpolicybindings", "admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding", &[]),
    built_in("mutatingwebhookconfigurations", "admissionregistration.k8s.io", "MutatingWebhookConfiguration", &[]),
    built_in("validatingadmissionpolicies", "admissionregistration.k8s.io", "ValidatingAdmissionPolicy", &[]),
    built_in("validatingadmissionpolicybindings", "admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding", &[]),
    built_in("validatingwebhookconfigurations", "admissionregistration.k8s.io", "ValidatingWebhookConfiguration", &[]),
    built_in("customresourcedefinitions", "apiextensions.k8s.io", "CustomResourceDefinition", &["crd", "crds"]),
    built_in("apiservices", "apiregistration.k8s.io", "APIService", &[]),
    built_in("controllerrevisions", "apps", "ControllerRevision", &[]),
    built_in("daemonsets", "apps", "DaemonSet", &["ds"]),
    built_in("deployments", "apps", "Deployment", &["deploy"]),
    built_in("replicasets", "apps", "ReplicaSet", &["rs"]),
    built_in("statefulsets", "apps", "StatefulSet", &["sts"]),
    built_in("horizontalpodautoscalers", "autoscaling", "HorizontalPodAutoscaler", &["hpa"]),
    built_in("cronjobs", "batch", "CronJob", &["cj"]),
    built_in("jobs", "batch", "Job", &[]),
    built_in("certificatesigningrequests", "certificates.k8s.io", "CertificateSigningRequest", &["csr"]),
    built_in("leases", "coordination.k8s.io", "Lease", &[]),
    built_in("endpointslices", "discovery.k8s.io", "EndpointSlice", &[]),
    built_in("events", "events.k8s.io", "Event", &[]),
    built_in("flowschemas", "flowcontrol.apiserver.k8s.io", "FlowSchema", &[]),
    built_in("prioritylevelconfigurations", "flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration", &[]),
    built_in("ingressclasses", "networking.k8s.io", "IngressClass", &[]),
    built_in("ingresses", "networking.k8s.io", "Ingress", &["ing"]),
    built_in("ipaddresses", "networking.k8s.io", "IPAddress", &["ip"]),
    built_in("networkpolicies", "networking.k8s.io", "NetworkPolicy", &["netpol"]),
    built_in("servicecidrs", "networking.k8s.io", "ServiceCIDR", &[]),
    built_in("runtimeclasses", "node.k8s.io", "RuntimeClass", &[]),
    built_in("poddisruptionbudgets", "policy", "PodDisruptionBudget", &["pdb"]),
    built_in("clusterrolebindings", "rbac.authorization.k8s.io", "ClusterRoleBinding", &[]),
    built_in("clusterroles", "rbac.authorization.k8s.io", "ClusterRole", &[]),
    built_in("rolebindings", "rbac.authorization.k8s.io", "RoleBinding", &[]),
    built_in("roles", "rbac.authorization.k8s.io", "Role", &[]),
    built_in("deviceclasses", "resource.k8s.io", "DeviceClass", &[]),
    built_in("resourceclaims", "resource.k8s.io", "ResourceClaim", &[]),
    built_in("resourceclaimtemplates", "resource.k8s.io", "ResourceClaimTemplate", &[]),
    built_in("resourceslices", "resource.k8s.io", "ResourceSlice", &[]),
    built_in("priorityclasses", "scheduling.k8s.io", "PriorityClass", &["pc"]),
    built_in("csidrivers", "storage.k8s.io", "CSIDriver", &[]),
    built_in("csinodes", "storage.k8s.io", "CSINode", &[]),
    built_in("csistoragecapacities", "storage.k8s.io", "CSIStorageCapacity", &[]),
    built_in("storageclasses", "storage.k8s.io", "StorageClass", &["sc"]),
    built_in("volumeattachments", "storage.k8s.io", "VolumeAttachment", &[]),
    built_in("volumeattributesclasses", "storage.k8s.io", "VolumeAttributesClass", &["vac"]),
    custom("nodes", "metrics.k8s.io", "NodeMetrics"),
    custom("pods", "metrics.k8s.io", "PodMetrics"),
    custom("applications", "argoproj.io", "Application"),
    custom("applicationsets", "argoproj.io", "ApplicationSet"),
    custom("appprojects", "argoproj.io", "AppProject"),
    custom("wasmplugins", "extensions.istio.io", "WasmPlugin"),
    custom("destinationrules", "networking.istio.io", "DestinationRule"),
    custom("envoyfilters", "networking.istio.io", "EnvoyFilter"),
    custom("gateways", "networking.istio.io", "Gateway"),
    custom("proxyconfigs", "networking.istio.io", "ProxyConfig"),
    custom("serviceentries", "networking.istio.io", "ServiceEntry"),
    custom("sidecars", "networking.istio.io", "Sidecar"),
    custom("virtualservices", "networking.istio.io", "VirtualService"),
    custom("workloadentries", "networking.istio.io", "WorkloadEntry"),
    custom("workloadgroups", "networking.istio.io", "WorkloadGroup"),
    custom("authorizationpolicies", "security.istio.io", "AuthorizationPolicy"),
    custom("peerauthentications", "security.istio.io", "PeerAuthentication"),
    custom("requestauthentications", "security.istio.io", "RequestAuthentication"),
    custom("telemetries", "telemetry.istio.io", "Telemetry"),
    custom("backendtlspolicies", "gateway.networking.k8s.io", "BackendTLSPolicy"),
    custom("gatewayclasses", "gateway.networking.k8s.io", "GatewayClass"),
    custom("gateways", "gateway.networking.k8s.io", "Gateway"),
    custom("grpcroutes", "gateway.networking.k8s.io", "GRPCRoute"),
    custom("httproutes", "gateway.networking.k8s.io", "HTTPRoute"),
    custom("referencegrants", "gateway.networking.k8s.io", "ReferenceGrant"),
];

impl Resource {
    fn canonical(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// Whether `word` (ASCII lower case) is the plural, the singular, the kind or a short name.
    fn is_called(&self, word: &str) -> bool {
        self.plural == word || self.kind.eq_ignore_ascii_case(word) || self.short.contains(&word)
    }
}

/// The canonical name of one resource token, or `None` when the table does not hold it.
///
/// Case folds in ASCII only: kubectl folds Unicode, where U+212A KELVIN SIGN is a `k`.
pub fn canonical(token: &str) -> Option<String> {
    let token = token.to_ascii_lowercase();
    let (name, rest) = token.split_once('.').map_or((token.as_str(), None), |(name, rest)| (name, Some(rest)));
    let found = match rest {
        None => RESOURCES.iter().find(|resource| !resource.custom && resource.is_called(name)),
        Some(rest) => {
            let group = rest.split_once('.').filter(|(version, _)| is_version(version)).map_or(rest, |(_, group)| group);
            RESOURCES.iter().find(|resource| resource.group == group && resource.is_called(name))
        }
    };
    found.map(Resource::canonical)
}

/// Whether `name` is a canonical name of the table.
pub fn is_canonical(name: &str) -> bool {
    RESOURCES.iter().any(|resource| resource.canonical() == name)
}

/// Every canonical name, in the table's order.
pub fn all() -> impl Iterator<Item = String> {
    RESOURCES.iter().map(Resource::canonical)
}

/// `v1`, `v1beta2`: what kubectl takes for a version in `type.version.group`.
fn is_version(text: &str) -> bool {
    text.strip_prefix('v')
        .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()) && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_resource_has_one_canonical_name() {
        for (token, name) in [
            ("po", "pods"),
            ("Pod", "pods"),
            ("PODS", "pods"),
            ("pods.v1.", "pods"),
            ("pods.", "pods"),
            ("deploy", "deployments.apps"),
            ("deployments.v1.apps", "deployments.apps"),
            ("deployment.apps", "deployments.apps"),
            ("secrets.", "secrets"),
            ("SECRETS", "secrets"),
            ("Secret.v1.", "secrets"),
            ("ev", "events"),
            ("events.v1.events.k8s.io", "events.events.k8s.io"),
            ("hpa", "horizontalpodautoscalers.autoscaling"),
            ("virtualservices.networking.istio.io", "virtualservices.networking.istio.io"),
        ] {
            assert_eq!(canonical(token).as_deref(), Some(name), "{token}");
        }
    }

    #[test]
    fn a_token_that_the_table_does_not_hold_has_no_name() {
        for token in [
            "all",
            "sneaky",
            "virtualservices",
            "networ\u{212a}policies",
            "conf\u{130}gmaps",
            "pods.apps",
            "",
            ".",
            "secrets.v1.apps",
            "pods.v1",
        ] {
            assert_eq!(canonical(token), None, "{token}");
        }
    }
}
