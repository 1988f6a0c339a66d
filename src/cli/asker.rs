//! Who asks, where and when, by flags: the same five for every command that judges commands.

use std::time::SystemTime;

use clap::Args;

use crate::policy::Target;

/// The sender of commands that do not name theirs.
#[derive(Args, Clone, Debug)]
pub struct Asker {
    /// The name of who asks [default: anonymous, who is in no group]
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    /// A group of who asks; may be repeated
    #[arg(long, value_name = "NAME")]
    group: Vec<String>,
    /// A name of the cluster: its own, its host, or host:port; may be repeated
    #[arg(long, value_name = "NAME")]
    cluster: Vec<String>,
    /// The namespace of the kubeconfig's context: where a command looks that names none
    #[arg(long, value_name = "NAME", default_value = "default")]
    namespace: String,
    /// When: RFC 3339 in UTC, like 2026-11-30T09:00:00Z, or `now` [default: at no time that a rule
    /// with days or hours counts on: it allows nothing, and denies and asks]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<SystemTime>,
}

/// Reads the moment of `--at`.
fn moment(text: &str) -> Result<SystemTime, String> {
    match text {
        "now" => Ok(SystemTime::now()),
        _ => humantime::parse_rfc3339(text)
            .map_err(|error| format!("{error}; give 2026-11-30T09:00:00Z, or now")),
    }
}

impl Asker {
    /// Returns when, where that is said.
    pub fn at(&self) -> Option<SystemTime> {
        self.at
    }

    /// Returns who asks, and where.
    pub fn target(self) -> Target {
        let nobody = Target::default();
        Target {
            namespace: self.namespace,
            principal: self.principal.unwrap_or_else(|| nobody.principal.clone()),
            groups: self.group,
            ..nobody
        }
        .on(self.cluster)
    }
}
