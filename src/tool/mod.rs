//! The four tools, by name.
//!
//! Pure; knows no request, no policy and no catalogue.

#![forbid(unsafe_code)]

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// One of the four tools.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Tool {
    /// `argocd`
    Argocd,
    /// `helm`
    Helm,
    /// `istioctl`
    Istioctl,
    /// `kubectl`
    Kubectl,
}

impl Tool {
    /// All tools, in the order in which they are listed to people.
    pub const ALL: [Self; 4] = [Self::Kubectl, Self::Helm, Self::Istioctl, Self::Argocd];

    /// The tool's name: its argv[0], its route and its MCP tool name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Argocd => "argocd",
            Self::Helm => "helm",
            Self::Istioctl => "istioctl",
            Self::Kubectl => "kubectl",
        }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Tool {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|tool| tool.as_str() == name)
            .ok_or(())
    }
}
