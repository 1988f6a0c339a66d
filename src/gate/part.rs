//! Answers with a part of an output that is kept: [`Gate::part`], and a command that asks for one.
//!
//! Comes in: who asks, and for what. Goes out: lines that this principal was shown or told of, in
//! the object of every answer. Starts nothing and reaches nobody; each part that is read is recorded
//! before it is given. Of another principal's output it is not said whether it exists.
//!
//! Held by `tests/service/kept.rs`.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::spawn_blocking;

use super::{
    Gate,
    outcome::{self, GivenPart, Outcome, Permitted},
    part_request::PartRequest,
};
use crate::{
    audit::{OutputRecord, Who},
    excerpt::Excerpt,
    identity::Caller,
    metrics,
    output::TextPart,
    refusal::Refusal,
    store::{KeptOutput, StoreError, TurnOrWait},
};

/// A search that takes longer says where it goes on.
const LONGEST_SEARCH: Duration = Duration::from_secs(1);

impl Gate {
    /// Answers with a part of an output of this caller's.
    pub async fn part(
        &self,
        caller: &Caller,
        asked: Result<PartRequest, Refusal>,
        client: Option<&Excerpt>,
    ) -> Outcome {
        let since = Instant::now();
        let given = match asked {
            Ok(asked) => self.given(caller, asked, client).await,
            Err(refusal) => Err(refusal),
        };
        let (part, refusal) = match given {
            Ok(part) => (Some(part), None),
            Err(refusal) => (None, Some(refusal)),
        };
        if let Some(refusal) = &refusal {
            metrics::refusal(refusal.code());
        }
        Outcome {
            took: since.elapsed(),
            part,
            refusal,
            ..Outcome::nothing(outcome::request_id())
        }
    }

    /// Answers whether an output could be read, and reads nothing.
    pub(super) fn explain_part(
        &self,
        caller: &Caller,
        asked: Result<PartRequest, Refusal>,
    ) -> Outcome {
        let since = Instant::now();
        let found = asked.and_then(|asked| self.kept(caller, &asked));
        let permitted = found.as_ref().ok().map(|_| Permitted {
            rule: None,
            notes: vec![
                "it may be read: it is kept of a call of the same caller's, and needs no rule"
                    .into(),
            ],
        });
        Outcome {
            took: since.elapsed(),
            permitted,
            refusal: found.err(),
            ..Outcome::nothing(outcome::request_id())
        }
    }

    fn kept(&self, caller: &Caller, asked: &PartRequest) -> Result<KeptOutput, Refusal> {
        let store = self.store();
        store.locks.pass(caller.principal())?;
        let found = store.kept.find(caller, &asked.id);
        Ok(found.ok_or(StoreError::UnknownOutput)?)
    }

    async fn given(
        &self,
        caller: &Caller,
        asked: PartRequest,
        client: Option<&Excerpt>,
    ) -> Result<GivenPart, Refusal> {
        let (store, bounds) = (self.store(), self.bounds());
        let output = self.kept(caller, &asked)?;
        let most = asked.max_output.unwrap_or(bounds.kept_output);
        let most = most.min(bounds.largest_output);
        let (id, searches) = (asked.id.clone(), asked.slice.searches());
        let part = match searches {
            true => self.searched(caller, asked, &output, most).await?,
            false => asked.slice.of(&output.text, most, || true),
        };
        let record = OutputRecord {
            request_id: &output.request_id,
            who: Who::of(caller, client),
            lines: part.lines,
            searched: searches,
            bytes: part.text.len(),
        };
        let recorded = self.audit().output(&record).await;
        let recorded = recorded.map_err(|source| Refusal::Fault {
            what: "the request could not be recorded",
            source,
        })?;
        store.rates.recorded(caller, recorded);
        Ok(GivenPart {
            id,
            part,
            is_whole: output.is_whole,
        })
    }

    /// Searches elsewhere than requests are served; callers take turns.
    async fn searched(
        &self,
        caller: &Caller,
        asked: PartRequest,
        output: &KeptOutput,
        most: usize,
    ) -> Result<TextPart, Refusal> {
        let turn = match self.store().reading.ask(caller.principal(), usize::MAX) {
            TurnOrWait::Now(turn) => Some(turn),
            TurnOrWait::Later(waiting) => waiting.turn().await,
        };
        let text = Arc::clone(&output.text);
        let searched = spawn_blocking(move || {
            let _turn = turn;
            let since = Instant::now();
            let goes_on = || since.elapsed() < LONGEST_SEARCH;
            asked.slice.of(&text, most, goes_on)
        });
        searched.await.map_err(|error| Refusal::Fault {
            what: "the output could not be searched",
            source: io::Error::other(error),
        })
    }
}
