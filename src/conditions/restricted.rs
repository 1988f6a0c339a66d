//! The level `restricted` of the Pod Security Standards, as of Kubernetes 1.37: what `baseline` has, and
//! that a pod gives up what most do not need.
//!
//! After k8s.io/pod-security-admission v0.37.2, as in baseline.rs. Upstream puts some of its checks in the place of
//! `baseline`'s; both are asked here, which is the same for every pod that an API server accepts.

use super::{
    baseline::{self, PROFILES, added},
    field::{Breach, Field},
    pod::Pod,
};

/// Returns the first field that is beyond the level.
pub(super) fn check(pod: &Pod<'_>) -> Result<(), Breach> {
    baseline::check(pod)?;
    volumes(pod)?;
    for container in pod.containers()? {
        if let Some(context) = container.get("securityContext")? {
            context.one_of("procMount", &["Default"])?;
        }
    }
    users(pod)?;
    // Windows has none of these, and an API server refuses a pod for it that sets them.
    if pod.is_windows()? {
        return Ok(());
    }
    seccomp(pod)?;
    for container in pod.containers()? {
        let Some(context) = container.get("securityContext")? else {
            return container.breach("has no securityContext that drops all capabilities");
        };
        match context.flag("allowPrivilegeEscalation")? {
            Some((false, _)) => {}
            Some((true, field)) => return field.breach("is true"),
            None => return context.breach("does not set allowPrivilegeEscalation to false"),
        }
        capabilities(&context)?;
    }
    Ok(())
}

const VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

fn volumes(pod: &Pod<'_>) -> Result<(), Breach> {
    for volume in pod.spec.items("volumes")? {
        let mut is_known = false;
        for kind in VOLUMES {
            is_known |= volume.get(kind)?.is_some();
        }
        if !is_known {
            return volume.breach("is of a type that is not accepted");
        }
    }
    Ok(())
}

/// Neither root nor anybody who may be it, but where root is nobody outside.
fn users(pod: &Pod<'_>) -> Result<(), Breach> {
    if pod.has_users_of_its_own()? {
        return Ok(());
    }
    for context in pod.contexts()? {
        if let Some((0, field)) = context.integer("runAsUser")? {
            return field.breach("is root");
        }
    }
    let of_pod = pod.spec.get("securityContext")?;
    let non_root = |context: Option<&Field<'_>>| -> Result<Option<bool>, Breach> {
        let flag = context.map(|context| context.flag("runAsNonRoot"));
        match flag.transpose()?.flatten() {
            Some((false, field)) => field.breach("is false"),
            set => Ok(set.map(|(set, _)| set)),
        }
    };
    let by_pod = non_root(of_pod.as_ref())?.is_some();
    for container in pod.containers()? {
        let own = non_root(container.get("securityContext")?.as_ref())?;
        if own.is_none() && !by_pod {
            return container
                .breach("does not set securityContext.runAsNonRoot to true, nor does its pod");
        }
    }
    Ok(())
}

fn seccomp(pod: &Pod<'_>) -> Result<(), Breach> {
    let confines = |context: Option<Field<'_>>| -> Result<bool, Breach> {
        let profile = context.map(|context| context.get("seccompProfile"));
        let profile = profile.transpose()?.flatten();
        let kind = profile
            .map(|profile| profile.text("type"))
            .transpose()?
            .flatten();
        Ok(kind.is_some_and(|(kind, _)| PROFILES.contains(&kind)))
    };
    let by_pod = confines(pod.spec.get("securityContext")?)?;
    for container in pod.containers()? {
        if !confines(container.get("securityContext")?)? && !by_pod {
            return container.breach("does not set securityContext.seccompProfile.type to RuntimeDefault or Localhost, nor does its pod");
        }
    }
    Ok(())
}

fn capabilities(context: &Field<'_>) -> Result<(), Breach> {
    let dropped = context.get("capabilities")?;
    let dropped = dropped.map_or(Ok(Vec::new()), |all| all.items("drop"))?;
    if !dropped.iter().any(|one| one.value == "ALL") {
        return context.breach("does not drop ALL capabilities");
    }
    for capability in added(context)? {
        let name = capability.value.as_str().unwrap_or_default();
        if name != "NET_BIND_SERVICE" {
            return capability.is(name);
        }
    }
    Ok(())
}
