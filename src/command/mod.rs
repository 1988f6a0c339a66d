//! Text -> one [`Invocation`] -> the argv that the tool gets.
//!
//! Pure. May not know policy. The caller's text ends here: what leaves is typed, and `argv()` is
//! rendered from the types alone (design, invariant 1).

#![forbid(unsafe_code)]

mod duration;
mod error;
mod invocation;
mod operand;
mod parse;
mod words;

pub use duration::go_duration;
pub use error::CommandError;
pub use invocation::{ARGOCD_NAMESPACE, FlagValue, Invocation, Namespaces, Never};
pub use parse::parse;
pub(crate) use parse::{is_dns_label, typed_value};
pub use words::{WordsError, split};
