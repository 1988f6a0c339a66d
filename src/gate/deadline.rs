//! How long a call may take: the request's own wish, under the server's and the rule's bounds.
//!
//! A command that waits for as long as it says has that time, so that it tells itself what came of
//! it: ended from outside it tells nothing.

use std::time::Duration;

use super::{parts::Bounds, request::Request};
use crate::{
    advice::Advice, command::Invocation, excerpt::Excerpt, policy::Approved, refusal::Refusal,
    unit::go_duration,
};

/// A deadline that no rule has bounded yet.
#[derive(Clone, Copy)]
pub(super) enum Requested {
    /// The request names this one.
    ByCaller(Duration),
    /// The request names none; this is the server's.
    ByDefault {
        /// The server's.
        timeout: Duration,
        /// The longest that a call may take.
        longest: Duration,
    },
}

/// What a tool needs beside the time that it waits.
const BESIDE_WAITING: Duration = Duration::from_secs(5);

impl Requested {
    /// Reads the request's deadline.
    ///
    /// # Errors
    /// [`Refusal::Request`] for what is no duration, or is zero or longer than the server accepts.
    pub(super) fn read(request: &Request, bounds: Bounds) -> Result<Self, Refusal> {
        let longest = bounds.longest_timeout;
        let Some(text) = &request.timeout else {
            let timeout = bounds.timeout;
            return Ok(Self::ByDefault { timeout, longest });
        };
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
            Self::ByCaller(timeout) => Ok(timeout),
            Self::ByDefault {
                timeout,
                longest: of_server,
            } => {
                let waits = waits(approved.invocation()).map(|wait| wait + BESIDE_WAITING);
                let timeout = waits.map_or(timeout, |wait| wait.max(timeout).min(of_server));
                Ok(timeout.min(longest))
            }
        }
    }
}

/// How long the command says that it waits: all four tools call it `--timeout`, and argocd counts
/// seconds.
fn waits(invocation: &Invocation) -> Option<Duration> {
    let text = invocation.flag("timeout")?;
    let seconds = || text.parse().map(Duration::from_secs).ok();
    let wait = seconds().or_else(|| go_duration(text))?;
    (wait < LONGEST_WAIT).then_some(wait)
}

/// No server lets a call take as long.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);
