//! A workspace for probes, and what their attempts have changed in it.

use std::{fs, io, os::unix::fs::PermissionsExt};

use nix::unistd::{fchown, geteuid};

use super::{
    attempt::in_child,
    probe::{Found, Scene},
};
use crate::{
    kubeconfig::Kubeconfig,
    sandbox::{error::SandboxError, failure::errno_of, privilege::Identity},
    workspace::{Workspace, WorkspaceDescriptors},
};

/// A workspace that belongs to the children's user until this is dropped.
///
/// Its descriptors are from before: root that may change owners, and no more (a service with five
/// capabilities), cannot look into what belongs to another.
pub(super) struct Lent {
    pub(super) workspace: Workspace,
    pub(super) descriptors: WorkspaceDescriptors,
    user: Option<Identity>,
}

impl Lent {
    pub(super) fn to(user: Option<Identity>, mut workspace: Workspace) -> io::Result<Self> {
        workspace.make_scratch()?;
        let lent = Self {
            descriptors: workspace.descriptors()?,
            workspace,
            user,
        };
        if let Some(user) = user {
            lent.give(user).map_err(|error| {
                let folder = lent.workspace.path().display();
                let user = user.uid();
                io::Error::other(format!(
                    "{folder} cannot be given to the user {user}: {error}"
                ))
            })?;
        }
        Ok(lent)
    }

    fn give(&self, to: Identity) -> io::Result<()> {
        let WorkspaceDescriptors {
            directory,
            kubeconfig,
            home,
            scratch,
            ..
        } = &self.descriptors;
        [
            Some(kubeconfig),
            Some(home),
            scratch.as_ref(),
            Some(directory),
        ]
        .into_iter()
        .flatten()
        .try_for_each(|entry| Ok(fchown(entry, Some(to.uid()), Some(to.gid()))?))
    }

    /// Puts back what an attempt that succeeded has changed. As who owns it.
    pub(super) fn reset(&self, scene: &Scene) -> Result<(), SandboxError> {
        let put_back = || {
            scene.reset();
            fs::set_permissions(self.workspace.path(), fs::Permissions::from_mode(0o700))?;
            let (kubeconfig, home) = (self.workspace.kubeconfig(), self.workspace.home());
            let _ = fs::remove_file(&kubeconfig); // it may be another one, and root's
            fs::write(&kubeconfig, Kubeconfig::nowhere().expose())?;
            fs::set_permissions(&kubeconfig, fs::Permissions::from_mode(0o600))?;
            if !home.exists() {
                fs::create_dir(&home)?;
            }
            Ok(())
        };
        let Some(user) = self.user else {
            return Ok(put_back()?);
        };
        self.give(user)?;
        let as_user = || {
            user.assume()
                .and_then(|()| put_back())
                .map_err(|error| errno_of(&error))
        };
        match in_child(None, as_user)?.found {
            Found::Allowed => Ok(()),
            found => Err(io::Error::other(format!(
                "what probes have changed in {} cannot be put back: {}",
                self.workspace.path().display(),
                found.text()
            ))
            .into()),
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.user.is_some() {
            let _ = self.give(Identity::new(geteuid().as_raw())); // or the next start sweeps it
        }
    }
}
