//! A call told while it runs, for who accepts `application/x-ndjson` or `text/event-stream`.
//!
//! Its first event names the call, its last one is the object that any other reply is, without the
//! output. A call that is refused before anything runs is refused as ever, with its status. Who
//! leaves cancels it, and so does who stays and takes nothing.

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

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// One JSON object per line.
    Lines,
    /// Server-sent events.
    Sse,
}

impl Format {
    /// What a request asks for, if it is none of one answer. Who accepts JSON too gets JSON.
    pub(super) fn asked(headers: &HeaderMap) -> Option<Self> {
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

/// An event as it is written.
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
    /// Nothing was printed for a while.
    Alive,
    End(Box<Body>),
}

/// A quiet call says so this often: proxies end connections that are silent for a minute.
const ALIVE: Duration = Duration::from_secs(15);

/// A client that takes nothing for so long is gone. Of HTTP/2 the kernel cannot tell: such a client
/// may answer pings, and open no window.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);

/// Runs a call and tells it.
pub(super) async fn told(gate: Gate, caller: Caller, request: Request, format: Format) -> Response {
    let (live, events) = Live::new(true);
    let call = Box::pin(async move { gate.run(caller, request, Some(live)).await });
    let mut telling = Telling {
        events,
        call: Some(call),
        end: None,
    };
    let first = match telling.next().await {
        Some(Told::End(outcome)) if outcome.ran.is_none() => return rendered(&outcome),
        Some(first) => first,
        None => return refused(no_end()),
    };
    let told = handed_on(first, telling, TAKEN_WITHIN);
    let unbuffered = [
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    match format {
        Format::Lines => {
            let lines = told.map(|told| {
                let mut line = told?.json();
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
            let events = told.map(|told| {
                told.map(|told| sse::Event::default().event(told.name()).data(told.json()))
            });
            (unbuffered, Sse::new(events)).into_response()
        }
    }
}

/// A call without an end, which is a fault of ours: [`Telling::next`] gives its end last.
fn no_end() -> Refusal {
    Refusal::Fault {
        what: "the call has no end",
        source: io::ErrorKind::UnexpectedEof.into(),
    }
}

/// What is told, from a task of its own: a body is asked for more only while its client takes some,
/// and neither a call nor what waits to be told may depend on that. A client that comes back too
/// late finds an error, not an end.
fn handed_on(
    first: Told,
    mut telling: Telling,
    within: Duration,
) -> impl Stream<Item = io::Result<Told>> + Send {
    let (sender, receiver) = channel(1);
    tokio::spawn(async move {
        let mut next = Some(first);
        while let Some(told) = next {
            if !matches!(timeout(within, sender.send(told)).await, Ok(Ok(()))) {
                return;
            }
            next = tokio::select! {
                next = telling.next() => next,
                () = sender.closed() => return,
            };
        }
    });
    stream::unfold(Some(receiver), |receiver| async move {
        let mut receiver: Receiver<Told> = receiver?;
        let told = receiver
            .recv()
            .await
            .ok_or_else(|| io::ErrorKind::TimedOut.into());
        let goes_on = matches!(&told, Ok(Told::Event(_) | Told::Alive));
        Some((told, goes_on.then_some(receiver)))
    })
}

/// A call that is under way, and what is heard of it.
struct Telling {
    events: Receiver<Event>,
    /// None after its end.
    call: Option<Pin<Box<dyn Future<Output = Outcome> + Send>>>,
    /// Its end, until that is told.
    end: Option<Box<Outcome>>,
}

impl Telling {
    /// The next event; the end is the last one, and comes once everything before it was taken.
    async fn next(&mut self) -> Option<Told> {
        if let Some(call) = &mut self.call {
            tokio::select! {
                biased;
                Some(event) = self.events.recv() => return Some(Told::Event(event)),
                outcome = call => self.end = Some(Box::new(outcome)),
                () = tokio::time::sleep(ALIVE) => return Some(Told::Alive),
            }
            self.call = None;
        }
        match self.events.recv().await {
            Some(event) => Some(Told::Event(event)),
            None => self.end.take().map(Told::End),
        }
    }
}

enum Told {
    Event(Event),
    Alive,
    End(Box<Outcome>),
}

impl Told {
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

    /// A call that never ends and has more to tell than is taken; and what is cancelled when it is
    /// dropped.
    fn endless() -> (Telling, CancellationToken) {
        let (sender, events) = channel(16);
        let cancelled = CancellationToken::new();
        let guard = cancelled.clone().drop_guard();
        let call = async move {
            loop {
                let text = "line\n".to_owned();
                let _ = sender
                    .send(Event::Output {
                        stream: crate::output::Stream::Stdout,
                        text,
                    })
                    .await;
                let _ = &guard;
            }
        };
        (
            Telling {
                events,
                call: Some(Box::pin(call)),
                end: None,
            },
            cancelled,
        )
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_ends_its_call_and_nothing_waits_for_it() {
        let (telling, cancelled) = endless();
        let mut told = Box::pin(handed_on(Told::Alive, telling, Duration::from_millis(50)));
        assert!(matches!(told.next().await, Some(Ok(Told::Alive))));
        timeout(Duration::from_secs(10), cancelled.cancelled())
            .await
            .expect("the call is ended");
        // One that was on its way, and no end.
        assert!(matches!(told.next().await, Some(Ok(Told::Event(_)))));
        assert_eq!(
            told.next().await.unwrap().err().unwrap().kind(),
            io::ErrorKind::TimedOut
        );
        assert!(told.next().await.is_none());
    }

    #[tokio::test]
    async fn a_client_that_leaves_ends_its_call() {
        let (telling, cancelled) = endless();
        let told = handed_on(Told::Alive, telling, Duration::from_secs(3600));
        drop(told);
        timeout(Duration::from_secs(10), cancelled.cancelled())
            .await
            .expect("the call is ended");
    }
}
