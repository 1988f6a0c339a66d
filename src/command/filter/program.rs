//! The programs that filters are, by the names of their files.

use serde::{Deserialize, Serialize};

/// The programs that filters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilterProgram {
    /// grep, head, tail, sort, uniq, wc, cut, tr, sed and awk.
    Busybox,
    /// `column -t`.
    Column,
    /// jq.
    Gojq,
    /// yq.
    Yq,
}

impl FilterProgram {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Busybox, Self::Column, Self::Gojq, Self::Yq];

    /// The name of its file, in the folder `filters` beside the tools.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Busybox => "busybox",
            Self::Column => "column",
            Self::Gojq => "gojq",
            Self::Yq => "yq",
        }
    }

    /// Whether its runtime is Go's, which has threads.
    pub fn is_go(self) -> bool {
        match self {
            Self::Gojq | Self::Yq => true,
            Self::Busybox | Self::Column => false,
        }
    }
}
