//! How long a call may take: the request's own wish, under the server's and the rule's bounds.

use std::time::Duration;

use super::{parts::Bounds, request::Request};
use crate::{
    advice::Advice, excerpt::Excerpt, policy::Approved, refusal::Refusal, unit::go_duration,
};

/// A deadline that no rule has bounded yet.
#[derive(Clone, Copy)]
pub(super) enum Requested {
    /// The request names this one.
    ByCaller(Duration),
    /// The request names none; this is the server's.
    ByDefault(Duration),
}

impl Requested {
    /// Reads the request's deadline.
    ///
    /// # Errors
    /// [`Refusal::Request`] for what is no duration, or is zero or longer than the server accepts.
    pub(super) fn read(request: &Request, bounds: Bounds) -> Result<Self, Refusal> {
        let Some(text) = &request.timeout else {
            return Ok(Self::ByDefault(bounds.timeout));
        };
        let longest = bounds.longest_timeout;
        let problem = match go_duration(text) {
            Some(timeout) if !timeout.is_zero() && timeout <= longest => {
                return Ok(Self::ByCaller(timeout));
            }
            Some(_) => "out of range",
            None => "not a duration",
        };
        Err(Refusal::Request(Advice {
            reason: format!("the timeout {} is {problem}", Excerpt::new(text)),
            hint: format!(
                "give a duration like 30s, at most {}",
                humantime::format_duration(longest)
            ),
        }))
    }

    /// Returns the deadline under the bound of the rules that allow the command.
    ///
    /// # Errors
    /// [`Refusal::Request`] when the caller named a longer one, which is refused and not cut.
    pub(super) fn under(self, approved: &Approved) -> Result<Duration, Refusal> {
        let longest = approved.bounds().timeout.unwrap_or(Duration::MAX);
        match self {
            Self::ByCaller(timeout) if timeout > longest => Err(Refusal::Request(Advice {
                reason: format!(
                    "the timeout is longer than the rule {} allows",
                    approved.rule()
                ),
                hint: format!(
                    "give at most {}, or leave it out",
                    humantime::format_duration(longest)
                ),
            })),
            Self::ByCaller(timeout) | Self::ByDefault(timeout) => Ok(timeout.min(longest)),
        }
    }
}
