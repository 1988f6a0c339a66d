//! The host that the doctor looks at: its kernel, its container, and what that has set already.

use std::{fs, path::Path};

use serde::Serialize;

use crate::sandbox::sys;

/// What the host is and has, for the report.
#[derive(Debug, Serialize)]
pub struct Host {
    /// `uname -r`.
    pub kernel: String,
    /// The newest Landlock ABI, 0 for none.
    pub landlock_abi: i64,
    /// The user of this process.
    pub user: u32,
    /// The container runtime, where one has left its mark.
    pub container: Option<&'static str>,
    /// This process's own seccomp mode: 0 none, 2 a filter such as a container's RuntimeDefault.
    pub seccomp: u32,
    /// Whether this process can gain privileges by exec.
    pub no_new_privileges: bool,
}

impl Host {
    /// Looks at the host.
    pub fn look() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let of = |key: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(key))
                .map(str::trim)
                .unwrap_or_default()
        };
        let exists = |path: &str| Path::new(path).exists();
        let container = [
            ("/.dockerenv", "docker"),
            ("/run/.containerenv", "podman"),
            ("/var/run/secrets/kubernetes.io", "kubernetes"),
            ("/proc/gvisor", "gvisor"),
        ];
        Self {
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
                .unwrap_or_default()
                .trim()
                .to_owned(),
            landlock_abi: sys::landlock_abi(),
            user: nix::unistd::geteuid().as_raw(),
            container: container
                .into_iter()
                .find(|(path, _)| exists(path))
                .map(|(_, name)| name),
            seccomp: of("Seccomp:").parse().unwrap_or(0),
            no_new_privileges: of("NoNewPrivs:") == "1",
        }
    }
}
