//! What is known of a command before it runs, and what its end then is: [`Forecast::end`].
//!
//! Comes in: what allows it, its shares of memory, and how its output is told. Goes out: what ran,
//! with what is told beside its output, or why that is no answer.

use super::{
    death,
    journal::Stopped,
    notes::Notes,
    outcome::Ran,
    pipeline::{Printed, Shares},
    shape::Shape,
};
use crate::{policy::Approved, refusal::Refusal};

/// What is known of a command before it runs.
pub(super) struct Forecast {
    notes: Notes,
    kept: usize,
    /// Whether a listener takes the output instead of the answer.
    is_streamed: bool,
}

impl Forecast {
    pub(super) fn of(approved: &Approved, shape: &Shape, is_streamed: bool) -> Self {
        let kept = shape.caps.kept;
        Self {
            notes: Notes::of(approved.invocation()).clamped(shape.asked, kept),
            kept,
            is_streamed,
        }
    }

    /// Returns what `ran` came to: `refusal` is why it was ended, `piped` what the tool printed into
    /// filters.
    ///
    /// # Errors
    /// Why it is no answer, with what ran.
    pub(super) fn end(
        self,
        mut ran: Ran,
        refusal: Option<Refusal>,
        piped: Option<Printed>,
        shares: &Shares,
    ) -> Result<Ran, Stopped> {
        let refusal = match refusal {
            Some(refusal) => self.notes.ends_by(refusal, &mut ran),
            None => death::of(&ran, shares, self.kept),
        };
        let printed = piped.unwrap_or(Printed {
            lines: ran.stdout.lines,
            bytes: ran.stdout.written,
        });
        let takes_a_line = piped.is_none() && !self.is_streamed;
        ran.told = self.notes.after(&ran, printed, takes_a_line);
        match refusal {
            None => Ok(ran),
            Some(refusal) => Err(Stopped {
                ran: Some(Box::new(ran)),
                refusal,
            }),
        }
    }
}
