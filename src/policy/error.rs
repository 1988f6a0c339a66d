//! Why a policy does not load: a [`PolicyError`] for each mistake in its files.

use std::fmt;

pub(super) use crate::mistake::position;
pub use crate::mistake::{Mistake as PolicyError, TextFile as PolicyFile};

/// Everything that is wrong in the files of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyErrors(pub Vec<PolicyError>);

impl fmt::Display for PolicyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, error) in self.0.iter().enumerate() {
            let line_break = if place == 0 { "" } else { "\n" };
            write!(f, "{line_break}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PolicyErrors {}
