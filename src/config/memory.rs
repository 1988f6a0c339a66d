//! How many tools at once fit into the memory that there is.
//!
//! A tool may take all of its limit, so as many as run at once have to fit together: what the kernel ends when memory
//! runs out is otherwise anybody's call, or the server.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What the server itself takes at most, with the requests' directories, in bytes.
const SERVER: u64 = 192 << 20;
/// As many tools at once as are started when nothing is said.
const BY_DEFAULT: u16 = 8;

/// Memory that may be used, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    pub(super) bytes: u64,
    /// As in "`who` 4 GiB".
    pub(super) who: &'static str,
}

impl Budget {
    /// What the host has, or less if a cgroup of this process says so. None where the kernel does not tell.
    pub(super) fn of_this_host() -> Option<Self> {
        let host = fs::read_to_string("/proc/meminfo").ok().as_deref().and_then(total);
        let cgroup = fs::read_to_string("/proc/self/cgroup").ok().as_deref().and_then(|own| of_cgroups(own, Path::new("/sys/fs/cgroup")));
        let host = host.map(|bytes| Self { bytes, who: "this host has" });
        let cgroup = cgroup.map(|bytes| Self { bytes, who: "the control group of this process grants" });
        host.into_iter().chain(cgroup).min_by_key(|budget| budget.bytes)
    }

    /// How many tools at once, each with at most `memory` bytes: as many as are wanted, or by default as many as fit.
    ///
    /// # Errors
    /// The key of the setting that asks for too much, and what to do.
    pub(super) fn places(self, wanted: Option<u16>, memory: u64) -> Result<u16, (&'static str, String)> {
        let fit = self.bytes.saturating_sub(SERVER) / memory;
        let told = |tools: u64| {
            let needed = mebibytes(tools.saturating_mul(memory).saturating_add(SERVER));
            let each = mebibytes(memory);
            format!("{tools} tools of {each} each, and the server, need {needed}, and {} {}", self.who, mebibytes(self.bytes))
        };
        match wanted {
            Some(wanted) if u64::from(wanted) <= fit => Ok(wanted),
            _ if fit == 0 => Err((
                "limits.memory",
                format!("{}; give a smaller one (at least 256MiB), or more memory", told(1).replace("tools", "tool")),
            )),
            Some(wanted) => Err((
                "limits.concurrency",
                format!(
                    "{}; give at most {fit}, or a smaller limits.memory, or, to promise more than there is, a larger limits.memory_budget",
                    told(wanted.into())
                ),
            )),
            None => Ok(u16::try_from(fit).unwrap_or(BY_DEFAULT).min(BY_DEFAULT)),
        }
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

/// `MemTotal` of `/proc/meminfo` (proc_meminfo(5)), in bytes.
fn total(meminfo: &str) -> Option<u64> {
    let rest = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    rest.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The least limit of a process's groups and those above them (cgroups(7)); both versions.
fn of_cgroups(own: &str, mounted: &Path) -> Option<u64> {
    let limits = own.lines().flat_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next(), fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        let (root, file) = match controllers {
            "" => (mounted.to_owned(), "memory.max"),
            list if list.split(',').any(|controller| controller == "memory") => (mounted.join("memory"), "memory.limit_in_bytes"),
            _ => return Vec::new(),
        };
        // In a container the path may be the host's, and the group is what is mounted.
        let group = root.join(path.trim_start_matches('/'));
        let above: Vec<PathBuf> = group.ancestors().take_while(|group| group.starts_with(&root)).map(|group| group.join(file)).collect();
        above
    });
    // "max" is no number, and version 1 says a number beyond any host's.
    limits.filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn as_many_tools_run_as_fit() {
        let budget = Budget { bytes: 4 * GIB, who: "this host has" };
        assert_eq!(budget.places(None, GIB), Ok(3));
        assert_eq!(budget.places(Some(3), GIB), Ok(3));
        assert_eq!(Budget { bytes: 64 * GIB, ..budget }.places(None, GIB), Ok(8));
        let (key, told) = budget.places(Some(4), GIB).unwrap_err();
        assert_eq!(key, "limits.concurrency");
        assert!(
            told.starts_with("4 tools of 1024 MiB each, and the server, need 4288 MiB, and this host has 4096 MiB; give at most 3"),
            "{told}"
        );
        assert_eq!(Budget { bytes: GIB, ..budget }.places(None, GIB).unwrap_err().0, "limits.memory");
    }

    #[test]
    fn the_least_limit_of_a_group_and_those_above_it_counts() {
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("kube.slice/memory.max", "2147483648\n");
        put("kube.slice/pod/memory.max", "max\n");
        assert_eq!(of_cgroups("0::/kube.slice/pod\n", folder.path()), Some(2 * GIB));
        assert_eq!(of_cgroups("0::/other\n", folder.path()), None);
        put("memory/docker/memory.limit_in_bytes", "1073741824");
        put("memory/memory.limit_in_bytes", "9223372036854771712");
        assert_eq!(of_cgroups("5:cpu,cpuacct:/x\n4:memory:/docker\n", folder.path()), Some(GIB));
        assert_eq!(total("MemFree: 1 kB\nMemTotal:       24500 kB\n"), Some(24500 * 1024));
        assert!(Budget::of_this_host().is_some_and(|budget| budget.bytes > 64 << 20));
    }
}
