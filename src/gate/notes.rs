//! What an answer says beside its output: what the server added to the command, what it left out of
//! the answer, and what an end means. [`Notes::of`] before the command runs, [`Notes::after`] then.
//!
//! An answer that lacks a part and does not say so is a wrong one. Held by
//! `tests/service/honest.rs`.

use super::{
    outcome::{Bound, Ran, Told},
    pipeline::Printed,
};
use crate::{
    api::Preview,
    command::{Adjustment, Invocation},
    output::LeftOut,
    refusal::Refusal,
    tool::LogCommand,
};

/// What is known before a command runs, and told with its answer.
#[derive(Debug, Default)]
pub(super) struct Notes {
    adjustments: Vec<Adjustment>,
    /// What the added flags mean.
    meanings: Vec<String>,
    log: Option<LogBounds>,
    is_endless: bool,
    clamped: Option<String>,
}

/// The bounds that the server added to a log.
#[derive(Debug)]
struct LogBounds {
    last_lines: Option<AddedFlag>,
    first_bytes: Option<AddedFlag>,
    more: &'static str,
}

/// A flag that the server added, as it is rendered, and its number.
#[derive(Debug)]
struct AddedFlag {
    word: String,
    number: u64,
}

impl Notes {
    /// Notes what differs from the command that was sent.
    pub(super) fn of(invocation: &Invocation) -> Self {
        let spec = invocation.tool().spec();
        let bounds = |log: &LogCommand| LogBounds {
            last_lines: AddedFlag::of(invocation, log.last_lines),
            first_bytes: log
                .first_bytes
                .and_then(|flag| AddedFlag::of(invocation, flag)),
            more: log.more,
        };
        let mut logs = spec.logs.iter();
        let log = logs.find(|log| invocation.is_one_of(&log.commands));
        let meanings = spec.meanings.iter().filter_map(|meaning| {
            let word = added(invocation, meaning.flag)?;
            let is_meant = invocation.is_one_of(&meaning.commands);
            is_meant.then(|| format!("added {word}: {}", meaning.means))
        });
        let mut endless = spec.endless.iter();
        Self {
            adjustments: invocation.adjustments().to_vec(),
            meanings: meanings.collect(),
            log: log.map(bounds),
            is_endless: endless.any(|commands| invocation.is_one_of(commands)),
            clamped: None,
        }
    }

    /// Notes that the request asked for more output than it is given.
    pub(super) fn clamped(self, asked: Option<usize>, given: usize) -> Self {
        let clamped = asked.map(|asked| format!("max_output {given} instead of {asked}"));
        Self { clamped, ..self }
    }

    /// Returns the refusal, unless the command prints until it is ended and came to that end.
    pub(super) fn ends_by(&self, refusal: Refusal, ran: &mut Ran) -> Option<Refusal> {
        ran.bound = match refusal {
            Refusal::Timeout { after } if self.is_endless => Some(Bound::After(after)),
            Refusal::TooManyLines { limit } if self.is_endless => Some(Bound::Lines(limit)),
            _ => return Some(refusal),
        };
        None
    }

    /// Returns what is told with the answer of what ran. Where `takes_a_line`, what may be missing
    /// of a log is told in its last line.
    pub(super) fn after(self, ran: &Ran, printed: Printed, takes_a_line: bool) -> Told {
        let incomplete = self.log.and_then(|log| log.note(printed));
        let mut told = Told {
            last_line: incomplete.clone().filter(|_| takes_a_line),
            ..Told::default()
        };
        for adjustment in self.adjustments {
            told.adjusted(adjustment);
        }
        let effects = ran.effects.as_ref();
        let preview = effects.and_then(|effects| effects.preview.as_ref());
        told.notes.extend(preview.map(previewed));
        told.notes.extend(preview.into_iter().flat_map(missing));
        told.notes.extend(self.meanings);
        told.notes.extend(self.clamped);
        told.notes.extend(incomplete);
        told.notes.extend(ran.bound.map(ended_at));
        if ran.nothing_found() {
            told.notes.push("no line matched".into());
        }
        told.notes
            .extend(ran.stdout.left_out.and_then(items_left_out));
        told
    }
}

