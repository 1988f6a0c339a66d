//! Why the store refuses: [`StoreError`].

use std::time::Duration;

/// Why a caller has to wait, or has nothing here by that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the names and the messages say it")]
pub enum StoreError {
    #[error("all {running} places are taken and {waiting} calls are waiting")]
    Overloaded { running: usize, waiting: usize },
    #[error("{calls} of your calls run or wait already")]
    OverloadedByCaller { calls: usize },
    #[error("{calls} of your calls run, which is as many as may at once")]
    TooManyRunning { calls: usize },
    #[error("the operator has ended the call")]
    EndedByOperator,
    #[error("the operator has locked this principal")]
    Locked,
    #[error("the operator has removed this caller")]
    Removed,
    #[error("there are too many requests of this caller")]
    RateLimited { after: Duration },
    #[error("the records of this caller's requests are as long as they may be")]
    TooMuchRecorded { after: Duration },
    #[error("the rule that allows it allows so many calls only")]
    RateOfRule { after: Duration },
    #[error("no call of yours of that name is under way")]
    UnknownCall,
    #[error("no output of yours of that name is kept")]
    UnknownOutput,
}

impl StoreError {
    /// Says what to do instead, in one sentence.
    pub fn help(self) -> &'static str {
        match self {
            Self::Overloaded { .. } => "call again in a second",
            Self::OverloadedByCaller { .. } | Self::TooManyRunning { .. } => {
                "wait for one of them to end"
            }
            Self::EndedByOperator | Self::Locked | Self::Removed => {
                "ask the operator; to call again does not help"
            }
            Self::RateLimited { .. } | Self::RateOfRule { .. } | Self::TooMuchRecorded { .. } => {
                "wait as long as the header Retry-After says"
            }
            Self::UnknownCall => "GET /calls lists those that are",
            Self::UnknownOutput => {
                "outputs are kept for minutes; run the command again, narrower (-l, --field-selector, --tail, a filter)"
            }
        }
    }

    /// After how many seconds the same request may succeed.
    pub fn retry_after(self) -> Option<u64> {
        match self {
            Self::Overloaded { .. }
            | Self::OverloadedByCaller { .. }
            | Self::TooManyRunning { .. } => Some(1),
            Self::RateLimited { after }
            | Self::RateOfRule { after }
            | Self::TooMuchRecorded { after } => Some(after.as_secs() + 1),
            Self::EndedByOperator
            | Self::Locked
            | Self::Removed
            | Self::UnknownCall
            | Self::UnknownOutput => None,
        }
    }
}
