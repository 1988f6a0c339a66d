//! A call streamed while it runs, for clients that accept `application/x-ndjson` or
//! `text/event-stream`.
//!
//! The first event names the call; the last one is the object that any other reply is, without the
//! output. A call that is refused before anything runs is answered with its status, like any other.
//! A client that leaves cancels its call, and so does one that stays and takes nothing.
//!
//! Held by the tests below and `tests/service/streaming.rs`.

use std::{io, pin::Pin, time::Duration};

use axum::{
    body::{Body as HttpBody, Bytes},
    http::{HeaderMap, HeaderName, header},
    response::{
        IntoResponse, Response,
        sse::{self, Sse},
    },
};
use futures_util::{Stream, StreamExt, stream};
use serde::Serialize;
use tokio::{
    sync::mpsc::{Receiver, channel},
    time::timeout,
};

use super::reply::{refused, rendered};
use crate::{
    gate::{Body, Gate, Outcome, Request},
    identity::Caller,
    output::{Event, Live},
    refusal::Refusal,
};

/// The format in which events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// One JSON object per line.
    Lines,
    /// Server-sent events.
    Sse,
}

impl Format {
    /// Returns the format that a request accepts before one answer in JSON.
    pub(super) fn accepted(headers: &HeaderMap) -> Option<Self> {
        let accepted = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        let format = |range: &str| match range.split(';').next().unwrap_or_default().trim() {
            "application/x-ndjson" => Some(Some(Self::Lines)),
            "text/event-stream" => Some(Some(Self::Sse)),
            "application/json" | "*/*" | "application/*" => Some(None),
            _ => None,
        };
        accepted.filter_map(format).next().flatten()
    }
}

/// An event in the form in which it is written.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum WrittenEvent<'a> {
    Started {
        request_id: &'a str,
    },
    Output {
        stream: &'static str,
        text: &'a str,
    },
    /// A while in which nothing was printed.
    Alive,
    End(Box<Body>),
}

/// A quiet call says so this often: proxies end connections that are silent for a minute.
const ALIVE: Duration = Duration::from_secs(15);

/// A client that takes nothing for so long is gone. The kernel does not see it in HTTP/2: such a
/// client may answer pings, and open no window.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);