/// A flag that the server added, as it is rendered.
fn added<'a>(invocation: &'a Invocation, flag: &str) -> Option<&'a str> {
    let mut adjustments = invocation.adjustments().iter();
    adjustments.find_map(|adjustment| match adjustment {
        Adjustment::Added { word } => {
            let value = word.strip_prefix("--")?.strip_prefix(flag)?;
            value.starts_with('=').then_some(word.as_str())
        }
        Adjustment::Clamped { .. } | Adjustment::Dropped { .. } | Adjustment::Replaced { .. } => {
            None
        }
    })
}

impl AddedFlag {
    fn of(invocation: &Invocation, flag: &str) -> Option<Self> {
        let word = added(invocation, flag)?;
        let (_, value) = word.split_once('=')?;
        Some(Self {
            word: word.to_owned(),
            number: value.parse().ok()?,
        })
    }
}

impl LogBounds {
    /// Says that the log may go on where it was cut. How many containers printed it is not known.
    fn note(self, printed: Printed) -> Option<String> {
        let lines = self.last_lines.filter(|flag| printed.lines >= flag.number);
        let bytes = self.first_bytes.filter(|flag| printed.bytes >= flag.number);
        let (flag, which) = match (lines, bytes) {
            (Some(flag), _) => (flag.word, "older"),
            (None, Some(flag)) => (flag.word, "newer"),
            (None, None) => return None,
        };
        let more = self.more;
        Some(format!(
            "added {flag}: {which} lines may be left out; {more} shows more"
        ))
    }
}

/// Says why a command that prints until it is ended was.
fn ended_at(bound: Bound) -> String {
    match bound {
        Bound::After(time) => format!(
            "ended after {}, as long as it may follow; there may be more to come",
            humantime::format_duration(time)
        ),
        Bound::Lines(lines) => {
            format!("ended after {lines} lines, as many as it may print; there may be more to come")
        }
    }
}

/// Says that nothing was done, and how much would be.
fn previewed(preview: &Preview) -> String {
    let [made, changed, deleted] = preview.count();
    let more = match preview.more_objects {
        0 => String::new(),
        more => format!(", and {more} objects more"),
    };
    format!(
        "a preview: nothing of this is done; it would create {made}, change {changed} and delete {deleted}{more}"
    )
}

/// Says what is not in a preview.
fn missing(preview: &Preview) -> impl Iterator<Item = String> {
    let missing = preview.not_previewed.iter();
    missing.map(|what| format!("not previewed: {what}"))
}

/// Says how many items of a document are left out; of lines the marker between them does.
fn items_left_out(left_out: LeftOut) -> Option<String> {
    let (items, of) = left_out.items?;
    let (bytes, of_bytes) = left_out.bytes;
    Some(format!(
        "{items} of {of} items left out ({bytes} of {of_bytes} bytes); narrow the query (-l, --field-selector, -o name, a filter), or raise max_output"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds() -> LogBounds {
        let flag = |name: &str, number| AddedFlag {
            word: format!("--{name}={number}"),
            number,
        };
        LogBounds {
            last_lines: Some(flag("tail", 500)),
            first_bytes: Some(flag("limit-bytes", 1000)),
            more: "--since=1h",
        }
    }

    #[test]
    fn a_log_that_reached_its_bound_may_be_incomplete_and_no_other() {
        let note = |lines, bytes| bounds().note(Printed { lines, bytes });
        assert_eq!(note(499, 999), None);
        assert_eq!(
            note(500, 999).unwrap(),
            "added --tail=500: older lines may be left out; --since=1h shows more"
        );
        assert_eq!(
            note(3, 1000).unwrap(),
            "added --limit-bytes=1000: newer lines may be left out; --since=1h shows more"
        );
    }
}
