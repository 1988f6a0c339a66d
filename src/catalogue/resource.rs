//! Resource tokens, as kubectl accepts them, to the one canonical name that policies use.
//!
//! `po`, `Pod`, `pods.v1.`, `PODS` are `pods`; `deploy.v1.apps` is `deployments.apps`. kubectl queries
//! the API server, which may answer anything (a custom resource can join a category named `pods`,
//! or have a version named like a group); this table queries no server, and a token that it does not hold
//! has no canonical name. What kubectl gets is the qualified name, `pods.v1.` or
//! `ingresses.v1.networking.k8s.io`, which it can read in one way only: categories hold no dot.
//!
//! Source: `kubectl api-resources` of Kubernetes 1.37; custom resources of Istio 1.31, the Gateway
//! API 1.4, Argo CD 3.6 and the metrics API.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::LazyLock,
};

/// One resource: its canonical name is `plural` for the core group and `plural.group` otherwise.
struct Resource {
    plural: &'static str,
    group: &'static str,
    /// A version that supported clusters serve.
    version: &'static str,
    kind: &'static str,
    short: &'static [&'static str],
    /// Custom resources are not in every cluster. A bare name that one of them alone has here is
    /// its own, and kubectl gets it with version and group, so that it means no other one there.
    custom: bool,
}

const fn built_in(
    plural: &'static str,
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    short: &'static [&'static str],
) -> Resource {
    Resource {
        plural,
        group,
        version,
        kind,
        short,
        custom: false,
    }
}

const fn custom(
    plural: &'static str,
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    short: &'static [&'static str],
) -> Resource {
    Resource {
        plural,
        group,
        version,
        kind,
        short,
        custom: true,
    }
}

