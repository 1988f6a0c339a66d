//! A child's stream -> bounded, valid UTF-8 text without escapes.
//!
//! May not buffer without bound: what is over the cap is read and thrown away, so that the child
//! does not block, until a hard cap ends it.

#![forbid(unsafe_code)]

mod capture;
mod clean;
mod live;
mod redact;
mod sanitize;

pub use capture::{Cap, Caps, Captured, capture};
pub use clean::clean;
pub use live::{Event, Live, OutputStream};
pub use redact::Redactor;
pub use sanitize::Sanitizer;
