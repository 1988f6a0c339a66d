//! What callers may do: a TOML file -> [`Policy`]; an [`Invocation`](crate::command::Invocation) ->
//! [`Decision`].
//!
//! Pure; may not start or read anything. Default deny; **deny > confirm > allow**, whatever the
//! order. A rule sees the parsed command, never its text. Only [`Policy::decide`] makes an
//! [`Approved`] and a [`Pending`].

#![forbid(unsafe_code)]

mod bounds;
mod builtin;
mod carried;
mod considered;
mod corpus;
mod decide;
mod details;
mod diff;
mod effect;
mod error;
mod explain;
mod facts;
mod file;
mod foot_guns;
mod include;
mod known;
mod lint;
mod load;
mod mismatch;
mod narrow;
mod objects;
mod offer;
mod overlap;
mod pattern;
mod resources;
mod rule;
mod rules;
mod suggest;
mod target;
mod test;
mod verdict;
mod wide;
mod window;

#[cfg(test)]
mod tests;

pub use bounds::{RuleBounds, RuleRate};
pub use builtin::{BUILTINS, Builtin, PREFIX as BUILTIN_PREFIX};
pub use carried::{ResolveKind, carried};
pub use considered::Considered;
pub use corpus::{Case, CaseSender, Corpus, CorpusError, cases, unescaped};
pub use decide::{Approved, Decision, Pending, Question};
pub use diff::{Change, PolicyDiff, UnreadLine};
pub use effect::{Effect, RuleId};
pub use error::{PolicyError, PolicyErrors, PolicyFile};
pub use explain::{Examined, Explained, Explainer};
pub use facts::Facts;
pub use file::schema;
pub use include::{PolicySource, ReadBeside};
pub use known::{Known, SettingsCluster};
pub use load::TestFailure;
pub use narrow::CallersBy;
pub use offer::Offer;
pub use rules::Policy;
pub use suggest::{SuggestError, SuggestedRule, Suggestion};
pub use target::Target;
pub use test::{NoExpectation, TestedCase};
pub use verdict::Denied;