/// Core first: a bare name that two groups share (`events`) means the first row, as in kubectl.
const RESOURCES: &[Resource] = &[
    built_in("bindings", "", "v1", "Binding", &[]),
    built_in("componentstatuses", "", "v1", "ComponentStatus", &["cs"]),
    built_in("configmaps", "", "v1", "ConfigMap", &["cm"]),
    built_in("endpoints", "", "v1", "Endpoints", &["ep"]),
    built_in("events", "", "v1", "Event", &["ev"]),
    built_in("limitranges", "", "v1", "LimitRange", &["limits"]),
    built_in("namespaces", "", "v1", "Namespace", &["ns"]),
    built_in("nodes", "", "v1", "Node", &["no"]),
    built_in(
        "persistentvolumeclaims",
        "",
        "v1",
        "PersistentVolumeClaim",
        &["pvc"],
    ),
    built_in("persistentvolumes", "", "v1", "PersistentVolume", &["pv"]),
    built_in("pods", "", "v1", "Pod", &["po"]),
    built_in("podtemplates", "", "v1", "PodTemplate", &[]),
    built_in(
        "replicationcontrollers",
        "",
        "v1",
        "ReplicationController",
        &["rc"],
    ),
    built_in("resourcequotas", "", "v1", "ResourceQuota", &["quota"]),
    built_in("secrets", "", "v1", "Secret", &[]),
    built_in("serviceaccounts", "", "v1", "ServiceAccount", &["sa"]),
    built_in("services", "", "v1", "Service", &["svc"]),
    built_in(
        "mutatingadmissionpolicies",
        "admissionregistration.k8s.io",
        "v1beta1",
        "MutatingAdmissionPolicy",
        &[],
    ),
    built_in(
        "mutatingadmissionpolicybindings",
        "admissionregistration.k8s.io",
        "v1beta1",
        "MutatingAdmissionPolicyBinding",
        &[],
    ),
    built_in(
        "mutatingwebhookconfigurations",
        "admissionregistration.k8s.io",
        "v1",
        "MutatingWebhookConfiguration",
        &[],
    ),
    built_in(
        "validatingadmissionpolicies",
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingAdmissionPolicy",
        &[],
    ),
    built_in(
        "validatingadmissionpolicybindings",
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingAdmissionPolicyBinding",
        &[],
    ),
    built_in(
        "validatingwebhookconfigurations",
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingWebhookConfiguration",
        &[],
    ),
    built_in(
        "customresourcedefinitions",
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        &["crd", "crds"],
    ),
    built_in(
        "apiservices",
        "apiregistration.k8s.io",
        "v1",
        "APIService",
        &[],
    ),
    built_in(
        "controllerrevisions",
        "apps",
        "v1",
        "ControllerRevision",
        &[],
    ),
    built_in("daemonsets", "apps", "v1", "DaemonSet", &["ds"]),
    built_in("deployments", "apps", "v1", "Deployment", &["deploy"]),
    built_in("replicasets", "apps", "v1", "ReplicaSet", &["rs"]),
    built_in("statefulsets", "apps", "v1", "StatefulSet", &["sts"]),
    built_in(
        "horizontalpodautoscalers",
        "autoscaling",
        "v2",
        "HorizontalPodAutoscaler",
        &["hpa"],
    ),
    built_in("cronjobs", "batch", "v1", "CronJob", &["cj"]),
    built_in("jobs", "batch", "v1", "Job", &[]),
    built_in(
        "certificatesigningrequests",
        "certificates.k8s.io",
        "v1",
        "CertificateSigningRequest",
        &["csr"],
    ),
    built_in("leases", "coordination.k8s.io", "v1", "Lease", &[]),
    built_in(
        "endpointslices",
        "discovery.k8s.io",
        "v1",
        "EndpointSlice",
        &[],
    ),
    built_in("events", "events.k8s.io", "v1", "Event", &[]),
    built_in(
        "flowschemas",
        "flowcontrol.apiserver.k8s.io",
        "v1",
        "FlowSchema",
        &[],
    ),
    built_in(
        "prioritylevelconfigurations",
        "flowcontrol.apiserver.k8s.io",
        "v1",
        "PriorityLevelConfiguration",
        &[],
    ),
    built_in(
        "ingressclasses",
        "networking.k8s.io",
        "v1",
        "IngressClass",
        &[],
    ),
    built_in("ingresses", "networking.k8s.io", "v1", "Ingress", &["ing"]),
    built_in(
        "ipaddresses",
        "networking.k8s.io",
        "v1",
        "IPAddress",
        &["ip"],
    ),
    built_in(
        "networkpolicies",
        "networking.k8s.io",
        "v1",
        "NetworkPolicy",
        &["netpol"],
    ),
    built_in(
        "servicecidrs",
        "networking.k8s.io",
        "v1",
        "ServiceCIDR",
        &[],
    ),
    built_in("runtimeclasses", "node.k8s.io", "v1", "RuntimeClass", &[]),
    built_in(
        "poddisruptionbudgets",
        "policy",
        "v1",
        "PodDisruptionBudget",
        &["pdb"],
    ),
    built_in(
        "clusterrolebindings",
        "rbac.authorization.k8s.io",
        "v1",
        "ClusterRoleBinding",
        &[],
    ),
    built_in(
        "clusterroles",
        "rbac.authorization.k8s.io",
        "v1",
        "ClusterRole",
        &[],
    ),
    built_in(
        "rolebindings",
        "rbac.authorization.k8s.io",
        "v1",
        "RoleBinding",
        &[],
    ),
    built_in("roles", "rbac.authorization.k8s.io", "v1", "Role", &[]),
    built_in("deviceclasses", "resource.k8s.io", "v1", "DeviceClass", &[]),
    built_in(
        "resourceclaims",
        "resource.k8s.io",
        "v1",
        "ResourceClaim",
        &[],
    ),
    built_in(
        "resourceclaimtemplates",
        "resource.k8s.io",
        "v1",
        "ResourceClaimTemplate",
        &[],
    ),
    built_in(
        "resourceslices",
        "resource.k8s.io",
        "v1",
        "ResourceSlice",
        &[],
    ),
    built_in(
        "priorityclasses",
        "scheduling.k8s.io",
        "v1",
        "PriorityClass",
        &["pc"],
    ),
    built_in("csidrivers", "storage.k8s.io", "v1", "CSIDriver", &[]),
    built_in("csinodes", "storage.k8s.io", "v1", "CSINode", &[]),
    built_in(
        "csistoragecapacities",
        "storage.k8s.io",
        "v1",
        "CSIStorageCapacity",
        &[],
    ),
    built_in(
        "storageclasses",
        "storage.k8s.io",
        "v1",
        "StorageClass",
        &["sc"],
    ),
    built_in(
        "volumeattachments",
        "storage.k8s.io",
        "v1",
        "VolumeAttachment",
        &[],
    ),
    built_in(
        "volumeattributesclasses",
        "storage.k8s.io",
        "v1",
        "VolumeAttributesClass",
        &["vac"],
    ),
    custom("nodes", "metrics.k8s.io", "v1beta1", "NodeMetrics", &[]),
    custom("pods", "metrics.k8s.io", "v1beta1", "PodMetrics", &[]),
    custom(
        "applications",
        "argoproj.io",
        "v1alpha1",
        "Application",
        &["app", "apps"],
    ),
    custom(
        "applicationsets",
        "argoproj.io",
        "v1alpha1",
        "ApplicationSet",
        &["appset", "appsets"],
    ),
    custom(
        "appprojects",
        "argoproj.io",
        "v1alpha1",
        "AppProject",
        &["appproj", "appprojs"],
    ),
    custom(
        "wasmplugins",
        "extensions.istio.io",
        "v1alpha1",
        "WasmPlugin",
        &[],
    ),
    custom(
        "destinationrules",
        "networking.istio.io",
        "v1beta1",
        "DestinationRule",
        &["dr"],
    ),
    custom(
        "envoyfilters",
        "networking.istio.io",
        "v1alpha3",
        "EnvoyFilter",
        &[],
    ),
    custom(
        "gateways",
        "networking.istio.io",
        "v1beta1",
        "Gateway",
        &["gw"],
    ),
    custom(
        "proxyconfigs",
        "networking.istio.io",
        "v1beta1",
        "ProxyConfig",
        &[],
    ),
    custom(
        "serviceentries",
        "networking.istio.io",
        "v1beta1",
        "ServiceEntry",
        &["se"],
    ),
    custom("sidecars", "networking.istio.io", "v1beta1", "Sidecar", &[]),
    custom(
        "virtualservices",
        "networking.istio.io",
        "v1beta1",
        "VirtualService",
        &["vs"],
    ),
    custom(
        "workloadentries",
        "networking.istio.io",
        "v1beta1",
        "WorkloadEntry",
        &["we"],
    ),
    custom(
        "workloadgroups",
        "networking.istio.io",
        "v1beta1",
        "WorkloadGroup",
        &["wg"],
    ),
    custom(
        "authorizationpolicies",
        "security.istio.io",
        "v1beta1",
        "AuthorizationPolicy",
        &["ap"],
    ),
    custom(
        "peerauthentications",
        "security.istio.io",
        "v1beta1",
        "PeerAuthentication",
        &["pa"],
    ),
    custom(
        "requestauthentications",
        "security.istio.io",
        "v1beta1",
        "RequestAuthentication",
        &["ra"],
    ),
    custom(
        "telemetries",
        "telemetry.istio.io",
        "v1alpha1",
        "Telemetry",
        &["telemetry"],
    ),
    custom(
        "backendtlspolicies",
        "gateway.networking.k8s.io",
        "v1",
        "BackendTLSPolicy",
        &["btlspolicy"],
    ),
    custom(
        "gatewayclasses",
        "gateway.networking.k8s.io",
        "v1",
        "GatewayClass",
        &["gc"],
    ),
    custom(
        "gateways",
        "gateway.networking.k8s.io",
        "v1",
        "Gateway",
        &["gtw"],
    ),
    custom(
        "grpcroutes",
        "gateway.networking.k8s.io",
        "v1",
        "GRPCRoute",
        &[],
    ),
    custom(
        "httproutes",
        "gateway.networking.k8s.io",
        "v1",
        "HTTPRoute",
        &[],
    ),
    custom(
        "referencegrants",
        "gateway.networking.k8s.io",
        "v1beta1",
        "ReferenceGrant",
        &["refgrant"],
    ),
];

