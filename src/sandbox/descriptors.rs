//! The descriptors of a start, each by its role.
//!
//! Comes in: the roles that the server names, and the descriptors that came along. Goes out: a
//! [`Given`], which has what the program and its profile need, and nothing else. May not guess: a
//! role that is missing, named twice or not for this child refuses the start.

use std::{fs::File, os::fd::OwnedFd};

use nix::errno::Errno;

use super::{
    cleaning::GivenWorkspace,
    failure::{StartFailure, StartStep},
    layer::Layer,
    message::{Program, Role, Start},
    profile::Profile,
};

/// All descriptors of a start.
pub(super) struct Given {
    pub(super) report: File,
    pub(super) of_child: OfChild,
    /// A tool's.
    pub(super) workspace: Option<GivenWorkspace>,
}

/// The descriptors that a child has or uses itself.
pub(super) struct OfChild {
    /// Standard input, output and error.
    pub(super) streams: [OwnedFd; 3],
    /// A tool that is started before its request reads the request here.
    pub(super) request: Option<OwnedFd>,
    /// The child sends the listener of its notifications here.
    pub(super) notifications: Option<OwnedFd>,
}

impl Given {
    /// Gives each descriptor of a start to its role.
    ///
    /// # Errors
    /// `EBADF` when the roles are not exactly those of this program and profile.
    pub(super) fn sort(
        start: &Start,
        profile: &Profile,
        descriptors: Vec<OwnedFd>,
    ) -> Result<Self, StartFailure> {
        let mut named = ByRole::new(&start.descriptors, descriptors)?;
        let (stdin, workspace) = match start.program {
            Program::Tool(_) => {
                let workspace = GivenWorkspace {
                    directory: named.take(Role::Directory)?,
                    kubeconfig: named.take(Role::Kubeconfig)?,
                    home: named.take(Role::Home)?,
                    scratch: profile
                        .helper
                        .then(|| named.take(Role::Scratch))
                        .transpose()?,
                    files: named.take_if_there(Role::Files),
                };
                let stdin = named.take_if_there(Role::Stdin).map_or_else(null, Ok)?;
                (stdin, Some(workspace))
            }
            Program::Filter(_) => (named.take(Role::Stdin)?, None),
        };
        let request = if start.profile.can_be_warm() {
            named.take_if_there(Role::Request)
        } else {
            None
        };
        let notifications = profile
            .notifying
            .is_some()
            .then(|| named.take(Role::Notifications))
            .transpose()?;
        let given = Self {
            report: named.take(Role::Report)?.into(),
            of_child: OfChild {
                streams: [stdin, named.take(Role::Stdout)?, named.take(Role::Stderr)?],
                request,
                notifications,
            },
            workspace,
        };
        named.end()?;
        Ok(given)
    }
}

/// Opens nothing for a child. Of its own: what one child does to a shared one the next would find.
fn null() -> Result<OwnedFd, StartFailure> {
    let opened = File::open("/dev/null").map(OwnedFd::from);
    opened.map_err(StartFailure::at(Layer::Descriptors, StartStep::OpenNull))
}

/// Descriptors with their roles, of which none stands twice.
struct ByRole(Vec<(Role, OwnedFd)>);

impl ByRole {
    fn new(roles: &[Role], descriptors: Vec<OwnedFd>) -> Result<Self, StartFailure> {
        let is_twice = |(at, role)| roles.iter().take(at).any(|other| other == role);
        if roles.len() != descriptors.len() || roles.iter().enumerate().any(is_twice) {
            return Err(refused());
        }
        Ok(Self(roles.iter().copied().zip(descriptors).collect()))
    }

    fn take(&mut self, role: Role) -> Result<OwnedFd, StartFailure> {
        self.take_if_there(role).ok_or_else(refused)
    }

    fn take_if_there(&mut self, role: Role) -> Option<OwnedFd> {
        let at = self.0.iter().position(|(known, _)| *known == role)?;
        Some(self.0.swap_remove(at).1)
    }

    /// Refuses roles that nothing has taken.
    fn end(self) -> Result<(), StartFailure> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(refused())
        }
    }
}

