//! The words of every report about confinement: which layer, at which level, in which state.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// One layer of a child's confinement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Layer {
    /// Its own session, default signals, no controlling terminal.
    Session,
    /// Limits on memory, processor time, descriptors and file sizes.
    Rlimits,
    /// A user and group of its own, when the server was started as root.
    User,
    /// Every capability set empty.
    Capabilities,
    /// It dies with the spawner.
    ParentDeath,
    /// No program that it starts gains privileges.
    NoNewPrivileges,
    /// Memory is writable or executable, never both.
    WriteXorExecute,
    /// Nothing is open but its three streams.
    Descriptors,
    /// Files: the tool, its own directory, nothing else; no writing anywhere.
    LandlockFs,
    /// TCP: no connection and no port of its own.
    LandlockNet,
    /// No signals and no abstract sockets out of the sandbox.
    LandlockScope,
    /// Connections are answered by the server, with a way to the pinned address or not at all.
    Egress,
    /// The system calls of its profile and no others.
    Seccomp,
}

impl Layer {
    /// All of them, in the order in which they are applied.
    pub const ALL: [Self; 13] = [
        Self::Session,
        Self::Rlimits,
        Self::User,
        Self::Capabilities,
        Self::ParentDeath,
        Self::NoNewPrivileges,
        Self::WriteXorExecute,
        Self::Descriptors,
        Self::LandlockFs,
        Self::LandlockNet,
        Self::LandlockScope,
        Self::Egress,
        Self::Seccomp,
    ];

    /// Its level where the operator has not said another: what only newer kernels have is taken
    /// where it is.
    pub fn default_level(self) -> Level {
        match self {
            Self::WriteXorExecute | Self::LandlockNet | Self::LandlockScope => Level::Prefer,
            _ => Level::Require,
        }
    }

    /// The layer's name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Rlimits => "rlimits",
            Self::User => "user",
            Self::Capabilities => "capabilities",
            Self::ParentDeath => "parent-death",
            Self::NoNewPrivileges => "no-new-privileges",
            Self::WriteXorExecute => "write-xor-execute",
            Self::Descriptors => "descriptors",
            Self::LandlockFs => "landlock-fs",
            Self::LandlockNet => "landlock-net",
            Self::LandlockScope => "landlock-scope",
            Self::Egress => "egress",
            Self::Seccomp => "seccomp",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the operator wants of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Without it no child runs.
    Require,
    /// It is taken where the kernel has it.
    Prefer,
    /// It is left out.
    Off,
}

/// The level of every layer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels(BTreeMap<Layer, Level>);

impl Levels {
    /// The defaults, but for these.
    pub fn new(changed: BTreeMap<Layer, Level>) -> Self {
        Self(changed)
    }

    /// The level of a layer.
    pub fn of(&self, layer: Layer) -> Level {
        self.0.get(&layer).copied().unwrap_or(layer.default_level())
    }

    /// Whether the layer is applied where it can be.
    pub(super) fn has(&self, layer: Layer) -> bool {
        self.of(layer) != Level::Off
    }

    /// The same, with one layer left out.
    #[must_use]
    pub fn without(mut self, layer: Layer) -> Self {
        self.0.insert(layer, Level::Off);
        self
    }

    /// The layers whose level is weaker than the default.
    pub fn weakened(&self) -> Vec<Layer> {
        let weaker = |layer: &Layer| {
            self.of(*layer) != layer.default_level() && self.of(*layer) != Level::Require
        };
        Layer::ALL.into_iter().filter(weaker).collect()
    }
}

/// What became of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerState {
    /// Applied and read back.
    Enforced,
    /// This kernel does not have it.
    Missing,
    /// There is nothing to apply: the server was not started as root.
    NotApplicable,
    /// The operator has left it out.
    Off,
}

impl LayerState {
    /// Whether a child runs without the layer although there is something to apply.
    pub fn is_weaker(self) -> bool {
        matches!(self, Self::Missing | Self::Off)
    }
}

/// A layer and its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LayerStatus {
    /// The layer.
    pub layer: Layer,
    /// Its state.
    pub state: LayerState,
}

/// What every child gets on a host whose Landlock has these states; whether its kernel has W^X is
/// told by the first child.
pub(super) fn states(
    levels: &Levels,
    has_own_users: bool,
    landlock: &[LayerStatus],
    without_write_execute: bool,
) -> Vec<LayerStatus> {
    let state = |layer| match layer {
        layer if !levels.has(layer) => LayerState::Off,
        Layer::User if !has_own_users => LayerState::NotApplicable,
        Layer::WriteXorExecute if without_write_execute => LayerState::Missing,
        layer => landlock
            .iter()
            .find(|status| status.layer == layer)
            .map_or(LayerState::Enforced, |status| status.state),
    };
    Layer::ALL
        .into_iter()
        .map(|layer| LayerStatus {
            layer,
            state: state(layer),
        })
        .collect()
}
