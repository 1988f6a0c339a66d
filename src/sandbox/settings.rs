//! The `[sandbox]` table of the settings.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::layer::{Layer, Level, Levels};

/// What is wanted of the sandbox, and whom the server and its children become.
#[derive(Debug)]
pub struct SandboxSettings {
    /// What is wanted of each layer.
    pub levels: Levels,
    /// The user that a server becomes when it is started as root.
    pub server_user: u32,
    /// The first of the children's users then.
    pub first_child_user: u32,
}

/// The table `[sandbox]`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SandboxTable {
    /// The user that a server becomes which is started as root: 65532.
    server_user: u32,
    /// The first of the children's users then: 64000.
    first_child_user: u32,
    /// What is wanted of each layer of the confinement, where it is not the default.
    layers: BTreeMap<Layer, Level>,
}

impl Default for SandboxTable {
    fn default() -> Self {
        // Unprivileged, and below 65536: a container's user namespace often ends there.
        Self {
            server_user: 65532,
            first_child_user: 64000,
            layers: BTreeMap::new(),
        }
    }
}

impl SandboxTable {
    /// Reads the table; no value of it is wrong by itself.
    pub fn settings(self) -> SandboxSettings {
        SandboxSettings {
            levels: Levels::new(self.layers),
            server_user: self.server_user,
            first_child_user: self.first_child_user,
        }
    }
}
