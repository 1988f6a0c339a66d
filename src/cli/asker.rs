//! Who asks, by flags: the same four for every command that judges commands.

use clap::Args;

use crate::policy::Target;

/// The sender of commands that do not name theirs.
#[derive(Args, Debug)]
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
}

impl Asker {
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
