//! A command that may be started, and the tool that it is started with.
//!
//! Comes in: what a policy approved. A [`Run`] is taken by the start, so that one approval starts
//! one child; its doc test holds that.

use std::{borrow::Cow, os::fd::OwnedFd};

use super::profile::ProfileName;
use crate::{
    argocd::Variables, audit::Recorded, command::Invocation, policy::Approved, tool::Tool,
};

/// What may be started: what a policy approved, or the server's own question for a tool's version.
///
/// A start takes it, so one approval starts one child:
/// ```compile_fail,E0382
/// # use kube_airlock::{egress::Pinned, sandbox::{Limits, Run, Sandbox}, workspace::Workspace};
/// # async fn twice(
/// #     sandbox: Sandbox, run: Run, pinned: Pinned, places: [Workspace; 2], limits: Limits,
/// # ) {
/// let [first, second] = places;
/// let _ = sandbox.start(run, &pinned, first, limits).await;
/// let _ = sandbox.start(run, &pinned, second, limits).await;
/// # }
/// ```
#[must_use]
#[derive(Debug)]
pub enum Run {
    /// A caller's command, that it is recorded, and what its tool reads from its environment.
    Approved(Box<Approved>, Recorded, Option<Variables>),
    /// `TOOL version`, for the inventory.
    VersionProbe(Tool),
}

impl Run {
    pub(super) fn invocation(&self) -> Cow<'_, Invocation> {
        match self {
            Self::Approved(approved, ..) => Cow::Borrowed(approved.invocation()),
            Self::VersionProbe(tool) => Cow::Owned(Invocation::version_probe(*tool)),
        }
    }

    /// The profile that its child has.
    pub fn profile(&self) -> ProfileName {
        ProfileName::of(&self.invocation())
    }

    pub(super) fn variables(&self) -> Option<&Variables> {
        match self {
            Self::Approved(.., variables) => variables.as_ref(),
            Self::VersionProbe(_) => None,
        }
    }
}

/// A tool that is to be started, for a request or before there is one.
pub(super) struct ToolStart {
    pub(super) tool: Tool,
    pub(super) argv: Vec<String>,
    /// Variables besides those that every child of the tool has.
    pub(super) variables: Vec<String>,
    pub(super) profile: ProfileName,
    /// A tool that is started before its request reads the request here.
    pub(super) request: Option<OwnedFd>,
}
