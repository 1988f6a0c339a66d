//! Text -> one [`Invocation`] and the [`Filter`]s behind it -> the argv that each program gets.
//!
//! Pure. May not know policy. The caller's text ends here: what leaves is typed, and `argv()` is
//! rendered from the types alone (`docs/design.md`, invariant 1).

#![forbid(unsafe_code)]

mod adjustment;
mod error;
mod filter;
mod here_document;
mod invocation;
mod operand;
mod parse;
mod prefix;
mod raw;
mod redirection;
mod template;
mod typed;
mod recorded;
mod unresolved;
mod value;
mod words;

pub(crate) use crate::catalogue::resource::is_dns_label;
pub use adjustment::Adjustment;
pub use error::CommandError;
pub use filter::{Filter, FilterError, FilterProgram, filter_names};
pub use here_document::HereDocumentError;
pub use invocation::{Invocation, Namespaces, Never};
pub use operand::NamedObject;
pub use parse::{parse, parse_in, parse_unresolved};
pub use recorded::Recording;
pub use unresolved::Unresolved;
pub(crate) use value::typed_value;
pub use words::{CommandStages, MOST_FILTERS, WordsError, split, split_stages};
