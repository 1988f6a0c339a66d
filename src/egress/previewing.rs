//! What a call in preview has changed until now: [`Previewing`], and the events of its watches,
//! [`WatchedEvents`].
//!
//! Comes in: answers of the API server to writes of which nothing was kept, and events as they come. Goes
//! out: what the tool reads instead, and what is told of the call. May not send anything.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::{Stream, stream};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame};
use serde_json::Value;

use super::answer::AnswerError;
use crate::api::{
    ApiRequest, EventError, EventLines, HiddenEvents, HiddenSecrets, Overlay, Preview,
};

/// What a call in preview has changed until now.
#[derive(Default)]
pub(super) struct Previewing {
    overlay: Mutex<Overlay>,
    /// What of the command is not previewed, and why.
    missing: Mutex<Vec<String>>,
}

/// The events of one watch, on their way to the tool.
pub(super) struct WatchedEvents {
    /// What a preview has changed, where the call is one.
    laid_over: Option<(Arc<Previewing>, ApiRequest, EventLines)>,
    /// What takes the values of Secrets out, where it is about them.
    hidden: Option<HiddenEvents>,
}

impl Previewing {
    pub(super) fn overlay(&self) -> MutexGuard<'_, Overlay> {
        self.overlay.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn missing(&self) -> MutexGuard<'_, Vec<String>> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what is not previewed, once.
    pub(super) fn misses(&self, what: String) {
        let mut missing = self.missing();
        // A tool that is refused one protocol tries the next.
        if missing.len() < MOST_MISSING && !missing.contains(&what) {
            missing.push(what);
        }
    }

    /// What is told of it; `secrets` takes the values of Secrets out.
    pub(super) fn told(&self, secrets: Option<&HiddenSecrets>) -> Preview {
        Preview::of(&self.overlay(), secrets, &self.missing())
    }
}

/// Sentences that are kept about what is not previewed.
const MOST_MISSING: usize = 16;

impl WatchedEvents {
    pub(super) fn new(
        previewing: Option<&Arc<Previewing>>,
        request: &ApiRequest,
        hidden: Option<HiddenEvents>,
    ) -> Self {
        let laid_over = previewing.map(|previewing| {
            let lines = EventLines::default();
            (Arc::clone(previewing), request.clone(), lines)
        });
        Self { laid_over, hidden }
    }

    /// Passes the events of an answer on as they come.
    pub(super) fn of_answer<B>(
        self,
        body: B,
    ) -> impl Stream<Item = Result<Frame<Bytes>, AnswerError>> + Send + use<B>
    where
        B: Body<Data = Bytes, Error = AnswerError> + Send + Unpin,
    {
        let begun = (body, self, Passed::Nothing);
        stream::try_unfold(begun, |(mut body, mut events, mut passed)| async move {
            let mut told = Vec::new();
            if passed == Passed::Nothing {
                events.begin(&mut told)?;
                passed = Passed::Beginning;
            }
            while told.is_empty() && passed != Passed::All {
                match body.frame().await.transpose()? {
                    Some(frame) => {
                        let came = frame.into_data().unwrap_or_default();
                        events.pass(&came, &mut told)?;
                    }
                    None => {
                        events.finish(&mut told)?;
                        passed = Passed::All;
                    }
                }
            }
            let frame = (!told.is_empty()).then(|| Frame::data(Bytes::from(told)));
            Ok(frame.map(|frame| (frame, (body, events, passed))))
        })
    }

    fn begin(&mut self, told: &mut Vec<u8>) -> Result<(), EventError> {
        let Some((previewing, request, _)) = &self.laid_over else {
            return Ok(());
        };
        let first = previewing.overlay().first_events(request);
        let lines: String = first.iter().map(|event| format!("{event}\n")).collect();
        self.hide(lines.as_bytes(), told)
    }

    fn pass(&mut self, came: &[u8], told: &mut Vec<u8>) -> Result<(), EventError> {
        let mut laid = Vec::new();
        let Some((previewing, request, lines)) = &mut self.laid_over else {
            return self.hide(came, told);
        };
        lines.each(came, |event| {
            lay_over(previewing, request, event, &mut laid)
        })?;
        self.hide(&laid, told)
    }

    fn finish(&mut self, told: &mut Vec<u8>) -> Result<(), EventError> {
        let mut laid = Vec::new();
        if let Some((previewing, request, lines)) = &mut self.laid_over {
            lines.end(|event| lay_over(previewing, request, event, &mut laid))?;
        }
        self.hide(&laid, told)?;
        match &mut self.hidden {
            None => Ok(()),
            Some(hidden) => hidden.finish(told),
        }
    }

    fn hide(&mut self, events: &[u8], told: &mut Vec<u8>) -> Result<(), EventError> {
        match &mut self.hidden {
            None => told.extend(events),
            Some(hidden) => hidden.pass(events, told)?,
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Passed {
    Nothing,
    Beginning,
    All,
}

fn lay_over(
    previewing: &Previewing,
    request: &ApiRequest,
    event: &[u8],
    laid: &mut Vec<u8>,
) -> Result<(), EventError> {
    let event: Value = serde_json::from_slice(event).map_err(|_| EventError::Unread)?;
    if let Some(event) = previewing.overlay().event(request, event) {
        laid.extend(event.to_string().into_bytes());
        laid.push(b'\n');
    }
    Ok(())
}
