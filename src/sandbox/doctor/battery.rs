//! Runs the probes: each in a child of its own, confined as the tools are, and as a control
//! unconfined.
//!
//! The child stops before it would become the tool, and makes its attempt instead. So no second
//! program is needed, and what is tried runs under exactly the layers that a tool gets. Needs a
//! process with one thread.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    net::TcpListener,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        linux::net::SocketAddrExt,
        unix::{
            fs::PermissionsExt,
            net::{SocketAddr, UnixListener, UnixStream},
        },
    },
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, FdFlag, OFlag, fcntl},
    sys::{
        prctl,
        resource::{Resource, setrlimit},
        signal::{Signal, kill},
        socket::{AddressFamily, SockFlag, SockType, socketpair},
        wait::waitpid,
    },
    unistd::{Pid, close, getpid, pause, pipe2},
};
use serde::Serialize;
use tempfile::TempDir;

use super::{
    attempt::in_child,
    host::Host,
    lent::Lent,
    probe::{Found, Probe, Scene},
    probes,
};
use crate::sandbox::{
    applied,
    child::{ChildFiles, Restrictions, WARM},
    error::SandboxError,
    layer::{Layer, LayerStatus, Levels},
    message::Limits,
    privilege::{ChildUser, Identity},
    profile::{Profile, ProfileName, Profiles},
    sys,
};
use crate::{kubeconfig::Kubeconfig, workspace::Workspaces};

/// How one probe went.
#[derive(Debug, Serialize)]
pub struct ProbeReport {
    /// What was tried.
    pub probe: String,
    /// What it belongs to.
    pub group: &'static str,
    /// The profile of the child.
    pub profile: ProfileName,
    /// Whether the child was confined before it had its request.
    pub warm: bool,
    /// What it must find; more than one where hosts differ.
    pub expected: Vec<Found>,
    /// What it found.
    pub found: Found,
    /// What it found unconfined, where it has a control.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unconfined: Option<Found>,
    /// Whether it found what it must, and its control succeeded.
    pub ok: bool,
}

/// What one layer stops when no other stands before it.
#[derive(Debug, Serialize)]
pub struct AloneReport {
    /// The layer.
    pub layer: Layer,
    /// The other layers that were off in both runs.
    pub without: Vec<Layer>,
    /// The probes that succeed once this layer is off too.
    pub stops: Vec<String>,
}

/// The probes and all that they need.
pub struct Battery {
    profiles: Profiles,
    scene: Scene,
    identity: Option<Identity>,
    limits: Limits,
    tool: File,
    own: Lent,
    // Held for as long as probes may look for them.
    _other: Lent,
    _open: TempDir,
    _tcp: TcpListener,
    _abstract: UnixListener,
    _leaked: OwnedFd,
    _sibling: Sibling,
}

/// A process of the children's user that sleeps.
struct Sibling(Pid);

impl Drop for Sibling {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGKILL);
        let _ = waitpid(self.0, None);
    }
}

