//! The operator's `trace`: runs a program **unconfined** and reports its calls beyond a profile.
//!
//! May fork and run any program as the operator, with no layer of the sandbox. No server uses it:
//! only `cli/trace.rs` does, and nothing else of the sandbox imports it.
//!
//! Held by `tests/escape/trace.rs`.

mod beyond;
mod error;
mod files;
mod run;
mod target;
mod watch;

pub use beyond::{Beyond, BeyondFile, CallArguments, Unused};
pub use error::TraceError;
pub use run::{TraceReport, Tracing};
