//! [`Unresolved`]: a command whose resources only a cluster can tell.

use super::invocation::Invocation;
use crate::catalogue::{CustomResources, WordMeaning};

/// A command that names a resource that no table holds. It cannot run, and no policy decides about
/// it: it says what a policy has to be willing to allow before a cluster is asked.
#[derive(Debug)]
pub struct Unresolved {
    assumed: Invocation,
}

impl Unresolved {
    pub(super) fn of(assumed: Invocation) -> Option<Self> {
        (!assumed.assumed_resources().is_empty()).then_some(Self { assumed })
    }

    /// The command, in which the word stands for any custom resource.
    pub(crate) fn assumed(&self) -> &Invocation {
        &self.assumed
    }

    /// Whether a cluster's resources tell each of its words.
    pub fn is_answered_by(&self, cluster: &CustomResources) -> bool {
        let assumed = self.assumed.assumed_resources();
        assumed
            .into_iter()
            .all(|name| cluster.meaning(name) != WordMeaning::Nothing)
    }

    /// The command that asks the cluster what it has.
    pub fn question(&self) -> Invocation {
        Invocation::discovery()
    }
}