/// Runs a call and streams its events.
pub(super) async fn streamed(
    gate: Gate,
    caller: Caller,
    request: Request,
    format: Format,
) -> Response {
    let (live, events) = Live::new(true);
    let call = Box::pin(async move { gate.run(caller, request, Some(live)).await });
    let mut live_call = LiveCall {
        events,
        call: Some(call),
        end: None,
    };
    let first = match live_call.next().await {
        Some(StreamItem::End(outcome)) if outcome.ran.is_none() => return rendered(&outcome),
        Some(first) => first,
        None => return refused(no_end()),
    };
    let items = relayed(first, live_call, TAKEN_WITHIN);
    let unbuffered = [
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    match format {
        Format::Lines => {
            let lines = items.map(|item| {
                let mut line = item?.json();
                line.push('\n');
                Ok::<_, io::Error>(Bytes::from(line))
            });
            (
                unbuffered,
                [(header::CONTENT_TYPE, "application/x-ndjson")],
                HttpBody::from_stream(lines),
            )
                .into_response()
        }
        Format::Sse => {
            let events = items.map(|item| {
                item.map(|item| sse::Event::default().event(item.name()).data(item.json()))
            });
            (unbuffered, Sse::new(events)).into_response()
        }
    }
}

/// A call without an end, which is a fault of ours: [`LiveCall::next`] gives its end last.
fn no_end() -> Refusal {
    Refusal::Fault {
        what: "the call has no end",
        source: io::ErrorKind::UnexpectedEof.into(),
    }
}

/// Relays the events from a task of its own: a body is polled only while its client takes some, and
/// neither a call nor its events may depend on that. A client that comes back too late finds an
/// error, not an end.
fn relayed(
    first: StreamItem,
    mut live_call: LiveCall,
    within: Duration,
) -> impl Stream<Item = io::Result<StreamItem>> + Send {
    let (sender, receiver) = channel(1);
    tokio::spawn(async move {
        let mut next = Some(first);
        while let Some(item) = next {
            if !matches!(timeout(within, sender.send(item)).await, Ok(Ok(()))) {
                return;
            }
            next = tokio::select! {
                next = live_call.next() => next,
                () = sender.closed() => return,
            };
        }
    });
    stream::unfold(Some(receiver), |receiver| async move {
        let mut receiver: Receiver<StreamItem> = receiver?;
        let item = receiver
            .recv()
            .await
            .ok_or_else(|| io::ErrorKind::TimedOut.into());
        let goes_on = matches!(&item, Ok(StreamItem::Event(_) | StreamItem::Alive));
        Some((item, goes_on.then_some(receiver)))
    })
}

/// A call that is under way, and its events.
struct LiveCall {
    events: Receiver<Event>,
    /// The call, until it has ended.
    call: Option<Pin<Box<dyn Future<Output = Outcome> + Send>>>,
    /// Its end, until that is sent.
    end: Option<Box<Outcome>>,
}

impl LiveCall {
    /// Returns the next event; the end is the last one, and comes once everything before it was
    /// taken.
    async fn next(&mut self) -> Option<StreamItem> {
        if let Some(call) = &mut self.call {
            tokio::select! {
                biased;
                Some(event) = self.events.recv() => return Some(StreamItem::Event(event)),
                outcome = call => self.end = Some(Box::new(outcome)),
                () = tokio::time::sleep(ALIVE) => return Some(StreamItem::Alive),
            }
            self.call = None;
        }
        match self.events.recv().await {
            Some(event) => Some(StreamItem::Event(event)),
            None => self.end.take().map(StreamItem::End),
        }
    }
}

/// One event of a call, or its end.
enum StreamItem {
    Event(Event),
    Alive,
    End(Box<Outcome>),
}

impl StreamItem {
    fn name(&self) -> &'static str {
        match self {
            Self::Event(Event::Started { .. }) => "started",
            Self::Event(Event::Output { .. }) => "output",
            Self::Alive => "alive",
            Self::End(_) => "end",
        }
    }

    fn json(&self) -> String {
        let line = match self {
            Self::Event(Event::Started { request_id }) => WrittenEvent::Started { request_id },
            Self::Event(Event::Output { stream, text }) => WrittenEvent::Output {
                stream: stream.as_str(),
                text,
            },
            Self::Alive => WrittenEvent::Alive,
            Self::End(outcome) => WrittenEvent::End(Box::new(outcome.body())),
        };
        serde_json::to_string(&line).unwrap_or_default() // texts and numbers are always JSON
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;

    /// A call that never ends and prints more than is taken; the token is cancelled when the call
    /// is dropped.
    fn endless() -> (LiveCall, CancellationToken) {
        let (sender, events) = channel(16);
        let cancelled = CancellationToken::new();
        let guard = cancelled.clone().drop_guard();
        let call = async move {
            loop {
                let text = "line\n".to_owned();
                let _ = sender
                    .send(Event::Output {
                        stream: crate::output::OutputStream::Stdout,
                        text,
                    })
                    .await;
                let _ = &guard;
            }
        };
        (
            LiveCall {
                events,
                call: Some(Box::pin(call)),
                end: None,
            },
            cancelled,
        )
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_ends_its_call_and_nothing_waits_for_it() {
        let (live_call, cancelled) = endless();
        let mut items = Box::pin(relayed(
            StreamItem::Alive,
            live_call,
            Duration::from_millis(50),
        ));
        assert!(matches!(items.next().await, Some(Ok(StreamItem::Alive))));
        timeout(Duration::from_secs(10), cancelled.cancelled())
            .await
            .expect("the call is ended");
        // One that was on its way, and no end.
        assert!(matches!(items.next().await, Some(Ok(StreamItem::Event(_)))));
        assert_eq!(
            items.next().await.unwrap().err().unwrap().kind(),
            io::ErrorKind::TimedOut
        );
        assert!(items.next().await.is_none());
    }

    #[tokio::test]
    async fn a_client_that_leaves_ends_its_call() {
        let (live_call, cancelled) = endless();
        let items = relayed(StreamItem::Alive, live_call, Duration::from_secs(3600));
        drop(items);
        timeout(Duration::from_secs(10), cancelled.cancelled())
            .await
            .expect("the call is ended");
    }
}