impl Resource {
    fn canonical(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_owned()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    fn qualified(&self) -> String {
        format!("{}.{}.{}", self.plural, self.version, self.group)
    }

    /// The words that call it: its plural, its singular, which is its kind, and its short names.
    fn words(&self) -> BTreeSet<String> {
        let short = self.short.iter().copied().map(str::to_owned);
        short
            .chain([self.plural.to_owned(), self.kind.to_ascii_lowercase()])
            .collect()
    }
}

/// The table by its words, which every decision about a command looks up many times.
struct Index {
    by_canonical: HashMap<String, &'static Resource>,
    /// By what calls them, in ASCII lower case, and in the table's order.
    by_word: HashMap<String, Vec<&'static Resource>>,
    groups: HashSet<&'static str>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut by_word: HashMap<String, Vec<&'static Resource>> = HashMap::new();
    for resource in RESOURCES {
        for word in resource.words() {
            by_word.entry(word).or_default().push(resource);
        }
    }
    let canonical = |resource: &'static Resource| (resource.canonical(), resource);
    Index {
        by_canonical: RESOURCES.iter().map(canonical).collect(),
        by_word,
        groups: RESOURCES.iter().map(|resource| resource.group).collect(),
    }
});

/// The resources that a word (ASCII lower case) calls, in the table's order.
fn called(word: &str) -> impl Iterator<Item = &'static Resource> {
    INDEX.by_word.get(word).into_iter().flatten().copied()
}

