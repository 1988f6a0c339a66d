//! The operator's `trace`: runs a program **unconfined** and reports what it asks of the kernel
//! beyond a profile.
//!
//! May fork and run any program as the operator, with no layer of the sandbox. No server uses it:
//! only `cli/trace.rs` does, and nothing else of the sandbox imports it.

mod beyond;
mod run;

pub use beyond::{Arguments, Beyond, BeyondFile, Unused};
pub use run::{Trace, TraceError, Tracing};