impl Battery {
    /// Sets the scene. `identity` is the children's user, when this process is root.
    ///
    /// # Errors
    /// When a file, socket or process cannot be made, or a profile does not load.
    pub fn new(
        workspaces: &Workspaces,
        identity: Option<Identity>,
        limits: Limits,
    ) -> io::Result<Self> {
        let lent = || Lent::to(identity, workspaces.open(&Kubeconfig::nowhere(), None)?);
        let (own, other) = (lent()?, lent()?);
        let open = tempfile::Builder::new()
            .prefix("kube-airlock.probe.")
            .tempdir_in(workspaces.path())?;
        fs::set_permissions(open.path(), fs::Permissions::from_mode(0o777))?;
        let file = open.path().join("file");
        fs::write(&file, "x")?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666))?;
        let tcp = TcpListener::bind("127.0.0.1:0")?;
        let abstract_name = format!("kube-airlock.probe.{}", getpid());
        let listening = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&abstract_name)?)?;
        let leaked = OwnedFd::from(File::open("/dev/null")?);
        fcntl(&leaked, FcntlArg::F_SETFD(FdFlag::empty()))?;
        let sibling = sibling(identity)?;
        let tool = fs::canonicalize("/proc/self/exe")?;
        Ok(Self {
            profiles: Profiles::load().map_err(io::Error::other)?,
            scene: Scene {
                own: own.workspace.path().to_owned(),
                scratch: own.workspace.scratch().unwrap_or_default(),
                other: other.workspace.path().to_owned(),
                open: open.path().to_owned(),
                tcp_port: tcp.local_addr()?.port(),
                abstract_name,
                server: getpid().as_raw(),
                sibling: sibling.0.as_raw(),
                leaked: leaked.as_raw_fd(),
                tool: tool.clone(),
            },
            identity,
            limits,
            tool: File::open(tool)?,
            own,
            _other: other,
            _open: open,
            _tcp: tcp,
            _abstract: listening,
            _leaked: leaked,
            _sibling: sibling,
        })
    }

    /// Runs every probe of a profile under these layers, and those with a control unconfined too;
    /// and again in children that were confined before they had a request, where there are such.
    ///
    /// # Errors
    /// The layer that could not be applied.
    pub fn run(
        &self,
        levels: &Levels,
        profile: ProfileName,
    ) -> Result<Vec<ProbeReport>, SandboxError> {
        let mut reports = Vec::new();
        for probe in probes::all(profile, self.profiles.get(profile)) {
            let unconfined = if probe.succeeds {
                Some(self.unconfined(&probe)?)
            } else {
                None
            };
            for warm in [false, true]
                .into_iter()
                .filter(|warm| !warm || profile.can_be_warm())
            {
                let found = self.confined(levels, profile, &probe, warm)?;
                let ok = probe.expected.contains(&found)
                    && unconfined.is_none_or(|control| control == Found::Allowed);
                let (probe, group, expected) =
                    (probe.name.clone(), probe.group, probe.expected.clone());
                reports.push(ProbeReport {
                    probe,
                    group,
                    profile,
                    warm,
                    expected,
                    found,
                    unconfined,
                    ok,
                });
            }
        }
        Ok(reports)
    }

    /// For each layer: the probes that it alone keeps from succeeding.
    ///
    /// # Errors
    /// The layer that could not be applied.
    pub fn each_alone(&self, profile: ProfileName) -> Result<Vec<AloneReport>, SandboxError> {
        let mut reports = Vec::new();
        // What a pod has set on us already cannot be taken away to see what it stops.
        let inherited = Host::look().no_new_privileges;
        for (layer, without) in ALONE {
            if self.identity.is_none() && NEED_ROOT.contains(&layer)
                || inherited && layer == Layer::NoNewPrivileges
            {
                continue;
            }
            let stands = without
                .iter()
                .fold(Levels::default(), |levels, other| levels.without(*other));
            let falls = stands.clone().without(layer);
            let mut stops = Vec::new();
            for probe in probes::all(profile, self.profiles.get(profile)) {
                let stopped = self.confined(&stands, profile, &probe, false)? != Found::Allowed;
                if stopped && self.confined(&falls, profile, &probe, false)? == Found::Allowed {
                    stops.push(probe.name);
                }
            }
            reports.push(AloneReport {
                layer,
                without: without.to_vec(),
                stops,
            });
        }
        Ok(reports)
    }

    /// The control: as this process, else as the children's user, whose processes and files are its
    /// own.
    fn unconfined(&self, probe: &Probe) -> Result<Found, SandboxError> {
        self.own.reset(&self.scene)?;
        let found = match in_child(None, || (probe.attempt)(&self.scene))?.found {
            found @ (Found::Allowed | Found::Ended(0)) => found,
            found => match self.identity {
                Some(user) => {
                    let as_user = || {
                        user.assume().map_err(|_| Errno::ECANCELED)?;
                        (probe.attempt)(&self.scene)
                    };
                    in_child(None, as_user)?.found
                }
                None => found,
            },
        };
        // What became another program has succeeded.
        Ok(if found == Found::Ended(0) {
            Found::Allowed
        } else {
            found
        })
    }

    fn confined(
        &self,
        levels: &Levels,
        profile: ProfileName,
        probe: &Probe,
        warm: bool,
    ) -> Result<Found, SandboxError> {
        self.own.reset(&self.scene)?;
        let (mut restrictions, notified) = self.restrictions(levels, profile)?;
        let request = UnixStream::pair()?;
        if warm {
            restrictions.warm = Some(request.1.into());
        }
        let attempt = || {
            if warm {
                take_request(self.limits)?;
            }
            (probe.attempt)(&self.scene)
        };
        Ok(in_child(Some((restrictions, notified)), attempt)?.found)
    }

    fn restrictions(
        &self,
        levels: &Levels,
        profile: ProfileName,
    ) -> Result<(Restrictions, OwnedFd), SandboxError> {
        let opened = &self.own.descriptors;
        let Some(scratch) = &opened.scratch else {
            return Err(io::Error::from(io::ErrorKind::NotFound).into());
        };
        restrictions(
            levels,
            self.profiles.get(profile),
            &self.tool,
            [&opened.directory, scratch],
            self.limits,
            self.identity,
        )
    }

    /// The state of every layer, as a child on this host reports it; as it is expected where no
    /// child can be confined, which is what `run` fails with.
    pub fn layers(&self, levels: &Levels) -> Vec<LayerStatus> {
        let child = self
            .restrictions(levels, ProfileName::Plain)
            .and_then(|restrictions| in_child(Some(restrictions), || Ok(())));
        match child.ok().and_then(|child| child.applied) {
            Some(applied) => applied.statuses(),
            None => applied::expected(levels, ChildUser::among(self.identity)),
        }
    }
}