/// The canonical name of one resource token, or `None` when the table does not hold it.
pub fn canonical(token: &str) -> Option<String> {
    find(token).map(Resource::canonical)
}

/// The canonical name of a token, and the name with version and group that kubectl gets for it:
/// `pods` and `pods.v1.`.
pub fn named(token: &str) -> Option<(String, String)> {
    find(token).map(|resource| (resource.canonical(), resource.qualified()))
}

/// The canonical name of the resource whose objects are of this kind, in the letters of a manifest.
pub fn of_kind(group: &str, kind: &str) -> Option<String> {
    let is_it = |resource: &&Resource| resource.group == group && resource.kind == kind;
    RESOURCES.iter().find(is_it).map(Resource::canonical)
}

/// The kinds of a group's resources.
pub fn kinds(group: &str) -> impl Iterator<Item = &'static str> {
    let of_group = move |resource: &&Resource| resource.group == group;
    RESOURCES
        .iter()
        .filter(of_group)
        .map(|resource| resource.kind)
}

/// The canonical names of the custom resources that a bare word may mean: two for `gateways`.
pub fn claimants(word: &str) -> Vec<String> {
    let word = word.to_ascii_lowercase();
    customs(&word).map(Resource::canonical).collect()
}

fn customs(word: &str) -> impl Iterator<Item = &'static Resource> {
    called(word).filter(|resource| resource.custom)
}

/// Every name of one resource in the table: canonical, singular and short ones.
pub fn names() -> impl Iterator<Item = &'static str> {
    RESOURCES
        .iter()
        .filter(|resource| !resource.custom)
        .flat_map(|resource| {
            [resource.plural]
                .into_iter()
                .chain(resource.short.iter().copied())
        })
}

/// The types that `all` stands for, as every API server has them (Kubernetes 1.37 pkg/registry,
/// `Categories`).
pub const ALL: [&str; 10] = [
    "pods",
    "replicationcontrollers",
    "services",
    "daemonsets.apps",
    "deployments.apps",
    "replicasets.apps",
    "statefulsets.apps",
    "horizontalpodautoscalers.autoscaling",
    "cronjobs.batch",
    "jobs.batch",
];

/// Case folds in ASCII only: kubectl folds Unicode, where U+212A KELVIN SIGN is a `k`.
fn find(token: &str) -> Option<&'static Resource> {
    let token = token.to_ascii_lowercase();
    let (name, rest) = token
        .split_once('.')
        .map_or((token.as_str(), None), |(name, rest)| (name, Some(rest)));
    match rest {
        None => called(name).find(|resource| !resource.custom).or_else(|| {
            let mut customs = customs(name);
            customs.next().filter(|_| customs.next().is_none())
        }),
        Some(rest) => {
            let group = rest
                .split_once('.')
                .filter(|(version, _)| is_version(version))
                .map_or(rest, |(_, group)| group);
            called(name).find(|resource| resource.group == group)
        }
    }
}

