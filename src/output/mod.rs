//! A child's stream -> bounded, valid UTF-8 text without escapes.
//!
//! May not buffer without bound: what is over the cap is read and thrown away, so that the child
//! does not block, until a hard cap ends it.

#![forbid(unsafe_code)]

mod blocks;
mod brackets;
mod capture;
mod clean;
mod compact;
mod cut;
mod items;
mod kept;
mod live;
mod redact;
mod respelled;
mod sanitize;
mod slice;
mod stacks;
mod whole;

pub use capture::{Cap, Caps, Captured, capture};
pub use clean::clean;
pub use cut::Form;
pub use kept::{LeftOut, LineCount};
pub use live::{Event, Live, OutputStream};
pub use redact::Redactor;
pub use sanitize::{Sanitizer, Unshown};
pub use slice::{Slice, TextPart};
pub use whole::{Whole, WholeText};
