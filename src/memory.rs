//! How much memory there is, how much of it is left, and how many tools at once fit into it.
//!
//! A tool may take all of its limit, so as many as run at once have to fit together: what the
//! kernel ends when memory runs out is otherwise anybody's call, or the server.

#![forbid(unsafe_code)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::mistake::SettingError;

/// What the server itself takes at most, with the requests' directories, in bytes.
const SERVER: u64 = 192 << 20;
/// As many tools at once as are started when nothing is said.
const BY_DEFAULT: u16 = 8;

/// Memory that may be used, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) bytes: u64,
    /// As in "`who` 4 GiB".
    pub(crate) who: &'static str,
}

impl Budget {
    /// What the host has, or less if a cgroup of this process says so. None where the kernel does
    /// not tell.
    pub(crate) fn of_this_host() -> Option<Self> {
        let host = of_host("MemTotal:");
        let cgroup = groups().into_iter().filter_map(|group| group.most()).min();
        let host = host.map(|bytes| Self {
            bytes,
            who: "this host has",
        });
        let cgroup = cgroup.map(|bytes| Self {
            bytes,
            who: "the control group of this process grants",
        });
        host.into_iter()
            .chain(cgroup)
            .min_by_key(|budget| budget.bytes)
    }

    /// Less what is for others.
    pub(crate) fn less(self, bytes: u64) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(bytes),
            ..self
        }
    }

    /// How many tools at once, each with at most `memory` bytes: as many as are wanted, or by
    /// default as many as fit.
    ///
    /// # Errors
    /// The setting that is too large, and what to do.
    pub(crate) fn places(self, wanted: Option<u16>, memory: u64) -> Result<u16, SettingError> {
        let fit = self.bytes.saturating_sub(SERVER) / memory;
        let needs = |tools: u64| {
            let needed = mebibytes(tools.saturating_mul(memory).saturating_add(SERVER));
            let each = mebibytes(memory);
            format!(
                "{tools} tools of {each} each, and the server, need {needed}, and {} {}",
                self.who,
                mebibytes(self.bytes)
            )
        };
        match wanted {
            Some(wanted) if u64::from(wanted) <= fit => Ok(wanted),
            _ if fit == 0 => {
                let problem = needs(1).replace("tools", "tool");
                Err(SettingError::new("limits.memory", None, problem)
                    .help("give a smaller one (at least 256MiB), or more memory"))
            }
            Some(wanted) => {
                let help = format!(
                    "give at most {fit}, or a smaller limits.memory, or, to promise more than there is, a larger limits.memory_budget"
                );
                Err(SettingError::new("limits.concurrency", None, needs(wanted.into())).help(help))
            }
            None => Ok(u16::try_from(fit).unwrap_or(BY_DEFAULT).min(BY_DEFAULT)),
        }
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

/// What a tool could take now without others being pushed out, in bytes; none where the kernel does
/// not tell.
pub(crate) fn available() -> Option<u64> {
    let left = groups()
        .into_iter()
        .filter_map(|group| Some(group.most()?.saturating_sub(group.taken()?)));
    of_host("MemAvailable:").into_iter().chain(left).min()
}

/// A line of `/proc/meminfo` (proc_meminfo(5)), in bytes.
fn of_host(key: &str) -> Option<u64> {
    field(&fs::read_to_string("/proc/meminfo").ok()?, key)
}

fn field(meminfo: &str, key: &str) -> Option<u64> {
    let rest = meminfo.lines().find_map(|line| line.strip_prefix(key))?;
    rest.trim()
        .strip_suffix(" kB")?
        .trim()
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

/// A control group that bounds this process.
struct Group {
    folder: PathBuf,
    /// Of version 1.
    is_old: bool,
}

/// This process's groups and those above them (cgroups(7)); both versions.
fn groups() -> Vec<Group> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    groups_of(&own, Path::new("/sys/fs/cgroup"))
}

fn groups_of(own: &str, mounted: &Path) -> Vec<Group> {
    let of_line = |line: &str| {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (
            fields.next(),
            fields.next().unwrap_or_default(),
            fields.next().unwrap_or_default(),
        );
        let (root, is_old) = match controllers {
            "" => (mounted.to_owned(), false),
            list if list.split(',').any(|controller| controller == "memory") => {
                (mounted.join("memory"), true)
            }
            _ => return Vec::new(),
        };
        // In a container the path may be the host's, and the group is what is mounted.
        let group = root.join(path.trim_start_matches('/'));
        let those = group
            .ancestors()
            .take_while(|group| group.starts_with(&root));
        those
            .map(|group| Group {
                folder: group.to_owned(),
                is_old,
            })
            .collect()
    };
    own.lines().flat_map(of_line).collect()
}

impl Group {
    /// Its limit. "max" is no number, and version 1 says a number beyond any host's.
    fn most(&self) -> Option<u64> {
        self.number(if self.is_old {
            "memory.limit_in_bytes"
        } else {
            "memory.max"
        })
    }

    /// What it has, less files that could be read again.
    fn taken(&self) -> Option<u64> {
        let all = self.number(if self.is_old {
            "memory.usage_in_bytes"
        } else {
            "memory.current"
        })?;
        let key = if self.is_old {
            "total_inactive_file "
        } else {
            "inactive_file "
        };
        let status = fs::read_to_string(self.folder.join("memory.stat")).ok()?;
        let files = status
            .lines()
            .find_map(|line| line.strip_prefix(key)?.parse::<u64>().ok())
            .unwrap_or_default();
        Some(all.saturating_sub(files))
    }

    fn number(&self, file: &str) -> Option<u64> {
        fs::read_to_string(self.folder.join(file))
            .ok()?
            .trim()
            .parse()
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn as_many_tools_run_as_fit() {
        let budget = Budget {
            bytes: 4 * GIB,
            who: "this host has",
        };
        assert_eq!(budget.places(None, GIB), Ok(3));
        assert_eq!(budget.places(Some(3), GIB), Ok(3));
        assert_eq!(
            Budget {
                bytes: 64 * GIB,
                ..budget
            }
            .places(None, GIB),
            Ok(8)
        );
        let told = budget.places(Some(4), GIB).unwrap_err().to_string();
        assert!(
            told.starts_with("limits.concurrency: 4 tools of 1024 MiB each, and the server, need 4288 MiB, and this host has 4096 MiB; give at most 3"),
            "{told}"
        );
        assert_eq!(
            Budget {
                bytes: GIB,
                ..budget
            }
            .places(None, GIB)
            .unwrap_err()
            .key,
            "limits.memory"
        );
    }

    #[test]
    fn the_least_limit_of_a_group_and_those_above_it_counts() {
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let of_cgroups = |own: &str| {
            groups_of(own, folder.path())
                .into_iter()
                .filter_map(|group| group.most())
                .min()
        };
        put("kube.slice/memory.max", "2147483648\n");
        put("kube.slice/pod/memory.max", "max\n");
        assert_eq!(of_cgroups("0::/kube.slice/pod\n"), Some(2 * GIB));
        assert_eq!(of_cgroups("0::/other\n"), None);
        put("memory/docker/memory.limit_in_bytes", "1073741824");
        put("memory/memory.limit_in_bytes", "9223372036854771712");
        assert_eq!(
            of_cgroups("5:cpu,cpuacct:/x\n4:memory:/docker\n"),
            Some(GIB)
        );
        put("kube.slice/memory.current", "1000000\n");
        put("kube.slice/memory.stat", "anon 5\ninactive_file 400000\n");
        assert_eq!(
            groups_of("0::/kube.slice\n", folder.path())[0].taken(),
            Some(600_000)
        );
        assert_eq!(
            field("MemFree: 1 kB\nMemTotal:       24500 kB\n", "MemTotal:"),
            Some(24500 * 1024)
        );
        assert!(available().is_some_and(|bytes| bytes > 1 << 20));
        assert!(Budget::of_this_host().is_some_and(|budget| budget.bytes > 64 << 20));
    }
}
