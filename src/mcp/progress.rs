//! A call's output as progress of its request, for a client that gave a token for it: [`notify`].
//!
//! The answer holds the output too, so of a fast stream only the newest lines are sent. A quiet
//! call sends a line as well: proxies end connections that are silent for a minute, and that would
//! cancel it.

use std::time::Duration;

use rmcp::{
    Peer, RoleServer,
    model::{ProgressNotificationParam, ProgressToken},
};
use tokio::{
    sync::mpsc::Receiver,
    time::{Instant, sleep_until, timeout},
};

use crate::output::Event;

/// The least time between two notifications.
const BETWEEN: Duration = Duration::from_millis(500);
/// The most time between two.
const ALIVE: Duration = Duration::from_secs(15);
/// A client that takes no notification for this long gets none any more.
const TAKEN_WITHIN: Duration = Duration::from_secs(5);
/// The most text of one notification, in bytes: what a person follows, not what a model reads.
const LONGEST: usize = 4 * 1024;

/// Notifies the client of `events` until the call ends.
pub(super) async fn notify(
    mut events: Receiver<Event>,
    peer: Peer<RoleServer>,
    token: ProgressToken,
) {
    let mut newest = String::new();
    let mut last = Instant::now();
    let mut count = 0_u32;
    loop {
        let due = last + if newest.is_empty() { ALIVE } else { BETWEEN };
        tokio::select! {
            event = events.recv() => match event {
                None => return, // the answer follows
                Some(Event::Started { .. }) => {}
                Some(Event::Output { text, .. }) => {
                    newest.push_str(&text);
                    keep_the_end(&mut newest);
                }
            },
            () = sleep_until(due) => {
                count += 1;
                last = Instant::now();
                let message = if newest.is_empty() { "the command runs on".to_owned() } else { std::mem::take(&mut newest) };
                let progress = ProgressNotificationParam::new(token.clone(), f64::from(count)).with_message(message);
                if !matches!(timeout(TAKEN_WITHIN, peer.notify_progress(progress)).await, Ok(Ok(()))) {
                    return;
                }
            }
        }
    }
}

/// Drops whole lines from the beginning of what is too long, else characters.
fn keep_the_end(text: &mut String) {
    let Some(over) = text.len().checked_sub(LONGEST) else {
        return;
    };
    let over = (over..text.len())
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(text.len());
    let line = text
        .get(over..)
        .and_then(|rest| rest.find('\n'))
        .map_or(over, |end| over + end + 1);
    text.drain(..if line < text.len() { line } else { over });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_text_the_last_whole_lines_are_kept() {
        let mut text: String = (0..1000).map(|n| format!("line {n} \u{20ac}\n")).collect();
        keep_the_end(&mut text);
        assert!(
            text.len() <= LONGEST
                && text.starts_with("line ")
                && text.ends_with("line 999 \u{20ac}\n"),
            "{text}"
        );
        let mut long = "\u{20ac}".repeat(LONGEST);
        keep_the_end(&mut long);
        assert!(long.len() <= LONGEST && !long.is_empty());
    }
}
