//! Operands, typed per verb: resources, names, charts, and the namespaces that some tools accept
//! inside of an operand (`web-0.team-a`, `team-a/web`).
//!
//! A tool's own file says what the operands of its verbs are ([`OperandGrammar`]); this reads them.
//! What a policy judges is what this finds; a verb without a grammar has plain words.
//!
//! [`OperandGrammar`]: crate::tool::OperandGrammar

mod chart;
mod custom;
mod named;
mod object;
mod qualified;
mod read;

pub use named::NamedObject;
pub(super) use named::{CustomName, Customs, Named};
pub(super) use read::OperandReader;
