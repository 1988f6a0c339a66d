//! `kube-airlock audit verify FILE…`

use std::{
    error::Error,
    fmt::Write as _,
    fs::File,
    io::{self, BufReader, Write},
    path::{Path, PathBuf},
};

use clap::Args;

use crate::audit::{Hash, MOST_KEPT, Report, Verifier, rotated, seal_of};

/// Say whether records are the chain that was written, and where they are not.
#[derive(Args, Debug)]
#[command(after_help = "\
Each record holds the hash of the one before, and its own over all bytes before `,\"hash\":\"`. A record that was changed,
taken out, put in or moved is found and named. What was cut off at the end is not, unless you give --expect-last, or, when
the server has written more since, --expect: keep the hash that this prints last (or that of any record, from your log
collector) where the server cannot write.

Exit status: 0 when the chain is whole, 1 when it is broken, 2 when it could not be read.

Examples:
  kube-airlock audit verify /var/log/kube-airlock/audit.jsonl      reads audit.jsonl.N to audit.jsonl.1 before it
  kubectl logs deploy/kube-airlock | kube-airlock audit verify --part -      passes over the lines of the log
  kube-airlock audit verify --expect \"$(cat last-hash-of-yesterday)\" /var/log/kube-airlock/audit.jsonl
  kube-airlock audit verify --json --expect-last \"$(cat last-hash)\" audit.jsonl")]
pub struct Verify {
    /// Files with records; full ones beside each (FILE.1, FILE.2, ...) are read before it. `-` is
    /// standard input
    #[arg(required = true, value_name = "FILE|-")]
    files: Vec<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// A hash that some record has to have: one that was the last when you kept it. May be given
    /// more than once
    #[arg(long, value_name = "HASH")]
    expect: Vec<String>,
    /// The hash that the last record has to have; without it nobody sees that the end was cut off
    #[arg(long, value_name = "HASH")]
    expect_last: Option<String>,
    /// The key of `[audit] key_file`, when records are sealed with one
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The input is part of a stream: it may begin in the middle of a chain, and lines that are no
    /// records, and what a collector puts before one, are passed over
    #[arg(long)]
    part: bool,
}

/// The status when nothing can be said.
pub const UNUSABLE: u8 = 2;

impl Verify {
    /// Prints what was found; the exit status.
    pub fn run(self) -> Result<u8, Box<dyn Error>> {
        let hash = |text: &String| {
            Hash::read(text.as_bytes()).ok_or("--expect and --expect-last: give the 64 lower-case hexadecimal digits of a record's `hash`")
        };
        let expected = self.expect_last.as_ref().map(hash).transpose()?;
        let seal = self
            .key_file
            .as_deref()
            .map(seal_of)
            .transpose()?
            .unwrap_or_default();
        let mut verifier = Verifier::new(seal, self.part);
        verifier.keep(self.expect.iter().map(hash).collect::<Result<_, _>>()?);
        let mut last = String::new();
        // All are opened before one is read: what is rotated meanwhile stays what it was.
        let mut inputs: Vec<(String, Box<dyn io::Read>)> = Vec::new();
        for path in in_order(&self.files) {
            last = path.display().to_string();
            let unusable = |error: io::Error| format!("{} cannot be read: {error}", path.display());
            if path == Path::new("-") {
                inputs.push((last.clone(), Box::new(io::stdin())));
            } else {
                inputs.push((last.clone(), Box::new(File::open(&path).map_err(unusable)?)));
            }
        }
        for (name, input) in inputs {
            verifier
                .read(&name, BufReader::with_capacity(BUFFER, input))
                .map_err(|error| format!("{name} cannot be read: {error}"))?;
        }
        let report = verifier.finish(expected, &last);
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&report)?)?;
        } else {
            out.write_all(told(&report, self.expect_last.is_some()).as_bytes())?;
        }
        Ok(u8::from(report.broken_places > 0))
    }
}

const BUFFER: usize = 256 * 1024;

/// The files as they were written: each behind the full ones beside it.
fn in_order(files: &[PathBuf]) -> Vec<PathBuf> {
    // What a shell makes of `audit.jsonl*` names the full ones too.
    let is_beside = |path: &PathBuf| {
        files
            .iter()
            .any(|base| (1..=MOST_KEPT).any(|number| rotated(base, number) == *path))
    };
    let mut ordered = Vec::new();
    for base in files.iter().filter(|path| !is_beside(path)) {
        ordered.extend(
            (1..=MOST_KEPT)
                .rev()
                .map(|number| rotated(base, number))
                .filter(|path| path.is_file()),
        );
        ordered.push(base.clone());
    }
    ordered
}

fn told(report: &Report, is_end_known: bool) -> String {
    let mut told = String::new();
    let mut line = |text: String| {
        let _ = writeln!(told, "{text}"); // to a string, which does not fail
    };
    for place in &report.broken {
        let at = if place.line == 0 {
            place.file.clone()
        } else {
            format!("{}:{}", place.file, place.line)
        };
        line(format!("{at}: {}", place.why));
    }
    let more = report.broken_places - report.broken.len() as u64;
    if more > 0 {
        line(format!("and {more} more places"));
    }
    let verdict = if report.broken_places == 0 {
        "whole"
    } else {
        "BROKEN"
    };
    line(format!(
        "{verdict}: {} records, {} of them begin a chain",
        report.records, report.chains
    ));
    if let Some(first) = report.first.filter(|first| *first > 1) {
        line(format!(
            "  first  record {first}; those before it are not in this input"
        ));
    }
    if let Some(last) = &report.last {
        line(format!(
            "  last   record {} ({}) of {}\n  hash   {}",
            last.seq, last.event, last.time, last.hash
        ));
        if !is_end_known && report.broken_places == 0 {
            line(
                "  keep that hash elsewhere, and give it with --expect: without it, records that are cut off at the end are not missed"
                    .into(),
            );
        }
    }
    if report.other_lines > 0 {
        line(format!(
            "  {} other lines, which are no records, are passed over",
            report.other_lines
        ));
    }
    if report.repaired_bytes > 0 {
        line(format!(
            "  a crash had cut records of {} bytes, which were taken away",
            report.repaired_bytes
        ));
    }
    if report.unrecorded_calls > 0 {
        line(format!(
            "  {} calls were refused because nothing could be recorded",
            report.unrecorded_calls
        ));
    }
    for open in &report.open {
        let why = if open.is_crash {
            "the server ended before the call"
        } else {
            "running, or cut off"
        };
        line(format!(
            "  no end: call {} of {} (record {}): {why}",
            open.request_id, open.time, open.seq
        ));
    }
    let more = report.open_calls - report.open.len() as u64;
    if more > 0 {
        line(format!("  and {more} more without an end"));
    }
    told
}
