//! A condition that objects have to meet, and the field that breaks it.

use serde::Deserialize;

use super::{
    baseline,
    field::{Breach, Field},
    image,
    pod::{Pod, host_fields, pods},
    restricted,
};
use crate::{catalogue::resource, glob, manifest::ManifestObject};

/// A level of the Pod Security Standards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PodSecurity {
    /// No known way from the pod to its host.
    Baseline,
    /// What is good practice, too.
    Restricted,
}

/// What objects may not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ForbiddenPart {
    /// A Service with addresses from outside of the cluster.
    ExternalIps,
    /// A Service that is another name.
    ExternalName,
    /// Something that keeps an object from going away.
    Finalizers,
    /// A Service that a cloud makes reachable.
    LoadBalancer,
    /// A Service that every node makes reachable.
    NodePort,
    /// An owner with which it goes away.
    OwnerReferences,
    /// What is in a Secret, given to a pod. A pull secret is not: the node reads it.
    Secrets,
    /// A pod that runs as another ServiceAccount than its namespace's own.
    ServiceAccount,
    /// A token of a ServiceAccount: one that is mounted because nothing says otherwise, too.
    ServiceAccountToken,
    /// An image by a tag, which may become another one.
    Tags,
    /// A container without a limit of processor time and memory.
    Unlimited,
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectCondition {
    /// Nothing of this.
    Forbid(ForbiddenPart),
    /// Images that one of these globs covers, by their whole name.
    Images(Vec<String>),
    /// Pods within this level.
    PodSecurity(PodSecurity),
}

impl ObjectCondition {
    /// Returns the first field of the object that breaks it.
    pub fn breach(&self, object: &ManifestObject) -> Option<Breach> {
        self.check(object).err()
    }

    fn check(&self, object: &ManifestObject) -> Result<(), Breach> {
        match self {
            Self::Forbid(forbidden) => forbidden.check(object),
            Self::Images(allowed) => {
                for (image, field) in images(object)? {
                    if !allowed.iter().any(|glob| glob::matches(glob, &image)) {
                        return field.is(&image);
                    }
                }
                Ok(())
            }
            Self::PodSecurity(level) => {
                if !resource::has_built_in_group(object.group()) {
                    host_fields(&Field::of(object.value()))?;
                }
                let check = match level {
                    PodSecurity::Baseline => baseline::check,
                    PodSecurity::Restricted => restricted::check,
                };
                pods(object)?.iter().try_for_each(check)
            }
        }
    }
}

fn images(object: &ManifestObject) -> Result<Vec<(String, Field<'_>)>, Breach> {
    let mut found = Vec::new();
    for pod in pods(object)? {
        found.extend(image::images(&pod)?);
    }
    Ok(found)
}

impl ForbiddenPart {
    fn check(self, object: &ManifestObject) -> Result<(), Breach> {
        match self {
            Self::ExternalIps => of_service(object, |spec| {
                some(
                    spec.items("externalIPs")?.into_iter().next(),
                    "is an address from outside",
                )
            }),
            Self::ExternalName => of_service(object, |spec| not_of_type(spec, "ExternalName")),
            Self::LoadBalancer => of_service(object, |spec| not_of_type(spec, "LoadBalancer")),
            Self::NodePort => of_service(object, |spec| {
                for port in spec.items("ports")? {
                    if let Some((number, field)) = port.integer("nodePort")?
                        && number != 0
                    {
                        return field.breach("is a port of every node");
                    }
                }
                not_of_type(spec, "NodePort")
            }),
            Self::Finalizers => in_metadata(object, "finalizers", "keeps it from going away"),
            Self::OwnerReferences => in_metadata(object, "ownerReferences", "is its owner"),
            Self::Secrets => pods(object)?.iter().try_for_each(|pod| secrets(&pod.spec)),
            Self::ServiceAccount => {
                let of_pod = |pod: &Pod<'_>| {
                    let mut names = ["serviceAccountName", "serviceAccount"].into_iter();
                    names.try_for_each(|name| pod.spec.one_of(name, &["", "default"]))
                };
                pods(object)?.iter().try_for_each(of_pod)
            }
            Self::ServiceAccountToken => tokens(object),
            Self::Tags => {
                let mut images = images(object)?.into_iter();
                match images.find(|(image, _)| !image::has_digest(image)) {
                    Some((_, field)) => field.breach("names its image without a digest"),
                    None => Ok(()),
                }
            }
            Self::Unlimited => pods(object)?.iter().try_for_each(limits),
        }
    }
}

fn some(field: Option<Field<'_>>, what: &str) -> Result<(), Breach> {
    field.map_or(Ok(()), |field| field.breach(what))
}

fn of_service(
    object: &ManifestObject,
    check: impl Fn(&Field<'_>) -> Result<(), Breach>,
) -> Result<(), Breach> {
    if object.resource() != "services" {
        return Ok(());
    }
    match Field::of(object.value()).get("spec")? {
        Some(spec) => check(&spec),
        None => Ok(()),
    }
}

fn not_of_type(spec: &Field<'_>, kind: &str) -> Result<(), Breach> {
    match spec.text("type")? {
        Some((text, field)) if text == kind => field.is(text),
        _ => Ok(()),
    }
}

/// A list in the metadata of the object, and of the pods that are made from it.
fn in_metadata(object: &ManifestObject, key: &str, what: &str) -> Result<(), Breach> {
    let own = Field::of(object.value()).get("metadata")?;
    let pods = pods(object)?.into_iter().filter_map(|pod| pod.metadata);
    for metadata in own.into_iter().chain(pods) {
        some(metadata.items(key)?.into_iter().next(), what)?;
    }
    Ok(())
}

fn tokens(object: &ManifestObject) -> Result<(), Breach> {
    if object.resource() == "secrets" {
        let whole = Field::of(object.value());
        return not_of_type(&whole, "kubernetes.io/service-account-token");
    }
    for pod in pods(object)? {
        match pod.spec.flag("automountServiceAccountToken")? {
            Some((false, _)) => {}
            Some((true, field)) => return field.breach("is true"),
            None => {
                return pod
                    .spec
                    .breach("does not set automountServiceAccountToken to false");
            }
        }
        for volume in pod.spec.items("volumes")? {
            let projected = volume.get("projected")?;
            for source in projected.map_or(Ok(Vec::new()), |all| all.items("sources"))? {
                some(
                    source.get("serviceAccountToken")?,
                    "is a token of a ServiceAccount",
                )?;
            }
        }
    }
    Ok(())
}

/// Variables, files and drivers that get what is in a Secret: whatever in a pod names one.
fn secrets(field: &Field<'_>) -> Result<(), Breach> {
    for (key, child) in field.children() {
        match key {
            "secret" | "secretName" | "secretRef" | "secretKeyRef" => {
                return child.breach("gives it what is in a Secret");
            }
            key if key.ends_with("SecretRef") => {
                return child.breach("gives it what is in a Secret");
            }
            "imagePullSecrets" => {}
            _ => secrets(&child)?,
        }
    }
    Ok(())
}

fn limits(pod: &Pod<'_>) -> Result<(), Breach> {
    for list in ["initContainers", "containers"] {
        for container in pod.spec.items(list)? {
            for resource in ["cpu", "memory"] {
                if container.at(&["resources", "limits", resource])?.is_none() {
                    return container.breach(format!("has no limit of {resource}"));
                }
            }
        }
    }
    Ok(())
}
