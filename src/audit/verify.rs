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
            Self::Foreign => f.write_str("foreign: not a record of this chain"),
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
    /// For lines that were sealed so. With `is_part` they may begin with any record: what a
    /// collector of logs cut off.
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
                    self.broken(place(Broken::Foreign));
                    reader.skip_until(b'\n')?;
                }
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
        let (link, seen) = match Link::read(&self.seal, line)
            .map(|link| (link, serde_json::from_slice::<Seen<'_>>(line)))
        {
            Ok((link, Ok(seen))) => (link, seen),
            Ok((_, Err(_))) | Err(NoLink::Foreign) => return self.broken(place(Broken::Foreign)),
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

    fn broken(&mut self, place: Break) {
        self.report.broken_places += 1;
        if self.report.broken.len() < MOST_TOLD {
            self.report.broken.push(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of a chain with these members.
    fn lines(seal: &Seal, members: &[&str]) -> Vec<Vec<u8>> {
        let mut chain = Chain::NEW;
        let line = |text: &&str| {
            let mut line = Vec::new();
            chain = chain.link(seal, format!("\"time\":\"t\",{text}").as_bytes(), &mut line);
            line
        };
        members.iter().map(line).collect()
    }

    const CHAIN: [&str; 6] = [
        r#""event":"start""#,
        r#""event":"decision","request_id":"a","effect":"allow""#,
        r#""event":"decision","request_id":"b","effect":"deny""#,
        r#""event":"decision","request_id":"c","effect":"allow""#,
        r#""event":"end","request_id":"a""#,
        r#""event":"gap","refused":7,"late":[4,4]"#,
    ];

    fn report(lines: &[Vec<u8>]) -> Report {
        let mut verifier = Verifier::new(Seal::default(), false);
        verifier.read("f", lines.concat().as_slice()).unwrap();
        verifier.finish(None, "f")
    }

    fn first(lines: &[Vec<u8>]) -> (u64, Broken) {
        let first = report(lines).broken.swap_remove(0);
        (first.line, first.why)
    }

    #[test]
    fn a_whole_chain_is_whole_and_calls_without_an_end_are_told() {
        let whole = lines(&Seal::default(), &CHAIN);
        let found = report(&whole);
        assert_eq!(
            (
                found.records,
                found.chains,
                found.first,
                found.unrecorded_calls
            ),
            (6, 1, Some(1), 7)
        );
        assert!(
            found.broken.is_empty() && found.open.is_empty(),
            "{found:?}"
        );
        let open: Vec<(String, bool)> = report(&whole[..4])
            .open
            .into_iter()
            .map(|open| (open.request_id, open.is_crash))
            .collect();
        assert_eq!(open, [("a".to_owned(), false), ("c".to_owned(), false)]);
        let crashed = lines(&Seal::default(), &[CHAIN[0], CHAIN[1], CHAIN[0]]);
        assert!(report(&crashed).broken.is_empty() && report(&crashed).open[0].is_crash);
    }

    #[test]
    fn the_first_broken_line_is_named_with_what_is_wrong() {
        let whole = lines(&Seal::default(), &CHAIN);
        let with = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
            let mut lines = whole.clone();
            change(&mut lines);
            first(&lines)
        };
        let other = lines(&Seal::default(), &[CHAIN[0], CHAIN[2], CHAIN[2]]);
        assert_eq!(with(&|lines| lines[2][80] ^= 1), (3, Broken::Changed));
        assert_eq!(
            with(&|lines| drop(lines.remove(3))),
            (4, Broken::Missing { from: 4, to: 4 })
        );
        assert_eq!(
            with(&|lines| drop(lines.drain(1..4))),
            (2, Broken::Missing { from: 2, to: 4 })
        );
        assert_eq!(
            with(&|lines| drop(lines.remove(0))),
            (1, Broken::Headless { seq: 2 })
        );
        assert_eq!(with(&|lines| lines.swap(2, 3)), (3, Broken::Reordered));
        assert_eq!(
            with(&|lines| lines.insert(3, whole[1].clone())),
            (4, Broken::Repeated { seq: 2 })
        );
        assert_eq!(
            with(&|lines| lines.insert(1, whole[0].clone())),
            (2, Broken::Repeated { seq: 1 })
        );
        assert_eq!(
            with(&|lines| lines.insert(2, b"listening\n".to_vec())),
            (3, Broken::Foreign)
        );
        assert_eq!(
            with(&|lines| lines[2] = other[2].clone()),
            (3, Broken::Foreign)
        );
        assert_eq!(with(&|lines| lines[5].truncate(100)), (6, Broken::Cut));
        let rotated = lines(&Seal::default(), &[CHAIN[0], CHAIN[1], r#""event":"file""#]);
        assert_eq!(
            first(&[&rotated[2..], &rotated[..2]].concat()),
            (3, Broken::Repeated { seq: 2 })
        );
        // The server says that somebody emptied its file: what it says first there is no beginning.
        let emptied = lines(
            &Seal::default(),
            &[
                CHAIN[0],
                CHAIN[1],
                r#""event":"file","reason":"truncated""#,
                CHAIN[4],
            ],
        );
        assert_eq!(first(&emptied[2..]), (1, Broken::Headless { seq: 3 }));
        assert!(
            report(&emptied).broken.is_empty(),
            "nothing is lost when it was copied before"
        );
        assert_eq!(first(&[]), (0, Broken::Empty));
        assert_eq!(
            first(&lines(&Seal::keyed(b"k"), &CHAIN)),
            (1, Broken::Changed)
        );
    }

    #[test]
    fn one_broken_line_is_one_broken_place() {
        let mut lines = lines(&Seal::default(), &CHAIN);
        lines[2][80] ^= 1;
        assert_eq!(report(&lines).broken_places, 1, "{:?}", report(&lines));
    }

    #[test]
    fn the_end_is_compared_with_a_hash_that_was_kept() {
        let whole = lines(&Seal::default(), &CHAIN);
        let read = |lines: &[Vec<u8>], expected: &str| {
            let mut verifier = Verifier::new(Seal::default(), false);
            verifier.read("f", lines.concat().as_slice()).unwrap();
            verifier.finish(Hash::read(expected.as_bytes()), "f").broken
        };
        let last = report(&whole).last.unwrap().hash;
        assert_eq!(read(&whole, &last), []);
        assert_eq!(
            read(&whole[..5], &last)[0].why,
            Broken::NotTheLast { expected: last }
        );
    }

    #[test]
    fn an_end_that_was_cut_off_is_missed_though_the_chain_went_on_there() {
        let whole = lines(&Seal::default(), &CHAIN);
        let anew = lines(&Seal::default(), &[CHAIN[0], CHAIN[1], CHAIN[0], CHAIN[4]]);
        let kept = Link::read(&Seal::default(), whole[3].strip_suffix(b"\n").unwrap())
            .unwrap()
            .hash;
        let read = |lines: &[Vec<u8>]| {
            let mut verifier = Verifier::new(Seal::default(), false);
            verifier.keep(vec![kept]);
            verifier.read("f", lines.concat().as_slice()).unwrap();
            verifier.finish(None, "f").broken
        };
        assert_eq!(
            (read(&whole), report(&anew).broken),
            (vec![], vec![]),
            "nothing else tells them apart"
        );
        let gone = Broken::NotThere {
            expected: kept.to_string(),
        };
        assert_eq!(
            read(&anew),
            [Break {
                file: "f".into(),
                line: 0,
                why: gone
            }]
        );
    }

    #[test]
    fn memory_does_not_grow_with_a_line_that_does_not_end() {
        let mut verifier = Verifier::new(Seal::default(), false);
        verifier
            .read("f", io::BufReader::new(io::repeat(b'x').take(8 << 20)))
            .unwrap();
        assert_eq!(verifier.finish(None, "f").broken_places, 1);
    }
}