/// Kinds that live outside of namespaces, of the table's.
const CLUSTER_SCOPED: [&str; 31] = [
    "apiservices.apiregistration.k8s.io",
    "certificatesigningrequests.certificates.k8s.io",
    "clusterrolebindings.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io",
    "componentstatuses",
    "csidrivers.storage.k8s.io",
    "csinodes.storage.k8s.io",
    "customresourcedefinitions.apiextensions.k8s.io",
    "deviceclasses.resource.k8s.io",
    "flowschemas.flowcontrol.apiserver.k8s.io",
    "gatewayclasses.gateway.networking.k8s.io",
    "ingressclasses.networking.k8s.io",
    "ipaddresses.networking.k8s.io",
    "mutatingadmissionpolicies.admissionregistration.k8s.io",
    "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io",
    "namespaces",
    "nodes",
    "nodes.metrics.k8s.io",
    "persistentvolumes",
    "priorityclasses.scheduling.k8s.io",
    "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
    "resourceslices.resource.k8s.io",
    "runtimeclasses.node.k8s.io",
    "servicecidrs.networking.k8s.io",
    "storageclasses.storage.k8s.io",
    "validatingadmissionpolicies.admissionregistration.k8s.io",
    "validatingadmissionpolicybindings.admissionregistration.k8s.io",
    "validatingwebhookconfigurations.admissionregistration.k8s.io",
    "volumeattachments.storage.k8s.io",
    "volumeattributesclasses.storage.k8s.io",
];

/// Whether objects of this canonical name are known to live outside of namespaces.
pub fn is_cluster_scoped(canonical: &str) -> bool {
    CLUSTER_SCOPED.contains(&canonical)
}

/// Groups of more resources than the table has: several operators share the first, and the other has
/// experiments.
const OPEN_GROUPS: [&str; 2] = ["argoproj.io", "gateway.networking.k8s.io"];

/// Whether the table holds resources of this group, and all that are meant.
pub fn has_group(group: &str) -> bool {
    !OPEN_GROUPS.contains(&group) && INDEX.groups.contains(group)
}

/// Whether the API server itself has resources of this group: nobody else may add to it.
pub fn has_built_in_group(group: &str) -> bool {
    let is_of = |resource: &Resource| !resource.custom && resource.group == group;
    RESOURCES.iter().any(is_of)
}

/// Whether the table holds a resource that `token` may mean: what a cluster calls so as well is
/// not meant.
pub fn holds(token: &str) -> bool {
    let token = token.to_ascii_lowercase();
    find(&token).is_some() || customs(&token).next().is_some()
}

/// Whether objects of this canonical name are known to live in namespaces.
pub fn is_namespaced(canonical: &str) -> bool {
    is_canonical(canonical) && !is_cluster_scoped(canonical)
}

/// Whether `name` is a canonical name of the table.
pub fn is_canonical(name: &str) -> bool {
    INDEX.by_canonical.contains_key(name)
}

/// Every canonical name, in the table's order.
pub fn all() -> impl Iterator<Item = String> {
    RESOURCES.iter().map(Resource::canonical)
}

/// The other names of a resource of the table: its kind and its short names.
pub fn other_names(name: &str) -> Vec<&'static str> {
    let found = INDEX.by_canonical.get(name);
    found.map_or_else(Vec::new, |resource| {
        let short = resource.short.iter().copied();
        std::iter::once(resource.kind).chain(short).collect()
    })
}

/// `v1`, `v1beta2`: what kubectl takes for a version in `type.version.group`.
pub(crate) fn is_version(text: &str) -> bool {
    text.strip_prefix('v').is_some_and(|rest| {
        rest.starts_with(|first: char| first.is_ascii_digit())
            && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// RFC 1123: what a namespace may be called, and each part of a resource's name.
pub(crate) fn is_dns_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests;