/// What a tool does with its request before it goes on (`tools/warm`).
fn take_request(limits: Limits) -> Result<(), Errno> {
    close(WARM)?;
    setrlimit(
        Resource::RLIMIT_DATA,
        limits.memory_bytes / 2,
        limits.memory_bytes / 2,
    )?;
    setrlimit(
        Resource::RLIMIT_CPU,
        limits.cpu_seconds / 2,
        limits.cpu_seconds / 2,
    )
}

/// Applies these layers once for every profile, in children that do nothing.
///
/// # Errors
/// The layer that could not be applied.
pub fn check_layers(
    profiles: &Profiles,
    levels: &Levels,
    identity: Option<Identity>,
    limits: Limits,
) -> Result<(), SandboxError> {
    let (tool, directory) = (File::open("/proc/self/exe")?, File::open("/")?);
    for profile in ProfileName::ALL {
        in_child(
            Some(restrictions(
                levels,
                profiles.get(profile),
                &tool,
                [&directory; 2],
                limits,
                identity,
            )?),
            || Ok(()),
        )?;
    }
    Ok(())
}

/// Restrictions of a child with these directories, its own and the scratch one, and where the
/// listener of its connections arrives. The program stands for its helper as well.
fn restrictions(
    levels: &Levels,
    profile: &Profile,
    tool: &File,
    [directory, scratch]: [&File; 2],
    limits: Limits,
    identity: Option<Identity>,
) -> Result<(Restrictions, OwnedFd), SandboxError> {
    let (ours, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .map_err(io::Error::from)?;
    let null = || File::open("/dev/null").map(OwnedFd::from);
    let helper = if profile.helper {
        Some((OwnedFd::from(tool.try_clone()?), scratch.as_fd()))
    } else {
        None
    };
    let files = ChildFiles {
        tool: tool.try_clone()?.into(),
        directory: Some(directory.as_fd()),
        helper,
    };
    let streams = [null()?, null()?, null()?];
    let restrictions = Restrictions::new(levels, profile, files, streams, limits, identity)?;
    let restrictions = Restrictions {
        supervisor: Some(theirs),
        ..restrictions
    };
    Ok((restrictions, ours))
}

/// The layers that only a spawner with root has.
const NEED_ROOT: [Layer; 2] = [Layer::User, Layer::Capabilities];

/// Each layer with those that stand before it: off in both runs, so that it is seen by itself.
const ALONE: [(Layer, &[Layer]); 13] = [
    (Layer::Session, &[Layer::Seccomp]),
    (Layer::Rlimits, &[]),
    (Layer::User, &[Layer::Seccomp]),
    (Layer::Capabilities, &[Layer::Seccomp, Layer::User]),
    (Layer::ParentDeath, &[Layer::Seccomp]),
    (
        Layer::NoNewPrivileges,
        &[
            Layer::Seccomp,
            Layer::Egress,
            Layer::LandlockFs,
            Layer::LandlockNet,
            Layer::LandlockScope,
        ],
    ),
    (Layer::WriteXorExecute, &[Layer::Seccomp]),
    (Layer::Descriptors, &[]),
    (Layer::LandlockFs, &[]),
    (Layer::LandlockNet, &[Layer::Seccomp, Layer::Egress]),
    (Layer::LandlockScope, &[Layer::Seccomp, Layer::Egress]),
    (Layer::Egress, &[Layer::LandlockNet]),
    (Layer::Seccomp, &[]),
];

fn sibling(identity: Option<Identity>) -> io::Result<Sibling> {
    let (ready, writer) = pipe2(OFlag::O_CLOEXEC)?;
    match sys::fork()? {
        sys::Forked::Parent(pid) => {
            drop(writer);
            let mut byte = [0];
            File::from(ready).read_exact(&mut byte)?;
            Ok(Sibling(pid))
        }
        sys::Forked::Child => {
            let _ = prctl::set_pdeathsig(Signal::SIGKILL);
            let ready = identity.is_none_or(|identity| identity.assume().is_ok());
            // Setting users undoes both; a child of ours that could be looked into is what is
            // wanted here.
            let _ = prctl::set_pdeathsig(Signal::SIGKILL);
            let _ = prctl::set_dumpable(true);
            if ready {
                let _ = File::from(writer).write_all(b"r");
            }
            loop {
                pause();
            }
        }
    }
}
