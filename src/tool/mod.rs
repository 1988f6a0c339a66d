//! The tools: one value for each, in a file of its own, and the list of them.
//!
//! Comes in: nothing. Goes out: a [`Tool`], whose [`ToolSpec`] says all that is peculiar to it: its
//! name, how its words are read, what its commands need, and how a policy sees them. Pure; knows no
//! request, no policy and nothing of the rooms that act on it. No other room distinguishes them.
//!
//! Held by `tests/rooms.rs` and by `tests/fifth_tool/`, where a tool is added from outside.

#![forbid(unsafe_code)]

mod argocd;
mod commands;
mod helm;
mod istioctl;
mod kubectl;
mod list;
mod misnomer;
mod operand;
mod spec;

pub use commands::{Commands, FlagIs, VerbIs};
pub use list::{ListIsClosed, Tool, UnknownTool};
pub use misnomer::{Misnomer, TerminalFlags};
pub use operand::{Applications, FlagNames, NamingFlag, OperandGrammar, ProjectGrammar, Reach};
pub use spec::{
    AccessKind, Cobra, DefaultNamespace, EarlyScan, Grammar, KnownFailure, LogCommand, Meaning,
    Need, NotYet, NotYetWhat, ProxyVariable, RawRequest, RuleLists, ToolSpec, Variable,
    VariableValue, VersionAnswer, VersionQuestion,
};
