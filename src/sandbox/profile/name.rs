//! The names of the profiles, and what a name alone says of its children.

use serde::{Deserialize, Serialize};

use crate::command::FilterProgram;

/// The name of a profile. Every command has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileName {
    /// Contacts nobody.
    Offline,
    /// Talks to the API server that it is pinned to.
    Plain,
    /// Talks to itself as well, through ports on loopback.
    ListenerInet,
    /// The same, and asks which addresses this host has.
    ListenerNetlink,
    /// Talks to itself as well, through a socket file.
    ListenerUnix,
    /// Talks to its server, and has a helper compare files that it writes.
    Diff,
    /// Reads its standard input and prints.
    Filter,
    /// The same, with Go's threads.
    FilterGo,
}

impl ProfileName {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Offline,
        Self::Plain,
        Self::ListenerInet,
        Self::ListenerNetlink,
        Self::ListenerUnix,
        Self::Diff,
        Self::Filter,
        Self::FilterGo,
    ];

    /// The profile of a filter's program.
    pub(in crate::sandbox) fn of_filter(program: FilterProgram) -> Self {
        if program.is_go() {
            Self::FilterGo
        } else {
            Self::Filter
        }
    }

    /// Whether its children ask a proxy about their server even where Go would dial it by itself:
    /// what else they dial are their own ports.
    pub fn asks_proxy_always(self) -> bool {
        match self {
            Self::ListenerInet | Self::ListenerNetlink => true,
            Self::Offline
            | Self::Plain
            | Self::ListenerUnix
            | Self::Diff
            | Self::Filter
            | Self::FilterGo => false,
        }
    }

    /// Whether a tool may be started under it before there is a request. What writes has its bound
    /// on room from its start on, and filters start in no time.
    pub fn can_be_warm(self) -> bool {
        match self {
            Self::Offline
            | Self::Plain
            | Self::ListenerInet
            | Self::ListenerNetlink
            | Self::ListenerUnix => true,
            Self::Diff | Self::Filter | Self::FilterGo => false,
        }
    }

    /// The name in reports and of the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Plain => "plain",
            Self::ListenerInet => "listener-inet",
            Self::ListenerNetlink => "listener-netlink",
            Self::ListenerUnix => "listener-unix",
            Self::Diff => "diff",
            Self::Filter => "filter",
            Self::FilterGo => "filter-go",
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Offline => include_str!("../../../policy/sandbox/offline.toml"),
            Self::Plain => include_str!("../../../policy/sandbox/plain.toml"),
            Self::ListenerInet => include_str!("../../../policy/sandbox/listener-inet.toml"),
            Self::ListenerNetlink => include_str!("../../../policy/sandbox/listener-netlink.toml"),
            Self::ListenerUnix => include_str!("../../../policy/sandbox/listener-unix.toml"),
            Self::Diff => include_str!("../../../policy/sandbox/diff.toml"),
            Self::Filter => include_str!("../../../policy/sandbox/filter.toml"),
            Self::FilterGo => include_str!("../../../policy/sandbox/filter-go.toml"),
        }
    }
}
