//! Who calls: wire credentials in, a [`Caller`] out. Nothing else makes one.
//!
//! Today there is one kind of caller, the anonymous one of a loopback listener or of stdio; a
//! public listener is refused at start (`config`). Tokens arrive with the identity work.

#![forbid(unsafe_code)]

use serde::Serialize;

/// The door a request came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Door {
    /// `POST /mcp`
    Mcp,
    /// `POST /tools/{tool}`
    Rest,
    /// `kube-airlock stdio`
    Stdio,
}

impl Door {
    /// The door's name in audit records and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mcp => "mcp",
            Self::Rest => "rest",
            Self::Stdio => "stdio",
        }
    }
}

/// An identified caller and the door it stands at.
#[derive(Clone, Debug)]
pub struct Caller {
    principal: String,
    groups: Vec<String>,
    door: Door,
}

impl Caller {
    /// The caller of a listener that asks for no credentials.
    pub fn anonymous(door: Door) -> Self {
        Self { principal: "anonymous".into(), groups: Vec::new(), door }
    }

    /// The name that audit records and limits use.
    pub fn principal(&self) -> &str {
        &self.principal
    }

    /// The groups that policies may name.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// The door the request came through.
    pub fn door(&self) -> Door {
        self.door
    }
}
