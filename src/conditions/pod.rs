//! The pods in an object: of the kinds that the API server's own table has, where each embeds one; of
//! custom ones, wherever something looks like one.

use serde_json::Value;

use super::field::{Breach, Field};
use crate::{catalogue::resource, manifest::ManifestObject};

/// A pod, or what a controller makes pods from.
pub(super) struct Pod<'o> {
    pub(super) spec: Field<'o>,
    /// Its labels, annotations, owners and finalizers.
    pub(super) metadata: Option<Field<'o>>,
}

/// The lists of containers of a pod.
pub(super) const CONTAINERS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

impl<'o> Pod<'o> {
    /// Every container, of whatever sort.
    pub(super) fn containers(&self) -> Result<Vec<Field<'o>>, Breach> {
        let mut containers = Vec::new();
        for list in CONTAINERS {
            containers.extend(self.spec.items(list)?);
        }
        Ok(containers)
    }

    /// The security contexts of the pod and of its containers.
    pub(super) fn contexts(&self) -> Result<Vec<Field<'o>>, Breach> {
        let mut contexts: Vec<_> = self.spec.get("securityContext")?.into_iter().collect();
        for container in self.containers()? {
            contexts.extend(container.get("securityContext")?);
        }
        Ok(contexts)
    }

    /// Whether root in it is nobody outside of it.
    pub(super) fn has_users_of_its_own(&self) -> Result<bool, Breach> {
        Ok(matches!(self.spec.flag("hostUsers")?, Some((false, _))))
    }

    pub(super) fn is_windows(&self) -> Result<bool, Breach> {
        let os = self.spec.get("os")?;
        let name = os.map(|os| os.text("name")).transpose()?.flatten();
        Ok(matches!(name, Some(("windows", _))))
    }
}

/// The pods in an object.
///
/// # Errors
/// A field on the way to one that is of another type.
pub(super) fn pods(object: &ManifestObject) -> Result<Vec<Pod<'_>>, Breach> {
    let whole = Field::of(object.value());
    let path: &[&str] = match object.resource() {
        "pods" => &[],
        "podtemplates" => &["template"],
        "replicationcontrollers"
        | "replicasets.apps"
        | "deployments.apps"
        | "statefulsets.apps"
        | "daemonsets.apps"
        | "jobs.batch" => &["spec", "template"],
        "cronjobs.batch" => &["spec", "jobTemplate", "spec", "template"],
        // A revision holds a template, and a rollback makes pods from it.
        "controllerrevisions.apps" => return Ok(looking_like_pods(&whole)),
        _ if resource::has_built_in_group(object.group()) => return Ok(Vec::new()),
        _ => return Ok(looking_like_pods(&whole)),
    };
    let Some(template) = whole.at(path)? else {
        return Ok(Vec::new());
    };
    let pod = template.get("spec")?.map(|spec| -> Result<_, Breach> {
        Ok(Pod {
            spec,
            metadata: template.get("metadata")?,
        })
    });
    pod.into_iter().collect()
}

/// Every mapping in it with a list of containers.
fn looking_like_pods<'o>(whole: &Field<'o>) -> Vec<Pod<'o>> {
    let mut pods = Vec::new();
    look(whole, None, &mut pods);
    pods
}

fn look<'o>(field: &Field<'o>, metadata: Option<&Field<'o>>, pods: &mut Vec<Pod<'o>>) {
    let has_containers = CONTAINERS.iter().any(|list| {
        let list = field.value.get(list).and_then(Value::as_array);
        list.is_some_and(|list| list.iter().any(Value::is_object))
    });
    if has_containers {
        pods.push(Pod {
            spec: field.clone(),
            metadata: metadata.cloned(),
        });
    }
    let beside = field.value.is_object().then(|| field.get("metadata"));
    let beside = beside.and_then(Result::ok).flatten();
    for (key, child) in field.children() {
        look(&child, beside.as_ref().filter(|_| key == "spec"), pods);
    }
}

/// What a custom object says to be part of a host, outside of anything that looks like a pod: the operator
/// that reads it may put it into one.
pub(super) fn host_fields(field: &Field<'_>) -> Result<(), Breach> {
    for (key, child) in field.children() {
        match (key, child.value) {
            (
                "hostNetwork" | "hostPID" | "hostIPC" | "privileged" | "hostProcess",
                Value::Bool(true),
            ) => {
                return child.breach("is true");
            }
            ("hostPath", value) if value.is_object() => {
                return child.breach("is a path of the host");
            }
            _ => host_fields(&child)?,
        }
    }
    Ok(())
}
