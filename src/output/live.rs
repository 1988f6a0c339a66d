//! What a call prints, told while it runs: whole lines, cleaned and redacted like the rest.
//!
//! May not run ahead of its listener: a full channel holds the reader, and through the pipe the
//! child.

use tokio::sync::{mpsc, watch};

use super::clean::clean;

/// What is told of a call before its end.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// Its child runs.
    Started {
        /// Names the call, for `DELETE /calls/{request_id}`.
        request_id: String,
    },
    /// It printed this.
    Output {
        /// On which stream.
        stream: OutputStream,
        /// Whole lines, or a piece of a very long one.
        text: String,
    },
}

/// Which of a child's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl OutputStream {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// Events that may wait for their listener: half a megabyte. Each of the two streams holds back up
/// to 256 KiB more for the redactor, and its pipe has 64.
const WAITING: usize = 16;

/// As much as one event tells, in bytes: whole lines, or a piece of a longer one.
const LONGEST_EVENT: usize = 32 * 1024;

/// Whoever hears a call while it runs.
#[derive(Clone, Debug)]
pub struct Live {
    sender: mpsc::Sender<Event>,
    /// Whether the listener takes what is printed instead of having it in the answer too.
    pub replaces_answer: bool,
}

impl Live {
    /// A listener, and what it hears: instead of the answer's text, or beside it.
    pub fn new(replaces_answer: bool) -> (Self, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (
            Self {
                sender,
                replaces_answer,
            },
            receiver,
        )
    }

    /// Tells that the child runs.
    pub async fn started(&self, request_id: &str) {
        let _ = self
            .sender
            .send(Event::Started {
                request_id: request_id.to_owned(),
            })
            .await; // who has left needs no news
    }
}

/// One stream of it.
#[derive(Debug)]
pub(super) struct LiveLines {
    live: Live,
    stream: OutputStream,
    /// The line that is not ended yet.
    begun: Vec<u8>,
}

impl LiveLines {
    pub(super) fn new(live: Live, stream: OutputStream) -> Self {
        Self {
            live,
            stream,
            begun: Vec::new(),
        }
    }

    /// Tells the lines that end here. Waits for the listener, but not past `stop`.
    pub(super) async fn push(&mut self, text: &[u8], stop: &mut watch::Receiver<bool>) {
        self.begun.extend_from_slice(text);
        let begun = std::mem::take(&mut self.begun);
        let mut rest = begun.as_slice();
        while let Some(end) = event_end(rest) {
            let (event, after) = rest.split_at(end);
            self.tell(event, stop).await;
            rest = after;
        }
        self.begun = rest.to_vec();
    }

    /// Tells what is left at the end.
    pub(super) async fn finish(self, stop: &mut watch::Receiver<bool>) {
        self.tell(&self.begun, stop).await;
    }

    async fn tell(&self, lines: &[u8], stop: &mut watch::Receiver<bool>) {
        let text = clean(lines);
        if text.is_empty() {
            return;
        }
        tokio::select! {
            biased;
            _ = self.live.sender.send(Event::Output { stream: self.stream, text }) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}

/// The end of what the next event tells; none while a line has not ended and is not too long.
fn event_end(text: &[u8]) -> Option<usize> {
    let first = text.get(..LONGEST_EVENT).unwrap_or(text);
    match first.iter().rposition(|&byte| byte == b'\n') {
        Some(end) => Some(end + 1),
        None if text.len() > LONGEST_EVENT => Some(character_end(text, LONGEST_EVENT)),
        None => None,
    }
}

/// The end of the last whole character in the first `most` bytes of what may be UTF-8.
fn character_end(bytes: &[u8], most: usize) -> usize {
    let is_inside = |at: &usize| bytes.get(*at).is_some_and(|byte| byte & 0xC0 == 0x80);
    (most - 3..=most)
        .rev()
        .find(|at| !is_inside(at))
        .unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn events(chunks: &[&[u8]]) -> Vec<String> {
        let (live, mut receiver) = Live::new(true);
        let (_sender, mut stop) = watch::channel(false);
        let mut lines = LiveLines::new(live, OutputStream::Stdout);
        let mut texts = Vec::new();
        let mut take = |receiver: &mut mpsc::Receiver<Event>| {
            while let Ok(Event::Output { text, .. }) = receiver.try_recv() {
                texts.push(text);
            }
        };
        for chunk in chunks {
            lines.push(chunk, &mut stop).await;
            take(&mut receiver);
        }
        lines.finish(&mut stop).await;
        take(&mut receiver);
        texts
    }

    #[tokio::test]
    async fn lines_are_told_when_they_end() {
        assert_eq!(
            events(&[b"a\nb", b"c\nd\ne", b"f"]).await,
            ["a\n", "bc\nd\n", "ef"]
        );
    }

    #[tokio::test]
    async fn an_event_is_bounded_however_much_is_told_at_once() {
        let lines = format!("{}\n", "x".repeat(1000)).repeat(300);
        let events = events(&[lines.as_bytes()]).await;
        assert_eq!(events.concat(), lines);
        assert!(
            events
                .iter()
                .all(|event| event.len() <= LONGEST_EVENT && event.ends_with('\n'))
        );
        assert_eq!(events.len(), 300_usize.div_ceil(LONGEST_EVENT / 1001));
    }

    #[tokio::test]
    async fn a_long_line_is_cut_between_characters() {
        let line = format!("x{}", "\u{20ac}".repeat(30_000));
        let pieces = events(&[line.as_bytes()]).await;
        assert!(pieces.len() >= 2 && pieces.concat() == line);
    }

    #[tokio::test]
    async fn what_steers_a_terminal_is_not_told_however_it_is_cut() {
        let pieces = events(&[b"\x1b", b"[31mred\x1b", b"]0;t\x07\n\xe2\x80", b"\xaeend"]).await;
        assert_eq!(pieces.concat(), "red\nend");
    }

    #[tokio::test]
    async fn nobody_waits_for_a_listener_past_the_stop() {
        let (live, _receiver) = Live::new(true);
        let (sender, mut stop) = watch::channel(false);
        let mut lines = LiveLines::new(live, OutputStream::Stderr);
        sender.send(true).unwrap();
        for _ in 0..2 * WAITING {
            lines.push(b"line\n", &mut stop).await;
        }
    }
}
