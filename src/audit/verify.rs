//! Lines in, a [`Report`] out: whether they are the chain that was written. Pure but for the
//! reader, and in memory that does not grow with the input.
//!
//! May not believe a line before its hash fits. Held by the properties in `fuzzing/audit.rs`.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    fmt,
    io::{self, BufRead, Read},
};

use serde::{Deserialize, Serialize};

use super::chain::{Chain, Hash, LONGEST_LINE, Link, NoLink, Seal};

/// Reads lines, one after the other.
pub struct Verifier {
    seal: Seal,
    /// The input may begin with any record.
    is_part: bool,
    expected: Option<Expected>,
    /// Hashes that were kept elsewhere, of records that are not found yet.
    kept: Vec<Hash>,
    /// The first records of chains, by which one that comes again is known.
    starts: HashSet<Hash>,
    /// The first record and the one before it, when that is not in the input: neither may come
    /// behind it.
    edge: Option<(Hash, Hash)>,
    /// Decisions that have no end yet.
    open: HashMap<String, Open>,
    /// What the first gap would have held.
    first_missing: Option<(u64, u64)>,
    report: Report,
}

/// What comes next.
struct Expected {
    chain: Chain,
    /// The line before was no record, so that its number and hash are not known.
    is_unsure: bool,
}

/// Decisions that are followed at once. A server has some hundred; only a made-up file has more.
const MOST_OPEN: usize = 1 << 16;
/// Of what there may be much, this much is told.
const MOST_TOLD: usize = 100;

/// What was found.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Records whose hash fits.
    pub records: u64,
    /// Chains that begin in the input.
    pub chains: u64,
    /// The first record's number; more than 1 when what came before is not in the input.
    pub first: Option<u64>,
    /// The last record.
    pub last: Option<Last>,
    /// Where it is broken, the first 100 places.
    pub broken: Vec<Break>,
    /// All places.
    pub broken_places: u64,
    /// Calls that were allowed and have no end: the first 100.
    pub open: Vec<Open>,
    /// All of them.
    pub open_calls: u64,
    /// Calls that were refused because nothing could be recorded.
    pub unrecorded_calls: u64,
    /// Bytes of records that a crash had cut.
    pub repaired_bytes: u64,
    /// Lines of others, in an input that is part of a stream.
    pub other_lines: u64,
}

/// The last record.
#[derive(Debug, Serialize)]
pub struct Last {
    /// Its number.
    pub seq: u64,
    /// Its hash, which is to be kept elsewhere.
    pub hash: String,
    /// What it is about: `stop` when the server ended in order.
    pub event: String,
    /// When it was made.
    pub time: String,
}

/// A call without an end.
#[derive(Clone, Debug, Serialize)]
pub struct Open {
    /// The call.
    pub request_id: String,
    /// The number of its decision.
    pub seq: u64,
    /// When it was decided.
    pub time: String,
    /// Whether the server has started again since: then it was a crash, and else it may be running.
    pub is_crash: bool,
}

/// A place where the chain is broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Break {
    /// The file.
    pub file: String,
    /// The line in it, from 1.
    pub line: u64,
    /// What is wrong there.
    #[serde(flatten)]
    pub why: Broken,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Broken {
    /// A record is not as it was written, or was sealed with another key.
    Changed,
    /// It has no line break.
    Cut,
    /// There is no record at all.
    Empty,
    /// No record, or one of another chain.
    Foreign,
    /// Records are not there.
    Missing {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// The last record is another than the one that was expected.
    NotTheLast {
        /// The hash that was expected.
        expected: String,
    },
    /// A record that was expected is not there.
    NotThere {
        /// Its hash.
        expected: String,
    },
    /// Records stand in another order than they were written in.
    Reordered,
    /// A record stands there again.
    Repeated {
        /// Its number.
        seq: u64,
    },
    /// The beginning of the file is not there.
    Headless {
        /// The first number that is.
        seq: u64,
    },
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed => f.write_str(
                "changed: the record is not as it was sealed (or it was sealed with another key)",
            ),
            Self::Cut => f.write_str("cut: the line does not end"),
            Self::Empty => f.write_str("empty: there is no record"),
            Self::Foreign => f.write_str(
                "foreign: not a record of this chain (lines of the log between records, as `kubectl logs` prints them, need --part)",
            ),
            Self::Missing { from, to } if from == to => {
                write!(f, "missing: record {from} is not there before this one")
            }
            Self::Missing { from, to } => write!(
                f,
                "missing: records {from} to {to} are not there before this one"
            ),
            Self::NotTheLast { expected } => {
                write!(
                    f,
                    "missing: the last record is not {expected}; what followed is gone, or it is another chain"
                )
            }
            Self::NotThere { expected } => {
                write!(
                    f,
                    "missing: there is no record {expected}; it was taken away, and others may stand in its place"
                )
            }
            Self::Reordered => {
                f.write_str("reordered: records that belong before this one stand behind it")
            }
            Self::Repeated { seq } => write!(
                f,
                "repeated: record {seq} was there already, or belongs before what stands above it"
            ),
            Self::Headless { seq } => write!(
                f,
                "missing: this is record {seq}, and neither a chain nor a file begins with it"
            ),
        }
    }
}

