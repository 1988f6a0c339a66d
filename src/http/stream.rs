//! A call told while it runs, for who accepts `application/x-ndjson` or `text/event-stream`.
//!
//! Its first event names the call, its last one is the object that any other reply is, without the output. A call that is
//! refused before anything runs is refused as ever, with its status. Who leaves cancels it.

use std::{convert::Infallible, pin::Pin, time::Duration};

use axum::{
    body::{Body as HttpBody, Bytes},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{self, Sse},
    },
};
use futures_util::{StreamExt, stream};
use serde::Serialize;
use tokio::sync::mpsc::Receiver;

use super::tools::rendered;
use crate::{
    caller::Caller,
    gate::{Body, Gate, Outcome, Request},
    output::{Event, Live},
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
        let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
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
enum Line<'a> {
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

/// Runs a call and tells it.
pub(super) async fn told(gate: Gate, caller: Caller, request: Request, format: Format) -> Response {
    let (live, events) = Live::new(true);
    let call = Box::pin(async move { gate.run(caller, request, Some(live)).await });
    let mut telling = Telling { events, call: Some(call), end: None };
    let first = match telling.next().await {
        Some(Told::End(outcome)) if outcome.ran.is_none() => return rendered(&outcome),
        Some(first) => first,
        None => return StatusCode::INTERNAL_SERVER_ERROR.into_response(), // it has an end
    };
    let told = stream::iter([first]).chain(stream::unfold(telling, |mut telling| async { Some((telling.next().await?, telling)) }));
    let unbuffered = [(header::CACHE_CONTROL, "no-store"), (HeaderName::from_static("x-accel-buffering"), "no")];
    match format {
        Format::Lines => {
            let lines = told.map(|told| {
                let mut line = told.json();
                line.push('\n');
                Ok::<_, Infallible>(Bytes::from(line))
            });
            (unbuffered, [(header::CONTENT_TYPE, "application/x-ndjson")], HttpBody::from_stream(lines)).into_response()
        }
        Format::Sse => {
            let events = told.map(|told| Ok::<_, Infallible>(sse::Event::default().event(told.name()).data(told.json())));
            (unbuffered, Sse::new(events)).into_response()
        }
    }
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
            Self::Event(Event::Started { request_id }) => Line::Started { request_id },
            Self::Event(Event::Output { stream, text }) => Line::Output { stream: stream.as_str(), text },
            Self::Alive => Line::Alive,
            Self::End(outcome) => Line::End(Box::new(outcome.body())),
        };
        serde_json::to_string(&line).unwrap_or_default() // texts and numbers are always JSON
    }
}
