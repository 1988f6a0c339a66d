//! The two sentences of a refusal, whichever room refuses: a reason, and what to do instead.
//!
//! Both start in lower case and end without a full stop, because doors put them into lines of their
//! own.

#![forbid(unsafe_code)]

/// A reason, and the way out of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    /// Names what is refused, and why.
    pub reason: String,
    /// Names what to do instead.
    pub hint: String,
}

impl Advice {
    /// Puts a reason and a hint together.
    pub fn new(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            hint: hint.into(),
        }
    }
}
