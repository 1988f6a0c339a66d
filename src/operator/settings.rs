//! The `[operator]` table of the settings.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

/// The table `[operator]`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OperatorTable {
    /// The socket, with which root sees and ends everybody's calls and locks principals. Without
    /// one there is no such door.
    socket: Option<PathBuf>,
}

impl OperatorTable {
    /// Returns the path of the socket, which stands beside the settings, in `folder`, unless it is
    /// absolute; none where the door is shut.
    pub fn socket(self, folder: &Path) -> Option<PathBuf> {
        self.socket.map(|socket| folder.join(socket))
    }
}
