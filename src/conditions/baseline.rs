//! The level `baseline` of the Pod Security Standards, as of Kubernetes 1.37: what is known to let a pod
//! become its host.
//!
//! After k8s.io/pod-security-admission v0.37.2 policy/check_*.go, each check in its newest version. Beyond it stand
//! the annotations by which seccomp was switched off until 1.27, which older clusters still read.

use super::{
    field::{Breach, Field},
    pod::Pod,
};

/// Returns the first field that is beyond the level.
pub(super) fn check(pod: &Pod<'_>) -> Result<(), Breach> {
    for namespace in ["hostNetwork", "hostPID", "hostIPC"] {
        pod.spec.not_set(namespace)?;
    }
    for volume in pod.spec.items("volumes")? {
        if let Some(path) = volume.get("hostPath")? {
            return path.breach("is a path of the host");
        }
    }
    for sysctl in pod_context(pod)?.map_or(Ok(Vec::new()), |context| context.items("sysctls"))? {
        match sysctl.text("name")? {
            Some((name, field)) if !SYSCTLS.contains(&name) => return field.is(name),
            None => return sysctl.breach("has no name"),
            _ => {}
        }
    }
    for context in pod.contexts()? {
        check_context(&context)?;
    }
    for container in pod.containers()? {
        check_container(pod, &container)?;
    }
    annotations(pod)
}

fn pod_context<'o>(pod: &Pod<'o>) -> Result<Option<Field<'o>>, Breach> {
    pod.spec.get("securityContext")
}

/// What a pod's context and a container's have in common.
fn check_context(context: &Field<'_>) -> Result<(), Breach> {
    if let Some(options) = context.get("seLinuxOptions")? {
        options.one_of(
            "type",
            &[
                "",
                "container_t",
                "container_init_t",
                "container_kvm_t",
                "container_engine_t",
            ],
        )?;
        options.one_of("user", &[""])?;
        options.one_of("role", &[""])?;
    }
    if let Some(windows) = context.get("windowsOptions")? {
        windows.not_set("hostProcess")?;
    }
    for profile in ["seccompProfile", "appArmorProfile"] {
        if let Some(profile) = context.get(profile)? {
            profile.one_of("type", &PROFILES)?;
            // Without a type it is none that is accepted.
            if profile.get("type")?.is_none() {
                return profile.breach("has no type");
            }
        }
    }
    Ok(())
}

/// The profiles that confine.
pub(super) const PROFILES: [&str; 2] = ["RuntimeDefault", "Localhost"];

fn check_container(pod: &Pod<'_>, container: &Field<'_>) -> Result<(), Breach> {
    for port in container.items("ports")? {
        match port.integer("hostPort")? {
            Some((number, field)) if number != 0 => return field.breach("is a port of the host"),
            _ => {}
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        check_host(container.get(probe)?)?;
    }
    for hook in ["postStart", "preStop"] {
        check_host(container.at(&["lifecycle", hook])?)?;
    }
    let Some(context) = container.get("securityContext")? else {
        return Ok(());
    };
    context.not_set("privileged")?;
    if !pod.has_users_of_its_own()? {
        context.one_of("procMount", &["Default"])?;
    }
    for capability in added(&context)? {
        let name = capability.value.as_str().unwrap_or_default();
        if !CAPABILITIES.contains(&name) {
            return capability.is(name);
        }
    }
    Ok(())
}

/// The capabilities that a container adds.
pub(super) fn added<'o>(context: &Field<'o>) -> Result<Vec<Field<'o>>, Breach> {
    let capabilities = context.get("capabilities")?;
    capabilities.map_or(Ok(Vec::new()), |capabilities| capabilities.items("add"))
}

/// A request that the kubelet sends, from the host: to the pod alone.
fn check_host(handler: Option<Field<'_>>) -> Result<(), Breach> {
    let Some(handler) = handler else {
        return Ok(());
    };
    for kind in ["httpGet", "tcpSocket"] {
        if let Some(request) = handler.get(kind)? {
            request.one_of("host", &[""])?;
        }
    }
    Ok(())
}

fn annotations(pod: &Pod<'_>) -> Result<(), Breach> {
    let annotations = pod
        .metadata
        .as_ref()
        .map(|metadata| metadata.get("annotations"));
    let Some(annotations) = annotations.transpose()?.flatten() else {
        return Ok(());
    };
    for (key, annotation) in annotations.children() {
        let Some(value) = annotation.value.as_str() else {
            return annotation.breach("is not a text");
        };
        let is_local = value.starts_with("localhost/") || value == "runtime/default";
        let is_wrong = match key.split_once('/') {
            Some(("container.apparmor.security.beta.kubernetes.io", _)) => {
                !is_local && !value.is_empty()
            }
            Some(
                ("container.seccomp.security.alpha.kubernetes.io", _)
                | ("seccomp.security.alpha.kubernetes.io", "pod"),
            ) => !is_local && value != "docker/default",
            _ => false,
        };
        if is_wrong {
            return annotation.is(value);
        }
    }
    Ok(())
}

const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

const SYSCTLS: [&str; 14] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_notsent_lowat",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_slow_start_after_idle",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];
