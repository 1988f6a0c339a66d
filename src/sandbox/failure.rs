//! Why a start failed: the part of it that failed, the call, and the call's error.
//!
//! A child reports its own failure as bytes, since it may not allocate; the spawner sends all of
//! them to the server as JSON. Text is made of them only where they are printed. Held by
//! `every_failure_survives_its_bytes` below.

use std::{fmt, io};

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::layer::Layer;

/// The part of a start that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartPart {
    /// A layer of the confinement.
    Layer(Layer),
    /// The program itself.
    Exec,
    /// The program that the tool may run besides itself.
    Helper,
}

impl StartPart {
    /// The part's name in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Layer(layer) => layer.as_str(),
            Self::Exec => "exec",
            Self::Helper => "helper",
        }
    }

    fn byte(self) -> u8 {
        match self {
            Self::Layer(layer) => layer as u8,
            Self::Exec => u8::MAX - 1,
            Self::Helper => u8::MAX,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        let layers = Layer::ALL.into_iter().map(Self::Layer);
        layers
            .chain([Self::Exec, Self::Helper])
            .find(|part| part.byte() == byte)
    }
}

impl From<Layer> for StartPart {
    fn from(layer: Layer) -> Self {
        Self::Layer(layer)
    }
}

impl fmt::Display for StartPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Declares the steps, each with the name of its call.
macro_rules! steps {
    ($($step:ident = $call:literal,)*) => {
        /// One call between a request and a program that runs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[repr(u8)]
        #[expect(missing_docs, reason = "the names say it")]
        pub enum StartStep { $($step,)* }

        impl StartStep {
            const ALL: &[Self] = &[$(Self::$step,)*];

            /// The name of the call.
            pub fn call(self) -> &'static str {
                match self { $(Self::$step => $call,)* }
            }
        }
    };
}

steps! {
    // The spawner's, before the fork.
    ReceiveDescriptors = "recvmsg",
    OpenNull = "open",
    CheckArguments = "argv",
    CheckSlot = "slot",
    OpenTool = "open",
    DuplicateTool = "dup",
    OpenHelper = "open",
    CreateRuleset = "landlock_create_ruleset",
    AddRule = "landlock_add_rule",
    CheckOwner = "fstat",
    ChangeOwner = "fchown",
    Fork = "fork",
    OpenPidfd = "pidfd_open",
    // The child's.
    SetSession = "setsid",
    ReadBackSession = "getsid",
    DefaultSignals = "sigaction",
    ReadBackSignals = "sigaction",
    EnterRoot = "chdir",
    SetLimits = "setrlimit",
    SetNiceness = "nice",
    DropBounding = "prctl(PR_CAPBSET_DROP)",
    SetGroups = "setgroups",
    SetGid = "setresgid",
    SetUid = "setresuid",
    ReadBackUser = "getresuid",
    DropCapabilities = "capset",
    ReadBackCapabilities = "capget",
    SetParentDeath = "prctl(PR_SET_PDEATHSIG)",
    ReadBackParentDeath = "prctl(PR_GET_PDEATHSIG)",
    ParentIsGone = "getppid",
    SetNoNewPrivileges = "prctl(PR_SET_NO_NEW_PRIVS)",
    ReadBackNoNewPrivileges = "prctl(PR_GET_NO_NEW_PRIVS)",
    DenyWriteExecute = "prctl(PR_SET_MDWE)",
    ReadBackWriteExecute = "prctl(PR_GET_MDWE)",
    InstallNotifyingFilter = "seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER)",
    SendListener = "sendmsg",
    CloseRange = "close_range",
    ReadBackDescriptors = "fcntl(F_GETFD)",
    RestrictSelf = "landlock_restrict_self",
    SetStreams = "dup2",
    PlaceDescriptor = "fcntl(F_DUPFD)",
    InstallFilter = "seccomp(SECCOMP_SET_MODE_FILTER)",
    ReadBackFilter = "prctl(PR_GET_SECCOMP)",
    ReportLayer = "report",
    Execute = "execveat",
}

/// A start that failed: nothing of the program has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartFailure {
    /// The part that failed.
    pub part: StartPart,
    /// The call that failed.
    pub step: StartStep,
    #[serde(with = "number")]
    errno: Errno,
}

impl StartFailure {
    /// The length of a failure as bytes.
    pub(super) const BYTES: usize = 6;

    pub(super) fn new(part: impl Into<StartPart>, step: StartStep, errno: Errno) -> Self {
        Self {
            part: part.into(),
            step,
            errno,
        }
    }

    /// Makes a failure of the error of a call, for `map_err`.
    pub(super) fn at<E: Into<io::Error>>(
        part: impl Into<StartPart>,
        step: StartStep,
    ) -> impl FnOnce(E) -> Self {
        move |error| Self::new(part, step, errno_of(&error.into()))
    }

    /// Whether the host granted no process.
    pub(super) fn is_for_want_of_processes(&self) -> bool {
        self.step == StartStep::Fork && self.errno == Errno::EAGAIN
    }

    /// The error of the call.
    pub fn source(&self) -> io::Error {
        self.errno.into()
    }

    pub(super) fn bytes(self) -> [u8; Self::BYTES] {
        let [a, b, c, d] = (self.errno as i32).to_ne_bytes();
        [self.part.byte(), self.step as u8, a, b, c, d]
    }

    /// Reads [`Self::bytes`]; `None` for other bytes.
    pub(super) fn from_bytes([part, step, errno @ ..]: [u8; Self::BYTES]) -> Option<Self> {
        let known = |known: &&StartStep| **known as u8 == step;
        Some(Self {
            part: StartPart::from_byte(part)?,
            step: *StartStep::ALL.iter().find(known)?,
            errno: Errno::from_raw(i32::from_ne_bytes(errno)),
        })
    }
}

impl fmt::Display for StartFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, step, .. } = self;
        write!(f, "{part}: {}: {}", step.call(), self.source())
    }
}

/// The errno of a failed call.
pub(super) fn errno_of(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

/// Writes an errno as its number.
mod number {
    use nix::errno::Errno;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        errno: &Errno,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_i32(*errno as i32)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Errno, D::Error> {
        i32::deserialize(deserializer).map(Errno::from_raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_survives_its_bytes() {
        let parts = Layer::ALL.into_iter().map(StartPart::Layer);
        for part in parts.chain([StartPart::Exec, StartPart::Helper]) {
            for &step in StartStep::ALL {
                let failure = StartFailure::new(part, step, Errno::EPERM);
                assert_eq!(StartFailure::from_bytes(failure.bytes()), Some(failure));
                let written = serde_json::to_vec(&failure).unwrap();
                assert_eq!(
                    serde_json::from_slice::<StartFailure>(&written).unwrap(),
                    failure
                );
            }
        }
        let failure = StartFailure::new(Layer::User, StartStep::SetUid, Errno::EPERM);
        let [_, _, errno @ ..] = failure.bytes();
        let with = |part: u8, step: u8| {
            let [a, b, c, d] = errno;
            StartFailure::from_bytes([part, step, a, b, c, d])
        };
        assert_eq!((with(100, 0), with(0, 200)), (None, None));
    }
}