fn refused() -> StartFailure {
    StartFailure::new(
        Layer::Descriptors,
        StartStep::ReceiveDescriptors,
        Errno::EBADF,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        command::FilterProgram,
        sandbox::{
            message::Limits,
            profile::{ProfileName, Profiles},
        },
        tool::Tool,
    };

    const TOOL: [Role; 6] = [
        Role::Report,
        Role::Stdout,
        Role::Stderr,
        Role::Directory,
        Role::Kubeconfig,
        Role::Home,
    ];

    fn sorted(
        program: Program,
        profile: ProfileName,
        roles: &[Role],
    ) -> Result<Given, StartFailure> {
        let start = Start {
            child: 1,
            program,
            argv: Vec::new(),
            environment: Vec::new(),
            limits: Limits {
                memory_bytes: 0,
                cpu_seconds: 0,
            },
            profile,
            slot: 0,
            descriptors: roles.to_vec(),
        };
        let profiles = Profiles::load().unwrap();
        let descriptors = roles.iter().map(|_| null().unwrap()).collect();
        Given::sort(&start, profiles.get(profile), descriptors)
    }

    /// Each child's roles: those that it must have, and those that it may.
    fn children() -> Vec<(Program, ProfileName, Vec<Role>, Vec<Role>)> {
        let tool = Program::Tool(Tool::ARGOCD);
        let filter = Program::Filter(FilterProgram::Busybox);
        let with = |more: &[Role]| [&TOOL, more].concat();
        let network = with(&[Role::Notifications]);
        let streams = vec![Role::Report, Role::Stdin, Role::Stdout, Role::Stderr];
        let may = vec![Role::Stdin, Role::Files, Role::Request];
        vec![
            (tool, ProfileName::Offline, TOOL.to_vec(), may.clone()),
            (tool, ProfileName::Plain, network, may),
            (
                tool,
                ProfileName::Diff,
                with(&[Role::Notifications, Role::Scratch]),
                vec![Role::Stdin, Role::Files],
            ),
            (filter, ProfileName::Filter, streams, Vec::new()),
        ]
    }

    #[test]
    fn a_child_gets_exactly_the_descriptors_of_its_program_and_profile() {
        let is_refused = |program, profile, roles: &[Role]| {
            sorted(program, profile, roles).map(drop) == Err(refused())
        };
        for (program, profile, must, may) in children() {
            assert!(sorted(program, profile, &must).is_ok(), "{profile:?}");
            let reversed: Vec<Role> = must.iter().copied().rev().collect();
            assert!(sorted(program, profile, &reversed).is_ok(), "{profile:?}");
            for role in Role::ALL {
                let without: Vec<Role> = must.iter().copied().filter(|r| *r != role).collect();
                let with = [must.as_slice(), &[role]].concat();
                let case = format!("{profile:?} {role:?}");
                if must.contains(&role) {
                    assert!(is_refused(program, profile, &without), "without {case}");
                    assert!(is_refused(program, profile, &with), "twice {case}");
                } else {
                    assert_eq!(
                        !is_refused(program, profile, &with),
                        may.contains(&role),
                        "with {case}"
                    );
                }
            }
        }
    }

    #[test]
    fn roles_without_descriptors_are_refused() {
        assert_eq!(
            ByRole::new(&[Role::Report], Vec::new()).map(drop),
            Err(refused())
        );
        assert_eq!(
            ByRole::new(&[], vec![null().unwrap()]).map(drop),
            Err(refused())
        );
    }

    #[test]
    fn a_tool_that_is_given_an_input_reads_that_one() {
        use std::os::fd::{AsFd, AsRawFd};
        let roles = [TOOL.as_slice(), &[Role::Stdin]].concat();
        let (reader, _writer) = nix::unistd::pipe().unwrap();
        let number = reader.as_fd().as_raw_fd();
        let mut descriptors: Vec<OwnedFd> = TOOL.iter().map(|_| null().unwrap()).collect();
        descriptors.push(reader);
        let mut named = ByRole::new(&roles, descriptors).unwrap();
        let stdin = named.take_if_there(Role::Stdin).unwrap();
        assert_eq!(stdin.as_raw_fd(), number);
    }
}
