//! The words of every report about confinement: which layer, at which level, in which state.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// Declares the layers once, so that none can be missing in the list that is applied.
macro_rules! layers {
    ($($(#[$doc:meta])* $layer:ident,)*) => {
        /// One layer of a child's confinement.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize,
            schemars::JsonSchema,
        )]
        #[serde(rename_all = "kebab-case")]
        #[repr(u8)]
        pub enum Layer { $($(#[$doc])* $layer,)* }

        impl Layer {
            /// All of them, in the order in which they are applied.
            pub const ALL: [Self; [$(stringify!($layer)),*].len()] = [$(Self::$layer,)*];
        }
    };
}

layers! {
    /// Its own session, default signals, no controlling terminal.
    Session,
    /// Limits on memory, processor time, descriptors and file sizes.
    Rlimits,
    /// A user and group of its own, when the server was started as root.
    User,
    /// No capability, in none of the sets that a program has one by; with a user of its own, the
    /// bounding set is empty as well.
    Capabilities,
    /// It dies with the spawner.
    ParentDeath,
    /// No program that it starts gains privileges.
    NoNewPrivileges,
    /// Memory is writable or executable, never both.
    WriteXorExecute,
    /// Connections are answered by the server, with a way to the pinned address or not at all.
    Egress,
    /// Nothing is open but its three streams, and what its profile names.
    Descriptors,
    /// Files: the tool, its own directory, nothing else; no writing anywhere.
    LandlockFs,
    /// TCP: no connection and no port of its own.
    LandlockNet,
    /// No signals and no abstract sockets out of the sandbox.
    LandlockScope,
    /// The system calls of its profile and no others.
    Seccomp,
}

impl Layer {
    /// Its level where the operator has not said another: what only newer kernels have is taken
    /// where it is.
    pub fn default_level(self) -> Level {
        match self {
            Self::WriteXorExecute | Self::LandlockNet | Self::LandlockScope => Level::Prefer,
            Self::Session
            | Self::Rlimits
            | Self::User
            | Self::Capabilities
            | Self::ParentDeath
            | Self::NoNewPrivileges
            | Self::Egress
            | Self::Descriptors
            | Self::LandlockFs
            | Self::Seccomp => Level::Require,
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
            Self::Egress => "egress",
            Self::Descriptors => "descriptors",
            Self::LandlockFs => "landlock-fs",
            Self::LandlockNet => "landlock-net",
            Self::LandlockScope => "landlock-scope",
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
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

/// The state of a layer in a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum LayerState {
    /// Applied, and read back where the kernel can tell.
    Enforced,
    /// Applied in part: this kernel does not have all of it.
    Partial,
    /// Not applied: this kernel does not have it.
    Missing,
    /// There is nothing to apply: the server was not started as root and has no users to give, or
    /// the profile has no network.
    NotApplicable,
    /// Left out by the operator.
    Off,
}

impl LayerState {
    /// All states.
    pub const ALL: [Self; 5] = [
        Self::Enforced,
        Self::Partial,
        Self::Missing,
        Self::NotApplicable,
        Self::Off,
    ];

    /// The state's name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforced => "enforced",
            Self::Partial => "partial",
            Self::Missing => "missing",
            Self::NotApplicable => "not-applicable",
            Self::Off => "off",
        }
    }

    /// Whether a child runs without the layer although there is something to apply.
    pub fn is_missing(self) -> bool {
        match self {
            Self::Missing | Self::Off => true,
            Self::Enforced | Self::Partial | Self::NotApplicable => false,
        }
    }
}

/// Where a layer's state is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatusSource {
    /// The settings and the kernel's version: no child has reported the layer yet.
    Expected,
    /// A child's own report.
    Reported,
}

/// A layer, its state, and where that is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct LayerStatus {
    pub layer: Layer,
    pub state: LayerState,
    pub source: StatusSource,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_layers_has_each_in_its_place() {
        for (place, layer) in Layer::ALL.into_iter().enumerate() {
            assert_eq!(layer as usize, place);
        }
    }
}