/// What of a record is looked at.
#[derive(Deserialize)]
struct Seen<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(borrow)]
    request_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    effect: Option<Cow<'a, str>>,
    #[serde(borrow)]
    reason: Option<Cow<'a, str>>,
    late: Option<(u64, u64)>,
    refused: Option<u64>,
    repaired_bytes: Option<u64>,
}

impl Verifier {
    /// For lines that were sealed so. With `is_part` they may begin with any record, since a
    /// collector of logs cuts, and lines of others may stand between them: a container's two
    /// streams are one there. What was a record is missed all the same, by its number.
    pub fn new(seal: Seal, is_part: bool) -> Self {
        Self {
            seal,
            is_part,
            expected: None,
            kept: Vec::new(),
            starts: HashSet::new(),
            edge: None,
            open: HashMap::new(),
            first_missing: None,
            report: Report::default(),
        }
    }

    /// Records with these hashes have to be there, wherever: a server that starts again behind an
    /// end that was cut off goes on without a gap.
    pub fn keep(&mut self, kept: Vec<Hash>) {
        self.kept = kept;
    }

    /// Reads a file to its end.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&mut self, file: &str, mut reader: impl BufRead) -> io::Result<()> {
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            if reader
                .by_ref()
                .take(LONGEST_LINE as u64 + 1)
                .read_until(b'\n', &mut line)?
                == 0
            {
                break;
            }
            let place = |why| Break {
                file: file.to_owned(),
                line: number,
                why,
            };
            match line.strip_suffix(b"\n") {
                Some(line) => self.line(line, &place),
                None if line.len() > LONGEST_LINE => {
                    self.not_a_record(place(Broken::Foreign));
                    reader.skip_until(b'\n')?;
                }
                None if self.is_part && !Link::may_begin(&line) => self.report.other_lines += 1,
                None => self.broken(place(Broken::Cut)),
            }
        }
        Ok(())
    }

    /// Whether the last record has to be a certain one; the report.
    pub fn finish(mut self, expected_last: Option<Hash>, file: &str) -> Report {
        let end = |why| Break {
            file: file.to_owned(),
            line: 0,
            why,
        };
        if self.report.records == 0 && self.report.broken.is_empty() {
            self.broken(end(Broken::Empty));
        } else if let Some(expected) = expected_last.map(|hash| hash.to_string())
            && self
                .report
                .last
                .as_ref()
                .is_none_or(|last| last.hash != expected)
        {
            self.broken(end(Broken::NotTheLast { expected }));
        }
        for kept in std::mem::take(&mut self.kept) {
            self.broken(end(Broken::NotThere {
                expected: kept.to_string(),
            }));
        }
        self.close_open(false);
        self.report
    }

    fn line(&mut self, line: &[u8], place: &impl Fn(Broken) -> Break) {
        let (link, seen) = match self.record_in(line) {
            Ok(Some(found)) => found,
            Ok(None) | Err(NoLink::Foreign) => return self.not_a_record(place(Broken::Foreign)),
            Err(NoLink::Changed) => {
                if let Some(expected) = &mut self.expected {
                    expected.is_unsure = true;
                }
                return self.broken(place(Broken::Changed));
            }
        };
        let begins_chain = link.seq == 1 && link.prev == Hash::NONE && seen.event == "start";
        // What was made shorter has lost what stood before, which a rotation keeps.
        let begins_file =
            begins_chain || (seen.event == "file" && seen.reason.as_deref() != Some("truncated"));
        let wrong = if self
            .edge
            .is_some_and(|(first, before)| link.hash == first || link.hash == before)
        {
            Some(Broken::Repeated { seq: link.seq })
        } else if begins_chain {
            let is_new = self.starts.insert(link.hash);
            self.report.chains += u64::from(is_new);
            (!is_new).then_some(Broken::Repeated { seq: 1 })
        } else {
            self.place_of(link, begins_file)
        };
        if let Some(why) = wrong {
            let is_behind = matches!(why, Broken::Repeated { .. });
            self.broken(place(why));
            // What stands where it does not belong says nothing about what comes next.
            if is_behind {
                return;
            }
        }
        self.expected = Some(Expected {
            chain: link.next(),
            is_unsure: false,
        });
        self.report.records += 1;
        self.kept.retain(|kept| *kept != link.hash);
        if self.report.first.is_none() {
            self.report.first = Some(link.seq);
            self.edge = (!begins_chain).then_some((link.hash, link.prev));
        }
        self.follow(link.seq, &seen);
        self.report.last = Some(Last {
            seq: link.seq,
            hash: link.hash.to_string(),
            event: seen.event.into_owned(),
            time: seen.time.into_owned(),
        });
    }

    /// The record in a line, if it has one.
    fn record_in<'l>(&self, line: &'l [u8]) -> Result<Option<(Link, Seen<'l>)>, NoLink> {
        let found = match self.is_part {
            true => Link::in_stream(&self.seal, line),
            false => Link::read(&self.seal, line).map(|link| Some((link, 0..line.len()))),
        };
        Ok(found?.and_then(|(link, at)| {
            let seen = serde_json::from_slice::<Seen<'_>>(line.get(at)?).ok()?;
            Some((link, seen))
        }))
    }

    /// What is wrong about a record being in this place.
    fn place_of(&mut self, link: Link, begins_file: bool) -> Option<Broken> {
        let Some(Expected { chain, is_unsure }) = &self.expected else {
            return (!begins_file && !self.is_part).then_some(Broken::Headless { seq: link.seq });
        };
        // A record that was changed is there, if not as it was.
        let is_next =
            link.seq == chain.seq || (*is_unsure && link.seq == chain.seq.saturating_add(1));
        if link.seq < chain.seq {
            if let Some((from, to)) = self.first_missing
                && (from..=to).contains(&link.seq)
                && let Some(first) = self.report.broken.first_mut()
            {
                first.why = Broken::Reordered;
            }
            return Some(Broken::Repeated { seq: link.seq });
        }
        if is_next {
            return (!is_unsure && link.prev != chain.last).then_some(Broken::Foreign);
        }
        let missing = (chain.seq + u64::from(*is_unsure), link.seq - 1);
        if self.report.broken.is_empty() {
            self.first_missing = Some(missing);
        }
        Some(Broken::Missing {
            from: missing.0,
            to: missing.1,
        })
    }

    /// Which calls have no end.
    fn follow(&mut self, seq: u64, seen: &Seen<'_>) {
        let id = seen.request_id.as_deref();
        match (seen.event.as_ref(), id) {
            ("start", _) => {
                self.close_open(true);
                self.report.repaired_bytes += seen.repaired_bytes.unwrap_or(0);
            }
            ("decision", Some(id))
                if seen.effect.as_deref() == Some("allow") && self.open.len() < MOST_OPEN =>
            {
                let open = Open {
                    request_id: id.to_owned(),
                    seq,
                    time: seen.time.clone().into_owned(),
                    is_crash: false,
                };
                self.open.insert(id.to_owned(), open);
            }
            ("end", Some(id)) => drop(self.open.remove(id)),
            ("gap", _) => {
                self.report.unrecorded_calls = self
                    .report
                    .unrecorded_calls
                    .saturating_add(seen.refused.unwrap_or(0));
                if let Some((first, last)) = seen.late {
                    self.open
                        .retain(|_, open| !(first..=last).contains(&open.seq));
                }
            }
            _ => {}
        }
    }

    fn close_open(&mut self, is_crash: bool) {
        let mut open: Vec<Open> = self
            .open
            .drain()
            .map(|(_, open)| Open { is_crash, ..open })
            .collect();
        open.sort_by_key(|open| open.seq);
        self.report.open_calls += open.len() as u64;
        let room = MOST_TOLD.saturating_sub(self.report.open.len());
        self.report.open.extend(open.into_iter().take(room));
    }

    /// A line of somebody else: in a stream it may be there.
    fn not_a_record(&mut self, place: Break) {
        match self.is_part {
            true => self.report.other_lines += 1,
            false => self.broken(place),
        }
    }

    fn broken(&mut self, place: Break) {
        self.report.broken_places += 1;
        if self.report.broken.len() < MOST_TOLD {
            self.report.broken.push(place);
        }
    }
}

#[cfg(test)]
mod tests;
